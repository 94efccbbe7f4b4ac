"""A meter's text in whatever encoding its maker uses."""

import pytest

from protocols.texts import meter_text, words_alone


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "cp1251"])
def test_a_name_is_readable_in_each_encoding_that_meters_use(encoding: str) -> None:
    name = "NARTIS-I100" if encoding == "ascii" else "НАРТИС-И100"
    assert meter_text(name.encode(encoding)) == name and words_alone(name)


def test_any_octets_give_a_text() -> None:
    assert all(meter_text(bytes((one,))) for one in range(256))
    assert not words_alone(meter_text(bytes.fromhex("07EA0A19FF17000000FF4C00")))

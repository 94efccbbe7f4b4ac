"""``meterpost read --trace``: every octet and what it says, on stderr; no password among them."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from protocols.mercury.frames import Energy
from simulators.faults import Faults
from simulators.line import PtyLine
from simulators.mercury230 import Mercury230
from tests.cli.conftest import Run, change
from tests.support.bus import FakeBus
from tests.support.requests import Operations

PASSWORD = "4f6b2d"  # six digits as the maker writes them: half octets, or text


def meter() -> Mercury230:
    return Mercury230(
        address=45,
        serial="23456789",
        now=lambda: datetime.now(UTC).replace(tzinfo=None),
        passwords={1: PASSWORD.encode()},
        registers={tariff: Energy(1000, 0, 0, 0) for tariff in range(5)},
    )


@pytest.fixture
def gateway(house: Path) -> Iterator[Path]:
    """A configuration whose port is a line that echoes everything; one Mercury with a password of its own."""
    file = house.parent / "meters.secret"
    file.write_text(PASSWORD + "\n")
    file.chmod(0o600)
    with PtyLine([meter()], pace=False, faults=Faults(chances={"echo": 1.0}, seed=1)) as line:
        change(house, f'port = "{house.parent / "ttyUSB0"}"', f'port = "{line.path}"')
        change(
            house,
            'serial = "23456789"\n',
            'serial = "23456789"\npassword_file = "meters.secret"\npassword_encoding = "ascii"\n',
        )
        yield house


def no_password_in(text: str) -> bool:
    octets = PASSWORD.encode()
    return all(shape not in text for shape in (PASSWORD, octets.hex(), octets.hex(" "), octets[:3].hex(" ")))


@pytest.mark.slow
def test_without_a_daemon_the_dialogue_is_shown_in_octets_and_words(gateway: Path, run: Run) -> None:
    done = run("read", "-c", str(gateway), "--trace", "--json")
    assert done.code == 0, done.err
    (record,) = done.document["records"]
    assert record["values"]["1-0:1.8.1"] == 1000
    lines = done.err.split("\n")
    at = lines.index("flat-12 >> 2d 01 01 ** ** ** ** ** ** ** **")
    assert lines[at + 1] == "    request to meter 45: open the channel at level 1, password ***"
    assert lines[at + 2].startswith("flat-12 << 2d 01 01 ** ** ** ** ** ** ** ** 2d 00")
    assert lines[at + 3] == "    answer of meter 45: done (status 00h)"
    assert no_password_in(done.err + done.out)


@pytest.mark.slow
@pytest.mark.parametrize("columns", [30, 40])
def test_a_trace_fits_a_phone(gateway: Path, run: Run, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    done = run("read", "-c", str(gateway), "--trace")
    assert done.code == 0 and max(map(len, done.err.split("\n"))) <= columns


def test_the_daemon_hands_its_trace_over_with_the_words(house: Path, run: Run) -> None:
    change(house, 'point = "flat-12"', 'point = "flat-1"')
    with closing(Operations(house.parent / "other", FakeBus(1))) as gateway, gateway.listening(house.parent / "state"):
        done = run("read", "-c", str(house), "flat-1", "--trace")
        lines = done.err.split("\n")
        assert lines[0].startswith("flat-1 >> ") and lines[0].endswith("** **") and "01 01 01" not in done.err
        assert lines[1] == "    request to meter 1: open the channel at level 1, password ***"
        assert "flat-1 << 01 00 00 20" in lines and "    answer of meter 1: done (status 00h)" in lines
        assert run("read", "-c", str(house), "flat-1").err == ""
        assert gateway.records() == []

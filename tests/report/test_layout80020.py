"""The message of a day as the receivers' rules want it."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.report.layout80020 import Channel, ExchangeDocument, LayoutError, MeasuringPoint, Party, whole
from tests.report.plant import CODE, read_80020, values_of
from tests.support.present import present

CHANNELS = tuple(Channel(f"0{code}", tuple(range(48)), (0,) * 48) for code in range(1, 5))
MESSAGE = ExchangeDocument(
    number=12,
    day=date(2026, 10, 5),
    made=datetime(2026, 10, 6, 1, 30, 7),
    summer=False,
    sender=Party("7700000001", "ООО «Ромашка»"),
    area=Party("7700000002", "АИИС КУЭ"),
    timezone=1,
    points=(MeasuringPoint(CODE, 'ПС "Ромашка" & Ко, ф.6-17', CHANNELS),),
)


def test_the_tree_is_the_one_of_the_layout() -> None:
    root = read_80020(MESSAGE.to_bytes())
    assert root.get("number") == "12"
    told = {element.tag: element.text for element in present(root.find("datetime"))}
    assert told == {"timestamp": "20261006013007", "daylightsavingtime": "0", "day": "20261005"}
    assert [element.text for element in present(root.find("sender"))] == ["7700000001", "ООО «Ромашка»"]
    assert present(root.find("area")).get("timezone") == "1"
    assert present(root.find("area/measuringpoint")).get("name") == 'ПС "Ромашка" & Ко, ф.6-17'
    assert [channel.get("code") for channel in root.iter("measuringchannel")] == ["01", "02", "03", "04"]
    assert values_of(MESSAGE.to_bytes(), "04") == list(range(48))


def test_the_file_is_windows_1251_and_named_by_sender_day_number_and_area() -> None:
    octets = MESSAGE.to_bytes()
    assert "ООО «Ромашка»".encode("cp1251") in octets
    assert MESSAGE.file_name == "80020_7700000001_20261005_12_7700000002.xml"


def test_an_email_that_windows_1251_lacks_comes_through_as_a_reference() -> None:
    octets = replace(MESSAGE, sender=Party("7700000001", "Հայ ٣ 漢")).to_bytes()
    assert present(present(read_80020(octets).find("sender/name")).text)[-1] == "漢"
    assert b"&#28450;" in octets


@pytest.mark.parametrize("bad", ["a\x00b", "\x1b", "\ufffe", "\ud800"])
def test_what_xml_cannot_carry_is_refused_with_the_text_that_has_it(bad: str) -> None:
    with pytest.raises(LayoutError, match="cannot stand in XML"):
        replace(MESSAGE, area=Party("7700000002", bad)).to_bytes()


energies = st.decimals(0, 5_000_000, places=3, allow_nan=False)


@pytest.mark.slow
@given(st.lists(st.lists(energies, min_size=48, max_size=48), min_size=1, max_size=4))
def test_no_energy_is_lost_or_made_by_whole_numbers_over_any_days(days: list[list[Decimal]]) -> None:
    carry, total = Decimal(0), 0
    for day in days:
        values, carry = whole(day, carry)
        total += sum(values)
        assert 0 <= carry < 1000
        assert all(value >= 0 for value in values)
    assert total * 1000 + carry == sum(map(sum, days))


@pytest.mark.slow
@given(st.lists(energies, min_size=48, max_size=48), st.decimals(-3000, 3000, places=3, allow_nan=False))
def test_a_debt_of_earlier_days_is_made_good_and_never_negative(day: list[Decimal], carry: Decimal) -> None:
    values, left = whole(day, carry)
    assert sum(values) * 1000 + left == sum(day) + carry
    assert min(values) >= 0 and left < 1000

"""The first question of every user: is my meter supported?"""

import pytest

from drivers import registry
from drivers.known_names import KNOWN, known


@pytest.mark.parametrize(
    ("name", "drivers"),
    [
        ("mercury206", ()),
        ("Меркурий 200.02", ()),
        ("меркурий-201", ()),
        ("Mercury 203.1", ()),
        ("СЕ102", ()),
        ("ce102 s6", ()),
        ("CE201", ()),
        ("СЭТ-4ТМ.03М", ()),
        ("Милур 105", ()),
        ("НАРТИС И100", ("spodes",)),
        ("nartis-300", ("spodes",)),
        ("МИРТЕК-12-РУ", ("spodes",)),
        ("Милур 107S", ("spodes",)),
        ("РиМ 489.18", ("spodes",)),
        ("Меркурий 234 D", ("spodes",)),
        ("ED300L", ("sml",)),
        ("DTZ541", ("sml",)),
        ("Smarty", ("p1",)),
    ],
)
def test_a_name_that_people_ask_for_is_answered_by_its_protocol(name: str, drivers: tuple[str, ...]) -> None:
    with pytest.raises(registry.UnknownDriver) as asked:
        registry.find(name)
    assert asked.value.likely == drivers
    assert (": not supported" in str(asked.value)) == (not drivers)


@pytest.mark.parametrize(
    ("name", "driver"),
    [
        ("Меркурий 230", "mercury230"),
        ("Mercury 203.2TD", "mercury203.2td"),
        ("меркурий 236", "mercury236"),
        ("CE102M", "ce102m"),
        ("СЕ303", "ce303"),
        ("Нева МТ 324", "neva-mt324"),
        ("SDM-630", "sdm630"),
    ],
)
def test_another_spelling_of_a_drivers_name_leads_to_it(name: str, driver: str) -> None:
    with pytest.raises(registry.UnknownDriver) as asked:
        registry.find(name)
    assert asked.value.likely[0] == driver


def test_every_driver_that_is_proposed_exists_and_no_drivers_name_is_taken() -> None:
    names = {model for family in registry.families() for model in family.models}
    assert {driver for one in KNOWN for driver in one.drivers} <= names
    assert not [name for name in names if known(name) and name not in ("p1", "dsmr") and not known(name).drivers]  # type: ignore[union-attr]

"""Settings of a DLMS meter: keys, counters, passwords, addresses, models; what cannot work is said first."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from drivers.dlms.driver import MemoryCounter, families
from drivers.dlms.model_file import models
from drivers.dlms.settings import OUR_TITLE, SETTINGS, candidates, key, lower, wire_password
from drivers.dlms.spodes import addresses
from drivers.files.faults import ConfigError
from drivers.reading import Kind
from protocols.dlms.apdu import obis
from protocols.dlms.cosem.objects import Scale
from protocols.dlms.hdlc import Address, Limits
from protocols.dlms.security import Keys
from protocols.dlms.words import CounterTooLow
from protocols.errors import AccessDenied, BadFrame, NoReply
from tests.support.dlms import Wire, driver, opened, plan, spodes, station
from tests.support.present import present

TOTAL = "1-0:1.8.0"
HOUR = timedelta(hours=1)
CLOCK = obis("0.0.1.0.0.255")


KEYS = Keys(bytes(range(16)), bytes(range(16, 32)))
SECURE: dict[str, Any] = {
    "client": 48, "mechanism": "hls5", "security": "both", "block_key_file": KEYS.block,
    "auth_key_file": bytes(range(16, 32)).hex(),
}  # fmt: skip


def test_the_frame_counter_is_begun_above_the_meters_own_and_never_steps_back() -> None:
    meter = spodes(configurator=5, keys=KEYS)
    meter.server.counters[bytes.fromhex(OUR_TITLE)] = 777
    there = station(meter)
    reads = driver(replace(plan(**SECURE), counter=lambda name: MemoryCounter(3)))
    wire = Wire(reads.session(), there.answer)
    reads.open(wire)
    assert isinstance(reads.counter, MemoryCounter) and reads.counter.value > 778
    mark = reads.counter.value
    reads.counter.skip_to(5)
    assert reads.counter.next() == mark


def test_each_session_takes_a_fresh_challenge_and_dedicated_key() -> None:
    reads = driver(plan(**SECURE, wrapping="ded"))
    asked = [reads._how.question(MemoryCounter()) for _ in range(2)]
    assert asked[0].challenge != asked[1].challenge
    assert present(asked[0].security).keys.dedicated != present(asked[1].security).keys.dedicated


@pytest.mark.parametrize(
    ("password", "settings", "words"),
    [
        (None, {}, "password_file is not set"),
        (b"short", {"client": 48}, "16 octets"),
        (b"x", SECURE | {"block_key_file": None}, "block_key_file is not set"),
        (b"x", SECURE | {"auth_key_file": "12"}, "32 hex digits"),
        (b"x", SECURE | {"system_title": "xyz"}, "system_title"),
        (b"x", {"timezone": "Moscow/Europe"}, "not a zone"),
    ],
)
def test_settings_that_cannot_work_are_said_before_anything_is_sent(
    password: bytes | None, settings: dict[str, Any], words: str
) -> None:
    reads = driver(plan(password=password, **settings))
    wire = Wire(reads.session(), lambda sent: b"")
    with pytest.raises(AccessDenied, match=words):
        reads.open(wire)
    assert wire.sent == []


def test_a_wrong_password_is_tried_once_and_not_repeated() -> None:
    meter = spodes()
    wire = Wire((reads := driver(plan(password=b"11111111"))).session(), station(meter).answer)
    with pytest.raises(AccessDenied, match="wrong password"):
        reads.open(wire)
    assert meter.server.refused == 1


@pytest.mark.parametrize(
    ("serial", "found"),
    [("45100345", (361, 345, 16)), ("00040701", (717, 1, 16)), ("12340000", (16, 1)), ("7", (23, 7, 16))],
)
def test_addresses_follow_from_the_serial_number(serial: str, found: tuple[int, ...]) -> None:
    assert set(addresses(serial)) >= set(found[:1])
    assert addresses(serial)[0] == found[0]
    assert 16 in addresses(serial)
    assert all(0 < number <= 16383 for number in addresses(serial))


def test_a_meter_is_found_by_its_serial_number() -> None:
    meter = spodes(serial="45100345")
    there = station(meter, lower=345)
    reads = driver(plan(address="serial:45100345"))
    wire = Wire(reads.session(), there.answer, tries=1)
    reads.open(wire)
    assert reads.identify(wire).serial == "45100345"
    tried = len(wire.sent)
    reads.close(wire)
    wire = Wire(reads.session(), there.answer, tries=1)
    reads.open(wire)
    assert len(wire.sent) == 2 < tried  # the address that answered is kept


def test_a_meter_that_is_nowhere_is_silent() -> None:
    reads = driver(plan(address="serial:45100345"))
    with pytest.raises(NoReply):
        reads.open(Wire(reads.session(), lambda sent: b"", tries=1))


@pytest.mark.parametrize(
    ("text", "size", "address"),
    [
        ("17", "auto", Address(1, 17, 2)),
        ("4583", "auto", Address(1, 4583, 4)),
        ("17", "4", Address(1, 17, 4)),
        ("1", "1", Address(1)),
    ],
)
def test_an_address_takes_the_octets_that_are_set(text: str, size: str, address: Address) -> None:
    assert candidates(text, size, 1) == (address,)


@pytest.mark.parametrize("text", ["x", "-1", "16384", "serial:", "serial:AB1", ""])
def test_an_address_that_is_none_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"stand|serial number"):
        lower(text)


@pytest.mark.parametrize(
    ("text", "settings", "octets"),
    [
        ("12345678", {}, b"12345678"),
        ("3132", {"password_encoding": "hex"}, b"12"),
        ("hex:3132", {}, b"12"),
        ("ascii:3132", {"password_encoding": "hex"}, b"3132"),
    ],
)
def test_a_password_becomes_octets_as_it_is_written(text: str, settings: dict[str, str], octets: bytes) -> None:
    assert wire_password(text, settings) == octets


@pytest.mark.parametrize("text", ["", "hex:1", "hex:xx", "x" * 65])
def test_a_password_that_cannot_be_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        wire_password(text, {})


@pytest.mark.parametrize("text", ["000102030405060708090a0b0c0d0e0f", "hex:000102030405060708090a0b0c0d0e0f"])
def test_a_key_is_sixteen_octets(text: str) -> None:
    assert key(text, "k") == key(bytes(range(16)), "k") == bytes(range(16))


def test_families_declare_what_they_can_and_every_setting_has_a_default_and_help() -> None:
    found = {family.name: family for family in families()}
    assert found["spodes"].capabilities >= {"identify", "now", "network", "interval", "day", "month", "event", "clock"}
    assert {family.protocol for family in found.values()} == {"dlms"}
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS)
    for setting in SETTINGS:
        assert setting.help
        assert setting.kind != "choice" or setting.default in setting.choices
    for family in found.values():
        kinds: tuple[Kind, ...] = ("now", "network", "interval", "day", "month", "event")
        for kind in kinds:
            if kind not in family.capabilities:
                continue
            assert sum(int(each.answer) for each in driver(plan(family.name)).exchanges(kind)) > 60


def test_an_installers_own_list_is_found_and_faults_are_told_all_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "dlms"
    folder.mkdir()
    (folder / "own.toml").write_text('names = ["own"]\nnow = ["1.0.1.8.0.255", "4/1.0.1.6.0.255"]\n')
    assert "own" in [model.names[0] for model in models(tmp_path)]
    (folder / "bad.toml").write_text('names = ["bad"]\nnow = ["1.0.1.8"]\n')
    (folder / "worse.toml").write_text('names = ["worse"]\nnew = 1\n[profile.hour]\nbuffer = "1.0.99.1.0.255"\n')
    with pytest.raises(ConfigError) as raised:
        models(tmp_path)
    assert [(fault.file.name, fault.line, fault.key) for fault in raised.value.faults] == [
        ("bad.toml", 2, "now"),
        ("worse.toml", 2, "new"),
        ("worse.toml", 3, "profile.hour"),
    ]


def test_the_energy_exchange_of_the_budget_is_near_the_truth() -> None:
    reads, wire = opened(plan(), station(spodes(), limits=Limits(1024, 1024, 1, 1)).answer)
    reads.now(wire)
    before = wire.octets
    reads.now(wire)
    *_, asked, _ = reads.exchanges("now")
    assert abs(wire.octets - before - asked.request - asked.answer) < 40


def test_a_scale_that_is_none_is_refused() -> None:
    with pytest.raises(BadFrame):
        Scale.from_data((1, 2, 3))
    with pytest.raises(BadFrame):
        Scale.from_data((99, 30))


def test_a_counter_that_the_meter_refuses_as_too_low_is_put_right_for_the_next_session() -> None:
    meter = spodes(configurator=5, keys=KEYS)
    there = station(meter)
    reads = driver(plan(**SECURE, counter_from_meter=False))
    seal = meter.server.counters

    def outpaced(sent: bytes) -> bytes:
        if seal and max(seal.values()) < 5000:  # another collector with the same keys was here in the meantime
            seal[bytes.fromhex(OUR_TITLE)] = 5000
        return there.answer(sent)

    with pytest.raises(CounterTooLow):
        reads.open(Wire(reads.session(), outpaced, tries=1))
    wire = Wire(reads.session(), there.answer)
    reads.open(wire)
    assert reads.counter.next() > 5001

"""The file as frozen values: what is read, what stands by default, what a technician may rely on."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from datetime import date, time
from decimal import Decimal

import pytest

from agent.config.load import default_file
from agent.config.values import Config, EarlierMeter, Gateway, Intake, Poll
from drivers.family import Setting
from protocols.session import Line
from tests.config import families
from tests.config.conftest import House

Meter = Callable[..., str]

DESIGN = """\
[gateway]
id = "gw-000123"
timezone = "Europe/Moscow"
state_dir = "/var/lib/meterpost"      # the only place it writes

[intake]
url = "mqtts://intake.example.org:8883"     # mqtt:// for a plain line
username = "gw-000123"
password_file = "mqtt.secret"
ca_file = "ca.pem"
receipts = "intake"
receipt_timeout = "10m"
compress = "auto"
allow = ["read", "fill", "resend"]

[poll]
now = "15m"
network = "5m"
interval = "30m"
day = "00:10"
month = "00:15"
event = "1h"

[[bus]]
name = "riser-1"
port = "/dev/serial/by-id/usb-FTDI_FT232R-if00-port0"
speed = 9600
format = "8N1"

[[meter]]
point = "flat-12"
bus = "riser-1"
driver = "mercury230"
address = 45
serial = "23456789"
account = "230100456789"
utility = "nesk-krasnodar"
tariffs = { T1 = "day", T2 = "night" }
ratio = 1
password_file = "meters.secret"
installed = 2024-03-01
initial = { T1 = 12.4, T2 = 3.1 }

[[meter.before]]
serial = "1234567"
removed = 2024-03-01
final = { T1 = 30122.7, T2 = 11873.0 }
"""


@pytest.fixture
def designed(house: House) -> Config:
    house.secret("s3cret\n", "mqtt.secret")
    house.secret("222222\r\n", "meters.secret")
    house.write("a certificate", "ca.pem")
    house.write(DESIGN)
    return house.load()


def test_the_configuration_of_the_design_is_read_whole(designed: Config, house: House) -> None:
    assert designed.gateway == Gateway("gw-000123", "Europe/Moscow")
    assert designed.intake.host == "intake.example.org"
    assert designed.intake.port == 8883
    assert designed.intake.tls
    assert designed.intake.allow == ("read", "fill", "resend")
    assert designed.intake.ca_file == house.folder / "ca.pem"
    (bus,) = designed.buses
    assert (bus.name, bus.line) == ("riser-1", Line(9600, "8N1"))
    assert bus.where == f"{house.file}:24:1"
    (meter,) = designed.meters
    assert (meter.point, meter.address, meter.serial) == ("flat-12", "45", "23456789")
    assert meter.tariffs == {"T1": "day", "T2": "night"}
    assert meter.installed == date(2024, 3, 1)
    assert meter.before == (
        EarlierMeter("1234567", date(2024, 3, 1), {"T1": Decimal("30122.7"), "T2": Decimal(11873)}),
    )


def test_energies_are_exact_and_never_binary_floats(designed: Config) -> None:
    (meter,) = designed.meters
    assert meter.initial == {"T1": Decimal("12.4"), "T2": Decimal("3.1")}
    assert meter.ratio == Decimal(1)
    assert isinstance(meter.ratio, Decimal)


def test_a_secret_loses_one_line_end_and_never_shows_itself(designed: Config) -> None:
    assert designed.intake.password is not None
    assert designed.intake.password.text == "s3cret"
    for shown in (repr(designed), str(designed.intake.password), f"{designed.intake}"):
        assert "s3cret" not in shown
        assert "222222" not in shown


def test_a_password_becomes_the_bytes_that_go_on_the_wire(designed: Config) -> None:
    assert designed.meters[0].password == bytes([2] * 6)


def test_the_values_can_be_handed_over_between_processes(designed: Config) -> None:
    assert pickle.loads(pickle.dumps(designed)) == designed


def test_what_is_not_written_has_its_default(house: House) -> None:
    loaded = house.load()
    assert loaded.gateway == Gateway("gw-000123", "Europe/Moscow")
    assert loaded.intake == Intake("intake.example.org", 8883, True, "mqtts://intake.example.org")
    assert loaded.meters[0].poll == Poll(interval=None, day=None, month=None, event=None)


@pytest.mark.parametrize(
    ("url", "port", "tls"),
    [("mqtt://h", 1883, False), ("mqtts://h", 8883, True), ("mqtt://h:1", 1, False), ("mqtts://[::1]:9", 9, True)],
)
def test_the_port_of_the_intake_follows_from_the_url(house: House, url: str, port: int, tls: bool) -> None:
    house.change("mqtts://intake.example.org", url)
    assert (house.load().intake.port, house.load().intake.tls) == (port, tls)


def test_the_makers_password_is_used_where_none_is_configured(house: House) -> None:
    assert house.load().meters[0].password == bytes([1] * 6)


def test_a_password_is_coded_as_its_setting_says(house: House) -> None:
    house.secret("222222")
    house.add('password_file = "a.secret"\npassword_encoding = "ascii"\n')
    assert house.load().meters[0].password == b"222222"


def test_a_credential_of_systemd_is_read_where_systemd_puts_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.write("from-systemd\n", "credentials/mqtt").chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(house.folder / "credentials"))
    house.change("[[bus]]", 'username = "gw"\npassword_file = "credential:mqtt"\n[[bus]]')
    password = house.load().intake.password
    assert password is not None
    assert password.text == "from-systemd"


def test_a_credential_outside_the_service_is_a_warning_for_a_person_and_a_fault_for_the_service(house: House) -> None:
    house.change("[[bus]]", 'username = "gw"\npassword_file = "credential:mqtt"\n[[bus]]')
    assert "credential mqtt" in house.fault().found
    loaded = house.load(service=False)
    assert loaded.intake.password is None
    assert any("credential mqtt" in warning for warning in loaded.warnings)


def test_a_secret_that_is_not_for_this_person_is_a_fault_unless_none_is_needed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.secret("geheim")
    house.change("[[bus]]", 'username = "gw"\npassword_file = "a.secret"\n[[bus]]')
    house.add('password_file = "a.secret"\n')
    monkeypatch.setattr("agent.config.secret.os.access", lambda path, mode: False)
    faults = house.faults(service=False)
    assert [fault.key for fault in faults] == ["intake.password_file", "meter[1].password_file"]
    assert all(fault.denied for fault in faults)
    loaded = house.load(service=False, secrets=False)
    assert (loaded.intake.password, loaded.meters[0].password) == (None, None)
    assert sum("a.secret, which you may not read: not checked" in warning for warning in loaded.warnings) == 2


def test_a_meter_goes_before_the_common_poll_and_that_before_the_default(house: House, meter: Meter) -> None:
    house.add(meter(poll='{ now = "1m", network = "off" }'))
    house.add('[poll]\nnow = "10m"\n')
    first, second = house.load().meters
    assert (first.poll.now, first.poll.network) == (600.0, 300.0)
    assert (second.poll.now, second.poll.network) == (60.0, None)


def test_polls_that_a_driver_cannot_do_are_off_without_a_word_where_they_are_the_default(house: House) -> None:
    loaded = house.load()
    assert loaded.meters[0].poll.interval is None
    assert not any("interval" in warning for warning in loaded.warnings)


def test_a_common_poll_that_some_driver_cannot_do_is_a_warning(house: House) -> None:
    house.add('[poll]\ninterval = "30m"\nday = "00:20"\n')
    loaded = house.load()
    assert f"{house.file}:21:1: interval is not read from flat-12: the driver cannot" in loaded.warnings


def test_times_of_day_are_local_times(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from drivers import registry
    from tests.config import families

    archive = replace(families.MERCURY, capabilities=families.MERCURY.capabilities | {"day", "month"})
    monkeypatch.setattr(registry, "of_module", lambda module, models_dir=None: (archive,))
    house.add('[poll]\nday = "23:59"\nmonth = "off"\n')
    poll = house.load().meters[0].poll
    assert (poll.day, poll.month) == (time(23, 59), None)


def test_a_meter_may_have_its_own_line_on_a_shared_bus(house: House, meter: Meter) -> None:
    house.add(meter(speed=2400, format='"8O1"', timeout='"750ms"'))
    first, second = house.load().meters
    assert first.line == Line(9600, "8N1")
    assert second.line == Line(2400, "8O1")
    assert second.timeout == 0.75


def test_a_driver_s_own_settings_come_as_the_driver_wants_them(house: House) -> None:
    house.add('level = 2\nanswer_time = "1500ms"\nlabel = "cellar"\n')
    settings = house.load().meters[0].settings
    assert settings == {"level": 2, "answer_time": Decimal("1.5"), "label": "cellar"}


def test_modbus_tcp_follows_from_the_port(house: House, meter: Meter) -> None:
    house.add('\n[[bus]]\nname = "net"\nport = "tcp://10.0.0.5:502"\n')
    house.add(meter(driver='"sdm630"', bus='"net"', address=1))
    assert house.load().meters[1].settings["framing"] == "tcp"


def test_files_of_conf_d_add_buses_and_meters_in_the_order_of_their_names(house: House, meter: Meter) -> None:
    house.write(meter(point='"b"', address=2, serial='"2"'), "conf.d/20-b.toml")
    house.write(
        '[[bus]]\nname = "riser-2"\nport = "/dev/ttyUSB1"\n' + meter(point='"a"', bus='"riser-2"'), "conf.d/10-a.toml"
    )
    house.write("this is not read", "conf.d/notes.txt")
    loaded = house.load()
    assert [bus.name for bus in loaded.buses] == ["riser-1", "riser-2"]
    assert [one.point for one in loaded.meters] == ["flat-12", "a", "b"]
    assert [file.name for file in loaded.files] == ["meterpost.toml", "10-a.toml", "20-b.toml"]
    assert loaded.meters[1].where.startswith(str(house.folder / "conf.d/10-a.toml:"))


def test_equal_addresses_are_fine_on_different_buses_and_behind_modbus_tcp(house: House, meter: Meter) -> None:
    house.add('\n[[bus]]\nname = "net"\nport = "tcp://10.0.0.5:502"\n')
    house.add('\n[[bus]]\nname = "riser-2"\nport = "/dev/ttyUSB1"\n')
    house.add(meter(point='"n"', driver='"sdm630"', bus='"net"', address=45, serial='"1"'))
    house.add(meter(point='"r"', bus='"riser-2"', address=45, serial='"2"'))
    assert len(house.load().meters) == 3


def test_relative_paths_count_from_the_file(house: House) -> None:
    house.change('timezone = "Europe/Moscow"', 'timezone = "Europe/Moscow"\nstate_dir = "state"')
    assert house.load().gateway.state_dir == house.folder / "state"


def test_a_mark_before_the_first_character_is_no_fault(house: House) -> None:
    house.file.write_bytes(b"\xef\xbb\xbf" + house.file.read_bytes())
    assert house.load().gateway.id == "gw-000123"


def test_what_was_not_written_is_known(house: House) -> None:
    defaults = house.load().defaults
    assert "gateway.hold" in defaults
    assert "meter[1].ratio" in defaults
    assert "meter[1].poll.now" in defaults
    assert not {"gateway.timezone", "bus[1].speed", "meter[1].serial"} & set(defaults)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ('timezone = "Europe/Moscow"', 'timezone = "Europe/Moscow"\nclock = "trust"', 4, "clock"),
        ('org"', 'org"\nreceipts = "broker"', 7, "broker"),
        ("mqtts://", "mqtt://", 6, "plain line"),
        ('tariffs = { T1 = "day", T2 = "night" }\n', "", 13, "no tariffs (their registers and meaning"),
        ('T2 = "night"', 'T2 = "day"', 19, "same meaning"),
        ("speed = 9600\n", "", 0, ""),
    ],
)
def test_what_is_allowed_and_yet_worth_a_look_is_a_warning_with_its_place(
    house: House, old: str, new: str, line: int, words: str
) -> None:
    assert house.load().warnings == ()
    house.change(old, new)
    warnings = house.load().warnings
    assert len(warnings) == (1 if words else 0)
    for warning in warnings:
        assert warning.startswith(f"{house.file}:{line}:1: ")
        assert words in warning


def test_without_a_zone_days_are_utc_and_meters_without_one_of_their_own_are_named(house: House, meter: Meter) -> None:
    house.change('timezone = "Europe/Moscow"\n', "")
    house.add(meter(timezone='"Asia/Omsk"', tariffs='{ T1 = "day" }'))
    assert house.load().warnings == (
        f"{house.file}:1:1: timezone is not set: days and months begin at midnight UTC",
        f"{house.file}:1:1: no one says in which zone the clocks run of flat-12: set timezone here or at the meter",
    )


def test_a_driver_whose_usual_line_differs_from_an_unwritten_one_is_a_warning(house: House, meter: Meter) -> None:
    house.change("speed = 9600\n", "")
    house.add(meter(driver='"sdm630"'))
    assert any("sdm630 usually speaks 9600 8E1" in warning for warning in house.load().warnings)


@pytest.mark.parametrize(
    ("zone", "stated", "warned"), [(None, False, True), ('"Asia/Omsk"', False, False), (None, True, False)]
)
def test_a_clock_whose_zone_nobody_says_is_a_warning(
    house: House, meter: Meter, monkeypatch: pytest.MonkeyPatch, zone: str | None, stated: bool, warned: bool
) -> None:
    zoned = (Setting("timezone", "text", "", "zone of the meter's clock"),)
    able = families.CE303.capabilities | {"clock"}
    clocked = replace(families.CE303, capabilities=able, settings=zoned, states_zone=stated)
    monkeypatch.setattr(families, "ALL", (*(one for one in families.ALL if one is not families.CE303), clocked))
    house.add(meter(driver='"ce303"', timezone=zone))
    assert not any("cannot say" in warning for warning in house.load().warnings)
    house.change('timezone = "Europe/Moscow"\n', "")
    assert any("flat-13 cannot say" in warning for warning in house.load().warnings) == warned


def test_unverified_registers_are_a_warning(house: House, meter: Meter) -> None:
    house.add(meter(driver='"sdm630"', unverified="true"))
    assert any("no maker's paper confirms" in warning for warning in house.load().warnings)


def test_without_c_the_file_is_in_etc() -> None:
    assert str(default_file()) == "/etc/meterpost/meterpost.toml"

"""What is wrong is said: everything at once, where it stands, what stands there and what may stand there."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.config.child import load_in_child
from agent.config.load import load
from drivers.files.faults import ConfigError
from tests.config.conftest import SOUND, House

Meter = Callable[..., str]


def test_every_fault_is_said_at_once_in_the_order_of_the_file(house: House, meter: Meter) -> None:
    house.change('id = "gw-000123"', 'id = "gw/1"\nclok = "trust"')
    house.change('url = "mqtts://intake.example.org"', 'url = "http://intake.example.org"')
    house.change("speed = 9600", "speed = 9601")
    house.change('bus = "riser-1"', 'bus = "riser1"')
    house.change('serial = "23456789"', "serial = 23456789")
    house.add(meter(driver='"mercury-23O"', adress=46, address=None))
    assert [(fault.line, fault.column, fault.key) for fault in house.faults()] == [
        (2, 6, "gateway.id"),
        (3, 1, "gateway.clok"),
        (7, 7, "intake.url"),
        (12, 9, "bus[1].speed"),
        (16, 7, "meter[1].bus"),
        (19, 10, "meter[1].serial"),
        (22, 1, "meter[2].address"),
        (25, 10, "meter[2].driver"),
        (27, 1, "meter[2].adress"),
    ]


def test_a_fault_is_one_line_with_file_line_column_and_key(house: House) -> None:
    house.change("address = 45", "address = 300")
    assert str(house.fault()) == (
        f'{house.file}:17:11: meter[1].address: found "300", expected an address of mercury230: a number from 0 to 240'
    )


@pytest.mark.parametrize(
    ("old", "new", "key", "found", "expected"),
    [
        # types are strict: nothing is turned into something else
        ('id = "gw-000123"', "id = 7", "gateway.id", "7", "letters, digits"),
        ('id = "gw-000123"', 'id = "a/b"', "gateway.id", '"a/b"', "MQTT topics"),
        ("speed = 9600", 'speed = "9600"', "bus[1].speed", '"9600"', "9600"),
        ("speed = 9600", "speed = true", "bus[1].speed", "true", "bit/s"),
        ("speed = 9600", 'format = "8n1"', "bus[1].format", '"8n1"', 'did you mean "8N1"?'),
        ("speed = 9600", 'format = "9N1"', "bus[1].format", '"9N1"', "7E1"),
        ('port = "/dev/ttyUSB0"', 'port = "ttyUSB0"', "bus[1].port", '"ttyUSB0"', "/dev/serial/by-id"),
        ('port = "/dev/ttyUSB0"', 'port = "sockett://h:1"', "bus[1].port", '"sockett://h:1"', "socket://"),
        ('port = "/dev/ttyUSB0"', 'port = "socket://h"', "bus[1].port", '"socket://h"', "host:port"),
        ('timezone = "Europe/Moscow"', 'timezone = "Moscow"', "gateway.timezone", '"Moscow"', "tz database"),
        ('timezone = "Europe/Moscow"', 'timezone = "../zone"', "gateway.timezone", '"../zone"', "tz database"),
        ('timezone = "Europe/Moscow"', 'timezone = "Europe"', "gateway.timezone", '"Europe"', "tz database"),
        ('timezone = "Europe/Moscow"', 'hold = "24"', "gateway.hold", '"24"', "24h"),
        ('timezone = "Europe/Moscow"', "hold = 24", "gateway.hold", "24", "24h"),
        ('timezone = "Europe/Moscow"', "keep_days = 0", "gateway.keep_days", "0", "1 to 36500"),
        ('timezone = "Europe/Moscow"', 'clock = "trsut"', "gateway.clock", '"trsut"', 'did you mean "trust"?'),
        ('timezone = "Europe/Moscow"', 'models_dir = "none"', "gateway.models_dir", "none", "existing directory"),
        ("mqtts://", "mqqts://", "intake.url", '"mqqts://intake.example.org"', '"mqtts://HOST:PORT"'),
        ("example.org", "example.org/path", "intake.url", "/path", "HOST:PORT"),
        ('org"', 'org"\nreceipts = "intak"', "intake.receipts", '"intak"', 'did you mean "intake"?'),
        ('org"', 'org"\nallow = ["read", "fil"]', "intake.allow[2]", '"fil"', 'did you mean "fill"?'),
        ('org"', 'org"\nallow = "read"', "intake.allow", '"read"', "an array"),
        ('org"', 'org"\nbacklog_rate = -1', "intake.backlog_rate", "-1", "no limit"),
        ('org"', 'org"\nca_file = "none.pem"', "intake.ca_file", "not a file", "existing file"),
        ('org"', 'org"\ncert_file = "meterpost.toml"', "intake.key_file", "nothing", "together"),
        ("address = 45", "address = 4.5", "meter[1].address", "4.5", "a number or text"),
        ("address = 45", "address = -1", "meter[1].address", '"-1"', "from 0 to 240"),
        ('serial = "23456789"', 'serial = ""', "meter[1].serial", '""', "serial number in quotes"),
        ('point = "flat-12"', 'point = "-rf"', "meter[1].point", '"-rf"', "a name"),
        ('point = "flat-12"', 'point = "a\\tb"', "meter[1].point", '"a\\u0009b"', "a name"),
        ('T2 = "night"', 'T2 = "nigth"', "meter[1].tariffs.T2", '"nigth"', 'did you mean "night"?'),
        ('T2 = "night"', 'T5 = "night"', "meter[1].tariffs.T5", '"T5"', '"T1", "T2", "T3" or "T4"'),
        ('tariffs = { T1 = "day", T2 = "night" }', "tariffs = {}", "meter[1].tariffs", "a table", "T1 = "),
        ('serial = "23456789"', 'serial = "2"\nratio = "20"', "meter[1].ratio", '"20"', "0.001 to"),
        ('serial = "23456789"', 'serial = "2"\nratio = nan', "meter[1].ratio", "NaN", "0.001 to"),
        ('serial = "23456789"', 'serial = "2"\nratio = 0', "meter[1].ratio", "0", "0.001 to"),
        ('serial = "23456789"', 'serial = "2"\nratio = 1e99999999999999999999', "meter[1].ratio", "NaN", "0.001"),
        ('serial = "23456789"', 'serial = "2"\ninitial = { T1 = -1 }', "meter[1].initial.T1", "-1", "kWh"),
        ('serial = "23456789"', 'serial = "2"\ninitial = { total = 1 }', "meter[1].initial.total", '"total"', "T1"),
        ('serial = "23456789"', 'serial = "2"\ninstalled = "2024-03-01"', "meter[1].installed", "2024", "without"),
        ('serial = "23456789"', 'serial = "2"\naccount = 230100', "meter[1].account", "230100", "in quotes"),
        ('serial = "23456789"', 'serial = "2"\ntimeout = 500', "meter[1].timeout", "500", '"500ms"'),
        ('serial = "23456789"', 'serial = "2"\npoll = { now = "500ms" }', "meter[1].poll.now", '"500ms"', '"1s"'),
        ('serial = "23456789"', 'serial = "2"\npoll = { nwo = "5m" }', "meter[1].poll.nwo", "unknown key", '"now"?'),
        ('serial = "23456789"', 'serial = "2"\npoll = "5m"', "meter[1].poll", '"5m"', "a table"),
        ('serial = "23456789"', 'serial = "2"\npoll.interval = "30m"', "meter[1].poll.interval", "cannot", "network"),
        ('serial = "23456789"', 'serial = "2"\nlevel = 3', "meter[1].level", "3", "from 1 up to 2"),
        ('serial = "23456789"', 'serial = "2"\nlevel = true', "meter[1].level", "true", "whole number"),
        ('serial = "23456789"', 'serial = "2"\nlevl = 1', "meter[1].levl", "unknown key", '"level"?'),
        ('serial = "23456789"', 'serial = "2"\nlabel = 1', "meter[1].label", "1", "text in quotes"),
        ('serial = "23456789"', 'serial = "2"\nanswer_time = "6s"', "meter[1].answer_time", '"6s"', "up to 5 s"),
        (
            'serial = "23456789"',
            'serial = "2"\npassword_encoding = "hexx"',
            "meter[1].password_encoding",
            '"hexx"',
            'did you mean "hex"?',
        ),
        ('driver = "mercury230"', 'driver = "mercury 230"', "meter[1].driver", '"mercury 230"', '"mercury230"?'),
        ("[[bus]]", "[bus]", "bus", "one [bus]", "double brackets"),
        ("[gateway]", "[[gateway]]", "gateway", "an array", "a table [gateway]"),
        ("[gateway]", "[gateways]\n[gateway]", "gateways", "unknown key", '"gateway"?'),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_what_may_stand_there(
    house: House, old: str, new: str, key: str, found: str, expected: str
) -> None:
    house.change(old, new)
    fault = house.fault()
    assert fault.key == key
    assert found in fault.found
    assert expected in fault.expected


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('id = "gw-000123"', "gateway.id"),
        ('url = "mqtts://intake.example.org"', "intake.url"),
        ('port = "/dev/ttyUSB0"', "bus[1].port"),
        ('point = "flat-12"', "meter[1].point"),
        ('bus = "riser-1"', "meter[1].bus"),
        ('driver = "mercury230"', "meter[1].driver"),
        ("address = 45", "meter[1].address"),
        ('serial = "23456789"', "meter[1].serial"),
    ],
)
def test_what_is_required_is_missed(house: House, line: str, key: str) -> None:
    house.change(line + "\n", "")
    fault = house.fault()
    assert (fault.key, fault.found) == (key, "nothing")


def test_an_empty_file_misses_the_four_things_that_every_gateway_has(house: House) -> None:
    house.write("")
    assert [fault.key for fault in house.faults()] == ["gateway.id", "intake.url", "bus", "meter"]


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "words"),
    [
        ("speed = 9600", "speed =", 11, 8, "TOML"),
        ("speed = 9600", "speed = slow", 11, 9, "quotes"),
        ("speed = 9600", "speed: 9600", 11, 6, '"="'),
        ("speed = 9600", "speed = 9600\nspeed = 9600", 12, 1, "there already"),
        ('"23456789"', '"23456789', 18, 10, "quotes"),
        ("[[bus]]", "[[bus]", 8, 1, "[[table]]"),
    ],
)
def test_what_is_no_toml_is_said_with_its_place(
    house: House, old: str, new: str, line: int, column: int, words: str
) -> None:
    house.change(old, new)
    fault = house.fault()
    assert (fault.line, fault.column) == (line, column)
    assert words in f"{fault.found} {fault.expected}"


@pytest.mark.parametrize(
    ("content", "line", "column", "found"),
    [
        (SOUND.encode().replace(b"flat-12", b"\xea\xe2-12"), 14, 10, "0xea"),
        (b"\x00\x01", 1, 1, "TOML"),
        (b"x = " + b"[" * 100_000, 1, 1, "without end"),
        (b"x = " + b"9" * 5000, 1, 1, "thousands of digits"),
        (b"#" * (1 << 20) + b"#", 1, 1, "more than 1 MiB"),
    ],
)
def test_bytes_that_are_no_configuration_are_a_fault(
    house: House, content: bytes, line: int, column: int, found: str
) -> None:
    house.file.write_bytes(content)
    fault = house.fault()
    assert (fault.line, fault.column) == (line, column)
    assert found in fault.found


def test_a_missing_file_a_directory_and_a_pipe_are_faults(house: House) -> None:
    house.file.unlink()
    assert house.fault().found == "no such file"
    os.mkfifo(house.file)
    assert house.fault().found == "a device or pipe"
    house.file.unlink()
    house.file.mkdir()
    assert house.fault().found == "a directory"


def test_a_file_that_this_user_may_not_read_is_a_matter_of_permission(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root, who may run the tests, may read everything
    with pytest.raises(ConfigError) as caught:
        house.load()
    assert caught.value.denied


def test_a_file_of_conf_d_may_add_buses_and_meters_and_nothing_else(house: House) -> None:
    house.write('\n[gateway]\nid = "other"\n', "conf.d/more.toml")
    fault = house.fault()
    assert (fault.file, fault.line, fault.key) == (house.folder / "conf.d/more.toml", 2, "gateway")
    assert "nothing else" in fault.expected


def test_faults_of_conf_d_name_their_own_file(house: House, meter: Meter) -> None:
    house.write(meter(address=500), "conf.d/more.toml")
    house.change("address = 45", "address = 500")
    assert [fault.file.name for fault in house.faults()] == ["meterpost.toml", "more.toml"]


# --- secrets


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_secret_that_others_can_read_is_refused_with_what_to_do(house: House, mode: int) -> None:
    file = house.secret("111111", mode=mode)
    house.add('password_file = "a.secret"\n')
    fault = house.fault()
    assert fault.key == "meter[1].password_file"
    assert f"chmod 600 {file}" in fault.expected
    file.chmod(0o600)
    assert house.load().meters[0].password == b"\x01" * 6


@pytest.mark.parametrize(
    ("text", "found"),
    [("", "nothing in"), ("\n", "nothing in"), ("one\ntwo\n", "more than one line"), ("x" * 5000, "more than 4096")],
)
def test_a_secret_is_one_line(house: House, text: str, found: str) -> None:
    house.secret(text)
    house.add('password_file = "a.secret"\n')
    assert found in house.fault().found


def test_a_password_that_does_not_fit_is_refused_without_being_shown(house: House) -> None:
    house.secret("hunter2hunter2")
    house.add('password_file = "a.secret"\n')
    fault = house.fault()
    assert fault.key == "meter[1].password_file"
    assert "six characters" in fault.expected
    assert "hunter2" not in str(fault)


@pytest.mark.parametrize("line", ['password = "hunter2"', 'pasword = "hunter2"', 'password_fil = "hunter2"'])
@pytest.mark.parametrize("table", ["[[bus]]", "[[meter]]"])
def test_a_password_that_stands_in_the_file_is_never_shown(house: House, line: str, table: str) -> None:
    """Before [[bus]] it stands in [intake], else in the meter."""
    if table == "[[bus]]":
        house.change(table, f"{line}\n{table}")
    else:
        house.add(line + "\n")
    fault = house.fault()
    assert fault.expected == '"password_file"?'
    assert "hunter2" not in str(fault)


def test_a_password_inside_the_url_is_refused_without_being_shown(house: House) -> None:
    house.change("mqtts://intake", "mqtts://gw:hunter2@intake")
    fault = house.fault()
    assert fault.key == "intake.url"
    assert "hunter2" not in str(fault)


def test_a_secret_file_that_is_missing_or_a_folder_is_a_fault(house: House) -> None:
    house.add('password_file = "a.secret"\n')
    assert "does not exist" in house.fault().found
    (house.folder / "a.secret").mkdir()
    assert "not a file" in house.fault().found


def test_a_password_for_a_driver_that_knows_none_is_a_fault(house: House, meter: Meter) -> None:
    house.secret("1")
    house.add(meter(driver='"sdm630"', password_file='"a.secret"'))
    assert "knows no password" in house.fault().expected


def test_a_private_key_that_others_can_read_is_refused(house: House) -> None:
    house.secret("key", "key.pem", 0o644)
    house.secret("certificate", "cert.pem", 0o644)
    house.change("[[bus]]", 'cert_file = "cert.pem"\nkey_file = "key.pem"\n[[bus]]')
    fault = house.fault()
    assert fault.key == "intake.key_file"
    assert "chmod 600" in fault.expected


def test_a_password_without_a_name_and_certificates_on_a_plain_line_are_faults(house: House) -> None:
    house.secret("x")
    house.write("c", "ca.pem")
    house.change("mqtts://intake.example.org", "mqtt://intake.example.org")
    house.change("[[bus]]", 'password_file = "a.secret"\nca_file = "ca.pem"\n[[bus]]')
    assert {fault.key for fault in house.faults()} == {"intake.username", "intake.ca_file"}


# --- what the lines cannot bear


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"point": '"flat-12"'}, "point", "no other meter"),
        ({"serial": '"23456789"'}, "serial", "one meter only"),
        ({"address": 45}, "address", "an address of its own"),
        ({"driver": '"sdm630"', "address": 45}, "address", "would answer each other"),
        ({"driver": '"mercury200"', "address": 45 << 24}, "address", "would answer each other"),
        ({"address": 0}, "address", "every meter on this bus"),
        ({"driver": '"sdm630"', "framing": '"tcp"'}, "framing", '"rtu"'),
    ],
)
def test_what_clashes_with_the_first_meter_is_refused(
    house: House, meter: Meter, changes: dict[str, object], key: str, words: str
) -> None:
    house.add(meter(**changes))
    fault = house.fault()
    assert fault.key == f"meter[2].{key}"
    assert words in fault.expected


def test_mercury_20x_beside_modbus_is_refused_whatever_the_addresses(house: House, meter: Meter) -> None:
    house.add(meter(driver='"mercury200"', address=411486))
    house.load()
    house.add(meter(point='"m"', driver='"sdm630"', address=1, serial='"3"'))
    fault = house.fault()
    assert fault.key == "meter[2].driver"
    assert "a bus without sdm630" in fault.expected


def test_the_same_port_twice_is_refused_also_by_another_name_of_the_device(house: House) -> None:
    (house.folder / "by-id").symlink_to("ttyUSB7")
    device, link = house.folder / "ttyUSB7", house.folder / "by-id"
    house.change("/dev/ttyUSB0", str(device))
    house.add(f'\n[[bus]]\nname = "riser-2"\nport = "{link}"\n')
    fault = house.fault()
    assert fault.key == "bus[2].port"
    assert "meterpost.toml:10" in fault.found


def test_the_same_bus_name_twice_is_refused(house: House) -> None:
    house.add('\n[[bus]]\nname = "riser-1"\nport = "/dev/ttyUSB1"\n')
    assert house.fault().key == "bus[2].name"


def test_a_driver_without_modbus_tcp_on_a_tcp_port_is_refused(house: House) -> None:
    house.change("/dev/ttyUSB0", "tcp://10.0.0.5:502")
    assert house.fault().key == "meter[1].bus"


def test_a_clash_is_found_across_files(house: House, meter: Meter) -> None:
    house.write(meter(address=45), "conf.d/more.toml")
    fault = house.fault()
    assert fault.file.name == "more.toml"
    assert "meterpost.toml:13" in fault.found


# --- whatever the file holds


@pytest.mark.slow
@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_a_configuration_or_faults(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "any.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert caught.value.faults


JUNK = st.recursive(
    st.sampled_from(["true", "0", "-1", "1.5", "nan", '""', '"x"', "2024-01-01", "07:00:00", '"5m"', "'''a\nb'''"]),
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(items)}]")
        | inner.map(lambda item: f"{{ T1 = {item} }}")
        | inner.map(lambda item: f"{{ now = {item} }}")
    ),
    max_leaves=4,
)


@pytest.mark.slow
@given(st.sampled_from([line for line in SOUND.splitlines() if "=" in line]), JUNK)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_under_any_key_is_sound_or_a_fault_at_its_line(tmp_path: Path, line: str, junk: str) -> None:
    key = line.split(" = ")[0]
    text = SOUND.replace(line, f"{key} = {junk}")
    file = tmp_path / "any.toml"
    file.write_text(text, encoding="utf-8")
    try:
        load(file)
    except ConfigError as error:
        at = text.split("\n").index(f"{key} = {junk}".split("\n")[0]) + 1
        assert all(
            at <= fault.line <= at + 2 * junk.count("\n") or fault.key == "meter[1].bus" for fault in error.faults
        )


# --- the child


@pytest.mark.slow
def test_the_daemon_s_way_gives_the_same_values_and_leaves_pydantic_behind(tmp_path: Path) -> None:
    house = House(tmp_path)
    code = (
        "import sys; from pathlib import Path; from agent.config.child import load_in_child\n"
        f"config = load_in_child(Path({str(house.file)!r}))\n"
        "print(config.gateway.id, config.meters[0].password.hex(), 'pydantic' in sys.modules)"
    )
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["gw-000123", "010101010101", "False"]


@pytest.mark.slow
def test_the_daemon_s_way_brings_every_fault_back(house: House) -> None:
    house.change('id = "gw-000123"', "id = 1")
    house.change('url = "mqtts://intake.example.org"', "url = 1")
    with pytest.raises(ConfigError) as caught:
        load_in_child(house.file)
    assert [fault.key for fault in caught.value.faults] == ["gateway.id", "intake.url"]

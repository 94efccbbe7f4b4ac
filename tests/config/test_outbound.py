"""How figures leave that do not go by MQTT: ``[statements]``, ``[modem]``, ``[mail]``, ``[exchange]``."""

import pickle
from collections.abc import Callable
from datetime import time
from pathlib import Path

import pytest

from agent.config.explain import explain
from agent.config.values import ExchangeSettings, MailSettings, ModemSettings, Secret, StatementSettings
from tests.config.conftest import House

Meter = Callable[..., str]

MODEM = '\n[modem]\nport = "/dev/ttyUSB7"\n'
MAIL = '\n[mail]\nhost = "smtp.example.org"\nsender = "meters@example.org"\n'
EXCHANGE = """
[exchange]
inn = "7707083893"
name = "ООО «Сети»"
area_inn = "2300000000"
area_name = "Краснодар, ул. Красная"
"""


def test_without_these_tables_nothing_leaves_but_by_mqtt(house: House) -> None:
    loaded = house.load()
    assert (loaded.modem, loaded.mail, loaded.exchange) == (None, None, None)
    assert loaded.statements == StatementSettings(86400.0)


def test_all_that_may_be_written_is_read(house: House) -> None:
    house.secret("1234\n", "sim.pin")
    house.secret("s3cret\n", "mail.secret")
    house.write("a certificate", "ca.pem")
    house.add('exchange_code = "230010000012101"\n\n[statements]\nfallback_before = "36h"\n')
    house.add(MODEM + 'speed = 9600\npin_file = "sim.pin"\ncentre = "+79184330000"\n')
    house.add(MAIL + 'port = 2525\ntls = "tls"\nusername = "gw"\npassword_file = "mail.secret"\nca_file = "ca.pem"\n')
    house.add(EXCHANGE + 'area_timezone = 2\nto = ["a@example.org", "b@example.org", "a@example.org"]\nat = "02:15"\n')
    loaded = house.load()
    assert loaded.statements == StatementSettings(36 * 3600.0)
    assert loaded.modem == ModemSettings("/dev/ttyUSB7", 9600, Secret("1234"), "+79184330000")
    ca_file = house.folder / "ca.pem"
    mail = MailSettings("smtp.example.org", "meters@example.org", 2525, "tls", "gw", Secret("s3cret"), ca_file)
    assert loaded.mail == mail
    to = ("a@example.org", "b@example.org")
    names = ("7707083893", "ООО «Сети»", "2300000000", "Краснодар, ул. Красная")
    assert loaded.exchange == ExchangeSettings(*names, 2, to, time(2, 15))
    assert loaded.warnings == ()
    assert pickle.loads(pickle.dumps(loaded)) == loaded


@pytest.mark.parametrize(
    ("tls", "host", "port"), [("starttls", "h", 587), ("tls", "h", 465), ("none", "localhost", 25)]
)
def test_the_port_of_the_mail_server_follows_from_its_tls(house: House, tls: str, host: str, port: int) -> None:
    house.add(MAIL.replace("smtp.example.org", host) + f'tls = "{tls}"\n')
    mail = house.load().mail
    assert mail is not None
    assert (mail.tls, mail.port) == (tls, port)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_a_plain_line_goes_to_this_very_host(house: House, host: str) -> None:
    house.add(MAIL.replace("smtp.example.org", host) + 'tls = "none"\n')
    assert house.load().mail is not None


@pytest.mark.parametrize(
    ("table", "old", "new", "key", "found", "expected"),
    [
        ("\n[statements]\n", "", "fallback_before = 24", "statements.fallback_before", "24", '"24h"'),
        ("\n[statements]\n", "", 'fallback_before = "30s"', "statements.fallback_before", '"30s"', '"1m"'),
        ("\n[statements]\n", "", 'fallbak_before = "1d"', "statements.fallbak_before", "unknown", "fallback_before"),
        (MODEM, 'port = "/dev/ttyUSB7"', "", "modem.port", "nothing", "by-id"),
        (MODEM, "/dev/ttyUSB7", "tcp://h:502", "modem.port", '"tcp://h:502"', "socket://"),
        (MODEM, "/dev/ttyUSB7", "/dev/ttyUSB0", "modem.port", "meterpost.toml:10 has too", "no bus"),
        (MODEM, "", "speed = 9601", "modem.speed", "9601", "115200"),
        (MODEM, "", 'centre = "8 918"', "modem.centre", '"8 918"', "telephone number"),
        (MODEM, "", 'pin_file = "none"', "modem.pin_file", "does not exist", "existing"),
        (MAIL, 'host = "smtp.example.org"', "", "mail.host", "nothing", "mail server"),
        (MAIL, 'sender = "meters@example.org"', "", "mail.sender", "nothing", "e-mail address"),
        (MAIL, "smtp.example.org", "smtp://h", "mail.host", '"smtp://h"', "mail server"),
        (MAIL, "meters@", "Meters <m@", "mail.sender", "Meters", "e-mail address"),
        (MAIL, "", "port = 0", "mail.port", "0", "1 to 65535"),
        (MAIL, "", 'tls = "startls"', "mail.tls", '"startls"', 'did you mean "starttls"?'),
        (MAIL, "", 'tls = "none"', "mail.tls", '"none"', "localhost"),
        (MAIL, "", 'username = "gw"', "mail.password_file", "nothing", "password to the name"),
        (MAIL, "", 'password_file = "ok.secret"', "mail.username", "nothing", "name to the password"),
        (MAIL, "", 'ca_file = "none.pem"', "mail.ca_file", "not a file", "existing file"),
        (MAIL, "smtp.example.org", 'localhost"\ntls = "none"\nca_file = "x', "mail.ca_file", '"x"', "nothing where"),
        (MAIL, "", 'password = "x"', "mail.password", "an unknown key", '"password_file"?'),
        (EXCHANGE, '"7707083893"', '"7707083892"', "exchange.inn", '"7707083892"', "check digits"),
        (EXCHANGE, '"7707083893"', "7707083893", "exchange.inn", "7707083893", "in quotes"),
        (EXCHANGE, '"2300000000"', '"23"', "exchange.area_inn", '"23"', "10 or 12 digits"),
        (EXCHANGE, 'name = "ООО «Сети»"\n', "", "exchange.name", "nothing", "text"),
        (EXCHANGE, "", 'at = "off"', "exchange.at", '"off"', '"01:30"'),
        (EXCHANGE, "", "area_timezone = 100", "exchange.area_timezone", "100", "0 to 99"),
        (EXCHANGE + MAIL.strip(), "[mail]", 'to = ["a@b", "c"]\n[mail]', "exchange.to[2]", '"c"', "array of e-mail"),
        (EXCHANGE, "", 'to = ["a@b"]', "exchange.to", "addresses", "[mail]"),
    ],
)
def test_what_does_not_fit_is_said_with_its_place(
    house: House, table: str, old: str, new: str, key: str, found: str, expected: str
) -> None:
    house.secret("s3cret", "ok.secret")
    assert old in table
    text = table.replace(old, new, 1) if old else f"{table}{new}\n"
    house.add(text)
    fault = house.fault()
    assert fault.key == key
    assert found in fault.found
    assert expected in fault.expected
    assert fault.line > 19


def test_a_table_that_is_none_is_a_fault(house: House) -> None:
    house.change("[gateway]", "modem = 1\n[gateway]")
    assert "a table [modem]" in house.fault().expected


@pytest.mark.parametrize("inn", ["7707083893", "7830002293", "500100732259"])
def test_a_taxpayer_s_number_has_check_digits(house: House, inn: str) -> None:
    house.add(EXCHANGE.replace("7707083893", inn))
    exchange = house.load().exchange
    assert exchange is not None
    assert exchange.inn == inn


@pytest.mark.parametrize("inn", ["7707083893", "500100732259"])
@pytest.mark.parametrize("position", [0, 3, -2, -1])
def test_a_mistyped_digit_of_a_taxpayer_s_number_is_seen(house: House, inn: str, position: int) -> None:
    digits = list(inn)
    digits[position] = str((int(digits[position]) + 1) % 10)
    house.add(EXCHANGE.replace("7707083893", "".join(digits)))
    assert house.fault().key == "exchange.inn"


def test_the_modem_and_a_bus_are_two_devices_whatever_their_names(house: House) -> None:
    device, link = house.folder / "ttyUSB7", house.folder / "by-id"
    link.symlink_to(device)
    house.change("/dev/ttyUSB0", str(link))
    house.add(MODEM.replace("/dev/ttyUSB7", str(device)))
    assert house.fault().key == "modem.port"


@pytest.mark.parametrize("pin", ["987", "123456789", "12a4", "s3cret"])
def test_a_pin_that_is_none_is_a_fault_that_does_not_show_it(house: House, pin: str) -> None:
    house.secret(pin, "sim.pin")
    house.add(MODEM + 'pin_file = "sim.pin"\n')
    fault = house.fault()
    assert fault.key == "modem.pin_file"
    assert pin not in str(fault)


def test_a_secret_open_to_others_is_refused(house: House) -> None:
    house.secret("1234", "sim.pin", mode=0o644)
    house.add(MODEM + 'pin_file = "sim.pin"\n')
    assert "chmod 600" in house.fault().expected


def test_credentials_of_the_service_are_a_warning_for_a_person(house: House) -> None:
    house.add(MODEM + 'pin_file = "credential:sim"\n')
    house.add(MAIL + 'username = "gw"\npassword_file = "credential:mail"\n')
    assert [fault.key for fault in house.faults()] == ["modem.pin_file", "mail.password_file"]
    loaded = house.load(service=False)
    assert [warning.split(": ")[1] for warning in loaded.warnings] == [
        "the credential sim outside the service",
        "the credential mail outside the service",
    ]


def test_conf_d_adds_none_of_these_tables(house: House) -> None:
    house.write(MODEM + MAIL, "conf.d/more.toml")
    assert [fault.key for fault in house.faults()] == ["modem", "mail"]


def test_an_exchange_file_without_measuring_points_is_a_warning(house: House) -> None:
    house.add(EXCHANGE)
    (warning,) = house.load().warnings
    assert warning.startswith(f"{house.file}:21:1: no meter has an exchange_code")


def test_explain_shows_what_is_in_force_and_no_secret(house: House) -> None:
    house.secret("1234", "sim.pin")
    house.secret("s3cret", "mail.secret")
    house.add(MODEM + 'pin_file = "sim.pin"\n' + MAIL + 'username = "gw"\npassword_file = "mail.secret"\n' + EXCHANGE)
    entries = {entry.key: (entry.value, entry.origin) for entry in explain(house.load())}
    assert entries["statements.fallback_before"] == ('"1d"', "default")
    assert entries["modem.port"] == ('"/dev/ttyUSB7"', "file")
    assert entries["modem.pin_file"] == ("***", "file")
    assert entries["modem.centre"] == ("none", "default")
    assert entries["mail.host"] == ('"smtp.example.org"', "file")
    assert entries["mail.port"] == ("587", "default")
    assert entries["mail.password_file"] == ("***", "file")
    assert entries["exchange.inn"] == ('"7707083893"', "file")
    assert entries["exchange.at"] == ('"01:30"', "default")
    assert not any(secret in str(entries) for secret in ("1234'", '"1234"', "s3cret"))


def test_without_a_table_explain_does_not_show_it(house: House) -> None:
    shown = {entry.key.split(".")[0] for entry in explain(house.load())}
    assert shown == {"gateway", "intake", "statements", "bus[1]", "meter[1]"}


def test_an_installer_s_folder_of_utilities_counts_from_the_file(house: House) -> None:
    house.change('timezone = "Europe/Moscow"', 'timezone = "Europe/Moscow"\nutilities_dir = "utilities"')
    fault = house.fault()
    assert (fault.key, fault.found) == ("gateway.utilities_dir", str(house.folder / "utilities"))
    Path(house.folder / "utilities").mkdir()
    assert house.load().gateway.utilities_dir == house.folder / "utilities"

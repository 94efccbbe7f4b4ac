"""``meterpost check``: faults with their places, the lines' time, and what this machine lacks."""

import os
from pathlib import Path

import pytest

from tests.cli.conftest import Run, change


def test_a_sound_configuration_is_summed_up(run: Run, house: Path) -> None:
    done = run("check", "-c", str(house))
    assert done.code == 0
    assert done.err == ""
    assert "gw-000123: 1 bus, 1 meter" in done.out
    assert "mqtts://intake.example.org:8883" in done.out
    assert "riser-1" in done.out
    assert done.out.endswith("The configuration is sound.\n")


def test_a_summary_fits_a_phone(run: Run, house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    change(house, str(house.parent / "ttyUSB0"), "/dev/serial/by-id/usb-FTDI_FT232R-if00-p0")
    lines = run("check", "-c", str(house), "--explain").out.splitlines()
    assert [line for line in lines if len(line) > 50 and " " in line.strip() and "/" not in line] == []


def test_faults_are_all_listed_and_exit_78(run: Run, house: Path) -> None:
    change(house, "address = 45", "address = 450")
    change(house, "speed = 9600", "sped = 9600")
    done = run("check", "-c", str(house))
    assert done.code == 78
    assert done.out == ""
    lines = done.err.splitlines()
    assert lines[0].startswith(f"{house}:12:1: bus[1].sped: ")
    assert lines[1].startswith(f"{house}:18:11: meter[1].address: ")
    assert lines[2] == "2 faults in the configuration"


def test_faults_as_json_are_one_document(run: Run, house: Path) -> None:
    change(house, "address = 45", "address = 450")
    done = run("check", "-c", str(house), "--json")
    assert done.code == 78
    assert done.document["schema"] == "meterpost/check/1"
    assert done.document["ok"] is False
    (fault,) = done.document["faults"]
    assert (fault["file"], fault["line"], fault["column"]) == (str(house), 18, 11)
    assert fault["key"] == "meter[1].address"


def test_a_missing_file_exits_78_with_what_to_do(run: Run, tmp_path: Path) -> None:
    done = run("check", "-c", str(tmp_path / "none.toml"))
    assert done.code == 78
    assert "no such file" in done.err


def test_the_budget_is_in_the_json_in_seconds_and_shares(run: Run, house: Path) -> None:
    document = run("check", "-c", str(house), "--json").document
    assert document["ok"] is True
    (bus,) = document["buses"]
    assert (bus["name"], bus["speed"], bus["format"], bus["kept"]) == ("riser-1", 9600, "8N1", True)
    kinds = {one["kind"]: one for one in bus["rounds"]}
    assert kinds["now"]["period_s"] == 900.0
    assert 0.05 < kinds["now"]["alive_s"] < 1.0
    assert 0 < bus["load"] < 0.1


def test_an_optical_head_s_poll_costs_its_sign_on_at_300_and_the_rest_at_9600(run: Run, house: Path) -> None:
    text = house.read_text(encoding="utf-8")
    meter = text.index("[[meter]]")
    optical = 'point = "flat-1"\nbus = "riser-1"\ndriver = "ce303"\naddress = "135064195"\nserial = "009114135064195"\n'
    text = text[:meter].replace("speed = 9600", 'speed = 300\nformat = "7E1"') + f"[[meter]]\n{optical}"
    house.write_text(text, encoding="utf-8")
    (bus,) = run("check", "-c", str(house), "--json").document["buses"]
    (now,) = [one for one in bus["rounds"] if one["kind"] == "now"]
    slow, fast = 10 / 300, 10 / 9600  # s a character: 33.3 ms and 1.04 ms
    octets = (14 + 20 + 6) * slow + (16 + 13 + 21 + 13 + 101 + 5) * fast  # /?ADDRESS!, ident, option; P0, R1 twice, B0
    reactions = 9 * 0.2  # before each of the nine messages
    assert now["alive_s"] == pytest.approx(octets + reactions, abs=0.001) == pytest.approx(3.309, abs=0.001)
    assert now["finding_s"] == pytest.approx(3 * (14 * slow + 2 * 2.5), abs=0.001)  # an optical head's 2.5 s, not 1


def test_a_bus_that_cannot_keep_its_periods_is_a_warning_with_what_to_change(run: Run, house: Path) -> None:
    meters = "".join(
        f'\n[[meter]]\npoint = "p{n}"\nbus = "riser-1"\ndriver = "mercury230"\naddress = {n}\nserial = "{n}"\n'
        'poll = { now = "1s" }\n'
        for n in range(1, 9)
    )
    house.write_text(house.read_text(encoding="utf-8") + meters, encoding="utf-8")
    done = run("check", "-c", str(house), "--json")
    assert done.code == 0
    assert done.document["buses"][0]["kept"] is False
    (warning,) = [text for text in done.document["warnings"] if text.startswith("riser-1")]
    assert "cannot keep its periods" in warning
    assert "poll now = " in warning


def test_every_value_is_explained_with_its_origin(run: Run, house: Path) -> None:
    lines = run("check", "-c", str(house), "--explain").out.splitlines()
    assert 'timezone = "Europe/Moscow"' in lines
    assert 'hold = "1d" (default)' in lines
    assert "speed = 9600 (from the bus)" in lines
    assert 'format = "8N1" (default)' in lines
    assert "ratio = 20" in lines
    assert 'poll.now = "15m" (default)' in lines
    assert 'poll.interval = "30m" (default)' in lines
    assert "level = 1 (default)" in lines


def test_explained_values_hold_no_secret(run: Run, house: Path) -> None:
    secret = house.parent / "meter.secret"
    secret.write_text("135791\n", encoding="utf-8")
    secret.chmod(0o600)
    change(house, "ratio = 20", 'password_file = "meter.secret"')
    for done in (run("check", "-c", str(house), "--explain"), run("check", "-c", str(house), "--explain", "--json")):
        assert done.code == 0
        assert "135791" not in done.out
        assert "\\x01\\x03\\x05" not in done.out
        assert "***" in done.out


def test_a_port_that_is_not_there_is_a_warning(run: Run, house: Path) -> None:
    (house.parent / "ttyUSB0").unlink()
    done = run("check", "-c", str(house))
    assert done.code == 0
    assert "plugged in" in " ".join(done.out.split())


def test_a_port_that_may_not_be_opened_is_a_warning_with_the_remedy(
    run: Run, house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may open everything
    out = " ".join(run("check", "-c", str(house)).out.split())
    assert "usermod -aG dialout" in out
    assert "cannot write there" in out


def test_a_port_behind_a_url_is_not_looked_for_here(run: Run, house: Path) -> None:
    change(house, str(house.parent / "ttyUSB0"), "socket://10.0.0.5:4001")
    assert run("check", "-c", str(house)).out.endswith("The configuration is sound.\n")


TULA = 'name = "tula"\nextends = "tns-energo"\n[sms]\nnumber = "+79991234567"\n'


@pytest.mark.parametrize(
    ("utility", "modem", "words"),
    [
        ("tns-energo", True, "sms: no number; set [sms] number in a file in gateway.utilities_dir that extends"),
        ("tula", False, "sms: there is no [modem]; mail: no address"),
        ("tula", True, None),  # one way is enough
        ("mosenergosbyt", False, None),  # no other way is known of it
    ],
)
def test_a_statement_without_a_fall_back_is_a_warning_with_what_is_missing(
    run: Run, house: Path, utility: str, modem: bool, words: str | None
) -> None:
    (house.parent / "utilities").mkdir()
    (house.parent / "utilities" / "tula.toml").write_text(TULA, encoding="utf-8")
    change(house, 'state_dir = "state"', 'state_dir = "state"\nutilities_dir = "utilities"')
    change(house, "ratio = 20", f'account = "710100456790"\nutility = "{utility}"')
    if modem:
        change(house, "[[bus]]", '[modem]\nport = "/dev/ttyUSB7"\n\n[[bus]]')
    done = run("check", "-c", str(house), "--json")
    found = [text for text in done.document["warnings"] if "MQTT or not at all" in text]
    assert done.code == 0
    assert len(found) == (words is not None)
    assert all(text.startswith("flat-12: ") and str(words) in text for text in found)


def test_meters_that_will_be_unidentified_are_named(run: Run, house: Path) -> None:
    assert "tells no serial number" not in run("check", "-c", str(house)).out
    more = '\n[[meter]]\npoint = "plant"\nbus = "riser-1"\ndriver = "pac2200"\naddress = 245\nserial = "1"\n'
    house.write_text(house.read_text("utf-8") + more, encoding="utf-8")
    done = run("check", "-c", str(house))
    assert "plant: the model tells no serial number" in " ".join(done.out.split())

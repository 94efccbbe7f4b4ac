"""A plant file becomes a house of meters whose shown counters can be compared with what was delivered."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import serial

from protocols.iec62056.frames import command, low7, option, request
from protocols.mercury.frames import seal, unseal
from protocols.modbus.rtu import seal as modbus_seal
from simulators import iec62056
from simulators.household import Household
from simulators.modbus import BUILDERS
from simulators.plant import load
from simulators.plant_file import PlantError
from tests.support.present import present

ROOT = Path(__file__).parents[2]
HOUSE = ROOT / "simulators" / "plants" / "house.toml"
NOON = datetime(2026, 11, 21, 12, 0, 0, 250_000, tzinfo=UTC)
OPEN = bytes.fromhex("01 01 01 01 01 01 01 01")
BUS = '[[bus]]\nname = "b"\n'
METER = '[[meter]]\nbus = "b"\nmodel = "mercury230"\naddress = 5\nserial = "5"\n'


class Clock:
    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


def write(folder: Path, text: str) -> Path:
    path = folder / "plant.toml"
    path.write_text(text)
    return path


def registers(answer: bytes, address: int) -> list[int]:
    """A+ of each row of a group answer, by the order of octets of the maker's figure 4.11."""
    rows = unseal(address, answer)
    return [
        int.from_bytes(bytes((rows[at + 1], rows[at], rows[at + 3], rows[at + 2])), "big")
        for at in range(0, len(rows), 16)
    ]


@pytest.mark.slow
def test_a_mercury_shows_its_household(tmp_path: Path) -> None:
    meter = load(HOUSE, tmp_path, Clock()).meter("23456745")
    assert unseal(45, meter.answer(seal(45, OPEN))) == b"\x00"
    energy = Household(1).energy(NOON)
    shown = registers(meter.answer(seal(45, bytes((5, 0, 6)))), 45)
    assert shown == [energy["T1"], energy["T2"], energy["T3"], 0, energy["total"]]
    assert meter.showed("1-0:1.8.0", energy["total"], NOON)
    assert not meter.showed("1-0:1.8.0", energy["total"] + 1, NOON)
    assert unseal(45, meter.answer(seal(45, bytes((8, 0)))))[:4] == bytes((23, 45, 67, 45))


@pytest.mark.slow
@pytest.mark.parametrize("model", BUILDERS)
def test_a_modbus_meter_shows_its_household(tmp_path: Path, model: str) -> None:
    text = BUS + METER.replace("mercury230", model) + "household = 4\n"
    meter = load(write(tmp_path, text), tmp_path, Clock()).meters[0]
    meter.answer(modbus_seal(bytes((5, 3, 0, 0, 0, 2))))
    ((at, shown),) = meter.shown
    energy = Household(4, "UTC").energy(NOON)
    assert isinstance(shown, dict)
    assert at == NOON.replace(microsecond=0)
    resolution = {"b23": 10, "em24": 100, "sdm630": 8, "orno517": 8}.get(model, 1)  # float32: 24 bits of kWh
    assert 0 <= abs(energy["total"] - shown["1-0:1.8.0"]) < resolution
    if "1-0:1.8.1" in shown:
        assert abs(energy["T1"] - shown["1-0:1.8.1"]) < resolution
        assert shown["1-0:1.8.4"] == 0


IEC = METER.replace("address = 5", 'address = "41"') + 'speed = 300\nformat = "7E1"\nhousehold = 4\n'


@pytest.mark.slow
@pytest.mark.parametrize("model", iec62056.BUILDERS)
def test_an_iec_meter_shows_its_household(tmp_path: Path, model: str) -> None:
    meter = load(write(tmp_path, BUS + IEC.replace("mercury230", model)), tmp_path, Clock()).meters[0]
    assert low7(meter.answer(request("41"))).startswith(b"/")
    ((at, shown),) = meter.shown
    energy = Household(4, "UTC").energy(NOON)
    step = 1 if model in ("ce303", "ce308") else 10
    assert at == NOON.replace(microsecond=0)
    assert [shown[f"1-0:1.8.{n}"] for n in range(4)] == [
        energy[name] // step * step for name in ("total", "T1", "T2", "T3")
    ]


@pytest.mark.slow
def test_an_iec_meter_says_what_it_is_known_to_have_shown(tmp_path: Path) -> None:
    meter = load(write(tmp_path, BUS + IEC.replace("mercury230", "ce303")), tmp_path, Clock()).meters[0]
    for message in (request("41"), option("0", "5", "1")):
        assert meter.answer(message)
    said = low7(meter.answer(command("R1", b"ET0PE()", "sum")))
    total = meter.shown[-1][1]["1-0:1.8.0"]
    assert said.startswith(f"\x02ET0PE({total // 1000}.{total % 1000:03}".rstrip("0").encode())


@pytest.mark.slow
def test_a_meter_s_own_speed_is_passed_through(tmp_path: Path) -> None:
    text = BUS + IEC.replace("mercury230", "ce303") + METER.replace("5", "6")
    optical, mercury = load(write(tmp_path, text), tmp_path, Clock()).meters
    assert (optical.hearing, mercury.hearing, mercury.speaking) == (300, None, None)
    optical.answer(request("41"))
    optical.answer(option("0", "5", "1"))
    assert (optical.hearing, optical.speaking) == (9600, 9600)


@pytest.mark.slow
def test_a_spodes_meter_shows_its_household(tmp_path: Path) -> None:
    text = BUS + METER.replace("mercury230", "spodes").replace("address = 5", "address = 4583") + "household = 4\n"
    meter = load(write(tmp_path, text), tmp_path, Clock()).meters[0]
    # SNRM of client 32 to 1/4583, as gurux-dlms 1.0.203 sends it
    assert meter.answer(bytes.fromhex("7E A0 0A 00 02 46 CF 41 93 62 E5 7E")).startswith(b"\x7e\xa0")
    ((_, shown),) = meter.shown
    energy, reactive = Household(4, "UTC").energy(NOON), Household(4, "UTC").reactive(NOON)
    assert [shown[f"1-0:1.8.{n}"] for n in range(5)] == [energy[name] for name in ("total", "T1", "T2", "T3")] + [0]
    assert shown["1-0:3.8.0"] == reactive["total"]


@pytest.mark.slow
def test_counters_move_with_the_clock_and_each_state_is_kept(tmp_path: Path) -> None:
    clock = Clock()
    meter = load(HOUSE, tmp_path, clock).meter("23456746")
    for _ in range(20):
        meter.answer(b"")
        clock.at += timedelta(seconds=30)
    totals = [registers["1-0:1.8.0"] for _, registers in meter.shown]
    assert totals == sorted(totals)
    assert len(set(totals)) > 10
    first, last = meter.shown[0], meter.shown[-1]
    assert meter.showed("1-0:1.8.0", totals[0], first[0])
    assert meter.showed("1-0:1.8.0", totals[-1], last[0] + timedelta(hours=1))  # it stands there until it moves
    assert not meter.showed("1-0:1.8.0", totals[0], last[0])
    assert not meter.showed("1-0:9.9.9", totals[0], first[0])


@pytest.mark.slow
def test_the_meters_own_clock_is_the_local_one(tmp_path: Path) -> None:
    meter = load(HOUSE, tmp_path, Clock()).meter("23456745")
    meter.answer(seal(45, OPEN))
    assert unseal(45, meter.answer(seal(45, b"\x04\x00")))[:3] == bytes.fromhex("00 00 15")  # 12:00 UTC in Moscow


@pytest.mark.slow
def test_a_dead_meter_is_listed_and_never_answers(tmp_path: Path) -> None:
    text = 'timezone = "UTC"\n' + BUS + METER + METER.replace("5", "6") + "dead = true\n"
    with (
        load(write(tmp_path, text), tmp_path, pace=False) as plant,
        serial.Serial(str(plant.ports["b"]), 9600, timeout=0.1) as port,
    ):
        port.write(seal(6, b"\x00"))
        assert port.read(4) == b""
        port.timeout = 2
        port.write(seal(5, b"\x00"))
        assert port.read(4) == seal(5, b"\x00")
        assert [meter.plan.dead for meter in plant.meters] == [False, True]


def test_a_plant_starts_all_lines_or_none(tmp_path: Path) -> None:
    plant = load(write(tmp_path, BUS + '[[bus]]\nname = "c"\n'), tmp_path)
    (tmp_path / "c").mkdir()
    with pytest.raises(OSError, match="c"):
        plant.start()
    assert not (tmp_path / "b").is_symlink()


def test_every_fault_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    text = """
timezone = "Europe/Moskow"
[[bus]]
name = "a/b"
speed = 96000000
sped = 1
faults = { flop = 0.1 }
[[meter]]
bus = "c"
model = "mercury-230"
address = 250
serial = "12x"
tariffs = ["T1", "T3"]
dead = "yes"
[[meter]]
"""
    with pytest.raises(PlantError) as caught:
        load(write(tmp_path, text), tmp_path)
    said = caught.value.faults
    for part in (
        "timezone: found 'Europe/Moskow'",
        "bus[0].name: found 'a/b'",
        "bus[0].sped: unknown key, perhaps speed",
        "bus[0].speed: found 96000000, expected 300 to 115200",
        "bus[0].faults: found {'flop': 0.1}",
        "meter[0].bus: found 'c', expected one of a/b",
        "meter[0].model: found 'mercury-230', expected one of mercury230, sdm630",
        "meter[0].address: found 250",
        "meter[0].serial: found '12x'",
        "meter[0].tariffs: found ['T1', 'T3']",
        "meter[0].dead: found 'yes', expected true or false",
        "meter[1].serial: is missing",
    ):
        assert any(part in fault for fault in said), part
    assert all(fault.startswith(f"{tmp_path / 'plant.toml'}: ") for fault in said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"at least one \[\[bus\]\]"),
        ("bus = 1", "bus: found 1, expected a list"),
        ("bus = [1]", r"bus\[0\]: found 1, expected a table"),
        ("[[bus]", "line 1"),
        (BUS + BUS, "each name may stand once"),
        (BUS + METER + METER, "an address that is free on b"),
        (BUS + METER + "address = 6\n", "Cannot overwrite"),
        (BUS + METER.replace('serial = "5"', 'serial = "123456789"'), "at most 8 digits"),
        (BUS + 'faults = { drop = "often" }\n', r"bus\[0\].faults"),
        (BUS + METER.replace("address = 5", "address = 5.5"), "a whole number, or a text in quotes"),
        (BUS + METER.replace("address = 5", 'address = "5"'), "found '5', expected 1 to 240"),
        (BUS + METER.replace("mercury230", "spodes"), "found 5, expected 16 to 16381"),
        (BUS + IEC.replace("mercury230", "neva").replace('"41"', '"4/1"'), "letters, digits, blanks and points"),
        (BUS + 2 * IEC.replace("mercury230", "neva"), "an address that is free on b"),
        (BUS + (2 * IEC).replace('"41"', '"0041"', 1).replace("mercury230", "ce303"), "an address that is free on b"),
    ],
)
def test_a_wrong_file_is_refused_in_words(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PlantError, match=said):
        load(write(tmp_path, text), tmp_path)


def test_a_missing_file_and_one_that_is_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    for name in ("missing.toml", "binary.toml", "."):
        with pytest.raises(PlantError, match=str(tmp_path)):
            load(tmp_path / name, tmp_path)


def test_meters_of_different_languages_may_have_one_number(tmp_path: Path) -> None:
    text = BUS + METER.replace("address = 5", "address = 17")
    text += METER.replace("address = 5", "address = 17").replace("mercury230", "spodes")
    text += IEC.replace("41", "17").replace("mercury230", "ce303")
    assert len(load(write(tmp_path, text), tmp_path).meters) == 3


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_command_runs_the_example_house_until_it_is_told_to_end(tmp_path: Path, end: signal.Signals) -> None:
    program = [sys.executable, "-c", "import sys; from agent.cli import main; sys.exit(main())"]
    command = [*program, "simulate", str(HOUSE), "--dir", str(tmp_path), "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        try:
            said = ""
            while not said.endswith("\n}\n"):
                said += present(running.stdout).readline()
            buses = json.loads(said)["buses"]
            assert [(bus["name"], len(bus["meters"])) for bus in buses] == [
                ("riser-1", 3),
                ("riser-2", 2),
                ("riser-3", 1),
                ("optical-1", 1),
            ]
            with serial.Serial(buses[0]["port"], 9600, timeout=5) as port:
                port.write(seal(46, b"\x00"))
                assert port.read(4) == seal(46, b"\x00")
            os.kill(running.pid, end)
            assert running.wait(10) == 0
        finally:
            running.kill()
    assert list(tmp_path.iterdir()) == []


def test_the_command_refuses_a_wrong_file_with_the_configurations_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from agent.cli import main

    assert main(["simulate", str(write(tmp_path, "bus = 1")), "--dir", str(tmp_path)]) == 78
    assert "bus: found 1" in capsys.readouterr().err

"""Several protocols and speeds on one real pty at the line's pace: each meter gets its own settings on it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agent.config.load import load
from agent.control import offline
from drivers.reading import Number
from protocols.mercury.frames import Energy
from protocols.session import Line
from simulators.faults import Faults
from simulators.line import PtyLine
from simulators.mercury230 import Mercury230
from simulators.modbus import ModbusMeter, b23
from simulators.pair import Station

HEAD = """
[gateway]
id = "gw-1"
timezone = "UTC"
state_dir = "{folder}"
clock = "trust"
[intake]
url = "mqtt://127.0.0.1:1883"
[[bus]]
name = "pair"
port = "{port}"
"""
METERS = (("mercury230", 45, "20000045", 9600), ("mercury230", 46, "20000046", 2400), ("b23", 7, "1234567", 19200))


def stations() -> list[Station]:
    made = []
    meter: Mercury230 | ModbusMeter
    for driver, address, serial, speed in METERS:
        if driver == "mercury230":
            rows = {tariff: Energy(address * (6 if tariff == 0 else tariff), 0, 0, 0) for tariff in range(4)}
            meter = Mercury230(address=address, serial=serial, registers={**rows, 4: Energy(0, 0, 0, 0)}, delay=0.02)
        else:
            meter = modbus = b23(address, int(serial))
            modbus.set_energy({"total": 420, "T1": 70, "T2": 140, "T3": 210, "T4": 0})
        made.append(Station(meter, Line(speed)))
    return made


def configuration(folder: Path, port: Path) -> Path:
    file = folder / "meterpost.toml"
    meters = [
        f'[[meter]]\npoint = "p{address}"\nbus = "pair"\ndriver = "{driver}"\naddress = {address}\n'
        f'serial = "{serial}"\nspeed = {speed}\nformat = "8N1"\n'
        for driver, address, serial, speed in METERS
    ]
    file.write_text(HEAD.format(folder=folder, port=port) + "\n".join(meters))
    return file


def read_all(tmp_path: Path, **options: Any) -> tuple[dict[str, Mapping[str, Number]], dict[str, Any]]:
    with PtyLine(stations(), link=tmp_path / "pair", **options) as line:
        values = load(configuration(tmp_path, line.path))
        records, failed = offline.read(values, [meter.point for meter in values.meters], "now")
    return {record.point: record.values for record in records}, failed


@pytest.mark.slow
@pytest.mark.parametrize("echo", [False, True], ids=["quiet adapter", "adapter with echo"])
def test_three_meters_with_three_speeds_and_two_protocols_are_read(tmp_path: Path, echo: bool) -> None:
    values, failed = read_all(tmp_path, echo=echo)
    assert not failed
    assert [values[point]["1-0:1.8.3"] for point in ("p45", "p46", "p7")] == [135, 138, 210]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["flip", "foreign", "late", "cut", "drop", "noise-before", "noise-after"])
def test_one_fault_on_the_line_costs_time_and_never_a_value(tmp_path: Path, kind: str) -> None:
    faults = Faults(script=[None, None, kind, None, None, kind])
    values, failed = read_all(tmp_path, faults=faults)
    assert faults.struck[kind] == 2 and not failed
    assert [values[point]["1-0:1.8.3"] for point in ("p45", "p46", "p7")] == [135, 138, 210]

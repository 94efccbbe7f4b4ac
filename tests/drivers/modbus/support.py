"""A driver and a simulated meter with nothing but octets in between, and a meter laid out after a model file."""

import struct
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

from drivers.modbus import driver as modbus
from drivers.modbus.model import Model, Row
from drivers.modbus.model_file import SHIPPED, load
from drivers.reading import Ask, MeterPlan
from protocols.errors import NoReply
from simulators.modbus import FORMATS, ModbusMeter

MODELS = sorted(path.stem for path in SHIPPED.glob("*.toml"))


def driver(
    name: str,
    *,
    models_dir: Path | None = None,
    tariffs: tuple[str, str] | None = None,
    address: str = "1",
    **settings: Decimal | str | int,
) -> modbus.ModbusMeter:
    family = next(family for family in modbus.families(models_dir) if name in family.models)
    built = family.build(MeterPlan(name, address, "", family.line, tariffs, settings=settings))
    assert isinstance(built, modbus.ModbusMeter)
    return built


class Answers(Protocol):
    def answer(self, request: bytes) -> bytes: ...
    def answer_tcp(self, request: bytes) -> bytes: ...


def asker(meter: Answers, driver: modbus.ModbusMeter, log: list[Any] | None = None) -> Ask:
    """``ask`` of a driver whose questions this simulated meter answers; ``log`` gets the questions."""
    session = driver.session()
    tcp = session.proof() is None

    def ask(question: Any) -> Any:
        if log is not None:
            log.append(question)
        request = session.send(question).data
        answer = meter.answer_tcp(request) if tcp else meter.answer(request)
        if not answer:
            raise NoReply("silence")
        return session.receive(answer)

    return ask


def meter_like(name: str, unit: int = 1, **more: Any) -> tuple[ModbusMeter, Model]:
    """A meter with a register for every row of the model, all 0."""
    model = load(SHIPPED / f"{name}.toml")
    meter = ModbusMeter(unit, open_holes=model.holes > 0, max_read=model.max_read, even_only=False, **more)
    for row in model.rows:
        write(meter, model, row, 0)
    for cell in (model.serial, model.check.cell if model.check else None):
        if cell is None:
            continue
        for address in range(cell.address, cell.end):
            meter.registers[cell.function][address] = 0
    if model.check and model.check.expected:
        meter.registers[model.check.cell.function][model.check.cell.address] = int(model.check.expected[0])
    return meter, model


def write(meter: ModbusMeter, model: Model, row: Row, raw: float) -> None:
    """Put a raw number (an int, or a float for float types) where the row stands."""
    octets = struct.pack(FORMATS[row.type], raw)
    words = [int.from_bytes(octets[at : at + 2], "big") for at in range(0, len(octets), 2)]
    for offset, word in enumerate(reversed(words) if model.low_first else words):
        meter.registers[row.function][row.address + offset] = word


def in_units(row: Row, raw: float) -> Fraction:
    """What the row's raw number is worth in the record, exactly; a float as the shortest decimal of its width."""
    text = str(raw)
    if row.type == "f32":
        octets = struct.pack(">f", raw)
        text = next(t for t in (f"{raw:.{n}g}" for n in range(1, 18)) if struct.pack(">f", float(t)) == octets)
    return Fraction(text) * row.factor * Fraction(10) ** row.exponent

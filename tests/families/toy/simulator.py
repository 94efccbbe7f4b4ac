"""A simulated toy for plants."""

from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from protocols.errors import BadFrame
from simulators.household import Household
from simulators.model import Clock, PlannedMeter, Refresh, Registers, SimulatedModel, numbers
from tests.families.toy.session import seal, unseal


@dataclass
class Toy:
    """Answers what it is asked; an unknown register is empty."""

    address: int
    serial: str
    delay: float = 0.01
    registers: dict[str, int] = field(default_factory=dict)

    def answer(self, request: bytes) -> bytes:
        try:
            address, _, name = unseal(request).partition("?")
        except BadFrame:
            return b""
        if address != str(self.address):
            return b""
        value = self.serial if name == "serial" else self.registers.get(name, "")
        return seal(f"{address}!{name}={value}")


def build(plan: PlannedMeter, household: Household, clock: Clock, zone: ZoneInfo) -> tuple[Toy, Refresh]:
    toy = Toy(int(plan.address), plan.serial)

    def move(at: datetime) -> Registers:
        toy.registers["energy0"] = household.energy(at)["total"] // 10 * 10
        return {"1-0:1.8.0": toy.registers["energy0"]}

    return toy, move


MODEL = SimulatedModel(build, numbers(0, 99))

"""A utility's intake: the other end of the MQTT contract (``docs/utility.md`` says how to write one's own)."""

from simulators.intake.service import Behaviour, Intake
from simulators.intake.tables import Row

__all__ = ["Behaviour", "Intake", "Row"]

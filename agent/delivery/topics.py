"""The contract's topics (design §7, ``docs/asyncapi.yaml``)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topics:
    gateway: str

    def _below(self, name: str) -> str:
        return f"meterpost/1/{self.gateway}/{name}"

    @property
    def state(self) -> str:
        return self._below("up/state")

    @property
    def inventory(self) -> str:
        return self._below("up/inventory")

    @property
    def records(self) -> str:
        return self._below("up/records")

    @property
    def reply(self) -> str:
        return self._below("up/reply")

    @property
    def receipt(self) -> str:
        return self._below("down/receipt")

    @property
    def command(self) -> str:
        return self._below("down/command")

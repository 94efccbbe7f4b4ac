"""The toy's frames and its session."""

from dataclasses import dataclass
from functools import reduce
from operator import xor
from typing import Any

from protocols.errors import BadFrame, Refused
from protocols.session import Read, Sending

END = b"\r\n"


@dataclass(frozen=True, slots=True)
class Ask(Read):
    """What is asked: a name of a register."""

    name: str


def seal(text: str) -> bytes:
    octets = text.encode("ascii")
    return octets + b"*%02X" % reduce(xor, octets, 0) + END


def unseal(frame: bytes) -> str:
    """The text of a sound frame; BadFrame for any other bytes."""
    octets, _, check = frame.removesuffix(END).rpartition(b"*")
    if not frame.endswith(END) or check != b"%02X" % reduce(xor, octets, 0) or not octets.isascii():
        raise BadFrame(f"not a sound frame: {frame.hex(' ')}")
    return octets.decode("ascii")


class Session:
    """One dialogue with one toy."""

    def __init__(self, address: int) -> None:
        self._address = address
        self._wanted = ""
        self._heard = b""

    def send(self, question: Ask) -> Sending:
        self._wanted, self._heard = f"{self._address}!{question.name}=", b""
        return Sending(seal(f"{self._address}?{question.name}"), wait=0.2, size=40)

    def receive(self, data: bytes) -> str | None:
        self._heard += data
        if not self._heard.endswith(END):
            if data:
                return None
            raise BadFrame(f"the answer breaks off: {self._heard.hex(' ')}")
        text = unseal(self._heard)
        if not text.startswith(self._wanted):
            raise BadFrame(f"found {text!r}, expected {self._wanted!r}")
        value = text.removeprefix(self._wanted)
        if not value:
            raise Refused("the toy has no such register")
        return value

    def proof(self) -> Any | None:
        """An answer says what it answers."""
        return None

"""Telegrams that a meter sends unasked: mode D of IEC 62056-21, and its heirs DSMR P1 and the German D0 push.

A telegram is ``/XXX3ident CR LF CR LF data ! [CRC] CR LF``; listening may begin in the middle of one.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from protocols.checksums import crc16_arc, crc16_x25
from protocols.errors import BadFrame, WrongCheck
from protocols.iec62056.block import Block, parse
from protocols.iec62056.frames import CRLF, broken, low7
from protocols.iec62056.inbox import Inbox
from protocols.session import Read, Sending

LARGEST = 16384  # octets kept while no telegram is found; a DSMR 5 telegram takes about 1000
DAMAGED = 3  # telegrams that may be damaged before the listening fails
_TELEGRAM = re.compile(rb"/([\x20-\x2e\x30-\x7e\x02]{3}[^\r\n/!]*)\r?\n(.*?)!([0-9A-Fa-f]{1,4})?\r?\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Listen(Read):
    """Wait for the next whole telegram. Two intervals were listened to: once more would bring nothing else."""

    repeatable: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Pushed:
    """A telegram. ``checked``: it carried a CRC, and that was right."""

    identification: str
    block: Block
    checked: bool

    def to_bytes(self) -> bytes:
        """The telegram, with its CRC where it is ``checked``."""
        text = f"/{self.identification}".encode("ascii") + CRLF + CRLF + self.block.to_bytes() + b"!"
        return text + (f"{crc16_arc(text):04X}".encode("ascii") if self.checked else b"") + CRLF


class TextCut:
    """Takes telegrams out of a stream. ``check``: ``crc`` wants a sound CRC as DSMR 4 and later print it, leading zeros
    or not; ``none`` takes all, whatever stands behind the ``!``. ``parity`` as for the inbox."""

    def __init__(self, check: str = "crc", parity: str = "none") -> None:
        self._check = check
        self._inbox = Inbox(parity)

    def prepare(self, data: bytes) -> bytes:
        self._inbox.expect()
        self._inbox.feed(data)
        return bytes(self._inbox.buffer)

    def __call__(self, buffer: bytearray) -> Pushed | None:
        """The first telegram, taken out of the buffer; None: not whole yet. BadFrame: it is damaged, and taken out."""
        match = _TELEGRAM.search(buffer)
        if match is None:
            del buffer[:-LARGEST]
            return None
        raw, name, text, crc = bytes(match[0]), match[1], match[2], match[3]
        del buffer[: match.end()]
        if self._inbox.spoilt(raw):
            raise broken("wrong parity", raw, WrongCheck)
        checked = bool(crc) and not telegram_sum(raw[: raw.rindex(b"!") + 1], int(crc, 16)).endswith("WRONG")
        if not checked and self._check != "none":
            words = "wrong CRC" if crc else "a telegram without CRC"
            raise broken(f'{words} (check = "none" accepts it)', raw, WrongCheck)
        block = parse(text)
        if not block.sets or (block.damaged and not checked):
            raise broken("damaged lines in a telegram", raw)
        return Pushed(low7(name).decode("ascii", "replace"), block, checked)


def telegram_sum(covered: bytes, sent: int) -> str:
    """Which check sum the digits behind ``!`` are: that of DSMR, or the one that Holley's DTSD545 prints in its place;
    it ends with WRONG where they are neither."""
    if sent == crc16_arc(covered):
        return "CRC-16 right"
    return "CRC-16/X.25 in place of DSMR's, right" if sent == crc16_x25(covered) else "CRC-16 WRONG"


class PushSession:
    """Implements :class:`protocols.session.Session` for meters that only talk: :class:`Listen` is the one question.

    ``interval``: seconds between two telegrams; two of them are listened to. A damaged telegram is passed over, the
    third is a BadFrame. Where none comes, the octets tell what speaks there instead of ``spoken``.
    """

    def __init__(
        self,
        cut: Callable[[bytearray], Any],
        interval: float,
        prepare: Callable[[bytes], bytes] | None = None,
        spoken: str = "p1",
    ) -> None:
        self._cut = cut
        self._prepare = prepare or bytes
        self._interval = interval
        self._spoken = spoken
        self._buffer = bytearray()
        self._raw = bytearray()  # as they came, for the message
        self._damaged: list[BadFrame] = []

    def send(self, question: Any) -> Sending:
        if not isinstance(question, Listen):
            raise RuntimeError(f"{question!r} cannot be asked of a meter that only talks")
        self._buffer.clear()
        self._raw.clear()
        self._damaged.clear()
        wait = 2 * self._interval + 2
        return Sending(b"", wait=wait, gap=wait, size=0)

    def receive(self, data: bytes) -> Any:
        if not data:
            if self._raw:
                raise self._not_understood()
            return None
        self._raw += data
        del self._raw[:-LARGEST]
        self._buffer += self._prepare(data)
        while True:
            try:
                return self._cut(self._buffer)
            except BadFrame as trouble:
                self._damaged.append(trouble)
                if len(self._damaged) == DAMAGED:
                    raise

    def _not_understood(self) -> BadFrame:
        if self._damaged:
            return self._damaged[-1]
        from protocols import diagnosis  # only where listening has failed

        raw = bytes(self._raw)
        return diagnosis.of(raw, self._spoken) or broken("no whole telegram came", raw)

    def proof(self) -> Any | None:
        """Telegrams carry their own serial number; nothing is asked that could be answered late."""
        return None

"""PINs that were tried, kept on the disk: a SIM locks itself after three wrong ones, whoever typed them.

A try is written down before it is made, so that a power cut between question and answer does not lead to the same try
again. One file in ``state_dir``, because daemon and commands try PINs, and not at the same time (the port is held).
"""

import hashlib
import logging
import secrets
from pathlib import Path

from agent.channels.errors import ChannelError, Kind
from agent.meters.sealed import checksummed, verified
from buffer.files import put

log = logging.getLogger("meterpost.sms")

NAME = "modem-pin"
MOST_WRONG = 2  # the third try is an operator's


class Pins:
    """What was tried and not accepted, of the SIM in the modem."""

    def __init__(self, state_dir: Path) -> None:
        self._file = state_dir / NAME

    def begin(self, pin: str) -> None:
        """Write down that this PIN is tried now. ChannelError WRONG_PIN if it was tried before and not accepted, if
        two others were, or if no one knows any more; OSError where it cannot be written: then it must not be tried."""
        salt, tried = self._read()
        mark = _mark(salt, pin)
        if mark in tried:
            raise ChannelError("the PIN was tried before and not accepted; it is not tried again", Kind.WRONG_PIN)
        if len(tried) >= MOST_WRONG:
            raise ChannelError("two PINs were not accepted; the last try is left to an operator", Kind.WRONG_PIN)
        self._write(salt, [*tried, mark])

    def accepted(self) -> None:
        """The SIM is open: nothing that was tried counts any more."""
        try:
            self._file.unlink(missing_ok=True)
        except OSError as trouble:  # the note then forbids a try that would be right: safe, and worth a word
            log.warning("modem: %s", trouble)

    forget = accepted

    def _read(self) -> tuple[str, list[str]]:
        try:
            document = verified(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return secrets.token_hex(8), []
        except (OSError, ValueError):
            document = None
        match document:
            case {"salt": str(salt), "tried": [*tried]}:
                return salt, [str(mark) for mark in tried]
        raise ChannelError(f"{self._file} cannot be read: which PINs were tried is not known", Kind.WRONG_PIN)

    def _write(self, salt: str, tried: list[str]) -> None:
        """On the disk, with its name, when this returns; what a command under sudo has left the service can read."""
        put(self._file, checksummed({"salt": salt, "tried": tried}).encode())


def _mark(salt: str, pin: str) -> str:
    """Tells PINs apart. It keeps one from a glance, no more: a PIN has ten thousand values."""
    return hashlib.sha256(f"{salt} {pin}".encode()).hexdigest()[:16]

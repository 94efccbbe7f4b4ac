"""Errors carry what follows from them: a word, a hint, whether to ask again, an exit code."""

import pytest

from agent.exits import Exit, exit_code
from agent.judge.identity import WrongSerial
from agent.line.port import PortForbidden, PortHeld
from agent.meters.passwords import PasswordPaused
from buffer.faults import StoreBusy, StoreError, StoreForbidden, StoreTooNew, StoreUnusable
from protocols.errors import AccessDenied, BadFrame, Busy, LinkLost, MeterError, NoReply, NotLoggedIn, Refused, Word

WORDS: dict[type[MeterError], Word] = {
    MeterError: "line",
    LinkLost: "port",
    NoReply: "silent",
    BadFrame: "broken",
    Refused: "refused",
    Busy: "busy",
    NotLoggedIn: "login",
    AccessDenied: "access",
    PasswordPaused: "access",
    WrongSerial: "wrong-serial",
    PortHeld: "port",
    PortForbidden: "port",
}


@pytest.mark.parametrize("kind", WORDS)
def test_each_trouble_of_a_meter_has_its_word_and_says_what_to_do_next(kind: type[MeterError]) -> None:
    assert kind.word == WORDS[kind]
    assert kind.hint and kind.hint == kind.hint.strip()


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (NoReply("silent"), Exit.IO),
        (WrongSerial("1", "2"), Exit.IO),
        (PortHeld("held"), Exit.LATER),
        (PortForbidden("closed"), Exit.PERMISSION),
        (StoreError("disk"), Exit.IO),
        (StoreUnusable("disk"), Exit.IO),
        (StoreBusy("held"), Exit.LATER),
        (StoreTooNew("newer"), Exit.CONFIG),
        (StoreForbidden("closed"), Exit.PERMISSION),
        (PermissionError("closed"), Exit.PERMISSION),
        (FileNotFoundError("nowhere"), Exit.IO),
        (ArithmeticError("ours"), Exit.FAILED),
    ],
)
def test_an_error_says_its_documented_exit_code(trouble: Exception, code: Exit) -> None:
    assert exit_code(trouble) is code


def test_a_password_that_waits_its_hour_is_not_a_password_that_was_refused() -> None:
    assert not issubclass(PasswordPaused, AccessDenied), "it would be noted as refused anew with each try"
    assert {kind for kind in WORDS if kind.retry != "never"} == {NoReply, BadFrame, Busy}

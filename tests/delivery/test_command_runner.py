"""Commands are executed once, on a real store."""

import json
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent.delivery.command_runner import REMEMBERED, WAITING, CommandRunner
from agent.delivery.commands import Command
from tests.delivery.fakes import House
from tests.support.waiting import until

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


class Counter:
    """A runner with its surroundings: ``done`` are the ops carried out, ``replies`` what was answered."""

    def __init__(self, house: House, allow: tuple[str, ...] = ("read", "resend")) -> None:
        self.now, self.clock = NOW, "synced"
        self.done: list[str] = []
        self.replies: list[tuple[str, dict[str, Any] | None]] = []
        self.runner = CommandRunner(
            house.writer,
            allow=allow,
            clock=lambda: (self.now, self.clock),
            run=self._run,
            answer=lambda name, text: self.replies.append((name, json.loads(text) if text is not None else None)),
            log=logging.getLogger("test"),
        )

    def _run(self, op: str, args: Any) -> Any:
        self.done.append(op)
        match args.get("points"):
            case ("broken",):
                raise RuntimeError("a mistake of ours")
            case ("unknown",):
                raise ValueError("no point named 'unknown'")
        return {"stored": 1}

    def ask(self, name: str = "c-1", op: str = "read", ttl: float = 60, **args: Any) -> dict[str, Any] | None:
        before = len(self.replies)
        self.runner.take(Command(name, op, args, self.now + timedelta(seconds=ttl)))
        until(lambda: len(self.replies) > before)
        return self.replies[-1][1]


@pytest.fixture
def counter(house: House) -> Iterator[Counter]:
    made = Counter(house)
    yield made
    made.runner.stop()


def refused(answer: dict[str, Any] | None) -> str:
    assert answer is not None and answer["ok"] is False
    return str(answer["error"])


def test_an_allowed_command_is_carried_out_and_answered(counter: Counter) -> None:
    reply = {"schema": "meterpost/reply/1", "id": "c-1", "ok": True, "result": {"stored": 1}}
    assert counter.ask() == reply
    assert counter.done == ["read"]


def test_the_same_id_is_executed_once_also_after_a_restart(counter: Counter, house: House) -> None:
    counter.ask()
    assert counter.ask() is None
    again = Counter(house)
    assert again.ask() is None
    again.runner.stop()
    assert counter.done == ["read"] and again.done == []


@pytest.mark.parametrize(
    ("op", "ttl", "clock", "words"),
    [
        ("pause", 60, "synced", "not allowed"),
        ("read", -1, "synced", "expired at"),
        ("read", 8 * 86400, "synced", "at most 7 days"),
        ("read", 60, "unset", "clock is not set"),
    ],
)
def test_what_may_not_be_done_is_answered_by_the_reason_and_does_nothing(
    counter: Counter, op: str, ttl: float, clock: str, words: str
) -> None:
    counter.clock = clock
    assert words in refused(counter.ask(op=op, ttl=ttl))
    assert counter.done == []


def test_a_refused_command_may_be_given_again_under_the_same_id(counter: Counter) -> None:
    counter.clock = "unset"
    counter.ask()
    counter.clock = "synced"
    assert counter.ask() is not None
    assert counter.done == ["read"]


def test_the_handlers_no_is_a_reply(counter: Counter) -> None:
    assert refused(counter.ask(points=("unknown",))) == "no point named 'unknown'"


def test_a_mistake_of_ours_is_answered_and_the_next_command_does_not_suffer(counter: Counter) -> None:
    assert "internal error" in refused(counter.ask(points=("broken",)))
    assert counter.ask("c-2") is not None


@pytest.mark.slow
def test_remembered_ids_are_bounded_and_only_expired_ones_are_forgotten(counter: Counter, house: House) -> None:
    far = (NOW + timedelta(days=1)).isoformat()

    def remember(store: Any) -> None:
        for number in range(REMEMBERED):
            store.note(f"command:old-{number}", far)

    house.writer.call(remember)
    assert "have not expired" in refused(counter.ask())
    counter.now = NOW + timedelta(days=2)
    assert counter.ask("c-9") is not None
    assert list(house.store.notes("command:")) == ["command:c-9"]


def test_more_commands_than_may_wait_are_told_to_come_later(house: House) -> None:
    counter = Counter(house)
    gate = threading.Event()  # keeps the writer busy, so that nothing is carried out meanwhile
    blocker = threading.Thread(target=house.writer.call, args=(lambda store: gate.wait(10),))
    blocker.start()
    for number in range(WAITING + 3):
        counter.runner.take(Command(f"c-{number}", "read", {}, NOW + timedelta(seconds=60)))
    busy = [name for name, answer in counter.replies if answer and not answer["ok"]]
    gate.set()
    blocker.join()
    until(lambda: len(counter.replies) == WAITING + 3)
    counter.runner.stop()
    assert 2 <= len(busy) <= 3
    assert len(counter.done) == WAITING + 3 - len(busy)

"""What happened to one statement, kept permanently: a checksummed note for each point and month.

Every change is on the disk before it has an effect outside: who reads a log after a power cut knows at least as much
as the world does.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, TypedDict

from agent.meters.sealed import checksummed, verified
from buffer.body import when
from buffer.notes import STATEMENT
from buffer.record import ClockQuality, Record
from buffer.store import Store
from drivers.events import Flag
from drivers.reading import Number
from drivers.times import EPOCH

STATES = ("due", "checked", "held", "sent", "accepted", "refused")
UNKNOWN = EPOCH  # when a note was damaged


StatementState = Literal["due", "checked", "held", "sent", "accepted", "refused"]

Happening = Literal[
    "opened", "made", "confirmed", "held", "queued", "leaving", "left", "failed", "unclear", "delivered", "undelivered",
    "accepted", "answered", "refused", "missed", "damaged",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """``what`` happened, the ``state`` after it, ``by`` whom ("meterpost", "intake", an operator), and why.

    what: opened, made, confirmed, held, queued (a record for MQTT), leaving (about to be handed to ``channel``), left,
    failed (surely not gone), unclear (it may have gone), delivered and undelivered (the network's report of a message
    that left), accepted, answered (the utility's confirming message), refused, missed, damaged.
    """

    at: datetime
    state: StatementState
    what: Happening
    by: str = "meterpost"
    reason: str = ""
    channel: str = ""
    reference: str = ""
    attempt: int = 0


class Doubt(TypedDict):
    """One reason of the verdict: a code of :data:`agent.statement.verdict.REASONS` and its text."""

    code: str
    text: str


class Figures(TypedDict):
    """A statement record's own object (``docs/schemas``): the figures as they are billed, and what they rest on.

    ``figures``: whole kWh by the utility's T1…; ``tariffs``: their meaning; ``ratio``: transformer ratio, multiplied
    into them where they are ``primary``; ``consumption``: kWh since the ``last`` figures, which are of ``since``.
    """

    month: str
    account: str | None
    utility: str
    figures: Mapping[str, int]
    tariffs: Mapping[str, str]
    ratio: Number
    primary: bool
    read_at_register: str
    source: str
    last: Mapping[str, int]
    since: str | None
    consumption: Mapping[str, Number]
    verdict: Literal["suspect", "plausible"]
    reasons: Sequence[Doubt]
    attempt: int
    window: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One set of figures: all that its record says, so that the very same record can be put again."""

    at: datetime  # when it was made; the record's natural key
    meter: str
    clock: ClockQuality
    values: Mapping[str, Number]
    statement: Figures
    flags: tuple[Flag, ...] = ()
    replaces: int | None = None
    registers: Mapping[str, Number] = field(default_factory=dict)  # the utility's T1… in Wh
    read_at: datetime | None = None  # moment of the registers

    @property
    def figures(self) -> Mapping[str, int]:
        """The utility's T1… in whole kWh, as they are billed."""
        return {name: int(figure) for name, figure in self.statement["figures"].items()}

    @property
    def suspect(self) -> bool:
        return self.statement["verdict"] == "suspect"

    def record(self, point: str) -> Record:
        return Record(
            kind="statement",
            point=point,
            meter=self.meter,
            at=self.at,
            read_at=self.at,
            clock=self.clock,
            values=self.values,
            flags=self.flags,
            statement=self.statement,
            replaces=self.replaces,
        )


@dataclass(frozen=True, slots=True)
class StatementLog:
    """A point's statement of one month ("2026-10")."""

    point: str
    month: str
    steps: tuple[Step, ...] = ()
    attempts: tuple[Attempt, ...] = ()

    @property
    def state(self) -> StatementState:
        """The last step's; "due" before there is one."""
        return self.steps[-1].state if self.steps else "due"

    @property
    def attempt(self) -> Attempt | None:
        """The figures that count now."""
        return self.attempts[-1] if self.attempts else None

    def happened(self, *what: str, channel: str | None = None, any_attempt: bool = False) -> list[Step]:
        """Steps of these kinds, of the present attempt only unless all are asked for."""
        number = len(self.attempts)
        return [
            step
            for step in self.steps
            if step.what in what
            and (any_attempt or step.attempt == number)
            and (channel is None or step.channel == channel)
        ]

    @property
    def waits(self) -> bool:
        """It was held and no one has confirmed it since."""
        last = [step.what for step in self.steps if step.what in ("held", "damaged", "confirmed")]
        return bool(last) and last[-1] != "confirmed"

    @property
    def confirmed(self) -> bool:
        """An operator has confirmed the present figures."""
        return bool(self.happened("confirmed")) and not self.waits

    def with_step(self, step: Step) -> "StatementLog":
        return replace(self, steps=(*self.steps, replace(step, attempt=len(self.attempts))))

    def tried(self, attempt: Attempt, step: Step) -> "StatementLog":
        """With further figures, and the step that says so."""
        return replace(self, attempts=(*self.attempts, attempt)).with_step(step)


def key(point: str, month: str) -> str:
    return STATEMENT.of(point, month)


def load(store: Store, point: str, month: str) -> StatementLog | None:
    """The log, None where none was begun. A damaged note is a log that is held: what left is not known."""
    note = store.noted(key(point, month))
    return None if note is None else _log(point, month, note)


def save(store: Store, log: StatementLog) -> None:
    """On the disk when it returns."""
    store.note(key(log.point, log.month), checksummed(_document(log)))


def of_point(store: Store, point: str) -> list[StatementLog]:
    """All logs of a point by month."""
    found = store.notes(STATEMENT.of(point, ""))
    months = {name.removeprefix(STATEMENT.of(point, "")): note for name, note in found.items()}
    # A point's name may itself hold a colon: "a" is not the point of "statement:a:b:2026-10".
    return [_log(point, month, note) for month, note in sorted(months.items()) if ":" not in month]


def earlier(store: Store, point: str, month: str, most: int) -> Iterator[StatementLog]:
    """Logs of the months before this one, the newest first."""
    logs = [log for log in of_point(store, point) if log.month < month]
    yield from reversed(logs[-most:])


def arrived(log: StatementLog) -> bool:
    """The present figures left by a fall-back channel, and its network did not say that it could not deliver them."""
    steps = log.happened("left", "undelivered")
    lost = {step.channel: place for place, step in enumerate(steps) if step.what == "undelivered"}
    return any(step.what == "left" and place > lost.get(step.channel, -1) for place, step in enumerate(steps))


def handed_over(log: StatementLog) -> Attempt | None:
    """The figures that the utility has: accepted, or gone by a fall-back channel and not refused since."""
    if log.state not in ("accepted", "sent") or log.attempt is None:
        return None
    if log.state == "accepted" or arrived(log):
        return log.attempt
    return None


def _log(point: str, month: str, note: str) -> StatementLog:
    document = verified(note)
    if document is None:
        text = "the log of this month was damaged: whether figures left is not known"
        return StatementLog(point, month, (Step(UNKNOWN, "held", "damaged", reason=text),))
    return StatementLog(
        point,
        month,
        tuple(Step(**{**step, "at": datetime.fromisoformat(step["at"])}) for step in document["steps"]),
        tuple(_attempt(attempt) for attempt in document["attempts"]),
    )


def _attempt(found: Mapping[str, Any]) -> Attempt:
    moments = {name: datetime.fromisoformat(found[name]) for name in ("at", "read_at") if found[name]}
    return Attempt(**{**found, **moments, "flags": tuple(found["flags"])})


def step_document(step: Step) -> dict[str, Any]:
    """As JSON has it; what is empty is left out."""
    names = ("state", "what", "by", "reason", "channel", "reference", "attempt")
    return {"at": when(step.at), **{name: value for name in names if (value := getattr(step, name))}}


def _document(log: StatementLog) -> dict[str, Any]:
    return {
        "steps": [step_document(step) for step in log.steps],
        "attempts": [
            {
                "at": when(one.at),
                "meter": one.meter,
                "clock": one.clock,
                "values": one.values,
                "statement": one.statement,
                "flags": one.flags,
                "replaces": one.replaces,
                "registers": one.registers,
                "read_at": when(one.read_at) if one.read_at else None,
            }
            for one in log.attempts
        ],
    }

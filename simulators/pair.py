"""An RS-485 pair as a pure thing: who says what when. Time (monotonic seconds) is handed in, nothing waits here.

The client's octets reach the adapter at once and leave it at the line's speed; all meters hear the frame when the
line has been silent for ``frame_gap``, those who answer are put on the line, two at once spoil each other.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypedDict, Unpack

from protocols.session import Line
from simulators.faults import Faults

SHORTEST_GAP = 0.002  # s: a program's one write may reach the far end in two reads, this far apart
SILENT_CHARACTERS = 3.5  # Modbus over serial line V1.02 §2.5.1.1; the Mercury 23x wait longer by themselves
BURST = 0.003  # s: octets reach the client in pieces of so much time, as through a USB adapter
REMEMBERED = 16  # frames kept for foreign answers


class SimulatedMeter(Protocol):
    """A meter on the line. ``delay``: seconds from the end of the request to the first octet of the answer."""

    delay: float

    def answer(self, request: bytes) -> bytes:
        """The answer's octets; ``b""`` is silence."""
        ...


@dataclass(frozen=True, slots=True)
class Station:
    """A meter with line settings of its own, on a pair that several speeds share."""

    meter: SimulatedMeter
    line: Line

    @property
    def hearing(self) -> int:
        """bit/s at which the meter listens: its own word where it changes its speed in mid-dialogue."""
        return getattr(self.meter, "hearing", None) or self.line.speed

    @property
    def speaking(self) -> Line:
        """The settings with which its answer goes out."""
        speed = getattr(self.meter, "speaking", None)
        return replace(self.line, speed=speed) if speed else self.line


@dataclass(slots=True)
class Transaction:
    """One request and what came of it, in monotonic seconds. ``answered`` is when the last octet was handed over."""

    begin: float
    end: float
    octets: int
    answer_begin: float | None = None
    answered: float | None = None
    answer_octets: int = 0


@dataclass(slots=True)
class Traffic:
    """What has passed: frames and octets of the client (requests) and towards it (answers)."""

    requests: int = 0
    answers: int = 0
    octets_in: int = 0  # from the client
    octets_out: int = 0  # towards the client, noise and echo included
    collisions: int = 0
    transactions: list[Transaction] = field(default_factory=list)  # filled only if ``stamps`` was asked for


class Options(TypedDict, total=False):
    """How a line behaves."""

    line: Line  # of the meters that bring none of their own; default 9600 8N1
    echo: bool  # the adapter gives back what it sends
    faults: Faults | None
    frame_gap: float | None  # s of silence that end a request; None: 3.5 characters, at least 2 ms
    seed: int  # of the garbage of collisions
    pace: bool  # default True; False: characters and meters' delays take no time
    check_speed: bool  # default True: a meter at another speed than the client's hears nothing, a client garbage
    stamps: bool  # keep the times of every transaction in ``traffic``
    record: bool  # keep every frame in ``recorded``


@dataclass(slots=True, eq=False)
class _Talk:
    """Octets on their way to the client; octet k has arrived when its character is over."""

    start: float
    data: bytes
    line: Line
    character: float
    sender: Station | None  # None: the adapter's echo
    away: float | None = None
    transaction: Transaction | None = None
    spoilt: bool = False
    written: int = 0

    @property
    def end(self) -> float:
        return self.start + len(self.data) * self.character

    def due(self, now: float) -> int:
        """How many octets have arrived by now."""
        if now < self.start:
            return 0
        if now >= self.end:
            return len(self.data)
        return int((now - self.start) / self.character + 1e-6)  # at its own deadline an octet is there


class Pair:
    """The line, its meters and its faults; :meth:`hear`, :meth:`step` and :attr:`deadline` drive it.

    ``speed`` in the calls is what the client's port is set to in bit/s, None where that cannot be known (a socket).
    """

    def __init__(self, meters: Sequence[SimulatedMeter | Station], **options: Unpack[Options]) -> None:
        line = options.get("line", Line())
        self.stations = [meter if isinstance(meter, Station) else Station(meter, line) for meter in meters]
        self.line = line
        self.traffic = Traffic()
        self.recorded: list[bytes] = []  # frames as they passed, if ``record`` was asked for
        self.away: float | None = None  # a fault unplugs the adapter for this many seconds
        self._faults = options.get("faults") or Faults()
        self._echo = options.get("echo", False)
        self._gap = options.get("frame_gap")
        self._random = random.Random(options.get("seed", 0))
        self._pace = options.get("pace", True)
        self._check_speed = options.get("check_speed", True)
        self._stamps = options.get("stamps", False)
        self._record = options.get("record", False)
        self._earlier: list[tuple[Station, bytes]] = []
        self._fall_silent()

    def _fall_silent(self) -> None:
        self._request = bytearray()
        self._begin = self._until = -math.inf
        self._spoilt = False
        self._speed: int | None = None
        self._talks: list[_Talk] = []
        self._said: list[_Talk] = []

    def unplug(self) -> None:
        """The adapter is gone and with it all that was on the way; the meters stay as they are."""
        self._fall_silent()
        self.away = None

    def hear(self, data: bytes, now: float, speed: int | None = None) -> None:
        """The client has handed these octets to its adapter."""
        self._speed = speed
        character = self._character(self._client_line())
        begin = max(now, self._until)
        if not self._request:
            self._begin = begin
        self._request += data
        self._until = begin + len(data) * character
        self.traffic.octets_in += len(data)
        for talk in self._talks:
            if talk.sender and not talk.spoilt and talk.start < self._until and talk.end > begin:
                self._spoil(talk)
                self._spoilt = True
        if self._echo:
            self._talks.append(_Talk(begin, bytes(data), self._client_line(), character, None))

    def step(self, now: float, speed: int | None = None) -> bytes:
        """What reaches the client by now; called again at :attr:`deadline` and whenever something was heard."""
        said, self._said = self._said, []
        for talk in said:
            self._passed(talk)
        if self._request and now >= self._until + self._frame_gap(self._client_line()):
            self._asked()
        out = bytearray()
        for talk in sorted(self._talks, key=lambda talk: talk.start):
            due = talk.due(now)
            piece = talk.data[talk.written : due]
            heard = speed is None or not self._check_speed or talk.line.speed == speed
            out += piece if heard else self._random.randbytes(len(piece))
            talk.written = max(due, talk.written)
            if now >= talk.end:
                self._talks.remove(talk)
                self._count(talk, now)
                self._said.append(talk)
        self.traffic.octets_out += len(out)
        return bytes(out)

    @property
    def deadline(self) -> float | None:
        """When :meth:`step` has something to do next; in the past if at once; None: not before something is heard."""
        if self._said:
            return -math.inf
        times = [self._next_write(talk) for talk in self._talks]
        if self._request:
            times.append(self._until + self._frame_gap(self._client_line()))
        return min(times, default=None)

    def _next_write(self, talk: _Talk) -> float:
        """Octets go out in bursts, counted from the start so that no error adds up; the last exactly at its time."""
        in_burst = max(1, int(BURST / talk.character)) if talk.character else len(talk.data)
        return min(talk.end, talk.start + (talk.written // in_burst + 1) * in_burst * talk.character)

    def _asked(self) -> None:
        """The client's frame is over: every meter that can hear it may answer."""
        frame, spoilt, end = bytes(self._request), self._spoilt, self._until
        self._request, self._spoilt = bytearray(), False
        self.traffic.requests += 1
        transaction = Transaction(self._begin, end, len(frame))
        if self._stamps:
            self.traffic.transactions.append(transaction)
        self._note(frame)
        if not spoilt:
            self._offer(frame, end, self._speed, None, transaction)

    def _count(self, talk: _Talk, now: float) -> None:
        """Done before the last octet is handed over: who has it finds the counters complete."""
        if talk.sender is None:
            return
        self.traffic.answers += 1
        self._note(talk.data)
        if talk.transaction:
            talk.transaction.answer_begin, talk.transaction.answered = talk.start, now
            talk.transaction.answer_octets += len(talk.data)

    def _passed(self, talk: _Talk) -> None:
        """A frame has ended: the other meters have heard it too, as on a real pair."""
        if talk.away is not None:
            self.away = talk.away
        if talk.sender and not talk.spoilt:
            self._earlier = [*self._earlier, (talk.sender, talk.data)][-REMEMBERED:]
            self._offer(talk.data, talk.end, talk.line.speed, talk.sender, None)

    def _offer(
        self, frame: bytes, end: float, speed: int | None, sender: Station | None, transaction: Transaction | None
    ) -> None:
        for station in self.stations:
            deaf = self._check_speed and speed is not None and speed != station.hearing
            if station is sender or deaf:
                continue
            if answer := station.meter.answer(frame):
                self._reply(station, answer, frame, end, transaction)

    def _reply(
        self, station: Station, answer: bytes, request: bytes, end: float, transaction: Transaction | None
    ) -> None:
        others = [frame for other, frame in self._earlier if other is not station]
        fate = self._faults.fate(answer, request, others)
        line = station.speaking
        gap = self._frame_gap(line)
        start = end + (max(station.meter.delay, gap) if self._pace else gap) + fate.late
        if fate.data or fate.away is not None:
            character = self._character(line)
            self._say(_Talk(start, fate.data, line, character, station, fate.away, transaction))

    def _say(self, talk: _Talk) -> None:
        """Put a frame on the line; where it meets another one both are garbage, and one train of octets remains."""
        for other in [other for other in self._talks if other.sender]:
            if (other.start < talk.end and talk.start < other.end) or other.start == talk.start:
                self._talks.remove(other)
                talk = self._collided(*sorted((other, talk), key=lambda one: one.start))
        if self._request and talk.start < self._until:
            self._spoil(talk)
            self._spoilt = True
        self._talks.append(talk)

    def _collided(self, first: _Talk, second: _Talk) -> _Talk:
        self.traffic.collisions += 1
        longer = max(first, second, key=lambda one: one.end)
        character = first.character or 1.0
        meet = min(len(first.data), int((second.start - first.start) / character))
        part = min(len(longer.data), round(max(0.0, abs(first.end - second.end)) / character))
        size = max(len(first.data), round((longer.end - first.start) / character), meet + part)
        garbage = self._random.randbytes(size - meet - part)
        first.data = first.data[:meet] + garbage + longer.data[len(longer.data) - part :]
        first.spoilt = True
        if second.away is not None:
            first.away = second.away
        return first

    def _spoil(self, talk: _Talk) -> None:
        self.traffic.collisions += 1
        talk.data = talk.data[: talk.written] + self._random.randbytes(len(talk.data) - talk.written)
        talk.spoilt = True

    def _client_line(self) -> Line:
        if self._speed is None or not self._check_speed:
            return self.line
        return Line(self._speed, self.line.format)  # parity and size cannot be seen on a pty

    def _character(self, line: Line) -> float:
        return line.character if self._pace else 0.0

    def _frame_gap(self, line: Line) -> float:
        return max(SILENT_CHARACTERS * self._character(line), SHORTEST_GAP) if self._gap is None else self._gap

    def _note(self, frame: bytes) -> None:
        if self._record:
            self.recorded.append(frame)

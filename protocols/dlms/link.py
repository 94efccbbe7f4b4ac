"""The HDLC link of a client (IEC 62056-46, clause 6.4.4): set-up, windows, segments, retransmission, release.

Pure: octets in, events out. Numbered frames tell a late answer from the wanted one, so after silence the last frame
is sent again unchanged and nothing is ever taken twice.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from protocols.dlms.hdlc import (
    DISC,
    DM,
    FRMR,
    LLC_COMMAND,
    LLC_RESPONSE,
    LONGEST,
    POLL,
    RNR,
    RR,
    SNRM,
    UA,
    UI,
    Address,
    Deframer,
    Frame,
    Limits,
)
from protocols.errors import BadFrame, Busy, NotLoggedIn, Refused, SessionHeld, WrongAddress, WrongCheck

LARGEST_APDU = 1 << 20  # octets of one answer, blocks not counted: what memory may be spent on it
POLLS = 50  # how often a meter that is not ready is asked again before we give up
POLL_PAUSE = 0.1  # s between these
SPARE_TRIES = 2  # damaged answers in a row that are asked for again before the Link hears of them


@dataclass(frozen=True, slots=True)
class Out:
    """Octets for the line, after ``pause`` seconds."""

    data: bytes
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Up:
    """The link is set up; the limits hold for what we send (transmit) and get (receive)."""

    limits: Limits


@dataclass(frozen=True, slots=True)
class Down:
    """The link is released."""


Event = Out | Up | Down | bytes  # bytes: a whole APDU


class State(enum.Enum):
    """Where the link stands; numbered frames travel in ``UP`` only."""

    DOWN = "down"
    SETTING_UP = "setting up"  # SNRM is out
    DENIED = "denied once"  # DM came, perhaps late and to something older: SNRM is out again
    UP = "up"
    RELEASING = "releasing"  # DISC is out


NEXT: Mapping[tuple[State, str], State] = {
    **{(state, "SNRM"): State.SETTING_UP for state in State},
    **{(state, "DISC"): State.RELEASING for state in State},
    (State.SETTING_UP, "UA"): State.UP,
    (State.SETTING_UP, "DM"): State.DENIED,
    (State.DENIED, "UA"): State.UP,
    (State.RELEASING, "UA"): State.DOWN,
    (State.RELEASING, "DM"): State.DOWN,
}
"""What our commands and the meter's unnumbered answers do to the link. DM in ``DENIED`` is a refusal; DM and FRMR in
``UP`` say that the link is gone (the session above sets it up anew)."""

NAMES = {SNRM: "SNRM", DISC: "DISC", UA: "UA", DM: "DM"}


class HdlcLink:
    """One client's link to one meter. ``offer``: the limits that SNRM proposes."""

    numbered = True
    hush = False  # what was sent last holds a password: an echo of it must not stand in a message

    def __init__(self, server: Address, client: int, offer: Limits) -> None:
        self._server, self._client = server.to_bytes(), Address(client).to_bytes()
        self.server = server
        self._offer = offer
        self._deframer = Deframer()
        self._reset(Limits())
        self._last = b""
        self.segments: tuple[bytes, ...] = ()  # information fields of what was put last
        self._state = State.DOWN

    def _reset(self, limits: Limits) -> None:
        self.limits = limits
        self._sent = self._received = 0  # V(S): next to send; V(R): next expected
        self._out: list[bytes] = []  # segments that are not acknowledged yet; the first has number _first
        self._first = 0
        self._flight = 0  # how many of them are under way
        self._in = bytearray()
        self._polls = self._spare = 0

    def connect(self) -> bytes:
        """SNRM; the answer is :class:`Up` or an error."""
        self._reset(Limits())
        return self._unnumbered(SNRM, self._offer.to_bytes())

    def disconnect(self) -> bytes:
        """DISC; the answer is :class:`Down`, also when there was no link."""
        self._reset(Limits())
        return self._unnumbered(DISC, b"")

    def put(self, apdu: bytes) -> bytes:
        """The first frames of an APDU; what follows comes as :class:`Out` from :meth:`take`."""
        message, size = LLC_COMMAND + apdu, self._segment()
        self._out = [message[at : at + size] for at in range(0, len(message), size)]
        self.segments = tuple(self._out)
        self._first, self._flight = self._sent, 0
        self._in.clear()
        self._polls = self._spare = 0
        return self._burst()

    def again(self) -> bytes:
        """What was sent last, unchanged."""
        return self._last

    def feed(self, data: bytes) -> None:
        self._deframer.feed(data)

    def take(self) -> Event | None:
        """The next event of what was fed; MeterError where the dialogue broke."""
        while (frame := self._deframer.frame()) is not None:
            event = self._hear(frame)
            if event is not None:
                return event
        return None

    def silence(self) -> Event | None:
        """The line fell silent: searches behind what seemed to be the start of a frame. A damaged answer is asked for
        again a few times, then BadFrame; None where there was nothing, or nothing for us."""
        while (frame := self._deframer.frame(silent=True)) is not None:
            event = self._hear(frame)
            if event is not None:
                return event
        noise = bytes(self._deframer.noise)
        self._deframer.clear()
        if not noise:
            return None
        self._spare += 1
        if self._spare > SPARE_TRIES or self._state is not State.UP:
            shown = f"{len(noise)} octets" if self.hush else f"the end of it: {noise.hex(' ')}"
            kind = WrongCheck if noise[:1] == b"\x7e" and noise[1:2] >= b"\xa0" and noise[-1:] == b"\x7e" else BadFrame
            raise kind(f"no sound HDLC frame in what came, {shown}")
        return Out(self._last)

    def _segment(self) -> int:
        overhead = 2 + len(self._server) + 1 + 1 + 2 + 2
        return min(self.limits.transmit, LONGEST - overhead)

    def _unnumbered(self, control: int, information: bytes) -> bytes:
        self._deframer.clear()
        self._state = NEXT[self._state, NAMES[control]]
        self._last = Frame(self._server, self._client, control, information).to_bytes()
        return self._last

    def _burst(self) -> bytes:
        """As many segments as the window lets through; the last one polls."""
        flight = self._out[: self.limits.window_transmit]
        frames = []
        for index, piece in enumerate(flight):
            number = (self._first + index) & 7
            poll = POLL if index == len(flight) - 1 else 0
            control = self._received << 5 | poll | number << 1
            more = index < len(self._out) - 1
            frames.append(Frame(self._server, self._client, control, piece, more).to_bytes())
        self._flight = len(flight)
        self._sent = (self._first + len(flight)) & 7
        self._last = b"".join(frames)
        return self._last

    def _supervise(self) -> bytes:
        self._last = Frame(self._server, self._client, self._received << 5 | POLL | RR).to_bytes()
        return self._last

    def _hear(self, frame: Frame) -> Event | None:
        if frame.destination != self._client:
            return None  # our own echo, or another client's
        if frame.source != self._server:
            there = Address.from_bytes(frame.source)
            self._deframer.clear()
            raise WrongAddress(f"meter {there} answered, {self.server} was asked")
        control = frame.control
        if self._state is not State.UP:
            return self._hear_unnumbered(frame)
        if not control & 1:
            return self._hear_information(frame)
        if control & 0x0F in (RR, RNR):
            return self._hear_supervision(control)
        if control | POLL == DM:
            raise NotLoggedIn("the meter says that the link is gone (DM)")
        if control == FRMR:
            raise NotLoggedIn(f"the meter rejects a frame (FRMR {frame.information.hex(' ')})")
        return None  # UI, or a UA that comes late

    def _hear_unnumbered(self, frame: Frame) -> Event | None:
        control = frame.control | POLL
        following = NEXT.get((self._state, NAMES.get(control, "")))
        if following is not None:
            event = self._entering(following, frame)
            self._state = following
            return event
        if control == DM:
            raise SessionHeld(
                "the meter refuses the link (DM): a session is still open, or other client, other address length"
            )
        if control == FRMR:
            raise Refused(f"the meter rejects the frame (FRMR {frame.information.hex(' ')})")
        if control == UI:
            return None
        raise BadFrame(f"control field {frame.control:02x} instead of UA")

    def _entering(self, state: State, frame: Frame) -> Event:
        match state:
            case State.UP:
                return self._agreed(Limits.from_bytes(frame.information))
            case State.DOWN:
                return Down()
        return Out(self._last)  # DENIED: asked once more

    def _agreed(self, theirs: Limits) -> Up:
        """Our transmit is the meter's receive; the smaller of both sides holds."""
        self._reset(
            Limits(
                min(self._offer.transmit, theirs.receive),
                min(self._offer.receive, theirs.transmit),
                min(self._offer.window_transmit, theirs.window_receive),
                min(self._offer.window_receive, theirs.window_transmit),
            )
        )
        return Up(self.limits)

    def _acknowledge(self, number: int) -> bool:
        """Whether ``number`` = N(R) confirms something that is under way; drops what it confirms."""
        confirmed = (number - self._first) & 7
        if confirmed > self._flight:
            return False
        del self._out[:confirmed]
        self._flight -= confirmed
        self._first = number
        return True

    def _hear_supervision(self, control: int) -> Event | None:
        if not self._acknowledge(control >> 5):
            return None  # a late one
        if control & 0x0F == RR and self._out:
            return Out(self._burst())
        self._polls += 1
        if self._polls > POLLS:
            raise Busy(f"the meter is not ready after {POLLS} polls")
        return Out(self._supervise(), POLL_PAUSE)

    def _hear_information(self, frame: Frame) -> Event | None:
        control = frame.control
        ahead = ((control >> 1 & 7) - self._received) & 7
        if ahead:
            # a repeated or late frame is not taken twice; a gap in a burst is asked for again
            lost = ahead < self.limits.window_receive and control & POLL and self.limits.window_receive > 1
            return Out(self._supervise()) if lost and self._in else None
        if not self._acknowledge(control >> 5) or self._out:
            return None  # the answer to something older
        if not self._in and frame.information[:3] != LLC_RESPONSE:
            raise BadFrame(f"LLC header: {frame.information[:8].hex(' ')}")
        self._received = (self._received + 1) & 7
        self._in += frame.information
        self._spare = 0
        if len(self._in) > LARGEST_APDU:
            raise BadFrame(f"an answer longer than {LARGEST_APDU} octets")
        if not frame.segmented:
            apdu = bytes(self._in[3:])
            self._in.clear()
            return apdu
        polled = self._supervise()  # also what is repeated if the rest of a burst is lost
        return Out(polled) if control & POLL else None

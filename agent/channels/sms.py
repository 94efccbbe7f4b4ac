"""Short messages through a GSM modem.

Everything here blocks for as long as a network takes (minutes): call it in a thread of its own, never in a bus's
worker. The port is opened for one call and closed after it, so nothing of the modem is kept open or watched.
"""

import logging
import re
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from agent.channels.errors import ChannelError, Kind
from agent.channels.inbox import DeliveryReport, Inbox, Received, SimPlace
from agent.channels.modem_session import PROMPT, SLOW, ModemPort, ModemSession, explained
from agent.channels.pins import Pins
from agent.config.values import ModemSettings as Settings
from agent.line.port import Port
from protocols.errors import BadFrame, LinkLost, MeterError, NoReply, NotLoggedIn, Refused
from protocols.gsm import at, pdu
from protocols.gsm.at import Command, ModemError
from protocols.gsm.fields import number_of
from protocols.session import Line

log = logging.getLogger("meterpost.sms")

NEVER = frozenset(range(1, 256)) - {197}
"""Causes that the network or the service centre itself gives (24.011, annex E; 23.040, TP-FCS): it has not taken the
message. 197 says that it has the same one already. 300 to 331 are the modem's own. With every other number the message
may have been taken: 332 is the network's silence, 500 unknown, and from 512 on only the maker knows."""
LOCAL = range(300, 332)
MEMORIES = ("SM", "ME", "SR")  # SIM, modem, status reports (27.005, clause 3.2.2)


@dataclass(frozen=True, slots=True)
class Sent:
    """The network took the message: TP-MR of each part (0 to 255, they come round again), as far as the modem said."""

    references: tuple[int, ...]
    parts: int
    number: str


@dataclass(frozen=True, slots=True)
class ModemState:
    """What an examination of the modem shows. ``signal`` in dBm; ``trouble``: what keeps it from sending now."""

    model: str
    sim: str  # "ready", or the kind of its trouble
    network: str | None = None  # home, roaming, sms-only, searching, denied, none, unknown
    operator: str | None = None
    signal: int | None = None
    trouble: ChannelError | None = None


class Modem:
    """A modem as ``[modem]`` describes it. Every method raises ChannelError only, and may be called from any thread:
    one works at a time. Without ``state_dir`` no PIN is ever entered."""

    def __init__(
        self,
        config: Settings,
        state_dir: Path | None = None,
        *,
        open_port: Callable[[str, Line], ModemPort] = Port,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._config = config
        self._pins = Pins(state_dir) if state_dir is not None else None
        self._open_port, self._monotonic, self._sleep = open_port, monotonic, sleep
        self._inbox = Inbox(monotonic)
        self._one = threading.Lock()

    def send(self, number: str, text: str, *, validity: timedelta = timedelta(days=1)) -> Sent:
        """Hand a text to the network, with a delivery report asked for; ``validity``: how long the centre tries.

        ChannelError ``unclear``: no one knows whether it (or all of its parts) left; it must not be sent again
        without an operator's word. With every other kind nothing has left.
        """
        try:
            to = number_of(number)
            mark = zlib.crc32(text.encode()) & 0xFF
            lines = [
                pdu.line(part, self._config.centre) for part in pdu.submits(to, text, reference=mark, validity=validity)
            ]
        except ValueError as trouble:
            raise ChannelError(str(trouble), Kind.REFUSED) from None
        with self._talk() as talk:
            self._ready(talk)
            talk.wait_for_network()
            # Reports are stored for later (2), else routed to us while we are there (1); without news we go on.
            if talk.optional(Command("+CNMI=2,1,0,2,0")) is None:
                talk.optional(Command("+CNMI=2,1,0,1,0"))
            references: list[int] = []
            for place, (length, line) in enumerate(lines, 1):
                try:
                    reference = _give(talk, length, line)
                except (ChannelError, MeterError) as trouble:
                    if place == 1:
                        raise
                    left = f"{place - 1} of {len(lines)} parts left, then: {trouble}"
                    raise ChannelError(left, Kind.UNCLEAR) from None
                references += [] if reference is None else [reference]
            return Sent(tuple(references), len(lines), to)

    def incoming(self) -> list[Received]:
        """Messages that came in, long ones in one piece, oldest first. They stay in the modem until :meth:`forget`."""
        return self.look()[0]

    def reports(self) -> list[DeliveryReport]:
        """Delivery reports that came in; they stay until :meth:`forget`."""
        return self.look()[1]

    def look(self) -> tuple[list[Received], list[DeliveryReport]]:
        """Both at once: each check takes a modem some seconds."""
        with self._talk() as talk:
            self._ready(talk)
            self._look(talk)
            return self._inbox.messages(), self._inbox.reports()

    def forget(self, handed_on: Iterable[Received | DeliveryReport]) -> None:
        """Delete what was handed on and is kept elsewhere now. A place that holds another message by now is left."""
        items = list(handed_on)
        places = {(place.memory, place.index): place for item in items for place in item.places}
        if places:
            with self._talk() as talk:
                self._ready(talk)
                for found in self._listed(talk):
                    if places.get((found.memory, found.index)) == found:
                        talk.ask(Command(f"+CMGD={found.index}"), SLOW)
        self._inbox.forget(items)

    def probe(self) -> ModemState:
        """SIM, network, operator and signal, without sending. ChannelError only where the modem itself is not there:
        what the SIM or the network lacks stands in ``trouble``."""
        with self._talk() as talk:
            talk.wake()
            model = " ".join(_named(talk.optional(Command("+CGMI"))) + _named(talk.optional(Command("+CGMM"))))
            try:
                talk.open_sim(self._config.pin, self._pins)
            except ChannelError as trouble:
                return ModemState(model, str(trouble.kind), trouble=trouble)
            trouble_of_network = None
            try:
                talk.wait_for_network()
            except ChannelError as trouble:
                trouble_of_network = trouble
            network = talk.network()
            talk.optional(Command("+COPS=3,0"))  # names as text
            operator = at.operator(talk.optional(Command("+COPS?", "+COPS:"), SLOW) or ())
            signal = at.signal(talk.optional(Command("+CSQ", "+CSQ:")) or ())
            return ModemState(model, "ready", network, operator, signal, trouble_of_network)

    @contextmanager
    def _talk(self) -> Iterator[ModemSession]:
        """The modem, its port open for as long as this lasts; what goes wrong on it as a ChannelError."""
        with self._one:
            try:
                port = self._open_port(self._config.port, Line(self._config.speed))
            except LinkLost as trouble:
                raise ChannelError(str(trouble), Kind.PORT) from None
            try:
                talk = ModemSession(port, self._monotonic, self._sleep)
                yield talk
                self._inbox.overheard(talk.unasked)
            except LinkLost as trouble:
                raise ChannelError(str(trouble), Kind.PORT) from None
            except Refused as trouble:
                raise explained(trouble) from None
            except MeterError as trouble:
                raise ChannelError(str(trouble), Kind.NO_ANSWER) from None
            finally:
                port.close()

    def _ready(self, talk: ModemSession) -> None:
        """Awake, SIM open, PDU mode. A modem that starts anew or falls silent meanwhile gets a second chance."""
        for chance in (1, 2):
            try:
                talk.wake()
                talk.open_sim(self._config.pin, self._pins)
                talk.ask(Command("+CMGF=0"))
                return
            except (NotLoggedIn, NoReply) as trouble:
                if chance == 2:
                    raise
                log.info("modem: %s; once more", trouble)

    def _look(self, talk: ModemSession) -> None:
        """Everything that the modem's memories hold goes into the inbox."""
        found = list(self._listed(talk))
        self._inbox.overheard(talk.unasked)
        self._inbox.fill(found)

    def _listed(self, talk: ModemSession) -> Iterator[SimPlace]:
        offered = at.memories(talk.optional(Command("+CPMS=?", "+CPMS:"), SLOW) or ())
        for memory in [name for name in MEMORIES if name in offered] or [""]:
            if memory and talk.optional(Command(f'+CPMS="{memory}"', "+CPMS:"), SLOW) is None:
                continue
            for stored in at.stored(talk.ask(Command("+CMGL=4", "+CMGL:"), SLOW)):
                yield SimPlace(memory, stored.index, stored.pdu)


def _give(talk: ModemSession, length: int, line: bytes) -> int | None:
    """One PDU to the network; its TP-MR. The certainty of each error is that of :meth:`Modem.send`."""
    try:
        talk.ask(Command(f"+CMGS={length}", "+CMGS:", prompt=True), PROMPT)
    except NoReply as trouble:
        talk.escape()
        raise ChannelError(str(trouble), Kind.NO_ANSWER) from None
    try:
        return at.reference(talk.give(line))
    except ModemError as trouble:
        if trouble.kind == "CME" or trouble.code in NEVER or trouble.code in LOCAL:
            kind = explained(trouble)
            if trouble.code == 330:
                kind.hint = "name the operator's short message centre in [modem] centre"
            raise kind from None
        raise _unclear(trouble) from None
    except (Refused, NoReply, NotLoggedIn, LinkLost, BadFrame) as trouble:
        reference = at.reference(talk.so_far)
        if reference is not None:  # its number was said before the line went
            return reference
        raise _unclear(trouble) from None


def _unclear(trouble: Exception) -> ChannelError:
    return ChannelError(f"it is not known whether the message left: {trouble}", Kind.UNCLEAR)


def _named(lines: tuple[str, ...] | None) -> list[str]:
    """The bare answer to a question about the maker or the model; news of the modem begin with + or ^."""
    return [line for line in lines or () if not line.startswith(("+", "^", "RING"))][:1]


def same_number(one: str, other: str) -> bool:
    """The same telephone, written in the national or the international way: the last ten digits decide. Names of
    senders are compared without regard to capitals."""
    digits = [re.sub(r"\D", "", text) for text in (one, other)]
    if all(re.fullmatch(r"\+?[\d*# ()-]+", text) for text in (one, other)) and all(digits):
        return digits[0][-10:] == digits[1][-10:]
    return one.strip().casefold() == other.strip().casefold()

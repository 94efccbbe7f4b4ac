"""A modem on an open port: commands and answers in bounded time, and the way from silence to a modem that can send."""

from collections.abc import Callable
from typing import Protocol

from agent.channels.errors import ChannelError, Kind
from agent.channels.pins import Pins
from agent.config.values import Secret
from protocols.errors import NoReply, NotLoggedIn, Refused
from protocols.gsm import at
from protocols.gsm.at import Command, Dialogue, ModemError

ANSWER = 5.0  # s; what a modem answers from its own memory
SLOW = 20.0  # s; the SIM (27.007 gives no bound): SIMCom 5 s, Telit 20 s, Quectel 15 s for PIN and message memory
PROMPT = 10.0  # s from AT+CMGS to "> "
SENT = 180.0  # s from Ctrl-Z to the network's word; makers name 60 s to 150 s
AWAKE, STARTING = 10.0, 40.0  # s that a modem has for its first OK, and after it said that it is just starting
REGISTERED = 60.0  # s for the network to be found
PAUSE = 2.0  # s between checks at what takes its time
QUIET = 0.3  # s without an octet: nothing late is on its way

PLAIN = Command("")
NO_SIM, SIM_PIN, SIM_PUK, SIM_BUSY = {10, 13, 15, 310, 313, 315}, {11, 311}, {12, 316}, {14, 314}
WRONG = {16}
NO_NETWORK = {30, 31, 32, 331}
LATER = {17, 22, 38, 41, 42, 47, 192, 194, 322, 332}
HOME, DENIED, ROAMING = 1, 3, 5
REGISTERED_STATES = {HOME, ROAMING, 6, 7}  # 6, 7: for short messages only (27.007, clause 7.2)
NETWORK = {0: "none", HOME: "home", 2: "searching", DENIED: "denied", 4: "unknown", ROAMING: "roaming"}


class ModemPort(Protocol):
    """What is used of :class:`agent.line.port.Port`."""

    def write(self, data: bytes) -> None: ...

    def read(self, timeout: float) -> bytes: ...

    def close(self) -> None: ...


class ModemSession:
    """Raises what the port and :mod:`protocols.gsm.at` raise, NoReply after the time given, and ChannelError where it
    knows what an operator can do."""

    def __init__(self, port: ModemPort, monotonic: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._port, self._monotonic, self._sleep = port, monotonic, sleep
        self._dialogue = Dialogue()

    @property
    def unasked(self) -> list[str]:
        """What the modem said by itself."""
        return self._dialogue.unasked

    def ask(self, command: Command, wait: float = ANSWER) -> tuple[str, ...]:
        """The lines of the answer."""
        self._port.write(self._dialogue.ask(command))
        return self._hear(command.name, wait)

    def give(self, pdu: bytes, wait: float = SENT) -> tuple[str, ...]:
        """Send a PDU behind the prompt. Any error leaves open whether it has left, but a ModemError's number."""
        self._port.write(self._dialogue.give(pdu))
        return self._hear("AT+CMGS", wait)

    @property
    def so_far(self) -> tuple[str, ...]:
        return self._dialogue.so_far

    def escape(self) -> None:
        """Leave a prompt without sending."""
        self._port.write(at.ESCAPE)
        self._settle()

    def _hear(self, name: str, wait: float) -> tuple[str, ...]:
        deadline = self._monotonic() + wait
        while (left := deadline - self._monotonic()) > 0:
            reply = self._dialogue.hear(self._port.read(min(left, 1.0)))
            if reply is not None:
                return reply.lines
        raise NoReply(f"{name}: the modem did not answer within {wait:g} s")

    def _settle(self) -> None:
        """Until nothing late comes any more, at most ten times as long."""
        deadline = self._monotonic() + 10 * QUIET
        while self._monotonic() < deadline and self._port.read(QUIET):
            continue

    def wake(self) -> None:
        """The modem answers, its echo is off, its errors have numbers."""
        self.escape()
        begin = self._monotonic()
        deadline = begin + AWAKE
        while True:
            try:
                self.ask(PLAIN, 1.0)
                break
            except NotLoggedIn:
                deadline = begin + STARTING
            except (NoReply, Refused):
                pass  # it sleeps, measures our speed, or the rest of someone's line stood before our AT
            if self._monotonic() >= deadline:
                raise ChannelError("the modem does not answer AT", Kind.NO_ANSWER)
        self._settle()
        self.ask(Command("E0"))
        self.optional(Command("+CMEE=1"))

    def optional(self, command: Command, wait: float = ANSWER) -> tuple[str, ...] | None:
        """None where this modem does not know the command."""
        try:
            return self.ask(command, wait)
        except Refused:
            return None

    def open_sim(self, pin: Secret | None, pins: Pins | None) -> None:
        """The SIM is ready. ChannelError says what it lacks. The PIN is tried once, see :class:`Pins`."""
        state = self._sim_state()
        if state == "SIM PIN":
            self._enter(pin, pins)
            deadline = self._monotonic() + SLOW
            while (state := self._sim_state()) == "SIM PIN" and self._monotonic() < deadline:
                self._sleep(PAUSE)
        if state == "READY":
            if pins is not None:
                pins.accepted()
            return
        if state.endswith(("PUK", "PUK2")):
            raise ChannelError(f"the SIM is locked and wants its PUK ({state})", Kind.PUK_NEEDED)
        raise ChannelError(f"the modem wants {state}", Kind.PIN_NEEDED)

    def _sim_state(self) -> str:
        deadline = self._monotonic() + SLOW
        while True:
            try:
                return at.sim(self.ask(Command("+CPIN?", "+CPIN:"), SLOW))
            except ModemError as trouble:
                if trouble.code not in SIM_BUSY or self._monotonic() >= deadline:
                    raise explained(trouble) from None
            self._sleep(PAUSE)

    def _enter(self, pin: Secret | None, pins: Pins | None) -> None:
        if pin is None:
            raise ChannelError("the SIM wants a PIN and none is configured", Kind.PIN_NEEDED)
        if not (pin.text.isascii() and pin.text.isdigit() and 4 <= len(pin.text) <= 8):
            raise ChannelError("the configured PIN is none: a PIN has 4 to 8 digits", Kind.PIN_NEEDED)
        if pins is None:
            raise ChannelError("the SIM wants its PIN, and tries cannot be remembered here", Kind.PIN_NEEDED)
        try:
            pins.begin(pin.text)
        except OSError as trouble:
            raise ChannelError(
                f"the SIM wants its PIN, and a try cannot be noted: {trouble}", Kind.PIN_NEEDED
            ) from None
        try:
            self.ask(Command(f'+CPIN="{pin.text}"', "+CPIN:", shown="+CPIN=…"), SLOW)
        except ModemError as trouble:
            if trouble.code in WRONG | SIM_PUK:
                raise ChannelError("the SIM does not accept the PIN", Kind.WRONG_PIN) from None
            raise ChannelError(f"the PIN could not be entered: {trouble}", Kind.WRONG_PIN) from None
        except (Refused, NoReply, NotLoggedIn) as trouble:
            raise ChannelError(f"it is not known whether the SIM took the PIN: {trouble}", Kind.WRONG_PIN) from None

    def network(self) -> str:
        """``home``, ``roaming``, ``searching``, ``denied``, ``none``, ``unknown``, or ``sms-only``: GSM or LTE,
        whichever has the modem."""
        states = [at.registration(self.optional(Command(f"+{name}?", f"+{name}:")) or ()) for name in ("CREG", "CEREG")]
        best = next((state for state in states if state in REGISTERED_STATES), None)
        if best is None:
            best = next((state for state in states if state is not None), 4)
        return NETWORK.get(best, "sms-only" if best in REGISTERED_STATES else "unknown")

    def wait_for_network(self) -> None:
        deadline = self._monotonic() + REGISTERED
        while (state := self.network()) not in ("home", "roaming", "sms-only"):
            if state == "denied":
                raise ChannelError("the network does not admit this SIM", Kind.NO_NETWORK)
            if self._monotonic() >= deadline:
                raise ChannelError(f"no network after {REGISTERED:g} s ({state})", Kind.NO_NETWORK)
            self._sleep(PAUSE)


def explained(trouble: Refused) -> ChannelError:
    """A refusal of the modem before anything was given to it, as what an operator can do."""
    code = trouble.code
    if code in NO_SIM:
        return ChannelError(str(trouble), Kind.NO_SIM)
    if code in SIM_PIN:
        return ChannelError(str(trouble), Kind.PIN_NEEDED)
    if code in SIM_PUK:
        return ChannelError(str(trouble), Kind.PUK_NEEDED)
    if code in NO_NETWORK:
        return ChannelError(str(trouble), Kind.NO_NETWORK)
    return ChannelError(str(trouble), Kind.LATER if code in LATER | SIM_BUSY else Kind.REFUSED)

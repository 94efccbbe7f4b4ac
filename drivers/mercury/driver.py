"""Mercury 230 and its relatives (Incotex 230/231/233/234/236/238, 203.2TD, 204, 208): the maker's own protocol.

Meters with the index «D» in their code speak it only while their port is set to it (else SPODES, another driver), and
code their password as text: ``password_encoding = "ascii"``.
"""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from decimal import Decimal

from drivers.family import Explain, Family, Language, ScanProfile
from drivers.mercury.archive import TODAY, Frozen
from drivers.mercury.archive import reach as frozen_reach
from drivers.mercury.journal import JOURNALS, Journals, journals
from drivers.mercury.learned import Learned, registers
from drivers.mercury.meter_time import MeterTime
from drivers.mercury.profile import LoadProfile
from drivers.mercury.profile import reach as profile_reach
from drivers.mercury.settings import DIRECTIONS, SETTINGS, address, password
from drivers.reading import (
    TARIFFS,
    Ask,
    Exchange,
    Identity,
    Kind,
    MeterPlan,
    Number,
    Reach,
    Reading,
    ReadsArchives,
    ReadsJournals,
    ReadsNetwork,
    SetsClock,
    Topic,
    Traits,
)
from protocols.errors import BadFrame, NoReply, Refused
from protocols.mercury.archives import ReadJournal, ReadLastRecord, ReadRecords
from protocols.mercury.frames import SHORTEST, Clock, Energy
from protocols.mercury.questions import (
    Asked,
    CloseChannel,
    CorrectClock,
    OpenChannel,
    ReadAllTariffs,
    ReadClock,
    ReadEnergy,
    ReadIdentity,
    ReadNetworkGroup,
    ReadRatio,
    ReadSerial,
)
from protocols.mercury.session import Session
from protocols.mercury.timing import system_timeout
from protocols.session import Line

NETWORK = {  # BWRI of the group request: OBIS group C of each value in its answer, the sum first where there is one
    0x00: (16, 36, 56, 76),  # active power, export negative
    0x04: (131, 151, 171, 191),  # reactive power, export negative: the signed codes of the Blue Book
    0x08: (9, 29, 49, 69),  # apparent power
    0x11: (32, 52, 72),  # voltage
    0x21: (31, 51, 71),  # current
    0x30: (13, 33, 53, 73),  # power factor, its sign that of the active power
    0x40: (14,),  # frequency
}
ALL_TARIFFS = ReadAllTariffs()
LATER_PHASES = frozenset({56, 76, 171, 191, 49, 69, 52, 72, 51, 71, 53, 73})
SINGLE_PHASE = ("mercury203.2td", "mercury204", "mercury208")

PASSWORDS = {1: bytes((1,) * 6), 2: bytes((2,) * 6)}  # as delivered, by level (manual, appendix В)
RANGE = timedelta(minutes=4)  # of a clock correction (§4.1.12)
MIDNIGHT = timedelta(minutes=5)  # no correction so near to it: it must not move a day's end
PAUSE_OF_LONG = 0.025  # s of system time-out that the maker demands for answers of more than 16 octets


class Mercury230(ReadsNetwork, ReadsArchives, ReadsJournals, SetsClock):
    """One meter. ``now`` brings the registers since reset in Wh and varh, ``network`` the values of this moment.

    What the meter marks as absent is missing. A kind of energy or a quantity that it marks so in every row is none it
    has (a one-way meter has no A−), and is missing without a flag; so is a tariff that has no register at all, unless
    the configuration names it. ``partial`` says that something is missing which the other rows have, which the
    configuration names, or which this meter has brought before. What it refuses is left out and asked again after
    100 polls.

    All tariffs come in one answer where the meter can: ``group_read = "auto"`` tries it, and where it is refused or
    not answered soundly while single rows are, these are read for the rest of this object's life. It is the default
    because a long answer can be lost but not misread, and two tariffs in one frame cannot be taken for each other.
    """

    capabilities = frozenset({"identify", "now", "network", "interval", "day", "month", "event", "clock", "set_clock"})
    traits = Traits()

    def __init__(self, plan: MeterPlan) -> None:
        settings = plan.settings
        self._plan = plan
        self._address = address(plan.address)
        self._line = plan.line
        self._timeout = plan.timeout
        self._multiplier = int(settings.get("multiplier", 1))
        self._pause = system_timeout(plan.line.speed, self._multiplier)
        self._level = int(settings.get("level", 1))
        secret = PASSWORDS[self._level] if plan.password is None else plan.password
        self._log_in = OpenChannel(self._level, secret)
        self._codes = DIRECTIONS[settings.get("directions", "all")]
        self._named = tuple(TARIFFS.index(name) + 1 for name in plan.tariffs or ())
        self._wanted = (0, *(self._named if plan.tariffs is not None else (1, 2, 3, 4)))  # rows, 0 the total
        mode = settings.get("group_read", "auto")
        self._group_read: bool | None = {"always": True, "never": False, "auto": None}[mode]
        self._single_phase = plan.model in SINGLE_PHASE
        self._learned = Learned()

    def session(self) -> Session:
        return Session(self._address, self._line, self._multiplier, self._timeout)

    def open(self, ask: Ask) -> None:
        """Log in, AccessDenied if the meter refuses. After NotLoggedIn it is the right thing to call again."""
        ask(self._log_in)

    def close(self, ask: Ask) -> None:
        """Log out of level 2. Level 1 is left to end by itself after 240 s: the line has better to do."""
        if self._level > 1:
            ask(CloseChannel())

    def identify(self, ask: Ask) -> Identity:
        """The serial number, asked every time; model, firmware and ratio are asked once and remembered."""
        serial = ask(ReadSerial()).serial
        if serial != self._learned.serial:  # the first time, or another meter hangs there now
            self._learned = Learned(serial)
        if self._learned.tries:
            self._learn(ask)
        details, ratio = self._learned.details, self._learned.ratio
        return Identity(
            serial,
            model=f"Mercury 23x, variant {details.variant.hex().upper()}" if details else None,
            firmware=details.firmware if details else None,
            ratio=Decimal(ratio.voltage * ratio.current) if ratio else None,
        )

    def _learn(self, ask: Ask) -> None:
        """Variant, firmware and ratio: nice to know, so a meter that does not tell them is read anyway."""
        learned = self._learned
        learned.tries -= 1
        try:
            if learned.details is None:
                learned.details = ask(ReadIdentity())
            learned.ratio = ask(ReadRatio())
            learned.tries = 0
        except Refused:
            learned.tries = 0
        except (NoReply, BadFrame):
            return

    def now(self, ask: Ask) -> Reading:
        """Registers since reset, 1-0:1.8.0 (A+ total) to 4.8.4 (R−, T4); Refused if the meter has none of them."""
        return self._reading("now", *registers(self._rows(ask), self._codes, self._named))

    def _rows(self, ask: Ask) -> dict[int, Energy]:
        """Register rows by tariff, 0 the total, as far as the meter gives them."""
        if self._grouped is False or self._wanted == (0,):
            return self._single_rows(ask)
        try:
            answer = ask(ALL_TARIFFS)
        except (Refused, NoReply, BadFrame) as trouble:
            it_can = self._learned.grouped is True and not isinstance(trouble, Refused)
            if it_can or self._group_read is not None:
                raise
            rows = self._single_rows(ask)
            self._learned.grouped = False
            return rows
        self._learned.grouped = True
        rows = dict(enumerate((answer.total, *answer.tariffs)))
        return {tariff: rows[tariff] for tariff in self._wanted}

    @property
    def _grouped(self) -> bool | None:
        return self._learned.grouped if self._group_read is None else self._group_read

    def _single_rows(self, ask: Ask) -> dict[int, Energy]:
        questions = {tariff: ReadEnergy(tariff=tariff) for tariff in self._wanted}
        answers = {tariff: self._learned.unless_refused(ask, question) for tariff, question in questions.items()}
        return {tariff: row for tariff, row in answers.items() if row is not None}

    def network(self, ask: Ask) -> Reading:
        """Power, voltage, current, power factor and frequency, exact to the meter's resolution; export negative.

        A single-phase meter has no second and third phase: what stands in their places is not read.
        """
        values: dict[str, Number] = {}
        due: set[str] = set()
        for parameter, codes in NETWORK.items():
            answer = self._learned.unless_refused(ask, ReadNetworkGroup(parameter)) or ()
            names = [f"1-0:{code}.7.0" for code in codes if not (self._one_phase and code in LATER_PHASES)]
            had = {name: value for name, value in zip(names, answer, strict=False) if value is not None}
            if had:
                values |= had
                due.update(names)
        return self._reading("network", values, due)

    def _reading(self, kind: Kind, values: dict[str, Number], due: set[str]) -> Reading:
        if not values:
            raise Refused(f"meter {self._address}: gives nothing of {kind!r}")
        return self._learned.reading(kind, values, due)

    def day(self, ask: Ask, since: datetime, until: datetime) -> Iterator[Reading]:
        """Registers at the start of days, see :class:`drivers.mercury.archive.Frozen`."""
        return self._frozen().read(ask, "day", since, until)

    def month(self, ask: Ask, since: datetime, until: datetime) -> Iterator[Reading]:
        """Registers at the start of months, see :class:`drivers.mercury.archive.Frozen`."""
        return self._frozen().read(ask, "month", since, until)

    def _frozen(self) -> Frozen:
        return Frozen(self._learned, MeterTime.of(self._plan), self._wanted, self._codes, self._named)

    def interval(self, ask: Ask, since: datetime, until: datetime) -> Iterator[Reading]:
        """The load profile, see :class:`drivers.mercury.profile.LoadProfile`."""
        at_start = self._plan.settings.get("stamp", "end") == "start"
        long = self._pause >= PAUSE_OF_LONG
        profile = LoadProfile(self._learned, MeterTime.of(self._plan), self._codes, long, at_start)
        return profile.read(ask, since, until)

    def reach(self, kind: Kind, now: datetime) -> Reach | None:
        """How far back days, months or intervals go at ``now`` (aware UTC): 123 days and 36 months, or today and
        yesterday and 12 months by the old arrays; a ring of 4096 or 8192 intervals. None while the meter has not told
        how it was built and, for intervals, how long they are, or where nothing says its zone."""
        try:
            time = MeterTime.of(self._plan)
        except Refused:
            return None
        match kind:
            case "interval":
                return profile_reach(self._learned, time, now)
            case "day" | "month":
                return frozen_reach(kind, self._learned, time, now)
        return None

    def event(self, ask: Ask, since: datetime, until: datetime) -> Iterator[Reading]:
        """The journals, see :class:`drivers.mercury.journal.Journals`."""
        kept = Journals(self._learned, MeterTime.of(self._plan))
        return kept.read(ask, since, until, self._one_phase)

    @property
    def _one_phase(self) -> bool:
        details = self._learned.details
        return self._single_phase or (details is not None and details.single_phase)

    def clock(self, ask: Ask) -> datetime:
        """The meter's wall clock, naive: its own zone, whole seconds."""
        answer: Clock = ask(ReadClock())
        return answer.at

    def set_clock(self, ask: Ask, wanted: datetime) -> None:
        """Correct the clock to ``wanted``, naive and in the meter's own zone; fractions of a second are dropped.

        The meter takes it in gradually. ValueError, and nothing sent: more than 4 minutes off, or within 5 minutes of
        midnight. Refused with code 4: it has been corrected today.
        """
        if wanted.tzinfo is not None:
            raise ValueError("the meter's clock knows no zone: a naive time is due")
        shown = self.clock(ask)
        if abs(wanted - shown) > RANGE:
            raise ValueError(f"the meter shows {shown}, {wanted} is wanted: it can be corrected by 4 minutes at most")
        for moment in (wanted, shown):
            since = moment - datetime.combine(moment, time())
            if not MIDNIGHT <= since <= timedelta(days=1) - MIDNIGHT:
                raise ValueError(f"{moment} is within 5 minutes of midnight: corrected now, a day's end could move")
        ask(CorrectClock(wanted.time().replace(microsecond=0)))

    def exchanges(self, kind: Topic) -> tuple[Exchange, ...]:
        """Log-in, serial number and the questions of this kind, with the silences that the maker demands. Of archives
        the newest row, of each journal the latest entry.

        A real meter may take up to its answer time longer. Until it is known whether a meter gives all tariffs in one
        answer, single rows are counted: the longer way.
        """
        questions: list[Asked]
        match kind:
            case "now" if self._grouped:
                questions = [ALL_TARIFFS]
            case "now":
                questions = [ReadEnergy(tariff=row) for row in self._wanted]
            case "network":
                questions = [ReadNetworkGroup(parameter) for parameter in NETWORK]
            case "clock":
                questions = [ReadClock()]
            case "interval":
                questions = [ReadLastRecord(), ReadRecords(0)]
            case "day" | "month":
                rows = [*self._wanted, *((0, 0) if kind == "month" else ())]  # a month's totals of two others
                questions = [ReadClock(), *(ReadEnergy(TODAY, tariff=row) for row in rows), ReadClock()]
            case "event":
                known = journals(self._one_phase)
                questions = [ReadJournal(number, size=JOURNALS[number].size) for number in known]
            case "identify":
                questions = []
            case _:
                return ()
        around: list[Asked] = [self._log_in, ReadSerial()]
        after: list[Asked] = [CloseChannel()] if self._level > 1 else []
        return tuple(self._exchange(question) for question in (*around, *questions, *after))

    def _exchange(self, question: Asked) -> Exchange:
        frame = SHORTEST - 1  # address and CRC
        return Exchange(len(question.encode()) + frame, question.sizes[0] + frame, 2 * self._pause)


def _explain() -> Explain:
    from protocols.mercury.explain import explain

    return explain


FAMILY = Family(
    name="mercury230",
    models=(
        "mercury230",
        "mercury231",
        "mercury233",
        "mercury234",
        "mercury236",
        "mercury238",
        *SINGLE_PHASE,
    ),
    capabilities=Mercury230.capabilities,
    settings=SETTINGS,
    protocol="mercury23x",
    line=Line(9600, "8N1"),
    address=address,
    password=password,
    default_password="111111",
    build=Mercury230,
    help="Mercury 230/231/233/234/236/238, 203.2TD, 204, 208 by Incotex's own protocol; address 0: alone on its line",
    language=Language("mercury", _explain),
    scan=ScanProfile("1-240"),
    universal=0,
    first_byte=int,  # the profile read AA 06 03 00 10 0F is a Modbus register write for unit AA
)

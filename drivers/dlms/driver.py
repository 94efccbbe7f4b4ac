"""DLMS/COSEM meters with logical names: one driver, its models are data (``models/dlms/*.toml``).

What a session does: link, association, serial number and firmware in one GET, then what is asked. What columns and
scales are is read once for a meter and firmware and kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

from drivers.dlms.budget import exchanges
from drivers.dlms.decoding import explained, unlocked
from drivers.dlms.meter_time import MeterTime
from drivers.dlms.model import Model, Profile, Register
from drivers.dlms.model_file import models
from drivers.dlms.profile import Habits, Layout, Row, layout, rows, told, values
from drivers.dlms.reach import Depth, reach
from drivers.dlms.read import Reader, text
from drivers.dlms.settings import (
    SETTINGS,
    Association,
    association,
    candidates,
    lower,
    meter_time,
    missing,
    wire_password,
)
from drivers.family import Family, Language, ScanProfile
from drivers.reading import (
    Ask,
    Exchange,
    FrameCounter,
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
from drivers.times import EPOCH
from drivers.unfinished import Unfinished
from protocols.dlms.apdu import Attribute, obis_text
from protocols.dlms.axdr import octets
from protocols.dlms.cosem.objects import CLOCK, DATA, PROFILE, Scale
from protocols.dlms.cosem.stamp import Stamp
from protocols.dlms.hdlc import Address
from protocols.dlms.mode_e import ModeE
from protocols.dlms.questions import Associate, Connect, Denied, Disconnect, Get, Release, Set, Value
from protocols.dlms.session import Session, Timing
from protocols.dlms.words import ABSENT, CounterTooLow, NoAccess
from protocols.errors import AccessDenied, BadFrame, NoReply, Refused
from protocols.iec62056.questions import HandOver
from protocols.iec62056.session import Session as SignOn
from protocols.session import Line

RELEARN = 500  # sessions after which it is looked again which registers the meter has
PUBLIC = 16  # the client that may read the frame counter without a password


@dataclass
class MemoryCounter:
    """Counts in memory only: for plans without a durable counter, where nothing is to be sent."""

    value: int = 0

    def next(self) -> int:
        self.value += 1
        return self.value - 1

    def skip_to(self, value: int) -> None:
        self.value = max(self.value, value)


@dataclass
class Learned:
    """What one meter with one firmware has; forgotten when another answers."""

    identity: Identity
    scales: dict[bytes, Scale | None] = field(default_factory=dict)  # None: the meter has no such register
    layouts: dict[bytes, Layout | None] = field(default_factory=dict)  # None: no such profile
    time_zone: bool = False  # the clock object was asked for its zone


class DlmsMeter(ReadsNetwork, ReadsArchives, ReadsJournals, SetsClock):
    """One meter of a model."""

    def __init__(self, plan: MeterPlan, model: Model) -> None:
        settings = {setting.name: setting.default for setting in SETTINGS} | dict(plan.settings)
        self._plan, self._model, self._settings = plan, model, settings
        self._how: Association = association(plan, model, settings)
        name = self._how.counter_name
        self.counter: FrameCounter = MemoryCounter() if name is None or plan.counter is None else plan.counter(name)
        self._wrapper = settings["framing"] == "wrapper"
        self._addresses = candidates(plan.address, settings["address_size"], settings["logical"])
        self._address: Address | None = None  # the one that answered
        self._reader = Reader(settings["list_size"])
        self._time = MeterTime() if self._how.fault else meter_time(settings)
        self._habits = Habits(
            by_entry=settings["profile_access"] == "entry",
            typed=settings["range_typed"],
            stated=settings["range_deviation"],
            same=settings["null_cells"] == "same",
            rows=settings["rows"],
        )
        self._learned: Learned | None = None
        self._depths: dict[str, tuple[int | None, int]] = {}  # by kind: rows kept, seconds between them
        self._events = Unfinished[list[Row]]()  # by the journal's name
        self._serial: str | None = None
        self._sessions = 0
        kinds = set(model.kinds) | {"identify", "clock"}
        self.traits = Traits()
        self.capabilities = frozenset(kinds | ({"set_clock"} if self._how.mechanism > 1 else set()))

    def session(self) -> Session | ModeE:
        timing = Timing(self._plan.timeout or 2.0, float(self._settings["gap"]))
        dlms = Session(self._wrapper, timing, self._settings["invoke_check"])
        return ModeE(dlms, SignOn()) if self._settings["opening"] == "mode-e" else dlms

    def open(self, ask: Ask) -> None:
        """Link and association. With ciphering the meter's frame counter is read first where that is set."""
        if self._how.fault is not None:
            raise AccessDenied(self._how.fault)  # nothing is sent: some meters lock after wrong passwords
        self._sessions += 1
        if self._sessions % RELEARN == 0:
            self._learned = None
        if self._settings["opening"] == "mode-e":
            ask(HandOver())
        if self._how.keys is not None and self._settings["counter_from_meter"]:
            self._learn_counter(ask)
        self._connect(ask, self._how.client)
        try:
            self._reader.granted = ask(self._how.question(self.counter))
        except CounterTooLow as low:
            if low.expected is not None:
                self.counter.skip_to(low.expected)  # the next session begins there
            raise

    def _connect(self, ask: Ask, client: int) -> None:
        """Over HDLC the addresses are tried in turn until one has answered once."""
        tries = (self._address,) if self._address is not None else self._addresses
        for at, address in enumerate(tries, 1):
            try:
                ask(Connect(address, client, self._how.limits, self._settings["logical"]))
            except NoReply:
                if at == len(tries):
                    raise
            else:
                self._address = address
                return

    def _learn_counter(self, ask: Ask) -> None:
        """As public client: the counter object of our keys. A meter that refuses leaves us with our own count."""
        self._connect(ask, PUBLIC)
        try:
            ask(Associate())
            got: Value = ask(Get(Attribute(DATA, self._how.counter_object, 2)))
            if isinstance(got.data, int) and got.data >= 0:
                self.counter.skip_to(got.data + 1)
        except Refused:
            pass  # not every meter lets the public client see it
        ask(Disconnect())

    def identify(self, ask: Ask) -> Identity:
        """Serial number and firmware each time; model and ratio once for these two."""
        model = self._model
        wanted = [model.serial] + ([model.firmware] if model.firmware else [])
        serial, *more = [text(found) for found in self._reader.read(ask, [Attribute(DATA, code, 2) for code in wanted])]
        firmware = more[0] if more else None
        known = self._learned
        if known is not None and (known.identity.serial, known.identity.firmware) == (serial, firmware):
            return known.identity
        if serial != self._serial:
            self._serial = serial
            self._depths.clear()
            self._events.done()
        codes = ([model.model] if model.model else []) + list(model.ratios)
        found = self._reader.read(ask, [Attribute(DATA, code, 2) for code in codes])
        name = text(found.pop(0)) if model.model else None
        identity = Identity(serial, name, firmware, _product(found))
        self._learned = Learned(identity)
        return identity

    def now(self, ask: Ask) -> Reading:
        tariffs = self._plan.tariffs
        wanted = [each for each in self._model.now if not each.tariff or tariffs is None or each.tariff in tariffs]
        return self._registers(ask, "now", wanted)

    def network(self, ask: Ask) -> Reading:
        """By the profile of present values where the meter has it, else register by register."""
        profile = self._model.profiles.get("network")
        shape = self._layout(ask, profile) if profile is not None else None
        if profile is None or shape is None:
            return self._registers(ask, "network", list(self._model.network))
        got: Value = ask(Get(Attribute(PROFILE, profile.buffer, 2)))
        cells = got.data[-1] if isinstance(got.data, list) and got.data else None
        if not isinstance(cells, tuple) or len(cells) != len(shape.columns):
            raise BadFrame(f"present values: {got.data!r}"[:200])
        found, whole = values(Row(datetime.min, cells), shape)
        shown = {key: value for key, value in found.items() if key.split(":")[1].split(".")[1] != "8"}  # no energies
        return Reading("network", shown, () if whole else ("partial",))

    def interval(self, ask: Ask, since: datetime, until: datetime) -> Iterator[Reading]:
        """Intervals that end within the span, both ends included, whichever end their stamps mean."""
        stamped_at_start = self._settings["stamp"] == "start"
        for shape, row in self._rows(ask, "interval", since, until, stamped_at_start):
            found, whole = values(row, shape)
            start = end = row.at
            if shape.period:
                length = timedelta(seconds=shape.period)
                if stamped_at_start:
                    end = start + length
                else:
                    start = end - length
                    over = (end - EPOCH) % length
                    if over:  # captured out of turn (power failure, clock set): since the last full period
                        start, whole = end - over, False
            yield Reading("interval", found, () if whole else ("partial",), at=end, start=start)

    def day(self, ask: Ask, since: datetime, until: datetime) -> Iterator[Reading]:
        yield from self._frozen(ask, "day", since, until)

    def month(self, ask: Ask, since: datetime, until: datetime) -> Iterator[Reading]:
        yield from self._frozen(ask, "month", since, until)

    def reach(self, kind: Kind, now: datetime) -> Reach | None:
        """How far back intervals, days or months go at ``now`` (aware UTC): as many rows as the meter says that the
        profile keeps, else as its model says; ``step`` is None until the meter has told it. None where neither says
        a depth, or (days, months) where the meter's zone is not known yet."""
        profile = self._model.profiles.get(kind)
        if profile is None:
            return None
        rows_kept, period = self._depths.get(kind) or (profile.depth, 0)
        return reach(kind, Depth(rows_kept, period), self._time, now) if rows_kept else None

    def event(self, ask: Ask, since: datetime, until: datetime) -> Iterator[Reading]:
        """The journals one after the other; one that the meter does not have is left out. A poll that was ended midway
        is gone on with by the next one: journals that it had read are given as they were then."""
        self._events.begin(since, until)
        for journal in self._model.journals:
            profile = Profile(journal.buffer)
            shape = self._layout(ask, profile)
            if shape is None:
                continue
            self._learn_zone(ask)
            read = partial(self._journal, ask, profile, shape, since, until)
            kept = self._events.get(journal.name, read)
            yield from told(journal, shape, (row for row in kept if since <= row.at <= until))
        self._events.done()

    def _journal(self, ask: Ask, profile: Profile, shape: Layout, since: datetime, until: datetime) -> list[Row]:
        return list(rows(ask, profile, shape, self._time, self._habits, (since, until), distinct=False))

    def clock(self, ask: Ask) -> datetime:
        """The meter's clock: aware where its deviation is stated or known, else its wall time (naive)."""
        self._learn_zone(ask)
        got: Value = ask(Get(Attribute(CLOCK, self._model.clock, 2)))
        stamp = Stamp.from_bytes(got.data if isinstance(got.data, bytes) else b"")
        if stamp.wall is None:
            raise BadFrame(f"the meter's clock shows {stamp.raw.hex(' ')}")
        self._time.decide(stamp, self._plan.now() if self._plan.now is not None else None)
        self.traits = Traits(zone=self._time.fixed, zone_doubt=self._time.doubt)
        return self._time.utc(stamp) or stamp.wall

    def set_clock(self, ask: Ask, wanted: datetime) -> None:
        """Write the clock (clients with HLS). ``wanted``: aware, or the meter's own wall time."""
        self._learn_zone(ask)
        if wanted.tzinfo is None:
            zone = self._time.zone
            wanted = wanted.replace(tzinfo=zone) if zone else wanted + timedelta(minutes=self._time.deviation or 0)
            wanted = wanted.astimezone(UTC) if wanted.tzinfo else wanted.replace(tzinfo=UTC)
        ask(Set(Attribute(CLOCK, self._model.clock, 2), octets(self._time.stamp(wanted, True))))

    def close(self, ask: Ask) -> None:
        if self._settings["release"] or self._wrapper:
            ask(Release())
        ask(Disconnect())

    def exchanges(self, kind: Topic) -> tuple[Exchange, ...]:
        tariffs = self._plan.tariffs
        energies = [each for each in self._model.now if not each.tariff or tariffs is None or each.tariff in tariffs]
        return exchanges(kind, len(energies), self._addresses[0].size, self._how, self._wrapper)

    def _registers(self, ask: Ask, kind: Kind, wanted: list[Register]) -> Reading:
        """Values × their scales. What the meter does not have is not there; what it refuses now is ``partial``."""
        scales = self._known().scales
        new = [each for each in wanted if each.code not in scales]
        denied = False
        for register, answer in zip(new, self._reader.read(ask, [each.scale() for each in new]), strict=True):
            if isinstance(answer, Value):
                scales[register.code] = Scale.from_data(answer.data)
            elif answer.result in ABSENT:
                scales[register.code] = None
            else:
                denied = True
        present = [(each, scale) for each in wanted if (scale := scales.get(each.code)) is not None]
        found: dict[str, Number] = {}
        raws = self._reader.read(ask, [each.value() for each, _ in present])
        for (register, scale), raw in zip(present, raws, strict=True):
            if isinstance(raw, Value) and isinstance(raw.data, (int, Decimal)) and not isinstance(raw.data, bool):
                found[register.key] = scale.apply(raw.data)
            elif isinstance(raw, Value) and raw.data is not None:
                raise BadFrame(f"{register.key}: {raw.data!r} is not a number"[:200])
            else:
                denied = True
        if not found:
            raise Refused(f"the meter gave none of the registers of {kind}")
        return Reading(kind, found, ("partial",) if denied else ())

    def _frozen(self, ask: Ask, kind: Kind, since: datetime, until: datetime) -> Iterator[Reading]:
        for shape, row in self._rows(ask, kind, since, until):
            found, whole = values(row, shape)
            yield Reading(kind, found, () if whole else ("partial",), at=row.at)

    def _rows(
        self, ask: Ask, kind: Kind, since: datetime, until: datetime, stamped_at_start: bool = False
    ) -> Iterator[tuple[Layout, Row]]:
        """Rows that end within the span; one that is ``stamped_at_start`` bears a stamp one period before that."""
        profile = self._model.profiles[kind]
        shape = self._layout(ask, profile)
        if shape is None:
            raise Refused(f"the meter has no profile {obis_text(profile.buffer)}", 4)
        self._learn_zone(ask)
        self._depths[kind] = shape.depth or profile.depth, shape.period
        early = timedelta(seconds=shape.period if stamped_at_start else 0)
        for row in rows(ask, profile, shape, self._time, self._habits, (since - early, until - early)):
            yield shape, row

    def _layout(self, ask: Ask, profile: Profile) -> Layout | None:
        """A profile's columns and scales, read once; None where the meter does not have it."""
        known = self._known().layouts
        if profile.buffer not in known:
            try:
                known[profile.buffer] = layout(ask, self._reader, profile)
            except NoAccess as no:
                if no.code not in ABSENT:
                    raise
                known[profile.buffer] = None
        return known[profile.buffer]

    def _learn_zone(self, ask: Ask) -> None:
        known = self._known()
        if self._time.zone is None and not known.time_zone:
            (zone,) = self._reader.read(ask, [Attribute(CLOCK, self._model.clock, 3)])
            self._time.learn(zone.data if isinstance(zone, Value) else None)
            self.traits = Traits(zone=self._time.fixed, zone_doubt=self._time.doubt)
            known.time_zone = True

    def _known(self) -> Learned:
        if self._learned is None:
            self._learned = Learned(Identity(None))
        return self._learned


def families(models_dir: Path | None = None) -> tuple[Family, ...]:
    """One Family a model, by name; ConfigError with the faults of all files together."""
    return tuple(_family(model) for model in models(models_dir))


def _family(model: Model) -> Family:
    return Family(
        name=model.names[0],
        models=model.names,
        capabilities=model.kinds | {"identify", "clock", "set_clock"},
        settings=SETTINGS,
        protocol="dlms",
        line=Line(9600, "8N1"),
        address=lower,
        password=wire_password,
        default_password=model.password,
        build=lambda plan: DlmsMeter(plan, model),
        help=model.help,
        language=Language("dlms", explained, unlocked),
        scan=ScanProfile(
            "1-127",
            opened=True,
            settings={"client": PUBLIC, "mechanism": "none"},
            numbering="the address follows from the serial number, mostly its last four digits + 16: "
            "--addresses serial:NUMBER tries all that makers use",
        ),
        states_zone=True,  # IEC 62056-6-2, clock: deviation
        missing=lambda settings, there: missing(model.client, settings, there),
    )


def _product(found: list[Value | Denied]) -> Decimal | None:
    """Current × voltage transformer ratio; None where the meter does not give each of them."""
    product = Decimal(1)
    for each in found:
        ratio = each.data if isinstance(each, Value) else None
        if isinstance(ratio, bool) or not isinstance(ratio, (int, Decimal)) or ratio <= 0:
            return None
        product *= ratio
    return product if found else None

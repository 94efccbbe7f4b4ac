"""Meters that speak IEC 62056-21: one engine, the models are TOML tables (drivers/models/iec).

Three ways: ``session`` reads single parameters in programming mode (Energomera, Neva), ``readout`` takes what one
telegram holds (any meter that answers a data readout), ``direct`` asks for a group without a session (CE301, CE303).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from drivers.events import Flag
from drivers.family import Explain, Family, Language, ScanProfile
from drivers.iec62056 import clock, obis
from drivers.iec62056.archive import frozen, near_midnight, reach
from drivers.iec62056.budget import exchanges
from drivers.iec62056.journal import events
from drivers.iec62056.model_file import tables
from drivers.iec62056.parts import Row, registers
from drivers.iec62056.profile import period, powers, profile_reach, unsteady
from drivers.iec62056.ring import Kept
from drivers.iec62056.settings import SETTINGS, address, password, zone
from drivers.iec62056.table import Table
from drivers.learned import Brought, Refusals
from drivers.reading import (
    Ask,
    Driver,
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
from drivers.unfinished import Unfinished
from protocols.errors import BadFrame, Busy, NoReply, Refused
from protocols.iec62056.block import Block, Value
from protocols.iec62056.frames import Identification
from protocols.iec62056.questions import Break, Direct, Get, Opened, Password, Program, Put, Readout, Telegram, WakeUp
from protocols.iec62056.session import Session
from protocols.session import Line

PAUSE_OF_REFUSED = 100  # polls for which a refused parameter is left alone


class IecMeter(ReadsNetwork, ReadsArchives, ReadsJournals, SetsClock):
    """One meter. ``now`` brings Wh and varh, ``network`` V, A, W, Hz and power factors, exact as the meter sends them.

    A parameter that the meter refuses is left out and asked again after 100 polls; the flag ``partial`` says so
    unless the table calls it optional and it was never there. An empty value is absent, a readout's register without
    a known unit too. All values of one parameter come in one answer or the answer is a BadFrame.
    """

    def __init__(self, plan: MeterPlan, table: Table) -> None:
        settings = {setting.name: setting.default for setting in SETTINGS} | dict(plan.settings)
        self.table = table
        self.traits = Traits(obis.plain(table.resolution), table.mismatch)
        self.capabilities = capabilities(table)
        self._plan = plan
        self._settings = settings
        self._login = settings["login"] == "always" or (settings["login"] == "auto" and table.login)
        self._password = plan.password if plan.password is not None else (table.password or "").encode("ascii")
        self._check = table.check if settings["check"] == "model" else settings["check"]
        self._open = False  # a session may be open in the meter
        self._logged_in = False  # in this dialogue
        self._session: Session
        self._identification: Identification | None = None
        self._serial: str | None = None
        self._telegram: Block | None = None  # of this dialogue
        self._refused = Refusals(PAUSE_OF_REFUSED)  # parameters
        self._events = Unfinished[Sequence[Value]]()  # by the parameter and its arguments
        self._rings: dict[str, Kept] = {}  # journals as they were last read
        self._brought = Brought()
        self._step: timedelta | None = None  # of its load profile, once it has told it

    def session(self) -> Session:
        settings, line = self._settings, self._plan.line
        start = settings["start_speed"]
        self._session = Session(
            self._plan.address,
            Line(start, line.format) if start else line,
            check=self._check,
            parity=settings["parity"],
            top_speed=settings["max_speed"] or None,
            change=settings["change_speed"],
            wait=self._plan.timeout,
        )
        return self._session

    def open(self, ask: Ask) -> None:
        """Programming mode and the password where the model wants them; a readout needs neither."""
        self._telegram = None
        if self._settings["wake_up"]:
            ask(WakeUp())
        if self.table.way != "session":
            return
        if self._open:
            ask(Break())  # a dialogue that broke off left the meter in its session
            self._open = False
        try:
            opened: Opened = ask(Program())
        except (BadFrame, NoReply):
            self._open = self._session.unfinished  # it was heard, perhaps understood
            if self._open:
                ask(Break())  # in programming mode it would answer the commands for its neighbours
            raise
        self._open, self._identification = True, opened.identification
        self._logged_in = False
        if self._login:
            self._log_in(ask)

    def _log_in(self, ask: Ask) -> None:
        ask(Password(self._password))
        self._logged_in = True

    def close(self, ask: Ask) -> None:
        """Break, so that the meter listens again at once."""
        self._telegram = None
        if self._open:
            ask(Break())
            self._open = False

    def identify(self, ask: Ask) -> Identity:
        """Serial number from the meter's own register; model and firmware from its identification."""
        serial: str | None
        wanted = self._settings["serial_code"] or self.table.serial
        match self.table.way:
            case "session":
                serial = _asked(ask, Get(wanted)).text(wanted)
            case "direct":
                serial = _asked(ask, Direct("GROUP", f"{wanted}(1)", (wanted,))).text(wanted)
            case _:
                block = self._readout(ask)
                codes = (wanted,) if wanted else obis.SERIALS
                serial = block.text(wanted) if wanted else None
                serial = serial or obis.first_text(block, *codes)
        if serial != self._serial:
            self._serial, self._step, self._rings = serial, None, {}
            self._events.done()
        model, firmware = self._model()
        return Identity(serial or None, model, firmware)

    def _model(self) -> tuple[str | None, str | None]:
        if self._identification is None:
            return None, None
        match = re.match(self.table.identification, self._identification.text) if self.table.identification else None
        if match is None:
            return self._identification.text, None
        return match["model"], match["firmware"]

    def now(self, ask: Ask) -> Reading:
        """Cumulative registers, Wh and varh; those of ``tariffs`` where the configuration names some."""
        if self.table.obis:
            found = obis.energies(self._readout(ask).sets, self._settings["energy_unit"])
            self.traits = replace(self.traits, resolution=found.step)
            return self._reading("now", dict(found.values), bool(found.doubtful))
        return self._rows(ask, "now", self.table.now)

    def network(self, ask: Ask) -> Reading:
        """Voltage, current, power, power factor and frequency of this moment."""
        if self.table.obis:
            found = obis.network(self._readout(ask).sets)
            return self._reading("network", dict(found.values), bool(found.doubtful))
        return self._rows(ask, "network", self.table.network)

    def clock(self, ask: Ask) -> datetime:
        """The meter's wall clock, naive: its own zone, whole seconds. Refused where it shows none."""
        if self.table.clock is None:
            shown = obis.clock(self._readout(ask))
            if shown is None:
                raise Refused("the readout holds no clock")
            return shown
        return clock.shown(self.table.clock, lambda name: self._block(ask, name).text(name) or "")

    def interval(self, ask: Ask, since: datetime, until: datetime) -> Iterator[Reading]:
        """Energy of the intervals that end within the span, the newest day first: average power times length.

        Those count that ended a minute ago by the meter's own clock. Busy as in :meth:`_frozen`."""
        profile = self.table.interval
        if profile is None:
            raise Refused("no load profile of this meter is known")
        place, read = zone(self._plan, self._settings), self._reader(ask)
        self._step = step = period(profile, read)
        shown = self.clock(ask)
        if profile.names and unsteady(shown, step):
            raise Busy("the meter's day is about to change or has just begun: its profile counts from there")
        found = powers(profile, step, shown, place, (since, until), read)
        if profile.names:
            found = iter(list(found))
            if self.clock(ask).date() != shown.date():
                raise Busy("the meter's day has changed while its profile was read")
        for each in found:
            flags: tuple[Flag, ...] = ("partial",) if each.incomplete else ()
            yield Reading("interval", {profile.register: each.energy}, flags, at=each.end, start=each.start)

    def day(self, ask: Ask, since: datetime, until: datetime) -> Iterator[Reading]:
        """Registers as frozen at the starts of the meter's days, ``since`` to ``until`` (aware), newest first."""
        return self._frozen(ask, "day", since, until)

    def month(self, ask: Ask, since: datetime, until: datetime) -> Iterator[Reading]:
        """Registers as frozen at the starts of the meter's months, newest first."""
        return self._frozen(ask, "month", since, until)

    def reach(self, kind: Kind, now: datetime) -> Reach | None:
        """How far back intervals, days or months go at ``now`` (aware UTC), by the model's table; None for a kind that
        it has not, or where nothing says the meter's zone or its intervals' length."""
        try:
            place = zone(self._plan, self._settings)
        except Refused:
            return None
        match kind:
            case "interval":
                return profile_reach(self.table.interval, self._step, place, now)
            case "day":
                return reach(kind, self.table.day, place, now)
            case "month":
                return reach(kind, self.table.month, place, now)
        return None

    def _frozen(self, ask: Ask, kind: Kind, since: datetime, until: datetime) -> Iterator[Reading]:
        """``at`` is the start of the day or month in the meter's zone. What the meter does not hold does not come.

        Busy where it counts its rows back from now and a day begins."""
        archives = self.table.day if kind == "day" else self.table.month
        place = zone(self._plan, self._settings)
        shown = self.clock(ask)
        counted = any(archive.names for archive in archives)
        if counted and near_midnight(shown):
            raise Busy("the meter's day is about to change or has just begun: its archive counts from there")
        with self._refused.of({archive.row.name for archive in archives}) as leave:
            rows = frozen(kind, archives, shown.date(), place, (since, until), self._reader(ask), leave)
            if counted:
                rows = iter(list(rows))
                if self.clock(ask).date() != shown.date():
                    raise Busy("the meter's day has changed while its archive was read")
            for row in rows:
                if kept := self._of_tariffs(row.values):
                    yield replace(self._reading(kind, kept, row.missing), at=row.at)

    def event(self, ask: Ask, since: datetime, until: datetime) -> Iterator[Reading]:
        """The journals' entries, oldest first; a journal that the meter does not have is left out."""
        place = zone(self._plan, self._settings)
        with self._refused.of({journal.name for journal in self.table.event}) as leave:
            span, read = (since, until), self._reader(ask)
            yield from events(self.table.event, place, span, read, leave, self._events, self._rings)

    def set_clock(self, ask: Ask, wanted: datetime) -> None:
        """Correct the clock to ``wanted``, aware or the meter's own wall time; fractions of a second are dropped.

        The password is sent for it. ValueError, and nothing sent, where the meter's limit is exceeded or the clock is
        within a minute of a quarter of an hour: corrected there, an interval or a day would move."""
        correction = self.table.set_clock
        if correction is None:
            raise Refused("no command that corrects this meter's clock is known")
        if wanted.tzinfo is not None:
            wanted = wanted.astimezone(zone(self._plan, self._settings)).replace(tzinfo=None)
        wanted, shown = wanted.replace(microsecond=0), self.clock(ask)
        seconds = (wanted - shown) // timedelta(seconds=1)
        if abs(seconds) > correction.limit:
            raise ValueError(
                f"the meter shows {shown}, {wanted} is wanted: {correction.limit} s at most can be corrected"
            )
        for moment in (wanted, shown):
            if not 60 <= moment.minute % 15 * 60 + moment.second <= 14 * 60:
                raise ValueError(f"{moment} is within a minute of a quarter of an hour: corrected now, one could move")
        if seconds:
            if not self._logged_in:
                self._log_in(ask)
            ask(Put(correction.name, f"{seconds:+03d}"))

    def exchanges(self, kind: Topic) -> tuple[Exchange, ...]:
        """What a poll puts on the wire. Octets that pass at another speed than the line's are counted as time."""
        return exchanges(self.table, self._plan, self._settings, kind, login=self._login)

    # Parameters

    def _block(self, ask: Ask, name: str, arguments: str = "") -> Block:
        return self._readout(ask) if self.table.way == "readout" else _asked(ask, Get(name, arguments))

    def _readout(self, ask: Ask) -> Block:
        """The telegram of this dialogue: taken once, all kinds find their values in it."""
        if self._telegram is None:
            telegram: Telegram = ask(Readout(self.table.readout))
            self._identification, self._telegram = telegram.identification, telegram.block
        return self._telegram

    def _rows(self, ask: Ask, kind: Kind, rows: Sequence[Row]) -> Reading:
        values: dict[str, Number] = {}
        missing = False
        texts = self._group(ask, rows) if self.table.way == "direct" else None
        for row in rows:
            row_values = texts.get(row.name) if texts is not None else self._single(ask, row)
            had = {} if row_values is None else registers(row, row_values)
            due = {register for register in row.registers if register}
            missing |= not due <= had.keys() and not (row.optional and not had)
            values |= had
        return self._reading(kind, values, missing)

    def _single(self, ask: Ask, row: Row) -> tuple[Value, ...] | None:
        """The values of a row, None where the meter refuses it or did so within the last polls."""
        if self._refused.spares(row.name):
            return None
        try:
            block = self._block(ask, row.name, row.arguments)
        except Refused:
            self._refused.add(row.name)
            return None
        return block.values(row.name) or None

    def _reader(self, ask: Ask) -> Callable[[str, str], tuple[Value, ...]]:
        return lambda name, arguments: self._block(ask, name, arguments).values(name)

    def _group(self, ask: Ask, rows: Sequence[Row]) -> Mapping[str, tuple[Value, ...]]:
        """All rows in one question; the serial number goes with it and proves whose values they are."""
        names = (self.table.serial, *(row.name for row in rows))
        arguments = f"{self.table.serial}(1)" + "".join(f"{row.name}({row.arguments})" for row in rows)
        block = _asked(ask, Direct("GROUP", arguments, names))
        if block.text(self.table.serial) != self._serial:
            raise BadFrame(f"meter {block.text(self.table.serial)} answers in place of {self._serial}")
        return {row.name: block.values(row.name) for row in rows}

    def _reading(self, kind: Kind, values: dict[str, Number], missing: bool) -> Reading:
        tariffs = self._plan.tariffs
        if kind == "now":
            values = self._of_tariffs(values)
        if not values:
            raise Refused(f"the meter gives nothing of {kind!r}")
        missing |= self._brought.lacks(kind, values)
        if kind != "network":
            missing |= not {f"1-0:1.8.{name[1:]}" for name in tariffs or ()} <= values.keys()
        return Reading(kind, values, ("partial",) if missing else ())

    def _of_tariffs(self, values: dict[str, Number]) -> dict[str, Number]:
        """The total and the tariffs that the configuration names; all where it names none."""
        if self._plan.tariffs is None:
            return values
        wanted = {"0", *(name[1:] for name in self._plan.tariffs)}
        return {register: number for register, number in values.items() if register[-1] in wanted}


def _asked(ask: Ask, question: Get | Direct) -> Block:
    block: Block = ask(question)
    return block


def capabilities(table: Table) -> frozenset[str]:
    """What a model's table lets it do."""
    has = {"identify", "now"}
    if table.network or table.obis:
        has.add("network")
    if table.clock or table.obis:
        has.add("clock")
    has |= {kind for kind in ("interval", "day", "month", "event") if getattr(table, kind)}
    if table.set_clock:
        has.add("set_clock")
    return frozenset(has)


def _explain() -> Explain:
    from protocols.iec62056.explain import explain

    return explain


def families(models_dir: Path | None = None) -> tuple[Family, ...]:
    """One family a table, by name; ConfigError with the faults of all files together."""
    return tuple(_family(table) for table in tables(models_dir))


def _family(table: Table) -> Family:
    def build(plan: MeterPlan) -> Driver:
        return IecMeter(plan, table)

    return Family(
        name=table.models[0],
        models=table.models,
        capabilities=capabilities(table),
        settings=SETTINGS,
        protocol="iec",
        line=table.line,
        address=address,
        password=password if table.way == "session" else None,
        default_password=table.password,
        build=build,
        help=table.title,
        language=Language("iec", _explain),
        scan=ScanProfile("", opened=True, settings={"login": "never"}, speeds=(300,)),  # optical ports begin slowly
        universal=-1,  # ``/?!``
    )

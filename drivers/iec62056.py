"""Meters that speak IEC 62056-21: one engine, the models are TOML tables (drivers/models/iec).

Three ways: ``session`` reads single parameters in programming mode (Energomera, Neva), ``readout`` takes what one
telegram holds (any meter that answers a data readout), ``direct`` asks for a group without a session (CE301, CE303).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from drivers import iec62056_obis as obis
from drivers.iec62056_settings import SETTINGS, address, password
from drivers.iec62056_table import Row, Table, clock_reader, tables
from drivers.iec62056_time import exchanges
from drivers.reading import Ask, Exchange, Family, Identity, MeterPlan, Number, Reading
from protocols.errors import BadFrame, NoReply, Refused
from protocols.iec62056.block import Block, Value
from protocols.iec62056.frames import Identification
from protocols.iec62056.questions import Break, Direct, Get, Opened, Password, Program, Readout, Telegram, WakeUp
from protocols.iec62056.session import Session
from protocols.session import Line

PAUSE_OF_REFUSED = 100  # polls until a refused parameter is asked again


class IecMeter:
    """One meter. ``now`` brings Wh and varh, ``network`` V, A, W, Hz and power factors, exact as the meter sends them.

    A parameter that the meter refuses is left out and asked again after 100 polls; the flag ``partial`` says so
    unless the table calls it optional and it was never there. An empty value is absent, a readout's register without
    a known unit too. All values of one parameter come in one answer or the answer is a BadFrame.
    """

    def __init__(self, plan: MeterPlan, table: Table) -> None:
        settings = {setting.name: setting.default for setting in SETTINGS} | dict(plan.settings)
        self.table = table
        self.resolution: Number = obis.plain(table.resolution)
        self.mismatch = table.mismatch
        self.capabilities = capabilities(table)
        self._plan = plan
        self._settings = settings
        self._login = settings["login"] == "always" or (settings["login"] == "auto" and table.login)
        self._password = plan.password if plan.password is not None else (table.password or "").encode("ascii")
        self._check = table.check if settings["check"] == "model" else settings["check"]
        self._open = False  # a session may be open in the meter
        self._session: Session
        self._identification: Identification | None = None
        self._serial: str | None = None
        self._telegram: Block | None = None  # of this dialogue
        self._refused: dict[str, int] = {}  # parameter → polls for which it is left alone
        self._brought: dict[str, set[str]] = {}  # kind → registers that this meter has brought

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
            raise
        self._open, self._identification = True, opened.identification
        if self._login:
            ask(Password(self._password))

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
        self._serial = serial
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
            self.resolution = found.step
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
        read = clock_reader(self.table.clock.pattern)
        texts = self._clock_texts(ask, self.table.clock.names)
        numbers = read(texts)
        if numbers is not None and numbers["hour"] == numbers["minute"] == 0 and len(self.table.clock.names) > 1:
            numbers = read(self._clock_texts(ask, self.table.clock.names))  # midnight may lie between date and time
        try:
            if numbers is None:
                raise ValueError("no date")
            date = (2000 + numbers["year"], numbers["month"], numbers["day"])
            return datetime(*date, numbers["hour"], numbers["minute"], numbers["second"])
        except ValueError:
            raise BadFrame(f"no clock: {texts[:40]!r}") from None

    def _clock_texts(self, ask: Ask, names: Sequence[str]) -> str:
        blocks = (self._block(ask, name) for name in names)
        return " ".join(block.text(name) or "" for name, block in zip(names, blocks, strict=True))

    def exchanges(self, kind: str) -> tuple[Exchange, ...]:
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

    def _rows(self, ask: Ask, kind: str, rows: Sequence[Row]) -> Reading:
        values: dict[str, Number] = {}
        missing = False
        texts = self._group(ask, rows) if self.table.way == "direct" else None
        for row in rows:
            row_values = texts.get(row.name) if texts is not None else self._single(ask, row)
            had = {} if row_values is None else _registers(row, row_values)
            due = {register for register in row.registers if register}
            missing |= not due <= had.keys() and not (row.optional and not had)
            values |= had
        return self._reading(kind, values, missing)

    def _single(self, ask: Ask, row: Row) -> tuple[Value, ...] | None:
        """The values of a row, None where the meter refuses it or did so within the last polls."""
        if polls := self._refused.get(row.name, 0):
            self._refused[row.name] = polls - 1
            return None
        try:
            block = self._block(ask, row.name, row.arguments)
        except Refused:
            self._refused[row.name] = PAUSE_OF_REFUSED
            return None
        return block.values(row.name) or None

    def _group(self, ask: Ask, rows: Sequence[Row]) -> Mapping[str, tuple[Value, ...]]:
        """All rows in one question; the serial number goes with it and proves whose values they are."""
        names = (self.table.serial, *(row.name for row in rows))
        arguments = f"{self.table.serial}(1)" + "".join(f"{row.name}({row.arguments})" for row in rows)
        block = _asked(ask, Direct("GROUP", arguments, names))
        if block.text(self.table.serial) != self._serial:
            raise BadFrame(f"meter {block.text(self.table.serial)} answers in place of {self._serial}")
        return {row.name: block.values(row.name) for row in rows}

    def _reading(self, kind: str, values: dict[str, Number], missing: bool) -> Reading:
        tariffs = self._plan.tariffs
        if kind == "now" and tariffs is not None:
            wanted = {"0", *(name[1:] for name in tariffs)}
            values = {register: number for register, number in values.items() if register[-1] in wanted}
        if not values:
            raise Refused(f"the meter gives nothing of {kind!r}")
        brought = self._brought.setdefault(kind, set())
        missing |= not brought <= values.keys()
        if kind == "now":
            missing |= not {f"1-0:1.8.{name[1:]}" for name in tariffs or ()} <= values.keys()
        brought |= values.keys()
        return Reading(kind, values, ("partial",) if missing else ())


def _asked(ask: Ask, question: Get | Direct) -> Block:
    block: Block = ask(question)
    return block


def _registers(row: Row, values: Sequence[Value]) -> dict[str, Number]:
    """Register → exact number; what is empty, an error or no number is left out. BadFrame where values are too few
    or too many: a position must not be guessed."""
    texts = [value.text for value in values]
    if texts and row.prefix:
        texts[0] = re.sub(f"^(?:{row.prefix})", "", texts[0], count=1)
    if row.split and len(texts) == 1:
        texts = texts[0].split(row.split)
    if len(texts) != len(row.registers) and not (row.more and len(texts) > len(row.registers)):
        raise BadFrame(f"{row.name}: {len(texts)} values came, {len(row.registers)} are due: {', '.join(texts)[:80]}")
    found: dict[str, Number] = {}
    for register, text in zip(row.registers, texts, strict=False):
        number = Value(text.strip()).number if register else None
        if number is None or (number < 0 and ".8." in register):
            continue
        found[register] = obis.plain(_without_sign_digit(number, row.modulo) * row.factor)
    return found


def _without_sign_digit(number: Decimal, modulo: int | None) -> Decimal:
    return number % modulo if modulo else number


def capabilities(table: Table) -> frozenset[str]:
    """What a model's table lets it do."""
    has = {"identify", "now"}
    if table.network or table.obis:
        has.add("network")
    if table.clock or table.obis:
        has.add("clock")
    return frozenset(has)


def families(models_dir: Path | None = None) -> tuple[Family, ...]:
    """One family a table, by name; TableError where an installer's file is wrong."""
    return tuple(_family(table) for table in tables(models_dir))


def _family(table: Table) -> Family:
    build: Callable[[MeterPlan], Any] = lambda plan: IecMeter(plan, table)  # noqa: E731
    return Family(
        name=table.name,
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
    )

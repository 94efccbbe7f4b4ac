"""Modbus meters: one driver, its models are data (``models/modbus/*.toml`` and an installer's ``models_dir``)."""

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

from drivers.family import Explain, Family, Language, ScanProfile, Setting
from drivers.files.faults import ConfigError, Fault
from drivers.learned import Refusals
from drivers.modbus.blocks import Block, blocks
from drivers.modbus.model import Cell, Check, Model, Row
from drivers.modbus.model_file import SHIPPED, load
from drivers.model_file import in_force
from drivers.reading import (
    Ask,
    Driver,
    Exchange,
    Identity,
    Kind,
    MeterPlan,
    Number,
    Reading,
    ReadsNetwork,
    Topic,
    Traits,
)
from protocols.errors import Refused
from protocols.modbus.questions import ReadDeviceIdentification, ReadHolding, ReadInput
from protocols.modbus.session import Session, silence

KINDS: tuple[Kind, ...] = ("now", "network")
PAUSE_OF_REFUSED = 23  # polls of its kind for which a refused register is left alone
REACTION = 0.02  # s, for the budget: makers state 5 to 60 ms (JUMO Logoscreen nt manual, p. 16)
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
NO_NUMBER = ("", "0", str(0xFFFFFFFF))  # what stands where no number was ever written
NEVER = 3  # refusals after which a register counts as one that this meter does not have


class ModbusMeter(ReadsNetwork):
    """One meter of a model.

    What the meter refuses is remembered for the life of this object, counted in polls: a hole is not read over again,
    a length that was too long is not asked again, a refused register is asked again every 24th poll of its kind.
    A record lacks what the meter refuses or marks as absent and then has the flag ``partial``, unless only registers
    are missing that some variants of the model do not have (``optional``).
    """

    def __init__(self, plan: MeterPlan, model: Model) -> None:
        settings = plan.settings
        self._unit = address(plan.address)
        self._model, self._line = model, plan.line
        self._framing = settings.get("framing", "rtu")
        self._unverified = settings.get("unverified", False)
        self._low_first = settings.get("word_order", "low" if model.low_first else "high") == "low"
        self._holes = model.holes
        self._max_read = min(settings.get("max_read") or model.max_read, model.max_read)
        self._turnover = float(settings.get("unit_pause", model.unit_pause))
        self._name = plan.model
        self._rows = {kind: self._wanted(kind, plan.tariffs) for kind in KINDS}
        self._refused = Refusals(PAUSE_OF_REFUSED)  # rows
        self._plans: dict[tuple[Row, ...], tuple[Block, ...]] = {}
        timeout = plan.timeout
        if timeout is None and model.timeout is not None:
            timeout = float(model.timeout)
        self._session = Session(self._unit, self._line, self._framing, timeout, turnover=self._turnover)
        self._session.prove_by(self._proof())
        self.traits = Traits(model.resolution, identified=self._serial() is not None)
        self.capabilities = _capabilities(kind for kind in KINDS if self._rows[kind])

    def session(self) -> Session:
        """Always the same: Modbus has no log-in, and the numbers of a TCP connection must go on."""
        return self._session

    def open(self, ask: Ask) -> None:
        """Nothing goes on the wire; the first question owes the silence that this model wants between units."""
        self._session.turn()

    def close(self, ask: Ask) -> None:
        """Nothing to say."""

    def identify(self, ask: Ask) -> Identity:
        """The serial number where the model has it. Refused if another model answers: nothing is to be stored then."""
        check = self._check()
        if check is not None:
            found = check.cell.text(ask(check.cell.question()), self._low_first)
            if not check.allows(found):
                raise Refused(
                    f"another model answers for unit {self._unit}: it calls itself {found!r}, not {self._name}"
                )
        serial = self._serial()
        if serial is None or self._refused.spares(serial):
            return Identity(None, self._name)
        try:
            text = serial.text(ask(serial.question()), self._low_first)
        except Refused as refusal:
            if refusal.code not in (ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE):
                raise
            self._refused.add(serial)  # this variant has no such register
            return Identity(None, self._name)
        return Identity(None if text in NO_NUMBER else text, self._name)

    def now(self, ask: Ask) -> Reading:
        """The energy registers, Wh and varh."""
        return self._poll("now", ask)

    def network(self, ask: Ask) -> Reading:
        """Voltage, current, power, power factor, frequency."""
        return self._poll("network", ask)

    def exchanges(self, kind: Topic) -> tuple[Exchange, ...]:
        """What one poll puts on the wire, identification included, when the meter refuses nothing."""
        rows = self._rows[kind] if kind == "now" or kind == "network" else ()
        counts = [block.count for block in self._blocks(rows)]
        check, serial = self._check(), self._serial()
        if serial is not None:
            counts.insert(0, serial.count)
        if check is not None:
            counts.insert(0, check.cell.count)
        tcp = self._framing == "tcp"
        quiet = REACTION + (0.0 if tcp else silence(self._line))
        frames = (12, 9) if tcp else (8, 5)
        first = max(0.0, self._turnover - silence(self._line))
        return tuple(
            Exchange(frames[0], frames[1] + 2 * count, quiet + (0.0 if number else first))
            for number, count in enumerate(counts)
        )

    def _trusted(self, status: str) -> bool:
        return self._unverified or status != "unverified"

    def _wanted(self, kind: Kind, tariffs: tuple[str, ...] | None) -> tuple[Row, ...]:
        return tuple(
            row
            for row in self._model.rows
            if row.kind == kind
            and self._trusted(row.status)
            and (row.tariff is None or tariffs is None or row.tariff in tariffs)
        )

    def _check(self) -> Check | None:
        check = self._model.check
        return check if check is not None and self._trusted(check.cell.status) else None

    def _serial(self) -> Cell | None:
        serial = self._model.serial
        return serial if serial is not None and self._trusted(serial.status) else None

    def _blocks(self, rows: tuple[Row, ...]) -> tuple[Block, ...]:
        if rows not in self._plans:
            self._plans[rows] = blocks(rows, self._max_read, self._holes)
        return self._plans[rows]

    def _poll(self, kind: Kind, ask: Ask) -> Reading:
        wanted = self._rows[kind]
        rows = tuple(row for row in wanted if not self._refused.spares(row))
        values: dict[str, Number] = {}
        plan = self._blocks(rows or wanted)
        for block in plan:
            self._read(block, ask, values)
        if not values:
            raise Refused(f"unit {self._unit} has none of the {kind} registers of {self._name}")
        self._agree(plan, ask, values)
        missing = any(
            row.obis not in values and not row.optional and self._refused.count(row) < NEVER for row in wanted
        )
        return Reading(kind, values, ("partial",) if missing else ())

    def _read(self, block: Block, ask: Ask, values: dict[str, Number]) -> None:
        """The block's values; what is refused is asked in parts, which is another question, until it is known what
        the meter means: the hole, the length or a register."""
        try:
            octets = ask(block.question())
        except Refused as refusal:
            parts = self._parts(block, refusal)
            for part in parts:
                self._read(part, ask, values)
            if parts and not block.hole and not any(row in self._refused for row in block.rows):
                # Each part was answered, the whole was not: it was too long.
                self._max_read = min(self._max_read, max(part.count for part in parts))
            return
        for row in block.rows:
            self._refused.answered(row)
            number = row.value(block.part(row, octets), self._low_first)
            if number is not None:
                values[row.obis] = number

    def _parts(self, block: Block, refusal: Refused) -> tuple[Block, ...]:
        """What is asked instead of a refused block; nothing where it is certain what is refused."""
        if len(block.rows) == 1 or refusal.code not in (ILLEGAL_ADDRESS, ILLEGAL_VALUE):
            for row in block.rows:
                self._refused.add(row)
            return ()
        self._plans.clear()
        if block.hole:
            self._holes = 0
            return blocks(block.rows, self._max_read, 0)
        middle = len(block.rows) // 2
        return Block(block.rows[:middle]), Block(block.rows[middle:])

    def _agree(self, plan: tuple[Block, ...], ask: Ask, values: dict[str, Number]) -> None:
        """Where A+ and its tariffs do not fit in one request the counter may move in between: if they disagree, the
        total is read once more, behind the tariffs."""
        together = [[row for row in block.rows if row.group == "1" and row.obis in values] for block in plan]
        rows = [row for some in together for row in some]
        total = [row for row in rows if row.tariff is None]
        if not total or len(rows) == 1 or any(len(some) == len(rows) for some in together):
            return
        tariffs = sum(Decimal(values[row.obis]) for row in rows if row.tariff)
        if abs(tariffs - Decimal(values[total[0].obis])) > len(rows) * self.traits.resolution:
            self._read(Block((total[0],)), ask, values)

    def _proof(self) -> ReadHolding | ReadInput | ReadDeviceIdentification:
        """A question whose answer is as long as no other that this meter is asked.

        The serial number if its length is its own, else the beginning of a block, else the device identification,
        whose function code is its own even where the meter refuses it.
        """
        every = [block for kind in KINDS for block in self._blocks(self._rows[kind])]
        lengths = {block.count for block in every} | {row.count for block in every for row in block.rows}
        serial, check = self._serial(), self._check()
        if check is not None:
            lengths.add(check.cell.count)
        if serial is not None:
            if serial.count not in lengths:
                return serial.question()
            lengths.add(serial.count)
        for block in every:
            for number, row in enumerate(block.rows):
                head = Block(block.rows[: number + 1])
                if not head.hole and head.count not in lengths and row is not block.rows[-1]:
                    return head.question()
        return ReadDeviceIdentification()


def address(text: str) -> int:
    """The unit number, 1 to 247; ValueError with words."""
    if not text.strip().isdecimal() or not 1 <= int(text) <= 247:
        raise ValueError(f"found {text!r}, expected a Modbus unit from 1 to 247")
    return int(text)


def _explain() -> Explain:
    from protocols.modbus.explain import explain

    return explain


def families(models_dir: Path | None = None) -> tuple[Family, ...]:
    """One Family a model file, by name; ConfigError with the faults of all files together."""
    if models_dir is not None and not models_dir.is_dir():
        raise ConfigError([Fault(models_dir, 1, 1, "", "no such folder", "the folder with your model files")])
    return tuple(_family(*one) for one in in_force(models_dir, SHIPPED, load, _names))


def _names(model: Model) -> tuple[str, ...]:
    return model.names


def _family(names: tuple[str, ...], model: Model) -> Family:
    """``names``: those of the model that no other file has taken."""

    def build(plan: MeterPlan) -> Driver:
        return ModbusMeter(plan, model)

    return Family(
        name=names[0],
        models=names,
        capabilities=_capabilities(row.kind for row in model.rows),
        settings=_settings(model),
        protocol="modbus",
        line=model.line,
        address=address,
        password=None,
        default_password=None,
        build=build,
        help=f"{model.maker} {model.title}",
        language=Language("modbus", _explain),
        scan=ScanProfile("1-247"),
        tcp_framing="tcp",
        first_byte=int,
    )


def _capabilities(kinds: Iterable[Kind]) -> frozenset[str]:
    return frozenset({"identify", *kinds})


def _settings(model: Model) -> tuple[Setting, ...]:
    framing = Setting(
        "framing", "choice", "rtu", "rtu on a serial line or behind a converter, tcp for Modbus TCP", ("rtu", "tcp")
    )
    unverified = Setting("unverified", "bool", False, "also read what no maker's paper or working program confirms")
    max_read = Setting(
        "max_read", "int", model.max_read, "most registers in one request; lower it if the meter stays silent", low=1,
        high=model.max_read,
    )  # fmt: skip
    pause = Setting("unit_pause", "duration", model.unit_pause, "silence before this unit is asked after another one")
    order = Setting(
        "word_order", "choice", "low" if model.low_first else "high", "as set in the meter", ("high", "low")
    )
    return (framing, unverified, max_read, pause, *([order] if model.word_order_settable else []))

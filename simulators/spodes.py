"""A simulated SPODES meter: a household's energies, profiles that agree with each other, journals, three clients.

Object list and column order as in a real meter's template (firmware 1.3.30, github.com/youserj/DlmsSPODES-project):
energies are long64-unsigned in mWh, the total stands behind its tariffs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Protocol
from zoneinfo import ZoneInfo

from protocols.dlms import axdr
from protocols.dlms.apdu import obis, obis_text
from protocols.dlms.cosem.objects import Scale
from protocols.dlms.cosem.stamp import Stamp, encode
from protocols.dlms.hdlc import Limits
from protocols.dlms.security import Keys
from simulators.dlms import HdlcMeter
from simulators.dlms_objects import CosemObject, ProfileObject, capture_object, data, register
from simulators.dlms_server import Access, Server
from simulators.slots import EPOCH, Slot, Slots, reached, shifted

LOAD_ROWS, DAY_ROWS, MONTH_ROWS = 8764, 123, 39
DEPTHS = {"load": LOAD_ROWS, "day": DAY_ROWS, "month": MONTH_ROWS}
MILLI = 1000  # registers count in thousandths
WH, VARH, W, VAR, VA, V, A, HZ, NONE = 30, 32, 27, 29, 28, 35, 33, 44, 255
TARIFFS = ("T1", "T2", "T3", "T4")
CLOCK = obis("0.0.1.0.0.255")
PUBLIC, READER, CONFIGURATOR = 16, 32, 48
POWER_ON, TERMINAL_COVER_OPENED = 2, 3  # of the journals 2 and 4, tables Д.3 and Д.5 of the profile
YEARS = 16  # between two verifications


class House(Protocol):
    """What drives the counters: Wh and varh by ``total`` and tariff, W, at any moment (simulators.household)."""

    def energy(self, at: datetime) -> Mapping[str, int]: ...
    def reactive(self, at: datetime) -> Mapping[str, int]: ...
    def power(self, at: datetime) -> int: ...


@dataclass
class Spodes:
    """The meter's state; ``server`` speaks for it (put it into HdlcMeter or WrapperMeter of ``simulators.dlms``).

    ``now``: true time, aware. ``events``: journal number → (moment, the maker's code), shown once their moment has
    come. ``start``: commissioning, before which there is no archive. ``shift``: seconds that the meter's clock is off;
    ``steps``: when it was set (true time), and by how much: SET of the clock adds one. ``off``: spans without supply,
    in which nothing is counted and no row captured. ``load_period``: seconds of an interval; ``depths``: rows that the
    profiles ``load``, ``day`` and ``month`` keep; ``cleared``: when one of them was emptied.
    """

    serial: str
    house: House
    now: Callable[[], datetime]
    start: datetime
    zone: str = "Europe/Moscow"
    password: bytes = b"12345678"
    secret: bytes = b"0" * 16
    keys: Keys | None = None
    configurator: int = 2  # HLS mechanism of client 48: 2 or 5 (GMAC)
    max_pdu: int = 1224
    events: dict[int, list[tuple[datetime, int]]] = field(default_factory=dict)
    shift: float = 0.0
    steps: list[tuple[datetime, timedelta]] = field(default_factory=list)
    off: list[tuple[datetime, datetime]] = field(default_factory=list)
    load_period: int = 1800
    depths: dict[str, int] = field(default_factory=lambda: dict(DEPTHS))
    cleared: dict[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._zone = ZoneInfo(self.zone)
        self._slots: dict[datetime, Slot] = {}  # of the load profile, where clock or supply broke it
        self.server = Server(keys=self.keys, max_pdu=self.max_pdu, seed=int(self.serial))
        few = frozenset({CLOCK, obis("0.0.42.0.0.255"), obis("0.0.96.1.0.255"), obis("0.0.43.1.0.255")})
        self.server.clients = {
            PUBLIC: Access(only=few),
            READER: Access(1, self.password),
            CONFIGURATOR: Access(self.configurator, self.secret, writes=True),
        }
        self.server.add([*self._names(), *self._registers(), *self._profiles()])
        self.server.add([self._journal(number) for number in range(9)])

    def time(self) -> datetime:
        """The meter's clock in UTC, with what it is off."""
        now = self.now().astimezone(UTC)
        return now + timedelta(seconds=self.shift) + shifted(now, self.steps)

    def moment(self, stamp: datetime) -> datetime:
        """The true moment at which the meter's clock came to this, or was set beyond it."""
        return reached(stamp, self.steps, timedelta(seconds=self.shift))

    def stamp(self, at: datetime) -> bytes:
        """A moment as this meter writes it: local time and deviation."""
        local = at.astimezone(self._zone)
        offset = local.utcoffset() or timedelta(0)
        return encode(local.replace(tzinfo=None), -int(offset.total_seconds() // 60), 0, weekday=True)

    def registers(self, at: datetime) -> dict[bytes, int]:
        """Raw values (mWh, mvarh) of all energies at a true moment: the household's without what it drew while the
        meter had no supply."""
        spans = [(begin, min(end, at)) for begin, end in self.off if begin < at]
        found = {}
        for group, source in ((1, self.house.energy), (3, self.house.reactive)):
            total = source(at)
            lost = [(source(begin), source(end)) for begin, end in spans]
            for number, name in enumerate(("total", *TARIFFS)):
                value = total.get(name, 0) - sum(after.get(name, 0) - before.get(name, 0) for before, after in lost)
                found[obis(f"1.0.{group}.8.{number}.255")] = value * MILLI
                found[obis(f"1.0.{group + 1}.8.{number}.255")] = 0
        return {code: found[code] for code in sorted(found)}

    def stamps(self, period: str) -> list[datetime]:
        """Moments by the meter's clock at which rows of ``load``, ``day`` or ``month`` were captured, oldest first,
        each once: where the clock was set back, the later row stands for both."""
        begun = max(self.start, self.cleared.get(period, self.start))
        if period == "load":
            return self._load_stamps(begun)
        local = self.time().astimezone(self._zone).replace(hour=0, minute=0, second=0, microsecond=0)
        found: list[datetime] = []
        if period == "month":
            local = local.replace(day=1)
        while len(found) < self.depths[period] and (moment := self.moment(local.astimezone(UTC))) >= begun:
            if not any(begin < moment <= end for begin, end in self.off):
                found.append(local.astimezone(UTC))
            local = (local - timedelta(days=1)).replace(day=1) if period == "month" else local - timedelta(days=1)
        return found[::-1]

    def _load_stamps(self, begun: datetime) -> list[datetime]:
        step, end = timedelta(seconds=self.load_period), self.time()
        if self.steps or self.off:
            offset, now = timedelta(seconds=self.shift), self.now().astimezone(UTC)
            slots = [slot for slot in Slots(begun, now, step, self.steps, offset) if not slot.off(self.off)]
            self._slots = {slot.stamp: slot for slot in slots}
            return sorted(self._slots)[-self.depths["load"] :]
        self._slots = {}
        last = end - (end - EPOCH) % step
        count = min(self.depths["load"], max(0, (last - timedelta(seconds=self.shift) - begun) // step))
        return [last - step * back for back in range(count - 1, -1, -1)]

    def _names(self) -> list[CosemObject]:
        texts = {
            "0.0.42.0.0.255": f"MPT{self.serial}",
            "0.0.96.1.0.255": self.serial,
            "0.0.96.1.1.255": "SIM-1",
            "0.0.96.1.2.255": "1.0",
            "0.0.96.1.6.255": "3.0",
        }
        named = [data(obis(code), axdr.octets(text.encode())) for code, text in texts.items()]
        ratios = [data(obis(code), axdr.double_long_unsigned(1)) for code in ("1.0.0.4.2.255", "1.0.0.4.3.255")]
        counter = data(
            obis("0.0.43.1.0.255"),
            lambda: axdr.double_long_unsigned(max(self.server.counters.values(), default=0)),
        )
        deviation = -int((self.now().astimezone(self._zone).utcoffset() or timedelta(0)).total_seconds() // 60)
        clock = CosemObject(
            8,
            CLOCK,
            {
                2: lambda: axdr.octets(self.stamp(self.time())),
                3: axdr.long(deviation),
                4: axdr.unsigned(0),
                8: axdr.boolean(False),
            },
            writes={2: self._set_clock},
        )
        relay = CosemObject(70, obis("0.0.96.3.10.255"), {2: axdr.boolean(True), 3: axdr.enum(1), 4: axdr.enum(2)})
        return [*named, *ratios, counter, clock, relay]

    def _set_clock(self, value: bytes) -> None:
        wanted = Stamp.from_bytes(axdr.decode(value)).utc(0)
        if wanted is not None:
            self.steps.append((self.now().astimezone(UTC), wanted - self.time()))

    def _registers(self) -> list[CosemObject]:
        def energy(code: bytes) -> Callable[[], bytes]:
            return lambda: axdr.long64_unsigned(self.registers(self.now().astimezone(UTC))[code])

        found = [register(code, energy(code), -3, WH if code[2] < 3 else VARH) for code in self.registers(self.start)]
        for code, (tag, unit, scaler) in NETWORK.items():
            found.append(register(code, self._network(code, tag), scaler, unit))
        return found

    def _network(self, code: bytes, tag: int) -> Callable[[], bytes]:
        return lambda: axdr.number(tag, network(self.house.power(self.time()))[code])

    def _profiles(self) -> list[CosemObject]:
        order = list(TARIFFS_FIRST)
        loads = [obis(f"1.0.{group}.29.0.255") for group in (1, 2, 3, 4)]
        return [
            self._profile("1.0.99.1.0.255", "load", loads, self._load_row, self.load_period),
            self._profile("1.0.98.2.0.255", "day", order, self._energy_row, 86400),
            self._profile("1.0.98.1.0.255", "month", order, self._energy_row, 0),
            self._present(),
            self._scales("1.0.94.7.1.255", order),
            self._scales("1.0.94.7.2.255", order),
            self._scales("1.0.94.7.3.255", [*NETWORK]),
            self._scales("1.0.94.7.4.255", loads),
        ]

    def _profile(
        self, code: str, period: str, columns: Sequence[bytes], row: Callable[[datetime], bytes], seconds: int
    ) -> ProfileObject:
        objects = [capture_object(8, CLOCK), *(capture_object(3, column) for column in columns)]
        return ProfileObject(
            7,
            obis(code),
            {
                3: axdr.array(objects),
                4: axdr.double_long_unsigned(seconds),
                5: axdr.enum(1),
                8: lambda: axdr.double_long_unsigned(self.depths[period]),
            },
            version=1,
            stamps=lambda: self.stamps(period),
            row=row,
        )

    def _load_row(self, at: datetime) -> bytes:
        slot = self._slots.get(at)
        end = slot.end if slot is not None else at - timedelta(seconds=self.shift)
        begin = slot.begin if slot is not None else end - timedelta(seconds=self.load_period)
        now, before = self.registers(end), self.registers(begin)
        totals = [obis(f"1.0.{group}.8.0.255") for group in (1, 2, 3, 4)]
        used = [axdr.long64_unsigned(now[code] - before[code]) for code in totals]
        return axdr.structure(axdr.octets(self.stamp(at)), *used)

    def _energy_row(self, at: datetime) -> bytes:
        found = self.registers(self.moment(at))
        return axdr.structure(
            axdr.octets(self.stamp(at)), *(axdr.long64_unsigned(found[code]) for code in TARIFFS_FIRST)
        )

    def _present(self) -> ProfileObject:
        def row(at: datetime) -> bytes:
            shown = network(self.house.power(at))
            cells = [axdr.number(NETWORK[code][0], shown[code]) for code in NETWORK]
            return axdr.structure(axdr.octets(self.stamp(at)), *cells)

        objects = [capture_object(8, CLOCK), *(capture_object(3, code) for code in NETWORK)]
        return ProfileObject(
            7,
            obis("1.0.94.7.0.255"),
            {3: axdr.array(objects), 4: axdr.double_long_unsigned(0)},
            stamps=lambda: [self.time()],
            row=row,
        )

    def _scales(self, code: str, columns: Sequence[bytes]) -> ProfileObject:
        def scale(column: bytes) -> bytes:
            _, unit, scaler = NETWORK.get(column, (0, WH if column[2] < 3 else VARH, -3))
            return Scale(scaler, unit).to_bytes()

        objects = [capture_object(3, column, 3) for column in columns]
        return ProfileObject(
            7,
            obis(code),
            {3: axdr.array(objects), 4: axdr.double_long_unsigned(0)},
            stamps=lambda: [self.start],
            row=lambda at: axdr.structure(*(scale(column) for column in columns)),
        )

    def _journal(self, number: int) -> ProfileObject:
        objects = [
            capture_object(8, CLOCK),
            capture_object(1, obis(f"0.0.96.11.{number}.255")),
            capture_object(1, obis("0.0.96.8.0.255")),
        ]
        queue: list[tuple[datetime, int]] = []

        def stamps() -> list[datetime]:
            queue[:] = sorted(event for event in self.events.get(number, ()) if event[0] <= self.time())
            return [at for at, _ in queue]

        def row(at: datetime) -> bytes:
            index = next(index for index, (moment, _) in enumerate(queue) if moment == at)
            code = queue.pop(index)[1]  # two events of one second are two rows
            worked = int((at - self.start).total_seconds())
            return axdr.structure(
                axdr.octets(self.stamp(at)), axdr.unsigned(code), axdr.double_long_unsigned(max(0, worked))
            )

        return ProfileObject(
            7,
            obis(f"0.0.99.98.{number}.255"),
            {3: axdr.array(objects), 4: axdr.double_long_unsigned(0)},
            stamps=stamps,
            row=row,
        )


TARIFFS_FIRST = tuple(obis(f"1.0.{group}.8.{number}.255") for group in (1, 2, 3, 4) for number in (1, 2, 3, 4, 0))
"""Columns of the daily and monthly profile: the total stands behind its tariffs."""

NETWORK: dict[bytes, tuple[int, int, int]] = {
    obis("1.0.11.7.0.255"): (0x05, A, -3),
    obis("1.0.12.7.0.255"): (0x06, V, -3),
    obis("1.0.13.7.0.255"): (0x05, NONE, -3),
    obis("1.0.14.7.0.255"): (0x06, HZ, -3),
    obis("1.0.9.7.0.255"): (0x05, VA, 0),
    obis("1.0.1.7.0.255"): (0x05, W, 0),
    obis("1.0.3.7.0.255"): (0x05, VAR, 0),
}
"""Present values: data type, unit, scaler."""


def network(power: int) -> dict[bytes, int]:
    """Raw present values of a single-phase household that draws ``power`` W at cos φ 0.95 and 230 V."""
    apparent = int(Decimal(power) / Decimal("0.95"))
    shown = (apparent * 1000 // 230, 230_000, 950, 50_000, apparent, power, power * 329 // 1000)
    return dict(zip(NETWORK, shown, strict=True))


def service(start: datetime) -> dict[int, list[tuple[datetime, int]]]:
    """Events of an ordinary life: switched on at ``start``, its terminal cover opened on a visit every quarter year."""
    visits = [start + timedelta(days=30 + 91 * quarter, hours=8) for quarter in range(4 * YEARS)]
    return {2: [(start, POWER_ON)], 4: [(visit, TERMINAL_COVER_OPENED) for visit in visits]}


def plant_meter(
    address: int, serial: str, house: House, start: datetime, zone: str = "Europe/Moscow"
) -> tuple[HdlcMeter, Callable[[datetime], dict[str, int]]]:
    """A meter for a plant at this lower HDLC address, and what moves it to a moment and says what it shows then:
    Wh and varh by OBIS. Between two moves it stands still."""
    moment = [start]
    meter = Spodes(serial, house, lambda: moment[0], start, zone, events=service(start))

    def move(at: datetime) -> dict[str, int]:
        moment[0] = at
        return {obis_text(code): raw // MILLI for code, raw in meter.registers(meter.time()).items()}

    return HdlcMeter(meter.server, address, limits=Limits(1024, 239, 1, 1)), move

"""A Mercury 23x meter with plain attributes. It shares the codec with the driver; recorded dialogues judge both."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from protocols.errors import BadFrame
from protocols.mercury.frames import Clock, Energy, TariffState, encode_registers, seal, unseal
from protocols.mercury.identity import Details, Ratio, Serial
from protocols.mercury.quantities import encode_measured, quantity
from simulators.mercury_archive import Archive, Journal

SESSION = timedelta(seconds=240)  # a session lives so long after the last sound request (§1.5.5)

DONE = b"\x00"
NOT_ALLOWED = b"\x01"
LOW_LEVEL = b"\x03"
ALREADY_CORRECTED = b"\x04"
NOT_OPEN = b"\x05"
NOT_MEASURED = Energy(None, None, None, None)

LENGTHS = {
    0x00: (1,),
    0x01: (8,),
    0x02: (1,),
    0x03: range(2, 17),
    0x04: (2, 3),
    0x05: (3,),
    0x06: (5,),
    0x08: range(2, 6),
    0x16: (5,),
    0x18: (6,),
}
"""Octets of request data by code. A request of another length is not answered at all (§1.5.4.1)."""


@dataclass
class Network:
    """What the meter measures now: W, var, VA (sum, L1 to L3; export negative), V, A, power factor, Hz, degrees."""

    active: tuple[Decimal | None, ...] = (Decimal(0),) * 4
    reactive: tuple[Decimal | None, ...] = (Decimal(0),) * 4
    apparent: tuple[Decimal | None, ...] = (Decimal(0),) * 4
    voltage: tuple[Decimal | None, ...] = (Decimal(230),) * 3
    current: tuple[Decimal | None, ...] = (Decimal(0),) * 3
    factor: tuple[Decimal | None, ...] = (Decimal(1),) * 4
    frequency: Decimal | None = Decimal(50)
    angle: tuple[Decimal | None, ...] = (Decimal(120), Decimal(240), Decimal(120))


@dataclass
class Mercury230:
    """``answer`` is a pure exchange of bytes; ``b""`` is the silence of a real meter that was not meant or not sure.

    ``delay``: seconds from the end of a request to the first octet of its answer; one system time-out at 9600 bit/s
    unless set. ``now`` gives the meter's wall clock (naive), which also ends its sessions. ``archive`` gives days,
    months and the load profile, ``journals`` by their numbers; without them such questions are refused.
    """

    address: int = 1
    serial: str = "00000001"
    now: Callable[[], datetime] = lambda: datetime(2026, 1, 1)
    delay: float = 0.005
    passwords: dict[int, bytes] = field(default_factory=lambda: {1: bytes((1,) * 6), 2: bytes((2,) * 6)})
    registers: dict[int, Energy] = field(default_factory=lambda: {0: Energy(0, 0, 0, 0)})  # 0 total, 1-4, 5 losses
    archives: dict[tuple[int, int], dict[int, Energy]] = field(default_factory=dict)  # (array, month) → rows
    archive: Archive | None = None
    arrays: bool = True  # firmware with the arrays B, C, D of an archive
    by_address: bool = True  # firmware that gives profile records by their memory address
    journals: dict[int, Journal] = field(default_factory=dict)
    phases: tuple[int, int, int] | None = None  # A+ by phase (array 6), None: not accounted
    network: Network = field(default_factory=Network)
    made: date = date(2020, 1, 1)
    firmware: tuple[int, int, int] = (9, 0, 0)
    variant: bytes = bytes.fromhex("B4 E3 C2 97 DF 58 0C 00")
    voltage_ratio: int = 1
    current_ratio: int = 1
    status: bytes = bytes(6)
    tariff: int = 1
    group_read: bool = True  # firmware that gives all tariffs in one answer
    season: int = 1
    level: int = 0  # of the open session, 0: none
    deadline: datetime | None = None
    corrected: date | None = None  # the day of the last clock correction
    correction: timedelta = timedelta()  # what corrections have moved the clock by

    def answer(self, request: bytes) -> bytes:
        """The answer's octets, or ``b""``."""
        if not request or request[0] not in (0, self.address):
            return b""
        try:
            data = unseal(request[0], request)
        except BadFrame:
            return b""
        code = data[0]
        if len(data) not in LENGTHS.get(code, range(1, 256)) or (request[0] == 0 and code == 0x03):
            return b""
        if self.deadline is not None and self.now() > self.deadline:
            self.level = 0
        payload = self._payload(data)
        self.deadline = self.now() + SESSION
        return seal(request[0], payload)

    def _payload(self, data: bytes) -> bytes:
        match data[0]:
            case 0x00:
                return DONE
            case 0x01:
                return self._open(data[1], data[2:])
            case 0x02:
                self.level = 0
                return DONE
            case 0x08 if data[1:] == b"\x00":
                return Serial(self.serial, self.made).to_bytes()
            case _ if not self.level:
                return NOT_OPEN
            case 0x03 if data[1] == 0x0D and len(data) == 5:
                return self._correct(data[2:])
            case 0x04 if data[1:] == b"\x00":
                return self._clock()
            case 0x04 if data[1] in self.journals and len(data) == 3:
                return self.journals[data[1]].entry(data[2]) or NOT_ALLOWED
            case 0x05:
                return self._energy(data[1] >> 4, data[1] & 0x0F, data[2])
            case 0x08:
                return self._parameter(data[1], data[2:])
            case 0x06 | 0x16 | 0x18 if self.archive is not None:
                return self._archived(self.archive, data)
            case _:
                return NOT_ALLOWED

    def _archived(self, archive: Archive, data: bytes) -> bytes:
        """Profile records by address or by distance, registers of a date. A wrong count of octets sets E-07."""
        match data[0], data[1]:
            case 0x06, 0x03 | 0x83 if self.by_address:
                place, rest = divmod((data[1] >> 7) << 16 | int.from_bytes(data[2:4], "big"), 16)
                count = {0x0F: 1, 0xFF: 17 if archive.long_answers else 0}.get(data[4], 0)
                if not count:
                    self.status = self.status[:4] + bytes((self.status[4] | 0x40,)) + self.status[5:]
                if rest or not count or place + count > archive.places:
                    return NOT_ALLOWED
                return b"".join(archive.record(place + number) for number in range(count))
            case 0x16, 0x03 if data[4] == 1:
                return archive.back(int.from_bytes(data[2:4], "big"))
            case 0x18, 0x00 | 0x01 if self.variant[5] & 0x40:
                try:
                    day, month, year = (int(f"{octet:02x}") for octet in data[2:5])
                    rows = archive.snapshot(date(2000 + year, month, day), month=data[1] == 1)
                except ValueError:
                    return NOT_ALLOWED
                return rows[data[5]].to_bytes() if rows and data[5] in rows else NOT_ALLOWED
            case _:
                return NOT_ALLOWED

    def _open(self, level: int, password: bytes) -> bytes:
        if self.passwords.get(level) != password:
            self.level = 0
            return LOW_LEVEL
        self.level = level
        return DONE

    def _energy(self, array: int, month: int, row: int) -> bytes:
        rows: Mapping[int, Energy] = self.archives.get((array, month), {}) if array or month else self.registers
        if self.archive is not None and array >= 0xB and self.arrays and (array == 0xB) == (1 <= month <= 12):
            rows = self.archive.array(array, month) or {}
        if array == 6 and row == 0 and self.phases is not None:
            return encode_registers(self.phases)
        if row == 6 and self.group_read and rows:
            order = [1, 2, 3, 4, 0] + [5] * (5 in rows)
            return b"".join(rows.get(tariff, NOT_MEASURED).to_bytes() for tariff in order)
        return rows[row].to_bytes() if row in rows else NOT_ALLOWED

    def _parameter(self, number: int, more: bytes) -> bytes:
        variant = self.variant.ljust(8, b"\x00")
        firmware = ".".join(map(str, self.firmware))
        match number, more:
            case 0x01, b"":
                return Details(self.serial, self.made, firmware, variant[:6]).to_bytes()
            case 0x01, b"\x00":
                return Details(self.serial, self.made, firmware, variant).to_bytes()
            case 0x02, b"":
                return Ratio(self.voltage_ratio, self.current_ratio).to_bytes()
            case 0x03, b"":
                return bytes(self.firmware)
            case 0x05, b"":
                return bytes((0, self.address))
            case 0x0A, b"":
                return self.status
            case 0x12, b"":
                return variant[:6]
            case 0x13, b"" if self.archive is not None:
                place, record = self.archive.last()
                field = place if self.firmware >= (7, 1, 0) else place * 16
                return field.to_bytes(2, "big") + record[:7]
            case 0x17, b"":
                return TariffState(self.tariff, single=False).to_bytes()
            case 0x11 | 0x16, _ if len(more) == 1:
                return self._measured(more[0], group=number == 0x16)
            case _:
                return NOT_ALLOWED

    def _measured(self, parameter: int, group: bool) -> bytes:
        n = self.network
        tables: dict[int, tuple[Decimal | None, ...]] = {  # BWRI of the first value
            0x00: n.active,
            0x04: n.reactive,
            0x08: n.apparent,
            0x11: n.voltage,
            0x21: n.current,
            0x30: n.factor,
            0x40: (n.frequency,),
            0x51: n.angle,
        }
        for first, values in tables.items():
            if group and parameter == first:
                return b"".join(self._value(first, index, value) for index, value in enumerate(values))
            if not group and first <= parameter < first + len(values):
                return self._value(first, parameter - first, values[parameter - first])
        return NOT_ALLOWED

    def _value(self, first: int, index: int, value: Decimal | None) -> bytes:
        """Bits 7 and 6 of the senior octet are the directions of the active and the reactive power of that phase; power
        and power factor carry both."""
        data = encode_measured(quantity(first), (None if value is None else abs(value),))
        if value is None or first not in (0x00, 0x04, 0x08, 0x30):
            return data
        active, reactive = self.network.active[index], self.network.reactive[index]
        back = 0x80 * (active is not None and active < 0) | 0x40 * (reactive is not None and reactive < 0)
        return bytes((data[0] | back,)) + data[1:]

    def _clock(self) -> bytes:
        return Clock(self.now() + self.correction, winter=self.season == 1).to_bytes()

    def _correct(self, wanted: bytes) -> bytes:
        """Within 4 minutes, once a calendar day. The real one moves gradually, this one at once."""
        shown = self.now() + self.correction
        if self.corrected == shown.date():
            return ALREADY_CORRECTED
        try:
            second, minute, hour = (int(f"{octet:02x}") for octet in wanted)
            to = shown.replace(hour=hour, minute=minute, second=second, microsecond=0)
        except ValueError:
            return NOT_ALLOWED
        if abs(to - shown) > timedelta(minutes=4):
            return NOT_ALLOWED
        self.corrected = shown.date()
        self.correction += to - shown
        return DONE

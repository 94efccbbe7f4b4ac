"""Meters that only talk: DSMR P1, the German D0 push (both text) and SML. One telegram brings all that they say."""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from drivers.family import Explain, Family, Language, Setting
from drivers.iec62056 import obis
from drivers.reading import (
    Ask,
    Driver,
    Exchange,
    HasClock,
    Identity,
    Kind,
    MeterPlan,
    Number,
    Reading,
    ReadsNetwork,
    Topic,
    Traits,
)
from drivers.sml_direction import directed
from protocols.errors import Refused
from protocols.iec62056.block import Block, DataSet, Value
from protocols.iec62056.push import Listen, Pushed, PushSession, TextCut
from protocols.session import Line, Session
from protocols.sml import messages, transport
from protocols.texts import meter_text

PARITY = Setting(
    "parity",
    "choice",
    "auto",
    "auto: by the line's format; software: 7E1 seen through a port of eight bits",
    choices=("auto", "hardware", "software", "none"),
)
INTERVAL = Setting("interval", "int", 10, "seconds between two telegrams", low=1, high=300)
CHECK = Setting(
    "check",
    "choice",
    "crc",
    "crc: telegrams must carry the CRC of DSMR 4 and later; none: those without one are taken",
    choices=("crc", "none"),
)
UNCHECKED = Setting("check", "choice", "none", CHECK.help, choices=CHECK.choices)
SML_CHECK = Setting(
    "check",
    "choice",
    "crc",
    "crc: the check sum of the standard; kermit: that of the first Holley DTZ541; none: any is taken",
    choices=("crc", "kermit", "none"),
)
SERIALS = ("96.1.1", "96.1.0", "0.0.0", "96.1.255", "42.0.0")
"""Where a text telegram tells the meter's number, the first that is there: DSMR, EasyMeter, Luxembourg's Smarty."""
SML_SERIALS = ("96.1.0", "0.0.9", "0.0.0", "96.1.255")
"""The same in SML; a meter of none of these is known by the server id of its list."""
SERIAL_CODE = Setting(
    "serial_code", "text", "", 'the code that holds the serial number, e.g. "96.1.1"; "": the usual ones'
)
TEXT = (INTERVAL, PARITY, SERIAL_CODE)
TELEGRAM = 1000  # octets, for the bus budget


class PushMeter(ReadsNetwork):
    """One meter, alone on its line. ``block`` of a telegram is what is read; all kinds find their values in it."""

    capabilities = frozenset({"identify", "now", "network"})
    traits = Traits()  # the resolution, that of the coarsest register, is known after a telegram

    def __init__(self, plan: MeterPlan, settings: tuple[Setting, ...]) -> None:
        self._plan = plan
        self._settings: dict[str, Any] = {one.name: one.default for one in settings} | dict(plan.settings)
        self._telegram: tuple[str, Block] | None = None

    @abstractmethod
    def session(self) -> Session: ...

    @abstractmethod
    def _listen(self, ask: Ask) -> tuple[str, Block]:
        """Model and data sets of this dialogue's telegram."""

    def _taken(self, ask: Ask) -> tuple[str, Block]:
        if self._telegram is None:
            self._telegram = self._listen(ask)
        return self._telegram

    def open(self, ask: Ask) -> None:
        """Nothing is asked; the telegram of the dialogue before is forgotten."""
        self._telegram = None

    def close(self, ask: Ask) -> None:
        self._telegram = None

    def identify(self, ask: Ask) -> Identity:
        model, block = self._taken(ask)
        return Identity(_plain_text(obis.first_text(block, *self._serials(SERIALS))), model or None)

    def _serials(self, usual: tuple[str, ...]) -> tuple[str, ...]:
        """Codes that may hold the serial number, by the setting alone where it is given."""
        code = self._settings["serial_code"]
        return (obis.short(code),) if code else usual

    def now(self, ask: Ask) -> Reading:
        """Cumulative registers, Wh and varh. A total that the meter does not send is missing."""
        found = obis.energies(self._taken(ask)[1].sets)
        self.traits = Traits(found.step)
        values = dict(found.values)
        if self._plan.tariffs is not None:
            wanted = {"0", *(name[1:] for name in self._plan.tariffs)}
            values = {register: number for register, number in values.items() if register[-1] in wanted}
        named = {f"1-0:1.8.{name[1:]}" for name in self._plan.tariffs or ()}
        return _reading("now", values, bool(found.doubtful) or not named <= values.keys())

    def network(self, ask: Ask) -> Reading:
        """Power, voltage and current as far as the telegram has them."""
        found = obis.network(self._taken(ask)[1].sets)
        return _reading("network", found.values, bool(found.doubtful))

    def exchanges(self, kind: Topic) -> tuple[Exchange, ...]:
        """A telegram in full after half the interval, on average one and a half."""
        if kind not in self.capabilities:
            return ()
        return (Exchange(0, TELEGRAM, float(self._settings["interval"])),)


class TextMeter(PushMeter, HasClock):
    """DSMR P1 and D0 push."""

    capabilities = PushMeter.capabilities | {"clock"}

    def session(self) -> Session:
        parity = self._settings["parity"]
        if parity == "auto":
            parity = "hardware" if self._plan.line.format[0] == "7" else "none"
        cut = TextCut(self._settings["check"], parity)
        return PushSession(cut, self._settings["interval"], cut.prepare)

    def _listen(self, ask: Ask) -> tuple[str, Block]:
        pushed: Pushed = ask(Listen())
        return pushed.identification, pushed.block

    def clock(self, ask: Ask) -> datetime:
        """The telegram's time stamp, naive, the meter's own zone; Refused where it has none."""
        stamp = obis.first_text(self._taken(ask)[1], "1.0.0") or ""
        shown = obis.moment(stamp[:6], stamp[6:12]) if len(stamp) >= 12 else None
        if shown is None:
            raise Refused("the telegram holds no clock")
        return shown


class SmlMeter(PushMeter):
    """SML: the signed power, energies and whatever else the meter's parameters let through."""

    _server = b""  # of the telegram's list

    def session(self) -> Session:
        cut = partial(_cut_registers, check=self._settings["check"])
        return PushSession(cut, self._settings["interval"], spoken="sml")

    def _listen(self, ask: Ask) -> tuple[str, Block]:
        answer: messages.Registers = ask(Listen())
        self._server = answer.server
        entries = directed(answer.entries, server_text(answer.server))
        return "", Block(tuple(_data_set(entry) for entry in entries))

    def identify(self, ask: Ask) -> Identity:
        """The server id: as printed on the meter (DIN 43863-5: 1EMH0004321349), else in hexadecimal. It stands under
        one of several codes, and with every list."""
        block = self._taken(ask)[1]
        found = obis.first_text(block, *self._serials(SML_SERIALS))
        if not found and not self._settings["serial_code"] and self._server:
            found = server_text(self._server)
        return Identity(found)


def _cut_registers(buffer: bytearray, check: str) -> messages.Registers | None:
    file = transport.cut(buffer, check)
    return None if file is None else messages.registers(file)


def _data_set(entry: messages.Entry) -> DataSet:
    """An SML entry as a data set, so that codes and units are judged in one place."""
    if entry.octets is not None:
        return DataSet(entry.code, (Value(server_text(entry.octets)),))
    text = "" if entry.number is None else format(entry.number, "f")
    return DataSet(entry.code, (Value(text, entry.unit or ""),))


def server_text(octets: bytes) -> str:
    """``0A 01 45 4D 48 00 00 41 F0 45`` → ``1EMH0004321349`` (DIN 43863-5: medium, maker, block, number); other ids as
    they are where they are letters and digits, else in hexadecimal, capital letters."""
    maker = octets[2:5]
    if len(octets) == 10 and octets[0] in (9, 10) and octets[1] < 10 and maker.isalpha() and maker.isascii():
        number = int.from_bytes(octets[6:], "big")
        if number < 10**8:
            return f"{octets[1]}{maker.decode()}{octets[5]:02X}{number:08d}"
    if octets.isascii() and (text := octets.decode("ascii")).isalnum() and len(text) > 4:
        return text
    return octets.hex().upper()


def _plain_text(text: str | None) -> str | None:
    """P1 codes texts as pairs of hexadecimal digits (DSMR 5.0.2 P1 §6.4: octet strings)."""
    if text and len(text) % 2 == 0 and len(text) >= 16:
        try:
            plain = meter_text(bytes.fromhex(text))
        except ValueError:
            return text
        return plain if plain.isprintable() else text
    return text


def _reading(kind: Kind, values: Mapping[str, Number], missing: bool) -> Reading:
    if not values:
        raise Refused(f"the telegram holds nothing of {kind!r}")
    return Reading(kind, values, ("partial",) if missing else ())


def address(text: str) -> int:
    """A meter that only talks has no address; anything may stand there."""
    return -1


def _sml_words() -> Explain:
    from protocols.sml.explain import explain

    return explain


def _text_words() -> Explain:
    from protocols.iec62056.explain import explain

    return explain


def _family(
    name: str, kind: type[PushMeter], line: Line, settings: tuple[Setting, ...], words: str, models: tuple[str, ...]
) -> Family:
    def build(plan: MeterPlan) -> Driver:
        return kind(plan, settings)

    return Family(
        name=name,
        models=models,
        capabilities=kind.capabilities,
        settings=settings,
        protocol="push",
        line=line,
        address=address,
        password=None,
        default_password=None,
        build=build,
        help=words,
        alone=True,
        language=Language(name, _sml_words if kind is SmlMeter else _text_words),
    )


FAMILIES = (
    _family("p1", TextMeter, Line(115200, "8N1"), (CHECK, *TEXT), "DSMR P1 port", ("p1", "dsmr")),
    _family("d0", TextMeter, Line(9600, "7E1"), (UNCHECKED, *TEXT), "D0 push (EasyMeter)", ("d0",)),
    _family(
        "sml",
        SmlMeter,
        Line(9600, "8N1"),
        (INTERVAL, SML_CHECK, SERIAL_CODE),
        "SML push (German eHZ and mME)",
        ("sml",),
    ),
)

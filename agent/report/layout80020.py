"""Макет 80020: the XML message of a day's half hours, in windows-1251.

The tree: message(class, version, number) / datetime(timestamp, daylightsavingtime, day) / sender(inn, name) /
area(timezone; inn, name) / measuringpoint(code, name) / measuringchannel(code, desc) / period(start, end) /
value(status). Values are whole kWh (kvarh); status 0 is commercial information, 1 is not.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

DESCRIPTIONS = {
    "01": "счетчик, акт. прием",
    "02": "счетчик, акт. отдача",
    "03": "счетчик, реакт. прием",
    "04": "счетчик, реакт. отдача",
}
SLOTS = 48
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")  # XML 1.0, production 2: no Char
KILO = 1000


class LayoutError(ValueError):
    """This message cannot be written; the text says what to change."""


@dataclass(frozen=True, slots=True)
class Party:
    inn: str
    name: str


@dataclass(frozen=True, slots=True)
class Channel:
    """48 whole kWh (kvarh) and as many statuses."""

    code: str
    values: tuple[int, ...]
    statuses: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MeasuringPoint:
    code: str
    name: str
    channels: tuple[Channel, ...]


@dataclass(frozen=True, slots=True)
class ExchangeDocument:
    """``made``: local time. ``summer``: daylight saving time holds on that day."""

    number: int
    day: date
    made: datetime
    summer: bool
    sender: Party
    area: Party
    timezone: int
    points: tuple[MeasuringPoint, ...]

    @property
    def file_name(self) -> str:
        return f"80020_{self.sender.inn}_{self.day:%Y%m%d}_{self.number}_{self.area.inn}.xml"

    def to_bytes(self) -> bytes:
        """The file's bytes. What windows-1251 has no letter for is a numeric character reference; LayoutError for
        what XML cannot carry at all."""
        root = ET.Element("message", {"class": "80020", "version": "2", "number": str(self.number)})
        moment = ET.SubElement(root, "datetime")
        _text(moment, "timestamp", f"{self.made:%Y%m%d%H%M%S}")
        _text(moment, "daylightsavingtime", str(int(self.summer)))
        _text(moment, "day", f"{self.day:%Y%m%d}")
        _party(ET.SubElement(root, "sender"), self.sender)
        area = ET.SubElement(root, "area", {"timezone": str(self.timezone)})
        _party(area, self.area)
        for point in self.points:
            _point(area, point)
        ET.indent(root)
        text = ET.tostring(root, encoding="unicode")
        # Receivers are known to look for this very declaration, in these quotes.
        return f'<?xml version="1.0" encoding="windows-1251"?>\n{text}\n'.encode("cp1251", "xmlcharrefreplace")


def _point(area: ET.Element, point: MeasuringPoint) -> None:
    element = ET.SubElement(area, "measuringpoint", {"code": _sound(point.code), "name": _sound(point.name)})
    for channel in point.channels:
        described = {"code": channel.code, "desc": DESCRIPTIONS[channel.code]}
        inner = ET.SubElement(element, "measuringchannel", described)
        for number, (value, status) in enumerate(zip(channel.values, channel.statuses, strict=True)):
            period = ET.SubElement(inner, "period", {"start": _clock(number), "end": _clock(number + 1)})
            ET.SubElement(period, "value", {"status": str(status)}).text = str(value)


def _clock(number: int) -> str:
    """Start of a half hour: "0000", "0030" … "2330", and "0000" again for the end of the day."""
    hour, half = divmod(number % SLOTS, 2)
    return f"{hour:02}{half * 30:02}"


def _party(element: ET.Element, party: Party) -> None:
    _text(element, "inn", party.inn)
    _text(element, "name", party.name)


def _text(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = _sound(text)


def _sound(text: str) -> str:
    found = FORBIDDEN.search(text)
    if found:
        raise LayoutError(f"{text!r} cannot stand in XML: take the character {found[0]!r} out of the configuration")
    return text


def whole(energies: Sequence[Decimal], carry: Decimal) -> tuple[tuple[int, ...], Decimal]:
    """Whole kWh of each half hour and what is left over, from energies in Wh and what was left over before.

    Σ values · 1000 + left over = Σ energies + carry, exactly. Values are never negative: a carry below 0 (an earlier
    day turned out to have been less) is made good by the half hours that follow.
    """
    values = []
    for energy in energies:
        carry += energy
        kwh = max(0, int(carry // KILO))
        carry -= kwh * KILO
        values.append(kwh)
    return tuple(values), carry

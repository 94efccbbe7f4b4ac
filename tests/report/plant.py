"""An organisation's points with half-hour profiles, and the rules of Макет 80020 as the receivers state them."""

import re
import xml.etree.ElementTree as ET
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.config.values import Bus, Config, ExchangeSettings, Gateway, Intake, MailSettings, Meter
from buffer.record import Record
from drivers.reading import Kind
from protocols.session import Line
from tests.support.stores import WatchedStore

MOSCOW, BERLIN = ZoneInfo("Europe/Moscow"), ZoneInfo("Europe/Berlin")
SERIAL = "23456789"
HALF_HOUR = timedelta(minutes=30)
CODE = "421234567890101"
FORMS = {"timestamp": r"\d{14}", "daylightsavingtime": "[01]", "day": r"\d{8}", "inn": r"\d{10}|\d{12}", "name": ".+"}


def metered(point: str = "shop", **more: object) -> Meter:
    fields: dict[str, object] = {"tariffs": {"T1": "day", "T2": "night"}, "exchange_code": CODE} | more
    serial = str(fields.pop("serial", SERIAL))
    return Meter(point, "riser-1", "mercury230", "45", serial, Line(), **fields)  # type: ignore[arg-type]


def configured(folder: Path, *meters: Meter, zone: str = "Europe/Moscow", **more: object) -> Config:
    fields: dict[str, object] = {"to": ("askue@example.org",)} | more
    exchange = ExchangeSettings("7700000001", "ООО «Ромашка»", "7700000002", "АИИС КУЭ «Ромашка»", **fields)  # type: ignore[arg-type]
    return Config(
        Gateway("gw-000123", zone, folder),
        Intake("intake.example.org", 8883, True, "mqtts://intake.example.org"),
        (Bus("riser-1", "/dev/null"),),
        meters,
        mail=MailSettings("mail.example.org", "gw@example.org"),
        exchange=exchange,
    )


def opened(folder: Path) -> WatchedStore:
    return WatchedStore.open(folder, now=lambda: datetime(2026, 11, 21, tzinfo=UTC), reserve=0)


def midnight(day: date, zone: ZoneInfo = MOSCOW) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def interval(end: datetime, energy: int | Decimal, length: timedelta = HALF_HOUR, **more: object) -> Record:
    fields: dict[str, object] = {"values": {"1-0:1.29.0": energy}, "start": end - length} | more
    meter = str(fields.pop("meter", SERIAL))
    point = str(fields.pop("point", "shop"))
    return Record("interval", point, meter, end, end, **fields)  # type: ignore[arg-type]


def profile(day: date, energies: list[int], zone: ZoneInfo = MOSCOW, **more: Any) -> list[Record]:
    """Half hours from the day's midnight on."""
    start = midnight(day, zone)
    return [interval(start + HALF_HOUR * (number + 1), energy, **more) for number, energy in enumerate(energies)]


def reading(at: datetime, kind: Kind = "month", meter: str = SERIAL, point: str = "shop", **tariffs: int) -> Record:
    """A reading of T1… in Wh."""
    values = {f"1-0:1.8.{name[1]}": energy for name, energy in tariffs.items()}
    return Record(kind, point, meter, at, at, values=values)


def members(element: ET.Element, *expected: str) -> list[ET.Element]:
    """The children, which are these and in this order."""
    assert [child.tag for child in element] == list(expected), element.tag
    return list(element)


def sound_text(element: ET.Element) -> None:
    assert not element.attrib and len(element) == 0
    assert re.fullmatch(FORMS[element.tag], element.text or ""), (element.tag, element.text)


def read_80020(octets: bytes) -> ET.Element:
    """The tree of a message that keeps every rule: elements, order, attributes, 48 periods, whole numbers."""
    assert octets.startswith(b'<?xml version="1.0" encoding="windows-1251"?>')
    message = ET.fromstring(octets)
    assert message.tag == "message" and list(message.attrib) == ["class", "version", "number"]
    assert (message.get("class"), message.get("version")) == ("80020", "2")
    assert re.fullmatch(r"[1-9]\d*", message.get("number", ""))
    moment, sender, area = members(message, "datetime", "sender", "area")
    for part in (members(moment, "timestamp", "daylightsavingtime", "day"), members(sender, "inn", "name"), area[:2]):
        for element in part:
            sound_text(element)
    assert list(area.attrib) == ["timezone"] and re.fullmatch(r"\d+", area.get("timezone", ""))
    assert not moment.attrib and not sender.attrib
    inn, name, *points = area
    assert (inn.tag, name.tag) == ("inn", "name") and points
    for point in points:
        assert point.tag == "measuringpoint" and list(point.attrib) == ["code", "name"] and len(point) > 0
        for channel in point:
            assert channel.tag == "measuringchannel" and list(channel.attrib) == ["code", "desc"]
            assert channel.get("code") in ("01", "02", "03", "04")
            sound_periods(channel)
    return message


def sound_periods(channel: ET.Element) -> None:
    clock = [f"{minutes // 60 % 24:02}{minutes % 60:02}" for minutes in range(0, 1441, 30)]
    wanted = [{"start": start, "end": end} for start, end in pairwise(clock)]
    assert [period.attrib for period in channel] == wanted and len(wanted) == 48
    for period in channel:
        (value,) = members(period, "value")
        assert value.attrib in ({"status": "0"}, {"status": "1"})
        assert re.fullmatch(r"0|[1-9]\d*", value.text or "")


def values_of(octets: bytes, channel: str = "01", code: str = CODE) -> list[int]:
    place = f"./area/measuringpoint[@code='{code}']/measuringchannel[@code='{channel}']/period/value"
    return [int(value.text or "") for value in read_80020(octets).findall(place)]


def statuses_of(octets: bytes, channel: str = "01", code: str = CODE) -> list[int]:
    place = f"./area/measuringpoint[@code='{code}']/measuringchannel[@code='{channel}']/period/value"
    return [int(value.get("status", "")) for value in read_80020(octets).findall(place)]

"""Families for tests of the configuration: what they declare matters here, not what they read."""

from collections.abc import Mapping
from typing import Any

from drivers import manual
from drivers.family import Family, Setting
from drivers.reading import MeterPlan
from protocols.session import Line


def number(low: int, high: int) -> Any:
    def address(text: str) -> int:
        if not text.isdigit() or not low <= int(text) <= high:
            raise ValueError(f"a number from {low} to {high}")
        return int(text)

    return address


def password(text: str, settings: Mapping[str, Any]) -> bytes:
    if len(text) != 6:
        raise ValueError(f"six characters are wanted, not {text}")
    return text.encode() if settings.get("password_encoding") == "ascii" else bytes(map(int, text))


def build(plan: MeterPlan) -> Any:
    raise NotImplementedError("no driver is built here")


MERCURY = Family(
    name="mercury230",
    models=("mercury230", "mercury234"),
    capabilities=frozenset({"identify", "now", "network"}),
    settings=(
        Setting("level", "int", 1, "access level", low=1, high=2),
        Setting("password_encoding", "choice", "hex", "coding of the password", choices=("hex", "ascii")),
        Setting("answer_time", "duration", None, "longest answer time", low=0, high=5),
        Setting("label", "text", "", "a text"),
        Setting("timezone", "text", "", "zone of its clock"),
    ),
    protocol="mercury23x",
    line=Line(9600, "8N1"),
    address=number(0, 240),
    password=password,
    default_password="111111",
    build=build,
    universal=0,
    first_byte=int,
)

MERCURY_200 = Family(
    name="mercury200",
    models=("mercury200",),
    capabilities=frozenset({"identify", "now"}),
    settings=(),
    protocol="mercury20x",
    line=Line(9600, "8N1"),
    address=number(0, 0xFFFFFFFF),
    password=None,
    default_password=None,
    build=build,
    first_byte=lambda number: number >> 24,
    not_beside=("modbus",),
)

SDM630 = Family(
    name="sdm630",
    models=("sdm630", "sdm630-v2"),
    capabilities=frozenset({"identify", "now", "network"}),
    settings=(
        Setting("framing", "choice", "rtu", "framing", choices=("rtu", "tcp")),
        Setting("unverified", "bool", False, "read unverified registers too"),
    ),
    protocol="modbus",
    line=Line(9600, "8E1"),
    address=number(1, 247),
    password=None,
    default_password=None,
    build=build,
    tcp_framing="tcp",
    first_byte=int,
)


def text_address(text: str) -> int:
    return int(text) if text else -1


CE303 = Family(
    name="ce303",
    models=("ce303",),
    capabilities=frozenset({"identify", "now"}),
    settings=(),
    protocol="iec",
    line=Line(9600, "7E1"),
    address=text_address,
    password=None,
    default_password=None,
    build=build,
    universal=-1,
)

P1 = Family(
    name="p1",
    models=("p1",),
    capabilities=frozenset({"identify", "now"}),
    settings=(),
    protocol="push",
    line=Line(115200, "8N1"),
    address=lambda text: -1,
    password=None,
    default_password=None,
    build=build,
    alone=True,
)

ALL = (manual.FAMILY, MERCURY, MERCURY_200, SDM630, CE303, P1)

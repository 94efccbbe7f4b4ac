"""OBIS and EDIS codes of a readout → our registers with exact values in our units; nothing is guessed.

IEC 62056-61 codes ``A-B:C.D.E*F``; A-B, E and F may be missing. A code with F (but 255) is a stored value, not the
current one. What has no number, an unknown unit or none, or stands there twice with different values is left out.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from drivers.reading import Number
from protocols.iec62056.block import Block, DataSet, Value

_CODE = re.compile(r"(?:(\d+)-(\d+):)?([0-9CFLP]{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?(?:\*(\d{1,3}))?")

UNITS: Mapping[str, tuple[str, int]] = {
    **{base: (base, 0) for base in ("Wh", "varh", "VAh", "W", "var", "VA", "V", "A", "Hz")},
    **{"k" + base: (base, 3) for base in ("Wh", "varh", "VAh", "W", "var", "VA", "V", "A", "Hz")},
    **{"M" + base: (base, 6) for base in ("Wh", "varh", "VAh", "W", "var", "VA")},
    **{"m" + base: (base, -3) for base in ("V", "A", "Hz")},
    "кВтч": ("Wh", 3),
    "Втч": ("Wh", 0),
    "кварч": ("varh", 3),
    "кВАрч": ("varh", 3),
    "кВт": ("W", 3),
    "Вт": ("W", 0),
    "В": ("V", 0),
    "А": ("A", 0),
    "Гц": ("Hz", 0),
}
"""Unit as meters write it, without ``*``, ``·`` and blanks → our unit and the power of ten to it."""

_ENERGY = {**dict.fromkeys((1, 2, 15, 16), "Wh"), **dict.fromkeys(range(3, 9), "varh"), 9: "VAh", 10: "VAh"}
_NETWORK = {
    **dict.fromkeys((1, 2, 15, 16, 21, 22, 36, 41, 42, 56, 61, 62, 76), "W"),
    **dict.fromkeys((3, 4, 131), "var"),
    9: "VA",
    **dict.fromkeys((12, 32, 52, 72), "V"),
    **dict.fromkeys((11, 31, 51, 71), "A"),
    **dict.fromkeys((13, 33, 53, 73), ""),
    14: "Hz",
}
ENERGY_DIGITS = 9  # group E of an energy register: 0 the total, 1…9 the tariffs
SERIALS = ("C.1.0", "96.1.0", "0.0.0", "96.1.255", "C.1", "0.0", "0.0.1")


@dataclass(frozen=True, slots=True)
class Found:
    """Registers of a readout. ``doubtful``: codes of ours that brought no value that can be believed. ``step``: the
    last digit of the coarsest register, in our unit."""

    values: Mapping[str, Number]
    doubtful: tuple[str, ...]
    step: Number = 1


def energies(sets: Iterable[DataSet], unit: str = "") -> Found:
    """Cumulative registers, Wh and varh. ``unit``: what energies without a unit are in (kWh means kvarh as well)."""
    return _registers(sets, 8, _ENERGY, unit)


def network(sets: Iterable[DataSet]) -> Found:
    """Values of the moment: W, var, VA, V, A, Hz, power factor."""
    return _registers(sets, 7, _NETWORK, "")


def _registers(sets: Iterable[DataSet], group: int, quantities: Mapping[int, str], default: str) -> Found:
    values: dict[str, Number] = {}
    doubtful: dict[str, None] = {}
    exponents = set()
    for one in sets:
        code = _register(one.id, group)
        if code is None or (unit := quantities.get(int(code.partition(":")[2].partition(".")[0]))) is None:
            continue
        number = scaled(one.values[0], unit, default.replace("Wh", unit))
        if number is not None and group == 8 and number < 0:
            number = None  # a register that only counts up cannot be below zero
        if number is None or values.get(code, number) != number:
            doubtful[code] = None
        else:
            values[code] = plain(number)
            exponents.add(int(number.as_tuple().exponent))
    for code in doubtful:
        values.pop(code, None)
    return Found(values, tuple(doubtful), plain(Decimal(1).scaleb(max(exponents, default=0))))


@lru_cache(maxsize=1024)
def _register(code: str, group: int) -> str | None:
    """``1-0:C.D.E`` of a current value of electricity, else None."""
    match = _CODE.fullmatch(code)
    if match is None or not match[3].isdecimal() or int(match[4]) != group:
        return None
    if match[1] not in (None, "1") or match[2] not in (None, "0", "1") or match[6] not in (None, "255"):
        return None
    last = "0" if group == 7 and match[5] in (None, "255") else match[5] or "0"
    if int(last) > (ENERGY_DIGITS if group == 8 else 0):
        return None
    return f"1-0:{int(match[3])}.{group}.{int(last)}"


def scaled(value: Value, unit: str, default: str = "") -> Decimal | None:
    """The exact value in ``unit``, with the digits that the meter shows; None where it is not a number or of another or
    unknown unit."""
    number = value.number
    if number is None:
        return None
    written = value.unit or default
    if not unit or not written:
        return number if unit == written else None
    known = UNITS.get(written) or _FOLDED.get(_folded(written))
    if known is None or known[0] != unit:
        return None
    return number.scaleb(known[1])


def _folded(unit: str) -> str:
    """``kW*h``, ``kVAr·h`` and ``KWH`` are one; only mega and milli differ by the case of their letter."""
    letters = re.sub(r"[*·.\s]", "", unit)
    kept = 1 if letters[:1] in ("m", "M") and len(letters) > 1 else 0
    return letters[:kept] + letters[kept:].casefold()


_FOLDED = {_folded(written): known for written, known in UNITS.items()}


def plain(number: Decimal) -> Number:
    """An int where it is whole, else the Decimal."""
    return int(number) if number == number.to_integral_value() else number


def short(code: str) -> str:
    """``C.D.E`` of a code without its medium, channel and a closing ``*255``."""
    return code.rpartition(":")[2].removesuffix("*255")


def first_text(block: Block, *codes: str) -> str | None:
    """The first text that is not empty under one of these short codes, the first code first.

    Codes of another channel than 0 are another device's (the gas meter behind a P1 port)."""
    for code in codes:
        for one in block.sets:
            own = ":" not in one.id or one.id.partition(":")[0].endswith("-0")
            if own and short(one.id) == code and (text := one.values[0].text):
                return text
    return None


def clock(block: Block) -> datetime | None:
    """The meter's wall clock from its date 0.9.2 and time 0.9.1; None where they are missing or no date."""
    date, time = first_text(block, "0.9.2"), first_text(block, "0.9.1")
    return moment(date, time) if date and time else None


def moment(date: str, time: str) -> datetime | None:
    """``YYMMDD``, ``YYYYMMDD``, either with dashes, ``sYYMMDD`` with a season digit, and ``hhmmss`` with or without
    colons; None where they are not a date."""
    digits, hours = date.replace("-", ""), time.replace(":", "")
    if len(digits) == 7:
        digits = digits[1:]
    if len(hours) == 7:
        hours = hours[1:]
    form = {6: "%y%m%d%H%M%S", 8: "%Y%m%d%H%M%S"}.get(len(digits))
    if form is None or len(hours) != 6 or not (digits + hours).isdecimal():
        return None
    try:
        return datetime.strptime(digits + hours, form)
    except ValueError:
        return None

"""Every capability that a table declares is read here once, from answers written by hand in the maker's form.

A table or capability without its expectation fails. Captures of real meters judge in ``test_iec62056``.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from drivers.reading import Identity, Reading
from protocols.iec62056.frames import answer, command, identification, option, request
from tests.drivers.iec62056.support import FAMILIES, RecordedMeter, driver

MOSCOW = ZoneInfo("Europe/Moscow")
SPAN = (datetime(2026, 3, 1, tzinfo=MOSCOW), datetime(2026, 3, 4, tzinfo=MOSCOW))
MARCH, TODAY = SPAN
SHOWN = datetime(2026, 3, 4, 10, 5)
TABLES = {
    family.name: family for family in FAMILIES.values() if family.protocol == "iec" and "now" in family.capabilities
}
DECLARED = [(name, kind) for name, family in sorted(TABLES.items()) for kind in sorted(family.capabilities)]


def registers(group: int, *numbers: str, first: int = 0) -> dict[str, Decimal]:
    """kWh or kvarh as they stand in the meter → Wh or varh by OBIS code."""
    return {f"1-0:{group}.8.{n}": Decimal(number) * 1000 for n, number in enumerate(numbers, first)}


def moment(**codes: str) -> dict[str, Decimal]:
    """``p32="230.1"`` → ``{"1-0:32.7.0": 230.1}``."""
    return {f"1-0:{code[1:]}.7.0": Decimal(number) for code, number in codes.items()}


@dataclass
class Meter:
    """``answers``: name with brackets → what comes; what is not there is refused. ``expected``: by capability."""

    greeting: str
    rule: str
    answers: dict[str, str]
    expected: dict[str, Any]
    refusal: str = "(ERR12)"
    readout: str = ""
    password: str | None = None
    sent: list[bytes] = field(default_factory=list)

    def recorded(self) -> RecordedMeter:
        greeted = identification(f"{self.greeting}\r\n".encode())
        assert greeted is not None
        baud = greeted.baud
        known = {
            request(): f"{self.greeting}\r\n".encode(),
            option("0", baud, "1"): command("P0", b"(12345678)", self.rule),
            **{option("0", baud, mode): answer(self.readout.encode(), self.rule) for mode in "06" if self.readout},
            **{self._direct(name): answer(text.encode(), self.rule) for name, text in self.answers.items()},
            **{command("R1", name.encode(), self.rule): answer(text.encode(), self.rule)
               for name, text in self.answers.items()},
            command("W1", b"CTIME(+07)", self.rule): b"\x06",
        }  # fmt: skip
        if self.password is not None:
            known[command("P1", f"({self.password})".encode(), self.rule)] = b"\x06"
        made = RecordedMeter(more=known)

        def reply(data: bytes) -> list[tuple[float, bytes]]:
            made.asked.append(data)
            refused = answer(self.refusal.encode(), self.rule) if data[:3] == b"\x01R1" else b""
            return [(0.2, found)] if (found := known.get(data, refused)) else []

        made.port.answer = reply
        self.sent = made.asked
        return made

    def _direct(self, name: str) -> bytes:
        return b"/?!" + command("R1", name.encode(), self.rule)


CLOCK = {"DATE_()": "DATE_(03.04.03.26)", "TIME_()": "TIME_(10:05:00)"}
ENERGOMERA = registers(1, "60.5", "40.25", "20.25", "0", "0", "0")
SIX = "(60.5)(40.25)(20.25)(0)(0)(0)"
ARCHIVE = {
    f"{name}{zz}({day}0,F)": f"{name}{zz}({stamp},{zz}.5)({zz}.25)(0.25)(0)(0)"
    for zz in ("01", "02", "03", "04")
    for name, day, stamp in (
        *(("EMD", "0.", "04.03.26"), ("EMI", "03.03.26,", "03.03.26"), ("EMI", "02.03.26,", "02.03.26")),
        *(("EMI", "01.03.26,", "01.03.26"), ("EMI", "28.02.26,", "28.02.26"), ("EMI", "00.02.26,", "00.02.26")),
    )
}
ARCHIVED = {
    code: number
    for group in (1, 2, 3, 4)
    for code, number in registers(group, f"{group}.5", f"{group}.25", "0.25", "0", "0").items()
}
JOURNAL = {"LOE04(1,10)": "LOE04(17,03.03.26,10:00:07,00000001)"}
NETWORK_OF_THREE = moment(
    p32="230.1", p52="231.2", p72="229.3", p31="1.5", p51="2.5", p71="3.5", p36="300", p56="500", p76="700", p16="1500"
)
FACTORS = moment(p13="0.95", p33="0.94", p53="0.96", p73="0.97")
DAYS = [(datetime(2026, 3, day, tzinfo=MOSCOW), ARCHIVED) for day in (4, 3, 2, 1)]
HALF_HOURS = [
    *((datetime(2026, 3, day, tzinfo=MOSCOW) + n * timedelta(minutes=30), {"1-0:1.29.0": 250})
      for day in (3, 2, 1) for n in range(1, 49)),
    (MARCH, {"1-0:1.29.0": 250}),
]  # fmt: skip
NEVA = "000060.50,000040.25,000020.25,000000.00,000000.00"
NEVA_REGISTERS = registers(1, "60.50", "40.25", "20.25", "0", "0")
NEVA_PAST = {"0F088000()": f"0F088000({NEVA})", "0F808000()": f"0F808000({NEVA})"}
NEVA_CLOCK = {"600100FF()": "600100FF(60089784)", "000980FF()": "000980FF(260304100500)"}
CE208_LIKE: dict[str, Any] = {
    "clock": SHOWN,
    "now": ARCHIVED,
    "day": DAYS,
    "month": [(MARCH, ARCHIVED)],
    "event": [(datetime(2026, 3, 3, 10, 0, 7, tzinfo=MOSCOW), "power-changed")],
    "set_clock": b"CTIME(+07)",
}

METERS = {
    "ce102m": Meter(
        "/EKT5CE102Mv01",
        "sum",
        {
            "SNUMB()": "SNUMB(0107)",
            "WATCH()": "WATCH(10:05:00,03.04.03.26,0)",
            "ET0PE()": f"ET0PE{SIX}",
            "VOLTA()": "VOLTA(215.78)",
            "CURRE()": "CURRE(1.767)",
            "POWEP()": "POWEP(0.378816)",
            "COS_f()": "COS_f(0.99)",
            "FREQU()": "FREQU(50.01)",
            "ENM01()": f"ENM01{SIX}",
        },
        {
            "identify": Identity("0107", "CE102M", "v01"),
            "clock": SHOWN,
            "now": ENERGOMERA,
            "network": moment(p32="215.78", p31="1.767", p16="378.816", p13="0.99", p14="50.01"),
            "month": [(MARCH, ENERGOMERA)],
        },
    ),
    "ce102m-list": Meter(
        "/EKT5CE102Mv01",
        "sum",
        {},
        {"identify": Identity("0107", "CE102M", "v01"), "clock": SHOWN, "now": ENERGOMERA},
        readout=f"ET0PE{SIX}\r\nDATE_(03.04.03.26)\r\nTIME_(10:05:00)\r\nSNUMB(0107)\r\n!\r\n",
    ),
    "ce208": Meter(
        "/EMR5\\2CE2089.1",
        "sum",
        CLOCK
        | ARCHIVE
        | JOURNAL
        | {"SNUMB()": "SNUMB(0208)", "VOLTA()": "VOLTA(230.1)(231.2)", "CURRE()": "CURRE(1.5)(1.4)"}
        | {"POWEP()": "POWEP(0.3)(0.29)", "FREQU()": "FREQU(49.99)"},
        CE208_LIKE
        | {
            "identify": Identity("0208", "CE208", "9.1"),
            "network": moment(p32="230.1", p31="1.5", p36="300", p14="49.99"),
        },
        password="777777",
    ),
    "ce308": Meter(
        "/EMR5CE3081.1",
        "sum",
        CLOCK
        | ARCHIVE
        | JOURNAL
        | {"SNUMB()": "SNUMB(0308)", "VOLTA()": "VOLTA(230.1)(231.2)(229.3)", "CURRE()": "CURRE(1.5)(2.5)(3.5)(0.1)"}
        | {"POWEP()": "POWEP(0.3)(0.5)(0.7)(1.5)", "COS_f()": "COS_f(0.94)(0.96)(0.97)(0.95)", "FREQU()": "FREQU(50)"},
        CE208_LIKE
        | {
            "identify": Identity("0308", "CE308", "1.1"),
            "network": NETWORK_OF_THREE | FACTORS | moment(p14="50"),
        },
        password="777777",
    ),
    "ce303": Meter(
        "/EKT5CE303v11",
        "sum",
        CLOCK
        | {"SNUMB()": "SNUMB(0303)", "ET0PE()": f"ET0PE{SIX}", "ENMPE(02.26)": f"ENMPE{SIX}", "FREQU()": "FREQU(50)"}
        | {"VOLTA()": "VOLTA(230.1)(231.2)(229.3)", "CURRE()": "CURRE(1.5)(2.5)(3.5)", "POWEP()": "POWEP(1.5)"}
        | {"POWPP()": "POWPP(0.3)(0.5)(0.7)", "COS_f()": "COS_f(0.95)(0.94)(0.96)(0.97)"}
        | {f"ENDPE({day})": f"ENDPE{SIX}" for day in ("03.03.26", "02.03.26", "01.03.26", "28.02.26")}
        | {"TAVER()": "TAVER(30)", "GRAPE(28.02.26.48.1)": "GRAPE(0.5)"}
        | {"PPHAS()": "PPHAS(0)", "PHASE(1.10)": "PHASE(3-3-26-10-0-80)"}
        | {f"GRAPE(0{day}.03.26.1.48)": "GRAPE" + 48 * "(0.5)" for day in (3, 2, 1)},
        {
            "identify": Identity("0303", "CE303", "v11"),
            "clock": SHOWN,
            "now": ENERGOMERA,
            "network": NETWORK_OF_THREE | FACTORS | moment(p14="50"),
            "interval": HALF_HOURS,
            "day": [(at, ENERGOMERA) for at, _ in DAYS],
            "month": [(MARCH, ENERGOMERA)],
            "event": [(datetime(2026, 3, 3, 10, tzinfo=MOSCOW), "power-changed")],
        },
    ),
    "ce303-group": Meter(
        "/EKT5CE303v11",
        "sum",
        {
            "GROUP(5003(1))": "5003(0303)",
            "GROUP(5003(1)1001(3F)1004(3F)1008(3F))": f"5003(0303)1001{SIX}"
            "1004(1)(1)(0)(0)(0)(0)1008(2)(2)(0)(0)(0)(0)",
            "GROUP(5003(1)4001(7)4002(7)4003(F)4007(F)400D(1))": "5003(0303)4001(230.1)(231.2)(229.3)"
            "4002(1.5)(2.5)(3.5)4003(0.3)(0.5)(0.7)(1.5)4007(0.94)(0.96)(0.97)(0.95)400D(50)",
        },
        {
            "identify": Identity("0303"),
            "now": ENERGOMERA | registers(3, *"110000") | registers(4, *"220000"),
            "network": NETWORK_OF_THREE | FACTORS | moment(p14="50"),
        },
    ),
    "neva": Meter(
        "/CPz3NEVAMT123.2302",  # z: 20 ms; 3: 2400 bit/s
        "xor",
        NEVA_CLOCK
        | NEVA_PAST
        | {"0F0880FF()": f"0F0880FF({NEVA})", "100700FF()": "100700FF(00345.6)", "0C0700FF()": "0C0700FF(230.1)"}
        | {"0B0700FF()": "0B0700FF(1.5)", "0D07FFFF()": "0D07FFFF(10.950)", "0E0701FF()": "0E0701FF(49.98)"},
        {
            "identify": Identity("60089784", "NEVAMT123", "2302"),
            "clock": SHOWN,
            "now": NEVA_REGISTERS,
            "network": moment(p16="345.6", p32="230.1", p31="1.5", p13="0.950", p14="49.98"),
            "day": [(TODAY, NEVA_REGISTERS)],
            "month": [(MARCH, NEVA_REGISTERS)],
        },
        refusal="(01)",
        password="00000000",
    ),
    "neva-mt3": Meter(
        "/TPC5NEVAMT324.2307",
        "xor",
        NEVA_CLOCK
        | NEVA_PAST
        | {f"0F80800{n}()": f"0F80800{n}({NEVA})" for n in (1, 2, 3)}
        | {f"6301000{n}()": f"6301000{n}({48 * ',00500'})".replace("(,", "(") for n in (1, 2, 3, 4)}
        | {f"0{group}0880FF()": f"0{group}0880FF({NEVA})" for group in "F34"}
        | {"100700FF()": "100700FF(01500.0)", "0D07FFFF()": "0D07FFFF(00.950)", "0E0701FF()": "0E0701FF(50)"}
        | {"240700FF()": "240700FF(300)", "380700FF()": "380700FF(500)", "4C0700FF()": "4C0700FF(700)"}
        | {"200700FF()": "200700FF(230.1)", "340700FF()": "340700FF(231.2)", "480700FF()": "480700FF(229.3)"}
        | {"1F0700FF()": "1F0700FF(1.5)", "330700FF()": "330700FF(2.5)", "470700FF()": "470700FF(3.5)"},
        {
            "identify": Identity("60089784", "NEVAMT324", "2307"),
            "clock": SHOWN,
            "now": {
                code: number
                for group in (1, 3, 4)
                for code, number in registers(group, "60.50", "40.25", "20.25", "0", "0").items()
            },
            "network": NETWORK_OF_THREE | moment(p13="0.950", p14="50"),
            "interval": HALF_HOURS,
            "day": [(at, NEVA_REGISTERS) for at, _ in DAYS],
            "month": [(MARCH, NEVA_REGISTERS)],
        },
        refusal="(01)",
        password="00000000",
    ),
    "neva-mt124-7109": Meter(
        "/TPC5NEVAMT124.7109",
        "xor",
        NEVA_CLOCK
        | {"0F0880FF(S)": "0F0880FF([260304:100500]00040.25,00020.25,00000.00,00000.00)"}
        | {"100700FF()": "100700FF(00345.6)", "0C0700FF()": "0C0700FF(230.1)", "0B0700FF()": "0B0700FF(1.5)"},
        {
            "identify": Identity("60089784", "NEVAMT124", "7109"),
            "clock": SHOWN,
            "now": registers(1, "40.25", "20.25", "0", "0", first=1),
            "network": moment(p16="345.6", p32="230.1", p31="1.5"),
        },
        refusal="(01)",
        password="",
    ),
    "iec-readout": Meter(
        "/LGZ5\\2ZMD4054459.B40",
        "xor",
        {},
        {
            "identify": Identity("54800102", "ZMD4054459.B40"),
            "clock": SHOWN,
            "now": registers(1, "60.5", "40.25", "20.25") | registers(2, "1") | registers(4, "2"),
            "network": moment(p32="230.1", p31="1.5", p14="50"),
        },
        readout="C.1.0(54800102)\r\n0.9.1(10:05:00)\r\n0.9.2(26-03-04)\r\n1.8.0(60.5*kWh)\r\n1.8.1(40.25*kWh)\r\n"
        "1.8.2(20.25*kWh)\r\n2.8.0(1*kWh)\r\n4.8.0(2*kvarh)\r\n32.7(230.1*V)\r\n31.7(1.5*A)\r\n14.7(50*Hz)\r\n!\r\n",
    ),
}


@pytest.mark.parametrize(("name", "kind"), DECLARED)
def test_what_a_table_declares_is_read(name: str, kind: str) -> None:
    described = METERS[name]
    meter = driver(TABLES[name].models[0], zone="Europe/Moscow")
    ask = described.recorded().ask(meter)
    meter.open(ask)
    identity, expected = meter.identify(ask), described.expected[kind]
    match kind:
        case "identify":
            assert identity == expected
        case "now" | "network":
            reading: Reading = getattr(meter, kind)(ask)
            assert (dict(reading.values), reading.flags) == (expected, ())
        case "clock":
            assert meter.clock(ask) == expected
        case "interval" | "day" | "month":
            found = list(getattr(meter, kind)(ask, *SPAN))
            assert [(each.at, dict(each.values)) for each in found] == expected
            assert not any(each.flags for each in found)
        case "event":
            assert [(each.at, each.event["code"]) for each in meter.event(ask, *SPAN)] == expected
        case "set_clock":
            meter.set_clock(ask, SHOWN.replace(second=7))
            assert described.sent[-1] == command("W1", expected, described.rule)
            assert described.sent[-2] == command("P1", b"(777777)", described.rule)
    meter.close(ask)


def test_nothing_is_expected_that_no_table_declares() -> None:
    assert sorted((name, kind) for name, meter in METERS.items() for kind in meter.expected) == DECLARED

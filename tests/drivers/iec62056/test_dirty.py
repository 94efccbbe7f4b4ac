"""Slow meters, answers without their end, totals that are not their tariffs' sum: the outcome a point's record has."""

from decimal import Decimal
from typing import Any

import pytest

from agent.judge.plausible import energy_flags
from drivers.reading import Reading
from protocols.errors import BadFrame, NoReply, NotLoggedIn
from protocols.iec62056.frames import answer, command, option, request
from protocols.session import Line
from tests.drivers.iec62056.support import RecordedMeter, driver

OPTICAL = Line(300, "7E1")


def asked(name: str) -> bytes:
    return command("R1", f"{name}()".encode(), "sum")


SERIAL = {asked("SNUMB"): answer(b"SNUMB(1)\r\n", "sum")}
ENERGY = answer(b"ET0PE(60.5)(40.25)(20.25)(0)(0)(0)\r\n", "sum")


class SlowMeter(RecordedMeter):
    """Its answer to ``question`` comes in the timed pieces of ``pieces``: seconds after the question, octets."""

    def __init__(self, question: bytes, pieces: list[tuple[float, bytes]], *names: str, more: Any = None) -> None:
        super().__init__(*names, more=more)
        known = self.port.answer
        self.port.answer = lambda data: pieces if data == question else known(data)


def read(meter: Any, recorded: RecordedMeter, tries: int = 1) -> Reading:
    """Registers of one dialogue, nothing asked twice."""
    ask = recorded.ask(meter, tries)
    meter.open(ask)
    meter.identify(ask)
    reading: Reading = meter.now(ask)
    meter.close(ask)
    return reading


def test_a_meter_that_takes_the_longest_reaction_time_and_pauses_inside_its_answer_is_read() -> None:
    pieces = [(1.5, ENERGY[:1]), (1.66, ENERGY[1:20]), (1.74, ENERGY[20:])]  # the first octet alone, as CE102M do
    reading = read(driver("ce303"), SlowMeter(asked("ET0PE"), pieces, "iec-t04", more=SERIAL))
    assert reading.values["1-0:1.8.0"] == 60500 and reading.flags == ()


def test_an_answer_that_comes_too_late_is_silence_and_never_the_next_answer() -> None:
    meter = driver("ce303")
    recorded = SlowMeter(asked("ET0PE"), [(2.2, ENERGY)], "iec-t04", more=SERIAL)
    ask = recorded.ask(meter, 1)
    meter.open(ask)
    meter.identify(ask)
    with pytest.raises(NoReply):
        meter.now(ask)
    with pytest.raises(NotLoggedIn):  # the meter's session is over by then: nothing is asked before a new sign-on
        meter.now(ask)
    meter.close(ask)
    assert recorded.asked[-2:] == [asked("SNUMB"), command("B0", b"", "sum")] and not recorded.port.coming


@pytest.mark.parametrize("end", [-1, -2, -10])
def test_an_answer_without_its_end_is_an_error_that_shows_what_came(end: int) -> None:
    recorded = RecordedMeter("iec-t04", more=SERIAL | {asked("ET0PE"): ENERGY[:end]})
    with pytest.raises(BadFrame, match=r"broke off.*45 54 30 50 45"):
        read(driver("ce303"), recorded)


def test_a_wrong_check_character_is_an_error_that_shows_the_frame() -> None:
    recorded = RecordedMeter("iec-t04", more=SERIAL | {asked("ET0PE"): ENERGY.replace(b"60.5", b"60.6")})
    with pytest.raises(BadFrame, match=r"check character.*45 54 30 50 45"):
        read(driver("ce303"), recorded)


def test_a_list_that_takes_minutes_at_300_bit_a_second_is_read_to_its_end() -> None:
    history = "".join(f"1.8.0*{n:02}(00{n:02}836.123*kWh)\r\n" for n in range(1, 100))
    telegram = answer(f"C.1.0(77)\r\n{history}1.8.0(60.5*kWh)\r\n!\r\n".encode(), "xor")
    seconds = 10 / 300
    pieces = [(0.2 + (place + 1) * seconds, telegram[place : place + 1]) for place in range(len(telegram))]
    recorded = SlowMeter(option("0", "0", "0"), pieces, more={request(): b"/ACE0METER\r\n"})
    begin = recorded.time()
    assert read(driver("iec-readout", line=OPTICAL), recorded).values == {"1-0:1.8.0": 60500}
    assert recorded.time() - begin > 90


def test_a_list_that_is_repeated_for_ever_is_given_up_within_bounds() -> None:
    line = b"1.8.0(60.5*kWh)\r\n"
    pieces = [(0.2 + n * 0.6, line) for n in range(1, 3000)]  # half an hour
    recorded = SlowMeter(option("0", "0", "0"), pieces, more={request(): b"/ACE0METER\r\n"})
    begin = recorded.time()
    with pytest.raises(BadFrame):
        read(driver("iec-readout", line=OPTICAL), recorded)
    assert recorded.time() - begin < 1000


def judged(meter: Any, reading: Reading) -> tuple[str, ...]:
    """Flags that the judge adds."""
    more = {"resolution": meter.traits.resolution, "mismatch": meter.traits.mismatch}
    return energy_flags(reading.values, None, None, limit_kw=None, **more)


def test_a_ce102m_whose_total_is_180_wh_above_its_tariffs_is_no_wonder() -> None:
    meter = driver("ce102m-list")
    reading = read(meter, RecordedMeter("iec-t02"))
    assert reading.values["1-0:1.8.0"] == 9832390 and judged(meter, reading) == ()


def test_the_last_digit_of_a_zpa_is_no_mismatch() -> None:
    meter = driver("iec-readout")
    assert judged(meter, read(meter, RecordedMeter("iec-t11"))) == ()


@pytest.mark.parametrize(
    ("total", "t5", "flags"), [("60.5", "0", ()), ("60.6", "0", ("sum-mismatch",)), ("61.5", "1", ())]
)
def test_a_total_that_is_not_the_sum_of_its_tariffs_is_kept_with_a_flag(
    total: str, t5: str, flags: tuple[str, ...]
) -> None:
    data = answer(f"ET0PE({total})(40.25)(20.25)(0)(0)({t5})\r\n".encode(), "sum")
    meter = driver("ce303")
    reading = read(meter, RecordedMeter("iec-t04", more=SERIAL | {asked("ET0PE"): data}))
    assert reading.values["1-0:1.8.0"] == Decimal(total) * 1000 and judged(meter, reading) == flags

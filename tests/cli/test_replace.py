"""``meterpost replace``: shown first, changed with --yes, and nothing at all where something is wrong."""

import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import typer

from agent.config.load import load
from buffer.record import Record
from protocols.mercury.frames import Energy
from simulators.line import PtyLine
from simulators.mercury230 import Mercury230
from tests.buffer.plant import opened
from tests.cli.conftest import Run, change
from tests.history.house import reading
from tests.support.present import present

NEW = ("replace", "flat-12", "--serial", "30000001")
INITIAL = ("--initial", "T1=0.4,T2=0")
FINAL = ("--final", "T1=30122.7,T2=11873")


@pytest.fixture
def stored(house: Path) -> datetime:
    """The old meter's last reading: T1 1000 kWh, T2 500 kWh, an hour ago."""
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    with closing(opened(house.parent / "state")) as store:
        store.put([reading(at, truth=lambda _: (1_000_000, 500_000))])
    return at


def events(house: Path) -> list[Record]:
    now = datetime.now(UTC)
    with closing(opened(house.parent / "state")) as store:
        return list(store.find("flat-12", ("event",), now - timedelta(hours=1), now + timedelta(hours=1)))


def test_without_yes_everything_is_shown_and_nothing_changed(run: Run, house: Path, stored: datetime) -> None:
    before = house.read_bytes()
    done = run(*NEW, *FINAL, *INITIAL, "--date", "2026-11-20", "-c", str(house))
    assert (done.code, done.err) == (0, "")
    assert "flat-12: meter 23456789 goes, 30000001 comes, on 2026-11-20" in done.out
    assert '-serial = "23456789"\n+serial = "30000001"\n+installed = 2026-11-20\n' in done.out
    assert "+final = { T1 = 30122.7, T2 = 11873 }" in done.out
    assert done.out.endswith("nothing was changed; the same with --yes does it\n")
    assert house.read_bytes() == before and len(list(house.parent.iterdir())) == 3
    assert events(house) == []


def test_what_was_used_this_month_is_a_figure_with_its_unit_or_the_reason(run: Run, house: Path) -> None:
    moscow = datetime.now(ZoneInfo("Europe/Moscow")).replace(hour=0, minute=0, second=0, microsecond=0)
    with closing(opened(house.parent / "state")) as store:
        store.put([reading(moscow.replace(day=1).astimezone(UTC), "month", truth=lambda _: (1_000_000, 500_000))])
        store.put([reading(datetime.now(UTC).replace(microsecond=0), truth=lambda _: (990_000, 501_000))])
    done = run(*NEW, "--final", "T1=999,T2=501.5", *INITIAL, "--yes", "-c", str(house))
    said = " ".join(done.out.split())
    assert "T1 not known: meter 23456789: T1 ran back from 1000 to 999 kWh; was it replaced?, T2 1.5 kWh" in said


def test_with_yes_the_configuration_the_copy_and_the_event_are_there(run: Run, house: Path, stored: datetime) -> None:
    before = house.read_text()
    done = run(*NEW, *FINAL, *INITIAL, "--yes", "-c", str(house))
    assert (done.code, done.err) == (0, "")
    meter = load(house).meters[0]
    assert (meter.serial, meter.initial["T1"], meter.ratio) == ("30000001", Decimal("0.4"), 20)
    assert [(old.serial, old.final["T2"]) for old in meter.before] == [("23456789", 11873)]
    (copy,) = house.parent.glob("*.bak")
    assert copy.read_text() == before
    (event,) = events(house)
    assert (present(event.event)["code"], event.meter) == ("meter-replaced", "30000001")
    assert (
        "23456789 was removed" in present(event.event)["text"]
        and "T1 30122.7, T2 11873 kWh" in present(event.event)["text"]
    )
    assert "30000001 begins with T1 0.4, T2 0 kWh" in present(event.event)["text"]


def test_a_meter_of_conf_d_is_changed_in_its_own_file(run: Run, house: Path, stored: datetime) -> None:
    text = house.read_text()
    at = text.index("[[meter]]")
    more = house.parent / "conf.d" / "flat.toml"
    more.parent.mkdir()
    more.write_text(text[at:])
    house.write_text(text[:at])
    done = run(*NEW, *FINAL, *INITIAL, "--yes", "-c", str(house))
    assert (done.code, done.err) == (0, "")
    assert house.read_text() == text[:at] and "30000001" in more.read_text()
    assert load(house).meters[0].before[0].serial == "23456789"


def test_final_readings_are_proposed_from_the_last_stored_ones_with_their_time(
    run: Run, house: Path, stored: datetime
) -> None:
    done = run(*NEW, *INITIAL, "-c", str(house))
    said = " ".join(done.out.split())
    assert done.code == 0
    assert "final = { T1 = 1000, T2 = 500 }" in said
    assert "the last stored reading" in said and "(1.0 h ago)" in said


def test_nothing_is_guessed_where_nobody_can_say(run: Run, house: Path) -> None:
    no_final = run(*NEW, *INITIAL, "--yes", "-c", str(house))
    no_initial = run(*NEW, *FINAL, "--yes", "-c", str(house))
    assert (no_final.code, no_initial.code) == (2, 2)
    assert "--final is missing: final readings of 23456789" in no_final.err
    assert "--initial is missing" in no_initial.err and "could not be read" in no_initial.err
    assert "before" not in house.read_text()


@pytest.mark.slow
def test_without_a_daemon_the_new_meter_is_read_on_the_line(run: Run, house: Path, stored: datetime) -> None:
    new = Mercury230(
        address=46,
        serial="30000001",
        now=lambda: datetime.now(UTC).replace(tzinfo=None),
        registers={number: Energy(wh, 0, 0, 0) for number, wh in enumerate((1_500, 1_200, 300, 0, 0))},
    )
    with PtyLine([new], pace=False) as line:
        change(house, str(house.parent / "ttyUSB0"), str(line))
        done = run(*NEW, "--address", "46", "-c", str(house))
        other = run("replace", "flat-12", "--serial", "30000002", "--address", "46", "-c", str(house))
    assert (done.code, done.err) == (0, "")
    assert "+initial = { T1 = 1.2, T2 = 0.3 }" in done.out and "+address = 46" in done.out
    assert "what meter 30000001 shows now" in " ".join(done.out.split())
    assert other.code == 2 and "meter 30000001 answers, 30000002 is configured" in " ".join(other.err.split())


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], list[str]]:
    """Someone who types these answers; gives what was asked."""

    class Terminal:
        def isatty(self) -> bool:
            return True

    def typing(answers: list[str]) -> list[str]:
        asked: list[str] = []

        def prompt(what: str) -> str:
            asked.append(what)
            return answers.pop(0)

        monkeypatch.setattr(sys, "stdin", Terminal())
        monkeypatch.setattr(typer, "prompt", prompt)
        return asked

    return typing


def test_a_person_at_a_terminal_is_asked_for_what_is_missing(
    run: Run, house: Path, terminal: Callable[[list[str]], list[str]]
) -> None:
    asked = terminal(["30000001", "T1=30122,7;T2=11873", "T1=0 T2=0"])
    done = run("replace", "flat-12", "-c", str(house))
    assert done.code == 0 and [what.split()[0] for what in asked] == ["serial", "final", "initial"]
    assert "final = { T1 = 30122.7, T2 = 11873 }" in done.out


def test_what_was_mistyped_is_asked_again_with_the_reason(
    run: Run, house: Path, terminal: Callable[[list[str]], list[str]]
) -> None:
    asked = terminal(["23456789", "30000001", "30122.7", "T1=30122.7", "T1=30122.7,T2=11873", "T1=0,T3=0", "T1=0,T2=0"])
    done = run("replace", "flat-12", "-c", str(house))
    assert done.code == 0
    assert [what.split()[0] for what in asked] == ["serial"] * 2 + ["final"] * 3 + ["initial"] * 2
    assert "T1=12.4,T2=3.1" in " ".join(asked[2].split()) and "T1=12.4,T2=3.1" in " ".join(asked[-1].split())
    said = " ".join(done.err.split())
    assert "found '30122.7', expected kWh" in said and "found T1, T3, expected T1, T2" in said
    assert "final = { T1 = 30122.7, T2 = 11873 }" in done.out


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--serial", "0023456789"), "hangs at flat-12 already"),
        (("--serial", "Счётчик"), "is not a serial number"),
        (("--serial", '3"\nx = 1'), "is not a serial number"),
        (("--serial", "30000001", "--date", "2999-01-01"), "is in the future"),
        (("--serial", "30000001", "--date", "20.11.2026"), "expected a date such as"),
        (("--serial", "30000001", "--final", "T1=30122.7"), "expected T1, T2"),
        (("--serial", "30000001", "--final", "T1=1,T2=2,T3=3"), "expected T1, T2"),
        (("--serial", "30000001", "--final", "T1=many,T2=2"), "'T1=many'"),
        (("--serial", "30000001", "--final", "T1=-1,T2=2"), "'T1=-1'"),
        (("--serial", "30000001", "--final", "T1=1,T1=2"), "T1 stands there twice"),
        (("--serial", "30000001", "--final", "T1=998.9,T2=500"), "less than the 1000 kWh"),
        (("--serial", "30000001", "--initial", "T5=1"), "'T5=1'"),
        (("--serial", "30000001", "--initial", "T1=0"), "expected T1, T2"),
    ],
)
def test_what_cannot_be_right_is_said_and_nothing_changed(
    run: Run, house: Path, stored: datetime, args: tuple[str, ...], words: str
) -> None:
    before = house.read_bytes()
    usual = [*FINAL, *INITIAL] if "--final" not in args and "--initial" not in args else FINAL
    usual = INITIAL if "--final" in args else usual
    done = run("replace", "flat-12", *usual, *args, "--yes", "-c", str(house))
    assert (done.code, done.out) == (2, "")
    assert words in " ".join(done.err.split())
    assert house.read_bytes() == before and events(house) == []


def test_a_display_without_digits_behind_the_comma_is_no_fault(run: Run, house: Path, stored: datetime) -> None:
    assert run(*NEW, "--final", "T1=999.5,T2=500", *INITIAL, "-c", str(house)).code == 0


def test_the_meter_of_another_point_and_one_that_was_there_before_are_refused(run: Run, house: Path) -> None:
    table = house.read_text().split("[[meter]]")[1]
    with house.open("a") as file:
        file.write("\n[[meter]]" + table.replace("flat-12", "lift").replace("= 45", "= 46").replace("23456789", "777"))
    other = run("replace", "flat-12", "--serial", "777", *FINAL, *INITIAL, "-c", str(house))
    assert other.code == 2 and "777 is the meter of lift" in " ".join(other.err.split())
    assert run(*NEW, *FINAL, *INITIAL, "--yes", "-c", str(house)).code == 0
    back = run("replace", "flat-12", "--serial", "23456789", *FINAL, *INITIAL, "-c", str(house))
    assert back.code == 2 and "hung at flat-12 before" in " ".join(back.err.split())
    early = run("replace", "flat-12", "--serial", "5", "--date", "2020-01-01", *FINAL, *INITIAL, "-c", str(house))
    assert early.code == 2 and "before meter 30000001 was installed" in " ".join(early.err.split())


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--address", "999"), "address"),
        (("--driver", "mercury-230"), 'did you mean "mercury230"'),
        (("--address", '4"5'), "address"),
    ],
)
def test_what_the_new_configuration_would_not_bear_is_refused_with_its_place(
    run: Run, house: Path, stored: datetime, args: tuple[str, str], words: str
) -> None:
    before = house.read_bytes()
    done = run(*NEW, *FINAL, *INITIAL, *args, "--yes", "-c", str(house))
    assert done.code == 78 and words in done.err and str(house) in done.err
    assert house.read_bytes() == before


def test_an_unusual_file_is_left_alone_with_words_what_to_write(run: Run, house: Path, stored: datetime) -> None:
    with house.open("a") as file:
        file.write("[meter.initial]\nT1 = 1\n")
    before = house.read_bytes()
    done = run(*NEW, *FINAL, *INITIAL, "--yes", "-c", str(house))
    assert (done.code, done.out) == (1, "")
    assert "by hand" in done.err and "[[meter.before]]" in done.err
    assert house.read_bytes() == before


def test_an_unknown_point_is_wrong_usage(run: Run, house: Path) -> None:
    done = run("replace", "flat-21", "--serial", "1", "-c", str(house))
    assert done.code == 2 and "flat-12" in done.err


def test_a_ratio_is_not_applied_to_the_readings_of_an_act(run: Run, house: Path, stored: datetime) -> None:
    change(house, "ratio = 20", "ratio = 40")
    out = run(*NEW, *INITIAL, "-c", str(house)).out
    assert "+final = { T1 = 1000, T2 = 500 }" in out

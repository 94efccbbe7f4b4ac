"""``meterpost events``: what is shown of the store, how it is narrowed down, and what a wrong word is answered."""

import json
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from buffer.record import Record
from simulators.intake.validate import Validator
from tests.buffer.plant import NOON, opened, readings
from tests.cli.conftest import Run, change


class Afternoon(datetime):
    """The day on which the tests of this file take place."""

    @classmethod
    def now(cls, tz: Any = None) -> "Afternoon":
        return cls.combine((NOON + timedelta(minutes=10)).date(), (NOON + timedelta(minutes=10)).time(), tz)


def event(code: str, minutes: int, point: str = "flat-12", **more: Any) -> Record:
    at = NOON + timedelta(minutes=minutes)
    told = {"code": code, "maker": "", "text": "", "n": 1} | more
    return Record("event", point, "23456789" if point else "", at, at, event=told)


@pytest.fixture
def told(house: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A house of two points with readings, two events of a meter's journal and two of the gateway's own."""
    monkeypatch.setattr("agent.cli.events.datetime", Afternoon)
    file = house.read_text(encoding="utf-8")
    second = file[file.index("[[meter]]") :].replace("flat-12", "flat-13").replace("= 45", "= 46")
    house.write_text(file + second.replace("23456789", "23456790"), encoding="utf-8")
    with closing(opened(house.parent / "state")) as store:
        store.put(readings(1, 5, point="flat-12"))
        store.put(
            [
                event("meter-clock-off", 7, text="42.3 s fast", offset=42),
                event("cover-open", -60 * 24 * 20, maker="09", text="вскрытие крышки"),
                event("port-lost", 3, point="", text="riser-1: it went away"),
                event("power-off", 5, point="flat-13"),
            ]
        )
    return house


def codes(text: str) -> list[str]:
    return [one["event"]["code"] for one in json.loads(text)["events"]]


def test_all_that_is_stored_comes_with_the_newest_last(run: Run, told: Path) -> None:
    done = run("events", "-c", str(told), "--json")
    assert codes(done.out) == ["cover-open", "port-lost", "power-off", "meter-clock-off"]
    assert Validator().objections("events", done.out) == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["flat-12"], ["cover-open", "meter-clock-off"]),
        (["flat-12", "flat-13"], ["cover-open", "power-off", "meter-clock-off"]),
        (["--code", "power-off"], ["power-off"]),
        (["--limit", "2"], ["power-off", "meter-clock-off"]),
        (["--limit", "1", "flat-13"], ["power-off"]),
        (["--from", "2026-11-21T15:04"], ["power-off", "meter-clock-off"]),
        (["--from", "2026-11-21T12:04+00:00", "--to", "2026-11-21T12:07+00:00"], ["power-off"]),
        (["--to", "2026-11-02"], ["cover-open"]),
        (["--to", "2026-11-01"], []),
        (["--code", "magnet"], []),
    ],
)
def test_points_code_time_and_number_narrow_it_down(
    run: Run, told: Path, options: list[str], expected: list[str]
) -> None:
    """Times are those of the gateway's zone, three hours ahead of UTC."""
    assert codes(run("events", *options, "-c", str(told), "--json").out) == expected


def test_a_line_has_the_gateways_time_the_code_the_words_and_the_makers_own(run: Run, told: Path) -> None:
    lines = run("events", "-c", str(told)).out.splitlines()
    assert lines[1].split() == ["2026-11-01", "15:00:00", "flat-12", "cover-open", "вскрытие", "крышки", "[09]"]
    assert lines[2].split()[2:4] == ["gateway", "port-lost"]
    assert "the meter lost its supply" in lines[3]


def test_on_a_phone_the_words_stand_below(run: Run, told: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    out = run("events", "flat-12", "-c", str(told)).out
    assert out == (
        "2026-11-01 15:00:00  flat-12  cover-open\n  вскрытие крышки [09]\n"
        "2026-11-21 15:07:00  flat-12  meter-clock-off\n  42.3 s fast\n"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--code", "cover-opn"], 'did you mean "cover-open"?'),
        (["flat-112"], 'did you mean "flat-12"?'),
        (["--from", "yesterday"], "is not a valid time"),
        (["--from", "2026-11-22", "--to", "2026-11-21"], "is not before"),
    ],
)
def test_a_wrong_word_is_a_usage_error_with_what_was_meant(
    run: Run, told: Path, options: list[str], words: str
) -> None:
    done = run("events", *options, "-c", str(told))
    assert (done.code, done.out) == (2, "") and words in " ".join(done.err.split())


def test_a_code_of_the_installers_own_models_is_looked_for(run: Run, told: Path) -> None:
    (told.parent / "models").mkdir()
    change(told, "[intake]", 'models_dir = "models"\n\n[intake]')
    done = run("events", "--code", "valve-open", "-c", str(told))
    assert (done.code, done.out) == (0, "") and "no such event" in done.err


def test_without_a_store_there_is_none_to_show(run: Run, house: Path) -> None:
    done = run("events", "-c", str(house))
    assert done.code == 1 and "no store in" in done.err


def test_the_time_of_an_event_that_a_fast_meter_stamped_does_not_hide_it(run: Run, house: Path) -> None:
    soon = datetime.now(NOON.tzinfo) + timedelta(hours=2)
    with closing(opened(house.parent / "state")) as store:
        store.put([Record("event", "flat-12", "23456789", soon, NOON, event={"code": "power-on", "maker": "", "n": 1})])
    assert codes(run("events", "-c", str(house), "--json").out) == ["power-on"]

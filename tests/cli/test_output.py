"""Tables that fit a phone, colours on a terminal only, exact numbers."""

import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.cli import screen
from tests.cli.conftest import Run

ROWS = [("flat-12", "12.5", "ok"), ("cellar", "1034.25", "silent")]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_columns_are_aligned_and_numbers_stand_to_the_right() -> None:
    assert screen.table([("point", "kWh", "state"), *ROWS], right=(1,)) == [
        "point        kWh  state",
        "flat-12     12.5  ok",
        "cellar   1034.25  silent",
    ]


def test_a_table_too_wide_for_the_terminal_becomes_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    rows = [("flat-12", "a text of more than thirty columns", "")]
    assert screen.fitted(("point", "what", "hint"), rows) == [
        "flat-12",
        "  what: a text of more than",
        "    thirty columns",
    ]


def test_colours_do_not_move_columns() -> None:
    plain = screen.table([("a", "b"), ("ccc", "d")])
    coloured = screen.table([("\033[1ma\033[0m", "b"), ("ccc", "d")])
    assert [screen.ESCAPE.sub("", line) for line in coloured] == plain


def test_colour_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert screen.colour("red", "x", Terminal()) == "\033[31mx\033[0m"
    assert screen.colour("red", "x", io.StringIO()) == "x"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colour_can_be_switched_off(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert screen.colour("red", "x", Terminal()) == "x"


def test_json_holds_no_binary_float_for_an_exact_number(capsys: pytest.CaptureFixture[str]) -> None:
    screen.emit({"whole": Decimal("20.0"), "ratio": Decimal("0.1"), "name": "квартира"})
    out = capsys.readouterr().out
    assert json.loads(out) == {"whole": 20, "ratio": "0.1", "name": "квартира"}
    assert "квартира" in out


def test_a_moment_is_said_in_local_time() -> None:
    assert screen.when(datetime(2026, 11, 21, 21, 30, tzinfo=UTC), ZoneInfo("Europe/Moscow")) == "2026-11-22 00:30:00"


def test_a_cell_without_a_heading_stands_alone_in_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    rows = [("T1", "2025.8", "a day tariff of this meter")]
    assert screen.fitted(("", "kWh", ""), rows) == ["T1", "  kWh: 2025.8", "  a day tariff of this meter"]


def test_a_message_is_broken_for_a_terminal_and_left_whole_in_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    text = "error: /var/lib/meterpost: no daemon runs here, and this needs one\nhint: sudo systemctl start meterpost"
    for stream, longest in ((Terminal(), 40), (io.StringIO(), 100)):
        monkeypatch.setattr("sys.stderr", stream)
        screen.note(text)
        assert stream.getvalue().split() == text.split()
        assert max(map(len, stream.getvalue().splitlines())) <= longest
    assert stream.getvalue() == f"{text}\n"


def test_one_driver_is_shown_on_a_narrow_phone(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    for name in ("mercury230", "spodes", "sdm630", "ce303", "manual"):
        assert max(map(len, run("drivers", name).out.splitlines())) <= 40


def test_a_reading_is_shown_on_a_narrow_phone(
    monkeypatch: pytest.MonkeyPatch, house: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from agent.cli.read import show
    from agent.config.load import load
    from buffer.record import Record

    monkeypatch.setenv("COLUMNS", "40")
    at = datetime(2026, 11, 21, 20, 43, 29, tzinfo=UTC)
    values = {"1-0:1.8.0": Decimal(30154619)}
    record = Record("now", "flat-12", "23456789", at, at, values=values, flags=("manual", "backwards"))
    show(load(house), [record], [])
    assert capsys.readouterr().out.splitlines() == [
        "flat-12  meter 23456789  2026-11-21",
        "  23:43:29  [manual, backwards]",
        "  total  30154.619  kWh",
    ]


def test_the_status_of_meters_that_fit_no_table_is_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    from agent.cli import status

    meters: list[dict[str, Any]] = [
        {"point": "flat-12", "state": "ok", "last": None, "values": {f"1-0:1.8.{n}": 9185989 for n in "123"}},
        {"point": "flat-13", "state": "wrong-serial", "last": None, "values": {}},
    ]
    counts = dict.fromkeys(("last_seq", "confirmed", "pending", "refused"), 1234567)
    document = {"gateway": "gw-1", "online": True, "clock": "synced", "buses": [], "meters": meters, **counts}
    monkeypatch.setenv("COLUMNS", "40")
    assert status.screen(document, running=True) == [
        "gw-1: online, clock synced",
        "stored 1234567, confirmed 1234567,\n  pending 1234567, refused 1234567",
        "flat-12  never  ok",
        "  T1 9185.98  T2 9185.98  T3 9185.98",
        "flat-13  never  wrong-serial",
    ]
    long = meters[1] | {"point": "Квартира 145 подъезд 3 этаж 17 левое крыло"}
    waiting = (datetime.now(UTC) - timedelta(days=3, hours=1)).isoformat()
    lines = status.screen(document | {"meters": [*meters, long], "oldest_pending": waiting}, running=True)
    assert lines[2] == "the oldest pending one waits for 3d"
    assert lines[-1] == "Квартира 145 подъезд 3 этаж 17 левое\n  крыло  never  wrong-serial"


def test_the_status_names_another_master_and_what_to_do_about_a_meter() -> None:
    from agent.cli import status

    document: dict[str, Any] = {
        "gateway": "gw-1",
        "online": True,
        "clock": "synced",
        **dict.fromkeys(("last_seq", "confirmed", "pending", "refused"), 0),
        "buses": [{"name": "riser", "second_master": {"addresses": {"47": 3}, "ago": 12, "period": 60.0}}],
        "meters": [
            {"point": "flat-1", "state": "silent", "error": "an answer came 0.7 s late", "hint": 'timeout = "2s"'},
            {"point": "flat-2", "state": "waiting"},
        ],
    }
    said = " ".join(" ".join(status.screen(document, running=True)).split())
    assert "riser: another master speaks on this line: address 47 3×, last 12 s ago, about every 60 s" in said
    assert 'flat-1: an answer came 0.7 s late; timeout = "2s"' in said
    assert "waiting" in said

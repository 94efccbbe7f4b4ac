"""Tables that fit a phone, colours on a terminal only, exact numbers."""

import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from agent.cli import screen

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

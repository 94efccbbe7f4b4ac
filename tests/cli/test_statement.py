"""``meterpost statement`` by hand, with and without a daemon."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.control.unix_socket import ControlServer
from buffer.record import Record
from buffer.store import Store
from simulators.intake.validate import Validator
from tests.cli.conftest import Run, change

VALIDATOR = Validator()
POINT = """
account = "230100456789"
utility = "own"
digits = 6
"""
OWN = """
name = "own"
extends = "sms-account-meter-t1-t2"
zone = "UTC"
from = 1
to = 31
{more}
[sms]
number = "+79990000001"
"""


@pytest.fixture
def gateway(house: Path) -> Path:
    """A window of the whole month, a reading of just now; the store as a daemon that has ended leaves it."""
    folder = house.parent / "utilities"
    folder.mkdir()
    profile(house)
    change(house, 'state_dir = "state"', 'state_dir = "state"\nclock = "trust"\nutilities_dir = "utilities"')
    with house.open("a", encoding="utf-8") as file:
        file.write(POINT + "installed = 2025-01-01\ninitial = { T1 = 0, T2 = 0 }\n")
    put(house, 2_000_999, 1_000_001)
    return house


def profile(house: Path, more: str = "") -> None:
    (house.parent / "utilities" / "own.toml").write_text(OWN.format(more=more), encoding="utf-8")


def put(house: Path, t1: int, t2: int, ago: float = 60.0) -> None:
    at = datetime.now(UTC) - timedelta(seconds=ago)
    values = {"1-0:1.8.1": t1, "1-0:1.8.2": t2}
    with closing(store(house)) as opened:
        opened.put([Record("now", "flat-12", "23456789", at, at, values=values)])


def store(house: Path) -> Store:
    return Store.open(house.parent / "state", now=lambda: datetime.now(UTC), reserve=0)


def statements(house: Path) -> list[tuple[Record, str]]:
    with closing(store(house)) as opened:
        return [(record, state) for record, state, _ in opened.rows(limit=1000) if record.kind == "statement"]


def documents(run: Run, house: Path, *args: str) -> list[dict[str, Any]]:
    """Of ``--json``, held to the schema."""
    done = run("statement", *args, "-c", str(house), "--json")
    assert VALIDATOR.objections("statements", done.out) == []
    found: list[dict[str, Any]] = json.loads(done.out)["statements"]
    return found


def test_the_list_says_where_each_point_stands(run: Run, gateway: Path) -> None:
    (one,) = documents(run, gateway, "list")
    assert (one["point"], one["state"], one["figures"], one["utility"]) == ("flat-12", "due", {}, "own")
    done = run("statement", "list", "-c", str(gateway))
    assert done.code == 0
    assert "flat-12" in done.out and "due" in done.out


@pytest.mark.slow
def test_a_dry_run_shows_exactly_what_would_leave_and_keeps_nothing(run: Run, gateway: Path) -> None:
    (one,) = documents(run, gateway, "check", "flat-12", "--dry-run")
    mqtt, sms = one["leaving"]
    assert mqtt["record"]["statement"]["figures"] == {"T1": 2000, "T2": 1000}
    assert (sms["to"], sms["text"]) == ("+79990000001", "230100456789#23456789#2000#1000")
    assert (sms["characters"], sms["parts"]) == (31, 1)
    assert sms["cannot"] == "sms: there is no [modem]"
    done = run("statement", "send", "flat-12", "--dry-run", "-c", str(gateway))
    assert "by sms to +79990000001 (31 characters, 1 part); it cannot leave: sms: there is" in done.out
    assert "  230100456789#23456789#2000#1000" in done.out.splitlines()
    assert statements(gateway) == []
    assert run("statement", "history", "flat-12", "-c", str(gateway)).err == "flat-12: no statement yet\n"


@pytest.mark.slow
def test_a_check_without_a_daemon_puts_the_record_into_the_store(run: Run, gateway: Path) -> None:
    done = run("statement", "check", "flat-12", "--by", "ivanov", "-c", str(gateway))
    assert (done.code, done.err) == (0, "")
    assert "T1 2000 T2 1000" in done.out
    ((record, state),) = statements(gateway)
    assert (record.point, state) == ("flat-12", "pending")
    assert [step["by"] for step in documents(run, gateway, "history", "flat-12")[0]["steps"]] == ["ivanov", "meterpost"]
    again = run("statement", "send", "flat-12", "-c", str(gateway))
    assert (again.code, len(statements(gateway))) == (1, 1)
    assert "--again repeats it" in again.err


@pytest.mark.slow
def test_held_figures_are_confirmed_with_a_name_and_a_reason(run: Run, gateway: Path) -> None:
    profile(gateway, 'confirm = "always"')
    assert documents(run, gateway, "check")[0]["state"] == "held"
    refused = run("statement", "send", "flat-12", "-c", str(gateway))
    assert (refused.code, statements(gateway)) == (1, [])
    assert "meterpost statement confirm" in refused.err
    done = run("statement", "confirm", "flat-12", "--by", "petrova", "--why", "display compared", "-c", str(gateway))
    assert done.code == 0
    assert len(statements(gateway)) == 1
    shown = run("statement", "history", "flat-12", "-c", str(gateway)).out
    assert "petrova" in shown and "display compared" in shown


@pytest.mark.slow
def test_what_is_said_on_the_telephone(run: Run, gateway: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    done = run("statement", "show", "flat-12", "--spoken", "-c", str(gateway))
    assert done.out.splitlines()[1:] == [
        "Тэ-один, день: два, ноль, ноль, ноль.",
        "Тэ-два, ночь: один, ноль, ноль, ноль.",
    ]
    assert documents(run, gateway, "show", "flat-12", "--spoken")[0]["spoken"] == done.out.rstrip("\n")
    monkeypatch.setenv("COLUMNS", "40")
    narrow = run("statement", "show", "flat-12", "--spoken", "-c", str(gateway)).out
    assert max(map(len, narrow.splitlines())) <= 40
    assert narrow.split() == done.out.split()


@pytest.mark.slow
def test_show_fits_a_phone(run: Run, gateway: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("statement", "show", "flat-12", "-c", str(gateway))
    assert done.out.splitlines()[0] == "flat-12  SMS: ACCOUNT#METER#T1#T2  account 230100456789"
    assert "  T1  2000  kWh  day    +2000" in done.out.splitlines()
    assert "not kept" not in done.out
    monkeypatch.setenv("COLUMNS", "40")
    narrow = run("statement", "show", "flat-12", "-c", str(gateway)).out
    assert max(map(len, narrow.splitlines())) <= 40
    assert set(done.out.split()) <= set(narrow.split())


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("check", "flat-99"), "no point named 'flat-99'; there are: flat-12"),
        (("show", "flat-99"), "no point named 'flat-99'"),
        (("history", "flat-99"), "no point named 'flat-99'"),
        (("list", "--month", "october"), "expected a month such as 2026-10"),
        (("confirm", "flat-12"), "no figures"),
        (("check", "flat-12", "--correct"), "leave --correct out"),
        (("send", "flat-12", "--channel", "mail"), "no way 'mail'"),
    ],
)
def test_what_cannot_be_done_ends_with_words_and_1(run: Run, gateway: Path, args: tuple[str, ...], words: str) -> None:
    done = run("statement", *args, "-c", str(gateway))
    assert done.code == 1
    assert words in done.err
    assert statements(gateway) == []


def test_some_points_that_fail_do_not_keep_the_others_back(run: Run, gateway: Path) -> None:
    done = run("statement", "check", "flat-12", "flat-99", "-c", str(gateway), "--json")
    assert done.code == 3
    assert len(done.document["statements"]) == 1
    assert done.document["failed"][0].startswith("no point named 'flat-99'")


@pytest.mark.slow
def test_a_modem_that_is_not_there_ends_with_1_and_what_to_do(run: Run, gateway: Path) -> None:
    change(gateway, "[[bus]]", '[modem]\nport = "/dev/nowhere"\n\n[[bus]]')
    done = run("statement", "send", "flat-12", "--channel", "sms", "-c", str(gateway))
    assert done.code == 1
    assert "is the modem plugged in" in " ".join(done.out.split())
    assert documents(run, gateway, "history", "flat-12")[0]["steps"][-1]["what"] == "failed"


def test_without_a_store_none_is_made(run: Run, house: Path) -> None:
    done = run("statement", "list", "-c", str(house))
    assert (done.code, list((house.parent / "state").iterdir())) == (1, [])
    assert "no store in" in done.err


def test_a_house_without_accounts_is_told_what_to_write(run: Run, house: Path) -> None:
    store(house).close()
    done = run("statement", "list", "-c", str(house))
    assert (done.code, done.err.count("account and a utility")) == (1, 1)


@pytest.fixture
def daemon(gateway: Path) -> Iterator[list[dict[str, Any]]]:
    """A daemon's socket that writes down what it is asked."""
    asked: list[dict[str, Any]] = []
    done = threading.Event()

    def answer(question: Any) -> Any:
        asked.append(dict(question))
        done.set()
        if question["points"] == ["flat-99"]:
            raise ValueError("no point named 'flat-99'")
        one = {"point": "flat-12", "month": "2026-11", "figures": {"T1": 5}, "state": "sent", "last": None}
        return {"statements": [one]}

    server = ControlServer(gateway.parent / "state", {"statement-action": answer})
    yield asked
    server.close()


def test_with_a_daemon_it_is_asked(run: Run, gateway: Path, daemon: list[dict[str, Any]]) -> None:
    done = run("statement", "send", "flat-12", "--channel", "sms", "--again", "--by", "ivanov", "-c", str(gateway))
    assert done.code == 0
    assert "T1 5" in done.out
    (asked,) = daemon
    assert asked == {
        "do": "send",
        "points": ["flat-12"],
        "month": None,
        "by": "ivanov",
        "why": "",
        "channel": "sms",
        "again": True,
        "late": False,
    }
    assert statements(gateway) == []


def test_the_daemons_no_is_told(run: Run, gateway: Path, daemon: list[dict[str, Any]]) -> None:
    done = run("statement", "hold", "flat-99", "-c", str(gateway))
    assert (done.code, done.err) == (1, "no point named 'flat-99'\n")

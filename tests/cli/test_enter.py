"""``meterpost enter``: a reading typed at the cabinet, with and without a running daemon."""

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from agent.config.load import load
from agent.control import arguments
from agent.control.unix_socket import ControlServer
from agent.host.clock import SystemClock
from agent.manual.reminder import ManualPoints
from buffer.record import Record
from buffer.writer import Writer
from simulators.intake.validate import Validator
from tests.buffer.plant import opened
from tests.cli.conftest import Done, Run, change

MANUAL = """
[[meter]]
point = "cellar"
driver = "manual"
serial = "00123"
digits = 5
tariffs = { T1 = "day", T2 = "night" }
"""
FIGURES = ("T1=01234,5", "T2=00567")

Enter = Callable[..., Done]


@pytest.fixture
def house(house: Path) -> Path:
    """With a point that is read by hand, and the store of a daemon that has ended."""
    change(house, 'timezone = "Europe/Moscow"', 'timezone = "Europe/Moscow"\nclock = "trust"')
    house.write_text(house.read_text(encoding="utf-8") + MANUAL, encoding="utf-8")
    opened(house.parent / "state").close()
    return house


@pytest.fixture
def enter(run: Run, house: Path) -> Enter:
    return lambda *args: run("enter", *args, "-c", str(house))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """An operator at a terminal who types these lines."""

    def types(text: str) -> None:
        stream = io.StringIO(text)
        monkeypatch.setattr(stream, "isatty", lambda: True)
        monkeypatch.setattr(sys, "stdin", stream)

    return types


def stored(house: Path) -> list[Record]:
    with closing(opened(house.parent / "state")) as store:
        return [record for record, _, _ in store.rows()]


def test_a_typed_reading_is_stored_and_shown(enter: Enter, house: Path) -> None:
    done = enter("cellar", *FIGURES, "--by", "Ivanov", "--serial", "123")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0].startswith("cellar  meter 00123  ")
    assert done.out.splitlines()[0].endswith("  [manual]")
    assert "T1  1234.500  kWh  day" in done.out
    (record,) = stored(house)
    assert (record.kind, record.values, record.seq) == ("now", {"1-0:1.8.1": 1_234_500, "1-0:1.8.2": 567_000}, 1)


def test_json_is_one_document(enter: Enter) -> None:
    done = enter("cellar", *FIGURES, "--json")
    document = done.document
    assert Validator().objections("enter", done.out) == []
    assert document["schema"] == "meterpost/enter/1"
    assert (document["stored"], document["known"], document["doubts"]) == (True, False, [])
    assert document["record"]["values"] == {"1-0:1.8.1": 1234500, "1-0:1.8.2": 567000}
    assert (document["record"]["seq"], document["record"]["flags"]) == (1, ["manual"])


def test_a_doubtful_reading_is_shown_and_stored_with_yes_only(enter: Enter, house: Path) -> None:
    enter("cellar", *FIGURES)
    done = enter("cellar", "T1=01200", "T2=00567")
    assert done.code == 1
    assert "doubtful: T1: 1200 is less than 1234.5 on " in done.err
    assert "not stored" in done.err
    assert len(stored(house)) == 1
    done = enter("cellar", "T1=01200", "T2=00567", "--yes")
    assert done.code == 0
    assert [record.flags for record in stored(house)] == [("manual",), ("manual", "backwards")]


def test_a_doubtful_reading_ends_with_1_for_a_program_too(enter: Enter) -> None:
    enter("cellar", *FIGURES)
    done = enter("cellar", "T1=01200", "T2=00567", "--json")
    assert done.code == 1
    assert (done.document["stored"], len(done.document["doubts"])) == (False, 1)


def test_the_same_reading_twice_is_one(enter: Enter, house: Path) -> None:
    for _ in range(2):
        done = enter("cellar", *FIGURES, "--at", "2026-11-20T18:30")
        assert done.code == 0
    assert "stored already" in done.err
    assert len(stored(house)) == 1


@pytest.mark.parametrize(
    ("at", "said"), [("2026-11-20", "2026-11-20 12:00:00"), ("2026-11-20T18:30", "2026-11-20 18:30:00")]
)
def test_a_day_stands_for_its_noon_and_a_time_for_itself(enter: Enter, at: str, said: str) -> None:
    done = enter("cellar", *FIGURES, "--at", at)
    assert done.code == 0
    assert f"cellar  meter 00123  {said}  [manual]" in done.out


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("cellar", "T1=1234", "T2=00567"), 1, "type zeros in front too, 01234"),
        (("cellar", "T1=01234"), 1, "T2 missing"),
        (("cellar", *FIGURES, "--at", "2126-11-20"), 1, "still to come"),
        (("cellar", *FIGURES, "--serial", "124"), 1, "was the meter replaced?"),
        (("cellar", "01234"), 2, "write T1=12345,6"),
        (("cellar", "T5=01234"), 2, "write T1=12345,6"),
        (("cellar", "T1=01234", "t1=01234"), 2, "T1 twice"),
        (("cellar", *FIGURES, "--at", "yesterday"), 2, "is not a valid time"),
        (("flat-12", *FIGURES), 2, "meterpost read flat-12"),
        (("attic", *FIGURES), 2, "no point named 'attic'"),
    ],
)
def test_what_cannot_be_taken_is_said_with_what_to_do(
    enter: Enter, house: Path, args: tuple[str, ...], code: int, said: str
) -> None:
    done = enter(*args)
    assert (done.code, done.out) == (code, "")
    assert said in " ".join(done.err.replace("│", " ").split())
    assert stored(house) == []


def test_where_no_store_is_none_is_made(enter: Enter, house: Path) -> None:
    for file in (house.parent / "state").iterdir():
        file.unlink()
    done = enter("cellar", *FIGURES)
    assert done.code == 1
    assert "no store in" in done.err
    assert not list((house.parent / "state").iterdir())


def test_at_a_terminal_what_is_missing_is_asked_for(enter: Enter, house: Path, terminal: Callable[[str], None]) -> None:
    terminal("00567\n")
    done = enter("cellar", "T1=01234,5")
    assert done.code == 0
    assert "T2 (night):" in done.err
    assert stored(house)[0].values == {"1-0:1.8.1": 1_234_500, "1-0:1.8.2": 567_000}


@pytest.mark.parametrize(("typed", "code", "count"), [("y\n", 0, 2), ("n\n", 1, 1), ("\n", 1, 1)])
def test_at_a_terminal_a_doubtful_reading_is_asked_about(
    enter: Enter, house: Path, terminal: Callable[[str], None], typed: str, code: int, count: int
) -> None:
    enter("cellar", *FIGURES)
    terminal(typed)
    done = enter("cellar", "T1=01200", "T2=00567")
    assert done.code == code
    assert "is less than 1234.5" in done.err
    assert len(stored(house)) == count


@contextmanager
def daemon(house: Path) -> Iterator[list[Record]]:
    """The part of a daemon that answers ``enter``; the records that it has stored."""
    config = load(house)
    store = opened(config.gateway.state_dir)
    seen: list[Record] = []
    writer = Writer(store, on_stored=seen.extend, group=0.0)
    points = ManualPoints(config, store, writer, SystemClock(trust=True), writer.submit)
    server = ControlServer(config.gateway.state_dir, {"enter": lambda args: points.enter(arguments.enter(args))})
    try:
        yield seen
    finally:
        server.close()
        writer.close()
        store.close()


def test_while_the_daemon_runs_it_takes_the_reading_and_hands_it_on(enter: Enter, house: Path) -> None:
    with daemon(house) as handed_on:
        assert json.loads(enter("cellar", *FIGURES, "--json").out)["record"]["seq"] == 1
        assert [(record.point, record.flags) for record in handed_on] == [("cellar", ("manual",))]
        refused = enter("cellar", "T1=1", "T2=00567")
        assert (refused.code, "type zeros in front" in refused.err) == (1, True)
        assert enter("cellar", "T1=01200", "T2=00567").code == 1
        assert enter("cellar", "T1=01200", "T2=00567", "--yes").code == 0
        assert len(handed_on) == 2


def test_read_says_that_a_person_reads_it(run: Run, house: Path) -> None:
    done = run("read", "cellar", "-c", str(house))
    assert done.code == 2
    assert "meterpost enter cellar" in " ".join(done.err.replace("│", " ").split())


def test_status_without_a_daemon_shows_that_a_reading_is_due(run: Run, house: Path) -> None:
    document = run("status", "-c", str(house), "--json").document
    (cellar,) = [meter for meter in document["meters"] if meter["point"] == "cellar"]
    assert (cellar["bus"], cellar["state"], cellar["last"], cellar["due"]) == ("", "ok", None, True)
    assert [meter["point"] for meter in document["meters"]] == ["flat-12", "cellar"]
    assert "due" not in document["meters"][0]
    row = next(line for line in run("status", "-c", str(house)).out.splitlines() if line.startswith("cellar"))
    assert row.split() == ["cellar", "never", "due"]


def test_drivers_lists_it_with_now_alone(run: Run) -> None:
    (one,) = run("drivers", "manual", "--json").document
    assert one == {"name": "manual", "models": ["manual"], "kinds": ["now"], "settings": []}
    said = run("drivers", "manual").out
    assert "an operator types in" in " ".join(said.split())
    assert "polls" not in said
    assert "line:" not in said

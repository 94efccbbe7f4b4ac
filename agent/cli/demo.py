"""``meterpost demo``: the whole way of a reading on one machine, without a meter or a server."""

import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.cli.demo_house import DemoVerdict, House, confirmed_by_point
from agent.cli.screen import colour, table, width, wrapped
from agent.cli.status import age, kwh
from agent.exits import Exit, Failure

HOUSE = Path(__file__).parents[2] / "simulators" / "plants" / "house.toml"
WITHOUT_TERMINAL = 30.0  # s
REFRESH = 0.5
CLEAR = "\x1b[H\x1b[J"
HEADINGS = ("point", "meter", "T1", "T2", "T3", "total", "age", "confirmed")
COLUMNS = (HEADINGS, tuple(name for name in HEADINGS if name != "meter"), ("point", "total", "age", "confirmed"))


def demo(
    plant: Annotated[
        Path, typer.Option("--plant", metavar="PLANT.toml", help="Another house.", show_default="the example")
    ] = HOUSE,
    seconds: Annotated[
        float | None, typer.Option("--for", min=5.0, help="End by itself after this many seconds.")
    ] = None,
) -> None:
    """Run a simulated house, a broker, an intake and the real daemon, and watch readings arrive.

    Ends with Ctrl-C, after --for seconds, or after 30 s without a terminal; succeeds only if the intake then holds
    exactly what the meters said.

    \b
    Example:
      meterpost demo --for 20
    """
    terminal = sys.stdout.isatty()
    limit = seconds if seconds is not None else None if terminal else WITHOUT_TERMINAL
    with tempfile.TemporaryDirectory(prefix="meterpost-demo-") as folder:
        try:
            with _ended_properly(), House(plant, Path(folder)) as house:
                if not terminal:
                    print(f"{_title(house)}; {limit:g} s", flush=True)
                _watch(house, limit, terminal)
                verdict = house.finish()
        except (ValueError, RuntimeError, OSError) as trouble:
            raise Failure(f"the demo does not start: {trouble}", Exit.FAILED) from None
    _summary(verdict)
    if not verdict.good:
        raise typer.Exit(Exit.FAILED)


@contextmanager
def _ended_properly() -> Iterator[None]:
    """A terminal that is closed, and SIGTERM, are Ctrl-C: daemon and broker have sessions of their own and would go on
    alone. Under nohup a closed terminal stays ignored."""
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP)}
    for one, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(one, signal.default_int_handler)
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _title(house: House) -> str:
    meters, buses = len(house.plant.meters), len(house.plant.lines)
    return f"demo: {meters} simulated meters on {buses} buses, broker {house.broker.name}, a daemon and an intake"


def _watch(house: House, limit: float | None, terminal: bool) -> None:
    end = time.monotonic() + limit if limit is not None else float("inf")
    try:
        while time.monotonic() < end and house.running():
            if terminal:
                print(CLEAR + "\n".join(_screen(house, end)), flush=True)
            time.sleep(min(REFRESH, max(0.0, end - time.monotonic())))
    except KeyboardInterrupt:
        return


def _screen(house: House, end: float) -> list[str]:
    status = house.status()
    rest = "" if end == float("inf") else f"  {max(0.0, end - time.monotonic()):.0f} s left"
    lines = [colour("bold", wrapped(_title(house))), f"Ctrl-C ends it{rest}", ""]
    if status is None:
        return [*lines, "the daemon is starting…"]
    confirmed = confirmed_by_point(house.intake.rows())
    lines += meter_table([_row(meter, confirmed) for meter in status["meters"]])
    counts = f"stored {status['last_seq']}, confirmed {status['confirmed']}, pending {status['pending']}"
    return [*lines, "", wrapped(counts)]


def meter_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """With as many columns as the terminal has space for: on a phone the totals alone."""
    lines: list[str] = []
    for wanted in COLUMNS:
        shown = [[row[HEADINGS.index(name)] for name in wanted] for row in (HEADINGS, *rows)]
        lines = table(shown, right=[place for place, name in enumerate(wanted) if name not in ("point", "meter")])
        if max(map(len, lines)) <= width():
            break
    return lines


def _row(meter: dict[str, Any], confirmed: dict[str, int]) -> tuple[str, ...]:
    values = meter["values"]
    shown = [kwh(values.get(f"1-0:1.8.{number}")) for number in "1230"]
    return (meter["point"], meter["driver"], *shown, age(meter["last"]), str(confirmed.get(meter["point"], 0)))


def _summary(verdict: DemoVerdict) -> None:
    counts = (
        f"polled {verdict.polled}, stored {verdict.stored}, delivered {verdict.delivered}, "
        f"confirmed {verdict.confirmed}, lost {verdict.lost}"
    )
    print(wrapped(counts))
    for line in verdict.wrong[:20]:
        print(colour("red", line))
    if verdict.good:
        print(colour("green", "the intake holds exactly what the meters said"))

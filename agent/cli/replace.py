"""``meterpost replace``: a point has another meter. Shows everything first, changes it with --yes."""

import difflib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, TypeVar
from zoneinfo import ZoneInfo

import typer

from agent.cli.asking import ask
from agent.cli.history import find_point
from agent.cli.output import CONFIG, DEFAULT_FILE, load_config
from agent.cli.screen import colour, fitted, note, wrapped
from agent.config.values import Config, Meter
from agent.control.unix_socket import NoAnswer, RequestRefused
from agent.exits import Exit, Failure
from agent.host.clock import SystemClock
from agent.replacement import act as acts
from agent.replacement.act import InvalidReplacement, Readings, ReplacementRecord
from agent.replacement.new_meter import new_meter, replaced_event
from agent.replacement.rewrite import Unwritable, changed, new_text, put
from buffer.body import record_from_json
from buffer.record import Record, number_text
from buffer.store import Store

T = TypeVar("T")
TAKEN_WITHIN = 20.0  # s in which the daemon should have the new configuration; it ends its dialogues first


def replace(
    point: Annotated[str, typer.Argument(metavar="POINT")],
    serial: Annotated[str | None, typer.Option("--serial", help="Number of the new meter.")] = None,
    day: Annotated[str | None, typer.Option("--date", metavar="DATE", help="Of the act; today without it.")] = None,
    final: Annotated[
        str | None, typer.Option("--final", metavar="T1=…,T2=…", help="kWh of the old meter; else its last stored.")
    ] = None,
    initial: Annotated[
        str | None, typer.Option("--initial", metavar="T1=…,T2=…", help="kWh of the new meter; else it is read now.")
    ] = None,
    address: Annotated[str | None, typer.Option("--address", help="Of the new meter, where it is another.")] = None,
    driver: Annotated[str | None, typer.Option("--driver", help="Of the new meter, where it is another.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it; without it everything is only shown.")] = False,
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
) -> None:
    """Close the old meter of a point and open the new one: the readings of the act go into the configuration.

    Readings are those that the meters show (kWh, without the transformer ratio). Without --yes nothing is changed.

    \b
    Example:
      meterpost replace flat-12 --serial 30000001 --final T1=1513.2,T2=655.1
    """
    values = load_config(config, service=False)
    meter = find_point(values, point)
    now, zone = datetime.now(UTC), ZoneInfo(values.gateway.timezone)
    try:
        with _store(values, now) as store:
            act = _gather(_Answers(values, meter, zone, now, store), serial, day, final, initial, address, driver)
            page = _page(config, act)
            _show(act, page, store, zone, now)
    except InvalidReplacement as trouble:
        raise typer.BadParameter(str(trouble), param_hint=trouble.option) from None
    if not yes:
        print(wrapped("nothing was changed; the same with --yes does it"))
        return
    copy = put(page.file, page.old, page.new, now)
    print(wrapped(f"{page.file} is changed; the old one is {copy.name}"))
    _tell(values, act)


# ── what the act says ────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Answers:
    values: Config
    meter: Meter
    zone: ZoneInfo
    now: datetime
    store: Store | None


def _gather(
    asked: _Answers,
    serial: str | None,
    day: str | None,
    final: str | None,
    initial: str | None,
    address: str | None,
    driver: str | None,
) -> ReplacementRecord:
    meter = asked.meter

    def of_serial(typed: str) -> str:
        acts.check_serial(meter, typed.strip(), asked.values.meters)
        return typed.strip()

    number = _or_asked(serial, f"serial number of the new meter of {meter.point}", "--serial", of_serial)
    when = _date(day) if day else asked.now.astimezone(asked.zone).date()
    acts.check_day(meter, when, asked.now.astimezone(asked.zone).date())
    last = acts.last_reading(asked.store, meter)
    gone = _final(asked, final, last)
    come = _initial(asked, initial, number, address, driver)
    return ReplacementRecord(meter, number, when, gone, come, address, driver)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidReplacement(f"found {text!r}, expected a date such as 2026-11-21", "--date") from None


def _final(asked: _Answers, text: str | None, last: Record | None) -> Readings:
    wanted = acts.tariffs_of(asked.meter, last)

    def checked(energies: dict[str, Decimal]) -> dict[str, Decimal]:
        acts.check_tariffs(energies, wanted, "--final")
        acts.check_final(energies, last, asked.zone)
        return energies

    def of_final(typed: str) -> dict[str, Decimal]:
        return checked(acts.figures(typed, "--final"))

    if text is not None or last is None:
        what = f"final readings of {asked.meter.serial}, kWh, such as {_such_as(wanted)}"
        return Readings(_or_asked(text, what, "--final", of_final), "as given")
    hours = (asked.now - last.at).total_seconds() / 3600
    origin = (
        f"the last stored reading, {last.at.astimezone(asked.zone):%Y-%m-%d %H:%M} ({hours:.1f} h ago); "
        "what went through it later is lost: give --final from the act"
    )
    return Readings(checked(acts.energies_of(last, wanted)), origin)


def _such_as(wanted: Sequence[str]) -> str:
    return ",".join(
        f"{name}={number}" for name, number in zip(wanted or ["T1"], ("12.4", "3.1", "0.5", "0"), strict=False)
    )


def _initial(asked: _Answers, text: str | None, serial: str, address: str | None, driver: str | None) -> Readings:
    meter, why = asked.meter, None
    wanted = list(meter.tariffs or ())

    def of_initial(typed: str) -> dict[str, Decimal]:
        energies = acts.figures(typed, "--initial")
        acts.check_tariffs(energies, wanted if not driver else [], "--initial")
        return energies

    if text is None:
        why = "a meter of another driver is not read before it is configured" if driver else None
        record = None
        if meter.manual:
            why = "this meter is read by hand"
        if why is None:
            record, why = _read_new(asked, new_meter(meter, serial, address))
        if record is not None:
            energies = acts.energies_of(record, wanted)
            origin = f"what meter {record.meter} shows now; give --initial where the act says otherwise"
            acts.check_tariffs(energies, wanted if len(energies) > 1 else [], "--initial")
            return Readings(energies, origin)
    what = f"initial readings of {serial}, kWh, such as {_such_as(wanted)}"
    return Readings(_or_asked(text, what, "--initial", of_initial, why or ""), "as given")


def _or_asked(given: str | None, what: str, option: str, judge: Callable[[str], T], why: str = "") -> T:
    """What was given, else what the operator at the terminal types, who is asked again where ``judge`` finds that it
    cannot be (NotAnAct); Failure where no one is there."""
    if given is not None:
        return judge(given)
    if not sys.stdin.isatty():
        raise Failure(f"{option} is missing: {what}{f' ({why})' if why else ''}", Exit.USAGE)
    if why:
        note(wrapped(why))
    while True:
        try:
            return judge(str(typer.prompt(wrapped(what))))
        except InvalidReplacement as trouble:
            note(wrapped(str(trouble)))


def _read_new(asked: _Answers, meter: Meter) -> tuple[Record | None, str]:
    """The new meter's registers, through the daemon or on the open port; or why not."""
    try:
        answer = ask(asked.values, "read-new", point=meter.point, serial=meter.serial, address=meter.address)
    except (RequestRefused, NoAnswer) as trouble:
        return None, f"the new meter could not be read: {trouble}"
    if answer is not None:
        records = [record_from_json(text) for text in answer["records"]]
        troubles = [str(failed["error"]) for failed in answer["failed"]]
    else:
        from agent.control import offline

        others = tuple(meter if one.point == meter.point else one for one in asked.values.meters)
        records, failed = offline.read(_with(asked.values, others), [meter.point], "now")
        troubles = [str(trouble) for trouble in failed.values()]
    found = [record for record in records if record.kind == "now"]
    why = f"the new meter could not be read: {'; '.join(troubles) or 'no answer'}"
    return (found[0], "") if found else (None, why)


def _with(values: Config, meters: tuple[Meter, ...]) -> Config:
    from dataclasses import replace as copied

    return copied(values, meters=meters)


@contextmanager
def _store(values: Config, now: datetime) -> Iterator[Store | None]:
    """What is stored, to look at; None where nothing ever was."""
    try:
        store = Store.open(values.gateway.state_dir, now=lambda: now, read_only=True)
    except FileNotFoundError:
        yield None
        return
    try:
        yield store
    finally:
        store.close()


# ── the file ─────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Page:
    file: Path
    old: bytes
    new: bytes


def _page(config: Path, act: ReplacementRecord) -> _Page:
    """The file in which this point stands, and its new text: judged as a whole before anybody sees it."""
    from agent.config.load import judged
    from agent.config.source import read_all

    sources, _ = read_all(config.absolute())
    for place, source in enumerate(sources):
        for index, one in enumerate(source.data.get("meter", [])):
            if one.get("point") == act.meter.point:
                old = source.file.read_bytes()
                try:
                    new = new_text(old.decode("utf-8"), source, index, act)
                except Unwritable as trouble:
                    hint = f"write this into the table of {act.meter.point} by hand, then reload:\n{trouble.lines}"
                    raise Failure(str(trouble), Exit.FAILED, hint) from None
                sources[place] = changed(source, new)
                judged(sources, service=False)
                return _Page(source.file, old, new.encode())
    raise Failure(f"{act.meter.point} stands in none of the files", Exit.FAILED)


def _show(act: ReplacementRecord, page: _Page, store: Store | None, zone: ZoneInfo, now: datetime) -> None:
    meter = act.meter
    print(wrapped(f"{meter.point}: meter {meter.serial} goes, {act.serial} comes, on {act.day}"))
    rows = [["", f"final of {meter.serial}", f"initial of {act.serial}", ""]]
    for name in sorted({*act.final.energies, *act.initial.energies}):
        readings = [_kwh(side.energies.get(name)) for side in (act.final, act.initial)]
        rows.append([name, *readings, (meter.tariffs or {}).get(name, "")])
    print("\n".join(fitted(rows[0], rows[1:], (1, 2))))
    print(wrapped(f"final: {act.final.origin}"))
    print(wrapped(f"initial: {act.initial.origin}"))
    used = acts.used_this_month(store, act, now, zone)
    if used:
        said = ", ".join(f"{name} {text}" for name, text in used.items())
        print(wrapped(f"used in {now.astimezone(zone):%Y-%m}, both meters, up to the new one's initial: {said}"))
    else:
        print(wrapped("used this month: not known, no reading at its start"))
    print("\n".join(_diff(page)))


def _kwh(value: object) -> str:
    return "" if value is None else number_text(value)  # type: ignore[arg-type]


def _diff(page: _Page) -> Sequence[str]:
    old, new = (side.decode("utf-8").splitlines() for side in (page.old, page.new))
    lines = difflib.unified_diff(old, new, str(page.file), f"{page.file} (new)", n=2, lineterm="")
    colours = {"+": "green", "-": "red"}
    return [colour(colours[line[0]], line) if line[:1] in colours else line for line in lines]


# ── afterwards ───────────────────────────────────────────────────────────


def _tell(values: Config, act: ReplacementRecord) -> None:
    """The daemon takes the new configuration and raises the event; without one the event goes into the store."""
    try:
        if ask(values, "reload") is None:
            _keep_event(values, act)
            return
    except (RequestRefused, NoAnswer, PermissionError) as trouble:
        raise Failure(f"the daemon was not told ({trouble})", Exit.FAILED, "sudo systemctl reload meterpost") from None
    end = time.monotonic() + TAKEN_WITHIN
    while time.monotonic() < end:
        try:
            status = ask(values, "status")
        except (RequestRefused, NoAnswer):
            break
        if status is None:
            break
        meters = status["meters"]
        if any(one["point"] == act.meter.point and one["serial"] == act.serial for one in meters):
            print(wrapped(f"the daemon has it: {act.meter.point} is meter {act.serial}"))
            return
        time.sleep(0.2)
    hint = "journalctl -u meterpost -n 20 says why; meterpost check"
    raise Failure("the daemon has not taken the new configuration yet", Exit.LATER, hint)


def _keep_event(values: Config, act: ReplacementRecord) -> None:
    from agent.control.offline import change

    state_dir = values.gateway.state_dir
    with _store(values, datetime.now(UTC)) as store:
        there = store is not None
    if not there:
        print(wrapped("the daemon does not run and has no store yet: no event is kept"))
        return
    event = replaced_event(act.after(), SystemClock(trust=values.gateway.clock == "trust").stamp())
    change(state_dir, lambda store: len(store.put([event])))
    print(wrapped(f"the daemon does not run; the event is stored: {event.event['text'] if event.event else ''}"))

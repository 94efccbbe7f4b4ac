"""``meterpost check``: the configuration, the lines' time, the ports and places of this machine."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.cli.output import CONFIG, DEFAULT_FILE, JSON
from agent.cli.screen import colour, emit, explain_faults, fitted, wrapped
from agent.config.values import Bus, Config, Intake
from agent.config.words import period
from agent.exits import Exit
from agent.line.budget import Budget
from drivers.files.faults import ConfigError

SCHEMA = "meterpost/check/1"
ORIGINS = {"file": "", "default": " (default)", "bus": " (from the bus)", "poll": " (from [poll])"}


def check(
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    explain: Annotated[bool, typer.Option("--explain", help="Show every value and where it comes from.")] = False,
    as_json: Annotated[bool, JSON] = False,
) -> int:
    """Check the configuration and compute what the lines will have to bear. Touches no meter.

    Every fault is listed, exit code 78 (77 where you may not read the file). Warnings leave the exit code at 0.

    Example: meterpost check -c meterpost.toml --explain
    """
    from agent.config.load import load

    try:
        values = load(config, service=False)
    except ConfigError as trouble:
        if as_json:
            faults = [asdict(fault) for fault in trouble.faults]
            emit({"schema": SCHEMA, "ok": False, "faults": faults, "warnings": []})
        explain_faults(trouble)
        return Exit.PERMISSION if trouble.denied else Exit.CONFIG
    from agent.cli.bus_time import budgets

    made = budgets(values)
    warnings = [
        *values.warnings,
        *_of_statements(values),
        *_of_lines(made),
        *_of_identity(values),
        *_of_machine(values),
    ]
    if as_json:
        emit(_document(values, made, warnings, explain))
        return Exit.DONE
    _print(values, made, warnings)
    if explain:
        _print_values(values)
    return Exit.DONE


def _print(values: Config, made: list[Budget], warnings: list[str]) -> None:
    buses, meters = len(values.buses), len(values.meters)
    print(wrapped(f"{values.gateway.id}: {_count(buses, 'bus', 'buses')}, {_count(meters, 'meter', 'meters')}"))
    print(wrapped(f"intake {values.intake.url}{_with(values.intake)}"))
    print(wrapped(f"state in {values.gateway.state_dir}, days in {values.gateway.timezone}"))
    for bus, one in zip(values.buses, made, strict=True):
        print()
        line = "" if bus.port.startswith("tcp://") else f"  {bus.line.speed} {bus.line.format}"
        print(colour("bold", wrapped(f"{bus.name}  {bus.port}{line}")))
        print("\n".join(_budget(one)))
    for warning in warnings:
        print()
        print(colour("yellow", wrapped(f"warning: {warning}")))
    print()
    print(colour("green", "The configuration is sound.") if not warnings else f"Sound, {len(warnings)} to look at.")


def _budget(made: Budget) -> list[str]:
    if not made.rounds:
        return ["  nothing is polled here"]
    rows = [
        (
            one.kind,
            str(one.meters),
            period(one.period),
            _seconds(one.alive),
            _seconds(one.dead) if one.meters > 1 else "-",
        )
        for one in made.rounds
    ]
    lines = fitted(("poll", "meters", "every", "round", "one dead"), rows, right=(1, 2, 3, 4))
    worst = max(one.finding for one in made.rounds)
    share = f"uses {made.load:.1%} of the time, {made.load_dead:.1%} with one dead"
    lines.append(colour("green" if made.kept and not made.tight else "red", wrapped(share)))
    lines.append(wrapped(f"a meter that falls silent: rounds of {_seconds(worst)} until it counts as silent"))
    return lines


def _print_values(values: Config) -> None:
    from agent.config.explain import explain

    table = ""
    print()
    for entry in explain(values):
        name = entry.key.split(".")[0]
        if name != table:
            print(colour("bold", f"{name}:"))
            table = name
        key = entry.key.removeprefix(f"{name}.")
        print(wrapped(f"{key} = {entry.value}{ORIGINS[entry.origin]}"))


def _document(values: Config, made: list[Budget], warnings: list[str], explained: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "ok": True,
        "faults": [],
        "warnings": warnings,
        "gateway": values.gateway.id,
        "files": [str(file) for file in values.files],
        "intake": values.intake.url,
        "state_dir": str(values.gateway.state_dir),
        "buses": [_bus(bus, one) for bus, one in zip(values.buses, made, strict=True)],
        "meters": [
            {key: getattr(meter, key) for key in ("point", "bus", "driver", "address", "serial", "account")}
            for meter in values.meters
        ],
    }
    if explained:
        from agent.config.explain import explain

        document["values"] = [asdict(entry) for entry in explain(values)]
    return document


def _bus(bus: Bus, made: Budget) -> dict[str, Any]:
    """Seconds and shares to a millisecond and a tenth of a percent: they are estimates."""
    rounds = [
        {"kind": one.kind, "meters": one.meters, "period_s": one.period, "kept": one.kept}
        | {f"{name}_s": round(getattr(one, name), 3) for name in ("alive", "dead", "finding")}
        for one in made.rounds
    ]
    return {
        "name": bus.name,
        "port": bus.port,
        "speed": bus.line.speed,
        "format": bus.line.format,
        "load": round(made.load, 3),
        "load_dead": round(made.load_dead, 3),
        "kept": made.kept,
        "rounds": rounds,
        "advice": list(made.advice),
    }


def _of_lines(made: list[Budget]) -> list[str]:
    warnings = []
    for one in made:
        if not one.kept:
            warnings.append(f"{one.bus}: cannot keep its periods; {' or '.join(one.advice)}")
        elif one.tight:
            warnings.append(f"{one.bus}: no time for retries and old gaps; {' or '.join(one.advice)}")
    return warnings


def _of_identity(values: Config) -> list[str]:
    """Meters that will be ``unidentified``: nothing would tell another one in their place."""
    from agent.meters.build import state_of

    read = [meter for meter in values.meters if not meter.manual]
    silent = [meter.point for meter in read if not state_of(meter, values).driver.traits.identified]
    if not silent:
        return []
    return [f"{', '.join(silent)}: the model tells no serial number; another meter in its place would not be noticed"]


def _of_statements(values: Config) -> list[str]:
    """Points whose figures should leave by SMS or e-mail where MQTT fails, and cannot by either."""
    from agent.config.utility import profile_file
    from agent.config.utility.profile import channels_of, profile_of
    from agent.config.words import some

    if not any(meter.account and meter.utility for meter in values.meters):
        return []
    profiles = profile_file.load(values.gateway.utilities_dir)
    points: dict[tuple[str, ...], list[str]] = {}
    for meter in values.meters:
        profile = profile_of(meter, profiles)
        usable, why = channels_of(profile, values) if profile is not None else ([], [])
        if why and not usable:
            points.setdefault(tuple(why), []).append(meter.point)
    text = "the monthly figures leave by MQTT or not at all"
    return [f"{some(named)}: {text}: {'; '.join(why)}" for why, named in points.items()]


def may(path: Path | str, mode: int) -> bool:
    """Whether this user may use it so."""
    return os.access(path, mode)


def _of_machine(values: Config) -> list[str]:
    """What the file cannot be blamed for: ports and folders as this user sees them here and now."""
    warnings = [text for bus in values.buses if (text := _port(bus))]
    folder = values.gateway.state_dir
    if not os.path.isdir(folder):  # noqa: PTH112 - Path's raises where it may not look
        warnings.append(f"{folder}: not there yet (systemd makes it when the service starts)")
    elif not may(folder, os.W_OK | os.X_OK):
        warnings.append(f"{folder}: this user cannot write there (the service runs as its own user)")
    return warnings


def _port(bus: Bus) -> str | None:
    if "://" in bus.port:
        return None
    if not os.path.exists(bus.port):  # noqa: PTH110 - Path's raises where it may not look
        return f"{bus.name}: {bus.port} is not there; is it plugged in? (meterpost ports)"
    if not may(bus.port, os.R_OK | os.W_OK):
        return f"{bus.name}: you may not open {bus.port}: sudo usermod -aG dialout $USER, then log in again"
    return None


def _with(intake: Intake) -> str:
    parts = []
    if intake.username:
        parts.append(f"as {intake.username}" + (" with a password" if intake.password else ""))
    if intake.cert_file:
        parts.append("with a client certificate")
    return ", " + ", ".join(parts) if parts else ""


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value >= 10 else f"{value:.2f} s"

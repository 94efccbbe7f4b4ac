"""``meterpost doctor``: what is wrong, and what to do about it."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.output import CONFIG, DEFAULT_FILE, JSON, load_config
from agent.cli.screen import colour, emit, wrapped
from agent.config.values import Config
from agent.control.doctor import BAD, DOUBT, GOOD, Finding, Level, examine
from agent.exits import Exit

COLOURS = {GOOD: "green", DOUBT: "yellow", BAD: "red"}


def doctor(
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    meters: Annotated[bool, typer.Option("--meters", help="Ask every meter too.")] = False,
    as_json: Annotated[bool, JSON] = False,
) -> int:
    """Look at daemon, ports, clock, disk, store, broker and meters; say what to do. Exit code 1 if anything is bad.

    \b
    Example:
      meterpost doctor --meters
    """
    values = load_config(config, service=False, secrets=True)  # the broker is tried with them
    findings = []
    for finding in examine(values):
        findings.append(finding)
        if not as_json:
            _say(finding)
    for finding in _asked(values) if meters else ():
        findings.append(finding)
        if not as_json:
            _say(finding)
    bad = [finding for finding in findings if finding.level == BAD]
    if as_json:
        rows = [asdict(finding) for finding in findings]
        emit({"schema": "meterpost/doctor/1", "gateway": values.gateway.id, "ok": not bad, "findings": rows})
    return Exit.FAILED if bad else Exit.DONE


def _say(finding: Finding) -> None:
    lines = wrapped(f"{finding.level:<5}{finding.what}: {finding.text}", "      ")
    print(colour(COLOURS[finding.level], lines[:5]) + lines[5:])
    if finding.todo:
        print(wrapped(f"      {finding.todo}", "      "))


def _asked(values: Config) -> list[Finding]:
    """Every meter, now: through the daemon where one runs."""
    from agent.cli.read import ask

    points = [meter.point for meter in values.meters if not meter.manual]
    records, failed, _ = ask(values, points, "now", None, False)
    troubles = [Finding(f"meter {each['point']}", BAD, each["error"], each["hint"]) for each in failed]
    level: Level = DOUBT if troubles else GOOD
    return [*troubles, Finding("asked", level, f"{len(records)} of {len(points)} meters answered just now")]

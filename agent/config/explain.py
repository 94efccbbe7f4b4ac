"""Every value that is in force and where it comes from, for ``check --explain``."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date, time
from decimal import Decimal
from typing import Any

from agent.config.settings import written_as
from agent.config.values import Config, Meter, Secret
from agent.config.words import period
from buffer.record import number_text
from drivers import registry
from drivers.files.words import plain

PERIODS = ("hold", "receipt_timeout", "timeout", "fallback_before")
IN_URL = ("host", "port", "tls")  # of [intake]
OTHERWISE = ("where", "line", "poll", "settings", "before")  # of a meter: shown in a text of their own
SECRETS = {"password": "password_file", "pin": "pin_file"}  # what is read from a file and the key that names it


@dataclass(frozen=True, slots=True)
class Entry:
    """One key as it stands in the file or would stand there. ``origin``: "file", "default", "bus" or "poll"."""

    key: str
    value: str
    origin: str


def explain(config: Config) -> list[Entry]:
    """All keys in the order of the file's tables; a secret is ``***``."""
    unwritten = set(config.defaults)
    made = [*_table("gateway", config.gateway, unwritten), *_table("intake", config.intake, unwritten, IN_URL)]
    for name in ("statements", "modem", "mail", "exchange"):
        if (table := getattr(config, name)) is not None:
            made += _table(name, table, unwritten)
    for number, bus in enumerate(config.buses, 1):
        name = f"bus[{number}]"
        line = {"speed": bus.line.speed, "format": bus.line.format, "shared": bus.shared}
        values = {"name": bus.name, "port": bus.port, **line}
        made += [_entry(f"{name}.{key}", key, value, unwritten) for key, value in values.items()]
    for number, meter in enumerate(config.meters, 1):
        made += _meter(f"meter[{number}]", meter, config, unwritten)
    return made


def _table(name: str, table: Any, unwritten: set[str], without: tuple[str, ...] = ()) -> Iterator[Entry]:
    for one in fields(table):
        if one.name not in without:
            key = SECRETS.get(one.name, one.name)
            yield _entry(f"{name}.{key}", key, getattr(table, one.name), unwritten)


def _meter(name: str, meter: Meter, config: Config, unwritten: set[str]) -> Iterator[Entry]:
    if meter.manual:
        yield from _table(name, meter, unwritten, (*OTHERWISE, "bus", "address", "timeout", "password"))
    else:
        yield from _table(name, meter, unwritten, OTHERWISE)
        yield from _line(name, meter, config, unwritten)
    yield Entry(f"{name}.before", f"{len(meter.before)} earlier meters", "file" if meter.before else "default")
    for setting in registry.find(meter.driver, config.gateway.models_dir).settings:
        written = setting.name in meter.settings
        value = meter.settings[setting.name] if written else setting.default
        yield Entry(f"{name}.{setting.name}", written_as(setting, value), "file" if written else "default")


def _line(name: str, meter: Meter, config: Config, unwritten: set[str]) -> Iterator[Entry]:
    """The line of a meter's bus or its own, and what is polled over it."""
    number, _ = next((n, bus) for n, bus in enumerate(config.buses, 1) if bus.name == meter.bus)
    for key, value in (("speed", meter.line.speed), ("format", meter.line.format)):
        inherited = "default" if f"bus[{number}].{key}" in unwritten else "bus"
        yield Entry(f"{name}.{key}", plain(value), inherited if f"{name}.{key}" in unwritten else "file")
    for one in fields(meter.poll):
        own, common = f"{name}.poll.{one.name}", f"poll.{one.name}"
        inherited = "default" if common in unwritten else "poll"
        value = getattr(meter.poll, one.name)
        text = f'"{period(value)}"' if isinstance(value, float) else _shown(one.name, value)
        yield Entry(own, '"off"' if value is None else text, inherited if own in unwritten else "file")


def _entry(key: str, word: str, value: Any, unwritten: set[str]) -> Entry:
    return Entry(key, _shown(word, value), "default" if key in unwritten else "file")


def _shown(key: str, value: Any) -> str:
    if key in PERIODS and value is not None:
        return f'"{period(value)}"'
    match value:
        case None:
            return "none"
        case Secret() | bytes():
            return "***"
        case Decimal():
            return number_text(value)
        case date():
            return value.isoformat()
        case time():
            return f'"{value:%H:%M}"'
        case dict():
            return " ".join(["{", ", ".join(f"{name} = {_shown('', inner)}" for name, inner in value.items()), "}"])
        case tuple():
            return "[" + ", ".join(_shown("", inner) for inner in value) + "]"
        case str() | int():
            return plain(value)
    return f'"{value}"'

"""A driver's own keys in ``[[meter]]`` against the list that it declares."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, assert_never

from agent.config.tables import unknown_key
from agent.config.values import Secret
from agent.config.words import period, seconds
from drivers.family import Setting
from drivers.files.faults import Fault
from drivers.files.places import KeyPath
from drivers.files.source import Source
from drivers.files.words import meant, one_of, plain, shown


def read_settings(
    written: Mapping[str, Any], known: tuple[Setting, ...], common: list[str], source: Source, path: KeyPath
) -> tuple[dict[str, Any], list[Fault]]:
    """The written settings as the driver wants them (durations as Decimal seconds; of secrets the path of their file),
    and the faults of the others."""
    by_name = {setting.name: setting for setting in known}
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for key, value in written.items():
        where = (*path, key)
        setting = by_name.get(key)
        if setting is None:
            faults.append(unknown_key(key, [*common, *by_name], source, where))
            continue
        try:
            values[key] = _value(setting, value)
        except ValueError:
            hint = meant(value, setting.choices) if isinstance(value, str) else ""
            faults.append(source.fault(where, shown(value), expected(setting) + hint))
    return values, faults


def expected(setting: Setting) -> str:
    """What may stand there, as text."""
    match setting.kind:
        case "int":
            return f"a whole number{_range(setting)}"
        case "bool":
            return "true or false"
        case "choice":
            return one_of(setting.choices)
        case "secret":
            return 'the path of a file with it, or "credential:NAME"'
        case "duration":
            return f'a period such as "200ms"{_range(setting)}'
        case "text":
            return "text in quotes"
    assert_never(setting.kind)


def written_as(setting: Setting, value: Any) -> str:
    """A value as it stands in the file."""
    if setting.kind == "duration" and value is not None:
        return f'"{period(value)}"'
    return "none" if value is None else str(value) if isinstance(value, Secret) else plain(value)


def _range(setting: Setting) -> str:
    unit = " s" if setting.kind == "duration" else ""
    low = "" if setting.low is None else f" from {setting.low}{unit}"
    return low if setting.high is None else f"{low} up to {setting.high}{unit}"


def _value(setting: Setting, value: Any) -> Any:
    match setting.kind:
        case "int" if isinstance(value, int) and not isinstance(value, bool):
            return _within(setting, value)
        case "bool" if isinstance(value, bool):
            return value
        case "choice" if isinstance(value, str) and value in setting.choices:
            return value
        case "duration" if isinstance(value, str):
            return _within(setting, seconds(value))
        case "text" if isinstance(value, str) and value.isprintable():
            return value
        case "secret" if isinstance(value, str) and value.isprintable() and value:
            return Path(value)
    raise ValueError(value)


def _within(setting: Setting, value: int | Decimal) -> int | Decimal:
    if (setting.low is not None and value < setting.low) or (setting.high is not None and value > setting.high):
        raise ValueError(value)
    return value

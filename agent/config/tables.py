"""One table of the file against its shape: the sound part of it, and a fault for everything else."""

from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from agent.config.shape import MEANINGS, Table
from drivers.files.faults import Fault
from drivers.files.fields import unknown
from drivers.files.places import KeyPath
from drivers.files.source import Source
from drivers.files.words import likely, meant, one_of, shown

T = TypeVar("T", bound=Table)


def validate(model: type[T], raw: object, source: Source, path: KeyPath) -> tuple[T, list[Fault]]:
    """The table with its sound keys, absent ones None, and every fault of the others."""
    if not isinstance(raw, Mapping):
        return model(), [source.fault(path, shown(raw), f"a table [{path[0]}]")]
    faults: list[Fault] = []
    sound = dict(raw)
    try:
        table = model.model_validate(sound)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_context=False):
            faults.append(_fault(model, one["type"], one["loc"], one["input"], source, path))
            sound.pop(str(one["loc"][0]), None)
        table = model.model_validate(sound)
    for key in model.needed(raw):
        faults += [_missing(model, key, source, (*path, key))] if key not in raw else []
    if "tariffs" in type(table).model_fields:
        faults += _misspelt_meanings(getattr(table, "tariffs", None) or {}, source, path)
    return table, faults


def written(table: Table, *without: str) -> dict[str, Any]:
    """The written keys of a table: the others keep the defaults of the frozen values."""
    return {key: getattr(table, key) for key in table.model_fields_set if key not in without}


def _fault(model: type[Table], kind: str, loc: KeyPath, value: Any, source: Source, path: KeyPath) -> Fault:
    if loc[-1] == "[key]":  # the key itself of tariffs, initial, final
        words = ("T1", "T2", "T3", "T4")
        return source.fault((*path, *loc[:-1]), shown(value), one_of(words), at_key=True)
    where = (*path, *loc)
    if kind == "missing":
        return _missing(_model_of(model, loc[:-1]), str(loc[-1]), source, where)
    if kind == "extra_forbidden":
        return unknown_key(str(loc[-1]), list(_model_of(model, loc[:-1]).model_fields), source, where)
    field = _model_of(model, loc).model_fields.get(_last_word(loc)) or model.model_fields[str(loc[0])]
    expected = field.description or "another value"
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    choices = extra.get("choices")
    if isinstance(choices, list) and isinstance(value, str):
        expected += meant(value, map(str, choices))
    return source.fault(where, _found(str(loc[0]), value), expected)


def _found(key: str, value: Any) -> str:
    """What stands there, without a password that stands in a URL."""
    if key in ("url", "port") and isinstance(value, str) and "@" in value:
        return shown(f"{value.split('://')[0]}://***@{value.rpartition('@')[2]}")
    return shown(value)


def _last_word(loc: KeyPath) -> str:
    return next(part for part in reversed(loc) if isinstance(part, str))


def _model_of(model: type[Table], loc: KeyPath) -> type[Table]:
    """The model of the innermost table on the way."""
    for part in loc:
        field = model.model_fields.get(str(part))
        inner = (
            [one for one in _flat(field.annotation) if isinstance(one, type) and issubclass(one, Table)]
            if field
            else []
        )
        if inner:
            model = inner[0]
    return model


def _flat(annotation: Any) -> list[Any]:
    return [annotation, *(one for inner in get_args(annotation) for one in _flat(inner))]


def _missing(model: type[Table], key: str, source: Source, path: KeyPath) -> Fault:
    return source.missing(path, model.model_fields[key].description or "a value")


def unknown_key(key: str, known: list[str], source: Source, path: KeyPath) -> Fault:
    """The value is not shown: what stands under a wrong key may be a password."""
    word = likely(key, known)
    if key == "password" and "password_file" in known:
        word = "password_file"
    expected = f'"{word}"?' if word else f"one of {', '.join(known)}"
    return source.fault(path, unknown(key), expected, at_key=True)


def _misspelt_meanings(tariffs: Mapping[str, str], source: Source, path: KeyPath) -> list[Fault]:
    return [
        source.fault((*path, "tariffs", tariff), shown(meaning), one_of(MEANINGS) + meant(meaning, MEANINGS))
        for tariff, meaning in tariffs.items()
        if meaning not in MEANINGS and likely(meaning, MEANINGS, cutoff=0.75)  # "weekday" is a word of its own
    ]

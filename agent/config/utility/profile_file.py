"""Utility profiles as TOML files: read strictly, every fault at once with its place.

A file says what differs from the one that it ``extends``; tables are merged key by key. docs/statements.md explains
each key to whoever writes one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.config.utility.profile import CHANNELS, MailTemplate, Profile, Rule, SmsTemplate, with_region
from agent.config.utility.window import window_of
from agent.config.words import time_of_day
from drivers.files.faults import ConfigError, Fault, once
from drivers.files.fields import Field, Fields, Section, choice, expression, flag, text, whole
from drivers.files.places import KeyPath
from drivers.files.source import Source, read
from drivers.files.words import meant, one_of, shown

SHIPPED = Path(__file__).parent / "profiles"


def _zone(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    try:
        ZoneInfo(value)
    except (OSError, KeyError) as error:  # the name of a folder of zones, or unknown
        raise ValueError from error
    return value


def _time(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    time_of_day(value)
    return value


def _channels(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(one in CHANNELS for one in value) or len(set(value)) < len(value):
        raise ValueError
    return value


DAY = whole(1, 31, "a day of the month, 1 to 31 (31: its last day)", None)
WINDOW: Fields = {
    "zone": Field(_zone, 'a time zone such as "Europe/Moscow"', None),
    "from": DAY,
    "to": DAY,
    "weekend": choice("stay", "next", "previous", default=None),
    "reporting_day": DAY,
    "reporting_time": Field(_time, 'a local time of day such as "00:00"', None),
}
GENERAL: Fields = {
    "name": text("a name of small letters, digits and -", pattern=r"[a-z0-9][a-z0-9-]{0,63}"),
    "extends": text(default=None),
    "title": text(default=None),
    "account": expression("a regular expression that the whole account matches", None),
    "account_words": text(default=None),
    "energy": choice("meter", "primary", default=None),
    "confirm": choice("suspect", "always", default=None),
    "fallback": Field(_channels, 'a list of "sms" and "mail" in the order of their use', None),
    **WINDOW,
}
SMS: Fields = {
    "number": text('a telephone number such as "+79991234567"', None, r"(\+?[0-9]{3,15})?"),
    "text": text(default=None),
    "pad": flag(),
    "answer": expression("a regular expression that the confirming message matches", None),
    "answer_from": text("a telephone number or a sender's name", None, r"\+?[0-9]{3,15}|[A-Za-z0-9 ._-]{1,11}"),
}
MAIL: Fields = {
    "to": text("one e-mail address", None, r"([^\s@,;<>]+@[^\s@,;<>]+)?"),
    "subject": text("one line of text in quotes", None, r"[^\r\n]*\S[^\r\n]*"),
    "body": text(default=None),
    "pad": flag(),
}
RATES: Fields = {
    f"T{number}": text('the meaning of the tariff such as "day"', None, r"[\w][\w-]{0,31}") for number in range(1, 5)
}
TABLES = ("sms", "mail", "region", "rates")
FIELDS = {"from": "first", "to": "last"}
"""Keys that are not names in Python, and the fields of Rule that they fill."""


@dataclass(frozen=True, slots=True)
class _File:
    """One sound file: its own keys, without what it extends."""

    source: Source
    data: Mapping[str, Any]


def load(directory: Path | None = None) -> dict[str, Profile]:
    """All profiles by their names: those shipped and the installer's; ConfigError with every fault of his files."""
    faults: list[Fault] = []
    files: dict[str, _File] = {}
    broken: set[str] = set()
    for path in [*sorted(SHIPPED.glob("*.toml")), *_own(directory, faults)]:
        source, unread = read(path)
        found = once(unread, _check(source) if source is not None else [])
        faults += found
        if source is None:
            continue
        name = str(source.data.get("name"))
        broken |= {name} if found else set()
        if name in files:
            taken = f"another name (with extends): {files[name].source.file} has this one"
            faults.append(source.fault(("name",), shown(name), taken))
        elif not found:
            files[name] = _File(source, source.data)
    profiles = {}
    for name, file in files.items():
        profile = _profile(name, file, files, broken, faults)
        if profile is not None:
            profiles[name] = profile
    if faults:
        raise ConfigError(faults)
    return profiles


def _own(directory: Path | None, faults: list[Fault]) -> list[Path]:
    try:
        return [] if directory is None else sorted(one for one in directory.iterdir() if one.suffix == ".toml")
    except OSError as trouble:
        found = f"a folder that cannot be read ({trouble.strerror})"
        denied = isinstance(trouble, PermissionError)
        faults.append(Fault(directory or Path(), 1, 1, "", found, "a folder of utility profiles", denied=denied))
        return []


def _check(source: Source) -> list[Fault]:
    """Faults of one file by itself: unknown keys, wrong values."""
    faults: list[Fault] = []
    top = Section(source, (), source.data, faults)
    top.read(GENERAL, TABLES)
    for name, fields in (("sms", SMS), ("mail", MAIL)):
        section = top.section(name)
        if section is not None:
            section.read(fields)
    for _, region in top.named("region"):
        region.read(WINDOW)
    for rates in top.sections("rates"):
        rates.read(RATES)
    return faults


def _profile(
    name: str, file: _File, files: Mapping[str, _File], broken: set[str], faults: list[Fault]
) -> Profile | None:
    merged = _merged(name, file, files, broken, faults)
    if merged is None:
        return None
    missing = [(key,) for key in ("title",) if key not in merged]
    for table, keys in (("sms", ("text",)), ("mail", ("subject", "body"))):
        missing += [(table, key) for key in keys if table in merged and key not in merged[table]]  # type: ignore[misc]
    missing += [(way,) for way in merged.get("fallback", []) if way not in merged]
    if missing:
        faults += [file.source.fault(path, "nothing", f"{path[-1]}", at_key=True) for path in missing]
        return None
    rule = with_region(Rule(), _rule(merged))
    regions = {region: with_region(rule, _rule(table)) for region, table in merged.get("region", {}).items()}
    late = [path for path, one in _rules(rule, regions) if _too_late(one)]
    if late:
        expected = "a moment before the window closes: no figures could be taken"
        faults += [file.source.fault(path, "a day after the window's end", expected, at_key=True) for path in late]
        return None
    sms, mail = merged.get("sms"), merged.get("mail")
    return Profile(
        name=name,
        title=merged["title"],
        file=file.source.file,
        **{key: merged[key] for key in ("account", "account_words", "confirm") if key in merged},
        rule=rule,
        regions=regions,
        rates=tuple(merged.get("rates") or ({"T1": "single"},)),
        primary=merged.get("energy") == "primary",
        fallback=tuple(merged.get("fallback", ())),
        sms=SmsTemplate(**sms) if sms is not None else None,
        mail=MailTemplate(**mail) if mail is not None else None,
    )


def _rule(table: Mapping[str, Any]) -> dict[str, object]:
    rule = {FIELDS.get(key, key): value for key, value in table.items() if key in WINDOW}
    if "reporting_time" in rule:
        rule["reporting_time"] = time_of_day(rule["reporting_time"])
    return rule


def _rules(rule: Rule, regions: Mapping[str, Rule]) -> Iterator[tuple[KeyPath, Rule]]:
    """The general rule and what differs from it, with the place of their reporting day."""
    yield ("reporting_day",), rule
    for name, one in regions.items():
        if one != rule:
            yield ("region", name, "reporting_day"), one


def _too_late(rule: Rule) -> bool:
    """Whether the reporting moment lies behind the window's end, in some month of two years."""
    if rule.reporting_day is None:
        return False  # the first day's midnight, as most have it
    months = [f"{year}-{month:02}" for year in (2027, 2028) for month in range(1, 13)]  # one of them a leap year
    return any(one.reporting >= one.closes for one in (window_of(rule, month, "UTC") for month in months))


def _merged(
    name: str, file: _File, files: Mapping[str, _File], broken: set[str], faults: list[Fault]
) -> dict[str, Any] | None:
    """The file's keys over those that it extends, or None with a fault, there or in one of ``broken``."""
    chain, at = [file], file
    while "extends" in at.data:
        base = str(at.data["extends"])
        known = sorted(set(files) - {name})
        if base in broken - files.keys():
            return None
        if base not in files:
            faults.append(at.source.fault(("extends",), shown(base), one_of(known) + meant(base, known)))
            return None
        at = files[base]
        if at in chain:
            faults.append(
                file.source.fault(("extends",), shown(file.data["extends"]), "no profile that extends itself")
            )
            return None
        chain.append(at)
    merged: dict[str, Any] = {}
    for one in reversed(chain):
        merged = _over(merged, one.data)
    return merged


def _over(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in own.items():
        old = merged.get(key)
        merged[key] = _over(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged

"""One ``[[meter]]`` table with its driver, its line and its secrets: from what stands there to a frozen Meter."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.config.clashes import BusEntry, MeterEntry
from agent.config.plan import read_plan
from agent.config.secret import SecretTrouble, read_secret
from agent.config.settings import expected, read_settings
from agent.config.shape import MANUAL, MeterTable, PollTable
from agent.config.source import is_file
from agent.config.tables import unknown_key
from agent.config.values import EarlierMeter, Meter, Poll, Secret
from drivers import manual, registry
from drivers.family import Family, Setting
from drivers.files import words
from drivers.files.faults import ConfigError, Fault
from drivers.files.letters import mixed
from drivers.files.places import KeyPath
from drivers.files.source import Source, dotted
from drivers.files.words import shown
from protocols.session import Line

KINDS = tuple(Poll.__dataclass_fields__)
NEVER = Poll(**dict.fromkeys(KINDS))
PLAIN = (
    *("account", "utility", "tariffs", "ratio", "installed", "limit_kw", "timeout", "initial", "set_clock", "digits"),
    *("region", "place", "plan_limit", "exchange_code"),
)


@dataclass(slots=True)
class Surroundings:
    """What a meter's table is judged against."""

    base: Path  # relative paths count from here
    buses: Mapping[str, BusEntry]
    polls: PollTable
    models_dir: Path | None = None
    service: bool = True  # systemd's credentials must be there
    secrets: bool = True  # every secret must be readable
    whole: bool = True  # all files could be read: what is not in ``buses`` does not exist
    warnings: list[str] = field(default_factory=list)

    def bears(self, trouble: SecretTrouble) -> bool:
        """No fault for a reader: a credential that only the service has, a secret that the command can spare."""
        return (trouble.elsewhere and not self.service) or (trouble.denied and not self.secrets)

    def warn(self, entry: MeterEntry | BusEntry, path: KeyPath, text: str) -> None:
        self.warn_at(entry.source, (*entry.path, *path), text)

    def warn_of_mixed(self, entry: MeterEntry | BusEntry, key: str, name: str | None) -> None:
        """A name with letters of both scripts in one word resembles another one; it may stay."""
        if name and mixed(name):
            self.warn(entry, (key,), f"{shown(name)}: Latin and Cyrillic letters in one word")

    def warn_at(self, source: Source, path: KeyPath, text: str) -> None:
        place = source.places.of_key(path)
        self.warnings.append(f"{source.file}:{place.line}:{place.column}: {text}")


PAIRS = (
    ("account", "utility", "no statement is made for it"),
    ("utility", "account", "no statement is made for it"),
    ("region", "utility", "it says which of a utility's windows counts"),
    ("plan_limit", "plan", "there is nothing to compare with"),
)
"""Keys that say something only beside another one, and what is missing else."""


def judge(entry: MeterEntry, around: Surroundings) -> tuple[dict[str, Any], list[Fault]]:
    """The driver's own settings and the wire password of this meter, and all that is wrong with it alone.

    Completes the entry: family, address as a number, framing.
    """
    table = entry.table
    faults: list[Fault] = []
    if table.bus and table.bus not in around.buses and table.driver != MANUAL and around.whole:
        hint = words.meant(table.bus, around.buses) if len(around.buses) > 1 else ""
        known = words.one_of(around.buses) if around.buses else "a [[bus]] of that name"
        faults.append(entry.fault("bus", table.bus, known + hint))
    if not table.driver:
        return {}, faults + _common_misspelt(entry)
    try:
        entry.family = registry.find(table.driver, around.models_dir)
    except registry.UnknownDriver as unknown:
        hint = f', did you mean "{unknown.likely[0]}"?' if unknown.likely else ""
        hint += f"; {unknown.trouble}" if unknown.trouble else ""
        faults.append(entry.fault("driver", table.driver, f"a driver that meterpost drivers lists{hint}"))
        return {}, faults + _common_misspelt(entry)
    except ValueError:  # a broken file in models_dir: said once, at gateway.models_dir
        return {}, faults + _common_misspelt(entry)
    family = entry.family
    faults += _plan(entry, around)
    settings, wrong = read_settings(
        table.model_extra or {}, family.settings, list(MeterTable.model_fields), entry.source, entry.path
    )
    faults += wrong
    password = None
    if family.protocol == manual.PROTOCOL:
        faults += _off_line(entry)
    else:
        faults += _address(entry, family) + _framing(entry, family, settings, around) + _polls(entry, family)
        faults += _secrets(entry, family, settings, around)
        password, wrong = _password(entry, family, settings, around)
        faults += wrong + _missing(entry, family, settings)
    _warn(entry, family, settings, around)
    return {"settings": settings, "password": password}, faults


def build(entry: MeterEntry, driver: Mapping[str, Any], around: Surroundings) -> Meter:
    """The frozen meter of a table without faults."""
    table, family = entry.table, entry.family
    assert table.point and table.driver and table.serial and family
    written = {key: getattr(table, key) for key in PLAIN if key in table.model_fields_set}
    if table.plan:
        written["plan"] = around.base / table.plan
    at = entry.source.places.of_key(entry.path)
    return Meter(
        point=table.point,
        bus=table.bus or "",
        driver=table.driver,
        address=table.address or "",
        serial=table.serial,
        line=line_of(around.buses[table.bus], table.speed, table.format) if table.bus else Line(),
        poll=_poll(table.poll, around.polls, family) if table.bus else NEVER,
        before=tuple(EarlierMeter(one.serial, one.removed, dict(one.final.items())) for one in table.before or ()),
        where=f"{entry.source.file}:{at.line}:{at.column}",
        **written,
        **driver,
    )


def line_of(bus: BusEntry, speed: int | None = None, form: str | None = None) -> Line:
    """The bus's line settings, changed by a meter's own."""
    usual = Line()
    return Line(speed or bus.table.speed or usual.speed, form or bus.table.format or usual.format)


def _common_misspelt(entry: MeterEntry) -> list[Fault]:
    """Where the driver is unknown, its own keys cannot be judged; what resembles a common key can."""
    common = list(MeterTable.model_fields)
    return [
        unknown_key(key, common, entry.source, (*entry.path, key))
        for key in entry.table.model_extra or {}
        if words.likely(key, common)
    ]


def _address(entry: MeterEntry, family: Family) -> list[Fault]:
    if entry.table.address is None:
        return []
    try:
        entry.number = family.address(entry.table.address)
    except ValueError as error:
        return [entry.fault("address", entry.table.address, f"an address of {family.name}: {error}")]
    return []


def _off_line(entry: MeterEntry) -> list[Fault]:
    """What only a meter on a line has, at a point that is read by hand."""
    return [
        entry.source.fault((*entry.path, key), "a key of meters on a line", "nothing: this meter is read by hand")
        for key in MeterTable.of_lines
        if key in entry.table.model_fields_set
    ]


def _plan(entry: MeterEntry, around: Surroundings) -> list[Fault]:
    file = entry.table.plan
    if file is None:
        return []
    if is_file(around.base / file):
        return _plan_rows(around.base / file, around)
    found = f"{around.base / file}, which is not a file that you may see"
    return [entry.source.fault((*entry.path, "plan"), found, "an existing CSV file")]


def _plan_rows(file: Path, around: Surroundings) -> list[Fault]:
    """A plan is a file of the office: an operator at ``check`` is told, but polling does not end over it."""
    try:
        read_plan(file)
    except ConfigError as trouble:
        if around.service:
            around.warnings.append(str(trouble.faults[0]))
            return []
        return trouble.faults
    except OSError as trouble:
        around.warnings.append(f"{file}:1:1: found a file that cannot be read ({trouble.strerror}): not checked")
    return []


def _framing(entry: MeterEntry, family: Family, settings: dict[str, Any], around: Surroundings) -> list[Fault]:
    """``tcp://`` ports take frames made for them, devices take others; both may stand behind ``socket://``."""
    bus = around.buses.get(entry.table.bus or "")
    port, there = bus.table.port if bus else None, family.tcp_framing
    if port and port.startswith("tcp://"):
        if there is None:
            wanted = 'a bus whose port is not "tcp://…": this driver has no framing for it'
            return [entry.fault("bus", entry.table.bus, wanted)]
        if settings.setdefault("framing", there) != there:
            return [entry.fault("framing", settings["framing"], f'"{there}" on this bus, or "socket://…" as its port')]
    elif port and "://" not in port and there is not None and settings.get("framing") == there:
        choices = next((setting.choices for setting in family.settings if setting.name == "framing"), ())
        return [entry.fault("framing", there, f"{words.one_of(set(choices) - {there})} on a serial port")]
    entry.framing = settings.get("framing")
    return []


def _polls(entry: MeterEntry, family: Family) -> list[Fault]:
    """What the meter's own table asks for and its driver cannot give. The common defaults are left out silently."""
    own = entry.table.poll
    return [
        entry.source.fault(
            (*entry.path, "poll", kind),
            "a poll that this driver cannot do",
            f'"off", or one of {", ".join(able(family))}',
        )
        for kind in (sorted(own.model_fields_set) if own else ())
        if getattr(own, kind) is not None and kind not in family.capabilities
    ]


def able(family: Family) -> list[str]:
    """The kinds of polls that the driver has, in the usual order."""
    return [kind for kind in KINDS if kind in family.capabilities]


def _poll(own: PollTable | None, common: PollTable, family: Family) -> Poll:
    values: dict[str, Any] = {}
    for kind in KINDS:
        if kind not in family.capabilities:
            values[kind] = None
            continue
        for table in (own, common):
            if table and kind in table.model_fields_set:
                values[kind] = getattr(table, kind)
                break
    return Poll(**values)


def _password(
    entry: MeterEntry, family: Family, settings: Mapping[str, Any], around: Surroundings
) -> tuple[bytes | None, list[Fault]]:
    """The bytes for the wire. A fault never holds the secret."""
    file = entry.table.password_file
    if file is None:
        text = family.default_password
    elif family.password is None:
        return None, [entry.fault("password_file", str(file), "nothing: this driver knows no password")]
    else:
        text, faults = _secret(entry, "password_file", file, around)
        if text is None:
            return None, faults
    if text is None or family.password is None:
        return None, []
    try:
        return family.password(text, settings), []
    except ValueError as error:
        said = str(error).replace(text, "***")
        return None, [entry.source.fault((*entry.path, "password_file"), "a password that does not fit", said)]


def _secrets(entry: MeterEntry, family: Family, settings: dict[str, Any], around: Surroundings) -> list[Fault]:
    """Put what stands in the files of the driver's secrets in the place of their paths."""
    faults: list[Fault] = []
    for setting in family.settings:
        if setting.kind != "secret" or setting.name not in settings:
            continue
        file = settings.pop(setting.name)
        text, wrong = _secret(entry, setting.name, file, around)
        if wrong and _is_one(setting, str(file)):
            wrong = [
                entry.source.fault((*entry.path, setting.name), "what may be the secret itself", expected(setting))
            ]
        faults += wrong
        if text is None:
            continue
        settings[setting.name] = Secret(text)
        try:
            if setting.check is not None:
                setting.check(text)
        except ValueError as error:
            said = str(error).replace(text, "***")
            faults.append(entry.source.fault((*entry.path, setting.name), "a secret that does not fit", said))
    return faults


def _missing(entry: MeterEntry, family: Family, settings: Mapping[str, Any]) -> list[Fault]:
    """What the driver's settings need together and no one wrote. A credential counts as written."""
    if family.missing is None:
        return []
    there = set(entry.table.model_extra or {})
    if entry.table.password_file is not None or family.default_password is not None:
        there.add("password_file")
    return [
        entry.source.fault((*entry.path, key), "nothing", needed, at_key=True)
        for key, needed in family.missing(settings, there)
    ]


def _is_one(setting: Setting, text: str) -> bool:
    """Someone may have written the secret where its file's path belongs: then it is not shown."""
    try:
        return setting.check is not None and bool(setting.check(text))
    except ValueError:
        return False


def _secret(entry: MeterEntry, key: str, file: Path, around: Surroundings) -> tuple[str | None, list[Fault]]:
    """The line in this key's file. None without a fault: who only reads does without it."""
    try:
        return read_secret(file, around.base), []
    except SecretTrouble as trouble:
        if around.bears(trouble):
            around.warn(entry, (key,), f"{trouble.found}: not checked")
            return None, []
        return None, [secret_fault(entry.source, (*entry.path, key), trouble)]


def secret_fault(source: Source, path: KeyPath, trouble: SecretTrouble) -> Fault:
    place = source.places.of_value(path)
    return Fault(source.file, place.line, place.column, dotted(path), trouble.found, trouble.expected, trouble.denied)


def _warn(entry: MeterEntry, family: Family, settings: Mapping[str, Any], around: Surroundings) -> None:
    table, point = entry.table, entry.table.point
    if table.tariffs and len(set(table.tariffs.values())) < len(table.tariffs):
        around.warn(entry, ("tariffs",), f"{point}: two tariffs have the same meaning")
    if settings.get("unverified"):
        around.warn(entry, ("unverified",), f"{point}: registers are read that no maker's paper confirms")
    if any(table.installed and one.removed > table.installed for one in table.before or ()):
        around.warn(entry, ("before",), f"{point}: an earlier meter was removed after this one was installed")
    for key, needed, why in PAIRS:
        if getattr(table, key) is not None and getattr(table, needed) is None:
            around.warn(entry, (key,), f"{point}: {key} without {needed}: {why}")
    if table.set_clock and "set_clock" not in family.capabilities:
        around.warn(entry, ("set_clock",), f"{point}: {table.driver} has no clock that the gateway can set")
    bus = around.buses.get(table.bus or "")
    if bus and not (table.speed or table.format or bus.table.speed or bus.table.format):
        usual = family.line
        if usual != Line() and not (bus.table.port or "").startswith("tcp://"):
            around.warn(
                entry, (), f"{point}: {table.driver} usually speaks {usual.speed} {usual.format}, this bus 9600 8N1"
            )

"""The installer's file into frozen values, or every fault at once.

pydantic is imported from here on only: the daemon loads its configuration in a short-lived process
(:mod:`agent.config.child`) and never carries it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agent.config import clashes
from agent.config.clashes import BusEntry, MeterEntry
from agent.config.meters import KINDS, Surroundings, build, judge, line_of, secret_fault
from agent.config.outbound import LOCAL, OutboundSettings
from agent.config.references import of_utilities
from agent.config.secret import SecretTrouble, guard, read_secret
from agent.config.shape import BusTable, GatewayTable, IntakeTable, MeterTable, PollTable, Table
from agent.config.source import ADDED, is_file, read_all
from agent.config.tables import unknown_key, validate, written
from agent.config.values import Bus, Config, Gateway, Intake, Secret
from agent.config.words import some
from drivers import registry
from drivers.files.faults import ConfigError, Fault, once
from drivers.files.places import KeyPath
from drivers.files.source import Source
from drivers.files.words import shown

TOP = ("gateway", "intake", "poll", "statements", "modem", "mail", "exchange", "bus", "meter")
TLS_KEYS = ("ca_file", "cert_file", "key_file")


def default_file() -> Path:
    """Where the configuration is, unless ``-c`` says otherwise."""
    return Path("/etc/meterpost/meterpost.toml")


def load(path: Path, *, service: bool = True, secrets: bool = True) -> Config:
    """The configuration in ``path`` and ``conf.d/*.toml`` beside it; ConfigError with every fault.

    ``service=False`` is for an operator's look from outside the service: systemd's credentials, which exist in the
    service only, are then a warning and not a fault. ``secrets=False`` is for a look that needs no secret: files that
    this person may not read are a warning too.
    """
    file = path.absolute()
    sources, faults = read_all(file)
    readable = bool(sources) and sources[0].file == file
    if faults and (not readable or all(fault.denied for fault in faults)):
        raise ConfigError(faults)
    return judged(sources, faults, service=service, secrets=secrets)


def judged(
    sources: list[Source], unread: Sequence[Fault] = (), *, service: bool = True, secrets: bool = True
) -> Config:
    """The configuration of files that were read already, the main one first; ConfigError with every fault, those of
    reading (``unread``) among them."""
    return _Loading(sources, unread, service, secrets).config()


class _Loading:
    """The steps of one loading; faults and warnings gather here."""

    def __init__(self, sources: list[Source], unread: Sequence[Fault], service: bool, secrets: bool) -> None:
        self.sources, self.main, self.unread = sources, sources[0], unread
        self.base = self.main.file.parent
        self.faults: list[Fault] = []
        self.gateway = self._table(GatewayTable, "gateway")
        self.intake = self._table(IntakeTable, "intake")
        self.buses = [BusEntry(*found) for found in self._tables(BusTable, "bus")]
        self.meters = [MeterEntry(*found) for found in self._tables(MeterTable, "meter")]
        models_dir = self.base / self.gateway.models_dir if self.gateway.models_dir else None
        named = {bus.table.name: bus for bus in reversed(self.buses) if bus.table.name}
        polls = self._table(PollTable, "poll")
        known = dict(reversed(named.items()))
        self.around = Surroundings(self.base, known, polls, models_dir, service, secrets, whole=not unread)
        self.ways = OutboundSettings(self.main, self.around)

    def config(self) -> Config:
        self._top_level()
        self._models()
        judged = []
        for meter in self.meters:
            driver, faults = judge(meter, self.around)
            judged.append(driver)
            self.faults += faults
        self.faults += of_utilities(self.meters, self._utilities(), self.faults)
        self.faults += clashes.of_buses(self.buses) + clashes.of_meters(self.meters)
        intake = self._intake()
        statements, modem = self.ways.statements(), self.ways.modem(self.buses)
        mail, exchange = self.ways.mail(), self.ways.exchange()
        self.faults += self.ways.faults
        if self.unread or self.faults or intake is None:
            raise ConfigError(sorted(once(self.unread, self.faults), key=self._order))
        self._warn()
        return Config(
            gateway=self._gateway(),
            intake=intake,
            buses=tuple(self._bus(entry) for entry in self.buses),
            meters=tuple(build(*pair, self.around) for pair in zip(self.meters, judged, strict=True)),
            statements=statements,
            modem=modem,
            mail=mail,
            exchange=exchange,
            files=tuple(source.file for source in self.sources),
            defaults=tuple(self._defaults()),
            warnings=tuple(self.around.warnings),
        )

    def _order(self, fault: Fault) -> tuple[int, str, int, int]:
        files = [source.file for source in self.sources]
        place = files.index(fault.file) if fault.file in files else len(files)  # files that these name come last
        return place, str(fault.file), fault.line, fault.column

    def _table(self, model: type[Any], name: str) -> Any:
        table, faults = validate(model, self.main.data.get(name, {}), self.main, (name,))
        self.faults += faults
        return table

    def _tables(self, model: type[Table], name: str) -> list[tuple[Source, KeyPath, Any]]:
        found: list[tuple[Source, KeyPath, Any]] = []
        for source in self.sources:
            raw = source.data.get(name, [])
            if not isinstance(raw, list):
                self.faults.append(
                    source.fault((name,), f"one [{name}]", f"[[{name}]] in double brackets", at_key=True)
                )
                raw = [raw] if isinstance(raw, dict) else []
            for index, one in enumerate(raw):
                table, faults = validate(model, one, source, (name, index))
                self.faults += faults
                found.append((source, (name, index), table))
        return found

    def _top_level(self) -> None:
        for key in self.main.data:
            if key not in TOP:
                self.faults.append(unknown_key(key, list(TOP), self.main, (key,)))
        for source in self.sources[1:]:
            for key in source.data:
                if key not in ADDED:
                    where, wanted = (key,), "[[bus]] or [[meter]]: a file of conf.d adds these and nothing else"
                    self.faults.append(source.fault(where, f"[{key}]", wanted, at_key=True))
        for name, entries in (("bus", self.buses), ("meter", self.meters)):
            if not entries and not self.unread:
                self.faults.append(self.main.fault((name,), "none", f"at least one [[{name}]]", at_key=True))

    def _models(self) -> None:
        """An installer's models, all of them: a broken one is said even if no meter uses it."""
        directory = self.around.models_dir
        if directory is None:
            return
        where = ("gateway", "models_dir")
        if not directory.is_dir():
            self.faults.append(self.main.fault(where, str(directory), "an existing directory of models"))
            self.around.models_dir = None
            return
        try:
            registry.families(directory)
        except ConfigError as broken:
            self.faults += broken.faults

    def _utilities(self) -> Path | None:
        """The folder of the installer's own profiles; None too where it is not there."""
        if self.gateway.utilities_dir is None:
            return None
        directory, where = Path(self.base / self.gateway.utilities_dir), ("gateway", "utilities_dir")
        if not directory.is_dir():
            self.faults.append(self.main.fault(where, str(directory), "an existing directory of utility profiles"))
            return None
        return directory

    def _intake(self) -> Intake | None:
        table, path = self.intake, ("intake",)
        password = self._password()
        if (table.cert_file is None) != (table.key_file is None):
            key = "key_file" if table.key_file is None else "cert_file"
            self.faults.append(self.main.fault((*path, key), "nothing", "cert_file and key_file together", at_key=True))
        for key in TLS_KEYS:
            file = getattr(table, key)
            if file and table.url and not table.url.startswith("mqtts://"):
                self.faults.append(
                    self.main.fault((*path, key), shown(str(file)), 'nothing, unless url is "mqtts://…"')
                )
            elif file and not is_file(self.base / file):
                found = f"{self.base / file}, which is not a file that you may see"
                self.faults.append(self.main.fault((*path, key), found, "an existing file"))
            elif file and key == "key_file":
                self._guard((*path, key), self.base / file)
        if password and table.username is None and "username" not in self.main.data["intake"]:
            self.faults.append(self.main.fault((*path, "username"), "nothing", "the name to the password", at_key=True))
        if table.url is None:
            return None
        parts, tls = urlsplit(table.url), table.url.startswith("mqtts://")
        values = written(table, "url", "password_file", *TLS_KEYS, "allow")
        values |= {key: self.base / getattr(table, key) for key in TLS_KEYS if getattr(table, key)}
        if table.allow is not None:
            values["allow"] = tuple(dict.fromkeys(table.allow))
        return Intake(
            host=parts.hostname,
            port=parts.port or (8883 if tls else 1883),
            tls=tls,
            url=table.url,
            password=password,
            **values,
        )

    def _guard(self, path: KeyPath, file: Path) -> None:
        try:
            guard(file)
        except SecretTrouble as trouble:
            if self.around.bears(trouble):
                self._warning(path, f"{trouble.found}: not checked")
            else:
                self.faults.append(secret_fault(self.main, path, trouble))

    def _password(self) -> Secret | None:
        file, path = self.intake.password_file, ("intake", "password_file")
        if file is None:
            return None
        try:
            return Secret(read_secret(file, self.base))
        except SecretTrouble as trouble:
            if self.around.bears(trouble):
                self._warning(path, f"{trouble.found}: not checked")
            else:
                self.faults.append(secret_fault(self.main, path, trouble))
            return None

    def _gateway(self) -> Gateway:
        values = written(self.gateway, "state_dir", "models_dir", "utilities_dir")
        if self.gateway.state_dir:
            values["state_dir"] = self.base / self.gateway.state_dir
        if self.gateway.utilities_dir:
            values["utilities_dir"] = self.base / self.gateway.utilities_dir
        return Gateway(models_dir=self.around.models_dir, **values)

    def _bus(self, entry: BusEntry) -> Bus:
        at = entry.source.places.of_key(entry.path)
        assert entry.table.name and entry.table.port
        where = f"{entry.source.file}:{at.line}:{at.column}"
        return Bus(entry.table.name, entry.table.port, line_of(entry), where, bool(entry.table.shared))

    def _warning(self, path: KeyPath, text: str) -> None:
        self.around.warn_at(self.main, path, text)

    def _warn(self) -> None:
        gateway, intake = self.gateway, self.intake
        for bus in self.buses:
            self.around.warn_of_mixed(bus, "name", bus.table.name)
        for meter in self.meters:
            self.around.warn_of_mixed(meter, "point", meter.table.point)
        if gateway.timezone is None:
            self._warning(("gateway",), "timezone is not set: days and months begin at midnight UTC")
            if zoneless := [meter for meter in self.meters if _has_no_zone(meter)]:
                text = "no one says in which zone the clocks run of"
                self._warning(("gateway",), f"{text} {_some(zoneless)}: set timezone here or at the meter")
            zoneless = [meter for meter in self.meters if _zoneless(meter)]
            if zoneless:
                lost = "no offset of their clocks and no archives"
                self._warning(("gateway",), f"no zone, which {_some(zoneless)} cannot say themselves: {lost}")
        if gateway.clock == "trust":
            self._warning(("gateway", "clock"), 'clock = "trust": a wrong clock of this host will not be noticed')
        if intake.receipts == "broker":
            self._warning(("intake", "receipts"), "receipts = \"broker\": the broker's word counts, not the intake's")
        if intake.url and intake.url.startswith("mqtt://") and (intake.username or not _local(intake.url)):
            self._warning(("intake", "url"), "a plain line: readings and password can be read on the way")
        for kind in KINDS:
            cannot = [m for m in self.meters if m.table.bus and m.family and kind not in m.family.capabilities]
            if cannot and getattr(self.around.polls, kind) is not None:
                self._warning(("poll", kind), f"{kind} is not read from {_some(cannot)}: the driver cannot")
        if self.ways.without_points([meter.table.exchange_code for meter in self.meters]):
            self._warning(("exchange",), "no meter has an exchange_code: no exchange file is made")
        nameless = [meter for meter in self.meters if meter.table.tariffs is None]
        if nameless:
            self._warning(("meter", 0), f"no tariffs (their registers and meaning: day, night, …) at {_some(nameless)}")

    def _defaults(self) -> list[str]:
        """Dotted keys that were not written, tables of an array counted from 1 over all files."""
        tables = [("gateway", self.gateway), ("intake", self.intake), ("poll", self.around.polls)]
        tables += self.ways.tables()
        tables += [(f"bus[{number}]", entry.table) for number, entry in enumerate(self.buses, 1)]
        tables += [(f"meter[{number}]", entry.table) for number, entry in enumerate(self.meters, 1)]
        for number, entry in enumerate(self.meters, 1):
            tables.append((f"meter[{number}].poll", entry.table.poll or PollTable()))
        return [
            f"{name}.{key}"
            for name, table in tables
            for key in type(table).model_fields
            if key not in table.model_fields_set
        ]


def _zoneless(meter: MeterEntry) -> bool:
    """Whether no one says which zone the meter's clock shows."""
    if meter.family is None or "clock" not in meter.family.capabilities or meter.family.states_zone:
        return False
    return not (meter.table.model_extra or {}).get("timezone")


def _has_no_zone(meter: MeterEntry) -> bool:
    """Its driver wants a zone for the meter's stamps and none is written."""
    if meter.family is None or meter.family.states_zone:
        return False
    asked = any(setting.name == "timezone" for setting in meter.family.settings)
    return asked and not (meter.table.model_extra or {}).get("timezone")


def _some(meters: list[MeterEntry]) -> str:
    return some([str(meter.table.point) for meter in meters])


def _local(url: str) -> bool:
    return urlsplit(url).hostname in LOCAL

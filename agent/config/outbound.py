"""``[statements]``, ``[modem]``, ``[mail]`` and ``[exchange]``: how figures leave that do not go by MQTT.

All four may be absent; a table that stands there becomes frozen values, or faults with their places.
"""

import re
from collections.abc import Sequence
from typing import Any, TypeVar

from agent.config.clashes import BusEntry, device
from agent.config.meters import Surroundings, secret_fault
from agent.config.secret import SecretTrouble, read_secret
from agent.config.shape import ExchangeTable, MailTable, ModemTable, StatementsTable, Table
from agent.config.source import is_file
from agent.config.tables import validate, written
from agent.config.values import ExchangeSettings, MailSettings, ModemSettings, Secret, StatementSettings
from drivers.files.faults import Fault
from drivers.files.places import KeyPath
from drivers.files.source import Source
from drivers.files.words import shown

T = TypeVar("T", bound=Table)

LOCAL = ("localhost", "127.0.0.1", "::1")
MAIL_PORTS = {"starttls": 587, "tls": 465, "none": 25}  # RFC 6409 §3.1, RFC 8314 §3.3, RFC 5321 §4.5.4.2


class OutboundSettings:
    """The four tables of the main file. Read ``faults`` last: each step adds its own."""

    def __init__(self, main: Source, around: Surroundings) -> None:
        self._main, self._around = main, around
        self.faults: list[Fault] = []
        self._statements = self._table(StatementsTable, "statements") or StatementsTable()
        self._modem = self._table(ModemTable, "modem")
        self._mail = self._table(MailTable, "mail")
        self._exchange = self._table(ExchangeTable, "exchange")

    def tables(self) -> list[tuple[str, Table]]:
        """What stands in the file, and ``[statements]`` anyway, for its default is in force."""
        named = {"modem": self._modem, "mail": self._mail, "exchange": self._exchange}
        return [("statements", self._statements), *((name, table) for name, table in named.items() if table)]

    def without_points(self, codes: Sequence[str | None]) -> bool:
        """There is an exchange file and nothing that could stand in it."""
        return self._exchange is not None and not any(codes)

    def statements(self) -> StatementSettings:
        return StatementSettings(**written(self._statements))

    def modem(self, buses: Sequence[BusEntry]) -> ModemSettings | None:
        """None too where it has faults. Its port is not a bus's."""
        table = self._modem
        if table is None:
            return None
        pin = self._secret(("modem", "pin_file"), table.pin_file)
        if pin is not None and not re.fullmatch(r"[0-9]{4,8}", pin.text):  # 3GPP TS 31.101 §9.5.1
            self._fault(("modem", "pin_file"), "a PIN that does not fit", "4 to 8 digits")
        if table.port is None:
            return None
        for bus in buses:
            if bus.table.port and device(bus.table.port) == device(table.port):
                at = bus.source.places.of_value((*bus.path, "port"))
                found = f"{shown(table.port)}, which {bus.source.file.name}:{at.line} has too"
                self._fault(("modem", "port"), found, "a port that no bus has")
        return ModemSettings(pin=pin, **written(table, "pin_file"))

    def mail(self) -> MailSettings | None:
        """None too where it has faults. A plain line goes to this very host only."""
        table = self._mail
        if table is None:
            return None
        password = self._secret(("mail", "password_file"), table.password_file)
        if table.tls == "none" and table.host is not None and table.host not in LOCAL:
            self._fault(("mail", "tls"), '"none"', '"starttls" or "tls": a plain line is for "localhost" only')
        if table.password_file is not None and table.username is None and not self._wrote("mail", "username"):
            self._fault(("mail", "username"), "nothing", "the name to the password", at_key=True)
        if table.username is not None and table.password_file is None and not self._wrote("mail", "password_file"):
            self._fault(("mail", "password_file"), "nothing", "the password to the name", at_key=True)
        values = written(table, "password_file")
        if table.ca_file is not None:
            values["ca_file"] = self._around.base / table.ca_file
            if table.tls == "none":
                self._fault(("mail", "ca_file"), shown(str(table.ca_file)), 'nothing where tls is "none"')
            elif not is_file(values["ca_file"]):
                found = f"{values['ca_file']}, which is not a file that you may see"
                self._fault(("mail", "ca_file"), found, "an existing file")
        values.setdefault("port", MAIL_PORTS[table.tls or "starttls"])
        return MailSettings(password=password, **values) if table.host and table.sender else None

    def exchange(self) -> ExchangeSettings | None:
        """None too where it has faults. Files that are to be sent need ``[mail]``."""
        table = self._exchange
        if table is None:
            return None
        if table.to and self._mail is None:
            self._fault(("exchange", "to"), "addresses", "[mail], by which the files leave")
        if any(getattr(table, key) is None for key in table.required):
            return None
        values = written(table)
        if table.to is not None:
            values["to"] = tuple(dict.fromkeys(table.to))
        return ExchangeSettings(**values)

    def _table(self, model: type[T], name: str) -> T | None:
        if name not in self._main.data:
            return None
        table, faults = validate(model, self._main.data[name], self._main, (name,))
        self.faults += faults
        return table

    def _wrote(self, table: str, key: str) -> bool:
        return key in self._main.data[table]

    def _fault(self, path: KeyPath, found: str, expected: str, *, at_key: bool = False) -> None:
        self.faults.append(self._main.fault(path, found, expected, at_key=at_key))

    def _secret(self, path: KeyPath, file: Any) -> Secret | None:
        """What stands in the file of a secret; None without one, with a fault, or where it can be spared."""
        if file is None:
            return None
        try:
            return Secret(read_secret(file, self._around.base))
        except SecretTrouble as trouble:
            if self._around.bears(trouble):
                self._around.warn_at(self._main, path, f"{trouble.found}: not checked")
            else:
                self.faults.append(secret_fault(self._main, path, trouble))
            return None

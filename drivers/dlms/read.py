"""Reading many attributes of a DLMS meter at once: with one GET where the meter allows it, else one by one."""

from collections.abc import Sequence

from drivers.reading import Ask
from protocols.dlms import words
from protocols.dlms.apdu import Attribute
from protocols.dlms.questions import Associated, Denied, Get, GetList, Value
from protocols.errors import NotLoggedIn, Refused
from protocols.texts import meter_text

LIST_BIT = 14  # conformance: multiple-references
DESCRIPTOR, HEAD = 10, 40  # octets of a request for each attribute, and around them with ciphering


class Reader:
    """Asks for attributes within what the association granted. ``most``: attributes in one GET."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lists = most > 1  # False once the meter has shown that it only promises them
        self.granted = Associated(0, 0)

    def read(self, ask: Ask, attributes: Sequence[Attribute]) -> list[Value | Denied]:
        """The values in the order asked; what the meter refuses is Denied; Busy, NotLoggedIn… are raised."""
        size = self._size()
        found: list[Value | Denied] = []
        for at in range(0, len(attributes), size):
            found += self._some(ask, attributes[at : at + size])
        return found

    def _size(self) -> int:
        if not self._lists or not words.conforms(self.granted.conformance, LIST_BIT):
            return 1
        capacity = (self.granted.max_pdu - HEAD) // DESCRIPTOR if self.granted.max_pdu else self._most
        return max(1, min(self._most, capacity))

    def _some(self, ask: Ask, attributes: Sequence[Attribute]) -> list[Value | Denied]:
        if len(attributes) == 1 or not self._lists:
            return [self._one(ask, each) for each in attributes]
        try:
            return list(ask(GetList(tuple(attributes))))
        except NotLoggedIn:
            self._lists = False  # some meters end the association over it; one by one after the next log-in
            raise
        except Refused:
            self._lists = False
            return [self._one(ask, each) for each in attributes]

    def _one(self, ask: Ask, attribute: Attribute) -> Value | Denied:
        try:
            value: Value = ask(Get(attribute))
        except words.NoAccess as no:
            return Denied(no.code or 0)
        return value


def text(found: Value | Denied) -> str | None:
    """A name or number that a meter keeps as octets or text; None where it has none."""
    data = found.data if isinstance(found, Value) else None
    if isinstance(data, bytes):
        data = meter_text(data)
    if isinstance(data, int) and not isinstance(data, bool):
        return str(data)
    cleaned = data.strip("\0 ") if isinstance(data, str) else ""
    return cleaned if cleaned and cleaned.isprintable() else None

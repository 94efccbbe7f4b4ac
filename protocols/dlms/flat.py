"""Rows of a profile nearly always have the same types and lengths: one ``struct`` call then reads a whole row."""

import struct

CODES = {0x05: "i", 0x06: "I", 0x0F: "b", 0x10: "h", 0x11: "B", 0x12: "H", 0x14: "q", 0x15: "Q", 0x16: "B"}
OCTETS, STRUCTURE = 0x09, 0x02


class Flat:
    """The form of one A-XDR structure whose members are integers and octet-strings only."""

    __slots__ = ("_fixed", "_form", "size")

    def __init__(self, form: struct.Struct, row: bytes) -> None:
        self._form = form
        self._fixed = form.unpack(row)[0::2]
        self.size = form.size

    def row(self, data: bytes, at: int) -> tuple[int | bytes, ...] | None:
        """The members of a structure of this very form at ``at``; None where it is another or the octets end."""
        if at + self.size > len(data):
            return None
        parts = self._form.unpack_from(data, at)
        return parts[1::2] if parts[0::2] == self._fixed else None


def flat(row: bytes) -> Flat | None:
    """The form of this sound structure, None where it holds anything but integers and short octet-strings."""
    if len(row) < 3 or row[0] != STRUCTURE or not 0 < row[1] < 0x80:
        return None
    form, at, fixed = [">"], 2, 2  # fixed: octets of tags and lengths before the next value
    for _ in range(row[1]):
        code = CODES.get(row[at])
        if code is not None:
            form.append(f"{fixed + 1}s{code}")
            at += 1 + struct.calcsize(">" + code)
        elif row[at] == OCTETS and row[at + 1] < 0x80:
            form.append(f"{fixed + 2}s{row[at + 1]}s")
            at += 2 + row[at + 1]
        else:
            return None
        fixed = 0
    return Flat(struct.Struct("".join(form)), row)

"""COSEM objects of a simulated meter: attributes as A-XDR octets or functions that give them."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from protocols.dlms import axdr
from protocols.dlms.apdu import Entries, Range
from protocols.dlms.cosem.objects import Column, Scale
from protocols.dlms.cosem.stamp import Stamp

Octets = bytes | Callable[[], bytes]


@dataclass
class CosemObject:
    """``attributes``: number → value; 1, the logical name, is added. ``writes``: number → what a SET calls."""

    class_id: int
    code: bytes
    attributes: dict[int, Octets] = field(default_factory=dict)
    version: int = 0
    writes: dict[int, Callable[[bytes], None]] = field(default_factory=dict)

    def read(self, index: int, access: Range | Entries | None = None) -> bytes | None:
        """A-XDR octets, None where there is no such attribute."""
        if index == 1:
            return axdr.octets(self.code)
        value = self.attributes.get(index)
        return value() if callable(value) else value


@dataclass
class ProfileObject(CosemObject):
    """Profile generic. ``stamps``: UTC moments of its rows, oldest first; ``row`` gives one as A-XDR octets."""

    stamps: Callable[[], Sequence[datetime]] = lambda: ()
    row: Callable[[datetime], bytes] = lambda at: axdr.structure()

    def read(self, index: int, access: Range | Entries | None = None) -> bytes | None:
        if index == 7:
            return axdr.double_long_unsigned(len(self.stamps()))
        if index != 2:
            return super().read(index)
        stamps = self.stamps()
        if isinstance(access, Range):
            limits = [Stamp.from_bytes(each).utc(0) for each in (access.since, access.until)]
            if limits[0] is None or limits[1] is None:
                return axdr.array([])
            stamps = stamps[bisect_left(stamps, limits[0]) : bisect_right(stamps, limits[1])]
        elif isinstance(access, Entries):
            stamps = stamps[max(0, access.first - 1) : access.last or None]
        return axdr.array([self.row(at) for at in stamps])


def register(code: bytes, value: Octets, scaler: int, unit: int) -> CosemObject:
    """Class 3."""
    return CosemObject(3, code, {2: value, 3: Scale(scaler, unit).to_bytes()})


def data(code: bytes, value: Octets) -> CosemObject:
    """Class 1."""
    return CosemObject(1, code, {2: value})


def capture_object(class_id: int, code: bytes, attribute: int = 2) -> bytes:
    """One of a profile's columns."""
    return Column(class_id, code, attribute, 0).to_bytes()

"""The direction of an SML meter's power, by the model's own way; where it cannot be told there is no value.

- EMH ED300L and other EDL meters send 15.7.0 without a sign; bit 5 of the status word of 1.8.0 says that energy flows
  out (FNN Lastenheft EDL 1.0, page 31). The signed 16.7.0 is made of both.
- DZG DVS-74 of some years send an unsigned power in a signed field: 356.24 W arrives as -299.12 W. Which of their
  negative powers are true is not known.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from protocols.sml.messages import Entry

FLOWS_OUT = 1 << 5
ABSOLUTE, SIGNED = "1-0:15.7.0*255", "1-0:16.7.0*255"
POWERS = tuple(f"1-0:{group}.7.0*255" for group in (16, 36, 56, 76))
UNSIGNED_DZG = (range(42_000_000, 50_000_000), range(55_000_000, 59_000_000))
"""Serial numbers of the DZG DVS-74 whose powers are unsigned."""


def directed(entries: Iterable[Entry], server: str) -> Iterator[Entry]:
    """The entries with the direction told. ``server``: the meter's number as printed (1DZG0042082932)."""
    entries = list(entries)
    unsigned = server[1:4] == "DZG" and server[6:].isdecimal() and any(int(server[6:]) in r for r in UNSIGNED_DZG)
    status = next((one.status for one in entries if one.code == "1-0:1.8.0*255"), None)
    signed = any(one.code == SIGNED for one in entries)
    for one in entries:
        if unsigned and one.code in POWERS and one.number is not None and one.number < 0:
            yield replace(one, number=None)
            continue
        yield one
        if one.code == ABSOLUTE and not signed and status is not None and one.number is not None:
            yield replace(one, code=SIGNED, number=-one.number if status & FLOWS_OUT else one.number)

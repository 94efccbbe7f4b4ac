"""Records out of a database file whose trees are broken: every table leaf is looked at, checksums tell what is sound.

The layout is that of sqlite.org/fileformat2.html: table b-tree leaves (§1.6), varints and record format (§2.1),
overflow pages (§1.6), WAL frames (§4.1). A cell that makes no sense is skipped: it may be anything.
"""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from buffer.schema import PAGE

Value = int | float | str | bytes | None

LEAF = 13
SIZES = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)  # bytes of serial types 0-9
FRAME = 24 + PAGE
LARGEST = 1 << 20  # no row of ours is larger: a length beyond it is damage


def leaves(path: Path, wal: bytes, wanted: Callable[[int], bool]) -> Iterator[tuple[int, list[Value]]]:
    """Rowid and columns of every readable table row whose rowid is wanted, from the WAL and from the main file."""
    with path.open("rb") as file:

        def page(number: int) -> bytes:
            file.seek((number - 1) * PAGE)
            return file.read(PAGE)

        for place in range(32 + 24, len(wal) - PAGE + 1, FRAME):
            yield from _cells(wal[place : place + PAGE], 0, page, wanted)
        count = path.stat().st_size // PAGE
        for number in range(1, count + 1):
            yield from _cells(page(number), 100 if number == 1 else 0, page, wanted)


def _cells(
    page: bytes, start: int, follow: Callable[[int], bytes], wanted: Callable[[int], bool]
) -> Iterator[tuple[int, list[Value]]]:
    if len(page) < PAGE or page[start] != LEAF:
        return
    (cells,) = struct.unpack_from(">H", page, start + 3)
    for index in range(min(cells, PAGE // 4)):
        try:
            (place,) = struct.unpack_from(">H", page, start + 8 + 2 * index)
            size, place = _varint(page, place)
            rowid, place = _varint(page, place)
            if wanted(rowid):
                yield rowid, _columns(_payload(page, place, size, follow))
        except (IndexError, ValueError, struct.error):
            continue


def _payload(page: bytes, place: int, size: int, follow: Callable[[int], bytes]) -> bytes:
    """What is there of a row of this size: its end may be lost with an overflow page."""
    most = PAGE - 35
    if size <= most:
        return page[place : place + size]
    least = (PAGE - 12) * 32 // 255 - 23
    local = least + (size - least) % (PAGE - 4)
    local = local if local <= most else least
    payload = page[place : place + local]
    number = int.from_bytes(page[place + local : place + local + 4], "big")
    while number and len(payload) < min(size, LARGEST):
        page = follow(number)
        if len(page) < PAGE:
            break
        payload += page[4 : 4 + size - len(payload)]
        number = int.from_bytes(page[:4], "big")
    return payload


def _columns(payload: bytes) -> list[Value]:
    """The columns that are whole; raw frames come last and may be cut off."""
    end, place = _varint(payload, 0)
    kinds = []
    while place < end:
        kind, place = _varint(payload, place)
        kinds.append(kind)
    found: list[Value] = []
    for kind in kinds:
        if kind in (10, 11):
            raise ValueError("no serial type of a file")
        length = SIZES[kind] if kind < 10 else (kind - 12) // 2
        if place + length > len(payload):
            break
        found.append(_value(kind, payload[place : place + length]))
        place += length
    return found


def _value(kind: int, content: bytes) -> Value:
    if kind == 0:
        return None
    if kind == 7:
        (number,) = struct.unpack(">d", content)
        return float(number)
    if kind in (8, 9):
        return kind - 8
    if kind < 7:
        return int.from_bytes(content, "big", signed=True)
    return content if kind % 2 == 0 else content.decode()


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for index in range(8):
        byte = data[place + index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place + index + 1
    value = value << 8 | data[place + 8]
    return value - (1 << 64) if value >> 63 else value, place + 9

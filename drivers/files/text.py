"""Bytes of an installer's file as text: UTF-8, with or without a byte order mark, lines ending in LF or CR LF.

Everything else is named for what it is, and where the rest of the text can be read anyway, it is.
"""

import codecs
import re
import stat
from pathlib import Path

from drivers.files.faults import Fault

LARGEST = 1 << 20  # bytes; a thousand meters take a fifth of it
MOST = 20  # faults of one kind in one file; a wrong encoding is wrong in every line
ENCODINGS = (  # the longer marks first: UTF-16's is the beginning of UTF-32's
    (codecs.BOM_UTF32_LE, "UTF-32, little endian"),
    (codecs.BOM_UTF32_BE, "UTF-32, big endian"),
    (codecs.BOM_UTF16_LE, "UTF-16, little endian"),
    (codecs.BOM_UTF16_BE, "UTF-16, big endian"),
)
WANTED = "text in UTF-8"
FIRST = 64  # bytes by which UTF-16 without a mark is known: every second one is 0


def read_text(file: Path, largest: int = LARGEST, kind: str = "TOML file") -> tuple[str | None, list[Fault]]:
    """The file's text with LF line ends and without a mark, None where it has none, and what is wrong with its bytes.
    ``largest`` in bytes; ``kind`` says what is wanted."""
    try:
        mode = file.stat().st_mode
        if stat.S_ISDIR(mode):
            return None, [Fault(file, 1, 1, "", "a directory", f"a {kind}")]
        if not stat.S_ISREG(mode):
            return None, [Fault(file, 1, 1, "", "a device or pipe", f"a {kind}")]
        with file.open("rb") as opened:
            raw = opened.read(largest + 1)
    except FileNotFoundError:
        wanted = f"the installer's {kind} (docs/installer.md shows one)"
        return None, [Fault(file, 1, 1, "", "no such file", wanted)]
    except PermissionError:
        found = "a file that you may not read"
        return None, [Fault(file, 1, 1, "", found, "permission, for example by sudo", denied=True)]
    except OSError as error:
        return None, [Fault(file, 1, 1, "", f"a file that cannot be read ({error.strerror})", f"a readable {kind}")]
    if len(raw) > largest:
        size = f"{largest >> 20} MiB"
        return None, [Fault(file, 1, 1, "", f"more than {size}", f"a {kind} of at most {size}")]
    return decode(file, raw)


def decode(file: Path, raw: bytes) -> tuple[str | None, list[Fault]]:
    """The text of these bytes as :func:`read_text` gives it. What is not UTF-8 stands in it as U+FFFD."""
    if (other := _other_encoding(raw)) is not None:
        return None, [Fault(file, 1, 1, "", f"text in {other}", f"{WANTED}: save the file anew with this encoding")]
    text = raw.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    faults = []
    if (lone := text.find("\r")) >= 0:
        line, column = text.count("\n", 0, lone) + 1, lone - text.rfind("\n", 0, lone)
        found = "a carriage return without a line feed (U+000D)"
        faults.append(Fault(file, line, column, "", found, "lines that end in LF or CR LF"))
        text = text.replace("\r", "\n")
    bad = _not_utf8(file, text)
    faults += bad[:MOST]
    return (None if len(bad) > MOST else re.sub("[\udc80-\udcff]", "\ufffd", text)), faults


def _other_encoding(raw: bytes) -> str | None:
    for mark, name in ENCODINGS:
        if raw.startswith(mark):
            return name
    if len(raw) >= 4 and not any(raw[1:FIRST:2]):
        return "UTF-16, little endian, without a byte order mark"
    if len(raw) >= 4 and not any(raw[0:FIRST:2]):
        return "UTF-16, big endian, without a byte order mark"
    return None


def _not_utf8(file: Path, text: str) -> list[Fault]:
    """The first byte of each line that is not UTF-8, one line more than are told."""
    faults = []
    for number, line in enumerate(text.split("\n"), 1):
        if (there := re.search("[\udc80-\udcff]", line)) is None:
            continue
        byte = ord(there[0]) - 0xDC00
        letter = bytes([byte]).decode("cp1251", "replace")
        perhaps = f' (in Windows-1251 it is "{letter}")' if letter.isalpha() else ""
        found = f"the byte 0x{byte:02x}, which is not UTF-8{perhaps}"
        faults.append(Fault(file, number, there.start() + 1, "", found, WANTED))
        if len(faults) > MOST:
            break
    return faults

"""``meterpost decode``: a frame, or a question with its answer, in words."""

import enum
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from agent.cli.output import JSON, Exit, Failure, emit, note, wrapped

LONGEST = 4096  # octets of a frame


class Protocol(enum.StrEnum):
    """What can be said in words; the module is protocols.NAME.explain."""

    MERCURY = "mercury"
    MODBUS = "modbus"


def decode(
    protocol: Annotated[Protocol, typer.Argument(help="The language of the frame.")],
    frames: Annotated[
        list[str] | None, typer.Argument(metavar="[HEX [HEX]]", help="A frame, or a question and its answer.")
    ] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Say in words what a frame means. With the question, its answer can be told for certain.

    HEX may hold blanks, commas, colons and 0x. Without HEX, lines are read from stdin, a frame a line.

    \b
    Example:
      meterpost decode mercury "2d 05 00 00 10 25"
    """
    if not frames and sys.stdin.isatty():
        note("a frame a line; Ctrl-D ends")
    texts = _joined(frames) if frames else [line for line in sys.stdin if line.strip()]
    if not 1 <= len(texts) <= 2:
        raise Failure(f"{len(texts)} frames; one is wanted, or a question and its answer", Exit.USAGE)
    octets = [octets_of(text, number) for number, text in enumerate(texts, 1)]
    explain = import_module(f"protocols.{protocol.value}.explain").explain
    said = [explain(one, octets[0] if number else None) for number, one in enumerate(octets)]
    if as_json:
        emit([{"hex": one.hex(" "), "lines": lines} for one, lines in zip(octets, said, strict=True)])
        return
    for one, lines in zip(octets, said, strict=True):
        print(wrapped(one.hex(" ")))
        for line in lines:
            print(wrapped(f"  {line}", "    "))


def octets_of(text: str, number: int) -> bytes:
    """The octets of one frame; Failure (wrong usage) with the place of the first character that is no hex."""
    cleaned = re.sub(r"0[xX]|[\s,:;]|\\x", lambda found: " " * len(found[0]), text.rstrip())
    wrong = re.search(r"[^0-9a-fA-F ]", cleaned)
    if wrong:
        place = f"frame {number}, character {wrong.start() + 1}"
        raise Failure(f"{place}: {text[wrong.start()]!r} is no hex digit", Exit.USAGE)
    try:
        octets = bytes.fromhex("".join(part.zfill(2) if len(part) == 1 else part for part in cleaned.split()))
    except ValueError:
        odd = next(found for found in re.finditer(r"\S+", cleaned) if len(found[0]) % 2 and len(found[0]) > 1)
        place = f"frame {number}, character {odd.start() + 1}"
        raise Failure(f"{place}: {odd[0]!r} has half an octet too many or too few", Exit.USAGE) from None
    if not octets or len(octets) > LONGEST:
        raise Failure(f"frame {number}: {len(octets)} octets; 1 to {LONGEST} are a frame", Exit.USAGE)
    return octets


def _joined(frames: Sequence[str]) -> list[str]:
    """Octets given as words of their own (no quotes) are one frame."""
    words = [re.fullmatch(r"(0[xX])?[0-9a-fA-F]{1,2},?", frame) for frame in frames]
    return [" ".join(frames)] if len(frames) > 1 and all(words) else list(frames)

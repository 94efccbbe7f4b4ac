"""``meterpost decode``: a frame, or a question with its answer, as text."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.output import JSON
from agent.cli.screen import emit, note, wrapped
from agent.config.secret import SecretTrouble, read_secret
from agent.exits import Exit, Failure
from drivers import guess, registry
from drivers.family import Explain, FrameKeys

AUTO = "auto"
LONGEST = 65536  # octets: a readout of several hundred lines, a profile in one block


def decode(
    protocol: Annotated[
        str, typer.Argument(metavar="|".join((AUTO, *registry.languages())), help="The language of the frame.")
    ],
    frames: Annotated[
        list[str] | None, typer.Argument(metavar="[HEX [HEX]]", help="A frame, or a question and its answer.")
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option("--key-file", metavar="FILE", help="Of ciphered frames: the encryption key."),
    ] = None,
    auth_key_file: Annotated[
        Path | None,
        typer.Option("--auth-key-file", metavar="FILE", help="Of ciphered frames: the authentication key."),
    ] = None,
    system_title: Annotated[
        str,
        typer.Option("--title", metavar="HEX", help="Of ciphered frames: the sender's system title, if they lack it."),
    ] = "",
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Explain what a frame means. With the question, its answer can be told for certain.

    HEX may hold blanks, commas, colons and 0x. Without HEX, lines are read from stdin, a frame a line. Where a protocol
    has frames inside others (over TCP, behind parity bits), each of them is taken. Key files hold one line: 32 hex
    digits, or 16 characters; it is never shown. ``auto`` guesses the protocol.

    \b
    Example:
      meterpost decode mercury "2d 05 00 00 19 49"
      meterpost decode iec "2f 3f 21 0d 0a"
      meterpost decode dlms < frames.txt
    """
    if not frames and sys.stdin.isatty():
        note("a frame a line; Ctrl-D ends")
    texts = _joined(frames) if frames else [line for line in sys.stdin if line.strip()]
    if not 1 <= len(texts) <= 2:
        raise Failure(f"{len(texts)} frames; one is wanted, or a question and its answer", Exit.USAGE)
    octets = [octets_of(text, number) for number, text in enumerate(texts, 1)]
    if protocol == AUTO:
        protocol = _guessed(octets[0])
        if not as_json:
            print(wrapped(f"as {protocol}:"))
    explain = _words(protocol, key_file, auth_key_file, system_title)
    said = [explain(one, octets[0] if number else None) for number, one in enumerate(octets)]
    if as_json:
        emit([{"hex": one.hex(" "), "lines": lines} for one, lines in zip(octets, said, strict=True)])
        return
    for one, lines in zip(octets, said, strict=True):
        print(wrapped(one.hex(" ")))
        for line in lines:
            print(wrapped(f"  {line}", "    "))


def _guessed(octets: bytes) -> str:
    name = guess.language(octets)
    if name is None:
        known = ", ".join(registry.languages())
        raise Failure(f"no protocol is recognised in {octets[:16].hex(' ')} …; name one of {known}", Exit.USAGE)
    return name


def _words(protocol: str, block: Path | None, authentication: Path | None, system_title: str) -> Explain:
    """The protocol's own words, with the keys where there are any; the Failure never holds one."""
    try:
        language = registry.language(protocol)
    except KeyError:
        known = ", ".join(registry.languages())
        raise typer.BadParameter(f"{protocol!r}; there are: {known}", param_hint="PROTOCOL") from None
    if block is None and authentication is None and not system_title:
        return language.explain()
    if language.unlocked is None:
        raise Failure(f"{protocol} frames are never ciphered: no key is wanted", Exit.USAGE)
    if block is None and authentication is not None:
        raise Failure("--auth-key-file checks what --key-file opens: give both", Exit.USAGE)
    try:
        return language.unlocked(FrameKeys(_key(block), _key(authentication), system_title))
    except ValueError as wrong:
        raise Failure(str(wrong), Exit.USAGE) from None


def _key(file: Path | None) -> str | None:
    """The key in a file that only its owner can read."""
    try:
        return None if file is None else read_secret(file, Path())
    except SecretTrouble as trouble:
        raise Failure(str(trouble), Exit.PERMISSION if trouble.denied else Exit.USAGE) from None


def octets_of(text: str, number: int) -> bytes:
    """The octets of one frame; Failure (wrong usage) with the place of the first character that is not hex."""
    cleaned = re.sub(r"0[xX]|[\s,:;]|\\x", lambda found: " " * len(found[0]), text.rstrip())
    wrong = re.search(r"[^0-9a-fA-F ]", cleaned)
    if wrong:
        place = f"frame {number}, character {wrong.start() + 1}"
        raise Failure(f"{place}: {text[wrong.start()]!r} is not hex digit", Exit.USAGE)
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

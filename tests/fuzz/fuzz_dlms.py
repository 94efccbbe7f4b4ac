"""Random and mutated octets against every DLMS decoder, for as long as wanted.

    python -m tests.fuzz.fuzz_dlms [SECONDS] [SEED]

Ends with an error and the octets that did it where anything else than a declared error is raised, or where one input
takes more than a second.
"""

import random
import sys
import time
from collections.abc import Callable, Iterator

from protocols.dlms import axdr
from protocols.dlms.acse import AssociationAnswer, AssociationRequest, Initiate, released
from protocols.dlms.answers import ActionMore, ActionPiece, list_items, parse_answer
from protocols.dlms.apdu import ActionBlock, ActionNext, parse_request
from protocols.dlms.cosem.objects import (
    Scale,
    capture_objects,
    object_list,
    relay,
    security_setup,
)
from protocols.dlms.cosem.stamp import Stamp
from protocols.dlms.explain import explain
from protocols.dlms.hdlc import Address, Deframer, Frame, Limits
from protocols.dlms.push import pushed
from protocols.dlms.questions import Action, Associate, Connect, Get, GetList
from protocols.dlms.security import Keys, reveal
from protocols.dlms.session import Session
from protocols.dlms.wrapper import unwrap, wrap
from protocols.errors import MeterError
from tests.support.dlms import ENERGIES, METER, dialogue

KEYS = Keys(bytes(16), bytes(range(16)))
CALL = (Associate(1, b"x"), Action(ENERGIES[0], axdr.octets(bytes(300))))
BLOCKS = tuple(
    each.to_bytes()
    for each in (
        ActionBlock(0xC1, ENERGIES[0], False, 1, b"\x09\x05ab"),
        ActionBlock(0xC1, None, True, 2, b"cde"),
        ActionNext(0xC1, 1),
        ActionPiece(0xC1, False, 1, b"\x09\x05ab"),
        ActionPiece(0xC1, True, 2, b"cde"),
        ActionMore(0xC1, 1),
    )
)
"""Methods in blocks: no dialogue of the driver has them."""


def _objects(data: bytes) -> None:
    value = axdr.decode(data)
    for reads in (Scale.from_data, capture_objects, object_list):
        try:
            reads(value)
        except MeterError:
            continue
    for several in (lambda: relay(value, value, value), lambda: security_setup(value, value, value, value)):
        try:
            several()
        except MeterError:
            continue


def _frames(data: bytes) -> None:
    deframer = Deframer()
    deframer.feed(data)
    while deframer.frame(silent=True) is not None:
        pass


def _session(data: bytes, wrapper: bool) -> None:
    """A session at each of its stations hears these octets."""
    for questions in ((), (Associate(1, b"x"),), (Associate(1, b"x"), Get(ENERGIES[0])), (GetList(ENERGIES),), CALL):
        session = Session(wrapper)
        session.send(Connect(METER, 32))
        for question in questions:
            try:
                session.send(question)
            except RuntimeError:
                break
            session.receive(data)
        session.receive(data)
        session.receive(b"")


def _read(data: bytes) -> None:
    """An answer to a GET or an ACTION in an open association."""
    for question in (Get(ENERGIES[0]), GetList(ENERGIES), CALL[1]):
        session = Session(wrapper=True)
        session.send(Connect(METER, 32))
        session.send(Associate())
        session.receive(wrap(1, 32, AssociationAnswer(0, 0, Initiate(0x1E1D, 200).response()).to_bytes()))
        session.send(question)
        session.receive(wrap(1, 32, data[:60_000]))


DECODERS: tuple[Callable[[bytes], object], ...] = (
    axdr.decode,
    _objects,
    _frames,
    _read,
    lambda data: _session(data, False),
    lambda data: _session(data, True),
    Frame.from_bytes,
    Limits.from_bytes,
    Address.from_bytes,
    Stamp.from_bytes,
    parse_answer,
    parse_request,
    list_items,
    released,
    unwrap,
    pushed,
    AssociationAnswer.from_bytes,
    AssociationRequest.from_bytes,
    Initiate.from_request,
    Initiate.from_response,
    lambda data: reveal(data, KEYS, bytes(8)),
    lambda data: "\n".join(explain(data, data[::-1], KEYS, bytes(8))),
)


def inputs(dice: random.Random) -> Iterator[bytes]:
    """Without end: octets at random, and sound messages with octets changed, cut, doubled and put together."""
    sound = dialogue() + BLOCKS
    while True:
        if dice.random() < 0.2:
            yield dice.randbytes(dice.randrange(1, 80))
            continue
        data = bytearray(dice.choice(sound))
        for _ in range(dice.randrange(1, 6)):
            at = dice.randrange(len(data) + 1)
            match dice.randrange(5):
                case 0 if at < len(data):
                    data[at] ^= 1 << dice.randrange(8)
                case 1:
                    data[at : at + 1] = bytes((dice.choice((0, 1, 2, 9, 0x13, 0x7E, 0x7F, 0x80, 0x84, 0xFF)),))
                case 2:
                    del data[at : at + dice.randrange(1, 9)]
                case 3:
                    data[at:at] = data[: dice.randrange(1, 30)]
                case 4:
                    data += dice.choice(sound)[:400]
        yield bytes(data[:4000])


def one(data: bytes) -> None:
    """Every decoder on these octets; whatever is not declared gets through."""
    for decode in DECODERS:
        try:
            decode(data)
        except MeterError:
            continue


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 32)
    end, count = time.monotonic() + seconds, 0
    for data in inputs(random.Random(seed)):
        if time.monotonic() > end:
            break
        begin = time.thread_time()
        try:
            one(data)
        except Exception:
            print(f"seed {seed}, input {count}: {data.hex()}", file=sys.stderr)
            raise
        if time.thread_time() - begin > 1.0:
            sys.exit(f"more than a second, seed {seed}, input {count}: {data.hex()}")
        count += 1
    print(f"{count} inputs, seed {seed}, nothing undeclared")


if __name__ == "__main__":
    main()

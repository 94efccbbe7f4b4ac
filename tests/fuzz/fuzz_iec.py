"""Random and mutated bytes against every IEC 62056-21, P1 and SML decoder, for as long as wanted.

    python -m tests.fuzz.fuzz_iec [SECONDS] [SEED]

Ends with an error and the bytes that did it where anything else than a declared error is raised, or where one input
takes more than a second.
"""

import random
import sys
import time
from collections.abc import Callable

from protocols.errors import MeterError
from protocols.iec62056 import frames
from protocols.iec62056.block import parse
from protocols.iec62056.explain import explain
from protocols.iec62056.push import Listen, PushSession, TextCut
from protocols.sml import messages, transport
from tests.conversations import load
from tests.protocols.test_iec_any_bytes import HEARD, LINE, QUESTIONS, asked, fed, mutated

SML = [b"".join(data for _, data in load(f"sml-{name}")) for name in ("emh-ehz", "emh-ed300l", "dzg-dvs", "damaged")]


def sessions(data: bytes, chance: random.Random) -> None:
    question = chance.choice(QUESTIONS)
    session = asked(question, check=chance.choice(("auto", "none")))
    head = chance.choice((b"", b"/EKT5CE102Mv01\r\n", b"/XYZ meter\r\n", b"/XYZCb\r\n"))
    fed(session, head + data)


def texts(data: bytes, chance: random.Random) -> None:
    parse(data)
    explain(data)
    frames.identification(data)


def pushes(data: bytes, chance: random.Random) -> None:
    cut = TextCut("none", chance.choice(("none", "software")))
    session = PushSession(cut, 10, cut.prepare)
    session.send(Listen())
    piece = chance.randint(1, 64)
    for at in range(0, len(data), piece):
        session.receive(data[at : at + piece])


def files(data: bytes, chance: random.Random) -> None:
    base = mutated(chance.choice(SML), chance)
    messages.registers(chance.choice((data, base)))


def streams(data: bytes, chance: random.Random) -> None:
    stream = bytearray(mutated(chance.choice(SML), chance) + data)
    while (before := len(stream)) and transport.cut(stream) is not None:
        assert len(stream) < before


TARGETS: tuple[Callable[[bytes, random.Random], None], ...] = (sessions, texts, pushes, files, streams)


def run(seconds: float, seed: int) -> int:
    """Inputs tried; RuntimeError with the input where a decoder breaks its promise."""
    chance = random.Random(seed)
    until, count = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        data = (
            mutated(chance.choice(HEARD), chance) if chance.random() < 0.8 else chance.randbytes(chance.randint(0, 200))
        )
        for target in TARGETS:
            begin = time.thread_time()
            try:
                target(data, chance)
            except MeterError:
                continue
            except Exception as error:
                raise RuntimeError(f"{target.__name__} with {data.hex()} (seed {seed}, input {count})") from error
            finally:
                count += 1
                if time.thread_time() - begin > 1:
                    raise RuntimeError(f"{target.__name__} takes more than a second: {data.hex()}")
    return count


if __name__ == "__main__":
    LIMIT = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(10**6)
    print(f"{run(LIMIT, SEED)} inputs on {LINE.format}, seed {SEED}: only declared errors")

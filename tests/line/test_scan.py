"""A scan says what was there instead of an answer, as every other command does."""

from collections.abc import Callable
from functools import partial

import pytest

from agent.line.link import Link
from agent.line.scan import Found, scan
from protocols.errors import MeterError
from protocols.mercury.frames import seal
from protocols.session import Line
from tests.support.wire import ScriptedPort, Time

Answer = Callable[[bytes], list[tuple[float, bytes]]]


def scanned(answer: Answer) -> tuple[list[Found], list[MeterError]]:
    time, unheard = Time(), list[MeterError]()
    link_of = partial(Link, tries=1, monotonic=time, sleep=time.sleep)
    port = ScriptedPort(time, answer)
    found = scan(port, "mercury230", [Line()], ["45"], unheard=unheard.append, link_of=link_of)
    return list(found), unheard


@pytest.mark.parametrize(
    ("answer", "layer"),
    [(lambda asked: [], "octets"), (lambda asked: [(0.0, asked)], "echo")],
    ids=["nothing", "only the echo"],
)
def test_what_comes_instead_of_an_answer_is_told(answer: Answer, layer: str) -> None:
    found, unheard = scanned(answer)
    assert found == [] and [trouble.layer for trouble in unheard] == [layer]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda asked: [(0.9, seal(45, bytes(7)))], 'timeout = "2s"'),
        (lambda asked: [(0.1, b"/EKT5CE303v11\r\n")], "not readably"),
        (lambda asked: [(0.1, b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01\x76")], "SML"),
        (lambda asked: [(0.1, seal(46, bytes(7)))], "meter 46 answered"),
    ],
    ids=["late", "text", "another protocol", "another address"],
)
def test_something_that_answers_is_found_with_what_to_do_about_it(answer: Answer, words: str) -> None:
    (found,), unheard = scanned(answer)
    assert words in found.note and unheard == []

"""``meterpost scan``: who is connected to the line, without a password and without changing anything."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.line.scan import addresses
from protocols.mercury.frames import Energy
from simulators.line import PtyLine
from simulators.mercury230 import Mercury230
from tests.cli.conftest import Run


@pytest.fixture
def riser() -> Iterator[PtyLine]:
    meter = Mercury230(
        address=45,
        serial="23456789",
        now=lambda: datetime.now(UTC).replace(tzinfo=None),
        registers={tariff: Energy(1000, 0, 0, 0) for tariff in range(5)},
    )
    with PtyLine([meter], pace=False) as line:
        yield line


@pytest.mark.slow
def test_a_meter_that_wants_a_password_is_found_and_no_password_leaves(riser: PtyLine, run: Run) -> None:
    done = run("scan", str(riser.path), "--driver", "mercury230", "--addresses", "44-45", "--json")
    assert done.code == 0, done.err
    (found,) = done.document["found"]
    assert (found["address"], found["serial"]) == ("45", None) and "password" in found["note"]
    assert not any(request[1:2] == b"\x01" for request in riser.recorded), "01h would log in"


@pytest.mark.slow
def test_an_empty_line_ends_with_1_and_a_word_of_help(riser: PtyLine, run: Run) -> None:
    done = run("scan", str(riser.path), "--driver", "mercury230", "--addresses", "1")
    assert done.code == 1 and done.out == ""
    assert "no one answers at 1 addresses" in done.err and "wires A and B" in done.err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--driver", "sml"), "send by themselves"),
        (("--driver", "mercury23"), "did you mean"),
        (("--driver", "mercury230", "--addresses", "9-1"), "runs backwards"),
        (("--driver", "mercury230", "--addresses", "300"), "1 to 240"),
        (("--driver", "mercury230", "--speed", "9601"), "9600"),
        (("--driver", "mercury230", "--format", "8X1"), "8N1"),
    ],
)
def test_a_wrong_question_opens_no_port(args: tuple[str, ...], words: str, run: Run) -> None:
    done = run("scan", "/dev/ttyNothing", *args)
    assert done.code == 2 and words in " ".join(done.err.split()), done.err


def test_a_bus_has_its_name_in_the_file(house: Path, run: Run) -> None:
    done = run("scan", "riser-9", "--driver", "mercury230", "-c", str(house))
    assert done.code == 2 and "riser-1" in done.err


def test_addresses_are_single_ones_and_ranges() -> None:
    assert addresses("1-3,45") == ["1", "2", "3", "45"] and addresses("") == [""]

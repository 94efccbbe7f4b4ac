"""``meterpost run`` as the service starts it."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.cli import service
from tests.cli.conftest import Run, change

DEFAULT = Path("/etc/meterpost/meterpost.toml")


@pytest.mark.parametrize(
    ("args", "asked"),
    [
        ([], (DEFAULT, False)),
        (["-c", "a.toml"], (Path("a.toml"), False)),
        (["--config", "a.toml", "-v"], (Path("a.toml"), True)),
        (["--verbose"], (DEFAULT, True)),
        (["--help"], None),
        (["-c"], None),
        (["-c", "--help"], None),
        (["more"], None),
        (["--confg", "a.toml"], None),
    ],
)
def test_the_plain_call_is_understood_without_typer_and_all_else_is_left_to_it(
    args: list[str], asked: tuple[Path, bool] | None
) -> None:
    assert service.parse(args) == asked


@pytest.mark.slow
def test_the_service_carries_neither_typer_nor_pydantic() -> None:
    code = (
        "import sys; from agent.cli import service; import agent.daemon\n"
        "print([name for name in ('typer', 'pydantic', 'rich', 'sqlite_utils', 'simulators') if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout == "[]\n"


@pytest.mark.slow
def test_the_daemon_carries_no_package_that_is_not_configured() -> None:
    """Neither statements, plans, readings by hand and exchange files, nor what they need of the standard library."""
    code = (
        "import sys; from agent.cli import service; import agent.daemon\n"
        "rooms = ('agent.statement', 'agent.manual.entry', 'agent.history', 'agent.report', 'agent.channels')\n"
        "light = ('agent.statement.service', 'agent.history.installations', 'agent.report.daily')\n"
        "heavy = ('smtplib', 'email.policy', 'xml', 'html', 'xlsxwriter', 'protocols.gsm')\n"
        "print([name for name in sys.modules if name.startswith(rooms + heavy) and name not in rooms + light])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout == "[]\n"


@pytest.fixture
def logging_as_it_was() -> object:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield root
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.mark.slow
@pytest.mark.usefixtures("logging_as_it_was")
def test_a_faulty_file_ends_the_service_with_78_and_every_fault(run: Run, house: Path) -> None:
    change(house, "address = 45", "address = 450")
    change(house, "ratio = 20", "ratio = 0")
    done = run("run", "-c", str(house))
    assert done.code == 78
    assert "meter[1].address" in done.err
    assert "meter[1].ratio" in done.err
    assert os.listdir(house.parent / "state") == []  # noqa: PTH208 - names are enough


def test_each_line_for_the_journal_has_its_priority() -> None:
    form = service.ForJournal("%(message)s")

    def line(level: int, text: str) -> str:
        return form.format(logging.LogRecord("meterpost", level, "", 0, text, None, None))

    assert line(logging.ERROR, "a fault\nand another") == "<3>a fault\n<3>and another"
    assert line(logging.WARNING, "the clock moved") == "<4>the clock moved"
    assert line(logging.INFO, "connected") == "<6>connected"
    assert line(logging.DEBUG, "asked") == "<7>asked"


@pytest.mark.slow
@pytest.mark.parametrize("journal", [True, False])
def test_why_the_service_does_not_start_is_an_error_in_the_journal(house: Path, journal: bool) -> None:
    change(house, "speed = 9600", "sped = 9600")
    read, write = os.pipe()
    there = os.fstat(write)
    stream = f"{there.st_dev}:{there.st_ino}" if journal else "1:1"
    command = [sys.executable, "-m", "agent", "run", "-c", str(house)]
    root = Path(__file__).parents[2]
    with os.fdopen(read, encoding="utf-8") as end:
        with os.fdopen(write, "w") as stderr:
            environment = os.environ | {"JOURNAL_STREAM": stream}
            done = subprocess.run(command, stderr=stderr, cwd=root, env=environment, check=False, timeout=60)
        lines = end.read().splitlines()
    assert done.returncode == 78
    assert [line[:3] == "<3>" for line in lines] == [journal] * 2, lines

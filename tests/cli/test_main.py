"""The command line as a whole: quick, kind, and with the documented exit codes."""

import io
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from agent import VERSION, cli
from agent.cli import errors
from agent.exits import Exit, Failure, exit_code
from buffer.faults import StoreBusy, StoreTooNew, StoreUnusable
from drivers.files.faults import ConfigError, Fault
from protocols.errors import NoReply
from tests.cli.conftest import Run

OURS = ("check", "ports", "drivers", "decode", "version")


def test_the_version_is_that_of_the_package(run: Run) -> None:
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    assert tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["version"] == VERSION
    assert run("version").out == f"meterpost {VERSION}\n"
    assert run("version", "--json").document == {"version": VERSION}


def test_help_lists_every_command_that_is_there(run: Run) -> None:
    done = run("--help")
    assert done.code == 0
    for name in OURS:
        assert f"\n  {name} " in done.out


@pytest.mark.parametrize("name", OURS)
def test_each_command_shows_an_example_and_fits_a_phone(run: Run, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    done = run(name, "--help")
    assert done.code == 0
    assert "Example:" in done.out
    assert f"meterpost {name}" in " ".join(done.out.split())
    assert max(map(len, done.out.splitlines())) <= 50


@pytest.mark.parametrize(
    "args",
    [(), ("chek",), ("check", "--explian"), ("version", "more"), ("decode", "smm", "7e"), ("drivers", "sdm63O")],
)
def test_wrong_usage_exits_2_and_prints_no_data(run: Run, args: tuple[str, ...]) -> None:
    done = run(*args)
    assert done.code == 2
    assert done.out == ""
    assert done.err


def test_a_misspelt_command_is_answered_with_the_likely_one(run: Run) -> None:
    assert "check" in run("chek").err


@pytest.mark.slow
def test_a_command_imports_no_other_command_and_help_imports_none() -> None:
    code = (
        "import sys; from agent.cli import main; main(sys.argv[1:])\n"
        "print(sorted(n for n in sys.modules if n.startswith('agent.cli.')))"
    )

    def imported(*args: str) -> str:
        command = [sys.executable, "-c", code, *args]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
        return done.stdout.splitlines()[-1]

    assert imported("--help") == "[]"
    assert imported("version").startswith("['agent.cli.output', 'agent.cli.screen', 'agent.cli.version']")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError([Fault(Path("f"), 1, 1, "k", "this", "that")]), 78),
        (ConfigError([Fault(Path("f"), 1, 1, "k", "this", "that", denied=True)]), 77),
        (PermissionError(13, "Permission denied", "/dev/ttyUSB0"), 77),
        (OSError(5, "Input/output error"), 74),
        (NoReply("no answer"), 74),
        (StoreUnusable("the disk says no"), 74),
        (StoreTooNew("newer"), 78),
        (Failure("later", Exit.LATER), 75),
        (ZeroDivisionError("ours"), 1),
    ],
)
def test_an_exception_is_a_line_and_an_exit_code_and_no_traceback(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert errors.report(error) == code
    done = capsys.readouterr()
    assert done.out == ""
    assert done.err
    assert "Traceback" not in done.err


def test_what_a_command_raises_is_reported(run: Run, house: Path) -> None:
    done = run("events", "-c", str(house))
    assert (done.code, done.out) == (1, "") and "no store in" in done.err and "Traceback" not in done.err


def test_a_busy_store_means_try_again_later() -> None:
    assert exit_code(StoreBusy.__new__(StoreBusy)) == 75


@pytest.mark.parametrize("how", ["--debug", "METERPOST_TRACEBACK"])
def test_a_traceback_is_shown_on_request(run: Run, monkeypatch: pytest.MonkeyPatch, house: Path, how: str) -> None:
    failing = ("events", "-c", str(house))
    if how.startswith("--"):
        done = run(*failing, how)
    else:
        monkeypatch.setenv(how, "1")
        done = run(*failing)
    assert done.code == 1
    assert "Traceback" in done.err
    if how.startswith("--"):
        assert "METERPOST_TRACEBACK" not in os.environ, "what this run was asked for is not a word for the next"


def test_ctrl_c_ends_a_command_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Held(io.StringIO):
        """A terminal at which Ctrl-C is pressed while the command prints."""

        def write(self, text: str) -> int:
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdout", Held())
    assert cli.main(["version", "--json"]) == 1
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    code = "import sys; from agent.cli import main; sys.exit(main(sys.argv[1:]))"
    command = f"{sys.executable} -c '{code}' drivers --json | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.stdout.splitlines() == ["[", "0"]
    assert done.stderr == ""


@pytest.mark.parametrize("name", sorted(cli.EXAMPLES))
def test_commands_of_commands_show_an_example_and_whole_sentences_on_a_narrow_phone(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    done = run(name, "--help")
    assert done.code == 0
    assert f"  {cli.EXAMPLES[name]}\n" in done.out
    assert "..." not in done.out.partition("Commands:")[2]
    assert max(map(len, done.out.splitlines())) <= 40


def test_the_list_of_commands_is_whole_on_a_narrow_phone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    out = run("--help").out
    assert max(map(len, out.splitlines())) <= 40
    said = " ".join(out.partition("Commands:")[2].split())
    assert all(f"{name} {summary}" in said for name, summary in cli.COMMANDS.items())


@pytest.mark.slow
def test_a_terminal_without_our_letters_ends_no_command() -> None:
    call = "import sys; from agent.cli import main; sys.exit(main(['drivers', 'mercury230']))"
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True, env=env, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "active (A+ A\\u2212)" in done.stdout


def test_a_system_error_is_said_with_its_file_and_without_its_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert errors.report(FileNotFoundError(2, "No such file or directory", "/nowhere")) == Exit.IO
    assert errors.report(PermissionError("/state: you may not ask the daemon (try sudo)")) == Exit.PERMISSION
    said = capsys.readouterr().err
    assert "/nowhere: No such file or directory\n" in said
    assert "/state: you may not ask the daemon (try sudo)\n" in said and "Errno" not in said


def test_who_may_not_is_told_of_sudo_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert errors.report(PermissionError(13, "Permission denied", "/state/store.db")) == Exit.PERMISSION
    assert capsys.readouterr().err.endswith("/state/store.db: Permission denied\nhint: the same with sudo\n")
    errors.report(PermissionError("/state: you may not ask the daemon (try sudo)"))
    assert "hint" not in capsys.readouterr().err


def test_a_daemon_that_does_not_answer_is_a_matter_of_trying_later() -> None:
    from agent.control.unix_socket import NoAnswer

    assert exit_code(NoAnswer("the daemon has not answered within 10 s")) == Exit.LATER

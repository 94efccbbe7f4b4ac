"""The command line: a module for each ``meterpost COMMAND``, imported when the command is called.

May import daemon, and everything below. Only ``simulate``, ``demo`` and ``demo_house`` may import simulators.

Each module of COMMANDS has a function with the command's name, whose parameters are Typer's and whose result is the
exit code (None: 0), or a Typer application ``app`` with commands of its own. An exception becomes one line on stderr
and an exit code.
"""

import importlib.util
import inspect
import io
import os
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import typer

COMMANDS = {
    "run": "Poll the meters, keep what they say, deliver it (the service).",
    "check": "Is the configuration right? What will the lines have to bear?",
    "ports": "The serial ports of this machine and who uses them.",
    "scan": "Which meters are connected to a line.",
    "doctor": "What is wrong here, and what to do about it.",
    "read": "Read meters now and print T1…T4.",
    "enter": "Type in what a display shows, where a meter has no port.",
    "status": "What the running daemon is doing.",
    "records": "What the store holds: list, stats, export, resend.",
    "events": "What the meters' journals and the gateway have told.",
    "clock": "How far the meters' clocks are off; setting them.",
    "fill": "Ask the meters' archives for a time once more.",
    "pause": "Leave points alone for a while.",
    "resume": "Poll them again.",
    "history": "What a point has used, by hour, day or month.",
    "replace": "A point has another meter: close the old one, open the new.",
    "statement": "The monthly figures for the utility: look, check, confirm, send.",
    "report": "Consumption of a period for organisations: html, csv, xlsx.",
    "exchange": "Half-hour exchange files (Макет 80020) and their answers.",
    "channels": "The modem and the mail server: do they work? Try them.",
    "decode": "Explain a frame.",
    "simulate": "A simulated plant of meters on pseudo-terminals.",
    "demo": "Simulated house, broker, intake and daemon, all at once.",
    "drivers": "The meters that can be read.",
    "version": "Print the version.",
}
"""Name → one line of help. The module of a command is agent.cli.NAME; adding a command is one line here."""

HELP = """Reads electricity meters and delivers what they say until the utility has it.

\b
Example:
  meterpost check --explain
"""

EXAMPLES = {
    "records": "meterpost records list --limit 5",
    "clock": "meterpost clock show",
    "statement": "meterpost statement list",
    "exchange": "meterpost exchange list",
    "channels": "meterpost channels",
}
"""For the help of commands that have commands of their own."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. A traceback is shown with --debug or METERPOST_TRACEBACK=1 only."""
    args = list(sys.argv[1:] if argv is None else argv)
    where = bool(os.environ.get("METERPOST_TRACEBACK"))
    if "--debug" in args:
        args.remove("--debug")
        where = True
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a letter that the terminal's coding lacks must not end a command
            stream.reconfigure(errors="backslashreplace")
    try:
        if args[:1] == ["run"]:
            from agent.cli import service

            asked = service.parse(args[1:])
            if asked is not None:
                return service.serve(*asked)
        return _run(application(args), args)
    except KeyboardInterrupt:
        from agent.cli.errors import interrupted

        return interrupted()
    except Exception as error:
        from agent.cli.errors import report

        return report(error, where)


def application(args: Sequence[str]) -> "typer.Typer":
    """The Typer application: the called command alone with its module, or all of them as names with their help."""
    import typer

    columns = shutil.get_terminal_size((80, 24)).columns
    settings = {"terminal_width": min(max(columns, 30), 80)}  # Click's own help is never narrower than 50
    app = typer.Typer(
        name="meterpost",
        help=HELP,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        context_settings=settings,
    )
    app.callback()(_nothing)  # keeps the name of a lone command
    called = args[0] if args and args[0] in COMMANDS and _exists(args[0]) else None
    for name in [called] if called else filter(_exists, COMMANDS):
        if called:
            _add(app, name)
        else:
            app.command(name, help=COMMANDS[name], short_help=COMMANDS[name])(_nothing)
    return app


def _add(app: "typer.Typer", name: str) -> None:
    module = importlib.import_module(f"agent.cli.{name}")
    inner = getattr(module, "app", None)
    if inner is not None:
        app.add_typer(inner, name=name, help=f"{COMMANDS[name]}\n\n\b\nExample:\n  {EXAMPLES[name]}")
        for command in inner.registered_commands:  # Click would cut it to one line of a wide terminal
            command.short_help = inspect.cleandoc(command.callback.__doc__ or "").partition(".")[0] + "."
    else:
        app.command(name)(getattr(module, name))


def _nothing() -> None: ...


def _exists(name: str) -> bool:
    return importlib.util.find_spec(f"agent.cli.{name}") is not None


def _run(app: "typer.Typer", args: list[str]) -> int:
    """Typer answers the command's result, or the code of its Exit; 130 is its word for Ctrl-C."""
    from typer.main import get_command

    try:
        result: Any = get_command(app).main(args=args, prog_name="meterpost", standalone_mode=False)
        sys.stdout.flush()
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):
            raise ended.__context__ from None
        raise
    if result == 130:
        raise KeyboardInterrupt
    return int(result) if isinstance(result, int) else 0

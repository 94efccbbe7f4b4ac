"""Commands as a shell would call them: arguments in, exit code, stdout and stderr out."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.cli import main
from agent.control.unix_socket import ControlServer

HOUSE = """\
[gateway]
id = "gw-000123"
timezone = "Europe/Moscow"
state_dir = "state"

[intake]
url = "mqtts://intake.example.org:8883"

[[bus]]
name = "riser-1"
port = "{port}"
speed = 9600

[[meter]]
point = "flat-12"
bus = "riser-1"
driver = "mercury230"
address = 45
serial = "23456789"
tariffs = {{ T1 = "day", T2 = "night" }}
ratio = 20
"""


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``meterpost ARGS`` in this process, 80 columns wide unless $COLUMNS says otherwise."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("METERPOST_TRACEBACK", raising=False)

    def call(*args: str) -> Done:
        capsys.readouterr()
        code = main(list(args))
        done = capsys.readouterr()
        return Done(code, done.out, done.err)

    return call


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A sound configuration whose port and state folder exist."""
    (tmp_path / "state").mkdir()
    port = tmp_path / "ttyUSB0"
    port.touch()
    file = tmp_path / "meterpost.toml"
    file.write_text(HOUSE.format(port=port), encoding="utf-8")
    return file


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


@contextmanager
def serving(house: Path, **handlers: Callable[[Any], Any]) -> Iterator[None]:
    """Something that answers these questions in the place of a daemon."""
    server = ControlServer(house.parent / "state", {name.replace("_", "-"): does for name, does in handlers.items()})
    try:
        yield
    finally:
        server.close()

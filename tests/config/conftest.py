"""A configuration in a folder of its own, with families that only declare."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.config.load import load
from agent.config.values import Config
from drivers import registry
from drivers.files.faults import ConfigError, Fault
from tests.config import families

SOUND = """\
[gateway]
id = "gw-000123"
timezone = "Europe/Moscow"

[intake]
url = "mqtts://intake.example.org"

[[bus]]
name = "riser-1"
port = "/dev/ttyUSB0"
speed = 9600

[[meter]]
point = "flat-12"
bus = "riser-1"
driver = "mercury230"
address = 45
serial = "23456789"
tariffs = { T1 = "day", T2 = "night" }
"""


class House:
    """A folder with the installer's files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "meterpost.toml"
        self.write(SOUND)

    def write(self, text: str, name: str = "meterpost.toml") -> Path:
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def change(self, old: str, new: str) -> None:
        text = self.file.read_text(encoding="utf-8")
        assert old in text
        self.write(text.replace(old, new, 1))

    def add(self, text: str) -> None:
        self.write(self.file.read_text(encoding="utf-8") + text)

    def secret(self, text: str, name: str = "a.secret", mode: int = 0o600) -> Path:
        file = self.write(text, name)
        file.chmod(mode)
        return file

    def load(self, service: bool = True, secrets: bool = True) -> Config:
        return load(self.file, service=service, secrets=secrets)

    def faults(self, service: bool = True) -> list[Fault]:
        with pytest.raises(ConfigError) as caught:
            load(self.file, service=service)
        return caught.value.faults

    def fault(self) -> Fault:
        """The only one."""
        (fault,) = self.faults()
        return fault


@pytest.fixture(autouse=True)
def declared_families(monkeypatch: pytest.MonkeyPatch) -> None:
    names = tuple(name for family in families.ALL for name in family.models)
    monkeypatch.setattr(registry, "SHIPPED", {"families": names})
    monkeypatch.setattr(registry, "of_module", lambda module, models_dir=None: families.ALL)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def meter() -> Callable[..., str]:
    """The text of another [[meter]], its keys changed as told (None leaves one out)."""

    def text(**changes: object) -> str:
        keys: dict[str, object] = {
            "point": '"flat-13"',
            "bus": '"riser-1"',
            "driver": '"mercury230"',
            "address": 46,
            "serial": '"23456790"',
        }
        keys |= changes
        return (
            "\n[[meter]]\n" + "\n".join(f"{key} = {value}" for key, value in keys.items() if value is not None) + "\n"
        )

    return text

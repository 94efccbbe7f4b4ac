"""docs/installer.md: its configuration is sound, its commands exist, its links lead somewhere."""

import re
from pathlib import Path

import pytest

from agent.cli import COMMANDS
from agent.config.load import load

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("installer.md", "configuration.md")


def text(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def test_the_whole_file_that_is_shown_is_sound(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```toml\n(.*?)```", text("installer.md"), flags=re.DOTALL)
    secret = tmp_path / "mqtt.secret"
    secret.write_text("x\n", encoding="utf-8")
    secret.chmod(0o600)
    file = tmp_path / "meterpost.toml"
    file.write_text(shown.replace("/etc/meterpost/mqtt.secret", str(secret)), encoding="utf-8")
    loaded = load(file)
    assert [meter.point for meter in loaded.meters] == ["flat-12", "lift"]
    assert loaded.warnings == ()


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_is_named_exists(page: str) -> None:
    named = set(re.findall(r"(?:`|\$ |sudo )meterpost ([a-z]+)", text(page)))
    assert named
    assert named <= set(COMMANDS)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_page_leads_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^):#]+\.md)", text(page)):
        assert (DOCS / target).is_file(), target

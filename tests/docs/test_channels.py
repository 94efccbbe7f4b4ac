"""docs/channels.md: what it shows is what the program prints, and every kind of trouble is explained."""

import re

import pytest

from agent.channels.errors import AGAIN, HINTS, Kind
from agent.cli import channels
from tests.docs.pages import column, names, section, sessions

PAGE = "docs/channels.md"


def test_every_kind_of_trouble_is_explained_and_no_other() -> None:
    assert names(column(section(PAGE, "When it does not work"))) == [str(kind) for kind in Kind]
    assert set(HINTS) == set(Kind)
    assert Kind.UNCLEAR not in AGAIN


def test_the_look_that_is_shown_is_what_the_program_prints(capsys: pytest.CaptureFixture[str]) -> None:
    shown = next(output for call, output in sessions(PAGE) if call == "sudo meterpost channels")
    port, host = re.findall(r"^(?:modem|mail) (\S+)$", shown, flags=re.MULTILINE)
    name, _, number = host.partition(":")
    facts = {"model": "Simulated M1", "sim": "ready", "network": "home", "operator": "MTS RUS", "signal_dbm": -71}
    server = {"host": name, "port": int(number), "tls": "TLSv1.3", "logged_in": True, "trouble": None}
    channels.show({"modem": {"port": port, **facts, "trouble": None}, "mail": server})
    assert capsys.readouterr().out == shown


def test_the_bound_of_a_weak_signal_is_the_programs() -> None:
    assert f"Below −{-channels.WEAK} dBm" in section(PAGE, "Try it")

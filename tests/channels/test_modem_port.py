"""The same modem behind a real port: a pseudo-terminal, pyserial, real time."""

from pathlib import Path

import pytest

from agent.channels.errors import ChannelError, Kind
from agent.channels.sms import Modem
from agent.config.values import ModemSettings as Settings
from agent.line.port import Port
from protocols.session import Line
from simulators.modem import Modem as Simulated
from simulators.modem import ModemLine

pytestmark = pytest.mark.slow


def test_a_message_leaves_and_its_report_comes_back_through_a_real_port(tmp_path: Path) -> None:
    with ModemLine(Simulated()) as line:
        modem = Modem(Settings(str(line.path)), tmp_path)
        sent = modem.send("+79161234567", "Показания: Т1 4711")
        (report,) = modem.reports()
        assert (report.reference, report.state) == (sent.references[0], "delivered")
        assert line.modem.sent[0].text == "Показания: Т1 4711"
        modem.forget([report])
        assert line.modem.stored["SR"] == {}


def test_a_port_that_another_program_has_is_left_alone(tmp_path: Path) -> None:
    with ModemLine(Simulated()) as line:
        port = Port(str(line.path), Line(115200))
        try:
            with pytest.raises(ChannelError, match="another program") as caught:
                Modem(Settings(str(line.path)), tmp_path).probe()
        finally:
            port.close()
    assert caught.value.kind is Kind.PORT
    assert line.modem.heard == []


def test_the_port_is_free_again_after_each_call(tmp_path: Path) -> None:
    with ModemLine(Simulated()) as line:
        Modem(Settings(str(line.path)), tmp_path).probe()
        Port(str(line.path), Line(115200)).close()

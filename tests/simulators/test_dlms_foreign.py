"""Independent clients (gurux-dlms, pydlms-client; both GPL, development only) read our simulated meter."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import serial

from protocols.dlms import axdr
from protocols.dlms.apdu import SetBlock, obis
from protocols.dlms.hdlc import Limits
from protocols.dlms.security import Keys
from protocols.session import Line
from simulators.dlms import WrapperMeter
from simulators.line import PtyLine, TcpLine
from tests.support.dlms import NOW, household, spodes, station

pytestmark = pytest.mark.slow

FAST = Line(115200, "8N1")
KEYS = Keys(bytes(range(16)), bytes(range(16, 32)))
REGISTERS = {"1.0.1.8.0.255": "total", "1.0.1.8.1.255": "T1", "1.0.1.8.2.255": "T2", "1.0.1.8.3.255": "T3"}
DAY = timedelta(days=1)


@pytest.fixture(params=["hdlc on a pty", "wrapper over TCP"])
def line(request: pytest.FixtureRequest) -> Iterator[tuple[str, bool]]:
    """URL for pyserial, and whether the wrapper is spoken there."""
    meter = spodes(configurator=5, keys=KEYS, events={4: [(NOW - DAY, 3)]})
    if request.param.startswith("hdlc"):
        with PtyLine([station(meter)], line=FAST, frame_gap=0.002) as pty:
            yield str(pty.path), False
    else:
        with TcpLine([WrapperMeter(meter.server)], line=FAST, pace=False) as tcp:
            yield tcp.url, True


def truth_of_days() -> list[int]:
    """Wh at each local midnight of the daily profile."""
    return [household().energy(at)["total"] for at in spodes().stamps("day")]


@pytest.mark.parametrize("ciphered", [False, True], ids=["plain", "ciphered"])
def test_gurux_reads_registers_and_a_whole_profile_as_they_are(line: tuple[str, bool], ciphered: bool) -> None:
    pytest.importorskip("gurux_dlms", reason="gurux-dlms is not installed")
    from gurux_dlms import GXDLMSClient
    from gurux_dlms.enums import Authentication

    from tests.support.gurux import Gurux

    url, wrapper = line
    with serial.serial_for_url(url, 115200, timeout=5) as port:
        who = {"client": 48, "password": None, "authentication": Authentication.HIGH_GMAC} if ciphered else {}
        place = 1 if wrapper else GXDLMSClient.getServerAddress(1, 17, 2)
        peer = Gurux(port.write, lambda: _some(port), address=place, wrapper=wrapper, **who)
        if ciphered:
            assert KEYS.authentication is not None
            peer.cipher(b"GURUXCLI", KEYS.block, KEYS.authentication)
            peer.client.ciphering.invocationCounter = 100
        peer.open()
        assert peer.text("0.0.96.1.0.255") == "40701"
        for code, name in REGISTERS.items():
            assert peer.register(code) == (household().energy(NOW)[name] * 1000, -3)
        rows = peer.profile("1.0.98.2.0.255")
        assert [row[5] for row in rows] == [wh * 1000 for wh in truth_of_days()]
        peer.close()


@pytest.mark.parametrize("wrapper", [False, True], ids=["hdlc", "wrapper"])
def test_gurux_writes_a_long_value_in_blocks(wrapper: bool) -> None:
    pytest.importorskip("gurux_dlms", reason="gurux-dlms is not installed")
    from gurux_dlms import GXDLMSClient
    from gurux_dlms.enums import Authentication, DataType
    from gurux_dlms.objects import GXDLMSData

    from tests.support.gurux import Gurux

    meter = spodes(max_pdu=160)
    written: list[Any] = []
    meter.server.clients[48].mechanism = 0
    meter.server.objects[1, obis("0.0.96.1.1.255")].writes[2] = written.append
    there = WrapperMeter(meter.server) if wrapper else station(meter, limits=Limits(128, 128, 1, 1))
    waiting = []
    place = 1 if wrapper else GXDLMSClient.getServerAddress(1, 17, 2)
    who = {"client": 48, "password": None, "authentication": Authentication.NONE}
    peer = Gurux(lambda sent: waiting.append(there.answer(sent)), waiting.pop, address=place, wrapper=wrapper, **who)
    peer.open()
    item = GXDLMSData("0.0.96.1.1.255")
    item.value = bytes(range(256)) * 3
    item.setDataType(2, DataType.OCTET_STRING)
    peer.exchange(peer.client.write(item, 2))
    assert written == [axdr.octets(bytes(range(256)) * 3)]
    blocks = [each for each in meter.server.asked if isinstance(each, SetBlock)]
    assert [each.number for each in blocks] == list(range(1, len(blocks) + 1)) and len(blocks) > 3


@pytest.mark.parametrize("ciphered", [False, True], ids=["plain", "ciphered"])
def test_pydlms_reads_registers_and_a_whole_profile_as_they_are(line: tuple[str, bool], ciphered: bool) -> None:
    pydlms = pytest.importorskip("pydlms", reason="pydlms-client is not installed")
    from pydlms.security.context import SecurityContext
    from pydlms.security.hls import Mechanism

    url, wrapper = line
    how = {"mechanism": Mechanism.LLS, "password": b"12345678"}
    if ciphered:
        security = SecurityContext(KEYS.block, KEYS.authentication, client_system_title=b"PYDLMSCL")
        how = {"mechanism": Mechanism.HLS_GMAC, "security": security}
    client = 48 if ciphered else 32
    if wrapper:
        host, port = url.removeprefix("socket://").split(":")
        meter = pydlms.DlmsClient.tcp(host, int(port), client_sap=client, **how)
    else:
        meter = pydlms.DlmsClient.serial(url, 115200, client_sap=client, server_physical=17, **how)
    with meter:
        for code, name in REGISTERS.items():
            assert meter.get(code, 3, 2).value == household().energy(NOW)[name] * 1000
        rows = meter.read_profile("1.0.98.2.0.255").rows
        assert [row[5] for row in rows] == [wh * 1000 for wh in truth_of_days()]


def _some(port: serial.Serial) -> bytes:
    came: bytes = port.read(1)
    assert came, "the simulated meter is silent"
    came += port.read(port.in_waiting)
    return came

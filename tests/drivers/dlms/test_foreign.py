"""Our driver, over the daemon's own Link, reads an independent server (pydlms-client; GPL, development only)."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent.line.link import Link
from agent.line.port import Port
from drivers.dlms.driver import families
from drivers.reading import MeterPlan
from protocols.dlms.apdu import Attribute, obis
from protocols.dlms.axdr import octets
from protocols.dlms.cosem.objects import object_list
from protocols.dlms.questions import Action, Done, Get, Set, Value
from protocols.errors import AccessDenied
from protocols.session import Line
from tests.support.dlms import driver

pydlms = pytest.importorskip("pydlms", reason="pydlms-client is not installed")
from pydlms.cosem.data import DlmsData  # noqa: E402
from pydlms.obis import ObisCode  # noqa: E402
from pydlms.security.hls import Mechanism  # noqa: E402
from pydlms.simulator import ClientProfile, MeterSimulator, example_meter, serve  # noqa: E402

pytestmark = pytest.mark.slow

EK, AK = bytes(range(16)), bytes(range(16, 32))
START = datetime(2024, 5, 1, tzinfo=UTC)
SECRET = b"0123456789abcdef"

Settings = dict[str, Any]


Foreign = Callable[..., tuple[Any, Any, Link]]


@pytest.fixture(params=["hdlc", "wrapper"])
def foreign(request: pytest.FixtureRequest) -> Iterator[Foreign]:
    """Starts a foreign meter and gives our driver, its ``ask`` and the Link."""
    opened: list[tuple[Any, Port]] = []

    def start(meter: MeterSimulator, settings: Settings, window: int = 1) -> tuple[Any, Any, Link]:
        server = serve(meter, hdlc=request.param == "hdlc", hdlc_window=window)
        port = Port(f"socket://127.0.0.1:{server.server_address[1]}", Line())
        opened.append((server, port))
        link = Link(port)
        password = settings.pop("password", None)
        plan = MeterPlan("dlms", "16", "", Line(), password=password, settings={"framing": request.param} | settings)
        reads = driver(plan)
        return reads, partial(link.ask, reads.session()), link

    yield start
    for server, port in opened:
        port.close()
        server.shutdown()
        server.server_close()


def assert_truth_is_read(reads: Any, ask: Any) -> None:
    reads.open(ask)
    assert reads.identify(ask).serial == "PYD0000000001"
    assert reads.now(ask).values == {"1-0:1.8.0": 12345678, "1-0:2.8.0": 4321}
    assert {key: str(value) for key, value in reads.network(ask).values.items()} == {
        "1-0:1.7.0": "1520",
        "1-0:32.7.0": "230.1",
        "1-0:31.7.0": "5.23",
    }
    assert reads.clock(ask) == datetime(2024, 5, 1, 10, tzinfo=UTC)
    rows = list(reads.interval(ask, START, START + timedelta(days=1)))
    assert [(row.at, row.values["1-0:1.8.0"]) for row in rows] == [
        (START + timedelta(minutes=15 * n), 1000 + 7 * n) for n in range(96)
    ]
    few = list(reads.interval(ask, START + timedelta(hours=1), START + timedelta(hours=2)))
    assert [row.at.minute for row in few] == [0, 15, 30, 45, 0]
    reads.close(ask)


def test_registers_and_a_whole_profile_are_read_in_the_clear(foreign: Foreign) -> None:
    meter = example_meter()
    assert_truth_is_read(*foreign(meter, {"client": 16})[:2])


def test_they_are_read_with_a_window_of_three(foreign: Foreign) -> None:
    assert_truth_is_read(*foreign(example_meter(max_pdu=300), {"client": 16, "window": 3, "max_info": 128}, 3)[:2])


@pytest.mark.parametrize(
    ("mechanism", "name", "secret"),
    [(Mechanism.LLS, "lls", b"12345678")] + [(each, f"hls{each.value}", SECRET) for each in map(Mechanism, (2, 3, 4))],
)
def test_they_are_read_with_every_authentication(
    foreign: Foreign, mechanism: Mechanism, name: str, secret: bytes
) -> None:
    meter = example_meter()
    meter.clients[32] = ClientProfile(mechanism, secret)
    assert_truth_is_read(*foreign(meter, {"client": 32, "mechanism": name, "password": secret})[:2])


@pytest.mark.parametrize("wrapping", ["glo", "ded", "general-glo", "general-ded"])
def test_they_are_read_ciphered(foreign: Foreign, wrapping: str) -> None:
    meter = example_meter(encryption_key=EK, authentication_key=AK)
    meter.clients[48] = ClientProfile(Mechanism.HLS_GMAC, None, ciphered=True)
    meter.last_client_ic = 5000
    settings = {"client": 48, "mechanism": "hls5", "security": "both", "wrapping": wrapping}
    reads, ask, _ = foreign(meter, settings | {"block_key_file": EK.hex(), "auth_key_file": AK})
    assert_truth_is_read(reads, ask)
    assert reads.counter.next() > 5000  # begun above the meter's own


LONG = bytes(range(256)) * 3
PLACE = Attribute(1, obis("0.0.96.1.1.255"), 2)


@pytest.mark.parametrize("ciphered", [False, True], ids=["plain", "ciphered"])
def test_long_values_are_written_in_blocks_and_methods_take_and_give_them(foreign: Foreign, ciphered: bool) -> None:
    keys = {"encryption_key": EK, "authentication_key": AK} if ciphered else {}
    meter = example_meter(max_pdu=200, **keys)
    if ciphered:
        meter.clients[48] = ClientProfile(Mechanism.HLS_GMAC, None, ciphered=True)
    meter.add_object(1, "0.0.96.1.1.255", {2: DlmsData.octet_string(b"")})
    meter.add_object(18, "0.0.44.0.0.255", {2: DlmsData.uint32(0)})
    took: list[Any] = []

    def echo(_: object, given: Any) -> Any:
        took.append(given)
        return given

    meter.methods[18, ObisCode.parse("0.0.44.0.0.255"), 2] = echo
    settings = {"block_key_file": EK, "auth_key_file": AK, "mechanism": "hls5", "security": "both"} if ciphered else {}
    # the server cuts what it gives by our PDU too
    reads, ask, _ = foreign(meter, {"client": 48 if ciphered else 16, "max_pdu": 200} | settings)
    reads.open(ask)
    assert ask(Set(PLACE, octets(LONG))) == Done()
    assert ask(Get(PLACE)) == Value(LONG)
    assert ask(Action(Attribute(18, obis("0.0.44.0.0.255"), 2), octets(LONG))) == Value(LONG)
    assert [each.value for each in took] == [LONG]
    if not ciphered:
        kinds = [each[:2].hex() for each in meter.requests]
        assert {"c102", "c103", "c304", "c306", "c302", "c002"} <= set(kinds)  # blocks both ways
        assert "c101" not in kinds and "c301" not in kinds
    reads.close(ask)


def test_the_object_list_names_what_the_meter_has(foreign: Foreign) -> None:
    meter = example_meter(max_pdu=200)
    reads, ask, _ = foreign(meter, {"client": 16})
    reads.open(ask)
    listed = object_list(ask(Get(Attribute(15, obis("0.0.40.0.0.255"), 2))).data)
    assert {(each.class_id, each.code) for each in listed} == {(int(c), code.to_bytes()) for c, code in meter.objects}
    reads.close(ask)


def test_extended_and_demand_registers_are_read_with_their_scales(foreign: Foreign, tmp_path: Path) -> None:
    (tmp_path / "dlms").mkdir()
    (tmp_path / "dlms" / "own.toml").write_text(
        'names = ["own"]\nclient = 16\nserial = "0.0.96.1.0.255"\nnow = ["4/1.0.1.6.0.255", "5/1.0.1.4.0.255"]\n'
    )
    meter = example_meter()
    scale = DlmsData.structure([DlmsData.int8(-1), DlmsData.enum(27)])
    stamp = DlmsData.octet_string(bytes.fromhex("07e80501030a0000ff800000"))
    meter.add_object(4, "1.0.1.6.0.255", {2: DlmsData.uint32(12345), 3: scale, 4: DlmsData.uint8(0), 5: stamp})
    meter.add_object(
        5, "1.0.1.4.0.255", {2: DlmsData.uint32(777), 3: DlmsData.uint32(776), 4: scale, 5: DlmsData.uint8(0), 6: stamp}
    )
    _, ask, _ = foreign(meter, {})
    family = next(each for each in families(tmp_path) if each.name == "own")
    framing = "wrapper" if ask.args[0]._wrapper else "hdlc"
    reads = family.build(MeterPlan("own", "16", "", Line(), settings={"framing": framing}))
    reads.open(ask)
    found = reads.now(ask).values
    assert {key: str(value) for key, value in found.items()} == {"1-0:1.6.0": "1234.5", "1-0:1.4.0": "77.7"}
    reads.close(ask)


def test_a_wrong_password_is_said_once(foreign: Foreign) -> None:
    meter = example_meter()
    meter.clients[32] = ClientProfile(Mechanism.LLS, b"12345678")
    reads, ask, link = foreign(meter, {"client": 32, "mechanism": "lls", "password": b"wrong"})
    with pytest.raises(AccessDenied):
        reads.open(ask)
    assert len([each for each in meter.requests if each[:1] == b"\x60"]) == 1
    assert link.counters["broken"] == 0

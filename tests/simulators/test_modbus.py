"""Simulator and session, each against pymodbus as a foreign peer, and the simulator against published octets."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest
from pymodbus import FramerType, ModbusDeviceIdentification
from pymodbus.client import ModbusTcpClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from protocols.checksums import crc16_modbus
from protocols.errors import Refused
from protocols.modbus.questions import DeviceIdentification, ReadDeviceIdentification, ReadHolding, ReadInput
from protocols.modbus.rtu import seal
from protocols.modbus.session import Session
from protocols.session import Line
from simulators.modbus import B23, BUILDERS, Field, ModbusMeter, b23, em24, iem3155, sdm630
from tests.conversations import pairs

REQUEST_VOLTAGE = bytes.fromhex("01 04 00 00 00 02 71 CB")


def test_the_simulated_meter_answers_as_the_makers_paper_prints() -> None:
    ((request, answer),) = pairs("modbus-eastron")
    meter = sdm630(1)
    meter.registers[4] |= {0: 0x4366, 1: 0x3334}
    assert meter.answer(request) == answer


def bit_by_bit(data: bytes) -> int:
    """CRC-16 of Modbus over Serial Line V1.02 §6.2.2, as it is told there."""
    remainder = 0xFFFF
    for octet in data:
        remainder ^= octet
        for _ in range(8):
            remainder = remainder >> 1 ^ (0xA001 if remainder & 1 else 0)
    return remainder


def test_the_checksum_is_the_one_that_the_standard_computes_bit_by_bit() -> None:
    for data in (b"", b"\0", bytes(range(256)), REQUEST_VOLTAGE[:-2]):
        assert crc16_modbus(data) == bit_by_bit(data)


@pytest.mark.parametrize(
    "request_",
    [
        seal(b"\x02\x04\0\0\0\x02"),  # another unit
        REQUEST_VOLTAGE[:-1] + b"\0",  # wrong checksum
        REQUEST_VOLTAGE[:5],
        b"",
    ],
)
def test_what_is_not_for_this_meter_is_silence(request_: bytes) -> None:
    assert sdm630(1).answer(request_) == b""


@pytest.mark.parametrize(
    ("meter", "pdu", "code"),
    [
        (sdm630(1), "03 0000 0002", 2),
        (sdm630(1), "04 0000 003e", 3),  # more than 60 registers
        (sdm630(1), "04 0000 0001", 3),  # an odd number
        (sdm630(1), "04 0001 0002", 3),
        (sdm630(1), "04 5000 0002", 2),
        (sdm630(1), "06 0000 0000", 1),  # nothing can be written
        (b23(1, 7), "03 5000 007e", 3),
        (em24(1), "03 0000 0033", 3),
        (iem3155(1, 7), "03 0c83 0009", 2),  # over a hole
    ],
)
def test_limits_are_exceptions(meter: ModbusMeter, pdu: str, code: int) -> None:
    asked = bytes.fromhex(pdu)
    assert meter.answer(seal(b"\x01" + asked)) == seal(bytes((1, asked[0] | 0x80, code)))


def test_a_fault_can_be_put_between_request_and_answer() -> None:
    meter = b23(1, 7)
    meter.hook = lambda function, address, count: 6 if address == 0x5000 else None
    assert meter.answer(seal(b"\x01\x03\x50\0\0\4")) == seal(b"\x01\x83\x06")
    assert meter.answer(seal(b"\x01\x03\x51\x70\0\4")) == seal(b"\x01\x03\x08" + bytes(8))


def test_what_is_shown_is_what_the_register_can_resolve() -> None:
    meter = b23(1, 7)
    meter.set_energy({"total": 12_345, "T1": 12_345, "nothing": 1})
    assert meter.shown("total") == 12_340
    meter = sdm630(1)
    meter.set_energy({"total": 131_072_015})
    assert meter.shown("total") == 131_072_020
    meter.set_network({"U1": Decimal("230.1"), "P": -5})
    assert (meter.shown("U1"), meter.shown("P")) == (Decimal("230.1"), -5)


@pytest.mark.parametrize("model", BUILDERS)
def test_every_simulated_model_shows_what_was_set(model: str) -> None:
    meter = BUILDERS[model](1, 4_000_000_000)
    values = {name: 100 * number for number, name in enumerate(meter.fields) if name != "serial"}
    values |= {name: 1 for name in ("f", "PF") if name in values}
    for name, value in values.items():
        meter.put(name, value)
    assert {name: meter.shown(name) for name in values} == values
    if "serial" in meter.fields:
        assert meter.shown("serial") == 4_000_000_000


@contextmanager
def serving(answer: Callable[[bytes], bytes]) -> Iterator[int]:
    """A TCP server on a free port that gives each received frame to ``answer``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                while request := connection.recv(512):
                    connection.sendall(answer(request))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


@pytest.mark.parametrize("framer", [FramerType.RTU, FramerType.SOCKET])
def test_a_foreign_client_reads_our_simulator(framer: FramerType) -> None:
    meter = b23(1, 12345678)
    meter.set_energy({"total": 60_010, "T1": 10_000, "T2": 20_000, "T3": 30_000, "T4": 10})
    with (
        serving(meter.answer if framer is FramerType.RTU else meter.answer_tcp) as port,
        ModbusTcpClient("127.0.0.1", port=port, framer=framer, timeout=2, retries=0) as client,
    ):
        tariffs = client.read_holding_registers(0x5170, count=16, device_id=1).registers
        kinds = client.DATATYPE
        assert client.convert_from_registers(tariffs, kinds.UINT64) == [1000, 2000, 3000, 1]
        serial = client.read_holding_registers(0x8900, count=2, device_id=1).registers
        assert client.convert_from_registers(serial, kinds.UINT32) == 12345678
        assert client.read_holding_registers(0x0000, count=2, device_id=1).exception_code == 2


def test_a_foreign_client_reads_floats_and_words_in_either_order() -> None:
    meters = {1: sdm630(1), 2: em24(2)}
    meters[1].set_energy({"total": 1_234_567})
    meters[2].set_energy({"total": 1_234_500})

    with (
        serving(lambda request: b"".join(meter.answer(request) for meter in meters.values())) as port,
        ModbusTcpClient("127.0.0.1", port=port, framer=FramerType.RTU, timeout=2, retries=0) as client,
    ):
        energy = client.read_input_registers(0x48, count=2, device_id=1).registers
        assert client.convert_from_registers(energy, client.DATATYPE.FLOAT32) == pytest.approx(1234.567)
        energy = client.read_holding_registers(0x3E, count=2, device_id=2).registers
        assert client.convert_from_registers(energy, client.DATATYPE.INT32, word_order="little") == 12345


@contextmanager
def foreign_server(framer: FramerType) -> Iterator[int]:
    """pymodbus' own server in a thread of its own; the port it listens on."""
    started, found = threading.Event(), {}

    async def main() -> None:
        values = [SimData(0x48, values=[1234.567, -5.5], datatype=DataType.FLOAT32)]
        device = SimDevice(1, simdata=values)
        names = ModbusDeviceIdentification(info_name={"VendorName": "Acme", "ProductCode": "M1"})
        server = ModbusTcpServer(device, framer=framer, identity=names, address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        found["port"] = server.transport.sockets[0].getsockname()[1]
        found["loop"], found["stop"] = asyncio.get_running_loop(), asyncio.Event()
        started.set()
        await found["stop"].wait()
        await server.shutdown()

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield found["port"]
    finally:
        found["loop"].call_soon_threadsafe(found["stop"].set)
        thread.join(10)


@pytest.mark.parametrize(("framer", "framing"), [(FramerType.RTU, "rtu"), (FramerType.SOCKET, "tcp")])
def test_our_session_reads_a_foreign_server(framer: FramerType, framing: str) -> None:
    session = Session(1, Line(), framing)
    with foreign_server(framer) as port, socket.create_connection(("127.0.0.1", port), timeout=5) as connection:

        def ask(question: ReadInput | ReadDeviceIdentification | ReadHolding) -> DeviceIdentification | bytes:
            connection.sendall(session.send(question).data)
            while (reply := session.receive(connection.recv(512))) is None:
                pass
            return reply

        assert ask(ReadInput(0x48, 4)) == bytes.fromhex("44 9a 52 25 c0 b0 00 00")
        assert ask(ReadHolding(0x4A, 2)) == bytes.fromhex("c0 b0 00 00")
        identified = ask(ReadDeviceIdentification())
        assert isinstance(identified, DeviceIdentification) and identified.objects == {0: b"Acme", 1: b"M1"}
        with pytest.raises(Refused) as refused:
            ask(ReadHolding(0x9000, 2))
        assert refused.value.code == 2


def test_a_plain_meter_can_be_built_of_fields() -> None:
    meter = ModbusMeter(9, {"total": Field(3, 10, "u16")})
    meter.put("total", 77)
    assert meter.answer(seal(b"\x09\x03\0\x0a\0\1")) == seal(b"\x09\x03\x02\0\x4d")
    assert B23["T4"].address == 0x517C

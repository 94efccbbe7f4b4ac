"""Not our library reads what our simulated meter says (PyPI iec62056-21, BSD-3-Clause), where it is installed."""

import pytest

from protocols.iec62056.block import parse
from protocols.iec62056.frames import low7, option, request
from simulators.iec62056 import readout

messages = pytest.importorskip("iec62056_21.messages", reason="pip install iec62056-21")


def telegram() -> bytes:
    meter = readout(energy={"total": 10_879_927, "T1": 8_032_516, "T2": 2_847_411}, reactive={"total": 1500})
    meter.answer(request())
    return low7(meter.answer(option("0", "5", "0")))


def test_the_same_data_sets_are_found_by_both() -> None:
    frame = telegram()
    theirs = messages.ReadoutDataMessage.from_bytes(frame)
    found = [
        (one.address, one.value, one.unit or "") for line in theirs.data_block.data_lines for one in line.data_sets
    ]
    assert found == [(one.id, value.text, value.unit) for one in parse(frame[1:-2]).sets for value in one.values]
    assert ("1.8.1", "8032.51", "kWh") in found


def test_a_damaged_telegram_is_refused_by_both() -> None:
    frame = telegram().replace(b"8032.51", b"8032.52")
    with pytest.raises(ValueError, match="BCC"):
        messages.ReadoutDataMessage.from_bytes(frame)

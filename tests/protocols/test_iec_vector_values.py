"""What the reference expects of its recorded exchanges, value by value: nothing is lost, changed or moved."""

from decimal import Decimal

import pytest

from protocols.errors import BadFrame
from protocols.iec62056.block import Block, parse
from protocols.iec62056.push import TextCut
from tests.protocols.iec62056_player import joined

# By exchange: id → its values' texts, in their order, of all data sets of that id.
EXPECTED: dict[str, dict[str, list[str]]] = {
    "iec-t05": {
        "ET0PE": ["16907.9477764", "11504.3875082", "3628.2698795", "1775.2903887", "0.0", "0.0"],
        "ENMPE": ["16550.0972645", "11295.733509", "3521.2929754", "1733.0707801", "0.0", "0.0"],
        "EAMPE": ["477.8955487", "325.201782", "103.4901674", "49.2035993", "0.0", "0.0"],
    },
    "iec-t09": {
        "600100FF": ["60089784"],
        "4C0700FF": ["00134.2"],
        "0F0680FF": ["04.8190,04.8457,02.5359,00.0000,00.0000"],
    },
    "iec-t10": {
        "1-0:0.9.1*255": ["105644"],
        "1-0:0.9.2*255": ["0220127"],
        "1-0:1.8.0*255": ["0000502.853"],
        "1-0:2.8.0*255": ["0098697.318"],
    },
    "iec-t11": {
        "21.8.0": ["0011071"],
        "41.8.0": ["0013524"],
        "61.8.0": ["0011890"],
        "31.7.0": ["2.14"],
        "51.7.0": ["2.17"],
        "71.7.0": ["1.64"],
        "1.6.0": ["2.002"],
        "C.7.1": ["00000"],
        "0.1": ["80005ED02E"],
    },
    "iec-t12": {"0.0": ["00005077354"], "6.8": ["00433.65"], "6.26": ["03052.95"], "6.31": ["0109868"]},
    "iec-t13": {"F.F": ["00"], "C.1": ["1126120053322353"], "C.5.0": ["00"], "1.8.0": []},
    "iec-t14": {
        "1-0:0.9.1*255": ["140253"],
        "1-0:0.9.2*255": ["121221"],
        **{f"1-0:{group}.8.0*255": ["000000000.0"] for group in (1, 2, 3, 4)},
    },
    "iec-t20": {
        "32.7": ["233"],
        "52.7": ["233"],
        "72.7": ["234"],
        "31.7": ["002.30"],
        "51.7": ["002.32"],
        "71.7": ["002.97"],
    },
    "iec-t21": {
        "0.9.1": ["202405"],
        "0.9.2": ["221113"],
        "0.1.0": ["12"],
        "0.1.2*12": ["2211010000"],
        "0.1.2*11": ["2210010000"],
        "1.6.1*12": ["0.39912", "2210130900"],
        "1.8.0*11": ["01158.9747"],
    },
    "iec-t23": {
        "0-0:1.0.0": ["161116201035W"],
        "0-0:96.14.0": ["0002"],
        "1-0:1.7.0": ["02.778"],
        "1-0:31.7.0": ["012"],
        "0-0:96.1.1": [b"E0031003277898816".hex()],
        "0-1:24.2.1": ["161116200000W", "00066.405"],
    },
    "iec-t24": {
        "1-0:1.8.0*255": ["00000000.7801269"],
        "1-0:2.8.0*255": ["00007041.2292533"],
        "1-0:41.7.255*255": ["000000.00"],
    },
    "iec-t27": {"1.20": ["0083038"], "1.31": ["0160249"], "1.6": ["000007,4"], "1.6*1": ["000013,0"]},
    "iec-t29": {"FF": ["00000000"], "1-0:1.8.2*255": ["024562"], "C.1.0*255": ["40888053"]},
    "iec-t30": {
        "1.8.1": ["001846.0"],
        "1.8.2": ["000000.0"],
        "1.8.0": ["001846.0"],
        "2.8.1": ["004329.6"],
        "2.8.2": ["000000.0"],
        "2.8.0": ["004329.6"],
    },
    "iec-t31": {
        "0.1.0": ["04"],
        "0.1.0*12": ["21-01-01 00:00"],
        "0.1.0*00": ["00-00-00 00:00"],
        "1.8.0": ["0302.8260"],
        "1.8.0*12": ["0075.5341"],
    },
}


def blocks(name: str) -> list[Block]:
    """The data of every answer: from STX to ETX, or what follows the identification where there is no such frame."""
    found = []
    for data in (data for way, data in joined(name) if way == "<<"):
        if name == "iec-t13" or b"\x03" not in data:
            text = data[data.rindex(b"/") :].partition(b"\n")[2] if b"/" in data else data
            pieces = [text.strip().lstrip(b"\x02")]
        else:
            pieces = [piece.split(b"\x03")[0] for piece in data.split(b"\x02")[1:]]
        found += [parse(piece) for piece in pieces]
    return found


@pytest.mark.parametrize(("name", "code"), [(name, one) for name, codes in EXPECTED.items() for one in codes])
def test_each_value_that_the_reference_expects_is_found_as_it_was_sent(name: str, code: str) -> None:
    found = [value.text for block in blocks(name) for value in block.values(code)]
    assert found == EXPECTED[name][code]


def test_t13_s_register_stands_in_a_torn_line_and_is_set_aside_with_it() -> None:
    (block,) = blocks("iec-t13")
    assert block.damaged[0].startswith("1.8.0(013925.5*)Y")
    (sound,) = parse(b"1.8.0(013925.5*)\r\n").values("1.8.0")
    assert (sound.number, sound.unit) == (Decimal("13925.5"), "")


def test_t25_gas_stands_on_the_line_behind_its_heading() -> None:
    ((_, stream),) = joined("iec-t25")
    (gas,) = parse(stream[stream.index(b"0-1:24.3.0") :]).sets
    assert (gas.id, gas.values[0].text, gas.values[-1].number) == ("0-1:24.3.0", "090212160000", Decimal("1.001"))


def test_t28_a_telegram_that_lost_the_front_of_a_line_fails_its_crc() -> None:
    ((_, whole),) = joined("iec-t23")
    lines = whole.split(b"1-0:2.7.0(00.000")
    assert TextCut("crc")(bytearray(whole)) is not None
    with pytest.raises(BadFrame, match="CRC"):
        TextCut("crc")(bytearray(b"".join(lines)))
    ((_, torn),) = joined("iec-t28")
    with pytest.raises(BadFrame, match="CRC"):
        TextCut("crc")(bytearray(b"/ISK5\\2M550T-1012\r\n\r\n" + torn + b"!CC1E\r\n"))

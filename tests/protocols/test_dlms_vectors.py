"""Octets from outside judge the codec: Green Book, IEC texts, golden vectors and frames of real meters."""

from decimal import Decimal

import pytest

from protocols.dlms import axdr
from protocols.dlms.acse import AssociationAnswer, AssociationRequest, Initiate
from protocols.dlms.apdu import Attribute, GetRequest, Range, obis, parse_request
from protocols.dlms.cosem.stamp import Stamp
from protocols.dlms.hdlc import DEFAULTS, DISC, POLL, RR, SNRM, UA, Address, Frame, Limits, fcs
from protocols.dlms.push import pushed
from protocols.dlms.security import Keys, challenge_answer, gmac_answer, protect, reveal
from protocols.dlms.wrapper import unwrap, wrap
from tests.support.present import present

H = bytes.fromhex
FRAMES = {  # github.com/u9n/dlms-cosem unless said
    "SNRM to 1/17 from 16": "7EA00802232193BD647E",
    "UA with 154 octets": "7EA01F21022373E6C781801205019A06019A070400000001080400000001CCA27E",
    "UA without information": "7EA00721037301407E",
    "UA from a 4-octet address": "7EA023210002002373F6C58180140502008006020080070400000001080400000001CE6A7E",
    "AARE in an I frame": "7EA0382102233034E7E6E7006129A109060760857405080101A203020100A305A103020100BE10040E0800065F"
    "1F0400001E1D04C80007B86A7E",
    "SNRM to 1/4583 from 32": "7EA00A000246CF419362E57E",  # gurux-dlms emits the same
    "SNRM to 1/16 from 32": "7EA0080221419350B47E",
    "SNRM to a one-octet address": "7EA0070341935A647E",
    "AARQ with LLS in an I frame": "7EA047000246CF4110B8BAE6E6006036A1090607608574050801018A0207808B0760857405080201"
    "AC0A80083132333435363738BE10040E01000000065F1F0400001E1DFFFFDFFB7E",
    "RR": "7EA00A000246CF41317A637E",
    "DISC": "7EA00A000246CF41536E237E",
    "GET in an I frame": "7EA01C000246CF4132E5BCE6E600C001C100030100010801FF020089747E",
}
KAMSTRUP = (  # github.com/u9n/dlms-cosem, examples
    "7EA0E22B2113239AE6E7000F000000000C07E6011801123A32FF80000002190A0E4B616D73747275705F563030303109060101000005FF0A103537"
    "303635363733323635393034303709060101600101FF0A1236383431313338424E32343531303130393009060101010700FF060000033A09060101"
    "020700FF060000000009060101030700FF060000006809060101040700FF06000000B0090601011F0700FF06000000ED09060101330700FF060000"
    "005909060101470700FF060000004B09060101200700FF1200E809060101340700FF1200E909060101480700FF1200EC84467E"
)
RANGE = (
    "C001C100070100630100FF0201010204020412000809060000010000FF0F02120000090C07E2020CFF00000000800000090C07E3020CFF00000000"
    "8000000100"
)


@pytest.mark.parametrize("text", FRAMES.values(), ids=FRAMES)
def test_a_frame_from_outside_is_read_and_written_back_octet_by_octet(text: str) -> None:
    assert Frame.from_bytes(H(text)).to_bytes() == H(text)


@pytest.mark.parametrize(("data", "sum_"), [(b"123456789", "6E90"), (H("033F"), "5BEC")])
def test_the_frame_check_sequence_is_crc_16_x25_low_octet_first(data: bytes, sum_: str) -> None:
    assert fcs(data) == H(sum_)


@pytest.mark.parametrize(
    ("address", "octets"),
    [
        (Address(1, 4583, 4), "000246CF"),
        (Address(1, 16, 2), "0221"),
        (Address(0x1234, 0x3FFF, 4), "4868FEFF"),
        (Address(16), "21"),
        (Address(32), "41"),
        (Address(48), "61"),
    ],
)
def test_addresses_carry_seven_bits_an_octet(address: Address, octets: str) -> None:
    assert address.to_bytes() == H(octets)
    assert Address.from_bytes(H(octets)) == address


def test_our_frames_are_those_of_the_reference() -> None:
    meter = Address(1, 4583, 4).to_bytes()
    get = GetRequest(0xC1, Attribute(3, obis("1.0.1.8.1.255"), 2)).to_bytes()
    assert Frame(meter, b"\x41", SNRM).to_bytes() == H(FRAMES["SNRM to 1/4583 from 32"])
    assert Frame(meter, b"\x41", 1 << 5 | POLL | RR).to_bytes() == H(FRAMES["RR"])
    assert Frame(meter, b"\x41", DISC).to_bytes() == H(FRAMES["DISC"])
    assert Frame(meter, b"\x41", 0x32, H("E6E600") + get).to_bytes() == H(FRAMES["GET in an I frame"])
    assert wrap(32, 1, get) == H("000100200001000DC001C100030100010801FF0200")
    assert unwrap(wrap(32, 1, get)) == (32, 1, get, 21)


def test_the_parameters_of_snrm_and_ua_are_read_and_missing_ones_are_the_defaults() -> None:
    field = H("818012050180060180070400000001080400000001")
    assert Limits.from_bytes(field) == Limits.from_bytes(b"") == DEFAULTS
    assert Limits.from_bytes(Frame.from_bytes(H(FRAMES["UA with 154 octets"])).information) == Limits(154, 154)
    assert Limits(154, 154).to_bytes() == Frame.from_bytes(H(FRAMES["UA with 154 octets"])).information
    assert Frame.from_bytes(H(FRAMES["UA without information"])).control == UA


@pytest.mark.parametrize(
    ("asked", "octets"),
    [
        (
            AssociationRequest(Initiate(0x7E1F, 0x4B0).request()),
            "601DA109060760857405080101BE10040E01000000065F1F0400007E1F04B0",
        ),
        (
            AssociationRequest(Initiate(0x7E1F, 0x4B0).request(), mechanism=1, authentication=b"12345678"),
            "6036A1090607608574050801018A0207808B0760857405080201AC0A80083132333435363738BE10040E01000000065F1F0400007E1F04B0",
        ),
    ],
)
def test_association_requests_are_those_of_the_green_book(asked: AssociationRequest, octets: str) -> None:
    assert asked.to_bytes() == H(octets)
    assert AssociationRequest.from_bytes(H(octets)) == asked


def test_an_association_answer_is_read() -> None:
    octets = Frame.from_bytes(H(FRAMES["AARE in an I frame"])).information[3:]
    said = AssociationAnswer.from_bytes(octets)
    assert (said.result, said.diagnostic) == (0, 0)
    assert Initiate.from_response(said.user) == Initiate(0x1E1D, 1224)
    assert said.to_bytes() == octets


def test_a_get_by_range_is_that_of_the_reference() -> None:
    since, until = H("07E2020CFF00000000800000"), H("07E3020CFF00000000800000")
    asked = GetRequest(0xC1, Attribute(7, obis("1.0.99.1.0.255"), 2, Range(since, until)))
    assert asked.to_bytes() == H(RANGE)
    assert parse_request(H(RANGE)) == asked


SUITE_0 = Keys(bytes(range(16)), bytes(range(0xD0, 0xE0)), None)
METER, CLIENT = H("4D4D4D0000BC614E"), H("4D4D4D0000000001")


@pytest.mark.parametrize(
    ("control", "octets"),
    [  # IEC 62056-5-3
        (0x10, "C81E1001234567C0010000080000010000FF020006725D910F9221D263877516"),
        (0x20, "C8122001234567411312FF935A47566827C467BC"),
        (0x30, "C81E3001234567411312FF935A47566827C467BC7D825C3BE4A77C3FCC056B6B"),
    ],
)
def test_suite_0_ciphers_as_the_standard_shows(control: int, octets: str) -> None:
    plain = H("C0010000080000010000FF0200")
    assert protect(plain, SUITE_0, control, METER, 0x01234567) == H(octets)
    assert reveal(H(octets), SUITE_0, METER, control) == (0x01234567, plain)


def test_a_ciphered_initiate_request_with_a_dedicated_key_is_that_of_the_green_book() -> None:
    plain = Initiate(0x7E1F, 0x4B0, H("00112233445566778899AABBCCDDEEFF")).request()
    assert plain == H("01011000112233445566778899AABBCCDDEEFF0000065F1F0400007E1F04B0")
    sealed = H("21303001234567801302FF8A7874133D414CED25B42534D28DB0047720606B175BD52211BE6841DB204D39EE6FDB8E356855")
    assert protect(plain, SUITE_0, 0x30, METER, 0x01234567) == sealed


def test_a_general_glo_notification_is_opened() -> None:
    keys = Keys(b"MYDUMMYGLOBALKEY", b"MYDUMMYGLOBALKEY")
    octets = H(
        "DB082F192291991641033B30000001E5025CE9D2271FD78BE8C204211A916A9D7F587E0A7A814CADEA89E9593F01F92EA8C087B5BDFDEFEAB6BE"
        "CF282DFE49C08F5BE6DC8400"
    )
    assert reveal(octets, keys, b"") == (
        485,
        H("0F000001DB000922125A8591360000000049000000110000000A5A8513D014800000000D0000000A0100"),
    )
    assert pushed(octets, keys).number == 475


def test_hls_answers_are_those_of_the_standard() -> None:
    assert gmac_answer(SUITE_0, CLIENT, 1, b"P6wRJ21F") == H("10000000011A52FE7DD3E72748973C1E28")
    assert gmac_answer(SUITE_0, METER, 0x01234567, b"K56iVagY") == H("1001234567FE1466AFB3DBCD4F9389E2B7")
    ours, theirs = bytes(range(32)), bytes(range(0x20, 0x40))
    assert challenge_answer(6, b"0123456789ABCDEF", theirs, ours, (CLIENT, METER)) == H(
        "326EBD6A36FDDB2A1AD349BF4295F4D2B473FD70F33B7ED5E4C546BEEC8713B5"
    )
    assert challenge_answer(6, b"0123456789ABCDEF", ours, theirs, (METER, CLIENT)) == H(
        "653E2872F84AFF0C0060752E8107EA2A04CCC1F1207DFB7B1F824FE209248483"
    )
    assert challenge_answer(2, b"1234567812345678", bytes(range(16))) == H("AEC91FC998EE5454F5E31CD0479F58A4")


@pytest.mark.parametrize(
    ("octets", "value"),
    [  # github.com/gvtret/openspodes, golden vectors
        ("05FFFFFFFE", -2),
        ("060001E240", 123456),
        ("0FFF", -1),
        ("10FFFE", -2),
        ("150000000000000001", 1),
        ("173F800000", Decimal("1")),
        ("0404A0", axdr.Bits("1010")),
        ("02021101010212000A120014", (1, [10, 20])),
        ("130202111206010102020304", [(1, 258), (2, 772)]),
    ],
)
def test_a_xdr_values_are_those_of_the_golden_vectors(octets: str, value: object) -> None:
    assert axdr.decode(H(octets)) == value


@pytest.mark.parametrize(
    ("octets", "wall", "deviation", "utc", "odd"),
    [
        ("07E30C1001073B28FF8000FF", "2019-12-16 07:59:40", None, None, False),  # Aidon
        ("07EA030A020C223800FF4C00", "2026-03-10 12:34:56", -180, "2026-03-10 09:34:56+00:00", False),
        ("07E6010A020C1E00FF888000", "2022-01-10 12:30:00", None, None, True),  # deviation of -30592 minutes
    ],
)
def test_date_times_are_read_with_their_deviation(
    octets: str, wall: str, deviation: int | None, utc: str | None, odd: bool
) -> None:
    stamp = Stamp.from_bytes(H(octets))
    assert str(stamp.wall) == wall
    assert (stamp.deviation, stamp.odd_deviation) == (deviation, odd)
    assert (None if stamp.utc() is None else str(stamp.utc())) == utc


def test_a_pushed_message_of_a_norwegian_meter_is_read() -> None:
    found = pushed(H(KAMSTRUP))
    assert str(present(found.stamp).wall) == "2022-01-24 18:58:50"
    values = dict(zip(found.data[1::2], found.data[2::2], strict=True))
    assert values[H("0101010700FF")] == 826
    assert values[H("01011F0700FF")] == 237
    assert values[H("0101200700FF")] == 232

"""The dialogue where it does not go well, and the turns that no recorded session shows."""

from decimal import Decimal

import pytest

from agent.line.link import Link
from protocols.errors import AccessDenied, BadFrame, Busy, NoReply, NotLoggedIn, Refused
from protocols.iec62056 import frames
from protocols.iec62056.frames import command, option, request, with_parity
from protocols.iec62056.questions import (
    Break,
    Direct,
    Done,
    Get,
    HandedOver,
    HandOver,
    Password,
    Program,
    Put,
    Readout,
    WakeUp,
)
from protocols.iec62056.session import Session
from protocols.session import Line
from tests.protocols.iec62056_player import LINE, Recorded

OPTICAL = Line(300, "7E1")
IDENTIFICATION = b"/EKT5CE303v10\r\n"
P0 = command("P0", b"(777777)", "sum")
ENTRY = [(">>", request()), ("<<", IDENTIFICATION), (">>", option("0", "5", "1")), ("<<", P0)]


def asked(name: str, rule: str = "sum") -> bytes:
    return command("R1", f"{name}()".encode(), rule)


def opened(
    *more: tuple[str, bytes], session: Session | None = None, entry: list[tuple[str, bytes]] = ENTRY
) -> tuple[Session, Link, Recorded]:
    """A session in programming mode and the Link to its meter, which goes on as ``more`` says."""
    session = session or Session("", LINE)
    meter = Recorded([*entry, *more])
    link = meter.link(session, session.line)
    link.ask(session, Program(), 1)
    return session, link, meter


def test_the_speed_changes_after_the_option_message_and_comes_back_for_the_next_sign_on() -> None:
    session = Session("", OPTICAL)
    session.send(Program())
    sending = session.receive(IDENTIFICATION)
    assert (sending.data, sending.then, sending.before) == (b"\x06051\r\n", Line(9600, "7E1"), None)
    assert sending.pause == 0.2  # EKT: an upper-case third letter
    session.receive(P0)
    assert session.send(Break()).then == OPTICAL  # only when the break has left: a meter must not miss it
    assert session.send(Program()).before == OPTICAL


def test_a_small_third_letter_shortens_the_reaction_time() -> None:
    session = Session("", OPTICAL)
    session.send(Readout())
    assert session.receive(b"/ISk5MT174-0002\r\n").pause == 0.02


def test_an_offer_above_the_limit_is_refused_and_the_speed_stays() -> None:
    session = Session("", OPTICAL, top_speed=4800)
    session.send(Readout())
    sending = session.receive(IDENTIFICATION)
    assert (sending.data, sending.then) == (b"\x06000\r\n", None)


def test_a_meter_of_fixed_speed_is_agreed_with_and_not_followed() -> None:
    session = Session("", LINE, change=False)
    session.send(Program())
    sending = session.receive(b"/CPz3NEVAMT123.2302\r\n")
    assert (sending.data, sending.then) == (b"\x06031\r\n", None)


def test_in_mode_b_both_ends_change_the_speed_without_a_message() -> None:
    session = Session("", OPTICAL)
    session.send(Readout())
    sending = session.receive(b"/XYZCmodeB\r\n")
    assert (sending.data, sending.then) == (b"", Line(2400, "7E1"))
    telegram = session.receive(frames.answer(b"1.8.0(1*kWh)\r\n!\r\n", "xor"))
    assert telegram.identification.mode == "B" and telegram.block.values("1.8.0")[0].number == 1


def test_a_meter_with_hdlc_is_handed_over_at_its_speed_in_eight_bits() -> None:
    session = Session("", OPTICAL)
    session.send(HandOver())
    assert session.receive(b"/LGZ5\\2ZMD4054459.B40\r\n").data == b"\x06252\r\n"
    answer = session.receive(b"\x06252\r\n")
    assert isinstance(answer, HandedOver) and answer.line == Line(9600, "8N1")


def test_an_echo_of_the_hand_over_is_not_the_meter_s_word() -> None:
    session = Session("", OPTICAL)
    session.send(HandOver())
    session.receive(request() + b"/LGZ5\\2ZMD4054459.B40\r\n")
    assert session.receive(b"\x06252\r\n") is None
    assert isinstance(session.receive(b"\x06252\r\n"), HandedOver)


def test_a_meter_without_hdlc_is_not_handed_over() -> None:
    session = Session("", OPTICAL)
    session.send(HandOver())
    with pytest.raises(Refused, match="mode E"):
        session.receive(IDENTIFICATION)


@pytest.mark.parametrize("piece", [1, 2, 64])
def test_an_optical_head_that_gives_everything_back_changes_nothing(piece: int) -> None:
    answer = frames.answer(b"VOLTA(230.1)\r\n", "sum")
    dialogue = [("<<", P0 and IDENTIFICATION), ("<<", P0), ("<<", answer)]
    sent = [request(), option("0", "5", "1"), asked("VOLTA")]
    script = [line for out, (_, back) in zip(sent, dialogue, strict=True) for line in ((">>", out), ("<<", out + back))]
    session = Session("", LINE)
    meter = Recorded(script, piece)
    link = meter.link(session)
    link.ask(session, Program())
    assert link.ask(session, Get("VOLTA")).text("VOLTA") == "230.1" and meter.over


def test_software_parity_makes_a_7e1_line_of_an_8n1_port() -> None:
    line = Line(9600, "8N1")
    answer = frames.answer(b"VOLTA(230.1)\r\n", "sum")
    sound = [
        ("<<" if way == "<<" else ">>", with_parity(data))
        for way, data in [*ENTRY, (">>", asked("VOLTA")), ("<<", answer)]
    ]
    session = Session("", line)
    meter = Recorded(sound)
    link = meter.link(session, line)
    link.ask(session, Program())
    assert link.ask(session, Get("VOLTA")).text("VOLTA") == "230.1" and meter.over


@pytest.mark.parametrize("bit", range(8))
@pytest.mark.parametrize("place", range(17))
def test_a_flipped_bit_on_an_8n1_port_is_never_a_reading(place: int, bit: int) -> None:
    damaged = bytearray(with_parity(frames.answer(b"VOLTA(230.1)\r\n", "sum")))
    damaged[place] ^= 1 << bit
    session = Session("", Line(9600, "8N1"))
    session.send(Program())
    session.receive(with_parity(IDENTIFICATION))
    session.receive(with_parity(P0))
    session.send(Get("VOLTA"))
    try:
        answer = session.receive(bytes(damaged)) or session.receive(b"")
    except BadFrame:
        return
    assert answer is None  # nothing of it looked like a frame: the Link says NoReply


def test_a_meter_that_really_sends_eight_bits_may_write_windows_1251() -> None:
    line = Line(9600, "8N1")
    session = Session("", line, parity="none", check="xor")
    session.send(Readout())
    assert session.receive(b"/XYZ0meter\r\n").data == b"\x06000\r\n"
    text = "1.8.0(12.5*кВт*ч)\r\n0.0.0(№ 5)\r\n!\r\n".encode("cp1251")
    telegram = session.receive(frames.answer(text, "xor"))
    value = telegram.block.values("1.8.0")[0]
    assert (str(value.number), value.unit) == ("12.5", "кВт*ч") and telegram.block.text("0.0.0") == "№ 5"


def test_silence_in_programming_mode_ends_the_session() -> None:
    session, link, _ = opened((">>", asked("VOLTA")))
    with pytest.raises(NotLoggedIn):
        link.ask(session, Get("VOLTA"))
    with pytest.raises(NotLoggedIn):
        link.ask(session, Get("VOLTA"))


def test_after_a_lost_session_the_meter_is_signed_on_again() -> None:
    answer = frames.answer(b"VOLTA(230.1)\r\n", "sum")
    again = [(">>", command("B0", b"", "sum")), *ENTRY, (">>", asked("VOLTA")), ("<<", answer)]
    session, link, meter = opened((">>", asked("VOLTA")), *again)
    with pytest.raises(NotLoggedIn):
        link.ask(session, Get("VOLTA"))
    link.ask(session, Break())
    link.ask(session, Program())
    assert link.ask(session, Get("VOLTA")).text("VOLTA") == "230.1" and meter.over


def test_a_damaged_answer_is_asked_for_again_in_the_same_session() -> None:
    good = frames.answer(b"VOLTA(230.1)\r\n", "sum")
    bad = good.replace(b"230", b"231")
    session, link, meter = opened((">>", asked("VOLTA")), ("<<", bad), (">>", asked("VOLTA")), ("<<", good))
    assert link.ask(session, Get("VOLTA")).text("VOLTA") == "230.1" and meter.over


def test_another_parameter_s_answer_is_not_taken() -> None:
    session, link, _ = opened((">>", asked("VOLTA")), ("<<", frames.answer(b"CURRE(1.5)\r\n", "sum")))
    with pytest.raises(BadFrame, match="CURRE"):
        link.ask(session, Get("VOLTA"), 1)


def test_an_answer_without_a_name_is_no_answer_where_one_is_due() -> None:
    session, link, _ = opened((">>", asked("VOLTA")), ("<<", frames.answer(b"(230.1)\r\n", "sum")))
    with pytest.raises(BadFrame):
        link.ask(session, Get("VOLTA"), 1)


def test_a_wrong_password_is_tried_once_and_never_shown() -> None:
    secret = b"4815162342"
    session, link, meter = opened((">>", command("P1", b"(" + secret + b")", "sum")), ("<<", command("B0", b"", "sum")))
    with pytest.raises(AccessDenied) as denied:
        link.ask(session, Password(secret))
    assert meter.over and secret.decode() not in str(denied.value) + repr(Password(secret))


@pytest.mark.parametrize("answer", [b"()", b"(00000000)", b"(7109)"])
def test_a_value_in_answer_to_the_password_is_no_refusal(answer: bytes) -> None:
    """A Neva MT 124 of firmware 7109 answers P1 with an empty value; the next question decides."""
    session, link, meter = opened(
        (">>", command("P1", b"(00000000)", "sum")),
        ("<<", frames.answer(answer, "sum")),
        (">>", asked("VOLTA")),
        ("<<", frames.answer(b"VOLTA(230.1)\r\n", "sum")),
    )
    assert link.ask(session, Password(b"00000000")) == Done()
    assert link.ask(session, Get("VOLTA")).values("VOLTA")[0].number == Decimal("230.1") and meter.over


@pytest.mark.parametrize("answer", [b"(ERR15)", b"(E15)", b"(01)", b"(ERR12)"])
def test_an_error_message_in_answer_to_the_password_is_a_refusal(answer: bytes) -> None:
    session, link, _ = opened((">>", command("P1", b"(1)", "sum")), ("<<", frames.answer(answer, "sum")))
    with pytest.raises(AccessDenied):
        link.ask(session, Password(b"1"))


def test_a_damaged_echo_of_the_password_is_not_shown_either() -> None:
    sent = command("P1", b"(4815162342)", "sum")
    session, link, _ = opened((">>", sent), ("<<", b"\x00" + sent[:-1] + b"\x7f"))
    with pytest.raises(BadFrame) as broken:
        link.ask(session, Password(b"4815162342"))
    assert b"4815162342".hex(" ") not in str(broken.value)


def test_a_meter_that_ends_the_session_is_signed_on_again() -> None:
    session, link, _ = opened((">>", asked("VOLTA")), ("<<", command("B0", b"", "sum")))
    with pytest.raises(NotLoggedIn):
        link.ask(session, Get("VOLTA"))


@pytest.mark.parametrize("text", [b"(ERR12)", b"VOLTA(ERR12)", b"(E12)"])
def test_an_unknown_parameter_is_refused_with_its_number(text: bytes) -> None:
    session, link, _ = opened((">>", asked("VOLTA")), ("<<", frames.answer(text, "sum")))
    with pytest.raises(Refused, match="unknown parameter") as refused:
        link.ask(session, Get("VOLTA"))
    assert refused.value.code == 12


def test_a_meter_that_is_programmed_at_another_port_is_busy() -> None:
    session, link, _ = opened((">>", asked("VOLTA")), ("<<", frames.answer(b"(ERR19)", "sum")))
    with pytest.raises(Busy):
        link.ask(session, Get("VOLTA"), 1)


@pytest.mark.parametrize("answer", [b"\x15", b"", frames.answer(b"(ERR15)", "sum")])
def test_a_write_is_never_repeated(answer: bytes) -> None:
    sent = command("W1", b"CTIME(5)", "sum")
    session, link, meter = opened((">>", sent), ("<<", answer))
    with pytest.raises((BadFrame, NoReply, Refused)):
        link.ask(session, Put("CTIME", "5"))
    assert meter.over


def test_blocks_are_acknowledged_repeated_when_damaged_and_joined() -> None:
    first, second = frames.answer(b"0000(AA)\r\n0010(BB)", "xor", last=False), frames.answer(b"0020(CC)", "xor")
    bad = second[:-1] + bytes([second[-1] ^ 1])
    entry = [*ENTRY[:3], ("<<", command("P0", b"()", "xor"))]
    more = [
        (">>", command("R3", b"0000(93)", "xor")),
        ("<<", first),
        (">>", b"\x06"),
        ("<<", bad),
        (">>", b"\x15"),
        ("<<", second),
    ]
    session, link, meter = opened(*more, session=Session("", LINE, check="xor"), entry=entry)
    block = link.ask(session, Get("0000", "93", kind="R3"), 1)
    assert [(one.id, one.values[0].text) for one in block.sets] == [("0000", "AA"), ("0010", "BB"), ("0020", "CC")]
    assert meter.over


def test_a_block_that_stays_damaged_is_given_up_after_three_repeats() -> None:
    bad = frames.answer(b"0000(AA)", "xor", last=False)[:-1] + b"\x7e"
    entry = [*ENTRY[:3], ("<<", command("P0", b"()", "xor"))]
    more = [(">>", command("R3", b"0000(93)", "xor")), ("<<", bad), *[(">>", b"\x15"), ("<<", bad)] * 3]
    session, link, meter = opened(*more, session=Session("", LINE, check="xor"), entry=entry)
    with pytest.raises(BadFrame, match="stays damaged"):
        link.ask(session, Get("0000", "93", kind="R3"), 1)
    assert meter.over


def test_a_load_profile_in_blocks_is_one_answer() -> None:
    blocks = [b"P.01(1220823161500)(00)(15)(1)(1.5)(kW)\r\n(0.18374)", b"(0.16832)\r\n(0.2)"]
    session = Session("", LINE, check="xor")
    entry = [*ENTRY[:3], ("<<", command("P0", b"()", "xor"))]
    more = [
        (">>", command("R6", b"P.01(;)", "xor")),
        ("<<", frames.answer(blocks[0], "xor", last=False)),
        (">>", b"\x06"),
        ("<<", frames.answer(blocks[1], "xor")),
    ]
    session, link, meter = opened(*more, session=session, entry=entry)
    block = link.ask(session, Get("P.01", ";", kind="R6"))
    assert [value.text for value in block.values("P.01")][-3:] == ["0.18374", "0.16832", "0.2"] and meter.over


def test_a_sound_answer_without_data_says_that_a_row_is_not_kept() -> None:
    question = command("R1", b"ENDPE(22.01.23)", "sum")
    session, link, meter = opened((">>", question), ("<<", b"\x02\x03\x03"))  # the same by both rules
    with pytest.raises(Refused, match="nothing") as refused:
        link.ask(session, Get("ENDPE", "22.01.23"))
    assert refused.value.code == 18 and meter.over


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (Get("ET0PE"), b"\x02\x03\x03"),
        (Get("ENDPE", "22.01.23"), b"\x02\x03\x04"),
        (Get("ENDPE", "22.01.23"), frames.answer(b"(", "sum")),
    ],
    ids=["no row was asked for", "wrong check character", "damaged"],
)
def test_no_other_answer_without_data_passes_for_a_row_that_is_not_kept(question: Get, said: bytes) -> None:
    session, _, _ = opened()
    session.send(question)
    with pytest.raises(BadFrame):
        session.receive(said) or session.receive(b"")


def test_the_published_question_for_a_day_s_end_is_ours() -> None:
    published = bytes.fromhex("01 52 31 02 45 4E 44 50 45 28 32 32 2E 31 2E 32 33 29 03 1B")  # EnMera301BY, a CE301
    assert command("R1", b"ENDPE(22.1.23)", "sum") == published


def test_a_readout_in_place_of_programming_mode_is_an_error() -> None:
    telegram = frames.answer(b"1.8.0(0012345.678*kWh)\r\n" * 4 + b"!\r\n", "sum")
    session = Session("", LINE)
    meter = Recorded([*ENTRY[:3], ("<<", telegram)])
    with pytest.raises(BadFrame, match="readout came"):
        meter.link(session).ask(session, Program(), 1)


def test_a_telegram_without_end_is_given_up() -> None:
    session = Session("", LINE, check="none")
    session.send(Readout())
    session.receive(IDENTIFICATION)
    with pytest.raises(BadFrame, match="64 KiB"):
        for _ in range(70):
            assert session.receive(b"1.8.0(1*kWh)\r\n" * 80) is None


def test_a_battery_meter_is_woken_and_given_time() -> None:
    session = Session("", OPTICAL)
    waking = session.send(WakeUp())
    assert not waking.answered and 2.1 <= len(waking.data) * OPTICAL.character <= 2.3
    assert 1.5 <= session.send(Readout()).pause <= 1.7


def test_nothing_is_asked_before_programming_mode() -> None:
    with pytest.raises(RuntimeError):
        Session().send(Get("VOLTA"))
    with pytest.raises(RuntimeError):
        Session().receive(b"\x06")


def test_a_group_answer_must_bring_all_that_was_asked() -> None:
    session = Session("7", LINE, check="sum")
    session.send(Direct("GROUP", "5003(1)4001(7)", ("5003", "4001")))
    with pytest.raises(BadFrame):
        session.receive(frames.answer(b"5003(1)", "sum"))


def test_equal_addresses_and_long_ones() -> None:
    assert request("00000211") == b"/?00000211!\r\n" and frames.address_of("www.energomera.ru")
    for wrong in ("a" * 33, "5!", "№5", "7/"):
        with pytest.raises(ValueError, match="found"):
            frames.address_of(wrong)

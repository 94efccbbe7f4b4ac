"""Thirty-two recorded exchanges of real meters judge the protocol: what must be read is read, the rest rejected."""

from decimal import Decimal

import pytest

from agent.line.link import Link
from protocols.errors import BadFrame, Refused
from protocols.iec62056 import frames
from protocols.iec62056.block import Block, parse
from protocols.iec62056.frames import identification
from protocols.iec62056.push import Listen, Pushed, PushSession, TextCut
from protocols.iec62056.questions import Break, Direct, Done, Get, Opened, Password, Program, Put, Readout, Telegram
from protocols.iec62056.session import Session
from protocols.session import Line
from tests.protocols.iec62056_player import LINE, Recorded, joined, recorded_session

PIECES = pytest.mark.parametrize("piece", [1, 3, 64])
OPTICAL = Line(300, "7E1")


def texts(block: Block, name: str) -> list[str]:
    return [value.text for value in block.values(name)]


def play(name: str, session: Session, questions: list[object], piece: int) -> list[object]:
    """All answers; nothing else than what was recorded is sent."""
    meter, link = recorded_session(name, session, piece)
    answers = [link.ask(session, question) for question in questions]
    assert meter.over, meter.wrong
    return answers


@PIECES
def test_t01_ce102m_gives_five_registers_without_a_password(piece: int) -> None:
    names = ["VOLTA", "CURRE", "POWEP", "COS_f", "FREQU"]
    opened, *blocks, _ = play("iec-t01", Session("", LINE), [Program(), *(Get(name) for name in names), Break()], piece)
    assert isinstance(opened, Opened)
    assert (str(opened.identification), opened.operand) == ("/EKT5CE102Mv01", "www.energomera.ru")
    read = [block.values(name)[0].number for block, name in zip(blocks, names, strict=True)]  # type: ignore[attr-defined]
    assert read == [Decimal("215.78"), Decimal("1.767"), Decimal("0.378816"), Decimal("1.000"), Decimal("50.01")]


@PIECES
def test_t02_ce102m_gives_all_tariffs_in_its_short_list(piece: int) -> None:
    (telegram,) = play("iec-t02", Session("", LINE), [Readout("6")], piece)
    assert isinstance(telegram, Telegram) and telegram.checked
    block = telegram.block
    assert texts(block, "ET0PE") == ["9832.39", "6383.96", "3448.25", "0.00", "0.00", "0.00"]
    assert texts(block, "SNUMB") == ["010748065001474"]
    assert (texts(block, "DATE_"), texts(block, "TIME_")) == (["01.29.08.16"], ["15:51:03"])
    assert texts(block, "GRF01")[:3] == ["07:00:01", "23:00:02", "00:00:00"]
    assert len(texts(block, "GRF01")) == 12
    assert (texts(block, "STAT_"), texts(block, "IDPAS")) == (["03000101"], ["www.energomera.ru"])


def test_t03_ce102m_serial_state_and_clock() -> None:
    answers = {sent: heard for (_, sent), (_, heard) in zip(*[iter(joined("iec-t03"))] * 2, strict=True)}
    expected = {"SNUMB": "010748065001474", "STAT_": "03000101", "WATCH": "18:59:08,03.31.08.16,0"}
    for name, text in expected.items():
        answer = answers[frames.command("R1", f"{name}()".encode(), "sum")]
        assert frames.rules_kept(answer)[0] == "sum"
        assert texts(parse(answer[1:-2]), name) == [text]


@PIECES
def test_t04_ce301_repeats_the_name_on_each_line(piece: int) -> None:
    names = ["MODEL", "ET0PE", "IDENT", "DATE_", "TIME_", "GRF00", "POWPP", "POWEP", "VOLTA"]
    opened, *blocks, _ = play("iec-t04", Session("", LINE), [Program(), *map(Get, names), Break()], piece)
    assert isinstance(opened, Opened) and opened.operand == "777777"
    read = {name: texts(block, name) for name, block in zip(names, blocks, strict=True) if isinstance(block, Block)}
    assert read["ET0PE"] == ["10879.927572", "8032.5160368", "2847.4115352", "0.0", "0.0", "0.0"]
    assert read["VOLTA"] == ["209.185", "217.742", "217.465"]
    assert read["POWPP"] == ["0.2766", "0.3068", "0.0119"]
    assert read["GRF00"][:2] == ["7:0:1", "23:0:2"]
    assert [read[name] for name in ("MODEL", "IDENT", "DATE_", "TIME_", "POWEP")] == [
        ["3"], ["CE301v11.7s4"], ["01.24.10.16"], ["21:42:34"], ["0.6058"],
    ]  # fmt: skip


@PIECES
def test_t05_ce301by_takes_a_password_and_gives_months_and_days(piece: int) -> None:
    questions = [
        Program(), Password(b"dummy"), Get("HELLO"), Get("ET0PE"), Get("ENMPE", "04.22"), Get("EAMPE", "04.22"),
        Get("ECMPE"), Get("ECDPE"), Get("VNULL"),
    ]  # fmt: skip
    _, done, hello, now, month, spent, running, today, null = play("iec-t05", Session("", LINE), questions, piece)
    assert done == Done()
    assert isinstance(now, Block) and isinstance(month, Block) and isinstance(running, Block)
    total = [block.values(name)[0].number for block, name in ((now, "ET0PE"), (month, "ENMPE"), (running, "ECMPE"))]
    assert total[1] + total[2] == total[0] == Decimal("16907.9477764")  # type: ignore[operator]
    assert isinstance(hello, Block) and texts(hello, "HELLO") == ["2,CE301,12,00123456,dummy"]
    assert isinstance(spent, Block) and texts(spent, "EAMPE")[0] == "477.8955487"
    assert isinstance(today, Block) and texts(today, "ECDPE")[0] == "13.7433546"
    assert isinstance(null, Block) and null.values("VNULL")[0].number == 0


@PIECES
def test_t06_ce30x_answers_a_group_without_a_session(piece: int) -> None:
    question = Direct("GROUP", "400B(7)400D(1)5003(1)", ("400B", "400D", "5003"))
    (block,) = play("iec-t06", Session("00000211", LINE, check="sum"), [question], piece)
    assert isinstance(block, Block)
    assert block.values("400B")[0].error == 12 and block.values("400B")[0].number is None
    assert texts(block, "400B")[1:] == ["118.8", "121.1"]
    assert (texts(block, "400D"), texts(block, "5003")) == (["50.01"], ["009114135064195"])


@PIECES
def test_t07_ce102m_with_address_and_password(piece: int) -> None:
    questions = [Program(), Password(b"777777"), Get("ET0PE")]
    _, _, block = play("iec-t07", Session("141628345", LINE), questions, piece)
    assert isinstance(block, Block)
    assert texts(block, "ET0PE") == ["68.42", "45.54", "22.88", "0.00", "0.00", "0.00"]


@PIECES
def test_t08_neva_refuses_one_register_and_gives_the_next(piece: int) -> None:
    session = Session("00000201", LINE)
    meter, link = recorded_session("iec-t08", session, piece)
    link.ask(session, Program())
    link.ask(session, Password(b"00000000"))
    for name, text in (("100700FF", "00005.3"), ("2107FFFF", "00.717"), ("600900FF", "029")):
        assert texts(link.ask(session, Get(name)), name) == [text]
    with pytest.raises(Refused) as refused:
        link.ask(session, Get("030880FF"))
    assert refused.value.code == 1
    energy = link.ask(session, Get("0F0880FF")).values("0F0880FF")[0].text
    assert energy == "000046.24,000031.14,000015.10,000000.00,000000.00"
    link.ask(session, Break())
    assert meter.over


def test_t09_neva_frames_with_a_tab_as_check_character() -> None:
    heard = dict(enumerate(data for way, data in joined("iec-t09") if way == "<<"))
    stream = b"".join(heard.values())
    found = [stream[at : stream.index(b"\x03", at) + 2] for at in range(len(stream)) if stream[at] in (1, 2)]
    frames_ = [frame for frame in found if frame[:2] != b"\x02("]
    assert len(frames_) == 6 and all("xor" in frames.rules_kept(frame) for frame in frames_)
    assert any(frame[-1] == 0x09 and b"60089784" in frame for frame in frames_)


def test_t09b_a_wrong_check_character_is_never_a_reading() -> None:
    ((_, answer),) = joined("iec-t09b")
    session, meter = _neva_asked("0F0880FF", answer)
    with pytest.raises(BadFrame, match="check character"):
        meter.ask(session, Get("0F0880FF"), 1)


def _neva_asked(name: str, answer: bytes) -> tuple[Session, Link]:
    """A Neva in programming mode that answers ``name`` with these bytes."""
    session = Session("", LINE)
    meter = Recorded(
        [*joined("iec-t08")[:4], (">>", frames.command("R1", f"{name}()".encode(), "xor")), ("<<", answer)]
    )
    meter._left[0] = (">>", frames.request())
    link = meter.link(session)
    link.ask(session, Program())
    return session, link


def test_t10_an_iskra_that_heard_no_option_message_is_read_at_its_start_speed() -> None:
    sent, answer = joined("iec-t10")
    line, data = answer[1].split(b"\n", 1)
    session = Session("", OPTICAL)
    meter = Recorded([sent, ("<<", line + b"\n"), (">>", b"\x06050\r\n"), ("<<", data)])
    telegram = meter.link(session, OPTICAL).ask(session, Readout())
    assert texts(telegram.block, "1-0:1.8.0*255") == ["0000502.853"]
    assert texts(telegram.block, "1-0:2.8.0*255") == ["0098697.318"]
    assert telegram.block.values("1-0:2.8.0*255")[0].unit == "kWh"
    assert texts(telegram.block, "1-0:0.9.2*255") == ["0220127"]
    assert meter.over


@PIECES
def test_t11_zpa_a_long_readout_with_odd_ids_and_units(piece: int) -> None:
    (telegram,) = play("iec-t11", Session("", OPTICAL), [Readout()], piece)
    assert isinstance(telegram, Telegram)
    assert telegram.identification.mode == "E" and telegram.identification.text == "AM363801C0269"
    block = telegram.block
    assert [block.values(code)[0].number for code in ("1.8.1", "1.8.2", "1.8.0")] == [36483, 3, 36486]
    assert [texts(block, code) for code in ("32.7.0", "52.7.0", "72.7.0")] == [["238.0"], ["242.2"], ["239.2"]]
    assert texts(block, "1.6.0,5") == ["202601130730"]
    assert block.values("0.3.3")[0].unit == "imp/kWh"
    assert texts(block, "0.9.2") == ["20260130"] and not block.damaged and len(block.sets) == 64


def test_t12_kamstrup_sums_and_glues_its_exclamation_mark() -> None:
    (_, stream) = joined("iec-t12")[0]
    line, data = stream.split(b"\n", 1)
    session = Session("", OPTICAL)
    meter = Recorded([(">>", frames.request()), ("<<", line + b"\n" + data)])
    telegram = meter.link(session, OPTICAL).ask(session, Readout())
    assert telegram.identification.mode == "A" and telegram.checked
    assert texts(telegram.block, "0.0") == ["00005077354"]
    energy = telegram.block.values("6.8")[0]
    assert (energy.number, energy.unit) == (Decimal("433.65"), "GJ")
    assert telegram.block.values("6.31")[0].number == 109868


def test_t13_noise_inside_a_telegram_is_a_damaged_telegram() -> None:
    session = Session("", OPTICAL)
    sent, heard = joined("iec-t13")
    head, tail = heard[1].split(b"V01.19\r\n", 1)
    meter = Recorded([sent, ("<<", head + b"V01.19\r\n"), (">>", b"\x06000\r\n"), ("<<", tail)])
    with pytest.raises(BadFrame, match="check character"):
        meter.link(session, OPTICAL).ask(session, Readout(), 1)
    assert not meter.wrong  # its identification was found behind five 7F and the echo
    inside = parse(tail[1:-2])
    assert texts(inside, "C.1") == ["1126120053322353"] and inside.damaged


@PIECES
def test_t14_lem_readout_ends_with_a_break(piece: int) -> None:
    telegram, _ = play("iec-t14", Session("", LINE), [Readout(), Break()], piece)
    assert isinstance(telegram, Telegram)
    block = telegram.block
    assert len(block.sets) == 18
    assert block.values("1-0:1.8.0*255")[0].number == 0
    assert block.values("1-0:0.0.1*255")[0].number is None and texts(block, "1-0:0.0.1*255") == [""]
    assert texts(block, "0-0:C.1.0*255") == ["03878504"]
    assert texts(block, "1-0:0.2.1*1") == ["121120??"]
    assert block.values("1-0:0.3.0*255")[0].unit == "Imp/kWh"


@PIECES
def test_t15_lem_reads_with_r5_and_writes_with_w5(piece: int) -> None:
    clock = Put("1-0:0.9.129*255", "1301031605000002)(00000000", "W5")
    questions = [Program(), Password(b"00000000"), Get("0.9.2", kind="R5"), Get("0.9.1", kind="R5"), clock, Break()]
    opened, done, date, time, written, _ = play("iec-t15", Session("", LINE), questions, piece)
    assert isinstance(opened, Opened) and opened.operand == ""
    assert isinstance(date, Block) and isinstance(time, Block)
    assert (texts(date, "0.9.2"), texts(time, "0.9.1")) == (["130103"], ["101415"])
    assert done == written == Done()


@PIECES
def test_t16_elster_a1700_takes_the_result_of_the_secure_algorithm(piece: int) -> None:
    opened, done = play("iec-t16", Session("", LINE), [Program(), Password(b"BE2C10B158593B3E", "P2")], piece)
    assert isinstance(opened, Opened) and opened.operand == "FD2BA0E29731D230" and done == Done()


@PIECES
def test_t17_elster_a1140_answers_without_a_name_and_with_cr_as_check_character(piece: int) -> None:
    questions = [
        Program("6"),
        Password(b"0000000000000000", "P2"),
        Get("798001", "10", named=False),
        Get("795001", "08", named=False),
        Password(b"669A287D6388D770", "P2"),
        Put("576001", "456C73746572202020202020"),
    ]
    _, _, serial, model, _, written = play("iec-t17", Session("094", LINE), questions, piece)
    assert isinstance(serial, Block) and isinstance(model, Block)
    assert bytes.fromhex(serial.text("") or "").decode() == "0000000005074494"
    assert bytes.fromhex(model.text("") or "").decode() == "P_228052"
    assert written == Done()


def test_t18_seven_bits_and_parity_seen_through_an_eight_bit_port() -> None:
    ((_, raw),) = joined("iec-t18")
    text, even = frames.without_parity(raw)
    assert even and frames.with_parity(text) == raw
    line, data = text.split(b"\n", 1)
    found = identification(line + b"\n")
    assert found is not None and (found.maker, found.text, found.mode) == ("LGZ", "ZMD4054459.B40", "E")
    block = parse(data[1:])
    assert (texts(block, "0.9.1"), texts(block, "0.9.2"), texts(block, "0.0.0")) == (["23:16:43"], ["21-01-04"], [""])


def test_t19_a_command_with_a_wrong_check_character_gets_nak_and_is_given_up() -> None:
    *_, command, nak = joined("iec-t19")
    assert frames.rules_kept(command[1]) == () and nak[1] == b"\x15"
    session, link = _neva_asked("1.8.0", nak[1])
    with pytest.raises(BadFrame, match="NAK"):
        link.ask(session, Get("1.8.0"), 1)


def _unchecked(name: str) -> Telegram:
    """A readout that was published without check character, as ``check = "none"`` takes it."""
    session = Session("", OPTICAL, check="none")
    heard = b"".join(data for way, data in joined(name) if way == "<<")
    head, data = heard.split(b"\n", 1)
    if head.startswith(b"/?"):
        echo, (head, data) = head + b"\n", data.split(b"\n", 1)
        head = echo + head
    speed = identification(head[head.rindex(b"/") :] + b"\n")
    option = [(">>", frames.option("0", speed.baud, "0"))] if speed and speed.mode in "CE" else []
    meter = Recorded([(">>", frames.request()), ("<<", head + b"\n"), *option, ("<<", data)])
    if not option:
        meter = Recorded([(">>", frames.request()), ("<<", head + b"\n" + data)])
    answer = meter.link(session, OPTICAL).ask(session, Readout())
    assert isinstance(answer, Telegram) and not answer.checked and meter.over
    return answer


@pytest.mark.parametrize("name", ["iec-t20", "iec-t21", "iec-t27", "iec-t30"])
def test_a_readout_without_check_character_is_refused_unless_the_installer_allows_it(name: str) -> None:
    assert _unchecked(name).block.sets
    session = Session("", OPTICAL)
    meter = Recorded([(">>", frames.request()), ("<<", b"/ISk MT1\r\nF.F(00)\r\n1.8.0(1*kWh)\r\n!\r\n")])
    with pytest.raises(BadFrame, match="without check character"):
        meter.link(session, OPTICAL).ask(session, Readout(), 1)


def test_t20_two_line_feeds_for_a_line_end() -> None:
    block = _unchecked("iec-t20").block
    assert (texts(block, "0.0"), texts(block, "C.1.1")) == (["18438636"], [""])
    assert [block.values(code)[0].number for code in ("1.8.1", "1.8.2", "1.8.0")] == [
        0, Decimal("219.251"), Decimal("219.252"),
    ]  # fmt: skip
    assert (block.values("16.7")[0].number, block.values("16.7")[0].unit) == (Decimal("1.66"), "kW")


def test_t21_history_and_duplicates_are_kept_in_order() -> None:
    block = _unchecked("iec-t21").block
    assert texts(block, "1.8.0") == ["01281.6601"] and texts(block, "1.8.0*12") == ["01236.1958"]
    assert texts(block, "1.6.1") == ["0.50262", "2211120730"]
    assert texts(block, "0.2.0") == ["01.01.28", "02.02.13", "2.2.8"]


def test_t22_a_load_profile_keeps_its_rows_with_its_header() -> None:
    block = parse(joined("iec-t22")[0][1])
    (profile, *events) = block.sets
    assert [value.text for value in profile.values[:5]] == ["1220823161500", "00000000", "15", "6", "1.5"]
    assert [value.text for value in profile.values[16:18]] == ["0.18374", "0.00078"] and len(profile.values) == 28
    assert [one.values[0].text for one in events if one.id == "P.98"] == [
        "1220826235646", "1220901000000", "1220906115553",
    ]  # fmt: skip


@pytest.mark.parametrize("piece", [1, 7, 4096])
@pytest.mark.parametrize("skipped", [0, 1, 300])
def test_t23_p1_telegram_is_found_wherever_the_listening_begins(piece: int, skipped: int) -> None:
    ((_, telegram),) = joined("iec-t23")
    stream = telegram[skipped:] + telegram
    cut = TextCut("crc")
    session = PushSession(cut, 10, cut.prepare)
    session.send(Listen())
    answers = [session.receive(stream[at : at + piece]) for at in range(0, len(stream), piece)]
    pushed = next(answer for answer in answers if answer is not None)
    assert isinstance(pushed, Pushed) and pushed.checked and pushed.identification == "XMX5LGBBFG1012530239"
    assert [texts(pushed.block, f"1-0:1.8.{tariff}") for tariff in "12"] == [["000075.067"], ["000084.813"]]
    assert texts(pushed.block, "0-1:24.2.1") == ["161116200000W", "00066.405"]


def test_t24_easymeter_pushes_negative_power() -> None:
    ((_, telegram),) = joined("iec-t24")
    cut = TextCut("none")
    pushed = cut(bytearray(telegram))
    assert pushed is not None and not pushed.checked and pushed.identification == "ESY5Q3DA1024 V3.03"
    powers = [pushed.block.values(f"1-0:{code}.7.255*255")[0].number for code in (21, 41, 61, 1)]
    assert powers == [Decimal("-73.69"), 0, Decimal("-68.61"), Decimal("-142.30")]
    with pytest.raises(BadFrame, match="without CRC"):
        TextCut("crc")(bytearray(telegram))


def test_t25_an_stx_in_the_identification_begins_no_frame() -> None:
    ((_, stream),) = joined("iec-t25")
    line = stream[: stream.index(b"\n") + 1]
    found = identification(line)
    assert found is not None and (found.maker, found.baud) == ("ISk", "5") and "MT382-1000" in found.text
    session = Session("", OPTICAL)
    session.send(Readout())
    sending = session.receive(line)
    assert sending.data == b"\x06050\r\n"
    gas = parse(stream[stream.index(b"0-1:24.3.0") :])
    assert [value.text for value in gas.values("0-1:24.3.0")][-1] == "00001.001"


def test_t26_odd_units_stay_as_they_are() -> None:
    block = parse(joined("iec-t26")[0][1])
    read = {one.id: (one.values[0].number, one.values[0].unit) for one in block.sets}
    assert read["1-0:81.7.2"] == (Decimal("-120.1"), "deg")
    assert read["1-0:14.7.0"] == (Decimal("0.05000"), "kHz")
    assert read["13.7.0"] == (Decimal("0.000315"), "k")
    assert read["1-0:1.8.0"] == (Decimal("391.3"), "Wh")


def test_t27_a_decimal_comma() -> None:
    telegram = _unchecked("iec-t27")
    assert telegram.block.values("1.6")[0].number == Decimal("7.4")
    assert telegram.block.values("1.6*1")[0].number == 13 and telegram.identification.mode == "A"


def test_t28_error_texts_are_no_numbers_and_a_torn_line_is_set_aside() -> None:
    block = parse(joined("iec-t28")[0][1])
    assert [block.values(code)[0].error for code in ("0-2:25.6.0", "0-0:25.1.0", "1-0:0.2.0")] == [23, 23, 11]
    assert block.values("1-0:3.8.0")[0].number == Decimal("4565.274")
    assert block.damaged == ("*kW)",)


def test_t29_a_unit_behind_a_blank_and_a_wrong_check_character() -> None:
    ((_, stream),) = joined("iec-t29")
    line, data = stream.split(b"\n", 1)
    session = Session("", OPTICAL)
    meter = Recorded([(">>", frames.request()), ("<<", line + b"\n"), (">>", b"\x06050\r\n"), ("<<", data)])
    with pytest.raises(BadFrame, match="check character"):
        meter.link(session, OPTICAL).ask(session, Readout(), 1)
    value = parse(data[1:-2]).values("1-0:1.8.0*255")[0]
    assert (value.number, value.unit) == (24562, "kWh")


def test_t30_an_echo_before_the_identification_is_dropped() -> None:
    telegram = _unchecked("iec-t30")
    assert str(telegram.identification) == "/LGZ52ZMD120APt.G03"
    assert texts(telegram.block, "0.0.0") == ["20000"] and texts(telegram.block, "2.8.0") == ["004329.6"]


def test_t31_both_kinds_of_history_are_told_apart() -> None:
    heard = b"".join(data for _, data in joined("iec-t31"))
    block = parse(heard.split(b"\n", 1)[1])
    assert texts(block, "1.8.1") == ["0302.8260"]
    assert (texts(block, "1.8.1*12"), texts(block, "1.8.1&12")) == (["0075.5341"], ["0000.0000"])
    assert texts(block, "1.8.1*00") == ["0000.0000", "0000.0000"]
    assert texts(block, "0.1.0&12") == ["20-12-30 16:02"]

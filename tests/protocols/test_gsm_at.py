"""What a modem says, in whatever pieces and whatever comes between, is one reply or a declared error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import BadFrame, MeterError, NotLoggedIn, Refused
from protocols.gsm import at
from protocols.gsm.at import Command, Dialogue, ModemError, Reply

PDU = "07917283010010F5040BC87238880900F10000993092516195800AE8329BFD4697D9EC37"
LIST = Command("+CMGL=4", "+CMGL:")
STATUS = "0006000B910221815716F2709021510121807090215101718000"


def heard(command: Command, data: bytes, piece: int = 1000) -> Reply | None:
    dialogue = Dialogue()
    dialogue.ask(command)
    for place in range(0, len(data), piece):
        reply = dialogue.hear(data[place : place + piece])
        if reply is not None:
            return reply
    return None


@pytest.mark.parametrize("piece", [1, 3, 64])
def test_an_answer_is_whole_however_the_line_cuts_it(piece: int) -> None:
    said = f"AT+CMGL=4\r\r\n+CMGL: 3,1,,26\r\n{PDU}\r\n+CMGL: 4,0,,26\r\n{PDU}\r\n\r\nOK\r\n".encode()
    reply = heard(LIST, said, piece)
    assert reply is not None
    assert at.stored(reply.lines) == [at.Stored(3, bytes.fromhex(PDU)), at.Stored(4, bytes.fromhex(PDU))]


def test_what_the_modem_says_by_itself_is_no_part_of_an_answer() -> None:
    dialogue = Dialogue()
    dialogue.ask(Command("+CSQ", "+CSQ:"))
    said = f'\r\n^RSSI:18\r\n\r\nRING\r\n\r\n+CMTI: "SM",3\r\n+CSQ: 21,99\r\n+CDS: 25\r\n{STATUS}\r\nOK\r\n'
    assert dialogue.hear(said.encode()) == Reply("OK", ("+CSQ: 21,99",))
    assert dialogue.unasked == ["^RSSI:18", "RING", '+CMTI: "SM",3', f"+CDS: 25 {STATUS}"]
    assert at.routed(dialogue.unasked[-1]) == bytes.fromhex(STATUS)


def test_news_between_a_heading_and_its_message_part_neither() -> None:
    reply = heard(LIST, f"+CMGL: 3,1,,26\r\n^RSSI:9\r\n{PDU}\r\nOK\r\n".encode())
    assert reply is not None
    assert [one.index for one in at.stored(reply.lines)] == [3]


@pytest.mark.parametrize("said", [b"AT+CMGS=23\r\r\n> ", b"\r\n>", b"^RSSI:3\r\n\r\n> "])
def test_a_prompt_is_an_answer(said: bytes) -> None:
    reply = heard(Command("+CMGS=23", "+CMGS:", prompt=True), said, 1)
    assert reply is not None
    assert reply.final == ">"


def test_a_late_ok_is_no_prompt() -> None:
    assert heard(Command("+CMGS=23", "+CMGS:", prompt=True), b"\r\nOK\r\n") is None


def test_the_echo_of_a_message_is_no_answer_to_it() -> None:
    dialogue = Dialogue()
    assert dialogue.give(PDU.encode()) == PDU.encode() + b"\x1a"
    assert dialogue.hear(PDU.encode() + b"\x1a\r\n+CMGS: 5\r\n\r\nOK\r\n") == Reply("OK", ("+CMGS: 5",))
    assert dialogue.unasked == []


@pytest.mark.parametrize(
    ("said", "words", "kind", "code"),
    [
        (b"+CMS ERROR: 38", "CMS error 38 \\(network out of order\\)", "CMS", 38),
        (b"+CMS ERROR: 331", "CMS error 331 \\(no network service\\)", "CMS", 331),
        (b"+CMS ERROR: 600", "CMS error 600$", "CMS", 600),
        (b"+CME ERROR: 10", "CME error 10 \\(SIM not inserted\\)", "CME", 10),
        (b"+CME ERROR: SIM failure", "CME error: SIM failure", "CME", None),
    ],
)
def test_a_refusal_has_words_and_its_number(said: bytes, words: str, kind: str, code: int | None) -> None:
    with pytest.raises(ModemError, match=words) as caught:
        heard(LIST, b"\r\n" + said + b"\r\n")
    assert (caught.value.kind, caught.value.code) == (kind, code)


@pytest.mark.parametrize("said", [b"ERROR", b"NO CARRIER", b"COMMAND NOT SUPPORT"])
def test_a_bare_refusal_is_one_too(said: bytes) -> None:
    with pytest.raises(Refused):
        heard(LIST, b"\r\n" + said + b"\r\n")


@pytest.mark.parametrize("said", at.STARTED)
def test_a_modem_that_started_anew_forgot_what_it_was_told(said: str) -> None:
    with pytest.raises(NotLoggedIn, match="started anew"):
        heard(LIST, f"\0\0\r\n{said}\r\n".encode())


def test_a_secret_does_not_stand_in_a_message() -> None:
    with pytest.raises(ModemError) as caught:
        heard(Command('+CPIN="4711"', "+CPIN:", shown="+CPIN=…"), b'AT+CPIN="4711"\r\r\n+CME ERROR: 16\r\n')
    assert "4711" not in str(caught.value)
    assert "incorrect password" in str(caught.value)


def test_a_modem_that_does_not_stop_talking_is_cut_off() -> None:
    with pytest.raises(BadFrame, match="does not stop"):
        heard(LIST, b"^RSSI:18\r\n" * 20000)


def test_hearing_without_asking_is_our_own_mistake() -> None:
    with pytest.raises(RuntimeError):
        Dialogue().hear(b"OK\r\n")


def test_states_are_read_as_the_standard_writes_them() -> None:
    assert at.registration(("+CREG: 1", "+CREG: 2,5,\"1A2B\",\"00C3\",7")) == 5  # fmt: skip
    assert at.registration(("+CREG: 1",)) is None
    assert at.signal(("+CSQ: 21,99",)) == -71
    assert at.signal(("+CSQ: 99,99",)) is None
    assert at.operator(('+COPS: 0,0,"MTS, RUS",7',)) == "MTS, RUS"
    assert at.operator(("+COPS: 0",)) is None
    assert at.sim(("+CPIN: SIM PIN",)) == "SIM PIN"
    assert at.reference(("+CMGS: 255",)) == 255
    assert at.reference(("+CMGS: 300",)) is None
    assert at.memories(('+CPMS: ("SM","ME","SR"),("SM"),("SM")',)) == ("SM", "ME", "SR")


modem_talk = st.lists(
    st.one_of(
        st.binary(max_size=20),
        st.sampled_from(
            [b"\r\n", b"OK\r\n", b"> ", b"+CMGL: 1,1,,26\r\n", PDU.encode(), b"+CREG: 1,", b"+CMS ERROR: "]
        ),
    ),
    max_size=12,
).map(b"".join)
commands = st.sampled_from([LIST, Command("+CSQ", "+CSQ:"), Command("+CMGS=1", "+CMGS:", prompt=True), Command("")])


@pytest.mark.slow
@given(commands, modem_talk)
def test_any_octets_are_a_reply_or_a_declared_error(command: Command, data: bytes) -> None:
    try:
        reply = heard(command, data)
    except MeterError:
        return
    if reply is not None:
        for one in at.stored(reply.lines):
            assert one.index >= 0


@pytest.mark.slow
@given(st.lists(st.text(max_size=30), max_size=4).map(tuple))
def test_any_lines_are_a_state_or_no_frame(lines: tuple[str, ...]) -> None:
    for read in (at.registration, at.signal, at.operator, at.sim, at.reference, at.memories, at.stored):
        try:
            read(lines)
        except BadFrame:
            continue

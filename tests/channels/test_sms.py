"""Short messages through a simulated modem, in fake time: sent once or not at all, received whole, nothing locked."""

from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from agent.channels.errors import ChannelError, Kind
from agent.channels.inbox import Received
from agent.channels.sms import Modem, Sent, same_number
from agent.config.values import ModemSettings as Settings
from agent.config.values import Secret
from agent.line.port import PortHeld
from protocols.errors import LinkLost
from protocols.session import Line
from simulators.modem import TEXT
from simulators.modem import Modem as Simulated
from simulators.short_messages import delivers
from tests.support.wire import ScriptedPort, Time

NUMBER = "+79161234567"
FORM = "230100456789#23456789#4711#815"


@dataclass
class Bench:
    """A modem of ours before a simulated one. ``opened`` counts how often the port was opened, ``closed`` likewise."""

    simulated: Simulated
    folder: Path
    pin: str | None = None
    centre: str | None = None
    opened: int = 0
    closed: int = 0

    def __post_init__(self) -> None:
        self.simulated = deepcopy(self.simulated)  # parameters of tests are used again
        self.time = Time()
        secret = Secret(self.pin) if self.pin else None
        self.modem = self.again(Settings("/dev/modem", pin=secret, centre=self.centre))

    def again(self, settings: Settings) -> Modem:
        """Our side after a restart, with the same disk."""
        return Modem(settings, self.folder, open_port=self.open, monotonic=self.time, sleep=self.time.sleep)

    def open(self, name: str, line: Line) -> ScriptedPort:
        self.opened += 1
        port = ScriptedPort(self.time, self.simulated.hear)
        port.set_line(line)
        port.close = self.close  # type: ignore[method-assign]
        return port

    def close(self) -> None:
        self.closed += 1

    def failing(self) -> ChannelError:
        with pytest.raises(ChannelError) as caught:
            self.modem.send(NUMBER, FORM)
        return caught.value


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Simulated(), tmp_path)


def test_a_message_leaves_once_and_its_reference_is_known(bench: Bench) -> None:
    assert bench.modem.send("+7 (916) 123-45-67", FORM) == Sent((1,), 1, NUMBER)
    (sent,) = bench.simulated.sent
    assert (sent.number, sent.text, sent.report, sent.coding, sent.centre) == (NUMBER, FORM, True, "gsm7", "")
    assert sent.validity == timedelta(days=1)
    assert bench.opened == bench.closed == 1


def test_cyrillic_goes_as_ucs2_in_as_many_parts_as_it_takes(bench: Bench) -> None:
    text = "Показания по лицевому счёту 230100456789: " + "Т1 4711, Т2 815. " * 5
    assert bench.modem.send("7049", text) == Sent((1, 2), 2, "7049")
    assert "".join(one.text for one in bench.simulated.sent) == text
    assert [one.part and one.part[1:] for one in bench.simulated.sent] == [(2, 1), (2, 2)]


def test_a_configured_centre_goes_with_each_message(tmp_path: Path) -> None:
    bench = Bench(Simulated(), tmp_path, centre="+79168999100")
    bench.modem.send(NUMBER, FORM)
    assert bench.simulated.sent[0].centre == "+79168999100"


@pytest.mark.parametrize(
    "simulated",
    [
        Simulated(chatter=("^RSSI:18", "RING", '+CMTI: "SM",1', "+CREG: 1")),
        Simulated(delays={TEXT: 59.0, "+CMGS": 8.0, "+CPIN": 15.0}),
        Simulated(registration=[2, 2, 2, 1]),
        Simulated(registration=[0], lte=[2, 1]),
        Simulated(registration=[6]),
        Simulated(faults={"+CPIN": ["+CME ERROR: 14", "+CME ERROR: 14"]}),
        Simulated(faults={"+CNMI": ["ERROR", "ERROR"], "+CMEE": ["ERROR"]}),
        Simulated(faults={"": ["ERROR"]}),
        Simulated(restarts=[""]),
        Simulated(restarts=["+CPIN"]),
        Simulated(restarts=["+CMGF"]),
        Simulated(routed=True),
    ],
    ids=[
        "talkative",
        "slow",
        "searching",
        "LTE only",
        "for short messages only",
        "SIM busy",
        "simple",
        "rest of a line",
        "starting",
        "restarts at the PIN",
        "restarts at the mode",
        "reports at once",
    ],
)
def test_a_modem_as_modems_are_sends_it_once(simulated: Simulated, tmp_path: Path) -> None:
    bench = Bench(simulated, tmp_path)
    assert bench.modem.send(NUMBER, FORM).parts == 1
    assert [one.text for one in bench.simulated.sent] == [FORM]
    assert bench.closed == 1


@pytest.mark.parametrize(
    ("simulated", "kind", "again"),
    [
        (Simulated(sim=""), Kind.NO_SIM, False),
        (Simulated(sim="SIM PIN"), Kind.PIN_NEEDED, False),
        (Simulated(sim="SIM PUK"), Kind.PUK_NEEDED, False),
        (Simulated(sim="PH-NET PIN"), Kind.PIN_NEEDED, False),
        (Simulated(registration=[2]), Kind.NO_NETWORK, True),
        (Simulated(registration=[3]), Kind.NO_NETWORK, True),
        (Simulated(silent={"", "E", "+CPIN"}), Kind.NO_ANSWER, True),
        (Simulated(silent={"+CPIN"}), Kind.NO_ANSWER, True),
        (Simulated(silent={"+CMGS"}), Kind.NO_ANSWER, True),
        (Simulated(restarts=["+CMGS"]), Kind.NO_ANSWER, True),
        (Simulated(faults={"+CMGS": ["ERROR"]}), Kind.REFUSED, False),
        (Simulated(faults={TEXT: ["+CMS ERROR: 38"]}), Kind.LATER, True),
        (Simulated(faults={TEXT: ["+CMS ERROR: 42"]}), Kind.LATER, True),
        (Simulated(faults={TEXT: ["+CMS ERROR: 192"]}), Kind.LATER, True),
        (Simulated(faults={TEXT: ["+CMS ERROR: 331"]}), Kind.NO_NETWORK, True),
        (Simulated(faults={TEXT: ["+CMS ERROR: 8"]}), Kind.REFUSED, False),
        (Simulated(faults={TEXT: ["+CMS ERROR: 330"]}), Kind.REFUSED, False),
        (Simulated(faults={TEXT: ["+CMS ERROR: 208"]}), Kind.REFUSED, False),
    ],
)
def test_what_keeps_a_message_from_leaving_is_said_and_nothing_left(
    simulated: Simulated, kind: Kind, again: bool, tmp_path: Path
) -> None:
    bench = Bench(simulated, tmp_path)
    trouble = bench.failing()
    assert (trouble.kind, trouble.again, trouble.unclear) == (kind, again, False)
    assert trouble.hint
    assert bench.simulated.sent == []
    assert bench.opened == bench.closed == 1


@pytest.mark.parametrize(
    ("simulated", "left"),
    [
        (Simulated(silent={TEXT}), 1),
        (Simulated(delays={TEXT: 200.0}), 1),
        (Simulated(restarts=[TEXT]), 1),
        (Simulated(restarts=[TEXT], start_line="^SYSSTART"), 1),
        (Simulated(faults={TEXT: ["+CMS ERROR: 332"]}), 0),
        (Simulated(faults={TEXT: ["+CMS ERROR: 500"]}), 0),
        (Simulated(faults={TEXT: ["+CMS ERROR: 513"]}), 0),
        (Simulated(faults={TEXT: ["+CMS ERROR: 197"]}), 0),
        (Simulated(faults={TEXT: ["ERROR"]}), 0),
    ],
)
def test_where_nobody_knows_whether_it_left_it_is_not_sent_again(
    simulated: Simulated, left: int, tmp_path: Path
) -> None:
    bench = Bench(simulated, tmp_path)
    trouble = bench.failing()
    assert trouble.unclear
    assert not trouble.again
    assert "not known whether the message left" in str(trouble)
    assert len(bench.simulated.sent) == left


def test_a_port_that_goes_away_behind_the_message_leaves_it_unclear(bench: Bench) -> None:
    def hear(data: bytes) -> list[tuple[float, bytes]]:
        if b"\x1a" in data:
            raise LinkLost("/dev/modem: gone")
        return bench.simulated.hear(data)

    def opened(name: str, line: Line) -> ScriptedPort:
        return ScriptedPort(bench.time, hear)

    modem = Modem(Settings("/dev/modem"), open_port=opened, monotonic=bench.time, sleep=bench.time.sleep)
    with pytest.raises(ChannelError) as caught:
        modem.send(NUMBER, FORM)
    assert caught.value.unclear


def test_a_number_that_was_told_before_the_line_went_is_enough(bench: Bench) -> None:
    """+CMGS: n came, the OK behind it did not: the network has the message."""
    bench.simulated.restarts = []

    def hear(data: bytes) -> list[tuple[float, bytes]]:
        return [(wait, said.replace(b"\r\nOK\r\n", b"") if b"\x1a" in data else said) for wait, said in answered(data)]

    answered = bench.simulated.hear
    modem = Modem(
        Settings("/dev/modem"),
        open_port=lambda name, line: ScriptedPort(bench.time, hear),
        monotonic=bench.time,
        sleep=bench.time.sleep,
    )
    assert modem.send(NUMBER, FORM).references == (1,)


@pytest.mark.parametrize("fault", ["+CMS ERROR: 38", "ERROR"])
def test_half_a_message_is_unclear_whatever_the_modem_says_of_the_rest(bench: Bench, fault: str) -> None:
    class SecondFails(Simulated):
        def _message(self, pdu: str) -> list[str]:
            if self.sent:
                self.faults[TEXT] = [fault]
            return super()._message(pdu)

    bench.simulated = SecondFails()
    with pytest.raises(ChannelError, match="1 of 2 parts left") as caught:
        bench.modem.send(NUMBER, "x" * 161)
    assert caught.value.unclear


def test_a_modem_that_loses_its_mind_between_two_parts_is_unclear_too(bench: Bench) -> None:
    class SecondPromptFails(Simulated):
        def _command(self, name: str, text: str) -> list[str]:
            if name == "+CMGS" and self.sent:
                return [self.start_line]
            return super()._command(name, text)

    bench.simulated = SecondPromptFails()
    with pytest.raises(ChannelError, match="1 of 2 parts left") as caught:
        bench.modem.send(NUMBER, "x" * 161)
    assert caught.value.unclear


@pytest.mark.parametrize(("number", "text"), [("energo", "x"), ("+7916", ""), ("7049", "я" * 20000)])
def test_what_cannot_be_sent_does_not_reach_the_modem(bench: Bench, number: str, text: str) -> None:
    with pytest.raises(ChannelError) as caught:
        bench.modem.send(number, text)
    assert caught.value.kind is Kind.REFUSED
    assert bench.opened == 0


@pytest.mark.parametrize("trouble", [LinkLost("/dev/modem: no such port"), PortHeld("/dev/modem: another program")])
def test_a_port_that_cannot_be_opened_may_be_tried_again(trouble: LinkLost) -> None:
    def opened(name: str, line: Line) -> ScriptedPort:
        raise trouble

    with pytest.raises(ChannelError, match="/dev/modem") as caught:
        Modem(Settings("/dev/modem"), open_port=opened).send(NUMBER, FORM)
    assert caught.value.kind is Kind.PORT
    assert caught.value.again


# The PIN


def test_the_right_pin_is_entered_once_at_each_start_of_the_modem(tmp_path: Path) -> None:
    bench = Bench(Simulated(sim="SIM PIN"), tmp_path, pin="1234")
    for _ in range(3):
        bench.modem.send(NUMBER, FORM)
        bench.simulated.sim = "SIM PIN"  # the modem lost its power
    assert len(bench.simulated.sent) == 3
    assert bench.simulated.tries == 3
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_pin_is_tried_once_over_all_restarts(tmp_path: Path) -> None:
    bench = Bench(Simulated(sim="SIM PIN"), tmp_path, pin="9999")
    assert bench.failing().kind is Kind.WRONG_PIN
    for _ in range(3):
        bench.modem = bench.again(Settings("/dev/modem", pin=Secret("9999")))
        assert bench.failing().kind is Kind.WRONG_PIN
    assert bench.simulated.tries == 2
    assert bench.simulated.heard.count("+CPIN") == 5  # four looks and one try


def test_the_third_try_is_left_to_a_person(tmp_path: Path) -> None:
    bench = Bench(Simulated(sim="SIM PIN"), tmp_path)
    for pin in ("9999", "8888", "7777", "1234"):
        bench.modem = bench.again(Settings("/dev/modem", pin=Secret(pin)))
        assert bench.failing().kind is Kind.WRONG_PIN
    assert bench.simulated.tries == 1


def test_a_pin_whose_fate_is_unknown_is_not_tried_again(tmp_path: Path) -> None:
    """The answer was lost, or the power went between question and answer: the SIM may have counted it."""
    bench = Bench(Simulated(sim="SIM PIN", pin="1234"), tmp_path, pin="9999")
    simulated = bench.simulated

    class Mute(Simulated):
        def hear(self, data: bytes) -> list[tuple[float, bytes]]:
            answer = simulated.hear(data)
            return [] if b"+CPIN=" in data else answer

    bench.simulated = Mute()
    assert "not known whether the SIM took the PIN" in str(bench.failing())
    bench.simulated = simulated
    assert bench.failing().kind is Kind.WRONG_PIN
    assert simulated.tries == 2


def test_a_sim_that_a_person_opened_clears_what_was_tried(tmp_path: Path) -> None:
    bench = Bench(Simulated(sim="SIM PIN"), tmp_path, pin="9999")
    bench.failing()
    bench.simulated.sim = "READY"  # its question was switched off with a phone
    bench.modem.send(NUMBER, FORM)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b'00000000 {"salt":"x","tried":[]}'])
def test_a_damaged_note_forbids_every_try(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "modem-pin").write_bytes(content)
    bench = Bench(Simulated(sim="SIM PIN"), tmp_path, pin="1234")
    assert bench.failing().kind is Kind.WRONG_PIN
    assert bench.simulated.tries == 3


def test_a_try_that_cannot_be_noted_is_not_made(tmp_path: Path) -> None:
    bench = Bench(Simulated(sim="SIM PIN"), tmp_path / "gone", pin="9999")
    assert "cannot be noted" in str(bench.failing())
    assert bench.simulated.tries == 3


@pytest.mark.parametrize("pin", ["12", '1"\rAT', "123456789", "١٢٣٤"])
def test_what_is_no_pin_is_never_entered(tmp_path: Path, pin: str) -> None:
    bench = Bench(Simulated(sim="SIM PIN"), tmp_path, pin=pin)
    assert bench.failing().kind is Kind.PIN_NEEDED
    assert bench.simulated.tries == 3


def test_a_note_shows_no_pin_and_is_nobody_elses(tmp_path: Path) -> None:
    pin = "90817263"  # eight digits: four of them stand in the note's random hex digits once in a thousand runs
    bench = Bench(Simulated(sim="SIM PIN"), tmp_path, pin=pin)
    assert pin not in str(bench.failing())
    note = tmp_path / "modem-pin"
    assert pin.encode() not in note.read_bytes()
    assert note.stat().st_mode & 0o777 == 0o600


# What comes in


def test_a_confirming_message_is_read_and_stays_until_it_was_handed_on(bench: Bench) -> None:
    bench.simulated.receive("NESK", "Показания приняты: Т1 4711, Т2 815")
    (received,) = bench.modem.incoming()
    assert (received.sender, received.text, received.at) == (
        "NESK",
        "Показания приняты: Т1 4711, Т2 815",
        bench.simulated.now,
    )
    assert bench.modem.incoming() == [received]
    bench.modem.forget([received])
    assert bench.modem.incoming() == []
    assert bench.simulated.stored["SM"] == {}


def test_messages_of_all_memories_come_oldest_first_and_are_deleted_where_they_lie(bench: Bench) -> None:
    bench.simulated.receive("7049", "second", "ME")
    bench.simulated.now -= timedelta(hours=1)
    bench.simulated.receive("7049", "first", "SM")
    received = bench.modem.incoming()
    assert [one.text for one in received] == ["first", "second"]
    bench.modem.forget(received[1:])
    assert [one.text for one in bench.modem.incoming()] == ["first"]


def test_a_long_message_comes_in_one_piece_whatever_the_order_of_its_parts(bench: Bench) -> None:
    parts = delivers("7049", "принято " * 20, bench.simulated.now, 9)
    assert len(parts) == 3
    for part in (parts[2], parts[0]):
        bench.simulated.store(part)
    assert bench.modem.incoming() == []
    bench.simulated.store(parts[1])
    (received,) = bench.modem.incoming()
    assert received.text == "принято " * 20
    assert len(received.places) == 3


def test_a_part_that_never_comes_does_not_hold_the_rest_for_ever(bench: Bench) -> None:
    first, _, last = delivers("7049", "a" * 170, bench.simulated.now, 9, 60)
    bench.simulated.store(first)
    bench.simulated.store(last)
    assert bench.modem.incoming() == []
    bench.time.sleep(3600)
    assert [one.text for one in bench.modem.incoming()] == ["a" * 60 + "…" + "a" * 50]


def test_a_place_that_holds_another_message_by_now_is_left_alone(bench: Bench) -> None:
    bench.simulated.receive("7049", "old")
    received = bench.modem.incoming()
    bench.simulated.stored["SM"].clear()
    bench.simulated.receive("7049", "new")
    bench.modem.forget(received)
    assert [one.text for one in bench.modem.incoming()] == ["new"]


def test_what_cannot_be_read_is_left_where_it_is(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.simulated.store(b"\x00\x04\x05")
    bench.simulated.receive("7049", "sound")
    assert [one.text for one in bench.modem.incoming()] == ["sound"]
    assert "message 1 of SM is left alone" in caplog.text
    assert len(bench.simulated.stored["SM"]) == 2


@pytest.mark.parametrize(("status", "state"), [(0, "delivered"), (0x20, "waiting"), (0x41, "failed")])
@pytest.mark.parametrize("routed", [False, True])
def test_a_delivery_report_says_what_became_of_a_message(tmp_path: Path, status: int, state: str, routed: bool) -> None:
    bench = Bench(Simulated(status=status, routed=routed), tmp_path)
    sent = bench.modem.send(NUMBER, FORM)
    (report,) = bench.modem.reports()
    assert (report.reference, report.recipient, report.state) == (sent.references[0], NUMBER, state)
    bench.modem.forget([report])
    assert bench.modem.reports() == []
    assert not bench.simulated.stored.get("SR")


def test_a_modem_with_one_nameless_memory_is_read_too(bench: Bench) -> None:
    bench.simulated.memories = ()
    bench.simulated.receive("7049", "there")
    assert [one.text for one in bench.modem.incoming()] == ["there"]


def test_incoming_messages_need_no_network(bench: Bench) -> None:
    bench.simulated.registration = [2]
    bench.simulated.receive("7049", "there")
    assert len(bench.modem.incoming()) == 1


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("+79161234567", "8 (916) 123-45-67", True),
        ("+79161234567", "+79161234568", False),
        ("7049", "7049", True),
        ("7049", "17049", False),
        ("NESK", "nesk", True),
        ("NESK", "NESKO", False),
        ("NESK7049", "7049", False),
    ],
)
def test_a_sender_is_known_however_the_number_is_written(one: str, other: str, same: bool) -> None:
    assert same_number(one, other) is same


# An examination of it


def test_a_probe_shows_what_a_technician_wants_to_know(bench: Bench) -> None:
    state = bench.modem.probe()
    assert (state.model, state.sim, state.network) == ("Simulated M1", "ready", "home")
    assert (state.operator, state.signal, state.trouble) == ("MTS RUS", -71, None)
    assert bench.simulated.sent == []


@pytest.mark.parametrize(
    ("simulated", "sim", "network", "kind"),
    [
        (Simulated(sim=""), "no-sim", None, Kind.NO_SIM),
        (Simulated(sim="SIM PIN"), "pin-needed", None, Kind.PIN_NEEDED),
        (Simulated(sim="SIM PUK"), "puk-needed", None, Kind.PUK_NEEDED),
        (Simulated(registration=[2], rssi=99), "ready", "searching", Kind.NO_NETWORK),
        (Simulated(registration=[3]), "ready", "denied", Kind.NO_NETWORK),
    ],
)
def test_a_probe_shows_what_is_missing(
    simulated: Simulated, sim: str, network: str | None, kind: Kind, tmp_path: Path
) -> None:
    state = Bench(simulated, tmp_path).modem.probe()
    assert (state.sim, state.network) == (sim, network)
    assert state.trouble is not None
    assert state.trouble.kind is kind


def test_what_has_no_place_in_the_modem_is_not_looked_for_there(bench: Bench) -> None:
    bench.modem.forget([Received("7049", "never seen", None)])
    assert bench.opened == 0

"""The channels with a simulated modem and a fake server behind them, and the utility's confirming message."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agent.channels.mail import stable_id
from agent.channels.sms import Modem
from agent.config.values import MailSettings
from agent.config.values import ModemSettings as Settings
from agent.statement import log as logs
from agent.statement.outbound import MailChannel, SmsChannel, StatementMessage, channels
from protocols.session import Line
from simulators.modem import Modem as Simulated
from simulators.short_messages import status_report
from tests.channels.post import Post, serving
from tests.statement.plant import Site, meter, reading, utc, with_sms
from tests.support.wire import ScriptedPort, Time

SNAPSHOT = reading(utc("2026-10-15 00:00+03:00"), "day", T1=2_000_100, T2=1_000_050)

LEFT_AT = utc("2026-10-20 00:00+03:00")  # a day before the window closes


def modem(folder: Path, simulated: Simulated) -> Modem:
    time = Time()

    def open_port(name: str, line: Line) -> ScriptedPort:
        port = ScriptedPort(time, simulated.hear)
        port.set_line(line)
        return port

    return Modem(Settings("/dev/modem"), folder, open_port=open_port, monotonic=time, sleep=time.sleep)


def month_without_mqtt(
    tmp_path: Path, answer: str | None = None, simulated: Simulated | None = None, **more: str
) -> tuple[Site, Simulated]:
    simulated = simulated or Simulated(now=LEFT_AT)
    one = Site(tmp_path, [meter()], now="2026-10-14 12:00", profiles=with_sms(answer=answer, **more), ways=("sms",))
    one.put(SNAPSHOT)
    one.ways["sms"] = SmsChannel(modem(tmp_path, simulated))  # type: ignore[assignment]
    one.workflow.channels = one.ways
    one.run("2026-10-20 00:30+03:00")
    return one, simulated


@pytest.mark.slow
def test_the_fall_back_leaves_through_a_modem_with_its_reference_in_the_log(tmp_path: Path) -> None:
    one, simulated = month_without_mqtt(tmp_path)
    (sent,) = simulated.sent
    assert (sent.number, sent.text) == ("+79990000001", "230100456789#23456789#2000#1000")
    (left,) = one.log().happened("left")
    assert left.reference == "1"


@pytest.mark.slow
def test_a_modem_without_a_sim_is_told_with_what_to_do_and_nothing_is_lost(tmp_path: Path) -> None:
    simulated = Simulated(sim="")
    one = Site(tmp_path, [meter()], now="2026-10-14 12:00", profiles=with_sms(), ways=("sms",))
    one.put(SNAPSHOT)
    one.ways["sms"] = SmsChannel(modem(tmp_path, simulated))  # type: ignore[assignment]
    one.workflow.channels = one.ways
    one.run("2026-10-20 00:30+03:00")
    assert one.log().happened("left") == []
    assert "SIM" in one.log().happened("failed")[0].reason


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sender", "text", "is_taken"),
    [
        ("+79990000001", "Показания по 230100456789 приняты", True),
        ("+79990000001", "Показания по 230100456780 приняты", False),  # another account's
        ("+79995550000", "Показания по 230100456789 приняты", False),  # another sender's
        ("+79990000001", "Баланс 12 руб.", False),
    ],
)
def test_the_utilitys_confirming_message_accepts_the_statement(
    tmp_path: Path, sender: str, text: str, is_taken: bool
) -> None:
    one, simulated = month_without_mqtt(tmp_path, answer="Показания по ACCOUNT приняты")
    simulated.receive(sender, text)
    one.run("2026-10-20 02:00+03:00")
    assert one.log().state == ("accepted" if is_taken else "sent")
    if is_taken:
        step = one.log().steps[-1]
        assert (step.what, step.by, step.channel, step.reason) == ("answered", "utility", "sms", text)


@pytest.mark.slow
def test_a_confirming_message_may_come_from_a_name(tmp_path: Path) -> None:
    one, simulated = month_without_mqtt(tmp_path, answer="приняты", answer_from="TNS-energo")
    simulated.receive("TNS-energo", "Показания приняты")
    one.run("2026-10-20 02:00+03:00")
    assert one.log().state == "accepted"


@pytest.mark.slow
def test_a_delivery_report_is_noted_once_and_taken_out_of_the_modem(tmp_path: Path) -> None:
    one, simulated = month_without_mqtt(tmp_path, simulated=Simulated(now=LEFT_AT, status=None))
    assert one.log().happened("delivered") == []
    simulated.store(status_report(1, "+79990000001", LEFT_AT, LEFT_AT, 0), "SR")
    one.run("2026-10-20 02:00+03:00")
    (told,) = one.log().happened("delivered")
    assert (told.state, told.by, told.channel, told.reference) == ("sent", "network", "sms", "1")
    assert simulated.stored["SR"] == {}
    asked = len(simulated.heard)
    one.run("2026-10-20 12:00+03:00")
    assert len(simulated.heard) == asked  # nothing is waited for any more: the modem has its rest
    assert one.events() == []


@pytest.mark.slow
def test_a_message_that_the_network_could_not_deliver_is_told_and_not_repeated(tmp_path: Path) -> None:
    one, simulated = month_without_mqtt(tmp_path, simulated=Simulated(now=LEFT_AT, status=0x41))
    one.run("2026-10-21 02:00+03:00")
    (told,) = one.log().happened("undelivered")
    assert "status 65" in told.reason and "send --again" in told.reason
    assert len(simulated.sent) == 1
    assert one.events() == ["statement-held", "statement-missed"]
    assert one.log().happened("missed")[0].reason.endswith(told.reason)
    assert logs.handed_over(one.log()) is None


@pytest.mark.slow
def test_a_report_that_comes_after_a_second_message_is_about_the_first(tmp_path: Path) -> None:
    one, simulated = month_without_mqtt(tmp_path, simulated=Simulated(now=LEFT_AT, status=0x41))
    one.run("2026-10-20 02:00+03:00")
    simulated.status, simulated.now = 0, one.clock.now
    one.ask("send", channel="sms", again=True)
    one.run("2026-10-20 04:00+03:00")
    assert [step.reference for step in one.log().happened("undelivered", "delivered")] == ["1", "2"]
    assert logs.arrived(one.log())


@pytest.mark.slow
def test_reports_that_nobody_waits_for_do_not_pile_up(tmp_path: Path) -> None:
    one, simulated = month_without_mqtt(tmp_path, simulated=Simulated(now=LEFT_AT, status=None))
    old = status_report(1, "+79990000001", LEFT_AT - timedelta(days=30), LEFT_AT, 0)  # the references came round
    fresh = status_report(78, "+79161234567", LEFT_AT, LEFT_AT, 0)  # of a test that still waits for it
    for pdu in (old, fresh, status_report(1, "+79990000001", LEFT_AT, LEFT_AT, 0x20)):
        simulated.store(pdu, "SR")
    one.run("2026-10-20 00:45+03:00")
    assert list(simulated.stored["SR"].values()) == [fresh]
    one.run("2026-10-20 02:00+03:00")
    assert simulated.stored["SR"] == {}
    assert one.log().happened("delivered") == []


@pytest.mark.slow
def test_what_strangers_send_is_deleted_and_their_number_and_words_stay_out_of_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    one, simulated = month_without_mqtt(tmp_path, answer="ACCOUNT приняты")
    simulated.receive("+79161234567", "мой код 4711")
    simulated.receive("MTS", "Скидки " * 40)
    one.run("2026-10-20 00:45+03:00")
    assert len(simulated.stored["SM"]) == 5, "an hour is theirs"
    simulated.now = one.clock.now + timedelta(minutes=60)
    fresh = simulated.receive("+79161234567", "ещё один")
    one.run("2026-10-20 01:30+03:00")
    assert list(simulated.stored["SM"]) == fresh
    assert one.log().state == "sent"
    assert "a message from +791…67 of 2026-10-19" in caplog.text and "from MTS of" in caplog.text
    assert "+79161234567" not in caplog.text and "4711" not in caplog.text and "Скидки" not in caplog.text


@pytest.mark.slow
def test_a_full_sim_has_space_again_for_the_confirming_message(tmp_path: Path) -> None:
    one, simulated = month_without_mqtt(tmp_path, answer="ACCOUNT приняты")
    for number in range(20):
        simulated.receive(f"+7916123450{number % 10}", "реклама")
    one.run("2026-10-20 02:00+03:00")
    assert simulated.stored["SM"] == {}
    simulated.receive("+79990000001", "230100456789 приняты")
    one.run("2026-10-20 03:00+03:00")
    assert one.log().state == "accepted"


@pytest.mark.slow
def test_a_message_of_the_utility_that_is_no_answer_stays_two_days_and_is_told_with_its_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, simulated = month_without_mqtt(tmp_path, answer="ACCOUNT приняты")
    simulated.receive("+79990000001", "Показания отклонены")
    one.run("2026-10-21 23:30+03:00", timedelta(hours=3))
    assert len(simulated.stored["SM"]) == 1
    one.run("2026-10-24", timedelta(hours=3))
    assert simulated.stored["SM"] == {}
    assert "Показания отклонены" in caplog.text


@pytest.mark.slow
def test_the_modem_is_tidied_once_a_day_when_nothing_is_waited_for(tmp_path: Path) -> None:
    simulated = Simulated(now=utc("2026-10-02 00:00"))
    one = Site(tmp_path, [meter()], now="2026-10-02 12:00", profiles=with_sms(), ways=("sms",))
    one.ways["sms"] = SmsChannel(modem(tmp_path, simulated))  # type: ignore[assignment]
    one.workflow.channels = one.ways
    one.workflow.tick()
    for day in range(2, 8):
        simulated.receive("+79161234567", "реклама")
        one.run(f"2026-10-0{day + 1} 13:00", timedelta(minutes=10))
        assert simulated.stored["SM"] == {}
    assert simulated.heard.count("+CPIN") <= 2 * 7, "a look and a deletion a day"


@pytest.mark.slow
def test_report_and_confirming_message_of_one_look_are_both_noted(tmp_path: Path) -> None:
    silent = Simulated(now=LEFT_AT, status=None)
    one, simulated = month_without_mqtt(tmp_path, answer="ACCOUNT приняты", simulated=silent)
    simulated.store(status_report(1, "+79990000001", LEFT_AT, LEFT_AT, 0), "SR")
    simulated.receive("8 999 000-00-01", "Показания 230100456789 приняты")
    one.run("2026-10-20 01:00+03:00")
    assert [step.what for step in one.log().steps[-2:]] == ["answered", "delivered"]
    assert one.log().state == "accepted"
    assert simulated.stored == {"SM": {}, "SR": {}}


def test_an_email_has_an_id_by_which_a_double_is_known() -> None:
    post = Post()
    smtp = serving(post, None, login=False)
    smtp.start()
    server = MailSettings("127.0.0.1", "gw@example.org", smtp.port, "none")
    letter = StatementMessage("mail", "a@b", "230100456789 2000", "Показания", "statement.gw-1.flat-12.2026-10.1")
    try:
        assert MailChannel(server).send(letter) == stable_id(server, letter.id)
    finally:
        smtp.stop()
    (email,) = post.letters
    assert (email["To"], email["Subject"], email["Message-ID"]) == ("a@b", "Показания", stable_id(server, letter.id))
    assert email.get_content().strip() == letter.text


def test_the_gateways_ways_are_those_that_it_is_configured_with(tmp_path: Path) -> None:
    one = Site(tmp_path)
    assert set(channels(one.config)) == set()
    both = replace(one.config, modem=Settings("/dev/modem"), mail=MailSettings("mail.example.org", "gw@example.org"))
    assert set(channels(both)) == {"sms", "mail"}

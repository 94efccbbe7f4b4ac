"""A statement's life in fake time: months without MQTT, refusals, power cuts between any two steps."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from agent.channels.errors import ChannelError, Kind
from agent.statement import log as logs
from agent.statement.actions import NotNow
from tests.statement.plant import SHIPPED, Killed, Site, meter, reading, utc, with_sms
from tests.support.present import present

SNAPSHOT = reading(utc("2026-10-15 00:00+03:00"), "day", T1=2_000_100, T2=1_000_050)
TEXT = "230100456789#23456789#2000#1000"
HOURS = timedelta(hours=3)


def site(tmp_path: Path, **more: float) -> Site:
    """Mosenergosbyt, 15th to 20th in Moscow, with an SMS number; the meter's snapshot of the 15th is there."""
    made = Site(tmp_path, [meter()], now="2026-10-14 12:00", profiles=with_sms(), ways=("sms",), **more)
    made.put(SNAPSHOT)
    return made


def whats(site: Site, month: str = "2026-10") -> list[str]:
    return [step.what for step in site.log(month).steps]


def test_a_statement_leaves_on_the_first_day_of_its_window_and_is_accepted_by_the_receipt(tmp_path: Path) -> None:
    one = site(tmp_path)
    one.at("2026-10-14 23:59+03:00")
    assert one.log().steps == ()
    one.at("2026-10-15 00:15+03:00")
    (record,) = one.statements()
    assert (record.point, record.meter, record.at) == ("flat-12", "23456789", utc("2026-10-15 00:15+03:00"))
    assert record.statement is not None
    assert record.statement["figures"] == {"T1": 2000, "T2": 1000}
    assert one.log().state == "sent"
    one.intake()
    one.at("2026-10-15 00:16+03:00")
    assert one.log().state == "accepted"
    assert whats(one) == ["opened", "made", "queued", "accepted"]
    one.run("2026-11-14 12:00", timedelta(hours=6))
    assert one.ways["sms"].carried == []
    assert len(one.statements()) == 1
    assert one.events() == []


@pytest.mark.slow
def test_in_a_month_without_mqtt_the_sms_goes_once_a_day_before_the_window_closes(tmp_path: Path) -> None:
    one = site(tmp_path)
    one.run("2026-10-19 23:59+03:00", HOURS)
    assert one.ways["sms"].carried == []
    one.run("2026-11-14 12:00", HOURS)
    (message,) = one.ways["sms"].carried
    assert (message.to, message.text) == ("+79990000001", TEXT)
    left = one.log().happened("left")
    assert utc("2026-10-20 00:00+03:00") <= left[0].at < utc("2026-10-20 06:00+03:00")
    assert one.log().state == "sent"
    assert one.events() == []


def test_the_same_month_with_a_restart_at_every_look(tmp_path: Path) -> None:
    one = site(tmp_path)
    while one.clock.now < utc("2026-10-25"):
        one.clock.now += HOURS
        one.restart().tick()
    assert [message.text for message in one.ways["sms"].carried] == [TEXT]
    assert len(one.statements()) == 1


@pytest.mark.parametrize("effect", range(18))
def test_the_same_month_with_the_power_cut_at_any_step_sends_no_sms_twice(tmp_path: Path, effect: int) -> None:
    """Killed at the effect of this number (each write, record and sending counts twice: before it and after it)."""
    one = site(tmp_path)
    count, where = 0, []

    def die(place: str) -> None:
        nonlocal count
        count += 1
        if count == effect + 1:
            where.append(place)
            raise Killed

    one.die = die
    while one.clock.now < utc("2026-10-22"):
        one.clock.now += 2 * HOURS
        try:
            one.workflow.tick()
        except Killed:
            one.restart()
    assert where or effect > 15
    carried = len(one.ways["sms"].carried)
    assert len(one.statements()) == 1
    if "unclear" in whats(one):  # the cut came while the message was leaving: an operator has to ask the utility
        assert carried <= 1
        assert one.events()[0] == "statement-held"
    else:
        assert carried == 1
        assert one.events() == []


@pytest.mark.slow
def test_only_a_cut_around_the_sending_itself_leaves_a_doubt(tmp_path: Path) -> None:
    """Of all the places where the power may be cut, no more than these are unclear afterwards."""
    doubts = []
    for effect in range(18):
        folder = tmp_path / str(effect)
        one = Site(folder, [meter()], now="2026-10-14 12:00", profiles=with_sms(), ways=("sms",))
        one.put(SNAPSHOT)
        seen: list[str] = []

        def die(place: str, seen: list[str] = seen, effect: int = effect) -> None:
            seen.append(place)
            if len(seen) == effect + 1:
                raise Killed

        one.die = die
        while one.clock.now < utc("2026-10-21"):
            one.clock.now += timedelta(hours=12)
            try:
                one.workflow.tick()
            except Killed:
                doubts.append(seen[-1])
                one.restart()
        if "unclear" not in whats(one) and len(seen) > effect:
            doubts.pop()
        one.store.close()
    assert doubts == ["after a write", "before sending", "after sending", "before a write"]


def test_a_receipt_after_the_sms_is_noted_and_nothing_else(tmp_path: Path) -> None:
    one = site(tmp_path)
    one.run("2026-10-20 12:00+03:00", HOURS)
    one.intake()
    one.run("2026-10-25", HOURS)
    assert one.log().state == "accepted"
    assert one.log().steps[-1].reason == "the receipt came after the figures had left another way"
    assert len(one.ways["sms"].carried) == 1


def test_a_receipt_in_time_keeps_the_sms_back(tmp_path: Path) -> None:
    one = site(tmp_path)
    one.at("2026-10-15 06:00+03:00")
    one.intake()
    one.run("2026-10-25", HOURS)
    assert one.ways["sms"].carried == []


def test_a_refused_statement_waits_for_a_person_and_its_correction_replaces_it(tmp_path: Path) -> None:
    one = site(tmp_path)
    one.at("2026-10-15 06:00+03:00")
    one.intake("false-readings", "ложные показания")
    one.at("2026-10-15 06:01+03:00")
    assert one.log().state == "refused"
    assert one.log().steps[-1].reason == "false-readings: ложные показания"
    assert one.events() == ["statement-held"]
    one.run("2026-10-16 06:00+03:00", HOURS)
    with pytest.raises(NotNow, match="no reading is newer"):
        one.ask("check", correct=True)
    one.put(reading(one.clock.now, T1=2_010_000, T2=1_005_000))
    done = one.ask("check", correct=True)
    assert (done["state"], done["figures"]) == ("sent", {"T1": 2010, "T2": 1005})
    first, second = one.statements()
    assert second.replaces == first.seq
    assert second.statement is not None
    assert second.statement["attempt"] == 2
    one.intake()
    one.at("2026-10-16 07:00+03:00")
    assert one.log().state == "accepted"
    assert whats(one) == ["opened", "made", "queued", "refused", "made", "queued", "accepted"]
    assert [step.by for step in one.log().steps][3:5] == ["intake", "ivanov"]
    one.run("2026-10-25", HOURS)
    assert one.ways["sms"].carried == []


def test_refused_figures_never_leave_by_sms_and_the_window_is_missed(tmp_path: Path) -> None:
    one = site(tmp_path)
    one.at("2026-10-15 06:00+03:00")
    one.intake("false-readings", "ложные показания")
    one.run("2026-10-25", HOURS)
    assert one.ways["sms"].carried == []
    assert one.events() == ["statement-held", "statement-missed"]


def test_a_refused_record_that_is_sent_again_may_be_accepted(tmp_path: Path) -> None:
    one = site(tmp_path)
    one.at("2026-10-15 06:00+03:00")
    one.intake("unknown-point", "no such point")
    one.at("2026-10-15 07:00+03:00")
    assert one.ask("send", again=True)["state"] == "sent"
    assert len(one.statements()) == 1
    one.intake()
    assert one.at("2026-10-15 08:00+03:00").log().state == "accepted"


def suspect(tmp_path: Path, **more: Any) -> Site:
    """Its meter ran backwards since September."""
    one = Site(tmp_path, [meter()], now="2026-09-14 12:00", profiles=with_sms(), ways=("sms",), **more)
    one.put(reading(utc("2026-09-15 00:00+03:00"), "day", T1=3_000_000, T2=1_000_000))
    one.at("2026-09-15 00:15+03:00")
    one.intake()
    one.at("2026-09-15 00:20+03:00")
    one.put(SNAPSHOT)
    return one


def test_what_is_suspect_is_held_with_its_reasons_and_leaves_by_no_way(tmp_path: Path) -> None:
    one = suspect(tmp_path)
    one.at("2026-10-15 00:15+03:00")
    assert one.log().state == "held"
    assert "ran back from 3000 to 2000.1 kWh" in one.log().steps[-1].reason
    assert one.events() == ["statement-held"]
    one.run("2026-10-25", HOURS)
    assert len(one.statements()) == 1  # September's
    assert one.ways["sms"].carried == []
    assert one.events() == ["statement-held", "statement-missed"]
    assert whats(one) == ["opened", "made", "held", "missed"]


def test_a_person_confirms_what_is_held_and_says_who_and_why(tmp_path: Path) -> None:
    one = suspect(tmp_path)
    one.at("2026-10-15 00:15+03:00")
    done = one.ask("confirm", why="the meter was reset, act of 3 October")
    assert done["state"] == "sent"
    confirmed = one.log().happened("confirmed")[0]
    assert (confirmed.by, confirmed.reason) == ("ivanov", "the meter was reset, act of 3 October")
    assert len(one.statements()) == 2


def test_a_utility_that_wants_a_person_gets_one_every_month(tmp_path: Path) -> None:
    one = Site(tmp_path, [meter(utility="nesk-krasnodar")], now="2026-09-30 12:00")
    one.put(reading(utc("2026-10-01 00:00+03:00"), "month", T1=2_000_100, T2=1_000_050))
    one.at("2026-10-01 00:20+03:00")
    assert one.log().state == "held"
    assert one.log().steps[-1].reason == "the utility wants an operator to confirm the figures"
    assert one.statements() == []
    assert one.ask("confirm")["state"] == "sent"
    assert one.statements()[0].statement["source"] == "month"  # type: ignore[index]


def test_what_a_person_holds_waits_and_leaves_when_somebody_confirms(tmp_path: Path) -> None:
    one = site(tmp_path)
    one.clock.now = utc("2026-10-15 00:05+03:00")
    assert one.ask("hold", why="the meter is changed tomorrow")["state"] == "held"
    one.run("2026-10-16 12:00", HOURS)
    assert one.statements() == []
    assert one.log().state == "held"
    assert "the meter is changed tomorrow" in one.log().steps[-1].reason
    assert one.ask("confirm")["state"] == "sent"


@pytest.mark.slow
def test_a_channel_that_fails_for_sure_is_tried_again_later_and_the_next_one_takes_over(tmp_path: Path) -> None:
    profiles = with_sms()
    base = SHIPPED["tns-energo"].mail
    assert base is not None
    own = replace(profiles["mosenergosbyt"], mail=replace(base, to="a@b"), fallback=("sms", "mail"))
    one = Site(tmp_path, [meter()], now="2026-10-14 12:00", profiles={**profiles, own.name: own}, ways=("sms", "mail"))
    one.put(SNAPSHOT)
    one.ways["sms"].troubles = [ChannelError("no network", Kind.NO_NETWORK)] * 2
    one.ways["mail"].troubles = [ChannelError("no route", Kind.UNREACHABLE)] * 1
    one.run("2026-10-25", timedelta(minutes=10))
    failed = one.log().happened("failed")
    assert [step.channel for step in failed] == ["sms", "mail", "sms"]
    assert failed[2].at - failed[0].at >= timedelta(minutes=15)
    assert "antenna" in failed[0].reason  # what to do about it
    assert len(one.ways["sms"].carried) + len(one.ways["mail"].carried) == 1
    assert one.ways["mail"].carried[0].subject == "Показания"


def test_a_message_that_may_have_left_is_never_repeated_by_the_program(tmp_path: Path) -> None:
    one = site(tmp_path)
    one.ways["sms"].troubles = [ChannelError("no answer to the message", Kind.UNCLEAR)]
    one.run("2026-10-25", HOURS)
    assert one.ways["sms"].carried == []
    assert whats(one) == ["opened", "made", "queued", "leaving", "unclear", "missed"]
    assert one.events() == ["statement-held", "statement-missed"]


@pytest.mark.slow
def test_pauses_between_tries_grow_and_the_log_stays_short(tmp_path: Path) -> None:
    one = site(tmp_path, fallback_before=5 * 86400.0)
    one.ways["sms"].troubles = [ChannelError("no SIM", Kind.NO_SIM)] * 10_000
    one.run("2026-10-25", timedelta(minutes=15))
    failed = [step.at for step in one.log().happened("failed")]
    gaps = [later - earlier for earlier, later in pairwise(failed)]
    assert gaps[0] == timedelta(minutes=15)
    assert max(gaps) <= timedelta(hours=2)
    assert len(failed) < 70
    assert "sms: no SIM; put the SIM card in" in one.log().steps[-1].reason
    assert one.events() == ["statement-missed"]


def test_a_window_without_a_reading_is_missed_with_an_event_once(tmp_path: Path) -> None:
    one = Site(tmp_path, [meter()], now="2026-10-14 12:00", profiles=with_sms(), ways=("sms",))
    one.run("2026-10-30", HOURS)
    assert one.events() == ["statement-missed"]
    assert one.log().steps[-1].reason == (
        "the window has closed; the statement is due; no reading with all tariffs since 2026-10-12 00:00: "
        "read the meter, or type one in"
    )


def test_a_gateway_that_was_off_all_window_long_says_that_it_was_missed(tmp_path: Path) -> None:
    one = site(tmp_path)
    one.at("2026-09-25")
    one.restart()
    one.at("2026-10-25")
    assert one.events() == ["statement-missed"]


def test_a_gateway_that_was_installed_after_the_window_has_missed_nothing(tmp_path: Path) -> None:
    one = Site(tmp_path, [meter()], now="2026-10-25 12:00")
    one.run("2026-11-10", timedelta(hours=12))
    assert one.events() == []
    assert one.log().steps == ()


def test_nothing_happens_while_nobody_knows_the_time(tmp_path: Path) -> None:
    one = site(tmp_path)
    one.clock.state = "unset"
    one.at("2026-10-16")
    assert (one.log().steps, one.statements()) == ((), [])


def test_a_damaged_log_is_held_for_it_is_not_known_what_left(tmp_path: Path) -> None:
    one = site(tmp_path)
    one.at("2026-10-15 00:15+03:00")
    note = one.store.noted("statement:flat-12:2026-10")
    assert note is not None
    one.store.note("statement:flat-12:2026-10", note.replace("queued", "quewed"))
    one.restart()
    one.run("2026-10-19", HOURS)
    assert (one.log().state, len(one.statements())) == ("held", 1)
    assert "whether figures left is not known" in one.log().steps[0].reason
    assert one.ask("confirm")["state"] == "sent"


def test_an_event_that_a_power_cut_swallowed_is_raised_after_the_start_and_only_once(tmp_path: Path) -> None:
    one = suspect(tmp_path)

    def die(place: str) -> None:
        if place == "before a record":
            raise Killed

    one.die = die
    with pytest.raises(Killed):
        one.at("2026-10-15 00:15+03:00")
    assert (one.log().state, one.events()) == ("held", [])
    one.die = lambda place: None
    for _ in range(3):
        one.restart().tick()
    assert one.events() == ["statement-held"]


def test_windows_of_two_zones_open_at_their_own_midnight(tmp_path: Path) -> None:
    meters = [
        meter("moscow", utility="regional", region="Тверская область"),
        meter("yakutsk", utility="regional", region="Якутия"),
    ]
    one = Site(tmp_path, meters, now="2026-10-31 14:00")
    one.put(reading(utc("2026-11-01 00:00+09:00"), "month", "yakutsk", T1=1_000, T2=1_000))
    one.at("2026-10-31 14:59")
    assert one.log("2026-11", "yakutsk").steps == ()
    one.at("2026-10-31 15:01")
    assert one.log("2026-11", "yakutsk").state == "sent"
    assert one.log("2026-11", "moscow").steps == ()


def test_a_window_across_the_month_s_end_is_one_statement(tmp_path: Path) -> None:
    rule = replace(SHIPPED["mosenergosbyt"].rule, first=28, last=3)
    profiles = {**SHIPPED, "mosenergosbyt": replace(SHIPPED["mosenergosbyt"], rule=rule)}
    one = Site(tmp_path, [meter()], now="2026-02-27 12:00", profiles=profiles)
    one.put(reading(utc("2026-02-28 00:00+03:00"), "day", T1=1_000, T2=1_000))
    one.run("2026-03-10", HOURS)
    assert [record.statement["month"] for record in one.statements()] == ["2026-02"]  # type: ignore[index]
    assert [log.month for log in logs.of_point(one.store, "flat-12")] == ["2026-02"]


@pytest.mark.slow
def test_a_year_of_months_is_one_statement_each_and_their_consumption_adds_up(tmp_path: Path) -> None:
    one = Site(tmp_path, [meter(utility="regional", region="Якутия")], now="2025-12-31 00:00")
    for month in range(1, 13):
        at = utc(f"2026-{month:02}-01 00:00+09:00")
        one.put(reading(at, "month", T1=month * 101_500, T2=month * 50_250))
        one.run(f"2026-{month:02}-02 12:00", timedelta(hours=12))
        one.intake()
        one.run(f"2026-{month:02}-12 12:00", timedelta(days=1))
    told = [record.statement for record in one.statements()]
    assert [one_of["month"] for one_of in told] == [f"2026-{month:02}" for month in range(1, 13)]  # type: ignore[index]
    total = sum(one_of["consumption"]["T1"] for one_of in told)  # type: ignore[index]
    assert total == 12 * 101_500 // 1000


def kemerovo(tmp_path: Path) -> Site:
    """A window of one day, all of it within the time of the fall-back."""
    base = SHIPPED["eskk-kemerovo"]
    assert base.mail is not None
    profiles = {base.name: replace(base, mail=replace(base.mail, to="a@b"))}
    one = meter(utility="eskk-kemerovo", account="К-17/2", place="Кемерово, Весенняя 7")
    made = Site(tmp_path, [one], now="2026-10-30 12:00", profiles=profiles, ways=("mail",))
    made.put(reading(utc("2026-10-31 00:00+07:00"), "day", T1=2_000_100, T2=1_000_050))
    return made


def test_in_a_window_of_one_day_mqtt_has_an_hour_before_the_email_goes(tmp_path: Path) -> None:
    one = kemerovo(tmp_path)
    one.at("2026-10-31 00:10+07:00")
    assert one.log().state == "sent"
    one.at("2026-10-31 01:09+07:00")
    assert one.ways["mail"].carried == []
    one.at("2026-10-31 01:10+07:00")
    assert len(one.ways["mail"].carried) == 1


def test_in_a_window_of_one_day_a_receipt_within_the_hour_keeps_the_email_back(tmp_path: Path) -> None:
    one = kemerovo(tmp_path)
    one.at("2026-10-31 00:10+07:00")
    one.intake()
    one.run("2026-11-02", HOURS)
    assert one.ways["mail"].carried == []


def test_what_is_confirmed_just_before_the_end_leaves_by_every_way_at_once(tmp_path: Path) -> None:
    one = kemerovo(tmp_path)
    one.clock.now = utc("2026-10-31 00:05+07:00")
    one.ask("hold")
    one.at("2026-10-31 00:10+07:00")
    assert one.log().state == "held"
    one.clock.now = utc("2026-10-31 23:45+07:00")
    one.ask("confirm")
    assert len(one.statements()) == len(one.ways["mail"].carried) == 1


@pytest.mark.slow
def test_a_dead_meters_month_is_searched_when_something_has_come_and_not_before(tmp_path: Path) -> None:
    one = Site(tmp_path, [meter()], now="2026-10-15 00:00")
    one.put(reading(utc("2026-10-11 12:00"), T1=1, T2=1))
    one.store.searches.clear()
    one.run("2026-10-18 02:00", timedelta(minutes=20))
    assert len(one.store.searches) == 1
    one.put(reading(utc("2026-10-18 01:00"), point="flat-13", T1=1, T2=1))
    one.run("2026-10-18 03:00", timedelta(minutes=20))
    assert (len(one.store.searches), one.statements()) == (1, [])


def test_an_older_reading_that_an_archive_brings_later_is_found_at_once(tmp_path: Path) -> None:
    """Its time is before that of the newest record: nothing but its coming tells of it."""
    one = Site(tmp_path, [meter()], now="2026-10-15 00:00", fallback_before=3600.0)
    one.put(reading(utc("2026-10-14 12:00"), T1=1, T2=1), reading(utc("2026-10-14 22:00"), total=2))
    one.run("2026-10-15 06:00", timedelta(minutes=20))
    assert one.statements() == []
    one.put(SNAPSHOT)
    one.at("2026-10-15 06:01")
    assert [present(record.statement)["read_at_register"] for record in one.statements()] == [
        "2026-10-14T21:00:00.000Z"
    ]


def test_a_reading_whose_time_becomes_known_later_is_found(tmp_path: Path) -> None:
    one = Site(tmp_path, [meter()], now="2026-10-15 00:00")
    read = utc("2026-10-15 01:00")
    one.put(reading(read, T1=2_000_100, T2=1_000_050, clock="unset", boot="boot-1", monotonic=10.0))
    one.run("2026-10-15 06:00", timedelta(minutes=20))
    assert one.statements() == []
    one.store.restamp("boot-1", utc("2026-10-15 06:00"), 10.0 + 3600.0)
    one.at("2026-10-15 06:01")
    assert present(one.statements()[0].statement)["read_at_register"] == "2026-10-15T05:00:00.000Z"


def test_a_reading_that_is_known_is_taken_when_its_time_has_come_without_another_search(tmp_path: Path) -> None:
    one = Site(tmp_path, [meter()], now="2026-10-15 00:05+03:00")
    one.put(reading(utc("2026-10-15 00:04+03:00"), T1=2_000_100, T2=1_000_050))
    one.store.searches.clear()
    one.run("2026-10-15 01:59+03:00", timedelta(minutes=1))
    assert (len(one.store.searches), one.statements()) == (1, [])
    one.at("2026-10-15 02:00+03:00")
    assert one.log().state == "sent"


def test_a_record_that_its_meter_stamped_ahead_counts_once_its_time_has_come(tmp_path: Path) -> None:
    one = Site(tmp_path, [meter()], now="2026-10-15 20:00")
    one.put(reading(utc("2026-10-16 00:00+03:00"), "day", T1=2_000_100, T2=1_000_050))
    one.run("2026-10-15 20:59", timedelta(minutes=1))
    assert one.statements() == []
    one.at("2026-10-15 21:00")
    assert one.log().state == "sent"


@pytest.mark.slow
@pytest.mark.parametrize("known", ["2026-10-14 12:00", "2026-10-19 12:00"])
def test_a_card_that_lost_the_news_of_an_sms_does_not_lead_to_another(tmp_path: Path, known: str) -> None:
    """Its store falls back to what it was before the window, or before the message left."""
    one = site(tmp_path)
    one.run(known, HOURS)
    one.workflow.tick()
    one.store.close()
    old = (tmp_path / "store.db").read_bytes()
    one.reopen()
    one.run("2026-10-20 06:00", HOURS)
    assert len(one.ways["sms"].carried) == 1
    one.put(reading(one.clock.now, T1=2_100_000, T2=1_100_000))  # polling goes on: what is lost shows by its numbers
    one.store.close()
    (tmp_path / "store.db").write_bytes(old)
    one.reopen()
    one.put(SNAPSHOT)
    one.run("2026-10-25", HOURS)
    assert len(one.ways["sms"].carried) == 1
    assert "statement-held" in one.events()

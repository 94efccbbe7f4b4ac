"""What people may do with a statement, and what they are told when they may not."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.channels.errors import ChannelError, Kind
from agent.statement.actions import NotNow
from tests.statement.plant import SHIPPED, Site, meter, reading, utc, with_sms

SNAPSHOT = reading(utc("2026-10-15 00:00+03:00"), "day", T1=2_000_100, T2=1_000_050)
IN_TIME, LATE = "2026-10-16 12:00", "2026-10-22 12:00"


def site(tmp_path: Path, now: str = IN_TIME, *, read: bool = True, **more: Any) -> Site:
    made = Site(tmp_path, [meter(**more)], now=now, profiles=with_sms(), ways=("sms",))
    if read:
        made.put(SNAPSHOT)
    return made


def test_a_check_by_hand_waits_for_no_better_reading_and_what_is_plausible_leaves(tmp_path: Path) -> None:
    one = site(tmp_path, "2026-10-15 00:30+03:00", read=False)
    one.put(reading(utc("2026-10-14 23:00+03:00"), T1=2_000_100, T2=1_000_050))
    assert one.at("2026-10-15 00:30+03:00").statements() == []
    done = one.ask("check")
    assert (done["state"], done["verdict"], done["figures"]) == ("sent", "plausible", {"T1": 2000, "T2": 1000})
    assert one.log().happened("made")[0].by == "ivanov"


def test_a_second_check_changes_nothing(tmp_path: Path) -> None:
    one = site(tmp_path)
    one.ask("check")
    one.ask("check")
    assert len(one.statements()) == 1
    assert len(one.log().attempts) == 1


@pytest.mark.parametrize(
    ("more", "month", "words"),
    [
        ({"account": None}, None, "account: found nothing"),
        ({"account": "23O"}, None, 'account: found "23O", expected an account of digits'),
        ({"utility": "mosenergosbit"}, None, 'did you mean "mosenergosbyt"?'),
        ({"utility": None}, None, "its meter has no account and utility"),
        ({"tariffs": {"T1": "a", "T2": "b"}}, None, "tariffs: found a, b"),
        ({}, "2026-12", "the window of 2026-12 opens on 2026-12-15"),
        ({}, "12-2026", "expected a month such as 2026-10"),
    ],
)
def test_what_cannot_be_a_statement_is_told_in_words(
    tmp_path: Path, more: dict[str, Any], month: str | None, words: str
) -> None:
    with pytest.raises(NotNow) as trouble:
        site(tmp_path, **more).ask("check", month=month)
    assert words in str(trouble.value)


def test_an_unknown_point_or_question_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotNow, match="no point named 'flat-99'; there are: flat-12"):
        site(tmp_path).ask("check", "flat-99")
    with pytest.raises(NotNow, match=r"There are: check, confirm, hold, send"):
        site(tmp_path / "other").ask("burn")


def test_without_a_reading_it_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotNow, match="read the meter, or type one in"):
        site(tmp_path, read=False).ask("check")


def test_a_clock_that_is_not_set_knows_no_window(tmp_path: Path) -> None:
    one = site(tmp_path)
    one.clock.state = "unset"
    with pytest.raises(NotNow, match="clock is not set"):
        one.ask("check")


@pytest.mark.parametrize("do", ["confirm", "send"])
def test_after_the_window_nothing_leaves_unless_a_person_knows_that_it_may(tmp_path: Path, do: str) -> None:
    one = site(tmp_path, LATE)
    one.workflow.make(one.actions.case("flat-12", None), one.log(), "ivanov", "")
    with pytest.raises(NotNow, match="closed on 2026-10-20; ask the utility whether it still takes the figures"):
        one.ask(do)
    assert one.statements() == []
    assert one.ask(do, late=True)["state"] == "sent"
    assert len(one.statements()) == 1


@pytest.mark.parametrize("watched", [True, False])
def test_a_person_who_looks_at_a_month_that_is_over_raises_no_event(tmp_path: Path, watched: bool) -> None:
    """The gateway was there while the window was open and then off; or it came to the point later."""
    one = site(tmp_path, "2026-09-25 12:00" if watched else LATE, read=False)
    one.workflow.tick()
    one.put(SNAPSHOT)
    one.clock.now = utc(LATE)
    done = one.ask("check", month="2026-10")
    assert (done["state"], done["figures"]) == ("checked", {"T1": 2000, "T2": 1000})
    assert done["waiting"].endswith("whether it still takes the figures, then meterpost statement send --late")
    one.ask("check", month="2026-10")
    assert one.events() == []
    assert "missed" not in [step.what for step in one.log().steps]
    one.restart().tick()
    assert one.events() == (["statement-missed"] if watched else []), "the program's own look tells what it missed"
    for _ in range(2):
        one.ask("check", month="2026-10")
    assert len(one.events()) == watched
    assert one.ask("send", late=True)["state"] == "sent"
    one.workflow.tick()
    assert len(one.events()) == watched


def test_a_look_at_a_month_long_ago_does_not_tell_again_what_was_told_then(tmp_path: Path) -> None:
    one = site(tmp_path, "2026-10-14 12:00", read=False)
    one.run("2026-10-22 12:00", timedelta(hours=12))
    assert one.events() == ["statement-missed"]
    one.store.confirm([(1, one.store.last_seq)])
    one.clock.now = utc("2028-01-22 12:00")
    one.store.prune(timedelta(days=365), timedelta(days=1))
    assert one.events() == []
    one.restart()
    one.put(reading(utc("2026-10-15 12:00"), T1=2_000_100, T2=1_000_050))
    one.ask("check", month="2026-10")
    assert one.events() == []


def held(tmp_path: Path) -> Site:
    one = site(tmp_path, initial={})
    assert one.ask("check")["state"] == "held"
    return one


@pytest.mark.parametrize("channel", ["mqtt", "sms", None])
def test_what_is_held_does_not_leave_by_send(tmp_path: Path, channel: str | None) -> None:
    one = held(tmp_path)
    with pytest.raises(NotNow, match=r"write initial from the commissioning act.*statement confirm"):
        one.ask("send", channel=channel)
    assert (one.statements(), one.ways["sms"].carried) == ([], [])


def test_a_suspect_correction_needs_its_own_confirmation(tmp_path: Path) -> None:
    one = held(tmp_path)
    one.ask("confirm")
    one.intake("false-readings", "ложные показания")
    one.at("2026-10-16 12:30")
    one.put(reading(one.clock.now, T1=2_010_000, T2=1_005_000))
    assert one.ask("check", correct=True)["state"] == "held"
    assert len(one.statements()) == 1
    assert one.ask("confirm")["state"] == "sent"
    assert [record.replaces is not None for record in one.statements()] == [False, True]


def test_a_correction_of_figures_that_the_utility_may_have_waits_for_a_confirmation(tmp_path: Path) -> None:
    one = site(tmp_path)
    one.ask("check")
    one.put(reading(utc("2026-10-16 11:00"), T1=2_010_000, T2=1_005_000))
    done = one.ask("check", correct=True)
    assert done["state"] == "held"
    assert done["last"]["reason"] == "the utility may have earlier figures of this month"


@pytest.mark.parametrize(
    ("do", "words"), [("confirm", "there is nothing to confirm"), ("hold", "cannot be held any more")]
)
def test_what_has_left_can_neither_be_held_nor_confirmed(tmp_path: Path, do: str, words: str) -> None:
    one = site(tmp_path)
    one.ask("check")
    with pytest.raises(NotNow, match=words):
        one.ask(do)


def test_there_is_nothing_to_confirm_or_correct_before_there_are_figures(tmp_path: Path) -> None:
    one = site(tmp_path)
    with pytest.raises(NotNow, match="statement check makes them"):
        one.ask("confirm")
    with pytest.raises(NotNow, match="leave --correct out"):
        one.ask("check", correct=True)


def test_send_by_a_channel_that_is_not_there_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NotNow, match="no way 'mail'"):
        site(tmp_path).ask("send", channel="mail")
    with pytest.raises(NotNow, match="no way 'fax'"):
        site(tmp_path / "other").ask("send", channel="fax")
    one = Site(tmp_path / "third", [meter(utility="tns-energo")], now="2026-10-02 12:00", ways=("sms",))
    with pytest.raises(NotNow, match=r'set \[sms\] number in .* extends = "tns-energo"'):
        one.ask("send", channel="sms")


@pytest.mark.slow
def test_a_person_may_send_by_sms_at_any_time_and_twice_only_on_purpose(tmp_path: Path) -> None:
    one = site(tmp_path)
    one.ask("check")
    assert one.ask("send", channel="sms")["last"]["what"] == "left"
    with pytest.raises(NotNow, match="by sms on 2026-10-16 12:00 UTC already; --again repeats it"):
        one.ask("send", channel="sms")
    with pytest.raises(NotNow, match="by mqtt on 2026-10-16 12:00 UTC already"):
        one.ask("send")
    one.run("2026-10-25")
    assert len(one.ways["sms"].carried) == 1
    one.ask("send", channel="sms", again=True, late=True)
    assert len(one.ways["sms"].carried) == 2


def test_a_message_that_may_have_left_is_repeated_only_on_purpose(tmp_path: Path) -> None:
    one = site(tmp_path)
    one.ways["sms"].troubles = [ChannelError("no answer", Kind.UNCLEAR)]
    assert one.ask("send", channel="sms")["last"]["what"] == "unclear"
    with pytest.raises(NotNow, match="--again"):
        one.ask("send", channel="sms")
    assert one.ask("send", channel="sms", again=True)["last"]["what"] == "left"


def test_a_message_that_surely_did_not_leave_may_be_sent_again(tmp_path: Path) -> None:
    one = site(tmp_path)
    one.ways["sms"].troubles = [ChannelError("no network", Kind.NO_NETWORK)]
    assert one.ask("send", channel="sms")["state"] == "sent"  # by MQTT, when the figures were made
    assert one.log().steps[-1].what == "failed"
    assert one.ask("send", channel="sms")["last"]["what"] == "left"


@pytest.mark.parametrize("channel", [None, "sms"])
def test_refused_figures_leave_by_no_way_unless_a_person_says_again(tmp_path: Path, channel: str | None) -> None:
    one = site(tmp_path)
    one.ask("check")
    one.intake("false-readings", "ложные показания")
    one.at("2026-10-16 13:00")
    with pytest.raises(NotNow, match=r"ложные показания.*check --correct.*send --again"):
        one.ask("send", channel=channel)
    assert one.ways["sms"].carried == []
    assert one.ask("send", channel=channel, again=True)["state"] == "sent"


def test_send_again_by_mqtt_is_the_same_record_once_more(tmp_path: Path) -> None:
    one = site(tmp_path)
    one.ask("check")
    one.intake()
    one.at("2026-10-16 13:00")
    one.ask("send", again=True)
    ((record, state, _),) = [row for row in one.store.rows() if row[0].kind == "statement"]
    assert (record.replaces, state, one.log().state) == (None, "pending", "accepted")


def test_every_step_says_who_and_why(tmp_path: Path) -> None:
    one = held(tmp_path)
    one.ask("hold", why="tenant away")
    one.ask("confirm", why="display read by telephone")
    assert [(step.what, step.by, step.reason) for step in one.log().steps[1:]] == [
        ("held", "meterpost", one.log().steps[1].reason),
        ("held", "ivanov", "tenant away"),
        ("confirmed", "ivanov", "display read by telephone"),
        ("queued", "meterpost", ""),
    ]


# ── the utility's own command ────────────────────────────────────────────


def test_the_utility_gets_all_statements_that_it_asks_for_and_reasons_for_the_others(tmp_path: Path) -> None:
    meters = [meter("a"), meter("b", initial={}), meter("c"), meter("d", account=None)]
    one = Site(tmp_path, meters, now=IN_TIME)
    one.put(*(replace(SNAPSHOT, point=point) for point in "ab"))
    found = {each["point"]: each for each in one.actions.asked_by_utility(())["statements"]}
    assert set(found) == {"a", "b", "c"}
    assert (found["a"]["state"], found["a"]["figures"]) == ("sent", {"T1": 2000, "T2": 1000})
    assert found["b"]["state"] == "held"
    assert "commissioning act" in found["b"]["reason"]
    assert "read the meter" in found["c"]["error"]
    assert len(one.statements()) == 1
    assert len(one.actions.asked_by_utility(["a", "x"])["statements"]) == 2
    assert len(one.statements()) == 1


def test_the_utility_may_ask_after_its_window_for_it_knows_its_own_rules(tmp_path: Path) -> None:
    one = site(tmp_path, LATE)
    (found,) = one.actions.asked_by_utility(["flat-12"])["statements"]
    assert found["state"] == "sent"


def test_held_figures_do_not_leave_for_the_utility_either(tmp_path: Path) -> None:
    one = Site(tmp_path, [meter(utility="nesk-krasnodar")], now="2026-10-02 12:00")
    one.put(reading(utc("2026-10-01 00:00+03:00"), "month", T1=1_000, T2=1_000))
    (found,) = one.actions.asked_by_utility(["flat-12"])["statements"]
    assert (found["state"], one.statements()) == ("held", [])
    assert SHIPPED["nesk-krasnodar"].confirm == "always"

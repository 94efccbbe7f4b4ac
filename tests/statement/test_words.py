"""Every template to the e-mail, and what is said on the telephone."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.config.utility.profile import Profile
from agent.config.utility.window import window_of
from agent.statement.figures import taken
from agent.statement.log import StatementLog
from agent.statement.making import Case, attempt
from agent.statement.outbound import StatementMessage, message
from agent.statement.spoken import digit_by_digit, spoken
from agent.statement.template import filled
from tests.statement.plant import SHIPPED, FakeClock, Site, meter, reading, utc

FACTS = {"ACCOUNT": "230100456789", "METER": "23456789", "T1": "2000", "T2": "1000", "READING": "2000 1000"}


def letter(
    tmp_path: Path,
    channel: str,
    profile: Profile,
    values: dict[str, Any],
    **more: Any,
) -> StatementMessage:
    """What this utility gets of a meter that showed ``values`` on its reporting day in October."""
    one = meter(utility=profile.name, **more)
    window = window_of(profile.rule_of(one), "2026-10", "UTC")
    found = taken(reading(window.reporting, **values), one, profile)
    assert found is not None
    site = Site(tmp_path, [one])
    made = attempt(Case(site.store, one, profile, window), found, FakeClock(window.reporting).stamp(), 1)
    return message(channel, "gw-1", one, profile, window, StatementLog("flat-12", "2026-10", attempts=(made,)))


TWO = {"T1": 2_000_999, "T2": 1_000_001}


@pytest.mark.parametrize(
    ("utility", "values", "more", "text"),
    [
        ("sms-account-meter-t1-t2", TWO, {}, "230100456789#23456789#2000#1000"),
        ("sms-account-meter-t1-t2", {"total": 3_000_999}, {"tariffs": None}, "230100456789#23456789#3000"),
        ("sms-account-t1-t2", TWO, {}, "230100456789 2000 1000"),
        ("sms-account-t1-t2", {"T1": 2_000_999}, {"tariffs": {"T1": "day"}}, "230100456789 2000"),
        ("sms-account-meter-reading", {"total": 2_000_999}, {"tariffs": None}, "230100456789 23456789 2000"),
        ("tns-energo", TWO, {}, "230100456789 2000 1000"),
        ("elektroset", {"total": 42_000}, {"tariffs": None}, "230100456789 42"),
    ],
)
def test_the_text_of_a_short_message_to_the_letter(
    tmp_path: Path, utility: str, values: dict[str, Any], more: dict[str, Any], text: str
) -> None:
    assert letter(tmp_path, "sms", SHIPPED[utility], values, **more).text == text


@pytest.mark.parametrize(
    ("utility", "text"),
    [
        ("sms-account-meter-t1-t2", "230100456789#23456789#002000#001000"),
        ("sms-account-t1-t2", "230100456789 002000 001000"),
    ],
)
def test_figures_are_filled_with_zeros_where_asked(tmp_path: Path, utility: str, text: str) -> None:
    base = SHIPPED[utility]
    assert base.sms is not None
    padded = replace(base, sms=replace(base.sms, pad=True))
    assert letter(tmp_path, "sms", padded, TWO).text == text


@pytest.mark.parametrize("utility", ["krasnoyarskenergosbyt", "tns-energo", "elektroset"])
def test_an_email_with_account_and_current_values(tmp_path: Path, utility: str) -> None:
    mail = letter(tmp_path, "mail", SHIPPED[utility], TWO)
    assert (mail.subject, mail.text) == ("Показания", "230100456789 2000 1000")
    assert mail.id == "statement.gw-1.flat-12.2026-10.1"


def test_the_email_of_an_organisation_in_kemerovo(tmp_path: Path) -> None:
    more = {
        "account": "К-17/2",
        "tariffs": None,
        "ratio": 20,
        "place": "Кемерово, Весенняя 7",
        "initial": {"T1": 12},
        "installed": utc("2026-10-01").date(),
    }
    mail = letter(tmp_path, "mail", SHIPPED["eskk-kemerovo"], {"total": 2_000_999}, **more)
    assert mail.subject == "Показания К-17/2"
    assert mail.text == (
        "Договор: К-17/2\n"
        "Счётчик: 23456789 (mercury230)\n"
        "Коэффициент: 20\n"
        "Адрес: Кемерово, Весенняя 7\n"
        "Предыдущее показание: 12 на 01.10.2026\n"
        "Новое показание: 2000 на 31.10.2026"
    )


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("ACCOUNT#METER#T1#T2#T3", "230100456789#23456789#2000#1000"),
        ("T3;T1", ";2000"),
        ("ACCOUNT; T1; T2; T3.", "230100456789; 2000; 1000."),
        ("Т1=T1 Т2=T2", "Т1=2000 Т2=1000"),
        ("MY_ACCOUNT ACCOUNTS T12", "MY_ACCOUNT ACCOUNTS T12"),
        ("PLACE", "-"),
        ("ACCOUNT\n\nT1\n", "230100456789\n\n2000"),
    ],
)
def test_words_are_replaced_and_a_tariff_that_is_not_there_leaves_with_its_separator(template: str, text: str) -> None:
    assert filled(template, FACTS) == text


def test_a_fact_is_never_taken_for_a_word() -> None:
    assert filled("PLACE T1", {"PLACE": "T1 ACCOUNT", "T1": "5", "ACCOUNT": "7"}) == "T1 ACCOUNT 5"


def test_what_is_said_on_the_telephone() -> None:
    text = spoken("2301-05", {"T1": "2000", "T2": "90"}, {"T1": "day", "T2": "night"})
    assert text == (
        "Лицевой счёт: два, три, ноль, один, чёрточка, ноль, пять.\n"
        "Тэ-один, день: два, ноль, ноль, ноль.\n"
        "Тэ-два, ночь: девять, ноль."
    )


def test_a_single_figure_needs_no_name_of_a_tariff() -> None:
    assert spoken("1", {"T1": "7"}, {}) == "Лицевой счёт: один.\nПоказание: семь."


def test_digits_of_any_text_are_said_one_by_one() -> None:
    assert digit_by_digit("К 17/2") == "К, один, семь, дробь, два"

"""The exchange over days: one file a day, made good later, sent once, answered."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.channels.errors import ChannelError, Kind
from agent.channels.mail import Email
from agent.config.values import MailSettings, Meter
from agent.report.days import ExchangeDay
from agent.report.exchange import FOLDER, ExchangeError, ExchangeFiles
from buffer.record import Record
from drivers.reading import Number
from tests.report.plant import (
    BERLIN,
    CODE,
    configured,
    metered,
    midnight,
    opened,
    profile,
    read_80020,
    statuses_of,
    values_of,
)
from tests.support.present import present

DAY = date(2026, 10, 5)
ONE = timedelta(days=1)
ANSWER = (
    '<?xml version="1.0" encoding="windows-1251"?><message class="80021" version="1" id="1"><file zip="0">'
    '<name>{name}</name></file><reply status="{status}"/></message>'
)


class House:
    """An exchange whose clock, configuration and mail server the test holds; ``start`` is a restart."""

    def __init__(self, folder: Path, *meters: Meter, **more: str) -> None:
        self.folder = folder
        self.config = configured(folder, *(meters or (metered(),)), **more)
        self.now = datetime(2026, 10, 6, 0, 30, tzinfo=UTC)
        self.letters: list[tuple[Email, str]] = []
        self.trouble: BaseException | None = None
        self.told: list[str] = []
        self.store = opened(folder)
        self.start()

    def start(self) -> None:
        given = (lambda: self.config, self.store, self.store.note, lambda: self.now, self.post, self.told.append)
        self.exchange = ExchangeFiles(*given)

    def restart(self) -> None:
        self.store.close()
        self.store = opened(self.folder)
        self.start()

    def post(self, mail: MailSettings, email: Email, message_id: str) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.letters.append((email, message_id))

    def day(self, day: date = DAY) -> ExchangeDay | None:
        return self.exchange._days.get(day)

    def octets(self, day: date = DAY) -> bytes:
        return (self.folder / FOLDER / present(self.day(day)).file).read_bytes()

    def files(self) -> list[str]:
        return sorted(path.name for path in (self.folder / FOLDER).iterdir())

    def sent(self) -> list[str]:
        return [email.attachments[0][0] for email, _ in self.letters]

    def answered(self, status: int, day: date = DAY) -> ExchangeDay:
        return self.exchange.answer(ANSWER.format(name=present(self.day(day)).file, status=status).encode("cp1251"))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.store.close()


def test_yesterdays_file_is_made_and_sent_once(house: House) -> None:
    house.store.put(profile(DAY, [1500] * 48))
    for _ in range(3):
        house.exchange.catch_up()
    assert house.files() == house.sent() == ["80020_7700000001_20261005_1_7700000002.xml"]
    email, message_id = house.letters[0]
    assert email.to == ("askue@example.org",) and email.attachments[0][1] == house.octets()
    assert "80020_7700000001_20261005_1" in message_id
    assert values_of(house.octets()) == [1, 2] * 24
    assert statuses_of(house.octets()) == [0] * 48
    root = read_80020(house.octets())
    assert (root.findtext("datetime/day"), root.findtext("datetime/timestamp")) == ("20261005", "20261006033000")
    assert present(house.day()).state == "sent"


def test_ratio_makes_primary_energy_of_the_meters(tmp_path: Path) -> None:
    house = House(tmp_path, metered(ratio=Decimal(40), place="ТП-12, ввод 1"))
    house.store.put(profile(DAY, [30] * 48))
    house.exchange.catch_up()
    assert sum(values_of(house.octets())) == 57  # 48 · 0.030 · 40 = 57.6
    assert present(read_80020(house.octets()).find("area/measuringpoint")).get("name") == "ТП-12, ввод 1"
    house.store.close()


def test_what_is_missing_is_0_with_status_1_and_named(house: House) -> None:
    house.store.put(profile(DAY, [1000] * 40))
    house.exchange.catch_up()
    assert statuses_of(house.octets()) == [0] * 40 + [1] * 8
    assert values_of(house.octets())[40:] == [0] * 8
    assert (present(house.day()).gaps, present(house.day()).reason) == (8, "missing: 8")


def test_five_days_without_the_gateway_are_caught_up_in_their_order(house: House) -> None:
    for back in range(5):
        house.store.put(profile(DAY + back * ONE, [333] * 48))
    house.now += 4 * ONE
    house.exchange.catch_up()
    assert house.sent() == [f"80020_7700000001_2026100{5 + n}_{1 + n}_7700000002.xml" for n in range(5)]
    total = sum(sum(values_of(house.octets(DAY + back * ONE))) for back in range(5))
    assert total == 5 * 48 * 333 // 1000


@pytest.mark.slow
def test_catching_up_goes_back_45_days_and_not_before_the_first_half_hour(house: House) -> None:
    house.now = datetime(2026, 10, 6, 0, 30, tzinfo=UTC)
    for back in (60, 50, 44, 43):
        house.store.put(profile(DAY - back * ONE, [1000] * 48))
    house.exchange.catch_up()
    assert house.exchange._days.all()[0].day == DAY - 44 * ONE
    assert len(house.letters) == 45


def test_without_a_half_hour_or_a_code_nothing_is_made(tmp_path: Path) -> None:
    house = House(tmp_path, metered(), metered("flat-1", exchange_code=None))
    house.store.put(profile(DAY, [1000] * 48, point="flat-1"))
    house.exchange.catch_up()
    assert not house.exchange._days.all() and not (tmp_path / FOLDER).exists()
    house.store.close()


def test_two_points_with_one_code_are_refused_by_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    house = House(tmp_path, metered(), metered("flat-1"))
    house.store.put(profile(DAY, [1000] * 48))
    house.exchange.catch_up()
    assert not house.letters and "shop, flat-1" in caplog.text
    with pytest.raises(ExchangeError, match="shop, flat-1"):
        house.exchange.make(DAY)
    house.store.close()


def test_a_file_made_again_has_the_same_values_and_a_new_number(house: House) -> None:
    house.store.put(profile(DAY - ONE, [777] * 48) + profile(DAY, [777] * 48))
    house.exchange.catch_up()
    first = house.octets()
    again = house.exchange.make(DAY)
    assert (again.number, again.earlier) == (3, (2,))
    assert values_of(house.octets()) == values_of(first)
    house.restart()
    assert house.exchange.make(DAY).number == 4
    assert values_of(house.octets()) == values_of(first)


def test_a_number_is_not_given_twice_even_if_its_note_was_lost(house: House) -> None:
    house.store.put(profile(DAY, [777] * 48))
    house.exchange.make(DAY)
    house.store.note("exchange:2026-10-05", None)
    assert house.exchange.make(DAY).number == 2


def test_a_damaged_note_is_unknown_and_nothing_leaves_by_itself(house: House) -> None:
    house.store.put(profile(DAY, [777] * 48))
    house.store.note("exchange:2026-10-05", "00000000 {}")
    house.exchange.catch_up()
    assert present(house.day()).state == "unknown" and not house.letters
    house.exchange.make(DAY)
    house.exchange.send(DAY)
    assert present(house.day()).state == "sent"


def test_a_restart_between_making_and_sending_sends_it_once(house: House) -> None:
    house.store.put(profile(DAY, [777] * 48))
    house.exchange.make(DAY)
    house.restart()
    house.exchange.catch_up()
    house.restart()
    house.exchange.catch_up()
    assert house.sent() == ["80020_7700000001_20261005_1_7700000002.xml"]


def test_a_power_cut_while_it_is_sent_leaves_it_to_a_person(house: House) -> None:
    house.store.put(profile(DAY, [777] * 48))

    class PowerCut(BaseException):
        pass

    house.trouble = PowerCut()
    with pytest.raises(PowerCut):
        house.exchange.catch_up()
    house.trouble = None
    house.restart()
    house.exchange.catch_up()
    assert not house.letters and present(house.day()).state == "unclear"
    with pytest.raises(ExchangeError, match="--again"):
        house.exchange.send(DAY)
    house.exchange.send(DAY, again=True)
    assert len(house.letters) == 1 and present(house.day()).state == "sent"


def test_a_mail_server_that_is_away_gets_them_later(house: House) -> None:
    house.store.put(profile(DAY - ONE, [777] * 48) + profile(DAY, [777] * 48))
    house.trouble = ChannelError("no route to mail.example.org", Kind.UNREACHABLE)
    house.exchange.catch_up()
    assert [present(house.day(day)).state for day in (DAY - ONE, DAY)] == ["made", "made"]
    assert "no route" in present(house.day(DAY - ONE)).words
    house.trouble = None
    house.exchange.catch_up()
    assert house.sent() == [present(house.day(DAY - ONE)).file, present(house.day()).file]


def test_a_service_that_ends_finishes_its_email_and_no_more(house: House) -> None:
    house.store.put(profile(DAY - ONE, [777] * 48) + profile(DAY, [777] * 48))
    took = house.exchange._post

    def ending(mail: MailSettings, email: Email, message_id: str) -> None:
        took(mail, email, message_id)
        house.exchange.stopping = True

    house.exchange._post = ending
    house.exchange.catch_up()
    assert len(house.letters) == 1 and present(house.day(DAY - ONE)).state == "sent" and house.day() is None
    house.restart()
    house.exchange.catch_up()
    assert len(house.letters) == 2


def test_an_email_that_may_have_left_is_not_sent_again_by_itself(house: House) -> None:
    house.store.put(profile(DAY, [777] * 48))
    house.trouble = ChannelError("no answer to the e-mail's text", Kind.UNCLEAR)
    house.exchange.catch_up()
    house.trouble = None
    house.exchange.catch_up()
    assert present(house.day()).state == "unclear" and not house.letters


def test_sending_twice_takes_a_persons_word(house: House) -> None:
    house.store.put(profile(DAY, [777] * 48))
    house.exchange.catch_up()
    with pytest.raises(ExchangeError, match="is sent; --again"):
        house.exchange.send(DAY)
    house.trouble = ChannelError("not now", Kind.LATER)
    with pytest.raises(ExchangeError, match="not now"):
        house.exchange.send(DAY, again=True)
    house.trouble = None
    house.exchange.catch_up()
    assert len(house.letters) == 1 and present(house.day()).state == "sent"
    house.exchange.send(DAY, again=True)
    assert len(house.letters) == 2


@pytest.mark.parametrize("change", [{"to": ()}, {"mail": None}])
def test_without_a_receiver_files_are_only_written(house: House, change: dict[str, Any]) -> None:
    if "mail" in change:
        house.config = replace(house.config, mail=None)
    else:
        house.config = replace(house.config, exchange=replace(present(house.config.exchange), to=()))
    house.store.put(profile(DAY, [777] * 48))
    house.exchange.catch_up()
    assert present(house.day()).state == "made" and house.files()
    with pytest.raises(ExchangeError, match="not configured"):
        house.exchange.send(DAY)


@pytest.mark.parametrize(
    ("status", "state"), [(0, "accepted"), (1, "in-part"), (2, "refused"), (3, "refused"), (4, "refused")]
)
def test_the_receivers_answer_becomes_the_days_state(house: House, status: int, state: str) -> None:
    house.store.put(profile(DAY, [777] * 48))
    house.exchange.catch_up()
    assert house.answered(status).state == state
    house.restart()
    house.exchange.catch_up()
    assert present(house.day()).state == state and len(house.letters) == 1


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("_20261005_1_", "_20261004_1_", "no file of ours"),
        ("_20261005_1_", "_20261005_2_", "no file of ours"),
        ("80020_7700000001", "80020_7700000009", "sender 7700000009"),
        ('status="0"', 'status="9"', "reply status"),
        ("</message>", "", "no sound XML"),
    ],
)
def test_a_foreign_or_damaged_answer_changes_nothing(house: House, old: str, new: str, words: str) -> None:
    house.store.put(profile(DAY, [777] * 48))
    house.exchange.catch_up()
    before = house.day()
    text = ANSWER.format(name=present(before).file, status=0)
    assert old in text
    with pytest.raises(ExchangeError, match=words):
        house.exchange.answer(text.replace(old, new).encode("cp1251"))
    assert house.day() == before


def test_an_answer_to_a_file_that_was_replaced_changes_nothing(house: House) -> None:
    house.store.put(profile(DAY, [777] * 48))
    house.exchange.catch_up()
    text = ANSWER.format(name=present(house.day()).file, status=0)
    house.exchange.make(DAY)
    with pytest.raises(ExchangeError, match="replaced by 2"):
        house.exchange.answer(text.encode("cp1251"))
    assert present(house.day()).state == "made"


@pytest.mark.parametrize("status", [None, 1, 3])
def test_a_day_that_healed_later_is_sent_anew_unless_it_was_accepted(house: House, status: int | None) -> None:
    records = profile(DAY, [1000] * 48)
    house.store.put(records[:30])
    house.exchange.catch_up()
    if status is not None:
        house.answered(status)
    house.store.put([replace(record, flags=("restored",)) for record in records[30:]])
    house.now += ONE
    house.exchange.catch_up()
    house.exchange.catch_up()
    numbers = [present(house.day()).number, present(house.day(DAY + ONE)).number]
    assert numbers == [2, 3] and len(house.letters) == 3
    assert statuses_of(house.octets()) == [0] * 48
    assert sum(values_of(house.octets())) == 48


def test_an_accepted_day_stays_as_it_is(house: House) -> None:
    records = profile(DAY, [1000] * 48)
    house.store.put(records[:30])
    house.exchange.catch_up()
    house.answered(0)
    house.store.put(records[30:])
    house.exchange.catch_up()
    assert present(house.day()).number == 1 and len(house.letters) == 1


def test_a_file_that_somebody_deleted_before_it_left_is_made_anew(house: House) -> None:
    house.store.put(profile(DAY, [1000] * 48))
    house.exchange.make(DAY)
    (house.folder / FOLDER / present(house.day()).file).unlink()
    with pytest.raises(ExchangeError, match="its file is gone"):
        house.exchange.send(DAY)
    house.exchange.catch_up()
    assert house.sent() == ["80020_7700000001_20261005_2_7700000002.xml"]


def test_a_day_that_is_not_over_has_no_file(house: House) -> None:
    with pytest.raises(ExchangeError, match="is not over"):
        house.exchange.make(DAY + ONE)


def test_a_channel_stays_in_the_file_on_a_day_on_which_its_meter_was_silent(house: House) -> None:
    both = {"1-0:1.29.0": 500, "1-0:3.29.0": 100}
    house.store.put([replace(record, values=both) for record in profile(DAY, [0] * 48)])
    house.now += ONE
    house.exchange.catch_up()
    silent = house.octets(DAY + ONE)
    assert statuses_of(silent, "01") == statuses_of(silent, "03") == [1] * 48


def test_a_channel_that_came_later_does_not_keep_an_earlier_day_from_healing(house: House) -> None:
    records = profile(DAY, [1000] * 48)
    both = {"1-0:1.29.0": 1000, "1-0:3.29.0": 100}
    house.store.put(records[:40])
    house.exchange.catch_up()
    house.store.put([replace(record, values=both) for record in profile(DAY + ONE, [0] * 48)] + records[40:])
    house.now += ONE
    house.exchange.catch_up()
    house.exchange.catch_up()
    assert (present(house.day()).gaps, present(house.day()).number, len(house.letters)) == (0, 2, 3)
    assert values_of(house.octets(), "03") == [] and sum(values_of(house.octets(DAY + ONE), "03")) == 4


def test_old_days_go_with_their_records_and_numbers_run_on(house: House) -> None:
    house.store.put(profile(DAY, [1000] * 48))
    house.exchange.catch_up()
    house.now += timedelta(days=401)
    later = DAY + timedelta(days=401)
    house.store.put(profile(later, [1000] * 48))
    house.exchange.catch_up()
    assert [day.day for day in house.exchange._days.all()] == [later]
    assert house.files() == [present(house.day(later)).file] and present(house.day(later)).number == 2


@pytest.mark.parametrize(("day", "count", "summer"), [(date(2026, 3, 29), 46, "1"), (date(2026, 10, 25), 50, "0")])
def test_days_of_23_and_25_hours_have_48_periods_and_all_their_energy(
    tmp_path: Path, day: date, count: int, summer: str
) -> None:
    house = House(tmp_path, zone="Europe/Berlin")
    house.now = midnight(day + ONE, BERLIN) + timedelta(hours=1)
    house.store.put(profile(day, [1000] * count, BERLIN))
    house.exchange.catch_up()
    assert sum(values_of(house.octets(day))) == count
    assert statuses_of(house.octets(day)) == [0] * 48
    assert read_80020(house.octets(day)).findtext("datetime/daylightsavingtime") == summer
    house.store.close()


@pytest.mark.slow
@settings(max_examples=8)
@given(seed=st.integers(0, 10**6), ratio=st.sampled_from([Decimal(1), Decimal(40), Decimal("0.5")]))
def test_over_months_the_files_tell_the_energy_to_the_kwh_whatever_came_late(
    tmp_path_factory: pytest.TempPathFactory, seed: int, ratio: Decimal
) -> None:
    """Days that lack half hours, are made, healed, made again in any order: Σ kWh = Σ energy, less than 1 kWh off."""
    chance = random.Random(seed)
    house = House(tmp_path_factory.mktemp("months"), metered(ratio=ratio))
    house.exchange.catch_up()
    truth: Number = 0
    late: list[Record] = []
    days = [DAY + n * ONE for n in range(25)]
    for day in days:
        records = profile(day, [chance.randrange(3000) for _ in range(48)])
        truth += sum(record.values["1-0:1.29.0"] for record in records)
        held = chance.sample(records, chance.choice([0, 0, 5, 48]))
        house.store.put([record for record in records if record not in held])
        late += held
        house.now = midnight(day + ONE) + timedelta(hours=1)
        house.exchange.catch_up()
        if chance.random() < 0.2:
            house.restart()
        if chance.random() < 0.3:
            house.store.put(late)
            late = []
    house.store.put(late)
    house.exchange.catch_up()
    last = days[-1] + ONE
    house.store.put(profile(last, [0] * 48))  # what late days have changed is made good by the days that follow
    house.now = midnight(last + ONE) + timedelta(hours=1)
    house.exchange.catch_up()
    made = [house.octets(day) for day in (*days, last) if house.day(day)]
    told = sum(sum(values_of(octets)) for octets in made)
    left = present(house.day(last)).balance[CODE]["01"]
    assert told * 1000 + left == truth * ratio
    house.store.close()


def test_a_refused_file_is_told_and_an_accepted_one_is_not(house: House) -> None:
    house.store.put(profile(DAY, [1000] * 48))
    house.exchange.catch_up()
    house.answered(0)
    assert house.told == []
    house.answered(3)
    (text,) = house.told
    assert text.startswith(f"{present(house.day()).file} of 2026-10-05: refused: ")


def test_an_email_that_does_not_leave_is_told_once_for_each_reason(house: House) -> None:
    house.store.put(profile(DAY, [1000] * 48))
    for trouble in ("no connection", "no connection", "login refused"):
        house.trouble = ChannelError(trouble, Kind.UNREACHABLE)
        house.exchange.catch_up()
    assert [text.rpartition(": ")[2] for text in house.told] == ["no connection", "login refused"]
    house.trouble = ChannelError("no answer", Kind.UNCLEAR)
    house.exchange.catch_up()
    house.exchange.catch_up()
    assert house.told[2:] == [f"{present(house.day()).file} of 2026-10-05: unclear: no answer"]


def test_a_power_cut_while_a_email_leaves_is_told(house: House) -> None:
    house.store.put(profile(DAY, [1000] * 48))
    house.exchange.make(DAY)
    house.trouble = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        house.exchange.send(DAY)
    house.restart()
    house.exchange.catch_up()
    (text,) = house.told
    assert "unclear: the power went" in text


def test_what_kept_a_email_back_is_forgotten_when_it_has_left(house: House) -> None:
    gap = profile(DAY, [1000] * 48)
    house.store.put(gap[:20] + gap[21:])
    house.trouble = ChannelError("no such mailbox", Kind.REFUSED)
    house.exchange.catch_up()
    house.restart()
    assert (present(house.day()).state, present(house.day()).words, present(house.day()).reason) == (
        "made",
        "no such mailbox",
        "missing: 1",
    )
    house.trouble = None
    assert house.exchange.send(DAY).words == "missing: 1"

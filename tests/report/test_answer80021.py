"""The receiver's answers: read to the e-mail, or refused without a trace."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.report.answer80021 import LONGEST, Answer, AnswerError, parse

# Captured answer of 2006 from the comments of the SAK 80020 mail client (GitHub).
CAPTURED = """<?xml version="1.0" encoding="windows-1251" ?>
<message class="80021" version="1" id="13">
 <email>
  <id>SAK.2006.03.09.opdncraelqknpdnl@a.b.c</id>
  <received>20060309125818</received>
  <from>fvv@rdurm.odusv.so-cdu.ru</from>
  <subject>80020 Мордовское РДУ</subject>
 </email>
 <file zip="0">
  <name>80020_600004_20060308_38.xml</name>
  <date>20060308</date>
 </file>
 <reply status="0" />
</message>
"""


def test_a_captured_answer_is_read() -> None:
    assert parse(CAPTURED.encode("cp1251")) == Answer("600004", date(2006, 3, 8), 38, 0)


@pytest.mark.parametrize("status", range(5))
def test_every_status_is_known_and_the_receivers_words_are_kept(status: int) -> None:
    text = CAPTURED.replace('<reply status="0" />', f'<reply status="{status}"><text>нет канала\n 02</text></reply>')
    answer = parse(text.encode("cp1251"))
    assert (answer.status, answer.details) == (status, "нет канала 02")


@pytest.mark.parametrize("name", ["80020_600004_20060308_38_7700000002.xml", "80020 600004 20060308 38.XML"])
def test_file_names_as_programs_write_them(name: str) -> None:
    text = CAPTURED.replace("80020_600004_20060308_38.xml", name)
    assert parse(text.encode("cp1251")).number == 38


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('class="80021"', 'class="80020"', "class '80020'"),
        ('status="0"', 'status="5"', "status '5'"),
        ('status="0"', 'status=""', "status ''"),
        ('status="0"', 'status="00"', "status '00'"),
        ("80020_600004_20060308_38.xml", "../80020_1_2_3.xml", "file name"),
        ("_20060308_38", "_20060399_38", "is not a day"),
        ("</message>", "", "no sound XML"),
        ('encoding="windows-1251"', 'encoding="no-such"', "no sound XML"),
        ("<message", '<!DOCTYPE message [<!ENTITY a "b">]>\n<message', "document types"),
        ("<email>", "<email>" + "<a>" * 40 + "</a>" * 40, "nested deeper"),
    ],
)
def test_a_damaged_or_foreign_answer_says_why(old: str, new: str, words: str) -> None:
    assert old in CAPTURED
    with pytest.raises(AnswerError, match=words):
        parse(CAPTURED.replace(old, new, 1).encode("cp1251"))


def test_an_answer_without_bounds_is_not_read() -> None:
    with pytest.raises(AnswerError, match="bytes"):
        parse(CAPTURED.encode("cp1251") + b" " * LONGEST)


@given(st.binary(max_size=300))
def test_any_octets_end_in_an_answer_or_in_its_own_error(octets: bytes) -> None:
    try:
        parse(octets)
    except AnswerError:
        return
    raise AssertionError("octets at random are not an answer")


@given(st.integers(0, len(CAPTURED) - 1), st.integers(0, 255))
def test_a_changed_octet_is_an_answer_or_an_error_and_nothing_else(place: int, octet: int) -> None:
    data = bytearray(CAPTURED.encode("cp1251"))
    data[place] = octet
    try:
        found = parse(bytes(data))
    except AnswerError:
        return
    assert found.status in range(5)

"""What is not TOML: every independent fault with its place, and the rest of the text read anyway."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from drivers.files.faults import once
from drivers.files.source import Source, read
from drivers.files.syntax import parse
from drivers.files.text import MOST

FILE = Path("any.toml")
SOUND = """\
title = "x"
[gateway]
id = "gw-1"
list = [
  "a", # one
  "b",
]
text = '''
key = "no key"
'''
[[bus]]
name = "riser-1"
[[bus]]
name = "riser-2"
tariffs = { T1 = "day" }
"""


def one(text: str) -> tuple[str, str, dict[str, object] | None]:
    """LINE:COL, the words and the data of a text with one fault."""
    parsed = parse(FILE, text)
    (fault,) = parsed.faults
    return f"{fault.line}:{fault.column}", f"{fault.found} | {fault.expected}", parsed.data


@pytest.mark.parametrize(
    ("line", "place", "words", "value"),
    [
        ("key = “text”", "2:7", "a typographic quote “ (U+201C) | straight quotes", "text"),
        ("key = «кв-12»", "2:7", "a typographic quote « (U+00AB) | straight quotes", "кв-12"),
        ("key = ‘text’", "2:7", "a typographic quote ‘ (U+2018) | straight quotes", "text"),
        ("key\u00a0= 'text'", "2:4", "a no-break space (U+00A0) | a plain space", "text"),
        ("\ufeffkey = 'text'", "2:1", "a byte order mark (U+FEFF) | nothing there", "text"),
        ("key = −1", "2:7", 'a typographic dash − (U+2212) | a plain "-"', -1),
        ("kеy = 'text'", "2:1", '"kеy" with a Cyrillic "е" (U+0435) as its 2nd character | "key"', "text"),
        ("key = truе", "2:10", 'a Cyrillic "е" (U+0435) | a Latin "e"', True),
        ("key: 'text'", "2:4", 'a colon | key = value, with "=" and not ":"', "text"),
        ("key = text # why", "2:7", "text without quotes at both ends", "text"),
        ("key = кв-12", "2:7", "text without quotes at both ends", "кв-12"),
        ("key = /dev/ttyUSB0", "2:7", "text without quotes at both ends", "/dev/ttyUSB0"),
        ('key = "text', "2:7", "text without quotes at both ends", "text"),
        ("key = text'", "2:7", "text without quotes at both ends", "text"),
    ],
)
def test_what_is_usually_wrong_is_named_and_what_was_meant_is_read(
    line: str, place: str, words: str, value: object
) -> None:
    there, found, data = one(f"before = 1\n{line}\nafter = 2\n")
    assert there == place
    assert words in found
    assert data == {"before": 1, "key": value, "after": 2}


@pytest.mark.parametrize(
    ("line", "place", "words"),
    [
        ("key = ", "2:7", "what is not TOML (invalid value)"),
        ("key 1", "2:5", "what is not TOML"),
        ("key = [1, 2", "2:12", "what is not TOML"),
        ('key = """text', "2:14", "what is not TOML"),
        ("key = 2024-13-01", "2:11", "what is not TOML"),
        ("ключ = 1", "2:1", 'at a Cyrillic "к" (U+043A)'),
        ("key = 1\0", "2:8", "at a NUL character (U+0000)"),
        ("# a comment\0", "2:12", "at a NUL character (U+0000)"),
        ("key = " + "[" * 100_000, "2:1", "without end"),
        ("key = " + "9" * 5000, "2:1", "thousands of digits"),
        ("before = 2", "2:1", "a key that stands there already"),
    ],
)
def test_what_cannot_be_read_is_left_out_and_the_rest_is_read(line: str, place: str, words: str) -> None:
    there, found, data = one(f"before = 1\n{line}\nafter = 2\n")
    assert there == place
    assert words in found
    assert data == {"before": 1, "after": 2}


def test_every_independent_fault_of_one_file_is_told(tmp_path: Path) -> None:
    text = SOUND.replace('"gw-1"', "gw-1").replace('"b",\n]', '"b",').replace("[[bus]]\n", "[[bus]\n", 1)
    text = text.replace('= "riser-2"', ': "riser-2"').replace('"day" }', '"day"')
    file = tmp_path / "a.toml"
    file.write_text(text, encoding="utf-8")
    source, faults = read(file)
    assert [(fault.line, fault.column) for fault in faults] == [(3, 6), (6, 7), (10, 1), (13, 6), (14, 23)]
    assert source is not None
    assert source.data["bus"] == [{"name": "riser-1"}, {"name": "riser-2"}]


def test_no_part_of_a_value_is_shown_because_it_may_be_a_password() -> None:
    for line in (
        "password = hunter2",
        "password = hunтer2",
        "password = “hunter2”",
        'password: "hunter2',
        "password hunter2",
    ):
        assert "hun" not in " ".join(str(fault) for fault in parse(FILE, line).faults), line


def test_a_table_whose_header_cannot_be_read_is_left_out_with_its_keys() -> None:
    parsed = parse(FILE, "[a]\nx = 1\n[b c]\nx = 2\ny 3\n[d]\nx = 4\n")
    assert [fault.line for fault in parsed.faults] == [3, 5]
    assert parsed.data == {"a": {"x": 1}, "d": {"x": 4}}


def test_a_table_that_stands_twice_is_told_once() -> None:
    there, found, data = one("[a]\nx = 1\n[a]\nx = 2\ny = 3\n[b]\n")
    assert (there, data) == ("3:1", {"a": {"x": 1}, "b": {}})
    assert "a table that stands there already" in found


def test_a_key_that_could_not_be_read_is_not_missing(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("[[meter]]\nserial 1\n[[meter]]\npoint = 'p'\n")
    source, told = read(file)
    assert isinstance(source, Source)
    left = [source.missing(("meter", number, "serial"), "a number") for number in (0, 1)]
    assert [fault.line for fault in once(told, left)] == [2, 3]
    assert once(told, left)[0].found.startswith("what is not TOML")


def test_a_file_that_is_wrong_throughout_is_told_up_to_a_bound() -> None:
    parsed = parse(FILE, "what is this\n" * 50_000)
    assert parsed.data is None
    assert len(parsed.faults) == MOST


def judged(text: str) -> None:
    """Faults exactly where tomllib takes the text not, each at a place that exists."""
    parsed = parse(FILE, text)
    try:
        tomllib.loads(text)
    except (ValueError, RecursionError):
        lines = text.split("\n")
        assert parsed.faults
        assert all(1 <= fault.line <= len(lines) for fault in parsed.faults)
        assert all(1 <= fault.column <= len(lines[fault.line - 1]) + 1 for fault in parsed.faults)
        assert all(fault.found and fault.expected for fault in parsed.faults)
    else:
        assert not parsed.faults


PIECES = st.one_of(
    st.text(max_size=4),
    st.sampled_from(
        ("[", "]", "[[", "{", "}", '"', '"""', "'", "'''", "\\", "\n", "\r", "=", ":", ",", "#", "е", "«", "\u00a0")
    ),
)


@pytest.mark.slow
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, len(SOUND)), st.integers(0, 6), PIECES), min_size=1, max_size=4))
@example([(0, 0, "\x1f")])
def test_any_damage_to_a_text_is_told_with_places_exactly_where_it_is_not_toml(
    damage: list[tuple[int, int, str]],
) -> None:
    text = SOUND
    for at, length, piece in damage:
        text = text[:at] + piece + text[at + length :]
    judged(text.replace("\r", ""))


@pytest.mark.slow
@settings(max_examples=150)
@given(st.text(max_size=120))
def test_any_text_is_values_or_faults_with_places(text: str) -> None:
    judged(text.replace("\r", ""))


@pytest.mark.slow
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes_are_values_or_faults(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "any.toml"
    file.write_bytes(content)
    source, faults = read(file)
    assert source is not None or faults

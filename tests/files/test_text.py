"""Bytes as text: marks, encodings and line ends are named for what they are."""

from pathlib import Path

import pytest

from drivers.files.source import read
from drivers.files.text import MOST, decode

FILE = Path("any.toml")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_mark_of_utf_8_and_either_line_end_are_taken_silently(mark: bytes, end: bytes) -> None:
    assert decode(FILE, mark + b"a = 1" + end + b"b = 2" + end) == ("a = 1\nb = 2\n", [])


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("utf-16", "UTF-16, little endian"),
        ("utf-16-le", "UTF-16, little endian, without a byte order mark"),
        ("utf-16-be", "UTF-16, big endian, without a byte order mark"),
        ("utf-32", "UTF-32, little endian"),
    ],
)
def test_text_in_another_unicode_encoding_is_named(encoding: str, words: str) -> None:
    text, (fault,) = decode(FILE, "[gateway]\nid = 'gw-1'\n".encode(encoding))
    assert text is None
    assert (fault.line, fault.column, fault.found) == (1, 1, f"text in {words}")
    assert "UTF-8" in fault.expected


def test_big_endian_text_with_its_mark_is_named() -> None:
    _, (fault,) = decode(FILE, b"\xfe\xff" + "a = 1".encode("utf-16-be"))
    assert fault.found == "text in UTF-16, big endian"


def test_each_line_that_is_not_utf_8_is_told_with_the_letter_that_was_probably_meant() -> None:
    text, faults = decode(FILE, "a = 1\nb = 'кв'\nc = 'дом'\n".encode("cp1251"))
    assert text is not None and text.startswith("a = 1\nb = '")
    assert [(fault.line, fault.column, fault.found) for fault in faults] == [
        (2, 6, 'the byte 0xea, which is not UTF-8 (in Windows-1251 it is "к")'),
        (3, 6, 'the byte 0xe4, which is not UTF-8 (in Windows-1251 it is "д")'),
    ]


def test_a_file_in_another_encoding_throughout_is_told_up_to_a_bound() -> None:
    text, faults = decode(FILE, b"\xea = 1\n" * 10_000)
    assert text is None
    assert len(faults) == MOST


def test_a_lone_carriage_return_is_told_once_with_its_place_and_counts_as_a_line_end() -> None:
    text, (fault,) = decode(FILE, b"a = 1\r\nb = 2\rc = 3\r")
    assert text == "a = 1\nb = 2\nc = 3\n"
    assert (fault.line, fault.column) == (2, 6)
    assert "U+000D" in fault.found


def test_the_rest_of_a_file_with_one_wrong_byte_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(b"a = '\xea'\nb = 2\n")
    source, faults = read(file)
    assert source is not None and source.data["b"] == 2
    assert len(faults) == 1

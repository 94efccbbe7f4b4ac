"""Characters that only look right are named, and words in one script are left alone."""

import pytest

from drivers.files.letters import latin, mixed, note
from drivers.files.words import likely, plain, shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mеrcury230", 'with a Cyrillic "е" (U+0435) as its 2nd character'),
        ("се303", 'with a Cyrillic "с" (U+0441) as its 1st character'),
        ("flat 12-А1", 'with a Cyrillic "А" (U+0410) as its 9th character'),
        ("кваpтира", 'with a Latin "p" as its 4th character'),
        ("flat\u00a012", "with a no-break space (U+00A0) as its 5th character"),
        ("flat\u200b12", "with a zero-width space (U+200B) as its 5th character"),
        ("\ufeffflat", "with a byte order mark (U+FEFF) as its 1st character"),
        ("flat\t12", "with a tab (U+0009) as its 5th character"),
        ("sdm630 x 12345СE", 'with a Cyrillic "С" (U+0421) as its 15th character'),
    ],
)
def test_a_character_that_looks_like_another_is_named_with_its_place(text: str, words: str) -> None:
    assert note(text) == words
    assert shown(text) == f"{plain(text)} {words}"


@pytest.mark.parametrize("text", ["кв-12", "Москва", "дом 3, кв. 12", "flat-12", "", "T1", "Край", "ООО «Ромашка»"])
def test_words_of_one_script_are_sound(text: str) -> None:
    assert note(text) == ""
    assert not mixed(text)


def test_a_cyrillic_word_beside_a_latin_one_is_not_mixed() -> None:
    assert not mixed("кв-12 block-B")
    assert mixed("кв12 blосk")


def test_the_likely_word_is_found_through_the_wrong_letters() -> None:
    assert likely("mеrсurу230", ["mercury230", "sdm630"]) == "mercury230"
    assert likely("Якутск", ["Якутия", "Москва"]) == "Якутия"
    assert latin("АВЕКМНОРСТХ") == "ABEKMHOPCTX"


def test_a_number_that_python_would_not_show_is_shown_as_one() -> None:
    assert shown(16**5000) == "a number of hundreds of digits"
    assert shown(10**40) == "1" + "0" * 40

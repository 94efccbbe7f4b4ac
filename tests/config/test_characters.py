"""Characters that only look right, encodings and line ends: each is named for what it is, where it stands."""

from collections.abc import Callable

import pytest

from tests.config.conftest import SOUND, House

Meter = Callable[..., str]


@pytest.mark.parametrize(
    ("old", "new", "place", "found", "expected"),
    [
        (
            '"mercury230"',
            '"mеrcury230"',
            "16:10",
            'meter[1].driver: found "mеrcury230" with a Cyrillic "е" (U+0435) as its 2nd character',
            'did you mean "mercury230"?',
        ),
        (
            'bus = "riser-1"',
            'bus = "risеr-1"',
            "15:7",
            'meter[1].bus: found "risеr-1" with a Cyrillic "е" (U+0435) as its 4th character',
            '"riser-1"',
        ),
        (
            '"23456789"',
            '"2345678А"',
            "18:10",
            'meter[1].serial: found "2345678А" with a Cyrillic "А" (U+0410) as its 8th character',
            "in quotes",
        ),
        (
            '"gw-000123"',
            '"gw‑000123"',
            "2:6",
            'gateway.id: found "gw‑000123"',
            "MQTT topics",
        ),
        (
            '"flat-12"',
            '"flat\u00a012"',
            "14:9",
            'meter[1].point: found "flat\\u00a012" with a no-break space (U+00A0) as its 5th character',
            "a name",
        ),
        (
            '"flat-12"',
            '"flat\t12"',
            "14:9",
            'meter[1].point: found "flat\\u000912" with a tab (U+0009) as its 5th character',
            "a name",
        ),
        ("address = 45", "аddress = 45", "17:1", '"аddress" with a Cyrillic "а" (U+0430)', '"address"'),
        ("address = 45", '"аddress" = 45', "17:1", 'found an unknown key with a Cyrillic "а" (U+0430)', '"address"?'),
        ("T1 = ", "Т1 = ", "19:13", 'a Cyrillic "Т" (U+0422)', 'a Latin "T"'),
        ("[gateway]", "[gаteway]", "1:2", '"gаteway" with a Cyrillic "а" (U+0430) as its 2nd character', '"gateway"'),
        ('serial = "23456789"', "serial = «23456789»", "18:10", "a typographic quote « (U+00AB)", "straight quotes"),
        ("speed = 9600", "speed\u00a0= 9600", "11:6", "a no-break space (U+00A0)", "a plain space"),
    ],
)
def test_a_character_that_only_looks_right_is_named_where_it_stands(
    house: House, old: str, new: str, place: str, found: str, expected: str
) -> None:
    house.change(old, new)
    fault = next(str(fault) for fault in house.faults() if fault.found != "nothing")
    assert fault.startswith(f"{house.file}:{place}: ")
    assert found in fault
    assert expected in fault.partition(", expected ")[2]


@pytest.mark.parametrize("name", ["кв-12", "подъезд 2", "Дом А", "block-B кв-12"])
def test_a_name_in_one_script_is_sound(house: House, name: str) -> None:
    house.change('"flat-12"', f'"{name}"')
    assert not [warning for warning in house.load().warnings if "one word" in warning]


def test_a_name_with_both_scripts_in_one_word_is_a_warning(house: House) -> None:
    house.change('"flat-12"', '"flаt-12"')
    house.write(house.file.read_text("utf-8").replace('"riser-1"', '"risеr-1"'))
    warnings = [warning for warning in house.load().warnings if "one word" in warning]
    assert warnings == [
        f'{house.file}:9:1: "risеr-1" with a Cyrillic "е" (U+0435) as its 4th character: '
        "Latin and Cyrillic letters in one word",
        f'{house.file}:14:1: "flаt-12" with a Cyrillic "а" (U+0430) as its 3rd character: '
        "Latin and Cyrillic letters in one word",
    ]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_byte_order_mark_and_either_line_end_change_nothing(house: House, mark: str, end: str) -> None:
    plain = house.load()
    house.file.write_bytes((mark + SOUND).replace("\n", end).encode())
    assert house.load() == plain


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_in_utf_16_is_named(house: House, encoding: str) -> None:
    house.file.write_bytes(SOUND.encode(encoding))
    fault = house.fault()
    assert (fault.line, fault.column) == (1, 1)
    assert fault.found.startswith("text in UTF-16")


def test_faults_of_syntax_and_of_meaning_are_told_together_each_line_once(house: House, meter: Meter) -> None:
    house.change("speed = 9600", "speed = fast")
    house.change('id = "gw-000123"', 'id = "gw/1"')
    house.change('serial = "23456789"', "serial 23456789")
    house.add(meter(point="«flat-13»", address=500))
    house.write(meter(point='"flat-14"', serial='"3', address=47), "conf.d/more.toml")
    assert [(fault.file.name, fault.line, fault.key) for fault in house.faults()] == [
        ("meterpost.toml", 2, "gateway.id"),
        ("meterpost.toml", 11, ""),
        ("meterpost.toml", 18, ""),
        ("meterpost.toml", 22, ""),
        ("meterpost.toml", 25, "meter[2].address"),
        ("more.toml", 7, ""),
    ]


def test_a_table_that_could_not_be_read_is_not_missed_as_well(house: House) -> None:
    house.change("[[bus]]", "[[bus x]]")
    assert [(fault.line, fault.key) for fault in house.faults()] == [(8, "")]
    house.write(SOUND.replace("[gateway]", "[gateway x]"))
    assert [(fault.line, fault.key) for fault in house.faults()] == [(1, "")]


def test_a_file_of_conf_d_that_cannot_be_read_hides_no_fault_of_the_others(house: House) -> None:
    house.write("", "conf.d/more.toml").write_bytes(b"\xff\xfe[\x00")
    house.change('id = "gw-000123"', 'id = "gw/1"')
    house.change('bus = "riser-1"', 'bus = "riser-9"')  # may stand in the file that cannot be read
    assert [(fault.file.name, fault.key) for fault in house.faults()] == [
        ("meterpost.toml", "gateway.id"),
        ("more.toml", ""),
    ]

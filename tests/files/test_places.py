"""Places of keys and values, judged by tomllib: what stands at a place is what tomllib read."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.files.places import KeyPath, Place, Places, scan

SAMPLE = '''\
# a comment with [brackets] and "quotes"
title = "a # is not a comment here" # this is
[gateway]
id = "gw-1"
  hold   =   "24h"
[[bus]]
name = "one"
[[bus]]
name = """two
lines = "no key" """
port = \'\'\'C:\\\'\'\'
[[meter]]
"quoted.key" = 1
tariffs = { T1 = "day", T2 = "night" }
list = [ 1, [2, 3], # two = 2
  { deep = "er" } ]
a.b . c = 1979-05-27 07:32:00
[[meter.before]]
serial = "1"
[[meter.before]]
serial = "2"
[meter.poll]
now = "1m"
[[meter]]
[[meter.before]]
serial = "3"
'''


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        (("title",), 2, 9),
        (("gateway", "id"), 4, 6),
        (("gateway", "hold"), 5, 14),
        (("bus", 0, "name"), 7, 8),
        (("bus", 1, "name"), 9, 8),
        (("bus", 1, "port"), 11, 8),
        (("meter", 0, "quoted.key"), 13, 16),
        (("meter", 0, "tariffs", "T2"), 14, 30),
        (("meter", 0, "list", 1, 1), 15, 17),
        (("meter", 0, "list", 2, "deep"), 16, 12),
        (("meter", 0, "a", "b", "c"), 17, 11),
        (("meter", 0, "before", 1, "serial"), 21, 10),
        (("meter", 0, "poll", "now"), 23, 7),
        (("meter", 1, "before", 0, "serial"), 26, 10),
    ],
)
def test_a_value_is_found_where_it_stands(path: KeyPath, line: int, column: int) -> None:
    assert scan(SAMPLE).of_value(path) == Place(line, column)


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        (("gateway",), 3, 1),
        (("gateway", "hold"), 5, 3),
        (("bus",), 6, 1),
        (("bus", 1), 8, 1),
        (("meter", 1), 24, 1),
        (("meter", 0, "poll"), 22, 1),
        (("meter", 0, "tariffs", "T2"), 14, 25),
        (("gateway", "id", "no", "such"), 4, 1),  # the nearest that was written
        (("nothing",), 1, 1),
    ],
)
def test_a_key_is_found_where_it_stands(path: KeyPath, line: int, column: int) -> None:
    assert scan(SAMPLE).of_key(path) == Place(line, column)


def test_windows_line_ends_do_not_move_a_place() -> None:
    assert scan(SAMPLE.replace("\n", "\r\n")) == scan(SAMPLE)


def leaves(value: Any, path: KeyPath = ()) -> dict[KeyPath, Any]:
    """Every value that is neither a table nor an array, by its path."""
    if isinstance(value, dict):
        return {p: v for key, inner in value.items() for p, v in leaves(inner, (*path, key)).items()}
    if isinstance(value, list):
        return {p: v for index, inner in enumerate(value) for p, v in leaves(inner, (*path, index)).items()}
    return {path: value}


def standing_at(text: str, place: Place) -> Any:
    """What tomllib reads when the text is cut before the place: the longest value that begins there."""
    rest = "\n".join(text.split("\n")[place.line - 1 :])[place.column - 1 :]
    for end in range(len(rest), 0, -1):
        try:
            return tomllib.loads(f"x = {rest[:end]}")["x"]
        except tomllib.TOMLDecodeError:
            continue
    raise AssertionError(f"no value stands at {place}")


def check_against_tomllib(text: str) -> None:
    """Every leaf has a place of its own, and cutting there gives the leaf (first or only value of the rest)."""
    places: Places = scan(text)
    expected = leaves(tomllib.loads(text))
    assert {path for path in expected if path} <= set(places.values)
    taken = [places.values[path] for path in expected]
    assert len(set(taken)) == len(taken)
    for path, value in expected.items():
        assert standing_at(text, places.values[path]) == value


# --- texts that are TOML in every shape: bare, quoted and dotted keys, inline tables, comments, multi-line strings

blanks = st.sampled_from(["", " ", "\t", "  "])
bare_keys = st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True)
strings = st.sampled_from(
    [
        '"plain"',
        "'literal \\'",
        '"esc \\" # ] } = , \\\\"',
        '"""a\nb = "c" [x]"""',
        "'''\nl'i''t'''",
        '"""q\\""""',
        '""""""',
    ]
)
scalars = st.one_of(
    strings,
    st.integers(-9999, 9999).map(str),
    st.sampled_from(
        ["true", "1.5", "-0.25e3", "1979-05-27", "07:32:00", "1979-05-27 07:32:00Z", "inf", "0xFF", "1_000"]
    ),
)
gaps = st.sampled_from(["", " ", "\n", " # a ] comment, {\n", "\n\n\t"])


@st.composite
def arrays(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    items = draw(st.lists(inner, max_size=3))
    body = "".join(
        draw(gaps) + item + draw(gaps) + ("," if index < len(items) - 1 else "") for index, item in enumerate(items)
    )
    return "[" + body + draw(gaps) + "]"


@st.composite
def quoted(draw: st.DrawFn, key: str) -> str:
    return draw(st.sampled_from([key, f'"{key}"', f"'{key}.x'", f'"\\u0041{key}"']))


@st.composite
def inline_tables(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    keys = draw(st.lists(bare_keys, max_size=3, unique=True))
    pairs = [
        f"{draw(blanks)}{draw(quoted(key))}{draw(blanks)}={draw(blanks)}{draw(inner)}{draw(blanks)}" for key in keys
    ]
    return "{" + ",".join(pairs) + "}"


values = st.recursive(scalars, lambda inner: st.one_of(arrays(inner), inline_tables(inner)), max_leaves=6)


@st.composite
def documents(draw: st.DrawFn) -> str:
    lines = []
    for name in draw(st.lists(bare_keys, max_size=3, unique=True)):
        lines.append(f"{draw(blanks)}{name}{draw(blanks)}={draw(blanks)}{draw(values)}{draw(blanks)}# end")
    for table in draw(
        st.lists(st.sampled_from(["[t]", "[ t.u ]", "[[m]]", "[[m.n]]", "[m.o]", '[[ "q r" . s ]]']), max_size=6)
    ):
        lines.append(table + draw(st.sampled_from(["", " # header"])))
        for name in draw(st.lists(bare_keys, max_size=2, unique=True)):
            key = draw(st.sampled_from([name, f"{name}.in.{name}", f'"{name}" . deep']))
            lines.append(f"{draw(blanks)}{key}{draw(blanks)}={draw(blanks)}{draw(values)}")
            lines.extend(draw(st.lists(st.sampled_from(["", "# comment = 1", "  "]), max_size=1)))
    return "\n".join(lines)


@pytest.mark.slow
@given(documents())
def test_every_value_is_found_where_tomllib_read_it(text: str) -> None:
    try:
        tomllib.loads(text)
    except (
        tomllib.TOMLDecodeError
    ):  # a key twice, or a table that another use forbids: refused before any place is asked
        return
    check_against_tomllib(text)


def test_the_sample_agrees_with_tomllib_in_every_value() -> None:
    check_against_tomllib(SAMPLE)

"""Arguments of requests: whatever comes in, values of the named types come out, or a reason."""

import contextlib
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.control import arguments

MORNING, NOON = datetime(2026, 11, 21, 6, tzinfo=UTC), datetime(2026, 11, 21, 12, tzinfo=UTC)
PERIOD = {"from": "2026-11-21T09:00:00+03:00", "to": "2026-11-21T12:00:00Z"}
PARSERS = {
    "nothing": arguments.nothing,
    "points": arguments.points,
    "read": arguments.read,
    "peek": arguments.peek,
    "fill": arguments.fill,
    "resend": arguments.resend,
    "read_new": arguments.read_new,
    "statement_action": arguments.statement_action,
    "exchange": arguments.exchange,
    "enter": arguments.enter,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = [
    "points", "kind", "from", "to", "trace", "from_seq", "to_seq", "point", "serial", "address", "do", "month",
    "by", "why", "late", "verb", "day", "data", "again", "figures", "at", "corrects", "sure",
]  # fmt: skip


@pytest.mark.parametrize(
    ("parser", "args", "checked"),
    [
        ("nothing", {}, {}),
        ("points", {}, {"points": None}),
        ("points", {"points": ["a", "b"]}, {"points": ("a", "b")}),
        ("read", {}, {"points": None, "kind": "now"}),
        ("read", {"points": ["a"], "kind": "network"}, {"points": ("a",), "kind": "network"}),
        ("fill", {"kind": "interval", **PERIOD}, {"points": None, "kind": "interval", "span": (MORNING, NOON)}),
        ("resend", {"from_seq": 1, "to_seq": 9}, {"seqs": (1, 9), "span": None}),
        ("resend", PERIOD, {"seqs": None, "span": (MORNING, NOON)}),
        ("peek", {"trace": True}, {"points": None, "kind": "now", "span": None, "trace": True}),
        ("peek", PERIOD, {"points": None, "kind": "now", "span": (MORNING, NOON), "trace": False}),
        ("read_new", {"point": "a", "serial": "1"}, {"point": "a", "serial": "1", "address": None}),
        ("exchange", {"verb": "answer", "data": "ff00"}, {"verb": "answer", "data": b"\xff\x00"}),
        (
            "exchange",
            {"verb": "make", "day": "2026-11-21"},
            {"verb": "make", "day": date(2026, 11, 21), "again": False},
        ),
        (
            "statement_action",
            {"do": "send", "points": ["a"], "month": None, "by": "ivanov", "why": "", "channel": "sms", "late": True},
            {"do": "send", "points": ("a",), "why": "", "by": "ivanov", "channel": "sms"}
            | {"correct": False, "again": False, "late": True},
        ),
        (
            "enter",
            {"point": "a", "figures": {"T1": "1"}, "at": PERIOD["from"], "serial": None, "by": "", "sure": True},
            {"point": "a", "figures": {"T1": "1"}, "at": MORNING, "serial": None, "by": ""}
            | {"corrects": False, "sure": True},
        ),
    ],
)
def test_arguments_come_checked(parser: str, args: dict[str, Any], checked: dict[str, Any]) -> None:
    assert PARSERS[parser](args) == checked


@pytest.mark.slow
@pytest.mark.parametrize("parser", PARSERS)
@given(args=st.dictionaries(st.sampled_from(KEYS), JSON))
def test_any_arguments_are_taken_or_refused_with_a_reason(parser: str, args: dict[str, Any]) -> None:
    with contextlib.suppress(ValueError):
        PARSERS[parser](args)

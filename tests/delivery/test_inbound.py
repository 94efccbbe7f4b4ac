"""Bytes from outside: receipts and commands."""

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.delivery.commands import Command, parse_command
from agent.delivery.inbound import DEEPEST, Ignored
from agent.delivery.receipts import LARGEST, Receipt, Refusal, parse_receipt
from tests.delivery.fakes import Operations

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def receipt(**more: Any) -> bytes:
    return json.dumps({"schema": "meterpost/receipt/1", "epoch": "e-1"} | more).encode()


def command(**more: Any) -> bytes:
    base = {"schema": "meterpost/command/1", "id": "c-1", "op": "read", "expires": "2026-11-21T11:00:00Z"}
    return json.dumps(base | more).encode()


def why(parse: Any, *arguments: Any) -> Ignored:
    with pytest.raises(Ignored) as caught:
        parse(*arguments)
    return caught.value


def test_a_receipt_names_ranges_and_refusals() -> None:
    found = parse_receipt(
        receipt(stored=[[1, 80], [83, 83]], refused=[{"seq": 81, "code": "unknown-point", "text": "нет точки"}]), "e-1"
    )
    assert found == Receipt(((1, 80), (83, 83)), (Refusal(81, "unknown-point", "нет точки"),))


def test_ranges_that_overlap_or_come_in_any_order_are_one_set() -> None:
    assert parse_receipt(receipt(stored=[[5, 9], [1, 4], [3, 6], [20, 20]]), "e-1").stored == ((1, 9), (20, 20))


def test_a_refusal_needs_no_text_and_a_long_one_is_cut() -> None:
    found = parse_receipt(receipt(refused=[{"seq": 1, "code": "x"}, {"seq": 2, "code": "x", "text": "y" * 500}]), "e-1")
    assert [len(item.text) for item in found.refused] == [0, 200]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b"[]", "malformed"),
        (b"null", "malformed"),
        (b'{"schema":"meterpost/receipt/1","epoch":"e-1","stored":NaN}', "malformed"),
        (b"[" * 60_000, "malformed"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "malformed"),
        (b"1" * 5000, "malformed"),
        (b" " * (LARGEST + 1), "too-large"),
        (receipt(schema="meterpost/receipt/2"), "schema"),
        (receipt(schema=None), "schema"),
        (receipt(schema="meterpost/command/1"), "schema"),
        (receipt(epoch="e-2"), "epoch"),
        (receipt(epoch=7), "epoch"),
        (receipt(stored={"1": 2}), "malformed"),
        (receipt(stored=[1, 2]), "malformed"),
        (receipt(stored=[[1]]), "malformed"),
        (receipt(stored=[[1, 2, 3]]), "malformed"),
        (receipt(stored=[[2, 1]]), "malformed"),
        (receipt(stored=[[0, 1]]), "malformed"),
        (receipt(stored=[[-5, 1]]), "malformed"),
        (receipt(stored=[[True, True]]), "malformed"),
        (receipt(stored=[[1.0, 2.0]]), "malformed"),
        (receipt(stored=[["1", "2"]]), "malformed"),
        (receipt(stored=[[1, 2**70]]), "malformed"),
        (receipt(stored=[[1, 5]], refused=[{"seq": 3, "code": "x"}]), "malformed"),
        (receipt(refused=[[81, "unknown-point"]]), "malformed"),
        (receipt(refused=[{"seq": 81}]), "malformed"),
        (receipt(refused=[{"seq": 81, "code": ""}]), "malformed"),
        (receipt(refused=[{"seq": 81, "code": "x", "text": 5}]), "malformed"),
        (receipt(refused=[{"seq": 81, "code": "x", "text": "\ud800"}]), "malformed"),
        (receipt(extra=json.loads("[" * DEEPEST + "]" * DEEPEST)), "malformed"),
    ],
)
def test_a_receipt_that_does_not_fit_is_ignored_with_its_reason(data: bytes, reason: str) -> None:
    assert why(parse_receipt, data, "e-1").reason == reason


def parse(payload: bytes) -> Command:
    return parse_command(payload, Operations("read"))


@pytest.mark.slow
@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_receipt_or_ignored(data: bytes) -> None:
    with contextlib.suppress(Ignored):
        parse_receipt(data, "e-1")
    with contextlib.suppress(Ignored):
        parse(data)


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(["stored", "refused", "epoch", "schema"]), JSON))
def test_any_content_of_a_receipt_is_a_receipt_or_ignored(members: dict[str, Any]) -> None:
    with contextlib.suppress(Ignored):
        parse_receipt(receipt(**members), "e-1")


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(["id", "op", "args", "expires", "schema"]), JSON), JSON)
def test_any_content_of_a_command_is_a_command_or_ignored(members: dict[str, Any], args: Any) -> None:
    with contextlib.suppress(Ignored):
        parse(command(args=args))
    with contextlib.suppress(Ignored):
        parse(command(**members))


def test_a_command_comes_with_its_arguments_parsed() -> None:
    expires = datetime(2026, 11, 21, 11, tzinfo=UTC)
    args = {"points": ["a"]}
    assert parse(command(args=args)) == Command("c-1", "read", args | {"parsed": True}, expires)


@pytest.mark.parametrize(
    "more",
    [
        {"op": "format-disk"},
        {"op": 5},
        {"args": []},
        {"args": {"wrong": 1}},
        {"expires": None},
        {"expires": "tomorrow"},
        {"expires": "2026-11-21T11:00:00"},
        {"expires": "0001-01-01T00:00:00+23:00"},
    ],
)
def test_bad_input_with_an_id_can_be_answered_by_a_reason(more: dict[str, Any]) -> None:
    trouble = why(parse, command(**more))
    assert trouble.id == "c-1"
    assert trouble.text


@pytest.mark.parametrize("identity", [None, "", 5, "x" * 65, "a\nb", "a\x00"])
def test_a_command_without_a_usable_id_is_ignored_without_a_reply(identity: Any) -> None:
    assert why(parse, command(id=identity)).id is None

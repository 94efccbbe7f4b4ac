import json
import zlib
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.delivery import payload
from agent.delivery.payload import DEFLATE_FROM, LARGEST, Envelope
from buffer.body import record_json
from drivers.reading import Identity
from tests.delivery.fakes import config, record

NOW = datetime(2026, 11, 21, 10, 15, 4, tzinfo=UTC)
ENVELOPE = Envelope("gw-7", "e-1")


def bodies(count: int) -> list[tuple[int, str]]:
    return [(seq, record_json(record(seq))) for seq in range(1, count + 1)]


def opened(data: bytes) -> bytes:
    return zlib.decompress(data) if data[:1] == b"\x78" else data


def test_a_batch_carries_the_stored_text_of_each_record_unchanged() -> None:
    exact = '{"seq":1,"values":{"1-0:32.7.0":230.10000000000000001}}'
    batch = ENVELOPE.batch([(1, exact)], NOW)
    head = (
        '{"schema":"meterpost/records/1","gateway":"gw-7","epoch":"e-1",'
        '"sent_at":"2026-11-21T10:15:04.000Z","records":['
    )
    assert batch.payload.decode() == head + exact + "]}"
    assert batch.seqs == (1,)


@pytest.mark.parametrize(
    ("count", "compress", "first"),
    [
        (DEFLATE_FROM - 1, "auto", b"\x7b"),
        (DEFLATE_FROM, "auto", b"\x78"),
        (200, "auto", b"\x78"),
        (200, "never", b"\x7b"),
    ],
)
def test_the_first_octet_tells_zlib_from_json(count: int, compress: str, first: bytes) -> None:
    batch = Envelope("gw-7", "e-1", compress).batch(bodies(count), NOW)
    assert batch.payload[:1] == first
    assert len(json.loads(opened(batch.payload))["records"]) == count


@pytest.mark.slow
@given(st.lists(st.integers(2, 30_000), min_size=1, max_size=40), st.integers(500, LARGEST))
def test_a_batch_never_exceeds_its_limit_and_takes_all_that_fit(sizes: list[int], largest: int) -> None:
    texts = [(seq, '"' + "ж" * ((size - 2) // 2) + '"') for seq, size in enumerate(sizes, 1)]
    batch = Envelope("gw-7", "e-1", "never", largest).batch(texts, NOW)
    assert len(batch.payload) <= largest
    assert batch.seqs == tuple(range(1, len(batch.seqs) + 1))
    if len(batch.seqs) < len(texts):
        following = Envelope("gw-7", "e-1", "never", 10**9).batch(texts[: len(batch.seqs) + 1], NOW)
        assert len(following.payload) > largest - 1


def test_a_backlog_of_energy_readings_takes_less_than_ten_octets_a_value() -> None:
    batch = ENVELOPE.batch(bodies(300), NOW)
    assert len(batch.payload) / (5 * len(batch.seqs)) < 10


def test_the_inventory_says_what_the_records_speak_of() -> None:
    found = json.loads(
        payload.inventory(config(), {"flat-1": Identity("23456789", "Mercury 230", "7.2.0", Decimal(1))})
    )
    assert found["points"] == [
        {
            "point": "flat-1",
            "bus": "riser-1",
            "driver": "mercury230",
            "address": "45",
            "serial": "23456789",
            "account": "230100456789",
            "ratio": 1,
            "tariffs": {"T1": "day", "T2": "night"},
            "installed": date(2026, 11, 21).isoformat(),
            "before": [{"serial": "1234567", "removed": "2026-11-21", "final": {}}],
            "identity": {"serial": "23456789", "model": "Mercury 230", "firmware": "7.2.0", "ratio": 1},
        }
    ]


def test_the_inventory_holds_no_secret() -> None:
    from dataclasses import replace

    from agent.config.values import Secret

    settings = config(password=Secret("s3cret"), username="gw-7")
    settings = replace(settings, meters=(replace(settings.meters[0], password=b"meterpw"),))
    text = payload.inventory(settings, {})
    assert b"s3cret" not in text
    assert b"meterpw" not in text


def test_a_reply_may_tell_a_float_of_a_status_as_its_shortest_decimal() -> None:
    assert json.loads(payload.reply("c-1", {"ok": True, "result": {"age": 0.1, "list": [2.5]}}))["result"] == {
        "age": 0.1,
        "list": [2.5],
    }

"""Whatever comes down the line, DLMS decoders raise declared errors only, in bounded time."""

import itertools
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.fuzz_dlms import inputs, one


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_random_and_mutated_messages_raise_declared_errors_only(seed: int) -> None:
    begin = time.process_time()
    for data in itertools.islice(inputs(random.Random(seed)), 2500):
        one(data)
    assert time.process_time() - begin < 60


@pytest.mark.slow
@settings(max_examples=300)
@given(st.binary(max_size=120))
def test_any_octets_raise_declared_errors_only(data: bytes) -> None:
    one(data)

"""Faults are the same for the same seed and know no protocol."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.faults import KINDS, Fate, Fault, Faults

ANSWER = bytes(range(1, 20))
CHANCES = dict.fromkeys(KINDS, 0.1)


@pytest.mark.parametrize("seed", [0, 1, 2026])
def test_the_same_seed_gives_the_same_faults(seed: int) -> None:
    first, second = (Faults(chances=CHANCES, seed=seed) for _ in range(2))
    fates = [first.fate(ANSWER, b"request", [b"other"]) for _ in range(200)]
    assert fates == [second.fate(ANSWER, b"request", [b"other"]) for _ in range(200)]
    assert {fate.kind for fate in fates} == {*KINDS, None}
    assert first.struck == second.struck


def test_another_seed_gives_other_faults() -> None:
    first, second = (Faults(chances=CHANCES, seed=seed) for seed in (1, 2))
    assert [first.fate(ANSWER) for _ in range(50)] != [second.fate(ANSWER) for _ in range(50)]


def test_a_script_is_followed_entry_by_entry_and_then_all_is_sound() -> None:
    faults = Faults(["drop", None, Fault("late", 2.5), Fault("hang-up", 3.0), "echo"])
    assert faults.fate(ANSWER) == Fate(b"", kind="drop")
    assert faults.fate(ANSWER) == Fate(ANSWER)
    assert faults.fate(ANSWER) == Fate(ANSWER, late=2.5, kind="late")
    assert faults.fate(ANSWER) == Fate(ANSWER[:9], away=3.0, kind="hang-up")
    assert faults.fate(ANSWER, b"?!") == Fate(b"?!" + ANSWER, kind="echo")
    assert [faults.fate(ANSWER) for _ in range(100)] == [Fate(ANSWER)] * 100
    assert faults.struck["drop"] == faults.struck["echo"] == 1


@given(st.binary(min_size=1, max_size=40), st.integers())
def test_a_flip_changes_exactly_one_bit(answer: bytes, seed: int) -> None:
    data = Faults(["flip"], seed=seed).fate(answer).data
    difference = int.from_bytes(data, "big") ^ int.from_bytes(answer, "big")
    assert len(data) == len(answer)
    assert difference.bit_count() == 1


@given(st.binary(min_size=2, max_size=40), st.integers())
def test_a_cut_leaves_a_true_beginning(answer: bytes, seed: int) -> None:
    data = Faults(["cut"], seed=seed).fate(answer).data
    assert 1 <= len(data) < len(answer)
    assert answer.startswith(data)


@given(st.binary(min_size=1, max_size=40), st.integers())
def test_noise_stands_beside_the_answer(answer: bytes, seed: int) -> None:
    before, after = (Faults([kind], seed=seed).fate(answer).data for kind in ("noise-before", "noise-after"))
    assert before.endswith(answer)
    assert after.startswith(answer)
    assert len(before) > len(answer) < len(after)


def test_a_foreign_answer_is_another_meters_frame_or_silence() -> None:
    assert Faults(["foreign"]).fate(ANSWER, others=[b"theirs"]).data == b"theirs"
    assert Faults(["foreign"]).fate(ANSWER).data == b""
    assert Faults([Fault("foreign", data=b"given")]).fate(ANSWER, others=[b"theirs"]).data == b"given"


def test_an_unknown_fault_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'flop': one of drop, late, flip"):
        Faults(["flop"])


@pytest.mark.parametrize("chances", [{"drop": 1.1}, {"drop": -0.1}, {"drop": 0.6, "late": 0.6}])
def test_chances_that_are_none_are_refused(chances: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Faults(chances=chances)

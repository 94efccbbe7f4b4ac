"""What drivers remember of their meters, whichever family it is."""

import pytest

from drivers.learned import Brought, Refusals


def test_what_was_refused_is_left_alone_for_its_polls_and_then_asked_again() -> None:
    refused = Refusals(3)
    assert not refused.spares("a") and "a" not in refused
    refused.add("a")
    assert [refused.spares("a") for _ in range(5)] == [True, True, True, False, False]
    assert "a" in refused, "that it was refused is known until it answers"
    refused.answered("a")
    assert "a" not in refused
    refused.answered("never asked")


def test_a_poll_of_several_leaves_alone_those_refused_before_and_keeps_those_refused_now() -> None:
    refused = Refusals(1)
    with refused.of({"a", "b"}) as leave:
        assert leave == set()
        leave.add("b")
    with refused.of({"a", "b"}) as leave:
        assert leave == {"b"}
    with refused.of({"a", "b"}) as leave:
        assert leave == set()


def test_a_refusal_is_kept_also_where_the_poll_broke_off() -> None:
    refused = Refusals(2)
    with pytest.raises(ValueError), refused.of({"a"}) as leave:
        leave.add("a")
        raise ValueError
    assert refused.spares("a")


def test_a_register_that_came_once_is_missed_in_its_kind() -> None:
    brought = Brought()
    assert not brought.lacks("now", {"1-0:1.8.0": 1})
    assert not brought.lacks("now", {"1-0:1.8.0": 2, "1-0:1.8.1": 2})
    assert brought.lacks("now", {"1-0:1.8.0": 3}) and brought.lacks("now", {"1-0:1.8.0": 4})
    assert not brought.lacks("network", {"1-0:32.7.0": 230})

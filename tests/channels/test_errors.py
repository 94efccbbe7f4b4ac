"""What others say on a way beside MQTT comes to a log and to a terminal: as words, never as orders to them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.channels.errors import ChannelError, Kind, plain


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Показания приняты: Т1 2000", "Показания приняты: Т1 2000"),
        ("550 no\r\nmeterpost: all is well", "550 no meterpost: all is well"),
        ("taken\x1b[2J\x1b]0;title\x07", "taken [2J ]0;title"),
        ("left\u202eright", "left right"),
    ],
)
def test_an_answer_is_shown_in_one_line_without_what_moves_a_cursor(said: str, shown: str) -> None:
    assert plain(said) == shown
    assert str(ChannelError(said, Kind.REFUSED)) == shown


@pytest.mark.slow
@given(st.text())
def test_whatever_is_said_can_be_printed(said: str) -> None:
    assert all(sign == " " or sign.isprintable() for sign in plain(said))
    assert plain(plain(said)) == plain(said)

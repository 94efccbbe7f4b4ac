"""What a test knows to be there, said so that the type checker knows it too."""

from typing import TypeVar

T = TypeVar("T")


def present(value: T | None) -> T:
    assert value is not None
    return value

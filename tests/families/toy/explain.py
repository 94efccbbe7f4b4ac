"""The toy's frames as text."""

from protocols.errors import BadFrame
from tests.families.toy.session import unseal


def explain(data: bytes, answer_to: bytes | None = None) -> list[str]:
    """One line; never raises."""
    try:
        text = unseal(data)
    except BadFrame as trouble:
        return [str(trouble)]
    return [f"toy {text}" + ("" if answer_to is None else ", as it was asked")]

"""A meter that could not be read, as the commands and replies show it."""

from protocols.errors import MeterError


def failure(point: str, trouble: MeterError) -> dict[str, str]:
    """``failed`` of ``meterpost read --json``."""
    return {"point": point, "error": f"{trouble.word}: {trouble}", "hint": trouble.hint, "layer": trouble.layer}

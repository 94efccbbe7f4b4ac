"""DLMS frames for ``meterpost decode``; the protocol's own words are imported when they are asked for."""

from functools import partial

from drivers.dlms.settings import key, title
from drivers.family import Explain, FrameKeys
from protocols.dlms.security import Keys


def explained() -> Explain:
    from protocols.dlms.explain import explain

    return explain


def unlocked(given: FrameKeys) -> Explain:
    """ValueError whose text does not show a key."""
    from protocols.dlms.explain import explain

    keys = None
    if given.block is not None or given.authentication is not None:
        authentication = None if given.authentication is None else key(given.authentication, "authentication key")
        keys = Keys(key(given.block, "encryption key"), authentication)
    return partial(explain, keys=keys, title=title(given.title, "system title") if given.title else b"")

"""Another master's sign-ons and commands on the line (IEC 62056-21 §6.3.1, §6.3.7)."""

import re
from collections.abc import Iterator

from protocols.iec62056.frames import low7
from protocols.overheard import Overheard

_ASKED = re.compile(
    rb"/\?([0-9A-Za-z .]{0,32})!\r?\n|\x01(?:[RW][1-6]|P[12])\x02[^\x01\x03\x04]*[\x03\x04].", re.DOTALL
)


def questions(octets: bytes, ours: bytes) -> Iterator[Overheard]:
    """What asks a meter, except ``ours``. Commands carry no address."""
    for found in _ASKED.finditer(low7(octets)):
        if found[0] != ours:
            yield Overheard((found[1] or b"").decode() or "any", True, found[0])

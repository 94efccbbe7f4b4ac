"""What one poll of a DLMS meter puts on the wire, for the bus-time budget of ``check``. Sizes are of SPODES meters
with long64 registers; the longest answers of a profile travel in frames of the offered size."""

from drivers.dlms.settings import Association
from drivers.reading import Exchange, Topic

THINKING = 0.05  # s from the end of a request to the first octet of the answer; usual for SPODES meters at 9600
LLC, ENVELOPE, SEALED = 3, 10, 21  # octets: LLC, flags to FCS without addresses, ciphering
OPENING = ((31, 33), (62, 46))  # SNRM and UA, AARQ and AARE, without addresses
HLS = (34, 36)
CLOSING = (0, 0)
REGISTER = 10  # octets of an answer for each long64 register
DESCRIPTOR = 10
ROWS = {"interval": (1, 52), "day": (1, 196), "month": (1, 205), "event": (10, 25), "network": (1, 130)}
IDENTITY = ((24, 30),)  # serial number and firmware
RANGE = 62  # octets of a GET by range


def exchanges(kind: Topic, energies: int, address: int, how: Association, wrapper: bool) -> tuple[Exchange, ...]:
    """Log-in, identification and this kind's own questions; addresses of ``address`` octets."""
    envelope = 8 if wrapper else ENVELOPE + address + 1
    sealed = SEALED if how.control else 0

    def exchange(request: int, answer: int) -> Exchange:
        return Exchange(request + envelope, answer + envelope, THINKING)

    found = [] if wrapper else [exchange(*OPENING[0])]
    found.append(exchange(*(part + sealed for part in OPENING[1])))
    if how.mechanism > 1:
        found.append(exchange(*(part + sealed for part in HLS)))
    asked = list(IDENTITY)
    if kind == "now":
        asked.append((LLC + 4 + energies * DESCRIPTOR, LLC + 4 + energies * REGISTER))
    elif kind in ROWS:
        count, octets = ROWS[kind]
        asked.append((RANGE, count * octets + 10))
    for request, answer in asked:
        found.append(exchange(request + sealed, answer + sealed))
        for _ in range((answer + sealed) // max(1, how.limits.receive)):  # each further frame costs a poll
            found.append(exchange(0, 0))
    if not wrapper:
        found.append(exchange(*CLOSING))
    return tuple(found)

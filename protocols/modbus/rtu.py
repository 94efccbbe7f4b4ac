"""Finding the one right answer among the octets of an RTU line.

The rule, in the order in which it is applied:

* our own request coming back (an adapter that hears itself) is dropped;
* an answer is ours if unit, function (or function | 80h) and byte count are those of the question and the CRC over
  exactly that length holds;
* a sound frame of our unit with another function or length is a late answer to another question: the line is out of
  step, everything is thrown away (BadFrame). The same holds when a second answer hangs behind the first one;
* frames of other units and stray octets are skipped, octet by octet: they say nothing about our unit. A stray octet
  before the answer (missing bias, a late turnaround) is common.
* a sound question that is not ours, before or behind the answer, is another master's: nothing is believed then.

What is left when the line falls silent is BadFrame. A late answer of the same length as the right one cannot be told
here: that is what draining and ``Session.proof`` are for.
"""

from protocols.checksums import crc16_modbus
from protocols.errors import BadFrame, WrongAddress, WrongCheck
from protocols.modbus.wire import identification_size

LONGEST = 256  # Modbus over Serial Line V1.02 §2.5.1


def seal(frame: bytes) -> bytes:
    """Unit and PDU with their CRC, low octet first (Modbus over Serial Line V1.02 §6.2.2)."""
    return frame + crc16_modbus(frame).to_bytes(2, "little")


def find(heard: bytes, request: bytes, expected: int | None, silent: bool) -> bytes | None:
    """Our answer without its CRC, None while it may still come, BadFrame when it cannot.

    ``expected``: the byte count of the answer; None where the answer tells its own length (function 43).
    """
    unit, function, start = request[0], request[1], 0
    while (start := heard.find(unit, start)) >= 0:
        rest = heard[start:]
        if rest.startswith(request):
            start += len(request)
            if start == len(heard):
                return None  # nothing but our echo: the meter may still answer
            continue
        if request.startswith(rest) and not silent:
            return None
        size, ours = _shape(rest, function, expected)
        if ours and (size is None or len(rest) < size):
            if not silent:
                return None
        elif size is not None and len(rest) >= size and crc16_modbus(rest[:size]) == 0:
            if not ours:
                raise BadFrame(f"a late answer to another question: {rest[:size].hex(' ')}")
            if len(rest) >= size + 5 and rest[size] == unit:
                raise BadFrame(f"more than one answer came: {rest.hex(' ')}")
            return rest[: size - 2]
        start += 1
    if silent:
        raise _complaint(heard, request, expected)
    if len(heard) > 2 * LONGEST:
        raise BadFrame(f"unit {unit}: {len(heard)} octets without its answer, from {heard[:16].hex(' ')}")
    return None


def _complaint(heard: bytes, request: bytes, expected: int | None) -> BadFrame:
    """What came instead of an answer, as far as it can be told."""
    unit, function = request[0], request[1]
    size, ours = _shape(heard, function, expected)
    if size == len(heard) and not crc16_modbus(heard):
        return WrongAddress(f"unit {heard[0]} answered, {unit} was asked: {heard.hex(' ')}")
    if heard[0] == unit and ours and size == len(heard):
        return WrongCheck(f"unit {unit}: wrong check sum: {heard.hex(' ')}")
    return BadFrame(f"unit {unit}: no frame of this question in {heard.hex(' ')}")


def _shape(rest: bytes, function: int, expected: int | None) -> tuple[int | None, bool]:
    """Length of the frame that would begin here (CRC included; None: cannot be told yet) and whether it can be ours."""
    if len(rest) < 3:
        return None, len(rest) < 2 or rest[1] in (function, function | 0x80)
    code = rest[1]
    if code & 0x80:
        return 5, code == function | 0x80
    if code == 0x2B:
        size = identification_size(rest[1:])
        return None if size is None else size + 3, code == function and rest[2] == 0x0E
    if 1 <= code <= 4:
        return 5 + rest[2], code == function and rest[2] == expected
    return None, False


def question_sizes(rest: bytes) -> tuple[int, ...]:
    """Octets of the request that would begin here, CRC included; () where none does."""
    code = rest[1]
    if 1 <= code <= 6:
        return (8,)
    if code in (15, 16):
        return (9 + rest[6],) if len(rest) > 6 else ()
    return (7,) if code == 0x2B else ()


def answer_sizes(rest: bytes) -> tuple[int, ...]:
    """The same of an answer."""
    if rest[1] in (5, 6, 15, 16):
        return (8,)
    size, _ = _shape(rest, rest[1], None)
    return () if size is None else (size,)

"""Finding the one right answer in the stream of a Modbus TCP connection: frames are numbered, so late ones show."""

from protocols.errors import BadFrame, WrongAddress

HEADER = 7  # transaction, protocol, length, unit: Modbus Messaging on TCP/IP V1.0b §3.1.3
LONGEST = 260


def wrap(transaction: bytes, frame: bytes) -> bytes:
    """Unit and PDU behind their header; ``transaction`` are its two octets."""
    return transaction + b"\0\0" + len(frame).to_bytes(2, "big") + frame


def find(heard: bytes, request: bytes, silent: bool) -> tuple[bytes | None, bytes]:
    """(our answer from the unit on or None, what is left to look at). Answers of other transactions are skipped.

    BadFrame when the stream is not Modbus TCP, when another unit answers under our number, or when the line fell
    silent inside a frame.
    """
    while len(heard) >= HEADER:
        transaction, protocol, length = heard[:2], heard[2:4], int.from_bytes(heard[4:6], "big")
        if protocol != b"\0\0" or not 3 <= length <= LONGEST - 6:
            raise BadFrame(f"no Modbus TCP: {heard[:16].hex(' ')}")
        if len(heard) < 6 + length:
            break
        answer, heard = heard[6 : 6 + length], heard[6 + length :]
        if transaction == request[:2]:
            if answer[0] != request[6]:
                raise WrongAddress(f"unit {answer[0]} answered, {request[6]} was asked: {answer.hex(' ')}")
            return answer, heard
    if silent and heard:
        raise BadFrame(f"cut off: {heard.hex(' ')}")
    return None, heard

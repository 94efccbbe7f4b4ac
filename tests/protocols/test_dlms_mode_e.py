"""Opening through IEC 62056-21 mode E: 300 bit/s 7E1, then HDLC at the agreed speed."""

from protocols.session import Line
from tests.support.dlms import NOW, Wire, driver, household, plan, spodes, station


def test_a_meter_that_wants_a_sign_on_is_opened_at_300_and_read_at_its_speed() -> None:
    there = station(spodes())

    def answer(sent: bytes) -> bytes:
        if sent == b"/?!\r\n":
            return b"/MPT5\\2meter\r\n"
        if sent == b"\x06252\r\n":
            return sent  # the meter repeats the option at the new speed
        return there.answer(sent)

    reads = driver(plan(opening="mode-e"))
    session = reads.session()
    wire = Wire(session, answer)
    reads.open(wire)
    assert reads.identify(wire).serial == "40701"
    assert reads.now(wire).values["1-0:1.8.0"] == household().energy(NOW)["total"]
    assert wire.sent[:2] == [b"/?!\r\n", b"\x06252\r\n"]
    assert wire.lines[0] == Line(300, "7E1")
    assert set(wire.lines[1:]) == {Line(9600, "8N1")}

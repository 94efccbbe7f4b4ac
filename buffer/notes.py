"""The list of all durable facts beside the records: what the table ``notes`` of the store may hold.

A note's key is ``key``, where it ends in a colon followed by what it is about (a point, a day, an id). Whoever writes a
note takes its key from here. ``docs/store.md`` has the same list for people; a test keeps both equal.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Note:
    """``checksummed``: a JSON document behind a CRC-32 (:mod:`agent.meters.sealed`), so that what was damaged is
    unknown and not wrong; else plain text."""

    key: str
    checksummed: bool
    about: str  # what follows the colon
    says: str

    def of(self, *about: str) -> str:
        """The whole key."""
        return self.key + ":".join(about)


PASSWORD_REFUSED = Note("denied:", False, "POINT", "when the meter refused its password")
PAUSED = Note("paused:", False, "POINT", "that it is not polled until `meterpost resume`")
UNEXPECTED = Note("foreign:", True, "POINT", "which unexpected serial numbers an event was raised for")
SECOND_MASTER = Note("second-master:", False, "BUS", "when an event of another master on it was raised")
METER_CLOCK = Note("clock:", True, "POINT", "what was reported and tried about the meter's clock")
JOURNALS = Note("journals", True, "", "until when each meter's journals were read")
FRAME_COUNTER = Note("counter:", False, "KEY", "the next frame counter that no ciphered message has used")
ABSENT = Note("absent:", True, "POINT:SERIAL:KIND", "which slots the meter does not have")
PLAN = Note("plan:", True, "POINT", "for which periods `plan-exceeded` was raised")
READING_DUE = Note("reading-due:", False, "POINT", "the month whose reading was asked for")
CALENDAR = Note("calendar:", False, "JOB", "the local day on which a daily job last ran")
SYNCED_BOOT = Note("synced-boot", False, "", "the boot in which the kernel's clock was synchronised")
STATEMENT = Note("statement:", True, "POINT:MONTH", "every step of a month's statement")
STATEMENTS_SINCE = Note("statements:", False, "POINT", "since when the point's windows are watched")
STATEMENTS_EPOCH = Note("statements-epoch", False, "", "the epoch of the last check at statements")
EXCHANGE = Note("exchange:", True, "DAY", "what became of a day's exchange file")
COMMAND = Note("command:", False, "ID", "when a command that was executed expires")

NOTES = (
    PASSWORD_REFUSED,
    PAUSED,
    UNEXPECTED,
    SECOND_MASTER,
    METER_CLOCK,
    JOURNALS,
    FRAME_COUNTER,
    ABSENT,
    PLAN,
    READING_DUE,
    CALENDAR,
    SYNCED_BOOT,
    STATEMENT,
    STATEMENTS_SINCE,
    STATEMENTS_EPOCH,
    EXCHANGE,
    COMMAND,
)

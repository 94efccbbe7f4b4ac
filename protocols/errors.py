"""What can go wrong on a line. The class says what the caller does next."""


class MeterError(Exception):
    """Anything a dialogue with a meter can end in; never holds a secret."""


class LinkLost(MeterError):
    """The port is gone: close it, wait, open it again."""


class NoReply(MeterError):
    """Silence in due time: drain, prove the channel in step, ask again, then the next meter."""


class BadFrame(MeterError):
    """Bytes came, but no frame of this dialogue: drain, ask again. The message holds the bytes in hex."""


class Refused(MeterError):
    """A sound frame says no: not asked again in this round; asked again later, rarely."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class Busy(MeterError):
    """A sound frame says: not now. Ask again after a pause."""


class NotLoggedIn(MeterError):
    """The meter forgot us: open the session, ask once more."""


class AccessDenied(MeterError):
    """Wrong password or level: not tried again within the hour, some meters lock."""

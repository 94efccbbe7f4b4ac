"""What can go wrong on a way beside MQTT. The kind says what the caller does next."""

import enum


class Kind(enum.StrEnum):
    """``UNCLEAR`` stands alone: with every other kind it is certain that nothing has left."""

    PORT = "port"  # the modem's port cannot be opened or went away
    NO_ANSWER = "no-answer"  # the port is there, the modem is silent
    NO_SIM = "no-sim"
    PIN_NEEDED = "pin-needed"
    WRONG_PIN = "wrong-pin"
    PUK_NEEDED = "puk-needed"
    NO_NETWORK = "no-network"
    UNREACHABLE = "unreachable"  # the mail server: no name, no connection, no answer in time
    TLS = "tls"  # its certificate is not what was expected
    LOGIN = "login"  # it does not take our name and password
    LATER = "later"  # it, or the network, says: not now
    REFUSED = "refused"  # it says: never
    UNCLEAR = "unclear"  # the message was given away and no answer came


AGAIN = (Kind.PORT, Kind.NO_ANSWER, Kind.NO_NETWORK, Kind.UNREACHABLE, Kind.LATER)

HINTS = {
    Kind.PORT: "is the modem plugged in, and no other program on it? (meterpost ports lists what there is)",
    Kind.NO_ANSWER: "is it the modem's AT port (often the third of several), does it have power?",
    Kind.NO_SIM: "put the SIM card in, contacts clean, and start the modem again",
    Kind.PIN_NEEDED: "name the file with the SIM's PIN (pin_file in [modem]), or switch its question off with a phone",
    Kind.WRONG_PIN: "put the SIM into a phone, make sure of the PIN, write it into the configuration, then: "
    "meterpost channels forget-pin",
    Kind.PUK_NEEDED: "put the SIM into a phone and enter the PUK of its envelope",
    Kind.NO_NETWORK: "look at the antenna and at whether the SIM is paid and activated",
    Kind.UNREACHABLE: "is the gateway online, are host and port in [mail] right?",
    Kind.TLS: "the server must prove its name: see ca_file and tls in [mail]",
    Kind.LOGIN: "look at username and password in [mail]; many providers want a password made for programs",
    Kind.LATER: "it may work later",
    Kind.REFUSED: "it will not work by trying again",
    Kind.UNCLEAR: "ask the receiver before anything is sent again",
}


class ChannelError(Exception):
    """A message did not get through, or no one knows (``UNCLEAR``). Says what happened, holds no secret."""

    def __init__(self, text: str, kind: Kind, hint: str = "") -> None:
        super().__init__(plain(text))
        self.kind = kind
        self.hint = hint or HINTS[kind]

    @property
    def again(self) -> bool:
        """Nothing has left, and the same may work later without an operator."""
        return self.kind in AGAIN

    @property
    def unclear(self) -> bool:
        """It may have left: never send again without an operator's word."""
        return self.kind is Kind.UNCLEAR


def plain(text: str) -> str:
    """What someone outside has said, in one line: nothing in it moves a terminal's cursor or ends a line of a log."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())

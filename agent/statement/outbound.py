"""The ways beside MQTT: what would leave by which, and who carries it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol, runtime_checkable
from zoneinfo import ZoneInfo

from agent.config.utility.profile import Profile, SmsTemplate
from agent.config.utility.window import Window
from agent.config.values import Config, Meter
from agent.statement.figures import padded
from agent.statement.log import Attempt, StatementLog
from agent.statement.template import filled
from buffer.record import number_text

if TYPE_CHECKING:
    from agent.channels.inbox import DeliveryReport, Received
    from agent.channels.sms import Modem
    from agent.config.values import MailSettings as MailServer

CLOCKS_APART = timedelta(minutes=10)  # the service centre's clock and ours


@dataclass(frozen=True, slots=True)
class StatementMessage:
    """What leaves by a channel. ``id`` names the figures: a double can be recognised by it."""

    channel: str
    to: str
    text: str
    subject: str = ""
    id: str = ""


class OutboundChannel(Protocol):
    """A channel. It blocks for as long as a network takes."""

    def send(self, message: StatementMessage) -> str:
        """The channel's own reference, once the message has left. ChannelError: it has not; ``unclear``: who knows."""


@runtime_checkable
class Listening(Protocol):
    """A channel by which the utility may answer; see :class:`SmsChannel`."""

    def look(self) -> "tuple[Sequence[Received], Sequence[DeliveryReport]]": ...
    def forget(self, handed_on: "Sequence[Received | DeliveryReport]") -> None: ...


def answers(received: "Received", form: SmsTemplate, account: str, since: datetime) -> bool:
    """Whether this is the utility's confirming message for the account, and no older than ours."""
    from agent.channels.sms import same_number

    pattern = re.sub(r"(?<!\w)ACCOUNT(?!\w)", lambda _: re.escape(account), form.answer or "")
    recent = received.at is None or received.at >= since - CLOCKS_APART
    sender = form.answer_from or form.number
    return recent and same_number(received.sender, sender) and re.search(pattern, received.text) is not None


def message(
    channel: str, gateway: str, meter: Meter, profile: Profile, window: Window, log: StatementLog
) -> StatementMessage:
    """The utility's form of words with the log's present figures. ValueError where the profile has no such channel."""
    attempt = log.attempt
    form = {"sms": profile.sms, "mail": profile.mail}.get(channel)
    if attempt is None or form is None:
        raise ValueError(f"{profile.name} has no channel {channel!r}")
    facts = facts_of(meter, attempt, window.zone, pad=form.pad)
    name = f"statement.{gateway}.{log.point}.{log.month}.{len(log.attempts)}"
    if channel == "sms":
        assert profile.sms is not None  # the form above
        return StatementMessage("sms", profile.sms.number, filled(profile.sms.text, facts), id=name)
    assert profile.mail is not None
    subject, body = filled(profile.mail.subject, facts), filled(profile.mail.body, facts)
    return StatementMessage("mail", profile.mail.to, body, subject, name)


def facts_of(meter: Meter, attempt: Attempt, zone: ZoneInfo, *, pad: bool = False) -> dict[str, str]:
    """What the words of a template stand for."""
    told = attempt.statement
    digits = meter.digits if pad else None
    figures = {name: padded(figure, digits) for name, figure in attempt.figures.items()}
    year, month = told["month"].split("-")
    found = {
        **figures,
        "ACCOUNT": str(told["account"]),
        "METER": attempt.meter,
        "MODEL": meter.driver,
        "POINT": meter.point,
        "PLACE": meter.place or "",
        "RATIO": number_text(told["ratio"]),
        "MONTH": f"{month}.{year}",
        "DATE": _day(told["read_at_register"], zone),
        "READING": " ".join(figures.values()),
        "CONSUMPTION": " ".join(str(told["consumption"][name]) for name in figures if name in told["consumption"]),
        "LAST": " ".join(padded(int(told["last"][name]), digits) for name in figures if name in told["last"]),
        "LASTDATE": _day(told["since"], zone) if told["since"] else "",
    }
    return {name: fact for name, fact in found.items() if fact}


def _day(text: str, zone: ZoneInfo) -> str:
    return f"{datetime.fromisoformat(text).astimezone(zone):%d.%m.%Y}"


class SmsChannel:
    def __init__(self, modem: "Modem") -> None:
        self._modem = modem

    def send(self, message: StatementMessage) -> str:
        """TP-MR of each part, as the network gave them."""
        return ",".join(map(str, self._modem.send(message.to, message.text).references))

    def look(self) -> "tuple[Sequence[Received], Sequence[DeliveryReport]]":
        """What came in, and delivery reports; they stay in the modem until ``forget``."""
        return self._modem.look()

    def forget(self, handed_on: "Sequence[Received | DeliveryReport]") -> None:
        """They are kept elsewhere now, or of no use."""
        if handed_on:
            self._modem.forget(handed_on)


class MailChannel:
    def __init__(self, server: "MailServer") -> None:
        self._server = server

    def send(self, message: StatementMessage) -> str:
        """The e-mail's own Message-ID."""
        from agent.channels.mail import Email, send, stable_id

        name = stable_id(self._server, message.id)
        send(self._server, Email(message.to, message.subject, message.text), name)
        return name


def channels(config: Config) -> Mapping[str, OutboundChannel]:
    """The channels that this gateway has."""
    found: dict[str, OutboundChannel] = {}
    if config.modem is not None:
        from agent.channels.sms import Modem

        found["sms"] = SmsChannel(Modem(config.modem, config.gateway.state_dir))
    if config.mail is not None:
        found["mail"] = MailChannel(config.mail)
    return found

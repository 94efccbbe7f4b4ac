"""Letters through the SMTP server that ``[mail]`` names (RFC 5321, 3207, 8314).

Blocks for as long as a server takes: call it in a thread of its own.
"""

import hashlib
import re
import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses, parseaddr

from agent.channels.errors import ChannelError, Kind
from agent.config.values import MailSettings

CONNECT = 30.0  # s for the connection and for each answer before the text
ACCEPT = 600.0  # s for the answer to the text (RFC 5321, clause 4.5.3.2.6: at least 10 minutes)
DONE, GO_AHEAD = range(200, 300), range(354, 355)  # answers (RFC 5321, clauses 4.2.1 and 4.3.2)
LOCAL = ("localhost", "127.0.0.1", "::1")

Attachment = tuple[str, bytes, str]  # file name, content, MIME type as "text/csv"


@dataclass(frozen=True, slots=True)
class Email:
    """What is sent. ``to``: one address or several; all of them get it, or none."""

    to: str | tuple[str, ...]
    subject: str
    body: str
    attachments: tuple[Attachment, ...] = ()

    @property
    def receivers(self) -> tuple[str, ...]:
        return (self.to,) if isinstance(self.to, str) else self.to


@dataclass(frozen=True, slots=True)
class MailState:
    """What the server showed. ``tls``: the version, None on a plain line."""

    greeting: str
    tls: str | None
    logged_in: bool
    longest: int | None  # bytes of an e-mail that it takes (RFC 1870); None: it does not say


def stable_id(config: MailSettings, key: str) -> str:
    """The same for the same key, so that an e-mail that came twice is known as one, and another for any other: mail
    servers drop what they take for a double. ``key``: letters, digits and ``._-`` as they are; other signs become
    ``-``, and a digest keeps such keys apart."""
    name = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "._-") else "-" for sign in key)
    if name != key:
        name += "." + hashlib.sha256(key.encode()).hexdigest()[:12]
    return f"<meterpost.{name}@{parseaddr(config.sender)[1].rpartition('@')[2] or config.host}>"


def send(
    config: MailSettings,
    email: Email,
    message_id: str,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    accept: float = ACCEPT,
) -> None:
    """Hand an e-mail to the server, which then answers for it within ``accept`` seconds.

    ChannelError ``unclear``: the text was given and no answer came; it must not be sent again without an operator's
    word. With every other kind nothing has left.
    """
    text = _composed(config, email, message_id, now())
    sender, receivers = _address(config.sender), [_address(receiver) for receiver in email.receivers]
    with _server(config) as server:
        _checked(server.mail(sender), config, "the sender")
        for receiver in receivers:
            # One refused receiver ends it for all: half a delivery could not be sent again.
            _checked(server.rcpt(receiver), config, receiver)
        _checked(server.docmd("DATA"), config, "the e-mail", GO_AHEAD)
        _hand_over(server, config, text, accept)


def probe(config: MailSettings) -> MailState:
    """Connect, prove the server's name, log in; nothing is sent. ChannelError says what is wrong."""
    with _server(config) as server:
        size = server.esmtp_features.get("size", "")
        greeting = (server.ehlo_resp or b"").decode("utf-8", "replace").splitlines()
        version = server.sock.version() if isinstance(server.sock, ssl.SSLSocket) else None
        longest = int(size) if size.isascii() and size.isdigit() else None
        return MailState(greeting[0] if greeting else "", version, config.username is not None, longest or None)


@contextmanager
def _server(config: MailSettings) -> Iterator[smtplib.SMTP]:
    """The server, its name proved and we logged in. What goes wrong before the text is certain not to have left."""
    if config.tls == "none" and config.host not in LOCAL:
        raise ChannelError(f"{config.host}: e-mails go over a plain line on this very host only", Kind.TLS)
    where = f"{config.host}:{config.port}"
    try:
        server = _connected(config)
        try:
            server.ehlo_or_helo_if_needed()
            if config.tls == "starttls":
                if not server.has_extn("starttls"):
                    raise ChannelError(f"{where} offers no STARTTLS", Kind.TLS)
                server.starttls(context=_context(config))
                server.ehlo()
            _log_in(server, config)
            yield server
            _farewell(server)
        finally:
            server.close()
    except ssl.SSLError as trouble:
        raise ChannelError(f"{where}: {_of_tls(trouble)}", Kind.TLS) from None
    except smtplib.SMTPResponseException as trouble:
        raise _refusal(config, "the connection", trouble.smtp_code, trouble.smtp_error) from None
    except (smtplib.SMTPException, OSError) as trouble:
        raise ChannelError(f"{where}: {trouble or type(trouble).__name__}", Kind.UNREACHABLE) from None


def _log_in(server: smtplib.SMTP, config: MailSettings) -> None:
    if config.username is None:
        return
    where = f"{config.host}:{config.port}"
    try:
        server.login(config.username, config.password.text if config.password else "")
    except smtplib.SMTPAuthenticationError as trouble:
        kind = Kind.LATER if 400 <= trouble.smtp_code < 500 else Kind.LOGIN
        said = _said(trouble.smtp_code, trouble.smtp_error)
        raise ChannelError(f"{where} refuses the login: {said}", kind) from None
    except UnicodeError:
        raise ChannelError(f"{where}: name or password have signs that SMTP cannot carry", Kind.LOGIN) from None
    except smtplib.SMTPServerDisconnected:
        raise
    except smtplib.SMTPException as trouble:  # no AUTH at all, or no method that we know
        raise ChannelError(f"{where}: {trouble}", Kind.LOGIN) from None


def _connected(config: MailSettings) -> smtplib.SMTP:
    if config.tls == "tls":
        return smtplib.SMTP_SSL(config.host, config.port, timeout=CONNECT, context=_context(config))
    return smtplib.SMTP(config.host, config.port, timeout=CONNECT)


def _context(config: MailSettings) -> ssl.SSLContext:
    """Proves the server's certificate and its name, by ``ca_file`` or by the host's own authorities."""
    try:
        return ssl.create_default_context(cafile=config.ca_file)
    except (OSError, ssl.SSLError) as trouble:
        raise ChannelError(f"{config.ca_file}: {trouble}", Kind.TLS) from None


def _hand_over(server: smtplib.SMTP, config: MailSettings, text: bytes, accept: float) -> None:
    """From the first byte of the text to the server's word nothing is certain."""
    if server.sock is not None:
        server.sock.settimeout(accept)
    try:
        server.send(text + b".\r\n")
        code, said = server.getreply()
    except (smtplib.SMTPException, OSError) as trouble:
        where = f"{config.host}:{config.port}"
        unclear = f"{where}: the connection broke before the server said that it has the e-mail: {trouble}"
        raise ChannelError(unclear, Kind.UNCLEAR) from None
    if code not in DONE:
        raise _refusal(config, "the e-mail", code, said)


def _farewell(server: smtplib.SMTP) -> None:
    """The e-mail is the server's by now: whether it hears our goodbye changes nothing."""
    try:
        if server.sock is not None:
            server.sock.settimeout(CONNECT)
        server.quit()
    except (smtplib.SMTPException, OSError):
        return


def _checked(answer: tuple[int, bytes], config: MailSettings, what: str, wanted: range = DONE) -> None:
    code, said = answer
    if code not in wanted:
        raise _refusal(config, what, code, said)


def _refusal(config: MailSettings, what: str, code: int, said: bytes | str) -> ChannelError:
    kind = Kind.LATER if 400 <= code < 500 else Kind.REFUSED
    return ChannelError(f"{config.host}:{config.port} refuses {what}: {_said(code, said)}", kind)


def _said(code: int, said: bytes | str) -> str:
    words = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return f"{code} {' '.join(words.split())}"


def _of_tls(trouble: ssl.SSLError) -> str:
    return getattr(trouble, "verify_message", "") or trouble.reason or str(trouble)


def _address(text: str) -> str:
    """The bare address. ChannelError if there is none, or where a server needs an extension that few have."""
    found = getaddresses([text])
    address = found[0][1] if len(found) == 1 else ""
    name, at, domain = address.rpartition("@")
    if not (name and at and domain) or not address.isascii() or any(sign <= " " for sign in text if sign != " "):
        raise ChannelError(f"{text!r} is not an e-mail address in Latin letters", Kind.REFUSED)
    return address


def _composed(config: MailSettings, email: Email, name: str, now: datetime) -> bytes:
    """The e-mail as it goes over the line: headers in ASCII (RFC 2047), the body in UTF-8, dots doubled."""
    if not email.receivers:
        raise ChannelError("an e-mail to no one", Kind.REFUSED)
    message = EmailMessage(policy=SMTP)
    try:
        message["From"] = config.sender
        message["To"] = ", ".join(email.receivers)
        message["Subject"] = email.subject
        message["Date"] = format_datetime(now)
        message["Message-ID"] = name
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
        message.set_content(email.body, charset="utf-8", cte="7bit" if _plain(email.body) else "base64")
        for file, content, kind in email.attachments:
            main, _, sub = kind.partition("/")
            message.add_attachment(content, maintype=main, subtype=sub, filename=file)
    except (ValueError, HeaderParseError) as trouble:  # a line break in a header, a MIME type that is none
        raise ChannelError(f"the e-mail cannot be written: {trouble}", Kind.REFUSED) from None
    return re.sub(rb"(?m)^\.", b"..", message.as_bytes())  # RFC 5321, clause 4.5.2


def _plain(body: str) -> bool:
    """Needs no coding: ASCII in lines that SMTP takes (998 bytes)."""
    return body.isascii() and all(len(line) <= 900 for line in body.splitlines())

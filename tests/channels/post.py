"""A real SMTP server (aiosmtpd) with a certificate of its own; what it is to answer is set by the test."""

import asyncio
import datetime
import ssl
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.present import present


def certificate(folder: Path, *names: str) -> tuple[Path, Path]:
    """Certificate and key files, self-made, for these host names or addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    known: list[x509.GeneralName] = [
        x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names
    ]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName(known), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / f"{names[0]}.pem", folder / f"{names[0]}.key"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return cert_file, key_file


@dataclass
class Post:
    """The server's handler: what came, and what it answers. ``answers``: a reply for ``MAIL``, ``RCPT`` or ``DATA``
    instead of 250; ``hang_up`` closes the connection instead of answering the text."""

    answers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False
    letters: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    users: dict[bytes, bytes] = field(default_factory=lambda: {b"meter": b"secret"})
    over_tls: list[bool] = field(default_factory=list)

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if "MAIL" in self.answers:
            return self.answers["MAIL"]
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if f"RCPT {address}" in self.answers:
            return self.answers[f"RCPT {address}"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.original_content or b""
        self.raw.append(content)
        self.letters.append(message_from_bytes(content, policy=default))
        self.over_tls.append(present(server.transport).get_extra_info("sslcontext") is not None)
        if self.hang_up:
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        return self.answers.get("DATA", "250 taken")

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        return AuthResult(success=self.users.get(data.login) == data.password, handled=False)


class Server(Controller):
    """On the port that the system chose."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


def serving(post: Post, files: tuple[Path, Path] | None, *, wrapped: bool = False, login: bool = True) -> Server:
    """A server on a free port of 127.0.0.1, not started: with STARTTLS, with TLS from the first octet (``wrapped``),
    or on a plain line (no ``files``)."""
    context = None
    if files is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
    return Server(
        post,
        hostname="127.0.0.1",
        port=0,
        ssl_context=context if wrapped else None,
        tls_context=None if wrapped else context,
        require_starttls=context is not None and not wrapped,
        authenticator=post.authenticate if login else None,
        auth_required=login,
        auth_require_tls=context is not None and not wrapped,
        ready_timeout=30,
    )

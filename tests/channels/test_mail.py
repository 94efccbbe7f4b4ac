"""Letters through a real SMTP server: proved, logged in, whole or not at all, and never twice by itself."""

import re
import smtplib
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.channels import mail
from agent.channels.errors import ChannelError, Kind
from agent.channels.mail import Email
from agent.config.values import MailSettings, Secret
from tests.channels.post import Post, Server, certificate, serving

LETTER = Email(
    "energo@example.org",
    "Показания 230100456789",
    "Т1 4711\n.Т2 815\n",
    (("показания.csv", b"T1;4711\r\n.\r\n", "text/csv"),),
)
NAME = "<meterpost.flat-12.2026-10@example.org>"


def when() -> datetime:
    return datetime(2026, 10, 25, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("tls"), "127.0.0.1")


Start = Callable[..., MailSettings]


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def start(post: Post, files: tuple[Path, Path]) -> Iterator[Start]:
    """Start a server as ``serving`` has it; the settings that fit it."""
    running: list[Server] = []

    def started(*, tls: str = "starttls", login: bool = True, ours: tuple[Path, Path] = files) -> MailSettings:
        server = serving(post, None if tls == "none" else ours, wrapped=tls == "tls", login=login)
        server.start()
        running.append(server)
        known: dict[str, Any] = {"username": "meter", "password": Secret("secret")} if login else {}
        return MailSettings("127.0.0.1", "Meters <gw@example.org>", server.port, tls, ca_file=files[0], **known)

    yield started
    for server in running:
        server.stop()


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_an_email_arrives_whole_over_tls(start: Start, post: Post, tls: str) -> None:
    mail.send(start(tls=tls), LETTER, NAME, now=when)
    (email,) = post.letters
    assert post.over_tls == [True]
    assert email["Subject"] == "Показания 230100456789"
    assert email["From"] == "Meters <gw@example.org>"
    assert email["To"] == "energo@example.org"
    assert email["Message-ID"] == NAME
    assert email["Date"] == "Sun, 25 Oct 2026 09:00:00 +0000"
    body = email.get_body()
    assert body is not None
    assert body.get_content().splitlines() == ["Т1 4711", ".Т2 815"]
    (attached,) = email.iter_attachments()
    assert attached.get_filename() == "показания.csv"
    assert attached.get_content_type() == "text/csv"
    assert attached.get_payload(decode=True) == b"T1;4711\r\n.\r\n"


def test_every_header_is_ascii_on_the_line(start: Start, post: Post) -> None:
    mail.send(start(), LETTER, NAME)
    assert post.raw[0].isascii()
    assert b"Subject: =?utf-8?" in post.raw[0]


def test_a_plain_line_that_begins_with_a_dot_stays_as_it_is(start: Start, post: Post) -> None:
    mail.send(start(), Email("a@example.org", "x", "one\n.\n.two\n"), NAME)
    assert post.letters[0].get_content().splitlines() == ["one", ".", ".two"]


def test_several_receivers_get_one_letter(start: Start, post: Post) -> None:
    mail.send(start(), replace(LETTER, to=("a@example.org", "b@example.org")), NAME)
    assert post.letters[0]["To"] == "a@example.org, b@example.org"


def test_the_message_id_of_a_statement_is_always_the_same_and_an_address() -> None:
    config = MailSettings("smtp.example.org", "Meters <gw@example.org>")
    assert mail.stable_id(config, "gw-1.flat-12.2026-10") == "<meterpost.gw-1.flat-12.2026-10@example.org>"
    assert mail.stable_id(config, "кв. 1") == "<meterpost.--.-1.ddd7e0429c28@example.org>"


def test_emails_of_two_points_never_have_one_message_id() -> None:
    """A mail server drops the second letter of one id, and no one is told."""
    config = MailSettings("smtp.example.org", "gw@example.org")
    points = ("кв-12", "оф-12", "кв 12", "кв/12", "--12", "--.12")
    names = [mail.stable_id(config, f"statement.gw-1.{point}.2026-10.1") for point in points]
    assert len(set(names)) == len(points)
    assert all(re.fullmatch(r"<[A-Za-z0-9._-]+@example\.org>", name) for name in names)


@pytest.mark.parametrize(
    ("answers", "kind", "words"),
    [
        ({"MAIL": "451 greylisted"}, Kind.LATER, "refuses the sender: 451 greylisted"),
        ({"MAIL": "550 no such sender"}, Kind.REFUSED, "refuses the sender: 550"),
        ({"RCPT b@example.org": "550 no such user"}, Kind.REFUSED, "refuses b@example.org: 550 no such user"),
        ({"RCPT b@example.org": "452 too many"}, Kind.LATER, "refuses b@example.org: 452"),
        ({"DATA": "554 spam"}, Kind.REFUSED, "refuses the e-mail: 554 spam"),
        ({"DATA": "451 later"}, Kind.LATER, "refuses the e-mail: 451"),
    ],
)
def test_a_refusal_says_who_was_refused_and_whether_later_may_help(
    start: Start, post: Post, answers: dict[str, str], kind: Kind, words: str
) -> None:
    post.answers = answers
    with pytest.raises(ChannelError, match=words) as caught:
        mail.send(start(), replace(LETTER, to=("a@example.org", "b@example.org")), NAME)
    assert caught.value.kind is kind
    assert not caught.value.unclear
    assert len(post.letters) == ("DATA" in answers)  # one refused receiver: no one gets it


def test_a_connection_that_breaks_after_the_text_leaves_it_unclear(start: Start, post: Post) -> None:
    post.hang_up = True
    with pytest.raises(ChannelError) as caught:
        mail.send(start(), LETTER, NAME)
    assert caught.value.unclear
    assert not caught.value.again
    assert len(post.letters) == 1


def test_a_server_that_never_answers_the_text_leaves_it_unclear(
    start: Start, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = start()
    monkeypatch.setattr(smtplib.SMTP, "send", _only_commands)
    with pytest.raises(ChannelError) as caught:
        mail.send(config, LETTER, NAME, accept=0.05)
    assert caught.value.kind is Kind.UNCLEAR


def _only_commands(server: smtplib.SMTP, text: bytes | str) -> None:
    """The text is lost on the way, the commands are not."""
    data = text.encode("ascii") if isinstance(text, str) else text
    if server.sock is not None and len(data) < 200:
        server.sock.sendall(data)


def test_a_wrong_password_is_told_from_a_refused_letter(start: Start, post: Post) -> None:
    with pytest.raises(ChannelError, match="refuses the login: 535") as caught:
        mail.send(replace(start(), password=Secret("wrong")), LETTER, NAME)
    assert caught.value.kind is Kind.LOGIN
    assert "wrong" not in str(caught.value)


def test_a_password_that_the_line_cannot_carry_is_named(start: Start) -> None:
    with pytest.raises(ChannelError) as caught:
        mail.probe(replace(start(), password=Secret("пароль")))
    assert caught.value.kind is Kind.LOGIN


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_stranger_with_the_servers_name_gets_nothing(start: Start, post: Post, tmp_path: Path, tls: str) -> None:
    stranger = certificate(tmp_path, "127.0.0.1")
    with pytest.raises(ChannelError) as caught:
        mail.send(start(tls=tls, ours=stranger), LETTER, NAME)
    assert caught.value.kind is Kind.TLS
    assert post.letters == []


def test_a_certificate_of_another_name_is_refused(start: Start, tmp_path: Path) -> None:
    other = certificate(tmp_path, "smtp.example.org")
    config = replace(start(ours=other), ca_file=other[0])
    with pytest.raises(ChannelError, match="IP address mismatch") as caught:
        mail.probe(config)
    assert caught.value.kind is Kind.TLS


def test_a_server_without_starttls_gets_neither_password_nor_letter(start: Start, post: Post) -> None:
    config = replace(start(tls="none"), tls="starttls")
    with pytest.raises(ChannelError, match="offers no STARTTLS") as caught:
        mail.send(config, LETTER, NAME)
    assert caught.value.kind is Kind.TLS
    assert post.letters == []


def test_a_plain_line_is_for_this_very_host_only(start: Start, post: Post) -> None:
    mail.send(start(tls="none", login=False), LETTER, NAME)
    assert post.over_tls == [False]
    with pytest.raises(ChannelError, match="this very host only"):
        mail.send(MailSettings("smtp.example.org", "a@example.org", tls="none"), LETTER, NAME)


def test_a_server_that_is_not_there_may_be_tried_again() -> None:
    with socket.socket() as taken:  # bound and not listening: no one else gets this port meanwhile
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ChannelError) as caught:
            mail.send(MailSettings("127.0.0.1", "a@example.org", taken.getsockname()[1]), LETTER, NAME)
    assert caught.value.kind is Kind.UNREACHABLE
    assert caught.value.again


@pytest.mark.parametrize(
    "change",
    [
        {"to": "no one"},
        {"to": "почта@example.org"},
        {"to": ()},
        {"to": "a@example.org, b@example.org"},
        {"to": "a@example.org\r\nBcc: b@example.org"},
        {"subject": "x\r\nBcc: b@example.org"},
    ],
)
def test_what_is_no_email_never_reaches_a_server(start: Start, post: Post, change: dict[str, Any]) -> None:
    with pytest.raises(ChannelError) as caught:
        mail.send(start(), replace(LETTER, **change), NAME)
    assert caught.value.kind is Kind.REFUSED
    assert post.letters == []


def test_a_probe_logs_in_and_sends_nothing(start: Start, post: Post) -> None:
    state = mail.probe(start())
    assert state.logged_in
    assert state.tls in ("TLSv1.2", "TLSv1.3")
    assert state.longest == 33554432
    assert post.letters == []

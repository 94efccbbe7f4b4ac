"""Secrets in files of their own, or handed over by systemd; what is read here never shows itself."""

import os
import stat
from pathlib import Path

CREDENTIAL = "credential:"
LARGEST = 4096  # octets


class SecretTrouble(Exception):
    """Why a secret cannot be had: what stands there and what may stand there, never the secret.

    ``denied``: this user may not read it. ``elsewhere``: a systemd credential, which exists in the service only.
    """

    def __init__(self, found: str, expected: str, *, denied: bool = False, elsewhere: bool = False) -> None:
        super().__init__(f"{found}, expected {expected}")
        self.found, self.expected = found, expected
        self.denied, self.elsewhere = denied, elsewhere


def read_secret(name: Path, base: Path) -> str:
    """The one line of the secret's file without its line end. A relative path counts from ``base``."""
    if str(name).startswith(CREDENTIAL):
        return _line(_credential(str(name).removeprefix(CREDENTIAL)), "the credential")
    file = base / name
    guard(file)
    return _line(file.read_bytes(), str(file))


def guard(file: Path) -> None:
    """SecretTrouble unless this is a readable file that no one but its owner can read or change."""
    try:
        mode = file.stat().st_mode
        readable = os.access(file, os.R_OK)
    except FileNotFoundError:
        raise SecretTrouble(f"{file}, which does not exist", "an existing file with the secret") from None
    except OSError as error:
        raise _unreadable(file, error) from None
    if not stat.S_ISREG(mode):
        raise SecretTrouble(f"{file}, which is not a file", "the path of a file")
    if mode & 0o077:
        found = f"{file} open to others (mode {stat.S_IMODE(mode):04o})"
        raise SecretTrouble(found, f"a file for its owner alone: chmod 600 {file}")
    if not readable:
        raise _unreadable(file, PermissionError())


def _unreadable(file: Path, error: OSError) -> SecretTrouble:
    if isinstance(error, PermissionError):
        return SecretTrouble(f"{file}, which you may not read", "permission, for example by sudo", denied=True)
    return SecretTrouble(f"{file} ({error.strerror})", "a readable file")


def _credential(name: str) -> bytes:
    """systemd guards these files itself and may show a group mode for its access list: the mode is not judged."""
    if not name or "/" in name or name in (".", ".."):
        raise SecretTrouble("no name of a credential", '"credential:NAME"')
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise SecretTrouble(
            f"the credential {name} outside the service",
            "the service's environment: systemd hands it over there",
            elsewhere=True,
        )
    try:
        return (Path(directory) / name).read_bytes()
    except OSError:
        raise SecretTrouble(f"no credential {name}", f"LoadCredential={name}:FILE in the unit") from None


def _line(raw: bytes, where: str) -> str:
    if len(raw) > LARGEST:
        raise SecretTrouble(f"more than {LARGEST} octets in {where}", "one line")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise SecretTrouble(f"no UTF-8 in {where}", "one line of text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise SecretTrouble(f"nothing in {where}", "one line with the secret")
    if "\n" in text or "\0" in text:
        raise SecretTrouble(f"more than one line in {where}", "one line with the secret")
    return text

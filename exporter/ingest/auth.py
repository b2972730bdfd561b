"""Who asks: one class per kind. A secret is read from its file at every use, so that it may be rotated.

Client certificates are the fourth kind: they belong to the TLS connection (`exporter.ingest.connection.Tls`).
"""

from __future__ import annotations

import base64
import errno
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from exporter.errors import UnauthorizedError

_MAX_SECRET_BYTES = 65536


class Auth(Protocol):
    """What identifies the exporter to a coordinator."""

    @property
    def who(self) -> str:
        """Who asks, as a message calls it; never a secret."""
        ...

    def headers(self) -> dict[str, str]:
        """Return the request headers to send now. Raises UnauthorizedError if the secret cannot be had."""
        ...


@dataclass(frozen=True, slots=True)
class UserOnly:
    """A user name without a password, for coordinators without authentication.

    Basic with an empty password is the one spelling that PrestoSQL, Trino and PrestoDB all accept over plain HTTP;
    ``X-Presto-User`` and ``X-Trino-User`` are each refused by some of them.
    """

    user: str

    def __post_init__(self) -> None:
        _check_user(self.user)

    @property
    def who(self) -> str:
        """Who asks, as a message calls it."""
        return f'user "{self.user}"'

    def headers(self) -> dict[str, str]:
        """Return ``Authorization: Basic`` with the user and an empty password."""
        return _basic(self.user, b"")


@dataclass(frozen=True, slots=True)
class Basic:
    """A user name and the file that holds its password."""

    user: str
    password_file: str

    def __post_init__(self) -> None:
        _check_user(self.user)

    @property
    def who(self) -> str:
        """Who asks, as a message calls it."""
        return f'user "{self.user}"'

    def headers(self) -> dict[str, str]:
        """Return ``Authorization: Basic`` with the password that the file holds now."""
        return _basic(self.user, _read_secret(self.password_file))


@dataclass(frozen=True, slots=True)
class Bearer:
    """The file that holds a token (JWT, OAuth2)."""

    token_file: str

    @property
    def who(self) -> str:
        """Who asks, as a message calls it."""
        return "the owner of the token"

    def headers(self) -> dict[str, str]:
        """Return ``Authorization: Bearer`` with the token that the file holds now."""
        token = _read_secret(self.token_file)
        if not token.isascii() or b" " in token:
            raise UnauthorizedError(f"{self.token_file}: not a token; write the token alone into it")
        return {"Authorization": f"Bearer {token.decode('ascii')}"}


def read_file(path: str) -> bytes:
    """Return what the file holds now, at most 64 KiB and one byte of it.

    Raises OSError, also for what is not a regular file: opening a pipe could block for ever.
    """
    file = Path(path)
    if file.exists() and not file.is_file():
        raise OSError(errno.EINVAL, "Not a regular file")
    with file.open("rb") as stream:
        return stream.read(_MAX_SECRET_BYTES + 1)


def _check_user(user: str) -> None:
    if not user or ":" in user:  # Basic ends the user at the first colon: the rest would be sent as the password
        raise ValueError("user: a name without a colon is needed")


def _basic(user: str, password: bytes) -> dict[str, str]:
    credentials = base64.b64encode(user.encode() + b":" + password)
    return {"Authorization": f"Basic {credentials.decode('ascii')}"}


def _read_secret(path: str) -> bytes:
    try:
        secret = read_file(path).rstrip(b"\r\n")
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        reason = getattr(error, "strerror", None) or "not a path"
        raise UnauthorizedError(f"{path}: {reason}; it must be a file that the exporter may read") from None
    if not secret:
        raise UnauthorizedError(f"{path}: empty; write the secret into it")
    if len(secret) >= _MAX_SECRET_BYTES or any(byte < 0x20 or byte == 0x7F for byte in secret):
        raise UnauthorizedError(f"{path}: not one line of text; write the secret alone into it")
    return secret

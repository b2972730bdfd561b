"""Who asks: one class per kind. A secret is read from its file at every use, so that it may be rotated.

Two kinds ask somebody else first, and have modules of their own: `exporter.ingest.oauth2`, `exporter.ingest.kerberos`.
Client certificates belong to the TLS connection (`exporter.ingest.connection.Tls`).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Protocol

from exporter.errors import UnauthorizedError
from exporter.ingest.connection import Limit
from exporter.ingest.secret import read_secret


class Auth(Protocol):
    """What identifies the exporter to a coordinator."""

    @property
    def who(self) -> str:
        """Who asks, as a message calls it; never a secret."""
        ...

    def headers(self, limit: Limit, /) -> dict[str, str]:
        """Return the headers of one request, to be sent now.

        Raises UnauthorizedError if the secret cannot be had, and any PollError where somebody else has to be asked.
        """
        ...

    def refused(self, limit: Limit, /) -> bool:
        """Forget what a coordinator has refused; return True if `headers` may now have a better proof."""
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

    def headers(self, _limit: Limit, /) -> dict[str, str]:
        """Return ``Authorization: Basic`` with the user and an empty password."""
        return _basic(self.user, b"")

    def refused(self, _limit: Limit, /) -> bool:
        """Return False: it would be the same once more."""
        return False


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

    def headers(self, _limit: Limit, /) -> dict[str, str]:
        """Return ``Authorization: Basic`` with the password that the file holds now."""
        return _basic(self.user, read_secret(self.password_file))

    def refused(self, _limit: Limit, /) -> bool:
        """Return False: it would be the same once more."""
        return False


@dataclass(frozen=True, slots=True)
class Bearer:
    """The file that holds a token (JWT, OAuth2)."""

    token_file: str

    @property
    def who(self) -> str:
        """Who asks, as a message calls it."""
        return "the owner of the token"

    def headers(self, _limit: Limit, /) -> dict[str, str]:
        """Return ``Authorization: Bearer`` with the token that the file holds now."""
        token = read_secret(self.token_file)
        if not token.isascii() or b" " in token:
            raise UnauthorizedError(f"{self.token_file}: not a token; write the token alone into it")
        return {"Authorization": f"Bearer {token.decode('ascii')}"}

    def refused(self, _limit: Limit, /) -> bool:
        """Return False: it would be the same once more."""
        return False


def _check_user(user: str) -> None:
    if not user or ":" in user:  # Basic ends the user at the first colon: the rest would be sent as the password
        raise ValueError("user: a name without a colon is needed")


def _basic(user: str, password: bytes) -> dict[str, str]:
    credentials = base64.b64encode(user.encode() + b":" + password)
    return {"Authorization": f"Basic {credentials.decode('ascii')}"}

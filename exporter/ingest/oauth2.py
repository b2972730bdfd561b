"""A token by OAuth2 client credentials (RFC 6749, section 4.4), kept in memory until shortly before it expires.

oauthlib writes the request and reads the answer; the transport is ours, so that it ends with the poll, follows no
redirect and asks nobody but the configured server.
"""

from __future__ import annotations

import base64
import http.client
import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, urlsplit

from exporter.errors import HttpStatusError, PollError, UnauthorizedError
from exporter.ingest.connection import Connection, Limit, Peer, Place, Tls, origin_of
from exporter.ingest.secret import read_secret

if TYPE_CHECKING:
    from oauthlib.oauth2 import BackendApplicationClient

TOKEN_SERVER = Peer("the token server", "auth.oauth2.token_url", "auth.oauth2.tls", "auth.oauth2.token_url: ")
EXTRA = "presto-query-exporter[oauth2]"

_PATH = "/%:@!$&'()*+,;=~"
_MAX_ANSWER_BYTES = 65536
_UNTOLD_SECONDS = 300.0
"""How long a token is kept whose server does not say for how long it is good."""
_LONGEST_SECONDS = 86400.0
_MARGIN_SECONDS = 60.0
"""A token is replaced so long before it expires, but not before four fifths of its time: clocks differ."""

_REMEDIES: Mapping[str, str] = {
    "access_denied": "let this client have tokens for this scope and audience",
    "invalid_client": "check auth.oauth2.client_id and what is in auth.oauth2.client_secret_file",
    "invalid_grant": "check auth.oauth2.client_id and what is in auth.oauth2.client_secret_file",
    "invalid_request": "check auth.oauth2.scope and auth.oauth2.audience",
    "invalid_scope": "check auth.oauth2.scope",
    "invalid_target": "check auth.oauth2.audience",
    "unauthorized_client": "let this client use the grant client_credentials",
    "unsupported_grant_type": "let the server take the grant client_credentials",
}
"""By the errors of RFC 6749, section 5.2, and what servers add to them."""


class OAuth2:
    """A client of a token server, its secret in a file. It holds one token."""

    def __init__(
        self,
        token_url: str,
        client_id: str,
        client_secret_file: str,
        *,
        scope: str | None = None,
        audience: str | None = None,
        tls: Tls | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*clock* tells seconds. Raises ValueError, without quoting it, for a URL that names no place."""
        parts = urlsplit(token_url)
        self._place = Place.of(f"{parts.scheme}://{parts.netloc}")
        self._path = quote(parts.path or "/", _PATH) + (f"?{quote(parts.query, _PATH + '?')}" if parts.query else "")
        self._client_id = client_id
        self._client_secret_file = client_secret_file
        self._scope = scope
        self._audience = audience
        self._tls = tls or Tls(key=TOKEN_SERVER.tls)
        self._clock = clock
        self._token = ""
        self._good_until = -math.inf
        self._asked_under: Limit | None = None

    @property
    def who(self) -> str:
        """Who asks, as a message calls it."""
        return f'client "{self._client_id}"'

    def headers(self, limit: Limit, /) -> dict[str, str]:
        """Return ``Authorization: Bearer`` with a token that is kept, else a new one: one in a poll.

        Raises UnauthorizedError if the token server refuses, other PollErrors if it cannot be asked.
        """
        if self._asked_under is not limit and self._clock() >= self._good_until:
            with limit.asking(TOKEN_SERVER):
                asked = self._clock()
                self._token, seconds = self._ask(limit)
                self._good_until = asked + seconds - min(_MARGIN_SECONDS, seconds / 5)
                self._asked_under = limit
        return {"Authorization": f"Bearer {self._token}"}

    def refused(self, limit: Limit, /) -> bool:
        """Keep the token no longer; return True unless it was asked for in this very poll."""
        self._good_until = -math.inf
        return self._asked_under is not limit

    def _ask(self, limit: Limit) -> tuple[str, float]:
        """Return a new token, and the seconds for which it is good."""
        try:
            from oauthlib.oauth2 import BackendApplicationClient
        except ImportError:
            text = f"auth.oauth2: the package oauthlib is not installed; pip install '{EXTRA}'"
            raise UnauthorizedError(text) from None
        client = BackendApplicationClient(self._client_id)
        more: dict[str, Any] = {} if self._audience is None else {"audience": self._audience}
        body = client.prepare_request_body(scope=self._scope, **more)
        headers = {
            "Accept": "application/json",
            "Authorization": self._credentials(),
            "Content-Type": "application/x-www-form-urlencoded",
            "User-Agent": "presto-query-exporter",
        }
        try:
            with Connection(self._place, self._tls, limit) as connection:
                response = connection.post(self._path, headers, body.encode())
                answer = _read(response)
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise limit.failure_of(error, self._place.https) from None
        error_code, token, seconds = _parsed(client, answer)
        if response.status != 200 or error_code:
            raise self._refusal(response, error_code, limit)
        if not token:
            raise UnauthorizedError(f"{limit.place} answered no bearer token; check auth.oauth2.token_url")
        return token, seconds

    def _credentials(self) -> str:
        """Return what `client_secret_basic` sends: RFC 6749, section 2.3.1, encodes both parts first."""
        secret = read_secret(self._client_secret_file)
        pair = f"{quote_plus(self._client_id)}:{quote_plus(secret)}"
        return f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"

    def _refusal(self, response: http.client.HTTPResponse, error_code: str, limit: Limit) -> PollError:
        """Return what a refusal means. Of what the server wrote it has nothing but words of ours."""
        status = response.status
        answered = f"{limit.place} answered {status}"
        if error_code:
            return UnauthorizedError(f"{answered}, {error_code}, to {self.who}; {_REMEDIES[error_code]}")
        if status in (400, 401, 403):
            return UnauthorizedError(f"{answered} to {self.who}; {_REMEDIES['invalid_client']}")
        if 300 <= status < 400:
            target = origin_of(response.headers.get("Location", ""))
            remedy = f"none is followed: write its target in {TOKEN_SERVER.url}"
            return HttpStatusError(f"{answered}, a redirect to {target}; {remedy}")
        remedy = f"check {TOKEN_SERVER.url}" if status in (404, 405) else "see the token server's log"
        return HttpStatusError(f"{answered}; {remedy}")


def _read(response: http.client.HTTPResponse) -> str:
    """Return the body, up to a limit beyond which it is not what a token server says."""
    answer = response.read(_MAX_ANSWER_BYTES)
    if response.length:  # it was cut, or is longer
        raise http.client.IncompleteRead(b"", response.length)
    return answer.decode("utf-8", "replace")


def _parsed(client: BackendApplicationClient, answer: str) -> tuple[str, str, float]:
    """Return the known error that an answer tells, else its token (empty: it has none that can be sent) and seconds."""
    from oauthlib.oauth2 import OAuth2Error

    try:
        told: Mapping[str, Any] = client.parse_request_body_response(answer)
    except OAuth2Error as error:
        return next((known for known in _REMEDIES if known == error.error), ""), "", 0.0
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return "", "", 0.0  # not what RFC 6749 says
    token, kind, seconds = told.get("access_token"), told.get("token_type", "bearer"), told.get("expires_in")
    if not isinstance(token, str) or not isinstance(kind, str) or kind.lower() != "bearer":
        return "", "", 0.0
    if not all("!" <= character <= "~" for character in token):
        return "", "", 0.0
    if not isinstance(seconds, int | float) or seconds <= 0:
        seconds = _UNTOLD_SECONDS
    return "", token, min(float(seconds), _LONGEST_SECONDS)

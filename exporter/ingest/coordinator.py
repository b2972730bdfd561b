"""Asks a coordinator: `GET /v1/info`, then `GET /v1/query`, on one connection per poll; bytes, or a typed failure."""

from __future__ import annotations

import http.client
import re
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from exporter.errors import (
    ForbiddenError,
    HttpStatusError,
    NotAListError,
    PollError,
    TooLargeError,
    UnauthorizedError,
)
from exporter.ingest.auth import Auth
from exporter.ingest.connection import Connection, Limit, Place, Tls, failure_of

_INFO = "/v1/info"
_LIST = "/v1/query"
_MAX_INFO_BYTES = 65536
_READ_BYTES = 65536
_INFLATE_BYTES = 1 << 20
_SYSTEM_TLS = Tls()

_HOST = re.compile(r"[A-Za-z0-9.:_-]{1,253}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_HEADERS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_CHALLENGE = re.compile(r"(?:^|,)\s*([A-Za-z][A-Za-z0-9-]{0,19})(?=\s*(?:,|$)|\s+[A-Za-z0-9])")

_SEE_LOG = "see the coordinator's log"
_REMEDIES = {
    404: "check the path of url",
    500: "the coordinator may still be starting, else see its log",
    502: "see whether the coordinator behind the proxy runs",
    503: "the coordinator may still be starting, else see its log",
    504: "see whether the coordinator behind the proxy runs",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a coordinator answered to one poll. The repr leaves the bodies out: they are large and hold SQL."""

    query_list: bytes | bytearray = field(repr=False)
    """The body of the list, decompressed."""
    info: bytes | bytearray | None = field(repr=False)
    """The body of ``/v1/info``; None if it was refused or cannot be used."""
    seconds: float
    """Duration of the whole poll."""
    coordinator_time: float | None
    """When the coordinator wrote the list, Unix time, in whole seconds; None if it does not tell."""


class Coordinator:
    """One coordinator: where it is, who asks, and how much time and memory a poll may take.

    Files of secrets and certificates are read at every poll. A poll uses a connection of its own, so an instance holds
    nothing open, and `poll` may be called again after any failure.
    """

    def __init__(
        self,
        url: str,
        auth: Auth,
        *,
        tls: Tls = _SYSTEM_TLS,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
        max_response_bytes: int = 256 << 20,
    ) -> None:
        """Raises ValueError, without quoting it, for a URL or a header that cannot be sent."""
        self._place = Place.of(url)
        self._auth = auth
        self._tls = tls
        self._headers = dict(_header(name, value) for name, value in (headers or {}).items())
        self._timeout = timeout
        self._max_response_bytes = max_response_bytes
        self._aborted = threading.Event()

    def poll(self) -> Answer:
        """Return the list and the info that the coordinator answers within `timeout` seconds, both requests included.

        Raises a PollError; one of `/v1/info` alone is none, but for a connection or a time that failed there. What is
        not under the timeout is reading the files of secrets and certificates.
        """
        limit = Limit(self._timeout, self._aborted)
        try:
            return self._poll(limit)
        except PollError as error:
            failure = error
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            failure = failure_of(error, limit.doing, self._place.https)
        # Whoever keeps the failure to show it must not keep, by its traceback, the bodies that it left unfinished.
        failure.__context__ = None
        raise failure.with_traceback(None)

    def abort(self) -> None:
        """Make the poll under way end within a fraction of a second, and every later one at once. For any thread."""
        self._aborted.set()

    def _poll(self, limit: Limit) -> Answer:
        started = time.monotonic()
        limit.left()
        headers: dict[str, str | bytes] = {
            "Accept": "application/json",
            "User-Agent": "presto-query-exporter",
            **self._auth.headers(),
            **self._headers,
            "Accept-Encoding": "gzip",
        }
        with Connection(self._place, self._tls, limit) as connection:
            info = _info(connection, headers)
            response = connection.get(_LIST, headers)
            if response.status != 200:
                raise self._refusal(response)
            query_list = _body(response, _LIST, self._max_response_bytes)
            return Answer(query_list, info, time.monotonic() - started, _date(response))

    def _refusal(self, response: http.client.HTTPResponse) -> PollError:
        """Return the failure that a status means. The body is not read: it may be a stack trace that holds SQL."""
        answered = f"GET {_LIST} answered {response.status}"
        if response.status == 401:
            challenges = _QUOTED.sub("", ", ".join(response.headers.get_all("WWW-Authenticate", [])))
            offered = ", ".join(dict.fromkeys(_CHALLENGE.findall(challenges)[:5])) or "no kind of authentication"
            return UnauthorizedError(
                f"{answered} to {self._auth.who} and offers {offered}; check the user, the secret and the kind of auth"
            )
        if response.status == 403:
            remedy = f"let {self._auth.who} view other users' queries"
            if not self._place.https:
                remedy += "; a coordinator that authenticates over HTTPS refuses everybody over http://"
            return ForbiddenError(f"{answered}; {remedy}")
        if 300 <= response.status < 400:
            target = _origin(response.headers.get("Location", ""))
            return HttpStatusError(f"{answered}, a redirect to {target}; none is followed: write its target in url")
        return HttpStatusError(f"{answered}; {_REMEDIES.get(response.status, _SEE_LOG)}")


def _header(name: str, value: str) -> tuple[str, bytes]:
    """Return a header as it is sent: its name spelled in one way, so that one name is sent once."""
    if not _HEADER_NAME.fullmatch(name) or _NOT_IN_HEADERS.search(value):
        raise ValueError("headers: a name or value that HTTP cannot carry; no line breaks, no control characters")
    return name.title(), value.encode()


def _info(connection: Connection, headers: Mapping[str, str | bytes]) -> bytearray | None:
    response = connection.get(_INFO, headers)
    if response.status == 200:
        try:
            return _body(response, _INFO, _MAX_INFO_BYTES)
        except (NotAListError, TooLargeError):
            pass
    connection.close()  # with the rest of the body unread no other answer can follow on it
    return None


def _body(response: http.client.HTTPResponse, path: str, limit: int) -> bytearray:
    """Return the decompressed body of an answer. Raises if it is larger than *limit* bytes, cut or corrupt."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("gzip", "x-gzip", "identity"):
        raise NotAListError(f"GET {path}: compressed otherwise than asked for; see the proxy before the coordinator")
    body = bytearray()
    inflater = None if encoding == "identity" else _Inflater()
    buffer = memoryview(bytearray(_READ_BYTES))
    damaged = NotAListError(f"GET {path}: gzip that is cut or corrupt; see the proxy before the coordinator")
    try:
        while size := response.readinto(buffer):
            for piece in inflater.pieces(buffer[:size]) if inflater else (buffer[:size],):
                body += piece
                if len(body) > limit:
                    raise TooLargeError(f"GET {path}: more than {limit} bytes; raise max_response_bytes")
    except zlib.error:
        raise damaged from None
    if response.length:  # http.client takes the end of the connection for the end of the body
        raise http.client.IncompleteRead(b"", response.length)
    if inflater and not inflater.is_whole:
        raise damaged
    return body


class _Inflater:
    """Decompresses gzip as it comes in, of one member or several, never more than 1 MiB at once."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)

    @property
    def is_whole(self) -> bool:
        """True if what came in so far ends where a member ends."""
        return self._member.eof

    def pieces(self, compressed: bytes | memoryview) -> Iterator[bytes]:
        """Yield what the next bytes decompress to. Raises zlib.error if they are not gzip."""
        while compressed:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
            yield self._member.decompress(compressed, _INFLATE_BYTES)
            compressed = self._member.unconsumed_tail or self._member.unused_data


def _date(response: http.client.HTTPResponse) -> float | None:
    try:
        date = parsedate_to_datetime(response.headers.get("Date", ""))
    except ValueError:
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def _origin(location: str) -> str:
    """Return scheme, host and port of a Location header, and nothing else of it: it may carry credentials."""
    try:
        parts = urlsplit(location)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "an unreadable place"
    if not host:
        return "another path of the same host"
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host):
        return "an unreadable place"
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")

"""Asks a coordinator: `GET /v1/info`, then `GET /v1/query`, on one connection per poll; bytes, or a typed failure."""

from __future__ import annotations

import http.client
import re
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TypeVar

from exporter.errors import (
    ForbiddenError,
    HttpStatusError,
    NotAListError,
    PollError,
    TooLargeError,
    UnauthorizedError,
)
from exporter.ingest.auth import Auth
from exporter.ingest.connection import Certificate, Connection, Limit, Place, Tls, origin_of, shown_certificate

_T = TypeVar("_T")

_INFO = "/v1/info"
_LIST = "/v1/query"
_MAX_INFO_BYTES = 65536
_READ_BYTES = 65536
_INFLATE_BYTES = 1 << 20
_SYSTEM_TLS = Tls()
_OUR_HEADERS: Mapping[str, str | bytes] = {
    "Accept": "application/json",
    "User-Agent": "presto-query-exporter",
    "Accept-Encoding": "gzip",
}

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


class AsWhom(Enum):
    """In whose name something is asked."""

    US = "us"
    NOBODY = "nobody"
    """Without saying who asks, nor any configured header."""
    NOBODY_IN_CLEAR = "nobody in clear"
    """The same, and over plain HTTP, whatever the URL says."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered to one GET, whatever its status: for whoever looks for the reason of a failure."""

    path: str
    status: int
    content_type: str
    """In lower case, without parameters; empty if it is not told."""
    offers: tuple[str, ...]
    """The kinds of authentication that it offers, at most five."""
    target: str
    """Where a redirect leads, without path and credentials; empty if it is none."""
    date: float | None
    """When the server wrote it, Unix time, in whole seconds; None if it does not tell."""
    received: float
    """When its head had come, Unix time by our own clock."""
    body: bytes = field(repr=False)
    """What it says, up to a limit; empty for the list. It may hold SQL, so it is never shown."""


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
        self._more_headers = dict(_header(name, value) for name, value in (headers or {}).items())
        self._timeout = timeout
        self._max_response_bytes = max_response_bytes
        self._aborted = threading.Event()

    def poll(self, replies: list[Reply] | None = None) -> Answer:
        """Return the list and the info that the coordinator answers within `timeout` seconds, both requests included.

        Raises a PollError; one of `/v1/info` alone is none, but for a connection or a time that failed there. What is
        not under the timeout is reading the files of secrets and certificates. What came back on the way is appended to
        *replies*, also where the poll fails.
        """
        return self._bounded(lambda limit: self._poll(limit, replies))

    def ask(self, path: str, max_bytes: int = _MAX_INFO_BYTES, *, as_whom: AsWhom = AsWhom.US) -> Reply:
        """Return what is answered to one GET within `timeout` seconds, of its body at most *max_bytes*.

        Raises a PollError only if nothing is answered, whatever the status is.
        """
        place = replace(self._place, https=self._place.https and as_whom is not AsWhom.NOBODY_IN_CLEAR)

        def step(limit: Limit) -> Reply:
            headers = {**(self._headers(limit) if as_whom is AsWhom.US else _OUR_HEADERS), "Accept": "*/*"}
            with Connection(place, self._tls, limit) as connection:
                return _reply(path, connection.get(path, headers), max_bytes)

        return self._bounded(step)

    def certificate(self) -> Certificate:
        """Return the certificate that the server shows, believed or not, within `timeout` seconds. Nothing is sent.

        Raises a PollError where there is none to be had.
        """
        return self._bounded(lambda limit: shown_certificate(self._place, self._tls, limit))

    def abort(self) -> None:
        """Make the poll under way end within a fraction of a second, and every later one at once. For any thread."""
        self._aborted.set()

    def _bounded(self, step: Callable[[Limit], _T]) -> _T:
        limit = Limit(self._timeout, self._aborted)
        try:
            return step(limit)
        except PollError as error:
            failure = error
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            failure = limit.failure_of(error, self._place.https)
        # Whoever keeps the failure to show it must not keep, by its traceback, the bodies that it left unfinished.
        failure.__context__ = None
        raise failure.with_traceback(None)

    def _headers(self, limit: Limit) -> dict[str, str | bytes]:
        return {**_OUR_HEADERS, **self._auth.headers(limit), **self._more_headers, "Accept-Encoding": "gzip"}

    def _poll(self, limit: Limit, replies: list[Reply] | None) -> Answer:
        started = time.monotonic()
        limit.left()
        with Connection(self._place, self._tls, limit) as connection:
            requests = _Requests(connection, lambda: self._headers(limit), lambda: self._auth.refused(limit))
            info = _info(requests, replies)
            response = requests.get(_LIST)
            if replies is not None:
                replies.append(_reply(_LIST, response, 0 if response.status == 200 else _MAX_INFO_BYTES))
            if response.status != 200:
                raise self._refusal(response)
            query_list = _body(response, _LIST, self._max_response_bytes)
            return Answer(query_list, info, time.monotonic() - started, _date(response))

    def _refusal(self, response: http.client.HTTPResponse) -> PollError:
        """Return the failure that a status means. The body is not read: it may be a stack trace that holds SQL."""
        answered = f"GET {_LIST} answered {response.status}"
        if response.status == 401:
            offered = ", ".join(_offers(response)) or "no kind of authentication"
            return UnauthorizedError(
                f"{answered} to {self._auth.who} and offers {offered}; check the user, the secret and the kind of auth"
            )
        if response.status == 403:
            remedy = f"let {self._auth.who} view other users' queries"
            if not self._place.https:
                remedy += "; a coordinator that authenticates over HTTPS refuses everybody over http://"
            return ForbiddenError(f"{answered}; {remedy}")
        if 300 <= response.status < 400:
            target = origin_of(response.headers.get("Location", ""))
            return HttpStatusError(f"{answered}, a redirect to {target}; none is followed: write its target in url")
        return HttpStatusError(f"{answered}; {_REMEDIES.get(response.status, _SEE_LOG)}")


def _header(name: str, value: str) -> tuple[str, bytes]:
    """Return a header as it is sent: its name spelled in one way, so that one name is sent once."""
    if not _HEADER_NAME.fullmatch(name) or _NOT_IN_HEADERS.search(value):
        raise ValueError("headers: a name or value that HTTP cannot carry; no line breaks, no control characters")
    return name.title(), value.encode()


class _Requests:
    """The requests of one poll, each with headers of its own; once in all a proof that was refused is replaced."""

    def __init__(
        self, connection: Connection, headers: Callable[[], Mapping[str, str | bytes]], refused: Callable[[], bool]
    ) -> None:
        self.connection = connection
        self._headers = headers
        self._refused = refused
        self._may_repeat = True

    def get(self, path: str) -> http.client.HTTPResponse:
        """Return the answer to GET, its body unread."""
        response = self.connection.get(path, self._headers())
        if response.status != 401 or not self._refused() or not self._may_repeat:
            return response
        self._may_repeat = False
        self.connection.close()
        return self.connection.get(path, self._headers())


def _info(requests: _Requests, replies: list[Reply] | None) -> bytearray | None:
    response = requests.get(_INFO)
    head = None if replies is None else _reply(_INFO, response, 0 if response.status == 200 else _MAX_INFO_BYTES)
    body: bytearray | None = None
    if response.status == 200:
        with suppress(NotAListError, TooLargeError):
            body = _body(response, _INFO, _MAX_INFO_BYTES)
    if replies is not None and head is not None:
        replies.append(replace(head, body=bytes(body)) if body else head)
    if body is None:
        requests.connection.close()  # with the rest of the body unread no other answer can follow on it
    return body


def _reply(path: str, response: http.client.HTTPResponse, max_bytes: int) -> Reply:
    """Return what an answer says, with the beginning of its body; with 0 bytes the body stays unread."""
    received = time.time()
    return Reply(
        path=path,
        status=response.status,
        content_type=response.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
        offers=_offers(response),
        target=origin_of(response.headers.get("Location", "")) if 300 <= response.status < 400 else "",
        date=_date(response),
        received=received,
        body=_beginning(response, max_bytes) if max_bytes else b"",
    )


def _offers(response: http.client.HTTPResponse) -> tuple[str, ...]:
    challenges = _QUOTED.sub("", ", ".join(response.headers.get_all("WWW-Authenticate", [])))
    return tuple(dict.fromkeys(_CHALLENGE.findall(challenges)[:5]))


def _beginning(response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    """Return the first bytes of a body, decompressed; what cannot be read is left out, and raises nothing."""
    gzipped = response.headers.get("Content-Encoding", "identity").strip().lower() in ("gzip", "x-gzip")
    inflater = _Inflater() if gzipped else None
    buffer = memoryview(bytearray(_READ_BYTES))
    body = bytearray()
    with suppress(PollError, OSError, http.client.HTTPException, zlib.error):
        while len(body) < max_bytes and (size := response.readinto(buffer)):
            for piece in inflater.pieces(buffer[:size]) if inflater else (buffer[:size],):
                body += piece
    return bytes(body[:max_bytes])


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

"""HTTP connections on which every step, from the name lookup to the last byte, ends by one deadline or at an abort.

Sockets never block here: each step tries, and waits for the socket no longer than the poll may still take. A timeout
of the usual kind would start anew with every byte that a slow server drips. ``http.client`` does the HTTP: it follows
no redirect, asks no proxy and reads no ``.netrc``, so no address is contacted but the configured one.
"""

from __future__ import annotations

import errno
import http.client
import io
import os
import queue
import re
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from exporter.errors import ConnectionFailedError, PollError, PollTimeoutError, TlsError
from exporter.ingest.secret import read_file

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Peer:
    """How messages call who is at the other end, and the keys that say how to reach it."""

    name: str = "the coordinator"
    url: str = "url"
    tls: str = "tls"
    """The section with the settings of TLS."""
    place: str = ""
    """What stands before everything that is done with it."""


COORDINATOR = Peer()

Addresses = Sequence[tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]]
"""As getaddrinfo gives them."""

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[A-Za-z0-9.:_-]{1,253}")
_NOT_IN_HOSTS = re.compile(r"[\x00-\x20\x7f]")

_TICK_SECONDS = 0.1
"""How long an abort may stay unnoticed."""


@dataclass(frozen=True, slots=True)
class Tls:
    """How to speak TLS: files in PEM, read anew for every connection."""

    ca_file: str | None = None
    """The only authorities to trust; None: those of the system."""
    cert_file: str | None = None
    key_file: str | None = None
    """None: the key is in cert_file too."""
    server_name: str | None = None
    """The name to ask for (SNI) and to find in the certificate; None: the host of the URL."""
    insecure_skip_verify: bool = False
    key: str = COORDINATOR.tls
    """The section of these settings, as a message calls it."""

    def __post_init__(self) -> None:
        if self.server_name is not None and not _is_host(self.server_name):
            raise ValueError(
                f"{self.key}.server_name: not a host name; write a name or address that is in the certificate"
            )


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server shows of itself, whether or not it is to be believed."""

    subject: str
    """Its common name; empty if it has none."""
    issuer: str
    """The common name, or else the organization, of who signed it; empty if it has neither."""
    names: tuple[str, ...]
    """The host names and addresses that it is for."""
    valid_from: float
    valid_until: float
    """Unix time."""
    protocol: str
    """The version of TLS that was agreed on, such as ``TLSv1.3``."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a coordinator answers. The repr holds no credentials: they are dropped from the URL."""

    https: bool
    host: str
    port: int
    prefix: str

    @staticmethod
    def of(url: str) -> Place:
        """Return the place that the URL names. Raises ValueError, which does not quote the URL, if it names none."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
            if parts.scheme not in _PORTS or not _is_host(host):
                raise ValueError
        except ValueError:  # its own words may quote a password
            raise ValueError("url: not an address; write it as http://host:port or https://host:port") from None
        prefix = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~")
        return Place(parts.scheme == "https", host, _PORTS[parts.scheme] if port is None else port, prefix)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _is_host(text: str) -> bool:
    """Return whether this can be a host name or an address, as far as its spelling tells."""
    try:
        return bool(text.encode("idna")) and not _NOT_IN_HOSTS.search(text)
    except UnicodeError:
        return False


class Limit:
    """How long one poll may go on: so many seconds, and not after an abort."""

    def __init__(self, seconds: float, aborted: threading.Event) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._aborted = aborted
        self._peer = COORDINATOR
        self.doing = "poll"
        """What is being waited for."""

    @property
    def place(self) -> str:
        """What is being waited for, as a message calls it."""
        return self._peer.place + self.doing

    @contextmanager
    def asking(self, peer: Peer) -> Iterator[None]:
        """Let messages speak of another than the coordinator."""
        self._peer, before = peer, self._peer
        try:
            yield
        finally:
            self._peer = before

    def failure_of(self, error: Exception, https: bool) -> PollError:
        """Return the poll's failure that an exception of a connection means."""
        return failure_of(error, self.place, https, self._peer)

    def left(self) -> float:
        """Return the seconds left, more than zero. Raises PollTimeoutError or ConnectionFailedError if none are."""
        if self._aborted.is_set():
            raise ConnectionFailedError(f"{self.place}: given up; the exporter is stopping")
        left = self._end - time.monotonic()
        if left <= 0.0:
            raise PollTimeoutError(
                f"{self.place}: not done within {self._seconds:g} s for the whole poll; raise timeout, or see why "
                f"{self._peer.name} is slow"
            )
        return left

    def complete(self, sock: socket.socket, step: Callable[[], _T], event: int) -> _T:
        """Return what the step on a socket that does not block returns at last; *event* is what it waits for."""
        while True:
            self.left()
            try:
                return step()
            except ssl.SSLWantReadError:
                self.wait(sock, selectors.EVENT_READ)
            except ssl.SSLWantWriteError:
                self.wait(sock, selectors.EVENT_WRITE)
            except BlockingIOError:
                self.wait(sock, event)

    def wait(self, sock: socket.socket, event: int, seconds: float | None = None) -> bool:
        """Return True once the socket is ready, False if it is not so within *seconds*."""
        until = None if seconds is None else time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(sock, event)
            while not selector.select(min(_TICK_SECONDS, self.left())):
                if until is not None and time.monotonic() >= until:
                    return False
        return True

    def run(self, step: Callable[[], _T]) -> _T:
        """Return what a step returns that cannot be interrupted.

        It runs in a thread of its own, which is left alone if it takes too long.
        """
        done: queue.SimpleQueue[tuple[_T] | Exception] = queue.SimpleQueue()

        def run() -> None:
            try:
                done.put((step(),))
            except Exception as error:
                done.put(error)

        threading.Thread(target=run, name=self.place, daemon=True).start()
        while True:
            with suppress(queue.Empty):
                result = done.get(timeout=min(_TICK_SECONDS, self.left()))
                if isinstance(result, Exception):
                    raise result
                return result[0]


class Connection(http.client.HTTPConnection):
    """A connection to one place for the time of one poll; leaving the context closes its sockets."""

    def __init__(self, place: Place, tls: Tls, limit: Limit) -> None:
        super().__init__(place.host, place.port)
        self.default_port = _PORTS["https" if place.https else "http"]
        self._place = place
        self._tls = tls
        self._limit = limit
        self._sockets = ExitStack()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._sockets.close()

    def get(self, path: str, headers: Mapping[str, str | bytes]) -> http.client.HTTPResponse:
        """Return the answer to GET, its body unread, on the open connection if there is one.

        Whatever is raised, `failure_of` knows it.
        """
        reused = self.sock is not None
        try:
            return self._ask("GET", path, headers)
        except ConnectionError:  # a server may drop a connection that it kept alive, without a word
            if not reused:
                raise
        return self.get(path, headers)

    def post(self, path: str, headers: Mapping[str, str | bytes], body: bytes) -> http.client.HTTPResponse:
        """Return the answer to POST, its body unread; it is sent once. Whatever is raised, `failure_of` knows it."""
        return self._ask("POST", path, headers, body)

    def _ask(
        self, method: str, path: str, headers: Mapping[str, str | bytes], body: bytes | None = None
    ) -> http.client.HTTPResponse:
        if self.sock is None:
            self.connect()
        self._limit.doing = f"{method} {path}"
        self.request(method, self._place.prefix + path, body, headers=headers)
        return self.getresponse()

    def connect(self) -> None:
        """Look up the name, connect, and shake hands where TLS is spoken."""
        sock = connect(self._place, _look_up(self._place, self._limit), self._limit)
        self._sockets.callback(sock.close)
        if self._place.https:
            self._limit.doing = f"TLS with {self._place}"
            sock = _shake_hands(sock, _context(self._tls), self._tls.server_name or self._place.host, self._limit)
            self._sockets.callback(sock.close)
        self.sock = _Wire(sock, self._limit)  # all that http.client uses of a socket


class _Wire(io.RawIOBase):
    """A connected socket under a limit, as http.client uses it: `sendall`, `makefile`, `close`."""

    def __init__(self, sock: socket.socket, limit: Limit) -> None:
        self._sock = sock
        self._limit = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._limit.complete(self._sock, partial(self._sock.recv_into, buffer), selectors.EVENT_READ)

    def sendall(self, request: bytes) -> None:
        unsent = memoryview(request)
        # A server that refuses us may have closed already: what it said before is still to be read, and tells more.
        with suppress(ConnectionError, ssl.SSLEOFError):
            while unsent:
                send = partial(self._sock.send, unsent)
                unsent = unsent[self._limit.complete(self._sock, send, selectors.EVENT_WRITE) :]

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def close(self) -> None:
        """Do nothing: http.client closes before the body is read where the server will close after it."""


SPEAKS_TLS = "the server speaks TLS on this port"
SPEAKS_NO_TLS = "the server does not speak TLS on this port"
NOT_ACCEPTED = "its certificate is not accepted"
REFUSED = "the server refuses"
"""What messages of TlsError say, for whoever has to tell them apart."""


def failure_of(error: Exception, doing: str, https: bool, peer: Peer = COORDINATOR) -> PollError:
    """Return the poll's failure that an exception of a connection means; its message quotes no byte of the server."""
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return _tls_failure(error, doing, peer)
    if isinstance(error, http.client.BadStatusLine) and str(error).startswith("\x15\x03"):  # a TLS alert
        return TlsError(f"{doing}: {SPEAKS_TLS}; write {peer.url} with https://")
    if isinstance(error, http.client.IncompleteRead | ConnectionResetError | BrokenPipeError | ssl.SSLError):
        remedy = "see its log, or that of the proxy before it"
        if isinstance(error, http.client.RemoteDisconnected) and not https:
            remedy += f"; if it speaks TLS, write {peer.url} with https://"
        return ConnectionFailedError(f"{doing}: the server closed the connection before the answer was whole; {remedy}")
    if isinstance(error, http.client.HTTPException):
        return ConnectionFailedError(f"{doing}: the answer is not HTTP; check host and port of {peer.url}")
    if isinstance(error, socket.gaierror | UnicodeError):
        reason = getattr(error, "strerror", None) or "not a host name"
        return ConnectionFailedError(f"{doing}: {reason}; check the host of {peer.url} and the name servers")
    reason = getattr(error, "strerror", None) or type(error).__name__
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return ConnectionFailedError(f"{doing}: {reason}; raise the limit of open files, or see what holds them")
    return ConnectionFailedError(f"{doing}: {reason}; check that {peer.name} runs and can be reached from here")


_CERTIFICATE_REMEDIES = {
    10: "let it be renewed",  # expired
    18: "set {}.ca_file to the authority that signed it",  # self-signed
    19: "set {}.ca_file to the authority that signed it",  # self-signed in the chain
    20: "set {}.ca_file to the authority that signed it",  # issuer unknown
    21: "set {}.ca_file to the authority that signed it",  # first certificate cannot be verified
    62: "set {}.server_name to a name in it",  # host name mismatch
    64: "set {}.server_name to a name in it",  # address mismatch
}
"""By OpenSSL's X509_V_ERR_* codes."""


def _tls_failure(error: ssl.SSLError, doing: str, peer: Peer) -> TlsError:
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = _CERTIFICATE_REMEDIES.get(error.verify_code, "check it and {}.ca_file").format(peer.tls)
        return TlsError(f"{doing}: {NOT_ACCEPTED}, {error.verify_message.rstrip('.')}; {remedy}")
    reason = error.reason or "unknown"
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"):
        return TlsError(f"{doing}: {SPEAKS_NO_TLS}; write {peer.url} with http://")
    if "ALERT" in reason:
        keys = f"{peer.tls}.cert_file, {peer.tls}.key_file and {peer.tls}.server_name"
        return TlsError(f"{doing}: {REFUSED}, {reason}; check {keys}")
    return TlsError(f"{doing}: {reason}; check the {peer.tls} settings of both sides")


def _context(tls: Tls) -> ssl.SSLContext:
    """Return a context from what is in the files now. Raises TlsError that names the file which cannot be used."""
    for key, path in (("ca_file", tls.ca_file), ("cert_file", tls.cert_file), ("key_file", tls.key_file)):
        if path is not None:
            try:
                read_file(path)
            except OSError as error:
                reason = error.strerror
                raise TlsError(
                    f"{tls.key}.{key} {path}: {reason}; it must be a file that the exporter may read"
                ) from None
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
    except ssl.SSLError:
        text = f"{tls.key}.ca_file {tls.ca_file}: no certificate in it; write certificates in PEM into it"
        raise TlsError(text) from None
    if tls.cert_file is not None:
        try:  # the empty password keeps OpenSSL from asking for one on the terminal
            context.load_cert_chain(tls.cert_file, tls.key_file, password="")
        except ssl.SSLError:
            raise TlsError(
                f"{tls.key}.cert_file {tls.cert_file}: no certificate with its key; write both in PEM, unencrypted"
            ) from None
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


_NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which `ssl` has no name for."""


def shown_certificate(place: Place, tls: Tls, limit: Limit) -> Certificate:
    """Return the certificate that a server shows, believed or not. No byte is sent after the handshake.

    `ssl` tells what is in a certificate only if it is trusted. So it is fetched first, and trusted itself, for the time
    of a second handshake. Whatever is raised, `failure_of` knows it.
    """
    unverified = replace(tls, ca_file=None, insecure_skip_verify=True)
    name = tls.server_name or place.host
    addresses = _look_up(place, limit)
    with ExitStack() as sockets:
        secure = sockets.enter_context(connect(place, addresses, limit))
        limit.doing = f"TLS with {place}"
        secure = sockets.enter_context(_shake_hands(secure, _context(unverified), name, limit))
        shown = secure.getpeercert(binary_form=True)
    context = _context(unverified)
    context.load_verify_locations(cadata=shown)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(_NO_CHECK_TIME)
    context.verify_mode = ssl.CERT_REQUIRED
    with ExitStack() as sockets:
        secure = sockets.enter_context(connect(place, addresses, limit))
        limit.doing = f"TLS with {place}"
        secure = sockets.enter_context(_shake_hands(secure, context, name, limit))
        content: dict[str, Any] = secure.getpeercert() or {}
        return Certificate(
            subject=_first_of(content.get("subject", ()), "commonName"),
            issuer=_first_of(content.get("issuer", ()), "commonName", "organizationName"),
            names=tuple(value for _, value in content.get("subjectAltName", ())),
            valid_from=float(ssl.cert_time_to_seconds(content["notBefore"])),
            valid_until=float(ssl.cert_time_to_seconds(content["notAfter"])),
            protocol=secure.version() or "",
        )


def _first_of(name: Any, *attributes: str) -> str:
    """Return the first of these attributes of a distinguished name, as `ssl` gives it; empty if it has none."""
    found = {key: value for part in reversed(name) for key, value in reversed(part)}
    return next((found[attribute] for attribute in attributes if attribute in found), "")


def _shake_hands(sock: socket.socket, context: ssl.SSLContext, name: str, limit: Limit) -> ssl.SSLSocket:
    secure = context.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
    try:
        limit.complete(secure, secure.do_handshake, selectors.EVENT_READ)
    except BaseException:
        secure.close()
        raise
    return secure


def connect(place: Place, addresses: Addresses, limit: Limit) -> socket.socket:
    """Return a connected socket that does not block, to the first of the addresses that takes it.

    Each address may use up its share of the time left, so that one that never answers leaves some to the next.
    """
    limit.doing = f"connect to {place}"
    failure = OSError(errno.EADDRNOTAVAIL, "no address")
    for left, (family, kind, protocol, _, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
        try:
            sock = socket.socket(family, kind, protocol)
            try:
                sock.setblocking(False)
                number = sock.connect_ex(address)
                if number == errno.EINPROGRESS:
                    share = limit.left() / left if left > 1 else None
                    ready = limit.wait(sock, selectors.EVENT_WRITE, share)
                    number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if ready else errno.ETIMEDOUT
                if number == 0:
                    return sock
                raise OSError(number, os.strerror(number))
            except BaseException:
                sock.close()
                raise
        except OSError as error:
            failure = error
    raise failure


def _look_up(place: Place, limit: Limit) -> Addresses:
    """Return the addresses of a host, at least one."""
    limit.doing = f"look up {place.host}"
    return limit.run(partial(socket.getaddrinfo, place.host, place.port, type=socket.SOCK_STREAM))


def origin_of(location: str) -> str:
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

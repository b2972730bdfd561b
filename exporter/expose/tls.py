"""Our end of TLS: what the settings make of OpenSSL, and the stretch between a connection and its protocol.

asyncio has the latter too; ours differs where its clients and its memory are concerned: who is refused is told why (the
alert is sent), a connection costs a few kilobytes and not 256, and the protocol has a deadline for the handshake as for
everything else.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from exporter.expose.web_config import CIPHER_SUITES, CURVES, TlsServer

_READ = 1 << 14  # bytes: what a record of TLS holds at most
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_VERIFY = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}

_NOT_HTTP = b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nthis is HTTPS; begin the URL with https://\n"

_log = logging.getLogger(__name__)


class UnusableError(ValueError):
    """Something in the settings that OpenSSL does not take. `key` is the key of tls_server_config that it is about."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def server_context(tls: TlsServer, read_file: Callable[[str], bytes]) -> ssl.SSLContext:
    """Return what serves with the settings *tls*, whose files *read_file* reads. Raises UnusableError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[tls.min_version]
    context.maximum_version = _VERSIONS[tls.max_version]
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # Without tickets each connection is a handshake of its own: its certificate is verified, its keys are its own.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    if not tls.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    _choose_ciphers(context, tls)
    _choose_curve(context, tls)
    _load_certificate(context, tls, read_file)
    if tls.client_auth_type != "NoClientCert":
        # As in Go, each certificate of the file is believed, whether or not the one that vouches for it is there.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        _load_authorities(context, tls, read_file)
        context.verify_mode = _VERIFY[tls.client_auth_type]
    return context


def _choose_ciphers(context: ssl.SSLContext, tls: TlsServer) -> None:
    if not tls.cipher_suites:
        return
    chosen = [CIPHER_SUITES[suite] for suite in tls.cipher_suites if suite in CIPHER_SUITES]
    if not chosen:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return
    try:
        context.set_ciphers(":".join(chosen))
    except ssl.SSLError:
        raise UnusableError("cipher_suites", "none that OpenSSL has on this machine; choose others") from None


def _choose_curve(context: ssl.SSLContext, tls: TlsServer) -> None:
    if tls.curve_preferences:
        try:
            context.set_ecdh_curve(CURVES[tls.curve_preferences[0]])
        except (ssl.SSLError, ValueError):
            raise UnusableError(
                "curve_preferences", "Python and OpenSSL on this machine cannot set the first; choose another"
            ) from None


def _load_certificate(context: ssl.SSLContext, tls: TlsServer, read_file: Callable[[str], bytes]) -> None:
    certificate_key, certificate = tls.pem("cert", read_file)
    key_key, key = tls.pem("key", read_file)
    if b"-----BEGIN CERTIFICATE-----" not in certificate:
        raise UnusableError(certificate_key, "holds no certificate in PEM; begin with -----BEGIN CERTIFICATE-----")
    if b"PRIVATE KEY-----" not in key:
        raise UnusableError(key_key, "holds no private key in PEM; begin with -----BEGIN PRIVATE KEY-----")
    if b"BEGIN ENCRYPTED PRIVATE KEY" in key or b"Proc-Type: 4,ENCRYPTED" in key:
        raise UnusableError(key_key, "is encrypted, and nobody can give its passphrase; write it decrypted")
    with _as_file(certificate + b"\n") as certificate_path, _as_file(key + b"\n") as key_path:
        try:
            context.load_cert_chain(certificate_path, key_path, password="")
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise UnusableError(key_key, "is not the key of the certificate; give the one that is") from None
            advice = "make certificate and key anew"
            raise UnusableError(certificate_key, f"cannot be used: {_reason(error)}; {advice}") from None


def _load_authorities(context: ssl.SSLContext, tls: TlsServer, read_file: Callable[[str], bytes]) -> None:
    if tls.client_ca is None and tls.client_ca_file is None:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        return
    key, authorities = tls.pem("client_ca", read_file)
    try:
        context.load_verify_locations(cadata=authorities.decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError):
        raise UnusableError(
            key, "holds no certificate in PEM, or a broken one; give those of the authorities"
        ) from None


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """Give *content* a path, which is all that OpenSSL reads a key from; where there is memory for it, not a disk's."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("pem"), "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile() as named:
            named.write(content)
            named.flush()
            yield named.name


def admits(allowed_names: frozenset[str], certificate: Mapping[str, Any] | None) -> bool:
    """Return whether a client may stay that showed *certificate* or none, where one of *allowed_names* is asked for.

    Whether it had to show one, and whether it is to be believed, OpenSSL has decided. No names at all allow any.
    """
    return not allowed_names or not certificate or not allowed_names.isdisjoint(names(certificate))


def names(certificate: Mapping[str, Any]) -> Iterator[str]:
    """Yield the subject alternative names of a *certificate* that Python has taken apart."""
    for kind, value in certificate.get("subjectAltName", ()):
        if kind in ("DNS", "email", "URI", "IP Address"):
            yield plain_name(value)


def plain_name(name: str) -> str:
    """Return *name*, and if it is an IP address, the one spelling of it that Go and `ipaddress` have."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name


class ServerSide(asyncio.Transport, asyncio.Protocol):
    """To a connection its protocol, and to the protocol inside of TLS its transport."""

    def __init__(
        self,
        connection: asyncio.Transport,
        inside: asyncio.Protocol,
        context: ssl.SSLContext,
        admits: Callable[[Mapping[str, Any] | None], bool],
    ) -> None:
        """Take the *connection* over. *admits* says of the client's certificate, if it showed one, whether to go on."""
        super().__init__()
        self._connection = connection
        self._inside = inside
        self._context = context
        self._admits = admits
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._shaken = False
        self._closing = False
        self._wanted = True  # by the protocol inside
        self._choked = False  # the client does not take what it is sent, so that we take no more of it
        connection.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        """Take what the client sent, and hand over what was inside."""
        if not self._closing:
            self._incoming.write(data)
            self._advance()

    def _advance(self) -> None:
        if self._closing:
            return
        try:
            if not self._shaken:
                self._tls.do_handshake()
                self._shaken = True
                if not self._admits(self._tls.getpeercert()):
                    self._refuse("its certificate has none of client_allowed_sans")
            while self._wanted and not self._closing:
                if inside := self._tls.read(_READ):
                    self._inside.data_received(inside)
                else:
                    self.close()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            if error.reason == "HTTP_REQUEST":
                self._outgoing.read()  # an alert, of which such a client makes nothing
                self._connection.write(_NOT_HTTP)
            self._refuse(_reason(error))
        self._flush()

    def _refuse(self, reason: str) -> None:
        """Say so, and nothing more: until it goes, or its time is up, whatever the client sends is thrown away.

        A connection that is closed over unread bytes is reset, and the alert perhaps never read.
        """
        self._closing = True
        peer = self.get_extra_info("peername")
        _log.debug("TLS: client refused: %s", reason, extra={"client": peer[0] if peer else "unix"})
        self._flush()
        if self._connection.can_write_eof() and not self._connection.is_closing():
            self._connection.write_eof()

    def _flush(self) -> None:
        if self._outgoing.pending and not self._connection.is_closing():
            self._connection.write(self._outgoing.read())

    def eof_received(self) -> None:
        """Let the connection close, as HTTP has no use for one that is half closed."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on, and let go: a circle of references would hold memory until it is looked for."""
        self._closing = True
        self._inside.connection_lost(exc)
        self._inside = asyncio.Protocol()

    def pause_writing(self) -> None:
        """Pass it on, and read no more: what is read may have to be answered, by TLS itself too."""
        self._choked = True
        self._connection.pause_reading()
        self._inside.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._choked = False
        self._read_if_wanted()
        self._inside.resume_writing()

    def pause_reading(self) -> None:
        """Hand over nothing more."""
        self._wanted = False
        self._connection.pause_reading()

    def resume_reading(self) -> None:
        """Hand over what comes, and what has been held back."""
        if not self._wanted:
            self._wanted = True
            asyncio.get_running_loop().call_soon(self._advance)
            self._read_if_wanted()

    def _read_if_wanted(self) -> None:
        if self._wanted and not self._choked:
            self._connection.resume_reading()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send *data*, all of it at once: what the client does not take is held by the connection."""
        rest = memoryview(data)
        try:
            while rest and not self._closing:
                rest = rest[self._tls.write(rest) :]
        except ssl.SSLError as error:
            self._refuse(_reason(error))
        self._flush()

    def close(self) -> None:
        """Say that it is over, and close once all has been sent."""
        if not self._closing:
            self._closing = True
            with suppress(ssl.SSLError):  # it cannot be said before a handshake, and the client need not answer
                self._tls.unwrap()
            self._flush()
        self._connection.close()

    def abort(self) -> None:
        """Close at once."""
        self._closing = True
        self._connection.abort()

    def is_closing(self) -> bool:
        """Return whether it is over."""
        return self._closing or self._connection.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known of the connection, and ``sslcontext`` and ``ssl_object``."""
        own = {"sslcontext": self._context, "ssl_object": self._tls}
        return own[name] if name in own else self._connection.get_extra_info(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Pass it on."""
        self._connection.set_write_buffer_limits(high, low)


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate: {error.verify_message}"
    return (error.reason or "broken").replace("_", " ").lower()

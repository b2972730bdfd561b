"""Asks a running exporter about usage. No redirect is followed and no proxy asked; no message holds a password.

One deadline holds for all of an answer: a timeout of the usual kind would start anew with every byte.
"""

from __future__ import annotations

import base64
import http.client
import io
import re
import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urlencode, urlsplit

from exporter.errors import ExporterError
from exporter.top.answer import Answer, problems, read
from exporter.top.text import line

TIMEOUT_SECONDS = 10.0
MOST_BYTES = 64 * 1024 * 1024
"""Of an answer."""

_PATH = "/api/v1/queries"
_PORTS = {"http": 80, "https": 443}
_NOT_IN_HOSTS = re.compile(r"[\x00-\x20\x7f]")
_LONGEST_SECRET = 4096
_PIECE = 65536


class Source:
    """One exporter. The repr and `place` hold no credentials."""

    def __init__(
        self,
        url: str,
        password_file: str | None = None,
        ca_file: str | None = None,
        insecure: bool = False,
        cert_file: str | None = None,
        key_file: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        """Ask at *url*, as the user that is in it, with the password that is in it or alone in *password_file*.

        *ca_file* has the only authorities to trust. *insecure* lets every certificate pass, and lets a password be sent
        in clear to another machine. *cert_file* has the certificate to show, *key_file* its key if that is not there
        too. Raises ExporterError for what cannot be used.
        """
        try:
            parts = urlsplit(url)
            self._host, port = parts.hostname or "", parts.port
            if parts.scheme not in _PORTS or not self._host.encode("idna") or _NOT_IN_HOSTS.search(self._host):
                raise ValueError
        except ValueError:  # its own words may quote a password
            raise ExporterError("--url: not an address; write it as http://HOST:PORT or https://HOST:PORT") from None
        self._is_https = parts.scheme == "https"
        self._port = _PORTS[parts.scheme] if port is None else port
        self._prefix = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~")
        shown = f"[{self._host}]" if ":" in self._host else self._host
        self.place = line(f"{parts.scheme}://{shown}:{self._port}{self._prefix}", 200)
        if key_file and not cert_file:
            raise ExporterError("--key-file: a key, but no certificate; give --cert-file, too")
        if cert_file and not self._is_https:
            raise ExporterError("--cert-file: a certificate is shown in TLS only; write --url with https://")
        self._context = _context(ca_file, insecure) if self._is_https else None
        self._shows_certificate = bool(cert_file)
        if self._context and cert_file:
            _load_certificate(self._context, cert_file, key_file)
        self._timeout = timeout
        self._authorization = _authorization(parts.username, parts.password, password_file)
        has_password = bool(parts.password or password_file)
        if has_password and not (self._is_https or insecure or _is_here(self._host)):
            raise ExporterError(
                "--url: a password would be sent in clear; write https://, or send it so all the same with --insecure"
            )

    def __repr__(self) -> str:
        return f"Source({self.place!r})"

    def ask(self, parameters: Sequence[tuple[str, str]]) -> Answer:
        """Return the answer to a question. Raises ExporterError with what is wrong and what to do."""
        asked = urlencode(parameters, errors="replace")
        ends = time.monotonic() + self._timeout
        try:
            status, body = self._get(f"{self._prefix}{_PATH}?{asked}", ends)
        except (OSError, http.client.HTTPException) as error:
            raise ExporterError(f"{self.place}: {self._failure(error)}") from None
        if status != 200:
            raise ExporterError("\n".join(self._refusal(status, body)))
        try:
            return read(body)
        except ValueError as error:
            raise ExporterError(
                f"{self.place}{_PATH}: {error}; check that --url names an exporter, and no other server"
            ) from None

    def _get(self, path: str, ends: float) -> tuple[int, bytes]:
        headers = {"Accept": "application/json", "User-Agent": "presto-query-exporter", "Connection": "close"}
        if self._authorization:
            headers["Authorization"] = self._authorization
        with ExitStack() as sockets:
            sock = sockets.enter_context(socket.create_connection((self._host, self._port), _left(ends)))
            if self._context:
                sock.settimeout(_left(ends))
                sock = sockets.enter_context(self._context.wrap_socket(sock, server_hostname=self._host))
            connection = http.client.HTTPConnection(self._host, self._port)
            connection.default_port = _PORTS["https" if self._is_https else "http"]
            connection.sock = _Wire(sock, ends)  # all that http.client uses of a socket
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            body = bytearray()
            while piece := answer.read(_PIECE):
                body += piece
                if len(body) > MOST_BYTES:
                    raise _TooLargeError
            if answer.length:  # read in pieces, it does not say itself that some are missing
                raise http.client.IncompleteRead(b"")
            return answer.status, bytes(body)

    def _failure(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"no answer within {self._timeout:g} s; check that the exporter runs there and is not overloaded"
        if isinstance(error, _TooLargeError):
            return f"an answer of more than {MOST_BYTES // 1024**2} MiB; check that --url names an exporter"
        if isinstance(error, ssl.SSLCertVerificationError):
            why = error.verify_message.rstrip(".")
            return f"its certificate is not accepted, {why}; name its authority with --ca-file, or a host that is in it"
        if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
            return "the server speaks no TLS on this port; write --url with http://"
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
            if self._shows_certificate:
                how = "check that the exporter knows who signed the certificate in --cert-file"
            else:
                how = "if the exporter asks for client certificates, show one with --cert-file and --key-file"
            return f"TLS failed, {error.reason or 'unknown'}; {how}"
        if isinstance(error, http.client.BadStatusLine) and str(error).startswith("\x15\x03"):  # a TLS alert
            return "the server speaks TLS on this port; write --url with https://"
        if isinstance(error, http.client.IncompleteRead | ConnectionResetError | BrokenPipeError | ssl.SSLError):
            hint = "" if self._is_https else ", and whether it wants https://"
            if self._shows_certificate:
                hint = ", and whether its client_allowed_sans has a name of the certificate in --cert-file"
            return f"the server closed the connection before the answer was whole; see its log{hint}"
        if isinstance(error, http.client.HTTPException):
            return "the answer is not HTTP; check host and port of --url"
        if isinstance(error, socket.gaierror):
            return f"{error.strerror}; check the host of --url"
        if isinstance(error, ConnectionRefusedError):
            return "connection refused; start the exporter there, or say with --url where it is"
        return f"{getattr(error, 'strerror', None) or type(error).__name__}; check --url and the way there"

    def _refusal(self, status: int, body: bytes) -> list[str]:
        said = [line(one, 500) for one in problems(body)]
        place = self.place
        if status == 401:
            if self._authorization:
                return [f"{place}: wrong user or password; check the user in --url and --password-file"]
            how = "write the user into --url, as in https://USER@HOST, and give --password-file"
            return [f"{place}: it asks for a user and password; {how}"]
        if status == 403:
            return [f"{place}: it refuses (403); ask who runs it, or the proxy before it, for access"]
        if status == 404:
            why = "it is another server, an exporter from before this was built, or one with usage.retention 0"
            return [f"{place}{_PATH}: there is no such page; {why}: check --url, or update the exporter"]
        if 300 <= status < 400:
            return [f"{place}: it sends us elsewhere ({status}); give --url the address that answers itself"]
        if status == 429:
            return [f"{place}: too many requests; raise --interval, or the rate limit of the exporter"]
        if said:
            return [f"{place}: {one}" for one in said]
        return [f"{place}: it answered {status}; see its log"]


class _TooLargeError(http.client.HTTPException):
    """An answer that is no exporter's."""


_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")


class _Wire(io.RawIOBase):
    """A connected socket whose every step ends by one deadline, as http.client uses it."""

    def __init__(self, sock: socket.socket, ends: float) -> None:
        self._sock = sock
        self._ends = ends

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(_left(self._ends))
        return self._sock.recv_into(buffer)

    def sendall(self, request: bytes) -> None:
        self._sock.settimeout(_left(self._ends))
        # A server that refuses us may have closed already: what it said before is still to be read, and tells more.
        with suppress(ConnectionError, ssl.SSLEOFError):
            self._sock.sendall(request)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def close(self) -> None:
        """Do nothing: http.client closes before the body is read where the server will close after it."""


def _left(ends: float) -> float:
    left = ends - time.monotonic()
    if left <= 0.0:
        raise TimeoutError
    return left


def _is_here(host: str) -> bool:
    """Return whether what is sent to *host* stays on this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _context(ca_file: str | None, insecure: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError:
        raise ExporterError(f"{_shown(ca_file)}: no certificate in it; name a file with certificates in PEM") from None
    except (OSError, ValueError) as error:
        raise ExporterError(f"{_shown(ca_file)}: {_reason(error)}; name a file that can be read") from None
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def _load_certificate(context: ssl.SSLContext, cert_file: str, key_file: str | None) -> None:
    for option, path in (("--cert-file", cert_file), ("--key-file", key_file)):
        try:  # OpenSSL does not say which of the two it could not read
            if path:
                Path(path).open("rb").close()
        except (OSError, ValueError) as error:
            raise ExporterError(f"{option} {_shown(path)}: {_reason(error)}; name a file that can be read") from None
    try:
        context.load_cert_chain(cert_file, key_file or None, password="")  # else OpenSSL asks the terminal for one
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            where = f"--key-file {_shown(key_file)}" if key_file else f"--cert-file {_shown(cert_file)}"
            raise ExporterError(f"{where}: not the key of the certificate; give the one that is") from None
        raise ExporterError(
            f"--cert-file {_shown(cert_file)}: no certificate with its key; write both in PEM, unencrypted"
        ) from None


def _authorization(user: str | None, password: str | None, password_file: str | None) -> str:
    """Return the header of Basic authentication; empty if nobody is named."""
    if not user:
        if password or password_file:
            raise ExporterError("--url: a password, but no user; write the user into it, as in https://USER@HOST")
        return ""
    if password and password_file:
        raise ExporterError("--password-file: there is a password in --url, too; keep one of them")
    name = unquote_to_bytes(user)
    if b":" in name:  # Basic ends the user at the first colon: the rest would be sent as the password
        raise ExporterError("--url: a colon in the user, which Basic authentication cannot send; use another user")
    secret = _secret(password_file) if password_file else unquote_to_bytes(password or "")
    return f"Basic {base64.b64encode(name + b':' + secret).decode('ascii')}"


def _secret(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            secret = file.read(_LONGEST_SECRET + 1).rstrip(b"\r\n")
    except (OSError, ValueError) as error:
        raise ExporterError(f"{_shown(path)}: {_reason(error)}; name a file that can be read") from None
    if not secret:
        raise ExporterError(f"{_shown(path)}: empty; write the password into it")
    if len(secret) > _LONGEST_SECRET or b"\n" in secret:
        raise ExporterError(f"{_shown(path)}: not one line; write the password alone into it")
    return secret


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or "not a path").lower()


def _shown(path: str | None) -> str:
    return line(path or "the authorities of the system", 500)

"""A server on loopback for the tests of `top`: it answers each connection with bytes that a test chose."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit

from exporter.report.question import parse
from exporter.report.report import Row
from tests.top_answers import body, report

Talk = Callable[[bytes, socket.socket], None]
"""Is given the head of a request, and says what it wants to."""


def http(status: int, content: bytes, *headers: str) -> bytes:
    """Return an answer of HTTP."""
    head = "\r\n".join([f"HTTP/1.1 {status} x", f"Content-Length: {len(content)}", *headers, "", ""])
    return head.encode() + content


def saying(answer: bytes) -> Talk:
    """Return a talk that is always the same."""
    return lambda _, connection: connection.sendall(answer)


def reporting(rows: Callable[[], list[Row]]) -> Talk:
    """Return a talk that answers every question about *rows*."""

    def talk(head: bytes, connection: socket.socket) -> None:
        target = head.split(b" ")[1].decode()
        question = parse(parse_qsl(urlsplit(target).query, keep_blank_values=True))
        named = [row for row in rows() if not question.fingerprints or row.name in question.fingerprints]
        connection.sendall(http(200, body(report(named, question))))

    return talk


class Server:
    """Serves while the context lasts; `talk` may be replaced meanwhile."""

    def __init__(self, talk: Talk, context: ssl.SSLContext | None = None, until: bytes = b"\r\n\r\n") -> None:
        """Answer what has *until* in it."""
        self.talk = talk
        self._until = until
        self.heads: list[bytes] = []
        """Of the requests, in the order in which they came."""
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.ended = threading.Event()
        """Set at the end of the context, for talks that wait."""
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http{'s' if self._context else ''}://127.0.0.1:{self.port}"

    def __enter__(self) -> Server:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(30.0)

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self._start(self._serve, self._listener.accept()[0])

    def _serve(self, plain: socket.socket) -> None:
        with suppress(OSError), plain:
            plain.settimeout(30.0)
            connection = self._context.wrap_socket(plain, server_side=True) if self._context else plain
            with connection:
                head = b""
                while not head or self._until not in head:
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    head += piece
                self.heads.append(head)
                self.talk(head, connection)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass

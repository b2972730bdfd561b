"""A coordinator as an HTTP server on loopback, for the time of a ``with``; its faults are those of real connections."""

from __future__ import annotations

import contextlib
import gzip
import re
import socket
import socketserver
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from exporter.demo.coordinator import Coordinator, Fault, Request


class Server:
    """A coordinator on 127.0.0.1, reached at `url`. Made by `serve`."""

    def __init__(self, coordinator: Coordinator, port: int, tls: ssl.SSLContext | None) -> None:
        self.requests: list[Request] = []
        """What was asked, in order, from the moment its headers were read."""
        self._came_in = threading.Condition()
        self._listener = _Listener(coordinator, self._note, port, tls)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._listener.server_port}"
        self._thread = threading.Thread(
            target=self._listener.serve_forever, args=(0.02,), name=f"coordinator {self.url}"
        )
        self._thread.start()

    def wait_for_requests(self, count: int, path: str = "/v1/query", timeout: float = 10.0) -> None:
        """Return once *count* requests for *path* have come in; raise TimeoutError after *timeout* seconds."""

        def have_come() -> bool:
            return sum(request.path == path for request in self.requests) >= count

        with self._came_in:
            if not self._came_in.wait_for(have_come, timeout):
                raise TimeoutError(f"{self.url}{path}: fewer than {count} requests in {timeout} s")

    def close(self) -> None:
        """Stop at once: answers under way break, and every thread has ended."""
        self._listener.close()
        self._thread.join()

    def _note(self, request: Request) -> None:
        with self._came_in:
            self.requests.append(request)
            self._came_in.notify_all()


@contextlib.contextmanager
def serve(coordinator: Coordinator, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Serve a coordinator on 127.0.0.1 for the time of the context; port 0 takes a free one."""
    server = Server(coordinator, port, tls)
    try:
        yield server
    finally:
        server.close()


class _Listener(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def __init__(
        self, coordinator: Coordinator, note: Callable[[Request], None], port: int, tls: ssl.SSLContext | None
    ) -> None:
        self.coordinator = coordinator
        self.note = note
        self.tls = tls
        self.closing = threading.Event()
        self._connections: set[socket.socket] = set()
        self._compressed = (b"", b"")
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        """Bind without HTTPServer's look-up of the host's name, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_port = self.server_address[1]

    def get_request(self) -> tuple[socket.socket, Any]:
        """Return a new connection; a TLS handshake happens at its first read, in its own thread."""
        connection, address = super().get_request()
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Close a connection that is done."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep silent about connections that broke: breaking them is what the faults are for."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def compressed(self, body: bytes) -> bytes:
        """Return a body as gzip, made once as long as it stays the same object."""
        last, compressed = self._compressed
        if last is not body:
            compressed = gzip.compress(body, compresslevel=1, mtime=0)
            self._compressed = (body, compressed)
        return compressed

    def close(self) -> None:
        """Stop listening, break what is under way, and wait for the threads."""
        self.closing.set()
        self.shutdown()
        for connection in tuple(self._connections):
            with contextlib.suppress(OSError):
                # Not the method of an SSLSocket, which pulls its state away under the thread that reads.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener

    def do_GET(self) -> None:
        """Answer as the coordinator does, or as its next fault says."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.path.partition("?")[0], headers, self.server.tls is not None)
        fault, healed = self.server.coordinator.next_fault(request.path)
        self.server.note(request)
        if fault.hang:
            while not (healed.is_set() or self.server.closing.wait(0.02)):
                pass
            self.close_connection = True
            return
        answer = self.server.coordinator.answer(request, fault)
        body = answer.body
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Vary", "Accept-Encoding")
        if _accepts_gzip(headers.get("accept-encoding", "")) and "Content-Encoding" not in answer.headers:
            self.send_header("Content-Encoding", "gzip")
            body = self.server.compressed(body)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._send_body(body, fault)

    def _send_body(self, body: bytes, fault: Fault) -> None:
        """Send a body in chunks, as Jetty does with lists of any size; at the rate and as far as the fault says."""
        step, pause = 1 << 20, 0.0
        if fault.bytes_per_second is not None:
            pause = max(0.02, 1 / fault.bytes_per_second)
            step = round(fault.bytes_per_second * pause)
        until = len(body) if fault.drop_at is None else min(fault.drop_at, len(body))
        for start in range(0, until, step):
            if pause and self.server.closing.wait(pause):
                self.close_connection = True
                return
            chunk = body[start : min(start + step, until)]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        if fault.drop_at is None:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Keep silent."""


def _accepts_gzip(accept_encoding: str) -> bool:
    """Tell whether an Accept-Encoding names gzip, and not with ``q=0``."""
    for coding in accept_encoding.lower().split(","):
        name, _, weight = coding.replace(" ", "").partition(";q=")
        if name == "gzip":
            return re.fullmatch(r"0(\.0*)?", weight) is None
    return False

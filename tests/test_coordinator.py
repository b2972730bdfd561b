"""Every way in which a server can fail a poll, on real sockets: plain and TLS, on loopback."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
import trustme

from exporter.errors import (
    ConnectionFailedError,
    ForbiddenError,
    HttpStatusError,
    NotAListError,
    PollError,
    PollTimeoutError,
    TlsError,
    TooLargeError,
    UnauthorizedError,
)
from exporter.ingest.auth import Basic, Bearer, UserOnly
from exporter.ingest.connection import Limit, Place, Tls, connect
from exporter.ingest.coordinator import Answer, Coordinator

LIST = b'[{"queryId": "20260718_101112_00042_h7k3p"}]'
INFO = b'{"nodeVersion": {"version": "476"}, "environment": "test", "starting": false}'
MONITOR = UserOnly("monitor")
SECONDS = 20.0
"""Longer than anything here takes; reached only by a test that fails."""

Script = Callable[["Talk"], None]


@dataclass
class Talk:
    """One connection, as the server sees it."""

    server: Server
    sock: socket.socket
    requests: list[str] = field(default_factory=list)

    def request(self) -> str:
        """Return the next request, which is also noted; empty when the client has closed."""
        text = b""
        while not text.endswith(b"\r\n\r\n"):
            if not (more := self.sock.recv(65536)):
                return ""
            text += more
        self.server.requests.append(text.decode())
        return text.decode()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, data: bytes, pause: float = 0.05) -> None:
        """Send byte by byte until the client or the test has had enough."""
        for byte in data:
            if self.server.stopping.wait(pause):
                return
            self.send(bytes([byte]))

    def hang(self) -> None:
        """Let the client wait: say that it is waiting, and answer nothing until the test is over."""
        self.server.hanging.set()
        self.server.stopping.wait(SECONDS)


class Server:
    """A server on loopback in which every connection follows a script."""

    def __init__(self, script: Script, context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.script = script
        self.context = context
        self.requests: list[str] = []
        self.connections = 0
        self.peers: list[dict[str, Any] | None] = []
        self.stopping = threading.Event()
        self.hanging = threading.Event()
        self._listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http{'s' if context else ''}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def __enter__(self) -> Server:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for sock in (self._listener, *self._open):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(SECONDS)
        self._listener.close()
        assert not any(thread.is_alive() for thread in self._threads)

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(sock)
            thread = threading.Thread(target=self._talk, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _talk(self, sock: socket.socket) -> None:
        with suppress(OSError), sock:
            if self.context is None:
                self.script(Talk(self, sock))
                return
            with self.context.wrap_socket(sock, server_side=True) as secure:
                self.peers.append(secure.getpeercert())
                self.script(Talk(self, secure))


class NobodyAccepts:
    """A port on loopback that lets connections wait for ever: as many wait already as may."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port: int = self._listener.getsockname()[1]
        self._waiting = [socket.socket() for _ in range(8)]

    def __enter__(self) -> NobodyAccepts:
        for sock in self._waiting:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", self.port))
        return self

    def __exit__(self, *_: object) -> None:
        for sock in (*self._waiting, self._listener):
            sock.close()


def reply(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """Return a whole answer with its length; keywords are headers, with `_` for `-`."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines])
    return head.encode() + b"\r\n\r\n" + body


def chunked(*chunks: bytes) -> bytes:
    """Return chunks as they go over the wire, without the last, empty one."""
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"


GOOD_LIST, GOOD_INFO = reply(LIST), reply(INFO)


def answering(query_list: bytes | Script = GOOD_LIST, info: bytes | Script = GOOD_INFO) -> Script:
    """Return a script that answers each path with these bytes, or goes on with this script."""

    def script(talk: Talk) -> None:
        while request := talk.request():
            answer = info if "/v1/info " in request else query_list
            if callable(answer):
                answer(talk)
                return
            talk.send(answer)
            if b"onnection: close\r\n" in answer:
                return

    return script


def endlessly(piece: bytes) -> Script:
    def script(talk: Talk) -> None:
        while True:  # until the client has had enough
            talk.send(piece)

    return script


def after(head: bytes, script: Script) -> Script:
    def whole(talk: Talk) -> None:
        talk.send(head)
        script(talk)

    return whole


def ending(answer: bytes) -> Script:
    """Return a script that answers with these bytes and closes the connection."""
    return lambda talk: talk.send(answer)


def failure(coordinator: Coordinator, kind: type[PollError]) -> str:
    """Return the message of the failure of a poll, which must be of this very kind."""
    with pytest.raises(PollError) as caught:
        coordinator.poll()
    assert type(caught.value) is kind, repr(caught.value)
    return str(caught.value)


# What is asked


def test_a_poll_asks_for_info_and_list_on_one_connection_and_returns_both() -> None:
    with Server(answering(reply(LIST, Date="Sun, 06 Nov 1994 08:49:37 GMT"))) as server:
        answer = Coordinator(server.url, MONITOR).poll()
    assert (answer.query_list, answer.info, answer.coordinator_time) == (LIST, INFO, 784111777.0)
    assert 0.0 < answer.seconds < SECONDS
    assert [request.split("\r\n")[0] for request in server.requests] == [
        "GET /v1/info HTTP/1.1",
        "GET /v1/query HTTP/1.1",
    ]
    assert server.connections == 1
    for request in server.requests:
        assert f"\r\nHost: 127.0.0.1:{server.port}\r\n" in request
        assert "\r\nAuthorization: Basic bW9uaXRvcjo=\r\n" in request
        assert "\r\nAccept-Encoding: gzip\r\n" in request


@pytest.mark.parametrize("path", ["/presto", "/presto/", "/a/b%20c", "/ünïcode path"])
def test_a_path_in_the_url_is_a_prefix(path: str) -> None:
    with Server(answering()) as server:
        assert Coordinator(server.url + path, MONITOR).poll().query_list == LIST
    prefix = {"/ünïcode path": "/%C3%BCn%C3%AFcode%20path"}.get(path, path.rstrip("/"))
    assert [request.split()[1] for request in server.requests] == [f"{prefix}/v1/info", f"{prefix}/v1/query"]


def test_ipv6_addresses_work() -> None:
    try:
        server = Server(answering(), host="::1")
    except OSError:
        pytest.skip("no IPv6 here")
    with server:
        assert Coordinator(server.url, MONITOR).poll().query_list == LIST
    assert f"\r\nHost: [::1]:{server.port}\r\n" in server.requests[0]


def test_a_name_is_looked_up_and_its_addresses_tried_in_turn() -> None:
    """localhost has an IPv6 address first on many machines, where nobody listens."""
    with Server(answering()) as server:
        assert Coordinator(f"http://localhost:{server.port}", MONITOR).poll().query_list == LIST


def test_credentials_in_the_url_are_never_sent() -> None:
    with Server(answering()) as server:
        url = server.url.replace("http://", "http://alice:hidden@")
        Coordinator(url, MONITOR).poll()
    assert "\r\nHost: 127.0.0.1:" in server.requests[0]
    assert "\r\nAuthorization: Basic bW9uaXRvcjo=\r\n" in server.requests[0]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "presto.example:8080",
        "ftp://alice:hidden@presto.example",
        "http://",
        "http://alice:hidden@",
        "http://alice:hidden@host:port",
        "http://alice:hid#den@host:80",
        "http://alice:hidden@[::1",
        "http://alice:hidden@ho st",
        "http://alice:hidden@a..b",
        "http://alice:hidden@host:99999",
        "http://alice:hidden@\u2100.example",
    ],
)
def test_a_url_that_names_no_place_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        Coordinator(url, MONITOR)
    assert str(caught.value) == "url: not an address; write it as http://host:port or https://host:port"


def test_extra_headers_go_with_each_request_and_win_over_ours() -> None:
    headers = {"X-Forwarded-Proto": "https", "authorization": "Custom zzz", "x-team": "Zoë", "Host": "presto.example"}
    with Server(answering()) as server:
        Coordinator(server.url, MONITOR, headers={**headers, "accept-encoding": "br"}).poll()
    for request in server.requests:
        lines = request.lower().split("\r\n")
        assert "x-forwarded-proto: https" in lines
        assert "x-team: zoë" in lines
        assert [line for line in lines if line.startswith("authorization:")] == ["authorization: custom zzz"]
        assert [line for line in lines if line.startswith("host:")] == ["host: presto.example"]
        assert [line for line in lines if line.startswith("accept-encoding:")] == ["accept-encoding: gzip"]


@pytest.mark.parametrize(
    "headers", [{"X-A": "hidden\r\nX-B: c"}, {"X-A": "hidden\0"}, {"": "hidden"}, {"X A": "hidden"}, {"X:": "hidden"}]
)
def test_a_header_that_http_cannot_carry_is_refused_without_being_quoted(headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"^headers: ") as caught:
        Coordinator("http://127.0.0.1", MONITOR, headers=headers)
    assert "hidden" not in str(caught.value)


def test_nothing_from_the_environment_is_used(tmp_path: Path) -> None:
    """A proxy would get the credentials, and a .netrc would replace them."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login alice password hidden\n")
    netrc.chmod(0o600)
    program = (
        "import sys; from exporter.ingest.auth import UserOnly; from exporter.ingest.coordinator import Coordinator;"
        "print(bytes(Coordinator(sys.argv[1], UserOnly('monitor')).poll().query_list).decode())"
    )
    with Server(answering()) as server, Server(answering()) as proxy:
        names = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
        environment = {**os.environ, **dict.fromkeys(names, proxy.url), "HOME": str(tmp_path), "NETRC": str(netrc)}
        del environment["PYTEST_CURRENT_TEST"]
        done = subprocess.run(
            [sys.executable, "-c", program, server.url], env=environment, capture_output=True, text=True, check=True
        )
    assert done.stdout.strip() == LIST.decode()
    assert proxy.connections == 0
    assert all("\r\nAuthorization: Basic bW9uaXRvcjo=\r\n" in request for request in server.requests)


def test_a_rotated_password_is_sent_by_the_next_poll(tmp_path: Path) -> None:
    file = tmp_path / "password"
    with Server(answering()) as server:
        coordinator = Coordinator(server.url, Basic("monitor", str(file)))
        assert failure(coordinator, UnauthorizedError).startswith(f"{file}: No such file")
        assert server.connections == 0
        for password in ("one", "two"):
            file.write_text(password)
            coordinator.poll()
    sent = [line for request in server.requests for line in request.split("\r\n") if "Authorization" in line]
    first, second = "Authorization: Basic bW9uaXRvcjpvbmU=", "Authorization: Basic bW9uaXRvcjp0d28="
    assert sent == [first, first, second, second]


# What comes back


LARGE = random.Random(7).randbytes(700_000).hex().encode()
GZIP = gzip.compress(LARGE)
CLOSE = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(reply(LARGE), id="length"),
        pytest.param(reply(LARGE, Content_Encoding="identity"), id="said to be plain"),
        pytest.param(CHUNKED + b"\r\n" + chunked(LARGE[:1], LARGE[1:9], LARGE[9:]) + b"0\r\n\r\n", id="chunked"),
        pytest.param(CHUNKED + b"\r\n" + chunked(LARGE) + b"0\r\nX-Trailer: 1\r\n\r\n", id="with a trailer"),
        pytest.param(ending(CLOSE + b"\r\n" + LARGE), id="until the end of the connection"),
        pytest.param(ending(b"HTTP/1.0 200 OK\r\n\r\n" + LARGE), id="HTTP/1.0"),
        pytest.param(reply(GZIP, Content_Encoding="gzip"), id="gzip"),
        pytest.param(reply(GZIP, Content_Encoding=" X-GZIP"), id="gzip by its old name"),
        pytest.param(reply(gzip.compress(LARGE, 0), Content_Encoding="gzip"), id="gzip that stores"),
        pytest.param(
            reply(
                b"".join(gzip.compress(LARGE[i : i + 100_000]) for i in range(0, len(LARGE), 100_000)),
                Content_Encoding="gzip",
            ),
            id="gzip of many members",
        ),
        pytest.param(
            CHUNKED
            + b"Content-Encoding: gzip\r\n\r\n"
            + chunked(*(GZIP[i : i + 997] for i in range(0, len(GZIP), 997)))
            + b"0\r\n\r\n",
            id="gzip in chunks",
        ),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + reply(LARGE), id="after an interim answer"),
    ],
)
def test_a_body_arrives_whole_however_it_is_sent(answer: bytes | Script) -> None:
    with Server(answering(answer)) as server:
        assert Coordinator(server.url, MONITOR).poll().query_list == LARGE


def test_a_body_of_zeros_comes_out_as_long_as_it_was() -> None:
    """Its pieces are cut in the middle of what one compressed byte stands for."""
    zeros = bytes(5_000_001)
    with Server(answering(reply(gzip.compress(zeros), Content_Encoding="gzip"))) as server:
        assert Coordinator(server.url, MONITOR).poll().query_list == zeros


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ensure a local time that is not UTC."""
    with monkeypatch.context() as environment:
        environment.setenv("TZ", "XXX+7")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784111777.0),
        ("Sun, 06 Nov 1994 08:49:37 -0000", 784111777.0),
        ("Sun, 06 Nov 1994 09:49:37 +0100", 784111777.0),
        ("", None),
        ("yesterday", None),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 99999 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 +9999999999", None),
    ],
)
def test_the_time_of_the_coordinator_is_the_date_of_the_list(
    date: str, expected: float | None, far_from_greenwich: None
) -> None:
    with Server(answering(reply(LIST, Date=date), reply(INFO, Date="Mon, 07 Nov 1994 00:00:00 GMT"))) as server:
        assert Coordinator(server.url, MONITOR).poll().coordinator_time == expected


@pytest.mark.parametrize(
    "info",
    [
        pytest.param(reply(b"no", "500 Server Error"), id="500"),
        pytest.param(reply(b"no", "401 Unauthorized"), id="401"),
        pytest.param(reply(b"no", "302 Found", Location="/elsewhere"), id="redirect"),
        pytest.param(reply(b"", "204 No Content"), id="204"),
        pytest.param(reply(b" " * 70_000), id="too large"),
        pytest.param(reply(b"not gzip", Content_Encoding="gzip"), id="corrupt"),
        pytest.param(reply(b"x", Content_Encoding="br"), id="unknown encoding"),
    ],
)
def test_an_info_that_was_refused_or_is_unusable_does_not_fail_the_poll(info: bytes) -> None:
    with Server(answering(info=info)) as server:
        answer = Coordinator(server.url, MONITOR).poll()
    assert (answer.query_list, answer.info) == (LIST, None)
    assert [request.split()[1] for request in server.requests] == ["/v1/info", "/v1/query"]


@pytest.mark.parametrize(
    "info",
    [
        pytest.param(reply(INFO, Connection="close"), id="announced"),
        pytest.param(ending(reply(INFO)), id="without a word"),
    ],
)
def test_a_connection_that_is_closed_after_the_info_is_opened_again(info: bytes | Script) -> None:
    with Server(answering(info=info)) as server:
        answer = Coordinator(server.url, MONITOR).poll()
    assert (answer.query_list, answer.info) == (LIST, INFO)
    assert server.connections == 2


# Statuses


@pytest.mark.parametrize(
    ("status", "headers", "kind", "message"),
    [
        (
            "401 Unauthorized",
            {"WWW_Authenticate": 'Basic realm="a, Digest b", Bearer x_redirect_server="https://u:p@h/?q=hidden"'},
            UnauthorizedError,
            'GET /v1/query answered 401 to user "monitor" and offers Basic, Bearer; '
            "check the user, the secret and the kind of auth",
        ),
        (
            "401 Unauthorized",
            {"WWW_Authenticate": "Negotiate"},
            UnauthorizedError,
            'GET /v1/query answered 401 to user "monitor" and offers Negotiate; '
            "check the user, the secret and the kind of auth",
        ),
        (
            "401 Unauthorized",
            {},
            UnauthorizedError,
            'GET /v1/query answered 401 to user "monitor" and offers no kind of authentication; '
            "check the user, the secret and the kind of auth",
        ),
        (
            "403 Forbidden",
            {},
            ForbiddenError,
            'GET /v1/query answered 403; let user "monitor" view other users\' queries; '
            "a coordinator that authenticates over HTTPS refuses everybody over http://",
        ),
        ("404 Not Found", {}, HttpStatusError, "GET /v1/query answered 404; check the path of url"),
        (
            "500 Server Error",
            {"Content_Type": "text/plain"},
            HttpStatusError,
            "GET /v1/query answered 500; the coordinator may still be starting, else see its log",
        ),
        ("204 No Content", {}, HttpStatusError, "GET /v1/query answered 204; see the coordinator's log"),
        ("206 Partial Content", {}, HttpStatusError, "GET /v1/query answered 206; see the coordinator's log"),
        ("418 SELECT hidden", {}, HttpStatusError, "GET /v1/query answered 418; see the coordinator's log"),
    ],
)
def test_a_status_other_than_200_has_its_kind_and_says_what_to_do(
    status: str, headers: dict[str, str], kind: type[PollError], message: str
) -> None:
    """Nothing that the server wrote goes into the message: a stack trace may hold SQL."""
    with Server(answering(reply(b"SELECT 'hidden'", status, **headers))) as server:
        assert failure(Coordinator(server.url, MONITOR), kind) == message


def test_a_refused_token_is_spoken_of_without_being_shown(tmp_path: Path, ca_file: str) -> None:
    file = tmp_path / "token"
    file.write_text("hidden")
    with Server(answering(reply(b"", "403 Forbidden")), server_context(AUTHORITY.issue_cert("127.0.0.1"))) as server:
        message = failure(Coordinator(server.url, Bearer(str(file)), tls=Tls(ca_file)), ForbiddenError)
    assert message == "GET /v1/query answered 403; let the owner of the token view other users' queries"


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_no_redirect_is_followed(status: str) -> None:
    with Server(answering()) as elsewhere:
        redirect = reply(b"", status, Location=f"http://alice:hidden@127.0.0.1:{elsewhere.port}/v1/query?token=hidden")
        with Server(answering(redirect, redirect)) as server:
            message = failure(Coordinator(server.url, MONITOR), HttpStatusError)
    assert elsewhere.connections == 0
    assert message == (
        f"GET /v1/query answered {status[:3]}, a redirect to http://127.0.0.1:{elsewhere.port}; "
        "none is followed: write its target in url"
    )


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://presto.example/ui/?token=hidden", "https://presto.example"),
        ("/ui/login?hidden", "another path of the same host"),
        ("", "another path of the same host"),
        ("javascript://hidden/", "an unreadable place"),
        ("http://[hidden", "an unreadable place"),
        ("http://hid den\x1b[31m/", "an unreadable place"),
        ("http://presto.example:hidden/", "an unreadable place"),
    ],
)
def test_a_redirect_names_the_host_and_nothing_else(location: str, target: str) -> None:
    with Server(answering(reply(b"", "302 Found", Location=location))) as server:
        message = failure(Coordinator(server.url, MONITOR), HttpStatusError)
    assert f"a redirect to {target};" in message


# Bodies that are no list


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(ending(reply(LARGE)[:-1]), ConnectionFailedError, id="shorter than its length"),
        pytest.param(
            ending(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), ConnectionFailedError, id="not a byte of it"
        ),
        pytest.param(
            ending(CHUNKED + b"\r\n" + chunked(LARGE)[:-1000]), ConnectionFailedError, id="cut within a chunk"
        ),
        pytest.param(ending(CHUNKED + b"\r\n" + chunked(LARGE)), ConnectionFailedError, id="cut between chunks"),
        pytest.param(ending(CHUNKED + b"\r\n" + chunked(LARGE) + b"zz"), ConnectionFailedError, id="no chunk size"),
        pytest.param(
            ending(CHUNKED + b"Content-Encoding: gzip\r\n\r\n" + chunked(GZIP)),
            ConnectionFailedError,
            id="whole gzip in a cut answer",
        ),
        pytest.param(
            ending(reply(GZIP, Content_Encoding="gzip")[:-1000]), ConnectionFailedError, id="cut gzip in a cut answer"
        ),
        pytest.param(reply(GZIP[:-1], Content_Encoding="gzip"), NotAListError, id="cut gzip"),
        pytest.param(reply(GZIP + GZIP[:9], Content_Encoding="gzip"), NotAListError, id="cut second member"),
        pytest.param(reply(b"", Content_Encoding="gzip"), NotAListError, id="no gzip at all"),
        pytest.param(
            reply(GZIP[:-8] + b"\0" * 8, Content_Encoding="gzip"), NotAListError, id="gzip with a wrong check sum"
        ),
        pytest.param(reply(GZIP + b"junk", Content_Encoding="gzip"), NotAListError, id="junk after gzip"),
        pytest.param(reply(b"junk" + LARGE, Content_Encoding="gzip"), NotAListError, id="plain text said to be gzip"),
        pytest.param(reply(GZIP, Content_Encoding="br"), NotAListError, id="br"),
        pytest.param(reply(GZIP, Content_Encoding="zstd"), NotAListError, id="zstd"),
        pytest.param(reply(GZIP, Content_Encoding="gzip, gzip"), NotAListError, id="twice gzip"),
    ],
)
def test_a_body_that_is_cut_or_corrupt_is_never_a_short_list(answer: bytes | Script, kind: type[PollError]) -> None:
    with Server(answering(answer)) as server:
        message = failure(Coordinator(server.url, MONITOR), kind)
    assert message.startswith("GET /v1/query: ")
    assert "; see " in message


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"hello\r\n\r\n", id="no status line"),
        pytest.param(b"HTTP/1.1 two hundred\r\n\r\n", id="no number"),
        pytest.param(b"HTTP/2 200\r\n\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 200 " + b"x" * 70_000, id="endless status line"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, id="endless header"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", id="too many headers"),
        pytest.param(after(CHUNKED + b"\r\n-1\r\n", endlessly(bytes(65536))), id="chunk of negative size"),
    ],
)
def test_what_is_not_http_is_a_failed_connection(answer: bytes | Script) -> None:
    with Server(answering(answer)) as server:
        message = failure(Coordinator(server.url, MONITOR), ConnectionFailedError)
    assert message == "GET /v1/query: the answer is not HTTP; check host and port of url"


# Size


BOMB = gzip.compress(bytes(16 << 20)) * 64
"""1 GiB of zeros in 1 MB."""


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(reply(BOMB, Content_Encoding="gzip"), id="gzip bomb"),
        pytest.param(after(CLOSE + b"\r\n", endlessly(bytes(65536))), id="endless"),
        pytest.param(after(CHUNKED + b"\r\n", endlessly(chunked(bytes(65536)))), id="endless chunks"),
        pytest.param(after(CHUNKED + b"\r\nfffffffff\r\n", endlessly(bytes(65536))), id="endless chunk"),
        pytest.param(
            after(CLOSE + b"Content-Encoding: gzip\r\n\r\n", endlessly(gzip.compress(bytes(1 << 20)))),
            id="endless gzip",
        ),
        pytest.param(after(reply().replace(b": 0", b": 99999999999"), endlessly(bytes(65536))), id="huge length"),
    ],
)
def test_a_list_that_is_too_large_is_given_up_before_it_fills_the_memory(answer: bytes | Script) -> None:
    limit = 8 << 20
    with Server(answering(answer)) as server:
        coordinator = Coordinator(server.url, MONITOR, max_response_bytes=limit)
        tracemalloc.start()
        try:
            message = failure(coordinator, TooLargeError)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert message == "GET /v1/query: more than 8388608 bytes; raise max_response_bytes"
    assert peak < 2 * limit  # a growing buffer may be moved: that is not a second copy


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_the_limit_counts_decompressed_bytes_and_is_itself_allowed(encoding: str) -> None:
    body = GZIP if encoding == "gzip" else LARGE
    with Server(answering(reply(body, Content_Encoding=encoding))) as server:
        assert Coordinator(server.url, MONITOR, max_response_bytes=len(LARGE)).poll().query_list == LARGE
        failure(Coordinator(server.url, MONITOR, max_response_bytes=len(LARGE) - 1), TooLargeError)


def test_a_large_list_is_held_once() -> None:
    body = gzip.compress(bytes(64 << 20))
    with Server(answering(reply(body, Content_Encoding="gzip"))) as server:
        tracemalloc.start()
        try:
            answer = Coordinator(server.url, MONITOR).poll()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert len(answer.query_list) == 64 << 20
    assert peak < 1.4 * (64 << 20)


def test_a_failure_that_is_kept_holds_no_body() -> None:
    """The last failure is kept to be shown, and an exception keeps the frames that it went through."""
    corrupt = reply(GZIP[:9999] + b"junk" + GZIP[9999:], Content_Encoding="gzip")
    for answer in (ending(reply(LARGE)[:-1]), reply(GZIP[:-1], Content_Encoding="gzip"), corrupt, reply(LARGE)):
        with Server(answering(answer)) as server, pytest.raises(PollError) as caught:
            Coordinator(server.url, MONITOR, max_response_bytes=len(LARGE) - 1).poll()
        assert caught.value.__context__ is None
        assert caught.value.__cause__ is None
        frames = [frame for frame in _frames(caught.value.__traceback__) if "exporter" in frame.f_code.co_filename]
        held = [value for frame in frames for value in frame.f_locals.values()]
        assert not [value for value in held if isinstance(value, bytes | bytearray | memoryview)]


def _frames(traceback: TracebackType | None) -> Iterator[Any]:
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next


# Time


DRIP = b"x" * 10_000
HANGING = {
    "info: never answers": answering(info=lambda talk: talk.hang()),
    "status line drips": answering(lambda talk: talk.drip(b"HTTP/1.1 200 " + DRIP)),
    "headers drip": answering(after(b"HTTP/1.1 200 OK\r\n", lambda talk: talk.drip(b"X: y\r\n" * 10_000))),
    "interim answers without end": answering(endlessly(b"HTTP/1.1 100 Continue\r\n\r\n")),
    "list: never answers": answering(lambda talk: talk.hang()),
    "body drips": answering(after(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n", lambda talk: talk.drip(DRIP))),
    "chunks drip": answering(after(CHUNKED + b"\r\n", lambda talk: talk.drip(chunked(b"x") * 10_000))),
    "trailers without end": answering(after(CHUNKED + b"\r\n0\r\n", endlessly(b"X: y\r\n" * 1000))),
    "gzip that decompresses to nothing": answering(
        after(CLOSE + b"Content-Encoding: gzip\r\n\r\n", endlessly(gzip.compress(b"")))
    ),
    "body stops": answering(after(reply(LARGE)[:-1], lambda talk: talk.hang())),
    "accepts and never reads": lambda talk: talk.hang(),
}


@pytest.mark.parametrize("script", HANGING.values(), ids=HANGING)
def test_a_poll_ends_at_its_timeout_whatever_the_server_does(script: Script) -> None:
    with Server(script) as server:
        started = time.monotonic()
        message = failure(Coordinator(server.url, MONITOR, timeout=0.4), PollTimeoutError)
        seconds = time.monotonic() - started
    assert message.startswith("GET /v1/")
    assert message.endswith(
        ": not done within 0.4 s for the whole poll; raise timeout, or see why the coordinator is slow"
    )
    assert 0.4 <= seconds < 5.0


def test_the_timeout_is_for_both_requests_together() -> None:
    def slowly(answer: bytes) -> Script:
        def script(talk: Talk) -> None:
            talk.server.stopping.wait(0.4)
            talk.send(answer)

        return script

    with Server(answering(slowly(reply(LIST)), slowly(reply(INFO)))) as server:
        assert Coordinator(server.url, MONITOR, timeout=SECONDS).poll().query_list == LIST
        message = failure(Coordinator(server.url, MONITOR, timeout=0.6), PollTimeoutError)
    assert message.startswith("GET /v1/query: not done within 0.6 s")


def handshake_that_hangs(talk: Talk) -> None:
    talk.sock.recv(65536)
    talk.hang()


def handshake_that_drips(talk: Talk) -> None:
    talk.sock.recv(65536)
    talk.drip(b"\x16\x03\x03\x40\x00" + DRIP)  # the head of a long record


@pytest.mark.parametrize("script", [handshake_that_hangs, handshake_that_drips])
def test_a_tls_handshake_ends_at_the_timeout_too(script: Script) -> None:
    with Server(script) as server:
        started = time.monotonic()
        url = server.url.replace("http://", "https://")
        message = failure(Coordinator(url, MONITOR, timeout=0.4), PollTimeoutError)
        seconds = time.monotonic() - started
    assert message.startswith(f"TLS with 127.0.0.1:{server.port}: not done within 0.4 s")
    assert 0.4 <= seconds < 5.0


class Polling:
    """A poll in a thread of its own, and how it ended."""

    def __init__(self, coordinator: Coordinator) -> None:
        self.result: Answer | PollError | None = None
        self.thread = threading.Thread(target=self._run, args=(coordinator,))
        self.thread.start()

    def _run(self, coordinator: Coordinator) -> None:
        try:
            self.result = coordinator.poll()
        except PollError as error:
            self.result = error


@pytest.mark.parametrize(
    ("script", "https"),
    [
        pytest.param(handshake_that_hangs, True, id="TLS handshake"),
        pytest.param(HANGING["info: never answers"], False, id="info"),
        pytest.param(HANGING["list: never answers"], False, id="list"),
        pytest.param(HANGING["body stops"], False, id="body"),
    ],
)
def test_abort_ends_the_poll_under_way_and_every_later_one(script: Script, https: bool) -> None:
    with Server(script) as server:
        url = server.url.replace("http://", "https://") if https else server.url
        coordinator = Coordinator(url, MONITOR, timeout=60.0)
        polling = Polling(coordinator)
        assert server.hanging.wait(SECONDS)
        started = time.monotonic()
        coordinator.abort()
        polling.thread.join(SECONDS)
        assert time.monotonic() - started < 3.0
        assert type(polling.result) is ConnectionFailedError
        assert str(polling.result).endswith(": given up; the exporter is stopping")
        connections = server.connections
        message = failure(coordinator, ConnectionFailedError)
        assert message == "poll: given up; the exporter is stopping"
        assert server.connections == connections


NAMES_AND_CONNECTIONS = """
import json, socket, sys, threading, time
from exporter.errors import PollError
from exporter.ingest.auth import UserOnly
from exporter.ingest.coordinator import Coordinator

asked = threading.Event()

def at_system_call(event, args):
    if event == "socket.getaddrinfo" and args[0] == "slow.example":
        asked.set()
        threading.Event().wait()
    if event == "socket.getaddrinfo" and args[0] == "no.example":
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    if event == "socket.connect":
        asked.set()

sys.addaudithook(at_system_call)

def poll(coordinator, results):
    started = time.monotonic()
    try:
        coordinator.poll()
        results.append("an answer")
    except PollError as failure:
        results.append([type(failure).__name__, str(failure), time.monotonic() - started])

results = []
for url in sys.argv[1:]:
    poll(Coordinator(url, UserOnly("monitor"), timeout=0.4), results)
    asked.clear()
    coordinator = Coordinator(url, UserOnly("monitor"), timeout=60.0)
    thread = threading.Thread(target=poll, args=(coordinator, results))
    thread.start()
    if url != "http://no.example":
        asked.wait()
        thread.join(0.3)
        assert thread.is_alive(), "it should hang until it is aborted"
    coordinator.abort()
    thread.join()
print(json.dumps(results))
"""


def test_a_lookup_and_a_connection_that_hang_are_bounded_and_can_be_aborted() -> None:
    """In a process of its own, which must also end although a lookup still hangs in it."""
    with NobodyAccepts() as silent:
        port = silent.port
        urls = [f"http://127.0.0.1:{port}", "http://slow.example", "http://no.example"]
        command = [sys.executable, "-c", NAMES_AND_CONNECTIONS, *urls]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    kinds, messages, seconds = zip(*json.loads(done.stdout), strict=True)
    timeout = "not done within 0.4 s for the whole poll; raise timeout, or see why the coordinator is slow"
    stopping = "given up; the exporter is stopping"
    unknown = "look up no.example: Name or service not known; check the host of url and the name servers"
    assert messages[:5] == (
        f"connect to 127.0.0.1:{port}: {timeout}",
        f"connect to 127.0.0.1:{port}: {stopping}",
        f"look up slow.example: {timeout}",
        f"look up slow.example: {stopping}",
        unknown,
    )
    assert kinds == ("PollTimeoutError", "ConnectionFailedError") * 2 + ("ConnectionFailedError",) * 2
    assert max(seconds) < 5.0


# Connections


def test_a_refused_connection_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    message = failure(Coordinator(f"http://127.0.0.1:{port}", MONITOR), ConnectionFailedError)
    assert message == (
        f"connect to 127.0.0.1:{port}: Connection refused; check that the coordinator runs and can be reached from here"
    )


def test_an_address_that_never_answers_leaves_time_to_the_next_one() -> None:
    """Such as IPv6 in a network that drops it."""
    with Server(answering()) as server, NobodyAccepts() as silent:
        ports = [silent.port, server.port]
        addresses = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port)) for port in ports]
        place = Place(https=False, host="presto.example", port=80, prefix="")
        with connect(place, addresses, Limit(1.0, threading.Event())) as sock:
            assert sock.getpeername() == ("127.0.0.1", server.port)


def reset(talk: Talk) -> None:
    talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closing sends RST
    talk.sock.close()


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(lambda talk: None, id="closes at once"),
        pytest.param(reset, id="resets at once"),
        pytest.param(answering(info=lambda talk: None), id="closes instead of the info"),
        pytest.param(answering(reset), id="resets instead of the list"),
        pytest.param(answering(after(reply(LARGE)[:-1], reset)), id="resets within the body"),
    ],
)
def test_a_connection_that_is_closed_or_reset_is_a_failed_one(script: Script) -> None:
    with Server(script) as server:
        message = failure(Coordinator(server.url, MONITOR), ConnectionFailedError)
    assert "the server closed the connection before the answer was whole" in message


def test_what_a_server_said_before_it_closed_is_heard() -> None:
    """It answers without having read the request, so that sending it may fail."""
    with Server(ending(reply(b"", "503 Busy", Connection="close"))) as server:
        message = failure(Coordinator(server.url, MONITOR, headers={"X": "x" * 60_000}), HttpStatusError)
    assert message.startswith("GET /v1/query answered 503")


def test_after_every_kind_of_failure_the_same_coordinator_works_again() -> None:
    with Server(answering()) as server:
        coordinator = Coordinator(server.url, MONITOR, timeout=0.5, max_response_bytes=100)
        good = server.script
        for script, kind in [
            (answering(reply(b"", "401 No")), UnauthorizedError),
            (answering(reply(b"", "403 No")), ForbiddenError),
            (answering(reply(b"", "500 No")), HttpStatusError),
            (answering(reply(LARGE)), TooLargeError),
            (answering(reply(b"x", Content_Encoding="gzip")), NotAListError),
            (answering(lambda talk: talk.hang()), PollTimeoutError),
            (answering(reset), ConnectionFailedError),
        ]:
            server.script = script
            failure(coordinator, kind)
            server.script = good
            assert coordinator.poll().query_list == LIST


# TLS


AUTHORITY = trustme.CA()
OTHER_AUTHORITY = trustme.CA()


def server_context(certificate: trustme.LeafCert, clients: trustme.CA | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    if clients is not None:
        clients.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def write(authority: trustme.CA, path: Path) -> str:
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def ca_file(tmp_path: Path) -> str:
    return write(AUTHORITY, tmp_path / "ca.pem")


def test_a_private_authority_is_trusted_where_it_is_configured(ca_file: str) -> None:
    context = server_context(AUTHORITY.issue_cert("127.0.0.1"))
    with Server(answering(reply(GZIP, Content_Encoding="gzip")), context) as server:
        assert Coordinator(server.url, MONITOR, tls=Tls(ca_file)).poll().query_list == LARGE
        message = failure(Coordinator(server.url, MONITOR), TlsError)
    assert message == (
        f"TLS with 127.0.0.1:{server.port}: its certificate is not accepted, unable to get local issuer certificate; "
        "set tls.ca_file to the authority that signed it"
    )
    assert all("GET" in request for request in server.requests)


@pytest.mark.parametrize(
    ("certificate", "tls", "message"),
    [
        pytest.param(
            AUTHORITY.issue_cert("presto.example"),
            {},
            "IP address mismatch, certificate is not valid for '127.0.0.1'; set tls.server_name to a name in it",
            id="wrong address",
        ),
        pytest.param(
            AUTHORITY.issue_cert("127.0.0.1"),
            {"server_name": "presto.example"},
            "Hostname mismatch, certificate is not valid for 'presto.example'; set tls.server_name to a name in it",
            id="wrong name",
        ),
        pytest.param(
            AUTHORITY.issue_cert("127.0.0.1", not_after=datetime.now(UTC) - timedelta(days=1)),
            {},
            "certificate has expired; let it be renewed",
            id="expired",
        ),
        pytest.param(
            OTHER_AUTHORITY.issue_cert("127.0.0.1"),
            {},
            "unable to get local issuer certificate; set tls.ca_file to the authority that signed it",
            id="another authority",
        ),
    ],
)
def test_a_certificate_that_proves_nothing_is_refused_before_anything_is_sent(
    certificate: trustme.LeafCert, tls: dict[str, str], message: str, ca_file: str
) -> None:
    with Server(answering(), server_context(certificate)) as server:
        text = failure(Coordinator(server.url, MONITOR, tls=Tls(ca_file, **tls)), TlsError)  # type: ignore[arg-type]
        assert server.requests == []
        unchecked = Tls(ca_file, **tls, insecure_skip_verify=True)
        assert Coordinator(server.url, MONITOR, tls=unchecked).poll().query_list == LIST
    assert text == f"TLS with 127.0.0.1:{server.port}: its certificate is not accepted, {message}"


def test_the_server_name_is_asked_for_and_must_be_in_the_certificate(ca_file: str) -> None:
    context = server_context(AUTHORITY.issue_cert("presto.example"))
    asked: list[str | None] = []
    context.sni_callback = lambda _sock, name, _context: asked.append(name)
    with Server(answering(), context) as server:
        tls = Tls(ca_file, server_name="presto.example")
        assert Coordinator(server.url, MONITOR, tls=tls).poll().query_list == LIST
    assert asked == ["presto.example"]


@pytest.mark.parametrize("name", ["", ".example", "a..b", "x\0y", "x y", "x" * 64])
def test_a_server_name_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^tls\.server_name: not a host name; "):
        Tls(server_name=name)


@pytest.fixture
def client_files(tmp_path: Path) -> Callable[[trustme.CA], tuple[str, str]]:
    """Write a new client certificate of an authority into the same two files, and return their paths."""

    def issue(authority: trustme.CA) -> tuple[str, str]:
        certificate = authority.issue_cert("monitor@presto.example")
        certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "client.pem"))
        certificate.private_key_pem.write_to_path(str(tmp_path / "client.key"))
        return str(tmp_path / "client.pem"), str(tmp_path / "client.key")

    return issue


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_certificate_is_shown_and_its_lack_is_named(
    version: ssl.TLSVersion, ca_file: str, client_files: Callable[[trustme.CA], tuple[str, str]]
) -> None:
    """With TLS 1.3 the refusal comes after the handshake, in the place of the answer."""
    context = server_context(AUTHORITY.issue_cert("127.0.0.1"), clients=AUTHORITY)
    context.maximum_version = version
    with Server(answering(), context) as server:
        tls = Tls(ca_file, *client_files(AUTHORITY))
        assert Coordinator(server.url, MONITOR, tls=tls).poll().query_list == LIST
        assert len(server.peers) == 1
        missing = failure(Coordinator(server.url, MONITOR, tls=Tls(ca_file)), TlsError)
        client_files(OTHER_AUTHORITY)
        foreign = failure(Coordinator(server.url, MONITOR, tls=tls), TlsError)
    for message in (missing, foreign):
        assert ": the server refuses, " in message
        assert "ALERT" in message
        assert message.endswith("; check tls.cert_file, tls.key_file and tls.server_name")


def test_certificates_and_authorities_on_disk_are_used_by_the_next_poll(
    tmp_path: Path, client_files: Callable[[trustme.CA], tuple[str, str]]
) -> None:
    serials: list[str] = []
    tls = Tls(str(tmp_path / "ca.pem"), *client_files(AUTHORITY))
    with Server(answering(), server_context(AUTHORITY.issue_cert("127.0.0.1"), clients=AUTHORITY)) as server:
        coordinator = Coordinator(server.url, MONITOR, tls=tls)
        for authority in (AUTHORITY, AUTHORITY, OTHER_AUTHORITY):
            server.context = server_context(authority.issue_cert("127.0.0.1"), clients=authority)
            write(authority, tmp_path / "ca.pem")
            client_files(authority)
            assert coordinator.poll().query_list == LIST
            serials.append((server.peers[-1] or {})["serialNumber"])
    assert len(set(serials)) == 3


def test_a_file_of_certificates_that_cannot_be_used_is_named(
    tmp_path: Path, ca_file: str, client_files: Callable[[trustme.CA], tuple[str, str]]
) -> None:
    cert_file, key_file = client_files(AUTHORITY)
    empty, missing, pipe = tmp_path / "empty", tmp_path / "missing", tmp_path / "pipe"
    empty.touch()
    os.mkfifo(pipe)
    readable = "it must be a file that the exporter may read"
    with Server(answering(), server_context(AUTHORITY.issue_cert("127.0.0.1"))) as server:
        for tls, message in [
            (Tls(str(missing)), f"tls.ca_file {missing}: No such file or directory; {readable}"),
            (Tls(str(pipe)), f"tls.ca_file {pipe}: Not a regular file; {readable}"),
            (Tls(str(empty)), f"tls.ca_file {empty}: no certificate in it; write certificates in PEM into it"),
            (
                Tls(ca_file, str(missing), key_file),
                f"tls.cert_file {missing}: No such file or directory; {readable}",
            ),
            (Tls(ca_file, cert_file, str(tmp_path)), f"tls.key_file {tmp_path}: Not a regular file; {readable}"),
            (
                Tls(ca_file, cert_file),
                f"tls.cert_file {cert_file}: no certificate with its key; write both in PEM, unencrypted",
            ),
        ]:
            assert failure(Coordinator(server.url, MONITOR, tls=tls), TlsError) == message
        assert server.requests == []
        both = tmp_path / "both.pem"
        both.write_text(Path(cert_file).read_text() + Path(key_file).read_text())
        assert Coordinator(server.url, MONITOR, tls=Tls(ca_file, str(both))).poll().query_list == LIST


def reading(talk: Talk) -> None:
    talk.sock.recv(65536)


def test_tls_spoken_to_a_plain_port_is_recognised() -> None:
    def script(talk: Talk) -> None:
        talk.sock.recv(65536)
        talk.send(reply(b"", "400 Illegal character CNTL=0x16"))

    with Server(script) as server:
        message = failure(Coordinator(server.url.replace("http://", "https://"), MONITOR), TlsError)
    assert message == (
        f"TLS with 127.0.0.1:{server.port}: the server does not speak TLS on this port; write url with http://"
    )


def test_plain_http_spoken_to_a_tls_port_is_recognised() -> None:
    """Some answer with a TLS alert; others close without a word, which proves nothing but gets the same hint."""

    def alert(talk: Talk) -> None:
        talk.request()
        talk.send(b"\x15\x03\x03\x00\x02\x02\x46")

    with Server(alert) as server:
        message = failure(Coordinator(server.url, MONITOR), TlsError)
    assert message == "GET /v1/info: the server speaks TLS on this port; write url with https://"
    with Server(reading) as server:
        message = failure(Coordinator(server.url, MONITOR), ConnectionFailedError)
    assert message.endswith("; if it speaks TLS, write url with https://")


def test_a_handshake_that_makes_no_sense_is_named_by_its_reason(ca_file: str) -> None:
    def script(talk: Talk) -> None:
        talk.sock.recv(65536)
        talk.send(b"\x16\x03\x03\x00\x04\x02\x00\x00\x00")  # an empty ServerHello

    with Server(script) as server:
        url = server.url.replace("http://", "https://")
        message = failure(Coordinator(url, MONITOR, tls=Tls(ca_file)), TlsError)
    assert re.fullmatch(rf"TLS with 127.0.0.1:{server.port}: [A-Z_]+; check the tls settings of both sides", message)


def test_a_connection_that_is_closed_after_the_handshake_is_not_taken_for_a_plain_one(ca_file: str) -> None:
    with Server(reading, server_context(AUTHORITY.issue_cert("127.0.0.1"))) as server:
        message = failure(Coordinator(server.url, MONITOR, tls=Tls(ca_file)), ConnectionFailedError)
    assert message == (
        "GET /v1/info: the server closed the connection before the answer was whole; "
        "see its log, or that of the proxy before it"
    )


def test_a_handshake_that_is_broken_off_is_a_failed_connection(ca_file: str) -> None:
    """A balancer without a living server behind it does this: nothing is wrong with certificates."""
    with Server(reading) as server:
        url = server.url.replace("http://", "https://")
        message = failure(Coordinator(url, MONITOR, tls=Tls(ca_file)), ConnectionFailedError)
    assert message.startswith(f"TLS with 127.0.0.1:{server.port}: the server closed the connection")


# Secrets


def test_no_repr_holds_a_header_a_secret_or_the_list(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hidden")
    with Server(answering(reply(b"[hidden]"), reply(b"hidden"))) as server:
        url = server.url.replace("http://", "http://alice:hidden@")
        coordinator = Coordinator(url, Basic("monitor", str(file)), headers={"X-Token": "hidden"})
        answer = coordinator.poll()
    assert b"hidden" in answer.query_list
    assert "hidden" not in repr(answer) + repr(coordinator) + repr(vars(coordinator)["_place"])

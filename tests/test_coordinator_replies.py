"""What `ingest` tells beyond a list: what came back on the way of a poll, single answers, and certificates."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path

import pytest
import trustme

from exporter.errors import (
    ConnectionFailedError,
    ForbiddenError,
    HttpStatusError,
    PollError,
    PollTimeoutError,
    TlsError,
    TooLargeError,
    UnauthorizedError,
)
from exporter.ingest.auth import Basic
from exporter.ingest.connection import NOT_ACCEPTED, REFUSED, SPEAKS_NO_TLS, SPEAKS_TLS, Tls
from exporter.ingest.coordinator import AsWhom, Coordinator, Reply
from tests.test_coordinator import (
    AUTHORITY,
    INFO,
    LIST,
    MONITOR,
    OTHER_AUTHORITY,
    SECONDS,
    Script,
    Server,
    Talk,
    after,
    answering,
    endlessly,
    reply,
    server_context,
    write,
)

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


def reading(talk: Talk) -> None:
    """Answer nothing."""
    while talk.request():
        pass


def plain(talk: Talk) -> None:
    """Answer as a server that does not speak TLS."""
    if talk.sock.recv(1, socket.MSG_PEEK) == b"G":
        talk.request()
        talk.send(reply(INFO))
    else:
        talk.sock.recv(65536)
        talk.send(reply(b"", "400 Illegal character CNTL=0x16"))


def polled(script: Script, **more: float) -> tuple[list[Reply], PollError | None]:
    """Return what came back on the way of a poll, and its failure."""
    replies: list[Reply] = []
    failure = None
    with Server(script) as server:
        try:
            Coordinator(server.url, MONITOR, **more).poll(replies)  # type: ignore[arg-type]
        except PollError as error:
            failure = error
    return replies, failure


# What came back on the way


def test_a_good_poll_tells_the_info_and_the_head_of_the_list() -> None:
    before = time.time()
    page = reply(LIST, Date=DATE, Content_Type="application/json; charset=utf-8")
    replies, failure = polled(answering(page, reply(INFO)))
    assert failure is None
    assert [(one.path, one.status, one.body) for one in replies] == [("/v1/info", 200, INFO), ("/v1/query", 200, b"")]
    assert (replies[1].date, replies[1].content_type) == (784111777.0, "application/json")
    assert (replies[0].date, replies[0].content_type, replies[0].offers, replies[0].target) == (None, "", (), "")
    assert before <= replies[0].received <= replies[1].received <= time.time()


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        (reply(b"no such user", "401 No", WWW_Authenticate='Basic realm="a, Digest b", Bearer'), UnauthorizedError),
        (reply(b"no right", "403 No"), ForbiddenError),
        (reply(b"broken", "500 No"), HttpStatusError),
        (reply(b"gone", "302 No", Location="https://alice:hidden@idp.example/login?token=hidden"), HttpStatusError),
        (reply(gzip.compress(b"zipped"), "503 No", Content_Encoding="gzip"), HttpStatusError),
    ],
)
def test_a_failed_poll_tells_the_refusal_with_what_it_says(page: bytes, kind: type[PollError]) -> None:
    replies, failure = polled(answering(page))
    assert type(failure) is kind
    refusal = replies[-1]
    assert (replies[0].path, replies[0].body, refusal.path) == ("/v1/info", INFO, "/v1/query")
    assert refusal.body in (b"no such user", b"no right", b"broken", b"gone", b"zipped")
    assert refusal.offers == (("Basic", "Bearer") if refusal.status == 401 else ())
    assert refusal.target == ("https://idp.example" if refusal.status == 302 else "")
    assert refusal.body.decode() not in f"{failure}{replies!r}"


def test_an_info_that_is_refused_is_told_and_fails_nothing() -> None:
    replies, failure = polled(answering(info=reply(b"not you", "401 No", WWW_Authenticate="Negotiate")))
    assert failure is None
    assert [(one.status, one.offers, one.body) for one in replies] == [
        (401, ("Negotiate",), b"not you"),
        (200, (), b""),
    ]


@pytest.mark.parametrize("page", [reply(b" " * 70_000), reply(b"junk", Content_Encoding="gzip")])
def test_an_info_that_cannot_be_used_is_told_without_a_body(page: bytes) -> None:
    replies, failure = polled(answering(info=page))
    assert failure is None
    assert [(one.status, one.body) for one in replies] == [(200, b""), (200, b"")]


def test_a_list_that_is_too_large_or_cut_is_told_by_its_head() -> None:
    replies, failure = polled(answering(reply(LIST)), max_response_bytes=10)
    assert type(failure) is TooLargeError and [one.status for one in replies] == [200, 200]
    replies, failure = polled(answering(lambda talk: talk.send(reply(LIST)[:-1])))
    assert type(failure) is ConnectionFailedError and [one.status for one in replies] == [200, 200]


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(after(b"HTTP/1.1 500 No\r\n\r\n", endlessly(b"x" * 65536)), id="endless"),
        pytest.param(
            after(
                b"HTTP/1.1 500 No\r\nContent-Encoding: gzip\r\n\r\n",
                endlessly(gzip.compress(bytes(1 << 20))),
            ),
            id="endless gzip",
        ),
    ],
)
def test_no_more_than_the_beginning_of_a_refusal_is_read(page: Script) -> None:
    replies, failure = polled(answering(page))
    assert type(failure) is HttpStatusError
    assert len(replies[-1].body) == 65536


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(lambda talk: talk.send(b"HTTP/1.1 500 No\r\nContent-Length: 99\r\n\r\nbegun"), id="cut"),
        pytest.param(reply(b"begun", "500 No", Content_Encoding="gzip"), id="no gzip"),
        pytest.param(reply(b"begun", "500 No", Content_Encoding="br"), id="unknown"),
        pytest.param(
            after(b"HTTP/1.1 500 No\r\nContent-Length: 99\r\n\r\nbegun", lambda talk: talk.hang()), id="silent"
        ),
    ],
)
def test_a_refusal_that_cannot_be_read_is_still_what_it_is(page: bytes | Script) -> None:
    replies, failure = polled(answering(page), timeout=0.5)
    assert type(failure) is HttpStatusError
    assert replies[-1].status == 500 and replies[-1].body in (b"begun", b"")


def test_who_does_not_ask_for_them_gets_no_replies_and_reads_no_refusals() -> None:
    with Server(answering(after(b"HTTP/1.1 500 No\r\n\r\n", lambda talk: talk.hang()))) as server:
        with pytest.raises(HttpStatusError):
            Coordinator(server.url, MONITOR, timeout=SECONDS).poll()
        assert server.hanging.wait(SECONDS)


# Single answers


def test_one_answer_is_told_whatever_its_status(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hidden")
    us = Basic("monitor", str(tmp_path / "password"))
    with Server(answering(reply(b"n", "418 No"))) as server:
        coordinator = Coordinator(f"{server.url}/prefix", us, headers={"X-Token": "hidden"})
        assert (coordinator.ask("/metrics").status, coordinator.ask("/metrics", 0).body) == (418, b"")
        assert coordinator.ask("/metrics", as_whom=AsWhom.NOBODY).body == b"n"
    ours, _, nobodys = server.requests
    assert server.connections == 3
    assert ours.startswith("GET /prefix/metrics HTTP/1.1\r\n")
    assert "Authorization: Basic" in ours and "X-Token: hidden" in ours
    assert "Authorization" not in nobodys and "X-Token" not in nobodys
    for request in (ours, nobodys):
        assert "\r\nAccept: */*\r\n" in request and "\r\nAccept-Encoding: gzip\r\n" in request


def test_nobody_may_be_heard_in_clear_where_tls_is_configured(tmp_path: Path) -> None:
    with Server(plain) as server:
        coordinator = Coordinator(server.url.replace("http:", "https:"), MONITOR, headers={"X-Token": "hidden"})
        assert coordinator.ask("/v1/info", as_whom=AsWhom.NOBODY_IN_CLEAR).body == INFO
        for as_whom in (AsWhom.US, AsWhom.NOBODY):
            with pytest.raises(PollError):
                coordinator.ask("/v1/info", as_whom=as_whom)
    (spoken,) = server.requests
    assert "Authorization" not in spoken and "X-Token" not in spoken


def test_an_answer_is_under_the_timeout_and_ends_at_an_abort() -> None:
    with Server(lambda talk: talk.hang()) as server:
        with pytest.raises(PollTimeoutError):
            Coordinator(server.url, MONITOR, timeout=0.3).ask("/v1/info")
        coordinator = Coordinator(server.url, MONITOR, timeout=SECONDS)

        def abort() -> None:
            server.hanging.wait(SECONDS)
            coordinator.abort()

        aborting = threading.Thread(target=abort)
        aborting.start()
        with pytest.raises(ConnectionFailedError, match="given up"):
            coordinator.ask("/v1/info")
        aborting.join()


def test_the_date_of_an_answer_is_its_own() -> None:
    with Server(answering(info=reply(INFO, Date=formatdate(1e9, usegmt=True)))) as server:
        assert Coordinator(server.url, MONITOR).ask("/v1/info").date == 1e9


# Certificates


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("leaf", "names", "until"),
    [
        (AUTHORITY.issue_cert("presto.example", "127.0.0.1"), ("presto.example", "127.0.0.1"), 32503680000.0),
        (OTHER_AUTHORITY.issue_cert("127.0.0.1", common_name="one"), ("127.0.0.1",), 32503680000.0),
        (
            AUTHORITY.issue_cert("other.example", not_after=datetime(2020, 2, 29, tzinfo=UTC)),
            ("other.example",),
            1582934400.0,
        ),
    ],
)
def test_a_certificate_is_told_whether_or_not_it_is_believed(
    version: ssl.TLSVersion, leaf: trustme.LeafCert, names: tuple[str, ...], until: float
) -> None:
    context = server_context(leaf)
    context.maximum_version = version
    with Server(reading, context) as server:
        told = Coordinator(server.url, MONITOR).certificate()
    assert (told.names, told.valid_from, told.valid_until) == (names, 946684800.0, until)
    assert told.issuer.startswith("trustme") and told.subject in ("", "one")
    assert told.protocol == version.name.replace("_", ".")
    assert server.requests == [], "nothing is sent to who has proved nothing"


def test_a_certificate_can_be_told_where_ours_is_asked_for(tmp_path: Path) -> None:
    with Server(answering(), server_context(AUTHORITY.issue_cert("127.0.0.1"), clients=AUTHORITY)) as server:
        assert Coordinator(server.url, MONITOR).certificate().names == ("127.0.0.1",)


def test_there_is_none_without_tls_nor_without_a_server() -> None:
    with Server(plain) as server, pytest.raises(TlsError, match=SPEAKS_NO_TLS):
        Coordinator(server.url.replace("http:", "https:"), MONITOR).certificate()
    with pytest.raises(ConnectionFailedError):
        Coordinator(server.url, MONITOR).certificate()

    def silent(talk: Talk) -> None:
        talk.sock.recv(65536)
        talk.hang()

    with Server(silent) as server, pytest.raises(PollTimeoutError):
        Coordinator(server.url, MONITOR, timeout=0.3).certificate()


def test_kinds_of_tls_failures_can_be_told_from_their_messages(tmp_path: Path) -> None:
    ca_file = write(AUTHORITY, tmp_path / "ca.pem")

    def problem(url: str, tls: Tls | None = None) -> str:
        with pytest.raises(TlsError) as caught:
            Coordinator(url, MONITOR, tls=tls or Tls()).poll()
        return str(caught.value).partition(": ")[2]

    def alert(talk: Talk) -> None:
        talk.request()
        talk.send(b"\x15\x03\x03\x00\x02\x02\x46")

    with Server(answering(), server_context(AUTHORITY.issue_cert("127.0.0.1"), clients=AUTHORITY)) as server:
        assert problem(server.url).startswith(NOT_ACCEPTED)
        assert problem(server.url, Tls(ca_file)).startswith(REFUSED)
    with Server(plain) as server:
        assert problem(server.url.replace("http:", "https:")).startswith(SPEAKS_NO_TLS)
    with Server(alert) as server:
        assert problem(server.url).startswith(SPEAKS_TLS)

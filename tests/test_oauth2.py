"""Tokens by client credentials: what the token server is asked, for how long a token is kept, and every refusal."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from exporter.app import coordinator_of
from exporter.config import Cluster
from exporter.errors import (
    ConnectionFailedError,
    HttpStatusError,
    PollError,
    PollTimeoutError,
    TlsError,
    UnauthorizedError,
)
from exporter.ingest.connection import Limit, Tls
from exporter.ingest.coordinator import Coordinator
from exporter.ingest.oauth2 import TOKEN_SERVER, OAuth2
from tests.test_coordinator import (
    AUTHORITY,
    LIST,
    SECONDS,
    Script,
    Server,
    Talk,
    answering,
    ending,
    failure,
    reply,
    server_context,
    write,
)

SECRET = "hidden: s%cret+/~"
PLACE = "auth.oauth2.token_url: POST /oauth2/token"


def asked(talk: Talk) -> str:
    """Return a whole request, which is also noted: head and body."""
    text = b""
    while b"\r\n\r\n" not in text or len(text.partition(b"\r\n\r\n")[2]) < _length(text):
        if not (more := talk.sock.recv(65536)):
            return ""
        text += more
    talk.server.requests.append(text.decode())
    return text.decode()


def _length(text: bytes) -> int:
    head = text.partition(b"\r\n\r\n")[0].lower()
    return int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or b"0")


def granting(*answers: bytes | Script) -> Script:
    """Return a script that answers one request for a token after the other; the last answer goes on for ever."""
    left = list(answers)

    def script(talk: Talk) -> None:
        while asked(talk):
            answer = left.pop(0) if len(left) > 1 else left[0]
            if callable(answer):
                answer(talk)
                return
            talk.send(answer)

    return script


def token(text: str = "one", **more: Any) -> bytes:
    body = {"access_token": text, "token_type": "Bearer", "expires_in": 3600, **more}
    return reply(json.dumps({name: value for name, value in body.items() if value is not None}).encode())


def refusing(error: str, status: str = "400 Bad Request") -> bytes:
    return reply(json.dumps({"error": error, "error_description": f"hidden {SECRET}"}).encode(), status)


@pytest.fixture
def secret(tmp_path: Path) -> str:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    return str(file)


@pytest.fixture
def ca_file(tmp_path: Path) -> str:
    return write(AUTHORITY, tmp_path / "ca.pem")


def limit(seconds: float = SECONDS) -> Limit:
    return Limit(seconds, threading.Event())


def client(server: Server, secret: str, **more: Any) -> OAuth2:
    return OAuth2(f"{server.url}/oauth2/token", "exporter", secret, **more)


def refused(auth: OAuth2, kind: type[PollError], seconds: float = SECONDS) -> str:
    """Return the message of a failure, which must be of this kind and hold nothing secret."""
    with pytest.raises(PollError) as caught:
        auth.headers(limit(seconds))
    assert type(caught.value) is kind, repr(caught.value)
    assert (caught.value.__cause__ is None and caught.value.__suppress_context__) or caught.value.__context__ is None
    message = str(caught.value)
    assert "hidden" not in message and SECRET not in message
    return message


# What is asked


def test_the_request_is_one_of_client_credentials(secret: str) -> None:
    with Server(granting(token())) as server:
        auth = OAuth2(f"{server.url}/a/token/?p=b%20c", "a client:ü", secret, scope="one two", audience="https://x/?y")
        assert auth.headers(limit()) == {"Authorization": "Bearer one"}
    (request,) = server.requests
    head, _, body = request.partition("\r\n\r\n")
    credentials = base64.b64encode(b"a+client%3A%C3%BC:hidden%3A+s%25cret%2B%2F~").decode()
    assert head.startswith("POST /a/token/?p=b%20c HTTP/1.1\r\n")
    assert f"\r\nAuthorization: Basic {credentials}\r\n" in head + "\r\n"
    assert "\r\nContent-Type: application/x-www-form-urlencoded\r\n" in head + "\r\n"
    assert parse_qs(body) == {
        "grant_type": ["client_credentials"],
        "scope": ["one two"],
        "audience": ["https://x/?y"],
    }


def test_without_scope_and_audience_none_is_asked_for(secret: str) -> None:
    with Server(granting(token())) as server:
        client(server, secret).headers(limit())
    assert server.requests[0].endswith("\r\n\r\ngrant_type=client_credentials")


def test_a_token_server_has_tls_settings_of_its_own(secret: str, ca_file: str) -> None:
    with Server(granting(token()), server_context(AUTHORITY.issue_cert("127.0.0.1"))) as server:
        trusted = client(server, secret, tls=Tls(ca_file, key=TOKEN_SERVER.tls))
        assert trusted.headers(limit()) == {"Authorization": "Bearer one"}
        message = refused(client(server, secret), TlsError)
    assert message.startswith(
        f"auth.oauth2.token_url: TLS with 127.0.0.1:{server.port}: its certificate is not accepted"
    )
    assert message.endswith("; set auth.oauth2.tls.ca_file to the authority that signed it")


# How long it is kept


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (3600, 3540.0),
        (300, 240.0),
        (100, 80.0),
        ("100", 80.0),
        (1.9, 0.8),
        (None, 240.0),
        (0, 240.0),
        (-5, 240.0),
        (10**12, 86340.0),
    ],
)
def test_a_token_is_kept_until_shortly_before_it_expires(secret: str, told: object, kept: float) -> None:
    now = [1000.0]
    with Server(granting(token("one", expires_in=told), token("two"))) as server:
        auth = client(server, secret, clock=lambda: now[0])
        assert auth.headers(limit()) == {"Authorization": "Bearer one"}
        now[0] += kept - 0.1
        assert auth.headers(limit()) == {"Authorization": "Bearer one"}
        now[0] += 0.2
        assert auth.headers(limit()) == {"Authorization": "Bearer two"}
    assert len(server.requests) == 2


def test_a_scope_other_than_asked_for_is_for_the_coordinator_to_judge(secret: str) -> None:
    with Server(granting(token(scope="other"))) as server:
        assert client(server, secret, scope="presto").headers(limit()) == {"Authorization": "Bearer one"}


def test_the_secret_is_read_for_every_token(secret: str) -> None:
    with Server(granting(token())) as server:
        auth = client(server, secret)
        auth.headers(limit())
        Path(secret).write_text("other")
        auth.refused(limit())
        auth.headers(limit())
        auth.refused(limit())
        Path(secret).unlink()
        assert refused(auth, UnauthorizedError).startswith(f"{secret}: No such file")
    sent = [request.partition("Authorization: ")[2].split("\r\n")[0] for request in server.requests]
    assert sent[0] != sent[1] == f"Basic {base64.b64encode(b'exporter:other').decode()}"


# Polls


def coordinator_that_takes(*tokens: str) -> Script:
    """Return a script that takes these tokens only; its info is for everybody, as Trino's is."""

    def script(talk: Talk) -> None:
        while request := talk.request():
            good = "/v1/info " in request or any(f"Authorization: Bearer {one}\r\n" in request for one in tokens)
            talk.send(reply(LIST) if good else reply(b"", "401 Unauthorized", WWW_Authenticate="Bearer"))

    return script


def test_one_token_serves_many_polls(secret: str) -> None:
    with Server(granting(token())) as tokens, Server(coordinator_that_takes("one")) as server:
        coordinator = Coordinator(server.url, client(tokens, secret))
        for _ in range(3):
            assert coordinator.poll().query_list == LIST
    assert len(tokens.requests) == 1
    assert all("\r\nAuthorization: Bearer one\r\n" in request for request in server.requests)


def test_a_kept_token_that_is_refused_is_replaced_in_the_same_poll(secret: str) -> None:
    with Server(granting(token("one"), token("two"))) as tokens, Server(coordinator_that_takes("one")) as server:
        coordinator = Coordinator(server.url, client(tokens, secret))
        coordinator.poll()
        server.script = coordinator_that_takes("two")
        assert coordinator.poll().query_list == LIST
        assert coordinator.poll().query_list == LIST
    assert len(tokens.requests) == 2


def test_a_poll_asks_for_one_token_however_often_it_is_refused(secret: str) -> None:
    script = answering(reply(b"", "401 Unauthorized"), reply(b"", "401 Unauthorized"))
    with Server(granting(token())) as tokens, Server(script) as server:
        coordinator = Coordinator(server.url, client(tokens, secret))
        for polls in range(1, 4):
            message = failure(coordinator, UnauthorizedError)
            assert message.startswith('GET /v1/query answered 401 to client "exporter" and offers no kind')
            assert len(tokens.requests) == polls


def test_nothing_is_asked_of_the_coordinator_without_a_token(secret: str) -> None:
    with Server(granting(refusing("invalid_client"))) as tokens, Server(answering()) as server:
        failure(Coordinator(server.url, client(tokens, secret)), UnauthorizedError)
    assert server.connections == 0


def test_what_is_asked_of_each_ends_with_the_one_deadline(secret: str) -> None:
    with Server(granting(lambda talk: talk.hang())) as tokens, Server(answering()) as server:
        message = failure(Coordinator(server.url, client(tokens, secret), timeout=0.3), PollTimeoutError)
    assert message == (
        f"{PLACE}: not done within 0.3 s for the whole poll; raise timeout, or see why the token server is slow"
    )


def test_a_stop_ends_the_wait_for_a_token(secret: str) -> None:
    with Server(granting(lambda talk: talk.hang())) as tokens:
        coordinator = Coordinator("http://127.0.0.1:1", client(tokens, secret), timeout=SECONDS)

        def stop() -> None:
            tokens.hanging.wait(SECONDS)
            coordinator.abort()

        threading.Thread(target=stop).start()
        assert failure(coordinator, ConnectionFailedError) == f"{PLACE}: given up; the exporter is stopping"


# From the configuration


def test_every_key_is_used(secret: str, ca_file: str) -> None:
    tls = server_context(AUTHORITY.issue_cert("127.0.0.1"))
    with Server(granting(token()), tls) as tokens, Server(coordinator_that_takes("one"), tls) as server:
        oauth2 = {
            "token_url": f"{tokens.url}/oauth2/token",
            "client_id": "exporter",
            "client_secret_file": secret,
            "scope": "one two",
            "audience": "presto",
            "tls": {"ca_file": ca_file},
        }
        cluster = {"url": server.url, "auth": {"oauth2": oauth2}, "tls": {"ca_file": ca_file}}
        assert coordinator_of(Cluster.model_validate(cluster)).poll().query_list == LIST
        strange = {**cluster, "auth": {"oauth2": {**oauth2, "tls": {}}}}
        message = failure(coordinator_of(Cluster.model_validate(strange)), TlsError)
    assert parse_qs(tokens.requests[0].partition("\r\n\r\n")[2]) == {
        "grant_type": ["client_credentials"],
        "scope": ["one two"],
        "audience": ["presto"],
    }
    assert message.endswith("; set auth.oauth2.tls.ca_file to the authority that signed it")


# Refusals


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (
            refusing("invalid_client", "401 Unauthorized"),
            UnauthorizedError,
            ' answered 401, invalid_client, to client "exporter"; '
            "check auth.oauth2.client_id and what is in auth.oauth2.client_secret_file",
        ),
        (
            refusing("invalid_grant"),
            UnauthorizedError,
            ' answered 400, invalid_grant, to client "exporter"; '
            "check auth.oauth2.client_id and what is in auth.oauth2.client_secret_file",
        ),
        (
            refusing("unauthorized_client"),
            UnauthorizedError,
            ' answered 400, unauthorized_client, to client "exporter"; '
            "let this client use the grant client_credentials",
        ),
        (
            refusing("access_denied", "403 Forbidden"),
            UnauthorizedError,
            ' answered 403, access_denied, to client "exporter"; '
            "let this client have tokens for this scope and audience",
        ),
        (
            refusing("invalid_scope", "200 OK"),
            UnauthorizedError,
            ' answered 200, invalid_scope, to client "exporter"; check auth.oauth2.scope',
        ),
        (
            refusing("hidden", "400 Bad Request"),
            UnauthorizedError,
            ' answered 400 to client "exporter"; '
            "check auth.oauth2.client_id and what is in auth.oauth2.client_secret_file",
        ),
        (reply(b"<p>hidden", "404 Not Found"), HttpStatusError, " answered 404; check auth.oauth2.token_url"),
        (reply(b"", "405 No"), HttpStatusError, " answered 405; check auth.oauth2.token_url"),
        (reply(b"hidden", "503 Busy"), HttpStatusError, " answered 503; see the token server's log"),
        (reply(token(), "204 No Content"), HttpStatusError, " answered 204; see the token server's log"),
        (
            reply(b"", "302 Found", Location="https://hidden:hidden@login.example/hidden"),
            HttpStatusError,
            " answered 302, a redirect to https://login.example; "
            "none is followed: write its target in auth.oauth2.token_url",
        ),
        (reply(b"<html>hidden"), UnauthorizedError, " answered no bearer token; check auth.oauth2.token_url"),
        (ending(b"nonsense hidden\r\n\r\n"), ConnectionFailedError,
         ": the answer is not HTTP; check host and port of auth.oauth2.token_url"),
        (ending(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), ConnectionFailedError,
         ": the server closed the connection before the answer was whole; see its log, or that of the proxy before it"),
        (reply(b" " * 70_000), ConnectionFailedError,
         ": the server closed the connection before the answer was whole; see its log, or that of the proxy before it"),
    ],
)  # fmt: skip
def test_a_refusal_names_place_and_remedy_and_quotes_nothing(
    secret: str, answer: bytes | Script, kind: type[PollError], message: str
) -> None:
    with Server(granting(answer)) as server:
        assert refused(client(server, secret), kind) == f"{PLACE}{message}"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"[]", b"null", b'"hidden"', b"[1, 2]", b"[" * 50_000, b"\xff\xfe", b"a=b", b"access_token", b"5",
        b'{"access_token": null}', b'{"access_token": 5}', b'{"access_token": ""}', b'{"access_token": ["hidden"]}',
        b'{"access_token": "hid den"}', b'{"access_token": "hidden\\r\\nX-A: b"}', b'{"access_token": "hidden\\u00e9"}',
        b'{"access_token": "hidden", "token_type": "mac"}', b'{"access_token": "hidden", "token_type": 5}',
        b'{"access_token": "hidden", "expires_in": "soon"}', b'{"access_token": "hidden", "expires_in": {}}',
        b'{"access_token": "hidden", "expires_in": [1]}', b'{"access_token": "hidden", "expires_in": 1e999}',
        b'{"access_token": "hidden", "expires_in": NaN}',
        b'{"access_token": "hidden", "expires_in": "9' + b"9" * 5000 + b'"}',
        b'{"error": ["hidden"]}', b'{"error": {"a": "hidden"}}',
        b'{"error": null}', b'{"access_token": "hidden", "scope": {"a": 1}, "token_type": "hidden"}',
    ],
)  # fmt: skip
def test_an_answer_that_grants_no_token_is_a_refusal_whatever_it_is(secret: str, body: bytes) -> None:
    with Server(granting(reply(body))) as server:
        message = refused(client(server, secret), UnauthorizedError)
    assert message == f"{PLACE} answered no bearer token; check auth.oauth2.token_url"


def test_no_redirect_is_followed(secret: str) -> None:
    with Server(granting(token())) as elsewhere:
        redirect = reply(b"", "307 Temporary", Location=f"{elsewhere.url}/oauth2/token")
        with Server(granting(redirect)) as server:
            refused(client(server, secret), HttpStatusError)
    assert elsewhere.connections == 0


def test_a_token_server_that_is_down_is_named(secret: str) -> None:
    with Server(granting(token())) as server:
        pass
    assert refused(client(server, secret), ConnectionFailedError) == (
        f"auth.oauth2.token_url: connect to 127.0.0.1:{server.port}: Connection refused; "
        "check that the token server runs and can be reached from here"
    )


@pytest.mark.parametrize("url", ["", "login.example/token", "ftp://login.example", "https://", "https://a b/"])
def test_a_url_that_names_no_place_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValueError, match=r"^url: not an address"):
        OAuth2(url, "exporter", "/file")


def test_without_the_package_it_says_what_to_install(secret: str) -> None:
    program = (
        "import sys; sys.modules['oauthlib'] = None; import threading;"
        "from exporter.errors import UnauthorizedError; from exporter.ingest.connection import Limit;"
        "from exporter.ingest.oauth2 import OAuth2\n"
        "try: OAuth2('http://127.0.0.1:1', 'x', sys.argv[1]).headers(Limit(5, threading.Event()))\n"
        "except UnauthorizedError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program, secret], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        "auth.oauth2: the package oauthlib is not installed; pip install 'presto-query-exporter[oauth2]'"
    )


def test_reprs_hold_no_secret(secret: str) -> None:
    with Server(granting(token("hidden-token"))) as server:
        auth = client(server, secret)
        auth.headers(limit())
    assert "hidden" not in repr(auth) + auth.who

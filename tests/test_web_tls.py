"""TLS, client certificates, passwords and limits over real sockets; and what clients that misbehave cost the others."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import resource
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import bcrypt
import pytest

from exporter.bucket import Bucket
from exporter.catalogue import UP, USER_QUERIES
from exporter.expose.access import AccessFile
from exporter.expose.guard import credentials, nobody
from exporter.expose.text import Exposition
from exporter.expose.web import LIMITS, Limits, Server, create_app
from tests.web_folder import HASH, PASSWORD, TLS, WebFolder

DEADLINE = 20.0
"""Seconds after which something that should have happened has not."""
MUTUAL = """
tls_server_config:
  cert_file: server.crt
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
"""
USERS = f"basic_auth_users: {{alice: {HASH}}}\n"
BIG = 60_000
"""Series enough that no socket's buffers hold them: about 6 MB."""


@pytest.fixture
def folder(tmp_path: Path) -> WebFolder:
    return WebFolder(tmp_path)


def published(series: int = 3) -> Exposition:
    exposition = Exposition([USER_QUERIES, UP])
    exposition.counters([(USER_QUERIES.name, ("adhoc", f"user-{n}", "superset", "finished"), n) for n in range(series)])
    exposition.replace("adhoc", {UP.name: [(("adhoc",), 1)]})
    return exposition


@contextlib.contextmanager
def serving(
    folder: WebFolder,
    text: str,
    exposition: Exposition | None = None,
    limits: Limits = LIMITS,
    ready: Callable[[], Sequence[str]] = tuple,
) -> Iterator[Server]:
    file = AccessFile(folder.write(text))
    app = create_app(exposition or published(), "/metrics", ready, tuple)
    server = Server(app, [("127.0.0.1", 0)], limits, file.current)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def trust(folder: WebFolder, certificate: str = "") -> ssl.SSLContext:
    """Return what a client uses that believes the folder's authority and shows a *certificate*, or none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(folder.path / "ca.pem")
    if certificate:
        context.load_cert_chain(folder.path / f"{certificate}.crt", folder.path / f"{certificate}.key")
    return context


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def ask(server: Server, context: ssl.SSLContext | None, path: str = "/-/healthy", **headers: str) -> Answer:
    """Return the answer to a GET over a connection of its own."""
    host, port = server.addresses[0]
    connection = (
        http.client.HTTPSConnection(host, port, timeout=DEADLINE, context=context)
        if context
        else http.client.HTTPConnection(host, port, timeout=DEADLINE)
    )
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())


def basic(user: str, password: str | bytes) -> str:
    secret = password if isinstance(password, bytes) else password.encode()
    return "Basic " + base64.b64encode(user.encode() + b":" + secret).decode()


def connect(server: Server, *, receive_buffer: int | None = None) -> socket.socket:
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(DEADLINE)
    connection.connect(server.addresses[0])
    return connection


def secure(folder: WebFolder, connection: socket.socket, certificate: str = "") -> ssl.SSLSocket:
    return trust(folder, certificate).wrap_socket(
        connection, server_hostname="127.0.0.1", suppress_ragged_eofs=False, do_handshake_on_connect=True
    )


def read_to_end(connection: socket.socket) -> bytes:
    """Return what comes until the server closes the connection; raises TimeoutError if it does not."""
    received = []
    with contextlib.suppress(ConnectionResetError, ssl.SSLEOFError):
        while chunk := connection.recv(1 << 20):
            received.append(chunk)
    return b"".join(received)


def client_hello(folder: WebFolder) -> bytes:
    outgoing = ssl.MemoryBIO()
    client = trust(folder).wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="127.0.0.1")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


class TestHandshake:
    def test_the_whole_exposition_arrives_over_a_connection_that_is_kept(self, folder: WebFolder) -> None:
        exposition = published(BIG)
        with serving(folder, TLS, exposition) as server:
            connection = http.client.HTTPSConnection(*server.addresses[0], timeout=DEADLINE, context=trust(folder))
            connection.connect()
            kept = connection.sock
            for _ in range(3):
                connection.request("GET", "/metrics?name[]=presto_user_queries_total")
                body = connection.getresponse().read()
                assert body == b"".join(exposition.render(False, frozenset({"presto_user_queries_total"})))
            assert connection.sock is kept
            connection.close()

    @pytest.mark.parametrize(
        ("settings", "offered", "spoken"),
        [
            ("", ssl.TLSVersion.TLSv1_1, None),
            ("", ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
            ("", ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
            ("min_version: TLS13", ssl.TLSVersion.TLSv1_2, None),
            ("min_version: TLS13", ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
            ("max_version: TLS12", ssl.TLSVersion.TLSv1_3, "TLSv1.2"),
            ("cipher_suites: [TLS_AES_128_GCM_SHA256]", ssl.TLSVersion.TLSv1_2, None),
        ],
    )
    @pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
    def test_versions_of_tls_below_the_least_are_refused(
        self, folder: WebFolder, settings: str, offered: ssl.TLSVersion, spoken: str | None
    ) -> None:
        context = trust(folder)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = offered
        text = TLS.replace("}", f", {settings}}}" if settings else "}")
        with serving(folder, text) as server, connect(server) as connection:
            if spoken:
                with context.wrap_socket(connection, server_hostname="127.0.0.1") as tls:
                    assert tls.version() == spoken
            else:
                with pytest.raises(ssl.SSLError) as refusal:
                    context.wrap_socket(connection, server_hostname="127.0.0.1")
                assert refusal.value.reason == "TLSV1_ALERT_PROTOCOL_VERSION"

    @pytest.mark.parametrize(("ours_first", "chosen"), [("true", "AES256"), ("false", "AES128")])
    def test_the_cipher_suite_is_one_of_those_given_by_the_preference_given(
        self, folder: WebFolder, ours_first: str, chosen: str
    ) -> None:
        suites = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
        settings = f", max_version: TLS12, prefer_server_cipher_suites: {ours_first}, cipher_suites: [{suites}]}}"
        context = trust(folder)
        context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")
        with serving(folder, TLS.replace("}", settings)) as server, connect(server) as connection:
            with context.wrap_socket(connection, server_hostname="127.0.0.1") as tls:
                assert chosen in (tls.cipher() or ("",))[0]
            context.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305")
            with connect(server) as other, pytest.raises(ssl.SSLError) as refusal:
                context.wrap_socket(other, server_hostname="127.0.0.1")
            assert refusal.value.reason == "SSLV3_ALERT_HANDSHAKE_FAILURE"

    def test_the_curve_is_the_one_given(self, folder: WebFolder) -> None:
        context = trust(folder)
        with serving(folder, TLS.replace("}", ", curve_preferences: [CurveP521]}")) as server:
            context.set_ecdh_curve("secp521r1")
            assert ask(server, context).status == 200
            context.set_ecdh_curve("secp384r1")
            with pytest.raises(ssl.SSLError):
                ask(server, context)

    @pytest.mark.parametrize(
        ("certificate", "version", "reason"),
        [
            ("", ssl.TLSVersion.TLSv1_3, "TLSV13_ALERT_CERTIFICATE_REQUIRED"),
            ("", ssl.TLSVersion.TLSv1_2, "SSLV3_ALERT_HANDSHAKE_FAILURE"),
            ("foreign", ssl.TLSVersion.TLSv1_3, "TLSV1_ALERT_UNKNOWN_CA"),
            ("foreign", ssl.TLSVersion.TLSv1_2, "TLSV1_ALERT_UNKNOWN_CA"),
        ],
    )
    def test_who_shows_no_certificate_or_a_foreign_one_is_told_so(
        self, folder: WebFolder, certificate: str, version: ssl.TLSVersion, reason: str
    ) -> None:
        context = trust(folder, certificate)
        context.maximum_version = version
        with serving(folder, MUTUAL) as server:
            with pytest.raises(ssl.SSLError) as refusal:
                ask(server, context)
            assert refusal.value.reason == reason
            assert ask(server, trust(folder, "client")).status == 200
            assert ask(server, trust(folder, "other")).status == 200

    @pytest.mark.parametrize(
        "name", ["prometheus.example", "192.0.2.7", "2001:db8:0::1", "prometheus@example.com", "x, other.example"]
    )
    def test_only_certificates_with_a_name_that_is_allowed_may_stay(self, folder: WebFolder, name: str) -> None:
        allowed, refused = ("other", "client") if "other" in name else ("client", "other")
        text = f"{MUTUAL}  client_allowed_sans: {json.dumps(name.split(', '))}\n"
        with serving(folder, text) as server:
            assert ask(server, trust(folder, allowed)).status == 200
            with pytest.raises(ConnectionError):
                ask(server, trust(folder, refused))

    def test_a_certificate_that_need_not_be_shown_is_verified_if_it_is(self, folder: WebFolder) -> None:
        text = MUTUAL.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven")
        with serving(folder, f"{text}  client_allowed_sans: [prometheus.example]\n") as server:
            assert ask(server, trust(folder)).status == 200
            assert ask(server, trust(folder, "client")).status == 200
            with pytest.raises(ConnectionError):
                ask(server, trust(folder, "other"))
            with pytest.raises(ssl.SSLError):
                ask(server, trust(folder, "foreign"))

    def test_a_certificate_may_vouch_for_itself(self, folder: WebFolder) -> None:
        """A file of client certificates is a list of those who may come in, as in Go."""
        with serving(folder, MUTUAL.replace("ca.pem", "foreign.crt")) as server:
            assert ask(server, trust(folder, "foreign")).status == 200
            with pytest.raises(ssl.SSLError):
                ask(server, trust(folder, "client"))

    def test_a_client_without_tls_is_told_so(self, folder: WebFolder) -> None:
        with serving(folder, TLS) as server:
            answer = ask(server, None)
            assert answer.status == 400
            assert b"https://" in answer.body

    def test_each_connection_is_a_handshake_of_its_own(self, folder: WebFolder) -> None:
        """So a certificate that has expired, or is believed no more, opens nothing."""
        context = trust(folder)
        with serving(folder, TLS) as server:
            with secure(folder, connect(server)) as first:
                first.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                read_to_end(first)
                session = first.session
            assert session is None or not session.has_ticket
            assert context.verify_mode is ssl.CERT_REQUIRED

    def test_the_end_is_said_by_both_sides(self, folder: WebFolder) -> None:
        with serving(folder, TLS) as server:
            with secure(folder, connect(server)) as tls:
                tls.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                received = b""
                while chunk := tls.recv(1000):  # raises SSLEOFError if the end is not said
                    received += chunk
                assert received.endswith(b"healthy\n")
            with secure(folder, connect(server)) as tls:
                tls.unwrap().close()


class TestReload:
    def test_a_new_certificate_is_shown_without_a_restart_and_old_connections_end(self, folder: WebFolder) -> None:
        def shown() -> bytes | None:
            with secure(folder, connect(server)) as tls:
                return tls.getpeercert(binary_form=True)

        with serving(folder, TLS) as server, secure(folder, connect(server)) as kept:
            before = shown()
            folder.renew("server")
            after = shown()
            assert after != before
            kept.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
            assert read_to_end(kept).endswith(b"healthy\n")
            (folder.path / "server.key").write_text("gone")
            assert shown() == after

    def test_authorities_and_names_change_without_a_restart(self, folder: WebFolder) -> None:
        with serving(folder, MUTUAL) as server:
            assert ask(server, trust(folder, "other")).status == 200
            folder.write(f"{MUTUAL}  client_allowed_sans: [prometheus.example]\n")
            with pytest.raises(ConnectionError):
                ask(server, trust(folder, "other"))
            folder.write(MUTUAL.replace("ca.pem", "foreign.crt"))
            with pytest.raises(ssl.SSLError):
                ask(server, trust(folder, "client"))
            assert ask(server, trust(folder, "foreign")).status == 200

    def test_users_change_without_a_restart_and_a_remembered_password_is_worth_nothing_then(
        self, folder: WebFolder
    ) -> None:
        other = bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode()
        with serving(folder, USERS) as server:
            assert ask(server, None, Authorization=basic("alice", PASSWORD)).status == 200
            folder.write(f"basic_auth_users: {{alice: {other}}}")
            assert ask(server, None, Authorization=basic("alice", PASSWORD)).status == 401
            assert ask(server, None, Authorization=basic("alice", "other")).status == 200
            folder.write("basic_auth_users: {alice: broken}")
            assert ask(server, None, Authorization=basic("alice", "other")).status == 200
            assert ask(server, None).status == 401
            folder.write("{}")
            assert ask(server, None).status == 200


class TestPasswords:
    @pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready", "/-/reload", "/nothing"])
    def test_every_path_asks_for_a_password(self, folder: WebFolder, path: str) -> None:
        with serving(folder, USERS) as server:
            answer = ask(server, None, path)
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
            assert b"presto" not in answer.body
            allowed = ask(server, None, path, Authorization=basic("alice", PASSWORD)).status
            assert allowed == {"/nothing": 404, "/-/reload": 405}.get(path, 200)

    @pytest.mark.parametrize(
        "authorization",
        [
            basic("alice", b"wrong"),
            basic("alice", b""),
            basic("alice", PASSWORD + b"\0"),
            basic("alice", PASSWORD + b" "),
            basic("Alice", PASSWORD),
            basic("", PASSWORD),
            basic("nobody", PASSWORD),
            basic("al\xefce", PASSWORD),
            basic("alice", "x" * 50_000),
            "Basic",
            "Basic ",
            "Basic !!!!",
            "Basic YWxpY2U=",
            "Basic " + "A" * 60_000,
            "Bearer " + basic("alice", PASSWORD)[6:],
            "Digest username=alice",
            "\xff\xfe",
        ],
    )
    def test_all_but_the_right_one_is_refused(self, folder: WebFolder, authorization: str) -> None:
        with serving(folder, USERS) as server:
            assert ask(server, None, Authorization=authorization).status == 401

    @pytest.mark.parametrize(
        ("user", "password"),
        [
            ("alice", b"pass:word"),
            ("bób", "pässwörd ☃".encode()),
            ("a b", b"x" * 72),
            ("alice", b""),
            ("alice", b"\xff\0\xfe"),
        ],
    )
    def test_users_and_passwords_may_be_any(self, folder: WebFolder, user: str, password: bytes) -> None:
        hashed = bcrypt.hashpw(password, bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$")
        with serving(folder, f'basic_auth_users: {{"{user}": {hashed}}}') as server:
            for scheme in ("Basic", "basic", "BASIC"):
                authorization = basic(user, password).replace("Basic", scheme)
                assert ask(server, None, Authorization=authorization).status == 200
            assert ask(server, None, Authorization=basic(user, password + b"x" * 73)).status == (
                200 if len(password) == 72 else 401
            )

    def test_a_client_at_a_unix_socket_is_asked_too(self, folder: WebFolder) -> None:
        file, path = AccessFile(folder.write(USERS)), str(folder.path / "s")
        server = Server(create_app(published(), "/metrics", tuple, tuple), [path], access=file.current)
        server.start()
        try:
            for password, status in ((b"wrong", b"401"), (PASSWORD, b"200")):
                with socket.socket(socket.AF_UNIX) as client:
                    client.settimeout(DEADLINE)
                    client.connect(path)
                    head = f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: {basic('alice', password)}\r\n"
                    client.sendall(f"{head}Connection: close\r\n\r\n".encode())
                    assert read_to_end(client).startswith(b"HTTP/1.1 " + status)
        finally:
            server.stop()

    def test_a_password_and_a_certificate_are_both_asked_for(self, folder: WebFolder) -> None:
        with serving(folder, MUTUAL + USERS) as server:
            right = basic("alice", PASSWORD)
            assert ask(server, trust(folder, "client"), Authorization=right).status == 200
            assert ask(server, trust(folder, "client")).status == 401
            with pytest.raises(ssl.SSLError):
                ask(server, trust(folder), Authorization=right)

    def test_who_was_let_in_is_not_behind_those_who_try(self, folder: WebFolder) -> None:
        """The scrape is answered while wrong passwords are still being checked."""
        dear = bcrypt.hashpw(PASSWORD, bcrypt.gensalt(12)).decode()
        answered: list[str] = []
        with serving(folder, f"basic_auth_users: {{alice: {dear}}}") as server:
            assert ask(server, None, Authorization=basic("alice", PASSWORD)).status == 200

            def attack(number: int) -> None:
                assert ask(server, None, Authorization=basic("alice", f"wrong {number}")).status == 401
                answered.append("attack")

            with ThreadPoolExecutor(3) as attackers:
                attacks = [attackers.submit(attack, number) for number in range(3)]
                while not any(each.running() for each in attacks):
                    pass
                for _ in range(3):
                    assert ask(server, None, Authorization=basic("alice", PASSWORD)).status == 200
                    answered.append("scrape")
                for each in attacks:
                    each.result()
            assert answered.index("scrape") < len(answered) - 1
            assert answered[-1] == "attack"

    def test_the_line_of_one_address_is_short_and_the_same_password_waits_once(self, folder: WebFolder) -> None:
        dear = bcrypt.hashpw(PASSWORD, bcrypt.gensalt(12)).decode()
        with (
            serving(folder, f"basic_auth_users: {{alice: {dear}}}") as server,
            ThreadPoolExecutor(12) as clients,
        ):

            def status(password: str) -> int:
                return ask(server, None, Authorization=basic("alice", password)).status

            wrong = list(clients.map(status, [f"wrong {number}" for number in range(12)]))
            assert set(wrong) == {401, 503}
            assert wrong.count(401) >= 4
            assert list(clients.map(status, [PASSWORD.decode()] * 12)) == [200] * 12

    def test_nobody_costs_as_much_as_the_dearest_user_and_has_no_password(self) -> None:
        hashes = [bcrypt.hashpw(b"", bcrypt.gensalt(cost)) for cost in (4, 6, 5)]
        assert nobody(hashes).startswith(b"$2b$06$")
        assert not bcrypt.checkpw(b"", nobody(hashes))

    def test_a_stop_does_not_wait_for_a_password(self, folder: WebFolder) -> None:
        dear = "$2y$18$4VeFDzXIoPHKnKTU3O3GH.N.vZu06CVqczYZ8WvfzrddFU6tGqjR."
        with serving(folder, f"basic_auth_users: {{bob: {dear}}}") as server, connect(server) as client:
            client.sendall(f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: {basic('bob', 'x')}\r\n\r\n".encode())
            wait_until(lambda: "password" in [thread.name for thread in threading.enumerate()], "a check")
            started = time.monotonic()
            server.stop()
            assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Basic YTpi", (b"a", b"b")),
        ("bAsIc   YTpi  ", (b"a", b"b")),
        ("Basic YTpiOmM=", (b"a", b"b:c")),
        ("Basic Og==", (b"", b"")),
        ("Basic YQ==", None),
        ("Basic YTpi, Basic YTpi", None),
        ("BasicYTpi", None),
        ("Bearer YTpi", None),
        ("", None),
    ],
)
def test_credentials_are_those_of_basic_authentication(header: str, expected: tuple[bytes, bytes] | None) -> None:
    assert credentials(header) == expected


class TestRate:
    def test_a_bucket_gives_its_burst_at_once_and_then_one_in_each_interval(self) -> None:
        bucket = Bucket()
        assert [bucket.take(10.0, 3, 100.0) for _ in range(5)] == [True, True, True, False, False]
        assert [bucket.take(10.0, 3, 109.9), bucket.take(10.0, 3, 110.0), bucket.take(10.0, 3, 110.0)] == [
            False,
            True,
            False,
        ]
        assert [bucket.take(10.0, 3, 10_000.0) for _ in range(5)] == [True, True, True, False, False]

    def test_without_an_interval_there_is_no_limit(self) -> None:
        bucket = Bucket()
        assert all(bucket.take(0.0, 0, 0.0) for _ in range(1000))

    def test_a_request_too_many_is_refused_whoever_asks(self, folder: WebFolder) -> None:
        with serving(folder, f"{USERS}rate_limit: {{interval: 1d, burst: 3}}") as server:
            statuses = [ask(server, None, Authorization=basic("alice", PASSWORD)).status for _ in range(5)]
            assert statuses == [200, 200, 200, 429, 429]
            folder.write(USERS)
            assert ask(server, None, Authorization=basic("alice", PASSWORD)).status == 200


def test_headers_are_set_in_every_answer_in_place_of_ours(folder: WebFolder) -> None:
    text = (
        "http_server_config: {headers: {X-Frame-Options: sameorigin, X-XSS-Protection: 0, "
        "Content-Security-Policy: \"frame-ancestors 'self'\", Strict-Transport-Security: ''}}\n" + USERS
    )
    with serving(folder, text) as server:
        for authorization in ("", basic("alice", PASSWORD)):
            headers = ask(server, None, "/", Authorization=authorization).headers
            assert headers.get_all("X-Frame-Options") == ["sameorigin"]
            assert headers.get_all("X-XSS-Protection") == ["0"]
            assert headers.get_all("Content-Security-Policy") == ["frame-ancestors 'self'"]
            assert headers.get_all("Strict-Transport-Security") is None


class TestClientsThatMisbehave:
    @pytest.mark.parametrize("cut", [0, 1, 5, 100, -1, None])
    def test_a_handshake_that_is_not_finished_is_cut_off(self, folder: WebFolder, cut: int | None) -> None:
        hello = client_hello(folder)[:cut]
        with serving(folder, TLS, limits=Limits(request_seconds=0.3)) as server, connect(server) as silent:
            silent.sendall(hello)
            read_to_end(silent)

    def test_a_handshake_that_drips_in_is_cut_off_however_steadily_it_drips(self, folder: WebFolder) -> None:
        with serving(folder, TLS, limits=Limits(request_seconds=0.3)) as server, connect(server) as slow:
            slow.settimeout(0.02)
            for byte in client_hello(folder):
                try:
                    slow.sendall(bytes([byte]))
                    if not slow.recv(1):
                        break
                except TimeoutError:
                    continue
                except (ConnectionResetError, BrokenPipeError):
                    break
            else:
                pytest.fail("the handshake went on")

    def test_a_request_after_the_handshake_has_what_is_left_of_the_time(self, folder: WebFolder) -> None:
        with (
            serving(folder, TLS, limits=Limits(request_seconds=0.3)) as server,
            secure(folder, connect(server)) as slow,
        ):
            assert read_to_end(slow) == b""

    @pytest.mark.parametrize(
        "rubbish",
        [
            b"\x16\x03\x01\xff\xff" + b"\x00" * 70_000,
            b"\x15\x03\x01\x00\x02\x02\x28",
            b"\x80\x2e\x01\x00\x02",
            b"\x00" * 100_000,
            b"SSH-2.0-x\r\n",
            b"GET / HTTP/1.1\r\n",
        ],
    )
    def test_rubbish_is_refused_and_closed(self, folder: WebFolder, rubbish: bytes) -> None:
        with serving(folder, TLS, limits=Limits(request_seconds=0.3)) as server, connect(server) as client:
            with contextlib.suppress(ConnectionError):
                client.sendall(rubbish)
            read_to_end(client)
            assert ask(server, trust(folder)).status == 200

    def test_rubbish_after_the_handshake_is_refused_and_closed(self, folder: WebFolder) -> None:
        with serving(folder, TLS, limits=Limits(request_seconds=0.3)) as server, connect(server) as connection:
            tls = secure(folder, connection)
            with socket.socket(fileno=os.dup(tls.fileno())) as below:
                below.sendall(b"\x17\x03\x03\x00\x20" + b"\x00" * 32)
            with contextlib.suppress(ssl.SSLError):
                read_to_end(tls)
            tls.close()
            assert ask(server, trust(folder)).status == 200

    def test_a_connection_that_is_reset_halfway_harms_nobody(self, folder: WebFolder) -> None:
        hello = client_hello(folder)
        with serving(folder, TLS, published(BIG)) as server:
            for _ in range(20):
                with connect(server) as client:
                    client.sendall(hello)
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                with secure(folder, connect(server)) as tls:
                    tls.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                    tls.recv(10)
                    tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            assert ask(server, trust(folder)).status == 200

    def test_unfinished_handshakes_make_room_for_who_asks(self, folder: WebFolder) -> None:
        hello = client_hello(folder)
        with serving(folder, TLS, limits=Limits(request_seconds=600, connections=5)) as server:
            idle = [connect(server) for _ in range(40)]
            for connection in idle:
                connection.sendall(hello)
            for _ in range(3):
                assert ask(server, trust(folder)).status == 200
            read_to_end(idle[0])
            for connection in idle:
                connection.close()

    @pytest.mark.slow
    def test_ten_thousand_half_open_connections_are_bounded_and_hold_up_nobody(self, folder: WebFolder) -> None:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        count = min(10_000, most - 2000) if most > 0 else 10_000
        hello = client_hello(folder)
        clients: list[socket.socket] = []
        try:
            with serving(folder, TLS) as server:
                ask(server, trust(folder))
                before = resident_bytes()
                for number in range(count):
                    clients.append(connect(server))
                    with contextlib.suppress(ConnectionError):
                        clients[-1].sendall(hello if number % 2 else hello[:7])
                    if number % 1000 == 0:
                        assert ask(server, trust(folder)).status == 200
                wait_until(lambda: sum(map(is_open, clients)) <= LIMITS.connections, "the rest to be closed")
                assert ask(server, trust(folder)).status == 200
                assert resident_bytes() - before < 60e6
        finally:
            for client in clients:
                client.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))

    def test_slow_scrapers_block_nobody_and_hold_no_copies(self, folder: WebFolder) -> None:
        exposition = published(BIG)
        size = sum(map(len, exposition.render(False)))
        scrapers = 60
        with serving(folder, TLS, exposition) as server:
            ask(server, trust(folder), "/metrics")
            before = resident_bytes()
            slow = [secure(folder, connect(server, receive_buffer=4096)) for _ in range(scrapers)]
            for connection in slow:
                connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            for connection in slow:
                assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")
            assert len(ask(server, trust(folder), "/metrics").body) > size / 2
            assert resident_bytes() - before < scrapers * size / 10
            for connection in slow:
                connection.close()

    def test_an_answer_that_is_not_taken_is_cut_off(self, folder: WebFolder) -> None:
        with (
            serving(folder, TLS, published(BIG), limits=Limits(answer_seconds=0.5)) as server,
            secure(folder, connect(server, receive_buffer=4096)) as lazy,
        ):
            lazy.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            assert lazy.recv(100).startswith(b"HTTP/1.1 200 OK")
            with secure(folder, connect(server)) as clock:
                clock.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
                read_to_end(clock)  # so answer_seconds have passed
            assert len(read_to_end(lazy)) < BIG * 50

    @pytest.mark.parametrize("sent", [None, b"", b"GET /met", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"])
    def test_a_stop_takes_less_than_three_seconds_whoever_is_connected(
        self, folder: WebFolder, sent: bytes | None
    ) -> None:
        with serving(folder, TLS, published(BIG)) as server:
            clients = [connect(server, receive_buffer=4096) for _ in range(10)]
            if sent is None:
                for client in clients:
                    client.sendall(client_hello(folder))
            else:
                clients = [secure(folder, client) for client in clients]
                for client in clients:
                    client.sendall(sent)
                if sent.endswith(b"\r\n\r\n"):
                    assert clients[-1].recv(10)
            started = time.monotonic()
            server.stop()
            assert time.monotonic() - started < 3
            for client in clients:
                with contextlib.suppress(ssl.SSLError):
                    read_to_end(client)
                client.close()

    def test_an_answer_under_way_is_finished_when_the_server_stops(self, folder: WebFolder) -> None:
        with (
            serving(folder, TLS, published(BIG)) as server,
            secure(folder, connect(server, receive_buffer=1 << 16)) as client,
        ):
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            received = client.recv(1000)
            stopping = threading.Thread(target=server.stop)
            stopping.start()
            head, _, body = (received + read_to_end(client)).partition(b"\r\n\r\n")
            stopping.join()
        assert f"content-length: {len(body)}".encode() in head


def is_open(client: socket.socket) -> bool:
    """False once the server has closed *client*'s connection."""
    client.setblocking(False)
    try:
        while client.recv(1 << 16):
            pass
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    return False


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"waited for: {what}"
        time.sleep(0.02)


JOB = """
  - job_name: {name}
    scrape_interval: 1s
    scrape_timeout: 1s
    scheme: https
    static_configs: [{{targets: ["localhost:{port}"]}}]
    basic_auth: {{username: alice, password: "{password}"}}
    tls_config: {{ca_file: ca.pem{certificate}}}
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("prometheus") is None and not os.environ.get("CI"), reason="needs prometheus")
def test_prometheus_scrapes_with_a_certificate_and_a_password_and_not_without(folder: WebFolder) -> None:
    jobs = {
        "right": (PASSWORD.decode(), "client"),
        "wrong-password": ("wrong", "client"),
        "wrong-name": (PASSWORD.decode(), "other"),
        "foreign": (PASSWORD.decode(), "foreign"),
        "none": (PASSWORD.decode(), ""),
    }
    text = f"{MUTUAL}  client_allowed_sans: [prometheus.example]\n{USERS}"
    with serving(folder, text) as server, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        (folder.path / "prometheus.yml").write_text(
            "scrape_configs:"
            + "".join(
                JOB.format(
                    name=name,
                    port=server.addresses[0][1],
                    password=password,
                    certificate=f", cert_file: {shown}.crt, key_file: {shown}.key" if shown else "",
                )
                for name, (password, shown) in jobs.items()
            )
        )
        command = ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
        command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
        with (folder.path / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=folder.path, stdout=log, stderr=log)
        try:

            def targets() -> dict[str, tuple[str, str]]:
                try:
                    with urlopen(f"http://127.0.0.1:{port}/api/v1/targets", timeout=DEADLINE) as answer:
                        active = json.load(answer)["data"]["activeTargets"]
                except OSError:
                    return {}
                return {each["labels"]["job"]: (each["health"], each["lastError"]) for each in active}

            wait_until(
                lambda: (
                    (found := targets()).keys() == jobs.keys()
                    and all(health != "unknown" for health, _ in found.values())
                ),
                "all to be scraped",
            )
            found = targets()
            assert {name: health for name, (health, _) in found.items()} == {
                name: "up" if name == "right" else "down" for name in jobs
            }
            assert "401" in found["wrong-password"][1]
            assert "certificate required" in found["none"][1]
            assert "unknown certificate authority" in found["foreign"][1]
        finally:
            process.terminate()
            process.wait(DEADLINE)

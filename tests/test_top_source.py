"""How `top` asks an exporter, and what it says when there is no answer."""

from __future__ import annotations

import base64
import socket
import ssl
from pathlib import Path

import pytest
import trustme

from exporter.catalogue import UP
from exporter.errors import ExporterError
from exporter.expose.access import AccessFile
from exporter.expose.text import Exposition
from exporter.expose.web import Server as Exporter
from exporter.expose.web import create_app
from exporter.top import source as module
from exporter.top.source import Source
from tests.top_answers import HOSTILE, body, report, row
from tests.top_server import Server, Talk, http, reporting, saying
from tests.web_folder import WebFolder

GOOD = http(200, body(report([row("a")])))
PASSWORD = "p:ä%/s"


def problem(source: Source) -> str:
    with pytest.raises(ExporterError) as raised:
        source.ask([("window", "24h")])
    message = str(raised.value)
    place, what, remedy = (*message.partition("; ")[0].rsplit(": ", 1), message.partition("; ")[2])
    assert place.startswith("http") and what and remedy, message
    assert all(line.isprintable() for line in message.split("\n")), repr(message)
    return message


def asked(talk: Talk | bytes, timeout: float = 30.0) -> str:
    with Server(saying(talk) if isinstance(talk, bytes) else talk) as server:
        return problem(Source(server.url, timeout=timeout)).replace(server.url, "URL")


def test_it_asks_the_api_and_returns_the_answer() -> None:
    with Server(reporting(lambda: [row("a"), row("b", 1)])) as server:
        source = Source(server.url)
        answer = source.ask([("window", "6h"), ("limit", "1"), ("offset", "1"), ("user", "a&b=ü\ud800")])
    assert [one.name for one in answer.rows] == ["b"]
    head = server.heads[0].decode()
    assert head.startswith("GET /api/v1/queries?window=6h&limit=1&offset=1&user=a%26b%3D%C3%BC%3F HTTP/1.1\r\n")
    assert f"\r\nHost: 127.0.0.1:{server.port}\r\n" in head and "authorization" not in head.lower()
    assert source.place == server.url


def test_a_path_before_the_api_and_an_end_that_only_the_close_shows() -> None:
    without_length = b"HTTP/1.0 200 OK\r\n\r\n" + body(report([row("a")]))
    with Server(saying(without_length)) as server:
        source = Source(f"{server.url}/presto exporter/")
        assert source.ask([]).groups == 1
    assert server.heads[0].startswith(b"GET /presto%20exporter/api/v1/queries? HTTP")


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://h", "http://h:80"),
        ("https://h", "https://h:443"),
        ("http://[::1]:9483/x/", "http://[::1]:9483/x"),
        ("https://u:secret@h:1", "https://h:1"),
        ("http://u:secret@localhost:1", "http://localhost:1"),
        ("http://u@h:1", "http://h:1"),
    ],
)
def test_a_place_has_no_credentials(url: str, place: str) -> None:
    source = Source(url)
    assert source.place == place and "secret" not in repr(source)


@pytest.mark.parametrize(
    "url", ["", "localhost:9483", "ftp://h", "http://", "http://h:x", "http://h:99999", "http://u:secret@"]
)
@pytest.mark.parametrize("more", ["", "\x1b[31m"])
def test_what_is_no_address_is_refused_without_being_quoted(url: str, more: str) -> None:
    with pytest.raises(ExporterError, match=r"^--url: not an address; write it as") as raised:
        Source(f"{more}{url}")
    assert "secret" not in str(raised.value)


def authorization(url: str, password_file: str | None = None) -> str:
    """Return user and password as they arrive."""
    with Server(saying(GOOD)) as server:
        Source(url.replace("HOST", f"127.0.0.1:{server.port}"), password_file).ask([])
    value = server.heads[0].split(b"\r\nAuthorization: Basic ")[1].split(b"\r\n")[0]
    return base64.b64decode(value).decode()


def test_user_and_password_come_from_the_url_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    assert authorization("http://al%40ice:p%3A%C3%A4%25%2Fs@HOST") == f"al@ice:{PASSWORD}"
    assert authorization("http://alice@HOST", password_file=str(file)) == f"alice:{PASSWORD}"
    assert authorization("http://alice@HOST") == "alice:"


@pytest.mark.parametrize(
    ("url", "content", "message"),
    [
        ("http://localhost", b"x", "--url: a password, but no user; "),
        ("http://:x@localhost", None, "--url: a password, but no user; "),
        ("http://a:x@localhost", b"x", "--password-file: there is a password in --url, too; "),
        ("http://a%3Ab@localhost", None, "--url: a colon in the user, "),
        ("http://a@localhost", b"\n", "FILE: empty; "),
        ("http://a@localhost", b"x\ny\n", "FILE: not one line; "),
        ("http://a@localhost", b"x" * 5000, "FILE: not one line; "),
        ("http://a:hidden@10.0.0.1", None, "--url: a password would be sent in clear; "),
        ("http://a@example.org", b"hidden", "--url: a password would be sent in clear; "),
    ],
)
def test_credentials_that_cannot_be_used_are_refused(
    url: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ExporterError) as raised:
        Source(url, None if content is None else str(file))
    assert str(raised.value).replace(str(file), "FILE").startswith(message)
    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize("path", ["/no/such/file", "/", "a\0b"])
def test_files_that_cannot_be_read_are_named(path: str) -> None:
    for url, password_file, ca_file in (("http://a@localhost", path, None), ("https://localhost", None, path)):
        with pytest.raises(ExporterError, match=r": .*; name a file that can be read$") as raised:
            Source(url, password_file, ca_file)
        assert str(raised.value).isprintable()


def test_a_password_in_clear_is_sent_if_its_owner_insists() -> None:
    assert Source("http://a:b@example.org", insecure=True).place == "http://example.org:80"
    assert Source("http://a:b@127.0.0.9").place and Source("http://a:b@[::1]").place


ELSEWHERE = b"HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
API_ERROR = b'{"error": ["window: out of range; choose 1h to 90d", "user\\u001b[31m: bad; good"]}'


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (http(401, b"user and password, please\n"), "URL: it asks for a user and password; write the user into --url"),
        (http(403, b""), "URL: it refuses (403); "),
        (http(404, b"Not Found"), "URL/api/v1/queries: there is no such page; it is another server, an exporter from"),
        (http(429, b"too many requests\n"), "URL: too many requests; raise --interval"),
        (http(500, HOSTILE.encode("utf-8", "replace")), "URL: it answered 500; see its log"),
        (http(503, b'{"error": ["ledger: locked; ask again"]}'), "URL: ledger: locked; ask again"),
        (http(400, API_ERROR), "URL: window: out of range; choose 1h to 90d\nURL: user␛[31m: bad; good"),
        (ELSEWHERE, "URL: it sends us elsewhere (302); "),
        (http(200, b"<html>"), "URL/api/v1/queries: not JSON; check that --url names an exporter"),
        (http(200, b"[]"), "URL/api/v1/queries: JSON, but no usage of queries; "),
        (http(200, b""), "URL/api/v1/queries: not JSON; "),
        (b"", "URL: the server closed the connection before the answer was whole; see its log, and whether it wants"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", "URL: the server closed the connection before the answer"),
        (http(500, b""), "URL: it answered 500; see its log"),
        (b"SSH-2.0-x\r\n", "URL: the answer is not HTTP; check host and port of --url"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "URL: the server speaks TLS on this port; write --url with https://"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000, "URL: the answer is not HTTP; "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "URL: the server closed the connection"),
    ],
)
def test_every_failure_says_what_to_do(answer: bytes, message: str) -> None:
    assert asked(answer).startswith(message)


def test_a_wrong_password_is_told_from_none() -> None:
    with Server(saying(http(401, b""))) as server:
        url = server.url.replace("//", "//alice:secret@")
        message = problem(Source(url))
    assert "wrong user or password; check" in message and "secret" not in message


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    message = problem(Source(f"http://127.0.0.1:{port}"))
    assert message.startswith(
        f"http://127.0.0.1:{port}: connection refused; start the exporter there, or say with --url"
    )


def test_a_name_that_nobody_has() -> None:
    assert problem(Source("http://no-such-host.invalid")).endswith("; check the host of --url")


def test_one_timeout_holds_for_an_answer_that_drips() -> None:
    def drip(_: bytes, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not server.ended.wait(0.02):
            connection.sendall(b" ")

    with Server(drip) as server:
        message = problem(Source(server.url, timeout=0.3))
    assert ": no answer within 0.3 s; check that the exporter runs" in message


def test_one_timeout_holds_for_a_server_that_says_nothing() -> None:
    with Server(lambda *_: (server.ended.wait(), None)[1]) as server:
        assert ": no answer within 0.3 s; " in problem(Source(server.url, timeout=0.3))


def test_an_answer_without_an_end_is_given_up() -> None:
    def endless(_: bytes, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b" " * 1_000_000)

    assert asked(endless).startswith(f"URL: an answer of more than {module.MOST_BYTES // 1024**2} MiB; ")


def served_with(authority: trustme.CA, host: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    return context


def test_tls_by_an_authority_from_a_file(tmp_path: Path) -> None:
    authority = trustme.CA()
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    with Server(saying(GOOD), served_with(authority, "127.0.0.1")) as server:
        assert Source(server.url, ca_file=str(file)).ask([]).groups == 1
        assert Source(server.url, insecure=True).ask([]).groups == 1
        assert "its certificate is not accepted, " in problem(Source(server.url))
        assert "https://" in problem(Source(server.url.replace("https", "http")))
    with Server(saying(GOOD), served_with(authority, "other.example")) as server:
        assert "certificate is not accepted, IP address mismatch" in problem(Source(server.url, ca_file=str(file)))


@pytest.fixture
def folder(tmp_path: Path) -> WebFolder:
    return WebFolder(tmp_path)


def mutual(folder: WebFolder, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """Return what serves those only who show a certificate of the folder's authority."""
    context = served_with(folder.authority, "127.0.0.1")
    context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    folder.authority.configure_trust(context)
    return context


def showing(folder: WebFolder, url: str, cert: str | None, key: str | None) -> Source:
    """Return a source that trusts the folder's authority and shows a certificate from the folder's files."""
    files = [None if name is None else str(folder.path / name) for name in (cert, key)]
    return Source(url, None, str(folder.path / "ca.pem"), cert_file=files[0], key_file=files[1])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_who_is_asked_for_a_certificate_shows_it(folder: WebFolder, version: ssl.TLSVersion) -> None:
    both = folder.path / "both.pem"
    both.write_bytes((folder.path / "client.key").read_bytes() + (folder.path / "client.crt").read_bytes())
    with Server(saying(GOOD), mutual(folder, version)) as server:
        assert showing(folder, server.url, "client.crt", "client.key").ask([]).groups == 1
        assert showing(folder, server.url, "both.pem", None).ask([]).groups == 1
        assert showing(folder, server.url, "both.pem", "client.key").ask([]).groups == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_wants_a_certificate_or_another_one_is_told(folder: WebFolder, version: ssl.TLSVersion) -> None:
    with Server(saying(GOOD), mutual(folder, version)) as server:
        none = problem(showing(folder, server.url, None, None))
        foreign = problem(showing(folder, server.url, "foreign.crt", "foreign.key"))
    assert none.endswith("; if the exporter asks for client certificates, show one with --cert-file and --key-file")
    assert foreign.endswith("; check that the exporter knows who signed the certificate in --cert-file")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("client", "PLACE/api/v1/queries: there is no such page; "),  # so it was let in
        ("other", "PLACE: the server closed the connection before the answer was whole; "),
        ("foreign", "PLACE: TLS failed, "),
        (None, "PLACE: TLS failed, "),
    ],
)
def test_an_exporter_lets_those_in_whose_certificate_it_allows(
    name: str | None, message: str, folder: WebFolder
) -> None:
    file = AccessFile(
        folder.write(
            "tls_server_config: {cert_file: server.crt, key_file: server.key, client_ca_file: ca.pem, "
            "client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: [prometheus.example]}"
        )
    )
    app = create_app(Exposition([UP]), "/metrics", tuple, tuple)
    exporter = Exporter(app, [("127.0.0.1", 0)], access=file.current)
    exporter.start()
    try:
        url = f"https://127.0.0.1:{exporter.addresses[0][1]}"
        told = problem(showing(folder, url, name and f"{name}.crt", name and f"{name}.key"))
    finally:
        exporter.stop()
    assert told.startswith(message.replace("PLACE", url))
    assert ("client_allowed_sans" in told) is (name == "other")


def test_a_certificate_is_shown_to_those_only_who_ask(folder: WebFolder) -> None:
    with Server(saying(GOOD), served_with(folder.authority, "127.0.0.1")) as server:
        assert showing(folder, server.url, "foreign.crt", "foreign.key").ask([]).groups == 1


@pytest.mark.parametrize(
    ("cert", "key", "message"),
    [
        ("client.crt", None, "--cert-file DIR/client.crt: no certificate with its key; write both in PEM, unencrypted"),
        ("client.key", None, "--cert-file DIR/client.key: no certificate with its key; write both in PEM, unencrypted"),
        ("client.crt", "client.crt", "--cert-file DIR/client.crt: no certificate with its key; write both in PEM, "),
        ("server.crt", "encrypted.key", "--cert-file DIR/server.crt: no certificate with its key; write both in PEM, "),
        ("empty", "client.key", "--cert-file DIR/empty: no certificate with its key; write both in PEM, unencrypted"),
        ("client.crt", "other.key", "--key-file DIR/other.key: not the key of the certificate; give the one that is"),
        ("mixed.pem", None, "--cert-file DIR/mixed.pem: not the key of the certificate; give the one that is"),
        (None, "client.key", "--key-file: a key, but no certificate; give --cert-file, too"),
        ("none", "client.key", "--cert-file DIR/none: no such file or directory; name a file that can be read"),
        ("client.crt", "none", "--key-file DIR/none: no such file or directory; name a file that can be read"),
        (".", None, "--cert-file DIR: is a directory; name a file that can be read"),
        ("a\0\x1b", None, "--cert-file DIR/a␀␛: not a path; name a file that can be read"),
    ],
)
def test_certificates_that_cannot_be_shown_are_refused(
    cert: str | None, key: str | None, message: str, folder: WebFolder
) -> None:
    folder.encrypt("server")
    (folder.path / "empty").touch()
    mixed = (folder.path / "client.crt").read_bytes() + (folder.path / "other.key").read_bytes()
    (folder.path / "mixed.pem").write_bytes(mixed)
    with pytest.raises(ExporterError) as raised:
        showing(folder, "https://localhost", cert, key)
    assert str(raised.value).replace(str(folder.path), "DIR").startswith(message)


def test_a_certificate_needs_an_address_with_tls(folder: WebFolder) -> None:
    with pytest.raises(ExporterError, match=r"^--cert-file: .*; write --url with https://$"):
        showing(folder, "http://localhost", "client.crt", "client.key")


def test_a_server_without_tls_is_told() -> None:
    with Server(saying(http(400, b"")), until=b"") as server:
        message = problem(Source(server.url.replace("http", "https")))
    assert message.endswith(": the server speaks no TLS on this port; write --url with http://")


def test_a_file_of_authorities_without_any_is_named(tmp_path: Path) -> None:
    (tmp_path / "not.pem").write_text("x")
    with pytest.raises(ExporterError, match=r"not\.pem: no certificate in it; name a file with certificates in PEM$"):
        Source("https://localhost", ca_file=str(tmp_path / "not.pem"))

"""Every fault that a check has to find, made on real sockets: what `check` asks, and what it finds."""

from __future__ import annotations

import json
import random
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import trustme

from exporter.app import coordinator_of
from exporter.check.findings import Finding
from exporter.check.probe import LATER_SECONDS, check, failure_of
from exporter.check.seen import Seen
from exporter.check.terminal import to_json, to_text
from exporter.config import Cluster
from exporter.demo import server as demo
from exporter.demo.coordinator import Coordinator
from exporter.demo.query import Plan
from exporter.errors import ConnectionFailedError, HttpStatusError, NotAListError, PollTimeoutError, UnauthorizedError
from exporter.ingest import coordinator as ingest
from exporter.ingest.connection import Limit
from tests.exporter_process import wait_until
from tests.listing import info, row
from tests.test_coordinator import (
    AUTHORITY,
    OTHER_AUTHORITY,
    NobodyAccepts,
    Script,
    Server,
    Talk,
    answering,
    reply,
    server_context,
    write,
)

SECONDS = 20.0
"""Longer than anything here takes; reached only by a test that fails."""
SECRET = "correct horse battery"
Page = bytes | Callable[[Talk], None]


def cluster(url: str, user: str = "monitor", **more: Any) -> Cluster:
    return Cluster.model_validate({"url": url, "user": user, **more})


def looked_at(*clusters: Cluster, pause: Callable[[float], object] = lambda _: None) -> tuple[Seen, list[Finding]]:
    """Return what the last of the clusters showed, and its findings."""
    seen, findings = check(clusters, coordinator_of, pause)[-1]
    assert SECRET not in repr(findings) + repr(seen)
    return seen, list(findings)


def found(*clusters: Cluster, pause: Callable[[float], object] = lambda _: None) -> list[str]:
    """Return the findings of the last cluster, as ``severity kind: place: problem; remedy``."""
    _, findings = looked_at(*clusters, pause=pause)
    return [f"{finding.severity} {finding.kind}: {finding}" for finding in findings]


def only(*clusters: Cluster) -> Finding:
    """Return the one finding of the last cluster."""
    _, findings = looked_at(*clusters)
    assert len(findings) == 1, [str(finding) for finding in findings]
    return findings[0]


def site(pages: Mapping[str, Page]) -> Script:
    """Return a script that answers each path with its page, and every other with 404."""

    def script(talk: Talk) -> None:
        while request := talk.request():
            page = pages.get(request.split()[1].partition("?")[0], reply(b"", "404 Not Found"))
            if callable(page):
                page(talk)
            else:
                talk.send(page)

    return script


def listing(*rows: Any, **headers: str) -> bytes:
    return reply(json.dumps(list(rows)).encode(), **headers)


def busy(coordinator: Coordinator) -> Coordinator:
    """Let two users have run something on it."""
    for user in ("alice", "bob"):
        coordinator.submit(user, "cli", "SELECT 'hidden'", Plan(running=1.0), at=time.time() - 100.0)
    return coordinator


@pytest.fixture
def password(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "password").write_text(SECRET)
    return {"password_file": str(tmp_path / "password")}


@pytest.fixture
def ca_file(tmp_path: Path) -> str:
    return write(AUTHORITY, tmp_path / "ca.pem")


TLS = server_context(AUTHORITY.issue_cert("127.0.0.1"))


# Nothing is wrong


@pytest.mark.parametrize("version", ["338", "350", "351", "435", "476", "483", "0.296"])
def test_a_cluster_that_is_as_it_should_be_has_no_finding(version: str) -> None:
    with demo.serve(busy(Coordinator(version))) as server:
        seen, findings = looked_at(cluster(server.url))
    assert findings == []
    assert seen.info is not None and seen.info.version == version
    assert (seen.title, seen.ended, len(seen.queries or ())) == ("demo", 2, 2)


def test_only_a_few_things_are_asked_and_nothing_but_get() -> None:
    with demo.serve(busy(Coordinator())) as server:
        looked_at(cluster(server.url))
    assert [request.path for request in server.requests] == [
        "/v1/info",
        "/v1/query",
        "/v1/info",
        "/v1/info",
        "/trino-gateway/livez",
    ]


def test_all_clusters_are_asked_at_once() -> None:
    """Each answers only once every other has been asked, too."""
    everybody = threading.Barrier(5, timeout=SECONDS)

    def late(talk: Talk) -> None:
        everybody.wait()
        talk.send(reply(b"[]"))

    servers = [Server(answering(late)) for _ in range(5)]
    for server in servers:
        server.__enter__()
    try:
        results = check([cluster(server.url, timeout="20s") for server in servers], coordinator_of)
    finally:
        for server in servers:
            server.__exit__()
    assert [seen.failure for seen, _ in results] == [None] * 5
    assert [seen.address for seen, _ in results] == [f"127.0.0.1:{server.port}" for server in servers]


def test_a_defect_of_ours_is_a_finding_and_stops_no_other_cluster(caplog: pytest.LogCaptureFixture) -> None:
    class Defective:
        who = "nobody"

        def headers(self, limit: Limit, /) -> dict[str, str]:
            raise KeyError(SECRET)

        def refused(self, limit: Limit, /) -> bool:
            return False

    def wired(one: Cluster) -> ingest.Coordinator:
        return ingest.Coordinator(one.url, Defective()) if one.user == "defect" else coordinator_of(one)

    with demo.serve(busy(Coordinator())) as server:
        (_, findings), (_, good) = check([cluster(server.url, "defect"), cluster(server.url)], wired)
    assert [str(finding) for finding in findings] == [
        "check: KeyError, a defect of the exporter; report it with the traceback"
    ]
    assert [finding.kind for finding in good] == []
    assert "Traceback" in caplog.text


# Reach


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert found(cluster(f"http://127.0.0.1:{port}")) == [
        f"error connection: connect to 127.0.0.1:{port}: Connection refused; "
        "check that the coordinator runs and can be reached from here"
    ]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_connection_that_is_never_made(scheme: str) -> None:
    with NobodyAccepts() as silent:
        assert found(cluster(f"{scheme}://127.0.0.1:{silent.port}", timeout="300ms")) == [
            f"error timeout: connect to 127.0.0.1:{silent.port}: not done within 0.3 s for the whole poll; "
            "check host and port of url, and whether a firewall drops what we send"
        ]


def test_a_list_that_takes_too_long() -> None:
    with Server(site({"/v1/info": reply(info()), "/v1/query": lambda talk: talk.hang()})) as server:
        seen, findings = looked_at(cluster(server.url, timeout="500ms"))
    assert [str(finding) for finding in findings] == [
        "GET /v1/query: not done within 0.5 s for the whole poll; raise timeout; or let the coordinator list ended "
        "queries for a shorter time (query.min-expire-age)"
    ]
    assert seen.info is not None and seen.info.version == "483"


def test_a_port_that_is_silent() -> None:
    with Server(lambda talk: talk.hang()) as server:
        assert found(cluster(server.url, timeout="300ms")) == [
            "error timeout: GET /v1/info: connected, but no answer within the 0.3 s of the whole poll; "
            "see whether this is the coordinator's HTTP port and whether it hangs"
        ]


def test_once_it_is_silent_a_server_is_asked_nothing_more() -> None:
    with Server(answering(reply(b"[]"), info=reply(info()))) as server:

        def script(talk: Talk) -> None:
            while request := talk.request():
                if len(server.requests) > 2:
                    talk.hang()
                    return
                talk.send(reply(info()) if "/v1/info " in request else reply(b"[]"))

        server.script = script
        seen, _ = looked_at(cluster(server.url, timeout="300ms"))
    assert (len(server.requests), list(seen.repeated), seen.gateway, seen.management) == (3, [], None, None)


@pytest.mark.parametrize(
    ("error", "place", "problem", "remedy"),
    [
        (ConnectionFailedError("look up no.example: Name or service not known; check it"), "look up no.example",
         "Name or service not known", "check it"),
        (ConnectionFailedError("connect to [::1]:80: Connection refused; check it"), "connect to [::1]:80",
         "Connection refused", "check it"),
        (UnauthorizedError("/run/secret: empty; write the secret into it"), "/run/secret", "empty",
         "write the secret into it"),
        (NotAListError("GET /v1/query answered JSON that is no list; is it one?"), "GET /v1/query",
         "answered JSON that is no list", "is it one?"),
        (HttpStatusError("GET /v1/query answered 418; see the log"), "GET /v1/query", "answered 418", "see the log"),
        (PollTimeoutError("GET /v1/info: not done within 1 s; raise it, or wait"), "GET /v1/info",
         "not done within 1 s", "raise it, or wait"),
    ],
)  # fmt: skip
def test_a_failure_of_a_poll_is_taken_apart(error: Any, place: str, problem: str, remedy: str) -> None:
    assert failure_of(error) == (error.result, place, problem, remedy)


# TLS


def alert(talk: Talk) -> None:
    talk.request()
    talk.send(b"\x15\x03\x03\x00\x02\x02\x46")


def test_plain_http_to_a_port_that_answers_with_a_tls_alert() -> None:
    with Server(alert) as server:
        assert found(cluster(server.url)) == [
            "error scheme: GET /v1/info: the server speaks TLS on this port; write url with https://"
        ]


def test_plain_http_to_a_tls_port_that_closes_without_a_word() -> None:
    """A handshake tells, without a byte of ours sent."""
    with Server(answering(), TLS) as server:
        found_ = only(cluster(server.url.replace("https:", "http:")))
    assert (found_.kind, found_.problem, found_.remedy) == (
        "scheme",
        "the server speaks TLS on this port",
        "write url with https://",
    )
    assert server.requests == []


def test_plain_http_to_a_tls_port_of_nginx() -> None:
    """It says so, with a page of its own."""
    page = reply(b"<html><title>400 The plain HTTP request was sent to HTTPS port</title>", "400 Bad Request")
    with Server(site({"/v1/info": page, "/v1/query": page})) as server:
        assert only(cluster(server.url)).kind == "scheme"


def test_https_to_a_plain_port(password: dict[str, str]) -> None:
    with demo.serve(busy(Coordinator())) as server:
        finding = only(cluster(server.url.replace("http:", "https:"), auth=password))
    assert (finding.kind, finding.remedy) == ("scheme", "write url with http://")


def test_https_to_a_plain_port_that_closes_without_a_word() -> None:
    """As PrestoSQL does. It is asked in clear, but in nobody's name."""

    def script(talk: Talk) -> None:
        if talk.sock.recv(1, socket.MSG_PEEK) == b"G":
            site({"/v1/info": reply(info())})(talk)
        else:
            talk.sock.recv(65536)

    with Server(script) as server:
        finding = only(cluster(server.url.replace("http:", "https:"), headers={"X-Token": SECRET}))
    assert (finding.kind, finding.problem) == ("scheme", "the server does not speak TLS on this port")
    assert [request.split()[1] for request in server.requests] == ["/v1/info"]
    assert "Authorization" not in server.requests[0] and "X-Token" not in server.requests[0]


@pytest.mark.parametrize(
    ("certificate", "tls", "problem", "remedy"),
    [
        pytest.param(
            OTHER_AUTHORITY.issue_cert("127.0.0.1"),
            {},
            r"unable to get local issuer certificate \(it is for 127.0.0.1 and signed by trustme .*",
            r".*/ca.pem has not the authority that signed it \(trustme .*\); put that one into it, and those above it",
            id="unknown authority",
        ),
        pytest.param(
            AUTHORITY.issue_cert("one.example", "two.example"),
            {},
            r"IP address mismatch, .* \(it is for one.example, two.example and signed by .*",
            r"set tls\.server_name to a name in it",
            id="another name",
        ),
        pytest.param(
            AUTHORITY.issue_cert("127.0.0.1", not_after=datetime(2020, 2, 29, tzinfo=UTC)),
            {},
            r"certificate has expired \(it is for .*, valid from 2000-01-01 to 2020-02-29\)",
            "let it be renewed",
            id="expired",
        ),
    ],
)
def test_a_certificate_that_is_not_accepted_is_described(
    certificate: trustme.LeafCert, tls: dict[str, str], problem: str, remedy: str, ca_file: str
) -> None:
    with Server(answering(), server_context(certificate)) as server:
        finding = only(cluster(server.url, tls={"ca_file": ca_file, **tls}))
    assert finding.kind == "certificate"
    assert re.fullmatch(remedy, finding.remedy), finding.remedy
    assert re.fullmatch(f"its certificate is not accepted, {problem}", finding.problem), finding.problem
    assert server.requests == [], "something was sent to a server that proved nothing"


def test_where_no_authority_is_set_one_is_to_be() -> None:
    with Server(answering(), TLS) as server:
        assert only(cluster(server.url)).remedy == "set tls.ca_file to the authority that signed it"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_certificate_of_ours_is_wanted(version: ssl.TLSVersion, ca_file: str) -> None:
    context = server_context(AUTHORITY.issue_cert("127.0.0.1"), clients=AUTHORITY)
    context.maximum_version = version
    with Server(answering(), context) as server:
        finding = only(cluster(server.url, tls={"ca_file": ca_file}))
    assert (finding.kind, finding.remedy) == ("client_certificate", "set tls.cert_file and tls.key_file")


def test_a_certificate_that_soon_expires_is_a_warning(ca_file: str) -> None:
    leaf = AUTHORITY.issue_cert("127.0.0.1", not_after=datetime.now(UTC) + timedelta(days=3, minutes=1))
    with demo.serve(busy(Coordinator()), tls=server_context(leaf)) as server:
        finding = only(cluster(server.url, tls={"ca_file": ca_file}))
    assert (finding.severity, finding.kind) == ("warning", "certificate")
    assert finding.problem.startswith("its certificate expires in 3 d, on 20")


def test_a_server_that_is_believed_whoever_it_is_is_a_note() -> None:
    with demo.serve(busy(Coordinator()), tls=server_context(OTHER_AUTHORITY.issue_cert("127.0.0.1"))) as server:
        finding = only(cluster(server.url, tls={"insecure_skip_verify": True}))
    assert (finding.severity, finding.kind) == ("note", "certificate")


def test_a_file_that_cannot_be_used_is_named(ca_file: str, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    with demo.serve(Coordinator(), tls=TLS) as server:
        secret = only(cluster(server.url, tls={"ca_file": ca_file}, auth={"password_file": str(empty)}))
        authority = only(cluster(server.url, tls={"ca_file": str(empty)}))
    assert str(secret) == f"{empty}: empty; write the secret into it"
    assert str(authority) == f"tls.ca_file {empty}: no certificate in it; write certificates in PEM into it"
    assert server.requests == []


# Authentication


def refusing(status: str, body: bytes = b"", information: bytes | None = None) -> Script:
    page = reply(body, status)
    return site({"/v1/info": reply(info()) if information is None else information, "/v1/query": page})


def test_what_is_offered_to_strangers_counts_too() -> None:
    """Trino leaves Basic out where the password is empty."""

    def script(talk: Talk) -> None:
        while request := talk.request():
            kinds = 'Bearer realm="Trino"' if "Authorization" in request else 'Basic realm="Trino", Bearer'
            talk.send(reply(b"", "401 Unauthorized", WWW_Authenticate=kinds))

    with Server(script) as server:
        seen, findings = looked_at(cluster(server.url))
    assert seen.offers == ("Basic", "Bearer")
    assert [str(finding) for finding in findings] == [
        'GET /v1/query: answered 401 to user "monitor" without a password and offers Basic, Bearer; '
        "set auth.password_file (Basic) or auth.bearer_token_file (Bearer) or auth.oauth2 (Bearer)"
    ]


@pytest.mark.parametrize(
    ("offers", "auth", "remedy"),
    [
        ("Basic", "password_file", "see whether the password is the right one and has not expired, and .*"),
        ("Bearer, Basic", "bearer_token_file", "see whether the token is the right one and has not expired, and .*"),
        ("Bearer x_redirect_server=https://idp", "password_file",
         r"set auth.bearer_token_file \(Bearer\) or auth.oauth2 \(Bearer\), in place of auth.password_file"),
        ("Basic", "bearer_token_file", r"set auth.password_file \(Basic\), in place of auth.bearer_token_file"),
        ("Negotiate", "password_file", r"set auth.kerberos \(Negotiate\), in place of auth.password_file"),
        ("Negotiate", None, r"set auth.kerberos \(Negotiate\)"),
        ("Digest", "password_file", "add PASSWORD, JWT, KERBEROS or CERTIFICATE to .*"),
        ("Digest", None, "add PASSWORD, JWT, KERBEROS or CERTIFICATE to .*"),
        (None, None, "it may want a certificate of ours: set tls.cert_file and tls.key_file"),
    ],
)  # fmt: skip
def test_for_every_offer_it_is_said_what_to_set(
    offers: str | None, auth: str | None, remedy: str, ca_file: str, password: dict[str, str]
) -> None:
    given = {} if auth is None else {auth: password["password_file"]}
    (Path(password["password_file"])).write_text("hidden-token")
    page = reply(b"", "401 Unauthorized", **({} if offers is None else {"WWW_Authenticate": offers}))
    with Server(site({"/v1/info": reply(info()), "/v1/query": page}), TLS) as server:
        finding = only(cluster(server.url, auth=given, tls={"ca_file": ca_file}))
    assert finding.kind == "unauthorized" and "hidden-token" not in str(finding)
    assert re.fullmatch(remedy, finding.remedy), finding.remedy


def test_no_offer_and_no_tls_is_for_a_person_to_find_out() -> None:
    with Server(refusing("401 Unauthorized")) as server:
        assert only(cluster(server.url)).remedy == "see what authenticates there: the coordinator or a proxy before it"


def test_a_client_certificate_that_is_not_enough(ca_file: str, tmp_path: Path) -> None:
    leaf = AUTHORITY.issue_cert("monitor@presto.example")
    leaf.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client.pem"))
    files = {"cert_file": str(tmp_path / "client.pem"), "key_file": str(tmp_path / "client.pem")}
    with Server(refusing("401 Unauthorized"), TLS) as server:
        finding = only(cluster(server.url, tls={"ca_file": ca_file, **files}))
    assert finding.remedy.startswith("see whether it knows who signed the certificate in tls.cert_file")


@pytest.mark.parametrize("version", ["338", "483"])
def test_a_password_over_plain_http(version: str, password: dict[str, str]) -> None:
    with demo.serve(busy(Coordinator(version))) as server:
        finding = only(cluster(server.url, auth={**password, "over_plain_http": True}))
    assert (finding.kind, finding.problem) == (
        "unauthorized",
        f'answered 401 to user "monitor" with the password in {password["password_file"]}: '
        "it takes no password over plain HTTP",
    )
    assert "https://" in finding.remedy and "X-Forwarded-Proto" in finding.remedy


# Rights


@pytest.mark.parametrize("body", [b"Error 403 Forbidden: Authentication over HTTP is not enabled", b"<html>403"])
def test_403_over_plain_http_is_because_of_that(body: bytes) -> None:
    with Server(refusing("403 Forbidden", body)) as server:
        finding = only(cluster(server.url))
    assert finding.kind == "forbidden" and "refuses everybody over plain HTTP" in finding.problem
    assert "https://" in finding.remedy and finding.lines == ""


def test_403_of_prestodb_names_the_role() -> None:
    with Server(refusing("403 Forbidden", information=reply(info("0.296")))) as server:
        finding = only(cluster(server.url, "presto.exporter"))
    assert finding.lines.endswith("\nuser=presto\\\\.exporter")


def test_403_over_tls_names_the_rule(ca_file: str) -> None:
    with Server(refusing("403 Forbidden"), TLS) as server:
        finding = only(cluster(server.url, tls={"ca_file": ca_file}))
    assert '\n{"user": "monitor", "allow": ["view"]}\n' in finding.lines


@pytest.mark.parametrize("version", ["338", "483"])
def test_a_header_that_asks_to_act_as_another_user(version: str) -> None:
    header = "X-Presto-User" if version == "338" else "x-trino-user"
    with demo.serve(busy(Coordinator(version))) as server:
        finding = only(cluster(server.url, headers={header: SECRET}))
    assert (finding.kind, finding.problem) == (
        "impersonation",
        'answered 500: user "monitor" without a password may not act as the user that headers names',
    )
    assert '\n{"originalUser": "monitor", "newUser": "OTHER"}' in finding.lines


def test_a_proof_of_another_user(ca_file: str) -> None:
    body = b"Access Denied: Principal CN=robot cannot become user monitor"
    with Server(refusing("403 Forbidden", body), TLS) as server:
        finding = only(cluster(server.url, tls={"ca_file": ca_file}))
    assert finding.problem == 'answered 403: who we prove to be may not act as user "monitor"'


def test_headers_for_two_engines() -> None:
    body = b"Both Trino and Presto headers detected"
    with Server(refusing("400 Bad Request", body)) as server:
        assert only(cluster(server.url, headers={"X-Presto-User": "a", "X-Trino-User": "a"})).kind == "impersonation"


def test_headers_of_a_proxy_that_are_not_taken() -> None:
    body = b"Server configuration does not allow processing of the X-Forwarded-Proto header"
    with Server(refusing("406 Not Acceptable", body)) as server:
        finding = only(cluster(server.url, headers={"X-Forwarded-Proto": "https"}))
    assert finding.remedy.startswith("set http-server.process-forwarded=true on the coordinator")


METRICS = b"# TYPE trino_execution_name_QueryManager_CompletedQueries counter\n"
METRICS += b"trino_execution_name_QueryManager_CompletedQueries %d\n# EOF\n"


def count(version: str, completed: int) -> tuple[str, bytes]:
    """Return where a release counts its queries, and what it says there."""
    if version == "483":
        return "/metrics", reply(METRICS % completed)
    domain = "presto" if version == "338" else "trino"
    path = f"/v1/jmx/mbean/{domain}.execution%3Aname%3DQueryManager/CompletedQueries.TotalCount"
    return path, reply(b"%d\n" % completed)


@pytest.mark.parametrize("version", ["338", "435", "483"])
def test_a_coordinator_that_has_counted_more_queries_than_it_lists_hides_some(version: str) -> None:
    path, page = count(version, 7)
    with Server(site({"/v1/info": reply(info(version)), "/v1/query": listing(), path: page})) as server:
        finding = only(cluster(server.url))
    assert (finding.severity, finding.kind) == ("error", "hidden")
    assert finding.problem == (
        "no query of another user is listed, but the coordinator has counted 7 more that ended: "
        'they are hidden from user "monitor"'
    )
    assert '\n{"user": "monitor", "allow": ["view"]}' in finding.lines
    assert ("Ranger" in finding.lines) == (version != "338")


@pytest.mark.parametrize("version", ["338", "435", "483"])
def test_a_coordinator_that_has_counted_no_more_queries_than_it_lists_is_quiet(version: str) -> None:
    path, page = count(version, 1)
    own = row("20260921_133320_00000_abcde", user="monitor")
    with Server(site({"/v1/info": reply(info(version)), "/v1/query": listing(own), path: page})) as server:
        assert found(cluster(server.url)) == []


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(reply(b"", "403 Forbidden"), id="no right"),
        pytest.param(reply(b"", "404 Not Found"), id="not there"),
        pytest.param(reply(b"<html>"), id="something else"),
        pytest.param(reply(b"nan"), id="not a number"),
        pytest.param(reply(b"inf\n"), id="no count"),
        pytest.param(reply(b"# EOF\n"), id="no sample"),
        pytest.param(reply(b"a 1\nb 2\n"), id="two samples"),
        pytest.param(reply(b"\xff\xfe"), id="not text"),
    ],
)
def test_without_a_count_a_quiet_cluster_cannot_be_told_from_hidden_queries(page: bytes) -> None:
    own = row("20260921_133320_00000_abcde", user="monitor")
    with Server(site({"/v1/info": reply(info()), "/v1/query": listing(own), "/metrics": page})) as server:
        finding = only(cluster(server.url))
    assert (finding.severity, finding.kind) == ("warning", "visibility")
    assert "cannot be told" in finding.problem


def test_prestodb_hides_nothing() -> None:
    with demo.serve(Coordinator("0.296")) as server:
        assert found(cluster(server.url)) == []


def test_hidden_queries_leave_gaps_in_the_ids() -> None:
    coordinator = Coordinator()
    start = time.time() - 600.0
    for second in range(0, 400, 10):
        user = "monitor" if second % 40 == 0 else "alice"
        coordinator.submit(user, plan=Plan(running=1.0), at=start + second)
    coordinator.hide("alice")
    with demo.serve(coordinator) as server:
        _, findings = looked_at(cluster(server.url))
        assert [finding.kind for finding in findings] == ["hidden"]
        assert "of 33 queries begun while they would stay listed, 24 are not" in findings[0].problem
        coordinator.show("alice")
        assert found(cluster(server.url)) == []


def test_gaps_that_hide_some_users_of_several_are_a_note_above_a_good_end() -> None:
    coordinator = Coordinator()
    start = time.time() - 600.0
    for place in range(40):
        coordinator.submit(("alice", "bob", "carol")[place % 3], plan=Plan(running=1.0), at=start + 10.0 * place)
    coordinator.hide("carol")
    with demo.serve(coordinator) as server:
        seen, findings = looked_at(cluster(server.url))
    assert [(finding.severity, finding.kind) for finding in findings] == [("note", "hidden")]
    text = to_text([(seen, tuple(findings))])
    assert "\n  note      rights: of " in text and text.endswith("\n  ok\n\n1 cluster: 1 ok")


# The coordinator itself


@pytest.mark.parametrize("version", ["338", "483"])
def test_a_coordinator_that_refuses_while_it_starts(version: str) -> None:
    coordinator = Coordinator(version)
    coordinator.starting = True
    with demo.serve(coordinator) as server:
        finding = only(cluster(server.url))
    assert (finding.severity, finding.kind) == ("error", "starting")
    assert finding.problem.startswith("the coordinator is only starting, for 0")


def test_a_coordinator_that_starts_and_lists_already() -> None:
    coordinator = busy(Coordinator("0.296"))
    coordinator.starting = True
    with demo.serve(coordinator) as server:
        finding = only(cluster(server.url))
    assert (finding.severity, finding.kind) == ("warning", "starting")


def test_a_coordinator_that_starts_behind_a_proxy_that_hides_its_info() -> None:
    body = b"io.trino.spi.TrinoException: Trino server is still initializing"
    with Server(refusing("500 Server Error", body, reply(b"", "404 Not Found"))) as server:
        assert only(cluster(server.url)).problem == "the coordinator is only starting"


@pytest.mark.parametrize("status", ["404 Not Found", "200 OK"])
def test_a_worker(status: str) -> None:
    pages = {"/v1/info": reply(info(coordinator=False)), "/v1/query": reply(b"[]", status)}
    with Server(site(pages)) as server:
        finding = only(cluster(server.url))
    assert (finding.severity, finding.kind, finding.remedy) == (
        "error",
        "worker",
        "write the coordinator's address in url",
    )


def test_trino_gateway() -> None:
    pages = {"/trino-gateway/livez": reply(b"ok", Content_Type="text/plain")}
    pages |= {"/v1/info": reply(info()), "/v1/query": listing(row("a"), row("b", user="bob"))}
    with Server(site(pages)) as server:
        finding = only(cluster(server.url))
    assert (finding.severity, finding.kind) == ("error", "gateway")


def test_a_server_that_has_a_page_for_every_path_is_not_taken_for_trino_gateway() -> None:
    pages = {"/trino-gateway/livez": reply(b"<html>", Content_Type="text/html; charset=utf-8")}
    pages |= {"/v1/info": reply(info()), "/v1/query": listing(row("a"), row("b", user="bob"))}
    with Server(site(pages)) as server:
        assert found(cluster(server.url)) == []


@pytest.mark.parametrize("version", ["338", "483", "0.296"])
def test_several_coordinators_behind_one_address(version: str) -> None:
    coordinators = [busy(Coordinator(version, seed=1)), busy(Coordinator(version, seed=2))]
    coordinators[1].restart(at=time.time() - 3600.0)
    busy(coordinators[1])
    answers = [{"/v1/info": reply(one.info()), "/v1/query": reply(one.query_list())} for one in coordinators]
    with Server(answering()) as server:
        server.script = lambda talk: site(answers[server.connections % 2])(talk)
        assert "gateway" in [finding.kind for finding in looked_at(cluster(server.url))[1]]


def test_a_list_of_another_coordinator_than_the_info() -> None:
    pages = {"/v1/info": reply(info(coordinatorId="abcde"))}
    pages["/v1/query"] = listing(row("20260921_133320_00000_fghij"), row("20260921_133320_00001_fghij", user="bob"))
    with Server(site(pages)) as server:
        assert only(cluster(server.url)).kind == "gateway"


@pytest.mark.parametrize(
    ("pages", "problem"),
    [
        ({}, "answered 404, and GET /v1/info answered 404: this is no coordinator"),
        ({"/v1/info": reply(b"{}")}, "answered 404, and GET /v1/info answered what no engine says: .*"),
        ({"/v1/info": reply(b"<html>"), "/v1/query": reply(b"<html>")}, "answered something that is not whole JSON"),
        ({"/v1/query": reply(b"<html>", Content_Type="text/html")}, "answered a web page"),
        ({"/v1/query": reply(b'{"status": "success"}')}, "answered JSON that is not a list"),
    ],
)
def test_what_is_no_coordinator(pages: dict[str, Page], problem: str) -> None:
    with Server(site(pages)) as server:
        finding = only(cluster(server.url))
    assert (finding.kind, finding.remedy) == ("not_a_coordinator", "check host, port and path of url")
    assert re.fullmatch(problem, finding.problem), finding.problem


def test_a_proxy_that_passes_only_a_part_on() -> None:
    with Server(site({"/v1/info": reply(info())})) as server:
        no_list = only(cluster(server.url))
    with Server(site({"/v1/query": listing(row("a"), row("b", user="bob"))})) as server:
        no_info = only(cluster(server.url))
    with Server(site({"/v1/info": reply(info()), "/v1/query": reply(b"<", Content_Type="text/html")})) as server:
        page = only(cluster(server.url))
    assert str(no_list) == (
        "GET /v1/query: answered 404, though GET /v1/info is answered; "
        "let the proxy before the coordinator pass /v1/query on"
    )
    assert (no_info.severity, str(no_info)) == (
        "warning",
        "GET /v1/info: answered 404, so that engine, version and restarts are not known; "
        "let the proxy before the coordinator pass /v1/info on",
    )
    assert str(page) == "GET /v1/query: answered a web page; let the proxy before the coordinator pass /v1/query on"


def test_a_redirect_is_named_and_not_followed() -> None:
    with Server(answering()) as elsewhere:
        location = f"http://alice:{SECRET.replace(' ', '')}@127.0.0.1:{elsewhere.port}/login?token=hidden"
        page = reply(b"", "302 Found", Location=location)
        with Server(site({"/v1/info": page, "/v1/query": page})) as server:
            finding = only(cluster(server.url))
    assert elsewhere.connections == 0
    assert (finding.kind, finding.problem) == (
        "redirect",
        f"answered 302, a redirect to http://127.0.0.1:{elsewhere.port}",
    )


def test_any_other_status_says_what_the_poll_says() -> None:
    with Server(refusing("502 Bad Gateway", b"hidden")) as server:
        assert str(only(cluster(server.url))) == (
            "GET /v1/query: answered 502; see whether the coordinator behind the proxy runs"
        )


@pytest.mark.parametrize(
    ("ahead", "words"), [(3600.0, "(1 h|59 min [0-9]+ s) ahead of ours"), (-90.0, "1 min [23][0-9] s behind ours")]
)
def test_clocks_that_are_apart(ahead: float, words: str) -> None:
    def now() -> dict[str, str]:
        return {"Date": formatdate(time.time() + ahead, usegmt=True)}

    def script(talk: Talk) -> None:
        rows = [row("a"), row("b", user="bob")]
        site({"/v1/info": reply(info(), **now()), "/v1/query": listing(*rows, **now())})(talk)

    with Server(script) as server:
        finding = only(cluster(server.url))
    assert (finding.severity, finding.kind) == ("warning", "clock")
    assert re.search(words, finding.problem), finding.problem


def test_clocks_that_differ_by_as_much_as_a_date_can_show_are_good() -> None:
    with Server(
        site(
            {
                "/v1/info": reply(info(), Date=formatdate(time.time() - 1, usegmt=True)),
                "/v1/query": listing(row("a"), row("b", user="bob")),
            }
        )
    ) as server:
        assert found(cluster(server.url)) == []


# The list


class Forgetful:
    """A coordinator whose clock is moved, with queries that end all the time and are soon forgotten."""

    def __init__(self, min_expire_age: float) -> None:
        self.now = time.time() - 3 * min_expire_age
        self.coordinator = Coordinator(now=lambda: self.now, min_expire_age=min_expire_age, max_history=0)
        self.pass_by(3 * min_expire_age)

    def pass_by(self, seconds: float) -> None:
        for _ in range(round(2 * seconds)):
            self.now += 0.5
            for user in ("alice", "bob"):
                self.coordinator.submit(user, plan=Plan(running=0.1), at=self.now - 0.2)


@pytest.mark.parametrize(
    ("kept", "interval", "severity", "problem"),
    [
        (1.0, "15s", "error", "less than the exporter can keep up with"),
        (12.0, "15s", "warning", "so the exporter asks every [3-6]([.][0-9])? s, not every 15 s"),
        (40.0, "5s", "warning", "so a restart of the exporter can lose some"),
    ],
)
def test_queries_that_are_seen_to_go_soon(kept: float, interval: str, severity: str, problem: str) -> None:
    """A second list shows it: one alone could be of a cluster that was quiet until now."""
    forgetful = Forgetful(kept)
    paused = []

    def pause(seconds: float) -> None:
        paused.append(seconds)
        forgetful.pass_by(seconds)

    with demo.serve(forgetful.coordinator) as server:
        _, findings = looked_at(cluster(server.url, poll_interval=interval), pause=pause)
    assert paused == [LATER_SECONDS]
    wanted = [finding for finding in findings if finding.kind == "retention"]
    assert [finding.severity for finding in wanted] == [severity]
    assert re.search(problem, wanted[0].problem), wanted[0].problem
    assert wanted[0].lines.endswith("query.min-expire-age=15m\nquery.max-history=100")


def test_a_list_of_young_queries_alone_is_no_finding() -> None:
    """It is that of a cluster that was quiet until now: nothing goes while we look."""
    coordinator = Coordinator()
    for _ in range(30):
        coordinator.burn_ids()
        coordinator.submit("alice", plan=Plan(running=0.1), at=time.time() - 5.0)
        coordinator.submit("bob", plan=Plan(running=0.1), at=time.time() - 5.0)
    paused: list[float] = []
    with demo.serve(coordinator) as server:
        kinds = [finding.kind for finding in looked_at(cluster(server.url), pause=paused.append)[1]]
    assert paused == [LATER_SECONDS] and "retention" not in kinds


def test_a_coordinator_that_restarts_while_we_look_has_no_short_retention() -> None:
    forgetful = Forgetful(20.0)

    def pause(seconds: float) -> None:
        forgetful.coordinator.restart()
        forgetful.pass_by(seconds)

    with demo.serve(forgetful.coordinator) as server:
        kinds = [finding.kind for finding in looked_at(cluster(server.url), pause=pause)[1]]
    assert "retention" not in kinds


def test_a_list_that_is_too_large() -> None:
    with demo.serve(busy(Coordinator())) as server:
        finding = only(cluster(server.url, max_response_bytes="100B"))
    assert (finding.severity, finding.kind, finding.problem) == ("error", "too_large", "more than 100 bytes")
    assert finding.remedy.startswith("raise max_response_bytes")


def test_a_list_that_is_nearly_too_large() -> None:
    coordinator = busy(Coordinator())
    size = len(coordinator.query_list("monitor"))
    with demo.serve(coordinator) as server:
        finding = only(cluster(server.url, max_response_bytes=str(size + 10)))
    assert (finding.severity, finding.kind) == ("warning", "large")


def test_a_list_that_is_nearly_too_slow() -> None:
    def slowly(talk: Talk) -> None:
        talk.server.stopping.wait(0.6)
        talk.send(listing(row("a"), row("b", user="bob")))

    with Server(site({"/v1/info": reply(info()), "/v1/query": slowly})) as server:
        finding = only(cluster(server.url, timeout="20s", poll_interval="500ms"))
    assert (finding.severity, finding.kind) == ("warning", "slow")
    assert "asked every 0.5 s" in finding.problem


def test_rows_that_are_not_understood() -> None:
    rows = [row("a"), row("b", user="bob"), {"queryId": SECRET}, 3]
    with Server(site({"/v1/info": reply(info()), "/v1/query": listing(*rows)})) as server:
        finding = only(cluster(server.url))
    assert (finding.kind, finding.problem) == ("records", "2 rows of 4 not understood")


def test_a_name_that_engines_read_as_another_one() -> None:
    with demo.serve(busy(Coordinator())) as server:
        finding = only(cluster(server.url, "zoë"))
    assert (finding.severity, finding.kind) == ("warning", "user")


# Anything else


BODIES = [
    b"",
    b"[]",
    b"null",
    b"{}",
    b"[" * 5_000,
    b"\xff\xfe\x00",
    b'{"nodeVersion": {"version": "\\u001b[2J"}, "environment": "\\ud800\\n", "uptime": "99999999999999999999.00d"}',
    b'{"nodeVersion": {"version": "0."}, "environment": "", "uptime": "0.00ns", "coordinator": 1, "starting": true}',
    b'{"nodeVersion": {"version": "' + b"9" * 5_000 + b'"}}',
    info("338", coordinatorId="\x1b"),
    json.dumps([row("20260921_133320_00000_abcde"), row("99999999_999999_99999_zzzzz", user="\x1b[2J")]).encode(),
    json.dumps([row("x", created=-6e10, user=None), row("y", created=2e11, elapsed=0.0)]).encode(),
    b"trino_execution_name_QueryManager_CompletedQueries 1e400\n",
]
HEADERS = [
    {},
    {"Date": "Mon, 01 Jan 0001 00:00:00 GMT"},
    {"Date": "Fri, 31 Dec 9999 23:59:59 GMT"},
    {"WWW_Authenticate": "\x1b[2J, ,=,, Basic"},
    {"Location": "http://[::1/\x1b"},
    {"Content_Type": ";;;\x1b"},
    {"Content_Encoding": "gzip"},
]
STATUSES = ["200 OK"] * 6 + ["302 Found", "401 No", "403 No", "404 No", "500 No", "204 None", "299 \x1b"]


@pytest.mark.parametrize("seed", range(100))
def test_whatever_a_server_answers_the_check_ends_without_a_defect(seed: int) -> None:
    rng = random.Random(seed)

    def page() -> bytes:
        return reply(rng.choice(BODIES), rng.choice(STATUSES), **rng.choice(HEADERS))

    def script(talk: Talk) -> None:
        while talk.request():
            talk.send(page())

    with Server(script) as server:
        results = check([cluster(server.url, timeout="5s")], coordinator_of, lambda _: None)
    assert [finding for finding in results[0][1] if finding.kind == "internal"] == []
    assert all(character.isprintable() or character == "\n" for character in to_text(results))
    assert json.loads(to_json(results))["clusters"][0]["ok"] in (True, False)


# Several clusters


def test_one_coordinator_under_two_addresses_counts_everything_twice() -> None:
    with demo.serve(busy(Coordinator())) as server:
        other = server.url.replace("127.0.0.1", "localhost")
        finding = only(cluster(server.url, name="one"), cluster(other, name="two"))
    assert (finding.severity, finding.kind, finding.problem) == (
        "error",
        "same_queries",
        '2 queries are listed by cluster "one" too',
    )


@pytest.mark.parametrize("version", ["338", "0.296", "483"])
def test_one_coordinator_under_two_addresses_is_known_while_it_lists_nothing(version: str) -> None:
    with demo.serve(Coordinator(version)) as server:
        other = server.url.replace("127.0.0.1", "localhost")
        assert "same_queries" in [
            finding.kind for finding in looked_at(cluster(server.url, name="one"), cluster(other, name="two"))[1]
        ]


def test_two_clusters_of_one_environment_need_names() -> None:
    one, two = busy(Coordinator(seed=1)), busy(Coordinator(seed=2))
    with demo.serve(one) as first, demo.serve(two) as second:
        finding = only(cluster(first.url), cluster(second.url))
        assert (finding.severity, finding.kind) == ("warning", "same_name")
        assert finding.problem == f'"demo" is the name of the cluster at {first.url[7:]} too'
        assert only(cluster(first.url, name="demo"), cluster(second.url)).kind == "same_name"
        assert found(cluster(first.url, name="one"), cluster(second.url, name="two")) == []
        assert found(cluster(first.url, name="one"), cluster(second.url)) == []


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    wait_until(lambda: threading.active_count() <= before, "threads to end")  # one that has answered may be ending yet

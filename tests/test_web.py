from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import http.client
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import requests
from prometheus_client.exposition import choose_encoder

from exporter.catalogue import UP, USER_QUERIES
from exporter.errors import ExporterError, ListenError
from exporter.expose.text import Exposition
from exporter.expose.web import LIMITS, ClusterStatus, Limits, Server, accepts_gzip, create_app, negotiate

PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;"
    "version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_2 = "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
DEADLINE = 10.0
"""Seconds after which something that should have happened has not."""


def published(series: int = 3) -> Exposition:
    exposition = Exposition([USER_QUERIES, UP])
    exposition.counters([(USER_QUERIES.name, ("adhoc", f"user-{n}", "superset", "finished"), n) for n in range(series)])
    exposition.replace("adhoc", {UP.name: [(("adhoc",), 1)]})
    return exposition


@contextlib.contextmanager
def serving(
    exposition: Exposition | None = None,
    telemetry_path: str = "/metrics",
    ready: Callable[[], Sequence[str]] = tuple,
    clusters: Callable[[], Sequence[ClusterStatus]] = tuple,
    listen: Sequence[tuple[str, int]] = (("127.0.0.1", 0),),
    limits: Limits = LIMITS,
) -> Iterator[Server]:
    server = Server(create_app(exposition or published(), telemetry_path, ready, clusters), listen, limits)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def simple() -> Iterator[Server]:
    """A server of the simplest application, for tests that only ask."""
    with serving() as server:
        yield server


def url(server: Server, path: str = "/metrics") -> str:
    host, port = server.addresses[0]
    return f"http://{host}:{port}{path}"


def get(server: Server, path: str = "/metrics", **headers: str) -> requests.Response:
    return requests.get(url(server, path), headers=headers, timeout=DEADLINE)


def connect(server: Server, *, receive_buffer: int | None = None) -> socket.socket:
    """Return a connection that fails rather than wait for ever; a small buffer makes a reader that lags soon felt."""
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(DEADLINE)
    connection.connect(server.addresses[0])
    return connection


def read_to_end(connection: socket.socket) -> bytes:
    """Return what comes until the server closes the connection; raises TimeoutError if it does not."""
    received = []
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(1 << 20):
            received.append(chunk)
    return b"".join(received)


class TestScrape:
    def test_text_is_the_answer_to_who_asks_for_nothing_special(self, simple: Server) -> None:
        answer = get(simple, **{"Accept-Encoding": "identity"})
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert int(answer.headers["Content-Length"]) == len(answer.content)
        assert "Content-Encoding" not in answer.headers
        assert 'presto_up{presto_cluster="adhoc"} 1.0\n' in answer.text
        assert "process_cpu_seconds_total" in answer.text

    def test_openmetrics_is_the_answer_to_prometheus(self, simple: Server) -> None:
        answer = get(simple, Accept=PROMETHEUS_3)
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
        assert answer.text.endswith("# EOF\n")

    def test_gzip_holds_the_same_and_caches_are_told_what_it_depends_on(self) -> None:
        query = "/metrics?name[]=presto_user_queries_total&name[]=presto_up"
        with serving(published(10_000)) as server:
            plain = get(server, query, **{"Accept-Encoding": "identity"})
            zipped = requests.get(
                url(server, query), headers={"Accept-Encoding": "gzip"}, stream=True, timeout=DEADLINE
            )
            body = zipped.raw.read(decode_content=False)
        assert zipped.headers["Content-Encoding"] == "gzip"
        assert int(zipped.headers["Content-Length"]) == len(body) < len(plain.content) / 10
        assert gzip.decompress(body) == plain.content
        assert plain.headers["Vary"] == zipped.headers["Vary"] == "Accept, Accept-Encoding"

    @pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
    def test_curl_reads_the_whole_of_gzip(self) -> None:
        exposition = published(10_000)
        with serving(exposition) as server:
            query = url(server, "/metrics?name[]=presto_user_queries_total")
            command = ["curl", "--silent", "--fail", "--globoff", "--compressed", query]
            read = subprocess.run(command, check=True, timeout=DEADLINE, stdout=subprocess.PIPE).stdout
        assert read == b"".join(exposition.render(False, frozenset({"presto_user_queries_total"})))

    @pytest.mark.parametrize(
        ("query", "families"),
        [
            ("?name[]=presto_up", {"presto_up"}),
            ("?name%5B%5D=presto_up&name[]=python_info", {"presto_up", "python_info"}),
            ("?name[]=presto_user_queries", set()),
            ("?name[]=%00%ff%22", set()),
        ],
    )
    def test_names_filter(self, simple: Server, query: str, families: set[str]) -> None:
        answer = get(simple, f"/metrics{query}")
        assert answer.status_code == 200
        assert set(re.findall(r"^# TYPE (\S+)", answer.text, re.MULTILINE)) == families

    @pytest.mark.parametrize("query", ["", "?name[]=", "?name=presto_up", "?x=1"])
    def test_without_a_name_there_is_everything(self, simple: Server, query: str) -> None:
        answer = get(simple, f"/metrics{query}")
        assert {"presto_user_queries_total", "presto_up", "process_open_fds", "python_info"} <= set(
            re.findall(r"^# TYPE (\S+)", answer.text, re.MULTILINE)
        )

    @pytest.mark.parametrize("encoding", ["identity", "gzip"])
    def test_head_has_the_headers_and_no_body(self, simple: Server, encoding: str) -> None:
        query = "/metrics?name[]=presto_up"
        head = requests.head(url(simple, query), headers={"Accept-Encoding": encoding}, timeout=DEADLINE)
        full = get(simple, query, **{"Accept-Encoding": encoding})
        assert head.status_code == 200
        assert head.content == b""
        assert {**head.headers, "date": ""} == {**full.headers, "date": ""}

    def test_a_label_value_larger_than_a_write_arrives_whole(self) -> None:
        exposition = Exposition([USER_QUERIES])
        exposition.counters([(USER_QUERIES.name, ("adhoc", "x" * 1_000_000, "", "failed"), 1)])
        with serving(exposition) as server:
            answer = get(server, **{"Accept-Encoding": "identity"})
        assert f'user="{"x" * 1_000_000}"}} 1.0\n' in answer.text

    @pytest.mark.parametrize("path", ["/", "/metrics/deep", "/métriques", "/-/healthy/metrics"])
    def test_the_path_may_be_any(self, path: str) -> None:
        with serving(telemetry_path=path) as server:
            assert "presto_up" in get(server, path).text


WELL_FORMED = [
    "",
    "*/*",
    PROMETHEUS_2,
    PROMETHEUS_3,
    "application/openmetrics-text",
    "application/openmetrics-text; version=1.0.0; charset=utf-8",
    "application/openmetrics-text;version=0.0.1",
    "application/openmetrics-text;version=1.0",
    "text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0",
    "text/plain;version=1.0.0, application/openmetrics-text;version=1.0.0",
    "text/plain;version=1.0.0;escaping=underscores",
    "application/openmetrics-text;version=1.0.0;escaping=values;q=0.1",
    "application/openmetrics-text;version=1.0.0;escaping=made-up",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
    " , ;, application/openmetrics-text ",
]


@pytest.mark.parametrize("accept", WELL_FORMED)
def test_formats_are_chosen_as_by_prometheus_client(accept: str) -> None:
    openmetrics, content_type = negotiate(accept)
    _, expected = choose_encoder(accept)
    assert content_type == expected
    assert openmetrics == expected.startswith("application/openmetrics-text")


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (
            "application/openmetrics-text;version=2.0.0",
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
        ),
        (
            "application/openmetrics-text;version=1.0.0;escaping=dots",
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
        ),
        ("application/openmetrics-text;version=new", "text/plain; version=0.0.4; charset=utf-8"),
        (f"application/openmetrics-text;version={'9' * 9999}.0", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text;q=0.0, text/plain", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_no_format_is_promised_that_is_not_sent(accept: str, content_type: str) -> None:
    assert negotiate(accept)[1] == content_type


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("deflate,gzip", True),
        ("gzip;q=0.001", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000, deflate", False),
        ("identity", False),
        ("br, zstd", False),
        ("gzipped", False),
        ("*", False),
    ],
)
def test_gzip_is_sent_only_to_who_names_it_and_does_not_refuse_it(accept_encoding: str, accepted: bool) -> None:
    assert accepts_gzip(accept_encoding) is accepted


class TestPages:
    def test_healthy(self) -> None:
        with serving(ready=lambda: ["not yet"]) as server:
            assert (get(server, "/-/healthy").status_code, get(server, "/-/healthy").text) == (200, "healthy\n")

    def test_ready_tells_the_reasons_one_per_line_until_there_are_none(self) -> None:
        reasons = ['cluster "adhoc": not asked yet', "ledger: is\r\nlocked \ud800"]
        with serving(ready=lambda: reasons) as server:
            answer = get(server, "/-/ready")
            assert answer.status_code == 503
            assert answer.headers["Content-Type"].startswith("text/plain")
            assert answer.text == 'cluster "adhoc": not asked yet\nledger: is locked ?\n'
            reasons.clear()
            answer = get(server, "/-/ready")
            assert (answer.status_code, answer.text) == (200, "ready\n")

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/nothing", 404),
            ("GET", "/metrics/", 404),
            ("GET", "/-/healthy/", 404),
            ("POST", "/metrics", 405),
            ("DELETE", "/", 405),
            ("PUT", "/-/ready", 405),
            ("HEAD", "/-/healthy", 200),
            ("HEAD", "/", 200),
        ],
    )
    def test_other_paths_and_methods(self, simple: Server, method: str, path: str, status: int) -> None:
        answer = requests.request(method, url(simple, path), timeout=DEADLINE, allow_redirects=False)
        assert answer.status_code == status
        assert status != 405 or set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD"}
        assert answer.headers["X-Content-Type-Options"] == "nosniff"

    def test_the_landing_page_links_and_shows_each_cluster_with_everything_escaped(self) -> None:
        evil = "<script>alert('1')</script>\"&\ud800"
        clusters = [
            ClusterStatus("adhoc", "https://presto.example", "trino", "476", True, time.time() - 7, 12345, ""),
            ClusterStatus(evil, evil, evil, evil, False, 0.0, 0, evil),
            ClusterStatus("new", "http://new.example", "", "", None, None, None, ""),
        ]
        with serving(telemetry_path='/"metrics" & more', clusters=lambda: clusters) as server:
            answer = get(server, "/")
        page = answer.text
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert re.findall('href="(.*?)"', page) == ["/%22metrics%22%20%26%20more", "/-/healthy", "/-/ready"]
        assert "<script" not in page
        assert page.count("&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;&quot;&amp;?") == 5
        for shown in ("adhoc", "https://presto.example", "trino 476", ">up", ">down", "not asked yet", "12,345"):
            assert shown in page
        assert re.search(r"UTC<br><span class=\"soft\">[78] s ago", page)
        assert "1970-01-01 00:00:00 UTC" in page

    def test_the_landing_page_runs_nothing_and_its_style_is_allowed(self, simple: Server) -> None:
        answer = get(simple, "/")
        policy = answer.headers["Content-Security-Policy"]
        style = re.findall("<style>(.*?)</style>", answer.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
        assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}' ")
        assert "unsafe" not in policy
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "style=" not in answer.text

    def test_no_landing_page_where_the_metrics_are_at_the_root(self) -> None:
        with serving(telemetry_path="/") as server:
            assert get(server, "/").headers["Content-Type"].startswith("text/plain; version=0.0.4")

    def test_a_callable_that_fails_is_an_internal_error_and_nothing_else_suffers(self) -> None:
        def broken() -> Sequence[str]:
            raise RuntimeError("broken")

        with serving(ready=broken) as server:
            assert get(server, "/-/ready").status_code == 500
            assert get(server).status_code == 200


class TestListen:
    def test_several_addresses_serve_the_same(self) -> None:
        with serving(listen=[("127.0.0.1", 0), ("localhost", 0)]) as server:
            assert len({port for _, port in server.addresses}) == 2
            for host, port in server.addresses:
                assert requests.get(f"http://{host}:{port}/-/healthy", timeout=DEADLINE).text == "healthy\n"

    def test_no_host_means_every_interface_over_ipv4_and_ipv6(self) -> None:
        if not socket.has_dualstack_ipv6():
            pytest.skip("needs IPv6")
        with serving(listen=[("", 0)]) as server:
            port = server.addresses[0][1]
            for host in ("127.0.0.1", "[::1]"):
                assert requests.get(f"http://{host}:{port}/-/healthy", timeout=DEADLINE).text == "healthy\n"

    @pytest.mark.parametrize("host", ["127.0.0.1", ""])
    def test_an_address_in_use_is_named_and_no_other_is_held(self, host: str) -> None:
        with serving(listen=[(host, 0)]) as server, socket.socket() as free:
            taken = server.addresses[0][1]
            free.bind(("127.0.0.1", 0))
            other = free.getsockname()[1]
            free.close()
            second = Server(create_app(published(), "/metrics", tuple, tuple), [("127.0.0.1", other), (host, taken)])
            with pytest.raises(ListenError) as failure:
                second.start()
            message = f"{host}:{taken}: cannot listen: address already in use; choose another address or free this one"
            assert str(failure.value) == message
            assert isinstance(failure.value, ExporterError)
            second.stop()
            with serving(listen=[("127.0.0.1", other)]) as third:
                assert third.addresses == (("127.0.0.1", other),)

    @pytest.mark.parametrize(
        ("host", "shown"),
        [("no.such.host.invalid", "no.such.host.invalid:9483"), ("2001:db8::1", "[2001:db8::1]:9483")],
    )
    def test_an_address_that_is_not_ours_is_named(self, host: str, shown: str) -> None:
        with pytest.raises(ListenError, match=rf"^{re.escape(shown)}: cannot listen: "):
            Server(create_app(published(), "/metrics", tuple, tuple), [(host, 9483)]).start()

    def test_after_a_stop_nobody_listens_and_the_address_is_free_at_once(self) -> None:
        with serving() as server:
            get(server)
            address = server.addresses[0]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=DEADLINE)
        server.stop()
        with serving(listen=[address]) as again:
            assert get(again).status_code == 200


BIG = 60_000
"""Series enough that no socket's buffers hold them: about 6 MB."""


class TestClientsThatMisbehave:
    def test_a_connection_that_sends_nothing_is_closed(self) -> None:
        with serving(limits=Limits(request_seconds=0.2)) as server, connect(server) as silent:
            assert read_to_end(silent) == b""

    def test_a_request_that_drips_in_is_cut_off_however_steadily_it_drips(self) -> None:
        with serving(limits=Limits(request_seconds=0.3)) as server, connect(server) as slow:
            slow.settimeout(0.02)
            started = time.monotonic()
            slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Header: ")
            while time.monotonic() - started < DEADLINE:
                try:
                    slow.sendall(b"x")
                    if not slow.recv(1):
                        break
                except TimeoutError:
                    continue
                except (ConnectionResetError, BrokenPipeError):
                    break
            assert time.monotonic() - started < DEADLINE / 2

    def test_a_second_request_that_never_ends_is_cut_off_too(self) -> None:
        with serving(limits=Limits(request_seconds=0.2)) as server, connect(server) as slow:
            slow.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
            assert slow.recv(1000).startswith(b"HTTP/1.1 200 OK")
            slow.sendall(b"GET /-/heal")
            assert read_to_end(slow) in (b"", b"healthy\n")

    def test_a_connection_may_be_used_again_after_longer_than_a_request_may_take(self) -> None:
        """Prometheus keeps its connection from scrape to scrape."""
        with serving(limits=Limits(request_seconds=0.1)) as server:
            connection = http.client.HTTPConnection(*server.addresses[0], timeout=DEADLINE)
            connection.connect()
            kept = connection.sock
            for _ in range(3):
                connection.request("GET", "/-/healthy")
                assert connection.getresponse().read() == b"healthy\n"
                with connect(server) as clock:
                    read_to_end(clock)  # so request_seconds have passed
            assert connection.sock is kept
            connection.close()

    def test_an_answer_that_is_not_taken_is_cut_off(self) -> None:
        with (
            serving(published(BIG), limits=Limits(answer_seconds=0.5)) as server,
            connect(server, receive_buffer=4096) as lazy,
        ):
            lazy.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            assert lazy.recv(100).startswith(b"HTTP/1.1 200 OK")
            with connect(server) as clock:
                clock.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
                read_to_end(clock)  # so answer_seconds have passed
            assert len(read_to_end(lazy)) < BIG * 50

    @pytest.mark.parametrize("rubbish", [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"\r\n" * 70_000, b"x" * 200_000])
    def test_rubbish_is_refused_and_closed(self, rubbish: bytes) -> None:
        with serving(limits=Limits(request_seconds=0.2)) as server, connect(server) as client:
            client.sendall(rubbish)
            read_to_end(client)
            assert get(server, "/-/healthy").status_code == 200

    def test_more_idle_connections_than_allowed_make_room_for_who_asks(self) -> None:
        with serving(limits=Limits(request_seconds=600, connections=5)) as server:
            idle = [connect(server) for _ in range(40)]
            for _ in range(3):
                assert get(server, "/-/healthy").status_code == 200
            assert read_to_end(idle[0]) == b""
            for connection in idle:
                connection.close()

    @pytest.mark.parametrize(
        "others", [b"", b"GET /metrics HTTP/1.1\r\nX: ", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"]
    )
    def test_neither_half_requests_nor_answers_that_nobody_takes_keep_out_who_asks(self, others: bytes) -> None:
        """Whatever most connections do, they make room for each other."""
        with serving(published(BIG), limits=Limits(600, 600, connections=8)) as server:
            clients = [connect(server, receive_buffer=4096) for _ in range(3)]
            for client in clients:
                client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                assert client.recv(10)
            for _ in range(40):
                clients.append(connect(server, receive_buffer=4096))
                with contextlib.suppress(ConnectionError):
                    clients[-1].sendall(others)
            for _ in range(3):
                assert get(server, "/-/healthy").text == "healthy\n"
                assert get(server).text.endswith("\n")
            for client in clients:
                client.close()

    @pytest.mark.parametrize(("files", "connections"), [(20, 5), (256, 64), (1024, 256), (1 << 20, 256), (1, 1)])
    def test_of_the_files_that_may_be_open_connections_take_a_quarter(self, files: int, connections: int) -> None:
        assert Limits().within(files) == Limits(connections=connections)

    def test_slow_scrapers_block_nobody_and_hold_no_copies(self) -> None:
        exposition = published(BIG)
        size = sum(map(len, exposition.render(False)))
        scrapers = 60
        with serving(exposition) as server:
            get(server)
            before = resident_bytes()
            slow = [connect(server, receive_buffer=4096) for _ in range(scrapers)]
            for connection in slow:
                connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            for connection in slow:
                assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")
            assert len(get(server).text) > size / 2
            assert resident_bytes() - before < scrapers * size / 10
            for connection in slow:
                connection.close()

    @pytest.mark.parametrize(
        "request_sent", [b"", b"GET /met", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"\0\0\r\n"]
    )
    def test_a_stop_takes_less_than_three_seconds_whoever_is_connected(self, request_sent: bytes) -> None:
        with serving(published(BIG)) as server:
            clients = [connect(server, receive_buffer=4096) for _ in range(10)]
            for client in clients:
                client.sendall(request_sent)
            if b"\r\n\r\n" in request_sent:
                assert clients[-1].recv(10)
            started = time.monotonic()
            server.stop()
            assert time.monotonic() - started < 3
            for client in clients:
                read_to_end(client)
                client.close()

    def test_an_answer_under_way_is_finished_when_the_server_stops(self) -> None:
        with serving(published(BIG)) as server, connect(server, receive_buffer=1 << 16) as client:
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            received = client.recv(1000)
            stopping = threading.Thread(target=server.stop)
            stopping.start()
            head, _, body = (received + read_to_end(client)).partition(b"\r\n\r\n")
            stopping.join()
        assert f"content-length: {len(body)}".encode() in head


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096

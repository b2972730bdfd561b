"""The coordinator of the demo over a real connection: what it sends, and what its faults break."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from exporter.demo.coordinator import Coordinator, Fault, cut_at, half_of_the_rows
from exporter.demo.server import Server, serve
from tests.demo import MONITOR, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def coordinator(clock: Clock) -> Coordinator:
    return Coordinator(now=clock)


@pytest.fixture
def server(coordinator: Coordinator) -> Iterator[Server]:
    with serve(coordinator) as server:
        yield server


def poll(server: Server, **options: Any) -> requests.Response:
    return requests.get(f"{server.url}/v1/query", auth=("monitor", ""), timeout=10, allow_redirects=False, **options)


def test_it_is_served(coordinator: Coordinator, server: Server) -> None:
    """Names come back as they were, and what was asked is on record."""
    coordinator.submit('o\'neil "the" <b>', "ünïcode", "SELECT '李'")
    answer = poll(server)
    (row,) = answer.json()
    assert (row["session"]["user"], row["session"]["source"], row["query"]) == (
        *('o\'neil "the" <b>', "ünïcode", "SELECT '李'"),
    )
    assert answer.headers["Content-Type"] == "application/json"
    assert "Content-Length" not in answer.headers
    assert server.requests[0].path == "/v1/query"
    assert server.requests[0].headers["authorization"] == MONITOR["authorization"]
    assert requests.get(f"{server.url}/v1/info?x=1", timeout=10).json()["environment"] == "demo"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip, deflate", "gzip"), ("gzip;q=0.5", "gzip"), ("gzip;q=0", None), ("deflate, zstd", None), (None, None)],
)
def test_answers_are_compressed_if_accepted(server: Server, accepted: str | None, encoding: str | None) -> None:
    answer = poll(server, headers={"Accept-Encoding": accepted})
    assert answer.headers.get("Content-Encoding") == encoding
    assert answer.json() == []


@pytest.mark.parametrize("status", [401, 403, 500, 503, 302])
def test_fault_status(coordinator: Coordinator, server: Server, status: int) -> None:
    coordinator.inject(Fault(status=status))
    answer = poll(server)
    assert answer.status_code == status
    assert ("WWW-Authenticate" in answer.headers, "Location" in answer.headers) == (status == 401, status == 302)
    assert poll(server).status_code == 200, "once means once"


def test_faults_wait_for_one_another_and_for_their_path(coordinator: Coordinator, server: Server) -> None:
    coordinator.inject(Fault(status=500), times=2)
    coordinator.inject(Fault(status=503), times=None)
    coordinator.inject(Fault(status=403), path="/v1/info")
    assert [poll(server).status_code for _ in range(5)] == [500, 500, 503, 503, 503]
    assert [requests.get(f"{server.url}/v1/info", timeout=10).status_code for _ in range(2)] == [403, 200]
    coordinator.heal()
    assert poll(server).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_fault_bodies(coordinator: Coordinator, server: Server, encoding: str) -> None:
    """Whatever the body becomes, the transfer itself is complete and correct."""
    for _ in range(5):
        coordinator.submit("alice")
    whole = coordinator.query_list()
    coordinator.inject(Fault(body=cut_at(1000)))
    coordinator.inject(Fault(body=half_of_the_rows))
    coordinator.inject(Fault(body=b"\xff\x00", headers={"Content-Type": "text/html"}))
    coordinator.inject(Fault(body=b'{"queries": []}'))
    headers = {"Accept-Encoding": encoding}
    assert poll(server, headers=headers).content == whole[:1000]
    assert poll(server, headers=headers).json() == json.loads(whole)[::2]
    answer = poll(server, headers=headers)
    assert (answer.content, answer.headers["Content-Type"]) == (b"\xff\x00", "text/html")
    assert poll(server, headers=headers).json() == {"queries": []}
    assert poll(server, headers=headers).content == whole


def test_fault_dropped_connection(coordinator: Coordinator, server: Server) -> None:
    coordinator.submit("alice")
    coordinator.inject(Fault(drop_at=100))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        poll(server)
    assert poll(server).status_code == 200


def test_fault_slow(coordinator: Coordinator, server: Server) -> None:
    """The body drips: a client that waits for it all needs its time, one that gives up does not."""
    coordinator.inject(Fault(bytes_per_second=100), times=2)
    began = time.monotonic()
    assert poll(server, headers={"Accept-Encoding": "identity"}).content == b"[]"
    assert time.monotonic() - began >= 0.02
    coordinator.inject(Fault(bytes_per_second=1))
    assert poll(server).status_code == 200
    with pytest.raises(requests.exceptions.ConnectionError, match="timed out"):
        requests.get(f"{server.url}/v1/query", auth=("monitor", ""), timeout=0.1)


def test_fault_hang_ends_with_heal(coordinator: Coordinator, server: Server) -> None:
    """An answer that hangs blocks no other, and ends without a word when the faults are healed."""
    coordinator.inject(Fault(hang=True))
    failures: list[Exception] = []

    def ask() -> None:
        try:
            poll(server)
        except requests.exceptions.ConnectionError as error:
            failures.append(error)

    client = threading.Thread(target=ask)
    client.start()
    server.wait_for_requests(1)
    assert poll(server).status_code == 200
    assert client.is_alive()
    coordinator.heal()
    client.join(10)
    assert len(failures) == 1


def test_waiting_for_requests_gives_up(server: Server) -> None:
    with pytest.raises(TimeoutError, match="fewer than 1 requests"):
        server.wait_for_requests(1, timeout=0.01)


@pytest.mark.parametrize("fault", [Fault(hang=True), Fault(bytes_per_second=1)])
def test_the_end_of_the_server_breaks_what_is_under_way(coordinator: Coordinator, fault: Fault) -> None:
    """Closing takes no time, leaves no thread behind, and clients see a broken connection."""
    threads = set(threading.enumerate())
    coordinator.submit("alice")
    coordinator.inject(fault, times=None)
    broken = []

    def ask(url: str) -> None:
        try:
            requests.get(f"{url}/v1/query", auth=("monitor", ""), timeout=60)
        except requests.exceptions.RequestException as error:
            broken.append(error)

    with serve(coordinator) as server:
        clients = [threading.Thread(target=ask, args=(server.url,)) for _ in range(5)]
        for client in clients:
            client.start()
        server.wait_for_requests(5)
        began = time.monotonic()
    assert time.monotonic() - began < 2
    for client in clients:
        client.join(10)
    assert len(broken) == 5
    assert set(threading.enumerate()) == threads


def test_the_end_of_the_server_does_not_wait_for_idle_connections(coordinator: Coordinator) -> None:
    with requests.Session() as session:
        with serve(coordinator) as server:
            assert session.get(f"{server.url}/v1/info", timeout=10).status_code == 200
            began = time.monotonic()
        assert time.monotonic() - began < 2
        with pytest.raises(requests.exceptions.ConnectionError):
            session.get(f"{server.url}/v1/info", timeout=10)


def test_a_port_can_be_taken_again(coordinator: Coordinator) -> None:
    """A coordinator that was down comes back at the same address."""
    with serve(coordinator) as server:
        port = int(server.url.rpartition(":")[2])
        assert poll(server).status_code == 200
    with serve(coordinator, port) as server:
        assert poll(server).status_code == 200


def test_tls_lets_passwords_in(coordinator: Coordinator, tmp_path: Path) -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with serve(coordinator, tls=tls) as server:
        url, trust = f"{server.url}/v1/query", str(tmp_path / "ca.pem")
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(url, timeout=10)
        assert requests.get(url, auth=("monitor", "secret"), verify=trust, timeout=10).status_code == 200
        bearer = {"Authorization": "Bearer token"}
        assert requests.get(url, headers=bearer, verify=trust, timeout=10).status_code == 200
        assert requests.get(url, verify=trust, timeout=10).status_code == 401
        assert server.requests[-1].is_secure

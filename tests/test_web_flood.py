"""Thousands of clients that never come to an end, at a process that may open as few files as containers let it."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.demo.coordinator import Coordinator
from exporter.demo.query import Plan
from exporter.demo.server import serve
from tests.exporter_process import ExporterProcess, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and sets limits of another process")

CONFIG = """
clusters:
  - {{name: test, url: "{url}", user: monitor, poll_interval: 100ms, timeout: 5s}}
new_series_delay: 0s
ledger: {{path: "{folder}/ledger.sqlite"}}
web: {{listen_addresses: ["127.0.0.1:0"]}}
"""
HALF = b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Header: "
WHOLE = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


@contextlib.contextmanager
def open_files(most: int) -> Iterator[None]:
    """Let this process, and those that it starts, open at most so many files; its own limit is put back after it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def limit_files(exporter: ExporterProcess, most: int) -> None:
    _, hard = resource.prlimit(exporter.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(exporter.process.pid, resource.RLIMIT_NOFILE, (most, hard))


def files(exporter: ExporterProcess) -> list[int]:
    return sorted(map(int, os.listdir(f"/proc/{exporter.process.pid}/fd")))


def resident_bytes(exporter: ExporterProcess) -> int:
    return int(Path(f"/proc/{exporter.process.pid}/statm").read_text().split()[1]) * resource.getpagesize()


def polls(exporter: ExporterProcess, result: str = "success") -> float:
    return exporter.scrape().get("presto_exporter_polls_total", presto_cluster="test", result=result) or 0.0


def client(exporter: ExporterProcess, sent: bytes, address: str = "127.0.0.1") -> socket.socket:
    host, _, port = exporter.address.rpartition(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(30.0)
    connection.bind((address, 0))
    connection.connect((host, int(port)))
    with contextlib.suppress(ConnectionError):
        connection.sendall(sent)
    return connection


@pytest.mark.slow
@pytest.mark.parametrize(
    ("most_files", "clients", "sent", "address"),
    [
        (1024, 10_000, HALF, "127.0.0.1"),
        (256, 2_000, HALF, "127.0.0.1"),
        (256, 1_000, b"", "127.0.0.1"),
        (1024, 2_000, WHOLE, "127.0.0.9"),
    ],
    ids=["half requests", "half requests, few files", "silence, few files", "requests of another address"],
)
def test_a_flood_is_bounded_and_holds_up_neither_scrapes_nor_polls(
    most_files: int, clients: int, sent: bytes, address: str, tmp_path: Path
) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    clients = min(clients, hard - 500) if hard != resource.RLIM_INFINITY else clients
    coordinator = Coordinator()
    with serve(coordinator) as server:
        exporter = ExporterProcess(tmp_path, CONFIG.format(url=server.url, folder=tmp_path))
        with open_files(most_files):
            exporter.start()
        with open_files(clients + 500), contextlib.ExitStack() as ends, contextlib.ExitStack() as opened:
            ends.push(exporter)
            wait_until(lambda: polls(exporter), "the first poll")
            before, most = resident_bytes(exporter), 0
            for number in range(clients):
                opened.enter_context(client(exporter, sent, address))
                if number % 50 == 0:
                    most = max(most, len(files(exporter)))
                if number % 500 == 0:
                    assert exporter.scrape().get("presto_up", presto_cluster="test") == 1.0
            polled = polls(exporter)
            coordinator.submit("alice", plan=Plan(running=0.0))
            wait_until(lambda: polls(exporter) > polled + 1, "polls among the flood")
            wait_until(
                lambda: (
                    exporter.scrape().get(
                        "presto_user_queries_total",
                        presto_cluster="test",
                        user="alice",
                        source="",
                        outcome="finished",
                    )
                    == 1.0
                ),
                "the query",
            )
            assert most < most_files * 0.75
            assert resident_bytes(exporter) - before < 60e6
            assert polls(exporter, "connection") == 0.0
            opened.close()
            wait_until(lambda: len(files(exporter)) < 30, "the connections to be closed")
        assert len(exporter.logged().splitlines()) == 4, "ledger, address, the cluster without and with a query"


def test_with_no_file_left_polls_fail_and_connections_wait_and_then_all_is_well_again(tmp_path: Path) -> None:
    """EMFILE, at whatever needs a file first: nothing dies, nothing fills the log, and nothing is lost."""
    coordinator = Coordinator()
    with (
        serve(coordinator) as server,
        ExporterProcess(tmp_path, CONFIG.format(url=server.url, folder=tmp_path)) as exporter,
    ):
        wait_until(lambda: polls(exporter), "the first poll")
        kept = client(exporter, b"")
        wait_until(lambda: files(exporter), "the connection")
        limit_files(exporter, 1)  # nothing that is open is closed, nothing more can be opened
        coordinator.submit("alice", plan=Plan(running=0.0))
        with client(exporter, WHOLE), contextlib.closing(kept):
            wait_until(lambda: "no connection is accepted" in exporter.logged(), "a connection that is not accepted")
            wait_until(lambda: 'cluster \\"test\\": ' in exporter.logged().split("listed", 1)[1], "a poll that fails")
            limit_files(exporter, 1024)
            wait_until(lambda: polls(exporter, "connection"), "a scrape")
            wait_until(
                lambda: sum(exporter.scrape().named("presto_user_queries_total").values()) == 1.0, "the query", 60.0
            )
            assert len(exporter.logged().splitlines()) < 30
            assert exporter.stop() == 0

"""A process that has failed in every way for hours is as it was after its first minute: files, threads, memory."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import ssl
import sys
import time
from pathlib import Path

import pytest
import trustme

from exporter.demo.coordinator import Coordinator, Fault, cut_at, half_of_the_rows
from exporter.demo.query import Plan
from exporter.demo.server import serve
from tests.exporter_process import ExporterProcess, wait_until

pytestmark = [pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"), pytest.mark.slow]

ROUNDS = int(os.environ.get("ROUNDS", "12"))
WARM_UP = 4

CONFIG = """
clusters:
  - {{name: secure, url: "{secure}", tls: {{ca_file: "{folder}/ca.pem"}}, poll_interval: {interval}, timeout: 200ms}}
  - {{name: plain, url: "{plain}", poll_interval: {interval}, timeout: 200ms}}
  - {{name: untrusted, url: "{secure}", poll_interval: {interval}, timeout: 200ms}}
  - {{name: no-tls, url: "{no_tls}", poll_interval: {interval}, timeout: 200ms}}
  - {{name: refused, url: "http://127.0.0.1:{refused}", poll_interval: {interval}, timeout: 200ms}}
  - {{name: silent, url: "http://127.0.0.1:{silent}", poll_interval: {interval}, timeout: 50ms}}
  - {{name: unknown, url: "http://no.such.host.invalid", poll_interval: {interval}, timeout: 200ms}}
new_series_delay: 0s
ledger: {{path: "{folder}/ledger.sqlite"}}
web: {{listen_addresses: ["127.0.0.1:0"], config_file: "{folder}/web.yml"}}
"""

FAULTS = [
    Fault(status=500),
    Fault(status=401),
    Fault(drop_at=50),
    Fault(drop_at=0),
    Fault(body=cut_at(100)),
    Fault(body=half_of_the_rows),
    Fault(body=b"[" * 10_000),
    Fault(headers={"Content-Encoding": "gzip"}, body=b"no gzip"),
    Fault(bytes_per_second=50.0),
    Fault(hang=True),
]


def polls(exporter: ExporterProcess, **labels: str) -> float:
    return sum(
        value
        for shown, value in exporter.scrape().named("presto_exporter_polls_total").items()
        if labels.items() <= dict(shown).items()
    )


class Use:
    """The files and threads of a process, the fewest that were seen for a second, and its memory."""

    def __init__(self, exporter: ExporterProcess) -> None:
        proc = Path(f"/proc/{exporter.process.pid}")
        self.files = self.threads = sys.maxsize
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            self.files = min(self.files, len(os.listdir(proc / "fd")))
            self.threads = min(self.threads, len(os.listdir(proc / "task")))
        self.bytes = int((proc / "statm").read_text().split()[1]) * resource.getpagesize()


def scrape_halfway(exporter: ExporterProcess, sent: bytes) -> None:
    """Ask, and go away with a reset before the answer is read."""
    host, _, port = exporter.address.rpartition(":")
    with contextlib.suppress(ConnectionError), socket.create_connection((host, int(port)), timeout=30.0) as client:
        client.sendall(sent)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def test_files_threads_and_memory_stay_the_same_through_failures_reloads_and_scrapes(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    coordinators = [Coordinator(seed=seed) for seed in range(2)]
    with (
        serve(coordinators[0], tls=context) as secure,
        serve(coordinators[1]) as plain,
        socket.create_server(("127.0.0.1", 0)) as silent,
        socket.socket() as refused,
    ):
        refused.bind(("127.0.0.1", 0))  # and does not listen

        def config(interval: str) -> str:
            return CONFIG.format(
                secure=secure.url,
                plain=plain.url,
                no_tls=plain.url.replace("http:", "https:"),
                refused=refused.getsockname()[1],
                silent=silent.getsockname()[1],
                folder=tmp_path,
                interval=interval,
            )

        (tmp_path / "web.yml").write_text("{}")
        with ExporterProcess(tmp_path, config("5ms")) as exporter:

            def one_round(number: int) -> None:
                for fault in FAULTS:
                    for coordinator in coordinators:
                        coordinator.submit(f"user{number % 3}", plan=Plan(running=0.0))
                        coordinator.inject(fault)
                        coordinator.inject(Fault())
                for _ in range(5):
                    exporter.scrape()
                    scrape_halfway(exporter, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                    scrape_halfway(exporter, b"GET /met")
                    scrape_halfway(exporter, b"")
                    assert exporter.get("/api/v1/queries")[0] == 200
                    assert exporter.get("/queries?window=nothing")[0] == 400
                header = (
                    f"http_server_config: {{headers: {{X-Frame-Options: {'deny' if number % 2 else 'sameorigin'}}}}}"
                )
                (tmp_path / "web.yml").write_text("{" if number % 3 == 0 else header)
                exporter.scrape()
                good = polls(exporter, result="success")
                wait_until(lambda: polls(exporter, result="success") > good + 10, "good polls again")
                exporter.config.write_text("{" if number % 3 == 1 else config(f"{5 + number % 2}ms"))
                exporter.send(signal.SIGHUP)
                loaded = float(number % 3 == 2)
                wait_until(
                    lambda: exporter.scrape().get("presto_exporter_config_last_reload_successful") == loaded,
                    "the reload",
                )
                failed = polls(exporter, presto_cluster="unknown")
                if number % 3 != 1:
                    wait_until(lambda: polls(exporter, presto_cluster="unknown") > failed, "a poll after the reload")

            for number in range(WARM_UP):
                one_round(number)
            warm = Use(exporter)
            for number in range(WARM_UP, ROUNDS):
                one_round(number)
            wait_until(lambda: Use(exporter).files <= warm.files, "no more files than at first")
            wait_until(lambda: Use(exporter).threads <= warm.threads, "no more threads than at first")
            assert Use(exporter).bytes < warm.bytes + 10e6
            counted = {
                dict(labels)["result"]
                for labels, value in exporter.scrape().named("presto_exporter_polls_total").items()
                if value
            }
            assert counted >= {"success", "timeout", "connection", "tls", "unauthorized", "http_status", "decode"}
            assert polls(exporter) > 300
            assert "Traceback" not in exporter.logged()
            assert exporter.stop() == 0

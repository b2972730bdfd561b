"""Servers that show what the JMX agent shows of recorded ones, with numbers that grow: for a Prometheus to scrape."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.agent import Agent
from tests.docs.documents import ROOT

RECORDED = ("trino-483", "trino-454-time-sharing", "prestosql-338", "prestodb-0.296", "trino-483-worker")
OF_THE_JVM = (
    'jvm_memory_used_bytes{area="heap"}',
    'jvm_memory_max_bytes{area="heap"}',
    'jvm_gc_collection_seconds_count{gc="G1 Young Generation"}',
    'jvm_gc_collection_seconds_sum{gc="G1 Young Generation"}',
    "jvm_threads_current",
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_start_time_seconds",
    "jmx_scrape_duration_seconds",
)


def series(file: str) -> list[str]:
    """Return the series that the agent shows of a recorded server."""
    agent = Agent((ROOT / "jmx" / "presto.yml").read_text("utf-8"))
    text = (ROOT / "tests" / "data" / "jmx" / f"{file}.txt").read_text("utf-8")
    shown = agent.shown(line for line in text.splitlines() if not line.startswith("#"))
    found = dict.fromkeys((one.name, ",".join(f'{key}="{value}"' for key, value in one.labels)) for one in shown)
    return [*(f"{name}{{{labels}}}" for name, labels in found), *OF_THE_JVM]


@contextlib.contextmanager
def servers() -> Iterator[Sequence[str]]:
    """Serve each of the recorded servers at ``/metrics`` of a port of its own; give their addresses."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(_serving(series(file))) for file in RECORDED]


@contextlib.contextmanager
def _serving(shown: Sequence[str]) -> Iterator[str]:
    began = time.monotonic()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            passed = time.monotonic() - began + 1
            body = "".join(f"{one} {passed}\n" for one in shown).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()

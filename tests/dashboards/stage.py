"""``python -m tests.dashboards.stage FOLDER``: two busy clusters, an exporter, a Prometheus; data for the dashboards.

The clusters are those of the demo, one of Trino and one of PrestoSQL. Prometheus loads the project's recording rules
and alerts. Targets of real servers may be put into ``FOLDER/servers.yml`` (file_sd) at any time. Runs until it is
interrupted; the addresses are printed.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from exporter.demo.coordinator import Coordinator
from exporter.demo.server import serve
from exporter.demo.workload import Workload
from tests.engines.processes import Program, free_port

ROOT = Path(__file__).parent.parent.parent
CLUSTERS = {"adhoc": "483", "etl": "338"}
"""The versions that the clusters play, by their names."""


@contextlib.contextmanager
def busy_coordinator(version: str, seed: int) -> Iterator[str]:
    """Serve a coordinator of *version* whose users are at work; give its URL."""
    coordinator = Coordinator(version, seed=seed)
    workload = Workload(coordinator, seed)
    ended = threading.Event()
    worker = threading.Thread(target=workload.run, args=(ended,), name=f"workload {version}")
    with serve(coordinator) as server:
        worker.start()
        try:
            yield server.url
        finally:
            ended.set()
            worker.join()


def exporter_config(urls: dict[str, str], port: int, folder: Path) -> str:
    """Return the configuration of an exporter for these clusters."""
    return yaml.safe_dump(
        {
            "clusters": [
                {"name": name, "url": url, "user": "monitor", "poll_interval": "2s"} for name, url in urls.items()
            ],
            "new_series_delay": "10s",
            "ledger": {"path": str(folder / "ledger.sqlite")},
            "web": {"listen_addresses": [f"127.0.0.1:{port}"]},
        }
    )


def prometheus_config(exporter_port: int, folder: Path) -> str:
    """Return the configuration of a Prometheus that scrapes the exporter, and servers that may be named later."""
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": "5s", "evaluation_interval": "5s"},
            "rule_files": [str(ROOT / "alerts" / "rules" / "*.yml")],
            "scrape_configs": [
                {
                    "job_name": "presto-query-exporter",
                    "static_configs": [{"targets": [f"127.0.0.1:{exporter_port}"]}],
                },
                {
                    "job_name": "presto",
                    "file_sd_configs": [{"files": [str(folder / "servers.yml")], "refresh_interval": "5s"}],
                },
            ],
        }
    )


def main(argv: Sequence[str]) -> int:
    """Run until SIGINT or SIGTERM; leaves no process behind."""
    parser = argparse.ArgumentParser(prog="python -m tests.dashboards.stage", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="for data and logs; must exist")
    options = parser.parse_args(argv)
    folder = options.folder.resolve()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.ExitStack() as stack:
        urls = {
            name: stack.enter_context(busy_coordinator(version, seed))
            for seed, (name, version) in enumerate(CLUSTERS.items(), start=1)
        }
        exporter, prometheus = free_port(), free_port()
        (folder / "exporter.yml").write_text(exporter_config(urls, exporter, folder))
        (folder / "prometheus.yml").write_text(prometheus_config(exporter, folder))
        run = [sys.executable, "-m", "exporter", "run", "--config.file", str(folder / "exporter.yml")]
        stack.enter_context(Program("exporter", run, folder / "exporter.log", {"PYTHONPATH": str(ROOT)}))
        scrape = [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{prometheus}",
            "--web.enable-lifecycle",
        ]
        stack.enter_context(Program("prometheus", scrape, folder / "prometheus.log"))
        print(f"exporter    http://127.0.0.1:{exporter}\nprometheus  http://127.0.0.1:{prometheus}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

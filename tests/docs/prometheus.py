"""A real Prometheus with our rules, which scrapes an exporter and servers."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.docs.documents import ROOT
from tests.docs.servers import servers
from tests.engines.processes import Program, free_port
from tests.engines.prometheus import command
from tests.exporter_process import wait_until


class Prometheus:
    """A Prometheus that runs."""

    def __init__(self, program: Program, url: str) -> None:
        self._program = program
        self._url = url

    def ask(self, query: str) -> list[Any]:
        """Return the result of a query; fail if there is an error or a warning."""
        answer = requests.get(f"{self._url}/api/v1/query", params={"query": query}, timeout=30).json()
        assert answer["status"] == "success" and not answer.get("warnings"), answer
        result = answer["data"]["result"]
        return result if isinstance(result, list) else [result]

    def wait_for_records(self) -> None:
        """Return once there are records of records, of the exporter and of servers."""
        wait_until(self._has_records, "a Prometheus with records of records")

    def _has_records(self) -> bool:
        self._program.must_live()
        try:
            return bool(self.ask("slo:presto_burn_rate:ratio and on () cluster:presto_server_cpu_seconds:rate5m"))
        except requests.RequestException:  # it is starting
            return False


@contextlib.contextmanager
def started(folder: Path, exporter: str) -> Iterator[Prometheus | None]:
    """Give a Prometheus with its data in *folder* that may not be ready yet; None where it is not installed."""
    if shutil.which("prometheus") is None:
        yield None
        return
    folder.mkdir()
    for path in (ROOT / "alerts" / "rules").glob("*.yml"):
        text = path.read_text("utf-8")
        # Some records are made every minute; here there is less time.
        (folder / f"{path.stem}.rules.yml").write_text(re.sub(r"^ +interval: .*\n", "", text, flags=re.MULTILINE))
    url = f"http://127.0.0.1:{free_port()}"
    with servers() as addresses:
        (folder / "prometheus.yml").write_text(configuration(exporter, list(addresses)))
        with Program("prometheus", command(folder, url), folder / "prometheus.log") as program:
            yield Prometheus(program, url)


def configuration(exporter: str, addresses: list[str]) -> str:
    """Return the configuration of a Prometheus in a hurry."""
    jobs: dict[str, dict[str, object]] = {
        "presto-query-exporter": {"targets": [exporter]},
        "presto": {"targets": addresses, "labels": {"presto_cluster": "demo"}},
    }
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["*.rules.yml"],
            "scrape_configs": [{"job_name": job, "static_configs": [targets]} for job, targets in jobs.items()],
        }
    )

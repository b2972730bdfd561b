"""A real Prometheus in front of the exporter, and what its functions make of the counters.

The point is that ``increase()`` sees the first query of a user. It does only if the series was scraped at 0 before, for
which the exporter shows every new series at 0 for a while. Two ways to ask:

- *last minus first sample* over the whole trial is exact: counters never fall (the trial checks that of its own), so
  the first sample is the smallest, and it is 0 exactly if Prometheus saw the series at 0.
- ``increase()`` extrapolates to the ends of its range. At the beginning it stops where the counter would be 0, which is
  the first sample here. At the end it adds at most 1.1 times the mean distance of samples. So with n samples it is
  between the true number and 1 + 1.1 / (n - 1) times that.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.engines import EngineError
from tests.engines.exposition import Scrape
from tests.engines.processes import Program, free_port

_START_SECONDS = 30.0
_PATIENCE = 30.0
_WINDOW = "[1h]"
_EXTRAPOLATED = 1.1
_LAST_POLL = "presto_exporter_last_successful_poll_timestamp_seconds"


def command(folder: Path, url: str) -> list[str]:
    """Return how a Prometheus is started that reads ``prometheus.yml`` in *folder* and keeps its data there."""
    return [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address={url.removeprefix('http://')}",
    ]


class Prometheus:
    """A Prometheus that scrapes the exporter every second; leaving its ``with`` block ends it."""

    LABELS = ("user", "source", "outcome")
    METRIC = "presto_user_queries_total"

    def __init__(self, exporter_port: int, folder: Path) -> None:
        self._url = f"http://127.0.0.1:{free_port()}"
        self._folder = folder
        self._program: Program | None = None
        self._at = 0.0
        (folder / "prometheus.yml").write_text(
            yaml.safe_dump(
                {
                    "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
                    "scrape_configs": [
                        {"job_name": "presto", "static_configs": [{"targets": [f"127.0.0.1:{exporter_port}"]}]}
                    ],
                }
            )
        )

    def __enter__(self) -> Prometheus:
        return self

    def __exit__(self, *_: object) -> None:
        if self._program:
            self._program.kill()

    def start(self) -> str:
        """Return what was started, with its version, once it is ready."""
        self._program = Program("prometheus", command(self._folder, self._url), self._folder / "prometheus.log")
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            self._program.must_live()
            try:
                requests.get(f"{self._url}/-/ready", timeout=1).raise_for_status()
                build = requests.get(f"{self._url}/api/v1/status/buildinfo", timeout=5).json()
                return f"Prometheus {build['data']['version']}"
            except requests.RequestException:
                time.sleep(0.1)
        raise EngineError(f"prometheus: not ready after {_START_SECONDS:.0f} s; see {self._program.log}")

    def wait_for(self, scrape: Scrape) -> None:
        """Return once Prometheus has seen what *scrape* shows. All answers are as of this moment."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            self._at = time.time()
            if any(value >= scrape.total(_LAST_POLL) for value in self._ask(_LAST_POLL).values()):
                return
            time.sleep(0.2)
        raise EngineError(f"prometheus: has not scraped the exporter's last poll after {_PATIENCE:.0f} s")

    def gained(self) -> dict[tuple[str, ...], float]:
        """Return last minus first sample of every series, by LABELS."""
        return self._ask(f"last_over_time({self.METRIC}{_WINDOW}) - min_over_time({self.METRIC}{_WINDOW})")

    def resets(self) -> dict[tuple[str, ...], float]:
        """Return how often each series fell, by LABELS."""
        return self._ask(f"resets({self.METRIC}{_WINDOW})")

    def unlike_increase(self, expected: dict[tuple[str, ...], float]) -> list[str]:
        """Return where ``increase()`` is not what it must be for these true numbers, in words."""
        samples = self._ask(f"count_over_time({self.METRIC}{_WINDOW})")
        increases = self._ask(f"increase({self.METRIC}{_WINDOW})")
        found = []
        for key, number in expected.items():
            increase = increases.get(key, 0.0)
            most = number * (1 + _EXTRAPOLATED / max(1.0, samples.get(key, 0.0) - 1))
            if not number - 1e-9 <= increase <= most + 1e-9:
                found.append(f"{' · '.join(map(repr, key))}: {increase:g}, not from {number:g} to {most:g}")
        return found

    def _ask(self, expression: str) -> dict[tuple[str, ...], float]:
        response = requests.get(
            f"{self._url}/api/v1/query", params={"query": expression, "time": f"{self._at:.3f}"}, timeout=30
        )
        result: list[dict[str, Any]] = response.json()["data"]["result"]
        return {tuple(one["metric"].get(label, "") for label in self.LABELS): float(one["value"][1]) for one in result}

"""The exporter as a process of its own, and the watch that scrapes it without a pause."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.engines import EngineError
from tests.engines.exposition import Scrape, Series, fallen
from tests.engines.processes import Program, free_port
from tests.engines.servers import MONITOR, Server

POLL_SECONDS = 1.0
NEW_SERIES_DELAY = 4.0
"""Longer than an exporter is away between a kill and its next scrape, so that a new series' 0 is seen all the same."""

_LAST_POLL = "presto_exporter_last_successful_poll_timestamp_seconds"
_PAUSE = 0.25
_PAUSE_WHILE_STARTING = 0.001
"""Short, so that the very first answer of a new process is seen."""
_START_SECONDS = 30.0
_STOP_SECONDS = 15.0
_PATIENCE = 60.0


class Exporter:
    """``python -m exporter run`` in front of a server, on one port and with one ledger over all its starts."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._program: Program | None = None
        self._settings = folder / "exporter.yml"
        self._settings.write_text(
            yaml.safe_dump(
                {
                    "clusters": [
                        {
                            "name": server.engine.name,
                            "url": server.url,
                            "user": MONITOR,
                            "poll_interval": f"{POLL_SECONDS:.0f}s",
                        }
                    ],
                    "fingerprints": {"admit_after": 1},
                    "new_series_delay": f"{NEW_SERIES_DELAY:.0f}s",
                    "ledger": {"path": str(folder / "ledger.sqlite")},
                    "web": {"listen_addresses": [f"127.0.0.1:{self.port}"]},
                }
            )
        )

    def __enter__(self) -> Exporter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._program:
            self._program.kill()

    def start(self) -> Scrape:
        """Return the very first answer of /metrics."""
        command = [sys.executable, "-m", "exporter", "run", "--config.file", str(self._settings)]
        self._program = Program("exporter", command, self._folder / "exporter.log")
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            self._program.must_live()
            try:
                return self.scrape()
            except requests.RequestException:
                time.sleep(_PAUSE_WHILE_STARTING)
        raise EngineError(f"exporter: no answer on {self.url} after {_START_SECONDS:.0f} s; see {self._program.log}")

    def usage(self, group: str) -> dict[str, Any]:
        """Return what the API tells of the last day, by *group*."""
        answer = requests.get(
            f"{self.url}/api/v1/queries", {"group_by": group, "limit": "1000", "order_by": "queries"}, timeout=_PATIENCE
        )
        if answer.status_code != requests.codes.ok:
            raise EngineError(f"exporter: the API answered {answer.status_code}: {answer.text[:200]}")
        return dict(answer.json())

    def kill(self) -> None:
        """End it at once, as a power cut would (SIGKILL)."""
        if self._program:
            self._program.kill()

    def stop(self) -> int:
        """Ask it to end and return its exit code; a negative one is the signal that it took."""
        return self._program.stop(_STOP_SECONDS) if self._program else 0

    def scrape(self) -> Scrape:
        """Return what /metrics says now; raises requests.RequestException if there is no whole answer."""
        response = requests.get(f"{self.url}/metrics", timeout=10)
        response.raise_for_status()
        return Scrape(response.text)


class Watch(threading.Thread):
    """Scrapes the exporter all the time, compares each scrape with the one before, and lends the scrapes to others."""

    def __init__(self, exporter: Exporter) -> None:
        super().__init__(daemon=True)
        self.scrapes = 0
        self.falls: list[str] = []
        """What counters did that they never may, and scrapes that gave no exposition, in words."""
        self._exporter = exporter
        self._scraping = threading.Lock()
        self._last: Scrape | None = None
        self._known: dict[Series, float] = {}
        """The last value seen of each counter, also of one that is gone."""
        self._new = threading.Condition()
        self._over = threading.Event()

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Scrape no more. Safe to repeat."""
        self._over.set()
        self.join()

    def run(self) -> None:
        """Scrape until the watch is over."""
        while not self._over.wait(_PAUSE):
            with self._scraping:
                self._scrape()

    def restart(self) -> None:
        """Kill the exporter right after a scrape and start it again; its first answer must go on from there."""
        with self._scraping:
            self._scrape()
            self._exporter.kill()
            self._compare(self._exporter.start(), same_process=False)

    def _scrape(self) -> None:
        try:
            self._compare(self._exporter.scrape(), same_process=True)
        except (requests.RequestException, ValueError) as error:
            self.falls.append(f"/metrics: {error}")

    def _compare(self, scrape: Scrape, same_process: bool) -> None:
        with self._new:
            self.falls += fallen(self._known, scrape.counters, same_process)
            self._known |= scrape.counters
            self._last = scrape
            self.scrapes += 1
            self._new.notify_all()

    def wait_for(self, what: str, holds: Callable[[Scrape], bool], within: float = _PATIENCE) -> Scrape:
        """Return the first scrape from now on of which *holds* is true; raises EngineError if none is in time."""
        deadline = time.monotonic() + within
        with self._new:
            while (left := deadline - time.monotonic()) > 0:
                if self._new.wait(left) and self._last and holds(self._last):
                    return self._last
        raise EngineError(f"/metrics: after {within:.0f} s not seen: {what}")

    def wait_for_poll(self, after: float) -> Scrape:
        """Return a scrape that shows a successful poll made after this Unix time, new series with their values."""

        def polled(since: float) -> Callable[[Scrape], bool]:
            return lambda scrape: scrape.total(_LAST_POLL) > since

        # After failures polls are rare, so the first one of late may be the one that bears new series.
        born = self.wait_for("a successful poll of late", polled(after)).total(_LAST_POLL)
        return self.wait_for("new series with their values", polled(born + NEW_SERIES_DELAY + POLL_SECONDS))

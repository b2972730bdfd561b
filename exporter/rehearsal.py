"""What the demo's users did in the days before: usage for its pages to compare with, and nothing else.

Some minutes of each hour are played to a pipeline with a clock of that hour. Its counters are thrown away: they would
tell of restarts and losses between the minutes, of which nobody was witness.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from exporter.account.ledger import Ledger
from exporter.account.usage import DAY, HOUR
from exporter.demo.coordinator import Coordinator
from exporter.demo.workload import Workload
from exporter.ingest.coordinator import Answer
from exporter.pipeline import Pipeline, Policy, Statements

HOURS = 47
_BUSY_SECONDS = 150.0
"""Of an hour at noon; half of that at midnight."""


class _Nobody:
    """Where what is published goes unseen."""

    def counters(self, changes: Iterable[tuple[str, tuple[str, ...], float]]) -> None:
        for _ in changes:
            pass

    def withdraw(self, samples: Iterable[tuple[str, Sequence[str]]]) -> None:
        for _ in samples:
            pass

    def replace(self, group: str, gauges: Mapping[str, Iterable[tuple[tuple[str, ...], float]]]) -> None:
        pass


def play(path: Path, cluster: str, canceled: Iterable[str], version: str, seed: int, now: float) -> None:
    """Write to the ledger at *path*, made anew, what *cluster* was used for in the HOURS hours before this one."""
    this_hour = now // HOUR * HOUR
    ledger = Ledger(path)
    for ago in range(HOURS, 0, -1):
        at = this_hour - ago * HOUR + HOUR / 2
        busy = _BUSY_SECONDS * (3 - math.cos(at / HOUR / 12 * math.pi)) / 4
        coordinator = Coordinator(version, now=lambda at=at: at, seed=seed + ago)  # type: ignore[misc]
        Workload(coordinator, seed + ago, history=busy, is_warm=True)
        limits = {"user": 1000, "source": 50, "error_name": 200, "fingerprint": 0}
        policy = Policy(frozenset(canceled), limits, 0.0)
        pipeline = Pipeline(cluster, "", 15.0, policy, ledger, _Nobody(), Statements(_Nobody(), 0), at)
        pipeline.polled(Answer(coordinator.query_list(), coordinator.info(), 0.0, at), at)
    ledger.close()
    with sqlite3.connect(path) as db:
        for table in ("query", "series", "label_value", "cluster"):
            db.execute(f"DELETE FROM {table}")  # noqa: S608
        # She came yesterday, and what she brought is new.
        newcomer = "(SELECT id FROM usage_name WHERE name = 'lena.berg')"
        for table in ("usage", "usage_error"):
            db.execute(f"DELETE FROM {table} WHERE user = {newcomer} AND start < ?", (this_hour - DAY,))  # noqa: S608
    db.close()

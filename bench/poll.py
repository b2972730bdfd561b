"""What a poll costs, against ``requests.get(...).json()`` of the same list: ``python -m bench.poll``."""

from __future__ import annotations

import gc
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import requests

from exporter.account.ledger import Ledger
from exporter.catalogue import CATALOGUE
from exporter.demo.coordinator import Coordinator
from exporter.demo.query import Plan, Usage
from exporter.demo.server import serve
from exporter.expose.text import Exposition
from exporter.ingest import coordinator as ingest
from exporter.ingest.auth import UserOnly
from exporter.pipeline import Pipeline, Policy, Statements

ERRORS = ("", "", "", "", "", "", "SYNTAX_ERROR", "TABLE_NOT_FOUND", "USER_CANCELED", "EXCEEDED_TIME_LIMIT")
LIMITS = {"user": 1000, "source": 50, "error_name": 200, "fingerprint": 500}


class Costs(NamedTuple):
    """CPU seconds, the best of several rounds."""

    list_bytes: int
    reference: float
    """Get the list and make Python objects of its JSON."""
    first: float
    """The first poll: every query is new."""
    unchanged: float
    """A poll that lists what the one before did."""
    one_percent: float
    """A poll in which one query of a hundred is new."""


def populate(coordinator: Coordinator, queries: int, seed: int = 3, text_bytes: int = 700) -> None:
    """Fill a coordinator's list with ended queries of 300 users and 12 tools.

    Their texts are of 500 patterns with new literals each time, some patterns far more frequent than others.
    """
    chance = random.Random(seed)
    words = [f"column_{number}" for number in range(500)]
    patterns = [", ".join(chance.choices(words, k=text_bytes // 12)) for _ in range(500)]
    weights = [1 / (rank + 1) for rank in range(len(patterns))]
    now = coordinator.now()
    for pattern in chance.choices(patterns, weights, k=queries):
        day = f"DATE '2026-0{chance.randrange(1, 9)}-01'"
        sql = f"SELECT {pattern} FROM t WHERE k IN ({chance.random()}, 7) AND day = {day}"
        plan = Plan(
            running=chance.random() * 100,
            error=chance.choice(ERRORS),
            usage=Usage(
                cpu_seconds=chance.random() * 1000,
                input_bytes=chance.randrange(10**12),
                input_rows=chance.randrange(10**9),
                memory_byte_seconds=chance.random() * 1e12,
                peak_bytes=chance.randrange(10**10),
            ),
        )
        user, source = f"user{chance.randrange(300)}", f"tool{chance.randrange(12)}"
        coordinator.submit(user, source, sql, plan, at=now - 800.0 + chance.random() * 600.0)


def measure(queries: int = 10_000, rounds: int = 5) -> Costs:
    """Return the costs of polls of a coordinator that lists *queries* queries, over a real connection."""
    coordinator = Coordinator("476", min_expire_age=86_400.0)
    populate(coordinator, queries)
    with serve(coordinator) as server, tempfile.TemporaryDirectory() as folder:
        client = ingest.Coordinator(server.url, UserOnly("bench"), timeout=600.0, max_response_bytes=1 << 32)
        size = len(client.poll().query_list)

        def reference() -> None:
            requests.get(f"{server.url}/v1/query", auth=("bench", ""), timeout=600).json()

        def pipeline(round_: int) -> Pipeline:
            ledger = Ledger(Path(folder) / f"{round_}.sqlite")
            policy = Policy(frozenset({"USER_CANCELED"}), LIMITS, 60.0)
            exposition = Exposition(CATALOGUE)
            return Pipeline(
                "bench", server.url, 15.0, policy, ledger, exposition, Statements(exposition, 120), time.time()
            )

        def poll(into: Pipeline) -> Callable[[], None]:
            def run() -> None:
                into.polled(client.poll(), time.time())

            return run

        references, firsts, unchanged, changed = [], [], [], []
        for round_ in range(rounds):
            into = pipeline(round_)
            references.append(_cpu(reference))
            firsts.append(_cpu(poll(into)))
            unchanged.append(_cpu(poll(into)))
            populate(coordinator, queries // 100, seed=round_)
            changed.append(_cpu(poll(into)))
    return Costs(size, min(references), min(firsts), min(unchanged), min(changed))


def _cpu(work: Callable[[], None]) -> float:
    """Return the CPU seconds that *work* takes in this thread: the server that answers runs in others."""
    gc.collect()
    started = time.thread_time()
    work()
    return time.thread_time() - started


def main() -> None:
    """Measure and print."""
    costs = measure()
    print(f"poll of 10,000 listed queries, {costs.list_bytes / 1e6:.1f} MB")
    print(f"  requests.get().json()           {costs.reference * 1e3:8.1f} ms   1.00")
    for name, cost in (("nothing new", costs.unchanged), ("1 % new", costs.one_percent), ("all new", costs.first)):
        print(f"  ours, {name:24}  {cost * 1e3:8.1f} ms   {cost / costs.reference:.2f}")


if __name__ == "__main__":
    main()

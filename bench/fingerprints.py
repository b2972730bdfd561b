"""What a fingerprint costs: ``python -m bench.fingerprints``. Statements are made here, from a seed, so that anyone can
run it; figures are of one process and of CPU time."""

from __future__ import annotations

import random
import statistics
import time
import tracemalloc
from collections.abc import Callable
from itertools import accumulate
from typing import NamedTuple

from exporter.fingerprint.fingerprint import Fingerprinter
from tests.hostile_texts import HOSTILE

_TEMPLATES = 500
_NAMES = ("orders", "lineitem", "customer", "events", "sessions", "users", "clicks", "payments", "refunds", "visits")
_COLUMNS = ("orderkey", "custkey", "totalprice", "status", "created_at", "region", "amount", "device", "source")


class Costs(NamedTuple):
    """What fingerprints cost."""

    cached_us_per_kb: float
    """A text whose key is known, at the median."""
    first_us_per_kb: float
    """A text of a statement never seen, at the median."""
    per_second: float
    """Statements of a workload in which few templates make most of the queries, each with new literals and layout."""
    split: int
    """Templates of that workload that have more than one id."""
    merged: int
    """Ids of that workload that more than one template has."""
    list_ms: float
    """A list of 10,000 literals, when its key is known."""
    list_bytes: int
    """The most memory that it took."""
    worst_seconds: float
    """The longest that one of the hostile texts takes, of up to a megabyte."""
    worst_text: str


def measure(statements: int = 50_000) -> Costs:
    """Return the costs, with a workload of *statements*."""
    chance = random.Random(7)
    makers = [_maker(random.Random(number)) for number in range(_TEMPLATES)]
    texts = [make(chance) for make in makers]
    fingerprinter = Fingerprinter()
    first = [_microseconds_per_kb(fingerprinter, text) for text in texts]
    cached = [min(_microseconds_per_kb(fingerprinter, text) for _ in range(3)) for text in texts]

    weights = list(accumulate(1 / rank**1.1 for rank in range(1, _TEMPLATES + 1)))
    chosen = chance.choices(range(_TEMPLATES), cum_weights=weights, k=statements)
    workload = [(number, makers[number](chance)) for number in chosen]
    fingerprinter = Fingerprinter()
    start = time.process_time()
    ids = [fingerprinter.of(text).id for _, text in workload]
    spent = time.process_time() - start
    pairs = {(number, found) for (number, _), found in zip(workload, ids, strict=True)}

    literals = "SELECT * FROM t WHERE x IN (" + ",".join(str(chance.randrange(10**9)) for _ in range(10_000)) + ")"
    fingerprinter.of(literals)
    start = time.process_time()
    for _ in range(10):
        fingerprinter.of(literals)
    list_ms = (time.process_time() - start) * 100
    tracemalloc.start()
    Fingerprinter().of(literals)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    hostile = {name: _seconds(text) for name, text in HOSTILE.items()}
    worst = max(hostile, key=hostile.__getitem__)
    return Costs(
        cached_us_per_kb=statistics.median(cached),
        first_us_per_kb=statistics.median(first),
        per_second=statements / spent,
        split=len(pairs) - len({number for number, _ in pairs}),
        merged=len(pairs) - len({found for _, found in pairs}),
        list_ms=list_ms,
        list_bytes=peak,
        worst_seconds=hostile[worst],
        worst_text=worst,
    )


def _seconds(text: str) -> float:
    spent = []
    for _ in range(2):
        start = time.process_time()
        Fingerprinter().of(text)
        spent.append(time.process_time() - start)
    return min(spent)


def _microseconds_per_kb(fingerprinter: Fingerprinter, text: str) -> float:
    start = time.perf_counter()
    fingerprinter.of(text)
    return (time.perf_counter() - start) * 1e6 / (len(text) / 1024)


def _maker(chance: random.Random) -> Callable[[random.Random], str]:
    """Return what makes texts of one template, about 1 KB each, with new literals, lists and layout every time."""
    table, other = chance.sample(_NAMES, 2)
    number = chance.randrange(10**6)
    columns = chance.choices(_COLUMNS, k=12)

    def make(now: random.Random) -> str:
        gap = now.choice(("\n", " ", "\n  "))
        keys = ", ".join(str(now.randrange(10**6)) for _ in range(now.randrange(1, 40)))
        day = f"20{now.randrange(10, 30)}-0{now.randrange(1, 10)}-1{now.randrange(10)}"
        return gap.join(
            (
                f"-- run {now.randrange(10**6)}\n",
                f"SELECT date_trunc('day', a.created_at) AS day, a.c{number} AS label, count(*) AS queries,",
                ", ".join(
                    f"sum(CASE WHEN a.{name} > {now.randrange(99)} THEN 1 ELSE 0 END) AS {name}" for name in columns
                ),
                f"FROM hive.sales.{table} AS a INNER JOIN hive.sales.{other} AS b ON a.custkey = b.custkey",
                f"WHERE a.created_at >= TIMESTAMP '{day} 00:00:00' AND b.region = 'EU {now.randrange(9)}'",
                f"AND a.{columns[0]} IN ({keys}) AND b.{columns[1]} BETWEEN {now.random():.3f} AND {now.random():.3f}",
                f"GROUP BY 1, 2 ORDER BY {columns[2]} DESC LIMIT {now.randrange(1000)}",
            )
        )

    return make


def main() -> None:
    """Print the costs."""
    costs = measure()
    print(f"{'fingerprint, key known':40}{costs.cached_us_per_kb:10.1f} us per KB (median)")
    print(f"{'fingerprint, never seen':40}{costs.first_us_per_kb:10.1f} us per KB (median)")
    print(f"{'workload, few templates, new literals':40}{costs.per_second:10,.0f} statements per second")
    print(f"{'its templates split / merged':40}{costs.split:10} / {costs.merged}")
    print(f"{'list of 10,000 literals':40}{costs.list_ms:10.1f} ms, {costs.list_bytes / 1e6:.1f} MB at most")
    print(f"{'slowest of the hostile texts':40}{costs.worst_seconds:10.2f} s ({costs.worst_text})")


if __name__ == "__main__":
    main()

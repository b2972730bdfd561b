"""What a scrape costs, against ``prometheus_client.generate_latest`` on equal series: ``python -m bench.scrape``."""

from __future__ import annotations

import gc
import gzip
import random
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, disable_created_metrics, generate_latest

from exporter.catalogue import USER_ERRORS
from exporter.expose.text import Exposition


class Cost(NamedTuple):
    """CPU seconds of the same work done several times."""

    best: float
    median: float


class Costs(NamedTuple):
    """What scrapes of equal series cost."""

    reference: Cost
    """``generate_latest``, without ``_created`` series."""
    reference_gzip: Cost
    """``gzip.compress(generate_latest(...))``, as prometheus_client's own servers do it."""
    plain: Cost
    gzip: Cost
    publish: Cost
    """Giving some of the series new values."""
    gzip_after_publish: Cost
    memory_bytes: int
    """Python memory that the exposition holds, after a gzip scrape."""
    plain_bytes: int
    gzip_bytes: int


def measure(series: int = 100_000, changed: float = 0.01, rounds: int = 7) -> Costs:
    """Return the costs for *series* counters with six labels; a publish changes the part *changed* of them."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    counter = Counter(USER_ERRORS.name, USER_ERRORS.help, USER_ERRORS.labels, registry=registry)
    for _, labels, value in _samples(series):
        counter.labels(*labels).inc(value)
    exposition, memory_bytes = _exposition(series)
    chance = random.Random(2)
    labels_of_all = [labels for _, labels, _ in _samples(series)]

    def publish() -> None:
        some = chance.sample(labels_of_all, round(series * changed))
        exposition.counters([(USER_ERRORS.name, labels, chance.randrange(10**6)) for labels in some])

    def scrape_gzip() -> bytes:
        return b"".join(exposition.render_gzip(openmetrics=False))

    def scrape() -> bytes:
        return b"".join(exposition.render(openmetrics=False))

    return Costs(
        reference=_cost(lambda: generate_latest(registry), rounds),
        reference_gzip=_cost(lambda: gzip.compress(generate_latest(registry)), rounds),
        plain=_cost(scrape, rounds),
        gzip=_cost(scrape_gzip, rounds),
        publish=_cost(publish, rounds),
        gzip_after_publish=_cost(scrape_gzip, rounds, before=publish),
        memory_bytes=memory_bytes,
        plain_bytes=len(scrape()),
        gzip_bytes=len(scrape_gzip()),
    )


def _exposition(series: int) -> tuple[Exposition, int]:
    gc.collect()
    tracemalloc.start()
    exposition = Exposition([USER_ERRORS])
    exposition.counters(_samples(series))
    exposition.render_gzip(openmetrics=False)
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return exposition, held


def _samples(series: int) -> Iterator[tuple[str, tuple[str, ...], float]]:
    chance = random.Random(1)
    for number in range(series):
        user, error = divmod(number, 100)
        source = ("superset", "airflow", "jupyter", "dbt")[user % 4]
        labels = ("adhoc", f"user.{user}@example.com", source, "failed", "USER_ERROR", f"CONNECTOR_ERROR_{error}")
        yield USER_ERRORS.name, labels, float(chance.randrange(10 ** chance.randrange(1, 7)))


def _cost(work: Callable[[], object], rounds: int, before: Callable[[], object] = lambda: None) -> Cost:
    spent = []
    for _ in range(rounds):
        before()
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return Cost(min(spent), statistics.median(spent))


def main() -> None:
    """Print the costs as ratios to ``generate_latest``."""
    costs = measure()
    reference = costs.reference
    print(f"generate_latest: best {reference.best * 1e3:.0f} ms of CPU, median {reference.median * 1e3:.0f} ms")
    print(f"{'as a part of that':32}{'best':>10}{'median':>10}")
    for name, cost in (
        ("generate_latest + gzip.compress", costs.reference_gzip),
        ("scrape", costs.plain),
        ("scrape, gzip", costs.gzip),
        ("publishing 1 % of the series", costs.publish),
        ("scrape, gzip, after that", costs.gzip_after_publish),
    ):
        print(f"{name:32}{cost.best / reference.best:10.4f}{cost.median / reference.median:10.4f}")
    print(f"memory {costs.memory_bytes / 1e6:.0f} MB")
    print(f"answer {costs.plain_bytes / 1e6:.1f} MB, gzip {costs.gzip_bytes / 1e6:.2f} MB")


if __name__ == "__main__":
    main()

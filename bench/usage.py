"""What a question about usage costs, against a plain sum over the same rows: ``python -m bench.usage``.

The ledger is as full as it gets: 50,000 fingerprints, of which a day keeps 2,000 rows, an hour 1,000, and the hours of
today are exact. Figures are of CPU time, which is the time of an answer when nobody else works. So are those of pages:
until they begin to be sent, and until all is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sqlite3
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.types import Message

from exporter.account.distribution import bucket, pack
from exporter.account.ledger import Ledger
from exporter.expose import pages
from exporter.report.question import Group, Question
from exporter.report.reader import Reader
from exporter.report.usage import Usage

_HOUR, _DAY = 3600, 86400
_TODAY = 1_790_035_200
_NOW = _TODAY + _DAY - 60.0
_FINGERPRINTS = 50_000
_DAYS = 60
_CELLS_OF_DAY = 2_000
_CELLS_OF_HOUR = 1_000
_CELLS_OF_HOUR_TODAY = 833

QUESTIONS = {
    "30 days, by fingerprint": Question(window=30.0 * _DAY, compare=True, trend=True),
    "7 days": Question(window=7.0 * _DAY, compare=True, trend=True),
    "24 hours": Question(compare=True, trend=True),
    "24 hours, by user": Question(compare=True, trend=True, group_by=Group.USER),
    "24 hours, by table": Question(compare=True, trend=True, group_by=Group.TABLE),
    "24 hours of one user": Question(compare=True, trend=True, users=("user7",)),
    "24 hours, text searched": Question(compare=True, trend=True, search="sales.t17 AS"),
    "30 days of one fingerprint": Question(window=30.0 * _DAY, compare=True, trend=True, fingerprints=(f"{7:016x}",)),
}


PAGES = {
    "overview": ("/queries", b""),
    "overview, 30 days": ("/queries", b"window=30d"),
    "a fingerprint, 30 days": (f"/queries/fingerprint/{7:016x}", b"window=30d"),
    "a user, 30 days": ("/queries/user", b"name=user7&window=30d"),
}


class Cost(NamedTuple):
    """What one question costs, and a plain sum over the rows that it is about."""

    rows: int
    baseline: float
    """CPU seconds, the best of some; the others too."""
    best: float
    median: float
    memory_bytes: int
    """The most Python memory that it took."""


def measure(rounds: int = 7) -> dict[str, Cost]:
    """Return the cost of each of QUESTIONS."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        _fill(path)
        with contextlib.closing(Usage(path)) as usage, contextlib.closing(sqlite3.connect(path)) as db:
            return {name: _cost(usage, db, question, rounds) for name, question in QUESTIONS.items()}


def measure_pages(rounds: int = 7) -> dict[str, tuple[float, float]]:
    """Return the CPU seconds until each of PAGES begins to be sent, and until it is; the best of some rounds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        _fill(path)
        with contextlib.closing(Usage(path)) as usage:
            app = Starlette(routes=pages.routes(lambda question: usage.ask(question, _NOW)))
            return {
                name: min(asyncio.run(_sent(app, *address)) for _ in range(rounds)) for name, address in PAGES.items()
            }


async def _sent(app: Starlette, path: str, query: bytes) -> tuple[float, float]:
    sent: list[float] = []
    requests: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        return requests.pop() if requests else await asyncio.Future()

    async def send(_: Message) -> None:
        sent.append(time.process_time())

    scope = {"type": "http", "method": "GET", "path": path, "query_string": query, "headers": [], "root_path": ""}
    began = time.process_time()
    await app(scope, receive, send)
    return sent[0] - began, sent[-1] - began


def _cost(usage: Usage, db: sqlite3.Connection, question: Question, rounds: int) -> Cost:
    with Reader(db, question, _NOW) as reader:
        spans = reader.spans + reader.spans_before
    sql = "SELECT count(*), sum(cpu_seconds) FROM usage WHERE cluster = ? AND days = ? AND start >= ? AND start < ?"

    def baseline() -> int:
        return sum(count for span in spans for count, _ in db.execute(sql, span))

    spent = _seconds(lambda: usage.ask(question, _NOW), rounds)
    tracemalloc.start()
    usage.ask(question, _NOW)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return Cost(baseline(), min(_seconds(baseline, rounds)), min(spent), statistics.median(spent), peak)


def _seconds(work: Callable[[], object], rounds: int) -> list[float]:
    spent = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return spent


def _fill(path: Path) -> None:
    Ledger(path).close()
    chance = random.Random(11)
    columns = ", ".join(f"sum(CASE WHEN a.col{number} > ? THEN ? ELSE ? END) AS col{number}" for number in range(14))
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO cluster (id, name, url) VALUES (1, 'adhoc', 'http://adhoc')")
        db.executemany(
            "INSERT INTO statement (id, fingerprint, query_type, template, read, written, first_seen) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    number,
                    f"{number:016x}",
                    "SELECT" if number % 5 else "INSERT",
                    f"SELECT date_trunc(?, a.day) AS label{number}, {columns} FROM hive.sales.t{number % 300} AS a "
                    f"JOIN d{number % 50} AS b ON a.key = b.key WHERE a.x IN (?) GROUP BY ?",
                    json.dumps([f"d{number % 50}", f"hive.sales.t{number % 300}"]),
                    "[]",
                    _TODAY - 30.0 * _DAY,
                )
                for number in range(1, _FINGERPRINTS + 1)
            ),
        )
        names = ["", *(f"user{number}" for number in range(800)), *(f'["hive", "s{number}"]' for number in range(5))]
        names += [f"ERROR_{number}" for number in range(40)]
        db.executemany("INSERT INTO usage_name VALUES (?, ?)", enumerate(names, 1))
        errors: list[tuple[int, ...]] = []
        for cells, days, starts in (
            (_CELLS_OF_DAY, 1, range(_TODAY - _DAYS * _DAY, _TODAY, _DAY)),
            (_CELLS_OF_HOUR, 0, range(_TODAY - 7 * _DAY, _TODAY, _HOUR)),
            (_CELLS_OF_HOUR_TODAY, 0, range(_TODAY, _TODAY + _DAY, _HOUR)),
        ):
            for start in starts:
                rows = _rows(cells, days, start, errors, chance)
                db.executemany(f"INSERT INTO usage VALUES ({', '.join('?' * 22)})", rows)
        db.executemany("INSERT INTO usage_error VALUES (?, ?, ?, ?, ?, ?, ?)", errors)


_WEIGHTS = list(accumulate(1 / rank**0.8 for rank in range(1, _FINGERPRINTS + 1)))


def _rows(
    cells: int, days: int, start: int, errors: list[tuple[int, ...]], chance: random.Random
) -> Iterator[tuple[object, ...]]:
    keys: set[tuple[int, ...]] = set()
    while len(keys) < cells:
        (fingerprint,) = chance.choices(range(1, _FINGERPRINTS + 1), cum_weights=_WEIGHTS)
        user = (fingerprint * 7 + int(chance.expovariate(0.5))) % 800
        keys.add((fingerprint, 2 + user, 2 + user % 11, 802 + fingerprint % 5))
    for fingerprint, user, source, place in sorted(keys):
        queries = 1 + int(chance.expovariate(0.5))
        failed = sum(chance.random() < 0.1 for _ in range(queries))
        if failed:
            errors.append((1, days, start, fingerprint, 2 + user, 807 + chance.randrange(40), failed))
        cpu = round(chance.lognormvariate(2, 2), 3)
        counts = [pack({bucket(chance.lognormvariate(mean, 1.5)): 1 for _ in range(queries)}) for mean in (-3.0, 2.0)]
        yield (
            *(1, days, start, fingerprint, user, source, place),
            *(queries - failed, failed, 0, queries // 2, 0),
            *(cpu, 0.0, cpu / 2, float(chance.randrange(10**10)), float(chance.randrange(10**7))),
            *(float(chance.randrange(10**13)), round(chance.random(), 3), round(8.0 * queries * chance.random(), 3)),
            *counts,
        )


def main() -> None:
    """Print the costs."""
    print(f"{'question':30}{'rows':>10}{'ms':>8}{'median':>8}{'x sum':>8}{'MB':>8}")
    for name, cost in measure().items():
        print(
            f"{name:30}{cost.rows:10,}{cost.best * 1e3:8.0f}{cost.median * 1e3:8.0f}{cost.best / cost.baseline:8.1f}"
            f"{cost.memory_bytes / 1e6:8.1f}"
        )
    print(f"{'page':30}{'first ms':>10}{'all ms':>8}")
    for name, (first, everything) in measure_pages().items():
        print(f"{name:30}{first * 1e3:10.0f}{everything * 1e3:8.0f}")


if __name__ == "__main__":
    main()

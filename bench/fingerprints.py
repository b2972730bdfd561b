"""What a fingerprint costs: ``python -m bench.fingerprints``. Statements are made here, from a seed, or are those of
the tests, so that anyone can run it; figures are of CPU time.

Peers, each measured where the environment names it, in the same run on the same texts:

- ``SQLGLOT_PYTHON``: an interpreter that has ``sqlglot[c]``; a filter like ours that parses and generates.
- ``SQLLEXER``: a binary made of ``bench/fingerprint_sqllexer.go``, which says how; its CPU time, without JSON.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from exporter.fingerprint.fingerprint import Fingerprinter
from exporter.fingerprint.words import RESERVED
from tests.hostile_texts import HOSTILE
from tests.sql_variants import with_renamed

_COMMAND = (sys.executable, "-m", "exporter", "fingerprint", "--jsonl")
_SQLGLOT = """
import json, sys
import sqlglot

for line in sys.stdin.buffer:
    try:
        template = sqlglot.parse_one(json.loads(line)["sql"], dialect="trino").sql("trino")
    except (sqlglot.errors.SqlglotError, ValueError):
        template = None
    sys.stdout.buffer.write(json.dumps({"template": template}).encode() + b"\\n")
    sys.stdout.buffer.flush()
"""
_CORPUS = Path(__file__).parent.parent / "tests" / "data" / "sql" / "corpus.jsonl.gz"
_SQLGLOT_TEXTS = 2_000
"""It gets the first of them only: a hundred times as many would take it minutes."""
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

    workload = _workload(statements)
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


class Filtered(NamedTuple):
    """What ``presto-query-exporter fingerprint --jsonl`` takes for some texts, and what peers take for the same."""

    texts: str
    wall_seconds: float
    """Start and first sights included."""
    start_seconds: float
    """Of the clock, for no text at all."""
    cpu_us: float
    """Per text, beyond the start; first sights included."""
    steady_cpu_us: float
    """Per text, once all have been seen."""
    sqlglot_cpu_us: float | None
    """Per text, of a filter that parses and generates by compiled sqlglot; None: not measured."""
    sqllexer_us: float | None
    """Per text, inside of go-sqllexer, with no JSON around it; None: not measured."""


def through_filters(statements: int = 50_000) -> Iterator[Filtered]:
    """Yield what the command takes for a workload of *statements*, and for texts of which no two are alike, and what
    peers take."""
    corpus = [json.loads(line)["sql"] for line in gzip.decompress(_CORPUS.read_bytes()).splitlines()]
    unlike = [with_renamed(text, random.Random(number), RESERVED) for number in range(10) for text in corpus]
    sets = {"few templates, new literals": [text for _, text in _workload(statements)], "no two alike": unlike}
    python, sqllexer = os.environ.get("SQLGLOT_PYTHON"), os.environ.get("SQLLEXER")
    start_wall, start_cpu = _best(_COMMAND, ())
    for name, texts in sets.items():
        more = max(1, statements // len(texts))
        wall, cpu = _best(_COMMAND, texts)
        _, longer_cpu = _best(_COMMAND, [*texts, *texts * more])
        sample = texts[:_SQLGLOT_TEXTS]
        yield Filtered(
            texts=name,
            wall_seconds=wall,
            start_seconds=start_wall,
            cpu_us=(cpu - start_cpu) * 1e6 / len(texts),
            steady_cpu_us=(longer_cpu - cpu) * 1e6 / len(texts) / more,
            sqlglot_cpu_us=_sqlglot_us(python, sample) if python else None,
            sqllexer_us=_sqllexer_us(sqllexer, texts) if sqllexer else None,
        )


def _best(command: Sequence[str], texts: Sequence[str], runs: int = 2) -> tuple[float, float]:
    """Return the fewest wall and CPU seconds that the filter *command* takes for *texts*."""
    walls, cpus = zip(*(_run(command, texts) for _ in range(runs)), strict=True)
    return min(walls), min(cpus)


def _sqlglot_us(python: str, texts: Sequence[str]) -> float:
    command = (python, "-c", _SQLGLOT)
    return (_best(command, texts)[1] - _best(command, ())[1]) * 1e6 / len(texts)


def _run(command: Sequence[str], texts: Sequence[str]) -> tuple[float, float]:
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as answers:
        given.writelines(json.dumps({"sql": text}).encode() + b"\n" for text in texts)
        given.seek(0)
        start = time.perf_counter()
        running = subprocess.Popen(command, stdin=given, stdout=answers, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(running.pid, 0)
        wall = time.perf_counter() - start
        running.returncode = os.waitstatus_to_exitcode(status)
        answers.seek(0)
        answered = sum(1 for _ in answers)
    if running.returncode or answered != len(texts):
        raise SystemExit(f"{command[0]}: exit {running.returncode}, {answered} of {len(texts)} texts answered")
    return wall, usage.ru_utime + usage.ru_stime


def _sqllexer_us(binary: str, texts: Sequence[str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "texts.jsonl.gz")
        path.write_bytes(gzip.compress(b"".join(json.dumps({"sql": text}).encode() + b"\n" for text in texts), 1))
        said = subprocess.run([binary, str(path)], capture_output=True, text=True, check=True).stdout
    rate = re.search(r"^(?:cpu|sum of best)\s+(\d+) statements/s", said, re.MULTILINE)
    if not rate:
        raise SystemExit(f"{binary}: said no statements/s")
    return 1e6 / int(rate[1])


def _workload(statements: int) -> list[tuple[int, str]]:
    """Return statements with the numbers of their templates, of which a few make most."""
    chance = random.Random(7)
    makers = [_maker(random.Random(number)) for number in range(_TEMPLATES)]
    weights = list(accumulate(1 / rank**1.1 for rank in range(1, _TEMPLATES + 1)))
    chosen = chance.choices(range(_TEMPLATES), cum_weights=weights, k=statements)
    return [(number, makers[number](chance)) for number in chosen]


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
    for found in through_filters():
        print(f"as a filter: {found.texts}")
        print(f"{'  wall':40}{found.wall_seconds:10.2f} s, {found.start_seconds:.2f} s of it to start")
        for name, cpu in (("first sights included", found.cpu_us), ("all seen before", found.steady_cpu_us)):
            print(f"{'  ' + name:40}{cpu:10.1f} us of CPU per statement")
            print(f"{'':40}{_ratio(found.sqlglot_cpu_us, cpu)} as fast as sqlglot[c], parse and generate")
            print(f"{'':40}{_ratio(cpu, found.sqllexer_us)} what go-sqllexer takes")


def _ratio(part: float | None, whole: float | None) -> str:
    return f"{part / whole:10.1f} times" if part and whole else "not measured:"


if __name__ == "__main__":
    main()

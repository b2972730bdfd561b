"""Random histories of a cluster, with crashes of the exporter at any statement, against a small model of the truth.

Every query that a committed good list showed ended has been counted once, with its highest amounts; nothing else has;
and no counter was ever seen smaller than before, whatever was killed, restarted, hidden, repeated, cut or locked.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from exporter.account.completeness import LISTS_UNTIL_LOST, PATIENCE
from exporter.account.ledger import Ledger
from exporter.errors import HttpStatusError, NotAListError
from exporter.ingest.coordinator import Answer
from exporter.pipeline import Pipeline, Policy, Statements
from tests.listing import START, answer, info, row

HISTORIES = int(os.environ.get("HISTORIES", "300"))
STEPS = 40
LIMITS = {"user": 4, "source": 2, "error_name": 2, "fingerprint": 2}
USERS = ["alice", "bob", "carol", "dave", "eve", 'o\'neil "x"\n']
SOURCES = ["cli", "superset", "", "jdbc"]
ERRORS = ["USER_CANCELED", "SYNTAX_ERROR", "DIVISION_BY_ZERO", "EXCEEDED_TIME_LIMIT"]


class Shown:
    """What a scrape sees; outlives crashes, so that a counter that falls is noticed."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, tuple[str, ...]], float] = {}
        self.gauges: dict[str, list[tuple[tuple[str, ...], float]]] = {}

    def counters(self, changes: Iterable[tuple[str, tuple[str, ...], float]]) -> None:
        for name, labels, value in changes:
            assert value >= self.values.get((name, labels), 0.0), f"{name}{labels} fell to {value}"
            self.values[name, labels] = value

    def withdraw(self, samples: Iterable[tuple[str, Sequence[str]]]) -> None:
        raise AssertionError("nothing is retired in a day")

    def replace(self, group: str, gauges: Mapping[str, Iterable[tuple[tuple[str, ...], float]]]) -> None:
        self.gauges.update({family: list(samples) for family, samples in gauges.items()})

    def total(self, name: str) -> Counter[tuple[str, ...]]:
        """Return the values of *name* by its labels without the cluster's, where not zero."""
        return Counter(
            {labels[1:]: value for (sample, labels), value in self.values.items() if sample == name and value}
        )


@dataclass
class Running:
    """A query as its coordinator knows it."""

    id: str
    user: str
    source: str
    created: float
    state: str = "QUEUED"
    cpu: float = 0.0
    error: str = ""
    ended: float = 0.0
    sql: str = "SELECT 1"

    def row(self) -> dict[str, Any]:
        more: dict[str, Any] = {"created": self.created, "cpu": self.cpu, "source": self.source or None}
        if self.error:
            more["error"] = self.error
        if self.state in ("FINISHED", "FAILED"):
            more["ended"] = self.ended
        return {**row(self.id, self.state, self.user, **more), "query": self.sql}


@dataclass
class Coordinator:
    """The smallest coordinator that can do what real ones do to a poller."""

    rng: random.Random
    now: float = START
    process: int = 0
    started: float = START - 1000.0
    minted: int = 0
    queries: dict[str, Running] = field(default_factory=dict)

    def act(self) -> None:
        """Let some time pass, in which queries come, run, end, settle, and are forgotten."""
        rng = self.rng
        self.now += rng.choice([1.0, 5.0, 15.0, 15.0, 60.0, 400.0])
        for _ in range(rng.randrange(4)):
            query_id = f"20260921_133320_{self.minted:05d}_p{self.process:04d}"
            self.minted += rng.choice([1, 1, 1, 2])
            sql = f"SELECT c{rng.randrange(5)} FROM t WHERE k = {rng.random()}"
            self.queries[query_id] = Running(query_id, rng.choice(USERS), rng.choice(SOURCES), self.now, sql=sql)
        for query in self.queries.values():
            if query.state in ("QUEUED", "RUNNING") and rng.random() < 0.5:
                query.state, query.cpu = "RUNNING", query.cpu + rng.randrange(300) / 100
                if rng.random() < 0.5:
                    query.state = rng.choice(["FINISHED", "FAILED"])
                    query.error = rng.choice(ERRORS) if query.state == "FAILED" else ""
                    query.ended = self.now
            elif query.ended and rng.random() < 0.1:
                query.cpu = max(0.0, query.cpu + rng.choice([-1.0, 0.37]))  # settles, or takes something back
        for query_id in [query.id for query in self.queries.values() if query.ended and query.ended < self.now - 900]:
            del self.queries[query_id]
        if rng.random() < 0.04:
            self.process, self.minted, self.queries, self.started = self.process + 1, 0, {}, self.now
            self.now += 1.0

    def answer(self) -> Answer:
        """Return the whole list, or sometimes half of it, or some rows twice."""
        rows = [query.row() for query in self.queries.values()]
        self.rng.shuffle(rows)
        chance = self.rng.random()
        if chance < 0.05:
            rows = rows[: len(rows) // 2]
        elif chance < 0.1:
            rows += rows[:3]
        return answer(*rows, information=info(uptime=self.now - self.started), clock=self.now)

    def whole_answer(self) -> Answer:
        rows = [query.row() for query in self.queries.values()]
        return answer(*rows, information=info(uptime=self.now - self.started), clock=self.now)


class Model:
    """What must have been counted, from what was listed and what of that was committed."""

    def __init__(self) -> None:
        self.pending: list[tuple[dict[str, dict[str, Any]], float, int]] = []
        self.known: dict[str, dict[str, Any]] = {}
        self.lost: set[str] = set()
        self.lists = 0

    def committed(self) -> None:
        """Take what is pending for counted. Of lists that were committed together, the last word on a query counts."""
        for rows, now, _ in self.pending:
            self.lists += 1
            for query_id, listed in rows.items():
                known = self.known.setdefault(query_id, {"end": "", "cpu": 0.0})
                known.update(at=now, lists=self.lists, row=listed)
        for listed_now in {query_id for rows, _, _ in self.pending for query_id in rows}:
            known = self.known[listed_now]
            listed = known["row"]
            known["owner"] = (listed["session"]["user"], listed["session"].get("source") or "")
            known["cpu"] = max(known["cpu"], float(listed["queryStats"]["totalCpuTime"][:-1]))
            if not known["end"] and listed["state"] in ("FINISHED", "FAILED"):
                known["error"] = listed.get("errorCode", {}).get("name", "")
                known["end"] = {"": "finished", "USER_CANCELED": "canceled"}.get(known["error"], "failed")
        rows, now, process = self.pending[-1]
        for query_id in self.known.keys() - rows.keys() - self.lost:
            known = self.known[query_id]
            gone = now - known["at"] >= PATIENCE and self.lists - known["lists"] >= LISTS_UNTIL_LOST
            if not known["end"] and (gone or not query_id.endswith(f"p{process:04d}")):
                self.lost.add(query_id)
        self.pending.clear()


def run_history(seed: int, folder: Path) -> None:
    rng = random.Random(seed)
    start_at = START + rng.choice([0.0, 9.0, 10.0]) * 3600.0  # the end of the UTC day is near, or not
    coordinator, model, shown = Coordinator(rng, start_at, started=start_at - 1000.0), Model(), Shown()
    limits = LIMITS if seed % 2 else dict.fromkeys(LIMITS, 100)
    policy = Policy({"USER_CANCELED"}, limits, rng.choice([0.0, 30.0]))
    path = folder / "0.sqlite"

    def start() -> tuple[Ledger, Pipeline]:
        ledger = Ledger(path)
        return ledger, Pipeline(
            "test", "http://test", 15.0, policy, ledger, shown, Statements(shown, 100), coordinator.now
        )

    ledger, pipeline = start()
    for step in range(STEPS):
        coordinator.act()
        fate = rng.random()
        if fate < 0.05:
            pipeline.failed(HttpStatusError("500"), 0.1, coordinator.now)
            continue
        whole = coordinator.answer()
        if fate < 0.08:
            with pytest.raises(NotAListError):
                pipeline.polled(Answer(whole.query_list[:-1], whole.info, 0.0, None), coordinator.now)
            continue
        model.pending.append((listed_in(whole), coordinator.now, coordinator.process))
        if fate < 0.15:  # the disk is full
            pages = ledger._db.execute("PRAGMA page_count").fetchone()[0]
            ledger._db.execute(f"PRAGMA max_page_count = {pages}")
            done = pipeline.polled(whole, coordinator.now)
            ledger._db.execute("PRAGMA max_page_count = 1000000000")
            if done.ledger_error is None:
                model.committed()
        elif fate < 0.25:  # killed between two statements: what came after them never happened
            before = dict(shown.values)
            killed = folder / f"{step + 1}.sqlite"
            photograph(ledger, path, killed, rng.randrange(25))
            assert pipeline.polled(whole, coordinator.now).ledger_error is None
            ledger.close()
            if killed.exists():
                shown.values = before
                model.pending.clear()
                path = killed
            else:  # it had fewer statements than that
                model.committed()
            ledger, pipeline = start()
        else:
            assert pipeline.polled(whole, coordinator.now).ledger_error is None
            model.committed()
            if fate < 0.35:  # killed between two polls
                ledger.close()
                ledger, pipeline = start()
    coordinator.now += 60.0
    whole = coordinator.whole_answer()
    model.pending.append((listed_in(whole), coordinator.now, coordinator.process))
    for _ in range(2):  # a second time, after the delay of the youngest series
        assert pipeline.polled(whole, coordinator.now).ledger_error is None
        coordinator.now += 60.0
    model.committed()
    check(model, shown, limits)
    check_usage(path, shown)
    ledger.close()


def listed_in(whole: Answer) -> dict[str, dict[str, Any]]:
    return {listed["queryId"]: listed for listed in json.loads(bytes(whole.query_list))}


def photograph(ledger: Ledger, path: Path, to: Path, statement: int) -> None:
    """Copy the ledger's files as they are before the next transaction's *statement*: what a kill would leave."""
    left = statement

    def before_statement(_: str) -> None:
        nonlocal left
        if left == 0:
            for part in ("", "-wal"):
                if os.path.exists(f"{path}{part}"):
                    shutil.copy(f"{path}{part}", f"{to}{part}")
        left -= 1

    ledger._db.set_trace_callback(before_statement)


def check(model: Model, shown: Shown, limits: Mapping[str, int]) -> None:
    """Hold what is shown against the model: per owner where no label is full, in sum always."""
    ends: Counter[tuple[str, ...]] = Counter()
    errors: Counter[tuple[str, ...]] = Counter()
    lost: Counter[tuple[str, ...]] = Counter()
    cpu: Counter[tuple[str, ...]] = Counter()
    vain: Counter[tuple[str, ...]] = Counter()
    for query_id, known in model.known.items():
        if known["end"]:
            ends[*known["owner"], known["end"]] += 1
        if known["end"] in ("failed", "canceled"):
            errors[*known["owner"], known["end"], "USER_ERROR", known["error"]] += 1
            vain[known["owner"]] += known["cpu"]
        if query_id in model.lost:
            lost[known["owner"]] += 1
        cpu[known["owner"]] += known["cpu"]
    for name, truth in (
        ("presto_user_queries_total", ends),
        ("presto_user_query_errors_total", errors),
        ("presto_user_queries_lost_total", lost),
        ("presto_user_query_cpu_seconds_total", cpu),
        ("presto_user_query_failed_cpu_seconds_total", vain),
    ):
        counted = shown.total(name)
        assert round(sum(counted.values()), 6) == round(sum(truth.values()), 6), name
        if limits["user"] == 100:
            assert {key: round(value, 6) for key, value in counted.items()} == {
                key: round(value, 6) for key, value in truth.items() if value
            }, name
        else:
            assert len({labels[0] for labels in counted}) <= limits["user"] + 1
            assert len({labels[1] for labels in counted}) <= limits["source"] + 2
    per_outcome: Counter[str] = Counter()
    for labels, value in shown.total("presto_fingerprint_queries_total").items():
        per_outcome[labels[1]] += int(value)
    assert per_outcome == Counter(
        {outcome: sum(n for key, n in ends.items() if key[2] == outcome) for outcome in {key[2] for key in ends}}
    )
    patterns = {labels[0] for labels in shown.total("presto_fingerprint_cpu_seconds_total")}
    assert len(patterns) <= limits["fingerprint"] + 1
    counts = shown.total("presto_query_duration_seconds_count")
    assert counts == Counter(
        {(outcome,): sum(n for key, n in ends.items() if key[2] == outcome) for outcome in {key[2] for key in ends}}
    )


def check_usage(path: Path, shown: Shown) -> None:
    """Hold the hours of usage, and the days that were added up, against the counters of the users."""
    db = sqlite3.connect(path)
    for start, finished, cpu in db.execute(
        "SELECT start, sum(finished), sum(cpu_seconds) FROM usage WHERE days GROUP BY 1"
    ):
        hours = db.execute(
            "SELECT sum(finished), sum(cpu_seconds) FROM usage WHERE NOT days AND start >= ? AND start < ?",
            (start, start + 86400),
        ).fetchone()
        assert (finished, round(cpu, 6)) == (hours[0], round(hours[1], 6))
    used = db.execute(
        "SELECT user.name, source.name, sum(finished), sum(failed), sum(canceled), sum(cpu_seconds), "
        "sum(failed_cpu_seconds), sum(folded) FROM usage JOIN usage_name AS user ON user.id = user "
        "JOIN usage_name AS source ON source.id = source WHERE NOT days GROUP BY 1, 2"
    ).fetchall()
    for outcome, column in (("finished", 2), ("failed", 3), ("canceled", 4)):
        counted = {key[:2]: n for key, n in shown.total("presto_user_queries_total").items() if key[2] == outcome}
        assert {row[:2]: row[column] for row in used if row[column]} == counted
    for name, column in (("cpu_seconds", 5), ("failed_cpu_seconds", 6)):
        counted = {key: round(n, 6) for key, n in shown.total(f"presto_user_query_{name}_total").items()}
        assert {row[:2]: round(row[column], 6) for row in used if row[column]} == counted
    assert sum(row[7] for row in used) == 0
    errors = dict(
        db.execute("SELECT name, sum(queries) FROM usage_error JOIN usage_name ON id = error WHERE NOT days GROUP BY 1")
    )
    named: Counter[str] = Counter()
    for key, n in shown.total("presto_user_query_errors_total").items():
        named[key[4]] += int(n)
    assert errors == named
    db.close()


@pytest.fixture(scope="module")
def memory_folder() -> Iterator[Path]:
    """A folder in memory where there is one: thousands of commits wait for no disk."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        yield Path(folder)


@pytest.mark.parametrize("batch", range(10))
def test_every_history_ends_with_the_truth(batch: int, memory_folder: Path) -> None:
    for seed in range(batch, HISTORIES, 10):
        folder = memory_folder / str(seed)
        folder.mkdir()
        run_history(seed, folder)
        shutil.rmtree(folder)

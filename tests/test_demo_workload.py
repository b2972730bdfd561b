"""The workload of the demo is lively, the same for the same seed, and the coordinator knows what became of it."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from typing import Any

import pytest

from exporter.demo.coordinator import CANCELED, Coordinator
from exporter.demo.workload import Workload

NOON = 1795435200.0
"""2026-11-23 12:00:00 UTC."""


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def rows(coordinator: Coordinator) -> list[dict[str, Any]]:
    return list(json.loads(coordinator.query_list()))


def after(seconds: float, *, version: str = "483", seed: int = 0, step: float = 1e9) -> Coordinator:
    """Return the coordinator of a workload that has been advanced for some time, in steps of *step* seconds."""
    clock = Clock()
    coordinator = Coordinator(version, now=clock)
    workload = Workload(coordinator, seed)
    while clock.now < NOON + seconds:
        clock.now = min(clock.now + step, NOON + seconds)
        workload.advance()
    return coordinator


@pytest.fixture(scope="module")
def polls() -> list[list[dict[str, Any]]]:
    """The lists of 18 minutes, one every 15 seconds; a restart is among them."""
    clock = Clock()
    coordinator = Coordinator(now=clock)
    workload = Workload(coordinator)
    lists = [rows(coordinator)]
    while clock.now < NOON + 1080:
        clock.now += 15
        workload.advance()
        lists.append(rows(coordinator))
    return lists


@pytest.fixture(scope="module")
def queries(polls: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Every query of those lists as it was last seen."""
    return list({row["queryId"]: row for poll in polls for row in poll}.values())


def test_the_same_seed_and_clock_make_the_same_history() -> None:
    one, same, other = after(700), after(700), after(700, seed=1)
    assert one.query_list() == same.query_list()
    assert one.truth() == same.truth()
    assert one.truth() != other.truth()


def test_the_history_does_not_depend_on_how_often_it_is_advanced() -> None:
    """Restarts included: one great leap and many small steps lead to the same list and the same truth."""
    leap, steps = after(1300), after(1300, step=3.7)
    assert leap.query_list() == steps.query_list()
    assert leap.truth() == steps.truth()


def test_advance_says_how_many_queries_were_submitted() -> None:
    clock = Clock()
    coordinator = Coordinator(now=clock)
    workload = Workload(coordinator)
    before = {row["queryId"] for row in rows(coordinator)}
    assert workload.advance() == 0
    clock.now += 60
    submitted = workload.advance()
    assert submitted == len({row["queryId"] for row in rows(coordinator)} - before) > 30


def test_ten_minutes_of_history_are_there_from_the_beginning() -> None:
    coordinator = after(0)
    created = sorted(row["queryStats"]["createTime"] for row in rows(coordinator))
    assert len(created) > 500
    assert "2026-11-23T11:50:00" <= created[0] < "2026-11-23T11:50:10"
    assert "2026-11-23T11:59:50" < created[-1] <= "2026-11-23T12:00:00.000000999Z"
    assert json.loads(coordinator.info())["uptime"] == "10.08m"


def test_one_to_two_queries_per_second() -> None:
    truth = after(3600).truth()
    ended = sum(sum(tally.outcomes.values()) for tally in truth.values())
    assert 1.0 < ended / 4200 < 2.0


def test_there_is_something_of_everything(queries: list[dict[str, Any]]) -> None:
    """Eight users, their sources, all kinds of errors and statements."""
    assert len({row["session"]["user"] for row in queries}) == 8
    assert 'o\'neil "the" <b>' in {row["session"]["user"] for row in queries}
    sources = {row["session"]["source"] for row in queries}
    assert sources == {"superset", "metabase", "trino-cli", "dbt", "airflow", "jdbc"}
    types = {row["errorCode"]["type"] for row in queries if "errorCode" in row}
    assert types == {"USER_ERROR", "INTERNAL_ERROR", "INSUFFICIENT_RESOURCES", "EXTERNAL"}
    names = {row["errorCode"]["name"] for row in queries if "errorCode" in row}
    assert names > {"USER_CANCELED", "SYNTAX_ERROR", "TABLE_NOT_FOUND", "COLUMN_NOT_FOUND", "NO_NODES_AVAILABLE"}
    assert {row.get("queryType") for row in queries} > {"SELECT", "INSERT", "DELETE", "DATA_DEFINITION", "DESCRIBE"}
    executed = [row for row in queries if "preparedQuery" in row]
    assert len({row["preparedQuery"] for row in executed}) == 2
    assert all(template(row["query"]).startswith("execute statement") for row in executed)


def test_something_happens_at_every_moment(polls: list[list[dict[str, Any]]]) -> None:
    """Most lists show queries at work, some show queues, and long queries are seen growing over several lists."""
    states = [Counter(row["state"] for row in poll) for poll in polls]
    assert sum(counts["RUNNING"] > 1 for counts in states) > 0.8 * len(polls)
    assert sum(counts["QUEUED"] > 0 for counts in states) > 5
    assert max(counts["QUEUED"] for counts in states) > 2
    seen = Counter(row["queryId"] for poll in polls for row in poll if row["state"] == "RUNNING")
    assert sum(times >= 4 for times in seen.values()) > 5


def test_the_administrator_kills_runaways(queries: list[dict[str, Any]]) -> None:
    """Each CALL of kill_query names a query that was killed."""
    killed = {row["queryId"] for row in queries if row.get("errorCode", {}).get("name") == "ADMINISTRATIVELY_KILLED"}
    calls = [row for row in queries if "kill_query" in row["query"]]
    assert {re.findall(r"'(\w+)'", row["query"])[0] for row in calls} == killed
    assert {row["session"]["user"] for row in calls} == {"admin"}
    assert killed


def template(sql: str) -> str:
    """Return what is left of a text without its comments, literals, layout and case: a rough pattern of usage."""
    sql = re.sub(r"/\*.*?\*/|--[^\n]*", " ", sql, flags=re.DOTALL)
    sql = re.sub(r"'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b", "?", sql)
    sql = re.sub(r"\?(?:\s*,\s*\?)+", "?", sql)
    return re.sub(r"\s+", " ", sql).strip().lower()


def test_few_templates_recur_in_many_texts(queries: list[dict[str, Any]]) -> None:
    texts = {row["query"] for row in queries}
    templates = Counter(template(row["query"]) for row in queries)
    assert len(texts) > 700
    assert 50 < len(templates) < 100
    commonest = [count for _, count in templates.most_common()]
    assert sum(commonest[:10]) > 0.3 * sum(commonest)
    assert commonest[-10] < 10 < commonest[0] / 3
    assert not any("$" in text for text in texts), "every literal has been filled in"


def test_it_restarts_every_ten_minutes_for_five_seconds() -> None:
    clock = Clock()
    coordinator = Coordinator(now=clock)
    workload = Workload(coordinator)
    states = []
    for second in (0, 599, 600, 604, 605, 1199, 1200, 1204, 1206):
        clock.now = NOON + second
        workload.advance()
        states.append((coordinator.id_suffix, coordinator.starting))
    suffixes = list(dict.fromkeys(suffix for suffix, _ in states))
    assert [(suffixes.index(suffix), starting) for suffix, starting in states] == [
        *((0, False), (0, False), (1, True), (1, True), (1, False)),
        *((1, False), (2, True), (2, True), (2, False)),
    ]


@pytest.mark.parametrize("version", ["338", "435", "483", "0.296"])
def test_the_truth_adds_up(version: str) -> None:
    """What ended, by user, source and error, and the rows it read, are what the lists of the process said."""
    clock = Clock()
    coordinator = Coordinator(version, now=clock)
    workload = Workload(coordinator)
    listed = {row["queryId"]: row for row in rows(coordinator)}
    clock.now += 595
    workload.advance()
    listed |= {row["queryId"]: row for row in rows(coordinator)}
    outcomes: Counter[tuple[str, str, str]] = Counter()
    errors: Counter[tuple[str, str, str, str]] = Counter()
    rows_read: Counter[tuple[str, str]] = Counter()
    for row in listed.values():
        who = row["session"]["user"], row["session"]["source"]
        if row["state"] not in ("FINISHED", "FAILED"):
            continue
        name = row.get("errorCode", {}).get("name", "")
        outcomes[(*who, "canceled" if name in CANCELED else "failed" if name else "finished")] += 1
        if name:
            errors[(*who, row["errorType"], name)] += 1
        stats = row["queryStats"]
        rows_read[who] += stats.get("rawInputPositions", stats.get("processedInputPositions"))
    truth = coordinator.truth()
    assert outcomes == Counter({(*who, key): n for who, tally in truth.items() for key, n in tally.outcomes.items()})
    assert errors == Counter({(*who, *key): n for who, tally in truth.items() for key, n in tally.errors.items()})
    assert rows_read == Counter({who: tally.input_rows for who, tally in truth.items()})
    assert sum(outcomes.values()) > 1000


def test_it_runs_by_itself_in_real_time() -> None:
    coordinator = Coordinator()
    workload = Workload(coordinator, history=30)
    before = len(rows(coordinator))
    stop = threading.Event()
    thread = threading.Thread(target=workload.run, args=(stop,))
    thread.start()
    deadline = time.monotonic() + 20
    while len(rows(coordinator)) == before and time.monotonic() < deadline:
        stop.wait(0.05)
    stop.set()
    thread.join(5)
    assert len(rows(coordinator)) > before
    assert not thread.is_alive()

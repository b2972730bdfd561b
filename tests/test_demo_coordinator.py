"""The coordinator of the demo and of the tests behaves like the recorded ones."""

from __future__ import annotations

import functools
import gzip
import json
import math
import re
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from exporter.demo.coordinator import (
    ERRORS,
    Coordinator,
    ErrorCode,
    Fault,
    Plan,
    Request,
    Server,
    Usage,
    cut_at,
    format_duration,
    format_succinct_size,
    half_of_the_rows,
    serve,
)

DATA = Path(__file__).parent / "data"
ENGINES = ("prestosql-338", "prestosql-350", "trino-435", "trino-476", "trino-483", "prestodb-0.296")
NOON = 1795435200.0
"""2026-11-23 12:00:00 UTC."""
MONITOR = {"authorization": "Basic bW9uaXRvcjo="}
"""The headers of ``monitor`` without a password."""


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def coordinator(clock: Clock) -> Coordinator:
    return Coordinator(now=clock)


@pytest.fixture
def server(coordinator: Coordinator) -> Iterator[Server]:
    with serve(coordinator) as server:
        yield server


def rows(coordinator: Coordinator, viewer: str = "") -> dict[str, dict[str, Any]]:
    """Return the list by query id."""
    return {row["queryId"]: row for row in json.loads(coordinator.query_list(viewer))}


def poll(server: Server, **options: Any) -> requests.Response:
    return requests.get(f"{server.url}/v1/query", auth=("monitor", ""), timeout=10, allow_redirects=False, **options)


# Like the recorded servers.


@functools.cache
def recorded(engine: str) -> list[dict[str, Any]]:
    return [
        row
        for name in ("poll1", "poll2")
        for row in json.loads(gzip.decompress((DATA / engine / f"{name}.json.gz").read_bytes()))
    ]


def state_class(row: dict[str, Any]) -> str:
    """Return the class of rows within which the keys of rows are alike."""
    if row["state"] != "FAILED":
        return str(row["state"])
    if "resourceGroupId" not in row:
        return "FAILED before dispatch"
    canceled = "canceled" if row["errorCode"]["name"] == "USER_CANCELED" else "failed"
    return f"FAILED, {canceled} {'at work' if row['scheduled'] else 'before its work'}"


MAPS = ("systemProperties", "catalogProperties", "preparedStatements", "resourceEstimates")


def structure(value: Any) -> Any:
    """Return the keys of an object in their order, recursively; of maps and lists only that they are such."""
    if not isinstance(value, dict):
        return type(value).__name__
    return tuple((key, "map" if key in MAPS else structure(inner)) for key, inner in value.items())


PATTERNS = {
    "query id": r"\d{8}_\d{6}_\d{5}_[a-km-np-z2-9]{5}",
    "uri": r"http://coordinator\.example:8080/v1/query/\d{8}_\d{6}_\d{5}_[a-z2-9]{5}",
    "uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "milliseconds": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
    "nanoseconds": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z",
    "duration": r"\d+\.\d\d(ns|us|ms|s|m|h|d)",
    "bytes": r"\d+B",
    "succinct size": r"(\d+|\d+\.\d\d)(kB|MB|GB|TB|PB)",
    "hash": r"[1-9a-f][0-9a-f]{7,15}",
}


def patterns(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield for every value inside *value* its path and how it is spelled."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in MAPS:
                yield from patterns(inner, f"{path}.{key}")
    elif isinstance(value, str):
        yield path, next((name for name, pattern in PATTERNS.items() if re.fullmatch(pattern, value)), "text")
    else:
        yield path, type(value).__name__


def fake_rows(version: str) -> list[dict[str, Any]]:
    """Return rows of all classes, as the recorded workloads made them."""
    clock = Clock(NOON + 0.123)
    coordinator = Coordinator(version, now=clock)
    usage = Usage(cpu_seconds=70.5, input_bytes=3 << 29, input_rows=12, memory_byte_seconds=1e9, peak_bytes=1 << 21)
    work = Plan(queued=0.01, planning=0.2, starting=0.1, running=3.0, finishing=0.1, usage=usage)
    prepared = {"stmt1": "SELECT name FROM tpch.tiny.nation WHERE nationkey = ? AND regionkey < ?"}
    for sql, plan in (
        ("SELECT * FROM tpch.sf1.orders", work),
        ("EXECUTE stmt1 USING 4, 5", work),
        ("CREATE TABLE memory.default.t_a AS SELECT * FROM tpch.tiny.nation", work),
        ("INSERT INTO memory.default.t_a (nationkey, name) VALUES (100, 'Narnia')", work),
        ("CALL system.runtime.kill_query(query_id => 'x', message => 'too big')", work),
        ("SHOW TABLES FROM tpch.tiny", work),
        ("-- report\nSELECT 1", work),
        ("SELECT * FROM tpch.sf1.orders", replace(work, running=math.inf)),
        ("SELECT * FROM tpch.sf1.orders", Plan(queued=math.inf)),
        ("SELECT sum(quantity) FROM tpch.sf1000.lineitem", replace(work, error="USER_CANCELED")),
        ("SELECT sum(quantity) FROM tpch.sf1000.lineitem", replace(work, error="ADMINISTRATIVELY_KILLED")),
        ("SELECT sum(quantity) FROM tpch.sf1000.lineitem", replace(work, error="EXCEEDED_TIME_LIMIT")),
        ("SELECT nope FROM tpch.tiny.nation", Plan(queued=0.02, error="COLUMN_NOT_FOUND")),
        ("SELECT 1", Plan(error="INVALID_SESSION_PROPERTY")),
        ("EXECUTE stmt1 USING 4", Plan(error="INVALID_PARAMETER_USAGE")),
    ):
        coordinator.submit("alice", "superset", sql, plan, prepared=prepared)
    if version not in ("435", "0.296"):  # those were recorded without resource groups, so nothing ended in the queue
        coordinator.submit("bob", "dbt", "SELECT 2", Plan(queued=2, ends_in="QUEUED", error="USER_CANCELED"))
        coordinator.submit("bob", "dbt", "SELECT 3", Plan(queued=0.004, error="QUERY_QUEUE_FULL"))
    clock.now += 60.25
    return list(rows(coordinator).values())


@pytest.mark.parametrize("engine", ENGINES)
def test_rows_have_the_keys_of_recorded_rows(engine: str) -> None:
    """In every class of states, rows have the same keys in the same order as rows of the real server."""
    real: dict[str, set[Any]] = {}
    for row in recorded(engine):
        real.setdefault(state_class(row), set()).add(structure(row))
    fake = [(state_class(row), row) for row in fake_rows(engine.partition("-")[2])]
    assert {name for name, _ in fake} == set(real)
    for name, row in fake:
        assert structure(row) in real[name], (name, row)


@pytest.mark.parametrize("engine", ENGINES)
def test_values_are_spelled_like_recorded_ones(engine: str) -> None:
    """Ids, times, durations, sizes and numbers have the spellings that the real server uses at the same place."""
    real: dict[str, set[str]] = {}
    for row in recorded(engine):
        for path, name in patterns(row):
            real.setdefault(path, set()).add(name)
    if "succinct size" in set().union(*real.values()):
        for names in real.values():
            # Every size is now and then a round number of bytes, or not, whether that was recorded or not.
            if "bytes" in names or "succinct size" in names:
                names.update(("bytes", "succinct size"))
    for row in fake_rows(engine.partition("-")[2]):
        for path, name in patterns(row):
            assert name in real[path], (path, name, row)


@pytest.mark.parametrize("engine", ENGINES)
def test_error_codes_are_the_recorded_ones(engine: str) -> None:
    """Every error that was recorded and that is known here has the same number, type and flags."""
    real = {row["errorCode"]["name"]: row["errorCode"] for row in recorded(engine) if "errorCode" in row}
    coordinator = Coordinator(engine.partition("-")[2], now=Clock())
    for name in real.keys() & ERRORS.keys():
        row = rows(coordinator).get(coordinator.submit("alice", plan=Plan(running=0, error=name)))
        assert row is None
    codes = {row["errorCode"]["name"]: row["errorCode"] for row in rows(coordinator).values()}
    assert codes == {name: real[name] for name in real.keys() & ERRORS.keys()}
    assert len(codes) > 8


def test_prestodb_calls_all_that_the_analysis_finds_a_syntax_error(clock: Clock) -> None:
    coordinator = Coordinator("0.296", now=clock)
    coordinator.submit("alice", plan=Plan(error="TABLE_NOT_FOUND"))
    (row,) = rows(coordinator).values()
    assert row["errorCode"]["name"] == "SYNTAX_ERROR"
    assert row["failureInfo"]["errorLocation"] == {"lineNumber": 1, "columnNumber": 8}
    assert coordinator.truth()["alice", ""].errors == {("USER_ERROR", "SYNTAX_ERROR"): 1}


@pytest.mark.parametrize(
    ("version", "has", "has_not"),
    [
        ("339", ["rawInputDataSize"], ["failedCpuTime", "blockedDrivers"]),
        ("373", ["rawInputDataSize", "failedCpuTime"], ["failedTasks"]),
        ("479", ["processedInputPositions", "resourceWaitingTime"], ["rawInputDataSize", "rawInputPositions"]),
        ("0.260", ["rawInputDataSize"], ["endTime", "analysisTime", "totalSplits", "physicalInputDataSize"]),
    ],
)
def test_releases_in_between_have_the_figures_of_their_time(version: str, has: list[str], has_not: list[str]) -> None:
    coordinator = Coordinator(version, now=Clock())
    coordinator.submit("alice")
    (row,) = rows(coordinator).values()
    assert set(has) <= set(row["queryStats"])
    assert not set(has_not) & set(row["queryStats"])


@pytest.mark.parametrize(
    ("version", "key", "text"),
    [
        ("338", "physicalInputDataSize", "1610612736B"),
        ("483", "physicalInputDataSize", "1610612736B"),
        ("0.296", "rawInputDataSize", "1.50GB"),
    ],
)
def test_sizes_are_exact_or_succinct(version: str, key: str, text: str) -> None:
    coordinator = Coordinator(version, now=Clock())
    coordinator.submit("alice", plan=Plan(running=0, usage=Usage(input_bytes=3 << 29)))
    (row,) = rows(coordinator).values()
    assert row["queryStats"][key] == text


def test_the_update_type_is_known_after_the_analysis(coordinator: Coordinator, clock: Clock) -> None:
    sql = "INSERT INTO t VALUES 1"
    wrong = coordinator.submit("alice", "", sql, Plan(queued=1, error="TABLE_NOT_FOUND"))
    right = coordinator.submit("alice", "", sql, Plan(queued=1, planning=1, running=0))
    assert "updateType" not in rows(coordinator)[right]
    clock.now += 1
    assert rows(coordinator)[right]["updateType"] == "INSERT"
    clock.now += 100
    assert rows(coordinator)[right]["updateType"] == "INSERT"
    assert "updateType" not in rows(coordinator)[wrong]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.00ns"),
        (1e-9, "1.00ns"),
        (0.00000099991, "1.00us"),
        (0.0000009998, "999.80ns"),
        (0.000412, "412.00us"),
        (0.36346, "363.46ms"),
        (0.99995, "1.00s"),
        (1.125, "1.13s"),
        (59.99, "59.99s"),
        (68.4, "1.14m"),
        (3600, "1.00h"),
        (88992, "1.03d"),
        (86400 * 400, "400.00d"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (1023, "1023B"),
        (1024, "1kB"),
        (1536 << 20, "1.50GB"),
        (5 << 20, "5MB"),
        (5 * 1024 + 1, "5.00kB"),
        ((1 << 20) - 1, "1024.00kB"),
        (2048 << 50, "2048PB"),
    ],
)
def test_succinct_sizes(size: int, text: str) -> None:
    assert format_succinct_size(size) == text


def test_info_of_each_engine(clock: Clock) -> None:
    old = {"nodeVersion": {"version": "435"}, "environment": "prod", "coordinator": True}
    for version in ("350", "435", "476", "0.296"):
        coordinator = Coordinator(version, now=clock, environment="prod")
        coordinator.starting = True
        clock.now += 90
        expected = {**old, "nodeVersion": {"version": version}, "starting": True, "uptime": "1.50m"}
        assert json.loads(coordinator.info()) == expected
    coordinator = Coordinator("483", now=clock)
    info = json.loads(coordinator.info())
    assert list(info) == [
        *("nodeId", "state", "nodeVersion", "environment", "coordinator", "coordinatorId", "starting", "uptime")
    ]
    assert info["coordinatorId"] == coordinator.id_suffix == coordinator.submit("alice")[-5:]


# What queries do.


def test_a_plan_is_followed(coordinator: Coordinator, clock: Clock) -> None:
    """A query goes through its phases by the clock, its figures grow while it runs, and the late ones come last."""
    usage = Usage(cpu_seconds=8.0, input_bytes=800, input_rows=80, memory_byte_seconds=400.0, peak_bytes=80)
    plan = Plan(
        queued=2, planning=1, starting=1, blocked=4, running=10, finishing=1, usage=usage, late=Usage(cpu_seconds=2.0)
    )
    query_id = coordinator.submit("alice", "cli", "SELECT 1", plan)
    seen = []
    for second in (0, 1.9, 2, 3, 4, 8, 13, 18, 19, 19.19, 19.2, 1000):
        clock.now = NOON + second
        row = rows(coordinator)[query_id]
        stats = row["queryStats"]
        seen.append(
            (
                row["state"] + ("*" if stats["fullyBlocked"] else ""),
                stats["queuedTime"],
                stats["elapsedTime"],
                stats["executionTime"],
                stats["totalCpuTime"],
                stats["physicalInputDataSize"],
                stats["processedInputPositions"],
                stats["cumulativeUserMemory"],
                stats["userMemoryReservation"],
            )
        )
    assert seen == [
        ("QUEUED", "0.00s", "0.00s", "0.00s", "0.00s", "0B", 0, 0.0, "0B"),
        ("QUEUED", "1.90s", "1.90s", "0.00s", "0.00s", "0B", 0, 0.0, "0B"),
        ("PLANNING", "2.00s", "2.00s", "0.00s", "0.00s", "0B", 0, 0.0, "0B"),
        ("STARTING", "2.00s", "3.00s", "1.00s", "0.00s", "0B", 0, 0.0, "0B"),
        ("RUNNING*", "2.00s", "4.00s", "2.00s", "0.00s", "0B", 0, 0.0, "0B"),
        ("RUNNING", "2.00s", "8.00s", "6.00s", "0.00s", "0B", 0, 0.0, "0B"),
        ("RUNNING", "2.00s", "13.00s", "11.00s", "3.00s", "400B", 40, 100_000.0, "40B"),
        ("FINISHING", "2.00s", "18.00s", "16.00s", "6.00s", "800B", 80, 400_000.0, "80B"),
        ("FINISHED*", "2.00s", "19.00s", "17.00s", "6.00s", "800B", 80, 400_000.0, "0B"),
        ("FINISHED*", "2.00s", "19.00s", "17.00s", "6.00s", "800B", 80, 400_000.0, "0B"),
        ("FINISHED*", "2.00s", "19.00s", "17.00s", "8.00s", "800B", 80, 400_000.0, "0B"),
        ("FINISHED*", "2.00s", "19.00s", "17.00s", "8.00s", "800B", 80, 400_000.0, "0B"),
    ]
    tally = coordinator.truth()["alice", "cli"]
    assert tally.outcomes == {"finished": 1}
    assert (tally.cpu_seconds, tally.failed_cpu_seconds, tally.input_bytes, tally.input_rows) == (8.0, 0.0, 800, 80)
    assert (tally.memory_byte_seconds, tally.queued_seconds, tally.elapsed_seconds) == (400.0, 2.0, 19.0)


def test_without_a_plan_a_query_does_what_it_is_told(coordinator: Coordinator, clock: Clock) -> None:
    query_id = coordinator.submit("alice")
    for state in ("WAITING_FOR_RESOURCES", "DISPATCHING", "PLANNING", "STARTING", "RUNNING", "FINISHING"):
        clock.now += 100
        assert rows(coordinator)[query_id]["state"] != state
        assert coordinator.move(query_id, state)
        assert rows(coordinator)[query_id]["state"] == state
    coordinator.use(query_id, Usage(cpu_seconds=1.5))
    assert rows(coordinator)[query_id]["queryStats"]["totalCpuTime"] == "1.50s"
    assert coordinator.fail(query_id, ErrorCode("CUSTOM_CODE", "EXTERNAL", 0x0700_0001))
    row = rows(coordinator)[query_id]
    assert row["errorCode"] == {"code": 0x0700_0001, "name": "CUSTOM_CODE", "type": "EXTERNAL", "fatal": False}
    clock.now += 100
    assert rows(coordinator)[query_id] == row, "a query that ended changes no more"
    coordinator.use(query_id, Usage(cpu_seconds=2.25))
    assert rows(coordinator)[query_id]["queryStats"]["totalCpuTime"] == "2.25s"
    assert coordinator.truth()["alice", ""].failed_cpu_seconds == 2.25


def test_what_ended_has_ended(coordinator: Coordinator, clock: Clock) -> None:
    """Neither a cancel nor anything else that comes too late changes a query."""
    query_id = coordinator.submit("alice", plan=Plan(running=5))
    clock.now += 5
    before = coordinator.query_list()
    assert not coordinator.cancel(query_id)
    assert not coordinator.finish(query_id)
    assert not coordinator.move(query_id, "RUNNING")
    assert coordinator.query_list() == before


def test_a_query_cut_off_has_used_what_it_had_used_by_then(coordinator: Coordinator, clock: Clock) -> None:
    query_id = coordinator.submit("alice", plan=Plan(running=10, usage=Usage(cpu_seconds=20.0, input_rows=100)))
    clock.now += 4
    assert coordinator.cancel(query_id)
    clock.now += 60
    tally = coordinator.truth()["alice", ""]
    assert tally.outcomes == {"canceled": 1}
    assert tally.errors == {("USER_ERROR", "USER_CANCELED"): 1}
    assert (tally.cpu_seconds, tally.failed_cpu_seconds, tally.input_rows) == (8.0, 8.0, 40)


def test_figures_may_be_taken_back(clock: Clock) -> None:
    """Late figures below zero are shown while the query runs, and gone once it has settled."""
    coordinator = Coordinator("0.296", now=clock)
    rows_twice = Usage(input_rows=-60175)
    query_id = coordinator.submit("alice", plan=Plan(running=1, usage=Usage(input_rows=60175), late=rows_twice))
    seen = []
    for second in (1.0, 1.1, 1.2):
        clock.now = NOON + second
        seen.append(rows(coordinator)[query_id]["queryStats"]["rawInputPositions"])
    assert seen == [120350, 120350, 60175]


def test_failed_attempts_count_where_the_engine_tells(clock: Clock) -> None:
    for version, expected in (("435", 0.5), ("350", 0.0), ("0.296", 0.0)):
        coordinator = Coordinator(version, now=clock)
        coordinator.submit("alice", plan=Plan(running=0, usage=Usage(cpu_seconds=2.0, failed_cpu_seconds=0.5)))
        assert coordinator.truth()["alice", ""].failed_cpu_seconds == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: c.submit("alice", plan=Plan(error="NO_SUCH_ERROR")), "NO_SUCH_ERROR: not an error"),
        (lambda c: c.submit("alice", plan=Plan(error="USER_CANCELED", ends_in="LATER")), "LATER is no phase"),
        (lambda c: c.move(c.submit("alice"), "FINISHED"), "FINISHED: not a state to be in"),
        (lambda c: c.fail(c.submit("alice"), "OOPS"), "OOPS: not an error"),
        (lambda c: Coordinator("0.296").hide("alice"), "PrestoDB shows every query"),
    ],
)
def test_what_cannot_be_is_refused(coordinator: Coordinator, call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(coordinator)


@pytest.mark.parametrize(
    ("sql", "trino", "prestodb", "update_type"),
    [
        ("SELECT 1", "SELECT", "SELECT", None),
        ("/* a */ -- b\n ((WITH x AS (SELECT 1) SELECT * FROM x))", "SELECT", "SELECT", None),
        ("insert into t SELECT 1", "INSERT", "INSERT", "INSERT"),
        ("CREATE TABLE t AS (SELECT 1)", "INSERT", "INSERT", "CREATE TABLE"),
        ("CREATE TABLE t (a integer)", "DATA_DEFINITION", "DATA_DEFINITION", "CREATE TABLE"),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", "DATA_DEFINITION", "DATA_DEFINITION", "CREATE VIEW"),
        ("DROP TABLE t", "DATA_DEFINITION", "DATA_DEFINITION", "DROP TABLE"),
        ("PREPARE p FROM SELECT 1", "DATA_DEFINITION", "CONTROL", "PREPARE"),
        ("SET SESSION a = 1", "DATA_DEFINITION", "CONTROL", "SET SESSION"),
        ("DESC t", "DESCRIBE", "DESCRIBE", None),
        ("EXPLAIN SELECT 1", "EXPLAIN", "EXPLAIN", None),
        ("EXPLAIN ANALYZE SELECT 1", "SELECT", "EXPLAIN", None),
        ("EXECUTE p USING 1", "SELECT", "SELECT", None),
        ("EXECUTE unknown", None, None, None),
        ("EXECUTE IMMEDIATE 'INSERT INTO t VALUES 1'", "INSERT", "INSERT", "INSERT"),
        ("SELCT 1", None, None, None),
        ("", None, None, None),
    ],
)
def test_kinds_of_statements(sql: str, trino: str | None, prestodb: str | None, update_type: str | None) -> None:
    for version, query_type in (("483", trino), ("0.296", prestodb)):
        coordinator = Coordinator(version, now=Clock())
        coordinator.submit("alice", "", sql, Plan(running=0), prepared={"p": "SELECT ?"})
        (row,) = rows(coordinator).values()
        assert row.get("queryType") == query_type
        assert row.get("updateType") == (update_type if version == "483" else None)
        assert row.get("preparedQuery") == ("SELECT ?" if sql.startswith("EXECUTE p") else None)


# What is listed.


@pytest.mark.parametrize(
    ("max_history", "min_expire_age", "ages", "listed"),
    [
        (100, 900, [2000, 1000], [2000, 1000]),
        (1, 900, [2000, 1000, 10], [10]),
        (2, 900, [2000, 1000, 10], [1000, 10]),
        (0, 900, [2000, 1000, 899, 10], [899, 10]),
        (0, 900, [900, 899], [899]),
        (1, 900, [800, 700, 600], [800, 700, 600]),
        (0, 0, [5, 1], []),
        (3, 0, [5, 4, 3, 2, 1], [3, 2, 1]),
    ],
)
def test_retention(max_history: int, min_expire_age: float, ages: list[float], listed: list[float]) -> None:
    """A query leaves only if it ended long enough ago and enough others ended after it."""
    clock = Clock()
    coordinator = Coordinator(now=clock, max_history=max_history, min_expire_age=min_expire_age)
    ids = {age: coordinator.submit("alice", plan=Plan(running=2), at=NOON - age - 2) for age in ages}
    coordinator.submit("alice", plan=Plan(running=math.inf), at=NOON - 9999)
    running = coordinator.submit("alice", at=NOON - 9999)
    assert set(rows(coordinator)) >= {running}
    assert set(rows(coordinator)) & set(ids.values()) == {ids[age] for age in listed}
    assert len(rows(coordinator)) == len(listed) + 2, "what has not ended stays whatever its age"
    assert coordinator.truth()["alice", ""].outcomes == {"finished": len(ages)}


def test_retention_goes_by_the_end_not_by_the_beginning(clock: Clock) -> None:
    coordinator = Coordinator(now=clock, max_history=1, min_expire_age=60)
    long_one = coordinator.submit("alice", plan=Plan(running=500))
    coordinator.submit("alice", plan=Plan(running=100))
    clock.now += 561
    assert set(rows(coordinator)) == {long_one}


def test_asking_often_or_once_lists_the_same(clock: Clock) -> None:
    """The list at a moment does not depend on earlier looks at it."""
    often, once = (Coordinator(now=clock, max_history=5, min_expire_age=30) for _ in range(2))
    for second in range(80):
        clock.now = NOON + second
        plan = Plan(running=second * 7 % 40, usage=Usage(cpu_seconds=0.1 * second))
        for coordinator in (often, once):
            coordinator.submit("alice", plan=plan)
        often.query_list()
    assert often.query_list() == once.query_list()
    assert often.truth() == once.truth()


def test_a_list_in_which_nothing_changed_is_the_same_object(coordinator: Coordinator, clock: Clock) -> None:
    """So that its compressed form is made once."""
    coordinator.submit("alice", plan=Plan(running=1))
    clock.now += 2
    before = coordinator.query_list()
    clock.now += 2
    assert coordinator.query_list() is before


def test_the_list_is_in_no_order(coordinator: Coordinator) -> None:
    ids = [coordinator.submit("alice") for _ in range(20)]
    listed = list(rows(coordinator))
    assert sorted(listed) == ids
    assert listed not in (ids, ids[::-1])


def test_a_query_of_the_future_is_not_listed_yet(coordinator: Coordinator, clock: Clock) -> None:
    query_id = coordinator.submit("alice", at=NOON + 10)
    assert rows(coordinator) == {}
    clock.now += 10
    assert list(rows(coordinator)) == [query_id]


def test_hidden_users_see_only_their_own_queries(coordinator: Coordinator) -> None:
    for user in ("alice", "bob", "carol"):
        coordinator.submit(user)
    coordinator.hide("alice", "bob")

    def users(viewer: str) -> list[str]:
        return sorted(row["session"]["user"] for row in rows(coordinator, viewer).values())

    assert users("monitor") == ["carol"]
    assert users("alice") == ["alice", "carol"]
    coordinator.show("bob")
    assert users("monitor") == ["bob", "carol"]


def test_ids_are_dense_and_begin_again_with_the_day() -> None:
    clock = Clock(NOON + 12 * 3600 - 1)
    coordinator = Coordinator(now=clock)
    suffix = coordinator.id_suffix
    first = coordinator.submit("alice")
    coordinator.burn_ids(2)
    ids = [first, coordinator.submit("alice")]
    clock.now += 1
    ids += [coordinator.submit("alice"), coordinator.submit("alice")]
    days = ("20261123_235959_00000", "20261123_235959_00003", "20261124_000000_00000", "20261124_000000_00001")
    assert ids == [f"{day}_{suffix}" for day in days]
    assert set(rows(coordinator)) == set(ids)


@pytest.mark.parametrize(
    ("version", "burnt", "number"), [("350", 99_999, 99_999), ("435", 90_000, 0), ("435", 89_999, 89_999)]
)
def test_ids_begin_again_before_they_run_out(version: str, burnt: int, number: int) -> None:
    clock = Clock()
    coordinator = Coordinator(version, now=clock)
    coordinator.burn_ids(burnt)
    clock.now += 1
    assert int(coordinator.submit("alice").split("_")[2]) == number
    if number == 99_999:
        with pytest.raises(ValueError, match="used up"):
            coordinator.submit("alice")


def test_a_restart_forgets_everything_but_the_truth(coordinator: Coordinator, clock: Clock) -> None:
    suffix = coordinator.id_suffix
    coordinator.submit("alice", "cli", plan=Plan(running=1))
    coordinator.submit("alice", "cli", plan=Plan(running=1000))
    coordinator.submit("bob")
    clock.now += 100
    coordinator.query_list()
    coordinator.restart(at=NOON)
    assert rows(coordinator) == {}
    assert coordinator.id_suffix != suffix
    assert json.loads(coordinator.info())["uptime"] == "0.00ns", "a restart cannot come before an answer already given"
    assert re.fullmatch(
        rf"\d+_\d+_00000_{coordinator.id_suffix}", coordinator.submit("alice", "cli", plan=Plan(running=1))
    )
    clock.now += 100
    truth = coordinator.truth()
    assert truth["alice", "cli"].outcomes == {"finished": 2}
    assert truth["alice", "cli"].lost == 1
    assert truth["bob", ""].lost == 1


def test_suffixes_come_from_the_seed() -> None:
    assert Coordinator(seed=1).id_suffix == Coordinator(seed=1).id_suffix != Coordinator(seed=2).id_suffix


# Who may ask.

BASIC = "Basic authentication or "


@pytest.mark.parametrize(
    ("version", "headers", "status", "body"),
    [
        ("338", {}, 401, f"{BASIC}X-Presto-User must be sent"),
        ("483", {}, 401, f"{BASIC}X-Trino-Original-User or X-Trino-User must be sent"),
        ("483", {"authorization": "Basic !!!"}, 401, f"{BASIC}X-Trino-Original-User or X-Trino-User must be sent"),
        ("483", {"authorization": "Bearer t"}, 401, f"{BASIC}X-Trino-Original-User or X-Trino-User must be sent"),
        ("338", MONITOR, 200, "[]"),
        ("483", MONITOR, 200, "[]"),
        ("338", {"authorization": "Basic bTpzZWNyZXQ="}, 401, "Password not allowed for insecure authentication"),
        ("338", {"x-presto-user": "monitor"}, 200, "[]"),
        ("338", {"x-trino-user": "monitor"}, 401, f"{BASIC}X-Presto-User must be sent"),
        ("483", {"x-trino-user": "monitor"}, 200, "[]"),
        ("483", {**MONITOR, "x-trino-user": "monitor"}, 200, "[]"),
        ("483", {**MONITOR, "x-trino-user": "alice"}, 500, "AccessDeniedException: .* cannot impersonate user alice"),
        ("483", {**MONITOR, "x-presto-user": "alice"}, 200, "[]"),
        ("0.296", {}, 200, "[]"),
        ("0.296", {"authorization": "Basic bTpzZWNyZXQ="}, 200, "[]"),
    ],
)
def test_who_is_let_in(version: str, headers: dict[str, str], status: int, body: str) -> None:
    answer = Coordinator(version, now=Clock()).answer(Request("/v1/query", headers))
    assert answer.status == status
    assert re.fullmatch(re.escape(body) if status == 200 else body, answer.body.decode())
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


def test_info_is_public_and_other_paths_are_not_there(coordinator: Coordinator) -> None:
    assert coordinator.answer(Request("/v1/info", {})).status == 200
    assert coordinator.answer(Request("/v1/cluster", MONITOR)).status == 404


@pytest.mark.parametrize(("version", "status"), [("350", 500), ("483", 500), ("0.296", 200)])
def test_a_coordinator_that_starts_does_not_list(version: str, status: int) -> None:
    coordinator = Coordinator(version, now=Clock())
    coordinator.starting = True
    assert coordinator.answer(Request("/v1/query", MONITOR)).status == status
    coordinator.starting = False
    assert coordinator.answer(Request("/v1/query", MONITOR)).status == 200


# Over a real connection.


def test_it_is_served(coordinator: Coordinator, server: Server) -> None:
    """Names come back as they were, and what was asked is on record."""
    coordinator.submit('o\'neil "the" <b>', "ünïcode", "SELECT '李'")
    answer = poll(server)
    (row,) = answer.json()
    assert (row["session"]["user"], row["session"]["source"], row["query"]) == (
        *('o\'neil "the" <b>', "ünïcode", "SELECT '李'"),
    )
    assert answer.headers["Content-Type"] == "application/json"
    assert "Content-Length" not in answer.headers
    assert server.requests[0].path == "/v1/query"
    assert server.requests[0].headers["authorization"] == MONITOR["authorization"]
    assert requests.get(f"{server.url}/v1/info?x=1", timeout=10).json()["environment"] == "demo"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip, deflate", "gzip"), ("gzip;q=0.5", "gzip"), ("gzip;q=0", None), ("deflate, zstd", None), (None, None)],
)
def test_answers_are_compressed_if_accepted(server: Server, accepted: str | None, encoding: str | None) -> None:
    answer = poll(server, headers={"Accept-Encoding": accepted})
    assert answer.headers.get("Content-Encoding") == encoding
    assert answer.json() == []


@pytest.mark.parametrize("status", [401, 403, 500, 503, 302])
def test_fault_status(coordinator: Coordinator, server: Server, status: int) -> None:
    coordinator.inject(Fault(status=status))
    answer = poll(server)
    assert answer.status_code == status
    assert ("WWW-Authenticate" in answer.headers, "Location" in answer.headers) == (status == 401, status == 302)
    assert poll(server).status_code == 200, "once means once"


def test_faults_wait_for_one_another_and_for_their_path(coordinator: Coordinator, server: Server) -> None:
    coordinator.inject(Fault(status=500), times=2)
    coordinator.inject(Fault(status=503), times=None)
    coordinator.inject(Fault(status=403), path="/v1/info")
    assert [poll(server).status_code for _ in range(5)] == [500, 500, 503, 503, 503]
    assert [requests.get(f"{server.url}/v1/info", timeout=10).status_code for _ in range(2)] == [403, 200]
    coordinator.heal()
    assert poll(server).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_fault_bodies(coordinator: Coordinator, server: Server, encoding: str) -> None:
    """Whatever the body becomes, the transfer itself is complete and correct."""
    for _ in range(5):
        coordinator.submit("alice")
    whole = coordinator.query_list()
    coordinator.inject(Fault(body=cut_at(1000)))
    coordinator.inject(Fault(body=half_of_the_rows))
    coordinator.inject(Fault(body=b"\xff\x00", headers={"Content-Type": "text/html"}))
    coordinator.inject(Fault(body=b'{"queries": []}'))
    headers = {"Accept-Encoding": encoding}
    assert poll(server, headers=headers).content == whole[:1000]
    assert poll(server, headers=headers).json() == json.loads(whole)[::2]
    answer = poll(server, headers=headers)
    assert (answer.content, answer.headers["Content-Type"]) == (b"\xff\x00", "text/html")
    assert poll(server, headers=headers).json() == {"queries": []}
    assert poll(server, headers=headers).content == whole


def test_fault_dropped_connection(coordinator: Coordinator, server: Server) -> None:
    coordinator.submit("alice")
    coordinator.inject(Fault(drop_at=100))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        poll(server)
    assert poll(server).status_code == 200


def test_fault_slow(coordinator: Coordinator, server: Server) -> None:
    """The body drips: a client that waits for it all needs its time, one that gives up does not."""
    coordinator.inject(Fault(bytes_per_second=100), times=2)
    began = time.monotonic()
    assert poll(server, headers={"Accept-Encoding": "identity"}).content == b"[]"
    assert time.monotonic() - began >= 0.02
    coordinator.inject(Fault(bytes_per_second=1))
    assert poll(server).status_code == 200
    with pytest.raises(requests.exceptions.ConnectionError, match="timed out"):
        requests.get(f"{server.url}/v1/query", auth=("monitor", ""), timeout=0.1)


def test_fault_hang_ends_with_heal(coordinator: Coordinator, server: Server) -> None:
    """An answer that hangs blocks no other, and ends without a word when the faults are healed."""
    coordinator.inject(Fault(hang=True))
    failures: list[Exception] = []

    def ask() -> None:
        try:
            poll(server)
        except requests.exceptions.ConnectionError as error:
            failures.append(error)

    client = threading.Thread(target=ask)
    client.start()
    server.wait_for_requests(1)
    assert poll(server).status_code == 200
    assert client.is_alive()
    coordinator.heal()
    client.join(10)
    assert len(failures) == 1


def test_waiting_for_requests_gives_up(server: Server) -> None:
    with pytest.raises(TimeoutError, match="fewer than 1 requests"):
        server.wait_for_requests(1, timeout=0.01)


@pytest.mark.parametrize("fault", [Fault(hang=True), Fault(bytes_per_second=1)])
def test_the_end_of_the_server_breaks_what_is_under_way(coordinator: Coordinator, fault: Fault) -> None:
    """Closing takes no time, leaves no thread behind, and clients see a broken connection."""
    threads = set(threading.enumerate())
    coordinator.submit("alice")
    coordinator.inject(fault, times=None)
    broken = []

    def ask(url: str) -> None:
        try:
            requests.get(f"{url}/v1/query", auth=("monitor", ""), timeout=60)
        except requests.exceptions.RequestException as error:
            broken.append(error)

    with serve(coordinator) as server:
        clients = [threading.Thread(target=ask, args=(server.url,)) for _ in range(5)]
        for client in clients:
            client.start()
        server.wait_for_requests(5)
        began = time.monotonic()
    assert time.monotonic() - began < 2
    for client in clients:
        client.join(10)
    assert len(broken) == 5
    assert set(threading.enumerate()) == threads


def test_the_end_of_the_server_does_not_wait_for_idle_connections(coordinator: Coordinator) -> None:
    with requests.Session() as session:
        with serve(coordinator) as server:
            assert session.get(f"{server.url}/v1/info", timeout=10).status_code == 200
            began = time.monotonic()
        assert time.monotonic() - began < 2
        with pytest.raises(requests.exceptions.ConnectionError):
            session.get(f"{server.url}/v1/info", timeout=10)


def test_a_port_can_be_taken_again(coordinator: Coordinator) -> None:
    """A coordinator that was down comes back at the same address."""
    with serve(coordinator) as server:
        port = int(server.url.rpartition(":")[2])
        assert poll(server).status_code == 200
    with serve(coordinator, port) as server:
        assert poll(server).status_code == 200


def test_tls_lets_passwords_in(coordinator: Coordinator, tmp_path: Path) -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with serve(coordinator, tls=tls) as server:
        url, trust = f"{server.url}/v1/query", str(tmp_path / "ca.pem")
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(url, timeout=10)
        assert requests.get(url, auth=("monitor", "secret"), verify=trust, timeout=10).status_code == 200
        bearer = {"Authorization": "Bearer token"}
        assert requests.get(url, headers=bearer, verify=trust, timeout=10).status_code == 200
        assert requests.get(url, verify=trust, timeout=10).status_code == 401
        assert server.requests[-1].is_secure

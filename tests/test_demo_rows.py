"""The rows of the demo's coordinator are spelled like those of the recorded ones."""

from __future__ import annotations

import functools
import gzip
import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from exporter.demo.coordinator import Coordinator
from exporter.demo.query import ERRORS, Plan, Usage
from exporter.demo.rows import format_duration, format_succinct_size
from tests.demo import NOON, Clock, rows

DATA = Path(__file__).parent / "data"
ENGINES = ("prestosql-338", "prestosql-350", "trino-435", "trino-476", "trino-483", "prestodb-0.296")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def coordinator(clock: Clock) -> Coordinator:
    return Coordinator(now=clock)


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

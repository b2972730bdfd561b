"""What the trials of real engines rest on: sums of the truth, amounts of rows, comparisons, and counters that fell."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from exporter.fingerprint.fingerprint import Fingerprinter
from exporter.query import Outcome
from tests.engines.assembly import ENGINES
from tests.engines.exposition import Scrape, Series, fallen
from tests.engines.truth import (
    FINISHED,
    Ending,
    Fate,
    Sent,
    amounts,
    differences,
    ending,
    ending_of,
    errors,
    is_at_least,
    is_close,
    quantity,
    queries,
    unlike,
)
from tests.engines.verdict import Life, verdicts
from tests.engines.workload import CUT_OFF

DATA = Path(__file__).parent / "data"
RECORDED = sorted(path.parent.name for path in DATA.glob("*/poll2.json.gz"))
KILLED = ending("USER_ERROR", "ADMINISTRATIVELY_KILLED")
SYNTAX = ending("USER_ERROR", "SYNTAX_ERROR")


def sent(query_id: str, ended: Ending | None, user: str = "alice", source: str = "cli") -> Sent:
    one = Sent(query_id, user, source, "SELECT 1")
    if ended:
        one.end("a test", ended)
    return one


def row(query_id: str, state: str = "FINISHED", user: str = "alice", **stats: Any) -> dict[str, Any]:
    """Return a row of a list as PrestoSQL writes it, failed with SYNTAX_ERROR if it failed."""
    error = {"errorCode": {"type": "USER_ERROR", "name": "SYNTAX_ERROR"}} if state == "FAILED" else {}
    known = {
        "createTime": "2026-01-01T00:00:00.000Z",
        "endTime": "2026-01-01T00:00:02.500Z",
        "queuedTime": "500.00ms",
        "totalCpuTime": "1.50m",
        "rawInputPositions": 25,
        "physicalInputDataSize": "2048B",
        "cumulativeUserMemory": 3.0e3,
    }
    session = {"user": user, "source": "cli"}
    return {
        "queryId": query_id,
        "state": state,
        "session": session,
        "query": "SELECT 1",
        "queryStats": {**known, **stats},
        **error,
    }


@pytest.mark.parametrize(
    ("error_name", "outcome"),
    [
        ("USER_CANCELED", Outcome.CANCELED),
        ("ADMINISTRATIVELY_KILLED", Outcome.CANCELED),
        ("ADMINISTRATIVELY_PREEMPTED", Outcome.CANCELED),
        ("ABANDONED_QUERY", Outcome.FAILED),
        ("EXCEEDED_TIME_LIMIT", Outcome.FAILED),
    ],
)
def test_the_name_of_an_error_tells_canceled_from_failed(error_name: str, outcome: Outcome) -> None:
    assert ending("ANY_TYPE", error_name) == (outcome, "ANY_TYPE", error_name)


def test_only_what_ended_is_counted_and_only_what_failed_is_an_error() -> None:
    never = sent("q4", None)
    never.fate = Fate.NEVER_FOLLOWED
    all_of_them = [sent("q1", FINISHED), sent("q2", SYNTAX), sent("q3", KILLED, "bob", ""), never, sent("q5", FINISHED)]
    assert queries(all_of_them) == {
        ("alice", "cli", "finished"): 2,
        ("alice", "cli", "failed"): 1,
        ("bob", "", "canceled"): 1,
    }
    assert errors(all_of_them) == {
        ("alice", "cli", "failed", "USER_ERROR", "SYNTAX_ERROR"): 1,
        ("bob", "", "canceled", "USER_ERROR", "ADMINISTRATIVELY_KILLED"): 1,
    }


@pytest.mark.parametrize(
    ("expected", "seen", "found"),
    [
        ({("a",): 1}, {("a",): 1}, []),
        ({("a",): 1}, {("a",): 1, ("b",): 0}, []),
        ({("a",): 1}, {("a",): 2}, ["'a': 2, truth 1"]),
        ({("a", "x"): 1}, {}, ["'a' · 'x': 0, truth 1"]),
        ({}, {("b",): 3}, ["'b': 3, truth 0"]),
    ],
)
def test_differences_are_found_both_ways(
    expected: dict[tuple[str, ...], float], seen: dict[tuple[str, ...], float], found: list[str]
) -> None:
    assert differences(expected, seen) == found


@pytest.mark.parametrize(
    ("seen", "expected", "close", "at_least"),
    [
        (1.000001, 1.0, True, True),
        (2.0, 1.0, False, True),
        (0.9, 1.0, False, False),
        (1e9 - 1, 1e9, True, True),
        (0.9e9, 1e9, False, False),
    ],
)
def test_amounts_agree_within_rounding(seen: float, expected: float, close: bool, at_least: bool) -> None:
    assert (is_close(seen, expected), is_at_least(seen, expected)) == (close, at_least)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.00ns", 0.0), ("1.50m", 90.0), ("2.00h", 7200.0), ("7.86MB", 7.86 * 1024 * 1024), ("1536B", 1536.0)],
)
def test_quantities_are_in_base_units(text: str, value: float) -> None:
    assert quantity(text) == pytest.approx(value)


def test_what_is_no_quantity_is_refused() -> None:
    with pytest.raises(ValueError, match="neither"):
        quantity("soon")


def test_amounts_are_summed_by_user_and_source() -> None:
    rows = [row("q1"), row("q2", "FAILED"), row("q3", "RUNNING"), row("q4", user="bob", totalCpuTime="1.00s")]
    sums = amounts(rows)
    assert sums["presto_user_query_cpu_seconds_total"] == {("alice", "cli"): 270.0, ("bob", "cli"): 1.0}
    assert sums["presto_user_query_failed_cpu_seconds_total"] == {("alice", "cli"): 90.0, ("bob", "cli"): 0.0}
    assert sums["presto_user_query_input_bytes_total"] == {("alice", "cli"): 6144.0, ("bob", "cli"): 2048.0}
    assert sums["presto_user_query_input_rows_total"] == {("alice", "cli"): 75.0, ("bob", "cli"): 25.0}
    assert sums["presto_user_query_memory_byte_seconds_total"] == {("alice", "cli"): 9.0, ("bob", "cli"): 3.0}
    assert sums["presto_user_query_queued_seconds_total"] == {("alice", "cli"): 1.0, ("bob", "cli"): 0.5}
    assert sums["presto_user_query_elapsed_seconds_total"] == {("alice", "cli"): 5.0, ("bob", "cli"): 2.5}


def test_a_list_that_is_not_what_clients_saw_is_told_apart() -> None:
    """Another ending, another user, a query that is not listed, and one that nobody sent are found; the rest agrees."""
    clients = [sent("q1", FINISHED), sent("q2", FINISHED), sent("q3", FINISHED, "bob"), sent("q4", FINISHED)]
    rows = [row("q1"), row("q2", "FAILED"), row("q3"), row("q5")]
    assert [problem.partition(" ")[0].rstrip(":") for problem in unlike(clients, rows)] == ["q2", "q3", "q4", "q5"]
    assert unlike([sent("q1", FINISHED), sent("q2", SYNTAX)], [row("q1"), row("q2", "FAILED")]) == []
    assert len(unlike([sent("q1", None)], [row("q1")])) == 1
    assert unlike([sent("q1", None)], []) == []


@pytest.mark.parametrize("engine", RECORDED)
def test_recorded_lists_agree_with_their_truth(engine: str) -> None:
    """The comparison that every trial begins with holds for real answers of every engine."""
    rows = json.loads(gzip.decompress((DATA / engine / "poll2.json.gz").read_bytes()))
    known = json.loads(gzip.decompress((DATA / engine / "truth.json.gz").read_bytes()))["queries"]
    clients = [
        sent(
            one["id"],
            ending(one["error_type"], one["error_name"]) if one["error_name"] else FINISHED,
            one["user"],
            one["source"],
        )
        for one in known
    ]
    assert unlike(clients, rows) == []
    assert all(ending_of(one) for one in rows)
    assert len(amounts(rows)) == 7


def test_samples_are_told_apart_by_kind_and_summed_by_label() -> None:
    scrape = Scrape(
        "# TYPE a_total counter\n"
        'a_total{user="x",outcome="finished"} 2\na_total{user="x",outcome="failed"} 1\na_total{user="y \\"\\\\"} 4\n'
        "# TYPE g gauge\ng 7\n"
        '# TYPE h histogram\nh_bucket{le="+Inf"} 3\nh_sum 9\nh_count 3\n'
    )
    assert scrape.by("a_total", "user") == {("x",): 3.0, ('y "\\',): 4.0}
    assert scrape.by("a_total", "user", "outcome")['y "\\', ""] == 4.0
    assert scrape.total("a_total", user="x", outcome="failed") == 1.0
    assert (scrape.total("g"), scrape.total("absent")) == (7.0, 0.0)
    assert {series.name for series in scrape.counters} == {"a_total", "h_bucket", "h_sum", "h_count"}
    assert {series.name for series in scrape.gauges} == {"g"}


@pytest.mark.parametrize(
    ("name", "after", "same_process", "falls"),
    [
        ("presto_user_queries_total", 5.0, True, False),
        ("presto_user_queries_total", 6.0, False, False),
        ("presto_user_queries_total", 4.0, True, True),
        ("presto_user_queries_total", 4.0, False, True),
        ("presto_user_queries_total", None, True, True),
        ("presto_user_queries_total", None, False, True),
        ("process_cpu_seconds_total", 0.1, False, False),
        ("process_cpu_seconds_total", 0.1, True, True),
    ],
)
def test_counters_that_fall_or_vanish_are_found(
    name: str, after: float | None, same_process: bool, falls: bool
) -> None:
    """Over a restart only what belongs to the process may begin anew."""
    series = Series(name, ())
    now = {} if after is None else {series: after}
    assert bool(fallen({series: 5.0}, now, same_process)) == falls


_HEALTHY = """\
# TYPE presto_user_queries counter
presto_user_queries_total{user="alice",source="cli",outcome="finished"} %(finished)s
presto_user_queries_total{user="alice",source="cli",outcome="failed"} %(failed)s
presto_user_queries_total{user="bob",source="cut-off",outcome="failed"} 0
# TYPE presto_user_query_errors counter
presto_user_query_errors_total{user="alice",source="cli",outcome="failed",error_type="USER_ERROR",\
error_name="SYNTAX_ERROR"} %(failed)s
# TYPE presto_user_queries_lost counter
presto_user_queries_lost_total{user="bob",source="cut-off"} %(lost)s
# TYPE presto_user_query_cpu_seconds counter
presto_user_query_cpu_seconds_total{user="alice",source="cli"} %(cpu)s
# TYPE presto_user_query_failed_cpu_seconds counter
presto_user_query_failed_cpu_seconds_total{user="alice",source="cli"} 90
# TYPE presto_user_query_input_bytes counter
presto_user_query_input_bytes_total{user="alice",source="cli"} 4096
# TYPE presto_user_query_input_rows counter
presto_user_query_input_rows_total{user="alice",source="cli"} %(rows)s
# TYPE presto_user_query_memory_byte_seconds counter
presto_user_query_memory_byte_seconds_total{user="alice",source="cli"} 6
# TYPE presto_user_query_queued_seconds counter
presto_user_query_queued_seconds_total{user="alice",source="cli"} 1
# TYPE presto_user_query_elapsed_seconds counter
presto_user_query_elapsed_seconds_total{user="alice",source="cli"} 5
# TYPE presto_query_duration_seconds histogram
presto_query_duration_seconds_count{outcome="finished"} %(finished)s
presto_query_duration_seconds_count{outcome="failed"} %(failed)s
# TYPE presto_fingerprint_queries counter
presto_fingerprint_queries_total{fingerprint="%(pattern)s",outcome="finished"} %(runs)s
presto_fingerprint_queries_total{fingerprint="%(pattern)s",outcome="failed"} %(failed)s
# TYPE presto_exporter_poll_gaps counter
presto_exporter_poll_gaps_total 1
# TYPE presto_exporter_queries_missed counter
presto_exporter_queries_missed_total %(missed)s
# TYPE presto_coordinator_info gauge
presto_coordinator_info{engine="prestosql",version="338",environment="engines"} 1
# TYPE presto_up gauge
presto_up 1
# TYPE presto_exporter_visible_users gauge
presto_exporter_visible_users 1
# TYPE presto_exporter_queries_listed gauge
presto_exporter_queries_listed 1
"""


def bad_verdicts(**changed: float) -> list[str]:
    """Return what does not hold after two lives of a server, a query in each and one cut off, if /metrics says this."""
    said: dict[str, Any] = {"finished": 1, "failed": 1, "lost": 1, "missed": 0, "cpu": 180, "rows": 50, **changed}
    said = {"runs": said["finished"], "pattern": Fingerprinter().of("SELECT 1").id, **said}
    first = Life([sent("q1", FINISHED)], [row("q1")], 1, 0, Scrape(_HEALTHY % {**said, "failed": 0}))
    second = Life([sent("q2", SYNTAX)], [row("q2", "FAILED")], 1, 1, Scrape(_HEALTHY % said))
    cut_off = [Sent("q3", "bob", CUT_OFF, "SELECT 1", Fate.CUT_OFF)]
    return [property_ for property_, problems in verdicts(ENGINES["prestosql-338"], first, second, cut_off) if problems]


def test_what_agrees_is_found_good() -> None:
    assert bad_verdicts() == []


@pytest.mark.parametrize(
    ("changed", "property_"),
    [
        ({"finished": 2}, "queries: 2 of 1 users"),
        ({"failed": 0}, "errors: 1 of 1 names"),
        ({"runs": 0}, "runs of 1 statements"),
        ({"runs": 2}, "presto_fingerprint_queries_total is the sum over users"),
        ({"finished": 2}, "the server's own counters (first)"),
        ({"failed": 2}, "the server's own counters (second)"),
        ({"lost": 0}, "of 1 queries on their way at the stop, 0 ended or lost"),
        ({"lost": 2}, "of 1 queries on their way at the stop, 2 ended or lost"),
        ({"missed": 1}, "missed: the 0 never followed"),
        ({"cpu": 181}, "cpu seconds: 180"),
        ({"rows": 49}, "input rows: at least 50"),
    ],
)
def test_each_disagreement_is_found(changed: dict[str, float], property_: str) -> None:
    assert any(found.startswith(property_) for found in bad_verdicts(**changed))


def test_rows_that_an_engine_took_back_may_stay_charged() -> None:
    assert bad_verdicts(rows=100) == []

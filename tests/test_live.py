"""Gauges of queries in flight: counted by owner and state, memory of the living only."""

from __future__ import annotations

from exporter.account.live import in_flight
from exporter.query import Amounts, Query


def query(user: str, state: str, created: float, memory: float) -> Query:
    ended = 9.0 if state in ("finished", "failed") else None
    return Query("q", user, "cli", state, created, ended, "", "", Amounts(), memory, 0.0)


def test_living_queries_are_added_up_per_owner() -> None:
    queries = [
        query("a", "running", 5.0, 10.0),
        query("a", "running", 3.0, 1.0),
        query("a", "blocked", 4.0, 2.0),
        query("b", "queued", 7.0, 0.0),
        query("b", "finished", 1.0, 100.0),
        query("c", "failed", 1.0, 100.0),
    ]
    assert in_flight(queries, lambda query: (query.user, query.source)) == {
        "presto_user_queries_in_flight": [
            (("a", "cli", "running"), 2.0),
            (("a", "cli", "blocked"), 1.0),
            (("b", "cli", "queued"), 1.0),
        ],
        "presto_user_in_flight_memory_bytes": [(("a", "cli"), 13.0), (("b", "cli"), 0.0)],
        "presto_user_oldest_in_flight_query_timestamp_seconds": [(("a", "cli"), 3.0), (("b", "cli"), 7.0)],
    }


def test_owners_who_share_a_label_are_one() -> None:
    queries = [query("a", "running", 5.0, 10.0), query("b", "running", 3.0, 1.0)]
    counts = in_flight(queries, lambda _: ("other", ""))
    assert counts["presto_user_queries_in_flight"] == [(("other", "", "running"), 2.0)]

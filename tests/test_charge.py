"""A charge is the difference to what has been charged: exactly once, never negative."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.account.charge import (
    Charged,
    charge,
    cumulate,
    fingerprint_series,
    gains,
    histogram_series,
    loss,
    outcome_of,
    owner_series,
)
from exporter.catalogue import CATALOGUE, HISTOGRAMS, Kind, Series
from exporter.query import Amounts, Query

CANCELED = {"USER_CANCELED", "ADMINISTRATIVELY_KILLED", "ADMINISTRATIVELY_PREEMPTED"}
OWNER = ("alice", "cli")


def query(state: str = "finished", error: str = "", peak: float = 0.0, **amounts: float) -> Query:
    ended = 100.0 if state in ("finished", "failed") else None
    return Query("q", *OWNER, state, 90.0, ended, "USER_ERROR" if error else "", error, Amounts(**amounts), 0.0, peak)


def step(before: Charged | None, seen: Query) -> tuple[Charged, Counter[Series]]:
    """Return what has been charged after *seen*, and what that added to which series."""
    after = charge(before, seen, *OWNER, outcome_of(seen, CANCELED))
    added: Counter[Series] = Counter()
    for series, gain in gains(before, after, seen, seen.error_type, seen.error_name, "f"):
        added[series] += gain  # type: ignore[assignment]
    cumulate(added)  # type: ignore[arg-type]
    return after, added


def user(added: Counter[Series]) -> dict[tuple[str, ...], float]:
    """Return the gains of users' series by their names and what follows the owner in their labels."""
    return {
        (name.removeprefix("presto_user_"), *labels[2:]): gain
        for (name, labels), gain in added.items()
        if name.startswith("presto_user_")
    }


@pytest.mark.parametrize(
    ("state", "error", "outcome"),
    [
        ("running", "", ""),
        ("blocked", "", ""),
        ("unknown", "", ""),
        ("finished", "", "finished"),
        ("failed", "USER_CANCELED", "canceled"),
        ("failed", "ADMINISTRATIVELY_KILLED", "canceled"),
        ("failed", "ADMINISTRATIVELY_PREEMPTED", "canceled"),
        ("failed", "ABANDONED_QUERY", "failed"),
        ("failed", "SERVER_SHUTTING_DOWN", "failed"),
        ("failed", "UNKNOWN", "failed"),
    ],
)
def test_the_state_and_the_name_of_the_error_decide_the_outcome(state: str, error: str, outcome: str) -> None:
    assert outcome_of(query(state, error), CANCELED) == outcome


def test_a_finished_query_adds_its_end_and_its_amounts_once() -> None:
    seen = query(cpu_seconds=2.0, input_bytes=10.0, queued_seconds=1.0, elapsed_seconds=4.0)
    after, added = step(None, seen)
    assert user(added) == {
        ("queries_total", "finished"): 1.0,
        ("query_cpu_seconds_total",): 2.0,
        ("query_input_bytes_total",): 10.0,
        ("query_queued_seconds_total",): 1.0,
        ("query_elapsed_seconds_total",): 4.0,
    }
    assert step(after, seen) == (after, Counter())


def test_a_failed_query_adds_an_error_and_its_cpu_was_in_vain() -> None:
    _, added = step(None, query("failed", "DIVISION_BY_ZERO", cpu_seconds=2.0, failed_cpu_seconds=0.5))
    assert user(added) == {
        ("queries_total", "failed"): 1.0,
        ("query_errors_total", "failed", "USER_ERROR", "DIVISION_BY_ZERO"): 1.0,
        ("query_cpu_seconds_total",): 2.0,
        ("query_failed_cpu_seconds_total",): 2.0,
    }


def test_failed_attempts_of_a_finished_query_were_in_vain() -> None:
    _, added = step(None, query(cpu_seconds=2.0, failed_cpu_seconds=0.5))
    assert user(added)[("query_failed_cpu_seconds_total",)] == 0.5


def test_a_query_in_flight_adds_what_it_used_but_no_end_and_no_time() -> None:
    running = query("running", cpu_seconds=2.0, failed_cpu_seconds=1.0, queued_seconds=3.0, elapsed_seconds=9.0)
    after, added = step(None, running)
    assert user(added) == {("query_cpu_seconds_total",): 2.0}
    after, added = step(after, query("running", cpu_seconds=5.0))
    assert user(added) == {("query_cpu_seconds_total",): 3.0}
    _, added = step(after, query("failed", "USER_CANCELED", cpu_seconds=5.5, queued_seconds=3.0))
    assert user(added) == {
        ("queries_total", "canceled"): 1.0,
        ("query_errors_total", "canceled", "USER_ERROR", "USER_CANCELED"): 1.0,
        ("query_cpu_seconds_total",): 0.5,
        ("query_failed_cpu_seconds_total",): 5.5,
        ("query_queued_seconds_total",): 3.0,
    }


def test_figures_that_move_after_the_end_are_charged_when_they_do() -> None:
    after, _ = step(None, query("failed", "USER_CANCELED"))
    _, added = step(after, query("failed", "USER_CANCELED", cpu_seconds=0.8, input_rows=5.0))
    assert user(added) == {
        ("query_cpu_seconds_total",): 0.8,
        ("query_failed_cpu_seconds_total",): 0.8,
        ("query_input_rows_total",): 5.0,
    }


def test_what_an_engine_takes_back_stays_charged() -> None:
    """PrestoDB halves the rows of CREATE TABLE AS after the end."""
    after, _ = step(None, query(input_rows=120350.0, input_bytes=8e6))
    settled, added = step(after, query(input_rows=60175.0))
    assert added == Counter() and settled == after
    _, added = step(settled, query(input_rows=120351.0))
    assert user(added) == {("query_input_rows_total",): 1.0}


@pytest.mark.parametrize("later", [query("running"), query("failed", "DIVISION_BY_ZERO"), query("finished")])
def test_an_end_that_was_counted_stays(later: Query) -> None:
    ended, _ = step(None, query("failed", "USER_CANCELED"))
    assert step(ended, later) == (ended, Counter())


def test_a_lost_query_is_counted_as_lost_and_its_end_still_counts() -> None:
    running, _ = step(None, query("running"))
    lost, gain = loss(running)
    assert lost.lost and gain == (("presto_user_queries_lost_total", OWNER), 1.0)
    back, added = step(lost, query("finished"))
    assert back.lost and user(added) == {("queries_total", "finished"): 1.0}


@pytest.mark.parametrize(
    ("seconds", "first"),
    [(0.0, "0.1"), (0.1, "0.1"), (0.100001, "0.25"), (21600.0, "21600.0"), (21600.1, "+Inf"), (-1.0, "0.1")],
)
def test_a_duration_is_in_every_bucket_from_its_own_on(seconds: float, first: str) -> None:
    _, added = step(None, query(elapsed_seconds=max(0.0, seconds)))
    hit = [labels[1] for (name, labels) in added if name == "presto_query_duration_seconds_bucket"]
    bounds = [labels[1] for name, labels in histogram_series() if name == "presto_query_duration_seconds_bucket"][:17]
    assert hit == bounds[bounds.index(first) :]
    assert added["presto_query_duration_seconds_sum", ("finished",)] == max(0.0, seconds)
    assert added["presto_query_duration_seconds_count", ("finished",)] == 1.0


def test_histogram_series_come_with_ascending_buckets_then_sum_and_count() -> None:
    series = list(histogram_series())
    assert len(series) == len(set(series)) == 3 * sum(len(metric.buckets) + 3 for metric in HISTOGRAMS)
    for (name, labels), (next_name, next_labels) in pairwise(series):
        if name == next_name:
            assert float(labels[1]) < float(next_labels[1])


def test_every_gain_is_to_a_series_of_the_catalogue_with_its_labels() -> None:
    _, added = step(None, query("failed", "USER_CANCELED", 5.0, **dict.fromkeys(Amounts._fields, 1.0)))
    counters = {metric.name: metric for metric in CATALOGUE if metric.kind is Kind.COUNTER}
    histograms = {metric.name + part for metric in HISTOGRAMS for part in ("_bucket", "_sum", "_count")}
    for name, labels in [*added, *owner_series(*OWNER), *fingerprint_series("f"), *histogram_series()]:
        if name in counters:
            assert len(labels) + 1 == len(counters[name].labels)
        else:
            assert name in histograms and len(labels) == (2 if name.endswith("_bucket") else 1)
    assert {name for name, _ in owner_series(*OWNER)} <= set(counters)


amounts = st.builds(Amounts, *[st.integers(0, 5).map(float)] * len(Amounts._fields))
states = st.sampled_from(["running", "queued", "finished", "failed"])
errors = st.sampled_from(["USER_CANCELED", "SYNTAX_ERROR"])


@given(st.lists(st.tuples(states, errors, amounts), max_size=8))
def test_whatever_a_query_does_it_ends_once_and_adds_its_highest_amounts(
    history: list[tuple[str, str, Amounts]],
) -> None:
    before: Charged | None = None
    sums: Counter[Series] = Counter()
    for state, error, used in history:
        before, added = step(before, query(state, error if state == "failed" else "", **used._asdict()))
        assert all(gain >= 0.0 for gain in added.values())
        sums.update(added)
    ends = sum(gain for (name, _), gain in sums.items() if name == "presto_user_queries_total")
    assert ends == any(state in ("finished", "failed") for state, _, _ in history)
    cpu = sums["presto_user_query_cpu_seconds_total", OWNER]
    assert cpu == max((used.cpu_seconds for _, _, used in history), default=0.0)
    assert sums["presto_user_query_failed_cpu_seconds_total", OWNER] <= max(
        [cpu, *(used.failed_cpu_seconds for _, _, used in history)]
    )

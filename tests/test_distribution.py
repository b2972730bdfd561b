"""Distributions that can be merged: what is lost, and that nothing else is."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from exporter.account.distribution import Counts, bucket, merge, pack, quantile, unpack

DURATIONS = st.floats(0.0, 1e9)


def counts_of(durations: list[float]) -> Counts:
    counts: Counts = {}
    for seconds in durations:
        merge(counts, {bucket(seconds): 1})
    return counts


@given(st.lists(DURATIONS, min_size=1), st.floats(0.01, 1.0))
def test_a_quantile_is_within_5_percent_of_that_of_all_durations(durations: list[float], share: float) -> None:
    exact = sorted(durations)[math.ceil(share * len(durations)) - 1]
    found = quantile(counts_of(durations), share)
    assert found is not None
    assert abs(found - exact) <= max(exact * 0.05, 0.001)


@given(st.lists(DURATIONS), st.lists(DURATIONS))
def test_merging_is_counting_together(one: list[float], two: list[float]) -> None:
    together = counts_of(one)
    merge(together, counts_of(two))
    assert together == counts_of(one + two)


@given(st.lists(DURATIONS))
def test_what_is_packed_is_unpacked(durations: list[float]) -> None:
    assert unpack(pack(counts_of(durations))) == counts_of(durations)


def test_there_is_no_quantile_of_nothing_and_no_bucket_below_zero() -> None:
    assert quantile({}, 0.5) is None
    assert (bucket(0.0), bucket(0.0009), bucket(0.001), bucket(1e300)) == (0, 0, 1, 7000)
    assert quantile({0: 3}, 0.99) == 0.0

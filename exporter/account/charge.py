"""What a query adds now: the difference between what it has come to and what has been charged for it before.

The same query seen again charges nothing, one that grew charges its growth, and one whose engine took something back
charges nothing and keeps what was charged. So polls, retries, restarts and figures that still move after the end need
no special case.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator
from typing import NamedTuple

from exporter.catalogue import (
    FINGERPRINT_AMOUNTS,
    FINGERPRINT_QUERIES,
    FINGERPRINT_REPEATED,
    FINGERPRINT_REPEATED_CPU,
    HISTOGRAMS,
    QUERY_DURATION,
    QUERY_PEAK_MEMORY,
    QUERY_QUEUED,
    USER_AMOUNTS,
    USER_ERRORS,
    USER_LOST,
    USER_QUERIES,
    Metric,
    Series,
)
from exporter.query import Amounts, Outcome, Query


class Charged(NamedTuple):
    """What has been charged for one query."""

    user: str
    source: str
    """Both as label values: what the query is charged to."""
    outcome: str
    """Empty until the end has been counted."""
    amounts: Amounts
    lost: bool = False
    """True once the query has been counted as lost; its end may still be counted later."""


Gain = tuple[Series, float]
"""A series and what is added to it: at least zero; zero makes the series exist."""

_AMOUNTS = tuple((metric.name, Amounts._fields.index(metric.amount)) for metric in USER_AMOUNTS)
_FINGERPRINT_AMOUNTS = tuple((metric.name, Amounts._fields.index(metric.amount)) for metric in FINGERPRINT_AMOUNTS)
_BOUNDS = {metric.name: (*metric.buckets, float("inf")) for metric in HISTOGRAMS}
_LE = {metric.name: (*(repr(bound) for bound in metric.buckets), "+Inf") for metric in HISTOGRAMS}


_OBSERVED: dict[tuple[str, str], tuple[tuple[Series, ...], Series, Series]] = {
    (metric.name, outcome.value): (
        tuple((metric.name + "_bucket", (outcome.value, le)) for le in _LE[metric.name]),
        (metric.name + "_sum", (outcome.value,)),
        (metric.name + "_count", (outcome.value,)),
    )
    for metric in HISTOGRAMS
    for outcome in Outcome
}
"""By histogram and outcome: the series of its buckets, ascending, of its sum and of its count."""


def outcome_of(query: Query, canceled: Collection[str]) -> str:
    """Return how *query* ended, empty if it has not. *canceled*: the error names that mean canceled, not failed."""
    if not query.is_terminal:
        return ""
    if query.state == Outcome.FINISHED:
        return Outcome.FINISHED
    return Outcome.CANCELED if query.error_name in canceled else Outcome.FAILED


def charge(before: Charged | None, query: Query, user: str, source: str, outcome: str) -> Charged:
    """Return what will have been charged for *query* once this charge is committed.

    *outcome* is `outcome_of` the query. An end that was counted stays as it was; no amount ever shrinks.
    """
    if before is None:
        return Charged(user, source, outcome, _due(query.amounts, outcome, Amounts()))
    outcome = before.outcome or outcome
    return Charged(user, source, outcome, _due(query.amounts, outcome, before.amounts), before.lost)


def _due(amounts: Amounts, outcome: str, before: Amounts) -> Amounts:
    cpu, failed_cpu, input_bytes, input_rows, memory, queued, elapsed = amounts
    cpu = cpu if cpu > before[0] else before[0]
    if not outcome:
        failed_cpu = queued = elapsed = 0.0
    elif outcome != Outcome.FINISHED:
        failed_cpu = cpu
    return Amounts(
        cpu,
        failed_cpu if failed_cpu > before[1] else before[1],
        input_bytes if input_bytes > before[2] else before[2],
        input_rows if input_rows > before[3] else before[3],
        memory if memory > before[4] else before[4],
        queued if queued > before[5] else before[5],
        elapsed if elapsed > before[6] else before[6],
    )


def gains(
    before: Charged | None,
    after: Charged,
    query: Query,
    error_type: str,
    error_name: str,
    fingerprint: str,
    is_repeat: bool = False,
) -> Iterator[Gain]:
    """Yield what the step from *before* to *after* adds to which series; nothing if the two are alike.

    Of a histogram only the lowest bucket is named: `cumulate` does the rest, once for many queries.
    *error_type*, *error_name* (used if the query ended with an error) and *fingerprint* are label values. *is_repeat*:
    the text of the query had finished before.
    """
    owner = (after.user, after.source)
    ended = after.outcome and not (before and before.outcome)
    if ended:
        yield (USER_QUERIES.name, (*owner, after.outcome)), 1.0
        yield (FINGERPRINT_QUERIES.name, (fingerprint, after.outcome)), 1.0
        if after.outcome != Outcome.FINISHED:
            yield (USER_ERRORS.name, (*owner, after.outcome, error_type, error_name)), 1.0
        if is_repeat:
            yield (FINGERPRINT_REPEATED.name, (fingerprint,)), 1.0
            yield (FINGERPRINT_REPEATED_CPU.name, (fingerprint,)), after.amounts.cpu_seconds
        for metric, value in (
            (QUERY_DURATION, query.amounts.elapsed_seconds),
            (QUERY_QUEUED, query.amounts.queued_seconds),
            (QUERY_PEAK_MEMORY, query.peak_memory_bytes),
        ):
            yield from _observation(metric, after.outcome, value)
    charged = before.amounts if before else _NOTHING
    if after.amounts != charged:
        for metrics, labels in ((_AMOUNTS, owner), (_FINGERPRINT_AMOUNTS, (fingerprint,))):
            for name, index in metrics:
                gain = after.amounts[index] - charged[index]
                if gain > 0.0:
                    yield (name, labels), gain


_NOTHING = Amounts()


def _observation(metric: Metric, outcome: str, value: float) -> tuple[Gain, Gain, Gain]:
    buckets, total, count = _OBSERVED[metric.name, outcome]
    return (buckets[bisect_left(_BOUNDS[metric.name], value)], 1.0), (total, value), (count, 1.0)


def cumulate(totals: dict[Series, float]) -> None:
    """Make the buckets in *totals* cumulative, once all `gains` are in: an observation is in every bucket above it."""
    for buckets, _, _ in _OBSERVED.values():
        below = 0.0
        for bucket in buckets:
            below += totals.get(bucket, 0.0)
            if below:
                totals[bucket] = below


def loss(charged: Charged) -> tuple[Charged, Gain]:
    """Return what will have been charged once the query is counted as lost, and the gain of that."""
    return charged._replace(lost=True), ((USER_LOST.name, (charged.user, charged.source)), 1.0)


def owner_series(user: str, source: str) -> Iterator[Series]:
    """Yield the series that exist as soon as a user has been seen, so that their first gain can be seen as one."""
    for outcome in Outcome:
        yield USER_QUERIES.name, (user, source, outcome.value)
    yield USER_LOST.name, (user, source)
    for metric in USER_AMOUNTS:
        yield metric.name, (user, source)


def fingerprint_series(fingerprint: str) -> Iterator[Series]:
    """Yield the series that exist as soon as a fingerprint has series of its own."""
    for outcome in Outcome:
        yield FINGERPRINT_QUERIES.name, (fingerprint, outcome.value)
    for metric in (*FINGERPRINT_AMOUNTS, FINGERPRINT_REPEATED, FINGERPRINT_REPEATED_CPU):
        yield metric.name, (fingerprint,)


def histogram_series() -> Iterator[Series]:
    """Yield every series of the histograms: in each, buckets ascending, then sum and count."""
    for buckets, total, count in _OBSERVED.values():
        yield from buckets
        yield total
        yield count

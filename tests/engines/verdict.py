"""Whether `/metrics` agrees with the truth at the end of a trial. Pure: a server restarted once, and what was noted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.dialect import PRESTODB, PRESTOSQL, TRINO
from exporter.query import Outcome
from tests.engines import truth
from tests.engines.assembly import Engine
from tests.engines.exposition import Scrape
from tests.engines.truth import Fate, Sent
from tests.engines.workload import CUT_OFF, RESTLESS

QUERIES = "presto_user_queries_total"
ERRORS = "presto_user_query_errors_total"
LOST = "presto_user_queries_lost_total"
CPU = "presto_user_query_cpu_seconds_total"
IN_FLIGHT = "presto_user_queries_in_flight"

Verdict = tuple[str, Sequence[str]]
"""A property, and what speaks against it."""

_TAKEN_BACK = {
    "presto_user_query_input_rows_total": (PRESTOSQL, TRINO, PRESTODB),
    "presto_user_query_input_bytes_total": (PRESTODB,),
}
"""Amounts that these engines list too high until about 0.1 s after a query's end: while its stages are still asked one
by one, what stages read from each other counts as read, and the final figure does not have it. What was charged
stays, so /metrics may say more than the final figure."""


@dataclass(slots=True)
class Life:
    """What is known of one process of the server."""

    sent: list[Sent]
    rows: list[dict[str, Any]]
    """Its list when nothing ran any more."""
    completed: int
    failed: int
    """By its own counters, then."""
    scrape: Scrape
    """What /metrics said, then."""


def verdicts(engine: Engine, first: Life, second: Life, cut_off: Sequence[Sent]) -> Iterator[Verdict]:
    """Yield what must hold after the second of two lives of a server; *cut_off* was on its way at the end of the first.

    Queries that were cut off have a source of their own, so everything else must agree to the last one.
    """
    yield from _counts(second.scrape, [*first.sent, *second.sent])
    yield from _patterns(second.scrape, [*first.rows, *second.rows])
    yield from _amounts(engine, second.scrape, [*first.rows, *second.rows])
    yield from _losses(second.scrape, first, cut_off)
    yield from _cluster(engine, second)
    yield from _counters_of_the_server(first, second)


def _counts(scrape: Scrape, sent: Sequence[Sent]) -> Iterator[Verdict]:
    queries, errors = truth.queries(sent), truth.errors(sent)
    yield (
        f"queries: {queries.total()} of {len({key[0] for key in queries})} users, by user, source and outcome",
        truth.differences(queries, _without_cut_off(scrape.by(QUERIES, "user", "source", "outcome"))),
    )
    seen = _without_cut_off(scrape.by(ERRORS, "user", "source", "outcome", "error_type", "error_name"))
    yield f"errors: {errors.total()} of {len({key[4] for key in errors})} names", truth.differences(errors, seen)


def _patterns(scrape: Scrape, rows: Sequence[Mapping[str, Any]]) -> Iterator[Verdict]:
    """What was cut off is of the same few statements but in no row: each may be counted more often than its rows."""
    runs = truth.patterns(rows)
    seen = scrape.by("presto_fingerprint_queries_total", "fingerprint", "outcome")
    statements = len({fingerprint for fingerprint, _ in runs})
    yield (
        f"runs of {statements} statements, by fingerprint and outcome",
        truth.differences(runs, {key: value for key, value in seen.items() if key in runs}, truth.is_at_least),
    )


def _amounts(engine: Engine, scrape: Scrape, rows: Sequence[Mapping[str, Any]]) -> Iterator[Verdict]:
    for metric, expected in truth.amounts(rows).items():
        taken_back = engine.dialect in _TAKEN_BACK.get(metric, ())
        name = metric.removeprefix("presto_user_query_").removesuffix("_total").replace("_", " ")
        yield (
            f"{name}: {'at least ' * taken_back}{sum(expected.values()):.6g}, by user and source",
            truth.differences(
                expected,
                _without_cut_off(scrape.by(metric, "user", "source")),
                truth.is_at_least if taken_back else truth.is_close,
            ),
        )


def _losses(scrape: Scrape, first: Life, cut_off: Sequence[Sent]) -> Iterator[Verdict]:
    """Of queries on their way at the stop each is counted, lost or missed, and none of them twice."""
    fates = scrape.by(QUERIES, "user", "source", "outcome")
    fates |= {(*owner, "lost"): number for owner, number in scrape.by(LOST, "user", "source").items()}
    sent = Counter(each.user for each in cut_off)
    known: Counter[str] = Counter()
    problems = []
    for (user, source, fate), number in fates.items():
        if source != CUT_OFF:
            if fate == "lost" and number:
                problems.append(f"{user}, {source}: {number:g} lost that were not on their way")
            continue
        known[user] += int(number)
        if number and user != RESTLESS and fate not in (Outcome.FAILED, "lost"):
            problems.append(f"{user}: {number:g} {fate}")
    for user, number in sent.items():  # the last of the restless may have been in no list
        if known[user] > number or (known[user] < number and user != RESTLESS):
            problems.append(f"{user}: {known[user]} ended or lost of {number}")
    yield f"of {sent.total()} queries on their way at the stop, {known.total()} ended or lost, others are not", problems

    unseen = sent.total() - known.total()
    missed = scrape.total("presto_exporter_queries_missed_total")
    never = sum(each.fate is Fate.NEVER_FOLLOWED for each in first.sent)
    yield (
        f"missed: the {never} never followed, and of {unseen} unseen at the stop at most all",
        [] if never <= missed <= never + unseen else [f"{missed:g}"],
    )
    yield _is("presto_exporter_poll_gaps_total", scrape, 1)


def _cluster(engine: Engine, second: Life) -> Iterator[Verdict]:
    scrape = second.scrape
    told = list(scrape.by("presto_coordinator_info", "engine", "version"))
    own = (engine.dialect.engine, engine.version)
    yield f"the engine is {' '.join(own)}", [] if told == [own] else [str(told)]
    yield _is("presto_up", scrape, 1)
    yield _is("presto_exporter_visible_users", scrape, len({truth.owner(row)[0] for row in second.rows}))
    yield _is("presto_exporter_queries_listed", scrape, len(second.rows))
    yield _is("presto_exporter_records_rejected_total", scrape, 0)
    yield _is("presto_exporter_label_overflow_total", scrape, 0)
    yield _is(IN_FLIGHT, scrape, 0)
    per_outcome = scrape.by(QUERIES, "outcome")
    for name in ("presto_query_duration_seconds_count", "presto_fingerprint_queries_total"):
        yield f"{name} is the sum over users", truth.differences(per_outcome, scrape.by(name, "outcome"))


def _counters_of_the_server(first: Life, second: Life) -> Iterator[Verdict]:
    """CompletedQueries and FailedQueries of each life, against what was counted in it."""
    before: Mapping[tuple[str, ...], float] = {}
    for which, life in (("first", first), ("second", second)):
        counted = _without_cut_off(life.scrape.by(QUERIES, "user", "source", "outcome"))
        gained = {key: value - before.get(key, 0) for key, value in counted.items()}
        failed = sum(value for key, value in gained.items() if key[2] != Outcome.FINISHED)
        yield (
            f"the server's own counters ({which}): {life.completed} completed, {life.failed} of them failed",
            truth.differences(
                {("completed",): life.completed, ("failed",): life.failed},
                {("completed",): sum(gained.values()), ("failed",): failed},
            ),
        )
        before = counted


def _is(name: str, scrape: Scrape, value: float) -> Verdict:
    seen = scrape.total(name)
    return f"{name} is {value:g}", [] if seen == value else [f"{seen:g}"]


def _without_cut_off(by_owner: Mapping[tuple[str, ...], float]) -> dict[tuple[str, ...], float]:
    """Return what is left without the queries that were on their way at the stop; keys begin with user and source."""
    return {key: value for key, value in by_owner.items() if key[1] != CUT_OFF}

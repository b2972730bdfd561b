"""Whether a ledger's file can be right: it is whole, its rows belong together, and its totals agree with each other.

What must hold at every commit, of every version, whatever limits of labels were in force and whoever was forgotten:

- every query that ended is in one count of the histogram of durations, and in one of the fingerprints;
- it is in one count of the users, unless its user was forgotten;
- every query that failed or was canceled is in one count of the errors;
- what the queries that are remembered were charged is in the totals; older queries are in the totals only;
- the hours of a day that has been added up come to what the day came to, and no more than the totals.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterator

from exporter.account.cardinality import OTHER
from exporter.account.ledger_file import USAGE_SINCE, LedgerFile
from exporter.catalogue import (
    FINGERPRINT_AMOUNTS,
    FINGERPRINT_QUERIES,
    HISTOGRAMS,
    QUERY_DURATION,
    USER_COUNTERS,
    USER_ERRORS,
    USER_QUERIES,
    Series,
)
from exporter.query import Outcome

Totals = dict[Series, float]

MOST_FINDINGS = 20
"""Of each kind, so that a file that is all wrong does not fill the screen."""

_OF_USERS = frozenset(metric.name for metric in USER_COUNTERS)
_AMOUNTS = tuple(metric for metric in FINGERPRINT_AMOUNTS if metric.amount != "failed_cpu_seconds")
_ROUNDING = 1e-9
"""Relative: a total is rounded at each commit, what a query was charged is not."""


def audit(file: LedgerFile) -> Iterator[str]:
    """Yield what is wrong with the ledger in *file*, one line each; nothing if all is well."""
    try:
        damage = list(_damage(file.db))
        yield from damage
        if damage:  # rows of a broken file prove nothing
            return
        yield from _foreign_rows(file)
        for cluster, name in file.db.execute("SELECT id, name FROM cluster ORDER BY name").fetchall():
            totals: Totals = {}
            findings = [*_read_totals(file.db, cluster, totals), *_cluster(file, cluster, totals)]
            for finding in findings[:MOST_FINDINGS]:
                yield f'cluster "{name}": {finding}'
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        yield f"the file is damaged: {error}"


def _damage(db: sqlite3.Connection) -> Iterator[str]:
    for (line,) in db.execute(f"PRAGMA integrity_check({MOST_FINDINGS})"):
        if line != "ok":
            yield f"the file is damaged: {line}"


def _foreign_rows(file: LedgerFile) -> Iterator[str]:
    references = [(table, "cluster", "cluster", "id") for table in ("query", "series", "label_value")]
    if file.version >= USAGE_SINCE:
        for table, names in (("usage", ("user", "source", "place")), ("usage_error", ("user", "error"))):
            references.append((table, "cluster", "cluster", "id"))
            references.append((table, "fingerprint", "statement", "id"))
            references += [(table, name, "usage_name", "id") for name in names]
    for table, column, other, key in references:
        count = file.db.execute(
            f"SELECT count(*) FROM {table} WHERE {column} NOT IN (SELECT {key} FROM {other})"  # noqa: S608
        ).fetchone()[0]
        if count:
            yield f"{count:,} of {table} with a {column} that is not in {other}"
    count = file.db.execute(
        "SELECT count(*) FROM label_value WHERE label = 'fingerprint' "
        "AND value NOT IN (SELECT fingerprint FROM statement)"
    ).fetchone()[0]
    if count:
        yield f"{count:,} of label_value with a fingerprint that is not in statement"


def _read_totals(db: sqlite3.Connection, cluster: int, totals: Totals) -> Iterator[str]:
    """Put the cluster's series into *totals*, and yield those that no exporter writes."""
    users = {
        value
        for (value,) in db.execute("SELECT value FROM label_value WHERE cluster = ? AND label = 'user'", (cluster,))
    } | {"", OTHER}
    for name, text, total in db.execute("SELECT name, labels, total FROM series WHERE cluster = ?", (cluster,)):
        labels = _values(text)
        if labels is None:
            yield f"{name}: labels that are no list of texts"
        elif not isinstance(total, float) or not math.isfinite(total) or total < 0.0:
            yield f"{name}{list(labels)}: a total of {total}"
        elif name in _OF_USERS and labels[:1] and labels[0] not in users:
            yield f"{name}{list(labels)}: of a user who has no place"
        else:
            totals[name, labels] = total


def _values(text: str) -> tuple[str, ...] | None:
    try:
        values = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None
    return tuple(values) if isinstance(values, list) and all(isinstance(value, str) for value in values) else None


def _cluster(file: LedgerFile, cluster: int, totals: Totals) -> Iterator[str]:
    yield from _histograms(totals)
    counts = {outcome: totals.get((f"{QUERY_DURATION.name}_count", (outcome,)), 0.0) for outcome in Outcome}
    yield from _counts(totals, counts)
    yield from _errors(totals)
    yield from _remembered(file.db, cluster, totals, counts)
    if file.version >= USAGE_SINCE:
        yield from _usage(file.db, cluster, sum(counts.values()))


def _histograms(totals: Totals) -> Iterator[str]:
    for metric in HISTOGRAMS:
        for outcome in Outcome:
            ascending = [
                totals.get((f"{metric.name}_bucket", (outcome, le)), 0.0) for le in (*map(repr, metric.buckets), "+Inf")
            ]
            ascending.append(totals.get((f"{metric.name}_count", (outcome,)), 0.0))
            if ascending != sorted(ascending) or ascending[-1] != ascending[-2]:
                yield f"{metric.name}, {outcome}: buckets and count that do not belong together"
        counts = {outcome: totals.get((f"{metric.name}_count", (outcome,)), 0.0) for outcome in Outcome}
        if any(counts[one] != totals.get((f"{QUERY_DURATION.name}_count", (one,)), 0.0) for one in Outcome):
            yield f"{metric.name}: another count than {QUERY_DURATION.name}"


def _sum(totals: Totals, name: str, last: str | None = None) -> float:
    """Return the sum of the series of *name*, or of those whose last label is *last*."""
    return sum(
        total for (one, labels), total in totals.items() if one == name and (last is None or labels[-1:] == (last,))
    )


def _counts(totals: Totals, counts: dict[Outcome, float]) -> Iterator[str]:
    for outcome, count in counts.items():
        fingerprints = _sum(totals, FINGERPRINT_QUERIES.name, outcome)
        if fingerprints != count:
            yield f"{count:,.0f} queries {outcome}, but {fingerprints:,.0f} by fingerprint"
        users = _sum(totals, USER_QUERIES.name, outcome)
        if users > count:
            yield f"{count:,.0f} queries {outcome}, but {users:,.0f} by user"


def _errors(totals: Totals) -> Iterator[str]:
    errors: defaultdict[tuple[str, ...], float] = defaultdict(float)
    for (name, labels), total in totals.items():
        if name == USER_ERRORS.name:
            errors[labels[:3]] += total
    for (name, labels), total in totals.items():
        if name == USER_QUERIES.name:
            found = errors.pop(labels, 0.0)
            if found != (0.0 if labels[2:] == (Outcome.FINISHED,) else total):
                yield f"{name}{list(labels)}: {total:,.0f}, but {found:,.0f} errors"
    if errors:
        yield f"{USER_ERRORS.name}: {len(errors):,} owners and outcomes without queries"


def _remembered(db: sqlite3.Connection, cluster: int, totals: Totals, counts: dict[Outcome, float]) -> Iterator[str]:
    for outcome, number in db.execute(
        "SELECT outcome, count(*) FROM query WHERE cluster = ? AND outcome <> '' GROUP BY outcome", (cluster,)
    ):
        if outcome not in counts:
            yield f"{number:,} queries with an outcome that there is not"
        elif number > counts[outcome]:
            yield f"{number:,} queries remembered as {outcome}, but {counts[outcome]:,.0f} counted"
    for metric in _AMOUNTS:
        charged = db.execute(
            f"SELECT total({metric.amount}) FROM query WHERE cluster = ?",  # noqa: S608
            (cluster,),
        ).fetchone()[0]
        total = _sum(totals, metric.name)
        if charged > total * (1.0 + _ROUNDING) + 1e-3:
            yield f"{charged:,.3f} {metric.amount} charged to the queries remembered, but {total:,.3f} by fingerprint"


def _usage(db: sqlite3.Connection, cluster: int, ended: float) -> Iterator[str]:
    days = dict(
        db.execute(
            "SELECT start, sum(finished + failed + canceled) FROM usage WHERE cluster = ? AND days GROUP BY start",
            (cluster,),
        )
    )
    hours: defaultdict[int, int] = defaultdict(int)
    for start, queries in db.execute(
        "SELECT start - start % 86400, sum(finished + failed + canceled) FROM usage "
        "WHERE cluster = ? AND NOT days GROUP BY 1",
        (cluster,),
    ):
        hours[start] += queries
    for start in days.keys() & hours.keys():
        if days[start] != hours[start]:
            yield f"usage: {hours[start]:,} queries in the hours of the day {start}, but {days[start]:,} in the day"
    used = sum({**hours, **days}.values())
    if used > ended:
        yield f"usage of {used:,} queries, but {ended:,.0f} counted"
    count = db.execute(
        "SELECT count(*) FROM (SELECT days, start, sum(queries) AS errors FROM usage_error WHERE cluster = ? "
        "GROUP BY days, start) AS found LEFT JOIN (SELECT days, start, sum(failed + canceled) AS ended FROM usage "
        "WHERE cluster = ? GROUP BY days, start) AS used USING (days, start) WHERE errors > coalesce(ended, 0)",
        (cluster, cluster),
    ).fetchone()[0]
    if count:
        yield f"usage: {count:,} hours or days with more errors than queries that failed"

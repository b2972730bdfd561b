"""What is in a ledger, as text for people and as JSON for programs.

Names and addresses come from servers: whatever in them could steer a terminal is shown as an escape.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from exporter.account.ledger_file import ClusterSummary, Span, StoredSeries, Summary
from exporter.check.figures import number, plain, size


def to_text(summary: Summary) -> str:
    """Return *summary* as a block of lines for the file and one for each cluster."""
    lines = [
        plain(str(summary.path)),
        f"  size          {size(summary.file_bytes)}, {size(summary.free_bytes)} of it unused; "
        f"{size(summary.wal_bytes)} in its -wal",
        f"  version       {summary.version}",
        f"  fingerprints  {summary.fingerprints:,}",
    ]
    for cluster in summary.clusters:
        lines += ["", f"{plain(cluster.name)}  {plain(cluster.url)}"]
        lines += [f"  {name:<14}{value}" for name, value in _cluster(cluster)]
    if not summary.clusters:
        lines += ["", "no cluster yet"]
    return "\n".join(lines)


def _cluster(cluster: ClusterSummary) -> Iterator[tuple[str, str]]:
    last = "" if cluster.last_list is None else f", the last at {_time(cluster.last_list)}"
    yield "lists", f"{cluster.lists:,}{last}"
    yield (
        "queries",
        f"{cluster.queries:,} remembered, {cluster.listed:,} of them in the last list, {cluster.in_flight:,} in flight",
    )
    for name, query in (("oldest", cluster.oldest_query), ("newest", cluster.newest_query)):
        if query is not None:
            created = created_at(query)
            yield name, plain(query) + ("" if created is None else f", created {_time(created)}")
    yield "series", f"{cluster.series:,}, of {number(cluster.users, 'user')}"
    for name, unit, span in (("usage", "hour", cluster.hours), ("", "day", cluster.days)):
        yield name, "none by the " + unit if span is None else _span(span, unit)


def _span(span: Span, unit: str) -> str:
    return f"{number(span.rows, 'row')} by the {unit}, {_time(span.start)} to {_time(span.end)}"


def to_json(summary: Summary) -> str:
    """Return the same as one JSON object; times are Unix time."""
    told: dict[str, Any] = asdict(summary)
    told["path"] = str(summary.path)
    for cluster in told["clusters"]:
        for name in ("oldest_query", "newest_query"):
            query = cluster[name]
            cluster[name] = None if query is None else {"id": query, "created": created_at(query)}
        for name in ("hours", "days"):
            span = cluster[name]
            cluster[name] = None if span is None else span._asdict()
    return json.dumps(told, indent=2)


def series_to_json(series: StoredSeries) -> str:
    """Return one series as a JSON object on one line."""
    return json.dumps(series._asdict())


def created_at(query_id: str) -> float | None:
    """Return the Unix time with which *query_id* begins, None if it is of another form."""
    try:
        return datetime.strptime(query_id[:15], "%Y%m%d_%H%M%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _time(time: float) -> str:
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return "no day of this calendar"

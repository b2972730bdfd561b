"""What is answered: groups of queries with what they used, in base units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from exporter.report.question import Change, Question


class Measures(NamedTuple):
    """Sums over queries; the fields are question.MEASURES."""

    queries: int = 0
    finished: int = 0
    failed: int = 0
    canceled: int = 0
    cpu_seconds: float = 0.0
    failed_cpu_seconds: float = 0.0
    input_bytes: float = 0.0
    input_rows: float = 0.0
    memory_byte_seconds: float = 0.0
    queued_seconds: float = 0.0
    elapsed_seconds: float = 0.0
    repeated_queries: int = 0
    """Finished queries whose very same text had finished before within a day: what a cache or a table would save."""
    repeated_cpu_seconds: float = 0.0


class Percentiles(NamedTuple):
    """Seconds of ended queries, to 5 %; None where no query ended."""

    p50: float | None
    p95: float | None
    p99: float | None


class Statement(NamedTuple):
    """What a fingerprint stands for."""

    query_type: str
    template: str
    read: tuple[str, ...]
    """Tables, qualified by the sessions in which the statement ran."""
    written: tuple[str, ...]
    first_seen: float
    """Unix time; 0 if that was before this was kept."""


@dataclass(frozen=True, slots=True)
class Row:
    """One group."""

    name: str
    """Fingerprint, user, source, table, catalog, query type or cluster; ``other`` has what was folded or overflowed."""
    measures: Measures
    share: float
    """Of the whole of the ordering measure, 0 to 1; shares of tables and catalogs may add up to more than 1."""
    elapsed: Percentiles
    queued: Percentiles
    fingerprints: int
    """How many there are in the group; so many users, too."""
    users: int
    statement: Statement | None
    """If grouped by fingerprint."""
    before: Measures | None
    """In the window before, if compared; so is the change."""
    change: Change | None
    trend: tuple[float, ...]
    """The ordering measure, at the times of Report.trend; empty unless asked for."""
    read_queries: int = 0
    """If grouped by table or catalog: how many read it; and how many wrote it."""
    written_queries: int = 0


class Moment(NamedTuple):
    """One step of the trend over all groups."""

    start: float
    """Unix time."""
    measures: Measures


@dataclass(frozen=True, slots=True)
class Report:
    """The answer to a question."""

    question: Question
    start: float
    """Unix time from which queries are in it, up to *end*: whole hours, in windows over a week whole days (UTC)."""
    end: float
    step: float
    """Seconds of each moment of the trend."""
    total: Measures
    """Over all that the filters let through, also what *limit* cuts off."""
    total_before: Measures | None
    elapsed: Percentiles
    queued: Percentiles
    rows: tuple[Row, ...]
    groups: int
    """How many rows there are without limit and offset."""
    trend: tuple[Moment, ...]
    errors: tuple[tuple[str, int], ...]
    """Names of errors with the queries that ended with them, most first, at most 20."""
    folded_queries: int
    """Of all queries: those whose fingerprint, user or source is no longer kept apart."""
    clusters: tuple[str, ...]
    """All that have usage in the ledger, filtered or not."""
    oldest: float | None
    """Unix time from which usage is kept; None: there is none yet."""
    before: tuple[float, float] | None = None
    """Start and end of the window before, if compared: as long as what has passed of this one, to whole hours or days;
    it ends a little before this one starts where hours are no longer kept."""

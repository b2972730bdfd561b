"""Usage by the hour and by the day: what each charge adds to which cell, and which cells are folded when many are kept.

A cell is all that one user ran of one fingerprint from one source in one period. Every charge goes to the hour in
which its query ended, or in which it was seen to grow, so that the cells sum up to the users' counters. The hours of a
day are added up once the day is over; both are kept bounded, and what no longer fits is folded: the cheapest cells
lose their fingerprint first, then their source, then their user, and are counted as folded. What they add up to never
changes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from exporter.account.cardinality import OTHER
from exporter.account.charge import Charged
from exporter.account.distribution import Counts, bucket, merge
from exporter.query import Amounts, Outcome

HOUR = 3600
DAY = 86400
HOURS_KEPT = 7 * DAY
"""Seconds for which the hours of a day are kept once it has begun to age; days are kept for as long as configured."""
EXACT_FOR = DAY + HOUR
"""Seconds for which no cell of an hour is folded."""


class Period(NamedTuple):
    """An hour or a day of UTC."""

    days: int
    """0: an hour, 1: a day."""
    start: int
    """Unix time."""


class Key(NamedTuple):
    """What a cell is of, within its period. All are label values."""

    fingerprint: str
    user: str
    source: str
    place: str
    """The session's catalog and schema as JSON, where a statement names tables that need them; else empty."""


class ErrorKey(NamedTuple):
    """What a number of errors is of, within its period."""

    fingerprint: str
    user: str
    error: str


@dataclass(slots=True)
class Cell:
    """What the queries of one key came to in one period."""

    finished: int = 0
    failed: int = 0
    canceled: int = 0
    repeated: int = 0
    folded: int = 0
    cpu_seconds: float = 0.0
    failed_cpu_seconds: float = 0.0
    repeated_cpu_seconds: float = 0.0
    input_bytes: float = 0.0
    input_rows: float = 0.0
    memory_byte_seconds: float = 0.0
    queued_seconds: float = 0.0
    elapsed_seconds: float = 0.0
    queued_counts: Counts = field(default_factory=dict)
    elapsed_counts: Counts = field(default_factory=dict)

    @property
    def ended(self) -> int:
        """How many queries ended."""
        return self.finished + self.failed + self.canceled

    def add(self, other: Cell) -> None:
        """Add what *other* came to."""
        self.finished += other.finished
        self.failed += other.failed
        self.canceled += other.canceled
        self.repeated += other.repeated
        self.folded += other.folded
        self.cpu_seconds += other.cpu_seconds
        self.failed_cpu_seconds += other.failed_cpu_seconds
        self.repeated_cpu_seconds += other.repeated_cpu_seconds
        self.input_bytes += other.input_bytes
        self.input_rows += other.input_rows
        self.memory_byte_seconds += other.memory_byte_seconds
        self.queued_seconds += other.queued_seconds
        self.elapsed_seconds += other.elapsed_seconds
        merge(self.queued_counts, other.queued_counts)
        merge(self.elapsed_counts, other.elapsed_counts)

    def charge(self, before: Charged | None, after: Charged, is_repeat: bool) -> None:
        """Add what the step from *before* to *after* gains; *is_repeat*: its text had finished before."""
        cpu, failed_cpu, input_bytes, input_rows, memory, queued, elapsed = after.amounts
        was = before.amounts if before else _NOTHING
        self.cpu_seconds += cpu - was[0]
        self.failed_cpu_seconds += failed_cpu - was[1]
        self.input_bytes += input_bytes - was[2]
        self.input_rows += input_rows - was[3]
        self.memory_byte_seconds += memory - was[4]
        self.queued_seconds += queued - was[5]
        self.elapsed_seconds += elapsed - was[6]
        if after.outcome and not (before and before.outcome):
            if after.outcome == Outcome.FINISHED:
                self.finished += 1
            elif after.outcome == Outcome.CANCELED:
                self.canceled += 1
            else:
                self.failed += 1
            for counts, seconds in ((self.queued_counts, queued), (self.elapsed_counts, elapsed)):
                number = bucket(seconds)
                counts[number] = counts.get(number, 0) + 1
            if is_repeat:
                self.repeated += 1
                self.repeated_cpu_seconds += cpu


_NOTHING = Amounts()

Cells = dict[Key, Cell]
Errors = dict[ErrorKey, int]


@dataclass(slots=True)
class Page:
    """What is held of one period of one cluster, or added to it."""

    cells: Cells = field(default_factory=dict)
    errors: Errors = field(default_factory=dict)


def hour_of(time: float) -> Period:
    """Return the hour in which *time* falls."""
    return Period(0, int(time // HOUR) * HOUR)


def day_of(time: float) -> Period:
    """Return the day in which *time* falls."""
    return Period(1, int(time // DAY) * DAY)


def oldest_hour(now: float) -> int:
    """Return the start of the oldest hour that is kept: that of a day."""
    return day_of(now - HOURS_KEPT).start


def periods(time: float, now: float, days: Collection[int], days_kept: float) -> list[Period]:
    """Return the periods to which a charge at *time* is to be added; none if it is too old to be kept.

    *days*: the starts of the days that have been added up, whose sum a late charge must reach too.
    """
    time = min(time, now)
    day = day_of(time)
    if not days_kept or day.start < day_of(now - days_kept).start:
        return []
    if day.start < oldest_hour(now):
        return [day]
    return [hour_of(time), day] if day.start in days else [hour_of(time)]


def place_of(tables: Iterable[str], catalog: str, schema: str) -> str:
    """Return catalog and schema as JSON if one of *tables*, as written, needs them to be known; else nothing."""
    dots = [table.count(".") for table in tables]
    if not dots or min(dots) >= 2:
        return ""
    return _place(catalog, "" if min(dots) else schema)


@lru_cache(maxsize=1024)
def _place(catalog: str, schema: str) -> str:
    return json.dumps([catalog, schema], ensure_ascii=True)


def fold(page: Page, most: int) -> Page:
    """Return *page* with at most *most* cells, the cheapest folded, and at most as many errors."""
    cells = page.cells
    if len(cells) > most:
        dearest = sorted(cells, key=lambda key: (cells[key].cpu_seconds, cells[key].ended, key), reverse=True)
        folded: Callable[[Key], Key] = _without_user
        kept = most - 1
        for less in (_without_source, _without_fingerprint):
            left = most - len({less(key) for key in dearest})
            if left >= most // 2:
                folded, kept = less, left
        page = fold_where(page, dict.fromkeys(dearest[max(kept, 0) :]), folded)
    return Page(page.cells, _fold_errors(page.errors, most))


def fold_where(page: Page, chosen: Collection[Key], folded: Callable[[Key], Key] | None = None) -> Page:
    """Return *page* with the *chosen* cells folded: without their fingerprint, if nothing else is said."""
    folded = folded or _without_fingerprint
    cells: Cells = {}
    for key, cell in page.cells.items():
        if key in chosen:
            key = folded(key)
            cell.folded = cell.ended
        known = cells.get(key)
        if known is None:
            cells[key] = cell
        else:
            known.add(cell)
    pairs = {(key.fingerprint, key.user) for key in cells}
    users = {key.user for key in cells}
    errors: Errors = {}
    for error, queries in page.errors.items():
        if (error.fingerprint, error.user) not in pairs:
            error = ErrorKey(OTHER, error.user if error.user in users else OTHER, error.error)
        errors[error] = errors.get(error, 0) + queries
    return Page(cells, errors)


def _without_fingerprint(key: Key) -> Key:
    return Key(OTHER, key.user, key.source, "")


def _without_source(key: Key) -> Key:
    return Key(OTHER, key.user, OTHER, "")


def _without_user(_: Key) -> Key:
    return Key(OTHER, OTHER, OTHER, "")


def _fold_errors(errors: Errors, most: int) -> Errors:
    if len(errors) <= most:
        return errors
    ranked = sorted(errors, key=lambda key: (errors[key], key), reverse=True)
    kept = {key: errors[key] for key in ranked[: most - 1]}
    rest = ErrorKey(OTHER, OTHER, OTHER)
    kept[rest] = kept.get(rest, 0) + sum(errors[key] for key in ranked[most - 1 :])
    return kept


def total(pages: Iterable[Page]) -> Page:
    """Return what *pages* come to together; they are not to be used any more."""
    sums = Page()
    for page in pages:
        add(sums, page)
    return sums


def add(into: Page, page: Page) -> None:
    """Add *page* to *into*, which may keep parts of it."""
    for key, cell in page.cells.items():
        known = into.cells.get(key)
        if known is None:
            into.cells[key] = cell
        else:
            known.add(cell)
    for error, queries in page.errors.items():
        into.errors[error] = into.errors.get(error, 0) + queries


def dearest_fingerprints(costs: Mapping[str, tuple[float, int]], most: int, most_characters: int) -> set[str]:
    """Return which fingerprints to keep: the dearest, at most so many, with templates of at most so many characters.

    *costs*: the CPU seconds of each, and the characters of its template.
    """
    kept: set[str] = set()
    for fingerprint in sorted(costs, key=lambda one: (costs[one][0], one), reverse=True):
        most_characters -= costs[fingerprint][1]
        if len(kept) == most or most_characters < 0:
            break
        kept.add(fingerprint)
    return kept

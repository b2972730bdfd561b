"""Usage in the ledger's file: reading, writing and keeping bounded. The ledger calls this inside its transactions."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from exporter.account.cardinality import OTHER
from exporter.account.distribution import pack, unpack
from exporter.account.usage import DAY, EXACT_FOR, Cell, ErrorKey, Key, Page, Period, day_of, fold, oldest_hour, total


class Bounds(NamedTuple):
    """How much usage is kept."""

    kept: float = 90.0 * DAY
    """Seconds; 0: no usage at all."""
    cells_per_hour: int = 1000
    """Of each cluster, once the hour is a day old."""
    cells_per_day: int = 2000
    exact_cells: int = 20_000
    """Of each cluster in an hour that is younger; what comes on top is folded at once."""
    exact_characters: int = 1 << 24
    """Of templates that are new in such an hour."""
    fingerprints: int = 50_000
    """With usage that is older than a day, over all clusters; so many characters of templates, too."""
    characters: int = 1 << 26
    template: int = 16_000
    """Characters of a template that are kept."""


class Statement(NamedTuple):
    """What a fingerprint stands for."""

    query_type: str
    template: str
    read: tuple[str, ...]
    written: tuple[str, ...]


_SUMS = (
    "finished, failed, canceled, repeated, folded, cpu_seconds, failed_cpu_seconds, repeated_cpu_seconds, "
    "input_bytes, input_rows, memory_byte_seconds, queued_seconds, elapsed_seconds, queued_counts, elapsed_counts"
)
_PUT = f"INSERT OR REPLACE INTO usage VALUES ({', '.join('?' * 22)})"  # noqa: S608


def load(db: sqlite3.Connection, cluster: int, period: Period) -> Page:
    """Return what the file holds of *period*."""
    cells = {
        Key(*row[:4]): Cell(*_sums(row[4:]))
        for row in db.execute(
            f"SELECT statement.fingerprint, user.name, source.name, place.name, {_SUMS} FROM usage "  # noqa: S608
            "JOIN statement ON statement.id = usage.fingerprint JOIN usage_name AS user ON user.id = usage.user "
            "JOIN usage_name AS source ON source.id = usage.source JOIN usage_name AS place ON place.id = usage.place "
            "WHERE cluster = ? AND days = ? AND start = ?",
            (cluster, *period),
        )
    }
    errors = {
        ErrorKey(*row[:3]): row[3]
        for row in db.execute(
            "SELECT statement.fingerprint, user.name, error.name, queries FROM usage_error "
            "JOIN statement ON statement.id = usage_error.fingerprint "
            "JOIN usage_name AS user ON user.id = usage_error.user "
            "JOIN usage_name AS error ON error.id = usage_error.error "
            "WHERE cluster = ? AND days = ? AND start = ?",
            (cluster, *period),
        )
    }
    return Page(cells, errors)


def _sums(row: Sequence[Any]) -> list[Any]:
    return [*row[:-2], unpack(row[-2]), unpack(row[-1])]


def write(db: sqlite3.Connection, cluster: int, period: Period, page: Page) -> None:
    """Write these cells and errors of *period*; `put_statements` has written what their fingerprints stand for."""
    names = {name for key in page.cells for name in key[1:]} | {name for key in page.errors for name in key[1:]}
    db.executemany("INSERT OR IGNORE INTO usage_name (name) VALUES (?)", ((name,) for name in names))
    name_ids = _ids(db, "SELECT id FROM usage_name WHERE name = ?", names)
    fingerprints = {key.fingerprint for key in page.cells} | {key.fingerprint for key in page.errors}
    if OTHER in fingerprints:
        db.execute(
            "INSERT OR IGNORE INTO statement (fingerprint, query_type, template, read, written, first_seen) "
            "VALUES (?, '', '', '[]', '[]', ?)",
            (OTHER, period.start),
        )
    statement_ids = _ids(db, "SELECT id FROM statement WHERE fingerprint = ?", fingerprints)
    db.executemany(
        _PUT,
        (
            (
                cluster,
                *period,
                statement_ids[key.fingerprint],
                name_ids[key.user],
                name_ids[key.source],
                name_ids[key.place],
                cell.finished,
                cell.failed,
                cell.canceled,
                cell.repeated,
                cell.folded,
                cell.cpu_seconds,
                cell.failed_cpu_seconds,
                cell.repeated_cpu_seconds,
                cell.input_bytes,
                cell.input_rows,
                cell.memory_byte_seconds,
                cell.queued_seconds,
                cell.elapsed_seconds,
                pack(cell.queued_counts),
                pack(cell.elapsed_counts),
            )
            for key, cell in page.cells.items()
        ),
    )
    db.executemany(
        "INSERT OR REPLACE INTO usage_error VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            (cluster, *period, statement_ids[key.fingerprint], name_ids[key.user], name_ids[key.error], queries)
            for key, queries in page.errors.items()
        ),
    )


def _ids(db: sqlite3.Connection, select: str, names: Iterable[str]) -> dict[str, int]:
    """Return the numbers of *names*; looking each up once costs less than in every row."""
    return {name: db.execute(select, (name,)).fetchone()[0] for name in names}


def put_statements(
    db: sqlite3.Connection, statements: Mapping[str, Statement], now: float, longest: int = Bounds().template
) -> None:
    """Write what fingerprints stand for, where the file does not say so yet."""
    rows = [
        (fingerprint, one.query_type, _cut(one.template, longest), json.dumps(one.read), json.dumps(one.written), now)
        for fingerprint, one in statements.items()
    ]
    db.executemany(
        "INSERT INTO statement (fingerprint, query_type, template, read, written, first_seen) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (fingerprint) "
        # of version 1, which kept no tables
        "DO UPDATE SET read = excluded.read, written = excluded.written "
        "WHERE statement.first_seen = 0 AND (statement.read, statement.written) <> (excluded.read, excluded.written)",
        rows,
    )


def _cut(template: str, longest: int) -> str:
    return template if len(template) <= longest else template[: longest - 1] + "…"


def days_of(db: sqlite3.Connection, cluster: int) -> set[int]:
    """Return the starts of the days that have been added up."""
    return {start for (start,) in db.execute("SELECT DISTINCT start FROM usage WHERE cluster = ? AND days", (cluster,))}


def unfinished_days(db: sqlite3.Connection, cluster: int, now: float) -> list[int]:
    """Return the starts of the days that are over and have not been added up, though there was usage."""
    hours = db.execute(
        "SELECT DISTINCT start FROM usage WHERE cluster = ? AND days = 0 AND start < ?", (cluster, day_of(now).start)
    )
    return sorted({day_of(start).start for (start,) in hours} - days_of(db, cluster))


def add_up_day(db: sqlite3.Connection, cluster: int, day: int, most: int) -> None:
    """Write the day that begins at *day* as the sum of its hours, of at most *most* cells."""
    starts = db.execute(
        "SELECT DISTINCT start FROM usage WHERE cluster = ? AND days = 0 AND start >= ? AND start < ?",
        (cluster, day, day + DAY),
    ).fetchall()
    page = fold(total(load(db, cluster, Period(0, start)) for (start,) in starts), most)
    write(db, cluster, Period(1, day), page)


def crowded_hours(db: sqlite3.Connection, cluster: int, now: float, most: int) -> list[Period]:
    """Return the hours that are old enough to be folded and have more than *most* cells, or errors."""
    found = set()
    for table in ("usage", "usage_error"):
        rows = db.execute(
            f"SELECT start FROM {table} WHERE cluster = ? AND days = 0 AND start < ? "  # noqa: S608
            "GROUP BY start HAVING count(*) > ?",
            (cluster, now - EXACT_FOR, most),
        )
        found |= {Period(0, start) for (start,) in rows}
    return sorted(found)


def replace(db: sqlite3.Connection, cluster: int, period: Period, page: Page) -> None:
    """Write *page* in place of all that the file holds of *period*."""
    for table in ("usage", "usage_error"):
        db.execute(
            f"DELETE FROM {table} WHERE cluster = ? AND days = ? AND start = ?",  # noqa: S608
            (cluster, *period),
        )
    write(db, cluster, period, page)


def prune(db: sqlite3.Connection, cluster: int, now: float, kept: float) -> None:
    """Delete the hours and days that are kept no longer."""
    for table in ("usage", "usage_error"):
        for days, before in ((0, oldest_hour(now)), (1, day_of(now - kept).start)):
            db.execute(
                f"DELETE FROM {table} WHERE cluster = ? AND days = ? AND start < ?",  # noqa: S608
                (cluster, days, before),
            )


def statements_held(db: sqlite3.Connection) -> tuple[int, int]:
    """Return how many statements the file holds, and of how many characters."""
    count, characters = db.execute("SELECT count(*), coalesce(sum(length(template)), 0) FROM statement").fetchone()
    return count, characters


def costs(db: sqlite3.Connection) -> dict[str, tuple[float, int]]:
    """Return of each fingerprint with usage its CPU seconds and the characters of its template."""
    return {
        fingerprint: (cpu, characters)
        for fingerprint, cpu, characters in db.execute(
            "SELECT statement.fingerprint, used.cpu, length(template) FROM statement JOIN "
            "(SELECT fingerprint, sum(cpu_seconds) AS cpu FROM usage GROUP BY fingerprint) AS used "
            "ON used.fingerprint = statement.id"
        )
    }


def periods_with(db: sqlite3.Connection, fingerprints: Iterable[str], now: float) -> list[tuple[int, Period]]:
    """Return the clusters and their periods, of those old enough to be folded, that have one of *fingerprints*."""
    db.execute("CREATE TEMP TABLE IF NOT EXISTS chosen (id INTEGER PRIMARY KEY)")
    db.execute("DELETE FROM chosen")
    db.executemany(
        "INSERT INTO chosen SELECT id FROM statement WHERE fingerprint = ?", ((one,) for one in fingerprints)
    )
    rows = db.execute(
        "SELECT DISTINCT cluster, days, start FROM usage WHERE fingerprint IN (SELECT id FROM chosen) AND start < ?",
        (now - EXACT_FOR,),
    ).fetchall()
    return [(cluster, Period(days, start)) for cluster, days, start in rows]


def collect(db: sqlite3.Connection) -> None:
    """Delete the statements and names that nothing refers to any more."""
    db.execute(
        "DELETE FROM statement WHERE id NOT IN (SELECT fingerprint FROM usage) "
        "AND id NOT IN (SELECT fingerprint FROM usage_error) "
        "AND fingerprint NOT IN (SELECT value FROM label_value WHERE label = 'fingerprint')"
    )
    db.execute(
        "DELETE FROM usage_name WHERE id NOT IN (SELECT user FROM usage) AND id NOT IN (SELECT source FROM usage) "
        "AND id NOT IN (SELECT place FROM usage) AND id NOT IN (SELECT user FROM usage_error) "
        "AND id NOT IN (SELECT error FROM usage_error)"
    )

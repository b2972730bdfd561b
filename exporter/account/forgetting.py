"""Taking a user or a cluster out of a ledger for good, while no exporter uses it.

Queries of a forgotten user that the file remembers stay, without the user: were they taken out, those that their
coordinator lists still would be counted a second time, for their fingerprint and in the histograms. What remains shows
what it showed before, and once its coordinator lists them no longer, they are deleted like all others.

What was folded into ``other`` before cannot be told from the rest, and stays.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from exporter.account import usage_rows
from exporter.account.cardinality import OTHER, Labels
from exporter.account.ledger import Ledger
from exporter.catalogue import USER_COUNTERS
from exporter.errors import ExporterError, LedgerUnusableError

_OF_USERS = tuple(metric.name for metric in USER_COUNTERS)


class Forgotten(NamedTuple):
    """What was taken out."""

    series: int
    queries: int
    usage_rows: int
    listed: int
    """Of the queries, those that were in their coordinator's last list: while they are, the user's name comes back."""


def forget_user(path: str | Path, user: str, cluster: str | None = None) -> Forgotten:
    """Take *user* out of the ledger at *path*: out of *cluster*, or of all of them.

    Raises LedgerUnusableError if the file cannot be used, as while an exporter has it; ExporterError if there is no
    such user or cluster.
    """
    value = Labels({"user": 1}, ()).show("user", user).value
    if value in ("", OTHER):
        raise ExporterError(f'user "{value}": stands for everybody without a series of their own; name one user')
    with _opened(path) as db, _transaction(path, db):
        sums = [_forget_user(db, number, value) for number in _clusters(db, path, cluster)]
        found = Forgotten(*map(sum, zip(*sums, strict=True))) if sums else Forgotten(0, 0, 0, 0)
        if not any(found):
            raise ExporterError(f"{path}: holds nothing of that user; name them as the label `user` does")
        usage_rows.collect(db)
    return found


def forget_cluster(path: str | Path, cluster: str) -> Forgotten:
    """Take all of *cluster* out of the ledger at *path*. Raises like `forget_user`."""
    with _opened(path) as db, _transaction(path, db):
        (number,) = _clusters(db, path, cluster)
        listed = _count(db, "SELECT count(*) FROM query WHERE cluster = ? AND last_listed IS NULL", number)
        counts = {
            table: db.execute(f"DELETE FROM {table} WHERE cluster = ?", (number,)).rowcount  # noqa: S608
            for table in ("series", "query", "usage", "usage_error", "label_value")
        }
        db.execute("DELETE FROM cluster WHERE id = ?", (number,))
        usage_rows.collect(db)
    return Forgotten(counts["series"], counts["query"], counts["usage"] + counts["usage_error"], listed)


def _clusters(db: sqlite3.Connection, path: str | Path, name: str | None) -> list[int]:
    rows = db.execute("SELECT id FROM cluster WHERE name = coalesce(?, name)", (name,)).fetchall()
    if not rows and name is not None:
        raise ExporterError(f"{path}: holds no cluster of that name; `ledger show` has their names")
    return [number for (number,) in rows]


def _forget_user(db: sqlite3.Connection, cluster: int, user: str) -> tuple[int, int, int, int]:
    names = ", ".join("?" * len(_OF_USERS))
    series = [
        number
        for number, labels in db.execute(
            f"SELECT id, labels FROM series WHERE cluster = ? AND name IN ({names})",  # noqa: S608
            (cluster, *_OF_USERS),
        )
        if json.loads(labels)[0] == user
    ]
    db.executemany("DELETE FROM series WHERE id = ?", ((number,) for number in series))
    db.execute("DELETE FROM label_value WHERE cluster = ? AND label = 'user' AND value = ?", (cluster, user))
    listed = _count(
        db, "SELECT count(*) FROM query WHERE cluster = ? AND user = ? AND last_listed IS NULL", cluster, user
    )
    # Lost: who was forgotten is not missed, or a series of a user without a name would say so.
    queries = db.execute(
        "UPDATE query SET user = '', source = '', lost = (lost OR outcome = '') WHERE cluster = ? AND user = ?",
        (cluster, user),
    ).rowcount
    usage = sum(
        db.execute(
            f"DELETE FROM {table} WHERE cluster = ? AND user = (SELECT id FROM usage_name WHERE name = ?)",  # noqa: S608
            (cluster, user),
        ).rowcount
        for table in ("usage", "usage_error")
    )
    return len(series), queries, usage, listed


def _count(db: sqlite3.Connection, sql: str, *parameters: object) -> int:
    count: int = db.execute(sql, parameters).fetchone()[0]
    return count


@contextmanager
def _opened(path: str | Path) -> Iterator[sqlite3.Connection]:
    """Have the ledger to ourselves, brought to the version of today; leave nothing deleted in its unused space."""
    if not Path(path).exists():
        raise LedgerUnusableError(f"{path}: no such file; name a ledger")
    with (
        closing(Ledger(path)),  # its lock, its checks, its migrations
        closing(sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, isolation_level=None)) as db,
    ):
        db.execute("PRAGMA secure_delete = ON")
        yield db
        try:
            db.execute("VACUUM")
            if db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                raise sqlite3.OperationalError("another process reads it")
        except sqlite3.Error as error:
            raise ExporterError(
                f"{path}: forgotten, but unused space of the file may still hold traces ({error}); free as much disk "
                "as the file takes, and run the SQL command VACUUM on it"
            ) from None


@contextmanager
def _transaction(path: str | Path, db: sqlite3.Connection) -> Iterator[None]:
    try:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("COMMIT")
    except sqlite3.Error as error:
        raise ExporterError(f"{path}: nothing was forgotten ({error}); see to the file and its disk") from None

"""A ledger's file, read beside the exporter that writes it: what is in it, every total, and a copy of it.

Nothing here takes the ledger's lock or writes to its file. All that is read through one `LedgerFile` is of one commit.
Files of every earlier version are read as they are.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple
from urllib.parse import quote

from exporter.account.ledger import APPLICATION_ID, MIGRATIONS
from exporter.account.usage import DAY, HOUR
from exporter.catalogue import CATALOGUE, CLUSTER, HISTOGRAMS
from exporter.errors import ExporterError, LedgerReadError, LedgerUnusableError

USAGE_SINCE = 2
"""Version of the file that brought usage by the hour and by the day."""

_UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
"""The latter where SQLite's message quotes a damaged file."""

_WAIT_SECONDS = 10.0
_UNWRITABLE = {"SQLITE_READONLY_DIRECTORY", "SQLITE_READONLY_CANTINIT", "SQLITE_READONLY_RECOVERY", "SQLITE_CANTOPEN"}
"""What SQLite says where it cannot make the files that readers and writers meet in."""


class Span(NamedTuple):
    """Rows of usage, and from when to when they are, Unix time."""

    rows: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ClusterSummary:
    """What is held of one cluster."""

    name: str
    url: str
    lists: int
    """Good lists so far."""
    last_list: float | None
    """Unix time."""
    queries: int
    """That are remembered, so that they are not counted again."""
    listed: int
    """Of those, in the last list."""
    in_flight: int
    oldest_query: str | None
    newest_query: str | None
    """Ids, which begin with the time of creation."""
    users: int
    """That have series of their own."""
    series: int
    hours: Span | None
    days: Span | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What is in a ledger."""

    path: Path
    version: int
    file_bytes: int
    wal_bytes: int
    """Of the file beside it, with what was committed last."""
    free_bytes: int
    """Of the file: what the next rows are written into."""
    fingerprints: int
    """Whose templates are kept."""
    clusters: tuple[ClusterSummary, ...]


class StoredSeries(NamedTuple):
    """One counter series as the file has it."""

    name: str
    labels: dict[str, str]
    """The cluster's among them."""
    total: float
    born: float
    """Unix time of its first commit."""
    shown: bool
    """False while it shows 0 still."""


class LedgerFile:
    """A ledger's file as of one commit; a context. Other processes may write to it meanwhile."""

    def __init__(self, path: str | Path) -> None:
        """Open the ledger at *path* for reading.

        Raises LedgerUnusableError if that is no ledger, or one of a newer version, LedgerReadError if it cannot be
        read.
        """
        self.path = Path(path)
        try:
            with self.path.open("rb") as file:
                start = file.read(16)
        except OSError as error:
            reason = (error.strerror or "unreadable").lower()
            raise LedgerUnusableError(f"{self.path}: {reason}; name a ledger that we can read") from None
        if start != b"SQLite format 3\0":
            raise LedgerUnusableError(f"{self.path}: not a ledger, nor any SQLite file; name another file")
        try:
            self.db = self._connect()
        except _UNREADABLE as error:
            raise self.failure(error) from None
        try:
            self.version = self._version()
        except BaseException:
            self.db.close()
            raise

    def __enter__(self) -> LedgerFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.db.close()
        if isinstance(error, _UNREADABLE):
            raise self.failure(error) from None

    def failure(self, error: Exception) -> LedgerReadError:
        """Return what to tell of *error*."""
        return LedgerReadError(f"{self.path}: cannot be read ({error}); see to the file and its disk, or use a backup")

    def _connect(self) -> sqlite3.Connection:
        try:
            return self._begin("mode=ro")
        except sqlite3.Error as error:
            is_at_rest = not self.path.with_name(self.path.name + "-wal").exists()
            if error.sqlite_errorname in _UNWRITABLE and is_at_rest:
                return self._begin("immutable=1")  # a backup on a read-only disk
            raise

    def _begin(self, mode: str) -> sqlite3.Connection:
        db = sqlite3.connect(
            f"file:{quote(str(self.path))}?{mode}", uri=True, timeout=_WAIT_SECONDS, isolation_level=None
        )
        try:
            db.execute("PRAGMA query_only = ON")
            db.execute("PRAGMA temp_store = MEMORY")
            db.execute("BEGIN")
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()  # what is read from now on is of one commit
        except BaseException:
            db.close()
            raise
        return db

    def _version(self) -> int:
        application = self.db.execute("PRAGMA application_id").fetchone()[0]
        if application != APPLICATION_ID:
            raise LedgerUnusableError(f"{self.path}: an SQLite file of another program; name another file")
        version: int = self.db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise LedgerUnusableError(
                f"{self.path}: written by a newer exporter (version {version} of the file, this one knows "
                f"{len(MIGRATIONS)}); use that one"
            )
        return version

    def summary(self) -> Summary:
        """Return what is in it."""
        db = self.db
        page = db.execute("PRAGMA page_size").fetchone()[0]
        wal = 0
        with suppress(OSError):
            wal = self.path.with_name(self.path.name + "-wal").stat().st_size
        return Summary(
            path=self.path,
            version=self.version,
            file_bytes=page * db.execute("PRAGMA page_count").fetchone()[0],
            wal_bytes=wal,
            free_bytes=page * db.execute("PRAGMA freelist_count").fetchone()[0],
            fingerprints=db.execute("SELECT count(*) FROM statement").fetchone()[0],
            clusters=tuple(
                self._cluster(*row)
                for row in db.execute(
                    f"SELECT id, {_text('name')}, {_text('url')}, {_number('lists')}, CAST(listed AS REAL) "  # noqa: S608
                    "FROM cluster ORDER BY name"
                ).fetchall()
            ),
        )

    def _cluster(self, cluster: int, name: str, url: str, lists: int, last_list: float | None) -> ClusterSummary:
        db = self.db
        queries, listed, in_flight, oldest, newest = db.execute(
            "SELECT count(*), count(*) FILTER (WHERE last_listed IS NULL), "
            "count(*) FILTER (WHERE outcome = '' AND NOT lost), CAST(min(id) AS TEXT), CAST(max(id) AS TEXT) "
            "FROM query WHERE cluster = ?",
            (cluster,),
        ).fetchone()
        users = db.execute(
            "SELECT count(*) FROM label_value WHERE cluster = ? AND label = 'user'", (cluster,)
        ).fetchone()[0]
        return ClusterSummary(
            name,
            url,
            lists,
            last_list,
            queries,
            listed,
            in_flight,
            oldest,
            newest,
            users,
            db.execute("SELECT count(*) FROM series WHERE cluster = ?", (cluster,)).fetchone()[0],
            self._span(cluster, 0, HOUR),
            self._span(cluster, 1, DAY),
        )

    def _span(self, cluster: int, days: int, seconds: int) -> Span | None:
        if self.version < USAGE_SINCE:
            return None
        rows, start, end = self.db.execute(
            f"SELECT count(*), {_number('min(start)')}, {_number('max(start)')} FROM usage "  # noqa: S608
            "WHERE cluster = ? AND days = ?",
            (cluster, days),
        ).fetchone()
        return Span(rows, start, end + seconds) if rows else None

    def series(self) -> Iterator[StoredSeries]:
        """Yield every counter series, by cluster and name. Raises LedgerReadError if one is none of an exporter's."""
        for cluster, name, values, total, born, shown in self.db.execute(
            f"SELECT {_text('cluster.name')}, series.name, {_text('labels')}, CAST(total AS REAL), "  # noqa: S608
            f"CAST(born AS REAL), {_number('shown')} FROM series "
            "JOIN cluster ON cluster.id = series.cluster ORDER BY cluster.name, series.name, labels"
        ):
            try:
                labels = dict(zip(_LABELS[name], json.loads(values), strict=True))
            except (KeyError, TypeError, ValueError, RecursionError):
                raise LedgerReadError(
                    f"{self.path}: has a series that no exporter writes; see what ledger verify says, or use a backup"
                ) from None
            yield StoredSeries(name, {CLUSTER: cluster, **labels}, total, born, bool(shown))

    def copy_to(self, target: Path) -> None:
        """Write a copy as of now to *target*, which must not be there, for its owner only.

        It is one file, and on the disk when this returns. Raises ExporterError, and nothing is left, if it cannot be
        made.
        """
        leftovers = [target.with_name(target.name + suffix) for suffix in ("", "-wal", "-journal")]
        for path in leftovers:
            if os.path.lexists(path):
                raise ExporterError(f"{path}: there already; name a file that is not")
        # In the same folder: taking the name is then one step, and half a copy never has it.
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            try:
                self._copy(draft)
                os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                draft.replace(target)
                _sync(target)
                _sync(target.parent)
            finally:
                draft.unlink(missing_ok=True)
        except FileExistsError as error:
            raise ExporterError(f"{error.filename}: there already; name a file that is not") from None
        except OSError as error:
            reason = (error.strerror or "cannot be written").lower()
            raise ExporterError(f"{target}: {reason}; name a file in a folder that can be written") from None

    def _copy(self, draft: Path) -> None:
        try:
            with closing(sqlite3.connect(draft, isolation_level=None)) as copy:
                self.db.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.Error as error:
            raise ExporterError(f"{draft.parent}: no copy was made ({error}); see that the disk has room") from None


def _text(column: str) -> str:
    """Return SQL for a text, whatever a damaged row has there: SQLite's columns hold values of any type."""
    return f"coalesce(CAST({column} AS TEXT), '')"


def _number(column: str) -> str:
    """Return SQL for a whole number, likewise."""
    return f"coalesce(CAST({column} AS INTEGER), 0)"


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


_LABELS = {metric.name: metric.labels[1:] for metric in CATALOGUE}
for _metric in HISTOGRAMS:
    for _part, _more in (("_bucket", ("le",)), ("_sum", ()), ("_count", ())):
        _LABELS[_metric.name + _part] = (*_metric.labels[1:], *_more)

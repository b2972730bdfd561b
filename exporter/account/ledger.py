"""The ledger: an SQLite file that holds what has been charged per query id, and the totals of the series.

One transaction writes both, with full synchronisation, so that a process killed at any instant finds after its restart
either all of a commit or nothing of it. A commit writes totals and charges as they shall be, not as differences: one
whose success is not known can be repeated.

What is shown has been committed before: `Ledger.commit` hands out the series that it changed only once it succeeded.
One process per ledger: a lock beside the file, held for as long as the ledger is open.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import takewhile
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from exporter.account import usage_rows
from exporter.account.cardinality import OTHER
from exporter.account.charge import Charged
from exporter.account.completeness import coordinator_of
from exporter.account.usage import HOUR, Cell, Key, Page, Period, day_of, dearest_fingerprints, fold, fold_where
from exporter.account.usage_rows import Bounds, Statement
from exporter.catalogue import FINGERPRINT, FINGERPRINT_COUNTERS, Series
from exporter.errors import LedgerBusyError, LedgerUnusableError
from exporter.query import Amounts

APPLICATION_ID = 0x50514558
"""``PQEX`` in the header of the file: tells a ledger from any other SQLite database."""

MIGRATIONS: tuple[str, ...] = ("schema.sql", "schema_2.sql")
"""Scripts that lead from each version of the file to the next; their number is the version of today."""

DECIMALS = 6
"""Of every total. Seconds come in microseconds, bytes and rows are whole, so rounding the sum keeps it the sum of the
decimals, which no order of additions changes."""

_OF_FINGERPRINTS = frozenset(metric.name for metric in FINGERPRINT_COUNTERS)

_LOCK_WAIT_SECONDS = 1.0
_IDS_PER_SELECT = 500


class Unlisted(NamedTuple):
    """A query that its coordinator no longer lists."""

    last_listed: float
    lists: int
    """Good lists of the cluster up to the one that had it last."""


@dataclass(slots=True)
class Total:
    """What a series has come to."""

    id: int
    value: float
    born: float
    shown: bool
    """False while the series still shows 0, so that its first gain can be seen as one."""


@dataclass(slots=True)
class Book:
    """What the ledger holds for one cluster, as of the last commit."""

    id: int
    lists: int
    listed_at: float | None
    memo: str
    label_values: list[tuple[str, str]]
    """But for retired fingerprints."""
    listed: dict[str, Charged]
    """By id: the queries of the last list."""
    absent: dict[str, tuple[Charged, Unlisted]]
    """By id: queries that were in flight when last listed and have not been counted as lost."""
    totals: dict[Series, Total]
    statements: dict[str, Statement] = field(default_factory=dict)
    """By fingerprint: those that have series of their own in this cluster."""
    hidden: dict[Series, float] = field(default_factory=dict)
    """Series that show 0 still, with the times of their birth, oldest first."""
    seen: dict[str, float] = field(default_factory=dict)
    """By fingerprint with series: when it was last met, to the day."""
    retired: set[str] = field(default_factory=set)
    """Fingerprints whose series are shown no more; their totals stay in the file."""
    days: set[int] = field(default_factory=set)
    """Starts of the days whose usage has been added up."""
    pages: dict[Period, Page] = field(default_factory=dict)
    """Usage of the periods that commits write to; older ones are read again when they are needed."""
    new_characters: dict[Period, int] = field(default_factory=dict)
    """Of templates that came with each of these periods."""


@dataclass(slots=True)
class Entry:
    """What one commit shall write."""

    lists: int
    listed_at: float | None
    memo: str
    charged: dict[str, tuple[Charged, Unlisted | None]] = field(default_factory=dict)
    """By id: queries whose charge changed, or that are new. None: in the last list."""
    appeared: int = 0
    """How many of `charged` the ledger did not know."""
    listed_again: dict[str, Charged] = field(default_factory=dict)
    unlisted: dict[str, Unlisted] = field(default_factory=dict)
    gains: dict[Series, float] = field(default_factory=dict)
    label_values: list[tuple[str, str]] = field(default_factory=list)
    statements: dict[str, Statement] = field(default_factory=dict)
    usage: dict[Period, Page] = field(default_factory=dict)
    """What is added to which period; `statements` has all fingerprints in it."""
    seen: dict[str, float] = field(default_factory=dict)
    """Fingerprints with series that were met, with the time."""
    forget: list[tuple[str | None, float, int]] = field(default_factory=list)
    """Coordinator (None: any), and the time and the number of lists up to which an id must have been listed last."""


_AMOUNTS = ", ".join(Amounts._fields)
_CHARGED = f"user, source, outcome, lost, {_AMOUNTS}"
_PUT_QUERY = (
    f"INSERT OR REPLACE INTO query (cluster, id, coordinator, {_CHARGED}, last_listed, lists) "  # noqa: S608
    f"VALUES ({', '.join('?' * (9 + len(Amounts._fields)))})"
)


class Ledger:
    """The open ledger. Safe for several threads; raises LedgerBusyError where a later try may succeed."""

    def __init__(self, path: str | Path, bounds: Bounds = Bounds()) -> None:  # noqa: B008
        """Open the ledger at *path*, made if there is none; keep usage within *bounds*.

        Raises LedgerUnusableError, the file unchanged, if it is not a ledger, or of a newer version, corrupt,
        read-only, or in use by another process.
        """
        self.path = Path(path)
        self.bounds = bounds
        self._collected = 0
        self._mutex = threading.RLock()
        self._lock = _take_lock(self.path)
        try:
            self._db = _open(self.path)
            self._queries: int = self._db.execute("SELECT count(*) FROM query").fetchone()[0]
        except BaseException:
            os.close(self._lock)
            raise

    def close(self) -> None:
        """Close the file and let another process have it."""
        with self._mutex:
            self._db.close()
            os.close(self._lock)

    def name_at(self, url: str) -> str | None:
        """Return the name of the cluster that was last seen at *url*, None if there is none."""
        with self._transaction():
            row = self._db.execute("SELECT name FROM cluster WHERE url = ? ORDER BY listed DESC", (url,)).fetchone()
        return row[0] if row else None

    def open_book(self, name: str, url: str) -> Book:
        """Return what is held for the cluster *name*, which is at *url* now (no credentials in it).

        Raises LedgerUnusableError if that is nothing that an exporter writes.
        """
        try:
            return self._open_book(name, url)
        except (TypeError, ValueError, LookupError, RecursionError):  # SQLite's columns hold values of any type
            raise LedgerUnusableError(
                f"ledger.path: {self.path} is damaged: it holds what no exporter writes; restore it from a backup, or "
                "name another file and start counting anew"
            ) from None

    def _open_book(self, name: str, url: str) -> Book:
        with self._transaction():
            db = self._db
            db.execute(
                "INSERT INTO cluster (name, url) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET url = excluded.url",
                (name, url),
            )
            cluster, lists, listed_at, memo = db.execute(
                "SELECT id, lists, listed, memo FROM cluster WHERE name = ?", (name,)
            ).fetchone()
            label_values = []
            seen: dict[str, float] = {}
            retired: set[str] = set()
            for label, value, last_seen, is_retired in db.execute(
                "SELECT label, value, seen, retired FROM label_value WHERE cluster = ?", (cluster,)
            ):
                if is_retired:
                    retired.add(value)
                    continue
                label_values.append((label, value))
                if label == FINGERPRINT:
                    seen[value] = last_seen
            listed: dict[str, Charged] = {}
            absent: dict[str, tuple[Charged, Unlisted]] = {}
            for row in db.execute(
                f"SELECT id, last_listed, lists, {_CHARGED} FROM query "  # noqa: S608
                "WHERE cluster = ? AND (last_listed IS NULL OR (outcome = '' AND NOT lost))",
                (cluster,),
            ):
                if row[1] is None:
                    listed[row[0]] = _charged(row[3:])
                else:
                    absent[row[0]] = (_charged(row[3:]), Unlisted(row[1], row[2]))
            statements = {
                fingerprint: Statement(query_type, template, tuple(json.loads(read)), tuple(json.loads(written)))
                for fingerprint, query_type, template, read, written in db.execute(
                    "SELECT fingerprint, query_type, template, read, written FROM statement "
                    "JOIN label_value ON value = fingerprint "
                    "WHERE label = 'fingerprint' AND cluster = ? AND NOT retired",
                    (cluster,),
                )
            }
            book = Book(
                cluster,
                lists,
                listed_at,
                memo,
                label_values,
                listed,
                absent,
                {},
                statements,
                seen=seen,
                retired=retired,
                days=usage_rows.days_of(db, cluster),
            )
            names: dict[str, str] = {}  # one object per text: a value is in many series
            for series_id, sample, labels, total, born, shown in db.execute(
                "SELECT id, name, labels, total, born, shown FROM series WHERE cluster = ? ORDER BY id", (cluster,)
            ):
                series = (
                    names.setdefault(sample, sample),
                    tuple(names.setdefault(value, value) for value in json.loads(labels)),
                )
                if retired and series[0] in _OF_FINGERPRINTS and series[1][0] in retired:
                    continue
                book.totals[series] = Total(series_id, float(total), float(born), bool(shown))
                if not shown:
                    book.hidden[series] = born
        return book

    def charged(self, book: Book, ids: Iterable[str]) -> dict[str, Charged]:
        """Return what has been charged for those of *ids* that the ledger knows."""
        found: dict[str, Charged] = {}
        with self._transaction():
            for some in _batches(list(ids)):
                for row in self._db.execute(
                    f"SELECT id, {_CHARGED} FROM query "  # noqa: S608
                    f"WHERE cluster = ? AND id IN ({', '.join('?' * len(some))})",
                    (book.id, *some),
                ):
                    found[row[0]] = _charged(row[1:])
        return found

    def commit(self, book: Book, entry: Entry, now: float, delay: float) -> list[tuple[Series, float]]:
        """Write *entry* to the file, then bring the totals of *book* up to date.

        Returns the series that show something else from now on, with the values they show: a new series shows 0 until
        it is *delay* seconds old. Raises LedgerBusyError if nothing was written.
        """
        totals = {series: _sum(book.totals.get(series), gain) for series, gain in entry.gains.items()}
        born = [series for series in totals if series not in book.totals]
        due = list(takewhile(lambda series: book.hidden[series] + delay <= now, book.hidden))
        if delay <= 0.0:
            due += born
        for period in [one for one in book.pages if one.days or one.start < now - 2 * HOUR]:
            del book.pages[period]
            book.new_characters.pop(period, None)
        with self._transaction():
            db = self._db
            db.execute(
                "UPDATE cluster SET lists = ?, listed = ?, memo = ? WHERE id = ?",
                (entry.lists, entry.listed_at, entry.memo, book.id),
            )
            db.executemany(_PUT_QUERY, (_row(book.id, *item) for item in entry.charged.items()))
            db.executemany(
                "UPDATE query SET last_listed = NULL, lists = NULL WHERE cluster = ? AND id = ?",
                ((book.id, query_id) for query_id in entry.listed_again),
            )
            db.executemany(
                "UPDATE query SET last_listed = ?, lists = ? WHERE cluster = ? AND id = ?",
                ((at.last_listed, at.lists, book.id, query_id) for query_id, at in entry.unlisted.items()),
            )
            db.executemany(
                "INSERT INTO label_value (cluster, label, value) VALUES (?, ?, ?) "
                "ON CONFLICT (cluster, label, value) DO UPDATE SET retired = 0",
                ((book.id, *pair) for pair in entry.label_values),
            )
            db.executemany(
                "UPDATE label_value SET seen = ? WHERE cluster = ? AND label = 'fingerprint' AND value = ?",
                ((time, book.id, fingerprint) for fingerprint, time in entry.seen.items()),
            )
            usage_rows.put_statements(db, entry.statements, now, self.bounds.template)
            usage = {period: self._usage(book, period, page, entry) for period, page in entry.usage.items()}
            for period, page in usage.items():
                usage_rows.write(db, book.id, period, page)
            first_id = db.execute("SELECT coalesce(max(id), 0) + 1 FROM series").fetchone()[0]
            new_ids = {series: first_id + index for index, series in enumerate(born)}
            # Replaces what a commit left that succeeded although it seemed to fail.
            db.executemany(
                "INSERT OR REPLACE INTO series (id, cluster, name, labels, total, born, shown) "
                "VALUES (?, ?, ?, ?, ?, ?, 0)",
                (
                    (series_id, book.id, series[0], _json(series[1]), totals[series], now)
                    for series, series_id in new_ids.items()
                ),
            )
            db.executemany(
                "UPDATE series SET total = ? WHERE id = ?",
                (
                    (total, book.totals[series].id)
                    for series, total in totals.items()
                    if series in book.totals and total != book.totals[series].value
                ),
            )
            db.executemany(
                "UPDATE series SET shown = 1 WHERE id = ?",
                ((new_ids[series] if series in new_ids else book.totals[series].id,) for series in due),
            )
            forgotten = sum(
                db.execute(
                    "DELETE FROM query "
                    "WHERE cluster = ? AND coordinator = coalesce(?, coordinator) AND last_listed < ? AND lists <= ?",
                    (book.id, *terms),
                ).rowcount
                for terms in entry.forget
            )
        self._queries += entry.appeared - forgotten
        book.seen.update(entry.seen)
        _enter_usage(book, usage)
        return _enter(book, totals, new_ids, due, now)

    def _usage(self, book: Book, period: Period, gains: Page, entry: Entry) -> Page:
        """Return what the cells and errors of *gains* will have come to."""
        if period not in book.pages:
            book.pages[period] = usage_rows.load(self._db, book.id, period)
        held = book.pages[period]
        known = {key.fingerprint for key in held.cells}
        room = self.bounds.exact_cells - len(held.cells)
        characters = self.bounds.exact_characters - book.new_characters.get(period, 0)
        page = Page()
        for key, gain in gains.cells.items():
            if key not in held.cells and key not in page.cells:
                length = 0 if key.fingerprint in known else len(entry.statements[key.fingerprint].template)
                if room <= 0 or length > characters:
                    key = Key(OTHER, key.user, key.source, "")
                    gain.folded = gain.ended
                room -= 1
                characters -= length
                known.add(key.fingerprint)
            before = page.cells.get(key) or held.cells.get(key)
            if before is None:
                page.cells[key] = gain
            else:
                page.cells[key] = Cell()
                page.cells[key].add(before)
                page.cells[key].add(gain)
        for error, queries in gains.errors.items():
            if error.fingerprint not in known:
                error = error._replace(fingerprint=OTHER)
            page.errors[error] = page.errors.get(error, held.errors.get(error, 0)) + queries
        book.new_characters[period] = self.bounds.exact_characters - characters
        return page

    def revive(self, book: Book, fingerprint: str, series: Iterable[Series]) -> list[tuple[Series, float]]:
        """Take the totals of a retired fingerprint up again, and return its *series* with the values they show."""
        with self._transaction():
            for sample, labels in series:
                row = self._db.execute(
                    "SELECT id, total, born FROM series WHERE cluster = ? AND name = ? AND labels = ?",
                    (book.id, sample, _json(labels)),
                ).fetchone()
                if row is not None:
                    book.totals[sample, labels] = Total(row[0], row[1], row[2], True)
        book.retired.discard(fingerprint)
        return [(one, book.totals[one].value) for one in series if one in book.totals]

    def retire(self, book: Book, fingerprints: Iterable[str], series: Iterable[Series]) -> None:
        """Keep the totals of *fingerprints*, whose *series* these are, in the file only."""
        with self._transaction():
            self._db.executemany(
                "UPDATE label_value SET retired = 1 WHERE cluster = ? AND label = 'fingerprint' AND value = ?",
                ((book.id, fingerprint) for fingerprint in fingerprints),
            )
            self._db.executemany(
                "UPDATE series SET shown = 1 WHERE id = ?",
                ((book.totals[one].id,) for one in series if one in book.hidden),
            )
        for one in series:
            book.totals.pop(one, None)
            book.hidden.pop(one, None)
        for fingerprint in fingerprints:
            book.seen.pop(fingerprint, None)
            book.statements.pop(fingerprint, None)
            book.retired.add(fingerprint)

    def tidy_usage(self, book: Book, now: float) -> None:
        """Add up the days that are over, fold and delete what is no longer kept whole; each step by itself."""
        db, bounds = self._db, self.bounds
        with self._transaction():
            unfinished = usage_rows.unfinished_days(db, book.id, now)
        for day in unfinished:
            with self._transaction():
                usage_rows.add_up_day(db, book.id, day, bounds.cells_per_day)
            book.days.add(day)
        with self._transaction():
            crowded = usage_rows.crowded_hours(db, book.id, now, bounds.cells_per_hour)
        for period in crowded:
            with self._transaction():
                page = fold(usage_rows.load(db, book.id, period), bounds.cells_per_hour)
                usage_rows.replace(db, book.id, period, page)
            book.pages.pop(period, None)
        with self._transaction():
            usage_rows.prune(db, book.id, now, bounds.kept)
            book.days = usage_rows.days_of(db, book.id)
        self._bound_statements(now)

    def _bound_statements(self, now: float) -> None:
        """Fold the cheapest fingerprints where there are too many; once a day delete what nothing refers to."""
        db, bounds = self._db, self.bounds
        with self._transaction():
            count, characters = usage_rows.statements_held(db)
            is_full = count > bounds.fingerprints or characters > bounds.characters
            today = day_of(now).start
            if is_full or today > self._collected:
                usage_rows.collect(db)
                self._collected = today
                count, characters = usage_rows.statements_held(db)
            if count <= bounds.fingerprints and characters <= bounds.characters:
                return
            costs = usage_rows.costs(db)
            # to nine tenths, so that this is not to do again in an hour
            kept = dearest_fingerprints(costs, bounds.fingerprints * 9 // 10, bounds.characters * 9 // 10)
            kept.add(OTHER)
            crowded = usage_rows.periods_with(db, costs.keys() - kept, now)
        for cluster, period in crowded:
            with self._transaction():
                page = usage_rows.load(db, cluster, period)
                chosen = {key for key in page.cells if key.fingerprint not in kept}
                usage_rows.replace(db, cluster, period, fold_where(page, chosen))
        with self._transaction():
            usage_rows.collect(db)

    def size_bytes(self) -> int:
        """Return the size of the ledger's files."""
        size = 0
        for path in (self.path, self.path.with_name(self.path.name + "-wal")):
            with suppress(OSError):
                size += path.stat().st_size
        return size

    def queries(self) -> int:
        """Return how many queries the ledger remembers."""
        return self._queries

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._mutex:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    self._db.execute("COMMIT")
                except BaseException:
                    with suppress(sqlite3.Error):
                        self._db.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise LedgerBusyError(
                    f"{self.path}: not written ({error}); counters stand still until it can be: free some disk, or end "
                    "what holds the file"
                ) from None


def _enter(
    book: Book, totals: Mapping[Series, float], new_ids: Mapping[Series, int], due: Sequence[Series], now: float
) -> list[tuple[Series, float]]:
    for series, total in totals.items():
        known = book.totals.get(series)
        if known is None:
            book.totals[series] = Total(new_ids[series], total, now, False)
            book.hidden[series] = now
        else:
            known.value = total
    for series in due:
        book.totals[series].shown = True
        book.hidden.pop(series, None)
    changed = dict.fromkeys([*totals, *due])
    return [
        (series, book.totals[series].value if book.totals[series].shown else 0.0)
        for series in changed
        if book.totals[series].shown or series in new_ids
    ]


def _enter_usage(book: Book, usage: Mapping[Period, Page]) -> None:
    for period, page in usage.items():
        book.pages[period].cells.update(page.cells)
        book.pages[period].errors.update(page.errors)
        if period.days:
            book.days.add(period.start)


def _sum(total: Total | None, gain: float) -> float:
    return round((total.value if total else 0.0) + gain, DECIMALS)


def _row(cluster: int, query_id: str, what: tuple[Charged, Unlisted | None]) -> tuple[object, ...]:
    charged, unlisted = what
    return (
        cluster,
        query_id,
        coordinator_of(query_id),
        charged.user,
        charged.source,
        charged.outcome,
        int(charged.lost),
        *charged.amounts,
        *(unlisted or (None, None)),
    )


def _charged(row: Sequence[object]) -> Charged:
    user, source, outcome, lost, *amounts = row
    return Charged(str(user), str(source), str(outcome), Amounts(*amounts), bool(lost))  # type: ignore[arg-type]


def _json(labels: Iterable[str]) -> str:
    """Return *labels* as an array, ten times as fast as json.dumps."""
    return f"[{', '.join(map(encode_basestring_ascii, labels))}]"


def _batches(ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), _IDS_PER_SELECT):
        yield ids[start : start + _IDS_PER_SELECT]


def _take_lock(path: Path) -> int:
    lock_path = path.with_name(path.name + ".lock")
    try:
        lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LedgerUnusableError(
            f"ledger.path: cannot use {path}: {error.strerror}; name a file in a folder that can be written"
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise LedgerUnusableError(
            f"ledger.path: {path} is in use by another exporter; stop it, or give each exporter a ledger of its own"
        ) from None
    return lock


def _open(path: Path) -> sqlite3.Connection:
    _check_header(path)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        db = sqlite3.connect(
            f"file:{quote(str(path))}?mode=rw",
            uri=True,
            timeout=_LOCK_WAIT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
    except (OSError, sqlite3.Error) as error:
        raise LedgerUnusableError(
            f"ledger.path: cannot open {path}: {error}; name a file that can be written"
        ) from None
    try:
        _check_content(path, db)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA journal_size_limit = 16777216")
        _migrate(db)
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter where SQLite's message quotes a damaged file
        db.close()
        raise LedgerUnusableError(
            f"ledger.path: cannot use {path}: {error}; restore it from a backup, or name another file"
        ) from None
    except BaseException:
        db.close()
        raise
    return db


def _check_header(path: Path) -> None:
    # Closing a file drops the locks that SQLite holds on it in this process: so this comes before SQLite.
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except FileNotFoundError:
        return
    except OSError as error:
        raise LedgerUnusableError(f"ledger.path: cannot read {path}: {error.strerror}; name another file") from None
    if start and start != b"SQLite format 3\0":
        raise LedgerUnusableError(f"ledger.path: {path} is not a ledger, nor any SQLite file; name another file")


def _check_content(path: Path, db: sqlite3.Connection) -> None:
    application = db.execute("PRAGMA application_id").fetchone()[0]
    tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != APPLICATION_ID and (application or tables):
        raise LedgerUnusableError(f"ledger.path: {path} is an SQLite file of another program; name another file")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise LedgerUnusableError(
            f"ledger.path: {path} was written by a newer exporter (version {version} of the file, this one knows "
            f"{len(MIGRATIONS)}); run that one, or name another file"
        )
    finding = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if finding != "ok":
        raise LedgerUnusableError(
            f"ledger.path: {path} is damaged; restore it from a backup, or name another file and start counting anew"
        )


def _migrate(db: sqlite3.Connection) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    db.execute("BEGIN IMMEDIATE")
    try:
        for script in MIGRATIONS[version:]:
            for statement in _statements(files("exporter.account").joinpath(script).read_text("utf-8")):
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of *script* one by one: `executescript` would commit each, and a crash leave half."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""

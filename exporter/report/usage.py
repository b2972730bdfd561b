"""Usage in the ledger's file: a question becomes a report.

SQLite sums up. Of all groups only the measure that orders them is read; the rest is read of those that are answered.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from exporter.errors import LedgerReadError
from exporter.report.change import change_of, choose
from exporter.report.groups import Groups, groups_of
from exporter.report.question import Group, Question
from exporter.report.reader import AMONG, Narrow, Reader, among
from exporter.report.report import Measures, Moment, Report, Row, Statement
from exporter.report.sums import COUNTS, DECIMALS, MEASURE, SUMS, Sums
from exporter.report.tables import place_of, qualify
from exporter.report.window import Window

MOST_ERRORS = 20
"""Names of errors in a report."""

_WAIT_SECONDS = 1.0


class Usage:
    """The usage that a ledger keeps, to be asked. Safe for several threads, which take turns."""

    def __init__(self, path: str | Path) -> None:
        """Open the ledger at *path*, which is there, for reading. Raises LedgerReadError if it cannot be read."""
        self.path = Path(path)
        self._turn = threading.Lock()
        try:
            self._db = sqlite3.connect(
                f"file:{quote(str(path))}?mode=ro",
                uri=True,
                timeout=_WAIT_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            self._db.execute("PRAGMA query_only = ON")
            self._db.execute("PRAGMA temp_store = MEMORY")
        except sqlite3.Error as error:
            raise self._failure(error) from None

    def ask(self, question: Question, now: float) -> Report:
        """Return the answer to *question* as of *now*. Raises LedgerReadError if the ledger cannot be read."""
        with self._turn:
            try:
                self._db.execute("BEGIN")  # so that all that is read is of one commit
                try:
                    with Reader(self._db, question, now) as reader:
                        return _report(reader, question)
                finally:
                    with suppress(sqlite3.Error):
                        self._db.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise self._failure(error) from None

    def close(self) -> None:
        """Close the file."""
        with self._turn:
            self._db.close()

    def _failure(self, error: sqlite3.Error) -> LedgerReadError:
        return LedgerReadError(
            f"{self.path}: usage cannot be read ({error}); ask again, and if that does not help, see to the file and "
            "its disk"
        )


class _Found(Sums):
    """What is found out about a group that is answered."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.before = Sums()
        self.trend = [0.0] * steps
        self.fingerprints: set[int] = set()
        self.users: set[int] = set()
        self.places: set[int] = set()
        self.read = 0
        self.written = 0


def _report(reader: Reader, question: Question) -> Report:
    window = reader.window
    total, trend, folded = _total(reader)
    groups = groups_of(reader, question)
    keys, count = choose(question, groups.now, groups.before)
    return Report(
        question=question,
        start=window.start,
        end=window.end,
        step=window.step,
        total=total.measures,
        total_before=groups.total_before.measures if reader.window_before else None,
        elapsed=total.elapsed,
        queued=total.queued,
        rows=_rows(reader, question, groups, keys, total.measures) if keys else (),
        groups=count,
        trend=trend,
        errors=_errors(reader),
        folded_queries=folded,
        clusters=tuple(sorted(reader.clusters.values())),
        oldest=reader.oldest,
        before=reader.window_before[:2] if reader.window_before else None,
    )


def _total(reader: Reader) -> tuple[Sums, tuple[Moment, ...], int]:
    """Return what all comes to, over all and at each step, and how many queries were folded."""
    window = reader.window
    total, steps, folded = Sums(), [Sums() for _ in _starts(window)], 0
    for start, folded_then, *sums in reader.rows(f"start, sum(folded), {SUMS}, {COUNTS}", reader.spans, by="start"):
        total.add(sums[:-2], *sums[-2:])
        steps[_step(window, start)].add(sums[:-2])
        folded += folded_then
    trend = tuple([Moment(start, sums.measures) for start, sums in zip(_starts(window), steps, strict=True)])
    return total, trend, folded


def _rows(reader: Reader, question: Question, groups: Groups, keys: Sequence[int], total: Measures) -> tuple[Row, ...]:
    found = _found(reader, question, groups, keys)
    names = groups.names()
    statements = _statements(reader, found) if question.group_by is Group.FINGERPRINT else {}
    whole = getattr(total, question.order_by)
    rows = []
    for key, one in found.items():
        measures, before, change = one.measures, None, None
        now = getattr(measures, question.order_by)
        if reader.window_before:
            before = one.before.measures
            change = question.change or change_of(getattr(before, question.order_by), now)
        rows.append(
            Row(
                name=names[key],
                measures=measures,
                share=min(now / whole, 1.0) if whole else 0.0,
                elapsed=one.elapsed,
                queued=one.queued,
                fingerprints=len(one.fingerprints),
                users=len(one.users),
                statement=statements.get(key),
                before=before,
                change=change,
                trend=tuple([round(value, DECIMALS) for value in one.trend]) if question.trend else (),
                read_queries=one.read,
                written_queries=one.written,
            )
        )
    return tuple(rows)


def _found(reader: Reader, question: Question, groups: Groups, keys: Sequence[int]) -> dict[int, _Found]:
    """Return what is found out about the groups *keys*."""
    window = reader.window
    found = {key: _Found(len(_starts(window))) for key in keys}
    number, narrow = groups.choose(keys)
    for number_of, *sums in reader.rows(f"{number} AS number, {SUMS}, {COUNTS}", reader.spans, narrow, "number"):
        for member in groups.members(number_of):
            one = found[member.key]
            one.add(sums[:-2], *sums[-2:])
            one.read += sum(sums[:3]) if member.is_read else 0
            one.written += sum(sums[:3]) if member.is_written else 0
    if question.trend:
        columns = f"{number} AS number, start, sum({MEASURE[question.order_by]})"
        for number_of, start, value in reader.rows(columns, reader.spans, narrow, "start, number"):
            for member in groups.members(number_of):
                found[member.key].trend[_step(window, start)] += value
    for number_of, *sums in reader.rows(f"{number} AS number, {SUMS}", reader.spans_before, narrow, "number"):
        for member in groups.members(number_of):
            found[member.key].before.add(sums)
    for number_of, fingerprint, user, place in reader.rows(
        f"DISTINCT {number}, fingerprint, user, place", reader.spans, narrow
    ):
        for member in groups.members(number_of):
            one = found[member.key]
            one.fingerprints.add(fingerprint)
            one.users.add(user)
            one.places.add(place)
    return found


def _statements(reader: Reader, found: Mapping[int, _Found]) -> dict[int, Statement]:
    """Return what the fingerprints stand for; tables of one that is gone are those of the window before."""
    gone = [key for key, one in found.items() if not one.places]
    if gone:
        for key, place in reader.rows(
            "fingerprint, place", reader.spans_before, Narrow(f" AND fingerprint {AMONG}", (among(gone),))
        ):
            found[key].places.add(place)
    places = {
        key: place_of(name)
        for key, name in reader.names({place for one in found.values() for place in one.places}).items()
    }

    def qualified(key: int, tables: str) -> tuple[str, ...]:
        names = json.loads(tables)
        return tuple(sorted({qualify(name, places[place]).name for name in names for place in found[key].places}))

    return {
        key: Statement(query_type, template, qualified(key, read), qualified(key, written), first_seen)
        for key, query_type, template, read, written, first_seen in reader.statements(
            "id, query_type, template, read, written, first_seen", found
        )
    }


def _errors(reader: Reader) -> tuple[tuple[str, int], ...]:
    queries = reader.errors()
    names = reader.names(queries)
    ranked = sorted([(names[key], count) for key, count in queries.items()], key=lambda one: (-one[1], one[0]))
    return tuple(ranked[:MOST_ERRORS])


def _starts(window: Window) -> range:
    return range(window.start, window.end, window.step)


def _step(window: Window, start: int) -> int:
    """Return in which step of *window* the hour or day is that begins at *start*."""
    return (start - window.start) // window.step

"""What the filters of a question let through, read from the ledger's file span by span.

A span is hours of one cluster, or days of it, or hours of days that have not been added up yet.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any, NamedTuple, Self

from exporter.account.usage import DAY, HOUR
from exporter.report.question import Group, Question
from exporter.report.tables import Role, is_named, place_of, qualify, roles
from exporter.report.window import Window, windows

AMONG = "IN (SELECT value FROM json_each(?))"
"""SQL for a number that is one of an array: `among` gives that."""

_IN_SPAN = "cluster = ? AND days = ? AND start >= ? AND start < ?"
_AT = f"cluster = ? AND days = ? AND start {AMONG}"

Pair = tuple[int, int]
"""Ids of a fingerprint and a place."""


class Span(NamedTuple):
    """Hours or days of one cluster."""

    cluster: int
    days: int
    start: int
    end: int

    def sought(self) -> tuple[int, int, str]:
        """Return the values of _AT."""
        return self.cluster, self.days, among(range(self.start, self.end, DAY if self.days else HOUR))


class Narrow(NamedTuple):
    """A condition for rows, on top of the filters."""

    condition: str = ""
    """SQL, with AND before it."""
    values: tuple[object, ...] = ()
    is_sought: bool = False
    """It names fingerprints, so few that their rows are found faster by looking for each in each hour or day."""


ALL = Narrow()


class Reader:
    """Reads what the filters of a question let through, within one transaction."""

    def __init__(self, db: sqlite3.Connection, question: Question, now: float) -> None:
        self._db = db
        self._given: dict[str, int] = {}
        self.window, self.window_before = windows(question, now)
        self.clusters: dict[int, str] = {}
        """All that have usage."""
        self.oldest: int | None = None
        for cluster, name, *starts in db.execute(
            "SELECT id, name, (SELECT min(start) FROM usage WHERE cluster = id AND days = 0), "
            "(SELECT min(start) FROM usage WHERE cluster = id AND days = 1) FROM cluster"
        ):
            for start in starts:
                if start is not None:
                    self.clusters[cluster] = name
                    self.oldest = start if self.oldest is None else min(start, self.oldest)
        asked = [one for one, name in self.clusters.items() if not question.clusters or name in question.clusters]
        self.spans = [span for cluster in asked for span in self._spans(cluster, self.window)]
        before = self.window_before
        self.spans_before = [span for cluster in asked for span in self._spans(cluster, before)] if before else []
        self._is_sought = bool(question.fingerprints)
        self._filter = ""
        self._values: tuple[object, ...] = ()
        self._let_through(question)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name, parameters in self._given.items():
            self._db.create_function(name, parameters, None)

    def give(self, name: str, parameters: int, function: Callable[..., int]) -> None:
        """Have SQL call *function*, until this reader is left."""
        self._given[name] = parameters
        self._db.create_function(name, parameters, function)

    def rows(
        self, columns: str, spans: Iterable[Span], narrow: Narrow = ALL, by: str = ""
    ) -> Iterator[tuple[Any, ...]]:
        """Return *columns* of the rows in *spans* that are in *narrow*, grouped *by* some in each span."""
        is_sought = narrow.is_sought or self._is_sought
        where = f"{_AT if is_sought else _IN_SPAN}{self._filter}{narrow.condition}"
        sql = f"SELECT {columns} FROM usage WHERE {where}{f' GROUP BY {by}' if by else ''}"  # noqa: S608
        values = (*self._values, *narrow.values)
        return chain.from_iterable(
            self._db.execute(sql, (*(span.sought() if is_sought else span), *values)) for span in spans
        )

    def errors(self) -> dict[int, int]:
        """Return how many queries ended with each error. They are kept by fingerprint and user alone, so of those in an
        hour or day all errors are in it, if one row of usage gets through the filters."""
        such = (
            "AND EXISTS (SELECT 1 FROM usage WHERE cluster = one.cluster AND days = one.days AND start = one.start "  # noqa: S608
            f"AND fingerprint = one.fingerprint AND user = one.user{self._filter})"
        )
        sql = (
            f"SELECT error, sum(queries) FROM usage_error AS one WHERE {_IN_SPAN} {such if self._filter else ''} "  # noqa: S608
            "GROUP BY error"
        )
        found: dict[int, int] = defaultdict(int)
        for span in self.spans:
            for error, queries in self._db.execute(sql, (*span, *self._values)):
                found[error] += queries
        return found

    def names(self, ids: Iterable[int]) -> dict[int, str]:
        """Return the names of users, sources, places and errors."""
        return dict(self._db.execute(f"SELECT id, name FROM usage_name WHERE id {AMONG}", (among(ids),)))  # noqa: S608

    def statements(self, columns: str, ids: Iterable[int]) -> Iterator[tuple[Any, ...]]:
        """Return *columns* of the statements of fingerprints."""
        return self._db.execute(f"SELECT {columns} FROM statement WHERE id {AMONG}", (among(ids),))  # noqa: S608

    def roles(self, pairs: Iterable[Pair], group: Group) -> dict[Pair, tuple[Role, ...]]:
        """Return what the queries of each of *pairs* have to do with: tables, catalogs, or their type."""
        pairs = list(pairs)
        ids = {fingerprint for fingerprint, _ in pairs}
        if group is Group.QUERY_TYPE:
            types = dict(self.statements("id, query_type", ids))
            return {pair: (Role(types[pair[0]], False, False),) for pair in pairs}
        written_as = {one: (read, written) for one, read, written in self.statements("id, read, written", ids)}
        places = {one: place_of(name) for one, name in self.names({place for _, place in pairs}).items()}

        @cache
        def found(read: str, written: str, place: int) -> tuple[Role, ...]:
            return roles(named(read, place), named(written, place))

        def named(names: str, place: int) -> list[str]:
            tables = [qualify(name, places[place]) for name in json.loads(names)]
            return [table.name if group is Group.TABLE else table.catalog for table in tables]

        return {(one, place): found(*written_as[one], place) for one, place in pairs}

    def _spans(self, cluster: int, window: Window) -> Iterator[Span]:
        if window.step == HOUR:
            yield Span(cluster, 0, window.start, window.end)
            return
        yield Span(cluster, 1, window.start, window.end)
        since = window.start
        for day in [*self._days(cluster, window), window.end]:
            if since < day:
                yield Span(cluster, 0, since, day)
            since = day + DAY

    def _days(self, cluster: int, window: Window) -> list[int]:
        """Return the starts of the days that have been added up, each found by a look into the index."""
        first = "SELECT min(start) FROM usage WHERE cluster = :cluster AND days = 1 AND start < :end AND start"
        rows = self._db.execute(
            f"WITH RECURSIVE day(start) AS ({first} >= :start UNION ALL "  # noqa: S608
            f"SELECT ({first} > day.start) FROM day WHERE day.start IS NOT NULL) "
            "SELECT start FROM day WHERE start IS NOT NULL",
            {"cluster": cluster, "start": window.start, "end": window.end},
        )
        return [start for (start,) in rows]

    def _let_through(self, question: Question) -> None:
        for column, names in (("user", question.users), ("source", question.sources)):
            if names:
                such = f"SELECT id FROM usage_name WHERE {_texts('name', names)}"  # noqa: S608
                self._only(f"{column} IN ({such})", _bytes(names))
        of_statement = []
        values: list[object] = []
        for column, texts in (("fingerprint", question.fingerprints), ("query_type", question.query_types)):
            if texts:
                of_statement.append(_texts(column, texts))
                values += _bytes(texts)
        if question.search:
            text = question.search.casefold()
            self.give("is_found", 1, lambda template: text in template.casefold())
            of_statement.append("is_found(template)")
        if of_statement:
            ids = self._db.execute(f"SELECT id FROM statement WHERE {' AND '.join(of_statement)}", values)  # noqa: S608
            # The sign keeps SQLite from looking for each of them in each hour: there may be many.
            sign = "" if self._is_sought else "+"
            self._only(f"{sign}fingerprint {AMONG}", [among(one for (one,) in ids)])
        for group, asked in ((Group.TABLE, question.tables), (Group.CATALOG, question.catalogs)):
            if asked:
                self._only_named(group, asked)

    def _only_named(self, group: Group, asked: Sequence[str]) -> None:
        """Let through only queries that name one of the tables, or catalogs, *asked* for."""
        pairs = self.roles(set(self.rows("fingerprint, place", self.spans + self.spans_before)), group)
        names = {role.name for found in pairs.values() for role in found}
        if group is Group.TABLE:
            names = {name for name in names if any(is_named(name, one) for one in asked)}
        else:
            names &= {one.lower() for one in asked}
        passed = {pair for pair, found in pairs.items() if any(role.name in names for role in found)}
        self.give(f"is_in_{group}", 2, lambda fingerprint, place: (fingerprint, place) in passed)
        self._only(f"is_in_{group}(fingerprint, place)", ())

    def _only(self, condition: str, values: Sequence[object]) -> None:
        self._filter += f" AND {condition}"
        self._values += tuple(values)


def among(ids: Iterable[int]) -> str:
    """Return the value for AMONG."""
    return json.dumps(list(ids))


def _texts(column: str, texts: Sequence[str]) -> str:
    """Return SQL for *column* being one of *texts*, which `_bytes` gives."""
    return f"{column} IN ({', '.join(['CAST(? AS TEXT)'] * len(texts))})"


def _bytes(texts: Iterable[str]) -> list[bytes]:
    """Return *texts* as SQLite compares them, so that one with half a character is like no other, and no error."""
    return [text.encode("utf-8", "surrogatepass") for text in texts]

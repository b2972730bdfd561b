"""Groups of queries: how SQL tells them apart, what they are called, and the measure of each.

Some are the values of a column. A query is in several tables or catalogs at once: there each pair of a fingerprint and
a place has a set of groups, and SQL tells apart the sets.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from exporter.report.question import Group, Question
from exporter.report.reader import ALL, AMONG, Narrow, Pair, Reader, Span, among
from exporter.report.sums import MEASURE, SUMS, Sums
from exporter.report.tables import Role

_COLUMN = {
    Group.FINGERPRINT: "fingerprint",
    Group.USER: "user",
    Group.SOURCE: "source",
    Group.CLUSTER: "cluster",
}


class Member(NamedTuple):
    """A group that queries are in."""

    key: int
    is_read: bool = False
    """It is a table or a catalog which they read, or write to."""
    is_written: bool = False


class Groups(Protocol):
    """The groups of an answer, by keys."""

    @property
    def now(self) -> Mapping[int, float]:
        """The measure of each that has queries."""

    @property
    def before(self) -> Mapping[int, float]:
        """The same in the window before, nothing unless compared; any positive figures do if no change is asked for."""

    @property
    def total_before(self) -> Sums:
        """What all comes to in the window before."""

    def choose(self, keys: Collection[int]) -> tuple[str, Narrow]:
        """Return SQL for numbers that `members` knows, and in which rows to look for these groups."""

    def members(self, number: int) -> Sequence[Member]:
        """Return which of the chosen groups the queries are in for which SQL gave *number*."""

    def names(self) -> Mapping[int, str]:
        """Return what the chosen groups are called."""


def groups_of(reader: Reader, question: Question) -> Groups:
    """Return the groups that *question* asks for of what *reader* lets through."""
    return _Values(reader, question) if question.group_by in _COLUMN else _Sets(reader, question)


class _Values:
    """Groups that are the values of a column."""

    def __init__(self, reader: Reader, question: Question) -> None:
        self._reader, self._group, self._column = reader, question.group_by, _COLUMN[question.group_by]
        self._chosen: Collection[int] = ()
        measure = MEASURE[question.order_by]
        self.now = self._sums(reader.spans, measure)
        self.total_before = Sums()
        if question.change:
            self.before = self._sums(reader.spans_before, measure)
            _add_up(reader, self.total_before)
        else:
            self.before = self._there(measure)

    def _sums(self, spans: Iterable[Span], measure: str) -> dict[int, float]:
        sums: dict[int, float] = defaultdict(float)
        for key, value in self._reader.rows(f"{self._column}, {measure}", spans):
            sums[key] += value
        return sums

    def _there(self, measure: str) -> dict[int, float]:
        """Return 1.0 for all that had something of *measure* before: found while adding up, it costs half as much."""
        there: dict[int, float] = {}
        keys_of_rows = f"json_group_array({self._column}) FILTER (WHERE {measure} > 0)"
        for *sums, keys in self._reader.rows(f"{SUMS}, {keys_of_rows}", self._reader.spans_before, by="days"):
            self.total_before.add(sums)
            there |= dict.fromkeys(json.loads(keys), 1.0)
        return there

    def choose(self, keys: Collection[int]) -> tuple[str, Narrow]:
        self._chosen = keys
        is_sought = self._group is Group.FINGERPRINT
        return self._column, Narrow(f" AND {self._column} {AMONG}", (among(keys),), is_sought)

    def members(self, number: int) -> Sequence[Member]:
        return (Member(number),)

    def names(self) -> Mapping[int, str]:
        if self._group is Group.FINGERPRINT:
            return dict(self._reader.statements("id, fingerprint", self._chosen))
        if self._group is Group.CLUSTER:
            return self._reader.clusters
        return self._reader.names(self._chosen)


class _Sets:
    """Groups of which queries are in a set, by what their statement and place are."""

    def __init__(self, reader: Reader, question: Question) -> None:
        self._reader = reader
        measure = MEASURE[question.order_by]
        now, before = self._sums(reader.spans, measure), self._sums(reader.spans_before, measure)
        self.total_before = Sums()
        _add_up(reader, self.total_before)
        self._roles = reader.roles(now.keys() | before.keys(), question.group_by)
        self._names = sorted({role.name for roles in self._roles.values() for role in roles})
        self._keys = {name: key for key, name in enumerate(self._names)}
        self.now, self.before = self._by_key(now), self._by_key(before)
        self._sets: list[tuple[Member, ...]] = []

    def _sums(self, spans: Iterable[Span], measure: str) -> dict[Pair, float]:
        sums: dict[Pair, float] = defaultdict(float)
        for fingerprint, place, value in self._reader.rows(f"fingerprint, place, {measure}", spans):
            sums[fingerprint, place] += value
        return sums

    def _by_key(self, values: Mapping[Pair, float]) -> dict[int, float]:
        sums: dict[int, float] = defaultdict(float)
        for pair, value in values.items():
            for role in self._roles[pair]:
                sums[self._keys[role.name]] += value
        return sums

    def choose(self, keys: Collection[int]) -> tuple[str, Narrow]:
        chosen = set(keys)
        numbers: dict[tuple[Member, ...], int] = {}
        numbers_of: dict[Pair, int] = {}
        for pair, roles in self._roles.items():
            members = tuple([member for member in map(self._member, roles) if member.key in chosen])
            numbers_of[pair] = numbers.setdefault(members, len(numbers))
        self._sets = list(numbers)
        self._reader.give("set_of", 2, lambda fingerprint, place: numbers_of[fingerprint, place])
        return "set_of(fingerprint, place)", ALL

    def _member(self, role: Role) -> Member:
        return Member(self._keys[role.name], role.is_read, role.is_written)

    def members(self, number: int) -> Sequence[Member]:
        return self._sets[number]

    def names(self) -> Mapping[int, str]:
        return dict(enumerate(self._names))


def _add_up(reader: Reader, total_before: Sums) -> None:
    for sums in reader.rows(SUMS, reader.spans_before, by="days"):
        total_before.add(sums)

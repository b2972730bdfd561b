"""The way of one cluster's lists: decode, charge, commit, publish. The only place that names the stages in order."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from exporter.account import completeness
from exporter.account.cardinality import LONGEST, OTHER, Candidates, Labels
from exporter.account.charge import (
    Charged,
    charge,
    cumulate,
    fingerprint_series,
    gains,
    histogram_series,
    loss,
    outcome_of,
    owner_series,
)
from exporter.account.completeness import Findings, Look, Memory, coordinator_of
from exporter.account.ledger import Entry, Ledger, Unlisted
from exporter.account.live import Samples, in_flight
from exporter.account.repeats import Repeats
from exporter.account.usage import DAY, HOUR, Cell, ErrorKey, Key, Page, periods, place_of
from exporter.account.usage_rows import Statement
from exporter.catalogue import (
    FINGERPRINT_INFO,
    FINGERPRINT_QUERIES,
    LABEL_OVERFLOW,
    LIVE_GAUGES,
    POLL_GAPS,
    POLLS,
    QUERIES_MISSED,
    RECORDS_REJECTED,
    USER_LOST,
    Series,
)
from exporter.decode.info import Info, decode_info
from exporter.decode.query_list import REJECTED_REASONS, QueryList, Rejected, decode_query_list
from exporter.dialect import dialect_of
from exporter.errors import POLL_RESULTS, DecodeError, LedgerBusyError, LedgerUnusableError, PollError
from exporter.fingerprint.fingerprint import Fingerprint, Fingerprinter
from exporter.health import Health
from exporter.ingest.coordinator import Answer
from exporter.query import Outcome, Query, Text

ERROR_TYPES = 20
"""Places of the label error_type: engines know four, so this only bounds what a broken one could invent."""

RETIRED = 20_000
"""Fingerprints whose series may be retired: their totals stay, so that no counter falls should they come back."""

_FORGET_EVERY_SECONDS = 300.0

_READING = ("SELECT", "DESCRIBE")
"""Types of queries that a cache could answer."""


class Publisher(Protocol):
    """Where series are shown."""

    def counters(self, changes: Iterable[tuple[str, tuple[str, ...], float]]) -> None:
        """Show these series, or their new values."""

    def withdraw(self, samples: Iterable[tuple[str, Sequence[str]]]) -> None:
        """Show these series no more."""

    def replace(self, group: str, gauges: Mapping[str, Iterable[tuple[tuple[str, ...], float]]]) -> None:
        """Show, of each family named, these samples for *group* and no others."""


class Policy(NamedTuple):
    """What the configuration says about counting."""

    canceled: Collection[str]
    """Names of errors that mean canceled, not failed."""
    limits: Mapping[str, int]
    """Places of the labels user, source, error_name and fingerprint."""
    delay: float
    """Seconds for which a new series shows 0."""
    admit_after: int = 3
    """Queries of a fingerprint before it gets series of its own."""
    retire_after: float = 0.0
    """Seconds without a query after which a fingerprint's series are shown no more; 0: never."""


class Statements:
    """What the fingerprints that have series stand for, over all clusters. Safe for several threads."""

    def __init__(self, publisher: Publisher, longest: int) -> None:
        """*longest*: characters of the label statement; 0 leaves it empty."""
        self._publisher = publisher
        self._longest = longest
        self._samples: dict[str, tuple[tuple[str, ...], float]] = {}
        self._clusters: dict[str, set[str]] = {}
        self._mutex = threading.Lock()

    def add(self, cluster: str, statements: Mapping[str, Statement]) -> None:
        """Show what these fingerprints stand for, which have series in *cluster* now."""
        if statements:
            with self._mutex:
                for fingerprint, statement in statements.items():
                    self._clusters.setdefault(fingerprint, set()).add(cluster)
                    text = shorten(statement.template, self._longest)
                    self._samples[fingerprint] = ((fingerprint, statement.query_type, text), 1.0)
                self._publish()

    def remove(self, cluster: str, fingerprints: Iterable[str]) -> None:
        """Show what these stand for no more, but for those that have series in another cluster."""
        with self._mutex:
            for fingerprint in fingerprints:
                clusters = self._clusters.get(fingerprint, set())
                clusters.discard(cluster)
                if not clusters:
                    self._samples.pop(fingerprint, None)
            self._publish()

    def _publish(self) -> None:
        self._publisher.replace("", {FINGERPRINT_INFO.name: list(self._samples.values())})


class Seen(NamedTuple):
    """What is made of a query's text as soon as it is decoded; the text itself is not kept."""

    fingerprint: Fingerprint
    place: str
    """The session's catalog and schema, where the statement needs them; see usage.place_of."""
    text: int | None
    """Hash of the very text and its session, keyed anew in each process; None if the text is cut, or does not read."""


def shorten(template: str, longest: int) -> str:
    """Return *template* on one line, cut at a word where it has more than *longest* characters."""
    line = " ".join(template.split())
    if len(line) <= longest:
        return line
    words = line[:longest].rpartition(" ")[0] or line[: max(0, longest - 1)]
    return f"{words}…" if longest else ""


@dataclass(frozen=True, slots=True)
class Done:
    """How a poll went once it was handed over."""

    interval: float
    """Seconds from the start of this poll to the start of the next."""
    ledger_error: LedgerBusyError | LedgerUnusableError | None
    """Set if nothing was committed; the next poll makes up for it."""


class Pipeline:
    """What becomes of the polls of one cluster. Only the cluster's poller calls it."""

    def __init__(
        self,
        name: str,
        url: str,
        poll_interval: float,
        policy: Policy,
        ledger: Ledger,
        publisher: Publisher,
        statements: Statements,
        now: float,
    ) -> None:
        """Take up the cluster where the ledger left it, and show its counters. Raises LedgerBusyError."""
        self.name = name
        self.health = Health()
        self._poll_interval = poll_interval
        self._ledger = ledger
        self._publisher = publisher
        self._policy = policy
        self._statements = statements
        self._fingerprinter = Fingerprinter()
        self._candidates = Candidates(policy.admit_after)
        self._repeats = Repeats()
        self._waking: dict[str, float] = {}
        self._book = ledger.open_book(name, url)
        self._labels = Labels(
            {**policy.limits, "error_type": ERROR_TYPES},
            self._book.label_values,
        )
        self._memory = Memory.load(json.loads(self._book.memo))
        self._lists = self._book.lists
        self._listed_at = self._book.listed_at
        self._clock: float | None = None
        self._rows: Mapping[int, Query | Rejected] = {}
        self._was_listed = {query_id: bool(charged.outcome) for query_id, charged in self._book.listed.items()}
        self._ends: dict[str, float] = {}
        # What the next commit has to bring; grows only while the ledger takes none.
        self._uncommitted: dict[str, tuple[Query, Seen]] = {}
        self._admitted: dict[str, Statement] = {}
        self._out_of_sight: dict[str, Unlisted] = {}
        self._restarted: set[str] = set()
        self._counts: dict[Series, float] = {}
        self._unwritten: LedgerBusyError | None = None
        self._next_forget = self._next_tidy = now
        self._open(now)

    def _open(self, now: float) -> None:
        totals = self._book.totals
        own: list[Series] = [(POLLS.name, (result,)) for result in POLL_RESULTS]
        own += [(RECORDS_REJECTED.name, (reason,)) for reason in REJECTED_REASONS]
        own += [(LABEL_OVERFLOW.name, (label,)) for label in self._labels.limits]
        own += [(QUERIES_MISSED.name, ()), (POLL_GAPS.name, ())]
        # Our own series are there before their first gain, so they need not wait to be seen at zero.
        for series, delay in ((own, 0.0), (list(histogram_series()), self._policy.delay)):
            new = dict.fromkeys((one for one in series if one not in totals), 0.0)
            if new:
                self._ledger.commit(self._book, self._entry(gains=new), now, delay)
        unknown = [name for name, seen in self._book.seen.items() if not seen]  # of a ledger that did not keep it
        if unknown:
            entry = self._entry()
            entry.seen = dict.fromkeys(unknown, now)
            self._ledger.commit(self._book, entry, now, self._policy.delay)
        self._statements.add(self.name, self._book.statements)
        self._show((series, total.value if total.shown else 0.0) for series, total in totals.items())
        self._publish_health(Health(label_counts=self._labels.counts(), label_limits=self._labels.limits))

    def polled(self, answer: Answer, now: float) -> Done:
        """Account for a good answer. Raises NotAListError if it is not a whole list: then nothing has happened."""
        query_list = decode_query_list(answer.query_list, self._rows, self._see)
        info = told(answer.info)
        listed = {row.id: row for row in query_list.rows.values() if isinstance(row, Query)}
        findings = self._look(listed, answer, info, now)
        self._take(query_list, listed)
        self._count((POLLS.name, ("success",)))
        if findings.missed:
            self._count((QUERIES_MISSED.name, ()), findings.missed)
        if findings.gap:
            self._count((POLL_GAPS.name, ()))
        self._restarted |= findings.restarted
        self._was_listed = {query.id: query.is_terminal for query in listed.values()}
        self._lists += 1
        self._listed_at = now
        self._unwritten = None
        try:
            self._commit(listed, now)
            self._tidy(now)
        except LedgerBusyError as error:
            self._unwritten = error
        self._publish_live(listed.values())
        self._publish_health(self._healthy(listed, query_list, answer, info, findings, now))
        return Done(completeness.interval(self._poll_interval, self._memory.kept_seconds), self._unwritten)

    def failed(self, error: PollError, seconds: float, now: float) -> Done:
        """Account for a poll that gave no list. Gauges of queries in flight are shown no more, counters stay."""
        self._count((POLLS.name, (error.result,)))
        ledger_error = self._unwritten
        if ledger_error is None:  # else the ledger would take for looked at what it has not been charged with
            try:
                self._write(self._entry(), now)
            except LedgerBusyError as busy:
                ledger_error = busy
        self._publish((metric.name, []) for metric in LIVE_GAUGES)
        self._publish_health(replace(self.health, up=False, failure=str(error), poll_seconds=seconds))
        return Done(completeness.interval(self._poll_interval, self._memory.kept_seconds), ledger_error)

    def _look(self, listed: Mapping[str, Query], answer: Answer, info: Info | None, now: float) -> Findings:
        ends = {query.id: query.ended for query in listed.values() if query.ended is not None}
        clock = now if answer.coordinator_time is None else answer.coordinator_time
        uptime = info.uptime_seconds if info else None
        at = Look(
            now=now,
            clock=clock,
            before=self._listed_at,
            clock_before=self._clock,
            started=None if uptime is None else now - answer.seconds - uptime,
            coordinator_id=info.coordinator_id if info else "",
            was_listed=self._was_listed,
            listed=listed.keys(),
            appeared=listed.keys() - self._was_listed.keys(),
            vanished_ends=[(query_id, end) for query_id, end in self._ends.items() if query_id not in listed],
            oldest_end=min(ends.values(), default=None),
        )
        self._memory, findings = completeness.look(self._memory, at)
        self._ends, self._clock = ends, clock
        return findings

    def _see(self, text: Text) -> Seen:
        fingerprint = self._fingerprinter.of(text.sql, text.prepared, text.is_cut)
        is_whole = not fingerprint.truncated and fingerprint.query_type in _READING
        return Seen(
            fingerprint, place_of(fingerprint.tables, text.catalog, text.schema), hash(text) if is_whole else None
        )

    def _take(self, query_list: QueryList[Seen], listed: Mapping[str, Query]) -> None:
        """Note what is to be committed."""
        self._rows = query_list.rows
        for query, seen in zip(query_list.fresh, query_list.digests, strict=True):
            before = self._uncommitted.get(query.id)
            if before is None or query.is_terminal or not before[0].is_terminal:
                self._uncommitted[query.id] = (query, seen)
            self._out_of_sight.pop(query.id, None)
        for query_id in self._was_listed.keys() - listed.keys():
            self._out_of_sight[query_id] = Unlisted(self._listed_at or 0.0, self._lists)
        for rejected in query_list.rejected:
            self._count((RECORDS_REJECTED.name, (rejected.reason,)))

    def _count(self, series: Series, amount: float = 1.0) -> None:
        self._counts[series] = self._counts.get(series, 0.0) + amount

    def _entry(self, gains: dict[Series, float] | None = None) -> Entry:
        return Entry(
            lists=self._lists,
            listed_at=self._listed_at,
            memo=json.dumps(self._memory.dump()),
            gains={**self._counts, **(gains or {})},
        )

    def _commit(self, listed: Mapping[str, Query], now: float) -> None:
        """Charge what is not committed yet and note what is no longer listed, in one transaction."""
        book = self._book
        entry = self._entry()
        known = self._known(self._uncommitted)
        for query, seen in self._uncommitted.values():
            before = known.get(query.id)
            after = self._charge(before, query, seen, entry, now)
            where = self._out_of_sight.get(query.id)
            if after != before or where is not None:
                entry.charged[query.id] = (after, where)
            elif query.id not in book.listed:
                entry.listed_again[query.id] = after
            entry.appeared += before is None
        cumulate(entry.gains)
        for query_id, where in self._out_of_sight.items():
            if query_id in book.listed and query_id not in entry.charged:
                entry.unlisted[query_id] = where
        self._lose(entry, listed, now)
        entry.forget = self._forget(listed, now)
        self._write(entry, now)
        self._settle(entry)
        self._uncommitted.clear()
        self._out_of_sight.clear()
        self._restarted.clear()

    def _known(self, ids: Iterable[str]) -> dict[str, Charged]:
        known = {}
        strangers = []
        for query_id in ids:
            if query_id in self._book.listed:
                known[query_id] = self._book.listed[query_id]
            elif query_id in self._book.absent:
                known[query_id] = self._book.absent[query_id][0]
            else:
                strangers.append(query_id)
        return {**known, **self._ledger.charged(self._book, strangers)} if strangers else known

    def _charge(self, before: Charged | None, query: Query, seen: Seen, entry: Entry, now: float) -> Charged:
        totals = entry.gains
        user = self._show_label("user", query.user, before is None, totals)
        source = self._show_label("source", query.source, before is None, totals)
        after = charge(before, query, user, source, outcome_of(query, self._policy.canceled))
        lost = (USER_LOST.name, (after.user, after.source))
        if lost not in self._book.totals and lost not in totals:
            for series in owner_series(after.user, after.source):
                totals.setdefault(series, 0.0)
        is_repeat = (
            seen.text is not None
            and query.ended is not None
            and after.outcome == Outcome.FINISHED
            and self._repeats.meet(seen.text, query.id, query.ended)
        )
        if after == before:
            return after
        error_type = error_name = ""
        if after.outcome not in ("", Outcome.FINISHED) and not (before and before.outcome):
            error_type = self._show_label("error_type", query.error_type, True, totals)
            error_name = self._show_label("error_name", query.error_name, True, totals)
        pattern = self._show_fingerprint(seen.fingerprint, before is None, entry, now)
        for series, gain in gains(before, after, query, error_type, error_name, pattern, is_repeat):
            totals[series] = totals.get(series, 0.0) + gain
        self._use(before, after, query, seen, error_name, is_repeat, entry, now)
        return after

    def _use(
        self,
        before: Charged | None,
        after: Charged,
        query: Query,
        seen: Seen,
        error_name: str,
        is_repeat: bool,
        entry: Entry,
        now: float,
    ) -> None:
        """Add the step from *before* to *after* to the usage of its hour."""
        fingerprint = seen.fingerprint
        time = now if query.ended is None else query.ended
        for period in periods(time, now, self._book.days, self._ledger.bounds.kept):
            page = entry.usage.get(period)
            if page is None:
                page = entry.usage[period] = Page()
            key = Key(fingerprint.id, after.user, after.source, seen.place)
            cell = page.cells.get(key)
            if cell is None:
                cell = page.cells[key] = Cell()
                if fingerprint.id not in entry.statements:
                    entry.statements[fingerprint.id] = _statement(fingerprint)
            cell.charge(before, after, is_repeat)
            if error_name and not (before and before.outcome):
                error = ErrorKey(fingerprint.id, after.user, error_name)
                page.errors[error] = page.errors.get(error, 0) + 1

    def _show_fingerprint(self, fingerprint: Fingerprint, first_time: bool, entry: Entry, now: float) -> str:
        """Return the label value of a query's fingerprint: itself once enough queries had it, and there is a place."""
        shown, totals, name = OTHER, entry.gains, fingerprint.id
        if self._labels.has("fingerprint", name):
            if self._waking.get(name, now) <= now:
                shown = name
                self._waking.pop(name, None)
            if now - self._book.seen.get(name, 0.0) > DAY:
                entry.seen[name] = now
        elif first_time and self._candidates.meet(name):
            if name in self._book.retired and not self._labels.is_full("fingerprint"):
                self._show(self._ledger.revive(self._book, name, list(fingerprint_series(name))))
                self._waking[name] = now + self._policy.delay
            shown = self._show_label("fingerprint", name, first_time, totals)
            if shown == name:
                self._admitted[name] = _statement(fingerprint)
                entry.seen[name] = now
                if name in self._waking:
                    shown = OTHER
        finished = (FINGERPRINT_QUERIES.name, (shown, Outcome.FINISHED.value))
        if finished not in self._book.totals and finished not in totals:
            for series in fingerprint_series(shown):
                totals.setdefault(series, 0.0)
        return shown

    def _show_label(self, label: str, value: str, first_time: bool, totals: dict[Series, float]) -> str:
        shown, overflowed = self._labels.show(label, value)
        if overflowed and first_time:
            series = (LABEL_OVERFLOW.name, (label,))
            totals[series] = totals.get(series, 0.0) + 1.0
        return shown

    def _lose(self, entry: Entry, listed: Mapping[str, Query], now: float) -> None:
        """Count those in flight whose end will not be seen."""
        out_of_sight = {
            **self._book.absent,
            **{query_id: (self._book.listed[query_id], where) for query_id, where in entry.unlisted.items()},
            **{query_id: (charged, where) for query_id, (charged, where) in entry.charged.items() if where},
        }
        for query_id, (charged, where) in out_of_sight.items():
            if query_id in listed or charged.outcome or charged.lost:
                continue
            if coordinator_of(query_id) in self._restarted or completeness.is_lost(
                now, self._lists, where.last_listed, where.lists
            ):
                after, (series, gain) = loss(charged)
                entry.charged[query_id] = (after, where)
                entry.gains[series] = entry.gains.get(series, 0.0) + gain

    def _forget(self, listed: Iterable[str], now: float) -> list[tuple[str | None, float, int]]:
        if now < self._next_forget:
            return []
        self._next_forget = now + _FORGET_EVERY_SECONDS
        lists = self._lists - completeness.LISTS_UNTIL_FORGOTTEN
        terms: list[tuple[str | None, float, int]] = [(None, now - completeness.COORDINATOR_FORGOTTEN_AFTER, lists)]
        if self._ends:
            oldest = (self._clock or now) - min(self._ends.values())
            before = completeness.forget_before(now, self._memory.kept_seconds, oldest)
            terms += [(name, before, lists) for name in {coordinator_of(query_id) for query_id in listed}]
        return terms

    def _tidy(self, now: float) -> None:
        """Once an hour: keep usage bounded, and retire fingerprints that were not met for long."""
        if now < self._next_tidy:
            return
        self._ledger.tidy_usage(self._book, now)
        before = now - self._policy.retire_after
        old = [name for name, seen in self._book.seen.items() if seen < before]
        old = old[: RETIRED - len(self._book.retired)]
        if self._policy.retire_after and old:
            series = [one for name in old for one in fingerprint_series(name)]
            self._ledger.retire(self._book, old, series)
            self._labels.remove("fingerprint", old)
            self._publisher.withdraw((sample, (self.name, *labels)) for sample, labels in series)
            self._statements.remove(self.name, old)
        self._next_tidy = (now // HOUR + 1) * HOUR

    def _write(self, entry: Entry, now: float) -> None:
        entry.label_values = self._labels.admitted()
        entry.statements.update(self._admitted)
        changes = self._ledger.commit(self._book, entry, now, self._policy.delay)
        self._statements.add(self.name, self._admitted)
        self._admitted = {}
        self._counts.clear()
        self._labels.keep()
        self._show(changes)

    def _settle(self, entry: Entry) -> None:
        """Bring the book up to what was committed."""
        listed, absent = self._book.listed, self._book.absent
        unlisted = {query_id: (listed.pop(query_id), where) for query_id, where in entry.unlisted.items()}
        listed.update(entry.listed_again)
        for query_id, (charged, where) in entry.charged.items():
            if where is None:
                listed[query_id] = charged
            else:
                listed.pop(query_id, None)
                unlisted[query_id] = (charged, where)
        for query_id in [*entry.listed_again, *entry.charged]:
            absent.pop(query_id, None)
        for query_id, (charged, where) in unlisted.items():
            if not charged.outcome and not charged.lost:
                absent[query_id] = (charged, where)

    def _show(self, changes: Iterable[tuple[Series, float]]) -> None:
        self._publisher.counters((sample, (self.name, *labels), value) for (sample, labels), value in changes)

    def _publish(self, gauges: Iterable[tuple[str, Samples]]) -> None:
        self._publisher.replace(
            self.name,
            {family: [((self.name, *labels), value) for labels, value in samples] for family, samples in gauges},
        )

    def _publish_live(self, queries: Iterable[Query]) -> None:
        def owner(query: Query) -> tuple[str, str]:
            return self._labels.show("user", query.user).value, self._labels.show("source", query.source).value

        self._publish(in_flight(queries, owner).items())

    def _publish_health(self, health: Health) -> None:
        self.health = health
        self._publish(health.samples())

    def _healthy(
        self,
        listed: Mapping[str, Query],
        query_list: QueryList[Seen],
        answer: Answer,
        info: Info | None,
        findings: Findings,
        now: float,
    ) -> Health:
        health = self.health
        if info is not None:
            health = replace(
                health,
                engine=dialect_of(info.version).engine,
                version=info.version[:LONGEST],
                environment=info.environment[:LONGEST],
            )
        return replace(
            health,
            up=True,
            failure="",
            started=self._memory.started,
            poll_seconds=answer.seconds,
            response_bytes=len(answer.query_list),
            listed=len(query_list.rows),
            last_success=now,
            headroom_seconds=findings.headroom_seconds,
            visible_users=len({query.user for query in listed.values()}),
            label_counts=self._labels.counts(),
        )


def _statement(fingerprint: Fingerprint) -> Statement:
    return Statement(fingerprint.query_type, fingerprint.template, fingerprint.read, fingerprint.written)


def told(body: bytes | bytearray | None) -> Info | None:
    """Return what /v1/info said, None if it said nothing of use: the list counts all the same."""
    if body is None:
        return None
    try:
        return decode_info(body)
    except DecodeError:
        return None

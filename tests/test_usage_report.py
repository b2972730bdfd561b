"""Reports: the sums of the queries that were asked for, whatever periods of the ledger they are read from."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.account.distribution import Counts, bucket, merge, pack, quantile
from exporter.account.ledger import Ledger
from exporter.account.usage import Cell, ErrorKey, Key, Page, Period
from exporter.account.usage_rows import Statement as Kept
from exporter.account.usage_rows import add_up_day, put_statements, write
from exporter.errors import LedgerReadError
from exporter.report.change import change_of, choose
from exporter.report.percentiles import merged, percentiles
from exporter.report.question import MEASURES, Change, Group, Question
from exporter.report.report import Measures, Moment, Percentiles, Report, Row
from exporter.report.tables import Place, Role, is_named, place_of, qualify, roles
from exporter.report.usage import MOST_ERRORS, Usage
from exporter.report.window import Window, windows
from tests.usage_ledger import DAY, FIRST_SEEN, HOUR, NOW, OLDEST_HOUR, PLACES, STATEMENTS, TODAY, Ran, fill

AGO = (600.0, 5.0 * HOUR, 1.1 * DAY, 6.5 * DAY, 20.0 * DAY)


@contextlib.contextmanager
def usage_of(queries: Sequence[Ran], added_up: Sequence[int] = ()) -> Iterator[Usage]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        fill(path, queries, added_up)
        with contextlib.closing(Usage(path)) as usage:
            yield usage


def ask(queries: Sequence[Ran], question: Question, added_up: Sequence[int] = ()) -> Report:
    with usage_of(queries, added_up) as usage:
        return usage.ask(question, NOW)


def by_name(report: Report) -> dict[str, Row]:
    return {row.name: row for row in report.rows}


# ---------------------------------------------------------------- a model: the list of queries, added up


def measures(queries: Sequence[Ran]) -> Measures:
    """Return what *queries* come to."""
    finished, failed, canceled, repeated, _, cpu, failed_cpu, repeated_cpu, *rest = [
        sum(values) for values in zip([0.0] * 13, *(query.sums() for query in queries), strict=True)
    ]
    counts = map(int, (finished + failed + canceled, finished, failed, canceled))
    return Measures(*counts, *(cpu, failed_cpu, *rest), int(repeated), repeated_cpu)  # type: ignore[call-arg]


def spread(seconds: Sequence[float]) -> Percentiles:
    counts = Counter(map(bucket, seconds))
    return Percentiles(quantile(counts, 0.5), quantile(counts, 0.95), quantile(counts, 0.99))


def tables(query: Ran, which: tuple[int, ...] = (2, 3)) -> set[tuple[str, str]]:
    """Return catalog and whole name of what *query* reads (2) and writes (3)."""
    catalog, schema = json.loads((query.place or '["",""]').lower())
    found = set()
    for name in [name for one in which for name in STATEMENTS[query.fingerprint][one]]:
        known = [[catalog, schema], [catalog], []][name.count(".")]
        whole = ".".join([part for part in [*known, name] if part])
        found.add((catalog if name.count(".") < 2 else name.split(".")[0], whole))
    return found


def groups(query: Ran, group: Group, which: tuple[int, ...] = (2, 3)) -> set[str]:
    """Return in which groups *query* is."""
    if group in (Group.TABLE, Group.CATALOG):
        return {one[group is Group.TABLE] for one in tables(query, which)} or ({""} if which == (2, 3) else set())
    if group is Group.QUERY_TYPE:
        return {STATEMENTS[query.fingerprint][0]}
    return {getattr(query, group)}


def is_let_through(query: Ran, question: Question) -> bool:
    names = groups(query, Group.TABLE)
    return (
        (not question.clusters or query.cluster in question.clusters)
        and (not question.users or query.user in question.users)
        and (not question.sources or query.source in question.sources)
        and (not question.fingerprints or query.fingerprint in question.fingerprints)
        and (not question.query_types or STATEMENTS[query.fingerprint][0] in question.query_types)
        and (not question.catalogs or bool(groups(query, Group.CATALOG) & set(question.catalogs)))
        and (not question.tables or any(f".{name}".endswith(f".{one}") for name in names for one in question.tables))
        and question.search.lower() in STATEMENTS[query.fingerprint][1].lower()
    )


names = st.sampled_from(("alice", "bob", "", "other", "\0", "ünïcode"))
queries_ran = st.builds(
    Ran,
    time=st.sampled_from(AGO).flatmap(lambda ago: st.floats(NOW - ago, NOW)) | st.floats(NOW - 80 * DAY, NOW),
    cluster=st.sampled_from(("adhoc", "etl")),
    fingerprint=st.sampled_from(sorted(STATEMENTS)),
    user=names,
    source=st.sampled_from(("cli", "")),
    place=st.sampled_from(PLACES),
    outcome=st.sampled_from(("finished", "finished", "failed", "canceled", "")),
    error=st.just(""),
    is_repeat=st.booleans(),
    is_folded=st.booleans(),
    amount=st.integers(0, 10_000),
).map(lambda ran: replace(ran, error="SYNTAX_ERROR" if ran.amount % 3 else "Ä") if ran.outcome == "failed" else ran)
filters = {
    "clusters": st.sampled_from(("adhoc", "etl", "nowhere")),
    "users": names,
    "sources": st.sampled_from(("cli", "", "nothing")),
    "fingerprints": st.sampled_from(sorted(STATEMENTS)),
    "query_types": st.sampled_from(("SELECT", "INSERT", "X")),
    "tables": st.sampled_from(("orders", "sales.orders", "hive.sales.orders", "copy", "x", "s", "rders")),
    "catalogs": st.sampled_from(("hive", "ünïcode", "x")),
}
some_filters = st.lists(st.sampled_from(sorted(filters)), max_size=2).flatmap(
    lambda fields: st.fixed_dictionaries(
        {field: st.lists(filters[field], min_size=1, max_size=2, unique=True).map(tuple) for field in fields}
    )
)
plain_questions = st.builds(
    Question,
    window=st.sampled_from((3600.0, 86400.0, 3 * 86400.0, 7 * 86400.0, 8 * 86400.0, 30 * 86400.0, 90 * 86400.0)),
    until=st.none() | st.floats(NOW - 40 * DAY, NOW + 2 * DAY),
    search=st.sampled_from(("", "", "", "orders", "SELECT", "ünïcode", "nowhere")),
    group_by=st.sampled_from(Group),
    order_by=st.sampled_from(MEASURES),
    descending=st.booleans(),
    limit=st.integers(1, 8),
    offset=st.integers(0, 3),
    compare=st.booleans(),
    change=st.none() | st.sampled_from(Change),
    trend=st.booleans(),
)
questions = st.tuples(plain_questions, some_filters).map(
    lambda both: replace(both[0], **both[1])  # type: ignore[arg-type]
)
days_added_up = st.sets(st.integers(1, 8).map(lambda ago: TODAY - ago * DAY)).map(tuple)


@settings(max_examples=50)
@given(st.lists(queries_ran, max_size=40), st.lists(questions, min_size=1, max_size=5), days_added_up)
def test_a_report_is_the_sum_of_the_queries_asked_for(
    queries: list[Ran], asked: list[Question], added_up: tuple[int, ...]
) -> None:
    with usage_of(queries, added_up) as usage:
        for question in asked:
            _check(queries, question, usage.ask(question, NOW))


def some_queries(count: int, seed: int = 1) -> list[Ran]:
    """Return queries of two months, more of the last days, the same each time."""
    chance = random.Random(seed)
    return [
        Ran(
            time=NOW - chance.choice((HOUR, DAY, 3 * DAY, 60 * DAY)) * chance.random() ** 2,
            cluster=chance.choice(("adhoc", "etl")),
            fingerprint=chance.choice(sorted(STATEMENTS)),
            user=chance.choice(("alice", "bob", "")),
            source=chance.choice(("cli", "")),
            place=chance.choice(PLACES),
            outcome=outcome,
            error=chance.choice(("SYNTAX_ERROR", "Ä")) if outcome in ("failed", "canceled") else "",
            is_repeat=chance.random() < 0.3,
            is_folded=chance.random() < 0.1,
            amount=chance.randrange(1000),
        )
        for outcome in chance.choices(("finished", "failed", "canceled", ""), (6, 2, 1, 1), k=count)
    ]


@pytest.mark.parametrize("group", Group)
def test_reports_of_every_kind_are_the_sums_of_the_queries(group: Group) -> None:
    queries = some_queries(150)
    for fingerprint, ago in (("cccccccccccccccc", 40 * HOUR), ("dddddddddddddddd", 40 * DAY)):  # those will be gone
        queries = [query for query in queries if query.fingerprint != fingerprint or query.time < NOW - ago]
    with usage_of(queries, [TODAY - 2 * DAY, TODAY - 5 * DAY]) as usage:
        for window in (1, 7, 30):
            for change in (None, *Change):
                for narrow in (
                    Question(),
                    Question(order_by="failed", users=("alice",)),
                    Question(order_by="repeated_queries", tables=("copy", "orders"), trend=True),
                ):
                    question = replace(
                        narrow, window=window * 86400.0, group_by=group, compare=True, change=change, limit=1000
                    )
                    _check(queries, question, usage.ask(question, NOW))


def _check(queries: Sequence[Ran], question: Question, report: Report) -> None:
    window, window_before = windows(question, NOW)
    assert (report.question, report.start, report.end, report.step) == (question, *window)
    through = [query for query in queries if is_let_through(query, question)]
    now = [query for query in through if report.start <= query.time < report.end]
    assert report.total == measures(now)
    assert report.folded_queries == sum(query.is_folded for query in now)
    ended = [query.amount for query in now if query.outcome]
    assert report.elapsed == spread([amount / 8 for amount in ended])
    assert report.queued == spread([amount / 32 for amount in ended])
    assert [moment.start for moment in report.trend] == list(range(*window))
    for moment in report.trend:
        assert moment.measures == measures([one for one in now if 0 <= one.time - moment.start < report.step])
    if not (question.sources or question.tables or question.catalogs):
        assert dict(report.errors) == Counter(query.error for query in now if query.error)
    before: list[Ran] = []
    if window_before:
        assert report.before == window_before[:2]
        before = [query for query in through if window_before.start <= query.time < window_before.end]
        assert report.total_before == measures(before)
    else:
        assert (report.before, report.total_before) == (None, None)
    _check_rows(report, now, before)


def _check_rows(report: Report, now: Sequence[Ran], before: Sequence[Ran]) -> None:
    question, is_compared = report.question, report.before is not None
    measure = MEASURES.index(question.order_by)
    expected: dict[str, tuple[Measures, Measures]] = {}
    for name in {name for query in [*now, *before] for name in groups(query, question.group_by)}:
        is_there = any(name in groups(query, question.group_by) for query in now)
        then, since = (
            measures([query for query in some_queries if name in groups(query, question.group_by)])
            for some_queries in (before, now)
        )
        change = change_of(then[measure], since[measure])
        if (is_there or then[measure] > 0) and question.change in (None, change):
            expected[name] = (then, since)
    assert report.groups == len(expected)
    which = 0 if question.change is Change.VANISHED else 1
    ranked = sorted([both[which][measure] for both in expected.values()], reverse=question.descending)
    shown = [expected[row.name][which][measure] for row in report.rows]
    assert shown == ranked[question.offset :][: question.limit]
    assert len(by_name(report)) == len(report.rows)
    for row in report.rows:
        then, since = expected[row.name]
        mine = [query for query in now if row.name in groups(query, question.group_by)]
        assert row.measures == since
        assert row.before == (then if is_compared else None)
        assert row.change == (change_of(then[measure], since[measure]) if is_compared else None)
        assert row.share == (since[measure] / report.total[measure] if report.total[measure] else 0.0)
        assert row.elapsed == spread([query.amount / 8 for query in mine if query.outcome])
        assert row.queued == spread([query.amount / 32 for query in mine if query.outcome])
        assert row.fingerprints == len({query.fingerprint for query in mine})
        assert row.users == len({query.user for query in mine})
        parts = [[one for one in mine if 0 <= one.time - moment.start < report.step] for moment in report.trend]
        assert row.trend == (tuple([measures(part)[measure] for part in parts]) if question.trend else ())
        if question.group_by in (Group.TABLE, Group.CATALOG):
            reading, writing = (
                measures([query for query in mine if row.name in groups(query, question.group_by, (which,))]).queries
                for which in (2, 3)
            )
            assert (row.read_queries, row.written_queries) == (reading, writing)
        else:
            assert (row.read_queries, row.written_queries) == (0, 0)
        if question.group_by is Group.FINGERPRINT:
            assert row.statement is not None
            query_type, template, *_ = STATEMENTS[row.name]
            ran = mine or [query for query in before if query.fingerprint == row.name]
            read, written = (
                tuple(sorted({name for query in ran for _, name in tables(query, (which,))})) for which in (2, 3)
            )
            assert row.statement == (query_type, template, read, written, FIRST_SEEN[row.name])
        else:
            assert row.statement is None


@given(st.lists(queries_ran, max_size=25), questions.map(lambda one: replace(one, limit=2, offset=0)), days_added_up)
@settings(max_examples=30)
def test_pages_have_every_group_once_and_in_one_order(
    queries: list[Ran], question: Question, added_up: tuple[int, ...]
) -> None:
    with usage_of(queries, added_up) as usage:
        whole = usage.ask(replace(question, limit=1000), NOW)
        pages = [usage.ask(replace(question, offset=offset), NOW) for offset in range(0, whole.groups + 1, 2)]
    assert len(whole.rows) == whole.groups == len(by_name(whole))
    assert [row for page in pages for row in page.rows] == list(whole.rows)


@given(st.lists(queries_ran, max_size=25), questions)
@settings(max_examples=20)
def test_days_give_what_their_hours_give(queries: list[Ran], question: Question) -> None:
    recent = [query for query in queries if query.time >= OLDEST_HOUR]
    question = replace(question, window=30 * 86400.0, until=None)
    by_hours = ask(recent, question)
    by_days = ask(recent, question, [TODAY - ago * DAY for ago in range(1, 8)])
    assert replace(by_hours, rows=(), oldest=None) == replace(by_days, rows=(), oldest=None)
    assert by_name(by_hours) == by_name(by_days) or by_hours.groups > question.limit


@given(st.lists(queries_ran, max_size=25), questions.map(lambda one: replace(one, users=(), search="")), days_added_up)
@settings(max_examples=50)
def test_errors_are_those_of_the_fingerprints_and_users_that_get_through(
    queries: list[Ran], question: Question, added_up: tuple[int, ...]
) -> None:
    report = ask(queries, question, added_up)
    now = [query for query in queries if report.start <= query.time < report.end and query.cluster in report.clusters]
    through = [query for query in now if is_let_through(query, question)]
    pairs = {(query.cluster, query.fingerprint, query.user) for query in through}
    least = Counter(query.error for query in through if query.error)
    most = Counter(one.error for one in now if one.error and (one.cluster, one.fingerprint, one.user) in pairs)
    found = Counter(dict(report.errors))
    assert least <= found <= most


def test_a_ledger_without_usage_answers_an_empty_report() -> None:
    for group in Group:
        report = ask([], Question(group_by=group, compare=True, trend=True, search="x", tables=("t",)))
        assert (report.rows, report.groups, report.errors, report.clusters, report.oldest) == ((), 0, (), (), None)
        assert report.total == report.total_before == Measures()
        assert report.elapsed == report.queued == Percentiles(None, None, None)
        assert report.trend == tuple(
            Moment(start, Measures()) for start in range(TODAY - 12 * HOUR, TODAY + 13 * HOUR, HOUR)
        )


def test_clusters_and_the_oldest_usage_are_told_whatever_the_filters() -> None:
    queries = [Ran(NOW - 30 * DAY, "etl"), Ran(NOW, "adhoc")]
    report = ask(queries, Question(clusters=("adhoc",), users=("nobody",)))
    assert report.clusters == ("adhoc", "etl")
    assert report.oldest == TODAY - 30 * DAY
    assert report.total == Measures()


def test_the_errors_are_the_most_frequent_first_and_bounded() -> None:
    queries = [Ran(NOW, outcome="failed", error=f"E{number:02}") for number in range(30) for _ in range(30 - number)]
    queries += [Ran(NOW, outcome="failed", error="AGAIN")] * 29
    found = ask(queries, Question()).errors
    assert len(found) == MOST_ERRORS
    assert found[:3] == (("E00", 30), ("AGAIN", 29), ("E01", 29))


def test_names_compare_as_they_are_and_half_characters_are_nobody() -> None:
    users = ("", "\0", "a\0b", "a", "A", "%", "_", "'", '"; DROP TABLE usage', "ä", "a\u0308", "x" * 5000)
    with usage_of([Ran(NOW, user=user) for user in users]) as usage:
        for user in users:
            assert [row.name for row in usage.ask(Question(users=(user,), group_by=Group.USER), NOW).rows] == [user]
        for user in ("\ud800", "a\0", "a\0\ud800", "nobody", "?"):
            assert usage.ask(Question(users=(user,)), NOW).total == Measures()
            for question in (
                Question(search=f"{user}\ud800"),
                Question(sources=(user,)),
                Question(clusters=(user,)),
                Question(fingerprints=(user,)),
                Question(query_types=(user,)),
                Question(tables=(user,)),
                Question(catalogs=(user,)),
            ):
                assert usage.ask(question, NOW).total == Measures()


def test_a_filter_for_the_empty_table_is_for_statements_without_tables() -> None:
    queries = [Ran(NOW, fingerprint=fingerprint) for fingerprint in STATEMENTS]
    report = ask(queries, Question(tables=("",), group_by=Group.FINGERPRINT))
    assert set(by_name(report)) == {"cccccccccccccccc", "other"}


def test_what_the_writer_of_the_ledger_writes_is_what_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    key = Key("aaaaaaaaaaaaaaaa", "alice", "cli", '["hive", "sales"]')
    page = Page()
    for number in range(1, 4):
        page.cells[key._replace(user=f"u{number}")] = Cell(
            finished=number,
            failed=1,
            cpu_seconds=0.5,
            queued_counts={0: number + 1},
            elapsed_counts={7: 1, 300: number},
        )
        page.errors[ErrorKey(key.fingerprint, f"u{number}", "E")] = 1
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO cluster (name, url) VALUES ('adhoc', 'http://adhoc')")
        put_statements(db, {key.fingerprint: Kept("SELECT", "SELECT ?", ("t",), ())}, NOW)
        for day in range(3):
            write(db, 1, Period(0, TODAY - day * DAY), page)
        add_up_day(db, 1, TODAY - DAY, 1000)
    with contextlib.closing(Usage(path)) as usage:
        for window, days in ((6 * 86400.0, 3), (30 * 86400.0, 3), (3600.0 * 13, 1)):
            report = usage.ask(Question(window=window), NOW)
            assert (report.total.queries, report.total.cpu_seconds) == (9 * days, 1.5 * days)
            assert report.errors == (("E", 3 * days),)
            (row,) = report.rows
            assert row.statement is not None and row.statement.read == ("hive.sales.t",)
            assert row.elapsed == percentiles(pack({7: 3, 300: 6}))
            assert row.queued == percentiles(pack({0: 9}))


# ---------------------------------------------------------------- the file


def test_a_ledger_that_is_not_there_or_none_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(LedgerReadError, match="usage cannot be read"):
        Usage(tmp_path / "absent").ask(Question(), NOW)
    assert not (tmp_path / "absent").exists()
    other = tmp_path / "other?mode=rwc#%41"
    other.write_bytes(b"SQLite format 3\0" + b"\x55" * 5000)
    with pytest.raises(LedgerReadError, match="usage cannot be read") as caught:
        Usage(other).ask(Question(), NOW)
    assert str(other) in str(caught.value)


def test_a_closed_ledger_is_an_error_of_ours(tmp_path: Path) -> None:
    fill(tmp_path / "ledger", [Ran(NOW)])
    usage = Usage(tmp_path / "ledger")
    usage.close()
    with pytest.raises(LedgerReadError, match="closed"):
        usage.ask(Question(), NOW)


def test_a_ledger_can_be_asked_again_after_it_could_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    fill(path, [Ran(NOW)])
    question = Question(group_by=Group.TABLE, tables=("orders",), search="s")
    with contextlib.closing(Usage(path)) as usage, contextlib.closing(sqlite3.connect(path)) as db:
        with db:
            db.execute("ALTER TABLE usage RENAME COLUMN cpu_seconds TO gone")
        with pytest.raises(LedgerReadError, match="cpu_seconds"):
            usage.ask(question, NOW)
        with db:
            db.execute("ALTER TABLE usage RENAME COLUMN gone TO cpu_seconds")
        assert usage.ask(question, NOW).total.queries == 1


def test_nothing_can_be_written_by_asking(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    fill(path, [Ran(NOW)])
    before = path.read_bytes()
    with contextlib.closing(Usage(path)) as usage:
        usage.ask(Question(search="'; DELETE FROM usage; --", users=("' OR 1=1 --",)), NOW)
        assert usage.ask(Question(), NOW).total.queries == 1
    assert path.read_bytes() == before


def test_a_report_is_of_one_commit_while_others_are_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    fill(path, [Ran(NOW, cluster) for cluster in ("adhoc", "etl")] + [Ran(NOW, "adhoc", outcome="failed", error="E")])
    done = threading.Event()

    def write_on() -> None:
        with contextlib.closing(sqlite3.connect(path, timeout=30.0)) as db:
            while not done.is_set():
                with db:
                    db.execute("UPDATE usage SET finished = finished + 1, cpu_seconds = cpu_seconds + 1")
                    db.execute("UPDATE usage_error SET queries = queries + 1")

    reports: list[Report] = []

    def ask_on(usage: Usage) -> None:
        reports.extend(usage.ask(Question(group_by=Group.CLUSTER, trend=True), NOW) for _ in range(60))

    with contextlib.closing(Usage(path)) as usage:
        writer = threading.Thread(target=write_on)
        askers = [threading.Thread(target=ask_on, args=(usage,)) for _ in range(4)]
        for thread in (writer, *askers):
            thread.start()
        for thread in askers:
            thread.join()
        done.set()
        writer.join()
    assert len(reports) == 240
    assert len({report.total for report in reports}) > 1
    for report in reports:
        ((_, errors),) = report.errors
        assert report.total.finished == 2 * errors
        assert report.total.cpu_seconds == report.total.finished + 1
        assert sum(row.measures.finished for row in report.rows) == report.total.finished
        assert sum(moment.measures.finished for moment in report.trend) == report.total.finished


# ---------------------------------------------------------------- windows


def hours(start: int, end: int) -> Window:
    return Window(TODAY + start * HOUR, TODAY + end * HOUR, HOUR)


def days(start: int, end: int) -> Window:
    return Window(TODAY + start * DAY, TODAY + end * DAY, DAY)


@pytest.mark.parametrize(
    ("window", "until", "expected", "before"),
    [
        (1.0, None, hours(11, 13), hours(9, 11)),
        (24.0, None, hours(-12, 13), hours(-36, -12)),
        (24.0, NOW, hours(-12, 13), hours(-36, -12)),
        (24.0, TODAY + 13.0 * HOUR, hours(-11, 13), hours(-35, -11)),
        (24.0, TODAY - 0.0, hours(-24, 0), hours(-48, -24)),
        (24.0, NOW - 3 * DAY, hours(-84, -59), hours(-108, -84)),
        (24.0, NOW + 0.5 * DAY, hours(0, 25), hours(-12, 0)),
        (24.0, NOW + 9 * DAY, hours(204, 229), hours(203, 204)),
        (48.0, None, hours(-36, 13), hours(-84, -36)),
        (3.5 * 24, None, hours(-72, 13), hours(-156, -72)),
        (4.0 * 24, None, hours(-84, 13), days(-8, -4)),
        (7.0 * 24, None, hours(-156, 13), days(-14, -7)),
        (24.0, NOW - 6 * DAY, days(-7, -5), days(-9, -7)),
        (24.0, NOW - 20 * DAY, days(-21, -19), days(-23, -21)),
        (1.0, NOW - 80 * DAY, days(-80, -79), days(-81, -80)),
        (8.0 * 24, None, days(-8, 1), days(-17, -8)),
        (30.0 * 24, None, days(-30, 1), days(-61, -30)),
        (30.0 * 24, TODAY + 0.0, days(-30, 0), days(-60, -30)),
        (90.0 * 24, None, days(-90, 1), days(-181, -90)),
    ],
)
def test_windows(window: float, until: float | None, expected: Window, before: Window) -> None:
    question = Question(window=window * HOUR, until=until)
    assert windows(replace(question, compare=True), NOW) == (expected, before)
    assert windows(replace(question, change=Change.NEW), NOW) == (expected, before)
    alone, nothing = windows(question, NOW)
    assert nothing is None
    assert alone == expected or (alone.step == HOUR and expected.step == DAY)


@given(st.floats(3600.0, 90 * 86400.0), st.none() | st.floats(0.0, 3e9), st.floats(1.5e9, 2e9), st.booleans())
def test_windows_are_whole_and_have_what_was_asked_for(
    window: float, until: float | None, now: float, compare: bool
) -> None:
    found, before = windows(Question(window=window, until=until, compare=compare), now)
    end = now if until is None else until
    for one in (found, before) if before else (found,):
        assert one.start % one.step == one.end % one.step == 0 < one.end - one.start
    assert found.start <= end - window < found.start + found.step
    assert found.end - found.step < end <= found.end or end == found.end
    assert found.step == DAY or (window <= 7 * DAY and found.start >= now // DAY * DAY - 7 * DAY)
    assert (before is not None) == compare
    if before:
        assert before.end <= found.start < before.end + DAY
        assert before.end == found.start or before.step > found.step
        passed = max(min(end, now) - found.start, 0.0)
        assert abs(before.end - before.start - passed) <= before.step


# ---------------------------------------------------------------- tables


@pytest.mark.parametrize(
    ("name", "place", "catalog", "whole"),
    [
        ("t", ("hive", "s"), "hive", "hive.s.t"),
        ("s2.t", ("hive", "s"), "hive", "hive.s2.t"),
        ("iceberg.s2.t", ("hive", "s"), "iceberg", "iceberg.s2.t"),
        ("t", ("hive", ""), "hive", "hive.t"),
        ("t", ("", "s"), "", "s.t"),
        ("t", ("", ""), "", "t"),
        ("s2.t", ("", "s"), "", "s2.t"),
        ("a.b.c.d", ("hive", "s"), "a", "a.b.c.d"),
        ("", ("hive", "s"), "hive", "hive.s"),
    ],
)
def test_names_are_qualified_as_far_as_is_known(name: str, place: tuple[str, str], catalog: str, whole: str) -> None:
    assert qualify(name, Place(*place)) == (catalog, whole)


def test_places_are_read_in_lower_case() -> None:
    assert place_of("") == ("", "")
    assert place_of('["Hive", ""]') == ("hive", "")


def test_roles_have_each_name_once() -> None:
    assert roles(["b", "a", "b"], ["b", "c"]) == (Role("a", True, False), Role("b", True, True), Role("c", False, True))
    assert roles([], []) == (Role("", False, False),)
    assert roles([""], []) == (Role("", True, False),)


@pytest.mark.parametrize(
    ("name", "asked", "expected"),
    [
        ("hive.s.t", "hive.s.t", True),
        ("hive.s.t", "s.t", True),
        ("hive.s.t", "t", True),
        ("hive.s.t", "HIVE.S.T", True),
        ("hive.s.t", "hive.s", False),
        ("hive.s.at", "t", False),
        ("hive.s.t", ".t", False),
        ("hive.s.t", "", False),
        ("", "", True),
        ("", "t", False),
        ("t.", "", False),
    ],
)
def test_a_table_is_found_by_its_last_parts(name: str, asked: str, expected: bool) -> None:
    assert is_named(name, asked) is expected


# ---------------------------------------------------------------- changes


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (0.0, 0.0, Change.SAME),
        (0.0, 1.0, Change.NEW),
        (1.0, 0.0, Change.VANISHED),
        (100.0, 125.0, Change.GREW),
        (100.0, 124.9, Change.SAME),
        (100.0, 100.0, Change.SAME),
        (100.0, 75.1, Change.SAME),
        (100.0, 75.0, Change.SHRANK),
        (100.0, 1e-6, Change.SHRANK),
        (1e-6, 1e300, Change.GREW),
    ],
)
def test_changes(before: float, now: float, expected: Change) -> None:
    assert change_of(before, now) is expected


@pytest.mark.parametrize(
    ("question", "keys", "count"),
    [
        (Question(compare=True), [3, 1, 4, 2, 5], 5),
        (Question(compare=True, descending=False), [2, 5, 1, 4, 3], 5),
        (Question(compare=True, limit=2), [3, 1], 5),
        (Question(compare=True, limit=2, offset=4), [5], 5),
        (Question(compare=True, offset=9), [], 5),
        (Question(change=Change.NEW), [1], 1),
        (Question(change=Change.GREW), [3], 1),
        (Question(change=Change.SHRANK), [], 0),
        (Question(change=Change.SAME), [4], 1),
        (Question(change=Change.VANISHED), [5, 2], 2),
        (Question(change=Change.VANISHED, descending=False), [2, 5], 2),
        (Question(change=Change.VANISHED, limit=1, offset=1), [2], 2),
    ],
)
def test_groups_are_chosen_in_order(question: Question, keys: list[int], count: int) -> None:
    now = {4: 1.0, 3: 8.0, 1: 1.0, 2: 0.0}
    before = {3: 2.0, 2: 3.0, 5: 7.0, 6: 0.0, 4: 1.0}
    assert choose(question, now, before) == (keys, count)


# ---------------------------------------------------------------- percentiles

distributions = st.dictionaries(st.integers(0, 7000), st.integers(1, 2**32 - 1), max_size=20)


@given(st.lists(distributions, max_size=20))
@example([{0: 1, 7000: 2**32 - 1}] * 3)
def test_joined_distributions_are_merged_and_give_their_quantiles(some: list[Counts]) -> None:
    together: Counts = {}
    for counts in some:
        merge(together, counts)
    packed = b"".join(map(pack, some))
    assert merged(packed) == together
    assert percentiles(packed) == tuple(quantile(together, share) for share in (0.5, 0.95, 0.99))

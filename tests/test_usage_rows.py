"""Usage in the ledger: added up by the day, kept bounded and for as long as configured; ledgers of earlier versions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.account.ledger import MIGRATIONS, Book, Entry, Ledger
from exporter.account.usage import DAY, HOUR, Cell, ErrorKey, Key, Page, Period
from exporter.account.usage_rows import Bounds, Statement
from exporter.catalogue import CATALOGUE
from exporter.expose.text import Exposition
from exporter.pipeline import Pipeline, Policy, Statements
from tests.exposition import Samples, scrape
from tests.listing import START, answer, info, row

TODAY = int(START // DAY) * DAY
BOUNDS = Bounds(cells_per_hour=10, cells_per_day=20, exact_cells=50, fingerprints=60)
CANCELED = frozenset({"USER_CANCELED"})
V1 = Path(__file__).parent / "data" / "ledger" / "v1.sql"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "ledger.sqlite", BOUNDS)
    yield ledger
    ledger.close()


def fingerprint(number: int) -> str:
    return f"{number:016x}"


def use(
    ledger: Ledger, book: Book, period: Period, now: float, cells: int, first: int = 0, template: str = "t"
) -> None:
    """Commit one finished query for each of so many fingerprints, dearer the higher their number; each fifth fails."""
    numbers = range(first, first + cells)
    page = Page({Key(fingerprint(n), "u", "s", ""): Cell(finished=1, cpu_seconds=float(n + 1)) for n in numbers})
    page.errors = {ErrorKey(fingerprint(n), "u", "E"): 1 for n in numbers if n % 5 == 0}
    statements = {fingerprint(n): Statement("SELECT", template, ("t",), ()) for n in numbers}
    entry = Entry(lists=1, listed_at=now, memo="{}", usage={period: page}, statements=statements)
    ledger.commit(book, entry, now, 0.0)


def rows(ledger: Ledger, sql: str) -> list[Any]:
    """Return what another connection, such as a page's, reads."""
    db = sqlite3.connect(ledger.path)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def test_commits_add_up_in_their_hour_over_restarts(ledger: Ledger) -> None:
    hour = Period(0, TODAY)
    for _ in range(2):
        book = ledger.open_book("a", "http://a")
        use(ledger, book, hour, TODAY + 60.0, 3)
        use(ledger, book, hour, TODAY + 90.0, 4)
    assert rows(ledger, "SELECT sum(finished), sum(cpu_seconds), count(*) FROM usage") == [(14, 32.0, 4)]
    assert rows(ledger, "SELECT sum(queries), count(*) FROM usage_error") == [(4, 1)]


def test_a_commit_that_was_refused_adds_nothing_and_can_be_repeated(ledger: Ledger) -> None:
    book = ledger.open_book("a", "http://a")
    use(ledger, book, Period(0, TODAY), TODAY + 60.0, 3)
    other = sqlite3.connect(ledger.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Exception, match="not written"):
        use(ledger, book, Period(0, TODAY), TODAY + 90.0, 3)
    other.execute("ROLLBACK")
    other.close()
    use(ledger, book, Period(0, TODAY), TODAY + 90.0, 3)
    assert rows(ledger, "SELECT sum(finished) FROM usage") == [(6,)]


def test_a_day_is_added_up_once_it_is_over_and_late_charges_reach_hour_and_day(ledger: Ledger) -> None:
    book = ledger.open_book("a", "http://a")
    use(ledger, book, Period(0, TODAY + 5 * HOUR), TODAY + 6 * HOUR, 3)
    use(ledger, book, Period(0, TODAY + 23 * HOUR), TODAY + DAY - 1.0, 3)
    ledger.tidy_usage(book, TODAY + DAY - 1.0)
    assert book.days == set()
    ledger.tidy_usage(book, TODAY + DAY + 1.0)
    assert book.days == {TODAY}
    assert rows(ledger, "SELECT days, sum(finished), count(*) FROM usage GROUP BY 1") == [(0, 6, 6), (1, 6, 3)]
    assert rows(ledger, "SELECT days, sum(queries) FROM usage_error GROUP BY 1") == [(0, 2), (1, 2)]
    use(ledger, book, Period(1, TODAY), TODAY + DAY + 2.0, 3)
    ledger.tidy_usage(book, TODAY + DAY + 3.0)
    assert rows(ledger, "SELECT sum(finished), count(*) FROM usage WHERE days") == [(9, 3)]
    assert ledger.open_book("a", "http://a").days == {TODAY}


def test_nothing_of_the_last_day_is_folded_and_older_hours_are(ledger: Ledger) -> None:
    book = ledger.open_book("a", "http://a")
    old, young = Period(0, TODAY), Period(0, TODAY + 20 * HOUR)
    use(ledger, book, old, TODAY + 60.0, 30)
    use(ledger, book, young, TODAY + 20 * HOUR, 30)
    ledger.tidy_usage(book, TODAY + 25 * HOUR)
    assert rows(ledger, "SELECT count(*) FROM usage WHERE days = 0 GROUP BY start") == [(30,), (30,)]
    ledger.tidy_usage(book, TODAY + 26 * HOUR + 1.0)
    assert rows(ledger, "SELECT count(*), sum(finished), sum(folded) FROM usage WHERE days = 0 GROUP BY start") == [
        (10, 30, 21),
        (30, 30, 0),
    ]
    assert rows(ledger, "SELECT count(*), sum(finished) FROM usage WHERE days") == [(20, 60)]
    assert rows(ledger, "SELECT sum(queries) FROM usage_error GROUP BY days, start") == [(6,), (6,), (12,)]


def test_an_hour_takes_only_so_many_cells_and_the_rest_is_folded_at_once(ledger: Ledger) -> None:
    book = ledger.open_book("a", "http://a")
    for first in (0, 40):
        use(ledger, book, Period(0, TODAY), TODAY + 60.0, 40, first)
    assert rows(ledger, "SELECT count(*), sum(finished), sum(folded) FROM usage") == [(51, 80, 30)]
    assert rows(ledger, "SELECT sum(queries) FROM usage_error") == [(16,)]


def test_an_hour_takes_only_so_many_characters_of_new_templates(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.sqlite", Bounds(exact_characters=1000, template=300))
    book = ledger.open_book("a", "http://a")
    use(ledger, book, Period(0, TODAY), TODAY + 60.0, 5, template="x" * 400)
    assert rows(ledger, "SELECT count(*), sum(finished), sum(folded) FROM usage") == [(3, 5, 3)]
    assert rows(ledger, "SELECT max(length(template)) FROM statement") == [(300,)]
    ledger.close()


def test_hours_are_kept_a_week_and_days_as_long_as_configured(ledger: Ledger) -> None:
    book = ledger.open_book("a", "http://a")
    use(ledger, book, Period(0, TODAY), TODAY + 60.0, 3)
    ledger.tidy_usage(book, TODAY + 8 * DAY - 1.0)
    assert rows(ledger, "SELECT days, count(*) FROM usage GROUP BY 1") == [(0, 3), (1, 3)]
    ledger.tidy_usage(book, TODAY + 8 * DAY)
    assert rows(ledger, "SELECT days, count(*) FROM usage GROUP BY 1") == [(1, 3)]
    ledger.tidy_usage(book, TODAY + 91 * DAY - 1.0)
    assert rows(ledger, "SELECT count(*) FROM usage") == [(3,)]
    ledger.tidy_usage(book, TODAY + 91 * DAY)
    assert rows(ledger, "SELECT (SELECT count(*) FROM usage), (SELECT count(*) FROM usage_error)") == [(0, 0)]
    assert rows(ledger, "SELECT (SELECT count(*) FROM statement), (SELECT count(*) FROM usage_name)") == [(0, 0)]
    assert book.days == set()


def test_fingerprints_are_kept_bounded_over_all_days_and_sums_stay(ledger: Ledger) -> None:
    book = ledger.open_book("a", "http://a")
    other = ledger.open_book("b", "http://b")
    for day in range(6):
        for one in (book, other):
            now = TODAY + day * DAY + 60.0
            use(ledger, one, Period(0, TODAY + day * DAY), now, 20, first=20 * day)
            ledger.tidy_usage(one, now)
    ended = rows(ledger, "SELECT sum(finished) FROM usage WHERE days = 0")
    ledger.tidy_usage(book, TODAY + 6 * DAY + 2 * HOUR)
    ledger.tidy_usage(other, TODAY + 6 * DAY + 2 * HOUR)
    assert ended == [(240,)]
    assert rows(ledger, "SELECT sum(finished) FROM usage WHERE days = 0") == ended
    [(statements,)] = rows(ledger, "SELECT count(*) FROM statement")
    assert 20 <= statements <= BOUNDS.fingerprints
    dearest = fingerprint(119)
    assert rows(ledger, f"SELECT count(*) FROM statement WHERE fingerprint = '{dearest}'") == [(1,)]


class Desk:
    """A pipeline over a ledger, with a clock of its own."""

    def __init__(self, path: Path, retire_after: float = 0.0, delay: float = 0.0, limit: int = 500) -> None:
        self.path, self.now = path, START
        limits = {"user": 3, "source": 50, "error_name": 200, "fingerprint": limit}
        self.policy = Policy(CANCELED, limits, delay, 1, retire_after)
        self.listed: list[dict[str, Any]] = []
        self.minted = 0
        self.open()

    def open(self) -> None:
        self.ledger = Ledger(self.path)
        self.exposition = Exposition(CATALOGUE)
        statements = Statements(self.exposition, 40)
        self.pipeline = Pipeline(
            "test", "http://t", 15.0, self.policy, self.ledger, self.exposition, statements, self.now
        )

    def run(self, sql: str, after: float = 15.0, **more: Any) -> None:
        """Let a query run and end, and poll."""
        self.now += after
        self.minted += 1
        more = {"created": self.now - 1.0, "source": "cli", "cpu": 2.0, **more}
        state = "FAILED" if "error" in more else "FINISHED"
        one = row(f"20260921_133320_{self.minted:05d}_aaaaa", state, more.pop("user", "alice"), **more)
        one["query"] = sql
        one["session"] |= {"catalog": more.get("catalog"), "schema": "web"}
        self.listed = [*self.listed[-20:], one]
        self.poll()

    def poll(self, after: float = 0.0) -> None:
        self.now += after
        done = self.pipeline.polled(answer(*self.listed, information=info(), clock=self.now), self.now)
        assert done.ledger_error is None

    def samples(self) -> Samples:
        return scrape(self.exposition)

    def of(self, name: str) -> dict[str, float]:
        return {
            dict(labels)["fingerprint"]: value
            for labels, value in self.samples().named(f"presto_fingerprint_{name}").items()
            if dict(labels).get("outcome", "finished") == "finished"
        }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def test_the_very_same_text_is_a_repeat_and_other_literals_sessions_and_failures_are_not(path: Path) -> None:
    desk = Desk(path)
    desk.run("SELECT 1")
    desk.run("SELECT 1")
    desk.run("SELECT 2")
    desk.run("SELECT 1", catalog="other")
    desk.run("SELECT 3", error="SYNTAX_ERROR")
    desk.run("SELECT 3", error="SYNTAX_ERROR")
    desk.run("INSERT INTO t VALUES 1")
    desk.run("INSERT INTO t VALUES 1")
    desk.run("SELECT 1", user="bob")
    [(select, repeated)] = [item for item in desk.of("repeated_queries_total").items() if item[1]]
    assert repeated == 2.0
    assert desk.of("repeated_cpu_seconds_total")[select] == 4.0
    assert rows(desk.ledger, "SELECT sum(repeated), sum(repeated_cpu_seconds) FROM usage") == [(2, 4.0)]
    desk.ledger.close()


def test_texts_of_ended_queries_that_are_still_listed_are_known_after_a_restart(path: Path) -> None:
    desk = Desk(path)
    desk.run("SELECT 1")
    desk.ledger.close()
    desk.open()
    desk.run("SELECT 1")
    assert sum(desk.of("repeated_queries_total").values()) == 1.0
    desk.ledger.close()


def test_the_session_is_kept_where_a_table_is_named_without(path: Path) -> None:
    desk = Desk(path)
    desk.run("SELECT * FROM t", catalog="hive")
    desk.run("SELECT * FROM a.b.c", catalog="hive")
    desk.run("SELECT * FROM t JOIN a.b.c ON true", catalog='h"x')
    desk.run("SELECT 1", catalog="hive")
    places = rows(desk.ledger, "SELECT DISTINCT name FROM usage JOIN usage_name ON id = place ORDER BY 1")
    assert places == [("",), ('["h\\"x", "web"]',), ('["hive", "web"]',)]
    desk.ledger.close()


def test_a_fingerprint_without_queries_for_long_is_retired_and_nothing_falls_when_it_comes_back(path: Path) -> None:
    desk = Desk(path, retire_after=10.0 * DAY, delay=60.0)
    desk.run("SELECT a FROM t")
    desk.run("SELECT b FROM t", after=90.0)
    [once, twice] = sorted(desk.of("queries_total").items(), key=lambda item: item[1], reverse=True)
    first = once[0]
    assert (once[1], twice[1]) == (1.0, 0.0)
    desk.listed = []
    for _ in range(12):
        desk.run("SELECT b FROM t", after=float(DAY))
    assert first not in desk.of("queries_total")
    assert first not in {dict(labels)["fingerprint"] for labels in desk.samples().named("presto_fingerprint_info")}
    assert desk.of("queries_total")[twice[0]] == 13.0
    desk.ledger.close()
    desk.open()
    assert first not in desk.of("queries_total")
    desk.run("SELECT a FROM t")  # shown with what it had first, so that a scrape sees the step
    assert desk.of("queries_total")[first] == 1.0
    desk.run("SELECT a FROM t")
    assert desk.of("queries_total")[first] == 1.0
    desk.run("SELECT a FROM t", after=60.0)
    assert desk.of("queries_total")[first] == 2.0
    desk.poll(after=60.0)
    assert sum(desk.of("queries_total").values()) == 17.0
    desk.ledger.close()


def test_a_retired_fingerprint_gives_its_place_to_another(path: Path) -> None:
    desk = Desk(path, retire_after=10.0 * DAY, limit=1)
    desk.run("SELECT a FROM t")
    desk.run("SELECT b FROM t")
    assert desk.of("queries_total")["other"] == 1.0
    desk.listed = []
    desk.run("SELECT c FROM t", after=11.0 * DAY)
    desk.run("SELECT b FROM t")
    assert set(desk.of("queries_total")) == {
        "other",
        desk.pipeline._fingerprinter.of("SELECT b FROM t", None, False).id,
    }
    desk.ledger.close()


def test_a_ledger_of_version_1_goes_on_counting_and_shows_the_same(path: Path) -> None:
    db = sqlite3.connect(path)
    db.executescript(V1.read_text("utf-8"))
    before = {(name, labels): total for name, labels, total in db.execute("SELECT name, labels, total FROM series")}
    db.close()
    desk = Desk(path, retire_after=10.0 * DAY)
    after = {
        (name, labels): total for name, labels, total in rows(desk.ledger, "SELECT name, labels, total FROM series")
    }
    assert before.items() <= after.items()
    assert rows(desk.ledger, "PRAGMA user_version") == [(len(MIGRATIONS),)]
    info_of = {dict(labels)["fingerprint"] for labels in desk.samples().named("presto_fingerprint_info")}
    assert len(info_of) == 3
    desk.minted = 100
    desk.run("SELECT c0 FROM t WHERE k = 6")
    assert info_of <= set(desk.of("queries_total"))  # not retired for what was not kept then
    assert max(desk.of("queries_total").values()) == 2.0
    assert rows(desk.ledger, "SELECT read FROM statement WHERE template LIKE '%c0%'") == [('["t"]',)]
    desk.ledger.close()

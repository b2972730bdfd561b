"""From the bytes of a poll to the series that are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from exporter.account.ledger import Ledger
from exporter.catalogue import CATALOGUE, HISTOGRAMS
from exporter.errors import NotAListError, PollTimeoutError
from exporter.expose.text import Exposition
from exporter.ingest.coordinator import Answer
from exporter.pipeline import Pipeline, Policy, Statements, shorten, told
from tests.exposition import Samples, scrape
from tests.listing import START, answer, info, row

LIMITS = {"user": 1000, "source": 50, "error_name": 200, "fingerprint": 500}
CANCELED = frozenset({"USER_CANCELED", "ADMINISTRATIVELY_KILLED"})


class Desk:
    """A pipeline over a ledger on disk, with a clock of its own."""

    def __init__(self, path: Path, limits: Mapping[str, int] = LIMITS, delay: float = 0.0) -> None:
        self.path, self.policy, self.now = path, Policy(CANCELED, limits, delay), START
        self.open()

    def open(self) -> None:
        self.ledger = Ledger(self.path)
        self.exposition = Exposition(CATALOGUE)
        statements = Statements(self.exposition, 40)
        self.pipeline = Pipeline(
            "test", "http://t", 15.0, self.policy, self.ledger, self.exposition, statements, self.now
        )

    def reopen(self) -> None:
        self.ledger.close()
        self.open()

    def poll(self, *rows: dict[str, Any], after: float = 15.0, uptime: float = 86_400.0, **more: Any) -> float:
        """Hand over a list; return the interval to the next poll."""
        self.now += after
        listed = answer(*rows, information=info(uptime=uptime, **more), clock=self.now)
        done = self.pipeline.polled(listed, self.now)
        assert done.ledger_error is None
        return done.interval

    def samples(self) -> Samples:
        return scrape(self.exposition)

    def value(self, name: str, **labels: str) -> float | None:
        return self.samples().get(name, presto_cluster="test", **labels)

    def queries(self, outcome: str, user: str = "alice", source: str = "") -> float | None:
        return self.value("presto_user_queries_total", user=user, source=source, outcome=outcome)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "ledger.sqlite")
    yield desk
    desk.ledger.close()


def qid(number: int, coordinator: str = "aaaaa") -> str:
    return f"20260921_133320_{number:05d}_{coordinator}"


def test_the_three_outcomes_of_an_owner_appear_together_when_it_is_first_seen(desk: Desk) -> None:
    desk.poll(row(qid(1), "QUEUED"))
    assert [desk.queries(outcome) for outcome in ("finished", "failed", "canceled")] == [0.0, 0.0, 0.0]
    assert desk.value("presto_user_queries_lost_total", user="alice", source="") == 0.0
    assert desk.value("presto_user_query_cpu_seconds_total", user="alice", source="") == 0.0
    assert desk.samples().named("presto_user_query_errors_total") == {}


def test_every_query_is_counted_once_however_often_it_is_listed(desk: Desk) -> None:
    rows = [row(qid(1)), row(qid(2), "FAILED", error="USER_CANCELED"), row(qid(3), "FAILED", error="SYNTAX_ERROR")]
    for _ in range(3):
        desk.poll(*rows, *rows)
    desk.reopen()
    desk.poll(*rows)
    assert [desk.queries(outcome) for outcome in ("finished", "failed", "canceled")] == [1.0, 1.0, 1.0]
    errors = desk.samples().named("presto_user_query_errors_total")
    assert sum(errors.values()) == 2.0
    assert desk.value("presto_query_duration_seconds_count", outcome="failed") == 1.0


def test_of_two_rows_of_one_query_in_one_list_the_end_counts(desk: Desk) -> None:
    desk.poll(row(qid(1), "FINISHED", cpu=3.0), row(qid(1), "RUNNING", cpu=2.0))
    assert desk.queries("finished") == 1.0


def test_long_queries_show_while_they_run(desk: Desk) -> None:
    for cpu in (1.0, 2.5, 7.0):
        desk.poll(row(qid(1), "RUNNING", cpu=cpu, holds=1000, created=START))
        assert desk.value("presto_user_query_cpu_seconds_total", user="alice", source="") == cpu
    assert desk.value("presto_user_queries_in_flight", user="alice", source="", state="running") == 1.0
    assert desk.value("presto_user_in_flight_memory_bytes", user="alice", source="") == 1000.0
    assert desk.value("presto_user_oldest_in_flight_query_timestamp_seconds", user="alice", source="") == START
    desk.poll(row(qid(1), cpu=7.0, holds=1000))
    assert desk.samples().named("presto_user_queries_in_flight") == {}
    assert desk.samples().named("presto_user_in_flight_memory_bytes") == {}


def test_a_new_series_shows_zero_first_even_for_the_first_list(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "ledger.sqlite", delay=60.0)
    desk.poll(row(qid(1)))
    assert desk.queries("finished") == 0.0
    assert desk.value("presto_query_duration_seconds_count", outcome="finished") == 0.0
    desk.poll(row(qid(1)), row(qid(2)), after=59.0)
    desk.reopen()
    assert desk.queries("finished") == 0.0
    desk.pipeline.failed(PollTimeoutError("slow"), 1.0, desk.now + 1.0)
    assert desk.queries("finished") == 2.0
    assert desk.value("presto_query_duration_seconds_count", outcome="finished") == 2.0
    desk.reopen()
    assert desk.queries("finished") == 2.0
    desk.ledger.close()


def test_our_own_counters_show_at_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "ledger.sqlite", delay=60.0)
    assert desk.value("presto_exporter_polls_total", result="timeout") == 0.0
    desk.poll()
    assert desk.value("presto_exporter_polls_total", result="success") == 1.0
    desk.ledger.close()


def test_a_failed_poll_hides_what_is_in_flight_and_keeps_the_counters(desk: Desk) -> None:
    desk.poll(row(qid(1)), row(qid(2), "RUNNING"))
    desk.pipeline.failed(PollTimeoutError("too slow"), 10.0, desk.now + 15.0)
    assert desk.value("presto_up") == 0.0
    assert desk.value("presto_exporter_polls_total", result="timeout") == 1.0
    assert desk.value("presto_exporter_poll_duration_seconds") == 10.0
    assert desk.samples().named("presto_user_queries_in_flight") == {}
    assert desk.queries("finished") == 1.0
    assert desk.pipeline.health.failure == "too slow"
    desk.poll(row(qid(1)), row(qid(2), "RUNNING"), after=30.0)
    assert desk.value("presto_up") == 1.0 and desk.pipeline.health.failure == ""
    assert desk.value("presto_user_queries_in_flight", user="alice", source="", state="running") == 1.0


def test_a_cut_list_changes_nothing(desk: Desk) -> None:
    desk.poll(row(qid(1), "RUNNING"))
    before = desk.samples()
    with pytest.raises(NotAListError):
        desk.pipeline.polled(Answer(b"[", None, 0.0, None), desk.now + 15.0)
    assert desk.samples() == before


def test_a_bad_record_is_counted_once_and_the_rest_counts(desk: Desk) -> None:
    bad = row(qid(2))
    bad["queryStats"]["totalCpuTime"] = "a while"
    for _ in range(3):
        desk.poll(row(qid(1)), bad)
    assert desk.value("presto_exporter_records_rejected_total", reason="bad_unit") == 1.0
    assert desk.queries("finished") == 1.0
    assert desk.value("presto_exporter_queries_listed") == 2.0
    desk.poll(row(qid(1)), row(qid(2)))
    assert desk.queries("finished") == 2.0


def test_the_coordinator_is_shown_as_it_tells(desk: Desk) -> None:
    desk.poll(uptime=60.0)
    assert desk.value("presto_coordinator_info", engine="trino", version="483", environment="test") == 1.0
    assert desk.value("presto_coordinator_start_time_seconds") == pytest.approx(desk.now - 60.0)
    assert desk.value("presto_exporter_last_successful_poll_timestamp_seconds") == desk.now
    assert desk.value("presto_exporter_poll_response_bytes") == 2.0
    desk.now += 15.0
    desk.pipeline.polled(Answer(b"[]", None, 0.5, None), desk.now)
    assert desk.value("presto_coordinator_info", engine="trino", version="483", environment="test") == 1.0


@pytest.mark.parametrize("body", [None, b"", b"<html>", b'{"nodeVersion": {}, "uptime": "long"}'])
def test_the_list_counts_even_if_the_coordinator_does_not_say_what_it_is(desk: Desk, body: bytes | None) -> None:
    assert told(body) is None
    listed = answer(row(qid(1)))
    desk.pipeline.polled(Answer(listed.query_list, body, 0.0, None), desk.now + 15.0)
    assert desk.queries("finished") == 1.0
    assert desk.samples().named("presto_coordinator_info") == {}


# ---------------------------------------------------------------- loss


def test_queries_in_flight_when_their_coordinator_restarted_are_lost_once(desk: Desk) -> None:
    desk.poll(row(qid(1), "RUNNING"), row(qid(2), "QUEUED", user="bob"), row(qid(3)))
    desk.poll(row(qid(0, "bbbbb"), "RUNNING"), uptime=3.0)
    desk.poll(row(qid(0, "bbbbb"), "RUNNING"), uptime=18.0)
    lost = desk.samples().named("presto_user_queries_lost_total")
    assert {dict(labels)["user"]: value for labels, value in lost.items()} == {"alice": 1.0, "bob": 1.0}
    assert desk.value("presto_exporter_poll_gaps_total") == 1.0


def test_a_restart_while_we_were_down_is_a_restart(desk: Desk) -> None:
    desk.poll(row(qid(1), "RUNNING"))
    desk.reopen()
    desk.poll(after=3600.0, uptime=600.0)
    assert desk.value("presto_user_queries_lost_total", user="alice", source="") == 1.0


def test_a_query_no_longer_listed_is_lost_after_ten_minutes_and_three_lists(desk: Desk) -> None:
    def lost() -> float | None:
        return desk.value("presto_user_queries_lost_total", user="alice", source="")

    desk.poll(row(qid(1), "RUNNING"))
    desk.poll(after=599.0)
    desk.reopen()
    desk.poll(after=100.0)
    assert lost() == 0.0
    desk.poll()
    assert lost() == 1.0
    desk.poll(row(qid(1), "FINISHED"))
    desk.poll(row(qid(1), "FINISHED"))
    assert lost() == 1.0 and desk.queries("finished") == 1.0


def test_a_query_that_comes_back_in_time_is_not_lost(desk: Desk) -> None:
    desk.poll(row(qid(1), "RUNNING"))
    for _ in range(5):
        desk.poll(after=119.0)
    desk.poll(row(qid(1), "RUNNING"))
    for _ in range(5):
        desk.poll(after=119.0)
    assert desk.value("presto_user_queries_lost_total", user="alice", source="") == 0.0


def test_missed_ids_and_gaps_are_counted(desk: Desk) -> None:
    desk.poll(row(qid(1)))
    desk.poll(row(qid(4)))
    assert desk.value("presto_exporter_poll_gaps_total") == 1.0
    assert desk.value("presto_exporter_queries_missed_total") == 0.0
    desk.reopen()
    desk.poll(row(qid(4)), after=600.0)
    assert desk.value("presto_exporter_queries_missed_total") == 2.0
    assert desk.value("presto_exporter_poll_gaps_total") == 1.0


def test_the_interval_shortens_by_itself_where_little_is_kept(desk: Desk) -> None:
    assert desk.poll(row(qid(1), ended=desk.now)) == 15.0
    assert desk.poll(row(qid(2), ended=desk.now + 10.0)) < 6.0
    headroom = desk.value("presto_exporter_retention_headroom_seconds")
    assert headroom is not None and headroom <= 0.0


def test_visible_users_are_those_of_the_last_list(desk: Desk) -> None:
    desk.poll(row(qid(1)), row(qid(2), user="bob"))
    assert desk.value("presto_exporter_visible_users") == 2.0
    desk.poll()
    assert desk.value("presto_exporter_visible_users") == 0.0


# ---------------------------------------------------------------- the ledger in trouble


def test_what_could_not_be_committed_is_made_up_for_even_if_it_is_no_longer_listed(desk: Desk) -> None:
    desk.poll(row(qid(1), "RUNNING", cpu=1.0))
    desk.ledger._db.execute("PRAGMA query_only = 1")
    ended = [row(qid(1), cpu=3.0), row(qid(2), user="bob")]
    for rows in ([row(qid(1), "RUNNING", cpu=2.0)], ended, ended[1:]):
        desk.now += 15.0
        done = desk.pipeline.polled(answer(*rows, clock=desk.now), desk.now)
        assert done.ledger_error is not None
        failed = desk.pipeline.failed(PollTimeoutError("slow"), 1.0, desk.now)
        assert failed.ledger_error is not None
    assert desk.queries("finished") == 0.0
    assert desk.value("presto_user_query_cpu_seconds_total", user="alice", source="") == 1.0
    desk.ledger._db.execute("PRAGMA query_only = 0")
    desk.poll()
    assert desk.queries("finished") == 1.0 and desk.queries("finished", "bob") == 1.0
    assert desk.value("presto_user_query_cpu_seconds_total", user="alice", source="") == 3.0
    assert desk.value("presto_exporter_polls_total", result="success") == 5.0
    assert desk.value("presto_exporter_polls_total", result="timeout") == 3.0
    desk.reopen()
    desk.poll(row(qid(1), cpu=3.0), row(qid(2), user="bob"))
    assert desk.queries("finished") == 1.0 and desk.queries("finished", "bob") == 1.0


def test_what_is_in_flight_shows_even_while_nothing_can_be_committed(desk: Desk) -> None:
    desk.ledger._db.execute("PRAGMA query_only = 1")
    desk.pipeline.polled(answer(row(qid(1), "RUNNING")), desk.now + 15.0)
    assert desk.value("presto_user_queries_in_flight", user="alice", source="", state="running") == 1.0


# ---------------------------------------------------------------- bounds


def test_five_thousand_users_with_a_hundred_places_are_a_hundred_and_one(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "ledger.sqlite", limits={**LIMITS, "user": 100})
    everybody = [row(qid(number), user=f"user{number}", cpu=1.0) for number in range(5000)]
    desk.poll(*everybody[:2500])
    desk.reopen()
    desk.poll(*everybody)
    queries = desk.samples().named("presto_user_queries_total")
    assert len({dict(labels)["user"] for labels in queries}) == 101
    assert sum(queries.values()) == 5000.0
    assert sum(desk.samples().named("presto_user_query_cpu_seconds_total").values()) == 5000.0
    assert desk.queries("finished", "user7") == 1.0 and desk.queries("finished", "other") == 4900.0
    assert desk.value("presto_exporter_label_overflow_total", label="user") == 4900.0
    assert desk.value("presto_exporter_label_values", label="user") == 100.0
    assert desk.value("presto_exporter_label_values_limit", label="user") == 100.0
    desk.ledger.close()


def test_no_amount_moves_from_other_when_there_is_room_later(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "ledger.sqlite", limits={**LIMITS, "user": 1})
    desk.poll(row(qid(1)), row(qid(2), "RUNNING", user="bob", cpu=2.0))
    desk.policy = Policy(CANCELED, LIMITS, 0.0)
    desk.reopen()
    desk.poll(row(qid(1)), row(qid(2), user="bob", cpu=5.0))
    assert desk.value("presto_user_query_cpu_seconds_total", user="other", source="") == 2.0
    assert desk.value("presto_user_query_cpu_seconds_total", user="bob", source="") == 3.0
    assert desk.queries("finished", "bob") == 1.0
    desk.ledger.close()


def test_a_label_without_places_is_empty_everywhere(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "ledger.sqlite", limits={**LIMITS, "source": 0})
    desk.poll(row(qid(1), source="superset"), row(qid(2), "RUNNING", source="jdbc"))
    assert desk.queries("finished") == 1.0
    assert desk.value("presto_user_queries_in_flight", user="alice", source="", state="running") == 1.0
    desk.ledger.close()


HOSTILE = [
    'quo"te',
    "back\\slash",
    "new\nline",
    "tab\tcr\r",
    "🚀",
    "ZoÃ«",
    "",
    "a\x00b",
    "\u2028\u0085",
    "x" * 1_000_000,
]


def test_hostile_users_have_series_of_their_own_and_break_nothing(desk: Desk) -> None:
    desk.poll(*[row(qid(number), user=user, source=user) for number, user in enumerate(HOSTILE)])
    queries = desk.samples().named("presto_user_queries_total")
    shown = {dict(labels)["user"] for labels, value in queries.items() if value}
    assert len(shown) == len(HOSTILE) and max(map(len, shown)) == 200
    assert shown >= {user for user in HOSTILE if len(user) <= 200}
    desk.reopen()
    assert desk.samples().named("presto_user_queries_total") == queries


def test_the_number_of_series_has_the_bound_that_its_limits_give(tmp_path: Path) -> None:
    """Everybody uses everything and fails in every way: no more series than places multiply to."""
    limits = {"user": 3, "source": 2, "error_name": 2, "fingerprint": 1}
    desk = Desk(tmp_path / "ledger.sqlite", limits=limits)
    numbers = iter(range(100_000))
    rows = [
        row(
            qid(next(numbers)), "FAILED", user=f"u{user}", source=f"s{source}", error=f"E{error}", error_type=f"T{kind}"
        )
        for user in range(6)
        for source in range(5)
        for error in range(4)
        for kind in range(2)
    ]
    desk.poll(*rows)
    users, sources, names = (limits[label] + 1 for label in ("user", "source", "error_name"))
    owners = users * sources
    bounds = {
        "presto_user_queries_total": owners * 3,
        "presto_user_query_errors_total": owners * 2 * 2 * names,
        "presto_user_query_cpu_seconds_total": owners,
        "presto_user_queries_lost_total": owners,
    }
    for name, bound in bounds.items():
        assert len(desk.samples().named(name)) <= bound
    assert len(desk.samples().named("presto_user_queries_total")) == bounds["presto_user_queries_total"]
    per_cluster = 3 * sum(len(metric.buckets) + 3 for metric in HISTOGRAMS)
    assert sum(len(desk.samples().named(metric.name + "_bucket")) for metric in HISTOGRAMS) < per_cluster
    desk.ledger.close()


def test_a_quiet_cluster_that_lists_old_queries_for_days_counts_none_again(desk: Desk) -> None:
    quiet = [row(qid(number), ended=START) for number in range(100)]
    hidden = [row(qid(number), ended=START + 5.0) for number in range(100, 200)]
    desk.poll(*quiet, *hidden)
    for _ in range(24 * 7):
        desk.poll(*quiet, after=3600.0)
    desk.poll(*quiet, *hidden)
    assert desk.queries("finished") == 200.0


def test_a_month_of_polls_keeps_ledger_and_memory_flat(desk: Desk) -> None:
    sizes = []
    for hour in range(24 * 30):
        numbers = range(hour * 20, hour * 20 + 40)  # half of each list was in the one before
        rows = [row(qid(number % 100_000), ended=desk.now + 1.0, user=f"u{number % 7}") for number in numbers]
        desk.poll(*rows, after=3600.0)
        sizes.append(desk.ledger.queries())
    assert sum(desk.samples().named("presto_user_queries_total").values()) == 24 * 30 * 20 + 20
    assert max(sizes[24:]) <= 2 * max(sizes[:24])
    book = desk.pipeline._book
    assert len(book.listed) == 40 and len(book.absent) == 0


# ---------------------------------------------------------------- fingerprints


def fingerprints(desk: Desk, name: str = "queries_total") -> dict[str, float]:
    """Return the counts by the statement that a fingerprint stands for, `other` as itself."""
    samples = desk.samples()
    statements = {
        dict(labels)["fingerprint"]: dict(labels)["statement"] for labels in samples.named("presto_fingerprint_info")
    }
    counts: Counter[str] = Counter()
    for labels, value in samples.named(f"presto_fingerprint_{name}").items():
        fingerprint = dict(labels)["fingerprint"]
        counts[statements.get(fingerprint, fingerprint)] += value  # type: ignore[assignment]
    return dict(counts)


def statement(number: int, sql: str, **more: Any) -> dict[str, Any]:
    return {**row(qid(number), **more), "query": sql}


def test_a_fingerprint_gets_series_once_it_has_been_used_often_enough(desk: Desk) -> None:
    desk.poll(*[statement(number, f"SELECT a FROM t WHERE b = {number}", cpu=1.0) for number in range(2)])
    assert fingerprints(desk) == {"other": 2.0}
    desk.poll(*[statement(number, f"select a from t where b = {number}", cpu=1.0) for number in range(5)])
    (pattern,) = fingerprints(desk).keys() - {"other"}
    assert fingerprints(desk) == {"other": 2.0, pattern: 3.0}
    assert fingerprints(desk, "cpu_seconds_total") == {"other": 2.0, pattern: 3.0}
    desk.reopen()
    desk.poll(statement(9, "SELECT a FROM t WHERE b = 'nine'"))
    assert fingerprints(desk) == {"other": 2.0, pattern: 4.0}


def test_sums_over_fingerprints_are_the_sums_over_users(desk: Desk) -> None:
    rows = [
        statement(number, f"SELECT c{number % 9} FROM t", user=f"u{number % 5}", cpu=number / 7, input_bytes=number)
        for number in range(100)
    ]
    rows += [statement(100 + number, "SELECT 1", state="FAILED", error="SYNTAX_ERROR", cpu=0.3) for number in range(5)]
    rows += [statement(200, "SELECT 2", state="RUNNING", cpu=17.0)]
    desk.poll(*rows)
    for amount in ("queries_total", "cpu_seconds_total", "failed_cpu_seconds_total", "input_bytes_total"):
        per_user = desk.samples().named(f"presto_user_{amount.replace('queries', 'queries')}") or desk.samples().named(
            f"presto_user_query_{amount}"
        )
        assert round(sum(fingerprints(desk, amount).values()), 6) == round(sum(per_user.values()), 6) > 0.0


def test_fingerprints_are_bounded(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "ledger.sqlite", limits={**LIMITS, "fingerprint": 2})
    desk.poll(*[statement(number, f"SELECT c{number % 4} FROM t") for number in range(40)])
    assert len(fingerprints(desk)) == 3 and sum(fingerprints(desk).values()) == 40.0
    assert desk.value("presto_exporter_label_values", label="fingerprint") == 2.0
    desk.ledger.close()


def test_a_prepared_statement_counts_as_what_it_executes(desk: Desk) -> None:
    rows = [
        {**row(qid(number)), "query": f"EXECUTE s USING {number}", "preparedQuery": "SELECT a FROM t WHERE b = ?"}
        for number in range(2)
    ]
    desk.poll(*rows, statement(3, "SELECT a FROM t WHERE b = 17"))
    assert set(fingerprints(desk).values()) == {2.0, 1.0}


def test_no_literal_is_shown_or_kept(desk: Desk) -> None:
    secret = "hunter2"
    desk.poll(*[statement(number, f"SELECT a FROM t WHERE b = '{secret}' -- {secret}") for number in range(4)])
    assert secret not in b"".join(desk.exposition.render(openmetrics=False)).decode()
    desk.ledger.close()
    kept = b"".join(path.read_bytes() for path in desk.path.parent.iterdir())
    assert secret.encode() not in kept
    desk.open()


@pytest.mark.parametrize(
    ("template", "longest", "shown"),
    [
        ("SELECT a\nFROM t", 40, "SELECT a FROM t"),
        ("SELECT a\nFROM t", 15, "SELECT a FROM t"),
        ("SELECT a\nFROM t", 14, "SELECT a FROM…"),
        ("SELECT a\nFROM t", 12, "SELECT a…"),
        ("abcdefgh", 4, "abc…"),
        ("abcdefgh", 0, ""),
    ],
)
def test_statements_are_cut_at_a_word(template: str, longest: int, shown: str) -> None:
    assert shorten(template, longest) == shown


def test_a_failed_poll_does_not_take_for_looked_at_what_the_ledger_was_not_charged_with(desk: Desk) -> None:
    """Or what only a list showed that could not be written is neither counted nor missed after a kill."""
    desk.poll(row(qid(0)))
    desk.ledger._db.execute("PRAGMA query_only = ON")
    unwritten = answer(*map(row, map(qid, range(5))), clock=desk.now + 15.0)
    assert desk.pipeline.polled(unwritten, desk.now + 15.0).ledger_error is not None
    desk.ledger._db.execute("PRAGMA query_only = OFF")
    assert desk.pipeline.failed(PollTimeoutError("late"), 1.0, desk.now + 30.0).ledger_error is not None
    desk.reopen()  # as if it had been killed
    desk.poll(row(qid(5)), after=3600.0)
    desk.poll(row(qid(5)), after=3600.0)
    assert desk.value("presto_exporter_queries_missed_total") == 4.0


def test_failed_polls_are_counted_once_the_ledger_takes_a_list_again(desk: Desk) -> None:
    desk.poll(row(qid(0)))
    desk.ledger._db.execute("PRAGMA query_only = ON")
    assert desk.pipeline.polled(answer(row(qid(1))), desk.now).ledger_error is not None
    desk.ledger._db.execute("PRAGMA query_only = OFF")
    desk.pipeline.failed(PollTimeoutError("late"), 1.0, desk.now)
    desk.poll(row(qid(1)))
    assert desk.value("presto_exporter_polls_total", result="timeout") == 1.0
    assert desk.value("presto_exporter_polls_total", result="success") == 3.0

"""Whatever reaches the top of a poll: what is counted, that polling goes on, and that the next good list makes up."""

from __future__ import annotations

import errno
import itertools
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from exporter.account.ledger import Ledger
from exporter.app import ClusterRun, LedgerState, Names
from exporter.catalogue import CATALOGUE
from exporter.config import Cluster
from exporter.errors import (
    POLL_RESULTS,
    ConnectionFailedError,
    DecodeError,
    ExporterError,
    ForbiddenError,
    HttpStatusError,
    InternalError,
    LedgerBusyError,
    LedgerUnusableError,
    NotAListError,
    PollError,
    PollTimeoutError,
    TlsError,
    TooLargeError,
    UnauthorizedError,
)
from exporter.expose.text import Exposition
from exporter.ingest.coordinator import Answer
from exporter.pipeline import Policy, Statements
from tests.exporter_process import wait_until
from tests.exposition import Samples, read
from tests.listing import answer, row

LIMITS = {"user": 10, "source": 10, "error_name": 10, "fingerprint": 10}
SECRET = "hunter" + str(2)


@dataclass(frozen=True)
class Broken(Answer):
    """An answer that cannot be worked up: its list raises."""

    error: BaseException = field(default_factory=ValueError)

    @property  # type: ignore[misc]
    def query_list(self) -> bytes:
        raise self.error

    @query_list.setter
    def query_list(self, _: bytes) -> None:
        pass


def asking(error: BaseException) -> Callable[[], Answer]:
    """Return a poll that fails with *error* while the coordinator is asked."""

    def ask() -> Answer:
        raise error

    return ask


def reporting(error: BaseException) -> Callable[[], Answer]:
    """Return a poll whose answer makes *error* while it is worked up."""
    return lambda: Broken(b"", None, 0.0, None, error)


def listing(body: bytes) -> Callable[[], Answer]:
    return lambda: Answer(body, None, 0.0, None)


UNEXPECTED: list[BaseException] = [
    DecodeError(SECRET),
    ExporterError("any other of ours"),
    MemoryError(SECRET),
    RecursionError(SECRET),
    OSError(errno.EMFILE, SECRET),
    ValueError(SECRET),
    sqlite3.OperationalError(SECRET),
    KeyboardInterrupt(SECRET),
    SystemExit(SECRET),
    GeneratorExit(SECRET),
]

TABLE: list[tuple[str, Callable[[], Answer], str]] = [
    # What a poll ends with, and the value of the label `result` that counts it; "" if none does.
    ("timeout", asking(PollTimeoutError("GET /v1/query: late; wait")), "timeout"),
    ("connection", asking(ConnectionFailedError("GET /v1/query: refused; start it")), "connection"),
    ("TLS", asking(TlsError("TLS: expired; renew it")), "tls"),
    ("401", asking(UnauthorizedError("GET /v1/query answered 401; check the user")), "unauthorized"),
    ("403", asking(ForbiddenError("GET /v1/query answered 403; add a rule")), "forbidden"),
    ("500", asking(HttpStatusError("GET /v1/query answered 500; see its log")), "http_status"),
    ("too large", asking(TooLargeError("GET /v1/query: more than 1 byte; raise it")), "too_large"),
    ("not a list", asking(NotAListError("GET /v1/query: cut; see the proxy")), "decode"),
    ("a defect, told as one", asking(InternalError("poll: a defect")), "internal"),
    ("of no kind", asking(PollError("poll: no list")), "internal"),
    *((f"asking: {type(error).__name__}", asking(error), "internal") for error in UNEXPECTED),
    ("asking: the ledger is damaged", asking(LedgerUnusableError("ledger.path: gone; restore it")), "internal"),
    ("asking: the ledger is busy", asking(LedgerBusyError("ledger: full; free some disk")), "internal"),
    *((f"report: {type(error).__name__}", reporting(error), "internal") for error in UNEXPECTED),
    ("report: the ledger is damaged", reporting(LedgerUnusableError("ledger.path: gone; restore it")), ""),
    ("report: the ledger is busy", reporting(LedgerBusyError("ledger: full; free some disk")), ""),
    ("report: half a list", listing(b'[{"queryId": "x"'), "decode"),
    ("report: nested without end", listing(b"[" * 1_000_000), "decode"),
    ("report: a record that is no UTF-8", listing(b'["\xff"]'), ""),
    ("report: nothing", listing(b""), "decode"),
]

KINDS = {
    PollTimeoutError: "timeout",
    ConnectionFailedError: "connection",
    TlsError: "TLS",
    UnauthorizedError: "401",
    ForbiddenError: "403",
    HttpStatusError: "500",
    TooLargeError: "too large",
    NotAListError: "not a list",
    InternalError: "a defect, told as one",
}
"""The row of each kind of PollError."""


def kinds_of(parent: type[PollError]) -> Iterator[type[PollError]]:
    for kind in parent.__subclasses__():
        if kind.__module__.startswith("exporter."):
            yield kind
            yield from kinds_of(kind)


def test_every_kind_of_failure_has_a_row_and_every_result_is_counted_by_one() -> None:
    assert set(kinds_of(PollError)) == KINDS.keys()
    rows = {name: counted for name, _, counted in TABLE}
    assert {rows[name] for name in KINDS.values()} == {kind.result for kind in KINDS} == {*POLL_RESULTS} - {"success"}
    assert all(rows[name] == kind.result for kind, name in KINDS.items())
    assert len(rows) == len(TABLE)


class Scripted:
    """A coordinator that answers as written, then the last answer over and over."""

    def __init__(self, *answers: Callable[[], Answer]) -> None:
        self._answers = itertools.chain(answers, itertools.repeat(answers[-1]))

    def poll(self) -> Answer:
        return next(self._answers)()

    def abort(self) -> None:
        pass


class Polled:
    """A cluster that is polled from a ledger in *folder*, every millisecond, until the context ends."""

    def __init__(self, folder: Path, coordinator: Scripted) -> None:
        self._exposition = Exposition(CATALOGUE)
        self._ledger = Ledger(folder / "ledger.sqlite")
        state = LedgerState(self._ledger, self._exposition)
        statements = Statements(self._exposition, 100)
        cluster = Cluster.model_validate({"name": "test", "url": "http://test", "poll_interval": "1ms"})
        policy = Policy((), LIMITS, 0.0)
        self.run = ClusterRun(cluster, policy, Names(), state, self._exposition, statements, coordinator)
        self.run.open()

    def __enter__(self) -> Polled:
        self.run.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.run.stop()
        self.run.join(30.0)
        self._ledger.close()

    def samples(self) -> Samples:
        return read(b"".join(self._exposition.render(openmetrics=False)).decode())

    def polls(self) -> dict[str, float]:
        """Return the polls by result, where there were any."""
        shown = self.samples().named("presto_exporter_polls_total")
        return {dict(labels)["result"]: value for labels, value in shown.items() if value}

    def finished(self) -> float:
        return sum(self.samples().named("presto_user_queries_total").values())

    def goes_on(self) -> bool:
        """True once more than two good polls followed."""
        return self.polls().get("success", 0.0) > 3


@pytest.mark.parametrize(("name", "poll", "counted"), TABLE, ids=[name for name, _, _ in TABLE])
def test_it_is_counted_by_its_result_and_the_next_good_list_counts_all(
    name: str, poll: Callable[[], Answer], counted: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = row("20260921_133320_00000_aaaaa"), row("20260921_133320_00001_aaaaa")
    script = Scripted(lambda: answer(first), poll, lambda: answer(first, second))
    with Polled(tmp_path, script) as polled:
        wait_until(polled.goes_on, "the polls after it")
        failures = {result: count for result, count in polled.polls().items() if result != "success"}
        assert failures == ({counted: 1.0} if counted else {})
        assert polled.finished() == 2.0
        assert polled.samples().get("presto_up", presto_cluster="test") == 1.0
        assert polled.samples().get("presto_exporter_ledger_up") == 1.0
        assert polled.run.status().failure == ""
    texts = [record.getMessage() for record in caplog.records]
    assert not [text for text in texts if SECRET in text]
    has_traceback = counted == "internal" and name.startswith(("asking", "report"))
    assert len([record for record in caplog.records if record.exc_info]) == has_traceback


@pytest.mark.parametrize("poll", [poll for _, poll, _ in TABLE], ids=[name for name, _, _ in TABLE])
def test_as_the_very_first_thing_that_happens_it_keeps_nothing_from_starting(
    poll: Callable[[], Answer], tmp_path: Path
) -> None:
    with Polled(tmp_path, Scripted(poll, lambda: answer(row("20260921_133320_00000_aaaaa")))) as polled:
        wait_until(polled.goes_on, "the polls after it")
        assert polled.finished() == 1.0


def test_a_ledger_that_another_holds_delays_the_counting_and_loses_nothing(tmp_path: Path) -> None:
    first, second = row("20260921_133320_00000_aaaaa"), row("20260921_133320_00001_aaaaa")
    held, asked = threading.Event(), threading.Event()

    def ask() -> Answer:
        asked.set()
        assert held.wait(30.0)
        return answer(first, second)

    with Polled(tmp_path, Scripted(lambda: answer(first), ask)) as polled:
        assert asked.wait(30.0)
        other: Any = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        held.set()
        wait_until(lambda: polled.samples().get("presto_exporter_ledger_up") == 0.0, "a commit that fails")
        assert polled.finished() == 1.0
        assert polled.polls() == {"success": 1.0}
        other.execute("ROLLBACK")
        other.close()
        wait_until(lambda: polled.finished() == 2.0, "the commit")
        wait_until(lambda: polled.samples().get("presto_exporter_ledger_up") == 1.0, "the good news")
        assert polled.polls().keys() == {"success"}

"""One engine from start to end: the order of events, and what must hold in between and afterwards.

1. The server starts and fails or finishes its first queries; then comes the exporter, which must count those too.
2. The workload runs; in its middle the exporter is killed. Then big queries are watched while they run, and the
   exporter is killed under them as well.
3. What the server's first process knows is noted. Then it is stopped under running queries; while it is away the
   exporter is killed once more.
4. The server is back and has forgotten everything. A short workload runs.
5. Everything that `/metrics` says is compared with the truth and with the server's own counters.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.engines import EngineError, truth, workload
from tests.engines.assembly import Engine
from tests.engines.client import Clients
from tests.engines.exposition import Scrape
from tests.engines.prometheus import Prometheus
from tests.engines.report import Report
from tests.engines.servers import ETL, Server
from tests.engines.subject import Exporter, Watch
from tests.engines.truth import Sent
from tests.engines.verdict import CPU, IN_FLIGHT, QUERIES, Life, verdicts
from tests.engines.workload import CUT_OFF, RESTLESS, WATCHED, Tool

_RESTLESS_QUERIES = 5
_MILLISECOND = 0.001


class Trial:
    """A trial of one engine in a folder of its own."""

    def __init__(self, engine: Engine, folder: Path, report: Report, seed: int, with_prometheus: bool) -> None:
        self.engine = engine
        self._folder = folder
        self._report = report
        self._seed = seed
        self._server = Server(engine, folder)
        self._exporter = Exporter(self._server, folder)
        self._watch = Watch(self._exporter)
        self._prometheus = Prometheus(self._exporter.port, folder) if with_prometheus else None

    def run(self) -> None:
        """Run it to the end. Raises EngineError where it cannot go on; leaves no process behind in any case."""
        with ExitStack() as stack:
            stack.enter_context(self._server)
            stack.enter_context(self._exporter)
            if self._prometheus:
                stack.enter_context(self._prometheus)
                self._report.step(f"{self._prometheus.start()} started")
            clients = self._start_server()
            self._exporter.start()
            self._report.step("exporter started")
            stack.enter_context(self._watch)
            self._work(clients)
            self._watch_big_queries(clients)
            first = self._settle(clients, "first")
            cut_off = self._stop_server_under_queries()
            second = self._live_again()
            for property_, problems in verdicts(self.engine, first, second, cut_off):
                self._report.check(property_, problems)
            self._compare_usage(second.scrape)
            if self._prometheus:
                self._compare_prometheus(self._prometheus, second.scrape)
            self._end()

    def _start_server(self) -> Clients:
        seconds = self._server.start()
        clients = Clients(self._server)
        tries = workload.warm_up(clients)
        self._report.step(f"server started in {seconds:.0f} s; its first query finished at try {tries}")
        return clients

    def _restart_exporter(self, when: str) -> None:
        self._watch.restart()
        self._report.step(f"exporter killed {when}, and started again")

    def _work(self, clients: Clients) -> None:
        """Run the workload, and kill the exporter twice in its middle."""
        parts = workload.plan(self.engine, self._seed)
        before = len(clients.sent)
        with _Background(lambda: workload.run(parts, clients)) as running:
            for share in (1 / 3, 2 / 3):
                while running.is_alive() and len(clients.sent) - before < share * len(parts):
                    time.sleep(0.05)
                self._restart_exporter(f"when {share:.0%} of the workload was sent")
        self._report.step(f"workload: {len(clients.sent)} statements")

    def _watch_big_queries(self, clients: Clients) -> None:
        """See queries in flight on /metrics while they run and wait, also after a kill."""
        held = workload.hold_big_queries(clients)
        self._check_in_flight()
        self._check_growth("CPU of queries grows on /metrics while they run")
        self._restart_exporter("while big queries run")
        self._check_growth("CPU goes on growing after the kill, and was not charged twice")
        held.end()

    def _check_in_flight(self) -> None:
        scrape = self._watch.wait_for(
            "two queries in flight of alice, two of svc-etl, one of them queued",
            lambda seen: (
                seen.total(IN_FLIGHT, user="alice", source=WATCHED) == 2
                and seen.total(IN_FLIGHT, user="svc-etl", source=ETL) == 2
                and seen.total(IN_FLIGHT, user="svc-etl", source=ETL, state="queued") == 1
            ),
        )
        self._report.check("queries in flight are shown, the queued one as queued")
        oldest = scrape.total("presto_user_oldest_in_flight_query_timestamp_seconds", user="alice", source=WATCHED)
        created = min(truth.created(row) for row in self._rows_of("alice", WATCHED))
        self._report.check(
            "the oldest query in flight is as old as it is",
            _unless(abs(oldest - created) < _MILLISECOND, f"{oldest - created:+.3f} s"),
        )

    def _check_growth(self, property_: str) -> None:
        """Three scrapes, each with more CPU than the one before, and never more than the server's own rows say."""

        def cpu(scrape: Scrape) -> float:
            return scrape.total(CPU, user="alice", source=WATCHED)

        def more_than(floor: float) -> Callable[[Scrape], bool]:
            return lambda scrape: cpu(scrape) > floor

        seen = 0.0
        for _ in range(3):
            seen = cpu(self._watch.wait_for(f"more CPU than {seen:g} s", more_than(seen)))
        most = truth.amounts(self._rows_of("alice", WATCHED))[CPU]["alice", WATCHED]
        self._report.check(
            property_, _unless(truth.is_at_least(most, seen), f"/metrics says {seen:g} s, the server {most:g} s")
        )

    def _rows_of(self, user: str, source: str) -> list[dict[str, Any]]:
        return [row for row in self._server.queries() if truth.owner(row) == (user, source)]

    def _settle(self, clients: Clients, which: str) -> Life:
        """Wait until nothing runs and the exporter has seen it; note what everybody says."""
        clients.wait_for_left()
        scrape = self._watch.wait_for_poll(after=time.time())
        rows = self._server.queries()
        self._report.check(
            f"truth: the server's list agrees with its clients ({which})", truth.unlike(clients.sent, rows)
        )
        completed, failed = self._server.ended()
        return Life(clients.sent, rows, completed, failed, scrape)

    def _stop_server_under_queries(self) -> list[Sent]:
        """Stop the server while big and small queries are on their way; return those."""
        clients = Clients(self._server)
        held = [Tool(clients, user, CUT_OFF).big().hold() for user in ("alice", "bob")]
        small = Tool(clients, RESTLESS, CUT_OFF)
        with _Background(lambda: workload.send_until_gone(small)):
            self._watch.wait_for(
                "both big queries, and some small ones behind them",
                lambda scrape: (
                    len(clients.sent) > len(held) + _RESTLESS_QUERIES
                    and all(scrape.total(IN_FLIGHT, user=each.sent.user, source=CUT_OFF) for each in held)
                ),
            )
            for statement in held:
                statement.cut_off()
            self._server.stop()
        for statement in held:
            statement.release()
        scrape = self._watch.wait_for("presto_up 0", lambda seen: seen.total("presto_up") == 0)
        self._report.check(
            "no query is in flight while the server is away", list(map(repr, scrape.by(IN_FLIGHT, "user")))
        )
        self._restart_exporter("while the server is away")
        return clients.sent

    def _live_again(self) -> Life:
        began = time.time()
        clients = self._start_server()
        workload.run(workload.short_plan(self._seed), clients)
        life = self._settle(clients, "second")
        started = life.scrape.total("presto_coordinator_start_time_seconds")
        self._report.check(
            "the coordinator's start is the restart's",
            _unless(began - 1 < started < time.time(), f"{started - began:+.1f} s"),
        )
        return life

    def _compare_usage(self, scrape: Scrape) -> None:
        """What the pages and the API tell of both lives and all kills; /metrics has been compared with the truth."""
        for group, name in (("user", QUERIES), ("fingerprint", "presto_fingerprint_queries_total")):
            told: dict[tuple[str, ...], float] = {
                (row["name"], outcome): float(row["measures"][outcome])
                for row in self._exporter.usage(group)["rows"]
                for outcome in ("finished", "failed", "canceled")
                if row["measures"][outcome]
            }
            counted = {key: value for key, value in scrape.by(name, group, "outcome").items() if value}
            self._report.check(f"usage: runs by {group} are those of /metrics", truth.differences(counted, told))
        cpu = {row["name"]: row["measures"]["cpu_seconds"] for row in self._exporter.usage("user")["rows"]}
        apart = [
            f"{user}: {seconds:g} s on /metrics, {cpu.get(user, 0.0):g} s of usage"
            for (user,), seconds in scrape.by(CPU, "user").items()
            if abs(seconds - cpu.get(user, 0.0)) > _MILLISECOND
        ]
        self._report.check("usage: CPU by user is that of /metrics", apart)
        tables = [row["name"] for row in self._exporter.usage("table")["rows"] if row["name"]]
        self._report.check(
            "usage: tables are named with catalog and schema",
            [name for name in tables if name.count(".") < 2] or _unless(bool(tables), "none"),
        )

    def _compare_prometheus(self, prometheus: Prometheus, scrape: Scrape) -> None:
        """What Prometheus makes of the scrapes of the whole trial; /metrics has been compared with the truth before."""
        prometheus.wait_for(scrape)
        expected = scrape.by(QUERIES, *Prometheus.LABELS)
        check = self._report.check
        check("Prometheus: last minus first sample is every query", truth.differences(expected, prometheus.gained()))
        check("Prometheus: increase() is every query", prometheus.unlike_increase(expected))
        resets = prometheus.resets()
        check(
            "Prometheus: no counter was reset", [f"{key}: {value:g} resets" for key, value in resets.items() if value]
        )

    def _end(self) -> None:
        self._watch.end()
        code = self._exporter.stop()
        self._report.check("the exporter ends cleanly when asked to", _unless(code == 0, f"exit code {code}"))
        self._report.check(f"no counter fell in {self._watch.scrapes} scrapes", self._watch.falls)


class _Background:
    """Something that runs while the block runs; leaving the block waits for it and raises what it raised."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> threading.Thread:
        self._thread.start()
        return self._thread

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._thread.join()
        if self._error and (kind is None or issubclass(kind, EngineError)):
            raise self._error  # the reason for whatever went wrong in the block

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self._error = error


def _unless(holds: bool, problem: str) -> list[str]:
    return [] if holds else [problem]

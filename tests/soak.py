"""A simulated month of a cluster and of an exporter to which everything happens: ``python -m tests.soak [--days 30]``.

The real pipeline and ledger, under a clock of their own, poll the demo's coordinator every two minutes. Users come and
go with the hours of the day; coordinators restart; outages are shorter and longer than ended queries are kept; the
exporter is killed between any two statements, and stays away; its clock jumps; its disk is full for a while; it is
reconfigured; what is asked changes, so that fingerprints retire. At the end what it counted is held against what its
lists showed, and what they did not show against what it says was lost and missed.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from exporter.account.audit import audit
from exporter.account.ledger import Ledger
from exporter.account.ledger_file import LedgerFile
from exporter.account.usage import DAY, HOUR
from exporter.account.usage_rows import Bounds
from exporter.catalogue import CATALOGUE
from exporter.decode.units import parse_duration
from exporter.demo.coordinator import CANCELED, Coordinator, half_of_the_rows
from exporter.demo.query import Plan, Usage
from exporter.errors import ConnectionFailedError
from exporter.expose.text import Exposition
from exporter.ingest.coordinator import Answer
from exporter.pipeline import Pipeline, Policy, Statements
from tests.demo import Clock
from tests.test_histories import photograph

START = 1_790_000_000.0
INTERVAL = 120.0
KEPT = 900.0
"""Seconds for which the coordinator keeps ended queries, and the length that tells long outages from short ones."""

QUERIES_A_DAY = 5_000
PEOPLE = ["anna", "bruno", "mei", "tom", 'o\'neil "x"', "lena", "admin"]
SERVICES = ["svc-etl", "svc-dashboards"]
SOURCES = ["cli", "superset", "jdbc", ""]
ERRORS = ["USER_CANCELED", "SYNTAX_ERROR", "DIVISION_BY_ZERO", "EXCEEDED_TIME_LIMIT", "ADMINISTRATIVELY_KILLED"]
LIMITS = {"user": 1000, "source": 50, "error_name": 200, "fingerprint": 60}
BOUNDS = Bounds(kept=7 * DAY, cells_per_hour=200, cells_per_day=400)
MOST_LEDGER_BYTES = 100_000_000

Sample = tuple[str, tuple[str, ...]]


class Shown:
    """What scrapes see over the lives of the exporter; keeps what was wrong with it."""

    def __init__(self) -> None:
        self.values: dict[Sample, float] = {}
        self.fallen: list[str] = []
        self.most_series = 0
        self._exposition = Exposition(CATALOGUE)

    def start(self) -> None:
        """Begin anew, as a process does; what was shown is not forgotten."""
        self._exposition = Exposition(CATALOGUE)

    def counters(self, changes: Iterable[tuple[str, tuple[str, ...], float]]) -> None:
        """Show these, and look whether one of them fell."""
        changed = list(changes)
        for name, labels, value in changed:
            if value < self.values.get((name, labels), 0.0):
                self.fallen.append(f"{name}{list(labels)} fell from {self.values[name, labels]} to {value}")
            self.values[name, labels] = value
        self._exposition.counters(changed)

    def withdraw(self, samples: Iterable[tuple[str, Sequence[str]]]) -> None:
        """Show these no more; should they come back, then not lower."""
        self._exposition.withdraw(samples)

    def replace(self, group: str, gauges: Mapping[str, Iterable[tuple[tuple[str, ...], float]]]) -> None:
        """Show these gauges."""
        self._exposition.replace(group, gauges)

    def scrape(self) -> None:
        """Render all, and count the series."""
        text = b"".join(self._exposition.render(openmetrics=False))
        self.most_series = max(self.most_series, text.count(b"\npresto_"))

    def total(self, name: str) -> dict[tuple[str, ...], float]:
        """Return the values of *name* by its labels without the cluster's, where there are any."""
        return {labels[1:]: value for (one, labels), value in self.values.items() if one == name and value}


@dataclass
class Seen:
    """What the lists that were committed showed of one query."""

    owner: tuple[str, str] = ("", "")
    outcome: str = ""
    cpu_seconds: float = 0.0


@dataclass
class Witness:
    """What lists showed, and which of them are in the ledger."""

    seen: dict[str, Seen] = field(default_factory=dict)
    _pending: dict[str, Seen] = field(default_factory=dict)
    _texts: dict[str, str] = field(default_factory=dict)

    def listed(self, body: bytes) -> None:
        """Note what a list shows; nothing counts before `committed`."""
        for row in msgspec.json.decode(body):
            text = row["queryStats"]["totalCpuTime"]
            key = f"{row['state']} {text}"
            query_id = row["queryId"]
            if self._texts.get(query_id) == key:
                continue
            self._texts[query_id] = key
            error = row.get("errorCode", {}).get("name", "")
            ended = {"FINISHED": "finished", "FAILED": "canceled" if error in CANCELED else "failed"}
            owner = (row["session"]["user"], row["session"].get("source") or "")
            before = self._pending.get(query_id, Seen())
            cpu = max(before.cpu_seconds, parse_duration(text))
            self._pending[query_id] = Seen(owner, ended.get(row["state"], ""), cpu)

    def committed(self) -> None:
        """Take for counted what is pending."""
        for query_id, pending in self._pending.items():
            seen = self.seen.setdefault(query_id, Seen())
            seen.owner = pending.owner
            seen.outcome = seen.outcome or pending.outcome
            seen.cpu_seconds = max(seen.cpu_seconds, pending.cpu_seconds)
        self._pending.clear()

    def killed(self) -> None:
        """Forget what is pending: the process that knew it is gone."""
        for query_id in self._pending:
            self._texts.pop(query_id, None)
        self._pending.clear()


class Soak:
    """The month: `run` lives through it, `problems` says what was wrong, `table` what happened."""

    def __init__(self, folder: Path, seed: int = 1, often: float = 1.0) -> None:
        """*often*: how many times as often as in an ordinary month things go wrong."""
        self._folder = folder
        self._rng = random.Random(seed)
        self._often = often
        self._clock = Clock(START)
        self._coordinator = Coordinator(now=self._clock, min_expire_age=KEPT, seed=seed)
        self._submitted: list[str] = []
        self._next_query = START
        self._shown = Shown()
        self._witness = Witness()
        self._skew = 0.0
        self._skew_until = self._away_until = self._out_until = 0.0
        self._full_until = self._read_only_until = 0.0
        self._delay = 60.0
        self.events: Counter[str] = Counter()
        self.ledger_bytes: list[int] = []
        self._path = folder / "0.sqlite"
        self._kills = 0
        self._open()

    def run(self, days: float) -> None:
        """Live through so many days, and an hour in which nothing more goes wrong."""
        end = START + days * DAY
        while self._clock.now < end:
            self._step(self._clock.now < end - HOUR)
            if (self._clock.now - START) % DAY < INTERVAL:
                self.ledger_bytes.append(self._ledger.size_bytes())
        self._skew = 0.0
        self._full_until = self._read_only_until = self._away_until = self._out_until = 0.0
        for _ in range(3 * round(HOUR / INTERVAL)):
            self._step(False)
        self.ledger_bytes.append(self._ledger.size_bytes())
        self._ledger.close()

    # What happens

    def _step(self, is_hard: bool) -> None:
        """Let an interval go by, and poll at its end if the exporter is there."""
        start = self._clock.now
        end = start + INTERVAL
        restart = self._happens("restart of the coordinator", 0.5, is_hard)
        self._work(start + INTERVAL / 2 if restart else end)
        if restart:
            self._coordinator.restart(at=start + INTERVAL / 2)
            self._work(end)
        self._clock.now = end
        if end < self._away_until:
            return
        if is_hard:
            self._go_wrong(end)
        if end < self._away_until:
            return
        if end < self._out_until:
            self.events["failed polls"] += 1
            self._pipeline.failed(ConnectionFailedError("refused"), 0.1, self._now())
        else:
            self._poll(is_hard)
        if end % HOUR < INTERVAL:
            self._shown.scrape()

    def _happens(self, what: str, a_day: float, is_hard: bool = True) -> bool:
        happens = is_hard and self._rng.random() < a_day * self._often * INTERVAL / DAY
        self.events[what] += happens
        return happens

    def _go_wrong(self, now: float) -> None:
        rng = self._rng
        if self._happens("outage, short", 3):
            self._out_until = now + rng.uniform(0.2, 0.8) * KEPT
        if self._happens("outage, longer than queries are kept", 0.5):
            self._out_until = now + rng.uniform(1.5, 4.0) * KEPT
        if self._happens("exporter away, short", 2):
            self._kill(now + rng.uniform(0.1, 0.7) * KEPT)
        if self._happens("exporter away, longer than queries are kept", 0.3):
            self._kill(now + rng.uniform(2.0, 6.0) * KEPT)
        if self._happens("disk full", 1):
            self._full_until = now + rng.uniform(300.0, 2400.0)
        if self._happens("disk read-only", 1):
            self._read_only_until = now + rng.uniform(300.0, 2400.0)
        if self._happens("clock jumps", 1):
            self._skew = rng.choice([-1, 1]) * rng.choice([60.0, 1800.0, 3 * HOUR])
            self._skew_until = now + rng.uniform(0.2, 4.0) * HOUR
        if now > self._skew_until:
            self._skew = 0.0
        if self._happens("configuration read again", 2):
            self._delay = rng.choice([0.0, 60.0, 300.0])
            self._make_pipeline()

    def _work(self, until: float) -> None:
        """Submit what users ask up to *until*: most by day, and another kind of it every day."""
        rng = self._rng
        while self._next_query <= until:
            at = self._next_query
            day, hour = divmod(at, DAY)
            is_service = rng.random() < 0.3
            user = rng.choice(SERVICES if is_service else [*PEOPLE, f"guest{int(day) % 5}"])
            kind = rng.randrange(20) if rng.random() < 0.6 else 100 + int(day) * 7 + rng.randrange(30)
            sql = f"SELECT c{kind} FROM t{kind % 7} WHERE k = {rng.random()}"
            running = rng.expovariate(1 / 20.0) if rng.random() < 0.97 else rng.uniform(600.0, 7200.0)
            plan = Plan(
                queued=rng.expovariate(1 / 3.0),
                running=running,
                error=rng.choice(ERRORS) if rng.random() < 0.12 else "",
                usage=Usage(cpu_seconds=round(running * rng.random() * 8, 2), input_rows=rng.randrange(1000)),
            )
            self._submitted.append(self._coordinator.submit(user, rng.choice(SOURCES), sql, plan, at=at))
            rate = QUERIES_A_DAY / DAY * (1.0 if is_service else 1.05 - math.cos(hour / DAY * 2 * math.pi))
            self._next_query = at + rng.expovariate(rate)

    # The exporter

    def _now(self) -> float:
        """Return the time by the exporter's own clock."""
        return self._clock.now + self._skew

    def _open(self) -> None:
        self._ledger = Ledger(self._path, BOUNDS)
        self._shown.start()
        self._make_pipeline()

    def _make_pipeline(self) -> None:
        policy = Policy(CANCELED, LIMITS, self._delay, retire_after=3 * DAY)
        self._witness.killed()  # what an old pipeline could not commit goes with it
        self._pipeline = Pipeline(
            "test",
            "http://test",
            INTERVAL,
            policy,
            self._ledger,
            self._shown,
            Statements(self._shown, 100),
            self._now(),
        )

    def _kill(self, until: float) -> None:
        """End the exporter between two polls; it is back at *until*."""
        self._ledger.close()
        self._witness.killed()
        self._away_until = until
        self._open()

    def _poll(self, is_hard: bool) -> None:
        body = self._coordinator.query_list("monitor")
        if self._happens("half a list", 3, is_hard):
            body = half_of_the_rows(body)
        answer = Answer(body, self._coordinator.info(), 0.1, self._clock.now)
        self._witness.listed(body)
        self.events["good polls"] += 1
        if self._happens("killed within a commit", 4, is_hard):
            self._poll_and_die(answer)
            return
        db = self._ledger._db
        if self._clock.now < self._full_until:
            db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}")
        if self._clock.now < self._read_only_until:
            db.execute("PRAGMA query_only = ON")
        done = self._pipeline.polled(answer, self._now())
        db.execute("PRAGMA query_only = OFF")
        db.execute("PRAGMA max_page_count = 1000000000")
        if done.ledger_error is None:
            self._witness.committed()
        else:
            self.events["polls that were not committed"] += 1

    def _poll_and_die(self, answer: Answer) -> None:
        self._kills += 1
        killed = self._folder / f"{self._kills}.sqlite"
        before = dict(self._shown.values)
        photograph(self._ledger, self._path, killed, self._rng.randrange(30))
        self._pipeline.polled(answer, self._now())
        self._ledger.close()
        if killed.exists():
            self._shown.values = before
            self._witness.killed()
            for part in self._folder.glob(f"{self._path.name}*"):
                part.unlink()
            self._path = killed
        else:  # it had fewer statements than that
            self._witness.committed()
        self._open()

    # What came of it

    def _unseen(self) -> tuple[int, int]:
        """Return how many ids no committed list showed: those below one that was shown, and those above all.

        Nobody can know of the latter: the process, or its day, ended before another id was listed.
        """
        tops: dict[tuple[str, str], str] = {}
        for query_id in self._witness.seen:
            run = query_id[22:], query_id[:8]
            tops[run] = max(tops.get(run, ""), query_id)
        unseen = [query_id for query_id in self._submitted if query_id not in self._witness.seen]
        below = sum(query_id < tops.get((query_id[22:], query_id[:8]), "") for query_id in unseen)
        return below, len(unseen) - below

    def problems(self) -> Iterator[str]:
        """Yield what is wrong, one line each; nothing if all is well."""
        yield from self._shown.fallen[:10]
        seen = self._witness.seen
        ends: Counter[tuple[str, ...]] = Counter((*one.owner, one.outcome) for one in seen.values() if one.outcome)
        if self._shown.total("presto_user_queries_total") != ends:
            yield f"counted {sum(self._shown.total('presto_user_queries_total').values()):.0f}, shown {ends.total()}"
        cpu: Counter[tuple[str, ...]] = Counter()
        for one in seen.values():
            cpu[one.owner] += one.cpu_seconds  # type: ignore[assignment]
        counted = self._shown.total("presto_user_query_cpu_seconds_total")
        for owner in cpu.keys() | counted.keys():
            if not math.isclose(cpu[owner], counted.get(owner, 0.0), abs_tol=1e-3):
                yield f"CPU of {owner}: counted {counted.get(owner, 0.0)}, shown {cpu[owner]}"
        live = {row["queryId"] for row in json.loads(self._coordinator.query_list("monitor"))}
        lost = Counter(one.owner for query_id, one in seen.items() if not one.outcome and query_id not in live)
        if self._shown.total("presto_user_queries_lost_total") != lost:
            yield f"lost {sum(self._shown.total('presto_user_queries_lost_total').values()):.0f}, truly {lost.total()}"
        below, _ = self._unseen()
        missed = sum(self._shown.total("presto_exporter_queries_missed_total").values())
        if missed < below:
            yield f"missed {missed:.0f}, truly {below}"
        yield from self._against_the_truth(missed)
        with LedgerFile(self._path) as file:
            yield from audit(file)
        if max(self.ledger_bytes) > MOST_LEDGER_BYTES:
            yield f"the ledger had {max(self.ledger_bytes):,} bytes"
        half = len(self.ledger_bytes) // 2
        if half >= 10 and self.ledger_bytes[-1] > 1.5 * self.ledger_bytes[half]:
            yield f"the ledger grows: {self.ledger_bytes[half]:,} bytes at half-time, then {self.ledger_bytes[-1]:,}"
        if self._shown.most_series > self._most_series():
            yield f"{self._shown.most_series:,} series, more than {self._most_series():,}"

    def _against_the_truth(self, missed: float) -> Iterator[str]:
        """Yield what was counted that did not happen, and what happened and is not even said to be lost or missed."""
        counted = self._shown.total("presto_user_queries_total")
        truth = self._coordinator.truth()
        for (user, source, outcome), value in counted.items():
            if value > truth[user, source].outcomes[outcome]:
                yield f"{user}, {source}, {outcome}: counted {value:.0f}, truly {truth[user, source].outcomes[outcome]}"
        really = sum(tally.outcomes.total() + tally.lost for tally in truth.values())
        lost = sum(self._shown.total("presto_user_queries_lost_total").values())
        _, above = self._unseen()
        if really > sum(counted.values()) + lost + missed + above:
            yield f"{really} queries are over, {really - sum(counted.values()):.0f} more than counted"

    def _most_series(self) -> int:
        owners = (len(PEOPLE) + len(SERVICES) + 5) * len(SOURCES)
        return owners * (12 + 2 * len(ERRORS) + 12) + (LIMITS["fingerprint"] + 1) * 7 + 1000

    def table(self) -> str:
        """Return what happened, as a short table."""
        below, above = self._unseen()
        total = self._shown.total
        rows: list[tuple[str, float]] = [*sorted(self.events.items())]
        rows += [
            ("queries submitted", len(self._submitted)),
            ("  counted as ended", sum(total("presto_user_queries_total").values())),
            ("  counted as lost", sum(total("presto_user_queries_lost_total").values())),
            ("  in no list, and counted as missed", sum(total("presto_exporter_queries_missed_total").values())),
            ("  in no list, below an id that was", below),
            ("  in no list, above all ids that were", above),
            ("gaps", sum(total("presto_exporter_poll_gaps_total").values())),
            ("most series", self._shown.most_series),
            ("bytes of the ledger, at most", max(self.ledger_bytes)),
            ("bytes of the ledger, at the end", self.ledger_bytes[-1]),
            ("bytes of memory, at most", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024),
        ]
        return "\n".join(f"{name:45} {value:>14,.0f}" for name, value in rows)


def main(arguments: Sequence[str]) -> int:
    """Run it and print; return 1 if something was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="A simulated month with faults.")
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), given.seed)
        soak.run(given.days)
        print(soak.table())
        problems = list(soak.problems())
    print(f"{'seconds that it took':45} {time.monotonic() - started:14,.0f}")
    for problem in problems:
        print(f"wrong: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

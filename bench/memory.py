"""What the exporter's memory comes to with a large list and many series: ``python -m bench.memory``.

A process of its own, under the list of a coordinator in another, so that nothing else is in the figure.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from exporter.account.ledger import Ledger
from exporter.catalogue import CATALOGUE
from exporter.expose.text import Exposition
from exporter.ingest.coordinator import Answer
from exporter.pipeline import Pipeline, Policy, Statements


class Memory(NamedTuple):
    """Resident memory in bytes."""

    at_rest: int
    """After the polls and scrapes, when nothing is under way."""
    peak: int
    """The most there ever was: while a list is in."""
    series: int
    list_bytes: int


def row(number: int, users: int, text: str) -> str:
    """Return the JSON of a listed query of about 2 KB; every user has many tools."""
    error = f'"errorCode":{{"code":1,"name":"E{number % 5}","type":"USER_ERROR"}},'
    session = {"user": f"user{number % users}", "source": f"tool{number // users % 11}", "catalog": "hive"}
    stats = {
        "createTime": "2026-09-21T10:00:00.123456789Z",
        "endTime": "2026-09-21T10:00:01.123456789Z",
        "queuedTime": "1.00ms",
        "elapsedTime": "1.00s",
        "totalCpuTime": f"{number % 977}.00s",
        "physicalInputDataSize": f"{number}B",
        "processedInputPositions": number,
        "cumulativeUserMemory": number * 1e6,
        "userMemoryReservation": "0B",
        "peakUserMemoryReservation": f"{number}B",
    }
    state = "FAILED" if number % 3 else "FINISHED"
    return (
        f'{{"queryId":"20260921_100000_{number:05d}_aaaaa","session":{json.dumps(session)},"state":"{state}",'
        f'{error if number % 3 else ""}"query":"{text}","queryStats":{json.dumps(stats)}}}'
    )


def measure(queries: int = 60_000, users: int = 800) -> Memory:
    """Return the memory of a fresh process that polled *queries* queries three times and was scraped."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_run, (queries, users))


def _run(queries: int, users: int) -> Memory:
    exposition = Exposition(CATALOGUE)
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.sqlite")
        limits = {"user": 1000, "source": 50, "error_name": 200, "fingerprint": 500}
        pipeline = Pipeline(
            "bench",
            "http://bench",
            15.0,
            Policy((), limits, 0.0),
            ledger,
            exposition,
            Statements(exposition, 120),
            time.time(),
        )
        size = 0
        for _ in range(3):
            body = bytearray(b"[")
            for number in range(queries):
                body += row(number, users, "x" * 1400).encode() + b","
            body[-1:] = b"]"
            size = len(body)
            pipeline.polled(Answer(body, None, 0.0, None), time.time())
            del body
            exposition.render(openmetrics=False)
            exposition.render_gzip(openmetrics=False)
        series = sum(chunk.count(b"\npresto_") for chunk in exposition.render(openmetrics=False))
        ledger.close()
        return Memory(_resident(), _peak(), series, size)


def measure_month(
    days: int = 30, polls_a_day: int = 96, new_a_poll: int = 100, listed: int = 1_000
) -> list[tuple[int, int]]:
    """Return resident memory and the ledger's size, in bytes, at the end of each day of a month of polls.

    Each poll lists the newest *listed* queries, *new_a_poll* of them for the first time, of 300 users; every day the
    coordinator restarts.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_run_month, (days, polls_a_day, new_a_poll, listed))


def _run_month(days: int, polls_a_day: int, new_a_poll: int, listed: int) -> list[tuple[int, int]]:
    exposition = Exposition(CATALOGUE)
    ends = []
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.sqlite")
        limits = {"user": 1000, "source": 50, "error_name": 200, "fingerprint": 500}
        now = time.time()
        pipeline = Pipeline(
            "bench",
            "http://bench",
            15.0,
            Policy((), limits, 60.0),
            ledger,
            exposition,
            Statements(exposition, 120),
            now,
        )
        for day in range(days):
            for poll in range(polls_a_day):
                first = max(0, poll * new_a_poll - listed)
                rows = [row(number, 300, "x" * 100) for number in range(first, (poll + 1) * new_a_poll)]
                body = f"[{','.join(rows)}]".replace("_aaaaa", f"_a{day:04d}").encode()
                now += 86_400 / polls_a_day
                pipeline.polled(Answer(body, None, 0.0, now), now)
                exposition.render_gzip(openmetrics=False)
            ends.append((_resident(), ledger.size_bytes()))
        ledger.close()
    return ends


def _resident() -> int:
    if sys.platform == "linux":
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    return _peak()


def _peak() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> None:
    """Measure and print."""
    memory = measure()
    print(f"memory with 60,000 listed queries ({memory.list_bytes / 1e6:.0f} MB) and {memory.series:,} series")
    print(f"  at rest                         {memory.at_rest / 1e6:8.0f} MB")
    print(f"  peak, a list in                 {memory.peak / 1e6:8.0f} MB")
    days = measure_month()
    print("a simulated month of 10,000 queries a day, with a restart of the coordinator every day")
    for day in (2, 10, 20, 30):
        resident, ledger = days[day - 1]
        print(f"  end of day {day:2}      {resident / 1e6:8.1f} MB resident, ledger {ledger / 1e6:6.1f} MB")


if __name__ == "__main__":
    main()

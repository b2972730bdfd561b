from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from exporter.errors import ConnectionFailedError, InternalError, PollError, PollTimeoutError
from exporter.ingest.coordinator import Answer
from exporter.ingest.poller import Poller, backoff

ANSWER = Answer(b"[]", None, 0.1, None)
FAILURE = PollTimeoutError("GET /v1/query: not done")


@pytest.mark.parametrize(
    ("failures", "interval", "jitter", "seconds"),
    [
        (1, 15.0, 0.0, 15.0),
        (1, 15.0, 0.5, 22.5),
        (2, 15.0, 0.0, 30.0),
        (2, 15.0, 0.5, 45.0),
        (3, 15.0, 0.0, 30.0),  # doubled 60 s, its lower end
        (3, 15.0, 0.5, 45.0),
        (100_000, 15.0, 0.0, 30.0),
        (1, 1.0, 0.0, 1.0),
        (4, 1.0, 0.0, 8.0),
        (1, 300.0, 0.5, 300.0),
        (50, 300.0, 0.999, 300.0),
        (100_000, 0.001, 0.0, 30.0),
    ],
)
def test_backoff_doubles_up_to_a_minute(failures: int, interval: float, jitter: float, seconds: float) -> None:
    assert backoff(failures, interval, jitter) == pytest.approx(seconds)


@pytest.mark.parametrize("interval", [0.5, 15.0, 45.0, 60.0, 900.0])
def test_backoff_stays_between_the_interval_and_its_cap_and_never_falls_with_failures(interval: float) -> None:
    for jitter in (0.0, 0.3, math.nextafter(1.0, 0.0)):
        waits = [backoff(failures, interval, jitter) for failures in range(1, 200)]
        assert waits == sorted(waits)
        assert all(interval <= wait <= max(interval, 60.0) for wait in waits)


class Script(threading.Event):
    """Time and answers as a script: waiting takes no time but moves the clock; after the last answer it is stopped."""

    def __init__(self, *polls: tuple[float, Answer | Exception]) -> None:
        super().__init__()
        self._polls: Iterator[tuple[float, Answer | Exception]] = iter(polls)
        self._left = len(polls)
        self.now = 1000.0
        self.asked: list[float] = []
        self.waits: list[float] = []

    def clock(self) -> float:
        return self.now

    def ask(self) -> Answer:
        self.asked.append(self.now)
        seconds, result = next(self._polls)
        self._left -= 1
        self.now += seconds
        if isinstance(result, Exception):
            raise result
        return result

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        self.now += timeout
        if self._left == 0:
            self.set()
        return self.is_set()

    def run(self, report: Callable[[Answer | PollError], float], jitter: float = 0.0) -> None:
        poller = Poller("adhoc", self.ask, report, stopping=self, clock=self.clock, jitter=lambda: jitter)
        poller.start()
        assert poller.join(10.0)


class Reports:
    """A report that remembers, and always says the same interval."""

    def __init__(self, interval: float = 15.0) -> None:
        self.interval = interval
        self.results: list[Answer | PollError] = []

    def __call__(self, result: Answer | PollError) -> float:
        self.results.append(result)
        return self.interval


def test_the_first_poll_is_at_once_and_the_next_ones_start_to_start() -> None:
    script, reports = Script((2.0, ANSWER), (0.5, ANSWER), (3.0, ANSWER)), Reports(15.0)
    script.run(reports)
    assert script.asked == [1000.0, 1015.0, 1030.0]
    assert script.waits == [13.0, 14.5, 12.0]
    assert reports.results == [ANSWER] * 3


def test_a_poll_longer_than_its_interval_is_followed_at_once_and_missed_ones_are_not_made_up_for() -> None:
    script = Script((50.0, ANSWER), (1.0, ANSWER), (1.0, ANSWER))
    script.run(Reports(15.0))
    assert script.asked == [1000.0, 1050.0, 1065.0]


def test_the_report_decides_the_interval_anew_each_time() -> None:
    intervals = iter([5.0, 60.0, 1.0])
    script = Script((0.0, ANSWER), (0.0, ANSWER), (0.0, ANSWER))
    script.run(lambda _: next(intervals))
    assert script.waits == [5.0, 60.0, 1.0]


def test_time_that_the_report_takes_counts() -> None:
    script = Script((1.0, ANSWER), (1.0, ANSWER))

    def report(_: Answer | PollError) -> float:
        script.now += 4.0
        return 15.0

    script.run(report)
    assert script.asked == [1000.0, 1015.0]
    assert script.waits == [10.0, 10.0]


def test_failures_are_reported_and_back_off_from_their_end_until_one_success() -> None:
    failure = (10.0, FAILURE)
    script, reports = Script(failure, failure, failure, (1.0, ANSWER), failure), Reports(15.0)
    script.run(reports, jitter=0.5)
    assert script.waits == [22.5, 45.0, 45.0, 14.0, 22.5]
    assert reports.results == [FAILURE, FAILURE, FAILURE, ANSWER, FAILURE]


def test_an_unexpected_exception_of_ask_is_logged_and_reported_as_internal(caplog: pytest.LogCaptureFixture) -> None:
    script, reports = Script((1.0, KeyError("hidden")), (1.0, ANSWER)), Reports(15.0)
    script.run(reports)
    internal, answer = reports.results
    assert isinstance(internal, InternalError)
    assert "KeyError" in str(internal)
    assert "hidden" not in str(internal)
    assert answer is ANSWER
    assert script.waits == [15.0, 14.0]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert 'cluster "adhoc"' in record.getMessage()


def test_an_exception_of_report_is_logged_and_backs_off_as_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[Any] = []

    def report(result: Answer | PollError) -> float:
        calls.append(result)
        if len(calls) in (2, 3):
            raise RuntimeError("defect")
        return 10.0

    script = Script(*[(1.0, ANSWER)] * 4)
    script.run(report)
    assert calls == [ANSWER] * 4
    assert script.waits == [9.0, 10.0, 20.0, 9.0]
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


def test_a_report_that_never_worked_leaves_time_between_polls(caplog: pytest.LogCaptureFixture) -> None:
    def report(_: Answer | PollError) -> float:
        raise RuntimeError("defect")

    script = Script(*[(0.0, ANSWER)] * 3)
    script.run(report)
    assert script.waits == [15.0, 30.0, 30.0]
    assert len(caplog.records) == 3


def test_stop_ends_a_wait_at_once() -> None:
    reported = threading.Event()

    def report(_: Answer | PollError) -> float:
        reported.set()
        return 3600.0

    poller = Poller("adhoc", lambda: ANSWER, report)
    poller.start()
    assert reported.wait(10.0)
    poller.stop()
    assert poller.join(10.0)


@pytest.mark.parametrize(
    ("result", "reported"),
    [
        pytest.param(ANSWER, [ANSWER], id="an answer that came all the same is reported"),
        pytest.param(ConnectionFailedError("given up"), [], id="a failure that the stop made is not"),
    ],
)
def test_stop_during_a_poll(result: Answer | PollError, reported: list[Answer | PollError]) -> None:
    asking, stopped, reports = threading.Event(), threading.Event(), Reports()

    def ask() -> Answer:
        asking.set()
        assert stopped.wait(10.0)
        if isinstance(result, PollError):
            raise result
        return result

    poller = Poller("adhoc", ask, reports)
    poller.start()
    assert asking.wait(10.0)
    poller.stop()
    assert not poller.join(0.0)  # stop does not wait
    stopped.set()
    assert poller.join(10.0)
    assert reports.results == reported


def test_a_poller_stopped_before_its_start_asks_nothing() -> None:
    reports = Reports()
    poller = Poller("adhoc", lambda: ANSWER, reports)
    assert poller.join(0.0)
    poller.stop()
    poller.start()
    assert poller.join(10.0)
    assert reports.results == []


def test_an_answer_is_not_kept_during_the_wait() -> None:
    """Lists are large: what the report has let go must be free before the next poll."""
    gone, reported = threading.Event(), threading.Event()

    class Large(bytearray):
        def __del__(self) -> None:
            gone.set()

    def report(_: Answer | PollError) -> float:
        reported.set()
        return 3600.0

    poller = Poller("adhoc", lambda: Answer(Large(b"[]"), None, 0.1, None), report)
    poller.start()
    assert reported.wait(10.0)
    freed = gone.wait(10.0)
    poller.stop()
    assert poller.join(10.0)
    assert freed

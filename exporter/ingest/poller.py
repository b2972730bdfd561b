"""One thread per cluster: ask, hand over, wait. What is asked and what becomes of it is given as callables."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

from exporter.errors import InternalError, PollError
from exporter.ingest.coordinator import Answer

_LONGEST_BACKOFF_SECONDS = 60.0
_FIRST_INTERVAL_SECONDS = 15.0

_log = logging.getLogger(__name__)


def backoff(failures: int, interval: float, jitter: float) -> float:
    """Return the seconds to wait after *failures* failed polls in a row, of which there is at least one.

    Never less than *interval*, and not more than it or 60 s, whichever is longer; in between it doubles with every
    failure. *jitter*, at least 0 and less than 1, spreads the upper half, so that many exporters do not ask at once.
    """
    longest = max(interval, _LONGEST_BACKOFF_SECONDS)
    doubled = min(interval * 2.0 ** min(failures, 64), longest)
    return max(interval, doubled * (1.0 + jitter) / 2.0)


class Poller:
    """Polls one cluster, the first time at once, until it is stopped.

    *report* gets each answer or failure and returns the seconds from the start of this poll to the start of the next;
    after a failure `backoff` decides instead, from the end of the poll. A poll that took longer is followed by the
    next one at once, and the missed ones are not made up for. An unexpected exception, of whatever kind, is logged with
    its traceback, and the thread lives on; one of *ask* is reported as InternalError. Failures of a poll that was under
    way when the poller was stopped are not reported: most likely the stop made them.
    """

    def __init__(
        self,
        name: str,
        ask: Callable[[], Answer],
        report: Callable[[Answer | PollError], float],
        *,
        stopping: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._name = name
        self._ask = ask
        self._report = report
        self._stopping = stopping or threading.Event()
        self._clock = clock
        self._jitter = jitter
        self._interval = _FIRST_INTERVAL_SECONDS
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name=f"poller {name}", daemon=True)

    def start(self) -> None:
        """Start polling; a poller starts only once."""
        self._thread.start()

    def stop(self) -> None:
        """End the polling: a wait at once, a poll under way when it ends by itself or is aborted."""
        self._stopping.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the thread has ended, at most *timeout* seconds; return whether it has (or never started)."""
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            start_of_next = self._poll()  # the answer, which is large, is gone before the wait
            self._stopping.wait(max(0.0, start_of_next - self._clock()))

    def _poll(self) -> float:
        """Ask once and report; return when, by the clock, to ask again."""
        started = self._clock()
        result = self._result()
        succeeded = not isinstance(result, PollError)
        if not succeeded and self._stopping.is_set():
            return started
        try:
            self._interval = self._report(result)
        except BaseException:  # even an exit: nothing but a stop ends the polls of a cluster
            _log.exception('cluster "%s": unexpected failure to work up a poll; the next poll goes on', self._name)
            succeeded = False
        if succeeded:
            self._failures = 0
            return started + self._interval
        self._failures += 1
        return self._clock() + backoff(self._failures, self._interval, self._jitter())

    def _result(self) -> Answer | PollError:
        try:
            return self._ask()
        except PollError as failure:
            return failure
        except BaseException as error:
            _log.exception('cluster "%s": unexpected failure of a poll; the next poll goes on', self._name)
            return InternalError(f"poll: {type(error).__name__}, a defect of the exporter; report it with its log")

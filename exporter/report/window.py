"""Which hours or days a question is about, and which come before them to compare with."""

from __future__ import annotations

from typing import NamedTuple

from exporter.account.usage import DAY, HOUR, oldest_hour
from exporter.report.question import Question

_LONGEST_OF_HOURS = 7 * DAY
_LONG = 3 * DAY
"""Seconds of a window from which on a window before of whole days compares well enough with one of hours."""


class Window(NamedTuple):
    """Whole hours or days, in Unix time."""

    start: int
    end: int
    """What is at it is no longer in."""
    step: int
    """Seconds of each of the hours or days."""


def windows(question: Question, now: float) -> tuple[Window, Window | None]:
    """Return the window of *question*, and the one before if it compares.

    The window is of hours if it is no longer than a week and all of them are kept, else of days. That before ends where
    it starts, and has as many hours or days as have passed of it. Where hours of them are not kept any more, it is of
    days and ends with the day before, or, beside a window of less than three days, both are of days.
    """
    until = now if question.until is None else question.until
    since = until - question.window
    kept = oldest_hour(now)
    window = _around(since, until, HOUR)
    if question.window > _LONGEST_OF_HOURS or window.start < kept:
        window = _around(since, until, DAY)
    if not (question.compare or question.change):
        return window, None
    passed = min(until, now) - window.start
    before = _before(window.start, passed, window.step)
    if window.step == HOUR and before.start < kept:
        if question.window < _LONG:
            window = _around(since, until, DAY)
            passed = min(until, now) - window.start
        before = _before(_down(window.start, DAY), passed, DAY)
    return window, before


def _around(since: float, until: float, step: int) -> Window:
    return Window(_down(since, step), -_down(-until, step), step)


def _before(end: int, passed: float, step: int) -> Window:
    return Window(end - max(1, round(passed / step)) * step, end, step)


def _down(time: float, step: int) -> int:
    return int(time // step) * step

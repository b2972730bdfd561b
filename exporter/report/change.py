"""Which groups are answered: by how they changed, in order, from the first one that is wanted to the last."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from exporter.report.question import Change, Question

_GREW = 1.25
_SHRANK = 0.75


def change_of(before: float, now: float) -> Change:
    """Return how a measure changed from *before* to *now*."""
    if before <= 0.0:
        return Change.NEW if now > 0.0 else Change.SAME
    if now <= 0.0:
        return Change.VANISHED
    if now >= before * _GREW:
        return Change.GREW
    return Change.SHRANK if now <= before * _SHRANK else Change.SAME


def choose(question: Question, now: Mapping[int, float], before: Mapping[int, float]) -> tuple[list[int], int]:
    """Return which groups are answered, in order, and how many there would be without limit and offset.

    *now* and *before* are the ordering measure of the groups that there were in the window and in that before, which is
    empty unless compared. Groups that are gone count if they had something of the measure. Equal ones are in the order
    of their keys; vanished ones, if they are all that is asked for, are ordered by what they had.
    """
    keys = sorted([*now, *(key for key in before.keys() - now.keys() if before[key] > 0.0)])
    if question.change:
        keys = [key for key in keys if change_of(before.get(key, 0.0), now.get(key, 0.0)) is question.change]
    ranks = before if question.change is Change.VANISHED else now
    best = heapq.nlargest if question.descending else heapq.nsmallest
    found = best(question.offset + question.limit, keys, key=lambda key: ranks.get(key, 0.0))
    return found[question.offset :], len(keys)

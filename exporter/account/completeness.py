"""What may have been lost, and the proof that nothing was.

A coordinator forgets ended queries first in, first out (``QueryTracker.removeExpiredQueries``). So when one that had
ended by the list before is still listed, nothing that ended after it can have been removed: two lists that overlap
prove that nothing was missed between them. Where they do not, loss cannot be excluded: a gap.

Query ids count up by one in each process, ``yyyyMMdd_HHmmss_NNNNN_xxxxx`` (``QueryIdGenerator``): a number that never
appears is a query that may have been missed, or one whose client never came back. Not every id is listed and some
appear late, so the numbers are an upper bound, and are given time. What cannot be known: how far a coordinator
counted after the last id that was seen of a day or of a process.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from typing import Any

PATIENCE = 600.0
"""Seconds that an id is given to appear after a later one, and a query in flight to come back."""

LISTS_UNTIL_LOST = 3
"""Good lists that a query in flight must be missing from: one short answer proves nothing."""

LISTS_UNTIL_FORGOTTEN = 10
FORGET_AFTER = 3600.0
"""Seconds, at least, before an id that is no longer listed is forgotten."""

COORDINATOR_FORGOTTEN_AFTER = 7 * 86400.0
"""Seconds before the ids of a coordinator that is no longer heard of are forgotten. One that restarted never lists
them again, but a gateway or a standby may answer in its place for days."""

_ID = re.compile(r"([0-9]{8})_([0-9]{6})_([0-9]{5})_([a-z0-9]{5})").fullmatch


def coordinator_of(query_id: str) -> str:
    """Return the part of *query_id* that names the coordinator's process; empty if the id is of another form."""
    return query_id[22:] if len(query_id) == 27 and query_id[21] == "_" else ""


@dataclass(slots=True)
class _Run:
    """One count of ids from zero: a day of one process, or a part of a day where the count started over."""

    day: str
    top: int
    """The highest number seen; up to the first list, nobody looked at those below."""
    top_time: str
    holes: list[list[float]] = field(default_factory=list)
    """[lowest, highest, time at which they are given up]: numbers that have not appeared."""


@dataclass(slots=True)
class _Coordinator:
    last_listed: float
    runs: list[_Run] = field(default_factory=list)


@dataclass(slots=True)
class Memory:
    """What has to be remembered from list to list; `dump` and `load` bring it through a restart."""

    coordinators: dict[str, _Coordinator] = field(default_factory=dict)
    started: float | None = None
    """Start of the coordinator's process."""
    coordinator_id: str = ""
    kept_seconds: float | None = None
    """For how long ended queries were kept at least when some were last seen to vanish; None: none has vanished yet."""

    def dump(self) -> dict[str, Any]:
        """Return what `load` takes, as values of JSON."""
        return asdict(self)

    @classmethod
    def load(cls, values: Mapping[str, Any]) -> Memory:
        """Return the memory that was dumped to *values*; an empty one where that is empty."""
        memory = cls(**values)
        memory.coordinators = {
            name: _Coordinator(value["last_listed"], [_Run(**run) for run in value["runs"]])
            for name, value in values.get("coordinators", {}).items()
        }
        return memory


@dataclass(frozen=True, slots=True)
class Look:
    """One good list beside the one before; times are Unix times, *clock* by the coordinator, the rest by ourselves."""

    now: float
    clock: float
    before: float | None
    """Time of the list before; None if this is the first of the cluster."""
    clock_before: float | None
    """The same by the coordinator's clock, where it is remembered."""
    started: float | None
    """Start of the coordinator's process as it tells now, None if it does not."""
    coordinator_id: str
    """As it tells now; empty if it does not."""
    was_listed: Mapping[str, bool]
    """Ids of the list before, and whether they had ended."""
    listed: Set[str]
    appeared: Iterable[str]
    vanished_ends: Iterable[tuple[str, float]]
    """Ids of the list before that had ended and are gone, with the times of their ends."""
    oldest_end: float | None
    """The earliest end among those listed now."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a list proves, or fails to prove."""

    gap: bool
    missed: int
    restarted: frozenset[str]
    """Coordinators whose process is gone: what they had in flight is lost, and none of their ids comes back."""
    headroom_seconds: float | None


def look(memory: Memory, at: Look) -> tuple[Memory, Findings]:
    """Return the memory after the list, and what it shows. *memory* itself stays as it is."""
    memory = deepcopy(memory)
    here = {coordinator_of(query_id) for query_id in at.listed}
    unchanged = at.listed == at.was_listed.keys()
    before = here if unchanged else {coordinator_of(query_id) for query_id in at.was_listed}
    restarted = _restarted(memory, at, here, before)
    missed = _count_ids(memory, at, here, restarted)
    gap = bool(restarted & before) or (not unchanged and _lacks_overlap(at, restarted))
    headroom = _retention(memory, at, restarted)
    if at.started is not None and _is_another_start(memory.started, at.started, at.now):
        memory.started = at.started
    memory.coordinator_id = at.coordinator_id or memory.coordinator_id
    return memory, Findings(gap, missed, frozenset(restarted), headroom)


def _restarted(memory: Memory, at: Look, here: Collection[str], before: Collection[str]) -> set[str]:
    known = {*before, *memory.coordinators}
    gone = {name for name in known if name and name not in here}
    if at.before is None or not gone:
        return set()
    if at.started is not None and at.started > at.before:
        return gone
    restarted = set()
    if at.coordinator_id and memory.coordinator_id in gone and at.coordinator_id != memory.coordinator_id:
        restarted.add(memory.coordinator_id)
    # Behind a resource manager several coordinators fill one list; only where all were replaced is it a restart.
    if here and before and not set(here) & set(before):
        restarted |= gone & set(before)
    return restarted


def _lacks_overlap(at: Look, restarted: Collection[str]) -> bool:
    ended: set[str] = set()
    overlapping: set[str] = set()
    for query_id, had_ended in at.was_listed.items():
        if had_ended:
            name = coordinator_of(query_id)
            ended.add(name)
            if query_id in at.listed:
                overlapping.add(name)
    return bool(ended - overlapping - set(restarted))


def _retention(memory: Memory, at: Look, restarted: Collection[str]) -> float | None:
    """Remember for how long ended queries are kept, and return how much more that is than this poll needed."""
    oldest = 0.0 if at.oldest_end is None else max(0.0, at.clock - at.oldest_end)
    vanished = [end for query_id, end in at.vanished_ends if coordinator_of(query_id) not in restarted]
    if vanished:
        kept = [oldest]
        if at.clock_before is not None:
            kept += [at.clock_before - end for end in vanished]
        memory.kept_seconds = max(kept)
    elif memory.kept_seconds is not None:
        memory.kept_seconds = max(memory.kept_seconds, oldest)
    if at.before is None:
        return None
    needed = at.now - at.before
    if memory.kept_seconds is not None:
        return memory.kept_seconds - needed
    return oldest - needed if oldest > needed else None


def _is_another_start(before: float | None, started: float, now: float) -> bool:
    """True if *started* is more than a rounding of *before*: engines print uptimes with three digits."""
    return before is None or abs(started - before) > 2.0 + 0.01 * (now - started)


def _count_ids(memory: Memory, at: Look, here: Collection[str], restarted: Collection[str]) -> int:
    coordinators = memory.coordinators
    ids: dict[str, list[tuple[str, str, int]]] = {}
    for query_id in at.appeared:
        match = _ID(query_id)
        if match:
            ids.setdefault(match[4], []).append((match[1], match[2], int(match[3])))
    for name, minted in ids.items():
        coordinator = coordinators.get(name)
        if coordinator is None:
            coordinator = coordinators[name] = _Coordinator(at.now)
            if at.before is not None and at.started is not None and at.started > at.before:
                coordinator.runs.append(_Run(min(minted)[0], -1, ""))  # counted from zero, after the last look
            else:
                day, time, number = max(minted)
                coordinator.runs.append(_Run(day, number, time))
        for day, time, number in sorted(minted):
            _note(coordinator.runs, day, time, number, at.now + PATIENCE)
    missed = 0
    for name in list(coordinators):
        coordinator = coordinators[name]
        if name in here:
            coordinator.last_listed = at.now
        for run in coordinator.runs:
            waiting = []
            for hole in run.holes:
                if name in restarted or hole[2] <= at.now:
                    missed += int(hole[1] - hole[0]) + 1
                else:
                    waiting.append(hole)
            run.holes = waiting
        coordinator.runs = [run for run in coordinator.runs[:-1] if run.holes] + coordinator.runs[-1:]
        if name in restarted or at.now - coordinator.last_listed > COORDINATOR_FORGOTTEN_AFTER:
            del coordinators[name]
    return missed


def _note(runs: list[_Run], day: str, time: str, number: int, until: float) -> None:
    for run in runs:  # an id that is late fills its hole
        if run.day == day and _fill(run, number):
            return
    run = runs[-1]
    if day == run.day and number > run.top and time >= run.top_time:  # else late, from before the count started over
        if number > run.top + 1:
            run.holes.append([run.top + 1, number - 1, until])
        run.top, run.top_time = number, time
    elif day > run.day or (day == run.day and time > run.top_time and number < run.top - _WRAP):
        runs.append(_Run(day, number, time, [[0, number - 1, until]] if number else []))


_WRAP = 10_000
"""A count that falls by more has started over: engines do at 90,000 or 99,999."""


def _fill(run: _Run, number: int) -> bool:
    for index, (low, high, until) in enumerate(run.holes):
        if low <= number <= high:
            parts: Sequence[list[float]] = ([low, number - 1, until], [number + 1, high, until])
            run.holes[index : index + 1] = [part for part in parts if part[0] <= part[1]]
            return True
    return False


def is_lost(now: float, lists: int, last_listed: float, lists_then: int) -> bool:
    """True if a query in flight that was last listed then counts as lost after *lists* good lists of its cluster."""
    return now - last_listed >= PATIENCE and lists - lists_then >= LISTS_UNTIL_LOST


def forget_before(now: float, kept_seconds: float | None, oldest_end_age: float) -> float:
    """Return the time since which an id must not have been listed to be forgotten.

    A quiet cluster lists ended queries for days, so age alone would forget what comes back once hidden rows are shown
    again. An id is kept for four times as long as its coordinator has been seen to keep ended queries.
    """
    return now - max(FORGET_AFTER, 4.0 * max(kept_seconds or 0.0, oldest_end_age))


def interval(configured: float, kept_seconds: float | None) -> float:
    """Return the seconds from poll to poll: the configured ones, or fewer where ended queries are kept only briefly."""
    return configured if kept_seconds is None else min(configured, max(1.0, kept_seconds / 3.0))

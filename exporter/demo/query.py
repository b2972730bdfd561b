"""What a query of the demo's coordinator plans, uses and meets, and where it stands at a given time."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Usage(NamedTuple):
    """What a query uses in all, in base units. The list shows it in the engine's units and precision."""

    cpu_seconds: float = 0.0
    failed_cpu_seconds: float = 0.0
    """CPU of failed attempts, part of cpu_seconds; shown by Trino 373 and later only."""
    input_bytes: int = 0
    input_rows: int = 0
    memory_byte_seconds: float = 0.0
    peak_bytes: int = 0
    """User memory at its peak; while the query runs it holds what the peak is by then."""

    def grown_to(self, share: float) -> Usage:
        """Return what is used when *share* (0 to 1) of the running time is over: memory grows from nothing."""
        if share == 1.0:
            return self
        return Usage(
            self.cpu_seconds * share,
            self.failed_cpu_seconds * share,
            int(self.input_bytes * share),
            int(self.input_rows * share),
            self.memory_byte_seconds * share * share,
            int(self.peak_bytes * share),
        )

    def without(self, late: Usage) -> Usage:
        """Return these amounts less those of *late*."""
        return Usage._make(mine - theirs for mine, theirs in zip(self, late, strict=True))


_NOTHING = Usage()


class ErrorCode(NamedTuple):
    """An error of an engine or a connector. `raised` is the state in which a query meets it."""

    name: str
    type: str
    code: int
    raised: str = "RUNNING"
    """``DISPATCHING``: before dispatch, which leaves a sparse row; ``QUEUED``: in the analysis, while still queued."""


USER_ERROR, _INTERNAL, _RESOURCES = "USER_ERROR", "INTERNAL_ERROR", "INSUFFICIENT_RESOURCES"

ERRORS: Mapping[str, ErrorCode] = {
    error.name: error
    for error in (
        ErrorCode("SYNTAX_ERROR", USER_ERROR, 1, "DISPATCHING"),
        ErrorCode("ABANDONED_QUERY", USER_ERROR, 2),
        ErrorCode("USER_CANCELED", USER_ERROR, 3),
        ErrorCode("PERMISSION_DENIED", USER_ERROR, 4, "QUEUED"),
        ErrorCode("FUNCTION_NOT_FOUND", USER_ERROR, 6, "QUEUED"),
        ErrorCode("DIVISION_BY_ZERO", USER_ERROR, 8),
        ErrorCode("INVALID_CAST_ARGUMENT", USER_ERROR, 9),
        ErrorCode("NOT_SUPPORTED", USER_ERROR, 13, "QUEUED"),
        ErrorCode("INVALID_SESSION_PROPERTY", USER_ERROR, 14, "DISPATCHING"),
        ErrorCode("SUBQUERY_MULTIPLE_ROWS", USER_ERROR, 28),
        ErrorCode("QUERY_REJECTED", USER_ERROR, 31, "DISPATCHING"),
        ErrorCode("QUERY_TEXT_TOO_LARGE", USER_ERROR, 35, "DISPATCHING"),
        ErrorCode("ADMINISTRATIVELY_KILLED", USER_ERROR, 38),
        ErrorCode("SCHEMA_NOT_FOUND", USER_ERROR, 45, "QUEUED"),
        ErrorCode("TABLE_NOT_FOUND", USER_ERROR, 46, "QUEUED"),
        ErrorCode("COLUMN_NOT_FOUND", USER_ERROR, 47, "QUEUED"),
        ErrorCode("TABLE_ALREADY_EXISTS", USER_ERROR, 50, "QUEUED"),
        ErrorCode("TYPE_MISMATCH", USER_ERROR, 58, "QUEUED"),
        ErrorCode("EXPRESSION_NOT_AGGREGATE", USER_ERROR, 73, "QUEUED"),
        ErrorCode("INVALID_PARAMETER_USAGE", USER_ERROR, 80, "DISPATCHING"),
        ErrorCode("GENERIC_INTERNAL_ERROR", _INTERNAL, 65536),
        ErrorCode("PAGE_TRANSPORT_TIMEOUT", _INTERNAL, 65540),
        ErrorCode("NO_NODES_AVAILABLE", _INTERNAL, 65541, "PLANNING"),
        ErrorCode("REMOTE_HOST_GONE", _INTERNAL, 65558),
        ErrorCode("EXCEEDED_GLOBAL_MEMORY_LIMIT", _RESOURCES, 131073),
        ErrorCode("QUERY_QUEUE_FULL", _RESOURCES, 131074, "QUEUED"),
        ErrorCode("EXCEEDED_TIME_LIMIT", _RESOURCES, 131075),
        ErrorCode("CLUSTER_OUT_OF_MEMORY", _RESOURCES, 131076),
        ErrorCode("EXCEEDED_CPU_LIMIT", _RESOURCES, 131077),
        ErrorCode("EXCEEDED_LOCAL_MEMORY_LIMIT", _RESOURCES, 131079),
        ErrorCode("ADMINISTRATIVELY_PREEMPTED", _RESOURCES, 131080),
        ErrorCode("HIVE_METASTORE_ERROR", "EXTERNAL", 16777216, "PLANNING"),
        ErrorCode("HIVE_CURSOR_ERROR", "EXTERNAL", 16777217),
    )
}
"""Errors by name, as PrestoSQL and Trino number them; give an ErrorCode of your own for others."""

_TERMINAL = ("FINISHED", "FAILED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a query does when left alone: its phases one after the other, in seconds (``math.inf``: until told).

    `usage` is reached at the end of the running phase, growing evenly. Of it, `late` is shown only `settle` seconds
    after the end, as engines do whose tasks still report; negative amounts are taken back then (PrestoDB does so for
    rows and bytes of CREATE TABLE AS).
    """

    queued: float = 0.0
    planning: float = 0.0
    starting: float = 0.0
    blocked: float = 0.0
    """RUNNING with all drivers blocked, before it gets to work."""
    running: float = 1.0
    finishing: float = 0.0
    error: str | ErrorCode = ""
    """Name of one of ERRORS, or an error of your own; empty: the query finishes."""
    ends_in: str = ""
    """The state at whose end the error comes; empty: where such an error is raised."""
    usage: Usage = _NOTHING
    late: Usage = _NOTHING
    settle: float = 0.2


@dataclass(slots=True)
class Query:
    """A query and its timeline: when it entered which state, in order, up to the end as far as it is planned."""

    id: str
    user: str
    source: str
    sql: str
    prepared: dict[str, str]
    client_tags: list[str]
    resource_group: list[str]
    created: float
    plan: Plan
    timeline: list[tuple[float, str]]
    error: ErrorCode | None
    stated: Usage | None = None
    rendered: bytes | None = None
    """The row, once nothing in it can change but by `Coordinator.use`."""
    place: int = field(init=False)
    """Where the row stands in the list."""

    def __post_init__(self) -> None:
        self.place = zlib.crc32(self.id.encode())

    @property
    def end(self) -> float:
        """When it ends or ended, Unix time; infinite if that is not planned."""
        at, state = self.timeline[-1]
        return at if state in _TERMINAL else math.inf

    @property
    def queued_until(self) -> float:
        """When it leaves or left the queue, Unix time."""
        return next((at for at, state in self.timeline if state != "QUEUED"), math.inf)

    def entered(self, *states: str) -> float:
        """Return when it first enters or entered one of *states*, Unix time; infinite if that is not planned."""
        return next((at for at, state in self.timeline if state in states), math.inf)

    def state_at(self, now: float) -> str:
        """Return the state at *now*, with BLOCKED apart from RUNNING."""
        return next((state for at, state in reversed(self.timeline) if at <= now), "QUEUED")

    def is_settled(self, now: float) -> bool:
        """Tell whether all figures have been reported."""
        return now >= self.end + self.plan.settle

    def share_at(self, now: float) -> float:
        """Return the share of the running time that is over, 0 to 1."""
        ran_from = self.entered("RUNNING")
        if ran_from > now or math.isinf(ran_from):
            return 0.0
        planned_until = ran_from + self.plan.running
        ran_until = min(now, next((at for at, _ in self.timeline if at > ran_from), math.inf))
        return 1.0 if ran_until >= planned_until else (ran_until - ran_from) / self.plan.running

    def used_at(self, now: float) -> Usage:
        """Return what the engine shows as used at *now*; at infinity, what has been used in the end."""
        if self.stated is not None:
            return self.stated
        usage = self.plan.usage if self.is_settled(now) else self.plan.usage.without(self.plan.late)
        return usage.grown_to(self.share_at(now))

    def enter(self, state: str, at: float) -> bool:
        """Go into *state* instead of what was planned; return False, unchanged, if it had ended by then."""
        if self.end <= at:
            return False
        self.timeline = [step for step in self.timeline if step[0] <= at] + [(at, state)]
        self.rendered = None
        return True

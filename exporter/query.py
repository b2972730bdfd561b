"""What comes in: a query as its coordinator describes it now, in base units (seconds, bytes, rows, Unix time)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    """How a query ended: every query that ended is exactly one of them."""

    FINISHED = "finished"
    FAILED = "failed"
    CANCELED = "canceled"


LIVE_STATES = (
    "queued",
    "waiting_for_prerequisites",
    "waiting_for_resources",
    "dispatching",
    "planning",
    "starting",
    "running",
    "blocked",
    "finishing",
    "unknown",
)
"""States of a query that has not ended, as label values; ``blocked`` is running with every driver blocked."""


class Amounts(NamedTuple):
    """What a query has used up to now. Every amount is a counter's worth: at least zero, in base units."""

    cpu_seconds: float = 0.0
    failed_cpu_seconds: float = 0.0
    input_bytes: float = 0.0
    input_rows: float = 0.0
    memory_byte_seconds: float = 0.0
    queued_seconds: float = 0.0
    elapsed_seconds: float = 0.0


class Text(NamedTuple):
    """What a query says. Never kept: it holds literals, and it is large."""

    sql: str
    prepared: str | None
    """The statement that ``EXECUTE`` runs, where the engine lists it."""
    is_cut: bool
    """True if the engine keeps only the beginning: of texts longer than it takes."""
    catalog: str = ""
    """Of the session; empty if it has none, like the schema."""
    schema: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """One row of a coordinator's list."""

    id: str
    user: str
    source: str
    state: str
    """One of LIVE_STATES, or ``finished`` or ``failed``."""
    created: float
    ended: float | None
    """Unix time of the end; None while the query lives, whatever the engine prints there."""
    error_type: str
    """Empty unless the state is ``failed``."""
    error_name: str
    amounts: Amounts
    """As the engine says: failed_cpu_seconds is the CPU of failed attempts, which the engine has included in
    cpu_seconds; queued and elapsed time run on while the query lives."""
    memory_bytes: float
    """User memory held now; engines may leave it standing on queries that ended."""
    peak_memory_bytes: float

    @property
    def is_terminal(self) -> bool:
        """True once the query has ended; no engine ever takes that back."""
        return self.ended is not None

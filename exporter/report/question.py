"""What can be asked about usage: the parameters of ``/api/v1/queries`` and ``/queries``, in both directions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Group(StrEnum):
    """By what queries are put together."""

    FINGERPRINT = "fingerprint"
    USER = "user"
    SOURCE = "source"
    TABLE = "table"
    CATALOG = "catalog"
    QUERY_TYPE = "query_type"
    CLUSTER = "cluster"


class Change(StrEnum):
    """How a group compares with the window before, by the measure that orders."""

    NEW = "new"
    """Nothing before."""
    GREW = "grew"
    """By a quarter or more."""
    SHRANK = "shrank"
    """To three quarters or less."""
    SAME = "same"
    VANISHED = "vanished"
    """Something before, nothing now."""


MEASURES = (
    "queries",
    "finished",
    "failed",
    "canceled",
    "cpu_seconds",
    "failed_cpu_seconds",
    "input_bytes",
    "input_rows",
    "memory_byte_seconds",
    "queued_seconds",
    "elapsed_seconds",
    "repeated_queries",
    "repeated_cpu_seconds",
)
"""What is summed up of a group, in base units; queries = finished + failed + canceled."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question. Filters of one kind are alternatives, filters of different kinds all hold; empty: no filter."""

    window: float = 86400.0
    """Seconds back from *until*; the answer begins with the hour or day in which this falls."""
    until: float | None = None
    """Unix time; None: now."""
    clusters: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    query_types: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    """As qualified as the answer names them (``catalog.schema.table``); a shorter name matches the end of them."""
    catalogs: tuple[str, ...] = ()
    search: str = ""
    """Text in the template, whatever its case."""
    group_by: Group = Group.FINGERPRINT
    order_by: str = "cpu_seconds"
    """One of MEASURES."""
    descending: bool = True
    limit: int = 50
    offset: int = 0
    compare: bool = False
    """With the window of the same length before."""
    change: Change | None = None
    """Only groups that changed so; implies compare."""
    trend: bool = False
    """With the ordering measure over time for each group."""

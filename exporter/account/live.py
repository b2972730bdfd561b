"""The queries of the last list that have not ended, per owner."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from exporter.catalogue import IN_FLIGHT, IN_FLIGHT_MEMORY, OLDEST_IN_FLIGHT
from exporter.query import Query

Samples = list[tuple[tuple[str, ...], float]]
"""Values of the labels without the cluster's, and the value."""


def in_flight(queries: Iterable[Query], owner: Callable[[Query], tuple[str, str]]) -> dict[str, Samples]:
    """Return the samples of the gauges of queries in flight, by family. *owner*: user and source as label values.

    Memory of queries that ended does not count: PrestoSQL leaves reservations standing on canceled ones.
    """
    counts: dict[tuple[str, ...], float] = {}
    memory: dict[tuple[str, ...], float] = {}
    oldest: dict[tuple[str, ...], float] = {}
    for query in queries:
        if query.is_terminal:
            continue
        who = owner(query)
        state = (*who, query.state)
        counts[state] = counts.get(state, 0.0) + 1.0
        memory[who] = memory.get(who, 0.0) + query.memory_bytes
        oldest[who] = min(oldest.get(who, query.created), query.created)
    return {
        IN_FLIGHT.name: list(counts.items()),
        IN_FLIGHT_MEMORY.name: list(memory.items()),
        OLDEST_IN_FLIGHT.name: list(oldest.items()),
    }

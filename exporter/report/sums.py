"""Sums over queries: what SQL is to sum up, and the adding up of what it gives for parts."""

from __future__ import annotations

from collections.abc import Sequence
from operator import add

from exporter.report.percentiles import percentiles
from exporter.report.question import MEASURES
from exporter.report.report import Measures, Percentiles

DECIMALS = 6
"""Of every amount: what engines tell has no more, so what a sum has beyond them is noise."""

MEASURE = {
    **{measure: measure for measure in MEASURES},
    "queries": "finished + failed + canceled",
    "repeated_queries": "repeated",
}
"""SQL for each of MEASURES of a row."""

_SUMMED = MEASURES[1:]  # queries are the sum of the first three
SUMS = ", ".join([f"sum({MEASURE[measure]})" for measure in _SUMMED])
"""SQL for what `Sums.add` takes first."""

# The bytes of all distributions, joined. SQLite takes them for text, at which it does not look.
COUNTS = "CAST(group_concat(elapsed_counts, '') AS BLOB), CAST(group_concat(queued_counts, '') AS BLOB)"
"""SQL for what `Sums.add` takes then."""


class Sums:
    """What some queries come to."""

    def __init__(self) -> None:
        self._sums: Sequence[float] = (0,) * len(_SUMMED)
        self._elapsed: list[bytes] = []
        self._queued: list[bytes] = []

    def add(self, sums: Sequence[float], elapsed: bytes = b"", queued: bytes = b"") -> None:
        """Add what a part of them comes to, and its distributions, if they are wanted."""
        self._sums = tuple(map(add, self._sums, sums))
        self._elapsed.append(elapsed)
        self._queued.append(queued)

    @property
    def queries(self) -> int:
        """How many ended."""
        return int(sum(self._sums[:3]))

    @property
    def measures(self) -> Measures:
        """The measures, with the decimals that they have."""
        return Measures(self.queries, *[round(value, DECIMALS) for value in self._sums])  # type: ignore[arg-type]

    @property
    def elapsed(self) -> Percentiles:
        """The percentiles of the time from creation to end."""
        return percentiles(b"".join(self._elapsed))

    @property
    def queued(self) -> Percentiles:
        """The percentiles of the time in the queue."""
        return percentiles(b"".join(self._queued))

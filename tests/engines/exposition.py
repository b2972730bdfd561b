"""The text of ``/metrics`` as numbers, and the counters in it that did what a counter never does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

_OF_THE_PROCESS = ("process_", "python_")
"""Beginnings of the names of counters that start at zero with every process of the exporter."""


class Series(NamedTuple):
    """A name and its labels, sorted."""

    name: str
    labels: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{self.name}{{{', '.join(f'{name}={value!r}' for name, value in self.labels)}}}"


class Scrape:
    """One answer of ``/metrics``: every sample with its value, and which of them are counters."""

    def __init__(self, text: str) -> None:
        self.counters: dict[Series, float] = {}
        """Samples of counters, and the sums, counts and buckets of histograms."""
        self.gauges: dict[Series, float] = {}
        for family in text_string_to_metric_families(text):
            kept = self.counters if family.type in ("counter", "histogram") else self.gauges
            for sample in family.samples:
                kept[Series(sample.name, tuple(sorted(sample.labels.items())))] = sample.value

    def by(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """Return the metric's values summed by these labels, zeros included; a label that is absent is empty."""
        sums: defaultdict[tuple[str, ...], float] = defaultdict(float)
        for series, value in self._named(name):
            its = dict(series.labels)
            sums[tuple(its.get(label, "") for label in labels)] += value
        return dict(sums)

    def total(self, name: str, **where: str) -> float:
        """Return the sum of the metric's series that have these labels; 0 if there is none."""
        return sum(value for series, value in self._named(name) if where.items() <= dict(series.labels).items())

    def _named(self, name: str) -> Iterator[tuple[Series, float]]:
        for samples in (self.counters, self.gauges):
            for series, value in samples.items():
                if series.name == name:
                    yield series, value


def fallen(before: Mapping[Series, float], after: Mapping[Series, float], same_process: bool) -> list[str]:
    """Return every counter that is lower or gone in *after*, in words.

    What belongs to the exporter's process (its CPU, its garbage) may start again with a new process; nothing else may.
    """
    found = []
    for series, value in before.items():
        if not same_process and series.name.startswith(_OF_THE_PROCESS):
            continue
        now = after.get(series)
        if now is None:
            found.append(f"{series} was {value:g} and is gone")
        elif now < value:
            found.append(f"{series} fell from {value!r} to {now!r}")
    return found

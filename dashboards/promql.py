"""Expressions over the metrics within a scope: which clusters, which users."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """Label matchers that every selector of a panel has."""

    matchers: tuple[str, ...] = ()

    def where(self, *matchers: str, **equal: str) -> Scope:
        """Return this scope with more matchers, written out or as names of labels with the values they must have."""
        return Scope((*self.matchers, *matchers, *(f'{label}="{value}"' for label, value in equal.items())))

    def of(self, metric: str) -> str:
        """Return the selector of *metric* in this scope."""
        return f"{metric}{{{', '.join(self.matchers)}}}" if self.matchers else metric

    def total(self, metric: str, *by: str) -> str:
        """Return what a counter gained in the range that the dashboard shows, as of its end."""
        return f"{_sum(by)}(increase({self.of(metric)}[$__range]))"

    def before(self, metric: str, *by: str) -> str:
        """Return what a counter gained in the range of the same length before the one that the dashboard shows."""
        return f"{_sum(by)}(increase({self.of(metric)}[$__range] offset $__range))"

    def rate(self, metric: str, *by: str) -> str:
        """Return what a counter gains per second."""
        return f"{_sum(by)}(rate({self.of(metric)}[$__rate_interval]))"

    def now(self, metric: str, *by: str) -> str:
        """Return the sum of a gauge."""
        return f"{_sum(by)}({self.of(metric)})"

    def top_rate(self, number: int, metric: str, by: str) -> str:
        """Return the rates over time of those who gained most in the whole range: the same lines from left to right."""
        total = f"sum by ({by}) (increase({self.of(metric)}[$__range] @ end()))"
        return f"{self.rate(metric, by)} and on ({by}) topk({number}, {total})"

    def quantile(self, quantile: float, histogram: str, *by: str) -> str:
        """Return a quantile of the observations of a histogram over time."""
        buckets = self.rate(f"{histogram}_bucket", *by, "le")
        return f"histogram_quantile({quantile:g}, {buckets})"


def share(part: str, whole: str) -> str:
    """Return *part* of *whole*, and nothing where the whole is zero."""
    return f"{part} / ({whole} > 0)"


def change(now: str, before: str) -> str:
    """Return by what share *now* is more than *before*, below zero if it is less; nothing where *before* is zero."""
    return f"{now} / ({before} > 0) - 1"


def top(number: int, expression: str) -> str:
    """Return the largest values, the largest first."""
    return f"sort_desc(topk({number}, {expression}))"


def _sum(by: tuple[str, ...]) -> str:
    return f"sum by ({', '.join(by)}) " if by else "sum"

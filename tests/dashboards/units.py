"""Numbers as Grafana writes them, for the units that the dashboards use."""

from __future__ import annotations

import math
from collections.abc import Sequence

_SHORT = ((1.0, ""), (1e3, " K"), (1e6, " Mil"), (1e9, " Bil"), (1e12, " Tri"))
_BINARY = tuple((1024.0**power, f" {unit}") for power, unit in enumerate(("B", "KiB", "MiB", "GiB", "TiB", "PiB")))
_DECIMAL = tuple((1e3**power, f" {unit}") for power, unit in enumerate(("B/s", "kB/s", "MB/s", "GB/s", "TB/s")))
_TIME = (
    (1e-9, " ns"),
    (1e-6, " µs"),
    (1e-3, " ms"),
    (1.0, " s"),
    (60.0, " mins"),
    (3600.0, " hours"),
    (86400.0, " days"),
    (604800.0, " weeks"),
    (31557600.0, " years"),
)


def _per_second(what: str) -> tuple[tuple[float, str], ...]:
    return tuple((1e3**power, f" {prefix}{what}") for power, prefix in enumerate(("", "K ", "M ", "B ", "T ")))


_SCALES = {
    "short": _SHORT,
    "bytes": _BINARY,
    "Bps": _DECIMAL,
    "s": _TIME,
    "reqps": _per_second("req/s"),
    "ops": _per_second("ops/s"),
    "rowsps": _per_second("rows/s"),
}
_ROUND_TIMES = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 172800, 604800)
_SUFFIXES = {"none": "", "locale": "", "percentunit": "%"}
UNITS = {*_SCALES, *_SUFFIXES}
"""The ids of Grafana's units that are in use; each was looked up in its list of units."""


def written(value: float, unit: str, decimals: int | None = None) -> str:
    """Return *value* in *unit*; without *decimals* with about three digits."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if unit == "percentunit":
        return f"{_rounded(value * 100, decimals)}%"
    if unit == "locale":
        return f"{value:,.{decimals or 0}f}"
    factor, suffix = scale(value, unit)
    return f"{_rounded(value / factor, decimals)}{suffix}"


def scale(value: float, unit: str) -> tuple[float, str]:
    """Return the factor and the suffix by which a number of this size is written."""
    if unit in _SUFFIXES:
        return 1.0, _SUFFIXES[unit]
    steps = _SCALES[unit]
    smallest = next(step for step in steps if step[0] == 1.0) if value == 0 or unit != "s" else steps[0]
    return max((step for step in steps if step[0] <= abs(value)), default=smallest)


def _rounded(value: float, decimals: int | None) -> str:
    if decimals is None:
        size = abs(value)
        decimals = 0 if size >= 100 or size == int(size) else 1 if size >= 10 else 2 if size >= 1 else 3
        return f"{value:.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{value:.0f}"
    return f"{value:.{decimals}f}"


def ticks(least: float, most: float, unit: str, number: int = 5) -> Sequence[float]:
    """Return round values from *least* to *most*, about *number* of them."""
    wanted = (most - least) / number
    if wanted <= 0:
        return [least]
    if unit == "bytes":
        step = 2.0 ** math.ceil(math.log2(wanted))
    elif unit == "s" and wanted >= 1:
        step = next((each for each in _ROUND_TIMES if each >= wanted * 0.999), wanted)
    else:
        power = 10.0 ** math.floor(math.log10(wanted))
        step = next((each * power for each in (1, 2, 5, 10) if each * power >= wanted * 0.999), wanted)
    first = math.ceil(least / step - 1e-9)
    return [index * step for index in range(first, math.floor(most / step + 1e-9) + 1)]

"""Charts as SVG without a script: shapes stretch with the page, texts stand beside them in HTML and do not.

Colours come by class from the style sheet, so that they follow light and dark; a content security policy without inline
styles lets presentation attributes pass.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from exporter.expose.page_text import count, duration, text
from exporter.report.report import Measures, Moment

_HEIGHT = 100
_STEP = 10
_BAR = 8
"""Of the plot, in its own units; the style sheet has the widths of bars, and their room, once for all."""
_NEXT_TO_NOTHING = 1e-6
_MOST_BARS = 96
_MOST_POINTS = 48
"""Of the small chart of a row; more would be narrower than a dot."""
_HOUR = 3600.0
_DAY = 86400.0
_Units = Sequence[tuple[str, float, float]]
"""Of an axis: how it is written, its size, and from where on it is used; the largest first."""
_DURATIONS: _Units = ((" d", _DAY, 3 * _DAY), (" h", _HOUR, _HOUR), (" min", 60.0, 60.0), (" s", 1.0, 0.0))
_COUNTS: _Units = ((" G", 1e9, 1e9), (" M", 1e6, 1e6), (" k", 1e3, 1e3), ("", 1.0, 0.0))


def bar(share: float, kind: str = "") -> str:
    """Return a bar as long as *share* (0 to 1) of its room; what it says has to stand beside it."""
    width = max(0.0, min(1.0, share)) * 100
    style = f"bar {kind}" if kind else "bar"
    return (
        f'<svg class="{style}" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="rail" width="100" height="1"/><rect width="{width:.1f}" height="1"/></svg>'
    )


def sparkline(values: Sequence[float], label: str) -> str:
    """Return a small chart of *values* over time; *label* is for those who do not see it."""
    points = _fewer(values)
    most = max(points, default=0.0)
    if most <= 0:
        return ""
    if len(points) == 1:
        points = points * 2
    wide = 100 / (len(points) - 1)
    heights = [f"{19 - 18 * point / most:.0f}" for point in points]
    line = "L".join([f"{index * wide:.0f} {height}" for index, height in enumerate(heights)])
    return (
        f'<svg class="spark" viewBox="0 0 100 20" preserveAspectRatio="none" role="img" aria-label="{text(label)}">'
        f'<path d="M-9 20V{heights[0]}L{line}H109V20"/></svg>'  # its ends are out of sight: a line above, no frame
    )


def _fewer(values: Sequence[float]) -> list[float]:
    together = math.ceil(len(values) / _MOST_POINTS) or 1
    return [sum(values[start : start + together]) for start in range(0, len(values), together)]


class _Chart(NamedTuple):
    """Stacked bars over time."""

    title: str
    legend: Sequence[tuple[str, str]]
    """Kind and words, from the bottom of a bar to its top."""
    stacks: Sequence[Sequence[float]]
    top: float
    axis: Callable[[float], str]
    short: Callable[[float], str]
    says: Callable[[Measures], str]


def charts(moments: Sequence[Moment], step: float, end: float) -> str:
    """Return the queries by outcome and the CPU over time, as charts and as a table."""
    together = math.ceil(len(moments) / _MOST_BARS)
    if together > 1:
        moments = [_joined(moments[place : place + together]) for place in range(0, len(moments), together)]
        step *= together
    over = [moment.measures for moment in moments]
    return (
        f'<div class="grid">{_figure(_outcomes(over, step), moments, step, end)}'
        f"{_figure(_cpu(over, step), moments, step, end)}{_table(moments)}</div>"
    )


def _joined(moments: Sequence[Moment]) -> Moment:
    columns = zip(*(moment.measures for moment in moments), strict=True)
    return Moment(moments[0].start, Measures(*map(sum, columns)))


def _outcomes(over: Sequence[Measures], step: float) -> _Chart:
    stacks = [[float(one.finished), float(one.canceled), float(one.failed)] for one in over]
    return _Chart(
        f"Queries per {_step(step)}",
        (("finished", "finished"), ("canceled", "canceled"), ("failed", "failed")),
        stacks,
        *_axis(stacks, _COUNTS),
        count,
        lambda one: f"{one.finished:,} finished, {one.canceled:,} canceled, {one.failed:,} failed",
    )


def _cpu(over: Sequence[Measures], step: float) -> _Chart:
    stacks = [[one.cpu_seconds - _in_vain(one), _in_vain(one)] for one in over]
    return _Chart(
        f"CPU per {_step(step)}",
        (("cpu", "CPU"), ("vain", "in vain: of failed or canceled queries")),
        stacks,
        *_axis(stacks, _DURATIONS),
        duration,
        lambda one: f"{duration(one.cpu_seconds)} CPU, {duration(_in_vain(one))} of it in vain",
    )


def _in_vain(measures: Measures) -> float:
    return min(measures.failed_cpu_seconds, measures.cpu_seconds)


def _figure(chart: _Chart, moments: Sequence[Moment], step: float, end: float) -> str:
    kinds = [kind for kind, _ in chart.legend]
    bars = "".join(
        _stack(place, stack, kinds, chart, moment, is_partial=moment.start + step > end)
        for place, (moment, stack) in enumerate(zip(moments, chart.stacks, strict=True))
    )
    width = max(1, len(moments)) * _STEP
    legend = "".join(f'<li class="{kind}">{words}</li>' for kind, words in chart.legend)
    ticks = "".join(f"<span>{tick}</span>" for tick in _ticks(moments, step))
    return (
        f'<figure class="card chart half"><figcaption>{chart.title}<ul class="legend">{legend}</ul></figcaption>'
        '<div class="plot"><div class="y" aria-hidden="true">'
        f"<span>{chart.axis(chart.top)}</span><span>{chart.axis(chart.top / 2)}</span>"
        f'<span>0</span></div><svg viewBox="0 0 {width} {_HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{_in_words(chart, moments)}">'
        f'<path class="rule" d="M0 0H{width}M0 {_HEIGHT // 2}H{width}M0 {_HEIGHT}H{width}"/>{bars}</svg>'
        f'<div class="x" aria-hidden="true">{ticks}</div></div></figure>'
    )


def _in_words(chart: _Chart, moments: Sequence[Moment]) -> str:
    """Return what the chart shows, for those who do not see it."""
    values = [sum(stack) for stack in chart.stacks]
    if not moments or max(values) <= 0:
        return f"{chart.title}: nothing."
    peak = max(range(len(values)), key=values.__getitem__)
    return (
        f"{chart.title}: first {chart.short(values[0])}, most {chart.short(values[peak])} at "
        f"{clock(moments[peak].start)} UTC, last {chart.short(values[-1])}."
    )


def _table(moments: Sequence[Moment]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{clock(start)}</th><td>{one.finished:,}</td><td>{one.canceled:,}</td>'
        f"<td>{one.failed:,}</td><td>{duration(one.cpu_seconds)}</td><td>{duration(_in_vain(one))}</td></tr>"
        for start, one in moments
    )
    return (
        '<details class="figures"><summary>Both as a table</summary><table class="plain">'
        '<caption class="unseen">Queries and CPU over time</caption><thead><tr><th scope="col">From, UTC</th>'
        '<th scope="col">Finished</th><th scope="col">Canceled</th>'
        '<th scope="col">Failed</th><th scope="col">CPU</th><th scope="col">in vain</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></details>"
    )


def _stack(
    place: int, stack: Sequence[float], kinds: Sequence[str], chart: _Chart, moment: Moment, *, is_partial: bool
) -> str:
    left = place * _STEP + (_STEP - _BAR) // 2
    pieces, floor = [], float(_HEIGHT)
    for kind, value in zip(kinds, stack, strict=True):
        if value > 0:
            height = max(0.6, _HEIGHT * value / chart.top)
            floor -= height
            pieces.append(f'<rect class="{kind}" x="{left}" y="{floor:.1f}" height="{height:.1f}"/>')
    partial = ' class="partial"' if is_partial else ""
    so_far = " so far" if is_partial else ""
    return (
        f"<g{partial}><title>{clock(moment.start)} UTC: {chart.says(moment.measures)}{so_far}</title>"
        f'<rect class="hit" x="{place * _STEP}"/>{"".join(pieces)}</g>'
    )


def _ticks(moments: Sequence[Moment], step: float) -> list[str]:
    if not moments:
        return []
    places = sorted({round(part * (len(moments) - 1) / 4) for part in range(5)})
    starts = [moments[place].start for place in places]
    if step >= _DAY:
        return [time.strftime("%-d %b", time.gmtime(start)) for start in starts]
    if len(moments) * step > 2 * _DAY:
        return [time.strftime("%-d %b %H:%M", time.gmtime(start)) for start in starts]
    return [time.strftime("%H:%M", time.gmtime(start)) for start in starts]


def clock(at: float) -> str:
    """Return a time of UTC, short."""
    return time.strftime("%Y-%m-%d %H:%M" if at % _DAY else "%Y-%m-%d", time.gmtime(at))


def _step(step: float) -> str:
    if step == _HOUR:
        return "hour"
    if step % _DAY == 0:
        return "day" if step == _DAY else f"{step / _DAY:.0f} days"
    return f"{step / _HOUR:.0f} hours"


def _axis(stacks: Sequence[Sequence[float]], units: _Units) -> tuple[float, Callable[[float], str]]:
    """Return a round value that no stack exceeds, and how values up to it are written: all in one unit."""
    most = max(map(sum, stacks), default=0.0)
    most = most if most > _NEXT_TO_NOTHING else units[-1][1]
    unit, size = next((one for one in units if most >= one[2]), units[-1])[:2]
    power = 10.0 ** math.floor(math.log10(most / size))
    top = next(factor * power for factor in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if factor * power * size >= most * 0.999)
    return top * size, lambda value: f"{value / size:g}{unit}"


def spread(p50: float, p95: float, p99: float, longest: float) -> str:
    """Return a line from the median to p99 with marks at all three, on a logarithmic scale up to *longest* seconds."""
    at = [_place(value, longest) for value in (p50, p95, p99)]
    dots = "".join(
        f'<rect class="p{number}" x="{max(0.0, x - 0.6):.1f}" y="1" width="1.2" height="8"/>'
        for number, x in zip((50, 95, 99), at, strict=True)
    )
    return (
        '<svg class="spread" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="rail" y="4" width="100" height="2"/><rect class="line" x="{at[0]:.1f}" y="4" '
        f'width="{at[2] - at[0]:.1f}" height="2"/>{dots}</svg>'
    )


def _place(seconds: float, longest: float) -> float:
    shortest = 0.001
    if seconds <= shortest or longest <= shortest:
        return 0.0
    return min(100.0, 100 * math.log(seconds / shortest) / math.log(longest / shortest))

"""Panels as HTML and SVG, much as Grafana would show them: places, titles, units, legends, thresholds, colours.

Pure: a panel's JSON and the answers to its queries in, HTML out. All that comes from answers is escaped.
"""

from __future__ import annotations

import html
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.dashboards.execute import Sample
from tests.dashboards.units import ticks, written

Json = dict[str, Any]

CELL, GAP = 30, 8
"""Pixels of a cell of Grafana's grid in height, and between panels."""
TEXT, FAINT, LINE, PANEL = "#ccccdc", "#8e8e9e", "#2b2d35", "#181b1f"
_TITLE_HEIGHT = 34
_PALETTE = (
    "#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#705da0", "#37872d", "#fade2a",
    "#447ebc", "#c15c17", "#890f02", "#0a437c", "#6d1f62", "#584477", "#b7dbab", "#f4d598", "#70dbed", "#f9ba8f",
)  # fmt: skip
_NAMED = {
    "green": "#73bf69", "orange": "#ff9830", "red": "#f2495c", "blue": "#5794f2", "purple": "#b877d9",
    "semi-dark-green": "#56a64b", "text": TEXT,
}  # fmt: skip
_LEFT, _BOTTOM, _TOP = 62, 22, 6


@dataclass(frozen=True, slots=True)
class Span:
    """What is shown: from *start* to *end*, Unix time, with events as (time, colour)."""

    start: float
    end: float
    events: Sequence[tuple[float, str]] = ()


def colour(name: str) -> str:
    """Return a colour of Grafana as CSS."""
    return _NAMED.get(name, name)


def legend(target: Json, sample: Sample) -> str:
    """Return the name of a series."""
    form = target["legendFormat"]
    if form == "__auto":
        return ", ".join(f"{name}={value}" for name, value in sample.labels.items()) or "Value"
    return re.sub(r"{{(\w+)}}", lambda found: sample.labels.get(found[1], ""), form).strip()


def panel(built: Json, answers: Sequence[Sequence[Sample]], span: Span, width: float, height: float) -> str:
    """Return a panel with its title; *answers* are those of its targets, in order."""
    draw = {
        "timeseries": _time_series,
        "stat": _stat,
        "table": _table,
        "bargauge": _bars,
        "heatmap": _heatmap,
        "state-timeline": _timeline,
    }[built["type"]]
    inner = height - _TITLE_HEIGHT - 8
    something = any(sample.says_something for answer in answers for sample in answer)
    body = draw(built, answers, span, width - 16, inner) if something else _nothing(built)
    return f'<h2>{html.escape(built["title"])}<i title="{html.escape(built["description"])}">i</i></h2>{body}'


def _nothing(built: Json) -> str:
    text = built["fieldConfig"]["defaults"].get("noValue", "No data")
    big = " big" if built["type"] == "stat" else ""
    return f'<p class="nothing{big}">{html.escape(text)}</p>'


def _step_colour(value: float, thresholds: Json) -> str:
    found: str = thresholds["steps"][0]["color"]
    for step in thresholds["steps"][1:]:
        if value >= step["value"]:
            found = step["color"]
    return colour(found)


def _named(value: float, mappings: Sequence[Json]) -> tuple[str, str] | None:
    """Return text and colour of a value that has a text of its own."""
    for mapping in mappings:
        result = mapping["options"].get(f"{value:g}")
        if result:
            return result["text"], colour(result["color"])
    return None


def _last(sample: Sample) -> float:
    return next((value for _, value in reversed(sample.points) if not math.isnan(value)), math.nan)


def _svg(width: float, height: float, inner: str) -> str:
    return f'<svg width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}">{inner}</svg>'


def _text(x: float, y: float, text: str, anchor: str = "start", fill: str = FAINT, size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" font-size="{size}">'
        f"{html.escape(text)}</text>"
    )


def _time_axis(span: Span, left: float, right: float, top: float, bottom: float) -> str:
    out = []
    seconds = span.end - span.start
    step = next(each for each in (60, 300, 600, 900, 1800, 3600, 10800, 21600, 86400, 604800) if seconds / each < 8)
    at = math.ceil(span.start / step) * step
    while at < span.end:
        x = left + (at - span.start) / seconds * (right - left)
        out.append(f'<path d="M{x:.1f} {top}V{bottom:.1f}" stroke="{LINE}"/>')
        if left + 14 < x < right - 14:
            out.append(_text(x, bottom + 16, time.strftime("%H:%M", time.gmtime(at)), "middle"))
        at += step
    return "".join(out)


def _events(span: Span, left: float, right: float, top: float, bottom: float) -> str:
    out = []
    for at, event_colour in span.events:
        if span.start <= at <= span.end:
            x = left + (at - span.start) / (span.end - span.start) * (right - left)
            out.append(
                f'<path d="M{x:.1f} {top}V{bottom:.1f}" stroke="{colour(event_colour)}" stroke-dasharray="3 3"/>'
                f'<path d="M{x - 4:.1f} {bottom + 5:.1f}h8l-4 -5z" fill="{colour(event_colour)}"/>'
            )
    return "".join(out)


@dataclass(slots=True)
class _Line:
    name: str
    colour: str
    points: Sequence[tuple[float, float]]

    @property
    def mean(self) -> float:
        values = [value for _, value in self.points if not math.isnan(value)]
        return sum(values) / len(values) if values else math.nan


def _lines(built: Json, answers: Sequence[Sequence[Sample]]) -> list[_Line]:
    fixed = {
        override["matcher"]["options"]: each["value"]["fixedColor"]
        for override in built["fieldConfig"]["overrides"]
        for each in override["properties"]
        if each["id"] == "color" and each["value"]["mode"] == "fixed"
    }
    lines: list[_Line] = []
    for target, answer in zip(built["targets"], answers, strict=True):
        for sample in answer:
            name = legend(target, sample)
            own = _PALETTE[len(lines) % len(_PALETTE)]
            lines.append(_Line(name, colour(fixed.get(name, own)), sample.points))
    return lines


def _time_series(built: Json, answers: Sequence[Sequence[Sample]], span: Span, width: float, height: float) -> str:
    lines = _lines(built, answers)
    defaults = built["fieldConfig"]["defaults"]
    options = built["options"]["legend"]
    beside = options["placement"] == "right" and options["showLegend"]
    below = options["showLegend"] and not beside
    legend_width = min(max(230.0, width * 0.4), 9 + 7.2 * max(len(line.name) for line in lines) + 150) if beside else 0
    legend_rows = 1 if sum(len(line.name) * 7 + 26 for line in lines) < width else 2
    plot = _plot(lines, built, span, width - legend_width, height - (18 * legend_rows + 4 if below else 0))
    unit, decimals = defaults["unit"], defaults.get("decimals")
    if beside:
        rows = "".join(
            f'<tr><td><b style="background:{line.colour}"></b>{html.escape(line.name)}</td>'
            f"<td>{written(line.mean, unit, decimals)}</td>"
            f"<td>{written(_last(Sample({}, line.points)), unit, decimals)}</td></tr>"
            for line in sorted(lines, key=lambda line: -line.mean if not math.isnan(line.mean) else math.inf)
        )
        head = "<tr><th>Name</th><th>Mean</th><th>Last</th></tr>"
        return (
            f'<div class="beside">{plot}<div style="width:{legend_width:.0f}px;height:{height:.0f}px">'
            f'<table class="legend">{head}{rows}</table></div></div>'
        )
    names = "".join(f'<span><b style="background:{line.colour}"></b>{html.escape(line.name)}</span>' for line in lines)
    return plot + (f'<div class="below" style="height:{18 * legend_rows}px">{names}</div>' if below else "")


def _plot(lines: Sequence[_Line], built: Json, span: Span, width: float, height: float) -> str:
    defaults = built["fieldConfig"]["defaults"]
    custom = defaults["custom"]
    stacked = custom["stacking"]["mode"] == "normal"
    tops: list[list[tuple[float, float, float]]] = []
    sums: dict[float, float] = {}
    for line in lines:
        tops.append([])
        for at, value in line.points:
            if math.isnan(value):
                continue
            floor = sums.get(round(at), 0.0) if stacked else 0.0
            sums[round(at)] = floor + value
            tops[-1].append((at, floor + value, floor))
    shown = [top for line in tops for _, top, _ in line] or [0.0]
    dashes = [step for step in defaults["thresholds"]["steps"][1:] if custom["thresholdsStyle"]["mode"] != "off"]
    most: float = max(max(shown), defaults.get("max", -math.inf))
    least: float = min(min(shown), defaults.get("min", math.inf))
    most = most if most > least else least + 1
    number = max(2, int(height / 40))
    marks = ticks(least, most, defaults["unit"], number)
    if len(marks) > 1 and most > marks[-1] and "max" not in defaults:
        most = 2 * marks[-1] - marks[-2]
        marks = ticks(least, most, defaults["unit"], number)
    widest = max((len(written(mark, defaults["unit"])) for mark in marks), default=1)
    left, right, top, bottom = 14 + 6.4 * widest, width - 6, _TOP, height - _BOTTOM

    def x_of(at: float) -> float:
        return left + (at - span.start) / (span.end - span.start) * (right - left)

    def y_of(value: float) -> float:
        return bottom - (value - least) / (most - least) * (bottom - top)

    out = [_time_axis(span, left, right, top, bottom)]
    for mark in marks:
        out.append(f'<path d="M{left:.1f} {y_of(mark):.1f}H{right:.1f}" stroke="{LINE}"/>')
        out.append(_text(left - 6, y_of(mark) + 4, written(mark, defaults["unit"]), "end"))
    gap = 2.5 * (span.end - span.start) / 200
    for line, points in zip(lines, tops, strict=True):
        runs: list[list[tuple[float, float, float]]] = []
        for point in points:
            if not runs or point[0] - runs[-1][-1][0] > gap:
                runs.append([])
            runs[-1].append(point)
        for run in runs:
            path = "L".join(f"{x_of(at):.1f} {y_of(value):.1f}" for at, value, _ in run)
            back = "L".join(f"{x_of(at):.1f} {y_of(floor):.1f}" for at, _, floor in reversed(run))
            fill = custom["fillOpacity"] / 100
            out.append(f'<path d="M{path}L{back}z" fill="{line.colour}" fill-opacity="{fill}"/>')
            if len(run) == 1:
                at, value, _ = run[0]
                out.append(f'<circle cx="{x_of(at):.1f}" cy="{y_of(value):.1f}" r="2" fill="{line.colour}"/>')
            out.append(f'<path d="M{path}" fill="none" stroke="{line.colour}" stroke-width="1.2"/>')
    for step in dashes:
        if least <= step["value"] <= most:
            y = y_of(step["value"])
            out.append(
                f'<path d="M{left:.1f} {y:.1f}H{right:.1f}" stroke="{colour(step["color"])}" stroke-dasharray="8 6"/>'
            )
    out.append(_events(span, left, right, top, bottom))
    return _svg(width, height, "".join(out))


def _stat(built: Json, answers: Sequence[Sequence[Sample]], span: Span, width: float, height: float) -> str:
    defaults = built["fieldConfig"]["defaults"]
    samples = [sample for sample in answers[0] if sample.says_something]
    out = []
    for sample in samples:
        value = _last(sample)
        name = legend(built["targets"][0], sample)
        named = _named(value, defaults["mappings"])
        if built["options"]["textMode"] == "name":
            text, ink = name, TEXT
        elif named:
            text, ink = named
        else:
            text = written(value, defaults["unit"], defaults.get("decimals"))
            ink = _step_colour(value, defaults["thresholds"])
        size = min(height * 0.62 / len(samples), width / len(samples) / (0.62 * max(3, len(text))))
        label = f"<small>{html.escape(name)}</small>" if len(samples) > 1 else ""
        out.append(f'<div style="color:{ink};font-size:{size:.0f}px">{label}{html.escape(text)}</div>')
    return f'<div class="stat" style="height:{height:.0f}px">{"".join(out)}</div>'


def rows_of(built: Json, answers: Sequence[Sequence[Sample]]) -> tuple[list[str], list[dict[str, str | float]]]:
    """Return the titles of a table's columns and its rows, as its transformations make them."""
    organize = built["transformations"][1]["options"]
    names = organize["renameByName"]
    order = sorted(organize["indexByName"], key=organize["indexByName"].__getitem__)
    rows: list[tuple[Mapping[str, str], dict[str, str | float]]] = []
    for target, answer in zip(built["targets"], answers, strict=True):
        value_name = f"Value #{target['refId']}" if len(built["targets"]) > 1 else "Value"
        columns = {label for sample in answer for label in sample.labels}
        for sample in answer:
            own = {label: sample.labels.get(label, "") for label in columns}
            fitting = [row for labels, row in rows if all(labels[key] == own[key] for key in labels.keys() & own)]
            if not fitting:
                fitting = [{}]
                rows.append((own, fitting[0]))
            for row in fitting:
                row |= {**own, value_name: _last(sample)}
    titles = [names[name] for name in order]
    return titles, [{names[name]: value for name, value in row.items()} for _, row in rows]


def _table(built: Json, answers: Sequence[Sequence[Sample]], span: Span, width: float, height: float) -> str:
    titles, rows = rows_of(built, answers)
    sort = built["options"]["sortBy"][0]["displayName"]
    rows.sort(key=lambda row: _sortable(row.get(sort)), reverse=True)
    properties: dict[str, Json] = {
        override["matcher"]["options"]: {each["id"]: each["value"] for each in override["properties"]}
        for override in built["fieldConfig"]["overrides"]
    }
    given = {title: properties[title].get("custom.width", 0) for title in titles}
    free = [title for title in titles if not given[title]]
    spare = max(60.0, (width - sum(given.values())) / max(1, len(free)))
    room = int((height - 36) / 28)
    paged = len(rows) > room
    visible = rows[: room - 1] if paged else rows
    largest = {
        title: max((value for row in rows if isinstance(value := row.get(title), float)), default=0.0)
        for title in titles
    }
    numbers = {title for title in titles if "unit" in properties[title]}
    head = "".join(
        f'<th class="{"number" if title in numbers else ""}" style="width:{given[title] or spare:.0f}px">'
        f"{html.escape(title)}{' ↓' if title == sort else ''}</th>"
        for title in titles
    )
    body = "".join(
        "<tr>" + "".join(_cell(row.get(title), properties[title], largest[title]) for title in titles) + "</tr>"
        for row in visible
    )
    more = f'<p class="pages">1 - {len(visible)} of {len(rows)} rows</p>' if paged else ""
    return f'<table class="data" style="width:{width:.0f}px"><tr>{head}</tr>{body}</table>{more}'


def _sortable(value: str | float | None) -> tuple[int, float, str]:
    if isinstance(value, float):
        return (1, -math.inf if math.isnan(value) else value, "")
    return (0, 0.0, value or "")


def _cell(value: str | float | None, properties: Json, largest: float) -> str:
    if value is None:
        return "<td></td>"
    if isinstance(value, str):
        link = ' class="link"' if properties.get("links") else ""
        return f"<td{link}>{html.escape(value)}</td>"
    text = written(value, properties["unit"], properties.get("decimals"))
    named = _named(value, properties.get("mappings", ()))
    if named:
        return f'<td class="number" style="color:{named[1]}">{html.escape(named[0])}</td>'
    kind = properties.get("custom.cellOptions", {}).get("type")
    if kind == "gauge":
        share = 0 if largest <= 0 else max(0.0, value / largest)
        return (
            f'<td><div class="gauge"><i><b style="width:{share * 100:.0f}%"></b></i>'
            f"<span>{html.escape(text)}</span></div></td>"
        )
    ink = f' style="color:{_step_colour(value, properties["thresholds"])}"' if kind == "color-text" else ""
    return f'<td class="number"{ink}>{html.escape(text)}</td>'


def _bars(built: Json, answers: Sequence[Sequence[Sample]], span: Span, width: float, height: float) -> str:
    defaults = built["fieldConfig"]["defaults"]
    samples = [sample for sample in answers[0] if sample.says_something]
    most: float = defaults.get("max", max(_last(sample) for sample in samples)) or 1
    names = [legend(built["targets"][0], sample) for sample in samples]
    left = min(width * 0.4, 10 + max(map(_length, names)))
    right = width - 78
    each = min(height / len(samples), 34)
    out = []
    for index, (sample, name) in enumerate(zip(samples, names, strict=True)):
        value = _last(sample)
        share = min(1.0, max(0.0, value / most))
        by_steps = defaults["color"]["mode"] == "thresholds"
        ink = _step_colour(value, defaults["thresholds"]) if by_steps else colour(defaults["color"]["fixedColor"])
        y = index * each
        cut = name if _length(name) < left else name[: int(left / 7.2) - 1] + "…"
        out.append(_text(left - 8, y + each / 2 + 4, cut, "end", TEXT))
        bar = f'y="{y + 3:.1f}" width="{share * (right - left):.1f}" height="{each - 6:.1f}" rx="2"'
        out.append(f'<rect x="{left:.1f}" {bar} fill="{ink}" fill-opacity="0.75"/>')
        value_text = written(value, defaults["unit"], defaults.get("decimals"))
        out.append(_text(left + share * (right - left) + 6, y + each / 2 + 4, value_text, "start", ink))
    return _svg(width, height, "".join(out))


def _length(text: str) -> float:
    """Return about how many pixels a text of size 12 takes."""
    return sum(8.6 if letter.isupper() else 6.8 for letter in text)


def _heatmap(built: Json, answers: Sequence[Sequence[Sample]], span: Span, width: float, height: float) -> str:
    unit = built["fieldConfig"]["defaults"]["unit"]
    bounds = sorted(answers[0], key=lambda sample: float(sample.labels["le"].replace("+Inf", "inf")))
    columns: dict[float, list[float]] = {}
    for sample in bounds:
        for at, value in sample.points:
            columns.setdefault(at, []).append(0.0 if math.isnan(value) else value)
    steps = 40
    merged: dict[int, list[float]] = {}
    for at, values in columns.items():
        place = min(steps - 1, int((at - span.start) / (span.end - span.start) * steps))
        kept = merged.setdefault(place, [0.0] * len(bounds))
        for index, value in enumerate(values[: len(bounds)]):
            kept[index] += max(0.0, value - (values[index - 1] if index else 0.0))
    most = max((value for column in merged.values() for value in column), default=0.0) or 1.0
    left, right, top, bottom = _LEFT, width - 6, _TOP, height - _BOTTOM
    each, wide = (bottom - top) / len(bounds), (right - left) / steps
    out = []
    for place, column in merged.items():
        for index, value in enumerate(column):
            if value > 1e-9:
                strength = math.sqrt(value / most)
                y = bottom - (index + 1) * each
                out.append(
                    f'<rect x="{left + place * wide:.1f}" y="{y:.1f}" width="{wide - 1:.1f}" height="{each - 1:.1f}" '
                    f'fill="{_orange(strength)}"/>'
                )
    for index, sample in enumerate(bounds):
        if index % max(1, math.ceil(len(bounds) * 14 / (bottom - top))) == 0:
            bound = float(sample.labels["le"].replace("+Inf", "inf"))
            out.append(_text(left - 6, bottom - (index + 1) * each + 4, written(bound, unit), "end"))
    out.append(_time_axis(span, left, right, bottom, bottom))
    out.append(_events(span, left, right, top, bottom))
    return _svg(width, height, "".join(out))


def _orange(strength: float) -> str:
    dark, light = (0x3A, 0x25, 0x18), (0xFF, 0xC0, 0x7A)
    mixed = (round(a + (b - a) * strength) for a, b in zip(dark, light, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _timeline(built: Json, answers: Sequence[Sequence[Sample]], span: Span, width: float, height: float) -> str:
    defaults = built["fieldConfig"]["defaults"]
    samples = answers[0]
    names = [legend(built["targets"][0], sample) for sample in samples]
    left, right, bottom = 16 + max(map(_length, names)), width - 6, height - _BOTTOM - 18
    each = bottom / len(samples)
    seconds = span.end - span.start
    out = []
    for index, (sample, name) in enumerate(zip(samples, names, strict=True)):
        out.append(_text(left - 8, (index + 0.5) * each + 4, name, "end", TEXT))
        changes = [
            point
            for number, point in enumerate(sample.points)
            if number == 0 or point[1] != sample.points[number - 1][1]
        ]
        for number, (at, value) in enumerate(changes):
            later = changes[number + 1][0] if number + 1 < len(changes) else span.end
            x, wide = left + (at - span.start) / seconds * (right - left), (later - at) / seconds * (right - left)
            named = _named(value, defaults["mappings"])
            if named:
                out.append(
                    f'<rect x="{x:.1f}" y="{index * each + each * 0.1:.1f}" width="{wide + 0.3:.1f}" '
                    f'height="{each * 0.8:.1f}" fill="{named[1]}" fill-opacity="0.8"/>'
                )
    out.append(_time_axis(span, left, right, bottom, bottom))
    keys = "".join(
        f'<span><b style="background:{colour(one["color"])}"></b>{html.escape(one["text"])}</span>'
        for mapping in defaults["mappings"]
        for one in mapping["options"].values()
    )
    return _svg(width, bottom + _BOTTOM, "".join(out)) + f'<div class="below">{keys}</div>'

"""Dashboards as values, and the JSON that Grafana makes of them.

The JSON is of the classic model, schemaVersion 39, with options that Grafana 10.4 and later have. Pure: values in,
plain dicts out. Defaults that Grafana fills in itself are written out where a panel would look different without them.
"""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

Json = dict[str, Any]

SCHEMA_VERSION = 39
GRAFANA = "10.4.0"
COLUMNS = 24
"""The width of Grafana's grid."""
TAG = "presto-query-exporter"
"""The tag by which the dashboards link to each other."""

DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}

GREEN, ORANGE, RED, BLUE, PURPLE, GREY = "green", "orange", "red", "blue", "purple", "#8e8e8e"
OUTCOMES = {"finished": GREEN, "failed": RED, "canceled": ORANGE}
ERROR_TYPES = {
    "USER_ERROR": ORANGE,
    "INTERNAL_ERROR": RED,
    "INSUFFICIENT_RESOURCES": PURPLE,
    "EXTERNAL": BLUE,
}
STATES = {
    "running": GREEN,
    "queued": ORANGE,
    "blocked": RED,
    "waiting_for_resources": PURPLE,
    "planning": BLUE,
    "finishing": "semi-dark-green",
}


class Kind(StrEnum):
    """The types of panels that are used, as Grafana names them."""

    TIME_SERIES = "timeseries"
    STAT = "stat"
    TABLE = "table"
    BARS = "bargauge"
    HEATMAP = "heatmap"
    TIMELINE = "state-timeline"


@dataclass(frozen=True, slots=True)
class Query:
    """An expression and the legend of its series."""

    expr: str
    legend: str = "__auto"
    may_be_empty: str = ""
    """Why no series is a good answer, too; empty: there has to be one once there is data."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where a click on a value leads. Variables of the dashboard and the value itself may be part of the URL."""

    title: str
    url: str
    new_tab: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """From *value* on, a value has *colour*."""

    value: float
    colour: str


@dataclass(frozen=True, slots=True)
class Label:
    """A column of a table that holds the values of a label."""

    label: str
    title: str
    width: int = 0
    links: tuple[Link, ...] = ()
    may_be_missing: bool = False
    """Some series do not have it, next to others that do."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table that holds the values of an instant query."""

    title: str
    expr: str
    unit: str = "locale"
    """A count, if no unit is given."""
    decimals: int | None = None
    width: int = 0
    steps: tuple[Step, ...] = ()
    bar: bool = False
    """Draw the value as a bar as well."""
    names: Mapping[float, tuple[str, str]] = field(default_factory=dict)
    """Text and colour by value."""
    may_be_empty: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel. *unit* is the id of one of Grafana's units."""

    kind: Kind
    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    width: int = 12
    height: int = 8
    decimals: int | None = None
    least: float | None = None
    most: float | None = None
    steps: tuple[Step, ...] = ()
    names: Mapping[float, tuple[str, str]] = field(default_factory=dict)
    empty: str = ""
    """What a panel without data says."""
    links: tuple[Link, ...] = ()
    stacked: bool = False
    filled: bool = True
    """The area below a line has some of its colour."""
    legend: str = "bottom"
    """``bottom``, ``right`` (a table with mean and last value) or ``hidden``."""
    labels: tuple[Label, ...] = ()
    columns: tuple[Column, ...] = ()
    sort: str = ""
    """The title of the column by which a table is sorted, the largest first."""
    shows_name: bool = False
    """A number shows the legend in its place."""
    colours: Mapping[str, str] = field(default_factory=dict)
    """Colours of series by their legends; the others have those of Grafana's palette."""


def series(title: str, description: str, unit: str, *queries: Query, **more: Any) -> Panel:
    """Return a panel of lines over time that starts at zero."""
    return Panel(Kind.TIME_SERIES, title, description, unit, queries, **{"least": 0, **more})


def number(title: str, description: str, unit: str, expr: str, **more: Any) -> Panel:
    """Return a panel of one number for each series of an instant query."""
    query = Query(expr, more.pop("legend_format", "__auto"), more.pop("may_be_empty", ""))
    return Panel(Kind.STAT, title, description, unit, (query,), **{"width": 3, "height": 4, **more})


def bars(title: str, description: str, unit: str, query: Query, **more: Any) -> Panel:
    """Return a panel of horizontal bars, one for each series of an instant query."""
    return Panel(Kind.BARS, title, description, unit, (query,), **{"least": 0, "width": 6, **more})


def table(
    title: str, description: str, labels: Sequence[Label], columns: Sequence[Column], sort: str, **more: Any
) -> Panel:
    """Return a table with a row for each combination of the labels' values."""
    queries = tuple(Query(column.expr, may_be_empty=column.may_be_empty) for column in columns)
    return Panel(
        Kind.TABLE,
        title,
        description,
        "short",
        queries,
        labels=tuple(labels),
        columns=tuple(columns),
        sort=sort,
        **{"width": COLUMNS, "height": 10, **more},
    )


def heatmap(title: str, description: str, unit: str, expr: str, **more: Any) -> Panel:
    """Return a panel of a histogram over time; *expr* gives its buckets by ``le``."""
    return Panel(Kind.HEATMAP, title, description, unit, (Query(expr, "{{le}}"),), **more)


def timeline(title: str, description: str, query: Query, names: Mapping[float, tuple[str, str]], **more: Any) -> Panel:
    """Return a panel of states over time, a line for each series."""
    return Panel(Kind.TIMELINE, title, description, "none", (query,), names=names, **more)


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading, from left to right, then downwards."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable; *query* gives its values: a ``label_values(…)``, or a text's first value."""

    name: str
    label: str
    description: str
    query: str
    many: bool = False
    """Several values or all of them may be chosen; all at first."""
    text: bool = False
    """Whatever is written into a box."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """Events drawn across all panels: the moments when *expr* is above 0, or those that its values are (ms)."""

    name: str
    expr: str
    title: str
    text: str
    colour: str
    values_are_times: bool = False


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...]
    annotations: tuple[Annotation, ...]
    since: str = "now-6h"
    refresh: str = "1m"


def provisioned(dashboard: Dashboard) -> Json:
    """Return the dashboard as Grafana loads it from a folder: the data source is a variable's."""
    return {
        "annotations": {"list": [_BUILT_IN, *map(_annotation, dashboard.annotations)]},
        "description": dashboard.description,
        "editable": False,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "links": [_LINKS],
        "panels": _panels(dashboard.rows),
        "refresh": dashboard.refresh,
        "schemaVersion": SCHEMA_VERSION,
        "tags": [TAG, "presto", "trino"],
        "templating": {"list": [_DATASOURCE_VARIABLE, *map(_variable, dashboard.variables)]},
        "time": {"from": dashboard.since, "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "title": dashboard.title,
        "uid": dashboard.uid,
        "weekStart": "",
    }


def importable(dashboard: Dashboard) -> Json:
    """Return the dashboard as people import it: Grafana asks for the data source and for the first value of texts."""
    asked: list[Json] = [
        {
            "name": "DS_PROMETHEUS",
            "label": "Prometheus",
            "description": "The data source that holds the metrics of presto-query-exporter and the recording rules.",
            "type": "datasource",
            "pluginId": "prometheus",
            "pluginName": "Prometheus",
        }
    ]
    variables = []
    for variable in dashboard.variables:
        if variable.text:
            name = f"VAR_{variable.name.upper()}"
            asked.append(
                {
                    "name": name,
                    "label": variable.label,
                    "description": variable.description,
                    "type": "constant",
                    "value": variable.query,
                }
            )
            variable = replace(variable, query=f"${{{name}}}")
        variables.append(variable)
    built = provisioned(replace(dashboard, variables=tuple(variables)))
    chosen = {"selected": False, "text": "${DS_PROMETHEUS}", "value": "${DS_PROMETHEUS}"}
    built["templating"]["list"][0] = {**_DATASOURCE_VARIABLE, "current": chosen}
    kinds = sorted({panel.kind for row in dashboard.rows for panel in row.panels})
    return {
        "__inputs": asked,
        "__elements": {},
        "__requires": [
            {"type": "grafana", "id": "grafana", "name": "Grafana", "version": GRAFANA},
            {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"},
            *({"type": "panel", "id": kind, "name": _PLUGINS[kind], "version": ""} for kind in kinds),
        ],
        **built,
    }


def panel_ids(dashboard: Dashboard) -> dict[int, Panel]:
    """Return the panels by the ids that they have in the JSON."""
    ids: dict[int, Panel] = {}
    at = 0
    for row in dashboard.rows:
        at += 1
        for panel in row.panels:
            at += 1
            ids[at] = panel
    return ids


def ref_id(index: int) -> str:
    """Return the name of a panel's query."""
    return string.ascii_uppercase[index]


_PLUGINS = {
    Kind.TIME_SERIES: "Time series",
    Kind.STAT: "Stat",
    Kind.TABLE: "Table",
    Kind.BARS: "Bar gauge",
    Kind.HEATMAP: "Heatmap",
    Kind.TIMELINE: "State timeline",
}
_BUILT_IN: Json = {
    "builtIn": 1,
    "datasource": {"type": "grafana", "uid": "-- Grafana --"},
    "enable": True,
    "hide": True,
    "iconColor": "rgba(0, 211, 255, 1)",
    "name": "Annotations & Alerts",
    "type": "dashboard",
}
_LINKS: Json = {
    "asDropdown": False,
    "icon": "external link",
    "includeVars": True,
    "keepTime": True,
    "tags": [TAG],
    "targetBlank": False,
    "title": "",
    "tooltip": "",
    "type": "dashboards",
    "url": "",
}
_DATASOURCE_VARIABLE: Json = {
    "current": {},
    "description": "The Prometheus that scrapes the exporter and evaluates the recording rules.",
    "hide": 0,
    "includeAll": False,
    "label": "Data source",
    "multi": False,
    "name": "datasource",
    "options": [],
    "query": "prometheus",
    "refresh": 1,
    "regex": "",
    "skipUrlSync": False,
    "type": "datasource",
}


def _variable(variable: Variable) -> Json:
    common: Json = {
        "description": variable.description,
        "hide": 0,
        "label": variable.label,
        "name": variable.name,
        "skipUrlSync": False,
    }
    if variable.text:
        chosen = {"selected": True, "text": variable.query, "value": variable.query}
        return {**common, "current": chosen, "options": [chosen], "query": variable.query, "type": "textbox"}
    everything = {"selected": True, "text": ["All"], "value": ["$__all"]}
    return {
        **common,
        "allValue": ".+" if variable.many else None,
        "current": everything if variable.many else {},
        "datasource": DATASOURCE,
        "definition": variable.query,
        "includeAll": variable.many,
        "multi": variable.many,
        "options": [],
        "query": {"qryType": 1, "query": variable.query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "refresh": 2,
        "regex": "",
        "sort": 1,
        "type": "query",
    }


def _annotation(annotation: Annotation) -> Json:
    return {
        "datasource": DATASOURCE,
        "enable": True,
        "expr": annotation.expr,
        "hide": False,
        "iconColor": annotation.colour,
        "name": annotation.name,
        "step": "60s",
        "tagKeys": "presto_cluster",
        "textFormat": annotation.text,
        "titleFormat": annotation.title,
        "useValueForTime": annotation.values_are_times,
    }


def _panels(rows: Sequence[Row]) -> list[Json]:
    """Return rows and panels with ids counted from 1 and places on the grid, top down."""
    placed: list[Json] = []
    y = 0
    for row in rows:
        grid = {"h": 1, "w": COLUMNS, "x": 0, "y": y}
        placed.append(
            {
                "collapsed": False,
                "gridPos": grid,
                "id": len(placed) + 1,
                "panels": [],
                "title": row.title,
                "type": "row",
            }
        )
        y += 1
        x = line = 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, line = 0, y + line, 0
            grid = {"h": panel.height, "w": panel.width, "x": x, "y": y}
            placed.append(_panel(panel, len(placed) + 1, grid))
            x, line = x + panel.width, max(line, panel.height)
        y += line
    return placed


def _panel(panel: Panel, number: int, grid: Json) -> Json:
    built: Json = {
        "datasource": DATASOURCE,
        "description": panel.description,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "gridPos": grid,
        "id": number,
        "options": _options(panel),
        "targets": [_target(panel, index) for index in range(len(panel.queries))],
        "title": panel.title,
        "type": panel.kind.value,
    }
    if panel.kind is Kind.TABLE:
        built["transformations"] = _transformations(panel)
    return built


def _target(panel: Panel, index: int) -> Json:
    query = panel.queries[index]
    over_time = panel.kind in (Kind.TIME_SERIES, Kind.HEATMAP, Kind.TIMELINE)
    formats = {Kind.TABLE: "table", Kind.HEATMAP: "heatmap"}
    return {
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "format": formats.get(panel.kind, "time_series"),
        "instant": not over_time,
        "legendFormat": query.legend,
        "range": over_time,
        "refId": ref_id(index),
    }


def _steps(steps: Sequence[Step], first: str = GREEN) -> Json:
    """Return thresholds; below the first step a value has the colour *first*."""
    rest = [{"color": step.colour, "value": step.value} for step in steps if step.value != -math.inf]
    lowest = next((step.colour for step in steps if step.value == -math.inf), first)
    return {"mode": "absolute", "steps": [{"color": lowest, "value": None}, *rest]}


def _names(names: Mapping[float, tuple[str, str]]) -> list[Json]:
    if not names:
        return []
    options = {
        f"{value:g}": {"color": colour, "index": index, "text": text}
        for index, (value, (text, colour)) in enumerate(names.items())
    }
    return [{"options": options, "type": "value"}]


def _links(links: Sequence[Link]) -> list[Json]:
    return [{"targetBlank": link.new_tab, "title": link.title, "url": link.url} for link in links]


def _defaults(panel: Panel) -> Json:
    neutral = "text" if panel.kind is Kind.STAT else GREEN
    built: Json = {
        "color": _colour(panel),
        "custom": _custom(panel),
        "links": _links(panel.links),
        "mappings": _names(panel.names),
        "thresholds": _steps(panel.steps, GREEN if panel.steps else neutral),
        "unit": panel.unit,
    }
    if panel.decimals is not None:
        built["decimals"] = panel.decimals
    if panel.least is not None:
        built["min"] = panel.least
    if panel.most is not None:
        built["max"] = panel.most
    reasons = [query.may_be_empty for query in panel.queries]
    if empty := panel.empty or (reasons[0] if all(reasons) else ""):
        built["noValue"] = empty
    if panel.kind in (Kind.STAT, Kind.BARS):
        del built["custom"]
    return built


def _colour(panel: Panel) -> Json:
    if panel.kind is Kind.TIME_SERIES:
        return {"mode": "palette-classic"}
    if panel.kind is Kind.BARS and not panel.steps:
        return {"fixedColor": BLUE, "mode": "fixed"}
    return {"mode": "thresholds"}


def _custom(panel: Panel) -> Json:
    if panel.kind is Kind.TABLE:
        return {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": False, "inspect": False}
    if panel.kind is Kind.TIMELINE:
        return {"fillOpacity": 80, "lineWidth": 0}
    if panel.kind is Kind.HEATMAP:
        return {"scaleDistribution": {"type": "linear"}}
    return {
        "axisBorderShow": False,
        "axisCenteredZero": False,
        "axisColorMode": "text",
        "axisLabel": "",
        "axisPlacement": "auto",
        "barAlignment": 0,
        "drawStyle": "line",
        "fillOpacity": 40 if panel.stacked else 8 if panel.filled and panel.legend != "right" else 0,
        "gradientMode": "none",
        "hideFrom": {"legend": False, "tooltip": False, "viz": False},
        "insertNulls": False,
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "pointSize": 4,
        "scaleDistribution": {"type": "linear"},
        "showPoints": "auto",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if panel.stacked else "none"},
        "thresholdsStyle": {"mode": "dashed" if panel.steps else "off"},
    }


def _overrides(panel: Panel) -> list[Json]:
    if panel.kind is Kind.TABLE:
        return [*map(_label_override, panel.labels), *map(_column_override, panel.columns)]
    return [_override(name, color={"fixedColor": colour, "mode": "fixed"}) for name, colour in panel.colours.items()]


def _override(name: str, **properties: Any) -> Json:
    listed = [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": listed}


def _label_override(label: Label) -> Json:
    properties: Json = {"custom__filterable": True}
    if label.width:
        properties["custom__width"] = label.width
    if label.links:
        properties["links"] = _links(label.links)
    return _override(label.title, **properties)


def _column_override(column: Column) -> Json:
    properties: Json = {"unit": column.unit}
    if column.decimals is not None:
        properties["decimals"] = column.decimals
    if column.width:
        properties["custom__width"] = column.width
    if column.names:
        properties["mappings"] = _names(column.names)
    if column.bar:
        properties["custom__cellOptions"] = {"mode": "basic", "type": "gauge", "valueDisplayMode": "text"}
        properties["color"] = {"fixedColor": BLUE, "mode": "fixed"}
        properties["min"] = 0
    elif column.steps or column.names:
        properties["custom__cellOptions"] = {"type": "color-text"}
        properties["thresholds"] = _steps(column.steps, "text")
    return _override(column.title, **properties)


def _transformations(panel: Panel) -> list[Json]:
    """One row for each combination of labels, columns in order and under their titles."""
    several = len(panel.columns) > 1
    titles = {label.label: label.title for label in panel.labels}
    for index, column in enumerate(panel.columns):
        titles[f"Value #{ref_id(index)}" if several else "Value"] = column.title
    return [
        {"id": "merge", "options": {}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {"Time": True},
                "includeByName": {},
                "indexByName": {name: index for index, name in enumerate(titles)},
                "renameByName": titles,
            },
        },
    ]


def _options(panel: Panel) -> Json:
    last = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    tooltip = {"mode": "multi", "sort": "desc"}
    if panel.kind is Kind.TIME_SERIES:
        return {"legend": _legend(panel), "tooltip": tooltip}
    if panel.kind is Kind.STAT:
        return {
            "colorMode": "value",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "reduceOptions": last,
            "showPercentChange": False,
            "textMode": "name" if panel.shows_name else "auto",
            "wideLayout": True,
        }
    if panel.kind is Kind.TABLE:
        return {
            "cellHeight": "sm",
            "footer": {"countRows": False, "enablePagination": True, "fields": "", "reducer": ["sum"], "show": False},
            "showHeader": True,
            "sortBy": [{"desc": True, "displayName": panel.sort}],
        }
    if panel.kind is Kind.BARS:
        return {
            "displayMode": "basic",
            "maxVizHeight": 300,
            "minVizHeight": 16,
            "minVizWidth": 8,
            "namePlacement": "left",
            "orientation": "horizontal",
            "reduceOptions": last,
            "showUnfilled": False,
            "sizing": "auto",
            "text": {},
            "valueMode": "color",
        }
    if panel.kind is Kind.TIMELINE:
        return {
            "alignValue": "left",
            "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
            "mergeValues": True,
            "rowHeight": 0.8,
            "showValue": "never",
            "tooltip": {"mode": "single", "sort": "none"},
        }
    return {
        "calculate": False,
        "cellGap": 1,
        "cellValues": {"unit": "short"},
        "color": {
            "exponent": 0.5,
            "fill": "dark-orange",
            "mode": "scheme",
            "reverse": False,
            "scale": "exponential",
            "scheme": "Oranges",
            "steps": 64,
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": False},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": panel.unit},
    }


def _legend(panel: Panel) -> Json:
    if panel.legend == "right":
        return {
            "calcs": ["mean", "lastNotNull"],
            "displayMode": "table",
            "placement": "right",
            "showLegend": True,
            "sortBy": "Mean",
            "sortDesc": True,
        }
    return {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": panel.legend != "hidden"}

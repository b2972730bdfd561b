"""The rules of Grafana's dashboard-linter (v0.2, all seventeen, by its names), for dashboards of Prometheus data.

Each takes a dashboard's JSON and yields what it finds. A rule that a dashboard may break is in EXCLUSIONS with the
reason; everything else is an error here, warnings of the linter included.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import promql_parser as promql

from tests.dashboards.execute import fill, label_values_of
from tests.dashboards.units import UNITS

Json = dict[str, Any]

_TITLED = {"stat", "singlestat", "graph", "table", "timeseries", "gauge"}
_WITH_DATASOURCE = {"singlestat", "graph", "table", "timeseries"}
_RATES = {"rate", "irate"}
_OF_COUNTERS = {"rate", "irate", "increase"}

EXCLUSIONS: Mapping[str, tuple[str, frozenset[str]]] = {
    "template-job-rule": (
        "What is looked at is a cluster, whose label is presto_cluster on every series, whatever job scraped it. The "
        "rules of the servers have no job.",
        frozenset(),
    ),
    "target-job-rule": ("As template-job-rule.", frozenset()),
    "template-instance-rule": (
        "The metrics of queries are the cluster's; their instance is the exporter's. Only the dashboard about nodes "
        "has instances to choose.",
        frozenset({"presto-nodes"}),
    ),
    "target-instance-rule": ("As template-instance-rule.", frozenset({"presto-nodes"})),
}
"""Rules that do not apply: why not, and the dashboards to which they apply all the same."""


def panels(dashboard: Json) -> Iterator[Json]:
    """Yield the panels that show data."""
    return (panel for panel in dashboard["panels"] if panel["type"] != "row")


def variables(dashboard: Json) -> Iterator[Json]:
    """Yield the variables that are not data sources."""
    return (variable for variable in dashboard["templating"]["list"] if variable["type"] != "datasource")


def filled(dashboard: Json, text: str) -> str:
    """Return *text* with values that parse in the place of variables. Raises KeyError for an unknown one."""
    values = {"__rate_interval": "1m", "__range": "1h", "__interval": "1m", "datasource": "prometheus"}
    values |= {variable["name"]: "x" for variable in variables(dashboard)}
    return fill(text, values)


def expressions(dashboard: Json) -> Iterator[tuple[str, str, promql.Expr]]:
    """Yield the place, the text and the parsed form of each expression of a panel; what does not parse is left out."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            try:
                parsed = promql.parse(filled(dashboard, target["expr"]))
            except (ValueError, KeyError):
                continue
            yield f"{panel['title']}: {target['refId']}", target["expr"], parsed


def _calls(expression: promql.Expr) -> Iterator[tuple[promql.VectorSelector, tuple[str, ...]]]:
    """Yield every selector with the names of the functions around it, the innermost last."""

    def walk(part: Any, around: tuple[str, ...]) -> Iterator[tuple[promql.VectorSelector, tuple[str, ...]]]:
        if isinstance(part, promql.VectorSelector):
            yield part, around
        elif isinstance(part, promql.MatrixSelector):
            yield part.vector_selector, around
        elif isinstance(part, promql.Call):
            for argument in part.args:
                yield from walk(argument, (*around, part.func.name))
        elif isinstance(part, promql.BinaryExpr):
            yield from walk(part.lhs, around)
            yield from walk(part.rhs, around)
        elif hasattr(part, "expr"):
            yield from walk(part.expr, around)

    return walk(expression, ())


def template_datasource_rule(dashboard: Json) -> Iterator[str]:
    """A variable for the data source: named `datasource`, labelled `Data source` (of several: by their types)."""
    found = [variable for variable in dashboard["templating"]["list"] if variable["type"] == "datasource"]
    if not found:
        yield "no variable for the data source"
    for variable in found:
        kind = variable["query"]
        single = len(found) == 1 and variable["name"] == "datasource"
        if not single and variable["name"] != f"{kind}_datasource":
            yield f"variable {variable['name']}: should be datasource or {kind}_datasource"
        if variable["label"] != ("Data source" if single else f"{kind.capitalize()} data source"):
            yield f"variable {variable['name']}: wrong label"


def _template(dashboard: Json, name: str, label: str) -> Iterator[str]:
    found = next((variable for variable in variables(dashboard) if variable["name"] == name), None)
    if found is None:
        yield f"no variable {name}"
    elif (
        found["type"] != "query"
        or found["datasource"] != {"type": "prometheus", "uid": "${datasource}"}
        or found["label"] != label
        or not found["multi"]
        or found["allValue"] != ".+"
    ):
        yield f"variable {name}: should be a query of $datasource, labelled {label}, of many values, all of them .+"


def template_job_rule(dashboard: Json) -> Iterator[str]:
    """A variable `job` of many values."""
    return _template(dashboard, "job", "Job")


def template_instance_rule(dashboard: Json) -> Iterator[str]:
    """A variable `instance` of many values. Ours is labelled with what it is in a cluster: a node."""
    return _template(dashboard, "instance", "Node")


def template_label_promql_rule(dashboard: Json) -> Iterator[str]:
    """The selector of every label_values() is PromQL."""
    for variable in variables(dashboard):
        if variable["type"] == "query":
            try:
                promql.parse(filled(dashboard, label_values_of(variable["definition"])[0]))
            except (ValueError, KeyError, AssertionError) as error:
                yield f"variable {variable['name']}: {error}"


def template_on_time_change_reload_rule(dashboard: Json) -> Iterator[str]:
    """Variables with values of Prometheus ask again when the range changes."""
    for variable in variables(dashboard):
        if variable["type"] == "query" and variable["refresh"] != 2:
            yield f"variable {variable['name']}: refresh is not 2"


def panel_datasource_rule(dashboard: Json) -> Iterator[str]:
    """Panels and targets use the variable of the data source."""
    for panel in panels(dashboard):
        for part in (panel, *panel.get("targets", ())):
            if part.get("datasource", {}).get("uid") not in ("${datasource}", "$datasource"):
                yield f"{panel['title']}: another data source than $datasource"


def panel_title_description_rule(dashboard: Json) -> Iterator[str]:
    """Every panel has a title and a description."""
    for panel in panels(dashboard):
        if not panel.get("title") or not panel.get("description"):
            yield f"panel {panel['id']}: no title or no description"


def panel_units_rule(dashboard: Json) -> Iterator[str]:
    """Every panel has a unit of Grafana's; a table has one for each column of values."""
    for panel in panels(dashboard):
        config = panel["fieldConfig"]
        units = [config["defaults"].get("unit")]
        units += [each["value"] for one in config["overrides"] for each in one["properties"] if each["id"] == "unit"]
        for unit in units:
            if unit not in UNITS:
                yield f"{panel['title']}: unit {unit}"


def panel_no_targets_rule(dashboard: Json) -> Iterator[str]:
    """Every panel asks something."""
    for panel in panels(dashboard):
        if not panel.get("targets"):
            yield f"{panel['title']}: no target"


def target_promql_rule(dashboard: Json) -> Iterator[str]:
    """Every expression is PromQL, and its variables exist."""
    for panel in panels(dashboard):
        for target in panel.get("targets", ()):
            try:
                promql.parse(filled(dashboard, target["expr"]))
            except (ValueError, KeyError) as error:
                yield f"{panel['title']}: {target['refId']}: {error}"


def target_rate_interval_rule(dashboard: Json) -> Iterator[str]:
    """The range of a rate is $__rate_interval."""
    for place, text, _ in expressions(dashboard):
        for function in sorted(_RATES):
            for found in re.finditer(rf"\b{function}\(", text):
                inner = _argument(text, found.end())
                if not inner.endswith("[$__rate_interval]"):
                    yield f"{place}: {function}({inner})"


def _argument(text: str, start: int) -> str:
    depth = 1
    for at in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            return text[start:at]
    return text[start:]


def _target_label(dashboard: Json, label: str) -> Iterator[str]:
    for panel in panels(dashboard):
        for target in panel["targets"]:
            for selector in re.findall(r"\w[\w:]*{[^}]*}", target["expr"].replace("${user:raw}", "")):
                if f'{label}=~"${label}"' not in selector:
                    yield f"{panel['title']}: {selector} without {label}"


def target_job_rule(dashboard: Json) -> Iterator[str]:
    """Every selector has the job."""
    return _target_label(dashboard, "job")


def target_instance_rule(dashboard: Json) -> Iterator[str]:
    """Every selector has the instance."""
    return _target_label(dashboard, "instance")


def target_counter_agg_rule(dashboard: Json) -> Iterator[str]:
    """A counter is never shown as it is, but as its rate or increase."""
    for place, _, parsed in expressions(dashboard):
        for selector, around in _calls(parsed):
            if (selector.name or "").endswith("_total") and not _OF_COUNTERS & set(around[-1:]):
                yield f"{place}: {selector.name} without rate or increase"


def target_logql_rule(dashboard: Json) -> Iterator[str]:
    """Targets of Loki are LogQL: nothing here can parse it, so there may be none."""
    for panel in panels(dashboard):
        for target in panel.get("targets", ()):
            if target["datasource"]["type"] == "loki":
                yield f"{panel['title']}: {target['refId']}: LogQL cannot be checked here"


def target_logql_auto_rule(dashboard: Json) -> Iterator[str]:
    """Ranges in LogQL are $__auto; there may be none."""
    for panel in panels(dashboard):
        for target in panel.get("targets", ()):
            if target["datasource"]["type"] == "loki" and "[$__auto]" not in target["expr"]:
                yield f"{panel['title']}: {target['refId']}: a range that is not $__auto"


def uneditable_dashboard(dashboard: Json) -> Iterator[str]:
    """Dashboards that come from files cannot be edited in place."""
    if dashboard.get("editable", True):
        yield "editable"


RULES: Mapping[str, Callable[[Json], Iterator[str]]] = {
    "template-datasource-rule": template_datasource_rule,
    "template-job-rule": template_job_rule,
    "template-instance-rule": template_instance_rule,
    "template-label-promql-rule": template_label_promql_rule,
    "template-on-time-change-reload-rule": template_on_time_change_reload_rule,
    "panel-datasource-rule": panel_datasource_rule,
    "panel-title-description-rule": panel_title_description_rule,
    "panel-units-rule": panel_units_rule,
    "panel-no-targets-rule": panel_no_targets_rule,
    "target-promql-rule": target_promql_rule,
    "target-rate-interval-rule": target_rate_interval_rule,
    "target-job-rule": target_job_rule,
    "target-instance-rule": target_instance_rule,
    "target-counter-agg-rule": target_counter_agg_rule,
    "target-logql-rule": target_logql_rule,
    "target-logql-auto-rule": target_logql_auto_rule,
    "uneditable-dashboard": uneditable_dashboard,
}


def excluded(rule: str, dashboard: Json) -> str:
    """Return why *rule* does not apply to *dashboard*; empty if it does."""
    reason, all_the_same = EXCLUSIONS.get(rule, ("", frozenset()))
    return "" if dashboard["uid"] in all_the_same else reason

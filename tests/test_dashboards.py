"""The dashboards: what is committed is what is built, and asks for nothing that does not exist."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import promql_parser as promql
import pytest
import yaml

from dashboards.build import DASHBOARDS, FOLDER, FORMS, files, write
from dashboards.grafana import COLUMNS, TAG, Label, panel_ids, ref_id, series, table
from dashboards.promql import Scope, share
from exporter.expose import pages
from exporter.report.question import Question
from exporter.report.report import Report
from tests.dashboards import lint
from tests.dashboards.execute import Sample, fill, label_values_of, wrong_labels
from tests.dashboards.labels import Promises, Reading, promises

Json = dict[str, Any]

ROOT = Path(__file__).parent.parent


def usage_that_is_not_asked(question: Question) -> Report:
    """Stand where a ledger would answer: only the addresses of pages matter here."""
    raise AssertionError(question)


if os.environ.get("UPDATE"):
    write()
PROVISIONED: dict[str, Json] = {
    path.stem: json.loads(path.read_text("utf-8")) for path in sorted((FOLDER / "provisioned").glob("*.json"))
}
PROMISED = promises()
PAGES = pages.routes(usage_that_is_not_asked)
"""The exporter's pages."""

each_dashboard = pytest.mark.parametrize("uid", PROVISIONED)


def links(part: Any) -> Iterator[str]:
    """Yield the URL of every link of panels, columns and values."""
    if isinstance(part, dict):
        if "url" in part and part.get("url"):
            yield part["url"]
        for value in part.values():
            yield from links(value)
    elif isinstance(part, list):
        for value in part:
            yield from links(value)


def texts(part: Any) -> Iterator[str]:
    """Yield every text."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict):
        for value in part.values():
            yield from texts(value)
    elif isinstance(part, list):
        for value in part:
            yield from texts(value)


def test_the_committed_files_are_those_that_are_built() -> None:
    """UPDATE=1 rewrites them."""
    committed = {path: path.read_text("utf-8") for form in FORMS for path in (FOLDER / form).glob("*.json")}
    assert committed == files()


@pytest.mark.parametrize("rule", lint.RULES)
@each_dashboard
def test_lint(uid: str, rule: str) -> None:
    """Every rule of Grafana's dashboard-linter holds, but for those excluded with a reason."""
    dashboard = PROVISIONED[uid]
    found = list(lint.RULES[rule](dashboard))
    assert bool(found) == bool(lint.excluded(rule, dashboard)), found


def _with(change: Callable[[Json], None]) -> Json:
    dashboard = copy.deepcopy(PROVISIONED["presto-users"])
    change(dashboard)
    return dashboard


def _panel(dashboard: Json) -> Json:
    panel: Json = next(lint.panels(dashboard))
    return panel


FAULTS: Mapping[str, Callable[[Json], None]] = {
    "template-datasource-rule": lambda one: one["templating"]["list"].pop(0),
    "template-job-rule": lambda one: None,
    "template-instance-rule": lambda one: None,
    "template-label-promql-rule": lambda one: one["templating"]["list"][1].update(definition="label_values(a{b=, c)"),
    "template-on-time-change-reload-rule": lambda one: one["templating"]["list"][1].update(refresh=1),
    "panel-datasource-rule": lambda one: _panel(one)["targets"][0]["datasource"].update(uid="prometheus"),
    "panel-title-description-rule": lambda one: _panel(one).update(description=""),
    "panel-units-rule": lambda one: _panel(one)["fieldConfig"]["defaults"].update(unit="parsecs"),
    "panel-no-targets-rule": lambda one: _panel(one).update(targets=[]),
    "target-promql-rule": lambda one: _panel(one)["targets"][0].update(expr="sum by (a (b)"),
    "target-rate-interval-rule": lambda one: _panel(one)["targets"][0].update(expr="rate(a_total[5m])"),
    "target-job-rule": lambda one: None,
    "target-instance-rule": lambda one: None,
    "target-counter-agg-rule": lambda one: _panel(one)["targets"][0].update(expr="sum(a_total)"),
    "target-logql-rule": lambda one: _panel(one)["targets"][0]["datasource"].update(type="loki"),
    "target-logql-auto-rule": lambda one: _panel(one)["targets"][0]["datasource"].update(type="loki"),
    "uneditable-dashboard": lambda one: one.update(editable=True),
}


@pytest.mark.parametrize("rule", lint.RULES)
def test_each_lint_rule_finds_its_fault(rule: str) -> None:
    assert list(lint.RULES[rule](_with(FAULTS[rule])))


@each_dashboard
def test_panels_have_ids_of_their_own_and_do_not_overlap(uid: str) -> None:
    taken: dict[tuple[int, int], int] = {}
    panels = PROVISIONED[uid]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        at = panel["gridPos"]
        assert at["x"] >= 0 and at["x"] + at["w"] <= COLUMNS, panel["title"]
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert taken.setdefault((x, y), panel["id"]) == panel["id"], panel["title"]


@each_dashboard
def test_rows_of_panels_are_filled_to_the_edge(uid: str) -> None:
    """No panel leaves a hole beside it: each line of the grid that has panels is full."""
    lines: dict[int, int] = {}
    for panel in PROVISIONED[uid]["panels"]:
        at = panel["gridPos"]
        for y in range(at["y"], at["y"] + at["h"]):
            lines[y] = lines.get(y, 0) + at["w"]
    assert {y: width for y, width in lines.items() if width != COLUMNS} == {}


@each_dashboard
def test_every_variable_is_used_and_every_used_one_exists(uid: str) -> None:
    dashboard = PROVISIONED[uid]
    there = {variable["name"] for variable in dashboard["templating"]["list"]}
    used: set[str] = set()
    for part in ("panels", "annotations", "templating"):
        for text in texts(dashboard[part]):
            used |= {braced or bare for braced, bare in re.findall(r"\$(?:{(\w+)(?:[:.][^}]*)?}|(\w+))", text)}
    built_in = {name for name in used if name.startswith("__")}
    assert used - built_in == there
    assert built_in <= {"__rate_interval", "__range", "__url_time_range", "__value", "__field", "__all"}


@each_dashboard
def test_every_link_leads_to_a_dashboard_of_ours_with_variables_that_it_has(uid: str) -> None:
    here = {variable["name"] for variable in PROVISIONED[uid]["templating"]["list"]}
    for url in links(PROVISIONED[uid]["panels"]):
        if url.startswith("${exporter_url:raw}/"):
            path = urlsplit(re.sub(r"\$\{[^}]+\}", "x", url.removeprefix("${exporter_url:raw}"))).path
            assert any(page.path_regex.fullmatch(path) for page in PAGES), url
            continue
        target = PROVISIONED[urlsplit(url).path.removeprefix("/d/")]
        there = {variable["name"] for variable in target["templating"]["list"]}
        given = {name.removeprefix("var-") for name in re.findall(r"var-\w+", url)}
        kept = set(re.findall(r"\$\{(\w+):queryparam\}", url))
        assert kept <= here and given | kept <= there and "${__url_time_range}" in url, url
        assert "datasource" in kept and not given & kept


@each_dashboard
def test_the_dashboards_link_to_each_other_and_keep_variables_and_time(uid: str) -> None:
    (link,) = PROVISIONED[uid]["links"]
    assert link["type"] == "dashboards" and link["tags"] == [TAG] and link["includeVars"] and link["keepTime"]
    assert TAG in PROVISIONED[uid]["tags"]


def test_alerts_link_to_dashboards_of_ours_with_variables_that_they_have() -> None:
    urls = [
        rule["annotations"]["dashboard_url"]
        for path in (ROOT / "alerts" / "rules").glob("*.yml")
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    assert urls
    for url in urls:
        found = re.search(r"/d/([a-z-]+)", url)
        assert found, url
        there = {variable["name"] for variable in PROVISIONED[found[1]]["templating"]["list"]}
        assert set(re.findall(r"var-(\w+)", url)) <= there, url


@each_dashboard
def test_every_metric_and_label_is_promised(uid: str) -> None:
    """By the catalogue, by a recording rule, or by Prometheus and prometheus_client."""
    dashboard = PROVISIONED[uid]
    asked = [(place, parsed) for place, _, parsed in lint.expressions(dashboard)]
    asked += [
        (annotation["name"], promql.parse(lint.filled(dashboard, annotation["expr"])))
        for annotation in dashboard["annotations"]["list"]
        if "expr" in annotation
    ]
    for variable in lint.variables(dashboard):
        if variable["type"] == "query":
            selector, label = label_values_of(variable["definition"])
            parsed = promql.parse(lint.filled(dashboard, selector))
            asked.append((variable["name"], parsed))
            labels = Reading(PROMISED).labels(parsed)
            assert labels is None or label in labels
    problems = []
    for place, parsed in asked:
        reading = Reading(PROMISED)
        reading.labels(parsed)
        problems += [f"{place}: {problem}" for problem in reading.problems]
    assert problems == []


@each_dashboard
def test_legends_and_columns_show_labels_that_the_answers_have(uid: str) -> None:
    dashboard = PROVISIONED[uid]
    ids = panel_ids(next(one for one in DASHBOARDS if one.uid == uid))
    for panel in lint.panels(dashboard):
        of_targets = [
            Reading(PROMISED).labels(promql.parse(lint.filled(dashboard, target["expr"])))
            for target in panel["targets"]
        ]
        if panel["type"] == "table":
            columns = {label.label for label in ids[panel["id"]].labels}
            assert all(labels is None or labels <= columns for labels in of_targets), panel["title"]
            assert None in of_targets or frozenset().union(*of_targets) == columns, panel["title"]  # type: ignore[arg-type]
        for labels, target in zip(of_targets, panel["targets"], strict=True):
            shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert labels is None or shown <= labels, panel["title"]


@each_dashboard
def test_what_servers_say_is_asked_of_recording_rules_only(uid: str) -> None:
    """Their own metrics have other names with each engine and release."""
    for place, text, _ in lint.expressions(PROVISIONED[uid]):
        assert not re.search(r"\b(presto_jmx_|trino_|jvm_|java_)\w+", text), place


@each_dashboard
def test_grafana_10_4_can_load_it(uid: str) -> None:
    """The classic model: no id, schemaVersion 39, panels and options that were there in 10.4."""
    dashboard = PROVISIONED[uid]
    assert dashboard["schemaVersion"] == 39 and dashboard["uid"] == uid and len(uid) <= 40
    assert not {"id", "version", "__inputs"} & set(dashboard)
    assert {panel["type"] for panel in dashboard["panels"]} <= {
        "row", "timeseries", "stat", "table", "bargauge", "heatmap", "state-timeline",
    }  # fmt: skip
    assert len(json.dumps(dashboard)) < 500_000


@each_dashboard
def test_the_importable_form_asks_for_the_data_source_and_is_the_same_otherwise(uid: str) -> None:
    imported = json.loads((FOLDER / "importable" / f"{uid}.json").read_text("utf-8"))
    values = {one["name"]: one.get("value", "${datasource}") for one in imported.pop("__inputs")}
    assert "DS_PROMETHEUS" in values
    required = {one["id"] for one in imported.pop("__requires") if one["type"] == "panel"}
    assert required == {panel["type"] for panel in imported["panels"]} - {"row"}
    assert imported.pop("__elements") == {}
    used = {name for text in texts(imported) for name in re.findall(r"\$\{((?:DS|VAR)_\w+)\}", text)}
    assert used == set(values)
    again = json.loads(re.sub(r"\$\{((?:DS|VAR)_\w+)\}", lambda found: values[found[1]], json.dumps(imported)))
    again["templating"]["list"][0]["current"] = {}
    assert again == PROVISIONED[uid]


def test_every_excluded_lint_rule_and_every_answer_that_may_be_empty_has_a_reason() -> None:
    assert set(lint.EXCLUSIONS) <= set(lint.RULES)
    assert all(len(reason) > 20 for reason, _ in lint.EXCLUSIONS.values())
    for dashboard in DASHBOARDS:
        for panel in panel_ids(dashboard).values():
            assert len(panel.queries) <= 26 and ref_id(len(panel.queries) - 1) <= "Z"


def test_provisioning_examples_point_at_what_is_shipped() -> None:
    providers = yaml.safe_load((FOLDER / "provisioning" / "dashboards.yml").read_text("utf-8"))
    assert providers["apiVersion"] == 1
    (provider,) = providers["providers"]
    assert provider["type"] == "file" and provider["options"]["path"].startswith("/")
    sources = yaml.safe_load((FOLDER / "provisioning" / "datasources.yml").read_text("utf-8"))
    (source,) = sources["datasources"]
    assert source["type"] == "prometheus" and source["jsonData"]["timeInterval"]


@pytest.mark.parametrize(
    ("expression", "labels", "problems"),
    [
        ("a_total", {"x", "y"}, []),
        ("sum by (x) (rate(a_total[5m]))", {"x"}, []),
        ("sum by (z) (a_total)", {"z"}, ["sum: no label z"]),
        ("sum without (x) (a_total)", {"y"}, []),
        ("sum(a_total)", set(), []),
        ("topk(3, a_total)", {"x", "y"}, []),
        ("topk by (z) (3, a_total)", {"x", "y"}, ["topk: no label z"]),
        ('a_total{q="1"}', {"x", "y"}, ["a_total: no label q"]),
        ("nothing", None, ["nothing: nobody promises this metric"]),
        ("time() - max by (x) (a_total)", {"x"}, []),
        ("1 - a_total / (2 * 3)", {"x", "y"}, []),
        ("a_total / on (x) b", {"x"}, []),
        ("a_total / on (x, y) b", {"x", "y"}, ["on, right of /: no label y"]),
        ("a_total * on (x) group_left (w) b", {"x", "y", "w"}, []),
        ("a_total * on (x) group_left (v) b", {"x", "y", "v"}, ["group_left: no label v"]),
        ("b * on (x) group_right (w) a_total", {"x", "y", "w"}, []),
        ("a_total / ignoring (y, w) b", {"x"}, []),
        ("a_total and on (x) b", {"x", "y"}, []),
        ("a_total or b", {"x", "y", "w"}, []),
        ('label_replace(b, "new", "$1", "w", "(.*)")', {"x", "w", "new"}, []),
        ("histogram_quantile(0.5, a_total)", {"x", "y"}, ["histogram_quantile: no label le"]),
        ("max_over_time((a_total > 0)[1d:5m])", {"x", "y"}, []),
        ("any{q=\"1\"}", None, []),
        ("sum by (q) (any)", {"q"}, []),
        ("recorded", {"x", "added"}, []),
        ("recorded_of_unknown", {"q"}, []),
    ],
)  # fmt: skip
def test_the_labels_of_an_answer_and_what_is_not_there_are_found(
    expression: str, labels: set[str] | None, problems: list[str]
) -> None:
    promised = Promises(
        {"a_total": frozenset({"x", "y"}), "b": frozenset({"x", "w"}), "any": None},
        {
            "recorded": [{"expr": "sum by (x) (a_total)", "labels": {"added": "1"}}],
            "recorded_of_unknown": [{"expr": "sum by (q) (some_other_metric)"}],
        },
    )
    reading = Reading(promised)
    assert reading.labels(promql.parse(expression)) == labels
    assert reading.problems == problems


def test_variables_are_filled_in_every_spelling_and_unknown_ones_are_noticed() -> None:
    assert fill("$a ${b} ${b:raw} {{a}}", {"a": "1", "b": "2"}) == "1 2 2 {{a}}"
    with pytest.raises(KeyError):
        fill("$c", {})


def test_an_answer_that_a_panel_cannot_show_is_noticed() -> None:
    one, other = Sample({"a": "1"}, [(0, 1)]), Sample({"a": "1", "b": "2"}, [(0, 1)])
    narrow = table("", "", [Label("a", "A")], [], "")
    wide = table("", "", [Label("a", "A"), Label("b", "B")], [], "")
    loose = table("", "", [Label("a", "A"), Label("b", "B", may_be_missing=True)], [], "")
    lines = series("", "", "none")
    assert wrong_labels(narrow, "", [one]) == wrong_labels(loose, "", [one, other]) == ""
    assert "without a column" in wrong_labels(narrow, "", [one, other])
    assert "part of another" in wrong_labels(wide, "", [one, other])
    assert "without a label" in wrong_labels(lines, "{{b}}", [one])
    assert "one legend" in wrong_labels(lines, "{{a}}", [one, other])
    assert wrong_labels(lines, "{{a}}", [one]) == ""


def test_scopes_write_selectors() -> None:
    scope = Scope(('a=~"$a"',)).where('b!="x"', c="y")
    assert scope.of("m") == 'm{a=~"$a", b!="x", c="y"}'
    assert Scope().of("m") == "m"
    assert Scope().rate("m_total", "x") == "sum by (x) (rate(m_total[$__rate_interval]))"
    assert Scope().total("m_total") == "sum(increase(m_total[$__range]))"
    assert share("a", "b") == "a / (b > 0)"

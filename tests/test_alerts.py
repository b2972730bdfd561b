"""Alerts: well formed, explained, of metrics that exist; promtool proves that each fires when it must and only then."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import promql_parser
import pytest
import yaml

from alerts.build import DASHBOARDS, RUNBOOKS
from exporter.catalogue import CATALOGUE, HISTOGRAMS, Kind
from exporter.errors import POLL_RESULTS
from exporter.query import Outcome

ROOT = Path(__file__).parent.parent
RULES = sorted((ROOT / "alerts" / "rules").glob("*.yml"))
TESTS = ROOT / "alerts" / "tests"
RUNBOOK_FOLDER = ROOT / "docs" / "runbooks"
EXAMPLE = ROOT / "alerts" / "alertmanager.example.yml"

CASES = ("fires", "just below", "restart", "resolves", "no traffic", "first query")
SEVERITIES = {"critical", "warning", "info"}
TARGET_LABELS = {"job", "instance"}


class Rule(NamedTuple):
    """A rule with the name of its file."""

    file: str
    content: dict[str, Any]

    @property
    def name(self) -> str:
        """The alert's name; with window and severity where several rules share it."""
        window = self.content["labels"].get("window")
        name: str = self.content["alert"]
        return f"{name} {window} {self.content['labels']['severity']}" if window else name


def rules() -> Iterator[Rule]:
    for path in RULES:
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]:
            for rule in group["rules"]:
                yield Rule(path.name, rule)


ALERTS = [rule for rule in rules() if "alert" in rule.content]
RECORDED = {rule.content["record"] for rule in rules() if "record" in rule.content}
NAMES = sorted({rule.content["alert"] for rule in ALERTS})


def of_the_exporter() -> dict[str, set[str]]:
    """Return the labels of every sample that the exporter shows, by its name."""
    samples = {metric.name: set(metric.labels) for metric in CATALOGUE}
    for metric in HISTOGRAMS:
        del samples[metric.name]
        samples |= {f"{metric.name}{part}": set(metric.labels) for part in ("_sum", "_count")}
        samples[f"{metric.name}_bucket"] = {*metric.labels, "le"}
    return samples


SAMPLES = of_the_exporter()
OF_EVERY_TARGET: dict[str, set[str]] = {"up": set(), "process_start_time_seconds": set()}
OF_THE_PROCESS: dict[str, set[str]] = {"process_resident_memory_bytes": set()}

parametrize_alerts = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)


def selectors(expression: str) -> list[Any]:
    """Return the vector selectors of a PromQL expression."""
    found: list[Any] = []

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        elif isinstance(node, promql_parser.MatrixSelector):
            found.append(node.vector_selector)

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found


def check_expression(expression: str) -> None:
    """Assert that metrics, labels and values of closed sets in *expression* exist."""
    for selector in selectors(expression):
        if selector.name in RECORDED:
            continue
        known = SAMPLES | OF_EVERY_TARGET | OF_THE_PROCESS
        assert selector.name in known, f"{selector.name}: no metric of the exporter, and recorded by none of our rules"
        for matcher in selector.matchers.matchers:
            assert matcher.name in known[selector.name] | TARGET_LABELS, f"{selector.name} has no label {matcher.name}"
            check_value(matcher.name, matcher.value)


def check_value(label: str, value: str) -> None:
    closed = {
        "outcome": {outcome.value for outcome in Outcome},
        "result": set(POLL_RESULTS),
        "le": {repr(bound) for metric in HISTOGRAMS for bound in metric.buckets},
    }
    assert label not in closed or set(value.split("|")) <= closed[label], f'{label}="{value}"'


def tool(name: str) -> str:
    """Return the path of a program; where it is not installed the test is skipped, but not in CI."""
    path = shutil.which(name)
    if path is None:
        assert not os.environ.get("CI"), (
            f"{name}: not found; install the packages prometheus and prometheus-alertmanager"
        )
        pytest.skip(f"{name} is not installed")
    return path


def run(*command: str) -> str:
    """Return what a command prints; fail if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# Form


def test_promtool_finds_nothing_to_complain_about() -> None:
    run(tool("promtool"), "check", "rules", "--lint=all", "--lint-fatal", *map(str, RULES))


@pytest.mark.parametrize("rule", list(rules()), ids=lambda rule: rule.content.get("record") or rule.content["alert"])
def test_every_expression_parses(rule: Rule) -> None:
    promql_parser.parse(str(rule.content["expr"]))


@parametrize_alerts
def test_every_metric_and_label_of_an_alert_exists(alert: Rule) -> None:
    check_expression(alert.content["expr"])
    for query in re.findall(r"printf `([^`]*)`", alert.content["annotations"]["description"]):
        check_expression(query.replace("%q", '""'))


@parametrize_alerts
def test_an_alert_says_what_it_is_how_bad_and_where_to_read_on(alert: Rule) -> None:
    content = alert.content
    assert re.fullmatch(r"Presto([A-Z][a-z]+)+", content["alert"])
    assert content["labels"]["severity"] in SEVERITIES
    annotations = content["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url", "dashboard_url"}
    assert re.fullmatch(r"[A-Z][^{}\n]*\.", annotations["summary"]), "one static sentence"
    assert "{{" in annotations["description"]
    assert annotations["runbook_url"] == f"{RUNBOOKS}/{content['alert']}.md"


@parametrize_alerts
def test_the_dashboard_of_an_alert_exists_and_has_the_variables_that_are_set(alert: Rule) -> None:
    shown = re.sub(r"\{\{ (with|end).*?\}\}", "", alert.content["annotations"]["dashboard_url"])
    address = urlsplit(re.sub(r"\{\{.*?\}\}", "value", shown))
    assert f"{address.scheme}://{address.netloc}{address.path}".startswith(f"{DASHBOARDS}/")
    file = ROOT / "dashboards" / "provisioned" / f"{address.path.rpartition('/')[2]}.json"
    dashboard = json.loads(file.read_text("utf-8"))
    variables = {f"var-{variable['name']}" for variable in dashboard["templating"]["list"]}
    assert {name for name, _ in parse_qsl(address.query)} <= variables


@parametrize_alerts
def test_what_users_do_to_themselves_wakes_nobody_up(alert: Rule) -> None:
    """A critical alert counts failures only where it leaves out user errors, or names one that is none."""
    if alert.content["labels"]["severity"] == "critical":
        for selector in selectors(alert.content["expr"]):
            assert selector.name not in ("presto_user_queries_total", "presto_fingerprint_queries_total")
            if selector.name == "presto_user_query_errors_total":
                assert {matcher.name for matcher in selector.matchers.matchers} & {"error_type", "error_name"}


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_explains_the_alert_with_queries_that_work(name: str) -> None:
    text = (RUNBOOK_FOLDER / f"{name}.md").read_text("utf-8")
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.*)", text, re.MULTILINE) == ["Meaning", "Impact", "Diagnosis", "Mitigation"]
    queries = [line for block in re.findall(r"```promql\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    assert queries
    for query in queries:
        check_expression(query)


def test_there_is_a_runbook_for_alerts_only_and_a_page_that_lists_them_all() -> None:
    assert sorted(path.stem for path in RUNBOOK_FOLDER.glob("*.md")) == NAMES
    page = (ROOT / "docs" / "alerts.md").read_text("utf-8")
    for alert in ALERTS:
        name, severity = alert.content["alert"], alert.content["labels"]["severity"]
        assert re.search(rf"^\| \[{name}\]\(runbooks/{name}\.md\) \|[^|]*\b{severity}\b", page, re.MULTILINE), name


# Behaviour


def cases(alert: Rule) -> dict[str, list[dict[str, Any]]]:
    """Return the tests of an alert by case; after a comma a name may say more."""
    document = yaml.safe_load((TESTS / f"{alert.name.replace(' ', '-')}.yml").read_text("utf-8"))
    assert document["rule_files"] == [f"../rules/{alert.file}"]
    found: dict[str, list[dict[str, Any]]] = {}
    for test in document["tests"]:
        name, _, case = test["name"].partition(": ")
        assert name == alert.name
        found.setdefault(case.partition(",")[0], []).append(test)
    return found


def expectations(alert: Rule, test: dict[str, Any]) -> list[bool]:
    """Return, for each moment that a test looks at, whether it expects this very rule to fire."""
    expected = []
    for look in test["alert_rule_test"]:
        assert look["alertname"] == alert.content["alert"]
        firing = [one["exp_labels"] for one in look["exp_alerts"]]
        expected.append(any(alert.content["labels"].items() <= labels.items() for labels in firing))
    return expected


@parametrize_alerts
def test_every_alert_is_tested_in_all_cases(alert: Rule) -> None:
    of = {case: [expectations(alert, test) for test in tests] for case, tests in cases(alert).items()}
    assert tuple(of) == CASES
    assert all(any(looks) for looks in of["fires"])
    for quiet in ("just below", "no traffic", "first query"):
        assert not any(any(looks) for looks in of[quiet]), quiet
    assert all(looks[-1] for looks in of["restart"])
    assert all(any(looks) and not looks[-1] for looks in of["resolves"])


@pytest.mark.parametrize("file", sorted(TESTS.glob("*.yml")), ids=lambda path: path.stem)
def test_promtool_proves_it(file: Path) -> None:
    run(tool("promtool"), "test", "rules", str(file))


def test_every_test_file_is_of_an_alert_or_of_a_rule_file() -> None:
    expected = {alert.name.replace(" ", "-") for alert in ALERTS}
    others = {path.stem for path in TESTS.glob("*.yml")} - expected
    assert others <= {path.stem for path in RULES}


# Alertmanager


def test_amtool_takes_the_example() -> None:
    run(tool("amtool"), "check-config", str(EXAMPLE))


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ("alertname=PrestoCoordinatorDown severity=critical presto_cluster=adhoc", "pager"),
        ("alertname=PrestoErrorBudgetBurn severity=critical presto_cluster=adhoc slo=availability", "pager"),
        ("alertname=PrestoErrorBudgetBurn severity=warning presto_cluster=adhoc slo=availability", "tickets"),
        (
            "alertname=PrestoErrorBudgetBurn severity=warning presto_cluster=adhoc slo=availability tenant=etl",
            "team-etl",
        ),
        ("alertname=PrestoQueueGrowing severity=warning presto_cluster=adhoc", "tickets"),
        ("alertname=PrestoUserOnlyFailing severity=warning presto_cluster=adhoc user=ann source=superset", "users"),
        ("alertname=PrestoUserOnlyFailing severity=warning presto_cluster=adhoc user=svc-etl source=dbt", "team-etl"),
        ("alertname=PrestoUserOverBudget severity=info presto_cluster=adhoc user=ann", "users"),
        ("alertname=PrestoAnything severity=info presto_cluster=adhoc", "chat"),
        ("alertname=PrestoExporterDown severity=critical presto_cluster=adhoc", "pager"),
    ],
)
def test_the_example_routes_by_severity_and_user(labels: str, receiver: str) -> None:
    command = (tool("amtool"), "config", "routes", "test", f"--config.file={EXAMPLE}")
    assert run(*command, *labels.split()).strip() == receiver


def inhibited_by(source: str) -> list[dict[str, Any]]:
    inhibitions: list[dict[str, Any]] = yaml.safe_load(EXAMPLE.read_text("utf-8"))["inhibit_rules"]
    return [rule for rule in inhibitions if rule["source_matchers"] == [f'alertname="{source}"']]


def test_an_exporter_that_is_down_inhibits_what_rests_on_its_metrics_and_nothing_else() -> None:
    """So that one outage is one page; and nothing that Prometheus still knows by itself is hidden."""
    ours = ("slo:", "cluster:presto_quer", "cluster:presto_users")
    derived = {
        alert.content["alert"]
        for alert in ALERTS
        for name in (selector.name for selector in selectors(alert.content["expr"]))
        if name.startswith(ours) or "presto_cluster" in SAMPLES.get(name, ())
    }
    (rule,) = inhibited_by("PrestoExporterDown")
    (pattern,) = rule["target_matchers"]
    targets = re.compile(re.fullmatch(r'alertname=~"(.*)"', pattern)[1])  # type: ignore[index]
    assert {name for name in NAMES if targets.fullmatch(name)} == derived - {"PrestoExporterDown"}
    assert rule["equal"] == ["presto_cluster"]


def test_every_alert_that_is_named_in_an_inhibition_exists() -> None:
    for word in re.findall(r"\bPresto[A-Z]\w+", EXAMPLE.read_text("utf-8")):
        assert any(name.startswith(word) for name in NAMES), word


def test_counters_are_only_looked_at_as_increase_or_rate() -> None:
    """A bare counter is a number since some start, and says nothing."""
    counters = {metric.name for metric in CATALOGUE if metric.kind is Kind.COUNTER}
    for alert in ALERTS:
        for name in counters:
            for before in re.findall(rf"(\w+)\s*\(\s*{name}\b", alert.content["expr"]):
                assert before in ("increase", "rate"), f"{alert.name}: {before}({name})"

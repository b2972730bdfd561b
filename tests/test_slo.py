"""Objectives: what is built of them is what is committed, mistakes are told, burn rates are those of the book."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import yaml

from alerts.build import (
    BURNS,
    ROOT,
    RULES,
    WINDOWS,
    WRITTEN_BY_HAND,
    Objective,
    SpecificationError,
    files,
    read,
    slo_rules,
    with_addresses,
    write,
)
from tests.test_alerts import selectors

TEXT = (ROOT / "alerts" / "slo.yml").read_text("utf-8")
SPECIFICATION = read(TEXT)
HOURS = {"5m": 1 / 12, "30m": 0.5, "1h": 1, "2h": 2, "6h": 6, "1d": 24, "3d": 72, "30d": 720}
ONE = """
window: 30d
slos:
  - {name: a, objective: 0.99, page: true, bad: [presto_user_queries_lost_total], good: [presto_user_queries_total]}
"""


@pytest.mark.parametrize("name", [*WRITTEN_BY_HAND, "slo.yml"])
def test_what_is_built_of_rules_and_objectives_is_what_is_committed(name: str) -> None:
    if os.environ.get("UPDATE"):
        write()
    assert (RULES / name).read_text("utf-8") == files()[RULES / name]


def test_the_addresses_of_runbooks_and_dashboards_come_from_one_place() -> None:
    rule = (
        "runbook_url: https://old/x/PrestoNoWorkers.md\n"
        "dashboard_url: http://other/d/presto-exporter\n"
        "dashboard_url: http://other/d/presto-user?var-user={{ $labels.user | urlquery }}\n"
        "dashboard_url: http://other/d/presto-exporter{{ with $labels.x }}?{{ end }}\n"
    )
    assert with_addresses(rule) == (
        "runbook_url: https://runbooks.example/presto/PrestoNoWorkers.md\n"
        "dashboard_url: https://grafana.example/d/presto-exporter\n"
        "dashboard_url: https://grafana.example/d/presto-user?var-user={{ $labels.user | urlquery }}\n"
        "dashboard_url: https://grafana.example/d/presto-exporter{{ with $labels.x }}?{{ end }}\n"
    )


def test_burn_rates_spend_what_they_are_said_to() -> None:
    """2, 5, 10 and 10 percent of the budget of 30 days in the long window; the short one is a twelfth of it."""
    spent = [round(burn.rate * HOURS[burn.long] / HOURS["30d"], 6) for burn in BURNS]
    assert spent == [0.02, 0.05, 0.1, 0.1]
    assert all(HOURS[burn.long] == pytest.approx(12 * HOURS[burn.short]) for burn in BURNS)
    assert {window for burn in BURNS for window in (burn.long, burn.short)} | {"30d"} == set(WINDOWS)


def recorded(text: str) -> list[tuple[str, str, str]]:
    """Return name, slo and tenant of what a rule file records."""
    (group,) = yaml.safe_load(text)["groups"]
    return [
        (rule["record"], rule.get("labels", {}).get("slo", ""), rule.get("labels", {}).get("tenant", ""))
        for rule in group["rules"]
        if "record" in rule
    ]


def test_every_objective_has_its_events_and_tenants_have_theirs() -> None:
    found = recorded(slo_rules(SPECIFICATION))
    for objective in SPECIFICATION.objectives:
        tenants = ["", *(SPECIFICATION.tenants if objective.per_tenant else ())]
        for events in ("slo:presto_sli_valid_events:sum", "slo:presto_sli_bad_events:sum"):
            assert [tenant for name, slo, tenant in found if (name, slo) == (events, objective.name)] == tenants
        assert ("slo:presto_objective:ratio", objective.name, "") in found
    names = {name for name, _, _ in found}
    assert {f"slo:presto_sli_error:ratio_rate{window}" for window in WINDOWS} <= names
    assert {"slo:presto_burn_rate:ratio", "slo:presto_error_budget_remaining:ratio"} <= names


def test_objectives_that_page_are_the_critical_ones() -> None:
    (group,) = yaml.safe_load(slo_rules(SPECIFICATION))["groups"]
    pages = "|".join(objective.name for objective in SPECIFICATION.objectives if objective.page)
    for rule in group["rules"]:
        if "alert" in rule and rule["labels"]["severity"] == "critical":
            assert set(re.findall(r'slo=~"(.*?)"', rule["expr"])) == {pages}
            assert "!~" not in rule["expr"]


def test_without_a_page_nothing_is_critical() -> None:
    text = slo_rules(read(ONE.replace("page: true", "page: false")))
    assert "critical" not in text
    assert "severity: warning, window: 1h" in text


def test_clusters_and_tenants_are_selected_by_just_their_expressions_however_hostile() -> None:
    clusters, users = 'a"b.*', 'x\\.y"z|grüße {}, #'
    text = ONE.replace("page: true", f"page: true, per_tenant: true, clusters: {json.dumps(clusters)}")
    (group,) = yaml.safe_load(slo_rules(read(text + f"tenants: {{t: {json.dumps(users)}}}\n")))["groups"]
    valid = "slo:presto_sli_valid_events:sum"
    (rule,) = (rule for rule in group["rules"] if rule.get("record") == valid and "tenant" in rule["labels"])
    for selector in selectors(rule["expr"]):
        matchers = {matcher.name: matcher.value for matcher in selector.matchers.matchers}
        assert matchers == {"presto_cluster": clusters, "user": users}


@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        ("window: 30d", "window: 28d", "window: 28d; only 30d is known"),
        ("objective: 0.99", "objective: 0.9", "slos[0].objective: 0.9; above 0.931"),
        ("objective: 0.99", "objective: 1", "slos[0].objective: 1; above 0.931"),
        ("name: a", "name: A-b", "slos[0].name: A-b; use small letters"),
        ("objective: 0.99, ", "", "slos[0].objective: missing; give one"),
        ("page: true", "pages: true", "slos[0].pages: no such key; known are bad"),
        ("bad: [presto_user_queries_lost_total], ", "", "slos[0]: give bad and good events, or total and good"),
        ("bad: [", "total: [presto_user_queries_total], bad: [", "slos[0]: give bad and good events"),
        ("presto_user_queries_lost_total", "presto_up", "slos[0].bad: presto_up; name a counter"),
        ("presto_user_queries_lost_total", "sum(x)", "slos[0].bad: sum(x); name a counter"),
        (
            "good: [presto_user_queries_total]",
            "per_tenant: true, good: [presto_exporter_polls_total]",
            "slos[0].good: presto_exporter_polls_total knows no users",
        ),
        ("window: 30d", "window: 30d\ntenants: {A b: x}", "tenants.A b: A b; use small letters"),
    ],
)
def test_a_mistake_is_told_with_its_place(was: str, becomes: str, message: str) -> None:
    assert was in ONE
    with pytest.raises(SpecificationError, match=re.escape(message)):
        read(ONE.replace(was, becomes))


def test_two_objectives_need_two_names() -> None:
    lines = ONE.splitlines()
    with pytest.raises(SpecificationError, match="slos: a is there twice"):
        read("\n".join([*lines, lines[-1]]))


def test_the_page_about_objectives_says_what_is_promised() -> None:
    page = Path(ROOT / "docs" / "slo.md").read_text("utf-8")

    def row(objective: Objective) -> str:
        return (
            rf"\| `{objective.name}` \|.*\| {objective.objective * 100:g} % \| {'yes' if objective.page else 'no'} \|"
        )

    for objective in SPECIFICATION.objectives:
        assert re.search(row(objective), page), objective.name

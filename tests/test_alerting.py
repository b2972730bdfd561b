"""The tools that show alerts from end to end: short time changes durations only, and a hook keeps what it is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
import yaml

from tests.engines.alerting import EXAMPLE, RULES, Expected, Hook, Notification, routed, scaled, seconds
from tests.test_alerts import run, tool


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("expr: increase(a[1h]) > 5", "expr: increase(a[60000ms]) > 5"),
        ("expr: increase(a[2m])", "expr: increase(a[5000ms])"),
        ("expr: min_over_time((a)[1d:5m])", "expr: min_over_time((a)[1440000ms:5000ms])"),
        ("expr: min_over_time((a)[30m:1m])", "expr: min_over_time((a)[30000ms:1000ms])"),
        ("expr: min_over_time((a)[30m:])", "expr: min_over_time((a)[30000ms:])"),
        ("expr: a offset 10m", "expr: a offset 10000ms"),
        ("    for: 1m", "    for: 1000ms"),
        ("    for: 1h30m", "    for: 90000ms"),
        ("    interval: 2m", "    interval: 2000ms"),
        ("    record: a:rate5m", "    record: a:rate5m"),
        ("    summary: for: 5m in the last 5 minutes", "    summary: for: 5m in the last 5 minutes"),
        ("expr: time() - a > 4 * 3600", "expr: time() - a > 4 * 3600"),
        ("expr: a{b=~'[0-9]m'}", "expr: a{b=~'[0-9]m'}"),
    ],
)
def test_durations_become_shorter_and_nothing_else_changes(text: str, short: str) -> None:
    assert scaled(text, 60) == short


def test_durations_add_up() -> None:
    assert seconds("1d2h3m4s") == 93784


def test_rules_in_short_time_are_rules(tmp_path: Path) -> None:
    for path in RULES.glob("*.yml"):
        (tmp_path / path.name).write_text(scaled(path.read_text("utf-8")), "utf-8")
    run(tool("promtool"), "check", "rules", *map(str, tmp_path.glob("*.yml")))


def test_the_example_leads_to_the_hook_and_routes_as_before(tmp_path: Path) -> None:
    was, made = (
        yaml.safe_load(EXAMPLE.read_text("utf-8")),
        yaml.safe_load(routed(EXAMPLE.read_text("utf-8"), "http://h")),
    )
    assert [one["webhook_configs"] for one in made["receivers"]] == [
        [{"url": f"http://h/{one['name']}"}] for one in was["receivers"]
    ]
    assert made["inhibit_rules"] == was["inhibit_rules"]
    assert made["route"]["routes"] == was["route"]["routes"]
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(made))
    run(tool("amtool"), "check-config", str(tmp_path / "alertmanager.yml"))


def test_a_hook_keeps_what_it_is_told_by_receiver() -> None:
    hook = Hook()
    try:
        alert = {"status": "firing", "labels": {"alertname": "A", "user": "ann"}, "annotations": {"summary": "S."}}
        assert requests.post(f"{hook.url}/pager", json={"alerts": [alert, {**alert, "status": "resolved"}]}).ok
        first, second = hook.arrived()
    finally:
        hook.close()
    assert first == Notification("pager", "firing", alert["labels"], alert["annotations"])  # type: ignore[arg-type]
    assert second.status == "resolved"
    assert Expected("A", {"user": "ann"}, "pager").is_like(first)
    assert not any(
        other.is_like(first) for other in (Expected("B"), Expected("A", {"user": "bob"}), Expected("A", {}, "tickets"))
    )

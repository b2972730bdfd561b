"""What is shipped for Kubernetes and jsonnet: made of the same files as everything else, in the form that they take."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts.build import KUBERNETES, ROOT, RULES, files, write

SCHEMAS = json.loads((ROOT / "tests" / "data" / "alerts" / "crd-schemas.json").read_text("utf-8"))
SCHEMAS["ConfigMap"] = {
    "type": "object",
    "required": ["metadata", "data"],
    "properties": {
        "apiVersion": {"type": "string", "enum": ["v1"]},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        "data": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
METADATA = {
    "type": "object",
    "required": ["name", "labels"],
    "properties": {
        "name": {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
TYPES: dict[str, type] = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
CLIENT_SIDE_APPLY_BYTES = 262_144
"""Kubernetes refuses larger annotations, and kubectl apply keeps a copy of what it applied in one."""

FILES = ("prometheusrules.yml", "servicemonitors.yml", "dashboards.yml")


def violations(value: Any, schema: dict[str, Any], place: str = "") -> Iterator[str]:
    """Yield where *value* is not as *schema* says; fields that it does not name are not allowed."""
    if "type" in schema and not isinstance(value, TYPES[schema["type"]]):
        yield f"{place}: {value!r} is no {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place}: {value!r} is none of {schema['enum']}"
    if isinstance(value, str):
        # Go takes flags in the middle, Python only in front.
        pattern = schema.get("pattern", "").replace("^(?i)", "(?i)^")
        if len(value) < schema.get("minLength", 0) or not re.search(pattern, value):
            yield f"{place}: {value!r} is not like {pattern}"
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from violations(item, schema.get("items", {}), f"{place}[{index}]")
    elif isinstance(value, dict):
        yield from (f"{place}.{name}: missing" for name in schema.get("required", ()) if name not in value)
        known = schema.get("properties", {})
        others = schema.get("additionalProperties", not known)
        for name, item in value.items():
            if name in known:
                yield from violations(item, known[name], f"{place}.{name}")
            elif isinstance(others, dict):
                yield from violations(item, others, f"{place}.{name}")
            elif not others:
                yield f"{place}.{name}: no such field"


def manifests(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((KUBERNETES / name).read_text("utf-8")))


@pytest.mark.parametrize("name", ["prometheusrules.yml", "dashboards.yml"])
def test_what_is_built_is_what_is_committed(name: str) -> None:
    if os.environ.get("UPDATE"):
        write()
    assert (KUBERNETES / name).read_text("utf-8") == files()[KUBERNETES / name]


@pytest.mark.parametrize("name", FILES)
def test_manifests_have_the_form_that_the_cluster_takes(name: str) -> None:
    found = manifests(name)
    assert found
    for manifest in found:
        assert list(violations(manifest, SCHEMAS[manifest["kind"]], manifest["kind"])) == []
        assert list(violations(manifest["metadata"], METADATA, "metadata")) == []
    names = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in found]
    assert len(set(names)) == len(names)


def test_a_manifest_with_a_wrong_field_would_be_noticed() -> None:
    rule = manifests("prometheusrules.yml")[0]
    rule["spec"]["groups"][0]["rules"][0]["exprr"] = "1"
    rule["spec"]["groups"][0]["interval"] = "1 minute"
    monitor = manifests("servicemonitors.yml")[0]
    monitor["spec"]["endpoints"][0]["intervall"] = "15s"
    del monitor["spec"]["selector"]
    wrong_field, wrong_form = sorted(violations(rule, SCHEMAS["PrometheusRule"], "rule"), reverse=True)
    assert wrong_field == "rule.spec.groups[0].rules[0].exprr: no such field"
    assert wrong_form.startswith("rule.spec.groups[0].interval: '1 minute' is not like")
    assert set(violations(monitor, SCHEMAS["ServiceMonitor"], "monitor")) == {
        "monitor.spec.selector: missing",
        "monitor.spec.endpoints[0].intervall: no such field",
    }


def test_every_rule_file_is_there_as_it_is() -> None:
    shipped = {manifest["metadata"]["name"]: manifest["spec"] for manifest in manifests("prometheusrules.yml")}
    expected = {f"presto-{path.stem}": yaml.safe_load(path.read_text("utf-8")) for path in RULES.glob("*.yml")}
    assert shipped == expected


def test_every_dashboard_is_there_for_the_sidecar_and_small_enough() -> None:
    shipped: dict[str, Any] = {}
    for manifest in manifests("dashboards.yml"):
        assert manifest["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert len(json.dumps(manifest)) < CLIENT_SIDE_APPLY_BYTES
        shipped |= {name: json.loads(text) for name, text in manifest["data"].items()}
    provisioned = (ROOT / "dashboards" / "provisioned").glob("*.json")
    assert shipped == {path.name: json.loads(path.read_text("utf-8")) for path in provisioned}


def test_the_exporter_gets_the_job_that_its_alerts_look_for() -> None:
    """The operator takes the job from the label that is selected, and it is the alerts' name for it."""
    monitor = manifests("servicemonitors.yml")[0]["spec"]
    job = monitor["selector"]["matchLabels"][monitor["jobLabel"]]
    assert f'up{{job="{job}"}}' in (RULES / "exporter.yml").read_text("utf-8")


# The mixin


def mixin(expression: str) -> Any:
    """Return what jsonnet makes of an expression about the mixin; skip where there is no jsonnet."""
    jsonnet = pytest.importorskip("_gojsonnet", reason="gojsonnet is not installed")

    def load(folder: str, name: str) -> tuple[str, bytes]:
        path = Path(folder, name)
        return str(path), path.read_bytes()

    text = jsonnet.evaluate_snippet(
        "test", f"local mixin = import 'mixin.libsonnet'; {expression}", import_callback=load, jpathdir=[str(ROOT)]
    )
    return json.loads(text)


def test_the_mixin_imports_every_file() -> None:
    text = (ROOT / "mixin.libsonnet").read_text("utf-8")
    for path in [*RULES.glob("*.yml"), *(ROOT / "dashboards" / "provisioned").glob("*.json")]:
        assert text.count(f"'{path.relative_to(ROOT)}'") == 1, path.name


def test_the_mixin_has_every_group_once_and_every_dashboard() -> None:
    made = mixin("{ a: mixin.prometheusAlerts.groups, r: mixin.prometheusRules.groups, d: mixin.grafanaDashboards }")
    groups = [group for path in RULES.glob("*.yml") for group in yaml.safe_load(path.read_text("utf-8"))["groups"]]
    assert sorted(made["a"] + made["r"], key=lambda group: group["name"]) == sorted(
        groups, key=lambda group: group["name"]
    )
    assert not any("alert" in rule for group in made["r"] for rule in group["rules"])
    for name, dashboard in made["d"].items():
        assert dashboard == json.loads((ROOT / "dashboards" / "provisioned" / name).read_text("utf-8"))


def test_the_mixin_takes_other_addresses() -> None:
    config = "{ _config+:: { runbookURLPattern: 'https://r/%s', dashboardURL: 'https://g/d' } }"
    groups = mixin(f"(mixin + {config}).prometheusAlerts.groups")
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    assert alerts
    for alert in alerts:
        assert alert["annotations"]["runbook_url"] == f"https://r/{alert['alert']}"
        assert re.match(r"https://g/d/presto-[a-z]+($|[?{])", alert["annotations"]["dashboard_url"])

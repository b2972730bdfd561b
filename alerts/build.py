"""``python -m alerts.build``: write what is made of the rules, the objectives and the dashboards.

- ``alerts/rules/slo.yml`` of ``alerts/slo.yml``
- the addresses of runbooks and dashboards in ``alerts/rules/alerts.yml`` and ``exporter.yml``, of the constants below
- ``deploy/kubernetes``: every rule file as a PrometheusRule, every dashboard as a ConfigMap
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from exporter.catalogue import CATALOGUE, CLUSTER, Kind

RUNBOOKS = "https://runbooks.example/presto"
"""Where docs/runbooks is served: the alert's name and ``.md`` follow."""
DASHBOARDS = "https://grafana.example/d"
"""Where Grafana shows dashboards by uid."""

ROOT = Path(__file__).parent.parent
RULES = ROOT / "alerts" / "rules"
KUBERNETES = ROOT / "deploy" / "kubernetes"
WRITTEN_BY_HAND = ("alerts.yml", "exporter.yml")

WINDOW = "30d"
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d", WINDOW)


class Burn(NamedTuple):
    """A pair of windows and the burn rate at which both together are an alert (SRE Workbook, chapter 5)."""

    long: str
    short: str
    rate: float
    wakes: bool
    """Whether it is bad enough to wake somebody up."""
    wait: str


BURNS = (
    Burn("1h", "5m", 14.4, True, "2m"),
    Burn("6h", "30m", 6, True, "5m"),
    Burn("1d", "2h", 3, False, "15m"),
    Burn("3d", "6h", 1, False, "30m"),
)
_LOWEST_OBJECTIVE = 1 - 1 / max(burn.rate for burn in BURNS)


class SpecificationError(ValueError):
    """The objectives cannot be used: ``place: what is wrong; what to do``."""


@dataclass(frozen=True, slots=True)
class Objective:
    """One promise: of its valid events at most ``1 - objective`` are bad."""

    name: str
    objective: float
    page: bool
    per_tenant: bool
    clusters: str
    """A regular expression for names of clusters; empty: all."""
    minimum_bad_events: int
    bad: tuple[str, ...]
    """Selectors of counters; empty where the bad ones are those of `total` that are not `good`."""
    good: tuple[str, ...]
    total: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Specification:
    """All promises, and the regular expressions of users by tenant."""

    tenants: Mapping[str, str]
    objectives: tuple[Objective, ...]


_REQUIRED = ("name", "objective")
_KEYS = {*_REQUIRED, "description", "page", "per_tenant", "clusters", "minimum_bad_events"}
_EVENTS = {"bad", "good", "total"}
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SELECTOR = re.compile(r"([a-z][a-z0-9_]*)(?:\{(.*)\})?")


def read(text: str) -> Specification:
    """Return the specification that *text* holds, as YAML. Raises SpecificationError."""
    document = yaml.safe_load(text)
    if document.get("window") != WINDOW:
        raise SpecificationError(f"window: {document.get('window')}; only {WINDOW} is known, burn rates depend on it")
    tenants = document.get("tenants") or {}
    for tenant in tenants:
        _check_name(f"tenants.{tenant}", tenant)
    objectives = tuple(_objective(f"slos[{index}]", slo) for index, slo in enumerate(document.get("slos") or ()))
    names = [objective.name for objective in objectives]
    if twice := {name for name in names if names.count(name) > 1}:
        raise SpecificationError(f"slos: {min(twice)} is there twice; give each a name of its own")
    return Specification(tenants, objectives)


def _objective(place: str, slo: Mapping[str, Any]) -> Objective:
    if unknown := set(slo) - _KEYS - _EVENTS:
        raise SpecificationError(f"{place}.{min(unknown)}: no such key; known are {', '.join(sorted(_KEYS | _EVENTS))}")
    if missing := [key for key in _REQUIRED if key not in slo]:
        raise SpecificationError(f"{place}.{missing[0]}: missing; give one")
    _check_name(f"{place}.name", slo["name"])
    if not _LOWEST_OBJECTIVE < slo["objective"] < 1:
        raise SpecificationError(
            f"{place}.objective: {slo['objective']}; above {_LOWEST_OBJECTIVE:.3f}, so that the budget can burn "
            f"{max(burn.rate for burn in BURNS)} times too fast, and below 1"
        )
    if {"good", "bad"} != _EVENTS & set(slo) != {"good", "total"}:
        raise SpecificationError(f"{place}: give bad and good events, or total and good")
    events = {key: tuple(slo.get(key, ())) for key in _EVENTS}
    per_tenant = slo.get("per_tenant", False)
    for key, selectors in events.items():
        for selector in selectors:
            _check_selector(f"{place}.{key}", selector, per_tenant)
    return Objective(
        slo["name"],
        slo["objective"],
        slo.get("page", False),
        per_tenant,
        slo.get("clusters", ""),
        slo.get("minimum_bad_events", 1),
        **events,
    )


def _check_name(place: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise SpecificationError(f"{place}: {name}; use small letters, digits and _")


def _labels(sample: str) -> tuple[str, ...]:
    """Return the labels of a counter's samples, or of a histogram's; empty if the exporter has no such."""
    for metric in CATALOGUE:
        if metric.kind is Kind.COUNTER and metric.name == sample:
            return metric.labels
        if metric.kind is Kind.HISTOGRAM and sample in (f"{metric.name}_bucket", f"{metric.name}_count"):
            return (*metric.labels, "le") if sample.endswith("_bucket") else metric.labels
    return ()


def _check_selector(place: str, selector: str, per_tenant: bool) -> None:
    match = _SELECTOR.fullmatch(selector)
    labels = _labels(match[1]) if match else ()
    if not labels:
        raise SpecificationError(f"{place}: {selector}; name a counter of the exporter, with matchers or without")
    if per_tenant and "user" not in labels:
        raise SpecificationError(f"{place}: {selector} knows no users; leave out per_tenant")


def _running_total(selectors: Sequence[str], *matchers: str) -> str:
    """Return the sum per cluster of these counters.

    The largest of the same series counts: when an exporter moves, its old target is there for some minutes more.
    """
    terms = []
    for selector in selectors:
        name, own = _SELECTOR.fullmatch(selector).groups()  # type: ignore[union-attr]
        inside = ", ".join(part for part in (own, *matchers) if part)
        selected = f"{name}{{{inside}}}" if inside else name
        terms.append(f"max by ({', '.join(_labels(name))}) ({selected})")
    return f"sum by ({CLUSTER}) (\n  " + "\n  or\n  ".join(terms) + "\n)"


def _rule(head: str, expression: str, labels: Mapping[str, str], more: str = "") -> str:
    lines = [f"- {head}"]
    if "\n" in expression:
        lines += ["  expr: |", textwrap.indent(expression, "    ")]
    else:
        lines.append(f"  expr: {expression}")
    if more:
        lines.append(textwrap.indent(more, "  "))
    if labels:
        lines.append("  labels: {" + ", ".join(f"{name}: {value}" for name, value in labels.items()) + "}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """Return a string of PromQL, which takes the escapes of JSON."""
    return json.dumps(text, ensure_ascii=False)


def _events(objective: Objective, tenant: str = "", users: str = "") -> Iterator[str]:
    matchers = (
        f"{CLUSTER}=~{_quoted(objective.clusters)}" if objective.clusters else "",
        f"user=~{_quoted(users)}" if tenant else "",
    )
    labels = {"slo": objective.name, **({"tenant": tenant} if tenant else {})}
    valid = _running_total(objective.total or (*objective.good, *objective.bad), *matchers)
    yield _rule("record: slo:presto_sli_valid_events:sum", valid, labels)
    if objective.bad:
        selected = ", ".join(f'{name}="{value}"' for name, value in {"tenant": "", **labels}.items())
        none = f"0 * slo:presto_sli_valid_events:sum{{{selected}}}"
        bad = f"{_running_total(objective.bad, *matchers)}\nor on ({CLUSTER})\n{none}"
    else:
        bad = f"{valid}\n-\n{_running_total(objective.good, *matchers)}"
    yield _rule("record: slo:presto_sli_bad_events:sum", bad, labels)


def _ratio(window: str) -> str:
    expression = (
        f"increase(slo:presto_sli_bad_events:sum[{window}])\n/\n"
        f"(increase(slo:presto_sli_valid_events:sum[{window}]) > 0)"
    )
    return _rule(f"record: slo:presto_sli_error:ratio_rate{window}", expression, {})


_OF_BUDGET = "/ on (slo) group_left () (1 - slo:presto_objective:ratio)"
_ANNOTATIONS = """\
annotations:
  summary: The error budget is spent too fast.
  description: >-
    Cluster {{ $labels.presto_cluster }}{{ with $labels.tenant }}, users of {{ . }}{{ end }}: in the last WINDOW the
    error budget of {{ $labels.slo }} was spent {{ printf "%.1f" $value }} times as fast as it may be
    {{- with printf `slo:presto_error_budget_remaining:ratio{slo=%q,presto_cluster=%q,tenant=%q}`
    $labels.slo $labels.presto_cluster $labels.tenant | query }}{{ $left := . | first | value }},
    {{ if lt $left 0.0 }}and more than all of it is gone
    {{- else }}of which {{ $left | humanizePercentage }} is left{{ end }}
    {{- end }}.
  runbook_url: https://example/PrestoErrorBudgetBurn.md
  dashboard_url: https://example/presto-slo?var-presto_cluster={{ $labels.presto_cluster | urlquery }}&\
var-slo={{ $labels.slo | urlquery }}"""


def _burn(burn: Burn, names: str, severity: str) -> str:
    """Return the alert of the objectives whose names match *names*, a matcher of the label slo."""

    def rate(window: str) -> str:
        return f"slo:presto_sli_error:ratio_rate{window}{names} {_OF_BUDGET} > {burn.rate:g}"

    expression = (
        f"{rate(burn.long)}\nand\n{rate(burn.short)}\nand\n"
        f"increase(slo:presto_sli_bad_events:sum{names}[{burn.long}])\n"
        "  >= on (slo) group_left () slo:presto_minimum_bad_events:sum"
    )
    annotations = with_addresses(_ANNOTATIONS.replace("WINDOW", burn.long))
    labels = {"severity": severity, "window": burn.long}
    return _rule("alert: PrestoErrorBudgetBurn", expression, labels, f"for: {burn.wait}\n{annotations}")


def _alerts(specification: Specification) -> Iterator[str]:
    paging = [objective.name for objective in specification.objectives if objective.page]
    pages = f'{{slo=~"{"|".join(paging)}"}}'
    for burn in BURNS:
        if burn.wakes:
            if paging:
                yield _burn(burn, pages, "critical")
            yield _burn(burn, pages.replace("=~", "!~"), "warning")
        else:
            yield _burn(burn, "", "warning")


def slo_rules(specification: Specification) -> str:
    """Return the rule file of the objectives."""
    rules: list[str] = []
    for objective in specification.objectives:
        labels = {"slo": objective.name}
        rules.append(_rule("record: slo:presto_objective:ratio", f"vector({objective.objective})", labels))
        least = f"vector({objective.minimum_bad_events})"
        rules.append(_rule("record: slo:presto_minimum_bad_events:sum", least, labels))
        rules += _events(objective)
        if objective.per_tenant:
            for tenant, users in specification.tenants.items():
                rules += _events(objective, tenant, users)
    rules += map(_ratio, WINDOWS)
    rules.append(_rule("record: slo:presto_burn_rate:ratio", f"slo:presto_sli_error:ratio_rate1h {_OF_BUDGET}", {}))
    left = f"1 - slo:presto_sli_error:ratio_rate{WINDOW} {_OF_BUDGET}"
    rules.append(_rule("record: slo:presto_error_budget_remaining:ratio", left, {}))
    rules += _alerts(specification)
    # One group: its rules are evaluated in this order, so none works with what another recorded a minute before.
    text = (
        "# Written by `python -m alerts.build` of alerts/slo.yml; do not edit. docs/slo.md explains the names.\n"
        "groups:\n  - name: presto-slo\n    interval: 1m\n    rules:\n"
    )
    text += "\n".join(textwrap.indent(rule, "      ") for rule in rules) + "\n"
    return text


def with_addresses(rules: str) -> str:
    """Return a rule file whose runbook_url and dashboard_url begin as the constants say."""
    rules = re.sub(r"runbook_url: \S+?/(\w+\.md)$", rf"runbook_url: {RUNBOOKS}/\1", rules, flags=re.MULTILINE)
    return re.sub(r"dashboard_url: \S+?/(presto-\w+)(?=[?{\n])", rf"dashboard_url: {DASHBOARDS}/\1", rules)


_HEADER = "# Written by `python -m alerts.build`; do not edit.\n"
_APP = {"app.kubernetes.io/name": "presto-query-exporter", "app.kubernetes.io/component": "monitoring"}


class _Dumper(yaml.SafeDumper):
    pass


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent)


def _manifest(kind: str, version: str, name: str, content: Mapping[str, Any], **metadata: Any) -> str:
    labels = {**_APP, **metadata.pop("labels", {})}
    document = {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, "labels": labels, **metadata},
        **content,
    }
    dumped: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6)
    return dumped


def prometheus_rules(files: Mapping[str, str]) -> str:
    """Return a PrometheusRule for each rule file, by its name without suffix."""
    return _HEADER + "---\n".join(
        _manifest("PrometheusRule", "monitoring.coreos.com/v1", f"presto-{name}", {"spec": yaml.safe_load(text)})
        for name, text in files.items()
    )


def dashboard_maps(dashboards: Mapping[str, str]) -> str:
    """Return a ConfigMap for each dashboard, by uid, with the label that Grafana's sidecar looks for."""
    return _HEADER + "---\n".join(
        _manifest(
            "ConfigMap",
            "v1",
            f"grafana-{uid}",
            {"data": {f"{uid}.json": json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))}},
            labels={"grafana_dashboard": "1"},
            annotations={"grafana_folder": "Presto"},
        )
        for uid, text in dashboards.items()
    )


def files() -> dict[Path, str]:
    """Return the text of every file that is built, by its path."""
    built = {RULES / name: with_addresses((RULES / name).read_text("utf-8")) for name in WRITTEN_BY_HAND}
    built[RULES / "slo.yml"] = slo_rules(read((ROOT / "alerts" / "slo.yml").read_text("utf-8")))
    names = sorted({path.name for path in RULES.glob("*.yml")} | {"slo.yml"})
    rules = {Path(name).stem: built.get(RULES / name) or (RULES / name).read_text("utf-8") for name in names}
    dashboards = sorted((ROOT / "dashboards" / "provisioned").glob("*.json"))
    built[KUBERNETES / "prometheusrules.yml"] = prometheus_rules(rules)
    built[KUBERNETES / "dashboards.yml"] = dashboard_maps({path.stem: path.read_text("utf-8") for path in dashboards})
    return built


def write() -> None:
    """Write every file."""
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    write()

"""Which labels an expression answers with, and what in it names a metric or a label that nobody promises.

Promised are the metrics of the catalogue with their labels, the recording rules of ``alerts/rules`` with the labels
that their expressions leave, and what Prometheus and prometheus_client add by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import promql_parser as promql
import yaml
from prometheus_client import ProcessCollector

from exporter.catalogue import CATALOGUE, Kind

ROOT = Path(__file__).parent.parent.parent
RULES = ROOT / "alerts" / "rules"

Labels = frozenset[str] | None
"""Names of labels; None: not known, any may be there."""

_TARGET = frozenset({"job", "instance"})
_SET_OPERATORS = {"and", "unless", "or"}
_KEEPS_SERIES = {"topk", "bottomk", "limitk", "limit_ratio"}


class Promises:
    """The labels of every metric, by the names of samples; those of recording rules are worked out when asked for."""

    def __init__(self, metrics: Mapping[str, Labels], rules: Mapping[str, list[Mapping[str, Any]]]) -> None:
        self._labels = dict(metrics)
        self._rules = rules

    def __contains__(self, name: str) -> bool:
        return name in self._labels or name in self._rules

    def labels(self, name: str) -> Labels:
        """Return the labels of a metric, or None where they are not known."""
        if name not in self._labels:
            self._labels[name] = None  # a rule that needs itself
            found = [self._recorded(rule) for rule in self._rules.get(name, [])]
            self._labels[name] = None if None in found or not found else frozenset[str]().union(*found)  # type: ignore[arg-type]
        return self._labels[name]

    def _recorded(self, rule: Mapping[str, Any]) -> Labels:
        added = frozenset(rule.get("labels", {}))
        left = Reading(self, strict=False).labels(promql.parse(rule["expr"]))
        return None if left is None else left | added


def promises() -> Promises:
    """Return what the exporter, the rules of the project, Prometheus and prometheus_client promise."""
    metrics: dict[str, Labels] = {"scrape_duration_seconds": _TARGET, "ALERTS": None, "ALERTS_FOR_STATE": None}
    for metric in CATALOGUE:
        labels = frozenset(metric.labels) | _TARGET
        if metric.kind is Kind.HISTOGRAM:
            metrics |= {f"{metric.name}_bucket": labels | {"le"}}
            metrics |= {f"{metric.name}_sum": labels, f"{metric.name}_count": labels}
        else:
            metrics[metric.name] = labels
    for family in ProcessCollector(registry=None).collect():
        metrics |= {sample.name: _TARGET for sample in family.samples}
    return Promises(metrics, recorded())


def recorded() -> dict[str, list[Mapping[str, Any]]]:
    """Return the recording rules of the project by the names that they record."""
    rules: dict[str, list[Mapping[str, Any]]] = {}
    for path in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]:
            for rule in group["rules"]:
                if "record" in rule:
                    rules.setdefault(rule["record"], []).append(rule)
    return rules


class Reading:
    """One reading of an expression; `problems` are what it names that is not there."""

    def __init__(self, promised: Promises, strict: bool = True) -> None:
        """*strict*: a metric that nobody promises is a problem, else its labels are not known."""
        self.problems: list[str] = []
        self._promised = promised
        self._strict = strict

    def labels(self, expression: promql.Expr) -> Labels:
        """Return the labels of what *expression* answers; none for a number."""
        match expression:
            case promql.VectorSelector():
                return self._selector(expression)
            case promql.MatrixSelector():
                return self._selector(expression.vector_selector)
            case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
                return self.labels(expression.expr)
            case promql.Call():
                return self._call(expression)
            case promql.AggregateExpr():
                return self._aggregate(expression)
            case promql.BinaryExpr():
                return self._binary(expression)
            case _:
                return frozenset()

    def _there(self, wanted: list[str], labels: Labels, where: str) -> None:
        if labels is not None and (missing := set(wanted) - labels):
            self.problems.append(f"{where}: no label {', '.join(sorted(missing))}")

    def _selector(self, selector: promql.VectorSelector) -> Labels:
        name = selector.name or ""
        if name not in self._promised:
            if self._strict:
                self.problems.append(f"{name}: nobody promises this metric")
            return None
        labels = self._promised.labels(name)
        self._there([matcher.name for matcher in selector.matchers.matchers], labels, name)
        return labels

    def _call(self, call: promql.Call) -> Labels:
        of_arguments = [self.labels(argument) for argument in call.args]
        labels = _union(of_arguments)
        if call.func.name in ("vector", "scalar", "time"):
            return frozenset()
        if call.func.name in ("label_replace", "label_join") and labels is not None:
            return labels | {call.args[1].val}
        if call.func.name == "histogram_quantile" and labels is not None:
            self._there(["le"], labels, "histogram_quantile")
            return labels - {"le"}
        return labels

    def _aggregate(self, aggregate: promql.AggregateExpr) -> Labels:
        inner = self.labels(aggregate.expr)
        listed = list(aggregate.modifier.labels) if aggregate.modifier else []
        operator = str(aggregate.op)
        self._there(listed, inner, operator)
        if operator in _KEEPS_SERIES:
            return inner
        if aggregate.modifier and aggregate.modifier.type is promql.AggModifierType.Without:
            return None if inner is None else inner - set(listed)
        return None if operator == "count_values" else frozenset(listed)

    def _binary(self, binary: promql.BinaryExpr) -> Labels:
        left, right = self.labels(binary.lhs), self.labels(binary.rhs)
        if _is_number(binary.lhs):
            return right
        if _is_number(binary.rhs) or binary.modifier is None:
            return left
        matching = binary.modifier.matching
        on = list(matching.labels) if matching and matching.type is promql.LabelModifierType.Include else None
        if on is not None:
            self._there(on, left, f"on, left of {binary.op}")
            self._there(on, right, f"on, right of {binary.op}")
        if str(binary.op) in _SET_OPERATORS:
            return _union([left, right]) if str(binary.op) == "or" else left
        card, brought = binary.modifier.card, binary.modifier.group_labels or []
        if card == promql.VectorMatchCardinality.ManyToOne:
            self._there(brought, right, "group_left")
            return None if left is None else left | set(brought)
        if card == promql.VectorMatchCardinality.OneToMany:
            self._there(brought, left, "group_right")
            return None if right is None else right | set(brought)
        if on is not None:
            return frozenset(on)
        ignored = set(matching.labels) if matching else set()
        return None if left is None else left - ignored


def _is_number(expression: promql.Expr) -> bool:
    if isinstance(expression, promql.ParenExpr | promql.UnaryExpr):
        return _is_number(expression.expr)
    if isinstance(expression, promql.BinaryExpr):
        return _is_number(expression.lhs) and _is_number(expression.rhs)
    return isinstance(expression, promql.NumberLiteral) or (
        isinstance(expression, promql.Call) and expression.func.name in ("time", "scalar", "pi")
    )


def _union(several: list[Labels]) -> Labels:
    known = [labels for labels in several if labels is not None]
    return frozenset[str]().union(*known) if len(known) == len(several) else None

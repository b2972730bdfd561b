"""``python -m tests.dashboards.execute URL``: every expression of every dashboard, answered by a real Prometheus.

What is asked is what the committed JSON holds, with Grafana's variables filled in. A panel whose answer is empty is a
problem unless its query says why it may be; so is an answer that lacks the labels which its legend or columns show.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests

from dashboards.build import DASHBOARDS, FOLDER
from dashboards.grafana import Dashboard, Json, Kind, Panel, panel_ids, ref_id

_STEPS = 60
"""Points of a range query."""
_TIMEOUT = 60.0
_OPTIONAL = {"tenant"}
"""Labels that a legend shows where they are: objectives of everybody have no group of users."""
_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(\w+)")


@dataclass(frozen=True, slots=True)
class Sample:
    """A series of an answer: its labels and its points (Unix time, value), one for an instant query."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]

    @property
    def says_something(self) -> bool:
        """Whether a value is a number."""
        return any(not math.isnan(value) for _, value in self.points)


class QueryError(Exception):
    """Prometheus refuses an expression; the message is its own."""


class Prometheus:
    """The HTTP API of a Prometheus as of one moment, looking back from it."""

    def __init__(self, url: str, span: float, until: float | None = None) -> None:
        """*span*: seconds that a range query looks back; *until*: Unix time, now if none is given."""
        self.url = url.rstrip("/")
        self.span = span
        self.until = until or time.time()

    def instant(self, expr: str) -> list[Sample]:
        """Return what an instant query answers. Raises QueryError."""
        answer = self._get("query", query=expr, time=f"{self.until:.3f}")
        return [_sample(one["metric"], [one["value"]]) for one in answer["result"]]

    def over_time(self, expr: str, steps: int = _STEPS) -> list[Sample]:
        """Return what a range query answers. Raises QueryError."""
        step = self.span / steps
        answer = self._get(
            "query_range",
            query=expr,
            start=f"{self.until - self.span:.3f}",
            end=f"{self.until:.3f}",
            step=f"{step:.3f}",
        )
        return [_sample(one["metric"], one["values"]) for one in answer["result"]]

    def label_values(self, selector: str, label: str) -> list[str]:
        """Return the values of a label of the series that *selector* selects. Raises QueryError."""
        start = f"{self.until - self.span:.3f}"
        found = self._get(f"label/{label}/values", start=start, end=f"{self.until:.3f}", **{"match[]": selector})
        return list(found)

    def _get(self, path: str, **parameters: str) -> Any:
        answer = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=_TIMEOUT).json()
        if answer["status"] != "success":
            raise QueryError(answer["error"])
        return answer["data"]


def _sample(labels: Mapping[str, str], points: Sequence[tuple[float, str]]) -> Sample:
    return Sample(
        {name: value for name, value in labels.items() if name != "__name__"},
        [(float(at), float(value)) for at, value in points],
    )


def fill(text: str, variables: Mapping[str, str]) -> str:
    """Return *text* with its variables replaced by their values. Raises KeyError for one that has none."""
    return _VARIABLE.sub(lambda found: variables[found[1] or found[3]], text)


def duration(seconds: float) -> str:
    """Return seconds as PromQL writes a range."""
    return f"{seconds:.0f}s"


def chosen(dashboard: Json, prometheus: Prometheus, given: Mapping[str, str] = {}) -> dict[str, str]:
    """Return a value for each variable: those *given*, else all, else the first that Prometheus knows.

    Raises QueryError, also for a variable without any value.
    """
    values = {
        "__rate_interval": "1m",
        "__interval": duration(max(5.0, prometheus.span / _STEPS)),
        "__range": duration(prometheus.span),
    }
    for variable in dashboard["templating"]["list"]:
        name = variable["name"]
        if variable["type"] == "datasource":
            values[name] = "prometheus"
        elif variable["type"] == "textbox":
            values[name] = variable["query"]
        else:
            selector, label = label_values_of(variable["definition"])
            known = prometheus.label_values(fill(selector, values), label)
            if not known:
                raise QueryError(f"variable {name}: no value")
            values[name] = given.get(name, variable["allValue"] or known[0])
    return values


def label_values_of(query: str) -> tuple[str, str]:
    """Return the selector and the label of a ``label_values(selector, label)``."""
    found = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
    assert found, query
    return found[1], found[2]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with an answer, or why it is empty."""

    place: str
    what: str
    problem: bool


def findings(prometheus: Prometheus, given: Mapping[str, str] = {}) -> Iterator[Finding]:
    """Ask everything that the committed dashboards ask, and yield what is empty or wrong."""
    for dashboard in DASHBOARDS:
        built: Json = json.loads((FOLDER / "provisioned" / f"{dashboard.uid}.json").read_text("utf-8"))
        try:
            variables = chosen(built, prometheus, given)
        except QueryError as error:
            yield Finding(dashboard.uid, str(error), True)
            continue
        yield from _of_panels(dashboard, built, prometheus, variables)
        for annotation in built["annotations"]["list"]:
            if "expr" in annotation:
                place = f"{dashboard.uid}: annotation {annotation['name']}"
                try:
                    prometheus.over_time(fill(annotation["expr"], variables))
                except QueryError as error:
                    yield Finding(place, str(error), True)


def _of_panels(
    dashboard: Dashboard, built: Json, prometheus: Prometheus, variables: Mapping[str, str]
) -> Iterator[Finding]:
    panels = panel_ids(dashboard)
    for panel in built["panels"]:
        source = panels.get(panel["id"])
        for index, target in enumerate(panel.get("targets", ())):
            assert source is not None and target["refId"] == ref_id(index)
            place = f"{dashboard.uid}: {panel['title']}: {target['refId']}"
            expr = fill(target["expr"], variables)
            try:
                answer = prometheus.over_time(expr) if target["range"] else prometheus.instant(expr)
            except QueryError as error:
                yield Finding(place, f"{error}: {expr}", True)
                continue
            answer = [sample for sample in answer if sample.says_something]
            if not answer:
                reason = source.queries[index].may_be_empty
                yield Finding(place, f"may be empty: {reason}" if reason else f"empty: {expr}", not reason)
            elif wrong := wrong_labels(source, target["legendFormat"], answer):
                yield Finding(place, f"{wrong}: {expr}", True)


def wrong_labels(panel: Panel, legend: str, answer: Sequence[Sample]) -> str:
    """Return what labels an answer lacks or has too many, for what *panel* shows of it; empty if none."""
    labels = {label for sample in answer for label in sample.labels}
    if panel.kind is Kind.TABLE:
        if extra := labels - {label.label for label in panel.labels}:
            return f"labels without a column: {sorted(extra)}"
        optional = {label.label for label in panel.labels if label.may_be_missing}
        rows = [{item for item in sample.labels.items() if item[0] not in optional} for sample in answer]
        return "a row is part of another" if any(one < other for one in rows for other in rows) else ""
    shown = sorted(set(re.findall(r"{{(\w+)}}", legend)))
    if missing := set(shown) - labels - _OPTIONAL:
        return f"legend without a label: {sorted(missing)}"
    keys = {tuple(sample.labels.get(label) for label in shown) for sample in answer}
    return "several series of one legend" if len(keys) < len(answer) else ""


def main(argv: Sequence[str]) -> int:
    """Print what is empty or wrong; return 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.dashboards.execute", description=__doc__)
    parser.add_argument("url", help="of a Prometheus, such as http://localhost:9090")
    parser.add_argument("--range", type=float, default=900.0, metavar="SECONDS", help="to look back (default: 900)")
    parser.add_argument("--variable", action="append", default=[], metavar="NAME=VALUE", help="such as user=anna")
    options = parser.parse_args(argv)
    given = dict(variable.split("=", 1) for variable in options.variable)
    found = list(findings(Prometheus(options.url, options.range), given))
    for finding in found:
        print(f"{'PROBLEM' if finding.problem else 'empty  '}  {finding.place}: {finding.what}")
    problems = sum(finding.problem for finding in found)
    print(f"{problems} problems, {len(found) - problems} answers empty with a reason")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

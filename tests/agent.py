"""The JMX agent's rules in Python, and what Prometheus' rules need: for tests without Java.

The agent tries each rule's pattern on a line per attribute, ``domain<key=value, …><>attribute: value``; the first that
matches names the series, and what none matches is dropped (``collector/…/JmxCollector.java`` of jmx_exporter). Patterns
here use no more than Java's and Python's regular expressions have in common.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Set
from typing import Any, NamedTuple

import yaml

from jmx.rules import Rule


class Shown(NamedTuple):
    """A series that the agent shows."""

    name: str
    labels: tuple[tuple[str, str], ...]
    type: str
    help: str
    factor: float


class Agent:
    """An agent with this configuration."""

    def __init__(self, configuration: str) -> None:
        self.configuration: dict[str, Any] = yaml.safe_load(configuration)
        self.rules = [(re.compile(rule["pattern"]), rule) for rule in self.configuration["rules"]]
        self._included = [_bean(name) for name in self.configuration["includeObjectNames"]]

    def asks_for(self, line: str) -> bool:
        """Return whether ``includeObjectNames`` takes the bean of this attribute."""
        match = re.fullmatch(r"([^<]*)<(.*)><[^<>]*>[^<>]+", line)
        assert match, line
        domain, properties = match[1], dict(part.split("=", 1) for part in match[2].split(", "))
        return any(
            domain == wanted
            and keys.keys() == properties.keys()
            and all(value in ("*", properties[key]) for key, value in keys.items())
            for wanted, keys in self._included
        )

    def matching(self, line: str) -> tuple[int, Shown] | None:
        """Return the place of the rule for this attribute and the series that it gives; None if it is dropped."""
        for place, (pattern, rule) in enumerate(self.rules):
            if match := pattern.search(f"{line}: 0"):
                given = rule.get("labels", {}).items()
                labels = {name: match.expand(value.replace("$1", r"\1")) for name, value in given}
                return place, Shown(
                    rule["name"],
                    tuple(sorted(labels.items())),
                    rule["type"],
                    rule["help"],
                    float(rule.get("valueFactor", 1)),
                )
        return None

    def shown(self, lines: Iterable[str]) -> list[Shown]:
        """Return the series of all attributes, in their order."""
        return [found[1] for line in lines if self.asks_for(line) and (found := self.matching(line))]


def _bean(object_name: str) -> tuple[str, dict[str, str]]:
    domain, properties = object_name.split(":", 1)
    return domain, dict(part.split("=", 1) for part in properties.split(","))


def selection(name: str, labels: Iterable[tuple[str, str]]) -> set[str]:
    """Return what rules may call a series: by its name, and by its name and one of its labels."""
    return {name, *(f'{name}{{{label}="{value}"}}' for label, value in labels)}


def recorded(rules: Iterable[Rule], shown: Set[str]) -> set[tuple[str, str]]:
    """Return which rules give a series where these are shown: their records, each with the label that it adds.

    A rule is a chain of alternatives, ``or`` on a line of its own; one gives a series if all that it names is there.
    What follows ``unless`` need not be.
    """
    there = set(shown)
    found: set[tuple[str, str]] = set()
    for rule in rules:
        if any(names <= there or _resource_groups(names, there) for names in alternatives(rule)):
            added = ",".join(f"{label}={value}" for label, value in rule.labels.items())
            found.add((rule.record, added))
            there |= selection(rule.record, rule.labels.items())
    return found


def alternatives(rule: Rule) -> Iterator[set[str]]:
    """Give what each alternative of a rule names."""
    for part in re.split(r"\n\s*or\n", rule.expr):
        needed = part.partition("unless on")[0]
        names = re.findall(r"(?:presto_jmx_|jvm_|process_|trino_|io_airlift_|JMX_|\w+:)[\w:.+]+(?:\{[^}]*\})?", needed)
        yield {_one_label(name) for name in names if not name.endswith("name_")}


def _one_label(name: str) -> str:
    metric, brace, matchers = name.partition("{")
    kept = [one for one in matchers.rstrip("}").split(", ") if one and "presto_cluster" not in one and "=~" not in one]
    return f"{metric}{{{kept[0]}}}" if brace and kept else metric


def _resource_groups(names: Set[str], there: Set[str]) -> bool:
    """Return whether all that is named are patterns of names, of which there is one each."""
    patterns = [name for name in names if ".+" in name]
    return len(patterns) == len(names) > 0 and all(any(re.fullmatch(p, t) for t in there) for p in patterns)

"""``python -m jmx.build``: write what is made of the table of metrics.

==================================  ==================================================================
``jmx/presto.yml``                  the configuration of the JMX agent
``alerts/rules/servers.yml``        the canonical recording rules
``jmx/prometheus-trino.yml``        in it, the names that are kept of Trino's own metrics
``docs/servers.md``                 in it, the references between ``<!-- … -->`` and ``<!-- end -->``
==================================  ==================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from jmx.metrics import (
    ENGINES,
    METRICS,
    PRESTODB,
    Bean,
    Name,
    Value,
    Where,
    promised,
)
from jmx.rules import GROUPS, NATIVE_JMX, Rule

ROOT = Path(__file__).parent.parent

_BEANS: tuple[Bean, ...] = tuple(dict.fromkeys(value.bean for metric in METRICS for value in metric.values))
_CONDITIONS = list(dict.fromkeys(name.only_if for bean in _BEANS for name in bean.names if name.only_if))
_GROUP_LABEL = "resource_group"


def files() -> dict[Path, str]:
    """Return every file that is written, with its content."""
    page, example = ROOT / "docs" / "servers.md", ROOT / "jmx" / "prometheus-trino.yml"
    return {
        ROOT / "jmx" / "presto.yml": agent_configuration(),
        ROOT / "alerts" / "rules" / "servers.yml": rule_file(),
        example: _with_kept_names(example.read_text("utf-8")),
        page: _with_references(page.read_text("utf-8")),
    }


def agent_configuration() -> str:
    """Return the configuration of the JMX agent, in the keys that its releases 1.0.1 to 1.6 know alike."""
    coordinator, other = series_of_a_node(Where.COORDINATOR), series_of_a_node(Where.EVERY_NODE)
    group = series_of_a_group()
    lines = [
        "# Metrics of PrestoSQL, Trino and PrestoDB servers, coordinators and workers alike, for the JMX agent 1.0.1",
        "# and later:  java -javaagent:jmx_prometheus_javaagent-1.0.1.jar=9404:presto.yml ...",
        "# Written by `python -m jmx.build` from jmx/metrics.py; do not edit. What each metric is, and which releases",
        "# have it: docs/servers.md. Names of other engines and releases match nothing and cost nothing.",
        f"# At most {coordinator} series on a coordinator and {other} on any other node, and {group} more for each",
        "# resource group with jmxExport. The agent adds jvm_*, process_* and jmx_*: heap, collections, threads, CPU.",
        "includeObjectNames:",
        *(f"  - {_quoted(name)}" for name in dict.fromkeys(name.object_name for bean in _BEANS for name in bean.names)),
        "rules:",
    ]
    for metric in METRICS:
        for value in {(value.bean, value.attribute): value for value in metric.values}.values():
            labels = {value.bean.label: "$1"} if value.bean.label else {}
            if metric.label:
                labels[metric.label] = value.label
            lines += [
                f"  - pattern: {_quoted(pattern(value))}",
                f"    name: {metric.name}",
                f"    type: {metric.kind.upper()}",
                f"    help: {_quoted(metric.help)}",
                *([f"    valueFactor: {metric.factor}"] if metric.factor else []),
                *(["    labels:"] if labels else []),
                *(f"      {label}: {_quoted(text)}" for label, text in labels.items()),
                "    cache: true",
            ]
    return "\n".join(lines) + "\n"


def pattern(value: Value) -> str:
    """Return what the agent's text of the attribute looks like: ``domain<key=value, …><>attribute: …``."""
    domains: dict[str, list[str]] = {}
    for name in value.bean.names:
        domain = re.escape(name.domain)
        if domain not in domains.setdefault(_properties(name), []):
            domains[_properties(name)].append(domain)
    beans = [f"{_one_of(names)}<{properties}>" for properties, names in domains.items()]
    return f"^{_one_of(beans)}<>{re.escape(value.attribute)}: "


def _properties(name: Name) -> str:
    # A value with characters that JMX reserves is in quotes.
    return name.properties.replace(",", ", ").replace("*", '"?(.+?)"?')


def _one_of(patterns: list[str]) -> str:
    return patterns[0] if len(patterns) == 1 else f"(?:{'|'.join(patterns)})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def series_of_a_node(where: Where) -> int:
    """Return how many series the agent's rules give at most, whatever the release, without resource groups."""
    return max(len(series(engine, release, where)) for engine, release in generations())


def series(engine: str, release: int, where: Where) -> set[tuple[str, ...]]:
    """Return the names and label values of all series that a node may show, without those of resource groups."""
    return {
        (promise.metric.name, promise.value.label, pool)
        for promise in promised(engine, release, where)
        if promise.value.bean.label != _GROUP_LABEL
        for pool in (_POOLS if promise.value.bean.label == "pool" else ("",))
    }


_POOLS = ("general", "reserved")
"""The memory pools that engines have had."""


def series_of_a_group() -> int:
    """Return how many series each exported resource group adds at most."""
    return sum(value.bean.label == _GROUP_LABEL for metric in METRICS for value in metric.values)


def generations() -> list[tuple[str, int]]:
    """Return the releases in which the table changes, the first one of each engine among them."""
    found = {
        (engine, first)
        for metric in METRICS
        for value in metric.values
        for name in value.bean.names
        for engine in ENGINES
        for first, _ in value.available(name, engine)
    }
    return sorted(found)


def rule_file() -> str:
    """Return the recording rules."""
    lines = [
        "# Recording rules of the servers, from the JMX agent (jmx/presto.yml) or Trino itself: docs/servers.md",
        "# Written by `python -m jmx.build` from jmx/rules.py; do not edit.",
        "groups:",
    ]
    for group in GROUPS:
        lines += [f"  - name: {group.name}", "    rules:"]
        for rule in group.rules:
            lines += _rule(rule)
    return "\n".join(lines) + "\n"


def _rule(rule: Rule) -> Iterator[str]:
    yield f"      - record: {rule.record}"
    if rule.labels:
        yield "        labels:"
        yield from (f"          {label}: {_quoted(value)}" for label, value in rule.labels.items())
    if "\n" in rule.expr:
        yield "        expr: |-"
        yield from (f"          {line}" for line in rule.expr.split("\n"))
    else:
        yield f"        expr: {_quoted(rule.expr)}"


def kept_names() -> str:
    """Return a regular expression of the names that the rules use of Trino's own metrics."""
    text = "\n".join(rule.expr for group in GROUPS for rule in group.rules)
    attributes: dict[str, set[str]] = {}
    for name in re.findall(rf"\b(?:trino_|io_airlift_|{NATIVE_JMX})\w+(?:\.\+\w+)?", text):
        bean, _, attribute = name.rpartition("_")
        if attribute:  # else it is what a name begins with, before a group of its pattern
            attributes.setdefault(bean, set()).add(attribute)
    return "|".join(f"{bean}_{_one_of(sorted(names))}" for bean, names in sorted(attributes.items()))


def _with_kept_names(text: str) -> str:
    """Return the example with the names put into its ``regex``."""
    return re.sub(r"(?m)^( *)regex: &kept .*$", lambda match: f"{match[1]}regex: &kept {_quoted(kept_names())}", text)


def _with_references(text: str) -> str:
    """Return the page with the references put between their marks."""
    for mark, lines in (("metrics", _metric_reference()), ("rules", _rule_reference())):
        begin, end = f"<!-- {mark} -->\n", "<!-- end -->"
        before, _, rest = text.partition(begin)
        if rest:
            text = f"{before}{begin}" + "\n".join(lines) + f"\n{end}{rest.partition(end)[2]}"
    return text


def _metric_reference() -> list[str]:
    lines = ["| metric | PrestoSQL | Trino | PrestoDB | on |", "|---|---|---|---|---|"]
    for metric in METRICS:
        rows: dict[tuple[str, ...], list[str]] = {}
        for value in metric.values:
            cells = tuple(" / ".join(_availability(value, engine)) for engine in ENGINES)
            rows.setdefault((*cells, _where(value)), []).append(value.label)
        first = f"**`{metric.name}`** ({metric.kind}) {metric.help}"
        labels = [f"`{label}`" for label in metric.labels if label != metric.label]
        for cells, values in _without_alternatives(rows).items():
            named = [*labels, *([f"`{metric.label}` " + ", ".join(values)] if metric.label else [])]
            lines.append(f"| {first}{'<br>' if first and named else ''}{'; '.join(named)} | {' | '.join(cells)} |")
            first = ""
    notes = (f"{'¹²³'[at]} only with {condition}" for at, condition in enumerate(_CONDITIONS))
    return [*lines, "", "; ".join(notes) + "."]


def _without_alternatives(rows: dict[tuple[str, ...], list[str]]) -> dict[tuple[str, ...], list[str]]:
    """Return the rows, those of the same values under two beans made one."""
    merged: dict[tuple[str, ...], list[str]] = {}
    for cells, values in rows.items():
        for known in [known for known, same in merged.items() if same == values]:
            del merged[known]
            cells = tuple(_both(*pair) for pair in zip(known, cells, strict=True))
        merged[cells] = values
    return merged


def _both(one: str, other: str) -> str:
    return " / ".join(dict.fromkeys(cell for cell in (one, other) if cell != "–")) or "–"


def _where(value: Value) -> str:
    where = dict.fromkeys(name.where for name in value.bean.names)
    return "every node" if where == {Where.EVERY_NODE: None} else "coordinator"


def _availability(value: Value, engine: str) -> list[str]:
    """Return in words which releases of an engine have the value, joined where one name follows on another."""
    earliest, latest = ENGINES[engine]
    found: dict[str, list[tuple[int, int | None]]] = {}
    for name in value.bean.names:
        for first, last in value.available(name, engine):
            ranges = found.setdefault(name.only_if, [])
            if ranges and ranges[-1][1] == first - 1:
                first, _ = ranges.pop()
            ranges.append((first, last))
    words = []
    for only_if, ranges in found.items():
        for first, last in ranges:
            since = "" if first == earliest else _release(engine, first)
            until = "" if last == latest else f"{'–' if since else 'to '}{_release(engine, last)}"
            words.append(f"{since}{until}" or "all")
            if only_if:
                words[-1] += " " + "¹²³"[_CONDITIONS.index(only_if)]
    return words or ["–"]


def _release(engine: str, release: int | None) -> str:
    return f"0.{release}" if engine == PRESTODB else str(release)


def _rule_reference() -> list[str]:
    lines = ["| record | labels beside `presto_cluster` | of |", "|---|---|---|"]
    for group in GROUPS:
        lines.append(f"| **{group.title}** | | |")
        records: dict[str, list[Rule]] = {}
        for rule in group.rules:
            records.setdefault(rule.record, []).append(rule)
        for record, rules in records.items():
            kept = dict.fromkeys(
                label.strip()
                for rule in rules
                for by in re.findall(r"\bby \(([^)]*)\)", rule.expr.split("\nor\n")[0])
                for label in by.split(",")
            )
            added: dict[str, list[str]] = {}
            for rule in rules:
                for label, value in rule.labels.items():
                    added.setdefault(label, []).append(value)
            labels = [f"`{label}`" for label in kept if label not in ("presto_cluster", *added)]
            labels += [f"`{label}` " + ", ".join(values) for label, values in added.items()]
            sources = dict.fromkeys(
                source
                for rule in rules
                for source in re.findall(r"\b(?:presto_jmx_|jvm_|process_|(?:cluster|instance):)[\w:]+", rule.expr)
            )
            lines.append(f"| `{record}` | {'; '.join(labels)} | {', '.join(f'`{source}`' for source in sources)} |")
    return lines


def main() -> None:
    """Write the files that are not as they should be."""
    for path, text in files().items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()

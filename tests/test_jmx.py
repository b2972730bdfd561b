"""The JMX agent's configuration and the servers' recording rules, against the attributes of every release.

``data/jmx/ENGINE-RELEASE*.txt`` has a line per attribute as the agent's rules see it, recorded from running servers or
read from the classes of the releases (each file says which); ``*.metrics`` what Trino served by itself at that time.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from jmx import build
from jmx.metrics import (
    BY_NAME,
    DEDICATED,
    ENGINES,
    FIRST_NATIVE,
    METRICS,
    TRINO,
    Kind,
    Name,
    Promise,
    Where,
    native_attribute,
    native_prefix,
    number,
    promised,
)
from jmx.rules import GROUPS
from tests.agent import Agent, Shown, alternatives, recorded, selection

ROOT = Path(__file__).parent.parent
DATA = Path(__file__).parent / "data" / "jmx"
RULES = [rule for group in GROUPS for rule in group.rules]
AGENT = Agent((ROOT / "jmx" / "presto.yml").read_text("utf-8"))

TIME_SHARING, WORKER = "time-sharing", "worker"
RELEASES = sorted(path.stem for path in DATA.glob("*.txt"))
NATIVE = sorted(path.stem for path in DATA.glob("*.metrics"))
OF_THE_JVM = {
    'jvm_memory_used_bytes{area="heap"}',
    'jvm_memory_max_bytes{area="heap"}',
    "jvm_gc_collection_seconds_count",
    "jvm_gc_collection_seconds_sum",
    "process_cpu_seconds_total",
}

each_release = pytest.mark.parametrize("file", RELEASES)


def lines(file: str) -> list[str]:
    text = (DATA / f"{file}.txt").read_text("utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


def release(file: str) -> tuple[str, int, str]:
    """Return the engine, the release as the table counts them, and the variant of a file."""
    engine, version, variant = re.fullmatch(r"(\w+)-([\d.]+)-?(.*)", file).groups()  # type: ignore[union-attr]
    return engine, number(version), variant


def promises(file: str) -> list[Promise]:
    """Return what a server like the one of this file must show; what comes late may be missing."""
    engine, number_, variant = release(file)
    where = Where.EVERY_NODE if variant == WORKER else Where.COORDINATOR
    text = "\n".join(lines(file))
    return [
        one
        for one in promised(engine, number_, where)
        if (not one.name.only_if or is_asked_for(one.name, variant, text))
        and not (variant == TIME_SHARING and one.value.bean is DEDICATED)  # a node has one scheduler
        and (not one.value.late or f"<>{one.value.attribute}\n" in f"{text}\n")
    ]


def is_asked_for(name: Name, variant: str, text: str) -> bool:
    """Return whether the servers of the files meet a condition: they were not all asked to export resource groups."""
    if "scheduler" in name.only_if:
        return variant == TIME_SHARING
    return "jmxExport" in name.only_if and "InternalResourceGroup," in text.replace(">", ",")


def series(promise: Promise) -> tuple[str, str]:
    return promise.metric.name, promise.value.label


# What is written is what the table says


@pytest.mark.parametrize("path", sorted(build.files()), ids=lambda path: path.name)
def test_what_is_written_is_what_the_table_says(path: Path) -> None:
    text = build.files()[path]
    if os.environ.get("UPDATE"):
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text


def test_the_configuration_has_only_keys_that_every_agent_since_1_0_1_knows() -> None:
    assert set(AGENT.configuration) == {"includeObjectNames", "rules"}
    for rule in AGENT.configuration["rules"]:
        assert set(rule) <= {"pattern", "name", "type", "help", "valueFactor", "labels", "cache"}
        assert rule["cache"] is True and rule["type"] in ("COUNTER", "GAUGE")


def test_a_cached_rule_never_looks_at_the_value() -> None:
    """The agent keeps which rule an attribute matched; the value stands behind the colon."""
    assert all(
        rule["pattern"].endswith(": ") and rule["pattern"].startswith("^") for rule in AGENT.configuration["rules"]
    )


def test_names_are_those_of_the_field() -> None:
    for metric in METRICS:
        assert re.fullmatch(r"presto_jmx_[a-z]+(_[a-z]+)*", metric.name)
        assert (metric.kind is Kind.COUNTER) == metric.name.endswith("_total")
        assert metric.help.endswith(".") and len(metric.help) > 15
        assert not metric.name.removesuffix("_total").endswith(("_count", "_millis", "_micros", "_avg"))
    assert len(BY_NAME) == len(METRICS)


def test_no_name_is_one_that_the_agent_would_change() -> None:
    """It cuts suffixes that are reserved in OpenMetrics, also below ``_total``; what is left must differ."""
    cut = [metric.name.removesuffix("_total") for metric in METRICS]
    assert not [name for name in cut if name.endswith(("_total", "_created", "_bucket", "_info"))]
    assert len(set(cut)) == len(cut)


def test_a_counter_is_a_total_and_no_decaying_window() -> None:
    for metric in METRICS:
        for value in metric.values:
            assert "Minute" not in value.attribute and ".AllTime." not in value.attribute.replace("AllTime.Count", "")
            assert value.attribute.endswith(".TotalCount") <= (metric.kind is Kind.COUNTER)


# Against the attributes of every release


@each_release
def test_every_promised_series_is_there_and_nothing_else(file: str) -> None:
    shown = AGENT.shown(lines(file))
    seen = {
        (one.name, dict(one.labels).get(BY_NAME[one.name].label, "") if BY_NAME[one.name].label else "")
        for one in shown
    }
    assert seen == {series(one) for one in promises(file)}
    assert len({(one.name, one.labels) for one in shown}) == len(shown), "a series twice"


@each_release
def test_types_help_texts_and_labels_are_those_of_the_table(file: str) -> None:
    for one in AGENT.shown(lines(file)):
        metric = BY_NAME[one.name]
        assert (one.type, one.help) == (metric.kind.upper(), metric.help)
        assert {name for name, _ in one.labels} == set(metric.labels)
        assert one.factor == float(metric.factor or 1)


@each_release
def test_decaying_windows_and_the_rest_are_dropped(file: str) -> None:
    everything = lines(file)
    matched = [line for line in everything if AGENT.matching(line)]
    assert matched and not [line for line in matched if re.search(r"Minutes?\.|Level\d|Executor\.", line)]
    assert len(matched) < len(everything) * 0.8


@each_release
def test_no_attribute_matches_two_rules(file: str) -> None:
    for line in lines(file):
        assert sum(bool(pattern.search(f"{line}: 0")) for pattern, _ in AGENT.rules) <= 1, line


@each_release
def test_every_line_that_matches_is_of_a_bean_that_is_asked_for(file: str) -> None:
    assert not [line for line in lines(file) if AGENT.matching(line) and not AGENT.asks_for(line)]


@each_release
def test_series_stay_below_the_stated_bound(file: str) -> None:
    shown = AGENT.shown(lines(file))
    groups = {dict(one.labels)["resource_group"] for one in shown if "resource_group" in dict(one.labels)}
    where = Where.EVERY_NODE if release(file)[2] == WORKER else Where.COORDINATOR
    assert len(shown) <= build.series_of_a_node(where) + build.series_of_a_group() * len(groups)
    assert f"At most {build.series_of_a_node(Where.COORDINATOR)} series" in (ROOT / "jmx" / "presto.yml").read_text(
        "utf-8"
    )


def test_every_rule_and_every_object_name_is_of_some_release() -> None:
    everything = [line for file in RELEASES for line in lines(file)]
    used = {found[0] for line in everything if (found := AGENT.matching(line))}
    assert [rule["pattern"] for place, rule in enumerate(AGENT.configuration["rules"]) if place not in used] == []
    for name in AGENT.configuration["includeObjectNames"]:
        domain, _, properties = name.partition(":")
        begins = f"{domain}<{properties.replace(',', ', ').removesuffix('*')}"
        assert any(line.startswith(begins) for line in everything), name


def test_every_release_in_which_the_table_changes_has_a_file() -> None:
    """Of 307 no jar is published; the classes of 311 are the next. 477 has none either: 480 stands for it."""
    there = {release(file)[:2] for file in RELEASES}
    stand_in = {
        ("prestosql", 307): ("prestosql", 311),
        ("prestosql", 346): ("prestosql", 350),
        (TRINO, 477): (TRINO, 480),
    }
    assert {stand_in.get(one, one) for one in build.generations()} <= there
    assert {engine for engine, _ in there} == set(ENGINES)


@pytest.mark.parametrize(
    ("properties", "group"),
    [
        ("type=InternalResourceGroup, name=global", "global"),
        ("type=InternalResourceGroup, name=global.adhoc.o'neil", "global.adhoc.o'neil"),
        ('type=InternalResourceGroup, name="global.a,b=c"', "global.a,b=c"),
        ('type=InternalResourceGroup, name="global.\\"x\\""', '\\"global.x\\"'),
        ("type=InternalResourceGroup, name=global.a b$1\\2", "global.a b$1\\2"),
        ("type=InternalResourceGroup, name=global.><>RunningQueries", "global.><>RunningQueries"),
        ("type=InternalResourceGroup, name=李雷", "李雷"),
    ],
)
def test_a_resource_group_is_the_label_whatever_its_name(properties: str, group: str) -> None:
    found = AGENT.matching(f"trino.execution.resourcegroups<{properties}><>RunningQueries")
    assert found and found[1].name == "presto_jmx_resource_group_queries"
    if group.startswith('\\"'):  # only the quotes around the whole are JMX's own
        group = 'global.\\"x\\"'
    assert dict(found[1].labels) == {"resource_group": group, "state": "running"}


def test_a_bean_of_another_domain_is_never_taken_for_one_of_the_engine() -> None:
    for line in (
        "evil.presto.execution<name=QueryManager><>RunningQueries",
        "trinoXexecution<name=QueryManager><>RunningQueries",
        "trino.execution<name=QueryManager, x=y><>RunningQueries",
        "trino.execution<name=QueryManager><x>RunningQueries",
        "trino.execution<name=QueryManager><>RunningQueriesToo",
    ):
        assert AGENT.matching(line) is None, line


# Trino's own metrics and the recording rules


def native(file: str) -> set[str]:
    text = (DATA / f"{file}.metrics").read_text("utf-8")
    return {match[1] for line in text.splitlines() if (match := re.match(r"(\w+)[ {]", line)) and line[0] != "#"}


def as_native(line: str) -> str:
    """Return what Trino's own metrics call an attribute of the agent."""
    domain, properties, attribute = re.fullmatch(r"([^<]*)<(.*)><>(.*)", line).groups()  # type: ignore[union-attr]
    name = re.sub(r"[^A-Za-z0-9_]+", "_", f"{domain}:{properties}")
    attribute = attribute.removesuffix(".TotalCount").replace("AllTime.Count", "AllTime.count")
    return f"{name}_{attribute.replace('.', '_')}"


@pytest.mark.parametrize("file", NATIVE)
def test_trino_serves_under_the_names_that_the_table_gives(file: str) -> None:
    """Those of promised values that a rule uses; resource groups under the names of the groups of the file."""
    names = native(file)
    kept = re.compile(build.kept_names())
    wanted = {
        f"{native_prefix(one.name)}_{native_attribute(one.value)}".replace(
            "*", "global" if one.value.bean.label == "resource_group" else "general"
        )
        for one in promises(file)
    }
    assert {name for name in wanted if kept.fullmatch(name)} <= names


@pytest.mark.parametrize("file", NATIVE)
def test_the_names_of_the_agent_and_of_trino_are_of_the_same_attributes(file: str) -> None:
    kept = re.compile(build.kept_names())
    of_agent = {as_native(line) for line in lines(file) if AGENT.matching(line)}
    differ = {name for name in of_agent if kept.fullmatch(name)} ^ {
        name for name in native(file) if not name.startswith("JMX_") and not name.endswith("AllTime_sum")
    }
    assert differ == set()


def test_every_name_in_the_rules_is_of_some_release() -> None:
    shown = {name for file in RELEASES for one in AGENT.shown(lines(file)) for name in selection(one.name, one.labels)}
    by_trino = {
        as_native(line)
        for file in RELEASES
        for line in lines(file)
        if release(file)[0] == TRINO and "><>" in line and release(file)[1] >= FIRST_NATIVE
    } | {name for file in NATIVE for name in native(file)}
    records = {rule.record for rule in RULES}
    records |= {name for rule in RULES for name in selection(rule.record, rule.labels.items())}
    known = shown | by_trino | records | OF_THE_JVM
    for rule in RULES:
        for names in alternatives(rule):
            for name in names:
                assert name in known or any(re.fullmatch(name, one) for one in by_trino if ".+" in name), name


def test_the_example_keeps_what_the_rules_use_and_drops_the_rest() -> None:
    example = yaml.safe_load((ROOT / "jmx" / "prometheus-trino.yml").read_text("utf-8"))
    for job in example["scrape_configs"]:
        (relabel,) = job["metric_relabel_configs"]
        assert relabel["action"] == "keep"
        kept = re.compile(relabel["regex"])
        used = {
            n for rule in RULES for names in alternatives(rule) for n in names if n.startswith(("trino", "io_", "JMX"))
        }
        assert all(kept.fullmatch(name.replace(".+", "global")) for name in used)
        for name in (
            "trino_execution_name_QueryManager_ExecutionTime_OneMinute_count",
            "trino_execution_name_QueryManager_RunningQueries_too",
            "io_airlift_http_client_type_HttpClient_name_ForNodeManager_AllResponse",
        ):
            assert not kept.fullmatch(name)


def names_recorded(shown: set[str]) -> set[str]:
    return {record for record, _ in recorded(RULES, shown)}


OF_EVERY_COORDINATOR = {
    "cluster:presto_server_queries:sum",
    "cluster:presto_server_queries_submitted:rate5m",
    "cluster:presto_server_queries_started:rate5m",
    "cluster:presto_server_queries_completed:rate5m",
    "cluster:presto_server_queries_canceled:rate5m",
    "cluster:presto_server_queries_abandoned:rate5m",
    "cluster:presto_server_queries_completed:increase1h",
    "cluster:presto_server_query_failures:rate5m",
    "cluster:presto_server_nodes:sum",
    "cluster:presto_server_memory_bytes:sum",
    "cluster:presto_server_memory_killed_queries:increase1h",
    "cluster:presto_server_memory_blocked_nodes:max",
    "cluster:presto_server_memory_pool_bytes:sum",
}
OF_EVERY_NODE = {
    "instance:presto_server_memory_pool_bytes:sum",
    "instance:presto_server_gc_collections:rate5m",
    "instance:presto_server_gc_seconds:rate5m",
    "instance:presto_server_gc_overhead:ratio_rate5m",
    "instance:presto_server_input_bytes:rate5m",
    "instance:presto_server_output_bytes:rate5m",
    "instance:presto_server_input_rows:rate5m",
    "instance:presto_server_cpu_seconds:rate5m",
    "instance:presto_server_pause_seconds:rate5m",
    "instance:presto_server_long_pauses:increase1h",
}
OF_SCHEDULERS = {
    "instance:presto_server_splits:sum",
    "instance:presto_server_tasks:sum",
    "instance:presto_server_runner_threads:sum",
    "instance:presto_server_runner_threads_busy:ratio",
}
HEAP = {
    "instance:presto_server_heap_used_bytes:sum",
    "instance:presto_server_heap_max_bytes:sum",
    "instance:presto_server_heap_used:ratio",
    "cluster:presto_server_heap_used:ratio",
}


@each_release
def test_what_every_release_has_is_recorded_of_the_agent(file: str) -> None:
    engine, number_, variant = release(file)
    shown = {name for one in AGENT.shown(lines(file)) for name in selection(one.name, one.labels)}
    names = names_recorded(shown | OF_THE_JVM)
    wanted = OF_EVERY_NODE | HEAP | (set() if variant == WORKER else OF_EVERY_COORDINATOR)
    if not (engine == TRINO and 437 <= number_ < 467 and not variant):
        wanted |= OF_SCHEDULERS
    assert wanted <= names
    blocked = ("cluster:presto_server_queries:sum", "state=blocked") in recorded(RULES, shown)
    assert blocked == (engine == TRINO and number_ >= 430 and variant != WORKER)


@pytest.mark.parametrize("file", NATIVE)
def test_what_every_release_has_is_recorded_of_trino_itself(file: str) -> None:
    _, number_, variant = release(file)
    names = names_recorded(native(file))
    wanted = OF_EVERY_NODE | OF_SCHEDULERS | (HEAP if number_ >= 477 else set())
    assert wanted | (set() if variant == WORKER else OF_EVERY_COORDINATOR) <= names
    assert (number_ >= 477) == (names >= HEAP)


@pytest.mark.parametrize("file", NATIVE)
def test_both_ways_lead_to_the_same_records(file: str) -> None:
    """But for heap before 477, and for collectors: the agent names each, Trino has major and minor."""
    shown = {name for one in AGENT.shown(lines(file)) for name in selection(one.name, one.labels)}
    both = recorded(RULES, shown | OF_THE_JVM) ^ recorded(RULES, native(file))
    allowed = HEAP if release(file)[1] < 477 else set()
    assert {record for record, _ in both if "_gc_" not in record} == allowed


def test_examples_of_prometheus_are_valid() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        assert not os.environ.get("CI"), "promtool: not found; install the package prometheus"
        pytest.skip("promtool is not installed")
    for example in sorted((ROOT / "jmx").glob("prometheus-*.yml")):
        done = subprocess.run([promtool, "check", "config", "--syntax-only", example], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        for job in yaml.safe_load(example.read_text("utf-8"))["scrape_configs"]:
            assert all("presto_cluster" in target["labels"] for target in job["static_configs"])


def test_the_type_of_what_is_shown_is_whole() -> None:
    """The agent merges series of one name; they need one type and one help text."""
    kinds: dict[str, set[tuple[str, str]]] = {}
    for rule in AGENT.configuration["rules"]:
        kinds.setdefault(rule["name"], set()).add((rule["type"], rule["help"]))
    assert all(len(found) == 1 for found in kinds.values())
    assert isinstance(AGENT.shown(lines(RELEASES[0]))[0], Shown)

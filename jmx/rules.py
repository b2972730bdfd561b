"""The canonical recording rules of the servers: the same names, whether the JMX agent or Trino itself was scraped.

A rule asks for the agent's series first. What Trino serves natively is used for clusters that the agent says nothing
of, so that a cluster which is scraped both ways counts once. Levels: ``cluster:`` one series per cluster and the labels
named, ``instance:`` one more for each node. Queries, nodes and memory of the cluster are the coordinator's view.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from jmx.metrics import BY_NAME, FIRST_NATIVE, TRINO, Metric, Name, Value, native_attribute, native_prefix

NATIVE_JMX = "JMX_java_lang_"
NATIVE_HEAP = f"{NATIVE_JMX}TYPE_Memory_ATTRIBUTE_HeapMemoryUsage"
NATIVE_CPU = f"{NATIVE_JMX}TYPE_OperatingSystem_ATTRIBUTE_ProcessCpuTime"
NATIVE_COLLECTIONS = "io_airlift_stats_name_GcMonitor"
NATIVE_GROUP = "trino_execution_resourcegroups_type_InternalResourceGroup_name_"


@dataclass(frozen=True, slots=True)
class Rule:
    """A recording rule; *labels* are those that it adds to the result of its expression."""

    record: str
    expr: str
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """A group of rules, and what the page on them says of it."""

    name: str
    title: str
    rules: tuple[Rule, ...]


def native_names(metric: Metric, label: str | None = None) -> list[str]:
    """Return what Trino calls this metric (one label value of it) natively, under all names that it has had."""
    found: dict[str, None] = {}
    for value in metric.values:
        if label is None or value.label == label:
            for name in _native(value):
                found[f"{native_prefix(name)}_{native_attribute(value)}".replace("*", "general")] = None
    return list(found)


def _native(value: Value) -> Iterator[Name]:
    for name in value.bean.names:
        if any(last is None or last >= FIRST_NATIVE for _, last in value.available(name, TRINO)):
            yield name


def _range(series: str, over: str) -> str:
    """Return the series itself, or what it gained: ``rate5m``, ``increase1h``."""
    if not over:
        return series
    function, window = ("rate", "5m") if over == "rate5m" else ("increase", "1h")
    return f"{function}({series}[{window}])"


def _in_base_units(metric: Metric) -> str:
    return f" * {metric.factor}" if metric.factor else ""


def _either(alternatives: Iterable[str]) -> str:
    return "\nor\n".join(alternatives)


def _by_cluster(
    record: str, metric: str, *, how: str = "sum", over: str = "", values: tuple[str, ...] = (), rename: str = ""
) -> tuple[Rule, ...]:
    """Return the rules of a metric that the coordinator has: one per value of its label, which may be renamed."""
    metric = f"presto_jmx_{metric}"
    source = BY_NAME[metric]
    every = tuple(dict.fromkeys(value.label for value in source.values))
    return tuple(
        Rule(
            record,
            _either(
                f"{how} by (presto_cluster) ({_range(series, over)})"
                for series in (_selected(source, label), *native_names(source, label))
            ),
            {rename or source.label: label} if source.label else {},
        )
        for label in values or every
    )


def _selected(metric: Metric, label: str) -> str:
    return f'{metric.name}{{{metric.label}="{label}"}}' if metric.label else metric.name


def _by_node(
    record: str, metric: str, *, over: str = "", extra: str = "", values: tuple[str, ...] = ()
) -> tuple[Rule, ...]:
    """Return the rules of a metric that every node has; *extra* is a label that the agent takes from the ObjectName."""
    metric = f"presto_jmx_{metric}"
    source = BY_NAME[metric]
    labels = ", ".join(filter(None, ("presto_cluster", "instance", extra)))
    found = []
    for label in values or tuple(dict.fromkeys(value.label for value in source.values)):
        agent = f"sum by ({labels}) ({_range(_selected(source, label), over)})"
        native = _either(_range(name, over) + _in_base_units(source) for name in native_names(source, label))
        if extra:  # natively there is but one pool
            native = f'label_replace({native}, "{extra}", "general", "", "")'
        found.append(
            Rule(
                record,
                _agent_first(agent, f"sum by ({labels}) ({_indented(native)})", source.name),
                {source.label: label} if source.label else {},
            )
        )
    return tuple(found)


def _agent_first(agent: str, native: str, marker: str) -> str:
    """Return both, the native series only of clusters without *marker*."""
    return f"{agent}\nor\n(\n  {native.replace(chr(10), chr(10) + '  ')}\n  unless on (presto_cluster) {marker}\n)"


def _indented(expression: str) -> str:
    if "\n" not in expression:
        return expression
    return "\n  " + expression.replace("\n", "\n  ") + "\n"


_HEAP = '{area="heap", presto_cluster!=""}'
_OF_NODE = "by (presto_cluster, instance)"


def _heap(record: str, agent: str, native: str) -> Rule:
    return Rule(
        record,
        _agent_first(
            f"sum {_OF_NODE} ({agent}{_HEAP})",
            f"sum {_OF_NODE} ({NATIVE_HEAP}_{native})",
            f"jvm_memory_used_bytes{_HEAP}",
        ),
    )


def _collections(record: str, suffix: str) -> Iterator[Rule]:
    agent = f'jvm_gc_collection_seconds_{suffix}{{presto_cluster!=""}}'
    yield Rule(record, f"sum by (presto_cluster, instance, gc) (rate({agent}[5m]))")
    for kind in ("major", "minor"):
        native = f"rate({NATIVE_COLLECTIONS}_{kind.capitalize()}Gc_AllTime_{suffix}[5m])"
        yield Rule(record, f"sum {_OF_NODE} ({native})\nunless on (presto_cluster) {agent}", {"gc": kind})


def _blocked() -> Rule:
    """Blocked queries: counted since Trino 470, before that what is running without progress (430 and later)."""
    exact = ("presto_jmx_queries_blocked", *native_names(BY_NAME["presto_jmx_queries_blocked"]))
    (running,) = native_names(BY_NAME["presto_jmx_queries"], "running")
    (progressing,) = native_names(BY_NAME["presto_jmx_queries_progressing"])
    return Rule(
        "cluster:presto_server_queries:sum",
        _either(
            (
                *(f"sum by (presto_cluster) ({series})" for series in exact),
                *(
                    f"sum by (presto_cluster) ({all_}) - sum by (presto_cluster) ({some})"
                    for all_, some in (
                        ('presto_jmx_queries{state="running"}', "presto_jmx_queries_progressing"),
                        (running, progressing),
                    )
                ),
            )
        ),
        {"state": "blocked"},
    )


def _resource_groups(record: str, metric: str, attributes: dict[str, str], label: str = "state") -> Iterator[Rule]:
    """Natively a group's name is part of the metric's, its dots turned into ``_``."""
    how = record.rpartition(":")[2]
    for value, attribute in attributes.items():
        agent = f'{metric}{{{label}="{value}"}}' if value else metric
        native = f'{{__name__=~"{NATIVE_GROUP}.+_{attribute}"}}'
        named = f'label_replace({native}, "resource_group", "$1", "__name__", "{NATIVE_GROUP}(.+)_{attribute}")'
        yield Rule(
            record,
            _agent_first(
                f"{how} by (presto_cluster, resource_group) ({agent})",
                f"{how} by (presto_cluster, resource_group) (\n  {named}\n)",
                metric,
            ),
            {label: value} if value else {},
        )


_POOL_KINDS = ("max", "free", "reserved", "reserved_revocable")
_LONG = ("1s-10s", "10s-1m", "1m-")


def _long_pauses() -> Rule:
    metric = BY_NAME["presto_jmx_pauses_total"]
    native = _either(
        f'label_replace({_range(native_names(metric, duration)[0], "increase1h")}, "duration", "{duration}", "", "")'
        for duration in _LONG
    )
    agent = f'{metric.name}{{duration=~"{"|".join(_LONG)}"}}'
    return Rule(
        "instance:presto_server_long_pauses:increase1h",
        _agent_first(
            f"sum {_OF_NODE} ({_range(agent, 'increase1h')})", f"sum {_OF_NODE} ({_indented(native)})", metric.name
        ),
    )


def _cluster_pools() -> Iterator[Rule]:
    metric = BY_NAME["presto_jmx_cluster_memory_pool_bytes"]
    for kind in dict.fromkeys(value.label for value in metric.values):
        (native,) = native_names(metric, kind)
        yield Rule(
            "cluster:presto_server_memory_pool_bytes:sum",
            _agent_first(
                f"max by (presto_cluster, pool) ({_selected(metric, kind)})",
                f'label_replace(max by (presto_cluster) ({native}), "pool", "general", "", "")',
                metric.name,
            ),
            {"kind": kind},
        )


GROUPS = (
    Group(
        "presto-servers-queries",
        "Queries",
        (
            *_by_cluster("cluster:presto_server_queries:sum", "queries"),
            *(
                Rule(rule.record, rule.expr, {"state": "progressing"})
                for rule in _by_cluster("cluster:presto_server_queries:sum", "queries_progressing")
            ),
            _blocked(),
            *_by_cluster(
                "cluster:presto_server_queries_waiting_for_resources_age_seconds:max",
                "queries_waiting_for_resources_age_seconds",
                how="max",
            ),
            *(
                rule
                for past in ("submitted", "started", "completed", "failed", "canceled", "abandoned")
                for rule in _by_cluster(
                    f"cluster:presto_server_queries_{past}:rate5m", f"queries_{past}_total", over="rate5m"
                )
            ),
            *_by_cluster(
                "cluster:presto_server_queries_completed:increase1h", "queries_completed_total", over="increase1h"
            ),
            *_by_cluster("cluster:presto_server_query_failures:rate5m", "query_failures_total", over="rate5m"),
            *_by_cluster("cluster:presto_server_query_failures:increase1h", "query_failures_total", over="increase1h"),
            *(
                rule
                for what in ("cpu_seconds", "input_bytes", "input_rows")
                for rule in _by_cluster(
                    f"cluster:presto_server_query_{what}:rate5m", f"query_{what}_total", over="rate5m"
                )
            ),
            *_by_cluster("cluster:presto_server_drivers:sum", "drivers"),
            *_resource_groups(
                "cluster:presto_server_resource_group_queries:sum",
                "presto_jmx_resource_group_queries",
                {"running": "RunningQueries", "queued": "QueuedQueries"},
            ),
            *_resource_groups(
                "cluster:presto_server_resource_group_queries_limit:max",
                "presto_jmx_resource_group_queries_limit",
                {"running": "HardConcurrencyLimit", "queued": "MaxQueuedQueries"},
            ),
            *_resource_groups(
                "cluster:presto_server_resource_group_memory_bytes:sum",
                "presto_jmx_resource_group_memory_bytes",
                {"": "MemoryUsageBytes"},
            ),
        ),
    ),
    Group(
        "presto-servers-cluster",
        "Nodes and memory of the cluster",
        (
            # What several nodes may say of the whole cluster is said once: the largest is the coordinator's.
            *_by_cluster("cluster:presto_server_nodes:sum", "nodes", how="max"),
            *_by_cluster("cluster:presto_server_coordinators:max", "coordinators", how="max"),
            *_by_cluster("cluster:presto_server_workers:max", "workers", how="max"),
            *_by_cluster("cluster:presto_server_resource_managers:max", "resource_managers", how="max"),
            *_by_cluster("cluster:presto_server_failure_detector_nodes:max", "failure_detector_nodes", how="max"),
            *_by_cluster("cluster:presto_server_required_workers:max", "required_workers", how="max"),
            *_by_cluster("cluster:presto_server_processors:max", "cluster_processors", how="max"),
            *_by_cluster("cluster:presto_server_memory_bytes:sum", "cluster_memory_bytes", how="max"),
            *_by_cluster("cluster:presto_server_memory_leaked_queries:sum", "cluster_memory_leaked_queries"),
            *_by_cluster(
                "cluster:presto_server_memory_killed_queries:increase1h",
                "cluster_memory_killed_queries_total",
                over="increase1h",
            ),
            *_by_cluster(
                "cluster:presto_server_memory_killed_tasks:increase1h",
                "cluster_memory_killed_tasks_total",
                over="increase1h",
            ),
            *_by_cluster(
                "cluster:presto_server_memory_blocked_nodes:max", "cluster_memory_pool_blocked_nodes", how="max"
            ),
            *_cluster_pools(),
        ),
    ),
    Group(
        "presto-servers-nodes",
        "Each node",
        (
            *_by_node("instance:presto_server_memory_pool_bytes:sum", "memory_pool_bytes", extra="pool"),
            _heap("instance:presto_server_heap_used_bytes:sum", "jvm_memory_used_bytes", "used"),
            _heap("instance:presto_server_heap_max_bytes:sum", "jvm_memory_max_bytes", "max"),
            Rule(
                "instance:presto_server_heap_used:ratio",
                "instance:presto_server_heap_used_bytes:sum / (instance:presto_server_heap_max_bytes:sum > 0)",
            ),
            *_collections("instance:presto_server_gc_collections:rate5m", "count"),
            *_collections("instance:presto_server_gc_seconds:rate5m", "sum"),
            Rule(
                "instance:presto_server_gc_overhead:ratio_rate5m",
                f"sum {_OF_NODE} (instance:presto_server_gc_seconds:rate5m)",
            ),
            *_by_node("instance:presto_server_splits:sum", "splits"),
            *_by_node("instance:presto_server_tasks:sum", "tasks"),
            *_by_node("instance:presto_server_tasks_failed:rate5m", "tasks_failed_total", over="rate5m"),
            *_by_node("instance:presto_server_tasks_created:rate5m", "tasks_started_total", over="rate5m"),
            *_by_node("instance:presto_server_runner_threads:sum", "runner_threads"),
            *_by_node("instance:presto_server_runner_threads_available:sum", "runner_threads_available"),
            Rule(
                "instance:presto_server_runner_threads_busy:ratio",
                "1 - instance:presto_server_runner_threads_available:sum"
                " / (instance:presto_server_runner_threads:sum > 0)\n"
                "or\n"
                'clamp_max(sum by (presto_cluster, instance) (instance:presto_server_splits:sum{state="running"})'
                " / (instance:presto_server_runner_threads:sum > 0), 1)",
            ),
            *(
                rule
                for what in ("input_bytes", "output_bytes", "input_rows", "output_rows")
                for rule in _by_node(f"instance:presto_server_{what}:rate5m", f"task_{what}_total", over="rate5m")
            ),
            *_by_node("instance:presto_server_split_cpu_seconds:rate5m", "split_cpu_seconds_total", over="rate5m"),
            Rule(
                "instance:presto_server_cpu_seconds:rate5m",
                _agent_first(
                    f'sum {_OF_NODE} (rate(process_cpu_seconds_total{{presto_cluster!=""}}[5m]))',
                    f"sum {_OF_NODE} (rate({NATIVE_CPU}[5m])) / 1e9",
                    'process_cpu_seconds_total{presto_cluster!=""}',
                ),
            ),
            *_by_node("instance:presto_server_pause_seconds:rate5m", "pause_seconds_total", over="rate5m"),
            _long_pauses(),
            Rule(
                "cluster:presto_server_heap_used:ratio",
                "sum by (presto_cluster) (instance:presto_server_heap_used_bytes:sum)\n"
                "/ (sum by (presto_cluster) (instance:presto_server_heap_max_bytes:sum) > 0)",
            ),
            Rule(
                "cluster:presto_server_gc_overhead:ratio_rate5m",
                "avg by (presto_cluster) (instance:presto_server_gc_overhead:ratio_rate5m)",
            ),
            Rule(
                "cluster:presto_server_cpu_seconds:rate5m",
                "sum by (presto_cluster) (instance:presto_server_cpu_seconds:rate5m)",
            ),
            Rule(
                "cluster:presto_server_splits:sum",
                "sum by (presto_cluster, state) (instance:presto_server_splits:sum)",
            ),
            Rule(
                "cluster:presto_server_tasks:sum",
                "sum by (presto_cluster) (instance:presto_server_tasks:sum)",
            ),
            Rule(
                "cluster:presto_server_runner_threads:sum",
                "sum by (presto_cluster) (instance:presto_server_runner_threads:sum)",
            ),
        ),
    ),
)

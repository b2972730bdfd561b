"""Cluster, and nodes and JVM: is it healthy? As the servers say themselves, through the recording rules."""

from __future__ import annotations

from typing import Any

from dashboards.grafana import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    RED,
    STATES,
    Column,
    Dashboard,
    Label,
    Panel,
    Query,
    Row,
    Step,
    Variable,
    heatmap,
    series,
    table,
    timeline,
)
from dashboards.promql import Scope, share
from dashboards.scope import ALL, CHOSEN, CLUSTER, EVENTS, NODES, USERS, to_cluster, to_node
from dashboards.users import time_in_queue

NODE_STATES = {
    "active": GREEN,
    "inactive": RED,
    "draining": ORANGE,
    "drained": BLUE,
    "shutting_down": PURPLE,
    "required": "text",
}
REASONS = {"user": ORANGE, "internal": RED, "insufficient_resources": PURPLE, "external": BLUE}
_HEAP = (Step(0.85, ORANGE), Step(0.95, RED))
_GC = (Step(0.05, ORANGE), Step(0.2, RED))

_NOT_BY_ALL = "not every engine tells"
_NOT_POLLED = "the exporter does not poll this cluster"
_NO_GROUPS = "no resource group has jmxExport"
_HEAP_UNKNOWN = "native metrics tell the heap from Trino 477 on only"

clusters = Variable(
    "presto_cluster",
    "Cluster",
    "The clusters to look at: those whose servers are scraped.",
    "label_values(cluster:presto_server_nodes:sum, presto_cluster)",
    many=True,
)
instances = Variable(
    "instance",
    "Node",
    "The nodes to look at.",
    'label_values(instance:presto_server_memory_pool_bytes:sum{presto_cluster=~"$presto_cluster"}, instance)',
    many=True,
)
_NODE = CHOSEN.where('instance=~"$instance"')


def _by_cluster(scope: Scope, rule: str, aggregate: str = "sum") -> str:
    return f"{aggregate} by (presto_cluster) ({scope.of(rule)})"


def _state(state: str) -> Scope:
    return ALL.where(f'state="{state}"')


_QUERIES = "cluster:presto_server_queries:sum"
_NODE_COUNT = "cluster:presto_server_nodes:sum"
_MEMORY = "cluster:presto_server_memory_bytes:sum"

_side_by_side = Row(
    "All clusters, side by side",
    (
        table(
            "Clusters",
            "One row per cluster, now. Internal errors: queries that failed within an hour through the engine's own "
            "fault. Required: the workers that waiting queries ask for, 0 when none waits. Blocked: nodes whose memory "
            "pool is full. Heap and GC: of the worst node.",
            (
                Label(
                    "presto_cluster",
                    "Cluster",
                    130,
                    (
                        to_cluster(CLUSTER, "This cluster"),
                        to_cluster(NODES, "Its nodes"),
                        to_cluster(USERS, "Its users"),
                    ),
                ),
            ),
            (
                Column("Running", _by_cluster(_state("running"), _QUERIES), decimals=0),
                Column("Queued", _by_cluster(_state("queued"), _QUERIES), decimals=0),
                Column("Blocked", _by_cluster(_state("blocked"), _QUERIES), decimals=0, may_be_empty=_NOT_BY_ALL),
                Column(
                    "Wait for workers",
                    _by_cluster(_state("waiting_for_resources"), _QUERIES),
                    decimals=0,
                    steps=(Step(1, ORANGE),),
                    may_be_empty=_NOT_BY_ALL,
                ),
                Column(
                    "Internal errors",
                    _by_cluster(ALL.where(reason="internal"), "cluster:presto_server_query_failures:increase1h"),
                    decimals=0,
                    steps=(Step(1, ORANGE), Step(10, RED)),
                ),
                Column("Nodes", _by_cluster(_state("active"), _NODE_COUNT), decimals=0),
                Column(
                    "Not active",
                    _by_cluster(_state("inactive"), _NODE_COUNT),
                    decimals=0,
                    steps=(Step(1, RED),),
                ),
                Column(
                    "Required",
                    _by_cluster(ALL, "cluster:presto_server_required_workers:max", "max"),
                    decimals=0,
                    may_be_empty=_NOT_BY_ALL,
                ),
                Column(
                    "Blocked nodes",
                    _by_cluster(ALL, "cluster:presto_server_memory_blocked_nodes:max", "max"),
                    decimals=0,
                    steps=(Step(1, RED),),
                ),
                Column(
                    "Memory in use",
                    f"{_by_cluster(ALL.where(kind='total_reserved'), _MEMORY)} / "
                    f"({_by_cluster(ALL.where(kind='distributed'), _MEMORY)} > 0)",
                    "percentunit",
                    0,
                    steps=(Step(0.8, ORANGE), Step(0.95, RED)),
                ),
                Column(
                    "Heap",
                    _by_cluster(ALL, "instance:presto_server_heap_used:ratio", "max"),
                    "percentunit",
                    0,
                    steps=_HEAP,
                    may_be_empty=_HEAP_UNKNOWN,
                ),
                Column(
                    "In GC",
                    _by_cluster(ALL, "instance:presto_server_gc_overhead:ratio_rate5m", "max"),
                    "percentunit",
                    1,
                    steps=_GC,
                    may_be_empty=_NOT_BY_ALL,
                ),
            ),
            "Running",
            height=6,
        ),
    ),
)

_queries = Row(
    "Queries of: $presto_cluster",
    (
        series(
            "Queries by state",
            "As the coordinator counts them. Blocked, progressing and finishing ones are part of the running ones; "
            "which states there are depends on the engine.",
            "short",
            Query(CHOSEN.now(_QUERIES, "state"), "{{state}}"),
            colours=STATES,
            decimals=0,
            width=8,
        ),
        series(
            "In flight as listed",
            "The same from the exporter, stacked: every query listed that has not ended is in exactly one state. "
            "Every engine tells these, blocked and waiting for resources included.",
            "short",
            Query(CHOSEN.now("presto_user_queries_in_flight", "state"), "{{state}}", "nothing is in flight"),
            stacked=True,
            colours=STATES,
            decimals=0,
            width=8,
        ),
        series(
            "Queries per second",
            "Submitted, started and completed; canceled and abandoned ones are among the completed. "
            "More submitted than completed for long: the queue grows.",
            "reqps",
            *(
                Query(CHOSEN.now(f"cluster:presto_server_queries_{what}:rate5m"), what)
                for what in ("submitted", "started", "completed", "canceled", "abandoned")
            ),
            width=8,
        ),
        series(
            "Failures by reason",
            "Failed queries per second, stacked. `user` are mistakes in queries; `internal` and `external` are for "
            "the operators, `insufficient_resources` for both.",
            "reqps",
            Query(CHOSEN.now("cluster:presto_server_query_failures:rate5m", "reason"), "{{reason}}"),
            stacked=True,
            colours=REASONS,
            width=8,
        ),
        time_in_queue(
            "How long ended queries had waited, from the exporter: half of them less than p50, one in twenty longer "
            "than p95.",
            width=8,
        ),
        heatmap(
            "How long queries take",
            "Ended queries by their time from creation to end, from the exporter.",
            "s",
            CHOSEN.rate("presto_query_duration_seconds_bucket", "le"),
            width=8,
        ),
    ),
)

_groups = Row(
    "Resource groups",
    (
        series(
            "Queued by resource group",
            "Queries in the queue of each group that has jmxExport.",
            "short",
            Query(
                f"max by (presto_cluster, resource_group) "
                f"({CHOSEN.where(state='queued').of('cluster:presto_server_resource_group_queries:sum')})",
                "{{presto_cluster}} {{resource_group}}",
                _NO_GROUPS,
            ),
            decimals=0,
            legend="right",
            empty="no resource group has jmxExport",
        ),
        series(
            "Running by resource group",
            "Running queries of each group that has jmxExport, as a share of its hardConcurrencyLimit.",
            "percentunit",
            Query(
                f"{CHOSEN.where(state='running').of('cluster:presto_server_resource_group_queries:sum')} / "
                f"({CHOSEN.where(state='running').of('cluster:presto_server_resource_group_queries_limit:max')} > 0)",
                "{{presto_cluster}} {{resource_group}}",
                _NO_GROUPS,
            ),
            legend="right",
            empty="no resource group has jmxExport",
        ),
    ),
)

_memory = Row(
    "Memory",
    (
        series(
            "Memory of the cluster",
            "Distributed: what the memory pools of all nodes have. Reserved: what queries hold of it, user memory "
            "and all of it.",
            "bytes",
            Query(CHOSEN.now(_MEMORY, "kind"), "{{kind}}"),
            width=8,
        ),
        series(
            "Least free memory pool",
            "The smallest free share of a node's memory pool: at zero its queries are blocked.",
            "percentunit",
            Query(
                "min by (presto_cluster, pool) ("
                f"{CHOSEN.where(kind='free').of('instance:presto_server_memory_pool_bytes:sum')} / ignoring (kind) "
                f"({CHOSEN.where(kind='max').of('instance:presto_server_memory_pool_bytes:sum')} > 0))",
                "{{presto_cluster}} {{pool}}",
            ),
            most=1,
            width=8,
        ),
        series(
            "Out of memory",
            "Nodes whose memory pool is full, and what the cluster did about it: queries and tasks killed within an "
            "hour. Leaked: ended queries that still hold memory.",
            "short",
            Query(CHOSEN.now("cluster:presto_server_memory_blocked_nodes:max"), "blocked nodes"),
            Query(CHOSEN.now("cluster:presto_server_memory_killed_queries:increase1h"), "killed queries, 1 h"),
            Query(CHOSEN.now("cluster:presto_server_memory_killed_tasks:increase1h"), "killed tasks, 1 h", _NOT_BY_ALL),
            Query(CHOSEN.now("cluster:presto_server_memory_leaked_queries:sum"), "leaked queries", _NOT_BY_ALL),
            decimals=0,
            width=8,
        ),
    ),
)

_nodes = Row(
    "Nodes",
    (
        series(
            "Cluster size",
            "Nodes by state as the coordinator sees them, itself included, and the workers that waiting queries "
            "require.",
            "short",
            Query(CHOSEN.now(_NODE_COUNT, "state"), "{{state}}"),
            Query(CHOSEN.now("cluster:presto_server_required_workers:max"), "required", _NOT_BY_ALL),
            colours=NODE_STATES,
            decimals=0,
            width=8,
        ),
        series(
            "Heap used",
            "Share of the heap in use: of the worst node and of all nodes together. Sawteeth are normal, a rising "
            "floor is not.",
            "percentunit",
            Query(
                f"max by (presto_cluster) ({CHOSEN.of('instance:presto_server_heap_used:ratio')})",
                "{{presto_cluster}} worst",
                _HEAP_UNKNOWN,
            ),
            Query(CHOSEN.of("cluster:presto_server_heap_used:ratio"), "{{presto_cluster}} all", _HEAP_UNKNOWN),
            most=1,
            steps=_HEAP,
            width=8,
        ),
        series(
            "Time in garbage collection",
            "Share of the time spent in garbage collection: by the worst node and in the mean over all nodes.",
            "percentunit",
            Query(
                f"max by (presto_cluster) ({CHOSEN.of('instance:presto_server_gc_overhead:ratio_rate5m')})",
                "{{presto_cluster}} worst",
                _NOT_BY_ALL,
            ),
            Query(CHOSEN.of("cluster:presto_server_gc_overhead:ratio_rate5m"), "{{presto_cluster}} mean", _NOT_BY_ALL),
            steps=_GC,
            width=8,
        ),
        series(
            "Garbage collections",
            "How often each collector runs, per second, on all nodes together.",
            "ops",
            Query(CHOSEN.now("instance:presto_server_gc_collections:rate5m", "gc"), "{{gc}}", _NOT_BY_ALL),
            width=8,
        ),
        series(
            "Duration of a collection",
            "Mean time of one collection on all nodes: seconds in the collector per collection.",
            "s",
            Query(
                share(
                    CHOSEN.now("instance:presto_server_gc_seconds:rate5m", "gc"),
                    CHOSEN.now("instance:presto_server_gc_collections:rate5m", "gc"),
                ),
                "{{gc}}",
                "nothing was collected",
            ),
            width=8,
        ),
        series(
            "CPU of the servers, in cores",
            "CPU seconds per second of all server processes, and how many processors the cluster has.",
            "short",
            Query(CHOSEN.now("cluster:presto_server_cpu_seconds:rate5m"), "used", _NOT_BY_ALL),
            Query(CHOSEN.now("cluster:presto_server_processors:max"), "there", _NOT_BY_ALL),
            width=8,
        ),
        series(
            "Splits by state",
            "Splits on all nodes: the work that queries are made of. Many waiting: the workers are the bottleneck.",
            "short",
            Query(CHOSEN.now("cluster:presto_server_splits:sum", "state"), "{{state}}"),
            colours=STATES,
            decimals=0,
            width=8,
        ),
        series(
            "Read by queries",
            "Bytes that completed queries had read per second, as the coordinator adds them up at their end.",
            "Bps",
            Query(CHOSEN.now("cluster:presto_server_query_input_bytes:rate5m", "presto_cluster"), "{{presto_cluster}}"),
            width=8,
        ),
        timeline(
            "Coordinator answers the exporter",
            "Whether the last poll of the coordinator succeeded.",
            Query(f"min by (presto_cluster) ({CHOSEN.of('presto_up')})", "{{presto_cluster}}", _NOT_POLLED),
            {1: ("answers", GREEN), 0: ("does not", RED)},
            width=8,
        ),
    ),
)

CLUSTER_DASHBOARD = Dashboard(
    CLUSTER,
    "Presto / Cluster",
    "Is the cluster healthy? Queries by state, queues, memory and nodes, from the servers' own metrics through the "
    "recording rules of presto-query-exporter.",
    (_side_by_side, _queries, _groups, _memory, _nodes),
    (clusters,),
    EVENTS,
    since="now-3h",
)

_POOL = "instance:presto_server_memory_pool_bytes:sum"
_BY_NODE = "{{instance}}"

_all_nodes = Row(
    "Nodes of: $presto_cluster",
    (
        table(
            "Nodes",
            "One row per server, now. Click a node to see it alone.",
            (
                Label("presto_cluster", "Cluster", 120),
                Label("instance", "Node", 200, (to_node(),)),
            ),
            (
                Column(
                    "CPU, cores",
                    _NODE.now("instance:presto_server_cpu_seconds:rate5m", "presto_cluster", "instance"),
                    "short",
                    2,
                    may_be_empty=_NOT_BY_ALL,
                ),
                Column(
                    "Heap",
                    _NODE.now("instance:presto_server_heap_used:ratio", "presto_cluster", "instance"),
                    "percentunit",
                    0,
                    steps=_HEAP,
                    may_be_empty=_HEAP_UNKNOWN,
                ),
                Column(
                    "Heap size",
                    _NODE.now("instance:presto_server_heap_max_bytes:sum", "presto_cluster", "instance"),
                    "bytes",
                    1,
                    may_be_empty=_HEAP_UNKNOWN,
                ),
                Column(
                    "In GC",
                    _NODE.now("instance:presto_server_gc_overhead:ratio_rate5m", "presto_cluster", "instance"),
                    "percentunit",
                    1,
                    steps=_GC,
                    may_be_empty=_NOT_BY_ALL,
                ),
                Column(
                    "Long pauses, 1 h",
                    _NODE.now("instance:presto_server_long_pauses:increase1h", "presto_cluster", "instance"),
                    decimals=0,
                    steps=(Step(1, ORANGE), Step(10, RED)),
                ),
                Column(
                    "Pool in use",
                    "1 - "
                    f"{_NODE.where(kind='free').now(_POOL, 'presto_cluster', 'instance')} / "
                    f"({_NODE.where(kind='max').now(_POOL, 'presto_cluster', 'instance')} > 0)",
                    "percentunit",
                    0,
                    steps=(Step(0.8, ORANGE), Step(0.95, RED)),
                ),
                Column(
                    "Tasks", _NODE.now("instance:presto_server_tasks:sum", "presto_cluster", "instance"), decimals=0
                ),
                Column(
                    "Threads busy",
                    _NODE.now("instance:presto_server_runner_threads_busy:ratio", "presto_cluster", "instance"),
                    "percentunit",
                    0,
                    steps=(Step(0.9, ORANGE),),
                ),
                Column(
                    "Reads",
                    _NODE.now("instance:presto_server_input_bytes:rate5m", "presto_cluster", "instance"),
                    "Bps",
                    1,
                ),
            ),
            "Heap",
            height=9,
        ),
    ),
)


def _lines(title: str, description: str, unit: str, *queries: Query, **more: Any) -> Panel:
    """Return a panel with lines of many nodes."""
    return series(title, description, unit, *queries, filled=False, **more)


_jvm = Row(
    "Java: $instance",
    (
        _lines(
            "Heap used",
            "Heap in use, after and between collections.",
            "bytes",
            Query(_NODE.of("instance:presto_server_heap_used_bytes:sum"), _BY_NODE, _HEAP_UNKNOWN),
            width=8,
        ),
        _lines(
            "Heap used, share",
            "Share of the largest heap that the JVM may take.",
            "percentunit",
            Query(_NODE.of("instance:presto_server_heap_used:ratio"), _BY_NODE, _HEAP_UNKNOWN),
            most=1,
            steps=_HEAP,
            width=8,
        ),
        _lines(
            "CPU, in cores",
            "CPU seconds per second of the server's process.",
            "short",
            Query(_NODE.of("instance:presto_server_cpu_seconds:rate5m"), _BY_NODE, _NOT_BY_ALL),
            width=8,
        ),
        _lines(
            "Garbage collections",
            "How often each collector runs, per second.",
            "ops",
            Query(_NODE.of("instance:presto_server_gc_collections:rate5m"), "{{instance}} {{gc}}", _NOT_BY_ALL),
            width=8,
        ),
        _lines(
            "Duration of a collection",
            "Mean time of one collection: seconds in the collector per collection.",
            "s",
            Query(
                f"{_NODE.of('instance:presto_server_gc_seconds:rate5m')} / "
                f"({_NODE.of('instance:presto_server_gc_collections:rate5m')} > 0)",
                "{{instance}} {{gc}}",
                "nothing was collected",
            ),
            width=8,
        ),
        _lines(
            "Time in garbage collection",
            "Share of the time spent in garbage collection, all collectors together.",
            "percentunit",
            Query(_NODE.of("instance:presto_server_gc_overhead:ratio_rate5m"), _BY_NODE, _NOT_BY_ALL),
            steps=_GC,
            width=8,
        ),
        _lines(
            "Time at a standstill",
            "Share of the time in which the whole JVM stood still, whatever the reason: collections, swapping, a "
            "stopped virtual machine.",
            "percentunit",
            Query(_NODE.of("instance:presto_server_pause_seconds:rate5m"), _BY_NODE),
            steps=(Step(0.05, ORANGE),),
            width=8,
        ),
        _lines(
            "Long pauses",
            "Standstills of a second and more within an hour: after several of them the coordinator gives a node up.",
            "short",
            Query(_NODE.of("instance:presto_server_long_pauses:increase1h"), _BY_NODE),
            decimals=0,
            width=8,
        ),
        _lines(
            "Memory pool in use",
            "What queries have reserved of the node's memory pools.",
            "bytes",
            Query(_NODE.where(kind="reserved").of(_POOL), "{{instance}} {{pool}}"),
            width=8,
        ),
    ),
)

_work = Row(
    "Work: $instance",
    (
        _lines(
            "Memory pool, free share",
            "Free share of each memory pool: at zero the queries on the node are blocked.",
            "percentunit",
            Query(
                f"{_NODE.where(kind='free').of(_POOL)} / ignoring (kind) ({_NODE.where(kind='max').of(_POOL)} > 0)",
                "{{instance}} {{pool}}",
            ),
            most=1,
            width=8,
        ),
        _lines(
            "Splits by state",
            "Splits on the chosen nodes. Many waiting and all threads busy: the node has too much to do.",
            "short",
            Query(_NODE.now("instance:presto_server_splits:sum", "state"), "{{state}}"),
            colours=STATES,
            decimals=0,
            width=8,
        ),
        _lines(
            "Threads busy",
            "Share of the threads that run splits which are busy.",
            "percentunit",
            Query(_NODE.of("instance:presto_server_runner_threads_busy:ratio"), _BY_NODE),
            most=1,
            width=8,
        ),
        _lines(
            "Tasks",
            "Tasks on the node, ended ones that are still kept included.",
            "short",
            Query(_NODE.of("instance:presto_server_tasks:sum"), _BY_NODE),
            decimals=0,
            width=8,
        ),
        _lines(
            "Failed tasks",
            "Tasks that failed, per second.",
            "ops",
            Query(_NODE.of("instance:presto_server_tasks_failed:rate5m"), _BY_NODE),
            width=8,
        ),
        _lines(
            "Bytes in and out",
            "Bytes that tasks of this node read and wrote per second: from storage and between nodes.",
            "Bps",
            Query(_NODE.of("instance:presto_server_input_bytes:rate5m"), "{{instance}} in"),
            Query(_NODE.of("instance:presto_server_output_bytes:rate5m"), "{{instance}} out"),
            width=8,
        ),
    ),
)

NODES_DASHBOARD = Dashboard(
    NODES,
    "Presto / Nodes and JVM",
    "Each server: heap, garbage collection, pauses, memory pools, splits and tasks, through the recording rules of "
    "presto-query-exporter.",
    (_all_nodes, _jvm, _work),
    (clusters, instances),
    EVENTS,
    since="now-3h",
)

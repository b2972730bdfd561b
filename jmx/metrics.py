"""What the servers say of themselves: one row per metric, with the MBeans and releases that have it.

`build` writes the agent's configuration, the recording rules and the reference from this table; nothing else knows an
ObjectName. Attributes and releases were read from the annotated classes of ``presto-main`` and ``trino-main`` and from
running servers; ``tests/data/jmx`` holds both. A counter is only what never falls: of a ``CounterStat`` its
``TotalCount``; the windows beside it decay and are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

PRESTOSQL, TRINO, PRESTODB = "prestosql", "trino", "prestodb"

ENGINES = {PRESTOSQL: (300, 350), TRINO: (351, None), PRESTODB: (250, None)}
"""The first and the last release of each engine that the table speaks of; PrestoDB's without the leading ``0.``."""

FIRST_NATIVE = 407
"""The first Trino that serves these metrics at ``/metrics`` itself."""


def number(release: str) -> int:
    """Return what orders releases of one engine: 338 of ``338``, 296 of ``0.296``."""
    return int(release.removeprefix("0."))


@dataclass(frozen=True, slots=True)
class Releases:
    """The releases that have something, from ``prestosql, trino 351-436, trino 467-, prestodb 0.287-``."""

    text: str

    def ranges(self, engine: str) -> list[tuple[int, int | None]]:
        """Return the first and last releases of *engine*; None: up to today."""
        found: list[tuple[int, int | None]] = []
        for part in self.text.split(", "):
            name, _, releases = part.partition(" ")
            if name == engine:
                first, _, last = releases.partition("-")
                earliest, latest = ENGINES[engine]
                found.append((number(first) if first else earliest, number(last) if last else latest))
        return found


ALL = Releases("prestosql, trino, prestodb")


class Where(StrEnum):
    """The nodes that have a bean."""

    COORDINATOR = "coordinator"
    EVERY_NODE = "every node"


@dataclass(frozen=True, slots=True)
class Name:
    """The ObjectName of a bean in some releases."""

    releases: Releases
    domain: str
    properties: str
    where: Where
    only_if: str = ""
    """What a server needs to have it, where its own defaults are not enough."""

    @property
    def object_name(self) -> str:
        """Return it as JMX writes it."""
        return f"{self.domain}:{self.properties}"


@dataclass(frozen=True, slots=True)
class Bean:
    """One MBean under all its names."""

    names: tuple[Name, ...]
    label: str = ""
    """The label that takes what ``*`` stands for in the properties."""


class Kind(StrEnum):
    """The types of the agent that are used."""

    COUNTER = "counter"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Value:
    """An attribute of a bean that is a metric, or one label value of it."""

    bean: Bean
    attribute: str
    label: str = ""
    releases: Releases = ALL
    late: bool = False
    """True if a server may have been running for a while before it shows the attribute."""

    def available(self, name: Name, engine: str) -> list[tuple[int, int | None]]:
        """Return the first and last releases of *engine* that have the attribute under this name of the bean."""
        return [
            (max(first, from_), min((end for end in (last, to) if end is not None), default=None))
            for first, last in name.releases.ranges(engine)
            for from_, to in self.releases.ranges(engine)
            if (to is None or first <= to) and (last is None or from_ <= last)
        ]

    def names(self, engine: str, release: int) -> list[Name]:
        """Return the names under which this release has the attribute."""
        return [
            name
            for name in self.bean.names
            if any(first <= release <= (last or release) for first, last in self.available(name, engine))
        ]


@dataclass(frozen=True, slots=True)
class Metric:
    """What the agent shows: a name, and where its values come from."""

    name: str
    kind: Kind
    help: str
    values: tuple[Value, ...]
    label: str = ""
    """The label in which the values differ."""
    factor: str = ""
    """What values are multiplied with to be in base units."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the names of all labels."""
        captured = {value.bean.label for value in self.values} - {""}
        return (*sorted(captured), *([self.label] if self.label else []))


def _memory(properties: str, where: Where) -> tuple[Name, ...]:
    domains = {PRESTODB: "com.facebook.presto.memory", PRESTOSQL: "presto.memory", TRINO: "trino.memory"}
    return tuple(Name(Releases(engine), domain, properties, where) for engine, domain in domains.items())


_COORDINATOR, _EVERY_NODE = Where.COORDINATOR, Where.EVERY_NODE
_TIME_SHARING = "`experimental.thread-per-driver-scheduler-enabled=false`"
_JMX_EXPORT = '`"jmxExport": true` in the group'

QUERIES = Bean(
    (
        # PrestoDB's QueryManager counts too, but not the queries that fail before they are planned.
        Name(Releases(PRESTODB), "com.facebook.presto.dispatcher", "name=DispatchManager", _COORDINATOR),
        Name(Releases(PRESTOSQL), "presto.execution", "name=QueryManager", _COORDINATOR),
        Name(Releases(TRINO), "trino.execution", "name=QueryManager", _COORDINATOR),
    )
)
CLUSTER_SIZE = Bean(
    (
        Name(Releases("prestosql 333-"), "presto.execution", "name=ClusterSizeMonitor", _COORDINATOR),
        Name(Releases(TRINO), "trino.execution", "name=ClusterSizeMonitor", _COORDINATOR),
    )
)
NODES = Bean(
    (
        Name(Releases(PRESTODB), "com.facebook.presto.metadata", "name=DiscoveryNodeManager", _EVERY_NODE),
        Name(Releases(PRESTOSQL), "presto.metadata", "name=DiscoveryNodeManager", _EVERY_NODE),
        Name(Releases("trino 351-476"), "trino.metadata", "name=DiscoveryNodeManager", _EVERY_NODE),
        Name(Releases("trino 477-"), "trino.node", "name=CoordinatorNodeManager", _COORDINATOR),
    )
)
FAILURE_DETECTOR = Bean(
    (
        Name(Releases(PRESTODB), "com.facebook.presto.failureDetector", "name=HeartbeatFailureDetector", _COORDINATOR),
        Name(Releases("prestosql 300-306"), "presto.failureDetector", "name=HeartbeatFailureDetector", _COORDINATOR),
        Name(Releases("prestosql 307-"), "presto.failuredetector", "name=HeartbeatFailureDetector", _COORDINATOR),
        Name(Releases("trino 351-476"), "trino.failuredetector", "name=HeartbeatFailureDetector", _COORDINATOR),
        Name(
            Releases("trino 477-"),
            "trino.failuredetector",
            "name=HeartbeatFailureDetector",
            _COORDINATOR,
            "`discovery.type=airlift-discovery`",
        ),
    )
)
CLUSTER_MEMORY = Bean(_memory("name=ClusterMemoryManager", _COORDINATOR))
CLUSTER_POOL = Bean(_memory("type=ClusterMemoryPool,name=*", _COORDINATOR), label="pool")
POOL = Bean(_memory("type=MemoryPool,name=*", _EVERY_NODE), label="pool")
GROUP = Bean(
    tuple(
        Name(Releases(engine), domain, "type=InternalResourceGroup,name=*", _COORDINATOR, _JMX_EXPORT)
        for engine, domain in (
            (PRESTODB, "com.facebook.presto.execution.resourceGroups"),
            (PRESTOSQL, "presto.execution.resourcegroups"),
            (TRINO, "trino.execution.resourcegroups"),
        )
    ),
    label="resource_group",
)
TASKS = Bean(
    (
        Name(Releases(PRESTODB), "com.facebook.presto.execution", "name=TaskManager", _EVERY_NODE),
        Name(Releases(PRESTOSQL), "presto.execution", "name=TaskManager", _EVERY_NODE),
        Name(Releases("trino 351-371"), "trino.execution", "name=TaskManager", _EVERY_NODE),
        Name(Releases("trino 372-"), "trino.execution", "name=SqlTaskManager", _EVERY_NODE),
    )
)
# From 437 on, drivers have threads of their own unless that is switched off. Until 466 that scheduler shows nothing.
TIME_SHARING = Bean(
    (
        Name(Releases(PRESTODB), "com.facebook.presto.execution.executor", "name=TaskExecutor", _EVERY_NODE),
        Name(Releases(PRESTOSQL), "presto.execution.executor", "name=TaskExecutor", _EVERY_NODE),
        Name(Releases("trino 351-436"), "trino.execution.executor", "name=TaskExecutor", _EVERY_NODE),
        Name(Releases("trino 437-454"), "trino.execution.executor", "name=TaskExecutor", _EVERY_NODE, _TIME_SHARING),
        Name(
            Releases("trino 455-"),
            "trino.execution.executor.timesharing",
            "name=TimeSharingTaskExecutor",
            _EVERY_NODE,
            _TIME_SHARING,
        ),
    )
)
DEDICATED = Bean(
    (
        Name(
            Releases("trino 467-"),
            "trino.execution.executor.dedicated",
            "name=ThreadPerDriverTaskExecutor",
            _EVERY_NODE,
        ),
    )
)
PAUSES = Bean(
    (
        Name(Releases(PRESTODB), "com.facebook.airlift.stats", "name=PauseMeter", _EVERY_NODE),
        Name(Releases("prestosql, trino"), "io.airlift.stats", "name=PauseMeter", _EVERY_NODE),
    )
)
COLLECTIONS = Bean((Name(Releases("prestosql 346-, trino"), "io.airlift.stats", "name=GcMonitor", _EVERY_NODE),))


def _gauge(name: str, help_: str, *values: Value, label: str = "") -> Metric:
    return Metric(f"presto_jmx_{name}", Kind.GAUGE, help_, values, label)


def _counter(name: str, help_: str, *values: Value, label: str = "", factor: str = "") -> Metric:
    return Metric(f"presto_jmx_{name}_total", Kind.COUNTER, help_, values, label, factor)


_SQL = Releases("prestosql, trino")

METRICS = (
    _gauge(
        "queries",
        "Queries now, by state; running includes those that are blocked.",
        Value(QUERIES, "RunningQueries", "running"),
        Value(QUERIES, "QueuedQueries", "queued"),
        Value(QUERIES, "FinishingQueries", "finishing", Releases("trino 461-")),
        Value(QUERIES, "WaitingForResourcesQueries", "waiting_for_resources", Releases("trino 483-")),
        label="state",
    ),
    _gauge(
        "queries_progressing",
        "Running queries of which at least one driver is not blocked.",
        Value(QUERIES, "ProgressingQueries", releases=Releases("trino 430-")),
    ),
    _gauge(
        "queries_blocked",
        "Running queries of which every driver is blocked.",
        Value(QUERIES, "FullyBlockedQueries", releases=Releases("trino 470-")),
    ),
    _gauge(
        "queries_waiting_for_resources_age_seconds",
        "Time that the oldest query waiting for resources has waited.",
        Value(QUERIES, "WaitingForResourcesMaxAgeInSeconds", releases=Releases("trino 483-")),
    ),
    *(
        _counter(f"queries_{past}", f"Queries {past} since the server started.", Value(QUERIES, attribute))
        for past, attribute in (
            ("submitted", "SubmittedQueries.TotalCount"),
            ("started", "StartedQueries.TotalCount"),
            ("completed", "CompletedQueries.TotalCount"),
            ("failed", "FailedQueries.TotalCount"),
            ("canceled", "CanceledQueries.TotalCount"),
            ("abandoned", "AbandonedQueries.TotalCount"),
        )
    ),
    _counter(
        "query_failures",
        "Queries that failed, by the type of their error.",
        Value(QUERIES, "UserErrorFailures.TotalCount", "user"),
        Value(QUERIES, "InternalFailures.TotalCount", "internal"),
        Value(QUERIES, "ExternalFailures.TotalCount", "external"),
        Value(QUERIES, "InsufficientResourcesFailures.TotalCount", "insufficient_resources"),
        label="reason",
    ),
    _counter(
        "query_cpu_seconds",
        "CPU time of completed queries, the fraction of a second of each cut off.",
        Value(QUERIES, "ConsumedCpuTimeSecs.TotalCount"),
    ),
    _counter("query_input_bytes", "Bytes read by completed queries.", Value(QUERIES, "ConsumedInputBytes.TotalCount")),
    _counter("query_input_rows", "Rows read by completed queries.", Value(QUERIES, "ConsumedInputRows.TotalCount")),
    _gauge(
        "drivers",
        "Drivers of all queries now, by state.",
        Value(QUERIES, "RunningDrivers", "running", Releases("trino 450-")),
        Value(QUERIES, "BlockedDrivers", "blocked", Releases("trino 450-")),
        Value(QUERIES, "QueuedDrivers", "queued", Releases("trino 450-")),
        label="state",
    ),
    _gauge(
        "required_workers",
        "Workers that the query needs which waits for the most of them; 0 if none waits.",
        Value(CLUSTER_SIZE, "RequiredWorkers"),
    ),
    _gauge(
        "nodes",
        "Nodes that this node knows, coordinators included, by state.",
        Value(NODES, "ActiveNodeCount", "active"),
        Value(NODES, "InactiveNodeCount", "inactive"),
        Value(NODES, "ShuttingDownNodeCount", "shutting_down"),
        Value(NODES, "DrainingNodeCount", "draining", Releases("trino 468-")),
        Value(NODES, "DrainedNodeCount", "drained", Releases("trino 468-")),
        label="state",
    ),
    _gauge(
        "coordinators",
        "Active coordinators that this node knows.",
        Value(NODES, "ActiveCoordinatorCount", releases=Releases("trino 480-, prestodb 0.287-")),
    ),
    _gauge(
        "workers",
        "Active workers that are not coordinators.",
        Value(NODES, "ActiveWorkerCount", releases=Releases("trino 480-")),
    ),
    _gauge(
        "resource_managers",
        "Active resource managers that this node knows.",
        Value(NODES, "ActiveResourceManagerCount", releases=Releases("prestodb 0.287-")),
    ),
    _gauge(
        "failure_detector_nodes",
        "Other nodes that the coordinator sends heartbeats to, by whether they answer.",
        Value(FAILURE_DETECTOR, "ActiveCount", "active"),
        Value(FAILURE_DETECTOR, "FailedCount", "failed"),
        label="state",
    ),
    _gauge(
        "cluster_memory_bytes",
        "Memory of the cluster: distributed over its nodes' pools, and reserved or leaked by queries.",
        Value(CLUSTER_MEMORY, "ClusterMemoryBytes", "distributed"),
        Value(CLUSTER_MEMORY, "ClusterUserMemoryReservation", "user_reserved"),
        Value(CLUSTER_MEMORY, "ClusterTotalMemoryReservation", "total_reserved"),
        Value(CLUSTER_MEMORY, "LeakedBytes", "leaked", Releases("prestodb 0.287-")),
        label="kind",
    ),
    _gauge(
        "cluster_memory_leaked_queries",
        "Queries that ended and still hold memory.",
        Value(CLUSTER_MEMORY, "NumberOfLeakedQueries", releases=_SQL),
        Value(CLUSTER_MEMORY, "NumberOfLeakedQueries", releases=Releases(PRESTODB), late=True),
    ),
    _counter(
        "cluster_memory_killed_queries",
        "Queries killed because the cluster was out of memory.",
        Value(CLUSTER_MEMORY, "QueriesKilledDueToOutOfMemory"),
    ),
    _counter(
        "cluster_memory_killed_tasks",
        "Tasks killed because the cluster was out of memory.",
        Value(CLUSTER_MEMORY, "TasksKilledDueToOutOfMemory", releases=Releases("trino 373-")),
    ),
    _gauge(
        "cluster_processors",
        "Processors of all nodes.",
        Value(CLUSTER_MEMORY, "TotalAvailableProcessors", releases=_SQL),
    ),
    _gauge(
        "cluster_memory_pool_bytes",
        "Memory pool summed over the nodes of the cluster.",
        Value(CLUSTER_POOL, "TotalDistributedBytes", "total"),
        Value(CLUSTER_POOL, "FreeDistributedBytes", "free"),
        Value(CLUSTER_POOL, "ReservedDistributedBytes", "reserved"),
        Value(CLUSTER_POOL, "ReservedRevocableDistributedBytes", "reserved_revocable"),
        label="kind",
    ),
    _gauge("cluster_memory_pool_nodes", "Nodes that have the pool.", Value(CLUSTER_POOL, "Nodes")),
    _gauge(
        "cluster_memory_pool_blocked_nodes",
        "Nodes on which the pool is full, so that queries wait for memory.",
        Value(CLUSTER_POOL, "BlockedNodes"),
    ),
    _gauge("cluster_memory_pool_queries", "Queries assigned to the pool.", Value(CLUSTER_POOL, "AssignedQueries")),
    _gauge(
        "memory_pool_bytes",
        "Memory pool of this node.",
        Value(POOL, "MaxBytes", "max"),
        Value(POOL, "FreeBytes", "free"),
        Value(POOL, "ReservedBytes", "reserved"),
        Value(POOL, "ReservedRevocableBytes", "reserved_revocable"),
        label="kind",
    ),
    _gauge(
        "resource_group_queries",
        "Queries of a resource group and its subgroups now, by state.",
        Value(GROUP, "RunningQueries", "running"),
        Value(GROUP, "QueuedQueries", "queued"),
        label="state",
    ),
    _gauge(
        "resource_group_queries_limit",
        "Queries that a resource group may have in a state: hardConcurrencyLimit and maxQueued.",
        Value(GROUP, "HardConcurrencyLimit", "running"),
        Value(GROUP, "MaxQueuedQueries", "queued"),
        label="state",
    ),
    _gauge(
        "resource_group_memory_bytes",
        "Memory that the queries of a resource group and its subgroups hold now.",
        Value(GROUP, "MemoryUsageBytes", releases=Releases("trino 457-")),
    ),
    _gauge(
        "resource_group_memory_limit_bytes",
        "Memory above which queries of a resource group wait: softMemoryLimit.",
        Value(GROUP, "SoftMemoryLimitBytes", releases=Releases("trino 457-")),
    ),
    _counter(
        "task_input_bytes", "Bytes that tasks on this node have taken in.", Value(TASKS, "InputDataSize.TotalCount")
    ),
    _counter(
        "task_input_rows", "Rows that tasks on this node have taken in.", Value(TASKS, "InputPositions.TotalCount")
    ),
    _counter(
        "task_output_bytes", "Bytes that tasks on this node have put out.", Value(TASKS, "OutputDataSize.TotalCount")
    ),
    _counter(
        "task_output_rows", "Rows that tasks on this node have put out.", Value(TASKS, "OutputPositions.TotalCount")
    ),
    _counter("tasks_failed", "Tasks on this node that failed.", Value(TASKS, "FailedTasks.TotalCount")),
    _counter(
        "tasks_started",
        "Tasks that this node has begun.",
        Value(TASKS, "CreatedTasks.TotalCount", releases=Releases("trino 469-")),
    ),
    _gauge(
        "tasks",
        "Tasks that run on this node.",
        Value(TIME_SHARING, "Tasks"),
        Value(DEDICATED, "Tasks"),
    ),
    _gauge(
        "splits",
        "Splits on this node now, by state.",
        Value(TIME_SHARING, "RunningSplits", "running"),
        Value(TIME_SHARING, "WaitingSplits", "waiting"),
        Value(TIME_SHARING, "BlockedSplits", "blocked"),
        Value(DEDICATED, "TotalRunningSplits", "running"),
        Value(DEDICATED, "TotalPendingLeafSplits", "waiting"),
        label="state",
    ),
    _gauge(
        "splits_runaway",
        "Splits that have been running for too long without a break.",
        Value(TIME_SHARING, "RunAwaySplitCount"),
    ),
    _gauge(
        "runner_threads",
        "Splits that may run on this node at the same time.",
        Value(TIME_SHARING, "RunnerThreads"),
        Value(DEDICATED, "ConcurrencyControlTotalSlots"),
    ),
    _gauge(
        "runner_threads_available",
        "How many more splits may run on this node now.",
        Value(DEDICATED, "ConcurrencyControlAvailableSlots"),
    ),
    _counter(
        "split_cpu_seconds",
        "CPU time of splits on this node.",
        Value(TIME_SHARING, "GlobalCpuTimeMicros.TotalCount"),
        factor="0.000001",
    ),
    _counter(
        "split_scheduled_seconds",
        "Time that splits on this node had a thread.",
        Value(TIME_SHARING, "GlobalScheduledTimeMicros.TotalCount"),
        factor="0.000001",
    ),
    _counter("pause_seconds", "Time that the JVM stood still.", Value(PAUSES, "TotalPauseSeconds")),
    _counter(
        "pauses",
        "Times that the JVM stood still for 10 ms or more, by how long.",
        Value(PAUSES, "10msTo50msPauses", "10ms-50ms"),
        Value(PAUSES, "50msTo500msPauses", "50ms-500ms"),
        Value(PAUSES, "500msTo1sPauses", "500ms-1s"),
        Value(PAUSES, "1sTo10sPauses", "1s-10s"),
        Value(PAUSES, "10sTo1mPauses", "10s-1m"),
        Value(PAUSES, "GreaterThan1mPauses", "1m-"),
        label="duration",
    ),
    _counter(
        "gc_collections",
        "Garbage collections, by what the engine takes them for.",
        Value(COLLECTIONS, "MajorGc.AllTime.Count", "major"),
        Value(COLLECTIONS, "MinorGc.AllTime.Count", "minor"),
        label="kind",
    ),
)

BY_NAME = {metric.name: metric for metric in METRICS}


def native_prefix(name: Name) -> str:
    """Return what Trino's own ``/metrics`` puts before the attributes of this bean; ``*`` stays for the caller."""
    return re.sub(r"[^A-Za-z0-9_*]+", "_", name.object_name)


def native_attribute(value: Value) -> str:
    """Return the attribute as Trino's own ``/metrics`` writes it."""
    return value.attribute.removesuffix(".TotalCount").replace("AllTime.Count", "AllTime.count").replace(".", "_")


@dataclass(frozen=True, slots=True)
class Promise:
    """What a node must show: series whose captured labels are left open."""

    metric: Metric
    value: Value
    name: Name


def promised(engine: str, release: int, where: Where) -> list[Promise]:
    """Return what a node of this release shows whose settings are the engine's own defaults, and what it may show.

    The latter have a name with *only_if*, or a value that comes late.
    """
    return [
        Promise(metric, value, name)
        for metric in METRICS
        for value in metric.values
        for name in value.names(engine, release)
        if where is Where.COORDINATOR or name.where is Where.EVERY_NODE
    ]

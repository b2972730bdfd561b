"""Users: all clusters side by side, then the users of the chosen ones: who runs, costs, fails and waits."""

from __future__ import annotations

from typing import Any

from dashboards.grafana import (
    ERROR_TYPES,
    GREEN,
    ORANGE,
    OUTCOMES,
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
    bars,
    heatmap,
    number,
    series,
    table,
)
from dashboards.promql import Scope, change, share, top
from dashboards.scope import ALL, CHOSEN, CLUSTER, EVENTS, USERS, clusters, to_cluster, to_user

QUERIES = "presto_user_queries_total"
ERRORS = "presto_user_query_errors_total"
CPU = "presto_user_query_cpu_seconds_total"
FAILED_CPU = "presto_user_query_failed_cpu_seconds_total"
BYTES = "presto_user_query_input_bytes_total"
MEMORY = "presto_user_query_memory_byte_seconds_total"
QUEUED = "presto_user_query_queued_seconds_total"
ELAPSED = "presto_user_query_elapsed_seconds_total"
IN_FLIGHT = "presto_user_queries_in_flight"
HELD = "presto_user_in_flight_memory_bytes"
OLDEST = "presto_user_oldest_in_flight_query_timestamp_seconds"

QUEUED_NOW = 'state=~"queued|waiting_for_resources|waiting_for_prerequisites|dispatching"'
GIB_HOURS = "/ (1024 ^ 3 * 3600)"
"""From byte seconds: one GiB held for an hour is 1."""

_SHARE_FAILED = (Step(0.1, ORANGE), Step(0.3, RED))
_SHARE_IN_VAIN = (Step(0.1, ORANGE), Step(0.25, RED))
_AGE = (Step(1800, ORANGE), Step(7200, RED))
NOTHING_IN_FLIGHT = "nothing is in flight"
NOTHING_FAILED = "nothing failed"
NOTHING_BEFORE = "nothing is known of the range before"

users = Variable(
    "users",
    "Users",
    "The users to look at.",
    'label_values(presto_user_queries_total{presto_cluster=~"$presto_cluster"}, user)',
    many=True,
)
_HERE = CHOSEN.where('user=~"$users"')


def by_outcome_and_error(scope: Scope, description: str) -> tuple[Panel, Panel]:
    """Return the panels of how queries end, which *description* explains, and of what they fail."""
    return (
        series(
            "Queries by outcome",
            description,
            "reqps",
            Query(scope.rate(QUERIES, "outcome"), "{{outcome}}"),
            stacked=True,
            colours=OUTCOMES,
            width=8,
        ),
        series(
            "Failures by type of error",
            "Failed queries per second, stacked, by who is to blame in the engine's words.",
            "reqps",
            Query(scope.where(outcome="failed").rate(ERRORS, "error_type"), "{{error_type}}", NOTHING_FAILED),
            stacked=True,
            colours=ERROR_TYPES,
            width=8,
        ),
    )


def by_state(scope: Scope, description: str) -> Panel:
    """Return the panel of the states that queries in flight are in."""
    return series(
        "In flight by state",
        description,
        "short",
        Query(scope.now(IN_FLIGHT, "state"), "{{state}}", NOTHING_IN_FLIGHT),
        stacked=True,
        colours=STATES,
        decimals=0,
        width=8,
    )


def time_in_queue(description: str, **more: Any) -> Panel:
    """Return the panel of how long queries of the chosen clusters waited; nothing tells it by user."""
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    queries = [Query(CHOSEN.quantile(share, "presto_query_queued_seconds"), name) for name, share in shares.items()]
    return series("Time in the queue", description, "s", *queries, **more)


def amounts(scope: Scope, *by: str) -> tuple[Column, ...]:
    """Return the columns that say for each value of *by* how much was run, how it ended and what it cost."""
    queries = scope.total(QUERIES, *by)
    cpu = scope.total(CPU, *by)
    return (
        Column("Queries", queries, decimals=0, width=75),
        Column(
            "Failed",
            share(scope.where(outcome="failed").total(QUERIES, *by), queries),
            "percentunit",
            1,
            75,
            _SHARE_FAILED,
        ),
        Column("Canceled", share(scope.where(outcome="canceled").total(QUERIES, *by), queries), "percentunit", 1, 75),
        Column("CPU", cpu, "s", 1, 140, bar=True),
        Column("In vain", share(scope.total(FAILED_CPU, *by), cpu), "percentunit", 1, 70, _SHARE_IN_VAIN),
        Column("Read", scope.total(BYTES, *by), "bytes", 1, 80),
        Column("Mem, GiB·h", f"{scope.total(MEMORY, *by)} {GIB_HOURS}", "short", 1, 95),
        Column("Mean time", share(scope.total(ELAPSED, *by), queries), "s", 1, 85),
        Column("Mean wait", share(scope.total(QUEUED, *by), queries), "s", 1, 85),
    )


def in_flight(scope: Scope, *by: str) -> tuple[Column, ...]:
    """Return the columns that say for each value of *by* what runs and waits now."""
    listed = ", ".join(by)
    return (
        Column("In flight", scope.now(IN_FLIGHT, *by), decimals=0, width=70, may_be_empty=NOTHING_IN_FLIGHT),
        Column(
            "Waiting",
            f"{scope.where(QUEUED_NOW).now(IN_FLIGHT, *by)} or 0 * {scope.now(IN_FLIGHT, *by)}",
            decimals=0,
            width=80,
            may_be_empty=NOTHING_IN_FLIGHT,
        ),
        Column("Holds", scope.now(HELD, *by), "bytes", 1, 80, may_be_empty=NOTHING_IN_FLIGHT),
        Column(
            "Oldest",
            f"time() - min by ({listed}) ({scope.of(OLDEST)})",
            "s",
            1,
            80,
            _AGE,
            may_be_empty=NOTHING_IN_FLIGHT,
        ),
    )


_CLUSTER_STATE = (
    "max by (presto_cluster) (presto_up) * on (presto_cluster) group_left (engine, version) "
    "max by (presto_cluster, engine, version) (presto_coordinator_info) or on (presto_cluster) "
    "max by (presto_cluster) (presto_up)"
)

_side_by_side = Row(
    "All clusters, side by side",
    (
        table(
            "Clusters",
            "One row per cluster, over the range of the dashboard; the last four columns are now. "
            "A cluster that does not answer keeps its counters; what is in flight there is not known.",
            (
                Label(
                    "presto_cluster",
                    "Cluster",
                    110,
                    (to_cluster(USERS, "Users of this cluster"), to_cluster(CLUSTER, "This cluster's servers")),
                ),
                Label("engine", "Engine", 85),
                Label("version", "Version", 70),
            ),
            (
                Column("Answers", _CLUSTER_STATE, width=70, names={1: ("yes", GREEN), 0: ("no", RED)}),
                Column(
                    "Users",
                    f"count by (presto_cluster) ({ALL.total(QUERIES, 'presto_cluster', 'user')} > 0)",
                    decimals=0,
                    width=55,
                ),
                *amounts(ALL, "presto_cluster"),
                *in_flight(ALL, "presto_cluster"),
            ),
            "CPU",
            height=6,
        ),
        series(
            "Queries ended",
            "Queries that ended per second, whatever their outcome, by cluster.",
            "reqps",
            Query(ALL.rate(QUERIES, "presto_cluster"), "{{presto_cluster}}"),
            width=6,
        ),
        series(
            "Share that failed",
            "Failed queries out of all that ended, by cluster; canceled ones are not failed. "
            "Mistakes of users count here, other than in the service level objectives.",
            "percentunit",
            Query(
                share(
                    ALL.where(outcome="failed").rate(QUERIES, "presto_cluster"),
                    ALL.rate(QUERIES, "presto_cluster"),
                ),
                "{{presto_cluster}}",
            ),
            width=6,
            most=1,
        ),
        series(
            "CPU used, in cores",
            "CPU seconds of queries per second: how many cores the queries keep busy, by cluster.",
            "short",
            Query(ALL.rate(CPU, "presto_cluster"), "{{presto_cluster}}"),
            width=6,
        ),
        series(
            "In flight",
            "Queries listed by the coordinator that have not ended, by cluster.",
            "short",
            Query(ALL.now(IN_FLIGHT, "presto_cluster"), "{{presto_cluster}}"),
            width=6,
            decimals=0,
        ),
    ),
)

_summary = Row(
    "Users of: $presto_cluster",
    (
        number(
            "Active users",
            "Users with at least one query that ended in the range.",
            "none",
            f"count({_HERE.total(QUERIES, 'user')} > 0)",
            decimals=0,
        ),
        number("Queries ended", "Queries that ended in the range.", "locale", _HERE.total(QUERIES), decimals=0),
        number(
            "Failed",
            "Share of the ended queries that failed, canceled ones not included.",
            "percentunit",
            share(_HERE.where(outcome="failed").total(QUERIES), _HERE.total(QUERIES)),
            steps=_SHARE_FAILED,
            decimals=1,
            empty="no queries",
        ),
        number(
            "Canceled",
            "Share of the ended queries that their users or an administrator canceled.",
            "percentunit",
            share(_HERE.where(outcome="canceled").total(QUERIES), _HERE.total(QUERIES)),
            decimals=1,
            empty="no queries",
        ),
        number("CPU", "CPU time of queries in the range.", "s", _HERE.total(CPU), decimals=1),
        number(
            "CPU in vain",
            "Share of the CPU time that went into queries that failed or were canceled, and into failed attempts.",
            "percentunit",
            share(_HERE.total(FAILED_CPU), _HERE.total(CPU)),
            steps=_SHARE_IN_VAIN,
            decimals=1,
            empty="no CPU used",
        ),
        number("Read", "Bytes read from storage in the range.", "bytes", _HERE.total(BYTES), decimals=1),
        number(
            "Oldest in flight",
            "Age of the oldest query that has not ended.",
            "s",
            f"time() - min({_HERE.of(OLDEST)})",
            steps=_AGE,
            decimals=1,
            empty="none",
            may_be_empty=NOTHING_IN_FLIGHT,
        ),
    ),
)


def _top_users(title: str, description: str, unit: str, expression: str, may_be_empty: str = "") -> Panel:
    query = Query(top(10, expression), "{{user}}", may_be_empty)
    return bars(title, description, unit, query, links=(to_user("${__field.labels.user:percentencode}"),))


_costs = Row(
    "Who costs",
    (
        _top_users("CPU", "CPU time in the range: the ten users with most.", "s", _HERE.total(CPU, "user")),
        _top_users(
            "CPU in vain",
            "CPU time of queries that failed or were canceled, and of failed attempts: the ten users with most.",
            "s",
            f"{_HERE.total(FAILED_CPU, 'user')} > 0",
            NOTHING_FAILED,
        ),
        _top_users(
            "Bytes read", "Bytes read from storage: the ten users with most.", "bytes", _HERE.total(BYTES, "user")
        ),
        _top_users(
            "Memory, GiB·h",
            "User memory held, integrated over time, in GiB hours: the ten users with most.",
            "short",
            f"{_HERE.total(MEMORY, 'user')} {GIB_HOURS}",
        ),
        series(
            "CPU by user, in cores",
            "CPU seconds of queries per second, stacked: the eight users with most in the whole range.",
            "short",
            Query(_HERE.top_rate(8, CPU, "user"), "{{user}}"),
            stacked=True,
            legend="right",
            height=9,
        ),
        series(
            "Bytes read by user",
            "Bytes read from storage per second: the eight users with most in the whole range.",
            "Bps",
            Query(_HERE.top_rate(8, BYTES, "user"), "{{user}}"),
            legend="right",
            height=9,
        ),
        table(
            "All users",
            "What each user ran in the range, how it ended and what it cost. Shares: of the user's own queries and "
            "CPU. Means: per ended query. Change: against the range of the same length before. Click a name for "
            "everything about the user, a heading to sort.",
            (Label("user", "User", 170, (to_user(),)),),
            (
                *amounts(_HERE, "user"),
                Column(
                    "CPU, change",
                    change(_HERE.total(CPU, "user"), _HERE.before(CPU, "user")),
                    "percentunit",
                    0,
                    95,
                    (Step(1, ORANGE),),
                    may_be_empty=NOTHING_BEFORE,
                ),
                Column(
                    "Of all CPU",
                    f"{_HERE.total(CPU, 'user')} / on () group_left () ({CHOSEN.total(CPU)} > 0)",
                    "percentunit",
                    1,
                    90,
                ),
                *in_flight(_HERE, "user"),
            ),
            "CPU",
            height=11,
        ),
        table(
            "By tool",
            "The same by the source that clients send: the tool, the driver or the job.",
            (Label("source", "Source", 170),),
            amounts(_HERE, "source"),
            "CPU",
            height=8,
        ),
    ),
)

_fails = Row(
    "Who fails, who cancels",
    (
        *by_outcome_and_error(
            _HERE, "Queries that ended per second, stacked: every query that ends is exactly one of the three."
        ),
        series(
            "CPU in vain, in cores",
            "CPU seconds per second that went into queries that failed or were canceled, charged at their end: "
            "the eight users with most.",
            "short",
            Query(_HERE.top_rate(8, FAILED_CPU, "user"), "{{user}}"),
            stacked=True,
            width=8,
        ),
        table(
            "Errors",
            "All errors of the range: how many queries ended with them and how many users they hit. "
            "Many users: the cluster or the data. One user: the query.",
            (Label("error_type", "Type", 205), Label("error_name", "Error"), Label("outcome", "Outcome", 85)),
            (
                Column(
                    "Queries",
                    f"{_HERE.total(ERRORS, 'error_type', 'error_name', 'outcome')} > 0",
                    decimals=0,
                    width=120,
                    bar=True,
                    may_be_empty=NOTHING_FAILED,
                ),
                Column(
                    "Users",
                    "count by (error_type, error_name, outcome) "
                    f"({_HERE.total(ERRORS, 'error_type', 'error_name', 'outcome', 'user')} > 0)",
                    decimals=0,
                    width=65,
                    may_be_empty=NOTHING_FAILED,
                ),
            ),
            "Queries",
            width=12,
            height=11,
        ),
        table(
            "Who fails, of what",
            "Failed queries by user and error: the 30 most frequent.",
            (Label("user", "User", 170, (to_user(),)), Label("error_name", "Error")),
            (
                Column(
                    "Failed",
                    f"topk(30, {_HERE.where(outcome='failed').total(ERRORS, 'user', 'error_name')} > 0)",
                    decimals=0,
                    width=120,
                    bar=True,
                    may_be_empty=NOTHING_FAILED,
                ),
            ),
            "Failed",
            width=12,
            height=11,
        ),
    ),
)

_waits = Row(
    "Who runs, who waits",
    (
        by_state(
            _HERE, "Queries that have not ended by state, stacked. Blocked ones run, but nothing in them proceeds."
        ),
        series(
            "In flight by user",
            "Queries that have not ended, stacked: who fills the cluster.",
            "short",
            Query(_HERE.now(IN_FLIGHT, "user"), "{{user}}", NOTHING_IN_FLIGHT),
            stacked=True,
            decimals=0,
            width=8,
        ),
        time_in_queue(
            "How long ended queries had waited: half of them less than p50, one in twenty longer than p95. "
            "For the whole clusters, whoever the users are.",
            width=8,
        ),
        table(
            "In flight now",
            "Who runs and waits at this moment, and for how long already.",
            (
                Label("presto_cluster", "Cluster", 120),
                Label("user", "User", 170, (to_user(),)),
                Label("source", "Source"),
            ),
            in_flight(_HERE, "presto_cluster", "user", "source"),
            "Oldest",
            width=12,
            height=8,
        ),
        _top_users(
            "Mean wait",
            "Mean time in the queue per ended query: the ten users who wait longest.",
            "s",
            share(_HERE.total(QUEUED, "user"), _HERE.total(QUERIES, "user")),
        ),
        _top_users(
            "Mean time",
            "Mean time from creation to end per ended query: the ten users whose queries take longest.",
            "s",
            share(_HERE.total(ELAPSED, "user"), _HERE.total(QUERIES, "user")),
        ),
        heatmap(
            "How long queries take",
            "Ended queries by their time from creation to end, for the whole clusters.",
            "s",
            CHOSEN.rate("presto_query_duration_seconds_bucket", "le"),
            height=9,
        ),
        heatmap(
            "How much memory queries hold at their peak",
            "Ended queries by their peak of user memory, for the whole clusters.",
            "bytes",
            CHOSEN.rate("presto_query_peak_memory_bytes_bucket", "le"),
            height=9,
        ),
    ),
)

DASHBOARD = Dashboard(
    USERS,
    "Presto / Users",
    "Who runs, costs, fails, cancels and waits, from the counters of presto-query-exporter: every query once.",
    (_side_by_side, _summary, _costs, _fails, _waits),
    (clusters, users),
    EVENTS,
)

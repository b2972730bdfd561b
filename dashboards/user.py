"""One user: everything about one of them."""

from __future__ import annotations

from dashboards.grafana import (
    ORANGE,
    RED,
    Column,
    Dashboard,
    Label,
    Link,
    Query,
    Row,
    Step,
    Variable,
    number,
    series,
    table,
)
from dashboards.promql import share
from dashboards.scope import CHOSEN, EVENTS, USER, clusters, exporter_url
from dashboards.users import (
    BYTES,
    CPU,
    ELAPSED,
    ERRORS,
    FAILED_CPU,
    HELD,
    MEMORY,
    NOTHING_FAILED,
    NOTHING_IN_FLIGHT,
    OLDEST,
    QUERIES,
    QUEUED,
    amounts,
    by_outcome_and_error,
    by_state,
    in_flight,
)

user = Variable(
    "user",
    "User",
    "The user to look at.",
    'label_values(presto_user_queries_total{presto_cluster=~"$presto_cluster"}, user)',
)
# In backquotes nothing is escaped, so quotes and backslashes of a name mean themselves.
_THEIRS = CHOSEN.where("user=`${user:raw}`")
ROWS = "presto_user_query_input_rows_total"
BUDGET = "presto_user_budget_cpu_seconds"
_LOST = "presto_user_queries_lost_total"
_PAGE = Link("Queries of this user", "${exporter_url:raw}/queries/user?name=${user:percentencode}", new_tab=True)

_summary = Row(
    "$user",
    (
        number(
            "Queries ended",
            "Queries of this user that ended in the range. Click for the exporter's page about them.",
            "locale",
            _THEIRS.total(QUERIES),
            decimals=0,
            links=(_PAGE,),
        ),
        number(
            "Failed",
            "Share of the ended queries that failed, canceled ones not included.",
            "percentunit",
            share(_THEIRS.where(outcome="failed").total(QUERIES), _THEIRS.total(QUERIES)),
            steps=(Step(0.1, ORANGE), Step(0.3, RED)),
            decimals=1,
            empty="no queries",
        ),
        number(
            "Canceled",
            "Share of the ended queries that were canceled.",
            "percentunit",
            share(_THEIRS.where(outcome="canceled").total(QUERIES), _THEIRS.total(QUERIES)),
            decimals=1,
            empty="no queries",
            width=2,
        ),
        number("CPU", "CPU time of the queries in the range.", "s", _THEIRS.total(CPU), decimals=1),
        number(
            "Of all CPU",
            "Share of the CPU time of all users of these clusters.",
            "percentunit",
            share(_THEIRS.total(CPU), CHOSEN.total(CPU)),
            decimals=1,
            empty="no CPU used",
            width=2,
        ),
        number(
            "CPU in vain",
            "Share of the user's CPU time that went into queries that failed or were canceled.",
            "percentunit",
            share(_THEIRS.total(FAILED_CPU), _THEIRS.total(CPU)),
            steps=(Step(0.1, ORANGE), Step(0.25, RED)),
            decimals=1,
            empty="no CPU used",
            width=2,
        ),
        number(
            "Of the day's budget",
            "CPU time of the last 24 hours out of the budget that a rule sets for the user, where there is one.",
            "percentunit",
            f"sum(increase({_THEIRS.of(CPU)}[1d]) and on (presto_cluster, user) {BUDGET}) / {_THEIRS.now(BUDGET)}",
            steps=(Step(0.8, ORANGE), Step(1, RED)),
            decimals=0,
            empty="no budget",
            may_be_empty="the user has no budget",
        ),
        number("Read", "Bytes read from storage in the range.", "bytes", _THEIRS.total(BYTES), decimals=1),
        number(
            "Oldest in flight",
            "Age of the user's oldest query that has not ended.",
            "s",
            f"time() - min({_THEIRS.of(OLDEST)})",
            steps=(Step(1800, ORANGE), Step(7200, RED)),
            decimals=1,
            empty="none",
            may_be_empty=NOTHING_IN_FLIGHT,
        ),
    ),
)

_runs = Row(
    "What runs, how it ends",
    (
        *by_outcome_and_error(_THEIRS, "Queries that ended per second, stacked."),
        by_state(_THEIRS, "The user's queries that have not ended, stacked."),
        table(
            "Errors",
            "All errors of the user's queries in the range, by the tool that sent them.",
            (
                Label("error_type", "Type", 205),
                Label("error_name", "Error"),
                Label("outcome", "Outcome", 85),
                Label("source", "Source", 120),
            ),
            (
                Column(
                    "Queries",
                    f"{_THEIRS.total(ERRORS, 'error_type', 'error_name', 'outcome', 'source')} > 0",
                    decimals=0,
                    width=120,
                    bar=True,
                    may_be_empty=NOTHING_FAILED,
                ),
            ),
            "Queries",
            width=12,
            height=9,
        ),
        table(
            "In flight now",
            "What runs and waits at this moment, by cluster and tool.",
            (Label("presto_cluster", "Cluster", 120), Label("source", "Source")),
            in_flight(_THEIRS, "presto_cluster", "source"),
            "Oldest",
            width=12,
            height=9,
        ),
    ),
)

_costs = Row(
    "What it costs",
    (
        series(
            "CPU, in cores",
            "CPU seconds of the user's queries per second; in vain: of those that failed or were canceled, "
            "charged at their end, so that it may be more than all of the same minute.",
            "short",
            Query(_THEIRS.rate(CPU), "all"),
            Query(_THEIRS.rate(FAILED_CPU), "in vain"),
            width=8,
            colours={"in vain": RED},
        ),
        series(
            "Bytes read",
            "Bytes read from storage per second.",
            "Bps",
            Query(_THEIRS.rate(BYTES), "read"),
            width=8,
        ),
        series("Rows read", "Rows read per second.", "rowsps", Query(_THEIRS.rate(ROWS), "rows"), width=8),
        series(
            "Memory held",
            "User memory of all the user's queries: held now, and the mean since the sample before.",
            "bytes",
            Query(_THEIRS.now(HELD), "now", NOTHING_IN_FLIGHT),
            Query(_THEIRS.rate(MEMORY), "mean"),
            width=8,
        ),
        series(
            "Time per query",
            "Mean per ended query: from creation to end, and in the queue.",
            "s",
            Query(share(_THEIRS.rate(ELAPSED), _THEIRS.rate(QUERIES)), "creation to end"),
            Query(share(_THEIRS.rate(QUEUED), _THEIRS.rate(QUERIES)), "in the queue"),
            width=8,
        ),
        series(
            "CPU by tool, in cores",
            "CPU seconds per second by the source that the client sends, stacked.",
            "short",
            Query(_THEIRS.rate(CPU, "source"), "{{source}}"),
            stacked=True,
            width=8,
        ),
        table(
            "By cluster and tool",
            "What the user ran in the range, how it ended and what it cost.",
            (Label("presto_cluster", "Cluster", 120), Label("source", "Source", 150)),
            (
                *amounts(_THEIRS, "presto_cluster", "source"),
                Column("Lost", _THEIRS.total(_LOST, "presto_cluster", "source"), decimals=0, width=70),
            ),
            "CPU",
            height=8,
        ),
    ),
)

DASHBOARD = Dashboard(
    USER,
    "Presto / One user",
    "Everything about one user: how their queries end, what they cost, what of theirs is in flight.",
    (_summary, _runs, _costs),
    (clusters, user, exporter_url),
    EVENTS,
)

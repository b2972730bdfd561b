"""The exporter itself: can its numbers be trusted?"""

from __future__ import annotations

from dashboards.grafana import (
    BLUE,
    GREEN,
    ORANGE,
    RED,
    Column,
    Dashboard,
    Label,
    Query,
    Row,
    Step,
    bars,
    number,
    series,
    table,
    timeline,
)
from dashboards.scope import ALL, CHOSEN, EVENTS, EXPORTER, clusters, firing
from dashboards.users import QUERIES

POLLS = "presto_exporter_polls_total"
_LAST = "presto_exporter_last_successful_poll_timestamp_seconds"
_HEADROOM = "presto_exporter_retention_headroom_seconds"
_COMPLETENESS = "cluster:presto_queries_completeness:ratio"
_LOST = "presto_user_queries_lost_total"
_MISSED = "presto_exporter_queries_missed_total"
_GAPS = "presto_exporter_poll_gaps_total"
_REJECTED = "presto_exporter_records_rejected_total"

_LOSS = (Step(1, ORANGE), Step(10, RED))
_NOT_SCRAPED = "needs the servers' own counters"
_NOT_YET = "not known yet"


def _ours(metric: str) -> str:
    """Return the selector of a metric of every Python process, for those that are exporters."""
    return f"{metric} and on (job, instance) presto_exporter_build_info"


def _each(expression: str) -> str:
    return f"max by (presto_cluster) ({expression})"


_summary = Row(
    "Can the numbers be trusted?",
    (
        table(
            "Clusters",
            "One row per cluster; counts are of the range. Complete: queries counted by the exporter in an hour out of "
            "those that the server says it completed, near 100 % when the servers are scraped. Room left: how much "
            "longer the coordinator kept ended queries than the last poll needed.",
            (Label("presto_cluster", "Cluster", 130),),
            (
                Column("Answers", _each(ALL.of("presto_up")), width=80, names={1: ("yes", GREEN), 0: ("no", RED)}),
                Column(
                    "Coordinator up for",
                    f"time() - {_each(ALL.of('presto_coordinator_start_time_seconds'))}",
                    "s",
                    0,
                    steps=(Step(float("-inf"), ORANGE), Step(3600, GREEN)),
                ),
                Column(
                    "Last poll, ago",
                    f"time() - {_each(ALL.of(_LAST))}",
                    "s",
                    0,
                    steps=(Step(60, ORANGE), Step(300, RED)),
                ),
                Column(
                    "Room left",
                    _each(ALL.of(_HEADROOM)),
                    "s",
                    0,
                    steps=(Step(float("-inf"), RED), Step(60, ORANGE), Step(300, GREEN)),
                    may_be_empty=_NOT_YET,
                ),
                Column(
                    "Complete",
                    _each(ALL.of(_COMPLETENESS)),
                    "percentunit",
                    1,
                    steps=(Step(float("-inf"), RED), Step(0.95, ORANGE), Step(0.99, GREEN), Step(1.02, ORANGE)),
                    may_be_empty=_NOT_SCRAPED,
                ),
                Column("Queries counted", ALL.total(QUERIES, "presto_cluster"), decimals=0),
                Column("Missed at most", ALL.total(_MISSED, "presto_cluster"), decimals=0, steps=_LOSS),
                Column(
                    "Lost by restarts",
                    ALL.total(_LOST, "presto_cluster"),
                    decimals=0,
                    steps=_LOSS,
                    may_be_empty="none was lost",
                ),
                Column("Gaps", ALL.total(_GAPS, "presto_cluster"), decimals=0, steps=_LOSS),
                Column("Rejected records", ALL.total(_REJECTED, "presto_cluster"), decimals=0, steps=_LOSS),
                Column(
                    "Visible users",
                    _each(ALL.of("presto_exporter_visible_users")),
                    decimals=0,
                    steps=(Step(float("-inf"), ORANGE), Step(2, GREEN)),
                ),
            ),
            "Queries counted",
            height=6,
        ),
        series(
            "Completeness",
            "Queries counted by the exporter within an hour out of those that the servers completed. Above 100 %: a "
            "first list counts what the coordinator remembers of the time before.",
            "percentunit",
            Query(CHOSEN.of(_COMPLETENESS), "{{presto_cluster}}", _NOT_SCRAPED),
            width=8,
            least=None,
            empty="needs the servers' own counters",
        ),
        series(
            "Retention headroom",
            "How much longer the coordinator kept ended queries than the last poll needed. Near zero queries end and "
            "are forgotten between two polls: poll more often, or raise query.min-expire-age or query.max-history.",
            "s",
            Query(CHOSEN.of(_HEADROOM), "{{presto_cluster}}", _NOT_YET),
            width=8,
            least=None,
            steps=(Step(float("-inf"), RED), Step(60, GREEN)),
        ),
        series(
            "What may be missing",
            "Queries within an hour that ended unseen at most (ids that never appeared), were lost with their "
            "coordinator's restart, or had records that could not be understood; and polls whose list does not overlap "
            "the one before.",
            "short",
            *(
                Query(f"sum(increase({CHOSEN.of(metric)}[1h]))", legend)
                for metric, legend in (
                    (_MISSED, "missed at most"),
                    (_LOST, "lost by restarts"),
                    (_REJECTED, "rejected records"),
                    (_GAPS, "gaps between lists"),
                )
            ),
            decimals=0,
            width=8,
        ),
    ),
)

_polls = Row(
    "Polls of: $presto_cluster",
    (
        series(
            "Polls by result",
            "Polls of the coordinators per second, stacked. Everything but `success` leaves the counters as they are.",
            "ops",
            Query(f"{CHOSEN.rate(POLLS, 'result')} > 0", "{{result}}"),
            stacked=True,
            colours={
                "success": GREEN,
                "timeout": ORANGE,
                "connection": RED,
                "too_large": BLUE,
            },
            width=8,
        ),
        series(
            "Duration of a poll",
            "From the request to the last byte. It has to stay below the poll interval.",
            "s",
            Query(CHOSEN.of("presto_exporter_poll_duration_seconds"), "{{presto_cluster}}"),
            width=8,
        ),
        series(
            "Size of the list",
            "Bytes of the last list, decompressed; above max_response_bytes a poll fails.",
            "bytes",
            Query(CHOSEN.of("presto_exporter_poll_response_bytes"), "{{presto_cluster}}"),
            width=8,
        ),
        timeline(
            "Coordinator answers",
            "Whether the last poll succeeded.",
            Query(f"min by (presto_cluster) ({CHOSEN.of('presto_up')})", "{{presto_cluster}}"),
            {1: ("answers", GREEN), 0: ("does not", RED)},
            width=8,
        ),
        series(
            "Queries listed",
            "Queries in the last list, ended ones included.",
            "short",
            Query(CHOSEN.of("presto_exporter_queries_listed"), "{{presto_cluster}}"),
            decimals=0,
            width=8,
        ),
        series(
            "Visible users",
            "Distinct users in the last list. A lasting 0 or 1 smells of missing rights to view other users' queries.",
            "short",
            Query(CHOSEN.of("presto_exporter_visible_users"), "{{presto_cluster}}"),
            decimals=0,
            width=8,
        ),
        series(
            "Rejected records",
            "Records of a list that could not be understood, per second; the rest of the list counts.",
            "ops",
            Query(CHOSEN.rate(_REJECTED, "reason"), "{{reason}}"),
            width=8,
        ),
        bars(
            "Places of labels in use",
            "Values of each label that have series of their own, out of the places there are, in the cluster where it "
            "is fullest. Later values count as `other`; a full fingerprint is by design, a full user or source is not.",
            "percentunit",
            Query(
                f"sort_desc(max by (label) ({CHOSEN.of('presto_exporter_label_values')} / "
                f"({CHOSEN.of('presto_exporter_label_values_limit')} > 0)))",
                "{{label}}",
            ),
            width=8,
            most=1,
            steps=(Step(0.8, ORANGE), Step(1, RED)),
        ),
        series(
            "Counted as other",
            "Queries per second whose value of a label counts as `other` because the label is full.",
            "reqps",
            Query(CHOSEN.rate("presto_exporter_label_overflow_total", "label"), "{{label}}"),
            width=8,
        ),
    ),
)

_process = Row(
    "Ledger and process",
    (
        number(
            "Ledger",
            "Whether the last commit succeeded; if not, counters stand still and catch up later.",
            "none",
            "min(presto_exporter_ledger_up)",
            names={1: ("writes", GREEN), 0: ("does not write", RED)},
        ),
        number(
            "Configuration",
            "Whether the configuration in force is the file's last content.",
            "none",
            "min(presto_exporter_config_last_reload_successful)",
            names={1: ("in force", GREEN), 0: ("refused", RED)},
        ),
        number(
            "Configuration read, ago",
            "How long the configuration has been in force.",
            "s",
            "time() - max(presto_exporter_config_last_reload_success_timestamp_seconds)",
            decimals=0,
        ),
        number(
            "Version",
            "The version of the exporter that runs.",
            "none",
            "group by (version) (presto_exporter_build_info)",
            legend_format="{{version}}",
            shows_name=True,
        ),
        number(
            "Ledger's queries",
            "Queries that the ledger remembers.",
            "locale",
            "sum(presto_exporter_ledger_queries)",
            decimals=0,
        ),
        number(
            "Ledger's size",
            "Size of the ledger's files.",
            "bytes",
            "sum(presto_exporter_ledger_size_bytes)",
            decimals=1,
        ),
        number(
            "Up for",
            "Age of the exporter's process; counters outlive it.",
            "s",
            f"time() - max({_ours('process_start_time_seconds')})",
            decimals=0,
        ),
        number(
            "Open files",
            "Share of the files that the process may have open.",
            "percentunit",
            f"max({_ours('process_open_fds')}) / max({_ours('process_max_fds')})",
            steps=(Step(0.8, RED),),
            decimals=1,
        ),
        series(
            "CPU of the exporter, in cores",
            "CPU seconds per second of the process.",
            "short",
            Query(_ours("rate(process_cpu_seconds_total[$__rate_interval])"), "{{instance}}"),
            width=6,
        ),
        series(
            "Memory of the exporter",
            "Resident memory of the process.",
            "bytes",
            Query(_ours("process_resident_memory_bytes"), "{{instance}}"),
            width=6,
        ),
        series(
            "Ledger",
            "Size of the ledger's files: of the order of a kilobyte per query remembered, and not growing for ever.",
            "bytes",
            Query("presto_exporter_ledger_size_bytes", "{{instance}}"),
            width=6,
        ),
        series(
            "Scrapes",
            "How long Prometheus takes to scrape the exporter.",
            "s",
            Query(_ours("scrape_duration_seconds"), "{{instance}}"),
            width=6,
        ),
        firing,
    ),
)

DASHBOARD = Dashboard(
    EXPORTER,
    "Presto / Exporter",
    "Whether the numbers of presto-query-exporter can be trusted: polls, possible losses, labels, ledger, process.",
    (_summary, _polls, _process),
    (clusters,),
    EVENTS,
)

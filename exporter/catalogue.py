"""What goes out: one row per metric. Accounting, exposition and documents read the names here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

CLUSTER = "presto_cluster"
OUTCOME = "outcome"

_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21600.0)
_BYTES = tuple(float(1 << power) for power in range(20, 42, 2))


Series = tuple[str, tuple[str, ...]]
"""A series within its cluster: the name of its samples, and the values of its labels without the cluster's."""


class Kind(StrEnum):
    """The type of a metric in the exposition formats."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...]
    amount: str = ""
    """The field of Amounts that this counter adds up, where it is one of those."""
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram, ascending, without the last one, which is infinite."""


def _counter(name: str, text: str, *labels: str, amount: str = "") -> Metric:
    return Metric(name, Kind.COUNTER, text, (CLUSTER, *labels), amount=amount)


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, Kind.GAUGE, text, (CLUSTER, *labels))


def _own_gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, Kind.GAUGE, text, labels)


def _histogram(name: str, text: str, buckets: tuple[float, ...]) -> Metric:
    return Metric(name, Kind.HISTOGRAM, text, (CLUSTER, OUTCOME), buckets=buckets)


USER_QUERIES = _counter(
    "presto_user_queries_total",
    "Queries that ended, each counted once. Sum over outcomes = CompletedQueries of the coordinator.",
    "user",
    "source",
    OUTCOME,
)
USER_ERRORS = _counter(
    "presto_user_query_errors_total",
    "Queries that ended with an error, canceled ones included (errorCode.type, errorCode.name).",
    "user",
    "source",
    OUTCOME,
    "error_type",
    "error_name",
)
USER_LOST = _counter(
    "presto_user_queries_lost_total",
    "Queries in flight when last seen whose end will not be seen: the coordinator restarted or lists them no more.",
    "user",
    "source",
)
USER_AMOUNTS = (
    _counter(
        "presto_user_query_cpu_seconds_total",
        "CPU time of queries, growing while they run (queryStats.totalCpuTime).",
        "user",
        "source",
        amount="cpu_seconds",
    ),
    _counter(
        "presto_user_query_failed_cpu_seconds_total",
        "CPU time spent in vain: of queries that then failed or were canceled, and of failed attempts inside finished "
        "ones (queryStats.failedCpuTime, Trino 373 and later).",
        "user",
        "source",
        amount="failed_cpu_seconds",
    ),
    _counter(
        "presto_user_query_input_bytes_total",
        "Bytes read from storage (queryStats.physicalInputDataSize; PrestoDB: rawInputDataSize).",
        "user",
        "source",
        amount="input_bytes",
    ),
    _counter(
        "presto_user_query_input_rows_total",
        "Rows read (queryStats.rawInputPositions; Trino 477 and later: processedInputPositions).",
        "user",
        "source",
        amount="input_rows",
    ),
    _counter(
        "presto_user_query_memory_byte_seconds_total",
        "User memory held, integrated over time (queryStats.cumulativeUserMemory).",
        "user",
        "source",
        amount="memory_byte_seconds",
    ),
    _counter(
        "presto_user_query_queued_seconds_total",
        "Time that ended queries spent in the queue (queryStats.queuedTime).",
        "user",
        "source",
        amount="queued_seconds",
    ),
    _counter(
        "presto_user_query_elapsed_seconds_total",
        "Time of ended queries from creation to end (queryStats.endTime - createTime).",
        "user",
        "source",
        amount="elapsed_seconds",
    ),
)
FINGERPRINT = "fingerprint"
FINGERPRINT_QUERIES = _counter(
    "presto_fingerprint_queries_total",
    "Queries that ended, each counted once, by the fingerprint of their statement (`other`: none of its own).",
    FINGERPRINT,
    OUTCOME,
)
FINGERPRINT_AMOUNTS = (
    _counter(
        "presto_fingerprint_cpu_seconds_total",
        "CPU time of queries, growing while they run (queryStats.totalCpuTime).",
        FINGERPRINT,
        amount="cpu_seconds",
    ),
    _counter(
        "presto_fingerprint_failed_cpu_seconds_total",
        "CPU time spent in vain: of queries that then failed or were canceled, and of failed attempts inside finished "
        "ones.",
        FINGERPRINT,
        amount="failed_cpu_seconds",
    ),
    _counter(
        "presto_fingerprint_input_bytes_total",
        "Bytes read from storage (queryStats.physicalInputDataSize; PrestoDB: rawInputDataSize).",
        FINGERPRINT,
        amount="input_bytes",
    ),
    _counter(
        "presto_fingerprint_elapsed_seconds_total",
        "Time of ended queries from creation to end (queryStats.endTime - createTime).",
        FINGERPRINT,
        amount="elapsed_seconds",
    ),
)
FINGERPRINT_REPEATED = _counter(
    "presto_fingerprint_repeated_queries_total",
    "Finished queries that only read and whose very same text had finished before, within a day and since the exporter "
    "started: what a cache or a table would save.",
    FINGERPRINT,
)
FINGERPRINT_REPEATED_CPU = _counter(
    "presto_fingerprint_repeated_cpu_seconds_total",
    "CPU time of those, as known when their end was seen.",
    FINGERPRINT,
)
QUERY_DURATION = _histogram(
    "presto_query_duration_seconds",
    "Time of ended queries from creation to end (queryStats.endTime - createTime).",
    _SECONDS,
)
QUERY_QUEUED = _histogram(
    "presto_query_queued_seconds", "Time that ended queries spent in the queue (queryStats.queuedTime).", _SECONDS
)
QUERY_PEAK_MEMORY = _histogram(
    "presto_query_peak_memory_bytes",
    "Peak of user memory of ended queries, as known when the end was seen (queryStats.peakUserMemoryReservation).",
    _BYTES,
)

FINGERPRINT_INFO = _own_gauge(
    "presto_fingerprint_info",
    "What a fingerprint stands for: statement is the template, cut; it holds no literal.",
    FINGERPRINT,
    "query_type",
    "statement",
)
IN_FLIGHT = _gauge(
    "presto_user_queries_in_flight",
    "Queries listed now that have not ended, by state (blocked: queryStats.fullyBlocked).",
    "user",
    "source",
    "state",
)
IN_FLIGHT_MEMORY = _gauge(
    "presto_user_in_flight_memory_bytes",
    "User memory that queries in flight hold now (queryStats.userMemoryReservation).",
    "user",
    "source",
)
OLDEST_IN_FLIGHT = _gauge(
    "presto_user_oldest_in_flight_query_timestamp_seconds",
    "Creation time of the oldest query in flight, Unix time.",
    "user",
    "source",
)

UP = _gauge("presto_up", "1 if the last poll of the coordinator succeeded.")
COORDINATOR_INFO = _gauge(
    "presto_coordinator_info", "What answers: engine, version and environment.", "engine", "version", "environment"
)
COORDINATOR_START = _gauge("presto_coordinator_start_time_seconds", "Start of the coordinator's process, Unix time.")

POLLS = _counter("presto_exporter_polls_total", "Polls of the coordinator by result.", "result")
POLL_DURATION = _gauge("presto_exporter_poll_duration_seconds", "Duration of the last poll, from request to last byte.")
POLL_BYTES = _gauge("presto_exporter_poll_response_bytes", "Size of the last list, decompressed.")
QUERIES_LISTED = _gauge("presto_exporter_queries_listed", "Queries in the last list, ended ones included.")
LAST_SUCCESS = _gauge(
    "presto_exporter_last_successful_poll_timestamp_seconds", "Time of the last successful poll, Unix time."
)
RECORDS_REJECTED = _counter(
    "presto_exporter_records_rejected_total",
    "Records of a list that could not be understood; the rest of the list counts. An unchanged record counts once.",
    "reason",
)
QUERIES_MISSED = _counter(
    "presto_exporter_queries_missed_total",
    "Upper bound of queries that ended unseen between polls: query ids that never appeared.",
)
POLL_GAPS = _counter(
    "presto_exporter_poll_gaps_total",
    "Polls whose list no longer overlaps the one before, restarts of the coordinator included: loss is possible.",
)
RETENTION_HEADROOM = _gauge(
    "presto_exporter_retention_headroom_seconds",
    "How much longer the coordinator kept ended queries than the last poll needed; below zero queries may be lost. "
    "Absent until known.",
)
VISIBLE_USERS = _gauge(
    "presto_exporter_visible_users",
    "Distinct users in the last list (session.user); a lasting 0 or 1 smells of missing rights to view queries.",
)
LABEL_VALUES = _gauge("presto_exporter_label_values", "Values of a label that have a series of their own.", "label")
LABEL_LIMIT = _gauge(
    "presto_exporter_label_values_limit", "Values of a label that may have a series of their own.", "label"
)
LABEL_OVERFLOW = _counter(
    "presto_exporter_label_overflow_total",
    "Queries counted under the value `other` because the label is full.",
    "label",
)
LEDGER_SIZE = _own_gauge("presto_exporter_ledger_size_bytes", "Size of the ledger's files.")
LEDGER_QUERIES = _own_gauge("presto_exporter_ledger_queries", "Queries that the ledger remembers.")
LEDGER_UP = _own_gauge(
    "presto_exporter_ledger_up",
    "1 if the last commit to the ledger succeeded; at 0 counters stand still and catch up later.",
)
BUILD_INFO = _own_gauge("presto_exporter_build_info", "What this exporter is.", "version", "revision", "pythonversion")
RELOAD_SUCCESSFUL = _own_gauge(
    "presto_exporter_config_last_reload_successful", "1 if the configuration in force is the file's last content."
)
RELOAD_TIMESTAMP = _own_gauge(
    "presto_exporter_config_last_reload_success_timestamp_seconds",
    "When the configuration in force was read, Unix time.",
)

USER_COUNTERS = (USER_QUERIES, USER_ERRORS, USER_LOST, *USER_AMOUNTS)
FINGERPRINT_COUNTERS = (FINGERPRINT_QUERIES, *FINGERPRINT_AMOUNTS, FINGERPRINT_REPEATED, FINGERPRINT_REPEATED_CPU)
HISTOGRAMS = (QUERY_DURATION, QUERY_QUEUED, QUERY_PEAK_MEMORY)
OWN_COUNTERS = (POLLS, RECORDS_REJECTED, QUERIES_MISSED, POLL_GAPS, LABEL_OVERFLOW)
LIVE_GAUGES = (IN_FLIGHT, IN_FLIGHT_MEMORY, OLDEST_IN_FLIGHT)

CATALOGUE = (
    *USER_COUNTERS,
    *HISTOGRAMS,
    *LIVE_GAUGES,
    *FINGERPRINT_COUNTERS,
    FINGERPRINT_INFO,
    UP,
    COORDINATOR_INFO,
    COORDINATOR_START,
    *OWN_COUNTERS,
    POLL_DURATION,
    POLL_BYTES,
    QUERIES_LISTED,
    LAST_SUCCESS,
    RETENTION_HEADROOM,
    VISIBLE_USERS,
    LABEL_VALUES,
    LABEL_LIMIT,
    LEDGER_SIZE,
    LEDGER_QUERIES,
    LEDGER_UP,
    BUILD_INFO,
    RELOAD_SUCCESSFUL,
    RELOAD_TIMESTAMP,
)
"""Every metric of the exporter, in the order of the exposition; process_* and python_* come from prometheus_client."""

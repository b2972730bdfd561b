"""Query patterns: fingerprints stand for all statements that differ only in their literals and layout."""

from __future__ import annotations

from dashboards.grafana import (
    ORANGE,
    OUTCOMES,
    PURPLE,
    RED,
    Column,
    Dashboard,
    Label,
    Panel,
    Query,
    Row,
    Step,
    Variable,
    bars,
    number,
    series,
    table,
)
from dashboards.promql import change, share
from dashboards.scope import CHOSEN, EVENTS, PATTERNS, clusters, exporter_url, to_pattern, to_pattern_page
from dashboards.users import NOTHING_BEFORE

RUNS = "presto_fingerprint_queries_total"
CPU = "presto_fingerprint_cpu_seconds_total"
FAILED_CPU = "presto_fingerprint_failed_cpu_seconds_total"
BYTES = "presto_fingerprint_input_bytes_total"
ELAPSED = "presto_fingerprint_elapsed_seconds_total"
REPEATED = "presto_fingerprint_repeated_queries_total"
REPEATED_CPU = "presto_fingerprint_repeated_cpu_seconds_total"

fingerprints = Variable(
    "fingerprint",
    "Pattern",
    "The patterns to look at, by their fingerprints.",
    'label_values(presto_fingerprint_queries_total{presto_cluster=~"$presto_cluster"}, fingerprint)',
    many=True,
)
_BY = "fingerprint"
_HERE = CHOSEN.where('fingerprint=~"$fingerprint"')
_FAILED = _HERE.where(outcome="failed")
_OWN = _HERE.where('fingerprint!="other"')
# One series per fingerprint, also where two exporters cut the statement at different lengths.
_INFO = "topk by (fingerprint) (1, group by (fingerprint, query_type, statement) (presto_fingerprint_info))"
_NO_REPEATS = "no text was run twice"
_NO_FAILURES = "nothing failed"
_NOT_SLOWER = "nothing got slower by a quarter"


def _named(expression: str) -> str:
    """Return *expression*, which is by fingerprint, with the statement and its type where they are known."""
    named = f"({expression}) * on (fingerprint) group_left (query_type, statement) {_INFO}"
    return f"{named} or on (fingerprint) ({expression})"


_PATTERN = Label("fingerprint", "Fingerprint", 165, (to_pattern_page(), to_pattern()))
_TYPE = Label("query_type", "Type", 110)
_STATEMENT = Label("statement", "Statement")


def _patterns(title: str, description: str, ranking: str, columns: tuple[Column, ...], height: int = 11) -> Panel:
    """Return a table of the patterns that *ranking* lets through; the first column is the one to sort by."""
    kept = [
        Column(
            column.title,
            _named(ranking) if column.expr == ranking else f"({column.expr}) and on (fingerprint) ({ranking})",
            column.unit,
            column.decimals,
            column.width,
            column.steps,
            column.bar,
            column.names,
            column.may_be_empty,
        )
        for column in columns
    ]
    return table(title, description, (_PATTERN, _TYPE, _STATEMENT), kept, columns[0].title, height=height)


_runs = _HERE.total(RUNS, _BY)
_cpu = _HERE.total(CPU, _BY)
_failed = _FAILED.total(RUNS, _BY)
_dearest = f"topk(50, {_cpu} > 0)"
_failing = f"topk(25, {_failed} > 0)"
_repeated = f"topk(25, {_HERE.total(REPEATED_CPU, _BY)} > 0)"
_mean = share(_HERE.total(ELAPSED, _BY), _runs)
_runs_before = _HERE.before(RUNS, _BY)
_mean_before = share(_HERE.before(ELAPSED, _BY), _runs_before)
_enough = f"({_runs} >= 5) and on (fingerprint) ({_runs_before} >= 5)"
_slower = f"topk(25, ({_mean} / ({_mean_before}) - 1 > 0.25) and on (fingerprint) {_enough})"
_new = (
    "group by (fingerprint) (presto_fingerprint_info) unless on (fingerprint) "
    "group by (fingerprint) (presto_fingerprint_info offset $__range)"
)

_summary = Row(
    "Patterns of: $presto_cluster",
    (
        number(
            "Patterns",
            "Fingerprints with at least one ended query in the range.",
            "none",
            f"count({_OWN.total(RUNS, _BY)} > 0)",
            decimals=0,
        ),
        number(
            "New ones",
            "Fingerprints that were not known at the beginning of the range. All of them, if Prometheus does not "
            "reach back that far.",
            "none",
            f"count({_new})",
            decimals=0,
            empty="0",
            may_be_empty="nothing new was run",
        ),
        number(
            "CPU of the ten dearest",
            "Share of the CPU time that went into the ten dearest patterns: what tuning ten statements can reach.",
            "percentunit",
            share(f"sum(topk(10, {_OWN.total(CPU, _BY)}))", CHOSEN.total(CPU)),
            decimals=0,
            empty="no CPU used",
        ),
        number(
            "CPU in vain",
            "Share of the CPU time that went into queries that failed or were canceled.",
            "percentunit",
            share(_HERE.total(FAILED_CPU), _HERE.total(CPU)),
            steps=(Step(0.1, ORANGE), Step(0.25, RED)),
            decimals=1,
            empty="no CPU used",
        ),
        number(
            "Repeated queries",
            "Share of the ended queries whose very same text, literals included, had finished within the day before.",
            "percentunit",
            share(_HERE.total(REPEATED), _HERE.total(RUNS)),
            steps=(Step(0.3, ORANGE),),
            decimals=1,
            empty="no queries",
        ),
        number(
            "CPU of repeats",
            "Share of the CPU time that those repeated queries cost: an upper bound of what caching results can save.",
            "percentunit",
            share(_HERE.total(REPEATED_CPU), _HERE.total(CPU)),
            steps=(Step(0.2, ORANGE),),
            decimals=1,
            empty="no CPU used",
        ),
        number(
            "Without a pattern of their own",
            "Share of the ended queries that count as `other`: rare patterns, and those beyond the limit.",
            "percentunit",
            share(_HERE.where(fingerprint="other").total(RUNS), _HERE.total(RUNS)),
            decimals=1,
            empty="none",
            may_be_empty="every pattern has a series of its own",
            width=6,
        ),
    ),
)

_costs = Row(
    "What costs most",
    (
        _patterns(
            "Patterns by CPU",
            "The 50 patterns with most CPU time in the range. Change: against the range of the same length before. "
            "Click a fingerprint for the whole statement.",
            _dearest,
            (
                Column("CPU", _dearest, "s", 1, 150, bar=True),
                Column("Of all CPU", f"{_cpu} / on () group_left () ({CHOSEN.total(CPU)} > 0)", "percentunit", 1, 90),
                Column(
                    "CPU, change",
                    change(_cpu, _HERE.before(CPU, _BY)),
                    "percentunit",
                    0,
                    95,
                    (Step(1, ORANGE),),
                    may_be_empty=NOTHING_BEFORE,
                ),
                Column("Runs", _runs, decimals=0, width=75),
                Column("CPU per run", share(_cpu, _runs), "s", 1, 100, may_be_empty="no run ended"),
                Column("Mean time", share(_HERE.total(ELAPSED, _BY), _runs), "s", 1, 90, may_be_empty="no run ended"),
                Column("Read", _HERE.total(BYTES, _BY), "bytes", 1, 90),
                Column("Failed", share(_failed, _runs), "percentunit", 1, 75, (Step(0.1, ORANGE), Step(0.3, RED))),
                Column(
                    "In vain",
                    share(_HERE.total(FAILED_CPU, _BY), _cpu),
                    "percentunit",
                    1,
                    75,
                    (Step(0.1, ORANGE), Step(0.25, RED)),
                ),
            ),
            12,
        ),
        series(
            "CPU by pattern, in cores",
            "CPU seconds per second, stacked: the eight patterns with most in the whole range.",
            "short",
            Query(_HERE.top_rate(8, CPU, _BY), "{{fingerprint}}"),
            stacked=True,
            legend="right",
            height=9,
            links=(to_pattern_page("${__field.labels.fingerprint:percentencode}"),),
        ),
        series(
            "Runs by pattern",
            "Ended queries per second: the eight patterns with most in the whole range.",
            "reqps",
            Query(_HERE.top_rate(8, RUNS, _BY), "{{fingerprint}}"),
            legend="right",
            height=9,
            links=(to_pattern_page("${__field.labels.fingerprint:percentencode}"),),
        ),
    ),
)

_fails = Row(
    "What fails",
    (
        _patterns(
            "Patterns by failures",
            "The 25 patterns that failed most often in the range.",
            _failing,
            (
                Column("Failed", _failing, decimals=0, width=120, bar=True, may_be_empty=_NO_FAILURES),
                Column("Of its runs", share(_failed, _runs), "percentunit", 0, 90, may_be_empty=_NO_FAILURES),
                Column("CPU in vain", _HERE.total(FAILED_CPU, _BY), "s", 1, 100, may_be_empty=_NO_FAILURES),
            ),
            9,
        ),
    ),
)

_repeats = Row(
    "What is run again and again",
    (
        series(
            "Repeated and fresh queries",
            "Ended queries per second, stacked: those whose very same text had finished within a day, and the others.",
            "reqps",
            Query(_HERE.rate(REPEATED), "repeated"),
            Query(f"{_HERE.rate(RUNS)} - {_HERE.rate(REPEATED)}", "fresh"),
            stacked=True,
            width=8,
            height=9,
            colours={"repeated": PURPLE},
        ),
        series(
            "Queries by outcome",
            "Ended queries per second, stacked, patterns of every kind and `other`.",
            "reqps",
            Query(_HERE.rate(RUNS, "outcome"), "{{outcome}}"),
            stacked=True,
            colours=OUTCOMES,
            width=8,
            height=9,
        ),
        bars(
            "CPU by type of statement",
            "CPU time in the range by the type of statement; without `other`, whose types are not known.",
            "s",
            Query(
                f"sort_desc(sum by (query_type) ({_OWN.total(CPU, _BY)} "
                f"* on (fingerprint) group_left (query_type) {_INFO}) > 0)",
                "{{query_type}}",
            ),
            width=8,
            height=9,
        ),
        _patterns(
            "Patterns by CPU of repeats",
            "The 25 patterns whose repeated queries cost most: candidates for a cached result, a table or a "
            "dashboard that refreshes less often.",
            _repeated,
            (
                Column("CPU of repeats", _repeated, "s", 1, 150, bar=True, may_be_empty=_NO_REPEATS),
                Column(
                    "Of its CPU",
                    share(_HERE.total(REPEATED_CPU, _BY), _cpu),
                    "percentunit",
                    0,
                    90,
                    may_be_empty=_NO_REPEATS,
                ),
                Column("Repeats", _HERE.total(REPEATED, _BY), decimals=0, width=80, may_be_empty=_NO_REPEATS),
                Column("Runs", _runs, decimals=0, width=75, may_be_empty=_NO_REPEATS),
            ),
            9,
        ),
    ),
)

_news = Row(
    "What is new, what got slower",
    (
        _patterns(
            "Patterns that got slower",
            "Mean time per run against the range of the same length before, for patterns with five runs and more in "
            "both: the 25 that got slower most, by a quarter and more.",
            _slower,
            (
                Column(
                    "Slower by",
                    _slower,
                    "percentunit",
                    0,
                    120,
                    (Step(1, ORANGE), Step(4, RED)),
                    may_be_empty=_NOT_SLOWER,
                ),
                Column("Mean time", _mean, "s", 1, 90, may_be_empty=_NOT_SLOWER),
                Column("Before", _mean_before, "s", 1, 90, may_be_empty=_NOT_SLOWER),
                Column("Runs", _runs, decimals=0, width=75, may_be_empty=_NOT_SLOWER),
                Column("CPU", _cpu, "s", 1, 90, may_be_empty=_NOT_SLOWER),
            ),
            9,
        ),
        table(
            "New patterns",
            "Fingerprints that were not known at the beginning of the range, and what they have cost since. "
            "All of them, if Prometheus does not reach back that far.",
            (_PATTERN, _TYPE, _STATEMENT),
            (
                Column(
                    "CPU",
                    _named(f"{_cpu} and on (fingerprint) ({_new})"),
                    "s",
                    1,
                    150,
                    bar=True,
                    may_be_empty="nothing new was run",
                ),
                Column(
                    "Runs",
                    f"{_runs} and on (fingerprint) ({_new})",
                    decimals=0,
                    width=75,
                    may_be_empty="nothing new was run",
                ),
                Column(
                    "Failed",
                    f"{_failed} and on (fingerprint) ({_new})",
                    decimals=0,
                    width=75,
                    may_be_empty="nothing new was run",
                ),
            ),
            "CPU",
            height=9,
        ),
    ),
)

DASHBOARD = Dashboard(
    PATTERNS,
    "Presto / Query patterns",
    "Which kinds of statement cost most, fail, are new, or are run again and again. A fingerprint stands for all "
    "statements that differ only in literals and layout.",
    (_summary, _costs, _fails, _repeats, _news),
    (clusters, fingerprints, exporter_url),
    EVENTS,
)

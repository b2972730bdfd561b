"""SLO and error budget: what was promised, what is left of the budget, how fast it is spent and on what."""

from __future__ import annotations

from dashboards.grafana import (
    BLUE,
    ERROR_TYPES,
    GREEN,
    ORANGE,
    PURPLE,
    RED,
    Column,
    Dashboard,
    Label,
    Query,
    Row,
    Step,
    Variable,
    series,
    table,
)
from dashboards.scope import CHOSEN, EVENTS, SLO, clusters, firing, to_user
from dashboards.users import ERRORS, NOTHING_FAILED, time_in_queue

slos = Variable(
    "slo",
    "Objective",
    "The service level objectives to look at.",
    "label_values(slo:presto_objective:ratio, slo)",
    many=True,
)
_OBJECTIVES = CHOSEN.where('slo=~"$slo"')
_BUDGET_DAYS = 30
# Burn rates at which alerts fire: a fiftieth of the budget in an hour, a twentieth in six, a tenth in a day, in three.
_FAST, _SLOW, _DAY, _EVEN = 14.4, 6, 3, 1
_BURN = (Step(_EVEN, ORANGE), Step(_SLOW, RED))
_LEFT = (Step(float("-inf"), RED), Step(0, ORANGE), Step(0.25, GREEN))
_IDLE = "no query ended in the window"


def _by_slo(rule: str, aggregate: str = "max") -> str:
    return f"{aggregate} by (presto_cluster, slo, tenant) ({_OBJECTIVES.of(rule)})"


def _errors(window: str) -> str:
    return _by_slo(f"slo:presto_sli_error:ratio_rate{window}")


def _burn(window: str) -> str:
    return f"{_errors(window)} / on (slo) group_left () (1 - max by (slo) (slo:presto_objective:ratio))"


_now = Row(
    "Objectives of: $presto_cluster",
    (
        table(
            "Objectives",
            "One row per objective, cluster and group of users (tenant) with a budget of its own. Left: share of the "
            "error budget of 30 days that is not spent, below zero the objective is missed. Burn rates: how fast it is "
            "spent; at 1 the budget lasts exactly 30 days.",
            (
                Label("slo", "Objective", 190),
                Label("tenant", "Tenant", 90, may_be_missing=True),
                Label("presto_cluster", "Cluster", 110),
            ),
            (
                Column(
                    "Promised",
                    f"{_errors('30d')} * 0 + on (slo) group_left () max by (slo) (slo:presto_objective:ratio)",
                    "percentunit",
                    2,
                    may_be_empty=_IDLE,
                ),
                Column("Kept, 30 days", f"1 - {_errors('30d')}", "percentunit", 2, may_be_empty=_IDLE),
                Column(
                    "Budget left",
                    _by_slo("slo:presto_error_budget_remaining:ratio", "min"),
                    "percentunit",
                    0,
                    steps=_LEFT,
                    may_be_empty=_IDLE,
                ),
                Column("Burn, 5 min", _burn("5m"), "short", 1, steps=(Step(_FAST, RED),), may_be_empty=_IDLE),
                Column("Burn, 1 h", _burn("1h"), "short", 1, steps=(Step(_FAST, RED),), may_be_empty=_IDLE),
                Column("Burn, 6 h", _burn("6h"), "short", 1, steps=(Step(_SLOW, RED),), may_be_empty=_IDLE),
                Column("Burn, 1 day", _burn("1d"), "short", 1, steps=(Step(_DAY, ORANGE),), may_be_empty=_IDLE),
                Column("Burn, 3 days", _burn("3d"), "short", 1, steps=(Step(_EVEN, ORANGE),), may_be_empty=_IDLE),
                Column(
                    "Gone in",
                    f"clamp_min({_by_slo('slo:presto_error_budget_remaining:ratio', 'min')}, 0) "
                    f"* {_BUDGET_DAYS * 86400} / ({_burn('6h')} > {_EVEN})",
                    "s",
                    1,
                    steps=(Step(float("-inf"), RED), Step(3 * 86400, ORANGE)),
                    may_be_empty="no budget is spent faster than it comes back",
                ),
            ),
            "Burn, 1 h",
            height=11,
        ),
    ),
)

_spent = Row(
    "How the budget is spent",
    (
        series(
            "Budget left",
            "Share of the error budget of the last 30 days that is not spent; below zero the objective is missed.",
            "percentunit",
            Query(
                _by_slo("slo:presto_error_budget_remaining:ratio", "min"),
                "{{presto_cluster}} {{slo}} {{tenant}}",
                _IDLE,
            ),
            least=None,
            most=1,
            legend="right",
            height=9,
        ),
        series(
            "Burn rate now",
            "How fast the budget is spent; at 1 it lasts exactly 30 days. Dashed: where tickets and pages begin.",
            "short",
            Query(_by_slo("slo:presto_burn_rate:ratio"), "{{presto_cluster}} {{slo}} {{tenant}}", _IDLE),
            steps=_BURN,
            legend="right",
            height=9,
        ),
        series(
            "Burn rate by window",
            "The worst of the chosen objectives and clusters in each window. A page fires when a long window and its "
            "short one are above the same rate: 5 minutes and 1 hour above 14.4, 30 minutes and 6 hours above 6.",
            "short",
            *(Query(f"max({_burn(window)})", window, _IDLE) for window in ("5m", "30m", "1h", "2h", "6h", "1d", "3d")),
            legend="right",
            height=9,
        ),
        series(
            "Bad events",
            "Share of events that break the objective, over 5 minutes.",
            "percentunit",
            Query(_errors("5m"), "{{presto_cluster}} {{slo}} {{tenant}}", _IDLE),
            legend="right",
            height=9,
        ),
    ),
)

_SERVICE = CHOSEN.where('outcome="failed"', 'error_type!="USER_ERROR"')

_causes = Row(
    "What spends it",
    (
        series(
            "Failures that are not the users'",
            "Failed queries per second by type, stacked, mistakes of users left out.",
            "reqps",
            Query(_SERVICE.rate(ERRORS, "error_type"), "{{error_type}}", NOTHING_FAILED),
            stacked=True,
            colours=ERROR_TYPES,
        ),
        time_in_queue(
            "How long ended queries had waited, for objectives about waiting.",
            colours={"p50": GREEN, "p95": BLUE, "p99": PURPLE},
        ),
        table(
            "Errors that are not the users'",
            "How many queries failed with them in the range, and how many users they hit.",
            (
                Label("presto_cluster", "Cluster", 130),
                Label("error_type", "Type", 205),
                Label("error_name", "Error"),
            ),
            (
                Column(
                    "Queries",
                    f"{_SERVICE.total(ERRORS, 'presto_cluster', 'error_type', 'error_name')} > 0",
                    decimals=0,
                    width=120,
                    bar=True,
                    may_be_empty=NOTHING_FAILED,
                ),
                Column(
                    "Users",
                    "count by (presto_cluster, error_type, error_name) "
                    f"({_SERVICE.total(ERRORS, 'presto_cluster', 'error_type', 'error_name', 'user')} > 0)",
                    decimals=0,
                    width=65,
                    may_be_empty=NOTHING_FAILED,
                ),
            ),
            "Queries",
            width=12,
            height=9,
        ),
        table(
            "Whom they hit",
            "Users with failures that are not theirs, in the range: the 20 with most.",
            (Label("user", "User", 0, (to_user(),)),),
            (
                Column(
                    "Queries",
                    f"topk(20, {_SERVICE.total(ERRORS, 'user')} > 0)",
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
        firing,
    ),
)

DASHBOARD = Dashboard(
    SLO,
    "Presto / SLO and error budget",
    "What was promised to the users, what is left of the error budget, how fast it is spent and on what.",
    (_now, _spent, _causes),
    (clusters, slos),
    EVENTS,
    since="now-7d",
    refresh="5m",
)

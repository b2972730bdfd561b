"""What the dashboards have in common: the variables that say what is looked at, events, and links between them."""

from __future__ import annotations

from dashboards.grafana import ORANGE, PURPLE, RED, Annotation, Column, Label, Link, Step, Variable, table
from dashboards.promql import Scope

USERS, USER, PATTERNS, CLUSTER, NODES, SLO, EXPORTER = (
    "presto-users",
    "presto-user",
    "presto-patterns",
    "presto-cluster",
    "presto-nodes",
    "presto-slo",
    "presto-exporter",
)
"""The uids of the dashboards."""

ALL = Scope()
CHOSEN = Scope(('presto_cluster=~"$presto_cluster"',))

clusters = Variable(
    "presto_cluster", "Cluster", "The clusters to look at.", "label_values(presto_up, presto_cluster)", many=True
)
exporter_url = Variable(
    "exporter_url",
    "Exporter",
    "Where your browser reaches the exporter, for links to its pages about a user or a query pattern.",
    "http://localhost:9483",
    text=True,
)

restarts = Annotation(
    "Coordinator restarts",
    f"{CHOSEN.of('presto_coordinator_start_time_seconds')} * 1000",
    "Coordinator started",
    "{{presto_cluster}}",
    RED,
    values_are_times=True,
)


def _appeared(metric: str, where: str, what: str) -> str:
    """Return an expression that is 1 in the first five minutes in which *metric* has a new value of *what*."""
    before = f"group by ({where}, {what}) ({CHOSEN.of(metric)} offset 5m)"
    return (
        f"group by ({where}, {what}) ({CHOSEN.of(metric)}) unless on ({where}, {what}) {before} "
        f"and on ({where}) {before}"
    )


engine_deployments = Annotation(
    "Engine deployments",
    _appeared("presto_coordinator_info", "presto_cluster", "version"),
    "Another engine version",
    "{{presto_cluster}}: {{version}}",
    PURPLE,
)
exporter_deployments = Annotation(
    "Exporter deployments",
    "group by (version, revision) (presto_exporter_build_info) unless on (version, revision) "
    "group by (version, revision) (presto_exporter_build_info offset 5m) "
    "and on () group (presto_exporter_build_info offset 5m)",
    "Another exporter version",
    "{{version}} {{revision}}",
    ORANGE,
)
EVENTS = (restarts, engine_deployments, exporter_deployments)

_KEPT = "${datasource:queryparam}&${__url_time_range}"


def to_user(value: str = "${__value.raw:percentencode}") -> Link:
    """Return the link from a user's name to the dashboard about that user."""
    return Link("This user", f"/d/{USER}?var-user={value}&${{presto_cluster:queryparam}}&{_KEPT}")


def to_cluster(uid: str, title: str, value: str = "${__value.raw:percentencode}") -> Link:
    """Return the link from a cluster's name to a dashboard, for this cluster alone."""
    return Link(title, f"/d/{uid}?var-presto_cluster={value}&{_KEPT}")


def to_node(value: str = "${__value.raw:percentencode}") -> Link:
    """Return the link from a node to the dashboard about nodes, for this node alone."""
    return Link("This node", f"/d/{NODES}?var-instance={value}&${{presto_cluster:queryparam}}&{_KEPT}")


def to_pattern(value: str = "${__value.raw:percentencode}") -> Link:
    """Return the link from a fingerprint to the dashboard about patterns, for this one alone."""
    return Link("Only this pattern", f"/d/{PATTERNS}?var-fingerprint={value}&${{presto_cluster:queryparam}}&{_KEPT}")


def to_pattern_page(value: str = "${__value.raw:percentencode}") -> Link:
    """Return the link from a fingerprint to the exporter's page about it, with the whole statement."""
    return Link("Whole statement", f"${{exporter_url:raw}}/queries/fingerprint/{value}", new_tab=True)


_ALERTS = 'alertname=~"Presto.+", presto_cluster=~"$presto_cluster|"'
_ALERT = "alertname, severity, presto_cluster"

firing = table(
    "Alerts that fire now",
    "The project's alerts that Prometheus holds to be firing, of the chosen clusters and those of no cluster.",
    (Label("severity", "Severity", 90), Label("alertname", "Alert"), Label("presto_cluster", "Cluster", 130)),
    (
        Column(
            "Firing",
            f'count by ({_ALERT}) (ALERTS{{{_ALERTS}, alertstate="firing"}})',
            decimals=0,
            width=75,
            may_be_empty="no alert fires",
        ),
        Column(
            "Since",
            f"time() - min by ({_ALERT}) (ALERTS_FOR_STATE{{{_ALERTS}}}) and on ({_ALERT}) "
            f'ALERTS{{{_ALERTS}, alertstate="firing"}}',
            "s",
            0,
            90,
            (Step(3600, ORANGE), Step(86400, RED)),
            may_be_empty="no alert fires",
        ),
    ),
    "Since",
    height=7,
)

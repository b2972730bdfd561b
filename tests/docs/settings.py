"""Names of others that documents use: settings of the servers, keys of the JMX agent and of Trino's Helm chart.

They are lists of what is known to exist, as nothing here can ask those who read them: a name that a document needs and
that is not listed has to be looked up, and added.
"""

from __future__ import annotations

from typing import Any

SETTINGS = frozenset(
    (
        # PrestoSQL, Trino: docs/admin/properties-*.html, docs/security/*.html; PrestoDB: docs/admin/properties.html
        "discovery.type",
        "experimental.thread-per-driver-scheduler-enabled",
        "http-server.authentication.certificate.user-mapping.pattern",
        "http-server.authentication.jwt.key-file",
        "http-server.authentication.jwt.principal-field",
        "http-server.authentication.jwt.user-mapping.pattern",
        "http-server.authentication.krb5.principal-hostname",
        "http-server.authentication.krb5.service-name",
        "http-server.authentication.krb5.user-mapping.pattern",
        "http-server.authentication.type",
        "http-server.https.truststore.path",
        "http-server.process-forwarded",
        "memory.heap-headroom-per-node",
        "node.environment",
        "openmetrics.jmx-object-names",
        "protocol.v1.alternate-header-name",
        "query-manager.required-workers",
        "query-manager.required-workers-max-wait",
        "query.client.timeout",
        "query.low-memory-killer.policy",
        "query.max-execution-time",
        "query.max-history",
        "query.max-memory",
        "query.max-memory-per-node",
        "query.max-run-time",
        "query.min-expire-age",
    )
)
BEANS = frozenset(("java.lang:type=Memory", "java.lang:type=OperatingSystem"))
"""Beans of the JVM that the rules for Trino's own metrics read."""
AGENT: dict[str, Any] = {
    "httpServer": {
        "authentication": {
            "basic": dict.fromkeys(
                ("username", "password", "passwordHash", "algorithm", "salt", "iterations", "keyLength")
            ),
        },
        "ssl": {"keyStore": None, "certificate": None},
    },
    "includeObjectNames": None,
    "excludeObjectNames": None,
    "lowercaseOutputName": None,
    "lowercaseOutputLabelNames": None,
    "rules": None,
}
"""Keys of jmx_prometheus_javaagent 1.0.1: prometheus.github.io/jmx_exporter."""
CHART = frozenset(
    (
        "additionalConfigFiles",
        "additionalExposedPorts",
        "additionalJVMConfig",
        "additionalVolumeMounts",
        "additionalVolumes",
    )
)
"""Keys of `coordinator` and `worker` in the chart of trinodb: charts/trino/README.md."""

"""What the exporter knows of itself and of the coordinator, beside the queries: one frozen value per cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from exporter.catalogue import (
    COORDINATOR_INFO,
    COORDINATOR_START,
    LABEL_LIMIT,
    LABEL_VALUES,
    LAST_SUCCESS,
    POLL_BYTES,
    POLL_DURATION,
    QUERIES_LISTED,
    RETENTION_HEADROOM,
    UP,
    VISIBLE_USERS,
)


@dataclass(frozen=True, slots=True)
class Health:
    """The state of one cluster's polls. None: not known, and then not shown."""

    up: bool = False
    failure: str = ""
    """What the last poll failed with; empty after a success."""
    engine: str = ""
    version: str = ""
    environment: str = ""
    started: float | None = None
    poll_seconds: float | None = None
    response_bytes: int | None = None
    listed: int | None = None
    last_success: float | None = None
    headroom_seconds: float | None = None
    visible_users: int | None = None
    label_counts: Mapping[str, int] = field(default_factory=dict)
    label_limits: Mapping[str, int] = field(default_factory=dict)

    def samples(self) -> Iterator[tuple[str, list[tuple[tuple[str, ...], float]]]]:
        """Yield each gauge's family with its samples: label values without the cluster's, and the value."""
        yield UP.name, [((), float(self.up))]
        yield COORDINATOR_INFO.name, [((self.engine, self.version, self.environment), 1.0)] if self.engine else []
        for metric, value in (
            (COORDINATOR_START, self.started),
            (POLL_DURATION, self.poll_seconds),
            (POLL_BYTES, self.response_bytes),
            (QUERIES_LISTED, self.listed),
            (LAST_SUCCESS, self.last_success),
            (RETENTION_HEADROOM, self.headroom_seconds),
            (VISIBLE_USERS, self.visible_users),
        ):
            yield metric.name, [] if value is None else [((), float(value))]
        yield LABEL_VALUES.name, [((label,), float(count)) for label, count in self.label_counts.items()]
        yield LABEL_LIMIT.name, [((label,), float(limit)) for label, limit in self.label_limits.items()]

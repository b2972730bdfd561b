"""What the tests of the demo's coordinator share: a clock that is moved, and the list by query id."""

from __future__ import annotations

import json
from typing import Any

from exporter.demo.coordinator import Coordinator

NOON = 1795435200.0
"""2026-11-23 12:00:00 UTC."""
MONITOR = {"authorization": "Basic bW9uaXRvcjo="}
"""The headers of ``monitor`` without a password."""


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def rows(coordinator: Coordinator, viewer: str = "") -> dict[str, dict[str, Any]]:
    """Return the list by query id."""
    return {row["queryId"]: row for row in json.loads(coordinator.query_list(viewer))}

"""Rows of ``GET /v1/query`` as plain dictionaries, for tests that care about accounting and not about spelling."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from exporter.ingest.coordinator import Answer

START = 1_790_000_000.0
"""A Unix time to begin histories at: 2026-09-21 13:33:20 UTC."""


def instant(time: float) -> str:
    """Return *time* as Trino prints it, to the microsecond."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def row(query_id: str, state: str = "FINISHED", user: str | None = "alice", **more: Any) -> dict[str, Any]:
    """Return a row as Trino lists it. *more*: source, error, error_type, created, ended, cpu, input_bytes, memory…"""
    created = more.get("created", START)
    stats: dict[str, Any] = {
        "createTime": instant(created),
        "queuedTime": f"{more.get('queued', 0.0):.2f}s",
        "elapsedTime": f"{more.get('elapsed', 1.0):.2f}s",
        "totalCpuTime": f"{more.get('cpu', 0.0):.2f}s",
        "physicalInputDataSize": f"{more.get('input_bytes', 0)}B",
        "processedInputPositions": more.get("input_rows", 0),
        "cumulativeUserMemory": more.get("memory", 0.0),
        "userMemoryReservation": f"{more.get('holds', 0)}B",
        "peakUserMemoryReservation": f"{more.get('peak', 0)}B",
        "fullyBlocked": more.get("blocked", False),
    }
    result: dict[str, Any] = {
        "queryId": query_id,
        "session": {"user": user} if user is not None else {},
        "state": state,
        "query": "SELECT 1",
        "queryStats": stats,
    }
    if "source" in more:
        result["session"]["source"] = more["source"]
    if state in ("FINISHED", "FAILED"):
        stats["endTime"] = instant(more.get("ended", created + more.get("elapsed", 1.0)))
    if "error" in more:
        kind = more.get("error_type", "USER_ERROR")
        result["errorType"] = kind
        result["errorCode"] = {"code": 1, "name": more["error"], "type": kind}
    return result


def info(version: str = "483", uptime: float = 86_400.0, **more: Any) -> bytes:
    """Return what ``GET /v1/info`` answers."""
    return json.dumps(
        {
            "nodeVersion": {"version": version},
            "environment": "test",
            "coordinator": True,
            "starting": False,
            "uptime": f"{uptime / 60.0:.2f}m",
            **more,
        }
    ).encode()


def answer(*rows: dict[str, Any], information: bytes | None = None, clock: float | None = None) -> Answer:
    """Return the answer of a coordinator that lists *rows*."""
    return Answer(json.dumps(list(rows)).encode(), info() if information is None else information, 0.0, clock)

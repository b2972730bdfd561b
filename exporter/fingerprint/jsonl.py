"""The protocol of ``fingerprint --jsonl``: one line of JSON in, one line of JSON out."""

from __future__ import annotations

import json
from functools import lru_cache

from exporter.fingerprint.fingerprint import Fingerprint, Fingerprinter

_LONGEST_KEPT = 4096
"""Answers with longer templates are written anew each time."""


def answer(line: str, fingerprinter: Fingerprinter) -> str:
    """Return the line that answers *line*: a fingerprint, or an object with ``error``; without a newline, in ASCII."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return _error("line: not JSON; write one object with sql per line")
    if not isinstance(request, dict):
        return _error("line: not an object; write one object with sql per line")
    sql, prepared, truncated = request.get("sql"), request.get("prepared"), request.get("truncated", False)
    if not isinstance(sql, str):
        return _error("sql: missing or not text; give the statement as a string")
    if "prepared" in request and not isinstance(prepared, str):
        return _error("prepared: not text; give the prepared statement as a string, or leave it out")
    if not isinstance(truncated, bool):
        return _error("truncated: neither true nor false; give one of them, or leave it out")
    found = fingerprinter.of(sql, prepared, truncated)
    return _kept(found) if len(found.template) <= _LONGEST_KEPT else _written(found)


def _written(found: Fingerprint) -> str:
    return json.dumps(
        {
            "id": found.id,
            "template": found.template,
            "query_type": found.query_type,
            "tables": found.tables,
            "parsed": found.parsed,
        }
    )


_kept = lru_cache(maxsize=2_000)(_written)


def _error(message: str) -> str:
    return json.dumps({"error": message})

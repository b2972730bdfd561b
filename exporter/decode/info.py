"""Turns the body of ``GET /v1/info`` into what a coordinator says of itself."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from exporter.decode.units import parse_duration
from exporter.errors import DecodeError


class Info(NamedTuple):
    """What a coordinator says of itself."""

    version: str
    environment: str
    uptime_seconds: float | None
    starting: bool
    coordinator_id: str
    """The last part of the ids of its queries; empty where the engine does not tell (all but Trino 477 and later)."""


class _NodeVersion(msgspec.Struct):
    version: str = ""


class _Info(msgspec.Struct, rename="camel"):
    node_version: _NodeVersion
    environment: str = ""
    uptime: str | None = None
    starting: bool = False
    coordinator_id: str | None = None


_info = msgspec.json.Decoder(_Info).decode


def decode_info(body: bytes | bytearray) -> Info:
    """Return what *body* says. Raises DecodeError if it is not the answer of an engine."""
    try:
        info = _info(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise DecodeError("GET /v1/info answered something else than an engine does") from None
    uptime = None if info.uptime is None else parse_duration(info.uptime)
    return Info(info.node_version.version, info.environment, uptime, info.starting, info.coordinator_id or "")

"""``GET /v1/info``."""

from __future__ import annotations

import json
import math

import msgspec

from exporter.decode.info import decode_info
from exporter.dialect import PRESTODB, PRESTOSQL, TRINO, dialect_of
from exporter.errors import DecodeError
from tests.fuzz.target import SECRET, Target, shown_of_secret


def check(data: bytes) -> None:
    """It is an Info in its ranges, or a DecodeError that quotes nothing."""
    try:
        info = decode_info(data)
    except DecodeError as error:
        assert not shown_of_secret(str(error))
        return
    assert dialect_of(info.version) in (PRESTOSQL, TRINO, PRESTODB)
    assert info.uptime_seconds is None or (math.isfinite(info.uptime_seconds) and info.uptime_seconds >= 0.0)
    for text in (info.version, info.environment, info.coordinator_id):
        text.encode()


def seeds() -> list[bytes]:
    """Return what engines answer, and an uptime that was infinite once."""
    answers: list[dict[str, object]] = [
        {"nodeVersion": {"version": version}, "environment": SECRET, "coordinator": True, "uptime": "2.50m", **more}
        for version, more in (
            ("338", {"starting": False}),
            ("0.296-28a1ff0", {}),
            ("483", {"starting": True, "coordinatorId": "abcde"}),
            ("413-e.2", {"uptime": "9" * 400 + "d"}),
        )
    ]
    return [*(json.dumps(answer).encode() for answer in answers), b"{}", b"null", b""]


def large() -> dict[str, bytes]:
    """Return answers of up to a megabyte."""
    start = b'{"nodeVersion": {"version": "'
    return {
        "a version": start + b"4" * 999_000 + b'"}}',
        "digits of the uptime": start + b'483"}, "uptime": "' + b"9" * 999_000 + b'd"}',
        "letters of the uptime": start + b'483"}, "uptime": "1' + b"d" * 999_000 + b'"}',
        "keys": start + b'483"}' + b', "uptime": null' * 60_000 + b"}",
        "braces": b'{"nodeVersion":' * 60_000,
    }


TARGET = Target(
    check=check,
    seeds=seeds,
    tokens=[f'"{name}"'.encode() for name in ("nodeVersion", "version", "environment", "uptime", "coordinatorId")],
    large=large,
    work=decode_info,
    plain=msgspec.json.decode,
    multiple=4.0,
)

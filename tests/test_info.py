"""What coordinators say of themselves."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from exporter.decode.info import Info, decode_info
from exporter.dialect import dialect_of
from exporter.errors import DecodeError

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize("folder", sorted(path.name for path in DATA.glob("*-*") if path.is_dir()))
def test_recorded_engines_are_known_for_what_they_are(folder: str) -> None:
    recorded = json.loads(gzip.decompress((DATA / folder / "truth.json.gz").read_bytes()))["engine"]
    info = decode_info(json.dumps(recorded).encode())
    engine, version = folder.split("-")
    assert dialect_of(info.version).engine == engine
    assert info.version.startswith(version) and info.environment == "engines" and info.uptime_seconds is not None
    assert bool(info.coordinator_id) == (engine == "trino" and int(version) >= 477)


def test_what_an_engine_leaves_out_is_unknown() -> None:
    assert decode_info(b'{"nodeVersion": {}}') == Info("", "", None, False, "")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"<html>", b"\xff", b'{"nodeVersion": 3}', b'{"nodeVersion"'])
def test_anything_else_is_no_coordinator(body: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_info(body)


def test_an_uptime_in_no_known_unit_is_refused() -> None:
    with pytest.raises(DecodeError):
        decode_info(b'{"nodeVersion": {"version": "1"}, "uptime": "3 moons"}')

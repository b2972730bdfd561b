"""``GET /v1/query``: whole lists, and records between good ones."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from exporter.decode.query_list import REJECTED_REASONS, QueryList, Rejected, decode_query_list
from exporter.errors import NotAListError
from exporter.query import LIVE_STATES, Query, Text
from tests.fuzz.target import SECRET, Target, shown_of_secret
from tests.listing import row

DATA = Path(__file__).parent.parent / "data"
GOOD = (row("first"), row("last", "FAILED", error="USER_CANCELED"))
YEAR_10000 = 253402300800.0
_DEEP = 100  # far less than what either parser can bear


def check(data: bytes) -> None:
    """*data* as a list, and as a record of a list."""
    _check_list(data)
    _check_record(data)


def _check_list(data: bytes) -> None:
    is_json, value = _json(data)
    try:
        decoded = _decode(data, {})
    except NotAListError as error:
        assert not shown_of_secret(str(error))
        assert not (is_json and isinstance(value, list)), "a list that Python's own parser reads"
        return
    _check_decoded(decoded)
    if is_json:
        assert isinstance(value, list)
        assert len(decoded.rows) <= len(value)
        _compare(decoded.fresh, value)
    again = _decode(bytearray(data), decoded.rows)
    assert again.rows == decoded.rows
    assert not again.fresh and not again.rejected
    if data.rstrip(b" \t\r\n").endswith(b"]"):
        _refused(data.rstrip(b" \t\r\n")[:-1])


def _refused(data: bytes) -> None:
    try:
        _decode(data, {})
    except NotAListError:
        return
    raise AssertionError("a list without its end passes for one")


def _check_record(data: bytes) -> None:
    """A record that is JSON takes nothing else with it, whatever it says."""
    is_json, value = _json(data)
    if not is_json:
        return
    first, last = (json.dumps(good).encode() for good in GOOD)
    decoded = _decode(b"[" + first + b"," + data + b"," + last + b"]", {})
    _check_decoded(decoded)
    good = _decode(b"[" + first + b"," + last + b"]", {}).fresh
    others = [query for query in decoded.fresh if query not in good]
    assert all(query in decoded.fresh for query in good)
    assert len(others) + len(decoded.rejected) <= 1
    assert len(decoded.rows) == 2 + len(others) + len(decoded.rejected) or data.strip(b" \t\r\n") in (first, last)
    _compare(others, [value])


def _compare(queries: list[Query], values: list[Any]) -> None:
    """Python's own parser sees the same ids and users."""
    read = [(value.get("queryId"), _user(value)) for value in values if isinstance(value, dict)]
    for query in queries:
        assert (query.id, query.user) in read, "another id or user than Python's own parser reads"


def _user(value: dict[str, Any]) -> object:
    session = value.get("session")
    return (session.get("user") if isinstance(session, dict) else None) or ""


def _check_decoded(decoded: QueryList[Text]) -> None:
    assert len(decoded.fresh) == len(decoded.digests)
    assert all(one.reason in REJECTED_REASONS for one in decoded.rejected)
    for query in decoded.fresh:
        assert query.id
        for amount in (*query.amounts, query.memory_bytes, query.peak_memory_bytes):
            assert math.isfinite(amount), "an amount that is no number"
            assert amount >= 0.0, "an amount below nothing"
        assert 0.0 <= query.created < YEAR_10000
        assert query.is_terminal == (query.state in ("finished", "failed"))
        assert query.is_terminal or query.state in LIVE_STATES
        assert query.ended is None or query.created <= query.ended < YEAR_10000
        assert (query.error_name != "") == (query.error_type != "") == (query.state == "failed")


def _decode(data: bytes | bytearray, known: Mapping[int, Query | Rejected]) -> QueryList[Text]:
    return decode_query_list(data, known, lambda text: text)


def _json(data: bytes) -> tuple[bool, Any]:
    """Return whether *data* is JSON that is not nested deeply, and its value; texts may hold what is no UTF-8."""
    if data.count(b"[") + data.count(b"{") > 10 * _DEEP:
        return False, None
    try:
        value = json.loads(
            data.decode("utf-8", "replace"),
            parse_constant=_no_constant,
            parse_int=lambda _: 0,
            parse_float=lambda _: 0.0,
        )
    except (ValueError, RecursionError):  # the latter: nested more deeply than we look
        return False, None
    return _depth(value) < _DEEP, _replaced(value)


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            below
            for one in level
            if isinstance(one, list | dict)
            for below in (one.values() if isinstance(one, dict) else one)
        ]
    return depth


def _replaced(value: Any) -> Any:
    """Return *value* with its lone surrogates replaced, in the two texts that are compared."""
    values = value if isinstance(value, list) else [value]
    for one in values:
        if isinstance(one, dict):
            for below, key in ((one, "queryId"), (one.get("session"), "user")):
                if isinstance(below, dict) and isinstance(below.get(key), str):
                    below[key] = below[key].encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value


def seeds() -> list[bytes]:
    """Return short lists, single records of each engine and state, and what was broken once."""
    found = [b"[]", b" [ ] ", b"null", b"[null]"]
    for path in sorted(DATA.glob("*/poll[12].json.gz")):
        by_state = {record["state"]: record for record in json.loads(gzip.decompress(path.read_bytes()))}
        for record in by_state.values():
            record["query"] = f"SELECT '{SECRET}'"
            record.get("session", {})["source"] = SECRET
            found.append(json.dumps(record).encode())
        found.append(json.dumps([*by_state.values()][:2]).encode())
    return [*found, *(json.dumps(_with(**stats)).encode() for stats in BROKEN)]


def _with(**stats: object) -> dict[str, Any]:
    record = row("q")
    record["queryStats"].update(stats)
    return record


BROKEN: list[dict[str, object]] = [
    {"rawInputPositions": -5},
    {"cumulativeUserMemory": -1.0},
    {"physicalInputDataSize": "9" * 400 + "B"},
    {"endTime": None, "elapsedTime": "9" * 400 + "d"},
    {"endTime": None, "elapsedTime": "9" * 30 + "d"},
    {"createTime": "0001-01-01T00:00:00+23:59"},
]
"""Figures with which a query passed for a good one."""


def large() -> dict[str, bytes]:
    """Return lists and records of up to a megabyte."""
    record = json.dumps(row("q")).encode()

    def rows(*changes: tuple[bytes, bytes]) -> bytes:
        text = record
        for old, new in changes:
            text = text.replace(old, new)
        count = 1_000_000 // (len(text) + 8)
        return b"[" + b",".join(text.replace(b'"q"', b'"q%d"' % number) for number in range(count)) + b"]"

    return {
        "good rows": rows(),
        "bad rows": rows((b'"0.00s"', b'"x"')),
        "rows of another type": rows((b'"session"', b'"session": 7, "s"')),
        "empty lists": b"[" + b"[]," * 100_000 + b"[]]",
        "numbers": b"[" + b"1," * 200_000 + b"1]",
        "brackets": b"[" * 1_000_000,
        "braces": b'[{"a":' * 160_000,
        "half surrogates": rows((b"alice", b"\\ud800" * 60)),
        "backslashes": b'["' + b"\\\\" * 499_000 + b'"]',
        "backslash at the end": b'["' + b"\\" * 999_001,
        "half surrogates, cut": b'["' + b"\\ud800" * 160_000,
        "digits": b"[" + b"1" * 999_000 + b"]",
        "digits of an amount": b"[" + record.replace(b'"0B"', b'"' + b"9" * 990_000 + b'B"') + b"]",
        "digits after the point": b"[" + record.replace(b'"0B"', b'"0.' + b"9" * 990_000 + b'B"') + b"]",
        "digits of a time": b"[" + record.replace(b'Z"', b"1" * 490_000 + b'Z"') + b"]",
        "letters of a unit": b"[" + record.replace(b'"0B"', b'"0' + b"B" * 990_000 + b'"') + b"]",
        "keys": b"[" + record[:-1] + b', "a": 1' * 120_000 + b"}]",
        "the same key": b"[" + record[:-1] + b', "query": "SELECT 1"' * 45_000 + b"}]",
        "white space": b"[" + b" " * 999_000 + b"]",
        "no UTF-8": b'["' + b"\xff" * 999_000 + b'"]',
        "NUL": b"\x00" * 1_000_000,
    }


TARGET = Target(
    check=check,
    seeds=seeds,
    tokens=[
        *(
            f'"{name}"'.encode()
            for name in ("queryId", "state", "session", "user", "source", "queryStats", "errorCode")
        ),
        *(f'"{name}"'.encode() for name in ("createTime", "endTime", "elapsedTime", "totalCpuTime", "errorType")),
        *(f'"{name}"'.encode() for name in ("rawInputDataSize", "rawInputPositions", "cumulativeUserMemory", "query")),
        *(b"null", b"true", b"{}", b"[]", b'""', b'"0.00ns"', b'"1.5d"', b'"2PB"', b'"RUNNING"', b'"FAILED"'),
        *(b'"1970-01-01T00:00:00.000Z"', b'"9999-12-31T23:59:59.999999999Z"', b'"0001-01-01T00:00:00+23:59"'),
    ],
    large=large,
    work=lambda data: _decode(data, {}),
    plain=msgspec.json.decode,
    multiple=300.0,
)

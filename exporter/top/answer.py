"""The answer of ``/api/v1/queries`` as values. Only what is shown is read; what a newer exporter adds is no matter."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import NamedTuple


class Measures(NamedTuple):
    """Sums over queries, in base units, by the API's names."""

    queries: float
    finished: float
    failed: float
    canceled: float
    cpu_seconds: float
    failed_cpu_seconds: float
    input_bytes: float
    input_rows: float
    memory_byte_seconds: float
    queued_seconds: float
    elapsed_seconds: float
    repeated_queries: float
    repeated_cpu_seconds: float

    def of(self, name: str) -> float:
        """Return the measure *name*."""
        value: float = getattr(self, name)
        return value


class Percentiles(NamedTuple):
    """Seconds of ended queries; None where none ended."""

    p50: float | None
    p95: float | None
    p99: float | None


class Statement(NamedTuple):
    """What a fingerprint stands for."""

    query_type: str
    template: str
    read: tuple[str, ...]
    written: tuple[str, ...]
    first_seen: float
    """Unix time; 0 if it is not known."""


@dataclass(frozen=True, slots=True)
class Row:
    """One group."""

    name: str
    measures: Measures
    share: float
    elapsed: Percentiles
    queued: Percentiles
    fingerprints: float
    users: float
    statement: Statement | None
    before: Measures | None
    change: str
    """Empty if nothing was compared."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the exporter knows, as asked. Its texts are as they came: hostile."""

    start: float
    """Unix time; so is *end*."""
    end: float
    group_by: str
    order_by: str
    """A field of Measures."""
    descending: bool
    offset: int
    groups: int
    total: Measures
    total_before: Measures | None
    elapsed: Percentiles
    rows: tuple[Row, ...]
    errors: tuple[tuple[str, float], ...]
    clusters: tuple[str, ...]
    oldest: float | None


def read(body: bytes) -> Answer:
    """Return what *body* says. Raises ValueError with what is wrong with it, in words that are ours."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    try:
        return _answer(said)
    except (KeyError, TypeError, AttributeError, OverflowError, ValueError):
        raise ValueError("JSON, but no usage of queries") from None


def problems(body: bytes) -> list[str]:
    """Return what a refusal says, at most 20 texts; none if it is not one of the API's. Texts are as they came."""
    try:
        said = json.loads(body)["error"]
        return [_text(one) for one in _list(said)[:20]]
    except (KeyError, TypeError, ValueError, RecursionError):
        return []


def _answer(said: object) -> Answer:
    of = _object(said)
    order = _text(of["order_by"])
    if order not in Measures._fields:
        raise ValueError
    return Answer(
        start=_number(of["start"]),
        end=_number(of["end"]),
        group_by=_text(of["group_by"]),
        order_by=order,
        descending=_text(of["order"]) != "asc",
        offset=int(_number(of["offset"])),
        groups=int(_number(of["groups"])),
        total=_measures(of["total"]),
        total_before=_measures_if_any(of["total_before"]),
        elapsed=_percentiles(of["elapsed"]),
        rows=tuple(map(_row, _list(of["rows"]))),
        errors=tuple((_text(one["name"]), _number(one["queries"])) for one in map(_object, _list(of["errors"]))),
        clusters=_texts(of["clusters"]),
        oldest=_number_if_any(of["oldest"]),
    )


def _row(said: object) -> Row:
    of = _object(said)
    change = of["change"]
    return Row(
        name=_text(of["name"]),
        measures=_measures(of["measures"]),
        share=_number(of["share"]),
        elapsed=_percentiles(of["elapsed"]),
        queued=_percentiles(of["queued"]),
        fingerprints=_number(of["fingerprints"]),
        users=_number(of["users"]),
        statement=_statement(of["statement"]),
        before=_measures_if_any(of["before"]),
        change="" if change is None else _text(change),
    )


def _statement(said: object) -> Statement | None:
    if said is None:
        return None
    of = _object(said)
    return Statement(
        _text(of["query_type"]),
        _text(of["template"]),
        _texts(of["read"]),
        _texts(of["written"]),
        _number(of["first_seen"]),
    )


def _measures(said: object) -> Measures:
    of = _object(said)
    return Measures(*(_number(of[name]) for name in Measures._fields))


def _measures_if_any(said: object) -> Measures | None:
    return None if said is None else _measures(said)


def _percentiles(said: object) -> Percentiles:
    of = _object(said)
    return Percentiles(*(_number_if_any(of[name]) for name in Percentiles._fields))


def _number_if_any(said: object) -> float | None:
    return None if said is None else _number(said)


def _number(said: object) -> float:
    if isinstance(said, bool) or not isinstance(said, int | float) or not math.isfinite(said) or said < 0:
        raise ValueError
    return float(said)


def _texts(said: object) -> tuple[str, ...]:
    return tuple(map(_text, _list(said)))


def _text(said: object) -> str:
    if not isinstance(said, str):
        raise TypeError
    return said


def _list(said: object) -> list[object]:
    if not isinstance(said, list):
        raise TypeError
    return said


def _object(said: object) -> dict[str, object]:
    if not isinstance(said, dict):
        raise TypeError
    return said

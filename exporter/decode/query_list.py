"""Turns the body of ``GET /v1/query`` into queries, at the cost of what changed.

Rows of ended queries come back byte for byte the same for as long as they are listed, so a row is looked up by the hash
of its bytes first, and only rows not seen in the list before are decoded. The hash is Python's own of `bytes`: 64 bits,
keyed anew in each process, so that nobody who writes queries can aim at it.

A decoder returns what it understood and what it rejected; it never raises for one bad row. Only a body that is not a
whole list raises: a cut list must never pass for a short one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Generic, NamedTuple, TypeVar

import msgspec

from exporter.decode.units import MICROSECONDS, parse_duration, parse_size
from exporter.errors import DecodeError, NotAListError
from exporter.query import LIVE_STATES, Amounts, Query, Text

REJECTED_REASONS = ("missing_field", "wrong_type", "bad_time", "bad_unit", "bad_text")
"""Why a record was not understood."""

UNKNOWN = "UNKNOWN"
"""Type and name of the error of a query that failed without one."""

_TEXT_TOO_LARGE = "QUERY_TEXT_TOO_LARGE"

_Instant = Annotated[datetime, msgspec.Meta(tz=True)]

# Engines count rows in 64 bits, memory over time in their product with milliseconds. What is more would be in a total
# for good, and infinity minus infinity is no number any more. What is less than nothing is read as nothing.
_Number = Annotated[float, msgspec.Meta(ge=-(2.0**126), le=2.0**126)]

_YEAR_10000 = 253402300800.0


class Rejected(NamedTuple):
    """A record that could not be understood. Holds no text of the record."""

    reason: str


_REJECTED = {reason: Rejected(reason) for reason in REJECTED_REASONS}
"""One object for each reason: a list of nothing but commas has a record for every other byte."""


class _Session(msgspec.Struct):
    user: str | None = None
    source: str | None = None
    catalog: str | None = None
    schema: str | None = None


class _ErrorCode(msgspec.Struct):
    name: str | None = None
    type: str | None = None


class _Stats(msgspec.Struct, rename="camel"):
    create_time: _Instant
    end_time: _Instant | None = None
    queued_time: str | None = None
    elapsed_time: str | None = None
    total_cpu_time: str | None = None
    failed_cpu_time: str | None = None
    physical_input_data_size: str | None = None
    raw_input_data_size: str | None = None
    raw_input_positions: _Number | None = None
    processed_input_positions: _Number | None = None
    cumulative_user_memory: _Number | None = None
    user_memory_reservation: str | None = None
    peak_user_memory_reservation: str | None = None
    fully_blocked: bool | None = None


class _Row(msgspec.Struct, rename="camel"):
    query_id: Annotated[str, msgspec.Meta(min_length=1)]
    state: str
    query_stats: _Stats
    session: _Session | None = None
    error_type: str | None = None
    error_code: _ErrorCode | None = None
    query: str | None = None
    prepared_query: str | None = None


_split = msgspec.json.Decoder(list[msgspec.Raw]).decode
_row = msgspec.json.Decoder(_Row).decode


_Digest = TypeVar("_Digest")


@dataclass(frozen=True, slots=True)
class QueryList(Generic[_Digest]):
    """One list: every row in it, and which of them were not in the list before byte for byte."""

    rows: Mapping[int, Query | Rejected]
    """By hash of the row's bytes; what the next call takes as *known*."""
    fresh: list[Query]
    digests: list[_Digest]
    """What was made of the texts of the fresh ones, in the same order."""
    rejected: list[Rejected]
    """Only those that are new."""


def decode_query_list(
    body: bytes | bytearray, known: Mapping[int, Query | Rejected], digest: Callable[[Text], _Digest]
) -> QueryList[_Digest]:
    """Return what *body* lists; rows that are in *known* (the `rows` of the list before) are not decoded again.

    *digest* is given each text as soon as it is decoded, so that the texts of a large list are never held together.
    Raises NotAListError if *body* is not a whole JSON list.
    """
    rows: dict[int, Query | Rejected] = {}
    fresh: list[Query] = []
    digests: list[_Digest] = []
    rejected: list[Rejected] = []
    for raw in _records(body):
        record = bytes(raw)
        place = hash(record)
        row = known.get(place)
        if row is None:
            decoded = _decode(record)
            if isinstance(decoded, Rejected):
                rejected.append(decoded)
                row = decoded
            else:
                row, text = decoded
                fresh.append(row)
                digests.append(digest(text))
        rows[place] = row
    return QueryList(rows, fresh, digests, rejected)


def _records(body: bytes | bytearray) -> list[msgspec.Raw]:
    try:
        try:
            return _split(body)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            return _split(_mend_surrogates(body))
    except msgspec.ValidationError:
        raise NotAListError("GET /v1/query answered JSON that is not a list; is this a coordinator?") from None
    except msgspec.DecodeError:
        raise NotAListError(
            "GET /v1/query answered something that is not whole JSON; the answer was cut, or this is no coordinator"
        ) from None
    except RecursionError:
        raise NotAListError("GET /v1/query answered JSON nested too deeply to be a list of queries") from None


_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)


def _mend_surrogates(body: bytes | bytearray) -> bytes:
    """Return *body* with escaped half surrogates, which are no characters, replaced: one must not spoil a list."""
    return _ESCAPE.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], body)


def _decode(record: bytes) -> tuple[Query, Text] | Rejected:
    try:
        row = _row(record)
        query = _query(row)
        session = row.session or _Session()
        is_cut = query.error_name == _TEXT_TOO_LARGE
        return query, Text(row.query or "", row.prepared_query, is_cut, session.catalog or "", session.schema or "")
    except DecodeError as error:
        return _REJECTED[error.reason]
    except UnicodeDecodeError:
        return _REJECTED["bad_text"]
    except (msgspec.DecodeError, RecursionError) as error:
        text = str(error)
        if "missing required field" in text or "length >= 1" in text:
            return _REJECTED["missing_field"]
        return _REJECTED["bad_time" if "datetime" in text else "wrong_type"]


def _query(row: _Row) -> Query:
    stats = row.query_stats
    session = row.session or _Session()
    live_elapsed = _seconds(stats.elapsed_time)
    created = stats.create_time.timestamp()
    ended: float | None = None
    elapsed = live_elapsed
    error_type = error_name = ""
    # The state decides, never endTime: PrestoDB prints 1970 there for queries that run.
    if row.state in ("FINISHED", "FAILED"):
        state = row.state.lower()
        if stats.end_time is not None and stats.end_time >= stats.create_time:
            elapsed = round((stats.end_time - stats.create_time).total_seconds(), MICROSECONDS)
        ended = created + elapsed
        if state == "failed":
            code = row.error_code or _ErrorCode()
            error_type = code.type or row.error_type or UNKNOWN
            error_name = code.name or UNKNOWN
    else:
        state = row.state.lower()
        if state == "running" and stats.fully_blocked:
            state = "blocked"
        elif state not in LIVE_STATES or state == "blocked":
            state = "unknown"
    if created < 0.0 or (ended or created) >= _YEAR_10000:
        raise DecodeError("outside of the years 1970 to 9999", "bad_time")
    return Query(
        id=row.query_id,
        user=session.user or "",
        source=session.source or "",
        state=state,
        created=created,
        ended=ended,
        error_type=error_type,
        error_name=error_name,
        amounts=Amounts(
            cpu_seconds=_seconds(stats.total_cpu_time),
            failed_cpu_seconds=_seconds(stats.failed_cpu_time),
            input_bytes=_first(_bytes(stats.physical_input_data_size), _bytes(stats.raw_input_data_size)),
            input_rows=max(0.0, _first(stats.raw_input_positions, stats.processed_input_positions)),
            memory_byte_seconds=max(0.0, (stats.cumulative_user_memory or 0.0) / 1000.0),  # of byte milliseconds
            queued_seconds=_seconds(stats.queued_time),
            elapsed_seconds=elapsed,
        ),
        memory_bytes=_first(_bytes(stats.user_memory_reservation)),
        peak_memory_bytes=_first(_bytes(stats.peak_user_memory_reservation)),
    )


def _seconds(text: str | None) -> float:
    return 0.0 if text is None else parse_duration(text)


def _bytes(text: str | None) -> float | None:
    return None if text is None else parse_size(text)


def _first(*values: float | None) -> float:
    return next((value for value in values if value is not None), 0.0)

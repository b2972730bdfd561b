"""What must have been counted, and how what was counted differs. Pure: no server, no clock.

Two sources, neither of them the exporter's: what the clients of ``/v1/statement`` saw decides the counts, and the
server's own last rows decide the amounts (no client can know those). Units are read here by code of our own, so that
a mistake in the exporter's decoder does not hide itself.
"""

from __future__ import annotations

import math
import operator
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from exporter.fingerprint.fingerprint import Fingerprinter
from exporter.query import Outcome

_CANCELED = ("USER_CANCELED", "ADMINISTRATIVELY_KILLED", "ADMINISTRATIVELY_PREEMPTED")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40, "PB": 1 << 50}
_QUANTITY = re.compile(r"([0-9.]+)([A-Za-z]+)")


class Fate(StrEnum):
    """What became of a statement, as far as lists of queries are concerned."""

    IN_FLIGHT = "in flight"
    ENDED = "ended"
    NEVER_FOLLOWED = "never followed"
    """Its client never asked for the first result; no engine lists such a query."""
    CUT_OFF = "cut off"
    """On its way when the server was stopped."""


class Ending(NamedTuple):
    """How a query ended; `error_type` and `error_name` are empty if it finished."""

    outcome: Outcome
    error_type: str = ""
    error_name: str = ""


FINISHED = Ending(Outcome.FINISHED)
USER_CANCELED = ("USER_ERROR", "USER_CANCELED")
ABANDONED = ("USER_ERROR", "ABANDONED_QUERY")


def ending(error_type: str, error_name: str) -> Ending:
    """Return the ending of a query with this error."""
    outcome = Outcome.CANCELED if error_name in _CANCELED else Outcome.FAILED
    return Ending(outcome, error_type, error_name)


@dataclass(slots=True)
class Sent:
    """One statement that was sent to a server, and what its client knows of it."""

    id: str
    user: str
    """As the server reads it, which is what it lists."""
    source: str
    """Empty if none was sent."""
    sql: str
    fate: Fate = Fate.IN_FLIGHT
    ending: Ending | None = None
    """Set exactly if the fate is ENDED."""
    how: str = ""
    """What ended it, for people."""

    def end(self, how: str, ended: Ending) -> None:
        """Note how the query ended."""
        self.fate, self.ending, self.how = Fate.ENDED, ended, how


def queries(sent: Iterable[Sent]) -> Counter[tuple[str, ...]]:
    """Return how many queries ended, by user, source and outcome."""
    return Counter((each.user, each.source, str(each.ending.outcome)) for each in sent if each.ending)


def errors(sent: Iterable[Sent]) -> Counter[tuple[str, ...]]:
    """Return how many queries ended with an error, by user, source, outcome, error type and error name."""
    return Counter(
        (each.user, each.source, *map(str, each.ending)) for each in sent if each.ending and each.ending.error_name
    )


def differences(
    expected: Mapping[tuple[str, ...], float],
    seen: Mapping[tuple[str, ...], float],
    agree: Callable[[float, float], bool] = operator.eq,
) -> list[str]:
    """Return where *seen* does not agree with *expected* (in this order), in words; a key that is absent is zero."""
    found = []
    for key in sorted({*expected, *seen}):
        want, have = expected.get(key, 0), seen.get(key, 0)
        if not agree(have, want):
            found.append(f"{' · '.join(map(repr, key))}: {have!r}, truth {want!r}")
    return found


def is_close(seen: float, expected: float) -> bool:
    """True if two sums of amounts are the same but for the exporter's rounding of every text to a microsecond."""
    return math.isclose(seen, expected, rel_tol=1e-6, abs_tol=1e-4)


def is_at_least(seen: float, expected: float) -> bool:
    """True if *seen* is the same sum or more: enough for amounts of which an engine takes some back at the end."""
    return seen >= expected or is_close(seen, expected)


def unlike(sent: Iterable[Sent], rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return where a server's list (rows of ``GET /v1/query``) is not what the clients saw, in words."""
    listed = {row["queryId"]: row for row in rows}
    found = []
    for each in sent:
        row = listed.pop(each.id, None)
        want = (each.user, each.source, each.ending) if each.ending else None
        have = (*owner(row), ending_of(row)) if row else None
        if want != have:
            found.append(f"{each.id} ({each.sql[:40]!r}, {each.fate}, {each.how}): listed as {have}, truth {want}")
    return found + [f"{query_id}: listed, but nobody sent it" for query_id in listed]


def owner(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return user and source of a row; the source is empty if there is none."""
    return row["session"]["user"], row["session"].get("source", "")


def created(row: Mapping[str, Any]) -> float:
    """Return the Unix time at which the query of this row was created."""
    return _time(row["queryStats"]["createTime"])


def ending_of(row: Mapping[str, Any]) -> Ending | None:
    """Return how the query of this row ended; None if it has not."""
    if row["state"] == "FINISHED":
        return FINISHED
    if row["state"] == "FAILED":
        return ending(row["errorCode"]["type"], row["errorCode"]["name"])
    return None


def patterns(rows: Iterable[Mapping[str, Any]]) -> Counter[tuple[str, ...]]:
    """Return how many queries of these rows ended, by the fingerprint of what they ran and outcome.

    The fingerprints are the exporter's own: what is proved is that each run was counted under the right one.
    """
    fingerprinter = Fingerprinter()
    ended = ((row, ending_of(row)) for row in rows)
    return Counter(
        (fingerprinter.of(row["query"], row.get("preparedQuery")).id, str(how.outcome)) for row, how in ended if how
    )


def amounts(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the sums of these rows, by metric and then by user and source, in base units."""
    sums: defaultdict[str, defaultdict[tuple[str, ...], float]] = defaultdict(lambda: defaultdict(float))
    for row in rows:
        for metric, amount in _amounts_of(row).items():
            sums[metric][owner(row)] += amount
    return {metric: dict(by_owner) for metric, by_owner in sums.items()}


def _amounts_of(row: Mapping[str, Any]) -> dict[str, float]:
    stats = row["queryStats"]
    ended = ending_of(row)
    cpu = quantity(stats["totalCpuTime"])
    in_vain = cpu if ended not in (FINISHED, None) else quantity(stats.get("failedCpuTime", "0s"))
    rows_read = stats["rawInputPositions"] if "rawInputPositions" in stats else stats["processedInputPositions"]
    return {
        "presto_user_query_cpu_seconds_total": cpu,
        "presto_user_query_failed_cpu_seconds_total": in_vain,
        "presto_user_query_input_bytes_total": quantity(
            stats["physicalInputDataSize"] if "physicalInputDataSize" in stats else stats["rawInputDataSize"]
        ),
        "presto_user_query_input_rows_total": float(rows_read),
        "presto_user_query_memory_byte_seconds_total": float(stats["cumulativeUserMemory"]) / 1000,
        "presto_user_query_queued_seconds_total": quantity(stats["queuedTime"]) if ended else 0.0,
        "presto_user_query_elapsed_seconds_total": (
            _time(stats["endTime"]) - _time(stats["createTime"]) if ended else 0.0
        ),
    }


def quantity(text: str) -> float:
    """Return the seconds or bytes in an engine's text such as ``1.50m`` or ``7.86MB``."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is neither a duration nor a size")
    return float(match[1]) * (_SECONDS[match[2]] if match[2] in _SECONDS else _BYTES[match[2]])


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()

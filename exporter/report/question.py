"""What can be asked about usage: the parameters of ``/api/v1/queries`` and ``/queries``, in both directions."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from exporter.errors import Problem, QuestionError

SHORTEST_WINDOW = 3600.0
LONGEST_WINDOW = 90 * 86400.0
MOST_ROWS = 1000
MOST_OFFSET = 1_000_000
MOST_VALUES = 100
"""Of one filter."""
LONGEST_SEARCH = 1000
"""Characters."""


class Group(StrEnum):
    """By what queries are put together."""

    FINGERPRINT = "fingerprint"
    USER = "user"
    SOURCE = "source"
    TABLE = "table"
    CATALOG = "catalog"
    QUERY_TYPE = "query_type"
    CLUSTER = "cluster"


class Change(StrEnum):
    """How a group compares with the window before, by the measure that orders."""

    NEW = "new"
    """Nothing before."""
    GREW = "grew"
    """By a quarter or more."""
    SHRANK = "shrank"
    """To three quarters or less."""
    SAME = "same"
    VANISHED = "vanished"
    """Something before, nothing now."""


MEASURES = (
    "queries",
    "finished",
    "failed",
    "canceled",
    "cpu_seconds",
    "failed_cpu_seconds",
    "input_bytes",
    "input_rows",
    "memory_byte_seconds",
    "queued_seconds",
    "elapsed_seconds",
    "repeated_queries",
    "repeated_cpu_seconds",
)
"""What is summed up of a group, in base units; queries = finished + failed + canceled."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question. Filters of one kind are alternatives, filters of different kinds all hold; empty: no filter."""

    window: float = 86400.0
    """Seconds back from *until*; the answer begins with the hour or day in which this falls."""
    until: float | None = None
    """Unix time; None: now."""
    clusters: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    query_types: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    """As qualified as the answer names them (``catalog.schema.table``); a shorter name matches the end of them."""
    catalogs: tuple[str, ...] = ()
    search: str = ""
    """Text in the template, whatever its case."""
    group_by: Group = Group.FINGERPRINT
    order_by: str = "cpu_seconds"
    """One of MEASURES."""
    descending: bool = True
    limit: int = 50
    offset: int = 0
    compare: bool = False
    """With the window of the same length before."""
    change: Change | None = None
    """Only groups that changed so; implies compare."""
    trend: bool = False
    """With the ordering measure over time for each group."""


def parse(parameters: Iterable[tuple[str, str]]) -> Question:
    """Return the question that *parameters* ask; an empty value is none at all, but for filters: theirs can be empty.

    Raises QuestionError with all that is wrong with them, as far as anybody would read on.
    """
    given: dict[str, list[str]] = {}
    for name, text in parameters:
        given.setdefault(name, []).append(text)
    fields: dict[str, object] = {}
    problems = []
    for name, texts in given.items():
        try:
            fields |= _read(name, texts)
        except ValueError as error:
            problems.append(Problem(_shown(name), str(error)))
        if len(problems) == _MOST_PROBLEMS:
            break
    if problems:
        raise QuestionError(problems)
    return Question(**fields)  # type: ignore[arg-type]


def parameters(question: Question) -> list[tuple[str, str]]:
    """Return the parameters of which `parse` makes *question*, without those that say what holds anyway."""
    found = [(name, text) for name, field in FILTERS.items() for text in getattr(question, field)]
    for name, (field, _, write) in _SINGLE.items():
        value = getattr(question, field)
        if value != getattr(_DEFAULT, field):
            found.append((name, write(value)))
    return found


def _read(name: str, texts: list[str]) -> dict[str, object]:
    """Return the field that parameter *name* sets, if any; raises ValueError with what is wrong and what to do."""
    if name in FILTERS:
        values = tuple(dict.fromkeys(texts))
        if len(values) > MOST_VALUES:
            raise ValueError(f"more than {MOST_VALUES} values; ask for fewer")
        return {FILTERS[name]: values}
    if name not in _SINGLE:
        near = difflib.get_close_matches(name[:100], PARAMETERS, n=1)
        raise ValueError(f"no such parameter; {f'did you mean {near[0]}?' if near else 'remove it'}")
    if len(texts) > 1:
        raise ValueError("given more than once; keep one of them")
    if not texts[0]:
        return {}
    single = _SINGLE[name]
    return {single.field: single.read(texts[0])}


def _shown(name: str) -> str:
    return name if len(name) <= 100 else f"{name[:99]}…"


def _read_window(text: str) -> float:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("not a duration; write one like 24h, 7d or 1h30m")
    parts = zip(match.groups(), _UNITS.values(), strict=True)
    seconds = float(round(sum(float(number) * unit for number, unit in parts if number)))
    if not SHORTEST_WINDOW <= seconds <= LONGEST_WINDOW:
        raise ValueError("out of range; choose 1h to 90d")
    return seconds


def _write_window(seconds: float) -> str:
    rest = round(seconds)
    text = ""
    for unit, size in _UNITS.items():
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text


def _read_time(text: str) -> float:
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", text):
        seconds = float(text)
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(
                "not a time; write Unix seconds or ISO 8601 like 2026-09-21T10:00:00Z (a + is %2B in an address)"
            ) from None
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    seconds = round(seconds, 6)  # all that `parameters` writes
    if not 0 <= seconds < _LAST_TIME:
        raise ValueError("out of range; choose a time from 1970 to 9999")
    return seconds


def _write_time(seconds: float) -> str:
    return f"{seconds:.6f}".rstrip("0").rstrip(".")


def _number_within(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,15}", text):
            raise ValueError(f"not a whole number; write one like {max(least, 50)}")
        if not least <= int(text) <= most:
            raise ValueError(f"out of range; choose {least} to {most}")
        return int(text)

    return read


def _one_of(values: dict[str, Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        if text not in values:
            raise ValueError(f"no such choice; choose {', '.join(values)}")
        return values[text]

    return read


def _read_search(text: str) -> str:
    if len(text) > LONGEST_SEARCH:
        raise ValueError(f"longer than {LONGEST_SEARCH} characters; look for less")
    return text


class _Single(NamedTuple):
    """A parameter that is given once."""

    field: str
    read: Callable[[str], Any]
    write: Callable[[Any], str] = str


_MOST_PROBLEMS = 20
_DEFAULT = Question()
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile("(?=.)" + "".join(f"(?:([0-9]{{1,9}}(?:\\.[0-9]{{1,9}})?){unit})?" for unit in _UNITS))
_LAST_TIME = 253402300800.0  # the year 10000
_SWITCH = {"true": True, "false": False}
_ORDER = {"desc": True, "asc": False}

FILTERS = {
    "cluster": "clusters",
    "user": "users",
    "source": "sources",
    "fingerprint": "fingerprints",
    "query_type": "query_types",
    "table": "tables",
    "catalog": "catalogs",
}
"""Fields of Question by the parameters that fill them; each may be given several times."""

_SINGLE = {
    "window": _Single("window", _read_window, _write_window),
    "until": _Single("until", _read_time, _write_time),
    "search": _Single("search", _read_search),
    "group_by": _Single("group_by", _one_of({str(group): group for group in Group})),
    "order_by": _Single("order_by", _one_of({measure: measure for measure in MEASURES})),
    "order": _Single("descending", _one_of(_ORDER), lambda value: "desc" if value else "asc"),
    "limit": _Single("limit", _number_within(1, MOST_ROWS)),
    "offset": _Single("offset", _number_within(0, MOST_OFFSET)),
    "compare": _Single("compare", _one_of(_SWITCH), lambda value: "true" if value else "false"),
    "change": _Single("change", _one_of({str(change): change for change in Change})),
    "trend": _Single("trend", _one_of(_SWITCH), lambda value: "true" if value else "false"),
}

PARAMETERS = (*FILTERS, *_SINGLE)
"""All that `parse` understands."""

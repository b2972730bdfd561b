"""What somebody chose to look at, and what each key makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from exporter.top.answer import Answer

WINDOWS = ("1h", "6h", "24h", "7d", "30d", "90d")
GROUPS = ("fingerprint", "user", "source", "table", "catalog", "query_type", "cluster")
ORDERS = (
    "cpu_seconds",
    "queries",
    "failed",
    "failed_cpu_seconds",
    "input_bytes",
    "memory_byte_seconds",
    "elapsed_seconds",
    "queued_seconds",
    "repeated_queries",
    "repeated_cpu_seconds",
)
"""In which the keys go through them, each list round and round."""
MOST_ROWS = 1000
MOST_OFFSET = 1_000_000
"""Of one answer, and before it, as the API allows."""


class Extent(NamedTuple):
    """How much there is to move about in, as last drawn."""

    page: int
    """Lines of a page, at least 1."""
    last: int
    """The last line that can be gone to, at least 0."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One view. Each key makes another one of it."""

    window: str = "24h"
    group_by: str = "fingerprint"
    order_by: str = "cpu_seconds"
    descending: bool = True
    compare: bool = True
    filters: tuple[tuple[str, str], ...] = ()
    """Names and values of the API's parameters."""
    is_opened: bool = False
    """One fingerprint is shown, with its template; it is the last of the filters."""
    cursor: int = 0
    """The chosen group among all; of what is opened, the first line that is shown."""
    before: Choice | None = None
    """To where Escape leads."""

    def parameters(self, page: int) -> list[tuple[str, str]]:
        """Return what to ask the API for the page of *page* rows that has the cursor."""
        page = min(page, MOST_ROWS)
        at = [] if self.is_opened else [("offset", str(min(self.cursor // page * page, MOST_OFFSET)))]
        return [
            ("window", self.window),
            ("group_by", self.group_by),
            ("order_by", self.order_by),
            ("order", "desc" if self.descending else "asc"),
            ("compare", "true" if self.compare else "false"),
            ("limit", "1" if self.is_opened else str(page)),
            *at,
            *self.filters,
        ]


def pressed(choice: Choice, key: str, extent: Extent, answer: Answer | None) -> Choice:
    """Return what *key* makes of *choice*: itself if the key means nothing here.

    *answer* is the one to this choice; None while it is awaited.
    """
    if key in _MOVES:
        to = choice.cursor + _MOVES[key] * (extent.page if key.startswith("page") else 1)
        to = {"home": 0, "end": extent.last}.get(key, to)
        return replace(choice, cursor=min(max(0, to), extent.last))
    if key in ("w", "W"):
        return replace(choice, window=_next(WINDOWS, choice.window, key.islower()), cursor=_kept(choice))
    if key == "c":
        return replace(choice, compare=not choice.compare, cursor=_kept(choice))
    if key == "escape" and choice.before:
        return replace(choice.before, window=choice.window, compare=choice.compare)
    if choice.is_opened:
        return choice
    if key in ("g", "G"):
        return replace(choice, group_by=_next(GROUPS, choice.group_by, key.islower()), cursor=0)
    if key in ("o", "O"):
        return replace(choice, order_by=_next(ORDERS, choice.order_by, key.islower()), cursor=0)
    if key == "r":
        return replace(choice, descending=not choice.descending, cursor=0)
    if key == "enter" and answer is not None:
        return _entered(choice, answer)
    return choice


def _entered(choice: Choice, answer: Answer) -> Choice:
    """Return the template of the chosen fingerprint, or the fingerprints of another group that is chosen."""
    row = choice.cursor - answer.offset
    if not 0 <= row < len(answer.rows):
        return choice
    others = tuple(one for one in choice.filters if one[0] != choice.group_by)
    return replace(
        choice,
        filters=(*others, (choice.group_by, answer.rows[row].name)),
        is_opened=choice.group_by == "fingerprint",
        group_by="fingerprint",
        cursor=0,
        before=choice,
    )


def _kept(choice: Choice) -> int:
    return choice.cursor if choice.is_opened else 0


def _next(values: Sequence[str], value: str, forward: bool) -> str:
    if value not in values:
        return values[0]
    return values[(values.index(value) + (1 if forward else -1)) % len(values)]


_MOVES = {"up": -1, "down": 1, "page up": -1, "page down": 1, "home": 0, "end": 0}

"""Names of tables: which one is meant where a statement leaves its catalog or schema to the session."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple


class Place(NamedTuple):
    """The catalog and schema of a session, in lower case; empty where not known."""

    catalog: str
    schema: str


class Table(NamedTuple):
    """A table as qualified as is known."""

    catalog: str
    """Empty if not known."""
    name: str
    """With all parts that are known."""


class Role(NamedTuple):
    """What a statement does with something that has a name: a table, or all tables of a catalog."""

    name: str
    is_read: bool
    is_written: bool


def place_of(text: str) -> Place:
    """Return the place that a ledger keeps as *text*: a JSON array of two texts, or nothing."""
    catalog, schema = json.loads(text) if text else ("", "")
    return Place(catalog.lower(), schema.lower())


def qualify(name: str, place: Place) -> Table:
    """Return which table *name* means in a session that is in *place*. Parts of a name are joined by dots."""
    parts = name.split(".")
    if len(parts) >= 3:
        return Table(parts[0], name)
    known = [place.catalog, place.schema, *parts] if len(parts) == 1 else [place.catalog, *parts]
    return Table(place.catalog, ".".join(filter(None, known)))


def roles(read: Iterable[str], written: Iterable[str]) -> tuple[Role, ...]:
    """Return each name once, sorted; one without a name, and with no role, if there is none."""
    are_read, are_written = frozenset(read), frozenset(written)
    names = sorted(are_read | are_written)
    return tuple([Role(name, name in are_read, name in are_written) for name in names]) or (Role("", False, False),)


def is_named(name: str, asked: str) -> bool:
    """Return whether *asked*, in any case, is *name* or the last parts of it."""
    asked = asked.lower()
    return name == asked or (asked != "" and name.endswith(f".{asked}"))

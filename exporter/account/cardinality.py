"""Which values of a label keep a series of their own. The first ones do, for good; all later ones share ``other``."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

OTHER = "other"
LONGEST = 200
"""Characters that a label value may have; the hash that ends a longer one keeps it apart from its neighbours."""


class Shown(NamedTuple):
    """The label value under which something is counted."""

    value: str
    overflowed: bool
    """True if the value is ``other`` because the label is full."""


class Labels:
    """The label values of one cluster. Not safe for several threads at once: its cluster's poll is the only caller.

    The empty value takes no place, so that a query without a source always has ``source=""``.
    """

    def __init__(self, limits: Mapping[str, int], known: Iterable[tuple[str, str]]) -> None:
        """*limits*: places by label; *known*: the (label, value) pairs that have a place already, limit or no limit."""
        self.limits = dict(limits)
        self._values: dict[str, set[str]] = {label: set() for label in limits}
        for label, value in known:
            self._values.setdefault(label, set()).add(value)
        self._admitted: list[tuple[str, str]] = []

    def show(self, label: str, value: str) -> Shown:
        """Return the value of *label* to count *value* under, giving it a place if one is free."""
        limit = self.limits[label]
        if limit == 0 or value == "":
            return Shown("", False)
        values = self._values[label]
        shown = value if len(value) <= LONGEST else _cut(value)
        if shown in values:
            return Shown(shown, False)
        if shown == OTHER:
            return Shown(OTHER, False)
        if self.is_full(label):
            return Shown(OTHER, True)
        values.add(shown)
        self._admitted.append((label, shown))
        return Shown(shown, False)

    def has(self, label: str, value: str) -> bool:
        """Return whether *value* of *label* has a place already."""
        return value in self._values[label]

    def is_full(self, label: str) -> bool:
        """Return whether no further value of *label* would get a place."""
        return len(self._values[label]) >= self.limits[label]

    def remove(self, label: str, values: Iterable[str]) -> None:
        """Take their places from *values*; `admitted` must be empty."""
        self._values[label].difference_update(values)

    def counts(self) -> dict[str, int]:
        """Return how many values of each label have a place."""
        return {label: len(self._values[label]) for label in self.limits}

    def admitted(self) -> list[tuple[str, str]]:
        """Return the (label, value) pairs that got a place since the last `keep`: to be written down."""
        return list(self._admitted)

    def keep(self) -> None:
        """Note that what `admitted` returned has been written down."""
        self._admitted.clear()


class Candidates:
    """Counts how often values without a place were met, so that only those in use get one.

    Remembers the *most* last met ones; who comes so rarely that it is forgotten in between begins anew.
    """

    def __init__(self, needed: int, most: int = 20_000) -> None:
        self._needed = needed
        self._most = most
        self._met: OrderedDict[str, int] = OrderedDict()

    def meet(self, value: str) -> bool:
        """Count one more meeting with *value*; return True, and forget it, once it has been met often enough."""
        count = self._met.pop(value, 0) + 1
        if count >= self._needed:
            return True
        self._met[value] = count
        if len(self._met) > self._most:
            self._met.popitem(last=False)
        return False


def _cut(value: str) -> str:
    digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{value[: LONGEST - len(digest) - 1]}…{digest}"

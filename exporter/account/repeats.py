"""Which queries repeat the very text of one that has finished: what a cache, or a table, would have answered."""

from __future__ import annotations

from collections import OrderedDict

REMEMBERED_SECONDS = 86_400.0
"""From one run of a text to the next; a later one finds new data."""


class Repeats:
    """Remembers hashes of the texts that finished, the *most* last met; in memory only, so it begins anew at a start.

    Told the same query again, as when a commit is tried again, it says the same.
    """

    def __init__(self, most: int = 50_000) -> None:
        self._most = most
        self._met: OrderedDict[int, tuple[str, float]] = OrderedDict()

    def meet(self, text: int, query_id: str, ended: float) -> bool:
        """Return whether the text with the hash *text* had finished before, as another query; remember it."""
        first, last = self._met.pop(text, ("", -REMEMBERED_SECONDS))
        is_known = bool(first) and abs(ended - last) <= REMEMBERED_SECONDS
        self._met[text] = (first if is_known else query_id, max(ended, last) if is_known else ended)
        if len(self._met) > self._most:
            self._met.popitem(last=False)
        return is_known and first != query_id

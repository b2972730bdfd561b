"""Quantified groups that give nothing back, in every Python that is supported.

Before Python 3.11.5 a possessive group can take in what it did not match (python/cpython#106052): comments would not
end, and literals be kept. There, an atomic group around a greedy one does the same, and takes longer.
"""

from __future__ import annotations

import re

_matched = re.match("(?:ab?c)++", "aca")
_IS_SOUND = _matched is not None and _matched.end() == 2


def possessive(group: str, *, is_sound: bool = _IS_SOUND) -> str:
    """Return a pattern of *group*, a group with ``*``, ``+`` or ``?`` behind it, which never gives back a part."""
    return f"{group}+" if is_sound else f"(?>{group})"

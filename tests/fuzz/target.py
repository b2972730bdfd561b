"""What is fuzzed: a property of all bytes, and bytes to begin with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

SECRET = "Zq9+kT4/xW8=Wv2~"
"""Planted where secrets and texts of SQL stand; of six characters in a row one is in no name that may be shown."""

WORD = "hunter2"
"""Planted too: one that could be a name, and so may be where names are shown."""

_PIECE = 6


@dataclass(frozen=True)
class Target:
    """One door to the outside."""

    check: Callable[[bytes], object]
    """Raises anything if the bytes break a property."""
    seeds: Callable[[], Sequence[bytes]]
    """What the outside sends on a good day, and what was found to be broken once."""
    tokens: Sequence[bytes] = ()
    """What means something there, or once did harm."""
    large: Callable[[], Mapping[str, bytes]] = field(default=dict)
    """Up to a megabyte each, of the kind that makes parsers slow or fall over."""
    work: Callable[[bytes], object] = bytes.split
    """What the exporter does with them, which may raise ExporterError, and """
    plain: Callable[[bytes], object] = bytes.split
    """what a plain parser does, which may raise ValueError."""
    multiple: float = 10.0
    """How many times the plain parser's CPU time the work may take for one of the large."""
    longest: int = 20_000
    """Bytes of an input that is made up."""


def shown_of_secret(text: str) -> set[str]:
    """Return the pieces of SECRET that are in *text*."""
    return {SECRET[at : at + _PIECE] for at in range(len(SECRET) - _PIECE + 1)} & {
        text[at : at + _PIECE] for at in range(len(text) - _PIECE + 1)
    }

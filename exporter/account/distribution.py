"""Distributions of durations that can be merged: counts in buckets of which each is a tenth wider than the one below.

A quantile is the middle of its bucket, so at most 5 % from the value that a list of all durations would give.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping

GROWTH = 1.1
SMALLEST = 0.001
"""Seconds; bucket 0 has everything below."""

_LOG_GROWTH = math.log(GROWTH)
_MOST = 7000
_PAIR = struct.Struct("<HI")

Counts = dict[int, int]
"""How many durations by number of bucket."""


def bucket(seconds: float) -> int:
    """Return the number of the bucket of a duration."""
    if seconds < SMALLEST:
        return 0
    return min(_MOST, 1 + int(math.log(seconds / SMALLEST) / _LOG_GROWTH))


def merge(into: Counts, counts: Mapping[int, int]) -> None:
    """Add *counts* to *into*."""
    for number, count in counts.items():
        into[number] = into.get(number, 0) + count


def quantile(counts: Mapping[int, int], share: float) -> float | None:
    """Return the seconds that *share* (0 to 1) of the durations do not exceed, None if there are none."""
    total = sum(counts.values())
    rank = max(1, math.ceil(share * total))
    for number in sorted(counts):
        rank -= counts[number]
        if rank <= 0:
            return SMALLEST * GROWTH ** (number - 0.5) if number else 0.0
    return None


def pack(counts: Mapping[int, int]) -> bytes:
    """Return *counts* as bytes that `unpack` reads."""
    if len(counts) == 1:  # as of most cells
        [(number, count)] = counts.items()
        return _PAIR.pack(number, count)
    return b"".join([_PAIR.pack(number, count) for number, count in sorted(counts.items())])


def unpack(packed: bytes) -> Counts:
    """Return the counts that `pack` wrote."""
    return dict(_PAIR.iter_unpack(packed))

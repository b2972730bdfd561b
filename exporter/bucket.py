"""A bucket of rights, which fills over time: what bounds requests and lines of the log. For one thread at a time."""

from __future__ import annotations

import math


class Bucket:
    """Rights: one more in each interval, up to a number; full at first."""

    def __init__(self) -> None:
        self._rights = math.inf
        self._counted = 0.0

    def take(self, interval: float, burst: int, now: float) -> bool:
        """Return whether there is a right to one more at *now*, seconds of a clock; *interval* 0: always."""
        if not interval:
            return True
        self._rights = min(burst, self._rights + max(0.0, now - self._counted) / interval)
        self._counted = now
        if self._rights < 1:
            return False
        self._rights -= 1
        return True

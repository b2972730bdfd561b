"""Answers that take the ledger some time are made in threads, and few at the same time.

The ledger is asked one question after the other anyway, and scrapes need threads, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

_AT_ONCE = 2

_Made = TypeVar("_Made")


class Turns:
    """The turns of those who ask."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def make(self, work: Callable[[], _Made]) -> _Made:
        """Return what *work* returns, made in a thread once it is its turn."""
        async with self._free:
            return await run_in_threadpool(work)

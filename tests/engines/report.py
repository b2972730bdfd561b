"""What a trial tells the person who runs it: a line per step and per check."""

from __future__ import annotations

import time
from collections.abc import Sequence

_SHOWN = 12


class Report:
    """Prints as things happen; `passed` and `failed` count the checks."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0
        self._began = time.monotonic()

    def begin(self, name: str) -> None:
        """Say that the trial of this engine begins."""
        self._began = time.monotonic()
        print(f"\n{name}", flush=True)

    def step(self, text: str) -> None:
        """Say what has happened."""
        self._say("    ", text)

    def check(self, property_: str, problems: Sequence[str] = ()) -> None:
        """Say that a property holds, or why it does not."""
        if not problems:
            self.passed += 1
            self._say("ok  ", property_)
            return
        self.failed += 1
        self._say("FAIL", property_)
        for problem in problems[:_SHOWN]:
            print(f"                 {problem}", flush=True)
        if len(problems) > _SHOWN:
            print(f"                 and {len(problems) - _SHOWN} more", flush=True)

    def _say(self, mark: str, text: str) -> None:
        print(f"  {time.monotonic() - self._began:6.1f} s  {mark}  {text}", flush=True)

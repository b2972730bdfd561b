"""What the commands of this folder have in common: how they end, and where they leave their logs."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import requests

from tests.engines import EngineError
from tests.engines.report import Report


def run(main: Callable[[Sequence[str]], int]) -> NoReturn:
    """End this process with what *main* returns for its arguments; SIGTERM, like Ctrl-C, leaves no program behind."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def folder_of_logs(name: str, report: Report) -> Iterator[Path]:
    """Give a folder that stays if a check fails or the block does not come to its end, which is a failed check too."""
    failed_before = report.failed
    folder = Path(tempfile.mkdtemp(prefix=f"engines-{name}-"))
    try:
        yield folder
    except (EngineError, requests.RequestException) as error:
        report.check("the trial comes to its end", [str(error)])
    except BaseException:
        report.step(f"stopped; logs are in {folder}")
        raise
    if report.failed > failed_before:
        report.step(f"logs are in {folder}")
    else:
        shutil.rmtree(folder)

"""The exporter as a process of its own, for tests of what only a process can show: signals, kills, exit codes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from tests.exposition import Samples, read

PATIENCE_SECONDS = 30.0


def wait_until(condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Return once *condition* holds; fail if it does not within *seconds*."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for: {what}"
        time.sleep(0.02)


class ExporterProcess:
    """``presto-query-exporter run`` with a configuration file in *folder*; ends with the context."""

    def __init__(self, folder: Path, config: str, arguments: Sequence[str] = ()) -> None:
        self.config = folder / "config.yml"
        self.config.write_text(config)
        self.log = folder / "exporter.log"
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self.address = ""

    def __enter__(self) -> ExporterProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def launch(self) -> None:
        """Start the process and return at once."""
        command = [sys.executable, "-m", "exporter", "run", "--config.file", str(self.config), *self._arguments]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, "PYTHONUNBUFFERED": "1"}
            )

    def start(self) -> None:
        """Start the process and return once it serves."""
        self.launch()
        wait_until(lambda: self._listening() or not self.lives(), "the exporter to listen")
        match = self._listening()
        assert match, self.logged()
        self.address = match[1]

    def _listening(self) -> re.Match[str] | None:
        return re.search(r"msg=listening address=(\S+)", self.logged())

    def logged(self) -> str:
        """Return what it has logged since it was started."""
        return self.log.read_text("utf-8", "replace")

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process as last started."""
        assert self._process is not None
        return self._process

    def lives(self) -> bool:
        """True while the process runs."""
        return self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def stop(self) -> int:
        """Ask it to stop and return its exit code."""
        self.send(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        """End it as nothing can prevent."""
        self.process.kill()
        self.process.wait(PATIENCE_SECONDS)

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body of a GET."""
        try:
            with urlopen(f"http://{self.address}{path}", timeout=PATIENCE_SECONDS) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def scrape(self) -> Samples:
        """Return the samples it shows now."""
        return read(self.get("/metrics")[1])

    def try_scrape(self) -> Samples | None:
        """Return the samples it shows now, None if it does not answer."""
        try:
            return self.scrape()
        except (URLError, OSError):
            return None

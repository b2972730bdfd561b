"""Programs in process groups of their own, which end with us on every way out."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.engines import EngineError


class Program:
    """A running program that writes to a log file. Leaving its ``with`` block ends it and all its children."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                list(command),
                cwd=log.parent,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def must_live(self) -> None:
        """Raise EngineError with the log's last lines if the program has ended."""
        if self._process.poll() is not None:
            last = "\n  ".join(self.log.read_text(errors="replace").splitlines()[-20:])
            raise EngineError(f"{self.name}: ended with {self._process.returncode}; the end of {self.log}:\n  {last}")

    def stop(self, within: float) -> int:
        """Ask the program to end and return its exit code; after *within* seconds it is killed."""
        self._process.terminate()
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.returncode

    def kill(self) -> None:
        """End the whole group at once (SIGKILL) and wait for it. Safe to repeat."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def free_port() -> int:
    """Return a loopback port that nobody listened on a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port

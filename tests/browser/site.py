"""The pages on loopback, as the exporter serves them: under its security policy."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from exporter.expose.text import Exposition
from exporter.expose.web import Server, create_app
from exporter.report.question import Question
from exporter.report.report import Report


@contextlib.contextmanager
def serving(ask: Callable[[Question], Report]) -> Iterator[str]:
    """Serve the pages over the answers of *ask*; give the address of the server."""
    server = Server(create_app(Exposition([]), "/metrics", tuple, tuple, ask=ask), [("127.0.0.1", 0)])
    server.start()
    try:
        yield f"http://127.0.0.1:{server.addresses[0][1]}"
    finally:
        server.stop()

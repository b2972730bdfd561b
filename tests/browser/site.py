"""The pages on loopback, with the security policy under which they have to work."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Callable, Iterator

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.expose import pages
from exporter.expose.web import Server
from exporter.report.question import Question
from exporter.report.report import Report


def policy() -> str:
    """Return a policy that allows the style sheet and the script of the pages, forms to us, and nothing else."""
    style, script = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (pages.STYLE, pages.SCRIPT)
    )
    return (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


class _WithPolicy:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", policy().encode())]
            await send(message)

        await self._app(scope, receive, send_with_policy)


@contextlib.contextmanager
def serving(ask: Callable[[Question], Report]) -> Iterator[str]:
    """Serve the pages over the answers of *ask*; give the address of the server."""
    app = Starlette(routes=pages.routes(ask), middleware=[Middleware(_WithPolicy)])
    server = Server(app, [("127.0.0.1", 0)])
    server.start()
    try:
        yield f"http://127.0.0.1:{server.addresses[0][1]}"
    finally:
        server.stop()

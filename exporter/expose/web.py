"""The HTTP side: routes over what is known, and a server of its own thread that no client can hold up.

Every answer is made of what has been published; nothing here asks a coordinator or changes anything.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import hashlib
import logging
import math
import os
import re
import resource
import socket
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from exporter import __version__
from exporter.errors import ListenError
from exporter.expose import api, pages
from exporter.expose.access import Access
from exporter.expose.guard import Guard
from exporter.expose.listen import BACKLOG, listen, listen_at, place_of
from exporter.expose.text import Exposition
from exporter.expose.tls import ServerSide, admits
from exporter.report.question import Question
from exporter.report.report import Report

_WRITE = 1 << 16  # bytes; a slow reader makes us hold a few of them, a fast one costs a step for each
_GRACE = 1.0  # seconds for answers under way when the server stops
_OUT_OF_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)  # for which asyncio waits and tries again

_log = logging.getLogger(__name__)

_TEXT = "text/plain; version={}; charset=utf-8"
_OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_SAME_FOR_OUR_NAMES = ("allow-utf-8", "underscores", "values")  # escaping schemes that leave our names as they are


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """What the landing page shows of a cluster."""

    name: str
    url: str
    """Without user and password."""
    engine: str
    """Empty until known; so is the version."""
    version: str
    up: bool | None
    """None until asked for the first time."""
    last_success: float | None
    """Unix time of the last good poll."""
    queries_listed: int | None
    failure: str
    """Message of the last failure, empty if the last poll was good."""


class Limits(NamedTuple):
    """What a client may take of a server."""

    request_seconds: float = 10.0
    """From connecting, or from a later request's first byte, to the end of its head."""
    answer_seconds: float = 120.0
    """To take an answer; and then to begin another request."""
    connections: int = 256
    """At once, and not more than a quarter of the files that the process may open.

    With one more, one of the address that has most of them is closed: of those that ask nothing, if they are more than
    half of its own, else of those that take an answer, the one whose time is up first. So neither an address nor a kind
    can keep out another.
    """

    def within(self, files: int) -> Limits:
        """Return these limits for a process that may open so many files."""
        return self._replace(connections=max(1, min(self.connections, files // 4)))


LIMITS = Limits()


def _most_files() -> int:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sys.maxsize if most == resource.RLIM_INFINITY else most


def create_app(
    exposition: Exposition,
    telemetry_path: str,
    ready: Callable[[], Sequence[str]],
    clusters: Callable[[], Sequence[ClusterStatus]],
    reload: Callable[[], str] | None = None,
    ask: Callable[[Question], Report] | None = None,
) -> Starlette:
    """Return the application: the exposition, health, readiness, and at ``/`` a landing page if that is free.

    *ready* returns the reasons for not being ready, none once it is. *reload* reads the configuration again and returns
    what is wrong with it, nothing if it is in force. *ask* answers questions about usage; without it there are no pages
    of that. They and *clusters* are called from any thread.
    """
    reloading = threading.Lock()

    def scrape(request: Request) -> Response:
        openmetrics, content_type = negotiate(",".join(request.headers.getlist("accept")))
        names = frozenset(filter(None, request.query_params.getlist("name[]"))) or None
        headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        if accepts_gzip(",".join(request.headers.getlist("accept-encoding"))):
            return _Streamed(exposition.render_gzip(openmetrics, names), {**headers, "Content-Encoding": "gzip"})
        return _Streamed(exposition.render(openmetrics, names), headers)

    async def healthy(_: Request) -> Response:
        return PlainTextResponse("healthy\n")

    def readiness(_: Request) -> Response:
        reasons = [" ".join(reason.split()) for reason in ready()]
        body = "\n".join([*(reasons or ["ready"]), ""])
        return PlainTextResponse(body.encode(errors="replace"), 503 if reasons else 200)

    def reload_now(request: Request) -> Response:
        if reload is None:
            return PlainTextResponse("off; start with --web.enable-lifecycle, or send the process SIGHUP\n", 403)
        if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return PlainTextResponse("not for the pages of others\n", 403)
        if not reloading.acquire(blocking=False):
            return PlainTextResponse("being reloaded; ask again\n", 503, {"Retry-After": "1"})
        try:
            problems = reload()
        finally:
            reloading.release()
        return PlainTextResponse(f"{problems or 'reloaded'}\n", 500 if problems else 200)

    def landing(_: Request) -> Response:
        page = _landing_page(telemetry_path, clusters(), ask is not None, time.time())
        return HTMLResponse(page.encode(errors="replace"), headers={"Cache-Control": "no-store"})

    routes = [Route(telemetry_path, scrape), Route("/-/healthy", healthy), Route("/-/ready", readiness)]
    routes.append(Route("/-/reload", reload_now, methods=["POST", "PUT"]))
    if ask is not None:
        routes += [*pages.routes(ask), *api.routes(ask)]
    if telemetry_path != "/":
        routes.append(Route("/", landing))
    app = Starlette(routes=routes, middleware=[Middleware(_SecurityHeaders)])
    app.router.redirect_slashes = False
    return app


def negotiate(accept: str) -> tuple[bool, str]:
    """Return whether this ``Accept`` gets OpenMetrics, and the Content-Type of the answer.

    Chooses as ``prometheus_client.exposition.choose_encoder``: the first type offered that is ours, whatever its weight
    (but for 0). It differs where that one promises a version or an escaping that the client made up, or fails.
    """
    for kind, values in _offers(accept):
        version = values.get("version", "")
        escaping = values.get("escaping", "")
        escaped = f"; escaping={escaping if escaping in _SAME_FOR_OUR_NAMES else 'underscores'}"
        if kind == "application/openmetrics-text" and (not version or _is_at_least_1(version)):
            return True, _OPENMETRICS + (escaped if version else "")
        if kind == "text/plain" and _is_at_least_1(version):
            return False, _TEXT.format("1.0.0") + escaped
    return False, _TEXT.format("0.0.4")


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether this ``Accept-Encoding`` names gzip, and not to refuse it."""
    return any(kind in ("gzip", "x-gzip") for kind, _ in _offers(accept_encoding))


def _offers(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    for offer in header.split(","):
        kind, *parameters = [part.strip() for part in offer.split(";")]
        values = dict(parameter.split("=", 1) for parameter in parameters if "=" in parameter)
        if not re.fullmatch(r"0(\.0*)?", values.get("q", "")):
            yield kind.lower(), values


def _is_at_least_1(version: str) -> bool:
    well_formed = re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,4})*", version)
    return well_formed is not None and tuple(map(int, version.split("."))) >= (1, 0, 0)


class _Streamed(Response):
    """Chunks of known length, written at the pace of the reader."""

    def __init__(self, chunks: Sequence[bytes], headers: dict[str, str]) -> None:
        super().__init__(headers={"Content-Length": str(sum(map(len, chunks))), **headers})
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] != "HEAD":
            for write in _writes(self._chunks):
                await send({"type": "http.response.body", "body": write, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _writes(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes, small chunks joined and large ones cut to less than two _WRITE."""
    pending: list[bytes] = []
    size = 0
    for chunk in chunks:
        for start in range(0, len(chunk), _WRITE):
            pending.append(chunk[start : start + _WRITE])
            size += len(pending[-1])
            if size >= _WRITE:
                yield b"".join(pending)
                pending, size = [], 0
    yield b"".join(pending)


class _SecurityHeaders:
    """Adds to every answer what tells a browser to run and embed nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_SECURITY_HEADERS]
            await send(message)

        await self._app(scope, receive, send_with_headers)


_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #667; --good: #1a7f37; --bad: #c62828; }
@media (prefers-color-scheme: dark) { :root { --soft: #9aa; --good: #4cc46a; --bad: #ff7b72; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
small, .soft { color: var(--soft); font-size: .875rem; font-weight: normal; }
nav a { margin-right: 1.25rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .5rem 1.25rem .5rem 0; border-bottom: 1px solid var(--line); }
th, td { white-space: nowrap; }
th { font-size: .875rem; color: var(--soft); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.long { white-space: normal; overflow-wrap: break-word; min-width: 12rem; }
.up { color: var(--good); }
.down { color: var(--bad); }
"""


def _source(text: str) -> str:
    """Return how a policy names an inline *text*."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_SECURITY_HEADERS = [
    (
        b"content-security-policy",
        f"default-src 'none'; style-src {_source(_STYLE)} {_source(pages.STYLE)}; script-src {_source(pages.SCRIPT)}; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'".encode(),
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]


def _landing_page(telemetry_path: str, clusters: Sequence[ClusterStatus], has_usage: bool, now: float) -> str:
    rows = "\n".join([_cluster_row(cluster, now) for cluster in clusters])
    table = f"""<div class="scroll"><table>
<tr><th>Cluster<th>State<th>Engine<th class="number">Queries listed<th>Last good poll<th>Last failure
{rows}
</table></div>"""
    return f"""<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>presto-query-exporter</title>
<style>{_STYLE}</style>
<h1>presto-query-exporter <small>{escape(__version__)}</small></h1>
<p class="soft">Counts every query of Presto and Trino clusters exactly once, per user.</p>
<nav>
{'<a href="/queries">Queries</a>' if has_usage else ""}
<a href="{escape(quote(telemetry_path))}">Metrics</a>
<a href="/-/healthy">Health</a>
<a href="/-/ready">Readiness</a>
</nav>
<h2>Clusters</h2>
{table if clusters else '<p class="soft">None is configured.</p>'}
</html>
"""


def _cluster_row(cluster: ClusterStatus, now: float) -> str:
    style, state = {True: ("up", "up"), False: ("down", "down"), None: ("soft", "not asked yet")}[cluster.up]
    return (
        f'<tr><td class="long">{escape(cluster.name)}<br><span class="soft">{escape(cluster.url)}</span>'
        f'<td class="{style}">{state}'
        f"<td>{escape(f'{cluster.engine} {cluster.version}'.strip())}"
        f'<td class="number">{"" if cluster.queries_listed is None else f"{cluster.queries_listed:,}"}'
        f"<td>{'' if cluster.last_success is None else _ago(cluster.last_success, now)}"
        f'<td class="long">{escape(cluster.failure)}'
    )


def _ago(then: float, now: float) -> str:
    stamp = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(then))
    return f'{stamp}<br><span class="soft">{max(now - then, 0):,.0f} s ago</span>'


class Server:
    """Serves an application on some addresses, from a thread of its own."""

    def __init__(
        self,
        app: ASGIApp,
        listen_on: Sequence[tuple[str, int] | str | socket.socket],
        limits: Limits = LIMITS,
        access: Callable[[], Access] | None = None,
    ) -> None:
        """Serve *app*, to anyone or to whom *access* lets in, which is asked at each connection and request.

        *listen_on* has addresses as (host, port), host "" being every interface, IPv6 and IPv4, and port 0 any free
        one; paths of Unix sockets; and sockets that listen already.
        """
        self._listen_on = listen_on
        self._sockets: list[socket.socket] = []
        self._paths: list[str] = []
        files = _most_files()
        limits = limits.within(files)
        connection = {"limits": limits, "access": None if access is None else staticmethod(access)}
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                app if access is None else Guard(app, access),
                loop="asyncio",
                http=type("_LimitedConnection", (_Connection,), connection),
                # What is accepted in one go, three times before any of it is read or closed: it must neither push out
                # those that have asked, nor use up the files.
                backlog=max(1, min(limits.connections // 4, files // 16 // max(1, len(listen_on)))),
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="error",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=round(limits.answer_seconds) + 1,
                timeout_graceful_shutdown=round(_GRACE) + 1,
            )
        )
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self.addresses: tuple[tuple[str, int], ...] = ()
        """Once started: the addresses of TCP that are listened on, as (host, port), in the order given."""
        self.places: tuple[str, ...] = ()
        """Once started: all that is listened on, as it would be configured, in the order given."""

    def start(self) -> None:
        """Listen on every address and serve from now on. Raises ListenError if one cannot be had; then none is held."""
        try:
            for place in self._listen_on:
                if isinstance(place, str):
                    self._sockets.append(listen_at(place))
                    self._paths.append(place)
                else:
                    self._sockets.append(place if isinstance(place, socket.socket) else listen(*place))
        except ListenError:
            self._let_go()
            raise
        names = [listening.getsockname() for listening in self._sockets]
        self.addresses = tuple([name[:2] for name in names if isinstance(name, tuple)])
        self.places = tuple(map(place_of, self._sockets))
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, give answers under way a second, cut off the rest, and return when all is closed."""
        self._uvicorn.should_exit = True
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            self._uvicorn.run(sockets=self._sockets)
        finally:  # also when stopped before it had begun, or failed
            self._let_go()

    def _let_go(self) -> None:
        for listening in self._sockets:
            listening.close()
        while self._paths:
            Path(self._paths.pop()).unlink(missing_ok=True)


class _Uvicorn(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, and log what goes wrong in our own words: asyncio would quote values."""
        asyncio.get_running_loop().set_exception_handler(_note_failure)
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(BACKLOG)  # asyncio takes the number that it accepts in one go for this, too

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close all, as uvicorn does, but do not wait for clients that do not take their answers."""
        cut_off = asyncio.get_running_loop().call_later(_GRACE, self._cut_off)
        await super().shutdown(sockets)
        cut_off.cancel()

    def _cut_off(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def _note_failure(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    if isinstance(error, OSError) and error.errno in _OUT_OF_FILES:
        _log.error(
            "web: no connection is accepted: %s; raise the limit of open files, or see what holds them",
            os.strerror(error.errno).lower(),
        )
    else:
        _log.error("web: unexpected failure; the other connections go on", exc_info=error)


class _Connection(H11Protocol):
    """A connection that nobody can hold for ever: the client's next step always has a deadline."""

    limits: Limits
    access: Callable[[], Access] | None
    _deadline: asyncio.TimerHandle | None = None
    _context: ssl.SSLContext | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._close_at(self.loop.time() + self.limits.request_seconds)
        self._make_room()
        if self.access is not None:
            self._secure(transport, self.access())

    def _make_room(self) -> None:
        if len(self.connections) <= self.limits.connections:
            return
        every = [one for one in self.connections if isinstance(one, _Connection) and one._deadline]
        if len(every) <= self.limits.connections:  # the others are being closed
            return
        address, _ = Counter([one._address() for one in every]).most_common(1)[0]
        theirs = [one for one in every if one._address() == address]
        idle = [one for one in theirs if one._is_idle()]
        most = idle if len(idle) * 2 > len(theirs) else [one for one in theirs if not one._is_idle()]
        min(most, key=_Connection._closes_at)._close()

    def _address(self) -> str:
        return self.client[0] if self.client else ""

    def _secure(self, transport: asyncio.Transport, access: Access) -> None:
        """Put TLS between us and the client, where there is TLS; the handshake has the first request's deadline."""
        self._context = access.context
        if access.context is not None:
            super().connection_made(ServerSide(transport, self, access.context, partial(admits, access.allowed_names)))

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        now = self.loop.time()
        if self.cycle is not before:
            self._close_at(now + self.limits.answer_seconds)
        elif self._is_idle():  # a request has begun, perhaps long ago: more of it wins no more time
            self._close_at(min(now + self.limits.request_seconds, self._closes_at()))

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._close_at(self.loop.time() + self.limits.answer_seconds)
        if self.access is not None and self._context is not self.access().context:
            self.transport.close()  # who was let in by a certificate has to show it again after a change

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._forget_deadline()

    def _is_idle(self) -> bool:
        return self._deadline is not None and (self.cycle is None or self.cycle.response_complete)

    def _closes_at(self) -> float:
        return self._deadline.when() if self._deadline else math.inf

    def _close_at(self, when: float) -> None:
        self._forget_deadline()
        self._deadline = self.loop.call_at(when, self._close)

    def _forget_deadline(self) -> None:
        if self._deadline:
            self._deadline.cancel()  # a timer that is still to come holds all of the connection in memory
            self._deadline = None

    def _close(self) -> None:
        self._forget_deadline()
        self.transport.abort()

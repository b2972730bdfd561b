"""A coordinator that answers ``GET /v1/query`` and ``GET /v1/info`` as PrestoSQL, Trino and PrestoDB do.

It serves ``presto-query-exporter demo`` and the tests: it executes nothing, it is told what happens and tells it on the
wire with the field names, units and spellings of the release that it plays (PrestoSQL and Trino from 338 on, PrestoDB
from 0.255 on)::

    clock = Clock()
    coordinator = Coordinator("483", now=clock)
    coordinator.submit("alice", "superset", "SELECT 1", Plan(queued=2, running=10, usage=Usage(cpu_seconds=4)))
    told = coordinator.submit("bob", "dbt", "SELECT 2")  # QUEUED until told otherwise
    coordinator.move(told, "RUNNING")
    coordinator.fail(told, "EXCEEDED_LOCAL_MEMORY_LIMIT")
    with serve(coordinator) as server:
        coordinator.inject(Fault(status=503))
        requests.get(f"{server.url}/v1/query", auth=("monitor", ""))
    assert coordinator.truth()["bob", "dbt"].outcomes == {"failed": 1}

Everything is a function of the clock `now` (Unix seconds): asking more or less often changes nothing. An `at` argument
dates an event back; by default it happens now. All methods may be called from any thread.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import copy
import gzip
import hashlib
import json
import math
import re
import socket
import socketserver
import ssl
import sys
import threading
import time
import uuid
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from exporter.dialect import PRESTODB, TRINO, dialect_of


class Usage(NamedTuple):
    """What a query uses in all, in base units. The list shows it in the engine's units and precision."""

    cpu_seconds: float = 0.0
    failed_cpu_seconds: float = 0.0
    """CPU of failed attempts, part of cpu_seconds; shown by Trino 373 and later only."""
    input_bytes: int = 0
    input_rows: int = 0
    memory_byte_seconds: float = 0.0
    peak_bytes: int = 0
    """User memory at its peak; while the query runs it holds what the peak is by then."""

    def grown_to(self, share: float) -> Usage:
        """Return what is used when *share* (0 to 1) of the running time is over: memory grows from nothing."""
        if share == 1.0:
            return self
        return Usage(
            self.cpu_seconds * share,
            self.failed_cpu_seconds * share,
            int(self.input_bytes * share),
            int(self.input_rows * share),
            self.memory_byte_seconds * share * share,
            int(self.peak_bytes * share),
        )

    def without(self, late: Usage) -> Usage:
        """Return these amounts less those of *late*."""
        return Usage._make(mine - theirs for mine, theirs in zip(self, late, strict=True))


_NOTHING = Usage()


class ErrorCode(NamedTuple):
    """An error of an engine or a connector. `raised` is the state in which a query meets it."""

    name: str
    type: str
    code: int
    raised: str = "RUNNING"
    """``DISPATCHING``: before dispatch, which leaves a sparse row; ``QUEUED``: in the analysis, while still queued."""


_USER, _INTERNAL, _RESOURCES = "USER_ERROR", "INTERNAL_ERROR", "INSUFFICIENT_RESOURCES"

ERRORS: Mapping[str, ErrorCode] = {
    error.name: error
    for error in (
        ErrorCode("SYNTAX_ERROR", _USER, 1, "DISPATCHING"),
        ErrorCode("ABANDONED_QUERY", _USER, 2),
        ErrorCode("USER_CANCELED", _USER, 3),
        ErrorCode("PERMISSION_DENIED", _USER, 4, "QUEUED"),
        ErrorCode("FUNCTION_NOT_FOUND", _USER, 6, "QUEUED"),
        ErrorCode("DIVISION_BY_ZERO", _USER, 8),
        ErrorCode("INVALID_CAST_ARGUMENT", _USER, 9),
        ErrorCode("NOT_SUPPORTED", _USER, 13, "QUEUED"),
        ErrorCode("INVALID_SESSION_PROPERTY", _USER, 14, "DISPATCHING"),
        ErrorCode("SUBQUERY_MULTIPLE_ROWS", _USER, 28),
        ErrorCode("QUERY_REJECTED", _USER, 31, "DISPATCHING"),
        ErrorCode("QUERY_TEXT_TOO_LARGE", _USER, 35, "DISPATCHING"),
        ErrorCode("ADMINISTRATIVELY_KILLED", _USER, 38),
        ErrorCode("SCHEMA_NOT_FOUND", _USER, 45, "QUEUED"),
        ErrorCode("TABLE_NOT_FOUND", _USER, 46, "QUEUED"),
        ErrorCode("COLUMN_NOT_FOUND", _USER, 47, "QUEUED"),
        ErrorCode("TABLE_ALREADY_EXISTS", _USER, 50, "QUEUED"),
        ErrorCode("TYPE_MISMATCH", _USER, 58, "QUEUED"),
        ErrorCode("EXPRESSION_NOT_AGGREGATE", _USER, 73, "QUEUED"),
        ErrorCode("INVALID_PARAMETER_USAGE", _USER, 80, "DISPATCHING"),
        ErrorCode("GENERIC_INTERNAL_ERROR", _INTERNAL, 65536),
        ErrorCode("PAGE_TRANSPORT_TIMEOUT", _INTERNAL, 65540),
        ErrorCode("NO_NODES_AVAILABLE", _INTERNAL, 65541, "PLANNING"),
        ErrorCode("REMOTE_HOST_GONE", _INTERNAL, 65558),
        ErrorCode("EXCEEDED_GLOBAL_MEMORY_LIMIT", _RESOURCES, 131073),
        ErrorCode("QUERY_QUEUE_FULL", _RESOURCES, 131074, "QUEUED"),
        ErrorCode("EXCEEDED_TIME_LIMIT", _RESOURCES, 131075),
        ErrorCode("CLUSTER_OUT_OF_MEMORY", _RESOURCES, 131076),
        ErrorCode("EXCEEDED_CPU_LIMIT", _RESOURCES, 131077),
        ErrorCode("EXCEEDED_LOCAL_MEMORY_LIMIT", _RESOURCES, 131079),
        ErrorCode("ADMINISTRATIVELY_PREEMPTED", _RESOURCES, 131080),
        ErrorCode("HIVE_METASTORE_ERROR", "EXTERNAL", 16777216, "PLANNING"),
        ErrorCode("HIVE_CURSOR_ERROR", "EXTERNAL", 16777217),
    )
}
"""Errors by name, as PrestoSQL and Trino number them; give an ErrorCode of your own for others."""

CANCELED = frozenset({"USER_CANCELED", "ADMINISTRATIVELY_KILLED", "ADMINISTRATIVELY_PREEMPTED"})
"""Names of errors that `Tally.outcomes` counts as canceled."""

_PHASES = ("QUEUED", "PLANNING", "STARTING", "BLOCKED", "RUNNING", "FINISHING")
_LIVE_STATES = (*_PHASES, "WAITING_FOR_PREREQUISITES", "WAITING_FOR_RESOURCES", "DISPATCHING")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a query does when left alone: its phases one after the other, in seconds (``math.inf``: until told).

    `usage` is reached at the end of the running phase, growing evenly. Of it, `late` is shown only `settle` seconds
    after the end, as engines do whose tasks still report; negative amounts are taken back then (PrestoDB does so for
    rows and bytes of CREATE TABLE AS).
    """

    queued: float = 0.0
    planning: float = 0.0
    starting: float = 0.0
    blocked: float = 0.0
    """RUNNING with all drivers blocked, before it gets to work."""
    running: float = 1.0
    finishing: float = 0.0
    error: str | ErrorCode = ""
    """Name of one of ERRORS, or an error of your own; empty: the query finishes."""
    ends_in: str = ""
    """The state at whose end the error comes; empty: where such an error is raised."""
    usage: Usage = _NOTHING
    late: Usage = _NOTHING
    settle: float = 0.2


@dataclass(slots=True)
class Tally:
    """What really happened to the queries of one (user, source): those that ended, and those lost in a restart."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """Queries that ended, by ``finished``, ``failed`` and ``canceled`` (errors named in CANCELED)."""
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Queries that ended with an error, by (type, name)."""
    lost: int = 0
    """Queries in flight when their coordinator restarted."""
    cpu_seconds: float = 0.0
    failed_cpu_seconds: float = 0.0
    """CPU of queries that failed or were canceled, and of failed attempts in others where the engine tells them."""
    input_bytes: int = 0
    input_rows: int = 0
    memory_byte_seconds: float = 0.0
    queued_seconds: float = 0.0
    elapsed_seconds: float = 0.0


class Request(NamedTuple):
    """A request as it came in: path without parameters, header names in lower case."""

    path: str
    headers: Mapping[str, str]
    is_secure: bool = False


class Answer(NamedTuple):
    """An answer as it goes out, before compression."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """How an answer differs from the honest one; the fields combine.

    ``Fault(status=503)``, ``Fault(body=b"<html>")``, ``Fault(body=cut_at(1000))`` (status 200, JSON cut, the transfer
    itself complete), ``Fault(body=half_of_the_rows)``, ``Fault(drop_at=1000)``, ``Fault(bytes_per_second=200)``.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers added to or replacing those of the answer."""
    body: bytes | Callable[[bytes], bytes] | None = None
    """The body instead, or what makes it from the honest one."""
    drop_at: int | None = None
    """Bytes of the body, as transferred, after which the connection breaks."""
    bytes_per_second: float | None = None
    """The rate at which the body drips, as transferred."""
    hang: bool = False
    """No answer at all, until `heal` or the end of the server closes the connection."""


def cut_at(size: int) -> Callable[[bytes], bytes]:
    """Return what cuts a body to its first *size* bytes, for `Fault.body`."""
    return lambda body: body[:size]


def half_of_the_rows(body: bytes) -> bytes:
    """Return the list *body* with every other row left out, for `Fault.body`."""
    return _json(json.loads(body)[::2])


_HONEST = Fault()


class Coordinator:
    """A coordinator of the given release, whose queries live in memory only.

    Ended queries leave the list, oldest end first, when they ended more than *min_expire_age* seconds ago and more than
    *max_history* ended ones are kept; both must hold. *seed* makes the id suffixes. Methods that take a query id raise
    KeyError for one that is not, or no longer, kept.
    """

    def __init__(
        self,
        version: str = "483",
        *,
        now: Callable[[], float] = time.time,
        seed: int = 0,
        environment: str = "demo",
        min_expire_age: float = 900.0,
        max_history: int = 100,
    ) -> None:
        self.version = version
        self.now = now
        self.environment = environment
        self.min_expire_age = min_expire_age
        self.max_history = max_history
        self.starting = False
        """While true, /v1/info says so, and PrestoSQL and Trino answer /v1/query with 500."""
        self._release = _Release(version)
        self._seed = seed
        self._lock = threading.RLock()
        self._hidden: set[str] = set()
        self._faults: dict[str, deque[tuple[Fault, float]]] = {}
        self._past: dict[tuple[str, str], Tally] = {}
        self._starts = 0
        self._healed = threading.Event()
        self._latest = -math.inf
        self._list = b""
        self._start_process(now())

    @property
    def id_suffix(self) -> str:
        """The last five characters of the query ids of this process."""
        return self._suffix

    def submit(
        self,
        user: str,
        source: str = "",
        sql: str = "SELECT 1",
        plan: Plan | None = None,
        *,
        prepared: Mapping[str, str] | None = None,
        client_tags: Sequence[str] = (),
        resource_group: Sequence[str] = ("global",),
        at: float | None = None,
    ) -> str:
        """Return the id of a new query, which follows *plan*; without one it is QUEUED until told.

        *prepared* are the prepared statements of the client's session by name. Raises ValueError for a plan that no
        query can follow.
        """
        created = self._at(at)
        error = self._release.error(plan.error) if plan and plan.error else None
        timeline = [(created, "QUEUED")] if plan is None else _timeline(plan, error, created)
        with self._lock:
            query = _Query(
                id=self._mint(created),
                user=user,
                source=source,
                sql=sql,
                prepared=dict(prepared or {}),
                client_tags=list(client_tags),
                resource_group=list(resource_group),
                created=created,
                plan=plan or Plan(running=math.inf),
                timeline=timeline,
                error=error,
            )
            self._queries[query.id] = query
            self._live[query.id] = query
            return query.id

    def move(self, query_id: str, state: str, at: float | None = None) -> bool:
        """Put a query into *state*, from which it goes on only when told; return False if it had ended already.

        ``BLOCKED`` is RUNNING with all drivers blocked. Raises ValueError for what is no state.
        """
        if state not in _LIVE_STATES:
            raise ValueError(f"{state}: not a state to be in; use one of {', '.join(_LIVE_STATES)}, or finish or fail")
        with self._lock:
            return self._queries[query_id].enter(state, self._at(at))

    def finish(self, query_id: str, at: float | None = None) -> bool:
        """End a query well; return False if it had ended already."""
        with self._lock:
            query = self._queries[query_id]
            has_ended_now = query.enter("FINISHED", self._at(at))
            if has_ended_now:
                query.error = None
            return has_ended_now

    def fail(self, query_id: str, error: str | ErrorCode, at: float | None = None) -> bool:
        """End a query with an error of ERRORS or one of your own; return False if it had ended already."""
        code = self._release.error(error)
        with self._lock:
            query = self._queries[query_id]
            has_ended_now = query.enter("FAILED", self._at(at))
            if has_ended_now:
                query.error = code
            return has_ended_now

    def cancel(self, query_id: str, at: float | None = None) -> bool:
        """End a query as its client does with DELETE; return False if it had ended already."""
        return self.fail(query_id, "USER_CANCELED", at)

    def use(self, query_id: str, usage: Usage) -> None:
        """State what a query has used, instead of its plan, from now on; after its end too."""
        with self._lock:
            query = self._queries[query_id]
            query.stated = usage
            query.rendered = None

    def burn_ids(self, count: int = 1, at: float | None = None) -> None:
        """Mint ids of queries that are never listed: their clients did not follow the first nextUri."""
        with self._lock:
            for _ in range(count):
                self._mint(self._at(at))

    def restart(self, at: float | None = None) -> None:
        """Lose every query, listed or in flight, and begin again with a new id suffix; never before the last answer."""
        with self._lock:
            at = max(self._at(at), self._latest)
            self._catch_up(at)
            for query in self._ended:
                self._count(query, self._past)
            for query in self._live.values():
                _tally(self._past, query).lost += 1
            self._start_process(at)

    def hide(self, *users: str) -> None:
        """Let nobody but themselves see the queries of these users, silently, as access control does.

        Raises ValueError on PrestoDB, which shows every query to everyone.
        """
        if self._release.is_prestodb:
            raise ValueError("hide: PrestoDB shows every query to everyone; use another engine")
        with self._lock:
            self._hidden.update(users)

    def show(self, *users: str) -> None:
        """Undo `hide` for these users."""
        with self._lock:
            self._hidden.difference_update(users)

    def truth(self) -> dict[tuple[str, str], Tally]:
        """Return by (user, source) what happened to all queries ever, listed now or not.

        Amounts are exact, while the list rounds times (and PrestoDB sizes); those of queries in flight are not in it.
        """
        with self._lock:
            self._catch_up(self.now())
            truth = copy.deepcopy(self._past)
            for query in self._ended:
                self._count(query, truth)
            return truth

    def inject(self, fault: Fault, times: int | None = 1, path: str = "/v1/query") -> None:
        """Let the next *times* answers at *path* have this fault, after those already injected; None: all answers."""
        with self._lock:
            self._faults.setdefault(path, deque()).append((fault, math.inf if times is None else times))

    def heal(self) -> None:
        """Forget all faults; answers that hang end without a word."""
        with self._lock:
            self._faults.clear()
            self._healed.set()
            self._healed = threading.Event()

    def answer(self, request: Request, fault: Fault = _HONEST) -> Answer:
        """Return the answer to a GET, with its content changed as *fault* says."""
        honest = self._honest_answer(request) if fault.status == 200 else _error_answer(fault.status)
        body = honest.body if fault.body is None else fault.body
        return Answer(honest.status, {**honest.headers, **fault.headers}, body(honest.body) if callable(body) else body)

    def query_list(self, viewer: str = "") -> bytes:
        """Return the JSON of the list as *viewer* sees it, in no order, like the real one."""
        with self._lock:
            now = self.now()
            self._catch_up(now)
            rows = sorted(self._queries.values(), key=lambda query: query.place)
            seen = [row for row in rows if row.created <= now and (row.user not in self._hidden or row.user == viewer)]
            body = b"[%b]" % b",".join([row.rendered or self._release.render(row, now) for row in seen])
            # The same object as long as nothing changed: its compressed form is kept by identity.
            self._list = self._list if self._list == body else body
            return self._list

    def info(self) -> bytes:
        """Return the JSON of /v1/info."""
        with self._lock:
            info = {
                "nodeId": "ffffffff-ffff-ffff-ffff-ffffffffffff",
                "state": "ACTIVE",
                "nodeVersion": {"version": self.version},
                "environment": self.environment,
                "coordinator": True,
                "coordinatorId": self._suffix,
                "starting": self.starting,
                "uptime": format_duration(self.now() - self._started),
            }
            if not self._release.has_nanoseconds:
                for newer in ("nodeId", "state", "coordinatorId"):
                    del info[newer]
            return _json(info)

    def _honest_answer(self, request: Request) -> Answer:
        if request.path == "/v1/info":
            return _json_answer(self.info())
        if request.path != "/v1/query":
            return _text_answer(404, "Error 404 Not Found: HTTP 404 Not Found")
        if self._release.is_prestodb:
            return _json_answer(self.query_list())
        viewer = self._caller(request)
        if isinstance(viewer, Answer):
            return viewer
        if self.starting:
            return _text_answer(500, "SERVER_STARTING_UP: server is still initializing")
        return _json_answer(self.query_list(viewer))

    def _caller(self, request: Request) -> str | Answer:
        """Return who asks, or the refusal; over plain HTTP a name without a password, over TLS whatever is sent."""
        named = request.headers.get(f"x-{self._release.product}-user".lower())
        basic = _basic_credentials(request.headers.get("authorization", ""))
        if basic is None and named is None and not (request.is_secure and "authorization" in request.headers):
            header = "X-Presto-User" if self._release.product == "Presto" else "X-Trino-Original-User or X-Trino-User"
            return self._unauthorized(f"Basic authentication or {header} must be sent")
        user, password = basic or (named or "bearer", "")
        if password and not request.is_secure:
            return self._unauthorized("Password not allowed for insecure authentication")
        if named is not None and named != user:
            denied = f"AccessDeniedException: Access Denied: User {user} cannot impersonate user {named}"
            return _text_answer(500, denied)
        return user

    def _unauthorized(self, message: str) -> Answer:
        return _text_answer(401, message, {"WWW-Authenticate": f'Basic realm="{self._release.product}"'})

    def _next_fault(self, path: str) -> tuple[Fault, threading.Event]:
        """Return the fault of the next answer at *path*, which uses it up, and the event that `heal` sets."""
        with self._lock:
            queue = self._faults.get(path)
            if not queue:
                return _HONEST, self._healed
            fault, times = queue.popleft()
            if times > 1:
                queue.appendleft((fault, times - 1))
            return fault, self._healed

    def _at(self, at: float | None) -> float:
        return self.now() if at is None else at

    def _start_process(self, started: float) -> None:
        self._started = started
        self._starts += 1
        digest = hashlib.blake2b(f"{self._seed}/{self._starts}".encode()).digest()
        self._suffix = "".join(_ID_LETTERS[byte % len(_ID_LETTERS)] for byte in digest[:5])
        self._minted, self._second = 0, ""
        self._queries: dict[str, _Query] = {}
        self._live: dict[str, _Query] = {}
        self._ended: deque[_Query] = deque()

    def _mint(self, at: float) -> str:
        second = time.strftime("%Y%m%d_%H%M%S", time.gmtime(at))
        is_new_day = second[:8] != self._second[:8]
        if is_new_day or (self._minted >= self._release.ids_before_reset and second != self._second):
            self._minted = 0
        if self._minted > 99_999:
            raise ValueError(f"{second}: all query ids of this second are used up; move the clock")
        query_id = f"{second}_{self._minted:05d}_{self._suffix}"
        self._second = second
        self._minted += 1
        return query_id

    def _catch_up(self, now: float) -> None:
        """Note what has ended by *now*, in order of the ends, and remove what the retention no longer keeps."""
        self._latest = max(self._latest, now)
        ended = sorted(
            (query for query in self._live.values() if query.end <= now), key=lambda query: (query.end, query.id)
        )
        for query in ended:
            del self._live[query.id]
        self._ended.extend(ended)
        while len(self._ended) > self.max_history and self._ended[0].end <= now - self.min_expire_age:
            query = self._ended.popleft()
            self._count(query, self._past)
            del self._queries[query.id]

    def _count(self, query: _Query, tallies: dict[tuple[str, str], Tally]) -> None:
        """Add an ended query to the tally of its user and source."""
        tally = _tally(tallies, query)
        error, used = query.error, query.used_at(math.inf)
        tally.outcomes["finished" if error is None else "canceled" if error.name in CANCELED else "failed"] += 1
        if error is not None:
            tally.errors[error.type, error.name] += 1
            tally.failed_cpu_seconds += used.cpu_seconds
        elif self._release.has_failed_cpu:
            tally.failed_cpu_seconds += used.failed_cpu_seconds
        tally.cpu_seconds += used.cpu_seconds
        tally.input_bytes += used.input_bytes
        tally.input_rows += used.input_rows
        tally.memory_byte_seconds += used.memory_byte_seconds
        tally.queued_seconds += query.queued_until - query.created
        tally.elapsed_seconds += query.end - query.created


@dataclass(slots=True)
class _Query:
    """A query and its timeline: when it entered which state, in order, up to the end as far as it is planned."""

    id: str
    user: str
    source: str
    sql: str
    prepared: dict[str, str]
    client_tags: list[str]
    resource_group: list[str]
    created: float
    plan: Plan
    timeline: list[tuple[float, str]]
    error: ErrorCode | None
    stated: Usage | None = None
    rendered: bytes | None = None
    """The row, once nothing in it can change but by `Coordinator.use`."""
    place: int = field(init=False)
    """Where the row stands in the list."""

    def __post_init__(self) -> None:
        self.place = zlib.crc32(self.id.encode())

    @property
    def end(self) -> float:
        """When it ends or ended, Unix time; infinite if that is not planned."""
        at, state = self.timeline[-1]
        return at if state in _TERMINAL else math.inf

    @property
    def queued_until(self) -> float:
        """When it leaves or left the queue, Unix time."""
        return next((at for at, state in self.timeline if state != "QUEUED"), math.inf)

    def entered(self, *states: str) -> float:
        """Return when it first enters or entered one of *states*, Unix time; infinite if that is not planned."""
        return next((at for at, state in self.timeline if state in states), math.inf)

    def state_at(self, now: float) -> str:
        """Return the state at *now*, with BLOCKED apart from RUNNING."""
        return next((state for at, state in reversed(self.timeline) if at <= now), "QUEUED")

    def is_settled(self, now: float) -> bool:
        """Tell whether all figures have been reported."""
        return now >= self.end + self.plan.settle

    def share_at(self, now: float) -> float:
        """Return the share of the running time that is over, 0 to 1."""
        ran_from = self.entered("RUNNING")
        if ran_from > now or math.isinf(ran_from):
            return 0.0
        planned_until = ran_from + self.plan.running
        ran_until = min(now, next((at for at, _ in self.timeline if at > ran_from), math.inf))
        return 1.0 if ran_until >= planned_until else (ran_until - ran_from) / self.plan.running

    def used_at(self, now: float) -> Usage:
        """Return what the engine shows as used at *now*; at infinity, what has been used in the end."""
        if self.stated is not None:
            return self.stated
        usage = self.plan.usage if self.is_settled(now) else self.plan.usage.without(self.plan.late)
        return usage.grown_to(self.share_at(now))

    def enter(self, state: str, at: float) -> bool:
        """Go into *state* instead of what was planned; return False, unchanged, if it had ended by then."""
        if self.end <= at:
            return False
        self.timeline = [step for step in self.timeline if step[0] <= at] + [(at, state)]
        self.rendered = None
        return True


def _timeline(plan: Plan, error: ErrorCode | None, created: float) -> list[tuple[float, str]]:
    ends_in = plan.ends_in or (error.raised if error else "")
    if ends_in == "DISPATCHING":
        return [(created, "FAILED")]
    seconds = (plan.queued, plan.planning, plan.starting, plan.blocked, plan.running, plan.finishing)
    if error is not None and ends_in not in _PHASES:
        raise ValueError(f"Plan.ends_in: {ends_in} is no phase; use DISPATCHING or one of {', '.join(_PHASES)}")
    at, timeline = created, []
    for state, duration in zip(_PHASES, seconds, strict=True):
        timeline.append((at, state))
        at += duration
        if error is not None and state == ends_in:
            break
    return [*timeline, (at, "FINISHED" if error is None else "FAILED")]


def _tally(tallies: dict[tuple[str, str], Tally], query: _Query) -> Tally:
    return tallies.setdefault((query.user, query.source), Tally())


# Keys in the order of the wire, each with the first and the last release that has it.
_TRINO_ROW = """
    queryId session resourceGroupId state memoryPool:-371 scheduled self query updateType preparedQuery queryStats
    errorType errorCode queryType:340- retryPolicy:379-
"""
_TRINO_SESSION = """
    queryId querySpan:414- transactionId clientTransactionSupport user originalUser:426- setOriginalRoles:475- groups
    originalUserGroups:426- principal enabledRoles:362- source path timeZoneKey locale remoteUserAddress userAgent
    clientTags clientCapabilities resourceEstimates start systemProperties catalogProperties
    unprocessedCatalogProperties:-370 roles:-361 catalogRoles:362- preparedStatements protocolName:351- timeZone:357-
"""
_TRINO_STATS = """
    createTime endTime queuedTime resourceWaitingTime:479- elapsedTime executionTime failedTasks:379- totalDrivers
    queuedDrivers runningDrivers completedDrivers blockedDrivers:443- rawInputDataSize:-476 rawInputPositions:-476
    processedInputPositions:477- spilledDataSize:443- physicalInputDataSize physicalWrittenDataSize:443-
    internalNetworkInputDataSize:469- cumulativeUserMemory cumulativeSystemMemory:360-368
    failedCumulativeUserMemory:373- userMemoryReservation totalMemoryReservation peakUserMemoryReservation
    peakTotalMemoryReservation planningTime:469- analysisTime:469- totalCpuTime failedCpuTime:373- totalScheduledTime
    failedScheduledTime:373- finishingTime:469- physicalInputReadTime:469- fullyBlocked blockedReasons
    progressPercentage runningPercentage:414-
"""
_PRESTODB_ROW = """
    queryId session resourceGroupId state memoryPool scheduled self query queryStats errorType errorCode failureInfo
    queryType warnings preparedQuery:271- queryHash:275-
"""
_PRESTODB_SESSION = """
    queryId transactionId clientTransactionSupport user source traceToken timeZoneKey locale remoteUserAddress userAgent
    clientTags resourceEstimates startTime systemProperties catalogProperties unprocessedCatalogProperties roles
    preparedStatements sessionFunctions
"""
_PRESTODB_STATS = """
    createTime endTime waitingForPrerequisitesTime queuedTime elapsedTime executionTime analysisTime:292-
    runningTasks:264- totalDrivers queuedDrivers runningDrivers completedDrivers totalNewDrivers:294-
    queuedNewDrivers:294- runningNewDrivers:294- completedNewDrivers:294- totalSplits:294- queuedSplits:294-
    runningSplits:294- completedSplits:294- rawInputDataSize rawInputPositions cumulativeUserMemory
    cumulativeTotalMemory:256- userMemoryReservation totalMemoryReservation peakUserMemoryReservation
    peakTotalMemoryReservation peakTaskTotalMemoryReservation peakNodeTotalMemoryReservation totalCpuTime
    totalScheduledTime fullyBlocked blockedReasons totalAllocation progressPercentage
"""


def _keys(table: str, release: int) -> tuple[str, ...]:
    """Return the keys of *table* that *release* has."""
    keys = []
    for entry in table.split():
        key, _, releases = entry.partition(":")
        first, _, last = releases.partition("-")
        if int(first or 0) <= release <= int(last or release):
            keys.append(key)
    return tuple(keys)


class _Release:
    """What one release of an engine writes: which keys, in which order, units and spellings."""

    def __init__(self, version: str) -> None:
        dialect = dialect_of(version)
        self.is_prestodb = dialect is PRESTODB
        self.product = "Trino" if dialect is TRINO else "Presto"
        number = re.match(r"0\.(\d+)|(\d+)", version)
        self._number = int(number[1] or number[2]) if number else 999
        self.has_nanoseconds = not self.is_prestodb and self._number >= 477
        self.has_failed_cpu = not self.is_prestodb and self._number >= 373
        self.ids_before_reset = 90_000 if not self.is_prestodb and self._number >= 360 else 100_000
        tables = (_TRINO_ROW, _TRINO_SESSION, _TRINO_STATS)
        if self.is_prestodb:
            tables = (_PRESTODB_ROW, _PRESTODB_SESSION, _PRESTODB_STATS)
        self._row_keys, self._session_keys, self._stats_keys = (_keys(table, self._number) for table in tables)

    def error(self, error: str | ErrorCode) -> ErrorCode:
        """Return the error as this engine names it; raise ValueError if it is not one of ERRORS."""
        if isinstance(error, ErrorCode):
            return error
        if error not in ERRORS:
            raise ValueError(f"{error}: not an error of ERRORS; give an ErrorCode of your own")
        known = ERRORS[error]
        # PrestoDB has no numbers for what the analysis finds: its SemanticException is a SYNTAX_ERROR.
        if self.is_prestodb and 43 <= known.code < 1000:
            return ERRORS["SYNTAX_ERROR"]._replace(raised=known.raised)
        return known

    def render(self, query: _Query, now: float) -> bytes:
        """Return the row of a query at *now* as JSON, kept with the query once it no longer changes."""
        state = query.state_at(now)
        prepared = _prepared(query)
        kind = _kind(query.sql, prepared)
        is_dispatched = query.timeline[0][1] != "FAILED"
        has_tasks = kind.has_tasks and (query.entered("STARTING", "BLOCKED", "RUNNING") <= now or state == "FINISHED")
        error = query.error if state == "FAILED" else None
        has_begun = has_tasks or (state != "FAILED" and query.queued_until <= now)
        values = {
            "queryId": query.id,
            "session": self._session(query, is_dispatched),
            "resourceGroupId": query.resource_group if is_dispatched else None,
            "state": "RUNNING" if state == "BLOCKED" else state,
            "memoryPool": "general",
            "scheduled": has_tasks,
            "self": f"http://coordinator.example:8080/v1/query/{query.id}",
            "query": query.sql,
            "updateType": kind.update_type if has_begun else None,
            "preparedQuery": prepared if is_dispatched else None,
            "queryStats": self._stats(query, now, has_tasks),
            "errorType": error and error.type,
            "errorCode": error and self._error_code(error),
            "failureInfo": error and self._failure(error),
            "queryType": (kind.type_in_prestodb if self.is_prestodb else kind.type) if is_dispatched else None,
            "retryPolicy": "NONE",
            "warnings": [],
            # Stands in for xxHash64, which the standard library has not: the same text has the same hash.
            "queryHash": f"{int.from_bytes(hashlib.blake2b(query.sql.encode(), digest_size=8).digest(), 'big'):x}",
        }
        row = _json(_present(values, self._row_keys))
        if query.is_settled(now):
            query.rendered = row
        return row

    def _session(self, query: _Query, is_dispatched: bool) -> dict[str, Any]:
        system = [{"catalogName": "system", "schemaName": name} for name in ("$query", "builtin")]
        started = query.created - 0.002
        return _present(
            {
                "queryId": query.id,
                "querySpan": {},
                "transactionId": str(uuid.uuid5(uuid.NAMESPACE_OID, query.id)) if is_dispatched else None,
                "clientTransactionSupport": False,
                "user": query.user,
                "originalUser": query.user,
                "setOriginalRoles": [],
                "groups": [],
                "originalUserGroups": [],
                "principal": query.user,
                "enabledRoles": [],
                "source": query.source or None,
                "path": {"path": system, "rawPath": ""} if self._number >= 429 else {},
                "traceToken": "noop_dummy_id",
                "timeZoneKey": 0,
                "locale": "en_US" if self._number >= 429 else "en",
                "remoteUserAddress": "127.0.0.1",
                "userAgent": f"StatementClientV1/{self._number}",
                "clientTags": query.client_tags,
                "clientCapabilities": [],
                "resourceEstimates": {},
                "start": _instant(started, query.place),
                "startTime": int(started * 1000),
                "systemProperties": {},
                "catalogProperties": {},
                "unprocessedCatalogProperties": {},
                "roles": {},
                "catalogRoles": {},
                "preparedStatements": query.prepared,
                "sessionFunctions": {},
                "protocolName": "Trino",
                "timeZone": "UTC",
            },
            self._session_keys,
        )

    def _stats(self, query: _Query, now: float, has_tasks: bool) -> dict[str, Any]:
        is_over, state = query.end <= now, query.state_at(now)
        until = min(now, query.end)
        usage = query.used_at(now)
        # The row says more than the plan: what the exporter does not read is made up to fit.
        drivers = 2 + min(4000, int(query.plan.usage.input_bytes) >> 25) if has_tasks else 0
        completed = drivers if state == "FINISHED" else int(drivers * query.share_at(now))
        running = min(drivers - completed, 8) if state == "RUNNING" else 0
        queued = 0 if is_over else drivers - completed - running
        progress = 100.0 * completed / drivers if drivers else None
        held = usage.peak_bytes if state in ("RUNNING", "FINISHING") else 0
        network = 0 if self.is_prestodb else usage.input_bytes / 10
        work_began = query.entered("BLOCKED", "RUNNING") if self.is_prestodb else query.entered("PLANNING")

        def since(begun: float, ended: float = math.inf) -> str:
            return self._duration(max(0.0, min(until, ended) - begun) if begun <= until else 0.0)

        return _present(
            {
                "createTime": self._timestamp(query.created, query.place),
                "endTime": self._timestamp(query.end, query.place) if is_over else self._no_end,
                "waitingForPrerequisitesTime": self._duration(0.0),
                "queuedTime": since(query.created, query.queued_until),
                "resourceWaitingTime": self._duration(0.0),
                "elapsedTime": since(query.created),
                "executionTime": since(work_began),
                "analysisTime": since(query.entered("PLANNING"), query.entered("STARTING")),
                "planningTime": since(query.entered("PLANNING"), query.entered("STARTING")),
                "finishingTime": since(query.entered("FINISHING")),
                "failedTasks": 0,
                "runningTasks": min(running, 4),
                "totalDrivers": drivers,
                "queuedDrivers": queued,
                "runningDrivers": running,
                "completedDrivers": completed,
                "blockedDrivers": 0,
                "totalNewDrivers": drivers,
                "queuedNewDrivers": queued,
                "runningNewDrivers": running,
                "completedNewDrivers": completed,
                "totalSplits": drivers,
                "queuedSplits": queued,
                "runningSplits": running,
                "completedSplits": completed,
                "rawInputDataSize": self._size(usage.input_bytes + network),
                "rawInputPositions": int(usage.input_rows),
                "processedInputPositions": int(usage.input_rows),
                "physicalInputDataSize": self._size(usage.input_bytes),
                "physicalWrittenDataSize": self._size(0),
                "spilledDataSize": self._size(0),
                "internalNetworkInputDataSize": self._size(network),
                "physicalInputReadTime": self._duration(usage.cpu_seconds / 4),
                # In byte-milliseconds.
                "cumulativeUserMemory": usage.memory_byte_seconds * 1000.0,
                "cumulativeSystemMemory": 0.0,
                "cumulativeTotalMemory": usage.memory_byte_seconds * 1100.0,
                "failedCumulativeUserMemory": 0.0,
                "userMemoryReservation": self._size(held),
                "totalMemoryReservation": self._size(held * 1.1),
                "peakUserMemoryReservation": self._size(usage.peak_bytes),
                "peakTotalMemoryReservation": self._size(usage.peak_bytes * 1.1),
                "peakTaskTotalMemoryReservation": self._size(usage.peak_bytes / 4),
                "peakNodeTotalMemoryReservation": self._size(usage.peak_bytes / 2),
                "totalAllocation": self._size(0),
                "totalCpuTime": self._duration(usage.cpu_seconds),
                "failedCpuTime": self._duration(usage.failed_cpu_seconds),
                "totalScheduledTime": self._duration(usage.cpu_seconds * 1.5),
                "failedScheduledTime": self._duration(usage.failed_cpu_seconds * 1.5),
                "fullyBlocked": state == "BLOCKED" or (is_over and has_tasks),
                "blockedReasons": ["WAITING_FOR_MEMORY"] if state == "BLOCKED" else [],
                "progressPercentage": progress,
                "runningPercentage": 100.0 * running / drivers if drivers else None,
            },
            self._stats_keys,
        )

    def _error_code(self, error: ErrorCode) -> dict[str, Any]:
        code: dict[str, Any] = {"code": error.code, "name": error.name, "type": error.type}
        if self.is_prestodb:
            code["retriable"] = False
            if self._number >= 297:
                code["catchableByTry"] = False
        elif self._number >= 455:
            code["fatal"] = error.type == _USER
        return code

    def _failure(self, error: ErrorCode) -> dict[str, Any]:
        """Return the failureInfo of PrestoDB: every failed row drags a stack trace along."""
        is_found_by_parser = error.name == "SYNTAX_ERROR"
        package = "com.facebook.presto.sql.analyzer.SemanticException" if is_found_by_parser else _PRESTO_EXCEPTION
        return {
            "type": package,
            "message": f"{'line 1:8: ' if is_found_by_parser else ''}{error.name.replace('_', ' ').capitalize()}",
            "suppressed": [],
            "stack": _STACK,
            **({"errorLocation": {"lineNumber": 1, "columnNumber": 8}} if is_found_by_parser else {}),
            "errorCode": self._error_code(error),
            "errorCause": "UNKNOWN",
        }

    @property
    def _no_end(self) -> str | None:
        return "1970-01-01T00:00:00.000Z" if self.is_prestodb and self._number >= 292 else None

    def _timestamp(self, at: float, place: int) -> str:
        if self.has_nanoseconds:
            return _instant(at, place)
        seconds, micros = divmod(round(at * 1_000_000), 1_000_000)
        return f"{_second(seconds)}.{micros // 1000:03d}Z"

    def _duration(self, seconds: float) -> str:
        return format_duration(seconds) if seconds or not self.has_nanoseconds else "0.00s"

    def _size(self, size: float) -> str:
        return format_succinct_size(int(size)) if self.is_prestodb else f"{int(size)}B"


_ID_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_TERMINAL = ("FINISHED", "FAILED")
_DURATION_UNITS = (("d", 86400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9))
_SIZE_UNITS = (("PB", 1 << 50), ("TB", 1 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10), ("B", 1))
_PRESTO_EXCEPTION = "com.facebook.presto.spi.PrestoException"
_STACK = [
    f"com.facebook.presto.{place}"
    for place in (
        "sql.analyzer.StatementAnalyzer$Visitor.visitTable(StatementAnalyzer.java:2197)",
        "sql.analyzer.StatementAnalyzer$Visitor.visitTable(StatementAnalyzer.java:432)",
        "sql.tree.Table.accept(Table.java:62)",
        "sql.tree.AstVisitor.process(AstVisitor.java:27)",
        "sql.analyzer.StatementAnalyzer$Visitor.process(StatementAnalyzer.java:454)",
        "sql.analyzer.StatementAnalyzer$Visitor.analyzeFrom(StatementAnalyzer.java:4213)",
        "sql.analyzer.StatementAnalyzer$Visitor.visitQuerySpecification(StatementAnalyzer.java:2871)",
        "sql.analyzer.StatementAnalyzer$Visitor.visitQuerySpecification(StatementAnalyzer.java:432)",
        "sql.tree.QuerySpecification.accept(QuerySpecification.java:138)",
        "sql.tree.AstVisitor.process(AstVisitor.java:27)",
        "sql.analyzer.StatementAnalyzer$Visitor.visitQuery(StatementAnalyzer.java:1427)",
        "sql.analyzer.StatementAnalyzer$Visitor.visitQuery(StatementAnalyzer.java:432)",
        "sql.tree.Query.accept(Query.java:105)",
        "sql.analyzer.StatementAnalyzer.analyze(StatementAnalyzer.java:424)",
        "sql.analyzer.Analyzer.analyzeSemantic(Analyzer.java:136)",
        "sql.analyzer.BuiltInQueryAnalyzer.analyze(BuiltInQueryAnalyzer.java:95)",
        "execution.SqlQueryExecution.lambda$new$0(SqlQueryExecution.java:219)",
        "common.RuntimeStats.recordWallAndCpuTime(RuntimeStats.java:158)",
        "execution.SqlQueryExecution.<init>(SqlQueryExecution.java:219)",
        "execution.SqlQueryExecution.<init>(SqlQueryExecution.java:112)",
        "execution.SqlQueryExecution$SqlQueryExecutionFactory.createQueryExecution(SqlQueryExecution.java:1019)",
        "dispatcher.LocalDispatchQueryFactory.lambda$createDispatchQuery$0(LocalDispatchQueryFactory.java:169)",
    )
] * 2


_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def format_duration(seconds: float) -> str:
    """Return a duration as all engines print it: two decimals and the largest unit that gives more than 0.9999."""
    for unit, size in _DURATION_UNITS:
        if seconds / size > 0.9999:
            return f"{_half_up(seconds / size)}{unit}"
    return "0.00ns"


def format_succinct_size(size: int) -> str:
    """Return a size as PrestoDB prints it: the largest unit that gives at least 1, whole or with two decimals."""
    for unit, unit_size in _SIZE_UNITS:
        if size >= unit_size:
            whole, rest = divmod(size, unit_size)
            return f"{_half_up(size / unit_size) if rest else whole}{unit}"
    return "0B"


def _half_up(value: float) -> str:
    return f"{math.floor(value * 100 + 0.5) / 100:.2f}"


def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _instant(at: float, place: int) -> str:
    """Return a java.time.Instant with nanoseconds; a float has none, so *place* makes them up, the same for a query."""
    seconds, micros = divmod(round(at * 1_000_000), 1_000_000)
    digits = f"{micros:06d}{place % 1000:03d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{_second(seconds)}.{digits}Z" if digits else f"{_second(seconds)}Z"


def _present(values: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """Return the *keys* in their order, without those whose value is None: engines omit what is absent."""
    return {key: value for key in keys if (value := values[key]) is not None}


def _json(value: Any) -> bytes:
    return _JSON.encode(value).encode(errors="replace")


class _Kind(NamedTuple):
    """What the engines say of a statement's kind; None where they say nothing."""

    type: str | None
    update_type: str | None = None
    type_in_prestodb: str | None = None
    has_tasks: bool = True


_NOT_A_WORD = re.compile(r"(?:--[^\n]*|/\*.*?\*/|[\s(])*", re.DOTALL)
_CREATES_FROM_QUERY = re.compile(r"CREATE\s.*?\bTABLE\b.*?\bAS[\s(]+(?:SELECT|WITH|VALUES|TABLE)\b", re.DOTALL | re.I)
_CONTROLS = ("PREPARE", "DEALLOCATE", "SET", "RESET", "USE", "START", "COMMIT", "ROLLBACK")
_DEFINITIONS = ("CREATE", "DROP", "ALTER", "CALL", "GRANT", "REVOKE", "DENY", "COMMENT", "TRUNCATE")


def _kind(sql: str, prepared: str | None) -> _Kind:
    """Return the kind of a statement, by its leading words; *prepared* is what it executes, if it does."""
    text = sql[_length_of_no_words(sql) :]
    words = [word.upper() for word in re.findall(r"\w+", text[:200]) if word.upper() not in ("OR", "REPLACE")]
    first, second = [*words, "", ""][:2]
    if first == "EXECUTE":
        immediate = text.partition("'")[2] if second == "IMMEDIATE" else ""
        return _kind(prepared or immediate, None) if prepared or immediate else _Kind(None)
    if first in ("SELECT", "WITH", "VALUES", "TABLE"):
        return _Kind("SELECT", None, "SELECT")
    if first in ("INSERT", "UPDATE", "DELETE", "MERGE", "ANALYZE"):
        return _Kind(first, first, first)
    if first in ("SHOW", "DESCRIBE", "DESC"):
        return _Kind("DESCRIBE", None, "DESCRIBE")
    if first == "EXPLAIN":
        inner = _kind(text[text.upper().index("ANALYZE") + 7 :], None).type if second == "ANALYZE" else "EXPLAIN"
        return _Kind(inner, None, "EXPLAIN")
    if _CREATES_FROM_QUERY.match(text):
        return _Kind("INSERT", "CREATE TABLE", "INSERT")
    if first in _CONTROLS or first in _DEFINITIONS:
        has_object = first in ("SET", "RESET", "CREATE", "DROP", "ALTER")
        in_prestodb = "CONTROL" if first in _CONTROLS else "DATA_DEFINITION"
        return _Kind("DATA_DEFINITION", f"{first} {second}" if has_object else first, in_prestodb, has_tasks=False)
    return _Kind(None)


def _prepared(query: _Query) -> str | None:
    """Return the text of the prepared statement that the query executes, None if it executes none."""
    executes = re.compile(r"EXECUTE\s+(\w+)", re.I).match(query.sql, _length_of_no_words(query.sql))
    return query.prepared.get(executes[1]) if executes else None


def _length_of_no_words(sql: str) -> int:
    """Return how long the comments, white space and brackets before the first word are."""
    before = _NOT_A_WORD.match(sql)
    return before.end() if before else 0


def _json_answer(body: bytes) -> Answer:
    return Answer(200, {"Content-Type": "application/json", "X-Content-Type-Options": "nosniff"}, body)


def _text_answer(status: int, text: str, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, {"Content-Type": "text/plain;charset=utf-8", **(headers or {})}, text.encode())


def _error_answer(status: int) -> Answer:
    """Return what a server or a proxy answers with this status."""
    headers = {401: {"WWW-Authenticate": 'Basic realm="Trino"'}, 302: {"Location": "/ui/"}}.get(status, {})
    return _text_answer(status, f"Error {status} {HTTPStatus(status).phrase}", headers)


def _basic_credentials(authorization: str) -> tuple[str, str] | None:
    """Return user and password of a Basic Authorization header, None if it is something else."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode("latin-1").partition(":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None


class Server:
    """A coordinator on 127.0.0.1, reached at `url`. Made by `serve`."""

    def __init__(self, coordinator: Coordinator, port: int, tls: ssl.SSLContext | None) -> None:
        self.requests: list[Request] = []
        """What was asked, in order, from the moment its headers were read."""
        self._came_in = threading.Condition()
        self._listener = _Listener(coordinator, self._note, port, tls)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._listener.server_port}"
        self._thread = threading.Thread(
            target=self._listener.serve_forever, args=(0.02,), name=f"coordinator {self.url}"
        )
        self._thread.start()

    def wait_for_requests(self, count: int, path: str = "/v1/query", timeout: float = 10.0) -> None:
        """Return once *count* requests for *path* have come in; raise TimeoutError after *timeout* seconds."""

        def have_come() -> bool:
            return sum(request.path == path for request in self.requests) >= count

        with self._came_in:
            if not self._came_in.wait_for(have_come, timeout):
                raise TimeoutError(f"{self.url}{path}: fewer than {count} requests in {timeout} s")

    def close(self) -> None:
        """Stop at once: answers under way break, and every thread has ended."""
        self._listener.close()
        self._thread.join()

    def _note(self, request: Request) -> None:
        with self._came_in:
            self.requests.append(request)
            self._came_in.notify_all()


@contextlib.contextmanager
def serve(coordinator: Coordinator, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Serve a coordinator on 127.0.0.1 for the time of the context; port 0 takes a free one."""
    server = Server(coordinator, port, tls)
    try:
        yield server
    finally:
        server.close()


class _Listener(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def __init__(
        self, coordinator: Coordinator, note: Callable[[Request], None], port: int, tls: ssl.SSLContext | None
    ) -> None:
        self.coordinator = coordinator
        self.note = note
        self.tls = tls
        self.closing = threading.Event()
        self._connections: set[socket.socket] = set()
        self._compressed = (b"", b"")
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        """Bind without HTTPServer's look-up of the host's name, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_port = self.server_address[1]

    def get_request(self) -> tuple[socket.socket, Any]:
        """Return a new connection; a TLS handshake happens at its first read, in its own thread."""
        connection, address = super().get_request()
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Close a connection that is done."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep silent about connections that broke: breaking them is what the faults are for."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def compressed(self, body: bytes) -> bytes:
        """Return a body as gzip, made once as long as it stays the same object."""
        last, compressed = self._compressed
        if last is not body:
            compressed = gzip.compress(body, compresslevel=1, mtime=0)
            self._compressed = (body, compressed)
        return compressed

    def close(self) -> None:
        """Stop listening, break what is under way, and wait for the threads."""
        self.closing.set()
        self.shutdown()
        for connection in tuple(self._connections):
            with contextlib.suppress(OSError):
                # Not the method of an SSLSocket, which pulls its state away under the thread that reads.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener

    def do_GET(self) -> None:
        """Answer as the coordinator does, or as its next fault says."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.path.partition("?")[0], headers, self.server.tls is not None)
        fault, healed = self.server.coordinator._next_fault(request.path)
        self.server.note(request)
        if fault.hang:
            while not (healed.is_set() or self.server.closing.wait(0.02)):
                pass
            self.close_connection = True
            return
        answer = self.server.coordinator.answer(request, fault)
        body = answer.body
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Vary", "Accept-Encoding")
        if _accepts_gzip(headers.get("accept-encoding", "")) and "Content-Encoding" not in answer.headers:
            self.send_header("Content-Encoding", "gzip")
            body = self.server.compressed(body)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._send_body(body, fault)

    def _send_body(self, body: bytes, fault: Fault) -> None:
        """Send a body in chunks, as Jetty does with lists of any size; at the rate and as far as the fault says."""
        step, pause = 1 << 20, 0.0
        if fault.bytes_per_second is not None:
            pause = max(0.02, 1 / fault.bytes_per_second)
            step = round(fault.bytes_per_second * pause)
        until = len(body) if fault.drop_at is None else min(fault.drop_at, len(body))
        for start in range(0, until, step):
            if pause and self.server.closing.wait(pause):
                self.close_connection = True
                return
            chunk = body[start : min(start + step, until)]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        if fault.drop_at is None:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Keep silent."""


def _accepts_gzip(accept_encoding: str) -> bool:
    """Tell whether an Accept-Encoding names gzip, and not with ``q=0``."""
    for coding in accept_encoding.lower().split(","):
        name, _, weight = coding.replace(" ", "").partition(";q=")
        if name == "gzip":
            return re.fullmatch(r"0(\.0*)?", weight) is None
    return False

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
    with serve(coordinator) as server:  # of exporter.demo.server
        coordinator.inject(Fault(status=503))
        requests.get(f"{server.url}/v1/query", auth=("monitor", ""))
    assert coordinator.truth()["bob", "dbt"].outcomes == {"failed": 1}

Everything is a function of the clock `now` (Unix seconds): asking more or less often changes nothing. An `at` argument
dates an event back; by default it happens now. All methods may be called from any thread.
"""

from __future__ import annotations

import base64
import binascii
import copy
import hashlib
import json
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple

from exporter.demo.query import ErrorCode, Plan, Query, Usage
from exporter.demo.rows import Release, to_json

CANCELED = frozenset({"USER_CANCELED", "ADMINISTRATIVELY_KILLED", "ADMINISTRATIVELY_PREEMPTED"})
"""Names of errors that `Tally.outcomes` counts as canceled."""

_PHASES = ("QUEUED", "PLANNING", "STARTING", "BLOCKED", "RUNNING", "FINISHING")
_LIVE_STATES = (*_PHASES, "WAITING_FOR_PREREQUISITES", "WAITING_FOR_RESOURCES", "DISPATCHING")
_ID_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"


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
    return to_json(json.loads(body)[::2])


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
        self._release = Release(version)
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
            query = Query(
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

    def next_fault(self, path: str) -> tuple[Fault, threading.Event]:
        """Return the fault of the next answer at *path*, which uses it up, and the event that `heal` sets."""
        with self._lock:
            queue = self._faults.get(path)
            if not queue:
                return _HONEST, self._healed
            fault, times = queue.popleft()
            if times > 1:
                queue.appendleft((fault, times - 1))
            return fault, self._healed

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
            uptime = self.now() - self._started
            return self._release.info(self.version, self.environment, self._suffix, self.starting, uptime)

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

    def _at(self, at: float | None) -> float:
        return self.now() if at is None else at

    def _start_process(self, started: float) -> None:
        self._started = started
        self._starts += 1
        digest = hashlib.blake2b(f"{self._seed}/{self._starts}".encode()).digest()
        self._suffix = "".join(_ID_LETTERS[byte % len(_ID_LETTERS)] for byte in digest[:5])
        self._minted, self._second = 0, ""
        self._queries: dict[str, Query] = {}
        self._live: dict[str, Query] = {}
        self._ended: deque[Query] = deque()

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

    def _count(self, query: Query, tallies: dict[tuple[str, str], Tally]) -> None:
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


def _tally(tallies: dict[tuple[str, str], Tally], query: Query) -> Tally:
    return tallies.setdefault((query.user, query.source), Tally())


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

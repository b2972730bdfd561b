"""Who sends what, and how it ends: a seeded workload in which every ending that an engine knows occurs.

A `Job` is what one user does with one tool. Jobs are independent of each other, so they may run in any order and at
the same time. Big queries would run for hours: each must be ended by its job.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import requests

from exporter.dialect import PRESTODB, TRINO
from tests.engines import EngineError
from tests.engines.assembly import Engine
from tests.engines.client import Clients, Statement
from tests.engines.servers import ADMIN, DENIED, ETL, NO_GROUP, SLOTS
from tests.engines.truth import FINISHED

WORKERS = 3
"""Jobs that run at the same time: more than the cores of a small machine, fewer than SLOTS."""

WATCHED = "dashboard"
"""The source of alice's big queries, which are watched while they run."""
RESTLESS = "restless"
"""The user who sends one small query after the other while the server is stopped."""
CUT_OFF = "cut-off"
"""The source of queries that are on their way when their server is stopped."""

_USERS = (
    "alice",
    "bob",
    "svc-etl",
    "carol@corp.example",
    "UPPER.case",
    "with space",
    "mallory\\corp",
    "o'neil",
    'a"quote',
    "Zoë",
    "李雷",
    "rocket🚀",
    "x" * 120,
)
_SOURCES = ("cli", "jdbc", "superset", "metabase", 'a "quoted" \\ tool', "")

_GOOD = (
    "SELECT * FROM tpch.tiny.nation WHERE nationkey = {n}",
    "SELECT count(*) FROM tpch.tiny.orders WHERE orderdate >= DATE '1994-01-{n:02}'",
    "SELECT r.name, count(*) FROM tpch.tiny.nation n JOIN tpch.tiny.region r ON n.regionkey = r.regionkey GROUP BY 1",
    "-- report {n}\nSELECT orderpriority, sum(totalprice) FROM tpch.tiny.orders\nWHERE custkey < {n}00\nGROUP BY 1",
    "SHOW SCHEMAS FROM tpch",
    "DESCRIBE tpch.tiny.lineitem",
    "EXPLAIN SELECT * FROM tpch.tiny.customer WHERE custkey = {n}",
    "SELECT 'žluťoučký kůň 🐎', '李雷', 'it''s {n}' -- komentář ☃",
    "VALUES ({n}, 'x'), (2, 'y')",
    "SELECT 1",
    "USE tpch.tiny",
)
_BAD = (
    "SELEC 1 FROMM x",
    "SELECT * FROM tpch.tiny.no_such_table",
    "SELECT no_such_column FROM tpch.tiny.nation",
    "SELECT * FROM tpch.no_such_schema.nation",
    "SELECT * FROM no_such_catalog.tiny.nation",
    "SELECT no_such_function(1)",
    "SELECT 1 + 'a'",
    "SELECT name, count(*) FROM tpch.tiny.nation",
    "SELECT 1 / (nationkey - nationkey) FROM tpch.tiny.nation",
    "SELECT CAST(name AS bigint) FROM tpch.tiny.nation",
    "SELECT 9223372036854775807 + nationkey + 1 FROM tpch.tiny.nation",
    "SELECT * FROM tpch.tiny.nation WHERE regionkey = (SELECT regionkey FROM tpch.tiny.region)",
    "CREATE TABLE tpch.tiny.forbidden AS SELECT 1 a",
)
_LIMITED = (
    ("SELECT sum(extendedprice) FROM tpch.sf1000.lineitem", "query_max_run_time=1s"),
    ("SELECT sum(tax) FROM tpch.sf1000.lineitem", "query_max_execution_time=1s"),
    ("SELECT sum(discount) FROM tpch.sf1000.lineitem", "query_max_cpu_time=1s"),
    ("SELECT count(*) FROM (SELECT DISTINCT orderkey, comment FROM tpch.sf1.orders)", "query_max_memory=1MB"),
    ("SELECT 1", "no_such_property=1"),
)
_PREPARED = ("stmt1", "SELECT name FROM tpch.tiny.nation WHERE nationkey = ? AND regionkey < ?")

_MANY_ROWS = "SELECT orderkey, custkey, totalprice FROM tpch.tiny.orders"

_WARM_UP_TRIES = 120
_FIRST_TRINO_WITH_EXECUTE_IMMEDIATE = 418


@dataclass(frozen=True, slots=True)
class Tool:
    """What a user sends statements with."""

    clients: Clients
    user: str
    source: str

    def send(self, text: str, **settings: Any) -> Statement:
        """Return the statement that the server has taken; settings as in `Clients.send`."""
        return self.clients.send(self.user, self.source, text, **settings)

    def big(self) -> Statement:
        """Return a query that runs for hours and keeps the CPU busy; it is running now."""
        text = f"SELECT count(*) FROM tpch.sf1000.lineitem WHERE comment LIKE '%z{len(self.clients.sent)}%'"
        return self.send(text).wait_until("RUNNING")

    def half_read(self) -> Statement:
        """Return a query with a large result of which some was read."""
        statement = self.send("SELECT * FROM tpch.sf1.lineitem").wait_until("RUNNING")
        for _ in range(3):
            statement.step()
        return statement


Job = Callable[[Tool], None]


@dataclass(frozen=True, slots=True)
class Part:
    """A job and who does it with which tool."""

    user: str
    source: str
    job: Job


def plan(engine: Engine, seed: int) -> list[Part]:
    """Return the whole workload in the order of its start: every ending at least once, by users drawn by the seed."""
    draw = random.Random(seed)
    jobs = [_read(text) for text in _BAD]
    jobs += [_read(text, session=[limit]) for text, limit in _LIMITED]
    jobs += [_prepare_and_execute, partial(_use_memory, f"memory.default.t{seed}"), *_ENDINGS, *_ENDINGS]
    if engine.dialect is TRINO and int(engine.version) >= _FIRST_TRINO_WITH_EXECUTE_IMMEDIATE:
        jobs.append(_read("EXECUTE IMMEDIATE 'SELECT name FROM tpch.tiny.nation WHERE nationkey = ?' USING 7"))
    parts = [Part(draw.choice(_USERS), draw.choice(_SOURCES), job) for job in jobs]
    parts += [Part(user, draw.choice(_SOURCES), _good(draw)) for user in (*_USERS, *draw.choices(_USERS, k=30))]
    parts.append(Part("svc-etl", "cli", _read(f"CREATE TABLE memory.default.c{seed} AS {_MANY_ROWS}")))
    if engine.has_resource_groups:
        parts.append(Part(NO_GROUP, "cli", _read("SELECT 'no group takes me'")))
    if engine.dialect is not PRESTODB:
        parts.append(Part(DENIED, "cli", _read("SELECT 'I may not'")))
    draw.shuffle(parts)
    # Those whose client leaves come first: the server gives them up while the rest runs.
    return sorted(parts, key=lambda part: part.job not in _LEAVING)


def short_plan(seed: int) -> list[Part]:
    """Return a short workload of users already known, for a server that has been restarted."""
    draw = random.Random(seed)
    jobs = [*(_good(draw) for _ in range(8)), *map(_read, draw.sample(_BAD, 3)), _cancel, _kill]
    return [Part(draw.choice(_USERS), draw.choice(_SOURCES), job) for job in jobs]


def run(parts: Iterable[Part], clients: Clients) -> None:
    """Run these parts, WORKERS at a time; raises the first error of a job once the others have ended."""
    with ThreadPoolExecutor(WORKERS) as pool:
        running = [pool.submit(part.job, Tool(clients, part.user, part.source)) for part in parts]
    for part in running:
        part.result()


def warm_up(clients: Clients) -> int:
    """Send small queries until one finishes; return how many it took.

    A server says that it has started before it knows itself as a worker; queries fail in between.
    """
    for tries in range(1, _WARM_UP_TRIES):
        statement = clients.send("warmup", "warmup", "SELECT count(*) FROM tpch.tiny.nation")
        statement.read()
        if statement.sent.ending == FINISHED:
            return tries
        time.sleep(0.5)
    raise EngineError(f"{clients.server.engine.name}: no query finishes; see the server's log")


@dataclass(frozen=True, slots=True)
class Held:
    """Queries in flight: two of alice with the source WATCHED, two of svc-etl with ETL of which the second waits."""

    running: list[Statement]
    waiting: Statement

    def end(self) -> None:
        """End each in a way of its own."""
        first, second, third, *others = self.running
        self.waiting.cancel()  # while it waits: any other that ends may let it run
        first.cancel()
        second.end_by_administrator("killed")
        third.end_by_administrator("preempted")
        for statement in others:
            statement.cancel_by_id()


def hold_big_queries(clients: Clients) -> Held:
    """Return running and waiting queries, held by their clients; one more may have been refused by a full queue."""
    watched, etl = Tool(clients, "alice", WATCHED), Tool(clients, "svc-etl", ETL)
    running = [tool.big().hold() for tool in (watched, watched, etl)]
    grouped = clients.server.engine.has_resource_groups
    if not grouped:  # then the next one waits only if every slot is taken
        running += [Tool(clients, "bob", "filler").big().hold() for _ in range(SLOTS - len(running))]
    waiting = etl.send("SELECT 'waits for the other one'")
    for _ in range(3):
        waiting.step()
    waiting.hold()
    if grouped:
        etl.send("SELECT 'one too many'").read()
    return Held(running, waiting)


def send_until_gone(tool: Tool) -> None:
    """Send one small query after the other until the server is gone. How the last of them ended nobody may know."""
    with suppress(requests.RequestException):
        while True:
            with suppress(EngineError):  # a server that stops answers with all kinds of statuses
                statement = tool.send("SELECT 1")
                statement.cut_off()
                statement.read()


def _read(text: str, **settings: Any) -> Job:
    def job(tool: Tool) -> None:
        tool.send(text, **settings).read()

    return job


def _good(draw: random.Random) -> Job:
    return _read(draw.choice(_GOOD).format(n=draw.randrange(1, 25)))


def _cancel(tool: Tool) -> None:
    tool.big().cancel()


def _cancel_by_id(tool: Tool) -> None:
    tool.big().cancel_by_id()


def _cancel_half_read(tool: Tool) -> None:
    tool.half_read().cancel()


def _kill(tool: Tool) -> None:
    tool.big().end_by_administrator("killed")


def _preempt(tool: Tool) -> None:
    tool.big().end_by_administrator("preempted")


def _kill_by_call(tool: Tool) -> None:
    """The CALL is a query too. Where the rules do not let the administrator CALL, it fails and the query is killed."""
    victim = tool.big()
    text = f"CALL system.runtime.kill_query(query_id => '{victim.sent.id}', message => 'a trial')"
    call = tool.clients.send(ADMIN, "ops", text)
    call.read()
    if call.sent.ending == FINISHED:
        victim.read()
    else:
        victim.end_by_administrator("killed")


def _leave(tool: Tool) -> None:
    tool.big().leave()


def _leave_half_read(tool: Tool) -> None:
    tool.half_read().leave()


def _leave_unread(tool: Tool) -> None:
    tool.send("SELECT name FROM tpch.tiny.region").wait_until("RUNNING", "FINISHING").leave_unread()


def _never_follow(tool: Tool) -> None:
    tool.send("SELECT 'never followed'").never_follow()


def _prepare_and_execute(tool: Tool) -> None:
    name, text = _PREPARED
    tool.send(f"PREPARE {name} FROM {text}").read()
    for arguments in ("3, 5", "4, 5", "4"):  # the last has too few
        tool.send(f"EXECUTE {name} USING {arguments}", prepared=_PREPARED).read()
    tool.send(f"DEALLOCATE PREPARE {name}", prepared=_PREPARED).read()


def _use_memory(table: str, tool: Tool) -> None:
    """Write and read a table; what an engine cannot do with its connector fails, and is a failed query."""
    for text in (
        f"CREATE TABLE {table} (nationkey bigint, name varchar(25))",
        f"CREATE TABLE {table} (a bigint)",  # exists
        f"INSERT INTO {table} SELECT nationkey, name FROM tpch.tiny.nation",
        f"SELECT count(*) FROM {table}",
        f"DELETE FROM {table} WHERE nationkey = 1",  # not supported
        f"SHOW CREATE TABLE {table}",
        f"DROP TABLE {table}",
    ):
        tool.send(text).read()


_LEAVING = (_leave, _leave_half_read, _leave_unread)
_ENDINGS = (
    _cancel,
    _cancel_by_id,
    _cancel_half_read,
    _kill,
    _kill_by_call,
    _preempt,
    *_LEAVING,
    _never_follow,
)

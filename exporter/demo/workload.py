"""The users of ``presto-query-exporter demo``: eight people and services at work on the tables of a web shop.

Each is a generator that submits queries and yields the seconds until it goes on; a heap orders them by time. What will
become of a query (how long it queues, who kills it) is decided when it is submitted, so that the same seed and the same
clock make the same history, however often it is advanced. All names, values and texts are invented.
"""

from __future__ import annotations

import heapq
import itertools
import random
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from exporter.demo.coordinator import Coordinator
from exporter.demo.query import ERRORS, Plan, Usage
from exporter.dialect import TRINO, dialect_of

_SLOTS = 7
_MOST_QUEUED = 16
_SECONDS_BETWEEN_RESTARTS = 600.0
_SECONDS_OF_START = 5.0
_SECONDS_WITHOUT_WORKERS = 2.0
_MIB = 1 << 20


class Workload:
    """Users who keep a coordinator busy with one to two queries per second.

    When it is made they have been at it for *history* seconds: the coordinator, restarted back then, lists what they
    did, with workers from the beginning if *is_warm*. It restarts every ten minutes from now on. The same *seed* and
    the same clock give the same queries.
    """

    def __init__(self, coordinator: Coordinator, seed: int = 0, history: float = 600.0, is_warm: bool = False) -> None:
        self._coordinator = coordinator
        self._random = random.Random(seed)
        self._at = coordinator.now() - history
        self._agenda: list[tuple[float, int, Iterator[float]]] = []
        self._entries = itertools.count()
        self._submitted = 0
        coordinator.restart(at=self._at - _SECONDS_OF_START)
        self._open_cluster()
        if is_warm:
            self._workers_at = self._at
        cli = "trino-cli" if dialect_of(coordinator.version) is TRINO else "presto-cli"
        for user in (
            self._etl("svc-etl"),
            self._dashboards("anna.keller", "superset", _SUPERSET_CHARTS, ""),
            self._dashboards("bruno.diaz", "metabase", _METABASE_CHARTS, "-- Metabase:: userID: 7 queryType: native\n"),
            self._scientist("mei.tanaka", cli),
            self._newcomer("tom.novak", cli),
            self._database_tool("lena.berg", "jdbc"),
            self._explorer('o\'neil "the" <b>', "superset"),
            self._administrator("admin", cli),
        ):
            self._later(self._random.uniform(0, 5), user)
        self._later(history + _SECONDS_BETWEEN_RESTARTS, self._restarts())
        self.advance()

    def advance(self) -> int:
        """Let the users do what is due by the coordinator's clock; return how many queries they submitted."""
        before, now = self._submitted, self._coordinator.now()
        while self._agenda[0][0] <= now:
            self._at, _, user = heapq.heappop(self._agenda)
            pause = next(user, None)
            if pause is not None:
                self._later(pause, user)
        return self._submitted - before

    def run(self, stop: threading.Event) -> None:
        """Advance until *stop* is set: the target of a thread, for a coordinator whose clock is the real one."""
        while not stop.wait(0.2):
            self.advance()

    def _later(self, seconds: float, user: Iterator[float]) -> None:
        heapq.heappush(self._agenda, (self._at + seconds, next(self._entries), user))

    # The cluster: seven queries at a time, the others wait.

    def _open_cluster(self) -> None:
        self._free_at = [self._at] * _SLOTS
        self._leaving_queue: list[float] = []
        self._workers_at = self._at + _SECONDS_WITHOUT_WORKERS

    def _restarts(self) -> Iterator[float]:
        while True:
            self._coordinator.restart(at=self._at)
            self._coordinator.starting = True
            yield _SECONDS_OF_START
            self._coordinator.starting = False
            self._open_cluster()
            yield _SECONDS_BETWEEN_RESTARTS - _SECONDS_OF_START

    def _submit(
        self,
        user: str,
        source: str,
        sql: str,
        plan: Plan,
        group: str = "adhoc",
        prepared: Mapping[str, str] | None = None,
    ) -> tuple[str, Plan] | None:
        """Submit a query with its place in the queue; return its id and what will happen, None during a start."""
        if self._coordinator.starting:
            return None
        plan = self._queued(plan)
        groups = ("global", group) if group != "adhoc" else ("global", group, user)
        query_id = self._coordinator.submit(
            user, source, sql, plan, prepared=prepared, client_tags=(group,), resource_group=groups, at=self._at
        )
        self._submitted += 1
        return query_id, plan

    def _queued(self, plan: Plan) -> Plan:
        """Return the plan with its time in the queue, or how it ends there."""
        if plan.error in _FOUND_WHILE_QUEUED:
            return plan
        if self._at < self._workers_at:
            plan = replace(plan, error="NO_NODES_AVAILABLE", ends_in="")
        begin = max(self._at, self._free_at[0])
        self._leaving_queue = [leaving for leaving in self._leaving_queue if leaving > self._at]
        if len(self._leaving_queue) >= _MOST_QUEUED:
            return replace(plan, error="QUERY_QUEUE_FULL", ends_in="", queued=0.004)
        if begin > self._at:
            if self._random.random() < 0.1 and begin > self._at + 8:
                return replace(plan, error="USER_CANCELED", ends_in="QUEUED", queued=self._random.uniform(3, 8))
            self._leaving_queue.append(begin)
        seconds = plan.planning + plan.starting + plan.blocked + plan.running + plan.finishing
        heapq.heapreplace(self._free_at, begin + seconds)
        return replace(plan, queued=begin - self._at + self._random.uniform(0.0005, 0.01))

    def _plan(self, cost: _Cost, error: str = "", share: float = 1.0) -> Plan:
        """Return the plan of a query of about this cost, which an error ends after *share* of its work."""
        running = cost.seconds * self._random.lognormvariate(0, 0.5) * share
        cpu = round(running * cost.threads * self._random.uniform(0.5, 1), 3)
        size = int(cpu * cost.mib_per_cpu_second * _MIB)
        peak = int(cost.peak_mib * _MIB * self._random.lognormvariate(0, 0.4) * share)
        usage = Usage(
            cpu_seconds=cpu,
            failed_cpu_seconds=round(cpu * 0.1, 3) if self._random.random() < 0.02 else 0.0,
            input_bytes=size,
            input_rows=size // 120,
            memory_byte_seconds=peak * running / 2,
            peak_bytes=peak,
        )
        return Plan(
            queued=self._random.uniform(0.001, 0.02),
            planning=self._random.uniform(0.01, 0.2),
            starting=self._random.uniform(0.01, 0.05),
            blocked=self._random.uniform(1, 6) if cost.seconds > 10 and self._random.random() < 0.3 else 0.0,
            running=running,
            finishing=self._random.uniform(0.005, 0.05) * min(cost.seconds, 20.0),
            error=error,
            usage=usage,
            # The tasks of a query that is cut off report once more after its end.
            late=usage.grown_to(0.1) if error else Usage(),
        )

    def _mishap(self) -> str:
        """Return the error that befalls a query without its own doing, mostly none."""
        return self._random.choices(list(_MISHAPS), list(_MISHAPS.values()))[0]

    # The texts: the same templates again and again, with other literals and in other layouts.

    def _text(self, template: str) -> str:
        """Return the template with literals in place of its ``$names``, laid out in one of several ways."""
        today = datetime.fromtimestamp(self._at, UTC).date()

        def literal(name: re.Match[str]) -> str:
            day = today - timedelta(days=min(60, int(self._random.expovariate(0.2))))
            match name[1]:
                case "today":
                    return today.isoformat()
                case "day":
                    return day.isoformat()
                case "month":
                    return day.replace(day=1).isoformat()
                case "id":
                    return str(self._random.randint(1, 400_000))
                case "ids":
                    return ", ".join(str(self._random.randint(1, 400_000)) for _ in range(self._random.randint(2, 30)))
                case "amount":
                    return f"{self._random.randint(1, 50) * 10}.{self._random.randint(0, 99):02d}"
                case "limit":
                    return str(self._random.choice((10, 50, 100, 200, 1000)))
                case "countries":
                    return ", ".join(f"'{country}'" for country in self._random.sample(_COUNTRIES, 3))
                case known:
                    return self._random.choice(_WORDS[known])

        sql = re.sub(r"\$(\w+)", literal, template)
        layout = self._random.choices(("written", "one line", "lower case", "indented", "commented"), (6, 2, 1, 1, 1))[
            0
        ]
        if layout == "commented":
            return f"/* {self._random.choice(_REMARKS)} */\n{sql}"
        if layout == "written":
            return sql
        pieces = re.split(r"""('(?:[^']|'')*'|"(?:[^"]|"")*")""", sql)
        return "".join(piece if place % 2 else _laid_out(piece, layout) for place, piece in enumerate(pieces))

    def _ask(self, user: str, source: str, template: _Template, group: str = "adhoc", prefix: str = "") -> None:
        self._submit(user, source, prefix + self._text(template.sql), self._plan(template.cost, self._mishap()), group)

    def _one_of(self, templates: Sequence[_Template]) -> _Template:
        """Return one of the templates; the n-th comes 1/n as often as the first, as in life."""
        return self._random.choices(templates, [1 / rank for rank in range(1, len(templates) + 1)])[0]

    # The users.

    def _dashboards(self, user: str, source: str, charts: Sequence[_Template], prefix: str) -> Iterator[float]:
        """A dashboard that draws all its charts twice, for two countries, and again every minute."""
        while True:
            took = 0.0
            for chart in (*charts, *charts):
                self._ask(user, source, chart, "bi", prefix)
                pause = self._random.uniform(0.05, 0.6)
                took += pause
                yield pause
            yield 60.0 - took

    def _etl(self, user: str) -> Iterator[float]:
        """A service that loads and builds everything in bursts, which fill the queue."""
        while True:
            for load in _LOADS:
                self._ask(user, "airflow", load, "etl")
                yield self._random.uniform(0.2, 1.5)
            for number, model in enumerate((*_MODELS, *_MODELS)):
                self._ask(user, "dbt", model, "etl", f'/* {{"app": "dbt", "node_id": "model.shop.m{number:02d}"}} */\n')
                yield self._random.uniform(0.05, 0.4)
            yield self._random.uniform(100, 140)

    def _scientist(self, user: str, source: str) -> Iterator[float]:
        """Someone with few but heavy queries, of which every other one ends badly."""
        while True:
            error = self._random.choices(list(_HEAVY_ENDS), list(_HEAVY_ENDS.values()))[0]
            plan = self._plan(_HUGE, error, self._random.uniform(0.3, 1.2) if error else 1.0)
            submitted = self._submit(user, source, self._text(self._one_of(_ANALYSES).sql), plan)
            if submitted and submitted[1].error == "ADMINISTRATIVELY_KILLED":
                query_id, plan = submitted
                runs = plan.queued + plan.planning + plan.starting + plan.blocked + plan.running
                self._later(runs, self._kill("admin", source, query_id))
            yield self._random.uniform(20, 60)

    def _kill(self, admin: str, source: str, query_id: str) -> Iterator[float]:
        """The administrator kills a runaway, unless a restart has done it; happens once."""
        if query_id.endswith(self._coordinator.id_suffix):
            sql = f"CALL system.runtime.kill_query(query_id => '{query_id}', message => 'runaway, ask me')"
            self._submit(admin, source, sql, self._plan(_NOTHING_TO_READ))
        yield from ()

    def _newcomer(self, user: str, source: str) -> Iterator[float]:
        """Someone who makes a mistake or two before each query that works."""
        while True:
            for _ in range(self._random.randint(0, 2)):
                error, sql = self._random.choice(_MISTAKES)
                self._submit(user, source, self._text(sql), self._plan(_LOOKUP, error))
                yield self._random.uniform(4, 12)
            self._ask(user, source, self._one_of(_QUESTIONS))
            yield self._random.uniform(10, 30)

    def _database_tool(self, user: str, source: str) -> Iterator[float]:
        """A tool that looks at the catalog, runs prepared statements, and reads the first page of large results."""
        while True:
            for look in _LOOKS:
                self._ask(user, source, look)
                yield self._random.uniform(0.1, 0.5)
            for name, statement in _PREPARED.items():
                self._submit(user, source, f"PREPARE {name} FROM {statement}", self._plan(_NOTHING_TO_READ))
                yield 0.2
            for _ in range(self._random.randint(4, 8)):
                name, arguments = self._random.choice((("statement1", "$id"), ("statement2", "DATE '$day', '$status'")))
                sql = self._text(f"EXECUTE {name} USING {arguments}")
                self._submit(user, source, sql, self._plan(_LIGHT, self._mishap()), prepared=_PREPARED)
                yield self._random.uniform(2, 8)
            end = self._random.choices(("USER_CANCELED", "ABANDONED_QUERY", ""), (6, 1, 3))[0]
            self._submit(user, source, self._text(_BROWSE), self._plan(_HEAVY, end, 0.5))
            yield self._random.uniform(5, 20)
            for name in _PREPARED:
                self._submit(user, source, f"DEALLOCATE PREPARE {name}", self._plan(_NOTHING_TO_READ))
            yield self._random.uniform(5, 20)

    def _explorer(self, user: str, source: str) -> Iterator[float]:
        """Someone with many questions and an unusual name, who sometimes stops waiting."""
        while True:
            question = self._one_of(_QUESTIONS)
            error = "USER_CANCELED" if self._random.random() < 0.07 else self._mishap()
            plan = self._plan(question.cost, error, self._random.uniform(0.2, 1.0) if error else 1.0)
            self._submit(user, source, self._text(question.sql), plan)
            yield self._random.expovariate(1 / 6)

    def _administrator(self, user: str, source: str) -> Iterator[float]:
        """Someone who looks at what runs."""
        while True:
            for look in (_RUNNING, _RUNNING, _NODES, _RUNNING, _SETTING):
                self._ask(user, source, look, "admin")
                yield self._random.uniform(20, 40)


def _laid_out(piece: str, layout: str) -> str:
    """Return a piece of SQL without quotes in another layout."""
    match layout:
        case "one line":
            return re.sub(r"\s+", " ", piece)
        case "lower case":
            return re.sub(r"\b[A-Z]{2,}\b", lambda word: word[0].lower(), piece)
        case _:
            return piece.replace("\n", "\n    ")


class _Cost(NamedTuple):
    """What a kind of query costs, about."""

    seconds: float
    threads: float
    mib_per_cpu_second: float
    peak_mib: float


class _Template(NamedTuple):
    """A text with ``$names`` for literals, and what it costs."""

    cost: _Cost
    sql: str


_NOTHING_TO_READ = _Cost(0.02, 0, 0, 0)
_LOOKUP = _Cost(0.15, 1, 20, 1)
_LIGHT = _Cost(0.6, 4, 60, 20)
_MEDIUM = _Cost(2.5, 12, 90, 200)
_HEAVY = _Cost(12.0, 24, 80, 2_000)
_HUGE = _Cost(70.0, 32, 60, 20_000)

_FOUND_WHILE_QUEUED = {name for name, error in ERRORS.items() if error.raised in ("DISPATCHING", "QUEUED")}
_MISHAPS = {
    "": 975,
    "EXCEEDED_TIME_LIMIT": 5,
    "HIVE_CURSOR_ERROR": 5,
    "PAGE_TRANSPORT_TIMEOUT": 4,
    "GENERIC_INTERNAL_ERROR": 3,
    "USER_CANCELED": 3,
    "HIVE_METASTORE_ERROR": 2,
    "REMOTE_HOST_GONE": 2,
    "ADMINISTRATIVELY_PREEMPTED": 1,
}
_HEAVY_ENDS = {
    "": 40,
    "USER_CANCELED": 25,
    "EXCEEDED_LOCAL_MEMORY_LIMIT": 12,
    "ADMINISTRATIVELY_KILLED": 12,
    "EXCEEDED_GLOBAL_MEMORY_LIMIT": 6,
    "EXCEEDED_TIME_LIMIT": 5,
}
_COUNTRIES = ("DE", "FR", "NL", "PL", "ES", "IT", "SE", "US", "JP", "BR")
_WORDS = {
    "country": _COUNTRIES,
    "status": ("paid", "shipped", "returned", "cancelled", "waiting"),
    "channel": ("search", "newsletter", "social", "direct", "affiliate"),
    "category": ("lamps", "chairs", "books", "garden", "men''s shoes", "toys"),
    "device": ("phone", "tablet", "desktop"),
    "name": ("kim", "o''brien", "garcia", "schulz", "nowak", "ito"),
}
_REMARKS = ("monday numbers", "for the board", "don't touch", "v2; was 14 % off", "see ticket 1423")

_SUPERSET_CHARTS = (
    _Template(
        _LIGHT,
        """SELECT DATE_TRUNC('day', CAST(ordered_at AS TIMESTAMP)) AS __timestamp, SUM(total) AS "SUM(total)"
FROM lake.shop.orders
WHERE ordered_at >= TIMESTAMP '$day 00:00:00.000000' AND ordered_at < TIMESTAMP '$today 00:00:00.000000'
GROUP BY DATE_TRUNC('day', CAST(ordered_at AS TIMESTAMP))
ORDER BY "SUM(total)" DESC
LIMIT 10000""",
    ),
    _Template(
        _LIGHT,
        """SELECT country AS country, COUNT(*) AS count
FROM lake.shop.orders
WHERE ordered_at >= TIMESTAMP '$day 00:00:00.000000' AND country IN ($countries)
GROUP BY country
ORDER BY count DESC
LIMIT $limit""",
    ),
    _Template(
        _MEDIUM,
        """SELECT p.category AS category, SUM(i.quantity * i.price) AS revenue
FROM lake.shop.order_items i
JOIN lake.shop.products p ON p.product_id = i.product_id
JOIN lake.shop.orders o ON o.order_id = i.order_id
WHERE o.ordered_at >= TIMESTAMP '$month 00:00:00.000000' AND o.status <> 'cancelled'
GROUP BY p.category
ORDER BY revenue DESC
LIMIT 25""",
    ),
    _Template(
        _LIGHT,
        """SELECT device AS device, APPROX_DISTINCT(session_id) AS sessions
FROM lake.shop.clicks
WHERE clicked_at >= TIMESTAMP '$today 00:00:00.000000'
GROUP BY device
LIMIT 100""",
    ),
    _Template(
        _MEDIUM,
        """SELECT hour, total, AVG(total) OVER (ORDER BY hour ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) AS smooth
FROM (
  SELECT DATE_TRUNC('hour', ordered_at) AS hour, SUM(total) AS total
  FROM lake.shop.orders
  WHERE country = '$country' AND ordered_at > TIMESTAMP '$today 00:00:00.000000' - INTERVAL '7' DAY
  GROUP BY 1
) AS virtual_table
ORDER BY hour""",
    ),
    _Template(_LOOKUP, "SELECT MAX(ordered_at) AS latest FROM lake.shop.orders WHERE country = '$country'"),
    _Template(
        _LIGHT,
        """SELECT carrier, APPROX_PERCENTILE(DATE_DIFF('hour', shipped_at, delivered_at), 0.95) AS p95
FROM lake.shop.shipments
WHERE delivered_at IS NOT NULL AND shipped_at >= DATE '$day'
GROUP BY carrier""",
    ),
    _Template(
        _MEDIUM,
        """WITH returned AS (
  SELECT order_id FROM lake.shop.returns WHERE returned_at >= DATE '$month'
)
SELECT p.category, COUNT(DISTINCT r.order_id) AS orders
FROM returned r
JOIN lake.shop.order_items i ON i.order_id = r.order_id
JOIN lake.shop.products p ON p.product_id = i.product_id
GROUP BY p.category
HAVING COUNT(DISTINCT r.order_id) > 10""",
    ),
    _Template(
        _LIGHT,
        """SELECT channel, SUM(cost) AS cost, SUM(orders) AS orders
FROM lake.shop_marts.campaign_daily
WHERE day BETWEEN DATE '$month' AND DATE '$today'
GROUP BY channel""",
    ),
    _Template(
        _LOOKUP,
        "SELECT COUNT(*) AS count FROM lake.shop.orders WHERE status = '$status' AND ordered_at >= DATE '$today'",
    ),
)
_METABASE_CHARTS = (
    _Template(
        _LIGHT,
        """SELECT "source"."country" AS "country", count(*) AS "count"
FROM (SELECT "lake"."shop"."customers"."country" AS "country" FROM "lake"."shop"."customers") "source"
WHERE "source"."country" <> '$country'
GROUP BY "source"."country"
ORDER BY "count" DESC, "source"."country" ASC""",
    ),
    _Template(
        _LOOKUP,
        """SELECT count(*) AS "count" FROM "lake"."shop"."orders"
WHERE "lake"."shop"."orders"."ordered_at" >= DATE '$day'""",
    ),
    _Template(
        _LIGHT,
        """SELECT date_trunc('week', "lake"."shop"."customers"."signed_up_at") AS "signed_up_at", count(*) AS "count"
FROM "lake"."shop"."customers"
WHERE "lake"."shop"."customers"."signed_up_at" >= DATE '$month'
GROUP BY date_trunc('week', "lake"."shop"."customers"."signed_up_at")
ORDER BY 1 ASC""",
    ),
    _Template(
        _LIGHT,
        """SELECT "lake"."shop"."payments"."method" AS "method", avg("lake"."shop"."payments"."amount") AS "avg"
FROM "lake"."shop"."payments"
WHERE "lake"."shop"."payments"."amount" > $amount
GROUP BY "lake"."shop"."payments"."method"
LIMIT 2000""",
    ),
    _Template(
        _MEDIUM,
        """SELECT "products"."title" AS "title", sum("items"."quantity") AS "sum"
FROM "lake"."shop"."order_items" "items"
LEFT JOIN "lake"."shop"."products" "products" ON "items"."product_id" = "products"."product_id"
WHERE "products"."category" = '$category'
GROUP BY "products"."title"
ORDER BY "sum" DESC
LIMIT $limit""",
    ),
    _Template(
        _LOOKUP, """SELECT "lake"."shop"."orders".* FROM "lake"."shop"."orders" WHERE "order_id" = $id LIMIT 1"""
    ),
    _Template(
        _LIGHT,
        """SELECT CASE WHEN "total" < 50 THEN 'small' WHEN "total" < 200 THEN 'medium' ELSE 'large' END AS "size",
  count(*) AS "count"
FROM "lake"."shop"."orders"
WHERE "ordered_at" BETWEEN DATE '$month' AND DATE '$today'
GROUP BY 1""",
    ),
)
_LOADS = (
    _Template(_LIGHT, "DELETE FROM lake.shop.orders WHERE ordered_at >= DATE '$today'"),
    _Template(
        _MEDIUM,
        """INSERT INTO lake.shop.orders
SELECT order_id, customer_id, from_iso8601_timestamp(ordered_at), status, country, channel, CAST(total AS DECIMAL(9, 2))
FROM landing.shop.orders_raw
WHERE day = '$today'""",
    ),
    _Template(
        _HEAVY,
        """INSERT INTO lake.shop.clicks
SELECT session_id, customer_id, lower(device), url_extract_path(page), from_unixtime(clicked_ms / 1000)
FROM landing.shop.clicks_raw
WHERE day = '$today' AND page NOT LIKE '/health%'""",
    ),
    _Template(
        _LOOKUP,
        """INSERT INTO lake.ops.loads (task, day, rows)
VALUES ('orders', DATE '$today', $id), ('clicks', DATE '$today', $id)""",
    ),
    _Template(_MEDIUM, "ANALYZE lake.shop.orders"),
)
_MODELS = (
    _Template(_NOTHING_TO_READ, "DROP TABLE IF EXISTS lake.shop_marts.daily_revenue__tmp"),
    _Template(
        _MEDIUM,
        """CREATE TABLE lake.shop_marts.daily_revenue__tmp AS
SELECT CAST(ordered_at AS DATE) AS day, country, SUM(total) AS revenue, COUNT(*) AS orders
FROM lake.shop.orders
WHERE ordered_at >= DATE '$month'
GROUP BY 1, 2""",
    ),
    _Template(
        _HEAVY,
        """CREATE TABLE lake.shop_marts.sessions__tmp AS
WITH marked AS (
  SELECT *, CASE WHEN clicked_at > lag(clicked_at) OVER (PARTITION BY customer_id ORDER BY clicked_at)
    + INTERVAL '30' MINUTE THEN 1 ELSE 0 END AS is_new
  FROM lake.shop.clicks
  WHERE clicked_at >= DATE '$day'
)
SELECT customer_id, SUM(is_new) OVER (PARTITION BY customer_id ORDER BY clicked_at) AS session, page, clicked_at
FROM marked""",
    ),
    _Template(
        _MEDIUM,
        """INSERT INTO lake.shop_marts.campaign_daily (day, channel, cost, orders)
SELECT o.day, c.channel, SUM(c.cost), SUM(o.orders)
FROM lake.shop.campaigns c
LEFT JOIN lake.shop_marts.daily_revenue o ON o.day = c.day
WHERE c.day = DATE '$today'
GROUP BY o.day, c.channel""",
    ),
    _Template(
        _HEAVY,
        """INSERT INTO lake.shop_marts.customer_value
SELECT c.customer_id, c.country, COALESCE(SUM(o.total), 0) AS value, MAX(o.ordered_at) AS last_order
FROM lake.shop.customers c
LEFT JOIN lake.shop.orders o ON o.customer_id = c.customer_id AND o.status IN ('paid', 'shipped')
GROUP BY c.customer_id, c.country""",
    ),
    _Template(_LIGHT, "SELECT COUNT(*) FROM lake.shop_marts.daily_revenue WHERE day IS NULL"),
    _Template(
        _LIGHT,
        """SELECT order_id FROM lake.shop.orders WHERE total < 0
UNION ALL
SELECT order_id FROM lake.shop.order_items GROUP BY order_id HAVING COUNT(*) = 0""",
    ),
    _Template(
        _NOTHING_TO_READ,
        """CREATE OR REPLACE VIEW lake.shop_marts.open_orders AS
SELECT * FROM lake.shop.orders WHERE status = 'waiting'""",
    ),
)
_ANALYSES = (
    _Template(
        _HUGE,
        """WITH first_order AS (
  SELECT customer_id, MIN(DATE_TRUNC('month', ordered_at)) AS cohort
  FROM lake.shop.orders
  GROUP BY customer_id
)
SELECT f.cohort, DATE_DIFF('month', f.cohort, o.ordered_at) AS age, COUNT(DISTINCT o.customer_id) AS customers
FROM first_order f
JOIN lake.shop.orders o ON o.customer_id = f.customer_id
WHERE f.cohort >= DATE '$month' - INTERVAL '12' MONTH
GROUP BY 1, 2
ORDER BY 1, 2""",
    ),
    _Template(
        _HUGE,
        """SELECT a.product_id, b.product_id AS bought_with, COUNT(*) AS times
FROM lake.shop.order_items a
JOIN lake.shop.order_items b ON a.order_id = b.order_id AND a.product_id < b.product_id
WHERE a.product_id IN ($ids)
GROUP BY a.product_id, b.product_id
HAVING COUNT(*) > $limit""",
    ),
    _Template(
        _HUGE,
        """SELECT customer_id, array_agg(page ORDER BY clicked_at) AS path
FROM lake.shop.clicks
WHERE clicked_at BETWEEN TIMESTAMP '$day 00:00:00' AND TIMESTAMP '$today 00:00:00' AND device = '$device'
GROUP BY customer_id""",
    ),
    _Template(
        _HUGE,
        """SELECT c.*, ROW_NUMBER() OVER (PARTITION BY c.country ORDER BY v.value DESC) AS place
FROM lake.shop.customers c
CROSS JOIN lake.shop_marts.customer_value v
WHERE v.value > $amount""",
    ),
    _Template(
        _HUGE,
        """SELECT word, COUNT(*) AS times
FROM lake.shop.reviews
CROSS JOIN UNNEST(split(lower(review), ' ')) AS t (word)
WHERE length(word) > 3 AND rating <= 2
GROUP BY word
ORDER BY times DESC
LIMIT $limit""",
    ),
)
_QUESTIONS = (
    _Template(_LOOKUP, "SELECT * FROM lake.shop.orders WHERE order_id = $id"),
    _Template(_LOOKUP, "SELECT * FROM lake.shop.customers WHERE email = '$name.$id@shop.example'"),
    _Template(_LIGHT, "SELECT COUNT(*) FROM lake.shop.orders WHERE ordered_at >= DATE '$day' AND status = '$status'"),
    _Template(
        _LIGHT, "SELECT * FROM lake.shop.orders WHERE customer_id IN ($ids) ORDER BY ordered_at DESC LIMIT $limit"
    ),
    _Template(
        _MEDIUM,
        """SELECT o.country, AVG(o.total) AS average
FROM lake.shop.orders o
JOIN lake.shop.customers c ON c.customer_id = o.customer_id
WHERE c.signed_up_at >= DATE '$month' AND o.total > $amount
GROUP BY o.country""",
    ),
    _Template(
        _LIGHT,
        "SELECT product_id, title, price FROM lake.shop.products WHERE category = '$category' AND price < $amount",
    ),
    _Template(
        _MEDIUM,
        """SELECT customer_id, total, RANK() OVER (PARTITION BY country ORDER BY total DESC) AS place
FROM lake.shop.orders
WHERE ordered_at >= DATE '$day'""",
    ),
    _Template(_LIGHT, "SELECT channel, COUNT(*) FROM lake.shop.orders WHERE country = '$country' GROUP BY channel"),
    _Template(
        _LIGHT,
        """SELECT s.carrier, COUNT(*)
FROM lake.shop.shipments s
WHERE NOT EXISTS (SELECT 1 FROM lake.shop.returns r WHERE r.order_id = s.order_id) AND s.shipped_at > DATE '$day'
GROUP BY s.carrier""",
    ),
    _Template(
        _HEAVY, "SELECT DISTINCT page FROM lake.shop.clicks WHERE clicked_at >= DATE '$month' AND page LIKE '%sale%'"
    ),
    _Template(_LIGHT, "EXPLAIN SELECT * FROM lake.shop.orders WHERE country = '$country' AND total > $amount"),
    _Template(_LOOKUP, "SHOW STATS FOR lake.shop.orders"),
    _Template(_LOOKUP, "VALUES ($id, '$country'), ($id, '$country')"),
)
_MISTAKES = (
    ("SYNTAX_ERROR", "SELCT * FROM lake.shop.orders WHERE order_id = $id"),
    ("SYNTAX_ERROR", "SELECT country, COUNT(* FROM lake.shop.orders GROUP BY country"),
    ("SYNTAX_ERROR", "SELECT * FROM lake.shop.orders WHERE country = '$country' LIMIT $limit OFFSET 5"),
    ("TABLE_NOT_FOUND", "SELECT * FROM lake.shop.order WHERE order_id = $id"),
    ("TABLE_NOT_FOUND", "SELECT COUNT(*) FROM lake.shop.custmers"),
    ("COLUMN_NOT_FOUND", "SELECT order_id, totl FROM lake.shop.orders WHERE country = '$country'"),
    ("COLUMN_NOT_FOUND", "SELECT product_id, name FROM lake.shop.products LIMIT $limit"),
    ("TYPE_MISMATCH", "SELECT * FROM lake.shop.orders WHERE order_id = '$id'"),
    ("EXPRESSION_NOT_AGGREGATE", "SELECT country, status, COUNT(*) FROM lake.shop.orders GROUP BY country"),
    ("SCHEMA_NOT_FOUND", "SELECT * FROM lake.shopp.orders LIMIT $limit"),
    ("PERMISSION_DENIED", "DELETE FROM lake.shop.orders WHERE order_id = $id"),
    ("DIVISION_BY_ZERO", "SELECT SUM(total) / COUNT(*) FROM lake.shop.orders WHERE country = 'XX'"),
    ("INVALID_CAST_ARGUMENT", "SELECT CAST(email AS BIGINT) FROM lake.shop.customers WHERE customer_id = $id"),
)
_LOOKS = (
    _Template(_LOOKUP, "SHOW SCHEMAS FROM lake"),
    _Template(_LOOKUP, "SHOW TABLES FROM lake.shop"),
    _Template(_LOOKUP, "DESCRIBE lake.shop.orders"),
    _Template(
        _LIGHT,
        """SELECT table_schema, table_name, column_name, data_type
FROM lake.information_schema.columns
WHERE table_schema = 'shop' AND table_name LIKE 'o%'
ORDER BY ordinal_position""",
    ),
)
_PREPARED = {
    "statement1": "SELECT * FROM lake.shop.orders WHERE customer_id = ?",
    "statement2": "SELECT order_id, total FROM lake.shop.orders WHERE ordered_at >= ? AND status = ?",
}
_BROWSE = "SELECT * FROM lake.shop.clicks WHERE clicked_at >= DATE '$day'"
_RUNNING = _Template(
    _LOOKUP, """SELECT query_id, "user", source, created FROM system.runtime.queries WHERE state = 'RUNNING'"""
)
_NODES = _Template(_LOOKUP, "SELECT node_id, node_version, state FROM system.runtime.nodes")
_SETTING = _Template(_NOTHING_TO_READ, "SET SESSION query_max_run_time = '$limit.0m'")

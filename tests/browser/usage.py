"""Usage of two clusters over months, made up from a seed, and an `ask` over it that filters, groups and orders.

It is what the pages are looked at with: 300 fingerprints such as analysts, dashboards and pipelines make, with nights,
weekends, failures, newcomers and what vanished.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from exporter.fingerprint.fingerprint import Fingerprinter
from exporter.report.question import Change, Group, Question
from exporter.report.report import Measures, Moment, Percentiles, Report, Row, Statement

HOUR = 3600
DAY = 86400
NOW = 1773325500.0
"""2026-03-12 14:25 UTC, a Thursday."""
OLDEST = NOW - 60 * DAY
CLUSTERS = ("adhoc", "etl")

_WRITTEN = [
    """SELECT date_trunc('hour', o.created_at) AS hour, c.region, count(*) AS orders, sum(o.total_price) AS revenue
    FROM hive.sales.orders o JOIN hive.crm.customers c ON o.customer_id = c.id
    WHERE o.created_at >= TIMESTAMP '2026-03-11 00:00:00' AND c.region IN ('EMEA', 'APAC') AND o.status <> 'canceled'
    GROUP BY 1, 2 ORDER BY 1 DESC LIMIT 200""",
    """INSERT INTO iceberg.marts.daily_revenue
    SELECT cast(o.created_at AS date), p.category, sum(l.quantity * l.unit_price * (1 - l.discount))
    FROM hive.sales.orders o JOIN hive.sales.order_lines l ON l.order_id = o.id
    JOIN hive.catalog.products p ON p.id = l.product_id
    WHERE o.created_at >= DATE '2026-03-11' AND o.created_at < DATE '2026-03-12' GROUP BY 1, 2""",
    """WITH sessions AS (SELECT visitor_id, session_id, min(ts) AS started, max(ts) AS ended, count(*) AS views
    FROM iceberg.events.page_views WHERE dt = '2026-03-11' GROUP BY visitor_id, session_id),
    buyers AS (SELECT DISTINCT visitor_id FROM iceberg.events.checkouts WHERE dt = '2026-03-11')
    SELECT s.views, count(*) AS sessions, count(b.visitor_id) AS converted,
    approx_percentile(date_diff('second', s.started, s.ended), 0.5) AS median_seconds
    FROM sessions s LEFT JOIN buyers b ON b.visitor_id = s.visitor_id
    GROUP BY s.views HAVING count(*) > 10 ORDER BY 1""",
    """MERGE INTO iceberg.crm.customers t USING hive.staging.customers_delta d ON t.id = d.id
    WHEN MATCHED AND d.op = 'D' THEN DELETE WHEN MATCHED THEN UPDATE SET name = d.name, region = d.region
    WHEN NOT MATCHED THEN INSERT (id, name, region) VALUES (d.id, d.name, d.region)""",
    "SELECT count(*) FROM iceberg.events.page_views WHERE dt = '2026-03-12' AND country = 'DE'",
    """CREATE TABLE iceberg.scratch.ana_churn AS SELECT * FROM hive.crm.customers c WHERE NOT EXISTS
    (SELECT 1 FROM hive.sales.orders o WHERE o.customer_id = c.id AND o.created_at > DATE '2025-12-01')""",
    "SHOW TABLES FROM hive.sales LIKE 'ord%'",
    "EXPLAIN SELECT * FROM hive.sales.orders WHERE id = 17",
    "DELETE FROM iceberg.events.page_views WHERE dt < '2025-03-12'",
    "ANALYZE hive.sales.orders",
    "DROP TABLE IF EXISTS iceberg.scratch.tmp_export",
    """SELECT product_id, name, price, price - lag(price) OVER (PARTITION BY product_id ORDER BY valid_from) AS step
    FROM hive.catalog.price_history WHERE valid_from BETWEEN DATE '2026-01-01' AND DATE '2026-03-01'""",
    """SELECT * FROM postgresql.public.tickets WHERE assignee = 'lena' AND state IN ('open', 'waiting')
    ORDER BY updated_at DESC LIMIT 50""",
    """SELECT a.user_id, b.user_id FROM iceberg.events.page_views a CROSS JOIN iceberg.events.page_views b
    WHERE a.dt = '2026-03-11' AND a.ip = b.ip""",
]
_TABLES = (
    *("hive.sales.orders", "hive.sales.order_lines", "hive.crm.customers", "hive.catalog.products"),
    *("iceberg.events.page_views", "iceberg.events.checkouts", "iceberg.marts.daily_revenue"),
    *("postgresql.public.tickets", "hive.catalog.price_history", "iceberg.marts.stock_levels"),
)
_DIMENSIONS = ("region", "category", "country", "channel", "device", "warehouse_id", "campaign")
_METRICS = ("count(*)", "sum(amount)", "approx_distinct(customer_id)", "avg(duration)", "max(price)")


@dataclass(frozen=True)
class Stream:
    """One user running one statement with one tool on one cluster."""

    seed: int
    fingerprint: str
    user: str
    source: str
    cluster: str
    statement: Statement
    per_hour: float
    seconds: float
    """Median of a query."""
    threads: float
    fails: float
    error: str
    repeats: float
    rhythm: str
    """always, office or night."""
    born: float
    died: float

    def runs(self, hour: int) -> float:
        """Return how many times it runs in an hour, on average."""
        if not self.born <= hour * HOUR < self.died:
            return 0.0
        clock, weekday = hour % 24, (hour // 24 + 3) % 7
        if self.rhythm == "night":
            return self.per_hour * (8 if 1 <= clock <= 4 else 0.15)
        if self.rhythm == "office":
            return self.per_hour * (0.05 if weekday > 4 else max(0.04, math.sin((clock - 6) / 13 * math.pi) * 2))
        return self.per_hour * (1 + 0.35 * math.sin((clock - 8) / 12 * math.pi))


_USERS = (
    ("dashboards", "superset", "always", "adhoc"),
    ("airflow", "airflow", "night", "etl"),
    ("dbt", "dbt-trino", "night", "etl"),
    ("ana", "trino-cli", "office", "adhoc"),
    ("lena.berg", "dbeaver", "office", "adhoc"),
    ("mei.tanaka", "jupyter", "office", "adhoc"),
    ("tom.novak", "metabase", "office", "adhoc"),
    ("svc-export", "", "always", "etl"),
    ("", "presto-go-client", "always", "adhoc"),
    ("oksana.kovalenko", "superset", "office", "adhoc"),
)
_ERRORS = (
    *("SYNTAX_ERROR", "COLUMN_NOT_FOUND", "EXCEEDED_GLOBAL_MEMORY_LIMIT", "EXCEEDED_TIME_LIMIT", "USER_CANCELED"),
    *("HIVE_CURSOR_ERROR", "GENERIC_INTERNAL_ERROR", "TABLE_NOT_FOUND", "PERMISSION_DENIED", "NO_NODES_AVAILABLE"),
)


def _texts(chosen: random.Random) -> Iterator[str]:
    yield from _WRITTEN
    while True:
        table, other = chosen.sample(_TABLES, 2)
        by = chosen.sample(_DIMENSIONS, chosen.randint(1, 3))
        sql = f"SELECT {', '.join(by)}, {chosen.choice(_METRICS)} AS value FROM {table}"
        if chosen.random() < 0.4:
            sql += f" JOIN {other} USING (id)"
        sql += f" WHERE dt >= '2026-03-01' AND {chosen.choice(_DIMENSIONS)} = 'x' GROUP BY {', '.join(by)}"
        if chosen.random() < 0.5:
            sql += f" ORDER BY value DESC LIMIT {chosen.randint(1, 99)}"
        yield sql


def streams(number: int = 300, seed: int = 7) -> list[Stream]:
    """Return the streams of *number* fingerprints."""
    chosen = random.Random(seed)
    fingerprinter = Fingerprinter()
    made: dict[str, list[Stream]] = {}
    for text in _texts(chosen):
        found = fingerprinter.of(text)
        if found.id in made:
            continue
        place = len(made)
        born, died = 0.0, math.inf
        if place % 23 == 5:
            born = NOW - chosen.uniform(0.5, 20) * HOUR
        elif place % 31 == 7:
            died = NOW - chosen.uniform(26, 40) * HOUR
        first_seen = born or NOW - chosen.uniform(3, 58) * DAY
        statement = Statement(found.query_type, found.template, found.read, found.written, first_seen)
        rank = 40 / (place + 2) ** 0.8
        made[found.id] = []
        is_light = found.query_type in ("DESCRIBE", "EXPLAIN", "DATA_DEFINITION") or "tickets" in found.template
        cost = 0.02 if is_light else 1.0
        for user, source, rhythm, cluster in chosen.sample(_USERS, 1 if place > 6 else 3):
            made[found.id].append(
                Stream(
                    chosen.getrandbits(30),
                    found.id,
                    user,
                    source,
                    cluster,
                    statement,
                    per_hour=rank * chosen.lognormvariate(0, 1),
                    seconds=chosen.lognormvariate(1.2, 1.1) * cost,
                    threads=chosen.uniform(2, 40) * cost,
                    fails=0.6 if place % 17 == 3 else chosen.choice((0, 0, 0.01, 0.05)),
                    error=chosen.choice(_ERRORS),
                    repeats=0.7 if user == "dashboards" else chosen.choice((0, 0, 0.1)),
                    rhythm=rhythm,
                    born=born,
                    died=died,
                )
            )
        if len(made) == number:
            break
    return [stream for several in made.values() for stream in several]


@cache
def _used(stream: Stream, start: int, step: int) -> Measures:
    """Return what a stream used in a period."""
    passed = min(1.0, max(0.0, (NOW - start) / step))
    expected = sum(stream.runs(hour) for hour in range(start // HOUR, (start + step) // HOUR)) * passed
    if not expected:
        return Measures()
    chosen = random.Random(stream.seed * 1_000_003 + start)
    queries = int(expected * chosen.uniform(0.7, 1.3) + chosen.random())
    if not queries:
        return Measures()
    bad = sum(chosen.random() < stream.fails for _ in range(min(queries, 200))) * max(1, queries // 200)
    canceled = bad if stream.error == "USER_CANCELED" else 0
    seconds = stream.seconds * chosen.lognormvariate(0, 0.3)
    cpu = queries * seconds * stream.threads
    repeated = int((queries - bad) * stream.repeats)
    return Measures(
        queries,
        queries - bad,
        bad - canceled,
        canceled,
        cpu,
        cpu * 0.7 * bad / queries,
        cpu * 3.1e7,
        cpu * 2.4e5,
        cpu * 4e8,
        queries * 0.4,
        queries * seconds * 1.4,
        repeated,
        cpu * repeated / queries,
    )


def _sum(measures: Iterable[Measures]) -> Measures:
    return Measures(*map(sum, zip(Measures(), *measures, strict=True)))


class Usage:
    """Answers questions about what its streams did."""

    def __init__(self, made: Sequence[Stream] | None = None, now: float = NOW, oldest: float | None = OLDEST) -> None:
        self.streams = streams() if made is None else list(made)
        self.now = now
        self.oldest = oldest
        self.asked: list[Question] = []

    def ask(self, question: Question) -> Report:
        """Return the answer, as of `now`."""
        self.asked.append(question)
        step = HOUR if question.window <= 7 * DAY else DAY
        end = question.until or self.now
        start = int((end - question.window) // step * step)
        steps = list(range(start, math.ceil(end), step))
        before = [at - (len(steps)) * step for at in steps]
        groups: dict[str, list[Stream]] = {}
        for stream in filter(lambda stream: _holds(stream, question), self.streams):
            for name in _names(stream, question.group_by):
                groups.setdefault(name, []).append(stream)
        members = list(dict.fromkeys(stream for several in groups.values() for stream in several))
        total = _sum(_used(stream, at, step) for stream in members for at in steps)
        is_compared = question.compare or question.change is not None
        whole = getattr(total, question.order_by)
        rows = []
        for name, several in groups.items():
            now = _sum(_used(stream, at, step) for stream in several for at in steps)
            then = _sum(_used(stream, at, step) for stream in several for at in before) if is_compared else None
            if not now.queries and not (then and then.queries and question.change is Change.VANISHED):
                continue
            change = _change(getattr(now, question.order_by), getattr(then, question.order_by)) if then else None
            if question.change in (None, change):
                rows.append(self._row(name, several, now, then, change, question, steps, step, whole))
        sign = -1 if question.descending else 1
        rows.sort(key=lambda row: (sign * getattr(row.measures, question.order_by), row.name))
        return Report(
            question=question,
            start=start,
            end=end,
            step=step,
            total=total,
            total_before=_sum(_used(stream, at, step) for stream in members for at in before) if is_compared else None,
            elapsed=_percentiles(members, 1.4),
            queued=_percentiles(members, 0.02),
            rows=tuple(rows[question.offset : question.offset + question.limit]),
            groups=len(rows),
            trend=tuple(Moment(at, _sum(_used(stream, at, step) for stream in members)) for at in steps),
            errors=_errors(members, steps, step),
            folded_queries=total.queries // 50,
            clusters=CLUSTERS,
            oldest=self.oldest,
        )

    def ask_default(self) -> Report:
        """Return the answer to what the overview asks at first, without the cards."""
        return self.ask(Question(compare=True, trend=True))

    def _row(
        self,
        name: str,
        several: Sequence[Stream],
        now: Measures,
        then: Measures | None,
        change: Change | None,
        question: Question,
        steps: Sequence[int],
        step: int,
        whole: float,
    ) -> Row:
        order = question.order_by
        return Row(
            name=name,
            measures=now,
            share=getattr(now, order) / whole if whole else 0.0,
            elapsed=_percentiles(several, 1.4),
            queued=_percentiles(several, 0.02),
            fingerprints=len({stream.fingerprint for stream in several}),
            users=len({stream.user for stream in several}),
            statement=several[0].statement if question.group_by is Group.FINGERPRINT else None,
            before=then,
            change=change,
            trend=tuple(sum(getattr(_used(s, at, step), order) for s in several) for at in steps)
            if question.trend
            else (),
            read_queries=now.queries,
            written_queries=now.queries // 7,
        )


def _holds(stream: Stream, question: Question) -> bool:
    statement = stream.statement
    tables = (*statement.read, *statement.written)
    return (
        (not question.clusters or stream.cluster in question.clusters)
        and (not question.users or stream.user in question.users)
        and (not question.sources or stream.source in question.sources)
        and (not question.fingerprints or stream.fingerprint in question.fingerprints)
        and (not question.query_types or statement.query_type in question.query_types)
        and (not question.tables or any(f".{t}".endswith(f".{asked}") for t in tables for asked in question.tables))
        and (not question.catalogs or any(t.partition(".")[0] in question.catalogs for t in tables))
        and question.search.lower() in statement.template.lower()
    )


def _names(stream: Stream, group_by: Group) -> Iterable[str]:
    tables = (*stream.statement.read, *stream.statement.written)
    match group_by:
        case Group.FINGERPRINT:
            return (stream.fingerprint,)
        case Group.USER:
            return (stream.user,)
        case Group.SOURCE:
            return (stream.source,)
        case Group.TABLE:
            return dict.fromkeys(tables)
        case Group.CATALOG:
            return dict.fromkeys(table.partition(".")[0] for table in tables)
        case Group.QUERY_TYPE:
            return (stream.statement.query_type,)
        case Group.CLUSTER:
            return (stream.cluster,)


def _change(now: float, before: float) -> Change:
    if not before:
        return Change.NEW if now else Change.SAME
    if not now:
        return Change.VANISHED
    return Change.GREW if now >= 1.25 * before else Change.SHRANK if now <= 0.75 * before else Change.SAME


def _percentiles(several: Sequence[Stream], factor: float) -> Percentiles:
    if not several:
        return Percentiles(None, None, None)
    weight = sum(stream.per_hour for stream in several)
    middle = math.exp(sum(stream.per_hour * math.log(stream.seconds) for stream in several) / weight) * factor
    return Percentiles(middle, middle * 6.2, middle * 17)


def _errors(several: Sequence[Stream], steps: Sequence[int], step: int) -> tuple[tuple[str, int], ...]:
    found: dict[str, int] = {}
    for stream in several:
        used = _sum(_used(stream, at, step) for at in steps)
        if used.failed + used.canceled:
            found[stream.error] = found.get(stream.error, 0) + used.failed + used.canceled
    return tuple(sorted(found.items(), key=lambda item: -item[1])[:20])

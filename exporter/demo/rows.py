"""How each release of an engine spells the rows of ``GET /v1/query``, and ``GET /v1/info``."""

from __future__ import annotations

import hashlib
import json
import math
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from exporter.demo.query import ERRORS, USER_ERROR, ErrorCode, Query
from exporter.dialect import PRESTODB, TRINO, dialect_of

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


class Release:
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

    def render(self, query: Query, now: float) -> bytes:
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
        row = to_json(_present(values, self._row_keys))
        if query.is_settled(now):
            query.rendered = row
        return row

    def info(self, version: str, environment: str, coordinator_id: str, starting: bool, uptime_seconds: float) -> bytes:
        """Return the JSON of /v1/info."""
        info = {
            "nodeId": "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "state": "ACTIVE",
            "nodeVersion": {"version": version},
            "environment": environment,
            "coordinator": True,
            "coordinatorId": coordinator_id,
            "starting": starting,
            "uptime": format_duration(uptime_seconds),
        }
        if not self.has_nanoseconds:
            for newer in ("nodeId", "state", "coordinatorId"):
                del info[newer]
        return to_json(info)

    def _session(self, query: Query, is_dispatched: bool) -> dict[str, Any]:
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

    def _stats(self, query: Query, now: float, has_tasks: bool) -> dict[str, Any]:
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
            code["fatal"] = error.type == USER_ERROR
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


def to_json(value: Any) -> bytes:
    """Return a value as the engines write it: no spaces, texts in UTF-8; half a surrogate pair becomes ``?``."""
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


def _prepared(query: Query) -> str | None:
    """Return the text of the prepared statement that the query executes, None if it executes none."""
    executes = re.compile(r"EXECUTE\s+(\w+)", re.I).match(query.sql, _length_of_no_words(query.sql))
    return query.prepared.get(executes[1]) if executes else None


def _length_of_no_words(sql: str) -> int:
    """Return how long the comments, white space and brackets before the first word are."""
    before = _NOT_A_WORD.match(sql)
    return before.end() if before else 0

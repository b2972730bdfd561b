"""The description of the API for programs: OpenAPI 3.1, made of the very names that questions and reports have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from exporter import __version__
from exporter.report.question import (
    LONGEST_SEARCH,
    MEASURES,
    MOST_OFFSET,
    MOST_ROWS,
    MOST_VALUES,
    Change,
    Group,
    Question,
)

Schema = dict[str, Any]

MEASURE_TEXTS = {
    "queries": "Queries that ended: finished + failed + canceled.",
    "finished": "Queries that finished.",
    "failed": "Queries that failed.",
    "canceled": "Queries that were canceled.",
    "cpu_seconds": "CPU of queries, also of those that still ran or will fail.",
    "failed_cpu_seconds": "CPU of queries that failed or were canceled, and of failed attempts inside finished ones.",
    "input_bytes": "Bytes read from storage.",
    "input_rows": "Rows read.",
    "memory_byte_seconds": "Memory held, integrated over time.",
    "queued_seconds": "Time of ended queries in the queue.",
    "elapsed_seconds": "Time of ended queries from creation to end.",
    "repeated_queries": "Finished queries whose very same text had finished before within a day.",
    "repeated_cpu_seconds": "CPU of those.",
}
_COUNTS = ("queries", "finished", "failed", "canceled", "repeated_queries")


def _object(properties: Mapping[str, Schema], description: str = "") -> Schema:
    said = {"description": description} if description else {}
    return {
        "type": "object",
        **said,
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _or_null(schema: Schema) -> Schema:
    return {"oneOf": [schema, {"type": "null"}]}


def _list_of(items: Schema, description: str = "") -> Schema:
    return {"type": "array", "items": items, **({"description": description} if description else {})}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _text(description: str) -> Schema:
    return {"type": "string", "description": description}


def _choice(values: Iterable[str], description: str = "") -> Schema:
    return {
        "type": "string",
        "enum": [str(value) for value in values],
        **({"description": description} if description else {}),
    }


def _count(description: str) -> Schema:
    return {"type": "integer", "minimum": 0, "description": description}


def _amount(description: str) -> Schema:
    return {"type": "number", "minimum": 0, "description": description}


def _time(description: str) -> Schema:
    return {"type": "number", "description": f"{description} Unix seconds."}


_SECONDS: Schema = {"type": ["number", "null"], "minimum": 0}

SCHEMAS: dict[str, Schema] = {
    "Measures": _object(
        {name: (_count if name in _COUNTS else _amount)(MEASURE_TEXTS[name]) for name in MEASURES},
        "Sums over queries, in base units.",
    ),
    "Percentiles": _object(
        {"p50": _SECONDS, "p95": _SECONDS, "p99": _SECONDS},
        "Seconds that 50, 95 and 99 % of the ended queries did not exceed, to 5 %; null where none ended.",
    ),
    "Statement": _object(
        {
            "query_type": _text("SELECT, INSERT, …, as the engines name it."),
            "template": _text("The statement without literals."),
            "read": _list_of({"type": "string"}, "Tables, qualified by the sessions in which it ran."),
            "written": _list_of({"type": "string"}, "The same of those that it makes, changes or removes."),
            "first_seen": _time("When it was first met; 0 if that was before this was kept."),
        },
        "What a fingerprint stands for.",
    ),
    "Row": _object(
        {
            "name": _text("Of the group; `other` has what is no longer kept apart."),
            "measures": _ref("Measures"),
            "share": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "description": "Of the total of the measure that orders. Those of tables may add up to more.",
            },
            "elapsed": _ref("Percentiles"),
            "queued": _ref("Percentiles"),
            "fingerprints": _count("How many there are in the group."),
            "users": _count("How many there are in the group."),
            "read_queries": _count("If grouped by table or catalog: queries that read it."),
            "written_queries": _count("If grouped by table or catalog: queries that wrote to it."),
            "statement": {**_or_null(_ref("Statement")), "description": "If grouped by fingerprint."},
            "before": {**_or_null(_ref("Measures")), "description": "In the window before, if compared."},
            "change": {**_or_null(_choice(Change)), "description": "Of the measure that orders, if compared."},
            "trend": _list_of({"type": "number", "minimum": 0}, "The measure that orders at each step, if asked for."),
        },
        "One group.",
    ),
    "Report": _object(
        {
            "start": _time("From when queries are in it: whole hours, in windows over a week days (UTC)."),
            "end": _time("Until when queries are in it."),
            "step": _amount("Seconds of each step of the trends."),
            "before": {
                **_or_null(_object({"start": _time("Its start."), "end": _time("Its end.")})),
                "description": "The window before, if compared: as long as what has passed of this one.",
            },
            "group_by": _choice(Group),
            "order_by": _choice(MEASURES),
            "order": _choice(("desc", "asc")),
            "limit": _count("Rows at most."),
            "offset": _count("Rows left out before."),
            "groups": _count("Rows there are without limit and offset."),
            "total": _ref("Measures"),
            "total_before": _or_null(_ref("Measures")),
            "elapsed": _ref("Percentiles"),
            "queued": _ref("Percentiles"),
            "rows": _list_of(_ref("Row")),
            "trend": _list_of(
                _object({"start": _time("Of the step."), "measures": _ref("Measures")}),
                "Over all groups, at each step.",
            ),
            "errors": _list_of(
                _object({"name": _text("Of the error."), "queries": _count("Queries that ended with it.")}),
                "Most first, at most 20. They are kept by cluster, fingerprint and user: filters by source, table or "
                "catalog let through all errors of a user's fingerprint that had one such query in the hour or day.",
            ),
            "folded_queries": _count(
                "Of all queries: those whose fingerprint, user or source is no longer kept apart."
            ),
            "clusters": _list_of({"type": "string"}, "All that have usage, filtered or not."),
            "oldest": {
                "type": ["number", "null"],
                "description": "From when usage is kept, Unix seconds; null: there is none yet.",
            },
        }
    ),
    "Error": _object({"error": _list_of({"type": "string"}, "Each reads `parameter: what is wrong; what to do`.")}),
}


def _filter(description: str) -> tuple[Schema, str]:
    said = f"{description} Given several times, one of them is enough."
    return {"type": "array", "items": {"type": "string"}, "maxItems": MOST_VALUES}, said


_DEFAULT = Question()

PARAMETERS: dict[str, tuple[Schema, str]] = {
    "window": (
        {"type": "string", "pattern": "^([0-9.]+d)?([0-9.]+h)?([0-9.]+m)?([0-9.]+s)?$", "default": "24h"},
        "How far back, 1h to 90d. The answer begins with the hour in which this falls, or the day if over a week.",
    ),
    "until": ({"type": "string"}, "Until when: Unix seconds or ISO 8601, UTC if it has no offset. Now, if left out."),
    "cluster": _filter("Only queries of this cluster."),
    "user": _filter("Only queries of this user; empty: those without."),
    "source": _filter("Only queries from this source; empty: those without."),
    "fingerprint": _filter("Only queries with this fingerprint."),
    "query_type": _filter("Only queries of this type: SELECT, INSERT, …"),
    "table": _filter("Only queries that name this table; `schema.table` and `table` match the end of its name."),
    "catalog": _filter("Only queries that name a table of this catalog."),
    "search": (
        {"type": "string", "maxLength": LONGEST_SEARCH},
        "Only fingerprints with this text in their template, whatever its case.",
    ),
    "group_by": ({**_choice(Group), "default": str(_DEFAULT.group_by)}, "By what queries are put together."),
    "order_by": ({**_choice(MEASURES), "default": _DEFAULT.order_by}, "The measure that orders."),
    "order": ({**_choice(("desc", "asc")), "default": "desc"}, "Most or least first."),
    "limit": (
        {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": _DEFAULT.limit},
        "Rows at most.",
    ),
    "offset": (
        {"type": "integer", "minimum": 0, "maximum": MOST_OFFSET, "default": _DEFAULT.offset},
        "Rows to leave out before.",
    ),
    "compare": ({"type": "boolean", "default": False}, "Compare with the window of the same length before."),
    "change": (
        _choice(Change),
        "Only groups of which the measure that orders changed so; implies compare. grew: by a quarter or more; shrank: "
        "to three quarters or less; vanished: something before, nothing now, ordered by what there was.",
    ),
    "trend": ({"type": "boolean", "default": False}, "With the measure that orders over time for each row."),
    "format": ({**_choice(("json", "csv")), "default": "json"}, "Of the answer, whatever the header Accept says."),
}


def _measures(scale: float = 1.0) -> dict[str, float]:
    return {name: round(scale) if name in _COUNTS else 1.5 * scale for name in MEASURES}


_QUANTILES = {"p50": 0.9, "p95": 4.4, "p99": None}
EXAMPLE = {
    "start": 1789988400.0,
    "end": 1790078400.0,
    "step": 3600.0,
    "before": {"start": 1789898400.0, "end": 1789988400.0},
    "group_by": "fingerprint",
    "order_by": "cpu_seconds",
    "order": "desc",
    "limit": 50,
    "offset": 0,
    "groups": 1,
    "total": _measures(2),
    "total_before": _measures(1),
    "elapsed": _QUANTILES,
    "queued": _QUANTILES,
    "rows": [
        {
            "name": "8f14e45fceea167a",
            "measures": _measures(2),
            "share": 1.0,
            "elapsed": _QUANTILES,
            "queued": _QUANTILES,
            "fingerprints": 1,
            "users": 1,
            "read_queries": 0,
            "written_queries": 0,
            "statement": {
                "query_type": "SELECT",
                "template": "SELECT * FROM orders WHERE orderkey = ?",
                "read": ["hive.sales.orders"],
                "written": [],
                "first_seen": 1789000000.0,
            },
            "before": _measures(1),
            "change": "grew",
            "trend": [3.0],
        }
    ],
    "trend": [{"start": 1789988400.0, "measures": _measures(2)}],
    "errors": [{"name": "EXCEEDED_TIME_LIMIT", "queries": 1}],
    "folded_queries": 0,
    "clusters": ["adhoc"],
    "oldest": 1787000000.0,
}
"""An answer, shortened to a step."""


def _answer(description: str, content: Mapping[str, Schema]) -> Schema:
    return {"description": description, "content": dict(content)}


DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "presto-query-exporter",
        "version": __version__,
        "description": "What queries of Presto and Trino clusters used, by fingerprint, user, source, table, catalog, "
        "type or cluster. Times are Unix seconds, amounts are in base units.",
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    },
    "paths": {
        "/api/v1/queries": {
            "get": {
                "operationId": "queries",
                "summary": "Groups of queries with what they used.",
                "parameters": [
                    {
                        "name": name,
                        "in": "query",
                        "description": description,
                        "schema": schema,
                        **({"style": "form", "explode": True} if schema["type"] == "array" else {}),
                    }
                    for name, (schema, description) in PARAMETERS.items()
                ],
                "responses": {
                    "200": _answer(
                        "The answer. As CSV, if that is asked for or preferred: a row for each group, with a header.",
                        {
                            "application/json": {"schema": _ref("Report"), "example": EXAMPLE},
                            "text/csv": {"schema": {"type": "string"}},
                        },
                    ),
                    "400": _answer(
                        "All that is wrong with the question.", {"application/json": {"schema": _ref("Error")}}
                    ),
                    "503": _answer("The ledger cannot be read now.", {"application/json": {"schema": _ref("Error")}}),
                },
            }
        },
        "/api/v1/openapi.json": {
            "get": {
                "operationId": "openapi",
                "summary": "This description.",
                "responses": {"200": _answer("OpenAPI 3.1.", {"application/json": {"schema": {"type": "object"}}})},
            }
        },
    },
    "components": {"schemas": SCHEMAS},
}
"""What ``/api/v1/openapi.json`` answers."""

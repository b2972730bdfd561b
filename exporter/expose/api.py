"""``/api/v1/queries``: usage for programs, as JSON or CSV. The names are those of exporter/report, in base units."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exporter.errors import ExporterError, Problem, QuestionError
from exporter.expose.openapi import DOCUMENT
from exporter.expose.turns import Turns
from exporter.report.question import MEASURES, Group, Question, parse
from exporter.report.report import Measures, Percentiles, Report, Row

_FORMATS = ("json", "csv")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def routes(ask: Callable[[Question], Report]) -> list[Route]:
    """Return the routes of the API; *ask* answers questions, from any thread, or raises ExporterError."""
    turns = Turns()

    async def queries(request: Request) -> Response:
        try:
            question, is_csv = _asked(request)
        except QuestionError as error:
            return _refusal(400, map(str, error.problems))
        try:
            return await turns.make(lambda: _answer(ask(question), is_csv))
        except ExporterError as error:
            return _refusal(503, [str(error)])

    async def openapi(_: Request) -> Response:
        return _json(DOCUMENT)

    return [Route("/api/v1/queries", queries), Route("/api/v1/openapi.json", openapi)]


def to_json(report: Report) -> dict[str, Any]:
    """Return *report* as the JSON object that the API answers."""
    question = report.question
    return {
        "start": report.start,
        "end": report.end,
        "step": report.step,
        "before": {"start": report.before[0], "end": report.before[1]} if report.before else None,
        "group_by": question.group_by,
        "order_by": question.order_by,
        "order": "desc" if question.descending else "asc",
        "limit": question.limit,
        "offset": question.offset,
        "groups": report.groups,
        "total": report.total._asdict(),
        "total_before": report.total_before and report.total_before._asdict(),
        "elapsed": report.elapsed._asdict(),
        "queued": report.queued._asdict(),
        "rows": [_row(row) for row in report.rows],
        "trend": [{"start": moment.start, "measures": moment.measures._asdict()} for moment in report.trend],
        "errors": [{"name": name, "queries": queries} for name, queries in report.errors],
        "folded_queries": report.folded_queries,
        "clusters": report.clusters,
        "oldest": report.oldest,
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "measures": row.measures._asdict(),
        "share": row.share,
        "elapsed": row.elapsed._asdict(),
        "queued": row.queued._asdict(),
        "fingerprints": row.fingerprints,
        "users": row.users,
        "read_queries": row.read_queries,
        "written_queries": row.written_queries,
        "statement": row.statement and row.statement._asdict(),
        "before": row.before and row.before._asdict(),
        "change": row.change,
        "trend": row.trend,
    }


def to_csv(report: Report) -> str:
    """Return the rows of *report* as CSV with a header; no cell is a formula to a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_columns(report))
    for row in report.rows:
        writer.writerow(map(_cell, _cells(report, row)))
    return text.getvalue()


def _columns(report: Report) -> Iterator[str]:
    yield report.question.group_by
    yield from MEASURES
    yield "share"
    for kind in ("elapsed", "queued"):
        yield from (f"{kind}_{percentile}_seconds" for percentile in Percentiles._fields)
    yield from ("fingerprints", "users", "read_queries", "written_queries")
    if report.before:
        yield from (f"before_{measure}" for measure in MEASURES)
        yield "change"
    if report.question.group_by is Group.FINGERPRINT:
        yield from ("query_type", "template")


def _cells(report: Report, row: Row) -> Iterator[object]:
    yield row.name
    yield from row.measures
    yield row.share
    yield from (*row.elapsed, *row.queued)
    yield from (row.fingerprints, row.users, row.read_queries, row.written_queries)
    if report.before:
        yield from row.before or Measures()
        yield row.change
    if report.question.group_by is Group.FINGERPRINT:
        yield from (row.statement.query_type, row.statement.template) if row.statement else ("", "")


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _asked(request: Request) -> tuple[Question, bool]:
    """Return the question, and whether to answer CSV. Raises QuestionError with all that is wrong."""
    given = request.query_params.multi_items()
    formats = [text for name, text in given if name == "format"]
    problems: list[Problem] = []
    if len(formats) > 1:
        problems.append(Problem("format", "given more than once; keep one of them"))
    elif formats and formats[0] not in ("", *_FORMATS):
        problems.append(Problem("format", f"no such choice; choose {', '.join(_FORMATS)}"))
    try:
        question = parse([pair for pair in given if pair[0] != "format"])
    except QuestionError as error:
        problems += error.problems
    if problems:
        raise QuestionError(problems)
    chosen = formats[0] if formats else ""
    return question, chosen == "csv" or (not chosen and _prefers_csv(",".join(request.headers.getlist("accept"))))


def _prefers_csv(accept: str) -> bool:
    """Return whether this ``Accept`` names CSV, and does not name JSON with as much weight."""
    weights = {"text/csv": 0.0, "application/json": 0.0}
    for offer in accept.split(","):
        kind, *parameters = [part.strip().lower() for part in offer.split(";")]
        if kind in weights:
            weights[kind] = next((_weight(one[2:]) for one in parameters if one.startswith("q=")), 1.0)
    return weights["text/csv"] > weights["application/json"]


def _weight(text: str) -> float:
    return float(text) if text.replace(".", "", 1).isdigit() and text.isascii() else 0.0


def _answer(report: Report, is_csv: bool) -> Response:
    if not is_csv:
        return _json(to_json(report))
    name = f"queries-by-{report.question.group_by}.csv"
    return _response(
        to_csv(report), "text/csv; charset=utf-8; header=present", {"Content-Disposition": f'inline; filename="{name}"'}
    )


def _refusal(status: int, problems: Iterable[str]) -> Response:
    return _json({"error": list(problems)}, status)


def _json(content: object, status: int = 200) -> Response:
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _response(text, "application/json", {}, status)


def _response(text: str, kind: str, headers: Mapping[str, str], status: int = 200) -> Response:
    return Response(
        text.encode("utf-8", "replace"),
        status,
        {"Content-Type": kind, "Cache-Control": "no-store", "Vary": "Accept", **headers},
    )

"""Answers of the API for the tests of `top`: made by the exporter's own code, so that both sides agree."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from exporter.expose.api import to_json
from exporter.report.question import Change, Group, Question
from exporter.report.report import Measures, Percentiles, Report, Row, Statement
from exporter.top.answer import Answer, read

NOON = 1795435200.0
"""2026-11-23 12:00:00 UTC."""
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\n\t\u202e\u200b\ufe0f日本\ud800</b>[red]x[/red]:smile:"
MEASURES = Measures(
    queries=200,
    finished=150,
    failed=40,
    canceled=10,
    cpu_seconds=7200.0,
    failed_cpu_seconds=1800.0,
    input_bytes=3.5 * 1024**4,
    input_rows=1e9,
    memory_byte_seconds=7200.0 * 1024**3,
    queued_seconds=90.0,
    elapsed_seconds=4000.0,
    repeated_queries=20,
    repeated_cpu_seconds=60.0,
)
STATEMENT = Statement("SELECT", "SELECT a\nFROM lake.t\nWHERE b = ?", ("lake.s.t",), (), NOON - 86400)


def row(name: str, number: int = 0, *, template: str | None = None, compared: bool = True, **more: Any) -> Row:
    """Return a row with less of everything the higher *number* is."""
    measures = MEASURES._replace(queries=200 - number, cpu_seconds=7200.0 / (number + 1))
    statement = None if template is None else STATEMENT._replace(template=template)
    made = Row(
        name=name,
        measures=measures,
        share=0.5 / (number + 1),
        elapsed=Percentiles(0.34, 12.0, 90.0),
        queued=Percentiles(0.0, 0.1, None),
        fingerprints=1,
        users=3,
        statement=statement,
        before=measures._replace(cpu_seconds=measures.cpu_seconds / 2) if compared else None,
        change=Change.GREW if compared else None,
        trend=(),
    )
    return replace(made, **more)


def report(rows: Sequence[Row], question: Question | None = None, **more: Any) -> Report:
    """Return a report of *rows*, which are all that there are."""
    question = question or Question(compare=True)
    made = Report(
        question=question,
        start=NOON - 86400,
        end=NOON,
        step=3600.0,
        total=MEASURES,
        total_before=MEASURES._replace(queries=100) if question.compare else None,
        elapsed=Percentiles(0.34, 12.0, 90.0),
        queued=Percentiles(None, None, None),
        rows=tuple(rows[question.offset : question.offset + question.limit]),
        groups=len(rows),
        trend=(),
        errors=(("USER_CANCELED", 10), ("SYNTAX_ERROR", 40)),
        folded_queries=0,
        clusters=("adhoc",),
        oldest=NOON - 1e6,
    )
    return replace(made, **more)


def body(answered: Report) -> bytes:
    """Return what the exporter would send, but that texts may hold anything at all."""
    return json.dumps(to_json(answered)).encode()


def answer(rows: Sequence[Row], question: Question | None = None, **more: Any) -> Answer:
    """Return the same as it is read by `top`."""
    return read(body(report(rows, question, **more)))


def by_user(names: Sequence[str], **more: Any) -> Answer:
    """Return an answer grouped by user."""
    return answer([row(name, at) for at, name in enumerate(names)], Question(compare=True, group_by=Group.USER), **more)

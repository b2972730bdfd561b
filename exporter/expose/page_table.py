"""The tables of groups: the large one that can be ordered by its columns, and small ones of what made up a total."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from exporter.expose import page_address
from exporter.expose.page_charts import bar, sparkline
from exporter.expose.page_form import GROUPS
from exporter.expose.page_sql import one_line
from exporter.expose.page_text import MEASURES, count, cut, duration, gained, name, percent, ratio, text
from exporter.report.question import Change, Group, Question
from exporter.report.report import Percentiles, Report, Row

_TEMPLATE_LENGTH = 180
_SHORT_TEMPLATE_LENGTH = 110
_ID_LENGTH = 24
_MUCH = 0.2
"""Share of queries that fail which is worth a colour."""
_NONE = '<span class="soft">0</span>'


class _Column(NamedTuple):
    label: str
    cell: Callable[[Row], str]
    measure: str = ""
    """By which its header orders; empty: by none."""
    style: str = ""


def main_table(report: Report, rows: Sequence[Row], *, is_comparable: bool) -> str:
    """Return the table of *rows* with its paging. Its headers lead to the same question in another order."""
    question = report.question
    group = GROUPS[question.group_by].capitalize()
    columns = list(_columns(question, max((row.share for row in rows), default=0.0), is_comparable=is_comparable))
    head = "".join(_header(column, question) for column in columns)
    body = "".join(_row(row, columns, question) for row in rows)
    shown = f"{question.offset + 1:,}–{question.offset + len(rows):,} of {report.groups:,}"
    return (
        f'<div class="scroll"><table class="main {question.group_by}">'
        f"<caption>{group}s by {MEASURES[question.order_by].about} "
        f'<small>{shown}</small></caption><thead><tr><th scope="col">{group}</th>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>{_paging(report, len(rows))}"
    )


def small_table(report: Report, caption: str) -> str:
    """Return a table of the rows of *report*, each with its share of what orders them; *caption* is plain text."""
    question = report.question
    # Where a name leads, one fingerprint would be a table of one row.
    links = replace(question, fingerprints=(), limit=Question().limit)
    largest = max((row.share for row in report.rows), default=0.0)
    body = "".join(_small_row(row, question, links, largest) for row in report.rows)
    rest = f"<small>{len(report.rows)} of {report.groups:,}</small>" if report.groups > len(report.rows) else ""
    label = MEASURES[question.order_by].label
    return (
        f'<div class="scroll"><table class="plain"><caption>{text(caption)} {rest}</caption><thead><tr>'
        f'<th scope="col">{GROUPS[question.group_by].capitalize()}</th><th scope="col">Share of {label}</th>'
        '<th scope="col">Queries</th><th scope="col">Failed</th><th scope="col">CPU</th>'
        f'<th scope="col"><abbr title="95 % of the queries were not longer">p95</abbr></th></tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )


def errors_table(errors: Sequence[tuple[str, int]]) -> str:
    """Return a table of the names of errors with how many queries ended with them."""
    total = sum(number for _, number in errors)
    body = "".join(
        f'<tr><th scope="row" class="long">{name(error)}</th>'
        f'<td class="share">{_measured(ratio(number, total), ratio(number, errors[0][1]), "failed")}</td>'
        f"<td>{MEASURES['failed'].figure(number)}</td></tr>"
        for error, number in errors
    )
    return (
        '<table class="plain errors"><caption>Errors</caption><thead><tr><th scope="col">Error</th>'
        f'<th scope="col">Share</th><th scope="col">Queries</th></tr></thead><tbody>{body}</tbody></table>'
    )


def row_title(row: Row, group_by: Group, length: int = _TEMPLATE_LENGTH) -> str:
    """Return what a row is called, as HTML: of a fingerprint its template."""
    if group_by is not Group.FINGERPRINT:
        return name(row.name)
    if row.statement is not None and row.statement.template:
        return f"<code>{one_line(row.statement.template, length)}</code>"
    return "<i>other: what is not kept apart</i>" if row.name == "other" else f"<code>{name(row.name)}</code>"


def percentile(values: Percentiles, which: str) -> str:
    """Return one of the percentiles, a dash where there is none."""
    value = getattr(values, which)
    return "–" if value is None else duration(value)


def _columns(question: Question, largest: float, *, is_comparable: bool) -> Iterator[_Column]:
    order = question.order_by
    is_table = question.group_by in (Group.TABLE, Group.CATALOG)
    yield _Column("Share", lambda row: f"{percent(row.share)}{bar(ratio(row.share, largest))}", style="share")
    yield _Column("Trend", lambda row: _trend(row, order), style="trend")
    if is_comparable:
        yield _Column("Change", lambda row: _change(row, order), style="change")
    columns = [
        _Column("Queries", lambda row: _queries(row, is_table), "queries"),
        _Column("Failed", _failed, "failed"),
        _Column("CPU", _cpu, "cpu_seconds"),
        _Column("Read", _read, "input_bytes"),
        _Column("Elapsed", lambda row: _time(row, "elapsed_seconds", row.elapsed), "elapsed_seconds"),
        _Column("Queued", lambda row: _time(row, "queued_seconds", row.queued), "queued_seconds"),
    ]
    last = _Column("CPU of repeats", _repeated, "repeated_cpu_seconds")
    if order not in [column.measure for column in (*columns, last)]:
        last = _Column(MEASURES[order].label, lambda row: _figure(row, order), order)
    yield from columns
    yield last
    if question.group_by is Group.FINGERPRINT:
        yield _Column("Users", lambda row: count(row.users))
    else:
        yield _Column("Fingerprints", lambda row: f"{count(row.fingerprints)}<small>{_users(row)}</small>")


def _users(row: Row) -> str:
    return f"{count(row.users)} user{'' if row.users == 1 else 's'}"


def _queries(row: Row, is_table: bool) -> str:
    written = f"<small>{count(row.written_queries)} write it</small>" if is_table else ""
    return _figure(row, "queries") + written


def _figure(row: Row, measure: str) -> str:
    return MEASURES[measure].figure(getattr(row.measures, measure))


def _each(row: Row, measure: str) -> str:
    return f"<small>{MEASURES[measure].short(ratio(getattr(row.measures, measure), row.measures.queries))} each</small>"


def _failed(row: Row) -> str:
    if not row.measures.failed:
        return _NONE
    share = ratio(row.measures.failed, row.measures.queries)
    kind = ' class="worse"' if share >= _MUCH else ""
    return f"{_figure(row, 'failed')}<small{kind}>{percent(share)}</small>"


def _cpu(row: Row) -> str:
    return _figure(row, "cpu_seconds") + _each(row, "cpu_seconds")


def _read(row: Row) -> str:
    return _figure(row, "input_bytes") + _each(row, "input_bytes")


def _time(row: Row, measure: str, values: Percentiles) -> str:
    most = f"{percentile(values, 'p50')} · {percentile(values, 'p95')}"
    title = f"p50 · p95 · p99: {most} · {percentile(values, 'p99')}"
    return f'{_figure(row, measure)}<small title="{title}">{most}</small>'


def _repeated(row: Row) -> str:
    if not row.measures.repeated_queries:
        return _NONE
    return f"{_figure(row, 'repeated_cpu_seconds')}<small>{count(row.measures.repeated_queries)} times</small>"


def _change(row: Row, order_by: str) -> str:
    """Return how the group changed, in words that need no colour."""
    if row.change is None or row.before is None:
        return ""
    if row.change is Change.NEW:
        return '<span class="badge new">new</span>'
    measure = MEASURES[order_by]
    before = getattr(row.before, order_by)
    was = f"<small>was {measure.short(before)}</small>"
    if row.change is Change.VANISHED:
        return f'<span class="badge">gone</span>{was}'
    arrow = {Change.GREW: "▲ ", Change.SHRANK: "▼ "}.get(row.change, "")
    return f"{arrow}{gained(getattr(row.measures, order_by), before) or 'same'}{was}"


def _trend(row: Row, order_by: str) -> str:
    if not row.trend:
        return ""
    measure = MEASURES[order_by]
    first, most, last = (measure.short(value) for value in (row.trend[0], max(row.trend), row.trend[-1]))
    return sparkline(row.trend, f"{measure.label} over time: first {first}, most {most}, last {last}")


def _header(column: _Column, question: Question) -> str:
    style = f' class="{column.style}"' if column.style else ""
    if not column.measure:
        return f'<th scope="col"{style}>{column.label}</th>'
    is_ordering = column.measure == question.order_by
    link = page_address.overview(
        question, order_by=column.measure, descending=not (is_ordering and question.descending)
    )
    sort = f' aria-sort="{"descending" if question.descending else "ascending"}"' if is_ordering else ""
    arrow = f'<span aria-hidden="true">{" ▼" if question.descending else " ▲"}</span>' if is_ordering else ""
    title = f"Order by {MEASURES[column.measure].about}"
    return f'<th scope="col"{style}{sort}><a href="{text(link)}" title="{title}">{column.label}{arrow}</a></th>'


def _row(row: Row, columns: Sequence[_Column], question: Question) -> str:
    cells = []
    for column in columns:
        shown = column.cell(row) if row.measures.queries or column.style == "change" else ""
        style = f' class="{column.style if shown else "none"}"' if column.style or not shown else ""
        cells.append(f'<td{style} data-label="{column.label}">{shown}</td>')
    subtitle = ""
    if row.statement is not None:
        kind, identity = text(cut(row.statement.query_type, _ID_LENGTH)), text(cut(row.name, _ID_LENGTH))
        subtitle = f'<small><span class="badge">{kind}</span> <span class="id">{identity}</span></small>'
    return (
        f'<tr><th scope="row"><a href="{text(page_address.group(question, row.name))}">'
        f"{row_title(row, question.group_by)}</a>{subtitle}</th>{''.join(cells)}</tr>\n"
    )


def _small_row(row: Row, question: Question, links: Question, largest: float) -> str:
    return (
        f'<tr><th scope="row" class="long"><a href="{text(page_address.group(links, row.name))}">'
        f"{row_title(row, question.group_by, _SHORT_TEMPLATE_LENGTH)}</a></th>"
        f'<td class="share">{_measured(row.share, ratio(row.share, largest))}</td>'
        f"<td>{_figure(row, 'queries')}</td><td>{_figure(row, 'failed')}</td><td>{_figure(row, 'cpu_seconds')}</td>"
        f"<td>{percentile(row.elapsed, 'p95')}</td></tr>\n"
    )


def _measured(share: float, length: float, kind: str = "") -> str:
    return f"<div>{bar(length, kind)}<span>{percent(share)}</span></div>"


def _paging(report: Report, shown: int) -> str:
    question = report.question
    links = []
    if question.offset:
        earlier = page_address.overview(question, offset=max(0, question.offset - question.limit))
        links.append(f'<a rel="prev" href="{text(earlier)}">← Previous</a>')
    if question.offset + shown < report.groups:
        later = page_address.overview(question, offset=question.offset + shown)
        links.append(f'<a rel="next" href="{text(later)}">Next →</a>')
    return f'<nav class="paging" aria-label="Pages">{"".join(links)}</nav>' if links else ""

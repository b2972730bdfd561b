"""The overview: at a glance what costs, what fails, what is new, who causes it and what is repeated; then the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from exporter.expose import page_address
from exporter.expose.page_charts import bar, charts
from exporter.expose.page_form import GROUPS, chips, form
from exporter.expose.page_table import main_table, percentile, row_title
from exporter.expose.page_text import MEASURES, ago, count, gained, moment, name, percent, ratio, span, text
from exporter.report import question as questions
from exporter.report.question import Change, Group, Question
from exporter.report.report import Report, Row

Ask = Callable[[Question], Report]

ROWS = 50
"""Of a page, at most."""
_LOOKED_AT = 200
"""Costliest fingerprints among which the new and the repeated are looked for: one question in place of two more, and
none that is overlooked costs more than the last of them."""
_RANKS = 5
_TITLE_LENGTH = 70


def content(question: Question, ask: Ask) -> Iterator[str]:
    """Yield the content of the overview in two parts: the first costs one question, the second at most two more.

    Raises ExporterError if one is not answered.
    """
    question = replace(question, limit=min(question.limit, ROWS), compare=True, trend=True)
    is_plain = _is_plain(question)
    report = replace(ask(replace(question, limit=_LOOKED_AT) if is_plain else question), question=question)
    asked = questions.parameters(replace(question, compare=False, trend=False))
    parts = [
        f'<div class="head"><div><h1>Queries</h1>{period(report)}</div>{links_to_data(question)}</div>',
        form(page_address.OVERVIEW, asked, report.clusters),
        chips(question, page_address.overview),
    ]
    if not report.total.queries and question.change is None:
        yield "\n".join([*parts, nothing(report, question, page_address.overview)])
        return
    yield "\n".join([*parts, tiles(report), charts(report.trend, report.step, report.end)])
    parts = [_cards(report, ask)] if is_plain else []
    rows = report.rows[: question.limit]
    if rows:
        table = main_table(report, rows, is_comparable=compared(report))
    else:
        first = text(page_address.overview(question))
        table = f'<p>No {GROUPS[question.group_by]} here. <a href="{first}">First page</a></p>'
    parts.append(f'<section class="card whole" id="table" aria-label="Table">{_views(question)}{table}</section>')
    yield "\n".join([*parts, small_print(report)])


def _is_plain(question: Question) -> bool:
    """True for the overview as one comes to it, filtered or not: the costliest fingerprints from the first one on."""
    return (
        question.group_by is Group.FINGERPRINT
        and question.order_by == "cpu_seconds"
        and question.descending
        and question.offset == 0
        and question.change is None
    )


def compared(report: Report) -> bool:
    """Return whether the window before is known well enough to compare with."""
    if report.total_before is None or report.oldest is None:
        return False
    return report.oldest <= report.start - report.question.window + report.step


def links_to_data(question: Question) -> str:
    """Return the links to the API's answers to *question*."""
    address = page_address.api(question)
    csv = f"{address}{'&' if '?' in address else '?'}format=csv"
    return (
        f'<div class="links"><a href="{text(address)}" type="application/json">JSON</a>'
        f'<a href="{text(csv)}" type="text/csv">CSV</a></div>'
    )


def period(report: Report) -> str:
    """Return from when to when, and with what it is compared, as HTML."""
    window = span(report.question.window)
    against = f" · changes are against the {window} before" if compared(report) else ""
    until = moment(report.end, both=True)
    return f'<p class="soft">{window}: {moment(report.start)} to {until}{against}</p>'


def nothing(report: Report, question: Question, address: Callable[..., str]) -> str:
    """Return what to say where no query ended in the window; *address* makes the links to wider ones."""
    if report.oldest is None:
        return (
            '<div class="notice"><p>No usage yet.</p><p>A query shows here some seconds after it has ended.</p></div>'
        )
    wider = "".join(
        f' <a href="{text(address(replace(question, window=seconds)))}">{span(seconds)}</a>'
        for seconds in (86400.0, 7 * 86400.0, 90 * 86400.0)
        if seconds > question.window
    )
    hint = f'<p class="choices">Look further back:{wider}</p>' if wider else ""
    return (
        '<div class="notice"><p>No query in this window is like that.</p>'
        f"<p>Usage is kept since {moment(report.oldest)}. Filters match whole names.</p>{hint}</div>"
    )


def small_print(report: Report) -> str:
    """Return what limits the figures, if something does."""
    said = []
    if report.folded_queries:
        share = percent(ratio(report.folded_queries, report.total.queries))
        said.append(
            f"{count(report.folded_queries)} queries ({share}) are no longer kept apart by fingerprint, user or source "
            "and show as other."
        )
    if not compared(report) and report.oldest is not None:
        before = f"the {span(report.question.window)} before"
        said.append(f"Nothing is compared with {before}: usage is kept since {moment(report.oldest)}.")
    return f'<p class="soft">{" ".join(said)}</p>' if said else ""


def tiles(report: Report, whole_cpu: float | None = None) -> str:
    """Return the figures of the total, with changes; *whole_cpu*: the CPU of which to give the share in its place."""
    now = report.total
    before = report.total_before if compared(report) else None

    def change(measure: str) -> str:
        if before is None:
            return ""
        was = getattr(before, measure)
        said = gained(getattr(now, measure), was) or "as before" if was else "none before"
        return f'<span title="before: {MEASURES[measure].exact(was)}">{said}</span>'

    failing = ratio(now.failed, now.queries)
    failing_before = f"{count(now.failed)} queries"
    if before is not None and before.queries:
        then = ratio(before.failed, before.queries)
        kind = "worse" if failing > 1.1 * then else "better" if failing < 0.9 * then else ""
        failing_before = f'<span class="{kind}">before {percent(then)}</span>'

    def of_cpu(measure: str) -> str:
        return f"{percent(ratio(getattr(now, measure), now.cpu_seconds))} of the CPU"

    def figure(measure: str) -> str:
        return MEASURES[measure].figure(getattr(now, measure))

    of_all = "" if whole_cpu is None else f"{percent(ratio(now.cpu_seconds, whole_cpu))} of all CPU"
    shown = (
        ("Queries", figure("queries"), change("queries")),
        ("Failed", f'<span title="{now.failed:,} queries">{percent(failing)}</span>', failing_before),
        ("CPU", figure("cpu_seconds"), of_all or change("cpu_seconds")),
        ("CPU in vain", figure("failed_cpu_seconds"), of_cpu("failed_cpu_seconds")),
        ("Read", figure("input_bytes"), f"{count(now.input_rows)} rows"),
        ("Elapsed p95", percentile(report.elapsed, "p95"), f"median {percentile(report.elapsed, 'p50')}"),
        ("Queued p95", percentile(report.queued, "p95"), f"median {percentile(report.queued, 'p50')}"),
        ("CPU of repeats", figure("repeated_cpu_seconds"), of_cpu("repeated_cpu_seconds")),
    )
    items = "".join(
        f'<div><dt>{label}</dt><dd class="value">{value}</dd><dd class="note">{note}</dd></div>'
        for label, value, note in shown
    )
    return f'<dl class="tiles">{items}</dl>'


def _cards(report: Report, ask: Ask) -> str:
    question, total = report.question, report.total
    is_comparable = compared(report)
    short = replace(question, compare=False, trend=False, limit=_RANKS)
    failing = ask(replace(short, order_by="failed")).rows if total.failed else ()
    is_one_user = len(question.users) == 1
    causes = ask(replace(short, group_by=Group.SOURCE if is_one_user else Group.USER))
    top = report.rows[:_RANKS]
    fresh = [row for row in report.rows if row.change is Change.NEW] if is_comparable else []
    repeated = sorted(report.rows, key=lambda row: -row.measures.repeated_cpu_seconds)[:_RANKS]
    cards = [
        _card(
            "What costs most",
            f"{percent(sum(row.share for row in top))} of the CPU goes into {_several(len(top), 'fingerprint')}.",
            _ranks(top, question, "cpu_seconds", total.cpu_seconds),
            "#table",
        ),
        _card(
            "With which tool" if is_one_user else "Who causes it",
            f"{_several(causes.groups, 'source' if is_one_user else 'user')} in all, by CPU.",
            _ranks(causes.rows, causes.question, "cpu_seconds", total.cpu_seconds),
            page_address.overview(causes.question),
        ),
        _card(
            "What fails most",
            f"{percent(ratio(total.failed, total.queries))} of the queries fail."
            if total.failed
            else "No query failed.",
            _ranks(failing, question, "failed", total.failed, "failed"),
            page_address.overview(question, order_by="failed") if failing else "",
        ),
        _card(
            "Why it fails",
            "Errors of failed and canceled queries." if report.errors else "No errors.",
            _errors(report.errors),
        ),
        _card(
            f"New, against the {span(question.window)} before",
            _said_of_new(report, fresh) if is_comparable else "Too little is known of the time before.",
            _ranks(fresh[:_RANKS], question, "cpu_seconds", total.cpu_seconds, note=lambda row: _seen(row, report)),
            page_address.overview(question, change=Change.NEW) if fresh else "",
        ),
        _card(
            "Repeated for nothing",
            f"{percent(ratio(total.repeated_cpu_seconds, total.cpu_seconds))} of the CPU: the very text had finished "
            "within a day before.",
            _ranks(repeated, question, "repeated_cpu_seconds", total.cpu_seconds, "repeated"),
            page_address.overview(question, order_by="repeated_cpu_seconds") if total.repeated_queries else "",
        ),
    ]
    return f'<div class="grid">{"".join(cards)}</div>'


def _several(number: int, noun: str) -> str:
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def _said_of_new(report: Report, fresh: Sequence[Row]) -> str:
    if not fresh:
        return "Nothing that costs."
    among = f" of the {len(report.rows)} costliest" if report.groups > len(report.rows) else ""
    return f"{len(fresh)}{among} did not run then; {percent(sum(row.share for row in fresh))} of the CPU."


def _seen(row: Row, report: Report) -> str:
    if row.statement is None or not row.statement.first_seen:
        return percent(row.share)
    if row.statement.first_seen < report.start:
        return "back again"
    return f"seen {ago(row.statement.first_seen, report.end)}"


def _card(title: str, said: str, inside: str, more: str = "") -> str:
    link = f'<p class="more"><a href="{text(more)}">All<span class="unseen">: {title}</span> →</a></p>' if more else ""
    return f'<section class="card"><h2>{title}</h2><p>{said}</p>{inside}{link}</section>'


def _ranks(
    rows: Sequence[Row],
    question: Question,
    measure: str,
    total: float,
    kind: str = "",
    note: Callable[[Row], str] | None = None,
) -> str:
    values = [getattr(row.measures, measure) for row in rows]
    items = "".join(
        f'<li><a class="what" href="{text(page_address.group(question, row.name))}">'
        f'{row_title(row, question.group_by, _TITLE_LENGTH)}</a><span class="value">{MEASURES[measure].figure(value)}'
        f"<small>{note(row) if note else percent(ratio(value, total))}</small></span>"
        f"{bar(ratio(value, max(values)), kind)}</li>"
        for value, row in zip(values, rows, strict=True)
        if value > 0
    )
    return f'<ol class="ranks">{items}</ol>' if items else ""


def _errors(errors: Sequence[tuple[str, int]]) -> str:
    total = sum(number for _, number in errors)
    items = "".join(
        f'<li><span class="what">{name(error, 40)}</span><span class="value">{MEASURES["failed"].figure(number)}'
        f"<small>{percent(ratio(number, total))}</small></span>{bar(ratio(number, errors[0][1]), 'failed')}</li>"
        for error, number in errors[:_RANKS]
    )
    return f'<ol class="ranks">{items}</ol>' if items else ""


def _views(question: Question) -> str:
    current = ' aria-current="true"'
    links = "".join(
        f'<a href="{text(page_address.overview(question, group_by=group_by))}"'
        f"{current if group_by is question.group_by else ''}>{label.capitalize()}</a>"
        for group_by, label in GROUPS.items()
    )
    return (
        f'<div class="bar-of"><nav class="views" aria-label="Group by">{links}</nav>'
        '<label class="find" hidden>Find on this page '
        '<input id="find" type="search" autocomplete="off" spellcheck="false">'
        "<output></output></label></div>"
    )

"""The pages of one fingerprint and of one user. They take a window and clusters, and no other filter.

Each comes in two parts: what two questions tell, then the tables of what made it up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from exporter.expose import page_address
from exporter.expose.page_charts import charts, spread
from exporter.expose.page_form import chips, form
from exporter.expose.page_overview import Ask, links_to_data, nothing, period, small_print, tiles
from exporter.expose.page_sql import LONGEST, highlighted
from exporter.expose.page_table import errors_table, percentile, small_table
from exporter.expose.page_text import MEASURES, ago, count, cut, moment, name, percent, ratio, text
from exporter.report import question as questions
from exporter.report.question import Group, Question
from exporter.report.report import Percentiles, Report, Statement

PARAMETERS = ("window", "until", "cluster")
"""What these pages can be asked."""

_EVER = 90 * 86400.0
_MOST = 20
"""Rows of a table of what made up a total."""
_LISTED_TABLES = 40
_UNKNOWN = Statement("", "", (), (), 0.0)

_Address = Callable[[Question], str]


def fingerprint(identity: str, question: Question, ask: Ask) -> Iterator[str] | None:
    """Return the content of a fingerprint's page in parts, None if the ledger has no usage of it.

    Here and while the parts are made, ExporterError is raised if a question is not answered.
    """
    scope = page_address.scope(question)
    one = replace(scope, fingerprints=(identity,), compare=True, trend=True)
    report = ask(one)
    found = report.rows or ask(replace(_ever(one), limit=1)).rows
    if not found:
        return None
    statement = found[0].statement or _UNKNOWN
    kind = f' <span class="badge">{text(cut(statement.query_type, 24))}</span>' if statement.query_type else ""

    def address(asked: Question) -> str:
        return page_address.fingerprint(asked, identity)

    crumbs = f'<a href="{text(page_address.overview(scope))}">Queries</a><span>Fingerprint</span>'
    head = _head(crumbs, f"<code>{text(cut(identity))}</code>{kind}", report, scope, address)
    if not report.rows:
        template = f'<div class="grid">{_template(statement, identity, "wide")}</div>'
        return iter((f"{head}{nothing(report, scope, address)}{template}",))

    def parts() -> Iterator[str]:
        whole = ask(replace(scope, group_by=Group.CLUSTER, limit=0)).total  # no row is wanted
        facts = _facts(
            ("First seen", _first_seen(statement, report)),
            ("Users", count(report.rows[0].users)),
            ("Reads", _tables(statement.read, scope)),
            ("Writes", _tables(statement.written, scope)),
        )
        yield "\n".join(
            (
                head,
                tiles(report, whole.cpu_seconds),
                f'<div class="grid">{_template(statement, identity, "two")}'
                f'<div class="stack">{_card(facts)}{_card(_repeats(report))}</div></div>',
                charts(report.trend, report.step, report.end),
            )
        )
        part = replace(one, compare=False, trend=False, limit=_MOST)
        left = [_durations(report), small_table(ask(replace(part, group_by=Group.USER)), "Who runs it")]
        right = [_errors(report), small_table(ask(replace(part, group_by=Group.SOURCE)), "With which tools")]
        if len(report.clusters) > 1:
            left.append(small_table(ask(replace(part, group_by=Group.CLUSTER)), "On which clusters"))
        yield f"{_beside(left, right)}\n{small_print(report)}"

    return parts()


def user(who: str, question: Question, ask: Ask) -> Iterator[str] | None:
    """Return the content of a user's page in parts, None if the ledger has no usage of theirs. Raises like those."""
    scope = page_address.scope(question)
    one = replace(scope, users=(who,), compare=True, trend=True, limit=_MOST)
    report = ask(one)
    if not report.rows and not ask(replace(_ever(one), limit=1)).rows:
        return None

    def address(asked: Question) -> str:
        return page_address.user(asked, who)

    crumbs = f'<a href="{text(page_address.overview(scope, group_by=Group.USER))}">Users</a><span>User</span>'
    head = _head(crumbs, name(who, 200), report, scope, address)
    if not report.rows:
        return iter((head + nothing(report, scope, address),))

    def parts() -> Iterator[str]:
        whole = ask(replace(scope, group_by=Group.CLUSTER, limit=0)).total  # no row is wanted
        everything = text(page_address.overview(scope, users=(who,)))
        yield "\n".join(
            (
                head,
                tiles(report, whole.cpu_seconds),
                charts(report.trend, report.step, report.end),
                f'<div class="grid"><section class="card wide">{small_table(report, "What they run")}'
                f'<p class="more"><a href="{everything}">All of it, to filter and order →</a></p></section></div>',
            )
        )
        part = replace(one, compare=False, trend=False)
        left = [_durations(report), small_table(ask(replace(part, group_by=Group.SOURCE)), "With which tools")]
        left.append(_repeats(report))
        right = [_errors(report), small_table(ask(replace(part, group_by=Group.TABLE)), "On which tables")]
        yield f"{_beside(left, right)}\n{small_print(report)}"

    return parts()


def _ever(question: Question) -> Question:
    return replace(question, window=_EVER, until=None, compare=False, trend=False)


def _head(crumbs: str, title: str, report: Report, scope: Question, address: _Address) -> str:
    fields = form(address(Question()), questions.parameters(scope), report.clusters, whole=False)
    return (
        f'<div class="head"><div><p class="crumbs">{crumbs}</p><h1>{title}</h1>{period(report)}</div>'
        f"{links_to_data(report.question)}</div>{fields}{chips(scope, address)}"
    )


def _template(statement: Statement, identity: str, style: str) -> str:
    if not statement.template:
        said = (
            "What is rare is put together here: queries whose fingerprint is no longer kept apart."
            if identity == "other"
            else "The template of this fingerprint is not kept."
        )
        return f'<section class="card {style}"><h2>Template</h2><p>{said}</p></section>'
    rest = len(statement.template) - LONGEST
    more = f"<p>{rest:,} more characters are not shown; the JSON has them.</p>" if rest > 0 else ""
    return (
        f'<section class="card sql {style}"><header><h2>Template</h2>'
        '<button type="button" class="copy" aria-controls="template" hidden>Copy</button></header>'
        '<pre id="template" tabindex="0" aria-label="Template">'
        f"{highlighted(statement.template[:LONGEST])}</pre>{more}</section>"
    )


def _beside(left: Sequence[str], right: Sequence[str]) -> str:
    """Return two columns of cards."""
    columns = "".join(f'<div class="half stack">{"".join(map(_card, cards))}</div>' for cards in (left, right))
    return f'<div class="grid">{columns}</div>'


def _card(inside: str) -> str:
    return f'<section class="card">{inside}</section>'


def _errors(report: Report) -> str:
    return errors_table(report.errors) if report.errors else "<h2>Errors</h2><p>None.</p>"


def _durations(report: Report) -> str:
    kinds = {"Elapsed": report.elapsed, "Queued": report.queued}
    longest = max(values.p99 or 0.0 for values in kinds.values())
    rows = "".join(
        f'<tr><th scope="row">{label}</th><td class="spreads">{_spread(values, longest)}</td>'
        + "".join(f"<td>{percentile(values, which)}</td>" for which in ("p50", "p95", "p99"))
        + "</tr>"
        for label, values in kinds.items()
    )
    return (
        '<table class="plain"><caption>Durations <small>of ended queries, to 5 %</small></caption><thead><tr>'
        '<th scope="col">Time</th><th scope="col" class="spreads"><span class="unseen">Spread</span></th>'
        '<th scope="col">p50</th><th scope="col">p95</th><th scope="col">p99</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _spread(values: Percentiles, longest: float) -> str:
    if values.p50 is None or values.p95 is None or values.p99 is None:
        return ""
    return spread(values.p50, values.p95, values.p99, longest)


def _repeats(report: Report) -> str:
    total = report.total
    if total.repeated_queries:
        saved = MEASURES["repeated_cpu_seconds"].figure(total.repeated_cpu_seconds)
        said = (
            f"{count(total.repeated_queries)} of {count(total.finished)} finished queries had a text that had finished "
            f"before within a day. A cache or a table of the result would have saved up to <b>{saved} CPU</b>, "
            f"{percent(ratio(total.repeated_cpu_seconds, total.cpu_seconds))} of what they took."
        )
    else:
        said = "No query had a text that had finished before within a day."
    return f"<h2>Repeats</h2><p>{said}</p>"


def _facts(*facts: tuple[str, str]) -> str:
    items = "".join(f"<dt>{label}</dt><dd>{value}</dd>" for label, value in facts if value)
    return f'<h2>What it is</h2><dl class="facts">{items}</dl>'


def _first_seen(statement: Statement, report: Report) -> str:
    if not statement.first_seen:
        return "before this was kept"
    return f"{moment(statement.first_seen)}<br><small>{ago(statement.first_seen, report.end)}</small>"


def _tables(names: Sequence[str], scope: Question) -> str:
    links = [
        f'<a href="{text(page_address.overview(scope, tables=(table,)))}">{name(table)}</a>'
        for table in names[:_LISTED_TABLES]
    ]
    if len(names) > _LISTED_TABLES:
        links.append(f"and {len(names) - _LISTED_TABLES:,} more")
    return "<br>".join(links)

"""The table and the details as rich renderables, of what was answered and what is chosen.

Every text is a `Text` of cleaned characters: nothing is read as markup, and nothing steers the terminal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.cells import chop_cells
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from exporter.top.answer import Answer, Measures, Percentiles, Row
from exporter.top.choice import Choice, Extent
from exporter.top.text import count, duration, gained, line, lines, memory_time, moment, percent, ratio, size

LEAST_WIDTH, LEAST_HEIGHT = 20, 4
"""What is drawn at least; a smaller terminal shows the upper left of it."""
LONGEST_TEMPLATE = 20_000
"""Characters of a template that are shown."""

_SHORT = 10
"""Lines: a terminal with fewer has a head of one line."""
_HEAD = 4
_LEAST_NAME = 24
_SPARE = 14
"""Of that, what the share may take."""
_LUXURY = 20
"""Beyond that, what the name is left by columns that others tell about, too."""
_MANY_FAILED, _SOME_FAILED = 0.1, 0.02
_BAR = 5
_WIDE_BAR = 12
_WORDS = re.compile(r"\b[A-Z][A-Z_]+\b|\?")


@dataclass(frozen=True, slots=True)
class Shown:
    """What there is to show."""

    place: str
    """The exporter's address, without credentials."""
    choice: Choice
    answer: Answer | None = None
    """The last one; perhaps to an earlier choice."""
    is_current: bool = True
    """It is to this choice."""
    at: float = 0.0
    """Unix time of the answer."""
    error: str = ""
    """Why there is no newer one."""


class Frame(NamedTuple):
    """One picture: not more lines than asked for, unless that was less than LEAST_HEIGHT."""

    lines: tuple[RenderableType, ...]
    """Of one line each, but for the table."""
    extent: Extent


def page(height: int) -> int:
    """Return how many rows fit into a terminal of *height* lines, at least 1."""
    return max(1, max(height, LEAST_HEIGHT) - _head_of(height) - 2)


def draw(shown: Shown, width: int, height: int) -> Frame:
    """Return the picture for a terminal of *width* columns and *height* lines."""
    width, height = max(width, LEAST_WIDTH), max(height, LEAST_HEIGHT)
    head = list(_head(shown))[: _head_of(height)]
    body: list[RenderableType]
    if shown.choice.is_opened:
        room = height - len(head) - 1
        all_lines = _details(shown, width)
        extent = Extent(room, max(0, len(all_lines) - room))
        first = min(shown.choice.cursor, extent.last)
        body = list(all_lines[first : first + room])
        used = len(body)
    else:
        rows = page(height)
        body, used = _list(shown, width, rows)
        extent = Extent(rows, max(0, shown.answer.groups - 1) if shown.answer else 0)
    blank: list[RenderableType] = [Text("")] * (height - len(head) - used - 1)
    return Frame((*head, *body, *blank, _foot(shown.choice)), extent)


def whole(shown: Shown, width: int) -> RenderableType:
    """Return all rows of the answer under their head, without keys and cursor."""
    head = list(_head(shown, is_live=False))
    rows = len(shown.answer.rows) if shown.answer else 0
    body, _ = _list(shown, max(width, LEAST_WIDTH), rows, is_live=False)
    return Group(*head, *body)


def _head_of(height: int) -> int:
    return _HEAD if height >= _SHORT else 1


def _one_line(*parts: Text | str | tuple[str, str]) -> Text:
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis", end="\n")


def _joined(parts: Iterable[Text]) -> Text:
    joined = Text(no_wrap=True, overflow="ellipsis")
    for part in parts:
        if joined:
            joined.append(" · ", "dim")
        joined.append_text(part)
    return joined


def _head(shown: Shown, is_live: bool = True) -> Iterator[Text]:
    answer = shown.answer
    title = [Text(line(shown.place), "bold")]
    if answer:
        title += [_clusters(answer.clusters), Text(moment(shown.at, "%H:%M:%S UTC"), "dim")]
    yield _joined(title)
    yield _joined(_totals(shown.choice, answer)) if answer else Text("")
    yield _joined(_what(shown, answer)) if answer else Text("")
    yield _one_line((line(shown.error), "bold red")) if shown.error and is_live else Text("")


def _clusters(names: Sequence[str]) -> Text:
    if not names:
        return Text("no cluster yet", "yellow")
    listed = ", ".join(line(name, 40) for name in names[:20])
    return Text(f"cluster {listed}" if len(names) == 1 else f"{len(names)} clusters: {listed}")


def _totals(choice: Choice, answer: Answer) -> Iterator[Text]:
    total, before = answer.total, answer.total_before
    yield Text.assemble("last ", (line(choice.window), "bold"))
    yield _total(f"{total.queries:,.0f}", "runs" if total.queries != 1 else "run", total, before, "queries")
    failed = ratio(total.failed, total.queries)
    yield Text.assemble((percent(failed), _failed_style(failed) or "bold"), " failed")
    yield _total(duration(total.cpu_seconds), "CPU", total, before, "cpu_seconds")
    yield Text(f"{percent(ratio(total.failed_cpu_seconds, total.cpu_seconds))} of it in vain")
    yield _total(size(total.input_bytes), "read", total, before, "input_bytes")
    yield Text(f"p50 {_seconds(answer.elapsed.p50)} p95 {_seconds(answer.elapsed.p95)}")
    yield Text(f"{percent(ratio(total.repeated_queries, total.queries))} repeats")
    yield Text(f"{percent(ratio(total.canceled, total.queries))} canceled")


def _total(figure: str, unit: str, total: Measures, before: Measures | None, measure: str) -> Text:
    more = gained(total.of(measure), before.of(measure)) if before else ""
    return Text.assemble((figure, "bold"), f" {unit}", (f" {more}", "dim") if more else "")


def _what(shown: Shown, answer: Answer) -> Iterator[Text]:
    if not shown.is_current and not shown.error:
        yield Text("asking …", "yellow")
    if not shown.choice.is_opened:
        most = "most" if answer.descending else "least"
        grouped = _GROUPS.get(answer.group_by) or line(answer.group_by, 40)
        yield Text.assemble(
            "by ", (grouped, "bold"), ", ", (f"{most} {_MEASURES[answer.order_by].label}", "bold"), " first"
        )
        if answer.rows:
            yield Text(f"{answer.offset + 1:,}–{answer.offset + len(answer.rows):,} of {answer.groups:,}")
    filters = shown.choice.filters[:-1] if shown.choice.is_opened else shown.choice.filters
    for name, value in filters:
        yield Text.assemble("only ", f"{_GROUPS.get(name) or line(name, 40)} ", (_named(value), "yellow"))
    yield Text(f"since {moment(answer.start)}", "dim")
    if answer.total_before and not _has_before(answer):
        yield Text("nothing before to compare with", "dim")


def _list(shown: Shown, width: int, rows: int, is_live: bool = True) -> tuple[list[RenderableType], int]:
    """Return the table, or why there is none, and of how many lines it is."""
    answer = shown.answer
    if answer is None:
        return [Text("asking …")], 1
    if not answer.rows:
        return [Text(_emptiness(shown, answer), "yellow", no_wrap=True, overflow="ellipsis")], 1
    chosen = shown.choice.cursor - answer.offset if is_live and shown.is_current else -1
    visible = answer.rows[:rows]
    return [_table(answer, visible, chosen, width)], 1 + len(visible)


def _emptiness(shown: Shown, answer: Answer) -> str:
    if answer.oldest is None:
        return "No usage yet: no query was seen since the exporter keeps it."
    return "No such queries in this window." if shown.choice.filters else "No queries in this window."


def _table(answer: Answer, rows: Sequence[Row], chosen: int, width: int) -> Table:
    columns = _columns(answer, width)
    table = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
    for column in columns:
        table.add_column(width=column.width, justify="right" if column.is_right else "left", no_wrap=True)
    mark = "▼" if answer.descending else "▲"
    titles = [f"{column.title}{mark if column.measure == answer.order_by else ''}" for column in columns]
    table.add_row(*(Text(title, no_wrap=True, overflow="crop") for title in titles), style="bold")
    for at, row in enumerate(rows):
        cells = [column.cell(answer, row) for column in columns]
        if at == chosen:  # in reverse video, colours of its own would be patches of background
            cells = [Text(cell.plain) for cell in cells]
        for cell in cells:
            cell.no_wrap, cell.overflow = True, "ellipsis"
        table.add_row(*cells, style="reverse" if at == chosen else None)
    return table


def _has_before(answer: Answer) -> bool:
    return answer.total_before is not None and any(answer.total_before)


class _Column(NamedTuple):
    title: str
    width: int
    cell: Callable[[Answer, Row], Text]
    measure: str = ""
    """That it shows, if it is one."""
    is_right: bool = True


def _columns(answer: Answer, width: int) -> list[_Column]:
    """Return the columns that fit: figures in order of what they tell, then the name with the room that is left."""
    ordering = _column_of(answer.order_by)
    wanted: dict[str, _Column] = {answer.order_by: ordering, "share": _share(_BAR)}
    for name in ("queries", "cpu_seconds", "failed", "change", "p95", "input_bytes", "p50", "repeated_queries"):
        if name == "change" and not _has_before(answer):
            continue
        wanted.setdefault(name, _FIGURES.get(name) or _column_of(name))
    if answer.group_by == "fingerprint":
        wanted["id"] = _Column("fingerprint", 16, lambda _, row: Text(line(row.name, 40), "dim"), is_right=False)
    wanted["failed_share"] = _FIGURES["failed_share"]
    if answer.group_by != "user":
        wanted["users"] = _FIGURES["users"]
    taken: dict[str, _Column] = {}
    left = width - _LEAST_NAME
    for name, column in wanted.items():
        kept = _LUXURY if name in ("id", "failed_share", "users") else -_SPARE if name == "share" else 0
        if name == answer.order_by or column.width + 1 <= left - kept:
            taken[name] = column
            left -= column.width + 1
    if "share" in taken:
        taken["share"] = _share(_BAR + min(_WIDE_BAR - _BAR, max(0, left) // 6))
    figures = [taken[name] for name in _PLACES if name in taken]
    rest = max(8, width - sum(column.width + 1 for column in figures))
    title = "template" if answer.group_by == "fingerprint" else _GROUPS.get(answer.group_by) or "name"
    return [*figures, _Column(title, rest, _name, is_right=False)]


def _column_of(measure: str) -> _Column:
    of = _MEASURES[measure]

    def cell(_: Answer, row: Row) -> Text:
        value = row.measures.of(measure)
        style = _failed_style(ratio(value, row.measures.queries)) if measure == "failed" else ""
        return Text(of.figure(value), style or ("dim" if not value else ""))

    return _Column(of.title, max(of.width, len(of.title) + 1), cell, measure)


def _share(bar: int) -> _Column:
    def cell(_: Answer, row: Row) -> Text:
        return Text.assemble((_bar(row.share, bar), "cyan"), f"{percent(row.share):>5}")

    return _Column("share", bar + 5, cell, is_right=False)


def _bar(share: float, width: int) -> str:
    """Return a bar of *width* characters, in eighths of one; not empty for anything."""
    eighths = min(8 * width, max(round(share * 8 * width), 1 if share > 0 else 0))
    return f"{'█' * (eighths // 8)}{' ▏▎▍▌▋▊▉'[eighths % 8] if eighths % 8 else ''}".ljust(width)


def _name(answer: Answer, row: Row) -> Text:
    if row.statement is not None:
        return _highlighted(line(row.statement.template, 500))
    named = _named(row.name)
    return Text(named, "dim italic" if answer.group_by == "fingerprint" or not row.name else "")


def _named(name: str) -> str:
    return line(name, 250) or "(none)"


def _change(answer: Answer, row: Row) -> Text:
    measure = answer.order_by
    before = row.before.of(measure) if row.before else 0.0
    more = gained(row.measures.of(measure), before)
    told = _CHANGES.get(row.change) or more or line(row.change, 8)
    return Text(told, _CHANGE_STYLES.get(row.change, ""))


def _failed_style(share: float) -> str:
    return "bold red" if share >= _MANY_FAILED else "yellow" if share >= _SOME_FAILED else ""


def _seconds(value: float | None) -> str:
    return "–" if value is None else duration(value)


def _details(shown: Shown, width: int) -> list[Text]:
    name = shown.choice.filters[-1][1]
    row = next((row for row in shown.answer.rows if row.name == name), None) if shown.answer else None
    first = [("fingerprint ", ""), (_named(name), "bold")]
    if shown.answer is None or row is None:
        why = "No such queries in this window." if shown.is_current else "asking …"
        return [_one_line(*first), Text(""), Text(why, "yellow")]
    statement = row.statement
    if statement:
        first.append((f"  {line(statement.query_type, 40)}", "bold"))
        seen = (
            f"first seen {moment(statement.first_seen)}" if statement.first_seen else "first seen before that was kept"
        )
        first.append((f"  {seen}", "dim"))
    found = [_one_line(*first)]
    found += _facts(shown.answer, row, width)
    found.append(Text(""))
    if statement is None:
        found.append(Text("Its template is not kept: it has what is no longer kept apart.", "dim"))
        return found
    template = statement.template[:LONGEST_TEMPLATE]
    for one in lines(template):
        found += [_highlighted(part) for part in _wrapped(one, width)] or [Text("")]
    if more := len(statement.template) - len(template):
        found.append(Text(f"… and {more:,} characters more; the API has the whole", "dim"))
    return found


def _facts(answer: Answer, row: Row, width: int) -> Iterator[Text]:
    sums = row.measures
    ended = f"{count(sums.finished)} finished, {count(sums.failed)} failed, {count(sums.canceled)} canceled"
    in_vain = f"{duration(sums.failed_cpu_seconds)} of it in vain"
    again = f"{count(sums.repeated_queries)} with CPU {duration(sums.repeated_cpu_seconds)}"
    facts = [
        ("runs", f"{count(sums.queries)}: {ended}, of {count(row.users)} user{'' if row.users == 1 else 's'}"),
        ("CPU", f"{duration(sums.cpu_seconds)}, {in_vain}; memory {memory_time(sums.memory_byte_seconds)}"),
        ("elapsed", f"{_percentiles(row.elapsed)}; in the queue {_percentiles(row.queued)}"),
        ("read", f"{size(sums.input_bytes)}, {count(sums.input_rows)} rows"),
        ("repeats", again),
    ]
    if row.before:
        before = f"{count(row.before.queries)} runs with CPU {duration(row.before.cpu_seconds)}"
        facts.append(("before", f"{before}; {_MEASURES[answer.order_by].label} now: {_change(answer, row).plain}"))
    if row.statement:
        facts.append(("reads", ", ".join(map(_named, row.statement.read)) or "no table"))
        if row.statement.written:
            facts.append(("writes", ", ".join(map(_named, row.statement.written))))
    if answer.rows == (row,) and answer.errors:
        facts.append(("errors", ", ".join(f"{_named(name)} {count(number)}" for name, number in answer.errors)))
    for label, value in facts:
        for at, part in enumerate(_wrapped(value, width - 9)):
            yield _one_line((f"{'' if at else label:<9}", "dim"), part)


def _wrapped(text: str, width: int) -> Iterator[str]:
    """Yield *text* in parts that are not wider than *width* cells, broken at blanks where there are any."""
    while text:
        begin = text[: 2 * width]  # as good as the whole, which may be long
        part, *more = chop_cells(begin, width)
        if more and part.lstrip().count(" "):
            part = part[: part.rindex(" ") + 1]
        yield part.rstrip() if more else part
        text = text[len(part) :]


def _percentiles(of: Percentiles) -> str:
    return f"p50 {_seconds(of.p50)}, p95 {_seconds(of.p95)}, p99 {_seconds(of.p99)}"


def _highlighted(text: str) -> Text:
    """Return SQL that is `plain` already, its words in capitals and its places of literals in colour."""
    shown = Text(text, no_wrap=True, overflow="ellipsis")
    for match in _WORDS.finditer(text):
        shown.stylize("yellow" if match[0] == "?" else "cyan", *match.span())
    return shown


def _foot(choice: Choice) -> Text:
    if choice.is_opened:
        keys = [("q", "quit"), ("Esc", "back"), ("↑↓", "scroll"), ("w", "window"), ("c", "compare")]
    else:
        keys = [("q", "quit"), ("g", "group"), ("o", "order"), ("r", "reverse"), ("w", "window"), ("c", "compare")]
        keys += [("↑↓", "move"), ("Enter", "open")]
        keys += [("Esc", "back")] if choice.before else []
    return _one_line(*(part for key, does in keys for part in ((key, "bold reverse"), f" {does} ")))


class _Measure(NamedTuple):
    label: str
    """In a sentence."""
    title: str
    """Of its column."""
    width: int
    figure: Callable[[float], str]


_MEASURES = {
    "queries": _Measure("runs", "runs", 5, count),
    "finished": _Measure("finished", "finished", 5, count),
    "failed": _Measure("failed", "failed", 5, count),
    "canceled": _Measure("canceled", "canceled", 5, count),
    "cpu_seconds": _Measure("CPU", "CPU", 5, duration),
    "failed_cpu_seconds": _Measure("CPU in vain", "in vain", 5, duration),
    "input_bytes": _Measure("read", "read", 6, size),
    "input_rows": _Measure("rows read", "rows", 5, count),
    "memory_byte_seconds": _Measure("memory", "memory", 8, memory_time),
    "queued_seconds": _Measure("queued", "queued", 5, duration),
    "elapsed_seconds": _Measure("elapsed", "elapsed", 5, duration),
    "repeated_queries": _Measure("repeats", "repeats", 5, count),
    "repeated_cpu_seconds": _Measure("CPU of repeats", "repeat CPU", 5, duration),
}
_GROUPS = {
    "fingerprint": "fingerprint",
    "user": "user",
    "source": "source",
    "table": "table",
    "catalog": "catalog",
    "query_type": "type",
    "cluster": "cluster",
}
_CHANGES = {"new": "new", "vanished": "gone"}
_CHANGE_STYLES = {"new": "magenta", "grew": "yellow", "shrank": "green", "vanished": "dim", "same": "dim"}
_FIGURES = {
    "p50": _Column("p50", 5, lambda _, row: Text(_seconds(row.elapsed.p50))),
    "p95": _Column("p95", 5, lambda _, row: Text(_seconds(row.elapsed.p95))),
    "change": _Column("change", 6, _change),
    "failed_share": _Column(
        "fail%", 5, lambda _, row: Text(percent(ratio(row.measures.failed, row.measures.queries)), "dim")
    ),
    "users": _Column("users", 5, lambda _, row: Text(count(row.users), "dim")),
}
_PLACES = (
    "id",
    "queries",
    "failed",
    "failed_share",
    *(name for name in _MEASURES if name not in ("queries", "failed", "repeated_queries", "repeated_cpu_seconds")),
    "share",
    "p50",
    "p95",
    "repeated_queries",
    "repeated_cpu_seconds",
    "users",
    "change",
)
"""From left to right."""

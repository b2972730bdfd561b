"""The form of filters, which needs no script, and the filters in force, each with a link that takes it away.

A form sends all its fields, empty ones too, while an empty parameter of an address asks for the queries without a
user. So the form marks what it sends with ``form``, and `submitted` makes of it the parameters of the address that the
browser is sent on to. What its fields cannot hold (several values, an empty one, a control) it carries in ``keep``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from exporter.errors import QuestionError
from exporter.expose import page_address
from exporter.expose.page_text import MEASURES, is_seen, moment, name, plain_name, span, text
from exporter.report import question as questions
from exporter.report.question import Change, Group, Question

Parameters = Sequence[tuple[str, str]]

WINDOWS = ("1h", "6h", "24h", "7d", "30d", "90d")
QUERY_TYPES = (
    *("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "DESCRIBE", "EXPLAIN", "ANALYZE"),
    *("ALTER_TABLE_EXECUTE", "DATA_DEFINITION", "UNKNOWN"),
)
GROUPS = {
    Group.FINGERPRINT: "fingerprint",
    Group.USER: "user",
    Group.SOURCE: "source",
    Group.TABLE: "table",
    Group.CATALOG: "catalog",
    Group.QUERY_TYPE: "query type",
    Group.CLUSTER: "cluster",
}
CHANGES = {
    Change.NEW: "new",
    Change.GREW: "grew by a quarter or more",
    Change.SHRANK: "shrank by a quarter or more",
    Change.SAME: "about the same",
    Change.VANISHED: "vanished",
}
_CHIPS = {
    "cluster": "Cluster",
    "user": "User",
    "source": "Source",
    "fingerprint": "Fingerprint",
    "query_type": "Query type",
    "table": "Table",
    "catalog": "Catalog",
}
_MARK = "form"
_KEEP = "keep"
_ONE = ("window", "search", "change", "group_by", "order_by", "order")
_SEVERAL = ("cluster", "user", "source", "query_type", "table", "catalog")
_KEPT = (*_ONE, *_SEVERAL, "fingerprint", "until")
"""Not kept: offset, for another question begins at its first row, and what the page decides itself."""


def submitted(parameters: Parameters) -> Parameters | None:
    """Return the parameters that a form sent without its empty fields, None if no form sent them."""
    if not any(key == _MARK for key, _ in parameters):
        return None
    kept: list[tuple[str, str]] = []
    for key, value in parameters:
        if key == _KEEP:
            kept += parse_qsl(value, keep_blank_values=True)
        elif key != _MARK and value:
            kept.append((key, value.strip() if key in _SEVERAL else value))
    return kept


def form(address: str, parameters: Parameters, clusters: Sequence[str], *, whole: bool = True) -> str:
    """Return the form that sends to *address*, filled with *parameters*, good or not.

    It has a field for each filter; not *whole*: for the window and the cluster.
    """
    action, _, own = address.partition("?")  # a form puts its fields in place of what the address has
    given: dict[str, list[str]] = {}
    for key, value in parameters:
        given.setdefault(key, []).append(value)
    simple = {key: values[0] for key, values in given.items() if _fits(key, values)}
    kept = [(key, value) for key, value in parameters if key in _KEPT and key not in simple]
    keep = page_address.encoded([*parse_qsl(own, keep_blank_values=True), *kept])
    fields = [
        f'<input type="hidden" name="{_MARK}" value="1">',
        f'<input type="hidden" name="{_KEEP}" value="{text(keep)}">' if keep else "",
        _select("window", "Window", _windows(simple.get("window", "")), _same_window(simple.get("window", ""))),
        _select("cluster", "Cluster", [("", "all"), *((one, plain_name(one)) for one in clusters if one)], simple),
    ]
    if whole:
        fields += [
            _input("search", "Text in the query", simple, "e.g. join orders", "search"),
            _input("user", "User", simple),
            _input("source", "Source", simple),
            _input("table", "Table", simple),
            _input("catalog", "Catalog", simple),
            _select("query_type", "Query type", [("", "any"), *((kind, kind) for kind in QUERY_TYPES)], simple),
            _select("change", "Change", [("", "any"), *CHANGES.items()], simple),
            _select("group_by", "Group by", GROUPS.items(), simple, Group.FINGERPRINT),
            _select("order_by", "Order by", [(key, one.label) for key, one in MEASURES.items()], simple, "cpu_seconds"),
            _select("order", "Direction", [("desc", "most first"), ("asc", "least first")], simple, "desc"),
        ]
    return (
        f'<details class="filters{"" if whole else " few"}" open><summary>Filters</summary>'
        f'<form method="get" action="{text(action)}" role="search" aria-label="Filters">{"".join(fields)}'
        f'<div class="buttons"><button>Apply</button><a href="{text(address)}">Reset</a></div></form></details>'
    )


def _fits(key: str, values: Sequence[str]) -> bool:
    """True if a field of the form shows and sends back what is given."""
    if len(values) > 1 or not is_seen(values[0]):
        return False
    return key in _ONE or (key in _SEVERAL and values[0] != "" and values[0] == values[0].strip())


def _windows(given: str) -> list[tuple[str, str]]:
    options = [(window, _words(window)) for window in WINDOWS]
    if given and _seconds(given) not in map(_seconds, WINDOWS):
        options.append((given, _words(given)))
    return options


def _same_window(given: str) -> dict[str, str]:
    seconds = _seconds(given or WINDOWS[2])
    return {"window": next((window for window in WINDOWS if _seconds(window) == seconds), given)}


def _seconds(window: str) -> float | None:
    try:
        return questions.parse([("window", window)]).window
    except QuestionError:
        return None


def _words(window: str) -> str:
    seconds = _seconds(window)
    return plain_name(window) if seconds is None else span(seconds)


def _select(
    key: str, label: str, options: Iterable[tuple[str, str]], given: Mapping[str, str], default: str = ""
) -> str:
    chosen = given.get(key) or default
    options = list(options)
    if chosen not in dict(options):
        options.append((chosen, plain_name(chosen)))
    choices = "".join(
        f'<option value="{text(value)}"{" selected" if value == chosen else ""}>{text(words)}</option>'
        for value, words in options
    )
    return f'<label class="{key}"><span>{label}</span><select name="{key}">{choices}</select></label>'


def _input(key: str, label: str, given: Mapping[str, str], hint: str = "any", kind: str = "text") -> str:
    return (
        f'<label class="{key}"><span>{label}</span><input type="{kind}" name="{key}" '
        f'value="{text(given.get(key, ""))}" placeholder="{hint}" autocomplete="off" spellcheck="false"></label>'
    )


def chips(question: Question, address: Callable[[Question], str]) -> str:
    """Return the filters in force, each with a link to *address* without it; empty if there are none."""
    found: list[tuple[str, str, Question]] = []
    for key, field in questions.FILTERS.items():
        values: tuple[str, ...] = getattr(question, field)
        for value in values:
            others: dict[str, Any] = {field: tuple(other for other in values if other != value)}
            found.append((_CHIPS[key], name(value), replace(question, **others)))
    if question.search:
        found.append(("Text", name(question.search), replace(question, search="")))
    if question.change:
        found.append(("Change", text(CHANGES[question.change]), replace(question, change=None)))
    if question.until is not None:
        found.append(("Until", moment(question.until), replace(question, until=None)))
    items = "".join(
        f'<li><span class="soft">{label}</span> {shown} <a href="{text(address(without))}" '
        f'aria-label="Remove this filter: {label}" title="Remove">×</a></li>'
        for label, shown, without in found
    )
    return f'<ul class="chips" aria-label="Filters in force">{items}</ul>' if items else ""

"""Addresses of the pages: all that a page shows is in its query string, so that it can be sent to somebody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

from exporter.report import question as questions
from exporter.report.question import Group, Question

OVERVIEW = "/queries"
API = "/api/v1/queries"

_FIELDS_OF_GROUPS = {
    Group.SOURCE: "sources",
    Group.TABLE: "tables",
    Group.CATALOG: "catalogs",
    Group.QUERY_TYPE: "query_types",
    Group.CLUSTER: "clusters",
}


def encoded(parameters: Sequence[tuple[str, str]]) -> str:
    """Return the parameters as a query string."""
    return urlencode(parameters, errors="replace")


def overview(question: Question, **changes: Any) -> str:
    """Return the address of the overview that answers *question* with these *changes*, from its first row on."""
    changes.setdefault("offset", 0)
    return _address(OVERVIEW, _asked(replace(question, compare=False, trend=False, **changes)))


def api(question: Question) -> str:
    """Return the address of the API's answer to *question*."""
    return _address(API, _asked(question))


def fingerprint(question: Question, identity: str) -> str:
    """Return the address of a fingerprint's page, for the window and clusters of *question*."""
    return _address(f"{OVERVIEW}/fingerprint/{quote(identity, safe='', errors='replace')}", _asked(scope(question)))


def user(question: Question, name: str) -> str:
    """Return the address of a user's page, for the window and clusters of *question*."""
    return _address(f"{OVERVIEW}/user", [("name", name), *_asked(scope(question))])


def group(question: Question, name: str) -> str:
    """Return where the name of a group leads: to its own page, or to the fingerprints in it."""
    if question.group_by is Group.FINGERPRINT:
        return fingerprint(question, name)
    if question.group_by is Group.USER:
        return user(question, name)
    narrowed: dict[str, Any] = {_FIELDS_OF_GROUPS[question.group_by]: (name,)}
    return overview(question, group_by=Group.FINGERPRINT, change=None, **narrowed)


def with_question(address: str, question: Question) -> str:
    """Return *address*, which may have parameters of its own, with the question."""
    parameters = encoded(_asked(replace(question, compare=False, trend=False)))
    return address + (f"{'&' if '?' in address else '?'}{parameters}" if parameters else "")


def scope(question: Question) -> Question:
    """Return the question with its window and clusters alone."""
    return Question(window=question.window, until=question.until, clusters=question.clusters)


def _asked(question: Question) -> list[tuple[str, str]]:
    return questions.parameters(question)


def _address(path: str, parameters: Sequence[tuple[str, str]]) -> str:
    return f"{path}?{encoded(parameters)}" if parameters else path

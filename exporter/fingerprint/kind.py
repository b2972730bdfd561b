"""What type of query a text is, in the engines' own words (Trino's ``QueryType``), by its leading words alone."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.fingerprint.words import QUERY_STARTS, words

UNKNOWN = "UNKNOWN"

_BY_FIRST_WORD = {
    **dict.fromkeys(QUERY_STARTS, "SELECT"),
    **dict.fromkeys(("show", "describe", "desc"), "DESCRIBE"),
    **{word: word.upper() for word in ("insert", "update", "delete", "merge", "explain", "analyze")},
    **dict.fromkeys(
        words(
            """create alter drop comment truncate grant revoke deny call set reset use prepare deallocate commit
    rollback"""
        ),
        "DATA_DEFINITION",
    ),
}
_BY_FIRST_WORDS = {
    ("start", "transaction"): "DATA_DEFINITION",
    ("refresh", "materialized", "view"): "INSERT",
}


def query_type(tokens: Sequence[str]) -> str:
    """Return the type of the statement that canonical *tokens* are, ``UNKNOWN`` if no statement begins like them."""
    start = 0
    while tuple(tokens[start : start + 2]) == ("explain", "analyze"):
        start = after_explain(tokens, start)
    first = tokens[start] if start < len(tokens) else ""
    if first == "create" and _creates_from_query(tokens, start):
        return "INSERT"
    if first == "alter" and _executes(tokens, start):
        return "ALTER_TABLE_EXECUTE"
    if first == "(":
        while first == "(":
            start += 1
            first = tokens[start] if start < len(tokens) else ""
        return "SELECT" if first in QUERY_STARTS else UNKNOWN
    for phrase, kind in _BY_FIRST_WORDS.items():
        if tuple(tokens[start : start + len(phrase)]) == phrase:
            return kind
    return _BY_FIRST_WORD.get(first, UNKNOWN)


def after_explain(tokens: Sequence[str], start: int) -> int:
    """Return where the statement begins that the EXPLAIN at *start* explains."""
    start += 1
    for word in ("analyze", "verbose"):
        start += tuple(tokens[start : start + 1]) == (word,)
    if tuple(tokens[start : start + 1]) == ("(",) and tuple(tokens[start + 1 : start + 2]) in (("type",), ("format",)):
        while start < len(tokens) and tokens[start] != ")":
            start += 1
        start += 1
    return start


def after_name(tokens: Sequence[str], start: int) -> int:
    """Return where the qualified name that begins at *start* ends."""
    end = start + 1
    while end + 1 < len(tokens) and tokens[end] == ".":
        end += 2
    return end


def after_if_exists(tokens: Sequence[str], start: int) -> int:
    """Return where the name begins that may stand behind IF EXISTS or IF NOT EXISTS."""
    for phrase in (("if", "exists"), ("if", "not", "exists")):
        if tuple(tokens[start : start + len(phrase)]) == phrase:
            return start + len(phrase)
    return start


def _creates_from_query(tokens: Sequence[str], start: int) -> bool:
    """True for CREATE TABLE … AS."""
    start += 3 if tuple(tokens[start + 1 : start + 3]) == ("or", "replace") else 1
    if tokens[start : start + 1] not in (("table",), ["table"]):
        return False
    depth = 0
    for index in range(start, len(tokens)):
        word = tokens[index]
        depth += (word in ("(", "[")) - (word in (")", "]"))
        if word == "as" and depth == 0 and tokens[index - 1] != "stored":
            return True
    return False


def _executes(tokens: Sequence[str], start: int) -> bool:
    """True for ALTER TABLE … EXECUTE."""
    if tuple(tokens[start + 1 : start + 2]) != ("table",):
        return False
    after = after_name(tokens, after_if_exists(tokens, start + 2))
    return tuple(tokens[after : after + 1]) == ("execute",)

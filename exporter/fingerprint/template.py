"""The template of a fingerprint: its canonical tokens, laid out like SQL that a person would write.

White space and letter case are all that is added, so a template has the id of the texts it was made of.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.fingerprint.lexical import LITERAL
from exporter.fingerprint.words import INTERVAL_UNITS, RESERVED, is_operand, words

_WIDTH = 100
"""Characters after which the next comma, AND or OR begins a new line."""
_STEP = "  "
_DEEPEST_INDENT = 12

_KEYWORDS = RESERVED | words(
    """all any asc desc if ignore lateral matched materialized nulls over partition preceding following
    recursive respect tablesample try_cast unbounded ordinality explain analyze call"""
)
_LEADING_KEYWORDS = words(
    """branch catalog column columns comment commit current deny external function grant immediate input merge
    on output refresh replace reset revoke role rollback schema schemas session set show start stats tables
    transaction truncate type update use verbose view"""
)
"""Keywords at the beginning of a statement; further on they are as likely names."""
_KEYWORDS_BEFORE: dict[str, set[str]] = {
    "limit": {LITERAL, "all"},
    "offset": {LITERAL},
    "fetch": {"first", "next"},
    "rows": {"between", "unbounded", "current", LITERAL},
    "range": {"between", "unbounded", "current", LITERAL},
    "groups": {"between", "unbounded", "current", LITERAL},
    "current": {"row"},
    "array": {"["},
    "row": {"("},
    "view": {"if"},
    "update": {"set"},
    "within": {"group"},
    "filter": {"("},
    **{kind: {LITERAL} for kind in words("date time timestamp interval decimal char real double json uuid ipaddress")},
}
_CALLS = words(
    """cast extract grouping json_array json_exists json_object json_query json_table json_value listagg
    normalize trim unnest localtime localtimestamp current_time current_timestamp table"""
)
"""Reserved words that are written like functions."""
_MAY_BE_KEYWORDS = _KEYWORDS | _LEADING_KEYWORDS | frozenset(_KEYWORDS_BEFORE) | INTERVAL_UNITS
_NO_SPACE_BEFORE = frozenset((",", ")", "]", ".", ";"))
_NO_SPACE_AFTER = frozenset(("", "(", "[", "."))
_SET_OPERATIONS = frozenset(("union", "intersect", "except"))
_PRIVILEGES = frozenset(("grant", "revoke", "deny"))
_JOINS = words("join left right full cross natural")
_MAY_BEGIN_LINES = RESERVED | words("limit offset fetch set")
"""Besides the first word in a bracket, and what follows a comma."""


class _Bracket:
    """One bracket that is open, or the whole text."""

    clause = ""
    is_between = False
    """Between BETWEEN and its AND."""

    def __init__(self, *, is_query: bool, is_condition: bool = False) -> None:
        self.is_query = is_query
        self.is_condition = is_condition
        """A query in a condition, which stands further in than the clause."""


def template(tokens: Sequence[str]) -> str:
    """Return canonical *tokens* as text: clauses on lines of their own, keywords in upper case, names in lower."""
    pieces: list[str] = []
    bracket = _Bracket(is_query=True)
    outer: list[_Bracket] = []
    indent, column, before, last = 0, 0, "", ""
    for index, word in enumerate(tokens):
        following = tokens[index + 1] if index + 1 < len(tokens) else ""
        line: int | None = None
        """The depth at which a new line begins."""
        if word in (")", "]") and outer:
            if bracket.is_query:
                indent -= 1
                line = indent
                indent -= bracket.is_condition
            bracket = outer.pop()
        elif bracket.is_query and (word in _MAY_BEGIN_LINES or last == "," or not bracket.clause):
            line = _line(bracket, last, word, following, column, indent)
            if last == "(" and outer:
                line = indent
        elif column > _WIDTH and last == ",":
            line = indent + 2
        if line is not None and pieces:
            space = "\n" + _STEP * min(line, _DEEPEST_INDENT)
            column = len(space)
        else:
            space = "" if _is_glued(before, last, word) else " "
        is_keyword = word in _MAY_BE_KEYWORDS and _is_keyword(last, word, following, index)
        spelled = word.upper() if is_keyword else word
        pieces += (space, spelled)
        column += len(space) + len(spelled)
        if word in ("(", "["):
            outer.append(bracket)
            is_query = word == "(" and following in ("select", "with")
            bracket = _Bracket(is_query=is_query, is_condition=is_query and bracket.clause in ("where", "having"))
            indent += bracket.is_query + bracket.is_condition
        before, last = last, word
    return "".join(pieces)


def _line(bracket: _Bracket, last: str, word: str, following: str, column: int, indent: int) -> int | None:
    """Return the depth at which *word* begins a new line inside a query, None if it goes on with the line."""
    clause = bracket.clause
    if clause in _PRIVILEGES:
        return None
    if word in RESERVED and _begins_clause(bracket, last, word, following):
        bracket.clause = word
        return indent
    if word in ("limit", "offset", "fetch") and following in _KEYWORDS_BEFORE[word]:
        bracket.clause = word
        return indent
    if word == "set" and clause == "update":
        return indent
    if not clause:
        bracket.clause = word
    if last == ",":
        if clause == "with":
            return indent
        return indent + 2 if column > _WIDTH else None
    if word == "between":
        bracket.is_between = True
    elif word == "and" and bracket.is_between:
        bracket.is_between = False
    elif word in ("and", "or") and (clause in ("where", "having") or column > _WIDTH):
        return indent + 1
    return None


def _begins_clause(bracket: _Bracket, last: str, word: str, following: str) -> bool:
    clause = bracket.clause
    if word == "from":
        return clause == "select" and last != "distinct"
    if word in ("where", "having") or word in _SET_OPERATIONS:
        return True
    if word in ("group", "order"):
        return following == "by"
    if word in _JOINS:
        return last not in _JOINS and clause in ("from", "join", *_JOINS)
    if word == "select":
        return True
    if word == "with":
        return following != "(" and (last == "as" or clause == "insert")
    if word == "when":
        return following in ("matched", "not") and clause in ("merge", "using", "when")
    if word == "using":
        return clause == "merge"
    return word == "values" and clause == "insert"


def _is_keyword(last: str, word: str, following: str, index: int) -> bool:
    if last == "." or following == ".":
        return False
    return (
        word in _KEYWORDS
        or following in _KEYWORDS_BEFORE.get(word, ())
        or (index < 8 and word in _LEADING_KEYWORDS and following not in ("(", "=", ","))
        or (word in INTERVAL_UNITS and last == LITERAL)
    )


def _is_glued(before: str, last: str, word: str) -> bool:
    """True if no space goes between *last* and *word*; whatever could be read as one word is kept apart."""
    if last in _NO_SPACE_AFTER or word in _NO_SPACE_BEFORE:
        return True
    if word == "(":
        return last in _CALLS or (is_operand(last) and last not in (")", "]", LITERAL) and last not in _KEYWORDS)
    if word == "[":
        return is_operand(last) or last == "array"
    return last in ("-", "+") and not is_operand(before) and not word.startswith(("-", "+", ">"))

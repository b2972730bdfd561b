"""Which tables and views a text reads and writes, by one walk over its canonical tokens.

No grammar is needed: a table stands after the words that announce one (FROM, JOIN, INTO, TABLE, …), and a comma in a
FROM clause announces the next. What has to be followed is only which bracket is in which clause, and which names of
WITH are in scope. One pass with a stack of our own, so linear, and no text can make it fail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from exporter.fingerprint.kind import after_explain, after_if_exists, after_name
from exporter.fingerprint.words import RESERVED, words

_ENDS_FROM = words("where group having order union intersect except")
_ENDS_FROM_BEFORE = {
    "limit": ("?", "all"),
    "offset": ("?",),
    "fetch": ("first", "next"),
}
"""Words that end FROM only before these; elsewhere they are the alias of a table."""

_CHANGES_SCOPE = _ENDS_FROM | words("( ) [ ] , ; with table select values from join using limit offset fetch window")
"""All other words say nothing, but where a table is expected."""


class Tables(NamedTuple):
    """Names in lower case, with as many parts as were written, each once, sorted."""

    named: tuple[str, ...]
    """All of them."""
    read: tuple[str, ...]
    written: tuple[str, ...]
    """Made, changed or removed: their rows, columns, names or comments. One may be in both."""


class _Scope:
    """One bracket that is open, or the whole text."""

    in_select = False
    """Between SELECT and its FROM."""
    ctes: list[str] | None = None
    """Names of WITH that end with this bracket."""

    def __init__(self, *, expects_table: bool = False, body_of: str = "", is_recursive: bool = False) -> None:
        self.expects_table = expects_table
        """The next word is a table, or the bracket around one."""
        self.in_from = expects_table
        """In a FROM clause: a comma announces a table."""
        self.body_of = body_of
        """The name of WITH that this bracket defines; in scope inside only if RECURSIVE."""
        self.is_recursive = is_recursive


class _Walk:
    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = tokens
        self.read: set[str] = set()
        self.written: set[str] = set()
        self.targets = self.written
        """Where what the statement is about goes: what EXPLAIN and PREPARE only look at is read."""
        self.visible: Counter[str] = Counter()
        self.scope = _Scope()
        self.stack: list[_Scope] = []
        self.awaits_source = False
        """In a MERGE whose USING is still to come."""

    @cached_property
    def closer(self) -> dict[int, int]:
        return _matching(self.tokens)

    def at(self, index: int) -> str:
        return self.tokens[index] if 0 <= index < len(self.tokens) else ""

    def run(self) -> None:
        tokens, count = self.tokens, len(self.tokens)
        index = self.statement(0)
        while index < count:
            if tokens[index] in _CHANGES_SCOPE or self.scope.expects_table:
                index = self.step(index)
            else:
                index += 1

    def statement(self, index: int) -> int:
        """Begin the statement at *index*; return where to go on."""
        self.targets = self.written
        while True:
            first = self.at(index)
            if first == "explain":
                is_run = self.at(index + 1) == "analyze"
                index = after_explain(self.tokens, index)
            elif first == "prepare" and self.at(index + 2) == "from":
                is_run = False
                index += 3
            else:
                return self.target(index)
            if not is_run:
                self.targets = self.read

    def target(self, index: int) -> int:
        """Take the table that the first words of the statement speak of; return where to go on."""
        first, second = self.at(index), self.at(index + 1)
        match first, second:
            case ("insert" | "merge", "into") | ("delete", "from"):
                self.awaits_source = first == "merge"
                return self.name(index + (3 if self.at(index + 2) == "table" else 2), self.targets)
            case ("truncate", "table"):
                return self.of_kind(index + 1, self.targets)
            case ("update", _):
                return self.name(index + 1, self.targets)
            case ("analyze", _):
                return self.name(index + 1, self.read)
            case ("describe" | "desc", _):
                if second in ("input", "output") and _is_name(self.at(index + 2)):
                    return len(self.tokens)
                return self.name(index + 1, self.read)
            case ("show", _):
                return self.shown(index + 1)
            case ("comment", "on"):
                return self.commented(index + 2, self.targets)
            case ("grant" | "revoke" | "deny", _):
                return self.granted(index + 1)
            case ("create" | "drop" | "alter" | "refresh", _):
                return self.defined(index)
        return index

    def shown(self, index: int) -> int:
        """Take the table that SHOW speaks of: of COLUMNS, CREATE, STATS, COMMENT, GRANTS and PARTITIONS."""
        match self.at(index), self.at(index + 1):
            case ("columns" | "partitions" | "index" | "indexes", "from" | "in") | ("stats", "for"):
                return self.name(index + 2, self.read)
            case ("create", _):
                return self.of_kind(index + 1, self.read)
            case ("comment", "on"):
                return self.commented(index + 2, self.read)
            case ("grants", "on"):
                return self.name(index + (3 if self.at(index + 2) == "table" else 2), self.read)
            case ("branches", _):
                return index
        return len(self.tokens)

    def commented(self, index: int, names: set[str]) -> int:
        if self.at(index) == "column" and _is_name(self.at(index + 1)):
            end = after_name(self.tokens, index + 1)
            if end - index > 2:
                self.add(index + 1, end - 2, names)
            return end
        return self.of_kind(index, names)

    def granted(self, index: int) -> int:
        """Take the table of GRANT … ON [kind] name; nothing if roles are granted, or on another kind of thing."""
        while index < len(self.tokens) and self.at(index) != "on":
            index += 1
        index += 1
        kind, following = self.at(index), self.at(index + 1)
        if kind == "table" or following in (".", "to", "from"):
            self.name(index + (kind == "table"), self.read)
        elif kind == "view":
            self.name(index + 1, self.read)
        return len(self.tokens)

    def defined(self, index: int) -> int:
        """Take the table or view of CREATE, DROP, ALTER and REFRESH, its new name, and the table that it is LIKE."""
        verb = self.at(index)
        index += 1
        if self.at(index) == "or" and self.at(index + 1) == "replace":
            index += 2
        while self.at(index) in ("external", "temporary"):
            index += 1
        if self.at(index) == "branch":  # IN TABLE …
            while index < len(self.tokens) and self.at(index) != "table":
                index += 1
        if self.at(index) not in ("table", "view", "materialized"):
            return index
        index = self.of_kind(index, self.targets)
        if verb == "alter" and self.at(index) == "rename" and self.at(index + 1) == "to":
            return self.name(index + 2, self.targets)
        if verb == "create" and self.at(index) == "like":
            return self.name(index + 1, self.read)
        if verb == "create" and self.at(index) == "(":
            self.liked(index)
            return self.closer.get(index, len(self.tokens)) + 1
        return index

    def liked(self, index: int) -> None:
        """Take the tables of LIKE in the list of columns that opens at *index*."""
        depth, end = 0, self.closer.get(index, len(self.tokens))
        while index < end:
            word = self.at(index)
            if word == "(":
                depth += 1
            elif word == ")":
                depth -= 1
            elif word == "like" and depth == 1 and self.at(index - 1) in ("(", ","):
                self.name(index + 1, self.read)
            index += 1

    def of_kind(self, index: int, names: set[str]) -> int:
        """Take the name after TABLE, VIEW or MATERIALIZED VIEW; pass over that of anything else."""
        if self.at(index) == "materialized":
            index += 1
        if self.at(index) not in ("table", "view"):
            return len(self.tokens)
        return self.name(after_if_exists(self.tokens, index + 1), names)

    def name(self, index: int, names: set[str]) -> int:
        """Add the table named at *index*, if one is, to *names*; return where its name ends."""
        if not _is_name(self.at(index)):
            return index
        end = after_name(self.tokens, index)
        if self.at(end) == ":" and _is_name(self.at(end + 1)):  # PrestoDB allows it inside a name
            end += 2
        self.add(index, end, names)
        return end

    def add(self, start: int, end: int, names: set[str]) -> None:
        name = "".join(_bare(part) for part in self.tokens[start:end])
        if end - start > 1 or not self.visible[name]:
            names.add(name)

    def step(self, index: int) -> int:
        """Read the word at *index*; return where to go on."""
        word, scope = self.tokens[index], self.scope
        if word in ("(", "["):
            self.open(_Scope(expects_table=word == "(" and scope.expects_table))
        elif word in (")", "]"):
            return self.close(index)
        elif word == "with":
            return self.with_list(index)
        elif word == "table":
            return self.table(index)
        elif word == "select":
            scope.in_select, scope.in_from, scope.expects_table = True, False, False
        elif word == "values":
            scope.in_from = scope.expects_table = False
        elif word == "from":
            # IS [NOT] DISTINCT FROM compares
            if scope.in_select and not (self.at(index - 1) == "distinct" and self.at(index - 2) in ("is", "not")):
                scope.in_select, scope.in_from, scope.expects_table = False, True, True
        elif word == "join" or (word == "," and scope.in_from):
            scope.expects_table = scope.in_from = True
        elif word == "using" and self.awaits_source and not self.stack:
            self.awaits_source = False
            scope.expects_table = True
        elif scope.expects_table:
            scope.expects_table = False
            if _is_name(word):
                end = after_name(self.tokens, index)
                if self.at(end) != "(":
                    return self.name(index, self.read)
                return end
        elif (
            word in _ENDS_FROM
            or self.at(index + 1) in _ENDS_FROM_BEFORE.get(word, ())
            or (word == "window" and self.at(index + 2) == "as")
        ):
            scope.in_from = False
        elif word == ";":
            self.visible.clear()
            self.stack.clear()
            self.scope = _Scope()
            return self.statement(index + 1)
        return index + 1

    def open(self, scope: _Scope) -> None:
        self.scope.expects_table = False
        self.stack.append(self.scope)
        self.scope = scope

    def close(self, index: int) -> int:
        if not self.stack:
            return index + 1
        closed = self.scope
        if closed.ctes:
            self.visible.subtract(closed.ctes)
        self.scope = self.stack.pop()
        if closed.body_of:
            if not closed.is_recursive:
                self.define(closed.body_of)
            if self.at(index + 1) == ",":
                return self.cte(index + 2, closed.is_recursive) or index + 1
        return index + 1

    def with_list(self, index: int) -> int:
        """Read WITH [RECURSIVE] name [(columns)] AS (; any other WITH says nothing of tables."""
        is_recursive = self.at(index + 1) == "recursive"
        return self.cte(index + 1 + is_recursive, is_recursive) or index + 1

    def cte(self, index: int, is_recursive: bool) -> int:
        """Open the body of the name of WITH at *index*; return where the body begins, 0 if there is none."""
        name, after = self.at(index), index + 1
        if self.at(after) == "(":
            after = self.closer.get(after, len(self.tokens)) + 1
        if not _is_name(name) or self.at(after) != "as" or self.at(after + 1) != "(":
            return 0
        self.scope.in_from = False
        if is_recursive:
            self.define(_bare(name))
        self.open(_Scope(body_of=_bare(name), is_recursive=is_recursive))
        return after + 2

    def define(self, name: str) -> None:
        if self.scope.ctes is None:
            self.scope.ctes = []
        self.scope.ctes.append(name)
        self.visible[name] += 1

    def table(self, index: int) -> int:
        """Read TABLE t, or TABLE(t) as an argument of a table function; TABLE(f(…)) calls one."""
        self.scope.expects_table = False
        start = index + 1
        if self.at(start) != "(":
            return self.name(start, self.read)
        if _is_name(self.at(start + 1)) and after_name(self.tokens, start + 1) == self.closer.get(start):
            self.name(start + 1, self.read)
        return start


def _matching(tokens: Sequence[str]) -> dict[int, int]:
    """Return where each bracket that is open is closed."""
    closers: dict[int, int] = {}
    opened: list[int] = []
    for index, word in enumerate(tokens):
        if word in ("(", "["):
            opened.append(index)
        elif word in (")", "]") and opened:
            closers[opened.pop()] = index
    return closers


def _is_name(word: str) -> bool:
    first = word[:1]
    return first == '"' or ((first == "_" or first.isalnum()) and word not in RESERVED)


def _bare(part: str) -> str:
    return part[1:-1].replace('""', '"') if part[0] == '"' else part


def tables_in(tokens: Sequence[str]) -> Tables:
    """Return the tables and views that canonical *tokens* name."""
    walk = _Walk(tokens)
    walk.run()
    read, written = walk.read, walk.written
    return Tables(tuple(sorted(read | written)), tuple(sorted(read)), tuple(sorted(written)))

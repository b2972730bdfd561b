"""`Fingerprinter`: from the text of a statement to its fingerprint, quickly for those seen before.

Two caches: by key (level 0 of a text), where nearly all texts of a workload end, and by id, since one id has a key per
layout. Both hold what was used lately and are bounded. Safe to share between threads: each step on a cache is atomic,
and a value lost to a race is made again, the same.
"""

from __future__ import annotations

import re
import sys
from hashlib import blake2b
from typing import NamedTuple

from exporter.fingerprint.canonical import fold
from exporter.fingerprint.kind import UNKNOWN, query_type
from exporter.fingerprint.lexical import BLOCK_COMMENT, IN_STRING, LINE_COMMENT, fingerprint_id, key, read
from exporter.fingerprint.patterns import possessive
from exporter.fingerprint.tables import tables_in
from exporter.fingerprint.template import template

LONGEST_TEXT = 256 * 1024
"""Characters of a statement that are read; a longer one is taken for cut there."""

MOST_TOKENS = 100_000
"""Tokens of a statement that are read: what people write is over at 256 Ki characters long before."""

_LONGEST_KEY = 4096
"""Longer keys are kept as a digest."""

_MOST_CHARACTERS = 16 * 1024 * 1024
"""Keys and templates in one generation of a cache: statements may be long, and no two alike."""


class Fingerprint(NamedTuple):
    """What is known of a statement from its text alone."""

    id: str
    """16 hexadecimal digits: the same for texts that differ only in what does not count (RULES.md)."""
    template: str
    """The statement without literals and comments; has the same id."""
    query_type: str
    """``SELECT``, ``INSERT``, …, as the engines name it; ``UNKNOWN`` for words that no statement begins with."""
    tables: tuple[str, ...]
    """Tables and views that are named, in lower case, with as many parts as were written, sorted."""
    parsed: bool
    """The text is whole, all of it could be read, and it begins like a statement. The rest was not checked."""
    truncated: bool
    """The text was cut, by the coordinator or here, so texts that differ behind the cut share an id."""
    read: tuple[str, ...]
    """Those of `tables` that the statement reads or only speaks of."""
    written: tuple[str, ...]
    """Those of `tables` that it makes, changes or removes; one may be in both."""


class Fingerprinter:
    """Makes fingerprints and remembers those made lately."""

    def __init__(self, max_keys: int = 20_000, max_ids: int = 5_000) -> None:
        self._by_key: _Recent = _Recent(max_keys)
        self._by_id: _Recent = _Recent(max_ids)

    def of(self, sql: str, prepared: str | None = None, truncated: bool = False) -> Fingerprint:
        """Return the fingerprint of *sql*, or of *prepared*, the text that an ``EXECUTE`` in *sql* runs.

        *truncated*: the text was cut by whoever gave it. No text makes this raise.
        """
        text = sql if prepared is None else prepared
        if len(text) > LONGEST_TEXT:
            text, truncated = text[:LONGEST_TEXT], True
        if truncated:
            text = text.removesuffix(" ...").removesuffix("...")  # what Trino's list writes behind the cut
        text, is_whole = _unwrapped(text)
        found = key(text)
        kept_as = found if len(found) <= _LONGEST_KEY else blake2b(found.encode(), digest_size=16).hexdigest()
        if truncated:
            kept_as = "\x1e" + kept_as
        elif not is_whole:
            kept_as = "\x1d" + kept_as
        fingerprint = self._by_key.get(kept_as)
        if fingerprint is None:
            fingerprint = self._make(found, truncated, is_whole)
            self._by_key.put(kept_as, fingerprint)
        return fingerprint

    def _make(self, found: str, truncated: bool, is_whole: bool) -> Fingerprint:
        words, is_clean = read(found, cut=truncated)
        if len(words) > MOST_TOKENS:
            words, truncated = words[:MOST_TOKENS], True
        tokens, is_balanced = fold(words, cut=truncated)
        made = fingerprint_id(tokens)
        known = self._by_id.get(made)
        kind = known.query_type if known else query_type(tokens)
        parsed = is_whole and is_clean and is_balanced and not truncated and kind != UNKNOWN
        if known is None:
            tables = tables_in(tokens)
            known = Fingerprint(
                id=made,
                template=template(tokens),
                query_type=kind,
                tables=tables.named,
                parsed=parsed,
                truncated=truncated,
                read=tables.read,
                written=tables.written,
            )
            self._by_id.put(made, known)
        if (parsed, truncated) != (known.parsed, known.truncated):
            return known._replace(parsed=parsed, truncated=truncated)
        return known


class _Recent:
    """A bounded cache: what was used last, in two generations, of which the older is dropped as a whole."""

    def __init__(self, size: int) -> None:
        self._half = max(1, size // 2)
        self._young: dict[str, Fingerprint] = {}
        self._old: dict[str, Fingerprint] = {}
        self._characters = 0

    def get(self, name: str) -> Fingerprint | None:
        value = self._young.get(name)
        if value is None:
            value = self._old.get(name)
            if value is not None:
                self.put(name, value)
        return value

    def put(self, name: str, value: Fingerprint) -> None:
        self._characters += len(name) + len(value.template)
        if len(self._young) >= self._half or self._characters > _MOST_CHARACTERS:
            self._old, self._young, self._characters = self._young, {}, 0
        self._young[name] = value


_DEEPEST_IMMEDIATE = 8
"""Statements in strings inside of this many are left in theirs: each is as long to read as all that is inside it."""

_COMMENTS = possessive(rf"(?:\s++|{LINE_COMMENT}|{BLOCK_COMMENT})*")
_execute_immediate = re.compile(
    rf"""(?P<before>{_COMMENTS}
           (?:explain\b{_COMMENTS}(?:analyze\b{_COMMENTS})?(?:verbose\b{_COMMENTS})?(?:\([^()']*+\){_COMMENTS})?)?)
         execute\b{_COMMENTS}immediate\b{_COMMENTS}
         (?P<unicode>u&)?'(?P<string>{IN_STRING})(?P<end>'?)
         (?:{_COMMENTS}uescape\b{_COMMENTS}'(?P<escape>[^'])')?""",
    re.IGNORECASE | re.VERBOSE,
).match


def _unwrapped(text: str) -> tuple[str, bool]:
    """Return the statement that EXECUTE IMMEDIATE runs (any other text as it is) and whether its string is closed."""
    is_whole = True
    for _ in range(_DEEPEST_IMMEDIATE):
        match = _execute_immediate(text)
        if not match:
            break
        string = match["string"].replace("''", "'")
        text = match["before"] + (_unescaped(string, match["escape"] or "\\") if match["unicode"] else string)
        is_whole = is_whole and bool(match["end"])
    return text, is_whole


def _unescaped(string: str, escape: str) -> str:
    """Return what U&'…' means; what is no escape stays."""
    mark = re.escape(escape)
    return re.sub(rf"{mark}(?:([0-9a-fA-F]{{4}})|\+([0-9a-fA-F]{{6}})|({mark}))", _character, string)


def _character(match: re.Match[str]) -> str:
    if match[3]:
        return str(match[3])
    code = int(match[1] or match[2], 16)
    return chr(code) if code <= sys.maxunicode else match[0]

"""Texts made at random, of statements and of what statements are made of; whatever they are, the promises hold.

A second or so by default, always the same texts. ``FUZZ_MINUTES=60 pytest tests/test_fingerprint_fuzz.py`` goes on
with others for that long; ``FUZZ_SEED`` chooses which.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

from exporter.fingerprint.fingerprint import Fingerprint, Fingerprinter
from tests import sql_variants

CORPUS = [
    json.loads(line)["sql"]
    for line in gzip.decompress((Path(__file__).parent / "data" / "sql" / "corpus.jsonl.gz").read_bytes()).splitlines()
]
BATCH = 50
BATCHES = 25
MINUTES = float(os.environ.get("FUZZ_MINUTES", "0"))
SEED = int(os.environ.get("FUZZ_SEED", str(time.time_ns()) if MINUTES else "0"))
LONGEST = 6_000

_PIECES = r"""
    select from where as in ( ) [ ] array values , . ? ?? 'a' 'it''s' 1 -1 - + .5 1. 1e5 1e- 5a 0x 0xF 0b2 1_0 "a
    "array" "x" "a b" "a""b" `a` a b t date interval day null true inner outer left join order by asc desc define
    create table view with recursive u& u&'\0041' x'0F' X uescape '!' ; like and or not between case end union <> !=
    -> => || -- --x /* */ /**/ $$ $ a$b $1 ` " ' … explain analyze verbose execute immediate prepare cast return
    default of for timestamp version update insert into merge using on grant show columns distinct is { } @ : # \ É
    İ Σ ß K ... ² ١ 〇 limit offset fetch first window row double precision unnest( lateral exists group having
    filter over refresh materialized comment drop alter rename to set execute optimize truncate describe function
    begin returns tablesample match_recognize json_table
"""
PIECES = _PIECES.split()
SPACES = (
    " ",
    "\n",
    "\t",
    "\r",
    "",
    "\x1f",
    "\x00",
    "\x04",
    "\x05",
    "\x0b",
    "\x85",
    "\u2028",
    "\ufeff",
    "\ud800",
    "\x1d",
)
WRAPPERS = (
    "EXPLAIN {}",
    "EXPLAIN ANALYZE {}",
    "PREPARE p FROM {}",
    "({})",
    "SELECT * FROM ({}) x",
    "CREATE TABLE t AS {}",
    "WITH a AS ({}) SELECT * FROM a",
    "x IN ({})",
    "VALUES ({}), ({})",
    "ARRAY[{}, {}]",
    "/* {} */",
    "'{}'",
    '"{}"',
    "$${}$$",
    "-- {}",
    "{};{}",
)


def soup(chance: random.Random) -> str:
    """Return pieces of statements in any order."""
    some = chance.choices(PIECES, k=chance.randrange(1, 12)) if chance.random() < 0.5 else PIECES
    gap = chance.choice(((" ",), ("",), ("", " "), SPACES))
    return "".join(chance.choice(some) + chance.choice(gap) for _ in range(chance.randrange(40)))


def mutated(text: str, chance: random.Random) -> str:
    """Return *text* with some change, of a character, a word, or the whole."""
    read = [token.text for token in sql_variants.tokens(text)] or [""]
    at = chance.randrange(len(read))
    match chance.randrange(10):
        case 0:
            del read[at]
        case 1:
            read.insert(at, read[at])
        case 2:
            read[at] = chance.choice(PIECES)
        case 3:
            read.insert(at, chance.choice(PIECES) + chance.choice(SPACES))
        case 4:
            other = chance.randrange(len(read))
            read[at], read[other] = read[other], read[at]
        case 5:
            place = chance.randrange(len(text) + 1)
            return text[:place] + chance.choice("'\"`()[],;.-/*?$\\ 1eEx\x1f\n") + text[place:]
        case 6:
            place = chance.randrange(len(text) + 1)
            return text[:place] + text[place + 1 :]
        case 7:
            return text[: chance.randrange(len(text) + 1)]
        case 8:
            inner = read[at] if chance.random() < 0.5 else text
            wrapped = chance.choice(WRAPPERS).replace("{}", inner)
            if chance.random() < 0.2:
                wrapped = "EXECUTE IMMEDIATE '" + wrapped.replace("'", "''") + "'" * chance.randrange(2)
            return wrapped if inner is text else "".join([*read[:at], wrapped, *read[at + 1 :]])
        case 9:
            end = chance.randrange(at, len(read)) + 1
            read[at:at] = read[at:end] * chance.randrange(1, 6)
    return "".join(read)


def any_text(chance: random.Random) -> str:
    text = soup(chance) if chance.random() < 0.3 else chance.choice(CORPUS)[:LONGEST]
    if chance.random() < 0.2:
        text += chance.choice(SPACES) + chance.choice(CORPUS)[:LONGEST]
    for _ in range(chance.randrange(6)):
        text = mutated(text, chance)[:LONGEST]
    return text


_LITERALS = re.compile(
    r"""(?P<line>--[^\r\n]*)
      | (?P<comment>/\*.*?(?:\*/|\Z))
      | (?P<body>\$\$.*?(?:\$\$|\Z))
      | (?P<string>'(?:[^']|'')*(?:'(?!')|\Z))
      | (?P<quoted>"(?:[^"]|"")*(?:"|\Z)|`(?:[^`]|``)*(?:`|\Z))
      | (?P<number>(?<![\w$.])(?:[1-9][0-9]*)(?![\w.]))
      | (?P<word>(?:\w|\$(?!\$))+)""",
    re.VERBOSE | re.DOTALL,
)


def planted(text: str, chance: random.Random, marks: list[str]) -> str:
    """Return *text* with a mark, added to *marks*, for each string, number, comment and body that is in it."""

    def mark() -> str:
        marks.append(f"zq{chance.randrange(10**9)}qz")
        return marks[-1]

    def replaced(match: re.Match[str]) -> str:
        kind, found = match.lastgroup, match[0]
        if kind == "line":
            return f"--{mark()}"
        if kind == "comment":
            return f"/*{mark()}" + "*/" * found.endswith("*/", 2)
        if kind == "body":
            return f"$${mark()}" + "$$" * found.endswith("$$", 2)
        if kind == "string":
            return f"'{mark()}" + "'" * (found.count("'") % 2 == 0)
        if kind == "number":
            marks.append(str(chance.randrange(10**12, 10**13)))
            return marks[-1]
        return found

    return _LITERALS.sub(replaced, text)


def problems(text: str, truncated: bool, warm: Fingerprinter, chance: random.Random) -> Iterator[str]:
    """Yield which promises *text* breaks."""
    found = Fingerprinter().of(text, truncated=truncated)
    if warm.of(text, truncated=truncated) != found:
        yield "what was seen before changes the fingerprint"
    again = Fingerprinter().of(found.template)
    if not truncated and again[:4] != found[:4]:
        yield f"its template has another fingerprint: {found} {again}"
    if not truncated and (again.read, again.written) != (found.read, found.written):
        yield f"its template reads and writes others: {found} {again}"
    if set(found.tables) != {*found.read, *found.written}:
        yield f"its tables are neither read nor written: {found}"
    found.template.encode()
    if "immediate" not in text.lower():  # whose string is a statement
        marks: list[str] = []
        other = Fingerprinter().of(planted(text, chance, marks), truncated=truncated)
        shown = "\n".join((other.template, *other.tables))
        yield from (f"{mark} shows: {other}" for mark in marks if mark in shown)
        if not truncated and other.id != found.id:
            yield f"literals and comments are not all that is taken away: {found} {other}"


def batches() -> Iterator[int]:
    """Yield seeds."""
    if not MINUTES:
        yield from range(BATCHES)
        return
    end, number = time.monotonic() + MINUTES * 60, 0
    while time.monotonic() < end:
        yield SEED + number
        number += 1


def test_texts_made_at_random_break_no_promise() -> None:
    """None raises, a template holds no literal and has the id that it stands for, and caches change nothing."""
    warm = Fingerprinter(max_keys=500, max_ids=100)
    broken: list[str] = []
    for seed in batches():
        chance = random.Random(seed)
        texts = [(any_text(chance), chance.random() < 0.1) for _ in range(BATCH)]
        for text, truncated in texts:
            broken += (f"{problem}: {text!r}" for problem in problems(text, truncated, warm, chance))
        orders: list[dict[tuple[str, bool], Fingerprint]] = []
        for _ in range(2):
            chance.shuffle(texts)
            once = Fingerprinter(max_keys=20, max_ids=10)
            orders.append({given: once.of(given[0], truncated=given[1]) for given in texts})
        if orders[0] != orders[1]:
            broken.append(f"the order matters: {texts}")
        if len(broken) > 20:
            break
    assert not broken, f"seed {SEED}:\n" + "\n".join(broken)

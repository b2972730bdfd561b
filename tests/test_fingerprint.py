"""Fingerprints: what shares an id and what does not, on pairs, on statements of others and on hostile texts."""

from __future__ import annotations

import ast
import gzip
import json
import os
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.fingerprint.fingerprint import LONGEST_TEXT, MOST_TOKENS, Fingerprinter
from exporter.fingerprint.patterns import possessive
from exporter.fingerprint.words import RESERVED, words
from tests import sql_variants
from tests.hostile_texts import HOSTILE

DATA = Path(__file__).parent / "data" / "sql"
GOLDEN = Path(__file__).parent / "golden" / "fingerprints.txt"


class Pair(NamedTuple):
    """Two statements, and whether they are the same query."""

    place: str
    is_same: bool
    reason: str
    first: str
    second: str


def pairs() -> Iterator[Pair]:
    """Read the cases of ``data/sql/*.sql``; its README has the format."""
    for path in sorted(DATA.glob("*.sql")):
        text = path.read_bytes().decode()
        for number, case in enumerate(text.split("=== ")[1:]):
            title, _, body = case.removesuffix("\n").partition("\n")
            verdict, _, reason = title.partition(": ")
            assert verdict in ("same", "different"), title
            first, arrow, second = body.partition("\n--->\n")
            assert arrow, title
            yield Pair(f"{path.stem}-{number}", verdict == "same", reason, first, second)


PAIRS = list(pairs())
CORPUS = [json.loads(line)["sql"] for line in gzip.decompress((DATA / "corpus.jsonl.gz").read_bytes()).splitlines()]


@pytest.mark.parametrize("pair", PAIRS, ids=[pair.place for pair in PAIRS])
def test_a_pair_shares_an_id_exactly_if_it_is_the_same_query(pair: Pair) -> None:
    fingerprinter = Fingerprinter()
    first, second = fingerprinter.of(pair.first), fingerprinter.of(pair.second)
    assert (first.id == second.id) is pair.is_same, f"{pair.reason}\n{first.template}\n{second.template}"
    assert (first.template == second.template) is pair.is_same


def test_ids_do_not_move() -> None:
    """An id is in somebody's dashboards: a change here needs a new version in what is hashed, and a changelog entry."""
    fingerprinter = Fingerprinter()
    statements = [text for pair in PAIRS for text in (pair.first, pair.second)] + CORPUS
    ids = "".join(f"{fingerprinter.of(text).id} {json.dumps(text)}\n" for text in statements)
    if os.environ.get("UPDATE"):
        GOLDEN.write_text(ids, encoding="utf-8")
    assert ids == GOLDEN.read_text(encoding="utf-8")


VARIANTS: list[Callable[[str, random.Random], str]] = [
    sql_variants.with_literals,
    sql_variants.with_layout,
    sql_variants.with_comments,
    sql_variants.with_case,
]


@pytest.mark.parametrize("variant", VARIANTS, ids=[variant.__name__ for variant in VARIANTS])
def test_variants_of_a_statement_have_its_fingerprint(variant: Callable[[str, random.Random], str]) -> None:
    fingerprinter = Fingerprinter()
    for number, text in enumerate(CORPUS):
        for seed in range(3):
            other = variant(text, random.Random(number * 3 + seed))
            assert fingerprinter.of(other) == fingerprinter.of(text), f"{text!r}\n{other!r}"


def test_a_renamed_name_is_another_query() -> None:
    """AS and the like are no names; neither are the prefixes of strings, nor ASC, which may not count."""
    fingerprinter = Fingerprinter()
    keep = RESERVED | {"asc", "u", "x"}
    renamed = 0
    for number, text in enumerate(CORPUS):
        other = sql_variants.with_renamed(text, random.Random(number), keep)
        if other != text:
            renamed += 1
            assert fingerprinter.of(other).id != fingerprinter.of(text).id, f"{text!r}\n{other!r}"
    assert renamed > len(CORPUS) * 0.9


@pytest.mark.parametrize("text", [*CORPUS, *(pair.second for pair in PAIRS)])
def test_a_template_is_whole_and_has_the_fingerprint_that_it_stands_for(text: str) -> None:
    fingerprinter = Fingerprinter()
    found = fingerprinter.of(text)
    again = Fingerprinter().of(found.template)
    assert again._replace(parsed=found.parsed) == found
    assert found.parsed <= again.parsed


def without_names(template: str) -> str:
    return "".join(token.text for token in sql_variants.tokens(template) if token.kind != "quoted")


@pytest.mark.parametrize("variant", VARIANTS, ids=[variant.__name__ for variant in VARIANTS])
def test_a_template_holds_no_string_number_or_comment(variant: Callable[[str, random.Random], str]) -> None:
    fingerprinter = Fingerprinter()
    for number, text in enumerate(CORPUS):
        template = fingerprinter.of(variant(text, random.Random(number))).template
        kinds = {token.kind for token in sql_variants.tokens(template)}
        assert not kinds & {"string", "number", "comment", "body"}, template
        assert "'" not in without_names(template)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 'secret",
        "SELECT x FROM t WHERE a = 'secret' AND b = \"not closed, c = 'secret'",
        "SELECT x FROM t WHERE a = `not closed, c = 'secret'",
        "SELECT 1 /* secret",
        "SELECT 1 -- secret",
        "garbage ((( 'secret' ]]] $$ secret",
        "SELECT U&'secret' UESCAPE 's', JSON'secret'",
        "'secret' \"x\" 'it''s secret'",
        "SELECT a /* it's */, 'secret' -- it's\n, 'secret'",
    ],
)
def test_no_text_however_broken_shows_its_literals(text: str) -> None:
    assert "secret" not in Fingerprinter().of(text).template


def test_templates_are_laid_out_like_sql() -> None:
    text = """insert into y with x as (select a from c.s.t where b in (1,2)) select count(*) as n, -a, t.b[1],
    cast(a as decimal(5,2)) from x inner join (select * from z) as w on x.a = w.a
    where x.b between 1 and 2 and w.c like 'a%'
    or date '2020-01-01' - interval '3' day < d group by 1 having count(*) > 1 order by n desc limit 10"""
    assert Fingerprinter().of(text).template == (
        """\
INSERT INTO y
WITH x AS (
  SELECT a
  FROM c.s.t
  WHERE b IN (?)
)
SELECT count(*) n, -a, t.b[?], CAST(a AS decimal(?, ?))
FROM x
JOIN (
  SELECT *
  FROM z
) w ON x.a = w.a
WHERE x.b BETWEEN ? AND ?
  AND w.c LIKE ?
  OR DATE ? - INTERVAL ? DAY < d
GROUP BY ?
HAVING count(*) > ?
ORDER BY n DESC
LIMIT ?"""
    )


def test_empty_texts_have_an_id() -> None:
    fingerprinter = Fingerprinter()
    empty = fingerprinter.of("")
    assert len(empty.id) == 16
    assert (empty.template, empty.query_type, empty.tables, empty.parsed, empty.truncated) == (
        "",
        "UNKNOWN",
        (),
        False,
        False,
    )
    assert fingerprinter.of(" ;; -- nothing") == empty


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("SELECT a FROM t WHERE b = 'x'", True),
        ("SELECT a FROM t WHERE b = 'x", False),
        ('SELECT a FROM t WHERE b = "x', False),
        ("SELECT a FROM t /* x", False),
        ("SELECT (a FROM t", False),
        ("SELECT a) FROM t", False),
        ("SELECT (a] FROM t", False),
        ("SELECT a # b", False),
        ("SELECT \x00", False),
        ("FOO a FROM t", False),
        ("EXECUTE p", False),
        ("EXECUTE IMMEDIATE 'SELECT 1'", True),
        ("EXECUTE IMMEDIATE 'SELECT 1", False),
    ],
)
def test_parsed_says_whether_all_of_the_text_could_be_read(text: str, parsed: bool) -> None:
    assert Fingerprinter().of(text).parsed is parsed


def test_what_is_parsed_does_not_depend_on_what_was_seen_before() -> None:
    fingerprinter = Fingerprinter()
    closed, unclosed = fingerprinter.of("SELECT 'a'"), fingerprinter.of("SELECT 'a")
    assert closed.id == unclosed.id
    assert (closed.parsed, unclosed.parsed) == (True, False)


def test_a_prepared_text_is_what_an_execute_runs() -> None:
    fingerprinter = Fingerprinter()
    found = fingerprinter.of("EXECUTE p7 USING 1, 2", prepared="SELECT * FROM s.t WHERE a = ?")
    assert found == fingerprinter.of("SELECT * FROM s.t WHERE a = 5")
    assert (found.query_type, found.tables) == ("SELECT", ("s.t",))
    assert found == fingerprinter.of("EXECUTE p", prepared="EXECUTE IMMEDIATE 'SELECT * FROM s.t WHERE a = 5'")


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ("SELECT a FROM some_ta ...", "SELECT a\nFROM …"),
        ("SELECT a FROM some_ta...", "SELECT a\nFROM …"),
        ("SELECT a, b, ...", "SELECT a, b …"),
        ("SELECT a FROM t WHERE b = 'some st...", "SELECT a\nFROM t\nWHERE b = ? …"),
        ("SELECT a FROM t WHERE b IN (1, 2, 3, ...", "SELECT a\nFROM t\nWHERE b IN (? …"),
        ('SELECT "a b ...', "SELECT …"),
        ("SELECT a /* comm...", "SELECT a …"),
        ("", "…"),
    ],
)
def test_a_text_that_was_cut_ends_where_it_is_sure(text: str, template: str) -> None:
    found = Fingerprinter().of(text, truncated=True)
    assert (found.template, found.truncated, found.parsed) == (template, True, False)


def test_a_text_that_was_cut_is_no_other_query_that_is_whole() -> None:
    fingerprinter = Fingerprinter()
    assert fingerprinter.of("SELECT a FROM t ", truncated=True).id != fingerprinter.of("SELECT a FROM t").id


def test_long_texts_are_cut_and_that_is_told() -> None:
    fingerprinter = Fingerprinter()
    assert not fingerprinter.of("SELECT 1" + " " * (LONGEST_TEXT - 8)).truncated
    long = fingerprinter.of("SELECT 1" + " " * LONGEST_TEXT)
    assert (long.truncated, long.parsed, long.template) == (True, False, "SELECT ? …")


def test_texts_of_very_many_tokens_are_cut_and_that_is_told() -> None:
    fingerprinter = Fingerprinter()
    assert not fingerprinter.of("." * MOST_TOKENS).truncated
    long = fingerprinter.of("." * (MOST_TOKENS + 1))
    assert (long.truncated, long.parsed) == (True, False)
    assert long == fingerprinter.of("." * (MOST_TOKENS + 2))
    assert not fingerprinter.of("x IN (" + "1," * MOST_TOKENS + "1)").truncated


PIECES = words(
    """select from where as in ( ) [ ] array values , . ? 'a' 'it''s' 1 -1 - + .5 1e5 5a "a "array" "x" a b t date
    interval day null true inner outer left join order by asc define create table with recursive u& x uescape ; like
    and between case end union <> != -> -- /* */ $$ ` " ' … explain analyze execute immediate prepare cast return
    default of timestamp update insert into merge using on grant show columns distinct is { @ : É İ Σ K ... ² ١ limit
    window"""
)
texts = st.one_of(
    st.text(),
    st.lists(st.sampled_from([*sorted(PIECES), *" \n\t\r\x00\x04\x05\x1f", "\ud800"])).map("".join),
    st.lists(st.sampled_from([*sorted(PIECES), "\n"])).map(" ".join),
)


@given(texts, st.booleans())
def test_any_text_has_a_fingerprint_and_its_template_the_same(text: str, truncated: bool) -> None:
    fingerprinter = Fingerprinter()
    found = fingerprinter.of(text, truncated=truncated)
    again = Fingerprinter().of(found.template)
    assert again[:4] == found[:4]
    found.template.encode()
    assert "'" not in without_names(found.template)


@given(texts)
def test_what_is_remembered_changes_nothing(text: str) -> None:
    fingerprinter = Fingerprinter(max_keys=2, max_ids=2)
    assert fingerprinter.of(text) == fingerprinter.of(text) == Fingerprinter().of(text)


def test_small_caches_forget_and_answer_the_same() -> None:
    small, large = Fingerprinter(max_keys=4, max_ids=2), Fingerprinter()
    for text in [*CORPUS[:50], *reversed(CORPUS[:50])]:
        assert small.of(text) == large.of(text)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_have_an_id(name: str) -> None:
    for truncated in (False, True):
        assert len(Fingerprinter().of(HOSTILE[name], truncated=truncated).id) == 16


def test_as_before_an_operator_is_no_alias_and_stays() -> None:
    assert Fingerprinter().of("SELECT a AS + b").template == "SELECT a AS +b"


@pytest.mark.parametrize("is_sound", [True, False])
@pytest.mark.parametrize(
    ("group", "ending", "text", "end"),
    [
        ("(?:a|ab)*", "c", "aabc", None),  # a greedy group would give back the a and take ab
        ("(?:ab?)*", "c", "abaabc", 6),
        ("(?:ab)?", "ab", "ab", None),
        ("(?:ab)?", "c", "abc", 3),
        ("(?:[ab]++|c(?!d))+", "cd", "abcacd", 6),
        ("(?:[ab]++|c(?!d))+", "d", "abcacd", None),
    ],
)
def test_a_possessive_group_gives_nothing_back(
    group: str, ending: str, text: str, end: int | None, is_sound: bool
) -> None:
    """Whichever way it is written; the way that this Python may have wrong is not tried there."""
    if is_sound and not possessive(group).endswith("+"):
        pytest.skip("this Python has it wrong")
    match = re.match(possessive(group, is_sound=is_sound) + ending, text)
    assert (match.end() if match else None) == end


def test_no_group_is_possessive_but_by_its_function() -> None:
    """Python before 3.11.5 has such groups wrong."""
    for path in (Path(__file__).parent.parent / "exporter").rglob("*.py"):
        patterns = [
            node.value
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "(?:" in node.value
        ]
        if path.name != "patterns.py":
            assert not [pattern for pattern in patterns if re.search(r"(?<!\\)\)[*+?]\+", pattern)], path

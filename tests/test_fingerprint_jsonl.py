"""The protocol of ``fingerprint --jsonl``, line by line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.fingerprint.fingerprint import Fingerprinter
from exporter.fingerprint.jsonl import answer


def test_a_statement_is_answered_with_its_fingerprint() -> None:
    line = answer('{"sql": "SELECT a FROM C.S.T WHERE b = \'x\'", "more": [1]}', Fingerprinter())
    assert json.loads(line) == {
        "id": "e9328b6857cd706b",
        "template": "SELECT a\nFROM c.s.t\nWHERE b = ?",
        "query_type": "SELECT",
        "tables": ["c.s.t"],
        "parsed": True,
    }
    assert list(json.loads(line)) == ["id", "template", "query_type", "tables", "parsed"]


def test_prepared_text_and_the_cut_are_taken_into_account() -> None:
    fingerprinter = Fingerprinter()
    prepared = json.loads(answer('{"sql": "EXECUTE p USING 1", "prepared": "TABLE t"}', fingerprinter))
    assert prepared["template"] == "TABLE t"
    cut = json.loads(answer('{"sql": "SELECT a FROM tab", "truncated": true}', fingerprinter))
    assert cut["template"] == "SELECT a\nFROM …"
    assert cut["parsed"] is False
    assert json.loads(answer('{"sql": "TABLE t", "truncated": false}', fingerprinter)) == prepared


def test_answers_are_the_same_each_time_however_long() -> None:
    fingerprinter = Fingerprinter()
    for names in ("a", ", ".join(f"a{number}" for number in range(5_000))):
        first = answer(json.dumps({"sql": f"SELECT {names} FROM t WHERE b = 1"}), fingerprinter)
        assert json.loads(first)["template"].endswith("\nFROM t\nWHERE b = ?")
        assert answer(json.dumps({"sql": f"SELECT {names} FROM t WHERE b = 2"}), fingerprinter) == first
        assert answer(json.dumps({"sql": f"SELECT {names} FROM t WHERE b = 3"}), Fingerprinter()) == first


def test_what_is_parsed_is_told_of_each_text_of_one_id() -> None:
    fingerprinter = Fingerprinter()
    answers = [json.loads(answer(json.dumps({"sql": sql}), fingerprinter)) for sql in ("SELECT 'a'", "SELECT 'a")]
    assert [found.pop("parsed") for found in answers] == [True, False]
    assert answers[0] == answers[1]


def test_empty_sql_has_an_id() -> None:
    assert len(json.loads(answer('{"sql": ""}', Fingerprinter()))["id"]) == 16


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("", "line"),
        (" \n", "line"),
        ("SELECT 1", "line"),
        ("{", "line"),
        ('{"sql": "SELECT 1"', "line"),
        ("null", "line"),
        ("[]", "line"),
        ('"SELECT 1"', "line"),
        ("{}", "sql"),
        ('{"sql": null}', "sql"),
        ('{"sql": 1}', "sql"),
        ('{"sql": ["SELECT 1"]}', "sql"),
        ('{"SQL": "SELECT 1"}', "sql"),
        ('{"sql": "EXECUTE p", "prepared": null}', "prepared"),
        ('{"sql": "EXECUTE p", "prepared": 1}', "prepared"),
        ('{"sql": "SELECT 1", "truncated": 1}', "truncated"),
        ('{"sql": "SELECT 1", "truncated": null}', "truncated"),
        ("[" * 100_000, "line"),
        ('{"sql": ' + "9" * 10_000 + "}", "line"),
    ],
)
def test_anything_else_is_answered_with_an_error_that_quotes_nothing(line: str, place: str) -> None:
    answered = json.loads(answer(line, Fingerprinter()))
    assert list(answered) == ["error"]
    assert answered["error"].startswith(f"{place}: ")
    assert "SELECT" not in answered["error"]


@given(st.one_of(st.text(), st.text().map(lambda text: json.dumps({"sql": text}))))
def test_every_answer_is_one_line_of_ascii_and_one_object(line: str) -> None:
    answered = answer(line, Fingerprinter())
    assert answered.isascii()
    assert "\n" not in answered
    assert set(json.loads(answered)) in ({"error"}, {"id", "template", "query_type", "tables", "parsed"})


def test_lone_surrogates_do_not_get_through() -> None:
    answered = json.loads(answer('{"sql": "SELECT \\"\\ud800\\""}', Fingerprinter()))
    answered["template"].encode()

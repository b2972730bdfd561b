"""What `top` reads of an answer, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.report.question import MEASURES as OF_API
from exporter.report.question import MOST_OFFSET, MOST_ROWS, Group, Question, parse
from exporter.top import choice
from exporter.top.answer import Measures, problems, read
from tests.top_answers import HOSTILE, MEASURES, STATEMENT, answer, body, report, row

WHOLE = json.loads(body(report([row("a", template="SELECT ?"), row("b", 1)])))


def test_what_the_exporter_says_is_read_whole() -> None:
    found = answer([row("a", template=STATEMENT.template), row(HOSTILE, 1, compared=False)])
    assert tuple(found.total) == MEASURES and found.total_before == (100, *MEASURES[1:])
    assert (found.group_by, found.order_by, found.descending) == ("fingerprint", "cpu_seconds", True)
    assert (found.offset, found.groups, found.clusters) == (0, 2, ("adhoc",))
    first, second = found.rows
    assert tuple(first.statement or ()) == STATEMENT and second.statement is None
    assert first.before is not None and first.before.cpu_seconds == 3600.0
    assert (second.before, second.change, second.name) == (None, "", HOSTILE)
    assert second.queued.p99 is None and first.elapsed.p50 == 0.34
    assert found.errors == (("USER_CANCELED", 10.0), ("SYNTAX_ERROR", 40.0))


def test_its_words_are_those_of_the_api() -> None:
    assert Measures._fields == OF_API
    assert set(choice.ORDERS) < set(OF_API)
    assert set(choice.GROUPS) == {str(group) for group in Group}
    assert (choice.MOST_ROWS, choice.MOST_OFFSET) == (MOST_ROWS, MOST_OFFSET)
    for window in choice.WINDOWS:
        assert parse([("window", window)]).window > 0
    assert choice.Choice().parameters(50)
    assert parse(choice.Choice().parameters(50)) == Question(compare=True)


def test_what_a_newer_exporter_adds_does_not_matter() -> None:
    assert read(json.dumps({**WHOLE, "more": [1]}).encode()) == read(json.dumps(WHOLE).encode())


@pytest.mark.parametrize(
    "sent", [b"", b"<html>", b"{", b"\xff\xfe\x00", b"[" * 100_000, b"1" * 5000 + b"x", b"user?\n"]
)
def test_what_is_not_json_is_said_to_be_so(sent: bytes) -> None:
    with pytest.raises(ValueError, match=r"^not JSON$"):
        read(sent)


def places(value: Any) -> Iterator[Callable[[Any], None]]:
    """Yield for each place in JSON a function that puts something else there."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield lambda other, key=key: value.__setitem__(key, other)  # type: ignore[misc]
        yield from places(inner)


@pytest.mark.parametrize(
    "other", [None, "x", [], {}, -1, 1e999, float("nan"), True, 10**400, ["x"], [{}], [None], {"p50": "x"}, "\ud800"]
)
def test_whatever_is_in_a_place_is_read_or_refused(other: object) -> None:
    count = sum(1 for _ in places(json.loads(json.dumps(WHOLE))))
    assert count > 50
    refused = 0
    for at in range(count):
        changed = json.loads(json.dumps(WHOLE))
        list(places(changed))[at](other)
        try:
            read(json.dumps(changed).encode())
        except ValueError as error:
            assert str(error) == "JSON, but no usage of queries"
            refused += 1
    assert refused


@pytest.mark.parametrize("key", list(WHOLE))
def test_an_answer_without_what_is_shown_is_refused(key: str) -> None:
    less = {name: value for name, value in WHOLE.items() if name != key}
    if key in ("step", "before", "limit", "queued", "trend", "folded_queries"):
        read(json.dumps(less).encode())
        return
    with pytest.raises(ValueError, match="no usage"):
        read(json.dumps(less).encode())


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda of: st.lists(of) | st.dictionaries(st.text(), of)
    )
)
def test_no_json_is_a_surprise(said: object) -> None:
    with pytest.raises(ValueError, match="JSON"):
        read(json.dumps(said).encode())
    assert isinstance(problems(json.dumps(said).encode()), list)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b'{"error": ["window: no; yes"]}', ["window: no; yes"]),
        (b'{"error": []}', []),
        (b'{"error": "x"}', []),
        (b'{"error": [1]}', []),
        (b"[]", []),
        (b"too many requests\n", []),
        (b"\xff", []),
        (b'{"error": [' + b'"x",' * 100 + b'"x"]}', ["x"] * 20),
    ],
)
def test_refusals_say_what_is_wrong(sent: bytes, said: list[str]) -> None:
    assert problems(sent) == said

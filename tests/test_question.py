"""Questions: parameters in both directions, and every problem with them at once."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import ExporterError, QuestionError
from exporter.report.question import (
    FILTERS,
    LONGEST_SEARCH,
    MEASURES,
    MOST_OFFSET,
    MOST_ROWS,
    MOST_VALUES,
    PARAMETERS,
    Change,
    Group,
    Question,
    parameters,
    parse,
)

DEFAULT = Question()


@pytest.mark.parametrize(
    ("query", "changes"),
    [
        ("", {}),
        ("window=24h", {}),
        ("window=1h", {"window": 3600.0}),
        ("window=60m", {"window": 3600.0}),
        ("window=3600s", {"window": 3600.0}),
        ("window=1.5h", {"window": 5400.0}),
        ("window=1h30m", {"window": 5400.0}),
        ("window=1d2h3m4s", {"window": 93784.0}),
        ("window=90d", {"window": 7776000.0}),
        ("window=1.0001h", {"window": 3600.0}),
        ("until=1790035200", {"until": 1790035200.0}),
        ("until=0", {"until": 0.0}),
        ("until=1790035200.25", {"until": 1790035200.25}),
        ("until=1790035200.123456789", {"until": 1790035200.123457}),
        ("until=2026-09-22", {"until": 1790035200.0}),
        ("until=2026-09-22T00:00:00Z", {"until": 1790035200.0}),
        ("until=2026-09-22T00:00", {"until": 1790035200.0}),
        ("until=2026-09-22T02:00:00%2B02:00", {"until": 1790035200.0}),
        ("until=2026-09-21+23:00:00-01:00", {"until": 1790035200.0}),
        ("cluster=a&cluster=b", {"clusters": ("a", "b")}),
        ("user=a&source=b&user=c&user=a", {"users": ("a", "c"), "sources": ("b",)}),
        ("user=", {"users": ("",)}),
        ("source=&table=&catalog=", {"sources": ("",), "tables": ("",), "catalogs": ("",)}),
        ("fingerprint=0123456789abcdef", {"fingerprints": ("0123456789abcdef",)}),
        (
            "query_type=SELECT&table=a.b.c&catalog=x",
            {"query_types": ("SELECT",), "tables": ("a.b.c",), "catalogs": ("x",)},
        ),
        ("search=%00%ff", {"search": "\0\ufffd"}),
        (
            "group_by=table&order_by=failed&order=asc",
            {"group_by": Group.TABLE, "order_by": "failed", "descending": False},
        ),
        ("order=desc", {}),
        ("limit=1&offset=0", {"limit": 1}),
        ("limit=1000&offset=1000000", {"limit": MOST_ROWS, "offset": MOST_OFFSET}),
        ("compare=true&trend=false", {"compare": True}),
        ("change=vanished", {"change": Change.VANISHED}),
        ("trend=true", {"trend": True}),
        ("window=&until=&search=&group_by=&order_by=&order=&limit=&offset=&compare=&change=&trend=", {}),
    ],
)
def test_parameters_are_read(query: str, changes: dict[str, object]) -> None:
    assert parse(parse_qsl(query, keep_blank_values=True)) == replace(DEFAULT, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("window=30m", "window: out of range; choose 1h to 90d"),
        ("window=91d", "window: out of range; choose 1h to 90d"),
        ("window=999999999d", "window: out of range; choose 1h to 90d"),
        ("window=24", "window: not a duration; write one like 24h, 7d or 1h30m"),
        ("window=1m1h", "window: not a duration; write one like 24h, 7d or 1h30m"),
        ("window=-1h", "window: not a duration; write one like 24h, 7d or 1h30m"),
        ("window=1 h", "window: not a duration; write one like 24h, 7d or 1h30m"),
        ("window=\u0661h", "window: not a duration; write one like 24h, 7d or 1h30m"),
        ("window=1h%0a", "window: not a duration; write one like 24h, 7d or 1h30m"),
        (
            "until=yesterday",
            "until: not a time; write Unix seconds or ISO 8601 like 2026-09-21T10:00:00Z (a + is %2B in an address)",
        ),
        (
            "until=2026-09-22T02:00:00+02:00",
            "until: not a time; write Unix seconds or ISO 8601 like 2026-09-21T10:00:00Z (a + is %2B in an address)",
        ),
        (
            "until=-1",
            "until: not a time; write Unix seconds or ISO 8601 like 2026-09-21T10:00:00Z (a + is %2B in an address)",
        ),
        (
            "until=1e9",
            "until: not a time; write Unix seconds or ISO 8601 like 2026-09-21T10:00:00Z (a + is %2B in an address)",
        ),
        (
            "until=nan",
            "until: not a time; write Unix seconds or ISO 8601 like 2026-09-21T10:00:00Z (a + is %2B in an address)",
        ),
        ("until=1969-12-31", "until: out of range; choose a time from 1970 to 9999"),
        ("until=999999999999", "until: out of range; choose a time from 1970 to 9999"),
        ("until=253402300799.9999999", "until: out of range; choose a time from 1970 to 9999"),
        ("until=9999-12-31T23:59:59-23:59", "until: out of range; choose a time from 1970 to 9999"),
        ("until=0001-01-01T00:00:00%2B23:59", "until: out of range; choose a time from 1970 to 9999"),
        (
            "group_by=day",
            "group_by: no such choice; choose fingerprint, user, source, table, catalog, query_type, cluster",
        ),
        (
            "group_by=USER",
            "group_by: no such choice; choose fingerprint, user, source, table, catalog, query_type, cluster",
        ),
        ("order_by=share", f"order_by: no such choice; choose {', '.join(MEASURES)}"),
        ("order=up", "order: no such choice; choose desc, asc"),
        ("limit=0", "limit: out of range; choose 1 to 1000"),
        ("limit=1001", "limit: out of range; choose 1 to 1000"),
        ("limit=ten", "limit: not a whole number; write one like 50"),
        ("limit=1.0", "limit: not a whole number; write one like 50"),
        ("limit=%2B1", "limit: not a whole number; write one like 50"),
        (f"limit={'9' * 5000}", "limit: not a whole number; write one like 50"),
        ("offset=-1", "offset: not a whole number; write one like 50"),
        ("offset=1000001", "offset: out of range; choose 0 to 1000000"),
        ("compare=yes", "compare: no such choice; choose true, false"),
        ("trend=1", "trend: no such choice; choose true, false"),
        ("change=changed", "change: no such choice; choose new, grew, shrank, same, vanished"),
        (f"search={'x' * 1001}", f"search: longer than {LONGEST_SEARCH} characters; look for less"),
        ("limit=1&limit=1", "limit: given more than once; keep one of them"),
        ("search=&search=", "search: given more than once; keep one of them"),
        ("&".join(f"user={number}" for number in range(101)), f"user: more than {MOST_VALUES} values; ask for fewer"),
        ("users=a", "users: no such parameter; did you mean user?"),
        ("zzz=", "zzz: no such parameter; remove it"),
        ("=x", ": no such parameter; remove it"),
        (f"{'q' * 500}=x", f"{'q' * 99}…: no such parameter; remove it"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(query: str, problem: str) -> None:
    with pytest.raises(QuestionError) as caught:
        parse(parse_qsl(query, keep_blank_values=True))
    assert [f"{one.place}: {one.message}" for one in caught.value.problems] == [problem]


def test_all_problems_are_told_at_once_but_not_without_end() -> None:
    with pytest.raises(QuestionError) as caught:
        parse([("limit", "x"), ("usr", "a"), ("order", "b"), ("user", "fine")])
    assert str(caught.value) == (
        "limit: not a whole number; write one like 50\n"
        "usr: no such parameter; did you mean user?\n"
        "order: no such choice; choose desc, asc"
    )
    with pytest.raises(QuestionError) as caught:
        parse([(f"x{number}", "") for number in range(10_000)])
    assert len(caught.value.problems) == 20


texts = st.text(st.characters(), max_size=30)
several = st.lists(texts, max_size=4, unique=True).map(tuple)
questions = st.builds(
    Question,
    window=st.integers(3600, 7776000).map(float),
    until=st.none() | st.integers(0, 253402300799 * 1000).map(lambda thousandths: thousandths / 1000),
    clusters=several,
    users=several,
    sources=several,
    fingerprints=several,
    query_types=several,
    tables=several,
    catalogs=several,
    search=texts,
    group_by=st.sampled_from(Group),
    order_by=st.sampled_from(MEASURES),
    descending=st.booleans(),
    limit=st.integers(1, MOST_ROWS),
    offset=st.integers(0, MOST_OFFSET),
    compare=st.booleans(),
    change=st.none() | st.sampled_from(Change),
    trend=st.booleans(),
)


@given(questions)
def test_a_question_is_what_its_parameters_ask(question: Question) -> None:
    given = parameters(question)
    assert parse(given) == question
    assert {name for name, _ in given} <= set(PARAMETERS)


@given(questions)
def test_an_address_can_be_sent_to_somebody(question: Question) -> None:
    given = parameters(question)
    sent = parse_qsl(urlencode(given, errors="surrogatepass"), keep_blank_values=True, errors="surrogatepass")
    assert parse(sent) == question


def test_what_holds_anyway_is_not_said() -> None:
    assert parameters(DEFAULT) == []
    assert parameters(replace(DEFAULT, window=129600.0, users=("", "b"), until=1.5, change=Change.NEW)) == [
        ("user", ""),
        ("user", "b"),
        ("window", "1d12h"),
        ("until", "1.5"),
        ("change", "new"),
    ]


@given(st.lists(st.tuples(st.sampled_from(PARAMETERS) | texts, texts)))
def test_any_parameters_are_a_question_or_a_list_of_problems(given_parameters: list[tuple[str, str]]) -> None:
    try:
        question = parse(given_parameters)
    except QuestionError as error:
        assert isinstance(error, ExporterError)
        assert error.problems
        assert all(len(one.place) <= 100 and one.message for one in error.problems)
    else:
        assert parse(parameters(question)) == question


def test_every_field_has_a_parameter() -> None:
    fields = {field if field != "descending" else "order" for field in Question.__dataclass_fields__}
    assert {FILTERS.get(name, name) for name in PARAMETERS} == fields

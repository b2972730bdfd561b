"""The parameters of ``/queries`` and ``/api/v1/queries``."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import QueryParams

from exporter.errors import QuestionError
from exporter.report.question import (
    FILTERS,
    LONGEST_SEARCH,
    LONGEST_WINDOW,
    MEASURES,
    MOST_OFFSET,
    MOST_ROWS,
    MOST_VALUES,
    PARAMETERS,
    SHORTEST_WINDOW,
    Change,
    Group,
    Question,
    parameters,
    parse,
)
from tests.fuzz.target import SECRET, Target, shown_of_secret

YEAR_10000 = 253402300800.0


def check(data: bytes) -> None:
    """*data* as what follows the question mark: a question within its limits that can be asked again, or problems."""
    given = QueryParams(data.decode("latin-1")).multi_items()
    try:
        question = parse(given)
    except QuestionError as error:
        assert 1 <= len(error.problems) <= 20
        names = {name if len(name) <= 100 else f"{name[:99]}…" for name, _ in given}
        for problem in error.problems:
            assert problem.place in names
            assert "; " in problem.message and problem.message.isprintable()
            assert not shown_of_secret(problem.message)
        return
    check_question(question)
    assert {name for name, _ in given} <= {*PARAMETERS}
    assert parse(parameters(question)) == question
    sent = urlencode(parameters(question), errors="surrogatepass")
    assert parse(parse_qsl(sent, keep_blank_values=True, errors="surrogatepass")) == question


def check_question(question: Question) -> None:
    """It is within its limits."""
    assert SHORTEST_WINDOW <= question.window <= LONGEST_WINDOW
    assert question.until is None or 0 <= question.until < YEAR_10000
    assert 1 <= question.limit <= MOST_ROWS
    assert 0 <= question.offset <= MOST_OFFSET
    assert question.order_by in MEASURES
    assert question.group_by in Group
    assert question.change is None or question.change in Change
    assert len(question.search) <= LONGEST_SEARCH
    assert all(len(getattr(question, field)) <= MOST_VALUES for field in FILTERS.values())


def seeds() -> list[bytes]:
    """Return addresses with every parameter."""
    return [
        b"",
        b"window=1d12h&until=2026-09-21T10:00:00Z&group_by=user&order_by=queries&order=asc&limit=10&offset=20",
        b"cluster=adhoc&cluster=etl&user=alice&source=&fingerprint=aaaaaaaaaaaaaaaa&query_type=SELECT&table=hive.s.t",
        b"catalog=hive&search=" + SECRET.encode() + b"&compare=true&change=new&trend=false&windw=1h",
        b"until=1790000000.123456789&window=3600s",
        b"until=2026-W39-1T10%3A00%3A00.123456%2B02:00",
        b"until=" + SECRET.encode() + b"&" + SECRET.encode() + b"=1&limit=0&offset=-1&window=&order=",
    ]


def large() -> dict[str, bytes]:
    """Return addresses of up to a megabyte; no server of ours takes one of more than 64 KB."""
    return {
        "a value": b"search=" + b"a" * 999_000,
        "a name": b"a" * 999_000 + b"=1",
        "names": b"".join(b"window%d=1&" % number for number in range(70_000)),
        "values": b"user=a&" * 140_000,
        "different values": b"".join(b"user=%d&" % number for number in range(80_000)),
        "ampersands": b"&" * 999_000,
        "escapes": b"user=" + b"%ff" * 330_000,
        "a duration": b"window=" + b"1d" * 490_000,
        "digits": b"until=" + b"1" * 999_000,
        "a moment": b"until=2026-09-21T10:00:00." + b"1" * 990_000,
    }


TARGET = Target(
    check=check,
    seeds=seeds,
    tokens=[
        *(f"&{name}=".encode() for name in PARAMETERS),
        *(value.encode() for value in (*MEASURES[:4], *Group, *Change, "true", "false", "asc", "desc", "%00", "%ff")),
        *(b"90d", b"1h", b"2026-01-01", b"T24:00", b"%2B14:00", b"-W01-1", b"0001-01-01T00:00%2B23:59", b";", b"+"),
    ],
    large=large,
    work=lambda data: parse(QueryParams(data.decode("latin-1")).multi_items()),
    plain=lambda data: parse_qsl(data.decode("latin-1"), keep_blank_values=True),
    multiple=6.0,
    longest=3_000,
)

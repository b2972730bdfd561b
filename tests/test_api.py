"""The API: what a report has is in its JSON and CSV, as described; and no request makes it fail."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from exporter.errors import LedgerReadError
from exporter.expose.api import routes, to_csv, to_json
from exporter.expose.openapi import DOCUMENT, EXAMPLE, PARAMETERS, SCHEMAS
from exporter.expose.web import Server
from exporter.report import question as questions
from exporter.report.question import MEASURES, Change, Group, Question
from exporter.report.report import Measures, Moment, Percentiles, Report, Row, Statement
from exporter.report.usage import Usage
from tests.usage_ledger import DAY, HOUR, NOW, PLACES, STATEMENTS, Ran, fill

DEADLINE = 10.0
PATH = "/api/v1/queries"


@contextlib.contextmanager
def serving(ask: Callable[[Question], Report]) -> Iterator[str]:
    server = Server(Starlette(routes=routes(ask)), [("127.0.0.1", 0)])
    server.start()
    try:
        yield "http://{}:{}".format(*server.addresses[0])
    finally:
        server.stop()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that answers from a ledger of some queries, among them hostile ones."""
    users = ("alice", "bob", "", "=HYPERLINK(1)", 'a"b,c\n', "\0")
    queries = [
        Ran(
            NOW - ago,
            cluster="adhoc" if number % 2 else "etl",
            fingerprint=sorted(STATEMENTS)[number % len(STATEMENTS)],
            user=users[number % len(users)],
            place=PLACES[number % len(PLACES)],
            outcome="failed" if number % 3 == 0 else "finished",
            error="SYNTAX_ERROR" if number % 3 == 0 else "",
            amount=number * 7,
        )
        for ago in (0.0, 5.0 * HOUR, 30.0 * HOUR, 20.0 * DAY)
        for number in range(30)
    ]
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    fill(path, queries)
    with contextlib.closing(Usage(path)) as usage, serving(lambda question: usage.ask(question, NOW)) as address:
        yield address


def get(site: str, query: str = "", **headers: str) -> requests.Response:
    return requests.get(f"{site}{PATH}{query}", headers=headers, timeout=DEADLINE)


# ---------------------------------------------------------------- a checker for what the schemas use of JSON Schema

KINDS: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
}
UNDERSTOOD = {"type", "enum", "minimum", "maximum", "items", "properties", "required", "additionalProperties", "oneOf"}
UNDERSTOOD |= {"$ref", "description", "default", "maxItems", "maxLength", "pattern"}


def wrong(value: Any, schema: dict[str, Any], place: str = "$") -> list[str]:
    """Return in which places *value* is not as *schema* says."""
    assert schema.keys() <= UNDERSTOOD, schema
    if "$ref" in schema:
        return wrong(value, SCHEMAS[schema["$ref"].removeprefix("#/components/schemas/")], place)
    if "oneOf" in schema:
        return (
            [] if sum(not wrong(value, one, place) for one in schema["oneOf"]) == 1 else [f"{place}: no one of oneOf"]
        )
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(KINDS[kind](value) for kind in kinds):
        return [f"{place}: {value!r} is not {kinds}"]
    found = []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{place}: {value!r} is not in {schema['enum']}")
    if KINDS["number"](value) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append(f"{place}: {value!r} is out of range")
    if isinstance(value, list):
        found += [one for index, item in enumerate(value) for one in wrong(item, schema["items"], f"{place}[{index}]")]
    if isinstance(value, dict) and "properties" in schema:
        found += [f"{place}.{key}: missing" for key in schema["required"] if key not in value]
        found += [f"{place}.{key}: unknown" for key in value if key not in schema["properties"]]
        known = value.keys() & schema["properties"].keys()
        found += [one for key in known for one in wrong(value[key], schema["properties"][key], f"{place}.{key}")]
    return found


REPORT_SCHEMA = {"$ref": "#/components/schemas/Report"}


def test_the_checker_finds_what_is_wrong() -> None:
    assert wrong(EXAMPLE, REPORT_SCHEMA) == []
    assert wrong({**EXAMPLE, "groups": "1"}, REPORT_SCHEMA) == ["$.groups: '1' is not ['integer']"]
    assert wrong({**EXAMPLE, "more": 1}, REPORT_SCHEMA) == ["$.more: unknown"]
    assert wrong({**EXAMPLE, "order": "up"}, REPORT_SCHEMA) == ["$.order: 'up' is not in ['desc', 'asc']"]
    assert wrong({**EXAMPLE, "folded_queries": -1}, REPORT_SCHEMA) == ["$.folded_queries: -1 is out of range"]
    assert wrong({**EXAMPLE, "total_before": {}}, REPORT_SCHEMA) == ["$.total_before: no one of oneOf"]
    assert wrong({key: value for key, value in EXAMPLE.items() if key != "rows"}, REPORT_SCHEMA) == ["$.rows: missing"]


# ---------------------------------------------------------------- JSON


@pytest.mark.parametrize("group", Group)
@pytest.mark.parametrize(
    "query", ["", "&compare=true&trend=true&window=30d", "&change=grew", "&user=nobody&compare=true"]
)
def test_answers_are_as_described(site: str, group: Group, query: str) -> None:
    answer = get(site, f"?group_by={group}{query}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert wrong(answer.json(), REPORT_SCHEMA) == []
    assert ("nobody" in query) or answer.json()["rows"]


def test_an_answer_has_all_of_the_report() -> None:
    answer = json.loads(json.dumps(to_json(REPORT_OF_ALL)))
    fields = set(Report.__dataclass_fields__) - {"question"} | {"group_by", "order_by", "order", "limit", "offset"}
    assert set(answer) == fields
    assert set(answer["rows"][0]) == set(Row.__dataclass_fields__)
    assert wrong(answer, REPORT_SCHEMA) == []
    assert answer["rows"][0]["measures"] == dict(zip(MEASURES, ONES, strict=True))
    assert answer["rows"][0]["statement"] == STATEMENT._asdict() | {"read": ["t"], "written": []}
    assert answer["rows"][0]["elapsed"] == {"p50": 0.5, "p95": 1.5, "p99": None}
    assert answer["before"] == {"start": -10.0, "end": 0.0}
    assert answer["errors"] == [{"name": "E", "queries": 1}]
    assert answer["trend"] == [{"start": 0.0, "measures": dict(zip(MEASURES, ONES, strict=True))}]


ONES = Measures(*range(1, 14))
STATEMENT = Statement("SELECT", "SELECT ?", ("t",), (), 5.0)
PERCENTILES = Percentiles(0.5, 1.5, None)
ROW = Row("f", ONES, 1.0, PERCENTILES, PERCENTILES, 1, 1, STATEMENT, ONES, Change.SAME, (1.0,), 0, 0)
REPORT_OF_ALL = Report(
    question=Question(compare=True, trend=True),
    start=0.0,
    end=10.0,
    step=10.0,
    total=ONES,
    total_before=ONES,
    elapsed=PERCENTILES,
    queued=PERCENTILES,
    rows=(ROW,),
    groups=1,
    trend=(Moment(0.0, ONES),),
    errors=(("E", 1),),
    folded_queries=0,
    clusters=("adhoc",),
    oldest=0.0,
    before=(-10.0, 0.0),
)


# ---------------------------------------------------------------- CSV


def table(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


@pytest.mark.parametrize("group", Group)
@pytest.mark.parametrize("compare", ["", "&compare=true"])
def test_csv_has_the_rows_of_the_json(site: str, group: Group, compare: str) -> None:
    query = f"?group_by={group}{compare}&window=7d"
    answer = get(site, f"{query}&format=csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["Content-Disposition"] == f'inline; filename="queries-by-{group}.csv"'
    assert answer.headers["Cache-Control"] == "no-store"
    header, *rows = table(answer.content.decode())
    expected = get(site, query).json()["rows"]
    assert len(rows) == len(expected) > 0
    assert len(set(header)) == len(header)
    assert header[0] == group
    for cells, row in zip(rows, expected, strict=True):
        found = dict(zip(header, cells, strict=True))
        assert found[group].removeprefix("'") == row["name"]
        for measure in MEASURES:
            assert float(found[measure]) == row["measures"][measure]
            if compare:
                assert float(found[f"before_{measure}"]) == row["before"][measure]
        for kind in ("elapsed", "queued"):
            for percentile, seconds in row[kind].items():
                assert found[f"{kind}_{percentile}_seconds"] == ("" if seconds is None else str(seconds))
        assert float(found["share"]) == row["share"]
        for count in ("fingerprints", "users", "read_queries", "written_queries"):
            assert found[count] == str(row[count])
        assert found.get("change") == row["change"]
        if group is Group.FINGERPRINT:
            assert (found["query_type"], found["template"]) == tuple(STATEMENTS[row["name"]][:2])
    assert ("template" in header) == (group is Group.FINGERPRINT)


@given(st.text(st.characters(), max_size=20), st.sampled_from(["", "=", "+", "-", "@", "\t", "\r"]))
def test_no_cell_of_csv_is_a_formula_or_breaks_its_row(text: str, first: str) -> None:
    text = first + text
    statement = STATEMENT._replace(query_type=text, template=text)
    report = replace(REPORT_OF_ALL, rows=(replace(ROW, name=text, statement=statement), ROW))
    rows = table(to_csv(report))
    assert len(rows) == 3
    assert rows[2][0] == "f"
    for cell in (rows[1][0], rows[1][-2], rows[1][-1]):
        assert cell == (f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") and text else text)


def test_a_row_without_a_statement_has_empty_cells_for_it() -> None:
    rows = table(to_csv(replace(REPORT_OF_ALL, rows=(replace(ROW, statement=None, before=None, change=None),))))
    assert rows[1][-2:] == ["", ""]


@pytest.mark.parametrize(
    ("query", "accept", "kind"),
    [
        ("", "*/*", "application/json"),
        ("", "", "application/json"),
        ("", "text/csv", "text/csv"),
        ("", "TEXT/CSV;header=present, */*;q=0.1", "text/csv"),
        ("", "text/csv;q=0.5, application/json;q=0.4", "text/csv"),
        ("", "text/csv, application/json", "application/json"),
        ("", "text/csv;q=0", "application/json"),
        ("", "text/csv;q=x", "application/json"),
        ("", "text/html,application/xhtml+xml", "application/json"),
        ("?format=json", "text/csv", "application/json"),
        ("?format=csv", "application/json", "text/csv"),
        ("?format=", "text/csv", "text/csv"),
    ],
)
def test_formats_are_asked_for_or_negotiated(site: str, query: str, accept: str, kind: str) -> None:
    answer = get(site, query, Accept=accept)
    assert answer.headers["Content-Type"].partition(";")[0] == kind
    assert answer.headers["Vary"] == "Accept"


# ---------------------------------------------------------------- what goes wrong


def test_all_that_is_wrong_is_in_the_answer(site: str) -> None:
    answer = get(site, "?format=xml&window=1m&limit=0&nothing=")
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert wrong(answer.json(), SCHEMAS["Error"]) == []
    assert answer.json() == {
        "error": [
            "format: no such choice; choose json, csv",
            "window: out of range; choose 1h to 90d",
            "limit: out of range; choose 1 to 1000",
            "nothing: no such parameter; remove it",
        ]
    }
    assert get(site, "?format=csv&format=csv").json() == {"error": ["format: given more than once; keep one of them"]}


def test_a_ledger_that_cannot_be_read_is_503() -> None:
    def ask(_: Question) -> Report:
        raise LedgerReadError("ledger: locked; ask again")

    with serving(ask) as site:
        answer = get(site)
        assert (answer.status_code, answer.json()) == (503, {"error": ["ledger: locked; ask again"]})
        assert answer.headers["Cache-Control"] == "no-store"


def test_methods_are_get_and_head(site: str) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert requests.request(method, f"{site}{PATH}", timeout=DEADLINE).status_code == 405
    head, full = requests.head(f"{site}{PATH}", timeout=DEADLINE), get(site)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == full.headers["Content-Length"] == str(len(full.content))


HOSTILE = (
    "%00",
    "%ed%a0%80",
    "%ff%fe",
    "%F0%9F%92%A9",
    "%",
    "%zz",
    "'%20OR%201=1--",
    "%22%3E%3Cscript%3E",
    "..%2f..%2fetc%2fpasswd",
    "%0d%0aSet-Cookie:%20a=b",
    "9" * 400,
    "-" + "9" * 400,
    "1e999",
    "NaN",
    "[]",
    "x" * 20_000,
    "%25" * 5_000,
    "\xff\x80",
)


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_no_value_of_any_parameter_makes_it_fail(site: str, value: str) -> None:
    for name in (*questions.PARAMETERS, "format", value[:1000]):
        status, head, body = raw(site, f"{PATH}?{name}={value}".encode("latin-1"))
        assert status in (200, 400), (name, status)
        assert b"set-cookie" not in head.lower()
        if b"application/json" in head:
            kind = REPORT_SCHEMA if status == 200 else SCHEMAS["Error"]
            assert wrong(json.loads(body), kind) == []


def raw(site: str, target: bytes) -> tuple[int, bytes, bytes]:
    """Return status, head and body of the answer to a request whose target is not made well-formed first."""
    host, _, port = site.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=DEADLINE) as connection:
        connection.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(1 << 16):
                received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), head, body


def test_many_who_ask_at_once_wait_in_turn_and_leave_threads_to_others() -> None:
    asked: list[int] = []
    now_asking = threading.Semaphore(2)
    others_may_ask = threading.Barrier(2, timeout=DEADLINE)

    def ask(_: Question) -> Report:
        assert now_asking.acquire(blocking=False), "more than two at once"
        others_may_ask.wait()
        now_asking.release()
        asked.append(1)
        return REPORT_OF_ALL

    with serving(ask) as site:
        clients = [threading.Thread(target=get, args=(site,)) for _ in range(20)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    assert len(asked) == 20


# ---------------------------------------------------------------- the description


def test_the_description_is_served(site: str) -> None:
    answer = requests.get(f"{site}/api/v1/openapi.json", timeout=DEADLINE)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == json.loads(json.dumps(DOCUMENT))


def test_the_description_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert {"title", "version"} <= DOCUMENT["info"].keys()
    served = {route.path for route in routes(lambda _: REPORT_OF_ALL)}
    assert DOCUMENT["paths"].keys() == served
    ids = [operation["operationId"] for path in DOCUMENT["paths"].values() for operation in path.values()]
    assert len(set(ids)) == len(ids)
    for path in DOCUMENT["paths"].values():
        assert path.keys() == {"get"}
        for status, response in path["get"]["responses"].items():
            assert status.isdigit() and response["description"]
            for content in response["content"].values():
                assert content["schema"]
        for parameter in path["get"].get("parameters", ()):
            assert parameter.keys() <= {"name", "in", "description", "schema", "style", "explode"}
            assert parameter["in"] == "query" and parameter["description"].endswith(".")


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    assert {one.removeprefix("#/components/schemas/") for one in references(DOCUMENT)} == SCHEMAS.keys()


def test_every_parameter_is_described_and_nothing_else() -> None:
    assert set(PARAMETERS) == {*questions.PARAMETERS, "format"}


@pytest.mark.parametrize("name", questions.PARAMETERS)
def test_parameters_take_what_is_described(name: str) -> None:
    schema, _ = PARAMETERS[name]
    if schema["type"] == "array":
        assert questions.parse([(name, "a"), (name, "b")])
        return
    values = (
        list(schema.get("enum", ()))
        or {
            "boolean": ["true", "false"],
            "integer": [str(schema.get("minimum")), str(schema.get("maximum"))],
            "string": [schema.get("default", "2026-09-21")],
        }[schema["type"]]
    )
    for value in values:
        questions.parse([(name, value)])
    default = schema.get("default")
    if default is not None:
        said = {True: "true", False: "false"}.get(default, str(default)) if isinstance(default, bool) else str(default)
        assert questions.parse([(name, said)]) == Question()


def test_the_example_is_an_answer() -> None:
    content = DOCUMENT["paths"][PATH]["get"]["responses"]["200"]["content"]["application/json"]
    assert wrong(content["example"], content["schema"]) == []


def test_nothing_of_the_ledger_is_named_but_its_path(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    fill(path, [Ran(NOW)])
    usage = Usage(path)
    usage.close()
    with serving(lambda question: usage.ask(question, NOW)) as site:
        answer = get(site)
    assert answer.status_code == 503
    assert answer.json()["error"] == [
        f"{path}: usage cannot be read (Cannot operate on a closed database.); ask again, and if that does not help, "
        "see to the file and its disk"
    ]

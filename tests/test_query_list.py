"""Lists become queries: every engine's spelling, and everything that can be wrong with a row or a body."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode.query_list import QueryList, Rejected, decode_query_list
from exporter.errors import NotAListError
from exporter.query import LIVE_STATES, Query, Text
from tests.listing import START, row

DATA = Path(__file__).parent / "data"
RECORDED = sorted(path.parent.name for path in DATA.glob("*/poll2.json.gz"))


def decode(body: bytes | bytearray, known: Mapping[int, Query | Rejected]) -> QueryList[Text]:
    """Decode, and keep the texts as they are."""
    return decode_query_list(body, known, lambda text: text)


def one(record: dict[str, Any]) -> Query | Rejected:
    """Return what becomes of a list of one record."""
    (result,) = decode(json.dumps([record]).encode(), {}).rows.values()
    return result


def query(record: dict[str, Any]) -> Query:
    result = one(record)
    assert isinstance(result, Query)
    return result


def test_the_recordings_of_all_engines_are_there() -> None:
    assert RECORDED == ["prestodb-0.296", "prestosql-338", "prestosql-350", "trino-435", "trino-476", "trino-483"]


@pytest.mark.parametrize("engine", RECORDED)
def test_real_lists_agree_with_what_their_clients_saw(engine: str) -> None:
    """Every query of the recording is understood: user, source, state and error as the client knows them."""
    body = gzip.decompress((DATA / engine / "poll2.json.gz").read_bytes())
    truth = json.loads(gzip.decompress((DATA / engine / "truth.json.gz").read_bytes()))
    decoded = decode(body, {})
    assert decoded.rejected == []
    queries = {query.id: query for query in decoded.fresh}
    assert len(queries) == len(truth["queries"])
    for sent in truth["queries"]:
        listed = queries[sent["id"]]
        assert (listed.user, listed.source) == (sent["user"], sent["source"])
        assert listed.state == ("finished" if sent["outcome"] == "finished" else "failed")
        assert (listed.error_type or None, listed.error_name or None) == (sent["error_type"], sent["error_name"])
        assert listed.is_terminal
        assert listed.ended is not None and listed.ended >= listed.created


@pytest.mark.parametrize("engine", RECORDED)
def test_real_lists_show_queries_in_flight(engine: str) -> None:
    """In the middle of the recording some run and some wait; their end is not known, whatever endTime says."""
    body = gzip.decompress((DATA / engine / "poll1.json.gz").read_bytes())
    living = [query for query in decode(body, {}).fresh if not query.is_terminal]
    assert {query.state for query in living} >= {"running", "queued"}
    assert {query.state for query in living} <= set(LIVE_STATES)
    assert all(query.ended is None and query.error_name == "" for query in living)


@pytest.mark.parametrize("engine", RECORDED)
def test_an_unchanged_list_is_not_decoded_again(engine: str) -> None:
    body = gzip.decompress((DATA / engine / "poll2.json.gz").read_bytes())
    first = decode(body, {})
    second = decode(bytearray(body), first.rows)
    assert second.fresh == [] and second.rows == first.rows
    assert all(second.rows[digest] is row for digest, row in first.rows.items())


@pytest.mark.parametrize(
    ("state", "blocked", "shown"),
    [
        ("QUEUED", True, "queued"),
        ("WAITING_FOR_PREREQUISITES", False, "waiting_for_prerequisites"),
        ("WAITING_FOR_RESOURCES", True, "waiting_for_resources"),
        ("DISPATCHING", True, "dispatching"),
        ("PLANNING", True, "planning"),
        ("STARTING", True, "starting"),
        ("RUNNING", False, "running"),
        ("RUNNING", True, "blocked"),
        ("FINISHING", True, "finishing"),
        ("FINISHED", True, "finished"),
        ("FAILED", True, "failed"),
        ("BLOCKED", False, "unknown"),
        ("UNKNOWN", False, "unknown"),
        ("HIBERNATING", False, "unknown"),
        ("", False, "unknown"),
    ],
)
def test_states(state: str, blocked: bool, shown: str) -> None:
    assert query(row("q", state, blocked=blocked)).state == shown


def test_amounts_come_from_the_fields_that_the_release_has() -> None:
    record = row("q")
    stats = record["queryStats"]
    stats.update(rawInputDataSize="1.50GB", rawInputPositions=7, processedInputPositions=9, failedCpuTime="1.00s")
    both = query(record).amounts
    assert (both.input_bytes, both.input_rows, both.failed_cpu_seconds) == (0.0, 7.0, 1.0)
    del stats["physicalInputDataSize"], stats["rawInputPositions"]
    other = query(record).amounts
    assert (other.input_bytes, other.input_rows) == (1.5 * 2**30, 9.0)
    for name in list(stats):
        if name != "createTime":
            del stats[name]
    assert set(query(record).amounts) == {0.0}


def test_memory_over_time_is_in_byte_seconds() -> None:
    assert query(row("q", memory=1.5e10)).amounts.memory_byte_seconds == 1.5e7


def test_an_ended_query_took_the_time_from_its_creation_to_its_end() -> None:
    assert query(row("q", created=START, ended=START + 1.234567)).amounts.elapsed_seconds == 1.234567


@pytest.mark.parametrize("end", ["1970-01-01T00:00:00.000Z", None])
def test_an_ended_query_without_a_usable_end_ended_after_its_elapsed_time(end: str | None) -> None:
    record = row("q", elapsed=2.5)
    record["queryStats"]["endTime"] = end
    assert query(record).ended == START + 2.5


def test_a_running_query_has_no_end_whatever_prestodb_prints() -> None:
    record = row("q", "RUNNING")
    record["queryStats"]["endTime"] = "1970-01-01T00:00:00.000Z"
    assert query(record).ended is None


def test_nanoseconds_and_missing_fractions_are_times() -> None:
    record = row("q")
    record["queryStats"].update(createTime="2026-07-18T10:11:12Z", endTime="2026-07-18T10:11:14.905118423Z")
    assert query(record).amounts.elapsed_seconds == 2.905118


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"errorCode": None, "errorType": None}, ("UNKNOWN", "UNKNOWN")),
        ({"errorCode": None, "errorType": "EXTERNAL"}, ("EXTERNAL", "UNKNOWN")),
        ({"errorCode": {}, "errorType": "EXTERNAL"}, ("EXTERNAL", "UNKNOWN")),
        ({"errorCode": {"name": "HIVE_METASTORE_ERROR", "type": "EXTERNAL"}}, ("EXTERNAL", "HIVE_METASTORE_ERROR")),
        ({"errorCode": {"name": "A", "type": "B"}, "errorType": "C"}, ("B", "A")),
    ],
)
def test_errors_of_failed_queries(changes: dict[str, Any], error: tuple[str, str]) -> None:
    failed = query({**row("q", "FAILED"), **changes})
    assert (failed.error_type, failed.error_name) == error


def test_only_failed_queries_have_an_error() -> None:
    """PrestoDB lists the cause of a failure before the state is FAILED, and sometimes on a finished query."""
    for state in ("RUNNING", "FINISHED"):
        record = query({**row("q", state, error="USER_CANCELED")})
        assert (record.error_type, record.error_name) == ("", "")


@pytest.mark.parametrize(
    "user", ["alice", 'quo"te', "back\\slash", "new\nline", "Zoë", "ZoÃ«", "李雷", "🚀", "", "a\x00b", "x" * 1_000_000]
)
def test_users_are_taken_as_they_are(user: str) -> None:
    assert query(row("q", user=user)).user == user


def test_missing_users_and_sources_are_empty() -> None:
    assert query(row("q", user=None)).user == ""
    record = row("q")
    record["session"]["source"] = None
    assert query(record).source == ""
    del record["session"]
    assert query(record).user == ""


def test_half_a_surrogate_is_replaced_and_spoils_nothing() -> None:
    body = json.dumps([row("q", user="a\ud800\U0001f600\\ud800\udc00"), row("r", user="b")]).encode()
    decoded = decode(body, {})
    assert [query.user for query in decoded.fresh] == ["a\ufffd\U0001f600\\ud800\ufffd", "b"]


def changed(**changes: Any) -> dict[str, Any]:
    return {**row("bad"), **changes}


def stats(**changes: Any) -> dict[str, Any]:
    record = row("bad")
    record["queryStats"].update(changes)
    return record


def without(name: str) -> dict[str, Any]:
    record = row("bad")
    del record[name]
    return record


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (without("queryId"), "missing_field"),
        (changed(queryId=""), "missing_field"),
        (without("state"), "missing_field"),
        (without("queryStats"), "missing_field"),
        (changed(queryStats={}), "missing_field"),
        (changed(queryId=17), "wrong_type"),
        (changed(state=None), "wrong_type"),
        (changed(session=[]), "wrong_type"),
        (changed(session={"user": 7}), "wrong_type"),
        (stats(totalCpuTime=7), "wrong_type"),
        (stats(rawInputPositions="many"), "wrong_type"),
        (stats(createTime="yesterday"), "bad_time"),
        (stats(createTime="2026-07-18T10:11:12"), "bad_time"),
        (stats(totalCpuTime="3 fortnights"), "bad_unit"),
        (stats(physicalInputDataSize="3GiB"), "bad_unit"),
        (stats(processedInputPositions=1e300), "wrong_type"),
        (stats(cumulativeUserMemory=1e300), "wrong_type"),
        (stats(totalCpuTime="9" * 400 + "d"), "bad_unit"),
        (stats(physicalInputDataSize="9" * 400 + "B"), "bad_unit"),
        (stats(createTime="0001-01-01T00:00:00+23:59"), "bad_time"),
        (stats(createTime="1969-12-31T23:59:59.999Z"), "bad_time"),
        (stats(createTime="9999-12-31T00:00:00Z", endTime=None, elapsedTime="2.00d"), "bad_time"),
        ({**stats(createTime="9999-12-31T23:59:59-23:00"), "state": "RUNNING"}, "bad_time"),
    ],
)
def test_a_bad_record_is_rejected_with_a_reason_and_the_rest_counts(record: dict[str, Any], reason: str) -> None:
    body = json.dumps([row("first"), record, row("last")]).encode()
    decoded = decode(body, {})
    assert [query.id for query in decoded.fresh] == ["first", "last"]
    assert decoded.rejected == [Rejected(reason)]
    assert decode(body, decoded.rows).rejected == []


@pytest.mark.parametrize("record", [b"null", b"17", b'"text"', b"[]", b"[[]]", b"1e999"])
def test_something_else_than_an_object_is_rejected(record: bytes) -> None:
    body = b"[" + record + b", " + json.dumps(row("last")).encode() + b"]"
    decoded = decode(body, {})
    assert decoded.rejected == [Rejected("wrong_type")] and len(decoded.fresh) == 1


def test_text_that_is_not_utf_8_is_rejected() -> None:
    body = json.dumps([row("first", user="XXX"), row("last")]).encode().replace(b"XXX", b"\xff\xfe")
    decoded = decode(body, {})
    assert decoded.rejected == [Rejected("bad_text")] and len(decoded.fresh) == 1


def test_a_number_too_large_to_be_one_is_rejected() -> None:
    body = json.dumps([stats(cumulativeUserMemory=0.25)]).encode().replace(b"0.25", b"1e999")
    assert decode(body, {}).rejected == [Rejected("wrong_type")]


WHOLE = json.dumps([row("first"), row("last")]).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"null",
        b"{}",
        b'"list"',
        b"<html><body>Sign in</body></html>",
        b"Service unavailable",
        WHOLE[:-1],
        WHOLE + b"]",
        WHOLE + WHOLE,
        b"\xff" + WHOLE,
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
    ],
)
def test_a_body_that_is_not_a_whole_list_is_no_list(body: bytes) -> None:
    with pytest.raises(NotAListError):
        decode(body, {})


def test_a_list_cut_anywhere_is_no_list() -> None:
    for length in range(len(WHOLE)):
        with pytest.raises(NotAListError):
            decode(WHOLE[:length], {})


def test_an_empty_list_is_a_list() -> None:
    assert decode(b" [ ] ", {}).rows == {}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(max_size=5), values, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*row("q"), "errorCode", "errorType"]), JSON_VALUES), JSON_VALUES)
def test_no_record_raises(changes: dict[str, Any], value: Any) -> None:
    record = {**row("q"), **changes}
    if isinstance(record.get("queryStats"), dict):
        record["queryStats"]["elapsedTime"] = value
    body = json.dumps([record], allow_nan=False, default=str) if _finite(record) else "[]"
    decode(body.encode("utf-8", "surrogatepass"), {})


def _finite(record: Any) -> bool:
    try:
        json.dumps(record, allow_nan=False)
    except ValueError:
        return False
    return True


@given(st.binary(max_size=200))
def test_no_body_raises_anything_but_that_it_is_no_list(body: bytes) -> None:
    try:
        decode(body, {})
    except NotAListError:
        return


def test_texts_come_beside_the_queries_and_are_not_kept() -> None:
    prepared = {**row("p"), "query": "EXECUTE s USING 1", "preparedQuery": "SELECT ?"}
    silent = row("s")
    del silent["query"]
    body = json.dumps([row("q"), prepared, silent, row("l", "FAILED", error="QUERY_TEXT_TOO_LARGE")]).encode()
    decoded = decode(body, {})
    assert decoded.digests == [
        Text("SELECT 1", None, is_cut=False),
        Text("EXECUTE s USING 1", "SELECT ?", is_cut=False),
        Text("", None, is_cut=False),
        Text("SELECT 1", None, is_cut=True),
    ]
    assert decode(body, decoded.rows).digests == []

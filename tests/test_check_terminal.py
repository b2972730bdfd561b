"""What is printed: one line for each finding, nothing that steers a terminal, colour only where it is wanted."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from exporter.check.findings import Finding, Severity
from exporter.check.seen import Kind, Seen
from exporter.check.terminal import Results, is_good, to_json, to_text, wants_colour
from exporter.config import Cluster
from exporter.decode.query_list import decode_query_list
from exporter.ingest.connection import Certificate
from exporter.ingest.coordinator import Reply
from exporter.query import Query
from tests.listing import START, info, row

WRONG = Finding(Severity.ERROR, Kind.HIDDEN, "rights", "nothing is listed", "add the rule", "in a file,\n{}")
ODD = Finding(Severity.WARNING, Kind.CLOCK, "clock", "an hour ahead", "see NTP")
MINOR = Finding(Severity.NOTE, Kind.CERTIFICATE, "TLS", "believed", "set tls.ca_file")


def answered(path: str, body: bytes, **more: Any) -> Reply:
    values = {
        "status": 200,
        "content_type": "",
        "offers": (),
        "target": "",
        "date": START + 60,
        "received": START + 59.8,
    }
    return Reply(path=path, body=body, **{**values, **more})


def seen(information: bytes | None = None, **more: Any) -> Seen:
    rows = [row(f"20260921_133320_0000{i}_abcde", user=user) for i, user in enumerate(("alice", "alice", "bob"))]
    rows.append(row("20260921_133320_00004_abcde", "RUNNING"))
    decoded = decode_query_list(json.dumps(rows).encode(), {}, lambda _: None)
    values: dict[str, Any] = {
        "cluster": Cluster.model_validate({"url": "https://presto.example:8443", "user": "monitor"}),
        "now": START + 60,
        "replies": [answered("/v1/info", information or info()), answered("/v1/query", b"")],
        "queries": [one for one in decoded.rows.values() if isinstance(one, Query)],
        "list_bytes": 2_700_000,
        "seconds": 0.412,
        "certificate": Certificate("", "Example CA", ("presto.example",), 0.0, START, "TLSv1.3"),
    }
    return Seen(**{**values, **more})


def test_everything_that_is_known_is_said_before_what_is_wrong() -> None:
    assert (
        to_text([(seen(), (WRONG, ODD, MINOR))])
        == """\
test  https://presto.example:8443
  engine    trino 483, environment "test", up 1 d
  asked as  user "monitor" without a password
  list      4 queries of 2 users, 1 in flight; 2.6 MiB in 0.41 s
  retention ended queries listed for 59 s at least
  clock     the coordinator's agrees with ours
  TLS       TLSv1.3, certificate for presto.example by Example CA until 2026-09-21
  error     rights: nothing is listed; add the rule
            | in a file,
            | {}
  warning   clock: an hour ahead; see NTP
  note      TLS: believed; set tls.ca_file

1 cluster: 1 with problems"""
    )


def test_what_is_not_known_is_left_out() -> None:
    nothing = Seen(Cluster.model_validate({"url": "http://presto.example", "name": "adhoc"}), START)
    assert (
        to_text([(nothing, ()), (nothing, (WRONG,))])
        == """\
adhoc  http://presto.example
  asked as  user "presto-query-exporter" without a password
  ok

adhoc  http://presto.example
  asked as  user "presto-query-exporter" without a password
  error     rights: nothing is listed; add the rule
            | in a file,
            | {}

2 clusters: 1 ok, 1 with problems"""
    )


@pytest.mark.parametrize(
    ("date", "text"), [(START + 119, "59.7 s ahead of ours"), (START - 1, "1 min behind ours"), (None, "")]
)
def test_the_clock_is_compared_where_it_is_told(date: float | None, text: str) -> None:
    replies = [answered("/v1/info", info(), date=date), answered("/v1/query", b"", date=date)]
    shown = to_text([(seen(replies=replies), ())])
    assert (text in shown.replace("1 min ahead", "59.7 s ahead")) and ("clock" in shown) == bool(text)


def test_notes_need_nothing_done() -> None:
    assert is_good((MINOR,)) and is_good(()) and not is_good((MINOR, ODD)) and not is_good((WRONG,))
    assert to_text([(seen(), (MINOR,))]).endswith("  ok\n\n1 cluster: 1 ok")


@pytest.mark.parametrize("hostile", ["\x1b[2J\x1b]0;title\x07", "a\nok\r\tb", "\u202eko", "x" * 10_000])
def test_nothing_from_a_server_steers_the_terminal_or_makes_a_line_of_its_own(hostile: str) -> None:
    environment = hostile.encode("utf-8", "replace").decode()
    body = json.dumps(environment)
    information = info().replace(b'"test"', body.encode()).replace(b'"483"', body.encode())
    certificate = Certificate(hostile, hostile, (hostile, hostile), 0.0, START, hostile)
    finding = Finding(Severity.ERROR, Kind.HIDDEN, hostile, hostile, hostile, f"one {hostile.split()[:1]}")
    results: Results = [(seen(information, certificate=certificate), (finding,))]
    plain, painted = to_text(results), to_text(results, colour=True)
    calm = to_text([(seen(), (WRONG,))])
    assert all(character.isprintable() or character == "\n" for character in plain)
    assert len(plain.splitlines()) == len(plain.split("\n")) <= len(calm.splitlines())
    assert len(plain) < 20_000
    for code in ("1", "31", "32", "0"):
        painted = painted.replace(f"\x1b[{code}m", "")
    assert painted == plain


def test_json_has_all_of_it_for_programs() -> None:
    results: Results = [(seen(), (WRONG, MINOR)), (seen(), ())]
    told = json.loads(to_json(results))
    assert (told["ok"], [cluster["ok"] for cluster in told["clusters"]]) == (False, [False, True])
    first = told["clusters"][0]
    assert (first["cluster"], first["url"]) == ("test", "https://presto.example:8443")
    assert first["findings"][0] == {
        "severity": "error",
        "kind": "hidden",
        "place": "rights",
        "problem": "nothing is listed",
        "remedy": "add the rule",
        "lines": "in a file,\n{}",
    }
    assert first["facts"] == {
        "engine": "trino",
        "version": "483",
        "environment": "test",
        "coordinator_id": None,
        "uptime_seconds": 86400.0,
        "asked_as": 'user "monitor" without a password',
        "offers": [],
        "queries_listed": 4,
        "queries_ended": 3,
        "visible_users": 2,
        "list_bytes": 2_700_000,
        "poll_seconds": 0.412,
        "oldest_end_age_seconds": 59.0,
        "clock_skew_seconds": 0.7,
        "tls_protocol": "TLSv1.3",
        "certificate_issuer": "Example CA",
        "certificate_names": ["presto.example"],
        "certificate_valid_until": START,
    }
    assert json.loads(to_json([(seen(), (MINOR,))]))["ok"] is True


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environ", "wanted"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
)
def test_colour_is_for_terminals_whose_owner_did_not_decline(
    stream: io.StringIO, environ: dict[str, str], wanted: bool
) -> None:
    assert wants_colour(stream, environ) is wanted


def test_colour_changes_nothing_but_colour() -> None:
    results: Results = [(seen(), (WRONG, ODD, MINOR)), (seen(), ())]
    painted = to_text(results, colour=True)
    assert "\x1b[31merror" in painted and "\x1b[33mwarning" in painted and "\x1b[36mnote" in painted
    for code in ("0", "1", "31", "32", "33", "36"):
        painted = painted.replace(f"\x1b[{code}m", "")
    assert painted == to_text(results)

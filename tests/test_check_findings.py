"""What was seen, judged: where one list proves something, where it proves nothing, and what lies between clusters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from exporter.check.findings import findings_between, findings_of, may_forget_soon
from exporter.check.seen import Failure, Kind, Later, Seen, parsed, said, told
from exporter.check.terminal import is_good
from exporter.config import Cluster
from exporter.decode.query_list import decode_query_list
from exporter.ingest.connection import Certificate
from exporter.ingest.coordinator import Reply
from exporter.query import Query
from tests.listing import START, info, row

URL = "https://presto.example:8443"


def answered(path: str, body: bytes = b"", **more: Any) -> Reply:
    values = {"status": 200, "content_type": "", "offers": (), "target": "", "date": None, "received": START}
    return Reply(path=path, body=body, **{**values, **more})


def queries(rows: Sequence[dict[str, Any]]) -> list[Query]:
    listed = decode_query_list(json.dumps(list(rows)).encode(), {}, lambda _: None)
    return [one for one in listed.rows.values() if isinstance(one, Query)]


def seen(*rows: dict[str, Any], information: bytes | None = None, url: str = URL, **more: Any) -> Seen:
    """Return what a cluster showed that lists *rows*, at START."""
    keys = {key: more.pop(key) for key in ("user", "name", "tls", "auth", "headers", "poll_interval") if key in more}
    values: dict[str, Any] = {
        "cluster": Cluster.model_validate({"url": url, "user": "monitor", **keys}),
        "now": START,
        "replies": [answered("/v1/info", info() if information is None else information), answered("/v1/query")],
        "queries": queries(rows),
    }
    return Seen(**{**values, **more})


def query(number: int, age: float, user: str = "alice", coordinator: str = "abcde", **more: Any) -> dict[str, Any]:
    """Return the row of a query that was begun *age* seconds before START and took one second."""
    begun = START - age
    time = datetime.fromtimestamp(begun, UTC).strftime("%Y%m%d_%H%M%S")
    return row(f"{time}_{number:05d}_{coordinator}", user=user, created=begun, **more)


def kinds(one: Seen) -> list[tuple[str, str]]:
    return [(finding.severity.value, finding.kind.value) for finding in findings_of(one)]


BOTH = (query(0, 900.0), query(1, 890.0, "bob"))


def test_two_users_and_every_id_are_good() -> None:
    assert kinds(seen(*BOTH)) == []


# Ids


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        pytest.param(range(20), [], id="every id"),
        pytest.param([*range(10), *range(12, 22)], [], id="two ids are not there"),
        pytest.param([*range(10), *range(14, 24)], [], id="a sixth is not there"),
        pytest.param(range(0, 40, 2), [("note", "hidden")], id="half are not there"),
        pytest.param([0, 7, 8, 9], [], id="only those after the first end count"),
        pytest.param([99_990, 0, 1, 2, 3, 4], [], id="the count starts over"),
    ],
)
def test_ids_that_are_not_listed_though_they_cannot_have_gone(
    numbers: Sequence[int], expected: list[tuple[str, str]]
) -> None:
    users = ("alice", "bob")
    rows = [query(number, 600.0 - 10.0 * place, users[place % 2]) for place, number in enumerate(numbers)]
    assert kinds(seen(*rows)) == expected


def test_where_others_are_seen_a_gap_alone_asks_for_nothing_but_says_both_causes() -> None:
    rows = [query(number, 600.0 - 10.0 * number, ("alice", "bob")[number % 4 // 2]) for number in range(0, 40, 2)]
    (finding,) = findings_of(seen(*rows))
    assert is_good([finding])
    assert finding.problem.endswith("they are hidden from us, or their clients never came back for them")
    assert '\n{"user": "monitor", "allow": ["view"]}\n' in finding.lines


def test_where_only_our_own_are_seen_a_gap_is_an_error() -> None:
    rows = [query(number, 600.0 - 10.0 * number, "monitor") for number in range(0, 40, 2)]
    assert kinds(seen(*rows)) == [("error", "hidden")]


def test_ids_of_queries_that_began_before_the_first_end_prove_nothing() -> None:
    """What was between them may have ended and gone long ago."""
    rows = [query(0, 5000.0, state="RUNNING"), query(900, 500.0), query(901, 450.0, "bob"), query(902, 440.0)]
    assert kinds(seen(*rows)) == []


def test_nothing_that_ended_is_listed_so_ids_prove_nothing() -> None:
    rows = [query(0, 50.0, state="RUNNING"), query(40, 40.0, "bob", state="RUNNING")]
    assert kinds(seen(*rows)) == []


def test_ids_that_are_none_are_passed_over() -> None:
    rows = [row("made_by_a_router", created=START - 90), row("20261399_000000_00000_abcde", user="bob")]
    assert kinds(seen(*rows, query(5, 80.0, "carol"), query(90, 70.0, "carol"))) == []


def test_prestodb_has_ids_of_its_clients() -> None:
    rows = [query(number, 600.0 - 5.0 * number) for number in range(0, 40, 2)]
    assert kinds(seen(*rows, information=info("0.296"))) == []


# Who we are


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ({}, [("warning", "visibility")]),
        ({"user": "alice"}, []),
        ({"auth": {"bearer_token_file": __file__}}, [("warning", "visibility")]),
        ({"auth": {"oauth2": {"token_url": "https://a/", "client_id": "x"}}}, [("warning", "visibility")]),
        ({"auth": {"kerberos": {"service_name": "HTTP"}}}, [("warning", "visibility")]),
        ({"tls": {"cert_file": __file__, "key_file": __file__}}, [("warning", "visibility")]),
        ({"headers": {"x-presto-original-user": "x"}}, [("warning", "visibility")]),
        ({"tls": {"cert_file": __file__}, "auth": {"password_file": __file__}, "user": "alice"}, []),
    ],
)
def test_the_only_user_listed_may_be_us_where_that_is_not_known(
    who: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert kinds(seen(query(0, 900.0, "monitor"), **who)) == expected


def test_who_asked_is_named_with_the_proof_but_without_the_secret() -> None:
    token = seen(auth={"bearer_token_file": __file__}).asked_as
    certificate = seen(tls={"cert_file": __file__, "key_file": __file__}).asked_as
    assert token == f"the owner of the token in {__file__}"
    assert certificate == f'user "monitor" with the certificate in {__file__}'
    oauth2 = seen(auth={"oauth2": {"token_url": "https://login.example/token?p=a", "client_id": "exporter"}}).asked_as
    assert oauth2 == 'client "exporter" with a token of https://login.example/token'


@pytest.mark.parametrize(
    ("kerberos", "text"),
    [
        ({}, "the owner of the tickets by the credential cache"),
        ({"keytab_file": __file__}, f"the owner of the tickets by {__file__}"),
        ({"principal": "a@B", "keytab_file": __file__}, f'principal "a@B" of the tickets by {__file__}'),
    ],
)
def test_whose_tickets_were_shown_is_named(kerberos: dict[str, Any], text: str) -> None:
    assert seen(auth={"kerberos": {"service_name": "HTTP", **kerberos}}).asked_as == text


def test_a_count_beyond_what_is_kept_by_default_proves_nothing() -> None:
    """The others may have gone from the list, as old ones do."""
    rows = [query(number, 3000.0 - number, "monitor") for number in range(120)]
    count = answered("/metrics", b"a 5000\n")
    assert kinds(seen(*rows, management=count)) == [("warning", "visibility")]
    assert kinds(seen(*rows[:90], management=count)) == [("error", "hidden")]


def test_own_queries_in_flight_may_end_before_the_count() -> None:
    rows = [query(0, 900.0, "monitor"), query(1, 9.0, "monitor", state="RUNNING")]
    assert kinds(seen(*rows, management=answered("/metrics", b"a 2\n"))) == []
    assert kinds(seen(*rows, management=answered("/metrics", b"a 3\n"))) == [("error", "hidden")]


# Retention


def later(*rows: dict[str, Any], after: float = 3.0) -> Later:
    return Later(START + after, frozenset(one.id for one in queries(rows)))


@pytest.mark.parametrize(
    ("age", "first", "interval", "expected"),
    [
        (59.0, 7, "15s", True),
        (61.0, 7, "15s", False),
        (61.0, 7, "1m", True),
        (59.0, 0, "15s", False),
    ],
)
def test_a_second_list_is_asked_for_where_the_first_is_young_and_not_the_first_of_all(
    age: float, first: int, interval: str, expected: bool
) -> None:
    one = seen(query(first, age + 1.0), query(first + 1, 5.0, "bob"), poll_interval=interval)
    assert may_forget_soon(one) is expected


def test_no_second_list_where_nothing_has_ended() -> None:
    assert not may_forget_soon(seen(query(7, 5.0, state="RUNNING")))
    assert not may_forget_soon(seen())


def test_what_goes_after_long_enough_is_good() -> None:
    old, new = query(7, 200.0), query(8, 5.0, "bob")
    assert kinds(seen(old, new, later=later(new))) == []


def test_what_goes_soon_is_not() -> None:
    old, new = query(7, 9.0), query(8, 5.0, "bob")
    assert kinds(seen(old, new, later=later(new))) == [("warning", "retention")]
    assert kinds(seen(old, new, later=later(old, new))) == []
    assert kinds(seen(old, new, later=later())) == [("warning", "retention")]
    assert kinds(seen(old, new, later=later(query(0, 1.0, coordinator="fghij")))) == [], "it has restarted"


def test_a_shortened_interval_is_the_one_that_the_exporter_takes() -> None:
    old, new = query(7, 31.0), query(8, 5.0, "bob")
    problem = findings_of(seen(old, new, later=later(new)))[0].problem
    assert problem == (
        "ended queries are no longer listed after about 30 s, so the exporter asks every 10 s, not every 15 s"
    )


# The server


def test_coordinators_of_prestodb_may_share_a_list() -> None:
    rows = [query(0, 900.0), query(0, 800.0, "bob", coordinator="fghij")]
    assert kinds(seen(*rows, information=info("0.296"))) == [("note", "gateway")]
    assert kinds(seen(*rows)) == [("error", "gateway")]


def start(uptime: str, received: float = START, **more: Any) -> Reply:
    body = json.dumps({"nodeVersion": {"version": "435"}, "environment": "test", "uptime": uptime, **more})
    return answered("/v1/info", body.encode(), received=received)


@pytest.mark.parametrize(
    ("again", "several"),
    [
        pytest.param([start("1.00d")], False, id="as far as three digits tell"),
        pytest.param([start("1440.50m", START + 60)], False, id="a minute later"),
        pytest.param([start("1.20d")], True, id="another start"),
        pytest.param([start("1.00d"), start("3.00m")], True, id="at the second time"),
        pytest.param([start("1.00d", coordinatorId="abcde")], True, id="another name"),
        pytest.param([answered("/v1/info", b"{}"), answered("/v1/info", status=503)], False, id="no answers"),
    ],
)
def test_answers_of_several_processes_are_told_apart(again: list[Reply], several: bool) -> None:
    replies = [start("1440.00m"), answered("/v1/query")]
    assert kinds(seen(*BOTH, replies=replies, repeated=again)) == ([("error", "gateway")] if several else [])


def test_without_an_uptime_no_process_is_told_from_another() -> None:
    no_uptime = answered("/v1/info", b'{"nodeVersion": {"version": "435"}, "environment": "test"}')
    assert kinds(seen(*BOTH, replies=[no_uptime, answered("/v1/query")], repeated=[no_uptime])) == []


@pytest.mark.parametrize(("left", "expected"), [(15.0, []), (13.0, [("warning", "certificate")]), (-1.0, None)])
def test_a_certificate_is_to_be_renewed_in_time(left: float, expected: list[tuple[str, str]] | None) -> None:
    certificate = Certificate("", "", ("presto.example",), 0.0, START + left * 86400, "TLSv1.3")
    found = kinds(seen(*BOTH, certificate=certificate))
    assert found == ([("warning", "certificate")] if expected is None else expected)


# No list


def failed(kind: Kind, place: str = "GET /v1/query", **more: Any) -> Seen:
    values: dict[str, Any] = {"queries": None, "failure": Failure(kind, place, "what is wrong", "what to do")}
    return seen(**{**values, **more})


@pytest.mark.parametrize(
    ("one", "text"),
    [
        pytest.param(
            failed(Kind.TIMEOUT, "TLS with presto.example:8443", replies=[]),
            "TLS with presto.example:8443: what is wrong; see whether TLS is spoken on this port, else write url with "
            "http://; or raise timeout",
            id="a handshake that takes too long",
        ),
        pytest.param(
            failed(Kind.TIMEOUT, "GET /v1/info", replies=[]),
            "GET /v1/info: connected, but no answer within the 10 s of the whole poll; "
            "see whether this is the coordinator's HTTP port and whether it hangs",
            id="a port that is silent",
        ),
        pytest.param(
            failed(Kind.CLIENT_CERTIFICATE, "TLS", tls={"cert_file": __file__, "key_file": __file__}, replies=[]),
            "TLS: what is wrong; what to do",
            id="our certificate is refused",
        ),
        pytest.param(
            failed(Kind.CERTIFICATE, "TLS", certificate=None, replies=[]),
            "TLS: what is wrong; what to do",
            id="a certificate that could not be looked at",
        ),
        pytest.param(
            failed(Kind.CERTIFICATE, "TLS", certificate=Certificate("", "", (), 0.0, 1e14, ""), replies=[]),
            "TLS: what is wrong (it is for no name, valid from 1970-01-01 to no day of this calendar); what to do",
            id="a certificate that says next to nothing",
        ),
        pytest.param(
            failed(Kind.CONNECTION, replies=[]),
            "GET /v1/query: what is wrong; what to do",
            id="a connection that breaks",
        ),
        pytest.param(
            failed(Kind.DECODE),
            "GET /v1/query: what is wrong; what to do",
            id="a list that is cut",
        ),
        pytest.param(
            failed(Kind.HTTP_STATUS, replies=[answered("/v1/query", status=404)]),
            "GET /v1/query: answered 404, and GET /v1/info was not answered: this is no coordinator; "
            "check host, port and path of url",
            id="no answer but 404",
        ),
    ],
)
def test_what_is_wrong_and_what_to_do(one: Seen, text: str) -> None:
    assert [str(finding) for finding in findings_of(one)] == [text]


OAUTH2 = {"oauth2": {"token_url": "https://login.example/token", "client_id": "exporter"}}
KERBEROS = {"kerberos": {"service_name": "HTTP"}}


@pytest.mark.parametrize(
    ("auth", "offer", "remedy"),
    [
        (OAUTH2, "Bearer", "see whether it takes tokens of this server, for this scope and audience, "),
        (OAUTH2, "Basic", "set auth.password_file (Basic), in place of auth.oauth2"),
        (OAUTH2, "Negotiate", "set auth.kerberos (Negotiate), in place of auth.oauth2"),
        (KERBEROS, "Negotiate", "see whether service_name and hostname of auth.kerberos are those of a principal "),
        (KERBEROS, "Basic", "set auth.password_file (Basic), in place of auth.kerberos"),
    ],
)
def test_a_proof_that_is_refused_or_not_asked_for_names_its_keys(auth: dict[str, Any], offer: str, remedy: str) -> None:
    refusal = answered("/v1/query", status=401, offers=(offer,))
    (finding,) = findings_of(failed(Kind.UNAUTHORIZED, auth=auth, replies=[answered("/v1/info", info()), refusal]))
    assert finding.remedy.startswith(remedy)


@pytest.mark.parametrize("place", ["auth.oauth2.token_url", "auth.kerberos"])
@pytest.mark.parametrize("kind", [Kind.TIMEOUT, Kind.CONNECTION, Kind.TLS, Kind.UNAUTHORIZED, Kind.HTTP_STATUS])
def test_who_is_asked_before_the_coordinator_keeps_its_own_words(place: str, kind: Kind) -> None:
    """What helps against a slow list, or a wrong url, does not help there."""
    assert [str(finding) for finding in findings_of(failed(kind, place, replies=[]))] == [
        f"{place}: what is wrong; what to do"
    ]


def untrusted(section: str, certificate: Certificate | None = None, **more: Any) -> str:
    """Return what to do where a poll says that the authority in this section is missing."""
    of_coordinator = section == "tls"
    kind, place = (Kind.CERTIFICATE, "TLS") if of_coordinator else (Kind.TLS, section.removesuffix(".tls"))
    failure = Failure(kind, place, "what is wrong", f"set {section}.ca_file to the authority that signed it")
    (finding,) = findings_of(failed(kind, failure=failure, replies=[], certificate=certificate, **more))
    return finding.remedy


def test_a_file_of_authorities_is_only_to_be_set_where_there_is_none() -> None:
    shown = Certificate("", "Example CA", (), 0.0, 1e9, "")
    tls: dict[str, Any] = {"tls": {"ca_file": __file__}}
    oauth2: dict[str, Any] = {"auth": {"oauth2": {**OAUTH2["oauth2"], **tls}}}
    lacks = f"{__file__} has not the authority that signed it"
    add = "; put that one into it, and those above it"
    assert untrusted("tls", shown, **tls) == f"{lacks} (Example CA){add}"
    assert untrusted("tls", **tls) == f"{lacks}{add}"
    assert untrusted("tls", shown, **oauth2) == "set tls.ca_file to the authority that signed it"
    assert untrusted("auth.oauth2.tls", shown, **oauth2) == f"{lacks}{add}", "the certificate is the coordinator's"
    assert untrusted("auth.oauth2.tls", shown, **tls) == "set auth.oauth2.tls.ca_file to the authority that signed it"


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\xff", b'"\\ud800"', b"null"])
def test_a_body_that_is_nothing_is_none(body: bytes) -> None:
    assert parsed(answered("/v1/info", body)) in (None, "\ud800")
    assert told(answered("/v1/info", body)) is None
    assert not seen(information=body).is_worker


def test_what_a_refusal_says_is_found_whatever_is_around_it() -> None:
    text = b"<html>\n<h2>trino SERVER IS STILL INITIALIZING</h2>" + bytes(range(256))
    assert said(answered("/v1/query", text, status=500)) == "server is still initializing"
    assert said(answered("/v1/query", text)) is None
    assert said(answered("/v1/query", b"hidden", status=500)) is None
    assert said(None) is None


# Between clusters


def between(*clusters: Seen) -> list[list[str]]:
    return [[finding.kind.value for finding in found] for found in findings_between(clusters)]


ONE, OTHER = "https://one.example", "https://other.example"


def test_only_the_later_of_two_has_the_finding() -> None:
    assert between(seen(*BOTH, url=ONE), seen(*BOTH, url=OTHER)) == [[], ["same_queries"]]
    assert between(seen(*BOTH, url=ONE), seen(query(3, 9.0), url=OTHER), seen(*BOTH)) == [
        [],
        ["same_name"],
        ["same_queries"],
    ]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param(start("1.00d"), start("1440.00m"), True, id="the same start"),
        pytest.param(start("1.00d"), start("1.10d"), False, id="another start"),
        pytest.param(start("5.00m"), start("5.10m"), False, id="some seconds later"),
        pytest.param(start("1.00d", coordinatorId="abcde"), start("1.00d", coordinatorId="fghij"), False, id="names"),
        pytest.param(start("1.00d", coordinatorId="abcde"), start("9.00d", coordinatorId="abcde"), True, id="a name"),
        pytest.param(start("1.00d"), start("1.00d", environment="other"), False, id="another environment"),
        pytest.param(start("1.00d"), answered("/v1/info", status=503), False, id="no answer"),
        pytest.param(
            start("1.00d"),
            answered("/v1/info", b'{"nodeVersion": {"version": "435"}, "environment": "test"}'),
            False,
            id="no uptime",
        ),
    ],
)
def test_one_process_under_two_addresses_is_known_without_queries(one: Reply, other: Reply, same: bool) -> None:
    pair = [
        seen(replies=[reply, answered("/v1/query")], url=url, name=url) for url, reply in ((ONE, one), (OTHER, other))
    ]
    assert between(*pair) == [[], ["same_queries"] if same else []]


def test_two_lists_without_a_common_query_are_of_two_coordinators() -> None:
    one = seen(query(0, 9.0), url=ONE, name="one", replies=[start("1.00d"), answered("/v1/query")])
    other = seen(query(0, 9.0, coordinator="fghij"), url=OTHER, name="other", replies=one.replies)
    assert between(one, other) == [[], []]


def test_every_message_has_a_place_a_problem_and_a_remedy() -> None:
    old, new = query(7, 9.0), query(8, 5.0, "bob")
    worst = seen(
        old,
        new,
        later=later(new),
        rejected=3,
        list_bytes=200 * 2**20,
        seconds=9.0,
        user="zoë",
        tls={"insecure_skip_verify": "true"},
        gateway=answered("/trino-gateway/livez"),
        replies=[answered("/v1/info", status=404, date=START + 100), answered("/v1/query", date=START)],
    )
    found = findings_of(worst)
    severities = [finding.severity.value for finding in found]
    assert severities == sorted(severities, key=["error", "warning", "note"].index), "the worst first"
    assert {finding.kind.value for finding in found} == {
        "gateway",
        "info",
        "clock",
        "retention",
        "slow",
        "large",
        "records",
        "user",
        "certificate",
    }
    for finding in found:
        assert finding.place and finding.problem and finding.remedy
        assert not finding.remedy.endswith((".", ";")) and not finding.problem.endswith((".", ";"))

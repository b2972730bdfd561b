"""What a running exporter writes while everything goes wrong: bounded, readable by programs, and nobody's secrets."""

from __future__ import annotations

import io
import json
import re
import signal
import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import trustme

from exporter.account.ledger import Ledger
from exporter.app import LedgerState
from exporter.catalogue import CATALOGUE
from exporter.demo.coordinator import Coordinator, Fault, cut_at
from exporter.demo.query import Plan
from exporter.demo.server import serve
from exporter.errors import HttpStatusError, LedgerBusyError
from exporter.expose.access import Access
from exporter.expose.text import Exposition
from exporter.expose.web import Server, create_app
from exporter.ingest.coordinator import Answer
from exporter.logs import configure
from tests.exporter_process import ExporterProcess, wait_until
from tests.listing import answer, info, row
from tests.test_logs import parsed, stream
from tests.test_poll_failures import Polled, Scripted, asking, reporting

__all__ = ["stream"]  # a fixture

PASSWORD, HEADER, TOKEN = "pa55-w0rd-planted", "header-planted-5ecret", "t0ken-planted"
LITERAL, TABLE = "literal-planted", "secret_table_planted"
SQL = f"SELECT name FROM {TABLE} WHERE card = '{LITERAL}'"
PLANTED = [PASSWORD, HEADER, TOKEN, LITERAL, TABLE, "SELECT name", "bW9uaXRvcjpwYTU1"]  # the last: in base64, with user

CONFIG = """
clusters:
  - name: test
    url: "{url}"
    user: monitor
    auth: {{password_file: "{folder}/password"}}
    tls: {{ca_file: "{folder}/ca.pem"}}
    headers: {{X-Secret: "{header}"}}
    poll_interval: 5ms
    timeout: 300ms
  - name: other
    url: "{url}"
    auth: {{bearer_token_file: "{folder}/token"}}
    tls: {{ca_file: "{folder}/ca.pem"}}
    poll_interval: 5ms
    timeout: 300ms
  - {{name: absent, url: "http://127.0.0.1:{port}", poll_interval: 5ms, timeout: 300ms}}
new_series_delay: 0s
ledger: {{path: "{folder}/ledger.sqlite"}}
web: {{listen_addresses: ["127.0.0.1:0"], enable_lifecycle: true}}
log: {{level: debug, format: {format}}}
"""

FIRST = row("20260921_133320_00000_aaaaa")
FLAPS = 50
FAULTS = [
    Fault(status=500),
    Fault(status=503, body=SQL.encode()),
    Fault(status=401, headers={"WWW-Authenticate": f'Basic realm="{SQL}"'}),
    Fault(status=403, body=SQL.encode()),
    Fault(status=302, headers={"Location": f"https://monitor:{PASSWORD}@127.0.0.1/{TABLE}"}),
    Fault(body=SQL.encode()),
    Fault(body=cut_at(400)),
    Fault(body=b'[{"queryId": "x", "query": ' + json.dumps(SQL).encode()),
    Fault(body=b"[" * 100_000),
    Fault(body=json.dumps([SQL, {"query": SQL}, {"queryId": SQL, "state": SQL, "query": SQL}]).encode()),
    Fault(headers={"Content-Encoding": "gzip"}, body=SQL.encode()),
    Fault(drop_at=300),
    Fault(bytes_per_second=50.0),
]


def polls(exporter: ExporterProcess, cluster: str, result: str | None = None) -> float:
    """Return the polls of a cluster with *result*, or all of them."""
    return sum(
        value
        for labels, value in exporter.scrape().named("presto_exporter_polls_total").items()
        if {("presto_cluster", cluster), ("result", result)} - {("result", None)} <= labels
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def as_json(line: str) -> dict[str, object]:
    """The fields of a line of JSON, which is printable and has each key once."""
    pairs = json.loads(line, object_pairs_hook=list)
    assert len(dict(pairs)) == len(pairs)
    assert line.isprintable()
    return dict(pairs)


@pytest.mark.slow
@pytest.mark.parametrize(("form", "read"), [("logfmt", parsed), ("json", as_json)])
def test_through_faults_of_every_kind_lines_are_bounded_and_hold_no_secret_and_no_sql(
    form: str, read: Callable[[str], dict[str, object]], tmp_path: Path
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    (tmp_path / "token").write_text(TOKEN)
    coordinator = Coordinator(environment="test")
    for number in range(20):
        coordinator.submit("alice", sql=f"{SQL} OR x = {number}", plan=Plan(running=0.0))
    with serve(coordinator, tls=context) as server:
        text = CONFIG.format(url=server.url, folder=tmp_path, port=free_port(), format=form, header=HEADER)
        exporter = ExporterProcess(tmp_path, text)
        if form == "json":
            exporter = JsonExporterProcess(tmp_path, text)
        with exporter:
            wait_until(lambda: polls(exporter, "test", "success"), "a good poll")
            for fault in FAULTS:
                coordinator.inject(fault)
                before = polls(exporter, "test", "success")
                wait_until(lambda before=before: polls(exporter, "test", "success") > before + 2, f"after {fault}")  # type: ignore[misc]
            before = polls(exporter, "test") + polls(exporter, "other")
            for status in FLAPS * (500, 503):
                coordinator.inject(Fault(status=status))
                coordinator.inject(Fault())
            wait_until(
                lambda: polls(exporter, "test") + polls(exporter, "other") > before + 4 * FLAPS, "a cluster that flaps"
            )
            exporter.config.write_text(text.replace("poll_interval: 5ms", f"password: {PASSWORD}"))
            for _ in range(20):
                exporter.send(signal.SIGHUP)
                wait_until(
                    lambda: exporter.scrape().get("presto_exporter_config_last_reload_successful") == 0.0,
                    "a bad reload",
                )
            (tmp_path / "password").write_bytes(f"{PASSWORD}\x00\n".encode())
            failures = polls(exporter, "test")
            wait_until(lambda: polls(exporter, "test") > failures + 2, "polls with a password that cannot be sent")
            (tmp_path / "password").write_text(PASSWORD)
            for rubbish in (
                f"{SQL}\r\n\r\n",
                f"GET /{TABLE}?q={PASSWORD} HTTP/1.1\r\nAuthorization: Basic {TOKEN}\r\n\r\n",
            ):
                host, _, port = exporter.address.rpartition(":")
                with socket.create_connection((host, int(port)), timeout=30) as client:
                    client.sendall(rubbish.encode())
                    client.recv(1000)
            assert exporter.get(f"/api/v1/queries?window={PASSWORD}&table={TABLE}")[0] == 400
            assert exporter.stop() == 0
        log = exporter.logged()
    lines = [read(line) for line in log.splitlines()]
    assert all({"time", "level", "logger", "msg"} <= line.keys() for line in lines)
    for planted in PLANTED:
        assert planted not in log
    assert len(lines) < 120, "of more than 300 polls that failed"
    told = [str(line["msg"]) for line in lines]
    assert any(message.startswith('cluster "test": up again after ') for message in told)
    assert any(message.startswith('cluster "absent": ') and "refused; check that" in message for message in told)
    assert any(message.startswith("the old configuration stays in force: ") for message in told)
    assert told[-1] == "stopped"
    assert not [line for line in lines if "exception" in line], "none of this is unexpected"


class JsonExporterProcess(ExporterProcess):
    """The same, whose log is JSON."""

    def _listening(self) -> re.Match[str] | None:
        return re.search(r'"msg": "listening", "address": "([^"]+)"', self.logged())


SECRET = "hunter" + str(2)  # in no line of source, which tracebacks show


def test_a_defect_met_at_every_poll_or_request_is_told_a_few_times_and_by_its_place_only(
    stream: io.StringIO, tmp_path: Path
) -> None:
    configure("debug", "json", stream)

    def broken() -> Sequence[str]:
        raise RuntimeError(SECRET)

    def no_access() -> Access:
        raise LookupError(SECRET)

    app = create_app(Exposition(CATALOGUE), "/metrics", broken, tuple)
    closed = Server(app, [("127.0.0.1", 0)], access=no_access)
    closed.start()
    web = Server(app, [("127.0.0.1", 0)])
    web.start()
    try:
        for _ in range(50):
            socket.create_connection(closed.addresses[0], timeout=30.0).close()
        for _ in range(50):
            with pytest.raises(HTTPError) as refused:
                urlopen(f"http://127.0.0.1:{web.addresses[0][1]}/-/ready", timeout=30.0)
            refused.value.close()
        wait_until(lambda: "LookupError" in stream.getvalue(), "the failure of a connection")
    finally:
        web.stop()
        closed.stop()
    with Polled(tmp_path, Scripted(reporting(ValueError(SECRET)))) as polled:
        wait_until(lambda: polled.polls().get("internal", 0.0) > 100, "polls that fail")
    log = stream.getvalue()
    lines = [as_json(line) for line in log.splitlines()]
    assert SECRET not in log
    traces = [str(line["exception"]).splitlines() for line in lines if "exception" in line]
    assert {trace[-1] for trace in traces} == {"RuntimeError", "ValueError", "LookupError"}
    assert any("in broken" in line for trace in traces for line in trace)
    assert len(lines) < 40


def test_a_ledger_that_flaps_is_told_at_times_and_in_the_end_as_it_is(stream: io.StringIO, tmp_path: Path) -> None:
    configure("debug", "json", stream)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    state = LedgerState(ledger, Exposition(CATALOGUE))
    assert stream.getvalue() == "", "that all is well from the beginning is no news"
    for number in range(500):
        state.note(LedgerBusyError(f"ledger: full at {number % 2}; free some disk") if number % 3 else None)
    assert 3 < len(stream.getvalue().splitlines()) < 30
    ledger.close()


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ([FIRST], answer(FIRST), "keeps ended queries for longer, so they are counted now"),
        ([], answer(), "may have forgotten queries that ended meanwhile: see presto_exporter_poll_gaps_total"),
        ([FIRST], answer(information=info(uptime=0.0)), "restarted meanwhile"),
    ],
    ids=["nothing is lost", "it cannot be known", "a restart"],
)
def test_a_cluster_that_is_back_is_told_with_what_may_be_lost(
    before: list[dict[str, object]], after: Answer, told: str, stream: io.StringIO, tmp_path: Path
) -> None:
    configure("info", "logfmt", stream)
    script = Scripted(
        lambda: answer(*before), asking(HttpStatusError("GET /v1/query answered 500; wait")), lambda: after
    )
    with Polled(tmp_path, script) as polled:
        wait_until(polled.goes_on, "polls after the failure")
    up, down, back = [parsed(line) for line in stream.getvalue().splitlines()]
    assert up["msg"].startswith(f'cluster "test": up: trino 483, {len(before)} queries listed')
    assert up["level"] == ("info" if before else "warn")
    assert ("right to view those of others is missing" in up["msg"]) == (not before)
    assert (down["level"], down["result"]) == ("warn", "http_status")
    assert down["msg"] == 'cluster "test": GET /v1/query answered 500; wait'
    assert back["msg"].startswith('cluster "test": up again after 0 s; it')
    assert told in back["msg"]

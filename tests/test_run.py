"""`run` as a process: it counts the truth whatever is killed, stops cleanly, and says what is wrong."""

from __future__ import annotations

import base64
import os
import random
import resource
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from exporter.demo.coordinator import Coordinator, Fault
from exporter.demo.query import Plan, Usage
from exporter.demo.server import serve
from tests.exporter_process import ExporterProcess, wait_until
from tests.exposition import Labels, Samples

KILLS = int(os.environ.get("KILLS", "12"))

CONFIG = """
clusters:
  - {{name: test, url: "{url}", user: monitor, poll_interval: {interval}, timeout: 5s}}
new_series_delay: 0s
ledger: {{path: "{folder}/ledger.sqlite"}}
web: {{listen_addresses: ["127.0.0.1:0"]}}
"""


def config(url: str, folder: Path, interval: str = "100ms", more: str = "") -> str:
    return CONFIG.format(url=url, folder=folder, interval=interval) + more


def queries(samples: Samples) -> dict[tuple[str, str, str], float]:
    """Return the ended queries by user, source and outcome, where there are any."""
    found = samples.named("presto_user_queries_total")
    keys = {labels: dict(labels) for labels in found}
    return {
        (key["user"], key["source"], key["outcome"]): found[labels] for labels, key in keys.items() if found[labels]
    }


def truth(coordinator: Coordinator) -> dict[tuple[str, str, str], float]:
    """Return the same as the coordinator knows it."""
    return {
        (user, source, outcome): float(count)
        for (user, source), tally in coordinator.truth().items()
        for outcome, count in tally.outcomes.items()
        if count
    }


@contextmanager
def busy(coordinator: Coordinator) -> Iterator[None]:
    """Let users work at a coordinator for the time of the context."""
    over = threading.Event()
    rng = random.Random(7)

    def work() -> None:
        while not over.wait(0.01):
            plan = Plan(
                queued=rng.random() / 10,
                running=rng.random() / 2,
                error=rng.choice(["", "", "SYNTAX_ERROR", "USER_CANCELED", "DIVISION_BY_ZERO"]),
                usage=Usage(cpu_seconds=rng.randrange(100) / 100, input_rows=rng.randrange(1000)),
                late=Usage(input_rows=0),
            )
            coordinator.submit(rng.choice(["alice", "bob", 'o\'neil "x"']), rng.choice(["cli", ""]), plan=plan)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        over.set()
        worker.join()


def test_killed_at_random_moments_it_counts_the_truth_and_no_counter_falls(tmp_path: Path) -> None:
    rng = random.Random(11)
    coordinator = Coordinator(min_expire_age=3600.0)
    highest: dict[tuple[str, Labels], float] = {}
    with serve(coordinator) as server:
        exporter = ExporterProcess(tmp_path, config(server.url, tmp_path))

        def watch(until: float) -> None:
            while time.monotonic() < until:
                samples = exporter.try_scrape()
                if samples is not None:
                    assert highest.keys() <= samples.keys(), "counters that were shown are shown no more"
                    for key, value in samples.items():
                        if key[0].startswith("presto_") and key[0].endswith(("_total", "_count", "_bucket")):
                            assert value >= highest.get(key, 0.0), f"{key} fell from {highest[key]} to {value}"
                            highest[key] = value
                time.sleep(0.01)

        with busy(coordinator):
            for _ in range(KILLS):
                exporter.start()
                watch(time.monotonic() + rng.random())
                exporter.kill()
                exporter.launch()
                time.sleep(rng.random() / 2)  # anywhere in its start
                exporter.kill()
        with exporter:
            wait_until(lambda: queries(exporter.scrape()) == truth(coordinator), "the truth")
            watch(time.monotonic() + 0.5)
            assert queries(exporter.scrape()) == truth(coordinator)
            cpu = sum(exporter.scrape().named("presto_user_query_cpu_seconds_total").values())
            assert cpu == pytest.approx(sum(tally.cpu_seconds for tally in coordinator.truth().values()), rel=0.01)
            assert exporter.scrape().named("presto_exporter_poll_gaps_total") == {
                frozenset({("presto_cluster", "test")}): 0.0
            }


def test_it_stops_cleanly_and_quickly_whatever_a_poll_is_doing(tmp_path: Path) -> None:
    coordinator = Coordinator()
    with serve(coordinator) as server:
        for fault in (None, Fault(hang=True), Fault(bytes_per_second=10.0)):
            with ExporterProcess(tmp_path, config(server.url, tmp_path)) as exporter:
                wait_until(lambda: exporter.get("/-/ready")[0] == 200, "the first poll")
                if fault:
                    coordinator.inject(fault)
                    wait_until(lambda: server_is_asked(exporter), "a poll under way")
                started = time.monotonic()
                assert exporter.stop() == 0
                assert time.monotonic() - started < 4.0
                assert "msg=stopped" in exporter.logged()
            coordinator.heal()


def server_is_asked(exporter: ExporterProcess) -> bool:
    """True once the exporter shows no more successes for some polls' time: one must be under way."""
    before = exporter.scrape().get("presto_exporter_polls_total", presto_cluster="test", result="success")
    time.sleep(0.4)
    return before == exporter.scrape().get("presto_exporter_polls_total", presto_cluster="test", result="success")


def test_a_sick_cluster_delays_neither_another_nor_a_scrape(tmp_path: Path) -> None:
    sick, well = Coordinator(), Coordinator()
    with serve(sick) as sick_server, serve(well) as well_server:
        sick.inject(Fault(hang=True), times=None)
        well.submit("alice", plan=Plan(running=0.0))
        text = config(well_server.url, tmp_path).replace(
            "clusters:", f'clusters:\n  - {{name: sick, url: "{sick_server.url}", poll_interval: 100ms, timeout: 1s}}'
        )
        with ExporterProcess(tmp_path, text) as exporter:
            status, reasons = exporter.get("/-/ready")
            assert status == 503 and "sick" in reasons
            wait_until(
                lambda: (
                    (exporter.scrape().get("presto_exporter_polls_total", presto_cluster="test", result="success") or 0)
                    > 5
                ),
                "polls of the other cluster",
            )
            wait_until(
                lambda: (
                    exporter.scrape().get("presto_exporter_polls_total", presto_cluster="sick", result="timeout") == 1.0
                ),
                "the timeout",
            )
            assert exporter.scrape().get("presto_up", presto_cluster="sick") == 0.0
            assert exporter.get("/-/ready")[0] == 200
            sick.heal()
            wait_until(lambda: exporter.scrape().get("presto_up", presto_cluster="sick") == 1.0, "the recovery")
            assert exporter.logged().count('cluster \\"sick\\": up again') == 1


def test_a_full_disk_is_told_and_made_up_for(tmp_path: Path) -> None:
    coordinator = Coordinator()
    with serve(coordinator) as server, ExporterProcess(tmp_path, config(server.url, tmp_path)) as exporter:
        wait_until(lambda: exporter.get("/-/ready")[0] == 200, "the first poll")
        unlimited = resource.prlimit(exporter.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        for number in range(200):
            coordinator.submit(f"user{number}", plan=Plan(running=0.0))
        wait_until(
            lambda: exporter.scrape().get("presto_exporter_queries_listed", presto_cluster="test") == 200.0, "the list"
        )
        assert exporter.scrape().get("presto_exporter_ledger_up") == 0.0
        assert queries(exporter.scrape()) == {}
        resource.prlimit(exporter.process.pid, resource.RLIMIT_FSIZE, unlimited)
        wait_until(lambda: queries(exporter.scrape()) == truth(coordinator), "the truth")
        assert exporter.scrape().get("presto_exporter_ledger_up") == 1.0
        assert exporter.logged().count("level=error") == 1 and exporter.stop() == 0


def test_a_locked_ledger_is_told_and_made_up_for(tmp_path: Path) -> None:
    coordinator = Coordinator()
    with serve(coordinator) as server, ExporterProcess(tmp_path, config(server.url, tmp_path)) as exporter:
        wait_until(lambda: exporter.get("/-/ready")[0] == 200, "the first poll")
        other = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None, timeout=30.0)
        other.execute("BEGIN IMMEDIATE")
        coordinator.submit("alice", plan=Plan(running=0.0))
        wait_until(lambda: exporter.scrape().get("presto_exporter_ledger_up") == 0.0, "the trouble to be told")
        other.execute("ROLLBACK")
        other.close()
        wait_until(lambda: queries(exporter.scrape()) == truth(coordinator), "the truth")


def test_without_a_file_the_cluster_is_called_as_its_coordinator_says(tmp_path: Path) -> None:
    coordinator = Coordinator(environment="production")
    coordinator.submit("alice", "cli", plan=Plan(running=0.0))
    with serve(coordinator) as server:
        port = free_port()
        command = [sys.executable, "-m", "exporter", "run", "--coordinator", server.url.replace("//", "//monitor@")]
        command += ["--web.listen-address", f"127.0.0.1:{port}", "--ledger.path", str(tmp_path / "ledger.sqlite")]
        coordinator.inject(Fault(status=503), path="/v1/info")
        coordinator.inject(Fault(status=503))
        exporter = ExporterProcess(tmp_path, "")
        exporter.address = f"127.0.0.1:{port}"
        with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
            try:
                place = server.url.removeprefix("http://")
                wait_until(
                    lambda: (exporter.try_scrape() or Samples()).get("presto_up", presto_cluster=place) == 0.0, "down"
                )
                wait_until(
                    lambda: exporter.scrape().get("presto_up", presto_cluster="production") == 1.0, "its name", 60.0
                )
                assert exporter.scrape().get("presto_up", presto_cluster=place) is None
            finally:
                process.terminate()
                process.communicate(timeout=30)
            assert process.returncode == 0


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_sighup_reads_the_file_again_and_a_bad_file_leaves_the_old_one_in_force(tmp_path: Path) -> None:
    one, two = Coordinator(), Coordinator()
    one.submit("alice", plan=Plan(running=0.0))
    with serve(one) as first, serve(two) as second, ExporterProcess(tmp_path, config(first.url, tmp_path)) as exporter:
        wait_until(lambda: queries(exporter.scrape()) == truth(one), "the first cluster")
        exporter.config.write_text("clusters: []")
        exporter.send(signal.SIGHUP)
        wait_until(lambda: exporter.scrape().get("presto_exporter_config_last_reload_successful") == 0.0, "the refusal")
        assert "the old configuration stays in force" in exporter.logged()
        more = f'  - {{name: second, url: "{second.url}", poll_interval: 100ms}}\nnew_series_delay'
        changed = config(first.url, tmp_path).replace("new_series_delay", more) + "usage: {retention: 30d}\n"
        exporter.config.write_text(changed)
        exporter.send(signal.SIGHUP)
        wait_until(lambda: exporter.scrape().get("presto_up", presto_cluster="second") == 1.0, "the second cluster")
        assert "usage has changed; that takes effect at the next start" in exporter.logged()
        assert exporter.scrape().get("presto_exporter_config_last_reload_successful") == 1.0
        one.submit("alice", plan=Plan(running=0.0))
        wait_until(lambda: queries(exporter.scrape()) == truth(one), "the first cluster to go on")
        exporter.config.write_text(config(second.url, tmp_path).replace("name: test", "name: second"))
        exporter.send(signal.SIGHUP)
        wait_until(lambda: exporter.scrape().get("presto_up", presto_cluster="test") is None, "the first to be gone")
        assert exporter.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "give either --config.file or --coordinator"),
        (["--coordinator", "ftp://host"], 2, "http"),
        (["--config.file", "/no/such/file.yml"], 2, "/no/such/file.yml: no such file"),
        (["--coordinator", "http://host", "--log.level", "loud"], 2, "debug, info, warn or error"),
        (["--coordinator", "http://127.0.0.1:1", "--ledger.path", "/no/such/folder/ledger"], 1, "ledger.path"),
        (["--no-such-flag"], 2, "No such option"),
    ],
)
def test_what_cannot_be_run_says_why_and_exits_with_its_code(
    tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    command = [sys.executable, "-m", "exporter", "run", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=30, check=False)
    assert ended.returncode == code and message in ended.stderr and "Traceback" not in ended.stderr


def test_a_second_exporter_on_the_same_ledger_or_address_is_refused(tmp_path: Path) -> None:
    with serve(Coordinator()) as server, ExporterProcess(tmp_path, config(server.url, tmp_path)) as exporter:
        command = [sys.executable, "-m", "exporter", "run", "--config.file", str(exporter.config)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert ended.returncode == 1 and "in use by another exporter" in ended.stderr
        command += ["--ledger.path", str(tmp_path / "other.sqlite"), "--web.listen-address", exporter.address]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert ended.returncode == 1 and exporter.address in ended.stderr and "Traceback" not in ended.stderr


def test_a_password_over_tls_with_an_authority_of_our_own(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "password").write_text("hunter2\n")
    coordinator = Coordinator()
    coordinator.submit("alice", plan=Plan(running=0.0))
    with serve(coordinator, tls=context) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        more = f'auth: {{password_file: "{tmp_path}/password"}}, timeout: 5s'
        text = config(url, tmp_path).replace("timeout: 5s", more)
        with ExporterProcess(tmp_path, text) as exporter:
            wait_until(lambda: polls(exporter, "tls"), "the certificate to be refused")
            assert "tls.ca_file" in exporter.logged()
            exporter.config.write_text(text.replace(more, f'{more}, tls: {{ca_file: "{tmp_path}/ca.pem"}}'))
            exporter.send(signal.SIGHUP)
            wait_until(lambda: queries(exporter.scrape()) == truth(coordinator), "the truth")
            assert exporter.stop() == 0
            assert "hunter2" not in exporter.logged()
        basic = {request.headers["authorization"] for request in server.requests}
        assert basic == {"Basic " + base64.b64encode(b"monitor:hunter2").decode()}


def polls(exporter: ExporterProcess, result: str) -> float:
    return exporter.scrape().get("presto_exporter_polls_total", presto_cluster="test", result=result) or 0.0


def test_flags_come_from_the_environment_too(tmp_path: Path) -> None:
    with serve(Coordinator()) as server, ExporterProcess(tmp_path, config(server.url, tmp_path)) as exporter:
        exporter.stop()
        environment = {
            **os.environ,
            "PRESTO_EXPORTER_CONFIG_FILE": str(exporter.config),
            "PRESTO_EXPORTER_LOG_FORMAT": "json",
            "PRESTO_EXPORTER_WEB_TELEMETRY_PATH": "/m",
        }
        command = [sys.executable, "-m", "exporter", "run"]
        with exporter.log.open("wb") as log:
            process = subprocess.Popen(command, env=environment, stderr=log)
        try:
            wait_until(
                lambda: '"msg": "listening"' in exporter.logged() or '"msg":"listening"' in exporter.logged(), "JSON"
            )
            exporter.address = exporter.logged().split('"address":')[1].split('"')[1]
            assert exporter.get("/m")[0] == 200 and exporter.get("/metrics")[0] == 404
        finally:
            process.terminate()
            assert process.wait(30) == 0

"""Alerts from end to end: a real Prometheus with every rule, a real Alertmanager with the example's routes, a web hook.

Time is short here. `scaled` divides every duration in the rules, and nothing else: ``for``, ``interval``, ranges,
subqueries and offsets, in annotations too; ranges and their steps stay long enough for the scrapes that they need. So
what takes half an hour takes half a minute, and rates must be as much higher. Not divided are numbers in expressions:
the hours of PrestoRunawayQuery and the seconds of PrestoQueueGrowing cannot be seen here, and a coordinator that is
minutes old keeps ended queries too short for PrestoExporterRetentionHeadroomLow, which is always tolerated.

``python -m tests.engines.alerting`` proves it without any engine: the demo's coordinator, the exporter, and three
troubles that are made on purpose.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import requests
import yaml

from exporter.demo.coordinator import Coordinator
from exporter.demo.query import Plan
from exporter.demo.server import serve
from tests.engines import EngineError, prometheus
from tests.engines.processes import Program, free_port
from tests.exporter_process import ExporterProcess

ROOT = Path(__file__).parent.parent.parent
RULES = ROOT / "alerts" / "rules"
EXAMPLE = ROOT / "alerts" / "alertmanager.example.yml"

SCALE = 60.0
SCRAPE_SECONDS = 1.0
_SHORTEST_RANGE = 5.0
"""Seconds: a rate needs two scrapes, and some more not to depend on luck."""
_START_SECONDS = 60.0
_PAUSE = 0.1

_UNSCALED = ("PrestoExporterRetentionHeadroomLow",)
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = r"(?:\d+[smhd])+"


def seconds(duration: str) -> float:
    """Return the seconds of a Prometheus duration such as ``1h30m``."""
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smhd])", duration))


def scaled(rules: str, scale: float = SCALE) -> str:
    """Return the text of a rule file in which time passes *scale* times as fast."""

    def shorter(duration: str, least: float) -> str:
        return f"{round(max(least, seconds(duration) / scale) * 1000)}ms"

    def selection(match: re.Match[str]) -> str:
        step = "" if match[2] is None else ":" + (shorter(match[2], SCRAPE_SECONDS) if match[2] else "")
        return f"[{shorter(match[1], _SHORTEST_RANGE)}{step}]"

    rules = re.sub(rf"\[({_DURATION})(?::({_DURATION}|))?\]", selection, rules)
    rules = re.sub(rf"\b(offset )({_DURATION})", lambda match: match[1] + shorter(match[2], SCRAPE_SECONDS), rules)
    return re.sub(
        rf"^(\s+(?:for|keep_firing_for|interval): )({_DURATION})$",
        lambda match: match[1] + shorter(match[2], SCRAPE_SECONDS),
        rules,
        flags=re.MULTILINE,
    )


def routed(example: str, hook: str, scale: float = SCALE) -> str:
    """Return an Alertmanager configuration with every receiver at *hook*, and its own waits *scale* times shorter."""
    document = yaml.safe_load(example)
    for receiver in document["receivers"]:
        for target in receiver["webhook_configs"]:
            target["url"] = f"{hook}/{receiver['name']}"

    def hurry(route: dict[str, Any]) -> None:
        for key in ("group_wait", "group_interval"):
            if key in route:
                route[key] = f"{round(max(1.0, seconds(route[key]) / scale) * 1000)}ms"
        for child in route.get("routes", ()):
            hurry(child)

    hurry(document["route"])
    return yaml.safe_dump(document, sort_keys=False)


class Notification(NamedTuple):
    """An alert as it arrived at the web hook."""

    receiver: str
    status: str
    """``firing`` or ``resolved``."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


class Expected(NamedTuple):
    """An alert that has to arrive: with these labels among others, at this receiver if one is named."""

    name: str
    labels: Mapping[str, str] = {}
    receiver: str = ""

    def is_like(self, notification: Notification) -> bool:
        """Tell whether *notification* is of such an alert."""
        return (
            notification.labels["alertname"] == self.name
            and self.labels.items() <= notification.labels.items()
            and self.receiver in ("", notification.receiver)
        )


class Hook:
    """A web hook on loopback that keeps what Alertmanager tells it."""

    def __init__(self) -> None:
        self._notifications: list[Notification] = []
        self._mutex = threading.Lock()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook._note(self.path.lstrip("/"), body["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="web hook")
        self._thread.start()

    def _note(self, receiver: str, alerts: Iterable[Mapping[str, Any]]) -> None:
        with self._mutex:
            for alert in alerts:
                self._notifications.append(
                    Notification(receiver, alert["status"], alert["labels"], alert["annotations"])
                )

    def arrived(self) -> list[Notification]:
        """Return everything that has arrived, in order."""
        with self._mutex:
            return list(self._notifications)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Job(NamedTuple):
    """What Prometheus scrapes under one job's name: addresses, and the labels that its configuration gives them."""

    name: str
    addresses: Sequence[str]
    labels: Mapping[str, str] = {}


class Alerting:
    """Prometheus, Alertmanager and the web hook, on loopback; leaving its ``with`` block ends them."""

    def __init__(self, folder: Path, jobs: Sequence[Job], scale: float = SCALE) -> None:
        self._folder = folder
        self._programs: list[Program] = []
        self._hook = Hook()
        self._seen = 0
        self._known: set[frozenset[tuple[str, str]]] = set()
        """Labels of alerts that a call of `wait_for` saw arrive, and that have not been resolved since."""
        self._alertmanager = f"127.0.0.1:{free_port()}"
        self._prometheus = f"127.0.0.1:{free_port()}"
        (folder / "rules").mkdir()
        for path in sorted(RULES.glob("*.yml")):
            (folder / "rules" / path.name).write_text(scaled(path.read_text("utf-8"), scale), "utf-8")
        (folder / "alertmanager.yml").write_text(routed(EXAMPLE.read_text("utf-8"), self._hook.url, scale), "utf-8")
        (folder / "prometheus.yml").write_text(yaml.safe_dump(self._configuration(jobs)), "utf-8")

    def _configuration(self, jobs: Sequence[Job]) -> dict[str, Any]:
        each = f"{SCRAPE_SECONDS:g}s"
        return {
            "global": {"scrape_interval": each, "scrape_timeout": each, "evaluation_interval": each},
            "rule_files": ["rules/*.yml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [self._alertmanager]}]}]},
            "scrape_configs": [
                {
                    "job_name": job.name,
                    "static_configs": [{"targets": list(job.addresses), "labels": dict(job.labels)}],
                }
                for job in jobs
            ],
        }

    def __enter__(self) -> Alerting:
        return self

    def __exit__(self, *_: object) -> None:
        for program in self._programs:
            program.kill()
        self._hook.close()

    def start(self) -> None:
        """Return once every rule has been evaluated. Raises EngineError if one cannot be, or nothing starts."""
        alertmanager = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
        if not alertmanager or not shutil.which("prometheus"):
            raise EngineError("prometheus, alertmanager: not found; install prometheus and prometheus-alertmanager")
        folder = self._folder
        self._run(
            "alertmanager",
            [
                alertmanager,
                f"--config.file={folder / 'alertmanager.yml'}",
                f"--storage.path={folder / 'alertmanager'}",
                f"--web.listen-address={self._alertmanager}",
                "--cluster.listen-address=",
            ],
            lambda: requests.get(f"http://{self._alertmanager}/-/ready", timeout=1).ok,
        )
        self._run(
            "prometheus",
            [
                *prometheus.command(folder, self.url),
                # An alert that fires before Alertmanager has been discovered is dropped, and sent again only then.
                "--rules.alert.resend-delay=1s",
            ],
            lambda: self._evaluated() and not self.rule_errors(),
        )

    def _run(self, name: str, command: Sequence[str], is_ready: Callable[[], bool]) -> None:
        program = Program(name, command, self._folder / f"{name}.log")
        self._programs.append(program)
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            program.must_live()
            try:
                if is_ready():
                    return
            except requests.RequestException:
                pass
            time.sleep(_PAUSE)
        raise EngineError(f"{name}: not ready after {_START_SECONDS:.0f} s; see {program.log}{self._complaints(name)}")

    def _complaints(self, name: str) -> str:
        return "".join(f"\n  {error}" for error in self.rule_errors()) if name == "prometheus" else ""

    @property
    def url(self) -> str:
        """Where Prometheus answers."""
        return f"http://{self._prometheus}"

    def _rules(self) -> list[dict[str, Any]]:
        answer = requests.get(f"http://{self._prometheus}/api/v1/rules", timeout=10).json()
        return [rule for group in answer["data"]["groups"] for rule in group["rules"]]

    def _evaluated(self) -> bool:
        rules = self._rules()
        return bool(rules) and all(rule["health"] != "unknown" for rule in rules)

    def rule_errors(self) -> list[str]:
        """Return each rule that could not be evaluated the last time, with the reason."""
        return [f"{rule['name']}: {rule['lastError']}" for rule in self._rules() if rule.get("lastError")]

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of an expression, as they are now."""
        url = f"http://{self._prometheus}/api/v1/query"
        result: list[dict[str, Any]] = requests.get(url, {"query": expression}, timeout=10).json()["data"]["result"]
        return result

    def wait_for(
        self,
        *expected: Expected,
        within: float = 60.0,
        and_watch: float = 3.0,
        tolerated: Collection[str] = (),
        status: str = "firing",
    ) -> list[Notification]:
        """Return what arrived since the last call, once all *expected* alerts have, and nothing else for *and_watch* s.

        Alerts of a *tolerated* name may arrive too, and those that a call before has seen and that still fire. With
        *status* ``resolved`` their end is waited for. Raises EngineError if one is missing after *within* seconds, if
        another one fires, or if a rule cannot be evaluated.
        """
        deadline = time.monotonic() + within
        missing: Collection[Expected] = expected
        while missing and time.monotonic() < deadline:
            new = self._new(expected, tolerated, status)
            missing = [one for one in expected if not any(one.is_like(notice) for notice in new)]
            time.sleep(_PAUSE)
        if missing:
            raise EngineError(f"alerts: not {status} after {within:.0f} s: {', '.join(map(_told, missing))}")
        watched = time.monotonic() + and_watch
        while time.monotonic() < watched:
            self._new(expected, tolerated, status)
            time.sleep(_PAUSE)
        if errors := self.rule_errors():
            raise EngineError("rules: cannot be evaluated:\n  " + "\n  ".join(errors))
        arrived = self._hook.arrived()
        since, self._seen = arrived[self._seen :], len(arrived)
        for notice in since:
            (self._known.add if notice.status == "firing" else self._known.discard)(frozenset(notice.labels.items()))
        return since

    def _new(self, expected: Collection[Expected], tolerated: Collection[str], status: str) -> list[Notification]:
        for program in self._programs:
            program.must_live()
        new = self._hook.arrived()[self._seen :]
        for notice in new:
            is_old = frozenset(notice.labels.items()) in self._known
            fits = notice.labels["alertname"] in (*_UNSCALED, *tolerated) or any(
                one.is_like(notice) for one in expected
            )
            if notice.status == "firing" and not is_old and not fits:
                raise EngineError(
                    f"alerts: {notice.labels['alertname']} arrived at {notice.receiver}, and should not: "
                    f"{dict(notice.labels)}: {notice.annotations.get('description')}"
                )
        return [notice for notice in new if notice.status == status]


def _told(expected: Expected) -> str:
    return expected.name + (f" {dict(expected.labels)}" if expected.labels else "")


class Traffic(threading.Thread):
    """Queries of two users, two a second each: ann's finish, and eve's do what `eves_error` says."""

    def __init__(self, coordinator: Coordinator) -> None:
        super().__init__(name="traffic")
        self.eves_error = ""
        self._coordinator = coordinator
        self._over = threading.Event()

    def __enter__(self) -> Traffic:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        """Submit until the end of the ``with`` block."""
        while not self._over.wait(0.5):
            self._coordinator.submit("ann", "superset", "SELECT count(*) FROM orders", Plan(running=0.1))
            error = self.eves_error
            sql = "SELECT * FROM gone" if error else "SELECT * FROM orders"
            self._coordinator.submit("eve", "dbt", sql, Plan(running=0.1, error=error))


def prove(folder: Path) -> None:
    """Make three troubles, one after the other, and see that each of them, and nothing else, is told."""
    coordinator = Coordinator("483")
    port = free_port()
    config = f"""
clusters: [{{name: adhoc, url: "http://127.0.0.1:{port}", user: monitor, poll_interval: 1s, timeout: 2s}}]
new_series_delay: 2s
ledger: {{path: {folder / "ledger.sqlite"}}}
web: {{listen_addresses: ["127.0.0.1:0"]}}
"""
    (folder / "exporter").mkdir()
    with ExporterProcess(folder / "exporter", config) as exporter:
        jobs = [Job("presto-query-exporter", [exporter.address])]
        with Alerting(folder, jobs) as alerting, Traffic(coordinator) as traffic:
            with serve(coordinator, port):
                alerting.start()
                _say("without trouble: silence", alerting.wait_for(and_watch=10.0))

                traffic.eves_error = "TABLE_NOT_FOUND"
                of_eve = Expected("PrestoUserOnlyFailing", {"user": "eve", "source": "dbt"}, "users")
                broken = Expected("PrestoFingerprintOnlyFailing", {"presto_cluster": "adhoc"}, "tickets")
                _say("a user fails again and again", alerting.wait_for(of_eve, broken, within=90.0))
                traffic.eves_error = ""
                _say("and succeeds at last", alerting.wait_for(of_eve, within=60.0, status="resolved"))
            down = Expected("PrestoCoordinatorDown", {"presto_cluster": "adhoc"}, "pager")
            _say("the coordinator is down", alerting.wait_for(down, and_watch=15.0))
            with serve(coordinator, port):
                # What was missed has been spent: a fast burn is told once the outage no longer explains it.
                spent = ("PrestoErrorBudgetBurn",)
                _say("and up again", alerting.wait_for(down, within=90.0, tolerated=spent, status="resolved"))
                exporter.kill()
                blind = Expected("PrestoExporterDown", {"presto_cluster": "adhoc"}, "pager")
                _say("the exporter is down", alerting.wait_for(blind, tolerated=spent, and_watch=10.0))


def _say(what: str, notifications: Iterable[Notification]) -> None:
    print(what)
    for notice in notifications:
        told = notice.annotations["description"] if notice.status == "firing" else ""
        print(f"  {notice.receiver}: {notice.status} {notice.labels['alertname']} {told}", flush=True)


if __name__ == "__main__":
    scratch = Path(tempfile.mkdtemp(prefix="alerting-"))
    try:
        prove(scratch)
    except EngineError as error:
        print(f"error: {error}\nlogs are in {scratch}", file=sys.stderr)
        sys.exit(1)
    shutil.rmtree(scratch)

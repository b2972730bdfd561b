"""``python -m tests.engines.monitoring [ENGINE ...]``: everything that a platform team gets, on a real server.

A server with the JMX agent, the exporter, Prometheus with every rule of ours (time in them runs faster: see
`tests.engines.alerting`), Alertmanager with the example's routes, and a web hook. While users work and nothing is
wrong, no alert may arrive, each metric of the catalogue, each canonical name and each expression of each dashboard must
have data. Then come troubles, and each must arrive at the web hook where it belongs, and nothing else.
"""

from __future__ import annotations

import argparse
import random
import re
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import requests
import yaml

from exporter.catalogue import CATALOGUE, Kind
from tests.dashboards import execute
from tests.engines import EngineError
from tests.engines.alerting import Alerting, Expected, Job, Notification
from tests.engines.assembly import ENGINES, Engine
from tests.engines.client import Clients
from tests.engines.command import folder_of_logs, run
from tests.engines.jmx import Coordinator
from tests.engines.report import Report
from tests.engines.subject import Exporter
from tests.engines.workload import Tool, warm_up

_RULES = Path(__file__).parents[2] / "alerts" / "rules"
_PEACE_SECONDS = 45.0
"""Of traffic before data is expected everywhere: the longest recording window, shortened, and some scrapes."""
_PATIENCE = 60.0
_TROUBLED = ("PrestoErrorBudgetBurn", "PrestoQueriesLost", "PrestoExporterLossDetected")
"""What an outage leaves behind: queries that were under way, and a budget that is spent."""
_OF_EVE = ("PrestoRetryStorm",)
"""On a fast machine she fails so often that this is told, too, and rightly."""
_GOOD = (
    "SELECT count(*) FROM tpch.tiny.nation WHERE nationkey < {n}",
    "SELECT r.name, count(*) FROM tpch.tiny.nation n JOIN tpch.tiny.region r ON n.regionkey = r.regionkey GROUP BY 1",
    "SELECT orderpriority, sum(totalprice) FROM tpch.tiny.orders WHERE custkey < {n}00 GROUP BY 1",
    "SELECT 1",
)


class Traffic(threading.Thread):
    """Users at work: mostly queries that finish, now and then a mistake or a second thought; and eve, on demand."""

    def __init__(self, clients: Clients) -> None:
        super().__init__(name="traffic", daemon=True)
        self.eve_fails = False
        self.error: BaseException | None = None
        self._clients = clients
        self._over = threading.Event()

    def end(self) -> None:
        """Return once the last query has ended. Raises what went wrong."""
        self._over.set()
        self.join()
        if self.error is not None:
            raise self.error

    def run(self) -> None:
        """Send one query after the other, until the end."""
        chance = random.Random(1)
        tools = [Tool(self._clients, *owner) for owner in (("ann", "superset"), ("bob", "cli"), ("carol", "metabase"))]
        try:
            for turn in range(1_000_000):
                if self._over.is_set():
                    return
                chance.choice(tools).send(chance.choice(_GOOD).format(n=chance.randrange(1, 20))).read()
                eve = Tool(self._clients, "eve", "dbt")
                eve.send("SELECT * FROM tpch.tiny.gone" if self.eve_fails else "SELECT 2").read()
                if self.eve_fails:
                    self._over.wait(0.25)  # more often would be a retry storm, which hides her statement's alert
                if turn % 10 == 3:
                    tools[0].send(f"SELECT column_{turn} FROM tpch.tiny.nation").read()  # never the same twice
                if turn % 20 == 7:
                    tools[1].big().cancel()
        except (EngineError, requests.RequestException) as error:
            self.error = error


class Trial:
    """Monitoring of one engine, in a folder of its own."""

    def __init__(self, engine: Engine, folder: Path, report: Report) -> None:
        self._engine = engine
        self._report = report
        self._server = Coordinator(engine, folder / "server")
        self._exporter = Exporter(self._server, folder)
        agent = Job("presto", [f"127.0.0.1:{self._server.agent_port}"], {"presto_cluster": engine.name})
        exporter = Job("presto-query-exporter", [self._exporter.url.removeprefix("http://")])
        (folder / "alerting").mkdir()
        self._alerting = Alerting(folder / "alerting", [exporter, agent])

    def run(self) -> None:
        """Run it to the end; leaves no process behind in any case."""
        with ExitStack() as stack:
            for part in (self._server, self._exporter, self._alerting):
                stack.enter_context(part)
            self._server.start()
            warm_up(Clients(self._server))
            self._exporter.start()
            self._alerting.start()
            self._report.step("server with agent, exporter, Prometheus and Alertmanager started")
            traffic = Traffic(Clients(self._server))
            traffic.start()
            self._peace()
            self._everything_has_data()
            self._user_fails(traffic)
            traffic.end()
            self._coordinator_goes_and_comes()
            self._exporter_goes()

    def _peace(self) -> None:
        self._arrives("while nothing is wrong, no alert arrives", self._alerting.wait_for(and_watch=_PEACE_SECONDS))

    def _everything_has_data(self) -> None:
        """Check that all that is promised has data, at one moment: a scrape of a busy server may be missed."""
        deadline = time.monotonic() + _PATIENCE
        while (found := self._without_data())[1] and time.monotonic() < deadline:
            time.sleep(2)
        reasons, problems = found
        named = set(self._names('{__name__=~".+"}'))
        promised = {metric.name + ("_bucket" if metric.kind is Kind.HISTOGRAM else "") for metric in CATALOGUE}
        self._report.check(f"the {len(promised)} metrics of the catalogue are there", sorted(promised - named))
        agent = {name for name in named if name.startswith("presto_jmx_")}
        self._report.check(f"{len(agent)} metrics of the agent are there", [] if agent else ["none"])
        recorded = {
            rule["record"]
            for path in sorted(_RULES.glob("*.yml"))
            for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
            for rule in group["rules"]
            if "record" in rule
        }
        missing = sorted(recorded - named)
        self._report.step(f"{len(recorded) - len(missing)} of {len(recorded)} recorded names have data")
        if missing:
            self._report.step(f"without: {', '.join(missing)}")
        self._report.check(f"dashboards: every expression has data, but {reasons} that say why they need not", problems)

    def _without_data(self) -> tuple[int, list[str]]:
        """Return how many expressions of dashboards have no data and say why, and what is wrong with others."""
        prometheus = execute.Prometheus(self._alerting.url, span=40.0)
        found = list(execute.findings(prometheus, {"presto_cluster": self._engine.name}))
        problems = [f"{one.place}: {one.what}" for one in found if one.problem]
        return len(found) - len(problems), problems

    def _names(self, selector: str) -> list[str]:
        return [
            one["metric"]["__name__"]
            for one in self._alerting.ask(f"count by (__name__) (last_over_time({selector}[30s]))")
        ]

    def _user_fails(self, traffic: Traffic) -> None:
        traffic.eve_fails = True
        eve = Expected("PrestoUserOnlyFailing", {"user": "eve", "source": "dbt"})
        broken = Expected("PrestoFingerprintOnlyFailing", {"presto_cluster": self._engine.name})
        told = self._alerting.wait_for(eve, broken, within=120.0, tolerated=_OF_EVE)
        self._arrives("a user fails again and again", told)
        traffic.eve_fails = False
        self._arrives(
            "and succeeds at last",
            self._alerting.wait_for(eve, within=120.0, tolerated=(*_TROUBLED, *_OF_EVE), status="resolved"),
        )

    def _coordinator_goes_and_comes(self) -> None:
        down = Expected("PrestoCoordinatorDown", {"presto_cluster": self._engine.name})
        self._server.stop()
        self._arrives(
            "the coordinator is down", self._alerting.wait_for(down, within=120.0, tolerated=(*_TROUBLED, *_OF_EVE))
        )
        self._server.start()
        self._arrives(
            "and up again",
            self._alerting.wait_for(down, within=120.0, tolerated=_TROUBLED, status="resolved"),
        )

    def _exporter_goes(self) -> None:
        self._exporter.kill()
        blind = Expected("PrestoExporterDown", {"presto_cluster": self._engine.name})
        self._arrives("the exporter is down", self._alerting.wait_for(blind, within=120.0, tolerated=_TROUBLED))

    def _arrives(self, what: str, notices: Sequence[Notification]) -> None:
        told = {f"{one.labels['alertname']} {one.status} at {one.receiver}" for one in notices}
        self._report.check(f"{what}{': ' if told else ''}{', '.join(sorted(told))}")


def main(argv: Sequence[str]) -> int:
    """Run the trials; return 0 if every check passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.engines.monitoring", description=__doc__)
    parser.add_argument("engines", nargs="*", metavar="ENGINE", default=["trino-476"], help=", ".join(ENGINES))
    report = Report()
    for name in parser.parse_args(argv).engines:
        report.begin(f"{re.sub('-', ' ', name, count=1)}, monitored")
        with folder_of_logs(f"monitoring-{name}", report) as folder:
            Trial(ENGINES[name], folder, report).run()
    print(f"\n{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    run(main)

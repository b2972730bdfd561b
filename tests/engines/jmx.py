"""Real servers with the JMX agent: ``python -m tests.engines.jmx [ENGINE ...]``.

A coordinator and a worker of each engine run with the real agent and ``jmx/presto.yml``, and a real Prometheus scrapes
them under three names: through the agent, natively (Trino), and both ways at once. What must be there is what
`jmx.metrics` says of this release, to the series; what the numbers must be is what the clients of a small workload saw.

``python -m tests.engines.jmx record ENGINE DIR`` writes test data instead: every attribute that the agent offers to its
rules, and what Trino serves of the names that the recording rules use.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import requests
import yaml

from exporter.dialect import TRINO
from jmx import build
from jmx.metrics import FIRST_NATIVE, METRICS, Kind, Promise, Where, native_attribute, native_prefix, number, promised
from jmx.rules import GROUPS, NATIVE_COLLECTIONS, NATIVE_CPU, NATIVE_HEAP
from tests.agent import recorded, selection
from tests.engines import EngineError, prometheus
from tests.engines.assembly import ENGINES, Engine, download, engines_home, java_home
from tests.engines.client import Clients
from tests.engines.command import folder_of_logs, run
from tests.engines.exposition import Scrape, Series, fallen
from tests.engines.processes import Program, free_port
from tests.engines.report import Report
from tests.engines.servers import ADMIN, ETL, Server
from tests.engines.workload import Tool, warm_up

ROOT = Path(__file__).parents[2]
AGENT = "io.prometheus.jmx:jmx_prometheus_javaagent:1.0.1:jar"
EVERY_ATTRIBUTE = """\
rules:
  - pattern: '^(.+?): '
    name: attribute
    labels: {line: '$1'}
    cache: true
"""

_PATIENCE = 60.0
_HOLDS_MEMORY = "SELECT max(n) FROM (SELECT count(*) n FROM tpch.sf1000.lineitem GROUP BY orderkey)"
_FIRST_NATIVE_HEAP = 477
_FIRST_WITH_SEVERAL_OBJECT_NAMES = 443
_OF_THE_JVM = (
    'jvm_memory_used_bytes{area="heap"}',
    'jvm_memory_max_bytes{area="heap"}',
    "jvm_gc_collection_seconds_count",
    "jvm_gc_collection_seconds_sum",
    "process_cpu_seconds_total",
)
_REASONS = {
    "USER_ERROR": "user",
    "INTERNAL_ERROR": "internal",
    "EXTERNAL": "external",
    "INSUFFICIENT_RESOURCES": "insufficient_resources",
}


def agent_jar() -> Path:
    """Return the agent, downloaded unless an earlier run has done that."""
    folder = engines_home() / "jmx-agent"
    folder.mkdir(parents=True, exist_ok=True)
    _, name, version, _ = AGENT.split(":")
    jar = folder / f"{name}-{version}.jar"
    return jar if jar.exists() else download(AGENT, folder)


class Coordinator(Server):
    """A coordinator that works too, with the agent; its resource groups are exported."""

    where = Where.COORDINATOR

    def __init__(self, engine: Engine, folder: Path) -> None:
        folder.mkdir()
        self.agent_port = free_port()
        self.rules = folder / "presto.yml"
        shutil.copy(ROOT / "jmx" / "presto.yml", self.rules)
        super().__init__(engine, folder, [f"-javaagent:{agent_jar()}=127.0.0.1:{self.agent_port}:{self.rules}"])
        groups = folder / "etc" / "groups.json"
        if groups.exists():
            configured = json.loads(groups.read_text())
            _export(configured["rootGroups"])
            groups.write_text(json.dumps(configured))

    @property
    def release(self) -> int:
        """Return the release as the table of metrics counts them."""
        return number(self.engine.version)

    @property
    def is_native(self) -> bool:
        """Return whether the server has metrics of its own."""
        return self.engine.dialect is TRINO and self.release >= FIRST_NATIVE

    def scrape(self) -> Scrape:
        """Return what the agent shows."""
        return Scrape(self.scrape_text())

    def scrape_text(self) -> str:
        """Return what the agent shows, as it writes it."""
        response = requests.get(f"http://127.0.0.1:{self.agent_port}/metrics", timeout=60)
        response.raise_for_status()
        return response.text

    def native_text(self) -> str:
        """Return what the server shows by itself."""
        return self.get("/metrics", ADMIN).text

    def _settings(self) -> dict[str, str]:
        settings = super()._settings()
        if self.is_native:
            names = ["java.lang:type=OperatingSystem"]
            if self.release >= _FIRST_WITH_SEVERAL_OBJECT_NAMES:
                names.append("java.lang:type=Memory")
            settings["openmetrics.jmx-object-names"] = "|".join(names)
        return settings


class Worker(Coordinator):
    """A worker of this coordinator."""

    where = Where.EVERY_NODE

    def __init__(self, coordinator: Server, folder: Path) -> None:
        self._coordinator = coordinator
        super().__init__(coordinator.engine, folder)

    def _settings(self) -> dict[str, str]:
        settings = super()._settings() | {"coordinator": "false", "discovery.uri": self._coordinator.url}
        return {
            key: value
            for key, value in settings.items()
            if key not in ("node-scheduler.include-coordinator", "discovery-server.enabled")
        }

    def _command(self) -> list[str]:
        return [re.sub(r"^(-Dnode\.id=.*)1$", r"\g<1>2", part) for part in super()._command()]


def _export(groups: list[dict[str, Any]]) -> None:
    for group in groups:
        group["jmxExport"] = True
        _export(group.get("subGroups", []))


class Trial:
    """A trial of one engine in a folder of its own."""

    def __init__(self, engine: Engine, folder: Path, report: Report) -> None:
        self.engine = engine
        self._report = report
        self._coordinator = Coordinator(engine, folder / "coordinator")
        self._worker = Worker(self._coordinator, folder / "worker")
        self._nodes = (self._coordinator, self._worker)
        self._clients = Clients(self._coordinator)
        self._prometheus = Prometheus(self._nodes, folder)

    def run(self) -> None:
        """Run it to the end; leaves no process behind in any case."""
        with ExitStack() as stack:
            for node in self._nodes:
                stack.enter_context(node)
                self._report.step(f"{node.where} started in {node.start():.1f} s")
            stack.enter_context(self._prometheus)
            self._prometheus.start()
            tries = warm_up(self._clients)
            self._until("two nodes are known", lambda: self._seen("presto_jmx_nodes", state="active") >= 2)
            self._report.step(f"ready, {tries} queries to warm up")
            before = {node.where: node.scrape() for node in self._nodes}
            self._while_running()
            self._run_to_every_end()
            self._settled(before)
            self._prometheus_agrees()

    def record(self, folder: Path) -> None:
        """Write the test data of this engine."""
        with ExitStack() as stack:
            for node in self._nodes:
                stack.enter_context(node)
                node.start()
            warm_up(self._clients)
            self._until("two nodes are known", lambda: self._seen("presto_jmx_nodes", state="active") >= 2)
            self._run_to_every_end()
            for node in self._nodes:
                name = f"{self.engine.name}{'' if node is self._coordinator else '-worker'}"
                (folder / f"{name}.txt").write_text(_attributes(node))
                if node.is_native:
                    (folder / f"{name}.metrics").write_text(_kept(node.native_text()))
                self._report.step(f"{folder / name}.txt written")

    def _while_running(self) -> None:
        """Check what is only there while queries run and wait."""
        running = Tool(self._clients, "alice", "dashboard").big().hold()
        holding = self._clients.send("svc-etl", ETL, _HOLDS_MEMORY).wait_until("RUNNING").hold()
        waiting = []
        if self.engine.has_resource_groups:
            waiting.append(self._clients.send("svc-etl", ETL, "SELECT 1"))
            waiting[0].step()
            waiting[0].hold()
        checks: list[tuple[str, Callable[[], bool]]] = [
            ("two queries are running", lambda: self._seen("presto_jmx_queries", state="running") == 2),
            ("their splits run or wait on both nodes", lambda: self._everywhere("presto_jmx_splits")),
            ("their tasks are on both nodes", lambda: self._everywhere("presto_jmx_tasks")),
            ("memory is reserved", lambda: self._seen("presto_jmx_cluster_memory_bytes", kind="user_reserved") > 0),
        ]
        if waiting:
            checks += [
                ("one query is queued", lambda: self._seen("presto_jmx_queries", state="queued") == 1),
                (
                    "it is queued in its resource group, and in the one above",
                    lambda: all(
                        self._seen("presto_jmx_resource_group_queries", state="queued", resource_group=group) == 1
                        for group in (f"global.{ETL}", "global")
                    ),
                ),
                (
                    "the limit of its group is known",
                    lambda: (
                        self._seen(
                            "presto_jmx_resource_group_queries_limit", state="running", resource_group=f"global.{ETL}"
                        )
                        == 1
                    ),
                ),
            ]
        if any(one.value.attribute == "RunningDrivers" for one in self._promised(self._coordinator)):
            checks.append(("their drivers run", lambda: self._seen("presto_jmx_drivers", state="running") > 0))
        for property_, holds in checks:
            self._until(property_, holds)
            self._report.check(f"while two queries run: {property_}")
        for statement in (*waiting, running, holding):
            statement.cancel()

    def _run_to_every_end(self) -> None:
        tool = Tool(self._clients, "bob", "cli")
        for text in (
            "SELECT count(*) FROM tpch.tiny.lineitem",
            "SELECT r.name, count(*) FROM tpch.tiny.nation n JOIN tpch.tiny.region r USING (regionkey) GROUP BY 1",
            "SELECT x FROM tpch.tiny.nation",
            "SELEC 1",
            "SELECT 1 / (nationkey - nationkey) FROM tpch.tiny.nation",
        ):
            tool.send(text).read()
        greedy = "SELECT count(*) FROM (SELECT DISTINCT orderkey, comment FROM tpch.sf1.orders)"
        tool.send(greedy, session=["query_max_memory=1MB"]).read()
        tool.big().cancel()
        tool.big().end_by_administrator("killed")
        tool.big().leave()
        self._clients.wait_for_left()

    def _settled(self, before: Mapping[Where, Scrape]) -> None:
        """Check all that is shown when everything has ended."""
        self._until("every query has ended", lambda: self._seen("presto_jmx_queries", state="running") == 0)
        self._until(
            "the server has counted the last one",
            lambda: self._seen("presto_jmx_queries_completed_total") == len(self._clients.sent),
        )
        for node in self._nodes:
            text = node.scrape_text()
            shown = Scrape(text)
            place = f"agent on the {'coordinator' if node is self._coordinator else 'worker'}"
            series = [one for one in (*shown.counters, *shown.gauges) if one.name.startswith("presto_jmx_")]
            expected = _expected(self._promised(node))
            some = _expected(self._promised(node, unless_asked=True))
            seen = {_without_open_labels(one) for one in series}
            self._report.check(
                f"{place}: the {len(expected)} values promised for {self.engine.name}, and nothing else",
                [f"missing: {one}" for one in sorted(map(str, expected - seen))]
                + [f"not promised: {one}" for one in sorted(map(str, seen - expected - some))],
            )
            groups = {dict(one.labels).get("resource_group", "") for one in series} - {""}
            most = build.series_of_a_node(node.where) + build.series_of_a_group() * len(groups)
            self._report.check(
                f"{place}: {len(series)} series ({len(groups)} resource groups), at most {most}; "
                f"scraped in {shown.total('jmx_scrape_duration_seconds'):.3f} s",
                [] if len(series) <= most else ["more than the bound"],
            )
            self._report.check(f"{place}: types and help texts are those of the table", _wrong_heads(text))
            values = {**shown.counters, **shown.gauges}
            odd = [f"{one} {values[one]}" for one in series if not (math.isfinite(values[one]) and values[one] >= 0)]
            self._report.check(f"{place}: every value is a number, none below zero", odd)
            kept = {one: v for one, v in before[node.where].counters.items() if one.name.startswith("presto_jmx_")}
            self._report.check(f"{place}: no counter fell", fallen(kept, shown.counters, same_process=True))
            names = {name for one in values for name in selection(one.name, one.labels)}
            self._report.check(
                f"{place}: what the rules need of the JVM", [name for name in _OF_THE_JVM if name not in names]
            )
        self._counts_are_those_of_the_clients()
        for node in self._nodes:
            if node.is_native:
                self._native_is_promised(node)

    def _counts_are_those_of_the_clients(self) -> None:
        ended = [each.ending for each in self._clients.sent if each.ending]
        names = Counter(each.error_name for each in ended)
        completed, failed = self._coordinator.ended()
        truth: dict[tuple[str, str], float] = {
            ("presto_jmx_queries_submitted_total", ""): len(self._clients.sent),
            ("presto_jmx_queries_completed_total", ""): completed,
            ("presto_jmx_queries_failed_total", ""): failed,
            ("presto_jmx_queries_canceled_total", ""): names["USER_CANCELED"],
            ("presto_jmx_queries_abandoned_total", ""): names["ABANDONED_QUERY"],
        }
        types = Counter(_REASONS.get(each.error_type, "") for each in ended)
        truth |= {("presto_jmx_query_failures_total", reason): types[reason] for reason in _REASONS.values()}
        shown = self._coordinator.scrape()
        seen = {(name, reason): shown.total(name, **({"reason": reason} if reason else {})) for name, reason in truth}
        self._report.check(
            f"{completed} queries completed, {failed} failed: as their clients saw, by cause",
            [f"{key}: {seen[key]:g}, not {truth[key]:g}" for key in truth if seen[key] != truth[key]],
        )
        both = [node.scrape() for node in self._nodes]
        rows, heap, pool = (
            [scrape.total(name, **labels) for scrape in both]
            for name, labels in (
                ("presto_jmx_task_input_rows_total", {}),
                ("jvm_memory_max_bytes", {"area": "heap"}),
                ("presto_jmx_memory_pool_bytes", {"kind": "max"}),
            )
        )
        self._report.check(
            f"tasks have read {sum(rows):,.0f} rows, the heap is {heap[0] / 2**20:,.0f} MB, "
            f"pools are {pool[0] / 2**20:,.0f} MB on each node and that times two in the cluster",
            []
            if sum(rows) > 0
            and heap[0] > pool[0] > 0
            and math.isclose(sum(pool), both[0].total("presto_jmx_cluster_memory_bytes", kind="distributed"))
            else [f"rows {rows}, heap {heap}, pools {pool}"],
        )

    def _native_is_promised(self, node: Coordinator) -> None:
        place = f"natively on the {'coordinator' if node is self._coordinator else 'worker'}"
        native = Scrape(_untyped(node.native_text()))
        shown = node.scrape()
        names = {one.name: value for one, value in {**native.counters, **native.gauges}.items()}
        missing, unlike = [], []
        for one in self._promised(node):
            prefix = native_prefix(one.name)
            if one.value.bean.label == "resource_group":
                prefix = prefix.replace("*", "global")
            name = f"{prefix}_{native_attribute(one.value)}".replace("*", "general")
            if name not in names:
                missing.append(name)
            elif one.metric.kind is Kind.COUNTER and one.name.where is Where.COORDINATOR:
                value = shown.total(one.metric.name, **({one.metric.label: one.value.label} if one.value.label else {}))
                if value != names[name]:
                    unlike.append(f"{name} {names[name]:g}, {one.metric.name} {value:g}")
        self._report.check(f"{place}: every name that the table gives, of {len(names)}", missing)
        self._report.check(f"{place}: the coordinator's counters are those of the agent", unlike)
        beans = [f"{NATIVE_COLLECTIONS}_MajorGc_AllTime_sum", f"{NATIVE_COLLECTIONS}_MinorGc_AllTime_count", NATIVE_CPU]
        if node.release >= _FIRST_NATIVE_HEAP:
            beans += [f"{NATIVE_HEAP}_used", f"{NATIVE_HEAP}_max"]
        self._report.check(f"{place}: collections, CPU and heap", [name for name in beans if name not in names])

    def _prometheus_agrees(self) -> None:
        """Check that Prometheus records what this release has, the same both ways, and not twice if scraped twice."""
        self._prometheus.wait_until_evaluated()
        rules = [rule for group in GROUPS for rule in group.rules]
        agent: set[str] = set(_OF_THE_JVM)
        native: set[str] = set()
        for node in self._nodes:
            for one in (*node.scrape().counters, *node.scrape().gauges):
                agent |= selection(one.name, one.labels)
            if node.is_native:
                kept = Scrape(_untyped(node.native_text()))
                native |= {one.name for one in (*kept.counters, *kept.gauges)}
        # The collectors' names are labels of the agent's, not of a rule.
        sources = {"agent": agent} | ({"native": native, "both": agent} if native else {})
        for cluster, shown in sources.items():
            expected = recorded(rules, shown)
            seen = self._prometheus.recorded(cluster)
            names = {record for record, _ in expected}
            self._report.check(
                f"Prometheus records {len(names)} names of cluster {cluster!r}, as this release has them",
                [f"missing: {' '.join(one)}" for one in sorted(expected) if one not in seen and not _is_collector(one)]
                + [f"not expected: {' '.join(one)}" for one in sorted(seen - expected) if not _is_collector(one)]
                + [f"not the same names: {name}" for name in sorted(names ^ {record for record, _ in seen})],
            )
        if native:
            self._report.check(
                "a cluster that is scraped both ways counts once", self._prometheus.differences("agent", "both")
            )
            self._report.check(
                "both ways lead to the same numbers of queries, nodes and memory",
                self._prometheus.differences(
                    "agent", "native", of=r"cluster:presto_server_(queries|query|nodes|mem).*"
                ),
            )

    def _promised(self, node: Coordinator, *, unless_asked: bool = False) -> list[Promise]:
        """Return what this node must show: it has resource groups exported, and all else by default; or the rest."""
        everything = promised(self.engine.dialect.engine, node.release, node.where)
        grouped = self.engine.has_resource_groups
        musts = [
            one
            for one in everything
            if not one.value.late and (grouped if one.value.bean.label == "resource_group" else not one.name.only_if)
        ]
        return [one for one in everything if one not in musts] if unless_asked else musts

    def _seen(self, name: str, **labels: str) -> float:
        return self._coordinator.scrape().total(name, **labels)

    def _everywhere(self, name: str) -> bool:
        needed = [one for one in self._promised(self._worker) if one.metric.name == name]
        return not needed or all(node.scrape().total(name) > 0 for node in self._nodes)

    def _until(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not holds():
            if time.monotonic() > deadline:
                raise EngineError(f"{self.engine.name}: not true after {_PATIENCE:.0f} s: {what}")
            time.sleep(0.2)


class Prometheus:
    """A real Prometheus with the recording rules; clusters ``agent``, ``native`` and ``both`` are the same servers."""

    def __init__(self, nodes: Sequence[Coordinator], folder: Path) -> None:
        self._url = f"http://127.0.0.1:{free_port()}"
        self._folder = folder
        self._program: Program | None = None
        kept = yaml.safe_load((ROOT / "jmx" / "prometheus-trino.yml").read_text())["scrape_configs"][0]
        agents = [f"127.0.0.1:{node.agent_port}" for node in nodes]
        servers = [node.url.removeprefix("http://") for node in nodes if node.is_native]
        targets = [("agent", agents), ("both", agents)] if servers else [("agent", agents)]
        jobs: list[dict[str, Any]] = [
            {"job_name": f"presto-{cluster}", "static_configs": _targets(cluster, addresses)}
            for cluster, addresses in targets
        ]
        jobs += [
            {
                "job_name": f"trino-{cluster}",
                "basic_auth": {"username": ADMIN},
                "static_configs": _targets(cluster, servers),
                "metric_relabel_configs": kept["metric_relabel_configs"],
            }
            for cluster in ("native", "both")
            if servers
        ]
        rules = [str(ROOT / "alerts" / "rules" / "servers.yml")]
        (folder / "prometheus.yml").write_text(
            yaml.safe_dump(
                {
                    "global": {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "2s"},
                    "rule_files": rules,
                    "scrape_configs": jobs,
                }
            )
        )

    def __enter__(self) -> Prometheus:
        return self

    def __exit__(self, *_: object) -> None:
        if self._program:
            self._program.kill()

    def start(self) -> None:
        """Return once it is ready; it scrapes what is there."""
        self._program = Program(
            "prometheus", prometheus.command(self._folder, self._url), self._folder / "prometheus.log"
        )
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            self._program.must_live()
            with suppress(requests.RequestException):
                if requests.get(f"{self._url}/-/ready", timeout=1).ok:
                    return
            time.sleep(0.1)
        raise EngineError(f"prometheus: not ready after {_PATIENCE:.0f} s; see {self._program.log}")

    def wait_until_evaluated(self) -> None:
        """Return once every rule has been evaluated over what was scraped after this call."""
        began = time.time()
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            assert self._program
            self._program.must_live()
            groups = self._get("rules", {})["groups"]
            broken = [rule["lastError"] for group in groups for rule in group["rules"] if rule.get("lastError")]
            if broken:
                raise EngineError(f"prometheus: {broken[0]}")
            scraped = [value for _, value in self._ask("min(timestamp(up))")]
            # The first and the last group; a group is evaluated as a whole.
            evaluated = [
                value
                for record in ("cluster:presto_server_nodes:sum", "cluster:presto_server_heap_used:ratio")
                for _, value in self._ask(f"min(timestamp({record}))")
            ]
            if len(evaluated) == 2 and min(scraped) > began and min(evaluated) > max(scraped):
                return
            time.sleep(0.3)
        raise EngineError(f"prometheus: not every target was scraped within {_PATIENCE:.0f} s; see its log")

    def recorded(self, cluster: str) -> set[tuple[str, str]]:
        """Return the records of a cluster, each with the label that its rule adds."""
        added = {(rule.record, label) for group in GROUPS for rule in group.rules for label in rule.labels}
        return {
            (
                labels["__name__"],
                ",".join(f"{label}={value}" for label, value in labels.items() if (labels["__name__"], label) in added),
            )
            for labels, _ in self._ask(f'{{__name__=~".+:presto_server_.+", presto_cluster="{cluster}"}}')
        }

    def differences(self, one: str, other: str, of: str = "cluster:presto_server_.*") -> list[str]:
        """Return where records of two clusters are not the same, in words; what both have is compared."""
        found: list[dict[tuple[tuple[str, str], ...], float]] = []
        for cluster in (one, other):
            answer = self._ask(f'{{__name__=~"{of}", presto_cluster="{cluster}"}}')
            found.append(
                {
                    tuple(sorted((k, v.replace(".", "_")) for k, v in labels.items() if k != "presto_cluster")): value
                    for labels, value in answer
                }
            )
        moving = re.compile("heap|gc_|cpu_seconds|reserved|free|rate5m|increase1h|drivers")
        return [
            f"{dict(key)}: {found[0][key]:g} and {found[1][key]:g}"
            for key in sorted(found[0].keys() & found[1].keys())
            if not moving.search(str(key)) and not math.isclose(found[0][key], found[1][key], rel_tol=1e-6)
        ]

    def _ask(self, expression: str) -> list[tuple[dict[str, str], float]]:
        result = self._get("query", {"query": expression}).get("result", [])
        return [(one["metric"], float(one["value"][1])) for one in result]

    def _get(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        response = requests.get(f"{self._url}/api/v1/{path}", params=parameters, timeout=10)
        answer = response.json()
        if answer["status"] != "success":
            raise EngineError(f"prometheus: {path} {dict(parameters)}: {answer['error']}")
        data: dict[str, Any] = answer["data"]
        return data


def _targets(cluster: str, addresses: Sequence[str]) -> list[dict[str, Any]]:
    return [{"targets": list(addresses), "labels": {"presto_cluster": cluster}}]


def _is_collector(record: tuple[str, str]) -> bool:
    return "server_gc_" in record[0] and (not record[1] or "gc=" in record[1])


def _expected(promises: Sequence[Promise]) -> set[Series]:
    return {
        Series(one.metric.name, ((one.metric.label, one.value.label),) if one.metric.label else ()) for one in promises
    }


def _without_open_labels(series: Series) -> Series:
    return Series(series.name, tuple(label for label in series.labels if label[0] not in ("pool", "resource_group")))


def _wrong_heads(text: str) -> list[str]:
    """Return lines of types and help texts that are missing, in words."""
    lines = set(text.splitlines())
    found = []
    for metric in METRICS:
        if any(line.startswith((f"{metric.name}{{", f"{metric.name} ")) for line in lines):
            wanted = (f"# TYPE {metric.name} {metric.kind}", f"# HELP {metric.name} {metric.help}")
            found += [f"not there: {line}" for line in wanted if line not in lines]
    return found


def _untyped(native: str) -> str:
    """Return the samples of Trino's OpenMetrics, whose types another format's parser would misread."""
    return "".join(f"{line}\n" for line in native.splitlines() if not line.startswith("#"))


def _attributes(node: Coordinator) -> str:
    """Return every attribute of the beans that the agent is to ask for, one line each as the rules see them."""
    asked = build.agent_configuration().partition("rules:")[0]
    node.rules.write_text(asked + EVERY_ATTRIBUTE)
    found = set()
    for one in node.scrape().gauges:
        if one.name == "attribute":
            found.add(dict(one.labels)["line"])
    lines = sorted(line for line in found if not re.search(r"\.(P\d\d|Min|Max|MaxError)$", line))
    head = "# Recorded from a running server by `python -m tests.engines.jmx record`; percentiles are left out.\n"
    return head + "".join(f"{line}\n" for line in lines)


def _kept(native: str) -> str:
    """Return the samples and types of the names that the recording rules use."""
    wanted = re.compile(build.kept_names())
    return "".join(
        f"{line}\n"
        for line in native.splitlines()
        if (match := re.match(r"(?:# TYPE )?([A-Za-z_]\w*)", line))
        and (wanted.fullmatch(match[1]) or line.startswith(f"# TYPE {NATIVE_COLLECTIONS}_M"))
        and "quantile" not in line
    )


def main(argv: Sequence[str]) -> int:
    """Run the trials, or make a recording; return 0 if every check passed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.engines.jmx",
        description=__doc__.partition("\n")[0] if __doc__ else None,
        epilog="`record ENGINE DIR` writes test data instead.",
    )
    parser.add_argument("engines", nargs="*", metavar="ENGINE", help=f"{', '.join(ENGINES)}; all if none is given")
    if argv[:1] == ["record"]:
        recording = argparse.ArgumentParser(prog="python -m tests.engines.jmx record")
        recording.add_argument("engine", metavar="ENGINE", choices=ENGINES)
        recording.add_argument("folder", metavar="DIR", type=Path)
        options = recording.parse_args(argv[1:])
        report = Report()
        report.begin(options.engine)
        with folder_of_logs(f"jmx-{options.engine}", report) as scratch:
            Trial(ENGINES[options.engine], scratch, report).record(options.folder)
        return 1 if report.failed else 0
    options = parser.parse_args(argv)
    if unknown := [name for name in options.engines if name not in ENGINES]:
        parser.error(f"{unknown[0]}: no such engine; choose from {', '.join(ENGINES)}")
    if shutil.which("prometheus") is None:
        parser.error("prometheus: not found; install it (package prometheus)")
    names = options.engines or list(ENGINES)
    try:
        for name in names:
            java_home(ENGINES[name].java)
    except EngineError as error:
        parser.error(str(error))
    report = Report()
    for name in names:
        report.begin(name)
        with folder_of_logs(f"jmx-{name}", report) as folder:
            Trial(ENGINES[name], folder, report).run()
    print(f"\n{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    run(main)

"""A running server: configured for a trial, started, asked what it knows, stopped."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from exporter.dialect import PRESTODB, PRESTOSQL
from tests.engines import EngineError
from tests.engines.assembly import Engine, assemble, java_home
from tests.engines.processes import Program, free_port

CLIENT_TIMEOUT = 8.0
"""Seconds after which a server gives up a query whose client is gone."""
MONITOR = "monitor"
"""Who may view every query and nothing else: the exporter's user."""
ADMIN = "admin"
"""Who may also kill queries and read the server's own counters."""
DENIED = "denied"
"""Who may not run queries."""
ENVIRONMENT = "engines"
"""The cluster's name in the server's own words."""

_STARTUP_SECONDS = 180.0
_STOP_SECONDS = 60.0
_OPEN_FILES = 131072
_FIRST_TRINO_WITHOUT_JMX_RESOURCE = 480
_FIRST_TRINO_WITH_ENVIRONMENT_KEY = 477

# C1 only and one collector: a server is up in half the time, and no trial lives long enough to miss C2.
_JVM = (
    "-Xmx1500m",
    "-Xms256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Xss2m",
    "-Djdk.attach.allowAttachSelf=true",
    "-Duser.timezone=UTC",
    "-Dfile.encoding=UTF-8",
)

_RULES = {
    "catalogs": [{"allow": "all"}],
    "queries": [
        {"user": DENIED, "allow": []},
        {"user": MONITOR, "allow": ["view"]},
        {"user": ADMIN, "allow": ["execute", "kill", "view"]},
        {"allow": ["execute"]},
    ],
    "system_information": [{"user": ADMIN, "allow": ["read"]}],
}

ETL = "etl"
"""Queries with this source run one at a time, and one more may wait (where the engine has resource groups)."""
NO_GROUP = "nogroup"
"""The user whom no resource group takes."""
_GROUPS = {
    "rootGroups": [
        {
            "name": "global",
            "softMemoryLimit": "90%",
            "hardConcurrencyLimit": 20,
            "maxQueued": 200,
            "subGroups": [
                {"name": ETL, "softMemoryLimit": "50%", "hardConcurrencyLimit": 1, "maxQueued": 1},
                {"name": "${USER}", "softMemoryLimit": "80%", "hardConcurrencyLimit": 10, "maxQueued": 20},
            ],
        }
    ],
    "selectors": [
        {"source": ETL, "group": f"global.{ETL}"},
        {"user": f"(?!{NO_GROUP}).*", "group": "global.${USER}"},
    ],
}

SLOTS = 6
"""Queries that run at the same time where the engine has no resource groups; more wait."""


class Server:
    """A server of one engine on a free loopback port; leaving its ``with`` block ends it.

    A restart keeps the port and forgets every query, as a coordinator does.
    """

    def __init__(self, engine: Engine, folder: Path, jvm: Sequence[str] = ()) -> None:
        """Configure it in this folder; *jvm* are options for its Java on top of those that it needs."""
        self.engine = engine
        self._jvm = (*_JVM, *engine.jvm, *jvm)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._home = assemble(engine)
        self._program: Program | None = None
        self._configure()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        if self._program:
            self._program.kill()

    def start(self) -> float:
        """Return the seconds until the server said that it has started. Queries may fail for some seconds more."""
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        limit = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        began = time.monotonic()
        self._program = Program(self.engine.name, self._command(), self._folder / "server.log", {"NO_COLOR": "1"})
        while time.monotonic() - began < _STARTUP_SECONDS:
            self._program.must_live()
            with suppress(requests.RequestException):
                info = requests.get(f"{self.url}/v1/info", timeout=2)
                if info.ok and info.json()["starting"] is False:
                    return time.monotonic() - began
            time.sleep(0.1)
        raise EngineError(f"{self.engine.name}: not started after {_STARTUP_SECONDS:.0f} s; see {self._program.log}")

    def stop(self) -> None:
        """End the server the polite way: it fails what runs, and is gone."""
        if self._program:
            self._program.stop(_STOP_SECONDS)

    def get(self, path: str, user: str) -> requests.Response:
        """Return what the server answers to *user*; raises EngineError for any status but 200 and 410."""
        response = requests.get(self.url + path, auth=(user, ""), headers=self._user_header(user), timeout=60)
        if response.status_code not in (requests.codes.ok, requests.codes.gone):
            raise EngineError(f"{self.engine.name}: GET {path} answered {response.status_code}")
        return response

    def queries(self) -> list[dict[str, Any]]:
        """Return the rows of ``GET /v1/query``, as the exporter's user sees them."""
        rows: list[dict[str, Any]] = self.get("/v1/query", MONITOR).json()
        return rows

    def ended(self) -> tuple[int, int]:
        """Return how many queries this process has completed and how many of them failed, by its own counters."""
        if self.engine.dialect is PRESTODB:
            return self._from_jmx("com.facebook.presto.dispatcher:name=DispatchManager")
        if self.engine.dialect is PRESTOSQL:
            return self._from_jmx("presto.execution:name=QueryManager")
        if int(self.engine.version) < _FIRST_TRINO_WITHOUT_JMX_RESOURCE:
            return self._from_jmx("trino.execution:name=QueryManager")
        return self._from_metrics("CompletedQueries"), self._from_metrics("FailedQueries")

    def _from_jmx(self, bean: str) -> tuple[int, int]:
        attributes = self.get(f"/v1/jmx/mbean/{quote(bean)}", ADMIN).json()["attributes"]
        values = {attribute["name"]: attribute.get("value") for attribute in attributes}
        return int(values["CompletedQueries.TotalCount"]), int(values["FailedQueries.TotalCount"])

    def _from_metrics(self, counter: str) -> int:
        name = f"trino_execution_name_QueryManager_{counter}"
        lines = self.get(f"/metrics?name[]={name}", ADMIN).text.splitlines()
        return int(float(next(line.split()[1] for line in lines if line.startswith(name))))

    def _user_header(self, user: str) -> dict[str, str]:
        return {f"{self.engine.dialect.header_prefix}User": user}

    def _command(self) -> list[str]:
        etc = self._folder / "etc"
        properties = (
            f"-Dnode.environment={ENVIRONMENT}",
            "-Dnode.id=ffffffff-0000-0000-0000-000000000001",
            f"-Dnode.data-dir={self._folder / 'data'}",
            f"-Djava.io.tmpdir={self._folder / 'data'}",
            "-Dnode.internal-address=127.0.0.1",
            "-Dnode.bind-ip=127.0.0.1",
            f"-Dconfig={etc / 'config.properties'}",
            f"-Dlog.levels-file={etc / 'log.properties'}",
            "-Dlog.enable-console=true",
        )
        java = str(java_home(self.engine.java) / "bin" / "java")
        lib = self._home / "lib"
        return [java, *self._jvm, *properties, "-cp", f"{lib}:{lib}/*", self.engine.main]

    def _configure(self) -> None:
        etc = self._folder / "etc"
        (etc / "catalog").mkdir(parents=True)
        (self._folder / "data").mkdir()
        _write(etc / "config.properties", self._settings())
        _write(etc / "log.properties", {"io": "INFO", "com": "INFO"})
        _write(etc / "catalog" / "tpch.properties", {"connector.name": "tpch", "tpch.splits-per-node": "2"})
        _write(etc / "catalog" / "memory.properties", {"connector.name": "memory"})
        if self.engine.dialect is not PRESTODB:
            rules = etc / "rules.json"
            rules.write_text(json.dumps(_RULES))
            access = {"access-control.name": "file", "security.config-file": str(rules)}
            _write(etc / "access-control.properties", access)
        if self.engine.has_resource_groups:
            groups = etc / "groups.json"
            groups.write_text(json.dumps(_GROUPS))
            _write(
                etc / "resource-groups.properties",
                {"resource-groups.configuration-manager": "file", "resource-groups.config-file": str(groups)},
            )

    def _settings(self) -> dict[str, str]:
        settings = {
            "coordinator": "true",
            "node-scheduler.include-coordinator": "true",
            "http-server.http.port": str(self.port),
            "discovery.uri": self.url,
            "plugin.dir": str(self._home / "plugin"),
            "catalog.config-dir": "etc/catalog",
            "query.min-expire-age": "1h",  # nothing that ended is forgotten while a trial runs
            "query.max-history": "10000",
            "query.client.timeout": f"{CLIENT_TIMEOUT:.0f}s",
            "query.max-memory": "300MB",
            "query.max-memory-per-node": "300MB",
            "memory.heap-headroom-per-node": "200MB",
        }
        if self.engine.dialect in (PRESTOSQL, PRESTODB):
            settings["discovery-server.enabled"] = "true"
            settings["query.max-total-memory"] = settings["query.max-total-memory-per-node"] = "400MB"
        if self.engine.dialect is PRESTODB:
            settings["presto.version"] = self.engine.version
        elif int(self.engine.version) >= _FIRST_TRINO_WITH_ENVIRONMENT_KEY:
            settings["node.environment"] = ENVIRONMENT
        if not self.engine.has_resource_groups:
            settings["query.max-concurrent-queries"] = str(SLOTS)
        return settings


def _write(path: Path, properties: dict[str, str]) -> None:
    path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))

"""Test data from a real server: two answers of ``GET /v1/query``, and what the clients know of each query."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path
from typing import Any

from tests.engines import EngineError, truth, workload
from tests.engines.assembly import Engine
from tests.engines.client import Clients
from tests.engines.report import Report
from tests.engines.servers import MONITOR, Server
from tests.engines.truth import Sent

_TRIES = 30
_README = """\
{engine}: GET /v1/query as a real coordinator answered it, made by `python -m tests.engines record {engine} DIR`

taken     {taken} UTC, as user "{monitor}", workload of seed {seed}
server    {server}
poll1     in the middle of the workload, with queries running and one queued
poll2     at its end; every query has ended
truth     what the clients of /v1/statement did and saw, per query id; never derived from the lists. "user" is the name
          as the server reads it (header bytes are ISO-8859-1). Queries whose client never asked for the first result
          are left out, as no engine lists them. "engine" is /v1/info.
changed   nothing
"""


def record(engine: Engine, scratch: Path, folder: Path, report: Report, seed: int) -> None:
    """Write the recording of one engine into *folder*; the server lives in *scratch*. Raises EngineError."""
    with Server(engine, scratch) as server:
        server.start()
        clients = Clients(server)
        workload.warm_up(clients)
        report.step("server started")
        parts = workload.plan(engine, seed)
        middle = len(parts) // 2
        workload.run(parts[:middle], clients)
        held = workload.hold_big_queries(clients)
        first = server.get("/v1/query", MONITOR).content
        held.end()
        workload.run(parts[middle:], clients)
        clients.wait_for_left()
        second = _settled_list(server)
        report.check("the list agrees with the clients", truth.unlike(clients.sent, json.loads(second)))
        info = server.get("/v1/info", MONITOR).json()
    folder.mkdir(parents=True, exist_ok=True)
    known = {"engine": info, "queries": [_known(sent) for sent in clients.sent if sent.ending]}
    for name, content in (("poll1", first), ("poll2", second), ("truth", json.dumps(known, indent=1).encode())):
        (folder / f"{name}.json.gz").write_bytes(gzip.compress(content, 9, mtime=0))
    (folder / "README.txt").write_text(
        _README.format(
            engine=engine.name,
            server=engine.server,
            monitor=MONITOR,
            seed=seed,
            taken=time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        )
    )
    report.step(f"written to {folder}")


def _settled_list(server: Server) -> bytes:
    """Return the list once it stays as it is: figures may move for a moment after the end of a query."""
    before: list[dict[str, Any]] = []
    for _ in range(_TRIES):
        answer = server.get("/v1/query", MONITOR).content
        rows = sorted(json.loads(answer), key=lambda row: str(row["queryId"]))
        if rows == before:
            return answer
        before = rows
        time.sleep(1)
    raise EngineError(f"{server.engine.name}: the list still changes after {_TRIES} s")


def _known(sent: Sent) -> dict[str, str | None]:
    assert sent.ending
    return {
        "id": sent.id,
        "user": sent.user,
        "source": sent.source,
        "outcome": sent.ending.outcome,
        "error_type": sent.ending.error_type or None,
        "error_name": sent.ending.error_name or None,
    }

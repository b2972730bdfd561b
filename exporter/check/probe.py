"""Asks clusters what there is to see: a poll as `run` does it, and a few small requests more where they tell something.

All clusters at once, each in a thread of its own, and every request under the configured timeout. No query is ever
submitted, and nothing is kept.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import repeat

from exporter.check.findings import Finding, findings_between, findings_of, is_in_doubt, may_forget_soon
from exporter.check.seen import GATEWAY, INFO, LIST, Failure, Kind, Later, Seen
from exporter.config import Cluster
from exporter.decode.query_list import decode_query_list
from exporter.dialect import PRESTOSQL
from exporter.errors import PollError
from exporter.ingest.connection import NOT_ACCEPTED, REFUSED, SPEAKS_NO_TLS, SPEAKS_TLS, Certificate
from exporter.ingest.coordinator import AsWhom, Coordinator, Reply
from exporter.query import Query, Text

REPEATED = 2
"""How often a coordinator is asked once more who it is: several behind one address will not all give one answer."""

LATER_SECONDS = 3.0
"""Between two lists, where it is to be seen whether ended queries go."""

_AT_ONCE = 64
_FIRST_WITHOUT_JMX = 480
_JMX = "/v1/jmx/mbean/{}.execution%3Aname%3DQueryManager/CompletedQueries.TotalCount"
_METRICS = "/metrics?name%5B%5D=trino_execution_name_QueryManager_CompletedQueries"

_KINDS = {
    SPEAKS_TLS: Kind.SCHEME,
    SPEAKS_NO_TLS: Kind.SCHEME,
    NOT_ACCEPTED: Kind.CERTIFICATE,
    REFUSED: Kind.CLIENT_CERTIFICATE,
}

_log = logging.getLogger(__name__)


def check(
    clusters: Sequence[Cluster],
    coordinator_of: Callable[[Cluster], Coordinator],
    pause: Callable[[float], object] = time.sleep,
) -> list[tuple[Seen, tuple[Finding, ...]]]:
    """Return what each cluster showed and what is wrong with it, in the order of *clusters*.

    *pause* lets so many seconds go by, where a list is asked for twice.
    """
    coordinators = [coordinator_of(cluster) for cluster in clusters]
    with ThreadPoolExecutor(min(len(clusters), _AT_ONCE), "check") as threads:
        try:
            every = list(threads.map(look, clusters, coordinators, repeat(pause)))
        except BaseException:  # Ctrl-C: the threads are waited for, so let them come to an end
            for coordinator in coordinators:
                coordinator.abort()
            raise
    own = map(findings_of, every)
    return [(seen, alone + between) for seen, alone, between in zip(every, own, findings_between(every), strict=True)]


def look(cluster: Cluster, coordinator: Coordinator, pause: Callable[[float], object] = time.sleep) -> Seen:
    """Return what a cluster shows; a defect of ours is one of its failures, and stops no other cluster."""
    try:
        return _look_further(_poll(cluster, coordinator), coordinator, pause)
    except Exception as error:
        _log.exception("check: unexpected failure")
        problem = f"{type(error).__name__}, a defect of the exporter"
        failure = Failure(Kind.INTERNAL, "check", problem, "report it with the traceback")
        return Seen(cluster, time.time(), failure)


def failure_of(error: PollError) -> Failure:
    """Return why there is no list, taken apart; a message reads ``place: what is wrong; what to do``."""
    place, colon, rest = str(error).partition(": ")
    if not colon:
        place, rest = f"GET {LIST}", str(error).removeprefix(f"GET {LIST} ")
    problem, _, remedy = rest.partition("; ")
    kind = next((kind for words, kind in _KINDS.items() if problem.startswith(words)), Kind(error.result))
    return Failure(kind, place, problem, remedy)


def _poll(cluster: Cluster, coordinator: Coordinator) -> Seen:
    replies: list[Reply] = []
    try:
        answer = coordinator.poll(replies)
        listed = decode_query_list(answer.query_list, {}, _no_digest)
    except PollError as error:
        return Seen(cluster, time.time(), failure_of(error), replies)
    queries = [row for row in listed.rows.values() if isinstance(row, Query)]
    return Seen(
        cluster,
        time.time(),
        replies=replies,
        queries=queries,
        rejected=len(listed.rows) - len(queries),
        list_bytes=len(answer.query_list),
        seconds=answer.seconds,
    )


def _no_digest(_: Text) -> None:
    """Let the text of a query go: none is needed."""


def _look_further(seen: Seen, coordinator: Coordinator, pause: Callable[[float], object]) -> Seen:
    """Return what a few more requests add; there is no finding in one that fails."""
    kind, place = seen.failure[:2] if seen.failure else (None, "")
    is_silent = kind is Kind.CONNECTION and not seen.replies and place.startswith(("GET", "TLS"))
    shakes_hands = bool(seen.replies) or kind in (Kind.CERTIFICATE, Kind.CLIENT_CERTIFICATE)
    if is_silent or (seen.is_https and shakes_hands):
        seen = replace(seen, certificate=_certificate(coordinator))
    if seen.is_https and is_silent:
        seen = replace(seen, in_clear=_Further(coordinator)(INFO, AsWhom.NOBODY_IN_CLEAR))
    ask = _Further(coordinator)
    if seen.list_reply is not None and seen.list_reply.status == 401:
        seen = replace(seen, anonymous=ask(LIST, AsWhom.NOBODY))
    if seen.info is not None:
        again = [ask(INFO) for _ in range(REPEATED)]
        seen = replace(seen, repeated=[reply for reply in again if reply is not None], gateway=ask(GATEWAY))
    if is_in_doubt(seen):
        seen = replace(seen, management=ask(_count_path(seen)))
    if may_forget_soon(seen):
        pause(LATER_SECONDS)
        later = _poll(seen.cluster, coordinator)
        if later.queries is not None:
            seen = replace(seen, later=Later(later.clock, frozenset(query.id for query in later.queries)))
    return seen


def _count_path(seen: Seen) -> str:
    """Return where this engine tells how many queries have ended, to whom may read system information."""
    if seen.dialect is PRESTOSQL:
        return _JMX.format("presto")
    release = re.match("[0-9]{1,9}", seen.info.version if seen.info else "")
    return _JMX.format("trino") if release and int(release[0]) < _FIRST_WITHOUT_JMX else _METRICS


class _Further:
    """Asks on, until one request fails: who is silent once shall not be waited for again."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._is_silent = False

    def __call__(self, path: str, as_whom: AsWhom = AsWhom.US) -> Reply | None:
        """Return what is answered; None if nothing is."""
        if not self._is_silent:
            with suppress(PollError):
                return self._coordinator.ask(path, as_whom=as_whom)
        self._is_silent = True
        return None


def _certificate(coordinator: Coordinator) -> Certificate | None:
    with suppress(PollError):
        return coordinator.certificate()
    return None

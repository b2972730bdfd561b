"""The composition root: a configuration becomes wired objects that start, reload and stop."""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from exporter import __revision__, __version__
from exporter.account.ledger import Ledger
from exporter.account.usage_rows import Bounds
from exporter.catalogue import (
    BUILD_INFO,
    CATALOGUE,
    LEDGER_QUERIES,
    LEDGER_SIZE,
    LEDGER_UP,
    RELOAD_SUCCESSFUL,
    RELOAD_TIMESTAMP,
    UP,
)
from exporter.config import Cluster, Config, SocketPath
from exporter.config import Tls as TlsSettings
from exporter.errors import ConfigError, InternalError, LedgerBusyError, LedgerUnusableError, PollError, Problem
from exporter.expose.access import AccessFile
from exporter.expose.listen import passed_by_systemd
from exporter.expose.text import Exposition
from exporter.expose.web import ClusterStatus, Server, create_app
from exporter.health import Health
from exporter.ingest.auth import Auth, Basic, Bearer, UserOnly
from exporter.ingest.connection import COORDINATOR, Tls
from exporter.ingest.coordinator import Answer, Coordinator
from exporter.ingest.kerberos import Kerberos
from exporter.ingest.oauth2 import TOKEN_SERVER, OAuth2
from exporter.ingest.poller import Poller
from exporter.logs import Changes
from exporter.pipeline import Done, Pipeline, Policy, Statements, told
from exporter.report.question import Question
from exporter.report.report import Report
from exporter.report.usage import Usage

STOP_SECONDS = 5.0
"""How long a stop waits for a poll that is being committed."""

_log = logging.getLogger(__name__)


class App:
    """The exporter of one configuration: a poller per cluster, one ledger, one web server."""

    def __init__(self, config: Config, read: Callable[[], Config] | None = None) -> None:
        """Read who may ask, and open the ledger. *read* returns the configuration as it is now, for `reread`.

        Raises ConfigError, ListenError, LedgerUnusableError.
        """
        self._config = self._started_with = config
        self._read = read
        self._is_good = True
        self._access = AccessFile(config.web.config_file, self._show_loaded) if config.web.config_file else None
        listen_on = passed_by_systemd(os.environ) if config.web.systemd_socket else config.web.listen_addresses
        self._changing = threading.Lock()
        self._stopped = False
        groups = config.usage.max_groups
        self._ledger = Ledger(
            config.ledger.path,
            Bounds(kept=config.usage.retention, cells_per_hour=groups, cells_per_day=2 * groups),
        )
        self._exposition = Exposition(CATALOGUE)
        self._state = LedgerState(self._ledger, self._exposition)
        self._usage = Usage(config.ledger.path)
        self._statements = Statements(self._exposition, config.fingerprints.statement_label_length)
        self._names = Names()
        self._clusters: list[ClusterRun] = []
        self.server = Server(
            create_app(
                self._exposition,
                config.web.telemetry_path,
                self._not_ready,
                self._statuses,
                reload=self._reread_for_web if config.web.enable_lifecycle else None,
                ask=self._ask if config.usage.retention else None,
            ),
            [place.path if isinstance(place, SocketPath) else place for place in listen_on],
            access=None if self._access is None else self._access.current,
        )
        self._publish_build()
        self.loaded(True)

    def start(self) -> None:
        """Serve, and poll every cluster. Raises ListenError; then stop() still has to be called."""
        self._clusters = [self._run(cluster) for cluster in self._config.clusters]
        _log.info("counters are kept in %s", Path(self._ledger.path).resolve())
        self.server.start()  # after the counters are shown: the first scrape of a new process misses none
        for run in self._clusters:
            run.start()

    def stop(self) -> None:
        """End polls and scrapes under way, wait for the last commit, and close the ledger."""
        with self._changing:
            self._stopped = True
        for run in self._clusters:
            run.stop()
        self.server.stop()
        for run in self._clusters:
            run.join(STOP_SECONDS)
        self._usage.close()
        self._ledger.close()

    def reload(self, config: Config) -> None:
        """Put *config* in force: clusters that are new, changed or gone start, restart or stop; no count is lost.

        What is under web, ledger, usage and log keeps its values until the next start.
        """
        same_policy = _policy(config) == _policy(self._config)
        staying = [run for run in self._clusters if same_policy and run.cluster in config.clusters]
        leaving = [run for run in self._clusters if run not in staying]
        for run in leaving:
            run.stop()
        for run in leaving:
            run.join(None)
            run.leave()
        for section in ("ledger", "usage", "web", "log"):
            if getattr(config, section) != getattr(self._started_with, section):
                _log.warning("%s has changed; that takes effect at the next start", section)
        self._config = config
        coming = [self._run(cluster) for cluster in config.clusters if cluster not in [run.cluster for run in staying]]
        self._clusters = staying + coming
        for run in coming:
            run.start()
        counts = (len(staying), len(coming), len(leaving))
        _log.info("configuration read again: of the clusters %d stay as they are, %d start, %d end", *counts)
        self.loaded(True)

    def reread(self) -> Sequence[Problem]:
        """Read the configuration again and put it in force; return what is wrong with it, and then it is not."""
        problems: Sequence[Problem] = ()
        with self._changing:
            if self._read is None or self._stopped:
                return ()
            try:
                self.reload(self._read())
            except ConfigError as error:
                self.loaded(False)
                problems = error.problems
                for problem in problems:
                    _log.error("the old configuration stays in force: %s", problem)
        if self._access is not None:
            self._access.current()
            problems = [*problems, *self._access.problems]
        return problems

    def _reread_for_web(self) -> str:
        return "\n".join(map(str, self.reread()))

    def loaded(self, successful: bool) -> None:
        """Show whether the configuration in force is the file's last content."""
        self._is_good = successful
        self._show_loaded(self._access is None or not self._access.problems)

    def _show_loaded(self, access_is_good: bool) -> None:
        successful = self._is_good and access_is_good
        gauges = {RELOAD_SUCCESSFUL.name: [((), float(successful))]}
        if successful:
            gauges[RELOAD_TIMESTAMP.name] = [((), time.time())]
        self._exposition.replace("", gauges)

    def _run(self, cluster: Cluster) -> ClusterRun:
        run = ClusterRun(
            cluster,
            _policy(self._config),
            self._names,
            self._state,
            self._exposition,
            self._statements,
            coordinator_of(cluster),
        )
        run.open()
        return run

    def _ask(self, question: Question) -> Report:
        return self._usage.ask(question, time.time())

    def _not_ready(self) -> Sequence[str]:
        return [f'cluster "{run.title}": not asked yet' for run in self._clusters if not run.asked]

    def _statuses(self) -> Sequence[ClusterStatus]:
        return [run.status() for run in self._clusters]

    def _publish_build(self) -> None:
        build = (__version__, __revision__, platform.python_version())
        self._exposition.replace("", {BUILD_INFO.name: [(build, 1.0)]})


def check_files(config: Config) -> None:
    """Read the files that *config* names and that are configurations of their own. Raises ConfigError."""
    if config.web.config_file is not None:
        AccessFile(config.web.config_file)


class Names:
    """The names of clusters, each given out once. Coordinators tell theirs, and two may tell the same."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._mutex = threading.Lock()

    def take(self, name: str, otherwise: str) -> str:
        """Return *name*, or *otherwise* if another cluster has it."""
        with self._mutex:
            given = otherwise if name in self._taken else name
            self._taken.add(given)
            return given

    def give_back(self, name: str) -> None:
        """Let another cluster have *name*."""
        with self._mutex:
            self._taken.discard(name)


class LedgerState:
    """The ledger with what is shown and logged of it: whether it takes commits, its size."""

    def __init__(self, ledger: Ledger, exposition: Exposition) -> None:
        self.ledger = ledger
        self._exposition = exposition
        self._changes = Changes()
        self._changes.meet("", time.monotonic())
        self._mutex = threading.Lock()
        self.note(None)

    def note(self, error: LedgerBusyError | LedgerUnusableError | None) -> None:
        """Show how the last commit went; log it where that changed."""
        with self._mutex:
            untold = self._changes.meet("" if error is None else str(error), time.monotonic())
        if untold is not None and error is not None:
            _log.error("ledger: %s", error, extra=_not_written(untold))
        elif untold is not None:
            text = "ledger: %s: written again; counters have caught up"
            _log.info(text, self.ledger.path, extra=_not_written(untold))
        self._exposition.replace(
            "",
            {
                LEDGER_UP.name: [((), float(error is None))],
                LEDGER_SIZE.name: [((), float(self.ledger.size_bytes()))],
                LEDGER_QUERIES.name: [((), float(self.ledger.queries()))],
            },
        )


class Asked(Protocol):
    """What a cluster is asked through: its coordinator."""

    def poll(self) -> Answer:
        """Return what the coordinator answers; raises PollError."""

    def abort(self) -> None:
        """Make the poll under way end soon, and every later one at once."""


class ClusterRun:
    """One cluster while it is polled: its coordinator, its poller, and the pipeline once its name is known."""

    def __init__(
        self,
        cluster: Cluster,
        policy: Policy,
        names: Names,
        state: LedgerState,
        exposition: Exposition,
        statements: Statements,
        coordinator: Asked,
    ) -> None:
        self.cluster = cluster
        self.asked = False
        self._place = urlsplit(cluster.url).netloc
        self._policy = policy
        self._names = names
        self._state = state
        self._exposition = exposition
        self._statements = statements
        self._pipeline: Pipeline | None = None
        self._failing_since: float | None = None
        self._failure = ""
        self._recovered = ""
        self._changes = Changes()
        self._asked_at = 0.0
        self._coordinator = coordinator
        self._poller = Poller(cluster.name or self._place, self._ask, self._report)

    @property
    def title(self) -> str:
        """What to call the cluster: its name, or its address while the name is not known."""
        return self._pipeline.name if self._pipeline else self.cluster.name or self._place

    def open(self) -> None:
        """Show the counters that the ledger has, if the cluster is known by name or from before."""
        try:
            name = self.cluster.name or self._state.ledger.name_at(self.cluster.url)
            if name:
                self._open(name)
        except LedgerBusyError as error:
            self._state.note(error)

    def start(self) -> None:
        """Start polling."""
        self._poller.start()

    def stop(self) -> None:
        """End the polling, a poll under way included."""
        self._poller.stop()
        self._coordinator.abort()

    def join(self, timeout: float | None) -> None:
        """Wait for the last commit."""
        self._poller.join(timeout)

    def leave(self) -> None:
        """Show the cluster's gauges no more, and give its name back."""
        self._exposition.drop(self.title)
        self._names.give_back(self.title)

    def status(self) -> ClusterStatus:
        """Return what the landing page says of the cluster."""
        health = self._pipeline.health if self._pipeline else Health(failure=self._failure)
        return ClusterStatus(
            name=self.title,
            url=self.cluster.url,
            engine=health.engine,
            version=health.version,
            up=health.up if self.asked else None,
            last_success=health.last_success,
            queries_listed=health.listed,
            failure=health.failure,
        )

    def _ask(self) -> Answer:
        self._asked_at = time.monotonic()
        return self._coordinator.poll()

    def _report(self, result: Answer | PollError) -> float:
        now = time.time()
        try:
            if isinstance(result, PollError):
                raise result
            pipeline = self._pipeline_for(result)
            before = pipeline.health.last_success
            done = pipeline.polled(result, now)
            self._note_success(pipeline.health, before)
        except PollError as error:
            self._note_failure(error)
            done = self._failed(error, now)
        except (LedgerBusyError, LedgerUnusableError) as error:  # the pipeline could not even be opened
            done = Done(self.cluster.poll_interval, error)
        except BaseException:  # even an exit: nothing but a stop ends the polls of a cluster
            _log.exception('cluster "%s": unexpected failure to work up a list; the next poll goes on', self.title)
            defect = InternalError("work up a list: a defect of the exporter; report it with the traceback in its log")
            self._note_failure(defect)
            done = self._failed(defect, now)
        self._state.note(done.ledger_error)
        self.asked = True
        return done.interval

    def _failed(self, error: PollError, now: float) -> Done:
        if self._pipeline is not None:
            return self._pipeline.failed(error, time.monotonic() - self._asked_at, now)
        self._exposition.replace(self._place, {UP.name: [((self._place,), 0.0)]})
        return Done(self.cluster.poll_interval, None)

    def _pipeline_for(self, answer: Answer) -> Pipeline:
        if self._pipeline is None:
            self._exposition.drop(self._place)
            info = told(answer.info)
            self._open(self.cluster.name or (info.environment if info else "") or self._place)
        if self._pipeline is None:
            raise AssertionError("a cluster that was opened has a pipeline")
        return self._pipeline

    def _open(self, name: str) -> None:
        given = self._names.take(name, otherwise=self._place)
        if given != name:
            _log.warning(
                'cluster "%s": another cluster has the name "%s" already; give it one: --coordinator NAME=URL',
                given,
                name,
            )
        try:
            self._pipeline = Pipeline(
                given,
                self.cluster.url,
                self.cluster.poll_interval,
                self._policy,
                self._state.ledger,
                self._exposition,
                self._statements,
                time.time(),
            )
        except BaseException:
            self._names.give_back(given)
            raise

    def _note_success(self, health: Health, before: float | None) -> None:
        """Log that the cluster is up, where that is news; *before* is when it was so last, Unix time."""
        now = time.monotonic()
        if self._failing_since is not None:
            self._recovered = f"up again after {now - self._failing_since:.0f} s{_may_be_lost(health, before)}"
        self._failing_since, self._failure = None, ""
        untold = self._changes.meet("" if health.listed else _NOTHING_LISTED, now)
        if untold is not None:
            up = f"up: {health.engine} {health.version}, {health.listed} queries listed"
            is_blind = not self._recovered and not health.listed
            news = self._recovered or (f"{up}; {_NOTHING_LISTED}" if is_blind else up)
            self._recovered = ""
            level = logging.WARNING if is_blind else logging.INFO
            _log.log(level, 'cluster "%s": %s', self.title, news, extra=_not_written(untold))

    def _note_failure(self, error: PollError) -> None:
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        self._failure = str(error)
        untold = self._changes.meet(self._failure, now)
        if untold is not None:
            extra = {"result": error.result, **_not_written(untold)}
            _log.warning('cluster "%s": %s', self.title, error, extra=extra)


_NOTHING_LISTED = "if there were some, the right to view those of others is missing; run presto-query-exporter check"


def _not_written(changes: int) -> dict[str, int]:
    """Return the field of a line that says how many changes before it were not logged; nothing if none were."""
    return {"not_written": changes} if changes else {}


def _may_be_lost(health: Health, before: float | None) -> str:
    """Return what may not have been counted of the time since the good list *before*, as the end of a sentence."""
    if before is None:
        return ""
    if health.started is not None and health.started > before:
        return (
            "; its coordinator restarted meanwhile, and what ended since the last list is not known: "
            "see presto_user_queries_lost_total and presto_exporter_queries_missed_total"
        )
    if health.headroom_seconds is not None and health.headroom_seconds >= 0.0:
        return "; it keeps ended queries for longer, so they are counted now"
    return (
        "; it may have forgotten queries that ended meanwhile: see presto_exporter_poll_gaps_total and "
        "presto_exporter_queries_missed_total"
    )


def _policy(config: Config) -> Policy:
    labels = config.labels
    limits = {
        "user": labels.user.max_values,
        "source": labels.source.max_values,
        "error_name": labels.error_name.max_values,
        "fingerprint": config.fingerprints.max_series,
    }
    canceled = frozenset(config.outcomes.canceled)
    fingerprints = config.fingerprints
    return Policy(canceled, limits, config.new_series_delay, fingerprints.admit_after, fingerprints.retire_after)


def coordinator_of(cluster: Cluster) -> Coordinator:
    """Return the coordinator that a cluster's configuration names, ready to be asked."""
    return Coordinator(
        cluster.url,
        _auth(cluster),
        tls=_tls(cluster.tls),
        headers={name: value.get_secret_value() for name, value in cluster.headers.items()},
        timeout=cluster.timeout,
        max_response_bytes=cluster.max_response_bytes,
    )


def _auth(cluster: Cluster) -> Auth:
    auth, oauth2, kerberos = cluster.auth, cluster.auth.oauth2, cluster.auth.kerberos
    if auth.password_file is not None:
        return Basic(cluster.user, str(auth.password_file))
    if auth.bearer_token_file is not None:
        return Bearer(str(auth.bearer_token_file))
    if oauth2.token_url is not None:
        return OAuth2(
            oauth2.token_url,
            oauth2.client_id or "",
            str(oauth2.client_secret_file),
            scope=oauth2.scope,
            audience=oauth2.audience,
            tls=_tls(oauth2.tls, TOKEN_SERVER.tls),
        )
    if kerberos.service_name is not None:
        return Kerberos(
            kerberos.service_name,
            kerberos.hostname or urlsplit(cluster.url).hostname or "",
            principal=kerberos.principal,
            keytab_file=_path(kerberos.keytab_file),
        )
    return UserOnly(cluster.user)


def _tls(tls: TlsSettings, key: str = COORDINATOR.tls) -> Tls:
    ca_file, cert_file, key_file = map(_path, (tls.ca_file, tls.cert_file, tls.key_file))
    return Tls(ca_file, cert_file, key_file, tls.server_name, tls.insecure_skip_verify, key)


def _path(file: Path | None) -> str | None:
    return None if file is None else str(file)

"""The command line: the only place with arguments, printing and exit codes.

Exit codes: 0 after a clean stop, 2 for a configuration that cannot be used, 1 for anything else.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import click

from exporter import __version__, ledger_text, logs, rehearsal
from exporter.account.audit import audit
from exporter.account.forgetting import forget_cluster, forget_user
from exporter.account.ledger_file import LedgerFile
from exporter.app import App, check_files, coordinator_of
from exporter.check import probe, terminal
from exporter.check.figures import plain
from exporter.config import FLAGS, Config, Ledger, from_coordinators, load, parse
from exporter.demo.coordinator import Coordinator
from exporter.demo.server import serve
from exporter.demo.workload import Workload
from exporter.errors import ConfigError, ExporterError, Problem
from exporter.fingerprint.fingerprint import Fingerprinter
from exporter.fingerprint.jsonl import answer
from exporter.top import live
from exporter.top.choice import GROUPS, ORDERS, Choice
from exporter.top.source import Source

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> int:
    """Run the command line *arguments* and return the exit code."""
    try:
        # Without its standalone mode, click returns the code of an Exit in place of what a command returns.
        code = cli.main(list(arguments), prog_name="presto-query-exporter", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ConfigError as error:
        for problem in error.problems:
            click.echo(f"error: {problem}", err=True)
        return 2
    except ExporterError as error:
        click.echo(f"error: {error}", err=True)
        return 1
    except (KeyboardInterrupt, click.Abort):  # click makes the one the other
        return 1
    return code or 0


def console() -> None:
    """Entry point of the console script."""
    sys.exit(main(sys.argv[1:]))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="presto-query-exporter")
def cli() -> None:
    """Counts every query of Presto and Trino clusters once, per user, for Prometheus."""


def _flag(name: str, text: str, **more: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    variable = "PRESTO_EXPORTER_" + name.replace(".", "_").replace("-", "_").upper()
    return click.option(f"--{name}", _parameter(name), envvar=variable, show_envvar=True, help=text, **more)


def _parameter(name: str) -> str:
    return name.replace(".", "_").replace("-", "_")


def _clusters(command: Callable[..., None]) -> Callable[..., None]:
    """Add the two flags that say which clusters there are."""
    from_file = _flag("config.file", "The configuration, in YAML.", metavar="FILE", type=click.Path(dir_okay=False))
    from_urls = _flag(
        "coordinator",
        "A coordinator to poll without a file: http://USER@HOST:PORT. The cluster's name is the coordinator's "
        "environment, or NAME. Repeatable.",
        metavar="[NAME=]URL",
        multiple=True,
    )
    return from_file(from_urls(command))


_form = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to say it: for people, or for programs.",
)


def _read(config_file: str | None, coordinator: tuple[str, ...], given: Mapping[str, Any]) -> Config:
    if bool(config_file) == bool(coordinator):
        raise click.UsageError("give either --config.file or --coordinator")
    if config_file:
        return load(config_file, os.environ, given)
    return from_coordinators(coordinator, os.environ, given)


@cli.command()
@_clusters
@_flag(
    "web.listen-address",
    "Where to serve: an address, or unix:PATH; repeatable.  [default: :9483]",
    metavar="[HOST]:PORT",
    multiple=True,
)
@_flag("web.telemetry-path", "Path of the metrics.  [default: /metrics]", metavar="PATH")
@_flag(
    "web.config.file", "TLS, client certificates and users: a file in the exporter-toolkit's format.", metavar="FILE"
)
@_flag("web.systemd-socket", "Serve on the sockets that systemd passes.", is_flag=True)
@_flag("web.enable-lifecycle", "Let POST /-/reload read the configuration again.", is_flag=True)
@_flag("ledger.path", "The ledger.  [default: presto-query-exporter.sqlite]", metavar="FILE")
@_flag("log.level", "debug, info, warn or error.  [default: info]", metavar="LEVEL")
@_flag("log.format", "logfmt or json.  [default: logfmt]", metavar="FORMAT")
def run(config_file: str | None, coordinator: tuple[str, ...], **flags: Any) -> None:
    """Poll the configured clusters and serve their metrics until SIGTERM or SIGINT.

    SIGHUP reads the configuration file again; a bad file leaves the old configuration in force.
    """
    given = {flag: flags[_parameter(flag)] for flag in FLAGS if flags.get(_parameter(flag))}

    def read() -> Config:
        return _read(config_file, coordinator, given)

    config = read()
    logs.configure(config.log.level, config.log.format, sys.stderr)
    with _waiting_for_signals():
        _serve(App(config, read))


@cli.command()
@_clusters
@_form
def check(config_file: str | None, coordinator: tuple[str, ...], form: str) -> None:
    """Try each cluster as `run` would, and say for every problem what to change.

    Reach, TLS, authentication, what the user may see, clock, retention, size and time of the list. Submits no query.
    Exit code: 0 if all is good, 1 if there is a problem, 2 for a configuration that cannot be used.
    """
    logs.configure("warn", "logfmt", sys.stderr)  # else Python itself writes what an unexpected exception says
    results = probe.check(_read(config_file, coordinator, {}).clusters, coordinator_of)
    if form == "json":
        _write(terminal.to_json(results) + "\n")
    else:
        _write(terminal.to_text(results, terminal.wants_colour(sys.stdout, os.environ)) + "\n")
    if not all(terminal.is_good(findings) for _, findings in results):
        raise click.exceptions.Exit(1)


@cli.command()
@click.argument("file", type=click.Path(), required=False)
@_flag("web.config.file", "A file of TLS, client certificates and users, as for `run`.", metavar="FILE")
def check_config(file: str | None, web_config_file: str | None) -> None:
    """Say everything that is wrong with the configuration in FILE, and with the file of its web.config_file.

    With --web.config.file, that file is tried in its place, or by itself without FILE. Nothing is asked or started.
    Variables of the environment count as they would for `run`. Exit code: 0 if all is good, 2 if not.
    """
    if not file and not web_config_file:
        raise click.UsageError("give FILE, or --web.config.file, or both")
    given = {"web.config.file": web_config_file} if web_config_file else {}
    config: Config | None = None
    problems: list[Problem] = []
    try:
        config = load(file, os.environ, given) if file else None
    except ConfigError as error:
        problems += error.problems
    try:
        if config or given:  # a configuration has a cluster; which one is of no matter to these files
            check_files(config or from_coordinators(["http://localhost"], {}, given))
    except ConfigError as error:
        problems += [problem for problem in error.problems if problem not in problems]
    if problems:
        raise ConfigError(problems)
    if config:
        count = len(config.clusters)
        click.echo(f"{file}: good, with {count} cluster{'' if count == 1 else 's'}")
    if web_config_file:
        click.echo(f"{web_config_file}: good")


@cli.command()
@_flag(
    "web.listen-address",
    "Where the exporter serves; :0 takes a free port.",
    metavar="[HOST]:PORT",
    default="127.0.0.1:9483",
    show_default=True,
)
@click.option(
    "--version",
    "version",
    metavar="VERSION",
    default="483",
    show_default=True,
    help="What to play: a release of Trino or PrestoSQL (338), or of PrestoDB (0.296).",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, another day at the company.")
def demo(web_listen_address: str, version: str, seed: int) -> None:
    """Try it out: a coordinator of our own with a lively workload, and the exporter in front of it.

    Everything listens on this machine only, and is gone when it ends (Ctrl-C).
    """
    logs.configure("warn", "logfmt", sys.stderr)
    coordinator = Coordinator(version, seed=seed)
    workload = Workload(coordinator, seed)
    ended = threading.Event()
    with (
        _waiting_for_signals(),
        tempfile.TemporaryDirectory(prefix="presto-query-exporter-demo-") as folder,
        serve(coordinator) as server,
    ):
        text = _DEMO_CONFIG.format(
            url=server.url, ledger=json.dumps(f"{folder}/demo.sqlite"), listen=web_listen_address
        )
        config = parse(text, {}, "demo")
        rehearsal.play(config.ledger.path, "demo", config.outcomes.canceled, version, seed, time.time())
        driver = threading.Thread(target=workload.run, args=(ended,), name="workload")
        driver.start()
        try:
            _serve(App(config), started=lambda app: _greet(app, server.url))
        finally:
            ended.set()
            driver.join()


@cli.command()
@click.option(
    "--url",
    metavar="URL",
    default="http://localhost:9483",
    show_default=True,
    envvar="PRESTO_EXPORTER_URL",
    show_envvar=True,
    help="The exporter to ask; with a user if it wants one: https://USER@HOST:9483.",
)
@click.option("--password-file", metavar="FILE", help="The password of that user.")
@click.option(
    "--ca-file", metavar="FILE", help="The only authorities to trust, in PEM.  [default: those of the system]"
)
@click.option("--cert-file", metavar="FILE", help="The certificate to show, in PEM, if the exporter asks for one.")
@click.option("--key-file", metavar="FILE", help="Its key, in PEM and unencrypted.  [default: in --cert-file, too]")
@click.option("--insecure", is_flag=True, help="Trust any certificate, and send a password without TLS if need be.")
@click.option(
    "--interval",
    type=click.IntRange(1, 3600),
    default=5,
    show_default=True,
    metavar="SECONDS",
    help="Between two answers.",
)
@click.option("--once", is_flag=True, help="Write one table and end, as without a terminal.")
@click.option("--rows", type=click.IntRange(1, 1000), default=20, show_default=True, help="Of that one table, at most.")
@click.option("--window", metavar="DURATION", default="24h", show_default=True, help="How far back: 1h to 90d.")
@click.option("--group-by", type=click.Choice(GROUPS), default="fingerprint", show_default=True, help="What a row is.")
@click.option(
    "--order-by", type=click.Choice(ORDERS), default="cpu_seconds", show_default=True, help="Most of it first."
)
@click.option("--compare/--no-compare", default=True, show_default=True, help="With the window before.")
def top(
    url: str,
    password_file: str | None,
    ca_file: str | None,
    cert_file: str | None,
    key_file: str | None,
    insecure: bool,
    interval: int,
    once: bool,
    rows: int,
    **chosen: Any,
) -> None:
    """Show what the clusters are used for: a live table of what a running exporter knows.

    Keys: q quits, g groups by something else, o orders by something else, r reverses, w takes another window, c
    compares with the window before; arrows, PgUp and PgDn move; Enter shows a fingerprint's template, or the
    fingerprints of another group, and Escape leads back. Exit code: 0, 1 if the exporter does not answer.
    """
    source = Source(url, password_file, ca_file, insecure, cert_file, key_file)
    if once or not live.is_terminal(sys.stdin, sys.stdout, os.environ):
        _write(live.once(source, Choice(**chosen), rows, sys.stdout, width=160))
    else:
        live.run(source, Choice(**chosen), interval, sys.stdin, sys.stdout)


@cli.command()
@click.option("--jsonl", is_flag=True, help="Each line is an object with sql, and perhaps prepared and truncated.")
def fingerprint(jsonl: bool) -> None:
    """Read a statement and write its template and its fingerprint.

    With --jsonl, read and answer line by line, as JSON: a filter for a pipe.
    """
    fingerprinter = Fingerprinter()
    try:
        if not jsonl:
            found = fingerprinter.of(sys.stdin.buffer.read().decode("utf-8"))
            _write(f"{found.template}\n{found.id}\n")
            return
        while line := sys.stdin.buffer.readline():
            _write(answer(line.decode("utf-8", "surrogateescape"), fingerprinter) + "\n")
    except UnicodeDecodeError:
        raise ExporterError("standard input: not UTF-8; convert it, or use --jsonl") from None
    except BrokenPipeError:
        sys.stdout = None  # whoever read the answers has enough: nothing is left to flush
    except OSError as error:
        raise ExporterError(f"standard input: {error.strerror}; give it a text") from None


@cli.group()
def ledger() -> None:
    """Look into the ledger, check it, copy it, and take somebody out of it.

    All but `forget` work while the exporter runs, and change nothing.
    """


def _of_ledger(command: Callable[..., None]) -> Callable[..., None]:
    """Add the two flags that say which ledger, and pass its path as *path*."""

    @_flag("config.file", "The configuration whose ledger it is.", metavar="FILE", type=click.Path(dir_okay=False))
    @_flag("ledger.path", "The ledger.  [default: presto-query-exporter.sqlite]", metavar="FILE")
    @wraps(command)
    def with_path(config_file: str | None, ledger_path: str | None, **more: Any) -> None:
        if ledger_path is None:
            config = load(config_file, os.environ) if config_file else None
            ledger_path = str(config.ledger.path if config else Ledger().path)
        command(path=ledger_path, **more)

    return with_path


@ledger.command()
@_of_ledger
@_form
def show(path: str, form: str) -> None:
    """Say what is in it: size, clusters, queries, series, usage."""
    with LedgerFile(path) as file:
        summary = file.summary()
    _write((ledger_text.to_json(summary) if form == "json" else ledger_text.to_text(summary)) + "\n")


@ledger.command()
@_of_ledger
def verify(path: str) -> None:
    """Check that the file is whole, that its rows belong together, and that its totals agree with each other.

    Exit code: 0 if all is good, 1 if not.
    """
    with LedgerFile(path) as file:
        _verify(file)
    click.echo(f"{plain(path)}: good")


def _verify(file: LedgerFile) -> None:
    findings = list(audit(file))
    for finding in findings:
        click.echo(plain(f"{file.path}: {finding}"), err=True)
    if findings:
        raise ExporterError(f"{file.path}: not good; use a backup, or start with a new ledger")


@ledger.command()
@_of_ledger
@click.argument("to", type=click.Path(path_type=Path))
def backup(path: str, to: Path) -> None:
    """Copy it, as of now, to the file TO, which must not be there; and check the copy.

    TO is one file that can be put in the ledger's place while no exporter runs.
    """
    with LedgerFile(path) as file:
        file.copy_to(to)
    with LedgerFile(to) as copy:
        _verify(copy)
    click.echo(f"{plain(str(to))}: good")


@ledger.command()
@_of_ledger
def export(path: str) -> None:
    """Write every counter with its total, as one JSON object per line."""
    with LedgerFile(path) as file:
        try:
            for series in file.series():
                _write(ledger_text.series_to_json(series) + "\n")
        except BrokenPipeError:
            sys.stdout = None  # whoever read them has enough: nothing is left to flush


@ledger.command()
@_of_ledger
@click.option("--user", metavar="NAME", help="Whom to forget: the value of the label user.")
@click.option("--cluster", metavar="NAME", help="What to forget; with --user: only there.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget(path: str, user: str | None, cluster: str | None, yes: bool) -> None:
    """Take a user or a cluster out of it for good. The exporter must be stopped.

    Their series and usage are deleted; no other counter changes. A query that comes later counts from zero. What was
    counted under `other` cannot be told apart and stays.
    """
    if user is None and cluster is None:
        raise click.UsageError("give --user or --cluster")
    if not yes:
        whom = " of ".join(f'{kind} "{name}"' for kind, name in (("user", user), ("cluster", cluster)) if name)
        click.confirm(plain(f"Forget {whom} in {path}? There is no way back but a backup."), abort=True)
    gone = forget_cluster(path, str(cluster)) if user is None else forget_user(path, user, cluster)
    click.echo(f"forgotten: {gone.series:,} series, {gone.queries:,} queries, {gone.usage_rows:,} rows of usage")
    if gone.listed:
        click.echo(
            f"{gone.listed:,} of the queries were in the last list: while a coordinator lists them, "
            + ("what is forgotten comes back as new." if user is None else "the name comes back, with zeros.")
        )


def _write(text: str) -> None:
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))
    sys.stdout.buffer.flush()


_DEMO_CONFIG = """
clusters:
  - {{name: demo, url: "{url}", user: monitor, poll_interval: 2s}}
new_series_delay: 10s
ledger: {{path: {ledger}}}
web: {{listen_addresses: ["{listen}"]}}
log: {{level: warn}}
"""


def _greet(app: App, coordinator: str) -> None:
    host, port = app.server.addresses[0]
    exporter = f"http://{_join(host, port)}"
    click.echo(
        f"""
  A coordinator with a workload of eight users   {coordinator}/v1/query
  The exporter in front of it                    {exporter}/
  What the cluster is used for                   {exporter}/queries
  Its metrics                                    {exporter}/metrics

  Counters of a new user show 0 for the first 10 seconds, so that increase() sees their first queries.
  Let a Prometheus scrape it:

    scrape_configs:
      - job_name: presto-query-exporter
        scrape_interval: 5s
        static_configs: [{{targets: ["{_join(host, port)}"]}}]

  and ask it:  sum by (user, outcome) (increase(presto_user_queries_total[5m]))

  Ctrl-C ends it and leaves nothing behind.
"""
    )


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _serve(app: App, started: Callable[[App], None] | None = None) -> None:
    """Run *app* until SIGTERM or SIGINT; read the configuration again at each SIGHUP."""
    try:
        app.start()
        if started is not None:
            started(app)
        for place in app.server.places:
            _log.info("listening", extra={"address": place})
        while (number := signal.sigwait(_SIGNALS)) == signal.SIGHUP:
            app.reread()
        _log.info("stopping", extra={"signal": signal.Signals(number).name})
    finally:
        app.stop()
    _log.info("stopped")


_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


@contextmanager
def _waiting_for_signals() -> Iterator[None]:
    """Keep signals for `sigwait`, in every thread started meanwhile: none can interrupt a start or a stop halfway."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

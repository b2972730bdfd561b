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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from exporter import __version__, logs
from exporter.app import App
from exporter.config import FLAGS, Config, from_coordinators, load, parse
from exporter.demo.coordinator import Coordinator
from exporter.demo.server import serve
from exporter.demo.workload import Workload
from exporter.errors import ConfigError, ExporterError
from exporter.fingerprint.fingerprint import Fingerprinter
from exporter.fingerprint.jsonl import answer

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> int:
    """Run the command line *arguments* and return the exit code."""
    try:
        cli.main(list(arguments), prog_name="presto-query-exporter", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
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
    except KeyboardInterrupt:
        return 1
    return 0


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


@cli.command()
@_flag("config.file", "The configuration, in YAML.", metavar="FILE", type=click.Path(dir_okay=False))
@_flag(
    "coordinator",
    "A coordinator to poll without a file: http://USER@HOST:PORT. The cluster's name is the coordinator's environment, "
    "or NAME. Repeatable.",
    metavar="[NAME=]URL",
    multiple=True,
)
@_flag("web.listen-address", "Where to serve; repeatable.  [default: :9483]", metavar="[HOST]:PORT", multiple=True)
@_flag("web.telemetry-path", "Path of the metrics.  [default: /metrics]", metavar="PATH")
@_flag("web.config.file", "TLS and users of our own endpoint: not supported in this release.", metavar="FILE")
@_flag("ledger.path", "The ledger.  [default: presto-query-exporter.sqlite]", metavar="FILE")
@_flag("log.level", "debug, info, warn or error.  [default: info]", metavar="LEVEL")
@_flag("log.format", "logfmt or json.  [default: logfmt]", metavar="FORMAT")
def run(config_file: str | None, coordinator: tuple[str, ...], **flags: Any) -> None:
    """Poll the configured clusters and serve their metrics until SIGTERM or SIGINT.

    SIGHUP reads the configuration file again; a bad file leaves the old configuration in force.
    """
    if bool(config_file) == bool(coordinator):
        raise click.UsageError("give either --config.file or --coordinator")
    given = {flag: flags[_parameter(flag)] for flag in FLAGS if flags.get(_parameter(flag))}

    def read() -> Config:
        if config_file:
            return load(config_file, os.environ, given)
        return from_coordinators(coordinator, os.environ, given)

    config = read()
    logs.configure(config.log.level, config.log.format, sys.stderr)
    with _waiting_for_signals():
        _serve(App(config), read)


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
        driver = threading.Thread(target=workload.run, args=(ended,), name="workload")
        driver.start()
        try:
            _serve(App(config), lambda: config, started=lambda app: _greet(app, server.url))
        finally:
            ended.set()
            driver.join()


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


def _serve(app: App, read: Callable[[], Config], started: Callable[[App], None] | None = None) -> None:
    """Run *app* until SIGTERM or SIGINT; read the configuration again at each SIGHUP."""
    try:
        app.start()
        if started is not None:
            started(app)
        for host, port in app.server.addresses:
            _log.info("listening", extra={"address": _join(host, port)})
        while (number := signal.sigwait(_SIGNALS)) == signal.SIGHUP:
            _reload(app, read)
        _log.info("stopping", extra={"signal": signal.Signals(number).name})
    finally:
        app.stop()
    _log.info("stopped")


def _reload(app: App, read: Callable[[], Config]) -> None:
    try:
        app.reload(read())
        _log.info("configuration read again")
    except ConfigError as error:
        app.loaded(False)
        for problem in error.problems:
            _log.error("the old configuration stays in force: %s", problem)


_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


@contextmanager
def _waiting_for_signals() -> Iterator[None]:
    """Keep signals for `sigwait`, in every thread started meanwhile: none can interrupt a start or a stop halfway."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

"""The command line: the only place with arguments, printing and exit codes.

Exit codes: 0 after a clean stop, 2 for a configuration that cannot be used, 1 for anything else.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from exporter import __version__, logs
from exporter.app import App
from exporter.config import FLAGS, Config, from_coordinators, load
from exporter.errors import ConfigError, ExporterError

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


def _serve(app: App, read: Callable[[], Config]) -> None:
    """Run *app* until SIGTERM or SIGINT; read the configuration again at each SIGHUP."""
    try:
        app.start()
        for host, port in app.server.addresses:
            _log.info("listening", extra={"address": f"[{host}]:{port}" if ":" in host else f"{host}:{port}"})
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

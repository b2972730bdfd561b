"""Every name that there is: commands and flags, keys, variables, files, addresses, metrics, targets of make."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from exporter.catalogue import CATALOGUE, Kind
from exporter.cli import cli
from tests.docs.documents import ROOT
from tests.test_configuration_docs import EXAMPLES, example, keys

OF_OTHERS = {"up", "process_start_time_seconds", "process_resident_memory_bytes", "process_cpu_seconds_total"}
"""Metrics of Prometheus and of its client for Python."""


def sample_names() -> set[str]:
    """Return the name of every sample that the exporter shows."""
    names = {metric.name for metric in CATALOGUE}
    for metric in CATALOGUE:
        if metric.kind is Kind.HISTOGRAM:
            names |= {metric.name + part for part in ("_bucket", "_sum", "_count")}
    return names


def names_of_the_rules() -> set[str]:
    """Return what our recording rules record, and what the agent's configuration makes of the servers' beans."""
    files = [*(ROOT / "alerts" / "rules").glob("*.yml"), *(ROOT / "jmx").glob("*.yml")]
    texts = [file.read_text("utf-8") for file in files]
    found = {name for text in texts for name in re.findall(r"(?:record|name): [\"']?([a-z_0-9:]+)", text)}
    return {name for name in found if "_" in name}  # groups have names, too


SAMPLES = sample_names()
OF_THE_RULES = names_of_the_rules()


def commands(
    command: click.Command = cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command with the words that it is called by."""
    yield path, command
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from commands(below, (*path, name))


COMMANDS = dict(commands())
FLAGS = {
    option for command in COMMANDS.values() for each in command.params for option in each.opts + each.secondary_opts
}
FLAGS |= {"--help", "-h"}


def flags_of(path: tuple[str, ...]) -> set[str]:
    """Return the flags of a command and of all below it."""
    found = {path_: command for path_, command in COMMANDS.items() if path_[: len(path)] == path}
    return {
        option for command in found.values() for each in command.params for option in each.opts + each.secondary_opts
    }


VARIABLES = {each.envvar for command in COMMANDS.values() for each in command.params if isinstance(each.envvar, str)}


def dotted_keys() -> set[str]:
    """Return the keys of both configurations: from the top, and those of a cluster also by themselves."""
    found = {key.name for name, model in EXAMPLES.items() for key in keys(model, example(name))}
    return found | {key.replace("[]", "") for key in found} | {key.partition("[].")[2] for key in found if "[]." in key}


KEYS = dotted_keys()
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))

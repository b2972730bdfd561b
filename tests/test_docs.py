"""What the documents say is so."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from exporter.catalogue import CATALOGUE, Kind
from exporter.cli import cli
from exporter.config import parse

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCED = dict.fromkeys(("yaml", "sh"), "")
for kind, text in re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL):
    FENCED[kind] = FENCED.get(kind, "") + text


def sample_names() -> set[str]:
    names = {metric.name for metric in CATALOGUE}
    for metric in CATALOGUE:
        if metric.kind is Kind.HISTOGRAM:
            names |= {metric.name + part for part in ("_bucket", "_sum", "_count")}
    return names


def names_of_the_rules() -> set[str]:
    """Return what our recording rules record, and what the agent's configuration makes of the servers' beans."""
    files = [*(ROOT / "alerts" / "rules").glob("*.yml"), *(ROOT / "jmx").glob("*.yml")]
    texts = [file.read_text("utf-8") for file in files]
    return {name for text in texts for name in re.findall(r"(?:record|name): [\"']?([a-z_0-9:]+)", text)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_metric_that_is_named_exists(document: Path) -> None:
    text = re.sub(r"https?://\S+", "", document.read_text("utf-8"))
    named = set(re.findall(r"(?<![\w:/.])(?:[a-z_]+:)?presto_[a-z_0-9:]*[a-z0-9](?![\w*…./-])", text))
    assert named - {"presto_user", "presto_cluster"} <= sample_names() | names_of_the_rules()


def test_every_metric_has_a_help_text_and_a_unit_or_is_a_count() -> None:
    for metric in CATALOGUE:
        assert metric.help.endswith((".", ").")) and len(metric.help) > 20
        assert (metric.kind is Kind.COUNTER) == metric.name.endswith("_total")
        assert metric.name == metric.name.lower() and ":" not in metric.name


def metrics_page() -> str:
    """Return docs/metrics.md as the catalogue has it."""
    lines = [
        "# Metrics",
        "",
        "Written from `exporter/catalogue.py` by `make update`; do not edit. `process_*` and `python_*` are those of",
        "prometheus_client. Amounts are in base units. What the counters promise is in the [README](../README.md).",
        "",
    ]
    for metric in CATALOGUE:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
        lines += [f"## `{metric.name}`", "", metric.help, "", f"{metric.kind.capitalize()}; labels: {labels}.", ""]
        if metric.buckets:
            lines += [f"Buckets: {', '.join(f'{bound:g}' for bound in metric.buckets)}, +Inf.", ""]
    return "\n".join(lines)


def test_the_metrics_page_is_what_the_catalogue_says() -> None:
    page = ROOT / "docs" / "metrics.md"
    if os.environ.get("UPDATE"):
        page.write_text(metrics_page(), "utf-8")
    assert page.read_text("utf-8") == metrics_page()


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)", README)) <= targets


def test_every_flag_that_is_named_exists() -> None:
    shown = "".join(CliRunner().invoke(cli, [command, "--help"]).output for command in ("run", "check", "top"))
    flags = set(re.findall(r"--[a-z][a-z.-]+[a-z]", README)) - {"--from"}  # of uvx
    assert flags and all(flag in shown for flag in flags)
    for variable in re.findall(r"PRESTO_EXPORTER_[A-Z_]+", README):
        assert variable in re.sub(r"\s+", " ", shown)


def test_the_configuration_shown_is_one(tmp_path: Path) -> None:
    secret = tmp_path / "presto"
    secret.write_text("x")
    config = parse(FENCED["yaml"].replace("/run/secrets/presto", str(secret)), {})
    assert [cluster.name for cluster in config.clusters] == ["adhoc", "etl"]


def test_links_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text("utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"

"""What the documents name exists: metrics, flags, keys, files, addresses, targets of make, alerts, anchors."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from exporter.catalogue import CATALOGUE, Kind
from tests.docs.documents import BLOCKS, DOCUMENTS, ROOT, SPANS, Span, anchors, links, name, read, without_blocks
from tests.docs.names import COMMANDS, FLAGS, KEYS, OF_THE_RULES, SAMPLES, TARGETS, VARIABLES, flags_of
from tests.docs.settings import SETTINGS
from tests.docs.stage import USER, Stage
from tests.test_alerts import NAMES as ALERTS

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=name)

LABELS = {"presto_user", "presto_cluster"}
FLAGS_OF_OTHERS = {"--config.check": "blackbox_exporter", "--etc-dir": "the servers' launcher", "--from": "uvx"}
PLACEHOLDERS = {"ENGINE-VERSION": "*", "schema_N": "schema_*", "NNNN": "*"}
FILES_OF_OTHERS = {
    ".netrc",
    "config.yml",
    "etc/config.properties",
    "etc/jvm.config",
    "jvm.config",
    "krb5.conf",
    "ledger.sqlite",
    "ledger.sqlite-wal",
    "presto-query-exporter.sqlite",
}
"""Files of servers, of users and of the exporter when it runs."""
ADDRESSES_OF_OTHERS = {
    "/etc/presto/jvm.config",
    "/etc/trino/jvm.config",
    "/opt/presto-server/etc/jvm.config",
    "/probe?target=",
    "/v1/info/metrics",
}
"""Files of installed servers, and addresses that neither the exporter nor the demo's coordinator has."""
IMAGES = {"prestodb/presto", "prestosql/presto", "trinodb/trino"}
DOTTED_OF_OTHERS = {
    "http.client",
    "io.prometheus.jmx",
    "jmx.exporter",
    "prometheus_client.generate_latest",
}
"""Modules, and keys of the chart of trinodb."""
REPOSITORIES_OF_OTHERS = {
    "monitoring-mixins/docs",
    "prometheus/blackbox_exporter",
    "prometheus/client_python",
    "prometheus/docs",
    "prometheus/exporter-toolkit",
    "prometheus-operator/runbooks",
    "yahoojapan/presto_exporter",
}
"""Files named on the same line as one of them are theirs."""
NOT_ANY_MORE = {"docs/decisions/0007-gauges-come-as-samples-from-live-and-health.md": {"expose/families.py"}}
"""What a decision names because it was decided against."""

OF_OTHERS = {(span.document, span.line) for span in SPANS if span.text in REPOSITORIES_OF_OTHERS}
"""Lines about projects of others."""
TESTS = {
    found
    for path in (ROOT / "tests").rglob("test_*.py")
    for found in re.findall(r"def (test_\w+)\(", path.read_text("utf-8"))
}

_ENDINGS = "config|go|json|libsonnet|md|properties|py|service|sql|sqlite|toml|txt|yaml|yml"
_FILE = re.compile(rf"[\w.*-]*(/[\w.*-]+)+/?|\w[\w.-]*/|[\w*.-]+\.({_ENDINGS})")


@each_document
def test_every_metric_that_is_named_exists(document: Path) -> None:
    text = re.sub(r"https?://\S+", "", read(document))
    named = set(re.findall(r"(?<![\w:/.])(?:[a-z_]+:)?presto_[a-z_0-9:]*[a-z0-9](?![\w*…./-])", text))
    assert named - LABELS <= SAMPLES | OF_THE_RULES


@each_document
def test_every_flag_that_is_named_exists(document: Path) -> None:
    """In the text; those in commands are tried with them."""
    text = re.sub(r"<!--.*?-->", "", without_blocks(document), flags=re.DOTALL)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z.-]*[a-z]", text))
    assert named <= FLAGS | set(FLAGS_OF_OTHERS)


def test_every_variable_that_is_named_exists() -> None:
    named = {variable for document in DOCUMENTS for variable in re.findall(r"PRESTO_EXPORTER_[A-Z_]+", read(document))}
    assert named and named <= VARIABLES


@pytest.mark.parametrize("span", [span for span in SPANS if " -" in span.text], ids=lambda span: span.place)
def test_every_flag_is_of_the_command_that_it_stands_with(span: Span) -> None:
    words = tuple(span.text.removeprefix("presto-query-exporter ").split())
    for path in COMMANDS:
        if path and words[: len(path)] == path:
            assert {word.partition("=")[0] for word in words if word.startswith("--")} <= flags_of(path) | {"--help"}


def test_every_key_that_is_named_exists() -> None:
    """Keys of the configuration, settings of the servers: what has dots, and is no file."""
    for span in SPANS:
        key = re.fullmatch(r"([a-z][a-z0-9_-]*(?:\[\])?(?:\.[a-z][a-z0-9_-]*)+)((?:=|: ).*)?", span.text)
        is_foreign = (key and key[1] in DOTTED_OF_OTHERS | FILES_OF_OTHERS) or (span.document, span.line) in OF_OTHERS
        is_ending = key and any(setting.endswith(f".{key[1]}") for setting in SETTINGS)
        if key and key[1] not in KEYS | SETTINGS and not is_foreign and not is_ending:
            assert is_file(span) or is_function(span), (
                f"{span.place}: {span.text}: no key, no setting, no file, no function"
            )


def is_file(span: Span) -> bool:
    """True if there is such a file: from the root, beside the document, or within a folder of the code."""
    text = span.text
    for placeholder, pattern in PLACEHOLDERS.items():
        text = text.replace(placeholder, pattern)
    folders = (ROOT, span.document.parent, ROOT / "exporter", ROOT / "jmx", ROOT / "exporter" / "fingerprint")
    return any(list(folder.glob(text.rstrip("/"))) for folder in folders)


def is_function(span: Span) -> bool:
    """True if a module of ours has a function of this name."""
    module, _, function = span.text.rpartition(".")
    modules = (ROOT / "exporter").rglob(f"{module.replace('.', '/')}.py")
    return any(f"\ndef {function}(" in path.read_text("utf-8") for path in modules)


def test_every_file_that_is_named_exists() -> None:
    for span in SPANS:
        if (span.document, span.line) in OF_OTHERS:
            continue
        is_foreign = span.text in FILES_OF_OTHERS | IMAGES | NOT_ANY_MORE.get(name(span.document), set())
        if _FILE.fullmatch(span.text) and not span.text.startswith("/") and not is_foreign and span.text not in KEYS:
            assert is_file(span), f"{span.place}: {span.text}: no such file"


def test_every_test_that_is_named_exists() -> None:
    named = {span.text for span in SPANS if re.fullmatch(r"test_\w+", span.text)}
    assert named <= TESTS


def test_every_address_that_is_named_answers(tried_on: Stage) -> None:
    """Paths of the exporter, and of a coordinator under ``/v1``."""
    for path in sorted(
        {span.text for span in SPANS if re.fullmatch(r"(POST |GET )?/[\w/.?=&-]*|http://localhost:9483\S*", span.text)}
    ):
        if path in ADDRESSES_OF_OTHERS:
            continue
        method, _, target = path.rpartition(" ")
        whole = {"/queries/user?name=": f"{path}{USER}", "/queries/fingerprint/": f"{path}{a_fingerprint(tried_on)}"}
        host = tried_on.coordinator if target.startswith("/v1/") else tried_on.exporter
        url = tried_on.rewritten(target) if "://" in target else f"http://{host}{whole.get(path, target)}"
        assert status(url, method) != 404, path


def a_fingerprint(tried_on: Stage) -> str:
    """Return a fingerprint of which the demo has a page."""
    with urlopen(f"http://{tried_on.exporter}/api/v1/queries", timeout=30) as answer:
        return str(json.loads(answer.read())["rows"][0]["name"])


def status(url: str, method: str) -> int:
    """Return the status of an answer; of a POST only whether it would be known."""
    try:
        with urlopen(url, data=b"" if method == "POST" else None, timeout=30) as answer:
            code: int = answer.status
            return code
    except HTTPError as error:
        with error:
            return error.code


def test_every_target_of_make_that_is_named_exists() -> None:
    code = [block.text for block in BLOCKS if block.kind == "sh"] + [span.text for span in SPANS]
    named = {target for text in code for target in re.findall(r"\bmake ([a-z][a-z-]*)", text)}
    assert named and named <= TARGETS


@each_document
def test_every_alert_that_is_named_exists(document: Path) -> None:
    named = set(re.findall(r"(?<![\w/.-])Presto(?!SQL|DB)[A-Z][a-z]\w+", re.sub(r"https?://\S+", "", read(document))))
    assert named <= set(ALERTS)


@each_document
def test_links_lead_somewhere(document: Path) -> None:
    """To files that exist, and to headings that are in them."""
    for link in links(document):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


# The page of metrics


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

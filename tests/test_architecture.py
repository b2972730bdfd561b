"""Who may know what: every import of the package is allowed by this table."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "exporter"

BASE = {"exporter", "exporter.errors", "exporter.dialect", "exporter.query", "exporter.catalogue"}
SHELL_OF_PYTHON = {"socket", "ssl", "http", "urllib", "threading", "time", "os", "pathlib", "sqlite3", "subprocess"}
"""What pure code does without: sockets, files, threads, clocks."""

PURE = ["errors", "dialect", "query", "catalogue", "health", "decode", "account.charge", "account.completeness"]
PURE += [
    "account.cardinality",
    "account.live",
    "account.distribution",
    "account.repeats",
    "account.usage",
    "fingerprint",
]
PURE += [
    "report.question",
    "report.report",
    "report.window",
    "report.tables",
    "report.change",
    "report.percentiles",
    "report.sums",
    "top.answer",
    "top.choice",
    "top.keys",
    "top.text",
    "top.view",
]
PURE += ["check.facts", "check.figures", "check.findings", "check.rights", "check.seen", "check.terminal"]

MAY_IMPORT: dict[str, set[str]] = {
    "exporter": set(),
    "exporter.__main__": {"exporter.cli"},
    "exporter.errors": set(),
    "exporter.dialect": set(),
    "exporter.query": set(),
    "exporter.catalogue": set(),
    "exporter.health": BASE,
    "exporter.bucket": set(),
    "exporter.logs": {"exporter.bucket"},
    "exporter.config": {*BASE, "pydantic", "yaml"},
    "exporter.decode": {*BASE, "exporter.decode", "msgspec"},
    "exporter.account.ledger": {*BASE, "exporter.account"},
    "exporter.account": {*BASE, "exporter.account.charge"},
    "exporter.account.usage": {*BASE, "exporter.account.charge", "exporter.account.cardinality"}
    | {"exporter.account.distribution"},
    "exporter.account.usage_rows": {*BASE, "exporter.account"},
    "exporter.report": {*BASE, "exporter.report", "exporter.account.distribution", "exporter.account.usage"},
    "exporter.account.ledger_file": {*BASE, "exporter.account"},
    "exporter.account.audit": {*BASE, "exporter.account"},
    "exporter.account.forgetting": {*BASE, "exporter.account"},
    "exporter.ledger_text": {"exporter.account.ledger_file", "exporter.check.figures"},
    "exporter.fingerprint": {"exporter.fingerprint"},
    "exporter.ingest": {*BASE, "exporter.ingest"},
    "exporter.ingest.oauth2": {*BASE, "exporter.ingest", "oauthlib"},
    "exporter.ingest.kerberos": {*BASE, "exporter.ingest", "gssapi"},
    "exporter.expose": {*BASE, "exporter.expose", "exporter.report", "prometheus_client", "starlette", "uvicorn"},
    "exporter.expose.guard": {*BASE, "exporter.bucket", "exporter.expose", "starlette", "bcrypt"},
    "exporter.expose.web_config": {*BASE, "exporter.config"},
    "exporter.expose.access": {*BASE, "exporter.expose", "exporter.config"},
    "exporter.demo": {"exporter.dialect", "exporter.demo"},
    "exporter.check": {*BASE, "exporter.check", "exporter.config", "exporter.decode", "exporter.ingest"}
    | {"exporter.account.completeness"},
    "exporter.top": {"exporter.errors", "exporter.top", "rich"},
    "exporter.pipeline": {*BASE, "exporter.health", "exporter.decode", "exporter.fingerprint"}
    | {"exporter.account", "exporter.ingest"},
    "exporter.app": {*BASE, "exporter", "exporter.config", "exporter.health", "exporter.pipeline"}
    | {"exporter.account", "exporter.decode", "exporter.expose", "exporter.ingest", "exporter.logs", "exporter.report"},
    "exporter.rehearsal": {"exporter.account", "exporter.demo", "exporter.ingest", "exporter.pipeline"},
    "exporter.cli": {
        *BASE,
        "exporter",
        "exporter.app",
        "exporter.rehearsal",
        "exporter.check",
        "exporter.config",
        "exporter.logs",
        "exporter.demo",
    }
    | {"exporter.fingerprint", "exporter.top", "click"}
    | {"exporter.ledger_text", "exporter.account.audit", "exporter.account.forgetting", "exporter.account.ledger_file"},
}


def is_pure(module: str) -> bool:
    return any(f"{module}.".startswith(f"exporter.{pure}.") for pure in PURE)


MODULES = sorted(
    ".".join(["exporter", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
)


def source(module: str) -> ast.Module:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text("utf-8"))


def imports(module: str) -> set[str]:
    """Return the modules that *module* imports; of third-party packages the top name."""
    found: set[str] = set()
    for node in ast.walk(source(module)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [node.module or ""]
            if node.module in MODULES:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                names = [name if name in MODULES else str(node.module) for name in names]
        found |= {name if name.startswith("exporter") else name.split(".")[0] for name in names}
    return found


def rule_for(module: str) -> set[str]:
    """Return what the longest matching rule allows."""
    while module not in MAY_IMPORT:
        module = module.rpartition(".")[0]
    return MAY_IMPORT[module]


def allows(rule: set[str], name: str) -> bool:
    return name in rule or any(name.startswith(f"{allowed}.") for allowed in rule if allowed != "exporter")


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_it_may_know(module: str) -> None:
    foreign = {name for name in imports(module) if name not in sys.stdlib_module_names}
    assert {name for name in foreign if not allows(rule_for(module), name)} == set()


@pytest.mark.parametrize("module", [name for name in MODULES if is_pure(name)])
def test_pure_modules_know_no_sockets_files_threads_or_clocks(module: str) -> None:
    assert imports(module) & SHELL_OF_PYTHON == set()


def test_each_third_party_package_is_imported_in_one_stage_only() -> None:
    stages: dict[str, set[str]] = {}
    for module in MODULES:
        for name in imports(module) - set(sys.stdlib_module_names):
            if not name.startswith("exporter"):
                stages.setdefault(name, set()).add(".".join(module.split(".")[:2]))
    assert {name: where for name, where in stages.items() if len(where) > 1} == {}


def test_only_the_command_line_prints() -> None:
    for module in MODULES:
        calls = {
            node.func.id
            for node in ast.walk(source(module))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert "print" not in calls or module == "exporter.cli", module

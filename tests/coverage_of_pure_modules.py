"""``python -m tests.coverage_of_pure_modules``: every branch of the pure modules is tested, or this fails."""

from __future__ import annotations

import subprocess
import sys

MODULES = (
    "exporter/errors.py",
    "exporter/dialect.py",
    "exporter/query.py",
    "exporter/catalogue.py",
    "exporter/health.py",
    "exporter/decode/*",
    "exporter/fingerprint/*",
    "exporter/account/charge.py",
    "exporter/account/completeness.py",
    "exporter/account/cardinality.py",
    "exporter/account/live.py",
    "exporter/check/facts.py",
    "exporter/check/figures.py",
    "exporter/check/findings.py",
    "exporter/check/rights.py",
    "exporter/check/seen.py",
    "exporter/check/terminal.py",
    "exporter/account/distribution.py",
    "exporter/account/repeats.py",
    "exporter/account/usage.py",
    "exporter/report/*",
    "exporter/top/answer.py",
    "exporter/top/choice.py",
    "exporter/top/keys.py",
    "exporter/top/text.py",
    "exporter/top/view.py",
)
TESTS = ["cardinality", "charge", "completeness", "config", "dialect", "info", "live", "pipeline", "query_list"]
TESTS += [
    "units",
    "fingerprint",
    "fingerprint_kind",
    "fingerprint_tables",
    "fingerprint_jsonl",
    "distribution",
    "repeats",
    "usage",
]
TESTS += ["top_answer", "top_choice", "top_keys", "top_text", "top_view"]
TESTS += ["usage_rows", "usage_report", "question"]
TESTS += ["check_figures", "check_findings", "check_probe", "check_rights", "check_terminal"]


def main() -> int:
    """Return 0 if coverage is whole, else what the tools return."""
    run = [sys.executable, "-m", "coverage"]
    tests = [f"tests/test_{name}.py" for name in TESTS]
    tested = subprocess.run([*run, "run", "-m", "pytest", "-q", *tests], check=False)
    if tested.returncode:
        return tested.returncode
    report = [*run, "report", f"--include={','.join(MODULES)}", "--fail-under=100"]
    return subprocess.run(report, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

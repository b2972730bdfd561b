"""``python -m tests.engines [ENGINE ...]``: real servers, a known workload, and what the exporter makes of it."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.engines import EngineError, recording
from tests.engines.assembly import ENGINES, java_home
from tests.engines.command import folder_of_logs, run
from tests.engines.report import Report
from tests.engines.trial import Trial


def main(argv: Sequence[str]) -> int:
    """Run the trials, or make a recording; return 0 if every check passed."""
    report = Report()
    if argv[:1] == ["record"]:
        _record(argv[1:], report)
    else:
        _try_engines(argv, report)
    print(f"\n{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


def _try_engines(argv: Sequence[str], report: Report) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.engines",
        description=__doc__,
        epilog="`record ENGINE DIR` instead writes test data: two lists of queries and what their clients know.",
    )
    parser.add_argument("engines", nargs="*", metavar="ENGINE", help=f"{', '.join(ENGINES)}; all if none is given")
    parser.add_argument("--seed", type=int, default=1, help="of the workload (default: %(default)s)")
    parser.add_argument("--prometheus", action="store_true", help="with a real Prometheus in front of the exporter")
    options = parser.parse_args(argv)
    if unknown := [name for name in options.engines if name not in ENGINES]:
        parser.error(f"{unknown[0]}: no such engine; choose from {', '.join(ENGINES)}")
    if options.prometheus and shutil.which("prometheus") is None:
        parser.error("prometheus: not found; install it (package prometheus)")
    names = options.engines or list(ENGINES)
    try:
        for name in names:
            java_home(ENGINES[name].java)
    except EngineError as error:
        parser.error(str(error))
    for name in names:
        report.begin(name)
        with folder_of_logs(name, report) as folder:
            Trial(ENGINES[name], folder, report, options.seed, options.prometheus).run()


def _record(argv: Sequence[str], report: Report) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.engines record", description=recording.__doc__)
    parser.add_argument("engine", metavar="ENGINE", choices=ENGINES, help=f"one of {', '.join(ENGINES)}")
    parser.add_argument("folder", metavar="DIR", type=Path, help="where the recording is written")
    parser.add_argument("--seed", type=int, default=1, help="of the workload (default: %(default)s)")
    options = parser.parse_args(argv)
    report.begin(options.engine)
    with folder_of_logs(options.engine, report) as scratch:
        recording.record(ENGINES[options.engine], scratch, options.folder, report, options.seed)


if __name__ == "__main__":
    run(main)

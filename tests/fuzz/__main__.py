"""``python -m tests.fuzz TARGET --minutes N``: let atheris look for an input that breaks a property.

What it found on the way is kept in ``build/fuzz/TARGET`` and is where the next run begins; an input that breaks
something is written beside it, and shown. ``python -m tests.fuzz costs`` needs no atheris.
"""

from __future__ import annotations

import argparse
import importlib
import random
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from exporter.errors import ExporterError

MEMORY_MEGABYTES = 1024
SLOWEST_SECONDS = 20
"""For one input; a process that shares its processor is slow, too."""
FOLDER = Path("build") / "fuzz"
HOW_TO_GET_ATHERIS = """\
atheris is not installed, and no dependency of the project. Give it an environment of its own:
  python3.11 -m venv build/fuzz/environment
  build/fuzz/environment/bin/pip install -c constraints.txt -e . atheris hypothesis
  build/fuzz/environment/bin/python -m tests.fuzz TARGET --minutes N"""


def main() -> int:
    """Return 0 if nothing was broken; atheris itself ends the process otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", help="costs, or a name from tests/fuzz/targets.py")
    parser.add_argument("--minutes", type=float, default=5.0)
    asked = parser.parse_args()
    if asked.target == "costs":
        from tests.fuzz.targets import TARGETS

        return _costs(TARGETS)
    try:
        atheris: Any = importlib.import_module("atheris")
    except ImportError:
        print(HOW_TO_GET_ATHERIS, file=sys.stderr)
        return 1
    with atheris.instrument_imports(include=["exporter"], enable_loader_override=False):
        from tests.fuzz.targets import TARGETS
    if asked.target not in TARGETS:
        print(f"no such target; choose costs, {', '.join(TARGETS)}", file=sys.stderr)
        return 1
    _fuzz(atheris, asked.target, TARGETS[asked.target], asked.minutes)
    return 0


def _fuzz(atheris: Any, name: str, target: Any, minutes: float) -> None:
    from tests.fuzz.mutation import mutated

    found, given = FOLDER / name, FOLDER / f"{name}-seeds"
    for folder in (found, given):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (given / f"{number:04d}").write_bytes(seed)

    def mutate(data: bytes, longest: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < 0.5:
            return bytes(atheris.Mutate(data, longest))
        return mutated(data, chance, target.tokens, longest)

    arguments = [
        sys.argv[0],
        f"-max_total_time={round(minutes * 60)}",
        f"-max_len={target.longest}",
        f"-timeout={SLOWEST_SECONDS}",
        f"-rss_limit_mb={MEMORY_MEGABYTES}",
        f"-artifact_prefix={FOLDER}/{name}-",
        "-print_final_stats=1",
        str(found),
        str(given),
    ]
    atheris.Setup(arguments, target.check, custom_mutator=mutate)
    atheris.Fuzz()


def _costs(targets: dict[str, Any]) -> int:
    """Print what the large inputs cost, as multiples of a plain parser's time; return 1 if one costs too much."""
    is_dear = False
    for name, target in targets.items():
        for kind, data in target.large().items():
            multiple = _seconds(target.work, data) / _seconds(target.plain, data)
            too_much = "  too much" if multiple > target.multiple else ""
            is_dear = is_dear or bool(too_much)
            print(f"{name:20}{kind:28}{len(data):10,} B {multiple:10.1f} of {target.multiple:g}{too_much}", flush=True)
    return int(is_dear)


def _seconds(work: Callable[[bytes], object], data: bytes) -> float:
    """Return the CPU time of the fastest of three runs, at least a millisecond."""
    return max(0.001, min(_times(work, data, 3)))


def _times(work: Callable[[bytes], object], data: bytes, runs: int) -> Iterable[float]:
    for _ in range(runs):
        began = time.process_time()
        with suppress(ExporterError, ValueError, RecursionError):
            work(data)
        yield time.process_time() - began


if __name__ == "__main__":
    sys.exit(main())

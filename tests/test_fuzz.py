"""No bytes from outside break a promise: see tests/fuzz, of whose targets each says what is promised.

Seconds by default, always the same inputs but for those of hypothesis. ``FUZZ_MINUTES=60 pytest tests/test_fuzz.py``
goes on with others for that long in all; ``FUZZ_SEED`` chooses which.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutation import mutated
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

MINUTES = float(os.environ.get("FUZZ_MINUTES", "0"))
SEED = int(os.environ.get("FUZZ_SEED", str(time.time_ns()) if MINUTES else "0"))
INPUTS = 150


@pytest.mark.parametrize("name", TARGETS)
def test_what_comes_on_a_good_day_and_what_was_broken_once_break_nothing(name: str) -> None:
    for seed in TARGETS[name].seeds():
        _check(TARGETS[name], seed)


@pytest.mark.parametrize("name", TARGETS)
def test_inputs_made_at_random_break_nothing(name: str) -> None:
    target = TARGETS[name]
    seeds = target.seeds()
    for chance in _chances():
        _check(target, mutated(chance.choice(seeds), chance, target.tokens, target.longest))


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_that_hypothesis_thinks_of_breaks_anything(name: str) -> None:
    target = TARGETS[name]
    seeds = target.seeds()

    @settings(max_examples=30, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, len(seeds) - 1), st.randoms(use_true_random=False))
    def search_near_seeds(number: int, chance: random.Random) -> None:
        target.check(mutated(seeds[number], chance, target.tokens, target.longest))

    @settings(max_examples=30)
    @given(st.binary(max_size=100))
    def search_anywhere(data: bytes) -> None:
        target.check(data)

    search_near_seeds()
    search_anywhere()


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name in TARGETS for kind in TARGETS[name].large()])
def test_a_megabyte_breaks_nothing(name: str, kind: str) -> None:
    """``python -m tests.fuzz costs`` tells what each costs."""
    TARGETS[name].check(TARGETS[name].large()[kind])


def _check(target: Target, data: bytes) -> None:
    try:
        target.check(data)
    except BaseException as error:
        error.add_note(f"seed {SEED}: {data!r}")
        raise


def _chances() -> Iterator[random.Random]:
    if not MINUTES:
        yield from (random.Random(number) for number in range(INPUTS))
        return
    end, number = time.monotonic() + MINUTES * 60 / len(TARGETS), SEED
    while time.monotonic() < end:
        yield random.Random(number)
        number += 1

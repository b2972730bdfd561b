"""A day of `python -m tests.soak`, in which everything happens that happens in its month."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak import Soak


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 5])
def test_after_a_day_of_faults_the_counters_are_the_truth_but_for_what_they_say_themselves(
    seed: int, tmp_path: Path
) -> None:
    soak = Soak(tmp_path, seed, often=8.0)
    soak.run(1.0)
    assert list(soak.problems()) == []
    assert [what for what, times in soak.events.items() if not times] == []


def test_a_query_that_is_counted_and_did_not_happen_is_found(tmp_path: Path) -> None:
    soak = Soak(tmp_path)
    soak.run(0.01)
    assert list(soak.problems()) == []
    name, labels = next(key for key in soak._shown.values if key[0] == "presto_user_queries_total")
    soak._shown.values[name, labels] += 1.0
    assert [problem.partition(" ")[0] for problem in soak.problems()] == ["counted", f"{labels[1]},"]

"""Durations, sizes, counts and days read as people write them, and never lose more than they say."""

from __future__ import annotations

import pytest

from exporter.check.figures import day, number, size, span


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (0.004, "0 s"),
        (0.412, "0.41 s"),
        (0.9949, "0.99 s"),
        (0.995, "1 s"),
        (1.0, "1 s"),
        (2.26, "2.3 s"),
        (9.94, "9.9 s"),
        (9.95, "10 s"),
        (12.4, "12 s"),
        (59.6, "1 min"),
        (61.0, "1 min 1 s"),
        (900.0, "15 min"),
        (3_600.0, "1 h"),
        (3_605.0, "1 h"),
        (12_000.0, "3 h 20 min"),
        (86_399.9, "1 d"),
        (172_800.0, "2 d"),
        (180_000.0, "2 d 2 h"),
        (3.2e9, "37037 d"),
    ],
)
def test_a_duration_has_at_most_two_units_next_to_each_other(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (1024, "1.0 KiB"),
        (2_700_000, "2.6 MiB"),
        (256 * 2**20, "256 MiB"),
        (999 * 2**20, "999 MiB"),
        (1023 * 2**20, "1.0 GiB"),
        (2**40, "1.0 TiB"),
        (5000 * 2**40, "5000 TiB"),
    ],
)
def test_a_size_has_at_most_three_digits_before_the_point(count: int, text: str) -> None:
    assert size(count) == text


def test_a_count_has_its_noun() -> None:
    assert number(1, "query", "queries") == "1 query"
    assert number(12_345, "query", "queries") == "12,345 queries"
    assert (number(0, "user"), number(1, "user"), number(2, "user")) == ("0 users", "1 user", "2 users")


def test_a_day_is_that_of_utc() -> None:
    assert (day(0.0), day(951_782_400.0), day(-1.0)) == ("1970-01-01", "2000-02-29", "1969-12-31")
    assert day(1e15) == "no day of this calendar"

"""Texts and figures of `top`."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.top import text
from tests.top_answers import HOSTILE

ANY_TEXT = st.text(st.characters())  # surrogates and unassigned ones, too


@given(ANY_TEXT)
def test_nothing_that_steers_or_hides_is_left(given_text: str) -> None:
    for shown in (text.plain(given_text), text.line(given_text), *text.lines(given_text)):
        for character in shown:
            assert unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"), repr(character)
        shown.encode("utf-8")


@given(ANY_TEXT)
def test_texts_that_differ_in_unseen_characters_look_different(given_text: str) -> None:
    assert text.plain(f"{given_text}\u200b") != text.plain(given_text)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("alice", "alice"),
        ("日本 é", "日本 é"),
        ("e\u0301", "e\u0301"),
        ("\x1b[31m", "␛[31m"),
        ("a\x00b\x07", "a␀b␇"),
        ("\x7f\x9b", "\\u007F\\u009B"),
        ("a\u202eb", "a\\u202Eb"),
        ("❤\ufe0f", "❤\\uFE0F"),
        ("\ud800", "\\uD800"),
        ("\U000e0041", "\\U000E0041"),
        ("\u3164", "\\u3164"),
    ],
)
def test_plain(raw: str, shown: str) -> None:
    assert text.plain(raw) == shown


def test_a_line_has_no_breaks_and_no_more_than_was_asked_for() -> None:
    assert text.line(" a\n\t b\r\n  c ") == "a b c"
    assert text.line("x" * 50, 10) == "xxxxxxxxx…"
    assert text.line("x " + " " * 1_000_000 + "y", 10).startswith("x")
    assert text.line("") == ""


def test_a_line_that_is_cut_says_so() -> None:
    assert text.line("a" + " " * 1000 + "b", 10).endswith("…")


def test_lines_keep_their_indent() -> None:
    assert text.lines("a\r\n\tb\n  c\x1b") == ["a", "    b", "  c␛"]
    assert "\x1b" not in "".join(text.lines(HOSTILE))


@pytest.mark.parametrize(
    ("figure", "value", "shown"),
    [
        (text.count, 0, "0"),
        (text.count, 999, "999"),
        (text.count, 999.6, "1.0k"),
        (text.count, 9949, "9.9k"),
        (text.count, 9951, "10k"),
        (text.count, 999_499, "999k"),
        (text.count, 999_501, "1.0M"),
        (text.count, 1e300, "1e+282E"),
        (text.size, 0, "0B"),
        (text.size, 1023, "1.0KiB"),
        (text.size, 3.4 * 1024**4, "3.4TiB"),
        (text.memory_time, 3600.0 * 1024**3, "1.0GiB·h"),
        (text.duration, 0, "0s"),
        (text.duration, 0.0004, "0s"),
        (text.duration, 0.34, "340ms"),
        (text.duration, 0.9996, "1.0s"),
        (text.duration, 59.4, "59s"),
        (text.duration, 59.6, "1.0m"),
        (text.duration, 3600, "1.0h"),
        (text.duration, 47 * 3600, "47h"),
        (text.duration, 48 * 3600, "2.0d"),
        (text.duration, 20 * 86400, "20d"),
        (text.duration, 1e300, "1e+277Ed"),
        (text.percent, 0, "0%"),
        (text.percent, 0.0001, "<0.1%"),
        (text.percent, 0.0994, "9.9%"),
        (text.percent, 0.0996, "10%"),
        (text.percent, 0.34, "34%"),
        (text.percent, 0.9999, "99.9%"),
        (text.percent, 1, "100%"),
    ],
)
def test_figures(figure: Callable[[float], str], value: float, shown: str) -> None:
    assert figure(value) == shown


@given(st.floats(0, 1e15))
def test_figures_are_short(value: float) -> None:
    assert len(text.count(value)) <= 4
    assert len(text.size(value)) <= 6
    assert len(text.duration(value)) <= 5
    assert len(text.percent(value / 1e15)) <= 5


@pytest.mark.parametrize(
    ("now", "before", "shown"),
    [
        (134, 100, "+34%"),
        (66, 100, "−34%"),
        (0, 100, "−100%"),
        (100, 100, ""),
        (100.1, 100, ""),
        (5, 0, ""),
        (1200, 100, "×12"),
        (1, 1e-300, "×1e+282E"),
    ],
)
def test_gained(now: float, before: float, shown: str) -> None:
    assert text.gained(now, before) == shown


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        (1795435200.0, "2026-11-23 12:00 UTC"),
        (0.0, "1970-01-01 00:00 UTC"),
        (1e300, "9999-12-31 23:59 UTC"),
        (-1e300, "1970-01-01 00:00 UTC"),
    ],
)
def test_a_moment_is_one_of_this_calendar(at: float, shown: str) -> None:
    assert text.moment(at) == shown


def test_ratio_of_nothing_is_nothing() -> None:
    assert text.ratio(3, 0) == 0.0
    assert text.ratio(1, 4) == 0.25

"""Which query repeats another."""

from __future__ import annotations

from exporter.account.repeats import REMEMBERED_SECONDS, Repeats


def test_the_second_query_of_a_text_repeats_it_and_the_first_does_not() -> None:
    repeats = Repeats()
    assert [repeats.meet(7, query, 100.0) for query in ("a", "b", "c")] == [False, True, True]
    assert not repeats.meet(8, "d", 100.0)


def test_a_query_told_again_is_what_it_was_whatever_came_after_it() -> None:
    repeats = Repeats()
    told = [("a", 1.0), ("b", 2.0), ("a", 1.0), ("b", 2.0), ("a", 1.0)]
    assert [repeats.meet(7, *query) for query in told] == [False, True, False, True, False]


def test_a_text_is_forgotten_after_a_day_without_a_run() -> None:
    repeats = Repeats()
    assert not repeats.meet(7, "a", 0.0)
    assert repeats.meet(7, "b", REMEMBERED_SECONDS)
    assert repeats.meet(7, "c", 2 * REMEMBERED_SECONDS)
    assert not repeats.meet(7, "d", 3 * REMEMBERED_SECONDS + 1)
    assert repeats.meet(7, "e", 3 * REMEMBERED_SECONDS + 2)


def test_only_so_many_texts_are_remembered_those_met_last() -> None:
    repeats = Repeats(most=2)
    for text in (1, 2, 1, 3):
        repeats.meet(text, f"first {text}", 0.0)
    assert [repeats.meet(text, "again", 0.0) for text in (1, 3)] == [True, True]
    assert not repeats.meet(2, "again", 0.0)

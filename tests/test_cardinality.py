"""The first values keep their names for good, the rest is `other`, and nothing grows beyond its places."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporter.account.cardinality import LONGEST, OTHER, Candidates, Labels, Shown


def test_the_first_values_get_a_place_and_keep_it() -> None:
    labels = Labels({"user": 2}, [])
    assert [labels.show("user", user).value for user in ("a", "b", "c", "a", "d", "b")] == [
        *("a", "b", OTHER, "a", OTHER, "b")
    ]
    assert labels.show("user", "c") == Shown(OTHER, True)
    assert labels.show("user", "a") == Shown("a", False)
    assert labels.counts() == {"user": 2}


def test_known_values_keep_their_places_even_above_a_lower_limit() -> None:
    labels = Labels({"user": 1}, [("user", "a"), ("user", "b"), ("gone", "x")])
    assert labels.show("user", "b") == Shown("b", False)
    assert labels.show("user", "c") == Shown(OTHER, True)
    assert labels.admitted() == []


def test_new_places_are_told_until_they_have_been_kept() -> None:
    labels = Labels({"user": 5, "source": 5}, [])
    labels.show("user", "a")
    labels.show("source", "a")
    labels.show("user", "a")
    assert labels.admitted() == labels.admitted() == [("user", "a"), ("source", "a")]
    labels.keep()
    assert labels.admitted() == []


def test_no_places_remove_the_label_without_overflow() -> None:
    labels = Labels({"source": 0}, [])
    assert labels.show("source", "superset") == Shown("", False)


def test_the_empty_value_takes_no_place() -> None:
    labels = Labels({"source": 1}, [])
    assert labels.show("source", "") == Shown("", False)
    assert labels.show("source", "cli") == Shown("cli", False)
    assert labels.show("source", "jdbc") == Shown(OTHER, True)
    assert labels.show("source", "") == Shown("", False)


def test_a_value_that_is_called_other_is_no_overflow_and_takes_no_place() -> None:
    labels = Labels({"user": 1}, [])
    assert labels.show("user", OTHER) == Shown(OTHER, False)
    assert labels.counts() == {"user": 0}


def test_long_values_are_cut_and_stay_apart() -> None:
    labels = Labels({"user": 10}, [])
    exact = "x" * LONGEST
    assert labels.show("user", exact).value == exact
    shown = {labels.show("user", "x" * (LONGEST + more)).value for more in (1, 2, 1_000_000)}
    assert len(shown) == 3 and all(len(value) == LONGEST and value.startswith("x" * 150) for value in shown)
    assert labels.counts() == {"user": 4}


@given(st.lists(st.text(alphabet="abcdefgh\n\"'\\🚀", max_size=3)), st.integers(0, 5))
def test_never_more_values_than_places(values: list[str], places: int) -> None:
    labels = Labels({"user": places}, [])
    shown = [labels.show("user", value).value for value in values]
    assert len(set(shown) - {"", OTHER}) <= places
    assert shown == [labels.show("user", value).value for value in values] or places == 0 or OTHER in shown


def test_a_candidate_is_ripe_when_it_was_met_often_enough() -> None:
    candidates = Candidates(needed=3)
    assert [candidates.meet(value) for value in "aabab"] == [False, False, False, True, False]
    assert Candidates(needed=1).meet("a")


def test_candidates_are_bounded_and_the_longest_unmet_are_forgotten() -> None:
    candidates = Candidates(needed=2, most=2)
    assert not any(candidates.meet(value) for value in "abc")
    assert not candidates.meet("a")
    assert candidates.meet("c")


def test_a_value_with_a_place_is_known_to_have_it() -> None:
    labels = Labels({"user": 1}, [])
    labels.show("user", "a")
    labels.show("user", "b")
    assert labels.has("user", "a") and not labels.has("user", "b")

"""What each key makes of what is looked at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.report.question import parse
from exporter.top.choice import GROUPS, ORDERS, WINDOWS, Choice, Extent, pressed
from tests.top_answers import answer, by_user, row

EXTENT = Extent(page=10, last=24)
KEYS = ["g", "G", "o", "O", "r", "w", "W", "c", "up", "down", "page up", "page down", "home", "end", "enter", "escape"]


def after(choice: Choice, *keys: str) -> Choice:
    for key in keys:
        choice = pressed(choice, key, EXTENT, None)
    return choice


@pytest.mark.parametrize(
    ("keys", "cursor"),
    [
        ([], 0),
        (["down"], 1),
        (["up"], 0),
        (["down", "down", "up"], 1),
        (["page down"], 10),
        (["page down"] * 3, 24),
        (["end"], 24),
        (["end", "down"], 24),
        (["end", "page up"], 14),
        (["end", "home"], 0),
        (["down", "g"], 0),
        (["down", "r"], 0),
        (["down", "c"], 0),
        (["down", "x"], 1),
    ],
)
def test_the_cursor_moves_within_what_there_is(keys: list[str], cursor: int) -> None:
    assert after(Choice(), *keys).cursor == cursor


@pytest.mark.parametrize(
    ("key", "back", "field", "values"),
    [("g", "G", "group_by", GROUPS), ("o", "O", "order_by", ORDERS), ("w", "W", "window", WINDOWS)],
)
def test_lists_go_round_in_both_directions(key: str, back: str, field: str, values: tuple[str, ...]) -> None:
    seen = [getattr(after(Choice(), *[key] * times), field) for times in range(len(values))]
    assert sorted(seen) == sorted(values)
    assert after(Choice(), *[key] * len(values)) == Choice()
    assert after(Choice(), key, back) == Choice()


def test_a_window_of_ones_own_is_left_for_the_first() -> None:
    assert after(Choice(window="3h30m"), "w").window == "1h"


def test_r_and_c_turn() -> None:
    assert after(Choice(), "r").descending is False and after(Choice(), "r", "r") == Choice()
    assert after(Choice(), "c").compare is False and after(Choice(), "c", "c") == Choice()


def test_only_the_page_with_the_cursor_is_asked_for() -> None:
    parameters = Choice(cursor=25).parameters(10)
    assert ("offset", "20") in parameters and ("limit", "10") in parameters
    assert ("offset", "1000000") in Choice(cursor=10**9).parameters(10)
    assert ("limit", "1000") in Choice().parameters(5000)


def test_enter_opens_the_fingerprint_under_the_cursor_and_escape_leads_back() -> None:
    answered = answer([row("f1"), row("f2", 1)])
    choice = Choice(cursor=1)
    opened = pressed(choice, "enter", EXTENT, answered)
    assert opened.is_opened and opened.filters == (("fingerprint", "f2"),) and opened.cursor == 0
    assert ("fingerprint", "f2") in opened.parameters(10) and ("limit", "1") in opened.parameters(10)
    assert pressed(opened, "escape", EXTENT, None) == choice
    assert [pressed(opened, key, EXTENT, answered) for key in ("g", "o", "r", "enter", "O", "G")] == [opened] * 6
    assert pressed(opened, "down", EXTENT, None).cursor == 1
    assert pressed(pressed(opened, "down", EXTENT, None), "c", EXTENT, None).cursor == 1


def test_enter_on_another_group_shows_its_fingerprints() -> None:
    answered = by_user(["alice", "böb"])
    choice = Choice(group_by="user", cursor=1, order_by="failed")
    within = pressed(choice, "enter", EXTENT, answered)
    assert (within.group_by, within.filters, within.is_opened) == ("fingerprint", (("user", "böb"),), False)
    assert within.order_by == "failed"
    opened = pressed(within, "enter", EXTENT, answer([row("f1")]))
    assert opened.filters == (("user", "böb"), ("fingerprint", "f1"))
    assert after(opened, "escape", "escape") == choice


def test_a_group_within_itself_is_one_filter() -> None:
    answered = by_user(["alice", "bob"])
    within = pressed(Choice(group_by="user"), "enter", EXTENT, answered)
    again = pressed(Choice(group_by="user", filters=within.filters, cursor=1), "enter", EXTENT, answered)
    assert again.filters == (("user", "bob"),)


def test_the_way_back_keeps_what_was_chosen_meanwhile() -> None:
    opened = pressed(Choice(), "enter", EXTENT, answer([row("f1")]))
    back = after(opened, "w", "c", "escape")
    assert (back.window, back.compare, back.is_opened) == ("7d", False, False)


def test_enter_means_nothing_while_the_row_is_not_known() -> None:
    assert after(Choice(), "enter") == Choice()
    beyond = Choice(cursor=5)
    assert pressed(beyond, "enter", EXTENT, answer([row("f1")])) == beyond
    assert after(Choice(), "escape") == Choice()


@given(st.lists(st.sampled_from(KEYS)), st.integers(1, 2000))
def test_whatever_is_pressed_asks_a_question(keys: list[str], page: int) -> None:
    choice = Choice()
    for key in keys:
        choice = pressed(choice, key, Extent(page, 2), by_user(["a", "", "b\x1b"]))
        parse(choice.parameters(page))

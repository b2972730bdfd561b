"""Usage: which charge goes where, and that folding keeps every sum."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from exporter.account.cardinality import OTHER
from exporter.account.charge import Charged
from exporter.account.usage import (
    DAY,
    HOUR,
    Cell,
    ErrorKey,
    Key,
    Page,
    Period,
    dearest_fingerprints,
    fold,
    fold_where,
    hour_of,
    oldest_hour,
    periods,
    place_of,
    total,
)
from exporter.query import Amounts

TODAY = 20_000 * DAY
NOW = TODAY + 10 * HOUR + 600.0


def page_of(seed: int, cells: int, users: int = 5, sources: int = 3) -> Page:
    chance = random.Random(seed)
    page = Page()
    for number in range(cells):
        key = Key(f"{number:016x}", f"u{chance.randrange(users)}", f"s{chance.randrange(sources)}", "")
        ended = chance.randrange(1, 5)
        page.cells[key] = Cell(finished=ended, cpu_seconds=chance.randrange(1000) / 8, elapsed_counts={3: ended})
        if chance.random() < 0.3:
            page.errors[ErrorKey(key.fingerprint, key.user, f"E{chance.randrange(4)}")] = 1
    return page


def sums(page: Page) -> tuple[int, float, int, int]:
    return (
        sum(cell.ended for cell in page.cells.values()),
        sum(cell.cpu_seconds for cell in page.cells.values()),
        sum(sum(cell.elapsed_counts.values()) for cell in page.cells.values()),
        sum(page.errors.values()),
    )


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("most", [2, 10, 50, 1000])
def test_folding_keeps_every_sum_and_no_more_cells_than_allowed(seed: int, most: int) -> None:
    page, same = page_of(seed, 200), page_of(seed, 200)
    folded = fold(page, most)
    assert len(folded.cells) <= max(most, 1)
    assert len(folded.errors) <= max(most, 1)
    assert sums(folded) == pytest.approx(sums(same))
    unfolded = {key for key in same.cells if key in folded.cells}
    told = sum(cell.folded for cell in folded.cells.values())
    assert told == sum(same.cells[key].ended for key in same.cells.keys() - unfolded)


def test_the_dearest_keep_their_fingerprint_and_everybody_keeps_their_user() -> None:
    page, same = page_of(1, 200), page_of(1, 200)
    folded = fold(page, 100)
    per_user: Counter[str] = Counter()
    for key, cell in same.cells.items():
        per_user[key.user] += cell.ended
    for key, cell in folded.cells.items():
        per_user[key.user] -= cell.ended
    assert set(per_user.values()) == {0}
    kept = [cell.cpu_seconds for key, cell in folded.cells.items() if key.fingerprint != OTHER]
    gone = [cell.cpu_seconds for key, cell in same.cells.items() if key not in folded.cells]
    assert len(kept) >= 50
    assert min(kept) >= max(gone)


@pytest.mark.parametrize(("users", "sources", "left"), [(150, 1, {OTHER}), (5, 100, {OTHER})])
def test_where_owners_are_too_many_sources_are_folded_and_then_users(users: int, sources: int, left: set[str]) -> None:
    folded = fold(page_of(2, 2000, users, sources), 20)
    rest = [key for key in folded.cells if key.fingerprint == OTHER]
    assert {key.source for key in rest} == left
    assert ({key.user for key in rest} == {OTHER}) == (users > 10)


def test_folding_twice_folds_nothing_more() -> None:
    once = fold(page_of(3, 200), 50)
    before = {key: (cell.ended, cell.folded) for key, cell in once.cells.items()}
    again = fold(once, 50)
    assert {key: (cell.ended, cell.folded) for key, cell in again.cells.items()} == before


def test_chosen_cells_lose_their_fingerprint_and_their_errors_go_with_them() -> None:
    page = Page(
        {Key("a", "u", "s", ""): Cell(failed=2), Key("b", "u", "s", "[]"): Cell(failed=1)},
        {ErrorKey("a", "u", "E"): 2, ErrorKey("b", "u", "E"): 1, ErrorKey("b", "nobody", "E"): 4},
    )
    folded = fold_where(page, {Key("b", "u", "s", "[]")})
    assert folded.cells == {Key("a", "u", "s", ""): Cell(failed=2), Key(OTHER, "u", "s", ""): Cell(failed=1, folded=1)}
    assert folded.errors == {
        ErrorKey("a", "u", "E"): 2,
        ErrorKey(OTHER, "u", "E"): 1,
        ErrorKey(OTHER, OTHER, "E"): 4,
    }


def test_pages_add_up() -> None:
    key = Key("a", "u", "s", "")
    both = total([Page({key: Cell(finished=1)}, {}), Page({key: Cell(finished=2, elapsed_counts={1: 2})}, {})])
    assert both.cells == {key: Cell(finished=3, elapsed_counts={1: 2})}


@pytest.mark.parametrize(
    ("time", "days", "expected"),
    [
        (NOW, set(), [Period(0, TODAY + 10 * HOUR)]),
        (NOW + 500.0, set(), [Period(0, TODAY + 10 * HOUR)]),  # the coordinator's clock is ahead
        (TODAY - 1.0, set(), [Period(0, TODAY - HOUR)]),
        (TODAY - 1.0, {TODAY - DAY}, [Period(0, TODAY - HOUR), Period(1, TODAY - DAY)]),
        (TODAY - 7 * DAY, set(), [Period(0, TODAY - 7 * DAY)]),
        (TODAY - 7 * DAY - 1.0, set(), [Period(1, TODAY - 8 * DAY)]),
        (TODAY - 90 * DAY, set(), [Period(1, TODAY - 90 * DAY)]),
        (TODAY - 90 * DAY - 1.0, set(), []),
    ],
)
def test_a_charge_goes_to_its_hour_and_to_its_day_if_that_is_added_up(
    time: float, days: set[int], expected: list[Period]
) -> None:
    assert periods(time, NOW, days, 90.0 * DAY) == expected


def test_nothing_is_kept_if_nothing_is_to_be_kept() -> None:
    assert periods(NOW, NOW, set(), 0.0) == []


def test_hours_are_kept_for_whole_days() -> None:
    assert oldest_hour(NOW) == TODAY - 7 * DAY
    assert hour_of(NOW) == Period(0, TODAY + 10 * HOUR)


@pytest.mark.parametrize(
    ("tables", "place"),
    [
        ((), ""),
        (("c.s.t",), ""),
        (("c.s.t", "s.t"), '["hive", ""]'),
        (("s.t", "t"), '["hive", "web"]'),
        (("a.b.c.d",), ""),
    ],
)
def test_the_place_is_kept_as_far_as_a_table_needs_it(tables: tuple[str, ...], place: str) -> None:
    assert place_of(tables, "hive", "web") == place


def test_a_cell_gains_what_a_query_gains_and_its_end_once() -> None:
    cell = Cell()
    running = Charged("u", "s", "", Amounts(cpu_seconds=2.0))
    ended = Charged("u", "s", "failed", Amounts(cpu_seconds=3.0, failed_cpu_seconds=3.0, elapsed_seconds=9.0))
    cell.charge(None, running, False)
    cell.charge(running, ended, False)
    cell.charge(ended, ended._replace(amounts=ended.amounts._replace(cpu_seconds=3.5)), False)
    assert (cell.cpu_seconds, cell.failed_cpu_seconds, cell.elapsed_seconds) == (3.5, 3.0, 9.0)
    assert (cell.finished, cell.failed, cell.canceled, sum(cell.elapsed_counts.values())) == (0, 1, 0, 1)


def test_a_repeat_counts_with_its_cpu() -> None:
    cell = Cell()
    cell.charge(None, Charged("u", "s", "finished", Amounts(cpu_seconds=2.0)), True)
    cell.charge(None, Charged("u", "s", "canceled", Amounts()), False)
    assert (cell.finished, cell.canceled, cell.repeated, cell.repeated_cpu_seconds) == (1, 1, 1, 2.0)


def test_the_dearest_fingerprints_are_kept_as_far_as_their_templates_fit() -> None:
    costs = {"a": (1.0, 10), "b": (3.0, 10), "c": (2.0, 10)}
    assert dearest_fingerprints(costs, 2, 100) == {"b", "c"}
    assert dearest_fingerprints(costs, 9, 25) == {"b", "c"}
    assert dearest_fingerprints(costs, 9, 9) == set()
    assert dearest_fingerprints(costs, 9, 30) == {"a", "b", "c"}

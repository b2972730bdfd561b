"""What a list proves about what may have been lost: overlap, gaps in the ids, restarts, retention."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.account.completeness import (
    COORDINATOR_FORGOTTEN_AFTER,
    FORGET_AFTER,
    PATIENCE,
    Findings,
    Look,
    Memory,
    coordinator_of,
    forget_before,
    interval,
    is_lost,
    look,
)


def qid(number: int, coordinator: str = "aaaaa", day: str = "20260921", time: str = "133320") -> str:
    return f"{day}_{time}_{number:05d}_{coordinator}"


class Watch:
    """Looks at one list after the other, 15 s apart, as the pipeline does. A list maps ids to the times of their ends
    (None: in flight)."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.now = 1000.0
        self.lists: list[dict[str, float | None]] = []

    def look(self, listed: Mapping[str, float | None], after: float = 15.0, **told: object) -> Findings:
        self.now += after
        before = self.lists[-1] if self.lists else {}
        ends = [end for end in listed.values() if end is not None]
        at = Look(
            now=self.now,
            clock=self.now,
            before=self.now - after if self.lists else None,
            clock_before=self.now - after if self.lists else None,
            started=None,
            coordinator_id="",
            was_listed={query_id: end is not None for query_id, end in before.items()},
            listed=listed.keys(),
            appeared=[query_id for query_id in listed if query_id not in before],
            vanished_ends=[(query_id, end) for query_id, end in before.items() if end and query_id not in listed],
            oldest_end=min(ends, default=None),
        )
        self.memory, findings = look(Memory.load(json.loads(json.dumps(self.memory.dump()))), replace(at, **told))  # type: ignore[arg-type]
        self.lists.append(dict(listed))
        return findings

    def ended(self, numbers: Iterable[int], coordinator: str = "aaaaa") -> dict[str, float | None]:
        return {qid(number, coordinator): self.now for number in numbers}


@pytest.mark.parametrize(
    ("query_id", "coordinator"),
    [(qid(7, "x2k9d"), "x2k9d"), ("my-own-id", ""), ("", ""), ("20260921_133320_00001_x2k9d_retry", "")],
)
def test_the_coordinator_is_the_last_part_of_an_id(query_id: str, coordinator: str) -> None:
    assert coordinator_of(query_id) == coordinator


# ---------------------------------------------------------------- overlap


def test_lists_that_overlap_prove_that_nothing_was_lost() -> None:
    watch = Watch()
    assert not watch.look(watch.ended([1, 2])).gap
    assert not watch.look(watch.ended([2, 3])).gap


def test_lists_that_do_not_overlap_prove_nothing() -> None:
    watch = Watch()
    watch.look(watch.ended([1, 2]))
    assert watch.look(watch.ended([3, 4])).gap
    assert not watch.look(watch.ended([4, 5])).gap


@pytest.mark.parametrize("before", [{}, {qid(1): None}])
def test_without_an_ended_query_before_there_is_nothing_to_overlap(before: dict[str, float | None]) -> None:
    watch = Watch()
    watch.look(before)
    assert not watch.look(watch.ended([2])).gap


def test_a_list_that_turns_empty_is_a_gap() -> None:
    watch = Watch()
    watch.look(watch.ended([1, 2]))
    assert watch.look({}).gap
    assert not watch.look({}).gap


def test_every_coordinator_of_a_list_has_to_overlap() -> None:
    watch = Watch()
    watch.look({**watch.ended([1], "aaaaa"), **watch.ended([1], "bbbbb")})
    assert not watch.look({**watch.ended([1, 2], "aaaaa"), **watch.ended([1], "bbbbb")}).gap
    assert watch.look({**watch.ended([2], "aaaaa"), **watch.ended([2], "bbbbb")}).gap


# ---------------------------------------------------------------- restarts


def test_a_process_that_started_after_the_last_list_is_a_restart() -> None:
    watch = Watch()
    watch.look({qid(1): None})
    findings = watch.look({}, started=watch.now + 5.0)
    assert findings.restarted == {"aaaaa"} and findings.gap


def test_a_process_that_started_before_the_last_list_is_none() -> None:
    watch = Watch()
    watch.look({qid(1): None})
    findings = watch.look({}, started=watch.now - 5.0)
    assert findings.restarted == set() and not findings.gap


def test_another_coordinator_id_is_a_restart() -> None:
    watch = Watch()
    watch.look({qid(1): None}, coordinator_id="aaaaa")
    assert watch.look({}, coordinator_id="bbbbb").restarted == {"aaaaa"}


def test_ids_of_another_coordinator_alone_are_a_restart() -> None:
    watch = Watch()
    watch.look({qid(1): None})
    assert watch.look({qid(0, "bbbbb"): None}).restarted == {"aaaaa"}


def test_several_coordinators_behind_one_list_are_no_restart() -> None:
    watch = Watch()
    watch.look({qid(1): None, qid(1, "bbbbb"): None})
    assert watch.look({qid(1): None, qid(1, "ccccc"): None}).restarted == set()


def test_the_first_list_is_no_restart() -> None:
    watch = Watch()
    assert watch.look({qid(1): None}, started=5000.0).restarted == set()


def test_ids_of_another_form_belong_to_no_coordinator_that_could_restart() -> None:
    watch = Watch()
    watch.look({"my-own-id": None})
    assert watch.look({}, started=watch.now + 5.0).restarted == set()


# ---------------------------------------------------------------- ids


def test_ids_that_never_appear_are_missed_once_later_ones_have_been_listed_long_enough() -> None:
    watch = Watch()
    watch.look(watch.ended([1]))
    assert watch.look(watch.ended([1, 4])).missed == 0
    assert watch.look(watch.ended([1, 4, 5]), after=PATIENCE - 1).missed == 0
    assert watch.look(watch.ended([1, 4, 5]), after=1.0).missed == 2
    assert watch.look(watch.ended([1, 4, 5]), after=PATIENCE).missed == 0


def test_an_id_that_appears_late_is_not_missed() -> None:
    watch = Watch()
    watch.look(watch.ended([1]))
    watch.look(watch.ended([1, 6]))
    watch.look(watch.ended([1, 6, 3]))
    assert watch.look(watch.ended([1, 3, 6]), after=PATIENCE).missed == 3


def test_ids_from_before_the_first_list_are_not_missed() -> None:
    watch = Watch()
    watch.look({**watch.ended([100, 500]), qid(7, day="20260919"): None})
    watch.look({**watch.ended([100, 300, 500, 501]), qid(7, day="20260919"): None})
    assert watch.look(watch.ended([501]), after=PATIENCE).missed == 0


def test_a_new_day_counts_from_zero() -> None:
    watch = Watch()
    watch.look({qid(70): 1.0})
    watch.look({qid(70): 1.0, qid(2, day="20260922", time="000001"): 1.0})
    assert watch.look({qid(70): 1.0, qid(2, day="20260922", time="000001"): 1.0}, after=PATIENCE).missed == 2


def test_a_count_that_starts_over_within_a_day_counts_from_zero() -> None:
    watch = Watch()
    watch.look({qid(90_100, time="120000"): 1.0})
    late = {qid(90_100, time="120000"): 1.0, qid(1, time="120500"): 1.0}
    watch.look(late)
    assert watch.look(late, after=PATIENCE).missed == 1
    later = {**late, qid(90_101, time="120000"): 1.0, qid(3, time="120600"): 1.0}
    watch.look(later)
    assert watch.look(later, after=PATIENCE).missed == 1


def test_a_restarted_coordinator_gives_up_its_ids_at_once_and_the_new_one_counts_from_zero() -> None:
    watch = Watch()
    watch.look(watch.ended([1]))
    watch.look(watch.ended([1, 4]))
    started = watch.now + 5.0
    assert watch.look({qid(2, "bbbbb"): None}, started=started).missed == 2
    assert watch.look({qid(2, "bbbbb"): None}, started=started, after=PATIENCE).missed == 2


def test_a_coordinator_that_was_there_before_counts_from_where_it_is() -> None:
    watch = Watch()
    watch.look(watch.ended([1]))
    watch.look({**watch.ended([1]), **watch.ended([700], "bbbbb")}, started=500.0)
    assert watch.look({**watch.ended([1]), **watch.ended([700], "bbbbb")}, after=PATIENCE).missed == 0


def test_ids_of_another_form_are_not_counted() -> None:
    watch = Watch()
    watch.look({"my-own-id": 1.0, "20260921_133320_0000x_aaaaa": 1.0})
    watch.look({"my-other-id": 1.0})
    assert watch.look({"my-other-id": 1.0}, after=PATIENCE).missed == 0


@given(st.lists(st.sets(st.integers(0, 40)), min_size=1, max_size=6))
def test_missed_ids_are_exactly_those_that_never_appear(batches: list[set[int]]) -> None:
    watch = Watch()
    watch.look(watch.ended([1000]))
    listed = watch.ended([1000])
    for batch in batches:
        listed = {**listed, **watch.ended(1001 + number for number in batch)}
        watch.look(listed)
    seen = {1001 + number for batch in batches for number in batch}
    missed = watch.look(listed, after=PATIENCE).missed
    assert missed == len(set(range(1001, max(seen, default=1000))) - seen)


def test_memory_does_not_grow_with_restarts_and_days() -> None:
    watch = Watch()
    for restart in range(50):
        name = f"a{restart:04d}"
        watch.look({qid(number, name): None for number in (0, 5)}, started=watch.now + 1.0)
    assert len(watch.memory.coordinators) == 1
    for day in range(20260901, 20260930):
        watch.look({qid(3, "a0049", day=str(day)): None}, after=86_400.0)
    assert len(watch.memory.coordinators["a0049"].runs) <= 2
    watch.look({}, after=COORDINATOR_FORGOTTEN_AFTER + 1)
    assert watch.memory.coordinators == {}


# ---------------------------------------------------------------- retention


def test_headroom_is_what_the_coordinator_kept_beyond_what_the_poll_needed() -> None:
    watch = Watch()
    assert watch.look({qid(1): 950.0, qid(2): 990.0}).headroom_seconds is None
    assert watch.memory.kept_seconds is None
    findings = watch.look({qid(1): 950.0, qid(2): 990.0})  # at 1030: the oldest ended 80 s ago, 15 s were needed
    assert findings.headroom_seconds == 65.0
    findings = watch.look({qid(2): 990.0})  # at 1045: kept for 80 s when last seen
    assert watch.memory.kept_seconds == 80.0
    assert findings.headroom_seconds == 65.0
    findings = watch.look({qid(2): 990.0}, after=60.0)
    assert watch.memory.kept_seconds == 115.0 and findings.headroom_seconds == 55.0


def test_headroom_is_below_zero_where_the_coordinator_forgets_faster_than_we_poll() -> None:
    watch = Watch()
    watch.look({qid(1): 1013.0})
    findings = watch.look({qid(2): 1028.0})
    assert findings.headroom_seconds == 2.0 - 15.0


def test_headroom_is_unknown_while_nothing_has_vanished_and_all_is_young() -> None:
    watch = Watch()
    watch.look({})
    assert watch.look({qid(1): 1029.0}).headroom_seconds is None


def test_what_vanishes_with_its_coordinator_says_nothing_about_retention() -> None:
    watch = Watch()
    watch.look({qid(1): 1013.0})
    watch.look({qid(1, "bbbbb"): 1029.0}, started=watch.now + 1.0)
    assert watch.memory.kept_seconds is None


def test_without_the_clock_of_the_list_before_only_what_is_listed_counts() -> None:
    watch = Watch()
    watch.look({qid(1): 900.0, qid(2): 1013.0})
    watch.look({qid(2): 1013.0}, clock_before=None)
    assert watch.memory.kept_seconds == 17.0


@pytest.mark.parametrize(
    ("configured", "kept", "seconds"), [(15.0, None, 15.0), (15.0, 900.0, 15.0), (15.0, 30.0, 10.0), (15.0, 0.5, 1.0)]
)
def test_the_interval_shortens_where_little_is_kept(configured: float, kept: float | None, seconds: float) -> None:
    assert interval(configured, kept) == seconds


# ---------------------------------------------------------------- start times, loss, forgetting


def test_the_start_of_a_process_is_kept_while_its_uptime_is_only_rounded() -> None:
    watch = Watch()
    watch.look({}, started=900.0)
    watch.look({}, started=901.5)
    assert watch.memory.started == 900.0
    watch.look({}, started=1040.0)
    assert watch.memory.started == 1040.0


@pytest.mark.parametrize(
    ("since", "lists", "lost"), [(600.0, 3, True), (599.0, 3, False), (600.0, 2, False), (86400.0, 2, False)]
)
def test_a_query_is_lost_after_ten_minutes_and_three_lists(since: float, lists: int, lost: bool) -> None:
    assert is_lost(10_000.0, 50 + lists, 10_000.0 - since, 50) is lost


@pytest.mark.parametrize(
    ("kept", "oldest", "seconds"),
    [(None, 0.0, FORGET_AFTER), (900.0, 0.0, FORGET_AFTER), (900.0, 1000.0, 4000.0), (86_400.0, 900.0, 345_600.0)],
)
def test_ids_are_remembered_much_longer_than_they_have_been_seen_to_be_kept(
    kept: float | None, oldest: float, seconds: float
) -> None:
    assert forget_before(1e9, kept, oldest) == 1e9 - seconds


def test_memory_survives_a_restart_of_ours() -> None:
    watch = Watch()
    watch.look(watch.ended([1]), started=900.0, coordinator_id="aaaaa")
    watch.look(watch.ended([1, 5]), started=900.0, coordinator_id="aaaaa")
    assert Memory.load(json.loads(json.dumps(watch.memory.dump()))) == watch.memory
    assert Memory.load({}) == Memory()

"""The coordinator of the demo and of the tests behaves like the recorded ones."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest

from exporter.demo.coordinator import Coordinator, Request
from exporter.demo.query import ErrorCode, Plan, Usage
from tests.demo import MONITOR, NOON, Clock, rows


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def coordinator(clock: Clock) -> Coordinator:
    return Coordinator(now=clock)


# What queries do.


def test_a_plan_is_followed(coordinator: Coordinator, clock: Clock) -> None:
    """A query goes through its phases by the clock, its figures grow while it runs, and the late ones come last."""
    usage = Usage(cpu_seconds=8.0, input_bytes=800, input_rows=80, memory_byte_seconds=400.0, peak_bytes=80)
    plan = Plan(
        queued=2, planning=1, starting=1, blocked=4, running=10, finishing=1, usage=usage, late=Usage(cpu_seconds=2.0)
    )
    query_id = coordinator.submit("alice", "cli", "SELECT 1", plan)
    seen = []
    for second in (0, 1.9, 2, 3, 4, 8, 13, 18, 19, 19.19, 19.2, 1000):
        clock.now = NOON + second
        row = rows(coordinator)[query_id]
        stats = row["queryStats"]
        seen.append(
            (
                row["state"] + ("*" if stats["fullyBlocked"] else ""),
                stats["queuedTime"],
                stats["elapsedTime"],
                stats["executionTime"],
                stats["totalCpuTime"],
                stats["physicalInputDataSize"],
                stats["processedInputPositions"],
                stats["cumulativeUserMemory"],
                stats["userMemoryReservation"],
            )
        )
    assert seen == [
        ("QUEUED", "0.00s", "0.00s", "0.00s", "0.00s", "0B", 0, 0.0, "0B"),
        ("QUEUED", "1.90s", "1.90s", "0.00s", "0.00s", "0B", 0, 0.0, "0B"),
        ("PLANNING", "2.00s", "2.00s", "0.00s", "0.00s", "0B", 0, 0.0, "0B"),
        ("STARTING", "2.00s", "3.00s", "1.00s", "0.00s", "0B", 0, 0.0, "0B"),
        ("RUNNING*", "2.00s", "4.00s", "2.00s", "0.00s", "0B", 0, 0.0, "0B"),
        ("RUNNING", "2.00s", "8.00s", "6.00s", "0.00s", "0B", 0, 0.0, "0B"),
        ("RUNNING", "2.00s", "13.00s", "11.00s", "3.00s", "400B", 40, 100_000.0, "40B"),
        ("FINISHING", "2.00s", "18.00s", "16.00s", "6.00s", "800B", 80, 400_000.0, "80B"),
        ("FINISHED*", "2.00s", "19.00s", "17.00s", "6.00s", "800B", 80, 400_000.0, "0B"),
        ("FINISHED*", "2.00s", "19.00s", "17.00s", "6.00s", "800B", 80, 400_000.0, "0B"),
        ("FINISHED*", "2.00s", "19.00s", "17.00s", "8.00s", "800B", 80, 400_000.0, "0B"),
        ("FINISHED*", "2.00s", "19.00s", "17.00s", "8.00s", "800B", 80, 400_000.0, "0B"),
    ]
    tally = coordinator.truth()["alice", "cli"]
    assert tally.outcomes == {"finished": 1}
    assert (tally.cpu_seconds, tally.failed_cpu_seconds, tally.input_bytes, tally.input_rows) == (8.0, 0.0, 800, 80)
    assert (tally.memory_byte_seconds, tally.queued_seconds, tally.elapsed_seconds) == (400.0, 2.0, 19.0)


def test_without_a_plan_a_query_does_what_it_is_told(coordinator: Coordinator, clock: Clock) -> None:
    query_id = coordinator.submit("alice")
    for state in ("WAITING_FOR_RESOURCES", "DISPATCHING", "PLANNING", "STARTING", "RUNNING", "FINISHING"):
        clock.now += 100
        assert rows(coordinator)[query_id]["state"] != state
        assert coordinator.move(query_id, state)
        assert rows(coordinator)[query_id]["state"] == state
    coordinator.use(query_id, Usage(cpu_seconds=1.5))
    assert rows(coordinator)[query_id]["queryStats"]["totalCpuTime"] == "1.50s"
    assert coordinator.fail(query_id, ErrorCode("CUSTOM_CODE", "EXTERNAL", 0x0700_0001))
    row = rows(coordinator)[query_id]
    assert row["errorCode"] == {"code": 0x0700_0001, "name": "CUSTOM_CODE", "type": "EXTERNAL", "fatal": False}
    clock.now += 100
    assert rows(coordinator)[query_id] == row, "a query that ended changes no more"
    coordinator.use(query_id, Usage(cpu_seconds=2.25))
    assert rows(coordinator)[query_id]["queryStats"]["totalCpuTime"] == "2.25s"
    assert coordinator.truth()["alice", ""].failed_cpu_seconds == 2.25


def test_what_ended_has_ended(coordinator: Coordinator, clock: Clock) -> None:
    """Neither a cancel nor anything else that comes too late changes a query."""
    query_id = coordinator.submit("alice", plan=Plan(running=5))
    clock.now += 5
    before = coordinator.query_list()
    assert not coordinator.cancel(query_id)
    assert not coordinator.finish(query_id)
    assert not coordinator.move(query_id, "RUNNING")
    assert coordinator.query_list() == before


def test_a_query_cut_off_has_used_what_it_had_used_by_then(coordinator: Coordinator, clock: Clock) -> None:
    query_id = coordinator.submit("alice", plan=Plan(running=10, usage=Usage(cpu_seconds=20.0, input_rows=100)))
    clock.now += 4
    assert coordinator.cancel(query_id)
    clock.now += 60
    tally = coordinator.truth()["alice", ""]
    assert tally.outcomes == {"canceled": 1}
    assert tally.errors == {("USER_ERROR", "USER_CANCELED"): 1}
    assert (tally.cpu_seconds, tally.failed_cpu_seconds, tally.input_rows) == (8.0, 8.0, 40)


def test_figures_may_be_taken_back(clock: Clock) -> None:
    """Late figures below zero are shown while the query runs, and gone once it has settled."""
    coordinator = Coordinator("0.296", now=clock)
    rows_twice = Usage(input_rows=-60175)
    query_id = coordinator.submit("alice", plan=Plan(running=1, usage=Usage(input_rows=60175), late=rows_twice))
    seen = []
    for second in (1.0, 1.1, 1.2):
        clock.now = NOON + second
        seen.append(rows(coordinator)[query_id]["queryStats"]["rawInputPositions"])
    assert seen == [120350, 120350, 60175]


def test_failed_attempts_count_where_the_engine_tells(clock: Clock) -> None:
    for version, expected in (("435", 0.5), ("350", 0.0), ("0.296", 0.0)):
        coordinator = Coordinator(version, now=clock)
        coordinator.submit("alice", plan=Plan(running=0, usage=Usage(cpu_seconds=2.0, failed_cpu_seconds=0.5)))
        assert coordinator.truth()["alice", ""].failed_cpu_seconds == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: c.submit("alice", plan=Plan(error="NO_SUCH_ERROR")), "NO_SUCH_ERROR: not an error"),
        (lambda c: c.submit("alice", plan=Plan(error="USER_CANCELED", ends_in="LATER")), "LATER is no phase"),
        (lambda c: c.move(c.submit("alice"), "FINISHED"), "FINISHED: not a state to be in"),
        (lambda c: c.fail(c.submit("alice"), "OOPS"), "OOPS: not an error"),
        (lambda c: Coordinator("0.296").hide("alice"), "PrestoDB shows every query"),
    ],
)
def test_what_cannot_be_is_refused(coordinator: Coordinator, call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(coordinator)


# What is listed.


@pytest.mark.parametrize(
    ("max_history", "min_expire_age", "ages", "listed"),
    [
        (100, 900, [2000, 1000], [2000, 1000]),
        (1, 900, [2000, 1000, 10], [10]),
        (2, 900, [2000, 1000, 10], [1000, 10]),
        (0, 900, [2000, 1000, 899, 10], [899, 10]),
        (0, 900, [900, 899], [899]),
        (1, 900, [800, 700, 600], [800, 700, 600]),
        (0, 0, [5, 1], []),
        (3, 0, [5, 4, 3, 2, 1], [3, 2, 1]),
    ],
)
def test_retention(max_history: int, min_expire_age: float, ages: list[float], listed: list[float]) -> None:
    """A query leaves only if it ended long enough ago and enough others ended after it."""
    clock = Clock()
    coordinator = Coordinator(now=clock, max_history=max_history, min_expire_age=min_expire_age)
    ids = {age: coordinator.submit("alice", plan=Plan(running=2), at=NOON - age - 2) for age in ages}
    coordinator.submit("alice", plan=Plan(running=math.inf), at=NOON - 9999)
    running = coordinator.submit("alice", at=NOON - 9999)
    assert set(rows(coordinator)) >= {running}
    assert set(rows(coordinator)) & set(ids.values()) == {ids[age] for age in listed}
    assert len(rows(coordinator)) == len(listed) + 2, "what has not ended stays whatever its age"
    assert coordinator.truth()["alice", ""].outcomes == {"finished": len(ages)}


def test_retention_goes_by_the_end_not_by_the_beginning(clock: Clock) -> None:
    coordinator = Coordinator(now=clock, max_history=1, min_expire_age=60)
    long_one = coordinator.submit("alice", plan=Plan(running=500))
    coordinator.submit("alice", plan=Plan(running=100))
    clock.now += 561
    assert set(rows(coordinator)) == {long_one}


def test_asking_often_or_once_lists_the_same(clock: Clock) -> None:
    """The list at a moment does not depend on earlier looks at it."""
    often, once = (Coordinator(now=clock, max_history=5, min_expire_age=30) for _ in range(2))
    for second in range(80):
        clock.now = NOON + second
        plan = Plan(running=second * 7 % 40, usage=Usage(cpu_seconds=0.1 * second))
        for coordinator in (often, once):
            coordinator.submit("alice", plan=plan)
        often.query_list()
    assert often.query_list() == once.query_list()
    assert often.truth() == once.truth()


def test_a_list_in_which_nothing_changed_is_the_same_object(coordinator: Coordinator, clock: Clock) -> None:
    """So that its compressed form is made once."""
    coordinator.submit("alice", plan=Plan(running=1))
    clock.now += 2
    before = coordinator.query_list()
    clock.now += 2
    assert coordinator.query_list() is before


def test_the_list_is_in_no_order(coordinator: Coordinator) -> None:
    ids = [coordinator.submit("alice") for _ in range(20)]
    listed = list(rows(coordinator))
    assert sorted(listed) == ids
    assert listed not in (ids, ids[::-1])


def test_a_query_of_the_future_is_not_listed_yet(coordinator: Coordinator, clock: Clock) -> None:
    query_id = coordinator.submit("alice", at=NOON + 10)
    assert rows(coordinator) == {}
    clock.now += 10
    assert list(rows(coordinator)) == [query_id]


def test_hidden_users_see_only_their_own_queries(coordinator: Coordinator) -> None:
    for user in ("alice", "bob", "carol"):
        coordinator.submit(user)
    coordinator.hide("alice", "bob")

    def users(viewer: str) -> list[str]:
        return sorted(row["session"]["user"] for row in rows(coordinator, viewer).values())

    assert users("monitor") == ["carol"]
    assert users("alice") == ["alice", "carol"]
    coordinator.show("bob")
    assert users("monitor") == ["bob", "carol"]


def test_ids_are_dense_and_begin_again_with_the_day() -> None:
    clock = Clock(NOON + 12 * 3600 - 1)
    coordinator = Coordinator(now=clock)
    suffix = coordinator.id_suffix
    first = coordinator.submit("alice")
    coordinator.burn_ids(2)
    ids = [first, coordinator.submit("alice")]
    clock.now += 1
    ids += [coordinator.submit("alice"), coordinator.submit("alice")]
    days = ("20261123_235959_00000", "20261123_235959_00003", "20261124_000000_00000", "20261124_000000_00001")
    assert ids == [f"{day}_{suffix}" for day in days]
    assert set(rows(coordinator)) == set(ids)


@pytest.mark.parametrize(
    ("version", "burnt", "number"), [("350", 99_999, 99_999), ("435", 90_000, 0), ("435", 89_999, 89_999)]
)
def test_ids_begin_again_before_they_run_out(version: str, burnt: int, number: int) -> None:
    clock = Clock()
    coordinator = Coordinator(version, now=clock)
    coordinator.burn_ids(burnt)
    clock.now += 1
    assert int(coordinator.submit("alice").split("_")[2]) == number
    if number == 99_999:
        with pytest.raises(ValueError, match="used up"):
            coordinator.submit("alice")


def test_a_restart_forgets_everything_but_the_truth(coordinator: Coordinator, clock: Clock) -> None:
    suffix = coordinator.id_suffix
    coordinator.submit("alice", "cli", plan=Plan(running=1))
    coordinator.submit("alice", "cli", plan=Plan(running=1000))
    coordinator.submit("bob")
    clock.now += 100
    coordinator.query_list()
    coordinator.restart(at=NOON)
    assert rows(coordinator) == {}
    assert coordinator.id_suffix != suffix
    assert json.loads(coordinator.info())["uptime"] == "0.00ns", "a restart cannot come before an answer already given"
    assert re.fullmatch(
        rf"\d+_\d+_00000_{coordinator.id_suffix}", coordinator.submit("alice", "cli", plan=Plan(running=1))
    )
    clock.now += 100
    truth = coordinator.truth()
    assert truth["alice", "cli"].outcomes == {"finished": 2}
    assert truth["alice", "cli"].lost == 1
    assert truth["bob", ""].lost == 1


def test_suffixes_come_from_the_seed() -> None:
    assert Coordinator(seed=1).id_suffix == Coordinator(seed=1).id_suffix != Coordinator(seed=2).id_suffix


# Who may ask.

BASIC = "Basic authentication or "


@pytest.mark.parametrize(
    ("version", "headers", "status", "body"),
    [
        ("338", {}, 401, f"{BASIC}X-Presto-User must be sent"),
        ("483", {}, 401, f"{BASIC}X-Trino-Original-User or X-Trino-User must be sent"),
        ("483", {"authorization": "Basic !!!"}, 401, f"{BASIC}X-Trino-Original-User or X-Trino-User must be sent"),
        ("483", {"authorization": "Bearer t"}, 401, f"{BASIC}X-Trino-Original-User or X-Trino-User must be sent"),
        ("338", MONITOR, 200, "[]"),
        ("483", MONITOR, 200, "[]"),
        ("338", {"authorization": "Basic bTpzZWNyZXQ="}, 401, "Password not allowed for insecure authentication"),
        ("338", {"x-presto-user": "monitor"}, 200, "[]"),
        ("338", {"x-trino-user": "monitor"}, 401, f"{BASIC}X-Presto-User must be sent"),
        ("483", {"x-trino-user": "monitor"}, 200, "[]"),
        ("483", {**MONITOR, "x-trino-user": "monitor"}, 200, "[]"),
        ("483", {**MONITOR, "x-trino-user": "alice"}, 500, "AccessDeniedException: .* cannot impersonate user alice"),
        ("483", {**MONITOR, "x-presto-user": "alice"}, 200, "[]"),
        ("0.296", {}, 200, "[]"),
        ("0.296", {"authorization": "Basic bTpzZWNyZXQ="}, 200, "[]"),
    ],
)
def test_who_is_let_in(version: str, headers: dict[str, str], status: int, body: str) -> None:
    answer = Coordinator(version, now=Clock()).answer(Request("/v1/query", headers))
    assert answer.status == status
    assert re.fullmatch(re.escape(body) if status == 200 else body, answer.body.decode())
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


def test_info_is_public_and_other_paths_are_not_there(coordinator: Coordinator) -> None:
    assert coordinator.answer(Request("/v1/info", {})).status == 200
    assert coordinator.answer(Request("/v1/cluster", MONITOR)).status == 404


@pytest.mark.parametrize(("version", "status"), [("350", 500), ("483", 500), ("0.296", 200)])
def test_a_coordinator_that_starts_does_not_list(version: str, status: int) -> None:
    coordinator = Coordinator(version, now=Clock())
    coordinator.starting = True
    assert coordinator.answer(Request("/v1/query", MONITOR)).status == status
    coordinator.starting = False
    assert coordinator.answer(Request("/v1/query", MONITOR)).status == 200

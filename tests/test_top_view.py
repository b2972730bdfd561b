"""What `top` draws, as text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType

from exporter.report.question import MEASURES, Question
from exporter.top import view
from exporter.top.answer import Answer
from exporter.top.choice import Choice
from tests.top_answers import HOSTILE, NOON, STATEMENT, answer, by_user, row
from tests.top_answers import MEASURES as SUMS

PLACE = "http://localhost:9483"
OPENED = Choice(is_opened=True, filters=(("fingerprint", "f1"),), before=Choice())
_STYLE = re.compile(r"\x1b\[[0-9;]*m")


def drawn(what: RenderableType, width: int = 80, colour: bool = False) -> list[str]:
    console = Console(file=StringIO(), width=width, force_terminal=colour, color_system="truecolor" if colour else None)
    with console.capture() as captured:
        console.print(what)
    return captured.get().removesuffix("\n").split("\n")


def picture(shown: view.Shown, width: int = 80, height: int = 24, colour: bool = False) -> list[str]:
    return drawn(Group(*view.draw(shown, width, height).lines), max(width, view.LEAST_WIDTH), colour)


def shown(answered: Answer | None, choice: Choice | None = None, **more: object) -> view.Shown:
    return replace(view.Shown(PLACE, choice or Choice(), answered, at=NOON), **more)  # type: ignore[arg-type]


def fingerprints(count: int) -> Answer:
    return answer([row(f"{at:016x}", at, template=f"SELECT {chr(97 + at % 26)} FROM t") for at in range(count)])


def test_a_picture_of_80_columns() -> None:
    assert [line.rstrip() for line in picture(shown(fingerprints(2)), height=9)] == [
        "http://localhost:9483 · cluster adhoc · 12:00:00 UTC",
        " runs  failed  CPU▼   read share        p95 change template",
        "  200      40  2.0h 3.5TiB ██▌    50%   12s  +100% SELECT a FROM t",
        "  199      40  1.0h 3.5TiB █▎     25%   12s  +100% SELECT b FROM t",
        "",
        "",
        "",
        "",
        "q quit g group o order r reverse w window c compare ↑↓ move Enter open",
    ]


def test_the_head_has_window_totals_clusters_failures_and_cpu() -> None:
    head = "\n".join(picture(shown(fingerprints(40)), 160)[:4])
    for part in ("cluster adhoc", "last 24h", "200 runs +100%", "20% failed", "2.0h CPU", "25% of it in vain"):
        assert part in head
    for part in ("3.5TiB read", "by fingerprint, most CPU first", "1–40 of 40", "since 2026-11-22 12:00 UTC"):
        assert part in head


def test_wide_terminals_show_all_columns() -> None:
    title = next(line for line in picture(shown(fingerprints(3)), 160) if "runs" in line and "share" in line)
    assert " ".join(title.split()) == (
        "fingerprint runs failed fail% CPU▼ read share p50 p95 repeats users change template"
    )


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("width", [20, 80, 200])
def test_the_ordering_measure_has_a_column_that_is_marked(measure: str, width: int) -> None:
    for descending, mark in ((True, "▼"), (False, "▲")):
        question = Question(order_by=measure, descending=descending, compare=True)
        lines = picture(shown(answer([row("f", template="SELECT 1")], question)), width)
        assert sum(mark in line for line in lines) == 1


@pytest.mark.parametrize("group", ["fingerprint", "user", "source", "table", "catalog", "type", "cluster"])
def test_each_group_names_its_column(group: str) -> None:
    key = {"type": "query_type"}.get(group, group)
    answered = replace(by_user(["x", ""]), group_by=key)
    lines = picture(shown(answered))
    assert any(line.rstrip().endswith("template" if group == "fingerprint" else group) for line in lines)
    assert any(line.rstrip().endswith("(none)") for line in lines)


def hostile() -> Answer:
    statement = STATEMENT._replace(
        template=HOSTILE * 50, query_type=HOSTILE, read=(HOSTILE, "\x1b"), written=(HOSTILE,), first_seen=1e300
    )
    rows = [
        row(HOSTILE, template=HOSTILE, statement=statement),
        row(HOSTILE, 1),
        row("a" * 100_000),
        row("日本語" * 90),
    ]
    answered = answer(rows, errors=((HOSTILE, 3),), clusters=(HOSTILE,) * 30)
    return replace(answered, rows=(*(replace(one, change=HOSTILE) for one in answered.rows),))


@pytest.mark.parametrize("group", ["fingerprint", "user", HOSTILE])
@pytest.mark.parametrize("width", [1, 20, 43, 80, 131, 400])
@pytest.mark.parametrize("height", [1, 4, 9, 10, 24, 100])
@pytest.mark.parametrize("is_opened", [False, True])
def test_no_picture_is_too_large_or_steers_the_terminal(group: str, width: int, height: int, is_opened: bool) -> None:
    filters = (("user", HOSTILE), ("fingerprint", HOSTILE))
    choice = Choice(window=HOSTILE, filters=filters, is_opened=is_opened, before=Choice())
    what = shown(replace(hostile(), group_by=group), choice, place=HOSTILE, error=HOSTILE, is_current=False)
    lines = picture(what, width, height, colour=True)
    assert len(lines) == max(height, view.LEAST_HEIGHT)
    for line in lines:
        text = _STYLE.sub("", line)
        assert text.isprintable() and "\ufe0f" not in text, repr(text)
        assert cell_len(text) <= max(width, view.LEAST_WIDTH)


def test_nothing_is_markup_or_an_emoji() -> None:
    names = ["[red]x[/red]", ":smile:", "[link=http://x]y[/link]"]
    assert [line.split()[-1] for line in picture(shown(by_user(names)))[5:8]] == names


@given(
    st.lists(st.text(st.characters()), min_size=1, max_size=5),
    st.integers(1, 250),
    st.integers(1, 60),
    st.integers(0, 9),
)
def test_pictures_of_any_names_and_sizes_keep_within_them(names: list[str], width: int, height: int, at: int) -> None:
    for choice in (Choice(cursor=at), Choice(is_opened=True, filters=(("fingerprint", names[0]),), cursor=at)):
        rows = [row(name, number, template=name) for number, name in enumerate(names)]
        lines = picture(shown(answer(rows), choice), width, height)
        assert len(lines) == max(height, view.LEAST_HEIGHT)
        assert all(cell_len(line) <= max(width, view.LEAST_WIDTH) and line.isprintable() for line in lines)


def test_wide_characters_are_cut_at_the_edge() -> None:
    line = picture(shown(by_user(["日" * 200])))[5]
    assert cell_len(line.rstrip()) <= 80 and line.rstrip().endswith("…")


@pytest.mark.parametrize("height", [4, 8, 9, 10, 11, 24, 50])
def test_a_page_is_what_is_drawn(height: int) -> None:
    frame = view.draw(shown(fingerprints(100)), 80, height)
    assert frame.extent == (view.page(height), 99)
    lines = picture(shown(fingerprints(100)), 80, height)
    assert sum("FROM t" in line for line in lines) == view.page(height)


def reversed_rows(lines: Sequence[str]) -> list[int]:
    """Return which lines of the table are in reverse video."""
    return [
        at
        for at, line in enumerate(lines)
        if "FROM t" in _STYLE.sub("", line) and re.search(r"\x1b\[[0-9;]*\b7[;m]", line)
    ]


def test_the_cursor_is_on_its_row_and_only_when_the_answer_is_to_the_choice() -> None:
    of_page = replace(fingerprints(30), offset=18)
    for answered, cursor, at in ((fingerprints(30), 0, 5), (fingerprints(30), 3, 8), (of_page, 20, 7)):
        lines = picture(shown(answered, Choice(cursor=cursor)), colour=True)
        assert reversed_rows(lines) == [at]
        stale = picture(shown(answered, Choice(cursor=cursor), is_current=False), colour=True)
        assert reversed_rows(stale) == []


def test_an_error_is_told_above_the_last_answer() -> None:
    lines = picture(shown(fingerprints(2), error="x: refused; start it"))
    assert lines[3] == "x: refused; start it" and "SELECT a FROM t" in lines[5]


def test_waiting_is_told() -> None:
    assert "asking …" in "\n".join(picture(shown(None)))
    assert "asking …" in picture(shown(fingerprints(1), is_current=False))[2]
    assert "asking …" not in picture(shown(fingerprints(1), is_current=False, error="x: y; z"))[2]
    assert "asking …" in "\n".join(picture(shown(fingerprints(1), OPENED, is_current=False)))


@pytest.mark.parametrize(
    ("more", "choice", "told"),
    [
        ({"oldest": None, "clusters": ()}, Choice(), "No usage yet"),
        ({}, Choice(), "No queries in this window."),
        ({}, Choice(filters=(("user", "x"),)), "No such queries in this window."),
    ],
)
def test_emptiness_is_explained(more: dict[str, Any], choice: Choice, told: str) -> None:
    assert told in "\n".join(picture(shown(replace(answer([]), **more), choice)))


def test_nothing_before_is_told_in_place_of_a_column_of_news() -> None:
    zeros = SUMS._replace(**dict.fromkeys(SUMS._fields, 0))
    lines = picture(shown(answer([row("a", template="x")], total_before=zeros)), 160)
    assert "nothing before to compare with" in lines[2] and not any("change" in line for line in lines)
    apart = picture(shown(answer([row("a", template="x", compared=False)], Question())), 160)
    assert not any("change" in line or "nothing before" in line for line in apart)


@pytest.mark.parametrize(
    ("change", "before", "told"),
    [
        ("new", 0.0, "new"),
        ("vanished", 5.0, "gone"),
        ("same", 7200.0, "same"),
        ("grew", 720.0, "×10"),
        ("grew", 4800.0, "+50%"),
    ],
)
def test_changes(change: str, before: float, told: str) -> None:
    answered = answer([row("f", template="SELECT")])
    one = answered.rows[0]
    assert one.before is not None
    changed = replace(one, change=change, before=one.before._replace(cpu_seconds=before))
    assert f" {told} SELECT" in picture(shown(replace(answered, rows=(changed,))))[5]


@pytest.mark.parametrize(
    ("share", "bar"), [(0, "     "), (1e-9, "▏    "), (0.1, "▌    "), (0.5, "██▌  "), (1, "█████"), (1.7, "█████")]
)
def test_bars(share: float, bar: str) -> None:
    answered = answer([row("f")])
    lines = picture(shown(replace(answered, rows=(replace(answered.rows[0], share=share),))), 78)
    assert f"TiB {bar}" in lines[5]


def test_details_tell_what_a_fingerprint_is_and_used() -> None:
    statement = STATEMENT._replace(read=("lake.s.t", "lake.s.u"), written=("lake.s.w",))
    lines = picture(shown(answer([row("f1", statement=statement, template="")]), OPENED), height=40)
    told = "\n".join(line.rstrip() for line in lines)
    for part in (
        "fingerprint f1",
        "runs     200: 150 finished, 40 failed, 10 canceled, of 3 users",
        "CPU      2.0h, 30m of it in vain; memory 2.0GiB·h",
        "elapsed  p50 340ms, p95 12s, p99 1.5m; in the queue p50 0s, p95 100ms, p99 –",
        "repeats  20 with CPU 1.0m",
        "before   200 runs with CPU 1.0h; CPU now: +100%",
        "errors   USER_CANCELED 10, SYNTAX_ERROR 40",
    ):
        assert part in told
    assert "q quit Esc back" in lines[-1]


def test_details_leave_out_what_was_not_asked_for_or_is_not_there() -> None:
    statement = STATEMENT._replace(read=(), written=(), first_seen=0.0)
    told = "\n".join(picture(shown(answer([row("f1", statement=statement, compared=False)], Question()), OPENED)))
    assert "reads    no table" in told and "first seen before that was kept" in told
    assert "writes" not in told and "before  " not in told


def test_details_show_the_template_in_its_lines() -> None:
    template = "SELECT a,\n\tb\nFROM t WHERE " + "x = ? AND " * 20 + "y"
    lines = [one.rstrip() for one in picture(shown(answer([row("f1", template=template)]), OPENED), height=40)]
    at = lines.index("SELECT a,")
    assert lines[at + 1] == "    b"
    assert " ".join(lines[at + 2 : at + 6]).split() == template.split("\n")[2].split()


def test_details_can_be_scrolled_to_their_end() -> None:
    answered = answer([row("f1", template="\n".join(f"line {number}" for number in range(100)))])
    extent = view.draw(shown(answered, OPENED), 80, 24).extent
    last = picture(shown(answered, replace(OPENED, cursor=extent.last)))
    assert last[-2].rstrip() == "line 99"
    assert picture(shown(answered, replace(OPENED, cursor=10**6))) == last
    assert extent.page == 19


def test_a_long_template_is_cut_and_says_so() -> None:
    template = "a" * (view.LONGEST_TEMPLATE + 5)
    choice = replace(OPENED, cursor=10**6)
    lines = picture(shown(answer([row("f1", template=template)]), choice))
    assert "… and 5 characters more" in lines[-2]


def test_what_was_folded_has_no_template() -> None:
    choice = replace(OPENED, filters=(("fingerprint", "other"),))
    assert "Its template is not kept" in "\n".join(picture(shown(answer([row("other")]), choice)))
    assert "No such queries" in "\n".join(picture(shown(answer([]), choice)))


def test_the_whole_table_has_all_rows_and_no_keys() -> None:
    lines = drawn(view.whole(shown(fingerprints(40)), 80))
    assert sum("FROM t" in line for line in lines) == 40
    assert not any("quit" in line for line in lines)

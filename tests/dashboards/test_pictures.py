"""The pictures of the dashboards: numbers as Grafana writes them, tables as its transformations make them."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from dashboards.build import DASHBOARDS, FOLDER
from tests.dashboards.drawing import Span, panel, rows_of
from tests.dashboards.execute import Sample
from tests.dashboards.units import ticks, written

ROOT = Path(__file__).parent.parent.parent
DASHBOARD = json.loads((FOLDER / "provisioned" / "presto-users.json").read_text("utf-8"))
HOSTILE = "<script>\"'&{{user}}$__range"


@pytest.mark.parametrize(
    ("value", "unit", "decimals", "text"),
    [
        (0, "short", None, "0"),
        (1234, "short", None, "1.23 K"),
        (1234, "short", 0, "1 K"),
        (2.5e9, "short", None, "2.5 Bil"),
        (0.125, "short", None, "0.125"),
        (1536, "bytes", None, "1.5 KiB"),
        (1 << 40, "bytes", 1, "1.0 TiB"),
        (2e6, "Bps", None, "2 MB/s"),
        (0.25, "s", None, "250 ms"),
        (90, "s", None, "1.5 mins"),
        (172800, "s", 1, "2.0 days"),
        (0.051, "percentunit", None, "5.1%"),
        (-15, "percentunit", 0, "-1500%"),
        (1500, "reqps", None, "1.5 K req/s"),
        (math.nan, "s", None, "NaN"),
        (math.inf, "s", None, "∞"),
        (3, "none", None, "3"),
        (1234567, "locale", None, "1,234,567"),
    ],
)
def test_numbers_are_written_as_grafana_writes_them(value: float, unit: str, decimals: int | None, text: str) -> None:
    assert written(value, unit, decimals) == text


@pytest.mark.parametrize("unit", ["short", "s", "bytes", "percentunit"])
@pytest.mark.parametrize("most", [0.003, 0.7, 1, 47, 3700, 9e7, 3e13])
def test_marks_of_an_axis_are_few_and_within_it(unit: str, most: float) -> None:
    marks = ticks(0, most, unit)
    assert 2 <= len(marks) <= 8
    assert all(0 <= mark <= most * 1.001 for mark in marks)


def _built(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(panel for panel in DASHBOARD["panels"] if panel["type"] == kind)
    return found


@pytest.mark.parametrize("kind", ["timeseries", "stat", "table", "bargauge", "heatmap"])
def test_what_answers_say_is_text_never_markup(kind: str) -> None:
    labels = {"presto_cluster": HOSTILE, "engine": HOSTILE, "version": "1"}
    labels |= {} if kind == "table" else {"user": HOSTILE, "le": "0.5"}
    built = {**_built(kind), "title": HOSTILE}
    answers = [[Sample(labels, [(float(at), 1.0 + at) for at in range(0, 100, 10)])] for _ in built["targets"]]
    drawn = panel(built, answers, Span(0, 100), 400, 240)
    assert "<script" not in drawn
    inside = re.sub(r"<i title=[^>]*>i</i>", "", drawn)
    ElementTree.fromstring(f"<div>{inside}</div>")


def test_rows_of_a_table_meet_by_their_labels() -> None:
    """A label that some series of an answer lack is an empty text there, as in Grafana."""
    built = {
        "targets": [{"refId": "A"}, {"refId": "B"}],
        "transformations": [
            {},
            {
                "options": {
                    "renameByName": {"user": "User", "more": "More", "Value #A": "First", "Value #B": "Second"},
                    "indexByName": {"user": 0, "more": 1, "Value #A": 2, "Value #B": 3},
                }
            },
        ],
    }
    first = [Sample({"user": "a", "more": "x"}, [(0, 1)]), Sample({"user": "b"}, [(0, 2)])]
    second = [Sample({"user": "b"}, [(0, 3)]), Sample({"user": "c"}, [(0, 4)])]
    titles, rows = rows_of(built, [first, second])
    assert titles == ["User", "More", "First", "Second"]
    assert rows == [
        {"User": "a", "More": "x", "First": 1.0},
        {"User": "b", "More": "", "First": 2.0, "Second": 3.0},
        {"User": "c", "Second": 4.0},
    ]


@pytest.mark.parametrize("uid", [dashboard.uid for dashboard in DASHBOARDS])
def test_each_dashboard_has_a_small_picture_that_is_shown(uid: str) -> None:
    picture = ROOT / "docs" / "images" / f"dashboard-{uid}.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 300 * 1024
    title = next(dashboard.title for dashboard in DASHBOARDS if dashboard.uid == uid)
    assert f"![{title}](images/{picture.name})" in (ROOT / "docs" / "dashboards.md").read_text("utf-8")

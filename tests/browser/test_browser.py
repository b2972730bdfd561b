"""The pages in Chromium: under the policy, with and without scripts, light and dark, wide and narrow, by keyboard."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest

from exporter.report.report import Statement
from tests.browser.chromium import Tab, browsing, executable
from tests.browser.site import serving
from tests.browser.usage import NOW, Usage, streams

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(executable() is None and not os.environ.get("CI"), reason="needs Chromium"),
]

HOSTILE = "<img src=x onerror=alert(1)>\"'</script><script>alert(1)</script>\u202e\x00" + "漢" * 120

IN_PARTS = "[...document.querySelectorAll({!r})]"


@pytest.fixture(scope="module")
def usage() -> Usage:
    return Usage(streams(100))


@pytest.fixture(scope="module")
def address(usage: Usage) -> Iterator[str]:
    with serving(usage.ask) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Tab]:
    with browsing() as found:
        yield found


@pytest.fixture
def tab(browser: Tab) -> Tab:
    """A tab as it is at first, wide and light."""
    browser.look(width=1400, zone="UTC")
    browser.open("about:blank")
    browser.complaints.clear()
    return browser


@pytest.fixture(scope="module")
def paths(usage: Usage) -> list[str]:
    statement = usage.ask_default().rows[1].name
    return [
        "/queries",
        "/queries?group_by=table&window=7d&order_by=input_rows",
        "/queries?user=nobody",
        f"/queries/fingerprint/{statement}",
        "/queries/user?name=dashboards",
    ]


def seen(tab: Tab, selector: str) -> int:
    """Return how many elements have room on the page."""
    found: int = tab.evaluate(f"{IN_PARTS.format(selector)}.filter(e => e.getClientRects().length).length")
    return found


def focused(tab: Tab) -> str:
    found: str = tab.evaluate("document.activeElement.outerHTML.slice(0, 60)")
    return found


def click(tab: Tab, selector: str) -> None:
    """Click in the middle of an element, as a mouse does: with or without scripts."""
    where = tab.evaluate(
        f"(() => {{ const e = document.querySelector({selector!r}); e.scrollIntoView({{ block: 'center' }}); "
        "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
    )
    for kind in ("mousePressed", "mouseReleased"):
        tab.send("Input.dispatchMouseEvent", type=kind, x=where[0], y=where[1], button="left", clickCount=1)


@pytest.mark.parametrize("dark", [False, True])
def test_nothing_breaks_the_policy_or_complains(tab: Tab, address: str, paths: list[str], dark: bool) -> None:
    tab.look(width=1400, dark=dark)
    for path in paths:
        tab.open(address + path)
        assert tab.evaluate("document.documentElement.classList.contains('js')"), "the script has run"
        assert tab.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") == "1408px", "styled"
    assert tab.complaints == []


def test_hostile_names_are_text_in_a_browser_too(tab: Tab) -> None:
    stream = streams(8)[0]
    statement = Statement("SELECT", f"SELECT {HOSTILE}", (HOSTILE,), (HOSTILE,), NOW)
    usage = Usage(
        [
            dataclasses.replace(
                stream,
                user=HOSTILE,
                source=HOSTILE,
                cluster=HOSTILE,
                error=HOSTILE,
                fingerprint="f",
                fails=0.5,
                statement=statement,
            )
        ]
    )
    with serving(usage.ask) as address:
        for path in ("/queries", "/queries?group_by=user", "/queries?group_by=table", "/queries/fingerprint/f"):
            for width in (1400, 400):
                tab.look(width=width)
                tab.open(address + path)
                assert tab.evaluate("document.querySelectorAll('img, iframe, main script, main style').length") == 0
                assert "<img src=x" in tab.evaluate("document.querySelector('main').textContent")
                assert tab.evaluate("document.documentElement.scrollWidth") <= width
        tab.open(address + "/queries?group_by=user")
        tab.expecting_load(lambda: click(tab, "table.main tbody th a"))
        assert tab.evaluate("document.querySelector('h1').textContent").startswith("<img src=x")
    assert tab.complaints == []


@pytest.mark.parametrize("width", [1400, 1100, 800, 400, 320])
def test_nothing_is_wider_than_the_window(tab: Tab, address: str, paths: list[str], width: int) -> None:
    tab.look(width=width)
    for path in paths:
        tab.open(address + path)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, path


class TestWithScript:
    def test_rows_are_filtered_as_one_types(self, tab: Tab, address: str) -> None:
        tab.open(address + "/queries")
        assert seen(tab, "table.main tbody tr") == 50
        tab.press("/")
        assert 'id="find"' in focused(tab)
        tab.type("MERGE customers")
        assert seen(tab, "table.main tbody tr") == 1
        assert tab.evaluate("document.querySelector('.find output').textContent") == "1 of 50 rows on this page"
        tab.press("Escape")
        assert seen(tab, "table.main tbody tr") == 50

    def test_keys_go_along_the_rows(self, tab: Tab, address: str) -> None:
        tab.open(address + "/queries")
        links = tab.evaluate(IN_PARTS.format("table.main tbody th a") + ".map(a => a.href)")
        walked = []
        for key in "jjkj":
            tab.press(key)
            walked.append(tab.evaluate("document.activeElement.href"))
        assert walked == [links[0], links[1], links[0], links[1]]
        tab.expecting_load(lambda: tab.press("Enter"))
        assert tab.evaluate("location.href") == links[1]

    def test_times_are_also_in_the_zone_of_the_reader(self, tab: Tab, address: str) -> None:
        tab.look(width=1400, zone="Asia/Tokyo")
        tab.open(address + "/queries")
        said = tab.evaluate("document.querySelector('time.both').textContent")
        assert said.startswith("2026-03-12 14:25 UTC (23:25")
        assert tab.evaluate("document.querySelector('time').title").startswith("11 Mar 2026, 23:00")
        tab.look(width=1400, zone="UTC")
        tab.open(address + "/queries")
        assert tab.evaluate("document.querySelector('time.both').textContent") == "2026-03-12 14:25 UTC"

    def test_a_template_is_copied_whole(self, tab: Tab, address: str, usage: Usage) -> None:
        row = usage.ask_default().rows[1]
        assert row.statement is not None
        tab.send("Browser.grantPermissions", permissions=["clipboardReadWrite"])
        tab.open(f"{address}/queries/fingerprint/{row.name}")
        click(tab, "button.copy")
        tab.until(lambda: tab.evaluate("document.querySelector('button.copy').textContent") == "Copied")
        assert tab.evaluate("navigator.clipboard.readText()") == row.statement.template

    def test_the_page_comes_again_every_minute_where_asked_for(self, tab: Tab, address: str, usage: Usage) -> None:
        pressed = "document.querySelector('.refresh').ariaPressed"
        tab.open(address + "/queries?user=ana")
        assert tab.evaluate(pressed) == "false"
        click(tab, ".refresh")
        tab.open(address + "/queries?user=dbt")
        assert tab.evaluate(pressed) == "true"
        click(tab, ".refresh")
        assert tab.evaluate(pressed) == "false"
        with browsing() as hurried:  # of a tab whose clock has once been turned there is no way back
            hurried.open(address + "/queries?user=ana")
            click(hurried, ".refresh")
            hurried.evaluate("document.activeElement.blur()")
            usage.asked.clear()
            turned = {"policy": "pauseIfNetworkFetchesPending", "budget": 61_000}
            hurried.expecting_load(lambda: hurried.send("Emulation.setVirtualTimePolicy", **turned))
            assert {question.users for question in usage.asked} == {("ana",)}

    def test_filters_fold_away_where_there_is_little_room(self, tab: Tab, address: str) -> None:
        tab.look(width=400)
        tab.open(address + "/queries")
        assert not tab.evaluate("document.querySelector('details.filters').open")
        click(tab, "details.filters summary")
        assert seen(tab, "details.filters select") > 0


class TestWithoutScript:
    def test_all_is_there_and_nothing_that_would_not_work(self, tab: Tab, address: str, paths: list[str]) -> None:
        tab.look(width=1400, scripts=False)
        for path in paths:
            tab.open(address + path)
            assert not tab.evaluate("document.documentElement.classList.contains('js')")
            assert seen(tab, ".tools, .find, .copy, .keys") == 0
            assert seen(tab, "form button") == 1
        assert tab.complaints == []

    def test_filters_orders_and_links_work(self, tab: Tab, address: str) -> None:
        tab.look(width=1400, scripts=False)
        tab.open(address + "/queries")
        click(tab, "form input[name=search]")
        tab.type("merge into")
        tab.expecting_load(lambda: tab.press("Enter"))
        assert tab.evaluate("location.search") == "?search=merge+into"
        assert seen(tab, "table.main tbody tr") == 1
        tab.expecting_load(lambda: click(tab, ".chips a"))
        assert tab.evaluate("location.search") == ""
        tab.expecting_load(lambda: click(tab, "thead th:nth-child(6) a"))
        assert tab.evaluate("location.search") == "?order_by=failed"
        assert tab.evaluate("document.querySelector('[aria-sort]').textContent") == "Failed ▼"
        tab.expecting_load(lambda: click(tab, ".views a:nth-child(2)"))
        tab.expecting_load(lambda: click(tab, "table.main tbody th a"))
        assert tab.evaluate("location.pathname") == "/queries/user"

    def test_the_form_of_a_user_stays_with_the_user(self, tab: Tab, address: str) -> None:
        tab.look(width=1400, scripts=False)
        tab.open(address + "/queries/user?name=")
        tab.expecting_load(lambda: click(tab, "form button"))
        assert tab.evaluate("document.querySelector('h1').textContent") == "(none)"


class TestReading:
    @pytest.mark.parametrize("dark", [False, True])
    def test_every_text_stands_out_from_what_is_behind_it(
        self, tab: Tab, address: str, paths: list[str], dark: bool
    ) -> None:
        """Contrast of WCAG AA: 4.5 to 1."""
        tab.look(width=1400, dark=dark)
        for path in (*paths, "/queries?window=x"):
            tab.open(address + path)
            assert tab.evaluate(FAINT) == []

    def test_light_and_dark_differ(self, tab: Tab, address: str) -> None:
        backgrounds = []
        for dark in (False, True):
            tab.look(width=1400, dark=dark)
            tab.open(address + "/queries")
            backgrounds.append(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
        light, dim = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in backgrounds]
        assert light > 600 > 150 > dim

    def test_tab_goes_through_the_page_in_order_and_is_seen(self, tab: Tab, address: str) -> None:
        tab.open(address + "/queries")
        tab.press("Tab")
        assert "skip" in focused(tab)
        assert tab.evaluate("document.activeElement.getBoundingClientRect().x") >= 0
        places = []
        for _ in range(30):
            tab.press("Tab")
            places.append(tab.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
            assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", focused(tab)
        assert places == sorted(set(places))

    def test_the_skip_link_leads_to_the_content(self, tab: Tab, address: str) -> None:
        tab.open(address + "/queries")
        tab.press("Tab")
        tab.press("Enter")
        tab.until(lambda: tab.evaluate("document.activeElement.id") == "main")
        tab.press("Tab")
        assert tab.evaluate("document.querySelector('main').contains(document.activeElement)")

    def test_a_reader_hears_landmarks_names_and_charts(self, tab: Tab, address: str, paths: list[str]) -> None:
        for path in paths:
            tab.open(address + path)
            nodes = [node for node in tab.send("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]]
            roles = [node["role"]["value"] for node in nodes]
            assert {"banner", "main", "contentinfo", "navigation", "search"} <= set(roles)
            for node in nodes:
                if node["role"]["value"] in ("link", "button", "image", "combobox", "textbox", "searchbox", "table"):
                    assert node["name"]["value"].strip(), node

    def test_tables_stay_tables_where_rows_are_stacked(self, tab: Tab, address: str) -> None:
        tab.look(width=400)
        tab.open(address + "/queries")
        roles = [node["role"]["value"] for node in tab.send("Accessibility.getFullAXTree")["nodes"]]
        assert roles.count("rowheader") >= 50
        assert roles.count("columnheader") >= 10

    def test_on_paper_there_is_only_what_can_be_read_there(self, tab: Tab, address: str) -> None:
        tab.look(width=1040)  # A4 on its side, less its margins
        tab.open(address + "/queries")
        tab.send("Emulation.setEmulatedMedia", media="print", features=[])
        assert tab.evaluate("document.documentElement.scrollWidth") <= 1040
        assert seen(tab, "form, .tools, .find, .views, .paging, .skip") == 0
        assert seen(tab, "table.main tbody tr") == 50
        printed = base64.b64decode(tab.send("Page.printToPDF", printBackground=False)["data"])
        assert printed.startswith(b"%PDF")


FAINT = """(() => {
  const known = {};
  const parts = (colour) => known[colour] ??= read(colour);
  const read = (colour) => {
    const canvas = document.createElement("canvas").getContext("2d");
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const light = ([r, g, b]) => {
    const linear = [r, g, b].map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0.99) return colour;
    }
    return [255, 255, 255, 1];
  };
  const faint = new Set();
  for (const element of document.querySelectorAll("body *")) {
    const words = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!words || !element.getClientRects().length || element.closest("svg, script, style, option")) continue;
    const [one, other] = [light(parts(getComputedStyle(element).color)), light(behind(element))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < 4.5) faint.add(`${element.tagName} ${element.className} ${contrast.toFixed(2)}`);
  }
  return [...faint];
})()"""


def test_the_driver_sees_what_a_policy_refuses(tab: Tab, address: str) -> None:
    """A page that breaks the policy is complained about: else the tests above would prove nothing."""
    tab.open(address + "/queries")
    tab.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">x</p>')")
    tab.evaluate("document.body.append(Object.assign(document.createElement('script'), { textContent: '1' }))")
    tab.until(lambda: tab.evaluate("1") and tab.complaints)
    said: list[Any] = tab.complaints
    assert "Content" in json.dumps(said)

"""The pages: nothing hostile gets out of its place, addresses say all, questions are few, and what is shown is true."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import ExporterError
from exporter.expose import page_address, page_details, page_form, page_overview, pages
from exporter.expose.page_charts import bar, charts, sparkline
from exporter.expose.page_layout import page as whole_page
from exporter.expose.page_sql import LONGEST, highlighted, one_line
from exporter.expose.page_text import MEASURES as SHOWN
from exporter.expose.page_text import count, duration, gained, memory_time, percent, size, span, text
from exporter.report import question as questions
from exporter.report.question import MEASURES, Change, Group, Question
from exporter.report.report import Measures, Moment, Percentiles, Report, Statement
from tests.browser.site import serving
from tests.browser.usage import NOW, Stream, Usage, streams
from tests.hostile_texts import HOSTILE

HOSTILE_NAMES = (
    "<script>alert(1)</script>",
    "</code></a></th></table><img src=x onerror=alert(1)>",
    "\"'><svg onload=alert(1)>",
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "--></style></script><!--",
    "&lt;b&gt; &amp; &#0; &nbsp",
    "\x00nul\x00",
    "a\nb\tc\rd",
    "\u202egnp.exe\u2066\u200b\u200f",
    "\ud800 lone \udfff",
    "../../etc/passwd?x=1&y=2#z%00%2f",
    "x" * 200,
    "漢" * 200,
    "👩‍🚀 ÄÖÜ ñ عربي",
    " ",
)
DEADLINE = 60.0

names = st.one_of(st.sampled_from(HOSTILE_NAMES), st.text(st.characters(), min_size=1, max_size=200))
"""Label values, halves of characters among them: nothing that a page is given may be trusted."""
unicode_names = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def overview_of(question: Question, ask: Callable[[Question], Report]) -> str:
    """Return the content of the overview, both parts of it."""
    return "\n".join(page_overview.content(question, ask))


class Page(HTMLParser):
    """A page as a browser reads it: elements with their attributes and text."""

    VOID = frozenset(("meta", "input", "br", "rect", "path"))

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[int, str] = {}
        """Text in an element, by its place in `elements`."""
        self.open: list[int] = []
        self.feed(html)
        self.close()
        assert self.open == [], "elements that are not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({key for key, _ in attrs}) == len(attrs), attrs
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in self.VOID:
            self.open.append(len(self.elements) - 1)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        place = self.open.pop()
        assert self.elements[place][0] == tag, f"</{tag}> closes <{self.elements[place][0]}>"

    def handle_data(self, data: str) -> None:
        for place in self.open:
            self.texts[place] = self.texts.get(place, "") + data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def text_of(self, tag: str, **attributes: str) -> list[str]:
        return [
            self.texts.get(place, "")
            for place, (name, found) in enumerate(self.elements)
            if name == tag and all(found.get(key) == value for key, value in attributes.items())
        ]


TAGS = {
    *("a", "abbr", "b", "bdi", "body", "br", "button", "caption", "code", "dd", "details", "div", "dl", "dt", "figure"),
    *("figcaption", "footer", "form", "g", "h1", "h2", "head", "header", "html", "i", "input", "kbd", "label", "li"),
    *("main", "meta", "nav", "ol", "option", "output", "p", "path", "pre", "rect", "script", "section", "select"),
    *("small", "span", "style", "summary", "svg", "table", "tbody", "td", "th", "thead", "time", "title", "tr", "ul"),
}
"""What the pages are made of."""


def assert_harmless(html: str) -> Page:
    """Return the page, of which all is what the pages are made of: no other element, handler, style or address."""
    page = Page(html)
    assert {tag for tag, _ in page.elements} <= TAGS
    for tag, attributes in page.elements:
        assert not [key for key in attributes if key.startswith("on") or key == "style"], (tag, attributes)
        for key in ("href", "action", "src", "xlink:href"):
            if key in attributes:
                assert re.match(r"/(?!/)|#|\Z", attributes[key]), attributes[key]
                assert re.fullmatch(r"[!-~]*", attributes[key]), attributes[key]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\u200b-\u200f\ud800-\udfff]", html)
    return page


def hostile_usage(name: str) -> Usage:
    """Return usage in which everything that has a name is called *name*."""
    statement = Statement(name, f"SELECT {name} FROM t", (name, "a.b.c"), (name,), NOW - 3600)
    template = streams(8)[0]
    hostile = dataclasses.replace(
        template, user=name, source=name, cluster=name, error=name, fingerprint=name, fails=0.5, statement=statement
    )
    return Usage([hostile, template])


@contextlib.contextmanager
def get_from(usage: Usage) -> Iterator[Getter]:
    with serving(usage.ask) as address:
        yield Getter(address)


class Getter:
    def __init__(self, address: str) -> None:
        self.address = address

    def __call__(self, path: str, **keywords: bool) -> requests.Response:
        return requests.get(self.address + path, timeout=DEADLINE, **keywords)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def usage() -> Usage:
    return Usage(streams(120))


@pytest.fixture(scope="module")
def get(usage: Usage) -> Iterator[Getter]:
    with get_from(usage) as getter:
        yield getter


class TestHostile:
    @pytest.mark.parametrize("name", HOSTILE_NAMES)
    def test_names_stay_text_on_every_page(self, name: str) -> None:
        usage = hostile_usage(name)
        question = Question(users=(name,), tables=(name,), search=name)
        contents = [
            overview_of(Question(), usage.ask),
            *(overview_of(Question(group_by=group), usage.ask) for group in Group),
            "".join(page_details.fingerprint(name, Question(), usage.ask) or ()),
            "".join(page_details.user(name, Question(clusters=(name,)), usage.ask) or ()),
            page_form.chips(question, page_address.overview),
            page_form.form("/queries", [("user", name), ("search", name), ("window", name), ("order", name)], (name,)),
        ]
        for content in contents:
            assert content
            assert_harmless(content)

    @pytest.mark.parametrize("name", HOSTILE_NAMES)
    def test_the_page_of_a_user_says_who_it_is(self, name: str) -> None:
        content = "".join(page_details.user(name, Question(), hostile_usage(name).ask) or ())
        (title,) = Page(content).text_of("h1")
        (expected,) = Page(f"<p>{text(name)}</p>").text_of("p")
        assert title == expected

    @given(names)
    def test_text_is_never_markup_and_never_unseen(self, value: str) -> None:
        html = text(value)
        assert not re.search("[<>\"'\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", html)
        html.encode()

    @given(names)
    def test_templates_are_shown_whole_and_as_text(self, template: str) -> None:
        assert Page(f"<pre>{highlighted(template)}</pre>").text_of("pre") == [
            Page(f"<pre>{text(template, laid_out=True)}</pre>").text_of("pre")[0]
        ]
        assert_harmless(highlighted(template))
        assert_harmless(one_line(template, 20))

    @pytest.mark.parametrize("name", HOSTILE)
    def test_templates_of_any_size_make_small_pages(self, name: str) -> None:
        stream = streams(1)[0]
        statement = stream.statement._replace(template=HOSTILE[name])
        usage = Usage([dataclasses.replace(stream, statement=statement)])
        for content in (
            overview_of(Question(), usage.ask),
            "".join(page_details.fingerprint(stream.fingerprint, Question(), usage.ask) or ()),
        ):
            assert content
            assert len(content) < 1_200_000

    def test_hostile_paths_and_queries_are_answered_over_the_wire(self, get: Getter) -> None:
        for path in (
            "/queries/fingerprint/%3Cscript%3E",
            "/queries/fingerprint/%00%ff",
            "/queries/user?name=%3Cscript%3Ealert(1)%3C/script%3E",
            "/queries/user?name=%ff%00",
        ):
            answer = get(path)
            assert answer.status_code == 404
            assert_harmless(answer.text)
        for path in (
            "/queries?%3Cscript%3E=1&window=%3Cscript%3E&order_by=%22%27&form=%00",
            "/queries?bogus=%ff&limit=-1&offset=x&until=never",
            "/queries/user",
            "/queries/user?name=a&name=b",
        ):
            answer = get(path)
            assert answer.status_code == 400
            assert_harmless(answer.text)


class TestAddresses:
    def test_every_link_leads_to_a_page(self) -> None:
        with get_from(Usage(streams(60))) as get:
            self.walk(get)

    def walk(self, get: Getter) -> None:
        seen: set[str] = set()
        pending = ["/queries", "/queries?group_by=table&window=7d", "/queries?change=vanished&order=asc&cluster=etl"]
        while pending and len(seen) < 80:
            path = pending.pop(0)
            if path in seen:
                continue
            seen.add(path)
            answer = get(path)
            assert answer.status_code == 200, path
            links = [link["href"] for link in assert_harmless(answer.text).all("a")]
            kinds = {re.sub(r"=[^&]*|fingerprint/\w+", "", link): link for link in links if link.startswith("/queries")}
            known = {re.sub(r"=[^&]*|fingerprint/\w+", "", link) for link in (*seen, *pending)}
            pending += [link for kind, link in kinds.items() if kind not in known]
        assert len(seen) > 30

    @given(
        st.builds(
            Question,
            window=st.sampled_from((3600.0, 6 * 3600.0, 5 * 3600.0, 86400.0, 7 * 86400.0, 90 * 86400.0)),
            until=st.none() | st.integers(1_700_000_000, 1_900_000_000).map(float),
            clusters=st.lists(unicode_names, max_size=2, unique=True).map(tuple),
            users=st.lists(unicode_names, max_size=3, unique=True).map(tuple),
            sources=st.lists(unicode_names, max_size=1).map(tuple),
            tables=st.lists(unicode_names, max_size=1).map(tuple),
            search=unicode_names,
            group_by=st.sampled_from(Group),
            order_by=st.sampled_from(MEASURES),
            descending=st.booleans(),
            change=st.none() | st.sampled_from(Change),
        )
    )
    def test_a_form_sent_as_it_is_asks_the_same_again(self, question: Question) -> None:
        given = questions.parameters(question)
        page = Page(page_form.form("/queries", given, ("adhoc", "etl")))
        sent = [(field["name"], field["value"]) for field in page.all("input")]
        name = ""
        for tag, attributes in page.elements:
            name = attributes["name"] if tag == "select" else name
            if tag == "option" and "selected" in attributes:
                sent.append((name, attributes["value"]))
        received = page_form.submitted(sent)
        assert received is not None
        assert questions.parse(received) == questions.parse(given)

    def test_a_form_leads_to_the_address_that_lasts(self, get: Getter) -> None:
        sent = (
            "/queries?form=1&window=24h&user=ana&source=&table=&search=&group_by=user&order_by=cpu_seconds&order=desc"
        )
        answer = get(sent, allow_redirects=False)
        assert answer.status_code == 303
        assert urlsplit(answer.headers["Location"]).path == "/queries"
        assert parse_qsl(urlsplit(answer.headers["Location"]).query) == [("user", "ana"), ("group_by", "user")]

    def test_forms_of_pages_with_names_keep_the_name(self, get: Getter) -> None:
        for name in ("", "a&b=c", "x y"):
            page = Page(page_form.form(page_address.user(Question(), name), [], (), whole=False))
            sent = page_address.encoded([(field["name"], field["value"]) for field in page.all("input")])
            answer = get(f"/queries/user?{sent}&window=7d&cluster=", allow_redirects=False)
            assert answer.status_code == 303
            query = parse_qsl(urlsplit(answer.headers["Location"]).query, keep_blank_values=True)
            assert ("name", name) in query
            assert questions.parse([item for item in query if item[0] != "name"]).window == 7 * 86400

    def test_links_to_the_data_ask_what_the_page_shows(self, get: Getter) -> None:
        page = assert_harmless(get("/queries?user=ana&window=7d&group_by=source&order_by=failed").text)
        (json,) = [link["href"] for link in page.all("a") if link.get("type") == "application/json"]
        (csv,) = [link["href"] for link in page.all("a") if link.get("type") == "text/csv"]
        question = questions.parse(parse_qsl(urlsplit(json).query))
        assert urlsplit(json).path == "/api/v1/queries"
        assert question.users == ("ana",)
        assert (question.window, question.group_by, question.order_by) == (7 * 86400, Group.SOURCE, "failed")
        assert question.compare
        assert csv == json + "&format=csv"

    def test_chips_take_one_filter_away_each(self) -> None:
        question = Question(users=("ana", ""), tables=("a.b.c",), search="join", change=Change.NEW, until=NOW)
        page = Page(page_form.chips(question, page_address.overview))
        without = [questions.parse(parse_qsl(urlsplit(link["href"]).query, True)) for link in page.all("a")]
        assert without == [
            dataclasses.replace(question, users=("",)),
            dataclasses.replace(question, users=("ana",)),
            dataclasses.replace(question, tables=()),
            dataclasses.replace(question, search=""),
            dataclasses.replace(question, change=None),
            dataclasses.replace(question, until=None),
        ]


class TestOverview:
    @pytest.mark.parametrize("query", ["", "?user=ana", "?order_by=failed", "?group_by=table&window=7d", "?offset=50"])
    def test_it_asks_at_most_three_questions(self, usage: Usage, get: Getter, query: str) -> None:
        usage.asked.clear()
        assert get(f"/queries{query}").status_code == 200
        assert 1 <= len(usage.asked) <= 3

    def test_it_is_small_whatever_the_names(self) -> None:
        base = streams(60)
        several = [
            dataclasses.replace(one, user=f"{number:03}" + "x" * 197, source="s" * 200, cluster="c" * 200)
            for number, one in enumerate(base)
        ]
        usage = Usage(several)
        for group in Group:
            content = overview_of(Question(window=7 * 86400, group_by=group, limit=1000), usage.ask)
            assert len(whole_page("Queries", content).body) < 200_000

    def test_rows_come_in_pages_of_fifty_and_lead_to_each_other(self, usage: Usage, get: Getter) -> None:
        path, seen, links = "/queries?order_by=queries", 0, {""}
        while path:
            page = assert_harmless(get(path).text)
            rows = len([cell for cell in page.all("td") if cell.get("data-label") == "Share"])
            seen += rows
            assert rows <= 50
            following = [link["href"] for link in page.all("a") if link.get("rel") == "next"]
            path = following[0] if following else ""
            assert path == "" or path not in links
            links.add(path)
        assert seen == usage.ask(Question()).groups

    def test_one_header_says_how_the_table_is_ordered_and_turns_it_round(self, get: Getter) -> None:
        page = assert_harmless(get("/queries?order_by=failed&order=asc").text)
        (header,) = [cell for cell in page.all("th") if "aria-sort" in cell]
        assert header["aria-sort"] == "ascending"
        links = [urlsplit(link["href"]).query for link in page.all("a") if link.get("title", "").startswith("Order by")]
        asked = [questions.parse(parse_qsl(link)) for link in links]
        assert [one.order_by for one in asked if one.descending] == [
            *("queries", "failed", "cpu_seconds", "input_bytes", "elapsed_seconds", "queued_seconds"),
            "repeated_cpu_seconds",
        ]

    @pytest.mark.parametrize("measure", MEASURES)
    def test_the_table_shows_what_orders_it(self, usage: Usage, measure: str) -> None:
        page = Page(overview_of(Question(order_by=measure), usage.ask))
        assert [cell for cell in page.all("th") if "aria-sort" in cell]

    def test_shares_trends_and_percentiles_are_those_of_the_report(self, usage: Usage) -> None:
        report = usage.ask(Question(compare=True, trend=True))
        html = overview_of(Question(), usage.ask)
        for row in report.rows[:50]:
            assert f"{percent(row.share)}<svg" in html
            assert f'title="{SHOWN["cpu_seconds"].exact(row.measures.cpu_seconds)}"' in html
        assert html.count('class="spark"') == 50

    def test_the_cards_name_the_first_of_each_order(self, usage: Usage) -> None:
        page = Page(overview_of(Question(), usage.ask))
        cards = page.text_of("section", **{"class": "card"})
        titles = ["What costs most", "Who causes it", "What fails most", "Why it fails", "New, against", "Repeated for"]
        assert [card.startswith(title) for card, title in zip(cards, titles, strict=True)] == [True] * 6
        user = usage.ask(Question(group_by=Group.USER)).rows[0]
        assert f"{user.name}{duration(user.measures.cpu_seconds)}" in cards[1]
        assert usage.ask(Question()).errors[0][0] in cards[3]

    @pytest.mark.parametrize("kept", [3600, 30 * 3600])
    def test_without_usage_of_all_the_window_before_nothing_is_called_new(self, kept: float) -> None:
        usage = Usage(streams(20), oldest=NOW - kept)
        html = overview_of(Question(), usage.ask)
        assert "badge new" not in html
        assert "Too little is known of the time before" in html
        assert "Nothing is compared with the 24 hours before" in html
        assert 'data-label="Change"' not in html

    def test_what_lies_ahead_of_an_hour_under_way_is_not_shown(self) -> None:
        """A report ends with its last hour, whole; the page with now."""
        usage = Usage(streams(5))
        ending = math.ceil(time.time() / 3600) * 3600.0 + 3600

        def ask(question: Question) -> Report:
            trend = (Moment(ending - 3600, Measures(1, 1)),)
            return dataclasses.replace(usage.ask(question), end=ending, trend=trend)

        with serving(ask) as address:
            html = requests.get(f"{address}/queries", timeout=DEADLINE).text
        assert time.strftime("%Y-%m-%dT%H:%M", time.gmtime(ending)) not in html
        assert 'class="partial"' in html

    def test_without_any_usage_it_says_so(self) -> None:
        html = overview_of(Question(), Usage([], oldest=None).ask)
        assert "No usage yet" in html

    def test_where_nothing_matches_it_says_how_to_go_on(self, usage: Usage) -> None:
        html = overview_of(Question(users=("nobody",)), usage.ask)
        assert "No query in this window is like that" in html
        assert "7 days" in html


class TestDetails:
    def test_a_fingerprint_has_all_its_sides(self, usage: Usage, get: Getter) -> None:
        row = usage.ask(Question()).rows[1]
        answer = get(f"/queries/fingerprint/{row.name}?window=7d")
        page = assert_harmless(answer.text)
        assert row.statement is not None
        assert page.text_of("pre") == [row.statement.template]
        assert {caption.split("  ")[0].strip() for caption in page.text_of("caption")} >= {
            "Durations of ended queries, to 5 %",
            "Who runs it",
            "With which tools",
            "On which clusters",
        }
        for table in (*row.statement.read, *row.statement.written):
            assert table in page.text_of("dl", **{"class": "facts"})[0]
        assert "of all CPU" in answer.text

    def test_a_user_has_all_their_sides(self, get: Getter) -> None:
        page = assert_harmless(get("/queries/user?name=dashboards").text)
        assert page.text_of("h1") == ["dashboards"]
        assert {caption.split("  ")[0].strip() for caption in page.text_of("caption")} >= {
            "With which tools",
            "Errors",
            "On which tables",
        }

    def test_the_user_without_a_name_has_a_page(self, get: Getter) -> None:
        page = assert_harmless(get("/queries/user?name=").text)
        assert page.text_of("h1") == ["(none)"]

    def test_what_is_not_kept_apart_has_a_page_that_says_so(self) -> None:
        other = dataclasses.replace(streams(1)[0], fingerprint="other", statement=Statement("", "", (), (), 0.0))
        html = "".join(page_details.fingerprint("other", Question(), Usage([other]).ask) or ())
        assert_harmless(html)
        assert "no longer kept apart" in html
        assert "before this was kept" in html
        assert "No query had a text that had finished before" in html
        assert "what is not kept apart" in overview_of(Question(), Usage([other]).ask)

    def test_what_is_long_is_cut_and_said_to_be(self) -> None:
        tables = tuple(f"c.s.t{number}" for number in range(100))
        statement = Statement("SELECT", "SELECT " + "a, " * 10_000, tables, (), NOW)
        stream = dataclasses.replace(streams(1)[0], statement=statement)
        html = "".join(page_details.fingerprint(stream.fingerprint, Question(), Usage([stream]).ask) or ())
        assert "and 60 more" in html
        assert f"{len(statement.template) - LONGEST:,} more characters are not shown" in html

    def test_percentiles_may_be_missing(self) -> None:
        """What has not ended yet has used CPU, but has no durations."""
        usage = Usage(streams(1))
        none = Percentiles(None, None, None)

        def ask(question: Question) -> Report:
            report = usage.ask(question)
            rows = tuple(dataclasses.replace(row, elapsed=none, queued=none, trend=()) for row in report.rows)
            return dataclasses.replace(report, rows=rows, elapsed=none, queued=none)

        for html in (
            overview_of(Question(), ask),
            "".join(page_details.fingerprint(usage.streams[0].fingerprint, Question(), ask) or ()),
        ):
            assert_harmless(html)
            assert "– · –" in html or "<td>–</td>" in html

    def test_what_did_not_run_lately_is_found_all_the_same(self, usage: Usage, get: Getter) -> None:
        gone = usage.ask(Question(change=Change.VANISHED)).rows[0]
        page = get(f"/queries/fingerprint/{gone.name}?window=1h")
        assert page.status_code == 200
        assert "No query in this window is like that" in page.text
        assert gone.statement is not None
        assert assert_harmless(page.text).text_of("pre") == [gone.statement.template]

    def test_what_the_ledger_does_not_have_is_not_found(self, get: Getter) -> None:
        for path in ("/queries/fingerprint/0123456789abcdef", "/queries/user?name=nobody"):
            answer = get(path)
            assert answer.status_code == 404
            assert "not in the ledger" in answer.text or "no query in the ledger" in answer.text

    def test_other_filters_are_refused_not_ignored(self, get: Getter) -> None:
        answer = get("/queries/user?name=ana&user=etl&window=9")
        assert answer.status_code == 400
        assert "user: not for this page" in answer.text
        assert "window" in answer.text


class TestFailures:
    def test_a_bad_question_is_told_all_that_is_wrong_and_keeps_the_form(self, get: Getter) -> None:
        answer = get("/queries?window=9y&order_by=charm&bogus=1&user=ana&search=join")
        page = assert_harmless(answer.text)
        assert answer.status_code == 400
        told = " ".join(page.text_of("li"))
        for wrong in ("window", "order_by", "bogus"):
            assert wrong in told
        fields = {field["name"]: field["value"] for field in page.all("input") if "name" in field}
        assert fields["user"] == "ana"
        assert fields["search"] == "join"
        chosen = [option["value"] for option in page.all("option") if "selected" in option]
        assert {"9y", "charm"} <= set(chosen)

    def test_a_ledger_that_does_not_answer_is_a_503_that_passes(self) -> None:
        def ask(_: Question) -> Report:
            raise ExporterError("ledger.sqlite: locked <b>; try again")

        with serving(ask) as address:
            for path in ("/queries", "/queries/fingerprint/a", "/queries/user?name=a"):
                answer = requests.get(address + path, timeout=DEADLINE)
                assert answer.status_code == 503
                assert answer.headers["Retry-After"] == "10"
                assert "ledger.sqlite: locked &lt;b&gt;; try again" in answer.text
                assert_harmless(answer.text)


class TestDocument:
    @pytest.mark.parametrize("path", ["/queries", "/queries/user?name=ana", "/queries?window=x"])
    def test_style_and_script_are_those_that_a_policy_can_name(self, get: Getter, path: str) -> None:
        answer = get(path)
        page = assert_harmless(answer.text)
        assert page.text_of("style") == [pages.STYLE]
        assert page.text_of("script") == [pages.SCRIPT]
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "</s" not in pages.STYLE + pages.SCRIPT

    @pytest.mark.parametrize("path", ["/queries", "/queries/user?name=ana", "/queries?group_by=table&window=30d"])
    def test_readers_that_do_not_see_find_their_way(self, get: Getter, path: str) -> None:
        page = assert_harmless(get(path).text)
        assert page.all("html")[0]["lang"] == "en"
        assert len(page.all("h1")) == len(page.all("main")) == len(page.all("header")) == 1
        assert page.all("a")[0] == {"class": "skip", "href": "#main"}
        assert all(cell.get("scope") in ("col", "row") for cell in page.all("th"))
        tables = len(page.all("table"))
        assert len(page.all("caption")) == tables
        for drawing in page.all("svg"):
            assert drawing.get("aria-hidden") == "true" or (drawing["role"] == "img" and drawing["aria-label"])
        identities = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
        assert len(set(identities)) == len(identities)

    def test_every_class_has_a_style(self, usage: Usage, get: Getter) -> None:
        identity = usage.ask(Question()).rows[0].name
        for path in ("/queries", f"/queries/fingerprint/{identity}", "/queries/user?name=ana"):
            for _, attributes in assert_harmless(get(path).text).elements:
                for style in attributes.get("class", "").split():
                    if style not in UNSTYLED:
                        assert f".{style}" in pages.STYLE, style

    def test_numbers_have_their_exact_values_in_titles(self, usage: Usage, get: Getter) -> None:
        total = usage.ask(Question()).total
        html = get("/queries").text
        assert f'<span title="{total.queries:,} queries">{count(total.queries)}</span>' in html
        assert f'<span title="{total.input_bytes:,.0f} bytes">{size(total.input_bytes)}</span>' in html


UNSTYLED = {"user", "source", "table", "catalog", "query_type", "cluster", "window", "change", "group_by", "order_by"}
UNSTYLED |= {"order", "trend", "refresh", "both", "local", "links", "finished", "canceled", "img"}
"""What only the script or a test looks for."""


class TestNumbers:
    @pytest.mark.parametrize(
        ("shown", "expected"),
        [
            (count(0), "0"),
            (count(999), "999"),
            (count(999.6), "1.0 k"),
            (count(1234), "1.2 k"),
            (count(12_345), "12 k"),
            (count(999_600), "1.0 M"),
            (count(4.2e15), "4.2 P"),
            (size(0), "0 B"),
            (size(1023), "1.0 KiB"),
            (size(3.4 * 2**40), "3.4 TiB"),
            (duration(0), "0 s"),
            (duration(0.34), "340 ms"),
            (duration(0.9999), "1.0 s"),
            (duration(59.96), "1.0 min"),
            (duration(4320), "1.2 h"),
            (duration(47.9 * 3600), "2.0 d"),
            (duration(3 * 86400), "3.0 d"),
            (duration(1e11), "3,169 y"),
            (memory_time(3600 * 2**30), "1.0 GiB h"),
            (percent(0), "0 %"),
            (percent(0.0004), "&lt;0.1 %"),
            (percent(0.034), "3.4 %"),
            (percent(0.34), "34 %"),
            (percent(0.9999), "99.9 %"),
            (percent(1), "100 %"),
            (percent(1.25), "125 %"),
            (gained(134, 100), "+34 %"),
            (gained(1, 2), "−50 %"),
            (gained(24, 2), "×12"),
            (gained(5, 0), ""),
            (gained(7, 7), ""),
            (span(3600), "1 hour"),
            (span(86400), "24 hours"),
            (span(7 * 86400), "7 days"),
            (span(90 * 60), "90 minutes"),
        ],
    )
    def test_numbers_are_written_for_people(self, shown: str, expected: str) -> None:
        assert shown == expected

    @given(st.floats(0, 1e20))
    def test_short_numbers_are_short_and_near(self, value: float) -> None:
        units = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
        number, _, unit = count(value).partition(" ")
        assert len(number) <= 5
        assert float(number.replace(",", "")) * units[unit] == pytest.approx(value, rel=0.06, abs=0.5)

    @given(st.floats(0, 1e12))
    def test_durations_are_short_and_near(self, value: float) -> None:
        units = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "y": 31_557_600.0}
        number, _, unit = duration(value).partition(" ")
        assert len(number) <= 6
        assert float(number.replace(",", "")) * units[unit] == pytest.approx(value, rel=0.06, abs=0.0005)

    def test_every_measure_has_a_name_and_a_unit(self) -> None:
        assert tuple(SHOWN) == MEASURES == Measures._fields


class TestCharts:
    @given(st.lists(st.tuples(*[st.integers(0, 10**9)] * 3, st.floats(0, 1e12)), max_size=40))
    def test_bars_stay_in_their_chart(self, values: Sequence[tuple[int, int, int, float]]) -> None:
        moments = [
            Moment(3600.0 * number, Measures(finished + failed, finished, failed, canceled, cpu, cpu * 2))
            for number, (finished, failed, canceled, cpu) in enumerate(values)
        ]
        page = assert_harmless(charts(moments, 3600.0, 3600.0 * len(moments)))
        assert len(page.all("g")) == 2 * len(moments)
        for shape in page.all("rect"):
            top = float(shape.get("y", 0))
            assert -2 <= top <= top + float(shape.get("height", 0)) <= 100.5

    def test_the_last_step_is_marked_while_it_goes_on(self) -> None:
        moments = [Moment(0.0, Measures(1, 1)), Moment(3600.0, Measures(1, 1))]
        assert charts(moments, 3600.0, 5000.0).count("partial") == 2
        assert charts(moments, 3600.0, 7200.0).count("partial") == 0

    def test_the_table_beside_says_the_same(self) -> None:
        moments = [Moment(0.0, Measures(9, 5, 3, 1, 7200.0, 60.0))]
        page = Page(charts(moments, 3600.0, 3600.0))
        assert page.text_of("td") == ["5", "1", "3", "2.0 h", "1.0 min"]

    @given(st.lists(st.floats(0, 1e15), max_size=200))
    def test_sparklines_are_small_whatever_they_show(self, values: Sequence[float]) -> None:
        html = sparkline(values, 'a "label" <b>')
        assert_harmless(html)
        assert len(html) < 800
        assert bool(html) == (max(values, default=0) > 0)

    @given(st.floats(allow_nan=False))
    def test_bars_are_between_nothing_and_all(self, share: float) -> None:
        (_, filled) = Page(bar(share)).all("rect")
        assert 0 <= float(filled["width"]) <= 100


def test_streams_are_what_tests_believe(usage: Usage) -> None:
    """The usage that the pages are looked at with has every case."""
    assert isinstance(usage.streams[0], Stream)
    report = usage.ask(Question(compare=True, limit=1000))
    assert {row.change for row in report.rows} >= {Change.NEW, Change.GREW, Change.SHRANK, Change.SAME}
    assert report.errors
    assert report.total.repeated_queries


class TestStreaming:
    """The overview begins before all of it is known."""

    def test_the_first_part_costs_one_question(self, usage: Usage) -> None:
        asked = []

        def ask(question: Question) -> Report:
            asked.append(question)
            return usage.ask(question)

        parts = page_overview.content(Question(), ask)
        beginning = next(parts)
        assert len(asked) == 1
        assert "<form" in beginning and "Queries per" in beginning
        assert 'id="table"' in "".join(parts)

    def test_a_ledger_that_falls_silent_in_between_is_told_in_the_page(self, usage: Usage) -> None:
        asked = []

        def ask(question: Question) -> Report:
            asked.append(question)
            if len(asked) > 1:
                raise ExporterError("ledger.sqlite: usage cannot be read <now>; ask again")
            return usage.ask(question)

        with serving(ask) as address:
            answer = Getter(address)("/queries")
        assert answer.status_code == 200
        assert "usage cannot be read &lt;now&gt;; ask again" in answer.text
        assert answer.text.rstrip().endswith("</html>")

"""Queries in the documents, in blocks and in the text: they parse, name what exists, and a Prometheus answers them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import promql_parser
import yaml

from exporter.catalogue import HISTOGRAMS
from tests.docs.documents import BLOCKS, SPANS
from tests.docs.names import OF_OTHERS, OF_THE_RULES, SAMPLES
from tests.docs.snippets import tool
from tests.docs.stage import Stage
from tests.exporter_process import wait_until
from tests.test_alerts import SAMPLES as LABELS_OF
from tests.test_alerts import check_expression, selectors

Query = tuple[str, str]
"""Where it is, and what."""
_NAMES = (SAMPLES | OF_THE_RULES) - {metric.name for metric in HISTOGRAMS}
_CALL = re.compile(
    r"\b(rate|increase|sum|topk|bottomk|max|min|avg|count|histogram_quantile|changes|delta) ?(by |\()[^)]"
)
_LABELS = re.compile(r"(\w+)\{([a-z_]+(?:, [a-z_]+)*)\}")
CLOSED = {
    "state": "blocked dispatching finishing planning queued running starting waiting_for_prerequisites "
    "waiting_for_resources",
    "error_type": "USER_ERROR INTERNAL_ERROR INSUFFICIENT_RESOURCES EXTERNAL UNKNOWN",
}
"""Values of labels that the engines fill."""


def parses(text: str) -> bool:
    try:
        promql_parser.parse(text)
    except ValueError:
        return False
    return True


def in_block(text: str) -> Iterator[str]:
    """Yield the queries of a block: its lines, or, where one does not stand alone, all lines up to an empty one."""
    for paragraph in re.split(r"\n\s*\n", re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)):
        lines = [line for line in paragraph.splitlines() if line.strip()]
        yield from lines if all(map(parses, lines)) else ["\n".join(lines)]


def is_query(text: str) -> bool:
    """True if code in the text is a query, or is meant to be one."""
    if "…" in text or "{{" in text or _LABELS.fullmatch(text):
        return False
    begins = re.match(r"[\w:]+(?=$|[ {\[])", text)
    if re.fullmatch(r"(sum|max|min|avg|count) by \([a-z_, ]+\)", text):
        return False  # the beginning of one
    return (begins is not None and begins[0] in _NAMES) or bool(_CALL.search(text))


def queries() -> Iterator[Query]:
    for block in BLOCKS:
        if block.kind == "promql":
            yield from ((block.place, query) for query in in_block(block.text))
    yield from ((span.place, span.text) for span in SPANS if is_query(span.text))


QUERIES = list({text: (place, text) for place, text in reversed(list(queries()))}.values())[::-1]
"""Each where it comes first."""


def test_every_query_is_of_metrics_labels_and_values_that_exist() -> None:
    for place, query in QUERIES:
        assert parses(query), f"{place}: {query}"
        for selector in selectors(query):
            if selector.name not in OF_THE_RULES | OF_OTHERS:
                check_expression(str(selector))
                for matcher in selector.matchers.matchers:
                    closed = CLOSED.get(matcher.name)
                    assert closed is None or set(matcher.value.split("|")) <= set(closed.split()), f"{place}: {query}"


def test_every_list_of_labels_is_of_its_metric() -> None:
    for span in SPANS:
        if match := _LABELS.fullmatch(span.text):
            assert set(match[2].split(", ")) <= LABELS_OF[match[1]], span


def test_abbreviated_names_stand_for_some_metric() -> None:
    for span in SPANS:
        if match := re.fullmatch(r"…(_\w+)", span.text):
            assert any(name.endswith(match[1]) for name in SAMPLES), span


def test_promtool_takes_every_query(tmp_path: Path) -> None:
    """As the expressions of rules, all in one file."""
    rules = [{"record": f"query:{index}:{index}", "expr": query} for index, (_, query) in enumerate(QUERIES)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "documents", "rules": rules}]}))
    ended = subprocess.run(
        [tool("promtool"), "check", "rules", "--lint=none", tmp_path / "rules.yml"], capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr


MOMENTARY = {
    r'state=~?"[a-z_|]+"': "of the states of queries in flight, each is there now and then",
    r'error_name="\w+"': "the demo has no such errors within seconds",
}
"""What a short demo may not have, and why: without it the same query has an answer."""


def test_prometheus_answers_every_query_with_something(tried_on: Stage) -> None:
    prometheus = tried_on.prometheus
    if prometheus is None:
        tool("prometheus")
        return
    prometheus.wait_for_records()
    for place, query in QUERIES:
        lenient = re.sub(rf"({'|'.join(MOMENTARY)})(, *)?", "", query)  # a comma at the end is allowed
        answers = [partial(prometheus.ask, each) for each in (query, lenient)]
        wait_until(partial(any_of, answers), f"an answer to {place}: {query}")


def any_of(answers: Iterable[Callable[[], list[Any]]]) -> bool:
    """Return whether one of them is something."""
    return any(answer() for answer in answers)

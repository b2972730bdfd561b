from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import prometheus_client
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from bench import scrape
from exporter.catalogue import CATALOGUE, Kind, Metric
from exporter.expose.text import Exposition

Sample = tuple[str, tuple[str, ...], float]

QUERIES = Metric("t_queries_total", Kind.COUNTER, 'Help with "quotes", a \\ and a\nsecond line.', ("zone", "user"))
DURATION = Metric("t_duration_seconds", Kind.HISTOGRAM, "How long.", ("outcome",), buckets=(0.5, 10.0))
IN_FLIGHT = Metric("t_in_flight", Kind.GAUGE, "In flight.", ("cluster", "state"))
INFO = Metric("t_info", Kind.GAUGE, "What it is.", ("version",))
BARE = Metric("t_ledger_bytes", Kind.GAUGE, "No labels.", ())
METRICS = (QUERIES, DURATION, IN_FLIGHT, INFO, BARE)
NAMES = frozenset(
    {
        "t_queries_total",
        "t_duration_seconds_bucket",
        "t_duration_seconds_sum",
        "t_duration_seconds_count",
        "t_in_flight",
        "t_info",
        "t_ledger_bytes",
    }
)
"""The samples of METRICS: what belongs to the process changes from scrape to scrape."""

render_openmetrics: Callable[[object], bytes] = openmetrics_exposition.generate_latest

HOSTILE = [
    "",
    " ",
    'quote"d',
    "back\\slash",
    "back\\\\slash\\",
    "new\nline",
    "\\n",
    '\\"',
    "carriage\rreturn\r\n",
    "emoji 🦆",
    "nul\0",
    "next\x85line",
    "line\u2028separator\u2029",
    "vertical\x0b\x0c\x1c\x1d\x1etabs",
    "%s %d {}",
    'a="b",c="d"} 7\nt_queries_total{zone="',
    "# EOF",
    "x" * 1_000_000,
]


def histogram(outcome: str, *cumulative: float, total: float) -> list[Sample]:
    """Return the samples of one histogram of DURATION, in the order of the format."""
    buckets = zip(("0.5", "10.0", "+Inf"), cumulative, strict=True)
    return [
        *[("t_duration_seconds_bucket", (outcome, le), count) for le, count in buckets],
        ("t_duration_seconds_count", (outcome,), cumulative[-1]),
        ("t_duration_seconds_sum", (outcome,), total),
    ]


class Given:
    """A collector of given samples, for prometheus_client to render."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = list(samples)

    def describe(self) -> Iterator[Family]:
        """Yield what a registry needs to know the names."""
        for metric in METRICS:
            yield Family(metric.name.removesuffix("_total"), metric.help, metric.kind)

    def collect(self) -> Iterator[Family]:
        """Yield the families that have samples, in the order of METRICS."""
        for metric, family in zip(METRICS, self.describe(), strict=True):
            for name, labels, value in self._samples:
                if name == metric.name or (metric.kind is Kind.HISTOGRAM and name.startswith(metric.name)):
                    names = (*metric.labels, "le") if name.endswith("_bucket") else metric.labels
                    family.add_sample(name, dict(zip(names, labels, strict=True)), value)
            if family.samples:
                yield family


def reference(samples: Iterable[Sample], openmetrics: bool, names: Iterable[str] | None = None) -> bytes:
    """Return what prometheus_client makes of the samples."""
    registry = CollectorRegistry()
    registry.register(Given(samples))
    chosen = registry if names is None else registry.restricted_registry(names)
    return render_openmetrics(chosen) if openmetrics else generate_latest(chosen)


def text(exposition: Exposition, openmetrics: bool = False, names: frozenset[str] = NAMES) -> bytes:
    return b"".join(exposition.render(openmetrics, names))


def exposition(counters: Iterable[Sample] = (), gauges: Iterable[Sample] = ()) -> Exposition:
    made = Exposition(METRICS)
    made.counters(counters)
    by_name: dict[str, list[tuple[Sequence[str], float]]] = {}
    for name, labels, value in gauges:
        by_name.setdefault(name, []).append((labels, value))
    made.replace("adhoc", by_name)
    return made


COUNTERS: list[Sample] = [
    ("t_queries_total", ("eu", "ann"), 3),
    *histogram("finished", 1, 2, 4, total=99.25),
    ("t_queries_total", ("us", "bob"), 1e21),
    *histogram("failed", 0, 0, 0, total=0.0),
]
GAUGES: list[Sample] = [
    ("t_in_flight", ("adhoc", "running"), 2),
    ("t_in_flight", ("adhoc", "queued"), float("nan")),
    ("t_info", ("476",), 1),
    ("t_ledger_bytes", (), 1234567.0),
]


@pytest.mark.parametrize("openmetrics", [False, True])
class TestFormat:
    def test_every_byte_is_prometheus_clients(self, openmetrics: bool) -> None:
        made = exposition(COUNTERS, GAUGES)
        assert text(made, openmetrics) == reference([*COUNTERS, *GAUGES], openmetrics)

    @pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
    def test_hostile_label_values_read_as_prometheus_clients_and_back(self, openmetrics: bool, value: str) -> None:
        counters = [("t_queries_total", ("eu", value), 1.0), ("t_queries_total", (value, value), 2.0)]
        gauges = [("t_info", (value,), 1.0)]
        rendered = text(exposition(counters, gauges), openmetrics)
        assert rendered == reference([*counters, *gauges], openmetrics)
        parse = parse_openmetrics if openmetrics else parse_text
        read = [sample for family in parse(rendered.decode()) for sample in family.samples]
        assert [(sample.name, sample.labels, sample.value) for sample in read] == [
            ("t_queries_total", {"zone": "eu", "user": value}, 1.0),
            ("t_queries_total", {"zone": value, "user": value}, 2.0),
            ("t_info", {"version": value}, 1.0),
        ]

    @settings(deadline=None)
    @given(labels=st.tuples(st.text(), st.text()), value=st.floats())
    def test_any_sample_is_prometheus_clients(self, openmetrics: bool, labels: tuple[str, str], value: float) -> None:
        counters = [("t_queries_total", labels, value)]
        assert text(exposition(counters), openmetrics) == reference(counters, openmetrics)

    def test_lone_surrogates_are_replaced_and_stay_apart(self, openmetrics: bool) -> None:
        made = exposition([("t_queries_total", ("eu", "\ud800"), 1), ("t_queries_total", ("eu", "\udfff"), 2)])
        lines = text(made, openmetrics).decode().splitlines()
        assert lines[2:4] == [
            r't_queries_total{user="\\ud800",zone="eu"} 1.0',
            r't_queries_total{user="\\udfff",zone="eu"} 2.0',
        ]

    @pytest.mark.parametrize(
        "names",
        [
            {"t_queries_total"},
            {"t_duration_seconds_bucket"},
            {"t_duration_seconds_sum", "t_duration_seconds_count"},
            {"t_duration_seconds_sum", "t_info"},
            {"t_ledger_bytes"},
            {"t_queries", "t_queries_created", "t_duration_seconds", "t_duration", "t", "", "nothing"},
        ],
    )
    def test_names_select_what_prometheus_client_selects(self, openmetrics: bool, names: set[str]) -> None:
        made = exposition(COUNTERS, GAUGES)
        assert text(made, openmetrics, frozenset(names)) == reference([*COUNTERS, *GAUGES], openmetrics, names)

    def test_gzip_is_the_same_text(self, openmetrics: bool) -> None:
        made = exposition(COUNTERS, GAUGES)
        assert gzip.decompress(b"".join(made.render_gzip(openmetrics, NAMES))) == text(made, openmetrics)

    def test_the_processs_own_metrics_are_those_of_prometheus_client(self, openmetrics: bool) -> None:
        made = exposition(COUNTERS)
        parse = parse_openmetrics if openmetrics else parse_text
        families = {family.name: family for family in parse(b"".join(made.render(openmetrics)).decode())}
        assert families.keys() >= {family.name for family in prometheus_client.REGISTRY.collect()}
        assert families["process_resident_memory_bytes"].samples[0].value > 0
        only = [*parse(text(made, openmetrics, frozenset({"python_info", "t_queries_total"})).decode())]
        assert [family.name for family in only] == ["t_queries", "python_info"]

    def test_the_form_is_golden(self, openmetrics: bool) -> None:
        """A small exposition of the catalogue; ``UPDATE=1 pytest`` rewrites the files."""
        made = Exposition(CATALOGUE)
        made.counters(
            [
                ("presto_user_queries_total", ("adhoc", "ann", "superset", outcome), value)
                for outcome, value in (("finished", 41), ("failed", 2), ("canceled", 0))
            ]
        )
        made.counters(
            [
                ("presto_user_query_cpu_seconds_total", ("adhoc", 'o"hara\\\n', ""), 1234567.5),
                ("presto_query_duration_seconds_bucket", ("adhoc", "finished", "0.1"), 40),
                ("presto_query_duration_seconds_bucket", ("adhoc", "finished", "+Inf"), 41),
                ("presto_query_duration_seconds_sum", ("adhoc", "finished"), 3.75),
                ("presto_query_duration_seconds_count", ("adhoc", "finished"), 41),
            ]
        )
        made.replace("adhoc", {"presto_up": [(("adhoc",), 1)]})
        made.replace("", {"presto_exporter_ledger_size_bytes": [((), 4096)]})
        shown = frozenset(
            {"presto_user_queries_total", "presto_user_query_cpu_seconds_total", "presto_up"}
            | {f"presto_query_duration_seconds_{part}" for part in ("bucket", "sum", "count")}
            | {"presto_exporter_ledger_size_bytes"}
        )
        golden = Path(__file__).parent / "golden" / ("openmetrics.txt" if openmetrics else "exposition.txt")
        if os.environ.get("UPDATE"):
            golden.write_bytes(text(made, openmetrics, shown))
        assert text(made, openmetrics, shown) == golden.read_bytes()


def test_families_without_samples_are_left_out() -> None:
    assert text(Exposition(METRICS)) == b""
    assert text(Exposition(METRICS), openmetrics=True) == b"# EOF\n"


UPDATES = st.lists(
    st.lists(
        st.tuples(
            st.just("t_queries_total"), st.tuples(st.sampled_from("ab"), st.integers(0, 900).map(str)), st.floats()
        ),
        max_size=600,
    ),
    max_size=4,
)


@settings(max_examples=40, deadline=None)
@given(UPDATES)
def test_after_any_updates_every_series_has_its_last_value_in_order_of_arrival(updates: list[list[Sample]]) -> None:
    made = Exposition(METRICS)
    last: dict[tuple[str, tuple[str, ...]], float] = {}
    for samples in updates:
        made.counters(samples)
        last.update({(name, labels): value for name, labels, value in samples})
        expected = reference([(name, labels, value) for (name, labels), value in last.items()], openmetrics=False)
        assert text(made) == expected
        assert gzip.decompress(b"".join(made.render_gzip(False, NAMES))) == expected


def test_histograms_stay_in_one_piece_when_others_arrive_later() -> None:
    made = Exposition(METRICS)
    samples = [sample for n in range(200) for sample in histogram(f"outcome-{n}", 1, 2, n + 2, total=n)]
    made.counters(samples[:500])
    made.counters(samples[500:])
    grown = [(name, labels, value + 1) for name, labels, value in samples]
    made.counters(reversed(grown))
    assert text(made, openmetrics=True) == reference(grown, openmetrics=True)


def test_an_update_makes_anew_only_the_blocks_in_which_a_value_changed() -> None:
    """So the rest need not be deflated again."""
    made = Exposition(METRICS)
    made.counters([("t_queries_total", ("eu", str(n)), n) for n in range(1000)])
    _head, *before, _process = made.render(False, NAMES)
    made.counters([("t_queries_total", ("eu", "500"), 1_000_000), ("t_queries_total", ("eu", "7"), 7)])
    _head, *after, _process = made.render(False, NAMES)
    assert [old is new for old, new in zip(before, after, strict=True)] == [True, False, True, True]


def test_a_group_replaces_only_its_own_samples_of_the_metrics_named() -> None:
    made = Exposition(METRICS)
    made.replace("a", {"t_in_flight": [(("a", "running"), 1), (("a", "queued"), 1)], "t_info": [(("a",), 1)]})
    made.replace("b", {"t_in_flight": [(("b", "running"), 2)]})
    made.replace("a", {"t_in_flight": [(("a", "blocked"), 3)]})
    assert text(made) == reference(
        [("t_in_flight", ("a", "blocked"), 3), ("t_in_flight", ("b", "running"), 2), ("t_info", ("a",), 1)], False
    )


def test_a_group_that_is_dropped_or_empty_is_gone_with_its_families_while_counters_stay() -> None:
    made = exposition(COUNTERS, GAUGES)
    made.replace("b", {"t_in_flight": [(("b", "running"), 2)]})
    made.drop("adhoc")
    assert text(made) == reference([*COUNTERS, ("t_in_flight", ("b", "running"), 2)], False)
    made.replace("b", {"t_in_flight": []})
    made.drop("never seen")
    assert text(made) == reference(COUNTERS, False)


def test_many_gauges_of_many_groups_are_all_there() -> None:
    samples = [("t_in_flight", (f"cluster-{group}", f"state-{n}"), n) for group in range(5) for n in range(group * 400)]
    made = Exposition(METRICS)
    for group in range(5):
        mine = [(labels, value) for _, labels, value in samples if labels[0] == f"cluster-{group}"]
        made.replace(str(group), {"t_in_flight": mine})
    assert text(made) == reference(samples, False)
    before = made.render(False, NAMES)
    made.replace("4", {"t_in_flight": [(labels, value) for _, labels, value in samples if labels[0] == "cluster-4"]})
    assert all(old is new for old, new in zip(before, made.render(False, NAMES), strict=True))


@pytest.mark.parametrize(
    ("sample", "error"),
    [
        (("t_unknown_total", ("eu", "ann"), 1.0), KeyError),
        (("t_in_flight", ("adhoc", "running"), 1.0), KeyError),
        (("t_duration_seconds", ("finished",), 1.0), KeyError),
        (("t_queries_total", ("eu",), 1.0), ValueError),
        (("t_queries_total", ("eu", "new", "superset"), 1.0), ValueError),
    ],
)
def test_a_counter_that_is_not_the_catalogues_is_refused_and_spoils_nothing(
    sample: Sample, error: type[Exception]
) -> None:
    made = exposition([("t_queries_total", ("eu", "ann"), 1)])
    with pytest.raises(error):
        made.counters([("t_queries_total", ("eu", "bob"), 2), sample, ("t_queries_total", ("eu", "cid"), 3)])
    made.counters([("t_queries_total", ("eu", "ann"), 4), ("t_queries_total", ("eu", "dot"), 5)])
    expected = [("t_queries_total", ("eu", user), value) for user, value in (("ann", 4.0), ("bob", 2.0), ("dot", 5.0))]
    assert text(made) == reference(expected, False)


@pytest.mark.parametrize("bad", [{"t_queries_total": [(("eu", "ann"), 1.0)]}, {"t_info": [(("a", "b"), 1.0)]}])
def test_a_gauge_that_is_not_the_catalogues_is_refused_and_changes_nothing(
    bad: dict[str, list[tuple[Sequence[str], float]]],
) -> None:
    made = exposition([], GAUGES)
    before = text(made)
    with pytest.raises((KeyError, ValueError)):
        made.replace("adhoc", {"t_in_flight": [], **bad})
    assert text(made) == before


def test_a_scrape_sees_each_call_whole_while_others_publish() -> None:
    """Four threads publish to series of their own, always one value to all; a scrape never finds two values of one."""
    made = Exposition(METRICS)
    rounds, series = 40, 600
    done = threading.Event()
    torn: list[str] = []

    def publish(publisher: int) -> None:
        for value in range(rounds):
            made.counters([("t_queries_total", (str(publisher), str(n)), value) for n in range(series)])
            made.replace(str(publisher), {"t_in_flight": [((str(publisher), str(n)), value) for n in range(series)]})

    def read() -> None:
        while not done.is_set():
            scraped = gzip.decompress(b"".join(made.render_gzip(False, NAMES))).decode()
            values: dict[tuple[str, str], list[float]] = {}
            for family in parse_text(scraped):
                for sample in family.samples:
                    publisher = sample.labels.get("zone") or sample.labels["cluster"]
                    values.setdefault((family.name, publisher), []).append(sample.value)
            torn.extend(str(key) for key, found in values.items() if len(set(found)) != 1 or len(found) != series)

    publishers = [threading.Thread(target=publish, args=(n,)) for n in range(4)]
    reader = threading.Thread(target=read)
    for thread in (reader, *publishers):
        thread.start()
    for thread in publishers:
        thread.join()
    done.set()
    reader.join()
    assert not torn
    final = [("t_queries_total", (str(p), str(n)), rounds - 1) for p in range(4) for n in range(series)]
    assert sorted(text(made, names=frozenset({"t_queries_total"})).splitlines()) == sorted(
        reference(final, False).splitlines()
    )


def test_a_scrape_costs_at_most_a_twentieth_of_generate_latest_and_little_memory() -> None:
    costs = scrape.measure(series=4_000, rounds=3)
    assert costs.plain.best <= 0.05 * costs.reference.best
    assert costs.gzip.best <= 0.05 * costs.reference.best
    assert costs.memory_bytes <= 700 * 4_000

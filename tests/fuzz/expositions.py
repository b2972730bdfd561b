"""Label values and numbers on their way through the exposition, read back by prometheus_client's parsers."""

from __future__ import annotations

import gzip
import math
import struct
from collections.abc import Callable, Iterable, Iterator

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.catalogue import Kind, Metric
from exporter.expose.text import Exposition
from tests.fuzz.target import Target

COUNTER = Metric("t_queries_total", Kind.COUNTER, 'Help with "quotes", a \\ and a\nsecond line.', ("zone", "user"))
GAUGE = Metric("t_in_flight", Kind.GAUGE, "In flight.", ("cluster", "state"))
NAMES = frozenset({COUNTER.name, GAUGE.name})

Samples = dict[tuple[str, tuple[str, ...]], float]
_READABLE = 20_000
"""Bytes; prometheus_client's parser takes minutes for a megabyte of quotes."""
_Parser = Callable[[str], Iterable[Family]]


def check(data: bytes) -> None:
    """*data* as things that happen to an exposition; after each it shows what a dictionary would hold."""
    exposition = Exposition((COUNTER, GAUGE))
    counters: Samples = {}
    gauges: dict[str, Samples] = {}
    for what, first, second, value in _steps(data):
        labels = (first, second)
        group = first[:1]
        match what % 4:
            case 0:
                exposition.counters([(COUNTER.name, labels, value), (COUNTER.name, labels[::-1], value)])
                counters |= {(COUNTER.name, labels): value, (COUNTER.name, labels[::-1]): value}
            case 1:
                exposition.withdraw([(COUNTER.name, labels)])
                counters.pop((COUNTER.name, labels), None)
            case 2:
                exposition.replace(group, {GAUGE.name: [((group, second), value)]})
                gauges[group] = {(GAUGE.name, (group, second)): value}
            case 3:
                exposition.drop(group)
                gauges.pop(group, None)
    expected = _encodable({key: value for samples in (counters, *gauges.values()) for key, value in samples.items()})
    if expected is None or len(data) > _READABLE:
        return
    for openmetrics, parse in ((False, parse_text), (True, parse_openmetrics)):
        text = b"".join(exposition.render(openmetrics, NAMES))
        assert gzip.decompress(b"".join(exposition.render_gzip(openmetrics, NAMES))) == text
        if not openmetrics or not any(value < 0 or value != value for value in counters.values()):
            _compare(_read(text.decode(), parse), expected)


def _compare(found: Samples, expected: Samples) -> None:
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key] == value or (math.isnan(value) and math.isnan(found[key])), key


def _steps(data: bytes) -> Iterator[tuple[int, str, str, float]]:
    """Yield a number, two label values and a sample's value for each three lines of *data*."""
    lines = data.split(b"\n\n")
    for at in range(0, len(lines) - 2, 3):
        head, first, second = lines[at : at + 3]
        value = struct.unpack("<d", head[1:9].ljust(8, b"\x00"))[0]
        yield (head or b"\x00")[0], _text(first), _text(second), value


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _encodable(samples: Samples) -> Samples | None:
    r"""Return *samples* with lone surrogates as ``\udXXX``; None if two become one by that."""
    shown = {
        (name, tuple(label.encode(errors="backslashreplace").decode() for label in labels)): value
        for (name, labels), value in samples.items()
    }
    return shown if len(shown) == len(samples) else None


def _read(text: str, parse: _Parser) -> Samples:
    samples: Samples = {}
    for family in parse(text):
        for sample in family.samples:
            metric = COUNTER if sample.name == COUNTER.name else GAUGE
            key = (sample.name, tuple(sample.labels[label] for label in metric.labels))
            assert key not in samples, key
            samples[key] = sample.value
    return samples


def _render(data: bytes) -> None:
    exposition = Exposition((COUNTER, GAUGE))
    for _, first, second, value in _steps(data):
        exposition.counters([(COUNTER.name, (first, second), value)])
    exposition.render(True, NAMES)


def seeds() -> list[bytes]:
    """Return a few steps with hostile label values."""
    values = ['quote"d', "back\\slash\\", "new\nline", "\\n", "carriage\rreturn\r\n", "# EOF", "nul\0", "\u2028\x85"]
    values += ['a="b",c="d"} 7\nt_queries_total{zone="', "", "%s %d {}", "🦆", "x" * 300]
    steps = [
        bytes([number % 4]) + struct.pack("<d", float(number)) + b"\n\n" + first.encode() + b"\n\n" + second.encode()
        for number, (first, second) in enumerate(zip(values, [*values[1:], values[0]], strict=True))
    ]
    return [b"\n\n".join(steps), *steps, b"", steps[0] + b"\n\n" + steps[0]]


def large() -> dict[str, bytes]:
    """Return label values of up to a megabyte."""
    one = b"\x00" + struct.pack("<d", 1.0)
    return {
        "a label": one + b"\n\n" + b"a" * 900_000 + b"\n\n",
        "quotes": one + b"\n\n" + b'"' * 900_000 + b"\n\n",
        "backslashes": one + b"\n\n" + b"\\" * 900_000 + b"\n\n",
        "surrogates": one + b"\n\n" + b"\xed\xa0\x80" * 300_000 + b"\n\n",
        "series": b"\n\n".join(one + b"\n\na%d\n\nb" % number for number in range(3_000)),
    }


TARGET = Target(
    check=check,
    seeds=seeds,
    tokens=[b"\n\n", b'"', b"\\", b"\n", b"}", b"{", b",", b"=", b"# EOF", b"\xed\xa0\x80", b"\\udc80", b"\x00" * 9],
    large=large,
    work=_render,
    plain=lambda data: data.decode("utf-8", "replace").split("\n\n"),
    multiple=100.0,
    longest=3_000,
)

"""The exposition, kept rendered: a scrape only collects bytes.

Lines live in blocks. A block never changes: a new value makes a new block, in which only that line is written anew,
and a call publishes all that it made by one assignment. So a scrape takes no lock, waits for nobody, and sees each call
whole or not at all. A line reads the same in both formats; only the head of its family differs. Each block is deflated
when a gzip scrape first meets it, and keeps that.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, exposition, utils
from prometheus_client.openmetrics import exposition as openmetrics_exposition

from exporter.catalogue import Kind, Metric
from exporter.expose.deflate import Deflated, deflate, gzip_member

_LINES = 256  # of a block; fewer leave less to deflate anew after a change, and more to do for every scrape
_SMALL = 1 << 16  # bytes; the groups of a family share a block until they are larger than this

_number: Callable[[float], str] = utils.floatToGoString
_openmetrics: Callable[[object], bytes] = openmetrics_exposition.generate_latest


class Block:
    """Whole lines, and the same deflated once somebody asked."""

    __slots__ = ("_deflated", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self._deflated: Deflated | None = None

    @property
    def deflated(self) -> Deflated:
        """The lines as a part of a gzip member; two scrapes at once may both make it, and make the same."""
        if self._deflated is None:
            self._deflated = deflate(self.text)
        return self._deflated


class Exposition:
    """Every sample of a catalogue's metrics as last published, and the process's own. Any thread may call anything."""

    def __init__(self, catalogue: Sequence[Metric]) -> None:
        self._families = [_Family(metric) for metric in catalogue]
        self._gauges = {family.metric.name: family for family in self._families if family.metric.kind is Kind.GAUGE}
        self._counters = {
            series.name: (family, series)
            for family in self._families
            if family.metric.kind is not Kind.GAUGE
            for series in family.series
        }
        self._label_values: dict[str, str] = {}
        self._published: tuple[tuple[_Family, tuple[Block, ...]], ...] = ()
        self._writing = threading.Lock()
        self._process = CollectorRegistry(auto_describe=True)
        GCCollector(registry=self._process)
        PlatformCollector(registry=self._process)
        ProcessCollector(registry=self._process)

    def counters(self, samples: Iterable[tuple[str, Sequence[str], float]]) -> None:
        """Publish new values of counters and histograms; series not named keep theirs.

        A sample is its name (``…_total``; ``…_bucket``, ``…_sum``, ``…_count``), the values of the metric's labels in
        the catalogue's order (a bucket has ``le`` after them, as it shall read), and its value, cumulative over
        buckets. New series follow those of their metric in order of arrival: a new histogram comes in one piece,
        buckets ascending. Raises KeyError for a name and ValueError for a number of labels that the catalogue does not
        have; samples before that one are published.
        """
        with self._writing:
            drafts: dict[_Family, _Draft] = {}
            try:
                for name, labels, value in samples:
                    family, series = self._counters[name]
                    draft = drafts.get(family)
                    if draft is None:
                        draft = drafts[family] = _Draft(family.blocks)
                    key = tuple(labels)
                    place = series.places.get(key)
                    if place is not None:
                        draft.change(place, value)
                    else:
                        line = series.line(key, value)
                        series.places[self._shared(key)] = draft.append(line)
            finally:
                for family, draft in drafts.items():
                    family.blocks = draft.blocks()
                self._publish()

    def withdraw(self, samples: Iterable[tuple[str, Sequence[str]]]) -> None:
        """Publish without these counters, named as in `counters`; should they come back, they follow the others."""
        with self._writing:
            gone: dict[_Family, list[int]] = {}
            for name, labels in samples:
                family, series = self._counters[name]
                place = series.places.pop(tuple(labels), None)
                if place is not None:
                    gone.setdefault(family, []).append(place)
            for family, places in gone.items():
                family.remove(sorted(places))
            self._publish()

    def replace(self, group: str, gauges: Mapping[str, Iterable[tuple[Sequence[str], float]]]) -> None:
        """Publish, for each metric named, the samples that *group* has of it now, in place of those it had.

        A group is a cluster, or "" for the exporter itself; metrics not named stay as they are. Raises KeyError for a
        name and ValueError for a number of labels that the catalogue does not have; then nothing has changed.
        """
        texts = [(self._gauges[name], self._gauges[name].texts(samples)) for name, samples in gauges.items()]
        with self._writing:
            for family, new in texts:
                family.replace(group, new)
            self._publish()

    def drop(self, group: str) -> None:
        """Publish without the gauges of *group*."""
        self.replace(group, dict.fromkeys(self._gauges, ()))

    def render(self, openmetrics: bool, names: frozenset[str] | None = None) -> list[bytes]:
        """Return the chunks of an exposition: OpenMetrics 1.0.0, or else Prometheus' text format 0.0.4.

        With *names* only the samples so named, as ``name[]=`` of prometheus_client: ``x_total``, ``x_bucket``.
        """
        return [block.text for block in self._scrape(openmetrics, names)]

    def render_gzip(self, openmetrics: bool, names: frozenset[str] | None = None) -> list[bytes]:
        """Return the chunks of the same as one gzip member."""
        return gzip_member(block.deflated for block in self._scrape(openmetrics, names))

    def _scrape(self, openmetrics: bool, names: frozenset[str] | None) -> Iterator[Block]:
        for family, blocks in self._published:
            selected = blocks if names is None else family.select(blocks, names)
            if selected:
                yield family.openmetrics_head if openmetrics else family.text_head
                yield from selected
        process = self._process if names is None else self._process.restricted_registry(names)
        yield Block(_openmetrics(process) if openmetrics else exposition.generate_latest(process))

    def _publish(self) -> None:
        self._published = tuple([(family, family.blocks) for family in self._families if family.blocks])

    def _shared(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Return equal labels made of the one copy of each value that all series share."""
        return tuple([self._label_values.setdefault(value, value) for value in labels])


class _Family:
    """A metric: its head in both formats, its samples' names, and its lines as they are now."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.series = _series(metric)
        self.blocks: tuple[Block, ...] = ()
        self._groups: dict[str, list[bytes]] = {}
        text = metric.help.replace("\\", r"\\").replace("\n", r"\n")
        self.text_head = _head(metric.name, text, metric.kind)
        quoted = text.replace('"', r"\"")
        self.openmetrics_head = _head(
            metric.name.removesuffix("_total") if metric.kind is Kind.COUNTER else metric.name, quoted, metric.kind
        )

    def texts(self, samples: Iterable[tuple[Sequence[str], float]]) -> list[bytes]:
        """Return the lines of a gauge's samples, cut into the texts of blocks."""
        lines = [self.series[0].line(labels, value) for labels, value in samples]
        return [b"\n".join([*lines[start : start + _LINES], b""]) for start in range(0, len(lines), _LINES)]

    def replace(self, group: str, texts: list[bytes]) -> None:
        """Put *texts* in place of those of the group; blocks that read as before stay the same, deflated or not."""
        self._groups[group] = texts
        if not texts:
            del self._groups[group]
        together = [text for texts in self._groups.values() for text in texts]
        if sum(map(len, together)) <= _SMALL:
            together = [b"".join(together)] if together else []
        before = {block.text: block for block in self.blocks}
        self.blocks = tuple([before.get(text) or Block(text) for text in together])

    def remove(self, places: list[int]) -> None:
        """Take the lines at *places*, ascending, out; those after them move up."""
        lines = b"".join([block.text for block in self.blocks]).split(b"\n")[:-1]
        gone = set(places)
        left = [line for at, line in enumerate(lines) if at not in gone]
        blocks = [b"\n".join([*left[at : at + _LINES], b""]) for at in range(0, len(left), _LINES)]
        self.blocks = tuple([Block(text) for text in blocks])
        for series in self.series:
            series.places = {key: at - bisect_left(places, at) for key, at in series.places.items()}

    def select(self, blocks: tuple[Block, ...], names: frozenset[str]) -> tuple[Block, ...]:
        """Return the lines of these blocks whose samples' names are among *names*."""
        wanted = [series.name for series in self.series if series.name in names]
        if len(wanted) == len(self.series):
            return blocks
        starts = tuple([f"{name}{end}".encode() for name in wanted for end in ("{", " ")])
        lines = [line for block in blocks if wanted for line in block.text.split(b"\n") if line.startswith(starts)]
        return (Block(b"\n".join([*lines, b""])),) if lines else ()


class _Series:
    """The samples of one name: how their lines read, and where they are."""

    def __init__(self, name: str, labels: tuple[str, ...]) -> None:
        self.name = name
        self.places: dict[tuple[str, ...], int] = {}
        """Labels to the number of their line among the family's; of counters and histograms only."""
        self._labels = labels
        self._order = sorted(range(len(labels)), key=labels.__getitem__)
        pattern = ",".join([f'{label}="%s"' for label in sorted(labels)])
        self._pattern = f"{name}{{{pattern}}}" if labels else name

    def line(self, labels: Sequence[str], value: float) -> bytes:
        """Return the line of a sample without its end."""
        if len(labels) != len(self._labels):
            raise ValueError(f"{self.name}: {len(labels)} label values for labels {', '.join(self._labels) or 'none'}")
        return f"{self._pattern % tuple([_escape(labels[at]) for at in self._order])} {_number(value)}".encode()


class _Draft:
    """The blocks of a family while lines of them change."""

    def __init__(self, blocks: tuple[Block, ...]) -> None:
        self._blocks = list(blocks)
        self._last = max(len(blocks) - 1, 0)
        self._lines: dict[int, list[bytes]] = {}
        """Of the blocks touched; each list ends with an empty line, so that the text ends with a line's end."""

    def change(self, place: int, value: float) -> None:
        """Give the line at *place* another value."""
        block, at = divmod(place, _LINES)
        lines = self._touch(block)
        line = lines[at]
        lines[at] = line[: line.rindex(b" ") + 1] + _number(value).encode()

    def append(self, line: bytes) -> int:
        """Add a line at the end and return its place."""
        lines = self._touch(self._last)
        if len(lines) > _LINES:
            self._last += 1
            lines = self._touch(self._last)
        lines.insert(-1, line)
        return self._last * _LINES + len(lines) - 2

    def blocks(self) -> tuple[Block, ...]:
        """Return the blocks as they are now; those that read as before are the same, deflated or not."""
        for at, lines in self._lines.items():
            text = b"\n".join(lines)
            if at == len(self._blocks) or text != self._blocks[at].text:
                self._blocks[at : at + 1] = [Block(text)]
        return tuple(self._blocks)

    def _touch(self, block: int) -> list[bytes]:
        lines = self._lines.get(block)
        if lines is None:  # split, not splitlines: a carriage return in a label's value ends no line
            text = self._blocks[block].text if block < len(self._blocks) else b""
            lines = self._lines[block] = text.split(b"\n")
        return lines


def _series(metric: Metric) -> tuple[_Series, ...]:
    if metric.kind is not Kind.HISTOGRAM:
        return (_Series(metric.name, metric.labels),)
    return (
        _Series(f"{metric.name}_bucket", (*metric.labels, "le")),
        _Series(f"{metric.name}_sum", metric.labels),
        _Series(f"{metric.name}_count", metric.labels),
    )


def _head(name: str, text: str, kind: Kind) -> Block:
    return Block(f"# HELP {name} {text}\n# TYPE {name} {kind}\n".encode())


def _escape(value: str) -> str:
    r"""Return a label's value as it stands between quotes; lone surrogates, which UTF-8 cannot hold, as ``\\udXXX``."""
    encodable = value.encode(errors="backslashreplace").decode()
    return encodable.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")

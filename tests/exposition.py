"""Reading an exposition in tests, with the parser of prometheus_client."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from exporter.expose.text import Exposition

Labels = frozenset[tuple[str, str]]


class Samples(dict[tuple[str, Labels], float]):
    """The samples of one scrape by name and labels."""

    def get(self, name: str, /, **labels: str) -> float | None:  # type: ignore[override]
        """Return the value of the one series with exactly these labels, None if there is none."""
        return super().get((name, frozenset(labels.items())))

    def named(self, name: str) -> dict[Labels, float]:
        """Return the values of the series called *name* by their labels."""
        return {labels: value for (sample, labels), value in self.items() if sample == name}


def read(text: str) -> Samples:
    """Return the samples in an exposition in the text format."""
    samples = Samples()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples, f"{key} twice"
            samples[key] = sample.value
    return samples


def scrape(exposition: Exposition) -> Samples:
    """Return the samples that a scrape would see now, but for those of our own process, which change by themselves."""
    samples = read(b"".join(exposition.render(openmetrics=False)).decode())
    return Samples({key: value for key, value in samples.items() if not key[0].startswith(("process_", "python_"))})

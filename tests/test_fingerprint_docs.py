"""The examples of ``docs/fingerprints.md`` are so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exporter.fingerprint.fingerprint import Fingerprinter

PAGE = (Path(__file__).parent.parent / "docs" / "fingerprints.md").read_text("utf-8")


def examples(heading: str) -> list[tuple[str, str]]:
    """Return the two statements of each row of the table under *heading*."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\|[^|]+\| `([^|]+)` \| `([^|]+)` \|$", section, re.MULTILINE)


EXAMPLES = [(*pair, True) for pair in examples("The same")] + [(*pair, False) for pair in examples("Different")]


@pytest.mark.parametrize(("first", "second", "is_same"), EXAMPLES)
def test_what_the_page_calls_the_same_has_one_fingerprint(first: str, second: str, is_same: bool) -> None:
    fingerprinter = Fingerprinter()
    assert (fingerprinter.of(first).id == fingerprinter.of(second).id) is is_same


def test_each_row_of_the_page_is_an_example() -> None:
    assert len(EXAMPLES) == sum(line.startswith("| ") and "`" in line for line in PAGE.splitlines())

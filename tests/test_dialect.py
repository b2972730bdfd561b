"""A version tells the engine."""

from __future__ import annotations

import pytest

from exporter.dialect import PRESTODB, PRESTOSQL, TRINO, Dialect, dialect_of


@pytest.mark.parametrize(
    ("version", "dialect"),
    [
        ("333", PRESTOSQL),
        ("350", PRESTOSQL),
        ("351", TRINO),
        ("413-e.2", TRINO),
        ("484-SNAPSHOT", TRINO),
        ("0.296", PRESTODB),
        ("0.237.1-abc123", PRESTODB),
        ("0.298-SNAPSHOT-fd67186", PRESTODB),
        ("338-amzn-1", PRESTOSQL),
        ("1.2.3", PRESTOSQL),
        ("unknown", TRINO),
        ("", TRINO),
    ],
)
def test_dialect_of_version(version: str, dialect: Dialect) -> None:
    assert dialect_of(version) == dialect

"""What fuzzing found in ledgers: SQLite's columns hold values of any type, and its messages quote a damaged file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from exporter.account.audit import audit
from exporter.account.ledger import Ledger
from exporter.account.ledger_file import LedgerFile
from exporter.errors import LedgerReadError, LedgerUnusableError
from exporter.ledger_text import series_to_json, to_json, to_text
from tests.fuzz import ledgers


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A good ledger, of whose cluster something is remembered."""
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(ledgers.good())
    yield path
    assert not path.with_name("ledger.sqlite-journal").exists()


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)


CELLS = [
    ("cluster", "listed", "'soon'"),
    ("cluster", "lists", "x'ff'"),
    ("cluster", "url", "x'ff'"),
    ("series", "name", "x'00'"),
    ("series", "labels", "x'ff'"),
    ("series", "labels", "'[' || id"),
    ("series", "labels", "id"),
    ("series", "labels", "printf('[%d]', id)"),
    ("series", "total", "'much'"),
    ("series", "born", "x'ff'"),
    ("query", "cpu_seconds", "'much'"),
    ("query", "outcome", "x'ff'"),
    ("usage", "start", "'soon' || fingerprint || user"),
    ("usage", "finished", "'much'"),
]


@pytest.mark.parametrize(("table", "column", "value"), CELLS)
def test_a_value_that_no_exporter_writes_is_shown_or_said_and_never_a_traceback(
    path: Path, table: str, column: str, value: str
) -> None:
    change(path, f"UPDATE OR REPLACE {table} SET {column} = {value}")
    with suppress(LedgerReadError), LedgerFile(path) as file:
        summary = file.summary()
        assert to_text(summary) and to_json(summary)
    with suppress(LedgerReadError), LedgerFile(path) as file:
        assert all(series_to_json(series) for series in file.series())
    with LedgerFile(path) as file:
        assert all(isinstance(line, str) for line in audit(file))
    ledger = Ledger(path)
    try:
        with suppress(LedgerUnusableError):
            ledger.open_book("adhoc", "http://adhoc")
    finally:
        ledger.close()


@pytest.mark.parametrize(
    "change_of", ["labels = x'ff'", "labels = '['", "labels = '7'", "labels = '{'", "total = 'much'", "born = 'soon'"]
)
def test_a_book_with_a_series_that_is_none_is_not_opened(path: Path, change_of: str) -> None:
    change(path, f"UPDATE series SET {change_of} WHERE id = (SELECT min(id) FROM series)")
    ledger = Ledger(path)
    try:
        with pytest.raises(LedgerUnusableError, match="what no exporter writes; restore it from a backup"):
            ledger.open_book("adhoc", "http://adhoc")
    finally:
        ledger.close()


def test_series_that_no_exporter_writes_are_not_exported(path: Path) -> None:
    change(path, "UPDATE series SET name = 'another' WHERE id = (SELECT min(id) FROM series)")
    with LedgerFile(path) as file, pytest.raises(LedgerReadError, match="a series that no exporter writes"):
        list(file.series())


def test_a_damaged_schema_that_is_no_utf_8_is_refused_and_left_as_it_was(path: Path) -> None:
    content = path.read_bytes().replace(b"CREATE TABLE query (", b"CREATE TABL\xcc query (")
    path.write_bytes(content)
    with pytest.raises(LedgerUnusableError):
        Ledger(path)
    with pytest.raises((LedgerUnusableError, LedgerReadError)), LedgerFile(path) as file:
        file.summary()
    assert path.read_bytes() == content

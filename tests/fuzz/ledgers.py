"""A ledger's file, with bytes changed as a bad disk or a bad copy changes them."""

from __future__ import annotations

import sqlite3
import struct
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import cache
from pathlib import Path

from exporter.account.audit import audit
from exporter.account.charge import Charged
from exporter.account.ledger import Entry, Ledger, Unlisted
from exporter.account.ledger_file import LedgerFile
from exporter.catalogue import Series
from exporter.errors import LedgerBusyError, LedgerReadError, LedgerUnusableError
from exporter.ledger_text import series_to_json, to_json, to_text
from exporter.query import Amounts
from tests.fuzz.target import Target
from tests.usage_ledger import NOW, Ran, fill

_EDIT = struct.Struct("<BIB")
_SECTOR = 512
IDS = [f"20260921_000000_{number:05d}_abcde" for number in range(60)]


def check(data: bytes) -> None:
    """*data* as edits of a good ledger: what is refused is left as it was, with what is opened SQLite agrees."""
    content = edited(good(), data)
    with tempfile.TemporaryDirectory(prefix="ledger") as folder:
        path = Path(folder) / "ledger.sqlite"
        path.write_bytes(content)
        is_whole = _is_whole(path)
        _check_reader(path)
        assert path.read_bytes() == content, "read, and changed"
        for other in path.parent.glob("ledger.sqlite-*"):
            other.unlink()
        try:
            ledger = Ledger(path)
        except LedgerUnusableError:
            assert path.read_bytes() == content, "refused, and changed"
            return
        try:
            assert is_whole or not content, "SQLite tells that it is broken, and it is opened"
            with suppress(LedgerBusyError, LedgerUnusableError):
                ledger.name_at("http://adhoc")
                ledger.charged(ledger.open_book("adhoc", "http://adhoc"), IDS)
        finally:
            ledger.close()


def _check_reader(path: Path) -> None:
    for read in (_show, _export, audit):
        with suppress(LedgerUnusableError, LedgerReadError), LedgerFile(path) as file:
            for line in read(file):
                assert isinstance(line, str)


def _show(file: LedgerFile) -> Iterator[str]:
    summary = file.summary()
    yield to_text(summary)
    yield to_json(summary)


def _export(file: LedgerFile) -> Iterator[str]:
    yield from map(series_to_json, file.series())


def _is_whole(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as db:
            return bool(db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
    except (sqlite3.Error, UnicodeDecodeError):  # the latter where SQLite's message quotes the file
        return False


def edited(content: bytes, data: bytes) -> bytes:
    """Return *content* with the edits that *data* says."""
    changed = bytearray(content)
    for at in range(0, len(data) - _EDIT.size + 1, _EDIT.size):
        what, place, value = _EDIT.unpack_from(data, at)
        if not changed:
            break
        place %= len(changed)
        match what % 6:
            case 0 | 1:
                changed[place] = value
            case 2:
                changed[place] ^= 1 << value % 8
            case 3:
                sector = place // _SECTOR * _SECTOR
                changed[sector : sector + _SECTOR] = bytes([value]) * len(changed[sector : sector + _SECTOR])
            case 4:
                source = value * 4096 % len(changed)
                sector = place // 4096 * 4096
                changed[sector : sector + 4096] = changed[source : source + 4096][: len(changed) - sector]
            case 5:
                del changed[place:]
    return bytes(changed)


@cache
def good() -> bytes:
    """Return a ledger with rows in every table."""
    with tempfile.TemporaryDirectory(prefix="ledger") as folder:
        path = Path(folder) / "ledger.sqlite"
        fill(path, [Ran(NOW), Ran(NOW, fingerprint="bbbbbbbbbbbbbbbb", outcome="failed", error="E"), Ran(NOW - 1e6)])
        ledger = Ledger(path)
        book = ledger.open_book("adhoc", "http://adhoc")
        cpu: Series = ("presto_user_query_cpu_seconds_total", ("alice", "cli"))
        ends: Series = ("presto_user_queries_total", ("alice", "cli", "finished"))
        charged = {
            query_id: (
                Charged("alice", "cli", "finished" if number % 3 else "", Amounts(cpu_seconds=1.0)),
                Unlisted(NOW, 1) if number % 2 else None,
            )
            for number, query_id in enumerate(IDS)
        }
        entry = Entry(
            lists=1, listed_at=NOW, memo="{}", charged=charged, appeared=60, gains={cpu: 60.0, ends: 40.0},
            label_values=[("user", "alice")],
        )  # fmt: skip
        ledger.commit(book, entry, now=NOW, delay=0.0)
        ledger.close()
        return path.read_bytes()


def seeds() -> list[bytes]:
    """Return edits of every kind, at the header and at places all over the file."""
    places = [*range(0, 108, 4), *range(4096, len(good()), 1777)]
    found = [_EDIT.pack(number, place, number * 37 % 256) for number, place in enumerate(places)]
    return [b"", *found, b"".join(found[:4])]


TARGET = Target(check=check, seeds=seeds, longest=60)

"""The ledger: what was committed is there after any crash, what is not a ledger is left alone."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.account.charge import Charged
from exporter.account.ledger import APPLICATION_ID, MIGRATIONS, Book, Entry, Ledger, Unlisted
from exporter.catalogue import Series
from exporter.errors import LedgerBusyError, LedgerUnusableError
from exporter.query import Amounts

CPU: Series = ("presto_user_query_cpu_seconds_total", ("alice", "cli"))
ENDS: Series = ("presto_user_queries_total", ("alice", "cli", "finished"))


def charged(cpu: float, outcome: str = "", lost: bool = False) -> Charged:
    return Charged("alice", "cli", outcome, Amounts(cpu_seconds=cpu), lost)


def entry(**more: object) -> Entry:
    return Entry(**{"lists": 1, "listed_at": 10.0, "memo": "{}", **more})  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def values(book: Book) -> dict[Series, float]:
    return {series: total.value for series, total in book.totals.items()}


def test_what_was_committed_is_there_when_it_is_opened_again(path: Path) -> None:
    ledger = Ledger(path)
    book = ledger.open_book("adhoc", "http://one")
    ledger.commit(
        book,
        entry(
            charged={
                "listed": (charged(1.0), None),
                "ended": (charged(2.0, "finished"), Unlisted(9.0, 1)),
                "absent": (charged(3.0), Unlisted(9.0, 1)),
                "lost": (charged(4.0, lost=True), Unlisted(9.0, 1)),
            },
            appeared=4,
            gains={CPU: 10.0, ENDS: 1.0},
            label_values=[("user", "alice")],
            memo='{"a": 1}',
        ),
        now=10.0,
        delay=60.0,
    )
    assert ledger.queries() == 4 and ledger.size_bytes() > 0
    ledger.close()
    again = Ledger(path)
    book = again.open_book("adhoc", "http://two")
    assert again.queries() == 4
    assert (book.lists, book.listed_at, book.memo) == (1, 10.0, '{"a": 1}')
    assert book.label_values == [("user", "alice")]
    assert book.listed == {"listed": charged(1.0)}
    assert book.absent == {"absent": (charged(3.0), Unlisted(9.0, 1))}
    assert values(book) == {CPU: 10.0, ENDS: 1.0} and set(book.hidden) == {CPU, ENDS}
    assert again.charged(book, ["ended", "lost", "never"]) == {
        "ended": charged(2.0, "finished"),
        "lost": charged(4.0, lost=True),
    }
    assert again.name_at("http://two") == "adhoc" and again.name_at("http://one") is None
    again.close()


def test_clusters_are_apart(path: Path) -> None:
    ledger = Ledger(path)
    one, two = ledger.open_book("one", "http://one"), ledger.open_book("two", "http://two")
    ledger.commit(one, entry(charged={"q": (charged(1.0), None)}, gains={CPU: 1.0}), 0.0, 0.0)
    ledger.commit(two, entry(charged={"q": (charged(5.0), None)}, gains={CPU: 5.0}), 0.0, 0.0)
    assert values(ledger.open_book("one", "http://one")) == {CPU: 1.0}
    assert ledger.charged(two, ["q"]) == {"q": charged(5.0)}
    ledger.close()


def test_a_new_series_shows_zero_until_it_is_old_enough_and_never_again(path: Path) -> None:
    ledger = Ledger(path)
    book = ledger.open_book("adhoc", "http://one")
    assert ledger.commit(book, entry(gains={CPU: 5.0}), now=100.0, delay=60.0) == [(CPU, 0.0)]
    assert ledger.commit(book, entry(gains={CPU: 1.0}), now=130.0, delay=60.0) == []
    ledger.close()
    ledger = Ledger(path)
    book = ledger.open_book("adhoc", "http://one")
    assert ledger.commit(book, entry(), now=159.0, delay=60.0) == []
    assert ledger.commit(book, entry(), now=160.0, delay=60.0) == [(CPU, 6.0)]
    assert ledger.commit(book, entry(gains={CPU: 1.0}), now=100.0, delay=60.0) == [(CPU, 7.0)]
    ledger.close()
    ledger = Ledger(path)
    book = ledger.open_book("adhoc", "http://one")
    assert book.totals[CPU].shown and not book.hidden
    ledger.close()


def test_without_delay_a_new_series_shows_its_value_at_once(path: Path) -> None:
    ledger = Ledger(path)
    book = ledger.open_book("adhoc", "http://one")
    assert ledger.commit(book, entry(gains={CPU: 5.0}), now=100.0, delay=0.0) == [(CPU, 5.0)]
    ledger.close()


def test_sums_of_decimals_are_the_decimals_sum_in_any_order(path: Path) -> None:
    ledger = Ledger(path)
    book = ledger.open_book("adhoc", "http://one")
    for _ in range(1000):
        ledger.commit(book, entry(gains={CPU: 0.1}), 0.0, 0.0)
    assert values(book)[CPU] == 100.0
    ledger.close()


def test_ids_are_forgotten_by_coordinator_time_and_lists(path: Path) -> None:
    ledger = Ledger(path)
    book = ledger.open_book("adhoc", "http://one")
    ids = {
        "20260921_133320_00001_aaaaa": Unlisted(10.0, 5),
        "20260921_133320_00002_aaaaa": Unlisted(20.0, 5),
        "20260921_133320_00003_aaaaa": Unlisted(10.0, 6),
        "20260921_133320_00004_bbbbb": Unlisted(10.0, 5),
    }
    listed = "20260921_133320_00005_aaaaa"
    rows: dict[str, tuple[Charged, Unlisted | None]] = {query_id: (charged(1.0), at) for query_id, at in ids.items()}
    ledger.commit(book, entry(charged={**rows, listed: (charged(1.0), None)}, appeared=5), 0.0, 0.0)
    ledger.commit(book, entry(forget=[("aaaaa", 15.0, 5)]), 0.0, 0.0)
    assert set(ledger.charged(book, [*ids, listed])) == {*list(ids)[1:], listed}
    assert ledger.queries() == 4
    ledger.commit(book, entry(forget=[(None, 100.0, 100)]), 0.0, 0.0)
    assert set(ledger.charged(book, [*ids, listed])) == {listed}
    assert ledger.queries() == 1
    ledger.close()


def test_a_query_can_leave_the_list_and_come_back(path: Path) -> None:
    ledger = Ledger(path)
    book = ledger.open_book("adhoc", "http://one")
    ledger.commit(book, entry(charged={"q": (charged(1.0), None)}, appeared=1), 0.0, 0.0)
    ledger.commit(book, entry(unlisted={"q": Unlisted(1.0, 1)}), 0.0, 0.0)
    assert ledger.open_book("adhoc", "http://one").absent == {"q": (charged(1.0), Unlisted(1.0, 1))}
    ledger.commit(book, entry(listed_again={"q": charged(1.0)}), 0.0, 0.0)
    assert ledger.open_book("adhoc", "http://one").listed == {"q": charged(1.0)}
    ledger.close()


# ---------------------------------------------------------------- trouble while running


def test_a_commit_that_cannot_be_written_changes_nothing_and_can_be_repeated(path: Path) -> None:
    ledger = Ledger(path)
    book = ledger.open_book("adhoc", "http://one")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerBusyError, match="locked"):
        ledger.commit(book, entry(charged={"q": (charged(5.0), None)}, appeared=1, gains={CPU: 5.0}), 0.0, 0.0)
    assert book.totals == {} and ledger.queries() == 0
    other.execute("ROLLBACK")
    other.close()
    ledger.commit(book, entry(charged={"q": (charged(5.0), None)}, appeared=1, gains={CPU: 5.0}), 0.0, 0.0)
    assert values(book) == {CPU: 5.0} and ledger.queries() == 1
    ledger.close()


def test_a_disk_that_is_full_halfway_leaves_the_commit_before(path: Path) -> None:
    ledger = Ledger(path)
    book = ledger.open_book("adhoc", "http://one")
    ledger.commit(book, entry(gains={CPU: 5.0}), 0.0, 0.0)
    pages = ledger._db.execute("PRAGMA page_count").fetchone()[0]
    ledger._db.execute(f"PRAGMA max_page_count = {pages}")
    many: dict[str, tuple[Charged, Unlisted | None]] = {f"q{number}": (charged(1.0), None) for number in range(5000)}
    with pytest.raises(LedgerBusyError, match="full"):
        ledger.commit(book, entry(charged=many, appeared=5000, gains={CPU: 5000.0}), 0.0, 0.0)
    assert values(book) == {CPU: 5.0}
    ledger._db.execute("PRAGMA max_page_count = 1000000")
    ledger.commit(book, entry(charged=many, appeared=5000, gains={CPU: 5000.0}), 0.0, 0.0)
    ledger.close()
    ledger = Ledger(path)
    assert values(ledger.open_book("adhoc", "http://one")) == {CPU: 5005.0} and ledger.queries() == 5000
    ledger.close()


def test_a_process_killed_between_statements_leaves_the_commit_before(path: Path) -> None:
    program = f"""
import os, signal
from exporter.account.ledger import Entry, Ledger
class Killing(dict):
    def items(self):
        os.kill(os.getpid(), signal.SIGKILL)
ledger = Ledger({str(path)!r})
book = ledger.open_book("adhoc", "http://one")
series = ("presto_user_query_cpu_seconds_total", ("alice", "cli"))
ledger.commit(book, Entry(1, 1.0, "{{}}", gains={{series: 1.0}}), 0.0, 0.0)
ledger.commit(book, Entry(2, 2.0, "{{}}", gains={{series: 1.0}}, unlisted=Killing()), 0.0, 0.0)
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False)
    assert ended.returncode == -signal.SIGKILL
    ledger = Ledger(path)
    book = ledger.open_book("adhoc", "http://one")
    assert (book.lists, values(book)) == (1, {CPU: 1.0})
    ledger.close()


# ---------------------------------------------------------------- files that are no ledger


def refused(path: Path, message: str) -> None:
    """Hold that opening *path* fails with *message* and leaves the file as it is."""
    before = path.read_bytes()
    with pytest.raises(LedgerUnusableError, match=message):
        Ledger(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_text("clusters: []\n" * 100)
    refused(path, "not a ledger")


def test_a_database_of_another_program_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE bookmarks (url TEXT)")
    other.close()
    refused(path, "of another program")


def test_an_empty_database_of_another_program_is_refused(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("PRAGMA application_id = 7")
    other.close()
    refused(path, "of another program")


def test_a_newer_ledger_is_refused(path: Path) -> None:
    Ledger(path).close()
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    newer.close()
    refused(path, "newer exporter")


def test_a_damaged_ledger_is_refused(path: Path) -> None:
    ledger = Ledger(path)
    book = ledger.open_book("adhoc", "http://one")
    rows: dict[str, tuple[Charged, Unlisted | None]] = {f"q{number}": (charged(1.0), None) for number in range(2000)}
    ledger.commit(book, entry(charged=rows), 0.0, 0.0)
    ledger.close()
    content = bytearray(path.read_bytes())
    for offset in range(8192, len(content) - 4096, 4096):
        content[offset : offset + 2048] = b"\xa5" * 2048
    path.write_bytes(content)
    refused(path, "damaged|malformed")


def test_a_cut_ledger_is_refused(path: Path) -> None:
    Ledger(path).close()
    path.write_bytes(path.read_bytes()[:5000])
    refused(path, "damaged|malformed")


def test_a_folder_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "no" / "such" / "ledger.sqlite"):
        with pytest.raises(LedgerUnusableError):
            Ledger(place)


def test_a_read_only_ledger_is_refused(path: Path, tmp_path: Path) -> None:
    """As another user than root, whom no permission stops."""
    Ledger(path).close()
    path.with_name(path.name + ".lock").unlink()
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.owner() == Path.home().owner() and folder != Path("/"):
            folder.chmod(0o755)
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    program = f"""
import os
from exporter.account.ledger import Ledger
from exporter.errors import LedgerUnusableError
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    Ledger({str(path)!r})
except LedgerUnusableError as error:
    print(error)
"""
    before = path.read_bytes()
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    tmp_path.chmod(0o755)
    assert "cannot use" in said or "cannot open" in said
    assert path.read_bytes() == before


def test_a_second_process_is_refused_while_the_first_lives(path: Path) -> None:
    ledger = Ledger(path)
    with pytest.raises(LedgerUnusableError, match="in use by another exporter"):
        Ledger(path)
    ledger.close()
    Ledger(path).close()


def test_a_ledger_begun_by_a_process_that_was_killed_is_completed(path: Path) -> None:
    """SQLite has written its header, and our tables are not there yet."""
    half = sqlite3.connect(path)
    half.execute("PRAGMA journal_mode = WAL")
    half.close()
    ledger = Ledger(path)
    assert ledger._db.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
    ledger.close()
    path.unlink()
    path.touch()
    Ledger(path).close()


def test_only_its_owner_may_read_it(path: Path) -> None:
    Ledger(path).close()
    assert path.stat().st_mode & 0o077 == 0
    assert os.stat(f"{path}.lock").st_mode & 0o077 == 0

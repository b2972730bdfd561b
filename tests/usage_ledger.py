"""A ledger filled by hand, from queries each of which is known: what reports say is compared with the list of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from exporter.account.distribution import Counts, bucket, pack
from exporter.account.ledger import Ledger

HOUR, DAY = 3600, 86400
NOW = 1_790_035_200.0 + 12 * HOUR + 1800.0
"""Half past twelve of a day."""
TODAY = int(NOW) // DAY * DAY
OLDEST_HOUR = TODAY - 7 * DAY

STATEMENTS = {
    "aaaaaaaaaaaaaaaa": ("SELECT", "SELECT * FROM orders WHERE key = ?", ["orders"], []),
    "bbbbbbbbbbbbbbbb": (
        "INSERT",
        "INSERT INTO s.copy SELECT * FROM hive.sales.orders",
        ["hive.sales.orders"],
        ["s.copy"],
    ),
    "cccccccccccccccc": ("SELECT", "SELECT ?", [], []),
    "dddddddddddddddd": ("SELECT", "SELECT * FROM hive.s.copy JOIN Ünïcode.x", ["hive.s.copy", "ünïcode.x"], []),
    "eeeeeeeeeeeeeeee": ("MERGE", "MERGE INTO orders USING orders", ["orders"], ["orders"]),
    "other": ("", "", [], []),
}
FIRST_SEEN = {fingerprint: 1.0e9 + number for number, fingerprint in enumerate(STATEMENTS)}
PLACES = ("", '["hive", "sales"]', '["Hive", ""]', '["", "s"]', '["", ""]')


@dataclass(frozen=True)
class Ran:
    """One query that ended, or that was charged something and still runs."""

    time: float
    cluster: str = "adhoc"
    fingerprint: str = "aaaaaaaaaaaaaaaa"
    user: str = "alice"
    source: str = "cli"
    place: str = ""
    outcome: str = "finished"
    """Empty: it still runs."""
    error: str = ""
    is_repeat: bool = False
    is_folded: bool = False
    amount: int = 64
    """Of what all figures are made, each in numbers that add up without rounding."""

    def sums(self) -> list[float]:
        """Return the values of the columns that are summed up, in their order."""
        ended = self.outcome != ""
        counts = [self.outcome == one for one in ("finished", "failed", "canceled")]
        cpu = self.amount / 64
        return [
            *map(int, counts),
            int(self.is_repeat),
            int(self.is_folded),
            cpu,
            cpu if self.outcome in ("failed", "canceled") else 0.0,
            cpu if self.is_repeat else 0.0,
            float(self.amount * 1000),
            float(self.amount),
            float(self.amount << 30),
            self.amount / 32 if ended else 0.0,
            self.amount / 8 if ended else 0.0,
        ]


def fill(path: Path, queries: Iterable[Ran], added_up: Collection[int] = (), oldest_hour: int = OLDEST_HOUR) -> None:
    """Write the usage of *queries* to a new ledger at *path*.

    There are the hours from *oldest_hour* on, and days: all that begin before it, and those that begin at one of
    *added_up* and are over.
    """
    Ledger(path).close()
    cells: dict[tuple[object, ...], tuple[list[float], Counts, Counts]] = {}
    errors: dict[tuple[object, ...], int] = {}
    for query in queries:
        for period in _periods(query.time, added_up, oldest_hour):
            key = (query.cluster, *period, query.fingerprint, query.user, query.source, query.place)
            sums, queued, elapsed = cells.setdefault(key, ([0.0] * 13, {}, {}))
            sums[:] = [sum(pair) for pair in zip(sums, query.sums(), strict=True)]
            if query.outcome:
                for counts, seconds in ((queued, query.amount / 32), (elapsed, query.amount / 8)):
                    counts[bucket(seconds)] = counts.get(bucket(seconds), 0) + 1
            if query.error:
                error = (query.cluster, *period, query.fingerprint, query.user, query.error)
                errors[error] = errors.get(error, 0) + 1
    with closing(sqlite3.connect(path)) as db, db:
        db.executemany(
            "INSERT INTO statement (fingerprint, query_type, template, read, written, first_seen) VALUES (?,?,?,?,?,?)",
            [
                (one, query_type, template, json.dumps(read), json.dumps(written), FIRST_SEEN[one])
                for one, (query_type, template, read, written) in STATEMENTS.items()
            ],
        )
        names = {name for key in cells for name in key[4:]} | {name for key in errors for name in key[4:]}
        db.executemany("INSERT INTO usage_name (name) VALUES (?)", [(name,) for name in sorted(map(str, names))])
        clusters = {key[0] for key in cells} | {"idle"}
        db.executemany(
            "INSERT INTO cluster (name, url) VALUES (?, ?)",
            [(name, f"http://{name}") for name in sorted(map(str, clusters))],
        )
        name = "(SELECT id FROM usage_name WHERE name = ?)"
        start = "(SELECT id FROM cluster WHERE name = ?), ?, ?, (SELECT id FROM statement WHERE fingerprint = ?)"
        db.executemany(
            f"INSERT INTO usage VALUES ({start}, {name}, {name}, {name}, {', '.join('?' * 15)})",
            [(*key, *sums, pack(queued), pack(elapsed)) for key, (sums, queued, elapsed) in cells.items()],
        )
        db.executemany(
            f"INSERT INTO usage_error VALUES ({start}, {name}, {name}, ?)",
            [(*key, queries_of) for key, queries_of in errors.items()],
        )


def _periods(time: float, added_up: Collection[int], oldest_hour: int) -> Iterator[tuple[int, int]]:
    day = int(time) // DAY * DAY
    if day >= oldest_hour:
        yield 0, int(time) // HOUR * HOUR
    if day < oldest_hour or (day in added_up and day < TODAY):
        yield 1, day

"""The engines as values: PrestoSQL, Trino and PrestoDB, and how a version tells which one answers."""

from __future__ import annotations

import re
from typing import NamedTuple


class Dialect(NamedTuple):
    """What differs between the engines beyond the fields of their lists (those tell themselves apart)."""

    engine: str
    header_prefix: str


PRESTOSQL = Dialect("prestosql", "X-Presto-")
TRINO = Dialect("trino", "X-Trino-")
PRESTODB = Dialect("prestodb", "X-Presto-")

_FIRST_TRINO = 351
_RELEASE = re.compile(r"(\d{1,9})(\.?)")


def dialect_of(version: str) -> Dialect:
    """Return the dialect of ``nodeVersion.version`` in ``/v1/info``.

    PrestoSQL counts 300 to 350 and Trino goes on from 351 (vendors append suffixes: ``413-e.2``), PrestoDB writes
    ``0.296``. Anything else (a build without a version) is taken for Trino, the one that is still built most.
    """
    match = _RELEASE.match(version)
    if match is None:
        return TRINO
    if match[2] and match[1] == "0":
        return PRESTODB
    return TRINO if int(match[1]) >= _FIRST_TRINO else PRESTOSQL

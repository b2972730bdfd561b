"""How other normalisers judge our pairs of statements: ``python -m bench.fingerprint_peers``. Prints the table of
``docs/fingerprints.md``; a peer that is not installed is said to be absent. They are found so:

- ``SQLLEXER``: a binary made of ``bench/fingerprint_sqllexer.go``, which says how;
- ``PGLAST_PYTHON``: an interpreter that has ``pglast``, which is libpg_query;
- ``SQLGLOT_PYTHON``: an interpreter that has ``sqlglot``;
- ``pt-fingerprint`` of percona-toolkit, on the ``PATH``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from exporter import __version__
from exporter.fingerprint.fingerprint import Fingerprinter
from tests.test_fingerprint import CORPUS, PAIRS

Ids = list[str | None]
"""One for each text; None for one that is refused."""

_FILTER = """
import json, sys
{}
print(json.dumps(version), flush=True)
for line in sys.stdin:
    try:
        answer = fingerprint(json.loads(line)["sql"])
    except Exception:
        answer = None
    print(json.dumps(answer), flush=True)
"""
_PGLAST = """
import pglast
version = "libpg_query of PostgreSQL %d.%d" % pglast.get_postgresql_version()[:2]
fingerprint = pglast.fingerprint
"""
_SQLGLOT = """
import sqlglot
version = "sqlglot " + sqlglot.__version__
def fingerprint(sql):
    # Comments off, each literal a marker, generated again: what is most often done with it.
    tree = sqlglot.parse_one(sql, dialect="trino")
    for literal in list(tree.find_all(sqlglot.exp.Literal)):
        literal.replace(sqlglot.exp.Placeholder())
    return tree.sql(dialect="trino", comments=False)
"""

_FILTERS = {
    "SQLLEXER": (),
    "PGLAST_PYTHON": ("-c", _FILTER.format(_PGLAST)),
    "SQLGLOT_PYTHON": ("-c", _FILTER.format(_SQLGLOT)),
}


class Verdict(NamedTuple):
    """How a peer judges the pairs, and what it cannot read."""

    peer: str
    together: int
    """Pairs of one query that have one fingerprint."""
    apart: int
    """Pairs of two queries that have two."""
    refused_pairs: int
    """Pairs of which a text is refused: neither together nor apart."""
    refused_texts: int
    """Of the statements of others in the tests."""


def judge(peer: str, of: Callable[[Sequence[str]], Ids]) -> Verdict:
    """Return how *of*, which fingerprints texts, judges the pairs."""
    ids = of([text for pair in PAIRS for text in (pair.first, pair.second)])
    judged = list(zip(PAIRS, ids[::2], ids[1::2], strict=True))
    whole = [
        (pair.is_same, first == second) for pair, first, second in judged if first is not None and second is not None
    ]
    return Verdict(
        peer=peer,
        together=sum(is_same and is_one for is_same, is_one in whole),
        apart=sum(not is_same and not is_one for is_same, is_one in whole),
        refused_pairs=len(judged) - len(whole),
        refused_texts=of(CORPUS).count(None),
    )


def _ours(texts: Sequence[str]) -> Ids:
    fingerprinter = Fingerprinter()
    return [fingerprinter.of(text).id for text in texts]


def _through(command: Sequence[str], texts: Sequence[str]) -> list[str | None]:
    """Return the version that the filter *command* says it is, and its answers to *texts*."""
    lines = "".join(json.dumps({"sql": text}) + "\n" for text in texts)
    ended = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in ended.stdout.splitlines()]


def _answers(command: Sequence[str], texts: Sequence[str]) -> Ids:
    return _through(command, texts)[1:]


def _pt_fingerprint(texts: Sequence[str]) -> Ids:
    return [_pt_fingerprint_of(text) for text in texts]


def _pt_fingerprint_of(text: str) -> str | None:
    if not text or "\0" in text:
        return None
    ended = subprocess.run(["pt-fingerprint", "--query", text], capture_output=True, check=False)
    return ended.stdout.decode("utf-8", "replace") or None  # it exits with 1, whatever it says


def verdicts() -> tuple[list[Verdict], list[str]]:
    """Return the verdicts of all peers that are installed, ours first, and what to do about the others."""
    found, absent = [judge(f"presto-query-exporter {__version__}", _ours)], []
    for variable, arguments in _FILTERS.items():
        path = os.environ.get(variable)
        if path:
            command = (path, *arguments)
            found.append(judge(str(_through(command, ())[0]), partial(_answers, command)))
        else:
            absent.append(f"{variable} is not set")
    if shutil.which("pt-fingerprint"):
        version = subprocess.run(["pt-fingerprint", "--version"], capture_output=True, text=True, check=True).stdout
        found.append(judge(version.strip(), _pt_fingerprint))
    else:
        absent.append("pt-fingerprint is not on the PATH")
    return found, absent


def main() -> None:
    """Print the table."""
    same = sum(pair.is_same for pair in PAIRS)
    print(
        f"| | same: together, of {same} | different: apart, of {len(PAIRS) - same} | pairs with a text refused | ",
        end="",
    )
    print(f"refused of {len(CORPUS)} statements of others |")
    print("|---|---|---|---|---|")
    found, absent = verdicts()
    for verdict in found:
        print("| " + " | ".join(map(str, verdict)) + " |")
    for reason in absent:
        print(f"absent: {reason}")


if __name__ == "__main__":
    main()

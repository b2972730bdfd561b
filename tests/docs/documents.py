"""The documents as what can be tried of them: blocks, code in the text, headings, links, commands in comments."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *(
        path
        for folder in ("docs", "deploy", "exporter", "tests/data")
        for path in sorted((ROOT / folder).rglob("*.md"))
    ),
]
COMMENTED = [ROOT / "Dockerfile", *(path for path in sorted((ROOT / "deploy").rglob("*")) if path.is_file())]
"""Files whose comments may hold commands, set in by three blanks."""

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<kind>\S*)[^\n`]*\n(?P<text>.*?)^(?P=indent)``` *$", re.MULTILINE | re.DOTALL
)
_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(r"\]\(([^()\s]+(?:\([^()\s]*\)[^()\s]*)*)\)")


class Block(NamedTuple):
    """A fenced block."""

    document: Path
    line: int
    """Of its first line of text; lines count from 1."""
    kind: str
    """The word after the fence; empty if there is none."""
    text: str
    """Ends in a line feed."""

    @property
    def place(self) -> str:
        """Where it is: file and line."""
        return f"{name(self.document)}:{self.line}"


class Span(NamedTuple):
    """Code within the text, such as a flag or a query."""

    document: Path
    line: int
    text: str

    @property
    def place(self) -> str:
        """Where it is: file and line."""
        return f"{name(self.document)}:{self.line}"


def name(path: Path) -> str:
    """Return the path of a file within the project."""
    return path.relative_to(ROOT).as_posix()


def read(document: Path) -> str:
    """Return the text of a document."""
    return document.read_text("utf-8")


def blocks(document: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a document, in order."""
    text = read(document)
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start("text")) + 1
        yield Block(document, line, match["kind"], textwrap.dedent(match["text"]))


def without_blocks(document: Path) -> str:
    """Return the text of a document, its fenced blocks replaced by as many empty lines."""
    return _FENCE.sub(lambda match: "\n" * match[0].count("\n"), read(document))


def spans(document: Path) -> Iterator[Span]:
    """Yield the code within the text of a document; line feeds in it are blanks, bars of tables are not escaped."""
    text = without_blocks(document)
    for paragraph in re.finditer(r"(?:[^\n]+\n?)+", text):
        for match in _SPAN.finditer(paragraph[0]):
            line = text.count("\n", 0, paragraph.start() + match.start()) + 1
            yield Span(document, line, match[2].replace("\n", " ").replace("\\|", "|").strip())


def commented_commands(path: Path) -> Iterator[Block]:
    """Yield what is set in by three blanks in the comments of a file: commands to be typed."""
    lines = path.read_text("utf-8", "replace").splitlines()
    begin = 0
    for number, line in enumerate([*lines, ""], start=1):
        if re.match(r"#   \S" if not begin else r"#   ", line):
            begin = begin or number
        elif begin:
            text = "".join(f"{one[4:]}\n" for one in lines[begin - 1 : number - 1])
            yield Block(path, begin, "sh", text)
            begin = 0


def links(document: Path) -> Iterator[str]:
    """Yield where the links and pictures of a document lead."""
    text = re.sub(_SPAN, "", without_blocks(document))
    yield from _LINK.findall(text)
    yield from re.findall(r"(?:src|srcset|href)=\"([^\"]+)\"", text)


def anchors(document: Path) -> set[str]:
    """Return the anchors that GitHub makes of the headings of a document."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.*?) *#*$", without_blocks(document), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 0
        while (unique := f"{anchor}-{number}" if number else anchor) in found:
            number += 1
        found.add(unique)
    return found | set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", read(document)))


BLOCKS = [block for document in DOCUMENTS for block in blocks(document)]
COMMANDS_IN_COMMENTS = [block for path in COMMENTED for block in commented_commands(path)]
SPANS = [span for document in DOCUMENTS for span in spans(document)]

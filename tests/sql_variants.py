"""Variants of a statement that must, or must not, keep its fingerprint. Reads SQL by a lexer of its own, token by
token, which shares nothing with the package's."""

from __future__ import annotations

import random
import re
from typing import NamedTuple

_LEXER = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<comment>--[^\r\n]*|/\*.*?\*/)
      | (?P<body>\$\$.*?\$\$)
      | (?P<string>(?:[uU]&|[xX])?'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")*")
      | (?P<number>(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?(?![\w.])|0[xXoObB][0-9a-fA-F_]+(?!\w))
      | (?P<word>[A-Za-z_]\w*)
      | (?P<symbol><>|!=|<=|>=|\|\||=>|->|.)""",
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """A piece of a statement; the pieces together are the statement."""

    kind: str
    text: str


def tokens(sql: str) -> list[Token]:
    """Return the pieces of *sql*, white space and comments among them."""
    return [Token(str(match.lastgroup), match[0]) for match in _LEXER.finditer(sql)]


_STRINGS = ("''", "'it''s'", "'-- no comment'", "'/* nor this */'", "'a \"name\"'", "'?'", "'\n\x1f'", "'É'", "'$$'")
_NUMBERS = ("0", "42", "1_000_000", "3.14", ".5", "7.", "6.02e23", "1E-9", "0xFF", "0b101", "0o17")
_GAPS = (" ", "\n", "\t", "\r\n", "  \n    ")
_COMMENTS = ("/* it's */", "/**/", '-- don\'t "stop"\n', "--\r", "/* -- */", "/* a\n'b */", "/* $$ */")


def with_literals(sql: str, chance: random.Random) -> str:
    """Return *sql* with other strings and numbers."""

    def other(token: Token, before: str) -> str:
        if token.kind == "string" and token.text[0] == "'":
            return chance.choice(_STRINGS)
        if token.kind == "string" and token.text[0] in "xX":
            return chance.choice(("X'00 ff'", "x''"))
        if token.kind == "number" and not before.endswith(tuple(".0123456789_")):
            return chance.choice(_NUMBERS)
        return token.text

    pieces, before = [], ""
    for token in tokens(sql):
        pieces.append(other(token, before))
        before = token.text
    return "".join(pieces)


def with_layout(sql: str, chance: random.Random) -> str:
    """Return *sql* with other white space where there is some, and some around names and commas where there is none."""
    pieces, before = [chance.choice(_GAPS)], ""
    for token in tokens(sql):
        ends_comment = before.startswith("--")
        before = token.text
        if ends_comment:
            pieces.append(token.text)
        elif token.kind == "space":
            pieces.append(chance.choice(_GAPS))
        elif token.text in (",", ")", "(", "=", "<>", "<="):
            pieces += [chance.choice(("", *_GAPS)), token.text, chance.choice(("", *_GAPS))]
        else:
            pieces.append(token.text)
    return "".join([*pieces, chance.choice((";", "", "\n", " ;\n"))])


def with_comments(sql: str, chance: random.Random) -> str:
    """Return *sql* with comments where there is white space or a comma."""
    pieces, before = [chance.choice(_COMMENTS)], ""
    for token in tokens(sql):
        ends_comment = before.startswith("--")
        before = token.text
        pieces.append(token.text)
        if ends_comment or token.text.startswith("--"):
            continue
        if token.kind == "space" or token.text == ",":
            pieces += [chance.choice(_COMMENTS), " "]
    return "".join([*pieces, "\n", chance.choice(_COMMENTS)])


def with_case(sql: str, chance: random.Random) -> str:
    """Return *sql* with its keywords and unquoted names in another letter case."""
    change = chance.choice((str.upper, str.lower, str.swapcase))
    return "".join(change(token.text) if token.kind == "word" else token.text for token in tokens(sql))


def with_renamed(sql: str, chance: random.Random, keep: frozenset[str]) -> str:
    """Return *sql* with one of its names (words not in *keep*) renamed; *sql* itself if it has none."""
    read = tokens(sql)
    names = [index for index, token in enumerate(read) if token.kind == "word" and token.text.lower() not in keep]
    if not names:
        return sql
    index = chance.choice(names)
    read[index] = Token("word", read[index].text + "_x9")
    return "".join(token.text for token in read)

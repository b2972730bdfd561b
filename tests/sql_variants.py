"""Variants of a statement that must, or must not, keep its fingerprint. Reads SQL by a lexer of its own, token by
token, which shares nothing with the package's."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import NamedTuple

_LEXER = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<comment>--[^\r\n]*|/\*.*?\*/)
      | (?P<body>\$\$.*?\$\$)
      | (?P<string>(?:[uU]&|[xX])?'(?:[^']|'')*'(?!'))
      | (?P<cut>(?:[uU]&|[xX])?'.*)
      | (?P<quoted>"(?:[^"]|"")*")
      | (?P<number>(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?(?![\w.])|0[xXoObB][0-9a-fA-F_]+(?!\w))
      | (?P<word>[A-Za-z_]\w*)
      | (?P<symbol><>|!=|<=|>=|\|\||=>|->|.)""",
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """A piece of a statement; the pieces together are the statement."""

    kind: str
    """A group of the lexer (``cut`` is a string that is not closed), or ``statement``: a string to be executed."""
    text: str


def tokens(sql: str) -> list[Token]:
    """Return the pieces of *sql*, white space and comments among them."""
    read = [Token(str(match.lastgroup), match[0]) for match in _LEXER.finditer(sql)]
    said = [index for index, token in enumerate(read) if token.kind not in ("space", "comment")]
    words = [read[index].text.lower() for index in said[:5]]
    while words[:1] in (["explain"], ["analyze"], ["verbose"]):
        del words[0], said[0]
    if words[:2] == ["execute", "immediate"] and len(said) > 2 and read[said[2]].text.startswith("'"):
        index = said[2]
        if read[index].kind == "string":
            read[index] = Token("statement", read[index].text)
    return read


_STRINGS = ("''", "'it''s'", "'-- no comment'", "'/* nor this */'", "'a \"name\"'", "'?'", "'\n\x1f'", "'É'", "'$$'")
_NUMBERS = ("0", "42", "1_000_000", "3.14", ".5", "7.", "6.02e23", "1E-9", "0xFF", "0b101", "0o17")
_GAPS = (" ", "\n", "\t", "\r\n", "  \n    ")
_COMMENTS = ("/* it's */", "/**/", '-- don\'t "stop"\n', "--\r", "/* -- */", "/* a\n'b */", "/* $$ */")

Variant = Callable[[str, random.Random], str]


def _inside(token: Token, variant: Variant, chance: random.Random) -> str:
    """Return the string of a statement with a *variant* of the statement in it, as a plain string or as U&''."""
    sql = token.text[1:-1].replace("''", "'")
    text = variant(sql, chance)
    if text == sql:
        return token.text
    if chance.random() < 0.5:
        return "'" + text.replace("'", "''") + "'"
    escape = chance.choice("\\!#")
    spelled = "".join(
        escape * 2
        if letter == escape
        else f"{escape}+{ord(letter):06X}"
        if letter == "'" or chance.random() < 0.1
        else letter
        for letter in text
    )
    return f"U&'{spelled}' UESCAPE '{escape}'" if escape != "\\" else f"U&'{spelled}'"


def with_literals(sql: str, chance: random.Random) -> str:
    """Return *sql* with other strings and numbers."""

    def other(token: Token, before: str) -> str:
        if token.kind == "statement":
            return _inside(token, with_literals, chance)
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
    read = tokens(sql)
    for token in read:
        ends_comment = before.startswith("--")
        before = token.text
        if ends_comment:
            pieces.append(token.text)
        elif token.kind == "statement":
            pieces.append(_inside(token, with_layout, chance))
        elif token.kind == "space":
            pieces.append(chance.choice(_GAPS))
        elif token.text in (",", ")", "(", "=", "<>", "<="):
            pieces += [chance.choice(("", *_GAPS)), token.text, chance.choice(("", *_GAPS))]
        else:
            pieces.append(token.text)
    if read[-1:] and read[-1].kind != "cut":
        pieces.append(chance.choice((";", "", "\n", " ;\n")))
    return "".join(pieces)


def with_comments(sql: str, chance: random.Random) -> str:
    """Return *sql* with comments where there is white space or a comma."""
    pieces, before = [chance.choice(_COMMENTS)], ""
    read = tokens(sql)
    for token in read:
        ends_comment = before.startswith("--")
        before = token.text
        pieces.append(_inside(token, with_comments, chance) if token.kind == "statement" else token.text)
        if ends_comment or token.text.startswith("--"):
            continue
        if token.kind == "space" or token.text == ",":
            pieces += [chance.choice(_COMMENTS), " "]
    if read[-1:] and read[-1].kind != "cut":
        pieces += ["\n", chance.choice(_COMMENTS)]
    return "".join(pieces)


def with_case(sql: str, chance: random.Random) -> str:
    """Return *sql* with its keywords and unquoted names in another letter case."""
    change = chance.choice((str.upper, str.lower, str.swapcase))
    return "".join(
        change(token.text)
        if token.kind == "word"
        else _inside(token, with_case, chance)
        if token.kind == "statement"
        else token.text
        for token in tokens(sql)
    )


def with_renamed(sql: str, chance: random.Random, keep: frozenset[str]) -> str:
    """Return *sql* with one of its names (quoted, or words not in *keep*) renamed; *sql* itself if it has none.

    Of EXECUTE IMMEDIATE one in the statement in its string.
    """
    read = tokens(sql)
    for index, token in enumerate(read):
        if token.kind == "statement":
            read[index] = Token("", _inside(token, lambda inner, now: with_renamed(inner, now, keep), chance))
            return "".join(token.text for token in read)
    names = [
        index
        for index, token in enumerate(read)
        if token.kind == "quoted" or (token.kind == "word" and token.text.lower() not in keep)
    ]
    if not names:
        return sql
    index = chance.choice(names)
    kind, text = read[index]
    read[index] = Token(kind, text[:-1] + '_x9"' if kind == "quoted" else text + "_x9")
    return "".join(token.text for token in read)

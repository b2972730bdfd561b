"""Two lexical levels that decide what an id stands for; the rules with their reasons are in RULES.md.

Level 0, `key`, is one call of one regular expression: literals become empty items, comments only end an item, and all
other text is copied in long runs. It is what a cache is asked for. Level 1, `read` here and `fold` in canonical.py,
makes the tokens that the id is the hash of, from the key alone, so a literal cannot reach them. Both are linear on any
text: quantifiers that could backtrack are possessive, and brackets are followed with a stack of our own.
"""

from __future__ import annotations

import re
from hashlib import blake2b

from exporter.fingerprint.patterns import possessive
from exporter.fingerprint.words import RESERVED

LITERAL = "?"
CUT = "…"
"""The last word of a text that was cut: it keeps the id apart from that of a whole text."""

_VERSION = "fp1"
"""Part of what is hashed: a change of any rule that moves an id needs a new one."""

IN_STRING = "[^']*+" + possessive("(?:''[^']*+)*")
_STRING = rf"'{IN_STRING}(?:'|\Z)"
_BODY = r"\$\$.*?(?:\$\$|\Z)"  # of an inline function; may hold a lone quote
LINE_COMMENT = r"--[^\r\n]*+"
BLOCK_COMMENT = r"/\*" + possessive(r"(?:[^*]++|\*(?!/))*") + r"\*/"
_COMMENT = rf"{LINE_COMMENT}|{BLOCK_COMMENT}|\x1f"  # \x1f separates the items, so it may only break a run
_QUOTED = "|".join(
    mark + f"[^{mark}]*+" + possessive(f"(?:{mark}{mark}[^{mark}]*+)*") + rf"(?:{mark}|\Z)" for mark in ('"', "`")
)
_NUMBER = (
    r"(?:0[xX][0-9a-fA-F_]++(?!\w)|0[oO][0-7_]++(?!\w)|0[bB][01_]++(?!\w)"  # these have no exponent: 0xe+1 is a sum
    r"|[0-9][0-9_]*+(?:\.[0-9_]*+" + possessive("(?:[eE][-+]?+[0-9]++)?") + r"|[eE][-+]?+[0-9]++(?!\w)|(?!\w)))"
)
_PAREN, _SQUARE = r"\(", r"\["
_ELEMENT = rf"(?:[-+]?+\.?+{_NUMBER}|{_STRING}|(?i:null|true|false)\b|\?)"
_ELEMENTS = _ELEMENT + possessive(rf"(?:\s*+,\s*+{_ELEMENT})*")


def _after(word: str, opener: str, ends: tuple[str, ...] = ("", "-")) -> str:
    """Return a test that *word*, *opener* and one of *ends* stand just before. `re` looks behind by a fixed width
    only, so each layout is an alternative; lists laid out otherwise are left to level 1, also those on a new line:
    the word may be the last one of a comment."""
    starts = [rf"\b{_in_any_case(word)}{gap}{opener}" for gap in ("", r"[^\S\r\n]")]
    return "(?:" + "|".join(f"(?<={start}{end})" for start in starts for end in ends) + ")"


def _in_any_case(word: str) -> str:
    return "".join(f"[{letter}{letter.upper()}]" for letter in word)


def _dates(word: str, opener: str) -> str:
    """Return what eats a list of literals of one type, all but the first type word."""
    types = [_in_any_case(name) for name in ("date", "timestamp")]
    return "|".join(
        _after(word, opener, (f"{name}[ ]",)) + _STRING + possessive(rf"(?:\s*+,\s*+{name}\s*+{_STRING})*")
        for name in types
    )


_ROWS = _ELEMENTS + possessive(rf"(?:\s*+\)\s*+,\s*+\(\s*+{_ELEMENTS})*")
_LISTS = rf"""{_after("in", _PAREN)}{_ELEMENTS}(?=\s*+\))
  | {_after("values", _PAREN)}{_ROWS}(?=\s*+\))
  | {_after("array", _SQUARE)}{_ELEMENTS}(?=\s*+\])"""
_DATES = rf"(?:{_dates('in', _PAREN)})(?=\s*+\))|(?:{_dates('array', _SQUARE)})(?=\s*+\])"

_RUN = possessive(
    rf"""(?: [^'"`0-9/\x1f$-]++ | (?:(?<=\w)|(?<=[^$]\$))[0-9]++ | (?=[0-9]++[^\W0-9])(?!{_NUMBER})[0-9]\w++
           | -(?!-) | /(?!\*) | \$(?!\$) | {_QUOTED} )+"""
)
_items = re.compile(
    rf"""{possessive(f"(?:{_COMMENT})*")}
    (?: ( {_RUN} )
      | (?<=[(\[-])(?:{_LISTS})
      | (?<=[eEpP][ ])(?:{_DATES})
      | {_STRING} | {_NUMBER} | {_BODY} | . )""",
    re.VERBOSE | re.DOTALL,
).findall

_whole_comments = re.compile(
    possessive(
        rf"(?:[^'\"`/$-]++|{_STRING}|{_QUOTED}|{_BODY}|{LINE_COMMENT}|{BLOCK_COMMENT}|/(?!\*)|[$-])*",
    ),
    re.DOTALL,
).match

_SURROGATES = re.compile("[\ud800-\udfff]")
_END, _END_IN_COMMENT = "\x04", "\x05"


def key(text: str) -> str:
    """Return *text* without its literals and comments, in lower case: equal keys have equal ids.

    Items are joined by \\x1f: one between two runs of text, one more for each literal there. The key ends in \\x04,
    after a comment that is not closed (it is cut off) in \\x05, and in neither if a string is not closed.
    """
    end = _END
    if text.rfind("/*") >= text.rfind("*/") - 1:  # the star may be that of both: /*/
        whole = _whole_comments(text)
        if whole and whole.end() < len(text):
            text, end = text[: whole.end()], _END_IN_COMMENT
    if not text.isascii():
        # In lower case at once: a letter may become two, which must read as those of the template will. What becomes
        # of a capital sigma would depend on what follows it.
        text = _SURROGATES.sub("\ufffd", text).replace("Σ", "σ").lower()
    # The newlines make the first and the last item runs of text: a trailing comment must not end the text.
    return "\x1f".join(_items(f"\n{text}\n{end}")).lower()


_GLUED = re.compile(
    r"""(?: \.(?<![\w$"`)\].]\.)  # .5
         | x(?<![\w$"`.]x) | u&(?<![\w$"`.]u&) )  # x'00', u&'\2603'; the letters first, for speed
        (?=\x1f(?:\x1f|\Z))
    """,
    re.VERBOSE,
)
_tokens = re.compile(rf"\x1f++|{_QUOTED}|[\w$]++|<>|!=|<=|>=|\|\||=>|->|\S").findall
_plain = re.compile(r"[a-z_][a-z0-9_]*").fullmatch
_AS_THEY_ARE = frozenset((*"()[]{},.;:=<>+-*/%?@|^$&!", "<>", "<=", ">=", "||", "=>", "->"))


def read(key: str, *, cut: bool) -> tuple[list[str], bool]:
    """Return the tokens of a `key`, each literal as ``?``, and whether all of them are whole and known to the dialect.

    *cut*: the text goes on, so a name or a quoted name at its end is not whole and is left out.
    """
    is_clean = key.endswith(_END)
    ends_in_text = is_clean or key.endswith(_END_IN_COMMENT)
    text = _GLUED.sub(" ", key[:-1].removesuffix("\n") if ends_in_text else key)
    found: list[str] = _tokens(text)
    if cut and found and (_is_open(found[-1]) or (_is_word(found[-1]) and not text[-1].isspace())):
        found.pop()
    tokens: list[str] = []
    last = len(found) - 1
    for index, word in enumerate(found):
        first = word[0]
        if word in _AS_THEY_ARE or _is_word(word):
            tokens.append(word)
        elif first == "\x1f":
            # Between two runs of text there is one more separator than literals; nothing follows a string not closed.
            literals = len(word) - (index < last or ends_in_text)
            tokens.extend([LITERAL] * literals)
        elif first in '"`':
            if _is_open(word):
                is_clean = False
                tokens.append(f'"{CUT}"')  # what it swallowed may hold strings
            else:
                tokens.append(_unquoted(word, found[index + 1] if index < last else "", is_first=not tokens))
        elif word == "!=":
            tokens.append("<>")
        else:
            is_clean = False
            tokens.append(word if word.isprintable() else "\ufffd")
    return tokens, is_clean


def _is_word(word: str) -> bool:
    return word[0].isalnum() or word[0] in "_$"


def _is_open(word: str) -> bool:
    """True for a quoted name that is not closed: its quotes do not come in pairs."""
    return word[0] in '"`' and word.count(word[0]) % 2 == 1


def _unquoted(word: str, following: str, *, is_first: bool) -> str:
    """Return a quoted name without its quotes if it means the same without: they do not count around a plain name."""
    name = word[1:-1]
    if not _plain(name) or name in RESERVED or name in _SPECIAL or is_first or (name == "array" and following == "["):
        return word if word[0] == '"' else '"' + name.replace('"', '""').replace("``", "`") + '"'
    return name


_SPECIAL = frozenset(("asc", "uescape"))


def fingerprint_id(tokens: tuple[str, ...]) -> str:
    """Return the id of canonical tokens: 16 hexadecimal digits."""
    return blake2b("\x1f".join((_VERSION, *tokens)).encode(), digest_size=8).hexdigest()

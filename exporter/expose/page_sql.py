"""Templates of statements as HTML: keywords, literals, functions and quoted names are told apart by classes.

A template has keywords in upper case and names in lower case, as fingerprint/template.py writes it, so no list of
keywords is needed. Whatever the text is, what is shown is all of it, in order, escaped.
"""

from __future__ import annotations

import re

from exporter.expose.page_text import cut, text

LONGEST = 24_000
"""Characters of a template that are shown whole."""

_TOKEN = re.compile(
    r'(?P<q>"[^"]*"?|`[^`]*`?)'
    r"|(?P<k>\b[A-Z][A-Z_]*\b)"
    r"|(?P<l>\?|'[^']*'?|\b[0-9][0-9.]*\b)"
    r"|(?P<f>\b[a-z_][\w$]*(?=\())"
)


def highlighted(template: str) -> str:
    """Return the template as HTML with the classes k(eyword), l(iteral), f(unction), q(uoted name)."""
    pieces: list[str] = []
    end = 0
    for found in _TOKEN.finditer(template):
        pieces.append(text(template[end : found.start()], laid_out=True))
        pieces.append(f'<span class="{found.lastgroup}">{text(found[0], laid_out=True)}</span>')
        end = found.end()
    pieces.append(text(template[end:], laid_out=True))
    return "".join(pieces)


def one_line(template: str, length: int) -> str:
    """Return the beginning of the template on one line, for lists."""
    line = " ".join(template[: 4 * length].split()).replace("( ", "(").replace(" )", ")")
    return highlighted(cut(line, length))

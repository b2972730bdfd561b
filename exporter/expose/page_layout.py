"""What all pages have around their content, and the pages that say what is wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence

from starlette.responses import HTMLResponse, Response, StreamingResponse

from exporter import __version__
from exporter.errors import ExporterError
from exporter.expose.page_script import SCRIPT
from exporter.expose.page_style import STYLE
from exporter.expose.page_text import text
from exporter.expose.turns import Turns

_THREE_BARS = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M1 8h3v7H1zM6 4h3v11H6zM11 1h3v14h-3z"/></svg>'


def page(title: str, content: str, *, status: int = 200, headers: dict[str, str] | None = None) -> HTMLResponse:
    """Return a whole page; *title* is plain text, *content* HTML."""
    html = _opening(title) + content + _CLOSING
    return HTMLResponse(html.encode(), status, headers={**_NOT_KEPT, **(headers or {})})


def streamed(title: str, parts: Iterator[str], turns: Turns) -> Response:
    """Return a page of which the first part is sent before the others are made, in one of the *turns*.

    Raises what making the first part raises; if another one cannot be made, the page says why in its place.
    """
    beginning = _opening(title) + next(parts)

    def rest() -> str:
        try:
            return "\n".join(["", *parts])
        except ExporterError as error:
            return f'<div class="notice bad" role="alert"><p>{text(str(error))}</p></div>'

    async def body() -> AsyncIterator[bytes]:
        yield beginning.encode()
        yield (await turns.make(rest) + _CLOSING).encode()

    return StreamingResponse(body(), headers=_NOT_KEPT, media_type="text/html")


_NOT_KEPT = {"Cache-Control": "no-store"}


def _opening(title: str) -> str:
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{text(title)} · presto-query-exporter</title>
<style>{STYLE}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header class="top">
<a class="brand" href="/">{_THREE_BARS}presto-query-exporter</a>
<nav aria-label="Site"><a href="/queries" aria-current="true">Queries</a><a href="/">Clusters</a></nav>
<div class="tools" hidden><button type="button" class="refresh" aria-pressed="false">Refresh every minute</button></div>
</header>
<main id="main" tabindex="-1">
"""


_CLOSING = f"""
</main>
<footer>presto-query-exporter {text(__version__)} · times are UTC<span class="keys" hidden> · keys: <kbd>/</kbd> find,
<kbd>j</kbd> <kbd>k</kbd> next and previous row</span></footer>
<script>{SCRIPT}</script>
</body>
</html>
"""


def bad_question(problems: Sequence[str], form: str) -> HTMLResponse:
    """Return the page that says what is wrong with an address; the form holds what was asked."""
    listed = "".join(f"<li>{text(problem)}</li>" for problem in problems)
    return _notice("This cannot be asked", f"<ul>{listed}</ul>", 400, form=form)


def not_found(what: str, advice: str) -> HTMLResponse:
    """Return the page for something that the ledger does not have; *what* and *advice* are plain text."""
    said = f'<p>{text(what)}</p><p>{text(advice)}</p><p><a href="/queries">All queries</a></p>'
    return _notice("Not found", said, 404)


def unavailable(message: str) -> HTMLResponse:
    """Return the page for a ledger that gives no answer now."""
    said = f'<p>{text(message)}</p><p>Counting goes on; <a href="">try again</a> in some seconds.</p>'
    return _notice("No answer from the ledger", said, 503, headers={"Retry-After": "10"})


def _notice(
    title: str, said: str, status: int, *, form: str = "", headers: dict[str, str] | None = None
) -> HTMLResponse:
    content = f'<div class="head"><h1>{title}</h1></div>\n{form}\n<div class="notice bad" role="alert">{said}</div>'
    return page(title, content, status=status, headers=headers)

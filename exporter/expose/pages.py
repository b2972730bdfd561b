"""``/queries`` and the pages of one fingerprint and one user: usage for people, made of the answers of the ledger.

A question takes the ledger some 100 ms, so pages are made in turns.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Container
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from exporter.errors import ExporterError, QuestionError
from exporter.expose import page_address, page_details, page_overview
from exporter.expose.page_form import Parameters, form, submitted
from exporter.expose.page_layout import bad_question, not_found, streamed, unavailable
from exporter.expose.page_script import SCRIPT
from exporter.expose.page_style import STYLE
from exporter.expose.page_text import cut, plain_name
from exporter.expose.turns import Turns
from exporter.report import question as questions
from exporter.report.question import Question
from exporter.report.report import Report

__all__ = ["SCRIPT", "STYLE", "routes"]


def routes(ask: Callable[[Question], Report]) -> list[Route]:
    """Return the routes of the pages; *ask* answers questions, from any thread, or raises ExporterError."""

    turns = Turns()

    def asked(question: Question) -> Report:
        report = ask(question)
        return replace(report, end=min(report.end, time.time()))  # the last hour or day may go on, but not yet

    def overview(request: Request) -> Response:
        def show(question: Question) -> Response:
            return streamed("Queries", page_overview.content(question, asked), turns)

        return _answer(page_address.OVERVIEW, *_given(request), show)

    def fingerprint(request: Request) -> Response:
        identity = request.path_params["identity"]

        def show(question: Question) -> Response:
            content = page_details.fingerprint(identity, question, asked)
            if content is None:
                return not_found(f"Fingerprint {cut(identity)} is not in the ledger.", _KEPT)
            return streamed(f"Fingerprint {cut(identity)}", content, turns)

        return _answer(page_address.fingerprint(Question(), identity), *_given(request), show, page_details.PARAMETERS)

    def user(request: Request) -> Response:
        given, is_form = _given(request)
        names = [value for key, value in given if key == "name"]
        if len(names) != 1:
            wrong = "given more than once; give one" if names else "missing; add ?name= and a user"
            return bad_question([f"name: {wrong}"], "")
        who = names[0]

        def show(question: Question) -> Response:
            content = page_details.user(who, question, asked)
            if content is None:
                return not_found(f"User {plain_name(who)} has no query in the ledger.", _KEPT)
            return streamed(f"User {plain_name(who)}", content, turns)

        others = [(key, value) for key, value in given if key != "name"]
        return _answer(page_address.user(Question(), who), others, is_form, show, page_details.PARAMETERS)

    def in_turn(show: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await turns.make(lambda: show(request))

        return endpoint

    return [
        Route("/queries", in_turn(overview)),
        Route("/queries/fingerprint/{identity}", in_turn(fingerprint)),
        Route("/queries/user", in_turn(user)),
    ]


_KEPT = "Usage is kept for 90 days; what is rare is put together as other."


def _given(request: Request) -> tuple[Parameters, bool]:
    """Return the parameters of a request, and whether a form sent them."""
    given = request.query_params.multi_items()
    sent = submitted(given)
    return (given, False) if sent is None else (sent, True)


def _answer(
    address: str,
    given: Parameters,
    is_form: bool,
    show: Callable[[Question], Response],
    taken: Container[str] | None = None,
) -> Response:
    """Return what *show* makes of the question in *given*, or the page that says why there is no answer.

    *address* is that of the page, without the question; *taken* are the parameters that it takes, if not all. What a
    form sent goes on to its lasting address.
    """
    foreign = () if taken is None else tuple(dict.fromkeys(key for key, _ in given if key not in taken))
    problems = [f"{key}: not for this page; remove it" for key in foreign]
    try:
        question = questions.parse([(key, value) for key, value in given if key not in foreign])
    except QuestionError as error:
        problems += map(str, error.problems)
    if problems:
        return bad_question(problems, form(address, given, (), whole=taken is None))
    if is_form:
        lasting = page_address.with_question(address, question)
        return RedirectResponse(lasting, 303, headers={"Cache-Control": "no-store"})
    try:
        return show(question)
    except ExporterError as error:
        return unavailable(str(error))

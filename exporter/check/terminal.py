"""What a check found, as text for people and as JSON for programs.

Names, versions and addresses come from servers: whatever in them could steer a terminal is shown as an escape.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TextIO

from exporter.check.facts import Facts, facts_of
from exporter.check.figures import day, number, plain, size, span
from exporter.check.findings import Finding, Severity
from exporter.check.seen import Seen

Results = Sequence[tuple[Seen, tuple[Finding, ...]]]

_LONGEST = 1000
_COLOURS = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.NOTE: "36"}
_GOOD, _TITLE = "32", "1"


def is_good(findings: Sequence[Finding]) -> bool:
    """True if nothing has to be done."""
    return all(finding.severity is Severity.NOTE for finding in findings)


def wants_colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """True if *stream* is a terminal and nobody asked for no colour (https://no-color.org)."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def to_text(results: Results, colour: bool = False) -> str:
    """Return the findings of every cluster after what is known of it, and a last line that sums up."""
    blocks = ["\n".join(_block(seen, findings, colour)) for seen, findings in results]
    return "\n\n".join([*blocks, _sum(results, colour)])


def to_json(results: Results) -> str:
    """Return the same as one JSON object: ``ok``, and per cluster ``ok``, ``facts`` and ``findings``."""
    clusters = [
        {
            "cluster": seen.title,
            "url": seen.cluster.url,
            "ok": is_good(findings),
            "facts": asdict(facts_of(seen)),
            "findings": [asdict(finding) for finding in findings],
        }
        for seen, findings in results
    ]
    return json.dumps({"ok": all(is_good(findings) for _, findings in results), "clusters": clusters}, indent=2)


def _block(seen: Seen, findings: Sequence[Finding], colour: bool) -> Iterator[str]:
    yield _painted(f"{seen.title}  {seen.cluster.url}", _TITLE, colour)
    for name, value in _facts(facts_of(seen)):
        yield f"  {name:<10}{_plain(value)}"
    for finding in findings:
        mark = _painted(f"{finding.severity.value:<10}", _COLOURS[finding.severity], colour)
        yield f"  {mark}{_plain(str(finding))}"
        for line in finding.lines.splitlines():
            yield f"  {'':<10}| {_plain(line)}"
    if is_good(findings):
        yield f"  {_painted('ok', _GOOD, colour)}"


def _facts(facts: Facts) -> Iterator[tuple[str, str]]:
    if facts.engine is not None:
        since = "" if facts.uptime_seconds is None else f", up {span(facts.uptime_seconds)}"
        yield "engine", f'{facts.engine} {facts.version}, environment "{facts.environment}"{since}'
    yield "asked as", facts.asked_as
    if facts.queries_listed is not None and facts.list_bytes is not None and facts.poll_seconds is not None:
        listed = number(facts.queries_listed, "query", "queries")
        users = number(facts.visible_users or 0, "user")
        cost = f"{size(facts.list_bytes)} in {span(facts.poll_seconds)}"
        in_flight = facts.queries_listed - (facts.queries_ended or 0)
        yield "list", f"{listed} of {users}, {in_flight:,} in flight; {cost}"
    if facts.oldest_end_age_seconds is not None:
        yield "retention", f"ended queries listed for {span(facts.oldest_end_age_seconds)} at least"
    if facts.clock_skew_seconds is not None:
        skew = facts.clock_skew_seconds
        apart = "the coordinator's agrees with ours" if abs(skew) < 2 else f"the coordinator's {_signed(skew)} ours"
        yield "clock", apart
    if facts.certificate_valid_until is not None:
        issuer = f" by {facts.certificate_issuer}" if facts.certificate_issuer else ""
        names = ", ".join(facts.certificate_names) or "no name"
        until = day(facts.certificate_valid_until)
        yield "TLS", f"{facts.tls_protocol}, certificate for {names}{issuer} until {until}"


def _signed(skew: float) -> str:
    return f"{span(abs(skew))} {'ahead of' if skew > 0 else 'behind'}"


def _sum(results: Results, colour: bool) -> str:
    bad = sum(not is_good(findings) for _, findings in results)
    good = len(results) - bad
    parts = [_painted(f"{good} ok", _GOOD, colour)] if good else []
    parts += [_painted(f"{bad} with problems", _COLOURS[Severity.ERROR], colour)] if bad else []
    return f"{number(len(results), 'cluster')}: {', '.join(parts)}"


def _painted(text: str, code: str, colour: bool) -> str:
    text = _plain(text)
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text


def _plain(text: str) -> str:
    """Return *text* with everything that is not printable as an escape, and not longer than people read."""
    shown = plain(text)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"

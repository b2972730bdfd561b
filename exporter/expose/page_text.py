"""Texts and numbers as people read them, fit for HTML: nothing that is shown can be markup, or hide what it is."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from html import escape
from typing import NamedTuple

LONGEST_NAME = 80
"""Characters of a name that lists show; the whole is in its title."""

_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f\u2060-\u206f\u3164"
    "\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U000e0000-\U000e0fff]"
)
"""Controls, marks that turn or join what is around them, blanks that take no room, halves of characters."""
_LAID_OUT = frozenset("\n\t")


def text(value: str, *, laid_out: bool = False) -> str:
    """Return *value* as HTML, in text or in a quoted attribute; characters that nobody sees are written out.

    With *laid_out* line breaks and tabs stay.
    """

    def written_out(found: re.Match[str]) -> str:
        character = found[0]
        code = ord(character)
        if laid_out and character in _LAID_OUT:
            return character
        if code < 0x20:
            return chr(0x2400 + code)
        return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"

    return escape(_UNSEEN.sub(written_out, value))


def is_seen(value: str) -> bool:
    """Return whether `text` shows *value* as it is, so that a field of a form sends it back unchanged."""
    return _UNSEEN.search(value) is None


def cut(value: str, length: int = LONGEST_NAME) -> str:
    """Return *value* if it is not longer than *length*, else its beginning and an ellipsis."""
    return value if len(value) <= length else f"{value[: length - 1]}…"


def name(value: str, length: int = LONGEST_NAME) -> str:
    """Return a name of a user, source, table or the like as HTML that stands apart from what is written around it."""
    if not value:
        return '<i class="soft">(none)</i>'
    title = f' title="{text(value)}"' if len(value) > length else ""
    return f"<bdi{title}>{text(cut(value, length))}</bdi>"


def plain_name(value: str) -> str:
    """Return a name for titles and labels, not yet HTML."""
    return cut(value) or "(none)"


def count(value: float) -> str:
    """Return a number of things, such as ``12 k``."""
    return _scaled(value, 1000, ("", " k", " M", " G", " T", " P", " E")).rstrip()


def size(value: float) -> str:
    """Return bytes, such as ``3.4 TiB``."""
    return _scaled(value, 1024, (" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"))


def duration(value: float) -> str:
    """Return seconds, such as ``340 ms`` or ``1.2 h``."""
    if value < 0.0005:
        return "0 s"
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    for unit, seconds, following in (("s", 1, 60), ("min", 60, 60), ("h", 3600, 48), ("d", 86400, 1000)):
        amount = value / seconds
        if float(_two_digits(amount).replace(",", "")) < following:
            return f"{_two_digits(amount)} {unit}"
    return f"{_two_digits(value / 31_557_600)} y"


def memory_time(value: float) -> str:
    """Return byte-seconds, such as ``3.4 TiB h``."""
    return f"{size(value / 3600)} h"


def percent(share: float) -> str:
    """Return a share of 1 as HTML, such as ``34 %``."""
    if share <= 0:
        return "0 %"
    if share < 0.001:
        return "&lt;0.1 %"
    if share < 0.0995 or 0.995 <= share < 1:
        return f"{min(share, 0.999) * 100:.1f} %"
    return f"{share * 100:,.0f} %"


def gained(now: float, before: float) -> str:
    """Return how much more *now* is than *before*, such as ``+34 %`` or ``×12``; empty if nothing can be said."""
    if before <= 0 or now == before:
        return ""
    ratio = now / before
    if ratio >= 9.95:
        return f"×{count(ratio)}"
    more = abs(ratio - 1)
    if more < 0.005:
        return ""
    return f"{'+' if ratio > 1 else '−'}{more * 100:.0f} %"


def ratio(part: float, whole: float) -> float:
    """Return *part* of *whole*, 0 of nothing."""
    return part / whole if whole else 0.0


def _scaled(value: float, step: int, units: tuple[str, ...]) -> str:
    for unit in units[:-1]:
        if round(value) < 1000 if unit == units[0] else float(_two_digits(value).replace(",", "")) < 1000:
            return f"{f'{value:.0f}' if unit == units[0] else _two_digits(value)}{unit}"
        value /= step
    return f"{_two_digits(value)}{units[-1]}"


def _two_digits(value: float) -> str:
    return f"{value:,.1f}" if value < 9.95 else f"{value:,.0f}"


_ONE = {"queries": "query", "bytes": "byte", "rows": "row"}


class Measure(NamedTuple):
    """How a measure is called and written."""

    label: str
    short: Callable[[float], str]
    unit: str
    """Of the exact value."""
    about: str

    def figure(self, value: float, after: str = "") -> str:
        """Return *value* for people as HTML, the exact one in its title."""
        return f'<span title="{self.exact(value)}">{self.short(value)}{after}</span>'

    def exact(self, value: float) -> str:
        """Return *value* in base units."""
        digits = f"{value:,.3f}".rstrip("0").rstrip(".") if self.unit == "s" else f"{value:,.0f}"
        return f"{digits} {_ONE.get(self.unit, self.unit) if digits == '1' else self.unit}"


MEASURES: dict[str, Measure] = {
    "queries": Measure("Queries", count, "queries", "queries that ended"),
    "finished": Measure("Finished", count, "queries", "queries that finished"),
    "failed": Measure("Failed", count, "queries", "queries that failed"),
    "canceled": Measure("Canceled", count, "queries", "queries that somebody canceled or killed"),
    "cpu_seconds": Measure("CPU", duration, "s", "CPU time of all workers"),
    "failed_cpu_seconds": Measure("CPU in vain", duration, "s", "CPU of queries that failed or were canceled"),
    "input_bytes": Measure("Read", size, "bytes", "bytes read from storage"),
    "input_rows": Measure("Rows read", count, "rows", "rows read"),
    "memory_byte_seconds": Measure("Memory", memory_time, "byte seconds", "memory held, over time"),
    "queued_seconds": Measure("Queued", duration, "s", "time that queries waited in the queue"),
    "elapsed_seconds": Measure("Elapsed", duration, "s", "time from creation to end"),
    "repeated_queries": Measure(
        "Repeats", count, "queries", "queries whose very text had finished before within a day"
    ),
    "repeated_cpu_seconds": Measure(
        "CPU of repeats", duration, "s", "CPU of queries whose very text had finished before within a day"
    ),
}
"""By their names in question.MEASURES, in the same order."""


def moment(at: float, *, both: bool = False) -> str:
    """Return a time as HTML, in UTC; the script adds the local one: in the title, with *both* also behind it."""
    then = time.gmtime(at)
    marked = ' class="both"' if both else ""
    return (
        f'<time{marked} datetime="{time.strftime("%Y-%m-%dT%H:%M:%SZ", then)}">'
        f"{time.strftime('%Y-%m-%d %H:%M', then)} UTC</time>"
    )


def ago(then: float, now: float) -> str:
    """Return how long ago *then* was."""
    seconds = max(0.0, now - then)
    return f"{duration(seconds)} ago" if seconds >= 1 else "just now"


def span(seconds: float) -> str:
    """Return the length of a window in words."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds % length == 0 and (seconds >= 2 * length or seconds == length != 86400):
            number = round(seconds / length)
            return f"{number} {unit}{'s' if number > 1 else ''}"
    return duration(seconds)

"""Texts and figures for a terminal: nothing that is shown can steer it, and every figure is short."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

LONGEST = 2000
"""Characters of a text in one line: more than any terminal is wide."""

_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""What is printable to Python and yet takes no room, or changes how wide its neighbour is."""
_TAB = "    "
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def plain(text: str) -> str:
    """Return *text* with each character that is not seen, or could steer a terminal, as a picture or an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(one if one.isprintable() and not _UNSEEN.match(one) else _written_out(one) for one in text)


def line(text: str, longest: int = LONGEST) -> str:
    """Return *text* as `plain` in one line, with one blank for each run of white space, cut after *longest*."""
    begin = " ".join(text[: 4 * longest].split())
    return plain(begin if len(begin) <= longest and len(text) <= 4 * longest else f"{begin[: longest - 1]}…")


def lines(text: str) -> list[str]:
    """Return the lines of *text*, each as `plain`, with tabs as blanks."""
    return [plain(part.removesuffix("\r").replace("\t", _TAB)) for part in text.split("\n")]


def count(value: float) -> str:
    """Return a number of things, such as ``12k``, in at most four characters up to 999 E."""
    return _scaled(value, 1000, ("", "k", "M", "G", "T", "P", "E"))


def size(value: float) -> str:
    """Return bytes, such as ``3.4TiB``."""
    return _scaled(value, 1024, ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"))


def memory_time(value: float) -> str:
    """Return byte-seconds, such as ``3.4TiB·h``."""
    return f"{size(value / 3600)}·h"


def duration(value: float) -> str:
    """Return seconds, such as ``340ms`` or ``1.2h``: minutes are m, days are d."""
    if value < 0.0005:
        return "0s"
    if value < 0.9995:
        return f"{value * 1000:.0f}ms"
    for unit, seconds, following in (("s", 1, 60), ("m", 60, 60), ("h", 3600, 48)):
        amount = value / seconds
        if float(_two_digits(amount)) < following:
            return f"{_two_digits(amount)}{unit}"
    days = value / 86400
    return f"{_two_digits(days) if days < 9.95 else count(days)}d"


def percent(share: float) -> str:
    """Return a share of 1, such as ``34%``; not 0% for anything, nor 100% for less than all."""
    if share <= 0:
        return "0%"
    if share < 0.001:
        return "<0.1%"
    if share < 0.0995 or 0.9945 <= share < 1:
        return f"{min(share, 0.999) * 100:.1f}%"
    return f"{share * 100:.0f}%"


def gained(now: float, before: float) -> str:
    """Return how much more *now* is than *before*, such as ``+34%`` or ``×12``; empty if nothing can be said."""
    if before <= 0:
        return ""
    ratio = now / before
    if ratio >= 9.95:
        return f"×{count(ratio)}"
    more = abs(ratio - 1)
    return "" if more < 0.005 else f"{'+' if ratio > 1 else '−'}{more * 100:.0f}%"


def moment(at: float, form: str = "%Y-%m-%d %H:%M UTC") -> str:
    """Return a Unix time in UTC, from 1970 to 9999."""
    return (_EPOCH + timedelta(seconds=min(max(at, 0.0), 253402300799.0))).strftime(form)


def ratio(part: float, whole: float) -> float:
    """Return *part* of *whole*, 0 of nothing."""
    return part / whole if whole else 0.0


def _written_out(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def _scaled(value: float, step: int, units: tuple[str, ...]) -> str:
    for unit in units[:-1]:
        shown = f"{value:.0f}" if unit == units[0] else _two_digits(value)
        if float(shown) < 1000:
            return f"{shown}{unit}"
        value /= step
    return f"{_two_digits(value)}{units[-1]}"


def _two_digits(value: float) -> str:
    if value >= 9.95:
        return f"{value:.0f}" if value < 1e6 else f"{value:.0e}"
    return f"{value:.1f}"

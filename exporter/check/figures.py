"""Durations, sizes, counts, days and foreign texts as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def span(seconds: float) -> str:
    """Return a duration in at most two units next to each other: ``0.41 s``, ``12 s``, ``3 h 20 min``, ``2 d``."""
    if seconds < 9.95:
        return f"{round(seconds, 1 if seconds >= 0.995 else 2):g} s"
    left = round(seconds)
    parts: list[str] = []
    for length, unit in _UNITS:
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count} {unit}")
        if len(parts) == 2 or (parts and not count):
            break
    return " ".join(parts)


def size(count: int) -> str:
    """Return bytes in the unit that leaves at most three digits before the point: ``512 B``, ``2.6 MiB``."""
    amount, unit = float(count), 0
    while amount >= 999.5 and unit < len(_SIZES) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.{1 if unit and amount < 99.95 else 0}f} {_SIZES[unit]}"


def number(count: int, singular: str, plural: str = "") -> str:
    """Return a count with its noun: ``1 query``, ``12,345 queries``."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def day(time: float) -> str:
    """Return the day of a Unix time in UTC, as ``2026-11-25``."""
    try:
        return (_EPOCH + timedelta(seconds=time)).strftime("%Y-%m-%d")
    except OverflowError:
        return "no day of this calendar"


def plain(text: str) -> str:
    """Return *text* with everything that is not printable as an escape: nothing in it can steer a terminal."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)

"""Durations and data sizes as the engines write them. Anything else is a DecodeError with reason ``bad_unit``.

So is what no engine can hold: they count nanoseconds and bytes in 64 bits. What is accepted is therefore finite, and
short: the texts seen last are kept.
"""

from __future__ import annotations

import re
from functools import lru_cache

from exporter.errors import DecodeError

_NUMBER_AND_UNIT = re.compile(r"([0-9]{1,19}(?:\.[0-9]{1,9})?)([a-zA-Z]{1,2})").fullmatch

_MOST_SECONDS = 2.0**63 / 1e9
_MOST_BYTES = 2.0**63
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1.0, "kB": 2.0**10, "MB": 2.0**20, "GB": 2.0**30, "TB": 2.0**40, "PB": 2.0**50}

MICROSECONDS = 6
"""Decimals kept of seconds. Engines print three digits, so nothing is lost, and sums of rounded seconds stay equal to
the sums of the decimals: below 285 years a double tells all microseconds apart."""


@lru_cache(maxsize=4096)
def parse_duration(text: str) -> float:
    """Return the seconds in an engine duration such as ``1.50m`` or ``350.00ms``, to the microsecond.

    Source: airlift ``io.airlift.units.Duration`` (ns, us, ms, s, m, h, d; two decimals).
    Raises DecodeError if *text* is not a number followed by one of these units, or more than 292 years.
    """
    return round(_parse(text, _SECONDS, _MOST_SECONDS), MICROSECONDS)


@lru_cache(maxsize=4096)
def parse_size(text: str) -> float:
    """Return the bytes in an engine data size such as ``1610612736B`` or ``1.50GB`` (multiples of 1024).

    Source: airlift ``io.airlift.units.DataSize``: PrestoSQL and Trino print bytes, PrestoDB the largest unit with two
    decimals. Raises DecodeError if *text* is not a number followed by one of these units, or more than 8192PB.
    """
    return _parse(text, _BYTES, _MOST_BYTES)


def _parse(text: str, units: dict[str, float], most: float) -> float:
    match = _NUMBER_AND_UNIT(text)
    if match is None or match[2] not in units:
        raise DecodeError(f"not a number with one of the units {', '.join(units)}", "bad_unit")
    value = float(match[1]) * units[match[2]]
    if value > most:
        raise DecodeError("more than 64 bits hold", "bad_unit")
    return value

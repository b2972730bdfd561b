"""Durations, sizes and moments, as engines, the configuration and questions write them, against exact decimals."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from exporter import config
from exporter.decode import units
from exporter.decode.query_list import decode_query_list
from exporter.errors import DecodeError, QuestionError
from exporter.query import Query
from exporter.report import question
from tests.fuzz.target import Target
from tests.listing import row

_SECONDS = {"ns": "1e-9", "us": "1e-6", "ms": "1e-3", "s": "1", "m": "60", "h": "3600", "d": "86400"}
_SIZES = {unit: str(1024**power) for power, unit in enumerate(("B", "kB", "MB", "GB", "TB", "PB"))}
_MOST = {"s": Decimal(2**63) / 10**9, "B": Decimal(2**63)}
"""What an engine can hold: nanoseconds and bytes are Java longs."""
_ROUNDING = Decimal(2) ** -51
_MICROSECOND = Decimal("1e-6")
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):?(\d\d))", re.ASCII
).fullmatch
_PLAIN_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z", re.ASCII).fullmatch


def check(data: bytes) -> None:
    """*data* as each kind of text."""
    text = data.decode("utf-8", "replace")
    _check_engine(text, units.parse_duration, _SECONDS, _MOST["s"], _MICROSECOND / 2)
    _check_engine(text, units.parse_size, _SIZES, _MOST["B"], Decimal(0))
    _check_moment(text)
    _check_configuration(text)
    _check_question(text)


def _check_engine(
    text: str, parse: Callable[[str], float], factors: Mapping[str, str], most: Decimal, slack: Decimal
) -> None:
    expected = _exact(text, factors)
    try:
        value = parse(text)
    except DecodeError as error:
        assert error.reason == "bad_unit"
        assert expected is None or expected > most * (1 - _ROUNDING), f"{text!r} is refused"
        return
    assert expected is not None, f"{text!r} is accepted"
    _close(value, expected, slack)
    assert 0 <= value <= most * (1 + _ROUNDING) + slack


def _exact(text: str, factors: Mapping[str, str]) -> Decimal | None:
    number = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    unit = text[len(number) :]
    parts = number.split(".")
    if unit not in factors or len(parts) > 2 or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    if len(parts[0]) > 19 or len(parts[-1]) > (9 if len(parts) == 2 else 19):
        return None  # engines print longs, and two decimals
    return Decimal(number) * Decimal(factors[unit])


def _close(value: float, expected: Decimal, slack: Decimal) -> None:
    assert abs(Decimal(value) - expected) <= slack + expected * _ROUNDING, f"{value!r} for {expected}"


def _check_moment(text: str) -> None:
    record = row("q")
    record["queryStats"] = {"createTime": text}
    [found] = decode_query_list(json.dumps([record]).encode(), {}, lambda text: text).rows.values()
    expected = _moment(text)
    if isinstance(found, Query):
        assert expected is not None, f"{text!r} is a moment"
        coarseness = Decimal(math.ulp(found.created))  # more than a microsecond, far in the future
        assert abs(Decimal(found.created) - expected) <= max(_MICROSECOND, coarseness)
    else:
        assert found.reason in ("bad_time", "bad_text")
        is_plain = _PLAIN_MOMENT(text) and expected is not None and 0 <= expected < 253402300799
        assert not is_plain, f"{text!r} is no moment"


def _moment(text: str) -> Decimal | None:
    match = _MOMENT(text)
    if match is None:
        return None
    day, time, fraction, sign, hours, minutes = match.groups()
    try:
        whole = datetime.fromisoformat(f"{day}T{time}+00:00")
    except ValueError:
        return None
    offset = (int(hours) * 60 + int(minutes)) * (-60 if sign == "-" else 60) if sign else 0
    seconds = (whole - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    return Decimal(seconds - offset) + (Decimal(f"0.{fraction}") if fraction else 0)


def _check_configuration(text: str) -> None:
    for parse, slack in ((config.parse_duration, _MICROSECOND / 1000), (config.parse_size, Decimal(1))):
        try:
            value = parse(text)
        except ValueError as error:
            assert re.match(r"not an? .+; write one like ", str(error))
            continue
        if (expected := _configured(text, parse is config.parse_size)) is not None:
            _close(value, expected, slack)
        assert 0 <= value < 2.0**127


def _configured(text: str, is_size: bool) -> Decimal | None:
    """Return the exact value of texts with one number; None of others."""
    match = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", text)
    if match is None:
        return None
    number, unit = Decimal(match[1]), match[2]
    if not is_size:
        return number * Decimal(_SECONDS[unit or "s"])
    base = 1024 if "i" in unit else 1000
    return number * Decimal(base ** " KMGT".index((unit.rstrip("iB").upper() or " ")[0]))


def _check_question(text: str) -> None:
    try:
        window = question.parse([("window", text)]).window
    except QuestionError:
        return
    parts = re.findall(r"([0-9.]+)([dhms])", text)
    expected = sum((Decimal(number) * Decimal(_SECONDS[unit]) for number, unit in parts), Decimal(0))
    assert not text or abs(Decimal(window) - expected) <= Decimal("0.5000001")
    assert question.SHORTEST_WINDOW <= window <= question.LONGEST_WINDOW


def seeds() -> list[bytes]:
    """Return texts of every kind and unit."""
    found = [f"{number}{unit}" for unit in (*_SECONDS, *_SIZES) for number in ("0.00", "1.50", "1023.99", "7")]
    found += ["106751.99d", "9223372036854775807B", "9223372036854775808B", "9" * 400 + "B", "9" * 400 + "d", "8192PB"]
    found += ["2026-07-18T10:11:12.905Z", "2026-07-18T10:11:12Z", "2026-07-18T10:11:14.905118423Z"]
    found += ["1970-01-01T00:00:00.000Z", "2026-07-18T10:11:12+02:00", "9999-12-31T23:59:59.9999999Z"]
    found += ["0001-01-01T00:00:00+23:59", "2026-06-30T23:59:60Z", "2024-02-29T00:00:00-00:00"]
    found += ["1d2h3m4s5ms", "0.5h", "256MiB", "1.5GB", "10", "36h", "90d", "1h30m"]
    return [text.encode() for text in found]


def _read(data: bytes) -> None:
    text = data.decode()
    for parse in (units.parse_duration, units.parse_size, config.parse_duration, config.parse_size):
        with suppress(DecodeError, ValueError):
            parse(text)
    question.parse([("window", text), ("until", text)])


def large() -> dict[str, bytes]:
    """Return texts of up to a megabyte."""
    return {
        "digits": b"9" * 1_000_000,
        "digits and a unit": b"9" * 999_000 + b"d",
        "digits after the point": b"0." + b"9" * 999_000 + b"s",
        "letters": b"1" + b"d" * 999_000,
        "points": b"1." * 500_000,
        "pairs": b"1d1h" * 250_000,
        "a moment": b"2026-07-18T10:11:12." + b"9" * 990_000 + b"Z",
    }


TARGET = Target(
    check=check,
    seeds=seeds,
    tokens=[*(unit.encode() for unit in (*_SECONDS, *_SIZES, "MiB", "k")), b"T", b"Z", b"+00:00", b".", b"-", b":"],
    large=large,
    work=_read,
    plain=lambda data: json.loads(b'"' + data + b'"'),
    multiple=10.0,
    longest=700,
)

"""Units as the engines write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode.units import parse_duration, parse_size
from exporter.errors import DecodeError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0.00ns", 0.0),
        ("0.00s", 0.0),
        ("750.00ns", 0.000001),
        ("412.00us", 0.000412),
        ("363.46ms", 0.36346),
        ("2.28s", 2.28),
        ("5.21m", 312.6),
        ("1.03h", 3708.0),
        ("1.03d", 88992.0),
        ("100d", 8640000.0),
        ("106751.99d", 9223371936.0),
        ("9223372036854775807ns", 9223372036.854776),
    ],
)
def test_durations_of_every_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0B", 0.0),
        ("1610612736B", 1610612736.0),
        ("1.50kB", 1536.0),
        ("5MB", 5242880.0),
        ("1.50GB", 1610612736.0),
        ("1024.00kB", 1048576.0),
        ("2TB", 2.0**41),
        ("3PB", 3.0 * 2**50),
        ("8192PB", 2.0**63),
        ("9223372036854775807B", 2.0**63),
    ],
)
def test_sizes_of_every_unit(text: str, size: float) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "s", "-1s", "1 s", "1.s", "1e3s", "NaNs", "1.0weeks", "1KB", "1.5.5GB", "1s\n", "١s", "1sB"),
        *("106752d", "8192.01PB", "9300000000000000000ns", "9300000000000000000B", "1" + "0" * 19 + "ns"),
        *("9" * 400 + "d", "9" * 400 + "B", "0." + "0" * 1_000_000 + "s"),
    ],
    ids=lambda text: text[:25],
)
def test_anything_else_is_refused_with_a_reason(text: str) -> None:
    for parse in (parse_duration, parse_size):
        with pytest.raises(DecodeError) as caught:
            parse(text)
        assert caught.value.reason == "bad_unit"


@given(st.text())
def test_no_text_raises_anything_else(text: str) -> None:
    for parse in (parse_duration, parse_size):
        try:
            assert parse(text) >= 0.0
        except DecodeError:
            continue

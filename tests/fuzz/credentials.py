"""What a client says of itself, and how many may say something: the first line of defence of our own endpoint."""

from __future__ import annotations

import base64
import binascii
import math
import struct
from itertools import accumulate

from exporter.bucket import Bucket
from exporter.expose.guard import credentials
from tests.fuzz.target import Target

_STEP = struct.Struct("<HHB")


def check(data: bytes) -> None:
    """*data* as a header, and as moments at which clients ask."""
    _check_header(data.decode("latin-1"))
    _check_bucket(data)


def _check_header(header: str) -> None:
    found = credentials(header)
    if found is None:
        return
    user, password = found
    scheme, _, encoded = header.partition(" ")
    assert scheme.lower() == "basic"
    assert b":" not in user
    assert binascii.a2b_base64(encoded) == user + b":" + password
    assert credentials("Basic " + base64.b64encode(user + b":" + password).decode()) == found


def _check_bucket(data: bytes) -> None:
    """In no stretch of time are there more requests than rights at its start and those that grew in it."""
    steps = [_STEP.unpack_from(data, at) for at in range(0, len(data) - _STEP.size + 1, _STEP.size)][:100]
    if not steps:
        return
    interval, burst = 1 + steps[0][0] / 100, steps[0][1] % 20
    bucket = Bucket()
    times = list(accumulate(1 + wait / 1000 for _, wait, _ in steps))
    taken = [bucket.take(interval, burst, time) for time in times]
    for start in range(len(taken)):
        for end in range(start, len(taken)):
            grown = (times[end] - times[start]) / interval
            assert sum(taken[start : end + 1]) <= burst + math.floor(grown + 1e-6)
    assert burst == 0 or taken[0]
    assert Bucket().take(0.0, 0, 0.0)


def seeds() -> list[bytes]:
    """Return headers of every kind."""
    return [
        b"Basic " + base64.b64encode(b"alice:secret"),
        b"basic  " + base64.b64encode("Zoë:a:b".encode()) + b" ",
        b"Basic " + base64.b64encode(b":"),
        b"Basic " + base64.b64encode(b"alice"),
        b"Basic =",
        b"Basic YTpi\xff",
        b"Bearer abc",
        b"Basic",
        b"",
        bytes(range(100)),
        _STEP.pack(100, 3, 0) * 30,
    ]


def large() -> dict[str, bytes]:
    """Return headers of up to a megabyte; no server of ours takes one of more than 64 KB."""
    return {
        "a password": b"Basic " + base64.b64encode(b"a:" + b"b" * 740_000),
        "a scheme": b"B" * 1_000_000,
        "white space": b"Basic" + b" " * 999_000,
        "padding": b"Basic " + b"=" * 999_000,
        "no base 64": b"Basic " + b"\xff" * 999_000,
    }


TARGET = Target(
    check=check,
    seeds=seeds,
    tokens=[b"Basic ", b"basic ", b"YTpi", b"=", b"==", b" ", b"\t", b"OmI="],
    large=large,
    work=lambda data: credentials(data.decode("latin-1")),
    plain=lambda data: data.decode("latin-1").split(" "),
    multiple=10.0,
    longest=500,
)

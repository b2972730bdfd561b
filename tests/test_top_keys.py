"""What a terminal sends, read as keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.top.keys import read

KEYS = [b"\x1b[A", b"\x1bOB", b"\x1b[5~", b"\x1b[6~", b"\x1b[H", b"\x1bOF", b"\x1b[1~", b"\r", b"q", b"\x1b[1;5A", b" "]


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        (b"", []),
        (b"qgG", ["q", "g", "G"]),
        (b"\r\n", ["enter", "enter"]),
        (b"\x7f\x08", ["escape", "escape"]),
        (b"\x1b[A\x1b[B", ["up", "down"]),
        (b"\x1bOA\x1bOB\x1bOH\x1bOF", ["up", "down", "home", "end"]),
        (b"\x1b[5~\x1b[6~ ", ["page up", "page down", "page down"]),
        (b"\x1b[H\x1b[F\x1b[1~\x1b[4~\x1b[7~\x1b[8~", ["home", "end"] * 3),
        (b"\x1b[1;5A\x1b[3~\x1b[200~q", ["up", "q"]),
        (b"\x1b[<0;10;20Mq", ["q"]),
        (b"\xc3\xa9\x00\x01 1?q", ["page down", "q"]),
        (b"\x1bq", ["escape", "q"]),
        (b"\x1b\x1b[A", ["escape", "up"]),
        (b"\x1b[\x01q", ["q"]),
        (b"\x1b[" + b"1" * 100 + b"q", []),
    ],
)
def test_keys(sent: bytes, keys: list[str]) -> None:
    assert read(sent) == (keys, b"")


@pytest.mark.parametrize(
    ("sent", "keys"),
    [(b"\x1b", ["escape"]), (b"\x1b[", []), (b"\x1b[5", []), (b"\x1bO", []), (b"q\x1b", ["q", "escape"])],
)
def test_what_may_be_the_beginning_of_a_key_waits_until_it_is_known(sent: bytes, keys: list[str]) -> None:
    assert read(sent)[1] == sent[sent.index(b"\x1b") :]
    assert read(sent, is_whole=True) == (keys, b"")


@given(st.lists(st.sampled_from(KEYS)), st.lists(st.integers(1, 4)))
def test_it_does_not_matter_in_which_pieces_they_come(sent: list[bytes], pieces: list[int]) -> None:
    whole = b"".join(sent)
    found, rest, at = [], b"", 0
    for length in [*pieces, len(whole)]:
        keys, rest = read(rest + whole[at : at + length])
        found += keys
        at += length
    assert (found, rest) == read(whole)


@given(st.binary())
def test_whatever_is_sent_is_used_up(sent: bytes) -> None:
    keys, rest = read(sent)
    assert sent.endswith(rest) and len(rest) < 32
    assert all(key.isascii() for key in keys)
    assert read(sent, is_whole=True)[1] == b""

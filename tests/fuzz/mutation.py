"""Inputs made of others, by changes that a byte-wise fuzzer finds late: of words, of values, of nesting."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

_WORD = re.compile(rb'"(?:[^"\\]|\\.)*"|[\w.+-]+|\s+|.', re.DOTALL)
_HOSTILE = [
    *(b"0", b"-0", b"-1", b"1e999", b"-1e999", b"1e-999", b"9" * 400, b"9223372036854775808", b"0.1", b"1.", b".5"),
    *(b"NaN", b"Infinity", b"1e5", b"00", b"0x10", "١٢".encode(), b"", b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80"),
    *(b"\xef\xbb\xbf", b"\\ud800", b"\\udc00", b"\\u0000", b"\\", b"\n", b"\r", b"\x1b[31m", "\u2028".encode()),
    *("\x85".encode(), "İ".encode(), "🦆".encode(), b"'", b'"', b"%s", b"a" * 300),
]
_NESTED = ((b"[", b"]"), (b"{", b"}"), (b'{"a":', b"}"), (b"(", b")"), (b'"', b'"'))


def mutated(seed: bytes, chance: random.Random, tokens: Sequence[bytes], longest: int) -> bytes:
    """Return *seed* with some changes, no longer than *longest*."""
    data = seed
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5, 9))):
        data = _changed(data, chance, tokens)[:longest]
    return data


def _changed(data: bytes, chance: random.Random, tokens: Sequence[bytes]) -> bytes:
    words = _WORD.findall(data) or [b""]
    at = chance.randrange(len(words))
    known = (*tokens, *_HOSTILE)
    match chance.randrange(10):
        case 0:
            del words[at]
        case 1:
            words[at] = chance.choice(known)
        case 2:
            words.insert(at, chance.choice(known))
        case 3:
            words[at] = words[chance.randrange(len(words))]
        case 4:  # a key or a line twice, among others
            end = min(len(words), at + chance.randrange(1, 12))
            words[at:at] = words[at:end] * chance.choice((1, 1, 1, 50))
        case 5:
            opening, closing = chance.choice(_NESTED)
            depth = chance.choice((1, 3, 3, 200, 2000))
            words[at] = opening * depth + words[at] + closing * chance.choice((depth, depth, 0))
        case 6:
            words[at] = _with_inside(words[at], chance.choice(known), chance)
        case 7:
            place = chance.randrange(len(data) + 1)
            return data[:place] + chance.randbytes(1) + data[place + chance.randrange(2) :]
        case 8:
            return data[: chance.randrange(len(data) + 1)]
        case 9:
            other = chance.randrange(len(words))
            words[at], words[other] = words[other], words[at]
    return b"".join(words)


def _with_inside(word: bytes, token: bytes, chance: random.Random) -> bytes:
    """Return *word* with *token* in it, within its quotes if it has some."""
    place = chance.randrange(1, len(word)) if len(word) > 1 else 0
    return word[:place] + token + word[place:]

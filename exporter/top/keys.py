"""What a terminal sends, as keys.

Sources: ECMA-48 5.4 for control sequences, xterm's ctlseqs for the keys that move.
"""

from __future__ import annotations

import re

_LONGEST_SEQUENCE = 32
"""Bytes; what is longer is no key."""
_CSI = re.compile(rb"\x1b\[([0-?]*)[ -/]*([@-~])")
_CSI_BEGUN = re.compile(rb"\x1b(\[[0-?]*[ -/]*)?")
_SS3 = re.compile(rb"\x1bO(.)", re.DOTALL)
_FINALS = {b"A": "up", b"B": "down", b"H": "home", b"F": "end"}
_NUMBERS = {b"1": "home", b"4": "end", b"5": "page up", b"6": "page down", b"7": "home", b"8": "end"}
_SINGLE = {b"\r": "enter", b"\n": "enter", b" ": "page down", b"\x7f": "escape", b"\x08": "escape"}


def read(sent: bytes, is_whole: bool = False) -> tuple[list[str], bytes]:
    """Return the keys of which *sent* is made, and its end if that may be the beginning of one.

    With *is_whole* nothing follows: a lone escape is that key. What is no key of ours is left out, but for ASCII
    letters: each is its own name.
    """
    keys: list[str] = []
    while sent:
        if not sent.startswith(b"\x1b"):
            key = _SINGLE.get(sent[:1]) or (sent[:1].decode() if sent[:1].isalpha() else "")
            length = 1
        elif match := _CSI.match(sent):
            key = _FINALS.get(match[2], "") if match[2] != b"~" else _NUMBERS.get(match[1], "")
            length = match.end()
        elif match := _SS3.match(sent):
            key = _FINALS.get(match[1], "")
            length = match.end()
        elif not is_whole and len(sent) < _LONGEST_SEQUENCE and (sent == b"\x1bO" or _CSI_BEGUN.fullmatch(sent)):
            return keys, sent
        else:
            key, length = ("escape" if sent[1:2] not in (b"[", b"O") else ""), max(1, _begun(sent))
        keys += [key] if key else []
        sent = sent[length:]
    return keys, b""


def _begun(sent: bytes) -> int:
    """Return how many bytes of *sent* are a sequence that was begun and never ended."""
    match = _CSI_BEGUN.match(sent)
    return 2 if sent.startswith(b"\x1bO") else (match.end() if match else 0)

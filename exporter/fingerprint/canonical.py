"""Level 1: which tokens stand for a text once all that must not count is gone. Idempotent: `fold` of its own result
is that result, so a template has the id of the texts it was made of. RULES.md has the rules with their reasons."""

from __future__ import annotations

from exporter.fingerprint.lexical import CUT, LITERAL
from exporter.fingerprint.words import INTERVAL_UNITS, QUERY_STARTS, RESERVED, is_operand, words

_DEEPEST_LIST = 64
"""Brackets below are kept as they are, so that no text is compared with itself once per bracket around it."""
_LONGEST_MEMBER = 64
_LONGEST_ROW = 4000

_CONSTANT_SHAPE = frozenset((LITERAL, ",", "(", ")", "[", "]", "array", "row"))
_CLOSERS = {")": "(", "]": "["}
_ENDS_VALUES = words("union intersect except order limit offset fetch on where when join group for")
_KEEPS_AS = words("cast try_cast match_recognize json_table json_exists json_value json_query")
_AS_OF = words("timestamp version system_time system_version")
_BEFORE_SIGNED = frozenset(("return", "default"))
_IS_NO_NAME = RESERVED | frozenset(("(", ")", "[", "]", ",", ";", LITERAL, "asc", "define"))
"""All other words are written as they are, but for an AS before them."""


_Shape = tuple[str, ...]
"""What is left of a constant: ``?``, with its type or unit if it has one."""
_NULL: _Shape = ("null",)


class _Frame:
    """What is known of one bracket that is open; the outermost is the text itself."""

    is_list = False
    """IN (…) or ARRAY[…]."""
    is_row = False
    """A row of VALUES in brackets."""
    is_fresh = False
    """The next word begins a member or a row."""
    rows: set[tuple[str, ...]] | None = None
    """Rows seen that are not constants alone, while in VALUES."""
    constants: dict[bool, tuple[int, set[_Shape]]]
    """What the rows of constants are like, by whether they are in brackets, and where they are to be written: they are
    written once, where the first of them stood, when VALUES ends."""
    previous: list[str] | None = None
    """The member of a list before this one, if it is made of constants."""
    is_order = False
    is_define = False
    keeps_as = False

    def __init__(self, opener: str, start: int) -> None:
        self.opener = opener
        self.start = start
        """Where the member of a list, or the row, that is being written starts in what has been written."""


class _Fold:
    """One pass over the tokens of a text."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.out: list[str] = []
        self.frame = _Frame("", 0)
        self.stack: list[_Frame] = []
        self.is_balanced = True
        self.is_creating = False
        self.kept_as = -1
        """Where the AS stands that begins the query of a CREATE."""

    def run(self) -> None:
        tokens, out, count, index = self.tokens, self.out, len(self.tokens), 0
        while index < count:
            word = tokens[index]
            frame = self.frame
            if frame.is_fresh:
                frame.is_fresh = False
                after = self._constants(index, frame)
                if after:
                    index = after
                    continue
                if word == "(" and frame.rows is not None and len(self.stack) < _DEEPEST_LIST:
                    self._open(word)
                    self.frame.is_row = self.frame.is_fresh = True
                    index += 1
                    continue
                if word in QUERY_STARTS:
                    frame.is_list = frame.is_row = False
            if frame.rows is not None:
                self._go_on_in_values(word, frame)
            index += 1
            if word in _IS_NO_NAME or (out and out[-1] == "as"):
                self._add(word, tokens[index] if index < count else "")
            else:
                out.append(word)
        for frame in (self.frame, *reversed(self.stack)):
            self._finish(frame)

    def _add(self, word: str, following: str) -> None:
        out, frame = self.out, self.frame
        if word in ("(", "["):
            self._open(word)
        elif word in (")", "]"):
            self._close(word)
        elif word == ",":
            self._separate(frame)
        elif word == LITERAL:
            self._add_literal(following)
        elif word == "asc" and frame.is_order and is_operand(out[-1] if out else ""):
            pass
        elif word in RESERVED:
            self._add_reserved(word, frame)
        else:
            if word[0] == '"' or word[0] == "_" or word[0].isalnum():
                if word != "asc" or not frame.is_order:
                    self._drop_as(word, frame)
                if word == "define":
                    frame.is_define = True
            elif word == ";":
                frame.is_order = False
            out.append(word)

    def _add_reserved(self, word: str, frame: _Frame) -> None:
        out = self.out
        if word == "join":
            while out and out[-1] == "inner":
                out.pop()
            kept = len(out)
            while kept and out[kept - 1] == "outer":
                kept -= 1
            if kept and out[kept - 1] in ("left", "right", "full"):
                del out[kept:]
        elif word == "as":
            if self.is_creating and not self.stack:
                self.is_creating = False
                self.kept_as = len(out)
        elif word == "create":
            self.is_creating = not self.stack
        elif word == "by":
            frame.is_order = bool(out) and out[-1] == "order"
        elif word in ("select", "from"):
            frame.is_order = False
        if word == "values" and frame.rows is not None:
            self._end_values(frame)
        out.append(word)
        if word == "values" and len(self.stack) < _DEEPEST_LIST:
            frame.is_list = frame.is_row = False
            frame.rows, frame.constants, frame.is_fresh, frame.start = set(), {}, True, len(out)

    def _drop_as(self, name: str, frame: _Frame) -> None:
        out = self.out
        if len(out) < 2 or out[-1] != "as" or frame.keeps_as or frame.is_define:
            return
        kept = len(out)
        while kept and out[kept - 1] == "as" and kept - 1 != self.kept_as:
            kept -= 1
        before = out[kept - 1] if kept else ""
        if is_operand(before) and before != "stored" and not (name == "of" and before in _AS_OF):
            del out[kept:]

    def _add_literal(self, following: str) -> None:
        out = self.out
        while out and out[-1] in ("-", "+") and self._is_sign(following):
            out.pop()
        out.append(LITERAL)

    def _is_sign(self, following: str) -> bool:
        """True if the operator written last is a sign: no operand stands before it."""
        before = self.out[-2] if len(self.out) > 1 else ""
        if before == "interval" and following in INTERVAL_UNITS:
            return True
        if before in _BEFORE_SIGNED:
            return len(self.out) > 2 and (is_operand(self.out[-3]) or self.out[-3] == ";")
        return not is_operand(before)

    def _constants(self, index: int, frame: _Frame) -> int:
        """Write once what the constants that begin at *index* are like; return where they end, 0 if there are none.

        In a row that also has other things each of them keeps its place.
        """
        out, shapes = self.out, set[_Shape]()
        if frame.rows is None:
            after = self._members(index, shapes, one=frame.is_row)
            if after:
                out += _listed(shapes)
            return after
        in_brackets = self.tokens[index] == "("
        after = self._constant_rows(index, shapes) if in_brackets else self._members(index, shapes)
        if not after:
            return 0
        is_last = not self._ends_member(after)  # something follows that is no row, such as an alias
        start, known = frame.constants.setdefault(in_brackets, (len(out), shapes))
        if known is not shapes:
            if is_last and start < len(out) - 1:  # something stands between those before and these
                out += ["(", *_listed(shapes), ")"]
            else:
                known.update(shapes)
                out.pop()  # the comma
        frame.start = len(out)
        if is_last:
            self._end_values(frame)
        return after

    def _members(self, index: int, shapes: set[_Shape], *, one: bool = False) -> int:
        """Add the shapes of the members at *index* and behind that are constants; return where they end, 0 if none."""
        tokens, count, end = self.tokens, len(self.tokens), 0
        while True:
            while index < count and tokens[index] in ("-", "+"):
                index += 1
            after = _constant(tokens, index)
            if not after or not self._ends_member(after):
                return end
            shapes.add(_shape(tokens, index, after))
            end = after
            if one or after >= count or tokens[after] != ",":
                return end
            index = after + 1

    def _ends_member(self, index: int) -> bool:
        word = self.tokens[index] if index < len(self.tokens) else ")"
        return word in (",", ")", "]", ";") or (self.frame.rows is not None and word in _ENDS_VALUES)

    def _constant_rows(self, index: int, shapes: set[_Shape]) -> int:
        """Add the shapes of the rows at *index* and behind that hold nothing but constants; return where they end."""
        tokens, count, end = self.tokens, len(self.tokens), 0
        while tokens[index : index + 1] == ["("]:
            row: set[_Shape] = set()
            after = self._members(index + 1, row)
            if not after or tokens[after : after + 1] != [")"]:
                break
            after += 1
            if after < count and not (self._ends_member(after) or tokens[after][0].isalpha()):
                break
            shapes |= row
            end = after
            if tokens[after : after + 1] != [","]:
                break
            index = after + 1
        return end

    def _open(self, word: str) -> None:
        out = self.out
        before = out[-1] if out else ""
        self.stack.append(self.frame)
        out.append(word)
        frame = self.frame = _Frame(word, len(out))
        if len(self.stack) <= _DEEPEST_LIST and before == ("in" if word == "(" else "array"):
            frame.is_list = frame.is_fresh = True
        frame.keeps_as = before in _KEEPS_AS

    def _close(self, word: str) -> None:
        out, frame = self.out, self.frame
        if not self.stack:
            self.is_balanced = False
            self._finish(frame)
            out.append(word)
            return
        self.is_balanced = self.is_balanced and frame.opener == _CLOSERS[word]
        self._finish(frame)
        out.append(word)
        self.frame = self.stack.pop()

    def _finish(self, frame: _Frame) -> None:
        if frame.is_list:
            self._close_member(frame)
        elif frame.rows is not None:
            self._close_row(frame)
            self._end_values(frame)

    def _end_values(self, frame: _Frame) -> None:
        frame.rows = None
        for in_brackets, (start, shapes) in reversed(frame.constants.items()):
            self.out[start:start] = ["(", *_listed(shapes), ")"] if in_brackets else _listed(shapes)

    def _separate(self, frame: _Frame) -> None:
        if frame.is_list:
            self._close_member(frame)
        elif frame.rows is not None:
            self._close_row(frame)
        self.out.append(",")
        if frame.is_list or frame.is_row or frame.rows is not None:
            frame.is_fresh = True
            if not frame.is_row:
                frame.start = len(self.out)

    def _close_member(self, frame: _Frame) -> None:
        """Take back the member just written if it is the same constant as the one before it."""
        out = self.out
        if len(out) - frame.start > _LONGEST_MEMBER:
            frame.previous = None
            return
        member = out[frame.start :]
        if LITERAL not in member or not _CONSTANT_SHAPE.issuperset(member):
            frame.previous = None
        elif member == frame.previous:
            del out[frame.start - 1 :]
        else:
            frame.previous = member

    def _close_row(self, frame: _Frame) -> None:
        """Take back the row just written if one like it, with a constant in it, has been written before."""
        out, rows = self.out, frame.rows
        if rows is None or len(out) - frame.start > _LONGEST_ROW:
            return
        row = tuple(out[frame.start :])
        if row in rows and LITERAL in row:
            del out[frame.start - 1 :]
        rows.add(row)

    def _go_on_in_values(self, word: str, frame: _Frame) -> None:
        """Leave VALUES if *word* ends it, or if it cannot stand behind a row, which is none then."""
        out, start = self.out, frame.start
        if word in _ENDS_VALUES or word == ";":
            self._close_row(frame)
            self._end_values(frame)
        elif word not in (",", ")", "]") and out[-1] == ")" and out[start : start + 1] == ["("]:
            self._end_values(frame)


def _shape(tokens: list[str], start: int, end: int) -> _Shape:
    """Return what is left of the constant from *start* to *end*."""
    first = tokens[start]
    if first == "null":
        return _NULL
    if first in (LITERAL, "true", "false"):
        return (LITERAL,)
    return tuple(word for word in tokens[start:end] if word not in ("-", "+"))


def _listed(shapes: set[_Shape]) -> list[str]:
    """Return the tokens that stand for constants of these shapes. NULL may be among constants of any."""
    written: list[str] = []
    for shape in sorted(shapes - {_NULL}) or [(LITERAL,)]:
        if written:
            written.append(",")
        written += shape
    return written


def _constant(tokens: list[str], index: int) -> int:
    """Return where the constant that begins at *index* ends, 0 if none does."""
    first, *more = tokens[index : index + 5] or [""]
    if first == LITERAL:
        return index + 1
    if first in ("null", "true", "false"):
        return index + 1
    if first == "interval":
        signs = 1 if more[:1] in (["-"], ["+"]) else 0
        if more[signs : signs + 1] == [LITERAL] and not INTERVAL_UNITS.isdisjoint(more[signs + 1 : signs + 2]):
            end = index + signs + 3
            return end + 2 if tokens[end : end + 1] == ["to"] else end
    if more[:1] == [LITERAL] and (first[0] == "_" or first[0].isalpha()) and first not in RESERVED:
        return index + 2
    return index + 3 if [first, *more[:2]] == ["double", "precision", LITERAL] else 0


def _without_uescape(tokens: list[str]) -> list[str]:
    """Return *tokens* without ``UESCAPE`` and its character: they are a part of the literal before them."""
    kept: list[str] = []
    for word in tokens:
        if word == LITERAL:
            end = len(kept)
            while end and kept[end - 1] in ("-", "+"):
                end -= 1
            if kept[max(0, end - 2) : end] == [LITERAL, "uescape"]:
                del kept[end - 1 :]
                continue
        kept.append(word)
    return kept


def fold(tokens: list[str], *, cut: bool = False) -> tuple[tuple[str, ...], bool]:
    """Return the canonical tokens of a text and whether its brackets are all closed.

    *cut*: the text goes on; its tokens end in `CUT`, and nothing half said stands before that.
    """
    count = len(tokens)
    while count and tokens[count - 1] == ";":
        count -= 1
    tokens = tokens[:count]
    folding = _Fold(_without_uescape(tokens) if "uescape" in tokens else tokens)
    folding.run()
    out = folding.out
    if cut:
        while out and out[-1] == ",":
            out.pop()
        out.append(CUT)
    return tuple(out), folding.is_balanced and not folding.stack

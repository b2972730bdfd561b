"""What the exporter logs: one line per record, whatever a message holds, as logfmt or JSON.

What others say is not repeated: the text of an exception that is not ours may hold SQL or a secret, and so may what
another package fills into its messages. Of an exception its kind and its place are written, of another package's
message what it says of every case. Values of variables are never written.

Lines that repeat are bounded: of the same line a few, then one at times, with the number of those between.
"""

from __future__ import annotations

import errno
import json
import logging
import math
import re
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, TextIO

from exporter.bucket import Bucket

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
"""Levels as the configuration and the lines call them."""

_NAMES = {number: name for name, number in LEVELS.items()}
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""Attributes of every record (the last two are left behind by other formatters); the others come from ``extra``."""


def configure(level: str, format: Literal["logfmt", "json"], stream: TextIO) -> None:  # noqa: A002 (as the key's name)
    """Send every logger's records to *stream*: ours from *level* up, other packages' from ``warn`` up.

    May be called again; the last call counts. *level* is a key of LEVELS.
    """
    handler = _Handler(stream)
    handler.setFormatter(JsonFormatter() if format == "json" else LogfmtFormatter())
    handler.addFilter(RepeatsFilter())
    logging.basicConfig(handlers=[handler], level=max(LEVELS[level], logging.WARNING), force=True)
    logging.getLogger("exporter").setLevel(LEVELS[level])
    # What Python itself would write holds the texts of exceptions.
    sys.excepthook = _note_end
    threading.excepthook = _note_end_of_thread
    sys.unraisablehook = _note_unraisable
    warnings.showwarning = _note_warning


class Allowance:
    """Rights to lines: some at once, and one more in each interval. For one thread at a time."""

    def __init__(self, at_once: int = 10, interval: float = 300.0) -> None:
        self._at_once = at_once
        self._interval = interval
        self._bucket = Bucket()

    def take(self, now: float) -> bool:
        """Return whether there is a right to a line at *now*, seconds of a clock, and use it up."""
        return self._bucket.take(self._interval, self._at_once, now)


class Changes:
    """Which changes of one thing's state are logged: all while they are few, then one at times.

    A state that lasts is logged as soon as there is a right to a line, so that the log ends with how things are.
    """

    def __init__(self) -> None:
        self._state: str | None = None
        self._untold = 0
        self._allowance = Allowance(at_once=20)

    def meet(self, state: str, now: float) -> int | None:
        """Return None if *state* need not or may not be logged at *now*, seconds of a clock.

        Else, how many changes since the last that was logged were not.
        """
        if state != self._state:
            self._state = state
            self._untold += 1
        if not self._untold or not self._allowance.take(now):
            return None
        untold, self._untold = self._untold - 1, 0
        return untold


_MOST_KEYS = 1000


class RepeatsFilter(logging.Filter):
    """Lets the same line pass a few times, then one at times, with ``not_written``: how many did not pass since."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._mutex = threading.Lock()
        self._seen: dict[tuple[object, ...], tuple[Allowance, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is to be written."""
        key = (record.name, record.levelno, message_of(record), *_place(record))
        with self._mutex:
            allowance, refused = self._seen.pop(key) if key in self._seen else (Allowance(), 0)
            passes = allowance.take(self._clock())
            self._seen[key] = (allowance, 0 if passes else refused + 1)
            if len(self._seen) > _MOST_KEYS:
                del self._seen[next(iter(self._seen))]  # the one that was met least lately
        if passes and refused:
            record.not_written = refused
        return passes


def _place(record: logging.LogRecord) -> tuple[object, ...]:
    """Return of which kind a record's exception is, and where it was raised; nothing if it has none."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return ()
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return (type(error), trace and (trace.tb_frame.f_code, trace.tb_lineno))


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (as logging has it)
        """Do nothing: what logging would write here, to the same place that takes no lines, holds all arguments."""


def message_of(record: logging.LogRecord) -> str:
    """Return the message of a record: whole if it is ours, else as it was before anything was filled in."""
    if record.name == "exporter" or record.name.startswith("exporter."):
        given = record.args if isinstance(record.args, tuple) else ()
        try:
            return str(record.msg) % tuple(map(_without_text, given)) if given else str(record.msg)
        except Exception:  # whoever logs must not fail of it
            return str(record.msg)
    return record.msg.strip().partition("\n")[0] if isinstance(record.msg, str) else type(record.msg).__name__


def _without_text(value: object) -> object:
    """Return *value*, or the kind of exception that it is, unless that is ours."""
    return _kind(value) if isinstance(value, BaseException) and not _is_ours(value) else value


def _is_ours(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] == "exporter"


def _kind(error: BaseException) -> str:
    """Return the name of an exception's type, with its code where it has one from a closed set."""
    name, module = type(error).__qualname__, type(error).__module__
    code = getattr(error, "sqlite_errorname", None)
    if isinstance(error, OSError):
        code = errno.errorcode.get(error.errno or 0)
    return f"{'' if module == 'builtins' else module + '.'}{name}{f' [{code}]' if code else ''}"


_MOST_FRAMES = 40
_MOST_LINKS = 8


def _trace(error: BaseException, depth: int = 0) -> Iterator[str]:
    """Yield the lines of a traceback as Python writes it, but for the texts of exceptions that are not ours."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if depth < _MOST_LINKS:
        if before is not None:
            yield from _trace(before, depth + 1)
            yield "The exception above was the cause of this one:" if error.__cause__ else "While handling it:"
        if isinstance(error, BaseExceptionGroup):
            for one in error.exceptions[:_MOST_LINKS]:
                yield from _trace(one, depth + 1)
            yield "The exceptions above are parts of this one:"
    yield "Traceback (most recent call last):"
    frames = traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__), limit=-_MOST_FRAMES)
    yield from (line.rstrip("\n") for line in frames.format())
    yield f"{_kind(error)}: {error}" if _is_ours(error) else _kind(error)


_log = logging.getLogger(__name__)


def _note_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    _log.critical("unexpected failure; the process ends", exc_info=(kind, error, trace))


def _note_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None:
        exception = (ended.exc_type, ended.exc_value, ended.exc_traceback)
        _log.critical("unexpected failure; a thread ends", exc_info=exception)


def _note_unraisable(ignored: sys.UnraisableHookArgs) -> None:
    if ignored.exc_value is not None:
        exception = (ignored.exc_type, ignored.exc_value, ignored.exc_traceback)
        _log.error("unexpected failure that nobody could be told of", exc_info=exception)


def _note_warning(
    message: Warning | str,  # noqa: ARG001
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    _log.warning("%s at %s:%d", category.__name__, filename, lineno)


class OneLineFormatter(logging.Formatter):
    """What both formats share: which fields a record has."""

    def formatException(  # noqa: N802 (as logging has it)
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        """Return where an exception came from and of which kind it is, and what it says only if it is ours."""
        return "" if ei[1] is None else "\n".join(_trace(ei[1]))

    def fields(self, record: logging.LogRecord) -> dict[str, str | int | float | bool | None]:
        """Return time, level, logger and message, then what ``extra`` gave, then exception and stack if any."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, str | int | float | bool | None] = {
            "time": when.replace("+00:00", "Z"),
            "level": _NAMES.get(record.levelno, record.levelname.lower()),
            "logger": record.name.removeprefix("exporter."),
            "msg": message_of(record),
        }
        for name, value in vars(record).items():
            if name not in _STANDARD:
                fields.setdefault(name, _plain(value))
        if record.exc_info and record.exc_info[0]:
            fields["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack"] = self.formatStack(record.stack_info)
        return fields


class LogfmtFormatter(OneLineFormatter):
    """Writes ``time=… level=info logger=ingest.poller msg="two words" cluster=adhoc``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return *record* as one line of logfmt; texts in quotes are escaped as in JSON."""
        return " ".join(f"{_key(name)}={_word(value)}" for name, value in self.fields(record).items())


class JsonFormatter(OneLineFormatter):
    """Writes ``{"time": "…", "level": "info", "logger": "ingest.poller", "msg": "two words", "cluster": "adhoc"}``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return *record* as one line of JSON."""
        return _json(self.fields(record))


def _plain(value: object) -> str | int | float | bool | None:
    """Return *value* if JSON has it, else its text."""
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(_without_text(value))


def _key(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)


def _word(value: str | int | float | bool | None) -> str:
    """Return *value* as logfmt writes it: bare if it is one plain word, else in quotes."""
    quoted = _json(value)
    if isinstance(value, str) and (not value or re.search(r'[\s="\\]', value) or quoted != f'"{value}"'):
        return quoted
    return value if isinstance(value, str) else quoted


def _json(value: object) -> str:
    """Return *value* in JSON, readable in any language, without a character that breaks a line or moves a cursor."""
    text = json.dumps(value, ensure_ascii=False)
    return re.sub(r"[^ -~]", lambda match: match[0] if match[0].isprintable() else json.dumps(match[0])[1:-1], text)

"""What the exporter logs: one line per record, whatever a message holds, as logfmt or JSON."""

from __future__ import annotations

import json
import logging
import math
import re
from datetime import UTC, datetime
from typing import Literal, TextIO

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
"""Levels as the configuration and the lines call them."""

_NAMES = {number: name for name, number in LEVELS.items()}
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""Attributes of every record (the last two are left behind by other formatters); the others come from ``extra``."""


def configure(level: str, format: Literal["logfmt", "json"], stream: TextIO) -> None:  # noqa: A002 (as the key's name)
    """Send every logger's records to *stream*: ours from *level* up, other packages' from ``warn`` up.

    May be called again; the last call counts. *level* is a key of LEVELS.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if format == "json" else LogfmtFormatter())
    logging.basicConfig(handlers=[handler], level=max(LEVELS[level], logging.WARNING), force=True)
    logging.getLogger("exporter").setLevel(LEVELS[level])


class OneLineFormatter(logging.Formatter):
    """What both formats share: which fields a record has."""

    def fields(self, record: logging.LogRecord) -> dict[str, str | int | float | bool | None]:
        """Return time, level, logger and message, then what ``extra`` gave, then exception and stack if any."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, str | int | float | bool | None] = {
            "time": when.replace("+00:00", "Z"),
            "level": _NAMES.get(record.levelno, record.levelname.lower()),
            "logger": record.name.removeprefix("exporter."),
            "msg": record.getMessage(),
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
    return str(value)


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

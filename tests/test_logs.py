"""The log: one line per record, and a line says all that the record says."""

from __future__ import annotations

import io
import json
import logging
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.logs import LEVELS, JsonFormatter, LogfmtFormatter, configure

PAIR = re.compile(r'([A-Za-z0-9_.-]+)=("(?:[^"\\]|\\.)*"|[^ "]+)(?: |$)')
HOSTILE = [
    "",
    " ",
    "a\nb",
    "a\r\nb",
    'say "hi"',
    "a=b",
    "\\",
    "\\n",
    "\x1b[31m",
    "\x00",
    "\x85",
    "\u2028",
    "\ud800",
    "ü",
]


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """A stream to log to; afterwards logging is as it was."""
    root, ours = logging.getLogger(), logging.getLogger("exporter")
    before = root.level, ours.level, root.handlers[:]
    for handler in before[2]:  # or `force` would close those of pytest
        root.removeHandler(handler)
    yield io.StringIO()
    root.setLevel(before[0])
    ours.setLevel(before[1])
    root.handlers[:] = before[2]


def record(
    message: str, extra: Mapping[str, object] | None = None, name: str = "exporter.ingest.poller"
) -> logging.LogRecord:
    made = logging.getLogger(name).makeRecord(name, logging.WARNING, "f.py", 1, message, (), None, extra=extra)
    made.created = 1790000000.25
    return made


def parsed(line: str) -> dict[str, str]:
    """The pairs of a line of logfmt, read by a reader that knows nothing of the writer."""
    assert "".join(match[0] for match in PAIR.finditer(line)) == line
    return {key: json.loads(word) if word[0] == '"' else word for key, word in PAIR.findall(line)}


def test_a_line_of_logfmt() -> None:
    line = LogfmtFormatter().format(record("two words", {"cluster": "adhoc", "listed": 3, "ok": True, "error": None}))
    assert line == (
        'time=2026-09-21T14:13:20.250Z level=warn logger=ingest.poller msg="two words" '
        "cluster=adhoc listed=3 ok=true error=null"
    )


def test_a_line_of_json() -> None:
    line = JsonFormatter().format(record("two words", {"cluster": "adhoc", "listed": 3, "ok": True, "error": None}))
    assert line == (
        '{"time": "2026-09-21T14:13:20.250Z", "level": "warn", "logger": "ingest.poller", "msg": "two words", '
        '"cluster": "adhoc", "listed": 3, "ok": true, "error": null}'
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_on_one_line_and_come_back_whole(text: str) -> None:
    for formatter, read in ((LogfmtFormatter(), parsed), (JsonFormatter(), json.loads)):
        line = formatter.format(record(text, {"user": text}))
        assert line.isprintable()
        assert (read(line)["msg"], read(line)["user"]) == (text, text)


@settings(deadline=None)  # a busy machine is no defect
@given(st.text(), st.text(min_size=1).filter(str.isidentifier) | st.sampled_from(["user", "a-b"]), st.text())
def test_any_text_stays_on_one_line_and_comes_back_whole(message: str, key: str, value: str) -> None:
    extra = {key: value} if key not in vars(record("")) and key not in ("message", "asctime") else {}
    for formatter, read in ((LogfmtFormatter(), parsed), (JsonFormatter(), json.loads)):
        line = formatter.format(record(message, extra))
        assert line.isprintable()
        assert read(line)["msg"] == message


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.5, "1.5"), (math.nan, "nan"), (math.inf, "inf"), ({"a": 1}, "{'a': 1}"), (LEVELS.keys, repr(LEVELS.keys))],
)
def test_values_that_json_lacks_become_their_text(value: object, text: str) -> None:
    extra = {"value": value}
    assert parsed(LogfmtFormatter().format(record("m", extra)))["value"] == text
    shown = json.loads(JsonFormatter().format(record("m", extra)), parse_constant=pytest.fail)["value"]
    assert str(shown) == text


def test_extra_fields_never_replace_our_own() -> None:
    line = LogfmtFormatter().format(record("m", {"level": "debug", "time": "now", "logger": "x", "cluster": "adhoc"}))
    assert line == "time=2026-09-21T14:13:20.250Z level=warn logger=ingest.poller msg=m cluster=adhoc"


def test_a_record_that_another_formatter_has_seen_reads_the_same() -> None:
    seen = record("m")
    logging.Formatter("%(asctime)s %(message)s").format(seen)
    assert LogfmtFormatter().format(seen) == LogfmtFormatter().format(record("m"))


def test_a_traceback_is_one_field_of_one_line() -> None:
    made = record("it broke")
    try:
        raise ValueError("first line\nsecond line")
    except ValueError:
        made.exc_info = sys.exc_info()
    made.stack_info = "Stack:\n  here"
    for formatter, read in ((LogfmtFormatter(), parsed), (JsonFormatter(), json.loads)):
        line = formatter.format(made)
        assert line.isprintable()
        assert read(line)["exception"].startswith("Traceback (most recent call last):\n")
        assert read(line)["exception"].endswith("ValueError: first line\nsecond line")
        assert read(line)["stack"] == "Stack:\n  here"


@pytest.mark.parametrize(
    ("level", "ours", "theirs"),
    [
        ("debug", ["debug", "info", "warn", "error", "critical"], ["warn", "error", "critical"]),
        ("info", ["info", "warn", "error", "critical"], ["warn", "error", "critical"]),
        ("warn", ["warn", "error", "critical"], ["warn", "error", "critical"]),
        ("error", ["error", "critical"], ["error", "critical"]),
    ],
)
def test_our_loggers_obey_the_level_and_others_are_quiet_below_warn(
    level: str, ours: list[str], theirs: list[str], stream: io.StringIO
) -> None:
    configure(level, "logfmt", stream)
    for name in ("exporter.ingest.poller", "urllib3.connectionpool"):
        for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
            logging.getLogger(name).log(number, "m")
    lines = [parsed(line) for line in stream.getvalue().splitlines()]
    assert [line["level"] for line in lines if line["logger"] == "ingest.poller"] == ours
    assert [line["level"] for line in lines if line["logger"] == "urllib3.connectionpool"] == theirs


@pytest.mark.parametrize(("written", "read"), [("logfmt", parsed), ("json", json.loads)])
def test_the_last_call_counts_and_a_record_is_written_once(
    written: Literal["logfmt", "json"], read: Callable[[str], dict[str, object]], stream: io.StringIO
) -> None:
    other = io.StringIO()
    configure("error", "json", other)
    configure("info", written, stream)
    logging.getLogger("exporter.app").info("polled %d clusters", 2, extra={"cluster": "a b"})
    (line,) = stream.getvalue().splitlines()
    assert {"logger": "app", "msg": "polled 2 clusters", "cluster": "a b"}.items() <= read(line).items()
    assert other.getvalue() == ""

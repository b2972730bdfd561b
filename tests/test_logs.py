"""The log: one line per record, and a line says all that the record says."""

from __future__ import annotations

import io
import json
import logging
import math
import re
import sqlite3
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import PollTimeoutError
from exporter.logs import LEVELS, Allowance, Changes, JsonFormatter, LogfmtFormatter, RepeatsFilter, configure

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
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning
    for handler in before[2]:  # or `force` would close those of pytest
        root.removeHandler(handler)
    yield io.StringIO()
    root.setLevel(before[0])
    ours.setLevel(before[1])
    root.handlers[:] = before[2]
    sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning = hooks


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
    made.exc_info = raised(ValueError("first line\nsecond line"))
    made.stack_info = "Stack:\n  here"
    for formatter, read in ((LogfmtFormatter(), parsed), (JsonFormatter(), json.loads)):
        line = formatter.format(made)
        assert line.isprintable()
        assert read(line)["exception"].startswith("Traceback (most recent call last):\n")
        assert read(line)["exception"].endswith("\n    raise error\nValueError")
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


SECRET = "hunter" + str(2)  # in no line of source, which tracebacks show
SQL = "SELECT name FROM users WHERE card = " + repr("4111" * 4)

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def raised(error: BaseException, cause: BaseException | None = None, context: BaseException | None = None) -> ExcInfo:
    """What logging takes of *error*, raised in the place of another, or while another was handled."""
    try:
        try:
            if context is not None:
                raise context
        finally:
            if cause is not None:
                raise error from cause
            raise error
    except BaseException as caught:
        return type(caught), caught, caught.__traceback__


def deep(depth: int) -> int:
    return deeper(depth + 1)


def deeper(depth: int) -> int:
    return deep(depth + 1)


def too_deep() -> ExcInfo:
    try:
        deep(0)
    except RecursionError as caught:
        return type(caught), caught, caught.__traceback__
    raise AssertionError("it has a bottom")


def hidden_in(text: str) -> list[ExcInfo]:
    """Every way in which an exception can hold *text*."""
    noted = ValueError("x")
    noted.add_note(text)
    return [
        raised(ValueError(text)),
        raised(KeyError(text, {"password": text})),
        raised(OSError(28, text, text)),
        raised(OSError(text)),
        raised(sqlite3.OperationalError(text)),
        raised(UnicodeDecodeError("utf-8", text.encode() + b"\xff", 0, 1, text)),
        raised(SyntaxError(text, ("f", 1, 1, text))),
        raised(SystemExit(text)),
        raised(noted),
        raised(ValueError("x"), cause=ValueError(text)),
        raised(ValueError("x"), context=ValueError(text)),
        raised(PollTimeoutError("x"), cause=ValueError(text)),
        raised(BaseExceptionGroup(text, [ValueError(text), ExceptionGroup(text, [ValueError(text)])])),
    ]


@pytest.mark.parametrize("text", [SECRET, SQL])
def test_no_text_of_a_foreign_exception_is_written_wherever_it_is(text: str) -> None:
    for formatter, read in ((LogfmtFormatter(), parsed), (JsonFormatter(), json.loads)):
        for exception in hidden_in(text):
            made = record("it broke: %s, %r", {"error": exception[1]})
            made.args = (exception[1], 1)
            made.exc_info = exception
            line = formatter.format(made)
            assert text not in line and json.dumps(text)[1:-1] not in line
            assert "test_logs.py" in line, "the place is there"
            if not isinstance(exception[1], PollTimeoutError):
                assert type(exception[1]).__name__ in read(line)["msg"], "the kind is there"


def test_of_an_exception_its_code_is_written_and_of_ours_the_text() -> None:
    db = sqlite3.connect(":memory:")
    with pytest.raises(sqlite3.OperationalError) as caught:
        db.execute("SELECT no_such_column")
    db.close()
    for error, end in [
        (OSError(24, SECRET), "OSError [EMFILE]"),
        (OSError(99999, SECRET), "OSError"),
        (caught.value, "sqlite3.OperationalError [SQLITE_ERROR]"),
        (PollTimeoutError("poll: late; wait"), "exporter.errors.PollTimeoutError: poll: late; wait"),
    ]:
        made = record("m")
        made.exc_info = raised(error)
        assert parsed(LogfmtFormatter().format(made))["exception"].splitlines()[-1] == end


def test_causes_are_written_before_what_they_caused() -> None:
    made = record("m")
    made.exc_info = raised(ValueError(), cause=KeyError(), context=OSError())
    lines = parsed(LogfmtFormatter().format(made))["exception"].splitlines()
    assert [line for line in lines if not line.startswith((" ", "Trace"))] == [
        "KeyError",
        "The exception above was the cause of this one:",
        "ValueError",
    ]


def test_the_length_of_a_traceback_is_bounded() -> None:
    chain: BaseException = ValueError("first")
    for _ in range(100):
        chain = raised(ValueError("next"), cause=chain)[1]
    for exception in (too_deep(), raised(chain), raised(ExceptionGroup("many", [ValueError()] * 1000))):
        made = record("m")
        made.exc_info = exception
        assert len(LogfmtFormatter().format(made)) < 20_000


def test_of_other_packages_what_they_fill_in_is_not_written() -> None:
    for message, args, shown in [
        ("Cancel %s running task(s)", (SQL,), "Cancel %s running task(s)"),
        ("Exception in ASGI application\n", (), "Exception in ASGI application"),
        (f"first\n{SQL}", (), "first"),
        (ValueError(SECRET), (), "ValueError"),
    ]:
        made = record("", name="uvicorn.error")
        made.msg, made.args = message, args
        assert parsed(LogfmtFormatter().format(made))["msg"] == shown


def test_a_message_that_cannot_be_made_fails_nobody() -> None:
    made = record("%d of %s")
    made.args = ("x",)
    assert parsed(LogfmtFormatter().format(made))["msg"] == "%d of %s"


class TestWhatPythonWouldWrite:
    """Exceptions that nobody caught, and warnings, are lines as all others."""

    def test_of_a_thread(self, stream: io.StringIO) -> None:
        configure("error", "json", stream)
        error = ValueError(SECRET)

        def fail() -> None:
            raise error

        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        (line,) = stream.getvalue().splitlines()
        assert json.loads(line)["msg"] == "unexpected failure; a thread ends"
        assert "in fail" in line and SECRET not in line

    def test_of_the_process(self, stream: io.StringIO) -> None:
        configure("error", "json", stream)
        sys.excepthook(*raised(ValueError(SECRET)))
        (line,) = stream.getvalue().splitlines()
        assert json.loads(line)["msg"] == "unexpected failure; the process ends"
        assert SECRET not in line

    def test_of_what_is_destroyed(self, stream: io.StringIO) -> None:
        configure("error", "json", stream)

        class Fragile:
            def __del__(self) -> None:
                raise ValueError(SECRET)

        Fragile()
        (line,) = stream.getvalue().splitlines()
        assert "in __del__" in json.loads(line)["exception"]
        assert SECRET not in line

    def test_warnings(self, stream: io.StringIO) -> None:
        configure("warn", "json", stream)
        warnings.showwarning(SQL, UserWarning, "f.py", 7)
        (line,) = stream.getvalue().splitlines()
        assert json.loads(line)["msg"] == "UserWarning at f.py:7"

    def test_of_a_stream_that_takes_nothing(self, capfd: pytest.CaptureFixture[str], stream: io.StringIO) -> None:
        configure("error", "json", stream)
        stream.close()
        logging.getLogger("exporter").error("it broke: %s", SECRET)
        assert capfd.readouterr() == ("", "")
        logging.getLogger().handlers[:] = []


class TestBounds:
    def test_an_allowance_is_some_at_once_and_then_one_in_each_interval(self) -> None:
        allowance = Allowance(at_once=3, interval=10.0)
        times = [
            now for now in [0.0] * 5 + [9.9, 10.0, 10.1, 25.0, 30.0, 30.1, 1e9, 1e9, 1e9, 1e9] if allowance.take(now)
        ]
        assert times == [0.0, 0.0, 0.0, 10.0, 25.0, 30.0, 1e9, 1e9, 1e9]

    def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing(self) -> None:
        allowance = Allowance(at_once=1, interval=10.0)
        assert [allowance.take(now) for now in (100.0, 0.0, 5.0, 10.0)] == [True, False, False, True]

    def test_changes_are_told_while_they_are_few(self) -> None:
        changes = Changes()
        told = [changes.meet(state, 0.0) for state in ["", "", "down", "down", "", ""]]
        assert told == [0, None, 0, None, 0, None]

    @pytest.mark.parametrize("states", [("", "down"), ("down a", "down b")])
    def test_a_state_that_flaps_is_told_at_times_with_the_number_of_changes_between(
        self, states: tuple[str, str]
    ) -> None:
        changes = Changes()
        told = [changes.meet(states[poll % 2], poll * 15.0) for poll in range(1000)]
        assert sum(1 for untold in told if untold is not None) < 80
        assert sum(1 + untold for untold in told if untold is not None) > 980, "every change is told or counted"

    def test_the_log_ends_with_how_things_are(self) -> None:
        changes, last = Changes(), ""
        for poll in range(201):
            state = "down" if poll % 2 else ""
            last = state if changes.meet(state, poll * 1.0) is not None else last
        for poll in range(201, 600):
            last = "down for good" if changes.meet("down for good", poll * 1.0) is not None else last
        assert last == "down for good"
        assert changes.meet("down for good", 1e9) is None, "and once"

    def test_the_same_line_is_written_a_few_times_then_at_times_with_the_number_of_those_between(self) -> None:
        now = 0.0
        repeats, passed = RepeatsFilter(lambda: now), []
        for _ in range(1000):
            made = record("again")
            if repeats.filter(made):
                passed.append(getattr(made, "not_written", 0))
            now += 1.0
        assert passed[:10] == [0] * 10
        assert len(passed) == 10 + 3
        assert sum(passed) + len(passed) <= 1000
        assert all(count > 200 for count in passed[-2:])

    def test_other_lines_are_not_held_back_and_exceptions_are_the_same_where_their_place_is(self) -> None:
        repeats = RepeatsFilter(lambda: 0.0)
        assert all(repeats.filter(record(f"cluster {number}: down")) for number in range(5000))
        passed = []
        for number in range(100):
            made = record("it broke")
            made.exc_info = raised(ValueError(number))
            passed.append(repeats.filter(made))
        assert sum(passed) == 10
        made.exc_info = raised(KeyError(1))
        assert repeats.filter(made)

    def test_memory_of_lines_is_bounded_and_keeps_those_met_lately(self) -> None:
        repeats = RepeatsFilter(lambda: 0.0)
        passed = 0
        for number in range(3000):
            repeats.filter(record(f"line {number}"))
            passed += repeats.filter(record("again"))
        assert passed == 10
        assert len(repeats._seen) <= 1000

"""`top` as a command: in a terminal with keys, signals and a server that comes and goes; and without a terminal."""

from __future__ import annotations

import fcntl
import os
import re
import selectors
import signal
import ssl
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from exporter.cli import main
from exporter.report.report import Row
from tests.exporter_process import PATIENCE_SECONDS
from tests.top_answers import HOSTILE, row
from tests.top_server import Server, http, reporting, saying
from tests.web_folder import WebFolder

# What a login does: the terminal becomes that of the session, so that its keys can send signals.
LAUNCHER = (
    "import fcntl, os, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "signal.signal(signal.SIGHUP, signal.SIG_DFL); "  # which a test run under nohup would pass on as ignored
    "os.execv(sys.executable, sys.argv[1:])"
)
COMMAND = [sys.executable, "-m", "exporter", "top"]
ENTERED, LEFT = "\x1b[?1049h", "\x1b[?1049l"
Size = tuple[int, int]
"""Columns and lines."""
_CONTROLS = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|([^\x1b]+)|(\x1b)")


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PRESTO_EXPORTER", "NO_COLOR", "COLORTERM", "FORCE_COLOR", "COLUMNS", "LINES"))
    }
    return {**kept, "TERM": "xterm-256color", **(more or {})}


class Terminal:
    """A terminal with a program in it."""

    def __init__(self, command: Sequence[str], more: Mapping[str, str] | None = None, size: Size = (80, 24)) -> None:
        self._ours, self.theirs = os.openpty()
        self.resize(*size)
        self.before = termios.tcgetattr(self.theirs)
        self._has_hung_up = False
        self.output = ""
        """All that was written to it."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, *command],
            env=environment(more),
            stdin=self.theirs,
            stdout=self.theirs,
            stderr=self.theirs,
            start_new_session=True,
        )
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._ours, selectors.EVENT_READ)

    def close(self) -> None:
        """End what still runs."""
        self.process.kill()
        self.process.wait(PATIENCE_SECONDS)
        self._selector.close()
        os.close(self.theirs)
        if not self._has_hung_up:
            os.close(self._ours)

    def hang_up(self) -> None:
        """Let the window be closed."""
        self._has_hung_up = True
        self._selector.unregister(self._ours)
        os.close(self._ours)

    def resize(self, columns: int, lines: int) -> None:
        """Make the window another size; the kernel tells whoever is in it."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys: str) -> None:
        """Send what these keys send."""
        os.write(self._ours, keys.encode())

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Read until *condition* holds; fail if it does not for long."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"waited for {what}; the screen shows\n{self.screen()}"
            if self._selector.select(0.05):
                self.output += os.read(self._ours, 65536).decode("utf-8", "replace")

    def wait_for(self, text: str) -> None:
        """Read until the screen shows *text*."""
        self.wait(lambda: text in self.screen(), repr(text))

    def wait_until_gone(self, text: str) -> None:
        """Read until the screen does not show *text* any more."""
        self.wait(lambda: text not in self.screen(), f"no {text!r}")

    def end(self) -> int:
        """Return the exit code, once there is one and all is read."""
        self.wait(lambda: self.process.poll() is not None, "the end")
        self.wait(lambda: not self._selector.select(0), "the last output")
        return self.process.returncode

    def screen(self) -> str:
        """Return what is on the screen that is shown: each line is placed, nothing scrolls."""
        shown = self.output.rpartition(ENTERED)[2]
        lines: dict[int, str] = {}
        at = 1
        for parameters, final, text, _ in _CONTROLS.findall(shown):
            if final == "H":
                at = int(parameters.partition(";")[0] or 1)
            elif final == "K":
                lines[at] = ""
            elif final == "J":
                lines.clear()
            lines[at] = lines.get(at, "") + text
        return "\n".join(lines.get(number, "") for number in range(1, max(lines, default=0) + 1))

    def assert_restored(self) -> None:
        """Fail unless the terminal is as it was."""
        assert termios.tcgetattr(self.theirs) == self.before
        end = self.output.rpartition(LEFT)
        assert end[1] and ENTERED not in end[2]
        for mode in ("25", "7"):  # the cursor, and new lines at the edge
            assert self.output.rindex(f"\x1b[?{mode}h") > self.output.rindex(f"\x1b[?{mode}l")


@contextmanager
def running_in_terminal(
    command: Sequence[str], more: Mapping[str, str] | None = None, size: Size = (80, 24)
) -> Iterator[Terminal]:
    """Run a command that begins as `top` does, until it shows something."""
    running = Terminal(command, more, size)
    try:
        running.wait_for("quit")
        yield running
    finally:
        running.close()


def terminal(
    server: Server, *arguments: str, more: Mapping[str, str] | None = None, size: Size = (80, 24)
) -> AbstractContextManager[Terminal]:
    """Run `top` against *server*."""
    return running_in_terminal([*COMMAND, "--url", server.url, *arguments], more, size)


def rows(count: int = 40) -> list[Row]:
    return [row(f"{at:016x}", at, template=f"SELECT c{at}\nFROM t WHERE x = ?") for at in range(count)]


def test_keys_change_what_is_shown_and_q_ends_it() -> None:
    with Server(reporting(rows)) as server, terminal(server, "--interval", "3600") as top:
        top.wait_for("1–18 of 40")
        top.press("g")
        top.wait_for("by user, most CPU first")
        top.press("G")
        top.wait_for("by fingerprint, most CPU first")
        top.press("o")
        top.wait_for("most runs first")
        top.press("r")
        top.wait_for("least runs first")
        top.press("w")
        top.wait_for("last 7d")
        top.press("c")
        top.wait_until_gone("change")
        top.press("\x1b[6~")
        top.wait_for("19–36 of 40")
        top.press("\x1bOF")
        top.wait_for("37–40 of 40")
        top.press("\x1b[H\x1b[B\x1b[B\x1b[A")
        top.wait_for("1–18 of 40")
        top.press("\r")
        top.wait_for("fingerprint 0000000000000001")
        top.wait_for("FROM t WHERE x = ?")
        top.press("\x1b")
        top.wait_for("1–18 of 40")
        top.press("q")
        assert top.end() == 0
        top.assert_restored()


def test_it_asks_anew_by_itself() -> None:
    found = rows(1)
    with Server(reporting(lambda: found)) as server, terminal(server, "--interval", "1") as top:
        top.wait_for("1–1 of 1")
        found += rows(3)[1:]
        top.wait_for("1–3 of 3")


def test_a_server_that_fails_is_told_and_may_come_back() -> None:
    with Server(reporting(rows)) as server, terminal(server, "--interval", "1") as top:
        server.talk = saying(http(503, b'{"error": ["ledger: locked; ask again"]}'))
        top.wait_for("ledger: locked; ask again")
        assert "SELECT c0" in top.screen()
        server.talk = reporting(lambda: rows(2))
        top.wait_until_gone("ledger: locked")
        top.wait_for("1–2 of 2")


def test_keys_are_answered_while_the_server_is_not() -> None:
    with Server(reporting(rows)) as server, terminal(server, "--interval", "1") as top:
        server.talk = lambda *_: (server.ended.wait(), None)[1]
        top.press("g")
        top.wait_for("asking …")
        top.press("q")
        assert top.end() == 0
        top.assert_restored()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_signals_end_it_and_the_terminal_is_as_it_was(number: signal.Signals) -> None:
    with Server(reporting(rows)) as server, terminal(server) as top:
        top.process.send_signal(number)
        assert top.end() == 0
        top.assert_restored()
    assert "Traceback" not in top.output


@pytest.mark.parametrize("key", ["\x03", "\x1c"])
def test_so_do_the_keys_that_send_them(key: str) -> None:
    with Server(reporting(rows)) as server, terminal(server) as top:
        top.press(key)
        assert top.end() == 0
        top.assert_restored()


DEFECTIVE = """
import sys
from exporter.top import live
from exporter.top.choice import Choice
from exporter.top.source import Source

class Defective(Source):
    def ask(self, parameters):
        answer = super().ask(parameters)
        return answer if ("group_by", "fingerprint") in parameters else 1 / 0

live.run(Defective(sys.argv[1]), Choice(), 3600.0, sys.stdin, sys.stdout)
"""


def test_a_defect_leaves_the_terminal_as_it_was_before_it_is_shown() -> None:
    with (
        Server(reporting(rows)) as server,
        running_in_terminal([sys.executable, "-c", DEFECTIVE, server.url]) as top,
    ):
        top.press("g")
        assert top.end() == 1
        top.assert_restored()
    assert "ZeroDivisionError" in top.output.rpartition(LEFT)[2]


@pytest.mark.parametrize("size", [(80, 24), (200, 50), (40, 12), (20, 5), (1, 1)])
def test_it_follows_the_size_of_the_window(size: tuple[int, int]) -> None:
    with Server(reporting(rows)) as server, terminal(server, size=(100, 30)) as top:
        start = len(top.output)
        top.resize(*size)
        top.wait(lambda: "\x1b[2J" in top.output[start:], "another picture")
        drawn = top.output[start:].rpartition("\x1b[2J")[2]
        top.wait(lambda: f"\x1b[{size[1]};1H" in top.output[start:], "its last line")
        assert f"\x1b[{size[1] + 1};1H" not in drawn
        top.press("q")
        assert top.end() == 0
        top.assert_restored()


def test_a_terminal_that_goes_away_ends_it() -> None:
    with Server(reporting(rows)) as server, terminal(server, "--interval", "1") as top:
        top.hang_up()
        assert top.process.wait(PATIENCE_SECONDS) in (0, 1)


def test_ctrl_z_gives_the_terminal_back_and_continuing_takes_it_again() -> None:
    with Server(reporting(rows)) as server, terminal(server) as top:
        top.press("\x1a")
        top.wait(lambda: top.output.count(LEFT) == 1 and top.output.count(ENTERED) == 2, "leaving and coming again")
        top.wait_for("1–18 of 40")
        top.press("q")
        assert top.end() == 0
        top.assert_restored()


@pytest.mark.parametrize(("more", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "vt100"}, True)])
def test_colour_unless_its_owner_declines(more: dict[str, str], is_coloured: bool) -> None:
    with Server(reporting(rows)) as server, terminal(server, more=more) as top:
        top.wait_for("1–18 of 40")
        assert (re.search(r"\x1b\[(?:\d+;)*3\d", top.output) is not None) is is_coloured
        assert re.search(r"\x1b\[[0-9;]*\b7[;m]", top.output)  # the cursor is seen all the same


def test_no_name_steers_the_terminal() -> None:
    named = [row(HOSTILE, template=HOSTILE), row("\x1b[?1049l\x1b]0;owned\x07", 1, template="\x1b[31m")]
    with Server(reporting(lambda: named)) as server, terminal(server, "--interval", "3600") as top:
        top.press("\x1b[B\r")
        top.wait_for("fingerprint ␛[?1049l␛]0;owned␇")
        top.press("q")
        assert top.end() == 0
        top.assert_restored()
    assert top.output.count(LEFT) == 1 and not set(top.output) & set("\x07\x9b\u202e\ufe0f")
    assert "\x1b]" not in top.output


def test_what_cannot_be_asked_from_the_start_is_an_error_and_no_screen() -> None:
    with Server(saying(http(404, b"Not Found"))) as server:
        top = Terminal([*COMMAND, "--url", server.url])
        try:
            assert top.end() == 1
        finally:
            top.close()
    assert top.output.startswith(f"error: {server.url}/api/v1/queries: there is no such page; ")
    assert "\x1b" not in top.output


def test_ctrl_c_before_the_first_answer_ends_it() -> None:
    with Server(lambda *_: (server.ended.wait(), None)[1]) as server:
        top = Terminal([*COMMAND, "--url", server.url])
        try:
            top.wait(lambda: bool(server.heads), "a request")
            top.press("\x03")
            assert top.end() == 1
        finally:
            top.close()
    assert "Traceback" not in top.output and ENTERED not in top.output


def piped(server: Server, *arguments: str, more: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment({"PRESTO_EXPORTER_URL": server.url, **(more or {})}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


@pytest.mark.parametrize("more", [{}, {"FORCE_COLOR": "1"}, {"TERM": "dumb"}, {"PYTHONIOENCODING": "latin-1"}])
def test_without_a_terminal_it_writes_one_plain_table(more: dict[str, str]) -> None:
    with Server(reporting(rows)) as server:
        done = piped(server, "--rows", "30", "--window", "6h", more=more)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "\x1b" not in done.stdout and "quit" not in done.stdout
    assert "last 6h" in lines[1] and sum("FROM t" in line for line in lines) == 30
    assert all(line == line.rstrip() and len(line) <= 160 for line in lines)


def test_so_it_does_in_a_terminal_that_cannot_be_drawn_on_or_if_told_to() -> None:
    with Server(reporting(rows)) as server:
        for arguments, more in ((["--once"], {}), ([], {"TERM": "dumb"})):
            top = Terminal([*COMMAND, "--url", server.url, *arguments], more)
            try:
                assert top.end() == 0
            finally:
                top.close()
            plain = re.sub(r"\x1b\[[0-9;]*m", "", top.output)
            assert "SELECT c19" in plain and ENTERED not in top.output and "quit" not in top.output
            assert ("\x1b[" in top.output) is (more == {})
            assert max(map(len, plain.splitlines())) <= 80


def test_it_shows_a_certificate_to_an_exporter_that_asks_for_one(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    folder = WebFolder(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    folder.authority.configure_trust(context)
    with Server(reporting(rows), context) as server:
        arguments = ["top", "--once", "--url", server.url, "--ca-file", str(tmp_path / "ca.pem")]
        files = ["--cert-file", str(tmp_path / "client.crt"), "--key-file", str(tmp_path / "client.key")]
        assert main([*arguments, *files]) == 0
        assert b"SELECT c19" in capsysbinary.readouterr().out
        assert main(arguments) == 1
        assert b"--cert-file and --key-file" in capsysbinary.readouterr().err


def test_no_answer_is_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    with Server(saying(http(400, b'{"error": ["window: not a duration; write one like 24h"]}'))) as server:
        assert main(["top", "--once", "--url", server.url, "--window", "x"]) == 1
        output = capsys.readouterr()
    assert output.err == f"error: {server.url}: window: not a duration; write one like 24h\n" and output.out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--interval", "0"], "0 is not in the range"),
        (["--interval", "nan"], "is not a valid integer"),
        (["--rows", "1001"], "is not in the range"),
        (["--group-by", "x"], "'x' is not one of"),
        (["--order-by", "x"], "'x' is not one of"),
    ],
)
def test_what_means_nothing_is_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["top", "--once", *arguments]) == 2
    assert message in capsys.readouterr().err

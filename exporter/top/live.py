"""The table in a terminal: keys, signals, the time, and answers meet in one loop; a thread asks.

The terminal is given back as it was, whatever ends the loop, and for the time of a Ctrl-Z.
"""

from __future__ import annotations

import os
import selectors
import signal
import termios
import threading
import time
import tty
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from io import StringIO
from typing import Any, Protocol, TextIO

from rich.console import Console, Group, RenderableType

from exporter.errors import ExporterError
from exporter.top import keys, view
from exporter.top.answer import Answer
from exporter.top.choice import Choice, Extent, pressed

Question = Sequence[tuple[str, str]]

_FALLBACK_SIZE = os.terminal_size((80, 24))
_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[0m\x1b[?1049l"
"""Another screen, no cursor, and no new line where a character turns out wider than was thought."""
_CLEAR = "\x1b[2J"
_ESCAPE_SECONDS = 0.05
"""How long the rest of a key's sequence may take to come."""
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Asked(Protocol):
    """What answers questions."""

    place: str

    def ask(self, parameters: Question) -> Answer:
        """Return the answer; raises ExporterError."""
        ...


def is_terminal(stdin: TextIO, stdout: TextIO, environ: Mapping[str, str]) -> bool:
    """Return whether keys can be read and a screen be drawn."""
    try:
        return stdin.isatty() and stdout.isatty() and environ.get("TERM", "dumb") not in ("", "dumb", "unknown")
    except (AttributeError, ValueError):  # no such stream, or a closed one
        return False


def once(source: Asked, choice: Choice, rows: int, stdout: TextIO, width: int) -> str:
    """Return one table of at most *rows* rows, with colours only if *stdout* is a terminal that has them.

    *width* is for what is no terminal. Raises ExporterError.
    """
    answer = source.ask(choice.parameters(rows))
    console = _console(stdout.isatty())
    console.size = (_size(stdout.fileno()).columns if stdout.isatty() else width, rows)
    shown = view.Shown(source.place, choice, answer, at=time.time())
    return "".join(f"{line.rstrip()}\n" for line in _drawn(console, view.whole(shown, console.width)))


def run(source: Asked, choice: Choice, interval: float, stdin: TextIO, stdout: TextIO) -> None:
    """Show the table until q, Ctrl-C or SIGTERM, asking anew each *interval* seconds and for each new choice.

    Raises ExporterError if there is no first answer; later ones that fail are told on the screen.
    """
    first = choice.parameters(view.page(_size(stdout.fileno()).lines))
    answer = source.ask(first)
    shown = view.Shown(source.place, choice, answer, at=time.time())
    with ExitStack() as stack:
        woken, waker = os.pipe()
        stack.callback(os.close, woken)
        stack.callback(os.close, waker)
        os.set_blocking(woken, False)
        os.set_blocking(waker, False)
        stack.enter_context(_signals_to(waker))
        asker = stack.enter_context(_Asker(source, waker))
        screen = stack.enter_context(_Screen(stdin.fileno(), stdout))
        _Loop(screen, asker, woken, interval, shown, first).run()


class _Loop:
    """What is shown, and all that changes it."""

    def __init__(
        self, screen: _Screen, asker: _Asker, woken: int, interval: float, shown: view.Shown, answered: Question
    ) -> None:
        self._screen = screen
        self._asker = asker
        self._woken = woken
        self._interval = interval
        self._shown = shown
        self._answered = answered
        self._wanted = answered
        self._is_awaited = False
        self._due = time.monotonic() + interval
        self._extent = Extent(1, 0)
        self._unread = b""
        self._has_ended = False

    def run(self) -> None:
        """Go on until somebody or something ends it."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._screen.keyboard, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self._has_ended:
                self._ask_if_due()
                self._extent = self._screen.show(self._shown)
                ready = {key.fd for key, _ in selector.select(self._patience())}
                if self._woken in ready:
                    self._wake()
                if self._screen.keyboard in ready:
                    self._read()
                elif self._unread:
                    self._press(keys.read(self._unread, is_whole=True)[0])
                    self._unread = b""

    def _patience(self) -> float | None:
        if self._unread:
            return _ESCAPE_SECONDS
        return None if self._is_awaited else max(0.0, self._due - time.monotonic())

    def _ask_if_due(self) -> None:
        question = self._shown.choice.parameters(self._screen.page())
        self._shown = replace(self._shown, is_current=question == self._answered)
        if question == self._wanted and (self._is_awaited or time.monotonic() < self._due):
            return
        self._wanted = question
        self._is_awaited = True
        self._due = time.monotonic() + self._interval
        self._asker.want(question)

    def _wake(self) -> None:
        for number in os.read(self._woken, 4096):
            if number in _ENDS:
                self._has_ended = True
            elif number == signal.SIGTSTP:
                self._screen.suspend()
            elif number == signal.SIGCONT:
                self._screen.forget()
        for question, answer in self._asker.answers():
            if question == self._wanted:
                self._is_awaited = False
                self._take(question, answer)

    def _take(self, question: Question, answer: Answer | ExporterError) -> None:
        if isinstance(answer, ExporterError):
            self._shown = replace(self._shown, error=str(answer))
            return
        choice = self._shown.choice
        if not choice.is_opened:  # there may be fewer than there were
            choice = replace(choice, cursor=min(choice.cursor, max(0, answer.groups - 1)))
        self._answered = question
        self._shown = replace(self._shown, choice=choice, answer=answer, at=time.time(), error="")

    def _read(self) -> None:
        try:
            sent = os.read(self._screen.keyboard, 1024)
        except OSError:  # how the end of a terminal reads on Linux
            sent = b""
        self._has_ended |= not sent
        pressed_keys, self._unread = keys.read(self._unread + sent)
        self._press(pressed_keys)

    def _press(self, names: Sequence[str]) -> None:
        for name in names:
            self._has_ended |= name == "q"
            question = self._shown.choice.parameters(self._screen.page())
            answer = self._shown.answer if question == self._answered else None
            choice = pressed(self._shown.choice, name, self._extent, answer)
            if choice.before is not self._shown.choice.before:  # the extent is of another list
                self._extent = Extent(1, 0)
            self._shown = replace(self._shown, choice=choice)


class _Asker:
    """A thread that asks what is wanted last, one question at a time, and wakes the loop at each answer."""

    def __init__(self, source: Asked, waker: int) -> None:
        self._source = source
        self._waker = waker
        self._changed = threading.Condition()
        self._wanted: Question | None = None
        self._answers: list[tuple[Question, Answer | ExporterError]] = []
        self._defect: BaseException | None = None
        self._has_stopped = False

    def __enter__(self) -> _Asker:
        # An answer that is still awaited at the end is nobody's: the process does not wait for it.
        threading.Thread(target=self._run, name="asker", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._has_stopped = True
            self._changed.notify()

    def want(self, question: Question) -> None:
        """Ask *question* next, in place of any that has not been asked yet."""
        with self._changed:
            self._wanted = question
            self._changed.notify()

    def answers(self) -> list[tuple[Question, Answer | ExporterError]]:
        """Return what was answered since the last time; raises what is a defect of ours."""
        with self._changed:
            if self._defect is not None:
                raise self._defect
            answers, self._answers = self._answers, []
        return answers

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted is not None or self._has_stopped)
                if self._has_stopped or self._wanted is None:
                    return
                question, self._wanted = self._wanted, None
            answer: Answer | ExporterError | None = None
            defect: BaseException | None = None
            try:
                answer = self._source.ask(question)
            except ExporterError as error:
                answer = error
            except BaseException as error:
                defect = error
            with self._changed:
                if self._has_stopped:
                    return
                self._defect = defect
                self._answers += [(question, answer)] if answer is not None else []
                with suppress(BlockingIOError):  # the pipe is full: the loop will wake anyway
                    os.write(self._waker, b"\0")


class _Screen:
    """The terminal: ours within the context."""

    def __init__(self, keyboard: int, stdout: TextIO) -> None:
        self.keyboard = keyboard
        self._out = stdout.fileno()
        self._encoding = stdout.encoding or "utf-8"
        self._console = _console(is_terminal=True)
        self._before: list[Any] = []
        self._size = _FALLBACK_SIZE
        self._drawn = ""

    def __enter__(self) -> _Screen:
        self._before = termios.tcgetattr(self.keyboard)
        try:
            self._enter()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()

    def page(self) -> int:
        """Return how many rows fit now."""
        return view.page(_size(self._out).lines)

    def show(self, shown: view.Shown) -> Extent:
        """Draw what is not on the screen yet, and return how much there is to move about in."""
        size = _size(self._out)
        frame = view.draw(shown, size.columns, size.lines)
        self._console.size = (max(size.columns, view.LEAST_WIDTH), size.lines)
        lines = _drawn(self._console, Group(*frame.lines))[: size.lines]
        # Each line has its place: no character that is wider than was thought moves the next ones.
        drawn = "".join(f"\x1b[{at};1H\x1b[2K{line}" for at, line in enumerate(lines, 1))
        if drawn != self._drawn or size != self._size:
            self._write(f"{'' if size == self._size else _CLEAR}{drawn}")
            self._drawn, self._size = drawn, size
        return frame.extent

    def forget(self) -> None:
        """Draw all of it the next time: somebody else has drawn."""
        self._drawn = ""

    def suspend(self) -> None:
        """Give the terminal back, stop as any program does at Ctrl-Z, and take it again when continued."""
        self._leave()
        ours = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, ours)
        self._enter()

    def _enter(self) -> None:
        tty.setcbreak(self.keyboard)
        self._write(_ENTER)
        self.forget()

    def _leave(self) -> None:
        with suppress(OSError):  # there may be no terminal any more
            self._write(_LEAVE)
        with suppress(termios.error):
            termios.tcsetattr(self.keyboard, termios.TCSAFLUSH, self._before)

    def _write(self, text: str) -> None:
        unwritten = memoryview(text.encode(self._encoding, "replace"))
        while unwritten:
            unwritten = unwritten[os.write(self._out, unwritten) :]


@contextmanager
def _signals_to(waker: int) -> Iterator[None]:
    """Write the numbers of signals to *waker*, so that none interrupts anything halfway."""
    with ExitStack() as stack:
        stack.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(waker, warn_on_full_buffer=False))
        for number in (*_ENDS, signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves SIGHUP
                stack.callback(signal.signal, number, signal.signal(number, lambda *_: None))
        yield


def _console(is_terminal: bool) -> Console:
    """Return a console that only renders; whether in colour, the environment says."""
    return Console(file=StringIO(), force_terminal=is_terminal, markup=False, emoji=False, highlight=False)


def _drawn(console: Console, what: RenderableType) -> list[str]:
    with console.capture() as captured:
        console.print(what)
    return captured.get().removesuffix("\n").split("\n")


def _size(terminal: int) -> os.terminal_size:
    try:
        size = os.get_terminal_size(terminal)
    except OSError:
        return _FALLBACK_SIZE
    return size if size.columns and size.lines else _FALLBACK_SIZE

"""Who may connect and ask, as a file says it that is read again when it changes."""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from exporter.config import Found, read_text
from exporter.errors import ConfigError, Problem
from exporter.expose import tls
from exporter.expose.web_config import WebConfig, parse

_SETTLED = 100_000_000  # nanoseconds; a file that changed less long ago may change again under the same time stamp

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Access:
    """What is asked of a client, and what all answers have."""

    context: ssl.SSLContext | None
    """None: plain HTTP."""
    allowed_names: frozenset[str]
    """A client's certificate has one of them; none: any will do."""
    users: Mapping[bytes, bytes]
    """The bcrypt hash of each user's password, in UTF-8; none: no password is asked for."""
    headers: Sequence[tuple[bytes, bytes]]
    """Set in every answer; names in lower case."""
    request_interval: float
    """Seconds in which the right to one request grows; 0: no limit."""
    request_burst: int
    """Rights that can be held."""
    notes: Sequence[str]
    """What the file says and does not get, or should not say."""


class AccessFile:
    """The access that a file says: the last one without a problem.

    The file and those that it names are looked at whenever `current` is asked for: a call of stat for each, and nothing
    is read unless one of them changed.
    """

    def __init__(self, path: Path, reloaded: Callable[[bool], None] = lambda _: None) -> None:
        """Read the file. *reloaded* is told of each change since whether it is in force. Raises ConfigError."""
        self._path = path
        self._reloaded = reloaded
        self._mutex = threading.Lock()
        self._seen: dict[Path, _Stamp] = {}
        self._access, self._contents = self._read()
        self.problems: Sequence[Problem] = ()
        """What is wrong with the file as it is now; none: it is in force."""
        self._tell(self._access.notes)

    def current(self) -> Access:
        """Return what is in force, having read the files again if one of them changed. Never raises."""
        if self._has_changed():
            with self._mutex:
                if self._has_changed():
                    self._read_again()
        return self._access

    def _has_changed(self) -> bool:
        return any(_stamp(path) != seen for path, seen in self._seen.items())

    def _read_again(self) -> None:
        before = self.problems
        try:
            access, contents = self._read()
            if (access.context is None) != (self._access.context is None):
                message = "there is TLS or not from the start of the exporter on; restart it, or undo this"
                raise ConfigError([Problem(f"{self._path}: tls_server_config", message)])
        except ConfigError as error:
            self.problems = error.problems
            if self.problems != before:
                for problem in self.problems:
                    _log.error("the old web configuration stays in force: %s", problem)
                self._reloaded(False)
            return
        self.problems = ()
        if contents != self._contents:
            notes = self._access.notes
            self._access, self._contents = access, contents
            if access.notes != notes:
                self._tell(access.notes)
        elif not before:
            return
        _log.info("web configuration read again")
        self._reloaded(True)

    def _tell(self, notes: Iterable[str]) -> None:
        for note in notes:
            _log.warning("%s: %s", self._path, note)

    def _read(self) -> tuple[Access, tuple[str, Mapping[Path, bytes]]]:
        """Return what the file says and all that was read for it; ConfigError with all that is wrong with it."""
        seen = {self._path: _settled_stamp(self._path)}
        contents: dict[Path, bytes] = {}

        def read_file(name: str) -> bytes:
            path = self._path.parent / name
            if path not in contents:
                seen[path] = _settled_stamp(path)
                contents[path] = _content(path)
            return contents[path]

        try:
            text = read_text(self._path)
            return read_access(text, str(self._path), read_file), (text, contents)
        finally:
            self._seen = seen


def read_access(text: str, place: str, read_file: Callable[[str], bytes]) -> Access:
    """Return the access that *text* says; ConfigError with all that is wrong with it. *place* is the text's name."""
    contexts = []

    def check(config: WebConfig) -> Iterator[Found]:
        settings = config.tls_server_config
        if settings.has_certificate:
            try:
                contexts.append(tls.server_context(settings, read_file))
            except tls.UnusableError as error:
                yield Found(("tls_server_config", error.key), str(error))

    config = parse(text, place, read_file, check)
    hashes = (config.basic_auth_users or {}).items()
    headers = (config.http_server_config.headers or {}).items()
    return Access(
        context=contexts[0] if contexts else None,
        allowed_names=frozenset(map(tls.plain_name, config.tls_server_config.client_allowed_sans)),
        users={user.encode(): hashed.get_secret_value().encode() for user, hashed in hashes},
        headers=[(name.lower().encode(), value.encode()) for name, value in headers if value],
        request_interval=config.rate_limit.interval,
        request_burst=config.rate_limit.burst,
        notes=list(_notes(config)),
    )


def _notes(config: WebConfig) -> Iterator[str]:
    settings = config.tls_server_config
    if config.basic_auth_users and not settings.has_certificate:
        yield "basic_auth_users: passwords come in clear; add tls_server_config, unless TLS ends at a proxy in front"
    if config.http_server_config.http2:
        yield "http_server_config.http2: without effect; answers are HTTP/1.1"
    if len(settings.curve_preferences) > 1:
        yield "tls_server_config.curve_preferences: only the first is used, as Python can set no more"


_Stamp = tuple[int, ...] | None


def _stamp(path: Path) -> _Stamp:
    """Return what is another after a change of the file at *path*; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def _settled_stamp(path: Path) -> _Stamp:
    """Return the same, or what no file has if it changed so lately that the next change may leave it as it is."""
    stamp = _stamp(path)
    unsettled = stamp is not None and 0 <= time.time_ns() - stamp[1] < _SETTLED
    return () if unsettled else stamp


def _content(path: Path) -> bytes:
    """Return what is in the file at *path*; ValueError if that cannot be read."""
    if not path.exists():
        raise ValueError("no such file; relative paths start at the folder of this file")
    try:
        if path.is_file():
            return path.read_bytes()
    except OSError:
        pass
    raise ValueError("not a file that we can read; name a regular file and give the exporter's user access to it")

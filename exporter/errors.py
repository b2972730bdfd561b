"""The exceptions of the exporter, as a tree.

::

    ExporterError
    ├── ConfigError          the configuration cannot be used: every problem with its place       (exit code 2)
    ├── LedgerUnusableError  the ledger's file cannot be used at all; it has not been touched      (exit code 1)
    ├── LedgerBusyError      a commit did not happen and may succeed later: disk full, file locked
    ├── LedgerReadError      usage was not read and may be later: file locked, disk failing
    ├── QuestionError        a question about usage that means nothing: every problem with its parameter
    ├── ListenError          an address that cannot be listened on                                 (exit code 1)
    ├── DecodeError          a text, record or body that is not what an engine writes
    └── PollError            a poll that gave no list; `result` says of which kind
        ├── PollTimeoutError       timeout
        ├── ConnectionFailedError  connection
        ├── TlsError               tls
        ├── UnauthorizedError      unauthorized
        ├── ForbiddenError         forbidden
        ├── HttpStatusError        http_status
        ├── TooLargeError          too_large
        ├── NotAListError          decode
        └── InternalError          internal

Messages read ``place: what is wrong; what to do`` and never hold a secret or a text of SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple


class ExporterError(Exception):
    """Anything that the exporter expects to go wrong: shown without a traceback."""


class Problem(NamedTuple):
    """One thing wrong with a configuration: where, and what to do about it."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class ConfigError(ExporterError):
    """The configuration cannot be used; `problems` has all that is wrong with it, at least one."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class LedgerUnusableError(ExporterError):
    """The ledger's file cannot be used: corrupt, foreign, newer, read-only or in use. It was not changed."""


class LedgerBusyError(ExporterError):
    """A commit did not happen; nothing of it is in the file, and the same commit may succeed later."""


class LedgerReadError(ExporterError):
    """Usage could not be read from the ledger; the same question may be answered later."""


class QuestionError(ExporterError):
    """Parameters that ask nothing; `problems` has all that is wrong with them, at least one."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class ListenError(ExporterError):
    """An address that cannot be listened on: in use, not ours, not allowed."""


class DecodeError(ExporterError):
    """A text that no engine writes. `reason` is a short word from a closed set, fit for a label."""

    def __init__(self, message: str, reason: str = "malformed") -> None:
        super().__init__(message)
        self.reason = reason


class PollError(ExporterError):
    """A poll that gave no list. `result` is the value of the label `result` that counts it."""

    result: ClassVar[str] = "internal"


class PollTimeoutError(PollError):
    """The whole poll took longer than its timeout."""

    result = "timeout"


class ConnectionFailedError(PollError):
    """No connection, or one that broke: name not found, refused, reset, closed in the middle of an answer."""

    result = "connection"


class TlsError(PollError):
    """The TLS handshake failed: a certificate not trusted, expired, for another name, or no TLS at all."""

    result = "tls"


class UnauthorizedError(PollError):
    """401: the coordinator does not know who asks; or there is no proof to be had: no secret, token or ticket."""

    result = "unauthorized"


class ForbiddenError(PollError):
    """403: the coordinator knows who asks and refuses."""

    result = "forbidden"


class HttpStatusError(PollError):
    """Any other status than 200, redirects included (they are never followed)."""

    result = "http_status"


class TooLargeError(PollError):
    """The list, decompressed, is larger than `max_response_bytes`."""

    result = "too_large"


class NotAListError(PollError):
    """The body is not a whole JSON list of queries."""

    result = "decode"


class InternalError(PollError):
    """A defect of our own: logged with its traceback, and the next poll goes on."""

    result = "internal"


POLL_RESULTS: tuple[str, ...] = ("success", *(kind.result for kind in PollError.__subclasses__()))
"""Every value of the label `result` of ``presto_exporter_polls_total``."""

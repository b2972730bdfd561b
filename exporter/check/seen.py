"""What one cluster showed when it was asked: nothing is judged yet, and none of it is secret."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from exporter.account.completeness import coordinator_of
from exporter.config import Cluster
from exporter.decode.info import Info, decode_info
from exporter.dialect import Dialect, dialect_of
from exporter.errors import DecodeError
from exporter.ingest.connection import Certificate
from exporter.ingest.coordinator import Reply
from exporter.query import Query

INFO = "/v1/info"
LIST = "/v1/query"
GATEWAY = "/trino-gateway/livez"
"""Where trino-gateway says that it lives; engines know no such path."""

_LONGEST_VERSION = 32
"""What is longer tells nothing more; Python refuses to read numbers of thousands of digits."""
_USER_HEADERS = frozenset({"x-presto-user", "x-trino-user", "x-presto-original-user", "x-trino-original-user"})


class Kind(StrEnum):
    """What can be wrong. The first nine are results of ``presto_exporter_polls_total``, where nothing more is known."""

    TIMEOUT = "timeout"
    CONNECTION = "connection"
    TLS = "tls"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    HTTP_STATUS = "http_status"
    TOO_LARGE = "too_large"
    DECODE = "decode"
    INTERNAL = "internal"
    SCHEME = "scheme"
    """http:// to a port that speaks TLS, or https:// to one that does not."""
    CERTIFICATE = "certificate"
    """The server's is not accepted, or soon will not be."""
    CLIENT_CERTIFICATE = "client_certificate"
    IMPERSONATION = "impersonation"
    REDIRECT = "redirect"
    STARTING = "starting"
    WORKER = "worker"
    NOT_A_COORDINATOR = "not_a_coordinator"
    GATEWAY = "gateway"
    """Several coordinators behind one address."""
    INFO = "info"
    """``/v1/info`` is not answered."""
    HIDDEN = "hidden"
    """Queries of others are not shown to us; as a note: perhaps."""
    VISIBILITY = "visibility"
    """Whether they are cannot be told."""
    CLOCK = "clock"
    RETENTION = "retention"
    SLOW = "slow"
    LARGE = "large"
    RECORDS = "records"
    USER = "user"
    SAME_NAME = "same_name"
    SAME_QUERIES = "same_queries"


class Failure(NamedTuple):
    """Why there is no list, as ``place: problem; remedy``."""

    kind: Kind
    place: str
    problem: str
    remedy: str


class Said(StrEnum):
    """What a refusal says in so many words, where it is known what they mean."""

    IN_CLEAR = "Password not allowed for insecure authentication"
    HTTP_CLOSED = "Authentication over HTTP is not enabled"
    IMPERSONATION = "cannot impersonate user"
    OTHER_USER = "cannot become user"
    TWO_HEADERS = "Both Trino and Presto headers detected"
    STARTING = "server is still initializing"
    STARTING_UP = "SERVER_STARTING_UP"
    HTTPS_PORT = "plain HTTP request was sent to HTTPS port"
    FORWARDED = "does not allow processing of the X-Forwarded"


class Later(NamedTuple):
    """The list once more, some seconds later."""

    clock: float
    """Unix time by the coordinator's clock."""
    ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one cluster showed. None or empty: it did not come to that."""

    cluster: Cluster
    now: float
    """Unix time by our own clock, when the list had come."""
    failure: Failure | None = None
    replies: Sequence[Reply] = ()
    """To `INFO` and `LIST`."""
    queries: Sequence[Query] | None = None
    rejected: int = 0
    """Rows of the list that could not be understood."""
    list_bytes: int = 0
    seconds: float = 0.0
    """Duration of the poll: both requests."""
    repeated: Sequence[Reply] = ()
    """To `INFO` again, each on a connection of its own."""
    gateway: Reply | None = None
    """To `GATEWAY`."""
    anonymous: Reply | None = None
    """To `LIST` without saying who asks."""
    in_clear: Reply | None = None
    """To `INFO` over plain HTTP, where TLS came to nothing."""
    later: Later | None = None
    management: Reply | None = None
    """To where the coordinator counts the queries itself."""
    certificate: Certificate | None = None
    """What it shows as its certificate, believed or not."""

    @property
    def is_https(self) -> bool:
        """True if the URL says so."""
        return self.cluster.url.lower().startswith("https://")

    @property
    def address(self) -> str:
        """Host and port, as the URL has them."""
        return self.cluster.url.partition("://")[2].partition("/")[0]

    @property
    def title(self) -> str:
        """What to call the cluster: its name, else the coordinator's environment, else its address."""
        return self.cluster.name or (self.info.environment if self.info else "") or self.address

    @property
    def info_reply(self) -> Reply | None:
        """The answer to `INFO`."""
        return next((reply for reply in self.replies if reply.path == INFO), None)

    @property
    def list_reply(self) -> Reply | None:
        """The answer to `LIST`."""
        return next((reply for reply in self.replies if reply.path == LIST), None)

    @property
    def info(self) -> Info | None:
        """What the coordinator says of itself."""
        return told(self.info_reply)

    @property
    def is_worker(self) -> bool:
        """True if the server says that it is no coordinator."""
        answer = parsed(self.info_reply)
        return self.info is not None and isinstance(answer, dict) and answer.get("coordinator") is False

    @property
    def dialect(self) -> Dialect | None:
        """The engine; None if it is not known."""
        return dialect_of(self.info.version[:_LONGEST_VERSION]) if self.info else None

    @property
    def sends_user_header(self) -> bool:
        """True if a header of the configuration asks to act as some user."""
        return any(header.lower() in _USER_HEADERS for header in self.cluster.headers)

    @property
    def user(self) -> str | None:
        """Whom the coordinator takes us for; None where a token, a certificate or a header says so."""
        cluster = self.cluster
        if cluster.auth.names_user or self.sends_user_header:
            return None
        if cluster.tls.cert_file and not cluster.auth.password_file:
            return None
        return cluster.user

    @property
    def asked_as(self) -> str:
        """Who asked, and with which proof."""
        cluster, oauth2, kerberos = self.cluster, self.cluster.auth.oauth2, self.cluster.auth.kerberos
        if cluster.auth.bearer_token_file:
            return f"the owner of the token in {cluster.auth.bearer_token_file}"
        if oauth2.token_url:
            return f'client "{oauth2.client_id}" with a token of {oauth2.token_url.partition("?")[0]}'
        if kerberos.service_name:
            owner = f'principal "{kerberos.principal}"' if kerberos.principal else "the owner"
            return f"{owner} of the tickets by {kerberos.keytab_file or 'the credential cache'}"
        if cluster.auth.password_file:
            return f'user "{cluster.user}" with the password in {cluster.auth.password_file}'
        if cluster.tls.cert_file:
            return f'user "{cluster.user}" with the certificate in {cluster.tls.cert_file}'
        return f'user "{cluster.user}" without a password'

    @property
    def offers(self) -> tuple[str, ...]:
        """The kinds of authentication that the coordinator offers.

        Trino leaves out Basic where a password is empty, so what it offers to strangers comes first.
        """
        replies = [reply for reply in (self.anonymous, self.list_reply) if reply is not None and reply.status == 401]
        return tuple(dict.fromkeys(offer.capitalize() for reply in replies for offer in reply.offers))

    @property
    def coordinators(self) -> frozenset[str]:
        """The last part of the listed ids: each stands for one process of a coordinator."""
        return frozenset(coordinator_of(query.id) for query in self.queries or ()) - {""}

    @property
    def clock(self) -> float:
        """Unix time of the list by the coordinator's clock; by ours where it does not tell."""
        reply = self.list_reply
        return self.now if reply is None or reply.date is None else reply.date

    @property
    def clock_skew(self) -> float | None:
        """Seconds by which the coordinator's clock is ahead of ours, to about a second; None if it does not tell."""
        told_by = [reply for reply in self.replies if reply.date is not None]
        if not told_by or told_by[0].date is None:
            return None
        return told_by[0].date + 0.5 - told_by[0].received  # the date is cut to whole seconds

    @property
    def oldest_end_age(self) -> float | None:
        """Seconds since the end of the query that ended first among those listed; None if none has ended."""
        oldest = min((query.ended for query in self.queries or () if query.ended is not None), default=None)
        return None if oldest is None else max(0.0, self.clock - oldest)

    @property
    def ended(self) -> int:
        """How many of the listed queries have ended."""
        return sum(query.is_terminal for query in self.queries or ())

    @property
    def completed(self) -> int | None:
        """How many queries have ended since the start, as the coordinator counts; None if it does not tell us."""
        reply = self.management
        if reply is None or reply.status != 200:
            return None
        text = reply.body.decode("ascii", "replace")
        counts = [line.split()[-1] for line in text.splitlines() if line.strip() and not line.startswith("#")]
        try:
            return round(float(counts[0])) if len(counts) == 1 else None
        except (ValueError, OverflowError):
            return None


def told(reply: Reply | None) -> Info | None:
    """Return what a coordinator says of itself in an answer; None if no engine says such a thing."""
    if reply is None or reply.status != 200:
        return None
    try:
        return decode_info(reply.body)
    except DecodeError:
        return None


def parsed(reply: Reply | None) -> object:
    """Return the JSON in a good answer; None if there is none."""
    if reply is None or reply.status != 200:
        return None
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        return None


def said(reply: Reply | None) -> Said | None:
    """Return what a refusal says, if it is known what that means."""
    if reply is None or reply.status == 200:
        return None
    body = reply.body.lower()
    return next((words for words in Said if words.value.lower().encode() in body), None)

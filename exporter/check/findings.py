"""What was seen of clusters, judged: what is wrong, where, and what to do about it.

Pure. Everything that can be told is told in one pass. Nothing that a server wrote is quoted but names, versions and
kinds of authentication; nothing that is secret is known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import chain, pairwise
from typing import NamedTuple

from exporter.account.completeness import coordinator_of, interval
from exporter.check.figures import day, number, size, span
from exporter.check.rights import impersonation_rule, retention_settings, role_rule, view_rule
from exporter.check.seen import INFO, LIST, Failure, Kind, Said, Seen, said, told
from exporter.dialect import PRESTODB
from exporter.ingest.coordinator import Reply

CLOCK_SECONDS = 5.0
"""A clock that is off by more is a finding: the date that a server tells is whole seconds, and answers take time."""
CERTIFICATE_DAYS = 14.0
SHORTEST_INTERVAL = 1.0
"""Seconds: the exporter never asks more often, however short the retention."""
OUTAGE_SECONDS = 60.0
"""Retention must outlast a restart of the exporter."""

_LEAST_MISSING = 3
_SHARE_MISSING = 0.2
"""Some ids are never listed: of statements whose clients ended them while queued, or never came back for them."""
_KEPT_BY_DEFAULT = 100
"""query.max-history: so many ended queries are listed for ever."""
_ID = re.compile(r"([0-9]{8})_([0-9]{6})_([0-9]{5})_([a-z0-9]{5})").fullmatch


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """The cluster is not counted, or wrongly."""
    WARNING = "warning"
    """It may be, or soon will."""
    NOTE = "note"
    """Nothing has to be done."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found."""

    severity: Severity
    kind: Kind
    place: str
    """Where it is, within the cluster."""
    problem: str
    remedy: str
    lines: str = ""
    """What to add to which file, where that is a rule or a setting."""

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}; {self.remedy}"


def findings_of(seen: Seen) -> tuple[Finding, ...]:
    """Return what is wrong with one cluster by itself, the worst first."""
    parts = (_failure, _server, _certificate, _rights, _clock, _retention, _cost, _records, _user)
    found = chain.from_iterable(part(seen) for part in parts)
    return tuple(sorted(found, key=lambda finding: list(Severity).index(finding.severity)))


def findings_between(clusters: Sequence[Seen]) -> list[tuple[Finding, ...]]:
    """Return for each cluster what is wrong between it and those before it."""
    return [tuple(_between(seen, clusters[:index])) for index, seen in enumerate(clusters)]


# There is no list


def _failure(seen: Seen) -> Iterator[Finding]:
    reply = seen.list_reply
    if seen.failure is None:
        return
    if seen.is_worker:
        yield _error(Kind.WORKER, f"GET {INFO}", "this is a worker, which knows no queries", _ADDRESS)
    elif reply is None or reply.status == 200:
        yield _no_answer(seen, seen.failure)
    else:
        yield _refusal(seen, reply, seen.failure)


_ADDRESS = "write the coordinator's address in url"


def _no_answer(seen: Seen, failure: Failure) -> Finding:
    kind, place, problem, remedy = failure
    certificate = None if place.startswith("auth.") else seen.certificate
    remedy = _where_authorities_are_set(seen, remedy, certificate.issuer if certificate else "")
    if place.startswith("auth."):
        pass  # it is not the coordinator that is not answered by
    elif kind is Kind.CONNECTION and certificate is not None and not seen.is_https:
        kind, problem, remedy = Kind.SCHEME, "the server speaks TLS on this port", "write url with https://"
    elif kind is Kind.CONNECTION and seen.in_clear is not None:
        kind, problem = Kind.SCHEME, "the server does not speak TLS on this port"
        remedy = "write url with http://, or the port where it does"
    elif kind is Kind.CERTIFICATE and certificate is not None:
        names = ", ".join(certificate.names) or certificate.subject or "no name"
        signed = f" and signed by {certificate.issuer}" if certificate.issuer else ""
        validity = f"valid from {day(certificate.valid_from)} to {day(certificate.valid_until)}"
        problem = f"{problem} (it is for {names}{signed}, {validity})"
    elif kind is Kind.CLIENT_CERTIFICATE and seen.cluster.tls.cert_file is None:
        problem = f"{problem}: it may want a certificate of ours"
        remedy = "set tls.cert_file and tls.key_file"
    elif kind is Kind.TIMEOUT:
        if place.startswith(("connect", "look up")):
            remedy = "check host and port of url, and whether a firewall drops what we send"
        elif place == f"GET {INFO}":
            problem = f"connected, but no answer within the {span(seen.cluster.timeout)} of the whole poll"
            remedy = "see whether this is the coordinator's HTTP port and whether it hangs"
        elif place.startswith("TLS"):
            remedy = "see whether TLS is spoken on this port, else write url with http://; or raise timeout"
        else:
            remedy = f"raise timeout; {_FEWER}"
    elif kind is Kind.TOO_LARGE:
        remedy = f"raise max_response_bytes, which is memory too; {_FEWER}"
    elif kind is Kind.DECODE:
        if seen.list_reply is not None and seen.list_reply.content_type == "text/html":
            problem, remedy = "answered a web page", f"let the proxy before the coordinator pass {LIST} on"
        if seen.info is None:
            kind, remedy = Kind.NOT_A_COORDINATOR, _CHECK_URL
    return _error(kind, place, problem, remedy)


def _where_authorities_are_set(seen: Seen, remedy: str, issuer: str) -> str:
    """Return what to do instead of *remedy* where that is to set a file of authorities, and there is one."""
    settings = {"tls": seen.cluster.tls, "auth.oauth2.tls": seen.cluster.auth.oauth2.tls}
    for section, tls in settings.items():
        if tls.ca_file is not None and remedy == f"set {section}.ca_file to the authority that signed it":
            by = f" ({issuer})" if issuer else ""
            return f"{tls.ca_file} has not the authority that signed it{by}; put that one into it, and those above it"
    return remedy


_FEWER = "or let the coordinator list ended queries for a shorter time (query.min-expire-age)"


def _refusal(seen: Seen, reply: Reply, failure: Failure) -> Finding:
    words = said(reply)
    place = f"GET {LIST}"
    answered = f"answered {reply.status}"
    if (seen.info and seen.info.starting) or words in (Said.STARTING, Said.STARTING_UP):
        return _starting(seen, Severity.ERROR)
    if words in (Said.IMPERSONATION, Said.OTHER_USER):
        return _impersonation(seen, answered)
    if words is Said.HTTPS_PORT:
        return _error(Kind.SCHEME, place, "the server speaks TLS on this port", "write url with https://")
    if words is Said.TWO_HEADERS:
        remedy = "remove from headers the one that is not of its engine, or both: the user is sent without"
        return _error(Kind.IMPERSONATION, place, f"{answered}: headers name a user for Presto and for Trino", remedy)
    if words is Said.FORWARDED:
        remedy = "set http-server.process-forwarded=true on the coordinator, or remove X-Forwarded-… from headers"
        return _error(Kind.HTTP_STATUS, place, f"{answered}: it takes no X-Forwarded-… headers", remedy)
    if reply.status == 401:
        return _unauthorized(seen, reply, words)
    if reply.status == 403:
        return _forbidden(seen, words)
    if reply.target:
        remedy = "no redirect is followed: write in url where the coordinator itself answers, and not a login page"
        return _error(Kind.REDIRECT, place, f"{answered}, a redirect to {reply.target}", remedy)
    if seen.info is None and reply.status < 500:
        problem = f"{answered}, and GET {INFO} {_told_nothing(seen)}: this is no coordinator"
        return _error(Kind.NOT_A_COORDINATOR, place, problem, _CHECK_URL)
    if reply.status == 404:
        remedy = f"let the proxy before the coordinator pass {LIST} on"
        return _error(Kind.HTTP_STATUS, place, f"{answered}, though GET {INFO} is answered", remedy)
    return _error(failure.kind, failure.place, failure.problem, failure.remedy)


_CHECK_URL = "check host, port and path of url"


def _told_nothing(seen: Seen) -> str:
    """Return what is wrong with the answer to `INFO`."""
    reply = seen.info_reply
    if reply is None:
        return "was not answered"
    return f"answered {reply.status}" if reply.status != 200 else "answered what no engine says"


def _starting(seen: Seen, severity: Severity) -> Finding:
    uptime = seen.info.uptime_seconds if seen.info else None
    so_far = "" if uptime is None else f", for {span(uptime)} so far"
    problem = f"the coordinator is only starting{so_far}"
    return Finding(severity, Kind.STARTING, f"GET {INFO}", problem, "check again when it is up")


def _impersonation(seen: Seen, answered: str) -> Finding:
    if seen.sends_user_header:
        problem = f"{answered}: {seen.asked_as} may not act as the user that headers names"
        remedy = "remove that header, so that we ask in our own name, or add the rule"
    else:
        problem = f'{answered}: who we prove to be may not act as user "{seen.cluster.user}"'
        remedy = "make them the same (user; user-mapping of the coordinator's authentication), or add the rule"
    return _error(Kind.IMPERSONATION, f"GET {LIST}", problem, remedy, impersonation_rule(_own_name(seen)))


def _own_name(seen: Seen) -> str | None:
    cluster = seen.cluster
    has_another = cluster.auth.names_user or (cluster.tls.cert_file and not cluster.auth.password_file)
    return None if has_another else cluster.user


_HOW = {
    "Basic": "auth.password_file (Basic)",
    "Bearer": "auth.bearer_token_file (Bearer) or auth.oauth2 (Bearer)",
    "Negotiate": "auth.kerberos (Negotiate)",
}


class _Sent(NamedTuple):
    """How we have proved who we are."""

    kind: str
    """As a coordinator offers it."""
    key: str
    remedy: str
    """What to do where a coordinator that offers this kind refuses us."""


def _sent(seen: Seen) -> _Sent | None:
    auth = seen.cluster.auth
    right = "see whether the {} is the right one and has not expired, and the user may log in"
    if auth.password_file:
        return _Sent("Basic", "auth.password_file", right.format("password"))
    if auth.bearer_token_file:
        return _Sent("Bearer", "auth.bearer_token_file", right.format("token"))
    if auth.oauth2.token_url:
        remedy = "see whether it takes tokens of this server, for this scope and audience, and maps them to a user"
        return _Sent("Bearer", "auth.oauth2", remedy)
    if auth.kerberos.service_name:
        remedy = (
            "see whether service_name and hostname of auth.kerberos are those of a principal in its keytab, its clock "
            "is ours, and it maps our principal to a user"
        )
        return _Sent("Negotiate", "auth.kerberos", remedy)
    return None


def _unauthorized(seen: Seen, reply: Reply, words: Said | None) -> Finding:
    cluster = seen.cluster
    offers = seen.offers
    problem = f"answered {reply.status} to {seen.asked_as}"
    problem += f" and offers {', '.join(offers)}" if offers else " and offers no kind of authentication"
    sent = _sent(seen)
    known = [_HOW[offer] for offer in offers if offer in _HOW]
    if words is Said.IN_CLEAR:
        problem = f"answered {reply.status} to {seen.asked_as}: it takes no password over plain HTTP"
        remedy = (
            "write url with https://; where TLS ends at a proxy, set headers to {X-Forwarded-Proto: https} and "
            "http-server.process-forwarded=true on the coordinator; where it has no authentication, remove "
            "auth.password_file"
        )
    elif sent and sent.kind in offers:
        remedy = sent.remedy
    elif known:
        remedy = f"set {' or '.join(known)}"
        if sent:
            remedy += f", in place of {sent.key}"
    elif offers:
        remedy = (
            "add PASSWORD, JWT, KERBEROS or CERTIFICATE to http-server.authentication.type: "
            "the exporter speaks no other"
        )
    elif seen.is_https and cluster.tls.cert_file is None:
        remedy = "it may want a certificate of ours: set tls.cert_file and tls.key_file"
    elif cluster.tls.cert_file is not None:
        remedy = "see whether it knows who signed the certificate in tls.cert_file, and maps its subject to a user"
    else:
        remedy = "see what authenticates there: the coordinator or a proxy before it"
    return _error(Kind.UNAUTHORIZED, f"GET {LIST}", problem, remedy)


def _forbidden(seen: Seen, words: Said | None) -> Finding:
    place = f"GET {LIST}"
    problem = f"answered 403 to {seen.asked_as}"
    if words is Said.HTTP_CLOSED or (not seen.is_https and seen.dialect is not PRESTODB):
        problem += ": a coordinator that authenticates over HTTPS refuses everybody over plain HTTP"
        remedy = (
            "write url with https:// and its port; or set http-server.authentication.allow-insecure-over-http=true on "
            "the coordinator; or, where TLS ends at a proxy, http-server.process-forwarded=true there and headers to "
            "{X-Forwarded-Proto: https} here"
        )
        return _error(Kind.FORBIDDEN, place, problem, remedy)
    if seen.dialect is PRESTODB:
        return _error(Kind.FORBIDDEN, place, problem, "give this user the role user", role_rule(seen.user))
    version = seen.info.version if seen.info else ""
    remedy = "let this user view the queries of others"
    return _error(Kind.FORBIDDEN, place, problem, remedy, view_rule(seen.dialect, version, seen.user))


# There is a list, or an info


def _server(seen: Seen) -> Iterator[Finding]:
    if seen.failure is None:
        if seen.is_worker:
            yield _error(Kind.WORKER, f"GET {INFO}", "this server says that it is a worker", _ADDRESS)
        if seen.info and seen.info.starting:
            yield _starting(seen, Severity.WARNING)
        if seen.info is None:
            problem = f"{_told_nothing(seen)}, so that engine, version and restarts are not known"
            yield _warning(Kind.INFO, f"GET {INFO}", problem, f"let the proxy before the coordinator pass {INFO} on")
    if seen.gateway is not None and seen.gateway.status == 200 and seen.gateway.content_type != "text/html":
        problem = "this is trino-gateway, which answers for one of its clusters at a time"
        yield _error(Kind.GATEWAY, seen.address, problem, _EACH)
    elif _is_several(seen):
        problem = "several coordinators answer at this address in turn"
        yield _error(Kind.GATEWAY, seen.address, problem, _EACH)


_EACH = "write the address of each coordinator itself, each as a cluster of its own"


def _is_several(seen: Seen) -> bool:
    """True if the answers cannot all be of one process, though nothing was restarted within seconds."""
    if seen.dialect is PRESTODB:  # its coordinators may share one list
        return _have_other_starts(seen)
    own = seen.info.coordinator_id if seen.info else ""
    if len(seen.coordinators) > 1 or (own and seen.coordinators and own not in seen.coordinators):
        return True
    return _have_other_starts(seen)


def _have_other_starts(seen: Seen) -> bool:
    starts = []
    for reply in (seen.info_reply, *seen.repeated):
        info = told(reply)
        if reply is not None and info is not None and info.uptime_seconds is not None:
            # Engines print three digits of an uptime.
            starts.append((reply.received - info.uptime_seconds, 2.0 + 0.01 * info.uptime_seconds, info.coordinator_id))
    return any(
        abs(one - other) > max(slack, other_slack) or own_id != other_id
        for (one, slack, own_id), (other, other_slack, other_id) in pairwise(starts)
    )


def _certificate(seen: Seen) -> Iterator[Finding]:
    if seen.cluster.tls.insecure_skip_verify:
        problem = "whoever answers is believed (tls.insecure_skip_verify)"
        yield _note(Kind.CERTIFICATE, f"TLS with {seen.address}", problem, "set tls.ca_file instead")
    elif seen.failure is None and seen.certificate is not None:
        left = seen.certificate.valid_until - seen.now
        if left < CERTIFICATE_DAYS * 86400:
            problem = f"its certificate expires in {span(max(0.0, left))}, on {day(seen.certificate.valid_until)}"
            yield _warning(Kind.CERTIFICATE, f"TLS with {seen.address}", problem, "let it be renewed")


class _Ids(NamedTuple):
    """Ids of queries that began after the first listed end: none of those can have been removed yet."""

    minted: int
    missing: int


def _ids(seen: Seen) -> _Ids:
    """Return how many ids were given out, from the first to the last listed, and how many of them are not listed.

    Ended queries are removed in the order of their ends. So what began after the first end that is still listed is
    listed too, but for what is hidden, and ids whose clients never came back for them.
    """
    oldest: dict[str, float] = {}
    for query in seen.queries or ():
        if query.ended is not None:
            name = coordinator_of(query.id)
            oldest[name] = min(query.ended, oldest.get(name, query.ended))
    listed: dict[str, list[tuple[str, int]]] = {}
    for query in seen.queries or ():
        match = _ID(query.id)
        if match and _minted_at(match[1], match[2]) > oldest.get(match[4], float("inf")):
            listed.setdefault(match[4], []).append((match[1] + match[2], int(match[3])))
    minted = missing = 0
    for ids in listed.values():
        ids.sort()
        minted += 1
        for (_, before), (_, number_) in pairwise(ids):
            step = number_ - before if number_ > before else 1  # the count starts over each day, and near its end
            minted += step
            missing += step - 1
    return _Ids(minted, missing)


def _minted_at(date: str, time: str) -> float:
    try:
        return datetime.strptime(date + time, "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


def _rights(seen: Seen) -> Iterator[Finding]:
    if seen.queries is None or seen.dialect is PRESTODB or seen.is_worker:
        return  # PrestoDB shows everything to everyone who may ask
    ids = _ids(seen)
    lacking = ids.missing >= _LEAST_MISSING and ids.missing >= _SHARE_MISSING * ids.minted
    counted = f"of {number(ids.minted, 'query', 'queries')} begun while they would stay listed, {ids.missing:,} are not"
    version = seen.info.version if seen.info else ""
    rule = view_rule(seen.dialect, version, seen.user)
    if _sees_others(seen):
        if lacking:
            problem = f"{counted}: they are hidden from us, or their clients never came back for them"
            remedy = "if the rule that lets us view queries is for those of all users, nothing is wrong; else widen it"
            yield _note(Kind.HIDDEN, "rights", problem, remedy, rule)
        return
    # What is in flight in the list may have ended by the time of the count.
    unseen = 0 if seen.completed is None else seen.completed - len(seen.queries)
    if lacking or (unseen > 0 and seen.ended < _KEPT_BY_DEFAULT):
        if unseen > 0:
            counted = f"the coordinator has counted {unseen:,} more that ended"
        problem = f"no query of another user is listed, but {counted}: they are hidden from {_whom(seen)}"
        yield _error(Kind.HIDDEN, "rights", problem, "add the rule that lets it view them", rule)
    elif seen.completed is None or unseen > 0:
        problem = (
            f"no query of another user is listed: a quiet cluster, or one that hides them from {_whom(seen)}; which of "
            "the two cannot be told from here"
        )
        remedy = "run a query as another user and check again: if it is not listed, add the rule"
        yield _warning(Kind.VISIBILITY, "rights", problem, remedy, rule)


def is_in_doubt(seen: Seen) -> bool:
    """True if it cannot be told from the list whether queries of others are hidden."""
    return seen.queries is not None and seen.dialect is not PRESTODB and not _sees_others(seen)


def _sees_others(seen: Seen) -> bool:
    """True if queries of other users are listed; where it is not known who we are, the only user seen may be us."""
    users = {query.user for query in seen.queries or ()}
    return len(users) > 1 if seen.user is None else bool(users - {seen.user})


def _whom(seen: Seen) -> str:
    return "us" if seen.user is None else f'user "{seen.user}"'


def _clock(seen: Seen) -> Iterator[Finding]:
    skew = seen.clock_skew
    if skew is not None and abs(skew) > CLOCK_SECONDS:
        problem = f"the coordinator's is {span(abs(skew))} {'ahead of' if skew > 0 else 'behind'} ours"
        remedy = "let both be kept by NTP: the age of queries in flight is off by as much"
        yield _warning(Kind.CLOCK, "clock", problem, remedy)


def may_forget_soon(seen: Seen) -> bool:
    """True if ended queries are perhaps kept too briefly: a second list, a little later, will show whether some go."""
    age = seen.oldest_end_age
    if age is None or age > max(OUTAGE_SECONDS, 3 * seen.cluster.poll_interval):
        return False
    return min((int(match[3]) for query in seen.queries or () if (match := _ID(query.id))), default=0) > 0


def _retention(seen: Seen) -> Iterator[Finding]:
    if seen.later is None or seen.queries is None or _is_several(seen):
        return
    if seen.later.ids and not seen.coordinators & set(map(coordinator_of, seen.later.ids)):
        return  # restarted in between, or another coordinator
    ends = {query.id: query.ended for query in seen.queries if query.ended is not None}
    gone = [end for query_id, end in ends.items() if query_id not in seen.later.ids]
    if not gone:
        return
    left = [seen.later.clock - end for query_id, end in ends.items() if query_id in seen.later.ids]
    kept = max([*left, *(seen.clock - end for end in gone)])
    wanted = seen.cluster.poll_interval
    problem = f"ended queries are no longer listed after about {span(kept)}"
    if kept < 3 * SHORTEST_INTERVAL:
        severity = Severity.ERROR
        problem += f", less than the exporter can keep up with (a poll every {span(SHORTEST_INTERVAL)})"
    elif kept < 3 * wanted:
        severity = Severity.WARNING
        problem += f", so the exporter asks every {span(interval(wanted, kept))}, not every {span(wanted)}"
    elif kept < OUTAGE_SECONDS:
        severity = Severity.WARNING
        problem += ", so a restart of the exporter can lose some"
    else:
        return
    remedy = "let the coordinator keep them longer"
    yield Finding(severity, Kind.RETENTION, "retention", problem, remedy, retention_settings())


def _cost(seen: Seen) -> Iterator[Finding]:
    if seen.queries is None:
        return
    cluster = seen.cluster
    if seen.seconds > cluster.timeout / 2 or seen.seconds > cluster.poll_interval:
        problem = f"took {span(seen.seconds)} of the {span(cluster.timeout)} that timeout allows"
        remedy = "raise timeout and poll_interval, or see why the coordinator is slow"
        yield _warning(Kind.SLOW, "list", f"{problem}, asked every {span(cluster.poll_interval)}", remedy)
    if seen.list_bytes > cluster.max_response_bytes / 2:
        problem = f"{size(seen.list_bytes)} of the {size(cluster.max_response_bytes)} that max_response_bytes allows"
        remedy = f"raise it, which is memory too; {_FEWER}"
        yield _warning(Kind.LARGE, "list", problem, remedy)
    if seen.dialect is PRESTODB and len(seen.coordinators) > 1:
        problem = f"it is of {len(seen.coordinators)} coordinators, by way of a resource manager"
        remedy = "poll one of them only, and see that resource-manager.max-completed-queries lasts from poll to poll"
        yield _note(Kind.GATEWAY, "list", problem, remedy)


def _records(seen: Seen) -> Iterator[Finding]:
    if seen.rejected:
        problem = f"{number(seen.rejected, 'row')} of {len(seen.queries or ()) + seen.rejected:,} not understood"
        remedy = "report it, with the coordinator's version: those queries are not counted"
        yield _warning(Kind.RECORDS, "list", problem, remedy)


def _user(seen: Seen) -> Iterator[Finding]:
    if seen.user is not None and not seen.user.isascii():
        problem = "not ASCII, and engines read what is sent as ISO-8859-1: rules for this name will not match"
        yield _warning(Kind.USER, "user", problem, "take a user whose name is ASCII")


# Between clusters


def _between(seen: Seen, earlier: Sequence[Seen]) -> Iterator[Finding]:
    own_ids = {query.id for query in seen.queries or ()}
    for other in earlier:
        shared = sum(query.id in own_ids for query in other.queries or ())
        if shared:
            problem = f'{number(shared, "query", "queries")} are listed by cluster "{other.title}" too'
            yield _error(Kind.SAME_QUERIES, seen.address, problem, "remove one of the two: each would be counted twice")
            return
        if _is_same_process(seen, other):
            problem = f'this seems to be the coordinator of cluster "{other.title}" under another address'
            yield _warning(Kind.SAME_QUERIES, seen.address, problem, "remove one of the two")
            return
    for other in earlier:
        if seen.title == other.title and not (seen.cluster.name and other.cluster.name):
            problem = f'"{seen.title}" is the name of the cluster at {other.address} too'
            remedy = "give both a name: clusters[].name, or --coordinator NAME=URL"
            yield _warning(Kind.SAME_NAME, "environment", problem, remedy)
            return


def _is_same_process(seen: Seen, other: Seen) -> bool:
    one, two = seen.info, other.info
    if one is None or two is None or (one.version, one.environment) != (two.version, two.environment):
        return False
    if one.coordinator_id or two.coordinator_id:
        return one.coordinator_id == two.coordinator_id
    if seen.queries and other.queries:
        return False  # they share none
    return not _starts_differ(seen, other)


def _starts_differ(seen: Seen, other: Seen) -> bool:
    one, two = seen.info, other.info
    reply, other_reply = seen.info_reply, other.info_reply
    if not (one and two and reply and other_reply) or one.uptime_seconds is None or two.uptime_seconds is None:
        return True
    apart = (reply.received - one.uptime_seconds) - (other_reply.received - two.uptime_seconds)
    return abs(apart) > 0.5 + 0.01 * one.uptime_seconds


def _error(kind: Kind, place: str, problem: str, remedy: str, lines: str = "") -> Finding:
    return Finding(Severity.ERROR, kind, place, problem, remedy, lines)


def _warning(kind: Kind, place: str, problem: str, remedy: str, lines: str = "") -> Finding:
    return Finding(Severity.WARNING, kind, place, problem, remedy, lines)


def _note(kind: Kind, place: str, problem: str, remedy: str, lines: str = "") -> Finding:
    return Finding(Severity.NOTE, kind, place, problem, remedy, lines)

"""What is known of a cluster once it was asked: plain values, as the check shows them."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.check.seen import Seen


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known; None: it did not come to that."""

    engine: str | None
    version: str | None
    environment: str | None
    coordinator_id: str | None
    uptime_seconds: float | None
    asked_as: str
    offers: tuple[str, ...]
    """Kinds of authentication, where the coordinator has refused us."""
    queries_listed: int | None
    queries_ended: int | None
    visible_users: int | None
    list_bytes: int | None
    poll_seconds: float | None
    oldest_end_age_seconds: float | None
    """For how long ended queries have been listed at least."""
    clock_skew_seconds: float | None
    """By how much the coordinator's clock is ahead of ours, to about a second."""
    tls_protocol: str | None
    certificate_issuer: str | None
    certificate_names: tuple[str, ...]
    certificate_valid_until: float | None
    """Unix time."""


def facts_of(seen: Seen) -> Facts:
    """Return what is known of a cluster."""
    info, dialect, certificate = seen.info, seen.dialect, seen.certificate
    has_list = seen.queries is not None
    skew = seen.clock_skew
    return Facts(
        engine=dialect.engine if dialect else None,
        version=info.version if info else None,
        environment=info.environment if info else None,
        coordinator_id=(info.coordinator_id or None) if info else None,
        uptime_seconds=info.uptime_seconds if info else None,
        asked_as=seen.asked_as,
        offers=seen.offers,
        queries_listed=len(seen.queries) if seen.queries is not None else None,
        queries_ended=seen.ended if has_list else None,
        visible_users=len({query.user for query in seen.queries}) if seen.queries is not None else None,
        list_bytes=seen.list_bytes if has_list else None,
        poll_seconds=round(seen.seconds, 3) if has_list else None,
        oldest_end_age_seconds=seen.oldest_end_age,
        clock_skew_seconds=None if skew is None else round(skew, 1),
        tls_protocol=certificate.protocol if certificate else None,
        certificate_issuer=certificate.issuer if certificate else None,
        certificate_names=certificate.names if certificate else (),
        certificate_valid_until=certificate.valid_until if certificate else None,
    )

"""SPNEGO (RFC 4559): a ticket for the coordinator's service, from the KDC that krb5.conf names.

libkrb5 does all of it: it cannot be interrupted, so it runs in a thread of its own; it is loaded only where a cluster
is so configured. Tickets by a keytab are kept in this process' memory, and renewed by libkrb5 halfway of their time.
"""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Callable
from typing import Any

from exporter.errors import ConnectionFailedError, PollError, UnauthorizedError
from exporter.ingest.connection import Limit, Peer
from exporter.ingest.secret import read_file

KDC = Peer("the KDC", place="auth.kerberos: ")
EXTRA = "presto-query-exporter[kerberos]"

_SPNEGO = "1.3.6.1.5.5.2"
_LONGEST_REASON = 200
_KEPT_SECONDS = 600.0
"""For so long tickets are kept even if refused: libkrb5 keeps each cache, some 5 kB, as long as the process lives."""


class Kerberos:
    """Whom a keytab, or else the credential cache of the process, says that we are."""

    def __init__(
        self,
        service_name: str,
        hostname: str,
        *,
        principal: str | None = None,
        keytab_file: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*principal*: the first of the keytab, or that of the cache, if it is None. *clock* tells seconds."""
        self._service = f"{service_name}@{hostname}"
        self._principal = principal
        self._keytab_file = keytab_file
        self._clock = clock
        self._renew()

    @property
    def who(self) -> str:
        """Who asks, as a message calls it."""
        if self._principal is not None:
            return f'principal "{self._principal}"'
        return "the owner of the keytab" if self._keytab_file is not None else "the owner of the Kerberos tickets"

    def headers(self, limit: Limit, /) -> dict[str, str]:
        """Return ``Authorization: Negotiate`` with the first and only token of a new context.

        Raises UnauthorizedError if there is no ticket to be had, ConnectionFailedError if no KDC answers.
        """
        with limit.asking(KDC):
            limit.doing = f"ticket for {self._service}"
            token = limit.run(self._token)
        return {"Authorization": f"Negotiate {base64.b64encode(token).decode('ascii')}"}

    def refused(self, _limit: Limit, /) -> bool:
        """Forget tickets by a keytab, if they are old; return True if so: the service may have another key by now."""
        if self._keytab_file is None or self._clock() < self._made + _KEPT_SECONDS:
            return False
        self._renew()
        return True

    def _renew(self) -> None:
        self._cache = f"MEMORY:{uuid.uuid4()}"
        self._made = self._clock()

    def _token(self) -> bytes:
        gssapi = _library()
        spnego, kerberos = gssapi.OID.from_int_seq(_SPNEGO), gssapi.MechType.kerberos
        try:
            name = None if self._principal is None else gssapi.Name(self._principal, gssapi.NameType.kerberos_principal)
            # Both mechanisms: Kerberos tells what is wrong, and SPNEGO does not take what is for Kerberos alone.
            credentials = gssapi.Credentials(name=name, usage="initiate", mechs=[kerberos, spnego], store=self._store())
        except gssapi.exceptions.GSSError as error:
            raise self._failure(error, self._check_credentials) from None
        try:
            service = gssapi.Name(self._service, gssapi.NameType.hostbased_service)
            context = gssapi.SecurityContext(name=service, creds=credentials, usage="initiate", mech=spnego, flags=[])
            token: bytes | None = context.step()
        except gssapi.exceptions.GSSError as error:
            raise self._failure(error, "check auth.kerberos.service_name and auth.kerberos.hostname") from None
        return token or b""

    def _store(self) -> dict[str, str] | None:
        """Return where tickets are kept and what they are had by; None: as the environment of the process says."""
        if self._keytab_file is None:
            return None
        try:
            read_file(self._keytab_file)
        except OSError as error:
            text = f"{self._keytab_file}: {error.strerror}; it must be a keytab that the exporter may read"
            raise UnauthorizedError(text) from None
        return {"client_keytab": f"FILE:{self._keytab_file}", "ccache": self._cache}

    @property
    def _check_credentials(self) -> str:
        owner = "its principal" if self._principal is None else self._principal
        if self._keytab_file is not None:
            return f"check that {self._keytab_file} has the key that {owner} has now"
        return "set auth.kerberos.keytab_file, or let kinit renew the cache"

    def _failure(self, error: Any, remedy: str) -> PollError:
        """Return what libkrb5 cannot do, in its own words: they hold names and no secret."""
        place = f"{KDC.place}ticket for {self._service}"
        reason = _reason(error)
        if reason.startswith("Cannot contact any KDC"):
            return ConnectionFailedError(f"{place}: {reason}; check that one runs, where krb5.conf (KRB5_CONFIG) says")
        if reason.startswith("Clock skew"):
            remedy = "let the clocks here and there be kept by NTP"
        return UnauthorizedError(f"{place}: {reason}; {remedy}")


def _library() -> Any:
    try:
        import gssapi
    except ImportError:
        remedy = f"pip install '{EXTRA}', and libgssapi-krb5 of the system"
        raise UnauthorizedError(f"{KDC.place}the package gssapi cannot be loaded; {remedy}") from None
    return gssapi


def _reason(error: Any) -> str:
    """Return the words of the mechanism, or else those of GSS-API, as one line."""
    words = [*error.get_all_statuses(error.min_code, False), *error.get_all_statuses(error.maj_code, True)]
    known = [word for word in words if word and not word.startswith("Unknown error")]
    line = "".join(character if character.isprintable() else " " for character in (known or ["unknown reason"])[0])
    return line.strip().rstrip(".;")[:_LONGEST_REASON]

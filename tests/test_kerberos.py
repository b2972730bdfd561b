"""Tickets from a real KDC, taken by a real acceptor. Skipped where MIT Kerberos or the package gssapi is missing."""

from __future__ import annotations

import base64
import importlib.util
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from exporter.app import coordinator_of
from exporter.config import Cluster
from exporter.errors import ConnectionFailedError, PollError, PollTimeoutError, UnauthorizedError
from exporter.ingest.connection import Limit
from exporter.ingest.coordinator import Coordinator
from exporter.ingest.kerberos import Kerberos
from tests.kdc import REALM, Kdc, missing_program
from tests.test_coordinator import LIST, SECONDS, Server, Talk, failure, reply

LACKING = missing_program() or (None if importlib.util.find_spec("gssapi") else "the package gssapi")
needs_kdc = pytest.mark.skipif(LACKING is not None, reason=f"{LACKING} is not installed")
SERVICE = "presto/localhost"


def limit(seconds: float = SECONDS) -> Limit:
    return Limit(seconds, threading.Event())


class Realm:
    """A KDC that answers, a client's keytab, and the service that takes its tokens."""

    def __init__(self, kdc: Kdc) -> None:
        self.kdc = kdc
        for principal in (SERVICE, "monitor", "nobody"):
            kdc.add(principal)
        self.keytab = str(kdc.keytab("monitor.keytab", "monitor"))
        self.service_keytab = str(kdc.keytab("service.keytab", SERVICE))

    def auth(self, **more: Any) -> Kerberos:
        return Kerberos("presto", more.pop("hostname", "localhost"), **{"keytab_file": self.keytab, **more})

    def accepted(self, header: str) -> str | None:
        """Return whose token is in a header, None if the service does not take it at once."""
        library: Any = importlib.import_module("gssapi")
        store = {"keytab": f"FILE:{self.service_keytab}"}
        context = library.SecurityContext(creds=library.Credentials(usage="accept", store=store), usage="accept")
        try:
            context.step(base64.b64decode(header.removeprefix("Negotiate ")))
            return str(context.initiator_name) if context.complete else None
        except library.exceptions.GSSError:
            return None


@pytest.fixture
def realm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Realm]:
    kdc = Kdc(tmp_path / "kdc")
    with monkeypatch.context() as environment, kdc:
        for name, value in {**kdc.environment, "KRB5CCNAME": f"FILE:{tmp_path / 'cache'}"}.items():
            environment.setenv(name, value)
        wait_for(kdc.port)
        yield Realm(kdc)


def wait_for(port: int) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise AssertionError("the KDC does not listen")


def token(auth: Kerberos) -> str:
    return auth.headers(limit())["Authorization"]


def refused(auth: Kerberos, kind: type[PollError], seconds: float = SECONDS) -> str:
    with pytest.raises(PollError) as caught:
        auth.headers(limit(seconds))
    assert type(caught.value) is kind, repr(caught.value)
    return str(caught.value)


@needs_kdc
@pytest.mark.parametrize("principal", [None, "monitor", f"monitor@{REALM}"])
def test_a_token_is_taken_at_once_and_says_who_we_are(realm: Realm, principal: str | None) -> None:
    assert realm.accepted(token(realm.auth(principal=principal))) == f"monitor@{REALM}"


@needs_kdc
def test_every_request_of_a_poll_has_a_token_of_its_own(realm: Realm) -> None:
    """A service does not take one twice."""
    seen: list[str] = []

    def script(talk: Talk) -> None:
        while request := talk.request():
            (header,) = re.findall("Authorization: (.*)\r\n", request)
            good = header not in seen and realm.accepted(header) == f"monitor@{REALM}"
            seen.append(header)
            talk.send(reply(LIST) if good else reply(b"", "401 Unauthorized"))

    with Server(script) as server:
        coordinator = Coordinator(server.url, realm.auth())
        for _ in range(2):
            answer = coordinator.poll()
            assert (answer.query_list, answer.info) == (LIST, LIST)
    assert len(seen) == 4 == len(set(seen))


@needs_kdc
@pytest.mark.parametrize(("host", "hostname"), [("localhost", None), ("127.0.0.1", "localhost")])
def test_every_key_of_the_configuration_is_used(realm: Realm, host: str, hostname: str | None) -> None:
    both = str(realm.kdc.keytab("both.keytab", "nobody", "monitor"))
    names: list[str | None] = []

    def script(talk: Talk) -> None:
        while request := talk.request():
            names.append(realm.accepted(re.findall("Authorization: (.*)\r\n", request)[0]))
            talk.send(reply(LIST))

    with Server(script) as server:
        kerberos = {"service_name": "presto", "principal": "monitor", "keytab_file": both, "hostname": hostname}
        cluster = {"url": f"http://{host}:{server.port}", "auth": {"kerberos": kerberos}}
        coordinator_of(Cluster.model_validate(cluster)).poll()
    assert names == [f"monitor@{REALM}"] * 2


@needs_kdc
def test_tickets_are_kept_from_poll_to_poll(realm: Realm) -> None:
    auth = realm.auth()
    token(auth)
    realm.kdc.stop()
    assert realm.accepted(token(auth)) == f"monitor@{REALM}"


@needs_kdc
def test_the_credential_cache_of_the_process_serves_where_there_is_no_keytab(realm: Realm, tmp_path: Path) -> None:
    auth = realm.auth(keytab_file=None)
    assert refused(auth, UnauthorizedError) == (
        "auth.kerberos: ticket for presto@localhost: No Kerberos credentials available "
        f"(default cache: FILE:{tmp_path / 'cache'}); set auth.kerberos.keytab_file, or let kinit renew the cache"
    )
    subprocess.run(["kinit", "-k", "-t", realm.keytab, "monitor"], check=True, capture_output=True, timeout=SECONDS)
    assert realm.accepted(token(auth)) == f"monitor@{REALM}"
    assert not auth.refused(limit()), "it is not ours to empty"


@needs_kdc
def test_tickets_for_a_key_that_the_service_had_are_replaced_once_they_are_old(realm: Realm) -> None:
    now = [1000.0]
    auth = realm.auth(clock=lambda: now[0])
    token(auth)
    realm.kdc.change_key(SERVICE)
    realm.service_keytab = str(realm.kdc.keytab("service.keytab", SERVICE))
    assert realm.accepted(token(auth)) is None
    assert not auth.refused(limit())
    now[0] += 601.0
    assert auth.refused(limit())
    assert realm.accepted(token(auth)) == f"monitor@{REALM}"
    assert not auth.refused(limit())


@needs_kdc
def test_what_is_wrong_names_place_and_remedy(realm: Realm) -> None:
    place = "auth.kerberos: ticket for presto@localhost: "
    other = str(realm.kdc.keytab("other.keytab", "nobody"))
    assert refused(realm.auth(keytab_file=other, principal="monitor"), UnauthorizedError) == (
        f"{place}No credentials cache found; check that {other} has the key that monitor has now"
    )
    assert refused(realm.auth(hostname="elsewhere"), UnauthorizedError) == (
        f"auth.kerberos: ticket for presto@elsewhere: Server presto/elsewhere@{REALM} not found in Kerberos database; "
        "check auth.kerberos.service_name and auth.kerberos.hostname"
    )
    empty = realm.kdc.config.with_name("empty")
    empty.touch()
    assert refused(realm.auth(keytab_file=str(empty)), UnauthorizedError).endswith(
        f"; check that {empty} has the key that its principal has now"
    )
    gone = realm.kdc.config.with_name("gone")
    assert refused(realm.auth(keytab_file=str(gone)), UnauthorizedError) == (
        f"{gone}: No such file or directory; it must be a keytab that the exporter may read"
    )
    assert refused(realm.auth(principal="a@b@c"), UnauthorizedError).startswith(place)
    realm.kdc.change_key("monitor")
    assert refused(realm.auth(), UnauthorizedError).endswith(
        f"; check that {realm.keytab} has the key that its principal has now"
    )
    realm.kdc.stop()
    assert refused(realm.auth(), ConnectionFailedError) == (
        f"{place}Cannot contact any KDC for realm '{REALM}'; check that one runs, where krb5.conf (KRB5_CONFIG) says"
    )


@contextmanager
def silent(port: int) -> Iterator[None]:
    """Let this port take connections, and answer nothing."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        yield


@needs_kdc
def test_a_kdc_that_is_silent_is_waited_for_as_long_as_the_poll_may_take(realm: Realm) -> None:
    realm.kdc.stop()
    with silent(realm.kdc.port):
        message = refused(realm.auth(), PollTimeoutError, 0.3)
        assert message == (
            "auth.kerberos: ticket for presto@localhost: not done within 0.3 s for the whole poll; "
            "raise timeout, or see why the KDC is slow"
        )
        coordinator = Coordinator("http://127.0.0.1:1", realm.auth(), timeout=SECONDS)
        coordinator.abort()
        assert failure(coordinator, ConnectionFailedError).endswith("given up; the exporter is stopping")


def test_without_the_package_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['gssapi'] = None; import threading;"
        "from exporter.errors import UnauthorizedError; from exporter.ingest.connection import Limit;"
        "from exporter.ingest.kerberos import Kerberos\n"
        "try: Kerberos('HTTP', 'localhost').headers(Limit(5, threading.Event()))\n"
        "except UnauthorizedError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        "auth.kerberos: the package gssapi cannot be loaded; "
        "pip install 'presto-query-exporter[kerberos]', and libgssapi-krb5 of the system"
    )


@pytest.mark.parametrize(
    ("more", "who"),
    [
        ({"principal": "monitor@REALM", "keytab_file": "/a"}, 'principal "monitor@REALM"'),
        ({"keytab_file": "/a"}, "the owner of the keytab"),
        ({}, "the owner of the Kerberos tickets"),
    ],
)
def test_who_asks_is_said_without_asking_anybody(more: dict[str, Any], who: str) -> None:
    assert Kerberos("HTTP", "localhost", **more).who == who

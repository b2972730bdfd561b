"""``python -m tests.engines.authentication [ENGINE ...]``: every way to prove who we are, on real servers.

Each works against a coordinator that wants it, goes on where tokens, keys and tickets change while the exporter runs,
and says place and remedy where it fails. Kerberos needs a KDC (krb5-kdc, krb5-admin-server, krb5-user) and the package
gssapi: without them its part is left out, but not where CI is set.
"""

from __future__ import annotations

import argparse
import base64
import importlib.util
import json
import os
import secrets
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import trustme
import yaml
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from tests.engines.assembly import ENGINES, Engine, Plugin, java_home
from tests.engines.check import (
    BLIND,
    GRANTED,
    PASSWORD,
    PATIENCE,
    Faulty,
    Trials,
    balancer,
    client_certificate,
    password_auth,
    password_file,
    run_with_password,
    with_passwords,
)
from tests.engines.command import folder_of_logs, run
from tests.engines.processes import free_port
from tests.engines.report import Report
from tests.exporter_process import ExporterProcess
from tests.kdc import REALM, Kdc, missing_program

CLIENT = "presto exporter"
"""With a space: both parts of the credentials are encoded before they are sent."""
CLIENT_SECRET = "s%cret: +/~"
AUDIENCE = "https://presto.example/"


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class Issuer:
    """A token server on loopback: ``/token`` over TLS, and over plain HTTP its key in ``/keys``."""

    def __init__(self, certificate: trustme.LeafCert) -> None:
        self._key = rsa.generate_private_key(65537, 2048)
        self.lifetime = 3600.0
        """Seconds for which a token is good."""
        self.told_lifetime: float | None = None
        """Seconds for which it says so; None: the truth."""
        self.is_silent = threading.Event()
        """Set: it takes requests, and does not answer."""
        self.asked = 0
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(context)
        self._over = threading.Event()
        self._tokens = _Pages(self)
        self._tokens.socket = context.wrap_socket(self._tokens.socket, server_side=True, do_handshake_on_connect=False)
        self._keys = _Pages(self)
        self.token_url = f"https://127.0.0.1:{self._tokens.server_port}/oauth2/token"
        self.keys_url = f"http://127.0.0.1:{self._keys.server_port}/keys"

    def __enter__(self) -> Issuer:
        for server in (self._tokens, self._keys):
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for server in (self._tokens, self._keys):
            server.shutdown()
            server.server_close()

    def token(self, user: str, seconds: float) -> str:
        """Return a token for this user that expires in so many seconds."""
        head = {"alg": "RS256", "typ": "JWT", "kid": "one"}
        claims = {"sub": user, "aud": AUDIENCE, "exp": time.time() + seconds}
        signed = ".".join(_base64url(json.dumps(part).encode()) for part in (head, claims))
        return f"{signed}.{_base64url(self._key.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"

    def keys(self) -> dict[str, Any]:
        """Return the key to verify tokens with (RFC 7517)."""
        numbers = self._key.public_key().public_numbers()
        modulus, exponent = (_base64url(n.to_bytes((n.bit_length() + 7) // 8, "big")) for n in (numbers.n, numbers.e))
        return {"keys": [{"kty": "RSA", "kid": "one", "alg": "RS256", "use": "sig", "n": modulus, "e": exponent}]}

    def answer(self, credentials: str, form: Mapping[str, list[str]]) -> tuple[int, dict[str, Any]]:
        """Return status and body of the answer to a request for a token."""
        self.asked += 1
        if self.is_silent.is_set():
            self._over.wait(PATIENCE)
        pair = base64.b64decode(credentials.removeprefix("Basic ")).decode().split(":")
        if [unquote_plus(part) for part in pair] != [CLIENT, CLIENT_SECRET]:
            return 401, {"error": "invalid_client", "error_description": f"hidden {credentials}"}
        if form.get("grant_type") != ["client_credentials"]:
            return 400, {"error": "unsupported_grant_type"}
        if form.get("scope") != ["presto queries"]:
            return 400, {"error": "invalid_scope"}
        if form.get("audience") != [AUDIENCE]:
            return 403, {"error": "access_denied"}
        lifetime = self.lifetime if self.told_lifetime is None else self.told_lifetime
        token = self.token(GRANTED, self.lifetime)
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": lifetime, "scope": "presto other"}


class _Pages(ThreadingHTTPServer):
    def __init__(self, issuer: Issuer) -> None:
        super().__init__(("127.0.0.1", 0), partial(_IssuerPages, issuer))

    def handle_error(self, *_: object) -> None:
        """Say nothing of who breaks off: they are made to."""


class _IssuerPages(BaseHTTPRequestHandler):
    def __init__(self, issuer: Issuer, *arguments: Any) -> None:
        self._issuer = issuer
        super().__init__(*arguments)

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self._send(*self._issuer.answer(self.headers["Authorization"], form))

    def do_GET(self) -> None:
        self._send(200, self._issuer.keys())

    def _send(self, status: int, content: Mapping[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Running:
    """The exporter as a process that polls one cluster every half second."""

    def __init__(self, folder: Path, cluster: Mapping[str, Any], report: Report) -> None:
        place = folder / f"run-{secrets.token_hex(4)}"
        place.mkdir()
        self._report = report
        config = {
            "clusters": [{"name": "one", "poll_interval": "500ms", **cluster}],
            "ledger": {"path": str(place / "ledger.sqlite")},
            "web": {"listen_addresses": ["127.0.0.1:0"]},
        }
        self._process = ExporterProcess(place, yaml.safe_dump(config))

    def __enter__(self) -> Running:
        self._process.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.__exit__(None, None, None)

    def polls(self) -> dict[str, float]:
        """Return how many polls there were, by their result."""
        samples = self._process.scrape()
        polls = samples.named("presto_exporter_polls_total")
        return {dict(labels)["result"]: value for labels, value in polls.items() if value}

    def until(self, what: str, result: str, more: int = 1, *words: str) -> None:
        """Check that so many more polls come to this result, and that the log then says these words."""
        before = self.polls().get(result, 0.0)
        deadline = time.monotonic() + PATIENCE
        while (now := self.polls()).get(result, 0.0) < before + more and time.monotonic() < deadline:
            time.sleep(0.1)
        problems = [] if now.get(result, 0.0) >= before + more else [f"polls: {now}"]
        problems += [f"the log does not say {word!r}" for word in words if word not in self._process.logged()]
        said = [word for word in (PASSWORD, CLIENT_SECRET, "hidden", "eyJ") if word in self._process.logged()]
        problems += [f"the log says {word!r}" for word in said]
        self._report.check(what, problems)

    def check_only(self, what: str, *results: str) -> None:
        """Check that no poll so far had another result than these."""
        polls = self.polls()
        self._report.check(what, [] if set(polls) <= set(results) else [f"polls: {polls}"])


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Let programs that are started meanwhile have these variables."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


class Tickets:
    """A KDC with the principals of a trial; a coordinator's is ``<service>/localhost``."""

    def __init__(self, folder: Path, service: str) -> None:
        self.service = service
        self.kdc = Kdc(folder)
        for principal in (f"{service}/localhost", GRANTED, "nobody"):
            self.kdc.add(principal)
        self.keytab = str(self.kdc.keytab("monitor.keytab", GRANTED))
        self.server_keytab = str(self.kdc.keytab("server.keytab", f"{service}/localhost"))

    def settings(self, spelling: str = "http-server") -> dict[str, str]:
        """Return a coordinator's settings."""
        prefix = f"{spelling}.authentication.krb5"
        return {
            "http.authentication.krb5.config": str(self.kdc.config),
            f"{prefix}.service-name": self.service,
            f"{prefix}.keytab": self.server_keytab,
        }

    def auth(self, **more: str) -> dict[str, Any]:
        """Return what to write under ``auth``."""
        return {"kerberos": {"service_name": self.service, "keytab_file": self.keytab, **more}}


def tickets(folder: Path, service: str, report: Report) -> Tickets | None:
    """Return a KDC, or None where there can be none: that is a failed check where CI is set."""
    program = missing_program()
    lacking = program or (None if importlib.util.find_spec("gssapi") else "the package gssapi")
    if lacking is None:
        return Tickets(folder / "kdc", service)
    if os.environ.get("CI"):
        report.check("there is a KDC to try Kerberos with", [f"{lacking} is not installed"])
    else:
        report.step(f"Kerberos is left out: {lacking} is not installed")
    return None


def tls_settings(folder: Path, authority: trustme.CA, port: int, kinds: str) -> dict[str, str]:
    """Return the settings of a coordinator that speaks TLS on this port and authenticates there."""
    leaf = authority.issue_cert("127.0.0.1", "localhost")
    keystore = folder / "server.pem"
    keystore.write_bytes(leaf.private_key_pem.bytes() + b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
    return {
        "http-server.https.enabled": "true",
        "http-server.https.port": str(port),
        "http-server.https.keystore.path": str(keystore),
        "http-server.authentication.type": kinds,
        "internal-communication.shared-secret": secrets.token_hex(32),
    }


def try_passwords(trials: Trials, url: str, plain_url: str, tls: Mapping[str, Any]) -> None:
    """A password over TLS, and behind a proxy where TLS ends."""
    password = password_auth(trials.folder, "right", PASSWORD)
    good = {"url": url, "user": GRANTED, "tls": tls, "auth": password}
    trials.expect("a password over TLS", good)
    wrong = {**good, "auth": password_auth(trials.folder, "wrong", "staple battery")}
    trials.expect("a wrong password", wrong, "unauthorized")
    proxied: dict[str, Any] = {"url": plain_url, "user": GRANTED, "auth": {**password, "over_plain_http": True}}
    trials.expect("a password over plain HTTP, and nothing that says that TLS ended before", proxied, "forbidden")
    proxied = {**proxied, "headers": {"X-Forwarded-Proto": "https"}}
    trials.expect("the same with X-Forwarded-Proto: https under headers", proxied)
    with balancer([int(plain_url.rpartition(":")[2])]) as port:
        trials.expect("and through a plain proxy", {**proxied, "url": f"http://localhost:{port}"})


def try_tokens(trials: Trials, report: Report, issuer: Issuer, cluster: Mapping[str, Any]) -> None:
    """A token in a file, which changes while the exporter runs."""
    file = trials.folder / "token"
    tokened = {**cluster, "auth": {"bearer_token_file": str(file)}}
    file.write_text(issuer.token(GRANTED, -60))
    trials.expect("a token in a file that has expired", tokened, "unauthorized")
    file.write_text(issuer.token(GRANTED, 3600))
    trials.expect("a token in a file", tokened)
    file.write_text(issuer.token(GRANTED, 6))
    with Running(trials.folder, tokened, report) as exporter:
        exporter.until("a token that expires while the exporter runs works at first", "success", 2)
        exporter.until("and then is unauthorized", "unauthorized", 1, "answered 401 to the owner of the token")
        file.write_text(issuer.token(GRANTED, 3600))
        exporter.until("the next poll has the new token", "success", 2)


def try_oauth2(trials: Trials, report: Report, issuer: Issuer, cluster: Mapping[str, Any]) -> None:
    """Tokens that the exporter asks for itself."""
    folder = trials.folder
    secret = folder / "client-secret"
    secret.write_text(CLIENT_SECRET + "\n")
    oauth2 = {
        "token_url": issuer.token_url,
        "client_id": CLIENT,
        "client_secret_file": str(secret),
        "scope": "presto queries",
        "audience": AUDIENCE,
        "tls": cluster["tls"],
    }

    def with_(**more: Any) -> dict[str, Any]:
        return {**cluster, "auth": {"oauth2": {**oauth2, **more}}}

    trials.expect("a token by client credentials", with_())
    before = issuer.asked
    with Running(folder, with_(), report) as exporter:
        exporter.until("polls with a token that is good for long", "success", 6)
        asked = issuer.asked - before
        report.check("it was asked for once", [] if asked == 1 else [f"asked for {asked} times"])
        issuer.lifetime = 2.0
        exporter.check_only("and no poll failed", "success")
    with Running(folder, with_(), report) as exporter:
        before = issuer.asked
        exporter.until("polls with tokens that are good for two seconds", "success", 12)
        asked = issuer.asked - before
        report.check("some were asked for", [] if 2 <= asked <= 8 else [f"asked for {asked} times"])
        exporter.check_only("and no poll failed", "success")
    issuer.told_lifetime = 3600.0
    with Running(folder, with_(), report) as exporter:
        before = issuer.asked
        exporter.until("polls with tokens that expire before they are said to", "success", 12)
        report.check("what was refused was replaced", [] if issuer.asked - before >= 2 else ["it was not asked again"])
        exporter.check_only("in the same poll", "success")
        issuer.is_silent.set()
        exporter.until("a token server that falls silent", "timeout", 1, "see why the token server is slow")
        issuer.is_silent.clear()
        exporter.until("and speaks again", "success", 2)
    issuer.lifetime, issuer.told_lifetime = 3600.0, None

    wrong = folder / "wrong-client-secret"
    wrong.write_text("hunter2")
    faults: Sequence[tuple[str, dict[str, Any], str, Sequence[str]]] = (
        (
            "a wrong client secret",
            with_(client_secret_file=str(wrong)),
            "unauthorized",
            ("auth.oauth2.token_url: POST /oauth2/token answered 401, invalid_client", "client_secret_file"),
        ),
        ("a scope that is not given", with_(scope="other"), "unauthorized", ("invalid_scope", "auth.oauth2.scope")),
        (
            "an audience that the client may not have",
            with_(audience="other"),
            "unauthorized",
            ("access_denied", "scope and audience"),
        ),
        ("a token server whose authority nobody named", with_(tls={}), "tls", ("set auth.oauth2.tls.ca_file",)),
        (
            "a token server that is down",
            with_(token_url=f"https://127.0.0.1:{free_port()}/token"),
            "connection",
            ("auth.oauth2.token_url: connect to 127.0.0.1:", "check that the token server runs"),
        ),
        (
            "an address that gives no tokens",
            with_(token_url=cluster["url"] + "/v1/info"),
            "http_status",
            ("check auth.oauth2.token_url",),
        ),
    )
    for what, faulty, kind, words in faults:
        checked = trials.expect(what, faulty, kind)
        trials.expect_words("it says where and what to do", checked, *words)
        if "hunter2" in checked.output or CLIENT_SECRET in checked.output or "hidden" in checked.output:
            report.check("it says no secret", [checked.output])


def try_kerberos(trials: Trials, report: Report, own: Tickets, cluster: Mapping[str, Any]) -> None:
    """Tickets by a keytab and of the credential cache, and a KDC that comes and goes."""
    folder, kdc = trials.folder, own.kdc

    def with_(**more: str) -> dict[str, Any]:
        return {**cluster, "auth": own.auth(**more)}

    cache = folder / "krb5cc"
    with kdc, environment(**kdc.environment, KRB5CCNAME=f"FILE:{cache}"):
        trials.expect("a ticket by the first key of a keytab", with_())
        trials.expect("a ticket by a principal's key", with_(principal=f"{GRANTED}@{REALM}"))
        by_address = {**with_(hostname="localhost"), "url": cluster["url"].replace("localhost", "127.0.0.1")}
        trials.expect("an address for which the coordinator has no principal, with hostname", by_address)
        cached = {**cluster, "auth": {"kerberos": {"service_name": own.service}}}
        checked = trials.expect("no keytab, and no credential cache", cached, "unauthorized")
        trials.expect_words("it says where and what to do", checked, "auth.kerberos", str(cache), "kinit")
        subprocess.run(["kinit", "-k", "-t", own.keytab, GRANTED], check=True, timeout=PATIENCE, capture_output=True)
        trials.expect("no keytab, but a credential cache that kinit has filled", cached)

        other = str(kdc.keytab("other.keytab", "nobody"))
        faults: Sequence[tuple[str, dict[str, Any], Sequence[str]]] = (
            ("a keytab of another principal", with_(keytab_file=other, principal=GRANTED), (other, GRANTED)),
            (
                "a service that the realm does not have",
                with_(service_name="nosuch"),
                ("nosuch/localhost@", "not found in Kerberos database", "auth.kerberos.service_name"),
            ),
        )
        for what, faulty, words in faults:
            checked = trials.expect(what, faulty, "unauthorized")
            trials.expect_words("it says where and what to do", checked, *words)

        with Running(folder, with_(), report) as exporter:
            exporter.until("polls with a ticket", "success", 2)
            kdc.stop()
            exporter.until("go on while the KDC is down: the ticket is kept", "success", 4)
            exporter.check_only("and no poll failed", "success")
        checked = trials.expect("no ticket, and the KDC is down", with_(), "connection")
        trials.expect_words("it says where and what to do", checked, "auth.kerberos", "any KDC", REALM, "krb5.conf")
        with silent(kdc.port):
            checked = trials.expect("the KDC takes requests and answers none", {**with_(), "timeout": "2s"}, "timeout")
            trials.expect_words("it says where and what to do", checked, "auth.kerberos", "see why the KDC is slow")
        with Running(folder, {**with_(), "poll_interval": "1s"}, report) as exporter:
            exporter.until("polls without a KDC", "connection", 1, "Cannot contact any KDC")
            kdc.start()
            exporter.until("work when it is back", "success", 2)
        kdc.change_key(GRANTED)
        checked = trials.expect("a keytab whose key is no longer the present one", with_(), "unauthorized")
        trials.expect_words("it says where and what to do", checked, "auth.kerberos", own.keytab, "has the key")
        own.keytab = str(kdc.keytab("monitor.keytab", GRANTED))
        trials.expect("the keytab with the present key", with_())


@contextmanager
def silent(port: int) -> Iterator[None]:
    """Let this port take connections and answer nothing."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        yield


def try_trino(trials: Trials, report: Report, engine: Engine) -> None:
    """Every kind on one coordinator."""
    folder = trials.folder
    authority = trustme.CA()
    ca = str(folder / "ca.pem")
    authority.cert_pem.write_to_path(ca)
    port = free_port()
    with ExitStack() as servers:
        issuer = servers.enter_context(Issuer(authority.issue_cert("127.0.0.1")))
        own = tickets(folder, "trino", report)
        settings = {
            **tls_settings(folder, authority, port, f"{'KERBEROS,' if own else ''}PASSWORD,JWT,CERTIFICATE"),
            "http-server.https.truststore.path": ca,
            "http-server.authentication.jwt.key-file": issuer.keys_url,
            "http-server.authentication.jwt.required-audience": AUDIENCE,
            "http-server.authentication.certificate.user-mapping.pattern": ".*CN=([^,]*).*",
            "http-server.process-forwarded": "true",
            "protocol.v1.alternate-header-name": "Presto",
        }
        if own:
            settings |= own.settings()
            settings["http-server.authentication.krb5.principal-hostname"] = "localhost"
            settings["http-server.authentication.krb5.user-mapping.pattern"] = "(.*)@.*"
        server = servers.enter_context(Faulty(with_passwords(engine), folder / "coordinator", settings))
        server.put_file("password-authenticator.properties", password_file(folder, [GRANTED, BLIND]))
        url = f"https://localhost:{port}"
        server.start()
        run_with_password(server, url, ca)
        cluster = {"url": url, "user": GRANTED, "tls": {"ca_file": ca}}
        checked = trials.expect("no proof at all", cluster, "unauthorized")
        trials.expect_words(
            "it says what is offered and which keys that needs",
            checked,
            "auth.password_file (Basic)",
            "auth.bearer_token_file (Bearer) or auth.oauth2 (Bearer)",
            *(["auth.kerberos (Negotiate)"] if own else []),
        )
        try_passwords(trials, url, server.url, {"ca_file": ca})
        password = password_auth(folder, "right", PASSWORD)
        named = {**cluster, "auth": password, "headers": {"X-Presto-User": GRANTED}}
        trials.expect("the header of protocol.v1.alternate-header-name, under headers", named)
        try_tokens(trials, report, issuer, cluster)
        try_oauth2(trials, report, issuer, cluster)
        certificate = client_certificate(folder, authority, GRANTED)
        trials.expect("a certificate of ours", {**cluster, "tls": {"ca_file": ca, **certificate}})
        if own:
            try_kerberos(trials, report, own, cluster)


def try_prestosql(trials: Trials, report: Report, engine: Engine) -> None:
    """Passwords, Kerberos and a proxy where TLS ends."""
    folder = trials.folder
    authority = trustme.CA()
    ca = str(folder / "ca.pem")
    authority.cert_pem.write_to_path(ca)
    port = free_port()
    own = tickets(folder, "HTTP", report)
    settings = {
        **tls_settings(folder, authority, port, f"{'KERBEROS,' if own else ''}PASSWORD"),
        "http-server.process-forwarded": "true",
    }
    if own:
        settings |= own.settings()
        settings["http-server.authentication.krb5.principal-hostname"] = "localhost"
        settings["http-server.authentication.krb5.user-mapping.pattern"] = "(.*)@.*"
    passwords = Plugin("io.prestosql:presto-password-authenticators:350:zip")
    with_passwords = replace(
        engine, name=f"{engine.name}-passwords", plugins=(*engine.plugins, ("password-authenticators", passwords))
    )
    with Faulty(with_passwords, folder / "coordinator", settings) as server:
        server.put_file("password-authenticator.properties", password_file(folder, [GRANTED, BLIND]))
        url = f"https://localhost:{port}"
        server.start()
        run_with_password(server, url, ca)
        try_passwords(trials, url, server.url, {"ca_file": ca})
        if own:
            try_kerberos(trials, report, own, {"url": url, "user": GRANTED, "tls": {"ca_file": ca}})


def try_prestodb(trials: Trials, report: Report, engine: Engine) -> None:
    """Kerberos over TLS; over plain HTTP it asks nobody for a proof."""
    folder = trials.folder
    own = tickets(folder, "presto", report)
    if own is None:
        return
    authority = trustme.CA()
    ca = str(folder / "ca.pem")
    authority.cert_pem.write_to_path(ca)
    port = free_port()
    settings = {
        **tls_settings(folder, authority, port, "KERBEROS"),
        **own.settings("http.server"),
        "http.authentication.krb5.principal-hostname": "localhost",
    }
    with Faulty(engine, folder / "coordinator", settings) as server:
        server.start()
        anyone = {"url": server.url, "user": "anyone"}
        trials.expect("nothing is asked for over plain HTTP", anyone)
        try_kerberos(trials, report, own, {"url": f"https://localhost:{port}", "tls": {"ca_file": ca}})


TRIALS: Mapping[str, Callable[[Trials, Report, Engine], None]] = {
    "prestosql-338": try_prestosql,
    "trino-483": try_trino,
    "prestodb-0.296": try_prestodb,
}


def main(argv: Sequence[str]) -> int:
    """Try the engines; return 0 if every check passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.engines.authentication", description=__doc__)
    parser.add_argument("engines", nargs="*", metavar="ENGINE", help=f"{', '.join(TRIALS)}; all if none is given")
    options = parser.parse_args(argv)
    if unknown := [name for name in options.engines if name not in TRIALS]:
        parser.error(f"{unknown[0]}: no trial of it; choose from {', '.join(TRIALS)}")
    report = Report()
    for name in options.engines or TRIALS:
        report.begin(name)
        java_home(ENGINES[name].java)
        with folder_of_logs(f"authentication-{name}", report) as folder:
            TRIALS[name](Trials(folder, report), report, ENGINES[name])
    print(f"\n{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    run(main)

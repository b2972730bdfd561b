"""``python -m tests.engines.check [ENGINE ...]``: faults made on purpose on real servers, and what `check` makes of it.

Each fault is one property: the finding is there, and nothing else is wrong. Where `check` says which rule to add, that
very rule is added, and the next check must be content.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import requests
import trustme
import yaml

from tests.engines import EngineError
from tests.engines.assembly import ENGINES, Engine, assemble, engines_home, java_home
from tests.engines.client import Clients
from tests.engines.command import folder_of_logs, run
from tests.engines.processes import free_port
from tests.engines.report import Report
from tests.engines.servers import Server

PATIENCE = 60.0
GRANTED = "monitor"
"""Who may view everybody's queries."""
BLIND = "blind"
"""Who may not, nor read what the server says of itself."""
AUDITOR = "auditor"
"""Who may not either, but may read the server's own counters."""
PASSWORD = "correct horse"

_RULES: Mapping[str, Any] = {
    "catalogs": [{"allow": "all"}],
    "queries": [{"user": GRANTED, "allow": ["view"]}, {"allow": ["execute"]}],
    "system_information": [{"user": AUDITOR, "allow": ["read"]}],
}
"""Everybody may run queries; who may view them is what is tried out."""


class Faulty(Server):
    """A server with settings and rules of its own; the rules are read again every second."""

    def __init__(self, engine: Engine, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        folder.mkdir()
        self._more = dict(settings or {})
        self._etc = folder / "etc"
        super().__init__(engine, folder)
        self.put_rules(_RULES)

    def __enter__(self) -> Faulty:
        return self

    def _command(self) -> list[str]:
        """Return what starts it, as a node of its own: two with one id are one to a coordinator."""
        return [re.sub(r"^-Dnode\.id=.*", f"-Dnode.id={uuid.uuid4()}", part) for part in super()._command()]

    def _settings(self) -> dict[str, str]:
        settings = {**super()._settings(), **self._more}
        return {key: value for key, value in settings.items() if value}

    def put_rules(self, rules: Mapping[str, Any]) -> None:
        """Let these rules be in force within about a second."""
        properties = self._etc / "access-control.properties"
        if properties.exists():
            (self._etc / "rules.json").write_text(json.dumps(rules))
            properties.write_text(
                f"access-control.name=file\nsecurity.config-file={self._etc / 'rules.json'}\n"
                "security.refresh-period=1s\n"
            )

    def put_file(self, name: str, properties: Mapping[str, str]) -> None:
        """Write a file of properties into ``etc``."""
        (self._etc / name).write_text("".join(f"{key}={value}\n" for key, value in properties.items()))


class Checked:
    """What `check` has said: its exit code, and the JSON that it wrote."""

    def __init__(self, folder: Path, clusters: Sequence[Mapping[str, Any]]) -> None:
        file = folder / f"check-{secrets.token_hex(4)}.yml"
        file.write_text(yaml.safe_dump({"clusters": list(clusters)}))
        command = [sys.executable, "-m", "exporter", "check", "--config.file", str(file)]
        done = subprocess.run(
            [*command, "--format", "json"], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        self.code = done.returncode
        self.output = done.stdout + done.stderr
        if done.returncode not in (0, 1):
            raise EngineError(f"check: exit code {done.returncode}; it said\n  {self.output.strip()}")
        self.clusters: list[dict[str, Any]] = json.loads(done.stdout)["clusters"]

    @property
    def found(self) -> list[tuple[str, str]]:
        """Kind and severity of each finding of the last cluster."""
        return [(finding["kind"], finding["severity"]) for finding in self.clusters[-1]["findings"]]

    @property
    def text(self) -> str:
        """The findings of the last cluster, as people read them."""
        return " / ".join(
            f"{finding['place']}: {finding['problem']}; {finding['remedy']}"
            for finding in self.clusters[-1]["findings"]
        )

    @property
    def lines(self) -> str:
        """What it says to add."""
        return "\n".join(finding["lines"] for finding in self.clusters[-1]["findings"])


class Trials:
    """Runs `check` against one server after another and says what came of it."""

    def __init__(self, folder: Path, report: Report) -> None:
        self.folder = folder
        self._report = report

    def expect(self, what: str, cluster: Mapping[str, Any] | Sequence[Mapping[str, Any]], *kinds: str) -> Checked:
        """Check that the last cluster has exactly these findings, each ``kind`` (an error), ``kind!`` (a warning)."""
        clusters = [cluster] if isinstance(cluster, Mapping) else cluster
        checked = Checked(self.folder, clusters)
        self.judge(what, checked, *kinds)
        return checked

    def judge(self, what: str, checked: Checked, *kinds: str) -> None:
        """Say whether these are the findings."""
        wanted = [(kind.rstrip("!"), "warning" if kind.endswith("!") else "error") for kind in kinds]
        problems = [] if checked.found == wanted else [f"found {checked.found}, not {wanted}: {checked.text}"]
        if checked.code != (1 if kinds else 0):
            problems.append(f"exit code {checked.code}")
        if PASSWORD in checked.output:
            problems.append("it says the password")
        self._report.check(what, problems)
        if kinds and not problems:
            self._report.step(f"    {checked.text}")

    def expect_words(self, what: str, checked: Checked, *words: str) -> None:
        """Check that the findings say so."""
        text = f"{checked.text}\n{checked.lines}"
        self._report.check(what, [f"does not say {word!r}: {text}" for word in words if word not in text])

    def until(self, what: str, cluster: Mapping[str, Any], *kinds: str) -> Checked:
        """Check that these become the findings soon: a server reads its rules again when it likes."""
        deadline = time.monotonic() + PATIENCE
        while True:
            checked = Checked(self.folder, [cluster])
            if [kind for kind, _ in checked.found] == [kind.rstrip("!") for kind in kinds]:
                break
            if time.monotonic() > deadline:
                break
            time.sleep(0.5)
        self.judge(what, checked, *kinds)
        return checked


def file_rule(lines: str) -> dict[str, Any]:
    """Return the rule for file-based access control among what `check` says to add."""
    found = re.search(r"^\{.*\}$", lines, re.MULTILINE)
    if found is None:
        raise EngineError(f"check: no rule in what it says to add:\n{lines}")
    rule: dict[str, Any] = json.loads(found[0])
    return rule


def with_rule(section: str, rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rules with this one put first, as `check` says."""
    return {**_RULES, section: [rule, *_RULES.get(section, [])]}


def run_queries(server: Server, users: Sequence[str], times: int = 1) -> None:
    """Let each of the users run a query to its end, in turn."""
    clients = Clients(server)
    for _ in range(times):
        for user in users:
            clients.send(user, "check", "SELECT count(*) FROM tpch.tiny.nation").read()


@contextmanager
def busy(server: Server) -> Iterator[None]:
    """Let a user run query after query for the time of the context."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.05):
            run_queries(server, ["alice"])

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def balancer(ports: Sequence[int]) -> Iterator[int]:
    """Give a port behind which these take connections in turn."""
    closing = threading.Event()
    turns = cycle(ports)
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.create_server(("127.0.0.1", 0)))

        def pipe(source: socket.socket, target: socket.socket) -> None:
            with suppress(OSError):
                while data := source.recv(65536):
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)

        def accept() -> None:
            while True:
                try:
                    near, _ = listener.accept()
                except OSError:
                    return
                far = socket.create_connection(("127.0.0.1", next(turns)))
                for one in (near, far):
                    sockets.callback(one.close)
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=pipe, args=pair, daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            closing.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def try_starting(trials: Trials, server: Faulty, cluster: Mapping[str, Any]) -> None:
    """Start the server, and check it all the while."""
    seen: list[Checked] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            checked = Checked(trials.folder, [cluster])
            if any(kind == "starting" for kind, _ in checked.found):
                seen.append(checked)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        server.start()
    finally:
        over.set()
        thread.join()
    trials.judge("a coordinator that is only starting", seen[0], "starting") if seen else trials.expect(
        "a coordinator that is only starting", cluster, "starting"
    )


def try_prestosql(trials: Trials, engine: Engine) -> None:
    """Rights, impersonation, schemes, a worker, a balancer and a short retention, over plain HTTP."""
    with ExitStack() as servers:
        server = servers.enter_context(Faulty(engine, trials.folder / "coordinator"))
        granted = {"url": server.url, "user": GRANTED}
        blind = {**granted, "user": BLIND}
        auditor = {**granted, "user": AUDITOR}
        try_starting(trials, server, granted)
        trials.expect("no queries yet: the server's own count says that none is hidden", auditor)
        trials.expect("no queries yet, nor the right to count them: that cannot be told", blind, "visibility!")
        run_queries(server, ["warm-up"] * 5 + ["alice", "bob"])
        trials.expect("the right to view queries is enough", granted)
        trials.expect("queries hidden from who may read the count", auditor, "hidden")
        checked = trials.expect("an empty list without any right", blind, "visibility!")
        trials.expect_words("and it says so honestly", checked, "cannot be told", '"user": "blind"')
        server.put_rules(with_rule("queries", file_rule(checked.lines)))
        trials.until("the very rule that it says, put first, is what was lacking", blind)
        server.put_rules(_RULES)
        trials.until("without the rule again", blind, "visibility!")
        run_queries(server, [BLIND, "alice", "bob", "alice", "bob"], 8)
        trials.expect("own queries, and ids of others between them", blind, "hidden")

        secret = trials.folder / "password"
        secret.write_text(PASSWORD)
        auth = {"password_file": str(secret), "over_plain_http": True}
        trials.expect("a password over plain HTTP", {**granted, "auth": auth}, "unauthorized")
        trials.expect(
            "https:// to a port without TLS", {**granted, "url": server.url.replace("http:", "https:")}, "scheme"
        )
        acting = {**granted, "headers": {"X-Presto-User": "alice"}}
        checked = trials.expect("a header that asks to act as another user", acting, "impersonation")
        rule = {**file_rule(checked.lines), "newUser": "alice"}
        server.put_rules(with_rule("impersonation", rule))
        trials.until("with the very rule it may, and then sees what that user may see", acting, "hidden")
        server.put_rules(_RULES)

        try_two_addresses(trials, server)
        worker = servers.enter_context(
            Faulty(
                engine,
                trials.folder / "worker",
                {
                    "coordinator": "false",
                    "discovery-server.enabled": "",
                    "node-scheduler.include-coordinator": "",
                    "discovery.uri": server.url,
                },
            )
        )
        worker.start()
        trials.expect("a worker's address", {**granted, "url": worker.url}, "worker")
        worker.stop()

        forgetful = servers.enter_context(
            Faulty(engine, trials.folder / "forgetful", {"query.min-expire-age": "6s", "query.max-history": "5"})
        )
        forgetful.start()
        forgotten = {**granted, "url": forgetful.url}
        with busy(forgetful):
            trials.until("ended queries that are kept for seconds only", forgotten, "retention!")
        with balancer([server.port, forgetful.port]) as port:
            trials.expect(
                "two coordinators behind one address", {**granted, "url": f"http://127.0.0.1:{port}"}, "gateway"
            )


def try_two_addresses(trials: Trials, server: Server) -> None:
    """Poll one coordinator under two addresses."""
    cluster = {"name": "one", "url": server.url, "user": GRANTED}
    other = {**cluster, "name": "two", "url": server.url.replace("127.0.0.1", "localhost")}
    trials.expect("one coordinator under two addresses", [cluster, other], "same_queries")


def try_trino(trials: Trials, engine: Engine) -> None:
    """TLS, the kinds of authentication, and rights."""
    folder = trials.folder
    authority = trustme.CA()
    ca = str(folder / "ca.pem")
    authority.cert_pem.write_to_path(ca)
    leaf = authority.issue_cert("127.0.0.1", "localhost")
    keystore = folder / "server.pem"
    keystore.write_bytes(leaf.private_key_pem.bytes() + b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
    key = secrets.token_bytes(32)
    (folder / "jwt.key").write_bytes(base64.b64encode(key))
    port = free_port()
    settings = {
        "http-server.https.enabled": "true",
        "http-server.https.port": str(port),
        "http-server.https.keystore.path": str(keystore),
        "http-server.https.truststore.path": ca,
        "http-server.authentication.type": "PASSWORD,JWT,CERTIFICATE",
        "http-server.authentication.jwt.key-file": str(folder / "jwt.key"),
        "http-server.authentication.certificate.user-mapping.pattern": ".*CN=([^,]*).*",
        "internal-communication.shared-secret": secrets.token_hex(32),
    }
    with Faulty(with_passwords(engine), folder / "coordinator", settings) as server:
        server.put_file("password-authenticator.properties", password_file(folder, [GRANTED, BLIND]))
        secure = f"https://127.0.0.1:{port}"
        plain = {"url": server.url, "user": GRANTED}
        good = {
            "url": secure,
            "user": GRANTED,
            "tls": {"ca_file": ca},
            "auth": password_auth(folder, "right", PASSWORD),
        }
        blind = {**good, "user": BLIND}
        server.start()
        run_with_password(server, secure, ca)
        trials.expect("TLS, password and rights as they should be", good)
        checked = trials.expect("an authority that nobody named", {**good, "tls": {}}, "certificate")
        trials.expect_words("it says who signed", checked, "trustme", "tls.ca_file")
        misnamed = {**good, "tls": {"ca_file": ca, "server_name": "presto.example"}}
        checked = trials.expect("a certificate for another name", misnamed, "certificate")
        trials.expect_words("it says for which names it is", checked, "127.0.0.1, localhost", "tls.server_name")
        trials.expect("https:// to the plain port", {**good, "url": server.url.replace("http:", "https:")}, "scheme")
        trials.expect("http:// to the TLS port", {**plain, "url": secure.replace("https:", "http:")}, "scheme")
        checked = trials.expect("no TLS where there is authentication", plain, "forbidden")
        trials.expect_words("it says how to ask", checked, "https://", "http-server.process-forwarded")
        forwarded = {**plain, "headers": {"X-Forwarded-Proto": "https"}}
        checked = trials.expect("headers of a proxy that it does not take", forwarded, "http_status")
        trials.expect_words("it says what to set", checked, "http-server.process-forwarded=true")
        nothing = {key: value for key, value in good.items() if key != "auth"}
        checked = trials.expect("no password", nothing, "unauthorized")
        trials.expect_words(
            "it says what is offered and how to use it",
            checked,
            "Basic, Bearer",
            "auth.password_file (Basic) or auth.bearer_token_file (Bearer)",
        )
        wrong = {**good, "auth": password_auth(folder, "wrong", "staple battery")}
        trials.expect("a wrong password", wrong, "unauthorized")
        token = {**good, "auth": _token(folder, "token", key, GRANTED, 3600)}
        trials.expect("a token", token)
        trials.expect(
            "a token that has expired", {**good, "auth": _token(folder, "old", key, GRANTED, -60)}, "unauthorized"
        )
        certificate = client_certificate(folder, authority, GRANTED)
        trials.expect("a certificate of ours", {**nothing, "tls": {"ca_file": ca, **certificate}})
        acting = {**good, "headers": {"X-Trino-User": "alice"}}
        trials.expect("a header that asks to act as another user", acting, "impersonation")
        checked = trials.expect("a user without the right to view queries", blind, "visibility!")
        server.put_rules(with_rule("queries", file_rule(checked.lines)))
        trials.until("the very rule that it says, put first, is what was lacking", blind)
        server.put_rules({**_RULES, "system_information": [{"user": BLIND, "allow": ["read"]}]})
        trials.until("the server's own count tells what is hidden", blind, "hidden")


def try_prestodb(trials: Trials, engine: Engine) -> None:
    """Everything is visible to everyone, over plain HTTP."""
    with Faulty(engine, trials.folder / "coordinator") as server:
        anyone = {"url": server.url, "user": "anyone"}
        server.start()
        trials.expect("no queries yet: nothing can be hidden", anyone)
        run_queries(server, ["warm-up"] * 5 + ["alice", "bob"])
        trials.expect("everything is shown to everyone", anyone)
        trials.expect(
            "https:// to a port without TLS", {**anyone, "url": server.url.replace("http:", "https:")}, "scheme"
        )
        try_two_addresses(trials, server)


def with_passwords(engine: Engine) -> Engine:
    """Return the engine with a plugin for password files beside its own: that of 476, the last one published."""
    donor = replace(ENGINES["trino-476"], name="trino-476-passwords", kept=("password-authenticators",), plugins=())
    plugin = assemble(donor) / "plugin" / "password-authenticators"
    home = assemble(engine)
    combined = replace(engine, name=f"{engine.name}-passwords")
    target = engines_home() / combined.name
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=engines_home()) as scratch:
            made = Path(scratch) / "made"
            shutil.copytree(home, made, copy_function=os.link)
            shutil.copytree(plugin, made / "plugin" / "password-authenticators", copy_function=os.link)
            (made / "recipe").unlink()
            (made / "recipe").write_text(repr(combined))
            made.rename(target)
    return combined


def password_file(folder: Path, users: Sequence[str]) -> dict[str, str]:
    """Write a file with the password of each user, and return the settings that name it."""
    lines = []
    for user in users:
        salt = secrets.token_bytes(16)
        digest = hashlib.pbkdf2_hmac("sha1", PASSWORD.encode(), salt, 1000)
        lines.append(f"{user}:1000:{salt.hex()}:{digest.hex()}\n")
    (folder / "passwords").write_text("".join(lines))
    return {"password-authenticator.name": "file", "file.password-file": str(folder / "passwords")}


def password_auth(folder: Path, name: str, secret: str) -> dict[str, str]:
    (folder / name).write_text(secret)
    return {"password_file": str(folder / name)}


def _token(folder: Path, name: str, key: bytes, user: str, seconds: float) -> dict[str, str]:
    """Write a token for this user, signed with the key, that expires in so many seconds."""

    def part(content: bytes) -> bytes:
        return base64.urlsafe_b64encode(content).rstrip(b"=")

    claims = {"sub": user, "exp": int(time.time() + seconds)}
    body = part(b'{"alg":"HS256"}') + b"." + part(json.dumps(claims).encode())
    (folder / name).write_bytes(body + b"." + part(hmac.digest(key, body, "sha256")))
    return {"bearer_token_file": str(folder / name)}


def client_certificate(folder: Path, authority: trustme.CA, user: str) -> dict[str, str]:
    leaf = authority.issue_cert(f"{user}@presto.example", common_name=user)
    leaf.cert_chain_pems[0].write_to_path(str(folder / "client.pem"))
    leaf.private_key_pem.write_to_path(str(folder / "client.key"))
    return {"cert_file": str(folder / "client.pem"), "key_file": str(folder / "client.key")}


def run_with_password(server: Server, url: str, ca: str) -> None:
    """Let two users run a query each, over TLS."""
    for user in (GRANTED, BLIND):
        deadline = time.monotonic() + PATIENCE
        reply = requests.post(
            f"{url}/v1/statement", data="SELECT 1", auth=(user, PASSWORD), verify=ca, timeout=PATIENCE
        ).json()
        while "nextUri" in reply and time.monotonic() < deadline:
            reply = requests.get(reply["nextUri"], auth=(user, PASSWORD), verify=ca, timeout=PATIENCE).json()


TRIALS: Mapping[str, Callable[[Trials, Engine], None]] = {
    "prestosql-338": try_prestosql,
    "trino-483": try_trino,
    "prestodb-0.296": try_prestodb,
}


def main(argv: Sequence[str]) -> int:
    """Try the engines; return 0 if every check passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.engines.check", description=__doc__)
    parser.add_argument("engines", nargs="*", metavar="ENGINE", help=f"{', '.join(TRIALS)}; all if none is given")
    options = parser.parse_args(argv)
    if unknown := [name for name in options.engines if name not in TRIALS]:
        parser.error(f"{unknown[0]}: no trial of it; choose from {', '.join(TRIALS)}")
    report = Report()
    for name in options.engines or TRIALS:
        report.begin(name)
        java_home(ENGINES[name].java)
        with folder_of_logs(f"check-{name}", report) as folder:
            TRIALS[name](Trials(folder, report), ENGINES[name])
    print(f"\n{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    run(main)

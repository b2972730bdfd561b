"""What the documents speak of, to try them on: a clone, a busy cluster, an exporter in front of it, files and names."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.request import urlopen

from exporter.demo.coordinator import Coordinator
from exporter.demo.server import serve
from tests.docs.documents import BLOCKS, ROOT, Block, name
from tests.docs.programs import STAND_INS, write_stand_in
from tests.docs.prometheus import Prometheus, started
from tests.engines.processes import Program, free_port
from tests.exporter_process import wait_until
from tests.web_folder import WebFolder

COPIED = ("alerts", "bench", "dashboards", "deploy", "docs", "exporter", "jmx", "tests")
USER = "anna.keller"
"""One of the demo's users."""
LEDGERS = (
    "presto-query-exporter.sqlite",
    "var/lib/presto-query-exporter/presto-query-exporter.sqlite",
    "var/lib/presto-query-exporter/ledger.sqlite",
)
SECRETS = {
    "ca_file": "ca.pem",
    "client_ca_file": "ca.pem",
    "cert_file": "client.crt",
    "key_file": "client.key",
    "password_file": "password",
    "bearer_token_file": "password",
    "client_secret_file": "password",
    "keytab_file": "password",
    "credentials_file": "password",
}
"""What a file has that a configuration names, by the key: one of those that the stage has in ``secrets``."""


class Stage:
    """A folder with a copy of the tree, a running demo, and what documents name, under names of the stage's own."""

    def __init__(
        self, folder: Path, exporter: str, coordinator: str, secure: str, prometheus: Prometheus | None
    ) -> None:
        self.folder = folder
        self.prometheus = prometheus
        self.exporter = exporter
        """Host and port, as of the coordinator."""
        self.coordinator = coordinator
        self.clone = folder / "clone"
        self._rewrites = [
            (r"(?<=https://)(\w+@)?presto\.example:8443", rf"\g<1>{secure}"),
            (r"\b(etl-coordinator|coordinator|localhost|presto\.example):8080\b", coordinator),
            (r"(?<![\w.:@/-])presto\.example\b", "localhost"),
            (r"\b(localhost|exporter|exporter\.example|127\.0\.0\.1):9483\b", exporter),
            (r"(?<![\w.:/~)}$-])/(etc|home|mnt|opt|run|srv|tmp|usr/lib|var)/", rf"{folder}/\1/"),
            (r"\bLEDGER\b", str(folder / LEDGERS[1])),
            (r"(?<=--user )NAME\b", USER),
            (r"\bFILE\b", "config.yml"),
            (r"\bFOLDER\b", str(folder)),
            (r"http://HOST:PORT\b", f"http://{exporter}"),
        ]

    def rewritten(self, text: str) -> str:
        """Return *text* with names, addresses and paths that are the stage's."""
        for pattern, replacement in self._rewrites:
            text = re.sub(pattern, replacement, text)
        return text

    def lay_out(self, configuration: str, folder: Path) -> None:
        """Write the secrets and certificates that a configuration names, if they are not there."""
        for key, path in re.findall(r"\b(\w+_file): [\"']?([^\s\"',}#]+)", configuration):
            file = folder / path
            if key in SECRETS and not file.exists() and path != "null":
                file.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(self.folder / "secrets" / SECRETS[key], file)

    def inside(self, block: Block) -> Path:
        """Return where the commands of a block are typed: in the clone, or beside the file whose comment they are."""
        return self.clone if block.document.suffix == ".md" else self.clone / Path(name(block.document)).parent

    def prepare(self, block: Block) -> None:
        """Write what the commands of a block expect to find: ledgers, and the files that documents show.

        A block that begins with a comment such as ``# config.yml`` is that file: those of the README for every
        document, and a document's own.
        """
        inside = self.inside(block)
        for document in (ROOT / "README.md", block.document):
            for shown in BLOCKS:
                named = re.match(r"# ([\w./-]+\.[a-z]+)\b", shown.text)
                if shown.document == document and named and shown.kind not in ("sh", "promql"):
                    file = inside / self.rewritten(f" {named[1]}").strip()
                    file.parent.mkdir(parents=True, exist_ok=True)
                    text = self.rewritten(shown.text)
                    self.lay_out(text, inside)
                    file.write_text(text)
        for path in [inside / LEDGERS[0], *(self.folder / path for path in LEDGERS[1:])]:
            path.parent.mkdir(parents=True, exist_ok=True)
            for old in path.parent.glob(f"{path.name}*"):
                old.unlink()
            shutil.copy(self.folder / "ledger.sqlite", path)

    def run(self, block: Block) -> subprocess.CompletedProcess[str]:
        """Run the commands of a block; the first that fails ends it."""
        self.prepare(block)
        script = "set -eo pipefail\ntrap 'echo \"exit code $?: $BASH_COMMAND\" >&2' ERR\n" + self.rewritten(block.text)
        environment = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "SSL_CERT_FILE": str(self.folder / "secrets" / "ca.pem"),
            "CURL_CA_BUNDLE": str(self.folder / "secrets" / "ca.pem"),
            "PRESTO_EXPORTER_URL": f"http://{self.exporter}",
            "PYTEST_ADDOPTS": "-p no:cacheprovider",
        }
        return subprocess.run(
            ["bash", "-c", script],
            cwd=self.inside(block),
            env=environment,
            input="y\n" * 9,  # to whoever asks whether we are sure
            capture_output=True,
            text=True,
            timeout=120,
        )


@contextlib.contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Give a stage in an empty folder; nothing of it runs on."""
    port = free_port()
    command = [sys.executable, "-u", "-m", "exporter", "demo", "--web.listen-address", f"127.0.0.1:{port}"]
    with contextlib.ExitStack() as stack:
        demo = stack.enter_context(Program("demo", command, folder / "demo.log", {"TMPDIR": str(folder)}))
        prometheus = stack.enter_context(started(folder / "prometheus", f"127.0.0.1:{port}"))
        copy(folder)
        secrets = folder / "secrets"
        secrets.mkdir()
        certificates = WebFolder(secrets)
        (secrets / "password").write_text("open sesame\n")
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificates.authority.issue_cert("localhost", "127.0.0.1").configure_cert(tls)
        secure = stack.enter_context(serve(worked_on(), tls=tls))
        wait_until(lambda: "Ctrl-C" in greeting(demo), "the demo to greet")
        found = re.search(r"http://(\S+)/v1/query", greeting(demo))
        assert found
        wait_until(partial(is_ready, f"http://127.0.0.1:{port}"), "the demo to be ready")
        fill(folder, f"demo=http://monitor@{found[1]}")
        secure_port = secure.url.rpartition(":")[2]
        yield Stage(folder, f"127.0.0.1:{port}", found[1], f"localhost:{secure_port}", prometheus)


def greeting(demo: Program) -> str:
    """Return what the demo has said; fail if it has ended."""
    demo.must_live()
    return demo.log.read_text("utf-8", "replace")


def is_ready(url: str) -> bool:
    """Return whether the exporter has asked its coordinator."""
    with contextlib.suppress(OSError), urlopen(f"{url}/-/ready", timeout=30):
        return True
    return False


def fill(folder: Path, coordinator: str) -> None:
    """Write ``ledger.sqlite`` with what a coordinator lists: the demo's own has a past that nobody counted."""
    exporter = [str(folder / "bin" / "presto-query-exporter"), "run", "--coordinator", coordinator]
    subprocess.run([*exporter, "--ledger.path", "ledger.sqlite"], cwd=folder, check=True, timeout=60)


def worked_on() -> Coordinator:
    """Return a coordinator that lists some queries of several users."""
    coordinator = Coordinator("483")
    for user in (USER, "bruno.diaz", "monitor"):
        coordinator.submit(user, "dbt", "SELECT 1")
    return coordinator


def copy(folder: Path) -> None:
    """Write into *folder* a clone, and programs that stand in for what cannot run."""
    clone = folder / "clone"
    clone.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", "images", "*.egg-info")
    for path in COPIED:
        shutil.copytree(ROOT / path, clone / path, ignore=ignored)
    for file in ROOT.iterdir():
        if file.is_file() and not file.name.startswith(".cov"):
            shutil.copy(file, clone)
    for programs in (folder / "bin", clone / ".venv" / "bin"):
        programs.mkdir(parents=True)
        for program in STAND_INS:
            write_stand_in(programs / program, program)
    (clone / "docs" / "images").mkdir()
    os.symlink(clone / "alerts" / "rules", clone / "rules")
    for system in ("etc/systemd/system", "tmp"):
        (folder / system).mkdir(parents=True)

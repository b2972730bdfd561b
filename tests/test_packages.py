"""What is shipped besides the code: the wheel's files and requirements, the image, the unit of systemd, compose."""

from __future__ import annotations

import ast
import fnmatch
import os
import re
import shutil
import ssl
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from click.testing import CliRunner
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from exporter.cli import cli
from exporter.config import load

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
DEPENDENCIES = {canonicalize_name(Requirement(line).name) for line in PROJECT["project"]["dependencies"]}
EXTRAS = {
    canonicalize_name(Requirement(line).name)
    for extra in ("oauth2", "kerberos")
    for line in PROJECT["project"]["optional-dependencies"][extra]
}
CONSTRAINTS = {
    canonicalize_name(line.partition("==")[0])
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    if "==" in line
}
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE = ROOT / "deploy" / "compose"
UNIT = ROOT / "deploy" / "systemd" / "presto-query-exporter.service"
needs = {
    tool: pytest.mark.skipif(shutil.which(tool) is None and not os.environ.get("CI"), reason=f"needs {tool}")
    for tool in ("hadolint", "promtool", "amtool", "systemd-analyze")
}


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


# wheel


def test_every_file_of_the_package_is_in_the_wheel() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["exporter"]
    for path in (ROOT / "exporter").rglob("*"):
        if path.is_dir() or "__pycache__" in path.parts:
            continue
        if path.suffix == ".py":
            assert (path.parent / "__init__.py").exists(), path
        else:
            name = path.relative_to(ROOT / "exporter").as_posix()
            assert any(fnmatch.fnmatch(name, pattern) for pattern in patterns), name


def test_what_is_imported_is_required_and_what_is_required_is_imported() -> None:
    imported = set()
    for path in (ROOT / "exporter").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").partition(".")[0])
    distributions = packages_distributions()
    foreign = imported - set(sys.stdlib_module_names) - {"exporter"}
    assert {canonicalize_name(distributions.get(name, [name])[0]) for name in foreign} == DEPENDENCIES | EXTRAS


def test_every_requirement_of_a_requirement_is_pinned() -> None:
    found, new = set[str](), {str(name) for name in DEPENDENCIES}
    while new:
        found |= new
        lines = [Requirement(line) for name in new for line in requires(name) or ()]
        needed = {line.name for line in lines if line.marker is None or line.marker.evaluate({"extra": ""})}
        new = {str(canonicalize_name(name)) for name in needed} - found
    assert found | EXTRAS <= CONSTRAINTS


# image


def test_the_image_is_made_of_what_the_context_has() -> None:
    """`.dockerignore` lets through what is copied, and nothing that is not."""
    allowed = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE))
    copied: set[str] = set()
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        copied |= {source.removeprefix("./") for source in line.split()[:-1]}
    for source in copied:
        assert (ROOT / source).exists() and any(source == one or source.startswith(f"{one}/") for one in allowed)
    for one in allowed:
        assert any(source == one or source.startswith(f"{one}/") for source in copied)


def test_the_image_is_pinned_and_runs_without_root() -> None:
    [base] = re.findall(r"^ARG PYTHON=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert re.search(r":\d+\.\d+\.\d+-slim-\w+$", base)
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"${PYTHON}"}
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
    assert "-c constraints.txt" in DOCKERFILE and "VOLUME" in DOCKERFILE and "STOPSIGNAL SIGTERM" in DOCKERFILE


@needs["hadolint"]
def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    ended = run("hadolint", ROOT / "Dockerfile")
    assert ended.returncode == 0, ended.stdout


@contextmanager
def answering(status: int, certificate: trustme.LeafCert | None = None) -> Iterator[str]:
    """Serve on loopback, and answer every question with *status*."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}/-/healthy"
        finally:
            server.shutdown()
            thread.join()


def is_healthy(url: str) -> subprocess.CompletedProcess[str]:
    environment = {"HEALTH_URL": url, "http_proxy": "http://127.0.0.1:1"}
    command = [sys.executable, str(ROOT / "deploy" / "image" / "is_healthy.py")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("status", "code"), [(200, 0), (401, 0), (429, 0), (404, 1), (500, 1), (503, 1)])
def test_the_image_is_healthy_if_the_exporter_answers(status: int, code: int) -> None:
    with answering(status) as url:
        ended = is_healthy(url)
    assert ended.returncode == code and "Traceback" not in ended.stderr
    assert (str(status) in ended.stderr) == bool(code)


def test_a_certificate_of_any_name_is_as_good() -> None:
    with answering(200, trustme.CA().issue_cert("elsewhere.example")) as url:
        assert is_healthy(url).returncode == 0


def test_no_answer_is_not_healthy() -> None:
    with answering(200) as url:
        pass
    for silent in (url, "nonsense"):
        ended = is_healthy(silent)
        assert ended.returncode == 1 and ended.stderr.startswith(silent) and "Traceback" not in ended.stderr


# systemd


def test_the_unit_runs_a_command_that_there_is() -> None:
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(UNIT)
    program, command, *flags = unit["Service"]["ExecStart"].split()
    assert Path(program).name in PROJECT["project"]["scripts"]
    assert all(flag in CliRunner().invoke(cli, [command, "--help"]).output for flag in flags[::2])
    assert unit["Service"]["DynamicUser"] == "yes" and unit["Service"]["CapabilityBoundingSet"] == ""
    assert unit["Service"]["RestartPreventExitStatus"] == "2"
    assert unit["Service"]["WorkingDirectory"] == f"%S/{unit['Service']['StateDirectory']}"


@needs["systemd-analyze"]
def test_the_unit_is_locked_up(tmp_path: Path) -> None:
    """systemd knows every directive, and calls it exposed by no more than 1.5 of 10."""
    unit = Path(shutil.copy(UNIT, tmp_path))
    ended = run("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15", unit)
    assert ended.returncode == 0, ended.stdout[-200:] + ended.stderr
    assert "Unknown" not in run("systemd-analyze", "verify", unit).stderr


# compose


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((COMPOSE / "docker-compose.yml").read_text("utf-8"))["services"]
    return found


def test_every_service_is_pinned_and_locked_up() -> None:
    for name, service in services().items():
        assert re.search(r":v?\$?\{?[\w.:-]*\d+\.\d+\.\d+\}?$", service["image"]), name
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"], name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name


def test_what_is_mounted_is_there() -> None:
    named = set(yaml.safe_load((COMPOSE / "docker-compose.yml").read_text("utf-8"))["volumes"])
    for service in services().values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in named or (COMPOSE / source).exists(), source


def test_the_demo_replaces_the_command_of_a_service_that_there_is() -> None:
    [(name, service)] = yaml.safe_load((COMPOSE / "demo.yml").read_text("utf-8"))["services"].items()
    assert name in services()
    command, *flags = service["command"]
    assert flags[0] in CliRunner().invoke(cli, [command, "--help"]).output


def test_its_configuration_is_one() -> None:
    config = load(COMPOSE / "config.yml", {"PRESTO_URL": "http://coordinator:8080", "PRESTO_USER": "monitor"})
    assert [(cluster.url, cluster.user) for cluster in config.clusters] == [("http://coordinator:8080", "monitor")]


def test_prometheus_scrapes_under_the_name_that_the_rules_go_by() -> None:
    config = yaml.safe_load((COMPOSE / "prometheus.yml").read_text("utf-8"))
    jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]}
    assert jobs["presto-query-exporter"] == ["exporter:9483"]
    rules = "".join(path.read_text("utf-8") for path in (ROOT / "alerts" / "rules").glob("*.yml"))
    assert 'job="presto-query-exporter"' in rules


@needs["promtool"]
def test_promtool_accepts_the_configuration_and_the_rules_as_they_are_mounted(tmp_path: Path) -> None:
    shutil.copy(COMPOSE / "prometheus.yml", tmp_path)
    shutil.copytree(ROOT / "alerts" / "rules", tmp_path / "rules")
    ended = run("promtool", "check", "config", tmp_path / "prometheus.yml")
    assert ended.returncode == 0 and ended.stdout.count("rules found") >= 5, ended.stderr


@needs["amtool"]
def test_amtool_accepts_the_configuration() -> None:
    ended = run("amtool", "check-config", COMPOSE / "alertmanager.yml")
    assert ended.returncode == 0, ended.stderr

"""Stand-ins for what `make test` cannot run: they look at their arguments as far as that tells whether it would work.

``python -m tests.docs.programs NAME ARGUMENT...`` stands in for the program *NAME*. Exit code 0 says that nothing is
known to be wrong; anything else comes with a reason on standard error. `STAND_INS` says of each program why it does not
run itself; what is not listed there does. What is slow to import is imported where it is needed, as most need none.
"""

from __future__ import annotations

import glob
import importlib.util
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

from tests.engines.processes import free_port

ROOT = Path(__file__).parent.parent.parent
IMAGE = "presto-query-exporter"
PATIENCE_SECONDS = 30.0


class WrongError(Exception):
    """The command would not work; says why."""


def require(is_so: object, reason: str) -> None:
    """Raise WrongError with *reason* if something is not so."""
    if not is_so:
        raise WrongError(reason)


def become(program: str, *arguments: str) -> NoReturn:
    """Run the program itself in this one's place."""
    path = shutil.which(program, path=os.environ["PATH"].partition(":")[2])  # without the stand-ins
    require(path, f"{program}: not found")
    os.execv(str(path), [program, *arguments])


def parse_ours(arguments: Sequence[str]) -> None:
    """Raise WrongError unless these are arguments of our command line; nothing is run."""
    import click

    from exporter.cli import cli

    command: click.Command = cli
    rest = list(arguments)
    context = click.Context(cli, info_name=IMAGE)
    try:
        while isinstance(command, click.Group) and rest and rest[0] not in ("--help", "-h", "--version"):
            require(rest[0] in command.commands, f"{rest[0]}: no command of {context.command_path}")
            command = command.commands[rest.pop(0)]
            context = click.Context(command, info_name=command.name, parent=context)
        command.make_context(command.name, rest, parent=context.parent)
    except click.exceptions.Exit:
        return  # --help, --version
    except click.ClickException as error:
        raise WrongError(f"{context.command_path}: {error.format_message()}") from None


def existing(*paths: str) -> None:
    """Raise WrongError unless all these files or folders are there."""
    for path in paths:
        require(Path(path).exists() or glob.glob(path), f"{path}: no such file")


def split(arguments: Sequence[str], flags: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Return the values of options by their names, and what is no option. *flags* are the options without a value."""
    options: dict[str, list[str]] = {}
    others: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return options, others + rest
        if not word.startswith("-") or word == "-":
            others.append(word)
            continue
        option, equals, value = word.partition("=")
        if not equals and option not in flags:
            require(rest, f"{option}: what value?")
            value = rest.pop(0)
        options.setdefault(option, []).append(value)
    return options, others


# What stands in


def our_exporter(arguments: Sequence[str]) -> int:
    """Run it, and what serves until it is told to stop: until it is ready."""
    if not arguments or arguments[0] not in ("run", "demo") or {"--help", "-h"} & set(arguments):
        os.execv(sys.executable, [sys.executable, "-m", "exporter", *arguments])
    port = free_port()
    given, environment = list(arguments), dict(os.environ)
    places = [index for index, word in enumerate(given) if word.partition("=")[0] == "--web.listen-address"]
    if places:
        at = places[0]
        given[at : at + (1 if "=" in given[at] else 2)] = [f"--web.listen-address=127.0.0.1:{port}"]
    else:
        environment["PRESTO_EXPORTER_WEB_LISTEN_ADDRESS"] = f"127.0.0.1:{port}"
    with tempfile.TemporaryFile() as said:
        command = [sys.executable, "-m", "exporter", *given]
        with subprocess.Popen(command, env=environment, stdout=said, stderr=said) as process:
            try:
                _wait_until_ready(process, port)
                process.send_signal(signal.SIGTERM)
                code = process.wait(PATIENCE_SECONDS)
            except WrongError:
                said.seek(0)
                sys.stderr.write(said.read().decode("utf-8", "replace"))
                raise
            finally:
                process.kill()
    return code


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    tls = ssl.create_default_context()
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=tls))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        require(process.poll() is None, f"ended with {process.returncode}")
        for scheme in ("http", "https"):
            try:
                opener.open(f"{scheme}://127.0.0.1:{port}/-/ready", timeout=5).close()
                return
            except HTTPError as error:
                error.close()
                if error.code == 401:  # it serves, and asks for a password
                    return
            except (OSError, ValueError) as error:
                if "certificate required" in str(error).lower().replace("_", " "):
                    return
        time.sleep(0.05)
    raise WrongError(f"not ready after {PATIENCE_SECONDS:.0f} s")


HEAVY = ("bench", "tests.engines", "tests.browser", "tests.dashboards")
"""Modules that need minutes, a browser or a network."""


def python(arguments: Sequence[str]) -> None:
    """Run it but for heavy modules, which must exist, and environments, which get stand-ins."""
    match arguments:
        case ["-m", "venv", *rest]:
            _, (folder,) = split(rest, ["--without-pip"])
            programs = Path(folder, "bin")
            programs.mkdir(parents=True, exist_ok=True)
            for name in ("pip", "python", "python3", IMAGE):
                write_stand_in(programs / name, name)
        case ["-m", "pip", *rest]:
            pip(rest)
        case ["-m", module, *_] if module.partition(".")[0] in HEAVY or ".".join(module.split(".")[:2]) in HEAVY:
            sys.path.insert(0, str(Path.cwd()))
            require(importlib.util.find_spec(module), f"{module}: no such module")
        case _:
            os.execv(sys.executable, [sys.executable, *arguments])


def make(arguments: Sequence[str]) -> None:
    become("make", "--dry-run", "--silent", *arguments)


def git(arguments: Sequence[str]) -> None:
    require(arguments and arguments[0] in ("clone", "diff", "log", "rev-parse", "status"), "git: what?")
    if arguments[0] == "rev-parse":
        print("0" * 40)


DOCKER_FLAGS = ("--rm", "-d", "--detach", "-i", "-t", "-it", "--read-only", "--init", "-f", "--pull", "--build", "-q")


def docker(arguments: Sequence[str]) -> None:
    match arguments:
        case ["build", *rest]:
            _, context = split(rest, ["--pull", "--no-cache", "-q"])
            require(len(context) == 1, "docker build: which context?")
            existing(*context, f"{context[0]}/Dockerfile")
        case ["run", *rest]:
            for index, word in enumerate(rest):
                before = rest[index - 1] if index else ""
                is_value = before.startswith("-") and "=" not in before and before not in DOCKER_FLAGS
                if not word.startswith("-") and not is_value:
                    if re.split("[:@]", word)[0].endswith(IMAGE):
                        parse_ours(rest[index + 1 :])
                    return
            raise WrongError("docker run: which image?")
        case ["compose", *rest]:
            options, words = split(rest, ["--build", "-d", "--detach", "--wait", "-v", "--volumes", "-q"])
            existing(*options.get("-f", ["docker-compose.yml"]))
            verbs = ("up", "down", "build", "pull", "logs", "ps", "config", "restart", "stop", "kill", "exec")
            require(words and words[0] in verbs, f"docker compose {words}: what?")
        case [verb, *_]:
            require(
                verb in ("logs", "stop", "start", "restart", "kill", "cp", "exec", "pull", "volume"), f"docker {verb}?"
            )
        case _:
            raise WrongError("docker: what?")


KUBECTL_VERBS = ("apply", "create", "delete", "get", "describe", "logs", "rollout", "port-forward", "exec", "scale")
KUBECTL_FLAGS = ("-A", "--all-namespaces", "--server-side", "-f", "--previous", "--watch", "-w", "-it", "-i")


def kubectl(arguments: Sequence[str]) -> None:
    require(set(KUBECTL_VERBS) & set(arguments), f"kubectl {' '.join(arguments)}: what?")
    if "apply" not in arguments and "create" not in arguments:
        return
    for option, value in zip(arguments, [*arguments[1:], ""], strict=True):
        if option in ("-f", "--filename", "-k", "--kustomize"):
            existing(value)
            folder = Path(value)
            for path in sorted(folder.rglob("*.y*ml")) if folder.is_dir() else [folder]:
                objects(path.read_text("utf-8"), str(path))
        if source := re.match(r"--from-file=(?:[^=]*=)?(.+)", option):
            existing(source[1])


def objects(text: str, place: str) -> None:
    """Raise WrongError unless *text* is objects of Kubernetes, as far as they are known here."""
    import yaml

    from tests.test_kubernetes import SCHEMAS, violations

    for found in yaml.safe_load_all(text):
        require(isinstance(found, dict) and "kind" in found and "apiVersion" in found, f"{place}: no object")
        wrong = list(violations(found, SCHEMAS.get(found["kind"], {}), found["kind"]))
        require(not wrong, f"{place}: {wrong}")


def helm(arguments: Sequence[str]) -> None:
    verbs = ("install", "upgrade", "template", "lint", "uninstall", "rollback", "repo", "show")
    require(arguments and arguments[0] in verbs, "helm: what?")
    options, words = split(arguments[1:], ["--install", "--create-namespace", "--wait", "--reuse-values", "--dry-run"])
    existing(*options.get("-f", []), *options.get("--values", []))
    for word in words:
        if word.startswith((".", "deploy/")):
            existing(f"{word.rstrip('/')}/Chart.yaml")


def systemctl(arguments: Sequence[str]) -> None:
    verbs = (
        "start",
        "stop",
        "restart",
        "reload",
        "enable",
        "disable",
        "status",
        "daemon-reload",
        "edit",
        "show",
        "cat",
    )
    _, words = split(arguments, ["--now", "--no-pager", "--user"])
    require(words and words[0] in verbs, f"systemctl {words}: what?")
    units(words[1:])


def journalctl(arguments: Sequence[str]) -> None:
    options, _ = split(arguments, ["-f", "--no-pager", "-e", "-b", "-r"])
    units(options.get("-u", []) + options.get("--unit", []))


def units(names: Sequence[str]) -> None:
    """Raise WrongError unless there are such units of ours."""
    for name in names:
        file = ROOT / "deploy" / "systemd" / (name if "." in name else f"{name}.service")
        require(file.exists() or ("." in name and file.stem == IMAGE), f"{name}: no unit of ours")


def pip(arguments: Sequence[str]) -> None:
    require(arguments and arguments[0] in ("install", "uninstall", "freeze", "download"), "pip: what?")
    options, words = split(arguments[1:], ["--upgrade", "-U", "--quiet", "-q", "--no-deps", "-y", "--require-hashes"])
    existing(*options.get("-r", []), *options.get("-c", []))
    for word in [*words, *options.get("-e", [])]:
        if word.startswith(".") or "/" in word:
            existing(f"{word.partition('[')[0].rstrip('/')}/pyproject.toml")


def uvx(arguments: Sequence[str]) -> None:
    options, _ = split(arguments[: arguments.index(IMAGE)] if IMAGE in arguments else arguments, [])
    for source in options.get("--from", []):
        require(source == IMAGE or Path(source, "pyproject.toml").exists(), f"{source}: no project")
    require(IMAGE in arguments, "uvx: which program?")
    parse_ours(arguments[arguments.index(IMAGE) + 1 :])


def apt(arguments: Sequence[str]) -> None:
    _, words = split(arguments, ["-y", "--no-install-recommends", "-q", "-qq"])
    require(words and words[0] in ("install", "update"), f"apt {words}: what?")


def promtool(arguments: Sequence[str]) -> None:
    if list(arguments[:2]) != ["test", "rules"]:
        become("promtool", *arguments)
    existing(*arguments[2:])


def curl(arguments: Sequence[str]) -> None:
    for word in arguments:
        host = urlsplit(word).hostname if "://" in word else None
        if host is not None and host not in ("localhost", "127.0.0.1", "::1"):
            return
    become("curl", *arguments)


def htpasswd(arguments: Sequence[str]) -> None:
    """Print a line as it would, for ``-nBC COST USER`` and, with ``b``, the password."""
    import bcrypt

    options, words = arguments[0].lstrip("-"), list(arguments[1:])
    require(set("nB") <= set(options) <= set("nBCbi"), f"htpasswd -{options}: no bcrypt on standard output")
    cost = int(words.pop(0)) if "C" in options else 5
    require(len(words) == (2 if "b" in options else 1), "htpasswd: which user?")
    secret = words[1].encode() if "b" in options else sys.stdin.readline().rstrip("\n").encode()
    print(f"{words[0]}:{bcrypt.hashpw(secret, bcrypt.gensalt(min(cost, 10))).decode()}\n")


def sudo(arguments: Sequence[str]) -> None:
    rest = list(arguments[2:]) if arguments[0] == "-u" else list(arguments)
    path = shutil.which(rest[0])
    require(path, f"{rest[0]}: not found")
    os.execv(str(path), rest)


class StandIn(NamedTuple):
    """What runs in place of a program."""

    run: Callable[[Sequence[str]], int | None]
    why: str
    """Why the program does not run itself."""


STAND_INS = {
    IMAGE: StandIn(our_exporter, "runs; what serves is told to stop once it is ready"),
    "python": StandIn(python, f"runs, but for {', '.join(HEAVY)}, which need minutes, browsers or a network"),
    "python3": StandIn(python, "the same"),
    "make": StandIn(make, "its targets take minutes, or are this very test: a dry run finds them"),
    "git": StandIn(git, "the copy of the tree has no history"),
    "docker": StandIn(docker, "no daemon: files must exist, arguments of ours must parse"),
    "kubectl": StandIn(kubectl, "no cluster: files must exist and hold objects"),
    "helm": StandIn(helm, "no cluster: charts and values must exist"),
    "systemctl": StandIn(systemctl, "no systemd to change: units must exist"),
    "journalctl": StandIn(journalctl, "the same"),
    "pip": StandIn(pip, "no network: files must exist"),
    "uvx": StandIn(uvx, "no network: arguments of ours must parse"),
    "apt-get": StandIn(apt, "no network"),
    "promtool": StandIn(promtool, "runs, but for `test rules`: tests/test_alerts.py has run that"),
    "curl": StandIn(curl, "runs, but for addresses elsewhere"),
    "htpasswd": StandIn(htpasswd, "often not installed, and asks at a terminal"),
    "sudo": StandIn(sudo, "nothing here needs it"),
}


def write_stand_in(path: Path, name: str) -> None:
    """Write a program that is the stand-in for *name*."""
    path.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -P -m tests.docs.programs {name} "$@"\n')
    path.chmod(0o755)


def main(arguments: Sequence[str]) -> int:
    """Run a stand-in and return its exit code."""
    os.environ.pop("PYTHONPATH", None)
    name, *rest = arguments
    try:
        return STAND_INS[name].run(rest) or 0
    except WrongError as error:
        sys.stderr.write(f"{error}\n")
        return 64


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

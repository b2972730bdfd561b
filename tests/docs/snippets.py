"""What tries a snippet of configuration, by its kind and what is in it.

`tried` returns the name of what took a block, and raises if the block is wrong. A block that nothing takes gets None:
it has to get something that tries it, or to be marked as ``text``.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.app import check_files
from exporter.check.rights import impersonation_rule, view_rule
from exporter.config import Config, load
from exporter.dialect import PRESTOSQL
from exporter.expose.access import AccessFile
from exporter.expose.web_config import WebConfig
from exporter.fingerprint.fingerprint import Fingerprinter
from tests.docs.documents import ROOT, Block
from tests.docs.programs import objects
from tests.docs.settings import AGENT, BEANS, CHART, SETTINGS
from tests.docs.stage import Stage

PROMETHEUS = {
    "global",
    "rule_files",
    "scrape_configs",
    "alerting",
    "remote_write",
    "remote_read",
    "scrape_config_files",
}
ALERTMANAGER = {"route", "receivers", "inhibit_rules", "templates", "time_intervals"}
DISCOVERY_ROLES = {"node", "service", "pod", "endpoints", "endpointslice", "ingress"}


def tool(name: str) -> str:
    """Return the path of a program; where it is not installed the test is skipped, but not in CI."""
    path = shutil.which(name)
    if path is None:
        assert not os.environ.get("CI"), f"{name}: not found; install it"
        pytest.skip(f"{name} is not installed")
    return path


def accepts(folder: Path, *command: str) -> None:
    """Fail unless a command ends well in *folder*."""
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


# YAML


def our_configuration(text: str, stage: Stage) -> None:
    """Read it as the exporter does; where it is only some sections, together with a cluster."""
    text = stage.rewritten(text)
    if "clusters" not in yaml.safe_load(text):
        text += "\nclusters: [{url: 'http://localhost:8080'}]\n"
    with contextlib.chdir(stage.clone):
        stage.lay_out(text, stage.clone)
        Path("snippet.yml").write_text(text)
        check_files(load("snippet.yml", {"PRESTO_URL": "http://localhost:8080", "CREDENTIALS_DIRECTORY": "."}))


def our_web_configuration(text: str, stage: Stage) -> None:
    folder = stage.folder / "secrets"
    text = stage.rewritten(text)
    for file, copied in (("server.crt", "client.crt"), ("server.key", "client.key"), ("ca.crt", "ca.pem")):
        if not (folder / file).exists():
            shutil.copy(folder / copied, folder / file)
    stage.lay_out(text, folder)
    (folder / "web.yml").write_text(text)
    assert AccessFile(folder / "web.yml").current().notes == []


def prometheus(text: str, stage: Stage) -> None:
    """Have promtool check it, with the files that it names.

    Debian's 2.42 is built without the discovery of Kubernetes; what is said of that is looked at here.
    """
    found = yaml.safe_load(stage.rewritten(text))
    for scrape in found.get("scrape_configs", []):
        for discovery in scrape.pop("kubernetes_sd_configs", []):
            assert discovery["role"] in DISCOVERY_ROLES, discovery
            assert set(discovery) <= {"role", "namespaces", "selectors"}, discovery
    checked = yaml.safe_dump(found)
    folder = stage.clone
    stage.lay_out(checked, folder)
    (folder / "snippet.yml").write_text(checked)
    for pattern in found.get("rule_files", []):
        assert list(folder.glob(pattern)), f"{pattern}: no such rules"
    accepts(folder, tool("promtool"), "check", "config", "snippet.yml")


def scrape_configurations(text: str, stage: Stage) -> None:
    """What stands in a list under ``scrape_configs``."""
    prometheus(yaml.safe_dump({"scrape_configs": yaml.safe_load(text)}), stage)


def rules(text: str, stage: Stage) -> None:
    (stage.folder / "snippet.rules.yml").write_text(text)
    accepts(stage.folder, tool("promtool"), "check", "rules", "--lint=all", "--lint-fatal", "snippet.rules.yml")


def one_rule(text: str, stage: Stage) -> None:
    """What stands in a list under ``rules``."""
    rules(yaml.safe_dump({"groups": [{"name": "snippet", "rules": yaml.safe_load(text)}]}), stage)


def alertmanager(text: str, stage: Stage) -> None:
    found = yaml.safe_load(text)
    found.setdefault("route", {"receiver": "page"})
    found.setdefault("receivers", [{"name": "page"}])
    (stage.folder / "snippet.alertmanager.yml").write_text(yaml.safe_dump(found))
    accepts(stage.folder, tool("amtool"), "check-config", "snippet.alertmanager.yml")


def kubernetes(text: str, stage: Stage) -> None:
    objects(text, "snippet")


def compose(text: str, stage: Stage) -> None:
    """Services are those of the compose file, or name a pinned image; what is mounted from the project exists."""
    found = yaml.safe_load(text)
    folder = ROOT / "deploy" / "compose"
    known = yaml.safe_load((folder / "docker-compose.yml").read_text("utf-8"))["services"]
    for name, service in found["services"].items():
        assert name in known or re.search(r":v?\d[\w.]*$|:\$\{", service["image"]), name
        for volume in service.get("volumes", []):
            source = str(volume).partition(":")[0]
            assert not source.startswith("../") or (folder / source).exists(), source


def chart_of_trino(text: str, stage: Stage) -> None:
    """Keys are the chart's; the agent that is loaded is mounted, configured and has its port."""
    for role in yaml.safe_load(text).values():
        assert set(role) <= CHART, set(role) - CHART
        for line in role.get("additionalJVMConfig", []):
            jar, port, file = agent(line)
            assert any(jar.startswith(f"{mount['mountPath']}/") for mount in role["additionalVolumeMounts"])
            assert file.removeprefix("/etc/trino/") in role["additionalConfigFiles"]
            assert port in {each["port"] for each in role["additionalExposedPorts"].values()}
        volumes = {volume["name"] for volume in role.get("additionalVolumes", [])}
        assert volumes == {mount["name"] for mount in role.get("additionalVolumeMounts", [])}


def configuration_of_the_agent(text: str, stage: Stage) -> None:
    def known(value: Any, keys: Mapping[str, Any], place: str = "") -> None:
        for key, below in value.items():
            assert key in keys, f"{place}{key}: the agent has no such key"
            if isinstance(keys[key], dict):
                known(below, keys[key], f"{place}{key}.")

    known(yaml.safe_load(text), AGENT)


def agent(line: str) -> tuple[str, int, str]:
    """Return jar, port and configuration of a ``-javaagent`` line; fail if it is none."""
    match = re.fullmatch(r"-javaagent:(/\S+\.jar)=(?:[\w.:\[\]]+:)?(\d+):(/\S+\.yml)", line)
    assert match, line
    versions = set(re.findall(r"jmx_prometheus_javaagent-([\d.]+)\.jar", match[1]))
    assert versions == {"1.0.1"}, "the release that the tests know"
    assert (ROOT / "jmx" / Path(match[3]).name).exists(), f"{match[3]}: no configuration of ours has this name"
    return match[1], int(match[2]), match[3]


def keys(value: Any) -> set[str]:
    return set(value) if isinstance(value, dict) else set()


def items(value: Any) -> set[str]:
    """Return the keys of all mappings in a list."""
    return {key for item in value for key in item} if isinstance(value, list) and value and keys(value[0]) else set()


Try = Callable[[str, Stage], None]


def only(*names: str) -> Callable[[Any], bool]:
    """Return a condition: a mapping with no other keys than these."""
    return lambda found: bool(keys(found)) and keys(found) <= set(names)


YAML: list[tuple[Callable[[Any], object], Try]] = [
    (lambda found: {"apiVersion", "kind"} <= keys(found), kubernetes),
    (only(*Config.model_fields), our_configuration),
    (only(*WebConfig.model_fields), our_web_configuration),
    (only(*PROMETHEUS), prometheus),
    (only(*ALERTMANAGER), alertmanager),
    (only("groups"), rules),
    (lambda found: "services" in keys(found), compose),
    (only("coordinator", "worker"), chart_of_trino),
    (only(*AGENT), configuration_of_the_agent),
    (lambda found: "job_name" in items(found), scrape_configurations),
    (lambda found: items(found) & {"alert", "record"}, one_rule),
]
"""Who tries YAML: the first whose condition holds for what is in it."""


def try_yaml(block: Block, stage: Stage) -> str | None:
    first = next(iter(yaml.safe_load_all(block.text)))
    for condition, executor in YAML:
        if condition(first):
            executor(block.text, stage)
            return executor.__name__
    return None


# JSON


def rule(text: str) -> Any:
    """Return the rule in the lines that `check` prints."""
    return json.loads(next(line for line in text.splitlines() if line.startswith("{")))


def try_json(block: Block, stage: Stage) -> str | None:
    found = json.loads(block.text)
    return try_access_rules(found) or try_fingerprint(found)


def try_access_rules(found: Any) -> str | None:
    """Our rights are the very rules that `check` prints; the right to Trino's metrics is to read."""
    sections: dict[str, Callable[[dict[str, Any]], object]] = {
        "queries": lambda one: rule(view_rule(PRESTOSQL, "350", one["user"])),
        "impersonation": lambda one: rule(impersonation_rule(one["originalUser"])) | {"newUser": one["newUser"]},
        "system_information": lambda one: {"user": one["user"], "allow": ["read"]},
    }
    if not keys(found) or not keys(found) <= set(sections):
        return None
    for section, rules_of_it in found.items():
        assert rules_of_it[0] == sections[section](rules_of_it[0])
        assert all("allow" in one or section == "impersonation" for one in rules_of_it)
    return "access rules"


def try_fingerprint(found: Any) -> str | None:
    """An answer of `fingerprint --jsonl`: its template has its id."""
    if not {"id", "template"} <= keys(found):
        return None
    assert Fingerprinter().of(found["template"]).id == found["id"]
    return "fingerprint"


# The rest


def try_properties(block: Block, stage: Stage) -> str:
    """Settings of servers are known ones, and beans that they name are beans of which rules read."""
    for line in block.text.splitlines():
        if not line or line.startswith("#"):
            continue
        key, _, value = line.partition("=")
        assert key in SETTINGS, f"{key}: no setting that is known; if it exists, add it to SETTINGS"
        if key == "openmetrics.jmx-object-names":
            assert set(value.split("|")) <= BEANS, value
    return "properties"


def try_jvm_options(text: str) -> None:
    """Each line is one that the JVM takes for an agent of ours."""
    for line in text.splitlines():
        agent(line)


def try_unit(block: Block, stage: Stage) -> str:
    """systemd knows every directive; what begins with a comment such as ``# NAME.socket`` has that name."""
    analyze = tool("systemd-analyze")
    named = re.search(r"#.*?\b([\w@-]+\.(?:service|socket|timer))\b", block.text)
    folder = stage.folder / "units"
    folder.mkdir(exist_ok=True)
    service = folder / "presto-query-exporter.service"
    parsed = ConfigParser(strict=False, interpolation=None)
    parsed.read_string(block.text)
    # The program and the documentation are where they are installed, not here.
    text = (ROOT / "deploy" / "systemd" / service.name).read_text("utf-8")
    service.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE))
    if named is None or named[1].endswith(".service"):
        overrides = folder / f"{service.name}.d"
        overrides.mkdir(exist_ok=True)
        (overrides / "override.conf").write_text(block.text)
        units = [service]
    else:
        (folder / named[1]).write_text(block.text)
        units = [folder / named[1]]
    ended = subprocess.run(
        [analyze, "verify", "--man=no", *units], capture_output=True, text=True, timeout=60, check=False
    )
    about_us = [line for line in ended.stderr.splitlines() if line.startswith((str(folder), "presto-query-exporter"))]
    assert about_us == [], about_us
    return "unit"


def try_jsonnet(block: Block, stage: Stage) -> str:
    jsonnet = pytest.importorskip("_gojsonnet", reason="gojsonnet is not installed")

    def read(folder: str, name: str) -> tuple[str, bytes]:
        path = next(path for path in (Path(folder, name), ROOT / name, ROOT / Path(name).name) if path.exists())
        return str(path), path.read_bytes()

    jsonnet.evaluate_snippet("snippet", block.text, import_callback=read, jpathdir=[str(ROOT)])
    return "jsonnet"


KINDS: dict[str, Callable[[Block, Stage], str | None]] = {
    "yaml": try_yaml,
    "json": try_json,
    "properties": try_properties,
    "ini": try_unit,
    "jsonnet": try_jsonnet,
}


def tried(block: Block, stage: Stage) -> str | None:
    """Return what tried the block, None if there is nothing for it."""
    attempt = KINDS.get(block.kind)
    return attempt(block, stage) if attempt else None

"""Every fenced block of the documents is tried by something."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec

import pytest

from tests.docs.documents import BLOCKS, ROOT, SPANS, Block
from tests.docs.snippets import tried, try_jvm_options
from tests.docs.stage import Stage

ELSEWHERE = {"sh": "test_commands.py", "promql": "test_queries.py"}
"""Kinds of blocks that another file tries."""
SNIPPETS = [block for block in BLOCKS if block.kind not in (*ELSEWHERE, "text")]


@pytest.mark.parametrize("block", SNIPPETS, ids=lambda block: block.place)
def test_a_snippet_is_right(block: Block, tried_on: Stage) -> None:
    if "kerberos:" in block.text and find_spec("gssapi") is None:
        assert not os.environ.get("CI"), "gssapi: not installed; install the extra kerberos"
        pytest.skip("the extra kerberos is not installed")
    assert tried(block, tried_on), f"{block.place}: nothing tries a block of kind {block.kind!r} like this"


def test_text_that_is_an_option_of_a_jvm_is_right() -> None:
    options = [block.text for block in BLOCKS if block.kind == "text" and block.text.startswith("-")]
    assert options
    for text in options:
        try_jvm_options(text)


def test_json_in_the_text_is_right(tried_on: Stage) -> None:
    found = [span for span in SPANS if re.fullmatch(r'\{".+\}', span.text)]
    assert found
    for span in found:
        assert tried(Block(span.document, span.line, "json", span.text), tried_on), span.place


def wrong(kind: str, text: str) -> Block:
    return Block(ROOT / "README.md", 1, kind, text)


@pytest.mark.parametrize(
    ("kind", "text", "problem"),
    [
        ("yaml", "clusters: [{url: 'http://a:1', usr: monitor}]", "usr"),
        ("yaml", "log: {level: loud}", "log.level"),
        ("yaml", "basic_auth_users: {prometheus: secret}", "basic_auth_users"),
        ("yaml", "scrape_configs: [{job_name: a, scrap_interval: 15s}]", "scrap_interval"),
        ("yaml", "scrape_configs: [{job_name: a, kubernetes_sd_configs: [{role: pots}]}]", "pots"),
        ("yaml", "rule_files: [alerts/nothing/*.yml]", "no such rules"),
        ("yaml", "- {job_name: a, static_config: []}", "static_config"),
        ("yaml", "groups: [{name: a, rules: [{record: 'a:b', expr: 'sum(presto_up'}]}]", "unclosed"),
        ("yaml", "- {alert: A, expr: 'presto_up =='}", "unexpected end"),
        ("yaml", "route: {receiver: nobody}", "nobody"),
        ("yaml", "{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor, spec: {selector: {}, port: 1}}", "port"),
        ("yaml", "services: {exporter: {volumes: ['../../alerts/rule:/rules']}}", "alerts/rule"),
        ("yaml", "coordinator: {additionalJvmConfig: []}", "additionalJvmConfig"),
        ("yaml", "httpServer: {authentication: {basic: {user: a}}}", "basic.user"),
        ("json", '{"queries": [{"user": "monitor", "allow": ["execute"]}]}', "execute"),
        ("json", '{"system_information": [{"user": "prometheus", "allow": ["write"]}]}', "write"),
        ("json", '{"id": "0123456789abcdef", "template": "SELECT 1"}', "0123456789abcdef"),
        ("properties", "query.max-histroy=100", "query.max-histroy"),
        ("properties", "openmetrics.jmx-object-names=java.lang:type=Threading", "Threading"),
        ("ini", "# presto-query-exporter.socket\n[Socket]\nListenStrem=9483\n", "ListenStrem"),
        ("ini", "[Service]\nMemoryMaxx=1G\n", "MemoryMaxx"),
        ("jsonnet", "(import 'mixin.libsonnet').prometheusAlert", "prometheusAlert"),
    ],
)
def test_a_snippet_that_is_wrong_is_noticed(kind: str, text: str, problem: str, tried_on: Stage) -> None:
    with pytest.raises(Exception, match=problem):
        tried(wrong(kind, text), tried_on)


@pytest.mark.parametrize(("kind", "text"), [("", "a picture"), ("toml", "a = 1"), ("yaml", "a: 1"), ("json", "[1]")])
def test_a_snippet_that_nothing_tries_is_noticed(kind: str, text: str, tried_on: Stage) -> None:
    assert tried(wrong(kind, text), tried_on) is None

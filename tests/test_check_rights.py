"""The rules are for this user and nobody else, and files of rules take them as they are."""

from __future__ import annotations

import json
import re

import pytest

from exporter.check.rights import impersonation_rule, retention_settings, role_rule, view_rule
from exporter.dialect import PRESTOSQL, TRINO

NAMES = ["monitor", "presto.exporter", "a+b@example.com", "(x)|y", 'o\'neil "x"', "zoë", "back\\slash", "[a]{2}^$*?"]


def rules(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("name", NAMES)
def test_the_pattern_of_a_rule_matches_the_name_and_no_other(name: str) -> None:
    rule = rules(view_rule(TRINO, "483", name))[0]
    assert rule["allow"] == ["view"]
    matches = re.compile(str(rule["user"])).fullmatch
    assert matches(name) and not matches(f"{name}x") and not matches(name.replace(".", "-", 1) + "-")
    acting = rules(impersonation_rule(name))[0]
    assert re.fullmatch(str(acting["originalUser"]), name)


@pytest.mark.parametrize("name", NAMES)
def test_a_role_is_given_in_a_file_of_properties(name: str) -> None:
    key, _, escaped = role_rule(name).splitlines()[-1].partition("=")
    pattern = escaped.replace("\\\\", "\\")  # as Java reads a value in such a file
    assert key == "user" and re.fullmatch(pattern, name)


@pytest.mark.parametrize(
    ("dialect", "version", "opa", "ranger"),
    [
        (PRESTOSQL, "338", False, False),
        (TRINO, "437", False, True),
        (TRINO, "438", True, True),
        (TRINO, "476-e.3", True, True),
        (TRINO, "", True, True),
        (None, "", True, True),
    ],
)
def test_only_access_controls_that_the_release_has_are_named(
    dialect: object, version: str, opa: bool, ranger: bool
) -> None:
    text = view_rule(dialect, version, "monitor")  # type: ignore[arg-type]
    assert ("FilterViewQueryOwnedBy" in text, "Ranger" in text) == (opa, ranger)
    assert "security.refresh-period" in text


def test_a_name_that_is_not_known_is_to_be_filled_in() -> None:
    for text in (view_rule(TRINO, "483", None), impersonation_rule(None)):
        assert text.startswith("USER is whom the coordinator takes us for")
        assert '"USER"' in text


def test_a_name_in_a_policy_is_one_string() -> None:
    line = next(line for line in view_rule(TRINO, "483", 'a" or true #').splitlines() if "identity" in line)
    assert json.loads(line.partition("== ")[2]) == 'a" or true #'


def test_retention_is_two_settings() -> None:
    assert retention_settings().splitlines()[1:] == ["query.min-expire-age=15m", "query.max-history=100"]

"""The very rules that let the exporter's user see what others run, in the words of each access control.

Sources: PrestoSQL's and Trino's file-based access control (in `queries` the first match wins, and what matches none is
denied), the operations that Trino asks Open Policy Agent about, what its Ranger plugin takes for the right to see, and
PrestoDB's roles.
"""

from __future__ import annotations

import json
import re

from exporter.dialect import PRESTOSQL, Dialect

_FIRST_WITH_OPA = 438
_NAMELESS = "USER"
_WHO = "USER is whom the coordinator takes us for, by our token, certificate or header."
_FILE = 'File-based access control: first in the list "{}" of the file that security.config-file names\n'
_FILE += "(it is read again every security.refresh-period; if that is not set, at the next start),"


def view_rule(dialect: Dialect | None, version: str, user: str | None) -> str:
    """Return the lines to add so that *user* may view everybody's queries; None: the name is to be filled in."""
    name = _quoted(user or _NAMELESS)
    lines = [] if user else [_WHO]
    lines += [_FILE.format("queries"), _rule(user=_pattern(user), allow=["view"])]
    if dialect is PRESTOSQL:
        return "\n".join(lines)
    if _release(version) >= _FIRST_WITH_OPA:
        lines += [
            "Open Policy Agent: in the policy that opa.policy.uri names (and opa.policy.batched-uri, if set),",
            "allow if {",
            f"    input.context.identity.user == {name}",
            '    input.action.operation in {"ViewQueryOwnedBy", "FilterViewQueryOwnedBy"}',
            "}",
        ]
    lines += [f"Ranger, which has no smaller right: trinouser=*, permission impersonate, for the user {name}"]
    return "\n".join(lines)


def impersonation_rule(user: str | None) -> str:
    """Return the lines to add so that *user* may act as another, whose name is to be filled in."""
    lines = [] if user else [_WHO]
    # Trino came to spell them original_user and new_user; it still takes what PrestoSQL took alone.
    lines += [_FILE.format("impersonation"), _rule(originalUser=_pattern(user), newUser="OTHER")]
    return "\n".join(lines)


def role_rule(user: str | None) -> str:
    """Return the lines to add so that PrestoDB lets *user* ask at all, where it authorizes by roles."""
    place = (
        "In the file that configuration-based-authorizer.role-regex-map.file-path names, the role user has to match,"
    )
    pattern = _pattern(user).replace("\\", "\\\\")  # a file of properties
    return f"{place}\nuser={pattern}"


def retention_settings() -> str:
    """Return the settings of a coordinator that keep ended queries listed for a quarter of an hour."""
    return (
        "In etc/config.properties of the coordinator, such as the defaults\n"
        "query.min-expire-age=15m\n"
        "query.max-history=100"
    )


def _pattern(user: str | None) -> str:
    """Return the regular expression, in Java's spelling, that matches this name and no other."""
    return re.sub(r"([\\.\[\]{}()*+?^$|])", r"\\\1", user or _NAMELESS)


def _rule(**fields: object) -> str:
    return json.dumps(fields, ensure_ascii=False)


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _release(version: str) -> int:
    """Return the number of a Trino release; a build without one is taken for a new one."""
    match = re.match(r"[0-9]{1,9}", version)
    return int(match[0]) if match else 10**6

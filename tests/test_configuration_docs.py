"""What is written about the configuration is what the models say: the examples, docs/configuration.md and the schema.

UPDATE=1 rewrites the page's tables and the schema.
"""

from __future__ import annotations

import json
import os
import re
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import pytest
import yaml
from pydantic import BaseModel

from exporter.config import (
    FLAGS,
    Config,
    Count,
    Days,
    Delay,
    ExistingFile,
    Interval,
    ListenAddress,
    Positive,
    SecretText,
    Size,
    Switch,
)
from exporter.expose.access import AccessFile
from exporter.expose.web_config import WebConfig
from tests.web_folder import WebFolder

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "configuration.md"
EXAMPLES: Mapping[str, type[BaseModel]] = {"config.example.yml": Config, "web-config.example.yml": WebConfig}
SCHEMAS = {name: ROOT / "docs" / name.replace("example.yml", "schema.json") for name in EXAMPLES}
Schema = dict[str, Any]

_DURATION = r"^([0-9]+(\.[0-9]+)?(d|h|m|s|ms)?)+$"
_SIZE = r"^[0-9]+(\.[0-9]+)?([kKMGT]i?)?B?$"
_FROM_ENVIRONMENT = r"\$\{"


def _text_or(kind: str, pattern: str = "(?!)", **bounds: int) -> Schema:
    return {"anyOf": [{"type": kind, **bounds}, {"type": "string", "pattern": f"{pattern}|{_FROM_ENVIRONMENT}"}]}


KINDS: list[tuple[object, str, Schema]] = [
    (Interval, "duration, 1ms to 1d", _text_or("number", _DURATION)),
    (Delay, "duration, 0s to 1d", _text_or("number", _DURATION)),
    (Days, "duration, 0s to 400d", _text_or("number", _DURATION)),
    (Size, "size, 1B to 1TiB", _text_or("number", _SIZE)),
    (Count, "number, 0 to 1000000", _text_or("integer", minimum=0, maximum=10**6)),
    (Positive, "number, 1 to 1000000", _text_or("integer", minimum=1, maximum=10**6)),
    (Switch, "true or false", _text_or("boolean")),
    (ExistingFile, "file", {"type": "string"}),
    (ListenAddress, "address", {"type": "string", "pattern": rf":[0-9]+$|^unix:/|{_FROM_ENVIRONMENT}"}),
    (Path, "file", {"type": "string"}),
    (SecretText, "secret", {"type": ["string", "number", "boolean"]}),
    (str, "text", {"type": ["string", "number", "boolean"]}),
]
"""What a value is, in words and as YAML has it."""


class Key(NamedTuple):
    """One key of a file."""

    name: str
    kind: str
    default: str
    meaning: str


def kind_of(hint: object) -> tuple[str, Schema]:
    """Return what a value of type *hint* is, in words and as a schema."""
    for known, words, schema in KINDS:
        if hint == known:
            return words, schema
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return kind_of(next(each for each in arguments if each is not type(None)))
    if origin is Literal:
        choices: Schema = {"anyOf": [{"enum": list(arguments)}, {"type": "string", "pattern": _FROM_ENVIRONMENT}]}
        return ", ".join(arguments), choices
    if origin is tuple:
        words, schema = kind_of(arguments[0])
        return f"list of {words}", {"type": "array", "items": schema}
    if origin is dict:
        words, schema = kind_of(arguments[1])
        return f"{words} by name", {"type": "object", "additionalProperties": schema}
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return "section", {}
    return kind_of(arguments[0])  # Annotated


def section_of(hint: object) -> tuple[type[BaseModel], str] | None:
    """Return the model whose keys a value of type *hint* has, and what follows its name; None if it has none."""
    for each in (hint, *get_args(hint)):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each, "[]" if get_origin(hint) is tuple else ""
    return section_of(get_args(hint)[0]) if get_args(hint) else None


def written(node: yaml.Node, lines: list[str], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield of each key in an example its dotted name, its value as it is written, and the comment beside it."""
    if isinstance(node, yaml.SequenceNode) and node.value and isinstance(node.value[0], yaml.MappingNode):
        yield from written(node.value[0], lines, f"{prefix.removesuffix('.')}[].")
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            line = lines[key.start_mark.line]
            comment = re.search(r"\s#\s*(.*)$", line)
            text = " ".join(lines[value.start_mark.line : value.end_mark.line + 1])
            text = line[value.start_mark.column : value.end_mark.column] if text == line else ""
            is_inline = isinstance(value, yaml.MappingNode) and value.value and value.flow_style
            yield prefix + key.value, "" if is_inline else text, comment[1] if comment and not is_inline else ""
            yield from written(value, lines, f"{prefix}{key.value}.")


def example(name: str) -> dict[str, tuple[str, str]]:
    """Return value and comment of each key in an example, by its dotted name."""
    text = (ROOT / name).read_text("utf-8")
    root = yaml.compose(text, yaml.BaseLoader)
    assert root is not None
    return {key: (value, comment) for key, value, comment in written(root, text.splitlines())}


def default_of(model: type[BaseModel], name: str, spelled: str) -> str:
    """Return how the default of a key is written: as in the example, where that has it."""
    field = model.model_fields[name]
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return ""
    if value is None or isinstance(value, bool | str):
        return value if isinstance(value, str) else json.dumps(value)
    return (
        f"[{', '.join(value)}]" if isinstance(value, tuple) and all(isinstance(one, str) for one in value) else spelled
    )


def keys(model: type[BaseModel], comments: Mapping[str, tuple[str, str]], prefix: str = "") -> Iterator[Key]:
    """Yield every key of *model* and below."""
    for name, hint in get_type_hints(model, include_extras=True).items():
        if name not in model.model_fields:
            continue
        dotted = prefix + name
        spelled, meaning = comments[dotted]
        below = section_of(hint)
        yield Key(dotted, "" if below else kind_of(hint)[0], default_of(model, name, spelled), meaning)
        if below:
            yield from keys(below[0], comments, f"{dotted}{below[1]}.")


def table(name: str) -> str:
    """Return the table of an example's keys."""
    flags = {".".join(place): flag for flag, place in FLAGS.items()}
    lines = ["| key | value | default | |", "|---|---|---|---|"]
    for key in keys(EXAMPLES[name], example(name)):
        if not key.kind and not key.meaning:
            continue
        flag = f" (`--{flags[key.name]}`)" if key.name in flags and name == "config.example.yml" else ""
        default = f"`{key.default}`" if key.default and key.default != "required" else key.default
        meaning = re.sub(r'(?<![\w/])(\w+_\w+|https?://|"")(?!\w)', r"`\1`", key.meaning)
        lines.append(f"| `{key.name}`{flag} | {key.kind} | {default} | {meaning} |")
    return "\n".join(lines)


def page() -> str:
    """Return docs/configuration.md with the tables as the models have them."""
    text = PAGE.read_text("utf-8")
    for name in EXAMPLES:
        begin = f"<!-- keys of {name}, written by make update -->\n"
        before, _, rest = text.partition(begin)
        _, end, after = rest.partition("<!-- end -->")
        text = f"{before}{begin}\n{table(name)}\n\n{end}{after}"
    return text


def schema(model: type[BaseModel], comments: Mapping[str, tuple[str, str]], prefix: str = "") -> Schema:
    """Return the JSON Schema of a mapping in YAML."""
    properties: Schema = {}
    for name, hint in get_type_hints(model, include_extras=True).items():
        if name not in model.model_fields:
            continue
        dotted = prefix + name
        below = section_of(hint)
        if below:
            found = schema(below[0], comments, f"{dotted}{below[1]}.")
            found = {"type": "array", "items": found, "minItems": 1} if below[1] else found
        else:
            found = kind_of(hint)[1]
        described: Schema = {"description": comments[dotted][1]} if comments[dotted][1] else {}
        is_required = model.model_fields[name].is_required()
        properties[name] = {**described, **(found if is_required else {"anyOf": [found, {"type": "null"}]})}
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    more: Schema = {"required": required} if required else {}
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}


def whole_schema(name: str = "config.example.yml") -> Schema:
    """Return the JSON Schema of the files that an example is one of."""
    title = f"presto-query-exporter: {name.replace('.example', '')}"
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": title,
        **schema(EXAMPLES[name], example(name)),
    }


def test_the_page_is_what_the_models_and_the_examples_say() -> None:
    if os.environ.get("UPDATE"):
        PAGE.write_text(page(), "utf-8")
    assert PAGE.read_text("utf-8") == page()


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_is_what_the_models_and_the_example_say(name: str) -> None:
    text = json.dumps(whole_schema(name), indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE"):
        SCHEMAS[name].write_text(text, "utf-8")
    assert SCHEMAS[name].read_text("utf-8") == text


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_key_is_explained(name: str) -> None:
    assert [key.name for key in keys(EXAMPLES[name], example(name)) if key.kind and not key.meaning] == []


def test_the_example_of_a_web_configuration_is_one_with_every_key(tmp_path: Path) -> None:
    folder = WebFolder(tmp_path)
    (tmp_path / "ca.pem").rename(tmp_path / "ca.crt")
    path = folder.write((ROOT / "web-config.example.yml").read_text("utf-8"))
    assert AccessFile(path).current().notes == []
    names = {key.name for key in keys(WebConfig, example("web-config.example.yml"))}
    free = ("basic_auth_users.", "http_server_config.headers.")
    assert names == {name for name in example("web-config.example.yml") if not name.startswith(free)}


def errors(schema: Schema, value: object, place: str = "") -> Iterator[str]:
    """Yield where *value* is not as *schema* has it: as much of JSON Schema as ours uses."""
    if "anyOf" in schema and all(list(errors(each, value)) for each in schema["anyOf"]):
        yield from min((list(errors(each, value, place)) for each in schema["anyOf"]), key=lambda found: -len(found[0]))
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place}: enum"
    is_of = {
        "object": isinstance(value, dict),
        "array": isinstance(value, list),
        "string": isinstance(value, str),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "boolean": isinstance(value, bool),
        "null": value is None,
    }
    allowed = schema.get("type", list(is_of))
    if not any(is_of[each] for each in ([allowed] if isinstance(allowed, str) else allowed)):
        yield f"{place}: type"
        return
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{place}: pattern"
    if isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{place}: range"
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield f"{place}: minItems"
        for item in value:
            yield from errors(schema.get("items", {}), item, f"{place}[]")
    if isinstance(value, dict):
        yield from (f"{place}.{name}: required" for name in schema.get("required", ()) if name not in value)
        for name, below in value.items():
            known = schema.get("properties", {})
            more = schema.get("additionalProperties", {})
            if name not in known and more is False:
                yield f"{place}.{name}: unknown"
            yield from errors(known.get(name, more or {}), below, f"{place}.{name}")


GOOD = [ROOT / "config.example.yml", *sorted((ROOT / "tests" / "data" / "config").glob("good-*.yml"))]


def test_the_schema_of_the_web_configuration_takes_the_example_and_no_key_beside() -> None:
    name = "web-config.example.yml"
    good = yaml.safe_load((ROOT / name).read_text("utf-8"))
    assert list(errors(whole_schema(name), good)) == []
    for section in ({}, {"tls_server_config": good["tls_server_config"]}, {"basic_auth_users": None}):
        assert list(errors(whole_schema(name), section)) == []
    assert list(errors(whole_schema(name), {"tls_server_config": {"cert": 1, "cret_file": "a"}})) == [
        ".tls_server_config.cret_file: unknown"
    ]


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_the_schema_takes_what_the_exporter_takes(path: Path) -> None:
    assert list(errors(whole_schema(), yaml.safe_load(path.read_text("utf-8")))) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("cluster: []", ".cluster"),
        ("{}", ".clusters"),
        ("clusters: []", ".clusters"),
        ("clusters: [{url: 'http://a', pol_interval: 1s}]", ".clusters[].pol_interval"),
        ("clusters: [{name: a}]", ".clusters[].url"),
        ("clusters: [{url: 'http://a', timeout: soon}]", ".clusters[].timeout"),
        ("clusters: [{url: 'http://a', tls: {insecure_skip_verify: maybe}}]", "insecure_skip_verify"),
        ("clusters: [{url: 'http://a', max_response_bytes: 1XB}]", ".clusters[].max_response_bytes"),
        ("clusters: [{url: 'http://a'}]\nlog: {level: loud}", ".log.level"),
        ("clusters: [{url: 'http://a'}]\nlabels: {user: {max_values: -1}}", ".labels.user.max_values"),
        ("clusters: [{url: 'http://a'}]\nweb: {listen_addresses: [9483]}", ".web.listen_addresses"),
        ("clusters: [{url: 'http://a'}]\nweb: []", ".web"),
    ],
)
def test_the_schema_refuses_what_the_exporter_refuses(text: str, place: str) -> None:
    found = list(errors(whole_schema(), yaml.safe_load(text)))
    assert found
    assert place in found[0]

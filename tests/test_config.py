"""The configuration: right ones become values in base units, wrong ones every problem at once, none a secret."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from exporter.config import (
    DEFAULT_USER,
    FLAGS,
    Address,
    Auth,
    Cluster,
    Config,
    Kerberos,
    OAuth2,
    Section,
    SocketPath,
    Tls,
    from_coordinators,
    load,
    parse,
    parse_address,
    parse_duration,
    parse_size,
)
from exporter.errors import ConfigError

DATA = Path(__file__).parent / "data" / "config"
EXAMPLE = Path(__file__).parent.parent / "config.example.yml"
BAD = sorted(path for path in DATA.glob("*.yml") if not path.name.startswith("good-"))
SECRET = "hunter2"
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no defect."""
ENVIRON = {
    "DIR": str(DATA),
    "HOST": "host",
    "EMPTY": "",
    "LONG": "/" + "x" * 5000,
    "TOKEN": SECRET,
    "NAME": "adhoc: {}",
    "INTERVAL": "1m",
    "MAX": "7",
    "INJECTION": '"}, evil: [*a, !b]',
}


def problems(
    text: str, environ: dict[str, str] | None = None, flags: dict[str, str | list[str]] | None = None
) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, environ or {}, "config.yml", flags)
    return [str(problem) for problem in caught.value.problems]


def good(name: str) -> Config:
    return load(DATA / f"good-{name}.yml", ENVIRON)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_file_says_all_that_its_first_comment_expects_and_no_secret(path: Path) -> None:
    """UPDATE=1 rewrites the comment."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    count = next((index for index, line in enumerate(lines) if not line.startswith("# ")), len(lines))
    if os.environ.get("UPDATE"):
        body = "".join(lines[count:])
        count = len(problems(body, ENVIRON))
        found = problems("#\n" * count + body, ENVIRON)
        lines = [f"# {problem}\n" for problem in found]
        path.write_text("".join(lines) + body, encoding="utf-8")
    found = problems(path.read_text(encoding="utf-8"), ENVIRON)
    assert found == [line.removeprefix("# ").rstrip("\n") for line in lines[:count]]
    assert not any(SECRET in problem for problem in found)
    assert all(re.search(r": \S.*[;?] ?", problem) and problem.isprintable() for problem in found)


def test_what_the_file_says_becomes_values_in_base_units() -> None:
    secret = DATA / "secret"
    config = good("full")
    first, second = config.clusters
    assert first.name == "007"
    assert first.url == "https://presto.example:8443/proxy/presto"
    assert first.user == "no"
    assert first.auth == Auth(password_file=secret)
    assert first.tls == Tls(
        ca_file=secret,
        cert_file=secret,
        key_file=secret,
        server_name="coordinator.example",
        insecure_skip_verify=True,
    )
    assert {name: value.get_secret_value() for name, value in first.headers.items()} == {
        "X-Token": "a: b",
        "Cookie": SECRET,
    }
    assert (first.poll_interval, first.timeout, first.max_response_bytes) == (90.0, 0.5, 10_000)
    assert (second.name, second.url, second.user) == (None, "http://[::1]:8080", "monitor")
    assert second.auth == Auth(bearer_token_file=secret, over_plain_http=True)
    assert config.outcomes.canceled == ()
    labels = config.labels
    assert (labels.user.max_values, labels.source.max_values, labels.error_name.max_values) == (0, 1, 2)
    fingerprints = config.fingerprints
    assert (fingerprints.max_series, fingerprints.admit_after, fingerprints.statement_label_length) == (0, 1, 0)
    assert config.new_series_delay == 0
    assert config.ledger.path == Path("/var/lib/ledger.sqlite")
    assert config.web.listen_addresses == (
        ("127.0.0.1", 0),
        ("::1", 9483),
        ("exporter.example", 80),
        ("", 1),
    )
    assert config.web.telemetry_path == "/presto/metrics"
    assert (config.log.level, config.log.format) == ("warn", "json")


@pytest.mark.parametrize("name", ["minimal", "nulls"])
def test_a_key_that_is_not_there_or_null_has_its_default(name: str) -> None:
    assert good(name) == Config(clusters=(Cluster(url="http://host:8080"),))


def test_clusters_share_keys_by_aliases() -> None:
    a, b, c = good("aliases").clusters
    assert (a.name, b.name, c.name) == ("a", "b", "c")
    assert (a.url, b.url, c.url) == ("https://a", "https://b", "https://c")
    assert (a.timeout, b.timeout, c.timeout) == (1.0, 1.0, 2.0)
    assert a.headers == b.headers == c.headers != {}


def test_the_environment_fills_values_and_cannot_add_keys() -> None:
    config = good("environment")
    (cluster,) = config.clusters
    assert (cluster.name, cluster.url) == ("adhoc: {}", "http://host:8080")
    assert (cluster.poll_interval, cluster.timeout) == (60.0, 20.0)
    assert {name: value.get_secret_value() for name, value in cluster.headers.items()} == {
        "X-Dollar": "$ ${HOST} $HOST $5",
        "X-Injection": ENVIRON["INJECTION"],
    }
    assert config.labels.user.max_values == 7
    assert config.web.listen_addresses == (Address("", 8080),)


def test_values_of_headers_are_printed_nowhere() -> None:
    config = good("full")
    for shown in (str(config), repr(config), f"{config}", str(config.model_dump()), config.model_dump_json()):
        assert "<secret>" in shown
        assert SECRET not in shown
        assert "a: b" not in shown


def test_even_pydantic_s_own_words_do_not_hold_the_value() -> None:
    with pytest.raises(ValidationError) as caught:
        Cluster(url="http://host", headers={"X-Token": f"{SECRET}\n"})  # type: ignore[dict-item]
    assert SECRET not in str(caught.value)


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        good("minimal").new_series_delay = 1.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("15s", 15.0),
        ("1m30s", 90.0),
        ("1h", 3600.0),
        ("1d", 86400.0),
        ("500ms", 0.5),
        ("1.5h", 5400.0),
        ("1h2m3s4ms", 3723.004),
        ("0", 0.0),
        ("10", 10.0),
        ("0.25", 0.25),
        ("90m", 5400.0),
    ],
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@UNHURRIED
@given(st.integers(0, 10**10))
def test_a_duration_written_in_all_units_is_the_same_milliseconds(milliseconds: int) -> None:
    seconds, ms = divmod(milliseconds, 1000)
    minutes, s = divmod(seconds, 60)
    hours, m = divmod(minutes, 60)
    d, h = divmod(hours, 24)
    assert parse_duration(f"{d}d{h}h{m}m{s}s{ms}ms") == milliseconds / 1000
    assert parse_duration(f"{milliseconds}ms") == milliseconds / 1000


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("256MiB", 268435456),
        ("1GB", 10**9),
        ("10kB", 10_000),
        ("10KB", 10_000),
        ("1KiB", 1024),
        ("1.5GiB", 1610612736),
        ("2TB", 2 * 10**12),
        ("7B", 7),
        ("123456789012345", 123456789012345),
        ("0.1MB", 100_000),
    ],
)
def test_sizes_are_bytes(text: str, size: int) -> None:
    assert parse_size(text) == size


@UNHURRIED
@given(st.integers(0, 10**6), st.sampled_from(["", "B", "kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"]))
def test_a_size_is_its_number_times_its_unit(number: int, unit: str) -> None:
    base = 1024 if "i" in unit else 1000
    assert parse_size(f"{number}{unit}") == number * base ** " KMGT".index((unit.upper().strip("B") or " ")[0])


@UNHURRIED
@given(st.text(alphabet="0123456789.-+ smhdKMGTikBx:[]\n") | st.text())
def test_a_text_that_is_no_value_is_a_value_error(text: str) -> None:
    for parser, least in ((parse_duration, 0), (parse_size, 0), (parse_address, ("", 0))):
        try:
            assert parser(text) >= least  # type: ignore[operator]
        except ValueError as error:
            assert re.match(r"not an? .+; write one like ", str(error))


SHARED = "clusters: [{url: http://host}]\n"


@pytest.mark.parametrize(
    ("flags", "section", "key", "value"),
    [
        ({"web.listen-address": [":1", "[::]:2"]}, "web", "listen_addresses", (("", 1), ("::", 2))),
        ({"web.listen-address": ["unix:/run/x"]}, "web", "listen_addresses", (SocketPath("/run/x"),)),
        ({"web.telemetry-path": "/m"}, "web", "telemetry_path", "/m"),
        ({"web.config.file": __file__}, "web", "config_file", Path(__file__)),
        ({"web.systemd-socket": True}, "web", "systemd_socket", True),
        ({"web.enable-lifecycle": "true"}, "web", "enable_lifecycle", True),
        ({"ledger.path": "/l"}, "ledger", "path", Path("/l")),
        ({"log.level": "debug"}, "log", "level", "debug"),
        ({"log.format": "json"}, "log", "format", "json"),
    ],
)
def test_flags_win_over_the_file_and_leave_the_rest(
    flags: dict[str, str | bool | list[str]], section: str, key: str, value: object
) -> None:
    text = f"{SHARED}web: {{listen_addresses: [wrong], telemetry_path: wrong}}\nlog: {{level: wrong, format: wrong}}\n"
    others: dict[str, str | bool | list[str]] = {
        "web.listen-address": [":3"],
        "web.telemetry-path": "/x",
        "log.level": "error",
        "log.format": "logfmt",
    }
    for config in (
        parse(text, {}, flags={**others, **flags}),
        from_coordinators(["http://host"], {}, flags={**others, **flags}),
    ):
        assert getattr(getattr(config, section), key) == value
        assert config.clusters == (Cluster(url="http://host"),)


def test_a_wrong_flag_is_named_as_it_was_given() -> None:
    flags: dict[str, str | list[str]] = {"web.listen-address": [":1", "x"], "web.config.file": "f", "log.level": "loud"}
    assert problems(
        f"{SHARED}log: {{format: xml, level: a, level: b}}\nledger: 3\n", flags=flags | {"ledger.path": "x"}
    ) == [
        "--web.listen-address: not an address to listen on; "
        "write one like :9483, 127.0.0.1:9483, [::1]:9483 or unix:/path",
        "--web.config.file: no such file; relative paths start at the working directory",
        "--log.level: not one of those that can be; write debug, info, warn or error",
        "config.yml:2: log.level: given twice; keep one of them",
        "config.yml:2: log.format: not one of those that can be; write logfmt or json",
        "config.yml:3: ledger: not a mapping; write keys under it",
    ]


def test_every_flag_sets_a_key_that_exists() -> None:
    for section, key in FLAGS.values():
        annotation = Config.model_fields[section].annotation
        assert isinstance(annotation, type)
        assert issubclass(annotation, Section)
        assert key in annotation.model_fields


def test_coordinators_of_the_command_line_become_clusters() -> None:
    config = from_coordinators(
        ["http://monitor@host:8080/", "etl=https://${HOST}/a=b", "http://other"], {"HOST": "host"}
    )
    assert [(cluster.name, cluster.url, cluster.user) for cluster in config.clusters] == [
        (None, "http://host:8080", "monitor"),
        ("etl", "https://host/a=b", DEFAULT_USER),
        (None, "http://other", DEFAULT_USER),
    ]
    assert config == Config(clusters=config.clusters)


def test_wrong_coordinators_are_said_all_at_once() -> None:
    urls = [
        f"http://monitor:{SECRET}@host",
        "a=http://one",
        "a=http://two",
        "b=http://monitor@ONE/",
        "=http://three",
        "http://${NOT_SET}",
        "http://${NOT_SET}",
        f"{SECRET}",
        "http://one:port",
        "http://two:port",
    ]
    with pytest.raises(ConfigError) as caught:
        from_coordinators(urls, {})
    assert [str(problem) for problem in caught.value.problems] == [
        "--coordinator[0].url: has a password in it; put that into a file and name it in auth.password_file",
        "--coordinator[2].name: the name of an earlier cluster too; give each its own",
        "--coordinator[3].url: the URL of an earlier coordinator too; give each once",
        "--coordinator[4].name: empty; give it a value, or remove the key",
        "--coordinator[5].url: environment variable NOT_SET is not set; set it, or write ${NOT_SET:-default}",
        "--coordinator[6].url: environment variable NOT_SET is not set; set it, or write ${NOT_SET:-default}",
        "--coordinator[7].url: not an http:// or https:// URL; write one like https://host:8443",
        "--coordinator[8].url: has a host or a port that cannot be; write a URL like https://host:8443",
        "--coordinator[9].url: has a host or a port that cannot be; write a URL like https://host:8443",
    ]


def test_no_coordinator_is_a_problem() -> None:
    with pytest.raises(ConfigError, match=r"^--coordinator: empty; list at least one$"):
        from_coordinators([], {})


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yml"
    binary.write_bytes(b"\xff\xfe\x00")
    expected = {
        tmp_path / "none.yml": "no such file or directory; name a file that we can read",
        tmp_path: "is a directory; name a file that we can read",
        binary: "not UTF-8; save it as UTF-8",
    }
    for path, message in expected.items():
        with pytest.raises(ConfigError) as caught:
            load(path, {})
        assert caught.value.problems == ((str(path), message),)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    path.write_bytes(b"\xef\xbb\xbf" + SHARED.encode())
    assert load(path, {}) == parse(SHARED, {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[" * 2000, ["config.yml: nested too deeply, or an alias that holds itself; make it flatter"]),
        (
            "%YAML 1." + "9" * 5000 + "\n---\n",
            ["config.yml: an escape or a version that YAML cannot have; look for a backslash or %YAML"],
        ),
    ],
)
def test_what_the_yaml_reader_cannot_bear_is_a_problem_and_not_a_crash(text: str, expected: list[str]) -> None:
    assert problems(text) == expected


def test_aliases_of_aliases_take_no_time() -> None:
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 40))
    assert len(problems(f"a0: &a0 [x]\n{levels}clusters: *a39\n")) == 40 + 10


def keys_of(section: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    """Every key of *section* and below; a list of sections counts as the section."""
    for name, field in section.model_fields.items():
        yield (name,)
        below = next(iter(get_args(field.annotation)), field.annotation)
        if isinstance(below, type) and issubclass(below, BaseModel):
            yield from ((name, *rest) for rest in keys_of(below))


ALL_KEYS = sorted({key for keys in keys_of(Config) for key in keys})


def test_the_example_has_every_key_with_its_default() -> None:
    def keys_in(value: object) -> Iterator[tuple[str, ...]]:
        if isinstance(value, dict):
            for name, below in value.items():
                yield (name,)
                yield from ((name, *rest) for rest in keys_in(below))
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield from keys_in(value[0])

    written = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    assert sorted(keys_in(written)) == sorted(keys_of(Config))
    cluster = Cluster(name="adhoc", url="https://presto.example:8443")
    assert load(EXAMPLE, {}) == Config(clusters=(cluster,))


PAGE = (Path(__file__).parent.parent / "docs" / "authentication.md").read_text(encoding="utf-8")
KERBEROS_IS_MISSING = importlib.util.find_spec("gssapi") is None


@pytest.mark.parametrize("example", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_the_examples_of_authentication_are_accepted(example: str) -> None:
    """Files that they name are there; gssapi need not be."""
    text = re.sub(r"/(?:run|etc)/[\w./-]+", str(DATA / "secret"), example)
    if "kerberos:" in text and KERBEROS_IS_MISSING:
        assert problems(text) == [
            "config.yml:4: clusters[0].auth.kerberos: the package gssapi is missing; "
            "pip install 'presto-query-exporter[kerberos]'"
        ]
    else:
        parse(text, {})


def test_every_key_of_authentication_is_on_its_page() -> None:
    sections: tuple[type[Section], ...] = (Auth, OAuth2, Kerberos)
    names = {name for section in sections for name in section.model_fields}
    assert {name for name in names if name not in PAGE} == set()


def test_what_is_not_installed_is_a_problem_of_the_file_that_needs_it(tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    oauth2 = "{token_url: 'https://a/', client_id: b, client_secret_file: config.yml}"
    file.write_text(
        f"clusters:\n- {{url: 'https://a', auth: {{oauth2: {oauth2}}}}}\n"
        "- {url: 'https://b', auth: {kerberos: {service_name: HTTP}}}\n"
    )
    program = (
        "import sys; sys.modules.update(oauthlib=None, gssapi=None)\n"
        "from exporter.config import ConfigError, load\n"
        "try: load('config.yml', {})\n"
        "except ConfigError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.splitlines() == [
        "config.yml:2: clusters[0].auth.oauth2: the package oauthlib is missing; "
        "pip install 'presto-query-exporter[oauth2]'",
        "config.yml:3: clusters[1].auth.kerberos: the package gssapi is missing; "
        "pip install 'presto-query-exporter[kerberos]'",
    ]


NAMES = st.sampled_from(ALL_KEYS) | st.text(max_size=5)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.binary(max_size=5)
    | st.text().map(lambda text: SECRET + text)
    | st.sampled_from(
        [f"http://a:{SECRET}@b", f"http://{SECRET}", f"*{SECRET}", f"${{{SECRET}", f"15{SECRET}", "http://a"]
    )
)
TREES = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES, below, max_size=5), max_leaves=30
)
CLUSTERS = st.lists(st.dictionaries(st.sampled_from(sorted(Cluster.model_fields)), TREES), max_size=3)
SECTIONS = st.dictionaries(NAMES, TREES, max_size=4)


@UNHURRIED
@given(
    TREES
    | st.fixed_dictionaries(
        {"clusters": CLUSTERS}, optional=dict.fromkeys(set(Config.model_fields) - {"clusters"}, SECTIONS)
    )
)
def test_whatever_yaml_says_is_a_configuration_or_problems_without_secrets(tree: object) -> None:
    try:
        parse(yaml.safe_dump(tree, allow_unicode=True), {})
    except ConfigError as error:
        assert error.problems
        assert SECRET not in str(error)
        assert all(str(problem).isprintable() for problem in error.problems)


@UNHURRIED
@given(
    st.lists(st.sampled_from([*"{}[]:,-?&*!|>'\"%@`#\\\n\t $~<", "clusters", "url", "http://a", "<<", "\\x", "\ud800"]))
)
def test_whatever_text_is_a_configuration_or_problems(parts: list[str]) -> None:
    try:
        parse("".join(parts), {})
    except ConfigError as error:
        assert all(str(problem).isprintable() for problem in error.problems)

"""The configuration file, and ``--coordinator``."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import yaml

from exporter.config import Address, Config, SocketPath, from_coordinators, parse
from exporter.errors import ConfigError
from tests.fuzz.target import SECRET, WORD, Target, shown_of_secret

ROOT = Path(__file__).parent.parent.parent
DATA = ROOT / "tests" / "data" / "config"
PLACE = "config.yml"
ENVIRON = {"DIR": str(DATA), "HOST": "host", "EMPTY": "", "TOKEN": SECRET, "NAME": "adhoc: {}", "MAX": "7"}


def check(data: bytes) -> None:
    """*data* as a file, and its first line as the coordinator of a command line."""
    text = data.decode("utf-8", "replace")
    try:
        config = parse(text, ENVIRON, PLACE)
    except ConfigError as error:
        check_problems(error, rf"{PLACE}(:[1-9]\d*(: \S.*)?)?")
    else:
        check_values(config)
    try:
        config = from_coordinators([text.partition("\n")[0]], ENVIRON)
    except ConfigError as error:
        check_problems(error, r"--coordinator\[0\]\.\w+")
    else:
        check_values(config)


def check_problems(error: ConfigError, place: str) -> None:
    """Each problem has its place, what is wrong and what to do, on one line that holds nothing of a secret."""
    assert error.problems
    for problem in error.problems:
        assert re.fullmatch(place, problem.place), problem
        assert re.search(r"\S.*[;?]", problem.message), problem
        assert str(problem).isprintable(), problem
        assert not shown_of_secret(str(problem)), problem
        assert WORD not in problem.message or problem.message.startswith("environment variable "), problem


def check_values(config: Config) -> None:
    """Values are in the ranges that the documentation gives, and secrets print nowhere."""
    assert config.clusters
    for cluster in config.clusters:
        assert re.fullmatch(r"(?i:https?)://[^/?#@\s]+(/[^?#@\s]*)?", cluster.url), cluster.url
        assert not cluster.url.endswith("/")
        assert ":" not in cluster.user
        for text in (cluster.name, cluster.user, cluster.tls.server_name):
            assert text is None or (text.isprintable() and text.strip())
        assert 0.001 <= cluster.poll_interval <= 86400
        assert 0.001 <= cluster.timeout <= 86400
        assert 1 <= cluster.max_response_bytes <= 2**40
        for name, value in cluster.headers.items():
            f"{name}: {value.get_secret_value()}".encode("latin-1")
            assert not {"\r", "\n", "\0"} & {*value.get_secret_value()}
            assert value.get_secret_value() not in repr(cluster.headers).replace(repr(name), "").replace("<secret>", "")
    assert 0 <= config.new_series_delay <= 86400
    assert 0 <= config.usage.retention <= 400 * 86400
    assert 0 <= config.labels.user.max_values <= 10**6
    assert 1 <= config.fingerprints.admit_after <= 10**6
    assert config.web.listen_addresses
    for address in config.web.listen_addresses:
        assert isinstance(address, SocketPath) or (isinstance(address, Address) and 0 <= address.port <= 65535)
    assert config.web.telemetry_path.startswith("/")


def seeds() -> list[bytes]:
    """Return the example, every file of tests/data/config, and secrets in places where none belongs."""
    paths = [ROOT / "config.example.yml", *sorted(DATA.glob("*.yml"))]
    texts = [without_remarks(path) for path in paths]
    texts += [f"http://monitor:{SECRET}@host", f"a=http://{SECRET}@host/{SECRET}?{SECRET}", "${HOST:-${TOKEN}}"]
    texts += [f"clusters: [{{url: http://a, headers: {{X: {SECRET}}}, auth: {{password: {SECRET}}}}}]", "[" * 300]
    texts += [f"clusters: [{{url: http://a, headers: {{X: {value}}}}}]" for value in HEADERS]
    texts += [f"clusters: [{{url: http://a, user: {value}}}]" for value in WORDS]
    return [text.encode() for text in texts]


HEADERS = ('"a\\r\\nB: c"', '"a\\0"', '"a\\u0100"', '" a"', '""', "a: b", "a\tb")
WORDS = (
    f"*{WORD}",
    f"!{WORD} a",
    f"!{WORD}!a b",
    f"&{WORD}",
    f"@{WORD}",
    f"%{WORD}",
    f'"\\{WORD}"',
    f"'{WORD}",
    f"[{WORD}",
)


def without_remarks(path: Path) -> str:
    """Return the text of a file with another secret, and without comments, which only make it slow."""
    return re.sub(r"(?m)^#.*\n|  +#.*$", "", path.read_text("utf-8")).replace(WORD, SECRET)


def large() -> dict[str, bytes]:
    """Return files of up to a hundred kilobytes: the YAML parser is written in Python and takes seconds for more."""
    return {
        "a text": b"clusters: " + b"a" * 100_000,
        "keys": b"".join(b"k%d: 1\n" % number for number in range(2_000)),
        "clusters": b"clusters:\n" + b"  - url: http://a\n" * 2_000,
        "brackets": b"[" * 20_000,
        "indents": b"".join(b" " * depth + b"a:\n" for depth in range(400)),
        "references": b"clusters: '" + b"${" * 10_000 + b"'",
        "defaults": b"clusters: '" + b"${A:-" * 7_000 + b"'",
        "dollars": b"clusters: '" + b"$" * 100_000 + b"'",
        "a URL": b"clusters: [{url: 'http://" + b"a@" * 50_000 + b"'}]",
        "a long number": b"clusters: [{url: http://a, timeout: " + b"1" * 100_000 + b"}]",
        "a duration": b"clusters: [{url: http://a, timeout: " + b"1d1h" * 25_000 + b"}]",
        "aliases": b"a: &a [x]\n" + b"b: [" + b"*a, " * 20_000 + b"*a]\n",
        "aliases of aliases": b"a0: &a0 [x]\n"
        + b"".join(b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 100)),
        "merges": b"a: &a {b: 1}\nclusters:\n" + b"  - <<: *a\n" * 2_000,
        "quotes": b'"' + b"\\x" * 50_000,
        "tags": b"!" * 100_000,
    }


def plain(data: bytes) -> object:
    """Return the tree that YAML's own reader makes of *data*; None if it is no YAML."""
    with suppress(yaml.YAMLError):
        return yaml.BaseLoader(data.decode("utf-8", "replace")).get_single_node()
    return None


TARGET = Target(
    check=check,
    seeds=seeds,
    tokens=[
        *(f"{name}: ".encode() for name in (*Config.model_fields, "url", "auth", "tls", "headers", "user", "name")),
        *(b"${", b"${TOKEN}", b"${HOST:-", b"$$", b"<<: ", b"&a ", b"*a", b"!!str ", b"!", b"%YAML 1.1\n---\n", b"? "),
        *(
            b"- ",
            b"|\n ",
            b">-\n ",
            b"'",
            b"# ",
            b"http://",
            b"https://",
            b"@",
            b"unix:/",
            b"15s",
            b"1MiB",
            b"~",
            b"\t",
        ),
        *(SECRET.encode(), f"*{SECRET}".encode(), f"!{SECRET} ".encode(), f"${{{SECRET}}}".encode(), b"%TAG ! !\n"),
        *(f"*{WORD}".encode(), f"!{WORD} ".encode(), f"!{WORD}!".encode(), f"&{WORD} ".encode(), WORD.encode()),
    ],
    large=large,
    work=lambda data: parse(data.decode(), {}, PLACE),
    plain=plain,
    multiple=10.0,
    longest=4_000,
)

"""The file of ``--web.config.file``."""

from __future__ import annotations

import re
from pathlib import Path

from exporter.errors import ConfigError
from exporter.expose.web_config import (
    CIPHER_SUITES,
    CURVES,
    HEADERS,
    HttpServer,
    RateLimit,
    TlsServer,
    WebConfig,
    parse,
)
from tests.fuzz import configurations
from tests.fuzz.target import SECRET, WORD, Target

DATA = Path(__file__).parent.parent / "data" / "web_config"
PLACE = "web.yml"
HASH = "$2y$10$" + "a" * 21 + "." + "b" * 31


def check(data: bytes) -> None:
    """It is a WebConfig as documented, or problems with places and without secrets."""
    try:
        config = parse(data.decode("utf-8", "replace"), PLACE, _read_file, lambda _: ())
    except ConfigError as error:
        configurations.check_problems(error, rf"{PLACE}(:[1-9]\d*(: \S.*)?)?")
        for problem in error.problems:
            place = problem.place.rpartition(": ")[2]
            assert not re.match(r"basic_auth_users[.\[]", place), "names a user"
        return
    tls = config.tls_server_config
    assert tls.client_auth_type in ("NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
    assert (tls.min_version, tls.max_version) in (("TLS12", "TLS12"), ("TLS12", "TLS13"), ("TLS13", "TLS13"))
    assert (tls.client_auth_type == "NoClientCert") == (not tls.client_ca and not tls.client_ca_file)
    assert {*tls.curve_preferences} <= {*CURVES}
    for user, hashed in (config.basic_auth_users or {}).items():
        assert user and ":" not in user
        assert len(hashed.get_secret_value()) == len(HASH)
        assert hashed.get_secret_value() not in repr(config)
    for name, value in (config.http_server_config.headers or {}).items():
        assert name in HEADERS
        assert value.isascii() and value.replace("\t", "").isprintable()
    assert 0 <= config.rate_limit.interval <= 86400
    assert not config.rate_limit.interval or config.rate_limit.burst >= 1


def _read_file(name: str) -> bytes:
    if name.startswith("missing"):
        raise ValueError("no such file; name one that is there")
    return b""


def seeds() -> list[bytes]:
    """Return every file of tests/data/web_config, and one with everything."""
    texts = [configurations.without_remarks(path) for path in sorted(DATA.glob("*.yml"))]
    texts.append(
        f"tls_server_config: {{cert: '{SECRET}', key: '{SECRET}', client_ca: '{SECRET}', "
        "client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: [a.example]}\n"
        f"http_server_config: {{http2: true, headers: {{X-Frame-Options: deny}}}}\n"
        f"basic_auth_users: {{alice: {HASH}, '{SECRET}': '{SECRET}'}}\nrate_limit: {{interval: 1s, burst: 2}}\n"
    )
    texts += [f"basic_auth_users: {{alice: {value}}}" for value in configurations.WORDS]
    texts += [
        f"http_server_config: {{headers: {{Content-Security-Policy: {value}}}}}" for value in configurations.HEADERS
    ]
    return [text.encode() for text in texts]


def large() -> dict[str, bytes]:
    """Return files of up to a hundred kilobytes."""
    return {
        "keys": b"".join(b"k%d: 1\n" % number for number in range(1_000)),
        "users": b"basic_auth_users:\n" + b"".join(b"  u%d: %s\n" % (n, HASH.encode()) for n in range(1_200)),
        "SANs": b"tls_server_config:\n  client_allowed_sans: [" + b"a, " * 30_000 + b"a]\n",
        "a header": b"http_server_config: {headers: {X-XSS-Protection: '" + b"a b" * 30_000 + b"'}}",
        "a hash": b"basic_auth_users: {a: '$2y$10$" + b"a" * 90_000 + b"'}",
    }


TARGET = Target(
    check=check,
    seeds=seeds,
    tokens=[
        *(
            f"{name}: ".encode()
            for model in (WebConfig, TlsServer, HttpServer, RateLimit)
            for name in model.model_fields
        ),
        *(name.encode() for name in (*CIPHER_SUITES, *CURVES, *HEADERS, "TLS12", "TLS13", "TLS10", "NoClientCert")),
        *(b"RequireAndVerifyClientCert", b"VerifyClientCertIfGiven", b"deny", b"nosniff", b"missing", HASH.encode()),
        *(b"- ", b"<<: ", b"&a ", b"*a", b"{}", b"[]", b"~", b"!", b"'", b"0s", b"1s", SECRET.encode()),
        *(f"*{WORD}".encode(), f"!{WORD} ".encode(), f"&{WORD} ".encode(), WORD.encode()),
    ],
    large=large,
    work=lambda data: parse(data.decode(), PLACE, _read_file, lambda _: ()),
    plain=configurations.plain,
    multiple=10.0,
    longest=4_000,
)

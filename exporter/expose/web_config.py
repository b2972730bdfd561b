"""The file of ``--web.config.file``, in the format of Prometheus' exporter-toolkit: TLS, passwords, headers, rate.

A file that is right here is right there and means the same. The other way round it is stricter, where the toolkit lets
a mistake stand open: an empty file or section, TLS settings without a certificate, client certificates that nobody
verifies, versions of TLS that are broken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Literal

from exporter.config import (
    Count,
    Delay,
    Found,
    SecretText,
    Section,
    Switch,
    Text,
    checked,
    mapping,
    parse_as,
)

CIPHER_SUITES: Mapping[str, str] = {
    f"TLS_ECDHE_{key}_WITH_{name}": f"ECDHE-{key}-{openssl}"
    for key in ("ECDSA", "RSA")
    for name, openssl in (
        ("AES_128_GCM_SHA256", "AES128-GCM-SHA256"),
        ("AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
        ("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305"),
        ("AES_128_CBC_SHA", "AES128-SHA"),
        ("AES_256_CBC_SHA", "AES256-SHA"),
    )
}
"""OpenSSL's name of each cipher suite of TLS 1.2, by Go's. Source: Go's ``tls.CipherSuites``."""

TLS13_CIPHER_SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
"""Those of TLS 1.3: they may be listed and are always on, as in Go."""

CURVES: Mapping[str, str] = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519": "X25519",
}
"""OpenSSL's name of each curve, by the toolkit's."""

HEADERS: Mapping[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
"""The headers that can be set, each with the values that it can have; none: any."""

FILES = ("cert_file", "key_file", "client_ca_file")
"""Keys of tls_server_config that name files."""

_HEADER_VALUE = re.compile(r"[!-~](?:[\t -~]*[!-~])?")
_BCRYPT = re.compile(r"\$2[abxy]\$(?:0[4-9]|1[0-8])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_UNVERIFIED = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
_VERIFIED = ("VerifyClientCertIfGiven", "RequireAndVerifyClientCert")


def _client_auth_type(text: str) -> str:
    if text in _UNVERIFIED:
        raise ValueError("believes certificates that anybody can make; write RequireAndVerifyClientCert")
    if text not in ("NoClientCert", *_VERIFIED):
        raise ValueError(f"not one of those that can be; write NoClientCert, {' or '.join(_VERIFIED)}")
    return text


def _version(text: str) -> str:
    if text in ("TLS10", "TLS11"):
        raise ValueError("a version of TLS that is broken; write TLS12 or TLS13")
    if text not in ("TLS12", "TLS13"):
        raise ValueError("not a version of TLS; write TLS12 or TLS13")
    return text


def _cipher_suite(text: str) -> str:
    if text not in CIPHER_SUITES and text not in TLS13_CIPHER_SUITES:
        raise ValueError("not a cipher suite that can be; write one like TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")
    return text


def _one_of(what: str, values: Iterable[str]) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in values:
            raise ValueError(f"not {what}; choose from {', '.join(values)}")
        return text

    return check


def _header_value(text: str) -> str:
    if text and not _HEADER_VALUE.fullmatch(text):
        raise ValueError("not a value that a header can have; one line of ASCII, without spaces around it")
    return text


def _user(name: str) -> str:
    if not name or ":" in name:
        raise ValueError("has a user whose name is empty, or has a colon and so ends there; choose another name")
    return name


def _bcrypt_hash(value: SecretText) -> SecretText:
    if not _BCRYPT.fullmatch(value.get_secret_value()):
        raise ValueError("has a password that is not a bcrypt hash of cost 4 to 18; make it with htpasswd -nBC 10 ''")
    return value


class TlsServer(Section):
    """The certificate of the exporter, and which clients it lets connect; empty: plain HTTP."""

    cert: SecretText | None = None
    """The certificate and those that vouch for it, in PEM; or name a file."""
    key: SecretText | None = None
    """Its key, in PEM; or name a file."""
    client_ca: SecretText | None = None
    """The authorities of the clients, in PEM; or name a file."""
    cert_file: Text | None = None
    """Like the other files: relative to the folder of this one, and read again when it changes."""
    key_file: Text | None = None
    client_auth_type: Annotated[str, checked(_client_auth_type)] = "NoClientCert"
    """Or ``RequireAndVerifyClientCert``, or ``VerifyClientCertIfGiven``."""
    client_ca_file: Text | None = None
    client_allowed_sans: tuple[Text, ...] = ()
    """Names, of which a client's certificate must have one: DNS, IP, e-mail, URI; none: each certificate will do."""
    min_version: Annotated[str, checked(_version)] = "TLS12"
    max_version: Annotated[str, checked(_version)] = "TLS13"
    cipher_suites: tuple[Annotated[str, checked(_cipher_suite)], ...] = ()
    """For TLS 1.2, as Go calls them; none: the default ones."""
    prefer_server_cipher_suites: Switch = True
    """Of those that both have, the first of ours and not of the client's."""
    curve_preferences: tuple[Annotated[str, checked(_one_of("a curve that can be", CURVES))], ...] = ()
    """Only the first counts, as Python can set one; none: the default ones."""

    @property
    def has_certificate(self) -> bool:
        """Whether there is TLS."""
        return self.cert is not None or self.cert_file is not None

    def pem(self, name: Literal["cert", "key", "client_ca"], read_file: Callable[[str], bytes]) -> tuple[str, bytes]:
        """Return the key of the section that has *name*, be it the text or a file's name, and the text."""
        texts = {"cert": self.cert, "key": self.key, "client_ca": self.client_ca}
        files = {"cert": self.cert_file, "key": self.key_file, "client_ca": self.client_ca_file}
        if text := texts[name]:
            return name, text.get_secret_value().encode()
        return f"{name}_file", read_file(files[name] or "")


class HttpServer(Section):
    """What goes for every answer."""

    http2: Switch | None = None
    """Accepted and without effect: answers are HTTP/1.1."""
    headers: (
        dict[
            Annotated[str, checked(_one_of("a header that can be set", HEADERS))],
            Annotated[str, checked(_header_value)],
        ]
        | None
    ) = None
    """Headers to set or to replace; an empty value leaves ours as it is."""


class RateLimit(Section):
    """How many requests there may be, of all clients together."""

    interval: Delay = 0.0
    """Seconds in which the right to one request grows; 0: no limit."""
    burst: Count = 0
    """Requests at once, after a pause."""


class WebConfig(Section):
    """The whole file."""

    tls_server_config: TlsServer = TlsServer()
    http_server_config: HttpServer = HttpServer()
    basic_auth_users: dict[Annotated[str, checked(_user)], Annotated[SecretText, checked(_bcrypt_hash)]] | None = None
    """The bcrypt hash of each user's password; none: no password is asked for."""
    rate_limit: RateLimit = RateLimit()


def parse(
    text: str, place: str, read_file: Callable[[str], bytes], check: Callable[[WebConfig], Iterable[Found]]
) -> WebConfig:
    """Return what *text* says; ConfigError with all that is wrong with it, and no secret.

    *read_file* returns what is in a file that is named in it; its ValueError says what is wrong and what to do. *check*
    finds what else is wrong, if nothing has been found.
    """

    def contradictions(raw: dict[str, object]) -> Iterator[Found]:
        tls = mapping(raw.get("tls_server_config"))
        yield from _left_open(raw)
        yield from _contradictions(tls)
        yield from _unfit_headers(mapping(mapping(raw.get("http_server_config")).get("headers")))
        yield from _nothing_allowed(mapping(raw.get("rate_limit")))
        for key in FILES:
            name = tls.get(key)
            if isinstance(name, str) and name:
                try:
                    read_file(name)
                except ValueError as error:
                    yield Found(("tls_server_config", key), str(error))

    beginning = "tls_server_config: or basic_auth_users:, or write {} for neither"
    return parse_as(WebConfig, text, place, beginning, contradictions, check=check, unnamed=("basic_auth_users",))


def _left_open(raw: Mapping[str, object]) -> Iterator[Found]:
    """Yield what is there but empty, so that it may be an oversight that there is no protection."""
    for key, what in (("tls_server_config", "a certificate"), ("basic_auth_users", "a user")):
        if key in raw and not raw[key]:
            yield Found((key,), f"empty; add {what}, or remove the key")
    if mapping(raw.get("tls_server_config")).get("client_allowed_sans") == []:
        yield Found(("tls_server_config", "client_allowed_sans"), "empty; add a name, or remove the key")


def _unfit_headers(headers: Mapping[str, object]) -> Iterator[Found]:
    for name, value in headers.items():
        values = HEADERS.get(name)
        if values and value and value not in values:
            loc = ("http_server_config", "headers", name)
            yield Found(loc, f"not a value that this header can have; write {' or '.join(values)}")


def _nothing_allowed(rate_limit: Mapping[str, object]) -> Iterator[Found]:
    if rate_limit.get("interval") not in (None, "0", "0s") and rate_limit.get("burst") in (None, "0"):
        yield Found(("rate_limit", "burst"), "0 lets no request pass; write 1 or more")


def _contradictions(tls: Mapping[str, object]) -> Iterator[Found]:
    """Yield what is wrong between keys of tls_server_config."""
    section = "tls_server_config"
    given = {key for key, value in tls.items() if value is not None}
    for key, what in (("cert", "certificate"), ("key", "key"), ("client_ca", "")):
        file = f"{key}_file"
        if {key, file} <= given:
            yield Found((section, file), f"not together with {key}; keep one of them")
        elif given and what and not {key, file} & given:
            yield Found((section,), f"has no {what}; add {file}")
    authorities = given & {"client_ca", "client_ca_file"}
    kind = tls.get("client_auth_type") or "NoClientCert"
    if kind == "NoClientCert":
        advice = "of no use as no certificate is asked for; add client_auth_type: RequireAndVerifyClientCert"
        yield from (Found((section, key), advice) for key in sorted(authorities | given & {"client_allowed_sans"}))
    elif kind in _VERIFIED and not authorities and "client_allowed_sans" not in given:
        yield Found((section, "client_auth_type"), "believes every public authority; add client_ca_file")
    if tls.get("max_version") == "TLS12":
        suites = tls.get("cipher_suites")
        if tls.get("min_version") == "TLS13":
            yield Found((section, "max_version"), "below min_version; write TLS13, or lower min_version")
        elif isinstance(suites, list) and suites and all(suite in TLS13_CIPHER_SUITES for suite in suites):
            yield Found((section, "cipher_suites"), "has none of TLS 1.2, the only version there is; add one")

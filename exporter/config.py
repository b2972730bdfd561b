"""The configuration: every key with its default and unit, and every way in which it can be wrong.

YAML gives texts, lists, mappings and nothing else: that ``15``, ``no`` or ``2024-01-01`` mean something is decided by
the field, so that a value from the environment (``${NAME}``) and one from the file are read alike. Other files in YAML
are read the same way, by `parse_as`.

All problems are shown at once, each with its place. So what can be wrong between fields is looked for beside the
models (pydantic would stop at the first wrong field), and messages are ours: pydantic's hold the values.
"""

from __future__ import annotations

import difflib
import importlib.util
import ipaddress
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, get_args
from urllib.parse import SplitResult, unquote, urlsplit

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    Secret,
    ValidationError,
    model_validator,
)

from exporter.errors import ConfigError, Problem

DEFAULT_USER = "presto-query-exporter"

FLAGS: Mapping[str, tuple[str, str]] = {
    "web.listen-address": ("web", "listen_addresses"),
    "web.telemetry-path": ("web", "telemetry_path"),
    "web.config.file": ("web", "config_file"),
    "web.systemd-socket": ("web", "systemd_socket"),
    "web.enable-lifecycle": ("web", "enable_lifecycle"),
    "ledger.path": ("ledger", "path"),
    "log.level": ("log", "level"),
    "log.format": ("log", "format"),
}
"""Flags of the command line that set a key of the configuration: section and key by flag."""

_NUMBER = r"([0-9]{1,15}(?:\.[0-9]{1,9})?)"
_MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_DURATION = re.compile("".join(f"(?:{_NUMBER}{unit})?" for unit in _MILLISECONDS))
_BYTES = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BYTES |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_SIZE = re.compile(_NUMBER + r"(?:([kMGTK]|[KMGT]i|)B)?")
_ADDRESS = re.compile(r"(?:\[([^\]]+)\]|([A-Za-z0-9._-]*)):([0-9]{1,5})")
_SOCKET_PATH_BYTES = 103  # what macOS allows, four less than Linux
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[!-~\xa1-\xff](?:[\t -~\xa0-\xff]*[!-~\xa1-\xff])?")

Loc = tuple[str | int, ...]
"""Keys and indexes from the root to a value."""
_Value = TypeVar("_Value")
_TAGS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")
_NULLS = ("", "~", "null", "Null", "NULL")
_REFERENCE = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>(?:[^$}]|\$(?!\{))*))?\}|\{)"
)
_MESSAGES = {
    "missing": "required, but not there; add it",
    "model_type": "not a mapping; write keys under it",
    "dict_type": "not a mapping; write keys under it",
    "tuple_type": "not a list; write one item per line, each after a dash",
}
_PROOFS = ("password_file", "bearer_token_file", "oauth2", "kerberos")
_PACKAGES = {"oauth2": "oauthlib", "kerberos": "gssapi"}
"""Packages that are installed only with the extra of this name."""
_SENT_IN_CLEAR = (
    "would be sent in clear over http://; use https://, "
    "or set auth.over_plain_http: true if TLS ends at a proxy in front"
)
_NOT_TEXT = "not a single value; write one text or number"
_TOO_DEEP = "nested too deeply, or an alias that holds itself; make it flatter"


def parse_duration(text: str) -> float:
    """Return the seconds in ``15s``, ``1m30s``, ``1.5h``, ``500ms`` or a plain number; ValueError if it is none."""
    if re.fullmatch(_NUMBER, text):
        return float(text)
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError("not a duration; write one like 15s, 1m30s, 1h or 500ms")
    parts = zip(match.groups(), _MILLISECONDS.values(), strict=True)
    return sum(float(number) * unit for number, unit in parts if number) / 1000


def parse_size(text: str) -> int:
    """Return the bytes in ``256MiB``, ``1GB``, ``10kB`` or a plain number; ValueError if it is none."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError("not a size; write one like 256MiB, 1GB or 10kB")
    return int(Decimal(match[1]) * _BYTES[match[2] or ""])


class Address(NamedTuple):
    """Where to listen: TCP."""

    host: str
    """Empty: every address of the machine."""
    port: int
    """0: any free port."""


class SocketPath(NamedTuple):
    """Where to listen: a Unix socket."""

    path: str
    """Absolute."""


def parse_address(text: str) -> Address | SocketPath:
    """Return what ``:9483``, ``127.0.0.1:0``, ``[::1]:9483`` or ``unix:/path`` says; ValueError if that is nothing."""
    if text.startswith("unix:"):
        return _parse_socket_path(text.removeprefix("unix:"))
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match[3]) > 65535 or not (match[1] is None or _is_ipv6(match[1])):
        raise ValueError("not an address to listen on; write one like :9483, 127.0.0.1:9483, [::1]:9483 or unix:/path")
    return Address(match[1] or match[2], int(match[3]))


def _parse_socket_path(path: str) -> SocketPath:
    if not path.startswith("/") or path.endswith("/") or not path.isprintable():
        raise ValueError("not a socket's absolute path; write one like unix:/run/presto-query-exporter.sock")
    if len(os.fsencode(path)) > _SOCKET_PATH_BYTES:
        raise ValueError(f"longer than a socket's path can be; choose one of at most {_SOCKET_PATH_BYTES} bytes")
    return SocketPath(path)


def _listen_address(value: object) -> Address | SocketPath:
    if isinstance(value, Address | SocketPath):
        return value
    if not isinstance(value, str):
        raise ValueError(_NOT_TEXT)
    return parse_address(value)


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _parse_switch(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("neither true nor false; write one of them")
    return text.lower() == "true"


def _parse_count(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,15}", text):
        raise ValueError("not a whole number; write one like 1000")
    return int(text)


def _parse_path(text: str) -> Path:
    return Path(_printable(text))


def _parse_telemetry_path(text: str) -> str:
    if not re.fullmatch(r"/[A-Za-z0-9._~/-]+", text):
        raise ValueError("not a path that metrics can have; write one like /metrics")
    if text.startswith(("/-/", "/api/")) or text.rstrip("/") in ("", "/queries"):
        raise ValueError("a path of the exporter's other pages; write one like /metrics")
    return text


def _printable(text: str) -> str:
    if not text.strip():
        raise ValueError("empty; give it a value, or remove the key")
    if not text.isprintable():
        raise ValueError("has a line break or another control character; remove it")
    return text


def _without_colon(user: str) -> str:
    if ":" in user:
        raise ValueError("has a colon, which ends a user name in HTTP authentication; choose another user")
    return user


def _existing(path: Path) -> Path:
    """Return *path* if a file is there that we may read; what is in it is read when it is used."""
    try:
        found, readable = path.exists(), path.is_file()
    except OSError:
        found, readable = True, False
    if not found:
        raise ValueError("no such file; relative paths start at the working directory")
    if not readable or not os.access(path, os.R_OK):
        raise ValueError("not a file that we can read; name a regular file and give the exporter's user access to it")
    return path


def _coordinator_url(text: str) -> str:
    """Return *text* without a slash at its end, if it is the root under which a coordinator has ``/v1/query``."""
    if not text.isprintable() or re.search(r"[\s\\]", text):
        raise ValueError("has a space, a backslash or a control character; write a URL like https://host:8443")
    if not re.match(r"https?://", text, re.IGNORECASE):
        raise ValueError("not an http:// or https:// URL; write one like https://host:8443")
    parts = _split_url(text)
    if parts is None:
        raise ValueError("has a host or a port that cannot be; write a URL like https://host:8443")
    if parts.password is not None:
        raise ValueError("has a password in it; put that into a file and name it in auth.password_file")
    if "@" in parts.netloc:
        raise ValueError("names a user, and the key user does too; keep one of them")
    if not parts.hostname or not (":" in parts.hostname or re.fullmatch(r"[\w.-]+", parts.hostname)):
        raise ValueError("has no host, or one that cannot be; write a URL like https://host:8443")
    if "?" in text or "#" in text or "@" in parts.path:
        raise ValueError("has a ?, a # or an @ after the host; end it at the host, the port or a path")
    path = parts.path.rstrip("/")
    if added := re.search(r"/v1(/query|/info)?\Z", path):
        raise ValueError(f"ends in {added[0]}, which the exporter adds itself; end it before")
    return f"{parts.scheme}://{parts.netloc}{path}"


def _token_url(text: str) -> str:
    """Return *text* if tokens can be asked for there. RFC 6749 allows a query, and nothing that is secret."""
    if not text.isprintable() or re.search(r"[\s\\#]", text) or not re.match(r"https?://", text, re.IGNORECASE):
        raise ValueError("not an address to ask for tokens; write one like https://login.example/oauth2/token")
    parts = _split_url(text)
    if parts is None or not parts.hostname or not (":" in parts.hostname or re.fullmatch(r"[\w.-]+", parts.hostname)):
        raise ValueError("has a host or a port that cannot be; write one like https://login.example/oauth2/token")
    if "@" in parts.netloc:
        raise ValueError("has a user or a password in it; write client_id and client_secret_file")
    return text


def _without_at(service: str) -> str:
    if re.search(r"[/@]", service):
        raise ValueError("has a / or an @; write the first part of the coordinator's principal, such as HTTP or trino")
    return service


def _host_name(text: str) -> str:
    if not re.fullmatch(r"[\w.-]+", text):
        raise ValueError("not a host name; write the second part of the coordinator's principal")
    return text


def _split_url(text: str) -> SplitResult | None:
    """Return the parts of *text*, or None if its host or port cannot be."""
    try:
        parts = urlsplit(text)
        return None if parts.port == 0 else parts
    except ValueError:
        return None


def _header_name(name: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("a name that no header can have; use letters, digits and -")
    if name.lower() == "authorization":
        raise ValueError("not for Authorization; use what is under auth")
    return name


def _header_value(value: SecretText) -> SecretText:
    if not _HEADER_VALUE.fullmatch(value.get_secret_value()):
        raise ValueError("not a value that a header can have; one line, without spaces around it, not empty")
    return value


def _error_name(name: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
        raise ValueError("not the name of an error; write one like USER_CANCELED")
    return name


def _not_empty(items: tuple[object, ...]) -> tuple[object, ...]:
    if not items:
        raise ValueError("empty; list at least one")
    return items


def _from_text(parse: Callable[[str], object]) -> BeforeValidator:
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


def _within(least: float, most: float, span: str) -> AfterValidator:
    def check(value: float) -> float:
        if not least <= value <= most:
            raise ValueError(f"out of range; choose {span}")
        return value

    return AfterValidator(check)


class SecretText(Secret[str]):
    """A text that may be a secret: ``get_secret_value()`` has it, nothing prints it."""

    def _display(self) -> str:
        return "<secret>"


def checked(check: Callable[[_Value], _Value]) -> AfterValidator:
    """Return what lets a value pass only as *check* returns it, whose ValueError says what is wrong and what to do."""
    return AfterValidator(check)


Text = Annotated[str, AfterValidator(_printable)]
Switch = Annotated[bool, _from_text(_parse_switch)]
Interval = Annotated[float, _from_text(parse_duration), _within(0.001, 86400, "from 1ms to 1d")]
Delay = Annotated[float, _from_text(parse_duration), _within(0, 86400, "from 0s to 1d")]
Days = Annotated[float, _from_text(parse_duration), _within(0, 400 * 86400, "from 0s to 400d")]
Size = Annotated[int, _from_text(parse_size), _within(1, 2**40, "from 1B to 1TiB")]
Count = Annotated[int, _from_text(_parse_count), _within(0, 10**6, "from 0 to 1000000")]
Positive = Annotated[int, _from_text(_parse_count), _within(1, 10**6, "from 1 to 1000000")]
ExistingFile = Annotated[Path, _from_text(_parse_path), AfterValidator(_existing)]
ListenAddress = Annotated[Address | SocketPath, PlainValidator(_listen_address), PlainSerializer(tuple)]
HeaderName = Annotated[str, AfterValidator(_header_name)]


class Section(BaseModel):
    """A mapping of the file. A key that is null, or has nothing after it, has its default."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, raw: object) -> object:
        if not isinstance(raw, dict):
            return raw
        return {key: value for key, value in raw.items() if value is not None or key not in cls.model_fields}


class Tls(Section):
    """Whom the exporter trusts, and its own certificate."""

    ca_file: ExistingFile | None = None
    cert_file: ExistingFile | None = None
    key_file: ExistingFile | None = None
    server_name: Text | None = None
    """The name to expect in the server's certificate; None: the host of the URL."""
    insecure_skip_verify: Switch = False


class OAuth2(Section):
    """A token server, asked for a token by client credentials; with none of its keys it is not."""

    token_url: Annotated[Text, AfterValidator(_token_url)] | None = None
    client_id: Text | None = None
    client_secret_file: ExistingFile | None = None
    scope: Text | None = None
    audience: Text | None = None
    tls: Tls = Tls()


class Kerberos(Section):
    """SPNEGO; without a service's name there is none."""

    service_name: Annotated[Text, AfterValidator(_without_at)] | None = None
    """The first part of the coordinator's principal."""
    principal: Text | None = None
    """Ours; None: the first of the keytab, or that of the credential cache."""
    keytab_file: ExistingFile | None = None
    """None: the credential cache of the process."""
    hostname: Annotated[Text, AfterValidator(_host_name)] | None = None
    """The second part of the coordinator's principal; None: the host of the URL."""


class Auth(Section):
    """How the exporter proves who it is: in one way; in none, the user's name alone is sent."""

    password_file: ExistingFile | None = None
    bearer_token_file: ExistingFile | None = None
    oauth2: OAuth2 = OAuth2()
    kerberos: Kerberos = Kerberos()
    over_plain_http: Switch = False

    @property
    def names_user(self) -> bool:
        """True if not `Cluster.user` but what is proved says who asks."""
        return bool(self.bearer_token_file or self.oauth2.token_url or self.kerberos.service_name)


class Cluster(Section):
    """One coordinator to ask."""

    name: Text | None = None
    """The value of the label ``presto_cluster``; None: the coordinator's environment."""
    url: Annotated[str, AfterValidator(_coordinator_url)]
    """Scheme, host, port and perhaps a path; no user, and no slash at its end."""
    user: Annotated[Text, AfterValidator(_without_colon)] = DEFAULT_USER
    auth: Auth = Auth()
    tls: Tls = Tls()
    headers: dict[HeaderName, Annotated[SecretText, AfterValidator(_header_value)]] = Field(default_factory=dict)
    poll_interval: Interval = 15.0
    """Seconds, start to start."""
    timeout: Interval = 10.0
    """Seconds, for the whole poll."""
    max_response_bytes: Size = 256 * 2**20

    @model_validator(mode="before")
    @classmethod
    def _take_user_from_url(cls, raw: object) -> object:
        """Move the user of ``http://user@host`` to `user`; what must not be there stays, for the URL's own check."""
        if not isinstance(raw, dict) or not isinstance(raw.get("url"), str) or raw.get("user") is not None:
            return raw
        parts = _split_url(raw["url"])
        if parts is None or parts.username is None or parts.password is not None:
            return raw
        user_at, _, _ = parts.netloc.rpartition("@")
        return {**raw, "url": raw["url"].replace(f"{user_at}@", "", 1), "user": unquote(parts.username)}


class Outcomes(Section):
    """Which errors mean that a query was canceled rather than failed."""

    canceled: tuple[Annotated[str, AfterValidator(_error_name)], ...] = (
        "USER_CANCELED",
        "ADMINISTRATIVELY_KILLED",
        "ADMINISTRATIVELY_PREEMPTED",
    )


class LabelLimit(Section):
    """How many values of a label have series of their own; 0: every value becomes the empty one."""

    max_values: Count


class UserLimit(LabelLimit):
    """The limit of the label ``user``."""

    max_values: Count = 1000


class SourceLimit(LabelLimit):
    """The limit of the label ``source``."""

    max_values: Count = 50


class ErrorNameLimit(LabelLimit):
    """The limit of the label ``error_name``."""

    max_values: Count = 200


class Labels(Section):
    """The limits of the labels whose values come from outside."""

    user: UserLimit = UserLimit()
    source: SourceLimit = SourceLimit()
    error_name: ErrorNameLimit = ErrorNameLimit()


class Fingerprints(Section):
    """Which fingerprints of statements have series of their own."""

    max_series: Count = 500
    admit_after: Positive = 3
    """Queries of a fingerprint before it has series."""
    statement_label_length: Count = 120
    """Characters of the template in the label ``statement``."""
    retire_after: Days = 30 * 86400.0
    """Seconds without a query after which a fingerprint's series are shown no more; 0: never."""


class Ledger(Section):
    """Where the exporter keeps what it has counted."""

    path: Annotated[Path, _from_text(_parse_path)] = Path("presto-query-exporter.sqlite")


class Usage(Section):
    """How much is kept of who used what, by the hour and by the day, for the pages under ``/queries``."""

    retention: Days = 90 * 86400.0
    """Seconds; 0 keeps nothing."""
    max_groups: Positive = 1000
    """Groups of (fingerprint, user, source) kept of each hour once it is a day old, and twice as many of each day."""


class Web(Section):
    """Where the exporter's own pages are. The keys are named as in Prometheus' exporter-toolkit."""

    listen_addresses: Annotated[tuple[ListenAddress, ...], AfterValidator(_not_empty)] = (Address("", 9483),)
    telemetry_path: Annotated[str, _from_text(_parse_telemetry_path)] = "/metrics"
    config_file: ExistingFile | None = None
    """TLS and users, in the exporter-toolkit's format; None: plain HTTP for everyone."""
    systemd_socket: Switch = False
    """Serve on the sockets that systemd passes, not on `listen_addresses`."""
    enable_lifecycle: Switch = False
    """Let ``POST /-/reload`` read the configuration again."""


class Log(Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warn", "error"] = "info"
    format: Literal["logfmt", "json"] = "logfmt"


class Config(Section):
    """The whole configuration, valid and immutable. Durations are seconds, sizes bytes."""

    clusters: Annotated[tuple[Cluster, ...], AfterValidator(_not_empty)]
    outcomes: Outcomes = Outcomes()
    labels: Labels = Labels()
    fingerprints: Fingerprints = Fingerprints()
    new_series_delay: Delay = 60.0
    """Seconds for which a new counter series shows 0."""
    ledger: Ledger = Ledger()
    usage: Usage = Usage()
    web: Web = Web()
    log: Log = Log()


Flags = Mapping[str, str | bool | Sequence[str]]
"""Values from the command line by flag, named as in FLAGS. They win over what the file says."""

_Model = TypeVar("_Model", bound=Section)


def load(path: str | os.PathLike[str], environ: Mapping[str, str], flags: Flags | None = None) -> Config:
    """Return the configuration in the file at *path*; ConfigError with all that is wrong with it."""
    return parse(read_text(path), environ, os.fspath(path), flags)


def read_text(path: str | os.PathLike[str]) -> str:
    """Return what is in the file at *path*; ConfigError if that is no text that we can read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        problem = f"{reason}; name a file that we can read"
    except UnicodeDecodeError:
        problem = "not UTF-8; save it as UTF-8"
    raise ConfigError([Problem(os.fspath(path), problem)])


def parse(text: str, environ: Mapping[str, str], place: str = "config", flags: Flags | None = None) -> Config:
    """Return the configuration that *text* is in YAML; ConfigError with all that is wrong with it.

    *place* is how problems call the text: ``place:12: clusters[1].url: what is wrong; what to do``.
    """
    return parse_as(
        Config, text, place, "the key clusters:", _contradictions, check=_lacking, environ=environ, flags=flags or {}
    )


def parse_as(
    model: type[_Model],
    text: str,
    place: str,
    beginning: str,
    contradictions: Callable[[dict[str, object]], Iterable[Found]],
    *,
    check: Callable[[_Model], Iterable[Found]] = lambda _: (),
    environ: Mapping[str, str] | None = None,
    flags: Flags = MappingProxyType({}),
    unnamed: Collection[str] = (),
) -> _Model:
    """Return the *model* that *text* is in YAML; ConfigError with all that is wrong with it.

    *beginning* is what to begin an empty text with. *contradictions* finds what is wrong between keys, in what YAML
    gives, whether or not each key by itself is right; *check* what else is wrong, if nothing has been found. Without
    *environ* a dollar sign is one like any other. The keys below those of *unnamed* may be misplaced secrets: no
    message has them.
    """
    reader = _Reader(environ)
    root = _compose(text, place, beginning)
    try:
        raw = reader.read(root, ())
    except RecursionError:
        raise ConfigError([Problem(place, _TOO_DEEP)]) from None
    if not isinstance(raw, dict):
        raise ConfigError([Problem(place, f"not a mapping; begin with {beginning}")])

    def locate(found: Found) -> tuple[int, str]:
        line = found.line or _line_of(root, found.loc)
        named = found.loc[:1] if found.loc[:1] and found.loc[0] in unnamed else found.loc
        return line, f"{place}:{line}: {_dotted(named)}".removesuffix(": ")

    return _build(model, raw, reader, contradictions, check, flags, locate)


def from_coordinators(urls: Sequence[str], environ: Mapping[str, str], flags: Flags | None = None) -> Config:
    """Return the defaults with these clusters, each written ``[NAME=]URL``; ConfigError with all that is wrong."""
    reader = _Reader(environ)
    clusters: list[object] = []
    seen = set()
    for index, text in enumerate(urls):
        loc: Loc = ("clusters", index)
        name, equals, rest = reader.fill(text, (*loc, "url")).partition("=")
        is_named = equals and "://" not in name
        url = rest if is_named else f"{name}{equals}{rest}"
        clusters.append({"name": name if is_named else None, "url": url})
        if (root := _root(url)) in seen and (*loc, "url") not in reader.unfilled:
            reader.found.append(Found((*loc, "url"), "the URL of an earlier coordinator too; give each once"))
        seen.add(root)

    def locate(found: Found) -> tuple[int, str]:
        index = found.loc[1] if len(found.loc) > 1 else 0
        return int(index), _dotted(found.loc).replace("clusters", "--coordinator", 1)

    return _build(Config, {"clusters": clusters}, reader, _contradictions, lambda _: (), flags or {}, locate)


class Found(NamedTuple):
    """Something wrong, before its place has been written out."""

    loc: Loc
    message: str
    line: int | None = None
    """Counted from 1; None: the line of *loc*."""


class _Reader:
    """Turns nodes of YAML into texts, lists, mappings and None, with the environment filled in."""

    def __init__(self, environ: Mapping[str, str] | None) -> None:
        self.found: list[Found] = []
        self.unfilled: set[Loc] = set()
        """Where a text lacks its part from the environment: whatever else is wrong with it is no news."""
        self._environ = environ
        self._values: dict[int, object] = {}

    def read(self, node: yaml.Node, loc: Loc) -> object:
        """Return the value of *node*; one that is reached again through an alias is the same object."""
        if id(node) not in self._values:
            self._values[id(node)] = self._value(node, loc)
        return self._values[id(node)]

    def fill(self, text: str, loc: Loc) -> str:
        """Return *text* with ``${NAME}``, ``${NAME:-default}`` and ``$$`` replaced, if there is an environment."""
        environ = self._environ
        if environ is None:
            return text

        def replace(match: re.Match[str]) -> str:
            if match["dollar"]:
                return "$"
            name, default = match["name"], match["default"]
            value = environ.get(name or "")
            if name is None:
                self._lack(loc, "a ${ that begins neither ${NAME} nor ${NAME:-default}; write $$ for a dollar sign")
            elif default is not None:
                return value or default.replace("$$", "$")
            elif value is None:
                self._lack(loc, f"environment variable {name} is not set; set it, or write ${{{name}:-default}}")
            return value or ""

        return _REFERENCE.sub(replace, text)

    def _lack(self, loc: Loc, message: str) -> None:
        self.found.append(Found(loc, message))
        self.unfilled.add(loc)

    def _value(self, node: yaml.Node, loc: Loc) -> object:
        if node.tag not in _TAGS:
            self.found.append(Found(loc, "a YAML tag, which has no meaning here; remove it", _line(node)))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, loc)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*loc, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and (node.style is not None or node.value not in _NULLS):
            return self.fill(node.value, loc)
        return None

    def _mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, object]:
        own: dict[str, object] = {}
        merged: dict[str, object] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.found.append(Found(loc, "a key that is not a single name; write name: value", _line(key)))
            elif key.value == "<<" and key.style is None:
                sources = self.read(value, loc)
                for source in sources if isinstance(sources, list) else [sources]:
                    if not isinstance(source, dict):
                        self.found.append(Found(loc, "<< without a mapping; give it an alias of one", _line(key)))
                    merged = {**mapping(source), **merged}
            elif key.value in own:
                self.found.append(Found((*loc, key.value), "given twice; keep one of them", _line(key)))
            else:
                own[key.value] = self.read(value, (*loc, key.value))
        return {**merged, **own}


def _compose(text: str, place: str, beginning: str) -> yaml.Node:
    """Return the root of *text*'s tree; ConfigError if it is not YAML."""
    try:
        root = yaml.BaseLoader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        # Words in quotes come from the file: perhaps a password that begins like an alias or a tag.
        reason = re.sub(r"'[\w!-]{2,}'", "…", ", ".join(filter(None, (error.context, error.problem))))
        advice = "look at this line and those before it (texts with special characters need quotes)"
        problem = Problem(f"{place}{line}", f"not YAML: {reason}; {advice}")
    except yaml.reader.ReaderError as error:
        lines_before = text.count("\n", 0, error.position)
        problem = Problem(f"{place}:{lines_before + 1}", "a control character, which YAML does not allow; remove it")
    except (ValueError, OverflowError):
        problem = Problem(place, "an escape or a version that YAML cannot have; look for a backslash or %YAML")
    except RecursionError:
        problem = Problem(place, _TOO_DEEP)
    else:
        if root is not None:
            return root
        problem = Problem(place, f"empty; begin with {beginning}")
    raise ConfigError([problem])


def _build(
    model: type[_Model],
    raw: dict[str, object],
    reader: _Reader,
    contradictions: Callable[[dict[str, object]], Iterable[Found]],
    check: Callable[[_Model], Iterable[Found]],
    flags: Flags,
    locate: Callable[[Found], tuple[int, str]],
) -> _Model:
    """Return the *model* that is *raw* with *flags*; ConfigError, ordered by what *locate* says."""
    for flag, value in flags.items():
        section, key = FLAGS[flag]
        if isinstance(below := raw.get(section) or {}, dict):
            raw = {**raw, section: {**below, key: value}}
    flag_of: dict[Loc, str] = {FLAGS[flag]: f"--{flag}" for flag in flags}
    built, wrong = _validate(model, raw)
    wrong = [*contradictions(raw), *wrong]
    if built is not None and not wrong and not reader.found:
        wrong += check(built)
    located = [(*locate(each), each.message) for each in reader.found]
    for each in wrong:
        if given := flag_of.get(each.loc[:2]):
            located.append((0, given, each.message))
        elif each.loc not in reader.unfilled:
            located.append((*locate(each), each.message))
    if built is None or located:
        located.sort(key=lambda each: each[0])
        raise ConfigError([Problem(place, message) for _, place, message in located])
    return built


def _validate(model: type[_Model], raw: dict[str, object]) -> tuple[_Model | None, list[Found]]:
    """Return the *model*, or what is wrong with the fields of *raw*, each by itself."""
    try:
        return model.model_validate(raw), []
    except ValidationError as error:
        return None, [_explain(model, each) for each in error.errors(include_url=False, include_input=False)]


def _contradictions(raw: dict[str, object]) -> Iterator[Found]:
    """Yield what is wrong between keys of the configuration."""
    clusters = raw.get("clusters")
    names = set()
    for index, cluster in enumerate(map(mapping, clusters if isinstance(clusters, list) else [])):
        loc: Loc = ("clusters", index)
        auth, tls = mapping(cluster.get("auth")), mapping(cluster.get("tls"))
        proofs = [key for key in _PROOFS if _is_given(auth.get(key))]
        if isinstance(name := cluster.get("name"), str):
            if name in names:
                yield Found((*loc, "name"), "the name of an earlier cluster too; give each its own")
            names.add(name)
        for key in proofs[1:]:
            yield Found((*loc, "auth", key), f"not together with {proofs[0]}; keep one of them")
        is_in_clear = str(auth.get("over_plain_http")).lower() == "true"
        if _is_http(cluster.get("url")) and not is_in_clear:
            for key in proofs:
                yield Found((*loc, "auth", key), _SENT_IN_CLEAR)
        yield from _contradictions_of_tls((*loc, "tls"), cluster.get("url"), tls)
        yield from _contradictions_of_oauth2((*loc, "auth", "oauth2"), auth.get("oauth2"), is_in_clear)
        yield from _contradictions_of_kerberos((*loc, "auth", "kerberos"), auth.get("kerberos"))
        lowered = set()
        for header in map(str.lower, mapping(cluster.get("headers"))):
            if header in lowered:
                yield Found((*loc, "headers"), "has a name twice, in different case; keep one of them")
            lowered.add(header)


def _contradictions_of_tls(loc: Loc, url: object, tls: Mapping[str, object]) -> Iterator[Found]:
    certificate = [key for key in ("cert_file", "key_file") if tls.get(key) is not None]
    if len(certificate) == 1:
        yield Found((*loc, certificate[0]), "cert_file and key_file belong together; give both or neither")
    if _is_http(url) and _is_given(tls):
        yield Found(loc, "of no use with an http:// URL; write https://, or remove it")


def _contradictions_of_oauth2(loc: Loc, section: object, is_in_clear: bool) -> Iterator[Found]:
    oauth2 = mapping(section)
    if section == {}:
        yield Found(loc, "empty; give it token_url, client_id and client_secret_file, or remove the key")
    if _is_given(oauth2):
        for key in ("token_url", "client_id", "client_secret_file"):
            if oauth2.get(key) is None:
                yield Found((*loc, key), "not there, but other keys of oauth2 are; add it")
    url = oauth2.get("token_url")
    if _is_http(url) and not is_in_clear:
        yield Found((*loc, "token_url"), f"the client's secret {_SENT_IN_CLEAR}")
    yield from _contradictions_of_tls((*loc, "tls"), url, mapping(oauth2.get("tls")))


def _contradictions_of_kerberos(loc: Loc, section: object) -> Iterator[Found]:
    kerberos = mapping(section)
    if section == {} or (_is_given(kerberos) and kerberos.get("service_name") is None):
        yield Found((*loc, "service_name"), "not there; add it: HTTP, or what the coordinator's service-name says")


def _is_given(value: object) -> bool:
    """Return whether there is more in it than nulls, and switches that are off."""
    if isinstance(value, dict):
        return any(map(_is_given, value.values()))
    return value is not None and str(value).lower() != "false"


def _is_http(url: object) -> bool:
    return str(url).lower().startswith("http://")


def _lacking(config: Config) -> Iterator[Found]:
    """Yield what is not installed of what the configuration needs."""
    for index, cluster in enumerate(config.clusters):
        needed = (("oauth2", cluster.auth.oauth2.token_url), ("kerberos", cluster.auth.kerberos.service_name))
        for key, is_used in needed:
            if is_used and importlib.util.find_spec(_PACKAGES[key]) is None:
                remedy = f"pip install 'presto-query-exporter[{key}]'"
                yield Found(("clusters", index, "auth", key), f"the package {_PACKAGES[key]} is missing; {remedy}")


def _explain(model: type[Section], error: Mapping[str, Any]) -> Found:
    """Return what pydantic found, in words of ours: its own hold the values."""
    kind, loc = error["type"], error["loc"]
    if kind == "value_error":
        # Raised by a function above, whose messages hold no values either.
        return Found(loc[:-1] if loc[-1] == "[key]" else loc, str(error["ctx"]["error"]))
    if kind == "extra_forbidden":
        known = _keys_at(model, loc[:-1])
        near = difflib.get_close_matches(str(loc[-1]), known, 1)
        return Found(loc, f"unknown key; did you mean {near[0]}?" if near else f"unknown key; use {', '.join(known)}")
    if kind == "literal_error":
        values = error["ctx"]["expected"].replace("'", "")
        return Found(loc, f"not one of those that can be; write {values}")
    return Found(loc, _MESSAGES.get(kind, _NOT_TEXT))


def _keys_at(model: type[Section], loc: Loc) -> list[str]:
    """Return the keys that the mapping at *loc* of a *model* may have."""
    section = model
    for key in loc:
        if isinstance(key, str):
            annotation = section.model_fields[key].annotation
            section = (*get_args(annotation), annotation)[0]
    return list(section.model_fields)


def mapping(value: object) -> dict[str, object]:
    """Return *value* if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def _root(url: str) -> str:
    """Return what two spellings of the same coordinator's URL have in common."""
    parts = _split_url(url)
    if parts is None:
        return url
    host = parts.netloc.rpartition("@")[2].lower()
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}"


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1


def _line_of(node: yaml.Node, loc: Loc) -> int:
    """Return the line, from 1, where *loc* begins below *node*, or the nearest that is there around it."""
    line = _line(node)
    for part in loc:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = _line(node)
        elif isinstance(node, yaml.MappingNode):
            below = next((pair for pair in node.value if pair[0].value == part), None)
            if below is None:
                break
            line, node = _line(below[0]), below[1]
    return line


def _dotted(loc: Loc) -> str:
    """Return *loc* as ``clusters[1].auth.password_file``, up to a key that may be a misplaced secret."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", part):
            text += f".{part}" if text else part
        else:
            break
    return text

"""The web configuration: right ones are what is asked of clients, wrong ones every problem at once, none a secret."""

from __future__ import annotations

import logging
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.cli import main
from exporter.errors import ConfigError
from exporter.expose.access import Access, AccessFile, read_access
from exporter.expose.tls import admits, names, plain_name
from exporter.expose.web_config import CIPHER_SUITES, CURVES, HEADERS, TlsServer, WebConfig
from tests.web_folder import HASH, TLS, WebFolder

DATA = Path(__file__).parent / "data" / "web_config"
BAD = sorted(path for path in DATA.glob("*.yml") if not path.name.startswith("good-"))
SECRET = "hunter2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> WebFolder:
    made = WebFolder(tmp_path_factory.mktemp("web"))
    made.encrypt("server")
    return made


@pytest.fixture
def own(tmp_path: Path) -> WebFolder:
    """A folder that a test may change."""
    return WebFolder(tmp_path)


def reader(folder: Path) -> Callable[[str], bytes]:
    def read(name: str) -> bytes:
        if not (folder / name).is_file():
            raise ValueError("no such file; name one")
        return (folder / name).read_bytes()

    return read


def access(text: str, folder: WebFolder) -> Access:
    return read_access(text, "web.yml", reader(folder.path))


def problems(text: str, folder: WebFolder) -> list[str]:
    """Return what is wrong with *text*, as the exporter finds it at its start."""
    with pytest.raises(ConfigError) as caught:
        AccessFile(folder.write(text))
    return [str(problem).replace(f"{folder.path}/", "") for problem in caught.value.problems]


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_file_says_all_that_its_first_comment_expects_and_no_secret(path: Path, folder: WebFolder) -> None:
    """UPDATE=1 rewrites the comment."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    count = next((index for index, line in enumerate(lines) if not line.startswith("# ")), len(lines))
    if os.environ.get("UPDATE"):
        body = "".join(lines[count:])
        count = len(problems(body, folder))
        lines = [f"# {problem}\n" for problem in problems("#\n" * count + body, folder)]
        path.write_text("".join(lines) + body, encoding="utf-8")
    found = problems(path.read_text(encoding="utf-8"), folder)
    assert found == [line.removeprefix("# ").rstrip("\n") for line in lines[:count]]
    assert not any(SECRET in problem for problem in found)
    assert all(re.match(r"web\.yml(:\d+)?: \S.*; \S", problem) and problem.isprintable() for problem in found)


def test_what_the_file_says_is_asked_of_clients(folder: WebFolder) -> None:
    found = access((DATA / "good-full.yml").read_text("utf-8"), folder)
    assert found.context is not None
    assert found.context.verify_mode is ssl.CERT_REQUIRED
    assert found.context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert {each["name"] for each in found.context.get_ciphers() if each["protocol"] == "TLSv1.2"} == {
        "ECDHE-ECDSA-AES128-GCM-SHA256"
    }
    assert found.allowed_names == {"prometheus.example", "2001:db8::1", "spiffe://example/prometheus"}
    assert found.users.keys() == {b"alice", "bób".encode()}
    assert dict(found.headers) == {
        b"x-frame-options": b"deny",
        b"strict-transport-security": b"max-age=31536000; includeSubDomains",
        b"x-content-type-options": b"nosniff",
        b"x-xss-protection": b"1",
    }
    assert (found.request_interval, found.request_burst) == (90.0, 5)
    assert [note.partition(":")[0] for note in found.notes] == [
        "http_server_config.http2",
        "tls_server_config.curve_preferences",
    ]


@pytest.mark.parametrize("name", ["nothing", "nulls"])
def test_nothing_asks_for_nothing(name: str, folder: WebFolder) -> None:
    found = access((DATA / f"good-{name}.yml").read_text("utf-8"), folder)
    assert found == Access(None, frozenset(), {}, [], 0.0, 0, [])


OF_THE_TOOLKIT = [
    TLS,
    f"{TLS}basic_auth_users:\n  alice: $2y$12$1DpfPeqF9HzHJt.EWswy1exHluGfbhnn3yXhR7Xes6m3WJqFg0Wby\n"
    "  bob: $2y$18$4VeFDzXIoPHKnKTU3O3GH.N.vZu06CVqczYZ8WvfzrddFU6tGqjR.\n",
    "basic_auth_users: {carol: $2y$10$qRTBuFoULoYNA7AQ/F3ck.trZBPyjV64.oA4ZsSBCIWvXuvQlQTuu}",
    "rate_limit: {interval: 0, burst: 0}",
    "http_server_config: {headers: {X-XSS-Protection: 1, Content-Security-Policy: \"default-src 'self' *.test\"}}",
    "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
    "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.pem\n"
    "  cipher_suites:\n  - TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\n  max_version: TLS12\n"
    "http_server_config:\n  http2: false\n",
    "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  min_version: TLS13\n"
    "  curve_preferences:\n  - CurveP521\n",
]
"""Shapes of files that its own tests take for good."""


@pytest.mark.parametrize("text", OF_THE_TOOLKIT)
def test_files_of_the_toolkit_are_taken(text: str, folder: WebFolder) -> None:
    assert access(text, folder).context is None or "tls_server_config" in text


@pytest.mark.parametrize("suite", CIPHER_SUITES)
def test_every_cipher_suite_is_one_of_openssl(suite: str, folder: WebFolder) -> None:
    text = f"tls_server_config: {{cert_file: server.crt, key_file: server.key, cipher_suites: [{suite}]}}"
    context = access(text, folder).context
    assert context is not None
    assert [each["name"] for each in context.get_ciphers() if not each["name"].startswith("TLS_")] == [
        CIPHER_SUITES[suite]
    ]


@pytest.mark.parametrize("curve", CURVES)
def test_every_curve_is_one_of_openssl(curve: str, folder: WebFolder) -> None:
    if not _can_set(curve):
        pytest.skip("this Python cannot set it")
    text = f"tls_server_config: {{cert_file: server.crt, key_file: server.key, curve_preferences: [{curve}]}}"
    assert access(text, folder).context is not None


def _can_set(curve: str) -> bool:
    """Return whether `ssl` takes the curve: Python 3.11.2 refuses X25519, which its OpenSSL has."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ecdh_curve(CURVES[curve])
    except (ssl.SSLError, ValueError):
        return False
    return True


def test_certificate_and_key_may_be_in_the_file_itself(folder: WebFolder) -> None:
    inline = {
        "cert": (folder.path / "server.crt").read_text(),
        "key": (folder.path / "server.key").read_text(),
        "client_ca": (folder.path / "ca.pem").read_text(),
        "client_auth_type": "RequireAndVerifyClientCert",
    }
    context = access(yaml.safe_dump({"tls_server_config": inline}), folder).context
    assert context is not None
    assert len(context.get_ca_certs()) == 1


def test_files_of_certificates_may_have_remarks_in_any_script(own: WebFolder) -> None:
    for name in ("ca.pem", "server.crt", "server.key"):
        path = own.path / name
        path.write_bytes("# Zertifizierungsstelle für Prüfungen ☃\n".encode() + path.read_bytes())
    more = ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem}"
    assert access(TLS.replace("}", more), own).context is not None


def test_secrets_are_printed_nowhere() -> None:
    config = WebConfig.model_validate(
        {"tls_server_config": {"key": SECRET, "cert": SECRET}, "basic_auth_users": {"alice": HASH}}
    )
    for shown in (str(config), repr(config), str(config.model_dump()), config.model_dump_json()):
        assert "<secret>" in shown
        assert SECRET not in shown
        assert HASH not in shown


def test_passwords_in_clear_are_remarked_on(folder: WebFolder) -> None:
    users = f"basic_auth_users: {{alice: {HASH}}}\n"
    assert ["clear" in note for note in access(users, folder).notes] == [True]
    assert access(users + TLS, folder).notes == []


SAN = (("DNS", "a.example"), ("email", "a@b"), ("URI", "spiffe://a"), ("IP Address", "2001:DB8:0:0:0:0:0:1"))


def test_names_of_a_certificate_are_its_dns_mail_uri_and_ip_names() -> None:
    assert list(names({"subjectAltName": (*SAN, ("DirName", "x"), ("IP Address", "<invalid>"))})) == [
        "a.example",
        "a@b",
        "spiffe://a",
        "2001:db8::1",
        "<invalid>",
    ]
    assert list(names({"subject": ((("commonName", "a.example"),),)})) == []


@pytest.mark.parametrize(
    ("written", "plain"),
    [("2001:0DB8::0001", "2001:db8::1"), ("192.0.2.7", "192.0.2.7"), ("A.example", "A.example"), ("", "")],
)
def test_an_ip_address_has_one_spelling(written: str, plain: str) -> None:
    assert plain_name(written) == plain


VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-1, 20)
    | st.text(max_size=4).map(lambda text: SECRET + text)
    | st.sampled_from(["TLS13", "server.crt", "ca.pem", HASH, "X25519", "RequireAndVerifyClientCert", "1s", "."])
)
KEYS = st.sampled_from([*TlsServer.model_fields, "headers", "http2", "interval", "burst", *HEADERS, "<<", SECRET])
TREES = st.recursive(
    VALUES, lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=4), max_leaves=12
)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.sampled_from([*WebConfig.model_fields, "others"]), TREES) | TREES)
def test_whatever_yaml_says_is_an_access_or_problems_without_secrets(folder: WebFolder, tree: object) -> None:
    try:
        access(yaml.safe_dump(tree, allow_unicode=True), folder)
    except ConfigError as error:
        assert error.problems
        assert not any(SECRET in problem.message for problem in error.problems)
        assert not any(f"basic_auth_users.{SECRET}" in problem.place for problem in error.problems)
        assert all(str(problem).isprintable() for problem in error.problems)


class TestFile:
    """What is in force is what the files said last without a problem."""

    def test_a_change_is_in_force_at_once_and_a_file_that_stays_is_read_once(self, own: WebFolder) -> None:
        told: list[bool] = []
        file = AccessFile(own.write("{}"), told.append)
        for burst in range(1, 30):
            own.write(f"rate_limit: {{interval: 1s, burst: {burst}}}")
            assert file.current().request_burst == burst
        assert told
        assert all(told)
        settled_once(file)
        count = len(told)
        assert file.current() is file.current()
        assert len(told) == count

    def test_a_change_in_place_that_leaves_size_and_time_alike_is_seen(self, own: WebFolder) -> None:
        path = own.write("rate_limit: {interval: 1s, burst: 1}")
        file = AccessFile(path)
        for burst in (2, 3, 4, 5):
            path.write_text(f"rate_limit: {{interval: 1s, burst: {burst}}}")
            assert file.current().request_burst == burst

    @pytest.mark.parametrize("text", ["", "x", "rate_limit: {burst: many}", "basic_auth_users:", None])
    def test_a_broken_file_leaves_the_old_one_in_force_is_told_once_and_heals(
        self, own: WebFolder, text: str | None, caplog: pytest.LogCaptureFixture
    ) -> None:
        told: list[bool] = []
        good = f"basic_auth_users: {{alice: {HASH}}}\n{TLS}"
        path = own.write(good)
        file = AccessFile(path, told.append)
        if text is None:
            path.unlink()
        else:
            own.write(text)
        with caplog.at_level(logging.INFO):
            for _ in range(5):
                assert file.current().users.keys() == {b"alice"}
        assert file.problems
        assert not told[-1]
        complaints = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert len(complaints) == len(file.problems)
        own.write(good + "rate_limit: {interval: 1s, burst: 7}")
        assert file.current().request_burst == 7
        assert not file.problems
        assert told[-1]

    def test_certificates_are_read_again_and_a_pair_that_does_not_match_is_not_used(self, own: WebFolder) -> None:
        file = AccessFile(own.write(TLS))
        first = file.current().context
        (own.path / "server.crt").write_bytes((own.path / "other.crt").read_bytes())
        assert file.current().context is first
        assert [problem.message.partition(";")[0] for problem in file.problems] == ["is not the key of the certificate"]
        (own.path / "server.key").write_bytes((own.path / "other.key").read_bytes())
        second = file.current().context
        assert second is not first
        assert not file.problems

    def test_a_file_that_was_missing_is_found_once_it_is_there(self, own: WebFolder) -> None:
        file = AccessFile(own.write(TLS))
        own.write(TLS.replace("server.", "new."))
        assert file.current()
        assert len(file.problems) == 2
        own.renew("new")
        assert file.current()
        assert not file.problems

    def test_a_swapped_link_is_a_change(self, own: WebFolder) -> None:
        """Kubernetes updates a mounted secret this way."""
        for version in ("1", "2"):
            (own.path / version).mkdir()
            (own.path / version / "web.yml").write_text(f"rate_limit: {{interval: 1s, burst: {version}}}")
        link, draft = own.path / "current", own.path / "draft"
        link.symlink_to("1")
        file = AccessFile(link / "web.yml")
        settled_once(file)
        draft.symlink_to("2")
        draft.replace(link)
        assert file.current().request_burst == 2

    @pytest.mark.parametrize(("before", "after"), [("{}", TLS), (TLS, "{}")])
    def test_whether_there_is_tls_is_decided_at_the_start(self, own: WebFolder, before: str, after: str) -> None:
        file = AccessFile(own.write(before))
        had = file.current().context
        own.write(after)
        assert file.current().context is had
        assert ["restart" in problem.message for problem in file.problems] == [True]
        own.write(before)
        assert file.current()
        assert not file.problems

    def test_notes_are_logged_when_they_change(self, own: WebFolder, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            file = AccessFile(own.write("http_server_config: {http2: true}"))
            own.write("http_server_config: {http2: true}\nrate_limit: {interval: 1s, burst: 1}")
            assert file.current().notes
        assert len(caplog.records) == 1

    def test_a_file_that_cannot_be_read_is_a_problem(self, tmp_path: Path) -> None:
        for path, message in ((tmp_path / "none.yml", "no such file"), (tmp_path, "is a directory")):
            with pytest.raises(ConfigError, match=message):
                AccessFile(path)


def settled_once(file: AccessFile) -> None:
    """Return once *file* has been read so long after its last change that it need not be read again."""
    before = None
    while before is not (before := file.current()):
        pass


def test_who_shows_no_certificate_is_for_openssl_to_judge() -> None:
    names_of_it = {"subjectAltName": SAN}
    assert admits(frozenset(), None)
    assert admits(frozenset({"a.example"}), None)
    assert admits(frozenset(), names_of_it)
    assert admits(frozenset({"b.example", "a.example"}), names_of_it)
    assert not admits(frozenset({"b.example", "A.example", "a.example."}), names_of_it)
    assert not admits(frozenset({"a.example"}), {"subject": ()})


def check_config(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[str]]:
    """Return the exit code of the command, and the lines of what it says on the one stream that it may write to."""
    code = main(["check-config", *map(str, arguments)])
    out, err = capsys.readouterr()
    assert not (err if code == 0 else out)
    return code, (out if code == 0 else err).splitlines()


def test_check_config_takes_a_web_configuration_by_itself(own: WebFolder, capsys: pytest.CaptureFixture[str]) -> None:
    path = own.write(TLS)
    assert check_config(capsys, "--web.config.file", path) == (0, [f"{path}: good"])


@pytest.mark.parametrize("name", [path.stem for path in BAD])
def test_check_config_says_of_it_what_a_start_would(
    name: str, folder: WebFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (DATA / f"{name}.yml").read_text(encoding="utf-8")
    expected = [f"error: {problem}" for problem in problems(text, folder)]
    code, said = check_config(capsys, "--web.config.file", folder.write(text))
    assert (code, [line.replace(f"{folder.path}/", "") for line in said]) == (2, expected)


def test_check_config_says_all_that_is_wrong_with_both(own: WebFolder, capsys: pytest.CaptureFixture[str]) -> None:
    bad, config = own.write("rate: 5\nbasic_auth_users: {alice: hunter2}\n"), own.path / "config.yml"
    config.write_text("clusters: [url: 'http://a']\nlog: {level: loud}\nstray: 1\n")
    places = [f"{config}:2", f"{config}:3", f"{bad}:1", f"{bad}:2"]
    code, said = check_config(capsys, config, "--web.config.file", bad)
    assert code == 2
    assert [line.removeprefix("error: ").rpartition(": ")[0].split(": ")[0] for line in said] == places
    assert SECRET not in "".join(said)
    config.write_text("clusters: [url: 'http://a']\n")
    code, said = check_config(capsys, "--web.config.file", bad, config)
    assert (code, [line.removeprefix("error: ").split(": ")[0] for line in said]) == (2, places[2:])
    good = own.write("{}")
    both = [f"{config}: good, with 1 cluster", f"{good}: good"]
    assert check_config(capsys, config, "--web.config.file", good) == (0, both)


def test_check_config_tries_a_web_configuration_in_place_of_the_one_that_is_named(
    own: WebFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    named, config = own.path / "named.yml", own.path / "config.yml"
    named.write_text("rate: 5")
    config.write_text(f"clusters: [url: 'http://a']\nweb: {{config_file: '{named}'}}")
    code, said = check_config(capsys, config)
    assert (code, len(said)) == (2, 1)
    assert said[0].startswith(f"error: {named}:1: rate: ")
    assert check_config(capsys, config, "--web.config.file", own.write("{}"))[0] == 0


def test_check_config_says_once_that_there_is_no_such_file(own: WebFolder, capsys: pytest.CaptureFixture[str]) -> None:
    expected = ["error: --web.config.file: no such file; relative paths start at the working directory"]
    config = own.path / "config.yml"
    missing = own.path / "none.yml"
    assert check_config(capsys, "--web.config.file", missing) == (2, expected)
    config.write_text("clusters: [url: 'http://a']")
    assert check_config(capsys, config, "--web.config.file", missing) == (2, expected)


@pytest.mark.parametrize("arguments", [(), ("--web.config.file", ""), ("",)])
def test_check_config_needs_a_file(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    code, said = check_config(capsys, *arguments)
    assert (code, said[-1]) == (2, "Error: give FILE, or --web.config.file, or both")


def test_check_config_takes_the_web_configuration_of_the_environment(own: WebFolder) -> None:
    path = own.write("rate: 5")
    command = [sys.executable, "-m", "exporter", "check-config"]
    environ = {**os.environ, "PRESTO_EXPORTER_WEB_CONFIG_FILE": str(path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environ)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {path}:1: rate: ")

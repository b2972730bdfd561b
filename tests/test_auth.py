from __future__ import annotations

import base64
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.errors import UnauthorizedError
from exporter.ingest.auth import Auth, Basic, Bearer, UserOnly
from exporter.ingest.connection import Limit


def limit(seconds: float = 20.0) -> Limit:
    return Limit(seconds, threading.Event())


def _basic(credentials: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()}


@pytest.mark.parametrize("user", ["monitor", "Zoë", "李雷", "with space", 'quote"d'])
def test_a_user_alone_goes_as_basic_with_an_empty_password(user: str) -> None:
    assert UserOnly(user).headers(limit()) == _basic(f"{user}:")


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (b"secret", "secret"),
        (b"secret\n", "secret"),
        (b"secret\r\n", "secret"),
        (b" a:b ", " a:b "),
        ("pässwörd\n".encode(), "pässwörd"),
    ],
)
def test_a_password_is_the_line_in_its_file(tmp_path: Path, content: bytes, password: str) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    assert Basic("monitor", str(file)).headers(limit()) == _basic(f"monitor:{password}")


def test_a_token_is_the_line_in_its_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("eyJhbGciOi.eyJz-dWI_i.x==\n")
    assert Bearer(str(file)).headers(limit()) == {"Authorization": "Bearer eyJhbGciOi.eyJz-dWI_i.x=="}


@pytest.mark.parametrize("kind", [lambda file: Basic("monitor", file), Bearer])
def test_a_secret_is_read_at_every_use(tmp_path: Path, kind: Callable[[str], Auth]) -> None:
    file = tmp_path / "secret"
    file.write_text("first")
    auth = kind(str(file))
    before = auth.headers(limit())
    file.write_text("second")
    after = auth.headers(limit())
    file.unlink()
    with pytest.raises(UnauthorizedError):
        auth.headers(limit())
    file.write_text("first")
    assert before != after
    assert auth.headers(limit()) == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty; write the secret into it"),
        (b"\n", "empty; write the secret into it"),
        (b"hidden\nhidden\n", "not one line of text; write the secret alone into it"),
        (b"hid\0den", "not one line of text; write the secret alone into it"),
        (b"hidden" * 20_000, "not one line of text; write the secret alone into it"),
    ],
)
@pytest.mark.parametrize("kind", [lambda file: Basic("monitor", file), Bearer])
def test_a_file_without_a_secret_names_its_path_and_never_its_content(
    tmp_path: Path, kind: Callable[[str], Auth], content: bytes, message: str
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(UnauthorizedError) as caught:
        kind(str(file)).headers(limit())
    assert str(caught.value) == f"{file}: {message}"


@pytest.mark.parametrize("content", ["two words", "tökèn"])
def test_a_token_that_a_header_cannot_carry_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(UnauthorizedError) as caught:
        Bearer(str(file)).headers(limit())
    assert str(caught.value) == f"{file}: not a token; write the token alone into it"


def test_a_file_that_is_not_there_names_its_path(tmp_path: Path) -> None:
    file = tmp_path / "nothing"
    with pytest.raises(UnauthorizedError) as caught:
        Bearer(str(file)).headers(limit())
    assert str(caught.value) == f"{file}: No such file or directory; it must be a file that the exporter may read"


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_not_a_regular_file_is_refused_at_once(tmp_path: Path, make: Callable[[str], None]) -> None:
    """A pipe without a writer would block the poll for ever."""
    path = str(tmp_path / "odd")
    make(path)
    with pytest.raises(UnauthorizedError) as caught:
        Basic("monitor", path).headers(limit())
    assert str(caught.value) == f"{path}: Not a regular file; it must be a file that the exporter may read"


def test_a_path_that_is_none_is_an_expected_failure() -> None:
    with pytest.raises(UnauthorizedError):
        Bearer("a\0b").headers(limit())


@pytest.mark.parametrize("user", ["", "monitor:hidden"])
def test_a_user_that_basic_cannot_carry_is_refused_without_being_quoted(user: str) -> None:
    """What follows a colon would be sent as the password."""
    for make in (lambda: UserOnly(user), lambda: Basic(user, "/file")):
        with pytest.raises(ValueError, match=r"^user: a name without a colon is needed$"):
            make()


def test_reprs_and_names_hold_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hidden")
    kinds: list[Auth] = [UserOnly("monitor"), Basic("monitor", str(file)), Bearer(str(file))]
    for auth in kinds:
        auth.headers(limit())
        assert "hidden" not in repr(auth) + auth.who
    assert [auth.who for auth in kinds] == ['user "monitor"', 'user "monitor"', "the owner of the token"]

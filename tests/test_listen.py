"""Where the exporter listens: several addresses, Unix sockets, sockets that systemd passes."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from exporter.errors import ListenError
from exporter.expose.listen import listen, listen_at, passed_by_systemd, place_of
from exporter.expose.text import Exposition
from exporter.expose.web import Server, create_app
from tests.exporter_process import ExporterProcess, wait_until

DEADLINE = 10.0
"""Seconds after which something that should have happened has not."""


@contextlib.contextmanager
def serving(listen_on: Sequence[tuple[str, int] | str | socket.socket]) -> Iterator[Server]:
    server = Server(create_app(Exposition([]), "/metrics", tuple, tuple), listen_on)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class UnixConnection(http.client.HTTPConnection):
    """HTTP to a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=DEADLINE)
        self._path = path

    def connect(self) -> None:
        """Connect to the path."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(DEADLINE)
        self.sock.connect(self._path)


def healthy(connection: http.client.HTTPConnection) -> bool:
    """Return whether a server at the other end says that it is well."""
    with contextlib.closing(connection):
        connection.request("GET", "/-/healthy")
        return connection.getresponse().read() == b"healthy\n"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "s")


def test_all_places_serve_the_same_and_are_told_as_they_are_configured(path: str) -> None:
    with serving([("127.0.0.1", 0), path, ("localhost", 0)]) as server:
        assert len(server.addresses) == 2
        for host, port in server.addresses:
            assert healthy(http.client.HTTPConnection(host, port, timeout=DEADLINE))
        assert healthy(UnixConnection(path))
        first, unix, last = server.places
        assert unix == f"unix:{path}"
        assert all(re.fullmatch(r"127\.0\.0\.1:\d+|\[::1\]:\d+", place) for place in (first, last))


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
def test_an_ipv6_address_is_told_in_brackets() -> None:
    with serving([("::1", 0)]) as server:
        host, port = server.addresses[0]
        assert server.places == (f"[::1]:{port}",)
        assert healthy(http.client.HTTPConnection(host, port, timeout=DEADLINE))


class TestUnixSocket:
    def test_it_is_only_for_its_user_if_the_umask_says_so_and_is_gone_after_a_stop(self, path: str) -> None:
        before = os.umask(0o077)
        try:
            with serving([path]):
                assert stat.S_IMODE(Path(path).stat().st_mode) == 0o700
        finally:
            os.umask(before)
        assert not Path(path).exists()

    def test_one_that_a_killed_process_left_is_replaced(self, path: str) -> None:
        left = socket.socket(socket.AF_UNIX)
        left.bind(path)
        left.close()
        with serving([path]):
            assert healthy(UnixConnection(path))

    def test_one_that_is_listened_on_is_not_taken_away_and_no_other_place_is_held(self, path: str) -> None:
        with serving([path]), socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            other = free.getsockname()
            free.close()
            second = Server(create_app(Exposition([]), "/metrics", tuple, tuple), [other, path])
            with pytest.raises(ListenError) as refusal:
                second.start()
            assert str(refusal.value) == (
                f"unix:{path}: cannot listen: address already in use; choose another path or free this one"
            )
            assert healthy(UnixConnection(path))
            listen(*other).close()

    @pytest.mark.parametrize("name", ["no/such/folder/s", "file"])
    def test_a_path_that_cannot_be_is_named_and_no_file_is_taken_away(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "file").write_text("precious")
        with pytest.raises(ListenError, match=rf"^unix:{tmp_path}/{name}: cannot listen: "):
            listen_at(f"{tmp_path}/{name}")
        assert (tmp_path / "file").read_text() == "precious"


class TestSystemd:
    @pytest.mark.parametrize(
        "environ",
        [
            {},
            {"LISTEN_FDS": "1"},
            {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
            {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "0"},
            {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"},
            {"LISTEN_PID": str(os.getpid())},
        ],
    )
    def test_what_is_not_for_this_process_is_refused(self, environ: dict[str, str]) -> None:
        with pytest.raises(ListenError, match=r"^--web\.systemd-socket: systemd passed no socket; "):
            passed_by_systemd(environ)

    @pytest.mark.parametrize("kind", ["tcp", "unix", "deaf"])
    def test_the_exporter_serves_on_what_is_passed(self, tmp_path: Path, path: str, kind: str) -> None:
        """As systemd does it: the socket is file descriptor 3, and the process is told so by its number."""
        passed = listen_at(path) if kind == "unix" else listen("127.0.0.1", 0) if kind == "tcp" else socket.socket()
        start = (
            "import os, sys; os.dup2(int(sys.argv[1]), 3); "
            "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); "
            "os.execv(sys.executable, [sys.executable, '-m', 'exporter', 'run', '--config.file', sys.argv[2], "
            "'--web.systemd-socket'])"
        )
        exporter = ExporterProcess(
            tmp_path, f'clusters: [url: "http://127.0.0.1:1"]\nledger: {{path: "{path}.sqlite"}}'
        )
        with exporter.log.open("wb") as log, passed:
            process = subprocess.Popen(
                [sys.executable, "-c", start, str(passed.fileno()), str(exporter.config)],
                stderr=log,
                pass_fds=[passed.fileno()],
            )
        try:
            if kind == "deaf":
                assert process.wait(DEADLINE) == 1
                assert "file descriptor 3 does not listen" in exporter.logged()
                return
            wait_until(lambda: "msg=listening" in exporter.logged(), "the exporter to listen")
            place = re.findall(r"msg=listening address=(\S+)", exporter.logged())
            if kind == "unix":
                assert place == [f"unix:{path}"]
                assert healthy(UnixConnection(path))
            else:
                assert healthy(http.client.HTTPConnection(place[0], timeout=DEADLINE))
        finally:
            process.terminate()
            process.wait(DEADLINE)
        assert Path(path).exists() == (kind == "unix")  # it is systemd's


def test_a_place_is_told_as_it_is_configured(path: str) -> None:
    with listen_at(path) as unix, listen("127.0.0.1", 0) as tcp:
        assert place_of(unix) == f"unix:{path}"
        assert place_of(tcp) == f"127.0.0.1:{tcp.getsockname()[1]}"


@pytest.mark.parametrize("host", ["", "127.0.0.1"])
def test_no_answer_waits_for_its_first_part_to_be_acknowledged(host: str) -> None:
    with (
        listen(host, 0) as listening,
        socket.create_connection(("127.0.0.1", listening.getsockname()[1])),
        listening.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

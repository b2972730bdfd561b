"""`check` as a command: exit codes, formats, colour, and an end at Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from exporter.cli import main
from exporter.demo.coordinator import Coordinator, Fault
from exporter.demo.query import Plan
from exporter.demo.server import serve

COMMAND = [sys.executable, "-m", "exporter", "check"]


def used(coordinator: Coordinator) -> Coordinator:
    """Let two users have run something on it."""
    for user in ("alice", "bob"):
        coordinator.submit(user, plan=Plan(running=1.0), at=time.time() - 100.0)
    return coordinator


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PRESTO_EXPORTER", "NO_COLOR"))}
    return {**kept, "TERM": "xterm", **(more or {})}


def test_all_good_is_exit_code_0(capsys: pytest.CaptureFixture[str]) -> None:
    with serve(used(Coordinator())) as server:
        assert main(["check", "--coordinator", server.url.replace("http://", "http://monitor@")]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    lines = output.out.splitlines()
    assert lines[0] == f"demo  {server.url}" and lines[-1] == "1 cluster: 1 ok"
    assert '  asked as  user "monitor" without a password' in lines


def test_a_problem_of_one_cluster_is_exit_code_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with serve(used(Coordinator())) as server, serve(Coordinator("338")) as other:
        other.close()
        file = tmp_path / "config.yml"
        file.write_text(
            f"clusters:\n  - {{name: adhoc, url: '{server.url}'}}\n"
            f"  - {{name: etl, url: '{other.url}', headers: {{X-Token: hidden}}}}\n"
        )
        assert main(["check", "--config.file", str(file), "--format", "json"]) == 1
    output = capsys.readouterr().out
    told = json.loads(output)
    assert [(cluster["cluster"], cluster["ok"]) for cluster in told["clusters"]] == [("adhoc", True), ("etl", False)]
    assert told["ok"] is False and told["clusters"][1]["findings"][0]["kind"] == "connection"
    assert "hidden" not in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either --config.file or --coordinator"),
        (["--config.file", "x", "--coordinator", "http://h"], "give either --config.file or --coordinator"),
        (["--config.file", "/no/such/file"], "/no/such/file: no such file or directory"),
        (["--coordinator", "http://@h"], "--coordinator[0].user: empty"),
        (["--coordinator", "presto.example"], "--coordinator[0].url: not an http:// or https:// URL"),
        (["--coordinator", "http://h", "--format", "yaml"], "'yaml' is not one of 'text', 'json'"),
    ],
)
def test_what_cannot_be_used_is_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *arguments]) == 2
    output = capsys.readouterr()
    assert message in output.err and output.out == ""


def test_an_empty_user_is_a_problem_of_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.yml"
    file.write_text("clusters: [{url: 'http://h', user: ''}]\n")
    assert main(["check", "--config.file", str(file)]) == 2
    assert "clusters[0].user: empty; give it a value, or remove the key" in capsys.readouterr().err


def test_the_coordinator_may_come_from_the_environment() -> None:
    with serve(used(Coordinator())) as server:
        done = subprocess.run(
            COMMAND,
            env=environment({"PRESTO_EXPORTER_COORDINATOR": server.url}),
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout and done.stdout.endswith("\n1 cluster: 1 ok\n")


@pytest.mark.parametrize(("more", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_gets_colour_unless_its_owner_declines(more: dict[str, str], coloured: bool) -> None:
    ours, theirs = pty.openpty()
    with serve(used(Coordinator())) as server:
        command = [*COMMAND, "--coordinator", server.url]
        done = subprocess.run(command, env=environment(more), stdout=theirs, check=False)
    os.close(theirs)
    output = b""
    try:
        while piece := os.read(ours, 65536):
            output += piece
    except OSError:  # how the end of a terminal reads on Linux
        pass
    os.close(ours)
    assert done.returncode == 0
    assert (b"\x1b[32mok\x1b[0m" in output) is coloured and b"  ok" in output.replace(b"\x1b[32m", b"")


def test_ctrl_c_ends_it_without_a_traceback() -> None:
    coordinator = Coordinator()
    coordinator.inject(Fault(hang=True), None)
    with serve(coordinator) as server:
        command = [*COMMAND, "--coordinator", server.url]
        process = subprocess.Popen(
            command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        try:
            server.wait_for_requests(1, timeout=30.0)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30.0)
        finally:
            process.kill()
    assert (process.returncode, out) == (1, b"")
    assert b"Traceback" not in err


def test_a_reader_that_has_enough_is_no_error() -> None:
    with serve(used(Coordinator())) as server:
        process = subprocess.Popen(
            [*COMMAND, "--coordinator", server.url], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
        process.wait(30.0)
    assert b"Traceback" not in err

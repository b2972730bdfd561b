"""`fingerprint` as a process: a statement in, a template and an id out; with --jsonl a filter in a pipe."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-m", "exporter", "fingerprint"]


def run(given: bytes, *flags: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*COMMAND, *flags], input=given, capture_output=True, timeout=60, check=False)


def test_a_statement_gives_its_template_and_its_id() -> None:
    ended = run(b"SELECT a FROM t WHERE b = 'secret' -- comment\n")
    *template, identity = ended.stdout.decode().splitlines()
    assert ended.returncode == 0 and ended.stderr == b""
    assert len(identity) == 16 and int(identity, 16) >= 0
    assert "secret" not in "".join(template) and "comment" not in "".join(template)
    assert run("\n".join(template).encode()).stdout == ended.stdout


def test_nothing_has_an_id_too() -> None:
    ended = run(b"")
    assert ended.returncode == 0 and len(ended.stdout.decode().splitlines()[-1]) == 16


def test_what_is_no_text_is_refused() -> None:
    ended = run(b"SELECT '\xff'")
    assert ended.returncode == 1 and ended.stdout == b"" and b"not UTF-8" in ended.stderr


def test_lines_are_answered_in_order_and_bad_ones_do_not_end_it() -> None:
    lines = [b'{"sql": "SELECT 1", "more": 1}', b"", b"not json", b"{}", b'{"sql": 1}', b"\xff", b'{"sql": ""}']
    ended = run(b"\n".join(lines), "--jsonl")
    answers = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.returncode == 0 and len(answers) == len(lines)
    assert [sorted(answer) == ["error"] for answer in answers] == [False, True, True, True, True, True, False]
    assert set(answers[0]) == {"id", "template", "query_type", "tables", "parsed"}
    assert answers[0]["query_type"] == "SELECT" and len(answers[6]["id"]) == 16


def test_a_line_is_answered_before_the_next_is_read() -> None:
    with subprocess.Popen([*COMMAND, "--jsonl"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as filter_:
        assert filter_.stdin and filter_.stdout
        for number in range(3):
            filter_.stdin.write(json.dumps({"sql": f"SELECT {number}"}).encode() + b"\n")
            filter_.stdin.flush()
            assert json.loads(filter_.stdout.readline())["query_type"] == "SELECT"
        filter_.stdin.close()
        assert filter_.wait(30) == 0


def test_a_reader_who_has_enough_is_no_error(tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    lines.write_text('{"sql": "SELECT 1"}\n' * 10_000)
    pipe = f'{shlex.join([*COMMAND, "--jsonl"])} < {lines} | head -n 1; exit "${{PIPESTATUS[0]}}"'
    ended = subprocess.run(["bash", "-c", pipe], capture_output=True, timeout=60, check=False)
    assert ended.returncode == 0 and ended.stderr == b"" and len(ended.stdout.splitlines()) == 1

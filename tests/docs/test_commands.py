"""Commands in the documents work: in fenced blocks, in the text, and in comments of what is deployed.

They run as they are written, on a stage (`tests/docs/stage.py`) that has what they speak of. What cannot run here has a
stand-in that looks at its arguments (`STAND_INS` in `tests/docs/programs.py`, each with the reason).
"""

from __future__ import annotations

import os
import re
import shutil

import pytest

from tests.docs.documents import BLOCKS, COMMANDS_IN_COMMENTS, ROOT, SPANS, Block
from tests.docs.programs import STAND_INS
from tests.docs.stage import Stage

PROGRAMS = {*STAND_INS, "amtool", ".venv/bin/python"}
IN_THE_TEXT = [
    Block(span.document, span.line, "sh", f"{span.text}\n")
    for span in SPANS
    if span.text.partition(" ")[0] in PROGRAMS and " " in span.text and "…" not in span.text
]
COMMANDS = [block for block in BLOCKS if block.kind == "sh"] + IN_THE_TEXT + COMMANDS_IN_COMMENTS


def once(commands: list[Block]) -> list[Block]:
    """Return the blocks, each text only where it comes first: the same command works everywhere."""
    return list({(block.text, block.document.suffix): block for block in reversed(commands)}.values())[::-1]


def needed(text: str) -> list[str]:
    """Return the programs that a text needs and that may be missing."""
    return [
        program
        for program in ("amtool", "curl", "jq", "make", "openssl", "promtool")
        if re.search(rf"\b{program}\b", text)
    ]


@pytest.mark.parametrize("block", once(COMMANDS), ids=lambda block: block.place)
def test_commands_work(block: Block, tried_on: Stage) -> None:
    """Every command ends with exit code 0."""
    for program in needed(block.text):
        if shutil.which(program) is None:
            assert not os.environ.get("CI"), f"{program}: not found; install it"
            pytest.skip(f"{program} is not installed")
    ended = tried_on.run(block)
    assert ended.returncode == 0, f"{block.place}\n{block.text}\n{ended.stdout[-2000:]}\n{ended.stderr[-4000:]}"


@pytest.mark.parametrize(
    "command",
    [
        "presto-query-exporter run --coordinater http://monitor@localhost:8080",
        "presto-query-exporter check --config.file nowhere.yml",
        "presto-query-exporter ledger frget --user NAME",
        "python -m bench.nothing",
        "python3 -m alerts.nothing",
        "make everything",
        "curl -sf localhost:9483/nothing",
        "curl -s localhost:9483/metrics | grep presto_nothing",
        "docker run --rm -p 9483:9483 presto-query-exporter run --coordinator",
        "docker compose -f nothing.yml up",
        "kubectl apply -f deploy/nothing.yml",
        "kubectl apply -f deploy/compose/prometheus.yml",
        "helm install exporter ./deploy/nothing",
        "systemctl enable presto-exporter",
        "pip install -r nothing.txt",
        "uvx --from . presto-query-exporter dmo",
        "promtool test rules alerts/nothing/*.yml",
        "nothing",
    ],
)
def test_a_command_that_does_not_work_is_noticed(command: str, tried_on: Stage) -> None:
    assert tried_on.run(Block(ROOT / "README.md", 1, "sh", f"{command}\ntrue\n")).returncode != 0


def test_every_stand_in_has_a_reason() -> None:
    assert all(stand_in.why for stand_in in STAND_INS.values())

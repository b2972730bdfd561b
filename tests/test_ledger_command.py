"""`ledger`: what is in it, whether it can be right, copies of it, and taking somebody out of it for good."""

from __future__ import annotations

import fcntl
import json
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from exporter.account.audit import audit
from exporter.account.forgetting import forget_cluster, forget_user
from exporter.account.ledger import MIGRATIONS, Ledger
from exporter.account.ledger_file import LedgerFile
from exporter.cli import main
from exporter.demo.coordinator import Coordinator as DemoCoordinator
from exporter.demo.server import serve
from exporter.errors import ExporterError
from exporter.pipeline import Pipeline, Policy, Statements
from tests.exporter_process import ExporterProcess, wait_until
from tests.listing import START, answer, row
from tests.test_histories import Coordinator, Shown
from tests.test_run import busy, config, queries, truth

DATA = Path(__file__).parent / "data" / "ledger"
VERSIONS = range(1, len(MIGRATIONS))
"""Of every file that an earlier exporter may have left."""
LIMITS = {"user": 4, "source": 2, "error_name": 2, "fingerprint": 2}

Totals = dict[tuple[str, str, tuple[str, ...]], float]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def old_ledger(path: Path, version: int) -> Path:
    """Write a ledger as an exporter of that time left it."""
    with closing(sqlite3.connect(path)) as db:
        db.executescript((DATA / f"v{version}.sql").read_text("utf-8"))
    return path


def history(path: Path, seed: int, steps: int = 60, clusters: tuple[str, ...] = ("adhoc",), full: bool = False) -> None:
    """Leave a ledger after that many polls, restarts among them, and changes of the limits of the labels."""
    rng = random.Random(seed)
    coordinators = {name: Coordinator(rng) for name in clusters}
    ledger, pipelines = Ledger(path), dict[str, Pipeline]()
    for step in range(steps):
        for name, coordinator in coordinators.items():
            coordinator.act()
            if step % 20 == 0:
                limits = LIMITS if full and step % 40 else dict.fromkeys(LIMITS, 100)
                policy = Policy({"USER_CANCELED"}, limits, 30.0)
                shown = Shown()
                pipelines[name] = Pipeline(
                    name, f"http://{name}", 15.0, policy, ledger, shown, Statements(shown, 100), coordinator.now
                )
            assert pipelines[name].polled(coordinator.answer(), coordinator.now).ledger_error is None
    ledger.close()


def totals(path: Path) -> Totals:
    with closing(sqlite3.connect(path)) as db:
        return {
            (cluster, name, tuple(json.loads(labels))): total
            for cluster, name, labels, total in db.execute(
                "SELECT cluster.name, series.name, labels, total FROM series JOIN cluster ON cluster.id = cluster"
            )
        }


def rows(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(sql).fetchall()


def findings(path: Path) -> list[str]:
    with LedgerFile(path) as file:
        return list(audit(file))


def change(path: Path, *statements: str) -> None:
    """Do to a ledger what no exporter does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


def told(path: Path, capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["ledger", arguments[0], "--ledger.path", str(path), *arguments[1:]]) == code
    return capsys.readouterr().out


# show


def test_what_is_in_it_is_told_as_text_and_as_json(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history(path, seed=1, clusters=("adhoc", "etl"))
    shown = json.loads(told(path, capsys, "show", "--format", "json"))
    assert [cluster["name"] for cluster in shown["clusters"]] == ["adhoc", "etl"]
    assert shown["version"] == len(MIGRATIONS) and shown["file_bytes"] == path.stat().st_size
    for cluster in shown["clusters"]:
        name = cluster["name"]
        [(queries_held, listed, oldest, newest)] = rows(
            path,
            "SELECT count(*), sum(last_listed IS NULL), min(query.id), max(query.id) FROM query "
            f"JOIN cluster ON cluster.id = cluster WHERE name = '{name}'",
        )
        assert (cluster["queries"], cluster["listed"], cluster["lists"]) == (queries_held, listed, 60)
        assert (cluster["oldest_query"]["id"], cluster["newest_query"]["id"]) == (oldest, newest)
        assert cluster["oldest_query"]["created"] == 1789997600.0  # 20260921_133320
        assert cluster["series"] == sum(one == name for one, _, _ in totals(path))
        assert cluster["users"] == 6 and cluster["hours"]["rows"] > 0
        assert cluster["hours"]["start"] <= START and cluster["hours"]["end"] >= cluster["last_list"] - 400.0
    text = told(path, capsys, "show")
    assert "adhoc  http://adhoc" in text and "etl  http://etl" in text
    assert f"{shown['clusters'][0]['queries']:,} remembered" in text
    assert "created 2026-09-21 13:33:20 UTC" in text


def test_names_cannot_steer_a_terminal(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = Ledger(path)
    ledger.open_book("a\x1b[2J\u202e\n", "http://\x07")
    ledger.close()
    text = told(path, capsys, "show")
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "a\\x1b[2J\\u202e\\n  http://\\x07" in text


def test_an_empty_ledger_is_a_ledger(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Ledger(path).close()
    assert "no cluster yet" in told(path, capsys, "show")
    assert json.loads(told(path, capsys, "show", "--format", "json"))["clusters"] == []
    assert told(path, capsys, "export") == ""
    assert told(path, capsys, "verify").endswith(": good\n")


def test_the_ledger_is_the_one_that_run_would_use(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history(path, seed=1, steps=1)
    file = path.with_name("config.yml")
    file.write_text(f"clusters: [{{url: 'http://one'}}]\nledger: {{path: '{path}'}}\n")
    assert main(["ledger", "show", "--config.file", str(file)]) == 0
    assert capsys.readouterr().out == told(path, capsys, "show")
    assert main(["ledger", "show", "--config.file", str(file), "--ledger.path", str(path) + "x"]) == 1
    assert "no such file or directory; name a ledger" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["show"], ["verify"], ["export"], ["backup", "copy"], ["forget", "--user", "a"]])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "not a ledger"),
        (b"name,value\n", "not a ledger"),
        ("CREATE TABLE t (a)", "of another program"),
        ("PRAGMA user_version = 99; PRAGMA application_id = 1347503448", "newer exporter (version 99"),
    ],
)
def test_what_is_no_ledger_of_ours_is_refused_and_left_alone(
    path: Path, command: list[str], content: bytes | str | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        with closing(sqlite3.connect(path)) as db:
            db.executescript(content)
    before = path.read_bytes() if content is not None else b""
    if command == ["backup", "copy"]:
        command = ["backup", str(path.with_name("copy"))]
    if command[0] == "forget":
        command = [*command, "--yes"]
        if content == b"":
            pytest.skip("an empty file becomes a ledger when it is opened for writing")
    assert main(["ledger", command[0], "--ledger.path", str(path), *command[1:]]) == 1
    shown = capsys.readouterr()
    assert message in shown.err and shown.out == ""
    assert (path.read_bytes() if content is not None else b"") == before
    assert path.exists() == (content is not None) and not path.with_name("copy").exists()


# while the exporter runs


def test_all_but_forget_work_while_the_exporter_runs_and_do_not_disturb_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coordinator = DemoCoordinator()
    path = tmp_path / "ledger.sqlite"
    with serve(coordinator) as server, ExporterProcess(tmp_path, config(server.url, tmp_path, "50ms")) as exporter:
        with busy(coordinator):
            for number in range(5):
                so_far = sum(queries(exporter.scrape()).values())
                wait_until(lambda so_far=so_far: sum(queries(exporter.scrape()).values()) > so_far, "more queries")  # type: ignore[misc]
                assert json.loads(told(path, capsys, "show", "--format", "json"))["clusters"][0]["name"] == "test"
                told(path, capsys, "verify")
                exported = [json.loads(line) for line in told(path, capsys, "export").splitlines()]
                copy = tmp_path / f"copy-{number}.sqlite"
                told(path, capsys, "backup", str(copy))
                for one in (totals(copy), {tuple(one["labels"].items()): one["total"] for one in exported}):
                    assert one
                assert main(["ledger", "forget", "--ledger.path", str(path), "--user", "alice", "--yes"]) == 1
                assert "in use by another" in capsys.readouterr().err
        wait_until(lambda: queries(exporter.scrape()) == truth(coordinator), "the rest of the queries")
        assert exporter.stop() == 0
        assert "level=ERROR" not in exporter.logged().upper() and "not written" not in exporter.logged()


def test_a_copy_is_of_one_commit_and_an_exporter_goes_on_from_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coordinator = DemoCoordinator()
    path, copy = tmp_path / "ledger.sqlite", tmp_path / "copy.sqlite"
    with serve(coordinator) as server, ExporterProcess(tmp_path, config(server.url, tmp_path, "50ms")) as exporter:
        with busy(coordinator):
            wait_until(lambda: sum(queries(exporter.scrape()).values()) > 5, "some queries")
            told(path, capsys, "backup", str(copy))
        at_copy = totals(copy)
        exporter.kill()
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        shutil.copy(copy, path)
        exporter.start()
        wait_until(lambda: queries(exporter.scrape()) == truth(coordinator), "every query, counted once")
        assert exporter.stop() == 0
    after = totals(path)
    assert all(after[series] >= total for series, total in at_copy.items())


# backup


def test_a_copy_is_a_file_of_its_own_for_its_owner_only(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history(path, seed=2)
    copy = path.with_name("copy.sqlite")
    told(path, capsys, "backup", str(copy))
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert totals(copy) == totals(path) and findings(copy) == []
    assert not [file for file in path.parent.iterdir() if "copy" in file.name and file != copy]
    for table in ("query", "usage", "usage_error", "label_value", "statement", "cluster"):
        assert rows(copy, f"SELECT * FROM {table}") == rows(path, f"SELECT * FROM {table}")


@pytest.mark.parametrize("suffix", ["", "-wal", "-journal"])
@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_nothing_is_ever_overwritten(path: Path, suffix: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    history(path, seed=2, steps=3)
    copy = path.with_name("copy.sqlite")
    obstacle = path.with_name(f"copy.sqlite{suffix}")
    if kind == "file":
        obstacle.write_bytes(b"mine")
    elif kind == "folder":
        obstacle.mkdir()
    else:
        obstacle.symlink_to("nowhere")
    before = set(path.parent.glob("*copy*"))
    assert main(["ledger", "backup", "--ledger.path", str(path), str(copy)]) == 1
    assert "there already; name a file that is not" in capsys.readouterr().err
    assert set(path.parent.glob("*copy*")) == before
    assert kind != "file" or obstacle.read_bytes() == b"mine"


def test_where_nothing_can_be_written_there_is_no_copy_and_a_reason(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history(path, seed=2, steps=3)
    assert main(["ledger", "backup", "--ledger.path", str(path), str(path.parent / "no" / "copy")]) == 1
    assert "no such file or directory; name a file in a folder that can be written" in capsys.readouterr().err


def test_half_a_copy_never_has_the_name(path: Path) -> None:
    """The disk fills while it is written: nothing is left of it."""
    history(path, seed=2, steps=3)
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000)); "
    script = limit + "from exporter.cli import main; import sys; sys.exit(main(sys.argv[1:]))"
    before = {file.name for file in path.parent.iterdir()}
    ended = subprocess.run(
        [sys.executable, "-c", script, "ledger", "backup", "--ledger.path", str(path), str(path.parent / "copy")],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1 and b"no copy was made" in ended.stderr and b"Traceback" not in ended.stderr
    assert {file.name for file in path.parent.iterdir()} - before <= {"ledger.sqlite-wal", "ledger.sqlite-shm"}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_a_copy_on_a_disk_that_cannot_be_written_can_be_read(path: Path) -> None:
    history(path, seed=2, steps=3)
    folder = path.parent / "backups"
    folder.mkdir()
    with LedgerFile(path) as file:
        file.copy_to(folder / "copy.sqlite")
    shutil.copy(folder / "copy.sqlite", folder / "at-rest.sqlite")
    change(folder / "at-rest.sqlite", "PRAGMA journal_mode = WAL")  # as an exporter leaves it when it stops
    for one in folder.iterdir():
        one.chmod(0o644)
    for parent in [folder, *folder.parents[:3]]:
        parent.chmod(parent.stat().st_mode | 0o055)
    folder.chmod(0o555)
    for name in ("copy.sqlite", "at-rest.sqlite"):
        script = "from exporter.cli import main; import os, sys; os.setuid(65534); sys.exit(main(sys.argv[1:]))"
        ended = subprocess.run(
            [sys.executable, "-c", script, "ledger", "verify", "--ledger.path", str(folder / name)],
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
    assert {file.name for file in folder.iterdir()} == {"copy.sqlite", "at-rest.sqlite"}


# verify


@pytest.mark.parametrize("seed", range(12))
def test_what_an_exporter_leaves_is_good_whatever_happened(path: Path, seed: int) -> None:
    history(path, seed, full=bool(seed % 2), clusters=("adhoc", "etl")[: 1 + seed % 2])
    assert findings(path) == []


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        (
            "UPDATE series SET total = total + 1 WHERE name = 'presto_user_queries_total' AND labels LIKE '%finished%'",
            "by user",
        ),
        (
            "UPDATE series SET total = total + 1 WHERE name = 'presto_user_queries_total' AND labels LIKE '%failed%'",
            "by user",
        ),
        ("DELETE FROM series WHERE name = 'presto_fingerprint_queries_total'", "by fingerprint"),
        ("UPDATE series SET total = total + 1 WHERE name LIKE 'presto_query_queued_seconds_bucket'", "do not belong"),
        ("UPDATE series SET total = total + 1 WHERE name LIKE 'presto_query_peak_memory_bytes_%'", "another count"),
        ("DELETE FROM series WHERE name = 'presto_user_query_errors_total'", "but 0 errors"),
        ("DELETE FROM series WHERE name = 'presto_user_queries_total'", "without queries"),
        ("UPDATE series SET total = 0 WHERE name = 'presto_fingerprint_cpu_seconds_total'", "cpu_seconds charged"),
        ("UPDATE query SET outcome = 'canceled'", "queries remembered as canceled, but"),
        ("UPDATE series SET total = -1 WHERE name = 'presto_user_query_cpu_seconds_total'", "a total of -1.0"),
        ("UPDATE series SET total = 9e999 WHERE name = 'presto_user_query_cpu_seconds_total'", "a total of inf"),
        ("UPDATE series SET labels = '{}' WHERE name = 'presto_user_queries_total'", "no list of texts"),
        ("DELETE FROM label_value WHERE label = 'user'", "of a user who has no place"),
        ("DELETE FROM statement", "not in statement"),
        ("DELETE FROM usage_name", "not in usage_name"),
        ("DELETE FROM cluster", "of query with a cluster that is not in cluster"),
        ("UPDATE query SET outcome = 'vanished' WHERE outcome = 'finished'", "an outcome that there is not"),
        ("UPDATE usage SET finished = finished + 1000 WHERE NOT days", "usage of"),
        ("UPDATE usage_error SET queries = queries + 1000", "more errors than queries that failed"),
    ],
)
def test_what_no_exporter_writes_is_found(
    path: Path, statement: str, finding: str, capsys: pytest.CaptureFixture[str]
) -> None:
    history(path, seed=3)
    if "UPDATE series SET labels" in statement:
        change(path, "DROP TABLE IF EXISTS t", statement.replace("'{}'", "'{}' || id"))
    else:
        change(path, statement)
    found = findings(path)
    assert any(finding in one for one in found), found
    assert main(["ledger", "verify", "--ledger.path", str(path)]) == 1
    shown = capsys.readouterr()
    assert shown.out == "" and found[0] in shown.err and "not good; use a backup" in shown.err


def test_hours_that_do_not_come_to_their_day_are_found(path: Path) -> None:
    history(path, seed=3)
    change(
        path,
        "CREATE TEMP TABLE day AS SELECT * FROM usage",
        "UPDATE day SET days = 1, start = start - start % 86400, place = (SELECT max(id) FROM usage_name)",
        "INSERT OR IGNORE INTO usage SELECT * FROM day",
        "UPDATE usage SET finished = finished + 1 WHERE days",
    )
    assert any("in the hours of the day" in one for one in findings(path))


@pytest.mark.parametrize("seed", range(20))
def test_a_file_that_is_broken_anywhere_is_a_finding_and_never_a_traceback(
    path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    history(path, seed=4, steps=20)
    rng = random.Random(seed)
    content = bytearray(path.read_bytes())
    page = rng.randrange(1, len(content) // 4096) * 4096
    content[page : page + 4096] = rng.randbytes(4096)
    path.write_bytes(content)
    for command in ("verify", "show", "export"):
        code = main(["ledger", command, "--ledger.path", str(path)])
        assert code in ((1,) if command == "verify" else (0, 1))
    assert "Traceback" not in capsys.readouterr().err


def test_a_file_that_is_cut_is_a_finding(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history(path, seed=4, steps=20)
    path.write_bytes(path.read_bytes()[:-5000])
    assert main(["ledger", "verify", "--ledger.path", str(path)]) == 1
    assert "malformed" in capsys.readouterr().err


# export


def test_every_series_is_exported_with_its_labels_names(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history(path, seed=5, clusters=("adhoc", "etl"))
    exported = [json.loads(line) for line in told(path, capsys, "export").splitlines()]
    assert {
        (one["labels"]["presto_cluster"], one["name"], tuple(one["labels"].values())[1:]): one["total"]
        for one in exported
    } == totals(path)
    [one] = [
        one
        for one in exported
        if one["name"] == "presto_user_queries_total"
        and one["labels"] == {"presto_cluster": "etl", "user": "alice", "source": "cli", "outcome": "finished"}
    ]
    assert one["total"] == totals(path)["etl", "presto_user_queries_total", ("alice", "cli", "finished")]
    assert one["born"] >= START and one["shown"] is True
    assert {tuple(one["labels"]) for one in exported if one["name"].endswith("_bucket")} == {
        ("presto_cluster", "outcome", "le")
    }


def test_a_reader_that_has_enough_is_no_failure(path: Path) -> None:
    history(path, seed=5, clusters=("adhoc", "etl"))
    command = (
        f"'{sys.executable}' -m exporter ledger export --ledger.path '{path}' | head -n 1; echo ${{PIPESTATUS[0]}}"
    )
    ended = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60, check=False)
    assert ended.stderr == b"" and ended.stdout.splitlines()[-1] == b"0"


# forget


def everything(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(path.parent.iterdir()) if file.name.startswith(path.name))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("user", ["alice", 'o\'neil "x"\n'])
def test_a_forgotten_user_is_nowhere_and_no_other_counter_changes(path: Path, seed: int, user: str) -> None:
    history(path, seed, clusters=("adhoc", "etl"))
    before = totals(path)
    gone = forget_user(path, user)
    after = totals(path)
    assert after.items() <= before.items()
    assert set(before.keys() - after.keys()) == {
        series for series in before if series[1].startswith("presto_user_") and series[2][0] == user
    }
    assert gone.series == len(before) - len(after) > 0 and gone.queries > 0 and gone.usage_rows > 0
    held = everything(path)
    assert user.encode() not in held and json.dumps(user).encode() not in held
    assert findings(path) == []
    with pytest.raises(ExporterError, match="holds nothing of that user"):
        forget_user(path, user)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_still_listed_is_not_counted_again_and_a_later_query_begins_anew(path: Path, seed: int) -> None:
    """Its counters begin at zero, and those of fingerprints and histograms go on as if nobody had been forgotten."""
    rng = random.Random(seed)
    coordinator = Coordinator(rng)
    policy = Policy({"USER_CANCELED"}, dict.fromkeys(LIMITS, 100), 0.0)

    def start(at: Path) -> tuple[Ledger, Pipeline]:
        ledger, shown = Ledger(at), Shown()
        pipeline = Pipeline("a", "http://a", 15.0, policy, ledger, shown, Statements(shown, 100), coordinator.now)
        return ledger, pipeline

    ledger, pipeline = start(path)
    for _ in range(30):
        coordinator.act()
        pipeline.polled(coordinator.answer(), coordinator.now)
    ledger.close()
    with LedgerFile(path) as file:
        file.copy_to(path.with_name("kept.sqlite"))
    before = totals(path)
    forget_user(path, "alice")
    new = f"20260921_133320_{coordinator.minted + 1:05d}_p{coordinator.process:04d}"
    last = coordinator.whole_answer()
    ended = row(new, user="alice", source="cli", cpu=3.0, created=coordinator.now, ended=coordinator.now)
    last = answer(
        *json.loads(bytes(last.query_list)), ended, information=bytes(last.info or b""), clock=last.coordinator_time
    )
    for at in (path, path.with_name("kept.sqlite")):
        ledger, pipeline = start(at)
        for _ in range(2):
            pipeline.polled(last, coordinator.now)
        ledger.close()
    forgotten, kept = totals(path), totals(path.with_name("kept.sqlite"))
    of_alice = {series for series in kept if series[1].startswith("presto_user_") and series[2][0] == "alice"}
    assert {one: n for one, n in forgotten.items() if one not in of_alice} == {
        one: n for one, n in kept.items() if one not in of_alice
    }
    for series in of_alice & forgotten.keys():
        assert forgotten[series] == pytest.approx(kept[series] - before.get(series, 0.0))
    assert forgotten["a", "presto_user_queries_total", ("alice", "cli", "finished")] >= 1.0
    assert findings(path) == []


def test_who_was_forgotten_is_not_missed(path: Path) -> None:
    """A query in flight of theirs that never comes back is counted as lost for nobody."""
    policy, shown = Policy(set(), dict.fromkeys(LIMITS, 100), 0.0), Shown()

    def poll(times: list[float], *listed: dict[str, Any]) -> None:
        ledger = Ledger(path)
        pipeline = Pipeline("a", "http://a", 15.0, policy, ledger, shown, Statements(shown, 100), times[0])
        for now in times:
            pipeline.polled(answer(*listed), now)
        ledger.close()

    ours, theirs = (f"20260921_133320_0000{number}_aaaaa" for number in (1, 2))
    poll([START], row(ours, "RUNNING", "alice"), row(theirs, "RUNNING", "bob"))
    poll([START + 15.0])
    forget_user(path, "alice")
    poll([START + 15.0 * number for number in range(2, 100)])
    lost = {labels: total for (_, name, labels), total in totals(path).items() if name.endswith("_lost_total")}
    assert lost == {("bob", ""): 1.0}


def test_a_user_of_one_cluster_stays_in_the_others(path: Path) -> None:
    history(path, 1, clusters=("adhoc", "etl"))
    before = totals(path)
    forget_user(path, "alice", "etl")
    after = totals(path)
    assert {series for series in before if series[0] == "adhoc"} == {series for series in after if series[0] == "adhoc"}
    assert not {series for series in after if series[0] == "etl" and series[2][:1] == ("alice",)}
    assert "alice" in {name for (name,) in rows(path, "SELECT name FROM usage_name")}


def test_a_user_gives_their_place_to_another(path: Path) -> None:
    shown, policy = Shown(), Policy(set(), {**LIMITS, "user": 1}, 0.0)
    for number, user in enumerate(["alice", "bob"]):
        ledger = Ledger(path)
        pipeline = Pipeline("a", "http://a", 15.0, policy, ledger, shown, Statements(shown, 100), START)
        pipeline.polled(answer(row(f"20260921_133320_0000{number}_aaaaa", user=user)), START + number)
        ledger.close()
        if user == "alice":
            forget_user(path, "alice")
    ended = {labels: n for (_, name, labels), n in totals(path).items() if name == "presto_user_queries_total" and n}
    assert ended == {("bob", "", "finished"): 1.0}


def test_a_name_too_long_for_a_label_is_found_all_the_same(path: Path) -> None:
    user = "x" * 300
    ledger, shown = Ledger(path), Shown()
    policy = Policy(set(), dict.fromkeys(LIMITS, 100), 0.0)
    pipeline = Pipeline("a", "http://a", 15.0, policy, ledger, shown, Statements(shown, 100), START)
    pipeline.polled(answer(row("20260921_133320_00001_aaaaa", user=user)), START)
    ledger.close()
    assert forget_user(path, user).series > 0
    assert b"xxxx" not in everything(path)


@pytest.mark.parametrize("user", ["", "other"])
def test_those_who_stand_for_many_cannot_be_forgotten(path: Path, user: str) -> None:
    history(path, 1, full=True)
    before = totals(path)
    with pytest.raises(ExporterError, match="stands for everybody"):
        forget_user(path, user)
    assert totals(path) == before


def test_a_forgotten_cluster_is_nowhere_and_the_others_are_as_they_were(path: Path) -> None:
    history(path, 1, clusters=("adhoc", "cluster-of-nobody"))
    before = totals(path)
    gone = forget_cluster(path, "cluster-of-nobody")
    after = totals(path)
    assert after == {series: total for series, total in before.items() if series[0] == "adhoc"}
    assert gone.series == len(before) - len(after) and gone.queries > 0
    assert b"cluster-of-nobody" not in everything(path) and findings(path) == []


@pytest.mark.parametrize(
    "arguments", [["--cluster", "none"], ["--cluster", "none", "--user", "alice"], ["--user", "n"]]
)
def test_a_name_that_is_not_there_is_said_and_nothing_changes(
    path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    history(path, 1)
    before = totals(path)
    told(path, capsys, "forget", "--yes", *arguments, code=1)
    assert totals(path) == before


def test_it_asks_before_it_forgets(path: Path) -> None:
    history(path, 1)
    before = totals(path)
    for typed, code in ((b"", 1), (b"n\n", 1), (b"y\n", 0)):
        assert totals(path) == before
        ended = subprocess.run(
            [sys.executable, "-m", "exporter", "ledger", "forget", "--ledger.path", str(path), "--user", "alice"],
            input=typed,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == code and b"Traceback" not in ended.stderr
        assert b'Forget user "alice" in' in ended.stdout
    assert b"while a coordinator lists them, the name comes back, with zeros" in ended.stdout
    assert totals(path) != before


def test_neither_user_nor_cluster_is_a_usage_error(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "forget", "--ledger.path", str(path), "--yes"]) == 2
    assert "give --user or --cluster" in capsys.readouterr().err


def test_while_another_process_has_the_lock_nothing_is_forgotten(path: Path) -> None:
    history(path, 1)
    before = totals(path)
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ExporterError, match="in use by another"):
            forget_user(path, "alice")
    assert totals(path) == before


# files of earlier versions


@pytest.fixture(params=VERSIONS)
def old(request: pytest.FixtureRequest, path: Path) -> Iterator[Path]:
    yield old_ledger(path, request.param)


def test_there_is_a_file_of_every_earlier_version() -> None:
    assert {int(file.stem[1:]) for file in DATA.glob("v*.sql")} >= set(VERSIONS)


def test_a_file_of_an_earlier_version_is_read_as_it_is(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = everything(old)
    [(version,)] = rows(old, "PRAGMA user_version")
    shown = json.loads(told(old, capsys, "show", "--format", "json"))
    assert shown["version"] == version and shown["clusters"][0]["queries"] > 0
    assert told(old, capsys, "show").count("remembered") == 1
    assert len(told(old, capsys, "export").splitlines()) == len(totals(old)) > 0
    assert told(old, capsys, "verify").endswith(": good\n")
    copy = old.with_name("copy.sqlite")
    told(old, capsys, "backup", str(copy))
    assert rows(copy, "PRAGMA user_version") == [(version,)] and totals(copy) == totals(old)
    assert everything(old) == before


def test_a_file_of_an_earlier_version_is_good_after_its_upgrade(old: Path) -> None:
    before = totals(old)
    Ledger(old).close()
    assert rows(old, "PRAGMA user_version") == [(len(MIGRATIONS),)]
    assert totals(old) == before and findings(old) == []


def test_users_of_an_earlier_version_are_forgotten_like_others(old: Path) -> None:
    before = totals(old)
    assert forget_user(old, "alice").series > 0
    assert totals(old).items() <= before.items() and b"alice" not in everything(old) and findings(old) == []

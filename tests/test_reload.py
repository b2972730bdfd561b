"""A configuration that changes while the exporter runs, and the command that says what is wrong with one."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from exporter.demo.coordinator import Coordinator
from exporter.demo.server import Server, serve
from tests.exporter_process import PATIENCE_SECONDS, ExporterProcess, wait_until
from tests.web_folder import HASH, PASSWORD, TLS, WebFolder

CONFIG = """
clusters:
  - {{name: first, url: "{url}", poll_interval: 100ms}}
ledger: {{path: "{folder}/ledger.sqlite"}}
web: {{listen_addresses: ["127.0.0.1:0"]{web}}}
"""
RELOADED = "presto_exporter_config_last_reload_successful"


@pytest.fixture
def coordinator() -> Iterator[Server]:
    with serve(Coordinator()) as server:
        yield server


def config(coordinator: Server, folder: Path, web: str = "") -> str:
    return CONFIG.format(url=coordinator.url, folder=folder, web=web)


def post(exporter: ExporterProcess, method: str = "POST", **headers: str) -> tuple[int, str]:
    """Return status and body of what asks for a reload."""
    request = Request(f"http://{exporter.address}/-/reload", method=method, headers=headers)
    try:
        with urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


class TestOverHttp:
    def test_it_puts_the_file_in_force_or_says_all_that_is_wrong_with_it(
        self, coordinator: Server, tmp_path: Path
    ) -> None:
        text = config(coordinator, tmp_path)
        with ExporterProcess(tmp_path, text, ["--web.enable-lifecycle"]) as exporter:
            exporter.config.write_text(text.replace("first", "second"))
            assert post(exporter) == (200, "reloaded\n")
            wait_until(lambda: exporter.scrape().get("presto_up", presto_cluster="second") == 1.0, "the new name")
            exporter.config.write_text("clusters: [{url: ftp://host}, {url: 'http://u:hunter2@host'}]")
            status, told = post(exporter, "PUT")
            assert status == 500
            assert [line.partition(":1: ")[2].partition(":")[0] for line in told.splitlines()] == [
                "clusters[0].url",
                "clusters[1].url",
            ]
            assert "hunter2" not in told + exporter.logged()
            assert exporter.scrape().get(RELOADED) == 0.0
            assert exporter.scrape().get("presto_up", presto_cluster="second") == 1.0
            exporter.config.write_text(text)
            assert post(exporter) == (200, "reloaded\n")
            assert exporter.scrape().get(RELOADED) == 1.0
            assert exporter.stop() == 0

    def test_it_is_off_unless_it_is_switched_on(self, coordinator: Server, tmp_path: Path) -> None:
        with ExporterProcess(tmp_path, config(coordinator, tmp_path)) as exporter:
            exporter.config.write_text("broken")
            status, told = post(exporter)
            assert status == 403
            assert "--web.enable-lifecycle" in told
            assert exporter.scrape().get(RELOADED) == 1.0

    def test_the_pages_of_others_cannot_ask_for_it_nor_can_a_get(self, coordinator: Server, tmp_path: Path) -> None:
        text = config(coordinator, tmp_path, ", enable_lifecycle: true")
        with ExporterProcess(tmp_path, text) as exporter:
            for site in ("cross-site", "same-site"):
                assert post(exporter, **{"Sec-Fetch-Site": site})[0] == 403
            for site in ("same-origin", "none"):
                assert post(exporter, **{"Sec-Fetch-Site": site})[0] == 200
            assert exporter.get("/-/reload")[0] == 405

    def test_many_at_once_are_refused_or_done_and_a_stop_meanwhile_is_clean(
        self, coordinator: Server, tmp_path: Path
    ) -> None:
        with ExporterProcess(tmp_path, config(coordinator, tmp_path), ["--web.enable-lifecycle"]) as exporter:
            url = f"http://{exporter.address}/-/reload"
            command = [
                sys.executable,
                "-c",
                "import sys, urllib.request as u\nwhile 1: u.urlopen(u.Request(sys.argv[1], method='POST'))",
            ]
            askers = [subprocess.Popen([*command, url], stderr=subprocess.DEVNULL) for _ in range(3)]
            for number in range(10):
                exporter.config.write_text(config(coordinator, tmp_path).replace("first", f"name{number}"))
                status, told = post(exporter)
                assert (status, told) in ((200, "reloaded\n"), (503, "being reloaded; ask again\n"))
            assert exporter.stop() == 0
            for asker in askers:
                asker.kill()
                asker.wait(PATIENCE_SECONDS)
            assert "Traceback" not in exporter.logged()


class TestWebConfiguration:
    def test_it_changes_without_a_restart_and_a_broken_one_is_told(self, coordinator: Server, tmp_path: Path) -> None:
        folder = WebFolder(tmp_path)
        path = folder.write("rate_limit: {interval: 1ms, burst: 1000}")
        with ExporterProcess(
            tmp_path, config(coordinator, tmp_path), ["--web.config.file", str(path), "--web.enable-lifecycle"]
        ) as exporter:
            assert exporter.get("/metrics")[0] == 200
            folder.write(f"basic_auth_users: {{alice: {HASH}}}")
            assert exporter.get("/metrics")[0] == 401
            assert post(exporter)[0] == 401
            folder.write("basic_auth_users: {alice: hunter2}")
            assert exporter.get("/metrics")[0] == 401
            right = "Basic " + base64.b64encode(b"alice:" + PASSWORD).decode()
            status, told = post(exporter, Authorization=right)
            assert status == 500
            assert told.startswith(f"{path}:1: basic_auth_users: ")
            folder.write("{}")
            assert exporter.scrape().get(RELOADED) == 1.0
            folder.write("{")
            assert exporter.scrape().get(RELOADED) == 0.0
            exporter.config.write_text(config(coordinator, tmp_path, ", telemetry_path: /m"))
            assert post(exporter)[0] == 500
            assert exporter.scrape().get(RELOADED) == 0.0
            assert "hunter2" not in exporter.logged()

    def test_a_broken_one_is_a_configuration_that_cannot_be_run(self, coordinator: Server, tmp_path: Path) -> None:
        folder = WebFolder(tmp_path)
        path = folder.write(TLS + "rate: 5\nbasic_auth_users: {alice: hunter2}\n")
        text = config(coordinator, tmp_path, f', config_file: "{path}"')
        (tmp_path / "config.yml").write_text(text)
        for command in (["run", "--config.file"], ["check-config"]):
            ended = exporter(*command, str(tmp_path / "config.yml"))
            assert ended.returncode == 2
            assert [line.removeprefix(f"error: {path}:").partition(":")[0] for line in ended.stderr.splitlines()] == [
                "2",
                "3",
            ]
            assert "hunter2" not in ended.stderr
        assert not (tmp_path / "ledger.sqlite").exists()


def exporter(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "exporter", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=30, check=False, env={**os.environ, **environ}
    )


class TestCheckConfig:
    def test_a_good_file_is_said_to_be_good(self, tmp_path: Path) -> None:
        folder = WebFolder(tmp_path)
        path = tmp_path / "config.yml"
        web = f'web: {{config_file: "{folder.write(TLS)}"}}'
        path.write_text(f"clusters: [{{url: 'http://${{HOST}}'}}, url: 'http://b']\n{web}")
        checked = exporter("check-config", str(path), HOST="a")
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, f"{path}: good, with 2 clusters\n", "")

    def test_of_a_bad_one_everything_is_said_with_its_line_and_its_remedy(self, tmp_path: Path) -> None:
        path = tmp_path / "config.yml"
        path.write_text(
            "clusters:\n  - url: http://u:hunter2@host\n  - url: ${HOST_THAT_IS_NOT_SET}\nlog: {level: loud}\n"
        )
        checked = exporter("check-config", str(path))
        assert checked.returncode == 2
        assert checked.stdout == ""
        assert [line.removeprefix(f"error: {path}:")[:17] for line in checked.stderr.splitlines()] == [
            "2: clusters[0].ur",
            "3: clusters[1].ur",
            "4: log.level: not",
        ]
        assert all("; " in line for line in checked.stderr.splitlines())
        assert "hunter2" not in checked.stderr

    def test_no_file_is_a_problem(self, tmp_path: Path) -> None:
        checked = exporter("check-config", str(tmp_path / "none.yml"))
        assert checked.returncode == 2
        assert "no such file" in checked.stderr

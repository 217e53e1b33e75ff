"""The command line: exit codes and words, and never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.cli import jobs, main
from core.config import load as load_module
from core.engine.journal import Journal, JournalReader, State, TaskRow
from core.engine.request import RunKind, RunRequest
from core.errors import BusyError
from core.secrets import Secrets
from tests.support.waiting import HANG_S

Output = pytest.CaptureFixture[str]


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "airctl-config.yaml"
    path.write_text(f"imagesDir: imgs\nregistryPort: 9\nstateDir: {tmp_path / 'state'}\n")
    return str(path)


def run(*arguments: str) -> int:
    """Run a command, with argparse's own ends as exit codes."""
    try:
        return main(arguments)
    except SystemExit as end:
        return int(end.code or 0)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["install", "--nonsense"],
        ["registry"],
        ["registry", "explode"],
        ["tunnels"],
        ["report", "x"],
        ["install", "--config"],
        ["report", "--output"],
        ["bundle"],
        ["bundle", "list"],
        ["import", "--recompress"],
        ["import", "--recompress", "zstd"],
        ["import", "--name"],
        ["configure-hosts", "--keep-going"],
    ],
)
def test_bad_usage(arguments: list[str], capsys: Output) -> None:
    assert 2 == run(*arguments)
    assert "usage: airferry" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["install", "--help"]])
def test_help(arguments: list[str], capsys: Output) -> None:
    assert 0 == run(*arguments)
    assert "airferry" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command", ["install", "import", "configure-hosts", "plan", "check", "verify", "runs", "report"]
)
def test_a_config_that_is_not_there(command: str, tmp_path: Path, capsys: Output) -> None:
    gone = tmp_path / "gone.yaml"
    assert 2 == run(command, "--config", str(gone))
    assert [
        f"airferry: {gone}: no such file [E-CONFIG]",
        "  Name an existing file: --config",
    ] == capsys.readouterr().err.splitlines()


def test_no_config_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setattr(load_module, "SEARCH_PATH", (tmp_path / "a", tmp_path / "b"))
    assert 2 == run("runs")
    assert f"no config found: neither {tmp_path / 'a'} or" in capsys.readouterr().err


def test_every_problem_of_a_config(tmp_path: Path, capsys: Output) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("registryPort: x\nhosts: a\n")
    assert 2 == run("install", "--config", str(path))
    assert (f"{path}:1: registryPort", f"{path}:2: hosts") == tuple(
        line.removeprefix("airferry: ").partition(": is")[0]
        for line in capsys.readouterr().err.splitlines()[:2]
    )


def test_errors_as_data(tmp_path: Path, capsys: Output) -> None:
    assert 2 == run("runs", "--json", "--config", str(tmp_path / "gone.yaml"))
    assert {"code": "E-CONFIG", "what": f"{tmp_path}/gone.yaml: no such file"} == {
        key: value
        for key, value in json.loads(capsys.readouterr().out)["error"].items()
        if key != "remedy"
    }


def test_no_runs_yet(config: str, capsys: Output) -> None:
    assert 0 == run("runs", "--config", config)
    assert "There were no runs yet.\n" == capsys.readouterr().out
    assert 0 == run("runs", "--json", "--config", config)
    assert [] == json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("command", ["report", "watch"])
def test_nothing_to_look_at(command: str, config: str, capsys: Output) -> None:
    assert 2 == run(command, "--config", config)
    assert "airferry: there were no runs yet [E-USAGE]\n" in capsys.readouterr().err
    assert 2 == run(command, "7", "--config", config)
    assert "there is no run 7 [E-USAGE]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["import"], {"kind": RunKind.IMPORT}),
        (["import", "--keep-going"], {"kind": RunKind.IMPORT, "keep_going": True}),
        (["import", "--recompress", "gzip"], {"kind": RunKind.IMPORT, "recompress": True}),
        (["import", "--without-artifacts"], {"kind": RunKind.IMPORT, "without_artifacts": True}),
        (["install", "--without-artifacts"], {"kind": RunKind.INSTALL, "without_artifacts": True}),
        (["import", "--name", "a:1"], {"kind": RunKind.IMPORT, "name": "a:1"}),
        (["import", "--later-wins"], {"kind": RunKind.IMPORT, "later_wins": True}),
        (["install", "--keep-going"], {"kind": RunKind.INSTALL, "keep_going": True}),
        (["plan", "--keep-going"], {"kind": RunKind.PLAN, "keep_going": True}),
        (
            ["import", "--keep-source-registry"],
            {"kind": RunKind.IMPORT, "keep_source_registry": True},
        ),
        (["install", "--later-wins"], {"kind": RunKind.INSTALL, "later_wins": True}),
        (["plan", "--later-wins"], {"kind": RunKind.PLAN, "later_wins": True}),
        (["verify", "--later-wins"], {"kind": RunKind.VERIFY, "later_wins": True}),
        (
            ["configure-hosts", "--later-wins"],
            {"kind": RunKind.CONFIGURE_HOSTS, "later_wins": True},
        ),
        (["import", "/x.tar"], {"kind": RunKind.IMPORT, "bundles": (Path("/x.tar"),)}),
    ],
)
def test_options_reach_the_engine(
    arguments: list[str],
    expected: dict[str, Any],
    config: str,
    capsys: Output,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[RunRequest] = []

    def start(request: RunRequest, _secrets: Secrets) -> int:
        asked.append(request)
        raise BusyError("run 7 is at work")

    monkeypatch.setattr(jobs, "start_run", start)
    assert 2 == run(*arguments, "--config", config)
    assert [RunRequest(config=Path(config), **expected)] == asked
    assert "run 7 is at work [E-BUSY]" in capsys.readouterr().err


def test_a_bundle_is_named_from_where_the_command_runs(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine runs somewhere else."""
    asked: list[RunRequest] = []

    def start(request: RunRequest, _secrets: Secrets) -> int:
        asked.append(request)
        return 1

    monkeypatch.setattr(jobs, "start_run", start)
    monkeypatch.chdir(tmp_path)
    assert 0 == run("import", "--detach", "sub/x.tar", "--config", config)
    assert (tmp_path / "sub/x.tar",) == asked[0].bundles


def test_nothing_to_cancel(config: str, capsys: Output) -> None:
    assert 0 == run("cancel", "--config", config)
    assert "No run is at work.\n" == capsys.readouterr().out


def test_no_host_to_do_again(config: str, capsys: Output) -> None:
    assert 0 == run("configure-hosts", "--only-failed", "--config", config)
    assert "No host failed: nothing to do.\n" == capsys.readouterr().out


def test_a_dry_run_of_cleaning_asks_the_host_and_nobody_else(
    tmp_path: Path, capsys: Output
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("stateDir: state\nhosts:\n- name: w1\n  address: 127.0.0.1\n  port: 1\n")
    assert 1 == run("host", "clean", "w1", "--dry-run", "--config", str(path))
    text = capsys.readouterr().out
    assert text.startswith("w1:\n  x connect: w1 (127.0.0.1): connection refused [E-SSH-ROUTE]")
    (noted,) = JournalReader(tmp_path / "state").runs()
    assert ("plan-clean", ["w1"]) == (noted.kind, noted.options["hosts"])


def test_a_stopped_registry(config: str, capsys: Output) -> None:
    assert 1 == run("registry", "status", "--config", config)
    assert capsys.readouterr().out.startswith("registry is stopped at 127.0.0.1:9, storing in ")
    assert 1 == run("registry", "list", "--config", config)
    assert "127.0.0.1:9 does not answer" in capsys.readouterr().err


def test_tunnels_when_there_are_none(config: str, capsys: Output) -> None:
    assert 0 == run("tunnels", "status", "--config", config)
    assert "tunnel service is stopped; 0 tunnels wanted\n" == capsys.readouterr().out


def test_a_registry_that_is_not_ours(tmp_path: Path, capsys: Output) -> None:
    path = tmp_path / "c.yaml"
    text = "privateRegistryType: custom\nprivateRegistryBase: a.b\n"
    path.write_text(f"{text}stateDir: {tmp_path / 'state'}\n")
    assert 2 == run("registry", "start", "--config", str(path))
    assert "is not Airferry's [E-USAGE]" in capsys.readouterr().err


@pytest.fixture
def ended_run(tmp_path: Path) -> int:
    state_dir = tmp_path / "state"
    state_dir.mkdir()
    journal = Journal(state_dir)
    number = journal.begin("install", "du", "/c.yaml", {}, 1)
    journal.add_tasks(number, [TaskRow("a", "connect", "connect", State.PRESENT)])
    journal.end(number, State.DONE, "")
    journal.close()
    return number


def test_the_report_of_a_run(ended_run: int, config: str, tmp_path: Path, capsys: Output) -> None:
    assert 0 == run("report", "--config", config)
    text = capsys.readouterr().out
    assert text.startswith(f"# Run {ended_run}: install, mode du: done, ")
    assert 0 == run("report", str(ended_run), "--config", config, "--output", str(tmp_path / "r"))
    assert text == (tmp_path / "r").read_text()
    assert 0 == run("report", "--json", "--config", config)
    record = json.loads(capsys.readouterr().out)
    assert (ended_run, "du", "done", ["a"]) == (
        record["run"],
        record["mode"],
        record["state"],
        [target["name"] for target in record["targets"]],
    )


def test_watching_a_run_that_has_ended(ended_run: int, config: str, capsys: Output) -> None:
    assert 0 == run("watch", str(ended_run), "--config", config)
    assert "- a            connect" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["import"], ["check"]])
def test_what_cannot_be_done_is_told_without_a_traceback(arguments: list[str], config: str) -> None:
    """As a process, because a run is started; imagesDir is not there, and mode is none."""
    code = "import core.cli; raise SystemExit(core.cli.main())"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--config", config],
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_S,
    )
    assert 2 == done.returncode
    assert "airferry: " in done.stderr
    assert "Traceback" not in done.stderr

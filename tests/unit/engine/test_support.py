"""The support bundle: everything that helps, nothing that is secret, whole or not there."""

from __future__ import annotations

import errno
import json
import os
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest

from core.cli import main
from core.config import Config, parse_config
from core.engine import support as support_module
from core.engine.journal import Journal, LogLine, State, TaskRow
from core.engine.support import write_support_bundle
from core.errors import DuDiskFull, LocalFilesError, UsageError

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0a2V5\n-----END OPENSSH PRIVATE KEY-----\n"
PLANTED = ("hunter2", "c2VjcmV0a2V5")
CONFIG = """\
privateRegistryType: custom
privateRegistryBase: registry.example:5000/site
stateDir: {state}
imagesDir: {state}/gone
hosts: [worker-03]
# the old password was hunter2
ssh:
  key: {state}/id_ed25519
"""


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    made = tmp_path / "state"
    made.mkdir()
    return made


@pytest.fixture
def config(tmp_path: Path, state_dir: Path) -> Config:
    path = tmp_path / "airctl-config.yaml"
    path.write_text(CONFIG.format(state=state_dir))
    return parse_config(path.read_text(), path)[0]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    made = tmp_path / "stick"
    made.mkdir()
    return made


def a_run(state_dir: Path, kind: str = "install", *lines: str, error: str = "away") -> int:
    journal = Journal(state_dir)
    run = journal.begin(kind, "du", "/c.yaml", {"hosts": ["worker-03"]}, 1)
    row = TaskRow("worker-03", "connect", "connect")
    journal.add_tasks(run, [row])
    row.state, row.error_code, row.error, row.remedy = State.FAILED, "E-X", error, "Mend it."
    log = [LogLine(0, 1.0, "worker-03", "connect", "info", text) for text in lines]
    journal.save(run, [row], log)
    journal.end(run, State.FAILED, "")
    journal.close()
    return run


def unpacked(path: Path) -> dict[str, str]:
    """Return what is in the archive, by name without the one directory that all is in."""
    found = {}
    with tarfile.open(path) as archive:
        for member in archive:
            root, _, name = member.name.partition("/")
            assert path.name.removesuffix(".tar.gz") == root
            content = archive.extractfile(member)
            assert content is not None
            found[name] = content.read().decode()
    return found


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_everything_that_helps_is_in_it(config: Config, state_dir: Path, place: Path) -> None:
    (state_dir / "engine.log").write_text("the engine says so\n")
    (state_dir / "screens.log").write_text("the screens failed\n")
    (state_dir / "airferry-registry.log").write_text("the registry says so\n")
    (state_dir / "tunnels").mkdir()
    (state_dir / "tunnels" / "status.json").write_text('[{"name": "worker-03"}]')
    run = a_run(state_dir, "install", "it began", "it ended")
    path = write_support_bundle(config, place)
    found = unpacked(path)
    assert [
        "README.txt",
        "versions.txt",
        "system.txt",
        "problems.txt",
        "config.yaml",
        "services.txt",
        f"report-{run}.md",
        f"report-{run}.json",
        "journal.jsonl",
        "logs/engine.log",
        "logs/screens.log",
        "logs/airferry-registry.log",
        "logs/airferry-tunnels.log",
        "tunnels/status.json",
        "tunnels/wanted.json",
    ] == list(found)
    assert "worker-03: failed" in found[f"report-{run}.md"]
    assert run == json.loads(found[f"report-{run}.json"])["run"]
    rows = records(found["journal.jsonl"])
    assert ["run", "task", "log", "log"] == [row["record"] for row in rows]
    assert ["it began", "it ended"] == [row["text"] for row in rows[2:]]
    assert "the engine says so\n" == found["logs/engine.log"]
    assert "the screens failed\n" == found["logs/screens.log"]
    assert "the registry says so\n" == found["logs/airferry-registry.log"]
    assert "(there is none)\n" == found["tunnels/wanted.json"]
    assert "imagesDir: no such file" in found["problems.txt"]
    assert "engine: no run is at work\n" in found["services.txt"]
    assert "textual 8." in found["versions.txt"]
    assert f"{place}: " in found["system.txt"]
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_no_secret_is_in_it(config: Config, state_dir: Path, place: Path) -> None:
    """Planted wherever somebody may have left one: in the config, in keys, in every log."""
    text = CONFIG.format(state=state_dir) + (
        "registryPassword: hunter2\nmirror: https://tech:hunter2@mirror.example/x\n"
        "secrets:\n  - hunter2\n"
    )
    config.path.write_text(text)
    (state_dir / "tunnels").mkdir()
    for name in ("id_ed25519", "tunnels/tunnel_key", "tunnels/jump_key", "site.pem"):
        (state_dir / name).write_text(KEY)
    (state_dir / "password").write_text("hunter2")
    (state_dir / "registry.yml").write_text('{"http": {"secret": "hunter2"}}')
    said = f"login with password=hunter2 at https://tech:hunter2@r/\n{KEY}"
    for name in ("engine.log", "screens.log", "airferry-registry.log", "airferry-tunnels.log"):
        (state_dir / name).write_text(said)
    for name in ("status.json", "wanted.json"):
        (state_dir / "tunnels" / name).write_text('[{"password": "hunter2", "name": "w"}]')
    a_run(state_dir, "install", said, error="https://tech:hunter2@r/ refuses")
    path = write_support_bundle(config, place)
    for name, content in unpacked(path).items():
        assert [] == [secret for secret in PLANTED if secret in content], name
    assert "refuses" in unpacked(path)["report-1.md"]


def test_a_config_that_is_no_yaml_is_left_out(config: Config, place: Path) -> None:
    config.path.write_text("password: [hunter2\n")
    found = unpacked(write_support_bundle(config, place))
    assert found["config.yaml"].startswith("# left out: ")
    assert "not YAML" in found["problems.txt"]
    assert "hunter2" not in found["problems.txt"]


def test_a_site_of_which_nothing_is_there(tmp_path: Path, place: Path) -> None:
    config = Config(tmp_path / "gone.yaml", state_dir=tmp_path / "no-state")
    found = unpacked(write_support_bundle(config, place))
    assert "No such file" in found["problems.txt"]
    assert "" == found["journal.jsonl"]
    assert not (tmp_path / "no-state").exists()


@pytest.mark.parametrize("damaged", [True, False])
def test_a_journal_that_cannot_be_read(
    config: Config, state_dir: Path, place: Path, damaged: bool
) -> None:
    journal = state_dir / "journal.sqlite3"
    if damaged:
        journal.write_bytes(b"no database" * 1000)
    else:
        journal.mkdir()
    found = unpacked(write_support_bundle(config, place))
    assert "cannot be read" in json.loads(found["journal.jsonl"])["error"]


@pytest.mark.parametrize(
    ("run", "expected"), [(None, "report-2.md"), (1, "report-1.md"), (3, "report-3.md")]
)
def test_whose_report_is_in_it(
    config: Config, state_dir: Path, place: Path, run: int | None, expected: str
) -> None:
    """The newest run that changed something, if none is named."""
    for kind in ("install", "import", "check"):
        a_run(state_dir, kind)
    found = unpacked(write_support_bundle(config, place, run))
    assert [expected] == [name for name in found if name.endswith(".md")]


def test_a_run_that_there_is_not(config: Config, place: Path) -> None:
    with pytest.raises(UsageError, match="there is no run 9"):
        write_support_bundle(config, place, 9)
    assert [] == list(place.iterdir())


def test_old_runs_stay_out_and_a_named_one_comes_along(
    config: Config, state_dir: Path, place: Path
) -> None:
    for _ in range(7):
        a_run(state_dir)
    found = unpacked(write_support_bundle(config, place, 1))
    rows = records(found["journal.jsonl"])
    assert [7, 6, 5, 4, 3, 1] == [row["id"] for row in rows if row["record"] == "run"]


def test_long_logs_are_cut_at_their_beginning(
    config: Config, state_dir: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(support_module, "MAX_LOG_LINES", 2)
    monkeypatch.setattr(support_module, "TAIL_BYTES", 12)
    (state_dir / "engine.log").write_text("first\nsecond\nthird\n")
    a_run(state_dir, "install", "1", "2", "3")
    found = unpacked(write_support_bundle(config, place))
    assert "(its beginning is left out)\nthird\n" == found["logs/engine.log"]
    rows = records(found["journal.jsonl"])
    assert ["2", "3"] == [row["text"] for row in rows if row["record"] == "log"]


@pytest.mark.parametrize(
    ("name", "expected"), [("mine.tar.gz", "mine.tar.gz"), ("mine", "mine.tar.gz")]
)
def test_under_a_name_of_ones_own(config: Config, place: Path, name: str, expected: str) -> None:
    assert place / expected == write_support_bundle(config, place / name)
    assert [expected] == [path.name for path in place.iterdir()]


def test_a_link_that_somebody_put_there_is_not_followed(config: Config, place: Path) -> None:
    mine = place / "mine"
    mine.write_text("mine")
    (place / ".b.tar.gz.new").symlink_to(mine)
    write_support_bundle(config, place / "b")
    assert "mine" == mine.read_text()
    assert ["b.tar.gz", "mine"] == sorted(path.name for path in place.iterdir())


def test_a_place_that_is_not_there(config: Config, place: Path) -> None:
    with pytest.raises(LocalFilesError, match="No such file or directory"):
        write_support_bundle(config, place / "gone" / "mine")


def test_no_room(config: Config, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full stick, which the tests cannot have: the fake is the system's refusal to sync."""

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(DuDiskFull, match="no room for the support bundle") as caught:
        write_support_bundle(config, place)
    assert "--to DIRECTORY" in caught.value.remedy
    assert [] == list(place.iterdir())


def test_the_command(config: Config, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["support", "--to", str(place), "--config", str(config.path)]
    assert 0 == main(arguments)
    (path,) = place.iterdir()
    assert f"written: {path}\n" in capsys.readouterr().out
    assert 0 == main([*arguments[:2], str(place / "b"), "--json", *arguments[3:]])
    record = json.loads(capsys.readouterr().out)
    assert {
        "written": str(place / "b.tar.gz"),
        "bytes": (place / "b.tar.gz").stat().st_size,
    } == record


def test_the_command_with_a_config_that_is_wrong(
    config: Config, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.path.write_text(f"registryPort: x\nstateDir: {config.state_dir}\n")
    assert 0 == main(["support", "--to", str(place), "--config", str(config.path)])
    (path,) = place.iterdir()
    assert "registryPort" in unpacked(path)["problems.txt"]
    assert 2 == main(["support", "--run", "7", "--config", str(config.path)])
    assert "there is no run 7 [E-USAGE]" in capsys.readouterr().err

"""The report as files: whole or not there, and on the disk when it is said to be."""

from __future__ import annotations

import errno
import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from core.cli import main
from core.engine.export import export_report
from core.engine.journal import Journal, LogLine, RunRow, State, TaskRow
from core.engine.report import report_record, report_text
from core.errors import DuDiskFull, LocalFilesError

RUN = RunRow(7, "install", "du", State.FAILED, "/c.yaml", {}, 1, 0.0, 65.0, "")
FAILED = TaskRow(
    "b",
    "connect",
    "connect",
    State.FAILED,
    error_code="E-SSH-LOGIN",
    error="b refuses",
    remedy="Mend the key.",
    started=0.0,
    ended=2.5,
)
LINE = LogLine(3, 1.0, "b", "connect", "error", "b refuses")


def export(place: Path, *log: LogLine, error: str = "b refuses") -> tuple[Path, Path]:
    return export_report(place, RUN, State.FAILED, [replace(FAILED, error=error)], log)


@pytest.mark.parametrize(
    ("place", "stem"),
    [
        (".", "airferry-report-7"),
        ("mine", "mine"),
        ("mine.md", "mine"),
        ("mine.json", "mine"),
        ("site.5.2", "site.5.2"),
    ],
)
def test_both_files(tmp_path: Path, place: str, stem: str) -> None:
    paths = export(tmp_path / place)
    assert (tmp_path / f"{stem}.md", tmp_path / f"{stem}.json") == paths
    assert report_text(RUN, State.FAILED, [FAILED]) + "\n" == paths[0].read_text()
    record = json.loads(json.dumps(report_record(RUN, State.FAILED, [FAILED])))
    assert record == json.loads(paths[1].read_text())
    assert sorted(paths) == sorted(tmp_path.iterdir())


def test_the_log_comes_along_if_asked_for(tmp_path: Path) -> None:
    markdown, data = export(tmp_path, LINE)
    assert " b connect error: b refuses\n\n## Run 7" in markdown.read_text()
    assert "b refuses" == json.loads(data.read_text())["log"][0]["text"]


def test_what_a_terminal_would_obey_is_not_in_it(tmp_path: Path) -> None:
    markdown, data = export(tmp_path, error="\x1b[2Jgone\ud800")
    assert "?[2Jgone?" in markdown.read_text()
    assert "\x1b" not in data.read_text()


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LocalFilesError, match="No such file or directory"):
        export(tmp_path / "gone" / "report")


def test_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full stick, which the tests cannot have: the fake is the system's refusal to sync."""
    (tmp_path / "airferry-report-7.md").write_text("the old one")

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(DuDiskFull):
        export(tmp_path)
    assert ["airferry-report-7.md"] == [path.name for path in tmp_path.iterdir()]
    assert "the old one" == (tmp_path / "airferry-report-7.md").read_text()


def test_it_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both files and the names in the directory; a stick that cannot sync names is no failure."""
    synced: list[str] = []
    sync = os.fsync

    def noted(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            synced.append("names")
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        synced.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        sync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    export(tmp_path / "r")
    assert ["r.md.new", "names", "r.json.new", "names"] == synced


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, stick, state_dir = tmp_path / "c.yaml", tmp_path / "stick", tmp_path / "state"
    config.write_text(f"stateDir: {state_dir}\n")
    stick.mkdir()
    state_dir.mkdir()
    journal = Journal(state_dir)
    journal.end(journal.begin("install", "du", "/c.yaml", {}, 1), State.DONE, "")
    journal.close()
    assert 0 == main(["report", "--to", str(stick), "--config", str(config)])
    written = [stick / "airferry-report-1.md", stick / "airferry-report-1.json"]
    assert [f"written: {path}" for path in written] == capsys.readouterr().out.splitlines()
    assert 0 == main(["report", "--to", str(stick), "--json", "--config", str(config)])
    record = json.loads(capsys.readouterr().out)
    assert {"run": 1, "written": [str(path) for path in written]} == record
    assert 1 == main(["report", "--to", str(stick / "x" / "y"), "--config", str(config)])
    assert "[E-DU-FILES]" in capsys.readouterr().err

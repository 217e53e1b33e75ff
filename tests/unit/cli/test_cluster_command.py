"""`airferry cluster-files`: written anew, copied to a stick, refused where that makes no sense."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.bundle.catalogue import Catalogue
from core.bundle.discovery import bundle_file
from core.bundle.listing import list_bundle
from core.cli.main import main
from core.config import Config, load_config
from core.engine.cluster import cluster_directory, export_cluster_files, has_cluster_files
from core.engine.lock import engine_lock
from core.errors import LocalFilesError, UsageError
from tests.support.archives import sample_images, write_bundle


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A site in mode none with one bundle that was never read."""
    (tmp_path / "imgs").mkdir()
    write_bundle(tmp_path / "imgs" / "x.tar", sample_images())
    path = tmp_path / "airctl-config.yaml"
    path.write_text("imagesDir: imgs\nstateDir: state\n")
    return load_config(path)


def know(config: Config) -> None:
    """Let the bundle be known, as after a run."""
    file = bundle_file(config.images_dir / "x.tar")
    Catalogue(config.state_dir).keep(file, list_bundle(file))


def run(config: Config, *options: str) -> int:
    return main(["cluster-files", "--config", str(config.path), *options])


def test_what_was_never_read_is_named(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run(config)
    assert "x.tar was never read" in capsys.readouterr().err
    assert has_cluster_files(config)
    assert 1 == len((cluster_directory(config) / "images.txt").read_text().splitlines())


def test_a_copy_is_made_where_asked(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    know(config)
    (tmp_path / "stick").mkdir()
    assert 0 == run(config, "--json", "--outdir", str(tmp_path / "stick"))
    said = json.loads(capsys.readouterr().out)
    copy = tmp_path / "stick" / "airferry-cluster-files"
    assert (str(copy), []) == (said["directory"], said["unread"])
    names = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}
    assert names == set(said["files"])
    assert 1 < len((copy / "images.txt").read_text().splitlines())


def test_each_file_is_told_with_what_it_is_for(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    know(config)
    assert 0 == run(config)
    lines = capsys.readouterr().out.splitlines()
    assert ["README.txt", "which file goes where: read first"] == lines[0].split(None, 1)
    assert f"in {cluster_directory(config)}" == lines[-1]
    assert all(len(line.split(None, 1)) == 2 for line in lines)


def test_a_place_that_is_not_there(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == run(config, "--outdir", str(config.path.parent / "stick"))
    assert "Is the stick in?" in capsys.readouterr().err


def test_nothing_is_copied_before_there_is_something(config: Config, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no files for the cluster yet"):
        export_cluster_files(config, tmp_path)


def test_a_run_at_work_writes_them_itself(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    config.state_dir.mkdir()
    with engine_lock(config.state_dir):
        assert 0 != run(config)
    assert "is at work" in capsys.readouterr().err


def test_a_disk_that_takes_nothing(config: Config, tmp_path: Path) -> None:
    assert 0 == run(config)
    (tmp_path / "airferry-cluster-files").write_text("in the way")
    with pytest.raises(LocalFilesError, match="airferry-cluster-files"):
        export_cluster_files(config, tmp_path)

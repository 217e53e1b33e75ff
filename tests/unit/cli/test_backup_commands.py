"""`airferry backup` and `airferry restore` as the processes that they are."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.engine.journal import State
from core.registry.api.client import RegistryClient
from tests.support.archives import docker_archive
from tests.support.backups import (
    NEWER,
    DuSite,
    Site,
    backup_of,
    damage,
    fill,
    hidden,
    saved,
    seen_from_outside,
    snapshot_of,
    visible,
    written,
)
from tests.support.importing import Importer
from tests.support.layouts import OCI_CONFIG, OCI_MANIFEST
from tests.support.ports import free_port


@pytest.fixture
def site(importer: Importer, address: str, tmp_path: Path) -> Site:
    fill(importer)
    (tmp_path / "stick").mkdir()
    return Site(tmp_path, address)


@pytest.fixture
def out(site: Site) -> Path:
    return site.directory / "stick"


def only_backup(directory: Path) -> Path:
    (name,) = (name for name in visible(directory) if name.endswith((".tar", ".00")))
    return directory / name


def test_a_backup(site: Site, out: Path, client: RegistryClient) -> None:
    done = site.run("backup", "--outdir", out)
    assert (0, "") == (done.returncode, done.stderr)
    path, task = only_backup(out), site.task("registry.backup")
    assert f"{path}: 4 images (5 names), read back and compared" == task.message
    assert (State.DONE, path.stat().st_size) == (task.state, task.bytes_done)
    assert "The registry is backed up." in done.stdout
    assert snapshot_of(client).tags == saved(path).snapshot.tags


def test_of_the_config_only_what_airferry_knows_is_kept(site: Site, out: Path) -> None:
    assert 0 == site.run("backup", "--outdir", out).returncode
    path = only_backup(out)
    assert b"hunter2" not in path.read_bytes()
    assert b"another-tool" not in path.read_bytes()
    with tarfile.open(path) as tar:
        file = tar.extractfile("airferry/airctl-config.yaml")
        assert file is not None
        assert f"privateRegistryBase: {site.address}" in file.read().decode()


def test_a_dry_run_writes_nothing(site: Site, out: Path) -> None:
    done = site.run("backup", "--outdir", out, "--dry-run")
    assert ([], []) == (visible(out), hidden(out))
    assert f"+ registry.backup: 4 images (5 names), to {out}" in done.stdout


def test_since_and_split(site: Site, out: Path, importer: Importer) -> None:
    site.run("backup", "--outdir", out)
    first = only_backup(out)
    importer.put(docker_archive([NEWER]))
    other = site.directory / "other"
    other.mkdir()
    done = site.run("backup", "--outdir", other, "--since", first, "--split", "1M")
    assert 0 == done.returncode
    path = only_backup(other)
    assert path.name.endswith("-changes.tar.00")
    assert (first.name,) == saved(path).record.needs


def test_a_clock_that_was_set_back(
    site: Site, out: Path, importer: Importer, client: RegistryClient
) -> None:
    """The later backup stays the newer one: what a restore makes must not be older than asked."""
    first = written(backup_of(client, out, "first.tar", created="2099-01-01T00:00:00+00:00"))
    importer.put(docker_archive([NEWER]))
    assert 0 == site.run("backup", "--outdir", out, "--since", first).returncode
    (later,) = (out / name for name in visible(out) if name.endswith("-changes.tar"))
    client.delete_tag("tool", "3")
    assert 0 == site.run("restore", first, later).returncode
    assert ["2", "3"] == sorted(client.tags("tool"))


def test_mode_none_has_nothing_to_back_up(site: Site, out: Path) -> None:
    site.config.write_text(f"stateDir: {site.state_dir}\n")
    done = site.run("backup", "--outdir", out)
    assert (2, True) == (done.returncode, "mode none has no registry to back up" in done.stderr)
    assert [] == site.reader.runs()


def test_a_directory_that_is_not_there(site: Site) -> None:
    done = site.run("backup", "--outdir", site.directory / "gone")
    assert (2, True) == (done.returncode, "Is the stick in?" in done.stderr)


@pytest.mark.parametrize("text", ["0", "x", "-1G", "4T", "100"])
def test_sizes_of_parts_that_make_no_sense(site: Site, out: Path, text: str) -> None:
    done = site.run("backup", "--outdir", out, f"--split={text}")
    assert (2, True) == (done.returncode, "is no size of 1000000 bytes or more" in done.stderr)


def test_an_empty_registry(address: str, tmp_path: Path) -> None:
    (tmp_path / "stick").mkdir()
    done = Site(tmp_path, address).run("backup", "--outdir", tmp_path / "stick")
    assert (1, True) == (done.returncode, "holds no image" in done.stdout)
    assert ([], []) == (visible(tmp_path / "stick"), hidden(tmp_path / "stick"))


@pytest.fixture
def backup(site: Site, out: Path) -> Path:
    assert 0 == site.run("backup", "--outdir", out).returncode
    return only_backup(out)


@pytest.fixture
def other(backup: Path, tmp_path: Path) -> Iterator[Site]:
    """Another site with an empty registry, that is ours (mode du) and does not run."""
    assert backup.is_file()
    directory = tmp_path / "other"
    directory.mkdir()
    site = DuSite(directory, f"127.0.0.1:{free_port()}")
    yield site
    site.run("registry stop")


def test_a_restore_starts_the_registry(
    site: Site, other: Site, backup: Path, client: RegistryClient
) -> None:
    done = other.run("restore", backup)
    assert (0, "") == (done.returncode, done.stderr)
    assert "The registry is as the backup says." in done.stdout
    task = other.task("registry.restore")
    assert (State.DONE, f"4 images (5 names) as in {backup.name}, every part is there") == (
        task.state,
        task.message,
    )
    names = [f"{name}:{tag}" for name, tag in snapshot_of(client).tags]
    assert seen_from_outside(site.address, names) == seen_from_outside(other.address, names)
    assert "Nothing had to be done" in other.run("restore", backup).stdout


def test_a_dry_restore_starts_nothing(other: Site, backup: Path) -> None:
    done = other.run("restore", "--dry-run", backup)
    assert (0, True) == (
        done.returncode,
        "4 images (5 names); what is in the registry is known when it runs" in done.stdout,
    )
    assert "is stopped" in other.run("registry status").stdout


def test_a_dry_restore_says_what_is_lacking(other: Site, backup: Path) -> None:
    other.run("restore", backup)
    client = RegistryClient(other.address)
    client.delete_tag("site/app", "stable")
    config = client.upload_bytes("mine", b"{}")
    client.put_manifest("mine", "1", manifest_with(config), OCI_MANIFEST)
    client.close()
    done = other.run("restore", "--dry-run", "--prune", backup)
    assert (
        "+ registry.restore: 1 of 5 names are not as in the backup; 1 name to remove: mine:1"
    ) in done.stdout


def manifest_with(config: str) -> str:
    described = {"mediaType": OCI_CONFIG, "digest": config, "size": 2}
    manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described, "layers": []}
    return json.dumps(manifest)


def test_a_damaged_registry_is_mended(other: Site, backup: Path) -> None:
    other.run("restore", backup)
    content = saved(backup).snapshot
    digest = max(content.blobs, key=lambda digest: content.blobs[digest])
    (path,) = other.directory.glob(f"**/{digest.removeprefix('sha256:')}/data")
    damage(path)
    assert 0 == other.run("restore", backup).returncode
    assert digest == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def test_a_damaged_backup(other: Site, backup: Path) -> None:
    damage(backup)
    done = other.run("restore", backup)
    assert (1, "E-BUNDLE-CORRUPT") == (
        done.returncode,
        other.task("registry.restore").error_code,
    )
    assert "No tag was changed" in done.stdout
    client = RegistryClient(other.address)
    assert [] == [tag for name in client.repositories() for tag in client.tags(name)]
    client.close()


def test_a_restore_of_nothing(site: Site) -> None:
    done = site.run("restore", site.directory / "gone.tar")
    assert (1, True) == (done.returncode, "cannot be read: No such file" in done.stderr)


def test_mode_none_has_nothing_to_restore_into(site: Site, backup: Path) -> None:
    site.config.write_text(f"stateDir: {site.state_dir}\n")
    done = site.run("restore", backup)
    assert (2, True) == (done.returncode, "mode none has no registry" in done.stderr)

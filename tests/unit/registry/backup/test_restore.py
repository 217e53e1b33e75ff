"""From a backup into a registry: empty, partly filled or damaged; tags come last."""

from __future__ import annotations

import json
import resource
import shutil
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import BundleCorrupt, BundleError, Cancelled, NotABundle, RegistryError
from core.pause import Pause
from core.registry.api.client import RegistryClient
from core.registry.backup.archive import BackupArchive
from core.registry.backup.restore import Restore, RestoreDiff
from core.registry.local.blob_files import BlobFiles
from tests.support.archives import digest_of, docker_archive, write_bundle
from tests.support.backups import (
    BIG,
    NEWER,
    TOOL,
    backup_of,
    damage,
    fill,
    raw,
    saved,
    seen_from_outside,
    snapshot_of,
    written,
)
from tests.support.disks import bad_sector
from tests.support.importing import Importer
from tests.support.layouts import OCI_INDEX, OCI_MANIFEST, Entry, as_json, tar_bytes
from tests.support.oci import Layout, noted, ref_name
from tests.support.registry import RunningRegistry, running_registry
from tests.support.stored import Storage
from tests.support.waiting import HANG_S

NAMES = ["site/app:1", "site/app:stable", "site/both:1", "site/docker:1", "tool:2"]


@pytest.fixture
def backup(importer: Importer, client: RegistryClient, tmp_path: Path) -> Path:
    """A backup of a registry that is still there."""
    fill(importer)
    return written(backup_of(client, tmp_path / "stick"))


@pytest.fixture
def other(tmp_path: Path) -> Iterator[RunningRegistry]:
    """Another registry, empty."""
    directory = tmp_path / "other"
    directory.mkdir()
    with running_registry(directory) as registry:
        yield registry


@pytest.fixture
def target(other: RunningRegistry) -> Iterator[RegistryClient]:
    client = RegistryClient(other.address)
    yield client
    client.close()


@pytest.fixture
def files(other: RunningRegistry) -> BlobFiles:
    return BlobFiles(other.directory)


@pytest.fixture
def kept(tmp_path: Path, other: RunningRegistry) -> Storage:
    """What the other registry has on its disk."""
    assert other.address
    return Storage(tmp_path / "other")


def restore_of(
    client: RegistryClient,
    *backups: BackupArchive,
    files: BlobFiles | None = None,
    prune: bool = False,
) -> Restore:
    return Restore(backups, client, threading.Event(), files, prune=prune)


def restored(restore: Restore) -> list[int]:
    """Restore, see that nothing is lacking then, and return the progress that was told."""
    told: list[int] = []
    restore.run(restore.lacks(closely=True), told.append)
    assert RestoreDiff() == restore.lacks(closely=True)
    return told


def test_into_an_empty_registry(
    backup: Path, address: str, other: RunningRegistry, target: RegistryClient
) -> None:
    """The same names, and to each the same bytes, seen from outside."""
    restore = restore_of(target, saved(backup))
    lacks = restore.lacks(closely=True)
    assert (restore.content.blobs, 5) == (lacks.blobs, restore.images_of(lacks))
    told = restored(restore)
    assert sorted(told) == told
    assert lacks.size_bytes == told[-1]
    assert seen_from_outside(address, NAMES) == seen_from_outside(other.address, NAMES)
    assert set(NAMES) == {
        f"{name}:{tag}" for name in target.repositories() for tag in target.tags(name)
    }


def test_blobs_are_put_where_the_registry_stores(
    backup: Path,
    address: str,
    other: RunningRegistry,
    target: RegistryClient,
    files: BlobFiles,
    kept: Storage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The registry itself takes no blob, and has them all; a killed run's rest is cleared away."""
    (other.directory / "airferry-restore").mkdir()
    (other.directory / "airferry-restore" / "half").write_bytes(b"half")
    monkeypatch.delattr(RegistryClient, "upload_stream")
    restored(restore_of(target, saved(backup), files=files))
    assert seen_from_outside(address, NAMES) == seen_from_outside(other.address, NAMES)
    assert all(digest == digest_of(kept.blob(digest)) for digest in saved(backup).snapshot.blobs)
    assert [] == kept.drafts()


def test_a_registry_that_stores_elsewhere_is_sent_the_blobs(
    backup: Path, address: str, other: RunningRegistry, target: RegistryClient, tmp_path: Path
) -> None:
    """Nothing is left where it does not look, and what was there already stays."""
    elsewhere = tmp_path / "elsewhere"
    content = saved(backup).snapshot
    digest = max(content.blobs, key=lambda digest: content.blobs[digest])
    there = elsewhere / "docker/registry/v2/blobs/sha256" / digest[7:9] / digest[7:] / "data"
    there.parent.mkdir(parents=True)
    there.write_bytes(b"".join(saved(backup).pieces(digest, lambda: None)))
    restored(restore_of(target, saved(backup), files=BlobFiles(elsewhere)))
    assert seen_from_outside(address, NAMES) == seen_from_outside(other.address, NAMES)
    assert [there] == [path for path in elsewhere.rglob("*") if path.is_file()]


def test_what_is_there_is_not_sent_again(backup: Path, target: RegistryClient) -> None:
    restored(restore_of(target, saved(backup)))
    target.delete_tag("site/app", "stable")
    restore = restore_of(target, saved(backup))
    lacks = restore.lacks(closely=True)
    assert ({}, (("site/app", "stable"),), 1) == (lacks.blobs, lacks.tags, restore.images_of(lacks))
    assert [] == restored(restore)


def test_a_blob_that_another_repository_has_is_only_made_known(
    backup: Path, target: RegistryClient, kept: Storage
) -> None:
    restored(restore_of(target, saved(backup)))
    kept.lose_links("tool")
    restore = restore_of(target, saved(backup))
    lacks = restore.lacks(closely=True)
    assert {"tool"} == {repository for repository, _ in lacks.links}
    sent = sum(size for size in lacks.blobs.values())
    assert sent < BIG / 10  # the large layer is the other image's, too
    restored(restore)


@pytest.mark.parametrize("how", ["one bit", "cut", "empty", "gone"])
@pytest.mark.parametrize("what", ["layer", "manifest", "list"])
def test_what_is_damaged_on_the_disk_is_replaced(
    backup: Path,
    target: RegistryClient,
    other: RunningRegistry,
    address: str,
    files: BlobFiles,
    kept: Storage,
    what: str,
    how: str,
) -> None:
    restored(restore_of(target, saved(backup), files=files))
    content = saved(backup).snapshot
    path = kept.path(
        {
            "layer": max(content.blobs, key=lambda digest: content.blobs[digest]),
            "manifest": content.tags["tool", "2"],
            "list": content.tags["site/both", "1"],
        }[what]
    )
    if how == "one bit":
        damage(path)
    elif how == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:100] if how == "cut" else b"")
    restored(restore_of(target, saved(backup), files=files))
    assert seen_from_outside(address, NAMES) == seen_from_outside(other.address, NAMES)


def test_tags_and_repositories_that_are_lost(
    backup: Path, target: RegistryClient, other: RunningRegistry, address: str, kept: Storage
) -> None:
    restored(restore_of(target, saved(backup)))
    kept.lose_tag("site/app", "1")
    shutil.rmtree(other.directory / "docker/registry/v2/repositories/site/both")
    restored(restore_of(target, saved(backup)))
    assert seen_from_outside(address, NAMES) == seen_from_outside(other.address, NAMES)


def test_links_that_a_power_cut_emptied(
    backup: Path, target: RegistryClient, other: RunningRegistry, address: str
) -> None:
    restored(restore_of(target, saved(backup)))
    links = list(other.directory.glob("docker/registry/v2/repositories/**/link"))
    assert len(links) > len(NAMES)
    for link in links:
        link.write_bytes(b"")
    restored(restore_of(target, saved(backup)))
    assert seen_from_outside(address, NAMES) == seen_from_outside(other.address, NAMES)


def test_a_tag_that_moved_comes_back(backup: Path, target: RegistryClient, tmp_path: Path) -> None:
    other = Importer(target, tmp_path)
    other.put(docker_archive([NEWER]))
    before = saved(backup).snapshot
    newer = snapshot_of(target)
    document = newer.documents[newer.tags["tool", "3"]]
    target.put_manifest("tool", "2", document.data.decode(), document.media_type)
    restored(restore_of(target, saved(backup)))
    assert before.tags["tool", "2"] == target.manifest_digest("tool", "2")
    assert ["2", "3"] == target.tags("tool")


def test_prune(backup: Path, target: RegistryClient, tmp_path: Path) -> None:
    """What the backup has not goes, also a tag of an image that stays under another name."""
    Importer(target, tmp_path).put(docker_archive([NEWER]))
    restored(restore_of(target, saved(backup)))
    content = saved(backup).snapshot
    document = content.documents[content.tags["tool", "2"]]
    target.put_manifest("tool", "mine", document.data.decode(), document.media_type)
    restore = restore_of(target, saved(backup), prune=True)
    assert {("tool", "3"), ("tool", "mine")} == set(restore.lacks(closely=True).extra)
    restored(restore)
    assert content.tags == snapshot_of(target).tags


@pytest.mark.parametrize("where", ["registry", "files"])
def test_a_damaged_backup_is_refused_with_the_blob_named(
    backup: Path, target: RegistryClient, files: BlobFiles, kept: Storage, where: str
) -> None:
    found = saved(backup)
    sizes = found.snapshot.blobs
    digest = max(sizes, key=lambda digest: sizes[digest])
    damage(backup, found.places[digest].offset + 1000)
    restore = restore_of(target, saved(backup), files=files if where == "files" else None)
    with pytest.raises(BundleCorrupt, match=f"the blob {digest} of site/app:1 is damaged"):
        restore.run(restore.lacks(closely=True), lambda _: None)
    assert [] == kept.drafts()
    assert [] == [tag for name in target.repositories() for tag in target.tags(name)]


@pytest.mark.parametrize("text", [b"tool:2", b"2026-11-20", b"needs", b"rootfs.diff"])
def test_a_backup_whose_documents_are_damaged(backup: Path, text: bytes) -> None:
    """One bit in a name, in the record, in a manifest."""
    damage(backup, backup.read_bytes().index(text) + len(text) - 1)
    with pytest.raises(BundleError, match="is damaged"):
        saved(backup)


def test_what_other_tools_read_first_is_damaged(backup: Path) -> None:
    damage(backup, backup.read_bytes().index(b"imageLayoutVersion"))
    with pytest.raises(BundleCorrupt, match="oci-layout is damaged"):
        saved(backup)


def test_an_index_that_is_for_other_tools_is_damaged(backup: Path) -> None:
    entries = json.loads(bytes_of(backup, "index.json"))["manifests"]
    digest = [e["digest"] for e in entries if e["mediaType"] == OCI_INDEX][-1]
    damage(backup, saved(backup).places[digest].offset + 5)
    with pytest.raises(BundleCorrupt, match=f"the blob {digest} is damaged"):
        saved(backup)


def bytes_of(backup: Path, name: str) -> bytes:
    with tarfile.open(backup) as tar:
        file = tar.extractfile(name)
        assert file is not None
        return file.read()


def test_a_backup_that_is_cut(backup: Path) -> None:
    backup.write_bytes(backup.read_bytes()[: BIG // 4])
    with pytest.raises(BundleError, match="ends in the middle"):
        saved(backup)


def test_a_bundle_of_another_kind_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(NotABundle, match="no backup"):
        saved(write_bundle(tmp_path / "b.tar", [TOOL]))


def test_a_compressed_backup_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is compressed") as caught:
        saved(write_bundle(tmp_path / "b.tar.gz", [TOOL], compress=True))
    assert "Unpack it first" in caught.value.remedy


def test_parts(backup: Path, client: RegistryClient, target: RegistryClient) -> None:
    first = written(backup_of(client, backup.parent / "parts", part_bytes=600_000))
    restored(restore_of(target, saved(first)))
    assert snapshot_of(client).tags == snapshot_of(target).tags


def test_a_backup_that_somebody_unpacked(
    backup: Path, client: RegistryClient, target: RegistryClient, tmp_path: Path
) -> None:
    shutil.unpack_archive(backup, tmp_path / "unpacked")
    restored(restore_of(target, saved(tmp_path / "unpacked")))
    assert snapshot_of(client).tags == snapshot_of(target).tags


def test_an_incremental_one_needs_those_before(
    backup: Path, importer: Importer, client: RegistryClient, target: RegistryClient
) -> None:
    importer.put(docker_archive([NEWER]))
    client.delete_tag("site/app", "stable")
    later = written(
        backup_of(client, backup.parent, "b.tar", created="2026-11-21", earlier=(saved(backup),))
    )
    with pytest.raises(BundleError, match="in none of the backups given") as caught:
        restore_of(target, saved(later)).lacks(closely=True)
    assert "Name the earlier backups as well: backup.tar" == caught.value.remedy
    restored(restore_of(target, saved(later), saved(backup)))
    assert snapshot_of(client).tags == snapshot_of(target).tags


def test_damage_in_a_registry_elsewhere_is_told(
    backup: Path, target: RegistryClient, kept: Storage
) -> None:
    """Its files are not ours, and it takes no blob again that it has."""
    restored(restore_of(target, saved(backup)))
    digest = max(saved(backup).snapshot.blobs)
    kept.path(digest).write_bytes(b"short")
    with pytest.raises(RegistryError, match=f"has a damaged blob: {digest}"):
        restore_of(target, saved(backup)).lacks(closely=True)


def test_a_paused_restore_goes_on(backup: Path, target: RegistryClient) -> None:
    pause, paused = Pause(), threading.Event()
    restore = Restore([saved(backup)], target, threading.Event(), pause=pause)
    pause.begin()
    with ThreadPoolExecutor(1, "test") as threads:
        running = threads.submit(
            restore.run, restore.lacks(closely=True), lambda _: None, lambda _: paused.set()
        )
        assert paused.wait(HANG_S)
        pause.end()
        running.result(HANG_S)
    assert RestoreDiff() == restore.lacks(closely=True)


@pytest.mark.parametrize(
    "document",
    [
        b"[]",
        b"{",
        b"[" * 100_000,
        b'{"manifests": [1]}',
        b'{"manifests": [{"digest": "sha256:1", "mediaType": "x"}]}',
        b'{"manifests": [{"digest": "../../etc/passwd", "mediaType": "x", "annotations": '
        b'{"org.opencontainers.image.ref.name": "a:1"}}]}',
        b'{"manifests": [{"digest": "sha256:1", "mediaType": "x", "annotations": '
        b'{"org.opencontainers.image.ref.name": "UPPER CASE"}}]}',
    ],
)
def test_indexes_that_no_backup_has(tmp_path: Path, document: bytes) -> None:
    path = tmp_path / "b.tar"
    path.write_bytes(tar_bytes([Entry("index.json", document)]))
    with pytest.raises(BundleError):
        saved(path)


def test_lists_that_name_each_other_over_and_over(tmp_path: Path) -> None:
    """Each of four levels names all of the next one: looked through once, not 30 to the fourth."""
    layout = Layout()
    level = [layout.put(b'{"layers": []}', OCI_MANIFEST)]
    for depth in range(4):
        level = [
            layout.put(as_json({"manifests": level, "own": f"{depth}-{number}"}), OCI_INDEX)
            for number in range(30)
        ]
    path = tmp_path / "b.tar"
    path.write_bytes(layout.tar(noted(level[0], ref_name("a:1"))))
    assert {("a", "1")} == set(saved(path).snapshot.tags)
    assert len(saved(path).snapshot.manifests["a"]) < 4 * 30 + 1


def test_from_below_one_path_to_below_another(
    address: str, other: RunningRegistry, tmp_path: Path
) -> None:
    """Registries that sites have already are shared (mode custom): only what is below is ours."""
    theirs, ours = RegistryClient(address, prefix="team/a"), RegistryClient(address)
    fill(Importer(theirs, tmp_path))
    Importer(ours, tmp_path).put(docker_archive([NEWER]))
    backup = written(backup_of(theirs, tmp_path / "stick"))
    target = RegistryClient(other.address, prefix="b")
    restored(restore_of(target, saved(backup), prune=True))
    assert snapshot_of(theirs).tags == snapshot_of(target).tags
    assert raw(f"docker://{address}/team/a/tool:2") == raw(f"docker://{other.address}/b/tool:2")
    for client in (theirs, ours, target):
        client.close()


def test_a_cancel(backup: Path, target: RegistryClient) -> None:
    stop = threading.Event()
    restore = Restore([saved(backup)], target, stop)
    with pytest.raises(Cancelled):
        restore.run(restore.lacks(closely=True), lambda _: stop.set())
    assert [] == [tag for name in target.repositories() for tag in target.tags(name)]


def test_a_blob_on_a_bad_sector_is_brought_anew(
    backup: Path,
    target: RegistryClient,
    files: BlobFiles,
    kept: Storage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is damaged as any other, and no reason to give up."""
    restored(restore_of(target, saved(backup), files=files))
    blobs = saved(backup).snapshot.blobs
    digest = max(blobs, key=lambda digest: blobs[digest])
    with bad_sector(monkeypatch, kept.path(digest)):
        restore = restore_of(target, saved(backup), files=files)
        lacks = restore.lacks(closely=True)
        assert (({digest: blobs[digest]}), (digest,)) == (lacks.blobs, lacks.damaged)
        restored(restore)


def test_a_blob_of_which_only_a_part_was_taken_is_not_there(tmp_path: Path) -> None:
    """A disk that is all but full takes a part of the last piece without a word."""
    data = bytes(3000)
    files = BlobFiles(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            files.put("a/b", digest_of(data), [data])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.rglob("data"))

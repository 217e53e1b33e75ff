"""The registry's content into an archive: whole, readable by others, never half."""

from __future__ import annotations

import errno
import hashlib
import json
import subprocess
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from core.bundle.discovery import bundle_file, find_bundles
from core.bundle.listing import verify_bundle
from core.engine.backups import needs_of
from core.errors import (
    BackupPlaceUnfit,
    Cancelled,
    LocalFilesError,
    RegistryDamaged,
    RegistryError,
)
from core.registry.api.client import RegistryClient
from core.registry.backup.writer import SMALL_BYTES
from core.registry.content.snapshot import read_snapshot
from core.registry.local.blob_files import BlobFiles
from tests.support.archives import digest_of, docker_archive
from tests.support.backups import (
    NEWER,
    backup_of,
    damage,
    fill,
    hidden,
    raw,
    saved,
    snapshot_of,
    visible,
    written,
)
from tests.support.disks import bad_sector, refuse_to_sync_directories
from tests.support.importing import Importer
from tests.support.layouts import OCI_INDEX, as_json
from tests.support.registry import fresh_registry
from tests.support.stored import Storage
from tests.support.waiting import HANG_S

LISTS = ["site/both:1", "site/docker:1"]
NAMES = ["site/app:1", "site/app:stable", *LISTS, "tool:2"]
PART_BYTES = 600_000
NESTED = 8


@pytest.fixture
def filled(importer: Importer, client: RegistryClient) -> RegistryClient:
    fill(importer)
    return client


@pytest.fixture
def out(tmp_path: Path) -> Path:
    directory = tmp_path / "stick"
    directory.mkdir()
    return directory


@pytest.mark.usefixtures("skopeo")
def test_every_name_can_be_copied_out_of_it_by_skopeo(
    filled: RegistryClient, address: str, out: Path, tmp_path: Path
) -> None:
    """Though most are of Docker's media types, which skopeo passes over in an OCI archive."""
    path = written(backup_of(filled, out))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with fresh_registry(elsewhere) as other:
        for name in NAMES:
            source, target = f"oci-archive:{path}:{name}", f"docker://{other}/{name}"
            everything = ["--all"] if name in LISTS else []
            tls = ["--dest-tls-verify=false"]
            subprocess.run(["skopeo", "copy", "-q", *everything, *tls, source, target], check=True)
        for name in NAMES:
            here, there = raw(f"docker://{address}/{name}"), raw(f"docker://{other}/{name}")
            if name == "site/docker:1":  # becomes a list of OCI's type
                assert json.loads(here)["manifests"] == json.loads(there)["manifests"]
            else:
                assert here == there


def test_it_is_a_bundle(filled: RegistryClient, out: Path, tmp_path: Path) -> None:
    """Another site imports it, and has the same names and digests; a list stays as it was."""
    path = written(backup_of(filled, out))
    assert set(NAMES) == names_in(path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with fresh_registry(elsewhere) as other:
        client = RegistryClient(other)
        Importer(client, elsewhere).put(path)
        assert snapshot_of(filled).tags == snapshot_of(client).tags
        client.close()


def names_in(path: Path) -> set[str]:
    """Return the names that the images of a bundle get on a site."""
    return {
        f"{name.site_repository}:{name.tag}"
        for image in verify_bundle(bundle_file(path)).images
        for name in image.references
    }


def test_its_checksum_lies_beside_it(filled: RegistryClient, out: Path) -> None:
    path = written(backup_of(filled, out))
    assert ["backup.tar", "backup.tar.sha256"] == visible(out)
    assert [] == hidden(out)
    assert (
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  backup.tar\n"
        == (out / "backup.tar.sha256").read_text()
    )
    subprocess.run(["sha256sum", "-c", "backup.tar.sha256"], cwd=out, check=True)
    (found,), _ = find_bundles(out)
    assert "backup.tar" == found.name


def test_the_config_lies_in_it(filled: RegistryClient, out: Path) -> None:
    path = written(backup_of(filled, out, config=b"warm: pull\n"))
    with tarfile.open(path) as tar:
        file = tar.extractfile("airferry/airctl-config.yaml")
        assert file is not None
        assert b"warm: pull\n" == file.read()


def test_the_staging_repository_is_left_out(filled: RegistryClient, out: Path) -> None:
    assert "airferry/stage" in list(filled.repositories())
    assert {"site/app", "site/both", "site/docker", "tool"} == {
        name for name, _ in saved(written(backup_of(filled, out))).snapshot.tags
    }


def test_the_size_is_known_before(filled: RegistryClient, out: Path) -> None:
    backup = backup_of(filled, out)
    told: list[int] = []
    (path,) = backup.run(told.append, lambda _: None)
    assert backup.size_bytes == path.stat().st_size == told[-1]
    assert sorted(told) == told


@pytest.mark.usefixtures("skopeo")
@pytest.mark.parametrize("repository", ["library/odd", "k8s.gcr.io/odd", "localhost/odd", "a/b_c"])
def test_names_that_could_be_read_in_another_way(
    filled: RegistryClient, address: str, out: Path, repository: str
) -> None:
    source, target = f"docker://{address}/tool:2", f"docker://{address}/{repository}:1"
    tls = ["--src-tls-verify=false", "--dest-tls-verify=false"]
    subprocess.run(["skopeo", "copy", "-q", *tls, source, target], check=True)
    path = written(backup_of(filled, out))
    assert snapshot_of(filled).tags == saved(path).snapshot.tags
    assert f"{repository}:1" in names_in(path)


def test_what_is_pushed_and_deleted_meanwhile_changes_nothing(
    filled: RegistryClient, importer: Importer, out: Path
) -> None:
    """A tag goes after the manifests were read, and another comes."""
    backup = backup_of(filled, out)
    before = snapshot_of(filled)
    importer.put(docker_archive([NEWER]))
    filled.delete_tag("tool", "2")
    assert before.tags == saved(written(backup)).snapshot.tags


def test_parts_for_a_stick(filled: RegistryClient, out: Path) -> None:
    path = written(backup_of(filled, out, part_bytes=PART_BYTES))
    names = [name for name in visible(out) if not name.endswith(".sha256")]
    assert [f"backup.tar.{number:02}" for number in range(len(names))] == names
    assert len(names) > 2
    assert {PART_BYTES} == {(out / name).stat().st_size for name in names[:-1]}
    for name in names:
        subprocess.run(["sha256sum", "-c", f"{name}.sha256"], cwd=out, check=True)
    verify_bundle(bundle_file(path))
    assert snapshot_of(filled).tags == saved(path).snapshot.tags


def test_what_an_earlier_backup_holds_is_left_out(
    filled: RegistryClient, importer: Importer, out: Path
) -> None:
    first = saved(written(backup_of(filled, out, "a.tar")))
    importer.put(docker_archive([NEWER]))
    path = written(backup_of(filled, out, "b.tar", earlier=(first,)))
    second = saved(path)
    assert snapshot_of(filled).tags == second.snapshot.tags
    assert ("a.tar",) == second.record.needs == needs_of(path)
    assert () == needs_of(out / "a.tar") == needs_of(out / "gone.tar")
    new = set(second.snapshot.blobs) - set(first.snapshot.blobs)
    assert new == set(second.places) & set(second.snapshot.blobs)
    assert set(first.snapshot.blobs) & set(second.snapshot.blobs) == set(second.record.elsewhere)
    third = saved(written(backup_of(filled, out, "c.tar", earlier=(second,))))
    assert (set(), ("b.tar", "a.tar")) == (
        set(third.places) & set(third.snapshot.blobs),
        third.record.needs,
    )


def test_a_blob_that_is_damaged_in_the_registry_is_named(
    filled: RegistryClient, stored: Storage, out: Path
) -> None:
    (digest,) = {
        digest
        for (name, digest), size in snapshot_of(filled).links.items()
        if name == "site/app" and size > 100_000
    }
    damage(stored.path(digest))
    with pytest.raises(RegistryError, match=f"a damaged blob: {digest}, of site/app:1"):
        written(backup_of(filled, out))
    stored.lose_blob(digest)
    with pytest.raises(RegistryError, match=f"the blob {digest} not whole"):
        written(backup_of(filled, out))
    assert ([], []) == (visible(out), hidden(out))


@pytest.fixture
def blob_files(filled: RegistryClient, stored: Storage) -> BlobFiles:
    """Where the filled registry stores."""
    assert list(filled.repositories())
    return BlobFiles(stored.root)


def test_blobs_are_read_where_the_registry_stores(
    filled: RegistryClient, stored: Storage, blob_files: BlobFiles, out: Path
) -> None:
    """The same archive; and the registry, which knows the large blobs no more, was not asked."""
    through_it = written(backup_of(filled, out, "a.tar"))
    backup = backup_of(filled, out, "b.tar", files=blob_files)
    for digest, size in backup.snapshot.blobs.items():
        if size > SMALL_BYTES:
            stored.lose_link(digest)
    assert through_it.read_bytes() == written(backup).read_bytes()


def test_what_is_not_there_in_its_size_is_asked_of_the_registry(
    filled: RegistryClient, out: Path, tmp_path: Path
) -> None:
    through_it = written(backup_of(filled, out, "a.tar"))
    elsewhere = BlobFiles(tmp_path / "elsewhere")
    path = written(backup_of(filled, out, "b.tar", files=elsewhere))
    assert through_it.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("part_bytes", [0, PART_BYTES])
def test_a_blob_that_is_damaged_where_the_registry_stores_is_named(
    filled: RegistryClient, stored: Storage, blob_files: BlobFiles, out: Path, part_bytes: int
) -> None:
    """It is read back as something else, and told from a bad medium."""
    blobs = snapshot_of(filled).blobs
    digest = max(blobs, key=lambda digest: blobs[digest])
    damage(stored.path(digest))
    with pytest.raises(RegistryError, match=f"a damaged blob: {digest}, of site/app:1"):
        written(backup_of(filled, out, files=blob_files, part_bytes=part_bytes))
    assert ([], []) == (visible(out), hidden(out))


def test_a_blob_on_a_bad_sector_is_named(
    filled: RegistryClient,
    stored: Storage,
    blob_files: BlobFiles,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is the registry's disk that is bad, not the one that the backup goes to."""
    blobs = snapshot_of(filled).blobs
    digest = max(blobs, key=lambda digest: blobs[digest])
    with (
        bad_sector(monkeypatch, stored.path(digest)),
        pytest.raises(RegistryError, match=f"a damaged blob: {digest}, of site/app:1"),
    ):
        written(backup_of(filled, out, files=blob_files))
    assert ([], []) == (visible(out), hidden(out))


def test_a_manifest_that_is_damaged_in_the_registry(
    filled: RegistryClient, stored: Storage, out: Path
) -> None:
    digest = snapshot_of(filled).tags["tool", "2"]
    damage(stored.path(digest))
    with pytest.raises(RegistryError, match=f"damaged manifest: tool, {digest}"):
        backup_of(filled, out)


def test_a_tag_whose_manifest_is_gone(filled: RegistryClient, stored: Storage, out: Path) -> None:
    """Not as if there were no such tag."""
    stored.lose_blob(snapshot_of(filled).tags["tool", "2"])
    with pytest.raises(RegistryDamaged, match="manifest of tool:2 is not there any more") as caught:
        backup_of(filled, out)
    assert "registry verify --repair" in caught.value.remedy


def test_a_manifest_that_is_cut_short(filled: RegistryClient, stored: Storage, out: Path) -> None:
    """The registry answers 500, which passes elsewhere."""
    path = stored.path(snapshot_of(filled).tags["tool", "2"])
    path.write_bytes(path.read_bytes()[:7])
    with pytest.raises(RegistryDamaged, match="the manifest of tool:2 cannot be read"):
        backup_of(filled, out)


def test_a_list_whose_manifest_is_gone(filled: RegistryClient, stored: Storage, out: Path) -> None:
    """No registry of this kind would take such a list at a restore."""
    found = snapshot_of(filled)
    child = next(iter(found.documents[found.tags["site/docker", "1"]].children))
    stored.lose_blob(child)
    with pytest.raises(RegistryDamaged, match=f"{child} .* and site/docker:1 needs it"):
        backup_of(filled, out)


def test_a_list_in_a_registry_of_others_may_have_gaps(
    filled: RegistryClient, stored: Storage
) -> None:
    found = snapshot_of(filled)
    stored.lose_blob(next(iter(found.documents[found.tags["site/docker", "1"]].children)))
    client, warned = RegistryClient(filled.address, theirs=True), list[str]()
    with closing(client):
        there = read_snapshot(client, threading.Event(), warned.append)
    assert found.tags == there.tags
    assert ["site/docker:1 lists 1 manifests that the registry lacks"] == warned


def test_lists_in_lists_in_lists(filled: RegistryClient, out: Path) -> None:
    """All are kept, however deep they are."""
    digest, size = filled.manifest_digest("site/both", "1"), 0
    text = raw(f"docker://{filled.address}/site/both:1")
    for _ in range(NESTED):
        size = len(text)
        entry = {"mediaType": OCI_INDEX, "digest": digest, "size": size}
        text = as_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]})
        digest = digest_of(text)
        filled.put_manifest("site/both", digest, text.decode(), OCI_INDEX)
    filled.put_manifest("site/both", "deep", text.decode(), OCI_INDEX)
    kept = saved(written(backup_of(filled, out))).snapshot
    assert snapshot_of(filled).tags["site/both", "1"] in kept.below(kept.tags["site/both", "deep"])


def test_a_cancel_leaves_nothing(filled: RegistryClient, out: Path) -> None:
    backup = backup_of(filled, out)
    with pytest.raises(Cancelled):
        backup.run(lambda _: backup.stop.set(), lambda _: None)
    assert ([], []) == (visible(out), hidden(out))


def test_a_paused_backup_goes_on(filled: RegistryClient, out: Path) -> None:
    backup, said, paused = backup_of(filled, out), list[str](), threading.Event()

    def say(words: str) -> None:
        said.append(words)
        if words == "paused":
            paused.set()

    backup.pause.begin()
    with ThreadPoolExecutor(1, "test") as threads:
        running = threads.submit(backup.run, lambda _: None, say)
        assert paused.wait(HANG_S)
        assert [] == visible(out)
        backup.pause.end()
        (path,) = running.result(HANG_S)
    assert ["paused", "writing backup.tar"] == said[:2]
    assert snapshot_of(filled).tags == saved(path).snapshot.tags


@pytest.mark.parametrize("where", ["registry", "files"])
@pytest.mark.parametrize("place", [0, 100, 512, 3_000_000, -1])
def test_a_medium_that_reads_back_something_else(
    filled: RegistryClient, blob_files: BlobFiles, out: Path, where: str, place: int
) -> None:
    """A stick that lies cannot be had here: a byte is changed behind the writer's back."""
    backup = backup_of(filled, out, files=blob_files if where == "files" else None)

    def say(words: str) -> None:
        if words == "reading it back":
            damage(out / ".backup.tar.partial", place % backup.size_bytes)

    with pytest.raises(BackupPlaceUnfit, match="reads back as something else"):
        backup.run(lambda _: None, say)
    assert ([], []) == (visible(out), hidden(out))


@pytest.mark.parametrize("part_bytes", [0, PART_BYTES])
def test_names_that_cannot_be_given_leave_nothing(
    filled: RegistryClient, out: Path, part_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stick goes at the last moment: the first file, which comes last, is not renamed."""
    renamed = Path.replace

    def rename(path: Path, target: Path) -> Path:
        if target.name in ("backup.tar", "backup.tar.00"):
            raise OSError(errno.EIO, "Input/output error")
        return renamed(path, target)

    monkeypatch.setattr(Path, "replace", rename)
    with pytest.raises(LocalFilesError, match="Input/output error"):
        written(backup_of(filled, out, part_bytes=part_bytes))
    assert ([], []) == (visible(out), hidden(out))


@pytest.mark.parametrize("part_bytes", [0, PART_BYTES])
def test_a_stick_that_syncs_no_directory(
    filled: RegistryClient, out: Path, part_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backup is whole and read back by then: that must not cost it."""
    refuse_to_sync_directories(monkeypatch, errno.EINVAL)
    path = written(backup_of(filled, out, part_bytes=part_bytes))
    assert (snapshot_of(filled).tags, []) == (saved(path).snapshot.tags, hidden(out))


def test_a_stick_that_loses_names_is_no_place_for_a_backup(
    filled: RegistryClient, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_to_sync_directories(monkeypatch, errno.EIO)
    with pytest.raises(LocalFilesError, match="Input/output error"):
        written(backup_of(filled, out))
    assert ([], []) == (visible(out), hidden(out))


def test_what_a_killed_run_left_is_removed(filled: RegistryClient, out: Path) -> None:
    for name in (".old.tar.00.partial", "old.tar.01", "old.tar.00.sha256", "old.tar.01.sha256"):
        (out / name).write_bytes(b"x")
    (out / "mine.tar").write_bytes(b"x")
    written(backup_of(filled, out))
    assert ["backup.tar", "backup.tar.sha256", "mine.tar"] == visible(out)
    assert [] == hidden(out)


def test_what_another_run_is_writing_is_left_alone(filled: RegistryClient, out: Path) -> None:
    other = backup_of(filled, out, "other.tar")
    seen: list[list[str]] = []

    def say(words: str) -> None:
        if words == "reading it back":
            written(backup_of(filled, out))
            seen.append(hidden(out))

    (path,) = other.run(lambda _: None, say)
    assert [[".other.tar.partial"]] == seen
    assert path.is_file()


def test_a_tag_alone_is_deleted_though_others_stand_for_the_same(
    filled: RegistryClient, address: str
) -> None:
    before = raw(f"docker://{address}/site/app:1")
    filled.delete_tag("site/app", "stable")
    assert ["1"] == filled.tags("site/app")
    assert before == raw(f"docker://{address}/site/app:1")


def test_its_names_stand_in_its_index(filled: RegistryClient, out: Path) -> None:
    with tarfile.open(written(backup_of(filled, out))) as tar:
        file = tar.extractfile("index.json")
        assert file is not None
        index = json.load(file)
        assert ["oci-layout", "index.json"] == tar.getnames()[:2]
    names = [
        entry["annotations"]["org.opencontainers.image.ref.name"] for entry in index["manifests"]
    ]
    assert NAMES == list(dict.fromkeys(names))

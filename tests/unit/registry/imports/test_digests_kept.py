"""Digests that people pin: what a file holds whole is had by them after the import, to the byte."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.bundle.carried import counted
from core.bundle.discovery import bundle_file
from core.bundle.listing import list_bundle, verify_bundle
from core.bundle.model import Bundle
from core.errors import BundleCorrupt
from core.registry.api.client import RegistryClient
from core.registry.backup.restore import Restore
from core.registry.content.snapshot import read_snapshot
from core.registry.imports.import_pass import IngestOptions
from core.registry.imports.publish import lacks_of_names, lacks_of_stage, publish
from core.registry.integrity.gc import carry_out, plan_sweep
from core.registry.local.storage import Storage as RegistryStorage
from tests.support.archives import ImageSpec, digest_of, layer_tar
from tests.support.backups import backup_of, raw, saved, written
from tests.support.carried import SBOM, attested, referrer
from tests.support.importing import Importer
from tests.support.layouts import OCI_CONFIG, OCI_MANIFEST, as_json, descriptor, packed
from tests.support.oci import (
    PLAIN,
    ZSTD,
    Descriptor,
    Kinds,
    Layout,
    full_name,
    noted,
    on_platform,
    ref_name,
)
from tests.support.registry import fresh_registry
from tests.support.stored import Storage

REPOSITORY = "case/app"
NAME = f"registry.example:5000/{REPOSITORY}:v1"
AMD = ImageSpec([NAME], [layer_tar(1, 3000)])
ARM = ImageSpec([NAME], [layer_tar(2, 3000)], "linux/arm64")
HELM = "application/vnd.cncf.helm.config.v1+json"
CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
REAL = Path(__file__).parents[5] / "shared/cases/real"


def asked(importer: Importer, reference: str) -> bytes:
    mark = "@" if reference.startswith("sha256:") else ":"
    return raw(f"docker://{importer.client.address}/{REPOSITORY}{mark}{reference}")


def imported(importer: Importer, layout: Layout, *top: Descriptor) -> Bundle:
    """Import a layout; see that nothing is missing then, and nothing to be done again."""
    bundle = importer.put(layout.tar(*top)).bundle
    assert ([], []) == (
        lacks_of_names(bundle, importer.client),
        lacks_of_stage(bundle, importer.client),
    )
    assert 0 == publish(bundle, importer.client, threading.Event())
    return bundle


def swept(storage: Path) -> RegistryStorage:
    """Clear up a registry's storage, and return it."""
    (directory,) = storage.glob("registry-*")
    made = RegistryStorage(directory)
    carry_out(made, plan_sweep(made), lambda: None, lambda _: None)
    return made


def require_kept(importer: Importer, storage: Path, layout: Layout, *digests: object) -> None:
    """See that manifests are had by digest, also after clearing up, and that a backup has them."""
    for _ in range(2):
        for digest in map(str, digests):
            assert layout.blobs[f"blobs/sha256/{digest[7:]}"] == asked(importer, digest)
        swept(storage)
    documents = read_snapshot(importer.client, threading.Event(), lambda _: None).documents
    assert set() == set(map(str, digests)) - documents.keys()


@pytest.mark.parametrize("images", [[AMD], [AMD, ARM]], ids=["one platform", "two platforms"])
def test_an_index_with_attestations_has_the_name(
    importer: Importer, storage: Path, images: list[ImageSpec]
) -> None:
    layout = Layout()
    entries = [entry for image in images for entry in attested(layout, image)]
    index = layout.index(*entries)
    bundle = imported(importer, layout, noted(index, full_name(NAME)))
    assert index["digest"] == digest_of(asked(importer, "v1"))
    assert f"{len(images)} attestation{'s' if len(images) > 1 else ''}" == counted(bundle.carried)
    assert () == bundle.notes
    require_kept(importer, storage, layout, index["digest"], *(e["digest"] for e in entries))


def test_a_bare_index_of_one_image_has_the_name(importer: Importer, storage: Path) -> None:
    layout = Layout()
    index = layout.index(noted(layout.image(AMD), on_platform("linux/amd64")))
    imported(importer, layout, noted(index, full_name(NAME)))
    assert index["digest"] == digest_of(asked(importer, "v1"))
    require_kept(importer, storage, layout, index["digest"])


def test_an_index_that_docker_cannot_pull_is_had_by_digest_alone(
    importer: Importer, storage: Path
) -> None:
    """Its entry says no platform: the name stands for the image."""
    layout = Layout()
    image = layout.image(AMD)
    index = layout.index(image)
    imported(importer, layout, noted(index, full_name(NAME)))
    assert image["digest"] == digest_of(asked(importer, "v1"))
    require_kept(importer, storage, layout, index["digest"], image["digest"])


def test_nested_indexes_are_had_by_digest_and_the_name_can_be_pulled(
    importer: Importer, storage: Path
) -> None:
    layout = Layout()
    inner = layout.index(*attested(layout, AMD), *attested(layout, ARM))
    outer = layout.index(inner)
    imported(importer, layout, noted(outer, full_name(NAME)))
    listed = json.loads(asked(importer, "v1"))["manifests"]
    assert ["amd64", "arm64"] == [one["platform"]["architecture"] for one in listed]
    require_kept(importer, storage, layout, inner["digest"], outer["digest"])


def test_of_an_index_that_is_not_whole_the_rest_keeps_its_attestations(
    importer: Importer, storage: Path
) -> None:
    layout = Layout()
    absent = noted(Layout().image(ARM), on_platform("linux/arm64"))
    image, about = attested(layout, AMD)
    index = layout.index(image, about, absent)
    bundle = imported(importer, layout, noted(index, full_name(NAME)))
    listed = [one["digest"] for one in json.loads(asked(importer, "v1"))["manifests"]]
    assert [image["digest"], about["digest"]] == listed
    assert [True] == [f"{index['digest']} does not stay" in note for note in bundle.notes]
    require_kept(importer, storage, layout, image["digest"], about["digest"])


@pytest.mark.parametrize("kinds", [PLAIN, ZSTD], ids=["plain", "zstd"])
def test_an_index_whose_images_are_packed_anew_is_told(importer: Importer, kinds: Kinds) -> None:
    importer.options = IngestOptions(recompress=True)
    layout = Layout()
    index = layout.index(noted(layout.image(AMD, kinds), on_platform("linux/amd64")))
    bundle = imported(importer, layout, noted(index, full_name(NAME)))
    assert [True] == ["are packed by the import" in note for note in bundle.notes]


def test_an_image_with_a_digest_and_no_tag_is_had_by_it(importer: Importer, storage: Path) -> None:
    layout = Layout()
    image = layout.image(AMD)
    name = f"registry.example:5000/{REPOSITORY}@{image['digest']}"
    bundle = imported(importer, layout, noted(image, full_name(name)))
    assert 1 == len(bundle.references)
    require_kept(importer, storage, layout, image["digest"])


def test_an_index_with_a_digest_and_no_tag_is_had_by_it(importer: Importer, storage: Path) -> None:
    layout = Layout()
    index = layout.index(*attested(layout, AMD), *attested(layout, ARM))
    name = f"registry.example:5000/{REPOSITORY}@{index['digest']}"
    imported(importer, layout, noted(index, full_name(name)))
    require_kept(importer, storage, layout, index["digest"])


def test_a_name_with_tag_and_digest_has_the_tag(importer: Importer, storage: Path) -> None:
    layout = Layout()
    image = layout.image(AMD)
    imported(importer, layout, noted(image, full_name(f"{NAME}@{image['digest']}")))
    assert image["digest"] == digest_of(asked(importer, "v1"))
    require_kept(importer, storage, layout, image["digest"])


@pytest.mark.parametrize("of_index", [False, True])
def test_referrers_are_found_by_their_subject(
    importer: Importer, storage: Path, of_index: bool
) -> None:
    layout = Layout()
    image = layout.image(AMD)
    subject = layout.index(noted(image, on_platform("linux/amd64"))) if of_index else image
    sbom = referrer(layout, subject)
    kind = "application/vnd.dev.sigstore.bundle.v0.3+json"
    signature = referrer(layout, sbom, b"it is so", kind)
    bundle = imported(importer, layout, noted(subject, full_name(NAME)), sbom, signature)
    assert "1 SBOM, 1 signature" == counted(bundle.carried)
    for about, said in ((subject, sbom), (sbom, signature)):
        listed = json.loads(asked(importer, str(about["digest"]).replace(":", "-")))
        assert [said["digest"]] == [one["digest"] for one in listed["manifests"]]
    assert [kind] == [one["artifactType"] for one in listed["manifests"]]
    require_kept(importer, storage, layout, subject["digest"], sbom["digest"], signature["digest"])


def test_referrers_of_two_bundles_stand_side_by_side(importer: Importer) -> None:
    said, subject = [], ""
    for content in (b"one", b"two"):
        layout = Layout()
        image = layout.image(AMD)
        subject = str(image["digest"])
        said.append(referrer(layout, image, content)["digest"])
        imported(importer, layout, noted(image, full_name(NAME)), referrer(layout, image, content))
    listed = json.loads(asked(importer, subject.replace(":", "-")))
    assert said == [one["digest"] for one in listed["manifests"]]


def test_a_list_of_referrers_in_the_file_is_kept(importer: Importer, storage: Path) -> None:
    layout = Layout()
    image = layout.image(AMD)
    sbom = referrer(layout, image)
    listed = layout.index({**sbom, "artifactType": SBOM})
    tag = str(image["digest"]).replace(":", "-")
    name = f"registry.example:5000/{REPOSITORY}:{tag}"
    imported(importer, layout, noted(image, full_name(NAME)), noted(listed, full_name(name)), sbom)
    assert listed["digest"] == digest_of(asked(importer, tag))
    require_kept(importer, storage, layout, sbom["digest"], listed["digest"])


@pytest.mark.parametrize(
    ("ending", "told"), [(".sig", "1 signature"), (".att", "1 attestation"), (".sbom", "1 SBOM")]
)
@pytest.mark.parametrize("whole_name", [False, True])
def test_what_cosign_tags_goes_with_its_image(
    importer: Importer, storage: Path, ending: str, told: str, whole_name: bool
) -> None:
    layout = Layout()
    image = layout.image(AMD)
    made = layout.artifact(OCI_CONFIG, b'{"critical":1}', "application/vnd.example+json")
    tag = str(image["digest"]).replace(":", "-") + ending
    name = full_name(f"registry.example:5000/{REPOSITORY}:{tag}") if whole_name else ref_name(tag)
    bundle = imported(importer, layout, noted(image, full_name(NAME)), noted(made, name))
    assert made["digest"] == digest_of(asked(importer, tag))
    assert told == counted(bundle.carried)
    require_kept(importer, storage, layout, made["digest"])


def test_what_cosign_save_wrote_gets_cosign_s_tags(importer: Importer) -> None:
    """It names image and signatures alike, and tells them apart by `kind`."""
    layout = Layout()
    image = layout.image(AMD)
    kind = "application/vnd.dev.cosign.simplesigning.v1+json"
    made = {word: layout.artifact(OCI_CONFIG, word.encode(), kind) for word in ("sigs", "atts")}
    top = [
        noted(one, ref_name(NAME), {"annotations": {"kind": f"dev.cosignproject.cosign/{word}"}})
        for word, one in {"image": image, **made}.items()
    ]
    imported(importer, layout, *top)
    assert image["digest"] == digest_of(asked(importer, "v1"))
    for word, one in made.items():
        tag = f"{str(image['digest']).replace(':', '-')}.{word[:3]}"
        assert one["digest"] == digest_of(asked(importer, tag))


def test_a_chart_keeps_its_name(importer: Importer, storage: Path) -> None:
    layout = Layout()
    chart = layout.artifact(HELM, packed(layer_tar(9, 500)), CHART)
    name = f"registry.example:5000/{REPOSITORY}:chart-1.0"
    image = noted(layout.image(AMD), full_name(NAME))
    bundle = imported(importer, layout, image, noted(chart, full_name(name)))
    assert (1, "1 chart") == (len(bundle.images), counted(bundle.carried))
    assert chart["digest"] == digest_of(asked(importer, "chart-1.0"))
    require_kept(importer, storage, layout, chart["digest"])


CONTENTS = {
    "no JSON": b"a signature",
    "empty": b"",
    "large SBOM": as_json({"spdxVersion": "2", "packages": ["p" * 100] * 90_000}),
    "larger than any document": b"{" + b" " * (9 << 20) + b"}",
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_blobs_of_any_kind_and_size_go_along(importer: Importer, storage: Path, kind: str) -> None:
    layout = Layout()
    image = layout.image(AMD)
    sbom = referrer(layout, image, CONTENTS[kind])
    bundle = imported(importer, layout, noted(image, full_name(NAME)), sbom)
    assert (1, ()) == (len(bundle.carried), bundle.notes)
    digest = digest_of(CONTENTS[kind])
    assert CONTENTS[kind] == b"".join(importer.client.blob(REPOSITORY, digest))
    require_kept(importer, storage, layout, sbom["digest"])
    assert CONTENTS[kind] == swept(storage).blob_path(digest).read_bytes()


def test_twelve_large_sboms_are_no_attack(importer: Importer) -> None:
    layout = Layout()
    image = layout.image(AMD)
    said = [
        referrer(layout, image, as_json({"n": n, "packages": ["p" * 100] * 60_000}))
        for n in range(12)
    ]
    bundle = imported(importer, layout, noted(image, full_name(NAME)), *said)
    assert "12 SBOMs" == counted(bundle.carried)


def test_an_artifact_with_an_images_media_types_is_no_damage(importer: Importer) -> None:
    layout = Layout()
    policy = layout.artifact(
        OCI_CONFIG, b"some: policy\n", "application/vnd.oci.image.layer.v1.tar"
    )
    name = f"registry.example:5000/{REPOSITORY}:policy"
    image = noted(layout.image(AMD), full_name(NAME))
    bundle = imported(importer, layout, image, noted(policy, full_name(name)))
    assert (1, "1 artifact") == (len(bundle.images), counted(bundle.carried))
    assert policy["digest"] == digest_of(asked(importer, "policy"))


def test_what_is_left_out_is_told(importer: Importer) -> None:
    layout = Layout()
    image = layout.image(AMD)
    nowhere = referrer(layout, descriptor(b"not here", OCI_MANIFEST))
    lacking = referrer(layout, image, b"lost")
    del layout.blobs[f"blobs/sha256/{digest_of(b'lost')[7:]}"]
    bundle = imported(importer, layout, noted(image, full_name(NAME)), nowhere, lacking)
    assert ((), 1) == (bundle.carried, len(bundle.images))
    assert [
        (f"SBOM {nowhere['digest']}", "nothing that has a name leads to it"),
        (f"SBOM {lacking['digest']}", "not all of it is in the file, or not as it was made"),
    ] == [(one.what, one.reason) for one in bundle.left_out]


def test_an_option_leaves_everything_out_but_images(importer: Importer, stored: Storage) -> None:
    importer.options = IngestOptions(carries=False)
    layout = Layout()
    index = layout.index(*attested(layout, AMD))
    sbom = referrer(layout, index, b"no JSON")
    bundle = imported(importer, layout, noted(index, full_name(NAME)), sbom)
    assert (False, (), 1) == (bundle.carries, bundle.carried, len(bundle.images))
    assert [f"{REPOSITORY}:v1"] == stored.tags()
    why = "carryArtifacts: false, or --without-artifacts"
    assert [("attestation", why), ("sbom", why)] == [
        (one.why, one.reason) for one in bundle.left_out
    ]
    assert None is importer.client.blob_size("airferry/stage", digest_of(b"no JSON"))


def test_damage_of_what_is_carried_names_nothing(importer: Importer, stored: Storage) -> None:
    for content in (b"no JSON", b'{"a": "document"}'):
        layout = Layout()
        image = layout.image(AMD)
        sbom = referrer(layout, image, content)
        layout.blobs[f"blobs/sha256/{digest_of(content)[7:]}"] = content[::-1].replace(b"}", b"{")
        with pytest.raises(BundleCorrupt, match="another digest than its name"):
            importer.put(layout.tar(noted(image, full_name(NAME)), sbom))
    assert [] == stored.tags()


def test_listing_and_verifying_say_the_same(importer: Importer, tmp_path: Path) -> None:
    layout = Layout()
    index = layout.index(*attested(layout, AMD), *attested(layout, ARM))
    sbom = referrer(layout, index, b"no JSON")
    path = layout.write(tmp_path / "layout", noted(index, full_name(NAME)), sbom)
    done = importer.ingest(path).bundle
    for found in (list_bundle(bundle_file(path)), verify_bundle(bundle_file(path))):
        assert "2 attestations, 1 SBOM" == counted(found.carried)
        assert [one.manifest_digest for one in done.carried] == [
            one.manifest_digest for one in found.carried
        ]


def test_a_backup_brings_every_digest_back(importer: Importer, tmp_path: Path) -> None:
    """Restored, and imported as a bundle."""
    layout = Layout()
    outer = layout.index(layout.index(*attested(layout, AMD), *attested(layout, ARM)))
    image = layout.image(ARM)
    pinned = f"registry.example:5000/{REPOSITORY}@{image['digest']}"
    sbom = referrer(layout, outer)
    imported(importer, layout, noted(outer, full_name(NAME)), noted(image, full_name(pinned)), sbom)
    backup = written(backup_of(importer.client, tmp_path / "stick"))
    for number, way in enumerate((restored, imported_backup)):
        directory = tmp_path / f"other-{number}"
        directory.mkdir()
        with fresh_registry(directory) as address:
            way(backup, address, directory)
            for one in (outer, image, sbom):
                name = f"docker://{address}/{REPOSITORY}@{one['digest']}"
                assert layout.blobs[f"blobs/sha256/{str(one['digest'])[7:]}"] == raw(name)


def restored(backup: Path, address: str, _: Path) -> None:
    client = RegistryClient(address)
    restore = Restore([saved(backup)], client, threading.Event())
    restore.run(restore.lacks(closely=True), lambda _: None)
    client.close()


def imported_backup(backup: Path, address: str, directory: Path) -> None:
    client = RegistryClient(address)
    Importer(client, directory).put(backup)
    client.close()


def walked(place: Path) -> Iterator[str]:
    """Yield the digest of every manifest and index that an OCI layout leads to, each once."""
    waiting = json.loads((place / "index.json").read_bytes())["manifests"]
    seen: set[str] = set()
    while waiting:
        digest = waiting.pop()["digest"]
        path = place / "blobs/sha256" / digest.removeprefix("sha256:")
        if digest not in seen and path.exists():
            seen.add(digest)
            yield digest
            waiting += json.loads(path.read_bytes()).get("manifests") or []


def real(name: str) -> Path:
    """Return a real layout of a public project, kept beside the project where there is one."""
    path = REAL / name
    if not path.exists():
        pytest.skip(f"there are no real archives here: {path} is missing")
    return path


def test_regclient_s_testrepo_keeps_every_digest(importer: Importer, storage: Path) -> None:
    """Lists with builder's notes, artifacts, lists of referrers, a loop, and referrers unnamed."""
    place = real("regclient__testdata_testrepo")
    bundle = importer.put(place).bundle
    assert [] == lacks_of_names(bundle, importer.client)
    swept(storage)
    repository = next(iter(bundle.references)).site_repository
    for digest in walked(place):
        name = f"docker://{importer.client.address}/{repository}@{digest}"
        assert (place / "blobs/sha256" / digest[7:]).read_bytes() == raw(name)


def test_the_name_of_an_index_in_index_json_counts(importer: Importer, storage: Path) -> None:
    place = real("go-containerregistry__pkg_v1_layout_testdata_test_index")
    bundle = importer.put(place).bundle
    assert [] == lacks_of_names(bundle, importer.client)
    assert ["1", "2", "3", "4"] == sorted({reference.tag for reference in bundle.references})
    swept(storage)
    repository = next(iter(bundle.references)).site_repository
    for digest in walked(place):
        name = f"docker://{importer.client.address}/{repository}@{digest}"
        assert (place / "blobs/sha256" / digest[7:]).read_bytes() == raw(name)

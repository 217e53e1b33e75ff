"""Some of a bundle's images, written anew as one archive for `docker load`."""

from __future__ import annotations

import gzip
import json
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from core.bundle.discovery import bundle_file
from core.bundle.listing import list_bundle, verify_bundle
from core.bundle.problems import Problems
from core.bundle.rewrite import WantedImage, write_docker_archive
from core.errors import BundleCorrupt, BundleError, Cancelled
from tests.support.archives import ImageSpec, docker_archive, layer_tar
from tests.support.layouts import (
    crane_entries,
    docker25_entries,
    entries_of,
    podman_entries,
    tar_bytes,
)
from tests.support.oci import GZIP, ZSTD, zstd_packed
from tests.support.platforms import layout_of

BASE, TOP, OTHER = layer_tar(1), layer_tar(2), layer_tar(3)
ONE = ImageSpec(["a/one:1"], [BASE, TOP])
TWO = ImageSpec(["a/two:1"], [BASE, OTHER, BASE])


WRITERS: dict[str, bytes] = {
    "docker 20": docker_archive([ONE, TWO]),
    "docker 20, gzip": gzip.compress(docker_archive([ONE, TWO])),
    "docker 20, zstd": zstd_packed(docker_archive([ONE, TWO])),
    "docker 25": tar_bytes(docker25_entries([ONE, TWO])),
    "podman": tar_bytes(podman_entries([ONE, TWO])),
    "crane": tar_bytes(crane_entries([ONE, TWO])),
    "layout, gzip": tar_bytes(layout_of(TWO, GZIP)),
    "layout, zstd": tar_bytes(layout_of(TWO, ZSTD)),
}


def rewritten(path: Path, image_id: str, names: tuple[str, ...], there: int = 0) -> bytes:
    """Return the archive with one image of a bundle."""
    file = bundle_file(path)
    image = next(i for i in list_bundle(file).images if i.image_id == image_id)
    pieces: list[bytes] = []
    wanted = [WantedImage(image, names, there)]
    write_docker_archive(file, wanted, pieces.append, scratch=path.parent)
    return b"".join(pieces)


@pytest.mark.parametrize("writer", WRITERS)
def test_every_kind_of_bundle_becomes_a_docker_archive(tmp_path: Path, writer: str) -> None:
    path = tmp_path / "b.tar"
    path.write_bytes(WRITERS[writer])

    data = rewritten(path, TWO.image_id, ("a/two:1", "localhost:5001/two:1"))

    copy = tmp_path / "copy.tar"
    copy.write_bytes(data)
    found = verify_bundle(bundle_file(copy)).images
    assert [(TWO.image_id, 3)] == [(image.image_id, len(image.layers)) for image in found]
    assert {"a/two:1", "localhost:5001/two:1"} == {str(r.familiar) for r in found[0].references}
    with tarfile.open(fileobj=BytesIO(data)) as tar:
        names = tar.getnames()
    assert "manifest.json" == names[-1], "an engine that was cut off makes no image"
    assert 2 == sum(name.endswith("layer.tar") for name in names), "each layer once"


def test_layers_that_are_there_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    path.write_bytes(docker_archive([ONE, TWO]))

    with tarfile.open(fileobj=BytesIO(rewritten(path, ONE.image_id, ("x:1",), there=1))) as tar:
        layers = [name for name in tar.getnames() if name.endswith("layer.tar")]
        manifest = json.loads(tar.extractfile("manifest.json").read())  # type: ignore[union-attr]
    assert 1 == len(layers)
    assert 2 == len(manifest[0]["Layers"]), "the engine asks only for those that it lacks"
    assert layers[0] == manifest[0]["Layers"][1]


def test_a_damaged_layer_ends_it_before_the_manifest(tmp_path: Path) -> None:
    data = docker_archive([ONE])
    path = tmp_path / "b.tar"
    middle = data.index(b"airferry ")
    path.write_bytes(data[:middle] + b"Airferry" + data[middle + 8 :])
    pieces: list[bytes] = []
    image = list_bundle(bundle_file(path)).images[0]

    with pytest.raises(BundleCorrupt, match="layer"):
        write_docker_archive(
            bundle_file(path), [WantedImage(image, ("x:1",))], pieces.append, scratch=tmp_path
        )
    assert b"manifest.json" not in b"".join(pieces)


def test_another_bundle_under_the_same_name_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    path.write_bytes(docker_archive([ONE]))
    image = list_bundle(bundle_file(path)).images[0]
    path.write_bytes(docker_archive([ImageSpec(["a:1"], [layer_tar(9)])]))

    with pytest.raises(BundleError, match="not in it any more"):
        write_docker_archive(
            bundle_file(path), [WantedImage(image, ("x:1",))], len, scratch=tmp_path
        )


def test_it_ends_when_it_is_told_to(tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    path.write_bytes(docker_archive([ONE]))
    image = list_bundle(bundle_file(path)).images[0]

    def stopped() -> None:
        raise Cancelled("the run was ended")

    with pytest.raises(Cancelled):
        write_docker_archive(
            bundle_file(path),
            [WantedImage(image, ("x:1",))],
            len,
            scratch=tmp_path,
            go_on=stopped,
        )


def test_of_a_cut_bundle_what_stands_before_the_cut_can_be_loaded(tmp_path: Path) -> None:
    """With `--keep-going` that was found whole; the other image is not wanted."""
    third = ImageSpec(["a/three:1"], [layer_tar(4, 9000)])
    entries = entries_of(docker_archive([ONE, third]))
    data = tar_bytes(sorted(entries, key=lambda entry: not entry.name.endswith(".json")))
    path = tmp_path / "b.tar"
    path.write_bytes(data[: data.index(third.layers[0][:600]) + 5000])
    problems = Problems(keep_going=True)
    (image,) = verify_bundle(bundle_file(path), problems=problems).images
    assert ONE.image_id == image.image_id

    pieces: list[bytes] = []
    wanted = [WantedImage(image, ("x:1",))]
    write_docker_archive(bundle_file(path), wanted, pieces.append, scratch=tmp_path)

    copy = tmp_path / "copy.tar"
    copy.write_bytes(b"".join(pieces))
    assert [ONE.image_id] == [i.image_id for i in verify_bundle(bundle_file(copy)).images]

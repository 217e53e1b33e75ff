"""What is told of a tar that is no bundle, by what is in it."""

from __future__ import annotations

import tarfile

import pytest

from core.errors import NotABundle
from tests.support.archives import ImageSpec, docker_archive, layer_tar
from tests.support.layouts import Entry, as_json, entries_of, symlink, tar_bytes
from tests.support.oci import Layout, full_name, noted
from tests.support.reading import contents_in

NODE = ImageSpec(["a.b/c:1"], [layer_tar(1, 2000)])
ID = "a" * 64
SYSTEM = [
    Entry("bin/sh", b"\x7fELF" + bytes(3000)),
    Entry("etc/passwd", b"root:x:0:0::/:/bin/sh\n"),
    Entry("usr/lib/os-release", b"ID=debian\n"),
]
LEGACY = [
    Entry(f"{ID}/VERSION", b"1.0"),
    Entry(f"{ID}/json", as_json({"id": ID})),
    Entry(f"{ID}/layer.tar", layer_tar(1, 100)),
]
KINDS = {
    "nothing": ([], "there is nothing in it"),
    "docker export": ([*SYSTEM, Entry(".dockerenv")], "docker export"),
    "links to anywhere": ([*SYSTEM, symlink("etc/mtab", "/proc/mounts")], "docker export"),
    "devices": ([*SYSTEM, Entry("dev/null", kind=tarfile.CHRTYPE)], "docker export"),
    "before 1.10": ([*LEGACY, Entry("repositories", b"{}")], "Docker before 1.10"),
    "no manifest.json": (LEGACY, "no manifest.json"),
    "no index.json": (
        [e for e in Layout().entries() if e.name != "index.json"],
        "without its index.json",
    ),
    "a chart": ([Entry("app/Chart.yaml", b"name: app\n"), Entry("app/values.yaml")], "Helm chart"),
    "a registry's storage": (
        [Entry("docker/registry/v2/blobs/sha256/00/" + "0" * 64 + "/data", b"{}")],
        "what a registry stores",
    ),
    "a layer": ([Entry("app/.wh.old"), Entry("app/new", b"x")], "one layer of an image"),
    "a layer of eStargz": (
        [Entry("app/new", b"x"), Entry("stargz.index.json", b"{}")],
        "(eStargz)",
    ),
    "a tar of tars": (
        [Entry("images/a.tar", docker_archive([NODE])), Entry("images/b.tar.lz4", b"x")],
        "2 archives (images/a.tar, images/b.tar.lz4)",
    ),
    "a zarf package": (
        [Entry("zarf.yaml", b"kind: ZarfPackageConfig\n"), Entry("components/a.tar", b"x")],
        "a zarf package",
    ),
    "other files": ([Entry("notes/a", b"x"), Entry("b.yaml", b"x")], "no manifest.json and no"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_that_is_no_bundle_is_told_as_what_it_is(kind: str) -> None:
    entries, what = KINDS[kind]
    with pytest.raises(NotABundle, match="an archive, but not of images") as told:
        contents_in(tar_bytes(entries))
    assert what in told.value.what
    assert "Do not use" not in told.value.remedy


def test_a_system_s_devices_do_not_excuse_a_bundle_s() -> None:
    entries = [*SYSTEM, *entries_of(docker_archive([NODE])), Entry("x", kind=tarfile.CHRTYPE)]
    with pytest.raises(Exception, match="a device") as told:
        contents_in(tar_bytes(entries))
    assert "E-BUNDLE-UNSAFE" == getattr(told.value, "code", "")


CHART = "application/vnd.cncf.helm.config.v1+json"
SIGNATURE = "application/vnd.dev.cosign.simplesigning.v1+json"


@pytest.mark.parametrize(
    ("config", "layer", "kind"), [(CHART, CHART, "chart"), (SIGNATURE, SIGNATURE, "signature")]
)
@pytest.mark.parametrize("notes", [{}, full_name("a.b/chart:1")])
def test_a_layout_without_an_image_says_what_it_holds(
    config: str, layer: str, kind: str, notes: dict[str, object]
) -> None:
    layout = Layout()
    with pytest.raises(NotABundle, match=rf"no image in it, but: .*{kind}"):
        contents_in(layout.tar(noted(layout.artifact(config, b"{}", layer), notes)))

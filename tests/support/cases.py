"""Bundles as the world has them, rebuilt from public reports, each with what is right.

Twins of what old, odd or careless writers make; the tables of tests list, verify and import them.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
from collections.abc import Callable
from dataclasses import dataclass, replace

from core.bundle.reference import digest_tag
from tests.support.archives import ImageSpec, docker_archive, layer_tar
from tests.support.layouts import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Entry,
    as_json,
    blob_name,
    crane_entries,
    descriptor,
    entries_of,
    hardlink,
    hex_of,
    jib_entries,
    packed,
    tar_bytes,
)
from tests.support.oci import (
    PLAIN_SAID_TO_BE_GZIP,
    Descriptor,
    Kinds,
    Layout,
    full_name,
    manifest_of,
    noted,
    on_platform,
    ref_name,
)

NAME = "registry.example:5000/case/app:v1"
APP = ImageSpec([NAME], [layer_tar(1, 3000), layer_tar(2, 2000)])
OTHER = ImageSpec(["registry.example:5000/case/other:v1"], [layer_tar(3, 2000)])
ARM = ImageSpec([NAME], [layer_tar(4, 2000)], "linux/arm64")
WINDOWS = ImageSpec([NAME], [layer_tar(5, 2000), layer_tar(6, 900)], "windows/amd64")
FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
NYDUS = "application/vnd.oci.image.layer.nydus.blob.v1"
POLICY = "registry.example:5000/case/policy:v1"


@dataclass(frozen=True)
class Case:
    """A bundle and what is right.

    Args:
        data: Its bytes.
        names: The names of each image that is in the registry afterwards; empty if it is refused.
        error: What the refusal says.
        left_out: The codes of what is left out.
        remark: What else is told.
        file: What the file is called.
    """

    data: bytes
    names: tuple[tuple[str, ...], ...] = ()
    error: str = ""
    left_out: tuple[str, ...] = ()
    remark: str = ""
    file: str = "case.tar"


CASES: dict[str, Case] = {}
ONE = ((NAME,),)


def case(make: Callable[[], Case]) -> Callable[[], Case]:
    CASES[make.__name__.replace("_", " ")] = make()
    return make


def listed(layers: list[bytes], tags: list[str], config: bytes = b"") -> list[Entry]:
    """Return a docker-archive with layers as they are given."""
    config = config or APP.config
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    listing = [{"Config": "c.json", "RepoTags": tags, "Layers": names}]
    return [
        *(Entry(name, layer) for name, layer in zip(names, layers, strict=True)),
        Entry("c.json", config),
        Entry("manifest.json", as_json(listing)),
    ]


def with_listing(change: Callable[[dict[str, object]], dict[str, object]]) -> bytes:
    """Return a docker-archive with another entry in its manifest.json."""
    return tar_bytes(
        replace(one, data=as_json([change(json.loads(one.data)[0])]))
        if one.name == "manifest.json"
        else one
        for one in entries_of(docker_archive([APP]))
    )


def named(layout: Layout, image: ImageSpec = APP, kinds: Kinds | None = None) -> Descriptor:
    made = layout.image(image, kinds) if kinds else layout.image(image)
    return noted(made, full_name(image.tags[0]))


def manifest_with(
    layout: Layout, image: ImageSpec, change: Callable[[dict[str, object]], object]
) -> Descriptor:
    """Put in an image whose first layer's descriptor is changed."""
    layout.image(image)
    manifest = json.loads(manifest_of(image))
    del layout.blobs[blob_name(manifest_of(image))]
    change(manifest["layers"][0])
    return noted(layout.put(as_json(manifest), OCI_MANIFEST), on_platform(image.platform))


@case
def keys_in_lower_case() -> Case:
    keys = {"Config": "config", "RepoTags": "repoTags", "Layers": "layers"}
    return Case(with_listing(lambda entry: {keys[key]: entry[key] for key in keys}), ONE)


@case
def old_jib() -> Case:
    entries = [
        replace(one, data=one.data.replace(b"Config", b"config").replace(b"Layers", b"layers"))
        for one in jib_entries(APP)
    ]
    return Case(tar_bytes(entries), ONE)


@case
def in_a_directory() -> Case:
    inner = entries_of(docker_archive([APP]))
    return Case(tar_bytes(replace(one, name=f"b/{one.name}") for one in inner), ONE, remark="b/")


@case
def a_file_system() -> Case:
    names = ("bin/sh", "etc/passwd", "usr/x", ".dockerenv")
    return Case(tar_bytes(Entry(name, b"x") for name in names), error="docker export")


@case
def none_none() -> Case:
    return Case(docker_archive([replace(APP, tags=["<none>:<none>"])]), ((),), remark="--name")


@case
def once_a_digest() -> Case:
    tags = ["registry.example:5000/case/app:i-was-a-digest"]
    made = f"{tags[0]}-{APP.image_id[7:19]}"
    return Case(docker_archive([replace(APP, tags=tags)]), ((made,),))


@case
def a_bad_second_name() -> Case:
    tags = [NAME, "registry.example:5000/Case/Upper:v1"]
    return Case(docker_archive([replace(APP, tags=tags)]), ONE, left_out=("bad-name",))


@case
def garbage_behind_gzip() -> Case:
    data = gzip.compress(docker_archive([APP])) + b"garbage"
    return Case(data, error="lies behind its end", file="case.tar.gz")


@case
def two_tars_joined() -> Case:
    return Case(docker_archive([APP]) + docker_archive([OTHER]), ONE, left_out=("behind-end",))


@case
def manifest_json_twice() -> Case:
    entries = entries_of(docker_archive([replace(APP, tags=["old:1"])]))
    newer = [one for one in entries_of(docker_archive([APP])) if one.name == "manifest.json"]
    newer = [replace(newer[0], data=entries[-2].data.replace(b"old:1", NAME.encode()))]
    return Case(tar_bytes([*entries, *newer]), ONE, left_out=("member-twice",))


@case
def a_layer_of_no_bytes() -> Case:
    layers = [layer_tar(1, 900), b""]
    return Case(tar_bytes(listed(layers, [NAME], ImageSpec([], layers).config)), ONE)


@case
def layers_of_xz_and_bzip2() -> Case:
    layers = [lzma.compress(APP.layers[0]), bz2.compress(APP.layers[1])]
    return Case(tar_bytes(listed(layers, [NAME])), ONE)


@case
def before_docker_1_10() -> Case:
    names = ("a/VERSION", "a/json", "a/layer.tar", "repositories")
    return Case(tar_bytes(Entry(name, b"{}") for name in names), error="Docker before 1.10")


@case
def manifest_json_says_null() -> Case:
    return Case(tar_bytes([Entry("manifest.json", b"null")]), error="says null")


@case
def index_json_is_no_json() -> Case:
    return Case(tar_bytes([Entry("index.json", b"hello")]), error="'index.json' is not valid JSON")


@case
def an_artifact_with_an_image_s_types() -> Case:
    layout = Layout()
    policy = noted(layout.artifact(OCI_CONFIG, b"some: policy\n", OCI_LAYER), full_name(POLICY))
    return Case(layout.tar(named(layout), policy), ONE)


@case
def an_artifact_of_odd_types() -> Case:
    layout = Layout()
    odd = layout.artifact("application/vnd.unknown.config.v1+json", b"x", "text/plain")
    return Case(layout.tar(named(layout), noted(odd, full_name(POLICY))), ONE)


@case
def a_foreign_layer_of_windows() -> Case:
    layout = Layout()

    def foreign(layer: dict[str, object]) -> None:
        layer.update(mediaType=FOREIGN, urls=["https://mcr.example/x"])

    windows = manifest_with(layout, WINDOWS, foreign)
    del layout.blobs[blob_name(packed(WINDOWS.layers[0]))]
    linux = noted(layout.image(APP), on_platform("linux/amd64"))
    top = noted(layout.index(linux, windows), full_name(NAME))
    return Case(layout.tar(top), ONE, left_out=("foreign-layer",))


@case
def windows_alone() -> Case:
    layout = Layout()
    windows = manifest_with(layout, WINDOWS, lambda layer: layer.update(mediaType=FOREIGN))
    del layout.blobs[blob_name(packed(WINDOWS.layers[0]))]
    said = f"case.tar: image {NAME}: layer 1 of 2 is not in the file: it is to be had from"
    return Case(layout.tar(noted(windows, full_name(NAME))), error=said)


@case
def a_platform_without_its_layers() -> Case:
    layout = Layout()
    entries = [noted(layout.image(one), on_platform(one.platform)) for one in (APP, ARM)]
    del layout.blobs[blob_name(packed(ARM.layers[0]))]
    top = noted(layout.index(*entries), full_name(NAME))
    return Case(layout.tar(top), ONE, left_out=("platform-absent",))


@case
def a_platform_without_its_layers_that_only_its_config_tells() -> Case:
    layout = Layout()
    entries = [named(layout, one) for one in (APP, ARM)]
    del layout.blobs[blob_name(packed(ARM.layers[0]))]
    return Case(layout.tar(*entries), ONE, left_out=("platform-absent",))


@case
def platforms_beside_each_other_of_which_one_is_absent() -> Case:
    layout = Layout()
    here = noted(layout.image(APP), on_platform("linux/amd64"), full_name(NAME))
    gone = noted(Layout().image(ARM), on_platform("linux/arm64"), full_name(NAME))
    return Case(layout.tar(here, gone), ONE, left_out=("platform-absent",))


@case
def the_only_platform_without_its_layers() -> Case:
    layout = Layout()
    top = named(layout)
    del layout.blobs[blob_name(packed(APP.layers[0]))]
    return Case(layout.tar(top), error="is named but not in the archive")


@case
def an_encrypted_layer() -> Case:
    layout = Layout()
    kinds = Kinds(f"{OCI_LAYER}+gzip+encrypted", lambda layer: bytes(b ^ 90 for b in layer))
    return Case(layout.tar(named(layout, APP, kinds)), error="is encrypted")


@case
def nydus_beside_the_image() -> Case:
    layout = Layout()
    nydus = manifest_with(layout, OTHER, lambda layer: layer.update(mediaType=NYDUS))
    nydus = noted(nydus, on_platform("linux/amd64"))
    linux = noted(layout.image(APP), on_platform("linux/amd64"))
    top = noted(layout.index(linux, nydus), full_name(NAME))
    return Case(layout.tar(top), ONE, left_out=("other-format",))


@case
def blobs_named_by_sha512() -> Case:
    manifest = manifest_of(APP)
    hexadecimal = hashlib.sha512(manifest).hexdigest()
    entry = {**descriptor(manifest, OCI_MANIFEST), "digest": f"sha512:{hexadecimal}"}
    layout = Layout({f"blobs/sha512/{hexadecimal}": manifest})
    return Case(layout.tar(noted(entry, full_name(NAME))), error="named by sha512")


@case
def a_name_of_a_digest_only() -> Case:
    layout = Layout()
    image = layout.image(APP)
    name = f"registry.example:5000/case/app@{image['digest']}"
    made = f"registry.example:5000/case/app:{digest_tag(str(image['digest']))}"
    return Case(layout.tar(noted(image, full_name(name))), ((made,),))


@case
def a_name_of_tag_and_digest() -> Case:
    layout = Layout()
    image = layout.image(APP)
    return Case(layout.tar(noted(image, full_name(f"{NAME}@{image['digest']}"))), ONE)


@case
def names_within_an_index() -> Case:
    layout = Layout()
    inner = noted(layout.image(APP), ref_name("inner"))
    return Case(layout.tar(noted(layout.index(inner), full_name(NAME))), ONE)


@case
def one_tag_for_two_images() -> Case:
    images = [replace(OTHER, tags=[NAME]), APP]
    return Case(tar_bytes(crane_entries(images)), ONE, left_out=("name-taken",))


@case
def one_tag_for_two_entries_of_a_layout() -> Case:
    layout = Layout()
    old = noted(layout.image(OTHER), full_name(NAME))
    return Case(layout.tar(old, named(layout)), ONE, left_out=("name-taken",))


@case
def a_config_under_another_name() -> Case:
    name = f"{hex_of(APP.config)}.json"
    zeros = "0" * 64 + ".json"
    old, new = name.encode(), zeros.encode()
    entries = [
        replace(one, name=one.name.replace(name, zeros), data=one.data.replace(old, new))
        for one in entries_of(docker_archive([APP]))
    ]
    return Case(tar_bytes(entries), ONE, remark="not what its file name says")


@case
def layers_that_are_not_what_they_are_said_to_be() -> Case:
    layout = Layout()
    return Case(layout.tar(named(layout, APP, PLAIN_SAID_TO_BE_GZIP)), ONE)


@case
def a_hard_link_to_a_layer() -> Case:
    layer = APP.layers[0]
    twice = ImageSpec([NAME], [layer, layer])
    entries = listed([layer, layer], [NAME], twice.config)
    entries[1] = hardlink(entries[1].name, entries[0].name)
    return Case(tar_bytes(entries), ONE)


@case
def a_name_without_a_registry() -> Case:
    tags = ["localhost/case-app:v1"]
    return Case(docker_archive([replace(APP, tags=tags)]), (("localhost/case-app:v1",),))


def _lying(size: object) -> Case:
    layout = Layout()
    top = manifest_with(layout, APP, lambda layer: layer.update(size=size))
    said = "layer 1 of 2 has"
    return Case(layout.tar(noted(top, full_name(NAME))), error=said)


CASES |= {f"a layer's size of {size!r}": _lying(size) for size in (-1, 0, 1, True, "5", 1e3)}


@case
def a_manifest_s_size_that_lies() -> Case:
    layout = Layout()
    top = {**named(layout), "size": 1}
    return Case(layout.tar(top), error="its descriptor says 1")


@case
def packed_with_lz4() -> Case:
    data = b"\x04\x22\x4d\x18\x64\x40\xa7" + docker_archive([APP])
    return Case(data, error="packed with lz4", file="case.tar.lz4")


@case
def many_sboms() -> Case:
    layout = Layout()
    top = [named(layout)]
    for number in range(12):
        package = {"name": "p", "versionInfo": "1", "number": number}
        sbom = as_json({"spdxVersion": "SPDX-2.3", "packages": [package] * 8000})
        top.append(layout.artifact(EMPTY, sbom, "application/spdx+json"))
    return Case(layout.tar(*top), ONE, left_out=("sbom",))


@case
def an_index_of_an_index_without_a_name() -> Case:
    layout = Layout()
    inner = layout.index(layout.index(layout.image(APP), kind=OCI_INDEX))
    return Case(layout.tar(inner), (("case:latest",),), remark="is named after the file")

"""Bundles of the real writers: read as independent tools read them, imported as they would be."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.bundle.catalogue import LayerIndex
from core.bundle.discovery import bundle_file
from core.bundle.listing import list_bundle, verify_bundle
from core.bundle.model import Bundle
from core.registry.api.client import RegistryClient
from core.registry.imports.importer import Import
from core.registry.imports.publish import lacks_of_names, publish
from tests.lab.__main__ import spare_engine
from tests.lab.conftest import Install
from tests.lab.engine import Engine
from tests.lab.outside import image_id
from tests.lab.shell import run
from tests.lab.site import Site
from tests.lab.writers import Written, write_all
from tests.support.registry import fresh_registry

Facts = dict[str, tuple[tuple[str, ...], str]]


@pytest.fixture(scope="module")
def written() -> Iterator[list[Written]]:
    with tempfile.TemporaryDirectory(prefix="airferry-writers-") as directory:
        yield write_all(Path(directory))


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    with fresh_registry(tmp_path) as address:
        yield address


def facts_of(bundle: Bundle) -> Facts:
    return {image.image_id: (image.diff_ids, image.platform) for image in bundle.images}


def facts_told(one: Written) -> Facts:
    return {image.image_id: (image.diff_ids, image.platform) for image in one.images}


def names_told(one: Written) -> set[str]:
    """Return the names as we should read them: a bare tag, or none, is completed by the file's."""
    is_layout = "docker-archive" not in one.writer and "docker-save" not in one.writer
    stem = re.sub(r"\.tar$", "", one.path.name)
    names = {name if ":" in name else f"{stem}:{name}" for name in one.names}
    if is_layout and not names:
        names = {f"{stem}:latest"}
    return {name.removeprefix("docker.io/library/") for name in names}


def imported(one: Written, address: str, index: Path) -> Bundle:
    """Import a bundle, give its images their names, and see that nothing lacks."""
    client = RegistryClient(address)
    try:
        job = Import(bundle_file(one.path), client, LayerIndex(index), threading.Event())
        bundle = job.run(lambda _: None).bundle
        publish(bundle, client, threading.Event())
        assert [] == list(lacks_of_names(bundle, client))
    finally:
        client.close()
    return bundle


def config_digest(name: str, architecture: str) -> str:
    """Return the digest of an image's config as skopeo reads it from the registry."""
    command = ["skopeo", "inspect", "--tls-verify=false", "--override-arch", architecture]
    command += ["--config", "--raw", f"docker://{name}"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    return "sha256:" + hashlib.sha256(done.stdout).hexdigest()


def test_every_writer_is_read_as_independent_tools_read_it(written: list[Written]) -> None:
    assert len(written) > 30
    for one in written:
        file = bundle_file(one.path)
        for bundle in (list_bundle(file), verify_bundle(file)):
            assert facts_told(one) == facts_of(bundle), one.writer
            names = {reference.familiar for reference in bundle.references}
            assert names_told(one) == names, one.writer


def test_what_is_imported_is_what_skopeo_finds(
    written: list[Written], registry: str, tmp_path: Path
) -> None:
    for one in written:
        bundle = imported(one, registry, tmp_path / "layers")
        assert facts_told(one) == facts_of(bundle), one.writer
        for reference, images in bundle.references.items():
            for image in images:
                architecture = image.platform.split("/")[1]
                found = config_digest(reference.at(registry), architecture)
                assert image.image_id == found, (one.writer, reference)


def test_a_pull_gives_the_image_ids_that_docker_load_gives(
    written: list[Written], registry: str, tmp_path: Path
) -> None:
    by_writer = {one.writer: one for one in written}
    compared = 0
    with spare_engine() as engine:
        for writer in ("docker-save", "podman-docker-archive", "skopeo-docker-archive", "hand-xz"):
            one = by_writer[writer]
            bundle = imported(one, registry, tmp_path / "layers")
            loaded = ids_after(engine, "load", "--quiet", "--input", str(one.path))
            for reference in bundle.references:
                name = reference.at(registry)
                pulled = ids_after(engine, "pull", "--quiet", name)
                assert loaded[reference.familiar] == pulled[name], (writer, name)
                compared += 1
    assert compared >= 8


@pytest.mark.hosts(1)
def test_a_site_whose_stick_holds_all_kinds(
    written: list[Written], docker_site: Site, installation: Install, tmp_path: Path
) -> None:
    """Parts with checksums, several platforms, zstd layers, and one name in two bundles."""
    by_writer = {one.writer: one for one in written}
    split, several, zstd = (
        by_writer[name]
        for name in ("hand-split-numbers", "skopeo-oci-archive-all", "skopeo-oci-archive-zstd")
    )
    stick = tmp_path / "stick"
    stick.mkdir()
    parts = split.path.parent.glob(f"{split.path.name.removesuffix('00')}*")
    for path in (*parts, several.path, zstd.path):
        shutil.copy(path, stick)
    run("sh", "-c", "sha256sum -- *.0* > SHA256SUMS", cwd=stick)
    host = docker_site.hosts[0]
    program = installation(imagesDir=str(stick))

    done = program.run("import", "--recompress", "gzip", expect=1)
    assert "E-BUNDLE-NAMES" in done.stdout
    assert split.path.name.removesuffix(".00") in done.stdout
    assert zstd.path.name in done.stdout

    program.write_config(laterBundleWins=True)
    program.run("import", "--recompress", "gzip")
    program.run("install", "--host", host.name)
    app = next(image for image in zstd.images if "quay.io/site/app:1.0" in image.names)
    both = next(image for image in several.images if image.platform == "linux/amd64")
    stable = next(image for image in split.images if "quay.io/site/app:stable" in image.names)
    assert app.image_id == image_id(host, "quay.io/site/app:1.0")
    assert stable.image_id == image_id(host, "quay.io/site/app:stable")
    assert both.image_id == image_id(host, "quay.io/site/both:1")
    assert both.image_id == image_id(host, "localhost:5001/site/both:1")
    assert "Nothing had to be done" in program.run("install", "--host", host.name).stdout


def ids_after(engine: Engine, *command: str) -> dict[str, str]:
    """Return the ID of every name of an engine that has done this and nothing else."""
    engine.cli(*command)
    form = "{{.Repository}}:{{.Tag}} {{.ID}}"
    listed = engine.cli("image", "ls", "--no-trunc", "--format", form).stdout
    found = dict(line.split() for line in listed.splitlines())
    engine.cli("image", "rm", "--force", *found.values())
    return found

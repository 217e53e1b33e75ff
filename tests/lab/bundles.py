"""Sample bundles, saved by a real engine from real files, with what that engine says is in them.

The engine's own account (`expected.json`) lets a test compare what Airferry made of a bundle with
something that Airferry had no part in.
"""

import gzip
import json
import platform
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

import docker

from tests.lab.apt import apt_get
from tests.lab.archives import (
    COMPRESSION_LEVEL,
    add_directory,
    add_file,
    add_link,
    add_text,
    archive,
)
from tests.lab.engine import Engine
from tests.lab.paths import make_private
from tests.lab.realfiles import RealFile, real_files, take
from tests.lab.recipes import BUNDLES, IMAGES, BundleRecipe, ImageRecipe
from tests.lab.shell import run

RECIPE = 2
EXPECTED_NAME = "expected.json"
README_NAME = "readme.txt"
README_TEXT = "Images of release 5.2.0. This file is here to be no bundle.\n"
BUSYBOX_PACKAGE = "busybox-static"
APPLETS = ("sh", "ls", "cat", "echo", "sleep", "wget", "httpd", "true", "sha256sum")
COPY_BYTES = 2**20
TINY_PROGRAM = Path("/usr/bin/true")


class ExpectedImage(TypedDict):
    """An image as the engine described it when the bundle was saved."""

    tags: list[str]
    id: str
    diff_ids: list[str]


Expected = dict[str, list[ExpectedImage]]


def directory_of(cache: Path) -> Path:
    """Return where the bundles are, or will be."""
    return cache / f"bundles-{RECIPE}-{platform.machine()}"


def ensure(cache: Path, engine: Engine) -> Path:
    """Return the directory of the bundles, made now if the cache has none.

    Args:
        cache: The lab's cache directory.
        engine: A running engine, which has none of the images afterwards.

    Raises:
        LabError: Something on the way failed.
    """
    directory = directory_of(cache)
    if not directory.is_dir():
        scratch = Path(tempfile.mkdtemp(prefix="making-", dir=make_private(cache)))
        try:
            made = make_private(scratch / "made")
            with engine.client() as client:
                _build_all(client, scratch)
                expected = {recipe.name: _describe(client, recipe) for recipe in BUNDLES}
                for recipe in BUNDLES:
                    _save(engine, recipe, made)
                _remove_all(client)
            (made / README_NAME).write_text(README_TEXT, encoding="utf-8")
            (made / EXPECTED_NAME).write_text(json.dumps(expected, indent=2), encoding="utf-8")
            made.rename(directory)
        finally:
            shutil.rmtree(scratch)
    return directory


def read_expected(directory: Path) -> Expected:
    """Return what is in the bundles, by the name of the bundle's file."""
    expected: Expected = json.loads((directory / EXPECTED_NAME).read_text(encoding="utf-8"))
    return expected


def _build_all(client: docker.DockerClient, scratch: Path) -> None:
    files = real_files()
    busybox = _fetch_busybox(scratch)
    for recipe in IMAGES:
        context = scratch / "context.tar"
        _write_context(context, recipe, files, busybox)
        with context.open("rb") as content:
            image, _ = client.images.build(
                fileobj=content, custom_context=True, rm=True, tag=recipe.tags[0]
            )
        for tag in recipe.tags[1:]:
            image.tag(tag)


def _write_context(
    path: Path, recipe: ImageRecipe, files: Iterator[RealFile], busybox: Path
) -> None:
    """Write what `docker build` is sent: a Dockerfile and a directory for each layer."""
    parent = recipe.parent if recipe.parent == "scratch" else f"{recipe.parent}:1"
    lines = [f"FROM {parent}"]
    with archive(path) as tar:
        for number, megabytes in enumerate(recipe.layers_megabytes):
            lines.append(f"COPY layer-{number}/ /")
            for file in take(files, megabytes):
                add_file(tar, f"layer-{number}{file.path}", file.path)
        if recipe.with_busybox:
            lines.append("COPY busybox/ /")
            add_directory(tar, "busybox/tmp", 0o1777)
            add_file(tar, "busybox/bin/busybox", busybox)
            for applet in APPLETS:
                add_link(tar, f"busybox/bin/{applet}", "busybox")
        elif not recipe.layers_megabytes:
            lines.append("COPY pause /pause")
            add_file(tar, "pause", TINY_PROGRAM)
        add_text(tar, "Dockerfile", "\n".join([*lines, *recipe.instructions, ""]))


def _fetch_busybox(scratch: Path) -> Path:
    """Fetch a static busybox without installing it; it would replace another one."""
    tree = scratch / "busybox"
    tree.mkdir()
    apt_get("-o", "APT::Sandbox::User=root", "download", BUSYBOX_PACKAGE, cwd=tree)
    for package in tree.glob("*.deb"):
        run("dpkg-deb", "--extract", package, tree)
    return tree / "bin" / "busybox"


def _describe(client: docker.DockerClient, recipe: BundleRecipe) -> list[ExpectedImage]:
    described: dict[str, ExpectedImage] = {}
    for tag in recipe.tags:
        facts = client.images.get(tag).attrs
        image = described.setdefault(
            facts["Id"],
            ExpectedImage(tags=[], id=facts["Id"], diff_ids=facts["RootFS"]["Layers"]),
        )
        image["tags"].append(tag)
    return list(described.values())


def _save(engine: Engine, recipe: BundleRecipe, directory: Path) -> None:
    path = directory / recipe.name
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    engine.cli("save", "--output", plain, *recipe.tags)
    if plain != path:
        with (
            plain.open("rb") as source,
            path.open("wb") as raw,
            gzip.GzipFile("", "wb", COMPRESSION_LEVEL, raw, mtime=0) as packed,
        ):
            shutil.copyfileobj(source, packed, COPY_BYTES)
        plain.unlink()


def _remove_all(client: docker.DockerClient) -> None:
    for recipe in reversed(IMAGES):
        for tag in recipe.tags:
            client.images.remove(tag, force=True)

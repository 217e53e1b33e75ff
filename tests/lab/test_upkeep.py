"""A site's registry rots, fills up and is cleared, while a host goes on pulling from it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.registry.local.storage import Storage
from tests.lab.conftest import Install
from tests.lab.labhost import LabHost
from tests.lab.outside import expected_ids, image_id, site_name
from tests.lab.program import Program
from tests.lab.site import Site
from tests.support.archives import ImageSpec, docker_archive, layer_tar
from tests.support.backups import damage

PAUSE = "k8s.gcr.io/pause:3.5"
EXTRA = ImageSpec(["extra:1"], [layer_tar(77, 20_000)])


def pull_again(host: LabHost, tag: str) -> str:
    """Take an image from a host's cache and pull it again; return its ID."""
    host.run("docker", "image", "rm", site_name(tag), tag)
    host.run("docker", "pull", site_name(tag))
    host.run("docker", "tag", site_name(tag), tag)
    return image_id(host, site_name(tag))


def layer_of(program: Program, name: str) -> Path:
    """Return the file of an image's last layer in the registry."""
    storage = Storage(program.directory / "registry")
    repository, _, tag = name.partition(":")
    document = storage.document(storage.tags()[repository, tag])
    assert document is not None
    return storage.blob_path(list(document.blobs)[-1])


@pytest.mark.hosts(1)
def test_a_registry_is_kept_whole_and_small(
    warm_site: Site, warm_installation: Install, tmp_path: Path
) -> None:
    program, host = warm_installation(), warm_site.hosts[0]
    program.run("install", "--host", host.name)
    name, expected = site_name(PAUSE, "").lstrip("/"), expected_ids(warm_site)[PAUSE]
    assert "is whole" in program.run("registry", "verify").stdout

    layer = layer_of(program, name)
    damage(layer)
    found = program.run("registry", "verify", expect=1).stdout
    assert (True, True) == ("1 damaged part" in found, name in found)
    program.run("registry", "verify", "--repair")
    program.run("registry", "verify")
    assert expected == pull_again(host, PAUSE)

    # What a pipe brings is at work for as long as nothing comes.
    pipe = tmp_path / "extra.tar"
    os.mkfifo(pipe)
    run = program.begin("import", str(pipe))
    with pipe.open("wb") as writer:  # a pipe into which nobody writes is given up after a while
        refused = program.run("registry", "gc", expect=2)
        assert (True, True) == (f"run {run} " in refused.stderr, "[E-BUSY]" in refused.stderr)
        writer.write(docker_archive([EXTRA]))
    assert "done" == program.wait(run)["state"]

    program.run("registry", "delete", name, "--yes")
    assert "The registry is cleared up." in program.run("registry", "gc").stdout
    assert not layer.exists()
    program.run("import")
    assert (True, expected) == (layer.exists(), pull_again(host, PAUSE))
    program.run("verify", "--host", host.name)

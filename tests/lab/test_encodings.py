"""One image in two bundles, encoded differently, and an index that is pinned by its digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.lab.conftest import Install
from tests.lab.outside import image_id
from tests.lab.shell import run
from tests.lab.site import Site
from tests.lab.siteconfig import REGISTRY_PORT
from tests.support.archives import ImageSpec, layer_tar, write_bundle
from tests.support.carried import attested
from tests.support.oci import Layout, full_name, noted

SHARED, PINNED = "quay.io/case/shared:v1", "quay.io/case/pinned:v1"
IMAGE = ImageSpec([SHARED], [layer_tar(1, 300_000), layer_tar(2, 20_000)])
ATTESTED = ImageSpec([PINNED], [layer_tar(3, 20_000)])


@pytest.mark.hosts(1)
def test_hosts_and_registry_agree_on_what_two_bundles_brought(
    docker_site: Site, installation: Install, tmp_path: Path
) -> None:
    images_dir = tmp_path / "imgs"
    images_dir.mkdir()
    write_bundle(images_dir / "a-docker-save.tar", [IMAGE])
    layout = Layout()
    index = layout.index(*attested(layout, ATTESTED))
    again = noted(layout.image(IMAGE), full_name(SHARED))
    bundle = layout.tar(again, noted(index, full_name(PINNED)))
    (images_dir / "b-layout.tar").write_bytes(bundle)
    program, host = installation(imagesDir=str(images_dir)), docker_site.hosts[0]

    program.run("install")

    assert "Nothing had to be done" in program.run("install").stdout
    program.run("verify")
    for image, name in ((IMAGE, "case/shared:v1"), (ATTESTED, "case/pinned:v1")):
        for full in (f"quay.io/{name}", f"localhost:5001/{name}"):
            assert image.image_id == image_id(host, full)
    by_digest = f"localhost:5001/case/pinned@{index['digest']}"
    host.run("docker", "pull", by_digest)
    assert ATTESTED.image_id == image_id(host, by_digest)
    seen = f"docker://127.0.0.1:{REGISTRY_PORT}/case/pinned@{index['digest']}"
    raw = run("skopeo", "inspect", "--raw", "--tls-verify=false", seen).stdout
    assert index["digest"] == f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}"

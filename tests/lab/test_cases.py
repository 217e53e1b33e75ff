"""Bundles rebuilt from public reports, beside what `docker load` and skopeo make of them."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from core.bundle.discovery import bundle_file
from core.bundle.listing import list_bundle
from core.bundle.model import Bundle
from core.errors import BundleError
from tests.lab.__main__ import spare_engine
from tests.lab.engine import Engine
from tests.support.cases import CASES

# A name that go-containerregistry writes where there was only a digest: ours is made of the image.
DIGEST_NAME = ":i-was-a-digest"


def loaded(engine: Engine, path: Path) -> dict[str, str]:
    """Return the names that Docker gives, with image IDs; empty if it takes nothing of the file."""
    engine.cli("load", "--quiet", "--input", path, check=False)
    form = "{{.Repository}}:{{.Tag}} {{.ID}}"
    listed = engine.cli("image", "ls", "--all", "--no-trunc", "--format", form).stdout
    found = dict(line.split() for line in listed.splitlines())
    if found:
        engine.cli("image", "rm", "--force", *set(found.values()), check=False)
    named = (name for name in found if "<none>" not in name and DIGEST_NAME not in name)
    return {name: found[name] for name in named}


def read_by_skopeo(path: Path) -> str:
    """Return the digest of the config that skopeo reads; empty if it reads none."""
    for kind in ("docker-archive", "oci-archive"):
        command = ["skopeo", "inspect", "--config", "--raw", f"{kind}:{path}"]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode == 0:
            return f"sha256:{hashlib.sha256(done.stdout).hexdigest()}"
    return ""


def ours(path: Path) -> Bundle | None:
    """Return what we read in a file, None if it is refused."""
    try:
        return list_bundle(bundle_file(path))
    except BundleError:
        return None


def test_what_docker_loads_has_the_same_names_and_ids(tmp_path: Path) -> None:
    compared = 0
    with spare_engine() as engine:
        for title, case in CASES.items():
            path = tmp_path / case.file
            path.write_bytes(case.data)
            bundle = ours(path)
            names = {
                reference.familiar: image.image_id
                for image in (bundle.images if bundle else ())
                for reference in image.references
            }
            for name, image_id in loaded(engine, path).items():
                assert image_id == names.get(name), (title, name)
                compared += 1
    assert compared >= 10


def test_what_skopeo_reads_is_among_the_images(tmp_path: Path) -> None:
    compared = 0
    for title, case in CASES.items():
        path = tmp_path / case.file
        path.write_bytes(case.data)
        digest = read_by_skopeo(path)
        bundle = ours(path)
        if digest and bundle:
            assert digest in {image.image_id for image in bundle.images}, title
            compared += 1
        elif digest:
            assert case.error, f"{title}: skopeo reads it, and nothing says why we do not"
    assert compared >= 10

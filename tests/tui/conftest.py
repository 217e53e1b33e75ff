"""A small site for each test: a config, real bundles, an empty journal."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.archives import sample_images, write_bundle
from tests.tui.fake_engine import FakeEngine
from tui.terminal.capabilities import Terminal, prepare

prepare(os.environ, Terminal())  # what Textual reads while it is imported, as in tui.start

CONFIG = """\
# The site of the tests
privateRegistryType: du   # the mode
imagesDir: imgs
registryDir: registry
stateDir: state
registryPort: 5990
hostRegistryPort: 5991
unknownKey: kept
ssh:
  user: tech  # who logs in
hosts:
  - name: worker-01
    address: 10.78.0.11
  - name: worker-02
    address: 10.78.0.12
  - name: worker-03
    address: 10.78.0.13
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return the config of a site with two bundles and a file that is none."""
    images = tmp_path / "imgs"
    images.mkdir()
    write_bundle(images / "docker-imgs-v-1.tar.gz", sample_images(), compress=True)
    write_bundle(images / "extra.tar", sample_images()[:1])
    (images / "readme.txt").write_text("no bundle")
    path = tmp_path / "airctl-config.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def engine() -> FakeEngine:
    """Return a fake engine whose runs end well."""
    return FakeEngine()

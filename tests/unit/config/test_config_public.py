"""The config as it leaves the site: what Airferry knows, and nothing of other tools."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from core.config import load_config, public_text
from core.config.public import KNOWN_KEYS

TEXT = """\
# root password: hunter2
privateRegistryType: du   # hunter2
duFqdn: hunter2
hosts:
  - name: a   # hunter2
    address: 10.0.0.1
  - 10.0.0.2
ssh: {user: tech, hostKeys: []}
passwords:
  root: hunter2
"""


def test_only_known_keys_are_kept(tmp_path: Path) -> None:
    before, after = tmp_path / "a.yaml", tmp_path / "b.yaml"
    before.write_text(TEXT)
    after.write_text(public_text(TEXT))
    assert "hunter2" not in after.read_text()
    assert dataclasses.replace(load_config(before), path=after) == load_config(after)


@pytest.mark.parametrize("text", ["", "x: 1\n", "# only a comment\n"])
def test_a_config_of_which_nothing_is_known(text: str) -> None:
    assert public_text(text).startswith("# The site's config")
    assert 1 == len(public_text(text).splitlines())


def test_the_known_keys_are_those_that_are_read(tmp_path: Path) -> None:
    """A key that the config reads and this list lacks would be missing in backups."""
    lines = (Path(__file__).parents[3] / "core/config/load.py").read_text()
    assert [] == [key for key in KNOWN_KEYS if f'"{key}"' not in lines]
    config = tmp_path / "c.yaml"
    config.write_text("\n".join(f"{key}:" for key in KNOWN_KEYS))
    assert set(KNOWN_KEYS) >= set(load_config(config).lines)

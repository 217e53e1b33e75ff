"""The config as it leaves the site: what Airferry knows, and nothing of other tools."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from core.config import load_config, public_text
from core.config.keys import TOP_LEVEL

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


def test_all_keys_that_are_read_are_kept(tmp_path: Path) -> None:
    """A key that the config reads and that is taken out would be missing in backups."""
    text = "".join(f"{key}:\n" for key in sorted(TOP_LEVEL))
    config = tmp_path / "c.yaml"
    config.write_text(text)
    assert set(load_config(config).lines) == TOP_LEVEL
    config.write_text(public_text(text))
    assert set(load_config(config).lines) == TOP_LEVEL

"""`airferry registry list|delete`, on a real registry."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.bundle.catalogue import Catalogue
from core.bundle.discovery import bundle_file
from core.cli import main
from core.config import load_config
from core.registry.api.client import RegistryClient
from tests.support.archives import ImageSpec, layer_tar, write_bundle
from tests.support.importing import Importer
from tests.support.ports import free_port
from tests.support.registry import site_registry

Output = pytest.CaptureFixture[str]
APP = ImageSpec(["quay.io/a/app:1"], [layer_tar(1, 9000)])
TOOL = ImageSpec(["tool:2"], [layer_tar(2, 5000)])


@pytest.fixture
def config(registry_program: None, tmp_path: Path, storage: Path) -> Iterator[Path]:  # noqa: ARG001
    """A site whose registry holds two images of one bundle."""
    path = tmp_path / "airctl-config.yaml"
    (tmp_path / "imgs").mkdir()
    path.write_text(
        f"privateRegistryType: du\nregistryPort: {free_port()}\n"
        "imagesDir: imgs\nregistryDir: registry\nstateDir: state\n"
    )
    config = load_config(path)
    with site_registry(config, storage) as client:
        bundle = write_bundle(tmp_path / "imgs" / "x.tar", [APP, TOOL])
        done = Importer(client, tmp_path).put(bundle)
        Catalogue(config.state_dir).keep(bundle_file(bundle), done.bundle)
        yield path


def registry(config: Path, action: str, *words: str) -> int:
    return main(["registry", action, "--config", str(config), *words])


def names(config: Path) -> list[str]:
    found = load_config(config)
    client = RegistryClient(f"127.0.0.1:{found.registry_port}")
    try:
        return [
            f"{name}:{tag}"
            for name in client.repositories()
            if name != "airferry/stage"
            for tag in client.tags(name)
        ]
    finally:
        client.close()


def test_list(config: Path, capsys: Output) -> None:
    assert 0 == registry(config, "list")
    lines = capsys.readouterr().out.splitlines()
    assert ["a/app:1  linux/amd64  from x.tar", "tool:2  linux/amd64  from x.tar"] == [
        line.split(None, 2)[2] for line in lines
    ]
    assert 0 == registry(config, "list", "--json")
    first, _ = json.loads(capsys.readouterr().out)
    assert ("a/app:1", ["linux/amd64"], "x.tar", "") == tuple(
        first[key] for key in ("name", "platforms", "bundle", "problem")
    )


def test_delete(config: Path, capsys: Output) -> None:
    assert 0 == registry(config, "delete", "tool:2", "--yes")
    assert ("deleted  tool:2\n", ["a/app:1"]) == (capsys.readouterr().out, names(config))
    assert 0 == registry(config, "delete", "localhost:5001/a/app:1", "--yes", "--json")
    assert {"deleted": ["a/app:1"]} == json.loads(capsys.readouterr().out)
    assert [] == names(config)


def test_nobody_can_be_asked(config: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert 2 == registry(config, "delete", "tool:2")
    assert ("--yes" in capsys.readouterr().err, 2) == (True, len(names(config)))


class Person(io.StringIO):
    """Somebody at a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "code", "left"), [("y", 0, 1), ("", 2, 2), ("no", 2, 2)])
def test_a_person_is_asked(
    config: Path,
    capsys: Output,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    code: int,
    left: int,
) -> None:
    monkeypatch.setattr(sys, "stdin", Person(f"{answer}\n"))
    assert code == registry(config, "delete", "tool:2")
    said = capsys.readouterr().out
    assert ("the next import of x.tar brings it back" in said, left) == (True, len(names(config)))


def test_an_unknown_name(config: Path, capsys: Output) -> None:
    assert 2 == registry(config, "delete", "tool:3", "--yes")
    assert "does not hold tool:3" in capsys.readouterr().err

"""`airferry reconfigure` as it is typed: the plan in words and as data, asked first, then done."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import service
from core.cli import main
from core.config import load_config
from core.engine.services import registry_status, stop_registry
from tests.support.archives import ImageSpec, docker_archive, tar_of


@pytest.fixture
def config(tmp_path: Path, registry_program: None) -> Iterator[Path]:
    """A site of mode du without hosts, installed; its config says none by now."""
    assert registry_program is None
    if service.under_systemd():
        pytest.fail("this test needs a machine whose services are not systemd's")
    images = tmp_path / "imgs"
    images.mkdir()
    layer = tar_of("x", b"x")
    (images / "x.tar").write_bytes(docker_archive([ImageSpec(["calico/node:v3"], [layer])]))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = tmp_path / "airctl-config.yaml"
    text = (
        f"imagesDir: {images}\nstateDir: {tmp_path / 'state'}\nregistryPort: {port}\n"
        f"registryDir: {tmp_path / 'registry'}\n"
    )
    path.write_text(f"privateRegistryType: du\n{text}")
    assert 0 == main(["import", "--config", str(path)])
    path.write_text(f"privateRegistryType: none\n{text}")
    yield path
    stop_registry(load_config(path))


def test_it_is_asked_first(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["reconfigure", "--config", str(config)])
    said = capsys.readouterr().err
    assert "airferry reconfigure --dry-run. Say --yes to do it." in said


@pytest.mark.parametrize(("answer", "exit_code", "runs_then"), [("n", 2, True), ("y", 0, False)])
def test_on_a_terminal_the_plan_comes_first(
    config: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    exit_code: int,
    runs_then: bool,
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    capsys.readouterr()
    assert exit_code == main(["reconfigure", "--config", str(config)])
    assert "\nstopped    the registry at 127.0.0.1:" in capsys.readouterr().out
    assert runs_then is registry_status(load_config(config)).ours


def test_the_plan_as_data_then_done_then_nothing(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    command = ["reconfigure", "--config", str(config)]
    assert 0 == main([*command, "--dry-run", "--json", "--remove-registry"])
    found = json.loads(capsys.readouterr().out)
    assert ("plan-reconfigure", "done", []) == (found["kind"], found["state"], found["warnings"])
    kinds = [change["change"] for change in found["changes"]]
    assert ["changed", "stopped", "removed", "stays"] == kinds
    assert str(tmp_path / "registry") in found["changes"][2]["what"]
    assert registry_status(load_config(config)).ours

    assert 0 == main([*command, "--yes", "--remove-registry"])
    assert (False, False) == (
        registry_status(load_config(config)).running,
        (tmp_path / "registry").exists(),
    )
    capsys.readouterr()
    assert 0 == main([*command, "--dry-run"])
    assert "Nothing to change: the site is as the config says.\n" == capsys.readouterr().out

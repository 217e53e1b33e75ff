"""`airferry registry verify|gc|keep` as commands and runs, on a real registry."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.cli import main
from core.engine.journal import State
from core.engine.lock import engine_lock, note_work
from tests.support.archives import docker_archive
from tests.support.backups import Site
from tests.support.upkeep import APP, TOOL, Upkeep, upkeep_site


@pytest.fixture
def site(registry_program: None, tmp_path: Path) -> Iterator[Upkeep]:  # noqa: ARG001
    with upkeep_site(tmp_path) as made:
        made.put("docker-imgs-v-5.2.0-1.tar", docker_archive([APP]))
        made.put("docker-imgs-v-5.3.0-1.tar", docker_archive([TOOL]))
        yield made


def test_verify_and_repair(site: Upkeep) -> None:
    done = site.run("registry verify")
    assert (0, "") == (done.returncode, done.stderr)
    assert "What the registry has stored is whole." in done.stdout
    task, stored = site.task("registry.scan"), sum(site.storage.blobs().values())
    assert (State.PRESENT, stored) == (task.state, task.bytes_done)
    layer = site.layer("tool:2")
    site.flip(layer)
    done = site.run("registry verify")
    assert (1, True, True) == (
        done.returncode,
        "The registry is not whole." in done.stdout,
        f"damaged    {layer}" in done.stdout,
    )
    assert "in tool:2  (bundle docker-imgs-v-5.3.0-1.tar)" in done.stdout
    done = site.run("registry verify", "--repair", "--json")
    record = json.loads(done.stdout)
    assert (0, [layer], "done") == (
        done.returncode,
        [one["subject"] for one in record["particulars"]],
        record["state"],
    )
    assert 0 == site.run("registry verify").returncode
    refused = site.run("registry verify", "--dry-run")
    assert (2, True) == (refused.returncode, "nothing is changed anyway" in refused.stderr)


def test_gc(site: Upkeep) -> None:
    assert "Nothing to do: the registry has nothing that could go." in (
        site.run("registry gc", "--dry-run").stdout
    )
    assert 0 == site.run("registry delete", "tool:2", "--yes").returncode
    planned = site.run("registry gc", "--dry-run")
    assert (0, True) == (planned.returncode, "that no name needs, of" in planned.stdout)
    done = site.run("registry gc")
    assert (0, True) == (done.returncode, "The registry is cleared up." in done.stdout)
    task = site.task("registry.gc")
    assert (State.DONE, True) == (task.state, "left, all of it needed by 2 names" in task.message)


def test_nothing_is_changed_while_a_run_is_at_work(site: Upkeep) -> None:
    blobs = site.storage.blobs()
    with engine_lock(site.state_dir):
        note_work(site.state_dir, "run 7")
        for action, *words in (["gc"], ["keep", "1", "--yes"], ["verify", "--repair"]):
            done = site.run(f"registry {action}", *words)
            assert (2, True, True) == (
                done.returncode,
                "run 7" in done.stderr,
                "[E-BUSY]" in done.stderr,
            )
        assert 0 == site.run("registry verify").returncode
    assert blobs == site.storage.blobs()


def test_keep(site: Upkeep) -> None:
    refused = site.run("registry keep", "1")
    assert (2, True) == (refused.returncode, "Say --yes to do it." in refused.stderr)
    assert 2 == site.run("registry keep", "0", "--yes").returncode
    planned = site.run("registry keep", "1", "--dry-run")
    assert 0 == planned.returncode
    assert [True] * 3 == [
        words in planned.stdout
        for words in (
            "2 names of release 5.2.0: site/app:1, site/app:stable",
            "comes back site/app:1",
            "    docker-imgs-v-5.2.0-1.tar in imagesDir would bring names back",
        )
    ]
    done = site.run("registry keep", "1", "--yes")
    assert (0, ["tool:2"]) == (done.returncode, site.names())


class Person(io.StringIO):
    """Somebody at a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "code", "left"), [("y", 0, 1), ("", 2, 3)])
def test_a_person_is_asked_before_names_go(
    site: Upkeep,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    code: int,
    left: int,
) -> None:
    monkeypatch.setattr(sys, "stdin", Person(f"{answer}\n"))
    assert code == main(["registry", "keep", "1", "--config", str(site.config)])
    said = capsys.readouterr().out
    assert [True] * 3 == [
        words in said
        for words in ("comes back site/app:1", "2 names of release 5.2.0", "Go on? [y/N]")
    ]
    assert left == len(site.names())


def test_modes_without_a_registry_of_ours(site: Upkeep, tmp_path: Path) -> None:
    directory = tmp_path / "custom"
    directory.mkdir()
    custom = Site(directory, site.address)
    assert 0 == custom.run("registry verify").returncode
    for action, *words in (["gc"], ["keep", "1", "--yes"], ["verify", "--repair"]):
        done = custom.run(f"registry {action}", *words)
        assert (2, True) == (done.returncode, "nothing is changed there" in done.stderr)
    custom.config.write_text(f"privateRegistryType: none\nstateDir: {custom.state_dir}\n")
    done = custom.run("registry verify")
    assert (2, True) == (done.returncode, "mode none has no registry" in done.stderr)

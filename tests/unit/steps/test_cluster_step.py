"""The step that writes the files for the cluster: which bundles count, what it finds missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from core.bundle.catalogue import Catalogue
from core.bundle.discovery import bundle_file
from core.bundle.model import Bundle, BundleFile
from core.cluster.names import digest_of
from core.config import Config, Mode
from core.errors import LocalFilesError, RegistryUnreachable
from core.registry.api.client import RegistryClient
from core.steps.cluster import ClusterFiles, files_of_site
from core.steps.work import Work
from tests.support.fakes import FakeTeller
from tests.unit.cluster.test_cluster_files import bundle


@dataclass
class Registry:
    """A registry that holds some names; None for one that does not answer."""

    holds: dict[str, str] | None
    asked: list[str] = field(default_factory=list)

    def manifest_digest(self, repository: str, tag: str) -> str | None:
        self.asked.append(f"{repository}:{tag}")
        if self.holds is None:
            raise RegistryUnreachable("nothing answers")
        return self.holds.get(f"{repository}:{tag}")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "imgs").mkdir()
    return Config(
        tmp_path / "airctl-config.yaml",
        mode=Mode.DU,
        images_dir=tmp_path / "imgs",
        state_dir=tmp_path / "state",
    )


def known(config: Config, found: Bundle, directory: Path | None = None) -> BundleFile:
    """Put a file there, and note what is known of it."""
    path = (directory or config.images_dir) / found.name
    path.write_bytes(b"a tar" + found.name.encode())
    file = bundle_file(path)
    Catalogue(config.state_dir).keep(file, found)
    return file


def originals(
    config: Config, registry: Registry, *files: BundleFile, later_wins: bool = False
) -> dict[str, str]:
    """Return the bundle of each original name of the table."""
    client = cast(RegistryClient, registry)
    text = files_of_site(config, client, files, later_wins=later_wins)["images.txt"]
    rows = [line.split("\t") for line in text.splitlines()[1:]]
    return {row[0]: row[4] for row in rows}


def test_bundles_here_count_without_asking(config: Config) -> None:
    known(config, bundle("a.io/x:1"))
    registry = Registry({})
    assert {"a.io/x:1": "x.tar"} == originals(config, registry)
    assert [] == registry.asked


def test_what_came_from_elsewhere_counts_while_the_registry_has_it(
    config: Config, tmp_path: Path
) -> None:
    old = bundle("a.io/x:1", "a.io/y:1", "a.io/z:1", name="old.tar")
    known(config, old, tmp_path)
    digests = {r.path: digest_of(old, r) for r in old.references}
    held = {"x:1": digests["x"], "y:1": "sha256:another"}
    assert {"a.io/x:1": "old.tar"} == originals(config, Registry(held))
    assert {} == originals(config, Registry(None))


def test_in_mode_none_there_is_no_registry_to_ask(config: Config, tmp_path: Path) -> None:
    none = Config(config.path, images_dir=config.images_dir, state_dir=config.state_dir)
    known(none, bundle("a.io/x:1", name="old.tar"), tmp_path)
    registry = Registry({})
    assert {} == originals(none, registry)
    assert [] == registry.asked


def test_bundles_of_the_run_come_first_and_of_one_name_the_first_or_last(
    config: Config, tmp_path: Path
) -> None:
    known(config, bundle("a.io/x:1", name="a.tar"))
    known(config, bundle("a.io/x:1", name="b.tar", first=5))
    assert {"a.io/x:1": "a.tar"} == originals(config, Registry({}))
    assert {"a.io/x:1": "b.tar"} == originals(config, Registry({}), later_wins=True)
    given = known(config, bundle("a.io/x:1", name="0.tar", first=9), tmp_path)
    assert {"a.io/x:1": "0.tar"} == originals(config, Registry({}), given, later_wins=True)


def test_a_ca_that_cannot_be_read_is_named(config: Config, tmp_path: Path) -> None:
    custom = Config(
        config.path,
        mode=Mode.CUSTOM,
        registry_base="reg.site",
        registry_ca=tmp_path / "gone.crt",
        images_dir=config.images_dir,
        state_dir=config.state_dir,
    )
    with pytest.raises(LocalFilesError, match=r"gone\.crt"):
        originals(custom, Registry({}))


async def test_the_step_writes_what_differs_and_is_content_then(config: Config) -> None:
    file = known(config, bundle("a.io/x:1"))
    work = Work(config, (file,))
    step = ClusterFiles(work)
    missing = await step.check(FakeTeller())
    assert missing is not None
    assert missing.what.startswith("files for the cluster: README.txt, ")
    await step.apply(missing, FakeTeller())
    assert None is await step.check(FakeTeller())
    (config.state_dir / "cluster" / "images.txt").write_text("edited")
    missing = await step.check(FakeTeller())
    assert missing is not None
    assert "files for the cluster: images.txt" == missing.what
    await work.close()

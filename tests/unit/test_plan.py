"""Which steps a run has: a table of modes and kinds."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.bundle import BundleFile
from core.config import Config, HostConfig, Mode
from core.engine.plan import build_plan
from core.engine.request import RunKind, RunRequest
from core.steps.base import DU, Need, Step
from core.steps.images import ImagesLoad, ImagesWarm
from core.steps.work import Work

CONFIG = Path("/site/airctl-config.yaml")
HOSTS = (HostConfig("a", "10.0.0.1"), HostConfig("b", "10.0.0.2"))
FILES = (BundleFile(Path("/imgs/x.tar"), 1, 1), BundleFile(Path("/imgs/y.tar"), 1, 1))

SERVE, REACH, TUNNELS, VERIFY = (
    "registry.serve",
    "registry.reach",
    "tunnels.serve",
    "registry.verify",
)
IMPORTS = ["bundle.import:x.tar", "bundle.import:y.tar"]
READS = ["bundle.read:x.tar", "bundle.read:y.tar"]
LOOK = ["connect", "preflight"]
WARM = ["images.warm", "images.verify"]
DU_HOST = [*LOOK, "docker.install", "docker.configure", "tunnel.open"]
CUSTOM_HOST = [*LOOK, "docker.install", "docker.configure"]
NONE_HOST = [*LOOK, "docker.install"]
VERIFY_HOST = ["connect", "images.verify"]

TABLE: dict[tuple[Mode, RunKind], tuple[list[str], list[str]]] = {
    (Mode.DU, RunKind.INSTALL): ([SERVE, TUNNELS, *IMPORTS, VERIFY], [*DU_HOST, *WARM]),
    (Mode.DU, RunKind.IMPORT): ([SERVE, *IMPORTS, VERIFY], []),
    (Mode.DU, RunKind.CONFIGURE_HOSTS): ([SERVE, TUNNELS, VERIFY], [*DU_HOST, *WARM]),
    (Mode.DU, RunKind.PLAN): ([SERVE, TUNNELS, *IMPORTS], [*DU_HOST, "images.warm"]),
    (Mode.DU, RunKind.CHECK): ([], LOOK),
    (Mode.DU, RunKind.VERIFY): ([VERIFY], VERIFY_HOST),
    (Mode.NONE, RunKind.INSTALL): (READS, [*NONE_HOST, *WARM]),
    (Mode.NONE, RunKind.CONFIGURE_HOSTS): (READS, [*NONE_HOST, *WARM]),
    (Mode.NONE, RunKind.PLAN): (READS, [*NONE_HOST, "images.warm"]),
    (Mode.NONE, RunKind.CHECK): ([], LOOK),
    (Mode.NONE, RunKind.VERIFY): ([], VERIFY_HOST),
    (Mode.CUSTOM, RunKind.INSTALL): ([REACH, *IMPORTS, VERIFY], [*CUSTOM_HOST, *WARM]),
    (Mode.CUSTOM, RunKind.IMPORT): ([REACH, *IMPORTS, VERIFY], []),
    (Mode.CUSTOM, RunKind.CONFIGURE_HOSTS): ([REACH, VERIFY], [*CUSTOM_HOST, *WARM]),
    (Mode.CUSTOM, RunKind.PLAN): ([REACH, *IMPORTS], [*CUSTOM_HOST, "images.warm"]),
    (Mode.CUSTOM, RunKind.CHECK): ([], LOOK),
    (Mode.CUSTOM, RunKind.VERIFY): ([VERIFY], VERIFY_HOST),
}


def plan(
    mode: Mode,
    kind: RunKind,
    state_dir: Path,
    *,
    only: tuple[str, ...] = (),
    skip_images: bool = False,
    hosts: tuple[HostConfig, ...] = HOSTS,
) -> list[Step]:
    config = Config(
        CONFIG,
        mode=mode,
        registry_base="registry.example.com",
        registry_insecure=True,
        hosts=hosts,
        state_dir=state_dir,
    )
    request = RunRequest(kind, CONFIG, hosts=only, skip_images=skip_images)
    return build_plan(request, Work(config, FILES))


def ids(steps: list[Step], target: str) -> list[str]:
    return [step.id for step in steps if step.target == target]


@pytest.mark.parametrize(("mode", "kind"), TABLE)
def test_plans(mode: Mode, kind: RunKind, tmp_path: Path) -> None:
    steps = plan(mode, kind, tmp_path)
    du, host = TABLE[mode, kind]
    assert [du, host, host] == [ids(steps, name) for name in (DU, "a", "b")]
    assert len(du) + 2 * len(host) == len(steps)


def test_a_plan_is_pure(tmp_path: Path) -> None:
    plan(Mode.DU, RunKind.INSTALL, tmp_path / "state")
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("mode", Mode)
def test_only_the_hosts_that_are_named(mode: Mode, tmp_path: Path) -> None:
    steps = plan(mode, RunKind.CONFIGURE_HOSTS, tmp_path, only=("b",))
    assert [[], TABLE[mode, RunKind.CONFIGURE_HOSTS][1]] == [ids(steps, name) for name in "ab"]


@pytest.mark.parametrize("mode", Mode)
def test_caches_can_be_left_alone(mode: Mode, tmp_path: Path) -> None:
    for kind in (RunKind.INSTALL, RunKind.VERIFY):
        steps = plan(mode, kind, tmp_path, skip_images=True)
        assert not [step.id for step in steps if step.id.startswith("images.")]


def test_without_hosts_only_the_du_s_part_is_done(tmp_path: Path) -> None:
    steps = plan(Mode.DU, RunKind.INSTALL, tmp_path, hosts=())
    assert [SERVE, *IMPORTS, VERIFY] == [step.id for step in steps]


@pytest.mark.parametrize(
    ("mode", "last"),
    [(Mode.DU, VERIFY), (Mode.CUSTOM, VERIFY), (Mode.NONE, "bundle.read:y.tar")],
)
def test_warming_waits_for_the_du(mode: Mode, last: str, tmp_path: Path) -> None:
    steps = plan(mode, RunKind.INSTALL, tmp_path)
    warm = next(step for step in steps if step.id == "images.warm")
    assert (Need(DU, last),) == warm.needs


def test_only_mode_none_loads(tmp_path: Path) -> None:
    warmers = {
        mode: type(next(s for s in plan(mode, RunKind.INSTALL, tmp_path) if s.id == "images.warm"))
        for mode in Mode
    }
    assert {Mode.DU: ImagesWarm, Mode.CUSTOM: ImagesWarm, Mode.NONE: ImagesLoad} == warmers


@pytest.mark.parametrize(("mode", "kind"), TABLE)
def test_every_need_stands_earlier_in_the_plan(mode: Mode, kind: RunKind, tmp_path: Path) -> None:
    seen: set[tuple[str, str]] = set()
    for step in plan(mode, kind, tmp_path):
        assert (step.target, step.id) not in seen
        assert {(need.target, need.step_id) for need in step.needs} <= seen
        seen.add((step.target, step.id))


def test_files_of_one_name_have_steps_of_their_own(tmp_path: Path) -> None:
    files = tuple(BundleFile(Path(path), 1, 1) for path in ("/v1/x.tar", "/v2/x.tar", "/v2/y.tar"))
    config = Config(CONFIG, mode=Mode.DU, state_dir=tmp_path)
    steps = build_plan(RunRequest(RunKind.IMPORT, CONFIG), Work(config, files))
    assert [
        SERVE,
        "bundle.import:/v1/x.tar",
        "bundle.import:/v2/x.tar",
        "bundle.import:y.tar",
        VERIFY,
    ] == [step.id for step in steps]

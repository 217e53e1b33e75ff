"""Which steps a run has: a table of modes and kinds."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.bundle.model import BundleFile
from core.config import Config, HostConfig, Mode, SshConfig, Warm
from core.engine.plan import build_plan
from core.engine.request import BACKUPS, RECONFIGURES, RESTORES, RunKind, RunRequest
from core.hosts.tunnel.store import Tunnel, TunnelStore
from core.steps.base import DU, Need, Step
from core.steps.du import RegistryReach
from core.steps.images import ImagesLoad, ImagesWarm
from core.steps.work import Work

CONFIG = Path("/site/airctl-config.yaml")
HOSTS = (HostConfig("a", "10.0.0.1"), HostConfig("b", "10.0.0.2"))
FILES = (BundleFile(Path("/imgs/x.tar"), 1, 1), BundleFile(Path("/imgs/y.tar"), 1, 1))

HERE, SERVE, REACH, TUNNELS, VERIFY = (
    "preflight",
    "registry.serve",
    "registry.reach",
    "tunnels.serve",
    "registry.verify",
)
FILES_OUT = "cluster.files"
IMPORTS = ["bundle.import:x.tar", "bundle.import:y.tar"]
TAKES = ["bundle.take:x.tar", "bundle.take:y.tar"]
READS = ["bundle.read:x.tar", "bundle.read:y.tar"]
LOOK = ["connect", "preflight"]
WARM = ["images.warm", "images.verify"]
DU_HOST = [*LOOK, "docker.install", "docker.configure", "tunnel.open"]
NONE_HOST = [*LOOK, "docker.install", "docker.configure"]
CUSTOM_LOOK = [*LOOK, REACH]
CUSTOM_HOST = [*CUSTOM_LOOK, "docker.install", "docker.configure"]
CLEAN = ["connect", "tunnel.close", "images.remove", "docker.restore"]
VERIFY_HOST = ["connect", "images.verify"]
MOVE, LEAVE = "registry.move", ["tunnel.close", "docker.leave"]
STOP = ["tunnels.stop", "registry.stop"]

TABLE: dict[tuple[Mode, RunKind], tuple[list[str], list[str]]] = {
    (Mode.DU, RunKind.INSTALL): (
        [HERE, SERVE, TUNNELS, *IMPORTS, VERIFY, FILES_OUT],
        [*DU_HOST, *WARM],
    ),
    (Mode.DU, RunKind.IMPORT): ([HERE, SERVE, *IMPORTS, VERIFY, FILES_OUT], []),
    (Mode.DU, RunKind.CONFIGURE_HOSTS): (
        [HERE, SERVE, TUNNELS, VERIFY, FILES_OUT],
        [*DU_HOST, *WARM],
    ),
    (Mode.DU, RunKind.PLAN): (
        [HERE, SERVE, TUNNELS, *IMPORTS, FILES_OUT],
        [*DU_HOST, "images.warm"],
    ),
    (Mode.DU, RunKind.CHECK): ([], LOOK),
    (Mode.DU, RunKind.VERIFY): ([VERIFY], VERIFY_HOST),
    (Mode.NONE, RunKind.INSTALL): ([HERE, SERVE, *IMPORTS, VERIFY, FILES_OUT], [*NONE_HOST, *WARM]),
    (Mode.NONE, RunKind.CONFIGURE_HOSTS): (
        [HERE, SERVE, *IMPORTS, VERIFY, FILES_OUT],
        [*NONE_HOST, *WARM],
    ),
    (Mode.NONE, RunKind.PLAN): ([HERE, SERVE, *IMPORTS, FILES_OUT], [*NONE_HOST, "images.warm"]),
    (Mode.NONE, RunKind.CHECK): ([], LOOK),
    (Mode.NONE, RunKind.VERIFY): ([], VERIFY_HOST),
    (Mode.CUSTOM, RunKind.INSTALL): (
        [HERE, REACH, *IMPORTS, VERIFY, FILES_OUT],
        [*CUSTOM_HOST, *WARM],
    ),
    (Mode.CUSTOM, RunKind.IMPORT): ([HERE, REACH, *IMPORTS, VERIFY, FILES_OUT], []),
    (Mode.CUSTOM, RunKind.CONFIGURE_HOSTS): (
        [HERE, REACH, VERIFY, FILES_OUT],
        [*CUSTOM_HOST, *WARM],
    ),
    (Mode.CUSTOM, RunKind.PLAN): (
        [HERE, REACH, *IMPORTS, FILES_OUT],
        [*CUSTOM_HOST, "images.warm"],
    ),
    (Mode.CUSTOM, RunKind.CHECK): ([], CUSTOM_LOOK),
    (Mode.CUSTOM, RunKind.VERIFY): ([VERIFY], VERIFY_HOST),
    (Mode.DU, RunKind.RECONFIGURE): (
        [MOVE, HERE, SERVE, TUNNELS, *IMPORTS, VERIFY, FILES_OUT],
        [*DU_HOST, *WARM, "docker.leave"],
    ),
    (Mode.DU, RunKind.PLAN_RECONFIGURE): (
        [MOVE, HERE, SERVE, TUNNELS, *IMPORTS, FILES_OUT],
        [*DU_HOST, "images.warm", "docker.leave"],
    ),
    (Mode.NONE, RunKind.RECONFIGURE): (
        [MOVE, HERE, SERVE, *IMPORTS, VERIFY, FILES_OUT, *STOP],
        [*NONE_HOST, *WARM, *LEAVE],
    ),
    (Mode.NONE, RunKind.PLAN_RECONFIGURE): (
        [MOVE, HERE, SERVE, *IMPORTS, FILES_OUT, *STOP],
        [*NONE_HOST, "images.warm", *LEAVE],
    ),
    (Mode.CUSTOM, RunKind.RECONFIGURE): (
        [HERE, REACH, *IMPORTS, VERIFY, FILES_OUT, *STOP],
        [*CUSTOM_HOST, *WARM, *LEAVE],
    ),
    (Mode.CUSTOM, RunKind.PLAN_RECONFIGURE): (
        [HERE, REACH, *IMPORTS, FILES_OUT, *STOP],
        [*CUSTOM_HOST, "images.warm", *LEAVE],
    ),
    **{(mode, RunKind.CLEAN): ([], CLEAN) for mode in Mode},
    **{(mode, RunKind.PLAN_CLEAN): ([], CLEAN) for mode in Mode},
    **{(mode, RunKind.TAKE): (TAKES, []) for mode in Mode},
    **{(Mode.DU, kind): ([SERVE, "registry.backup"], []) for kind in BACKUPS},
    **{(Mode.CUSTOM, kind): ([REACH, "registry.backup"], []) for kind in BACKUPS},
    **{(Mode.DU, kind): ([SERVE, "registry.restore"], []) for kind in RESTORES},
    **{(Mode.CUSTOM, kind): ([REACH, "registry.restore"], []) for kind in RESTORES},
}


@pytest.fixture(autouse=True)
def fake_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a registry program, whatever is installed on this one."""
    program = tmp_path / "bin" / "registry"
    program.parent.mkdir()
    program.touch(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return program


def plan(
    mode: Mode,
    kind: RunKind,
    state_dir: Path,
    *,
    only: tuple[str, ...] = (),
    skip_images: bool = False,
    hosts: tuple[HostConfig, ...] = HOSTS,
    warm: Warm = Warm.PULL,
) -> list[Step]:
    config = Config(
        CONFIG,
        mode=mode,
        registry_base="registry.example.com",
        registry_insecure=True,
        hosts=hosts,
        state_dir=state_dir,
        warm=warm,
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


def test_the_dry_run_of_an_import_asks_no_host(tmp_path: Path) -> None:
    config = Config(CONFIG, mode=Mode.DU, hosts=HOSTS, state_dir=tmp_path)
    request = RunRequest(RunKind.PLAN, CONFIG, here_only=True)
    steps = build_plan(request, Work(config, FILES, dry=True))
    assert [HERE, SERVE, *IMPORTS, FILES_OUT] == [step.id for step in steps]


@pytest.mark.parametrize("mode", Mode)
def test_the_dry_run_of_configure_hosts_imports_no_more_than_it_does(
    mode: Mode, tmp_path: Path
) -> None:
    config = Config(CONFIG, mode=mode, registry_base="r:5000", hosts=HOSTS, state_dir=tmp_path)
    request = RunRequest(RunKind.CONFIGURE_HOSTS, CONFIG)
    done = build_plan(request, Work(config, FILES))
    told = build_plan(request.as_plan(), Work(config, FILES, dry=True))
    only_done = (VERIFY, "images.verify")
    assert [step.id for step in done if step.id not in only_done] == [step.id for step in told]


@pytest.mark.parametrize("kind", [RunKind.CONFIGURE_HOSTS, RunKind.INSTALL])
def test_a_login_must_push_only_where_something_is_imported(kind: RunKind, tmp_path: Path) -> None:
    config = Config(CONFIG, mode=Mode.CUSTOM, registry_base="r:5000", state_dir=tmp_path)
    request = RunRequest(kind, CONFIG).as_plan()
    reach = [s for s in build_plan(request, Work(config, FILES)) if isinstance(s, RegistryReach)]
    assert [kind is RunKind.INSTALL] == [step.pushes for step in reach]


@pytest.mark.parametrize("mode", Mode)
def test_what_a_change_leaves_waits_for_every_host(mode: Mode, tmp_path: Path) -> None:
    steps = plan(mode, RunKind.RECONFIGURE, tmp_path, only=("b",))
    leaving = [step for step in steps if step.id in STOP]
    assert (0 if mode is Mode.DU else 2) == len(leaving)
    assert all(step.needs == (Need("b", "docker.leave"),) for step in leaving)


@pytest.mark.parametrize("kind", RECONFIGURES)
def test_a_host_that_left_the_config_loses_its_tunnel(kind: RunKind, tmp_path: Path) -> None:
    for name in ("a", "gone"):
        host = HostConfig(name, "10.0.0.9")
        TunnelStore(tmp_path).want(Tunnel(host, SshConfig(), 5001, 5100))
    assert ["tunnel.drop:gone"] == ids(plan(Mode.DU, kind, tmp_path), DU)[-1:]
    without_hosts = ids(plan(Mode.DU, kind, tmp_path, hosts=()), DU)
    assert ["tunnel.drop:a", "tunnel.drop:gone", "tunnels.stop"] == without_hosts[-3:]
    assert ["tunnel.drop:gone", *STOP] == ids(plan(Mode.NONE, kind, tmp_path), DU)[-3:]


def test_content_is_removed_where_that_is_asked(tmp_path: Path) -> None:
    config = Config(CONFIG, mode=Mode.NONE, hosts=HOSTS, state_dir=tmp_path)
    request = RunRequest(RunKind.RECONFIGURE, CONFIG, remove_registry=True)
    steps = ids(build_plan(request, Work(config, FILES)), DU)
    assert [*STOP, "registry.remove"] == steps[-3:]


def test_without_hosts_only_the_du_s_part_is_done(tmp_path: Path) -> None:
    steps = plan(Mode.DU, RunKind.INSTALL, tmp_path, hosts=())
    assert [HERE, SERVE, *IMPORTS, VERIFY, FILES_OUT] == [step.id for step in steps]


@pytest.mark.parametrize(
    ("warm", "last"),
    [(Warm.PULL, VERIFY), (Warm.LOAD, "bundle.read:y.tar")],
)
def test_warming_waits_for_the_du(warm: Warm, last: str, tmp_path: Path) -> None:
    steps = plan(Mode.NONE, RunKind.INSTALL, tmp_path, warm=warm)
    warming = next(step for step in steps if step.id == "images.warm")
    assert (Need(DU, last),) == warming.needs


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(("warm", "step"), [(Warm.PULL, ImagesWarm), (Warm.LOAD, ImagesLoad)])
def test_how_hosts_are_warmed(mode: Mode, warm: Warm, step: type[Step], tmp_path: Path) -> None:
    steps = plan(mode, RunKind.INSTALL, tmp_path, warm=warm)
    assert step is type(next(s for s in steps if s.id == "images.warm"))


def test_without_a_registry_program_mode_none_loads(tmp_path: Path, fake_program: Path) -> None:
    fake_program.unlink()
    steps = plan(Mode.NONE, RunKind.INSTALL, tmp_path)
    assert [*READS, FILES_OUT] == ids(steps, DU)
    assert ImagesLoad is type(next(s for s in steps if s.id == "images.warm"))


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
        HERE,
        SERVE,
        "bundle.import:/v1/x.tar",
        "bundle.import:/v2/x.tar",
        "bundle.import:y.tar",
        VERIFY,
        FILES_OUT,
    ] == [step.id for step in steps]

"""What a change does, in words, from its dry run; and whether the config asks for one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.config import Config, HostConfig, Mode, SshConfig
from core.engine.changes import Change, ChangeKind, change_words, changes_of, changes_record
from core.engine.drift import differences
from core.engine.journal import Journal, LogLine, State, TaskRow
from core.engine.lock import engine_lock
from core.engine.request import RunKind
from core.hosts.tunnel.store import Tunnel, TunnelStore
from core.telling import FOLLOW, FOR_THIS_RUN, IN_PLACE_OF, RESTARTS

HOSTS = (HostConfig("a", "10.0.0.1"), HostConfig("b", "10.0.0.2"))

TABLE = [
    (
        "du",
        "registry.serve",
        "the registry does not run at X",
        "started the registry on this machine",
    ),
    (
        "du",
        "registry.serve",
        f"the registry {RESTARTS}: from X to Y",
        "restarted the registry: from X to Y",
    ),
    ("du", "tunnels.serve", "does not run", "started the tunnel service on this machine"),
    ("du", "tunnels.serve", f"tunnels are to {FOLLOW}: a", f"changed tunnels are to {FOLLOW}: a"),
    ("du", "registry.move", "from /a to /b", "changed where the registry stores: from /a to /b"),
    ("du", "bundle.import:x.tar", "not imported yet", "brought 1 bundle to the registry"),
    ("du", "cluster.files", "files for the cluster: x", "changed files for the cluster: x"),
    ("du", "tunnels.stop", "the tunnel service", "stopped the tunnel service"),
    ("du", "tunnel.drop:c", "the tunnel to c", "stopped the tunnel to c"),
    ("du", "registry.stop", "the registry at X", "stopped the registry at X"),
    ("du", "registry.remove", "the content in /a", "removed the content in /a"),
    ("a", "docker.install", "Docker (4 packages)", "brought Docker to a"),
    ("a", "docker.configure", "no TLS", "changed Docker's settings on a"),
    ("a", "docker.login", "no login", "changed the registry's login on a"),
    ("a", "tunnel.open", "the tunnel from port 5001 of a", "started the tunnel of a"),
    (
        "a",
        "tunnel.open",
        f"the tunnel from port 5003 of a, {IN_PLACE_OF} 5001",
        "restarted from port 5003 in place of 5001, the tunnel of a",
    ),
    ("a", "images.warm", "6 images", "brought images to a"),
    ("a", "tunnel.close", "the tunnel to a", "stopped the tunnel of a"),
    ("a", "docker.leave", "Docker's settings for r", "removed Docker's settings for r: a"),
]


def row(target: str, step: str, state: State = State.MISSING, message: str = "") -> TaskRow:
    return TaskRow(target, step, step, state, message=message)


@pytest.mark.parametrize(("target", "step", "message", "words"), TABLE)
def test_what_becomes_of_each_thing(target: str, step: str, message: str, words: str) -> None:
    change = changes_of([row(target, step, message=message)], [])[0]
    assert words == f"{change.kind} {change_words(change)}"


def test_what_is_there_and_only_looked_at_changes_nothing() -> None:
    tasks = [row("du", "preflight", State.PRESENT), row("a", "connect", State.PRESENT)]
    tasks += [row("du", "registry.serve", State.PRESENT), row("a", "tunnel.open", State.PRESENT)]
    kinds = {change.kind for change in changes_of(tasks, [])}
    assert {ChangeKind.STAYS} == kinds


def test_a_registry_for_the_run_does_not_stay() -> None:
    assert [] == changes_of([row("du", "registry.serve", State.PRESENT, FOR_THIS_RUN)], [])


def test_groups_come_in_order_with_what_stays_last() -> None:
    tasks = [
        row("a", "tunnel.close"),
        row("b", "tunnel.close"),
        row("du", "registry.serve", State.PRESENT),
        TaskRow("b", "images.warm", "images", State.MISSING, bytes_total=3_000_000),
    ]
    facts = [LogLine(0, 0, host, "docker.leave", "fact", "x: y\nstays: 9 names") for host in "ab"]
    changes = changes_of(tasks, facts)
    assert [
        "brought images to b (up to 3.0 MB)",
        "stopped the tunnel of a, b",
        "stays the registry on this machine",
        "stays 9 names: a, b",
    ] == [f"{c.kind} {change_words(c)}" for c in changes[:-1]]
    assert "every image under every name" in changes[-1].what
    assert {"change": "stopped", "what": "the tunnel of", "targets": ["a", "b"], "bytes": 0} == (
        changes_record(changes)[1]
    )


def test_many_hosts_are_counted() -> None:
    change = Change(ChangeKind.STOPPED, "the tunnel of", tuple(f"h{n}" for n in range(50)))
    assert "the tunnel of 50 hosts: h0, h1, h2, h3, h4, h5 and 44 more" == change_words(change)


def site(tmp_path: Path, mode: Mode = Mode.DU, **changes: object) -> Config:
    values = {"hosts": HOSTS, "registry_dir": tmp_path / "registry", "state_dir": tmp_path}
    return Config(tmp_path / "c.yaml", mode, **{**values, **changes})  # type: ignore[arg-type]


def made(
    tmp_path: Path, kind: RunKind, mode: Mode, state: State = State.DONE, **options: object
) -> None:
    """Note a run that ended so."""
    journal = Journal(tmp_path)
    run = journal.begin(kind, mode, "/c", dict(options), 1)
    journal.end(run, state, "")
    journal.close()


def test_a_new_site_differs_in_nothing_and_is_left_alone(tmp_path: Path) -> None:
    assert [] == differences(site(tmp_path / "state"))
    assert [] == list(tmp_path.iterdir())


def test_an_earlier_mode_is_told_until_a_change_of_all_hosts_was_completed(tmp_path: Path) -> None:
    config, said = site(tmp_path, Mode.NONE), "mode none now, set up in mode custom"
    made(tmp_path, RunKind.INSTALL, Mode.CUSTOM)
    assert [said] == differences(config)
    made(tmp_path, RunKind.INSTALL, Mode.NONE)
    made(tmp_path, RunKind.RECONFIGURE, Mode.NONE, hosts=["a"])
    assert [said] == differences(config)
    made(tmp_path, RunKind.RECONFIGURE, Mode.NONE, State.FAILED)
    assert ["the last reconfigure did not come to its end"] == differences(config)
    made(tmp_path, RunKind.RECONFIGURE, Mode.NONE)
    assert [] == differences(config)
    made(tmp_path, RunKind.CONFIGURE_HOSTS, Mode.NONE)
    assert [] == differences(config)


def test_another_registry_of_the_site_s_own(tmp_path: Path) -> None:
    config = site(tmp_path, Mode.CUSTOM, registry_base="new.site/x")
    made(tmp_path, RunKind.INSTALL, Mode.CUSTOM)
    assert [] == differences(config), "a run of an earlier version does not say which it was"
    made(tmp_path, RunKind.INSTALL, Mode.CUSTOM, registry_base="old.site:5000/x")
    assert ["registry new.site/x now, set up with old.site:5000/x"] == differences(config)
    made(tmp_path, RunKind.RECONFIGURE, Mode.CUSTOM, registry_base="new.site/x")
    assert [] == differences(config)


def test_a_change_at_work_is_no_difference(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin(RunKind.RECONFIGURE, Mode.NONE, "/c", {}, 1)
    journal.close()
    with engine_lock(tmp_path):
        assert [] == differences(site(tmp_path, Mode.NONE))
    assert ["the last reconfigure did not come to its end"] == differences(
        site(tmp_path, Mode.NONE)
    )


def served(tmp_path: Path, address: str, directory: Path) -> None:
    """Note with what the registry was last started."""
    settings = {
        "storage": {"filesystem": {"rootdirectory": str(directory)}},
        "http": {"addr": address},
    }
    (tmp_path / "registry.yml").write_text(json.dumps(settings))


def test_ports_and_directory(tmp_path: Path) -> None:
    served(tmp_path, "127.0.0.1:5100", tmp_path / "registry")
    assert [] == differences(site(tmp_path))
    config = site(tmp_path, registry_port=5200, registry_dir=Path("/new"))
    assert [
        "registry at 127.0.0.1:5100, to be at 127.0.0.1:5200",
        f"registry in {tmp_path / 'registry'}, to be in /new",
    ] == differences(config)
    (tmp_path / "registry-move.json").write_text('{"source": "/a", "target": "/b"}')
    assert ["moving the registry to /b broke off"] == differences(config)


def test_tunnels(tmp_path: Path) -> None:
    book = TunnelStore(tmp_path)
    for host in (*HOSTS, HostConfig("gone", "10.0.0.3")):
        book.want(Tunnel(host, SshConfig(), 5001, 5100))
    assert ["1 host with a tunnel not in the config any more"] == differences(site(tmp_path))
    assert [
        "1 host with a tunnel not in the config any more",
        "2 tunnels from port 5001, to be from 5003",
    ] == differences(site(tmp_path, host_registry_port=5003))
    assert ["3 tunnels of mode du kept"] == differences(site(tmp_path, Mode.CUSTOM))

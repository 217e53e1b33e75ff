"""What is handed to the engine's process comes out as it went in."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from core.engine.request import RunKind, RunRequest

paths = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1).map(Path)
requests = st.builds(
    RunRequest,
    kind=st.sampled_from(RunKind),
    config=paths,
    bundles=st.lists(paths, max_size=3).map(tuple),
    hosts=st.lists(st.text(), max_size=3).map(tuple),
    skip_images=st.booleans(),
    accept_new_host_keys=st.booleans(),
    keep_going=st.booleans(),
    later_wins=st.booleans(),
    keep_source_registry=st.booleans(),
    recompress=st.booleans(),
    without_artifacts=st.booleans(),
    name=st.text(),
    remove_docker=st.booleans(),
    here_only=st.booleans(),
    outdir=st.none() | paths,
    since=st.none() | paths,
    split_bytes=st.integers(0, 1 << 40),
    prune=st.booleans(),
    compared_keys=st.lists(st.text(), max_size=3).map(tuple),
    remove_registry=st.booleans(),
    generations=st.integers(0, 9),
)


def test_every_field_is_handed_on() -> None:
    request = RunRequest(
        RunKind.IMPORT,
        Path("/c.yaml"),
        (Path("/dev/fd/3"),),
        ("a",),
        skip_images=True,
        accept_new_host_keys=True,
        keep_going=True,
        later_wins=True,
        keep_source_registry=True,
        recompress=True,
        without_artifacts=True,
        name="quay.io/a/b:1",
        remove_docker=True,
        here_only=True,
        hosts_only=True,
        outdir=Path("/media/stick"),
        since=Path("/media/a.tar"),
        split_bytes=1,
        prune=True,
        compared_keys=("SHA256:a",),
        remove_registry=True,
        generations=2,
    )
    assert all(asdict(request).values())
    assert request == RunRequest.from_json(request.to_json())


@given(requests)
def test_there_and_back_in_one_line(request: RunRequest) -> None:
    text = request.to_json()
    assert 1 == len(text.splitlines())
    assert request == RunRequest.from_json(text + "\n")


def test_which_kinds_change_things() -> None:
    only_look = {RunKind.PLAN, RunKind.CHECK, RunKind.VERIFY}
    only_look |= {RunKind.PLAN_BACKUP, RunKind.PLAN_RESTORE, RunKind.PLAN_CLEAN}
    only_look |= {RunKind.PLAN_RECONFIGURE, RunKind.REGISTRY_VERIFY}
    only_look |= {RunKind.PLAN_REPAIR, RunKind.PLAN_GC, RunKind.PLAN_KEEP}
    assert only_look == {kind for kind in RunKind if not kind.changes_things}


def test_a_request_of_before_is_read() -> None:
    """The journal of a site keeps what an earlier version was asked."""
    text = '{"kind": "import", "config": "/c", "bundles": ["/b"], "hosts": []}'
    assert RunRequest(RunKind.IMPORT, Path("/c"), (Path("/b"),)) == RunRequest.from_json(text)


def test_the_dry_run_of_a_request() -> None:
    request = RunRequest(RunKind.BACKUP, Path("/c"), outdir=Path("/o"))
    assert RunRequest(RunKind.PLAN_BACKUP, Path("/c"), outdir=Path("/o")) == request.as_plan()
    assert [RunKind.PLAN_RESTORE, RunKind.PLAN] == [
        RunRequest(kind, Path("/c")).as_plan().kind for kind in (RunKind.RESTORE, RunKind.INSTALL)
    ]


def test_the_dry_run_of_a_part_asks_for_that_part() -> None:
    here = RunRequest(RunKind.IMPORT, Path("/c")).as_plan()
    assert RunRequest(RunKind.PLAN, Path("/c"), here_only=True) == here
    hosts = RunRequest(RunKind.CONFIGURE_HOSTS, Path("/c"), hosts=("a",)).as_plan()
    assert RunRequest(RunKind.PLAN, Path("/c"), hosts=("a",), hosts_only=True) == hosts


def test_a_request_of_an_older_version_is_read() -> None:
    text = RunRequest(RunKind.CHECK, Path("/c.yaml")).to_json()
    assert ', "compared_keys": []' in text
    assert RunRequest.from_json(text.replace(', "compared_keys": []', "")).compared_keys == ()

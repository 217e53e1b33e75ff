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
    recompress=st.booleans(),
    name=st.text(),
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
        recompress=True,
        name="quay.io/a/b:1",
    )
    assert all(asdict(request).values())
    assert request == RunRequest.from_json(request.to_json())


@given(requests)
def test_there_and_back_in_one_line(request: RunRequest) -> None:
    text = request.to_json()
    assert 1 == len(text.splitlines())
    assert request == RunRequest.from_json(text + "\n")


def test_which_kinds_change_things() -> None:
    assert {RunKind.INSTALL, RunKind.IMPORT, RunKind.CONFIGURE_HOSTS} == {
        kind for kind in RunKind if kind.changes_things
    }

"""When a host's daemon.json is to be changed, by what its Docker says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config import Config, Mode
from core.hosts.facts import DockerFacts
from core.steps.docker import settings_to_add

HAS = DockerFacts(version="28.2.2", insecure_named=("r:5000",))
LACKS = DockerFacts(version="28.2.2")
NO_LOOPBACK = DockerFacts(version="29.10.0", insecure_loopback=False)


@pytest.mark.parametrize(
    ("mode", "insecure", "docker", "added"),
    [
        (Mode.DU, False, HAS, None),
        (Mode.DU, False, NO_LOOPBACK, []),
        (Mode.CUSTOM, False, NO_LOOPBACK, None),
        (Mode.CUSTOM, True, HAS, None),
        (Mode.CUSTOM, True, LACKS, ["r:5000"]),
        (Mode.CUSTOM, True, DockerFacts(), ["r:5000"]),
        (Mode.NONE, False, LACKS, None),
    ],
)
def test_what_is_added(
    mode: Mode, insecure: bool, docker: DockerFacts, added: list[str] | None
) -> None:
    config = Config(Path("c.yaml"), mode, registry_base="r:5000/site", registry_insecure=insecure)
    assert added == settings_to_add(config, docker)

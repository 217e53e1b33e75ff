"""What an error on a host means: whether the host is going down is asked before it counts."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from core.config import Config, HostConfig, Mode
from core.errors import (
    AirferryError,
    Cancelled,
    DockerGone,
    HostCommandFailed,
    HostDiskFull,
    HostGoesDown,
    HostLineLost,
    HostRegistryGone,
    HostSudoRefused,
    HostTimeout,
    HostUnreachable,
    RegistryOddAnswer,
    RegistryProxyForbids,
    RegistryUnreachable,
)
from core.hosts.ssh.connection import HostConnection
from core.steps.connect import Connect
from core.steps.work import Work

HOST = HostConfig("a", "10.0.0.1")
FAILED = HostCommandFailed("a: status 4 of 'systemctl start docker'")


class Line:
    """A connection that answers as told: no real host hangs in one question only.

    Args:
        answer: Whether the host is going down, or what comes instead of an answer.
        is_open: Whether there is a connection.
    """

    where = "a (10.0.0.1)"
    was_open = True

    def __init__(self, answer: bool | AirferryError, *, is_open: bool = True) -> None:
        self._answer = answer
        self.is_open = is_open
        self.asked = 0

    async def is_going_down(self) -> bool:
        self.asked += 1
        if isinstance(self._answer, AirferryError):
            raise self._answer
        return self._answer


class Site(Work):
    """A site to whose hosts that line leads."""

    line: Line

    def link(self, host: HostConfig) -> HostConnection:  # noqa: ARG002
        return cast("HostConnection", self.line)


def step_on(line: Line, state_dir: Path) -> Connect:
    config = Config(state_dir / "airctl-config.yaml", mode=Mode.DU, hosts=(HOST,))
    site = Site(config, ())
    site.line = line
    return Connect(site, HOST)


async def test_a_host_that_goes_down_is_waited_for(tmp_path: Path) -> None:
    found = await step_on(Line(True), tmp_path).explained(FAILED)
    assert (HostGoesDown, True) == (type(found), found.transient)
    assert f"a (10.0.0.1) is shutting down: {FAILED.what}" == found.what


@pytest.mark.parametrize("lost", [HostLineLost("a: lost"), HostUnreachable("a: away")])
async def test_a_host_that_went_meanwhile(tmp_path: Path, lost: AirferryError) -> None:
    assert lost is await step_on(Line(lost), tmp_path).explained(FAILED)


@pytest.mark.parametrize(
    "answer", [False, HostTimeout("a: no end of systemctl"), HostSudoRefused("a: no sudo")]
)
async def test_an_error_stays_what_it_is(tmp_path: Path, answer: bool | AirferryError) -> None:
    """A full disk is not tried again for minutes because a host's systemd hangs."""
    full = HostDiskFull("a: no space left on device")
    assert full is await step_on(Line(answer), tmp_path).explained(full)


@pytest.mark.parametrize(
    ("error", "is_open"),
    [(HostTimeout("a: slow"), True), (Cancelled("ended"), True), (FAILED, False)],
    ids=["passes-by-itself", "cancelled", "no-line"],
)
async def test_nobody_is_asked(tmp_path: Path, error: AirferryError, is_open: bool) -> None:
    line = Line(True, is_open=is_open)
    assert error is await step_on(line, tmp_path).explained(error)
    assert 0 == line.asked


@pytest.mark.parametrize("kind", [RegistryOddAnswer, RegistryProxyForbids])
async def test_a_registry_that_was_one_before_comes_back(
    tmp_path: Path, kind: type[AirferryError]
) -> None:
    """What stands before it answers for it while it is restarted."""
    said = kind("r:5000 answered 404 to GET /v2/: a web page")
    found = await step_on(Line(False), tmp_path).explained(said)
    assert (HostRegistryGone, True, f"a: {said.what}", said.remedy) == (
        *(type(found), found.transient, found.what),
        found.remedy,
    )


@pytest.mark.parametrize(
    ("was_open", "error", "patience_s"),
    [
        (False, HostUnreachable("a: away"), 30.0),
        (True, HostUnreachable("a: away"), 420.0),
        (True, HostLineLost("a: lost"), 420.0),
        (True, RegistryUnreachable("r: away"), 420.0),
        (True, DockerGone("a: Docker"), 90.0),
    ],
)
def test_how_long_a_host_is_tried(
    tmp_path: Path, was_open: bool, error: AirferryError, patience_s: float
) -> None:
    """One that never answered is rather a wrong address."""
    line = Line(False)
    line.was_open = was_open
    assert patience_s == step_on(line, tmp_path).patience_with(error)

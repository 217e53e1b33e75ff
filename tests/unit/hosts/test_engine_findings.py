"""What is said of a host's Docker before anything is asked of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.hosts.daemon import Daemon
from core.hosts.engine_findings import engine_findings
from core.hosts.facts import DockerFacts
from tests.unit.hosts.test_facts import FIT

RUNS = Daemon(7, "/usr/sbin/dockerd", "/run/docker.sock", unit="loaded", by_unit=True)
# As /proc shows snap's Docker 28; it cannot be run in the lab.
SNAP = "/snap/docker/3265/bin/dockerd"


def said(daemon: Daemon, path: str = "/usr/bin/docker", **more: bool) -> list[tuple[bool, str]]:
    version = ("18.06.1" if more else "28.2.2") if daemon.pid else ""
    facts = replace(FIT, docker=DockerFacts(path, version, daemon=daemon))
    return [(found.fatal, found.what + found.remedy) for found in engine_findings(facts, **more)]


@pytest.mark.parametrize("daemon", [RUNS, Daemon(), replace(RUNS, socket="/var/run/docker.sock")])
def test_nothing_is_said_of_what_is_as_usual(daemon: Daemon) -> None:
    assert [] == said(daemon)


@pytest.mark.parametrize(
    ("daemon", "fatal", "words"),
    [
        (replace(RUNS, program=SNAP, by_unit=False), True, "snap remove docker"),
        (replace(RUNS, several=True), True, "several Dockers"),
        (replace(RUNS, socket=""), True, "no Unix socket"),
        (replace(RUNS, socket="/srv/d.sock"), False, "at /srv/d.sock and not at"),
        (replace(RUNS, unit="not-found", by_unit=False), False, "without docker.service"),
        (Daemon(other="/usr/bin/docker", other_is="podman"), True, "apt-get remove podman-docker"),
        (
            Daemon(other="/usr/local/bin/docker", other_is="nerdctl"),
            True,
            "rm /usr/local/bin/docker",
        ),
    ],
)
def test_what_is_said(daemon: Daemon, fatal: bool, words: str) -> None:
    found = said(daemon)
    assert [fatal] == [each for each, _ in found]
    assert words in found[0][1]


def test_no_client() -> None:
    assert "no docker command" in said(RUNS, path="")[0][1]


def test_a_snap_that_does_not_run() -> None:
    assert "snap remove docker" in said(Daemon(), path="/snap/bin/docker")[0][1]


def test_what_answers_and_is_no_dockerd_of_this_host() -> None:
    """Such as podman.socket in Docker's place."""
    facts = replace(FIT, docker=DockerFacts("/usr/bin/docker", "4.3.1"))
    found = next(engine_findings(facts))
    assert found.fatal
    assert "something else answers at /var/run/docker.sock (it calls itself 4.3.1)" in found.what


def test_an_old_engine_is_replaced_only_where_a_unit_runs_it() -> None:
    assert [] == said(RUNS, too_old=True)
    own = replace(RUNS, program="/opt/d/dockerd", by_unit=False)
    assert "nothing is installed over it" in said(own, too_old=True)[0][1]


@pytest.mark.parametrize("state", ["masked", "bad-setting"])
def test_a_unit_that_cannot_be_started(state: str) -> None:
    facts = replace(FIT, docker=DockerFacts("/usr/bin/docker", daemon=Daemon(unit=state)))
    assert [True] == [found.fatal for found in engine_findings(facts)]


def test_red_hat_s_way_to_be_rid_of_podman_docker() -> None:
    daemon = Daemon(other="/usr/bin/docker", other_is="podman")
    facts = replace(FIT, os_id="rhel", os_like=("fedora",), docker=DockerFacts(daemon=daemon))
    assert "dnf remove podman-docker" in next(engine_findings(facts)).remedy

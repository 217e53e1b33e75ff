"""What preflight makes of a host: each finding an error or a warning, with a remedy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.hosts.facts import DockerFacts, Facts
from core.hosts.preflight import Needs, preflight, release_findings
from tests.unit.hosts.test_facts import FIT, MIB

NOTHING = Needs()
DOCKER = DockerFacts("/usr/bin/docker", "20.10.24+dfsg1", "overlay2")
PULLS = Needs(registry=True, forwarding=True, loopback=True)


@pytest.mark.parametrize(
    ("facts", "needs"),
    [
        (FIT, NOTHING),
        (FIT, Needs(docker_bytes=63_000_000, store_bytes=FIT.store_free_bytes)),
        (replace(FIT, root="sudo", docker=DOCKER, forwarding="yes"), PULLS),
        (replace(FIT, forwarding="remote"), PULLS),
        (replace(FIT, forwarding="no"), NOTHING),
        (replace(FIT, clock_skew_s=299.0), NOTHING),
        (replace(FIT, pf9_kube="5.1.0"), NOTHING),
        (replace(FIT, pf9_kube="5.6.0"), PULLS),
        (replace(FIT, pf9_kube="1.21.3-pmk.72"), PULLS),
        (replace(FIT, pf9_kube="1.21.3-pmk.72", pf9_hostagent="5.6.0-2161634.ab12cd"), PULLS),
        (replace(FIT, pf9_hostagent="5.1.0"), NOTHING),
        (replace(FIT, docker=replace(DOCKER, version="23.0.1")), Needs(zstd=True)),
    ],
)
def test_nothing_to_say(facts: Facts, needs: Needs) -> None:
    assert [] == list(preflight(facts, needs))


FINDINGS = [
    (replace(FIT, init="openrc"), NOTHING, True, "runs openrc, not systemd"),
    (
        replace(FIT, unpack_free_bytes=299 * MIB),
        Needs(docker_bytes=60 * MIB),
        True,
        "has 299 MiB free in /var/tmp; installing Docker needs 300 MiB",
    ),
    (
        replace(FIT, store_free_bytes=99 * MIB, store="/data/docker"),
        Needs(store_bytes=100 * MIB),
        True,
        "has 99 MiB free where Docker stores images (/data/docker); 100 MiB are needed",
    ),
    (
        replace(FIT, store_free_bytes=99 * MIB),
        Needs(store_bytes=100 * MIB, sure=False),
        False,
        "has 99 MiB free where Docker stores images (/var/lib/docker); about 100 MiB are needed",
    ),
    (replace(FIT, clock_skew_s=-3600.0), NOTHING, False, "has a clock that is 1 hour behind"),
    (
        replace(FIT, node_agent="nodelet"),
        NOTHING,
        False,
        "has a node agent (nodelet), which may rewrite daemon.json",
    ),
    (
        replace(FIT, pf9_kube="5.1.3"),
        PULLS,
        True,
        "has pf9-kube 5.1.3; a registry needs release 5.2 or later",
    ),
    (
        replace(FIT, pf9_kube="5.2.0"),
        PULLS,
        False,
        "has pf9-kube 5.2.0; the vendor says both that a registry works with it and that it does "
        "not",
    ),
    (
        replace(FIT, pf9_kube="1.19.6-pmk.1", pf9_hostagent="5.1.4-1230.ab12cd"),
        PULLS,
        True,
        "has pf9-hostagent 5.1.4-1230.ab12cd; a registry needs release 5.2 or later",
    ),
    (
        replace(FIT, pf9_kube="1:5.2.0", pf9_hostagent="5.2.0"),
        PULLS,
        False,
        "has pf9-kube and pf9-hostagent 5.2.0; the vendor says both that a registry works with it "
        "and that it does not",
    ),
    (
        replace(FIT, pf9_kube="5.6.0", pf9_hostagent="v-4.9-1"),
        PULLS,
        True,
        "has pf9-hostagent v-4.9-1; a registry needs release 5.2 or later",
    ),
    (
        replace(FIT, docker=replace(DOCKER, rootless=True)),
        NOTHING,
        True,
        "runs a rootless Docker, whose 127.0.0.1 is not the host's",
    ),
    (
        replace(FIT, docker=DOCKER),
        Needs(zstd=True),
        True,
        "has Docker 20.10.24+dfsg1, which cannot pull layers of zstd (23.0 and later can)",
    ),
    (
        FIT,
        Needs(zstd=True, docker_bytes=1, docker_version="20.10.24"),
        True,
        "gets Docker 20.10.24, which cannot pull layers of zstd (23.0 and later can)",
    ),
    (
        replace(FIT, docker=replace(DOCKER, version="29.10.0", insecure_loopback=False)),
        PULLS,
        False,
        "has a Docker that does not take loopback registries without TLS; daemon.json will be "
        "extended and Docker reloaded",
    ),
    (
        FIT,
        Needs(some_fit=False, unfit=("a:1 (linux/arm64)",)),
        True,
        "is linux/amd64, and every image is for another platform: a:1 (linux/arm64)",
    ),
    (
        FIT,
        Needs(unfit=("a:1 (linux/arm64)",)),
        False,
        "is linux/amd64, and gets no copy of what is for other platforms only: a:1 (linux/arm64)",
    ),
]


@pytest.mark.parametrize(("facts", "needs", "fatal", "what"), FINDINGS)
def test_a_finding(facts: Facts, needs: Needs, fatal: bool, what: str) -> None:
    found = list(preflight(facts, needs))
    assert [(fatal, what)] == [(finding.fatal, finding.what) for finding in found]
    assert all(finding.remedy for finding in found)


def test_everything_at_once() -> None:
    """A technician mends all of it in one go."""
    facts = replace(FIT, init="sysvinit", clock_skew_s=600.0, pf9_kube="5.0")
    found = [finding.what for finding in preflight(facts, PULLS)]
    assert 3 == len(found)


@pytest.mark.parametrize(
    ("release", "fatal"),
    [
        ("", None),
        ("5.1", True),
        ("4.12.9", True),
        ("5.2", False),
        ("5.2.1", None),
        ("5.10.0", None),
        ("5.1.9-1549281", True),
        ("v-5.2.0-1549281", False),
        ("5.2.0-1549281", False),
        ("5.13", None),
        ("4", True),
        ("unknown", None),
    ],
)
def test_releases(release: str, fatal: bool | None) -> None:
    found = list(release_findings(release, "the site has release"))
    assert ([] if fatal is None else [fatal]) == [finding.fatal for finding in found]

"""The main job from an empty site to warmed hosts, checked from outside."""

from __future__ import annotations

import pytest

from tests.lab.conftest import Install
from tests.lab.outside import (
    assert_warmed,
    du_listeners,
    expected_ids,
    host_listeners,
    image_id,
    site_name,
)
from tests.lab.site import Site
from tests.lab.siteconfig import REGISTRY_PORT

REPORT_KEYS = {"run", "mode", "state", "started", "seconds", "targets"}
STEP_KEYS = {"id", "state", "seconds", "bytes", "error"}


def test_the_whole_job_and_again(bare_site: Site, installation: Install) -> None:
    program = installation()
    plan = program.run("plan").stdout
    for words in ("registry.serve", "docker-imgs-v-5.2.0", "docker.install", "images.warm"):
        assert words in plan
    assert not du_listeners(REGISTRY_PORT), "a plan changes nothing"

    program.run("install")

    _check_report(program.report())
    assert [f"127.0.0.1:{REGISTRY_PORT}"] == du_listeners(REGISTRY_PORT)
    for host in bare_site.hosts:
        assert "active" == host.run("systemctl", "is-active", "docker").stdout.strip()
        assert_warmed(bare_site, host)
        assert ["127.0.0.1:5001"] == host_listeners(host, 5001)

    assert "Nothing to do" in program.run("plan").stdout
    again = program.run("install").stdout
    assert "Nothing had to be done" in again
    states = {s["state"] for t in program.report()["targets"] for s in t["steps"]}
    assert {"present"} == states
    program.run("verify")


@pytest.mark.hosts(1)
def test_a_host_pulls_by_itself_what_was_removed(
    warm_site: Site, warm_installation: Install
) -> None:
    program = warm_installation()
    program.run("install")
    host = warm_site.hosts[0]
    tag = "quay.io/calico/node:v3.20.0"
    name = site_name(tag)
    host.run("docker", "image", "rm", tag, name)
    assert "" == image_id(host, name)
    program.run("verify", expect=1)
    host.run("docker", "pull", name)
    assert expected_ids(warm_site)[tag] == image_id(host, name)
    program.run("install")
    assert_warmed(warm_site, host)


@pytest.mark.hosts(2)
def test_verify_names_what_is_missing(warm_site: Site, warm_installation: Install) -> None:
    program = warm_installation()
    program.run("install")
    warm_site.hosts[1].run("docker", "image", "rm", "k8s.gcr.io/pause:3.5")
    done = program.run("verify", expect=1)
    assert "k8s.gcr.io/pause:3.5" in done.stdout
    assert "worker-02" in done.stdout
    step = next(
        task
        for target in program.json("verify", expect=1)["targets"]
        if target["name"] == "worker-02"
        for task in target["steps"]
        if task["id"] == "images.verify"
    )
    assert "failed" == step["state"]


@pytest.mark.hosts(1)
def test_caches_are_left_alone_when_asked(docker_site: Site, warm_installation: Install) -> None:
    program = warm_installation()
    program.run("install", "--skip-docker-img-import")
    host = docker_site.hosts[0]
    assert "" == host.run("docker", "images", "-q").stdout.strip()
    host.run("docker", "pull", "localhost:5001/pause:3.5")


def test_without_hosts_only_the_du_is_served(site: Site, installation: Install) -> None:
    program = installation(hosts=[])
    program.run("install")
    assert ["du"] == [target["name"] for target in program.report()["targets"]]
    names = {entry["name"] for entry in program.json("registry", "list")}
    assert {site_name(tag, "").removeprefix("/") for tag in expected_ids(site)} == names
    assert program.json("registry", "status")["ours"] is True
    program.run("registry", "stop")
    program.run("registry", "status", expect=1)
    assert not du_listeners(REGISTRY_PORT)


def _check_report(report: dict[str, object]) -> None:
    assert REPORT_KEYS <= set(report)
    assert "du" == report["mode"]
    assert "done" == report["state"]
    targets = report["targets"]
    assert isinstance(targets, list)
    assert ["du", "worker-01", "worker-02", "worker-03"] == [t["name"] for t in targets]
    for target in targets:
        assert "done" == target["state"]
        for step in target["steps"]:
            assert STEP_KEYS <= set(step)
            assert step["error"] is None
    warmed = [s for s in targets[1]["steps"] if s["id"] == "images.warm"]
    assert warmed[0]["bytes"] > 1_000_000

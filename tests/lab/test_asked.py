"""A host that failed is tried again in the run at work, when its fault was mended meanwhile."""

from __future__ import annotations

from tests.lab.conftest import Install
from tests.lab.outside import assert_warmed
from tests.lab.shell import until
from tests.lab.site import Site
from tests.lab.warming import lift, slow_down, steps_of

TAKE_PORT = "mkdir -p /run/sshd; /usr/sbin/sshd -p 5001 -o PidFile=/run/other-sshd.pid"
VERY_SLOW_BYTES_S = 400_000
GIVE_PORT_BACK = 'kill "$(cat /run/other-sshd.pid)"'


def test_a_host_is_mended_while_the_others_are_at_work(
    docker_site: Site, installation: Install
) -> None:
    slow, _, bad = docker_site.hosts
    slow_down(slow, VERY_SLOW_BYTES_S)  # it is at work for as long as it takes to mend the other
    bad.run("sh", "-c", TAKE_PORT)
    program = installation()
    run = program.begin("install")
    program.wait_for_step(bad.name, "preflight", lambda step: step["state"] == "failed")

    bad.run("sh", "-c", GIVE_PORT_BACK)
    told = program.run("retry")

    assert f"Run {run} tries again: {bad.name}" in told.stdout
    lift(slow)
    report = program.wait(run)
    assert "done" == report["state"], "in the same run"
    steps = steps_of(report)
    assert [2, 2] == [steps[bad.name][step]["attempt"] for step in ("connect", "preflight")]
    once = [*steps["worker-01"].values(), *steps["worker-02"].values()]
    once += [steps[bad.name][step] for step in ("docker.install", "images.warm")]
    assert {1} == {step["attempt"] for step in once}
    for host in docker_site.hosts:
        assert_warmed(docker_site, host)
    until(lambda: not list((program.directory / "state").glob("asked-*")), "nothing is left")

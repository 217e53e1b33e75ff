"""A host that failed is tried again in the run at work, when its fault was mended meanwhile."""

from __future__ import annotations

from tests.lab.conftest import Install
from tests.lab.outside import assert_warmed
from tests.lab.shell import until
from tests.lab.site import Site
from tests.lab.warming import steps_of

TAKE_PORT = "mkdir -p /run/sshd; /usr/sbin/sshd -p 5001 -o PidFile=/run/other-sshd.pid"
GIVE_PORT_BACK = 'kill "$(cat /run/other-sshd.pid)"'


def test_a_host_is_mended_while_the_others_are_at_work(
    fresh_site: Site, installation: Install
) -> None:
    bad = fresh_site.hosts[2]
    bad.run("sh", "-c", TAKE_PORT)
    program = installation()
    run = program.begin("install")
    program.wait_for_step(bad.name, "preflight", lambda step: step["state"] == "failed")

    bad.run("sh", "-c", GIVE_PORT_BACK)
    told = program.run("retry")

    assert f"Run {run} tries again: {bad.name}" in told.stdout
    report = program.wait(run)
    assert "done" == report["state"], "in the same run"
    steps = steps_of(report)
    assert [2, 2] == [steps[bad.name][step]["attempt"] for step in ("connect", "preflight")]
    once = [*steps["worker-01"].values(), *steps["worker-02"].values()]
    once += [steps[bad.name][step] for step in ("docker.install", "images.warm")]
    assert {1} == {step["attempt"] for step in once}
    for host in fresh_site.hosts:
        assert_warmed(fresh_site, host)
    until(lambda: not list((program.directory / "state").glob("asked-*")), "nothing is left", 10)

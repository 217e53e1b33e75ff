"""The job and the terminal it was started from."""

from __future__ import annotations

from tests.lab.conftest import Install
from tests.lab.outside import assert_warmed
from tests.lab.site import Site
from tests.lab.terminal import terminal


def test_closing_the_terminal_does_not_stop_the_job(
    fresh_site: Site, installation: Install
) -> None:
    program = installation()
    with terminal() as console:
        console.start(program.command("install"))
        console.wait_for("docker.install")
    run = program.json("runs")[0]
    assert "running" == run["state"]
    assert "done" == program.wait(run["run"])["state"]
    assert_warmed(fresh_site, fresh_site.hosts[2])

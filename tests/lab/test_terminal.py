"""The job and the terminal it was started from."""

from __future__ import annotations

import pytest

from tests.lab.conftest import Install
from tests.lab.outside import assert_warmed
from tests.lab.program import AIRFERRY, Program
from tests.lab.site import Site
from tests.lab.terminal import terminal

# What each screen shows when it is ready, and the key that goes on from it.
PRESSED_THROUGH = [
    ("Set up or change this site", "Enter"),
    ("How do the hosts of this site get their images?", "Enter"),
    ("No problem.", "n"),
    ("3 hosts: 3 ok", "n"),
    ("2 bundles", "n"),
]


@pytest.mark.hosts(1)
def test_closing_the_terminal_does_not_stop_the_job(bare_site: Site, installation: Install) -> None:
    program = installation()
    with terminal() as console:
        console.start(program.command("install"))
        console.wait_for("docker.install")
    run = program.json("runs")[0]
    assert "running" == run["state"]
    assert "done" == program.wait(run["run"])["state"]
    assert_warmed(bare_site, bare_site.hosts[0])


def test_the_screens_from_start_to_done_with_a_dropped_line(
    bare_site: Site, installation: Install
) -> None:
    program = installation()
    with terminal() as console:
        console.start(screens(program))
        for screen, key in PRESSED_THROUGH:
            console.wait_for(screen)
            console.keys(key)
        console.wait_for("Start?", "No      Yes", "install Docker")
        assert not program.json("runs") or "install" != program.json("runs")[0]["kind"]
        console.keys("Right")
        console.keys("Enter")
        console.wait_for("at work", "worker-01")

    with terminal() as console:
        console.start(screens(program), kind="linux")
        console.wait_for("Watch the run that is at work")
        console.keys("Enter")
        shown = console.wait_for("All hosts are ready")
    assert shown.isascii()
    assert "done" == program.report()["state"]
    for host in bare_site.hosts:
        assert_warmed(bare_site, host)


def screens(program: Program) -> list[str]:
    """Return the command line that opens the screens."""
    return [str(AIRFERRY), "--config", str(program.config_path)]

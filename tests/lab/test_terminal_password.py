"""A technician who has nothing but a password: typed on the screens, to a host that is ready."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from tests.lab.conftest import Install
from tests.lab.labhost import LabHost
from tests.lab.outside import assert_warmed, host_listeners
from tests.lab.site import Site
from tests.lab.terminal import Terminal, terminal
from tests.lab.test_logins import SUDO_THAT_ASKS, make_user, with_password
from tests.lab.test_terminal import screens

PASSWORD, WRONG = "terminal-7Hq2Vx", "wrong-2Wq8Lr"  # no other test's: processes are searched
PLACES = ("/etc", "/home", "/root", "/tmp", "/var", "/run/user", "/proc/[0-9]*/cmdline")


@pytest.mark.hosts(1)
def test_a_password_typed_on_the_hosts_screen_ends_in_a_ready_host(
    bare_site: Site, installation: Install
) -> None:
    host = bare_site.hosts[0]
    make_user(host, SUDO_THAT_ASKS)
    host.run("rm", "/home/tech/.ssh/authorized_keys")
    with_password(host, PASSWORD)
    program = installation()
    program.write_config(hosts=[{**program.config["hosts"][0], "user": "tech"}])

    with terminal() as console:
        console.start(screens(program), kind="linux")
        shown = _type_passwords(console)
        console.keys("n")
        console.wait_for("2 bundles")
        console.keys("n")
        shown.append(console.wait_for("1 can be done", "No      Yes"))
        console.keys("Right")
        console.keys("Enter")
        shown.append(console.wait_for("docker", "at work"))
        told = _processes_told()
        on_the_host = _found_on(host)
        shown.append(console.wait_for("The host is ready."))

    assert_warmed(bare_site, host)
    assert ["127.0.0.1:5001"] == host_listeners(host, 5001)
    assert [] == [screen for screen in shown if PASSWORD in screen or WRONG in screen]
    assert [] == told
    assert ("", "") == (on_the_host, _found_on(host))
    assert [] == [path for path in program.directory.rglob("*") if _tells(path)]


def _type_passwords(console: Terminal) -> list[str]:
    """Go to the hosts, type a wrong password and the right one, and return what was shown."""
    shown = []
    for screen, key in (
        ("Set up or change this site", "Enter"),
        ("How do the hosts of this site get their images?", "Enter"),
        ("No problem.", "n"),
    ):
        console.wait_for(screen)
        console.keys(key)
    for secret, words in ((WRONG, "refuses the login"), (PASSWORD, "refuses the password")):
        console.wait_for("1 password wanted", f"{words} of tech", "w password")
        console.keys("w")
        console.wait_for("> login password [ ")
        console.type(secret)
        shown.append(console.wait_for(f"> login password [{'*' * len(secret)} "))
        console.keys("C-o")
    shown.append(console.wait_for("1 host: 1 ok"))
    return shown


def _tells(path: Path) -> bool:
    """Whether a secret is in a file, or in what a process was started with."""
    with suppress(OSError):  # a directory, a process that has ended
        data = path.read_bytes()
        return PASSWORD.encode() in data or WRONG.encode() in data
    return False


def _processes_told() -> list[Path]:
    """Return where in the command lines and environments of this machine a secret is."""
    processes = list(Path("/proc").glob("[0-9]*"))
    assert len(processes) > 1
    kept = [process / name for process in processes for name in ("cmdline", "environ")]
    return [path for path in kept if _tells(path)]


def _found_on(host: LabHost) -> str:
    """Return the files of a host that a secret is in; the patterns come in unseen."""
    script = f"grep -rlsF --exclude-dir=docker -f /dev/fd/3 {' '.join(PLACES)} 3<<END || true\n"
    return host.run("sh", input=f"{script}{PASSWORD}\n{WRONG}\nEND\n").stdout

"""What is said of an install that failed: the package manager's own last words."""

from __future__ import annotations

import pytest

from core.hosts.docker_install.install import last_words

APT = """\
Reading package lists...
The following packages have unmet dependencies:
 docker-ce : Depends: libnowhere but it is not installable
E: Unable to correct problems, you have held broken packages.
"""
DPKG = """\
Selecting previously unselected package docker-ce.
dpkg: dependency problems prevent configuration of docker-ce:
 docker-ce depends on libnowhere; however:
  Package libnowhere is not installed.

dpkg: error processing package docker-ce (--install):
 dependency problems - leaving unconfigured
Errors were encountered while processing:
 docker-ce
"""
DNF = """\
Airferry                                        1.5 MB/s | 1.5 kB     00:00
Error:
 Problem: conflicting requests
  - nothing provides libnowhere needed by docker-ce-24.0.7-1.el9.noarch
(try to add '--skip-broken' to skip uninstallable packages)
"""


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (
            APT,
            "docker-ce : Depends: libnowhere but it is not installable; "
            "E: Unable to correct problems, you have held broken packages.",
        ),
        (
            DPKG,
            "docker-ce depends on libnowhere; however:; Package libnowhere is not installed.; "
            "dpkg: error processing package docker-ce (--install):",
        ),
        (
            DNF,
            "Problem: conflicting requests; "
            "- nothing provides libnowhere needed by docker-ce-24.0.7-1.el9.noarch",
        ),
        (
            "debconf: delaying package configuration, since apt-utils is not installed\n"
            "dpkg: error processing package thing (--configure):\n",
            "dpkg: error processing package thing (--configure):",
        ),
        ("Docker 20.10\nrunc does not run on this host\n\n", "runc does not run on this host"),
        ("", "it did not say why"),
    ],
    ids=["apt", "dpkg", "dnf", "another-s", "static", "silent"],
)
def test_last_words(log: str, words: str) -> None:
    assert words == last_words(log)

"""apt-get on this machine, asked again with fresh package lists when old ones do not serve."""

import os
from pathlib import Path

from tests.lab.shell import run


def apt_get(*argv: str, cwd: Path | None = None) -> None:
    """Run apt-get; when it fails, update the package lists and try once more.

    Args:
        argv: The arguments.
        cwd: The directory to run it in.

    Raises:
        LabError: It failed the second time as well.
    """
    command = ("apt-get", *argv)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    first = run(*command, check=False, env=environment, cwd=cwd)
    if first.returncode != 0:
        update()
        run(*command, env=environment, cwd=cwd)


def update() -> None:
    """Fetch the package lists of this machine's sources."""
    run("apt-get", "update", "-q")


def mirror(codename: str) -> str | None:
    """Return the mirror from which this machine takes a Debian release, None if from none."""
    form = "$(CREATED_BY) $(ORIGIN) $(COMPONENT) $(CODENAME) $(REPO_URI)"
    for line in run("apt-get", "indextargets", "--format", form).stdout.splitlines():
        if line.startswith(f"Packages Debian main {codename} "):
            return line.split()[-1]
    return None

"""Where the lab keeps things: a cache that stays and a site that goes."""

import os
from pathlib import Path

CACHE_VARIABLE = "AIRFERRY_LAB_CACHE"
SITE_VARIABLE = "AIRFERRY_LAB_DIR"
NUMBER_VARIABLE = "AIRFERRY_LAB_NUMBER"
WORKER_VARIABLE = "PYTEST_XDIST_WORKER"
REPOSITORY_ROOT = Path(__file__).resolve().parents[2]
AIRFERRY_PROGRAM = REPOSITORY_ROOT / ".venv" / "bin" / "airferry"


def cache_directory() -> Path:
    """Return the directory of what is slow to make and stays good."""
    return Path(os.environ.get(CACHE_VARIABLE) or "/var/cache/airferry-lab")


def site_directory() -> Path:
    """Return the directory of the running site; `down` removes it."""
    name = f"airferry-lab-{lab_number()}" if lab_number() else "airferry-lab"
    return Path(os.environ.get(SITE_VARIABLE) or f"/var/lib/{name}")


def lab_number() -> int:
    """Return which of a machine's labs is meant: each has addresses and ports of its own.

    Every worker of a parallel test run has a lab, counted from the one that is asked for.
    """
    worker = os.environ.get(WORKER_VARIABLE, "").removeprefix("gw")
    return int(os.environ.get(NUMBER_VARIABLE) or 0) + int(worker or 0)


def make_private(directory: Path) -> Path:
    """Make a directory that only its owner can enter, and return it."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    partial.rename(path)

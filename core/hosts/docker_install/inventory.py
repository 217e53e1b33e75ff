"""What dockerRepo holds, for whoever set it: before any host was asked what it needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.hosts.docker_install.package_files import Family, Package
from core.hosts.docker_install.release import release_words
from core.hosts.docker_install.selection import is_engine, is_too_old
from core.hosts.docker_install.source import Looked, look_into

_SYSTEMS = {"debian": "Debian", "ubuntu": "Ubuntu", "el": "RHEL", "fc": "Fedora", "amzn": "Amazon"}


@dataclass(frozen=True)
class DockerOffer:
    """One offer of a source, or why there is none.

    Args:
        source: The file's or directory's name.
        words: What it is, in a technician's words.
        size_bytes: The size of its packages or programs.
        usable: Whether Docker can be installed from it on some host.
    """

    source: str
    words: str
    size_bytes: int = 0
    usable: bool = False


def held_in(paths: tuple[Path, ...]) -> list[DockerOffer]:
    """Return what there is; files are read, so call it in a thread.

    Args:
        paths: Files, directories, or directories of files.
    """
    return [held for looked in look_into(paths) for held in _held(looked)]


def _held(looked: Looked) -> Iterator[DockerOffer]:
    name = looked.source.name
    families = sorted({package.family for package in looked.packages})
    if looked.other or not families:
        yield DockerOffer(name, looked.other or "no packages and no programs in it")
    for family in families:
        packages = [package for package in looked.packages if package.family is family]
        size_bytes = sum(dict(looked.sizes)[package.member] for package in packages)
        engines = [package for package in packages if _runs(package)]
        kind = _kind(family, looked)
        if not engines:
            yield DockerOffer(name, f"{kind} without Docker", size_bytes)
            continue
        old = all(is_too_old(engine.version) for engine in engines)
        words = f"{kind}: Docker{' too old,' if old else ''} {_described(engines)}"
        yield DockerOffer(name, words, size_bytes, usable=not old)


def _runs(package: Package) -> bool:
    return package.name == "dockerd" if package.family is Family.STATIC else is_engine(package)


def _kind(family: Family, looked: Looked) -> str:
    if family is Family.STATIC:
        return family.value
    repodata = any(index.endswith("repomd.xml") for index in looked.indexes)
    if family is Family.RPM:
        return "yum repository" if repodata else f"bare {family}"
    return "apt repository" if len(looked.indexes) > repodata else f"bare {family}"


def _described(engines: list[Package]) -> str:
    """Return engines as `20.10.24 for Debian 12 (amd64)`."""
    found: dict[str, list[str]] = {}
    for engine in engines:
        version = engine.version.rpartition(":")[2].partition("+")[0].partition("-")[0]
        made_for = _system(release_words(engine))
        arch = f"({engine.arch})" if engine.arch else ""
        words = " ".join(filter(None, (made_for, arch)))
        if version not in found.setdefault(words, []):
            found[words].append(version)
    parts = [
        " ".join(filter(None, (", ".join(filter(None, versions)), words and f"for {words}")))
        for words, versions in found.items()
    ]
    return ", ".join(parts).replace("for (", "(")


def _system(release: str) -> str:
    """Return `debian 12` and `el9` as `Debian 12` and `RHEL 9`."""
    for short, name in _SYSTEMS.items():
        if release.startswith(short):
            return f"{name} {release.removeprefix(short).strip()}"
    return release

"""Which of the offline Docker bundles (`dockerRepo`) serves a host, and what of it is installed.

Chosen by content: packages made for exactly the host's release come first, then packages of its
family, then Docker's static binaries, which run on any Linux of their architecture.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from core.errors import PackagesError
from core.hosts.docker_install.package_files import Family, Package, version_key
from core.hosts.docker_install.release import Fit, System, release_words
from core.hosts.docker_install.source import Looked, Source, look_into

MIN_DOCKER = (18, 9)
"""Older engines have no `docker system dial-stdio`, by which they are spoken with."""

# By preference; what each wants beside itself that a package manager may not bring by itself.
_ENGINES = {
    "docker-ce": ("docker-ce-cli", "containerd.io"),
    "docker-ee": ("docker-ee-cli", "containerd.io"),
    "moby-engine": ("moby-cli", "moby-containerd"),
    "docker.io": ("docker-cli",),
    "docker-engine": (),
    "docker": (),
}
_NO_ENGINES = {(Family.DEB, "docker")}  # a dock for window managers
_NEEDED_PROGRAMS = ("dockerd", "docker", "containerd", "runc")
_DISTS = re.compile(r"(?P<root>(?:.*/)?)dists/(?P<suite>.+)/(?P<component>[^/]+)/binary-[^/]+/")


@dataclass(frozen=True)
class DockerRepo:
    """What of one source is to be installed on hosts of one kind.

    Args:
        source: Where it lies.
        family: What it is.
        fit: How well it fits.
        packages: Those of it that fit the host.
        names: What the package manager is asked for, the engine first.
        indexes: The repositories in it, as the host's script takes them; none for bare packages.
        files: What is sent: the member's name, and where on the host it goes.
        size_bytes: The size of these.
    """

    source: Source
    family: Family
    fit: Fit
    packages: tuple[Package, ...]
    names: tuple[str, ...]
    indexes: tuple[str, ...]
    files: dict[str, str]
    size_bytes: int

    @property
    def kind(self) -> str:
        """What it is, in a technician's words."""
        if self.family is Family.STATIC:
            return "static binaries"
        if self.indexes:
            return "apt repository" if self.family is Family.DEB else "yum repository"
        return f"bare {self.family}"

    @property
    def engine_version(self) -> str:
        """The version of the engine in it; empty where nothing tells it (static binaries)."""
        return self.packages[0].version.rpartition(":")[2]  # without the epoch

    @property
    def summary(self) -> str:
        """One line for a screen."""
        what = "files" if self.family is Family.STATIC else "packages"
        return f"{self.kind}, {len(self.packages)} {what}, from {self.source.name}"


@dataclass(frozen=True)
class _Refusal:
    """Why a part of a source does not serve a host."""

    words: str


def fitting_repo(paths: tuple[Path, ...], system: System) -> DockerRepo:
    """Choose what Docker is installed from; files are read, so call it in a thread.

    Args:
        paths: Files, directories, or directories of files.
        system: The host.

    Raises:
        PackagesError: nothing fits; what was there is named.
    """
    if not paths:
        raise PackagesError(
            "the config names no dockerRepo",
            remedy="Set dockerRepo in the config to the offline Docker bundle.",
        )
    refusals: list[str] = []
    best: DockerRepo | None = None
    for looked in look_into(paths):
        for offer in _offers(looked, system):
            if isinstance(offer, _Refusal):
                refusals.append(f"{looked.source.name}: {offer.words}")
            elif best is None or _is_better(offer, best):
                best = offer
    if best is None:
        raise PackagesError(
            f"nothing in dockerRepo fits {system}: {'; '.join(refusals) or 'it is empty'}"
        )
    return best


def is_too_old(version: str) -> bool:
    """Whether an engine of this version cannot be spoken with; no if its version is unknown."""
    numbers = re.match(r"(?:[0-9]+:)?([0-9]+)\.([0-9]+)", version)
    return numbers is not None and (int(numbers[1]), int(numbers[2])) < MIN_DOCKER


def _is_better(offer: DockerRepo, than: DockerRepo) -> bool:
    if offer.fit != than.fit:
        return offer.fit < than.fit
    mine, other = (version_key(repo.packages[0].version) for repo in (offer, than))
    return mine > other


def _offers(looked: Looked, system: System) -> Iterator[DockerRepo | _Refusal]:
    if looked.other:
        yield _Refusal(looked.other)
        return
    families = sorted({package.family for package in looked.packages})
    if not families:
        yield _Refusal(f"holds no packages but {_endings(looked)}")
    for family in families:
        packages = [package for package in looked.packages if package.family is family]
        if family is Family.STATIC:
            yield _static(looked, packages, system)
        else:
            yield _packaged(looked, family, packages, system)


def _packaged(
    looked: Looked, family: Family, packages: list[Package], system: System
) -> DockerRepo | _Refusal:
    engines = [package for package in packages if is_engine(package)]
    if not engines:
        return _Refusal(f"{len(packages)} {family} without Docker among them")
    held = f"{family} with {_described(engines)}"
    fitting = [package for package in packages if system.fit(package) is not Fit.NOT]
    usable = [each for each in fitting if is_engine(each) and not is_too_old(each.version)]
    if not usable:
        too_old = any(is_engine(package) for package in fitting)
        return _Refusal(f"{held}, too old for this" if too_old else held)
    engine = min(usable, key=lambda each: (list(_ENGINES).index(each.name), system.fit(each)))
    fit = system.fit(engine)
    roots = _roots(looked, family)
    kept = [root for root in _of_suite(roots, system) if _serves(root, fitting, system, fit)]
    if roots and not kept:
        suites = ", ".join(sorted({root.suite for root in roots}))
        return _Refusal(f"{held}, in an apt repository for {suites}")
    return _chosen(looked, system, engine, fitting, kept)


def _chosen(
    looked: Looked, system: System, engine: Package, fitting: list[Package], roots: list[_Root]
) -> DockerRepo:
    if not roots:
        wanted = [each for each in fitting if each.name == engine.name or not is_engine(each)]
        packages = _newest_of_each(wanted, system)
        ending = ".deb" if engine.family is Family.DEB else ".rpm"
        files = {package.member: f"packages/{package.name}{ending}" for package in packages}
    else:
        packages = [each for each in fitting if any(each.member.startswith(r.path) for r in roots)]
        left_out = {package.member for package in looked.packages} - {p.member for p in packages}
        inside = [name for name, _ in looked.sizes if any(name.startswith(r.path) for r in roots)]
        files = {name: f"tree/{name}" for name in inside if name not in left_out}
    there = {package.name for package in packages}
    beside = [name for name in _ENGINES[engine.name] if name in there]
    packages.sort(key=lambda package: package != engine)
    lines = tuple(root.line for root in roots)
    sizes = dict(looked.sizes)
    return DockerRepo(
        looked.source,
        engine.family,
        system.fit(engine),
        tuple(packages),
        (engine.name, *beside),
        lines,
        files,
        sum(sizes[name] for name in files),
    )


def _static(looked: Looked, programs: list[Package], system: System) -> DockerRepo | _Refusal:
    fitting = [program for program in programs if system.fit(program) is not Fit.NOT]
    arches = ", ".join(sorted({program.arch for program in programs}))
    daemons = [program for program in fitting if program.name == "dockerd"]
    if not daemons:
        return _Refusal(f"static binaries for {arches}")
    place = PurePosixPath(daemons[0].member).parent
    chosen = [each for each in fitting if PurePosixPath(each.member).parent == place]
    lacking = set(_NEEDED_PROGRAMS) - {program.name for program in chosen}
    if lacking:
        return _Refusal(f"static binaries for {arches} without {', '.join(sorted(lacking))}")
    return DockerRepo(
        looked.source,
        Family.STATIC,
        Fit.ANYWHERE,
        tuple(chosen),
        (),
        (),
        {program.member: f"programs/{program.name}" for program in chosen},
        sum(program.size_bytes for program in chosen),
    )


@dataclass(frozen=True)
class _Root:
    """A repository inside a source: where its files are, and how it is named to the script."""

    path: str
    line: str
    suite: str = ""


def _roots(looked: Looked, family: Family) -> list[_Root]:
    """Return the repositories of a source, those of an apt repository suite by suite."""
    found: set[_Root] = set()
    for index in looked.indexes:
        parent = PurePosixPath(index).parent
        if (parent.name == "repodata") is not (family is Family.RPM):
            continue
        if family is Family.RPM:
            found.add(_flat(parent.parent, ""))
        elif match := _DISTS.match(index):
            path, suite = match["root"], match["suite"]
            line = f"{quote('/' + path)} {quote(suite)} {quote(match['component'])}"
            found.add(_Root(path, line, suite))
        else:
            found.add(_flat(parent, " ./"))
    return sorted(found, key=lambda root: root.line)


def _of_suite(roots: list[_Root], system: System) -> list[_Root]:
    """Leave out suites that are other releases' where a repository has several."""
    if len({root.suite for root in roots if root.suite}) < 2:
        return roots
    mine = {"", system.codename or "stable", system.os_version}
    return [root for root in roots if root.suite in mine]


def _flat(parent: PurePosixPath, ending: str) -> _Root:
    path = "" if parent == PurePosixPath() else f"{parent}/"
    return _Root(path, quote("/" + path) + ending)


def _serves(root: _Root, fitting: list[Package], system: System, fit: Fit) -> bool:
    """Whether a repository is used: with an engine that fits as well as the best, or with none."""
    inside = [package for package in fitting if package.member.startswith(root.path)]
    engines = [system.fit(package) for package in inside if is_engine(package)]
    return bool(inside) and (not engines or min(engines) <= fit)


def _newest_of_each(packages: list[Package], system: System) -> list[Package]:
    """Return one package of each name: the one that fits best, the newest of these."""
    chosen: dict[str, Package] = {}
    for package in packages:
        known = chosen.get(package.name)
        if known is None or _order(package, system) > _order(known, system):
            chosen[package.name] = package
    return list(chosen.values())


def _order(package: Package, system: System) -> tuple[int, list[tuple[int, int | str]]]:
    return -system.fit(package), version_key(package.version)


def is_engine(package: Package) -> bool:
    """Whether a package is a Docker engine."""
    return package.name in _ENGINES and (package.family, package.name) not in _NO_ENGINES


def _described(engines: Iterable[Package]) -> str:
    """Return engines as `docker-ce 24.0.7 (amd64, el9)`."""
    words = {
        f"{each.name} {each.version.rpartition(':')[2]} "
        f"({', '.join(filter(None, (each.arch or 'any', release_words(each))))})"
        for each in engines
    }
    return ", ".join(sorted(words))


def _endings(looked: Looked) -> str:
    endings = sorted({PurePosixPath(name).suffix or "others" for name, _ in looked.sizes})
    return ", ".join(endings[:5]) or "nothing"

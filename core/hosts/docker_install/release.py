"""Which system a host runs, and which one a package was made for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

from core.hosts.docker_install.package_files import Family, Package
from core.hosts.facts import Facts

_RPM_SYSTEMS = frozenset(
    {"rhel", "centos", "fedora", "rocky", "almalinux", "ol", "scientific", "amzn", "oraclelinux"}
)
_DEB_SYSTEMS = frozenset({"debian", "ubuntu"})
_CODENAMES = {
    "stretch": "9",
    "buster": "10",
    "bullseye": "11",
    "bookworm": "12",
    "trixie": "13",
    "xenial": "16.04",
    "bionic": "18.04",
    "focal": "20.04",
    "jammy": "22.04",
    "noble": "24.04",
}
# 20.10.24-3.el9, 1.fc38, 1.amzn2
_RPM_TAG = re.compile(r"\.(el|fc|amzn)([0-9]+)")
# 5:24.0.7-1~debian.12~bookworm or 5:20.10.7~3-0~ubuntu-focal; 1.6.20~ds1-1+deb12u3;
# 24.0.7-0ubuntu2~22.04.1
_DEB_TAGS = (
    re.compile(r"[~-](?P<system>debian|ubuntu)[.-](?P<release>[0-9.]+|[a-z]+)"),
    re.compile(r"\+(?P<system>deb)(?P<release>[0-9]+)u[0-9]"),
    re.compile(r"[0-9](?P<system>ubuntu)[0-9.]+~(?P<release>[0-9]{2}\.[0-9]{2})"),
)


class Fit(IntEnum):
    """How well a package fits a host; the better ones are less."""

    EXACT = 0
    FAMILY = 1
    RELATIVE = 2
    ANYWHERE = 3
    NOT = 9


@dataclass(frozen=True)
class System:
    """What of a host decides which packages fit it; `arch` as images name it."""

    os_id: str
    os_version: str
    os_like: tuple[str, ...]
    arch: str

    @classmethod
    def of(cls, facts: Facts) -> System:
        """Return what a host says of itself."""
        return cls(facts.os_id, facts.os_version, facts.os_like, facts.arch)

    def __str__(self) -> str:
        return f"{self.os_id or 'an unknown system'} {self.os_version}".strip() + f" ({self.arch})"

    @property
    def family(self) -> Family | None:
        """The packages that its package manager takes; None where that is not known."""
        names = {self.os_id, *self.os_like}
        if names & _DEB_SYSTEMS:
            return Family.DEB
        return Family.RPM if names & _RPM_SYSTEMS else None

    @property
    def codename(self) -> str:
        """The name of its release, where Debian and Ubuntu give names."""
        found = (name for name, number in _CODENAMES.items() if number == self.os_version)
        return next(found, "")

    def fit(self, package: Package) -> Fit:
        """Say how well a package fits."""
        if package.arch not in ("", self.arch):
            return Fit.NOT
        if package.family is Family.STATIC:
            return Fit.ANYWHERE
        if package.family is not self.family:
            return Fit.NOT
        made_for = release_of(package)
        if made_for is None:
            return Fit.FAMILY
        judge = self._fit_rpm if package.family is Family.RPM else self._fit_deb
        return judge(*made_for)

    def _fit_rpm(self, kind: str, release: str) -> Fit:
        """Another major release's packages need other libraries: they do not fit."""
        kinds = {"fedora": "fc", "amzn": "amzn"}
        mine = kinds.get(self.os_id, "el"), self.os_version.partition(".")[0]
        return Fit.EXACT if mine == (kind, release) else Fit.NOT

    def _fit_deb(self, system: str, release: str) -> Fit:
        """Packages of an older release, or of a relative, mostly work; a newer one's do not."""
        if system != self.os_id:
            stands_on_it = self.os_id not in _DEB_SYSTEMS and self.os_like[:1] == (system,)
            return Fit.FAMILY if stands_on_it else Fit.RELATIVE
        if release == self.os_version:
            return Fit.EXACT
        older = _numbers(release) < _numbers(self.os_version)
        return Fit.FAMILY if older or not self.os_version else Fit.NOT


def release_of(package: Package) -> tuple[str, str] | None:
    """Return the system and release that a package's version names; None if it names none."""
    if package.family is Family.RPM:
        tag = _RPM_TAG.search(package.version)
        return (tag[1], tag[2]) if tag else None
    for pattern in _DEB_TAGS:
        if found := pattern.search(package.version):
            system = "debian" if found["system"] == "deb" else found["system"]
            release = found["release"].rstrip(".")
            return system, _CODENAMES.get(release, release)
    return None


def release_words(package: Package) -> str:
    """Return what a package was made for, as a technician says it; empty if it does not tell."""
    made_for = release_of(package)
    if made_for is None:
        return ""
    return " ".join(made_for) if package.family is Family.DEB else "".join(made_for)


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split(".") if part.isdecimal())

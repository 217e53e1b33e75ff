"""Whether a host can take part: everything that would stop the job later, found at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.hosts.facts import Facts
from core.hosts.finding import Finding as Finding
from core.hosts.package_fit import NO_PACKAGES, Packages, package_findings
from core.hosts.room import INSTALLED_RATIO as INSTALLED_RATIO
from core.hosts.room import Asked, room_findings
from core.versions import is_older, numbers
from core.warnings import AGENT, CLOCK, LOOPBACK, PLATFORM, RELEASE
from core.words import duration

MAX_CLOCK_SKEW_S = 300
ZSTD_DOCKER = "23"
REGISTRY_RELEASE = "5.2"
KUBERNETES_MAJOR = (1,)  # some pf9-kube packages have the version of their Kubernetes


@dataclass(frozen=True)
class Needs:
    """What a run is going to ask of a host.

    Args:
        registry: The hosts pull from a registry that stays (modes du and custom).
        forwarding: sshd must forward a port of the host to the DU.
        loopback: The engine must speak plain HTTP with its own loopback.
        docker_bytes: Size of the packages by which Docker is to be installed; 0 if it is there.
        docker_version: Of the engine in them.
        store_bytes: Room that the missing images take where Docker stores.
        sure: Whether that is known; else it is estimated from the sizes of bundles.
        zstd: Some of the missing images have layers of zstd.
        some_fit: Some of the images run on its platform.
        unfit: Images of the bundles that are there for other platforms only.
        layers: So many layers are missing.
        settings: Docker's settings are to be changed.
        keys: A key is put into the login's authorized_keys.
        packages: The packages by which Docker is to be installed.
    """

    registry: bool = False
    forwarding: bool = False
    loopback: bool = False
    docker_bytes: int = 0
    docker_version: str = ""
    store_bytes: int = 0
    sure: bool = True
    zstd: bool = False
    some_fit: bool = True
    unfit: tuple[str, ...] = ()
    layers: int = 0
    settings: bool = False
    keys: bool = False
    packages: Packages = NO_PACKAGES

    @property
    def asked(self) -> Asked:
        """What is going to be written there."""
        return Asked(
            self.docker_bytes,
            self.packages.family,
            self.store_bytes,
            self.sure,
            self.layers,
            self.settings,
            self.keys,
        )


def preflight(facts: Facts, needs: Needs) -> Iterator[Finding]:
    """Yield what would stop the job later, or should be known before it.

    Args:
        facts: The host.
        needs: What the run is going to ask of it.
    """
    if facts.init != "systemd":
        yield Finding(True, f"runs {facts.init}, not systemd", "Airferry needs systemd on hosts.")
    yield from _about_docker(facts, needs)
    yield from room_findings(facts, needs.asked)
    yield from package_findings(facts.packages, needs.packages)
    if needs.registry:
        yield from _about_release(facts)
    yield from _about_platforms(facts, needs)
    if abs(facts.clock_skew_s) > MAX_CLOCK_SKEW_S:
        way = "ahead" if facts.clock_skew_s > 0 else "behind"
        off = f"{duration(abs(facts.clock_skew_s))} {way}"
        yield Finding.warned(CLOCK.of(off=off, skew_s=round(facts.clock_skew_s)))
    if facts.node_agent:
        yield Finding.warned(AGENT.of(agent=facts.node_agent))


def _about_release(facts: Facts) -> Iterator[Finding]:
    """Yield what there is to say of the release that a host carries, each number once."""
    releases: dict[str, list[str]] = {}
    for package, found in (("pf9-kube", facts.pf9_kube), ("pf9-hostagent", facts.pf9_hostagent)):
        version = found.rpartition(":")[2]  # a Debian package's may begin with an epoch
        if numbers(version)[:1] != KUBERNETES_MAJOR:
            releases.setdefault(version, []).append(package)
    for version, packages in releases.items():
        yield from release_findings(version, f"has {' and '.join(packages)}")


def _about_docker(facts: Facts, needs: Needs) -> Iterator[Finding]:
    docker = facts.docker
    if docker.rootless:
        yield Finding(
            True,
            "runs a rootless Docker, whose 127.0.0.1 is not the host's",
            "Stop the rootless Docker (dockerd-rootless-setuptool.sh uninstall) and let Airferry "
            "install Docker, or take this host out of the config.",
        )
    version = needs.docker_version or docker.version
    if needs.zstd and version and is_older(version, ZSTD_DOCKER):
        has = "gets" if needs.docker_version else "has"
        yield Finding(
            True,
            f"{has} Docker {version}, which cannot pull layers of zstd (23.0 and later can)",
            "Import the bundles with: airferry import --recompress gzip",
        )
    if needs.loopback and not docker.insecure_loopback:
        yield Finding.warned(LOOPBACK.of())


def _about_platforms(facts: Facts, needs: Needs) -> Iterator[Finding]:
    if not needs.unfit:
        return
    some = ", ".join(needs.unfit[:3])
    if needs.some_fit:
        yield Finding.warned(PLATFORM.of(platform=f"linux/{facts.arch}", images=some))
    else:
        yield Finding(
            True,
            f"is linux/{facts.arch}, and every image is for another platform: {some}",
            "Get bundles with images for this platform.",
        )


def release_findings(release: str, what: str) -> Iterator[Finding]:
    """Yield what there is to say of a site's release when its hosts are to use a registry.

    Args:
        release: Such as `5.6.0` or `v-5.6.0-2161634`; empty where it is not known.
        what: How a sentence about it begins.
    """
    if not numbers(release):
        return
    if is_older(release, REGISTRY_RELEASE):
        yield Finding(
            True,
            f"{what} {release}; a registry needs release {REGISTRY_RELEASE} or later",
            "Take mode none (privateRegistryType: none), or upgrade the site first.",
        )
    elif not is_older(REGISTRY_RELEASE, release):
        yield Finding.warned(RELEASE.of(what=what, release=release))

"""Whether a host can take part: everything that would stop the job later, found at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.hosts.facts import Facts
from core.versions import is_older, numbers

MAX_CLOCK_SKEW_S = 300
ZSTD_DOCKER = "23"
REGISTRY_RELEASE = "5.2"
KUBERNETES_MAJOR = (1,)  # some pf9-kube packages have the version of their Kubernetes
INSTALLED_RATIO = 5  # of a compressed package, unpacked and beside the package itself


@dataclass(frozen=True)
class Finding:
    """Something that preflight has to say of a host."""

    fatal: bool
    what: str
    remedy: str


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


def preflight(facts: Facts, needs: Needs) -> Iterator[Finding]:
    """Yield what would stop the job later, or should be known before it.

    Args:
        facts: The host.
        needs: What the run is going to ask of it.
    """
    if facts.init != "systemd":
        yield Finding(True, f"runs {facts.init}, not systemd", "Airferry needs systemd on hosts.")
    yield from _about_docker(facts, needs)
    yield from _about_room(facts, needs)
    if needs.registry:
        yield from _about_release(facts)
    yield from _about_platforms(facts, needs)
    if abs(facts.clock_skew_s) > MAX_CLOCK_SKEW_S:
        minutes = facts.clock_skew_s / 60
        yield Finding(
            False, f"its clock is {minutes:+.0f} min off", "Set the host's clock (chrony, NTP)."
        )
    if facts.node_agent:
        yield Finding(
            False,
            f"a node agent ({facts.node_agent}) is installed, which may rewrite daemon.json",
            "Check daemon.json again after the agent was updated.",
        )


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
        yield Finding(
            False,
            "has a Docker that does not take loopback registries without TLS; daemon.json will be "
            "extended and Docker reloaded",
            "Nothing is to be done.",
        )


def _about_platforms(facts: Facts, needs: Needs) -> Iterator[Finding]:
    if not needs.unfit:
        return
    some = ", ".join(needs.unfit[:3])
    whole = f"is linux/{facts.arch}, and "
    if needs.some_fit:
        yield Finding(
            False,
            f"{whole}gets no copy of what is for other platforms only: {some}",
            "If it is to run that, get bundles with images for its platform.",
        )
    else:
        yield Finding(
            True,
            f"{whole}every image is for another platform: {some}",
            "Get bundles with images for this platform.",
        )


def _about_room(facts: Facts, needs: Needs) -> Iterator[Finding]:
    docker_bytes = INSTALLED_RATIO * needs.docker_bytes
    if docker_bytes > facts.unpack_free_bytes:
        yield Finding(
            True,
            f"has {_mib(facts.unpack_free_bytes)} free in /var/tmp; installing Docker needs "
            f"{_mib(docker_bytes)}",
            "Make room in /var/tmp on the host.",
        )
    if needs.store_bytes > facts.store_free_bytes:
        about = "" if needs.sure else "about "
        yield Finding(
            needs.sure,
            f"has {_mib(facts.store_free_bytes)} free where Docker stores images "
            f"({facts.store}); {about}{_mib(needs.store_bytes)} are needed",
            f"Make room in {facts.store} on the host (docker system prune removes what is unused).",
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
        yield Finding(
            False,
            f"{what} {release}; the vendor says both that a registry works with it and that it "
            "does not",
            "Try it with one cluster first; clusters made before do not use the registry.",
        )


def _mib(size_bytes: int) -> str:
    return f"{size_bytes >> 20} MiB"

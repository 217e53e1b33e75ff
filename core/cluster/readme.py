"""README.txt: which file goes where on which machine, and what to do afterwards."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from core.config import Config, Mode

_TITLE = "Files for the cluster"


def readme_text(config: Config, files: Collection[str], names: int) -> str:
    """Return the text.

    Args:
        config: The site.
        files: The paths of the other files.
        names: How many names the bundles have.
    """
    parts = {Mode.NONE: _none, Mode.DU: _du, Mode.CUSTOM: _custom}[config.mode](config)
    lines = [
        f"{_TITLE} (mode {config.mode})",
        "",
        "Made by Airferry from the config and the bundles, anew after each run that changes",
        "the site; or at any time with: airferry cluster-files --outdir DIR",
        "Do not edit these files: copy them to where they belong.",
        "",
        *parts,
        "",
        "images.txt",
        f"  A table of all {names} names: the original one, the one to use, image ID, digest,",
        "  bundle, platforms; columns are parted by tabs.",
    ]
    for paragraph in _about(config, files):
        lines += ["", *paragraph]
    return "\n".join(lines) + "\n"


def _none(_: Config) -> Iterator[str]:
    yield "Every host has the images in its own Docker cache, under their original names."
    yield "Nothing is pulled: no registry is there, and the management host may be off."
    yield ""
    yield "In pods write   imagePullPolicy: IfNotPresent   (or Never)."
    yield "  Always asks a registry at each start, and there is none. It is also what"
    yield "  Kubernetes takes for tags named latest, so write the policy there always."
    yield "  The admission plugin AlwaysPullImages must be off."
    yield "The kubelet's clean-up of images removes what it does not use when the disk fills"
    yield "  up, and nothing brings it back but: airferry configure-hosts"
    yield "The cluster must run its containers with Docker (dockershim or cri-dockerd):"
    yield "  containerd does not see Docker's images. Where it has to, give them to it on the"
    yield "  host:  docker save NAME | ctr --namespace k8s.io images import -"


def _du(config: Config) -> Iterator[str]:
    yield f"Every host finds the registry of this site at {config.name_prefix}, through a"
    yield "tunnel that the management host keeps. Every name there is of that form, and so the"
    yield "same on each host. The management host must be up when something is pulled; what is"
    yield "in a host's Docker cache (all images of the bundles) needs no registry. A machine that"
    yield "is not in the config has no tunnel: add it there, then: airferry configure-hosts"
    yield ""
    yield "In pods write the names of the column 'use', or the original ones where containerd"
    yield "has its files from here; imagePullPolicy: IfNotPresent."


def _custom(config: Config) -> Iterator[str]:
    yield f"The site's registry holds the images under {config.name_prefix}/..."
    yield ""
    yield "In pods write the names of the column 'use', or the original ones where containerd"
    yield "has its files from here; imagePullPolicy: IfNotPresent."
    if config.registry_user:
        yield ""
        yield "The registry asks for a login. No file here holds it. Give it to the cluster:"
        yield "  kubectl create secret docker-registry NAME --docker-server=SERVER \\"
        yield "    --docker-username=USER --docker-password=PASSWORD"
        yield f"  (SERVER is {config.name_prefix.partition('/')[0]}), and name it in the pods'"
        yield "  imagePullSecrets. A login is sent for names of that server only, so write the"
        yield "  names of the column 'use'."


def _about(config: Config, files: Collection[str]) -> Iterator[list[str]]:
    registry = config.name_prefix.partition("/")[0]
    if any(path.startswith("containerd/certs.d/") for path in files):
        yield [
            "containerd/certs.d/      to each node, as /etc/containerd/certs.d/",
            "  Where images come from. containerd reads it at each pull: no restart. Names with",
            "  a port are written host_port_, which containerd reads as host:port.",
            "  Try it:  ctr images pull --hosts-dir /etc/containerd/certs.d NAME",
        ]
    if any(path.startswith("containerd/config-") for path in files):
        yield [
            "containerd/config-1.x.toml, config-2.x.toml",
            "  Settings for /etc/containerd/config.toml on each node (see containerd --version):",
            "  take over those that are in it, then: systemctl restart containerd",
        ]
    if "docker/daemon.json" in files:
        yield [
            "docker/daemon.json       put together with /etc/docker/daemon.json",
            "  The hosts of the config have it already, where they need it. On other machines:",
            "  take the entries over, then: systemctl reload docker",
        ]
    if "docker/ca.crt" in files:
        yield [
            f"docker/ca.crt            as /etc/docker/certs.d/{registry}/ca.crt",
            "  The hosts of the config have it already. Docker reads it at each pull.",
        ]
    if "kubeadm/cluster-configuration.yaml" in files:
        yield [
            "kubeadm/cluster-configuration.yaml",
            "  For kubeadm init, put together with your own settings. At its end it says which",
            "  images kubeadm looks for that are not in the bundles.",
        ]
    if "kubeadm/kubelet-extra-args" in files:
        yield [
            "kubeadm/kubelet-extra-args",
            "  The pause image, for the kubelet of each node.",
        ]

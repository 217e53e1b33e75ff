"""README.txt: which file goes where on which machine, and what to do afterwards."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from textwrap import fill

from core.config import Config, Mode
from core.words import count

WIDTH = 74  # as much as a screen of 80 columns shows without folding
_ANEW = (
    "Made by Airferry from the config and the bundles, anew after each run that changes the site; "
    "or at any time with: airferry cluster-files --outdir DIR"
)
_NONE = (
    "Every host has the images in its own Docker cache, under their original names. Nothing is "
    "pulled: no registry is there, and the management host may be off.",
    "In pods write imagePullPolicy: IfNotPresent (or Never). Always asks a registry at each start, "
    "and there is none; Kubernetes takes Always for tags named latest, so write the policy there. "
    "The admission plugin AlwaysPullImages must be off.",
    "The kubelet removes images that it does not use when the disk fills up, and nothing brings "
    "them back but: airferry configure-hosts",
    "The cluster must run its containers with Docker (dockershim or cri-dockerd): containerd does "
    "not see Docker's images. Where it has to, give them to it on the host:",
)
_NONE_IMPORT = "docker save NAME | ctr --namespace k8s.io images import -"
_DU = (
    "Every host finds the registry of this site at {prefix}, through a tunnel that the management "
    "host keeps. The management host must be up when something is pulled; what is in a host's "
    "Docker cache (all images of the bundles) needs no registry. A machine that is not in the "
    "config has no tunnel: add it there, then: airferry configure-hosts",
)
_CUSTOM = ("The site's registry holds the images under {prefix}/...",)
_PULLS = (
    "In pods write the names of the column 'use' in images.txt; or the original ones, where "
    "containerd has its files from here. Write imagePullPolicy: IfNotPresent."
)
_LOGIN = (
    "If the registry asks for a login: no file here holds it. Give it to the cluster "
    "(kubectl create secret docker-registry --help; the server is {registry}) and name it in "
    "the pods' imagePullSecrets. It is sent for names of that server only, so write the names of "
    "the column 'use'."
)
_ABOUT: tuple[tuple[str, str, str], ...] = (
    (
        "containerd/certs.d/",
        "containerd/certs.d/ - to each node, as /etc/containerd/certs.d/",
        "Where images come from. containerd reads it at each pull: no restart. Names with a port "
        "are written host_port_, which containerd reads as host:port. Try it: "
        "ctr images pull --hosts-dir /etc/containerd/certs.d NAME",
    ),
    (
        "containerd/config-",
        "containerd/config-1.x.toml, config-2.x.toml - see: containerd --version",
        "Settings for /etc/containerd/config.toml on each node. Take over those that are in it, "
        "then: systemctl restart containerd",
    ),
    (
        "docker/daemon.json",
        "docker/daemon.json - to put together with /etc/docker/daemon.json",
        "The hosts of the config have it already, where they need it. On other machines take the "
        "entries over, then: systemctl reload docker",
    ),
    (
        "docker/ca.crt",
        "docker/ca.crt - as /etc/docker/certs.d/{registry}/ca.crt",
        "The hosts of the config have it already. Docker reads it at each pull.",
    ),
    (
        "kubeadm/cluster-configuration.yaml",
        "kubeadm/cluster-configuration.yaml - for kubeadm init",
        "Put it together with your own settings. At its end it says which images kubeadm looks "
        "for that are not in the bundles.",
    ),
    (
        "kubeadm/kubelet-extra-args",
        "kubeadm/kubelet-extra-args - for the kubelet of each node",
        "The pause image, so that the kubelet does not remove it.",
    ),
)


def readme_text(config: Config, files: Collection[str], names: int) -> str:
    """Return the text.

    Args:
        config: The site.
        files: The paths of the other files.
        names: How many names the bundles have.
    """
    words = {"prefix": config.name_prefix, "registry": config.name_prefix.partition("/")[0]}
    paragraphs = [
        f"Files for the cluster (mode {config.mode})",
        _folded(_ANEW),
        "Do not edit these files: copy them to where they belong.",
        *_of_mode(config, words),
        f"images.txt - all {count(names, 'name')}\n"
        + _folded("Original name, name to use, image ID, digest, bundle, platforms.", "  "),
        *_of_files(files, words),
    ]
    return "\n\n".join(paragraphs) + "\n"


def _of_mode(config: Config, words: dict[str, str]) -> Iterator[str]:
    texts = {Mode.NONE: _NONE, Mode.DU: (*_DU, _PULLS), Mode.CUSTOM: (*_CUSTOM, _PULLS)}
    for text in texts[config.mode]:
        yield _folded(text.format(**words))
    if config.mode is Mode.NONE:
        yield f"  {_NONE_IMPORT}"
    if config.mode is Mode.CUSTOM:
        yield _folded(_LOGIN.format(**words))


def _of_files(files: Collection[str], words: dict[str, str]) -> Iterator[str]:
    for beginning, title, text in _ABOUT:
        if any(path.startswith(beginning) for path in files):
            yield f"{title.format(**words)}\n{_folded(text, '  ')}"


def _folded(text: str, indent: str = "") -> str:
    """Return a paragraph in lines; commands are not parted at their hyphens."""
    return fill(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )

"""kubeadm's part of a cluster's config: under which names it is to ask for its own images.

kubeadm puts the names together itself: `imageRepository/kube-apiserver:VERSION` and so on, and
CoreDNS and etcd under repositories of their own if told so. Only where `imageRepository` is its
default it asks for CoreDNS one level deeper, so that place is always written in full here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from core.cluster.names import Use
from core.versions import is_older, numbers

CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
# The first version of Kubernetes that reads each form of the config; the newest first.
_FORMS = (("1.31", "v1beta4"), ("1.22", "v1beta3"), ("0", "v1beta2"))
DEFAULT_FORM = "v1beta3"


def pause_of(uses: Iterable[Use]) -> Use | None:
    """Return the newest image that holds a pod's namespaces; None if there is none."""
    return _newest(use for use in uses if use.component == "pause")


def cluster_configuration(uses: Sequence[Use], prefix: str) -> str:
    """Return the text of kubeadm's ClusterConfiguration.

    Args:
        uses: The names of the site.
        prefix: What stands before an image's path, where the bundles name none of kubeadm's.
    """
    group = _control_plane(uses)
    repository = group[0].repository if group else prefix
    version = group[0].reference.tag if group else ""
    dns, etcd = (
        _newest(use for use in uses if use.component == component)
        for component in ("coredns", "etcd")
    )
    lines = [
        "# A part of kubeadm's config. Put it together with your own settings, then:",
        "#   kubeadm config images list --config FILE    must name what images.txt has",
        "#   kubeadm init --config FILE",
        f"apiVersion: kubeadm.k8s.io/{_form(version)}",
        "kind: ClusterConfiguration",
    ]
    if version:
        # A tag cannot hold the plus sign of a version.
        lines.append(f"kubernetesVersion: {json.dumps(version.replace('_', '+'))}")
    if repository:
        lines.append(f"imageRepository: {json.dumps(repository)}")
    if dns:
        lines += ["dns:", *_place(dns, "  ")]
    if etcd:
        lines += ["etcd: # leave this out where etcd is not run by kubeadm", "  local:"]
        lines += _place(etcd, "    ")
    lines += [f"# {line}" for line in _missing(uses, group, repository)]
    return "\n".join(lines) + "\n"


def _place(use: Use, indent: str) -> list[str]:
    return [
        f"{indent}imageRepository: {json.dumps(use.repository)}",
        f"{indent}imageTag: {json.dumps(use.reference.tag)}",
    ]


def _control_plane(uses: Iterable[Use]) -> list[Use]:
    """Return the images of one version in one repository: the most, the newest, the highest up."""
    groups: dict[tuple[str, str], dict[str, Use]] = {}
    for use in uses:
        if use.component in CONTROL_PLANE:
            of_version = groups.setdefault((use.repository, use.reference.tag), {})
            of_version.setdefault(use.component, use)
    best = max(
        groups, key=lambda key: (len(groups[key]), numbers(key[1]), -len(key[0])), default=None
    )
    return list(groups[best].values()) if best else []


def _missing(uses: Sequence[Use], group: Sequence[Use], repository: str) -> list[str]:
    """Return a line for each image that kubeadm expects and will not find."""
    there = {use.component for use in group}
    version = group[0].reference.tag if group else "VERSION"
    lines = [
        f"Not in the bundles: {repository}/{component}:{version}"
        for component in CONTROL_PLANE
        if component not in there
    ]
    for component, way in (("coredns", "dns"), ("etcd", "etcd.local")):
        if not any(use.component == component for use in uses):
            lines.append(f"Not in the bundles: {component}, which {way} is about")
    pauses = [use for use in uses if use.component == "pause"]
    if not pauses:
        lines.append(f"Not in the bundles: {repository}/pause, which every pod needs")
    elif repository not in {use.repository for use in pauses}:
        lines.append(f"kubeadm looks for {repository}/pause, but it is {pauses[0].name}:")
        lines.append("set it for containerd and the kubelet, and give kubeadm init the option")
        lines.append("--ignore-preflight-errors=ImagePull")
    return lines


def _form(version: str) -> str:
    if not numbers(version):
        return DEFAULT_FORM
    return next(form for since, form in _FORMS if not is_older(version, since))


def _newest(uses: Iterable[Use]) -> Use | None:
    return max(uses, key=lambda use: numbers(use.reference.tag), default=None)


def kubelet_arguments(pause: str) -> str:
    """Return the kubelet's option that keeps its clean-up of images from the pause image.

    Args:
        pause: The name of that image.
    """
    return (
        "# For /etc/default/kubelet or /etc/sysconfig/kubelet; then restart the kubelet. Newer\n"
        "# ones have the option no more and ask containerd. cri-dockerd has the same option.\n"
        f"KUBELET_EXTRA_ARGS=--pod-infra-container-image={pause}\n"
    )

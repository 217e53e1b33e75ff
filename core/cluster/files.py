"""All files for the cluster side, from the config and the bundles: pure, so the same every time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from core.bundle.model import Bundle
from core.bundle.reference import Reference
from core.cluster.containerd import containerd_files
from core.cluster.docker import docker_files
from core.cluster.kubeadm import cluster_configuration, kubelet_arguments, pause_of
from core.cluster.names import uses_of
from core.cluster.place import README_NAME, TABLE_NAME
from core.cluster.readme import readme_text
from core.cluster.table import table_text
from core.config import Config, Mode


def cluster_files(
    config: Config,
    bundles: Iterable[Bundle],
    ca: str = "",
    filed: Mapping[Reference, str] = MappingProxyType({}),
) -> Mapping[str, str]:
    """Return the text of every file by its path within the directory.

    Args:
        config: The site.
        bundles: What is known of the site's bundles; see `uses_of`.
        ca: The text of the CA of a registry of the site's own; empty where it has none.
        filed: See `uses_of`.
    """
    uses = uses_of(config, bundles, filed)
    found = pause_of(uses)
    pause = found.name if found else ""
    prefix = "" if config.mode is Mode.NONE else config.name_prefix
    files = {
        **containerd_files(config, uses, ca, pause),
        **docker_files(config, ca),
        "kubeadm/cluster-configuration.yaml": cluster_configuration(uses, prefix),
        **({"kubeadm/kubelet-extra-args": kubelet_arguments(pause)} if pause else {}),
    }
    return {
        README_NAME: readme_text(config, files, len(uses)),
        TABLE_NAME: table_text(uses),
        **files,
    }

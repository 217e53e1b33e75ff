"""What the cluster side needs to use a site's images: files for containerd, Docker and kubeadm.

Airferry sets up Docker on the hosts of its config. Clusters have other readers: containerd on the
nodes, kubeadm, whoever writes manifests. For them everything is written out as files, from the
config and the bundles alone, so that the same site always gives the same bytes.
"""

from core.cluster.files import cluster_files
from core.cluster.names import Use, uses_of
from core.cluster.place import (
    EXPORT_NAME,
    about,
    cluster_directory,
    differing,
    read_files,
    write_files,
)

__all__ = [
    "EXPORT_NAME",
    "Use",
    "about",
    "cluster_directory",
    "cluster_files",
    "differing",
    "read_files",
    "uses_of",
    "write_files",
]

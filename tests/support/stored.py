"""Looking into a registry's storage directory: what is there whatever its API says."""

from __future__ import annotations

import shutil
from pathlib import Path


class Storage:
    """The storage of CNCF distribution's filesystem driver.

    Args:
        base: The directory in which `fresh_registry` made it.
    """

    def __init__(self, base: Path) -> None:
        self._base = base

    @property
    def root(self) -> Path:
        """The directory in which the registry stores."""
        return self._only("blobs").parents[3]

    def blob(self, digest: str) -> bytes:
        return self.path(digest).read_bytes()

    def path(self, digest: str) -> Path:
        """Return the file in which a blob is."""
        return self._blob_directory(digest) / "data"

    def manifest(self, repository: str, tag: str) -> bytes:
        """Return the manifest that a tag stands for."""
        link = self._only(f"repositories/{repository}/_manifests/tags/{tag}/current/link")
        return self.blob(link.read_text())

    def lose_blob(self, digest: str) -> None:
        shutil.rmtree(self._blob_directory(digest))

    def lose_tag(self, repository: str, tag: str) -> None:
        shutil.rmtree(self._only(f"repositories/{repository}/_manifests/tags/{tag}"))

    def lose_links(self, repository: str) -> None:
        """Have a repository know of no blob any more; the blobs stay."""
        shutil.rmtree(self._only(f"repositories/{repository}/_layers"))

    def lose_link(self, digest: str) -> None:
        """Have every repository know of a blob no more; the blob stays."""
        for link in self._base.glob(f"*/**/_layers/sha256/{digest.removeprefix('sha256:')}"):
            shutil.rmtree(link)

    def drafts(self) -> list[Path]:
        """Return what is left of blobs that were put directly."""
        return list(self._base.glob("*/airferry-restore"))

    def tags(self) -> list[str]:
        """Return `repository:tag` of every tag."""
        root = "docker/registry/v2/repositories/"
        found = self._base.glob(f"*/{root}**/_manifests/tags/*")
        names = [path.as_posix().partition(root)[2] for path in found]
        return sorted(name.replace("/_manifests/tags/", ":") for name in names)

    def upload_data(self) -> list[Path]:
        """Return the data of unfinished uploads.

        Of a session that was deleted, docker-registry 2.8 itself leaves a directory with some bytes
        of hash state behind, and purges it later.
        """
        return list(self._base.glob("**/_uploads/*/data"))

    def _blob_directory(self, digest: str) -> Path:
        hexadecimal = digest.removeprefix("sha256:")
        return self._only(f"blobs/sha256/{hexadecimal[:2]}/{hexadecimal}")

    def _only(self, below: str) -> Path:
        (found,) = self._base.glob(f"*/docker/registry/v2/{below}")
        return found

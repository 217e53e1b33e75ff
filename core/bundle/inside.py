"""What an archive is that is no bundle, told by the names of its members."""

from __future__ import annotations

import re
from collections.abc import Iterator

from core.bundle.first_bytes import Form
from core.words import count, some_of

_SYSTEM = frozenset(
    {"bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc", "root"}
    | {"run", "sbin", "srv", "sys", "tmp", "usr", "var"}
)
_LIKE_A_SYSTEM = 3
_ARCHIVE = re.compile(r".*\.(tar|tgz|tbz2?|txz|tzst)(\.[a-z0-9]{1,4})?$", re.IGNORECASE)
_MAX_KEPT = 1000
_SAVE_AGAIN = "Save it again, with the images' names: docker save -o FILE NAME..."


class Inside:
    """The names of an archive's members, as far as they tell what it is."""

    def __init__(self) -> None:
        self.members = 0
        self._top: set[str] = set()
        self._archives: list[str] = []
        self._seen: set[str] = set()

    def saw(self, name: str) -> None:
        """Take the name of the next member, in its normal form."""
        self.members += 1
        parts = name.split("/")
        if len(self._top) < _MAX_KEPT:
            self._top.add(parts[0])
        if parts[-1] == "layer.tar":
            self._seen.add("layer.tar")
        elif _ARCHIVE.fullmatch(name) and len(self._archives) < _MAX_KEPT:
            self._archives.append(name)
        if "docker/registry/v2" in name:
            self._seen.add("registry")
        if parts[-1].startswith((".wh.", "stargz.index.json", ".prefetch.landmark")):
            self._seen.add(parts[-1] if parts[-1] == "stargz.index.json" else ".wh.")
        if "blobs" in parts[:-2] or parts[-1] == "oci-layout":
            self._seen.add("layout")
        if parts[-1] in ("Chart.yaml", "repositories", "zarf.yaml"):
            self._seen.add(parts[-1])

    @property
    def is_system(self) -> bool:
        """Whether this is the file system of a machine, or of a container."""
        return ".dockerenv" in self._top or len(self._top & _SYSTEM) >= _LIKE_A_SYSTEM

    def form(self) -> Form:
        """Return what the archive is; the first that fits says most."""
        return next(form for fits, form in self._forms() if fits)

    def _forms(self) -> Iterator[tuple[bool, Form]]:
        seen = self._seen
        yield not self.members, Form("there is nothing in it")
        yield (
            "registry" in seen,
            Form(
                "it is what a registry stores (docker/registry/v2)",
                "Run a registry on it, and copy the images out of that: skopeo copy.",
            ),
        )
        yield (
            {"repositories", "layer.tar"} <= seen,
            Form(
                "it is of Docker before 1.10, which wrote no manifest.json",
                "Load it with Docker (an old one, if a new one refuses) and save it again: "
                "docker load -i FILE, docker save -o NEW NAME...",
            ),
        )
        yield (
            "layer.tar" in seen,
            Form("layers of docker save, but no manifest.json that names them", _SAVE_AGAIN),
        )
        yield (
            "layout" in seen,
            Form("an OCI image layout without its index.json", "Pack all of the layout again."),
        )
        yield (
            "Chart.yaml" in seen,
            Form("it is a Helm chart", "Charts are installed by Helm; their images are bundles."),
        )
        yield (
            bool(seen & {"stargz.index.json", ".wh."}),
            Form(
                "it is one layer of an image"
                + (" (eStargz)" if "stargz.index.json" in seen else ""),
                "A layer has neither name nor config: save the image it belongs to.",
            ),
        )
        yield (
            self.is_system,
            Form(
                "it is a file system, of a container (docker export) or of a machine",
                "Save the image instead: docker save -o FILE NAME, or docker commit before that.",
            ),
        )
        yield bool(self._archives), self._bundles()
        yield True, Form("it has no manifest.json and no index.json")

    def _bundles(self) -> Form:
        what = (
            "it holds other archives" if "zarf.yaml" not in self._seen else "it is a zarf package"
        )
        return Form(
            f"{what}: {count(len(self._archives), 'archive')} ({some_of(self._archives)})",
            "Unpack it into imagesDir, and import what is in it: tar -xf FILE -C DIR",
        )

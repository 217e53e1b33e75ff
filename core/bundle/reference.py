"""Image references: `quay.io/calico/node:v3.20` taken apart, and the name it gets on a site.

The grammar is that of the distribution project's reference package; a name without a domain is
Docker Hub's, as every engine reads it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from core.errors import UnsafeBundle

DEFAULT_DOMAIN = "docker.io"
NO_REGISTRY = "localhost"  # before the names of what was built on that machine, by podman
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DOMAIN = re.compile(r"(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_NO_LABEL = re.compile(r"[^a-z0-9-]+")
_PINNED = re.compile(r"@sha(?:256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128})$")
# What engines write where there is no name, or no tag; and an image's ID in a name's place.
_NO_NAME = re.compile(
    r"(?:localhost/|docker\.io/(?:library/)?)?<(?:none|missing)>(?:[:@].*)?|sha256:[0-9a-f]{64}"
)
_NO_TAG = re.compile(r"[:@]<(?:none|missing)>$")
ONCE_A_DIGEST = "i-was-a-digest"
"""What go-containerregistry writes for a tag where an image was named by its digest."""
_ONCE_A_DIGEST = re.compile(rf":{ONCE_A_DIGEST}$")
_SHORT = 12
MAX_NAME = 255


@dataclass(frozen=True, order=True)
class Reference:
    """A tagged image name: `domain/path:tag`.

    `kept` says that on the site the registry that it came from is part of its name.
    """

    domain: str
    path: str
    tag: str
    kept: bool = field(default=False, compare=False)

    @property
    def familiar(self) -> str:
        """The name as Docker prints it: without Docker Hub's domain and `library/`."""
        path = self.path
        if self.domain == DEFAULT_DOMAIN:
            return f"{path.removeprefix('library/')}:{self.tag}"
        return f"{self.domain}/{path}:{self.tag}"

    @property
    def site_repository(self) -> str:
        """The repository on the site's registry: the domain is stripped, the path kept.

        `library/` is Docker Hub's own and no part of the name that people know. Where the source
        registry is kept, all of the path is: that is what containerd asks a mirror for.
        """
        if self.source_registry:
            return f"{self.source_registry}/{self.path}"
        if self.domain == DEFAULT_DOMAIN:
            return self.path.removeprefix("library/")
        return self.path

    @property
    def source_registry(self) -> str:
        """The registry that it came from, as the first part of its name on the site; or empty."""
        if not self.kept or self.domain == NO_REGISTRY:
            return ""
        host, colon, port = self.domain.rpartition(":")
        labels = _NO_LABEL.split((host if colon and port.isdecimal() else self.domain).lower())
        name = ".".join(label.strip("-") for label in labels if label.strip("-"))
        return f"{name}_{port}" if colon and port.isdecimal() else name

    def at(self, prefix: str) -> str:
        """Return the name under a registry: `at("localhost:5001")`."""
        return f"{prefix}/{self.site_repository}:{self.tag}"

    def __str__(self) -> str:
        return f"{self.domain}/{self.path}:{self.tag}"


def digest_tag(digest: str) -> str:
    """Return the tag that keeps what is to be had by its digest alone.

    (`sha256-<hex>` would be taken for the list of an image's signatures.)
    """
    return f"digest-{digest.partition(':')[2][:_SHORT]}"


def is_tagged(text: str) -> bool:
    """Whether a name can be given to an image: one that has only a digest cannot."""
    name = _PINNED.sub("", text)
    return name == text or ":" in name.rpartition("/")[2]


def reference_in_bundle(text: str, image_id: str, digest: str = "") -> Reference | None:
    """Return what a name in a bundle stands for; None where it is none at all.

    An image that is named by its digest only gets a tag made of that: a registry keeps what has a
    tag, and has it under its digest as well.

    Args:
        text: The name.
        image_id: The digest of the image's config.
        digest: What it is had by in a registry; empty where that is not known beforehand.

    Raises:
        UnsafeBundle: it is no name that an engine would take.
    """
    if not text or _NO_NAME.fullmatch(text):
        return None
    for ending, tag in ((_NO_TAG, "image"), (_ONCE_A_DIGEST, ONCE_A_DIGEST)):
        name = ending.sub("", text)
        if name != text:
            own = digest_tag(digest) if digest else f"{tag}-{image_id.rpartition(':')[2][:12]}"
            return replace(parse_reference(name), tag=own)
    if not is_tagged(text):
        name = text.partition("@")[0]
        return replace(parse_reference(name), tag=digest_tag(digest)) if digest else None
    return parse_reference(text)


def name_in_archive(repository: str, tag: str) -> str:
    """Return the name under which an image of the site's registry is put into an archive.

    Whoever reads it again gets the same repository: where its first part could be taken for a
    registry, or `library/` for Docker Hub's, a registry's name stands before it.

    Raises:
        UnsafeBundle: no name of an image can say that.
    """
    for name in (f"{repository}:{tag}", f"localhost/{repository}:{tag}"):
        try:
            found = parse_reference(name)
        except UnsafeBundle:
            continue  # the port of a registry, in a repository's name
        if (found.site_repository, found.tag) == (repository, tag):
            return name
    raise UnsafeBundle(f"{repository[:200]}:{tag} is not an image name")


def parse_reference(text: str) -> Reference:
    """Take a tagged name apart; a digest that stands behind the tag is left out.

    Raises:
        UnsafeBundle: it is no name that an engine would take.
    """
    text = _PINNED.sub("", text) if is_tagged(text) else text
    domain, path = DEFAULT_DOMAIN, text
    first, slash, rest = text.partition("/")
    if slash and (first == "localhost" or "." in first or ":" in first or first != first.lower()):
        domain, path = first, rest
    if domain == "index.docker.io":
        domain = DEFAULT_DOMAIN
    path, colon, tag = path.partition(":")
    tag = tag if colon else "latest"
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = f"library/{path}"
    whole = _DOMAIN.fullmatch(domain) and _PATH.fullmatch(path) and _TAG.fullmatch(tag)
    if not whole or len(domain) + len(path) > MAX_NAME:
        raise UnsafeBundle(f"{text[:200]!r} is not an image name")
    return Reference(domain, path, tag)

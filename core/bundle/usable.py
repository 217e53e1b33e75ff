"""Whether a site can take the image of a manifest: all there, and in a form that engines pull.

What is not is no damage, as long as the same name stands for another platform that is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from core.bundle.blobs import blob_name
from core.bundle.left_out import Why
from core.bundle.members import Members
from core.bundle.model import Layer
from core.errors import BundleError, UnfitBundle

Descriptor = Mapping[str, object]
_ENCRYPTED = "org.opencontainers.image.enc."
_DECRYPT = (
    "Have it decrypted where its key is (skopeo copy --decryption-key), or get it unencrypted."
)
_CONVERT = "Take the image in its ordinary form: nydus needs its own snapshotter on every host."
_FOREIGN = "Have it saved with its foreign layers, or take another platform of it."


@dataclass(frozen=True)
class Hindrance:
    """Why an image is not taken.

    Args:
        why: The kind of reason.
        reason: The same in words.
        error: What is said where there is nothing else under the name.
    """

    why: Why
    reason: str
    error: BundleError


def hindrance_of(
    members: Members[Layer], title: str, config: Descriptor, layers: Sequence[Descriptor]
) -> Hindrance | None:
    """Return why an image cannot be taken; None where nothing is in the way.

    Args:
        members: What the pass over the bundle found.
        title: What people call the image.
        config: The descriptor of its config.
        layers: Those of its layers.
    """
    return next(_hindrances(members, title, config, layers), None)


def _hindrances(
    members: Members[Layer], title: str, config: Descriptor, layers: Sequence[Descriptor]
) -> Iterator[Hindrance]:
    where = f"{members.label}: image {title}"
    for number, layer in enumerate(layers, 1):
        kind, which = str(layer.get("mediaType") or ""), f"layer {number} of {len(layers)}"
        if kind.endswith("+encrypted") or any(key.startswith(_ENCRYPTED) for key in _notes(layer)):
            reason = f"{which} is encrypted"
            yield Hindrance(
                Why.ENCRYPTED, reason, UnfitBundle(f"{where}: {reason} (ocicrypt)", remedy=_DECRYPT)
            )
        if "nydus" in kind or any("nydus" in key for key in _notes(layer)):
            reason = f"{which} is in the form of nydus"
            yield Hindrance(
                Why.OTHER_FORMAT, reason, UnfitBundle(f"{where}: {reason}", remedy=_CONVERT)
            )
    for number, layer in enumerate(layers, 1):
        name = blob_name(str(layer["digest"]))
        if (member := members.resolve(name)) in members.layers or member in members.passed_over:
            continue
        which = f"layer {number} of {len(layers)}"
        if layer.get("urls") or _is_foreign(str(layer.get("mediaType") or "")):
            reason = f"{which} is not in the file: it is to be had from its maker only"
            yield Hindrance(
                Why.FOREIGN_LAYER, reason, UnfitBundle(f"{where}: {reason}", remedy=_FOREIGN)
            )
        yield Hindrance(
            Why.PLATFORM_ABSENT,
            f"{which} is not in the file",
            members.lacking(name, f"image {title}: the layer "),
        )
    name = blob_name(str(config["digest"]))
    if members.find(name) is None and members.resolve(name) not in members.passed_over:
        yield Hindrance(
            Why.PLATFORM_ABSENT,
            "its config is not in the file",
            members.lacking(name, f"image {title}: the config "),
        )


def require_size(label: str, what: str, descriptor: Descriptor, size_bytes: int) -> None:
    """Refuse a descriptor that says another size than its blob has: containerd pulls none such.

    Args:
        label: The bundle's name.
        what: What the descriptor is of.
        descriptor: The descriptor; one that says no size is believed.
        size_bytes: What the blob has.

    Raises:
        UnfitBundle: it says another.
    """
    said = descriptor.get("size")
    if said is None or (said == size_bytes and type(said) is int):
        return
    raise UnfitBundle(
        f"{label}: {what} has {size_bytes} bytes, its descriptor says {said!r}: no containerd "
        "would pull it"
    )


def require_sha256(label: str, digest: str) -> None:
    """Refuse digests of other kinds, which the layers are not compared with.

    Raises:
        UnfitBundle: it is one.
    """
    algorithm = digest.partition(":")[0]
    if algorithm != "sha256":
        raise UnfitBundle(
            f"{label}: its blobs are named by {algorithm}, which most registries and engines do "
            "not take",
            remedy="Have it made again with sha256 digests: skopeo copy from where it comes from.",
        )


def _notes(descriptor: Descriptor) -> Mapping[str, object]:
    notes = descriptor.get("annotations")
    return notes if isinstance(notes, dict) else {}


def _is_foreign(media_type: str) -> bool:
    return ".nondistributable." in media_type or ".foreign." in media_type

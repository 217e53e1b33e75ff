"""Reading bundles: any archive of images, in one pass, trusting nothing in it."""

from core.bundle.as_oci import as_oci, needs_docker
from core.bundle.blobs import BlobStream
from core.bundle.carried import Carried, CarriedKind, counted
from core.bundle.catalogue import Catalogue, LayerIndex
from core.bundle.checksums import sums_key
from core.bundle.contents import contents_of
from core.bundle.decompress import compression_of
from core.bundle.generations import (
    Dated,
    Generation,
    generations_of,
    kept_and_old,
    names_in,
)
from core.bundle.images import platform_name
from core.bundle.layers import CHUNK_BYTES, LayerStream
from core.bundle.left_out import LeftOut, Why, told
from core.bundle.listing import bundle_of, list_bundle, verify_bundle
from core.bundle.media import Media, OnStick, Stick, media_of
from core.bundle.members import Members, collect
from core.bundle.model import (
    DOCKER_ARCHIVE,
    DOCKER_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    Bundle,
    BundleFile,
    Contents,
    Fault,
    Image,
    Layer,
    ManifestList,
    sha256_digest,
)
from core.bundle.naming import Clash, Names, collision, names_of
from core.bundle.problems import Problems
from core.bundle.reference import Reference, digest_tag, parse_reference
from core.bundle.rewrite import WantedImage, write_docker_archive
from core.bundle.shelf import (
    Ignored,
    bundle_file,
    find_bundles,
    gap_in,
    gaps_in,
    packing_of,
    registry_bytes,
)
from core.bundle.source import DESCRIPTORS, OpenBundle, next_part_named, open_bundle
from core.bundle.taking import is_taken, take
from core.bundle.tarstream import Member, TarStream

__all__ = [
    "CHUNK_BYTES",
    "DESCRIPTORS",
    "DOCKER_ARCHIVE",
    "DOCKER_LAYER_GZIP",
    "OCI_LAYER_ZSTD",
    "BlobStream",
    "Bundle",
    "BundleFile",
    "Carried",
    "CarriedKind",
    "Catalogue",
    "Clash",
    "Contents",
    "Dated",
    "Fault",
    "Generation",
    "Ignored",
    "Image",
    "Layer",
    "LayerIndex",
    "LayerStream",
    "LeftOut",
    "ManifestList",
    "Media",
    "Member",
    "Members",
    "Names",
    "OnStick",
    "OpenBundle",
    "Problems",
    "Reference",
    "Stick",
    "TarStream",
    "WantedImage",
    "Why",
    "as_oci",
    "bundle_file",
    "bundle_of",
    "collect",
    "collision",
    "compression_of",
    "contents_of",
    "counted",
    "digest_tag",
    "find_bundles",
    "gap_in",
    "gaps_in",
    "generations_of",
    "is_taken",
    "kept_and_old",
    "list_bundle",
    "media_of",
    "names_in",
    "names_of",
    "needs_docker",
    "next_part_named",
    "open_bundle",
    "packing_of",
    "parse_reference",
    "platform_name",
    "registry_bytes",
    "sha256_digest",
    "sums_key",
    "take",
    "told",
    "verify_bundle",
    "write_docker_archive",
]

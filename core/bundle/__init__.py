"""Reading bundles: any archive of images, in one pass, trusting nothing in it."""

from core.bundle.catalogue import Catalogue, Checkpoint
from core.bundle.gunzip import GunzipHash
from core.bundle.images import images_of
from core.bundle.listing import Ignored, bundle_file, find_bundles, list_bundle
from core.bundle.members import Members, collect
from core.bundle.model import Bundle, BundleFile, Image, Layer, sha256_digest
from core.bundle.reference import Reference, parse_reference
from core.bundle.source import compression_of, open_bundle, readable
from core.bundle.tarstream import Member, TarStream

__all__ = [
    "Bundle",
    "BundleFile",
    "Catalogue",
    "Checkpoint",
    "GunzipHash",
    "Ignored",
    "Image",
    "Layer",
    "Member",
    "Members",
    "Reference",
    "TarStream",
    "bundle_file",
    "collect",
    "compression_of",
    "find_bundles",
    "images_of",
    "list_bundle",
    "open_bundle",
    "parse_reference",
    "readable",
    "sha256_digest",
]

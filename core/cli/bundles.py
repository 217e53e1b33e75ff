"""The commands about bundles that need no site: what is in one, and whether it is whole."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

from core.bundle.carried import Carried, counted
from core.bundle.discovery import bundle_file
from core.bundle.listing import list_bundle, verify_bundle
from core.bundle.model import Bundle, BundleFile, Image
from core.bundle.source import DESCRIPTORS
from core.cli.views import PROGRESS_EVERY_S
from core.errors import AirferryError, BundleError
from core.words import count, size

STDIN = DESCRIPTORS / "0"


def bundle(options: Namespace) -> int:
    """List or verify bundles; one that cannot be read does not hold up the others."""
    verify = options.action == "verify"
    records: list[dict[str, object]] = []
    for path in options.files:
        try:
            file = bundle_file(given_path(path))
            found = _verified(file) if verify else list_bundle(file)
        except BundleError as error:
            record, text = _refused(path, error), _refusal(error)
        else:
            record, text = _record(found, verified=verify), _text(found, verified=verify)
        records.append(record)
        if not options.json:
            print(text)
    if options.json:
        print(json.dumps(records, indent=1))
    return 1 if any("error" in record for record in records) else 0


def _verified(file: BundleFile) -> Bundle:
    """Verify a bundle, telling a person at a terminal how far it is."""
    told_at = time.monotonic()

    def tell(done_bytes: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at > PROGRESS_EVERY_S and sys.stderr.isatty():
            told_at = time.monotonic()
            total = f" of {size(file.size_bytes)}" if file.size_bytes else ""
            print(f"> {file.name}: {size(done_bytes)}{total} read", file=sys.stderr)

    return verify_bundle(file, progress=tell)


def given_path(path: Path) -> Path:
    """Return the path of a bundle that was named on the command line; `-` is standard input."""
    return STDIN if path == Path("-") else path.absolute()


def _refused(path: Path, error: AirferryError) -> dict[str, object]:
    return {"bundle": str(path), "error": error.what, "code": error.code, "remedy": error.remedy}


def _refusal(error: AirferryError) -> str:
    return f"x {error.what} [{error.code}]\n    {error.remedy}"


def _record(found: Bundle, *, verified: bool) -> dict[str, object]:
    return {
        "bundle": found.name,
        "bytes": found.size_bytes,
        "layout": found.layout,
        "verified": verified,
        "images": [_image_record(image) for image in found.images],
        "carried": [_carried_record(one) for one in found.carried],
        "notes": list(found.remarks),
        "left_out": [asdict(each) for each in found.left_out],
    }


def _carried_record(one: Carried) -> dict[str, object]:
    return {
        "kind": str(one.kind),
        "digest": one.manifest_digest,
        "names": [reference.familiar for reference in one.references],
        "subject": one.subject,
        "bytes": sum(size for _, size in one.blobs),
    }


def _image_record(image: Image) -> dict[str, object]:
    return {
        "id": image.image_id,
        "names": [reference.familiar for reference in image.references],
        "platform": image.platform,
        "bytes_in_bundle": image.bundle_bytes,
        "bytes_to_send_about": image.size_bytes,
        "layers": [
            {
                "diff_id": layer.diff_id,
                "bytes_in_bundle": layer.bundle_bytes,
                "bytes_to_send_about": layer.size_bytes,
            }
            for layer in image.layers
        ],
    }


def _text(found: Bundle, *, verified: bool) -> str:
    layers = {layer.diff_id: layer for image in found.images for layer in image.layers}
    to_send = size(sum(layer.size_bytes for layer in layers.values()))
    sign, whole = ("=", "whole, every digest fits; ") if verified else (".", "")
    read = f"{size(found.size_bytes)}  " if found.size_bytes else ""
    along = f", {counted(found.carried)}" if counted(found.carried) else ""
    lines = [
        f"{sign} {found.name}  {read}{whole}{found.layout}, "
        f"{count(len(found.images), 'image')}{along}, {count(len(layers), 'layer')}, "
        f"about {to_send} to send"
    ]
    for image in found.images:
        names = [reference.familiar for reference in image.references] or ["(no name)"]
        lines.append(
            f"    {names[0]:<44} {image.platform:<14} {count(len(image.layers), 'layer'):>10} "
            f"{size(image.bundle_bytes):>9} -> {size(image.size_bytes)}"
        )
        lines += [f"      also {name}" for name in names[1:]]
    lines += [f"    note: {note}" for note in found.remarks]
    return "\n".join(lines)

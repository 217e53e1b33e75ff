"""What a file is that is no tar, told by its first bytes: so that a person knows what to do."""

from __future__ import annotations

from dataclasses import dataclass

from core.bundle.decompress import compression_of

_PACK_ANEW = "or have it packed with gzip, zstd, xz or bzip2."
_NO_BUNDLE = "Take the file out of imagesDir, or name the right bundle."
_DOWNLOAD = "Get the file itself: what is here was sent in its place."


@dataclass(frozen=True)
class Form:
    """What a file is.

    Args:
        what: With its article, to be read behind "is".
        remedy: What to do about it.
    """

    what: str
    remedy: str = _NO_BUNDLE


def _packed(name: str, command: str) -> Form:
    return Form(
        f"packed with {name}, which is not read here", f"Unpack it ({command}), {_PACK_ANEW}"
    )


def _archive(name: str, command: str) -> Form:
    remedy = f"Unpack it ({command}), and name the bundle that is in it."
    return Form(f"{name} archive, no tar", remedy)


_MAGICS: tuple[tuple[bytes, Form], ...] = (
    (b"\x04\x22\x4d\x18", _packed("lz4", "lz4 -d FILE")),
    (b"\x02\x21\x4c\x18", _packed("lz4 (its old form)", "lz4 -d FILE")),
    (b"\x1f\x9d", _packed("compress (.Z)", "uncompress FILE")),
    (b"\x1f\xa0", _packed("compress (.Z, its old form)", "uncompress FILE")),
    (b"\x1f\x1e", _packed("pack (.z)", "gzip -d FILE")),
    (b"LZIP", _packed("lzip", "lzip -d FILE")),
    (b"\x89LZO\0\r\n\x1a\n", _packed("lzop", "lzop -d FILE")),
    (b"\xff\x06\0\0sNaPpY", _packed("snappy", "snzip -d FILE")),
    (b"\x5d\0\0", _packed("lzma", "xz --format=lzma -d FILE")),
    (b"\xce\xb2\xcf\x81", _packed("brotli", "brotli -d FILE")),
    (b"\x25\xb5\x2f\xfd", _packed("a zstd before 0.8", "zstd -d FILE")),
    (b"LRZI", _packed("lrzip", "lrzip -d FILE")),
    (b"PK\x03\x04", _archive("a zip", "unzip FILE")),
    (b"PK\x05\x06", _archive("an empty zip", "unzip FILE")),
    (b"PK\x07\x08", _archive("a split zip", "zip -s 0 FILE --out whole.zip")),
    (b"7z\xbc\xaf\x27\x1c", _archive("a 7z", "7z x FILE")),
    (b"Rar!\x1a\x07", _archive("a RAR", "unrar x FILE")),
    (b"MSCF", _archive("a Windows cabinet", "cabextract FILE")),
    (b"MSWIM\0\0\0", _archive("a WIM", "7z x FILE")),
    (b"xar!", _archive("a xar", "xar -xf FILE")),
    (b"07070", _archive("a cpio", "cpio -idm < FILE")),
    (b"\xc7\x71", _archive("a cpio", "cpio -idm < FILE")),
    (b"\x71\xc7", _archive("a cpio", "cpio -idm < FILE")),
    (
        b"!<arch>\ndebian",
        Form("a Debian package", "Put it where dockerRepo is, if it is Docker's."),
    ),
    (b"!<arch>\n", _archive("an ar", "ar x FILE")),
    (b"\xed\xab\xee\xdb", Form("an RPM package", "Put it where dockerRepo is, if it is Docker's.")),
    (b"hsqs", Form("a squashfs image of a file system")),
    (b"\xe2\xe1\xf5\xe0", Form("an EROFS image of a file system")),
    (b"QFI\xfb", Form("a disk image of a virtual machine (qcow2)")),
    (b"KDMV", Form("a disk image of a virtual machine (vmdk)")),
    (b"conectix", Form("a disk image of a virtual machine (vhd)")),
    (b"LUKS\xba\xbe", Form("encrypted (LUKS)", "Decrypt it where its key is.")),
    (b"Salted__", Form("encrypted (openssl enc)", "Decrypt it where its key is.")),
    (b"age-encryption.org/", Form("encrypted (age)", "Decrypt it where its key is.")),
    (b"-----BEGIN AGE", Form("encrypted (age)", "Decrypt it where its key is.")),
    (b"-----BEGIN PGP MESSAGE", Form("encrypted (PGP)", "Decrypt it where its key is.")),
    (b"-----BEGIN PGP SIG", Form("a signature (PGP)")),
    (b"-----BEGIN ", Form("a key or a certificate")),
    (b"\x85\x01", Form("encrypted (PGP)", "Decrypt it where its key is.")),
    (b"\x85\x02", Form("encrypted (PGP)", "Decrypt it where its key is.")),
    (b"\x8c\x0d\x04", Form("encrypted (PGP)", "Decrypt it where its key is.")),
    (b"\x7fELF", Form("a program")),
    (b"MZ", Form("a program for Windows")),
    (b"SQLite format 3\0", Form("a database (SQLite)")),
    (b"%PDF", Form("a PDF")),
    (b"version https://git-lfs", Form("a pointer of Git LFS, not the file", _DOWNLOAD)),
    (b"<!DOCTYPE", Form("a web page", _DOWNLOAD)),
    (b"<!doctype", Form("a web page", _DOWNLOAD)),
    (b"<html", Form("a web page", _DOWNLOAD)),
    (b"<HTML", Form("a web page", _DOWNLOAD)),
    (b"<?xml", Form("XML", _DOWNLOAD)),
    (b"#!/", Form("a script")),
    (b"{", Form("JSON text")),
    (b"[", Form("JSON text")),
)
TEXT = Form("text, and no tar archive")
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_TEXT = frozenset(range(0x20, 0x7F)) | frozenset(b"\t\n\r\f\x1b")


def form_of(head: bytes) -> Form | None:
    """Return what a file is, where its first bytes say so and it is none that is read here.

    Args:
        head: The first bytes, up to a block.
    """
    if head.startswith(_MARKS):
        return _marked(head)
    for magic, form in _MAGICS:
        if head.startswith(magic):
            return form
    text = head.lstrip()
    for magic, form in _MAGICS:
        if magic[:1] in b"<{[" and text.startswith(magic):
            return form
    # A text may be the file's first block only; zeros fill it up where it was shorter.
    if text.strip(b"\0 \n") and all(byte in _TEXT or byte >= 0x80 for byte in head.rstrip(b"\0")):
        return TEXT if _is_text(head) else None
    return None


def _marked(head: bytes) -> Form:
    """Say what begins with a byte order mark: text, or an archive that was taken for text."""
    inside = next(head.removeprefix(mark) for mark in _MARKS if head.startswith(mark))
    if compression_of(inside) or inside[257:262] == b"ustar":
        return Form(
            "an archive behind a byte order mark: some program took it for text",
            "What such a program does to an archive cannot be undone: get the file again, with a "
            "tool that copies bytes (PowerShell's `>` does not).",
        )
    return Form("text (it begins with a byte order mark)")


def _is_text(head: bytes) -> bool:
    try:
        head.rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4  # the block ends within a character
    return True

"""What a server has offered before it hung up."""

from __future__ import annotations

import struct

import pytest

from core.hosts.ssh.kexinit import nothing_in_common

KEX, KEY, GCM, CTR, MAC = (
    "curve25519-sha256",
    "ssh-ed25519",
    "aes128-gcm@openssh.com",
    "aes128-ctr",
    "hmac-sha2-256",
)


def offer(*lists: str, banner: bytes = b"") -> bytes:
    """Return the first bytes of a server with these algorithms."""
    body = b"".join(struct.pack(">I", len(text)) + text.encode() for text in lists)
    payload = b"\x14" + bytes(16) + body
    return banner + b"SSH-2.0-x\r\n" + struct.pack(">IB", len(payload) + 1, 0) + payload


@pytest.mark.parametrize(
    ("lists", "found"),
    [
        ((KEX, KEY, GCM, GCM, "old", "old"), None),
        ((KEX, KEY, CTR, CTR, MAC, MAC), None),
        (("old,older", KEY, GCM, GCM, MAC, MAC), ("key exchange", "old,older")),
        ((KEX, "old", GCM, GCM, MAC, MAC), ("host key", "old")),
        ((KEX, KEY, "3des-cbc", GCM, MAC, MAC), ("encryption", "3des-cbc")),
        ((KEX, KEY, CTR, CTR, "hmac-md5", MAC), ("MAC", "hmac-md5")),
    ],
)
def test_what_is_not_common(lists: tuple[str, ...], found: tuple[str, str] | None) -> None:
    assert [found] * 2 == [
        nothing_in_common(offer(*lists, banner=banner)) for banner in (b"", b"Hello\r\n")
    ]


def test_what_is_cut_off_or_none_tells_nothing() -> None:
    whole = offer(KEX, KEY, GCM, GCM, MAC, MAC)
    assert {None} == {nothing_in_common(whole[:end]) for end in range(len(whole))}
    assert None is nothing_in_common(b"HTTP/1.1 400 Bad Request\r\n" + b"\x14" * 100)

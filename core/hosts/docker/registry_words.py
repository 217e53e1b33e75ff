"""What Docker's words mean when it has asked a registry in vain: is the line lost, or is it a no?

Docker gives no codes. A registry whose line broke, one that refuses, and a full disk all come as
status 500 or as an error in a stream, so the words decide: those of Docker's classic store (whose
registry client is distribution's), of its containerd store, and of Go's net/http below both.
"""

from __future__ import annotations

import re

from core.errors import (
    DockerFailed,
    DockerLineLost,
    HostDiskFull,
    HostError,
    HostRegistryTlsWrong,
    ImageUnknown,
    PullDenied,
    PullFailed,
)
from core.hosts.ssh.connection import NO_SPACE

# Names may hold any word: what stands in an address or an image's name says nothing.
_ADDRESS = re.compile(r"\bhttps?://[^\s\"]*[^\s\":]|\[manifests [^\]]*\]")
_STATUS = r"(?:HTTP |: |status |code )"
_ON_THE_HOST = re.compile(
    r"read-only file system|input/output error|failed to (?:register|extract) layer"
    r"|failed to prepare extraction|structure needs cleaning|disk quota exceeded"
    r"|\bmkdir /|error creating overlay mount|too many open files",
    re.IGNORECASE,
)
_NOT_FOR_US = re.compile(
    r"no matching manifest|cannot be used on this platform|not implemented|missing signature key"
    r"|unsupported (?:manifest|media ?type|schema)|schema ?v?1.*(?:deprecated|removed|no longer)"
    r"|invalid reference format|encountered remote .* when fetching|is a reserved name",
    re.IGNORECASE,
)
# Its manifest was there: the registry is not whole, or a proxy before it answered.
_NO_BLOB = re.compile(r"unknown blob|blob unknown|could not fetch content|content at .*not found")
_UNKNOWN = re.compile(
    r"(?:manifest|name) unknown|manifest for .*not found|repository .*not found"
    r"|not known to registry|: not found$|not found: not found"
    rf"|{_STATUS}404\b",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\bunauthorized\b|no basic auth credentials|\bdenied\b|authentication required"
    r"|authorization failed|insufficient[_ ]scope|incorrect username or password"
    rf"|{_STATUS}40[13]\b",
    re.IGNORECASE,
)
_PERMISSION = re.compile(r"permission denied", re.IGNORECASE)  # a file's, or a socket's
_TLS = re.compile(r"x509:|tls: (?:bad|unknown|expired|revoked|certificate)", re.IGNORECASE)
_LOST = re.compile(
    r"\bEOF\b|connection (?:refused|reset|timed out|aborted)|broken pipe|no route to host"
    r"|network is (?:unreachable|down)|host is (?:unreachable|down)|i/o timeout"
    r"|(?:dial|read|write|proxyconnect) (?:tcp|udp)[46]?\b(?!: lookup .*no such host)"
    r"|TLS handshake timeout|Client\.Timeout|timeout awaiting|timed? ?out\b"
    r"|context (?:canceled|deadline exceeded)|request canceled|DeadlineExceeded"
    r"|(?:download|layer registration|pull) cancell?ed|operation was canceled"
    r"|server misbehaving|temporary failure in name resolution"
    r"|transport connection broken|closed network connection|closed idle connection"
    r"|expected HTTP 206"  # it was going on with a layer that had been cut
    r"|server closed|connection (?:closed|lost)|http2: |GOAWAY|stream error|short read"
    rf"|unexpected end of JSON|{_STATUS}(?:408|425|429|5\d\d)\b|too ?many ?requests"
    r"|service unavailable|bad gateway|gateway time|internal server error|\bunavailable\b",
    re.IGNORECASE,
)
_PLAIN_FOR_TLS = re.compile(r"server gave HTTP response to HTTPS client", re.IGNORECASE)
_LOOPBACK = re.compile(r"(?:localhost|127(?:\.\d+){3}|\[::1\]):\d+/")


def error_of_registry(what: str, said: str, name: str) -> HostError:
    """Return the error that Docker's words mean, after it has asked a registry for an image.

    Args:
        what: What happened and where, with Docker's words.
        said: Docker's words.
        name: What it was asked for, `registry/path:tag`.
    """
    return _kind(_without_names(said, name), name)(what)


def _kind(said: str, name: str) -> type[HostError]:
    if NO_SPACE in said.lower():
        return HostDiskFull
    if _ON_THE_HOST.search(said):
        # Of a pull that was broken off while it unpacked, too.
        return DockerLineLost if re.search(r"context canceled|cancelled", said) else DockerFailed
    if _PLAIN_FOR_TLS.search(said):
        # Docker asks a loopback registry by TLS first; what it then asks by HTTP was lost.
        return DockerLineLost if _LOOPBACK.match(name) else PullFailed
    if _TLS.search(said):
        return HostRegistryTlsWrong
    if _NOT_FOR_US.search(said):
        return DockerFailed
    if _NO_BLOB.search(said):
        return PullFailed
    if _UNKNOWN.search(said):
        return ImageUnknown
    if _PERMISSION.search(said):
        return DockerFailed
    if _DENIED.search(said):
        return PullDenied
    return DockerLineLost if _LOST.search(said) else PullFailed


def _without_names(said: str, name: str) -> str:
    said = _ADDRESS.sub("", said)
    return said.replace(name, "").replace(name.rpartition(":")[0], "")

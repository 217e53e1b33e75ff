"""What Docker says when a registry is not there, by the words of its versions.

Those of 20.10 are recorded from dockerd 20.10.24, before which a server broke off at every place in
a pull. Those of 24 and later follow their sources: the classic store says the same as before, the
containerd store (24 as an option, 29 by default) what containerd's resolver and fetcher say.
"""

from __future__ import annotations

import pytest

from core.errors import (
    AirferryError,
    DockerFailed,
    DockerLineLost,
    HostDiskFull,
    HostRegistryTlsWrong,
    ImageUnknown,
    PullDenied,
    PullFailed,
)
from core.hosts.docker.registry_words import error_of_registry

NAME = "localhost:5001/a/b:1"
SITE = "registry.site:5000/a/b:1"
BLOB = "sha256:3f4e5a6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f7081"
PING = 'Get "http://localhost:5001/v2/"'
HEAD = 'Head "http://localhost:5001/v2/a/b/manifests/1"'
TOKEN = 'Get "http://localhost:5002/token?scope=repository%3Aa%2Fb%3Apull&service=x"'  # noqa: S105
CONFIG = "error pulling image configuration: download failed after attempts=6"
RESET = "read tcp 127.0.0.1:37620->127.0.0.1:5001: read: connection reset by peer"
BROKEN = "net/http: HTTP/1.x transport connection broken"
RESOLVE = f'failed to resolve reference "{NAME}"'
REQUEST = "failed to do request: Head http://localhost:5001/v2/a/b/manifests/1"
OPEN = "failed to copy: httpReadSeeker: failed open"
BLOB_URL = f"http://localhost:5001/v2/a/b/blobs/{BLOB}"

LOST_20_10 = [
    f"{PING}: dial tcp 127.0.0.1:5001: connect: connection refused",
    f"{PING}: dial tcp [::1]:5001: connect: connection refused",
    f"{PING}: {RESET}",
    f"{PING}: EOF",
    f"{PING}: context deadline exceeded",
    f"{PING}: context canceled",
    f"{PING}: net/http: request canceled (Client.Timeout exceeded while awaiting headers)",
    f"{PING}: net/http: request canceled while waiting for connection "
    "(Client.Timeout exceeded while awaiting headers)",
    f'{PING}: {BROKEN}: malformed MIME header: missing colon: "Content-Le"',
    f'{PING}: {BROKEN}: malformed HTTP response "garbage"',
    f"{HEAD}: EOF",
    f"{HEAD}: {RESET}",
    f"{HEAD}: {TOKEN}: EOF",
    f"{HEAD}: {TOKEN}: context deadline exceeded",
    f"{HEAD}: unable to decode token response: unexpected EOF",
    f"{HEAD}: unable to decode token response: {RESET}",
    f"{HEAD}: received unexpected HTTP status: 503 Service Unavailable",
    "received unexpected HTTP status: 500 Internal Server Error",
    "received unexpected HTTP status: 502 Bad Gateway",
    "received unexpected HTTP status: 504 Gateway Timeout",
    "expected HTTP 206 from byte range request",
    "toomanyrequests",
    f"{HEAD}: toomanyrequests",
    "EOF",
    "unexpected EOF",
    RESET,
    f"{CONFIG}: EOF",
    f"{CONFIG}: unexpected EOF",
    f"{CONFIG}: {RESET}",
    f"{CONFIG}: received unexpected HTTP status: 503 Service Unavailable",
    f"{CONFIG}: toomanyrequests",
    'Get "https://localhost:5001/v2/": http: server gave HTTP response to HTTPS client',
    'Get "https://localhost:5001/v2/": net/http: TLS handshake timeout',
    'Get "https://localhost:5001/v2/": read tcp [::1]:4711->[::1]:5001: i/o timeout',
    f"{PING}: dial tcp 127.0.0.1:5001: i/o timeout",
    f"{PING}: dial tcp 10.0.0.1:5001: connect: no route to host",
    f"{PING}: dial tcp 10.0.0.1:5001: connect: network is unreachable",
    f"{PING}: dial tcp: lookup registry.site on 10.0.0.1:53: server misbehaving",
    f"{PING}: dial tcp: lookup registry.site: Temporary failure in name resolution",
    f"{PING}: write tcp 127.0.0.1:4711->127.0.0.1:5001: write: broken pipe",
    f"{PING}: use of closed network connection",
    f"{PING}: http: server closed idle connection",
    f"{PING}: http2: server sent GOAWAY and closed the connection; LastStreamID=1",
    f"{PING}: proxyconnect tcp: EOF",
    "error parsing HTTP 502 response body: invalid character '<' looking for beginning of value",
    "error parsing HTTP 429 response body: unexpected end of JSON input",
    "context canceled",
    "download cancelled during retry delay",
    "layer registration cancelled",
    # Docker up to 18.09 does not quote addresses.
    "Get http://localhost:5001/v2/: EOF",
    "Get http://localhost:5001/v2/a/b/manifests/1: dial tcp 127.0.0.1:5001: connect: "
    "connection refused",
]
LOST_CONTAINERD = [
    f"{RESOLVE}: {REQUEST}: dial tcp 127.0.0.1:5001: connect: connection refused",
    f"{RESOLVE}: {REQUEST}: EOF",
    f"{RESOLVE}: {REQUEST}: http: server gave HTTP response to HTTPS client",
    f"{RESOLVE}: {REQUEST}: net/http: timeout awaiting response headers",
    f"{RESOLVE}: pulling from host localhost:5001 failed with status code [manifests 1]: "
    "502 Bad Gateway",
    f"{RESOLVE}: unexpected status from HEAD request to http://localhost:5001/v2/a/b/manifests/1: "
    "503 Service Unavailable",
    f"unknown: {RESOLVE}: unexpected status from GET request to {BLOB_URL}: 500 Internal Server "
    "Error",
    f"{RESOLVE}: failed to authorize: failed to fetch anonymous token: {TOKEN}: EOF",
    f"{RESOLVE}: failed to authorize: failed to fetch oauth token: unexpected status from POST "
    "request to http://localhost:5002/token: 503 Service Unavailable",
    f'{OPEN}: failed to do request: Get "{BLOB_URL}": EOF',
    f'{OPEN}: failed to do request: Get "{BLOB_URL}": {RESET}',
    f"{OPEN}: unexpected status code {BLOB_URL}: 503 Service Unavailable",
    f"{OPEN}: unexpected status code {BLOB_URL}: 429 Too Many Requests - Server message: "
    "toomanyrequests: later",
    f"failed to copy: {RESET}",
    "failed to copy: context deadline exceeded",
    "short read: expected 8388608 bytes but got 4194304: unexpected EOF",
    "error from registry: service unavailable",
    "error from registry: too many requests",
    "failed to extract layer (application/vnd.oci.image.layer.v1.tar+gzip sha256:00) to overlayfs "
    'as "extract-1": context canceled',
]
DENIED = [
    "unauthorized",
    "unauthorized: authentication required",
    f"{HEAD}: no basic auth credentials",
    f"{HEAD}: unauthorized",
    f"{HEAD}: denied",
    "denied",
    "denied: requested access to the resource is denied",
    "pull access denied for localhost:5001/a/b, repository does not exist or may require "
    "'docker login': denied: requested access to the resource is denied",
    f"{CONFIG}: unauthorized: authentication required",
    "error parsing HTTP 403 response body: invalid character '<' looking for beginning of value",
    f"{RESOLVE}: pull access denied, repository does not exist or may require authorization: "
    "authorization failed: no basic auth credentials",
    f"{RESOLVE}: pull access denied, repository does not exist or may require authorization: "
    "server message: insufficient_scope: authorization failed",
    f"{RESOLVE}: failed to authorize: failed to fetch oauth token: unexpected status from POST "
    "request to http://localhost:5002/token: 401 Unauthorized",
    "error from registry: unauthorized",
    "error from registry: denied",
    f"{RESOLVE}: unexpected status from HEAD request to {BLOB_URL}: 403 Forbidden",
]
UNKNOWN = [
    "manifest unknown: manifest unknown",
    f"manifest for {NAME} not found: manifest unknown: manifest unknown",
    "name unknown",
    "name unknown: repository name not known to registry",
    "repository localhost:5001/a/b not found: name unknown: repository name not known to registry",
    "error parsing HTTP 404 response body: invalid character '<' looking for beginning of value",
    f"{RESOLVE}: {NAME}: not found",
    "error from registry: manifest unknown",
]
TLS = [
    'Get "https://registry.site:5000/v2/": x509: certificate signed by unknown authority',
    'Get "https://registry.site:5000/v2/": tls: failed to verify certificate: x509: certificate '
    "has expired or is not yet valid: current time 2026-01-01T00:00:00Z is after",
    f'{RESOLVE}: failed to do request: Head "https://registry.site:5000/v2/": tls: failed to '
    "verify certificate: x509: certificate is valid for other.site, not registry.site",
    'Get "https://registry.site:5000/v2/": remote error: tls: bad certificate',
]
FULL = [
    "write /var/lib/docker/tmp/GetImageBlob123: no space left on device",
    "failed to register layer: Error processing tar file(exit status 1): write /x: no space left "
    "on device",
    'failed to extract layer (sha256:00) to overlayfs as "extract-1": write /x: no space left on '
    "device: unknown",
    "failed to copy: failed to send write: write /var/lib/containerd/x: no space left on device",
]
OF_THE_HOST = [
    "failed to register layer: Error processing tar file(exit status 1): unexpected EOF",
    "failed to register layer: mkdir /var/lib/docker/overlay2/1: read-only file system",
    "open /var/lib/docker/tmp/GetImageBlob1: permission denied",
    "failed to register layer: open /x: input/output error",
    "mkdir /var/lib/docker/tmp: disk quota exceeded",
    "no matching manifest for linux/amd64 in the manifest list entries",
    f"{RESOLVE}: no match for platform in manifest: no matching manifest: not found",
    'image operating system "windows" cannot be used on this platform',
    "missing signature key",
    "invalid reference format",
    "[DEPRECATION NOTICE] Docker Image Format v1 and Docker Image manifest version 2, schema 1 "
    "support is disabled by default and will be removed",
]
UNCLEAR = [
    f"filesystem layer verification failed for digest {BLOB}",
    f"{CONFIG}: image config verification failed for digest {BLOB}",
    "error pulling image configuration: download failed after attempts=1: unknown blob",
    f"{OPEN}: could not fetch content descriptor {BLOB} (application/vnd.oci.image.layer.v1.tar"
    "+gzip) from remote: not found",
    f'failed commit on ref "layer-{BLOB}": unexpected commit digest {BLOB}, expected {BLOB}: '
    "failed precondition",
    f"{HEAD}: authorization server did not include a token in the response",
    f"{PING}: dial tcp: lookup registry.site on 10.0.0.1:53: no such host",
    "something that no version says yet",
]
WORDS: list[tuple[type[AirferryError], list[str]]] = [
    (DockerLineLost, LOST_20_10 + LOST_CONTAINERD),
    (PullDenied, DENIED),
    (ImageUnknown, UNKNOWN),
    (HostRegistryTlsWrong, TLS),
    (HostDiskFull, FULL),
    (DockerFailed, OF_THE_HOST),
    (PullFailed, UNCLEAR),
]


@pytest.mark.parametrize(("kind", "said"), [(kind, each) for kind, all_ in WORDS for each in all_])
def test_what_docker_says_of_a_registry(kind: type[AirferryError], said: str) -> None:
    error = error_of_registry(f"a: pulling {NAME}: {said}", said, NAME)
    assert (kind, f"a: pulling {NAME}: {said}") == (type(error), error.what)


def test_how_long_each_is_tried_again() -> None:
    """A lost line for minutes, what nobody can tell for one, and what is said for certain never."""
    patience = {kind: kind.patience_s if kind.transient else 0 for kind, _ in WORDS}
    assert (420, 60) == (patience.pop(DockerLineLost), patience.pop(PullFailed))
    assert {0} == set(patience.values())


@pytest.mark.parametrize(
    "name",
    [
        "localhost:5001/eof/unauthorized-denied:404",
        "localhost:5001/no-space-left-on-device:x509",
        "localhost:5001/timeout:not-found",
    ],
)
def test_a_name_says_nothing(name: str) -> None:
    """Whatever an image is called, it is not what happened to it."""
    repository, _, tag = name.rpartition(":")
    address = f"http://{repository.replace('/', '/v2/', 1)}/manifests/{tag}"
    lost = f'Head "{address}": EOF'
    assert DockerLineLost is type(error_of_registry("", lost, name))
    unknown = f"manifest for {name} not found: manifest unknown"
    assert ImageUnknown is type(error_of_registry("", unknown, name))
    refused = f'failed to resolve reference "{name}": unexpected status from HEAD request to '
    assert PullDenied is type(error_of_registry("", f"{refused}{address}: 401 Unauthorized", name))


def test_plain_http_where_tls_was_asked_for() -> None:
    """Only a loopback registry is asked both ways; elsewhere it may be the config that is wrong."""
    said = 'Get "https://registry.site:5000/v2/": http: server gave HTTP response to HTTPS client'
    assert PullFailed is type(error_of_registry("", said, SITE))

"""A client for a registry's HTTP API (OCI distribution spec 1.1), as far as an import needs it.

Synchronous on purpose: the import is a pipeline of threads, and the bytes of a layer go from the
compressing thread's buffer to the socket without an event loop in between.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from itertools import chain
from pathlib import Path

import urllib3

from core.bundle import sha256_digest
from core.errors import (
    AirferryError,
    RegistryBusy,
    RegistryDamaged,
    RegistryError,
    RegistryKindRefused,
)
from core.registry.answers import Where
from core.registry.channel import CATALOG, Channel
from core.secrets import NO_REGISTRY_LOGIN, RegistryLogin

_SEND_BYTES = 128 << 10
_READ_BYTES = 1 << 20
OLD_KIND = "application/vnd.docker.distribution.manifest.v1"
SITE_HEADER = "X-Airferry-Site"
_ACCEPT = ", ".join(
    [
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
    ]
)


_OF_KIND = re.compile(
    rb"(?:unsupported|not supported|unknown|invalid).{0,40}media ?type|"
    rb"media ?type.{0,80}not supported",
    re.IGNORECASE,
)
_NOBODY = sha256_digest(b"a manifest that no registry has")


class RegistryClient:
    """One registry.

    Args:
        address: `host:port`, as it is spoken of in messages.
        prefix: Path that stands before every repository, without slashes at its ends.
        insecure: Speak plain HTTP.
        ca: Certificate authority of the site, for TLS.
        login: Returns what there is to log in with; asked when the registry asks for a login.
        theirs: The registry is kept by others: what is to be mended there is said so.
    """

    def __init__(
        self,
        address: str,
        *,
        prefix: str = "",
        insecure: bool = True,
        ca: Path | None = None,
        login: Callable[[], RegistryLogin] = lambda: NO_REGISTRY_LOGIN,
        theirs: bool = False,
    ) -> None:
        self.address = address
        self._prefix = f"{prefix}/" if prefix else ""
        self._where = Where(address, theirs)
        self._channel = Channel(self._where, login, insecure=insecure, ca=ca)

    @property
    def theirs(self) -> bool:
        """Whether the registry is kept by others."""
        return self._where.theirs

    def ended_by(self, stop: threading.Event) -> AbstractContextManager[None]:
        """Cut the connections when `stop` is set and what goes on inside does not end by itself."""
        return self._channel.ended_by(stop)

    def close(self) -> None:
        """Close all connections."""
        self._channel.close()

    def site_id(self) -> str:
        """Ask whether a registry answers, and return the site id that ours puts into its headers.

        Raises:
            RegistryUnreachable: nothing answers.
            RegistryError: what answers is no registry.
        """
        answer = self._ask("GET", "/v2/", want=(200,))
        if "registry/2.0" not in answer.headers.get("Docker-Distribution-Api-Version", ""):
            raise RegistryError(f"what answers at {self.address} is not a registry")
        return str(answer.headers.get(SITE_HEADER, ""))

    def require_rights(self, repository: str, *, push: bool) -> None:
        """See that what goes into a repository may be put there and pulled from there.

        An upload is begun and given up for it: nothing else tells what a login may do.

        Raises:
            RegistryError: it may not; which one says why.
        """
        if push:
            self.cancel_upload(self._start_upload(repository))
        self._ask("GET", self._path(repository, "tags/list"), want=(200, 404))

    def login(self) -> RegistryLogin | None:
        """Return the login that is used; None if the registry asked for none so far, or needs none.

        Raises:
            RegistryLoginNeeded: there is a password without a name.
        """
        return self._channel.login()

    def blob_size(self, repository: str, digest: str) -> int | None:
        """Return the size of a blob in bytes, or None where the repository lacks it."""
        answer = self._ask("HEAD", self._path(repository, f"blobs/{digest}"), want=(200, 404))
        if answer.status == 404:
            return None
        return int(answer.headers.get("Content-Length", "0"))

    def manifest_digest(self, repository: str, tag: str) -> str | None:
        """Return the digest a tag stands for, or None."""
        answer = self._ask(
            "HEAD",
            self._path(repository, f"manifests/{tag}"),
            headers={"Accept": _ACCEPT},
            want=(200, 404),
        )
        if answer.status == 404:
            return None
        return str(answer.headers.get("Docker-Content-Digest", ""))

    def put_manifest(self, repository: str, tag: str, manifest: str, media_type: str) -> None:
        """Put a manifest under a tag.

        Raises:
            RegistryKindRefused: it takes no manifests of this kind at all.
            RegistryError: refused, or filed under another digest than it has.
        """
        body = manifest.encode()
        path = self._path(repository, f"manifests/{tag}")
        headers = {"Content-Type": media_type}
        answer = self._ask("PUT", path, body=body, headers=headers, want=(201, 400, 415))
        if answer.status != 201:
            if answer.status == 415 or _OF_KIND.search(answer.data):
                raise RegistryKindRefused(
                    f"the registry {self.address} takes no {media_type} ({repository}:{tag}, "
                    f"answered {answer.status})"
                )
            raise self._where.refusal("PUT", path, answer.status, answer.data)
        filed = answer.headers.get("Docker-Content-Digest", sha256_digest(body))
        if filed != sha256_digest(body):
            raise RegistryError(f"{self.address}/{repository}:{tag} was filed as {filed}")

    def upload_bytes(self, repository: str, data: bytes) -> str:
        """Upload a small blob unless it is there; return its digest."""
        digest = sha256_digest(data)
        if self.blob_size(repository, digest) is None:
            location = self._start_upload(repository)
            self._finish_upload(location, digest, data)
        return digest

    def upload_stream(
        self, repository: str, pieces: Iterable[bytes], digest: Callable[[], str]
    ) -> None:
        """Upload a blob whose digest is known only when the last piece has gone by.

        Args:
            repository: Where it goes.
            pieces: The content.
            digest: Asked for the digest at the end.

        Raises:
            RegistryError: refused, stalled or gone; the upload session is deleted then.
            AirferryError: what `pieces` raised; the session is deleted then, too.
        """
        location = self._start_upload(repository)
        body = _Interruptible(pieces)
        try:
            answer = self._ask(
                "PATCH",
                location,
                body=body,
                headers={"Content-Type": "application/octet-stream"},
                want=(202,),
            )
            location = answer.headers["Location"]
            if body.interruption is not None:
                raise body.interruption
            self._finish_upload(location, digest())
        except BaseException:
            self.cancel_upload(location)
            raise

    def mount(self, repository: str, digest: str, source: str) -> bool:
        """Make a blob of one repository known in another; False where the registry cannot."""
        query = f"blobs/uploads/?mount={digest}&from={self._prefix}{source}"
        answer = self._ask("POST", self._path(repository, query), want=(201, 202))
        if answer.status == 201:
            return True
        self.cancel_upload(answer.headers["Location"])
        return False

    def copy_blob(self, repository: str, digest: str, source: str) -> None:
        """Send a blob from one repository to another, for registries that cannot mount."""
        pieces = self.blob(source, digest)
        first = next(pieces, b"")  # before an upload is begun: the blob may have gone
        self.upload_stream(repository, chain([first], pieces), lambda: digest)

    def repositories(self) -> Iterator[str]:
        """Yield the names of all repositories below the prefix."""
        path = f"{CATALOG}?n=500"
        while path:
            answer = self._ask("GET", path, want=(200,))
            for name in json.loads(answer.data)["repositories"] or []:
                if name.startswith(self._prefix):
                    yield name.removeprefix(self._prefix)
            link = answer.headers.get("Link", "")
            path = link.partition("<")[2].partition(">")[0]

    def tags(self, repository: str) -> list[str]:
        """Return the tags of a repository."""
        answer = self._ask("GET", self._path(repository, "tags/list"), want=(200, 404))
        if answer.status == 404:
            return []
        return sorted(json.loads(answer.data).get("tags") or [])

    def manifest(self, repository: str, tag: str) -> Mapping[str, object]:
        """Return a manifest, parsed."""
        path = self._path(repository, f"manifests/{tag}")
        answer = self._ask("GET", path, headers={"Accept": _ACCEPT}, want=(200,))
        found = json.loads(answer.data)
        return found if isinstance(found, dict) else {}

    def document(self, repository: str, reference: str) -> tuple[str, bytes] | None:
        """Return media type and bytes of a manifest or list as they were put, or None.

        Args:
            repository: Where it is.
            reference: Its tag or its digest.

        Raises:
            RegistryDamaged: what comes does not have the digest that it should.
        """
        path = self._path(repository, f"manifests/{reference}")
        answer = self._ask("GET", path, headers={"Accept": _ACCEPT}, want=(200, 404))
        if answer.status == 404:
            return None
        filed = reference if ":" in reference else answer.headers.get("Docker-Content-Digest", "")
        kind = answer.headers.get("Content-Type", "")
        if kind.startswith(OLD_KIND):
            filed = ""  # signed anew each time, and filed without its signatures
        if filed.startswith("sha256:") and filed != sha256_digest(answer.data):
            raise RegistryDamaged(
                f"the registry {self.address} has a damaged manifest: {repository}, {filed}",
                remedy="Import the bundle that it came from again, or restore an earlier backup.",
            )
        return kind, answer.data

    def blob(self, repository: str, digest: str) -> Iterator[bytes]:
        """Yield a blob's bytes as they come; whether they have that digest is the reader's to see.

        Raises:
            RegistryError: it is not there, or the registry goes away meanwhile.
        """
        path = self._path(repository, f"blobs/{digest}")
        answer = self._channel.send("GET", path, preload=False)
        with self._where.translated():
            try:
                if answer.status != 200:
                    raise self._where.refusal("GET", path, answer.status, answer.read())
                while piece := answer.read(_READ_BYTES):
                    yield piece
            except BaseException:
                answer.close()  # a line in the middle of an answer is of no use to others
                raise
            answer.release_conn()

    def delete_manifest(self, repository: str, digest: str) -> None:
        """Delete a manifest, and with it every tag of the repository that stands for it.

        Raises:
            RegistryError: the registry refuses; many are set up not to delete at all.
        """
        path = self._path(repository, f"manifests/{digest}")
        answer = self._ask("DELETE", path, want=(202, 404, 405))
        if answer.status == 405:
            raise RegistryError(
                f"the registry {self.address} does not delete anything ({repository})",
                remedy="Have deletion allowed where it runs, or run it without --prune.",
            )

    def delete_tag(self, repository: str, tag: str) -> None:
        """Delete one tag; what it stands for keeps its other tags.

        The registry takes digests only, and then takes every tag of that digest. So the tag is
        first made to stand for an empty image that no other tag stands for. Should the registry
        refuse to delete that, the tag stands for what it did before.

        Raises:
            RegistryError: the registry refuses; the tag is as it was.
        """
        self.delete_manifest(repository, _NOBODY)  # refused where nothing may be deleted at all
        before = self._document_or_none(repository, tag)
        config = self.upload_bytes(repository, b'{"airferry":"a tag to be deleted"}')
        media_type = "application/vnd.oci.image.manifest.v1+json"
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": media_type,
                "config": {
                    "mediaType": "application/vnd.oci.image.config.v1+json",
                    "digest": config,
                    "size": self.blob_size(repository, config),
                },
                "layers": [],
                "annotations": {"airferry.deleted": tag},
            }
        )
        self.put_manifest(repository, tag, manifest, media_type)
        try:
            self.delete_manifest(repository, sha256_digest(manifest.encode()))
        except RegistryError:
            if before is not None:
                self.put_manifest(repository, tag, before[1].decode(), before[0])
            raise

    def _document_or_none(self, repository: str, tag: str) -> tuple[str, bytes] | None:
        """Return what a tag stands for, if that can be read at all."""
        try:
            return self.document(repository, tag)
        except (RegistryDamaged, RegistryBusy):
            return None

    def cancel_upload(self, location: str) -> None:
        """Delete an upload session; abandoned ones would lie in the registry for a week."""
        with suppress(RegistryError):
            self._ask("DELETE", location, want=(204, 404))

    def _start_upload(self, repository: str) -> str:
        answer = self._ask("POST", self._path(repository, "blobs/uploads/"), want=(202,))
        return answer.headers["Location"]

    def _finish_upload(self, location: str, digest: str, data: bytes = b"") -> None:
        mark = "&" if "?" in location else "?"
        headers = {"Content-Type": "application/octet-stream"}
        self._ask("PUT", f"{location}{mark}digest={digest}", data, headers, want=(201,))

    def _path(self, repository: str, rest: str) -> str:
        return f"/v2/{self._prefix}{repository}/{rest}"

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        want: tuple[int, ...],
    ) -> urllib3.BaseHTTPResponse:
        once = isinstance(body, _Interruptible)
        answer = self._channel.send(method, path, body, headers, once=once)
        if answer.status not in want:
            raise self._where.refusal(method, path, answer.status, answer.data)
        return answer


class _Interruptible:
    """A body that ends in good order when its source breaks down.

    A request that is cut leaves an upload session whose offset only the registry knows, and without
    the offset it cannot be deleted. So the request is ended, and the failure kept for later.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self.interruption: AirferryError | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            for piece in self._pieces:
                # The time-out is one for each call: small pieces let a slow line be slow.
                for start in range(0, len(piece), _SEND_BYTES):
                    yield piece[start : start + _SEND_BYTES]
        except AirferryError as error:
            self.interruption = error

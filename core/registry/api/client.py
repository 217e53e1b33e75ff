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
from functools import partial
from itertools import chain, count
from pathlib import Path

from core.bundle.model import sha256_digest
from core.errors import (
    RegistryBusy,
    RegistryDamaged,
    RegistryElsewhere,
    RegistryError,
    RegistryKindRefused,
    RegistryOddAnswer,
)
from core.registry.api.http_errors import Where, in_words
from core.registry.api.pacing import MOST_UNASKED
from core.registry.api.parsing import (
    Odd,
    digest_in,
    media_type_in,
    names_in,
    next_page,
    record_in,
    size_in,
)
from core.registry.api.response import (
    MOST_BYTES,
    MOST_LIST_BYTES,
    MOST_MANIFEST_BYTES,
    Answer,
)
from core.registry.api.transport import CATALOG, Channel
from core.registry.api.uploads import Interruptible, Replay
from core.secrets import NO_REGISTRY_LOGIN, RegistryLogin

_BYTES = {"Content-Type": "application/octet-stream"}
_MOST_NAMES = 1_000_000
_MOST_IDLE_PAGES = 100
DIGEST_HEADER = "Docker-Content-Digest"
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
            # The header is Docker's: a registry by OCI's specification alone need not have it.
            try:
                record_in(answer.data, self._odd("GET", "/v2/"))
            except RegistryOddAnswer as error:
                raise RegistryOddAnswer(
                    f"what answers at {self.address} is not a registry", remedy=error.remedy
                ) from error
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
        path = self._path(repository, f"blobs/{digest}")
        answer = self._ask("HEAD", path, want=(200, 404))
        if answer.status == 404:
            return None
        return size_in(answer.headers.get("Content-Length"), self._odd("HEAD", path))

    def manifest_digest(self, repository: str, tag: str) -> str | None:
        """Return the digest a tag stands for, or None."""
        path = self._path(repository, f"manifests/{tag}")
        answer = self._ask("HEAD", path, headers={"Accept": _ACCEPT}, want=(200, 404))
        if answer.status == 404:
            return None
        filed = answer.headers.get(DIGEST_HEADER)
        if filed:
            return digest_in(filed, self._odd("HEAD", path))
        found = self.document(repository, tag)  # a registry need not tell it
        return sha256_digest(found[1]) if found else None

    def put_manifest(
        self, repository: str, tag: str, manifest: str | bytes, media_type: str
    ) -> None:
        """Put a manifest under a tag.

        Raises:
            RegistryKindRefused: it takes no manifests of this kind at all.
            RegistryError: refused, or filed under another digest than it has.
        """
        body = manifest.encode() if isinstance(manifest, str) else manifest
        path, headers = self._path(repository, f"manifests/{tag}"), {"Content-Type": media_type}
        answer = self._ask("PUT", path, body, headers, want=(201, 400, 415))
        if answer.status == 415 or (answer.status == 400 and _OF_KIND.search(answer.data)):
            refused = RegistryKindRefused(
                f"the registry {self.address} takes no {media_type} ({repository}:{tag}, "
                f"answered {answer.status})"
            )
            refused.status = answer.status
            raise refused
        if answer.status != 201:
            raise self._channel.refusal("PUT", path, answer)
        filed = answer.headers.get(DIGEST_HEADER, "")
        if filed and digest_in(filed, self._odd("PUT", path)) != sha256_digest(body):
            raise self._odd("PUT", path)(f"the digest of something else ({filed})")

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
        replay = Replay(pieces)
        for number in count():
            try:
                self._upload_once(repository, replay, digest)
            except RegistryBusy as error:
                # Refused for being asked too fast, and the pace is slowed down: the same again.
                if not replay.helps(error) or number >= MOST_UNASKED:
                    raise
            else:
                return

    def _upload_once(self, repository: str, pieces: Replay, digest: Callable[[], str]) -> None:
        location = self._start_upload(repository)
        body = Interruptible(pieces)
        try:
            with pieces.noting_refusal():
                answer = self._ask("PATCH", location, body, _BYTES, want=(202,))
            location = self._channel.place("PATCH", location, answer)
            if body.interruption is not None:
                raise body.interruption
            self._finish_upload(location, digest())
        except RegistryElsewhere:
            raise  # nobody is there who could be told to forget it
        except BaseException:
            self.cancel_upload(location)
            raise

    def mount(self, repository: str, digest: str, source: str) -> bool:
        """Make a blob of one repository known in another; False where the registry cannot."""
        query = f"blobs/uploads/?mount={digest}&from={self._prefix}{source}"
        path = self._path(repository, query)
        answer = self._ask("POST", path, want=(201, 202))
        if answer.status == 201:
            return True
        self.cancel_upload(self._channel.place("POST", path, answer))
        return False

    def copy_blob(self, repository: str, digest: str, source: str) -> None:
        """Send a blob from one repository to another, for registries that cannot mount."""
        pieces = self.blob(source, digest, self.blob_size(source, digest))
        first = next(pieces, b"")  # before an upload is begun: the blob may have gone
        self.upload_stream(repository, chain([first], pieces), lambda: digest)

    def repositories(self) -> Iterator[str]:
        """Yield the names of all repositories below the prefix."""
        for name in self._listed(f"{CATALOG}?n=500", "repositories"):
            if name.startswith(self._prefix):
                yield name.removeprefix(self._prefix)

    def tags(self, repository: str) -> list[str]:
        """Return the tags of a repository."""
        return sorted(set(self._listed(self._path(repository, "tags/list"), "tags")))

    def _listed(self, path: str, key: str) -> Iterator[str]:
        """Yield the names of a list that comes page by page, each page once.

        Raises:
            RegistryOddAnswer: it does not come to an end, or is no list.
        """
        first, seen, names = path, set[str](), set[str]()
        idle = 0
        while path:
            odd = self._odd("GET", path)
            if path in seen or len(names) > _MOST_NAMES or idle > _MOST_IDLE_PAGES:
                raise self._odd("GET", first)("a list without end: its pages come again and again")
            seen.add(path)
            want = (200, 404) if key == "tags" and path == first else (200,)
            answer = self._ask("GET", path, want=want, most_bytes=MOST_LIST_BYTES)
            if answer.status == 404:
                return
            new = set(names_in(record_in(answer.data, odd), key, odd)) - names
            yield from sorted(new)
            names |= new
            idle = 0 if new else idle + 1
            path = next_page(answer.headers.get("Link", ""), path, odd)

    def manifest(self, repository: str, tag: str) -> Mapping[str, object]:
        """Return a manifest, parsed."""
        path = self._path(repository, f"manifests/{tag}")
        answer = self._ask(
            "GET",
            path,
            headers={"Accept": _ACCEPT},
            want=(200,),
            most_bytes=MOST_MANIFEST_BYTES,
        )
        return record_in(answer.data, self._odd("GET", path))

    def document(self, repository: str, reference: str) -> tuple[str, bytes] | None:
        """Return media type and bytes of a manifest or list as they were put, or None.

        Args:
            repository: Where it is.
            reference: Its tag or its digest.

        Raises:
            RegistryDamaged: what comes does not have the digest that it should.
        """
        path = self._path(repository, f"manifests/{reference}")
        answer = self._ask(
            "GET",
            path,
            headers={"Accept": _ACCEPT},
            want=(200, 404),
            most_bytes=MOST_MANIFEST_BYTES,
        )
        if answer.status == 404:
            return None
        odd, told = self._odd("GET", path), answer.headers.get(DIGEST_HEADER, "")
        filed = reference if ":" in reference else told and digest_in(told, odd)
        kind = media_type_in(answer.headers.get("Content-Type", ""), odd)
        if kind.startswith(OLD_KIND):
            filed = ""  # signed anew each time, and filed without its signatures
        if filed.startswith("sha256:") and filed != sha256_digest(answer.data):
            raise RegistryDamaged(
                f"the registry {self.address} has a damaged manifest: {repository}, {filed}",
                remedy="Import the bundle that it came from again, or restore an earlier backup.",
            )
        return kind, answer.data

    def blob(self, repository: str, digest: str, size_bytes: int | None = None) -> Iterator[bytes]:
        """Yield a blob's bytes as they come; whether they have that digest is the reader's to see.

        Args:
            repository: Where it is.
            digest: Which.
            size_bytes: How large it is; None if nobody knows. No more than that is read.

        Raises:
            RegistryError: it is not there, or the registry goes away meanwhile.
        """
        return self._channel.stream(self._path(repository, f"blobs/{digest}"), size_bytes)

    def delete_manifest(self, repository: str, digest: str) -> None:
        """Delete a manifest, and with it every tag of the repository that stands for it.

        Raises:
            RegistryError: the registry refuses; many are set up not to delete at all.
        """
        path = self._path(repository, f"manifests/{digest}")
        self._ask("DELETE", path, want=(202, 404))

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
                self.put_manifest(repository, tag, before[1], before[0])
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
        path = self._path(repository, "blobs/uploads/")
        return self._channel.place("POST", path, self._ask("POST", path, want=(202,)))

    def _finish_upload(self, location: str, digest: str, data: bytes = b"") -> None:
        mark = "&" if "?" in location else "?"
        self._ask("PUT", f"{location}{mark}digest={digest}", data, _BYTES, want=(201,))

    def _path(self, repository: str, rest: str) -> str:
        return f"/v2/{self._prefix}{repository}/{rest}"

    def _odd(self, method: str, path: str) -> Odd:
        """Return what makes the error for an answer to a request, of what is wrong with it."""
        return partial(self._where.odd, in_words(method, path))

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        want: tuple[int, ...],
        most_bytes: int = MOST_BYTES,
    ) -> Answer:
        once = isinstance(body, Interruptible)
        answer = self._channel.send(method, path, body, headers, most_bytes=most_bytes, once=once)
        if answer.status not in want:
            raise self._channel.refusal(method, path, answer)
        return answer

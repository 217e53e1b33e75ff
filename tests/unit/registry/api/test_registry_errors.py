"""How registries of all kinds, and proxies before them, refuse: each its own words and remedy.

The answers are those that the projects and services give, or what is reported of them, put before a
real registry: the ones packaged here have no quotas and no immutable tags.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.bundle.catalogue import LayerIndex
from core.bundle.discovery import bundle_file
from core.errors import (
    RegistryBusy,
    RegistryDenied,
    RegistryElsewhere,
    RegistryError,
    RegistryFull,
    RegistryKindRefused,
    RegistryOddAnswer,
    RegistryProjectMissing,
    RegistryProxyForbids,
    RegistryQuota,
    RegistryReadOnly,
    RegistryTagFixed,
    RegistryTlsWrong,
    RegistryUnreachable,
    RegistryUnsupported,
)
from core.registry.api import pacing as pace
from core.registry.api.client import RegistryClient
from core.registry.imports.importer import Import
from core.registry.imports.publish import publish
from tests.support.archives import ImageSpec, layer_tar, write_bundle
from tests.support.oddfront import Asked, Front, Reply, Twist, odd_front

HTML = (("Content-Type", "text/html"),)
JSON = (("Content-Type", "application/json"),)
IMAGE = ImageSpec(["a.b/c:1"], [layer_tar(1, 9000), layer_tar(2, 4000)])


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused without end is given up soon."""
    monkeypatch.setattr(pace, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(pace, "SLOWEST_S", 0.001)


@pytest.fixture
def run(address: str, tmp_path: Path) -> Iterator[Callable[[Front], RegistryClient]]:
    """Import a bundle through a front, and name its images."""
    with ExitStack() as stack:

        def run(front: Front) -> RegistryClient:
            front.upstream = address
            stack.enter_context(odd_front(front))
            client = RegistryClient(front.address, theirs=True)
            stack.callback(client.close)
            file = bundle_file(write_bundle(tmp_path / "b.tar", [IMAGE]))
            index = LayerIndex(tmp_path / "layers.jsonl")
            done = Import(file, client, index, threading.Event()).run(lambda _: None)
            publish(done.bundle, client, threading.Event())
            return client

        yield run


def coded(status: int, code: str, message: str = "") -> Reply:
    """Return a refusal as the specification has it."""
    body = {"errors": [{"code": code, "message": message, "detail": None}]}
    return Reply(status, JSON, json.dumps(body).encode())


def page(status: int, title: str) -> Reply:
    """Return a refusal of a proxy."""
    body = f"<html>\r\n<head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Reply(status, HTML, body.encode())


@dataclass(frozen=True)
class Case:
    """When it is refused (method, and manifests or all else), how, and what is to be told."""

    method: str
    of_manifest: bool
    reply: Reply
    error: type[RegistryError]
    words: str
    remedy: str

    def early(self, asked: Asked) -> Reply | None:
        meant = asked.method == self.method and asked.is_manifest == self.of_manifest
        return self.reply if meant else None


QUOTA, FIXED = "quota of .* is used up", "c:1 be changed: the tag is there, and immutable"
CASES = {
    "quota: Harbor": Case(
        "PUT",
        True,
        coded(
            403,
            "DENIED",
            "adding 12.0 MiB of storage resource, which when updated to current usage of 10.0 GiB "
            "will exceed the configured upper limit of 10.0 GiB.",
        ),
        RegistryQuota,
        QUOTA,
        "raise the quota",
    ),
    "quota: Harbor, of blobs": Case(
        "PUT",
        False,
        coded(412, "PRECONDITION", "exceed the configured upper limit of storage resource"),
        RegistryQuota,
        QUOTA,
        "raise the quota",
    ),
    "quota: Quay": Case(
        "POST",
        False,
        coded(403, "DENIED", "Quota has been exceeded on namespace"),
        RegistryQuota,
        QUOTA,
        "raise the quota",
    ),
    "quota: 413 in JSON": Case(
        "PATCH",
        False,
        coded(413, "DENIED", "Storage quota limit reached"),
        RegistryQuota,
        QUOTA,
        "raise the quota",
    ),
    "quota: ECR": Case(
        "PUT",
        True,
        coded(
            429,
            "LIMIT_EXCEEDED",
            "The maximum number of images per repository has been exceeded.",
        ),
        RegistryQuota,
        QUOTA,
        "raise the quota",
    ),
    "quota: a plan": Case(
        "POST",
        False,
        coded(403, "DENIED", "You have exceeded your storage quota. Delete one or more images."),
        RegistryQuota,
        QUOTA,
        "raise the quota",
    ),
    "full: 507": Case("PATCH", False, Reply(507), RegistryFull, "no room left", "make room there"),
    "full: Artifactory": Case(
        "PUT",
        False,
        coded(413, "UNKNOWN", "Datastore disk usage is too high. Contact your administrator."),
        RegistryFull,
        "no room left",
        "make room there",
    ),
    "immutable: Harbor": Case(
        "PUT",
        True,
        coded(
            412,
            "PRECONDITION",
            "Failed to process request due to 'case/shared:v1' configured as immutable.",
        ),
        RegistryTagFixed,
        FIXED,
        "lift the rule",
    ),
    "immutable: ECR": Case(
        "PUT",
        True,
        coded(
            400,
            "TAG_INVALID",
            "The image tag '1' already exists in the 'c' repository and cannot be overwritten "
            "because the repository is immutable.",
        ),
        RegistryTagFixed,
        FIXED,
        "lift the rule",
    ),
    "immutable: ACR": Case(
        "PUT",
        True,
        coded(
            405,
            "UNSUPPORTED",
            "The operation is disallowed on this registry, repository or image. View "
            "troubleshooting steps at https://aka.ms/acr/faq",
        ),
        RegistryTagFixed,
        FIXED,
        "lift the rule",
    ),
    "immutable: Quay": Case(
        "PUT",
        True,
        coded(409, "TAG_IMMUTABLE", "tag is immutable"),
        RegistryTagFixed,
        FIXED,
        "lift the rule",
    ),
    "immutable: Nexus": Case(
        "PUT",
        True,
        coded(400, "UNKNOWN", "Repository does not allow updating assets: docker-hosted"),
        RegistryTagFixed,
        FIXED,
        "lift the rule",
    ),
    "immutable: without words": Case(
        "PUT", True, Reply(412), RegistryTagFixed, FIXED, "lift the rule"
    ),
    "411": Case(
        "PATCH",
        False,
        page(411, "411 Length Required"),
        RegistryProxyForbids,
        "wants the size of an upload told before",
        "proxy_request_buffering off",
    ),
    "413": Case(
        "PATCH",
        False,
        page(413, "413 Request Entity Too Large"),
        RegistryProxyForbids,
        "does not take an upload of this size .*413 Request Entity Too Large",
        "client_max_body_size",
    ),
    "403 of a proxy": Case(
        "POST",
        False,
        page(403, "403 Forbidden"),
        RegistryProxyForbids,
        "something before the registry .* does not let a request through",
        "let requests to /v2/ through",
    ),
    "405 of a proxy": Case(
        "PATCH",
        False,
        page(405, "405 Not Allowed"),
        RegistryProxyForbids,
        "something before the registry",
        "let requests to /v2/ through",
    ),
    "read-only: CNCF": Case(
        "POST",
        False,
        coded(405, "UNSUPPORTED", "The operation is unsupported."),
        RegistryReadOnly,
        "takes nothing: it is read-only",
        "maintenance or read-only mode",
    ),
    "read-only: Harbor": Case(
        "POST",
        False,
        coded(
            403,
            "DENIED",
            "The system is in read only mode. Any modification is prohibited.",
        ),
        RegistryReadOnly,
        "takes nothing: it is read-only",
        "maintenance or read-only mode",
    ),
    "project: Harbor": Case(
        "POST",
        False,
        coded(404, "NOT_FOUND", "project case not found"),
        RegistryProjectMissing,
        "has no place for airferry/stage",
        "project for 'airferry/stage' made",
    ),
    "project: ECR": Case(
        "POST",
        False,
        coded(
            404,
            "NAME_UNKNOWN",
            "The repository with name 'airferry/stage' does not exist in the registry with id '1'",
        ),
        RegistryProjectMissing,
        "has no place for airferry/stage",
        "privateRegistryBase",
    ),
    "rights": Case(
        "POST",
        False,
        coded(403, "DENIED", "requested access to the resource is denied"),
        RegistryDenied,
        "does not let this login put anything into",
        "right to pull and to push",
    ),
    "login page": Case(
        "HEAD",
        False,
        page(200, "Sign in"),
        RegistryOddAnswer,
        "answered HEAD /v2/airferry/stage/blobs/.* with a web page .*login page",
        "privateRegistryBase",
    ),
    "502 of a proxy": Case(
        "PUT",
        True,
        page(502, "502 Bad Gateway"),
        RegistryBusy,
        "answered 502 to PUT /v2/c/manifests/1: a web page, 502 Bad Gateway",
        "the registry behind it does not",
    ),
    "unsupported": Case(
        "PUT",
        True,
        coded(415, "MANIFEST_INVALID", "media type not supported"),
        RegistryKindRefused,
        "takes no application/vnd.docker.distribution.manifest.v2.json .c:1, answered 415",
        "allow Docker's manifests",
    ),
    "not implemented": Case(
        "POST",
        False,
        coded(501, "UNSUPPORTED", "not implemented"),
        RegistryUnsupported,
        "does not do this: POST",
        "use another registry",
    ),
    "TLS": Case(
        "HEAD",
        False,
        Reply(301, (("Location", "https://{path}"),)),
        RegistryTlsWrong,
        "speaks TLS",
        "privateRegistryInsecure",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_refusal(run: Callable[[Front], RegistryClient], case: Case) -> None:
    front = Front("", early=case.early)

    def aimed(asked: Asked, reply: Reply) -> Reply:
        place = dict(reply.headers).get("Location", "")
        if "{path}" not in place:
            return reply
        return reply.with_header("Location", f"https://{front.address}{asked.path}")

    front.twist = aimed
    with pytest.raises(case.error, match=case.words) as caught:
        run(front)
    assert (case.error.code, case.reply.status if case.reply.status >= 400 else 0) == (
        caught.value.code,
        caught.value.status,
    )
    assert case.remedy in caught.value.remedy
    assert front.address in caught.value.what


def located(change: Callable[[str, Front], str], front: Front) -> Twist:
    """Change every Location."""

    def twist(_asked: Asked, reply: Reply) -> Reply:
        place = dict(reply.headers).get("Location")
        return reply if place is None else reply.with_header("Location", change(place, front))

    return twist


INTERNAL = "registry.internal.invalid:5000"


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            lambda place, front: place.replace(front.address, INTERNAL),
            RegistryElsewhere,
            f"sends what asks it to http://{INTERNAL} .*is not reached",
        ),
        (
            lambda place, front: place.replace(front.address, "127.0.0.1:9"),
            RegistryElsewhere,
            "sends what asks it to http://127.0.0.1:9 .*is not reached",
        ),
        (
            lambda place, front: place.replace(f"http://{front.address}", "https://127.0.0.1:9"),
            RegistryElsewhere,
            "https://127.0.0.1:9",
        ),
        (lambda _place, _front: "ftp://a/b", RegistryOddAnswer, "a Location that is none"),
        (lambda _place, _front: "http://[::1/x", RegistryOddAnswer, "a Location that is none"),
        (lambda _place, _front: "http://a:99999/", RegistryOddAnswer, "a Location that is none"),
        (lambda _place, _front: "", RegistryOddAnswer, "no Location"),
    ],
    ids=["internal name", "other port", "https", "ftp", "no address", "no port", "empty"],
)
def test_a_place_of_no_use(
    run: Callable[[Front], RegistryClient],
    change: Callable[[str, Front], str],
    error: type[RegistryError],
    words: str,
) -> None:
    front = Front("")
    front.twist = located(change, front)
    with pytest.raises(error, match=words) as caught:
        run(front)
    assert "http.relativeurls" in caught.value.remedy or error is RegistryOddAnswer


@pytest.mark.parametrize(
    "change",
    [
        lambda place, front: place.replace(f"http://{front.address}", ""),
        lambda place, _front: place.replace("http:", "https:"),
        lambda place, _front: place,
    ],
    ids=["a path", "https at the same place", "as it is"],
)
def test_a_place_that_is_the_registrys_own(
    run: Callable[[Front], RegistryClient], change: Callable[[str, Front], str]
) -> None:
    front = Front("")
    front.twist = located(change, front)
    assert ["1"] == run(front).tags("c")


def test_a_place_that_is_reached_is_used_without_the_login(
    run: Callable[[Front], RegistryClient], address: str
) -> None:
    front = Front("")
    front.twist = located(lambda place, front: place.replace(front.address, address), front)
    assert ["1"] == run(front).tags("c")
    assert 0 == front.counts["PATCH"]


def test_a_registry_that_cannot_delete(run: Callable[[Front], RegistryClient]) -> None:
    refused = coded(405, "UNSUPPORTED", "The operation is unsupported.")
    front = Front("", early=lambda asked: refused if asked.method == "DELETE" else None)
    client = run(front)
    with pytest.raises(RegistryUnsupported, match=r"does not delete anything \(c\)") as caught:
        client.delete_tag("c", "1")
    assert "Have deletion allowed" in caught.value.remedy


def test_a_registry_that_does_not_list(run: Callable[[Front], RegistryClient]) -> None:
    refused = coded(404, "NOT_FOUND", "catalog")
    front = Front("", early=lambda asked: refused if "_catalog" in asked.path else None)
    with pytest.raises(RegistryUnsupported, match="does not list what it holds"):
        list(run(front).repositories())


def test_a_line_that_ends_in_the_middle_of_an_answer(
    run: Callable[[Front], RegistryClient],
) -> None:
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{}"
    front = Front("", early=lambda asked: Reply(0, raw=cut) if "_catalog" in asked.path else None)
    with pytest.raises(RegistryUnreachable, match="in the middle of its answer to GET /v2/_cat"):
        list(run(front).repositories())

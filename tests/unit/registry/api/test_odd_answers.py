"""What no registry answers is told in words: where, what was asked, and what was wrong with it."""

from __future__ import annotations

import gzip
import json
import resource
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager

import pytest

from core.errors import (
    RegistryError,
    RegistryOddAnswer,
    RegistryStalled,
    RegistryUnreachable,
)
from core.printable import printable
from core.registry.api import limits as bounded
from core.registry.api.client import RegistryClient
from core.registry.content.inventory import read_holdings
from core.registry.integrity.remote_scan import ScanElsewhere
from core.secrets import NO_REGISTRY_LOGIN, RegistryLogin
from tests.support.archives import digest_of
from tests.support.fakeregistry import FakeRegistry, fake_registry
from tests.support.oddfront import Asked, Front, Reply, odd_front

DIGEST = "sha256:" + "0" * 64
OK = (("Content-Type", "application/json"),)
DEEP = b"[" * 200_000
Ask = Callable[[RegistryClient], object]


@contextmanager
def answering(reply: Reply | Callable[[Asked], Reply]) -> Iterator[RegistryClient]:
    """Serve nothing but one answer."""
    early = reply if callable(reply) else lambda _asked: reply
    with (
        odd_front(Front("", early=early)) as front,
        closing(RegistryClient(front.address, theirs=True)) as client,
    ):
        yield client


def of(body: object, *headers: tuple[str, str]) -> Reply:
    """Return an answer in JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(200, (*OK, *headers), data)


def raw(text: str) -> Reply:
    """Return bytes as they are."""
    return Reply(0, raw=text.encode("latin-1"))


def catalog(client: RegistryClient) -> object:
    return list(client.repositories())


def tags(client: RegistryClient) -> object:
    return client.tags("a")


def size(client: RegistryClient) -> object:
    return client.blob_size("a", DIGEST)


def filed(client: RegistryClient) -> object:
    return client.manifest_digest("a", "1")


def document(client: RegistryClient) -> object:
    return client.document("a", "1")


def upload(client: RegistryClient) -> object:
    client.require_rights("a", push=True)
    return None


def put(client: RegistryClient) -> object:
    client.put_manifest("a", "1", "{}", "application/json")
    return None


def mount(client: RegistryClient) -> object:
    return client.mount("a", DIGEST, "b")


SHAPES: Mapping[str, tuple[Ask, Reply, str]] = {
    "no JSON": (catalog, of(b"hello"), "GET /v2/_catalog with something that is no JSON"),
    "nothing": (catalog, of(b""), "an empty body instead of JSON"),
    "a list": (catalog, of([]), "a list where an object should be"),
    "null": (catalog, of(b"null"), "nothing where an object should be"),
    "NaN": (tags, of(b"NaN"), "a number where an object should be"),
    "an int of 9000 digits": (tags, of(b"9" * 9000), "no JSON"),
    "deep": (catalog, of(DEEP), "nested too deep"),
    "deep tags": (tags, of(b'{"tags":' + DEEP), "nested too deep"),
    "no UTF-8": (catalog, of(b'{"repositories":["\xff"]}'), "not UTF-8"),
    "no key": (catalog, of({}), "nothing where the list 'repositories' should be"),
    "a number": (tags, of({"tags": 7}), "a number where the list 'tags' should be"),
    "an object": (catalog, of({"repositories": {"a": 1}}), "an object where the list"),
    "objects": (catalog, of({"repositories": [{"name": "a"}]}), "a name in 'repositories'"),
    "null tags": (tags, of({"tags": [None]}), "a name in 'tags' that is none"),
    "half a character": (tags, of(b'{"tags":["\\ud800"]}'), "a name in 'tags' that is none"),
    "a way up": (catalog, of({"repositories": ["a/../b"]}), "a name in 'repositories'"),
    "an escape": (tags, of({"tags": ["\x1b[2J"]}), "a name in 'tags' that is none"),
    "no size": (size, Reply(200, (("Transfer-Encoding", "chunked"),)), "no Content-Length"),
    "a size in words": (
        size,
        raw("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"),
        "a Content-Length that is none",
    ),
    "two sizes": (
        size,
        raw("HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n"),
        "HEAD /v2/a/blobs/.* with something that is no HTTP",
    ),
    "a size that cannot be": (
        size,
        raw(f"HTTP/1.1 200 OK\r\nContent-Length: {10**18}\r\n\r\n"),
        "too large",
    ),
    "no digest": (filed, of({}, ("Docker-Content-Digest", "sha256:xyz")), "a digest that is none"),
    "two digests": (
        filed,
        of({}, ("Docker-Content-Digest", DIGEST), ("Docker-Content-Digest", DIGEST)),
        "a digest that is none",
    ),
    "no media type": (document, Reply(200, (), b"{}"), "a media type that is none"),
    "an odd media type": (document, Reply(200, (("Content-Type", "\x01/%"),), b"{}"), "media type"),
    "a page": (document, Reply(200, (("Content-Type", "text/html"),), b"<p>"), "a web page"),
    "a page as JSON": (catalog, of(b"<!DOCTYPE html><html>"), "a web page"),
    "200 for an upload": (upload, of({}), "POST /v2/a/blobs/uploads/ with status 200"),
    "204 for a manifest": (put, Reply(204), "PUT /v2/a/manifests/1 with status 204"),
    "205 for a mount": (mount, Reply(205), "POST /v2/a/blobs/uploads/ with status 205"),
    "no Location": (upload, Reply(202), "no Location"),
    "no Location of a mount": (mount, Reply(202), "no Location"),
    "filed as another": (
        put,
        Reply(201, (("Docker-Content-Digest", DIGEST),)),
        "the digest of something else",
    ),
    "a manifest of 5 MiB": (document, of(b" " * (5 << 20)), "more than the 4 MiB"),
    "a list of 9 MiB": (catalog, of(b" " * (9 << 20)), "more than the 8 MiB"),
    "packed": (
        document,
        of(gzip.compress(bytes(1 << 20)), ("Content-Encoding", "gzip")),
        "a packed body .Content-Encoding: gzip., which was not asked for",
    ),
    "packed twice": (
        catalog,
        of(b"x", ("Content-Encoding", "gzip, br")),
        "a packed body",
    ),
    "a Link that is none": (catalog, of({"repositories": []}, ("Link", "next")), "a Link that is"),
    "a Link elsewhere": (
        tags,
        of({"tags": []}, ("Link", '<http://x/admin>; rel="next"')),
        "a Link that leads elsewhere",
    ),
    "a Link to itself": (
        catalog,
        of({"repositories": ["a"]}, ("Link", '</v2/_catalog?n=500>; rel="next"')),
        "a list without end",
    ),
    "round and round": (
        lambda client: client.site_id(),
        Reply(302, (("Location", "/v2/"),)),
        "a way that leads nowhere .answered 302",
    ),
    "to a file": (
        lambda client: client.site_id(),
        Reply(302, (("Location", "file:///etc/passwd"),)),
        "a Location that is none",
    ),
    "no HTTP": (catalog, raw("SSH-2.0-OpenSSH_9.2\r\n"), "something that is no HTTP"),
    "HTTP/2": (catalog, raw("HTTP/2.0 200 OK\r\n\r\n"), "something that is no HTTP"),
    "interim for ever": (
        catalog,
        raw("HTTP/1.1 100 Continue\r\n\r\n" * 60),
        "one interim answer after another",
    ),
    "a flood of headers": (
        catalog,
        raw("HTTP/1.1 200 OK\r\n" + "X-Y: z\r\n" * 500 + "\r\n"),
        "no HTTP .*headers",
    ),
    "a large head": (
        catalog,
        raw("HTTP/1.1 200 OK\r\n" + f"X-Y: {'z' * 60_000}\r\n" * 50 + "\r\n"),
        "more than 512 KiB",
    ),
    "a long header": (
        catalog,
        raw(f"HTTP/1.1 200 OK\r\nX-Y: {'z' * 70_000}\r\n\r\n"),
        "no HTTP",
    ),
    "pieces without size": (
        catalog,
        raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"),
        "a piece without a size",
    ),
    "a piece of size -1": (
        catalog,
        raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n" + "x" * 9000),
        "a piece without a size",
    ),
    "trailers for ever": (
        catalog,
        raw(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
            + "X: y\r\n" * 9000
        ),
        "headers behind its end, without end",
    ),
}


@pytest.mark.parametrize(("ask", "reply", "words"), SHAPES.values(), ids=SHAPES)
def test_an_answer_that_is_none(ask: Ask, reply: Reply, words: str) -> None:
    with answering(reply) as client:
        with pytest.raises(RegistryOddAnswer, match=words) as caught:
            ask(client)
        assert client.address in caught.value.what
    assert ("E-REG-ANSWER", False) == (caught.value.code, caught.value.transient)
    assert "privateRegistryBase" in caught.value.remedy
    assert caught.value.what == printable(caught.value.what)


def test_a_page_that_comes_again_and_again() -> None:
    def early(asked: Asked) -> Reply:
        number = asked.number
        return of({"tags": []}, ("Link", f'</v2/a/tags/list?last={number}>; rel="next"'))

    with answering(early) as client, pytest.raises(RegistryOddAnswer, match="without end"):
        client.tags("a")


def test_pages_of_tags_are_read_to_the_last() -> None:
    def early(asked: Asked) -> Reply:
        last = int(asked.path.partition("last=")[2] or 0)
        more = [("Link", f'<http://inner:1/v2/a/tags/list?last={last + 1}>; rel="next"')]
        return of({"tags": [f"v{last}"]}, *(more if last < 30 else []))

    with answering(early) as client:
        assert sorted(f"v{n}" for n in range(31)) == client.tags("a")


def test_what_registries_may_leave_out() -> None:
    """Docker's headers are not in OCI's specification; Go writes an empty list as null."""
    manifest = b"{}"
    replies = {
        "/v2/": of(b"{}"),
        "/v2/_catalog": of({"repositories": None}),
        "/v2/a/tags/list": of({"name": "a", "tags": None}),
        "/v2/a/manifests/1": Reply(200, OK, manifest),
    }
    with answering(lambda asked: replies[asked.path.partition("?")[0]]) as client:
        assert ("", [], []) == (client.site_id(), catalog(client), tags(client))
        assert digest_of(manifest) == filed(client)


def test_interim_answers_are_passed_over() -> None:
    text = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 2
    body = '{"tags":["1"]}'
    text += f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    with answering(raw(text)) as client:
        assert ["1"] == tags(client)


@pytest.mark.parametrize("head", ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"])
def test_an_answer_that_drips(monkeypatch: pytest.MonkeyPatch, head: str) -> None:
    """Bytes come all the time, but the answer never does."""
    monkeypatch.setattr(bounded, "SPARE_S", 0.2)
    drip = Reply(0, raw=(head or "HTTP/1.1 200 OK").encode() + b" " * 9000, drip_s=0.02)
    with answering(drip) as client, pytest.raises(RegistryStalled, match="to the end of its answe"):
        document(client)


def test_a_small_packed_answer_takes_no_room() -> None:
    """A few MB of gzip became gigabytes."""
    bomb = gzip.compress(bytes(256 << 20), 9)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with answering(of(bomb, ("Content-Encoding", "gzip"))) as client:
        for ask in (catalog, tags, document, lambda client: list(client.blob("a", DIGEST))):
            with pytest.raises(RegistryOddAnswer, match="a packed body"):
                ask(client)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10 < 64 << 20


def test_more_of_a_blob_than_there_is() -> None:
    with (
        answering(of(b"x" * 5000)) as client,
        pytest.raises(RegistryOddAnswer, match="more than the 100 bytes"),
    ):
        list(client.blob("a", DIGEST, 100))


def test_a_body_behind_an_answer_without_one() -> None:
    """The next answer on that line is not taken from it."""
    text = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    with answering(Reply(0, raw=text, stays=True)) as client:
        assert [5, 5] == [size(client), size(client)]


def token_answers() -> Mapping[str, tuple[Reply, str]]:
    """Return what token servers must not say, and the words for it."""
    return {
        "no JSON": (of(b"hi"), "no JSON"),
        "a list": (of([]), "a list where an object should be"),
        "deep": (of(DEEP), "nested too deep"),
        "no token": (of({}), "no token"),
        "a number": (of({"token": 5}), "a token that is none"),
        "an object": (of({"access_token": {"a": 1}}), "a token that is none"),
        "a token with a line": (of({"token": "a\r\nX: y"}), "a token that is none"),
        "for ever": (of(b'{"token":"a","expires_in":1e999}'), "a lifetime that cannot be"),
        "NaN": (of(b'{"token":"a","expires_in":NaN}'), "a lifetime that cannot be"),
        "before": (of({"token": "a", "expires_in": -5}), "a lifetime that cannot be"),
        "in words": (of({"token": "a", "expires_in": "an hour"}), "a lifetime that is none"),
        "a lifetime as a list": (of({"token": "a", "expires_in": [1]}), "a lifetime that is a lis"),
        "a page": (Reply(200, (("Content-Type", "text/html"),), b"<p>"), "a web page"),
        "packed": (of(b"x", ("Content-Encoding", "gzip")), "a packed body"),
        "too much": (of(b" " * (2 << 20)), "more than the 1 MiB"),
        "elsewhere": (Reply(302, (("Location", "https://x/"),)), "a way that leads nowhere"),
        "nothing": (Reply(204), "status 204"),
    }


@pytest.mark.parametrize(("reply", "words"), token_answers().values(), ids=token_answers())
def test_what_a_token_server_must_not_say(reply: Reply, words: str) -> None:
    with odd_front(Front("", early=lambda _asked: reply)) as tokens:
        realm = f'Bearer realm="http://{tokens.address}/token",service="s"'
        with (
            answering(Reply(401, (("WWW-Authenticate", realm),))) as client,
            pytest.raises(RegistryError, match=words) as caught,
        ):
            client.site_id()
    assert f"(its token server http://{tokens.address})" in caught.value.what
    assert RegistryOddAnswer is type(caught.value)


@pytest.mark.parametrize(
    "challenge",
    [
        "",
        'Bearer realm="http://["',
        'Bearer realm="http://a b/"',
        'Bearer realm="http://a:99999/"',
        'Bearer realm="/token"',
        'Bearer realm="' + "x" * 60_000,
        'Bearer realm="\\',
        "Bearer " + 'a="\\"' * 10_000,
        ',=,=,;;""',
        "Negotiate",
    ],
)
def test_challenges_that_are_none(challenge: str) -> None:
    login = RegistryLogin("u", "p", source="typed")
    reply = Reply(401, (("WWW-Authenticate", challenge),))
    for known in (login, NO_REGISTRY_LOGIN):
        with (
            odd_front(Front("", early=lambda _asked: reply)) as front,
            closing(RegistryClient(front.address, login=lambda known=known: known)) as client,  # type: ignore[misc]
            pytest.raises(RegistryError),
        ):
            client.site_id()


ODD_MANIFESTS = [
    b"[]",
    b'{"layers":7}',
    b'{"layers":[null]}',
    b'{"config":[],"layers":[{"digest":"sha256:x","size":1}]}',
    b'{"layers":[{"digest":"' + DIGEST.encode() + b'","size":1e999}]}',
    b'{"layers":[{"digest":"' + DIGEST.encode() + b'","size":true}]}',
    b'{"layers":[{"digest":"' + DIGEST.encode() + b'","size":' + b"9" * 400 + b"}]}",
    b'{"manifests":[{"digest":"../../x","size":1}]}',
    b'{"manifests":{"a":1}}',
    b'{"manifests":' + DEEP[:100_000],
    '{"layers":[]}'.encode("utf-16"),
    b"\xff\xfe",
]


@pytest.mark.parametrize("manifest", ODD_MANIFESTS)
def test_manifests_that_are_none_are_listed_as_that(manifest: bytes) -> None:
    fake = FakeRegistry(repositories={"a": set()})
    with fake_registry(fake), closing(RegistryClient(fake.address)) as client:
        for reference in ("1", digest_of(manifest)):
            fake.manifests[f"/v2/a/manifests/{reference}"] = ("application/json", manifest)
        (held,) = read_holdings(client)
        scan = ScanElsewhere(client, lambda: None).run(lambda _done, _total: None)
    assert ("a:1", digest_of(manifest)) == (held.name, held.digest)
    assert held.size_bytes < 1 << 51
    assert scan.images == 1


def test_nobody_answers_where_one_did() -> None:
    with (
        answering(raw("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}")) as client,
        pytest.raises(RegistryUnreachable, match="in the middle of its answer"),
    ):
        document(client)

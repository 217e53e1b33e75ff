"""Logging in to a registry: real ones that ask for a password or for a token server's tokens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
import urllib3

from core.errors import (
    RegistryDenied,
    RegistryError,
    RegistryFull,
    RegistryLoginNeeded,
    RegistryLoginRefused,
    RegistryProjectMissing,
    RegistryReadOnly,
    RegistryTlsWrong,
    RegistryTokenExpired,
    RegistryUnreachable,
)
from core.registry.api.challenge import Challenge, challenges_in
from core.registry.api.client import RegistryClient
from core.secrets import NO_REGISTRY_LOGIN, RegistryLogin
from tests.support.archives import digest_of, docker_archive, sample_images
from tests.support.certificates import Authority, make_authority
from tests.support.fakeregistry import FakeRegistry, fake_registry
from tests.support.importing import Importer
from tests.support.logins import PASSWORD, USER, TokenServer, htpasswd, token_server
from tests.support.registry import RunningRegistry, running_registry
from tests.support.waiting import until

LOGIN = RegistryLogin(USER, PASSWORD, source="as it was typed")
WRONG = RegistryLogin(USER, "wrong-9Zk", source="as it was typed")
BOTH = "pull,push"
Open = Callable[..., RegistryClient]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (['Basic realm="a, \\"b\\""'], [Challenge("basic", {"realm": 'a, "b"'})]),
        (
            ['Bearer realm="https://t/token",service="s",scope="repository:a/b:pull,push"'],
            [
                Challenge(
                    "bearer",
                    {
                        "realm": "https://t/token",
                        "service": "s",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        (
            ["Negotiate, BASIC realm=x , charset=UTF-8", "Bearer realm=y"],
            [
                Challenge("negotiate"),
                Challenge("basic", {"realm": "x", "charset": "UTF-8"}),
                Challenge("bearer", {"realm": "y"}),
            ],
        ),
        ([""], []),
        (['realm="of nothing"'], []),
    ],
)
def test_challenges(headers: list[str], expected: list[Challenge]) -> None:
    assert expected == challenges_in(headers)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return make_authority(tmp_path)


@pytest.fixture
def tokens(authority: Authority) -> Iterator[TokenServer]:
    """A token server in front of nothing yet."""
    with token_server(TokenServer(authority.issue("127.0.0.1"))) as server:
        yield server


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def open_client(opened: ExitStack, authority: Authority) -> Open:
    """Open clients of a registry, closed at the end."""

    def make(
        address: str, login: RegistryLogin = NO_REGISTRY_LOGIN, **how: object
    ) -> RegistryClient:
        settings = {"insecure": False, "ca": authority.path, "theirs": True, **how}
        client = RegistryClient(address, login=lambda: login, **settings)  # type: ignore[arg-type]
        opened.callback(client.close)
        return client

    return make


@pytest.fixture
def by_password(
    registry_program: None,  # noqa: ARG001
    opened: ExitStack,
    authority: Authority,
    storage: Path,
) -> RunningRegistry:
    """A registry with TLS that asks for name and password."""
    certificate, auth = authority.issue("127.0.0.1"), htpasswd(storage)
    return opened.enter_context(running_registry(storage, "127.0.0.1", certificate, auth))


@pytest.fixture
def by_token(
    registry_program: None,  # noqa: ARG001
    opened: ExitStack,
    authority: Authority,
    storage: Path,
    tokens: TokenServer,
) -> RunningRegistry:
    """A registry with TLS that wants tokens."""
    certificate, auth = authority.issue("127.0.0.1"), tokens.settings()
    return opened.enter_context(running_registry(storage, "127.0.0.1", certificate, auth))


@pytest.mark.programs
@pytest.mark.parametrize("kind", ["by_password", "by_token"])
def test_an_import_with_a_login(
    kind: str, request: pytest.FixtureRequest, open_client: Open, tmp_path: Path
) -> None:
    registry: RunningRegistry = request.getfixturevalue(kind)
    client = open_client(registry.address, LOGIN, prefix="site/images")
    client.site_id()
    client.require_rights("airferry/stage", push=True)
    Importer(client, tmp_path).put(docker_archive(sample_images()))
    assert "pause" in set(client.repositories())
    assert ["3.5", "latest"] == client.tags("pause")
    assert LOGIN == client.login()


@pytest.mark.programs
@pytest.mark.parametrize("kind", ["by_password", "by_token"])
def test_without_a_login_and_with_a_wrong_one(
    kind: str, request: pytest.FixtureRequest, open_client: Open
) -> None:
    address = request.getfixturevalue(kind).address
    with pytest.raises(RegistryLoginNeeded, match="asks for a login") as needed:
        open_client(address).require_rights("x", push=True)
    assert "AIRFERRY_REGISTRY_PASSWORD" in needed.value.remedy
    client = open_client(address, WRONG)
    for _ in range(3):
        with pytest.raises(RegistryLoginRefused, match="does not take the login of carrier") as no:
            client.site_id()
        assert WRONG.password not in f"{no.value.what}{no.value.remedy}"


def test_a_wrong_password_is_sent_once(
    by_token: RunningRegistry, tokens: TokenServer, open_client: Open
) -> None:
    client = open_client(by_token.address, WRONG)
    for _ in range(3):
        with pytest.raises(RegistryLoginRefused):
            client.blob_size("a/b", digest_of(b""))
    assert [USER] == tokens.refused


def test_one_token_serves_a_repository(
    by_token: RunningRegistry, tokens: TokenServer, open_client: Open
) -> None:
    client = open_client(by_token.address, LOGIN, prefix="p")
    for data in (b"1", b"2", b"3"):
        client.upload_bytes("a/b", data)
    assert client.mount("c", digest_of(b"1"), "a/b")
    wanted = [f"repository:p/a/b:{BOTH}", f"repository:p/c:{BOTH} repository:p/a/b:pull"]
    assert wanted == tokens.issued


def test_an_identity_token_instead_of_a_password(
    by_token: RunningRegistry, tokens: TokenServer, open_client: Open
) -> None:
    tokens.identity_tokens[USER] = "identity-1"
    login = RegistryLogin(identity_token="identity-1", source="x")  # noqa: S106 - a test's
    assert digest_of(b"1") == open_client(by_token.address, login).upload_bytes("a", b"1")
    wrong = RegistryLogin(identity_token="identity-2", source="x")  # noqa: S106 - a test's
    with pytest.raises(RegistryLoginRefused, match="the identity token"):
        open_client(by_token.address, wrong).upload_bytes("a", b"2")


def test_who_may_pull_only_is_told_so(
    by_token: RunningRegistry, tokens: TokenServer, open_client: Open
) -> None:
    tokens.grant = lambda user, kind, _: {"pull"} if user and kind == "repository" else set()
    client = open_client(by_token.address, LOGIN)
    client.require_rights("a/b", push=False)
    with pytest.raises(RegistryDenied, match="does not let carrier push to a/b"):
        client.require_rights("a/b", push=True)
    with pytest.raises(RegistryDenied, match="does not let carrier list what it holds"):
        list(client.repositories())


def test_a_token_that_ends_in_the_middle_of_an_upload(
    by_token: RunningRegistry, tokens: TokenServer, authority: Authority, open_client: Open
) -> None:
    """The upload was begun with it; ending the upload takes another."""
    tokens.lifetime_s, tokens.strict = 12, True
    client = open_client(by_token.address, LOGIN)
    with urllib3.PoolManager(ca_certs=str(authority.path)) as pool:

        def is_over(token: str) -> bool:
            url = f"https://{by_token.address}/v2/a/tags/list"
            answer = pool.request("GET", url, headers={"Authorization": f"Bearer {token}"})
            return answer.status == 401

        def pieces() -> Iterator[bytes]:
            yield b"first "
            later = tokens.token(USER, [f"repository:a:{BOTH}"])
            until(lambda: is_over(later), "the token ends")
            yield b"second"

        client.upload_stream("a", pieces(), lambda: digest_of(b"first second"))
    assert 12 == client.blob_size("a", digest_of(b"first second"))


def test_a_registry_that_forgets_a_token_gets_a_new_one_but_no_body_twice(
    opened: ExitStack, open_client: Open, tokens: TokenServer
) -> None:
    """A fake: CNCF distribution takes a token until it ends."""
    fake = FakeRegistry()
    asked: list[str] = []

    def fault(method: str, _: str) -> tuple[int, bytes] | None:
        asked.append(method)
        first = method not in asked[:-1]
        return (401, b"") if first and method in ("HEAD", "PATCH") else None

    fake.fault = fault
    fake.challenge = f'Bearer realm="{tokens.realm}",service="s"'
    address = opened.enter_context(fake_registry(fake)).address
    client = open_client(address, LOGIN, insecure=True)
    assert None is client.blob_size("a", digest_of(b""))
    with pytest.raises(RegistryTokenExpired):
        client.upload_stream("a", [b"1"], lambda: digest_of(b"1"))
    assert ["HEAD", "HEAD", "POST", "PATCH", "DELETE"] == asked
    assert None is client.blob_size("a", digest_of(b""))
    assert 2 == len([scope for scope in tokens.issued if scope.endswith(BOTH)])


class _Heard(BaseHTTPRequestHandler):
    """A fake: asks for a password, and has its blobs and uploads with another server."""

    elsewhere = ""
    heard: ClassVar[list[tuple[str, bool]]] = []

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        here, knows = bool(self.elsewhere), "Authorization" in self.headers
        self.heard.append((f"{'front' if here else 'behind'} {self.command}", knows))
        self.send_response(self._status(here, knows))
        if here and not knows:
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.send_header("Location", f"http://{self.elsewhere}{self.path}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_PUT = do_GET  # noqa: N815 - names of the protocol

    def _status(self, here: bool, knows: bool) -> int:
        if here and not knows:
            return 401
        return 202 if self.command == "POST" else 307 if here else 201 - (self.command == "GET")


def test_another_machine_never_gets_the_login(opened: ExitStack, open_client: Open) -> None:
    def served(**own: object) -> str:
        handler = type("Handler", (_Heard,), own)
        server = HTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        opened.callback(thread.join)
        opened.callback(server.server_close)
        opened.callback(server.shutdown)
        return f"127.0.0.1:{server.server_port}"

    heard: list[tuple[str, bool]] = []
    front = served(elsewhere=served(heard=heard), heard=heard)
    client = open_client(front, LOGIN, insecure=True)
    assert [] == list(client.blob("a", digest_of(b"")))
    client._finish_upload(client._start_upload("a"), digest_of(b""))
    expected = [("front GET", False), ("front GET", True), ("behind GET", False)]
    assert [*expected, ("front POST", True), ("behind PUT", False)] == heard


def test_no_password_is_sent_without_tls(opened: ExitStack, open_client: Open) -> None:
    """A fake: what stands there as its token server is never asked."""
    fake = FakeRegistry()
    fake.fault = lambda *_: (401, b"")
    fake.challenge = 'Bearer realm="ftp://tokens.example/token",service="s"'
    address = opened.enter_context(fake_registry(fake)).address
    client = open_client(address, LOGIN, insecure=True)
    with pytest.raises(RegistryError, match=r"sent to ftp://tokens\.example/, without TLS"):
        client.site_id()


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (
            404,
            b'{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known"}]}',
            "NAME_UNKNOWN",
        ),
        (
            404,
            b'{"errors":[{"code":"NOT_FOUND","message":"project site not found"}]}',
            "project site not found",
        ),
        (403, b'{"errors":[{"code":"DENIED","message":"project site does not exist"}]}', "DENIED"),
    ],
)
def test_a_registry_that_wants_the_project_made_first(
    opened: ExitStack, open_client: Open, status: int, body: bytes, words: str
) -> None:
    """A fake, with answers of ECR, Harbor and the like: CNCF distribution makes what is pushed."""
    fake = FakeRegistry()
    fake.fault = lambda method, _: (status, body) if method == "POST" else None
    address = opened.enter_context(fake_registry(fake)).address
    with pytest.raises(RegistryProjectMissing, match=words) as missing:
        open_client(address, insecure=True, prefix="site").require_rights("a", push=True)
    assert "'site/a'" in missing.value.remedy


def test_a_read_only_registry(by_password: RunningRegistry, open_client: Open) -> None:
    by_password.stop()
    by_password.read_only = True
    by_password.start()
    client = open_client(by_password.address, LOGIN)
    client.site_id()
    client.require_rights("a", push=False)
    with pytest.raises(RegistryReadOnly, match="read-only"):
        client.require_rights("a", push=True)


@pytest.mark.parametrize(
    ("name", "until_days", "own_ca", "words"),
    [
        ("127.0.0.1", 2, False, "a CA that is not known here"),
        ("127.0.0.1", -1, True, "has expired"),
        ("127.0.0.1", 20, True, "not valid yet"),
        ("registry.example", 2, True, "for another name"),
    ],
)
def test_what_is_wrong_with_a_certificate(
    registry_program: None,  # noqa: ARG001
    opened: ExitStack,
    authority: Authority,
    storage: Path,
    open_client: Open,
    name: str,
    until_days: int,
    own_ca: bool,
    words: str,
) -> None:
    certificate = authority.issue(name, until_days=until_days)
    registry = opened.enter_context(running_registry(storage, "127.0.0.1", certificate))
    ca = authority.path if own_ca else make_authority(storage, "other").path
    with pytest.raises(RegistryTlsWrong, match=words):
        open_client(registry.address, ca=ca).site_id()


def test_a_token_server_that_refuses_too_much(
    by_token: RunningRegistry, tokens: TokenServer, open_client: Open
) -> None:
    """It says 401 to a login that it has just taken; the login is good for other things still."""
    client = open_client(by_token.address, LOGIN)
    client.site_id()
    tokens.users[USER] = "changed"
    with pytest.raises(RegistryDenied, match="does not let carrier use repository:a:pull,push"):
        client.blob_size("a", digest_of(b""))
    tokens.users[USER] = PASSWORD
    assert None is client.blob_size("a", digest_of(b""))


@pytest.mark.parametrize("theirs", [False, True])
def test_a_full_registry_names_who_is_to_make_room(
    opened: ExitStack, open_client: Open, theirs: bool
) -> None:
    """A fake, with Harbor's answer; the real one's is in test_import_room."""
    said = b'{"errors":[{"code":"DENIED","message":"adding 1 MiB exceeds configured quota"}]}'
    fake = FakeRegistry(fault=lambda method, _: (403, said) if method == "POST" else None)
    address = opened.enter_context(fake_registry(fake)).address
    with pytest.raises(RegistryFull) as caught:
        open_client(address, insecure=True, theirs=theirs).require_rights("a", push=True)
    assert theirs == ("quota" in caught.value.remedy)


def test_a_name_that_nobody_knows(open_client: Open) -> None:
    with pytest.raises(RegistryUnreachable, match="does not answer") as caught:
        open_client("no-such-name.invalid:5000").site_id()
    assert "privateRegistryBase, or this machine's name service" in caught.value.remedy
    with pytest.raises(RegistryUnreachable) as caught:
        open_client("127.0.0.1:9").site_id()
    assert "privateRegistryBase" in caught.value.remedy
    assert "airferry registry start" not in caught.value.remedy


def test_tls_where_there_is_none_and_none_where_there_is(
    by_password: RunningRegistry, address: str, open_client: Open
) -> None:
    with pytest.raises(RegistryTlsWrong, match="speaks plain HTTP") as plain:
        open_client(address).site_id()
    assert "privateRegistryInsecure" in plain.value.remedy
    with pytest.raises(RegistryTlsWrong, match="speaks TLS, and was asked by plain HTTP"):
        open_client(by_password.address, insecure=True).site_id()

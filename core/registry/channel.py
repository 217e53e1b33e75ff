"""Requests to one registry: with the login that it asks for, and to nobody else with it."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import urllib3

from core.errors import RegistryTokenExpired
from core.registry.answers import STALL_TIMEOUT_S, Where
from core.registry.auth import Authorizer, Scopes
from core.registry.lines import Lines
from core.secrets import NO_REGISTRY_LOGIN, RegistryLogin

CONNECTIONS = 8
CATALOG = "/v2/_catalog"
_REPOSITORY = re.compile(r"/v2/(.+)/(?:blobs/uploads/[^/]*|(?:blobs|manifests)/[^/]+|tags/list)")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 3
# As token servers write it. Looking and writing share a token: both are asked in turns.
_WRITING, _DELETING = "pull,push", "delete"


class Channel:
    """The way to one registry; used by several threads at once.

    Args:
        where: The registry.
        login: Returns what there is to log in with.
        insecure: Speak plain HTTP.
        ca: Certificate authority of the site, for TLS.
    """

    def __init__(
        self,
        where: Where,
        login: Callable[[], RegistryLogin],
        *,
        insecure: bool,
        ca: Path | None,
    ) -> None:
        self._where = where
        self._address = where.address
        self._auth = Authorizer(where.address, login, self._ask_token_server, insecure=insecure)
        self._root = f"{'http' if insecure else 'https'}://{where.address}"
        self._lines = Lines()
        self._pool = urllib3.PoolManager(
            num_pools=2,
            maxsize=CONNECTIONS,
            retries=False,
            timeout=urllib3.Timeout(connect=STALL_TIMEOUT_S, read=STALL_TIMEOUT_S),
            ca_certs=str(ca) if ca else None,
            ssl_minimum_version=ssl.TLSVersion.TLSv1_2,
        )
        self._pool.pool_classes_by_scheme = self._lines.pools()

    def ended_by(self, stop: threading.Event) -> AbstractContextManager[None]:
        """Cut the connections when `stop` is set and what goes on inside does not end by itself."""
        return self._lines.ended_by(stop)

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()

    def login(self) -> RegistryLogin | None:
        """Return the login that is used; None if none was asked for so far, or none is needed.

        Raises:
            RegistryLoginNeeded: there is a password without a name.
        """
        login = self._auth.login if self._auth.is_wanted else NO_REGISTRY_LOGIN
        return login if login.is_there else None

    def send(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        preload: bool = True,
        once: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        """Send a request with the login that the registry asks for, and follow where it points.

        Args:
            method: The method.
            path: The path, or a place that the registry named.
            body: What is sent.
            headers: More headers.
            preload: Read the whole answer.
            once: The body cannot be sent a second time.

        Raises:
            RegistryError: no line, or the login is refused.
        """
        url, scopes, words = self._url(path), _scopes(method, path), _in_words(method, path)
        is_ours = self._is_ours(url)
        for again in (False, True):
            sent = self._auth.header(scopes, for_upload=once) if is_ours else ""
            answer = self._request(method, url, body, headers, sent, preload=preload)
            if answer.status != 401 or not is_ours:
                break
            if not preload:
                answer.close()
            challenge = answer.headers.getlist("WWW-Authenticate")
            self._auth.challenged(challenge, sent, words, again=again)
            if once:
                raise RegistryTokenExpired(
                    f"the registry {self._address} did not take the login while it was being sent "
                    "an image"
                )
        if sent:
            self._auth.taken()
        return self._followed(method, url, answer, headers, preload=preload)

    def _request(
        self,
        method: str,
        url: str,
        body: bytes | Iterable[bytes] | None,
        headers: Mapping[str, str] | None,
        login: str = "",
        *,
        preload: bool,
    ) -> urllib3.BaseHTTPResponse:
        own = {"Authorization": login} if login else {}
        with self._where.translated():
            return self._pool.request(
                method,
                url,
                body=body,
                headers={**(headers or {}), **own},
                preload_content=preload,
                redirect=False,
            )

    def _followed(
        self,
        method: str,
        url: str,
        answer: urllib3.BaseHTTPResponse,
        headers: Mapping[str, str] | None,
        *,
        preload: bool,
    ) -> urllib3.BaseHTTPResponse:
        """Follow to where a blob is really stored; no other machine gets the login."""
        for _ in range(_MOST_REDIRECTS):
            place = answer.headers.get("Location", "")
            if method not in ("GET", "HEAD") or answer.status not in _REDIRECTS or not place:
                break
            if not preload:
                answer.drain_conn()
            asked, url = urlsplit(url), urljoin(url, place)
            if asked.scheme == "http" and url == asked._replace(scheme="https").geturl():
                raise self._where.wants_tls()
            answer = self._request(method, url, None, headers, preload=preload)
        return answer

    def _is_ours(self, url: str) -> bool:
        asked, root = urlsplit(url), urlsplit(self._root)
        return (asked.scheme, asked.netloc) == (root.scheme, root.netloc)

    def _ask_token_server(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str]
    ) -> urllib3.BaseHTTPResponse:
        with Where(f"{self._address} (its token server {urlsplit(url).netloc})", True).translated():
            return self._pool.request(method, url, body=body, headers=headers, redirect=False)

    def _url(self, path: str) -> str:
        """Return the address of a path, or of a place that the registry itself named.

        A registry behind a proxy that ends TLS may name itself with `http`, and without its port:
        it is asked as it is in the config.
        """
        url, root = urlsplit(urljoin(self._root, path)), urlsplit(self._root)
        behind_proxy = url.scheme == "http" and url.netloc == root.hostname
        if url.netloc == root.netloc or behind_proxy:
            url = url._replace(scheme=root.scheme, netloc=root.netloc)
        return url.geturl()


def _scopes(method: str, path: str) -> Scopes:
    """Return what a request needs, as token servers write it."""
    where = urlsplit(path)
    if where.path == CATALOG:
        return ("registry:catalog:*",)
    found = _REPOSITORY.fullmatch(where.path)
    if not found:
        return ()
    actions = _DELETING if method == "DELETE" else _WRITING
    sources = parse_qs(where.query).get("from", [])
    return (
        f"repository:{found[1]}:{actions}",
        *(f"repository:{source}:pull" for source in sources),
    )


def _in_words(method: str, path: str) -> str:
    """Return what a request asks for, for who is not allowed to."""
    where = urlsplit(path).path
    if where == CATALOG:
        return "list what it holds"
    found = _REPOSITORY.fullmatch(where)
    verb = {"GET": "pull from", "HEAD": "pull from", "DELETE": "delete in"}.get(method, "push to")
    return f"{verb} {found[1]}" if found else "in"

"""Requests to one registry: with the login that it asks for, and to nobody else with it."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import urllib3

from core.errors import RegistryError, RegistryTokenExpired
from core.registry.api.auth import Authorizer, Scopes
from core.registry.api.connections import Lines
from core.registry.api.http_errors import STALL_TIMEOUT_S, Where, in_words, server_of
from core.registry.api.pacing import TOO_FAST, Pace, pause_of
from core.registry.api.registry_errors import Refused, is_page
from core.registry.api.response import MOST_BYTES, Answer, pieces_of, received
from core.secrets import NO_REGISTRY_LOGIN, RegistryLogin

CONNECTIONS = 8
CATALOG = "/v2/_catalog"
_REPOSITORY = re.compile(r"/v2/(.+)/(?:blobs/uploads/[^/]*|(?:blobs|manifests)/[^/]+|tags/list)")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 3
_MOST_LOCATION = 8 << 10
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f]")
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
        self._pace, self._token_pace = Pace(self._lines.go_on), Pace(self._lines.go_on)
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
        most_bytes: int = MOST_BYTES,
        once: bool = False,
    ) -> Answer:
        """Send a request with the login that the registry asks for, and follow where it points.

        Args:
            method: The method.
            path: The path, or a place that the registry named.
            body: What is sent.
            headers: More headers.
            most_bytes: How large the answer may be.
            once: The body cannot be sent a second time.

        Raises:
            RegistryError: no line, the login is refused, or what comes is no answer.
        """
        asked = in_words(method, path)
        response = self._answered(method, path, body, headers, once=once)
        answer = self._received(response, most_bytes, asked)
        if answer.status < 300 and is_page(answer.headers.get("Content-Type", ""), answer.data):
            raise self._where.is_page(asked)
        return answer

    def stream(self, path: str, most_bytes: int | None) -> Iterator[bytes]:
        """Yield what is at a path, piece by piece.

        Args:
            path: The path.
            most_bytes: How large it may be; None if nobody knows.

        Raises:
            RegistryError: as for `send`; or it is not there, or the line breaks.
        """
        asked = in_words("GET", path)
        response = self._answered("GET", path, None, None, once=False)
        if response.status != 200:
            raise self.refusal("GET", path, self._received(response, MOST_BYTES, asked))
        if is_page(response.headers.get("Content-Type", "")):
            response.close()
            raise self._where.is_page(asked)
        with self._where.translated(asked):
            yield from pieces_of(response, most_bytes, partial(self._where.odd, asked))

    def refusal(self, method: str, path: str, answer: Answer) -> RegistryError:
        """Return the error for an answer that is not what was asked for."""
        refused = Refused(self._where, method, path, answer.status, answer.data, answer.headers)
        return refused.error()

    def place(self, method: str, path: str, answer: Answer) -> str:
        """Return the place that an answer names, as it is to be asked from here.

        Args:
            method: What was asked.
            path: Of what.
            answer: What came.

        Raises:
            RegistryError: it names none, or one that must not be asked.
        """
        named = answer.headers.get("Location", "")
        asked = in_words(method, path)
        if not named:
            raise self._where.odd(asked, "no Location")
        url = self._url(self._checked(self._url(path), named, asked))
        if urlsplit(self._root).scheme == "https" and url.startswith("http:"):
            raise self._where.elsewhere(url, "is without TLS; nothing was sent there")
        return url.removeprefix(self._root) if self._is_ours(url) else url

    def _answered(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None,
        headers: Mapping[str, str] | None,
        *,
        once: bool,
    ) -> urllib3.BaseHTTPResponse:
        """Send a request, log in for it if need be, and wait where it is told to come again."""
        url, scopes, words = self._url(path), _scopes(method, path), _in_words(method, path)
        asked, is_ours = in_words(method, path), self._is_ours(self._url(path))
        for again in (False, True):
            sent = self._auth.header(scopes, for_upload=once) if is_ours else ""
            ask = partial(self._request, method, url, body, headers, sent)
            response = self._paced(self._pace, ask, once=once)
            if response.status != 401 or not is_ours:
                break
            challenge = self._received(response, MOST_BYTES, asked).headers
            self._auth.challenged(challenge.getlist("WWW-Authenticate"), sent, words, again=again)
            if once:
                raise RegistryTokenExpired(
                    f"the registry {self._address} did not take the login while it was being sent "
                    "an image"
                )
        if sent:
            self._auth.taken()
        return self._followed(method, url, response, headers)

    def _paced(
        self,
        pace: Pace,
        ask: Callable[[], urllib3.BaseHTTPResponse],
        *,
        once: bool,
    ) -> urllib3.BaseHTTPResponse:
        """Send a request in its turn, and again where the registry says that it is asked too fast.

        Args:
            pace: The pace of who is asked.
            ask: Sends it.
            once: It cannot be sent again: the pace is slowed down, and the refusal returned.
        """
        number, waited_s = 0, 0.0
        while True:
            pace.wait()
            response = ask()
            pause_s = pause_of(response.status, response.headers, number, waited_s)
            if pause_s is None:
                if response.status not in TOO_FAST:
                    pace.taken()
                return response
            pace.refused(pause_s)
            if once:
                return response
            number, waited_s = number + 1, waited_s + pause_s
            with suppress(RegistryError):
                self._received(response, MOST_BYTES, "")  # gives the line back

    def _received(self, response: urllib3.BaseHTTPResponse, most_bytes: int, asked: str) -> Answer:
        with self._where.translated(asked):
            return received(response, most_bytes, partial(self._where.odd, asked))

    def _request(
        self,
        method: str,
        url: str,
        body: bytes | Iterable[bytes] | None,
        headers: Mapping[str, str] | None,
        login: str = "",
    ) -> urllib3.BaseHTTPResponse:
        own = {"Authorization": login} if login else {}
        with self._where.translated(in_words(method, url.removeprefix(self._root))):
            try:
                return self._sent(method, url, body, {**(headers or {}), **own})
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if self._is_ours(url):
                    raise
                reason = _ERRNO.sub("", str(error.__cause__ or error).rpartition(": ")[2])
                raise self._where.elsewhere(url, f"is not reached: {reason}") from error

    def _sent(
        self,
        method: str,
        url: str,
        body: bytes | Iterable[bytes] | None,
        headers: Mapping[str, str],
    ) -> urllib3.BaseHTTPResponse:
        return self._pool.request(
            method,
            url,
            body=body,
            headers={**headers, "Accept-Encoding": "identity"},
            preload_content=False,
            decode_content=False,
            redirect=False,
        )

    def _followed(
        self,
        method: str,
        url: str,
        response: urllib3.BaseHTTPResponse,
        headers: Mapping[str, str] | None,
    ) -> urllib3.BaseHTTPResponse:
        """Follow to where a blob is really stored; no other machine gets the login."""
        asked = in_words(method, url.removeprefix(self._root))
        for _ in range(_MOST_REDIRECTS):
            named = response.headers.get("Location", "")
            if response.status not in _REDIRECTS or not named:
                break
            before = urlsplit(url)
            try:
                url = self._checked(url, named, asked)
            except RegistryError:
                response.close()
                raise
            if before.scheme == "http" and url == before._replace(scheme="https").geturl():
                response.close()
                raise self._where.wants_tls()
            if method not in ("GET", "HEAD"):
                break
            with suppress(RegistryError):
                self._received(response, MOST_BYTES, asked)  # gives the line back
            response = self._request(method, url, None, headers)
        return response

    def _checked(self, base: str, named: str, asked: str) -> str:
        """Return the address that a Location names.

        Raises:
            RegistryOddAnswer: it is none that can be asked.
        """
        try:
            url = urlsplit(urljoin(base, named))
            is_sound = url.scheme in ("http", "https") and url.hostname and url.port != 0
        except ValueError:
            is_sound = False
        if not is_sound or len(named) > _MOST_LOCATION or _BLANK.search(named):
            raise self._where.odd(asked, f"a Location that is none ({ascii(named)[:80]})")
        return url.geturl()

    def _is_ours(self, url: str) -> bool:
        asked, root = urlsplit(url), urlsplit(self._root)
        return (asked.scheme, asked.netloc) == (root.scheme, root.netloc)

    def _ask_token_server(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str]
    ) -> Answer:
        where = Where(f"{self._address} (its token server {server_of(url)})", theirs=True)
        asked = in_words(method, url)

        def ask() -> urllib3.BaseHTTPResponse:
            with where.translated(asked):
                return self._sent(method, url, body, headers)

        response = self._paced(self._token_pace, ask, once=False)
        with where.translated(asked):
            return received(response, MOST_BYTES, partial(where.odd, asked))

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

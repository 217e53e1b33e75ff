"""Logging in to a registry: by name and password, or by tokens that a server of its own gives.

Which of them a registry wants it says when it is first asked. A token is for certain repositories
and lives for minutes or seconds: one is kept for each set of them, and a new one is fetched before
the old one ends. A name and password that were refused are never sent again.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Protocol
from urllib.parse import urlencode, urljoin, urlsplit

from core.errors import (
    RegistryDenied,
    RegistryError,
    RegistryLoginNeeded,
    RegistryLoginRefused,
    RegistryOddAnswer,
)
from core.registry.api.challenge import Challenge, challenges_in, scheme_of
from core.registry.api.http_errors import Where, in_words, server_of
from core.registry.api.parsing import lifetime_in, record_in, token_in
from core.registry.api.registry_errors import Refused, is_page
from core.registry.api.response import Answer
from core.secrets import RegistryLogin

DEFAULT_LIFETIME_S = 60.0  # where the token server does not say (Docker's specification)
SPARE_S = 5.0  # a question takes no longer to get there
SPARE_FOR_UPLOAD_S = 30.0
CLIENT_ID = "airferry"
Scopes = tuple[str, ...]


class Ask(Protocol):
    """Sends a request to a token server; the HTTP library's errors are ours already."""

    def __call__(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str]
    ) -> Answer: ...


@dataclass(frozen=True)
class _Token:
    """Args: the token itself; from when on it is good for nothing, and how long it lives."""

    value: str
    ends_at_s: float
    lifetime_s: float

    def lasts(self, spare_s: float) -> bool:
        """Whether enough of it is left; of a short one, half."""
        return self.ends_at_s - time.monotonic() > min(spare_s, self.lifetime_s / 2)


class Authorizer:
    """The login to one registry; used by several threads at once.

    Args:
        address: The registry's `host:port`, for messages.
        login: Returns what there is to log in with; asked once, when it is needed.
        ask: Sends requests to the token server.
        insecure: Whether a token server may be asked without TLS.
    """

    def __init__(
        self, address: str, login: Callable[[], RegistryLogin], ask: Ask, *, insecure: bool
    ) -> None:
        self._address = address
        self._find_login = login
        self._ask = ask
        self._insecure = insecure
        self._lock = threading.RLock()
        self._login: RegistryLogin | None = None
        self._way: Challenge | None = None
        self._refused: RegistryError | None = None
        self._taken = False
        self._tokens: dict[Scopes, _Token] = {}
        self._gates: dict[Scopes, threading.Lock] = {}

    @property
    def login(self) -> RegistryLogin:
        """What there is to log in with.

        Raises:
            RegistryLoginNeeded: there is a password without a name.
        """
        with self._lock:
            if self._login is None:
                self._login = self._find_login()
            return self._login

    @property
    def is_wanted(self) -> bool:
        """Whether the registry has asked for a login so far."""
        return self._way is not None

    def header(self, scopes: Scopes, *, for_upload: bool = False) -> str:
        """Return the header `Authorization` for a request; empty as long as none was asked for.

        Args:
            scopes: What it is about, as token servers write it: `repository:NAME:pull,push`.
            for_upload: The request is long, and cannot be sent again when it is refused.

        Raises:
            RegistryError: there is no login, it is refused, or the token server is in trouble.
        """
        way = self._way
        if way is None:
            return ""
        if self._refused:
            raise self._refused
        if way.scheme == "basic":
            return self._basic()
        spare_s = SPARE_FOR_UPLOAD_S if for_upload else SPARE_S
        return f"Bearer {self._token(way, scopes, spare_s).value}"

    def taken(self) -> None:
        """Note that the registry took a login: what it refuses from now on is not its fault."""
        self._taken = True

    def challenged(self, headers: Iterable[str], sent: str, what: str, *, again: bool) -> None:
        """Learn from an answer 401; returns if the request is worth sending once more.

        Args:
            headers: The values of `WWW-Authenticate`.
            sent: The header that the request had.
            what: What was asked, in words.
            again: It was sent a second time already.

        Raises:
            RegistryError: it would be refused again; which one says why.
        """
        headers = list(headers)
        with self._lock:
            if sent.startswith("Basic ") and self._taken:
                raise self.denial(headers, what)
            if sent.startswith("Basic "):
                self._refused = self.refusal()
                raise self._refused
            if again:
                raise self.denial(headers, what)
            way = self._choose(challenges_in(headers))
            if sent.startswith("Bearer "):
                self._forget(sent.removeprefix("Bearer "))
            self._way = way

    def refusal(self) -> RegistryError:
        """Return the error for a login that is not taken."""
        login = self.login
        if not login.is_there:
            return RegistryLoginNeeded(f"the registry {self._address} asks for a login")
        return RegistryLoginRefused(
            f"the registry {self._address} does not take the login of "
            f"{login.user or 'the identity token'} ({login.source})"
        )

    def denial(self, headers: Iterable[str], what: str) -> RegistryError:
        """Return the error for a request that is refused with a login that was just taken.

        Args:
            headers: The values of `WWW-Authenticate`.
            what: What was asked.
        """
        login = self.login
        if not login.is_there:
            return RegistryLoginNeeded(
                f"the registry {self._address} asks for a login to {what}",
            )
        errors = {challenge.parameters.get("error", "") for challenge in challenges_in(headers)}
        if "invalid_token" in errors:
            return RegistryError(
                f"the registry {self._address} does not take the token that its token server gave",
                remedy="Do the clocks of the registry and of its token server agree?",
            )
        return RegistryDenied(
            f"the registry {self._address} does not let {login.user or 'this login'} {what}"
        )

    def _choose(self, offered: list[Challenge]) -> Challenge:
        for scheme in ("bearer", "basic"):
            for challenge in offered:
                realm = challenge.parameters.get("realm", "")
                if challenge.scheme == scheme and (scheme == "basic" or realm):
                    return challenge
        kinds = ", ".join(sorted({challenge.scheme for challenge in offered})) or "none is named"
        raise RegistryError(
            f"the registry {self._address} asks for a login of a kind that is not known: {kinds}",
            remedy="Registries with name and password (Basic) or with tokens (Bearer) are known.",
        )

    def _forget(self, spent: str) -> None:
        self._tokens = {k: token for k, token in self._tokens.items() if token.value != spent}

    def _basic(self) -> str:
        login = self.login
        if not login.password:
            raise self.refusal()
        return _basic_header(login)

    def _token(self, way: Challenge, scopes: Scopes, spare_s: float) -> _Token:
        with self._lock:
            gate = self._gates.setdefault(scopes, threading.Lock())
        with gate:  # one thread fetches it, and those who wait for the same one use it
            kept = self._tokens.get(scopes)
            if kept is None or not kept.lasts(spare_s):
                kept = self._fetch(way, scopes)
                with self._lock:
                    self._tokens[scopes] = kept
            return kept

    def _fetch(self, way: Challenge, scopes: Scopes) -> _Token:
        """Get a token from the server that the registry named."""
        realm = self._safe_realm(way.parameters["realm"])
        begun_s = time.monotonic()
        answer = self._asked_for_token(realm, way.parameters.get("service", ""), scopes)
        if answer.status in (401, 403):
            raise self._of_token_server(answer.status, scopes)
        server = Where(f"{self._address} (its token server {server_of(realm)})", theirs=True)
        path = urlsplit(realm).path or "/"
        asked = in_words("GET", path)
        odd = partial(server.odd, asked)
        if answer.status != 200:
            refused = Refused(server, "GET", path, answer.status, answer.data, answer.headers)
            raise refused.error()
        if is_page(answer.headers.get("Content-Type", ""), answer.data):
            raise server.is_page(asked)
        record = record_in(answer.data, odd)
        lifetime_s = lifetime_in(record, DEFAULT_LIFETIME_S, odd)
        return _Token(token_in(record, odd), begun_s + lifetime_s, lifetime_s)

    def _of_token_server(self, status: int, scopes: Scopes) -> RegistryError:
        """Return the error for a token that is not given: some servers give none at all then."""
        if not self.login.is_there:
            return self.refusal()
        if status == 403 or self._taken:
            return self.denial((), f"use {', '.join(scopes) or 'it'}")
        self._refused = self.refusal()
        return self._refused

    def _asked_for_token(self, realm: str, service: str, scopes: Scopes) -> Answer:
        login = self.login
        if login.identity_token:
            form = {
                "grant_type": "refresh_token",
                "service": service,
                "client_id": CLIENT_ID,
                "scope": " ".join(scopes),
                "refresh_token": login.identity_token,
            }
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            return self._ask("POST", realm, urlencode(form).encode(), kind)
        query = [("service", service)] if service else []
        query += [("scope", scope) for scope in scopes]
        headers = {}
        if login.password:
            query.append(("account", login.user))
            headers["Authorization"] = _basic_header(login)
        mark = "&" if "?" in realm else "?"
        return self._ask("GET", f"{realm}{mark}{urlencode(query)}", None, headers)

    def _safe_realm(self, realm: str) -> str:
        """Return the token server's address, if a password may be sent there.

        Raises:
            RegistryError: it may not.
        """
        scheme = scheme_of(realm)
        if not scheme:
            raise RegistryOddAnswer(
                f"the registry {self._address} wants the login sent to an address that is none: "
                f"{ascii(realm)[:120]}"
            )
        if scheme == "https" or (scheme == "http" and self._insecure):
            return realm
        raise RegistryError(
            f"the registry {self._address} wants the login sent to {urljoin(realm, '/')[:200]}, "
            "without TLS",
            remedy="Have its token server (realm) speak https. No password was sent.",
        )


def _basic_header(login: RegistryLogin) -> str:
    packed = base64.b64encode(f"{login.user}:{login.password}".encode()).decode("ascii")
    return f"Basic {packed}"

"""What registries, and proxies before them, say when they refuse; each kind as an error of its own.

There is one specification and there are many registries: the code in an answer says little, and the
status is now this, now that. So the text is looked at first where it is known, and the status next.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import urlsplit

from core.errors import (
    RegistryBusy,
    RegistryDenied,
    RegistryError,
    RegistryFull,
    RegistryLimited,
    RegistryProjectMissing,
    RegistryProxyForbids,
    RegistryQuota,
    RegistryReadOnly,
    RegistryTagFixed,
    RegistryUnsupported,
)
from core.printable import printable
from core.registry.api.http_errors import Where, in_words
from core.registry.api.pacing import asked_wait_s

_MOST_SAID = 200
_MOST_REPOSITORY = 200
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WRITES = frozenset({"POST", "PUT", "PATCH"})
_TOO_LARGE_REMEDY = (
    "Something before the registry (a proxy) limits the size of uploads: raise its limit, in nginx "
    "client_max_body_size 0, then run the same command again."
)
_LENGTH_REMEDY = (
    "Something before the registry (a proxy) takes no uploads whose size is not told before "
    "(chunked): have it pass them on as they come, in nginx proxy_request_buffering off and "
    "proxy_http_version 1.1; or name the registry's own address in privateRegistryBase."
)
_PROXY_DOWN_REMEDY = (
    "The proxy answers, the registry behind it does not: see whether that runs, then run the same "
    "command again."
)
_THEIRS_FULL_REMEDY = (
    "Have whoever keeps the registry make room there, or raise the project's quota; then run the "
    "same command again."
)
_NO_ACCESS_REMEDY = (
    "Have its storage directory belong to the user that it runs as, on a file system mounted for "
    "writing; then run the same command again."
)
_NO_DELETE_REMEDY = "Have deletion allowed where it runs, or run it without --prune."
_NO_CATALOG_REMEDY = (
    "This kind of registry does not list its repositories, or not to this login: have the login "
    "given that right, or look there."
)
_STORAGE_ERRORS = (errno.EACCES, errno.EPERM, errno.EROFS)
# In its words, or as CNCF distribution writes a system's error into JSON: by number alone.
_NO_ROOM = re.compile(
    rf'no space left|disk quota|insufficient storage|"Err":\s*({errno.ENOSPC}|{errno.EDQUOT})\b|'
    r"(?:disk|volume|file ?system|datastore)\b.{0,40}(?:is full|usage is too high)",
    re.IGNORECASE,
)
_ROOM_WORDS = r"(?:storage|space|usage|capacity|plan|images?|repositor(?:y|ies))\b"
_LIMIT_WORDS = r"(?:limit|exceed|maximum)"
_QUOTA = re.compile(
    rf"\bquota|LIMIT_?EXCEEDED|{_ROOM_WORDS}.{{0,160}}{_LIMIT_WORDS}|"
    rf"{_LIMIT_WORDS}.{{0,160}}\b{_ROOM_WORDS}",
    re.IGNORECASE,
)
_RATE = re.compile(r"\brate\b|requests?\b|\bpulls?\b|too ?many|throttl", re.IGNORECASE)
_NO_ACCESS = re.compile(rf'"Err":\s*({"|".join(str(n) for n in _STORAGE_ERRORS)})\b')
# CNCF distribution answers so when its disk was full as the last bytes were to be written, too: it
# had said that it took them. The next try is told, or finds the room that others gave back.
_LOST_UPLOAD = re.compile("BLOB_UPLOAD_(INVALID|UNKNOWN)")
_WANTS_TLS = re.compile(r"HTTP request (?:was sent )?to (?:an )?HTTPS", re.IGNORECASE)
_READ_ONLY = re.compile(r"read.?only|maintenance mode|is archived|write.?protect", re.IGNORECASE)
_FIXED = re.compile(
    r"immutab|(?:can.?not|can't|not|may not|must not|unable to) (?:be )?(?:\w+ ){0,3}overwrit|"
    r"overwrit\w* .{0,60}(?:not allowed|forbidden|disallowed|denied|not permitted|prohibited)|"
    r"(?:not|never) (?:allow|permit)\w* .{0,40}(?:overwrit|updat|redeploy|re-?tag)|"
    r"tag.{0,160} already exist|already exists? .{0,80}\btag|TAG_?ALREADY|"
    r"disallowed on this registry, repository or image|(?:tag|manifest|image) is locked",
    re.IGNORECASE,
)
_TRY_AGAIN = re.compile(r"try again|retry|concurren|in progress", re.IGNORECASE)
_NO_PROJECT = re.compile(
    r"(?:project|namespace|repository|organi[sz]ation) .{0,200}"
    r"(?:not found|does not exist|unknown)",
    re.IGNORECASE,
)
_NO_PROJECT_CODES = frozenset({"NAME_UNKNOWN", "NAME_INVALID", "NOT_FOUND"})
_TITLE = re.compile(r"<(title|h1)[^>]*>\s*([^<]{1,120})", re.IGNORECASE)
_PAGE = re.compile(r"\s*(?:<!doctype html|<html|<head|<body|<\?xml[^>]*>\s*<html)", re.IGNORECASE)


@dataclass(frozen=True)
class Refused:
    """An answer that is not what was asked for.

    Args:
        where: The registry.
        method: What was asked.
        path: Of what; a place that the registry named has its host as well.
        status: The answer's status.
        body: What it says.
        headers: The answer's headers.
    """

    where: Where
    method: str
    path: str
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def error(self) -> RegistryError:
        """Return what to tell: the first kind that the answer is one of."""
        kinds = (
            self._wants_tls,
            self._limited,
            self._full,
            self._fixed,
            self._over_quota,
            self._of_proxy,
            self._no_access,
            self._read_only,
            self._unsupported,
            self._busy,
            self._of_other_place,
            self._no_project,
            self._denied,
            self._no_answer,
        )
        found = next((made for kind in kinds if (made := kind())), None)
        found = found or RegistryError(self.answered)
        found.status = self.status
        return found

    @cached_property
    def text(self) -> str:
        """What the answer says."""
        return self.body.decode("utf-8", "replace").strip()

    @cached_property
    def is_page(self) -> bool:
        """Whether it is a web page: then it is a proxy's, and not the registry's."""
        return is_page(self.headers.get("Content-Type", ""), self.body)

    @cached_property
    def errors(self) -> tuple[tuple[str, str], ...]:
        """Code and message of each error, as far as they come in JSON."""
        return _errors_in(self.text)

    @cached_property
    def codes(self) -> frozenset[str]:
        """The codes of its errors."""
        return frozenset(code for code, _ in self.errors)

    @cached_property
    def said(self) -> str:
        """The answer's text for people: of a page the title."""
        title = _TITLE.search(self.text) if self.is_page else None
        if self.is_page:
            return f"a web page{f', {printable(title[2]).strip()}' if title else ''}"
        told = "; ".join(f"{code}: {message}".strip(": ") for code, message in self.errors)
        return printable(told or self.text)[:_MOST_SAID]

    @property
    def answered(self) -> str:
        """The whole of it in words."""
        what = f"{self._name} answered {self.status} to {in_words(self.method, self.path)}"
        return f"{what}: {self.said}" if self.said else what

    @property
    def repository(self) -> str:
        """The repository that was asked about."""
        path = urlsplit(self.path).path.removeprefix("/v2/")
        for end in ("/blobs/", "/manifests/", "/tags/"):
            path = path.partition(end)[0]
        return printable(path)[:_MOST_REPOSITORY]

    @property
    def is_of_tag(self) -> bool:
        """Whether a manifest was put or taken away."""
        return "/manifests/" in self.path and self.method in ("PUT", "DELETE")

    @property
    def writes(self) -> bool:
        """Whether something was to be put there."""
        return self.method in _WRITES

    @property
    def _name(self) -> str:
        return f"the registry {self.where.address}"

    @property
    def _aside(self) -> str:
        return f" (answered {self.status} to {self.method}{': ' if self.said else ''}{self.said})"

    def _wants_tls(self) -> RegistryError | None:
        return self.where.wants_tls() if _WANTS_TLS.search(self.text) else None

    def _limited(self) -> RegistryError | None:
        wait_s = asked_wait_s(self.headers)
        asks = f", and asks to wait {wait_s:.0f} s" if wait_s else ""
        if self.status == 429 and not self._is_over_quota():
            what = f"{self._name} allows no more requests for now{asks}{self._aside_of_path()}"
            found: RegistryBusy = RegistryLimited(what)
        elif self.status == 503 and wait_s is not None:
            found = RegistryBusy(f"{self._name} takes nothing for now{asks}{self._aside_of_path()}")
        else:
            return None
        found.wait_s = wait_s or 0.0
        return found

    def _aside_of_path(self) -> str:
        said = f": {self.said}" if self.said else ""
        return f" (answered {self.status} to {in_words(self.method, self.path)}{said})"

    def _full(self) -> RegistryError | None:
        if _NO_ROOM.search(self.text) or self.status == 507:
            remedy = _THEIRS_FULL_REMEDY if self.where.theirs else ""
            return RegistryFull(f"{self._name} has no room left{self._aside}", remedy=remedy)
        return None

    def _is_over_quota(self) -> bool:
        text = self.said if self.errors else self.text
        return bool(_QUOTA.search(text)) and not _RATE.search(text)

    def _over_quota(self) -> RegistryError | None:
        if self.status >= 400 and self.writes and not self.is_page and self._is_over_quota():
            if not self.where.theirs:
                return RegistryFull(f"{self._name} has no room left{self._aside}")
            return RegistryQuota(
                f"{self._name}: the quota of {self.repository} is used up{self._aside}"
            )
        return None

    def _fixed(self) -> RegistryError | None:
        if not self.is_of_tag or self.is_page or not 400 <= self.status < 500:
            return None
        conflict = self.status in (409, 412) and not _TRY_AGAIN.search(self.text)
        if not conflict and not _FIXED.search(self.text):
            return None
        tag = printable(urlsplit(self.path).path.rpartition("/")[2])[:_MOST_REPOSITORY]
        return RegistryTagFixed(
            f"{self._name} does not let {self.repository}:{tag} be changed: the tag is there, and "
            f"immutable{self._aside}"
        )

    def _of_proxy(self) -> RegistryError | None:
        if self.status == 411:
            return RegistryProxyForbids(
                f"{self._name} wants the size of an upload told before{self._aside}",
                remedy=_LENGTH_REMEDY,
            )
        if self.status == 413:
            return RegistryProxyForbids(
                f"{self._name} does not take an upload of this size{self._aside_of_path()}",
                remedy=_TOO_LARGE_REMEDY,
            )
        if self.is_page and self.status in (400, 403, 404, 405, 406, 407, 409, 412, 451):
            return RegistryProxyForbids(
                f"something before the registry {self.where.address} does not let a request "
                f"through{self._aside_of_path()}"
            )
        return None

    def _no_access(self) -> RegistryError | None:
        found = _NO_ACCESS.search(self.text)
        if not found:
            return None
        reason = os.strerror(int(found[1]))
        return RegistryError(
            f"{self._name} cannot get at what it stores: {reason} ({self.answered})",
            remedy=_NO_ACCESS_REMEDY,
        )

    def _read_only(self) -> RegistryError | None:
        if not self.writes or self.status < 400:
            return None
        if self.status == 405 or (self.status != 401 and _READ_ONLY.search(self.text)):
            return RegistryReadOnly(f"{self._name} takes nothing: it is read-only{self._aside}")
        return None

    def _unsupported(self) -> RegistryError | None:
        asked = in_words(self.method, self.path)
        is_catalog = self.path.startswith("/v2/_catalog") and self.status in (401, 403, 404, 405)
        if is_catalog and not self.is_page:
            return RegistryUnsupported(
                f"{self._name} does not list what it holds{self._aside}", remedy=_NO_CATALOG_REMEDY
            )
        if self.status not in (405, 415, 501) and "UNSUPPORTED" not in self.codes:
            return None
        if self.method == "DELETE":
            return RegistryUnsupported(
                f"{self._name} does not delete anything ({self.repository}){self._aside}",
                remedy=_NO_DELETE_REMEDY,
            )
        return RegistryUnsupported(f"{self._name} does not do this: {asked}{self._aside}")

    def _busy(self) -> RegistryError | None:
        lost = self.status == 404 and _LOST_UPLOAD.search(self.text)
        if self.status == 429 or self.status >= 500 or lost or self.status == 408:
            remedy = _PROXY_DOWN_REMEDY if self.is_page and self.status in (502, 503, 504) else ""
            return RegistryBusy(self.answered, remedy=remedy)
        return None

    def _no_project(self) -> RegistryError | None:
        wanted = self.status in (400, 404) and self.codes & _NO_PROJECT_CODES
        if not self.writes or self.status < 400 or not (wanted or _NO_PROJECT.search(self.text)):
            return None
        return RegistryProjectMissing(
            f"{self._name} has no place for {self.repository}{self._aside}",
            remedy=f"Have the project for '{self.repository}' made in the registry, or name one "
            "that is there: privateRegistryBase.",
        )

    def _denied(self) -> RegistryError | None:
        if self.status not in (401, 403):
            return None
        verb = "put anything into" if self.writes else "read"
        verb = "delete anything in" if self.method == "DELETE" else verb
        return RegistryDenied(
            f"{self._name} does not let this login {verb} {self.repository}{self._aside}"
        )

    def _of_other_place(self) -> RegistryError | None:
        """Tell of a place that the registry named, and that is not its own: it does not answer."""
        if not self.path.startswith("http") or self.status < 300:
            return None
        return self.where.elsewhere(self.path, f"answers {self.status}{self._aside}")

    def _no_answer(self) -> RegistryError | None:
        """Tell of what is no refusal, and not what was asked for."""
        asked = in_words(self.method, self.path)
        if self.status in _REDIRECTS:
            place = printable(self.headers.get("Location", ""))[:_MOST_SAID]
            to = f", to {place.partition('?')[0]}" if place else " without a Location"
            return self.where.odd(asked, f"a way that leads nowhere (answered {self.status}{to})")
        if self.status < 300 and self.is_page:
            return self.where.is_page(asked)
        if self.status < 300:
            return self.where.odd(asked, f"status {self.status}, which is not one for it")
        return None


def is_page(media_type: str, body: bytes = b"") -> bool:
    """Whether an answer is a web page."""
    kind = media_type.partition(";")[0].strip().lower()
    return kind in ("text/html", "application/xhtml+xml") or bool(
        _PAGE.match(body[:200].decode("latin-1"))
    )


def _errors_in(text: str) -> tuple[tuple[str, str], ...]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    match found:
        case {"errors": list(errors)}:
            return tuple(_error_of(error) for error in errors[:5] if isinstance(error, dict))
        case {"message": str(message)} | {"error": str(message)}:
            return (("", message),)
    return ()


def _error_of(error: Mapping[object, object]) -> tuple[str, str]:
    code, message = error.get("code"), error.get("message")
    return (
        code if isinstance(code, str) else "",
        message if isinstance(message, str) else "",
    )

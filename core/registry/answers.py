"""From what HTTP says to our errors: lines that break, and answers that refuse."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import urllib3

from core.errors import (
    RegistryBusy,
    RegistryDenied,
    RegistryError,
    RegistryFull,
    RegistryProjectMissing,
    RegistryReadOnly,
    RegistryStalled,
    RegistryTlsWrong,
    RegistryUnreachable,
)
from core.tls import WANTS_TLS_REMEDY, tls_problem

STALL_TIMEOUT_S = 30.0
_TIMEOUTS = (urllib3.exceptions.ReadTimeoutError, TimeoutError)
_TOO_LARGE_REMEDY = (
    "Something before the registry (a proxy) limits the size of uploads: raise its limit, in nginx "
    "client_max_body_size 0, then run the same command again."
)
_THEIRS_GONE_REMEDY = (
    "Does it run, and is privateRegistryBase its address? Then run the same command again: what is "
    "there is not sent twice."
)
_THEIRS_FULL_REMEDY = (
    "Have whoever keeps the registry make room there, or raise the project's quota; then run the "
    "same command again."
)
_NO_NAME_REMEDY = "Mend the name in privateRegistryBase, or this machine's name service."
_NO_ACCESS_REMEDY = (
    "Have its storage directory belong to the user that it runs as, on a file system mounted for "
    "writing; then run the same command again."
)
_STORAGE_ERRORS = (errno.EACCES, errno.EPERM, errno.EROFS)
# In its words, or as CNCF distribution writes a system's error into JSON: by number alone.
_NO_ROOM = re.compile(
    rf'no space left|quota exceeded|"Err":\s*({errno.ENOSPC}|{errno.EDQUOT})\b|'
    r"exceeds? .{0,40}quota|quota .{0,40}exceeded",
    re.IGNORECASE,
)
_NO_ACCESS = re.compile(rf'"Err":\s*({"|".join(str(n) for n in _STORAGE_ERRORS)})\b')
# CNCF distribution answers so when its disk was full as the last bytes were to be written, too: it
# had said that it took them. The next try is told, or finds the room that others gave back.
_LOST_UPLOAD = re.compile("BLOB_UPLOAD_(INVALID|UNKNOWN)")
_WANTS_TLS = re.compile(r"HTTP request (?:was sent )?to (?:an )?HTTPS", re.IGNORECASE)
_READ_ONLY = re.compile(r"read.?only|maintenance mode", re.IGNORECASE)
_NO_PROJECT = re.compile(
    r"(?:project|namespace|repository) .{0,200}(?:not found|does not exist)", re.IGNORECASE
)
_NO_PROJECT_CODES = frozenset({"NAME_UNKNOWN", "NAME_INVALID", "NOT_FOUND"})
_WRITES = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True)
class Where:
    """A registry, for messages.

    Args:
        address: Its `host:port`.
        theirs: It is not Airferry's own: others keep it.
    """

    address: str
    theirs: bool = False

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the HTTP library's errors into ours."""
        try:
            yield
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._of_line(error) from error

    def _of_line(self, error: Exception) -> RegistryError:
        problem = tls_problem(error)
        if problem:
            return RegistryTlsWrong(
                f"the registry {self.address} {problem.what}", remedy=problem.remedy
            )
        # A time-out while sending is an argument of another error.
        if any(isinstance(cause, _TIMEOUTS) for cause in (error, *error.args)):
            return RegistryStalled(
                f"the registry {self.address} moved no byte for {STALL_TIMEOUT_S:.0f} s"
            )
        reason = str(error.__cause__ or error).rpartition(": ")[2]
        remedy = _THEIRS_GONE_REMEDY if self.theirs else ""
        if isinstance(error.__cause__, socket.gaierror):
            remedy = _NO_NAME_REMEDY
        return RegistryUnreachable(
            f"the registry {self.address} does not answer: {reason}", remedy=remedy
        )

    def refusal(self, method: str, path: str, status: int, body: bytes) -> RegistryError:
        """Return the error for an answer that is not what was asked for."""
        text = body.decode("utf-8", "replace").strip()
        path = path.partition("?")[0]
        what = f"the registry {self.address} answered {status} to {method} {path}"
        if _NO_ROOM.search(text):
            remedy = _THEIRS_FULL_REMEDY if self.theirs else ""
            return RegistryFull(f"the registry {self.address} has no room left", remedy=remedy)
        if _WANTS_TLS.search(text):
            return self.wants_tls()
        if no_access := _NO_ACCESS.search(text):
            reason = os.strerror(int(no_access[1]))
            return RegistryError(
                f"the registry {self.address} cannot get at what it stores: {reason} ({what})",
                remedy=_NO_ACCESS_REMEDY,
            )
        if status == 429 or status >= 500 or (status == 404 and _LOST_UPLOAD.search(text)):
            busy = RegistryBusy(f"{what}: {text[:200]}")
            busy.status = status
            return busy
        if status == 413:
            return RegistryError(what, remedy=_TOO_LARGE_REMEDY)
        return self._of_rights(method, path, status, text) or RegistryError(f"{what}: {text[:300]}")

    def wants_tls(self) -> RegistryTlsWrong:
        """Return the error for a registry that wants TLS and was asked without."""
        return RegistryTlsWrong(
            f"the registry {self.address} speaks TLS, and was asked by plain HTTP",
            remedy=WANTS_TLS_REMEDY,
        )

    def _of_rights(self, method: str, path: str, status: int, text: str) -> RegistryError | None:
        """Return the error for what the registry would do for another, elsewhere, or later."""
        where = f"the registry {self.address}"
        repository = path.removeprefix("/v2/").partition("/blobs/")[0].partition("/manifests/")[0]
        said = f" (answered {status} to {method}{': ' if text else ''}{text[:200]})"
        writes = method in _WRITES
        if writes and (status == 405 or (status == 403 and _READ_ONLY.search(text))):
            return RegistryReadOnly(f"{where} takes nothing: it is read-only{said}")
        wants_project = status in (400, 404) and _codes(text) & _NO_PROJECT_CODES
        if writes and (wants_project or _NO_PROJECT.search(text)):
            return RegistryProjectMissing(
                f"{where} has no place for {repository}{said}",
                remedy=f"Have the project for '{repository}' made in the registry, or name one "
                "that is there: privateRegistryBase.",
            )
        if status in (401, 403):
            verb = "put anything into" if writes else "read"
            return RegistryDenied(f"{where} does not let this login {verb} {repository}{said}")
        return None


def _codes(text: str) -> set[str]:
    """Return the codes of the errors that a registry answers with, as far as it does so in JSON."""
    try:
        errors = json.loads(text)["errors"]
        return {str(error.get("code", "")) for error in errors}
    except (ValueError, KeyError, TypeError, AttributeError):
        return set()

"""From what HTTP says to our errors: lines that break, and answers that are none."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import urllib3

from core.errors import (
    RegistryElsewhere,
    RegistryError,
    RegistryOddAnswer,
    RegistryStalled,
    RegistryTlsWrong,
    RegistryUnreachable,
)
from core.printable import printable
from core.registry.api.limits import NoHttp, TooSlow
from core.tls import WANTS_TLS_REMEDY, tls_problem

STALL_TIMEOUT_S = 30.0
_MOST_PATH = 200
_TIMEOUTS = (urllib3.exceptions.ReadTimeoutError, TimeoutError)
_NO_HTTP = (
    http.client.LineTooLong,
    http.client.UnknownProtocol,
    urllib3.exceptions.InvalidHeader,
    urllib3.exceptions.InvalidChunkLength,
)
_THEIRS_GONE_REMEDY = (
    "Does it run, and is privateRegistryBase its address? Then run the same command again: what is "
    "there is not sent twice."
)
_NO_NAME_REMEDY = "Mend the name in privateRegistryBase, or this machine's name service."
_OURS_ODD_REMEDY = (
    "Does another program listen on registryPort? See: airferry registry status, and the "
    "registry's log."
)


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
    def translated(self, asked: str = "") -> Iterator[None]:
        """Turn the HTTP library's errors into ours.

        Args:
            asked: What was asked, as `in_words` has it.
        """
        try:
            yield
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._of_line(error, asked) from error

    def odd(self, asked: str, wrong: str) -> RegistryOddAnswer:
        """Return the error for an answer that is not what registries answer.

        Args:
            asked: What was asked, as `in_words` has it.
            wrong: What was wrong with the answer: it goes on behind "answered ... with".
        """
        return RegistryOddAnswer(
            f"the registry {self.address} answered {asked or 'a request'} with {printable(wrong)}",
            remedy="" if self.theirs else _OURS_ODD_REMEDY,
        )

    def is_page(self, asked: str) -> RegistryOddAnswer:
        """Return the error for a page that is meant for people."""
        return self.odd(asked, "a web page (HTML; a login page?) instead of a registry's answer")

    def elsewhere(self, url: str, why: str) -> RegistryElsewhere:
        """Return the error for a place that the registry named and that is of no use.

        Args:
            url: The place.
            why: What is wrong with it.
        """
        return RegistryElsewhere(
            f"the registry {self.address} sends what asks it to {server_of(url)} (Location), "
            f"which {why}"
        )

    def wants_tls(self) -> RegistryTlsWrong:
        """Return the error for a registry that wants TLS and was asked without."""
        return RegistryTlsWrong(
            f"the registry {self.address} speaks TLS, and was asked by plain HTTP",
            remedy=WANTS_TLS_REMEDY,
        )

    def _of_line(self, error: Exception, asked: str) -> RegistryError:
        problem = tls_problem(error)
        if problem:
            return RegistryTlsWrong(
                f"the registry {self.address} {problem.what}", remedy=problem.remedy
            )
        causes = list(_causes(error))
        # A time-out while sending is an argument of another error.
        if any(isinstance(cause, _TIMEOUTS) for cause in causes):
            return RegistryStalled(
                f"the registry {self.address} moved no byte for {STALL_TIMEOUT_S:.0f} s"
            )
        for cause in causes:
            if isinstance(cause, TooSlow):
                return RegistryStalled(
                    f"the registry {self.address} does not come to the end of its answer to "
                    f"{asked or 'a request'}: {cause}"
                )
            if wrong := _no_http(cause):
                return self.odd(asked, wrong)
            if isinstance(cause, http.client.IncompleteRead):
                return self._gone(f"breaks off in the middle of its answer to {asked}", error)
        reason = str(error.__cause__ or error).rpartition(": ")[2]
        return self._gone(f"does not answer: {reason}", error)

    def _gone(self, how: str, error: Exception) -> RegistryUnreachable:
        remedy = _THEIRS_GONE_REMEDY if self.theirs else ""
        if isinstance(error.__cause__, socket.gaierror):
            remedy = _NO_NAME_REMEDY
        return RegistryUnreachable(f"the registry {self.address} {how}", remedy=remedy)


def in_words(method: str, path: str) -> str:
    """Return what was asked, for messages: no query (it may hold a signature), no end of a line."""
    path = printable(path.partition("?")[0])
    return f"{method} {path if len(path) <= _MOST_PATH else path[:_MOST_PATH] + '...'}"


def server_of(url: str) -> str:
    """Return scheme, host and port of an address, for messages."""
    try:
        parts = urlsplit(url)
        return printable(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")[:_MOST_PATH]
    except ValueError:
        return printable(url)[:_MOST_PATH]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it was made from; the HTTP library keeps them in two ways."""
    waiting, seen = [error], set[int]()
    while waiting:
        cause = waiting.pop(0)
        if id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [one for one in cause.args if isinstance(one, BaseException)]
            waiting += [cause.__cause__] if cause.__cause__ else []


def _no_http(cause: BaseException) -> str:
    """Return what of an answer is not HTTP; empty if it is none of that."""
    if isinstance(cause, NoHttp):
        return str(cause)
    if isinstance(cause, http.client.RemoteDisconnected):
        return ""
    if isinstance(cause, http.client.BadStatusLine):
        return f"something that is no HTTP ('{printable(str(cause).strip())[:60]}')"
    if isinstance(cause, _NO_HTTP) or type(cause) is http.client.HTTPException:
        return f"something that is no HTTP ({printable(str(cause))[:100]})"
    return ""

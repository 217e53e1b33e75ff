"""What is wrong with a TLS line to the site's registry, in a technician's words.

Asked from the DU and, through SSH, from every host: the same words for both.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import LocalFilesError

# X509_V_ERR_..., x509_vfy.h
_NOT_YET_VALID, _EXPIRED = 9, 10
_UNKNOWN_CA = frozenset({2, 18, 19, 20, 21})
_OTHER_NAME = frozenset({62, 63, 64})
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})
_UNKNOWN_CA_REMEDY = (
    "Set privateRegistryCA to the file with the CA that signed it (ask whoever keeps the registry)."
)
PLAIN_HTTP_REMEDY = (
    "Have the registry speak TLS; only inside a trusted network set privateRegistryInsecure: true."
)
WANTS_TLS_REMEDY = "Set privateRegistryInsecure: false in the config."


@dataclass(frozen=True)
class TlsProblem:
    """What is wrong, and what to do about it."""

    what: str
    remedy: str


def tls_context(ca: Path | None) -> ssl.SSLContext:
    """Return a context that trusts the site's CA, or those of this machine where there is none.

    Raises:
        LocalFilesError: the CA's file cannot be read, or holds no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", "") or "no certificate in it"
        raise LocalFilesError(
            f"privateRegistryCA {ca}: {reason}", remedy="Name a file with the CA in PEM form."
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def tls_problem(error: BaseException) -> TlsProblem | None:
    """Return what is wrong with TLS, if that is what an error or one of its causes is about."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _of_certificate(cause)
        if isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS:
            return TlsProblem("speaks plain HTTP, no TLS", PLAIN_HTTP_REMEDY)
        if isinstance(cause, ssl.SSLError) and cause.reason:
            said = cause.reason.lower().replace("_", " ")
            return TlsProblem(
                f"does not agree on TLS: {said}", "TLS 1.2 or later is needed at the registry."
            )
    return None


def _of_certificate(error: ssl.SSLCertVerificationError) -> TlsProblem:
    said = error.verify_message
    if error.verify_code in _UNKNOWN_CA:
        return TlsProblem(
            f"has a certificate of a CA that is not known here ({said})", _UNKNOWN_CA_REMEDY
        )
    if error.verify_code in _OTHER_NAME:
        return TlsProblem(
            f"has a certificate for another name ({said.rstrip('.')})",
            "Write privateRegistryBase as the certificate does, or have a new one made.",
        )
    if error.verify_code == _EXPIRED:
        return TlsProblem(
            "has a certificate that has expired",
            "Have a new one made. Is the clock of this machine right?",
        )
    if error.verify_code == _NOT_YET_VALID:
        return TlsProblem(
            "has a certificate that is not valid yet", "Is the clock of this machine right?"
        )
    return TlsProblem(f"has a certificate that cannot be trusted ({said})", _UNKNOWN_CA_REMEDY)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, what caused it, and the errors among its arguments."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        found = waiting.pop(0)
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        waiting += [found.__cause__, found.__context__]
        waiting += [argument for argument in found.args if isinstance(argument, BaseException)]
        waiting.append(getattr(found, "reason", None) if not isinstance(found, OSError) else None)

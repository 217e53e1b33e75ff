"""Why a host that lets a login in does not run what it is told: in the host's own words."""

from __future__ import annotations

import re

from core.errors import AirferryError, HostGoesDown, HostLoginRefused, HostShellRefused
from core.printable import printable

_WORDS_LINES = 3
_WORDS_CHARS = 300
_READ_CHARS = 20_000
_EXPIRED = (
    "Log in once by hand (ssh {user}@HOST) and give it a new password, or have root do so (passwd "
    "{user}; chage -M -1 {user} ends that it must be changed again); then run it again."
)
_CLOSED = "Have root there renew the account (chage -E -1 {user}, passwd -u {user})."
_FORCED = (
    "Have sshd run what it is told for this login: look for ForceCommand and ChrootDirectory in "
    "sshd_config and for command= in authorized_keys. Or log in as another one: ssh.user."
)
_RC_FILES = (
    "Look into the files that its shell reads (~/.bashrc, ~/.zshenv, ~/.cshrc, ~/.ssh/rc, "
    "/etc/bash.bashrc, /etc/csh.cshrc): exit, exec, set -e and questions there belong behind a "
    "test for a terminal ([ -t 0 ])."
)
# As PAM and sshd say it; a banner may speak of accounts that are locked after some tries.
_NO_ACCOUNT = re.compile(
    r"(your|this) account (has|is)( been)? *(expired|locked|disabled)|account (has )?expired"
    r"|account is( temporarily)? locked",
    re.IGNORECASE,
)
_NOT_NOW = re.compile(r"pam_nologin|system is (going down|booting up)", re.IGNORECASE)
_OLD_PASSWORD = re.compile(
    r"password (has|is|change) *(expired|required)|change your password|password must be changed",
    re.IGNORECASE,
)


def words_of(said: str) -> str:
    """Return the first lines of what a host said, on one line and fit to be shown."""
    lines = [" ".join(printable(line).split()) for line in said[:_READ_CHARS].splitlines()]
    lines = [line for line in lines if line]
    return "; ".join(lines[:_WORDS_LINES])[:_WORDS_CHARS]


def no_shell(where: str, user: str, status: int | None, out: str, err: str) -> AirferryError:
    """Return the error of a command that never began.

    Args:
        where: The host, for messages.
        user: Who logged in.
        status: How what ran instead ended.
        out: What it printed.
        err: What it complained about.
    """
    said = f"{err}\n{out}"
    refused = no_account(where, user, said)
    if refused:
        return refused
    words = words_of(said)
    says = f": {words}" if words else f", and ends without a word (status {status})"
    if "sftp" in said.lower():
        what, remedy = f"lets {user} use SFTP only{says}", _FORCED
    elif "not available" in said or "nologin" in said:
        what, remedy = f"lets {user} in, but gives it no shell{says}", HostShellRefused.remedy_text
    elif "restricted" in said:
        what, remedy = f"gives {user} a restricted shell{says}", HostShellRefused.remedy_text
    elif not words and status == 0:
        what, remedy = f"ends the shell of {user} before it runs anything{says}", _RC_FILES
    elif not words:
        what, remedy = f"runs nothing for {user}{says}", HostShellRefused.remedy_text
    else:
        what = f"does not run what {user} tells it{says}"
        remedy = f"{_FORCED} {_RC_FILES}"
    return HostShellRefused(f"{where} {what}", remedy=remedy, details=said.strip())


def no_account(where: str, user: str, said: str) -> AirferryError | None:
    """Return the error of an account that is not as it should be, if a host says so."""
    words = words_of(said)
    if _NOT_NOW.search(said):
        return HostGoesDown(f"{where} lets nobody but root in: {words}")
    if _OLD_PASSWORD.search(said):
        return HostLoginRefused(
            f"{where}: the password of {user} has expired: {words}",
            remedy=_EXPIRED.format(user=user),
            details=said,
        )
    if _NO_ACCOUNT.search(said):
        return HostLoginRefused(
            f"{where}: the account {user} is not open: {words}",
            remedy=_CLOSED.format(user=user),
            details=said,
        )
    return None


def no_streams(where: str, user: str) -> HostShellRefused:
    """Return the error of a shell whose output and error output are not what they were."""
    return HostShellRefused(
        f"{where}: the shell of {user} leads its output or its errors elsewhere (as exec >FILE or "
        "exec 2>&1 in an rc file do)",
        remedy=_RC_FILES,
    )


def no_end(where: str, user: str, waited_s: float, said: str) -> HostShellRefused:
    """Return the error of a shell that did not come to what it was told."""
    words = words_of(said)
    return HostShellRefused(
        f"{where}: the shell of {user} did not begin what it was told within {waited_s:.0f} s"
        f"{f'; it said: {words}' if words else ''}",
        remedy=f"Something there waits for an answer or for another program. {_RC_FILES}",
    )

"""How a login becomes root, and what sudo and doas say where it does not.

Their words are those of the C locale, which is the one they are started in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from core.errors import HostSudoRefused
from core.hosts.ssh.no_shell import words_of

_AS_ROOT = "By root, in sudoers (visudo)"
_NO_PASSWORD = f"{_AS_ROOT}: {{user}} ALL=(ALL) NOPASSWD: ALL"
_OR_ROOT = "Or log in as root (ssh.user)."


class RootWay(Enum):
    """How a login becomes root."""

    DIRECT = "direct"
    SUDO = "sudo"
    ASKED = "asked"
    DOAS = "doas"

    @property
    def words(self) -> str:
        """What stands before a command that is to be root's."""
        return _WAYS[self]


# The prompt names whose password is wanted. It is a variable and not -p, which sudo-rs did not
# always know. -k: ask even if sudo remembers the login, else the password goes to the command.
PROMPT = "<airferry asks %p>"
_WAYS = {
    RootWay.DIRECT: "",
    RootWay.SUDO: "sudo -n -u root",
    RootWay.ASKED: f"/usr/bin/env SUDO_PROMPT='{PROMPT}' sudo -k -S -u root",
    RootWay.DOAS: "doas -n -u root",
}


@dataclass(frozen=True)
class Refused:
    """How becoming root ended without it.

    Args:
        said: What was said, without what is ours.
        sent: A password was sent.
        whose: Whose password was wanted, where that is known.
        more: What was asked for after, or instead of, the password; and was not answered.
        waited_s: Set where nothing came for so long.
        rules: What sudo lets the login do without a password, where it says so.
    """

    said: str = ""
    sent: bool = False
    whose: str = ""
    more: str = ""
    waited_s: float = 0.0
    rules: str = ""

    @property
    def wants_password(self) -> bool:
        """Whether a password is all that is missing."""
        return "is required" in self.said and not self.sent


def refusal(where: str, user: str, refused: Refused) -> HostSudoRefused:
    """Return what a login that does not become root is told as."""
    what, remedy = _why(user, refused)
    return HostSudoRefused(f"{where}: {what}", remedy=remedy, details=refused.said)


def _why(user: str, refused: Refused) -> tuple[str, str]:
    words = words_of(refused.said)
    of = refused.whose or user
    asked = "" if of == user else f", which it asks {user} for there (rootpw or targetpw)"
    if refused.more:
        return _asked_more(user, refused)
    if refused.waited_s:
        said = f"; it said: {words}" if words else ""
        return (
            f"sudo did not answer {user} within {refused.waited_s:.0f} s{said}",
            f"It waits for something there (a module of PAM?). {_NO_PASSWORD.format(user=user)}",
        )
    if refused.rules and refused.wants_password:
        return (
            f"{user} may run some commands only as root there, and sh is not among them: "
            f"{refused.rules}",
            _ALL_COMMANDS.format(user=user),
        )
    allowed = f" It may: {refused.rules}" if refused.rules else ""
    for marks, what, remedy in _KNOWN:
        if re.search(marks, refused.said, re.IGNORECASE):
            said = what.format(user=user, of=of, asked=asked, words=words, allowed=allowed)
            return said, remedy.format(user=user)
    if refused.sent:
        return f"sudo refuses the password of {of}: {words}", _WRONG
    says = f": {words}" if words else " and does not say why"
    return f"{user} does not become root there{says}", HostSudoRefused.remedy_text


def _asked_more(user: str, refused: Refused) -> tuple[str, str]:
    if refused.whose not in ("", user) and not refused.sent:
        return (
            f"sudo wants the password of {refused.whose} there, not that of {user} (rootpw, "
            "targetpw or runaspw in sudoers)",
            f"Give {refused.whose}'s password as sudo's (w on the screens, or --ask-sudo-pass). "
            f"{_NO_PASSWORD.format(user=user)}",
        )
    what = "asks for more than a password" if refused.sent else "asks for something else"
    return (
        f"sudo {what} there: {refused.more}",
        f"Airferry can answer with one password only. {_NO_PASSWORD.format(user=user)}",
    )


_WRONG = (
    "Type sudo's password anew (w on the screens, or --ask-sudo-pass). A wrong one is sent once "
    "only, for accounts get locked."
)
_ALL_COMMANDS = (
    "Airferry runs sh as root, so rules for some commands, or against shells, do not do. "
    f"{_NO_PASSWORD}. {_OR_ROOT}"
)
_RULE = re.compile(r"^ +\(.*\).*NOPASSWD:.*", re.MULTILINE)
# The first that fits counts: what went wrong in the end stands before what was said on the way.
_KNOWN = (
    (
        r"expired|password change|new authentication token|change your password",
        "sudo does not take {user}, whose password or account has expired: {words}",
        "Give it a new password on the host (passwd {user}), or renew the account (chage -E -1 "
        "{user}; chage -M -1 {user}).",
    ),
    (
        r"is locked|account locked|account validation failure",
        "the account {user} is locked for sudo: {words}",
        "Unlock it on the host (faillock --user {user} --reset, or passwd -u {user}).",
    ),
    (
        r"must have a tty",
        "sudo wants a terminal there (requiretty in sudoers)",
        f"{_AS_ROOT}: Defaults:{{user}} !requiretty. {_OR_ROOT}",
    ),
    (
        r"not in the sudoers|i'm afraid i can't do that",
        "{user} may not use sudo there (not in the sudoers file)",
        f"{_NO_PASSWORD}. {_OR_ROOT}",
    ),
    (
        r"not allowed to|may not run|doas: operation not permitted",
        "{user} may not run sh as root there: {words}{allowed}",
        _ALL_COMMANDS,
    ),
    (
        r"/usr/bin/env.*(permission denied|not permitted)",
        "sudo runs sh as root there, but lets it start nothing (noexec in sudoers): {words}",
        f"{_AS_ROOT}: {{user}} ALL=(ALL) NOPASSWD: EXEC: ALL, without 'Defaults noexec'. "
        f"{_OR_ROOT}",
    ),
    (
        r"incorrect password|incorrect authentication|try again|authentication failed",
        "sudo refuses the password of {of}{asked}",
        _WRONG,
    ),
    (
        r"parse error|syntax error|sudoers sources|sudoers is|invalid configuration",
        "sudo itself is broken there: {words}",
        "Mend sudoers on the host as root (visudo -c names the line).",
    ),
    (
        r"setuid|no new privileges|nosuid|owned by uid 0",
        "sudo itself is broken there: {words}",
        "Mend sudo on the host as root (apt-get or dnf reinstall sudo; is its file system mounted "
        "nosuid?).",
    ),
    (
        r"is required",
        "{user} is not root, and sudo wants a password",
        HostSudoRefused.remedy_text,
    ),
)


def rules_without_password(listing: str) -> str:
    """Return the rules of `sudo -l` that need no password, on one line."""
    return words_of("\n".join(rule.strip() for rule in _RULE.findall(listing)))


def no_way(where: str, user: str, has_su: bool) -> HostSudoRefused:
    """Return what a login is told as whose host has neither sudo nor doas."""
    only = ", only su, which wants a terminal" if has_su else ""
    return HostSudoRefused(
        f"{where}: {user} is not root, and the host has no sudo and no doas{only}",
        remedy=f"Log in as root (ssh.user), or install sudo there and let {user} use it.",
    )

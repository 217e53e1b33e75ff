"""How a login becomes root, and what sudo says where it does not."""

from __future__ import annotations

from enum import Enum

# -k: ask even if sudo remembers the login, else the password would go to the command itself.
SUDO_ASKING = "sudo -k -S -p ''"

REFUSALS = (
    "incorrect password attempt",
    "no password was provided",
    "a password is required",
    "not in the sudoers",
)


class RootWay(Enum):
    """How a login becomes root."""

    DIRECT = "direct"
    SUDO = "sudo"
    ASKED = "sudo with a password"


def refuses(said: str) -> bool:
    """Whether these are sudo's words, and it says no."""
    return any(mark in said for mark in REFUSALS)


def why_no_sudo(said: str, user: str) -> str:
    """Return sudo's refusal in plain words."""
    known = (
        ("not found", "has no sudo"),
        ("not in the sudoers", f"{user} may not use sudo there (not in the sudoers file)"),
        ("not allowed", f"{user} may not run this by sudo there"),
        ("must have a tty", "sudo wants a terminal there (requiretty in sudoers)"),
        ("no password was provided", f"sudo refuses the password of {user}"),
        ("incorrect password", f"sudo refuses the password of {user}"),
        ("try again", f"sudo refuses the password of {user}"),
        ("password is required", f"{user} is not root, and sudo wants a password"),
    )
    last = said.strip().splitlines()[-1:] or ["sudo says no"]
    return next((words for mark, words in known if mark in said), last[0])

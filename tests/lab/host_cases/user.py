"""A login that is not root, for cases: `tech`, let in by the site's key."""

from __future__ import annotations

PASSWORD, WRONG = "tech-5Rw8nL", "wrong-2Hk7pD"


def user(*more: str, in_shell: str = "/bin/bash") -> str:
    """Return a script that makes the login `tech`, and then does more."""
    return "\n".join(
        (
            "set -eu",
            f"useradd -m -s {in_shell} tech",
            "install -d -m 700 -o tech /home/tech/.ssh",
            "install -m 600 -o tech /root/.ssh/authorized_keys /home/tech/.ssh/authorized_keys",
            f"echo 'tech:{PASSWORD}' | chpasswd",
            *more,
        )
    )


def sudo(rule: str, *defaults: str) -> str:
    """Return a line that writes what `tech` may do by sudo."""
    lines = "\\n".join([*(f"Defaults {each}" for each in defaults), *([rule] if rule else [])])
    return f"printf '{lines}\\n' >/etc/sudoers.d/tech"


NO_PASSWORD = sudo("tech ALL=(ALL) NOPASSWD: ALL")
ASKS = "tech ALL=(ALL) ALL"
TECH = {"user": "tech"}

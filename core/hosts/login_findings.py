"""What a login itself has that stands in the way, or that somebody should know of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.hosts.preflight import Finding
from core.hosts.ssh.no_shell import words_of

if TYPE_CHECKING:
    from core.hosts.ssh.connection import HostConnection

# What is printed may be put together there: then no file has these words, and none is named.
_WHICH_FILE = """
for file in "$HOME"/.bashrc "$HOME"/.bash_profile "$HOME"/.profile "$HOME"/.bash_login \\
    "$HOME"/.cshrc "$HOME"/.tcshrc "$HOME"/.login "$HOME"/.zshenv "$HOME"/.kshrc \\
    "$HOME"/.config/fish/config.fish "$HOME"/.ssh/rc /etc/ssh/sshrc /etc/bash.bashrc /etc/bashrc \\
    /etc/profile /etc/csh.cshrc /etc/zshenv /etc/zsh/zshenv /etc/zsh/zshrc /etc/profile.d/* \\
    /etc/fish/config.fish /etc/motd /etc/motd.d/* /etc/issue /etc/issue.net
do
    if grep -qsF -e "$1" "$file"; then printf '%s\\n' "$file"; fi
done
"""
# Where authorize.sh will write. Nothing is tried: who only checks leaves no trace.
_KEY_FITS = """
place=$HOME/.ssh/authorized_keys
if [ -e "$place" ]; then place=$(readlink -f "$place"); fi
directory=$(dirname "$place")
[ "$directory" != "$HOME/.ssh" ] || [ -d "$directory" ] || directory=$HOME
[ ! -w "$directory" ] || exit 0
[ -d "$directory" ] || { echo "there is no $directory"; exit 1; }
echo "$directory cannot be written"
exit 1
"""


async def login_findings(link: HostConnection, *, needs_key: bool) -> list[Finding]:
    """Return what there is to say of a host's login; asks nothing of one that is as it should be.

    Args:
        link: The host, which has run something already.
        needs_key: A key is to be let in for this login (it has typed a password).

    Raises:
        HostError: it cannot be asked.
    """
    found = []
    if link.noise:
        found.append(await _about_noise(link))
    if needs_key:
        done = await link.run(_KEY_FITS, check=False)
        if done.status:
            found.append(
                Finding(
                    True,
                    f"takes no key for {link.route.user}, which the tunnel needs: "
                    f"{words_of(done.out or done.err)}",
                    f"Have ~{link.route.user}/.ssh belong to {link.route.user} and be writable, or "
                    "log in by a key that has no passphrase (ssh.key).",
                )
            )
    return found


async def _about_noise(link: HostConnection) -> Finding:
    first = words_of(link.noise.splitlines()[0])
    files = (await link.run(_WHICH_FILE, first, check=False)).out.split("\n")[:-1]
    where = f" ({', '.join(files[:2])})" if files else ""
    return Finding(
        False,
        f"prints {first[:60]!r} before every command of {link.route.user}{where}; that is passed "
        "over here, and stops others (scp, rsync)",
        "Have it printed for terminals only: [ -t 1 ] && ...",
    )

"""The tunnel service's own keys, and what they may do on a host.

The service outlives the run, and with it what was typed: a password, a passphrase, an agent. So
where a login needs any of these, the run lets a key of the service in, over its own connection.
That key can open the tunnel and nothing else. No secret is ever stored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from core.files import write_atomically
from core.hosts.ssh.listening import who_listens

if TYPE_CHECKING:
    from core.hosts.ssh.connection import HostConnection

SCRIPT = (Path(__file__).parent / "authorize.sh").read_text(encoding="utf-8")
TUNNEL_MARK = "airferry-tunnel"
JUMP_MARK = "airferry-jump"

# Ends the session that an earlier line of this tunnel left behind (sshd keeps its port for minutes
# after a cut), and notes this one for the next. As a process's number may have gone to another, the
# note holds the start time, too. Without quotes of one kind, because it stands within them; and for
# any login, because the session is a process of who logs in. It ends by telling who listens on the
# port: a key that may do nothing else asks for that by it, too.
CLAIM = (
    'exec sh -c \'n="$HOME/.airferry-tunnel-{port}"; p=; b=; s=; '
    'born() {{ cut -d" " -f22 "/proc/$1/stat" 2>/dev/null; }}; '
    '{{ read -r p b s <"$n"; }} 2>/dev/null; i=0; '
    'if [ "$b" ] && [ "${{s:-{site}}}" = "{site}" ] && [ "$p" != "$PPID" ] && '
    '[ "$(born "$p")" = "$b" ]; then kill "$p"; '
    'while [ "$(born "$p")" = "$b" ] && [ $i -lt 50 ]; do sleep 0.1; i=$((i+1)); done; fi; '
    'umask 077; {{ echo "$PPID $(born "$PPID") {site}" >"$n.new" && '
    'mv -f "$n.new" "$n"; }} 2>/dev/null; '
    "{who}; exit 0'"
)
_ASK = r"""
key=$1; shift
if [ -n "$key" ] && grep -qs " $key airferry-tunnel\$" "$HOME/.ssh/authorized_keys"; then exit 0; fi
for port; do if [ -e "$HOME/.airferry-tunnel-$port" ]; then exit 0; fi; done
exit 1
"""
_FORGET = 'for port; do rm -f "$HOME/.airferry-tunnel-$port"; done'


class ServiceKeys:
    """The keys of one site's tunnel service, made once: one for hosts, one for jump hosts.

    Two, because sshd goes by the first line of authorized_keys that has the key, and a host may be
    the way to another.

    Args:
        directory: Where the service keeps its files.
    """

    def __init__(self, directory: Path) -> None:
        self.tunnel = directory / "key"
        self.jump = directory / "key-jump"

    def public(self, path: Path, mark: str) -> str:
        """Return the public half of a key as it stands in authorized_keys; made if it is not there.

        Raises:
            OSError: it cannot be written.
        """
        import asyncssh  # 0.15 s that who only looks at the tunnels does not wait for

        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            made = asyncssh.generate_private_key("ssh-ed25519", comment=mark)
            write_atomically(path, made.export_private_key("openssh"), mode=0o600)
        public = asyncssh.read_private_key(str(path)).export_public_key("openssh").decode()
        return f"{' '.join(public.split()[:2])} {mark}"

    def known(self, path: Path) -> str:
        """Return the public half of a key without its kind; empty if it was never made."""
        return self.public(path, "").split()[1] if path.exists() else ""


def claim_of(port: int, site: str = "") -> str:
    """Return the command by which a session of a tunnel makes the port its own.

    Args:
        port: The port on the host.
        site: What the site is told by: the session of another is left alone.
    """
    return CLAIM.format(port=port, site=site or "-", who=who_listens(port))


def tunnel_line(public: str, port: int, server_version: str, site: str = "") -> str:
    """Return the line of authorized_keys that lets the service open one tunnel.

    Args:
        public: The key, with its comment.
        port: The port on the host.
        server_version: What sshd calls itself.
        site: As for `claim_of`.
    """
    place = f"127.0.0.1:{port}"
    return _line(public, claim_of(port, site), place, [place], server_version)


def jump_line(public: str, places: Iterable[str], server_version: str) -> str:
    """Return the line that lets the service through a jump host to some places, `host:port`."""
    # Nobody but root may listen on port 1: there is no way to say "nowhere".
    return _line(public, "exit 1", "127.0.0.1:1", places, server_version)


def _line(public: str, command: str, listen: str, places: Iterable[str], version: str) -> str:
    number = _openssh(version)
    if number >= (7, 2):
        options = ["restrict", "port-forwarding"]
    else:
        options = ["no-pty", "no-agent-forwarding", "no-X11-forwarding", "no-user-rc"]
    if number >= (7, 8):  # older ones take an option that they do not know for a reason to refuse
        options.append(f'permitlisten="{listen}"')
    options += [f'permitopen="{place}"' for place in places]
    escaped = command.replace('"', '\\"')
    return f'{",".join(options)},command="{escaped}" {public}'


def _openssh(version: str) -> tuple[int, int]:
    found = re.search(r"OpenSSH_(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


async def put_line(link: HostConnection, line: str) -> None:
    """Let a key in on a host: its line is put into authorized_keys of the login.

    Raises:
        HostError: it cannot be written, or the line was lost.
    """
    key, mark = line.split()[-2:]
    await link.run(SCRIPT, mark, key, line)


async def has_key(link: HostConnection, key: str, ports: Iterable[int]) -> bool:
    """Whether a host's login lets the service in, or keeps a note of one of its tunnels.

    Args:
        link: The host.
        key: The service's key, as `known` returns it.
        ports: The ports on the host that its tunnels have, or had.

    Raises:
        HostError: it cannot be asked.
    """
    return (await link.run(_ASK, key, *map(str, ports), check=False)).status == 0


async def withdraw_key(link: HostConnection, mark: str, key: str) -> None:
    """Take one of the service's keys out of a host's authorized_keys again.

    Args:
        link: The host, with the login by which the tunnel was opened.
        mark: Which of the service's keys: that of tunnels, or that of jump hosts.
        key: The key, as `known` returns it.

    Raises:
        HostError: as for `put_line`.
    """
    if key:
        await link.run(SCRIPT, mark, key)


async def forget_tunnel(link: HostConnection, ports: Iterable[int]) -> None:
    """Remove the notes of a site's tunnels from a host.

    Raises:
        HostError: as for `put_line`.
    """
    await link.run(_FORGET, *map(str, ports))

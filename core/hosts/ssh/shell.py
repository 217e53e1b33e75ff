"""How a command is started on a host: under plain `sh` with a clean environment, whatever logs in.

What sshd starts is the login's shell, which may be any (csh and fish quote otherwise), reads files
of its own and may print there. So it is told one thing only, which all shells read alike: to become
`sh` with an environment of ours. That reads a script from its standard input, whose first act is to
print a mark: what comes before it is the login's, what comes after it is ours. A second mark ends
it and holds the script's status, as a wrapper (ForceCommand) may print more and swallow that.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin"
_SET = f"PATH={PATH} LC_ALL=C MARK=airferry"
_KEPT = 'HOME="$HOME" SSH_CONNECTION="$SSH_CONNECTION"'

# Between single quotes there is nothing that any shell reads for itself: no quote, backslash,
# exclamation mark or newline.
LINE = f"exec /bin/sh -c 'exec /usr/bin/env -i {_KEPT} {_SET} /bin/sh'"
# For what takes no path and no `exec` (rbash), or takes a command apart at its blanks (wrappers).
PLAIN_LINE = f"env -i {_SET} sh"
LINES = (LINE, PLAIN_LINE)
_MISREAD = re.compile(
    r"restricted|not found|no such|quot|unmatched|syntax|unexpected|unterminated", re.I
)

# The marks hold a variable of the clean environment: a shell that echoes what it reads prints none,
# nor does another one that has taken our place (`exec zsh` in .bashrc).
BEGINS = "<airferry begins>\n"
STARTS = "<airferry starts>\n"
_PRINT_BEGINS = "printf '<%s begins>\\n' \"$MARK\""
_PRINT_STARTS = "printf '<%s starts>\\n' \"$MARK\""
_ENDS = re.compile(r"<airferry ends ([0-9]+)>\n")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Ended:
    """What a script that ran to its end left.

    Args:
        status: Its status; None where it was cut off.
        out: What it printed, and no more.
        err: What it complained about.
        noise: What the login printed before it.
    """

    status: int | None
    out: str
    err: str
    noise: str


def begin(user: str) -> str:
    """Return the first lines of what a clean shell reads: a mark, and what `env` does not set.

    Home is where sshd looks for it, whatever the login's files say.
    """
    lines = [
        '[ "$MARK" ] || exit 1',
        f"{_PRINT_BEGINS}; {_PRINT_BEGINS} >&2",
        "umask 022",
        "cd /",
    ]
    if _PLAIN_NAME.fullmatch(user):
        lines.append(f"case ~{user} in /*) HOME=~{user}; export HOME ;; esac")
    return "\n".join(lines) + "\n"


def whole(script: str, arguments: tuple[str, ...], user: str) -> str:
    """Return a script as a clean shell is to read it.

    It is read to its end before it begins, so a line that is cut in the middle of it does nothing,
    and a program in it that reads its standard input takes nothing of it away.

    Args:
        script: POSIX shell text.
        arguments: What it sees as `$1` and so on.
        user: As whom it runs.
    """
    return (
        f"{begin(user)}{shlex.join(['set', '--', *arguments])}\n(\n{script}\n) </dev/null\n"
        "printf '<%s ends %s>\\n' airferry $?\n"
    )


def ended(out: str, err: str) -> Ended | None:
    """Return what a script left, of all that came; None where it never began."""
    noise, began, ours = out.partition(BEGINS)
    if not began:
        return None
    err = err.partition(BEGINS)[2] if BEGINS in err else err
    marks = list(_ENDS.finditer(ours))
    if not marks:
        return Ended(None, ours, err, noise)
    return Ended(int(marks[-1][1]), ours[: marks[-1].start()], err, noise)


def as_root(way: str, command: str, user: str) -> str:
    """Return what a clean shell reads to become root and run a command there.

    The command's environment is clean again: sudo and PAM bring variables of their own. It waits
    for a line (`GO`) after its mark, and only what comes after that is its own standard input.

    Args:
        way: The words before a command that make it root's; none for root itself.
        command: Shell text.
        user: Who logs in.
    """
    command = f"{_PRINT_STARTS}; {_PRINT_STARTS} >&2; umask 022; cd /; read -r go; {command}"
    clean = (
        'h=~root; exec /usr/bin/env -i HOME="$h" SSH_CONNECTION="$1" '
        f"{_SET} /bin/sh -c {shlex.quote(command)}"
    )
    started = f'exec {way} /bin/sh -c {shlex.quote(clean)} sh "$SSH_CONNECTION"'
    return f"{begin(user)}{started}\n"


GO = "go\n"


def leads_elsewhere(out: str, err: str) -> bool:
    """Whether the marks came, but not one on each stream: a file of the login has led them on."""
    return (BEGINS in out) != (BEGINS in err)


def was_misread(said: str) -> bool:
    """Whether these may be the words of a shell that could not read the line."""
    return bool(_MISREAD.search(said))

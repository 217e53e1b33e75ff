"""The environment in which all tests run: set here, and inherited from nobody.

A test that fails because of a locale, a `DOCKER_HOST`, a umask or an ignored SIGHUP of whoever
started it says nothing of the program. So each process that runs tests begins with `set_up`: its
variables, home, umask, signals and standard streams are then the same everywhere, and its home and
temporary directory are nobody else's.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType

from tests.support.memory import memory_with

EVERYWHERE = (
    *("awk", "base64", "basename", "cat", "chmod", "chown", "cp", "cut", "dash", "date", "df"),
    *("dirname", "dpkg", "dpkg-deb", "dpkg-query", "echo", "env", "expr", "false", "find"),
    *("getconf", "getent", "grep", "head", "hostname", "id", "install", "ln", "ls", "mkdir"),
    *("mktemp", "mv", "nproc", "od", "ps", "readlink", "rm", "rmdir", "sed", "seq", "sh"),
    *("sha256sum", "sleep", "sort", "stat", "sync", "tail", "tar", "tee", "touch", "tr", "true"),
    *("uname", "uniq", "wc", "xargs"),
)
"""Programs that every Debian has: the only ones that tests find which are not marked `programs`."""

Handler = Callable[[int, FrameType | None], object] | signal.Handlers

# Tests make and remove a million files.
ROOMS = memory_with(12 << 30) or Path("/tmp")
"""Where all directories of tests are."""
SUITE = "AIRFERRY_TESTS_SUITE"
"""The process whose directories these are: the suite's, which removes what is left of them."""
MACHINE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_KEPT = ("AIRFERRY_LAB_", SUITE, "AIRFERRY_UPDATE_", "COVERAGE_", "PYTEST_")
_FOR_DOWNLOADS = ("PIP_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_HANDLERS: dict[signal.Signals, Handler] = {
    **dict.fromkeys(
        (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGCHLD, signal.SIGALRM),
        signal.SIG_DFL,
    ),
    signal.SIGINT: signal.default_int_handler,  # ignored by what a shell starts with `&`
}


class Environment:
    """What a process that runs tests has for itself.

    Args:
        inherited: The variables with which it was started.
    """

    def __init__(self, inherited: Mapping[str, str]) -> None:
        self._inherited = dict(inherited)
        self._suite = self._inherited.setdefault(SUITE, str(os.getpid()))
        self._room = Path(tempfile.mkdtemp(prefix=f"airferry-tests-{self._suite}-", dir=ROOMS))
        self._links = self._room / "bin"
        self._own_programs = str(Path(sys.executable).parent)

    def variables(self) -> dict[str, str]:
        """Return all variables; with them, every program of the machine is found."""
        for name in ("home", "tmp", "runtime"):
            (self._room / name).mkdir(mode=0o700, exist_ok=True)
        kept = {name: value for name, value in self._inherited.items() if name.startswith(_KEPT)}
        return {
            **kept,
            "AIRFERRY_MEDIA": "",  # no stick of this machine is looked at
            # The registry, skopeo and Docker's command line live for a second, in which Go would
            # tidy up again and again and keep one more core awake.
            "GOGC": "800",
            "GOMAXPROCS": "1",
            "HOME": str(self._room / "home"),
            "LANG": "C.UTF-8",
            "PATH": f"{self._own_programs}:{MACHINE_PATH}",
            "SHELL": "/bin/sh",
            "TERM": "xterm-256color",
            "TMPDIR": str(self._room / "tmp"),
            "TZ": "UTC",
            "XDG_RUNTIME_DIR": str(self._room / "runtime"),
        }

    def few_programs(self) -> str:
        """Return the PATH of tests that run nothing but what every Debian has."""
        if not self._links.exists():
            self._links.mkdir()
            for name in EVERYWHERE:
                found = shutil.which(name, path=MACHINE_PATH)
                if found:
                    (self._links / name).symlink_to(found)
        return f"{self._own_programs}:{self._links}"

    def for_downloads(self) -> dict[str, str]:
        """Return the variables that say how this machine reaches package archives."""
        return {
            name: value
            for name, value in self._inherited.items()
            if name.upper().startswith(_FOR_DOWNLOADS)
        }

    def allow(self, *, programs: bool, downloads: bool) -> None:
        """Let the next test find programs of this machine, and package archives, or not."""
        all_programs = f"{self._own_programs}:{MACHINE_PATH}"
        os.environ["PATH"] = all_programs if programs else self.few_programs()
        for name, value in self.for_downloads().items():
            os.environ.pop(name, None)
            if downloads:
                os.environ[name] = value

    def remove(self) -> None:
        """Remove what was made for it; by the suite itself, also what others of it left."""
        whose = "*" if self._suite == str(os.getpid()) else self._room.name.rpartition("-")[2]
        for room in ROOMS.glob(f"airferry-tests-{self._suite}-{whose}"):
            shutil.rmtree(room, ignore_errors=True)


def set_up() -> Environment:
    """Give this process the environment of tests.

    pytest keeps the directories of failed tests where it always does.

    Returns:
        What is to be told before each test, and removed in the end.
    """
    _open_standard_streams()
    _leave_terminal()
    for number, handler in _HANDLERS.items():
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.umask(0o022)
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(ROOMS)
    made = Environment(os.environ)
    variables = made.variables()
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
    tempfile.tempdir = None  # asked for anew
    return made


def _open_standard_streams() -> None:
    """Keep 0, 1 and 2 from being given to the next file that is opened."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number is this one


def _leave_terminal() -> None:
    """Have no terminal that a program under test could ask for a password on."""
    if os.getsid(0) == os.getpid():
        return  # all processes of the terminal would be hung up
    with contextlib.suppress(OSError):
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
        fcntl.ioctl(terminal, termios.TIOCNOTTY)
        os.close(terminal)

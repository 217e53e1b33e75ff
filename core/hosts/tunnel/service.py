"""The process behind the tunnels: `airferry tunnels run`.

The service itself is started as `python -m core.hosts.tunnel.service STATE_DIR`: it needs no config
and must come up after a reboot whatever the config says by then.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.hosts.tunnel.control import LOCK_NAME
from core.hosts.tunnel.store import TunnelStore
from core.hosts.tunnel.supervisor import TunnelSupervisor
from core.service import ServiceFailed

LOCK_PATIENCE_S = 5.0
_POLL_S = 0.1


def run(state_dir: Path) -> None:
    """Keep the tunnels until SIGTERM or SIGINT.

    Raises:
        ServiceFailed: another process keeps them already.
    """
    # An agent lives as long as somebody's session: what it let us do would end with that.
    os.environ.pop("SSH_AUTH_SOCK", None)
    # A descriptor for every host and for every layer that is on its way to one.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with _alone(state_dir / "tunnels"):
        asyncio.run(serve(state_dir))


async def serve(state_dir: Path) -> None:
    """Keep the tunnels until SIGTERM or SIGINT."""
    task = asyncio.ensure_future(TunnelSupervisor(TunnelStore(state_dir)).run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Hold the lock of the service: two of them would take the hosts' ports from each other."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (directory / LOCK_NAME).open("a", encoding="ascii") as lock:
        deadline = time.monotonic() + LOCK_PATIENCE_S  # one that is being stopped takes a moment
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ServiceFailed(
                        "the tunnel service runs already",
                        remedy="See: airferry tunnels status. Stop it: airferry tunnels stop.",
                    ) from None
                time.sleep(_POLL_S)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


if __name__ == "__main__":
    try:
        run(Path(sys.argv[1]))
    except ServiceFailed as error:
        sys.exit(error.what)

"""The tunnel service seen from outside: whether it runs, starting and stopping it.

Apart from the service itself, because who only asks needs no SSH.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from pathlib import Path

from core.config import Config
from core.service import Service, ServiceFailed

LOCK_NAME = "service.lock"
START_PATIENCE_S = 60.0
_POLL_S = 0.1


def tunnel_service(config: Config) -> Service:
    """Return the service that keeps this site's tunnels."""
    state_dir = config.state_dir
    return Service(
        name="airferry-tunnels",
        description="Airferry: tunnels from the hosts to the registry of this site",
        argv=(sys.executable, "-m", "core.hosts.tunnel.service", str(state_dir)),
        state_dir=state_dir,
    )


def is_running(state_dir: Path) -> bool:
    """Whether a process keeps the tunnels, however it was started."""
    try:
        with (state_dir / "tunnels" / LOCK_NAME).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def wait_until_running(state_dir: Path) -> None:
    """Wait until the process that was just started keeps the tunnels.

    Raises:
        ServiceFailed: it does not come up in time.
    """
    deadline = time.monotonic() + START_PATIENCE_S
    while not is_running(state_dir):
        if time.monotonic() > deadline:
            raise ServiceFailed("the tunnel service does not start")
        time.sleep(_POLL_S)


def stop(state_dir: Path) -> bool:
    """Ask the process that keeps the tunnels to end; False if there is none."""
    if not is_running(state_dir):
        return False
    os.kill(int((state_dir / "tunnels" / LOCK_NAME).read_text(encoding="ascii")), signal.SIGTERM)
    return True

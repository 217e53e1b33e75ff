"""The process behind the tunnels: `python -m core.hosts.tunnel_service STATE_DIR`."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from core.hosts.tunnels import TunnelBook, TunnelKeeper


async def serve(state_dir: Path) -> None:
    """Keep the tunnels until SIGTERM."""
    task = asyncio.ensure_future(TunnelKeeper(TunnelBook(state_dir)).run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))

"""Ports for servers that a test starts later: nobody else takes them meanwhile.

Each process that runs tests has a block of ports to itself, below those that the kernel gives to
connections and to servers that ask for any port. Who has a block shows by a name in the kernel,
which goes with the process, and is known wherever the ports are: in one network namespace.
"""

from __future__ import annotations

import functools
import itertools
import socket

BLOCKS = range(20_000, 32_000, 100)


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port of this process's block on which nothing listens now.

    Args:
        host: The address that it is wanted for.
    """
    block, numbers, _ = _own_block()
    for _ in block:
        port = next(numbers)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise OSError(f"all ports from {block.start} to {block.stop - 1} are taken")


@functools.cache
def _own_block() -> tuple[range, itertools.cycle[int], socket.socket]:
    """Return a block, its ports in turn, and what keeps others from it."""
    claim = socket.socket(socket.AF_UNIX)
    for start in BLOCKS:
        try:
            claim.bind(f"\0airferry-tests-ports-{start}")
        except OSError:
            continue
        block = range(start, start + BLOCKS.step)
        return block, itertools.cycle(block), claim
    claim.close()
    raise OSError("more than a hundred processes run tests on this machine")

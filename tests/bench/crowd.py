"""Many fake hosts in one process: `python -m tests.bench.crowd`, told what to be on its input.

SSH is real (asyncssh's server; a key and an address below 127.1.0.0/16 each). Docker is not: its
API is answered by `fakedocker`, because no machine has room for hundreds of engines. Nor are the
shells: every script is answered by what was recorded, or, asked for `real_shells`, the facts by
running the script. It answers a line with the known_hosts entries, one a host, then serves until
its input ends.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import asyncssh

from core.hosts import facts
from core.hosts.managed_state import DIRECTORY
from core.hosts.ssh import shell
from tests.support.fakedocker import VERSION, FakeDocker

PORT = 2222
LISTENS_AT_ONCE = 50
# What a machine that runs the bench may answer otherwise than a host of a site would.
AS_ON_A_HOST = {
    "init": "systemd",
    "docker_path": "/usr/bin/docker",
    "docker_version": VERSION,
    "docker_driver": "overlay2",
    "port_inode": "",
}

_ASK_FACTS = ("sh", "-s", "--", "5001")


@dataclass(frozen=True)
class CrowdRequest:
    """What the fake hosts shall be.

    Args:
        count: How many there are.
        client_key: The public key that may log in.
        images: The IDs of the images that can be pulled, by name.
        insecure: The registry that Docker takes without TLS.
        real_shells: The facts come from a real `sh`, a process for each host.
    """

    count: int
    client_key: str
    images: dict[str, str]
    insecure: str
    real_shells: bool = False

    def to_json(self) -> str:
        """Return it as one line."""
        return json.dumps(asdict(self))


def address_of(number: int) -> str:
    """Return the address of a fake host, which is counted from 0."""
    return f"127.1.{number // 250}.{number % 250 + 1}"


class FakeHost:
    """One host: what it answers to the commands that Airferry gives.

    Args:
        request: What all hosts have in common.
        recorded: The facts, as the script printed them once.
    """

    def __init__(self, request: CrowdRequest, recorded: str) -> None:
        self._docker = FakeDocker(request.images, request.insecure)
        self._real_shells = request.real_shells
        self._recorded = recorded

    async def serve(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """Answer one command."""
        script = ""
        while line := (await process.stdin.readline()).decode():
            script += line
            if line.startswith("exec ") and "docker system dial-stdio" in line:
                for stream in (process.stdout, process.stderr):
                    stream.write(shell.STARTS.encode())
                await process.stdin.readline()
                await self._docker.serve(process.stdin, process.stdout)
                process.exit(0)
                return
        answer = await self._answer(script)
        if answer is None:
            print(f"unknown: {script[-200:]!r}", file=sys.stderr, flush=True)
            process.stderr.write(b"a fake host does not know this command\n")
        else:
            process.stdout.write(f"{shell.BEGINS}{answer}<airferry ends 0>\n".encode())
        process.exit(answer is None)

    async def _answer(self, script: str) -> str | None:
        if facts.SCRIPT in script:
            return await self._facts()
        if "docker version" in script:
            return f"{VERSION}\n"
        if DIRECTORY in script:  # what Airferry notes of itself
            return ""
        return None

    async def _facts(self) -> str:
        if not self._real_shells:
            return with_values(self._recorded, clock=str(int(time.time())))
        asked = await asyncio.create_subprocess_exec(
            *_ASK_FACTS, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await asked.communicate(facts.SCRIPT.encode())
        return with_values(said.decode(), **AS_ON_A_HOST)


def with_values(text: str, **values: str) -> str:
    """Return key=value lines with some values replaced."""
    lines = [line.partition("=") for line in text.splitlines()]
    return "".join(f"{key}={values.get(key, value)}\n" for key, _, value in lines)


async def serve(request: CrowdRequest) -> None:
    """Serve the hosts until the input ends."""
    said = subprocess.run(  # noqa: ASYNC221 - nobody is served yet
        _ASK_FACTS, input=facts.SCRIPT, capture_output=True, text=True, check=True
    ).stdout
    recorded = with_values(said, **AS_ON_A_HOST)
    client_key = asyncssh.import_authorized_keys(request.client_key)
    gate = asyncio.Semaphore(LISTENS_AT_ONCE)

    async def listen(number: int) -> tuple[asyncssh.SSHAcceptor, str]:
        key = asyncssh.generate_private_key("ssh-ed25519")
        host = FakeHost(request, recorded)
        async with gate:
            acceptor = await asyncssh.listen(
                address_of(number),
                PORT,
                server_factory=_Server,
                server_host_keys=[key],
                authorized_client_keys=client_key,
                process_factory=partial(_serve_process, host),
                encoding=None,
                gss_host=None,
                compression_algs=None,
            )
        public = key.export_public_key("openssh").decode().strip()
        return acceptor, f"[{address_of(number)}]:{PORT} {public}"

    listening = await asyncio.gather(*(listen(number) for number in range(request.count)))
    print(json.dumps([line for _, line in listening]), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for acceptor, _ in listening:
        acceptor.close()


class _Server(asyncssh.SSHServer):
    """Lets connections through to the registry, which is asked from each host."""

    def connection_requested(
        self,
        dest_host: str,  # noqa: ARG002 - asyncssh's signature
        dest_port: int,  # noqa: ARG002
        orig_host: str,  # noqa: ARG002
        orig_port: int,  # noqa: ARG002
    ) -> bool:
        return True


async def _serve_process(host: FakeHost, process: asyncssh.SSHServerProcess[bytes]) -> None:
    try:
        await host.serve(process)
    except (asyncssh.Error, OSError) as error:  # the line was cut: nobody is there to tell
        print(f"cut: {error}", file=sys.stderr, flush=True)


def main() -> int:
    """Read the request and serve."""
    fields: dict[str, Any] = json.loads(sys.stdin.readline())
    asyncio.run(serve(CrowdRequest(**fields)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

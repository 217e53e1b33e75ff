"""Letting the tunnel service in on a host: the shell that edits authorized_keys, under dash."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.hosts.tunnel.keys import (
    JUMP_MARK,
    TUNNEL_MARK,
    ServiceKeys,
    claim_of,
    jump_line,
    tunnel_line,
)

SCRIPT = Path(__file__).parents[4] / "core/hosts/tunnel/authorize.sh"
PUBLIC = f"ssh-ed25519 AAAA {TUNNEL_MARK}"
NEW, OLD = "SSH-2.0-OpenSSH_9.2p1 Debian-2", "SSH-2.0-OpenSSH_7.4"
OTHERS = "# mine\nssh-rsa BBBB tech@laptop\n"


def authorize(home: Path, mark: str, line: str = "", key: str = "AAAA") -> None:
    key = line.split()[-2] if line else key
    subprocess.run(
        ["dash", "-s", "--", mark, key, *([line] if line else [])],
        input=SCRIPT.read_text(),
        env={"HOME": str(home), "PATH": os.environ["PATH"]},
        check=True,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """An authorized_keys with somebody's key, without a line break at its end."""
    (tmp_path / ".ssh").mkdir(mode=0o700)
    path = tmp_path / ".ssh" / "authorized_keys"
    path.write_text(OTHERS.rstrip("\n"))
    path.chmod(0o640)
    return path


def test_a_line_is_added_once_and_removed_again(keys: Path, tmp_path: Path) -> None:
    line = tunnel_line(PUBLIC, 5001, NEW)
    for _ in range(2):
        authorize(tmp_path, TUNNEL_MARK, line)
        assert f"{OTHERS}{line}\n" == keys.read_text()
    assert 0o640 == keys.stat().st_mode & 0o777
    authorize(tmp_path, TUNNEL_MARK)
    assert OTHERS == keys.read_text()
    assert ["authorized_keys"] == [path.name for path in keys.parent.iterdir()]


def test_a_new_line_takes_the_place_of_the_old_one(keys: Path, tmp_path: Path) -> None:
    jump = jump_line(f"ssh-ed25519 CCCC {JUMP_MARK}", ["10.0.0.2:22"], NEW)
    for mark, line in (
        (TUNNEL_MARK, tunnel_line(PUBLIC, 5001, NEW)),
        (JUMP_MARK, jump),
        (TUNNEL_MARK, tunnel_line(PUBLIC, 5002, NEW)),
    ):
        authorize(tmp_path, mark, line)
    assert f"{OTHERS}{jump}\n{tunnel_line(PUBLIC, 5002, NEW)}\n" == keys.read_text()


def test_the_line_of_another_site_stays(keys: Path, tmp_path: Path) -> None:
    line = tunnel_line(PUBLIC, 5001, NEW)
    other = tunnel_line(f"ssh-ed25519 DDDD {TUNNEL_MARK}", 5002, NEW)
    for each in (line, other):
        authorize(tmp_path, TUNNEL_MARK, each)
    assert f"{OTHERS}{line}\n{other}\n" == keys.read_text()
    authorize(tmp_path, TUNNEL_MARK)
    assert f"{OTHERS}{other}\n" == keys.read_text()


def test_where_there_was_no_file(tmp_path: Path) -> None:
    authorize(tmp_path, TUNNEL_MARK)
    assert [] == list(tmp_path.iterdir())
    authorize(tmp_path, TUNNEL_MARK, PUBLIC)
    made = tmp_path / ".ssh" / "authorized_keys"
    assert f"{PUBLIC}\n" == made.read_text()
    assert (0o600, 0o700) == (made.stat().st_mode & 0o777, made.parent.stat().st_mode & 0o777)


def test_two_at_once_lose_nothing(keys: Path, tmp_path: Path) -> None:
    marks = [f"mark-{number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda mark: authorize(tmp_path, mark, f"ssh-ed25519 AAAA {mark}"), marks))
    assert set(marks) <= set(keys.read_text().split())


@pytest.mark.usefixtures("keys")
def test_a_lock_that_was_left_behind_is_taken_over(keys: Path, tmp_path: Path) -> None:
    keys.with_name("authorized_keys.airferry-lock").mkdir()
    authorize(tmp_path, TUNNEL_MARK, PUBLIC)
    assert PUBLIC in keys.read_text()


def test_what_the_key_may() -> None:
    line = tunnel_line(PUBLIC, 5001, NEW)
    options = 'restrict,port-forwarding,permitlisten="127.0.0.1:5001",permitopen="127.0.0.1:5001"'
    assert line.startswith(f"{options},command=\"exec sh -c 'n=")
    assert line.endswith(f'" {PUBLIC}')
    assert ["\n"] == [c for c in "\n" if c not in line]


def test_an_old_sshd_is_told_no_option_that_it_does_not_know() -> None:
    line = tunnel_line(PUBLIC, 5001, OLD)
    assert line.startswith('restrict,port-forwarding,permitopen="127.0.0.1:5001",command=')
    assert tunnel_line(PUBLIC, 5001, "SSH-2.0-x").startswith("no-pty,no-agent-forwarding,")


def test_what_the_key_for_jump_hosts_may() -> None:
    line = jump_line("ssh-ed25519 AAAA j", ["10.0.0.2:22", "[fd00::2]:22"], NEW)
    options = 'permitopen="10.0.0.2:22",permitopen="[fd00::2]:22",command="exit 1"'
    assert (
        f'restrict,port-forwarding,permitlisten="127.0.0.1:1",{options} ssh-ed25519 AAAA j' == line
    )


def test_keys_are_made_once_and_are_private(tmp_path: Path) -> None:
    keys = ServiceKeys(tmp_path / "tunnels")
    first = keys.public(keys.tunnel, TUNNEL_MARK)
    assert first == keys.public(keys.tunnel, TUNNEL_MARK)
    assert first != keys.public(keys.jump, TUNNEL_MARK)
    kind, _, mark = first.split()
    assert ("ssh-ed25519", TUNNEL_MARK) == (kind, mark)
    assert 0o600 == keys.tunnel.stat().st_mode & 0o777


class Session:
    """A process that plays a session of sshd: it gives a shell the claim, and lives on."""

    def __init__(self, home: Path) -> None:
        # The last "; :" keeps dash from giving the claim its own place.
        script = f"dash -c {shell_word(claim_of(5001))}; echo claimed; read -r _; :"
        self.process = subprocess.Popen(
            ["dash", "-c", script],
            env={"HOME": str(home), "PATH": os.environ["PATH"]},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        assert "claimed\n" == self.process.stdout.readline()

    def end(self) -> int:
        with self.process:
            pass  # its standard input is closed: it ends, unless it has been ended
        return self.process.returncode


def shell_word(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def test_who_claims_a_port_ends_the_one_before(tmp_path: Path) -> None:
    first = Session(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(first.process.wait, 10)  # as sshd waits for its sessions
        second = Session(tmp_path)
        assert -15 == ended.result()
    note = (tmp_path / ".airferry-tunnel-5001").read_text().split()
    assert str(second.process.pid) == note[0]
    assert ([-15, 0], [".airferry-tunnel-5001"]) == (
        [first.end(), second.end()],
        [path.name for path in tmp_path.iterdir()],
    )


def test_a_number_that_has_gone_to_another_process_is_left_alone(tmp_path: Path) -> None:
    first = Session(tmp_path)
    (tmp_path / ".airferry-tunnel-5001").write_text(f"{first.process.pid} 1\n")
    second = Session(tmp_path)
    assert None is first.process.poll()
    assert [0, 0] == [first.end(), second.end()]

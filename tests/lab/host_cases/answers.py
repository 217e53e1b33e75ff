"""Hosts whose programs, shells and sshd answer as none should.

No recipe writes without end: whatever else runs a program here (pam_motd runs `uname` into a file)
would fill the machine's memory. Some thirty megabytes are as good as no end.
"""

from tests.lab.host_cases.case import HostCase


def replaced(program: str, script: str) -> str:
    """Put a script before a program of the host."""
    path = f"/usr/local/bin/{program}"
    return f"cat >{path} <<'END'\n#!/bin/sh\n{script}\nEND\nchmod 755 {path}\n"


def sshd_with(lines: str) -> str:
    """Have sshd run with other settings."""
    return f"printf '{lines}\\n' >/etc/ssh/sshd_config.d/00-test.conf; systemctl restart ssh"


MUCH = "head -c 30000000"
DIGITS = "head -c 5000 /dev/zero | tr '\\0' 9"
NO_LOGIN = """
useradd -m tech && cp -r /root/.ssh /home/tech && chown -R tech /home/tech/.ssh
echo 'Back at noon.' >/run/nologin
"""

CASES: tuple[HostCase, ...] = (
    HostCase(
        "clock-of-5000-digits",
        replaced("date", DIGITS),
        refused=("E-HOST-ANSWER", "clock is '9999", "4940 characters more"),
    ),
    HostCase(
        "kernel-of-escapes",
        replaced("uname", "head -c 300000 /dev/zero | tr '\\0' '\\033'"),
        refused=("E-HOST-ANSWER", "arch is"),
    ),
    HostCase(
        "docker-info-deep",
        replaced("docker", "printf docker_security=; head -c 50000 /dev/zero | tr '\\0' '['"),
        refused=("E-HOST-ANSWER", "docker_security is '[[[["),
    ),
    HostCase(
        "greeting-without-end",
        f"echo 'yes Welcome | {MUCH}' >/root/.bashrc",
        refused=("E-HOST-ANSWER", "more than 1 MiB of output", "Welcome"),
    ),
    HostCase(
        "complaints-without-end",
        f"echo 'yes Oh | {MUCH} >&2' >/root/.bashrc",
        refused=("E-HOST-ANSWER", "more than 1 MiB of error output", "Oh"),
    ),
    HostCase(
        "sshd-stopped",
        "systemctl stop ssh.socket ssh.service",
        refused=("E-SSH-ROUTE", "connection refused", "start sshd"),
        unsaid=("cable", "E-INTERNAL"),
    ),
    HostCase(
        "old-ciphers-only",
        sshd_with("Ciphers aes128-cbc,3des-cbc"),
        refused=("E-SSH-KEX", "encryption algorithm in common: it has aes128-cbc,3des-cbc"),
        unsaid=("cable", "E-INTERNAL"),
    ),
    HostCase("chacha20-only", sshd_with("Ciphers chacha20-poly1305@openssh.com")),
    HostCase(
        "old-key-exchange-only",
        sshd_with("KexAlgorithms diffie-hellman-group1-sha1"),
        refused=("E-SSH-KEX", "no key exchange algorithm in common"),
    ),
    HostCase(
        "nologin",
        NO_LOGIN,
        entry={"user": "tech"},
        refused=("E-SSH-LOGIN", "Back at noon.", "/run/nologin"),
        unsaid=("E-SSH-LOST", "line was lost", "cable"),
    ),
    HostCase(
        "nobody-is-allowed",
        sshd_with("AllowUsers nobody"),
        refused=("E-SSH-LOGIN", "refuses the login of root"),
        unsaid=("E-SSH-LOST", "cable"),
    ),
    HostCase(
        "no-key-is-tried",
        sshd_with("MaxAuthTries 1\\nPubkeyAuthentication no"),
        refused=("E-SSH-LOGIN", "root"),
        unsaid=("E-SSH-LOST", "cable"),
    ),
)

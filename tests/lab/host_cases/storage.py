"""Where hosts keep things: full, tiny, protected, elsewhere, counted differently."""

from tests.lab.host_cases.case import HostCase
from tests.lab.hostkinds import Has

# Docker stores in a file system of its own, with so many inodes.
_ELSEWHERE = """
systemctl stop docker docker.socket
mkdir -p /srv/docker /etc/docker
mount -t tmpfs -o size=64m,nr_inodes={inodes} tmpfs /srv/docker
echo '{{"data-root": "/srv/docker"}}' >/etc/docker/daemon.json
systemctl start docker
"""
# /run is made as small as what is in it (by itself it may be half of the machine's memory).
_FULL_RUN = """
used=$(df -Pk /run | sed -n '2s/^[^ ]* *[0-9]* *\\([0-9]*\\) .*/\\1/p')
mount -o remount,size=$((used + 400))k /run
"""
_READ_ONLY = "mount --bind {0} {0}; mount -o remount,ro,bind {0}"

CASES: tuple[HostCase, ...] = (
    HostCase(
        "data-root-elsewhere",
        _ELSEWHERE.format(inodes=10_000),
        ended="test -d /srv/docker/overlay2",
    ),
    HostCase(
        "data-root-full",
        _ELSEWHERE.format(inodes=10_000)
        + "dd if=/dev/zero of=/srv/docker/fill bs=4k 2>/dev/null; truncate -s -8k /srv/docker/fill",
        refused=("E-HOST-UNFIT", "free where Docker stores images (/srv/docker)"),
    ),
    HostCase(
        "no-inodes",
        _ELSEWHERE.format(inodes=400)
        + "n=0; while touch /srv/docker/fill$n; do n=$((n + 1)); done 2>/dev/null\n"
        "n=10; while [ $n -gt 0 ]; do n=$((n - 1)); rm /srv/docker/fill$n; done",
        refused=("E-HOST-UNFIT", "inodes free in /srv/docker"),
    ),
    HostCase(
        "vfs",
        'mkdir -p /etc/docker; echo \'{"storage-driver": "vfs"}\' >/etc/docker/daemon.json\n'
        "systemctl restart docker",
        warned=("W-DRIVER", "stores by vfs"),
    ),
    HostCase(
        "notes-read-only",
        f"mkdir -p /var/lib/airferry-host; {_READ_ONLY.format('/var/lib/airferry-host')}",
        refused=("E-HOST-UNFIT", "has /var/lib/airferry-host mounted read-only"),
    ),
    # A clock that only says that it is wrong: that of a container is the machine's.
    HostCase(
        "clock-and-agent-and-run",
        "printf '#!/bin/sh\\necho $(($(/bin/date +%%s) - 788923400))\\n' >/usr/local/bin/date\n"
        "chmod 755 /usr/local/bin/date; mkdir -p /opt/pf9/nodelet\n"
        "mkdir -p /etc/docker; echo '{}' >/etc/docker/daemon.json\n"
        "chattr +i /etc/docker/daemon.json\n" + _FULL_RUN,
        warned=("W-CLOCK", "25 years behind", "W-AGENT", "nodelet", "W-RUN-FULL"),
        unsaid=("daemon.json protected", "E-INTERNAL", "Traceback"),
        ended="chattr -i /etc/docker/daemon.json",
    ),
    HostCase(
        "usr-read-only",
        _READ_ONLY.format("/usr"),
        refused=("E-HOST-UNFIT", "has /usr mounted read-only", "mount -o remount,rw /usr"),
        has=Has.NOTHING,
    ),
    HostCase(
        "var-read-only",
        _READ_ONLY.format("/var"),
        refused=("E-HOST-UNFIT", "has /var mounted read-only"),
        has=Has.NOTHING,
    ),
    HostCase(
        "etc-docker-protected",
        "mkdir -p /etc/docker; chattr +i /etc/docker",
        refused=("E-HOST-UNFIT", "has /etc/docker protected", "chattr -i"),
        has=Has.NOTHING,
    ),
    HostCase(
        "dpkg-without-inodes",
        "cp -a /var/lib/dpkg /root/dpkg\n"
        "mount -t tmpfs -o nr_inodes=$(($(find /root/dpkg | wc -l) + 30)) tmpfs /var/lib/dpkg\n"
        "cp -a /root/dpkg/. /var/lib/dpkg; rm -r /root/dpkg",
        refused=("E-HOST-UNFIT", "inodes free in /var/lib/dpkg"),
        has=Has.NOTHING,
    ),
    HostCase(
        "dpkg-and-run-where-nothing-runs",
        "mount --bind /var/lib/dpkg /var/lib/dpkg; mount -o remount,noexec,bind /var/lib/dpkg\n"
        'mkdir /etc/docker; echo \'{"data-root": "/srv/docker/deep"}\' >/etc/docker/daemon.json\n'
        "mount -t tmpfs -o size=8k tmpfs /srv; dd if=/dev/zero of=/srv/fill bs=4k 2>/dev/null\n"
        + _FULL_RUN,
        refused=(
            "E-HOST-UNFIT",
            "noexec on /var/lib/dpkg",
            "free where Docker stores images (/srv)",
            "KiB free in /run",
        ),
        warned=("W-DATA-ROOT", "/srv/docker/deep"),
        has=Has.NOTHING,
    ),
    HostCase(
        "no-programs-in-tmp",
        "mount -o remount,noexec /tmp\n"
        "mount --bind /var/tmp /var/tmp; mount -o remount,noexec,bind /var/tmp",
        has=Has.NOTHING,
    ),
)

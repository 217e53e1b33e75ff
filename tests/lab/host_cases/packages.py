"""Package managers as sites leave them: held, broken, locked, with packages of another maker."""

from tests.lab.host_cases.case import HostCase
from tests.lab.hostkinds import Has

# fake NAME [FIELD] makes a package that has nothing in it.
_FAKE = """
fake() {
    mkdir -p "/root/$1/DEBIAN"
    cat >"/root/$1/DEBIAN/control" <<END
Package: $1
Version: 1
Architecture: all
Maintainer: x <x@example.org>
Description: nothing${2:+
$2}
END
    if [ -n "${3:-}" ]; then
        printf '#!/bin/sh\\n%s\\n' "$3" >"/root/$1/DEBIAN/postinst"
        chmod 755 "/root/$1/DEBIAN/postinst"
    fi
    dpkg-deb -b "/root/$1" >/dev/null
}
export DEBIAN_FRONTEND=noninteractive
"""
# Holds dpkg's lock until an install has begun and waits for it.
_LOCK = """
cat >/root/hold <<'END'
use Fcntl;
open(my $lock, '>>', '/var/lib/dpkg/lock-frontend') or die;
my $all = pack('ssx4qqix4', F_WRLCK, 0, 0, 0, 0);
fcntl($lock, F_SETLK, $all) or die;
sleep 1 until -e '/run/airferry-docker.lock';
sleep 4;
END
setsid perl /root/hold >/dev/null 2>&1 </dev/null &
"""

CASES: tuple[HostCase, ...] = (
    HostCase(
        "held-and-in-the-way",
        _FAKE + "fake containerd.io; dpkg -i /root/containerd.io.deb\n"
        "printf 'Package: docker.io\\nStatus: hold ok not-installed\\nArchitecture: amd64\\n\\n' "
        ">>/var/lib/dpkg/status",
        refused=(
            "E-HOST-UNFIT",
            "holds packages back that are to be installed: docker.io",
            "has containerd.io, which cannot be there together with",
            "apt-mark unhold docker.io",
        ),
        has=Has.NOTHING,
    ),
    HostCase(
        "to-be-installed-again",
        _FAKE + "fake thing; dpkg -i /root/thing.deb\n"
        "sed -i '/^Package: thing$/,/^$/s/^Status: .*/Status: install reinstreq half-installed/' "
        "/var/lib/dpkg/status",
        refused=("E-HOST-UNFIT", "must be installed again before any other: thing"),
        has=Has.NOTHING,
    ),
    HostCase(
        "unmet-dependencies",
        _FAKE + "fake thing 'Depends: not-there'; dpkg --force-depends -i /root/thing.deb",
        refused=("E-HOST-UNFIT", "dependencies are not there: thing : Depends: not-there"),
        has=Has.NOTHING,
    ),
    HostCase(
        "database-damaged",
        "printf 'Package: x\\nStatus: nonsense\\n' >>/var/lib/dpkg/status",
        refused=("E-HOST-UNFIT", "package database that cannot be read"),
        has=Has.NOTHING,
    ),
    HostCase(
        "half-configured",
        _FAKE + "fake thing '' 'exit 1'; dpkg -i /root/thing.deb || true",
        warned=("W-PKG-BROKEN", "half-configured thing"),
        has=Has.NOTHING,
    ),
    HostCase("locked", _LOCK, warned=("W-PKG-LOCKED", "perl, process"), has=Has.NOTHING),
)

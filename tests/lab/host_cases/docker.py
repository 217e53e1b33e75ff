"""Dockers as sites have them, and what may stand in their daemon.json."""

from tests.lab.host_cases.case import HostCase
from tests.lab.hostkinds import Has

# A second engine, as a build server has one; nothing of the job may lead there.
SECOND = """
set -e
second() {
    mkdir -p "$1"
    systemd-run -q --unit "second-$2" dockerd --data-root "$1/data" --exec-root "$1/exec" \\
        --host "unix://$1/docker.sock" --pidfile "$1/pid" --bridge=none --iptables=false
    until docker -H "unix://$1/docker.sock" info >/dev/null 2>&1; do sleep 0.1; done
}
"""
WITHOUT_UNIT = """
systemctl disable -q --now docker.service docker.socket 2>/dev/null
rm -f /lib/systemd/system/docker.service /lib/systemd/system/docker.socket /etc/init.d/docker
systemctl daemon-reload
"""
DROPPED_IN = """
set -e
started_with() {
    mkdir -p /etc/systemd/system/docker.service.d
    printf '[Service]\\nExecStart=\\nExecStart=/usr/sbin/dockerd %s\\n' "$*" \\
        >/etc/systemd/system/docker.service.d/site.conf
    systemctl daemon-reload
    systemctl restart docker
}
mkdir -p /etc/docker
"""
ELSEWHERE = """
for file in /etc/environment /root/.bashrc; do
    sed 's/^/export /' >"$file.new" <<END
DOCKER_HOST=unix:///srv/second/docker.sock
DOCKER_TLS_VERIFY=1
DOCKER_API_VERSION=1.20
DOCKER_CONTEXT=nowhere
DOCKER_CONFIG=/srv/nowhere
END
    mv "$file.new" "$file"
done
"""
EMPTY = 'test -z "$(docker -H unix:///srv/second/docker.sock images -q)"'
# Whatever program it is: what the process is called is what there is to see of it.
FAKE = "set -e; mkdir -p {0}; cp /bin/sleep {0}/dockerd; systemd-run -q {1} {0}/dockerd 99999\n"

ENGINES = (
    HostCase("as-it-is", "true"),
    HostCase(
        "docker-host-leads-elsewhere",
        f"{SECOND}second /srv/second a\n{ELSEWHERE}",
        ended=EMPTY,
    ),
    HostCase(
        "context-leads-elsewhere",
        f"{SECOND}second /srv/second a\n"
        "docker context create other --docker host=unix:///srv/second/docker.sock >/dev/null\n"
        "docker context use other >/dev/null\n",
        ended=EMPTY,
        docker=("docker", "-H", "unix:///run/docker.sock"),
    ),
    HostCase(
        "in-a-container",
        "set -e; mkdir /opt/d; cp /bin/sleep /opt/d/dockerd\n"
        "systemd-run -q unshare --pid --fork --mount-proc /opt/d/dockerd 99999\n",
    ),
    HostCase(
        "socket-elsewhere",
        f"{DROPPED_IN}mkdir -p /srv/site\nstarted_with -H unix:///srv/site/docker.sock",
        warned=("at /srv/site/docker.sock",),
        docker=("docker", "-H", "unix:///srv/site/docker.sock"),
    ),
    HostCase(
        "static-without-unit",
        f"mkdir -p /opt/site/bin /run/site; {WITHOUT_UNIT}"
        "mv /usr/sbin/dockerd /usr/bin/docker /opt/site/bin\n"
        "systemd-run -q --unit site-engine /opt/site/bin/dockerd --data-root /var/lib/docker/site\n"
        "until /opt/site/bin/docker info >/dev/null 2>&1; do sleep 0.1; done\n",
        warned=("without docker.service", "/opt/site/bin/dockerd"),
        ended="test ! -e /usr/sbin/dockerd",
        docker=("/opt/site/bin/docker",),
        docker_runs=False,
    ),
    HostCase(
        "several-and-none-is-the-host-s",
        f"{WITHOUT_UNIT}{SECOND}second /srv/second a; second /srv/third b\n",
        refused=("E-HOST-UNFIT", "several Dockers"),
        docker_runs=False,
    ),
    HostCase(
        "masked",
        "systemctl stop docker.socket docker.service\n"
        "systemctl mask -q docker.service docker.socket\n",
        refused=("E-HOST-UNFIT", "masked", "systemctl unmask"),
        docker_runs=False,
    ),
    HostCase(
        "stopped-and-will-not-start",
        "mkdir -p /etc/docker; systemctl stop docker.socket docker.service\n"
        """echo '{"no-such-key": 1}' >/etc/docker/daemon.json""",
        refused=("E-HOST-UNFIT", "does not start", "no-such-key"),
        docker_runs=False,
    ),
    HostCase(
        "runs-and-will-not-start-again",
        """mkdir -p /etc/docker; echo '{"hosts": ["fd://"]}' >/etc/docker/daemon.json""",
        warned=("will not start again", "--host", "/etc/docker/daemon.json"),
        docker_runs=False,
    ),
    HostCase(
        "stopped",
        "systemctl stop docker.socket docker.service",
    ),
    HostCase(
        "stopped-beside-another",
        f"{SECOND}second /srv/second a\nsystemctl stop docker.socket docker.service\n",
        ended=EMPTY,
    ),
)

NONE_TO_INSTALL_OVER = (
    HostCase(
        "podman-docker",
        "printf '#!/bin/sh\\nexec /usr/bin/podman \"$@\"\\n' >/usr/bin/docker\n"
        "chmod +x /usr/bin/docker",
        refused=("E-HOST-UNFIT", "is podman", "apt-get remove podman-docker"),
        has=Has.NOTHING,
        ended="test ! -e /usr/sbin/dockerd",
    ),
    HostCase(
        "snap",  # as snap's Docker looks in /proc; snapd itself does not run in the lab
        FAKE.format("/snap/docker/2893/bin", ""),
        refused=("E-HOST-UNFIT", "snap remove docker"),
        has=Has.NOTHING,
        ended="test ! -e /usr/sbin/dockerd",
    ),
    HostCase(
        "rootless",
        FAKE.format("/opt/someone", "--uid nobody"),
        refused=("E-HOST-UNFIT", "rootless"),
        has=Has.NOTHING,
        ended="test ! -e /usr/sbin/dockerd",
    ),
    HostCase(
        "no-client",
        FAKE.format("/opt/site", ""),
        refused=("E-HOST-UNFIT", "no docker command", "/opt/site/dockerd", "no Unix socket"),
        has=Has.NOTHING,
        ended="test ! -e /usr/sbin/dockerd",
    ),
)

TABS = r'{\r\n\t"log-driver":\t"json-file",\r\n\t"debug":false,\r\n\t"debug": false\r\n}'
SETTINGS = (
    HostCase("no-file", "rm -f /etc/docker/daemon.json", plain_registry=True),
    HostCase(
        "link-owner-mode-and-layout",
        f"mkdir -p /etc/docker /srv/conf; printf '{TABS}' >/srv/conf/docker.json\n"
        "chown 1:1 /srv/conf/docker.json; chmod 600 /srv/conf/docker.json\n"
        "ln -s ../../srv/conf/docker.json /etc/docker/daemon.json\n",
        ended="cd /etc/docker; test -L daemon.json || exit 1\n"
        "test '1 1 600' = \"$(stat -L -c '%u %g %a' daemon.json)\" || exit 2\n"
        "head -n 4 daemon.json | cmp -n 55 - /srv/conf/docker.json || exit 3\n"
        "grep -q '^\t\"debug\": false,' daemon.json && grep -q 'insecure' daemon.json",
        plain_registry=True,
    ),
    HostCase(
        "config-file-elsewhere",
        f"{DROPPED_IN}mkdir -p /srv/site; cd /srv/site; echo '{{ }}' >d.json; chmod 640 d.json\n"
        "started_with -H fd:// --config-file /srv/site/d.json",
        ended="test ! -e /etc/docker/daemon.json && grep -q insecure /srv/site/d.json",
        cleaned="test '{ }640' = \"$(cat /srv/site/d.json)$(stat -c %a /srv/site/d.json)\"",
        plain_registry=True,
    ),
    HostCase(
        "flag-of-the-unit",
        f"{DROPPED_IN}started_with -H fd:// --insecure-registry=10.0.0.1:5000",
        refused=("E-HOST-UNFIT", "--insecure-registry", "systemctl cat docker"),
        plain_registry=True,
    ),
    HostCase(
        "flag-of-the-environment-file-since-it-runs",
        "echo 'DOCKER_OPTS=\"--insecure-registry 10.0.0.1:5000\"' >/etc/default/docker",
        refused=("E-HOST-UNFIT", "--insecure-registry"),
        plain_registry=True,
    ),
    HostCase(
        "unknown-key",
        """mkdir -p /etc/docker; echo '{"no-such-key": 1}' >/etc/docker/daemon.json""",
        refused=("E-HOST-UNFIT", "no-such-key"),
        docker_runs=False,
        plain_registry=True,
    ),
    HostCase(
        "no-object",
        "mkdir -p /etc/docker; echo '[]' >/etc/docker/daemon.json",
        refused=("E-HOST-UNFIT", "/etc/docker/daemon.json"),
        docker_runs=False,
        plain_registry=True,
    ),
    HostCase(
        "does-not-take-it",  # only a reload finds this out
        "mkdir -p /etc/docker\n"
        """printf '{"insecure-registries": ["ftp://x"]}' >/etc/docker/daemon.json""",
        fails=("E-DOCKER-SETTINGS", "is what it was", "ftp://x"),
        docker_runs=False,
        plain_registry=True,
    ),
    HostCase(
        "rewritten-by-an-agent",
        "mkdir -p /etc/docker; printf '{}' >/etc/docker/daemon.json\n"
        "systemd-run -q --unit agent sh -c 'cd /etc/docker; while sleep 0.1; do\n"
        '    [ {} = "$(cat daemon.json)" ] || printf {} >daemon.json; done\'\n',
        fails=("E-DOCKER-SETTINGS", "another program wrote"),
        plain_registry=True,
    ),
    HostCase(
        "mounted-read-only",
        "mkdir -p /etc/docker; printf '{}' >/srv/d.json; touch /etc/docker/daemon.json\n"
        "mount --bind /srv/d.json /etc/docker/daemon.json\n"
        "mount -o remount,ro,bind /etc/docker/daemon.json\n",
        fails=("E-HOST-CMD", "/etc/docker/daemon.json cannot be written"),
        plain_registry=True,
    ),
    HostCase(
        "mounted",
        "mkdir -p /etc/docker; printf '{}' >/srv/d.json; touch /etc/docker/daemon.json\n"
        "mount --bind /srv/d.json /etc/docker/daemon.json\n",
        plain_registry=True,
    ),
    HostCase(
        "link-to-nothing",
        "mkdir -p /etc/docker; ln -s /srv/not-there.json /etc/docker/daemon.json",
        cleaned="test ! -e /srv/not-there.json && test -L /etc/docker/daemon.json",
        plain_registry=True,
    ),
)
CASES: tuple[HostCase, ...] = (*ENGINES, *NONE_TO_INSTALL_OVER, *SETTINGS)

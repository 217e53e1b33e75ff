"""What has the registry's port on a host already, and what stands between Docker and it."""

from tests.lab.host_cases.case import HostCase
from tests.lab.hostkinds import Has

PORT = "port 5001 taken by "
CHOOSE = "hostRegistryPort"
NO_STOP = ("E-INTERNAL", "Traceback", "top sshd", "end sshd")
HTTP = "HTTP/1.0 200 OK\\r\\n{}\\r\\n\\r\\n{{}}"
DOCKER_CONF = "/etc/systemd/system/docker.service.d/site.conf"
UNTIL_TAKEN = """
for _ in $(seq 100); do
    if ss -Hltn 'sport = :5001' | grep -q .; then exit 0; fi
    sleep 0.1
done
exit 1
"""


def serving(name: str, says: str, *, waits: bool = True) -> str:
    """Return what has a program serve the port, which says the same to everybody.

    Args:
        name: What the program is called.
        says: What it says, as Perl writes it.
        waits: It says so after it was asked something.
    """
    return f"""
cat >/root/{name} <<'EOF'
use IO::Socket::INET;
$0 = '{name}';
my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 5001, Listen => 9,
    ReuseAddr => 1) or die;
while (my $c = $s->accept) {{
    {"sysread($c, my $asked, 4096);" if waits else ""}
    print $c "{says}";
    {"close $c;" if says else "push @kept, $c;"}
}}
EOF
systemd-run -q --unit=site-{name} perl /root/{name}
{UNTIL_TAKEN}"""


def listening(address: str) -> str:
    """Return what has systemd listen on the port of an address, for a service of the site's."""
    return f"""
cd /etc/systemd/system
printf '[Socket]\\nListenStream={address}:5001\\nAccept=yes\\n' >site.socket
printf '[Service]\\nExecStart=/bin/true\\nStandardInput=socket\\n' >site@.service
systemctl daemon-reload
systemctl start site.socket
"""


def docker_unit(*lines: str) -> str:
    """Return what sets something in Docker's unit, and restarts it."""
    text = "\\n".join(lines)
    return f"""
mkdir -p {DOCKER_CONF.rpartition("/")[0]}
printf '[Service]\\n{text}\\n' >{DOCKER_CONF}
systemctl daemon-reload
systemctl restart docker
"""


# As static builds of Docker look names up; and an engine that runs has kept the file for seconds.
BY_GO = "Environment=GODEBUG=netdns=go"
NO_DNS = "echo nameserver 127.0.0.1 >/etc/resolv.conf\n"


def hosts_file(*lines: str) -> str:
    """Return what replaces all lines about localhost in the hosts file."""
    text = "\\n".join(lines)
    return f"""
grep -v localhost /etc/hosts >/root/hosts
printf '{text}\\n' >>/root/hosts
cat /root/hosts >/etc/hosts
"""


# Go asks no proxy for localhost: those of Docker's unit are no reason to refuse a host.
CASES: tuple[HostCase, ...] = (
    HostCase(
        "port-of-another-site",
        serving("sshd", HTTP.format("X-Airferry-Site: 0123abcd")),
        refused=("E-HOST-UNFIT", PORT + "the tunnel of another Airferry site", CHOOSE),
        unsaid=NO_STOP,
    ),
    HostCase(
        "port-of-k3s",
        serving("k3s-server", "\\x13/multistream/1.0.0\\n", waits=False),
        refused=("E-HOST-UNFIT", PORT + "k3s-server", "registry mirror", CHOOSE),
        unsaid=NO_STOP,
    ),
    HostCase(
        "port-of-spegel",
        serving("p2p", "\\x13/multistream/1.0.0\\n", waits=False),
        refused=("E-HOST-UNFIT", PORT + "p2p", "Spegel's registry mirror", CHOOSE),
    ),
    HostCase(
        "port-of-a-registry",
        serving("registry", HTTP.format("Docker-Distribution-Api-Version: registry/2.0")),
        refused=(
            "E-HOST-UNFIT",
            PORT + "registry (site-registry.service): another registry",
            CHOOSE,
        ),
    ),
    HostCase(
        "port-of-a-web-server",
        serving("httpd", HTTP.format("Server: lighttpd/1.4")),
        refused=("E-HOST-UNFIT", PORT + "httpd (site-httpd.service): a web server (lighttpd/1.4)"),
    ),
    HostCase(
        "port-of-a-mute",
        serving("mute", "", waits=False),
        refused=("E-HOST-UNFIT", PORT + "mute (site-mute.service)", "says nothing"),
    ),
    HostCase(
        "port-of-no-http",
        serving("gibberish", "220 smtp\\r\\n"),
        refused=("E-HOST-UNFIT", PORT + "gibberish (site-gibberish.service)", "no HTTP"),
    ),
    HostCase(
        "port-of-a-forward",
        "ssh-keygen -q -t ed25519 -N '' -f /root/forward\n"
        "cat /root/forward.pub >>/root/.ssh/authorized_keys\n"
        "systemd-run -q --unit=forward ssh -i /root/forward -N -o StrictHostKeyChecking=no "
        "-R 127.0.0.1:5001:127.0.0.1:1 root@127.0.0.1\n" + UNTIL_TAKEN,
        refused=(
            "E-HOST-UNFIT",
            PORT + "a forwarding over SSH (an SSH session of root from 127.0.0.1)",
            CHOOSE,
        ),
        unsaid=NO_STOP,
    ),
    HostCase(
        "port-of-ipv6-loopback",
        "echo 0 >/proc/sys/net/ipv6/conf/lo/disable_ipv6\n"
        + hosts_file("::1 localhost", "127.0.0.1 localhost")
        + listening("[::1]"),
        refused=("E-HOST-UNFIT", PORT + "systemd", CHOOSE),
    ),
    HostCase(
        "port-of-another-address",
        "ip address add 192.0.2.7/32 dev lo\n" + listening("192.0.2.7"),
    ),
    HostCase(
        "localhost-is-ipv6",
        hosts_file("::1 localhost ip6-localhost") + docker_unit(BY_GO),
        refused=("E-HOST-UNFIT", "localhost", "only ::1", "/etc/hosts"),
    ),
    HostCase(
        "localhost-is-nothing",
        NO_DNS + hosts_file() + docker_unit(BY_GO),
        refused=("E-HOST-UNFIT", "localhost", "not in its /etc/hosts"),
    ),
    HostCase("localhost-is-both", hosts_file("::1 localhost", "127.0.0.1 localhost")),
    HostCase(
        "proxy-for-all",
        docker_unit("Environment=ALL_PROXY=socks5://127.0.0.1:9"),
    ),
    HostCase(
        "proxy-for-http",
        docker_unit("Environment=HTTP_PROXY=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9"),
    ),
    HostCase(
        "port-rejected",
        "iptables -A OUTPUT -o lo -p tcp --dport 5001 -j REJECT\n",
        refused=("E-HOST-UNFIT", "localhost:5001", "iptables"),
    ),
    HostCase(
        "port-dropped",
        "iptables -A INPUT -i lo -p tcp --dport 5001 -j DROP\n",
        refused=("E-HOST-UNFIT", "localhost:5001", "iptables"),
    ),
    HostCase(
        "docker-in-a-network-of-its-own",
        docker_unit("PrivateNetwork=yes"),
        refused=("E-HOST-UNFIT", "network of its own"),
    ),
    HostCase(
        "no-docker-and-no-localhost",
        NO_DNS + hosts_file() + docker_unit(BY_GO),
        refused=("E-HOST-UNFIT", "localhost", "not in its /etc/hosts"),
        has=Has.NOTHING,
    ),
)

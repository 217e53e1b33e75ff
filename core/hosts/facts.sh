# What Airferry wants to know of a host, in one round trip. POSIX sh only; prints key=value lines.
# Tested under dash. Needs no tool beyond coreutils; what cannot be found out stays empty.
say() { printf '%s=%s\n' "$1" "$2"; }
have() { command -v "$1" >/dev/null 2>&1; }

if [ -r /etc/os-release ]; then
	. /etc/os-release
fi
say os_id "${ID:-}"
say os_version "${VERSION_ID:-}"
say os_name "${PRETTY_NAME:-}"
say arch "$(uname -m)"
say kernel "$(uname -r)"
say cpus "$(getconf _NPROCESSORS_ONLN 2>/dev/null)"
say memory_kib "$(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo 2>/dev/null)"
say clock "$(date +%s)"
say init "$(cat /proc/1/comm 2>/dev/null)"

store=/var/lib/docker
while [ ! -d "$store" ]; do
	store=$(dirname "$store")
done
say store_free_kib "$(df -Pk "$store" 2>/dev/null | sed -n '2s/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\).*/\1/p')"
say tmp_free_kib "$(df -Pk /tmp 2>/dev/null | sed -n '2s/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\).*/\1/p')"

if [ "$(id -u)" = 0 ]; then
	say root direct
elif have sudo && sudo -n true 2>/dev/null; then
	say root sudo
else
	say root none
fi
say docker_path "$(command -v docker)"
if [ -S /var/run/docker.sock ]; then
	say docker_socket yes
fi
# Whether somebody listens on the port in $1 (hexadecimal in /proc; 0A is LISTEN).
if [ -n "${1:-}" ]; then
	hex=$(printf '%04X' "$1")
	say port_taken "$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -c ":$hex [0-9A-F]*:[0-9A-F]* 0A ")"
fi
if [ -d /opt/pf9/nodelet ]; then
	say node_agent nodelet
fi
say facts complete

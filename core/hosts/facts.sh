# What Airferry wants to know of a host, in one round trip. POSIX sh only; prints key=value lines.
# $1 is the port that the registry is to have there. Tested under dash. Needs no tool beyond
# coreutils; what cannot be found out, or only by root, stays empty.
say() { printf '%s=%s\n' "$1" "$2"; }
have() { command -v "$1" >/dev/null 2>&1; }

if [ "$(id -u)" = 0 ]; then
	root=direct
elif have sudo && sudo -n true 2>/dev/null; then
	root=sudo
else
	root=none
fi
as_root() {
	case $root in
	direct) "$@" ;;
	sudo) sudo -n "$@" ;;
	*) return 1 ;;
	esac 2>/dev/null </dev/null
}
# An engine or a file system that hangs must not make us hang.
soon() { if have timeout; then timeout 10 "$@"; else "$@"; fi; }
soon_as_root() { if have timeout; then as_root timeout 10 "$@"; else as_root "$@"; fi; }
free_kib() { soon df -Pk "$1" 2>/dev/null | sed -n '2s/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\).*/\1/p'; }

if [ -r /etc/os-release ]; then
	. /etc/os-release
fi
say os_id "${ID:-}"
say os_version "${VERSION_ID:-}"
say os_like "${ID_LIKE:-}"
say os_name "${PRETTY_NAME:-}"
say arch "$(uname -m)"
say kernel "$(uname -r)"
say cpus "$(getconf _NPROCESSORS_ONLN 2>/dev/null)"
say memory_kib "$(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo 2>/dev/null)"
say clock "$(date +%s)"
say init "$(cat /proc/1/comm 2>/dev/null)"
say root "$root"
case $(cat /sys/fs/selinux/enforce 2>/dev/null) in
1) say security 'SELinux enforcing' ;;
0) say security 'SELinux permissive' ;;
*)
	case $(cat /sys/module/apparmor/parameters/enabled 2>/dev/null) in
	Y) say security AppArmor ;;
	esac
	;;
esac

store=/var/lib/docker
# One question, because an engine that is busy answers slowly. $docker_functions is daemon.sh.
ask="$docker_functions
find_docker
tell_docker
ask_docker info --format 'docker_version={{.ServerVersion}}
docker_driver={{.Driver}}
docker_root={{.DockerRootDir}}
docker_store={{json .DriverStatus}}
docker_security={{json .SecurityOptions}}
docker_insecure={{json .RegistryConfig.InsecureRegistryCIDRs}}
docker_named={{json .RegistryConfig.IndexConfigs}}'
if [ -z \"\$docker_pid\" ]; then # the question may have started it
	find_docker
	tell_docker
fi"
answer=$(soon_as_root sh -c "$ask" || { [ "$root" = none ] && soon sh -c "$ask" 2>/dev/null; })
printf '%s\n' "$answer" | sed -n '/^docker_[a-z]*=/p; /^rootless=/p'
found=$(printf '%s\n' "$answer" | sed -n 's/^docker_root=\(\/.*\)/\1/p')
store=${found:-$store}
if have containerd; then
	say containerd "$(soon containerd --version 2>/dev/null | cut -d ' ' -f 3)"
fi
while [ ! -d "$store" ]; do
	store=$(dirname "$store")
done
say store "$store"
say store_free_kib "$(free_kib "$store")"
say tmp_free_kib "$(free_kib /tmp)"
say var_tmp_free_kib "$(free_kib /var/tmp)"

# Who listens on the port (hexadecimal in /proc; 0A is LISTEN; the tenth field is the inode).
if [ -n "${1:-}" ]; then
	hex=$(printf '%04X' "$1")
	inode=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep ":$hex [0-9A-F]*:[0-9A-F]* 0A " |
		sed 's/^ *//; s/  */ /g' | cut -d ' ' -f 10 | head -n 1)
	say port_inode "$inode"
	if [ -n "$inode" ]; then
		descriptor=$(as_root sh -c "find /proc/[0-9]*/fd -lname 'socket:\\[$inode\\]'" | head -n 1)
		pid=${descriptor#/proc/}
		pid=${pid%%/*}
		say port_holder "$(cat "/proc/$pid/comm" 2>/dev/null)"
	fi
fi

sshd=$(command -v sshd || echo /usr/sbin/sshd)
client=${SSH_CONNECTION:-127.0.0.1}
as_root "$sshd" -T -C "user=$(id -un),host=localhost,addr=${client%% *}" |
	sed -n -e 's/^\([a-z]*forwarding\) /sshd_\1=/p' -e 's/^\(pubkeyauthentication\) /sshd_\1=/p'
version_of() {
	if have dpkg-query; then
		dpkg-query -W -f '${db:Status-Status} ${Version}' "$1" 2>/dev/null |
			sed -n 's/^installed //p'
	elif have rpm; then
		rpm -q --qf '%{VERSION}' "$1" 2>/dev/null | grep -v 'not installed'
	fi
}
say pf9_kube "$(version_of pf9-kube)"
say pf9_hostagent "$(version_of pf9-hostagent)"
if [ -d /opt/pf9/nodelet ]; then
	say node_agent nodelet
fi
say facts complete

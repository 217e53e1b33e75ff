# What Airferry wants to know of a host, in one round trip. POSIX sh only; prints key=value lines.
# $1 is the port that the registry is to have there; $2 and $3, where sudo would hide them: who has
# logged in, and by which SSH_CONNECTION. Tested under dash. Needs no tool beyond
# coreutils; what cannot be found out, or only by root, stays empty.
say() { printf '%s=%s\n' "$1" "$2"; }
have() { command -v "$1" >/dev/null 2>&1; }

if [ "$(id -u)" = 0 ]; then root=direct; else root=none; fi
as_root() { [ $root = direct ] && "$@" 2>/dev/null </dev/null; }
# What hangs, or writes without end, must not make us do so.
brief() { if have head; then head -c 65536; else cat; fi; }
soon() { if have timeout; then timeout 10 "$@"; else "$@"; fi | brief; }
soon_as_root() { if have timeout; then as_root timeout 10 "$@"; else as_root "$@"; fi | brief; }
free_kib() { soon df -Pk "$1" 2>/dev/null | sed -n '2s/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\).*/\1/p'; }

if [ -r /etc/os-release ]; then
	. /etc/os-release
fi
say os_id "${ID:-}"
say os_version "${VERSION_ID:-}"
say os_like "${ID_LIKE:-}"
say os_name "${PRETTY_NAME:-}"
say arch "$(soon uname -m)"
say kernel "$(soon uname -r)"
say cpus "$(soon getconf _NPROCESSORS_ONLN 2>/dev/null)"
say memory_kib "$(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo 2>/dev/null)"
say clock "$(soon date +%s)"
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
# While no engine tells where it stores and how, its settings do.
if [ -z "${found:-}" ]; then
	settings=$(soon_as_root cat /etc/docker/daemon.json || cat /etc/docker/daemon.json 2>/dev/null)
	setting() {
		printf '%s' "$settings" | tr '\n' ' ' | tr ',{}' '\n\n\n' |
			sed -n "s/.*\"$1\"[[:space:]]*:[[:space:]]*\"\([^\"]*\)\".*/\1/p" | head -n 1
	}
	started=$(soon systemctl show -p ExecStart docker.service 2>/dev/null |
		sed -n -e 's/.* --data-root[= ]*\([^ ;]*\).*/\1/p' -e 's/.* -g[= ]*\(\/[^ ;]*\).*/\1/p')
	found=${started:-$(setting data-root)}
	found=${found:-$(setting graph)}
	store=${found:-$store}
	say docker_driver_set "$(setting storage-driver)"
fi
case ${answer:-} in
*io.containerd.snapshotter*) # images are containerd's then, wherever Docker's own data are
	if soon_as_root test -d "$store/containerd/daemon/io.containerd.content.v1.content"; then
		store=$store/containerd/daemon
	else
		found=$(sed -n 's/^root *= *["'\'']\(\/[^"'\'']*\).*/\1/p' /etc/containerd/config.toml 2>/dev/null)
		store=${found:-/var/lib/containerd}
	fi
	;;
esac
store_wanted=$store
while ! soon_as_root test -d "$store" && [ ! -d "$store" ]; do
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

# sshd's settings as they are for this login from where it comes (Match): sudo knows neither.
login=${2:-$(id -un)}
came=${SSH_CONNECTION:-127.0.0.1 0 127.0.0.1 22}
sshd=$(command -v sshd || echo /usr/sbin/sshd)
set -- "${1:-}" $came
soon_as_root "$sshd" -T -C "user=$login,host=$2,addr=$2,laddr=${4:-127.0.0.1},lport=${5:-22}" |
	sed -n -e 's/^\([a-z]*forwarding\) /sshd_\1=/p' -e 's/^\(gatewayports\) /sshd_\1=/p' \
		-e 's/^\(permit[lo][a-z]*en\) /sshd_\1=/p' -e 's/^\(max[a-z]*s\) /sshd_\1=/p' \
		-e 's/^\(pubkeyauthentication\) /sshd_\1=/p'
# The same boot and the same network: the same machine, whatever it is called.
say machine "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null) $(readlink /proc/self/ns/net 2>/dev/null)"
version_of() {
	if have dpkg-query; then
		soon dpkg-query -W -f '${db:Status-Status} ${Version}' "$1" 2>/dev/null |
			sed -n 's/^installed //p'
	elif have rpm; then
		soon rpm -q --qf '%{VERSION}' "$1" 2>/dev/null | grep -v 'not installed'
	fi
}
say pf9_kube "$(version_of pf9-kube)"
say pf9_hostagent "$(version_of pf9-hostagent)"
if [ -d /opt/pf9/nodelet ]; then
	say node_agent nodelet
fi
# Where a job writes or keeps something: the room and the inodes there, whether it can be written.
# Root sees all of it; a line each: KiB, inodes, inodes free, kind, options, writable, mount, path.
places='
echo "places_asked_by=$(id -u)"
for each in "$@"; do
	name=${each%%=*} path=${each#*=}
	while [ ! -e "$path" ]; do path=$(dirname "$path"); done
	kib=- mount=- inodes=- left=- kind=- options=- may=no
	set -f
	set -- $(df -Pk "$path" 2>/dev/null | sed -n 2p)
	[ $# -lt 6 ] || kib=$4 mount=$6
	set -- $(df -Pi "$path" 2>/dev/null | sed -n 2p)
	[ $# -lt 6 ] || inodes=$2 left=$4
	set -- $(grep -F -e " $mount " /proc/self/mounts 2>/dev/null | tail -n 1)
	[ $# -lt 4 ] || kind=$3 options=$4
	[ ! -w "$path" ] || may=yes
	echo "place_$name=$kib $inodes $left $kind $options $may $mount $path"
done'
login_home=$HOME
if [ -n "${SUDO_USER:-}" ] && have getent; then
	login_home=$(getent passwd "$SUDO_USER" | cut -d : -f 6)
fi
set -- "store=$store" tmp=/tmp var_tmp=/var/tmp run=/run usr=/usr/bin opt=/opt etc=/etc \
	units=/etc/systemd/system docker_etc=/etc/docker daemon_json=/etc/docker/daemon.json \
	var_lib=/var/lib state=/var/lib/airferry-host dpkg=/var/lib/dpkg rpm=/var/lib/rpm \
	"ssh=$login_home/.ssh" "keys=$login_home/.ssh/authorized_keys"
soon_as_root sh -c "$places" places "$@" || soon sh -c "$places" places "$@" 2>/dev/null
say store_wanted "$store_wanted"
if [ -e /sys/fs/selinux/enforce ]; then
	say store_label "$(soon_as_root stat -c %C "$store" || stat -c %C "$store" 2>/dev/null)"
fi

# The state of the package manager. What is asked here changes nothing and takes no lock.
# /proc/locks has inodes, which overlayfs tells otherwise: so a holder is known by what it has open.
holder='
for pid in $(sed -n "s/.* POSIX .* WRITE \([0-9][0-9]*\) .*/\1/p" /proc/locks | sort -u); do
	if ls -l "/proc/$pid/fd" 2>/dev/null | grep -q " -> $1"; then
		echo "$(cat "/proc/$pid/comm"), process $pid"
		exit
	fi
done'
locked_by() { soon_as_root sh -c "$holder" holder "$1"; }
in_a_line() { head -n 12 | tr '\n' ';' | sed 's/;$//; s/;/; /g'; }
if have dpkg-query; then
	# With a pattern, also what is not installed: it may be held all the same.
	form='${db:Status-Want} ${db:Status-Eflag} ${db:Status-Status} ${binary:Package}\n'
	if ! states=$(LC_ALL=C soon dpkg-query -W -f "$form" '*' 2>&1); then
		say packages_error "$(printf '%s\n' "$states" | grep -i -A 1 error | tr -s '\n ' ' ')"
	fi
	say packages_broken "$(printf '%s\n' "$states" |
		grep -E '^[a-z]+ [a-z]+ (half-|unpacked)' | cut -d ' ' -f 3- | in_a_line)"
	say packages_to_reinstall "$(printf '%s\n' "$states" | grep -E '^[a-z]+ reinstreq ' |
		cut -d ' ' -f 4 | in_a_line)"
	say packages_held "$(printf '%s\n' "$states" | grep '^hold ' | cut -d ' ' -f 4 | in_a_line)"
	say packages_there "$(printf '%s\n' "$states" | grep -E ' installed ' | cut -d ' ' -f 4 |
		grep -E '^(docker|containerd|runc|podman|moby|lxc-docker)' | in_a_line)"
	say packages_locked "$(locked_by /var/lib/dpkg/lock)"
	if [ -z "$docker" ] && have apt-get; then
		say packages_unmet "$(LC_ALL=C soon apt-get -s -o Debug::NoLocking=1 \
			-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=/dev/null \
			-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= check 2>/dev/null |
			sed -n 's/^ \([^ ].* : .*\)/\1/p' | in_a_line)"
	fi
elif have rpm; then
	if ! states=$(LC_ALL=C soon rpm -qa --qf '%{NAME}\n' 2>&1) ||
		printf '%s\n' "$states" | grep -q '^error:'; then
		say packages_error "$(printf '%s\n' "$states" | grep -i error | in_a_line)"
	fi
	say packages_there "$(printf '%s\n' "$states" |
		grep -E '^(docker|containerd|runc|podman|moby)' | in_a_line)"
	say packages_locked "$(locked_by "/.*/rpm/[.]rpm[.]lock")"
fi
say facts complete

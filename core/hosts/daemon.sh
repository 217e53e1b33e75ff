# Which Docker engine is this host's, and how it is asked. Functions only; POSIX sh, for root.
# An engine is told by its process: no DOCKER_* variable of a login, no context and no config of
# root's leads elsewhere, and its programs may lie anywhere. They serve under 'set -eu' as well.

arguments_of() {
	tr '\0' '\n' 2>/dev/null <"/proc/$1/cmdline"
}

# What /proc says in $2 of process $1, such as its user: the word in place $3 of that line.
status_of() {
	sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status" 2>/dev/null | tr '\t' ' ' | cut -s -d ' ' -f "$3"
}

# Containers have a pid namespace of their own, and if not, a control group named by their ID.
is_in_container() {
	[ -n "$(status_of "$1" NSpid 2)" ] || {
		grep -qsE '[0-9a-f]{64}' "/proc/$1/cgroup" && ! grep -qsE '[0-9a-f]{64}' /proc/self/cgroup
	}
}

# Print the pid of each dockerd that serves on this host.
dockerds() {
	for process in /proc/[0-9]*; do
		comm=''
		{ read -r comm <"$process/comm"; } 2>/dev/null || continue
		case $comm in
		dockerd* | .dockerd*) ;;
		*) continue ;;
		esac
		pid=${process#/proc/}
		program=$(readlink "$process/exe" 2>/dev/null) || program=''
		case ${program##*/} in
		'' | dockerd* | .dockerd*) ;;
		*) continue ;; # a script around it
		esac
		case " $(arguments_of "$pid" | tr '\n' ' ')" in
		' ' | *' --validate '* | *' --version '* | *' -v '* | *' --help '*) continue ;;
		esac
		is_in_container "$pid" || echo "$pid"
	done
}

inodes_of() {
	ls -l "/proc/$1/fd" 2>/dev/null | sed -n 's/.*socket:\[\([0-9]*\)\].*/\1/p'
}

# Print the last value that process $1 has for an option, one of those in the expression $2.
option_of() {
	arguments_of "$1" | tr '\n' ' ' | sed -n -E "s/.* ($2)[ =]([^ ]+) .*/\2/p"
}

# Whether process $1 serves at the sockets that systemd gives it; docker.socket gives them anyway.
takes_given_sockets() {
	file=$(option_of "$1" --config-file)
	{ arguments_of "$1"; cat "${file:-/etc/docker/daemon.json}" 2>/dev/null; } | grep -q 'fd://'
}

# Print the socket at which process $1 takes Docker's API: that of everybody if it is among them.
socket_of() {
	inodes=$(inodes_of "$1")
	if ! takes_given_sockets "$1"; then
		given=$(inodes_of 1)
		inodes=$(printf '%s\n' "$inodes" | grep -vxF "${given:-none}" || true)
	fi
	listened=$(while read -r _ _ _ flags _ _ inode path; do
		case $flags,$path in
		00010000,*/metrics.sock | 00010000,*/libnetwork/* | 00010000,*/swarm/* | 00010000,*/plugins/*) ;;
		00010000,/*) echo "$inode $path" ;;
		esac
	done 2>/dev/null <"/proc/$1/net/unix" | while read -r inode path; do
		case "
$inodes
" in
		*"
$inode
"*) echo "$path" ;;
		esac
	done)
	printf '%s\n' "$listened" | grep -xE '(/var)?/run/docker\.sock' || printf '%s\n' "$listened"
}

# Whether process $1 stores where the unit's Docker would: that one could not run beside it.
is_in_the_way() {
	root=$(option_of "$1" '--data-root|--graph|-g')
	[ "${root:-/var/lib/docker}" = /var/lib/docker ]
}

# Whether the command $1 is another program's, such as podman-docker's; sets $docker_is.
is_other_command() {
	case $(readlink -f "$1" 2>/dev/null) in
	*/podman | */podman-remote) docker_is=podman ;;
	*/nerdctl) docker_is=nerdctl ;;
	*)
		[ "$(head -c 2 "$1" 2>/dev/null | tr -d '\0')" = '#!' ] || return 1
		docker_is=$(grep -oE '\b(podman|nerdctl)\b' "$1" | head -n 1)
		[ -n "$docker_is" ]
		;;
	esac
}

# Sets the docker_* variables that tell_docker prints; all may be empty.
find_docker() {
	docker_pid='' docker_exe='' docker_socket='' docker_rootless='' docker_several=''
	docker_unit='' docker_main='' docker_rank=9
	while IFS='=' read -r key value; do
		case $key in
		LoadState) docker_unit=$value ;;
		MainPID) docker_main=$value ;;
		esac
	done <<-END
		$(systemctl show -p LoadState -p MainPID docker.service 2>/dev/null)
	END
	for found in $(dockerds); do
		if [ "$(status_of "$found" Uid 1)" != 0 ]; then
			docker_rootless=$found
			continue
		fi
		socket=$(socket_of "$found" | head -n 1)
		case $socket in
		/run/docker.sock | /var/run/docker.sock) rank=1 ;;
		*)
			rank=3
			if [ "$found" = "$docker_main" ]; then
				rank=2
			elif [ "$docker_unit" = loaded ] && ! is_in_the_way "$found"; then
				continue # somebody's own, beside the host's
			fi
			;;
		esac
		if [ "$rank" -lt "$docker_rank" ]; then
			docker_rank=$rank docker_pid=$found docker_socket=$socket docker_several=''
		elif [ "$rank" -eq "$docker_rank" ]; then
			docker_several=yes
		fi
	done
	if [ -n "$docker_pid" ]; then
		docker_exe=$(readlink "/proc/$docker_pid/exe" 2>/dev/null || arguments_of "$docker_pid" | head -n 1)
		docker_exe=${docker_exe% (deleted)}
	fi
	find_client
}

find_client() {
	docker_client='' docker_other='' docker_is=''
	case $docker_exe in /*) beside=${docker_exe%/*}/docker ;; *) beside='' ;; esac
	for candidate in "$beside" "$(command -v docker)" /usr/bin/docker /usr/local/bin/docker \
		/opt/bin/docker /opt/docker/docker /opt/docker/bin/docker /snap/bin/docker; do
		if [ ! -f "$candidate" ] || [ ! -x "$candidate" ]; then
			continue
		fi
		if is_other_command "$candidate"; then
			docker_other=${docker_other:-$candidate}
			continue
		fi
		docker_client=$candidate
		return
	done
}

tell_docker() {
	printf 'docker_%s\n' "pid=$docker_pid" "exe=$docker_exe" "socket=$docker_socket" \
		"path=$docker_client" "several=$docker_several" "other=$docker_other" "is=$docker_is" \
		"unit=$docker_unit" "main=$docker_main"
	if [ -z "$docker_pid" ] && [ -n "$docker_rootless" ]; then
		echo rootless=yes
	fi
}

# Run the client: it sees nothing that could lead it to another engine than this one.
ask_docker() {
	env -i "PATH=$PATH" DOCKER_CONFIG=/nonexistent "${docker_client:-docker}" \
		-H "unix://${docker_socket:-/var/run/docker.sock}" "$@"
}

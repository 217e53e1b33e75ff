# How dockerd's settings file is written on a host. Functions only; POSIX sh, as root, behind
# daemon.sh. $path is the file as dockerd names it, $notes where Airferry notes what it did.
set -eu
trap '' HUP # a line that is lost does not end it half-way
umask 022
target=$(readlink -f "$path" || echo "$path") # what a link leads to; the link stays
fresh=$target.airferry-new
before=$notes/daemon.json.before

# Put what is in $fresh into the file's place.
put_fresh() {
	sync "$fresh" 2>/dev/null || sync
	if mv -f "$fresh" "$target" 2>"$notes/said"; then
		rm -f "$notes/said"
		return
	fi
	if grep -qF " $target " /proc/self/mountinfo; then # mounted there as a file: it cannot be replaced
		if cat "$fresh" 2>"$notes/said" >"$target"; then
			rm -f "$fresh" "$notes/said"
			return
		fi
	fi
	cat "$notes/said" >&2
	rm -f "$fresh" "$notes/said"
	return 1
}

# Write base64 text $1 with the owner and the mode that the file has.
write() {
	rm -f "$fresh"
	if [ -e "$target" ]; then
		cp -a "$target" "$fresh" || return 1
	fi
	if ! printf %s "$1" | base64 -d >"$fresh"; then
		rm -f "$fresh"
		return 1
	fi
	put_fresh
}

# Put a copy back as it is, with its time; no copy means no file.
put_back() {
	if [ -e "$1" ]; then
		rm -f "$fresh"
		cp -a "$1" "$fresh"
		put_fresh
		touch -r "$1" "$target" 2>/dev/null || true
	else
		rm -f "$target"
	fi
}

sum_of() {
	sha256sum <"$1" 2>/dev/null | cut -c 1-64
}

# dockerd reads its file; containers go on.
reload() {
	find_docker
	if [ -n "$docker_pid" ]; then
		kill -HUP "$docker_pid"
	else
		return 1
	fi
}

# Whether the engine speaks plain HTTP with registry $1.
takes() {
	ask_docker info --format '{{json .RegistryConfig}}' 2>/dev/null | grep -qF "\"$1\""
}

# Wait until an engine answers again, whatever its settings.
wait_for_docker() {
	tries=0
	until { find_docker && ask_docker info >/dev/null 2>&1; } || [ "$tries" -ge 100 ]; do
		tries=$((tries + 1))
		sleep 0.3
	done
}

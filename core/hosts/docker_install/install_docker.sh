# Installs Docker from what was sent to directory $1, offline. POSIX sh, run as root.
# Stands behind daemon.sh and one of install_debs.sh, install_rpms.sh and install_static.sh, which say how:
#   remember   note what is there before
#   supply     install; $names, $sources and $old say what
#   take_back  remove what this try has installed
#   installed  print what it has installed, a line each
# $2 the packages to ask for; $3 the repositories, a line each, none for bare packages; $4 the
# version of an installed Docker that is too old. The host's own package sources are neither read
# nor changed.
set -eu
dir=$1 names=$2 sources=$3 old=$4
state=/var/lib/airferry-host
export LC_ALL=C

# The line may be lost meanwhile: what was begun is brought to an end.
trap '' HUP
trap 'rm -rf "$dir"' EXIT
exec 3>&2 >"$dir/log" 2>&1

give_up() {
	tail -n 80 "$dir/log" >&3 || true
	exit "$1"
}

# The last that is sent: a line that was lost looks like the end of it.
if [ ! -e "$dir/whole" ]; then
	echo "not all of it has arrived"
	give_up 7
fi
# A run that lost its line may still be at this: wait for it, and then for nothing if it succeeded.
exec 9>/run/airferry-docker.lock
if ! flock -w 540 9; then
	echo "another install on this host does not end"
	give_up 4
fi
find_docker
running=$(ask_docker version --format '{{.Server.Version}}' 2>/dev/null) || running=
if [ -n "$running" ] && [ "$running" != "$old" ]; then
	exit 0
fi
if [ -n "$docker_pid" ] && [ -z "$running" ]; then
	echo "a Docker runs that does not answer ($docker_exe, process $docker_pid): none is installed over it"
	give_up 3
fi
# What is left of runs that were cut off while they sent.
find "$(dirname "$dir")" -maxdepth 1 -name 'airferry-docker.*' ! -path "$dir" -exec rm -rf {} +

remember
set +e
(
	set -e
	supply
) </dev/null
status=$?
set -e
if [ "$status" -ne 0 ]; then
	if ! take_back </dev/null >"$dir/undone" 2>&1; then
		cat "$dir/undone"
		give_up 6
	fi
	give_up 3
fi

# Kept for who wants to remove it all again.
mkdir -p "$state"
{
	cat "$state/docker" 2>/dev/null || true
	installed
} | sort -u >"$state/docker.new"
mv "$state/docker.new" "$state/docker"

systemctl daemon-reload
if ! systemctl enable --now docker </dev/null 9>&-; then
	journalctl --no-pager --quiet -n 20 -o cat -u docker || true
	give_up 5
fi

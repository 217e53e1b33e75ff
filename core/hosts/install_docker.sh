# Install Docker from the packages in directory $1, offline. POSIX sh, run as root.
# The host's own package sources are neither read nor changed.
set -eu
dir=$1
trap 'rm -rf "$dir"' EXIT
export DEBIAN_FRONTEND=noninteractive

# A run that lost its line may still be at this: wait for it, and then for nothing if it succeeded.
exec 9>/run/airferry-docker.lock
flock -w 540 9
if docker version >/dev/null 2>&1; then
	exit 0
fi
# What is left of runs that were cut off while they sent.
find "$(dirname "$dir")" -maxdepth 1 -name 'airferry-docker.*' ! -path "$dir" -exec rm -rf {} +

if ! command -v dpkg >/dev/null; then
	echo "this host has no dpkg: the bundle's .deb packages do not fit it" >&2
	exit 3
fi
# An install that was cut off may have left packages unpacked but not configured.
dpkg --configure -a

index=$(find "$dir" -name Packages -o -name Packages.gz | head -n 1)
if [ -n "$index" ]; then
	root=$(dirname "$index")
	case $(find "$dir" -name 'docker-ce_*.deb' | head -n 1) in
	'') package=docker.io ;;
	*) package=docker-ce ;;
	esac
	mkdir -p "$dir/.lists/partial" "$dir/.cache/archives/partial"
	echo "deb [trusted=yes] file:$root ./" >"$dir/.sources.list"
	set -- -q -o "Dir::Etc::sourcelist=$dir/.sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o "Dir::State::lists=$dir/.lists" -o "Dir::Cache=$dir/.cache" -o APT::Sandbox::User=root \
		-o DPkg::Lock::Timeout=60
	apt-get "$@" update
	apt-get "$@" install -y --no-install-recommends "$package"
else
	find "$dir" -name '*.deb' -exec dpkg -i {} +
fi
systemctl enable --now docker 9>&-

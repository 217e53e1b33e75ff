# How .deb packages are installed from $dir; see install_docker.sh.
export DEBIAN_FRONTEND=noninteractive

# Print the packages whose state is one of the letters in $1, as dpkg abbreviates it.
in_state() {
	dpkg-query -W -f '${db:Status-Abbrev} ${binary:Package}\n' |
		sed -n "s/^.[$1]. *//p" | sort
}

remember() {
	# An install that was cut off may have left packages unpacked but not configured.
	dpkg --configure -a || true
	in_state HUFWti >"$dir/before"
	in_state HUFWtic >"$dir/before-known"
}

# Whether the package in file $1 is not there, or older.
is_news() {
	package=$(dpkg-deb -f "$1" Package)
	there=$(dpkg-query -W -f '${db:Status-Abbrev} ${Version}\n' "$package" 2>/dev/null |
		sed -n 's/^.i. *//p' | head -n 1)
	[ -z "$there" ] || dpkg --compare-versions "$there" lt "$(dpkg-deb -f "$1" Version)"
}

supply() {
	if [ -n "$sources" ]; then
		from_repositories
		return
	fi
	# The first pass stops at packages that others must be configured for before they are unpacked.
	install_news || install_news
}

install_news() {
	set --
	for file in "$dir"/packages/*.deb; do
		if is_news "$file"; then
			set -- "$@" "$file"
		fi
	done
	if [ $# -eq 0 ]; then
		echo "all packages are there already, and there is no Docker that runs"
		return 1
	fi
	# dpkg would remove them without a word; they could not be brought back.
	if [ -z "$old" ] && dpkg --no-act -i "$@" 2>&1 | grep 'will remove'; then
		echo "dpkg: error: packages of this host are in the way"
		return 1
	fi
	dpkg --force-confold -i "$@"
}

from_repositories() {
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	printf '%s\n' "$sources" | while read -r root rest; do
		echo "deb [trusted=yes] file:$dir/tree$root $rest"
	done >"$dir/sources.list"
	set -- -q -o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir/cache" -o APT::Sandbox::User=root \
		-o DPkg::Lock::Timeout=60 -o Dpkg::Options::=--force-confold
	if [ -z "$old" ]; then
		set -- "$@" --no-remove
	fi
	apt-get "$@" update
	apt-get "$@" install -y --no-install-recommends $names || are_there $names
}

# A package of the host's own that cannot be set up makes apt fail, and keeps Docker from nothing.
are_there() {
	if [ -n "$old" ]; then
		return 1
	fi
	dpkg --configure -a || true
	for name in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || return 1
	done
}

take_back() {
	in_state HUFWti | comm -13 "$dir/before" - >"$dir/new"
	if [ ! -s "$dir/new" ]; then
		return 0
	fi
	xargs dpkg --remove --force-remove-reinstreq <"$dir/new"
	# docker.io removes all images when it is purged; there may be some from an earlier day.
	rm -f /var/lib/docker/nuke-graph-directory.sh
	comm -23 "$dir/new" "$dir/before-known" | xargs -r dpkg --purge
}

installed() {
	in_state HUFWti | comm -13 "$dir/before" - | sed 's/^/package /'
}

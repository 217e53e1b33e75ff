# How .rpm packages are installed from $dir; see install_docker.sh.

in_base() {
	rpm -qa --qf '%{NAME}.%{ARCH}\n' | sort
}

remember() {
	in_base >"$dir/before"
}

# Whether the package in file $1 is not there, or older.
is_news() {
	form='%{EPOCHNUM}:%{VERSION}-%{RELEASE}\n'
	name=$(rpm -qp --nosignature --qf '%{NAME}' "$1")
	if ! rpm -q "$name" >/dev/null; then
		return 0
	fi
	there=$(rpm -q --qf "$form" "$name" | tail -n 1)
	offered=$(rpm -qp --nosignature --qf "$form" "$1")
	[ "$(rpm --eval "%{lua: print(rpm.vercmp('$there', '$offered'))}")" -lt 0 ]
}

supply() {
	manager=$(command -v dnf || command -v yum) || {
		echo "this host has neither dnf nor yum"
		return 1
	}
	mkdir -p "$dir/repos.d"
	write_settings >"$dir/settings"
	if [ -n "$sources" ]; then
		set -- $names
	else
		set --
		for file in "$dir"/packages/*.rpm; do
			if is_news "$file"; then
				set -- "$@" "$file"
			fi
		done
		if [ $# -eq 0 ]; then
			echo "all packages are there already, and there is no Docker that runs"
			return 1
		fi
	fi
	# What replaces an old engine may be called otherwise.
	if [ -n "$old" ] && [ "${manager##*/}" = dnf ]; then
		set -- --allowerasing "$@"
	fi
	"$manager" -c "$dir/settings" -y install "$@"
}

# Only our repositories, and no plugin that would ask a subscription server.
write_settings() {
	cat <<-END
		[main]
		reposdir=$dir/repos.d
		cachedir=$dir/cache
		gpgcheck=0
		plugins=0
		obsoletes=1
		install_weak_deps=0
	END
	if [ -z "$sources" ]; then
		return
	fi
	count=0
	printf '%s\n' "$sources" | while read -r root; do
		count=$((count + 1))
		cat >"$dir/repos.d/airferry$count.repo" <<-END
			[airferry$count]
			name=Airferry
			baseurl=file://$dir/tree$root
			enabled=1
			gpgcheck=0
			module_hotfixes=1
		END
	done
}

take_back() {
	in_base | comm -13 "$dir/before" - >"$dir/new"
	if [ -s "$dir/new" ]; then
		xargs rpm -e <"$dir/new"
	fi
}

installed() {
	in_base | comm -13 "$dir/before" - | sed 's/^/package /'
}

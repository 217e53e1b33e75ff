# How Docker's static binaries are installed from $dir; see install_docker.sh.
home=/opt/airferry/docker
unit=/etc/systemd/system/docker.service
link=/usr/bin/docker
mark='# Made by Airferry'

is_ours() {
	case $1 in
	"$unit") grep -qsF "$mark" "$unit" ;;
	*) [ "$(readlink "$1")" = "$home/bin/docker" ] ;;
	esac
}

remember() {
	had_home=no
	if [ -d "$home" ]; then
		had_home=yes
	fi
}

supply() {
	for file in "$link" "$unit"; do
		if [ -e "$file" ] && ! is_ours "$file"; then
			echo "$file is there already and not from Airferry: static binaries replace no other Docker"
			return 1
		fi
	done
	if [ "$had_home" = no ] && found=$(command -v dockerd); then
		echo "$found is there already: static binaries replace no other Docker"
		return 1
	fi
	rm -rf "$home.new"
	mkdir -p "$home.new/bin"
	cp "$dir"/programs/* "$home.new/bin/"
	chmod 755 "$home.new/bin" "$home.new/bin"/*
	for program in dockerd docker containerd runc; do
		if ! "$home.new/bin/$program" --version; then
			echo "$program does not run on this host"
			return 1
		fi
	done
	rm -rf "$home.old"
	if [ "$had_home" = yes ]; then
		systemctl stop docker || true
		mv "$home" "$home.old"
	fi
	mv "$home.new" "$home"
	ln -sf "$home/bin/docker" "$link.airferry"
	mv "$link.airferry" "$link"
	if command -v restorecon >/dev/null; then
		restorecon -R "$home" "$link" || true
	fi
	write_unit >"$unit.new"
	mv "$unit.new" "$unit"
	getent group docker >/dev/null || groupadd --system docker
	rm -rf "$home.old"
}

write_unit() {
	cat <<-END
		$mark
		[Unit]
		Description=Docker (static binaries in $home)
		Wants=network-online.target
		After=network-online.target firewalld.service

		[Service]
		Type=notify
		Environment=PATH=$home/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
		ExecStart=$home/bin/dockerd
		ExecReload=/bin/kill -s HUP \$MAINPID
		TimeoutStartSec=0
		Restart=always
		RestartSec=2
		LimitNOFILE=1048576
		LimitNPROC=infinity
		LimitCORE=infinity
		TasksMax=infinity
		Delegate=yes
		KillMode=process
		OOMScoreAdjust=-500

		[Install]
		WantedBy=multi-user.target
	END
}

take_back() {
	rm -rf "$home.new" "$unit.new" "$link.airferry"
	if [ -d "$home.old" ]; then
		rm -rf "$home"
		mv "$home.old" "$home"
	elif [ "$had_home" = no ]; then
		rm -rf "$home"
		for file in "$link" "$unit"; do
			if is_ours "$file"; then
				rm -f "$file"
			fi
		done
		rmdir /opt/airferry 2>/dev/null || true
	fi
}

installed() {
	printf 'file %s\n' "$home" "$link" "$unit"
}

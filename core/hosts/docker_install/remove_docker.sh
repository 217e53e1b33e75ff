# Removes the Docker that install_docker.sh put on this host, by the notes it left. POSIX sh, as root.
# Where images and volumes are stored (/var/lib/docker) stays: it may hold what others put there.
set -eu
notes=/var/lib/airferry-host/docker
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
if [ ! -e "$notes" ]; then
	exit 0
fi
systemctl disable --now docker.socket docker.service containerd.service >/dev/null 2>&1 || true
packages=$(sed -n 's/^package //p' "$notes")
if [ -n "$packages" ]; then
	# A host of the one family may have the other's tool.
	if command -v dpkg >/dev/null && dpkg -s $packages >/dev/null 2>&1; then
		dpkg --remove $packages >&2
		rm -f /var/lib/docker/nuke-graph-directory.sh # would remove all images
		dpkg --purge $packages >&2
	else
		rpm -e $packages >&2
	fi
fi
sed -n 's/^file //p' "$notes" | while read -r file; do
	rm -rf "$file"
done
rmdir /opt/airferry 2>/dev/null || true
systemctl daemon-reload
rm -f "$notes" /run/airferry-docker.lock
rmdir "${notes%/*}" 2>/dev/null || true

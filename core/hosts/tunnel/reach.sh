# What decides how this host's Docker gets to its own loopback, as key=value lines; root's part of
# it is left out where it is run by another. POSIX sh only; tested under dash.
while read -r address names; do
	for name in ${names%%#*}; do
		if [ "$name" = localhost ]; then echo "hosts=$address"; fi
	done
done </etc/hosts 2>/dev/null
for process in /proc/[0-9]*; do
	if [ "$(cat "$process/comm" 2>/dev/null)" = dockerd ]; then
		tr '\0' '\n' <"$process/environ" 2>/dev/null |
			sed -n 's/^\([A-Za-z]*_[Pp][Rr][Oo][Xx][Yy]\)=..*/proxy=\1/p'
		if [ "$(readlink "$process/ns/net")" != "$(readlink /proc/1/ns/net)" ]; then
			echo network=other
		fi
		break
	fi
done
if command -v docker >/dev/null 2>&1; then
	docker info --format 'proxy={{.HTTPProxy}}{{.HTTPSProxy}}' 2>/dev/null |
		sed -n "s/^proxy=..*/proxy=Docker's own settings/p"
fi

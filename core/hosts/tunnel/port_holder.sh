# Says who listens on the port $1 of this host, as key=value lines: what the program is called and
# belongs to, and for an SSH session from where it comes. Run as root; tested under dash.
say() { printf '%s=%s\n' "$1" "$2"; }
hex=$(printf '%04X' "$1")
inodes=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep ":$hex [0-9A-F]*:[0-9A-F]* 0A " |
	sed 's/^ *//; s/  */ /g' | cut -d ' ' -f 10)
for inode in $inodes; do
	descriptor=$(find /proc/[0-9]*/fd -lname "socket:\[$inode\]" 2>/dev/null | head -n 1)
	pid=${descriptor#/proc/}
	pid=${pid%%/*}
	if [ -n "$pid" ]; then break; fi
done
if [ -z "${pid:-}" ]; then exit 0; fi
comm=$(cat "/proc/$pid/comm" 2>/dev/null)
say comm "$comm"
say pid "$pid"
if [ "$comm" = docker-proxy ] && command -v docker >/dev/null 2>&1; then
	say container "$(docker ps --filter "publish=$1" --format '{{.Names}}' 2>/dev/null | head -n 1)"
fi
say unit "$(sed -n 's/.*\/\([^\/]*\.service\)$/\1/p' "/proc/$pid/cgroup" 2>/dev/null | head -n 1)"
case $comm in
sshd*)
	say title "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)"
	# The session's own line: of the sockets that this process has, the one that is connected.
	for socket in /proc/"$pid"/fd/*; do
		inode=$(readlink "$socket" | sed -n 's/^socket:\[\([0-9]*\)\]$/\1/p')
		if [ -n "$inode" ]; then
			peer=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | sed 's/^ *//; s/  */ /g' |
				grep " 01 .* $inode " | cut -d ' ' -f 3 | head -n 1)
			if [ -n "$peer" ]; then
				say peer "$peer"
				break
			fi
		fi
	done
	;;
esac

# Puts a line into this login's authorized_keys, in the place of the one with the same mark and key,
# or removes that one; other sites' lines stay. $1: the mark, which is the comment at the line's end;
# $2: the key; $3: the line, or nothing. POSIX sh only; tested under dash.
set -eu
umask 077
mark=$1 key=$2 line=${3:-}
home=$HOME/.ssh
file=$home/authorized_keys
if [ ! -e "$file" ]; then
	[ -n "$line" ] || exit 0
	mkdir -p "$home"
	: >>"$file"
	if command -v restorecon >/dev/null 2>&1; then restorecon -R "$home" || true; fi
fi
file=$(readlink -f "$file")
lock=$file.airferry-lock
tries=0
until mkdir "$lock" 2>/dev/null; do # left by one that was killed: it takes a moment only
	tries=$((tries + 1))
	[ "$tries" -lt 30 ] || rmdir "$lock"
	sleep 0.1
done
trap 'rm -f "$file.airferry-new"; rmdir "$lock"' EXIT
if [ -n "$line" ] && grep -qxF -e "$line" "$file"; then
	exit 0
fi
cp -p "$file" "$file.airferry-new"
grep -v -e " $key $mark\$" "$file" >"$file.airferry-new" || [ $? = 1 ]
if [ -n "$line" ]; then
	printf '%s\n' "$line" >>"$file.airferry-new"
fi
mv -f "$file.airferry-new" "$file"

# Takes entries (the arguments) out of dockerd's settings again. Behind put_settings.sh.
# $meanwhile (base64) is read by dockerd; then the file gets $final (base64), or what it was at first
# if $how is "original", or is removed if that is "absent". $rest are the entries that stay.
mkdir -p "$notes"
note=$notes/daemon-json
if [ -d "${target%/*}" ]; then
	write "$meanwhile"
	if reload; then
		tries=0 # the engine reads the file a moment later
		for name in "$@"; do
			while takes "$name" && [ "$tries" -lt 50 ]; do
				tries=$((tries + 1))
				sleep 0.1
			done
		done
	fi
	case $how in
	original) put_back "$path.airferry-orig" ;;
	absent) rm -f "$target" ;;
	*) write "$final" ;;
	esac
fi
if [ -n "$rest" ]; then
	printf '%s\n' "$rest" >"$notes/insecure-registries"
	if [ -e "$note" ]; then
		sed '/^wrote=/d' "$note" >"$note.new"
		printf 'wrote=%s\n' "$(sum_of "$target")" >>"$note.new"
		mv "$note.new" "$note"
	fi
	exit 0
fi
rm -f "$path.airferry-orig" "$note" "$notes/insecure-registries"
rmdir "$notes" 2>/dev/null || true

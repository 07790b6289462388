#!/bin/sh
# lists: every source file stands in the Makefile.inc of its folder, or `make dist` would forget it.
. "$(dirname "$0")/lib.sh"

# The nearest folder above a file that has a list.
home() {
	dir=$(dirname "$1")
	while [ ! -f "$dir/Makefile.inc" ] && [ "$dir" != . ]; do
		dir=$(dirname "$dir")
	done
	[ "$dir" = . ] || printf '%s\n' "$dir"
}

missing=$(for file in $(sources '*' src proto httpapi journal knative support samples tests docs); do
	case $file in
	*/Makefile.inc | */.npmrc | tests/fuzz/corpus/*) continue ;;
	esac
	dir=$(home "$file")
	[ -n "$dir" ] || continue # a folder that the build does not know yet
	name=${file#"$dir"/}
	# Programs of one file are listed without their .c, messages without their .proto, tables by folder.
	for candidate in "$name" "${name%.c}" "${name#idl/}" "${name%%/*}"; do
		candidate=${candidate%.proto}
		if grep -qE "(%D%/|^[[:space:]]+|[[:space:]])$candidate(\.proto)?([[:space:]]|\$)" "$dir/Makefile.inc"; then
			continue 2
		fi
	done
	echo "$file is not in $dir/Makefile.inc"
done)
check "every file is in the list of its folder" "$missing"

twice=$(for list in $(sources Makefile.inc src proto httpapi journal support samples); do
	sed -n 's/^\t\(%D%\/[^ ]*\.[ch]\)\( \\\)*$/\1/p' "$list" | LC_ALL=C sort | uniq -d | sed "s,^,$list: ,"
done)
check "no file is listed twice" "$twice"
plan

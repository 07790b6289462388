#!/bin/sh
# apt_sources.sh ETC CODENAME RELEASE PREFIX: each package source in ETC (/etc/apt) that has the main
# component of the release CODENAME is written to a file PREFIX<n>.list or PREFIX<n>.sources of its
# own, with RELEASE in the place of CODENAME. Reads both formats that apt has. Spec: sources.list(5)
set -eu

etc=$1
codename=$2
release=$3
prefix=$4
number=0

# One line each: deb [options] URI release component...
for list in "$etc/sources.list" "$etc"/sources.list.d/*.list; do
	[ -f "$list" ] || continue
	awk -v codename="$codename" -v release="$release" '
		{ sub(/#.*/, "") }
		$1 != "deb" { next }
		{
			at = 2 # the URI
			if ($2 ~ /^\[/) {
				while (at < NF && $at !~ /\]$/) at++
				at++
			}
			if ($(at + 1) != codename) next
			for (i = at + 2; i <= NF && $i != "main"; i++) continue
			if (i > NF) next
			for (i = 1; i <= at; i++) printf "%s ", $i
			print release " main"
		}' "$list" >"${prefix}found"
	while IFS= read -r line; do
		number=$((number + 1))
		printf '%s\n' "$line" >"$prefix$number.list"
	done <"${prefix}found"
done

# Stanzas of "Field: words", each continued on lines that begin with a blank.
for list in "$etc"/sources.list.d/*.sources; do
	[ -f "$list" ] || continue
	awk -v codename="$codename" -v release="$release" -v prefix="$prefix" -v number="$number" '
		function has(name, word) { return index(" " field[name] " ", " " word " ") }
		function flush() {
			if (has("types", "deb") && has("suites", codename) && has("components", "main") &&
			    !has("enabled", "no")) {
				file = prefix (++number) ".sources"
				printf "Types: deb\n%sSuites: %s\nComponents: main\n", kept, release >file
				close(file)
			}
			kept = ""
			split("", field)
		}
		/^#/ { next }
		/^[ \t]*$/ { flush(); next }
		{
			words = $0
			if (words ~ /^[^ \t]/) {
				name = tolower(substr(words, 1, index(words, ":") - 1))
				sub(/^[^:]*:/, "", words)
			}
			gsub(/[ \t]+/, " ", words)
			gsub(/^ | $/, "", words)
			field[name] = field[name] " " words
			if (name !~ /^(types|suites|components|enabled)$/) kept = kept $0 "\n"
		}
		END { flush(); print number }' "$list" >"${prefix}found"
	number=$(cat "${prefix}found")
done
rm -f "${prefix}found"

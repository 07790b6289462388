#!/bin/sh
# documents: the tables in docs/ are those of the .def files; man pages are well formed; links lead
# somewhere. `documents.sh --write` puts the tables right.
. "$(dirname "$0")/lib.sh"

printer=${top_builddir:-$PWD/build}/tests/lint/print_tables

# The document with the table between its markers replaced by the one of the printer.
with_table() {
	awk -v table="$2" '
		/^<!-- table: end -->/ { inside = 0 }
		!inside { print }
		/^<!-- table: begin -->/ {
			inside = 1
			while ((getline line <table) > 0)
				print line
		}
	' "$1"
}

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
for name in config metrics log; do
	document=docs/$name.md
	"$printer" "$name" >"$work/table" || echo "not ok - the printer failed"
	with_table "$document" "$work/table" >"$work/$name.md"
	if [ "${1:-}" = --write ]; then
		cmp -s "$work/$name.md" "$document" || cp "$work/$name.md" "$document"
	fi
	check "$document has the table of the program (else: ./dev docs)" "$(diff "$document" "$work/$name.md")"
done

# A key that nobody reads would be a promise that is not kept.
check "every configuration key is read" "$(
	sed -n 's/^CF(\([a-z0-9_]*\), [A-Z]*, "\([^"]*\)".*/\1 \2/p' src/config/config.def | while read -r field key; do
		grep -rqE "(->|\.)$field\\b" src/server src/cli httpapi || echo "$key is read nowhere"
	done
)"

check "every metric is fed" "$(
	sed -n 's/^MT(\([A-Z0-9_]*\), [a-z]*, "\([^"]*\)".*/\1 \2/p' src/base/metrics.def | while read -r name exposed; do
		grep -rqE "METRIC_$name\b" --include='*.c' src httpapi journal || echo "$exposed is fed nowhere"
	done
)"

if command -v mandoc >/dev/null; then
	check "man pages are well formed" \
		"$(for page in $(sources '*.[1-8]' docs support); do mandoc -T lint -W warning "$page"; done)"
else
	skip "man pages are well formed" "no mandoc"
fi

links=$(for document in *.md $(sources '*.md' docs src proto httpapi journal support samples tests); do
	dir=$(dirname "$document")
	grep -oE '\]\([^)# ]+' "$document" | sed 's/^](//' | grep -v '^[a-z]*:' | while read -r link; do
		[ -e "$dir/$link" ] || echo "$document: $link"
	done
done)
check "links between documents lead somewhere" "$links"
plan

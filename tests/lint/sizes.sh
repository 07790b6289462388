#!/bin/sh
# sizes: functions of at most 80 lines with at most 6 parameters, files of at most 800 lines.
. "$(dirname "$0")/lib.sh"

files=$(sources '*.c' src proto httpapi journal knative support samples tests)

check "files have at most 800 lines" "$(for file in $files; do
	lines=$(wc -l <"$file")
	[ "$lines" -le 800 ] || echo "$file: $lines lines"
done)"

# A function is what stands between { and } in the first column, after a line with parameters. The
# rows of a table inside it do not count, nor the parameters that a library's callback has, or the
# contract of the log of CRDTs: a place, what, until when, and whom to tell.
breaches=$(awk '
	FNR == 1 { head = ""; start = 0; table = "" }
	start && table == "" && /= [{]$/ {
		table = $0
		sub(/[^\t].*/, "", table)
		first = FNR
		next
	}
	table != "" {
		if (index($0, table "}") == 1) {
			start += FNR - first - 1
			table = ""
		}
		next
	}
	/^[A-Za-z_]/ && !/;[ \t]*$/ && !/^#/ { head = $0; next }
	/^{/ && head ~ /\(/ {
		start = begin = FNR
		arguments = head
		sub(/^[^(]*\(/, "", arguments)
		gsub(/\([^()]*\)/, "", arguments)
		commas = gsub(/,/, ",", arguments)
		if (commas >= 6 && arguments !~ /nghttp2_session \*|struct MHD_Connection \*|struct crdt_log \*/)
			print "parameters " FILENAME ":" FNR ": " commas + 1 " parameters"
		next
	}
	/^}/ {
		if (start && FNR - start + 1 > 80)
			print "lines " FILENAME ":" begin ": " FNR - start + 1 " lines"
		start = 0
		head = ""
		next
	}
	!start && head != "" { head = head $0 }
' $files)
check "functions have at most 80 lines" "$(printf '%s\n' "$breaches" | sed -n 's/^lines //p')"
check "functions have at most 6 parameters" "$(printf '%s\n' "$breaches" | sed -n 's/^parameters //p')"
plan

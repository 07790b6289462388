#!/bin/sh
# layers: includes point down, and third-party headers stay in their adapters (docs/layers.txt).
. "$(dirname "$0")/lib.sh"
rules=docs/layers.txt
files=$(sources '*.[ch]' src proto httpapi journal knative support)

# One pass: awk reads the rules, then every include line. It prints "<check> <text>" per breach.
breaches=$(awk '
	function home(path,    f, best) {
		best = ""
		for (f in row)
			if (index(path, f "/") == 1 && length(f) > length(best))
				best = f
		return best
	}
	# The longest library prefix that matches a header, or "".
	function library(header,    l, best) {
		best = ""
		for (l in adapters)
			if ((header == l || (index(header, l) == 1 && l !~ /\.h$/)) && length(l) > length(best))
				best = l
		return best
	}
	function is_adapter(path, list,    n, part, i) {
		n = split(list, part, " ")
		for (i = 1; i <= n; i++)
			if (index(path, part[i]) == 1)
				return 1
		return 0
	}
	FILENAME == rules {
		if ($1 == "row")
			row[$3] = $2
		else if ($1 == "lib") {
			name = $2
			$1 = $2 = ""
			adapters[name] = $0
		}
		next
	}
	FNR == 1 {
		mine = home(FILENAME)
		if (mine == "")
			print "3 " FILENAME " lies in no folder of " rules
	}
	/^#[ \t]*include[ \t]*[<"]/ {
		header = $0
		sub(/^#[ \t]*include[ \t]*[<"]/, "", header)
		sub(/[>"].*/, "", header)
		theirs = home(header)
		if (theirs != "") {
			if (mine != "" && theirs != mine && row[theirs] >= row[mine])
				print "1 " FILENAME ":" FNR ": row " row[mine] " (" mine ") includes " header " of row " row[theirs]
			next
		}
		lib = library(header)
		if (lib != "" && !is_adapter(FILENAME, adapters[lib]))
			print "2 " FILENAME ":" FNR ": " header " belongs to" adapters[lib]
	}
' rules="$rules" "$rules" $files)

breach() {
	printf '%s\n' "$breaches" | sed -n "s/^$1 //p"
}
check "includes point into the same folder or a lower row" "$(breach 1)"
check "third-party headers appear only in their adapters" "$(breach 2)"
check "every file lies in a folder that has a row" "$(breach 3)"
plan

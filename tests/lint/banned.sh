#!/bin/sh
# banned: calls the house style does not allow. Comments and strings do not count.
. "$(dirname "$0")/lib.sh"

# "FILE:LINE: text" of every code line that matches an extended regular expression.
calls() {
	expression=$1
	shift
	[ $# -gt 0 ] || return 0
	awk -v expression="(^|[^A-Za-z0-9_>.])($expression)[ \t]*\\\\(" '
		FNR == 1 { inside = 0 }
		{
			line = $0
			gsub(/\\./, "", line)
			gsub(/"[^"]*"/, "\"\"", line)
			code = ""
			while (line != "") {
				if (inside) {
					end = index(line, "*/")
					if (!end)
						break
					line = substr(line, end + 2)
					inside = 0
				}
				start = index(line, "/*")
				if (!start) {
					code = code line
					break
				}
				code = code substr(line, 1, start - 1)
				line = substr(line, start + 2)
				inside = 1
			}
			sub(/\/\/.*/, "", code)
			if (code ~ expression)
				print FILENAME ":" FNR ": " $0
		}
	' "$@"
}

ours=$(sources '*.[ch]' src proto httpapi journal knative support samples)
tests=$(sources '*.[ch]' tests)
check "no unbounded string functions, no system, rand or alloca" \
	"$(calls 'strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atoll|system|rand|srand|alloca' $ours $tests)"
check "no plain assert" "$(calls 'assert' $ours $tests)"
check "no naked malloc outside src/base" \
	"$(calls 'malloc|calloc|realloc|reallocarray|strdup|strndup|asprintf|vasprintf' \
		$(printf '%s\n' $ours | grep -v -e '^src/base/' -e '^support/c/' -e '^samples/'))"
check "no exit outside main" \
	"$(calls 'exit|_exit' $(printf '%s\n' $ours | grep -v -e '/main\.c$' -e '^src/runtime/process\.c$'))"
check "no sleep in tests" "$(calls 'sleep|usleep|nanosleep' $tests)"
check "config.h is forced in by the build" \
	"$(grep -n '^#include [<"]config.h[>"]' $ours $tests /dev/null)"
plan

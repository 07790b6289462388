#!/bin/sh
# headers: each one compiles alone and has the guard its path demands.
. "$(dirname "$0")/lib.sh"

headers=$(sources '*.h' src proto httpapi journal knative support tests)
build=${top_builddir:-build}

# The generated headers may be included, so the include path is that of the build.
alone=$(cd "$build" && printf '%s\n' $headers | xargs -n 1 -P 2 sh -c '
	${CC:-cc} -std=gnu11 $TEST_CPPFLAGS -I"$top_srcdir/support/c" -Itests/fakes/gen -w -fsyntax-only -x c "$top_srcdir/$0" 2>&1 |
		sed -n "s/.*error: /$(printf %s "$0" | sed "s,/,\\\\/,g"): /p" | head -n 1
')
check "every header compiles alone" "$alone"

guards=$(for header in $headers; do
	case $header in
	support/c/*) continue ;; # the installed header keeps its own name
	esac
	guard=HEADGATE_$(printf %s "$header" | tr 'a-z/.-' 'A-Z___')_H
	guard=${guard%_H_H}_H
	grep -q "^#ifndef $guard\$" "$header" || echo "$header: the guard is not $guard"
done)
check "every header has the guard of its path" "$guards"
plan

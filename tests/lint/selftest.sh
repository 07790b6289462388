#!/bin/sh
# selftest: each lint refuses what it is there to refuse, on small trees made here.
set -u
lint=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
count=0

# tree: an empty tree with the rules; files are then written into it.
tree() {
	rm -rf "$work/tree"
	mkdir -p "$work/tree/docs" "$work/tree/src/base" "$work/tree/src/h2" "$work/tree/src/server" "$work/tree/tests"
	cp "$lint/../../docs/layers.txt" "$work/tree/docs/"
	cd "$work/tree" || exit 1
}

# expect LINT NAME PATTERN: exactly one subtest fails, and what it says matches PATTERN ("": all pass).
expect() {
	count=$((count + 1))
	output=$(top_srcdir=$work/tree top_builddir=$work/tree TEST_CPPFLAGS="-I$work/tree" sh "$lint/$1.sh" 2>&1)
	failed=$(printf '%s\n' "$output" | grep -c '^not ok')
	if [ -z "$3" ] && [ "$failed" -eq 0 ]; then
		echo "ok $count - $1: $2"
	elif [ -n "$3" ] && [ "$failed" -eq 1 ] && printf '%s\n' "$output" | grep -q "^# .*$3"; then
		echo "ok $count - $1: $2"
	else
		printf '%s\n' "$output" | sed 's/^/# /'
		echo "not ok $count - $1: $2"
	fi
}

tree && echo '#include "src/base/b.h"' >src/h2/a.c
expect layers "down is fine" ""
tree && echo '#include "src/h2/h.h"' >src/base/a.c
expect layers "up is refused" "src/base/a.c:1: row 1"
tree && mkdir journal && echo '#include "journal/j.h"' >src/h2/a.c
expect layers "the same row is refused" "src/h2/a.c:1: row 3"
tree && echo '#include <nghttp2/nghttp2.h>' >src/server/a.c
expect layers "a foreign library is refused" "belongs to"
tree && mkdir src/other && echo >src/other/a.c
expect layers "a folder without a row is refused" "src/other/a.c lies in no folder"

tree && printf '#ifndef HEADGATE_SRC_BASE_A_H\n#define HEADGATE_SRC_BASE_A_H\n#include <stddef.h>\nsize_t f(void);\n#endif\n' >src/base/a.h
expect headers "a good header passes" ""
tree && printf '#ifndef HEADGATE_SRC_BASE_A_H\n#define HEADGATE_SRC_BASE_A_H\nsize_t f(void);\n#endif\n' >src/base/a.h
expect headers "a missing include is found" "src/base/a.h: unknown type name"
tree && printf '#ifndef A_H\n#define A_H\n#endif\n' >src/base/a.h
expect headers "a foreign guard is found" "HEADGATE_SRC_BASE_A_H"

tree && printf 'void f(void) /* strcpy(a, b) */\n{\n\tg("atoi(x)"); // rand()\n\tmy_free(p->exit(1));\n}\n' >src/h2/a.c
expect banned "comments, strings and members pass" ""
tree && printf '/* one\n * two */ void f(void) {\n\tstrcpy(a, b);\n}\n' >src/h2/a.c
expect banned "strcpy" "src/h2/a.c:3:.*strcpy"
tree && printf '\tp = malloc(n);\n' >src/h2/a.c
expect banned "malloc" "src/h2/a.c:1:.*malloc"
tree && printf '\tassert(x);\n' >src/h2/a.c
expect banned "assert" "assert(x)"
tree && printf '\texit(1);\n' >src/h2/a.c
expect banned "exit" "exit(1)"
tree && printf '\tusleep(1);\n' >tests/a.c
expect banned "sleep" "usleep(1)"

long() {
	printf 'int f(int a,\n      int b)\n{\n'
	i=0
	while [ $i -lt "$1" ]; do
		printf '\tx();\n'
		i=$((i + 1))
	done
	printf '}\n'
}
tree && long 78 >src/base/a.c
expect sizes "80 lines pass" ""
tree && { printf 'void f(void)\n{\n\tconst int rows[] = {\n'; i=0; while [ $i -lt 99 ]; do echo '		1,'; i=$((i + 1)); done; printf '\t};\n}\n'; } >src/base/a.c
expect sizes "tables do not count" ""
tree && long 79 >src/base/a.c
expect sizes "81 lines are refused" "src/base/a.c:3: 81 lines"
tree && printf 'int f(int a, int b, int c,\n      int d, void (*e)(int, int), int g)\n{\n}\n' >src/base/a.c
expect sizes "6 parameters pass" ""
tree && printf 'int f(int a, int b, int c,\n      int d, int e, int g, int h)\n{\n}\n' >src/base/a.c
expect sizes "7 parameters are refused" "src/base/a.c:3: 7 parameters"

tree && echo >src/base/a.c && printf 'x = \\\n\t%%D%%/a.c\n' >src/base/Makefile.inc
expect lists "a listed file passes" ""
tree && echo >src/base/a.c && echo >src/base/b.c && printf 'x = \\\n\t%%D%%/a.c\n' >src/base/Makefile.inc
expect lists "a forgotten file is found" "src/base/b.c is not in src/base/Makefile.inc"
tree && echo >src/base/a.c && printf 'x = \\\n\t%%D%%/a.c \\\n\t%%D%%/a.c\n' >src/base/Makefile.inc
expect lists "a file listed twice is found" "src/base/Makefile.inc: %D%/a.c"
echo "1..$count"

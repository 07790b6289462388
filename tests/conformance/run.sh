#!/bin/sh
# run.sh: the official protobuf conformance suite against conformance-testee, in TAP: proto2, proto3
# and edition 2023 with --enforce_recommended and without a list of expected failures. Sets the runner up when that has
# not been done; only when it cannot be the suite is skipped, or fails when HEADGATE_TEST_STRICT is
# set. HEADGATE_CONFORMANCE_DIR is where the runner is kept.
set -u
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
builddir=${top_builddir:-$here/../../build}
dir=${HEADGATE_CONFORMANCE_DIR:-$builddir/tests/conformance/runner}
testee=$builddir/tests/conformance-testee

# What the runner's suites say at the end, in their order: how many tests pass and how many are
# skipped. They belong to the version of the runner: a test that it no longer asks, or that the
# testee begins to skip, is a difference and not a success.
suite_1="binary and JSON"
passes_1=5567 skips_1=0
suite_2="text format"
passes_2=0 skips_2=883
reason_2="Headgate neither reads nor prints text format"

give_up() {
	if [ -n "${HEADGATE_TEST_STRICT:-}" ]; then
		echo "Bail out! $1"
		exit 1
	fi
	echo "1..0 # SKIP $1"
	exit 0
}

work=$(mktemp -d "${TMPDIR:-/tmp}/conformance.XXXXXX") || give_up "no temporary directory"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

sh "$here/setup.sh" "$dir" 2>"$work/setup" || {
	sed 's/^/# /' "$work/setup"
	give_up "$(tail -n 1 "$work/setup")"
}

"$dir/run" --verbose --enforce_recommended --maximum_edition 2023 --output_dir "$work" "$testee" "$dir/messages.binpb" \
	>"$work/log" 2>&1
code=$?

# count PATTERN: the tests of suite 1 whose name has it.
count() {
	sed '/^CONFORMANCE SUITE/q' "$work/log" | grep -a -c "^conformance test: name=[A-Za-z]*\.$1\."
}

# failures: what went wrong, as diagnostics.
failures() {
	grep -a -E '^ERROR|Sanitizer|runtime error' "$work/log" | head -n 20 | cut -c 1-1000 | sed 's/^/# /'
	tail -n 5 "$work/log" | cut -c 1-300 | sed 's/^/# /'
}

# suite NUMBER NAME PASSES SKIPS [REASON]: the verdict on one of them.
suite() {
	got=$(grep -a '^CONFORMANCE SUITE' "$work/log" | sed -n "$1p")
	echo "# suite $1, $2: ${got:-not reached}"
	case $got in
	*" PASSED: $3 successes, $4 skipped, 0 expected failures, 0 unexpected failures.") ;;
	*)
		echo "not ok $1 - $2: $3 tests pass, $4 are skipped"
		return
		;;
	esac
	if [ "$4" -gt 0 ]; then
		echo "ok $1 - $2: $4 tests # SKIP $5"
	else
		echo "ok $1 - $2: $3 tests"
	fi
}

echo 1..3
echo "# proto3: $(count Proto3) tests, proto2: $(count Proto2)," \
	"edition 2023: $(count Editions), the others as editions: $(count 'Editions_Proto[23]')"
suite 1 "$suite_1" "$passes_1" "$skips_1"
suite 2 "$suite_2" "$passes_2" "$skips_2" "$reason_2"
if [ "$code" -eq 0 ] && ! grep -a -q -E 'Sanitizer|runtime error' "$work/log"; then
	echo "ok 3 - the runner is content, and so are the sanitizers if there are any"
else
	echo "not ok 3 - the runner ends with code $code"
	failures
fi

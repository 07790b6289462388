#!/bin/sh
# run.sh FILE: runs one test file with a node of at least version 20, in TAP. Without node or the packages
# of the package-lock.json files the file is skipped, or fails when HEADGATE_TEST_STRICT is set.
set -u
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
HEADGATE_BUILDDIR=${HEADGATE_BUILDDIR:-${top_builddir:-$here/../../../build}}
export HEADGATE_BUILDDIR

give_up() {
	if [ -n "${HEADGATE_TEST_STRICT:-}" ]; then
		echo "Bail out! $1"
		exit 1
	fi
	echo "1..0 # SKIP $1"
	exit 0
}

root=$(CDPATH='' cd -- "$here/../../.." && pwd)
for package in tests/integration/node/node_modules/@grpc/grpc-js support/node/node_modules/@grpc/grpc-js \
	samples/shopping-cart-js/node_modules/headgate samples/chat/node_modules/headgate; do
	[ -d "$root/$package" ] || give_up "run npm ci in ${package%/node_modules/*} (./dev test does)"
done
for node in node "$here"/node_modules/node-linux-*/bin/node; do
	major=$("$node" -p 'process.versions.node.split(".")[0]' 2>/dev/null) || continue
	[ "$major" -ge 20 ] && exec "$node" --import="$here/deadline.mjs" --test-reporter="$here/tap.mjs" --test-reporter-destination=stdout "$@"
done
give_up "no node of version 20 or later"

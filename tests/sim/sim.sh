#!/bin/sh
# A few thousand histories of the simulator; ./dev sim runs as many as one likes.
set -eu
sim=${top_builddir:-build}/tests/sim/sim
[ -x "$sim" ] || {
	echo "1..0 # SKIP built without lua5.1 (Debian: liblua5.1-0-dev)"
	exit 0
}
exec "$sim" -j "$(nproc)" test 1 "${HEADGATE_SIM_COUNT:-2000}"

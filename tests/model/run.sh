#!/bin/sh
# The models of tests/model, checked by spin: what must hold, and mutations that must be caught. Speaks
# TAP. Rows marked "long" run with HEADGATE_MODEL=full only (./dev model), which also prints how many
# states were seen. A model is a C program that spin writes; each row compiles its own.
set -eu
here=${top_srcdir:-$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)}/tests/model
here=$(CDPATH='' cd -- "$here" && pwd)
command -v spin >/dev/null || {
	echo "1..0 # SKIP no spin (Debian: spin)"
	exit 0
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# verdict | when | model | sizes and mutations | what it is about
rows() {
	cat <<'END'
holds|short|append|-DNC=2 -DRETRY=1|lost replies, zombies, a command sent twice
holds|short|append|-DNC=2 -DBATCH=1 -DREADS=1|a batch with a snapshot, and a read
holds|short|append|-DNC=2 -DBATCH=1 -DERASE -DREADS=1|an erasure at any moment
holds|short|append|-DNC=2 -DRETRY=1 -DLOSS|a failover that loses the newest append
holds|long|append|-DNC=3 -DRETRY=1|three commands
holds|long|append|-DNC=3 -DREADS=2|three commands and two reads
holds|long|append|-DNC=2 -DBATCH=1 -DRETRY=1 -DREADS=1|a batch sent twice, and a read
holds|long|append|-DNC=2 -DBATCH=1 -DRETRY=1 -DERASE -DREADS=1|erased in between
holds|long|append|-DNC=2 -DRETRY=1 -DLOSS -DREADS=1|lost tail and reads
holds|long|append|-DNC=2 -DBATCH=1 -DRETRY=2 -DLOSS|lost batches
holds|long|append|-DNC=2 -DRETRY=2 -DREADS=1|both sent twice, and a read
caught|short|append|-DNC=3 -DLOSS -DSEQONLY|compares the sequence only
caught|short|append|-DNC=2 -DRETRY=2 -DLOSS -DTAGCMD|the tag names the command, not the attempt
caught|short|append|-DNC=2 -DRETRY=1 -DNODEDUPE|no dedupe
caught|short|append|-DNC=2 -DREADS=1 -DNOVERIFY|reads are not verified
caught|short|append|-DNC=2 -DACKFIRST|acknowledges before the append
caught|short|append|-DNC=2 -DBATCH=1 -DPARTIAL|a batch lands in part
caught|short|append|-DNC=2 -DBATCH=1 -DSNAPAPART|the snapshot is written by itself
caught|short|append|-DNC=2 -DERASE -DNOTOMB|erasure forgets the head
holds|short|speculative|-DNC=3 -DBREAKS=1 -DREAD -DRIVAL=2|a rival sends the first command once more
holds|short|speculative|-DNC=4 -DDEPTH=3 -DBREAKS=1|three appends on their way
holds|long|speculative|-DNC=3 -DBREAKS=2 -DREAD -DGIVEUP|deadlines pass
holds|long|speculative|-DNC=4 -DDEPTH=3 -DBREAKS=2 -DREAD -DGIVEUP -DRIVAL=2|all of it
holds|long|speculative|-DNC=3 -DBREAKS=2 -DREAD -DGIVEUP -DLOSS|and a lost tail
caught|short|speculative|-DNC=3 -DGIVEUP -DEARLYACK|replies before its append is decided
caught|short|speculative|-DNC=3 -DKEEPBUILT|keeps what was built on a failed append
caught|short|speculative|-DNC=2 -DREAD -DGIVEUP -DSPECREAD|a read of an undecided state
caught|short|speculative|-DNC=3 -DRIVAL=2 -DNODEDUPE|runs again what a rival did
holds|short|sync|-DOPS=2|two replicas, WAIT 2
holds|short|sync|-DOPS=2 -DW=1 -DPROMOTABLE=2 -DPAIR|one replica, WAIT 1
holds|long|sync|-DOPS=3|three operations each
caught|short|sync|-DOPS=2 -DW=1|WAIT 1 of two promotable replicas
caught|short|sync|-DOPS=2 -DW=1 -DPROMOTABLE=2|WAIT 1 counts the replica that cannot be promoted
caught|short|sync|-DOPS=2 -DNOWAIT|no WAIT
caught|short|sync|-DOPS=2 -DNOCLAIM|shows a state that nobody waited for
caught|short|sync|-DOPS=2 -DKEEPSHORT|keeps a state whose WAIT counted too few
END
}

wanted() {
	[ "${HEADGATE_MODEL:-}" = full ] || grep -v '^[a-z]*|long|'
	[ "${HEADGATE_MODEL:-}" != full ] || cat
}

# outcome MODEL SIZES: holds, caught, or why it is neither; leaves what pan said in $work/out.
outcome() {
	rm -rf "$work/row"
	mkdir "$work/row"
	cd "$work/row"
	# shellcheck disable=SC2086 # a list on purpose
	spin $2 -a "$here/$1.pml" >spin.out 2>&1 || {
		tail -n 3 spin.out >"$work/out"
		echo "spin refuses it"
		return
	}
	gcc -O2 -w -DSAFETY -DCOLLAPSE -DVECTORSZ=2048 -DMEMLIM=4096 -o pan pan.c
	./pan -m300000 -w22 >"$work/out" 2>&1 || true
	if grep -q 'errors: 0' "$work/out" && ! grep -qi 'out of memory\|search not completed\|max search depth too small' "$work/out"; then
		echo holds
	elif grep -q 'assertion violated' "$work/out"; then
		echo caught
	else
		echo "neither holds nor is caught"
	fi
}

rows | wanted >"$work/rows"
echo "1..$(wc -l <"$work/rows")"
n=0
failed=0
while IFS='|' read -r verdict _ model sizes about; do
	n=$((n + 1))
	got=$(outcome "$model" "$sizes")
	if [ "$got" = "$verdict" ]; then ok=ok; else ok='not ok' failed=1; fi
	states=$(sed -n 's/ *\([0-9.e+]*\) states, stored.*/\1/p' "$work/out")
	echo "$ok $n - $model, $about: $got (${states:-0} states)"
	[ "$ok" = ok ] || sed 's/^/# /' "$work/out"
done <"$work/rows"
exit "$failed"

# What the lints share: they run at the top of the source tree and speak TAP.
set -u
cd "${top_srcdir:-$(dirname "$0")/../..}" || exit 1
lint_count=0

# check NAME BREACHES: passes when BREACHES is empty, else shows them.
check() {
	lint_count=$((lint_count + 1))
	if [ -z "$2" ]; then
		echo "ok $lint_count - $1"
	else
		printf '%s\n' "$2" | sed 's/^/# /'
		echo "not ok $lint_count - $1"
	fi
}

# skip NAME WHY
skip() {
	lint_count=$((lint_count + 1))
	echo "ok $lint_count - $1 # SKIP $2"
}

plan() {
	echo "1..$lint_count"
}

# sources PATTERN DIR...: our files of that name, without what is generated or fetched.
sources() {
	pattern=$1
	shift
	for dir in "$@"; do
		[ -d "$dir" ] && find "$dir" \( -name node_modules -o -name gen \) -prune -o \
			-type f -name "$pattern" -print
	done | LC_ALL=C sort
}

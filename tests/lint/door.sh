#!/bin/sh
# door: the scripts are well formed, and ./dev run knows every sample; each has its README and manifest.
. "$(dirname "$0")/lib.sh"

check "the shell scripts are well formed" "$(
	for script in dev .ci/run $(sources '*.sh' tests); do
		sh -n "$script" 2>&1
	done
)"

check "every sample can be run, has a README and a manifest of its name" "$(
	usage=$(sh dev help)
	for sample in samples/*/; do
		name=$(basename "$sample")
		printf '%s\n' "$usage" | grep -qE "[[ ]$name[] ]" || echo "./dev run does not offer $name"
		[ -f "$sample/README.md" ] || echo "$name has no README.md"
		grep -q "^  name: $name\$" "$sample/manifest.yaml" || echo "$name has no manifest of its name"
		grep -qF '(manifest.yaml)' "$sample/README.md" || echo "$name/README.md does not show its manifest"
	done
)"

refused=$(sh dev run nothing 2>&1) && refused="taken: $refused"
check "a sample that is not there is refused with the names of those that are" "$(
	for sample in samples/*/; do
		name=$(basename "$sample")
		printf '%s\n' "$refused" | grep -q "^dev: no sample nothing; .*\b$name\b" || echo "$name: $refused"
	done
)"
plan

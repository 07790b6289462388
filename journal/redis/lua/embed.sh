#!/bin/sh
# Makes script_source.h: every script as a C string without its comment lines, and its SHA-1, by
# which Redis knows it. Usage: embed.sh NAME.lua... >script_source.h
set -eu

echo '/* Made by journal/redis/lua/embed.sh from the .lua files. */'
for file in "$@"; do
	name=$(basename "$file" .lua | tr '[:lower:]' '[:upper:]')
	# The first line starts with a number sign and stays.
	sha=$(sed '/^ *--/d' "$file" | sha1sum | cut -d ' ' -f 1)
	echo "#define SCRIPT_${name}_SHA \"$sha\""
	echo "#define SCRIPT_${name}_SOURCE \\"
	sed -e '/^ *--/d' -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/.*/"&\\n" \\/' "$file"
	echo '""'
done

#!/bin/sh
# Fetches the two files of GitHub's own npm packages that the tests hold requests, answers and
# webhook payloads against, into .cache/npm under the repository's root (or HITRATE_NPM_ASSETS).
# Does nothing where they are there already. Needs npm (with node) and tar; no package is installed and
# none of their scripts runs.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
out=${HITRATE_NPM_ASSETS:-$root/.cache/npm}

# fetch PACKAGE VERSION SHA512 MEMBER FILE: the base64 SHA-512 is npm's dist.integrity of the tarball.
fetch() {
	package=$1 version=$2 sha512=$3 member=$4 file=$5
	stamp=$out/$file.version
	if [ -s "$out/$file" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$version" ]; then
		return
	fi
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	echo "fetching $member of $package $version"
	(cd "$work" && npm pack --silent --ignore-scripts "$package@$version" >name)
	tarball=$work/$(tail -n 1 "$work/name")
	got=$(node -e 'console.log(require("crypto").createHash("sha512").update(require("fs").readFileSync(process.argv[1])).digest("base64"))' "$tarball")
	if [ "$got" != "$sha512" ]; then
		echo "$package $version: SHA-512 is $got, want $sha512" >&2
		exit 1
	fi
	mkdir -p "$out"
	tar -xzOf "$tarball" "package/$member" >"$work/file"
	mv "$work/file" "$out/$file"
	echo "$version" >"$stamp"
	rm -rf "$work"
	trap - EXIT
}

fetch @octokit/openapi 23.0.2 \
	pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg== \
	generated/api.github.com.json api.github.com.json
fetch @octokit/webhooks-examples 7.6.1 \
	De6U3XB6O3DtCa7bKgCMzTHdeopqqZ6SNivMYJnK65ierKL1AnNIA0tkRYCRS7lwGT792d+Ps1WbfHlso6MynQ== \
	api.github.com/index.json webhooks-examples.json

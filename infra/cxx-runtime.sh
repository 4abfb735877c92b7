#!/bin/bash
# Fetches the packages of Debian 11 that a list names with their SHA-256 digests, and
# puts their libraries into <folder>/<architecture, as AWS names it>/.
#
#   infra/cxx-runtime.sh infra/cxx-runtime.txt FOLDER
set -eu -o pipefail

list=$(realpath "$1")
out=$(realpath -m "$2")
keys=/usr/share/keyrings/debian-archive-keyring.gpg
command -v apt-get dpkg-deb >/dev/null && [[ -e $keys ]] || {
	echo "the C++ runtime comes from Debian's packages, and this machine is no Debian: make dist CXX_RUNTIME=folder, where folder/arm64 and folder/x86_64 have libstdc++.so.6 and libgcc_s.so.1 of a system with GLIBC 2.34 or older (Amazon Linux 2023)" >&2
	exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists,archives}/partial
: >"$work/status"

# The machine's own mirror, with a state of its own: nothing of the machine's changes.
site=$(apt-get indextargets --format '$(SITE)' | grep -m 1 '/debian$')
echo "deb [arch=amd64,arm64 signed-by=$keys] $site bullseye main" >"$work/sources"
apt() {
	apt-get -qq -o APT::Sandbox::User=root -o Dir::Etc::SourceList="$work/sources" -o Dir::Etc::SourceParts=- \
		-o Dir::State::Lists="$work/lists" -o Dir::State::status="$work/status" \
		-o Dir::Cache::Archives="$work/archives" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
		-o APT::Architectures::=amd64 -o APT::Architectures::=arm64 -o Acquire::Languages=none "$@"
}
apt update

cd "$work"
wanted=()
while read -r _ file; do
	IFS=_ read -r package version arch <<<"${file%.deb}"
	wanted+=("$package:$arch=$version")
done <"$list"
apt download "${wanted[@]}"
sha256sum --check --quiet "$list"

rm -rf "$out"
while read -r _ file; do
	arch=${file##*_}
	case ${arch%.deb} in amd64) arch=x86_64 ;; *) arch=arm64 ;; esac
	mkdir -p "$out/$arch"
	dpkg-deb -x "$file" "$work/$file.d"
	find "$work/$file.d" \( -name 'libstdc++.so.6' -o -name 'libgcc_s.so.1' \) -exec cp -L -t "$out/$arch" {} +
done <"$list"
chmod 644 "$out"/*/*

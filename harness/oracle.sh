#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Has the recorded captures judged by a program that nobody here wrote: runs the tests named Oracle, which ask tshark.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v tshark >/dev/null; then
	if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
		echo "the oracle is tshark, which is not installed: on Debian or Ubuntu run" >&2
		echo "    sudo apt-get install --no-install-recommends tshark" >&2
		echo "elsewhere install Wireshark's command-line tools, then try again" >&2
		exit 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get update
	apt-get install --yes --no-install-recommends tshark
fi
tshark --version | sed -n 1p

# Without this, a renamed test would leave the oracle out and still pass.
if ! grep -rqE --include='*_test.go' '^func Test[A-Za-z]*Oracle' .; then
	echo "no test is named Oracle: nothing here asks tshark" >&2
	exit 1
fi
go test -tags=oracle -count=1 -run='Oracle' ./...

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Has the recorded captures judged by a program that nobody here wrote: runs the tests named Oracle, which ask tshark.
set -euo pipefail
cd "$(dirname "$0")/.."

harness/wireshark.sh

# Without this, a renamed test would leave the oracle out and still pass.
if ! grep -rqE --include='*_test.go' '^func Test[A-Za-z]*Oracle' .; then
	echo "no test is named Oracle: nothing here asks tshark" >&2
	exit 1
fi
go test -tags=oracle -count=1 -run='Oracle' ./...

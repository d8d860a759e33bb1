#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Holds what decode reads in the captures below a folder against what tshark dissects in them, and prints how far the two
# agree. What tshark says of FILE is read from FILE.tshark.tsv.gz, if that lies beside it. Before that, every message is
# parsed, encoded and parsed to the same, and every capture is cut at each byte of its first 4 KiB.
set -euo pipefail
cd "$(dirname "$0")/.."

dir=${NBTLAB_CAPTURES:-pcaps}
if [ ! -d "$dir" ]; then
	echo "NBTLAB_CAPTURES=$dir: there is no such folder" >&2
	exit 1
fi
if [ -z "$(find "$dir" -name '*.tshark.tsv.gz' -print -quit)" ]; then
	harness/wireshark.sh
fi
NBTLAB_CAPTURES=$(cd "$dir" && pwd)
export NBTLAB_CAPTURES
go test -count=1 -timeout=0 -run='^Test(NBT|Capture)$' ./harness/nbt ./harness/capture -args -ginkgo.focus=NBTLAB_CAPTURES
go test -tags=oracle -count=1 -v -timeout=0 -run='^TestCapturesOracle$' ./harness/report

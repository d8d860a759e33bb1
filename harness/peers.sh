#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The tests against real stacks: in private network namespaces, with Samba and other people's clients. Installs what is
# missing on Debian as root. Arguments go to the Ginkgo command: harness/peers.sh --focus='Q124565'. With bench as the first
# one it is the benchmarks, and the others go to go test. NBTLAB_FIRE=10m keeps stacks under fire for that long.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(samba samba-testsuite smbclient nbtscan python3-impacket tshark tcpdump tcpreplay iproute2 ethtool python3)
programs=(nmbd smbd smbcontrol smbtorture nmblookup smbclient nbtscan tshark tcpdump tcpreplay ip ethtool /usr/bin/python3)

if [ "$(id -u)" -ne 0 ]; then
	echo "real peers live in network namespaces, which only root can make: run sudo make test-peers" >&2
	exit 1
fi
PATH=$PATH:/usr/sbin:/sbin
missing() {
	local program
	for program in "${programs[@]}"; do
		command -v "$program" >/dev/null || return 0
	done
	! /usr/bin/python3 -c 'import impacket' 2>/dev/null
}
if missing; then
	if ! command -v apt-get >/dev/null; then
		echo "the peers are Debian's packages ${packages[*]}: install what your system calls them, then try again" >&2
		exit 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	# No daemon may start on this machine: those of the tests run in namespaces of their own.
	if [ ! -e /usr/sbin/policy-rc.d ]; then
		policy=/usr/sbin/policy-rc.d
		trap 'rm -f "$policy"' EXIT
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	apt-get -o DPkg::Lock::Timeout=600 update
	apt-get -o DPkg::Lock::Timeout=600 install --yes --no-install-recommends "${packages[@]}"
	if missing; then
		echo "installed ${packages[*]}, and still not all of these are there: ${programs[*]} impacket" >&2
		exit 1
	fi
fi
nmbd --version

# What a test that was killed leaves behind is known by its tag.
export NBTLAB_PEERS_TAG=nbtlab$$
cleanup() {
	local namespace pid
	for namespace in $(ip netns list | awk -v tag="$NBTLAB_PEERS_TAG-" 'index($1, tag) == 1 { print $1 }'); do
		for pid in $(ip netns pids "$namespace"); do kill -9 "$pid" 2>/dev/null || true; done
		ip netns del "$namespace"
	done
	if [ -n "${policy:-}" ]; then rm -f "$policy"; fi
}
trap cleanup EXIT

if [ "${1:-}" = bench ]; then
	shift
	go test -tags=peers -run='^$' -bench=. -timeout=60m "$@" ./harness/peers
	exit
fi

# Most of the time the specs wait for Samba's timers, so that two of them go at once even on one core.
go tool ginkgo --procs="${NBTLAB_PEERS_PROCS:-3}" --tags=peers --fail-on-pending --fail-on-empty --timeout=60m \
	--silence-skips "$@" ./harness/peers

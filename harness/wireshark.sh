#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Sees that Wireshark's command-line tools are there: installs them on Debian as root, else says what to do.
set -euo pipefail

if ! command -v tshark >/dev/null || ! command -v capinfos >/dev/null; then
	if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
		echo "tshark and capinfos are what this is held against, and are not installed: on Debian or Ubuntu run" >&2
		echo "    sudo apt-get install --no-install-recommends tshark" >&2
		echo "elsewhere install Wireshark's command-line tools, then try again" >&2
		exit 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get -o DPkg::Lock::Timeout=600 update
	apt-get -o DPkg::Lock::Timeout=600 install --yes --no-install-recommends tshark
fi
tshark --version | sed -n 1p

// SPDX-License-Identifier: MIT

package live

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/nbtlab/nbtlab/harness/nbt"
)

// Addresses lists the IPv4 addresses of this host that a stack can have, with their networks.
func Addresses() ([]netip.Prefix, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var prefixes []netip.Prefix
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			prefixes = append(prefixes, p)
		}
	}
	return prefixes, nil
}

// AddressesText lists the addresses of this host for a message.
func AddressesText() string {
	list, err := Addresses()
	var words []string
	for _, p := range list {
		if !p.Addr().IsLoopback() {
			words = append(words, p.String())
		}
	}
	if err != nil || len(words) == 0 {
		return "this host has none but that of the loopback"
	}
	return "this host has " + strings.Join(words, ", ")
}

// localAddress says why an address cannot be a stack's.
func localAddress(addr netip.Addr) error {
	list, err := Addresses()
	if err != nil {
		return fmt.Errorf("live: cannot list the addresses of this host: %w", err)
	}
	for _, p := range list {
		if p.Addr() == addr || p.Addr().IsLoopback() && p.Contains(addr) {
			return nil
		}
	}
	return fmt.Errorf("%s is not an address of this host (%s): give it one with: ip addr add %s/24 dev eth0",
		addr, AddressesText(), addr)
}

// otherNetwork says why the broadcast address of a stack's network cannot be heard, though its own address is this host's.
func otherNetwork(prefix netip.Prefix, broadcast netip.Addr) error {
	return fmt.Errorf("%s has the broadcast address %s, which is not this host's (%s): give %s the length that this host has it with, "+
		"or leave the length out", prefix, broadcast, AddressesText(), prefix.Addr())
}

// Advise says what to do about a socket that could not be had.
func Advise(protocol string, at netip.AddrPort, err error) error {
	switch {
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		program, lookup := os.Executable()
		if lookup != nil {
			program = "nbtlab"
		}
		return fmt.Errorf("no permission for %s port %d: ports below 1024 are for root; run this as root, or once: "+
			"sudo setcap cap_net_bind_service=+ep %s", protocol, at.Port(), program)
	case errors.Is(err, syscall.EADDRINUSE):
		who := "another program"
		if owner := ownerOf(protocol, at); owner != "" {
			who = owner
		}
		return fmt.Errorf("%s port %d of %s is taken by %s: end that first, or give the stack an address of its own",
			protocol, at.Port(), at.Addr(), who)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s is not an address of this host (%s)", at.Addr(), AddressesText())
	}
	return fmt.Errorf("cannot listen on %s port %d of %s: %w", protocol, at.Port(), at.Addr(), err)
}

// ownerOf names the process that has a port, as far as /proc tells: "nmbd (process 812)".
func ownerOf(protocol string, at netip.AddrPort) string {
	f, err := os.Open("/proc/net/" + strings.ToLower(protocol))
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }() // nothing was written
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || !sameSocket(fields[1], at) {
			continue
		}
		if owner := holderOf("socket:[" + fields[9] + "]"); owner != "" {
			return owner
		}
	}
	return ""
}

// sameSocket reports whether an address of /proc/net, such as 0100007F:0089, is in the way of another.
func sameSocket(text string, at netip.AddrPort) bool {
	addr, port, ok := strings.Cut(text, ":")
	p, err := strconv.ParseUint(port, 16, 16)
	a, err2 := strconv.ParseUint(addr, 16, 32)
	if !ok || err != nil || err2 != nil || uint16(p) != at.Port() {
		return false
	}
	ip := netip.AddrFrom4([4]byte{byte(a), byte(a >> 8), byte(a >> 16), byte(a >> 24)})
	return ip == at.Addr() || ip.IsUnspecified()
}

// maxProcesses bounds the search for who has a port.
const maxProcesses = 20000

func holderOf(socket string) string {
	list, _ := filepath.Glob("/proc/[0-9]*/fd") // a pattern of ours is not malformed
	for _, dir := range list[:min(len(list), maxProcesses)] {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // it has ended, or is not ours to look at
		}
		for _, e := range entries {
			if link, err := os.Readlink(filepath.Join(dir, e.Name())); err != nil || link != socket {
				continue
			}
			process := filepath.Dir(dir)
			comm, err := os.ReadFile(filepath.Join(process, "comm"))
			if err != nil {
				return "process " + filepath.Base(process)
			}
			return nbt.Printable([]byte(strings.TrimSpace(string(comm)))) + " (process " + filepath.Base(process) + ")"
		}
	}
	return ""
}

// SPDX-License-Identifier: MIT

package dissect

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/netbios"
)

// Filter picks messages. A message passes if it satisfies every kind of condition that is set, and of each kind any one.
type Filter struct {
	Hosts    []netip.Prefix // the sender or the receiver is among these
	Names    []NamePattern  // a name in the message is like one of these
	Services []capture.Service
	Frames   []int // the numbers of the frames, as Wireshark counts
}

// NamePattern is a name, or all names that differ only in their suffix.
type NamePattern struct {
	Name      netbios.Name
	AnySuffix bool
}

// Matches reports whether a name is like the pattern.
func (p NamePattern) Matches(n *netbios.Name) bool {
	if p.AnySuffix {
		return string(n[:netbios.NameLen-1]) == string(p.Name[:netbios.NameLen-1])
	}
	return *n == p.Name
}

// ParseNamePattern reads a name as [netbios.ParseName] does. One that is written without a suffix stands for it with any.
func ParseNamePattern(text string) (NamePattern, error) {
	name, err := netbios.ParseName(text)
	if err != nil {
		return NamePattern{}, fmt.Errorf("dissect: name %q: %w", text, err)
	}
	return NamePattern{Name: name, AnySuffix: name != netbios.Wildcard && !strings.HasSuffix(text, ">")}, nil
}

// ParseHost reads an IPv4 address, or a network such as 10.0.0.0/24.
func ParseHost(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Is4() {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	if network, err := netip.ParsePrefix(text); err == nil && network.Addr().Is4() {
		return network, nil
	}
	return netip.Prefix{}, fmt.Errorf("dissect: host %q: want an IPv4 address such as 10.0.0.10, or a network such as 10.0.0.0/24", text)
}

// ParseService reads "ns", "dgm" or "ssn".
func ParseService(text string) (capture.Service, error) {
	for _, s := range []capture.Service{capture.NameService, capture.DatagramService, capture.SessionService} {
		if text == s.String() {
			return s, nil
		}
	}
	return 0, fmt.Errorf("dissect: unknown service %q: want ns (name service), dgm (datagram service) or ssn (session service)", text)
}

// Picks reports whether a message passes. What could not be read has no names beyond where it could.
func (f *Filter) Picks(m *Message) bool {
	return f.PicksFrame(m.Frame) && (len(f.Names) == 0 || f.names(m))
}

// PicksFrame reports whether a frame passes, whatever names are in it.
func (f *Filter) PicksFrame(x *capture.Frame) bool {
	return (len(f.Services) == 0 || slices.Contains(f.Services, x.Service())) &&
		(len(f.Frames) == 0 || slices.Contains(f.Frames, x.Number)) &&
		(len(f.Hosts) == 0 || slices.ContainsFunc(f.Hosts, func(p netip.Prefix) bool {
			return p.Contains(x.From.Addr()) || p.Contains(x.To.Addr())
		}))
}

func (f *Filter) names(m *Message) (found bool) {
	m.mentions(func(x mention) {
		found = found || slices.ContainsFunc(f.Names, func(p NamePattern) bool { return p.Matches(x.name) })
	})
	return found
}
